"""Two people where much is at stake, nobody on a text of his own editing, nobody outside his segments: checked where every door decides."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from approval_drafts import AS_OF, NOW, make_draft

from vim_pipelines.approvals.deciding import decide
from vim_pipelines.approvals.events import verify_chain
from vim_pipelines.approvals.people import add_person, deactivate
from vim_pipelines.approvals.policy import Actor
from vim_pipelines.approvals.queue import approved_ready, request_approvals, show_request
from vim_pipelines.core.errors import VimError
from vim_pipelines.store.models import ApprovalRequest, Draft

DORA, ELIF = Actor("dora", "director", "inbox"), Actor("elif", "director", "slack")


def asked(store, policy, *, arr=600_000, segment="smb", facts="facts-1", version=1, now=NOW, edited_by=None):
    draft_id = make_draft(store, facts=facts, version=version)
    with store.session() as session:
        session.get_one(Draft, draft_id).edited_by = edited_by
    signals = {"ACC-1": {"arr_amount": arr, "currency": "USD", "risk_band": "green", "segment": segment, "csm_email": "ada@vendor.example"}}
    report = request_approvals(store, policy, AS_OF, now, approval_hours=72, draft_ids=[draft_id], signals=signals)
    return report


def say(store, policy, request_id, person, decision="approve", note=None, version=1, now=NOW):
    return decide(store, request_id, decision, person=person, version=version, note=note, now=now, policy=policy)


def test_above_the_limit_one_approval_is_not_enough(store, policy):
    [request_id] = asked(store, policy).requested
    assert say(store, policy, request_id, DORA).state == "pending"
    assert approved_ready(store) == [] and show_request(store, request_id).endorsed_by == ("dora",)
    with pytest.raises(VimError, match="VIM-E043.*already"):
        say(store, policy, request_id, Actor("dora", "director", "mail"))  # the same person through another door
    done = say(store, policy, request_id, ELIF)
    assert (done.state, done.decided_by, done.approved_sha256) == ("approved", "elif", done.payload_sha256)
    assert verify_chain(store) == []


def test_a_second_person_may_still_reject_after_the_first_approved(store, policy):
    [request_id] = asked(store, policy).requested
    say(store, policy, request_id, DORA)
    assert say(store, policy, request_id, ELIF, "reject", "not this quarter").state == "rejected"


def test_an_approval_of_an_older_version_counts_nothing_for_the_newer(store, policy):
    [first] = asked(store, policy).requested
    say(store, policy, first, DORA)
    [second] = asked(store, policy, facts="facts-2", version=2).requested
    assert show_request(store, second).endorsed_by == ()
    with pytest.raises(VimError, match="VIM-E041"):
        say(store, policy, first, ELIF)
    assert say(store, policy, second, ELIF, version=2).state == "pending"


def test_a_policy_that_became_stricter_holds_for_what_was_asked_before(store, policy):
    [request_id] = asked(store, policy, arr=60_000).requested
    stricter = policy.model_copy(update={"two_people": policy.two_people.model_copy(update={"documents": ("license_optimization_plan",)})})
    assert say(store, stricter, request_id, DORA).state == "pending"


@pytest.mark.parametrize("since", ["left", "lesser role", "other segments"])
def test_an_earlier_approval_counts_only_while_its_person_may_still_decide(store, policy, since):
    """The first of two had left the house before the second pressed, and one entitled person alone sent the text."""
    for login in ("dora", "elif"):
        add_person(store, policy, login, name=login, role="director", by="test", now=NOW)
    [request_id] = asked(store, policy).requested
    say(store, policy, request_id, DORA)
    if since == "left":
        deactivate(store, "dora", now=NOW)
    else:
        role, segments = ("csm", []) if since == "lesser role" else ("director", ["enterprise"])
        add_person(store, policy, "dora", name="dora", role=role, segments=segments, by="test", now=NOW)
    assert say(store, policy, request_id, ELIF).state == "pending"
    assert say(store, policy, request_id, Actor("finn", "director", "cli")).state == "approved"


def test_an_approval_of_a_role_that_today_is_too_low_is_not_one_of_two(store, policy):
    limits = {"USD": Decimal(10**9)}
    laxer = policy.model_copy(update={"escalation": policy.escalation.model_copy(update={"arr_limits": limits})})
    [request_id] = asked(store, laxer).requested
    assert say(store, laxer, request_id, Actor("carl", "csm", "inbox")).state == "pending"
    assert say(store, policy, request_id, DORA).state == "pending"
    assert say(store, policy, request_id, ELIF).state == "approved"


def test_nobody_approves_a_text_of_his_own_editing(store, policy):
    [request_id] = asked(store, policy, arr=60_000, edited_by="dora").requested
    with pytest.raises(VimError, match="VIM-E043.*edited"):
        say(store, policy, request_id, DORA)
    assert say(store, policy, request_id, ELIF).state == "approved"


@pytest.mark.parametrize("segment", ["enterprise", None])
@pytest.mark.parametrize("decision", ["approve", "reject", "request_changes", "dismiss"])
def test_another_segments_item_is_not_decided(store, policy, segment, decision):
    [request_id] = asked(store, policy, arr=60_000, segment=segment).requested
    with pytest.raises(VimError, match="VIM-E043"):
        say(store, policy, request_id, Actor("carl", "csm", "inbox", ("smb",)), decision, "because")
    assert show_request(store, request_id).state == "pending"


def test_a_question_that_somebody_has_open_is_not_taken_away(store, policy):
    [request_id] = asked(store, policy, arr=60_000).requested
    with store.session() as session:
        row = session.get(ApprovalRequest, request_id)
        row.opened_by, row.opened_until = "dora", NOW + timedelta(minutes=15)
    report = asked(store, policy, arr=60_000, facts="facts-2", version=2, now=NOW + timedelta(minutes=5))
    assert (report.opened, report.superseded) == (1, ())
    assert say(store, policy, request_id, DORA, now=NOW + timedelta(minutes=6)).state == "approved"
    later = request_approvals(store, policy, AS_OF, NOW + timedelta(hours=1), approval_hours=72, draft_ids=["draft-ACC-1-license_optimization_plan-2"])
    assert len(later.requested) == 1  # asked once it is closed
