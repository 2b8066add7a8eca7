"""The queue folded over nights in a real warehouse file, from the requirements, states, risks and requests of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from actions_by_hand import ACCOUNT, MONDAY, account, frame, requirement, risk

from vim_pipelines.core.errors import VimError
from vim_pipelines.lifecycle.action_queue import QueueReport, as_known, fold_queue
from vim_pipelines.lifecycle.action_tables import ACTION_TABLES
from vim_pipelines.lifecycle.tables import ensure_computed_tables
from vim_pipelines.warehouse import Session
from vim_pipelines.warehouse.duckdb import DuckDBWarehouse

DAYS = [MONDAY + timedelta(days=n) for n in range(4)]
STAKES = [name for name in ACCOUNT if name not in ("phase", "snoozed_until")]
TYPES = {"stake_annual": "double", "waste_annual": "double", "csm_hours": "double", "director_hours": "double", "data_hours": "double", "deadline_on": "date"}


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with DuckDBWarehouse(tmp_path / "warehouse.duckdb").session() as opened:
        ensure_computed_tables(opened)
        opened.ensure_table(
            "computed.risks",
            {name: "date" if name == "as_of_date" else "varchar" for name in ("account_key", "as_of_date", "rule_id", "severity", "summary", "risk_status")},
        )
        yield opened


def judged(
    session: Session, day: date, accounts: Sequence[dict[str, Any]], requirements: Sequence[dict[str, Any]], risks: Sequence[dict[str, Any]] = ()
) -> None:
    """What dbt, signals and lifecycle would have left for one night."""
    session.execute("drop table if exists base.int_action_stakes")
    session.ensure_table("base.int_action_stakes", {name: TYPES.get(name, "varchar") for name in STAKES})
    if accounts:
        session.append("base.int_action_stakes", frame(accounts, ACCOUNT)[STAKES])
    states = frame(accounts, ACCOUNT)[["account_key", "phase", "snoozed_until"]].assign(as_of_date=day)
    known = states if "snoozed_until" in session.column_names("computed.account_state") else states.drop(columns="snoozed_until")
    session.replace_partition("computed.account_state", known, "as_of_date", day)
    session.replace_partition("computed.requirements", frame(requirements, requirement("x")).assign(as_of_date=day), "as_of_date", day)
    session.replace_partition("computed.risks", frame(risks, [*risk("x"), "risk_status"]).assign(as_of_date=day), "as_of_date", day)


def night(session: Session, day: date, *requirements: dict[str, Any], requests: Sequence[dict[str, Any]] = (), **changes: Any) -> QueueReport:
    judged(session, day, [account(**changes)], requirements)
    return fold_queue(session, requests, day)


def event(state: str, at: datetime, request_id: str = "REQ-1", document: str = "risk_mitigation_plan") -> dict[str, Any]:
    return {"request_id": request_id, "account_key": "ACC-1", "document": document, "at": at, "state": state}


def statuses(session: Session) -> dict[date, str]:
    return {row["as_of_date"]: row["status"] for row in session.rows("select as_of_date, status from computed.next_best_actions")}


def everything(session: Session) -> dict[str, pd.DataFrame]:
    return {name: session.query(f"select * from computed.{name} order by all") for name in ACTION_TABLES}


#: What becomes of one plan: asked for on the first night after the queue, applied on the third.
PLAN = [event("pending", datetime(2026, 6, 23, 4)), event("approved", datetime(2026, 6, 24, 9)), event("applied", datetime(2026, 6, 24, 10))]
OPEN, MET = requirement("p2_red_flags"), requirement("p2_red_flags", "met")
STORY = dict(zip(DAYS, [OPEN, OPEN, OPEN, MET], strict=True))


def test_a_story_of_four_nights(session: Session) -> None:
    for day, found in STORY.items():
        night(session, day, found, requests=PLAN)
    assert statuses(session) == dict(zip(DAYS, ["open", "superseded", "done", "done"], strict=True))
    last = session.rows("select * from computed.next_best_actions where as_of_date = ?", [DAYS[3]])[0]
    assert (last["done_on"], last["outcome"], last["outcome_on"], last["request_id"]) == (DAYS[2], "met_by_due", DAYS[3], "REQ-1")
    assert session.rows("select tried, helped from computed.next_best_action_outcomes where as_of_date = ?", [DAYS[3]]) == [{"tried": 1, "helped": 1}]


def test_a_day_computed_again_or_late_gives_the_same_rows(session: Session, tmp_path: Path) -> None:
    """The stakes stand at the newest night by then; the kept inputs and the times of the requests rebuild the nights after it."""
    for day, found in STORY.items():
        night(session, day, found, requests=PLAN)
    straight = everything(session)
    for day in (DAYS[1], DAYS[0]):
        report = night(session, day, STORY[day], requests=PLAN)
        assert report.dates == tuple(other for other in DAYS if other >= day)
    for name, table in everything(session).items():
        pd.testing.assert_frame_equal(table, straight[name])
    with DuckDBWarehouse(tmp_path / "other.duckdb").session() as other:
        ensure_computed_tables(other)
        other.ensure_table("computed.risks", {"account_key": "varchar", "as_of_date": "date", "rule_id": "varchar", "severity": "varchar", "summary": "varchar", "risk_status": "varchar"})  # fmt: skip
        for day in (DAYS[0], DAYS[2], DAYS[1], DAYS[3]):
            night(other, day, STORY[day], requests=PLAN)
        for name, table in everything(other).items():
            pd.testing.assert_frame_equal(table, straight[name])


def test_a_request_is_seen_as_it_stood_that_night() -> None:
    history = [
        *PLAN,
        event("verified", datetime(2026, 6, 26, 1)),
        event("pending", datetime(2026, 6, 28, 1), "REQ-2"),
        event("expired", datetime(2026, 6, 28, 2)),
    ]
    seen = {day: as_known(history, date(2026, 6, day)).to_dict("records") for day in (22, 23, 24, 27, 28)}
    assert seen[22] == []
    assert [(rows[0]["request_id"], rows[0]["state"], rows[0]["on"]) for rows in list(seen.values())[1:]] == [
        ("REQ-1", "pending", date(2026, 6, 23)),
        ("REQ-1", "applied", date(2026, 6, 24)),
        ("REQ-1", "verified", date(2026, 6, 24)),
        ("REQ-2", "pending", date(2026, 6, 28)),
    ]


def test_a_snooze_of_the_state_reaches_the_queue(session: Session) -> None:
    night(session, DAYS[0], OPEN)
    if "snoozed_until" not in session.column_names("computed.account_state"):
        pytest.skip("this warehouse keeps no snoozes")
    night(session, DAYS[1], OPEN, snoozed_until=DAYS[2])
    assert statuses(session)[DAYS[1]] == "snoozed"


def test_a_risk_that_is_held_back_asks_for_nothing(session: Session) -> None:
    for status, rows in (("held_back", 0), ("open", 1)):
        judged(session, DAYS[0], [account()], (), [risk("MURA_DROP") | {"risk_status": status}])
        assert fold_queue(session, (), DAYS[0]).rows == rows


def test_a_portfolio_without_accounts_has_an_empty_queue(session: Session) -> None:
    judged(session, DAYS[0], (), ())
    assert fold_queue(session, (), DAYS[0]).rows == 0


def test_hours_that_the_seed_lacks_are_named(session: Session) -> None:
    with pytest.raises(VimError, match="VIM-E005.*threshold"):
        night(session, DAYS[0], OPEN, data_hours=None)


def test_the_history_of_requests_is_read_from_the_store(tmp_path: Path) -> None:
    from vim_pipelines.settings import Settings
    from vim_pipelines.store import open_store
    from vim_pipelines.store.models import ApprovalEvent, ApprovalRequest, Draft
    from vim_pipelines.store.request_history import read_request_history

    store, moment = open_store(Settings(home=tmp_path)), datetime(2026, 6, 23, 4)
    common = {"account_key": "ACC-1", "account_name": "Acme", "document": "success_plan", "version": 1, "as_of_date": MONDAY, "created_at": moment}
    with store.session() as session:
        session.add(
            Draft(
                draft_id="d", audience="internal", draft_key="k", facts=[], facts_sha256="f", evidence=[], structured={}, rendered_text="t", rendered_sha256="r",
                status="written", gate_findings=[], written_by="offline", prompt_sha256="p", **common,
            )
        )  # fmt: skip
        session.flush()
        session.add(
            ApprovalRequest(
                request_id="REQ-1", draft_id="d", state="approved", payload={}, payload_sha256="s", policy_version="1", approver_role="csm",
                expires_at=moment, updated_at=moment, **common,
            )
        )  # fmt: skip
        session.flush()
        for number, state in enumerate(("pending", "approved")):
            session.add(
                ApprovalEvent(
                    request_id="REQ-1", at=moment + timedelta(hours=number), actor="a", role="csm", channel="cli", action=state, to_state=state, version=1,
                    payload_sha256="s", previous_sha256="", event_sha256=state,
                )
            )  # fmt: skip
    assert read_request_history(store) == [
        event("pending", moment, document="success_plan"),
        event("approved", moment + timedelta(hours=1), document="success_plan"),
    ]
