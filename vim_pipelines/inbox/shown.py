"""How values look on the pages: a sparkline as an inline picture with words for those who do not see it, dates, and a CSV that no
spreadsheet runs as a formula. Pure."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from functools import lru_cache

from markupsafe import Markup

from vim_pipelines.core.sparkline import drawn

WIDTH, HEIGHT, PAD = 96, 24, 2
#: What a spreadsheet takes for the beginning of a formula (OWASP, CSV injection), and the wide forms of East Asian keyboards.
FORMULA_STARTS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
CONTROL_STARTS = ("\t", "\r", "\n", "\x00")
#: Half of Europe's spreadsheets separate by semicolons: there one cell of ours is two, quoted or not, and a line end within it begins a row.
NEXT_CELL = re.compile(rf"(;[\s\"']*)(?=[{re.escape(''.join(FORMULA_STARTS))}])")
CONTROLS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")


def sparkline(series: Sequence[int | None] | None) -> Markup:
    """Ten weeks of active people as SVG. A week that nobody measured is a gap, not a zero."""
    return _sparkline(tuple(series or ()))


@lru_cache(maxsize=8192)
def _sparkline(series: tuple[int | None, ...]) -> Markup:
    line = drawn(series, WIDTH, HEIGHT, PAD)
    if line is None:
        return Markup('<span class="muted">no data</span>')
    known = [value for value in series if value is not None]
    words = f"Active people a week, the last {len(series)} weeks: from {known[0]} to {known[-1]}, at most {max(known)}"
    gaps = len(series) - len(known)
    words += f"; {gaps} without data" if gaps else ""
    lines = "".join(f'<polyline points="{run}"/>' for run in line.runs)
    return Markup(
        f'<svg class="spark" role="img" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" aria-label="{words}"><title>{words}</title>'
        f'{lines}<circle cx="{line.end[0]:.1f}" cy="{line.end[1]:.1f}" r="2"/></svg>'
    )


def show_day(value: date | datetime | str | None) -> str:
    """`28 Jun 2026`; 'unknown' for None."""
    if value is None or value == "":
        return "unknown"
    day = date.fromisoformat(value[:10]) if isinstance(value, str) else value
    return f"{day.day} {day:%b %Y}"


def show_moment(value: datetime | None) -> str:
    """`28 Jun 2026, 06:00 UTC`."""
    return "unknown" if value is None else f"{show_day(value)}, {value:%H:%M} UTC"


def time_left(until: datetime, now: datetime) -> str:
    """How long there is: `2 d 4 h`, `35 min`, or `over`."""
    minutes = int((until - now).total_seconds() // 60)
    if minutes <= 0:
        return "over"
    days, hours = divmod(minutes // 60, 24)
    return f"{days} d {hours} h" if days else f"{hours} h" if hours else f"{minutes} min"


def csv_text(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A CSV file of `rows` under `head`, with every cell made harmless."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(head)
    writer.writerows([harmless(cell) for cell in row] for row in rows)
    return out.getvalue()


def harmless(cell: object) -> object:
    """`cell`, with an apostrophe before text that a spreadsheet would run, at its beginning or after a semicolon, and without line ends. Numbers stay numbers."""
    if not isinstance(cell, str):
        return cell
    text = NEXT_CELL.sub(r"\1'", CONTROLS.sub(" ", cell))
    # Marks that nobody sees (zero-width, byte order) are dropped by some programs before they look.
    begins = next((place for place, character in enumerate(text) if unicodedata.category(character)[0] not in "CZ"), len(text))
    return f"'{text}" if text.startswith(FORMULA_STARTS, begins) or cell.startswith(CONTROL_STARTS) else text
