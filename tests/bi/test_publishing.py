"""The published copy: only marts, readable by older DuckDBs, swapped while others read, whole after a kill."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from vim_pipelines.core.errors import VimError
from vim_pipelines.reporting.publish import PUBLISHED_NAME, publish
from vim_pipelines.warehouse.duckdb import DuckDBWarehouse

#: Storage version numbers of DuckDB ("Storage Versions and Format" in its documentation): 64 is v0.9.0 to v1.1.3, the format of v1.0.0.
V1_0_0 = 64

READER = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1], read_only=True)
for _ in sys.stdin:
    print(connection.execute("select night, count(*) from marts.fct_nights group by night").fetchall(), flush=True)
"""


@pytest.fixture
def warehouse(tmp_path):
    """A working file with a mart, a view, and things that must not leave the house."""
    warehouse = DuckDBWarehouse(tmp_path / "warehouse.duckdb")
    with warehouse.session() as session:
        session.execute("create table marts.fct_nights as select 1 as night, range as row_number from range(1000)")
        session.execute("create view marts.fct_nights_current as select * from marts.fct_nights where night = (select max(night) from marts.fct_nights)")
        session.execute("comment on table marts.fct_nights is 'It''s the nights; one row each.'")
        session.execute("comment on column marts.fct_nights.night is 'Number of the night, it''s \"1\" first.'")
        session.execute("comment on view marts.fct_nights_current is 'The newest.'")
        session.execute("comment on column marts.fct_nights_current.row_number is 'Number of the row.'")
        for schema in ("raw", "base", "computed", "ops"):
            session.execute(f"create table {schema}.private as select 'Sam' as name")
    return warehouse


def read(path: Path, sql: str) -> list[tuple]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def next_night(warehouse) -> None:
    with warehouse.session() as session:
        session.execute("update marts.fct_nights set night = 2")


def test_marts_and_nothing_else_are_published(warehouse, tmp_path) -> None:
    copy = publish(warehouse, tmp_path / "published")
    tables = read(copy.path, "select schema_name, table_name from duckdb_tables() where not internal order by 2")
    assert tables == [("marts", "fct_nights"), ("marts", "fct_nights_current")]
    assert read(copy.path, "select count(*) from duckdb_views() where not internal") == [(0,)]  # a view would need the tables of the night
    assert copy.rows_by_mart == {"fct_nights": 1000, "fct_nights_current": 1000}
    assert sorted(path.name for path in (tmp_path / "published").rglob("*") if path.is_file()) == [
        "fct_nights.parquet", "fct_nights_current.parquet", PUBLISHED_NAME
    ]  # fmt: skip
    assert duckdb.sql(f"select count(*) from '{tmp_path}/published/parquet/fct_nights.parquet'").fetchall() == [(1000,)]


def test_the_file_has_the_storage_version_that_old_readers_open(warehouse, tmp_path) -> None:
    """DuckDB 2.0 writes a format that 1.x refuses; the JavaScript drivers of BI tools are 1.x."""
    header = publish(warehouse, tmp_path / "published").path.read_bytes()[:20]
    assert header[8:12] == b"DUCK"
    assert struct.unpack("<Q", header[12:20]) == (V1_0_0,)


def test_descriptions_travel_with_tables_and_with_views_that_became_tables(warehouse, tmp_path) -> None:
    path = publish(warehouse, tmp_path / "published").path
    assert read(path, "select table_name, comment from duckdb_tables() where not internal order by 1") == [
        ("fct_nights", "It's the nights; one row each."), ("fct_nights_current", "The newest.")
    ]  # fmt: skip
    commented = dict(read(path, "select table_name || '.' || column_name, comment from duckdb_columns() where comment is not null"))
    assert commented == {"fct_nights.night": 'Number of the night, it\'s "1" first.', "fct_nights_current.row_number": "Number of the row."}


def test_a_reader_keeps_his_night_and_the_next_one_sees_the_new(warehouse, tmp_path) -> None:
    """A dashboard that holds the file open all night, in a process of its own, neither stops the publisher nor sees half a file."""
    path = publish(warehouse, tmp_path / "published").path

    def reader() -> subprocess.Popen:
        return subprocess.Popen([sys.executable, "-c", READER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(process) -> str:
        process.stdin.write("\n")
        process.stdin.flush()
        return process.stdout.readline().strip()

    early = reader()
    try:
        assert ask(early) == "[(1, 1000)]"
        next_night(warehouse)
        publish(warehouse, tmp_path / "published")
        assert ask(early) == "[(1, 1000)]"
        late = reader()
        assert ask(late) == "[(2, 1000)]"
        assert ask(early) == "[(1, 1000)]"
        late.communicate(timeout=30)
    finally:
        early.communicate(timeout=30)


#: Publishes, and stops just before the copy is swapped in, when everything is written.
HALF_WAY = """
import sys, time
from pathlib import Path
from vim_pipelines.reporting import publish as module
from vim_pipelines.warehouse.duckdb import DuckDBWarehouse
def stop(path):
    print("written", flush=True)
    time.sleep(600)
module._flush = stop
module.publish(DuckDBWarehouse(Path(sys.argv[1])), Path(sys.argv[2]))
"""


def test_a_publisher_that_is_killed_leaves_the_old_copy_whole_and_the_next_one_clears_up(warehouse, tmp_path) -> None:
    folder = tmp_path / "published"
    path = publish(warehouse, folder).path
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    next_night(warehouse)
    publisher = subprocess.Popen([sys.executable, "-c", HALF_WAY, str(warehouse.path), str(folder)], stdout=subprocess.PIPE, text=True)
    assert publisher.stdout.readline().strip() == "written"
    os.kill(publisher.pid, signal.SIGKILL)
    publisher.communicate(timeout=30)
    left = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    assert {file: left[file] for file in before} == before
    assert len(left) == len(before) + 3, "the half-written files lie beside it, under names that no reader opens"
    assert read(path, "select distinct night from marts.fct_nights") == [(1,)]
    publish(warehouse, folder)
    assert read(path, "select distinct night from marts.fct_nights") == [(2,)]
    assert {file for file in folder.rglob("*") if file.is_file()} == set(before)


def test_a_publisher_that_fails_leaves_the_old_copy_and_no_rest(warehouse, tmp_path) -> None:
    folder = tmp_path / "published"
    publish(warehouse, folder)
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    with warehouse.session() as session:
        session.execute("create view marts.fct_broken as select 1 / cast('x' as integer) as one")
    with pytest.raises(duckdb.ConversionException):
        publish(warehouse, folder)
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before


def test_a_mart_that_is_gone_takes_its_parquet_with_it(warehouse, tmp_path) -> None:
    publish(warehouse, tmp_path / "published")
    with warehouse.session() as session:
        session.execute("drop view marts.fct_nights_current")
    copy = publish(warehouse, tmp_path / "published")
    assert set(copy.rows_by_mart) == {"fct_nights"}
    assert [path.stem for path in (tmp_path / "published" / "parquet").iterdir()] == ["fct_nights"]


def test_a_working_file_that_somebody_holds_is_named_with_its_holder(warehouse, tmp_path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", "import sys, duckdb; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()", str(warehouse.path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert holder.stdout.readline().strip() == "held"
        started = time.monotonic()
        with pytest.raises(VimError, match=rf"VIM-E020.*PID {holder.pid}"):
            publish(warehouse, tmp_path / "published")
        assert time.monotonic() - started < 20
    finally:
        holder.communicate(timeout=30)
