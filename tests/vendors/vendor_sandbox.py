"""Small hand-made sources for the emulators, their clock, their control address, and a clock that moves only when something sleeps."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from vim_pipelines.portfolio.entities import ENTITIES

NOW = datetime(2026, 6, 29, 6, 0)


def write_source(directory: Path, entity: str, rows: list[dict[str, Any]]) -> None:
    """Rows of one entity as the simulator writes them: canonical columns, `modified_at`, absent values null."""
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    kinds = {
        "text": arrow.string(), "integer": arrow.int64(), "decimal": arrow.decimal128(18, 4), "rate": arrow.decimal128(18, 8), "boolean": arrow.bool_(), "date": arrow.date32(),
        "timestamp": arrow.timestamp("us"),
    }  # fmt: skip
    columns = [(column.name, kinds[column.type]) for column in ENTITIES[entity].columns] + [("modified_at", arrow.timestamp("us"))]
    table = arrow.table({name: arrow.array([row.get(name) for row in rows], type=kind) for name, kind in columns})
    directory.mkdir(parents=True, exist_ok=True)
    parquet.write_table(table, directory / f"{ENTITIES[entity].table}.parquet")


def account(number: int, modified_at: datetime, **values: Any) -> dict[str, Any]:
    return {"account_key": f"ACC-{number:05d}", "account_name": f"Customer {number}", "currency": "USD", "modified_at": modified_at, **values}


def ticket(number: int, modified_at: datetime, **values: Any) -> dict[str, Any]:
    plain = {"account_key": "ACC-00001", "subject": f"Ticket {number}", "priority": "P3", "status": "open", "opened_at": datetime(2026, 6, 1, 9)}
    return {
        "ticket_key": f"TCK-{number:06d}",
        "requester_key": "U-000000001",
        "reopen_count": 0,
        "is_escalated": False,
        **plain,
        "modified_at": modified_at,
        **values,
    }


def set_clock(directory: Path, now: datetime) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "clock.json").write_text(json.dumps({"now": now.isoformat()}), encoding="utf-8")


def make_sandbox(directory: Path) -> Path:
    """In `directory`: five accounts (one changes tomorrow, one appears tomorrow), two contract lines, three tickets."""
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


class Waits:
    """A clock that only moves when something sleeps."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.time = 1000.0

    def sleep(self, seconds: float) -> None:
        self.seconds.append(seconds)
        self.time += seconds

    def monotonic(self) -> float:
        return self.time


Control = Callable[..., Any]


def control_of(base_url: str) -> Control:
    """`control("POST", "faults", {...})` against an emulator's `/_sandbox/`."""

    def call(method: str, name: str, body: Any = None) -> Any:
        response = httpx.request(method, f"{base_url}/_sandbox/{name}", json=body, trust_env=False)
        assert response.status_code == 200, response.text
        return response.json()

    return call
