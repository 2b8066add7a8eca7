"""Signals and lifecycle on the Snowflake emulator, through the real connector, row by row as on DuckDB.

fakesnow runs on DuckDB: this proves the SQL as Snowflake is asked it and the way of the values, not Snowflake's arithmetic.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from planted_portfolio import AS_OF, Planted

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "dbt"))

from fakesnow_shims import emulator

from vim_pipelines.core.errors import VimError
from vim_pipelines.evaluation.parity import compare, summary
from vim_pipelines.lifecycle import tables as lifecycle
from vim_pipelines.lifecycle.run import fold_states
from vim_pipelines.settings import Settings
from vim_pipelines.signals import tables as signals
from vim_pipelines.signals.run import compute_signals
from vim_pipelines.warehouse import Session, Warehouse, open_warehouse

COMPUTED = (*signals.TABLES, *lifecycle.TABLES)


@pytest.fixture(scope="module")
def snowflake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    folder = tmp_path_factory.mktemp("signals-snowflake")
    with emulator(folder) as reach:
        yield open_warehouse(Settings(home=folder, **reach))


def base_tables(session: Session) -> list[str]:
    """Every base table and seed, whatever the steps read of them; views (staging) and usage of single users' days aside."""
    rows = session.rows("select table_name as n from information_schema.tables where table_schema = 'base' and table_type = 'BASE TABLE' order by 1")
    return [row["n"] for row in rows]


def copy_base(planted: Planted, target: Warehouse, folder: Path) -> None:
    """The base tables of a few accounts, as DuckDB has them, through Parquet files into the other warehouse."""
    from vim_pipelines.warehouse.duckdb import DuckDBSession

    keep = "account_key in (select account_key from base.int_accounts order by account_key limit 12)"
    with planted.warehouse.session() as session:
        assert isinstance(session, DuckDBSession)
        described: dict[str, list[tuple[str, str]]] = {}
        for schema, table in [*(("base", name) for name in base_tables(session)), ("raw", "contract_lines"), ("raw", "entity_coverage")]:
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
        with warehouse.session() as session:
            found[warehouse.dialect] = {name: session.rows(f"select * from computed.{name}") for name in COMPUTED}
    for name in COMPUTED:
        differences = compare(name, (), found["duckdb"][name], found["snowflake"][name])
        assert not differences, summary(differences)
        assert found["duckdb"][name], name


def test_a_table_made_after_rows_were_written_is_an_error_and_the_rows_are_taken_back(snowflake: Warehouse) -> None:
    """Snowflake commits at every CREATE: the mirror of the store once made its tables one by one between its writes, and half of it would have stayed."""
    with snowflake.session() as session:
        session.ensure_table("computed.first_table", {"n": "bigint"})
    with pytest.raises(VimError, match=r"after rows were written.*create schema") as caught, snowflake.session() as session:
        session.execute("insert into computed.first_table values (1)")
        session.ensure_table("computed.second_table", {"n": "bigint"})
    assert caught.value.code == "VIM-E099"
    with snowflake.session(read_only=True) as session:
        assert session.scalar("select count(*) from computed.first_table") == 0
        assert not session.table_exists("computed.second_table")
