"""The Salesforce client against the emulator over real loopback HTTP: what it returns, what it repeats, and what it never repeats."""

from __future__ import annotations

import json
import pickle
import socket
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from vendor_sandbox import NOW, Control, Waits, account, control_of, set_clock, write_source

from vim_pipelines.core.dates import utc_moment
from vim_pipelines.core.errors import VimError
from vim_pipelines.sandbox.emulators.run import Running, start_emulators
from vim_pipelines.settings import Settings
from vim_pipelines.vendors.http import TransportOptions, VendorError
from vim_pipelines.vendors.salesforce import SalesforceClient, UpsertResult, client_from_settings

DRAFT = "VIM_Draft__c"
FIELDS = {"Account__c": "ACC-00001", "Title__c": "Plan"}


def names(client: SalesforceClient, soql: str = "SELECT Name FROM Account ORDER BY Id") -> list[str]:
    return [record["Name"] for record in client.query(soql)]


# ---- reading


def test_query_returns_plain_records(salesforce: SalesforceClient) -> None:
    records = list(salesforce.query("SELECT Id, Name, ARR__c, IsDeleted, SystemModstamp FROM Account WHERE Id = 'ACC-00003'"))
    assert records == [{"Id": "ACC-00003", "Name": "O'Neil \\ Söhne", "ARR__c": 60000.5, "IsDeleted": False, "SystemModstamp": "2026-06-03T12:30:15.250+0000"}]
    assert utc_moment(records[0]["SystemModstamp"]) == datetime(2026, 6, 3, 12, 30, 15, 250000)


def test_every_page_is_read_once(tmp_path: Path, options: TransportOptions) -> None:
    """dlt's verified source joined nextRecordsUrl to the data path and lost everything after the first page."""
    write_source(tmp_path / "source", "account", [account(number, datetime(2026, 1, 1) + timedelta(seconds=number // 7)) for number in range(901)])
    with (
        start_emulators(tmp_path) as running,
        SalesforceClient(
            running.url("salesforce"),
            running.credentials["salesforce_client_id"],
            running.credentials["salesforce_client_secret"],
            batch_size=200,
            options=options,
        ) as client,
    ):
        ids = [record["Id"] for record in client.query_modified("Account", ["Name"], None)]
        assert ids == [f"ACC-{number:05d}" for number in range(901)]
        assert client.request_count == 1 + 5  # token, then 200 + 200 + 200 + 200 + 101


def test_modified_rows_are_read_from_the_cursor_minus_the_overlap(salesforce: SalesforceClient) -> None:
    since = datetime(2026, 6, 3, 12, 35)
    stamps = [record["SystemModstamp"] for record in salesforce.query_modified("Account", ["Name"], since)]
    assert stamps == ["2026-06-03T12:30:15.250+0000", "2026-06-04T12:30:15.250+0000"]
    assert [record["Id"] for record in salesforce.query_modified("Account", [], since, overlap=timedelta(0))] == ["ACC-00004"]
    assert [record["Id"] for record in salesforce.query_modified("Account", [], None, until=datetime(2026, 6, 2, 12, 30, 15, 250000))] == ["ACC-00001"]


def test_deleted_rows_come_marked_and_only_where_asked_for(salesforce: SalesforceClient) -> None:
    salesforce.delete("Contract", "CON-2")
    assert [record["Id"] for record in salesforce.query("SELECT Id FROM Contract ORDER BY Id")] == ["CON-1"]
    assert {record["Id"]: record["IsDeleted"] for record in salesforce.query_all("SELECT Id, IsDeleted FROM Contract")} == {"CON-1": False, "CON-2": True}
    assert [record["Id"] for record in salesforce.query_modified("Contract", [], NOW - timedelta(hours=1))] == ["CON-2"]
    assert salesforce.get("Contract", "CON-2", ["Id"]) is None


def test_a_record_is_read_by_id_or_found_missing(salesforce: SalesforceClient) -> None:
    assert salesforce.get("Account", "ACC-00002", ["Name", "VIM_Phase__c"]) == {"Id": "ACC-00002", "Name": "Customer 2", "VIM_Phase__c": None}
    assert salesforce.get("Account", "ACC-09999", ["Name"]) is None


def test_describe_lists_the_fields(salesforce: SalesforceClient) -> None:
    fields = {field["name"]: field for field in salesforce.describe("VIM_Draft__c")["fields"]}
    assert fields["VIM_Key__c"]["externalId"] and fields["VIM_Key__c"]["unique"]
    assert fields["Account__c"]["referenceTo"] == ["Account"]
    assert not fields["SystemModstamp"]["updateable"]


def test_a_quote_in_a_value_does_not_change_the_query(salesforce: SalesforceClient) -> None:
    """An account called `x' OR Name != '` would have read the whole org."""
    for attack in ("x' OR Name != '", "x\\' OR Name != \\'", "'", "\\", "x\n' --", "x' ORDER BY Id LIMIT 1"):
        assert salesforce.find("Account", "Name", attack, ["Name"]) == []
    assert [record["Id"] for record in salesforce.find("Account", "Name", "O'Neil \\ Söhne", ["Name"])] == ["ACC-00003"]
    for attack in ("Account WHERE Name != null", "Account'", "Account--"):
        with pytest.raises(VimError) as caught:
            salesforce.find(attack, "Name", "x", ["Name"])
        assert caught.value.code == "VIM-E012"


def test_an_external_id_stays_one_segment_of_the_path(salesforce: SalesforceClient) -> None:
    for value in ("a/b", "../Account", "a?updateOnly=true", "a#b", "ü%41", "a b"):
        assert salesforce.upsert(DRAFT, "VIM_Key__c", value, FIELDS).created
        assert [record["VIM_Key__c"] for record in salesforce.find(DRAFT, "VIM_Key__c", value, ["VIM_Key__c"])] == [value]
    with pytest.raises(ValueError, match="id"):
        salesforce.upsert(DRAFT, "VIM_Key__c", "..", FIELDS)


# ---- writing


def test_an_upsert_creates_once_and_then_updates(salesforce: SalesforceClient) -> None:
    first = salesforce.upsert(DRAFT, "VIM_Key__c", "k1", FIELDS)
    second = salesforce.upsert(DRAFT, "VIM_Key__c", "k1", {"Title__c": "Plan 2"})
    assert (first.created, second) == (True, UpsertResult(first.id, created=False))
    assert salesforce.get(DRAFT, first.id, ["Title__c", "Account__c"]) == {"Id": first.id, "Title__c": "Plan 2", "Account__c": "ACC-00001"}


def test_values_survive_the_way_there_and_back(salesforce: SalesforceClient) -> None:
    salesforce.update(
        "Account",
        "ACC-00001",
        {
            "VIM_Muda_Waste__c": Decimal("43500.25"),
            "VIM_Risk_Score__c": Decimal("71"),
            "VIM_Assessed_At__c": datetime(2026, 6, 29, 6, 0, 1),
            "Customer_Since__c": date(2024, 2, 29),
        },
    )
    record = salesforce.get("Account", "ACC-00001", ["VIM_Muda_Waste__c", "VIM_Risk_Score__c", "VIM_Assessed_At__c", "Customer_Since__c"])
    assert record == {
        "Id": "ACC-00001",
        "VIM_Muda_Waste__c": 43500.25,
        "VIM_Risk_Score__c": 71.0,
        "VIM_Assessed_At__c": "2026-06-29T06:00:01.000+0000",
        "Customer_Since__c": "2024-02-29",
    }
    salesforce.update("Account", "ACC-00001", {"VIM_Muda_Waste__c": None})
    assert salesforce.get("Account", "ACC-00001", ["VIM_Muda_Waste__c"]) == {"Id": "ACC-00001", "VIM_Muda_Waste__c": None}


def test_update_only_does_not_create(salesforce: SalesforceClient) -> None:
    with pytest.raises(VendorError) as caught:
        salesforce.upsert(DRAFT, "VIM_Key__c", "k1", FIELDS, update_only=True)
    assert (caught.value.code, caught.value.vendor_code, caught.value.status) == ("VIM-E013", "NOT_FOUND", 404)
    assert salesforce.find(DRAFT, "VIM_Key__c", "k1", []) == []


def test_an_external_id_of_two_records_is_refused(salesforce: SalesforceClient) -> None:
    for number in (1, 2):
        salesforce.update("Account", f"ACC-0000{number}", {"Legacy_Id__c": "L1"})
    with pytest.raises(VendorError) as caught:
        salesforce.upsert("Account", "Legacy_Id__c", "L1", {"Name": "x"})
    assert (caught.value.code, caught.value.vendor_code, caught.value.status) == ("VIM-E013", "MULTIPLE_CHOICES", 300)
    assert names(salesforce)[:2] == ["Customer 1", "Customer 2"]


def test_many_upserts_report_each_record_in_order(salesforce: SalesforceClient) -> None:
    records: list[dict[str, Any]] = [{"VIM_Key__c": f"k{number}", **FIELDS} for number in range(205)]
    records[3]["Account__c"] = "ACC-09999"
    del records[204]["Account__c"]
    results = salesforce.upsert_many(DRAFT, "VIM_Key__c", records)
    assert len(results) == 205
    assert [number for number, result in enumerate(results) if not result.success] == [3, 204]
    assert [results[number].errors[0].code for number in (3, 204)] == ["INVALID_CROSS_REFERENCE_KEY", "REQUIRED_FIELD_MISSING"]
    assert results[204].errors[0].fields == ("Account__c",)
    assert salesforce.request_count == 1 + 2
    again = salesforce.upsert_many(DRAFT, "VIM_Key__c", records[:2])
    assert [(result.id, result.created) for result in again] == [(results[0].id, False), (results[1].id, False)]


def test_only_the_locked_records_of_a_batch_are_sent_again(options: TransportOptions, waits: Waits) -> None:
    """Salesforce answers 200 with UNABLE_TO_LOCK_ROW inside; the others are done and must not be sent twice."""
    sent: list[list[str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/token"):
            return httpx.Response(200, json={"access_token": "t"})
        keys = [record["VIM_Key__c"] for record in json.loads(request.content)["records"]]
        sent.append(keys)
        locked = {"success": False, "errors": [{"statusCode": "UNABLE_TO_LOCK_ROW", "message": "locked", "fields": []}]}
        busy = {"b"} if len(sent) < 3 else set()
        busy |= {"d"}
        return httpx.Response(200, json=[locked if key in busy else {"id": f"id-{key}", "success": True, "errors": [], "created": True} for key in keys])

    with SalesforceClient("https://acme.my.salesforce.com", "i", "s", options=replace(options, transport=httpx.MockTransport(answer))) as client:
        results = client.upsert_many(DRAFT, "VIM_Key__c", [{"VIM_Key__c": key} for key in "abcd"])
    assert sent == [["a", "b", "c", "d"], ["b", "d"], ["b", "d"], ["d"]]
    assert [result.id for result in results] == ["id-a", "id-b", "id-c", None]
    assert results[3].is_locked and len(waits.seconds) == 3


def test_a_batch_that_breaks_off_keeps_what_is_known(salesforce: SalesforceClient, salesforce_control: Control) -> None:
    salesforce_control("POST", "faults", {"method": "PATCH", "skip": 1, "drop": "after"})
    with pytest.raises(VendorError) as caught:
        salesforce.upsert_many(DRAFT, "VIM_Key__c", [{"VIM_Key__c": f"k{number}", **FIELDS} for number in range(300)])
    assert caught.value.code == "VIM-E015"
    assert len(caught.value.completed) == 200


# ---- what goes wrong


def test_a_lost_answer_to_a_write_is_unknown_and_found_by_reading_back(salesforce: SalesforceClient, salesforce_control: Control) -> None:
    salesforce_control("POST", "faults", {"method": "PATCH", "drop": "after"})
    with pytest.raises(VendorError) as caught:
        salesforce.upsert(DRAFT, "VIM_Key__c", "k1", FIELDS)
    assert caught.value.code == "VIM-E015"
    assert [record["Title__c"] for record in salesforce.find(DRAFT, "VIM_Key__c", "k1", ["Title__c"])] == ["Plan"]
    assert salesforce_control("GET", "write_counts") == {f"{DRAFT}:VIM_Key__c=k1": {"created": 1}}


def test_a_connection_lost_before_the_effect_is_unknown_too_and_not_repeated(salesforce: SalesforceClient, salesforce_control: Control) -> None:
    salesforce_control("POST", "faults", {"method": "POST", "path": "/sobjects/Task", "drop": "before"})
    with pytest.raises(VendorError) as caught:
        salesforce.create("Task", {"Subject": "Call", "WhatId": "ACC-00001"})
    assert caught.value.code == "VIM-E015"
    assert salesforce.find("Task", "WhatId", "ACC-00001", []) == []
    assert [entry["method"] for entry in salesforce_control("GET", "requests") if "/sobjects/Task" in entry["path"]] == ["POST"]


def test_an_answer_that_comes_too_late_is_unknown(running: Running, salesforce_control: Control, options: TransportOptions) -> None:
    salesforce_control("POST", "faults", {"method": "PATCH", "delay_seconds": 1.0})
    impatient = replace(options, timeout_seconds=0.2)
    with SalesforceClient(
        running.url("salesforce"), running.credentials["salesforce_client_id"], running.credentials["salesforce_client_secret"], options=impatient
    ) as client:
        with pytest.raises(VendorError) as caught:
            client.upsert(DRAFT, "VIM_Key__c", "k1", FIELDS)
        assert caught.value.code == "VIM-E015"
    assert len([entry for entry in salesforce_control("GET", "requests") if entry["method"] == "PATCH"]) == 1


@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_server_error_to_a_write_is_unknown(salesforce: SalesforceClient, salesforce_control: Control, status: int) -> None:
    salesforce_control("POST", "faults", {"method": "PATCH", "status": status})
    with pytest.raises(VendorError) as caught:
        salesforce.upsert(DRAFT, "VIM_Key__c", "k1", FIELDS)
    assert caught.value.code == "VIM-E015"
    assert salesforce_control("GET", "writes") == []


def test_503_repeats_an_upsert_but_never_a_create(salesforce: SalesforceClient, salesforce_control: Control, waits: Waits) -> None:
    salesforce_control("POST", "faults", {"method": "PATCH", "status": 503, "times": 2})
    assert salesforce.upsert(DRAFT, "VIM_Key__c", "k1", FIELDS).created
    assert len(waits.seconds) == 2
    salesforce_control("POST", "faults", {"method": "POST", "status": 503})
    with pytest.raises(VendorError) as caught:
        salesforce.create("Task", {"Subject": "Call"})
    assert caught.value.code == "VIM-E015"


def test_an_upsert_that_meets_503_to_the_end_is_unknown(salesforce: SalesforceClient, salesforce_control: Control) -> None:
    salesforce_control("POST", "faults", {"method": "PATCH", "status": 503, "times": 9})
    with pytest.raises(VendorError) as caught:
        salesforce.upsert(DRAFT, "VIM_Key__c", "k1", FIELDS)
    assert caught.value.code == "VIM-E015"


def test_a_locked_row_is_tried_again_even_for_a_create(salesforce: SalesforceClient, salesforce_control: Control, waits: Waits) -> None:
    salesforce_control("POST", "faults", {"method": "POST", "path": "/sobjects/", "status": 400, "code": "UNABLE_TO_LOCK_ROW", "times": 2})
    salesforce.create("Task", {"Subject": "Call"})
    assert len(waits.seconds) == 2
    assert [write["effect"] for write in salesforce_control("GET", "writes")] == ["created"]


def test_reads_are_repeated_after_any_failure_of_the_wire(salesforce: SalesforceClient, salesforce_control: Control, waits: Waits) -> None:
    salesforce_control("POST", "faults", [{"path": "/query", "drop": "before"}, {"path": "/query", "status": 502}, {"path": "/query", "drop": "after"}])
    assert len(names(salesforce)) == 4
    assert len(waits.seconds) == 3
    assert waits.seconds[0] <= 0.5 and waits.seconds[1] <= 1.0 and waits.seconds[2] <= 2.0


def test_a_read_gives_up_in_the_end(salesforce: SalesforceClient, salesforce_control: Control, waits: Waits) -> None:
    salesforce_control("POST", "faults", {"path": "/query", "status": 500, "times": 9})
    with pytest.raises(VendorError) as caught:
        names(salesforce)
    assert (caught.value.code, caught.value.status) == ("VIM-E013", 500)
    assert len(waits.seconds) == 3


def test_retry_after_is_honoured_up_to_a_bound(salesforce: SalesforceClient, salesforce_control: Control, waits: Waits) -> None:
    salesforce_control("POST", "faults", {"path": "/query", "status": 429, "retry_after": "17"})
    assert len(names(salesforce)) == 4
    assert 17 <= waits.seconds[0] <= 17.5
    salesforce_control("POST", "faults", {"path": "/query", "status": 429, "retry_after": "3600"})
    with pytest.raises(VendorError) as caught:
        names(salesforce)
    assert caught.value.code == "VIM-E014"
    assert len(waits.seconds) == 1


def test_a_token_that_ended_is_replaced_once_in_the_middle_of_a_read(tmp_path: Path, options: TransportOptions) -> None:
    write_source(tmp_path / "source", "account", [account(number, datetime(2026, 1, 1)) for number in range(450)])
    with (
        start_emulators(tmp_path) as running,
        SalesforceClient(
            running.url("salesforce"),
            running.credentials["salesforce_client_id"],
            running.credentials["salesforce_client_secret"],
            batch_size=200,
            options=options,
        ) as client,
    ):
        control = control_of(running.url("salesforce"))
        records = client.query("SELECT Id FROM Account")
        next(records)
        control("POST", "expire_tokens")
        assert len(list(records)) == 449
        assert len([entry for entry in control("GET", "requests") if entry["path"].endswith("/token")]) == 2


def test_a_second_401_in_a_row_fails(salesforce: SalesforceClient, salesforce_control: Control) -> None:
    salesforce_control("POST", "faults", {"path": "/query", "status": 401, "times": 5})
    with pytest.raises(VendorError) as caught:
        names(salesforce)
    assert (caught.value.code, caught.value.vendor_code) == ("VIM-E011", "INVALID_SESSION_ID")
    assert len([entry for entry in salesforce_control("GET", "requests") if entry["path"].endswith("/token")]) == 2


def test_a_write_is_sent_again_after_a_new_token(salesforce: SalesforceClient, salesforce_control: Control) -> None:
    """A 401 is answered before anything is done, so it is the one refusal after which a create may be repeated."""
    names(salesforce)
    salesforce_control("POST", "expire_tokens")
    salesforce.create("Task", {"Subject": "Call"})
    assert [write["effect"] for write in salesforce_control("GET", "writes")] == ["created"]


@pytest.mark.parametrize(("name", "secret", "code"), [("id", "wrong", "invalid_client_id"), ("secret", "wrong-secret-value", "invalid_client")])
def test_wrong_credentials_say_so_without_the_secret(running: Running, options: TransportOptions, name: str, secret: str, code: str) -> None:
    client_id = secret if name == "id" else running.credentials["salesforce_client_id"]
    client_secret = secret if name == "secret" else running.credentials["salesforce_client_secret"]
    with SalesforceClient(running.url("salesforce"), client_id, client_secret, options=options) as client:
        with pytest.raises(VendorError) as caught:
            client.describe("Account")
        assert (caught.value.code, caught.value.vendor_code) == ("VIM-E011", code)
        assert client_secret not in str(caught.value) and client_secret not in repr(client)


def test_the_used_up_request_limit_is_not_hammered(salesforce: SalesforceClient, salesforce_control: Control, waits: Waits) -> None:
    salesforce_control("POST", "limits", {"used": 5000, "allowed": 5000})
    with pytest.raises(VendorError) as caught:
        names(salesforce)
    assert (caught.value.code, caught.value.vendor_code) == ("VIM-E014", "REQUEST_LIMIT_EXCEEDED")
    assert waits.seconds == [] and salesforce.request_count == 2


def test_reading_stops_at_seventy_percent_and_writing_does_not(salesforce: SalesforceClient, salesforce_control: Control) -> None:
    salesforce_control("POST", "limits", {"used": 68, "allowed": 100})
    names(salesforce)
    assert salesforce.limits is not None and (salesforce.limits.used, salesforce.limits.allowed) == (69, 100)
    names(salesforce)
    sent = salesforce.request_count
    with pytest.raises(VendorError) as caught:
        names(salesforce)
    assert caught.value.code == "VIM-E014" and salesforce.request_count == sent
    assert salesforce.upsert(DRAFT, "VIM_Key__c", "k1", FIELDS).created


def test_a_refusal_carries_salesforces_own_words(salesforce: SalesforceClient) -> None:
    with pytest.raises(VendorError) as caught:
        list(salesforce.query("SELECT Bogus__c FROM Account"))
    assert (caught.value.code, caught.value.vendor_code, caught.value.status) == ("VIM-E013", "INVALID_FIELD", 400)
    assert "No such column 'Bogus__c' on entity 'Account'" in str(caught.value)
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (str(copy), copy.vendor_code, copy.status) == (str(caught.value), "INVALID_FIELD", 400)


def test_an_org_that_is_not_there_is_unreachable(options: TransportOptions) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with SalesforceClient(f"http://127.0.0.1:{port}", "id", "the-secret", options=options) as client, pytest.raises(VendorError) as caught:
        client.describe("Account")
    assert caught.value.code == "VIM-E010" and "the-secret" not in str(caught.value)


def test_a_redirect_is_refused(salesforce: SalesforceClient, salesforce_control: Control) -> None:
    salesforce_control("POST", "faults", {"path": "/query", "status": 302, "location": "https://evil.example.com/collect?sid=abc"})
    with pytest.raises(VendorError) as caught:
        names(salesforce)
    assert caught.value.code == "VIM-E016"
    assert "evil.example.com" in str(caught.value) and "abc" not in str(caught.value)


def test_settings_make_a_client_or_name_what_is_missing(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SALESFORCE_BASE_URL", "SALESFORCE_CLIENT_ID", "SALESFORCE_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    given = running.credentials
    with client_from_settings(Settings(**{name: given[name] for name in given if name.startswith("salesforce")})) as client:
        assert len(names(client)) == 4
    with pytest.raises(VimError) as caught:
        client_from_settings(Settings(salesforce_base_url=given["salesforce_base_url"], salesforce_client_id="x"))
    assert caught.value.code == "VIM-E001" and "SALESFORCE_CLIENT_SECRET" in str(caught.value)


# ---- the sandbox's clock


def test_moving_the_clock_reveals_newer_versions_and_keeps_what_was_written(sandbox: Path, salesforce: SalesforceClient) -> None:
    salesforce.update("Account", "ACC-00001", {"VIM_Phase__c": "4", "Name": "Renamed by us"})
    draft = salesforce.upsert(DRAFT, "VIM_Key__c", "k1", FIELDS)
    assert [record["Id"] for record in salesforce.query_modified("Account", [], NOW, overlap=timedelta(0))] == ["ACC-00001"]
    set_clock(sandbox, NOW + timedelta(days=1))
    changed = {record["Id"]: record["Name"] for record in salesforce.query_modified("Account", ["Name"], NOW + timedelta(hours=1))}
    assert changed == {"ACC-00001": "Customer 1 renamed", "ACC-00005": "Customer 5"}
    assert salesforce.get("Account", "ACC-00001", ["VIM_Phase__c", "ARR__c"]) == {"Id": "ACC-00001", "VIM_Phase__c": "4", "ARR__c": 60000.5}
    set_clock(sandbox, NOW)
    assert names(salesforce) == ["Renamed by us", "Customer 2", "O'Neil \\ Söhne", "Customer 4"]
    assert salesforce.get(DRAFT, draft.id, ["VIM_Key__c"]) == {"Id": draft.id, "VIM_Key__c": "k1"}


def test_writes_are_stamped_at_the_sandbox_clock_in_order(salesforce: SalesforceClient) -> None:
    for key in ("b", "a"):
        salesforce.upsert(DRAFT, "VIM_Key__c", key, FIELDS)
    records = list(salesforce.query_modified(DRAFT, ["VIM_Key__c"], NOW))
    assert [record["VIM_Key__c"] for record in records] == ["b", "a"]
    stamps = [utc_moment(record["SystemModstamp"]) for record in records]
    assert NOW <= stamps[0] < stamps[1] < NOW + timedelta(seconds=1)


def test_state_survives_a_restart(sandbox: Path, options: TransportOptions) -> None:
    ids = []
    for _ in range(2):
        with (
            start_emulators(sandbox) as running,
            SalesforceClient(
                running.url("salesforce"), running.credentials["salesforce_client_id"], running.credentials["salesforce_client_secret"], options=options
            ) as client,
        ):
            ids.append(client.upsert(DRAFT, "VIM_Key__c", "k1", FIELDS))
            new = client.create("Task", {"Subject": "Call"})
            assert new not in [result.id for result in ids]
    assert [result.created for result in ids] == [True, False] and ids[0].id == ids[1].id
