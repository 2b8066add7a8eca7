"""Bulk query jobs give what the REST API gives, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vendor_sandbox import NOW, Control, Waits, account, control_of, set_clock, write_source

from vim_pipelines.core.errors import VimError
from vim_pipelines.sandbox.emulators.run import Running, start_emulators
from vim_pipelines.vendors.http import TransportOptions, VendorError
from vim_pipelines.vendors.salesforce import SalesforceClient
from vim_pipelines.vendors.salesforce_bulk import csv_records, typed_value

COUNT = 450
FIELDS = ["Name", "ARR__c", "CurrencyIsoCode", "Customer_Since__c", "CreatedDate", "Tier__c"]


@pytest.fixture(scope="module")
def org(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """450 accounts with awkward names, a few of them deleted."""
    folder = tmp_path_factory.mktemp("many")
    start = NOW - timedelta(days=30)
    rows = [
        account(
            number, start + timedelta(minutes=number), account_name=f'Müller, "{number}"\nSöhne', arr_amount=None if number % 7 == 0 else Decimal("1200.55")
        )
        for number in range(1, COUNT + 1)
    ]
    write_source(folder / "source", "account", rows)
    set_clock(folder, NOW)
    with start_emulators(folder, ("salesforce",)) as running:
        yield running


@pytest.fixture
def control(org: Running) -> Iterator[Control]:
    call = control_of(org.url("salesforce"))
    yield call
    call("DELETE", "faults")
    call("POST", "limits", {"used": 0, "allowed": 100_000})


def open_client(org: Running, options: TransportOptions, **changed: int) -> SalesforceClient:
    credentials = org.credentials
    return SalesforceClient(
        org.url("salesforce"), credentials["salesforce_client_id"], credentials["salesforce_client_secret"], options=options, **({"batch_size": 200} | changed)
    )  # type: ignore[arg-type]


def test_a_large_read_goes_by_bulk_and_brings_the_same_values(org: Running, options: TransportOptions, control: Control) -> None:
    control("DELETE", "requests")
    with open_client(org, options) as by_rest, open_client(org, options, bulk_above=COUNT - 1, bulk_page=100) as by_bulk:
        rest = list(by_rest.query_modified("Account", FIELDS, None))
        assert not any("/jobs/" in entry["path"] for entry in control("GET", "requests"))
        bulk = list(by_bulk.query_modified("Account", FIELDS, None))
    assert len(rest) == COUNT
    assert sorted(bulk, key=lambda record: record["Id"]) == sorted(rest, key=lambda record: record["Id"])
    results = [entry for entry in control("GET", "requests") if entry["path"].endswith("/results")]
    assert len(results) == 5, "450 rows in pages of 100"


def test_at_the_threshold_the_pages_of_rest_are_enough(org: Running, options: TransportOptions, control: Control) -> None:
    control("DELETE", "requests")
    with open_client(org, options, bulk_above=COUNT) as client:
        assert len(list(client.query_modified("Account", FIELDS, None))) == COUNT
    assert not any("/jobs/" in entry["path"] for entry in control("GET", "requests"))


@pytest.mark.parametrize("path", ["jobs/query$", "jobs/query/750[^/]*$", "results"])
def test_a_token_that_ends_in_the_middle_of_a_job_is_replaced_once(org: Running, options: TransportOptions, control: Control, path: str) -> None:
    """simple-salesforce refreshes its token for REST calls and not for bulk ones: long jobs died there."""
    with open_client(org, options, bulk_above=100, bulk_page=200) as client:
        control("POST", "faults", {"path": path, "status": 401})
        assert len(list(client.query_modified("Account", FIELDS, None))) == COUNT
        control("POST", "faults", {"path": path, "status": 401, "times": 2})
        with pytest.raises(VimError, match="VIM-E011"):
            list(client.query_modified("Account", FIELDS, None))


@pytest.mark.parametrize(
    "plan", [{"status": 500}, {"status": 503}, {"status": 429}, {"status": 429, "retry_after": "2"}, {"drop": "before"}, {"drop": "after"}]
)
def test_a_passing_fault_in_a_job_loses_nothing(org: Running, options: TransportOptions, control: Control, plan: dict[str, object]) -> None:
    with open_client(org, options, bulk_above=100, bulk_page=200) as client:
        for path in ("jobs/query$", "jobs/query/750[^/]*$", "results"):
            control("POST", "faults", {"path": path, **plan})
        records = list(client.query_modified("Account", FIELDS, None))
    assert len({record["Id"] for record in records}) == COUNT == len(records)


def test_a_page_of_results_that_comes_twice_is_not_taken(org: Running, options: TransportOptions, control: Control) -> None:
    with open_client(org, options, bulk_above=100, bulk_page=100) as client:
        control("POST", "faults", {"path": "results", "repeat": True, "skip": 1})
        with pytest.raises(VendorError, match="VIM-E013 .*circle"):
            list(client.query_modified("Account", FIELDS, None))


def test_a_page_of_the_query_that_comes_twice_is_not_taken(org: Running, options: TransportOptions, control: Control) -> None:
    """Taken as it comes it would loop for ever, or, with a link that leads on, lose the page that it stands for."""
    with open_client(org, options) as client:
        control("POST", "faults", {"path": "/query", "repeat": True, "skip": 1, "times": 50})
        before = client.request_count
        with pytest.raises(VendorError, match="VIM-E013 .*came twice"):
            list(client.query_modified("Account", FIELDS, None))
        assert client.request_count - before <= 4


def test_a_job_that_never_ends_is_left_and_aborted(org: Running, options: TransportOptions, waits: Waits, tmp_path: Path) -> None:
    with start_emulators(tmp_path, ("salesforce",), options={"salesforce": {"job_looks": 10**6}}) as slow:
        with open_client(slow, options) as client, pytest.raises(VendorError, match="did not end within 60 minutes"):
            list(client.bulk_query("Account", "SELECT Id FROM Account"))
        assert 3600 <= sum(waits.seconds) < 3700 and max(waits.seconds) <= 10
        last = control_of(slow.url("salesforce"))("GET", "requests")[-1]
        assert (last["method"], last["status"]) == ("PATCH", 200)


def test_a_request_budget_ends_what_goes_in_a_circle(org: Running, options: TransportOptions, waits: Waits) -> None:
    from dataclasses import replace

    with open_client(org, replace(options, request_budget=2)) as client, pytest.raises(VendorError, match="VIM-E014 .*budget of 2 requests") as caught:
        list(client.query_modified("Account", FIELDS, None))
    assert client.request_count == 2 and caught.value.vendor_code == "REQUEST_BUDGET"


def test_reading_stops_at_the_share_of_the_pool_that_is_ours(org: Running, options: TransportOptions, control: Control) -> None:
    with open_client(org, options) as client:
        control("POST", "limits", {"used": 69, "allowed": 100})
        client.describe("Account")
        with pytest.raises(VimError, match="VIM-E014 .*70% used"):
            list(client.query("SELECT Id FROM Account"))
        control("POST", "limits", {"used": 10, "allowed": 100})
    with open_client(org, options) as client:
        assert client.daily_requests().used == 11


# ---- the CSV


texts = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00\r"), min_size=1, max_size=12)


@given(st.lists(st.tuples(texts, st.integers(-5, 5), st.booleans(), st.none() | texts), max_size=8), st.booleans())
def test_any_text_survives_the_csv(rows: list[tuple[str, int, bool, str | None]], is_headed: bool) -> None:
    import csv
    import io

    header: list[str] = []
    found = []
    names = ["Name__c", "Count__c", "Flag__c", "Note__c"]
    for number, row in enumerate(rows):
        page = io.StringIO()
        writer = csv.writer(page, quoting=csv.QUOTE_ALL, lineterminator="\n")
        if number == 0 or is_headed:
            writer.writerow(names)
        writer.writerow([row[0], row[1], "true" if row[2] else "false", row[3] or ""])
        found += list(csv_records(page.getvalue(), header, {"Count__c": "int", "Flag__c": "boolean"}))
    assert [tuple(record.values()) for record in found] == rows


def test_a_line_that_is_cut_off_is_an_error() -> None:
    with pytest.raises(ValueError, match="2 values for 3"):
        list(csv_records('"A","B","C"\n"1","2"\n', [], {}))


def test_values_are_those_of_the_rest_api() -> None:
    assert typed_value("200.0", "double") == 200.0 and typed_value("7", "int") == 7
    assert typed_value("", "string") is None and typed_value("", "boolean") is None
    assert typed_value("2026-06-29T06:00:00.000Z", "datetime") == "2026-06-29T06:00:00.000+0000"


# ---- the delete log


def test_the_delete_log_knows_what_has_left_the_recycle_bin(running: Running, salesforce: SalesforceClient, salesforce_control: Control) -> None:
    task = salesforce.create("Task", {"Subject": "Call"})
    salesforce.delete("Task", task)
    assert salesforce_control("POST", "purge", {"object": "Task"}) == {"purged": 1}
    assert list(salesforce.query_all("SELECT Id FROM Task")) == []
    found = salesforce.deleted("Task", NOW - timedelta(hours=1), NOW + timedelta(hours=1))
    assert set(found.moments) == {task} and found.latest_covered <= NOW + timedelta(seconds=1)


def test_a_window_with_too_many_ids_is_read_in_halves(running: Running, salesforce: SalesforceClient, salesforce_control: Control, sandbox: Path) -> None:
    gone = []
    for minute in range(6):
        set_clock(sandbox, NOW + timedelta(minutes=10 * minute))
        gone.append(salesforce.create("Task", {"Subject": "Call"}))
        salesforce.delete("Task", gone[-1])
    salesforce_control("POST", "limits", {"deleted_ids": 2})
    found = salesforce.deleted("Task", NOW - timedelta(minutes=5), NOW + timedelta(hours=2))
    assert set(found.moments) == set(gone)
    salesforce_control("POST", "limits", {"deleted_ids": 0})
    with pytest.raises(VendorError, match="EXCEEDED_ID_LIMIT"):
        salesforce.deleted("Task", NOW - timedelta(minutes=5), NOW + timedelta(hours=2))


def test_a_window_before_the_log_is_refused_or_told(running: Running, salesforce: SalesforceClient, salesforce_control: Control) -> None:
    with pytest.raises(VendorError) as caught:
        salesforce.deleted("Task", NOW - timedelta(days=40), NOW)
    assert caught.value.vendor_code == "INVALID_REPLICATION_DATE"
    salesforce_control("POST", "purge", {"object": "Task", "earliest": (NOW - timedelta(days=2)).isoformat()})
    assert salesforce.deleted("Task", NOW - timedelta(days=5), NOW).earliest_available == datetime(2026, 6, 27, 6)
