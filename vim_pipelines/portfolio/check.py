"""What `vimotion portfolio check` found, as values and as lines for people.

A person who maps a CRM reads this ten times in an hour: sources first, then what was read, then every problem in the order of the
file, so that it can be worked through from top to bottom.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from vim_pipelines.portfolio.model import Portfolio

Severity = Literal["error", "warning", "note"]
COLOURS = {"error": "red", "warning": "yellow", "note": "blue", "ok": "green", "not checked": "yellow"}
#: Shares of empty values below this are not worth a reader's time.
TELLING_SHARE = 0.1


@dataclass(frozen=True, order=True)
class Problem:
    """One thing to look at. An error makes the mapping unusable or most of its rows; a warning costs some rows or one answer; a note is to be read once.

    `line` is that of the portfolio file, `where` the entity and column (or `sources.NAME`), `code` the code of the error behind it.
    """

    line: int
    severity: Severity
    where: str
    text: str
    code: str = ""


@dataclass(frozen=True)
class SourceFound:
    """Whether a source could be read at all."""

    name: str
    kind: str
    status: Literal["ok", "error", "not checked"]
    text: str = ""


@dataclass(frozen=True)
class EntityFound:
    """What a sample of an entity's rows showed. `rows` passed the filters; `is_whole` says that there are no more. `empty` is the share of empty values."""

    entity: str
    source: str
    rows: int = 0
    is_whole: bool = False
    is_read: bool = False
    empty: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class CheckReport:
    """Everything that a check found."""

    path: Path
    portfolio: Portfolio
    problems: tuple[Problem, ...]
    sources: tuple[SourceFound, ...] = ()
    entities: tuple[EntityFound, ...] = ()

    @property
    def is_right(self) -> bool:
        """Whether there is no error; warnings and notes are allowed."""
        return not any(item.severity == "error" for item in self.problems)

    def as_json(self) -> dict[str, Any]:
        """The report as plain values."""
        return {
            "file": str(self.path),
            "portfolio": self.portfolio.name,
            "currency": self.portfolio.currency,
            "is_right": self.is_right,
            "sources": [asdict(item) for item in self.sources],
            "entities": [{**asdict(item), "empty": {name: round(share, 4) for name, share in item.empty.items()}} for item in self.entities],
            "problems": [asdict(item) for item in self.problems],
        }


def offline_report(path: Path, portfolio: Portfolio, mistakes: Sequence[tuple[int, str]]) -> CheckReport:
    """The report of the file alone."""
    return CheckReport(path, portfolio, tuple(Problem(line, "error", "", text, "VIM-E004") for line, text in mistakes))


def report_lines(report: CheckReport, *, style: Callable[[str, str], str] = lambda text, colour: text, width: int = 120) -> list[str]:
    """The report for a terminal of `width` characters; `style` colours a text."""
    portfolio = report.portfolio
    lines = [
        f"{report.path}: {portfolio.name}, {_count(len(portfolio.entities), 'entity')} from {_count(len(portfolio.sources), 'source')}, amounts in {portfolio.currency}"
    ]
    if report.sources:
        lines += ["", *_source_lines(report, style, width)]
    if any(item.is_read for item in report.entities):
        lines += ["", *_entity_lines(report)]
    if report.problems:
        lines += ["", *_problem_lines(report, style, width)]
    return [*lines, "", _verdict(report, style)]


def _source_lines(report: CheckReport, style: Callable[[str, str], str], width: int) -> Iterator[str]:
    name = max(len(item.name) for item in report.sources)
    kind = max(len(item.kind) for item in report.sources)
    for item in report.sources:
        head = f"  {item.name:<{name}}  {item.kind:<{kind}}  "
        yield head + style(f"{item.status:<11}", COLOURS[item.status]) + item.text


def _entity_lines(report: CheckReport) -> Iterator[str]:
    width = max(len(item.entity) for item in report.entities)
    yield f"  {'entity':<{width}}  rows read  often empty"
    for item in report.entities:
        rows = f"{item.rows:,}{'' if item.is_whole else '+'}" if item.is_read else "-"
        often = sorted(((share, name) for name, share in item.empty.items() if share >= TELLING_SHARE), reverse=True)
        shown = ", ".join(f"{name} {share:.0%}" for share, name in often[:5]) + (f" and {len(often) - 5} more" if len(often) > 5 else "")
        yield f"  {item.entity:<{width}}  {rows:>9}  {shown}".rstrip()


def _problem_lines(report: CheckReport, style: Callable[[str, str], str], width: int) -> Iterator[str]:
    digits = max(len(str(item.line)) for item in report.problems)
    for item in report.problems:
        head = f"  line {item.line:>{digits}}  "
        where = f"{item.where}: " if item.where else ""
        code = f" [{item.code}]" if item.code and item.code != "VIM-E004" else ""
        indent = " " * (len(head) + 9)
        text = textwrap.wrap(f"{where}{item.text}{code}", max(40, width - len(indent)), break_long_words=False, break_on_hyphens=False)
        yield head + style(f"{item.severity:<7}", COLOURS[item.severity]) + "  " + text[0]
        yield from (indent + line for line in text[1:])


def _verdict(report: CheckReport, style: Callable[[str, str], str]) -> str:
    counts = Counter[str](item.severity for item in report.problems)
    said = ", ".join(_count(counts[name], name) for name in ("error", "warning", "note") if counts[name])
    if not report.is_right:
        return f"{style(said, 'red')}. Correct the file and check again."
    checked = "The file" if not report.sources else "The portfolio"
    next_step = f"vimotion portfolio check {report.path}" if not report.sources else f"vimotion audit --portfolio {report.path}"
    return f"{style(checked + ' is right', 'green')}{f' ({said})' if said else ''}. Next: {next_step}"


def _count(number: int, noun: str) -> str:
    plural = noun[:-1] + "ies" if noun.endswith("y") else noun + "s"
    return f"{'no' if number == 0 else number} {noun if number == 1 else plural}"
