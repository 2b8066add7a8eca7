"""A small warehouse filled by hand: every test says only what matters to it, the rest of a row has a sensible default."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from vim_pipelines.ingestion.tables import ensure_raw_tables
from vim_pipelines.lifecycle import tables as lifecycle
from vim_pipelines.portfolio.entities import ENTITIES, USAGE_EVENT_COLUMNS, VERSION_COLUMNS
from vim_pipelines.settings import Settings
from vim_pipelines.signals import tables as signals
from vim_pipelines.transform.project import project_dir, run_dbt, write_profile
from vim_pipelines.warehouse import Session, Warehouse, open_warehouse
from vim_pipelines.warehouse.base import chunks

AS_OF = date(2026, 6, 28)

DEFAULTS: dict[str, dict[str, Any]] = {
    "account": {"account_name": "Account", "currency": "USD", "segment": "mid_market", "tier": "tier_2", "arr_amount": 1000},
    "contract_line": {
        "product": "core", "seats": 10, "net_unit_price_annual": 100, "list_unit_price_annual": 120, "currency": "USD", "start_date": date(2025, 1, 1),
        "end_date": date(2027, 1, 1), "notice_days": 60, "auto_renew": True, "status": "active",
    },
    "ticket": {"priority": "P3", "status": "open"},
}  # fmt: skip


def as_day(value: date) -> datetime:
    return datetime(value.year, value.month, value.day)


@dataclass
class Portfolio:
    """Rows of the raw tables. Each `add` is one version; telemetry is one event per user and day."""

    settings: Settings
    warehouse: Warehouse
    _rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    _events: list[dict[str, Any]] = field(default_factory=list)
    _counter: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    load_number: int = 1
    not_fed: set[str] = field(default_factory=set)

    def add(self, entity: str, key: str, *, known_at: datetime | None = None, is_deleted: bool = False, **values: Any) -> None:
        """A version of a row; `known_at` defaults to long ago."""
        known = known_at or datetime(2020, 1, 1)
        row = DEFAULTS.get(entity, {}) | {ENTITIES[entity].key: key} | values
        number = next(self._counter)
        row |= {
            "source_name": "test", "source_modified_at": known, "known_at": known, "captured_at": known, "content_hash": f"hash-{number:06d}",
            "is_deleted": is_deleted, "load_id": f"load-{self.load_number}",
        }  # fmt: skip
        self._rows.setdefault(entity, []).append(row)

    def account(self, key: str, **values: Any) -> str:
        self.add("account", key, **({"account_name": key} | values))
        return key

    def line(self, key: str, account: str, **values: Any) -> str:
        self.add("contract_line", key, account_key=account, **values)
        return key

    def event(self, account: str | None, user: str | None, day: date, *, product: str | None = "core", feature: str = "projects", recorded: date | None = None,
              event_id: str | None = None) -> None:  # fmt: skip
        """One event at noon of `day`, recorded at 13:00 of `recorded` (the same day)."""
        self._events.append({
            "event_id": event_id or f"event-{next(self._counter):08d}", "account_key": account, "user_key": user, "product": product, "feature": feature,
            "event_name": feature, "occurred_at": as_day(day) + timedelta(hours=12), "recorded_at": as_day(recorded or day) + timedelta(hours=13),
            "source_name": "test", "source_file": "test.parquet", "load_number": self.load_number,
        })  # fmt: skip

    def weekly_users(self, account: str, counts: list[int], *, product: str = "core", last_week: date = date(2026, 6, 22), user_prefix: str = "") -> None:
        """`counts[-1]` users are active on the Wednesday of `last_week`, the one before in the week before, and so on; users are the same people each week."""
        for weeks_ago, count in enumerate(reversed(counts)):
            day = last_week + timedelta(days=2 - 7 * weeks_ago)
            for number in range(count):
                self.event(account, f"{account}-{user_prefix}user-{number}", day, product=product)

    def rate(self, currency: str, day: date, rate: Any) -> None:
        self.add("fx_rate", f"{currency}:{day}", currency=currency, rate_date=day, rate=rate)

    def ticket(self, key: str, account: str, opened: datetime, **values: Any) -> None:
        self.add("ticket", key, account_key=account, opened_at=opened, **values)

    def write(self) -> None:
        """Append what was added since the last call to the raw tables."""
        with self.warehouse.session() as session:
            create_tables(session)
            for entity, rows in self._rows.items():
                columns = [column.name for column in (*ENTITIES[entity].columns, *VERSION_COLUMNS)]
                insert(session, f"raw.{ENTITIES[entity].table}", columns, rows)
            insert(session, "raw.usage_events", [column.name for column in USAGE_EVENT_COLUMNS], self._events)
            session.execute("delete from raw.entity_coverage")
            coverage = [
                {"entity": name, "is_fed": name not in self.not_fed, "source_name": "test", "history": "versions", "last_captured_at": datetime(2026, 6, 29, 6)}
                for name in [*ENTITIES, "usage_event"]
            ]
            insert(session, "raw.entity_coverage", list(coverage[0]), coverage)
        self._rows, self._events = {}, []

    def build(self, *selections: str, as_of: date = AS_OF, currency: str = "USD", write: bool = True, **options: Any) -> None:
        """Write the rows and run dbt for `selections` (tags; default base and marts, in one run: half the start-up)."""
        if write:
            self.write()
        run_dbt(self.settings, [f"tag:{selection}" for selection in selections or ("base", "marts")], as_of, currency, **options)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        with self.warehouse.session(read_only=True) as session:
            return session.rows(sql)

    def row(self, sql: str) -> dict[str, Any]:
        found = self.rows(sql)
        assert len(found) == 1, f"{len(found)} rows from {sql}"
        return found[0]


def daily_marts() -> tuple[str, ...]:
    """Every mart that has a date and that nights write, read from the project's own descriptions: a new one is tested without being named."""
    import yaml

    models = [
        model
        for folder in sorted(path for path in (project_dir() / "models" / "marts").iterdir() if path.name not in ("current", "operations"))
        for file in sorted(folder.glob("*.yml"))
        for model in yaml.safe_load(file.read_text()).get("models") or []
    ]
    return tuple(
        model["name"]
        for model in models
        if any(column["name"] == "as_of_date" for column in model.get("columns", []))
        and model["name"] not in ("dim_accounts", "fct_account_weeks")  # of the newest date alone
    )


def create_tables(session: Session) -> None:
    """Every raw and computed table, empty, as ingestion and the Python steps make them."""
    ensure_raw_tables(session)
    signals.ensure_computed_tables(session)
    lifecycle.ensure_computed_tables(session)


def insert(session: Session, table: str, columns: list[str], rows: list[dict[str, Any]]) -> None:
    """Typed insert through a DataFrame of text: the warehouse casts, so that decimals stay exact."""
    if not rows:
        return
    import pandas as pd

    frame = pd.DataFrame([{name: row.get(name) for name in columns} for row in rows], columns=columns, dtype=object)
    text = frame.map(lambda value: None if value is None else str(value)).astype("string")
    if session.dialect == "duckdb":
        session.append(table, text)
        return
    # The emulator has no bulk load without shims (tests/house): plain inserts in slices.
    for part in chunks(list(text.itertuples(index=False, name=None)), 500):
        values = ", ".join("(" + ", ".join("null" if value is pd.NA else "'" + value.replace("'", "''") + "'" for value in row) + ")" for row in part)
        session.execute(f"insert into {table} ({', '.join(columns)}) select * from (values {values})")


@pytest.fixture(scope="session")
def parsed_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One home for all tests that empty the warehouse: dbt keeps its parsed project only while the profile stays the same."""
    return tmp_path_factory.mktemp("dbt-home")


@pytest.fixture
def portfolio(parsed_home: Path) -> Portfolio:
    """An empty portfolio; the warehouse of the test before is gone."""
    for path in parsed_home.glob("warehouse.duckdb*"):
        path.unlink()
    return make_portfolio(parsed_home)


def make_portfolio(home: Path, **options: Any) -> Portfolio:
    settings = Settings(home=home, **options)  # type: ignore[call-arg]
    warehouse = open_warehouse(settings)
    write_profile(settings, warehouse)
    return Portfolio(settings, warehouse)
