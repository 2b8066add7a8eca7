"""How far the night is: plain lines where nobody watches, one moving line on a terminal, rate, cost and time to go."""

from __future__ import annotations

import io
from decimal import Decimal

from vim_pipelines.cli.progress import SECONDS, NightProgress, duration
from vim_pipelines.core import progress as told

STEPS = ("raw_sources", "raw_gates", "dbt_base", "ops__drafts", "published")


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def shown(*, is_live: bool = False):
    stream, clock = io.StringIO(), Clock()
    return stream, clock, NightProgress(stream, clock=clock, is_live=is_live)


def test_without_a_terminal_each_finished_step_is_a_line_with_the_time_to_go():
    stream, clock, night = shown()
    with night:
        night.step("raw_sources", False, STEPS)
        clock.now += 25.0
        night.step("raw_sources", True, STEPS)
        night.step("raw_gates", True, STEPS)
    whole = sum(SECONDS[name] for name in STEPS)
    share = SECONDS["raw_sources"] / whole
    assert stream.getvalue().splitlines()[0] == f"   1/5  reading the sources, about {duration(25.0 / share - 25.0)} to go"
    assert stream.getvalue().count("\n") == 2 and "\x1b" not in stream.getvalue()


def test_drafts_are_told_with_rate_cost_and_time_to_go_and_at_most_ten_lines():
    stream, clock, night = shown()
    with night:
        for number in range(1, 41):
            clock.now += 0.5
            night.drafts("drafts", number, 40, Decimal("0.01") * number)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 10 and lines[-1].strip() == "drafts 40/40, $0.4000 so far"
    assert lines[4].strip() == "drafts 20/40, $0.2000 so far, 2.0/s, 10 s to go"


def test_a_cost_that_is_not_known_is_said_and_not_zero():
    stream, _, night = shown()
    with night:
        night.drafts("drafts", 1, 1, None)
    assert "cost unknown" in stream.getvalue()


def test_on_a_terminal_it_moves_and_leaves_nothing(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    stream, clock, night = shown(is_live=True)
    with night:
        night.step("dbt_base", False, STEPS)
        clock.now += 5
        night._bar.refresh()
    assert "building the base models" in stream.getvalue() and "   1/5" not in stream.getvalue()


def test_who_listens_hears_and_otherwise_nothing_happens():
    heard = []
    told.report("drafts", 1, 2, None)
    with told.listening(lambda *what: heard.append(what)):
        told.report("drafts", 1, 2, Decimal(3))
    told.report("drafts", 2, 2, None)
    assert heard == [("drafts", 1, 2, Decimal(3))]
