"""What the Python steps ask of a Snowflake session: tables first, then rows, all or nothing.

That signals and lifecycle compute the same rows on both warehouses is part of tests/dbt/test_dbt_on_snowflake.py, which runs them on base
models that each warehouse built itself and compares schema `computed` beside the marts.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "dbt"))

from fakesnow_shims import emulator

from vim_pipelines.core.errors import VimError
from vim_pipelines.lifecycle import tables as lifecycle
from vim_pipelines.settings import Settings
from vim_pipelines.signals import tables as signals
from vim_pipelines.warehouse import Warehouse, open_warehouse


@pytest.fixture(scope="module")
def snowflake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    folder = tmp_path_factory.mktemp("signals-snowflake")
    with emulator(folder) as reach:
        yield open_warehouse(Settings(home=folder, **reach))


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


def test_signals_and_lifecycle_cannot_share_a_session(snowflake: Warehouse) -> None:
    """Each makes its tables before its first row; in one session the second would make them after the first one's rows."""
    with snowflake.session() as session:
        signals.ensure_computed_tables(session)
    with pytest.raises(VimError, match="VIM-E099"), snowflake.session() as session:
        session.execute("insert into computed.risks (account_key, as_of_date) values ('a', ?)", [date(2026, 6, 28)])
        lifecycle.ensure_computed_tables(session)
    with snowflake.session(read_only=True) as session:
        assert session.scalar("select count(*) from computed.risks") == 0


def test_a_table_of_an_earlier_version_gains_its_new_columns(snowflake: Warehouse) -> None:
    with snowflake.session() as session:
        session.ensure_table("computed.growing", {"n": "bigint"})
        session.execute("insert into computed.growing values (1)")
    with snowflake.session() as session:
        session.ensure_table("computed.growing", {"n": "bigint", "word": "varchar"})
        assert session.rows("select n, word from computed.growing") == [{"n": 1, "word": None}]
