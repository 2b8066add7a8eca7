"""The outcome of a check as a person reads it: what was asked, why it failed, what to do, and which rows.

A check that says `failed` and no more is looked at once. Free of Dagster, so that the rule of a check is a pure function with a test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

#: Rows that a failure lists; the others are counted.
ROWS_SHOWN = 10


@dataclass(frozen=True)
class Verdict:
    """What a check found. `rows` are the offending rows as plain values; `figures` are numbers that are worth plotting, None is left out."""

    what: str
    passed: bool
    why: str = ""
    fix: str = ""
    rows: Sequence[Mapping[str, Any]] = ()
    figures: Mapping[str, float | int | None] = field(default_factory=dict)

    def text(self) -> str:
        """One or three sentences."""
        if self.passed:
            return self.what
        return " ".join(part for part in (f"{self.what}: it does not hold.", self.why and f"Why: {self.why}.", self.fix and f"Fix: {self.fix}.") if part)

    def numbers(self) -> dict[str, float | int]:
        """The figures that are known."""
        return {name: value for name, value in self.figures.items() if value is not None}

    def table(self) -> str:
        """The first rows as a Markdown table; empty without rows."""
        return markdown_table(self.rows)


def markdown_table(rows: Sequence[Mapping[str, Any]], shown: int = ROWS_SHOWN) -> str:
    """Rows (all with the keys of the first) as a Markdown table; cells hold no line break and no bar. Rows beyond `shown` are counted."""
    if not rows:
        return ""
    head = list(rows[0])
    lines = [f"| {' | '.join(head)} |", f"|{'|'.join(' --- ' for _ in head)}|"]
    lines += [f"| {' | '.join(_cell(row.get(name)) for name in head)} |" for row in rows[:shown]]
    if len(rows) > shown:
        lines.append(f"\nand {len(rows) - shown:,} more")
    return "\n".join(lines)


def _cell(value: Any) -> str:
    return "" if value is None else " ".join(str(value).split()).replace("|", "/").replace("<", "&lt;")
