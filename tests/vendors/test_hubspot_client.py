"""The HubSpot client against the emulator on loopback: reading by key, batches whose answers are mixed, limits, and what is never sent twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from vendor_sandbox import NOW, Control, Waits, account, control_of, make_sandbox, set_clock, write_source

from vim_pipelines.core.errors import VimError
from vim_pipelines.sandbox.emulators.hubspot import HubSpotEmulator
from vim_pipelines.sandbox.emulators.run import Server
from vim_pipelines.sandbox.emulators.state import SandboxClock
from vim_pipelines.sandbox.hubspot_seed import record_id, seed_hubspot
from vim_pipelines.vendors import hubspot as vendor
from vim_pipelines.vendors.http import TransportOptions, VendorError
from vim_pipelines.vendors.hubspot import HubSpotClient

KEY = "pat-test-1234567890"
BEGINNING = datetime(2000, 1, 1)


class Account:
    """One emulated HubSpot account behind HTTP."""

    def __init__(self, directory: Path) -> None:
        self.emulator = HubSpotEmulator(directory / "hubspot.db", SandboxClock(directory / "clock.json"), service_key=KEY, search_lag_seconds=0)
        self.server = Server(self.emulator.app, host="127.0.0.1", port=0)
        self.url, self.control = self.server.url, control_of(self.server.url)

    def close(self) -> None:
        self.server.stop()
        self.emulator.close()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    directory = make_sandbox(tmp_path / "sandbox")
    seed_hubspot(directory / "source", directory / "hubspot.db")
    return directory


@pytest.fixture(scope="module")
def ended() -> Iterator[list[Account]]:
    """Servers asked to stop: uvicorn looks only every tenth of a second, and 30 tests need not wait for it one by one."""
    accounts: list[Account] = []
    yield accounts
    for one in accounts:
        one.close()


@pytest.fixture
def hub(directory: Path, ended: list[Account]) -> Iterator[Account]:
    account = Account(directory)
    yield account
    account.server.ask_to_stop()
    ended.append(account)


@pytest.fixture
def control(hub: Account) -> Control:
    return hub.control


@pytest.fixture
def client(hub: Account, options: TransportOptions) -> Iterator[HubSpotClient]:
    with HubSpotClient(hub.url, KEY, options=options) as client:
        yield client


def names(records) -> list[str]:
    return [record["properties"]["name"] for record in records]


def company(number: int) -> str:
    return record_id("account", f"ACC-{number:05d}")


# ---- reading


def test_every_record_is_listed_page_by_page(hub, client, monkeypatch):
    monkeypatch.setattr(vendor, "LIST_LIMIT", 2)
    found = list(client.records("companies", ["name", "acct_arr"]))
    assert sorted(names(found)) == ["Customer 1", "Customer 2", "Customer 4", "O'Neil \\ Söhne"]
    assert {record["properties"]["acct_arr"] for record in found} == {"60000.5000"}
    assert client.request_count == 2


def test_a_page_that_comes_twice_is_an_error_and_not_an_endless_loop(hub, options):
    """A list that repeats its page would have been read until the night's end."""
    body = {"results": [{"id": "7", "properties": {}}], "paging": {"next": {"after": "7"}}}
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json=body))
    client = HubSpotClient(hub.url, KEY, options=replace(options, transport=transport))
    with pytest.raises(VendorError, match="twice"):
        list(client.records("companies", ["name"]))
    assert client.request_count == 2


def test_a_failed_page_is_an_error_and_never_the_end(client, control, monkeypatch):
    monkeypatch.setattr(vendor, "LIST_LIMIT", 2)
    control("POST", "faults", {"path": "after=", "status": 500, "times": 9})
    with pytest.raises(VendorError) as caught:
        list(client.records("companies", ["name"]))
    assert caught.value.code == "VIM-E013" and caught.value.status == 500


def test_a_key_that_is_revoked_while_paging_is_an_error(client, control, monkeypatch):
    monkeypatch.setattr(vendor, "LIST_LIMIT", 2)
    control("POST", "faults", {"path": "after=", "status": 401})
    with pytest.raises(VendorError) as caught:
        list(client.records("companies", ["name"]))
    assert caught.value.code == "VIM-E011" and KEY not in str(caught.value)


def test_modified_records_come_in_order_and_each_once(directory, hub, client, monkeypatch):
    monkeypatch.setattr(vendor, "SEARCH_LIMIT", 2)
    found = list(client.modified("companies", ["name"], BEGINNING))
    assert names(found) == ["Customer 1", "Customer 2", "O'Neil \\ Söhne", "Customer 4"]
    since = datetime(2026, 6, 3, 12, 40)
    assert names(client.modified("companies", ["name"], since)) == ["O'Neil \\ Söhne", "Customer 4"], "within the overlap of 15 minutes"
    assert names(client.modified("companies", ["name"], since, overlap=timedelta(0))) == ["Customer 4"]
    assert names(client.modified("companies", ["name"], BEGINNING, datetime(2026, 6, 2, 12, 31))) == ["Customer 1", "Customer 2"]


def test_many_records_of_one_moment_are_read_by_id(tmp_path, options, monkeypatch):
    """An import gave 12,000 companies one modification time: a search by time alone ends at 10,000 and looks complete."""
    source = tmp_path / "sandbox" / "source"
    moments = [datetime(2026, 6, 1), *[datetime(2026, 6, 2)] * 30, datetime(2026, 6, 3)]
    write_source(source, "account", [account(number, moment) for number, moment in enumerate(moments)])
    set_clock(tmp_path / "sandbox", NOW)
    seed_hubspot(source, tmp_path / "sandbox" / "hubspot.db")
    hub = Account(tmp_path / "sandbox")
    try:
        hub.control("POST", "limits", {"most_results": 10})
        monkeypatch.setattr(vendor, "SEARCH_LIMIT", 10)
        client = HubSpotClient(hub.url, KEY, options=options)
        found = [record["properties"]["crm_account_id"] for record in client.modified("companies", ["crm_account_id"], BEGINNING)]
        assert sorted(found) == [f"ACC-{number:05d}" for number in range(32)]
        assert client.request_count < 10
    finally:
        hub.close()


def test_a_record_that_changes_while_we_read_pushes_no_other_over_the_edge(hub, client, monkeypatch):
    """By offset the third company would be missed: the first one's change moves all others up by one."""
    monkeypatch.setattr(vendor, "SEARCH_LIMIT", 2)
    found = []
    for record in client.modified("companies", ["name"], BEGINNING):
        if not found:
            client.update("companies", record["id"], {"vim_phase": "4"})
        found.append(record["properties"]["name"])
    assert {"Customer 1", "Customer 2", "O'Neil \\ Söhne", "Customer 4"} <= set(found)


def test_a_long_list_of_properties_is_read_by_id(hub, client):
    """A search request above 3,000 characters is refused; a mapping of 120 fields is not unusual."""
    wanted = ["name", "acct_arr", *[f"a_property_with_a_long_name_{number}" for number in range(120)]]
    found = list(client.modified("companies", wanted, BEGINNING))
    assert len(found) == 4 and found[0]["properties"]["acct_arr"] == "60000.5000"


def test_a_new_record_is_not_found_by_search_until_it_is_indexed_but_by_its_key_at_once(hub, client, control):
    control("POST", "limits", {"search_lag_seconds": 60})
    (result,) = client.upsert_many("p_vim_assessments", "vim_key", [{"vim_key": "A1", "vim_phase": "4"}])
    assert client.find("p_vim_assessments", "vim_key", "A1", ["vim_phase"]) == []
    record = client.get("p_vim_assessments", "A1", ["vim_phase"], id_property="vim_key")
    assert record is not None and record["id"] == result.id and record["properties"]["vim_phase"] == "4"
    control("POST", "reindex")
    assert [item["id"] for item in client.find("p_vim_assessments", "vim_key", "A1", [])] == [result.id]


def test_archived_records_are_listed_apart_and_never_found(hub, client):
    client.archive("companies", company(2))
    assert client.get("companies", company(2), ["name"]) is None
    assert "Customer 2" not in names(client.modified("companies", ["name"], BEGINNING)) + names(client.records("companies", ["name"]))
    (gone,) = client.records("companies", ["name", "crm_account_id"], archived=True)
    assert gone["archived"] and gone["archivedAt"] and gone["properties"]["crm_account_id"] == "ACC-00002"


def test_associations_are_read_in_one_request_and_say_which_is_primary(hub, client):
    deal = record_id("opportunity", "OPP-1")
    found = client.associated("deals", "companies", [deal, "1"])
    assert list(found) == [deal]
    (association,) = found[deal]
    assert association.id == company(1) and association.is_primary and association.type_ids == (5, 341)
    assert client.associated("companies", "deals", [company(1)])[company(1)][0].id == deal


def test_an_object_that_does_not_exist_is_refused_by_name(hub, client):
    with pytest.raises(VendorError, match="Unable to infer object type from: p_nothing"):
        client.describe("p_nothing")


# ---- writing


def test_an_upsert_creates_once_and_then_updates(hub, client):
    assert [item.outcome for item in client.upsert_many("p_vim_drafts", "vim_key", [{"vim_key": "D1", "vim_title": "Plan"}])] == ["created"]
    (again,) = client.upsert_many("p_vim_drafts", "vim_key", [{"vim_key": "D1", "vim_title": "Plan 2"}])
    assert again.outcome == "updated" and again.success
    assert len(list(client.records("p_vim_drafts", []))) == 1


def test_one_refused_record_does_not_stop_the_others(hub, client):
    rows = [{"vim_key": f"D{number}", "vim_as_of": "2026-06-29" if number != 1 else "never"} for number in range(3)]
    results = client.upsert_many("p_vim_assessments", "vim_key", rows)
    assert [item.outcome for item in results] == ["created", "refused", "created"]
    assert results[1].errors[0].category == "VALIDATION_ERROR" and "vim_as_of" in results[1].errors[0].message


def test_half_of_a_bulk_request_fails_and_each_record_knows_its_end(hub, client, control):
    control("POST", "faults", {"path": "batch/upsert", "partial": True, "code": "INTERNAL_ERROR"})
    results = client.upsert_many("p_vim_drafts", "vim_key", [{"vim_key": f"H{number}"} for number in range(5)])
    assert [item.outcome for item in results] == ["created", "refused", "created", "refused", "created"]
    assert results[1].errors[0].category == "INTERNAL_ERROR"
    assert sorted(record["properties"]["vim_key"] for record in client.records("p_vim_drafts", ["vim_key"])) == ["H0", "H2", "H4"]


def test_a_page_of_a_search_that_comes_twice_loses_nothing_and_ends(hub, client, control, monkeypatch):
    monkeypatch.setattr(vendor, "SEARCH_LIMIT", 2)
    control("POST", "faults", {"path": "companies/search", "repeat": True, "skip": 1})
    assert set(names(client.modified("companies", ["name"], BEGINNING))) == {"Customer 1", "Customer 2", "Customer 4", "O'Neil \\ Söhne"}
    assert client.request_count < 10


def test_a_hundred_go_with_each_request_and_results_stay_in_order(hub, client):
    results = client.upsert_many("p_vim_drafts", "vim_key", [{"vim_key": f"K{number}"} for number in range(250)])
    assert client.request_count == 3 and [item.outcome for item in results] == ["created"] * 250
    keys = {record["id"]: record["properties"]["vim_key"] for record in client.records("p_vim_drafts", ["vim_key"])}
    assert [keys[item.id or ""] for item in results] == [f"K{number}" for number in range(250)]


def test_what_an_answer_does_not_name_is_unknown(hub, options):
    answer = {"status": "COMPLETE", "results": [{"id": "11", "new": True, "objectWriteTraceId": "vim-1"}], "numErrors": 0}
    transport = httpx.MockTransport(lambda request: httpx.Response(207, json=answer))
    client = HubSpotClient(hub.url, KEY, options=replace(options, transport=transport))
    results = client.upsert_many("p_vim_drafts", "vim_key", [{"vim_key": "a"}, {"vim_key": "b"}, {"vim_key": "c"}])
    assert [(item.id, item.outcome) for item in results] == [(None, "unknown"), ("11", "created"), (None, "unknown")]


def test_a_lost_answer_to_a_write_is_unknown_and_is_not_sent_again(hub, client, control):
    control("POST", "faults", {"path": "batch/create", "drop": "after"})
    task = {"hs_timestamp": NOW, "hs_task_subject": "Call", "hs_task_body": "vim:TSK-1"}
    with pytest.raises(VendorError) as caught:
        client.create_many("tasks", [(task, [(company(1), 192)])])
    assert caught.value.code == "VIM-E015"
    assert len([item for item in control("GET", "requests") if "batch/create" in item["path"]]) == 1
    (found,) = client.find("tasks", "hs_task_subject", "Call", ["hs_task_body"])
    assert found["properties"]["hs_task_body"] == "vim:TSK-1"
    assert client.associated("tasks", "companies", [found["id"]])[found["id"]][0].id == company(1)


@pytest.mark.parametrize("status", [502, 504, 524])
def test_a_server_error_after_a_create_is_unknown(hub, client, control, status):
    control("POST", "faults", {"path": "batch/create", "status": status, "times": 9})
    with pytest.raises(VendorError) as caught:
        client.create_many("notes", [({"hs_timestamp": NOW, "hs_note_body": "text"}, [])])
    assert caught.value.code == "VIM-E015" and client.request_count == 1


def test_a_note_without_its_moment_is_refused_and_says_why(hub, client):
    (result,) = client.create_many("notes", [({"hs_note_body": "text"}, [(company(1), 190)])])
    assert result.outcome == "refused" and "hs_timestamp" in result.errors[0].context


def test_a_validation_rule_on_a_field_we_never_touched_is_surfaced_and_not_retried(hub, client, control):
    control("POST", "validation_rules", {"object": "companies", "property": "domain", "pattern": ".+", "message": "Enter a domain"})
    with pytest.raises(VendorError, match="Enter a domain") as caught:
        client.update("companies", company(1), {"vim_phase": "4"})
    assert caught.value.vendor_code == "VALIDATION_ERROR" and client.request_count == 1


def test_records_are_associated_by_the_default_type(hub, client):
    client.associate("deals", record_id("opportunity", "OPP-1"), "companies", company(2))
    found = client.associated("deals", "companies", [record_id("opportunity", "OPP-1")])[record_id("opportunity", "OPP-1")]
    assert {item.id: item.is_primary for item in found} == {company(1): True, company(2): False}
    with pytest.raises(VendorError, match="not found"):
        client.associate_many("deals", "companies", [(record_id("opportunity", "OPP-1"), "999")])


def test_values_are_sent_as_text(hub, client):
    client.update("companies", company(1), {"vim_risk_score": Decimal("61.50"), "vim_assessed_at": NOW, "vim_phase": None})
    record = client.get("companies", company(1), ["vim_risk_score", "vim_assessed_at", "vim_phase"])
    assert record is not None
    assert (record["properties"]["vim_risk_score"], record["properties"]["vim_assessed_at"]) == ("61.5", "2026-06-29T06:00:00Z")
    assert record["properties"]["vim_phase"] is None


# ---- limits


def test_the_limit_of_ten_seconds_is_waited_for(hub, client, control, waits: Waits):
    control("POST", "faults", {"status": 429, "code": "TEN_SECONDLY_ROLLING", "times": 1})
    assert len(list(client.records("companies", ["name"]))) == 4
    assert 10 <= sum(waits.seconds) <= 10.5


def test_retry_after_is_honoured(hub, client, control, waits: Waits):
    control("POST", "faults", {"status": 429, "retry_after": "3", "times": 1})
    list(client.records("companies", ["name"]))
    assert 3 <= sum(waits.seconds) <= 3.5


def test_the_daily_limit_ends_it_at_once(hub, client, control, waits: Waits):
    """Five attempts against a limit that renews at midnight cost five requests of tomorrow's patience and tell nobody anything."""
    control("POST", "limits", {"daily_requests": 1})
    list(client.records("companies", ["name"]))
    with pytest.raises(VendorError, match="daily request limit") as caught:
        list(client.records("companies", ["name"]))
    assert caught.value.code == "VIM-E014" and client.request_count == 2 and waits.seconds == []


@pytest.mark.parametrize(("status", "retry_after", "least"), [(423, None, 2), (477, "5", 5)])
def test_a_locked_record_is_waited_for_and_written_once(hub, client, control, waits: Waits, status, retry_after, least):
    control("POST", "faults", {"method": "PATCH", "status": status, "retry_after": retry_after})
    client.update("companies", company(1), {"vim_phase": "4"})
    assert waits.seconds and waits.seconds[0] >= least
    assert [write["changed"] for write in control("GET", "writes")] == [["vim_phase"]]


def test_our_pace_stays_below_the_limits(monkeypatch):
    """100 requests in ten seconds for everything, 5 searches in any second, by one bucket for the account."""
    client = HubSpotClient("https://api.hubapi.com", KEY, requests_per_10_seconds=100)
    limiter, search = client.http._limiter, client._search_limiter
    assert limiter._burst + 10 * limiter._per_second <= 100 and search._burst + search._per_second <= 5
    assert HubSpotClient("https://api.hubapi.com", KEY)._search_limiter is search


def test_usage_is_read_from_the_headers_and_search_has_none(hub, client):
    list(client.records("companies", ["name"]))
    assert client.usage is not None and (client.usage.used, client.usage.allowed) == (1, 650_000)
    list(client.modified("companies", ["name"], BEGINNING))
    assert client.usage.used == 1, "the search was not told"


def test_a_missing_scope_is_named(hub, client, control):
    control("POST", "scopes", {"missing": ["crm.objects.deals.read"]})
    with pytest.raises(VendorError, match="crm.objects.deals.read") as caught:
        list(client.records("deals", ["amount"]))
    assert caught.value.code == "VIM-E011"


def test_the_key_is_in_no_text(hub, options):
    client = HubSpotClient(hub.url, "pat-wrong-key", options=options)
    with pytest.raises(VendorError) as caught:
        client.describe("companies")
    assert caught.value.code == "VIM-E011" and "pat-wrong" not in f"{caught.value} {client!r} {caught.value.why}"


def test_the_address_must_be_https_or_this_machine():
    with pytest.raises(VimError, match="VIM-E016|https"):
        HubSpotClient("http://api.hubapi.com", KEY)
