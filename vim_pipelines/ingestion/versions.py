"""Which of the rows read tonight are news: the rule that keeps raw append-only and small.

A version is added only where the content differs from the version before it, so that the cursor's overlap, a repeated page or our
own write-back (which moves the CRM's modification time and no mapped field) add nothing. Pure, because as-of truth hangs on it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from vim_pipelines.core.dates import end_of_day
from vim_pipelines.ingestion.coerce import Row

#: `known_at` of the first content of a source that keeps no history: believed for all time before, and reported as assumed.
ALWAYS = datetime(1970, 1, 1)


@dataclass(frozen=True)
class Known:
    """A version that raw already holds, oldest first within its key (by known_at, then captured_at)."""

    known_at: datetime
    content_hash: str
    is_deleted: bool


@dataclass(frozen=True)
class Version:
    """A version to append."""

    row: Row
    known_at: datetime
    is_deleted: bool


def new_versions(known: Mapping[str, Sequence[Known]], rows: Iterable[Row], *, captured_at: datetime) -> list[Version]:
    """Versions to add for a source that dates its rows.

    Each row is compared with the version in force just before its own modification time, not with the newest of all, so a late
    page with an older version lands in its place. A row without a modification time is known from `captured_at`.
    """
    by_key: dict[str, list[tuple[datetime, Row]]] = defaultdict(list)
    for row in rows:
        by_key[row.key].append((row.modified_at or captured_at, row))
    added: list[Version] = []
    for key, dated in sorted(by_key.items()):
        line = list(known.get(key, ()))
        held = {(item.known_at, item.content_hash, item.is_deleted) for item in line}
        for known_at, row in sorted(dated, key=lambda pair: (pair[0], pair[1].content_hash)):
            before = [item for item in line if item.known_at <= known_at]
            is_same = bool(before) and (before[-1].content_hash, before[-1].is_deleted) == (row.content_hash, row.is_deleted)
            if is_same or (known_at, row.content_hash, row.is_deleted) in held:
                continue
            line = before + [Known(known_at, row.content_hash, row.is_deleted)] + line[len(before) :]
            added.append(Version(row, known_at, row.is_deleted))
    return added


def snapshot_versions(
    known: Mapping[str, Sequence[Known]], rows: Iterable[Row], *, seen_at: datetime, missing: Mapping[str, Row], kept_keys: frozenset[str] = frozenset()
) -> list[Version]:
    """Versions to add for a source that shows only its present state.

    The first content ever read is taken as having always been so (`ALWAYS`). What changes later is known from `seen_at`, and so is
    the disappearance of a key: `missing` holds the newest content of every key in raw, `kept_keys` those that were read but rejected.
    """
    is_first = not known
    added: list[Version] = []
    present: set[str] = set()
    for row in sorted(rows, key=lambda item: (item.key, item.content_hash)):
        if row.key in present:
            continue
        present.add(row.key)
        newest = known[row.key][-1] if known.get(row.key) else None
        if newest is None:
            added.append(Version(row, ALWAYS if is_first else seen_at, row.is_deleted))
        elif (newest.content_hash, newest.is_deleted) != (row.content_hash, row.is_deleted):
            added.append(Version(row, max(seen_at, newest.known_at), row.is_deleted))
    if present:  # a file without one good row is a broken file, not a portfolio that lost every customer
        for key in sorted(set(known) - present - kept_keys):
            newest = known[key][-1]
            if not newest.is_deleted and key in missing:
                added.append(Version(missing[key], max(seen_at, newest.known_at), True))
    return added


def ended_versions(known: Mapping[str, Sequence[Known]], ends: Mapping[str, datetime], rows: Mapping[str, Row]) -> list[Version]:
    """Versions that end the keys of `ends`, each known from its moment: the content is that of `rows`, the newest that raw holds.

    A key that raw does not know, that has ended already, or that has a version from after the moment of its end (it came back) gets none.
    """
    added = []
    for key, moment in sorted(ends.items()):
        newest = known[key][-1] if known.get(key) else None
        if newest is not None and not newest.is_deleted and newest.known_at <= moment and key in rows:
            added.append(Version(rows[key], moment, True))
    return added


def returned_versions(known: Mapping[str, Sequence[Known]], added: Iterable[Version], rows: Iterable[Row], *, seen_at: datetime) -> list[Version]:
    """Versions to add after `added` where a reading of all that a source holds shows something else than the newest version of raw.

    Somebody undid an edit or a deletion, and the row came back with the date it had: raw holds it at that date already, or a later version
    hides it, and the present would differ from the source for ever. It is known from `seen_at`. Only keys that were read once.
    """
    lines: dict[str, list[Known]] = {}
    for version in added:
        lines.setdefault(version.row.key, []).append(Known(version.known_at, version.row.content_hash, version.is_deleted))
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row.key].append(row)
    returned = []
    for key, (row, *others) in sorted(found.items()):
        line = sorted([*known.get(key, ()), *lines.get(key, ())], key=lambda item: item.known_at)
        if line and not others and (line[-1].content_hash, line[-1].is_deleted) != (row.content_hash, row.is_deleted):
            returned.append(Version(row, max(seen_at, line[-1].known_at), row.is_deleted))
    return returned


def snapshot_seen_at(as_of: date, captured_at: datetime) -> datetime:
    """From when a change found in a snapshot may be believed.

    The nightly run reads the files some hours after the day it audits: what it finds is that day's state (its last microsecond). A
    run that comes more than a day late cannot know when the file changed, and dates the change to the moment of reading.
    """
    day_end = end_of_day(as_of)
    if captured_at < day_end + timedelta(days=1):
        return min(captured_at, day_end - timedelta(microseconds=1))
    return captured_at
