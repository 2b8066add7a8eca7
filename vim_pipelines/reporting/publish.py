"""The copy that people and BI tools read.

DuckDB lets one process hold a file, so a forgotten dashboard would stop the night and the night would break the dashboard.
Readers get a file of their own, written beside and swapped in: a reader that has the old one open keeps reading it.
Only the schema `marts` goes in: no raw rows, no prompts, no drafts' facts. What a table and a column mean goes with them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vim_pipelines.warehouse.duckdb import DuckDBWarehouse

if TYPE_CHECKING:
    from vim_pipelines.warehouse import Session, Warehouse

PUBLISHED_NAME = "vim.duckdb"


@dataclass(frozen=True)
class Published:
    """What was published: the file, and rows per mart. `path` is None where readers query the warehouse itself (Snowflake)."""

    path: Path | None
    rows_by_mart: dict[str, int] = field(default_factory=dict)


def publish(warehouse: Warehouse, directory: Path) -> Published:
    """Write every table and view of `marts` to `directory/vim.duckdb` and `directory/parquet/<mart>.parquet`, each swapped in atomically.

    Nothing is swapped before everything is written: a publisher that is killed on the way leaves yesterday's file and yesterday's Parquet. The DuckDB file has storage version v1.0.0, so that DuckDB 1.x readers open it. On Snowflake nothing is copied: readers use the
    schema `marts` through the reader role, whose rights are given anew and looked over (reporting/reader_role.py).
    """
    if not isinstance(warehouse, DuckDBWarehouse):
        from vim_pipelines.reporting.reader_role import refresh_reader_role

        refresh_reader_role(warehouse)
        return Published(path=None)
    directory.mkdir(parents=True, exist_ok=True)
    parquet = directory / "parquet"
    parquet.mkdir(exist_ok=True)
    _clear_away(directory, parquet)
    new_file = directory / f".{PUBLISHED_NAME}.{os.getpid()}.tmp"
    rows: dict[str, int] = {}
    written = {new_file: directory / PUBLISHED_NAME}
    try:
        with DuckDBWarehouse(new_file, memory_limit=warehouse.memory_limit).reading(warehouse.path) as session:
            marts = [
                row["table_name"]
                for row in session.rows(
                    "select table_name from information_schema.tables where table_catalog = 'source' and table_schema = 'marts' order by table_name"
                )
            ]
            session.execute("create schema marts")
            for mart in marts:
                session.execute(f"create table marts.{mart} as select * from source.marts.{mart}")
                rows[mart] = int(session.scalar(f"select count(*) from marts.{mart}"))
                new_parquet = parquet / f".{mart}.{os.getpid()}.tmp"
                written[new_parquet] = parquet / f"{mart}.parquet"
                session.execute(f"copy marts.{mart} to {_text(new_parquet.resolve())} (format parquet)")
            for statement in _comments(session, set(marts)):
                session.execute(statement)
        for path in written:
            _flush(path)
        for path, target in written.items():
            path.replace(target)
    finally:
        for path in written:
            path.unlink(missing_ok=True)
    for stale in parquet.glob("*.parquet"):
        if stale.stem not in rows:
            stale.unlink()
    return Published(path=directory / PUBLISHED_NAME, rows_by_mart=rows)


def _clear_away(*folders: Path) -> None:
    """Half-written files of publishers that were killed. One that is still writing keeps its own: its process is alive."""
    for folder in folders:
        for path in folder.glob(".*.tmp*"):
            owner = path.name.split(".tmp")[0].rsplit(".", 1)[-1]
            if not owner.isdigit() or int(owner) == os.getpid() or not _is_alive(int(owner)):
                path.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _comments(session: Session, marts: set[str]) -> Iterator[str]:
    """The descriptions that dbt left in the working file, as statements for the copy, whose views are tables."""
    of_marts = "database_name = 'source' and schema_name = 'marts' and comment is not null"
    for kind in ("table", "view"):
        for row in session.rows(f"select {kind}_name as name, comment from duckdb_{kind}s() where {of_marts} order by 1"):
            if row["name"] in marts:
                yield f"comment on table marts.{row['name']} is {_text(row['comment'])}"
    for row in session.rows(f"select table_name, column_name, comment from duckdb_columns() where {of_marts} order by 1, 2"):
        if row["table_name"] in marts:
            yield f'comment on column marts.{row["table_name"]}."{row["column_name"]}" is {_text(row["comment"])}'


def _flush(path: Path) -> None:
    with path.open("rb") as handle:
        os.fsync(handle.fileno())


def _text(value: Any) -> str:
    """An SQL literal."""
    return "'" + str(value).replace("'", "''") + "'"
