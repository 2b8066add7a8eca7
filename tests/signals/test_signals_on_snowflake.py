"""Signals and lifecycle on the Snowflake emulator, through the real connector, row by row as on DuckDB.

fakesnow runs on DuckDB: this proves the SQL as Snowflake is asked it and the way of the values, not Snowflake's arithmetic.
"""

from __future__ import annotations

import math
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from planted_portfolio import AS_OF, Planted

from vim_pipelines.lifecycle.run import fold_states
from vim_pipelines.settings import Settings
from vim_pipelines.signals.run import compute_signals
from vim_pipelines.warehouse import Session, Warehouse, open_warehouse

BASE = (
    "int_accounts", "int_account_weeks", "int_ticket_weeks", "int_ticket_load", "int_lifecycle_evidence", "int_contract_lines", "int_usage_daily",
    "product_features", "signal_thresholds", "stg_support__tickets", "stg_support__ticket_events", "stg_crm__contacts", "stg_crm__opportunities",
    "stg_crm__meetings", "stg_crm__ebrs",
    "int_usage_days",
)  # fmt: skip
COMPUTED = (
    "adoption_variance", "ticket_spikes", "account_scores", "risks", "health_evidence", "health_contributions", "requirements", "account_state",
    "phase_transitions", "lifecycle_evidence",
)  # fmt: skip


@pytest.fixture(scope="module")
def snowflake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    program = Path(sys.executable).with_name("fakesnow")
    if not program.exists():
        pytest.skip("fakesnow (extra 'test') is not installed")
    folder = tmp_path_factory.mktemp("signals-snowflake")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen([str(program), "-s", "-p", str(port), "-d", str(folder)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert server.poll() is None and time.monotonic() < deadline, "fakesnow did not start"
                time.sleep(0.2)
        yield open_warehouse(
            Settings(
                home=folder, warehouse="snowflake", snowflake_account="fakesnow", snowflake_user="fake", snowflake_password="snow", snowflake_database="VIM",
                snowflake_warehouse="WH", snowflake_host="localhost", snowflake_port=port, snowflake_protocol="http",
            )  # type: ignore[arg-type]
        )  # fmt: skip
    finally:
        server.terminate()
        server.wait(timeout=20)


def copy_base(planted: Planted, target: Warehouse, folder: Path) -> None:
    """The base tables of a few accounts, as DuckDB has them, through Parquet files into the other warehouse."""
    from vim_pipelines.warehouse.duckdb import DuckDBSession

    keep = "account_key in (select account_key from base.int_accounts order by account_key limit 12)"
    with planted.warehouse.session() as session:
        assert isinstance(session, DuckDBSession)
        described: dict[str, list[tuple[str, str]]] = {}
        for schema, table in [*(("base", name) for name in BASE), ("raw", "contract_lines"), ("raw", "entity_coverage")]:
            has_account = "account_key" in {row[0] for row in session.connection.execute(f"describe {schema}.{table}").fetchall()}
            where = f" where {keep}" if has_account else ""
            session.connection.execute(f"copy (select * from {schema}.{table}{where}) to '{folder / table}.parquet' (format parquet)")
            described[f"{schema}.{table}"] = [(row[0], row[1]) for row in session.connection.execute(f"describe {schema}.{table}").fetchall()]
    with target.session() as session:
        for name, columns in described.items():
            session.ensure_table(name, dict(columns))
        for name, columns in described.items():
            if len(columns) > 50:  # wider than the staging table of the Snowflake session
                insert_literals(session, name, columns, folder / f"{name.split('.')[1]}.parquet")
                continue
            select = ", ".join(f"cast({column} as {kind}) as {column}" for column, kind in columns)
            session.load_parquet(name, [folder / f"{name.split('.')[1]}.parquet"], f"select {select} from source")


def insert_literals(session: Session, table: str, columns: list[tuple[str, str]], file: Path) -> None:
    import pyarrow.parquet as pq

    def literal(value: Any, kind: str) -> str:
        text = "null" if value is None else "'" + str(value).replace("'", "''") + "'"
        return f"cast({text} as {kind})"

    for row in pq.read_table(file).to_pylist():
        values = ", ".join(literal(row[name], kind) for name, kind in columns)
        session.execute(f"insert into {table} ({', '.join(name for name, _ in columns)}) select {values}")


@pytest.mark.slow
def test_both_warehouses_compute_the_same_rows(planted: Planted, snowflake: Warehouse, tmp_path: Path) -> None:
    copy_base(planted, snowflake, tmp_path)
    local = open_warehouse(Settings(home=tmp_path / "local"))
    copy_base(planted, local, tmp_path)
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for warehouse in (local, snowflake):
        for _ in range(2):
            with warehouse.session() as session:
                compute_signals(session, AS_OF)
            with warehouse.session() as session:  # as in the night: tables are made before the first row of a session is written
                fold_states(session, [], AS_OF)
        with warehouse.session() as session:  # a second audit, so that the fold reads the first one back
            compute_signals(session, AS_OF + timedelta(days=1))
        with warehouse.session() as session:
            found[warehouse.dialect] = {name: session.rows(f"select * from computed.{name}") for name in COMPUTED}
    for name in COMPUTED:
        mine, other = (sorted(map(comparable, found[dialect][name]), key=repr) for dialect in ("duckdb", "snowflake"))
        assert other == mine, name
        assert mine


def comparable(row: dict[str, Any]) -> dict[str, Any]:
    """Floats to nine significant digits: the last bits may differ."""
    return {name: float(f"{value:.9g}") if isinstance(value, float) and math.isfinite(value) else value for name, value in row.items()}
