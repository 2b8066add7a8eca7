"""The regions of the state chart over days: re-entries, overlays, the exception, disputes and snoozes, and a year folded in any way giving the same rows."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lifecycle_facts import AS_OF, facts, override

from vim_pipelines.core.hashing import canonical_json
from vim_pipelines.lifecycle.evidence import risk_facts
from vim_pipelines.lifecycle.overlays import REGIONS
from vim_pipelines.lifecycle.phases import load_map
from vim_pipelines.lifecycle.run import Position, _Day, fold_day, rebuild_states
from vim_pipelines.lifecycle.tables import TABLES, ensure_computed_tables
from vim_pipelines.lifecycle.transitions import Facts, Pin, Seen, State, asked_again, re_entry, walk
from vim_pipelines.lifecycle.words import counting
from vim_pipelines.warehouse import Session
from vim_pipelines.warehouse.duckdb import DuckDBWarehouse

MAP = load_map()
IDS = [requirement.requirement_id for requirement in MAP.requirements]
SPINE = list(MAP.spine)
YESTERDAY = AS_OF - timedelta(days=1)
ALL_MET = dict.fromkeys(IDS, "met")
THERE = Seen(sponsor="present", champion="present")
HERE = Facts(AS_OF, sponsor="present", champion="present")
LEFT = replace(HERE, sponsor="left", sponsor_left_on=date(2026, 6, 20))
NEW = replace(HERE, new_contract_on=date(2026, 6, 15))


def standing_in(phase: int, seen: Seen = THERE) -> State:
    return State(phase, date(2026, 1, 5), YESTERDAY, seen=seen)


# --- re-entries ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", [3, 4, 8, 9, 10])
def test_a_sponsor_who_left_sends_the_account_back_to_phase_two_once(phase: int) -> None:
    no_sponsor = ALL_MET | {"p2_champion_alignment": "unmet"}
    state, steps = walk(MAP, standing_in(phase), no_sponsor, LEFT)
    assert [(step.from_phase, step.to_phase, step.reason) for step in steps] == [(phase, 2, "the sponsor left on 2026-06-20")]
    assert walk(MAP, state, no_sponsor, replace(LEFT, as_of=AS_OF + timedelta(days=1)))[1] == []


def test_a_new_sponsor_leads_forward_again_on_the_evidence_that_stands() -> None:
    """It is the sponsor that has to be won anew, not the kickoff."""
    state, _ = walk(MAP, standing_in(8), ALL_MET | {"p2_champion_alignment": "unmet"}, LEFT)
    named = replace(HERE, as_of=AS_OF + timedelta(days=7))
    end, steps = walk(MAP, state, ALL_MET | {"p8_ebr": "unmet"}, named)
    assert [step.to_phase for step in steps] == [3, 4, 8] and end.phase == 8
    again = replace(named, as_of=AS_OF + timedelta(days=9), sponsor="left", sponsor_left_on=AS_OF + timedelta(days=8))
    assert walk(MAP, end, ALL_MET | {"p2_champion_alignment": "unmet"}, again)[0].phase == 2, "the next loss is a new event"


@pytest.mark.parametrize(
    ("seen", "tonight"),
    [
        (Seen(), LEFT),
        (replace(THERE, sponsor="left", sponsor_left_on=date(2026, 6, 20)), LEFT),
        (replace(THERE, sponsor_left_on=date(2026, 6, 20)), LEFT),
        (THERE, replace(HERE, sponsor=None)),
        (replace(THERE, new_contract_on=date(2026, 6, 15)), NEW),
        (THERE, replace(HERE, new_contract_on=date(2026, 3, 1))),
    ],
    ids=["nobody was known", "known already", "the same departure, entered again", "vanished from the CRM", "the same contract", "heard of too late"],
)
def test_what_is_no_news_sends_nobody_back(seen: Seen, tonight: Facts) -> None:
    assert re_entry(MAP, standing_in(8, seen), tonight) is None


@pytest.mark.parametrize("phase", [2, 3, 4, 8, 9, 10])
def test_a_new_contract_sends_the_account_back_to_the_handoff_and_asks_for_its_documents(phase: int) -> None:
    state = standing_in(phase)
    assert asked_again(MAP, state, NEW) == {"p1_sales_docs": date(2026, 4, 16), "p1_handoff_meeting": date(2026, 4, 16)}
    after, steps = walk(MAP, state, ALL_MET | {"p1_sales_docs": "unmet"}, NEW)
    assert [(step.to_phase, step.event) for step in steps] == [(1, "new_contract")]
    assert asked_again(MAP, after, replace(NEW, as_of=AS_OF + timedelta(days=1))) == {
        "p1_sales_docs": date(2026, 4, 16),
        "p1_handoff_meeting": date(2026, 4, 16),
    }


def test_both_on_one_day_is_the_way_through_phase_one() -> None:
    state, steps = walk(MAP, standing_in(8), ALL_MET | {"p2_champion_alignment": "unmet"}, replace(LEFT, new_contract_on=date(2026, 6, 15)))
    assert [(step.from_phase, step.to_phase) for step in steps] == [(8, 1), (1, 2)] and state.phase == 2


def test_under_a_persons_word_or_notice_nothing_is_caught_up_with_afterwards() -> None:
    """After the end of a word the rules go on from where the account stands."""
    for held in (replace(LEFT, pin=Pin(8, "dora", "director", "we know")), replace(LEFT, notice_is_open=True)):
        state, steps = walk(MAP, standing_in(8), ALL_MET, held)
        assert 2 not in [step.to_phase for step in steps]
        assert re_entry(MAP, replace(state, phase=8), replace(LEFT, as_of=AS_OF + timedelta(days=1))) is None


def test_the_exception_remembers_where_the_spine_stood() -> None:
    noticed = replace(HERE, notice_is_open=True)
    state, _ = walk(MAP, standing_in(8), ALL_MET, noticed)
    assert (state.phase, state.spine) == (11, 8)
    later, steps = walk(MAP, state, ALL_MET, replace(noticed, as_of=AS_OF + timedelta(days=1)))
    assert (later.phase, later.spine, steps) == (11, 8, [])
    won, _ = walk(MAP, later, ALL_MET | {"p1_sales_docs": "unmet"}, replace(HERE, as_of=AS_OF + timedelta(days=9), won_back_on=AS_OF + timedelta(days=8)))
    assert (won.phase, won.spine, dict(won.asked_again)) == (1, None, {})


def test_a_line_that_begins_after_the_notice_was_taken_back_is_a_win_back() -> None:
    noticed, _ = walk(MAP, standing_in(9), ALL_MET, replace(HERE, notice_is_open=True, line_begun_on=date(2025, 1, 1)))
    taken_back = Facts(AS_OF + timedelta(days=5), line_begun_on=date(2025, 1, 1))
    still, steps = walk(MAP, noticed, ALL_MET, taken_back)
    assert (still.phase, steps) == (11, []), "no notice any more is not yet a contract"
    won, steps = walk(MAP, still, ALL_MET | {"p1_sales_docs": "unmet"}, replace(taken_back, line_begun_on=AS_OF + timedelta(days=3)))
    assert won.phase == 1 and "a contract line began on 2026-07-01" in steps[0].reason


# --- properties of the rules -----------------------------------------------------------------------------------------

STATUSES = st.fixed_dictionaries({name: st.sampled_from(["met", "unmet", "waived", "unknown", "stale"]) for name in IDS})
DAYS = st.integers(-200, 0).map(lambda offset: AS_OF + timedelta(days=offset))
SOMETIMES = st.one_of(st.none(), DAYS)
PRESENCE = st.sampled_from([None, "present", "left"])
SEEN = st.builds(Seen, PRESENCE, SOMETIMES, PRESENCE, SOMETIMES, SOMETIMES)
STATES = st.builds(
    lambda phase, entered, ago, spine, seen: State(
        phase, min(entered, AS_OF - timedelta(days=ago)), AS_OF - timedelta(days=ago), spine if phase == 11 else None, seen
    ),
    st.sampled_from([*SPINE, 11]), DAYS, st.integers(1, 60), st.sampled_from(SPINE), SEEN,
)  # fmt: skip
PINS = st.one_of(st.none(), st.sampled_from([*SPINE, 11]).map(lambda phase: Pin(phase, "dora", "director", "note")))
EVENTS = st.builds(Facts, st.just(AS_OF), st.booleans(), SOMETIMES, SOMETIMES, PINS, PRESENCE, SOMETIMES, PRESENCE, SOMETIMES, SOMETIMES, SOMETIMES)


@given(STATES, STATUSES, EVENTS)
def test_no_gate_is_skipped_and_nobody_goes_back_without_an_event(state: State, statuses: dict[str, str], tonight: Facts) -> None:
    end, steps = walk(MAP, state, statuses, tonight)
    at = state.phase
    for step in steps:
        assert step.from_phase == at
        at = step.to_phase
        if tonight.pin is not None or 11 in (step.from_phase, step.to_phase):
            continue
        if SPINE.index(step.to_phase) > SPINE.index(int(step.from_phase or 1)):
            gate = MAP.phases[int(step.from_phase or 1)]
            assert step.to_phase == gate.successor
            assert all(statuses[requirement.requirement_id] in ("met", "waived") for requirement in gate.mandatory)
        else:
            assert step.event in MAP.re_entries and step.to_phase == MAP.re_entries[step.event].to
    assert at == end.phase and len({step.to_phase for step in steps}) == len(steps), "one row for a phase entered on a day"
    assert (end.spine is None) == (end.phase != 11) or state.spine is None


@given(STATES, STATUSES, EVENTS)
def test_the_same_facts_on_the_next_day_move_nobody(state: State, statuses: dict[str, str], tonight: Facts) -> None:
    """No flapping without new evidence: what has sent an account somewhere does not send it there again."""
    end, _ = walk(MAP, state, statuses, tonight)
    assert walk(MAP, end, statuses, replace(tonight, as_of=AS_OF + timedelta(days=1)))[1] == []


@given(STATES, STATUSES, EVENTS, st.sets(st.sampled_from(["sponsor", "champion", "new_contract_on", "won_back_on"])))
def test_want_of_data_sends_nobody_back(state: State, statuses: dict[str, str], tonight: Facts, lost: set[str]) -> None:
    blind = replace(tonight, **dict.fromkeys(lost), pin=None, notice_is_open=False)
    end, _ = walk(
        MAP, state, dict.fromkeys(statuses, "unknown"), replace(blind, sponsor=None, champion=None, new_contract_on=None, won_back_on=None, line_begun_on=None)
    )
    assert end.phase == state.phase


@given(STATES, EVENTS)
def test_from_everywhere_there_is_a_way_to_the_end_and_to_churn_and_back(state: State, tonight: Facts) -> None:
    """No dead end: whatever happened, evidence leads to 10; notice leads to 11, and a new contract back to 1 and on to 10."""
    quiet = Facts(AS_OF + timedelta(days=1))
    after, _ = walk(MAP, state, dict.fromkeys(IDS, "unmet"), replace(tonight, pin=None))
    lost, _ = walk(MAP, after, ALL_MET, replace(quiet, notice_is_open=True))
    assert lost.phase == 11
    won, _ = walk(MAP, lost, ALL_MET, Facts(AS_OF + timedelta(days=9), won_back_on=AS_OF + timedelta(days=8)))
    assert won.phase == 10
    if after.phase in SPINE:
        assert walk(MAP, after, ALL_MET, quiet)[0].phase == 10


# --- whole days ------------------------------------------------------------------------------------------------------

DAY_ONE = date(2025, 7, 6)
#: What a random day changes about the complete account: names of facts with the values they may take.
VARIED: dict[str, tuple[Any, ...]] = {
    "kickoff_meeting_held_on": (None, date(2024, 11, 25)),
    "fttv_reached_on": (None, date(2025, 1, 10)),
    "sponsors_active": (0, 1),
    "sponsors_left": (0, 1),
    "sponsor_left_on": (None, date(2025, 9, 1), date(2026, 2, 1)),
    "usage_status": ("ok", "unknown"),
    "utilization_28d": (0.2, 0.9),
    "csm_name": (None, "Cara"),
    "notice_is_open": (False, False, False, True),
    "won_back_on": (None, None, date(2025, 12, 1)),
    "is_fttv_fed": (True, True, False),
    "handoff_authored_on": (date(2024, 11, 7), date(2026, 1, 20)),
}
CHANGES = st.dictionaries(st.sampled_from(sorted(VARIED)), st.integers(0, 3), max_size=4).map(
    lambda drawn: {name: VARIED[name][number % len(VARIED[name])] for name, number in drawn.items()}
)
NEW_CONTRACTS = st.sampled_from([None, None, date(2025, 10, 1), date(2026, 1, 15)])
RISKS = st.sampled_from([[], [{"rule_id": "SPONSOR_LOST", "severity": "high"}]])
YEARS = st.lists(st.tuples(CHANGES, NEW_CONTRACTS, RISKS), min_size=3, max_size=6)
SAID = st.lists(
    st.sampled_from(
        [
            override(1, kind="waive", requirement_id="p3_kickoff", created_at=datetime(2025, 8, 1), expires_on=date(2025, 12, 31)),
            override(2, kind="phase", phase=4, created_at=datetime(2025, 9, 1), expires_on=date(2025, 10, 15)),
            override(3, kind="dispute", fact="sponsors_active", seen_on=date(2025, 8, 31), created_at=datetime(2025, 9, 1)),
            override(4, kind="snooze", created_at=datetime(2025, 9, 1), expires_on=date(2026, 1, 1)),
            override(5, kind="withdraw", withdraws="OVR-1", created_at=datetime(2025, 10, 1)),
        ]
    ),
    max_size=4,
    unique_by=lambda word: word["override_id"],
)


def day_of(number: int) -> date:
    return DAY_ONE + timedelta(days=61 * number)


def year_of(drawn: list[tuple[dict[str, Any], date | None, list[dict[str, Any]]]]) -> dict[date, tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Facts and risks by day. An account has what happened; what it had before does not come back."""
    return {day_of(number): (facts(**changed) | {"new_contract_on": contract}, risks) for number, (changed, contract, risks) in enumerate(drawn)}


def kept_rows(session: Session, year: Mapping[date, tuple[dict[str, Any], list[dict[str, Any]]]], days: list[date]) -> None:
    """Evidence of the days as `fold_states` keeps it."""
    import pandas as pd

    rows = [
        ("ACC-1", day, canonical_json({name: value for name, value in year[day][0].items() if value is not None}), canonical_json(year[day][1])) for day in days
    ]
    session.append("computed.lifecycle_evidence", pd.DataFrame(rows, columns=list(TABLES["lifecycle_evidence"])).astype(object))


def tables(session: Session) -> dict[str, list[dict[str, Any]]]:
    return {name: session.rows(f"select * from computed.{name} order by all") for name in ("requirements", "account_state", "phase_transitions")}


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with DuckDBWarehouse(tmp_path_factory.mktemp("chart") / "warehouse.duckdb").session() as opened:
        ensure_computed_tables(opened)
        yield opened


def emptied(session: Session) -> Session:
    for table in TABLES:
        session.execute(f"delete from computed.{table}")
    return session


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(YEARS, SAID, st.randoms(use_true_random=False))
def test_a_year_day_by_day_in_one_go_and_with_days_that_come_late_is_the_same(
    session: Session, drawn: list[tuple[dict[str, Any], date | None, list[dict[str, Any]]]], said: list[dict[str, Any]], rng: random.Random
) -> None:
    """The rows are a function of evidence and words: not of when the days were computed, nor of how often."""
    from vim_pipelines.lifecycle.run import _fold

    year = year_of(drawn)
    days = list(year)
    emptied(session)
    for day in days:
        kept_rows(session, year, [day])
        _fold(session, said, day, MAP)
    day_by_day = tables(session)
    rebuild_states(session, said)
    assert tables(session) == day_by_day
    emptied(session)
    shuffled = list(days)
    rng.shuffle(shuffled)
    for day in shuffled:
        kept_rows(session, year, [day])
        _fold(session, said, day, MAP)
    assert tables(session) == day_by_day


def folded(year: list[dict[str, Any]], *words: dict[str, Any], risks: list[list[dict[str, Any]]] | None = None) -> list[dict[str, list[dict[str, Any]]]]:
    """The days from `DAY_ONE` on, a day each: rows by table."""
    positions: dict[str, Position] = {}
    counted, ignored = counting(words, MAP)
    assert not ignored
    result = []
    for number, account in enumerate(year):
        open_risks = risks[number] if risks else []
        day = _Day(AS_OF + timedelta(days=number), {"ACC-1": account | risk_facts(open_risks)}, {"ACC-1": open_risks})
        columns = fold_day(MAP, day, positions, counted)
        result.append({table: [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)] for table, values in columns.items()})
    return result


def test_a_new_contract_waits_for_its_own_handoff() -> None:
    """The papers of the first sale are on file; those of the new product are not, and must be."""
    new = {"new_contract_on": AS_OF, "new_contract_line_key": "CL-9"}
    papers = {"handoff_authored_on": AS_OF + timedelta(days=2), "handoff_meeting_held_on": AS_OF + timedelta(days=2)}
    days = folded([facts(), facts() | new, facts() | new, facts(**papers) | new])
    phases = [day["account_state"][0]["phase"] for day in days]
    assert phases[1:3] == [1, 1] and phases[3] == phases[0] > 1
    state = days[1]["account_state"][0]
    assert state["blocking_requirement_id"] == "p1_sales_docs"
    (step,) = days[1]["phase_transitions"]
    assert (step["from_phase"], step["to_phase"], step["region"]) == (phases[0], 1, "spine")
    assert json.loads(step["evidence"]) == {"new_contract_line_key": "CL-9", "new_contract_on": AS_OF.isoformat()}
    finding = next(row for row in days[2]["requirements"] if row["requirement_id"] == "p1_sales_docs")
    assert finding["status"] == "unmet" and "asked again" in finding["evidence"]


def test_a_waiver_of_the_first_deal_does_not_waive_the_second() -> None:
    waiver = override(1, requirement_id="p1_sales_docs", created_at=datetime(2025, 1, 1))
    missing = facts(handoff_fields_missing=2, handoff_missing_fields="risks, sponsor")
    new = missing | {"new_contract_on": AS_OF + timedelta(days=1)}
    days = folded([missing, new], waiver)
    assert days[0]["account_state"][0]["phase"] > 1 and days[1]["account_state"][0]["phase"] == 1
    renewed = override(2, requirement_id="p1_sales_docs", created_at=datetime(2026, 6, 28))
    assert folded([missing, new], waiver, renewed)[1]["account_state"][0]["phase"] > 1


def test_overlays_are_regions_with_steps_of_their_own_and_never_move_the_spine() -> None:
    risk = [{"rule_id": "SPONSOR_LOST", "severity": "high"}]
    days = folded([facts()] * 4, risks=[[], risk, risk, []])
    quiet = folded([facts()] * 4)
    assert [day["account_state"][0]["phase"] for day in days] == [day["account_state"][0]["phase"] for day in quiet]

    def risk_steps(day: dict[str, list[dict[str, Any]]]) -> list[str]:
        return [row["change"] for row in day["phase_transitions"] if row["region"] == REGIONS[7]]

    first = risk_steps(days[0])
    assert [risk_steps(day) for day in days[1:]] == ([["opened"], [], ["cleared"]] if not first else [[], [], []])
    since = [next((overlay["since"] for overlay in json.loads(day["account_state"][0]["open_overlays"]) if overlay["phase"] == 7), None) for day in days]
    assert since[1] == since[2] == (AS_OF + timedelta(days=0 if first else 1)).isoformat()


def test_a_snooze_is_said_in_the_state_and_hides_nothing() -> None:
    snooze = override(1, kind="snooze", expires_on=AS_OF + timedelta(days=1))
    days = folded([facts(kickoff_meeting_held_on=None)] * 3, snooze)
    assert [day["account_state"][0]["snoozed_until"] for day in days] == [AS_OF + timedelta(days=1)] * 2 + [None]
    assert {day["account_state"][0]["blocking_requirement_id"] for day in days} == {"p3_kickoff"}


def test_a_disputed_notice_does_not_open_churn_handling_and_a_disputed_departure_sends_nobody_back() -> None:
    for fact, change in (
        ("notice_is_open", {"notice_is_open": True, "notice_on": AS_OF}),
        ("notice_on", {"notice_is_open": True, "notice_on": AS_OF}),
        ("sponsors_active", {"sponsors_active": 0, "sponsors_left": 1, "sponsor_left_on": AS_OF}),
    ):
        days = folded([facts(), facts(**change)], override(1, kind="dispute", fact=fact))
        phases = [day["account_state"][0]["phase"] for day in days]
        assert phases[0] == phases[1], fact
        assert days[1]["account_state"][0]["disputed_facts"] == fact


@settings(max_examples=25, deadline=None)
@given(CHANGES, NEW_CONTRACTS, RISKS, SAID)
def test_no_action_comes_from_outside_the_map(changed: dict[str, Any], contract: date | None, risks: list[dict[str, Any]], said: list[dict[str, Any]]) -> None:
    """Whatever the facts, every action that a requirement's row asks for is the one of its requirement, and can be carried out by a known kind."""
    day = folded([facts(**changed) | {"new_contract_on": contract}], *[word for word in said if word["override_id"] != "OVR-5"], risks=[risks])[0]
    assert [row["requirement_id"] for row in day["requirements"]] == IDS
    for row in day["requirements"]:
        action = MAP.action(row["requirement_id"])
        assert (row["action"], row["who_is_chased"]) == (action.text, action.who)
        assert action.yields in MAP.actions and action.document in MAP.documents
    blocking = day["account_state"][0]["blocking_requirement_id"]
    assert blocking is None or MAP.by_id[blocking].phase == day["account_state"][0]["phase"]


@given(st.text(max_size=30))
def test_there_is_no_action_for_what_is_no_requirement(name: str) -> None:
    if name not in IDS:
        with pytest.raises(KeyError):
            MAP.action(name)


def test_a_wrong_re_entry_or_word_is_refused_with_its_line(tmp_path: Path) -> None:
    from vim_pipelines.core.errors import VimError
    from vim_pipelines.lifecycle import phases

    text = phases.PATH.read_text()
    for before, after, why in (
        ("sponsor_left: {from: 3, to: 2,", "sponsor_left: {from: 2, to: 3,", "not backwards on the spine"),
        ("asks_again: [p2_champion_alignment]", "asks_again: [p2_champion]", "did you mean 'p2_champion_alignment'"),
        ("snooze: {by: csm}", "snooze: {by: anybody}", "must be one of csm, director"),
        ("dispute: {by: csm, days: 30}", "dispute: {by: csm, days: 0}", "positive whole number"),
        ("  exception: {by: csm}\n", "", "needs `words` with"),
    ):
        assert before in text
        wrong = tmp_path / "phases.yaml"
        wrong.write_text(text.replace(before, after, 1))
        with pytest.raises(VimError, match="VIM-E005") as caught:
            phases.load_map(wrong)
        assert why in str(caught.value)
