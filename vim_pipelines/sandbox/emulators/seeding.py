"""From columns of a Parquet file to rows of an emulator's database, fast: whole columns in Arrow, one `executemany` a table.

Row by row the 2,000-account sandbox took minutes. The new database is built beside the old one and swapped in, so a seed that
fails leaves the sandbox as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vim_pipelines.sandbox.emulators.state import SandboxClock, State, Table


@contextmanager
def fresh_state(database: Path, tables: Sequence[Table]) -> Iterator[State]:
    """A new, empty state that becomes `database` when the block ends well; rows as of the sandbox clock beside it are current then."""
    building = database.with_name(database.name + ".building")
    for path in (building, *_companions(building)):
        path.unlink(missing_ok=True)
    state = State(building, tables)
    try:
        state.connection.execute("pragma synchronous = off")
        with state.transaction():
            yield state
        state.advance(SandboxClock(database.parent / "clock.json").now())
        state.connection.execute("pragma wal_checkpoint(truncate)")
    finally:
        state.close()
    for path in _companions(database):
        path.unlink(missing_ok=True)
    building.replace(database)


def _companions(database: Path) -> tuple[Path, ...]:
    return tuple(database.with_name(database.name + ending) for ending in ("-wal", "-shm"))


def read_table(path: Path) -> Any:
    """The Parquet file as an Arrow table, or None if the simulator wrote none."""
    if not path.is_file():
        return None
    import pyarrow.parquet as parquet

    return parquet.read_table(path)


def column(table: Any, name: str) -> Any:
    """A column of an Arrow table; all null if it has none of that name."""
    import pyarrow as arrow

    return table.column(name) if name in table.column_names else arrow.nulls(table.num_rows)


def stamps(values: Any) -> list[str | None]:
    """Timestamps (or dates, then midnight) as stamps: milliseconds and +0000."""
    import pyarrow as arrow
    from pyarrow import compute

    values = values.cast(arrow.timestamp("ms"), safe=False) if not arrow.types.is_null(values.type) else values.cast(arrow.timestamp("ms"))
    # On a millisecond column %S prints the three decimals.
    text = compute.strftime(values, format="%Y-%m-%dT%H:%M:%S")
    return list(compute.binary_join_element_wise(text, "+0000", "").to_pylist())


def dates(values: Any) -> list[str | None]:
    """Dates (or timestamps) as ISO text."""
    import pyarrow as arrow

    return list(values.cast(arrow.timestamp("ms"), safe=False).cast(arrow.date32(), safe=False).cast(arrow.string()).to_pylist())


def numbers(values: Any) -> list[float | None]:
    """Numbers as Salesforce keeps them: doubles. NaN, the simulator's way to say nothing in a float column, is null."""
    import pyarrow as arrow
    from pyarrow import compute

    if arrow.types.is_decimal(values.type):
        # Arrow's direct cast is off in the last bit (324.90 became 324.90000000000003); by way of text it rounds correctly.
        values = values.cast(arrow.string())
    values = values.cast(arrow.float64())
    return list(compute.if_else(compute.is_finite(values), values, None).to_pylist())


def flags(values: Any) -> list[int | None]:
    """Booleans as 0 and 1."""
    import pyarrow as arrow

    return list(values.cast(arrow.bool_()).cast(arrow.int8()).to_pylist())


def texts(values: Any, words: dict[str, str] | None = None) -> list[str | None]:
    """Text, each value that `words` knows replaced by the vendor's word for it."""
    import pyarrow as arrow

    plain = [value or None for value in values.cast(arrow.string()).to_pylist()]
    return plain if words is None else [words.get(value, value) if value else None for value in plain]


def cells(kind: str, values: Any, words: dict[str, str] | None = None) -> list[Any]:
    """Values as an emulator with typed cells keeps them; `words` are the vendor's for text."""
    if kind in ("number", "double", "currency"):
        return numbers(values)
    if kind == "int":
        return [None if value is None else int(value) for value in numbers(values)]
    if kind == "boolean":
        return flags(values)
    if kind == "date":
        return dates(values)
    return stamps(values) if kind == "datetime" else texts(values, words)


def deletions(table: Any) -> list[int]:
    """1 where a version says that the record is gone."""
    return [flag or 0 for flag in flags(column(table, "is_deleted"))]


def first_stamps(keys: Iterable[str], moments: Iterable[str | None]) -> dict[str, str]:
    """The earliest stamp of each key."""
    first: dict[str, str] = {}
    for key, moment in zip(keys, moments, strict=True):
        if moment and moment < first.get(key, "9"):
            first[key] = moment
    return first
