"""One way to draw a small line: the inbox puts it beside an account, Dagster beside a night.

The inbox has a style sheet and escapes for itself; Dagster's page shows Markdown at once only below a thousand characters and hides the rest
behind a click, so the picture for it is held to that. Dagster drops HTML from Markdown, an `<svg>` too (tried in 1.13.27): it has to be an image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

#: Dagster's page shows Markdown metadata inline below this many characters.
INLINE_LIMIT = 1000
#: Points of a picture for Dagster: with more, its text outgrows the limit.
MOST_POINTS = 40
#: Seen on Dagster's light page and on its dark one; a word, because a `#` would have to be quoted.
COLOUR = "slateblue"


@dataclass(frozen=True)
class Line:
    """`runs` are the points of each unbroken piece as SVG's attribute `points` (pieces of one point are left out); `end` is the last known point."""

    runs: tuple[str, ...]
    end: tuple[float, float]


def drawn(series: Sequence[float | None], width: int, height: int, pad: int) -> Line | None:
    """The line of a series over zero, the largest value at the top. A value that nobody measured is a gap, not a zero. None if none is known."""
    known = [value for value in series if value is not None]
    if not known:
        return None
    top = max(max(known), 1)
    step = (width - 2 * pad) / max(len(series) - 1, 1)
    runs: list[list[str]] = [[]]
    end = (0.0, 0.0)
    for place, value in enumerate(series):
        if value is None:
            runs.append([])
        else:
            end = (pad + place * step, height - pad - (height - 2 * pad) * max(value, 0) / top)
            runs[-1].append(f"{end[0]:.1f},{end[1]:.1f}")
    return Line(tuple(" ".join(run) for run in runs if len(run) > 1), end)


def inline_sparkline(label: str, series: Sequence[float | None], shown: str) -> str:
    """The newest 40 values as Markdown for Dagster: picture and `shown`, the newest value in words. Below a thousand characters, or ValueError.

    `label` and `shown` are the house's own words, without markup.
    """
    width, height, pad = 150, 30, 3
    newest = series[-MOST_POINTS:]
    line = drawn(newest, width, height, pad)
    if line is None:
        text = f"{label}: unknown"
    else:
        path = "".join(f"M{run.replace(' ', 'L')}" for run in line.runs)
        svg = (
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' width='{width}' height='{height}'><g fill='none' stroke='{COLOUR}'>"
            f"<path d='{path}'/><circle cx='{line.end[0]:.1f}' cy='{line.end[1]:.1f}' r='2.5'/></g></svg>"
        )
        quoted = svg.replace("<", "%3C").replace(">", "%3E").replace(" ", "%20")
        text = f"![{label}, {len(newest)} nights](data:image/svg+xml,{quoted}) {label}: **{shown}**"
    if len(text) >= INLINE_LIMIT:
        raise ValueError(f"the sparkline of {label} has {len(text)} characters; Dagster shows fewer than {INLINE_LIMIT} inline")
    return text
