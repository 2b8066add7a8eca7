"""What is HubSpot's own in write-back: HTML bodies, an administrator's rules, busy answers, companies without an owner of that address."""

from __future__ import annotations

import pytest
from approval_drafts import ask_and_approve
from hypothesis import given
from hypothesis import strategies as st

from vim_pipelines.approvals.queue import show_request
from vim_pipelines.core.errors import VimError
from vim_pipelines.core.markup import html_of, text_of
from vim_pipelines.store.models import OutboxEntry
from vim_pipelines.vendors.http import VendorError
from vim_pipelines.writeback.actions import Intended
from vim_pipelines.writeback.apply import write_back
from vim_pipelines.writeback.targets.hubspot import BODY_LIMIT, HubSpotTarget

HOSTILE = 'Renew <script>alert(1)</script> & "save" 5 < 6\n\n<img src=x onerror=steal()> <a href="https://evil.example">here</a>'


@pytest.fixture
def org(crms):
    return crms["hubspot"]


@pytest.fixture
def store_url(tmp_path):
    return f"sqlite:///{tmp_path / 'operations.db'}"


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]) | st.just("\n"), max_size=200))
def test_a_text_comes_back_from_its_html_as_it_was(text) -> None:
    assert text_of(html_of(text)) == "\n".join(line.rstrip() for line in text.split("\n")).strip()


def test_what_the_editor_wraps_is_the_same_text() -> None:
    assert text_of("<div><p>a &amp; b</p><p>c</p></div>") == text_of(html_of("a & b\nc"))


def test_markup_in_an_approved_text_is_text_in_hubspot(store, crm, client, settings, account, org, now) -> None:
    """A customer's words stand in drafts; in HubSpot a body is HTML that every colleague's browser shows."""
    request_id = ask_and_approve(store, account, text=HOSTILE)
    assert write_back(store, crm, request_id, settings=settings, now=now).state == "verified"
    company = org.company(client, account)
    (note,) = client.get_many("notes", [item.id for item in client.associated("companies", "notes", [company])[company]], ["hs_note_body"])
    body = note["properties"]["hs_note_body"]
    assert "<script" not in body and "<img" not in body and "<a " not in body
    assert HOSTILE in text_of(body)


def test_the_marker_of_another_request_in_the_text_finds_nothing_of_it(store, crm, client, settings, account, org, now) -> None:
    """A text that quotes our line in a sentence must not be taken for that request's note."""
    first = ask_and_approve(store, account, document="plan_a")
    quoting = ask_and_approve(store, account, document="plan_b", text=f"As said in Value-in-Motion VIM-{first}, renew early.")
    for request_id in (quoting, first):
        assert write_back(store, crm, request_id, settings=settings, now=now).state == "verified"
    assert len(org.notes(client, account)) == len(org.tasks(client, account)) == 2


def test_an_administrators_rule_needs_a_person(store, crm, client, settings, approved, account, org, now) -> None:
    """Since 2026-09 rules hold for API writes too: HTTP 400 VALIDATION_ERROR for a field that the write may not even name."""
    org.control("validation_rules", {"object": "tasks", "property": "hs_task_subject", "pattern": rf"(?!.*{account}).*", "message": "not this customer"})
    with pytest.raises(VendorError, match="VALIDATION_ERROR"):
        write_back(store, crm, approved, settings=settings, now=now)
    request = show_request(store, approved)
    assert request.state == "failed"
    assert [write.state for write in sorted(request.writes, key=lambda item: item.action)] == ["sent", "failed"]
    assert org.tasks(client, account) == []


@pytest.mark.parametrize("status", [423, 477])
def test_a_locked_or_migrating_record_is_waited_for_and_then_left_to_the_next_attempt(
    store, crm, client, settings, approved, account, org, now, status
) -> None:
    method, path = org.task_write
    org.fault(method=method, path=path, status=status, retry_after="0.01", times=1)
    assert write_back(store, crm, approved, settings=settings, now=now).state == "verified", "the client waits and sends again: nothing was done"
    other = ask_and_approve(store, account, document="plan_b")
    org.fault(method=method, path=path, status=status, retry_after="0.01", times=9)
    with pytest.raises(VendorError):
        write_back(store, crm, other, settings=settings, now=now)
    assert show_request(store, other).state == "approved"
    org.clear_faults()
    assert write_back(store, crm, other, settings=settings, now=now).state == "verified"
    assert len(org.tasks(client, account)) == 2


def test_a_person_who_is_no_user_of_hubspot_gets_no_task_and_the_row_shows_it(store, crm, client, settings, approved, account, org, now) -> None:
    write_back(store, crm, approved, settings=settings, now=now)
    (task,) = org.tasks(client, account)
    assert task["owner"] is None
    with store.session() as session:
        entry = session.query(OutboxEntry).filter_by(action="crm_task").one()
    assert (entry.proposed["owner.email"], entry.after["owner.email"]) == ("ada@vendor.example", None)


def test_a_text_that_does_not_fit_is_never_cut(store, crm, settings, account, org, now) -> None:
    request_id = ask_and_approve(store, account, text="x" * BODY_LIMIT)
    before = len(org.writes())
    with pytest.raises(VimError, match="VIM-E112"):
        write_back(store, crm, request_id, settings=settings, now=now)
    assert len(org.writes()) == before
    assert show_request(store, request_id).state == "failed"


def test_what_is_sent_does_not_depend_on_when_it_is_said() -> None:
    """After a crash the outbox row is compared with what is planned then; a difference counts as an edit of the store."""
    crm = HubSpotTarget(None, "crm_account_id")  # type: ignore[arg-type]
    fields = {"WhatId": "A", "Subject": "S", "Description": "D\nValue-in-Motion VIM-1", "ActivityDate": "2026-07-12", "Owner_Email__c": "a@b.c"}
    write = Intended("crm_task", "Task", "VIM-1", fields, None, "key")
    assert crm.planned(write) == crm.planned(write)
    assert crm.planned(write).proposed["hs_timestamp"] == "2026-07-12T12:00:00Z"
    with pytest.raises(VimError, match="VIM-E112.*Unknown__c"):
        crm.planned(Intended("crm_task", "Task", "VIM-1", fields | {"Unknown__c": 1}, None, "key"))
