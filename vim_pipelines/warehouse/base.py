"""What the rest of the house may ask of a warehouse.

A session is one connection and one transaction: it commits when its block ends and rolls back when the block raises, so a
night that fails leaves the warehouse as it was. Open late, close early: DuckDB lets one process at a time hold the file, and
dbt is another process.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd

    from vim_pipelines.settings import Settings

Dialect = Literal["duckdb", "snowflake"]
Step = Literal["ingestion", "transform", "signals", "lifecycle", "operations", "other"]

#: The schemas of the warehouse, in the order in which the data flows through them.
SCHEMAS = ("raw", "base", "computed", "marts", "ops")
#: Values in the list of one query, of the warehouse or of the store: Snowflake takes at most 16,384, SQLite 32,766, and long lists are slow to plan.
KEYS_PER_QUERY = 500


@dataclass(frozen=True)
class Work:
    """What a warehouse is opened for. Snowflake shows it in its query history and may run it on a virtual warehouse of its own; DuckDB ignores it."""

    step: Step = "other"
    as_of: date | str | None = None
    run_id: str | None = None

    def tag(self) -> str:
        """A query tag: JSON with the keys app, step, as_of and run_id, those that are known."""
        named = {"app": "value-in-motion", "step": self.step, "as_of": self.as_of and str(self.as_of), "run_id": self.run_id}
        return json.dumps({name: value for name, value in named.items() if value}, sort_keys=True)


class Session(ABC):
    """One connection inside one transaction. Table names are `schema.table`, lower case; parameters are written `?`."""

    dialect: Dialect

    @abstractmethod
    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        """Run one statement."""

    @abstractmethod
    def query(self, sql: str, parameters: Sequence[Any] = ()) -> pd.DataFrame:
        """Result as a DataFrame with lower-case column names. Decimals arrive as floats: money that must be exact goes through `rows`."""

    @abstractmethod
    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Result as dictionaries of Python values (Decimal, date, datetime, None) with lower-case keys."""

    @abstractmethod
    def append(self, table: str, frame: pd.DataFrame) -> int:
        """Add the rows of `frame`, matched by column name, to an existing table; returns their number."""

    @abstractmethod
    def load_parquet(self, table: str, files: Sequence[Path], select: str, parameters: Sequence[Any] = ()) -> int:
        """Append `select` over the Parquet files, read by the warehouse's own reader; returns the number of rows added.

        `select` is a query over the relation `source` (all files, plus the column `filename`).
        """

    @abstractmethod
    def table_exists(self, table: str) -> bool:
        """Whether `schema.table` exists as a table or a view."""

    @abstractmethod
    def column_names(self, table: str) -> set[str]:
        """Names of the columns of `schema.table`, lower case; empty if there is no such table."""

    def ensure_table(self, table: str, columns: Mapping[str, str]) -> None:
        """Create `schema.table` with `columns` (name to SQL type), and its schema; to a table that exists, add the columns it lacks.

        A warehouse made by an earlier version keeps its rows: a new column is NULL in them. No column is dropped or changed.
        """
        schema = table.split(".")[0]
        self.execute(f"create schema if not exists {schema}")
        body = ", ".join(f"{name} {sql_type}" for name, sql_type in columns.items())
        self.execute(f"create table if not exists {table} ({body})")
        present = self.column_names(table)
        for name, sql_type in columns.items():
            if name.lower() not in present:
                self.execute(f"alter table {table} add column {name} {sql_type}")

    def replace_partition(self, table: str, frame: pd.DataFrame, column: str, value: Any) -> int:
        """Make the rows of `table` where `column = value` equal to `frame`; returns their number."""
        self.execute(f"delete from {table} where {column} = ?", [value])
        return self.append(table, frame) if len(frame) else 0

    def scalar(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        """First column of the first row, or None."""
        rows = self.rows(sql, parameters)
        return next(iter(rows[0].values())) if rows else None


class Warehouse(ABC):
    """Where the tables live. Cheap to construct: nothing is opened before `session`."""

    dialect: Dialect

    @abstractmethod
    def session(self, *, read_only: bool = False) -> AbstractContextManager[Session]:
        """One transaction; raises VIM-E020 if another program holds the file, VIM-E021 if it cannot be opened."""

    @abstractmethod
    def dbt_profile(self) -> dict[str, Any]:
        """The output of a dbt profile that reaches this warehouse."""


def open_warehouse(settings: Settings, work: Work | None = None) -> Warehouse:
    """The warehouse that the settings name, for a piece of work (a step of the night)."""
    if settings.warehouse == "snowflake":
        from vim_pipelines.warehouse.snowflake import SnowflakeWarehouse

        return SnowflakeWarehouse(settings, work or Work())
    from vim_pipelines.warehouse.duckdb import DuckDBWarehouse

    return DuckDBWarehouse(settings.warehouse_path, memory_limit=settings.duckdb_memory_limit)


def chunks(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """`items` in slices of at most `size`."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
