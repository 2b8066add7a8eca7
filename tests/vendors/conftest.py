"""A small sandbox behind real HTTP on loopback, and clients whose waiting is recorded in place of done."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from vendor_sandbox import NOW, Control, Waits, account, control_of, set_clock, ticket, write_source

from vim_pipelines.sandbox.emulators.run import Running, start_emulators
from vim_pipelines.vendors.http import Limiter, RetryPolicy, TransportOptions
from vim_pipelines.vendors.salesforce import SalesforceClient
from vim_pipelines.vendors.zendesk import ZendeskClient


@pytest.fixture
def sandbox(tmp_path: Path) -> Path:
    """Five accounts (one changes tomorrow, one appears tomorrow), two contract lines, three tickets."""
    directory = tmp_path / "sandbox"
    source = directory / "source"
    accounts = [account(number, datetime(2026, 6, number, 12, 30, 15, 250000), arr_amount=Decimal("60000.50")) for number in range(1, 5)]
    accounts[2]["account_name"] = "O'Neil \\ Söhne"
    accounts.append(account(1, datetime(2026, 6, 29, 20), account_name="Customer 1 renamed", arr_amount=Decimal("60000.50")))
    accounts.append(account(5, datetime(2026, 6, 29, 21)))
    write_source(source, "account", accounts)
    line = {
        "account_key": "ACC-00001",
        "product": "core",
        "currency": "USD",
        "start_date": date(2026, 1, 1),
        "status": "active",
        "modified_at": datetime(2026, 1, 1),
    }
    write_source(
        source,
        "contract_line",
        [
            {**line, "contract_line_key": "CON-1", "seats": 200, "net_unit_price_annual": Decimal("300.00"), "auto_renew": True, "notice_days": 60},
            {**line, "contract_line_key": "CON-2", "seats": 0, "status": "draft"},
        ],
    )
    write_source(source, "opportunity", [
        {"opportunity_key": "OPP-1", "account_key": "ACC-00001", "opportunity_name": "First", "opportunity_type": "new", "stage": "Closed Won",
         "created_on": date(2025, 11, 3), "close_date": date(2025, 12, 20), "is_closed": True, "is_won": True, "modified_at": datetime(2025, 12, 20, 8)},
    ])  # fmt: skip
    write_source(source, "ticket", [
        ticket(1, datetime(2026, 6, 1, 9), status="new"),
        ticket(1, datetime(2026, 6, 3, 9), status="solved", priority="P1", solved_at=datetime(2026, 6, 3, 8, 59), reopen_count=1, is_escalated=True),
        ticket(2, datetime(2026, 6, 5, 9), status="deleted"),
        ticket(3, datetime(2026, 6, 29, 5, 59, 30)),
    ])  # fmt: skip
    event = {"ticket_key": "TCK-000001", "metric": "resolution_time"}
    write_source(source, "ticket_event", [
        {**event, "ticket_event_key": "11", "event_type": "activate", "occurred_at": datetime(2026, 6, 1, 9), "modified_at": datetime(2026, 6, 1, 9)},
        {**event, "ticket_event_key": "12", "event_type": "fulfill", "occurred_at": datetime(2026, 6, 3, 9), "modified_at": datetime(2026, 6, 3, 9)},
    ])  # fmt: skip
    set_clock(directory, NOW)
    return directory


@pytest.fixture
def running(sandbox: Path) -> Iterator[Running]:
    with start_emulators(sandbox) as started:
        yield started


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
def options(waits: Waits) -> TransportOptions:
    return TransportOptions(
        timeout_seconds=5,
        connect_timeout_seconds=2,
        retry=RetryPolicy(attempts=4, base_seconds=0.5),
        limiter=Limiter(1000, 1000),
        sleep=waits.sleep,
        rng=random.Random(7),
    )


@pytest.fixture
def salesforce(running: Running, options: TransportOptions) -> Iterator[SalesforceClient]:
    with SalesforceClient(running.salesforce_url, running.salesforce_client_id, running.salesforce_client_secret, options=options) as client:
        yield client


@pytest.fixture
def zendesk(running: Running, options: TransportOptions) -> Iterator[ZendeskClient]:
    with ZendeskClient(running.zendesk_url, running.zendesk_client_id, running.zendesk_client_secret, options=options) as client:
        yield client


@pytest.fixture
def salesforce_control(running: Running) -> Control:
    return control_of(running.salesforce_url)


@pytest.fixture
def zendesk_control(running: Running) -> Control:
    return control_of(running.zendesk_url)
