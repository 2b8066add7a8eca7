"""The fault plan itself: every named kind does on the wire what it says, and the clients come through whole or say that they did not."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from vendor_sandbox import Control, Waits

from vim_pipelines.core.errors import VimError
from vim_pipelines.sandbox.emulators.faults import FAULT_KINDS, Fault
from vim_pipelines.sandbox.emulators.run import Running
from vim_pipelines.vendors.salesforce import SalesforceClient
from vim_pipelines.vendors.zendesk import ZendeskClient


@pytest.mark.parametrize("kind", [kind for kind in FAULT_KINDS if kind not in ("page_repeats", "half_fails")])
def test_a_read_comes_through_each_passing_fault_within_its_budget(salesforce: SalesforceClient, salesforce_control: Control, kind: str) -> None:
    expected = list(salesforce.query("SELECT Id FROM Account"))
    before = salesforce.request_count
    salesforce_control("POST", "faults", {"path": "/query", **FAULT_KINDS[kind]})
    assert list(salesforce.query("SELECT Id FROM Account")) == expected
    assert salesforce.request_count - before <= 3
    entries = [entry for entry in salesforce_control("GET", "requests") if entry["fault"] is not None]
    assert len(entries) == 1, "the fault was met, once"


@pytest.mark.parametrize("kind", ["too_many", "too_many_with_wait", "server_error", "unavailable"])
def test_a_fault_that_stays_is_an_error_and_no_hot_loop(
    salesforce: SalesforceClient, zendesk: ZendeskClient, salesforce_control: Control, zendesk_control: Control, waits: Waits, kind: str
) -> None:
    for control in (salesforce_control, zendesk_control):
        control("POST", "faults", {"path": "(query|organizations)", "times": 99, **FAULT_KINDS[kind]})
    for client, read in ((salesforce, lambda: list(salesforce.query("SELECT Id FROM Account"))), (zendesk, lambda: list(zendesk.organizations()))):
        with pytest.raises(VimError, match="VIM-E01[34]"):
            read()
        assert client.request_count <= 5, "a token and four attempts"
    assert len(waits.seconds) == 6 and (kind != "too_many_with_wait" or min(waits.seconds) >= 1)


def test_half_of_a_bulk_write_fails_and_the_other_half_is_written_once(salesforce: SalesforceClient, salesforce_control: Control) -> None:
    salesforce_control("POST", "faults", {"method": "PATCH", **FAULT_KINDS["half_fails"], "code": "FIELD_CUSTOM_VALIDATION_EXCEPTION"})
    records = [{"VIM_Key__c": f"k{number}", "Account__c": "ACC-00001"} for number in range(6)]
    results = salesforce.upsert_many("VIM_Draft__c", "VIM_Key__c", records)
    assert [result.success for result in results] == [True, False] * 3 and results[1].errors[0].code == "FIELD_CUSTOM_VALIDATION_EXCEPTION"
    again = salesforce.upsert_many("VIM_Draft__c", "VIM_Key__c", records)
    assert [result.created for result in again] == [False, True] * 3
    counts = salesforce_control("GET", "write_counts")
    assert len(counts) == 6 and all(effects.get("created") == 1 for effects in counts.values())


def test_the_half_that_met_a_locked_row_is_sent_again(salesforce: SalesforceClient, salesforce_control: Control) -> None:
    salesforce_control("POST", "faults", {"method": "PATCH", **FAULT_KINDS["half_fails"]})
    results = salesforce.upsert_many("VIM_Draft__c", "VIM_Key__c", [{"VIM_Key__c": f"k{number}", "Account__c": "ACC-00001"} for number in range(4)])
    assert [result.success for result in results] == [True] * 4
    assert all(effects == {"created": 1} for effects in salesforce_control("GET", "write_counts").values())


def test_a_validation_rule_of_the_org_refuses_one_record_and_is_not_retried(salesforce: SalesforceClient, salesforce_control: Control) -> None:
    rule = {"object": "VIM_Draft__c", "field": "Title__c", "pattern": "(?i)test", "message": "No tests in titles"}
    salesforce_control("POST", "validation_rules", rule)
    before = salesforce.request_count
    good, bad = salesforce.upsert_many(
        "VIM_Draft__c",
        "VIM_Key__c",
        [{"VIM_Key__c": key, "Account__c": "ACC-00001", "Title__c": title} for key, title in (("a", "Roadmap"), ("b", "A test"))],
    )
    assert good.success and bad.errors[0].code == "FIELD_CUSTOM_VALIDATION_EXCEPTION" and bad.errors[0].fields == ("Title__c",)
    assert salesforce.request_count - before == 2, "a token and one write"


def test_a_page_of_tickets_that_repeats_is_not_followed(running: Running, zendesk: ZendeskClient, zendesk_control: Control) -> None:
    from datetime import datetime

    zendesk_control("POST", "faults", {"path": "tickets/cursor", **FAULT_KINDS["page_repeats"], "times": 50})
    before = zendesk.request_count
    with pytest.raises(VimError, match="VIM-E013 .*neither ended nor moved on"):
        list(zendesk.incremental_tickets(start_time=datetime(2007, 1, 1), per_page=1))
    assert zendesk.request_count - before <= 4


def test_a_spent_zendesk_token_is_replaced_before_it_is_refused(running: Running, options: Any) -> None:
    """The token lives for half an hour; a night that takes longer must not live on being refused."""
    from dataclasses import replace
    from datetime import UTC, datetime, timedelta

    now = [datetime(2026, 6, 29, tzinfo=UTC)]
    given = running.credentials
    timed = replace(options, now=lambda: now[0])
    with ZendeskClient(running.url("zendesk"), given["zendesk_client_id"], given["zendesk_client_secret"], options=timed) as client:
        list(client.organizations())
        now[0] += timedelta(minutes=28)
        list(client.organizations())
        assert client.request_count == 3, "one token, two reads"
        now[0] += timedelta(minutes=2)
        list(client.organizations())
        assert client.request_count == 5
    statuses = [entry["status"] for entry in httpx.get(f"{running.url('zendesk')}/_sandbox/requests", trust_env=False).json()]
    assert 401 not in statuses


def test_a_plan_that_can_repeat_nothing_is_refused() -> None:
    with pytest.raises(TypeError, match="skip of at least 1"):
        Fault.parse({"repeat": True})
    for kind in FAULT_KINDS.values():
        Fault.parse({"path": "x", **kind})
