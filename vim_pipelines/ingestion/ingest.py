"""One night's ingestion: everything is read and checked first, then one transaction changes the warehouse, or nothing does.

A source that fails half-way used to leave accounts without their contracts; here an unreachable CRM, a malformed file or a crash at
any point leaves raw exactly as the night before, and the next run starts from the cursors that were committed with the rows.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vim_pipelines.core.hashing import sha256_text
from vim_pipelines.core.suppression import Suppression
from vim_pipelines.ingestion.coerce import Rejected, Row, coerce, departures
from vim_pipelines.ingestion.erased import clean_quarantine, drop_events_of_erased, without_erased
from vim_pipelines.ingestion.files import file_field_types, file_records, key_values
from vim_pipelines.ingestion.mapping import mapped_records, mapping_fingerprint
from vim_pipelines.ingestion.systems import Cursor, Extracted, Systems
from vim_pipelines.ingestion.tables import append_rows, ensure_raw_tables
from vim_pipelines.ingestion.telemetry import (
    UsageFile,
    UsageLoad,
    attribution_of,
    load_usage_events,
    loaded_file_rows,
    prepare_usage_files,
    select_usage_files,
    usage_files,
)
from vim_pipelines.ingestion.versions import Known, Version, ended_versions, new_versions, returned_versions, snapshot_seen_at, snapshot_versions
from vim_pipelines.portfolio.entities import ENTITIES, Entity
from vim_pipelines.portfolio.model import FILE_KINDS, USAGE, Portfolio
from vim_pipelines.warehouse import Work, open_warehouse
from vim_pipelines.warehouse.base import KEYS_PER_QUERY, chunks

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings
    from vim_pipelines.warehouse import Session, Warehouse


@dataclass(frozen=True)
class EntityLoad:
    """What one entity's load did; the row of raw.loads."""

    entity: str
    source_name: str
    rows_read: int
    versions_added: int
    rows_quarantined: int
    rows_unattributed: int = 0
    rows_repeated: int = 0
    #: Rows of erased persons: left out, or kept with a token in place of the person (`ingestion.erased`).
    rows_suppressed: int = 0


@dataclass(frozen=True)
class Contradiction:
    """Result of a cross-check: how many keys both sides name, and how many only one does."""

    name: str
    both: int
    only_left: int
    only_right: int

    @property
    def count(self) -> int:
        """Keys on which the two sides disagree."""
        return self.only_left + self.only_right


@dataclass(frozen=True)
class IngestReport:
    """What a night's ingestion did. `reasons` counts quarantined rows by reason."""

    load_id: str
    as_of: date
    captured_at: datetime
    entities: tuple[EntityLoad, ...]
    contradictions: tuple[Contradiction, ...]
    reasons: dict[str, int]
    files_loaded: int
    files_for_later: int
    #: Fields that a source has since tonight, or with another type since tonight, mapped or not: "account.Score__c (double)".
    new_source_fields: tuple[str, ...] = ()

    @property
    def versions_added(self) -> int:
        """Row versions and events that this run added to raw."""
        return sum(item.versions_added for item in self.entities)

    @property
    def rows_quarantined(self) -> int:
        """Rows set aside in this run."""
        return sum(item.rows_quarantined for item in self.entities)

    @property
    def join_rate(self) -> float | None:
        """Share of this run's usage events that have an account; None if it loaded none."""
        usage = next((item for item in self.entities if item.entity == USAGE), None)
        return None if usage is None or not usage.versions_added else 1 - usage.rows_unattributed / usage.versions_added

    def metadata(self, table: str) -> dict[str, Any]:
        """What this run did to one raw table (without its schema), for the materialisation of that asset."""
        tables = {entity.table: name for name, entity in ENTITIES.items()} | {"usage_events": USAGE}
        load = next((item for item in self.entities if item.entity == tables.get(table)), None)
        if load is not None:
            return {"load_id": self.load_id, **asdict(load), **({"join_rate": self.join_rate} if load.entity == USAGE and self.join_rate is not None else {})}
        if table == "quarantine":
            return {"load_id": self.load_id, "rows_quarantined": self.rows_quarantined, **{f"reason_{name}": count for name, count in self.reasons.items()}}
        if table == "loads":
            news = {"new_source_fields": list(self.new_source_fields)} if self.new_source_fields else {}
            return {"load_id": self.load_id, "contradictions": {item.name: item.count for item in self.contradictions}, **news}
        return {"load_id": self.load_id} | ({"is_fed": False} if table in tables else {})

    def as_metadata(self) -> dict[str, Any]:
        """The report as plain values, for the materialisation's metadata and the command line."""
        return {
            "load_id": self.load_id,
            "versions_added": self.versions_added,
            "rows_quarantined": self.rows_quarantined,
            "quarantine_reasons": dict(self.reasons),
            "files_loaded": self.files_loaded,
            "files_for_later": self.files_for_later,
            "join_rate": self.join_rate,
            "contradictions": {item.name: item.count for item in self.contradictions},
            "new_source_fields": list(self.new_source_fields),
            "entities": [asdict(item) for item in self.entities],
        }


def ingest(
    settings: Settings,
    portfolio: Portfolio,
    as_of: date,
    captured_at: datetime,
    *,
    run_id: str | None = None,
    own_tasks: Mapping[str, frozenset[str]] | None = None,
    suppression: Suppression | None = None,
) -> IngestReport:
    """Read every source of `portfolio` and append what is new to raw; `captured_at` (naive UTC) is when this run reads.

    `own_tasks`: ids of the tasks that write-back made, by CRM (`store.sent.read_own_tasks`): their echo is left out (`ingestion.echo`).
    `suppression`: the persons that were erased (`privacy.suppressed`): none of them comes back.

    Raises one VimError (E010 unreachable, E011 credentials, E012 mapped field, E017/E018 file, E020 locked warehouse, ...) and then
    has changed nothing. Running it again adds no version, no event and no quarantined row.
    """
    warehouse = open_warehouse(settings, Work("ingestion", as_of, run_id))
    with Systems(portfolio, settings, captured_at=captured_at, own_tasks=own_tasks) as systems, tempfile.TemporaryDirectory(prefix="vim-spool-") as spool:
        cursors, fresh, changed, later = _state(warehouse, portfolio, as_of)
        prepared = prepare_usage_files(portfolio, [*fresh, *changed], Path(spool)) if USAGE in portfolio.entities else {}
        from_files = {name: _from_files(portfolio, name, captured_at) for name in _file_entities(portfolio)}
        contradictions = tuple(_contradictions(portfolio))
        systems.extract(cursors)
        with warehouse.session() as session:
            ensure_raw_tables(session)
            night = _Night(session, portfolio, as_of, captured_at, suppression)
            read = from_files | systems.load()
            for name, extracted in read.items():
                night.load_entity(name, extracted)
            # Events last: their accounts are found through tonight's licence assignments and contract lines.
            at = cursors.get(USAGE)
            usage = night.load_usage(fresh, changed, prepared, later, at.text if at else None)
            night.write_loads()
            night.write_coverage()
            return IngestReport(
                night.load_id,
                as_of,
                captured_at,
                tuple(night.loads),
                contradictions,
                dict(sorted(night.reasons.items())),
                usage.files_loaded,
                usage.files_for_later,
                night.write_source_fields({name: extracted.fields for name, extracted in read.items()}),
            )


class _Night:
    """The writes of one ingestion, all in one session's transaction."""

    def __init__(self, session: Session, portfolio: Portfolio, as_of: date, captured_at: datetime, suppression: Suppression | None = None) -> None:
        self.session, self.portfolio, self.as_of, self.captured_at, self.suppression = session, portfolio, as_of, captured_at, suppression
        number = int(session.scalar("select count(distinct load_id) from raw.loads") or 0) + 1
        self.load_id = f"L{number:08d}"  # sorts by time, also where two runs share one captured_at
        self.loads: list[EntityLoad] = []
        self.load_rows: list[dict[str, Any]] = []
        self.reasons: Counter[str] = Counter()

    def load_entity(self, name: str, extracted: Extracted) -> None:
        entity, mapping = ENTITIES[name], self.portfolio.entities[name]
        suppressed = 0
        if self.suppression:
            extracted, suppressed = without_erased(self.suppression, entity, extracted)
        present = {row.key for row in extracted.rows}
        rejected_keys = frozenset(item.row_key for item in extracted.rejected if item.row_key)
        # A reading without one good row ends nothing, be it a file or a system: it is far likelier broken than everybody left on one day.
        is_whole = bool(present) and (extracted.is_complete or mapping.history == "snapshot")
        known = known_versions(self.session, entity, None if is_whole else present | set(extracted.deleted))
        if mapping.history == "snapshot":
            gone = set(known) - present - rejected_keys if is_whole else set()
            versions = snapshot_versions(
                known,
                extracted.rows,
                seen_at=snapshot_seen_at(self.as_of, self.captured_at),
                missing=_newest_rows(self.session, entity, sorted(gone)),
                kept_keys=rejected_keys,
            )
        else:
            versions = new_versions(known, extracted.rows, captured_at=self.captured_at)
            ends = {key: moment for key, moment in extracted.deleted.items() if key not in present}
            if is_whole:
                seen_at = snapshot_seen_at(self.as_of, self.captured_at)
                ends = {key: max(seen_at, known[key][-1].known_at) for key in set(known) - present - rejected_keys if not known[key][-1].is_deleted} | ends
                versions += returned_versions(known, versions, extracted.rows, seen_at=seen_at)
            versions += ended_versions(known, ends, _newest_rows(self.session, entity, sorted(ends)))
        append_rows(self.session, f"raw.{entity.table}", [self._version_row(mapping.source, item) for item in versions])
        self._quarantine(name, mapping.source, extracted.rejected)
        cursor = json.dumps({"cursor": extracted.cursor, "mapping": mapping_fingerprint(mapping), "types": extracted.types}) if extracted.cursor else None
        self._record(EntityLoad(name, mapping.source, extracted.rows_read, len(versions), len(extracted.rejected), rows_suppressed=suppressed), cursor)

    def load_usage(self, fresh: Sequence[UsageFile], changed: Sequence[UsageFile], prepared: dict[Path, Path], later: int, cursor: str | None) -> UsageLoad:
        if USAGE not in self.portfolio.entities:
            return UsageLoad()
        mapping = self.portfolio.entities[USAGE]
        usage = load_usage_events(
            self.session, self.portfolio, fresh, changed, prepared,
            files_for_later=later, load_id=self.load_id, captured_at=self.captured_at, cursor=cursor,
        )  # fmt: skip
        if usage.load_number is not None:
            append_rows(self.session, "raw.loaded_files", loaded_file_rows(usage, self.portfolio, [*fresh, *changed], self.captured_at))
            append_rows(self.session, "raw.usage_attribution", attribution_of(usage, self.portfolio, self.load_id, self.captured_at))
        suppressed = 0
        if self.suppression and usage.load_number is not None:
            suppressed = drop_events_of_erased(self.session, self.suppression, usage.load_number)
            clean_quarantine(self.session, self.suppression, self.load_id)
        for row in self.session.rows(
            "select reason, count(*) as n from raw.quarantine where load_id = ? and entity = ? group by reason", [self.load_id, USAGE]
        ):
            self.reasons[row["reason"]] += row["n"]
        reached = json.dumps({"cursor": usage.cursor, "mapping": mapping_fingerprint(mapping)}) if usage.cursor else None
        self._record(
            EntityLoad(
                USAGE, mapping.source, usage.rows_read, usage.rows_added - suppressed, usage.rows_quarantined, usage.rows_unattributed, usage.rows_repeated,
                suppressed,
            ),
            reached,
        )  # fmt: skip
        return usage

    def write_loads(self) -> None:
        """The rows of raw.loads, with the cursors that the next night starts from."""
        append_rows(self.session, "raw.loads", self.load_rows)

    def write_coverage(self) -> None:
        """One row per entity: what no source feeds is unknown further up, never zero."""
        self.session.execute("delete from raw.entity_coverage")
        rows = []
        for name in (*ENTITIES, USAGE):
            mapping = self.portfolio.entities.get(name)
            rows.append(
                {
                    "entity": name,
                    "is_fed": mapping is not None,
                    "source_name": mapping.source if mapping else None,
                    "history": mapping.history if mapping else None,
                    "last_captured_at": self.captured_at if mapping else None,
                }
            )
        append_rows(self.session, "raw.entity_coverage", rows)

    def write_source_fields(self, fields: Mapping[str, Mapping[str, str]]) -> tuple[str, ...]:
        """Remember which fields the sources have (entity to field to type); returns what is new in an entity that was read before.

        A column that somebody adds to the CRM is often the answer to a measure that is unknown: it is recorded, and ignored until it is mapped.
        """
        names = ("source_name", "entity", "field_name", "field_type", "is_mapped", "first_seen_at", "last_seen_at")
        held = {
            (row["source_name"], row["entity"], row["field_name"], row["field_type"]): row
            for row in self.session.rows(f"select {', '.join(names)} from raw.source_fields")
        }
        before = {place[:2] for place in held}
        after, news = dict(held), []
        for entity, present in sorted(fields.items()):
            mapping = self.portfolio.entities[entity]
            mapped = set(mapping.source_fields)
            for name, kind in sorted(present.items()):
                place = (mapping.source, entity, name, kind)
                if place not in held and place[:2] in before:
                    news.append(f"{entity}.{name} ({kind})")
                first = held[place]["first_seen_at"] if place in held else self.captured_at
                after[place] = dict(zip(names, (*place, name in mapped, first, self.captured_at), strict=True))
        if after != held:
            self.session.execute("delete from raw.source_fields")
            append_rows(self.session, "raw.source_fields", [after[place] for place in sorted(after)])
        return tuple(news)

    def _version_row(self, source_name: str, version: Version) -> dict[str, Any]:
        row = version.row
        return row.values | {
            "source_name": source_name,
            "source_modified_at": row.modified_at,
            "known_at": version.known_at,
            "captured_at": self.captured_at,
            "content_hash": row.content_hash,
            "is_deleted": version.is_deleted,
            "load_id": self.load_id,
        }

    def _quarantine(self, name: str, source_name: str, rejected: Sequence[Rejected]) -> None:
        """Set the rejected rows aside, each once: the overlap and a file that is read every night bring the same bad row again."""
        if not rejected:
            return
        self.reasons.update(item.reason for item in rejected)
        seen = {
            (row["reason"], sha256_text(row["row_json"]))
            for row in self.session.rows("select reason, row_json from raw.quarantine where entity = ? and source_name = ?", [name, source_name])
        }
        append_rows(
            self.session,
            "raw.quarantine",
            [
                {"load_id": self.load_id, "source_name": source_name, "entity": name, "captured_at": self.captured_at, **asdict(item)}
                for item in rejected
                if (item.reason, sha256_text(item.row_json)) not in seen
            ],
        )

    def _record(self, load: EntityLoad, cursor: str | None) -> None:
        self.loads.append(load)
        self.load_rows.append(
            {"load_id": self.load_id, "as_of_date": self.as_of, "cursor_value": cursor, "status": "ok", "captured_at": self.captured_at, **asdict(load)}
        )


def known_versions(session: Session, entity: Entity, keys_wanted: Set[str] | None) -> dict[str, list[Known]]:
    """The versions that raw holds of `keys_wanted` (None: of all keys), oldest first; of more keys than a query lists the whole column is read."""
    if keys_wanted is not None and not keys_wanted:
        return {}
    keys = sorted(keys_wanted) if keys_wanted is not None else None
    condition, parameters = "", []
    if keys is not None and len(keys) <= KEYS_PER_QUERY:
        condition, parameters = f"where {entity.key} in ({', '.join('?' * len(keys))})", list(keys)
    found: dict[str, list[Known]] = {}
    for row in session.rows(
        f"select {entity.key} as row_key, known_at, content_hash, is_deleted from raw.{entity.table} {condition} order by row_key, known_at, captured_at, load_id",
        parameters,
    ):
        found.setdefault(row["row_key"], []).append(Known(row["known_at"], row["content_hash"], row["is_deleted"]))
    return found


def _newest_rows(session: Session, entity: Entity, keys: Sequence[str]) -> dict[str, Row]:
    """The newest content of `keys`, to end them with a version of the same content that says deleted."""
    names = ", ".join(column.name for column in entity.columns)
    newest: dict[str, Row] = {}
    for part in chunks(keys, KEYS_PER_QUERY):
        for row in session.rows(
            f"select {names}, content_hash from raw.{entity.table} where {entity.key} in ({', '.join('?' * len(part))}) order by known_at, captured_at, load_id",
            list(part),
        ):
            content_hash = row.pop("content_hash")
            newest[row[entity.key]] = Row(row[entity.key], row, None, True, content_hash)
    return newest


def _state(warehouse: Warehouse, portfolio: Portfolio, as_of: date) -> tuple[dict[str, Cursor], list[UsageFile], list[UsageFile], int]:
    """What earlier runs committed: the cursor of each entity, and which telemetry files are new, changed, or for a later day."""
    files = usage_files(portfolio) if USAGE in portfolio.entities else []
    path: Path | None = getattr(warehouse, "path", None)
    if path is not None and not path.exists():  # reading must not make a warehouse
        return {}, [file for file in files if not _is_later(file, as_of)], [], sum(_is_later(file, as_of) for file in files)
    with warehouse.session(read_only=True) as session:
        if not session.table_exists("raw.loads") or not session.table_exists("raw.loaded_files"):
            return {}, [file for file in files if not _is_later(file, as_of)], [], sum(_is_later(file, as_of) for file in files)
        cursors: dict[str, Cursor] = {}
        for row in session.rows("select entity, source_name, cursor_value from raw.loads where status = 'ok' and cursor_value is not null order by load_id"):
            mapping = portfolio.entities.get(row["entity"])
            stored = json.loads(row["cursor_value"])
            cursors.pop(row["entity"], None)
            if mapping is not None and mapping.source == row["source_name"] and stored["mapping"] == mapping_fingerprint(mapping):
                cursors[row["entity"]] = Cursor(stored["cursor"], stored.get("types"))
        if not files:
            return cursors, [], [], 0
        fresh, changed, later = select_usage_files(session, portfolio.entities[USAGE].source, files, as_of)
        return cursors, fresh, changed, later


def _is_later(file: UsageFile, as_of: date) -> bool:
    return file.recorded_on is not None and file.recorded_on > as_of


def _file_entities(portfolio: Portfolio) -> list[str]:
    return [name for name, mapping in portfolio.entities.items() if name != USAGE and portfolio.sources[mapping.source].kind in FILE_KINDS]


def _from_files(portfolio: Portfolio, name: str, captured_at: datetime) -> Extracted:
    records: list[Mapping[str, Any]] = list(file_records(portfolio, name))
    mapping, outside = portfolio.entities[name], list[tuple[Any, Any]]()
    rows, rejected = coerce(ENTITIES[name], mapped_records(mapping, records, key=ENTITIES[name].key, outside=outside), captured_at=captured_at)
    fields: dict[str, str] = {}
    for path in portfolio.files(mapping.source, mapping.path):
        fields |= file_field_types(path, portfolio.sources[mapping.source])
    return Extracted(name, rows, rejected, len(records), deleted=departures(outside, captured_at=captured_at), fields=fields)


def _contradictions(portfolio: Portfolio) -> list[Contradiction]:
    found = []
    for check in portfolio.cross_checks:
        left, right = (key_values(portfolio, side.source, side.path, side.key, side.where) for side in (check.left, check.right))
        found.append(Contradiction(check.name, len(left & right), len(left - right), len(right - left)))
    return found
