"""States folded over days in a real warehouse file: late days, repeated days, days in any order, accounts that come and go."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from lifecycle_facts import AS_OF, COMPLETE, facts, override

from vim_pipelines.lifecycle.evidence import EVIDENCE_MODELS
from vim_pipelines.lifecycle.phases import load_map
from vim_pipelines.lifecycle.run import LifecycleReport, ensure_computed_tables, fold_states
from vim_pipelines.warehouse import Session
from vim_pipelines.warehouse.duckdb import DuckDBWarehouse

DAYS = [AS_OF - timedelta(days=3 - n) for n in range(4)]

TYPES = {bool: "boolean", int: "bigint", float: "double", str: "varchar", date: "date"}


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with DuckDBWarehouse(tmp_path / "warehouse.duckdb").session() as opened:
        yield opened


def column_type(name: str) -> str:
    if name.endswith("_on"):
        return "date"
    value = COMPLETE[name]
    return "varchar" if value is None else TYPES[type(value)]


def stand_at(session: Session, accounts: list[Mapping[str, Any]]) -> None:
    """Make the base model what dbt would have made for one day."""
    session.execute("create schema if not exists base")
    session.execute("drop table if exists base.int_lifecycle_evidence")
    session.ensure_table("base.int_lifecycle_evidence", {name: column_type(name) for name in COMPLETE})
    for model in EVIDENCE_MODELS[1:]:  # the other parts of the evidence have nothing to say, unless a test fills them
        session.ensure_table(f"base.{model}", {"account_key": "varchar"})
    if accounts:
        session.append("base.int_lifecycle_evidence", pd.DataFrame(accounts, columns=list(COMPLETE)).astype(object).where(lambda frame: frame.notna(), None))


def night(session: Session, day: date, *accounts: Mapping[str, Any], overrides: tuple[Any, ...] = ()) -> LifecycleReport:
    stand_at(session, list(accounts))
    return fold_states(session, overrides, day)


def everything(session: Session) -> dict[str, list[dict[str, Any]]]:
    return {
        name: session.rows(f"select * from computed.{name} order by all")
        for name in ("requirements", "account_state", "phase_transitions", "lifecycle_evidence")
    }


def phases(session: Session, account: str = "ACC-1") -> dict[date, int]:
    return {
        row["as_of_date"]: row["phase"]
        for row in session.rows("select as_of_date, phase from computed.account_state where account_key = ? order by 1", [account])
    }


def steps(session: Session) -> list[tuple[date, int | None, int]]:
    rows = session.rows("select * from computed.phase_transitions")
    return sorted(((row["as_of_date"], row["from_phase"], row["to_phase"]) for row in rows), key=lambda step: (step[0], step[1] or 0))


NO_KICKOFF = facts(kickoff_meeting_held_on=None)
NO_VALUE = facts(fttv_reached_on=None)

#: Four days of one account: the kickoff is held on the second, first value reached on the third, notice given on the fourth.
STORY = dict(zip(DAYS, [NO_KICKOFF, NO_VALUE, facts(), facts(notice_on=DAYS[3], notice_is_open=True)], strict=True))


def test_a_story_of_four_nights(session: Session) -> None:
    for day, account in STORY.items():
        report = night(session, day, account)
        assert report.dates == (day,)
    assert phases(session) == dict(zip(DAYS, [3, 4, 8, 11], strict=True))
    assert steps(session) == [(DAYS[0], None, 1), (DAYS[0], 1, 2), (DAYS[0], 2, 3), (DAYS[1], 3, 4), (DAYS[2], 4, 8), (DAYS[3], 8, 11)]
    row = session.rows("select * from computed.account_state where as_of_date = ?", [DAYS[1]])[0]
    assert (row["entered_on"], row["blocking_requirement_id"], row["exception_phase"]) == (DAYS[1], "p4_fttv", None)
    gate = json.loads(session.rows("select evidence from computed.phase_transitions where to_phase = 4")[0]["evidence"])
    assert gate["p3_kickoff"] == {"evidence": "The kickoff was held on 2024-11-25.", "rows": ["meeting:MTG-2"], "status": "met"}


def test_the_same_night_twice_changes_nothing(session: Session) -> None:
    for day, account in STORY.items():
        night(session, day, account)
    before = everything(session)
    night(session, DAYS[3], STORY[DAYS[3]])
    assert everything(session) == before


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_nights_in_any_order_give_what_they_would_have_given_on_time(session: Session, tmp_path: Path, order: tuple[int, ...]) -> None:
    """A late day changes the days after it; those are folded from the evidence kept on their own night, not from tonight's tables."""
    with DuckDBWarehouse(tmp_path / "on_time.duckdb").session() as on_time:
        for day, account in STORY.items():
            night(on_time, day, account)
        expected = everything(on_time)
    for position in order:
        night(session, DAYS[position], STORY[DAYS[position]])
    assert everything(session) == expected


def test_a_late_night_reports_the_days_whose_marts_are_out_of_date(session: Session) -> None:
    for day in (DAYS[0], DAYS[2], DAYS[3]):
        night(session, day, STORY[day])
    assert night(session, DAYS[1], STORY[DAYS[1]]).dates == (DAYS[1], DAYS[2], DAYS[3])
    assert session.scalar("select entered_on from computed.account_state where as_of_date = ?", [DAYS[2]]) == DAYS[2]


def test_telemetry_that_is_down_for_a_night_moves_nobody(session: Session) -> None:
    night(session, DAYS[0], facts())
    night(session, DAYS[1], facts(usage_status="unknown", utilization_28d=None, is_fttv_fed=False, is_kickoff_meeting_fed=False))
    assert phases(session) == {DAYS[0]: 8, DAYS[1]: 8}
    assert session.scalar("select status from computed.requirements where requirement_id = 'p4_fttv' and as_of_date = ?", [DAYS[1]]) == "unknown"


def test_an_account_that_was_gone_comes_back_where_it_was(session: Session) -> None:
    night(session, DAYS[0], facts(), facts(account_key="ACC-2"))
    night(session, DAYS[1], facts(account_key="ACC-2"))
    night(session, DAYS[2], NO_KICKOFF, facts(account_key="ACC-2"))
    assert phases(session) == {DAYS[0]: 8, DAYS[2]: 8}


def test_a_win_back_starts_over_and_its_gates_are_asked_again(session: Session) -> None:
    night(session, DAYS[0], facts(notice_on=date(2026, 5, 1), notice_is_open=True))
    won = facts(won_back_on=DAYS[1], handoff_fields_missing=2, handoff_missing_fields="risks, sponsor", cycle_age_days=0)
    night(session, DAYS[1], won)
    night(session, DAYS[2], won)
    assert phases(session) == {DAYS[0]: 11, DAYS[1]: 1, DAYS[2]: 1}
    assert session.scalar("select reason from computed.phase_transitions where as_of_date = ?", [DAYS[1]]) == f"won back on {DAYS[1].isoformat()}"


def test_waivers_and_phases_set_by_people_are_facts_with_a_date(session: Session) -> None:
    """Given on the evening of day two: the nights before do not know them, however late they are run."""
    given = datetime(DAYS[1].year, DAYS[1].month, DAYS[1].day, 18)
    waiver = override(1, requirement_id="p3_kickoff", created_at=given)
    for day in (DAYS[2], DAYS[0], DAYS[1]):
        night(session, day, NO_KICKOFF, overrides=(waiver,))
    assert phases(session) == {DAYS[0]: 3, DAYS[1]: 8, DAYS[2]: 8}
    pin = override(2, phase=4, created_at=datetime(DAYS[3].year, DAYS[3].month, DAYS[3].day, 9), expires_on=DAYS[3])
    night(session, DAYS[3], NO_KICKOFF, overrides=(waiver, pin))
    assert phases(session)[DAYS[3]] == 4
    assert session.scalar("select reason from computed.phase_transitions where as_of_date = ?", [DAYS[3]]) == "set by dora (director): agreed with the customer"


def test_rows_of_the_store_are_taken_as_they_are(session: Session) -> None:
    from vim_pipelines.store.models import LifecycleOverride

    row = LifecycleOverride(**override(1, requirement_id="p3_kickoff"))
    night(session, AS_OF, NO_KICKOFF, overrides=(row,))
    assert phases(session) == {AS_OF: 8}


def test_an_override_that_means_nothing_is_reported_and_changes_nothing(session: Session) -> None:
    wrong = (
        override(1, requirement_id="p3_kickof"),
        override(2, phase=6),
        override(3, phase=12),
        override(4),
        override(5, requirement_id="p1_sales_docs.risks"),
    )
    report = night(session, AS_OF, NO_KICKOFF, overrides=wrong)
    assert report.overrides_ignored == ("OVR-1", "OVR-2", "OVR-3", "OVR-4")
    assert phases(session) == {AS_OF: 3}


def test_overlays_list_their_open_items(session: Session) -> None:
    """Serious risks open phase 7, blind spots phase 6, a neglected record phase 5; the phase on the spine stays."""
    session.ensure_table(
        "computed.risks", {"account_key": "varchar", "as_of_date": "date", "rule_id": "varchar", "severity": "varchar", "risk_status": "varchar"}
    )
    for rule, severity, status in (("SPONSOR_LOST", "high", None), ("DATA_STALE", "low", "open"), ("MURA_SPIKY", "high", "held_back")):
        session.execute("insert into computed.risks values ('ACC-1', ?, ?, ?, ?)", [AS_OF, rule, severity, status])
    night(session, AS_OF, facts(usage_status="stale", utilization_28d=None, csm_name=None, cadence_meetings_ahead=0, last_cadence_on=date(2026, 1, 5)))
    found = json.loads(session.scalar("select open_overlays from computed.account_state"))
    assert found == [
        {"phase": 5, "name": "Orchestration", "since": "2026-06-28", "items": ["csm_name missing", "no regular meeting held or planned"]},
        {"phase": 6, "name": "Observability", "since": "2026-06-28", "items": ["use stale"]},
        {"phase": 7, "name": "Risk Mitigation", "since": "2026-06-28", "items": ["SPONSOR_LOST"]},
    ]


def test_a_portfolio_without_accounts_and_a_first_night_without_tables_pass(session: Session) -> None:
    report = night(session, AS_OF)
    assert report.rows == {"requirements": 0, "account_state": 0, "phase_transitions": 0}
    ensure_computed_tables(session)


def test_the_report_counts_the_requested_day(session: Session) -> None:
    report = night(session, AS_OF, facts(), facts(account_key="ACC-2", fttv_reached_on=None))
    assert report.accounts_by_phase == {4: 1, 8: 1}
    assert report.rows == {"requirements": 2 * len(load_map().requirements), "account_state": 2, "phase_transitions": 9}
