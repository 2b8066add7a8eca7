"""Where the generators put their rows, and how rows become typed tables.

Every row is a version: the canonical columns of its entity and `modified_at`, from when on the source shows it. A row that
would be modified after the end of the window does not exist yet and is dropped here, in one place.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from vim_pipelines.portfolio.entities import ENTITIES, Entity

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

ENTITY_BY_TABLE: dict[str, Entity] = {entity.table: entity for entity in ENTITIES.values()}


class Rows:
    """Collects versions, table by table, in columns. `horizon` is the end of the window, naive UTC."""

    def __init__(self, horizon: datetime) -> None:
        self.horizon = horizon
        self.columns: dict[str, dict[str, list[Any]]] = {
            table: {column.name: [] for column in entity.columns} | {"modified_at": []} for table, entity in ENTITY_BY_TABLE.items()
        }

    def add(self, table: str, modified_at: datetime, **values: Any) -> None:
        """One version. Columns that are not named are empty."""
        if modified_at >= self.horizon:
            return
        columns = self.columns[table]
        unknown = values.keys() - columns.keys()
        if unknown:
            raise KeyError(f"{table} has no column {sorted(unknown)}")
        for name, column in columns.items():
            column.append(modified_at if name == "modified_at" else values.get(name))

    def extend(self, table: str, **arrays: np.ndarray | list[Any]) -> None:
        """Many versions at once; NaT becomes None, `datetime64` becomes a naive datetime."""
        lists = {name: values.tolist() if isinstance(values, np.ndarray) else values for name, values in arrays.items()}
        keep = [n for n, moment in enumerate(lists["modified_at"]) if moment < self.horizon]
        for name, column in self.columns[table].items():
            values = lists.get(name)
            column.extend([None] * len(keep) if values is None else [values[n] for n in keep])

    def mark(self) -> dict[str, int]:
        """How many versions each table has so far."""
        return {table: len(columns["modified_at"]) for table, columns in self.columns.items()}

    def since(self, mark: dict[str, int]) -> dict[str, list[dict[str, Any]]]:
        """The versions that were added after `mark`, by table. Those of licences and ticket events are many and left out."""
        return {
            table: [dict(zip(columns, values, strict=True)) for values in zip(*(column[mark[table] :] for column in columns.values()), strict=True)]
            for table, columns in self.columns.items()
            if table not in ("license_assignments", "ticket_events", "training_completions")
        }

    def frames(self) -> dict[str, pd.DataFrame]:
        """The tables as DataFrames: nullable integers and booleans, `Decimal`, `date`, microsecond timestamps."""
        import pandas as pd
        import pyarrow as pa

        kinds = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
        frames = {}
        for table, columns in self.columns.items():
            schema = arrow_schema(table)
            arrays = [pa.array(_typed(columns[field.name], field.type), field.type) for field in schema]
            frames[table] = pa.Table.from_arrays(arrays, schema=schema).to_pandas(types_mapper=kinds.get, date_as_object=True)
        return frames


def arrow_schema(table: str) -> pa.Schema:
    """Arrow schema of a source table: the entity's columns and `modified_at`."""
    import pyarrow as pa

    types = {
        "text": pa.string(), "integer": pa.int64(), "decimal": pa.decimal128(18, 4), "rate": pa.decimal128(18, 8), "boolean": pa.bool_(), "date": pa.date32(), "timestamp": pa.timestamp("us"),
    }  # fmt: skip
    fields = [(column.name, types[column.type]) for column in ENTITY_BY_TABLE[table].columns]
    return pa.schema([*fields, ("modified_at", pa.timestamp("us"))])


def _typed(values: list[Any], kind: pa.DataType) -> list[Any]:
    import pyarrow as pa

    if not pa.types.is_decimal(kind):
        return values
    places = Decimal(1).scaleb(-kind.scale)
    return [None if value is None else (value if isinstance(value, Decimal) else Decimal(f"{value:.{kind.scale}f}")).quantize(places) for value in values]


def moment(rng: np.random.Generator, day: date, earliest_hour: int = 8, latest_hour: int = 17) -> datetime:
    """A second in the office hours of a day, naive UTC."""
    return datetime.combine(day, time()) + timedelta(seconds=int(rng.integers(earliest_hour * 3600, latest_hour * 3600)))


def workday(day: date) -> date:
    """The day itself, or the Monday after it if it falls on a weekend."""
    return day + timedelta(days=max(0, 7 - day.weekday()) if day.weekday() >= 5 else 0)
