"""The default warehouse: one DuckDB file under the home folder.

Two traps are handled here and nowhere else. DuckDB 2.0 writes files that older readers refuse, so a new file is always made
with storage version v1.0.0 (DuckDB keeps the version when it writes later). One process at a time may hold the file, so a
lock becomes an error that names the holder.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vim_pipelines.core.errors import VimError
from vim_pipelines.warehouse.base import SCHEMAS, Session, Warehouse

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

STORAGE_VERSION = "v1.0.0"


class DuckDBSession(Session):
    """A session over a duckdb connection; `connection` is there for what the interface does not cover (Arrow, COPY)."""

    dialect = "duckdb"

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        self.connection.execute(sql, list(parameters))

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> pd.DataFrame:
        frame = self.connection.execute(sql, list(parameters)).df()
        frame.columns = [column.lower() for column in frame.columns]
        return frame

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        cursor = self.connection.execute(sql, list(parameters))
        names = [column[0].lower() for column in cursor.description or []]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def append(self, table: str, frame: pd.DataFrame) -> int:
        names = ", ".join(frame.columns)
        self.connection.register("frame_to_append", frame)
        try:
            self.connection.execute(f"insert into {table} ({names}) select {names} from frame_to_append")
        finally:
            self.connection.unregister("frame_to_append")
        return len(frame)

    def load_parquet(self, table: str, files: Sequence[Path], select: str, parameters: Sequence[Any] = ()) -> int:
        if not files:
            return 0
        listed = ", ".join("'" + str(path).replace("'", "''") + "'" for path in files)
        source = f"read_parquet([{listed}], filename = true, union_by_name = true, hive_partitioning = false)"
        names = [row[0] for row in self.connection.execute(f"with source as (from {source} limit 0) {select} limit 0", list(parameters)).description or []]
        cursor = self.connection.execute(f"insert into {table} ({', '.join(names)}) with source as (from {source}) {select}", list(parameters))
        counted = cursor.fetchone()
        return int(counted[0]) if counted else 0

    def table_exists(self, table: str) -> bool:
        schema, name = table.split(".")
        found = self.connection.execute("select 1 from information_schema.tables where table_schema = ? and table_name = ?", [schema, name]).fetchone()
        return found is not None

    def column_names(self, table: str) -> set[str]:
        schema, name = table.split(".")
        found = self.connection.execute(
            "select column_name from information_schema.columns where table_catalog = current_database() and table_schema = ? and table_name = ?",
            [schema, name],
        ).fetchall()
        return {row[0].lower() for row in found}


class DuckDBWarehouse(Warehouse):
    """A DuckDB file at `path`, made on first use.

    `memory_limit` bounds DuckDB's buffers (the process has some 300 MB of Python and dbt beside them); a query that needs more
    spills to `<path>.tmp`. Without it DuckDB takes four fifths of the machine, which a laptop with a browser open does not have.
    The number of threads is DuckDB's own choice: one a core.
    """

    dialect = "duckdb"

    def __init__(self, path: Path, *, memory_limit: str | None = None) -> None:
        self.path = path
        self.memory_limit = memory_limit

    @contextmanager
    def session(self, *, read_only: bool = False) -> Iterator[DuckDBSession]:
        with self._transaction(read_only and self.path.exists()) as session:
            if not read_only:
                for schema in SCHEMAS:
                    session.execute(f"create schema if not exists {schema}")
            yield session

    @contextmanager
    def reading(self, other: Path) -> Iterator[DuckDBSession]:
        """A session on this file, without our schemas, that can read the DuckDB file `other` under the catalog name `source`."""
        with self._transaction(False, attach=other) as session:
            yield session

    @contextmanager
    def whole_copy(self, other: Path) -> Iterator[tuple[int, int]]:
        """Copy every schema, table and view of the DuckDB file `other` into this new file; yields the rows of all tables, there and here."""
        connection = self._connect(False)
        try:
            with _translating(other):
                connection.execute(f"attach '{str(other.resolve()).replace(chr(39), chr(39) * 2)}' as source (read_only)")
            here = connection.execute("select current_database()").fetchall()[0][0]
            connection.execute(f'copy from database source to "{here}"')
            counts = []
            for catalog in ("source", here):
                tables = connection.execute("select schema_name, table_name from duckdb_tables() where database_name = ?", [catalog]).fetchall()
                counts.append(sum(_count(connection, f'"{catalog}"."{schema}"."{table}"') for schema, table in tables))
            yield counts[0], counts[1]
        finally:
            connection.close()

    @contextmanager
    def _transaction(self, read_only: bool, attach: Path | None = None) -> Iterator[DuckDBSession]:
        connection = self._connect(read_only)
        try:
            connection.execute("set TimeZone = 'UTC'")
            if attach is not None:
                with _translating(attach):
                    connection.execute(f"attach '{str(attach.resolve()).replace(chr(39), chr(39) * 2)}' as source (read_only)")
            connection.begin()
            try:
                yield DuckDBSession(connection)
            except BaseException:
                connection.rollback()
                raise
            connection.commit()
        finally:
            connection.close()

    def dbt_profile(self) -> dict[str, Any]:
        limit = {"config_options": {"memory_limit": self.memory_limit}} if self.memory_limit else {}
        return {"type": "duckdb", "path": str(self.path.resolve()), "schema": "base", "threads": 1, "settings": {"TimeZone": "UTC"}, **limit}

    def _connect(self, read_only: bool) -> duckdb.DuckDBPyConnection:
        import duckdb

        self.path.parent.mkdir(parents=True, exist_ok=True)
        config: dict[str, str | bool | int | float | list[str]] = {"storage_compatibility_version": STORAGE_VERSION}
        if self.memory_limit:
            config["memory_limit"] = self.memory_limit
        with _translating(self.path):
            return duckdb.connect(str(self.path), read_only=read_only, config=config)


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    row = connection.execute(f"select count(*) from {table}").fetchone()
    return int(row[0]) if row else 0


@contextmanager
def _translating(path: Path) -> Iterator[None]:
    import duckdb

    try:
        yield
    except duckdb.IOException as error:
        raise _translated(path, str(error)) from None


def _translated(path: Path, message: str) -> VimError:
    if "lock" not in message.lower():
        return VimError(
            "VIM-E021",
            f"The warehouse {path} cannot be opened",
            why=message.splitlines()[0],
            fix="Check the path, its rights and the free space, or set VIMOTION_HOME",
        )
    holder = re.search(r"held in (?P<program>.*?) ?\(PID (?P<pid>\d+)\)", message)
    who = f"Another program ({Path(holder['program']).name}, PID {holder['pid']})" if holder else "Another program"
    return VimError(
        "VIM-E020",
        f"The warehouse {path} is locked",
        why=f"{who} holds the file, and DuckDB lets one process at a time in",
        fix="Close that program, or let it read the published copy (published/vim.duckdb) instead, then start again",
    )
