"""Outcomes from a store and a warehouse: what is read, what a night knows, and what a late night changes."""

from __future__ import annotations

import sys
from datetime import date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "store"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "approvals"))

from approval_drafts import AS_OF, NOW, ask_and_approve, make_draft
from stores import postgres_address, settings_for, store_url

from vim_pipelines.approvals.events import SYSTEM, chained, step
from vim_pipelines.approvals.policy import load_policy
from vim_pipelines.approvals.queue import find_request, request_approvals
from vim_pipelines.core.hashing import sha256_json
from vim_pipelines.lifecycle.outcomes import TABLE, follow_plans, read_plans
from vim_pipelines.store import open_store
from vim_pipelines.store.models import ApprovalRequest
from vim_pipelines.warehouse.duckdb import DuckDBWarehouse

__all__ = ["postgres_address", "store_url"]

APPROVED = NOW.date()
DUE = APPROVED + timedelta(days=91)
FACTS = {"account_key": "varchar", "as_of_date": "date", "metric": "varchar", "scope": "varchar", "status": "varchar", "value_number": "decimal(18, 4)", "value_text": "varchar"}  # fmt: skip


@pytest.fixture
def store(store_url, tmp_path):
    """SQLite and PostgreSQL: of a payload only its criteria are read, which each of them does in its own way."""
    store = open_store(settings_for(store_url, tmp_path))
    yield store
    store.engine.dispose()


@pytest.fixture
def session(tmp_path):
    with DuckDBWarehouse(tmp_path / "outcomes.duckdb").session() as session:
        session.ensure_table("marts.fct_account_facts", FACTS)
        session.ensure_table("marts.fct_account_signals", {"account_key": "varchar", "as_of_date": "date", "segment": "varchar"})
        session.ensure_table(
            "marts.fct_risks", {"account_key": "varchar", "as_of_date": "date", "rule_id": "varchar", "severity": "varchar", "risk_status": "varchar"}
        )
        yield session


def add_fact(session, day, value, metric="unused_seats", status="ok", account="ACC-1"):
    row = {"account_key": account, "as_of_date": day, "metric": metric, "scope": "account", "status": status, "value_number": value}
    session.append("marts.fct_account_facts", pd.DataFrame([row]))
    if not session.rows("select 1 from marts.fct_account_signals where account_key = ? and as_of_date = ?", [account, day]):
        session.append("marts.fct_account_signals", pd.DataFrame([{"account_key": account, "as_of_date": day, "segment": "mid"}]))


def stands(session, criterion, day):
    [row] = session.rows(f"select state, value from {TABLE} where criterion = ? and as_of_date = ?", [criterion, day])
    return row["state"], row["value"]


def move(store, request_id, *actions, now):
    with chained(store) as session:
        for action in actions:
            step(session, find_request(session, request_id), action, actor=SYSTEM, now=now)


def test_a_plan_is_followed_from_its_approval_to_its_date(store, session):
    request_id = ask_and_approve(store)
    assert follow_plans(session, store, AS_OF).rows == 0  # decided on the morning after
    add_fact(session, DUE - timedelta(days=20), 120)
    add_fact(session, DUE, 131)
    report = follow_plans(session, store, DUE - timedelta(days=1))
    assert (report.rows, report.plans_by_state) == (2, {"open": 1})
    assert stands(session, "seats_taken_up", DUE - timedelta(days=1)) == ("open", 120)
    follow_plans(session, store, DUE)
    assert stands(session, "seats_taken_up", DUE) == ("met", 131)  # the baseline was 150: a tenth less is 135
    [row] = session.rows(f"select request_id, segment, baseline, bar, executed_on from {TABLE} where criterion = 'seats_taken_up' and as_of_date = ?", [DUE])
    assert (row["request_id"], row["segment"], row["baseline"], row["bar"], row["executed_on"]) == (request_id, "mid", 150, 135, None)


def test_a_night_computed_again_gives_the_same_rows_though_more_is_known(store, session):
    """As-of: what happened after a day, in the store or in the marts, must not be in the day's rows."""
    request_id = ask_and_approve(store)
    day = DUE - timedelta(days=5)
    add_fact(session, day - timedelta(days=1), 140)
    follow_plans(session, store, day)
    before = session.rows(f"select * from {TABLE} where as_of_date = ? order by criterion", [day])
    add_fact(session, day + timedelta(days=1), 10)
    later = datetime.combine(day + timedelta(days=1), datetime.min.time())
    move(store, request_id, "claim", "apply", "verify", "undo", now=later)
    follow_plans(session, store, day)
    again = session.rows(f"select * from {TABLE} where as_of_date = ? and account_key = 'ACC-1' order by criterion", [day])
    assert again == before and {row["executed_on"] for row in again} == {None} == {row["withdrawn_on"] for row in again}
    follow_plans(session, store, day + timedelta(days=1))
    [undone] = session.rows(
        f"select state, executed_on, withdrawn_on from {TABLE} where as_of_date = ? and criterion = 'seats_taken_up'", [day + timedelta(days=1)]
    )
    assert undone == {"state": "expired", "executed_on": later.date(), "withdrawn_on": later.date()}


def test_a_night_that_is_built_late_changes_the_days_after_it(store, session):
    """The measure of the due date came a day late: without a second look the plan would stay expired."""
    ask_and_approve(store)
    for day in (DUE, DUE + timedelta(days=1)):
        follow_plans(session, store, day)
    assert stands(session, "seats_taken_up", DUE + timedelta(days=1))[0] == "expired"
    add_fact(session, DUE - timedelta(days=3), 100)
    report = follow_plans(session, store, DUE - timedelta(days=3))
    assert report.dates == (DUE - timedelta(days=3), DUE, DUE + timedelta(days=1))
    assert [stands(session, "seats_taken_up", day)[0] for day in report.dates] == ["open", "met", "met"]


def test_what_is_not_known_has_no_reading_and_ends_as_expired(store, session):
    ask_and_approve(store)
    add_fact(session, DUE, None, status="stale")
    follow_plans(session, store, DUE)
    assert stands(session, "seats_taken_up", DUE) == ("expired", None)
    assert stands(session, "gap_halved", DUE) == ("unknown", None)  # the draft did not know the gap


def test_severe_risks_are_counted_on_nights_on_which_the_account_was_scored(store, session):
    """No row in fct_risks is no risk only if somebody looked."""
    ask_and_approve(store, document="risk_mitigation_plan")
    due = APPROVED + timedelta(days=42)
    assert {promise.measure for plan in read_plans(store, due) for promise in plan.promises} == {"high_risks", "risk_score"}
    follow_plans(session, store, due)
    assert stands(session, "no_severe_risk", due)[0] == "expired"
    add_fact(session, due, 40, metric="risk_score")
    risks = [("SILENCE", "high", "open"), ("MURA_DROP", "critical", "held_back"), ("MURA_SPIKY", "medium", "open")]
    frame = pd.DataFrame(
        [{"account_key": "ACC-1", "as_of_date": due, "rule_id": rule, "severity": severity, "risk_status": status} for rule, severity, status in risks]
    )
    session.append("marts.fct_risks", frame)
    follow_plans(session, store, due)
    assert stands(session, "no_severe_risk", due) == ("missed", 1)
    session.execute("delete from marts.fct_risks where rule_id = 'SILENCE'")
    follow_plans(session, store, due)
    assert stands(session, "no_severe_risk", due) == ("met", 0)


def test_criteria_are_part_of_what_is_signed_and_a_request_without_them_is_unknown(store, session):
    """Requests that were asked for before criteria existed are in every store; they can be decided, and are never called missed."""
    old = ask_and_approve(store, "ACC-9")
    with store.session() as opened:
        request = opened.get_one(ApprovalRequest, old)
        assert request.payload["criteria"][1]["baseline"] == "150" and request.payload_sha256 == sha256_json(request.payload)
        altered = dict(request.payload) | {"criteria": []}
        assert sha256_json(altered) != request.payload_sha256
        request.payload = {name: value for name, value in request.payload.items() if name != "criteria"}
    follow_plans(session, store, date(2027, 6, 1))
    [row] = session.rows(f"select state, plan_state, criterion from {TABLE}")
    assert row == {"state": "unknown", "plan_state": "unknown", "criterion": "none"}


def test_a_plan_that_nobody_approved_is_not_followed(store, session):
    make_draft(store)
    request_approvals(store, load_policy(), AS_OF, NOW, approval_hours=72)
    assert follow_plans(session, store, DUE).rows == 0
