"""The warehouse's promises: a session is all or nothing, a lock names its holder, files stay readable for older DuckDBs."""

from __future__ import annotations

import subprocess
import sys

import duckdb
import pandas as pd
import pytest

from vim_pipelines.core.errors import VimError
from vim_pipelines.reporting.publish import publish
from vim_pipelines.settings import load_settings
from vim_pipelines.warehouse import open_warehouse
from vim_pipelines.warehouse.duckdb import DuckDBWarehouse


@pytest.fixture
def warehouse(tmp_path):
    return DuckDBWarehouse(tmp_path / "warehouse.duckdb")


def test_a_session_that_fails_leaves_the_warehouse_as_it_was(warehouse):
    with warehouse.session() as session:
        session.ensure_table("raw.numbers", {"n": "bigint"})
        session.execute("insert into raw.numbers values (1)")
    with pytest.raises(RuntimeError), warehouse.session() as session:
        session.execute("insert into raw.numbers values (2)")
        session.ensure_table("raw.others", {"n": "bigint"})
        raise RuntimeError("half-way")
    with warehouse.session(read_only=True) as session:
        assert session.rows("select n from raw.numbers") == [{"n": 1}]
        assert not session.table_exists("raw.others")


def test_a_table_of_an_earlier_version_gains_the_new_columns_and_keeps_its_rows(warehouse):
    """`create table if not exists` left the old table as it was, and the first insert of the new version failed."""
    with warehouse.session() as session:
        session.ensure_table("computed.x", {"n": "bigint"})
        session.execute("insert into computed.x values (1)")
    for _ in range(2):
        with warehouse.session() as session:
            session.ensure_table("computed.x", {"n": "bigint", "added": "double", "flag": "boolean"})
    with warehouse.session() as session:
        session.append("computed.x", pd.DataFrame({"n": [2], "added": [0.5], "flag": [True]}))
        assert session.rows("select n, added, flag from computed.x order by n") == [{"n": 1, "added": None, "flag": None}, {"n": 2, "added": 0.5, "flag": True}]
        assert session.column_names("computed.none") == set()


def test_a_partition_is_replaced_and_its_neighbour_is_not(warehouse):
    with warehouse.session() as session:
        session.ensure_table("computed.x", {"d": "varchar", "n": "bigint"})
        session.append("computed.x", pd.DataFrame({"n": [1, 2], "d": ["a", "b"]}))
        session.replace_partition("computed.x", pd.DataFrame({"d": ["a"], "n": [9]}), "d", "a")
        session.replace_partition("computed.x", pd.DataFrame({"d": ["a"], "n": [9]}), "d", "a")
        assert session.rows("select d, n from computed.x order by d") == [{"d": "a", "n": 9}, {"d": "b", "n": 2}]


def test_a_locked_file_names_the_program_that_holds_it(warehouse):
    """Users met 'IO Error: Could not set lock' and rebooted."""
    with warehouse.session():
        pass
    code = f"import duckdb, sys; c = duckdb.connect({str(warehouse.path)!r}); print('held', flush=True); sys.stdin.read()"
    holder = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline().strip() == "held"
        with pytest.raises(VimError, match=f"PID {holder.pid}") as caught, warehouse.session():
            pass
        assert caught.value.code == "VIM-E020"
    finally:
        holder.communicate("")


def test_a_file_that_is_no_database_is_an_error_not_a_crash(tmp_path):
    path = tmp_path / "warehouse.duckdb"
    path.write_text("this is a text file, and longer than a header would be " * 100)
    with pytest.raises(VimError) as caught, DuckDBWarehouse(path).session():
        pass
    assert caught.value.code == "VIM-E021"


def test_both_files_have_the_storage_version_that_older_readers_open(warehouse, tmp_path):
    """DuckDB 2.0's own default cannot be read by 1.x, which most BI tools carry."""
    with warehouse.session() as session:
        session.ensure_table("marts.a", {"n": "bigint"})
    copy = publish(warehouse, tmp_path / "published")
    for path in (warehouse.path, copy.path):
        with duckdb.connect(str(path), read_only=True) as connection:
            tags = connection.execute("select tags from duckdb_databases() where not internal").fetchone()[0]
        assert tags["storage_version"].startswith("v1.0.0")


def test_a_reader_keeps_its_copy_while_a_new_one_is_published(warehouse, tmp_path):
    with warehouse.session() as session:
        session.ensure_table("marts.a", {"n": "bigint"})
        session.ensure_table("raw.secret", {"n": "bigint"})
        session.execute("insert into marts.a values (1)")
        session.execute("create view marts.a_current as select n from marts.a")
    path = publish(warehouse, tmp_path / "published").path
    code = f"import duckdb, sys; c = duckdb.connect({str(path)!r}, read_only=True); print('open', flush=True); sys.stdin.readline(); print(c.execute('select n from marts.a').fetchall())"
    reader = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert reader.stdout.readline().strip() == "open"
    with warehouse.session() as session:
        session.execute("insert into marts.a values (2)")
    assert publish(warehouse, tmp_path / "published").rows_by_mart == {"a": 2, "a_current": 2}
    assert reader.communicate("\n")[0].strip() == "[(1,)]"
    with duckdb.connect(str(path), read_only=True) as connection:
        assert connection.execute("select count(*) from marts.a_current").fetchone() == (2,)
        assert connection.execute("select count(*) from information_schema.tables where table_schema = 'raw'").fetchone() == (0,)
    assert not list((tmp_path / "published").rglob("*.tmp"))


def test_the_memory_limit_reaches_sessions_and_dbt(tmp_path):
    """A first load of a year of telemetry took 13 of a laptop's 16 GB and the machine swapped until it was switched off."""
    settings = load_settings(home=tmp_path, duckdb_memory_limit="300MiB")
    warehouse = open_warehouse(settings)
    with warehouse.session() as session:
        assert session.scalar("select current_setting('memory_limit')") == "300.0 MiB"
    assert warehouse.dbt_profile()["config_options"] == {"memory_limit": "300MiB"}


def test_a_sort_larger_than_the_memory_limit_spills_and_succeeds(tmp_path):
    rows = 3_000_000
    with DuckDBWarehouse(tmp_path / "warehouse.duckdb", memory_limit="100MB").session() as session:
        session.execute(f"create table raw.numbers as select hash(n) as h, md5(n::varchar) as text from range({rows}) as t(n)")
        assert session.scalar("select count(*) from (select *, row_number() over (order by text) as place from raw.numbers) where place > 0") == rows


def test_a_memory_limit_without_a_unit_is_refused(tmp_path):
    with pytest.raises(VimError, match="VIMOTION_DUCKDB_MEMORY_LIMIT"):
        load_settings(home=tmp_path, duckdb_memory_limit="2")
