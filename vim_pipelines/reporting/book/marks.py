"""Small pictures without a library, for pages that are made by the thousand: a line over weeks, bars of accounts.

They stand where the script draws the chart in its place, and stay where no script runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from markupsafe import Markup, escape

WIDTH, HEIGHT, PAD, BAR = 520, 120, 18, 24


def line_picture(points: Sequence[tuple[date, float | int | None]], words: str, colour: str, top: float | None = None) -> Markup:
    """Values by week as a line; a week without a value is a gap in it, never a zero. The largest and the last value are written beside."""
    known = [(place, value) for place, (_, value) in enumerate(points) if value is not None]
    if not known:
        return Markup("")
    top = max([float(value) for _, value in known] + [top or 1.0])
    step = (WIDTH - 3 * PAD) / max(len(points) - 1, 1)

    def at(place: int, value: float | int) -> tuple[float, float]:
        return PAD + place * step, HEIGHT - PAD - (HEIGHT - 2 * PAD) * float(value) / top

    runs: list[list[str]] = [[]]
    for place, (_, value) in enumerate(points):
        if value is None:
            runs.append([])
        else:
            x, y = at(place, value)
            runs[-1].append(f"{x:.1f},{y:.1f}")
    lines = "".join(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{" ".join(run)}"/>' for run in runs if len(run) > 1)
    places = [at(place, value) for place, value in known]
    dots = "".join(f'<circle cx="{across:.1f}" cy="{down:.1f}" r="2.5" fill="{colour}"/>' for across, down in places)
    x, y = places[-1]
    first, last = points[0][0], points[-1][0]
    return Markup(
        f'<svg role="img" viewBox="0 0 {WIDTH} {HEIGHT}" aria-label="{escape(words)}" fill="currentColor" font-size="12">'
        f'<line x1="{PAD}" x2="{WIDTH - PAD}" y1="{HEIGHT - PAD}" y2="{HEIGHT - PAD}" stroke="#7a8691"/>{lines}{dots}'
        f'<text x="{min(x + 6, WIDTH - PAD):.0f}" y="{max(y - 6, 12):.0f}" text-anchor="{"end" if x > WIDTH - 60 else "start"}">{known[-1][1]:,}</text>'
        f'<text x="{PAD}" y="{HEIGHT - 3}">{first.day} {first:%b}</text><text x="{WIDTH - PAD}" y="{HEIGHT - 3}" text-anchor="end">{last.day} {last:%b}</text></svg>'
    )


def bar_picture(rows: Sequence[Mapping[str, Any]], colour: str = "#2b83c4") -> Markup:
    """A bar a row: `label`, `value`, `text`. The names stand left of the bars, cut where they are long; the table has them whole."""
    if not rows:
        return Markup("")
    top = max(max(float(row["value"] or 0) for row in rows), 1.0)
    height = len(rows) * BAR + 4
    parts = []
    for place, row in enumerate(rows):
        y, width = place * BAR + 3, 270 * float(row["value"] or 0) / top
        label = str(row["label"])
        label = label if len(label) <= 24 else label[:23] + "…"
        parts.append(
            f'<text x="150" y="{y + 14}" text-anchor="end">{escape(label)}</text><rect x="158" y="{y}" width="{width:.1f}" height="{BAR - 6}" rx="2" fill="{colour}"/>'
            f'<text x="{164 + width:.1f}" y="{y + 14}">{escape(row["text"])}</text>'
        )
    words = "; ".join(f"{row['label']} {row['text']}" for row in rows)
    return Markup(f'<svg role="img" viewBox="0 0 {WIDTH} {height}" aria-label="{escape(words)}" fill="currentColor" font-size="12">{"".join(parts)}</svg>')
