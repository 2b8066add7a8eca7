"""A night over the wire: the project's clients, dlt and the sandbox's emulators."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from pydantic import SecretStr

from vim_pipelines.core.errors import VimError
from vim_pipelines.portfolio.entities import ENTITIES

NEXT = date(2026, 6, 29)


def test_a_first_night_brings_every_entity_and_a_second_reading_nothing(read_sandbox, first_night):
    report, sandbox = first_night[1], read_sandbox
    added = {item.entity: item.versions_added for item in report.entities}
    assert added["account"] == 20 and min(added.values()) > 0 and len(added) == len(ENTITIES) + 1
    assert sandbox.rows("select account_name from raw.accounts where account_key = 'ACC-HEADLINE'") == [{"account_name": "Northwind Robotics"}]
    (line,) = sandbox.rows("select seats, net_unit_price_annual, status from raw.contract_lines where account_key = 'ACC-HEADLINE' and end_date = '2027-02-23'")
    assert (line["seats"], float(line["net_unit_price_annual"]), line["status"]) == (200, 300.0, "active")
    before = sandbox.fingerprint()
    again = sandbox.ingest()
    assert again.versions_added == 0
    read = {item.entity: item.rows_read for item in again.entities}
    assert read["account"] < 20 and read["ticket"] < 5, "the second night reads from the cursor, not from the beginning"
    changed = {table for table, sum_ in sandbox.fingerprint().items() if before[table] != sum_}
    assert changed == {"raw.loads"}


def test_every_mapped_value_comes_back_as_the_simulator_made_it(read_sandbox):
    """Field mapping, vendor words, number and time formats: one comparison of all columns for all CRM and support entities."""
    import pyarrow.parquet as pq

    from vim_pipelines.portfolio.entities import ENTITIES

    now = datetime(2026, 6, 29, 6)
    for name in (
        "account",
        "contract_line",
        "opportunity",
        "milestone",
        "survey_response",
        "meeting",
        "task",
        "ebr",
        "document",
        "contact",
        "training_completion",
    ):
        entity = ENTITIES[name]
        newest = {}
        for row in sorted(
            pq.read_table(read_sandbox.settings.sandbox_dir / "source" / f"{entity.table}.parquet").to_pylist(), key=lambda row: row["modified_at"]
        ):
            if row["modified_at"] < now:
                newest[row[entity.key]] = row
        names = [column.name for column in entity.columns]
        raw = {row[entity.key]: row for row in read_sandbox.rows(f"select {', '.join(names)}, known_at from raw.{entity.table}")}
        set_aside = {row["row_key"] for row in read_sandbox.rows(f"select row_key from raw.quarantine where entity = '{name}'")}
        assert set(newest) - set_aside == set(raw), name
        for key, row in raw.items():
            expected = {column: newest[key][column] for column in names}
            found = {column: row[column] for column in names}
            for column in entity.columns:
                if column.type == "timestamp" and expected[column.name] is not None:
                    assert abs(found[column.name] - expected[column.name]) < timedelta(seconds=1), (name, key, column.name)
                    expected.pop(column.name), found.pop(column.name)
                elif column.type == "text" and expected.get(column.name) == "":
                    expected[column.name] = None
            assert found == expected, (name, key)


def test_the_next_day_reads_what_changed_and_keeps_the_old_version(read_sandbox):
    now = read_sandbox.next_day()
    report = read_sandbox.ingest(NEXT, now)
    usage = next(item for item in report.entities if item.entity == "usage_event")
    assert usage.versions_added > 0 and report.files_loaded == 1
    assert all(item.rows_read < 200 for item in report.entities if item.source_name == "crm")
    assert read_sandbox.rows("select count(*) as n from raw.tickets where known_at >= '2026-06-29'")[0]["n"] > 0
    assert read_sandbox.rows("select count(*) as n from (select ticket_key from raw.tickets group by all having count(*) > 1)")[0]["n"] > 0


def test_a_record_that_the_crm_deleted_is_ended(read_sandbox):
    from vim_pipelines.vendors.salesforce import client_from_settings

    with client_from_settings(read_sandbox.settings) as client:
        client.delete("Contact", read_sandbox.rows("select min(contact_key) as k from raw.contacts")[0]["k"])
    read_sandbox.ingest(NEXT, datetime(2026, 6, 29, 7))
    (ended,) = read_sandbox.rows("select * from raw.contacts where is_deleted")
    assert ended["known_at"] >= datetime(2026, 6, 29)


def test_our_own_write_back_is_no_version(read_sandbox):
    from vim_pipelines.vendors.salesforce import client_from_settings

    with client_from_settings(read_sandbox.settings) as client:
        client.update("Account", "ACC-HEADLINE", {"VIM_Phase__c": "4", "VIM_Risk_Band__c": "yellow"})
    report = read_sandbox.ingest(NEXT, datetime(2026, 6, 29, 7))
    account = next(item for item in report.entities if item.entity == "account")
    assert account.rows_read >= 1 and account.versions_added == 0


def test_a_newly_mapped_field_is_read_for_old_records_too(sandbox):
    """A cursor that stayed where it was would leave the new column empty for every record that nobody touches."""
    from vim_pipelines.ingestion.ingest import ingest
    from vim_pipelines.portfolio.file import load_portfolio
    from vim_pipelines.settings import resource_path

    text = (resource_path("portfolios") / "sandbox.yaml").read_text()
    file = sandbox.settings.home / "mine.yaml"
    file.write_text(text.replace("      tier: Tier__c\n", ""))
    ingest(sandbox.settings, load_portfolio(file, sandbox.settings), date(2026, 6, 28), datetime(2026, 6, 29, 6))
    file.write_text(text)
    report = ingest(sandbox.settings, load_portfolio(file, sandbox.settings), date(2026, 6, 28), datetime(2026, 6, 29, 6))
    counts = {item.entity: item.rows_read for item in report.entities}
    assert counts["account"] == 20 and counts["contact"] < 20


@pytest.mark.parametrize(
    ("vendor", "plan", "code", "home"),
    [
        ("salesforce", {"path": "/query", "status": 401, "times": 99}, "VIM-E011", "sandbox"),
        ("salesforce", {"path": "EBR__c", "status": 400, "code": "MALFORMED_QUERY", "times": 99}, "VIM-E013", "read_sandbox"),
        ("zendesk", {"path": "/organizations", "status": 403, "times": 99}, "VIM-E013", "sandbox"),
        ("zendesk", {"path": "metric_events", "status": 401, "times": 99}, "VIM-E011", "read_sandbox"),
    ],
)
def test_a_vendor_that_fails_half_way_leaves_the_warehouse_as_it_was(request, vendor, plan, code, home):
    sandbox, is_first_night = request.getfixturevalue(home), home == "sandbox"
    if not is_first_night:
        sandbox.next_day()
    before = sandbox.fingerprint()
    sandbox.fault(vendor, **plan)
    with pytest.raises(VimError) as caught:
        sandbox.ingest(NEXT, datetime(2026, 6, 30, 6))
    assert caught.value.code == code and "\n" not in str(caught.value)
    assert sandbox.fingerprint() == before
    assert sandbox.settings.warehouse_path.exists() is not is_first_night


def test_wrong_credentials_are_one_message_without_the_secret(sandbox):
    wrong = sandbox.settings.model_copy(update={"salesforce_client_secret": SecretStr("not-the-secret-42")})
    with pytest.raises(VimError, match="VIM-E011 Salesforce refused") as caught:
        sandbox.ingest(settings=wrong)
    assert "not-the-secret-42" not in str(caught.value) and not sandbox.settings.warehouse_path.exists()


def test_an_unreachable_crm_is_one_message(sandbox):
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(VimError, match="VIM-E010"):
        sandbox.ingest(settings=sandbox.settings.model_copy(update={"salesforce_base_url": address}))
    assert not sandbox.settings.warehouse_path.exists()


def test_a_missing_setting_is_named(sandbox):
    with pytest.raises(VimError, match="VIM-E001 .*ZENDESK_BASE_URL"):
        sandbox.ingest(settings=sandbox.settings.model_copy(update={"zendesk_base_url": None}))


def test_a_mapped_field_that_the_org_lacks_is_named_with_its_line(sandbox):
    from vim_pipelines.ingestion.ingest import ingest
    from vim_pipelines.portfolio.file import load_portfolio
    from vim_pipelines.settings import resource_path

    text = (resource_path("portfolios") / "sandbox.yaml").read_text().replace("seats: Seats__c", "seats: Seat__c")
    file = sandbox.settings.home / "mine.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    line = 1 + text.splitlines().index("      seats: Seat__c")
    with pytest.raises(
        VimError, match=rf"VIM-E012 .*Salesforce object Contract: 'Seat__c' is mapped to contract_line.seats \(line {line}\), did you mean 'Seats__c'"
    ):
        ingest(sandbox.settings, load_portfolio(file, sandbox.settings), date(2026, 6, 28), datetime(2026, 6, 29, 6))
