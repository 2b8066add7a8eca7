"""What the simulator made is what the audit's clients read: every value of every current version, through seed, SQLite, HTTP and JSON.

The ingestion maps fields back by `portfolios/sandbox.yaml`; a value that was lost or bent on the way here would look like bad data there.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest

from vim_pipelines.core.dates import utc_moment
from vim_pipelines.portfolio.entities import ENTITIES
from vim_pipelines.sandbox.emulators.run import Running, start_emulators
from vim_pipelines.sandbox.salesforce_seed import SEEDS, Seed
from vim_pipelines.vendors.salesforce import SalesforceClient
from vim_pipelines.vendors.zendesk import ZendeskClient, flatten_ticket


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, datetime, Running]]:
    from vim_pipelines.sandbox.simulator import ensure_sandbox, read_clock

    directory = tmp_path_factory.mktemp("simulated")
    ensure_sandbox(directory, seed=3, accounts=25, weeks=60)
    with start_emulators(directory) as running:
        yield directory, read_clock(directory), running


def current(directory: Path, entity: str, now: datetime) -> dict[str, dict[str, Any]]:
    """The newest version of each key that the sandbox's clock has reached."""
    rows = parquet.read_table(directory / "source" / f"{ENTITIES[entity].table}.parquet").to_pylist()
    newest: dict[str, dict[str, Any]] = {}
    for row in sorted((row for row in rows if row["modified_at"] <= now), key=lambda row: row["modified_at"]):
        newest[row[ENTITIES[entity].key]] = row
    return newest


def from_salesforce(kind: str, value: Any, words: dict[str, str]) -> Any:
    if value is None:
        return None
    if kind == "timestamp":
        return utc_moment(value)
    if kind == "date":
        return date.fromisoformat(value[:10])
    if kind == "boolean" and isinstance(value, str):
        return words[value] == "true"
    return words.get(value, value) if kind == "text" else value


def as_read(kind: str, value: Any) -> Any:
    """A simulated value at the precision that Salesforce keeps; empty text is null there."""
    if value is None or value == "" or value != value:
        return None
    if kind == "timestamp":
        return value.replace(microsecond=value.microsecond // 1000 * 1000)
    return float(value) if kind in ("integer", "decimal") else value


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.object)
def test_salesforce_records_equal_the_simulated_rows(world: tuple[Path, datetime, Running], seed: Seed) -> None:
    directory, now, running = world
    expected = current(directory, seed.entity, now)
    assert expected, "the simulator made none: the test would prove nothing"
    columns = {**seed.fields, **({seed.created: "CreatedDate"} if seed.created else {})}
    with SalesforceClient(running.url("salesforce"), running.credentials["salesforce_client_id"], running.credentials["salesforce_client_secret"]) as client:
        found = {record["Id"]: record for record in client.query_modified(seed.object, [name for name in columns.values() if name != "Id"], None)}
    assert set(found) == set(expected)
    kinds = {column.name: column.type for column in ENTITIES[seed.entity].columns}
    for key, row in expected.items():
        record = found[key]
        for name, target in columns.items():
            back = {word: value for value, word in seed.words.get(name, {}).items()}
            value = record[target][:10] if name == seed.created and record[target] else record[target]
            assert from_salesforce(kinds[name], value, back) == as_read(kinds[name], row[name]), (key, name)
        assert utc_moment(record["SystemModstamp"]) == as_read("timestamp", row["modified_at"])


def test_zendesk_tickets_equal_the_simulated_rows(world: tuple[Path, datetime, Running]) -> None:
    directory, now, running = world
    expected = current(directory, "ticket", now)
    with ZendeskClient(running.url("zendesk"), running.credentials["zendesk_client_id"], running.credentials["zendesk_client_secret"]) as client:
        organizations = {item["id"]: item["external_id"] for item in client.organizations()}
        users: dict[int, str] = {}
        found: dict[str, dict[str, Any]] = {}
        for page in client.incremental_tickets(start_time=datetime(2000, 1, 1)):
            users |= {user["id"]: user["external_id"] for user in page.users}
            found |= {row["external_id"]: row for row in (flatten_ticket(item, organizations, users) for item in page.tickets)}
        events = [event for page in client.incremental_ticket_metric_events(datetime(2000, 1, 1)) for event in page.events]
    assert set(found) == set(expected) and len(found) > 100
    for key, row in expected.items():
        ticket = found[key]
        assert ticket["organization_external_id"] == row["account_key"]
        assert ticket["requester_external_id"] == row["requester_key"]
        assert (ticket["priority_level"], ticket["status"], ticket["subject"]) == (row["priority"], row["status"], row["subject"])
        assert (ticket["reopens"], ticket["is_escalated"]) == (row["reopen_count"], row["is_escalated"])
        assert utc_moment(ticket["created_at"]) == row["opened_at"].replace(microsecond=0)
        solved = None if row["solved_at"] is None else row["solved_at"].replace(microsecond=0)
        assert (None if ticket["solved_at"] is None else utc_moment(ticket["solved_at"])) == solved
    numbers = {ticket["id"]: key for key, ticket in found.items()}
    simulated = current(directory, "ticket_event", now)
    assert sorted((numbers[str(event["ticket_id"])], event["metric"], event["type"]) for event in events) == sorted(
        (row["ticket_key"], row["metric"], row["event_type"]) for row in simulated.values()
    )
