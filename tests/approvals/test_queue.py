"""Asking, deciding and expiring, on SQLite and on PostgreSQL."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from threading import Barrier

import pytest
from approval_drafts import AS_OF, NOW, ask_and_approve, make_draft
from sqlalchemy import text

from vim_pipelines.approvals.deciding import decide, expire
from vim_pipelines.approvals.events import verify_chain
from vim_pipelines.approvals.policy import Actor, load_policy
from vim_pipelines.approvals.queue import approved_ready, count_requests, list_requests, request_approvals, show_request, to_replan
from vim_pipelines.core.errors import VimError
from vim_pipelines.core.hashing import sha256_json
from vim_pipelines.store.models import ApprovalEvent, ApprovalRequest


def ask(store, policy, signals=None, *, ids=None, now=NOW):
    return request_approvals(store, policy, AS_OF, now, approval_hours=72, draft_ids=ids, signals=signals)


def say(store, request_id, decision, *, role="director", actor="dora", version=1, note="because", now=NOW):
    return decide(store, request_id, decision, person=Actor(actor, role, "cli"), version=version, note=note, now=now, policy=load_policy())


@pytest.fixture
def pending(store, policy, signals):
    make_draft(store)
    return ask(store, policy, signals).requested[0]


# --- asking


def test_a_request_carries_everything_a_decision_needs(store, pending) -> None:
    """Inbox, re-plan and write-back never open the warehouse."""
    request = show_request(store, pending)
    assert request.text == "150 of 200 seats are unused."
    assert [fact["shown"] for fact in request.facts] == ["150 seats"]
    assert len(request.evidence) == 50, "60 rows were handed in, 50 is the most for a fact"
    assert [action["action"] for action in request.actions] == ["crm_note", "crm_task"]
    assert request.actions[1]["fields"]["Owner_Email__c"] == "ada@vendor.example"
    assert (request.approver_role, request.arr_amount, request.currency) == ("csm", Decimal("60000"), "USD")
    assert request.expires_at == NOW + timedelta(hours=72)
    assert request.breaks == ()


def test_the_same_night_again_asks_nothing_new(store, policy, signals) -> None:
    make_draft(store)
    first = ask(store, policy, signals)
    again = ask(store, policy, signals)
    assert (len(first.requested), len(again.requested), again.unchanged) == (1, 0, 1)
    assert count_requests(store) == 1


def test_a_material_change_supersedes_the_pending_question(store, policy, signals, pending) -> None:
    new = make_draft(store, version=2, facts="facts-2", text="160 of 200 seats are unused.")
    report = ask(store, policy, signals, ids=[new])
    assert report.superseded == (pending,)
    assert show_request(store, pending).state == "superseded"
    assert [request.version for request in list_requests(store)] == [2]


def test_a_new_version_of_the_same_facts_supersedes_nothing(store, policy, signals, pending) -> None:
    new = make_draft(store, version=2, facts="facts-1", text="Other words for the same facts.")
    assert ask(store, policy, signals, ids=[new]).unchanged == 1
    assert show_request(store, pending).state == "pending"


def test_a_draft_that_a_gate_held_is_never_asked_for(store, policy, signals) -> None:
    make_draft(store, status="held")
    assert ask(store, policy, signals).metadata()["held"] == 1
    assert count_requests(store) == 0


def test_an_approved_request_is_not_taken_back_by_a_newer_draft(store, policy, signals) -> None:
    approved = ask_and_approve(store)
    new = make_draft(store, version=2, facts="facts-2")
    assert len(ask(store, policy, signals, ids=[new]).requested) == 1
    assert show_request(store, approved).state == "approved"


def test_a_dismissal_keeps_quiet_for_the_cool_down_and_not_longer(store, policy, signals, pending) -> None:
    say(store, pending, "dismiss")
    new = make_draft(store, version=2, facts="facts-2")
    assert ask(store, policy, signals, ids=[new], now=NOW + timedelta(days=89)).cooling_down == 1
    assert len(ask(store, policy, signals, ids=[new], now=NOW + timedelta(days=90)).requested) == 1


def test_while_a_rejection_waits_for_its_new_draft_the_night_does_not_ask_beside_it(store, policy, signals, pending) -> None:
    say(store, pending, "reject")
    new = make_draft(store, version=2, facts="facts-2")
    assert ask(store, policy, signals, ids=[new]).replan_open == 1


def test_an_expired_question_is_asked_again_and_an_unexpired_one_is_not(store, policy, signals, pending) -> None:
    draft_id = show_request(store, pending).draft_id
    assert expire(store, NOW + timedelta(hours=71)) == 0
    assert expire(store, NOW + timedelta(hours=72)) == 1
    report = ask(store, policy, signals, ids=[draft_id], now=NOW + timedelta(hours=73))
    assert len(report.requested) == 1 and report.requested != (pending,)


# --- who may decide


@pytest.mark.parametrize(
    "row, role",
    [
        ({"arr_amount": 60000, "currency": "USD", "risk_band": "green"}, "csm"),
        ({"arr_amount": 100000, "currency": "USD", "risk_band": "green"}, "director"),
        ({"arr_amount": 60000, "currency": "USD", "risk_band": "red"}, "director"),
        ({"arr_amount": None, "currency": None, "risk_band": "green"}, "director"),
        ({"arr_amount": 10, "currency": "SEK", "risk_band": "green"}, "director"),
        ({"arr_amount": 60000, "currency": "USD", "risk_band": None}, "director"),
        ({"arr_amount": float("nan"), "currency": "USD", "risk_band": "green"}, "director"),
    ],
)
def test_money_risk_and_not_knowing_ask_for_the_higher_role(store, policy, row, role) -> None:
    """A limit in dollars says nothing about kronor, and an account without ARR may be the largest one."""
    make_draft(store)
    request = show_request(store, ask(store, policy, {"ACC-1": row}).requested[0])
    assert request.approver_role == role


def test_the_role_is_checked(store, policy) -> None:
    make_draft(store)
    (request_id,) = ask(store, policy, {"ACC-1": {"arr_amount": 400000, "currency": "USD", "risk_band": "green"}}).requested
    for role in ("csm", "analyst", "", "system", "Director"):
        with pytest.raises(VimError, match="VIM-E043"):
            say(store, request_id, "approve", role=role)
    assert show_request(store, request_id).state == "pending"
    assert say(store, request_id, "approve").state == "approved"


def test_a_stricter_policy_holds_for_questions_that_were_asked_before(store, policy, signals, pending) -> None:
    stricter = policy.model_copy(update={"escalation": policy.escalation.model_copy(update={"arr_limits": {"USD": Decimal(1)}})})
    with pytest.raises(VimError, match="VIM-E043"):
        decide(store, pending, "approve", person=Actor("carl", "csm", "cli"), version=1, note=None, now=NOW, policy=stricter)


# --- deciding


@pytest.mark.parametrize(
    "decision, state", [("approve", "approved"), ("reject", "rejected"), ("request_changes", "changes_requested"), ("dismiss", "dismissed")]
)
def test_each_decision_is_recorded_with_who_when_where_and_why(store, pending, decision, state) -> None:
    decided = say(store, pending, decision, actor="carl", role="csm")
    assert (decided.state, decided.decided_by, decided.decided_role, decided.decided_channel, decided.decided_at) == (state, "carl", "csm", "cli", NOW)
    event = show_request(store, pending).events[-1]
    assert (event.action, event.from_state, event.to_state, event.note) == (decision, "pending", state, "because")
    assert (decided.approved_sha256 is not None) == (decision == "approve")


@pytest.mark.parametrize("decision", ["reject", "request_changes", "dismiss"])
@pytest.mark.parametrize("note", [None, "", "  \n "])
def test_saying_no_needs_a_reason(store, pending, decision, note) -> None:
    with pytest.raises(VimError, match="VIM-E045"):
        say(store, pending, decision, note=note)
    assert show_request(store, pending).state == "pending"


def test_errors_name_what_is_wrong(store, policy, signals, pending) -> None:
    with pytest.raises(VimError, match="VIM-E040"):
        say(store, "req-nothing-like-it", "approve")
    with pytest.raises(VimError, match="VIM-E041"):
        say(store, pending, "approve", version=2)
    say(store, pending, "approve")
    with pytest.raises(VimError, match="VIM-E042.*dora"):
        say(store, pending, "reject")
    with pytest.raises(VimError, match="VIM-E042"):
        say(store, pending, "execute")


def test_a_decision_on_a_text_that_was_replaced_is_refused(store, policy, signals, pending) -> None:
    """A reviewer had the old text on the screen while the night put a new one in its place."""
    ask(store, policy, signals, ids=[make_draft(store, version=2, facts="facts-2")])
    with pytest.raises(VimError, match="VIM-E041"):
        say(store, pending, "approve")


def test_silence_is_never_consent(store, pending) -> None:
    late = NOW + timedelta(hours=72)
    with pytest.raises(VimError, match="VIM-E042.*expired"):
        say(store, pending, "approve", now=late)
    request = show_request(store, pending)
    assert (request.state, request.approved_sha256, request.decided_by) == ("expired", None, None)
    assert verify_chain(store) == []


def test_an_edited_text_cannot_be_approved(store, pending) -> None:
    with store.session() as session:
        row = session.get_one(ApprovalRequest, pending)
        row.payload = row.payload | {"text": "We waive the fee."}
    assert show_request(store, pending).breaks
    with pytest.raises(VimError, match="VIM-E044"):
        say(store, pending, "approve")
    assert say(store, pending, "reject").state == "rejected", "saying no to it must stay possible"


def test_of_many_who_decide_at_once_exactly_one_wins(store, pending) -> None:
    people = 8
    start = Barrier(people)

    def press(number: int) -> str:
        start.wait()
        try:
            return say(store, pending, ("approve", "reject")[number % 2], actor=f"person-{number}").decided_by
        except VimError as error:
            assert error.code == "VIM-E042"
            return ""

    with ThreadPoolExecutor(people) as pool:
        winners = [winner for winner in pool.map(press, range(people)) if winner]
    request = show_request(store, pending)
    assert winners == [request.decided_by]
    assert len(request.events) == 2
    assert verify_chain(store) == []


def test_two_nights_at_once_ask_once(store, policy, signals) -> None:
    ids = [make_draft(store, account=f"ACC-{number}") for number in range(6)]
    start = Barrier(3)

    def night(_: int) -> int:
        start.wait()
        return len(ask(store, policy, signals, ids=ids).requested)

    with ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(night, range(3))) == 6
    assert count_requests(store) == 6
    assert verify_chain(store) == []


# --- reading


def test_the_most_urgent_comes_first_and_the_badge_counts_the_list(store, policy) -> None:
    rows = {"ACC-1": ("green", 50), "ACC-2": ("red", 10), "ACC-3": ("green", 90), "ACC-4": (None, 5)}
    for account in rows:
        make_draft(store, account=account)
    ask(store, policy, {account: {"arr_amount": arr, "currency": "USD", "risk_band": band} for account, (band, arr) in rows.items()})
    found = list_requests(store)
    assert [request.account_key for request in found] == ["ACC-2", "ACC-4", "ACC-3", "ACC-1"]
    assert count_requests(store) == len(found)


def test_a_request_is_found_by_the_beginning_of_its_id(store, pending) -> None:
    assert show_request(store, pending[:10]).request_id == pending
    for wrong in ("req", "", "%", "req-______"):
        with pytest.raises(VimError, match="VIM-E040"):
            show_request(store, wrong)


def test_the_sensor_sees_approved_requests_and_at_most_its_limit(store, policy) -> None:
    for number in range(4):
        ask_and_approve(store, f"ACC-{number}")
    assert len(approved_ready(store, limit=3)) == 3
    assert len(approved_ready(store)) == 4
    assert to_replan(store) == []


# --- the record


def edit(column, value):
    def apply(session, numbers):
        session.execute(text(f"update approval_events set {column} = :value where event_number = :number"), {"value": value, "number": numbers[1]})

    return apply


def swap(session, numbers):
    first, second = session.get_one(ApprovalEvent, numbers[0]), session.get_one(ApprovalEvent, numbers[1])
    values = [{"actor": event.actor, "note": event.note, "event_sha256": event.event_sha256} for event in (first, second)]
    first.event_sha256, second.event_sha256 = "x", "y"
    session.flush()
    for event, new in ((first, values[1]), (second, values[0])):
        event.actor, event.note, event.event_sha256 = new["actor"], new["note"], new["event_sha256"]


def remove(place):
    def apply(session, numbers):
        session.execute(text("delete from approval_events where event_number = :number"), {"number": numbers[place]})

    return apply


TAMPERINGS = {
    "the actor": edit("actor", "somebody-else"),
    "the role": edit("role", "csm"),
    "the note": edit("note", "I never said that"),
    "the hash of the text": edit("payload_sha256", "0" * 64),
    "the time": edit("at", NOW + timedelta(days=1)),
    "the decision": edit("to_state", "approved"),
    "two rows exchanged": swap,
    "a row in the middle removed": remove(1),
    "the last row removed": remove(-1),
    "the first row removed": remove(0),
}


@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_every_edit_of_the_record_is_found(store, policy, signals, tampering) -> None:
    for number in range(3):
        make_draft(store, account=f"ACC-{number}")
    for request_id in ask(store, policy, signals).requested:
        say(store, request_id, "reject", note="no")
    assert verify_chain(store) == []
    with store.session() as session:
        numbers = session.execute(text("select event_number from approval_events order by event_number")).scalars().all()
        TAMPERINGS[tampering](session, numbers)
    assert verify_chain(store) != []


@pytest.mark.parametrize(
    "column, value",
    [("state", "approved"), ("payload_sha256", "0" * 64), ("approved_sha256", "0" * 64), ("version", 7), ("payload", json.dumps({"text": "x"}))],
)
def test_every_edit_of_a_request_is_found(store, pending, column, value) -> None:
    with store.session() as session:
        session.execute(text(f"update approval_requests set {column} = :value where request_id = :id"), {"value": value, "id": pending})
    assert verify_chain(store) != []


def test_removing_a_request_is_found(store, pending) -> None:
    with store.session() as session:
        session.execute(text("delete from approval_requests"))
    assert verify_chain(store) != []


def test_the_payload_survives_both_databases_byte_for_byte_in_its_hash(store, policy, signals) -> None:
    """A database that gives back 1.0 for 1, or another order of keys, would make every approval refuse its own text."""
    text_ = 'Überblick: 3 × "A\\B" – \u2028 \U0001f600 \t tabs, 1.50 and 1e3'
    make_draft(store, text=text_)
    request = show_request(store, ask(store, policy, signals).requested[0])
    assert request.text == text_
    with store.session() as session:
        row = session.get_one(ApprovalRequest, request.request_id)
        assert sha256_json(row.payload) == row.payload_sha256
