"""Bands with a memory: where they are entered and left, that one audit alone moves nothing, and that facts do not wait."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vim_pipelines.signals import bands
from vim_pipelines.signals.scores import load_score_rules

RULES = load_score_rules()
NAN = float("nan")


def walk(scores: list[float], *, days: list[int] | None = None, may_be_red: bool = True, floors: list[bool] | None = None) -> list[str]:
    """Bands shown for one account, audit after audit; `days` between audits (default 1)."""
    held, asked, since, shown = bands.NONE, bands.NONE, float("inf"), []
    for position, score in enumerate(scores):
        since += (days or [1] * len(scores))[position]
        memory = bands.Memory(np.array([held]), np.array([asked]), np.array([since]))
        floor = bool(floors and floors[position])
        step = bands.step(memory, np.array([score]), np.array([may_be_red or floor]), np.array([floor]), RULES)
        held, asked = int(step.held[0]), int(step.asked[0])
        since = 0 if score == score else since
        shown.append(bands.BANDS[step.shown[0]] if step.shown[0] >= 0 else "unknown")
    return shown


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([70], "red"), ([69.9], "yellow"), ([39.9], "green"), ([NAN], "unknown"),  # the first audit takes the raw band
        ([20, 75], "green green"), ([20, 75, 75], "green green red"), ([20, 75, 20, 75], "green green green green"),
        ([20, 75, 45], "green green yellow"), ([20, 45, 75], "green green yellow"), ([20, 45, 75, 75], "green green yellow red"),
        ([75, 60, 60], "red red red"), ([75, 59.9, 59.9], "red red yellow"), ([75, 59.9, 65, 59.9], "red red red red"),
        ([45, 30, 30], "yellow yellow yellow"), ([45, 29, 29], "yellow yellow green"), ([75, 10, 10], "red red green"), ([75, 10, 45], "red red yellow"),
        ([75, NAN, 65], "red unknown red"), ([75, NAN, 59], "red unknown red"), ([75, NAN, 59, 59], "red unknown red yellow"),
        ([20, 75, NAN, 75], "green green unknown green"),  # a night without a score is not a second audit
    ],
)  # fmt: skip
def test_a_band_is_entered_high_left_low_and_moves_only_when_asked_twice(scores: list[float], expected: str) -> None:
    assert walk(scores) == expected.split()


def test_a_contract_fact_is_red_at_once_and_its_end_waits_like_any_fall() -> None:
    assert walk([20, 100, 20, 20], floors=[False, True, False, False]) == ["green", "red", "red", "green"]


def test_with_little_coverage_red_is_not_entered_and_not_kept() -> None:
    assert walk([90, 90], may_be_red=False) == ["yellow", "yellow"]


def test_a_memory_older_than_its_limit_is_gone() -> None:
    assert walk([75, 20], days=[0, RULES.memory_days]) == ["red", "red"]
    assert walk([75, 20], days=[0, RULES.memory_days + 1]) == ["red", "green"]
    assert walk([75, NAN, 20], days=[0, 20, 20]) == ["red", "unknown", "green"]


@given(st.lists(st.one_of(st.just(NAN), st.floats(0, 100)), min_size=1, max_size=30))
def test_no_single_audit_moves_a_band(scores: list[float]) -> None:
    """Whatever the scores: a changed band was asked for, in its direction, at two scored audits in a row."""
    shown = walk(scores)
    for position, (before, after) in enumerate(pairwise(shown), 1):
        if "unknown" in (before, after) or before == after:
            continue
        up = bands.BANDS.index(after) > bands.BANDS.index(before)
        edge = {("yellow", True): 40, ("red", True): 70, ("yellow", False): 60, ("green", False): 30}[after, up]
        both = scores[position - 1 : position + 1]
        assert all(score >= edge for score in both) if up else all(score < edge for score in both)


def test_an_account_that_swings_around_an_edge_does_not_flap() -> None:
    """The reason for all this: 26 weeks at 68 +- 4 made a raw band change 12 times, and the held one never after the first weeks."""
    scores = (68 + np.random.default_rng(3).normal(0, 4, 180)).tolist()
    raw = ["red" if score >= 70 else "yellow" for score in scores]
    changes = [sum(a != b for a, b in pairwise(series)) for series in (raw, walk(scores))]
    assert changes[0] > 40 and changes[1] <= 3
