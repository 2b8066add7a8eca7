"""A disputed fact holds what rests on it: the question leaves the queue, and is asked again only when the dispute is over or the facts are others."""

from __future__ import annotations

from datetime import timedelta

import pytest
from approval_drafts import AS_OF, NOW, make_draft

from vim_pipelines.approvals.deciding import decide, hold_disputed
from vim_pipelines.approvals.events import verify_chain
from vim_pipelines.approvals.policy import Actor, load_policy
from vim_pipelines.approvals.queue import list_requests, request_approvals, show_request
from vim_pipelines.core.errors import VimError
from vim_pipelines.store.models import OutboxEntry

NEXT, LATER = AS_OF + timedelta(days=1), AS_OF + timedelta(days=40)


@pytest.fixture
def pending(store, policy, signals) -> str:
    make_draft(store)
    (request_id,) = request_approvals(store, policy, AS_OF, NOW, approval_hours=72, signals=signals).requested
    return request_id


def dispute(store, fact="unused_seats"):
    return hold_disputed(store, "ACC-1", fact, person=Actor("cem", "csm", "cli"), note="half of them are test users", now=NOW)


def ask(store, policy, as_of, **options):
    return request_approvals(store, policy, as_of, NOW + (as_of - AS_OF), approval_hours=72, **options)


def test_a_pending_question_that_rests_on_the_fact_leaves_the_queue_with_name_and_reason(store, pending) -> None:
    assert dispute(store) == [pending]
    assert list_requests(store) == []
    last = show_request(store, pending).events[-1]
    assert (last.action, last.actor, last.to_state, last.note) == ("dispute", "cem", "superseded", "unused_seats is disputed: half of them are test users")
    assert verify_chain(store) == []
    with pytest.raises(VimError, match="VIM-E041"):
        decide(store, pending, "approve", person=Actor("dora", "director", "cli"), version=1, note=None, now=NOW, policy=load_policy())


def test_a_question_about_something_else_stays(store, pending) -> None:
    assert dispute(store, "champion_name") == []
    assert [request.request_id for request in list_requests(store)] == [pending]


def test_an_approval_that_is_not_carried_out_yet_is_held_too(store, pending) -> None:
    decide(store, pending, "approve", person=Actor("dora", "director", "cli"), version=1, note=None, now=NOW, policy=load_policy())
    assert dispute(store) == [pending]
    assert verify_chain(store) == []


def test_while_the_dispute_lasts_no_draft_that_rests_on_the_fact_is_asked_for(store, policy, pending) -> None:
    dispute(store)
    make_draft(store, version=2, facts="facts-2", as_of=NEXT)
    report = ask(store, policy, NEXT, disputed={"ACC-1": ["unused_seats"]})
    assert (report.requested, report.disputed) == ((), 1)
    assert ask(store, policy, NEXT, disputed={"ACC-1": ["arr_amount"]}).disputed == 0


def test_when_the_dispute_is_over_and_nothing_changed_the_same_draft_is_asked_for_again(store, policy, pending) -> None:
    """The night writes nothing for unchanged facts: without this the plan would be lost by one wrong dispute."""
    dispute(store)
    (request_id,) = ask(store, policy, LATER).requested
    again = show_request(store, request_id)
    assert (again.version, again.draft_id, again.state) == (2, show_request(store, pending).draft_id, "pending")
    assert ask(store, policy, LATER).requested == ()


def test_the_night_of_the_day_before_the_dispute_run_again_asks_nothing_anew(store, policy, pending) -> None:
    dispute(store)
    assert ask(store, policy, AS_OF).requested == ()


def test_an_approval_of_which_a_part_was_sent_is_not_taken_out_half_way(store, pending):
    """Found by random lives: a first attempt wrote the note and lost the CRM; a dispute then left the note there under a superseded request."""
    decide(store, pending, "approve", person=Actor("dora", "director", "cli"), version=1, note=None, now=NOW, policy=load_policy())
    entry = OutboxEntry(
        entry_id="out-1", idempotency_key="1", request_id=pending, account_key="ACC-1", kind="content", action="crm_note", target="salesforce",
        object_name="VIM_Draft__c", external_id=f"VIM-{pending}", proposed={}, approved_sha256="0" * 64, state="unknown", attempts=1, created_at=NOW, updated_at=NOW,
    )  # fmt: skip
    with store.session() as session:
        session.add(entry)
    assert dispute(store) == [] and show_request(store, pending).state == "approved"
