"""Reading CRM and support system by dlt over the project's own clients: extract everything first, load inside the night's one transaction.

dlt extracts, spools to Parquet and loads; what it must not do here is commit. Its DuckDB and Snowflake destinations commit each load
package on a connection of their own, so a night that fails after them leaves rows without the cursor, the telemetry and the audit
rows that belong to them. Therefore the destination is a function that hands each table to the night's one transaction, and the
cursor that dlt's state carries through the run is written to raw.loads in the same transaction: it moves if and only if the rows
are there, and a warehouse restored from a backup brings its own cursors with it.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from vim_pipelines.core.errors import VimError
from vim_pipelines.ingestion.coerce import Rejected, Row, coerce, departures
from vim_pipelines.ingestion.echo import without_echo
from vim_pipelines.ingestion.files import check_fields, mapped_at
from vim_pipelines.ingestion.mapping import mapped_records
from vim_pipelines.ingestion.readers import VENDOR_NAMES, MappedFieldError, SystemReader, open_reader
from vim_pipelines.ingestion.tables import arrow_type
from vim_pipelines.portfolio.entities import ENTITIES, SQL_TYPES
from vim_pipelines.portfolio.model import SYSTEM_KINDS, EntityMap, Portfolio

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings


@dataclass
class Extracted:
    """What one entity's source gave: typed rows, rejected rows, the number read, and the cursor to start from next time.

    `is_complete` and `deleted` are those of the `Reading`, with what the filter leaves out. `fields` are all fields of the source's object with their
    types, `types` those of the mapped ones.
    """

    entity: str
    rows: list[Row] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    rows_read: int = 0
    cursor: str | None = None
    is_complete: bool = False
    deleted: dict[str, datetime] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Cursor:
    """Where an entity's next reading starts, and the types of the mapped fields when it was kept (None: not known)."""

    text: str
    types: Mapping[str, str] | None = None


class Systems:
    """The extraction of all CRM and support entities of a portfolio, by one dlt pipeline.

    `extract` reads the vendors and spools; nothing is loaded until `load` is called, inside the caller's transaction, with a
    function that takes each entity's rows. Use as a context manager: the spool holds customers' data and is deleted at the end.
    """

    def __init__(self, portfolio: Portfolio, settings: Settings, *, captured_at: datetime, own_tasks: Mapping[str, frozenset[str]] | None = None) -> None:
        self.portfolio, self.settings, self.captured_at = portfolio, settings, captured_at
        self._own_tasks = own_tasks or {}
        self.entities = [name for name, mapping in portfolio.entities.items() if portfolio.sources[mapping.source].kind in SYSTEM_KINDS]
        self._stack = ExitStack()
        self._pipeline: Any = None
        self._receive: Callable[[str, Any], None] | None = None
        self._readers: dict[str, SystemReader] = {}
        self._fields: dict[str, dict[str, str]] = {}
        self._types: dict[str, dict[str, str]] = {}

    def __enter__(self) -> Systems:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def extract(self, cursors: Mapping[str, Cursor]) -> None:
        """Read every entity from its cursor (missing: from the beginning). Raises the vendor's VimError.

        Where a mapped field has another type than when the cursor was kept, everything is read again: rows that were set aside for
        the type, or would have been, are not touched by the change and would never pass the cursor.
        """
        if not self.entities:
            return
        dlt = import_dlt()
        mappings = {name: self._checked(name) for name in self.entities}
        self._pipeline = dlt.pipeline(
            "vim_systems", pipelines_dir=self._stack.enter_context(tempfile.TemporaryDirectory(prefix="vim-spool-")), destination=self._destination(dlt)
        )

        def source() -> Iterator[Any]:
            for name, mapping in mappings.items():
                yield dlt.resource(
                    self._pages(dlt, name, mapping, self._still_valid(name, cursors.get(name))),
                    name=ENTITIES[name].table,
                    write_disposition="append",
                    columns=_hints(name),
                )

        with _unwrapped():
            self._pipeline.extract(dlt.source(source, name="systems", max_table_nesting=0)(), loader_file_format="parquet")
            self._pipeline.normalize()

    def load(self) -> dict[str, Extracted]:
        """What was extracted, entity by entity, as dlt's load step hands it over."""
        extracted = {name: Extracted(name) for name in self.entities}
        if not self.entities:
            return extracted
        by_table = {ENTITIES[name].table: name for name in self.entities}

        def receive(table: str, arrow: Any) -> None:
            for record in arrow.to_pylist():
                if table == "rejected":
                    extracted[record["entity"]].rejected.append(Rejected(record["row_key"], record["reason"], record["detail"], record["row_json"]))
                else:
                    modified_at, is_deleted, content_hash = (record.pop(name) for name in ("modified_at_", "is_deleted_", "content_hash_"))
                    key = record[ENTITIES[by_table[table]].key]
                    extracted[by_table[table]].rows.append(Row(key, record, modified_at, is_deleted, content_hash))

        self._receive = receive
        with _unwrapped():
            self._pipeline.load()
        resources = self._pipeline.state["sources"]["systems"]["resources"]
        for name, item in extracted.items():
            state = resources[ENTITIES[name].table]
            item.cursor, item.rows_read, item.is_complete = state["cursor"], state["rows_read"], state["is_complete"]
            item.fields, item.types = self._fields[name], self._types[name]
            item.deleted = {key: datetime.fromisoformat(moment) for key, moment in state["deleted"].items()}
        return extracted

    # ---- inside

    def _destination(self, dlt: Any) -> Any:
        import pyarrow.parquet as pq

        @dlt.destination(  # type: ignore[untyped-decorator]
            name="warehouse", loader_file_format="parquet", batch_size=0, naming_convention="direct", skip_dlt_columns_and_tables=True, max_parallel_load_jobs=1
        )
        def warehouse(items: str, table: dict[str, Any]) -> None:
            assert self._receive is not None
            self._receive(table["name"], pq.read_table(items))

        return warehouse

    def _pages(self, dlt: Any, name: str, mapping: EntityMap, cursor: str | None) -> Iterator[Any]:
        """dlt resource: one entity's rows as Arrow, typed; rejected rows to a table of their own."""
        state = dlt.current.resource_state()
        reading = self._reader(mapping).read(name, mapping, cursor)
        counted, outside = _Counted(reading.records), list[tuple[Any, Any]]()
        # A complete reading ends what is filtered out by itself: it is not among the rows.
        kind = self.portfolio.sources[mapping.source].kind
        foreign = without_echo(name, kind, mapping, counted, self._own_tasks.get(kind, frozenset()))
        records = mapped_records(mapping, foreign, key=ENTITIES[name].key, outside=None if reading.is_complete else outside)
        rows, rejected = coerce(ENTITIES[name], records, captured_at=self.captured_at)
        state["rows_read"], state["cursor"], state["is_complete"] = counted.n, reading.next_cursor(), reading.is_complete
        deleted = departures(outside, captured_at=self.captured_at) | dict(reading.deleted())
        state["deleted"] = {key: moment.isoformat() for key, moment in deleted.items()}
        if rows:
            yield _arrow_rows(name, rows)
        if rejected:
            yield dlt.mark.with_table_name(_arrow_rejected(name, rejected), "rejected")

    def _checked(self, name: str) -> EntityMap:
        """The mapping of an entity with the vendor's defaults, after a look at the source: VIM-E004 or VIM-E012 with the line of what it lacks."""
        mapping = self.portfolio.entities[name]
        reader, vendor = self._reader(mapping), VENDOR_NAMES[self.portfolio.sources[mapping.source].kind]
        objects = reader.objects()
        if objects is not None and mapping.object not in objects:
            raise VimError(
                "VIM-E004",
                f"{vendor} has no object '{mapping.object}' here ({self.portfolio.file.name} line {self.portfolio.line('entities', name, 'object')})",
                fix=f"It is one of {', '.join(objects)}",
            )
        defaults = reader.defaults(mapping)
        mapping = mapping.model_copy(update={key: getattr(mapping, key) or value for key, value in defaults.items()})
        try:
            fields = reader.fields(mapping)
        except MappedFieldError as problem:
            place = mapped_at(self.portfolio, name, mapping, problem.field)
            raise VimError(problem.code, f"{problem.what}; it is mapped to {place}", why=problem.why, fix=problem.fix) from None
        check_fields(self.portfolio, name, list(fields), f"the {vendor} object {mapping.object}")
        self._fields[name], self._types[name] = dict(fields), {item: fields[item] for item in mapping.source_fields}
        return mapping

    def _still_valid(self, name: str, cursor: Cursor | None) -> str | None:
        if cursor is None or (cursor.types is not None and cursor.types != self._types[name]):
            return None
        return cursor.text

    def _reader(self, mapping: EntityMap) -> SystemReader:
        kind = self.portfolio.sources[mapping.source].kind
        if kind not in self._readers:
            self._readers[kind] = reader = open_reader(kind, self.settings, self.captured_at)
            self._stack.callback(reader.close)
        return self._readers[kind]


class _Counted:
    def __init__(self, records: Iterable[Mapping[str, Any]]) -> None:
        self.records, self.n = records, 0

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        for record in self.records:
            self.n += 1
            yield record


def import_dlt() -> Any:
    """dlt, with its telemetry off and nothing written to the terminal. It reads its settings from the environment only."""
    os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")
    os.environ.setdefault("RUNTIME__LOG_LEVEL", "ERROR")
    import dlt

    return dlt


@contextmanager
def _unwrapped() -> Iterator[None]:
    """Raises the VimError that dlt wrapped in its own exceptions; what is not ours stays as it is."""
    try:
        yield
    except VimError:
        raise
    except Exception as error:
        inner: BaseException | None = error
        while inner is not None:
            if isinstance(inner, VimError):
                raise inner from None
            inner = inner.__cause__ or inner.__context__
        raise


def _arrow_rows(name: str, rows: list[Row]) -> Any:
    import pyarrow as pa

    entity = ENTITIES[name]
    columns = {column.name: pa.array([row.values[column.name] for row in rows], arrow_type(SQL_TYPES[column.type])) for column in entity.columns}
    columns["modified_at_"] = pa.array([row.modified_at for row in rows], pa.timestamp("us"))
    columns["is_deleted_"] = pa.array([row.is_deleted for row in rows], pa.bool_())
    columns["content_hash_"] = pa.array([row.content_hash for row in rows], pa.string())
    return pa.table(columns)


def _arrow_rejected(name: str, rejected: list[Rejected]) -> Any:
    import pyarrow as pa

    texts = {key: pa.array([getattr(item, key) for item in rejected], pa.string()) for key in ("row_key", "reason", "detail", "row_json")}
    return pa.table({"entity": pa.array([name] * len(rejected), pa.string()), **texts})


def _hints(name: str) -> list[dict[str, Any]]:
    """dlt makes timestamps zoned unless it is told otherwise."""
    moments = [column.name for column in ENTITIES[name].columns if column.type == "timestamp"] + ["modified_at_"]
    return [{"name": moment, "data_type": "timestamp", "timezone": False, "precision": 6, "nullable": True} for moment in moments]
