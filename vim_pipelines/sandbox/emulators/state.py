"""What an emulated vendor remembers: seeded versions of each row, what was written through its API, and what is current now.

The sandbox has a clock of its own (`clock.json`). A seeded version is visible from its modification stamp on, so moving the clock
reveals the next day as a vendor would show it. A write made through the API survives such a step: a later seeded version changes only
the fields in which it differs from the seeded version before it, as another user of the CRM would.

One SQLite file per vendor, in WAL mode: a second process on the same sandbox sees the same state, and a restart loses nothing.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

#: The sandbox's today where no clock file says otherwise (DESIGN section 6: it ends on a fixed date).
DEFAULT_NOW = datetime(2026, 6, 29, 6, 0)
#: Stamps are fixed-width text in Salesforce's own form, so that text order is time order.
BEGINNING = "0001-01-01T00:00:00.000+0000"
STAMP = "SystemModstamp"


def stamp_text(moment: datetime) -> str:
    """A naive UTC datetime as a stamp with milliseconds."""
    return moment.isoformat(timespec="milliseconds") + "+0000"


def stamp_time(text: str) -> datetime:
    """The naive UTC datetime of a stamp."""
    return datetime.fromisoformat(text[:23])


@dataclass(frozen=True)
class Table:
    """One kind of row: `key` identifies it, `columns` are its further columns without key, stamp and IsDeleted (all SQLite types)."""

    name: str
    key: str
    columns: tuple[str, ...]
    #: Columns with an index on the current rows: text found without case (external ids), and anything compared exactly.
    found_by: tuple[str, ...] = ()
    ordered_by: tuple[str, ...] = ()

    @property
    def all_columns(self) -> tuple[str, ...]:
        """Key, stamp and deletion mark first."""
        return (self.key, STAMP, "IsDeleted", *self.columns)


class OutdatedState(Exception):
    """The database was made by an earlier version: its tables lack columns that this one serves."""


class SandboxClock:
    """The sandbox's now, read from the clock file on every call so that another process can move it; `skew` is how far this vendor's clock is ahead."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.skew = timedelta(0)

    def now(self) -> datetime:
        """Naive UTC."""
        try:
            return datetime.fromisoformat(json.loads(self._path.read_text(encoding="utf-8"))["now"]) + self.skew
        except FileNotFoundError:
            return DEFAULT_NOW + self.skew


class State:
    """The database of one emulator. Not for several threads at once: an emulator serves from one."""

    def __init__(self, path: Path, tables: Sequence[Table]) -> None:
        self.tables = {table.name: table for table in tables}
        path.parent.mkdir(parents=True, exist_ok=True)
        self.connection = sqlite3.connect(path, timeout=30, check_same_thread=False, isolation_level=None)
        self.connection.execute("pragma journal_mode = wal")
        # A write that was answered must be there after the machine's process dies; surviving a power cut is not the sandbox's business.
        self.connection.execute("pragma synchronous = normal")
        if lacking := self._lacking():
            self.connection.close()
            raise OutdatedState(f"{path.name} lacks {lacking}")
        self._create()

    def close(self) -> None:
        """Close the database."""
        self.connection.close()

    @contextmanager
    def transaction(self) -> Any:
        """All or nothing; holds SQLite's write lock from the start."""
        self.connection.execute("begin immediate")
        try:
            yield self.connection
        except BaseException:
            self.connection.execute("rollback")
            raise
        self.connection.execute("commit")

    def _lacking(self) -> str:
        """The first column of ours that a database which is there already has not; empty if it has all, or if there is none yet."""
        for table in self.tables.values():
            present = {row[1] for row in self.connection.execute(f'pragma table_info("c_{table.name}")')}
            if missing := [column for column in table.all_columns if column not in present] if present else []:
                return f"{table.name}.{missing[0]}"
        return ""

    def _create(self) -> None:
        with self.transaction() as connection:
            connection.execute("create table if not exists meta (name text primary key, value text)")
            connection.execute(
                "create table if not exists writes (number integer primary key, object text, record text, external_field text, external_value text, "
                "effect text, stamp text, fields text, changed text)"
            )
            connection.execute("create table if not exists purged (object text, record text, stamp text, primary key (object, record))")
            connection.execute("create index if not exists writes_record on writes (object, record)")
            for table in self.tables.values():
                columns = ", ".join(f'"{column}"' for column in table.all_columns)
                connection.execute(f'create table if not exists "v_{table.name}" ({columns})')
                connection.execute(f'create table if not exists "c_{table.name}" ({columns}, primary key ("{table.key}"))')
                connection.execute(f'create index if not exists "v_{table.name}_stamp" on "v_{table.name}" ("{STAMP}")')
                connection.execute(f'create index if not exists "c_{table.name}_stamp" on "c_{table.name}" ("{STAMP}", "{table.key}")')
                for column in table.found_by:
                    connection.execute(f'create index if not exists "c_{table.name}_{column}" on "c_{table.name}" ("{column}" collate nocase)')
                for column in table.ordered_by:
                    connection.execute(f'create index if not exists "c_{table.name}_{column}" on "c_{table.name}" ("{column}", "{table.key}")')

    # ---- seeding

    def seed(self, table_name: str, columns: Mapping[str, Iterable[Any]]) -> int:
        """Add seeded versions given column by column (key, stamp, and any of the table's columns); returns how many. Call inside a transaction."""
        table = self.tables[table_name]
        names = ['"' + name + '"' for name in columns]
        unknown = set(columns) - set(table.all_columns)
        if unknown:
            raise KeyError(f"{table_name} has no columns {sorted(unknown)}")
        statement = f'insert into "v_{table.name}" ({", ".join(names)}) values ({", ".join("?" * len(names))})'
        return self.connection.executemany(statement, zip(*columns.values(), strict=True)).rowcount

    # ---- schema

    def add_column(self, table_name: str, column: str, value: Any = None) -> None:
        """A further column, with `value` in every row there is: a field that somebody added to the vendor's object overnight. Once, whoever asks."""
        table = self.tables[table_name]
        for prefix in ("v", "c"):
            present = {row[1] for row in self.connection.execute(f'pragma table_info("{prefix}_{table.name}")')}
            if column not in present:
                self.connection.execute(f'alter table "{prefix}_{table.name}" add column "{column}"')
                self.connection.execute(f'update "{prefix}_{table.name}" set "{column}" = ?', (value,))
        if column not in table.columns:
            self.tables[table_name] = replace(table, columns=(*table.columns, column))

    # ---- the clock

    def advance(self, now: datetime) -> None:
        """Make the rows as of `now` (naive UTC) current. Going back in time rebuilds them; what the API wrote stays."""
        until, since = stamp_text(now), self.meta("now") or BEGINNING
        if until == since:
            return
        with self.transaction() as connection:
            if until < since:
                for table in self.tables.values():
                    connection.execute(f'delete from "c_{table.name}"')
                since = BEGINNING
            for table in self.tables.values():
                self._reveal(table, since, until)
            self.set_meta("now", until)

    def _reveal(self, table: Table, since: str, until: str) -> None:
        columns = ", ".join(f'"{column}"' for column in table.all_columns)
        updates = ", ".join(f'"{column}" = excluded."{column}"' for column in table.all_columns[1:])
        # The order makes the newest version win; an upsert keeps the rowid, which query locators hold on to.
        self.connection.execute(
            f'insert into "c_{table.name}" ({columns}) select {columns} from "v_{table.name}" where "{STAMP}" > ? and "{STAMP}" <= ? '
            f'and "{table.key}" not in (select record from writes where object = ? union all select record from purged where object = ?) order by "{STAMP}" '
            f'on conflict ("{table.key}") do update set {updates}',
            (since, until, table.name, table.name),
        )
        written = [
            row[0]
            for row in self.connection.execute(
                "select distinct record from writes where object = ? except select record from purged where object = ?", (table.name,) * 2
            )
        ]
        for record in written:
            self._fold(table, record, until)

    def _fold(self, table: Table, record: str, until: str) -> None:
        """The current row of a record that was written through the API, from all its versions and writes in the order of their stamps."""
        columns = ", ".join(f'"{column}"' for column in table.all_columns)
        versions = self.connection.execute(
            f'select {columns} from "v_{table.name}" where "{table.key}" = ? and "{STAMP}" <= ? order by "{STAMP}"', (record, until)
        )
        writes = self.connection.execute("select stamp, fields from writes where object = ? and record = ? order by number", (table.name, record))
        steps: list[tuple[str, int, dict[str, Any]]] = [(row[1], 0, dict(zip(table.all_columns, row, strict=True))) for row in versions]
        steps += [(stamp, 1, json.loads(fields)) for stamp, fields in writes]
        row = fold_steps(sorted(steps, key=lambda step: step[:2]))
        if row is not None:
            self.put(table.name, {table.key: record, **row})

    # ---- current rows

    def put(self, table_name: str, row: Mapping[str, Any]) -> None:
        """Insert or update a current row; columns that are not named stay as they are."""
        table = self.tables[table_name]
        names = [f'"{name}"' for name in row]
        updates = ", ".join(f"{name} = excluded.{name}" for name in names)
        self.connection.execute(
            f'insert into "c_{table.name}" ({", ".join(names)}) values ({", ".join("?" * len(names))}) on conflict ("{table.key}") do update set {updates}',
            tuple(row.values()),
        )

    def current(self, table_name: str, where: str, parameters: Sequence[Any]) -> list[dict[str, Any]]:
        """Current rows (deleted ones included) that meet a condition."""
        table = self.tables[table_name]
        columns = ", ".join(f'"{column}"' for column in table.all_columns)
        rows = self.connection.execute(f'select {columns} from "c_{table.name}" where {where}', tuple(parameters))
        return [dict(zip(table.all_columns, row, strict=True)) for row in rows]

    # ---- writes

    def next_stamp(self, now: datetime) -> str:
        """The stamp of a write made now: the sandbox's now, a millisecond after the last write at the earliest."""
        last = self.meta("last_write")
        moment = now if last is None else max(now, stamp_time(last) + timedelta(milliseconds=1))
        stamp = stamp_text(moment)
        self.set_meta("last_write", stamp)
        return stamp

    def write(self, table_name: str, record: str, effect: str, stamp: str, fields: Mapping[str, Any], *, external: tuple[str, str] | None = None) -> list[str]:
        """Apply `fields` (wire values of columns) to a record and note it in the journal of writes; returns the fields that changed.

        `effect` is created, updated or deleted. Call inside a transaction.
        """
        table = self.tables[table_name]
        before = self.current(table_name, f'"{table.key}" = ?', (record,))
        old = before[0] if before else {}
        changed = sorted(name for name, value in fields.items() if not same(old.get(name), value))
        row = {**fields, STAMP: stamp}
        if effect == "created":
            row.setdefault("IsDeleted", 0)
        self.put(table_name, {table.key: record, **row})
        self.connection.execute(
            "insert into writes (object, record, external_field, external_value, effect, stamp, fields, changed) values (?, ?, ?, ?, ?, ?, ?, ?)",
            (table_name, record, *(external or (None, None)), effect, stamp, json.dumps(row), json.dumps(changed)),
        )
        return changed

    def writes(self) -> list[dict[str, Any]]:
        """Every effective write through the API, oldest first."""
        names = ("number", "object", "record", "external_field", "external_value", "effect", "stamp", "changed")
        rows = self.connection.execute(f"select {', '.join(names)} from writes order by number")
        return [{**dict(zip(names, row, strict=True)), "changed": json.loads(row[-1])} for row in rows]

    # ---- the recycle bin

    def purge(self, table_name: str) -> int:
        """Empty the recycle bin: deleted rows are gone from every query and stay in the delete log only; returns how many."""
        table = self.tables[table_name]
        with self.transaction() as connection:
            connection.execute(
                f'insert or replace into purged (object, record, stamp) select ?, "{table.key}", "{STAMP}" from "c_{table.name}" where IsDeleted = 1',
                (table.name,),
            )
            return int(connection.execute(f'delete from "c_{table.name}" where IsDeleted = 1').rowcount)

    def deleted(self, table_name: str, start: str, end: str) -> list[tuple[str, str]]:
        """Key and stamp of the rows that were deleted from `start` to before `end`, in the recycle bin or purged from it."""
        table = self.tables[table_name]
        rows = self.connection.execute(
            f'select "{table.key}", "{STAMP}" from "c_{table.name}" where IsDeleted = 1 and "{STAMP}" >= ? and "{STAMP}" < ? '
            "union all select record, stamp from purged where object = ? and stamp >= ? and stamp < ? order by 2, 1",
            (start, end, table.name, start, end),
        )
        return [(str(key), str(stamp)) for key, stamp in rows]

    # ---- small things

    def meta(self, name: str) -> str | None:
        """A remembered text, or None."""
        row = self.connection.execute("select value from meta where name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def set_meta(self, name: str, value: str) -> None:
        """Remember a text."""
        self.connection.execute("insert into meta (name, value) values (?, ?) on conflict (name) do update set value = excluded.value", (name, value))


def fold_steps(steps: Sequence[tuple[str, int, Mapping[str, Any]]]) -> dict[str, Any] | None:
    """One row out of seeded versions (kind 0) and writes (kind 1) in order; None without any.

    A seeded version changes only what differs from the seeded version before it, so it does not undo what the API wrote.
    """
    row: dict[str, Any] = {}
    seeded: Mapping[str, Any] = {}
    for _, kind, fields in steps:
        if kind == 0:
            row.update({name: value for name, value in fields.items() if name not in seeded or not same(seeded[name], value)})
            seeded = fields
        else:
            row.update(fields)
    if not row:
        return None
    row[STAMP] = steps[-1][0]
    return row


def same(left: Any, right: Any) -> bool:
    """Whether two stored values are equal; 200 and 200.0 are, 1 and true are."""
    return bool(left == right)
