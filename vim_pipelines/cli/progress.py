"""How far the night is, on standard error: a moving line on a terminal, a plain line for each finished step elsewhere.

The time to go is reckoned from the steps' shares in a night that was measured, and from how fast this one has gone so far.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TextIO

import click

#: Seconds of each step in a measured night of 200 accounts; only their shares count. A step that is not here weighs as a small one.
SECONDS = {
    "raw_sources": 12.5, "raw_gates": 4.5, "dbt_base": 15.0, "handoff": 2.5, "signals": 2.5, "lifecycle": 1.0, "dbt_marts": 8.0, "ops__drafts": 2.0,
    "dbt_ops": 5.0, "published": 1.0, "book": 5.0,
}  # fmt: skip
SMALL = 0.5
#: What a step is called for people.
WORDS = {
    "raw_sources": "reading the sources", "raw_gates": "checking the data", "dbt_base": "building the base models", "handoff": "auditing handoffs",
    "signals": "measuring waste, adoption, load", "lifecycle": "folding phases", "dbt_marts": "building the marts", "ops__alerts": "looking for alerts",
    "ops__drafts": "writing drafts", "approval_requests": "asking for approvals", "dbt_ops": "building the marts of operations", "published": "publishing",
    "book": "writing the book", "computed__plan_outcomes": "following up plans", "computed__plan_effects": "measuring what plans did",
    "marts__fct_account_signals_signals_are_covered": "seeing whether every account is measured",
    "marts__fct_data_quality_sources_are_fresh": "seeing whether the sources are fresh",
    "ops__drafts_evidence_is_complete": "seeing whether drafts have their evidence",
    "ops__approval_requests_queue_is_draining": "seeing whether the queue is answered",
    "published_copy_is_complete": "seeing whether the copy is whole",
}  # fmt: skip
#: Plain lines for drafts: this many in all, so that a log of a thousand drafts stays readable.
PLAIN_LINES = 10


class NightProgress:
    """Hears of a night's steps and drafts. Use as a context manager around the night; `step` and `drafts` are the two listeners."""

    def __init__(self, stream: TextIO | None = None, *, clock: Callable[[], float] = time.monotonic, is_live: bool | None = None) -> None:
        self.stream = stream or sys.stderr  # as it is now: the night sends the name `sys.stderr` to a log file
        self.is_live = self.stream.isatty() if is_live is None else is_live
        self.clock = clock
        self.started = clock()
        self.done: list[str] = []
        self.steps: tuple[str, ...] = ()
        self._drafts_started: float | None = None
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> NightProgress:
        if self.is_live:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn

            columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), TextColumn("{task.fields[more]}"))
            self._bar = Progress(*columns, console=Console(file=self.stream, force_terminal=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task("starting", total=1.0, more="")
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def step(self, name: str, is_done: bool, steps: tuple[str, ...]) -> None:
        """A step of the night began or ended; `steps` are all of them."""
        self.steps = steps
        if is_done:
            self.done.append(name)
        words = WORDS.get(name, name.replace("__", " ").replace("_", " "))
        more = f"{len(self.done)}/{len(steps)}{self._to_go()}"
        if self._bar is not None:
            self._bar.update(self._task, description=words, completed=self.share(), more=more)
        elif is_done:
            self._line(f"  {len(self.done):>2}/{len(steps)}  {words}{self._to_go()}")

    def drafts(self, what: str, done: int, total: int, cost_usd: Decimal | None) -> None:
        """Drafts of one round were written."""
        now = self.clock()
        if self._drafts_started is None or done <= 1:
            self._drafts_started = now
        seconds = now - self._drafts_started
        rate = (done - 1) / seconds if done > 1 and seconds > 0.5 else None
        cost = "cost unknown" if cost_usd is None else f"${cost_usd:.4f}"
        speed = f", {rate:.1f}/s, {duration((total - done) / rate)} to go" if rate and done < total else ""
        text = f"{what} {done}/{total}, {cost} so far{speed}"
        if self._bar is not None:
            self._bar.update(self._task, more=text)
        elif done == total or done % max(1, total // PLAIN_LINES) == 0:
            self._line(f"         {text}")

    def share(self) -> float:
        """How much of the night is behind us, 0 to 1."""
        whole = sum(SECONDS.get(name, SMALL) for name in self.steps)
        return sum(SECONDS.get(name, SMALL) for name in self.done) / whole if whole else 0.0

    def _to_go(self) -> str:
        share = self.share()
        if not 0.0 < share < 1.0:
            return ""
        elapsed = self.clock() - self.started
        return f", about {duration(elapsed / share - elapsed)} to go"

    def _line(self, text: str) -> None:
        click.echo(text, file=self.stream)


def duration(seconds: float) -> str:
    """Seconds for people: `40 s`, `3 min`, `2 h 10 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
