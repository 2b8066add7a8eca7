"""What an approved plan came to, from its criteria and the nights after it: the rule alone, without a warehouse."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from vim_pipelines.lifecycle.outcomes import (
    HIGH_RISKS,
    KNOWN_WITHIN_DAYS,
    Criterion,
    Plan,
    Promise,
    Reading,
    bar_of,
    bind,
    due_on,
    is_reached,
    judge,
    outcome_rows,
    plan_state,
    promise_of,
)

APPROVED = date(2026, 3, 2)
DUE = APPROVED + timedelta(days=91)
FEWER = Promise("fewer", "A tenth fewer seats are unused.", "unused_seats", "below_baseline_by_share", "on_due", 91, Decimal("0.1"), baseline=Decimal(150))
GONE = replace(FEWER, criterion="gone", comparison="at_most", target=Decimal(0), judged="by_due")


def seen(*values: tuple[int, int | str | None]) -> list[Reading]:
    """(days after the approval, value)"""
    return [
        Reading(APPROVED + timedelta(days=day), text=value) if isinstance(value, str) else Reading(APPROVED + timedelta(days=day), Decimal(value))
        for day, value in values
        if value is not None
    ]


def state(promise, readings, day, withdrawn=None):
    undone = None if withdrawn is None else APPROVED + timedelta(days=withdrawn)
    return judge(promise, readings, approved_on=APPROVED, as_of=APPROVED + timedelta(days=day), withdrawn_on=undone).state


def test_a_swinging_measure_is_judged_at_its_date_and_not_on_its_best_night():
    """Of ninety nights one is good by chance: a plan that is met on its best night is met whatever anybody does."""
    readings = seen((1, 150), (30, 120), (90, 149))
    assert [state(FEWER, readings, day) for day in (1, 30, 90)] == ["open", "open", "open"]
    assert state(FEWER, readings, 91) == "missed"
    assert state(FEWER, seen((30, 149), (90, 135)), 91) == "met"
    assert state(FEWER, seen((30, 149), (90, 136)), 91) == "missed"


def test_what_stays_reached_is_met_on_the_first_night_and_stays_met():
    readings = seen((10, 12), (20, 0), (40, 3))
    verdict = judge(GONE, readings, approved_on=APPROVED, as_of=APPROVED + timedelta(days=40))
    assert (verdict.state, verdict.proof) == ("met", readings[1])
    assert state(GONE, readings, 19) == "open"


def test_a_measure_that_was_not_known_when_the_date_came_is_expired_and_never_missed():
    """Telemetry was cut off for a month and nine plans were reported as failures."""
    last = 91 - KNOWN_WITHIN_DAYS
    assert state(FEWER, [], 91) == state(GONE, [], 91) == "expired"
    assert state(FEWER, seen((last, 150)), 91) == "expired"
    assert state(FEWER, seen((last + 1, 150)), 91) == "missed"
    assert state(GONE, seen((1, 3)), 200) == "expired"


def test_a_value_of_the_night_of_the_approval_or_after_the_date_proves_nothing():
    assert state(GONE, seen((0, 0), (90, 3)), 91) == "missed"
    assert state(GONE, seen((90, 3), (92, 0)), 200) == "missed"


def test_without_a_baseline_there_is_nothing_to_judge_by():
    assert state(replace(FEWER, baseline=None), seen((90, 0)), 91) == "unknown"
    assert state(replace(GONE, baseline=None), seen((90, 0)), 91) == "met"  # an absolute bar needs none


def test_an_undone_plan_ends_without_an_answer_unless_it_had_one():
    assert state(GONE, seen((20, 3), (40, 0)), 50, withdrawn=30) == "expired"
    assert state(GONE, seen((20, 0)), 50, withdrawn=30) == "met"
    assert state(GONE, seen((20, 3)), 25, withdrawn=30) == "open"  # on that day nobody had undone it
    assert state(FEWER, seen((90, 100)), 200, withdrawn=120) == "met"


def test_the_contracts_date_counts_if_it_is_ahead_on_the_day_of_approval():
    dated = replace(GONE, due_date=APPROVED + timedelta(days=20))
    assert due_on(dated, APPROVED) == APPROVED + timedelta(days=20)
    assert due_on(dated, APPROVED + timedelta(days=20)) == APPROVED + timedelta(days=111)
    assert due_on(replace(GONE, due_date=None), APPROVED) == DUE


@pytest.mark.parametrize(
    ("comparison", "target", "bar", "reached", "not_reached"),
    [
        ("at_most", "5", "5", 5, 6),
        ("at_least", "5", "5", 5, 4),
        ("below_baseline_by", "10", "140", 140, 141),
        ("above_baseline_by", "10", "160", 160, 159),
        ("below_baseline_by_share", "0.5", "75", 75, 76),
        ("above_baseline_by_share", "0.5", "225", 225, 224),
    ],
)
def test_every_comparison_has_its_bar(comparison, target, bar, reached, not_reached):
    promise = replace(FEWER, comparison=comparison, target=Decimal(target))
    assert [state(promise, seen((90, value)), 91) for value in (reached, not_reached)] == ["met", "missed"]
    assert bar_of(promise) == Decimal(bar)


def test_what_is_to_be_recorded_is_met_or_expires():
    """A name that no source gives looks like one that nobody wrote down; only one of them would be a miss."""
    named = Promise("named", "A sponsor is recorded.", "sponsor_name", "is_recorded", "by_due", 91)
    assert state(named, seen((30, "Ada Berg")), 91) == "met"
    assert state(named, [], 91) == "expired"
    assert state(named, [], 90) == "open"


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (["met", "met"], "met"), (["met", "open"], "open"), (["missed", "open"], "open"), (["met", "missed"], "missed"), (["expired", "missed"], "missed"),
        (["met", "expired"], "expired"), (["met", "unknown"], "unknown"), ([], "unknown"),
    ],
)  # fmt: skip
def test_a_plan_is_what_its_criteria_are_together(states, expected):
    assert plan_state(states) == expected


VALUES = st.lists(st.tuples(st.integers(0, 120), st.integers(0, 200)), max_size=12, unique_by=lambda pair: pair[0])


@given(VALUES, st.integers(0, 200), st.booleans(), st.randoms())
def test_the_order_of_readings_and_what_comes_later_change_nothing(values, day, by_due, random):
    """As-of: a night computed again next year, when more is known, must say what it said."""
    promise = replace(FEWER, judged="by_due" if by_due else "on_due")
    known = [reading for reading in seen(*values) if reading.on <= APPROVED + timedelta(days=day)]
    shuffled = seen(*values)
    random.shuffle(shuffled)
    assert state(promise, shuffled, day) == state(promise, known, day)


@given(VALUES, st.integers(0, 200), st.integers(0, 200), st.booleans())
def test_an_answer_stays_the_answer(values, day, later, by_due):
    promise = replace(FEWER, judged="by_due" if by_due else "on_due")
    first, second = (state(promise, seen(*values), number) for number in sorted((day, later)))
    assert first == "open" or first == second


FACTS = [
    {"metric": "unused_seats", "scope": "account", "status": "ok", "value_number": "150", "value_text": None},
    {"metric": "unused_seats", "scope": "product:nova", "status": "ok", "value_number": "90", "value_text": None},
    {"metric": "opt_out_date", "scope": "account", "status": "ok", "value_number": None, "value_text": "2026-09-30"},
    {"metric": "risk_score", "scope": "account", "status": "ok", "value_number": "64", "value_text": None},
    {"metric": "risk", "scope": "SILENCE", "status": "ok", "value_number": None, "value_text": "silence", "detail": "high"},
    {"metric": "risk", "scope": "MURA_SPIKY", "status": "ok", "value_number": None, "value_text": "uneven", "detail": "medium"},
]


def criterion(**changes):
    values = {"id": "fewer", "sentence": "A tenth fewer seats are unused.", "measure": "unused_seats", "comparison": "below_baseline_by_share"}
    return Criterion.model_validate(values | {"target": "0.1", "judged": "on_due", "due": {"date": "opt_out_date", "days_after_approval": 91}} | changes)


def test_what_is_signed_is_the_bar_with_the_baseline_and_the_date_of_the_drafts_own_facts():
    bound = bind(criterion(), FACTS, date(2026, 6, 28))
    promise = promise_of(bound)
    assert (promise.baseline, promise.due_date, promise.baseline_on) == (Decimal(150), date(2026, 9, 30), date(2026, 6, 28))
    assert promise_of(bind(criterion(measure=HIGH_RISKS, comparison="at_most", target=0), FACTS, date(2026, 6, 28))).baseline == 1
    unscored = [fact for fact in FACTS if fact["metric"] != "risk_score"]
    assert promise_of(bind(criterion(measure=HIGH_RISKS, comparison="at_most", target=0), unscored, date(2026, 6, 28))).baseline is None
    unknown = [fact | {"status": "unknown", "value_number": None, "value_text": None} for fact in FACTS]
    assert (promise_of(bind(criterion(), unknown, date(2026, 6, 28))).baseline, promise_of(bind(criterion(), unknown, date(2026, 6, 28))).due_date) == (
        None,
        None,
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"comparison": "is_recorded"}, "is_recorded takes no target"),
        ({"target": None}, "takes a target"),
        ({"target": 0}, "above zero"),
        ({"target": "1.5"}, "at most 1"),
        ({"comparison": "is_nice"}, "comparison"),
        ({"due": {"date": "birthday", "days_after_approval": 91}}, "opt_out_date"),
        ({"due": {"date": "opt_out_date"}}, "days_after_approval"),
    ],
)
def test_a_criterion_that_cannot_be_judged_is_refused(changes, expected):
    with pytest.raises(ValidationError, match=expected):
        criterion(**changes)


def test_a_sentence_alone_is_refused():
    with pytest.raises(ValidationError, match="cannot be followed"):
        Criterion.model_validate("The customer is happy.")


def plan(request_id="req-1", promises=(FEWER, GONE), approved=APPROVED, **times):
    return Plan(
        request_id,
        "ACC-1",
        "Acme",
        "license_optimization_plan",
        1,
        datetime.combine(approved, datetime.min.time()),
        times.get("executed"),
        times.get("withdrawn"),
        promises,
    )


def test_the_rows_of_a_day_hold_only_what_was_decided_and_done_by_its_end():
    executed = datetime(2026, 3, 4, 9)
    plans = [plan(executed=executed), plan("req-2", approved=date(2026, 3, 5))]
    readings = {("ACC-1", "unused_seats"): seen((1, 140), (3, 0))}
    third, fourth = (outcome_rows(plans, readings, {"ACC-1": "big"}, date(2026, 3, day)) for day in (3, 4))
    assert {row["request_id"] for row in third} == {"req-1"}
    assert {row["executed_on"] for row in third} == {None} and {row["executed_on"] for row in fourth} == {date(2026, 3, 4)}
    assert [(row["criterion"], row["state"], row["plan_state"], row["value"]) for row in third] == [
        ("fewer", "open", "open", 140.0),
        ("gone", "open", "open", 140.0),
    ]
    fifth = outcome_rows(plans, readings, {}, date(2026, 3, 5))
    assert {row["request_id"] for row in fifth} == {"req-1", "req-2"}
    assert [row["state"] for row in fifth if row["request_id"] == "req-1"] == ["open", "met"]


def test_a_plan_approved_before_there_were_criteria_is_unknown_and_not_missed():
    [row] = outcome_rows([plan(promises=())], {}, {}, date(2027, 1, 1))
    assert (row["state"], row["plan_state"], row["criterion"]) == ("unknown", "unknown", "none")


def test_a_contradiction_is_settled_only_when_somebody_looked_and_found_none():
    """A request about contradictions alone had met its one criterion, no missing field, on the day it was approved."""
    settled = Promise("settled", "Nothing contradicts.", "handoff_conflicting", "is_empty", "by_due", 14)
    day = date(2026, 7, 1)
    assert is_reached(settled, Reading(day, text="none")) and not is_reached(settled, Reading(day, text="seats, term"))
    assert not is_reached(settled, Reading(day, text="")) and not is_reached(settled, Reading(day))
