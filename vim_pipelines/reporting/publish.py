"""The copy that people and BI tools read.

DuckDB lets one process hold a file, so a forgotten dashboard would stop the night and the night would break the dashboard.
Readers get a file of their own, written beside and swapped in: a reader that has the old one open keeps reading it.
Only the schema `marts` goes in: no raw rows, no prompts, no drafts' facts.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

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

    The DuckDB file has storage version v1.0.0, so that DuckDB 1.x readers open it. Snowflake readers use the schema `marts`
    through a reader role (docs/how-to/snowflake.md), so nothing is copied there.
    """
    if not isinstance(warehouse, DuckDBWarehouse):
        return Published(path=None)
    directory.mkdir(parents=True, exist_ok=True)
    parquet = directory / "parquet"
    parquet.mkdir(exist_ok=True)
    new_file = directory / f".{PUBLISHED_NAME}.{os.getpid()}.tmp"
    new_file.unlink(missing_ok=True)
    rows: dict[str, int] = {}
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
                _publish_parquet(session, mart, parquet)
        _swap(new_file, directory / PUBLISHED_NAME)
    finally:
        new_file.unlink(missing_ok=True)
    for stale in parquet.glob("*.parquet"):
        if stale.stem not in rows:
            stale.unlink()
    return Published(path=directory / PUBLISHED_NAME, rows_by_mart=rows)


def _publish_parquet(session: Session, mart: str, directory: Path) -> None:
    new_file = directory / f".{mart}.{os.getpid()}.tmp"
    try:
        session.execute(f"copy marts.{mart} to '{_quoted(new_file)}' (format parquet)")
        _swap(new_file, directory / f"{mart}.parquet")
    finally:
        new_file.unlink(missing_ok=True)


def _swap(new_file: Path, target: Path) -> None:
    with new_file.open("rb") as handle:
        os.fsync(handle.fileno())
    new_file.replace(target)


def _quoted(path: Path) -> str:
    return str(path.resolve()).replace("'", "''")
