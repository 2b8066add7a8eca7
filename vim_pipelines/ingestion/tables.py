"""The raw tables: made empty for every entity, fed or not, so that the models above can always be built."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vim_pipelines.portfolio.entities import ENTITIES, SQL_TYPES, USAGE_EVENT_COLUMNS, VERSION_COLUMNS, Column, Entity
from vim_pipelines.portfolio.model import IDENTITY_COLUMNS, USAGE_MAPPED

if TYPE_CHECKING:
    from vim_pipelines.warehouse import Session

QUARANTINE = {
    "load_id": "varchar",
    "source_name": "varchar",
    "entity": "varchar",
    "row_key": "varchar",
    "reason": "varchar",
    "detail": "varchar",
    "row_json": "varchar",
    "captured_at": "timestamp",
}
LOADS = {
    "load_id": "varchar",
    "source_name": "varchar",
    "entity": "varchar",
    "as_of_date": "date",
    "rows_read": "bigint",
    "versions_added": "bigint",
    "rows_quarantined": "bigint",
    "rows_unattributed": "bigint",
    "cursor_value": "varchar",
    "status": "varchar",
    "captured_at": "timestamp",
    "rows_repeated": "bigint",
    "rows_suppressed": "bigint",
}
#: The tables of keys and accounts that the portfolio names, as they stood at the last load.
IDENTITY_LINKS = {"kind": "varchar", "link_key": "varchar", "account_key": "varchar", "source_name": "varchar"}
#: How the events of each load found their account. `join_rate` is of the whole load, the same on each of its rows.
USAGE_ATTRIBUTION = {
    "load_id": "varchar",
    "load_number": "bigint",
    "source_name": "varchar",
    "rung": "varchar",
    "rows_added": "bigint",
    "share": "double",
    "join_rate": "double",
    "confidence": "varchar",
    "captured_at": "timestamp",
}
COVERAGE = {"entity": "varchar", "is_fed": "boolean", "source_name": "varchar", "history": "varchar", "last_captured_at": "timestamp"}
HELD_ACCOUNTS = {"as_of_date": "date", "account_key": "varchar", "entity": "varchar", "gate": "varchar", "reason": "varchar", "row_count": "bigint"}
#: What the sources' objects and files have, mapped or not: a row for each field and type ever met. `last_seen_at` before the newest load means gone.
SOURCE_FIELDS = {
    "source_name": "varchar",
    "entity": "varchar",
    "field_name": "varchar",
    "field_type": "varchar",
    "is_mapped": "boolean",
    "first_seen_at": "timestamp",
    "last_seen_at": "timestamp",
}
LOADED_FILES = {
    "source_name": "varchar",
    "path": "varchar",
    "size_bytes": "bigint",
    "modified_ns": "bigint",
    "content_hash": "varchar",
    "load_number": "bigint",
    "rows_added": "bigint",
    "captured_at": "timestamp",
}

#: Where Snowflake keeps a load's mapped events while they are judged; empty outside a transaction. DuckDB reads the files in place.
USAGE_STAGING = "raw.usage_staging"
USAGE_STAGING_COLUMNS = {column.name: SQL_TYPES[column.type] for column in (*USAGE_MAPPED, *IDENTITY_COLUMNS)} | {"filename": "varchar"}


def version_columns(entity: Entity) -> dict[str, str]:
    """Columns of an entity's raw table, name to SQL type."""
    return _types((*entity.columns, *VERSION_COLUMNS))


def raw_tables() -> dict[str, dict[str, str]]:
    """Every raw table with its columns."""
    tables = {f"raw.{entity.table}": version_columns(entity) for entity in ENTITIES.values()}
    return tables | {
        "raw.usage_events": _types(USAGE_EVENT_COLUMNS),
        "raw.quarantine": QUARANTINE,
        "raw.held_accounts": HELD_ACCOUNTS,
        "raw.loads": LOADS,
        "raw.entity_coverage": COVERAGE,
        "raw.loaded_files": LOADED_FILES,
        "raw.usage_attribution": USAGE_ATTRIBUTION,
        "raw.identity_links": IDENTITY_LINKS,
        "raw.source_fields": SOURCE_FIELDS,
    }


def ensure_raw_tables(session: Session) -> None:
    """Create what is missing; what is there stays as it is."""
    for table, columns in raw_tables().items():
        session.ensure_table(table, columns)
    if session.dialect == "snowflake":
        session.ensure_table(USAGE_STAGING, USAGE_STAGING_COLUMNS)


def append_rows(session: Session, table: str, rows: Sequence[dict[str, Any]]) -> int:
    """Append dictionaries to one of `raw_tables()`, exactly: through a Parquet file with the table's own types, read by the warehouse.

    A DataFrame would turn decimals into floats on the way.
    """
    if not rows:
        return 0
    import tempfile
    from pathlib import Path

    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = raw_tables()[table]
    arrow = pa.table({name: pa.array([row.get(name) for row in rows], arrow_type(sql_type)) for name, sql_type in columns.items()})
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.parquet"
        pq.write_table(arrow, file)
        select = ", ".join(f"cast({name} as {sql_type}) as {name}" for name, sql_type in columns.items())
        return session.load_parquet(table, [file], f"select {select} from source")


def _types(columns: Sequence[Column]) -> dict[str, str]:
    return {column.name: SQL_TYPES[column.type] for column in columns}


def arrow_type(sql_type: str) -> Any:
    """The Arrow type of a raw table's SQL type."""
    import pyarrow as pa

    if sql_type.startswith("decimal"):
        return pa.decimal128(18, int(sql_type.rstrip(")").rsplit(",", 1)[1]))
    return {"varchar": pa.string(), "bigint": pa.int64(), "boolean": pa.bool_(), "double": pa.float64(), "date": pa.date32(), "timestamp": pa.timestamp("us")}[
        sql_type
    ]
