"""Reading CRM and support system by dlt over the project's own clients: extract everything first, load inside the night's one transaction.

dlt extracts, spools to Parquet and loads; what it must not do here is commit. Its DuckDB and Snowflake destinations commit each load
package on a connection of their own, so a night that fails after them leaves rows without the cursor, the telemetry and the audit
rows that belong to them. Therefore the destination is a function that hands each table to the night's one transaction, and the
cursor that dlt's state carries through the run is written to raw.loads in the same transaction: it moves if and only if the rows
are there, and a warehouse restored from a backup brings its own cursors with it.
"""

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from vim_pipelines.core.errors import VimError
from vim_pipelines.ingestion.coerce import CLOCK_TOLERANCE, Rejected, Row, coerce
from vim_pipelines.ingestion.files import check_fields
from vim_pipelines.ingestion.mapping import mapped_records
from vim_pipelines.ingestion.tables import arrow_type
from vim_pipelines.portfolio.entities import ENTITIES, SQL_TYPES
from vim_pipelines.portfolio.model import EntityMap, Portfolio

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings

OVERLAP = timedelta(minutes=10)
#: Zendesk wants a start: it did not exist before this day.
ZENDESK_BEGINNING = datetime(2007, 1, 1)
SALESFORCE_OWN = ("Id", "SystemModstamp", "IsDeleted")
ZENDESK_OBJECTS = ("tickets", "ticket_metric_events")
#: `deleted` is set on a breach that was taken back, as when a target was changed afterwards: such a breach is to be ignored.
METRIC_EVENT_FIELDS = ("id", "ticket_id", "metric", "type", "time", "instance_id", "deleted")

#: From a cursor to the records since it, and a function that gives the next cursor once they are consumed.
Reader = Callable[[str | None], tuple[Iterable[Mapping[str, Any]], Callable[[], str | None]]]


@dataclass
class Extracted:
    """What one entity's source gave: typed rows, rejected rows, the number read, and the cursor to start from next time."""

    entity: str
    rows: list[Row] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    rows_read: int = 0
    cursor: str | None = None


class Systems:
    """The extraction of all CRM and support entities of a portfolio, by one dlt pipeline.

    `extract` reads the vendors and spools; nothing is loaded until `load` is called, inside the caller's transaction, with a
    function that takes each entity's rows. Use as a context manager: the spool holds customers' data and is deleted at the end.
    """

    def __init__(self, portfolio: Portfolio, settings: Settings, *, captured_at: datetime) -> None:
        self.portfolio, self.settings, self.captured_at = portfolio, settings, captured_at
        self.entities = [name for name, mapping in portfolio.entities.items() if portfolio.sources[mapping.source].kind in ("salesforce", "zendesk")]
        self._stack = ExitStack()
        self._pipeline: Any = None
        self._receive: Callable[[str, Any], None] | None = None
        self._clients: dict[str, Any] = {}

    def __enter__(self) -> Systems:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def extract(self, cursors: Mapping[str, str]) -> None:
        """Read every entity from its cursor (entity to cursor text; missing: from the beginning). Raises the vendor's VimError."""
        if not self.entities:
            return
        dlt = import_dlt()
        readers = {name: self._reader(name) for name in self.entities}
        self._pipeline = dlt.pipeline(
            "vim_systems", pipelines_dir=self._stack.enter_context(tempfile.TemporaryDirectory(prefix="vim-spool-")), destination=self._destination(dlt)
        )

        def source() -> Iterator[Any]:
            for name, read in readers.items():
                yield dlt.resource(self._pages(dlt, name, read, cursors.get(name)), name=ENTITIES[name].table, write_disposition="append", columns=_hints(name))

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
            item.cursor, item.rows_read = state["cursor"], state["rows_read"]
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

    def _pages(self, dlt: Any, name: str, read: Reader, cursor: str | None) -> Iterator[Any]:
        """dlt resource: one entity's rows as Arrow, typed; rejected rows to a table of their own."""
        state = dlt.current.resource_state()
        records, next_cursor = read(cursor)
        counted = _Counted(records)
        mapping = _with_defaults(self.portfolio, name)
        rows, rejected = coerce(ENTITIES[name], mapped_records(mapping, counted), captured_at=self.captured_at)
        state["rows_read"], state["cursor"] = counted.n, next_cursor()
        if rows:
            yield _arrow_rows(name, rows)
        if rejected:
            yield dlt.mark.with_table_name(_arrow_rejected(name, rejected), "rejected")

    def _reader(self, name: str) -> Reader:
        """How the entity is read; checks its mapped fields first."""
        mapping = _with_defaults(self.portfolio, name)
        if self.portfolio.sources[mapping.source].kind == "salesforce":
            return self._salesforce(name, mapping)
        return self._zendesk(name, mapping)

    def _salesforce(self, name: str, mapping: EntityMap) -> Reader:
        client = self._client("salesforce")
        described = client.describe(mapping.object)
        check_fields(self.portfolio, name, [item["name"] for item in described["fields"]], f"the Salesforce object {mapping.object}")
        fields = [item for item in mapping.source_fields if item not in SALESFORCE_OWN]
        latest = self.captured_at + CLOCK_TOLERANCE

        def read(cursor: str | None) -> Any:
            since = datetime.fromisoformat(cursor) if cursor else None
            seen = _Newest(since, latest)
            records = seen.watch(client.query_modified(mapping.object, fields, since, overlap=OVERLAP), "SystemModstamp")
            return records, seen.text

        return read

    def _zendesk(self, name: str, mapping: EntityMap) -> Reader:
        from vim_pipelines.vendors.zendesk import flatten_ticket

        client = self._client("zendesk")
        if mapping.object not in ZENDESK_OBJECTS:
            raise VimError(
                "VIM-E004",
                f"Zendesk has no object '{mapping.object}' here ({self.portfolio.file.name} line {self.portfolio.line('entities', name, 'object')})",
                fix=f"It is one of {', '.join(ZENDESK_OBJECTS)}",
            )
        present = list(flatten_ticket({"id": 0}, {}, {})) if mapping.object == "tickets" else list(METRIC_EVENT_FIELDS)
        check_fields(self.portfolio, name, present, f"Zendesk {mapping.object}")
        return self._tickets(client) if mapping.object == "tickets" else self._metric_events(client)

    def _tickets(self, client: Any) -> Reader:
        from vim_pipelines.vendors.zendesk import flatten_ticket

        def read(cursor: str | None) -> Any:
            last = [cursor]

            def records() -> Iterator[Mapping[str, Any]]:
                organizations = {item["id"]: item["external_id"] for item in client.organizations() if item.get("external_id")}
                users: dict[int, str] = {}
                start: dict[str, Any] = {"cursor": cursor} if cursor else {"start_time": ZENDESK_BEGINNING}
                for page in client.incremental_tickets(**start):
                    users |= {item["id"]: item["external_id"] for item in page.users if item.get("external_id")}
                    for ticket in page.tickets:
                        yield flatten_ticket(ticket, organizations, users)
                    last[0] = page.after_cursor or last[0]

            return records(), lambda: last[0]

        return read

    def _metric_events(self, client: Any) -> Reader:
        def read(cursor: str | None) -> Any:
            start = datetime.fromisoformat(cursor) - OVERLAP if cursor else ZENDESK_BEGINNING
            last = [cursor]

            def records() -> Iterator[Mapping[str, Any]]:
                for page in client.incremental_ticket_metric_events(start):
                    for event in page.events:
                        yield {item: event.get(item) for item in METRIC_EVENT_FIELDS}
                    if page.end_time:
                        ended = datetime(1970, 1, 1) + timedelta(seconds=page.end_time)
                        last[0] = min(ended, self.captured_at).isoformat()

            return records(), lambda: last[0]

        return read

    def _client(self, kind: str) -> Any:
        if kind not in self._clients:
            module = importlib.import_module(f"vim_pipelines.vendors.{kind}")
            self._clients[kind] = self._stack.enter_context(module.client_from_settings(self.settings))
        return self._clients[kind]


class _Counted:
    def __init__(self, records: Iterable[Mapping[str, Any]]) -> None:
        self.records, self.n = records, 0

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        for record in self.records:
            self.n += 1
            yield record


class _Newest:
    """Remembers the newest modification time that passed by; one that lies in the future would make the cursor skip what comes after."""

    def __init__(self, start: datetime | None, latest: datetime) -> None:
        self.newest, self.latest = start, latest

    def watch(self, records: Iterable[Mapping[str, Any]], name: str) -> Iterator[Mapping[str, Any]]:
        from vim_pipelines.ingestion.coerce import to_timestamp

        for record in records:
            moment = to_timestamp(record[name])
            if moment <= self.latest and (self.newest is None or moment > self.newest):
                self.newest = moment
            yield record

    def text(self) -> str | None:
        return self.newest.isoformat() if self.newest else None


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


def _with_defaults(portfolio: Portfolio, name: str) -> EntityMap:
    """The mapping with the vendor's own modification and deletion fields where the file names none."""
    mapping = portfolio.entities[name]
    kind = portfolio.sources[mapping.source].kind
    if kind == "salesforce":
        own: dict[str, str | None] = {"known_at": "SystemModstamp", "deleted": "IsDeleted"}
    elif mapping.object == "tickets":
        own = {"known_at": "updated_at", "deleted": "status"}
    else:
        own = {"known_at": "time", "deleted": None}
    return mapping.model_copy(update={key: getattr(mapping, key) or value for key, value in own.items()})


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
