"""`make parity-live` from end to end, with the emulator where the real account would be."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakesnow_shims import emulator

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # benchmarks/ stands beside the package and is not installed

from benchmarks import parity_live  # noqa: E402
from vim_pipelines.settings import Settings  # noqa: E402
from vim_pipelines.warehouse import open_warehouse  # noqa: E402


@pytest.fixture
def account(tmp_path: Path) -> Iterator[dict[str, Any]]:
    with emulator(tmp_path) as reach:
        yield {name: value for name, value in reach.items() if name not in ("warehouse", "snowflake_database")}


def tables(account: dict[str, Any], home: Path, database: str) -> set[str]:
    with open_warehouse(Settings(home=home, warehouse="snowflake", snowflake_database=database, **account)).session(read_only=True) as session:
        rows = session.rows("select table_schema as s, table_name as n from information_schema.tables where table_schema <> 'INFORMATION_SCHEMA'")
        return {f"{row['s']}.{row['n']}".lower() for row in rows}


def make_table(account: dict[str, Any], home: Path, database: str, table: str) -> None:
    with open_warehouse(Settings(home=home, warehouse="snowflake", snowflake_database=database, **account)).session(read_only=True) as session:
        session.execute(f"create schema if not exists {table.split('.')[0]}")
        session.execute(f"create table {table} (n bigint)")


def test_a_database_that_holds_a_table_is_refused_and_left_alone(account: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A production database named by mistake would lose its marts."""
    for database, table in (("PROD", "marts.fct_account_signals"), ("OTHER", "public.customers")):
        make_table(account, tmp_path, database, table)
        assert parity_live.main(["--database", database], **account) == 2
        said = capsys.readouterr().out
        assert "VIM-E021" in said and table in said and database in said
        assert tables(account, tmp_path, database) == {table}


def test_what_a_killed_run_left_behind_is_used_again_but_not_beside_other_tables(account: dict[str, Any], tmp_path: Path) -> None:
    make_table(account, tmp_path, "LEFTOVER", parity_live.MARKER)
    warehouse = open_warehouse(Settings(home=tmp_path, warehouse="snowflake", snowflake_database="LEFTOVER", **account))
    parity_live.refuse_unless_empty(warehouse, "LEFTOVER")
    with parity_live.scratch(warehouse, "LEFTOVER", keep=False):
        assert parity_live.MARKER in tables(account, tmp_path, "LEFTOVER")
    assert tables(account, tmp_path, "LEFTOVER") == set()
    make_table(account, tmp_path, "LEFTOVER", parity_live.MARKER)
    make_table(account, tmp_path, "LEFTOVER", "public.customers")
    with pytest.raises(Exception, match="public.customers"):
        parity_live.refuse_unless_empty(warehouse, "LEFTOVER")


@pytest.mark.slow
def test_the_whole_comparison_runs_and_cleans_up(account: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = parity_live.main(["--database", "SCRATCH", "--accounts", "20", "--weeks", "40", "--nights", "1"], **account)
    said = capsys.readouterr().out
    assert status == 0, said
    assert "Both warehouses hold the same rows." in said and "marts.fct_license_waste" in said
    assert tables(account, tmp_path, "SCRATCH") == set()
