"""Write-back against the emulator in another process: what is sent, what is refused, what a lost answer leads to."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlalchemy import text

from vim_pipelines.approvals.deciding import retry
from vim_pipelines.approvals.events import verify_chain
from vim_pipelines.approvals.policy import Actor, load_policy
from vim_pipelines.approvals.queue import show_request
from vim_pipelines.core.errors import VimError
from vim_pipelines.vendors.http import VendorError
from vim_pipelines.writeback.apply import reconcile, undo, write_back
from vim_pipelines.writeback.targets import open_target

DRAFT_FIELDS = ["VIM_Key__c", "Account__c", "Body__c", "Title__c", "Sha256__c", "Approved_By__c", "Approved_At__c", "Task_Id__c", "Status__c"]
TASK_FIELDS = ["Subject", "Description", "WhatId", "Priority", "ActivityDate", "Status", "Owner_Email__c"]


def drafts(client, account):
    return client.find("VIM_Draft__c", "Account__c", account, DRAFT_FIELDS)


def tasks(client, account):
    return client.find("Task", "WhatId", account, TASK_FIELDS)


def writes_about(org, account, client):
    ids = {row["Id"] for row in drafts(client, account)} | {row["Id"] for row in tasks(client, account)}
    return [write for write in org.writes() if write["record"] in ids]


def test_an_approval_becomes_one_record_and_one_task(store, crm, client, settings, approved, account, now) -> None:
    report = write_back(store, crm, approved, settings=settings, now=now, run_id="run-1")
    assert report.state == "verified"
    assert [entry.state for entry in report.entries] == ["verified", "verified"]
    (draft,), (task,) = drafts(client, account), tasks(client, account)
    assert draft["Body__c"] == "150 of 200 seats are unused."
    assert draft["Approved_By__c"] == "dora"
    assert draft["Task_Id__c"] == task["Id"]
    assert task["Subject"].startswith("License Optimization Plan")
    assert task["ActivityDate"] == "2026-07-12"
    assert task["Owner_Email__c"] == "ada@vendor.example"
    assert verify_chain(store) == []
    actions = [event.action for event in show_request(store, approved).events]
    assert actions == ["request", "approve", "claim", "apply", "verify"]


def test_a_second_call_sends_nothing(store, crm, client, settings, approved, org, now) -> None:
    write_back(store, crm, approved, settings=settings, now=now)
    before = len(org.writes())
    assert write_back(store, crm, approved, settings=settings, now=now).state == "verified"
    assert len(org.writes()) == before


@pytest.mark.parametrize("mode, code", [("off", "VIM-E050")])
def test_off_writes_nothing_and_leaves_the_approval(store, crm, client, settings, approved, org, now, mode, code) -> None:
    before = len(org.requests())
    with pytest.raises(VimError, match=code):
        write_back(store, crm, approved, settings=settings.model_copy(update={"write_mode": mode}), now=now)
    assert len(org.requests()) == before
    assert show_request(store, approved).state == "approved"


def test_a_dry_run_shows_the_difference_and_changes_nothing(store, crm, client, settings, approved, account, org, now) -> None:
    before = len(org.writes())
    report = write_back(store, crm, approved, settings=settings.model_copy(update={"write_mode": "dry_run"}), now=now)
    assert report.state == "approved"
    assert len(org.writes()) == before
    assert show_request(store, approved).writes == ()
    shown = "\n".join(report.lines())
    assert "Body__c: (empty) -> 150 of 200 seats are unused." in shown
    assert "nothing was sent" in shown


def test_the_sandbox_never_writes_to_a_real_host(store, crm, client, settings, approved, org, now) -> None:
    real = settings.model_copy(update={"salesforce_base_url": "https://customer.my.salesforce.com"})
    before = len(org.writes())
    with open_target(real) as customers, pytest.raises(VimError, match="VIM-E052"):
        write_back(store, customers, approved, settings=real, now=now)
    assert len(org.writes()) == before


TAMPERINGS = {
    "the text": lambda payload: payload | {"text": "We give you the seats for free."},
    "a fact": lambda payload: payload | {"facts": [{"handle": "F12", "value_number": "9999"}]},
    "an action": lambda payload: payload | {"actions": [payload["actions"][0] | {"fields": payload["actions"][0]["fields"] | {"Title__c": "Other"}}]},
    "the policy": lambda payload: payload | {"policy_version": "0" * 64},
}


@pytest.mark.parametrize("what", TAMPERINGS)
def test_nothing_is_written_for_a_payload_that_was_edited_after_the_approval(store, crm, client, settings, approved, account, org, now, what) -> None:
    """The one promise that everything else stands on: no write without an approval of exactly this."""
    with store.session() as session:
        payload = (
            json.loads(session.execute(text("select payload from approval_requests where request_id = :id"), {"id": approved}).scalar_one())
            if store.engine.dialect.name == "sqlite"
            else session.execute(text("select payload from approval_requests where request_id = :id"), {"id": approved}).scalar_one()
        )
        session.execute(
            text("update approval_requests set payload = :payload where request_id = :id"), {"id": approved, "payload": json.dumps(TAMPERINGS[what](payload))}
        )
    before = len(org.writes())
    with pytest.raises(VimError, match="VIM-E044"):
        write_back(store, crm, approved, settings=settings, now=now)
    assert len(org.writes()) == before
    assert drafts(client, account) == [] and tasks(client, account) == []
    assert show_request(store, approved).state == "failed"
    assert any("edited" in line for line in verify_chain(store))


def test_rewriting_both_hashes_with_the_text_does_not_help(store, crm, client, settings, approved, org, now) -> None:
    """Someone with SQL access may edit text, hash and approval alike; the approval's event still names the old hash."""
    from vim_pipelines.core.hashing import sha256_json
    from vim_pipelines.store.models import ApprovalRequest

    with store.session() as session:
        row = session.get_one(ApprovalRequest, approved)
        row.payload = row.payload | {"text": "Something else."}
        row.payload_sha256 = row.approved_sha256 = sha256_json(row.payload)
    before = len(org.writes())
    with pytest.raises(VimError, match="VIM-E044"):
        write_back(store, crm, approved, settings=settings, now=now)
    assert len(org.writes()) == before


def test_an_outbox_row_that_was_edited_after_a_crash_is_not_sent(store, crm, client, settings, approved, org, now) -> None:
    class Killed(BaseException):
        pass

    def die(step: str) -> None:
        if step == "planned":
            raise Killed

    with pytest.raises(Killed):
        write_back(store, crm, approved, settings=settings, now=now, checkpoint=die)
    with store.session() as session:
        session.execute(text("update outbox set external_id = 'VIM-other' where action = 'crm_note'"))
    before = len(org.writes())
    with pytest.raises(VimError, match="VIM-E044"):
        write_back(store, crm, approved, settings=settings, now=now)
    assert len(org.writes()) == before


@pytest.mark.parametrize("state", ["pending", "rejected", "expired", "dismissed", "superseded"])
def test_only_an_approved_request_is_carried_out(store, crm, client, settings, account, org, now, state) -> None:
    from approval_drafts import AS_OF, NOW, make_draft

    from vim_pipelines.approvals.deciding import decide, expire
    from vim_pipelines.approvals.policy import load_policy
    from vim_pipelines.approvals.queue import request_approvals

    def ask(version):
        ids = [make_draft(store, account=account, version=version, facts=str(version))]
        return request_approvals(store, load_policy(), AS_OF, NOW, approval_hours=72, draft_ids=ids).requested[0]

    request_id = ask(1)
    if state in ("rejected", "dismissed"):
        decision = {"rejected": "reject", "dismissed": "dismiss"}[state]
        decide(store, request_id, decision, person=Actor("dora", "director", "cli"), version=1, note="no", now=NOW, policy=load_policy())
    elif state == "expired":
        assert expire(store, NOW + timedelta(hours=73)) == 1
    elif state == "superseded":
        ask(2)
    assert show_request(store, request_id).state == state
    before = len(org.writes())
    with pytest.raises(VimError, match="VIM-E042"):
        write_back(store, crm, request_id, settings=settings, now=now)
    assert len(org.writes()) == before


def test_a_record_that_somebody_changed_stops_the_write(store, crm, client, settings, approved, account, org, now) -> None:
    """The draft's record was there already with another text: overwriting it would lose somebody's work."""
    client.upsert("VIM_Draft__c", "VIM_Key__c", f"VIM-{approved}", {"Account__c": account, "Body__c": "Written by hand."})
    before = len(org.writes())
    with pytest.raises(VimError, match="VIM-E051"):
        write_back(store, crm, approved, settings=settings, now=now)
    assert len(org.writes()) == before
    assert show_request(store, approved).state == "conflicted"


@pytest.mark.parametrize("drop", ["before", "after"])
@pytest.mark.parametrize("target, method", [("VIM_Draft__c/VIM_Key__c", "PATCH"), ("sobjects/Task$", "POST")])
def test_a_connection_that_drops_leaves_one_record_and_one_task(store, crm, client, settings, approved, account, org, now, drop, target, method) -> None:
    """A lost answer is not a failure and not a success: the CRM is read, and what is there decides."""
    org.fault(method=method, path=target, drop=drop)
    assert write_back(store, crm, approved, settings=settings, now=now).state == "verified"
    assert len(drafts(client, account)) == len(tasks(client, account)) == 1
    created = [write for write in writes_about(org, account, client) if write["effect"] == "created"]
    assert len(created) == 2


def test_the_answer_that_is_lost_when_the_task_is_remembered_creates_no_second_task(store, crm, client, settings, approved, account, org, now) -> None:
    org.fault(method="PATCH", path="VIM_Draft__c/VIM_Key__c", drop="after", skip=1)
    with pytest.raises(VimError, match="VIM-E015"):
        write_back(store, crm, approved, settings=settings, now=now)
    assert show_request(store, approved).state == "approved"
    assert write_back(store, crm, approved, settings=settings, now=now).state == "verified"
    assert len(tasks(client, account)) == 1


def test_a_write_that_may_be_on_its_way_is_not_sent_again_at_once(store, crm, client, settings, approved, account, org, now) -> None:
    """Outside the sandbox a time-out can be answered by the CRM a minute later; a second Task sent meanwhile would stay."""
    org.fault(method="POST", path="sobjects/Task$", drop="before")
    with pytest.raises(VimError, match="VIM-E015"):
        write_back(store, crm, approved, settings=settings, now=now, settle_seconds=120)
    assert show_request(store, approved).state == "executing"
    soon = reconcile(store, crm, settings=settings, now=now + timedelta(seconds=119), settle_seconds=120)
    assert len(soon.resting) == 1 and tasks(client, account) == []
    late = reconcile(store, crm, settings=settings, now=now + timedelta(seconds=241), settle_seconds=120)
    assert [report.state for report in late.finished] == ["verified"]
    assert len(tasks(client, account)) == 1


def test_an_unreachable_crm_gives_the_request_back_and_a_person_after_several_attempts(store, crm, client, settings, approved, account, org, now) -> None:
    org.fault(path="/query", status=503, times=100)
    for attempt in range(1, 6):
        with pytest.raises(VendorError):
            write_back(store, crm, approved, settings=settings, now=now)
        request = show_request(store, approved)
        assert (request.state, request.attempt) == ("approved" if attempt < 5 else "failed", attempt)
    org.clear_faults()
    retry(store, approved, person=Actor("dora", "director", "cli"), note="the CRM is up again", now=now, policy=load_policy())
    assert write_back(store, crm, approved, settings=settings, now=now).state == "verified"
    assert verify_chain(store) == []


def test_a_refusal_of_the_crm_ends_in_failed_with_its_words(store, crm, client, settings, now, org) -> None:
    from approval_drafts import ask_and_approve

    request_id = ask_and_approve(store, "001VM000000NOBODY")
    with pytest.raises(VendorError, match="INVALID_CROSS_REFERENCE_KEY"):
        write_back(store, crm, request_id, settings=settings, now=now)
    request = show_request(store, request_id)
    assert request.state == "failed"
    assert "INVALID_CROSS_REFERENCE_KEY" in (request.writes[0].error or "")


def test_a_running_request_is_left_alone_by_others(store, crm, client, settings, approved, account, now) -> None:
    seen: list[str] = []

    def another_process(step: str) -> None:
        if step == "sending:crm_task":
            with pytest.raises(VimError, match="VIM-E042"):
                write_back(store, crm, approved, settings=settings, now=now)
            seen.extend(reconcile(store, crm, settings=settings, now=now).busy)

    assert write_back(store, crm, approved, settings=settings, now=now, checkpoint=another_process).state == "verified"
    assert seen == [approved]
    assert len(tasks(client, account)) == 1


def test_undo_puts_back_what_was_there(store, crm, client, settings, approved, account, now) -> None:
    write_back(store, crm, approved, settings=settings, now=now)
    report = undo(store, crm, approved, settings=settings, now=now, actor=Actor("dora", "director", "cli"), note="sent to the wrong customer")
    assert report.state == "undone"
    assert drafts(client, account) == [] and tasks(client, account) == []
    assert {entry.state for entry in report.entries} == {"undone"}
    assert verify_chain(store) == []
    with pytest.raises(VimError, match="VIM-E042"):
        undo(store, crm, approved, settings=settings, now=now)
    assert write_back(store, crm, approved, settings=settings, now=now).state == "undone"
    assert tasks(client, account) == []


def test_undo_leaves_a_task_alone_that_somebody_works_on(store, crm, client, settings, approved, account, now) -> None:
    write_back(store, crm, approved, settings=settings, now=now)
    (task,) = tasks(client, account)
    client.update("Task", task["Id"], {"Status": "Completed"})
    with pytest.raises(VimError, match="VIM-E051"):
        undo(store, crm, approved, settings=settings, now=now)
    assert len(tasks(client, account)) == len(drafts(client, account)) == 1
    assert show_request(store, approved).state == "verified"


def test_two_accounts_and_two_documents_keep_apart(store, crm, client, settings, account, now) -> None:
    from approval_drafts import ask_and_approve

    other = client.create("Account", {"Name": 'O\'Brien \\ "Söhne"'})
    requests = [ask_and_approve(store, account), ask_and_approve(store, account, document="risk_mitigation_plan"), ask_and_approve(store, other)]
    for request_id in requests:
        assert write_back(store, crm, request_id, settings=settings, now=now).state == "verified"
    assert [len(tasks(client, key)) for key in (account, other)] == [2, 1]
    assert len({row["Task_Id__c"] for key in (account, other) for row in drafts(client, key)}) == 3
