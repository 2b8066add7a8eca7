"""What is Planhat's own: the words of a note and a task, errors inside an answer of HTTP 200, and custom fields that a write might drop."""

from __future__ import annotations

from datetime import datetime

import pytest
from approval_drafts import AS_OF, NOW
from orgs import text_of

from vim_pipelines.approvals.policy import load_policy
from vim_pipelines.core.errors import VimError
from vim_pipelines.vendors.http import VendorError
from vim_pipelines.vendors.planhat import PlanhatClient
from vim_pipelines.writeback.actions import Intended
from vim_pipelines.writeback.mirror import mirror_fields, sign_standing_approval, write_mirror
from vim_pipelines.writeback.targets.base import marker_of
from vim_pipelines.writeback.targets.planhat import PlanhatTarget

NOTE = {
    "Account__c": "ACC-1", "Title__c": "Plan: Acme <Ltd>", "Body__c": "Cut 50 seats.\n<script>alert(1)</script>", "Status__c": "approved",
    "Approved_By__c": "dora", "Approved_At__c": "2026-06-29T06:00:00Z", "Document__c": "plan", "Version__c": "2", "As_Of_Date__c": "2026-06-28",
    "Sha256__c": "abc", "Policy_Version__c": "p1", "Request_Id__c": "req-1",
}  # fmt: skip
TASK = {
    "WhatId": "ACC-1",
    "Subject": "Plan: Acme",
    "Description": "Do it.\n\nValue-in-Motion VIM-req-1",
    "ActivityDate": "2026-07-12",
    "Priority": "High",
    "Status": "Open",
}


@pytest.fixture
def org(crms):
    return crms["planhat"]


@pytest.fixture
def store_url(tmp_path):
    return f"sqlite:///{tmp_path / 'operations.db'}"


@pytest.fixture
def offline():
    with PlanhatTarget(PlanhatClient("token"), "externalId") as target:
        yield target


def intended(action, fields):
    return Intended(action, "any", "VIM-req-1", dict(fields), None, "key")


def rows(*accounts):
    fields = mirror_fields({"risk_band": "red", "lean_risk": 71.5, "waste_annual": 43500, "money_status": "ok"}, {"phase": 4, "phase_name": "Value"}, NOW)
    return {account: dict(fields) for account in accounts}


def richer(org, client, note="A list that a person keeps"):
    """A company with a custom field that is not ours."""
    account = org.new_account(client)
    client.upsert_many("companies", [{"externalId": account, "custom.Tier": note}])
    return account


def test_a_note_carries_the_text_as_text_and_the_line_that_only_ours_has(offline) -> None:
    planned = offline.planned(intended("crm_note", NOTE))
    assert (planned.object_name, planned.proposed["type"], planned.proposed["company.externalId"]) == ("conversations", "note", "ACC-1")
    assert "<script>" not in planned.proposed["description"]
    text = text_of(planned.proposed["description"])
    assert NOTE["Body__c"] in text and marker_of(text) == "Value-in-Motion VIM-req-1"
    assert all(value in f"{text} {planned.proposed}" for value in NOTE.values() if "\n" not in value), "a signed field that nobody would see"


def test_a_task_names_its_priority_and_its_day(offline) -> None:
    planned = offline.planned(intended("crm_task", {**TASK, "Owner_Email__c": "ada@vendor.example"}))
    assert planned.proposed["startTime"] == "2026-07-12T12:00:00Z"
    assert text_of(planned.proposed["description"]).startswith("Priority: High")
    assert planned.proposed["owner.email"] == "ada@vendor.example"
    assert "status" not in planned.proposed


@pytest.mark.parametrize("more", [{"Reminder__c": "x"}, {"Status": "Completed"}])
def test_what_planhat_has_no_place_for_is_refused_and_not_dropped(offline, more) -> None:
    with pytest.raises(VimError, match="VIM-E112"):
        offline.planned(intended("crm_task", {**TASK, **more}))


def test_a_company_is_known_by_one_of_planhats_three_ids() -> None:
    with PlanhatClient("token") as client, pytest.raises(VimError, match="VIM-E110"):
        PlanhatTarget(client, "custom.Account Number")


def test_a_tenant_that_drops_custom_fields_is_found_out_by_one_company(store, crm, client, settings, org) -> None:
    """A mirror run over 5,000 companies would have emptied them all."""
    first, second = sorted([richer(org, client), richer(org, client)])
    sign_standing_approval(store, load_policy(), actor="dora", role="director", now=NOW, target="planhat")
    org.control("custom", {"merged": False})
    try:
        with pytest.raises(VendorError, match="VIM-E160"):
            write_mirror(store, crm, rows(first, second), load_policy(), as_of=AS_OF, settings=settings, now=NOW)
    finally:
        org.control("custom", {"merged": True})
    assert org.company(client, first)["custom"]["Tier"] == "A list that a person keeps"
    assert org.company(client, second)["custom"] == {"Tier": "A list that a person keeps"}


def test_the_merge_is_proved_once_and_other_fields_stay(store, crm, client, settings, org) -> None:
    accounts = [richer(org, client, f"kept {number}") for number in range(3)]
    sign_standing_approval(store, load_policy(), actor="dora", role="director", now=NOW, target="planhat")
    writes = len(org.writes())
    assert write_mirror(store, crm, rows(*accounts), load_policy(), as_of=AS_OF, settings=settings, now=NOW).written == 3
    assert len(org.writes()) - writes == 3, "each company once, the one that proves it too"
    assert [org.company(client, account)["custom"]["Tier"] for account in accounts] == ["kept 0", "kept 1", "kept 2"]


def test_a_company_that_planhat_refuses_proves_nothing(store, crm, client, settings, org) -> None:
    first, second = sorted([richer(org, client), richer(org, client)])
    sign_standing_approval(store, load_policy(), actor="dora", role="director", now=NOW, target="planhat")
    org.control("bulk", {"status": "always_200", "fail_every": 1})
    try:
        report = write_mirror(store, crm, rows(first, second), load_policy(), as_of=AS_OF, settings=settings, now=NOW)
    finally:
        org.control("bulk", {"status": "documented", "fail_every": 0})
    assert (report.written, len(report.failed)) == (0, 2)
    assert all("planned by the sandbox" in line for line in report.failed)


def test_http_200_with_the_errors_inside_is_read_item_by_item(store, crm, client, settings, org) -> None:
    accounts = [org.new_account(client) for _ in range(30)]  # above LOOK_AT_EACH: read by one listing
    sign_standing_approval(store, load_policy(), actor="dora", role="director", now=NOW, target="planhat")
    org.control("bulk", {"status": "always_200", "fail_every": 3})
    try:
        report = write_mirror(store, crm, rows(*accounts), load_policy(), as_of=AS_OF, settings=settings, now=NOW)
    finally:
        org.control("bulk", {"status": "documented", "fail_every": 0})
    assert (report.written, len(report.failed)) == (20, 10)
    shown = [org.mirror(client, account)["VIM Risk Band"] for account in accounts]
    assert (shown.count("red"), shown.count(None)) == (20, 10)


def test_what_a_person_typed_over_the_mirror_is_overwritten_and_kept_as_before(store, crm, client, settings, org) -> None:
    account = org.new_account(client)
    sign_standing_approval(store, load_policy(), actor="dora", role="director", now=NOW, target="planhat")
    org.set_mirror(client, account, "green")
    assert crm.read_many([account], ["custom.VIM Risk Band"]) == {account: {"custom.VIM Risk Band": "green"}}
    write_mirror(store, crm, rows(account), load_policy(), as_of=AS_OF, settings=settings, now=NOW)
    shown = org.mirror(client, account)
    assert shown["VIM Risk Band"] == "red" and datetime.fromisoformat(shown["VIM Assessed At"]).date() == NOW.date()
