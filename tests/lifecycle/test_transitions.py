"""Transitions, argued about without a warehouse: what opens a gate, what does not, and what only a person may do."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lifecycle_facts import AS_OF

from vim_pipelines.lifecycle.phases import load_map
from vim_pipelines.lifecycle.transitions import Facts, Pin, State, blocking, next_phase, walk

MAP = load_map()
IDS = [requirement.requirement_id for requirement in MAP.requirements]
MANDATORY = {phase.number: [requirement.requirement_id for requirement in phase.mandatory] for phase in MAP.phases.values()}
SPINE = [1, 2, 3, 4, 8, 9, 10]
YESTERDAY = AS_OF - timedelta(days=1)


def in_phase(number: int, entered_on: date = date(2026, 1, 5), as_of: date = YESTERDAY) -> State:
    return State(number, entered_on, as_of)


def all_met(**changes: str) -> dict[str, str]:
    return dict.fromkeys(IDS, "met") | changes


TODAY = Facts(AS_OF)


def test_a_missing_survey_does_not_send_an_account_back() -> None:
    """A survey tool was down for a week and forty accounts were reported as 'fell out of Value Activation'."""
    assert next_phase(MAP, in_phase(4), all_met(p4_adoption="unknown"), TODAY) is None
    assert next_phase(MAP, in_phase(4), dict.fromkeys(IDS, "unknown"), TODAY) is None


def test_what_was_met_and_is_now_unmet_in_an_earlier_phase_does_not_send_an_account_back() -> None:
    """A status is no event: a deleted row, a new rule, a lapsed waiver. Only what is known to have happened sends back."""
    assert next_phase(MAP, in_phase(8), dict.fromkeys(IDS, "unmet"), TODAY) is None


def test_a_waived_requirement_opens_the_gate_and_is_named() -> None:
    step = next_phase(MAP, in_phase(3), all_met(p3_kickoff="waived"), TODAY)
    assert step is not None and step.to_phase == 4 and step.gate == tuple(MANDATORY[3])


@pytest.mark.parametrize("status", ["unmet", "unknown", "stale"])
@pytest.mark.parametrize("phase", [1, 2, 3, 4, 8, 9])
def test_no_gate_opens_while_one_mandatory_requirement_is_open(phase: int, status: str) -> None:
    for name in MANDATORY[phase]:
        assert next_phase(MAP, in_phase(phase), all_met(**{name: status}), TODAY) is None


def test_optional_requirements_hold_nobody() -> None:
    statuses = {name: "met" if any(name in names for names in MANDATORY.values()) else "unmet" for name in IDS}
    assert walk(MAP, in_phase(1), statuses, TODAY)[0].phase == 10


def test_the_first_assessment_walks_gate_by_gate() -> None:
    """200 accounts appear on the first night: each step has its reason, so that 'why is it in 4?' has an answer."""
    state, steps = walk(MAP, None, all_met(p4_fttv="unmet"), TODAY)
    assert state == State(4, AS_OF, AS_OF)
    assert [(step.from_phase, step.to_phase) for step in steps] == [(None, 1), (1, 2), (2, 3), (3, 4)]
    assert steps[0].reason == "first assessment"


def test_notice_leads_to_phase_eleven_from_everywhere_and_keeps_it_there() -> None:
    noticed = Facts(AS_OF, notice_is_open=True, notice_on=date(2026, 6, 13))
    for phase in SPINE:
        state, steps = walk(MAP, in_phase(phase), all_met(), noticed)
        assert state.phase == 11 and steps[-1].reason == "notice received on 2026-06-13" and len(steps) == 1
    assert next_phase(MAP, in_phase(11), all_met(), noticed) is None


def test_a_withdrawn_notice_alone_does_not_end_churn_handling() -> None:
    """It is left by win-back, or by a person who says so."""
    assert next_phase(MAP, in_phase(11), all_met(), TODAY) is None


def test_a_win_back_starts_again_with_phase_one() -> None:
    won = Facts(AS_OF, won_back_on=date(2026, 6, 20))
    state, steps = walk(MAP, in_phase(11), all_met(p1_sales_docs="unmet"), won)
    assert (state.phase, [(step.from_phase, step.to_phase) for step in steps]) == (1, [(11, 1)])
    assert steps[0].reason == "won back on 2026-06-20"


def test_an_old_win_back_does_not_end_a_new_churn() -> None:
    """A person put the account into phase 11 in June; the win-back of last year is not news."""
    assert next_phase(MAP, in_phase(11, entered_on=date(2026, 6, 1)), all_met(), Facts(AS_OF, won_back_on=date(2025, 3, 1))) is None


def test_a_customer_lost_and_won_back_between_two_audits_passes_through_eleven() -> None:
    """The nightly job was off for a quarter; the loss must still be on record."""
    state, steps = walk(MAP, in_phase(8, as_of=date(2026, 3, 1)), all_met(p1_sales_docs="unmet"), Facts(AS_OF, won_back_on=date(2026, 5, 2)))
    assert [(step.from_phase, step.to_phase) for step in steps] == [(8, 11), (11, 1)]
    assert state == State(1, AS_OF, AS_OF)
    assert walk(MAP, state, all_met(p1_sales_docs="unmet"), Facts(AS_OF + timedelta(days=1), won_back_on=date(2026, 5, 2)))[1] == []


def test_a_person_may_set_a_phase_and_it_holds_while_in_force() -> None:
    pinned = Facts(AS_OF, notice_is_open=True, pin=Pin(3, "dora", "director", "the notice is a clerical error"))
    state, steps = walk(MAP, in_phase(11), all_met(), pinned)
    assert state.phase == 3
    assert steps[0].reason == "set by dora (director): the notice is a clerical error"
    assert next_phase(MAP, state, all_met(), pinned) is None


def test_the_blocking_requirement_is_one_that_somebody_can_do_something_about() -> None:
    """Known to be missing goes before not known; the order of the map decides the rest."""
    found = blocking(MAP, 2, all_met(p2_psp_diagnostic="unknown", p2_red_flags="unmet"))
    assert found is not None and found.requirement_id == "p2_red_flags"
    found = blocking(MAP, 2, all_met(p2_psp_diagnostic="unknown", p2_red_flags="stale"))
    assert found is not None and found.requirement_id == "p2_psp_diagnostic"
    assert blocking(MAP, 2, all_met()) is None


STATUSES = st.sampled_from(["met", "unmet", "waived", "unknown", "stale"])
REQUIREMENTS = st.fixed_dictionaries({name: STATUSES for name in IDS})
DAYS = st.integers(-400, 0).map(lambda offset: AS_OF + timedelta(days=offset))
STATES = st.one_of(
    st.none(),
    st.tuples(st.sampled_from([*SPINE, 11]), DAYS, st.integers(1, 60)).map(
        lambda drawn: State(drawn[0], min(drawn[1], AS_OF - timedelta(days=drawn[2])), AS_OF - timedelta(days=drawn[2]))
    ),
)
PINS = st.one_of(st.none(), st.sampled_from([*SPINE, 11]).map(lambda phase: Pin(phase, "dora", "director", "note")))
FACTS = st.builds(
    Facts, as_of=st.just(AS_OF), notice_is_open=st.booleans(), notice_on=st.one_of(st.none(), DAYS), won_back_on=st.one_of(st.none(), DAYS), pin=PINS
)


@given(STATES, REQUIREMENTS, FACTS)
def test_no_mandatory_gate_is_ever_skipped(state: State | None, requirements: dict[str, str], facts: Facts) -> None:
    """Every step forwards along the spine goes to the very next phase, with every mandatory requirement met or waived."""
    end, steps = walk(MAP, state, requirements, facts)
    at = None if state is None else state.phase
    for step in steps:
        assert step.from_phase == at
        at = step.to_phase
        if facts.pin is None and step.from_phase in SPINE and step.to_phase in SPINE:
            assert step.to_phase == MAP.phases[step.from_phase].successor
            assert all(requirements[name] in ("met", "waived") for name in MANDATORY[step.from_phase])
    assert end.phase == at and end.as_of == AS_OF
    assert len({step.to_phase for step in steps}) == len(steps), "one row per account, day and phase entered"


@given(STATES, REQUIREMENTS, FACTS, st.sets(st.sampled_from(IDS)))
def test_losing_data_never_moves_an_account_backwards(state: State | None, requirements: dict[str, str], facts: Facts, lost: set[str]) -> None:
    """Whatever becomes unknown, the account stands where it would have stood or earlier on the way there; never before where it was."""
    blind = requirements | dict.fromkeys(lost, "unknown")
    end, steps = walk(MAP, state, blind, facts)
    if state is not None and facts.pin is None and not facts.notice_is_open and facts.won_back_on is None and state.phase in SPINE:
        assert SPINE.index(end.phase) >= SPINE.index(state.phase)
    seeing = [step.to_phase for step in walk(MAP, state, requirements, facts)[1]]
    assert [step.to_phase for step in steps] == seeing[: len(steps)] or lost == set()


@given(STATES, REQUIREMENTS, FACTS)
def test_walking_again_from_where_one_stands_changes_nothing(state: State | None, requirements: dict[str, str], facts: Facts) -> None:
    end, _ = walk(MAP, state, requirements, facts)
    again, steps = walk(MAP, end, requirements, facts)
    assert (again, steps) == (end, [])


@given(STATES, REQUIREMENTS, FACTS, st.randoms(use_true_random=False))
def test_the_order_of_facts_is_irrelevant(state: State | None, requirements: dict[str, str], facts: Facts, random: object) -> None:
    items = list(requirements.items())
    random.shuffle(items)  # type: ignore[attr-defined]
    assert walk(MAP, state, dict(items), facts) == walk(MAP, state, requirements, facts)


@given(STATES, REQUIREMENTS, FACTS)
def test_open_notice_always_ends_in_phase_eleven_unless_a_person_says_otherwise(state: State | None, requirements: dict[str, str], facts: Facts) -> None:
    end, _ = walk(MAP, state, requirements, facts)
    if facts.pin is not None:
        assert end.phase == facts.pin.phase
    elif facts.notice_is_open:
        assert end.phase == 11
