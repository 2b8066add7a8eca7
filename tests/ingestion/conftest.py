"""Small real files, a real DuckDB warehouse, and the sandbox's emulators over the wire."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from vim_pipelines.ingestion.ingest import IngestReport, ingest
from vim_pipelines.portfolio.file import load_portfolio
from vim_pipelines.settings import Settings, load_settings
from vim_pipelines.warehouse import open_warehouse

AS_OF = date(2026, 6, 28)
NIGHT = datetime(2026, 6, 29, 6)

FILES_PORTFOLIO = """\
name: tables
currency: USD
data_dir: data
sources:
  tables: {kind: csv, path: "${data_dir}"}
  events: {kind: csv, path: "${data_dir}/events"}
entities:
  account:
    source: tables
    path: accounts.csv
    history: snapshot
    fields: {account_key: id, account_name: name, arr_amount: arr, currency: {constant: USD}}
  contract_line:
    source: tables
    path: contracts.csv
    known_at: changed
    fields:
      contract_line_key: id
      account_key: account
      product: product
      seats: seats
      net_unit_price_annual: {field: total, divide_by_field: seats}
      currency: currency
      start_date: {field: starts, format: "%d/%m/%Y"}
      status: {field: state, map: {live: active, dead: terminated}}
  license_assignment:
    source: tables
    path: licences.csv
    history: snapshot
    fields: {assignment_key: id, account_key: account, user_key: user, product: product}
  usage_event:
    source: events
    path: "*.csv"
    fields:
      event_id: id
      account_key: account
      user_key: user
      product: {constant: core}
      feature: {field: feature, lower: true}
      occurred_at: happened
      recorded_at: arrived
"""
TABLES = {
    "accounts.csv": "id,name,arr\nA1,Alder,1000.10\nA2,Birch,\n",
    "contracts.csv": "id,account,product,seats,total,currency,starts,state,changed\n"
    "C1,A1,core,10,3000,USD,01/02/2026,live,2026-02-01T08:00:00Z\n"
    "C2,A2,core,0,500,USD,15/03/2026,live,2026-03-15T08:00:00+02:00\n",
    "licences.csv": "id,account,user,product\nL1,A1,U1,core\nL2,A1,U9,core\nL3,A2,U9,core\n",
    "events/use_2026-06-27.csv": "id,account,user,feature,happened,arrived\n"
    "E1,A1,U1,Boards,2026-06-27T10:00:00-07:00,2026-06-27T18:00:00Z\n"
    "E2,,U1,Boards,2026-06-27T11:00:00Z,2026-06-27T18:00:00Z\n"
    "E3,,U9,Boards,2026-06-27T12:00:00Z,2026-06-27T18:00:00Z\n"
    "E4,A2,,Boards,2026-06-29T12:00:00Z,2026-06-27T18:00:00Z\n"
    ",A2,U2,Boards,2026-06-27T12:00:00Z,2026-06-27T18:00:00Z\n",
    "events/use_2026-06-29.csv": "id,account,user,feature,happened,arrived\nE9,A1,U1,Boards,2026-06-29T01:00:00Z,2026-06-29T02:00:00Z\n",
}


class Desk:
    """A portfolio of small CSV files and its warehouse."""

    def __init__(self, folder: Path, portfolio: str = FILES_PORTFOLIO) -> None:
        self.folder = folder
        self.settings = load_settings(home=folder / "home")
        self.file = folder / "portfolio.yaml"
        self.file.write_text(portfolio)
        for name, text in TABLES.items():
            self.write(name, text)

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.folder / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def ingest(self, as_of: date = AS_OF, captured_at: datetime = NIGHT) -> IngestReport:
        return ingest(self.settings, load_portfolio(self.file, self.settings), as_of, captured_at)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        with open_warehouse(self.settings).session(read_only=True) as session:
            return session.rows(sql)

    def fingerprint(self) -> dict[str, str]:
        return fingerprint(self.settings)


def fingerprint(settings: Settings) -> dict[str, str]:
    """A checksum of every table of the warehouse; nothing if there is no warehouse."""
    if not settings.warehouse_path.exists():
        return {}
    with open_warehouse(settings).session(read_only=True) as session:
        tables = session.rows("select table_schema, table_name from information_schema.tables where table_type = 'BASE TABLE' order by all")
        sums = {}
        for table in tables:
            name = f"{table['table_schema']}.{table['table_name']}"
            row = session.rows(
                f"select count(*) as n, coalesce(sum(cast(hash(t) as hugeint)), 0) as total, coalesce(bit_xor(hash(t)), 0) as mixed from {name} as t"
            )[0]
            sums[name] = f"{row['n']} {row['total']} {row['mixed']}"
        return sums


class Sandbox:
    """The running sandbox: its settings, its emulators, and a night's ingestion."""

    def __init__(self, settings: Settings, running: Any) -> None:
        self.settings, self.running = settings, running

    def next_day(self) -> datetime:
        """Move the sandbox's clock one day on; returns its new now."""
        from vim_pipelines.sandbox.simulator.files import advance

        return advance(self.settings.sandbox_dir)

    def fault(self, vendor: str, **plan: Any) -> None:
        """Plan a fault of an emulator (`vim_pipelines/sandbox/emulators/faults.py`)."""
        import httpx

        httpx.post(f"{self.running.url(vendor)}/_sandbox/faults", json=plan, trust_env=False).raise_for_status()

    def fingerprint(self) -> dict[str, str]:
        return fingerprint(self.settings)

    def ingest(self, as_of: date = AS_OF, captured_at: datetime = NIGHT, settings: Settings | None = None) -> IngestReport:
        settings = settings or self.settings
        return ingest(settings, load_portfolio(None, settings), as_of, captured_at)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        with open_warehouse(self.settings).session(read_only=True) as session:
            return session.rows(sql)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture(scope="session")
def sandbox_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small simulated vendor, revealed up to the sandbox's today."""
    from vim_pipelines.sandbox.emulators.run import start_emulators
    from vim_pipelines.sandbox.simulator.files import write_sandbox
    from vim_pipelines.sandbox.simulator.generate import simulate

    folder = tmp_path_factory.mktemp("sandbox")
    write_sandbox(simulate(accounts=20, weeks=40), folder)
    for kind in ("telemetry", "landing/usage_events"):
        for old in sorted((folder / kind).glob("recorded_date=202[0-6]-0[1-5]*")) + sorted((folder / kind).glob("recorded_date=2025*")):
            old.unlink()  # a month of telemetry shows what a year does
    with start_emulators(folder):
        pass  # seeds their state once for all tests
    return folder


@contextmanager
def serving(home: Path) -> Iterator[Sandbox]:
    """The sandbox of a home, its emulators running."""
    from vim_pipelines.sandbox.emulators.run import start_emulators

    settings = load_settings(home=home)
    with start_emulators(settings.sandbox_dir) as running:
        yield Sandbox(running.settings(settings), running)


@pytest.fixture
def sandbox(sandbox_files: Path, tmp_path: Path) -> Iterator[Sandbox]:
    """A fresh home whose sandbox is a copy of the simulated vendor, with the emulators running."""
    shutil.copytree(sandbox_files, load_settings(home=tmp_path / "home").sandbox_dir)
    with serving(tmp_path / "home") as found:
        yield found


@pytest.fixture(scope="session")
def first_night(sandbox_files: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, IngestReport]:
    """A home whose first night was read, and that night's report: nobody works in it."""
    home = tmp_path_factory.mktemp("first-night") / "home"
    shutil.copytree(sandbox_files, load_settings(home=home).sandbox_dir)
    with serving(home) as found:
        return home, found.ingest()


@pytest.fixture
def read_sandbox(first_night: tuple[Path, IngestReport], tmp_path: Path) -> Iterator[Sandbox]:
    """As `sandbox`, the first night read: a copy is a tenth of the night."""
    shutil.copytree(first_night[0], tmp_path / "home")
    with serving(tmp_path / "home") as found:
        yield found
