"""The marts over the mirror: built by dbt from a store with one of everything, and from an empty one."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "approvals"))

from approval_drafts import AS_OF, NOW, ask_and_approve, make_draft
from stores import settings_for

from vim_pipelines.approvals.deciding import decide
from vim_pipelines.approvals.policy import Actor, load_policy
from vim_pipelines.approvals.queue import list_requests, request_approvals
from vim_pipelines.core.errors import VimError
from vim_pipelines.evaluation.plan_effect import follow_effects
from vim_pipelines.lifecycle.outcomes import follow_plans
from vim_pipelines.reporting.summary import cost_of_calls
from vim_pipelines.store import open_store
from vim_pipelines.store.mirror import mirror_store
from vim_pipelines.store.models import Alert, LlmCall, OutboxEntry
from vim_pipelines.transform.project import RESERVED_SELECTIONS, run_dbt, write_profile
from vim_pipelines.warehouse import open_warehouse

MARTS = (
    "fct_plans",
    "fct_approvals",
    "fct_alerts",
    "fct_write_backs",
    "fct_llm_calls",
    "fct_llm_costs",
    "fct_plan_outcomes",
    "fct_plan_outcome_counts",
    "fct_plan_effects",
)
#: The requests are decided on the morning after AS_OF: a day later they are known.
NEXT_DAY = AS_OF + timedelta(days=1)


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """One store and one warehouse for the module: dbt takes seconds to parse."""
    home = tmp_path_factory.mktemp("operations")
    settings = settings_for(f"sqlite:///{home / 'operations.db'}", home)
    warehouse = open_warehouse(settings)
    write_profile(settings, warehouse)
    with warehouse.session() as session:  # the newest night, which an open alert is counted to
        session.execute("create table marts.fct_portfolio_daily as select cast(? as date) as as_of_date", [AS_OF + timedelta(days=5)])
    return settings, warehouse, open_store(settings)


def build(night) -> dict[str, list[dict]]:
    settings, warehouse, store = night
    with warehouse.session() as session:
        mirror_store(store, session)
        follow_plans(session, store, NEXT_DAY)
        follow_effects(session, NEXT_DAY)
    run_dbt(settings, ["signal_thresholds", *RESERVED_SELECTIONS["ops"]], NEXT_DAY, "USD")
    with warehouse.session(read_only=True) as session:
        return {mart: session.rows(f"select * from marts.{mart}") for mart in MARTS}


def test_an_empty_store_builds_empty_marts_and_a_full_one_shows_every_decision_cost_and_write(night) -> None:
    assert build(night) == {mart: [] for mart in MARTS}
    _settings, _warehouse, store = night
    approved = ask_and_approve(store)
    held = make_draft(store, account="ACC-2", status="held")
    rejected_draft = make_draft(store, account="ACC-3")
    request_approvals(store, load_policy(), AS_OF, NOW, approval_hours=72)
    (rejected,) = [request.request_id for request in list_requests(store, account_key="ACC-3")]
    decide(store, rejected, "reject", person=Actor("dora", "director", "cli"), version=1, note="not now", now=NOW + timedelta(minutes=90), policy=load_policy())
    with store.session() as session:
        for call_id, account, document, cost in (
            ("call-1", "ACC-1", "d", "0.0125"),
            ("call-2", "ACC-1", "license_optimization_plan", "0.0025"),
            ("call-3", "ACC-3", "license_optimization_plan", None),
        ):
            session.add(
                LlmCall(
                    call_id=call_id,
                    draft_key=call_id,
                    attempt=1,
                    account_key=account,
                    document=document,
                    provider="anthropic",
                    model="m",
                    prompt_sha256="p",
                    status="ok",
                    output_tokens=50,
                    response={},
                    cost_usd=cost,
                    as_of_date=AS_OF,
                    created_at=NOW,
                )
            )
        session.add(
            OutboxEntry(
                entry_id="out-1",
                idempotency_key="i",
                request_id=approved,
                account_key="ACC-1",
                kind="content",
                action="crm_note",
                target="salesforce",
                object_name="VIM_Draft__c",
                external_id="VIM-1",
                proposed={"Document__c": "plan"},
                before=None,
                after=None,
                approved_sha256="a",
                state="planned",
                attempts=0,
                created_at=NOW,
                updated_at=NOW,
            )
        )
        for number, acknowledged in ((1, None), (2, NOW + timedelta(minutes=25))):
            session.add(
                Alert(
                    alert_id=f"alert-{number}",
                    account_key="ACC-1",
                    account_name="Customer",
                    kind="notice_served",
                    episode=f"2026-06-0{number}",
                    as_of_date=AS_OF,
                    facts=[],
                    text="# Customer has given notice",
                    text_sha256="t",
                    created_at=NOW,
                    acknowledged_at=acknowledged,
                    acknowledged_by="dora" if acknowledged else None,
                )
            )
    marts = build(night)
    alerts = {row["alert_id"]: (row["is_acknowledged"], row["minutes_to_acknowledgement"], row["days_open"]) for row in marts["fct_alerts"]}
    assert alerts == {"alert-1": (False, None, 5), "alert-2": (True, 25, (NOW.date() - AS_OF).days)}
    plans = {row["draft_id"]: row for row in marts["fct_plans"]}
    assert plans[held]["approval_state"] == "rejected"  # a person must write it: asked about, and never to be agreed to
    assert plans[rejected_draft]["approval_state"] == "rejected"
    approvals = {row["request_id"]: row for row in marts["fct_approvals"]}
    assert approvals[rejected]["minutes_to_decision"] == 90
    assert (approvals[approved]["writes_intended"], approvals[approved]["approvals_needed"], approvals[approved]["edited_by"]) == (1, 1, None)
    assert {row["call_id"]: str(row["cost_usd"]) for row in marts["fct_llm_calls"]} == {"call-1": "0.012500", "call-2": "0.002500", "call-3": "None"}
    assert {row["purpose"] for row in marts["fct_llm_calls"]} == {"draft"}
    costs = {(row["account_key"], row["document"]): row for row in marts["fct_llm_costs"]}
    unread = costs["ACC-1", "d"]  # a call that no draft came of is paid all the same
    assert (str(unread["cost_usd"]), unread["calls"], unread["drafts"], unread["cost_per_draft_usd"]) == ("0.012500", 1, 0, None)
    unpriced = costs["ACC-3", "license_optimization_plan"]
    assert (unpriced["cost_usd"], unpriced["calls_without_price"], unpriced["drafts"], unpriced["drafts_approved"]) == (None, 1, 1, 0)
    with store.reading() as session:  # what `vimotion audit` prints is what these rows say
        assert cost_of_calls(session, AS_OF) is None and any(row["calls_without_price"] for row in costs.values())
    signed = costs["ACC-1", "license_optimization_plan"]
    assert (str(signed["cost_usd"]), signed["drafts_approved"], signed["cost_per_approved_draft_usd"]) == ("0.002500", 1, 0.0025)
    outcomes = {row["criterion"]: row for row in marts["fct_plan_outcomes"]}
    assert set(outcomes) == {"gap_halved", "seats_taken_up"} and {row["request_id"] for row in outcomes.values()} == {approved}
    taken_up = outcomes["seats_taken_up"]
    assert (taken_up["state"], taken_up["baseline"], taken_up["bar"], taken_up["due_on"]) == ("open", 150, 135, NEXT_DAY + timedelta(days=91))
    assert (outcomes["gap_halved"]["state"], outcomes["gap_halved"]["plan_state"]) == ("unknown", "open")  # the draft's facts did not know the gap
    assert {(row["measure"], row["status"], row["statement"]) for row in marts["fct_plan_effects"]} == {
        (measure, "not_enough_data", "not enough data (0 of 30 matched accounts)") for measure in ("shelfware_seats", "unused_seats")
    }
    [counts] = marts["fct_plan_outcome_counts"]
    assert (counts["plans"], counts["plans_open"], counts["segment"], counts["met_share"]) == (1, 1, "unknown", None)
    assert [(row["approved_by"], row["document"]) for row in marts["fct_write_backs"]] == [("dora", "license_optimization_plan")]


def test_a_write_without_an_approval_fails_the_build(night) -> None:
    """The invariant is checked where analysts look, too: an outbox row whose request nobody approved."""
    _settings, _warehouse, store = night
    make_draft(store, account="ACC-9")
    (request_id,) = request_approvals(store, load_policy(), AS_OF, NOW, approval_hours=72).requested
    with store.session() as session:
        session.add(
            OutboxEntry(
                entry_id="out-9",
                idempotency_key="i9",
                request_id=request_id,
                account_key="ACC-9",
                kind="content",
                action="crm_note",
                target="salesforce",
                object_name="VIM_Draft__c",
                external_id="VIM-9",
                proposed={},
                before=None,
                after=None,
                approved_sha256="a",
                state="sent",
                attempts=1,
                created_at=NOW,
                updated_at=NOW,
            )
        )
    with pytest.raises(VimError, match="VIM-E023.*fct_approvals"):
        build(night)
