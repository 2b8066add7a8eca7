"""What somebody with SQL can change unseen (nothing that decides), and when a failed write may be started again."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from approval_drafts import AS_OF, NOW, make_draft
from sqlalchemy import select

from vim_pipelines.approvals.deciding import decide, may_undo, retry
from vim_pipelines.approvals.disputing import say_and_hold
from vim_pipelines.approvals.events import SYSTEM, chained, step, verify_chain
from vim_pipelines.approvals.policy import Actor
from vim_pipelines.approvals.queue import request_approvals, show_request
from vim_pipelines.approvals.replan import replan
from vim_pipelines.core.errors import VimError
from vim_pipelines.store.models import ApprovalRequest, Draft, OutboxEntry, StandingApproval
from vim_pipelines.writeback.mirror import sign_standing_approval

DORA = Actor("dora", "director", "inbox")
SMB_ONLY = Actor("sam", "director", "cli", ("smb",))


def approved(store, policy, *, segment="smb", fails=False):
    signals = {"ACC-1": {"arr_amount": Decimal("60000.505"), "currency": "USD", "risk_band": "green", "segment": segment, "csm_email": None}}
    [request_id] = request_approvals(store, policy, AS_OF, NOW, approval_hours=72, draft_ids=[make_draft(store)], signals=signals).requested
    decide(store, request_id, "approve", person=DORA, version=1, note=None, now=NOW, policy=policy)
    if fails:
        with chained(store) as session:
            for action in ("claim", "fail"):
                step(session, session.get_one(ApprovalRequest, request_id), action, actor=SYSTEM, now=NOW)
    return request_id


EDITS = {
    "decided_by": "the chief", "decided_role": "chief", "decided_channel": "mail", "decided_at": NOW - timedelta(days=1), "note": "agreed by phone",
    "approver_role": "director", "approvals_needed": 2, "segment": "enterprise", "arr_amount": Decimal(1), "risk_band": "red", "edited_by": "zoe",
    "expires_at": NOW + timedelta(days=900), "account_key": "ACC-9", "document": "win_back",
}  # fmt: skip


@pytest.mark.parametrize("column", EDITS)
def test_an_edited_column_that_decides_is_found(store, policy, column):
    """`decided_by` goes into the CRM as the approver; it could be set to anybody, and verify called the chain whole."""
    request_id = approved(store, policy)
    assert verify_chain(store) == [] and show_request(store, request_id).breaks == ()
    with store.session() as session:
        setattr(session.get_one(ApprovalRequest, request_id), column, EDITS[column])
    assert len(verify_chain(store)) == 1 and len(show_request(store, request_id).breaks) == 1


def again(store, policy, request_id, person=DORA):
    return retry(store, request_id, person=person, note="put right", now=NOW, policy=policy).state


def test_a_failed_write_is_neither_repeated_nor_taken_back_by_somebody_of_another_segment(store, policy):
    request_id = approved(store, policy, segment="enterprise", fails=True)
    with pytest.raises(VimError, match="VIM-E043"):
        again(store, policy, request_id, SMB_ONLY)
    with pytest.raises(VimError, match="VIM-E043"):
        may_undo(store, request_id, SMB_ONLY, policy)
    may_undo(store, request_id, DORA, policy)
    assert again(store, policy, request_id) == "approved"


def test_a_failed_write_is_not_repeated_while_a_fact_of_it_is_disputed(store, policy):
    request_id = approved(store, policy, fails=True)
    say_and_hold(store, "ACC-1", "dispute", person=DORA, note="half of them left", now=NOW, fact="unused_seats")
    with pytest.raises(VimError, match="VIM-E047"):
        again(store, policy, request_id)


def test_a_failed_write_is_not_repeated_once_a_newer_text_was_approved(store, policy):
    request_id = approved(store, policy, fails=True)
    [newer] = request_approvals(store, policy, AS_OF, NOW, approval_hours=72, draft_ids=[make_draft(store, facts="facts-2", version=2)]).requested
    decide(store, newer, "approve", person=DORA, version=2, note=None, now=NOW, policy=policy)
    with pytest.raises(VimError, match=f"VIM-E041.*{newer}"):
        again(store, policy, request_id)


def test_a_fact_that_is_disputed_while_its_text_is_drafted_again_holds_the_new_one_too(store, policy, tmp_path, store_url):
    from stores import settings_for

    [request_id] = request_approvals(store, policy, AS_OF, NOW, approval_hours=72, draft_ids=[make_draft(store)]).requested
    decide(store, request_id, "request_changes", person=DORA, version=1, note="shorter", now=NOW, policy=policy)

    def redraft(_draft_id, note):
        say_and_hold(store, "ACC-1", "dispute", person=DORA, note="half of them left", now=NOW, fact="unused_seats")
        return make_draft(store, version=2, feedback=note)

    report = replan(store, request_id, settings=settings_for(store_url, tmp_path), now=NOW, redraft=redraft, policy=policy)
    assert show_request(store, report.new_request_id).state == "superseded" and verify_chain(store) == []


def test_an_edited_draft_standing_approval_or_write_is_found(store, policy):
    request_id = approved(store, policy)
    sign_standing_approval(store, policy, actor="dora", role="director", now=NOW)
    with store.session() as session:
        session.add(
            OutboxEntry(
                entry_id="out-1", idempotency_key="k", request_id=request_id, account_key="ACC-1", kind="content", action="crm_note", target="salesforce",
                object_name="VIM_Draft__c", external_id="VIM-1", proposed={}, approved_sha256=session.get_one(ApprovalRequest, request_id).approved_sha256,
                state="planned", attempts=0, created_at=NOW, updated_at=NOW,
            )
        )  # fmt: skip
    assert verify_chain(store) == []
    with store.session() as session:
        session.scalars(select(Draft)).one().rendered_text = "Half price."
        session.scalars(select(StandingApproval)).one().fields = ["Amount"]
        session.get_one(OutboxEntry, "out-1").approved_sha256 = "0" * 64
    assert [line.split()[0] for line in verify_chain(store)] == ["draft", "standing", "write"]
