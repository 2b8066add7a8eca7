"""Erase a person: find, register, replace, publish, rewrite; a run that dies at any point is completed by running it again.

The order, and why: the list that ingestion asks is written first, so that nothing comes back in between; then the operations store
and the warehouse, each in one transaction; then what is made from them (published copy) and what still lies in files. What the
person is called stands in the erasure's own row until the last step, because each step removes it where the next would look.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from vim_pipelines.core.errors import VimError
from vim_pipelines.core.suppression import CONTACT, LOGIN, USER, Suppression, check_of
from vim_pipelines.privacy import files, store_rows, warehouse_rows
from vim_pipelines.privacy.suppressed import read_suppression, suppression_key
from vim_pipelines.privacy.who import Identity, find
from vim_pipelines.store.locks import exclusive
from vim_pipelines.store.models import Erasure, SuppressionEntry
from vim_pipelines.warehouse import Work, open_warehouse
from vim_pipelines.warehouse.duckdb import DuckDBWarehouse

if TYPE_CHECKING:
    from vim_pipelines.approvals.policy import Actor
    from vim_pipelines.settings import Settings
    from vim_pipelines.store.engine import Store
    from vim_pipelines.warehouse import Session, Warehouse


@dataclass(frozen=True)
class Found:
    """A person and where they stand: rows (or values) by table. `elsewhere`: values outside the person's accounts that bear the same name."""

    identity: Identity
    places: dict[str, int]
    elsewhere: dict[str, int]


@dataclass(frozen=True)
class Erased:
    """What an erasure did. `left`: files that it could not clean. Holds nothing of the person."""

    erasure_id: str
    counts: dict[str, int]
    was_complete: bool = False
    elsewhere: dict[str, int] = field(default_factory=dict)
    left: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "erasure_id": self.erasure_id,
            "was_complete": self.was_complete,
            "counts": self.counts,
            "elsewhere": self.elsewhere,
            "left": list(self.left),
        }


def look_up(settings: Settings, store: Store, asked: str) -> Found:
    """Who `asked` (an e-mail address, a contact's or user's key, a login) is and where they stand; changes nothing. VIM-E192 if nobody is known."""
    warehouse = open_warehouse(settings, Work("other"))
    with _reading(warehouse) as session:
        identity = find(asked, session, store)
        if not identity:
            raise VimError(
                "VIM-E192",
                "Nobody is known by this address or key",
                why="Neither contacts, seats, account owners nor approvers have it; an erased person is not known any more either",
                fix="Try the person's e-mail address, or the contact's id in the CRM",
            )
        suppression = Suppression(suppression_key(settings), identity.entries(suppression_key(settings)))
        swept = warehouse_rows.Sweep() if session is None else warehouse_rows.sweep(session, identity, suppression, now=settings.now(), write=False)
    places = swept.changed | store_rows.count(store, identity, suppression)
    return Found(identity, dict(sorted(places.items())), dict(sorted(swept.elsewhere.items())))


def erase(settings: Settings, store: Store, asked: str, *, by: Actor, note: str, now: datetime) -> Erased:
    """Erase the person; idempotent. VIM-E192 if nobody is known, VIM-E025 while a night runs, VIM-E191 while a write is on its way."""
    with exclusive(store, "portfolio_audit") as taken:
        if not taken:
            raise VimError("VIM-E025", "An audit is running; it holds what is to be erased in memory", fix="Erase when it has ended")
        return _erase(settings, store, asked, by=by, note=note, now=now)


def _erase(settings: Settings, store: Store, asked: str, *, by: Actor, note: str, now: datetime) -> Erased:
    key = suppression_key(settings)
    known = read_suppression(store, settings)  # VIM-E190 before anything is written
    warehouse = open_warehouse(settings, Work("other"))
    open_ones = _open_erasures(store)
    erasure_id, identity = next(((row, who) for row, who in open_ones if _is(who, asked)), (None, Identity()))
    if erasure_id is None:
        with _reading(warehouse) as session:
            identity = find(asked, session, store)
        if not identity:
            done = known is not None and (known.has_mail(asked.lower()) or any(known.has_key(asked, kind) for kind in (CONTACT, USER, LOGIN)))
            if done:
                files.vacuum(store)
                return Erased("", {}, was_complete=True)
            raise VimError("VIM-E192", "Nobody is known by this address or key", fix="See vimotion person find, or try the contact's id in the CRM")
    suppression = Suppression(key, identity.entries(key))
    if suppression.clean(note, account=identity.scope) != note:
        raise VimError("VIM-E193", "The note names the person whom it is about to erase", fix="Name the request by its number instead")
    if erasure_id is None:
        erasure_id = _register(store, identity, key, by=by, note=note, now=now)
    counts = store_rows.sweep(store, erasure_id, identity, suppression, by=by, note=note, now=now)
    elsewhere: dict[str, int] = {}
    with warehouse.session() as session:
        swept = warehouse_rows.sweep(session, identity, suppression, now=now, write=True)
        counts, elsewhere = counts | swept.changed, swept.elsewhere
    _mark(store, erasure_id, counts, warehouse_done_at=now)
    files.publish_anew(settings, warehouse)
    _rewrite_book(settings)
    if isinstance(warehouse, DuckDBWarehouse):
        files.rewrite_duckdb(warehouse)
    cleaned, left = files.clean_texts(settings, identity, suppression)
    counts |= {"files": cleaned} if cleaned else {}
    _mark(store, erasure_id, counts, completed_at=now, pending=None)
    files.vacuum(store)
    return Erased(erasure_id, dict(sorted(counts.items())), elsewhere=dict(sorted(elsewhere.items())), left=tuple(left))


def _open_erasures(store: Store) -> list[tuple[str, Identity]]:
    with store.session() as session:
        rows = session.scalars(select(Erasure).where(Erasure.completed_at.is_(None)).order_by(Erasure.begun_at)).all()
        return [(row.erasure_id, Identity.of(row.pending)) for row in rows if row.pending is not None]


def _is(identity: Identity, asked: str) -> bool:
    return asked.strip().lower() in {text.lower() for text in (*identity.mails, *identity.keys, *identity.logins)}


def _register(store: Store, identity: Identity, key: bytes, *, by: Actor, note: str, now: datetime) -> str:
    erasure_id = secrets.token_hex(8)
    with store.session() as session:
        session.add(
            Erasure(erasure_id=erasure_id, key_check=check_of(key), actor=by.name, role=by.role, note=note, begun_at=now, counts={}, pending=identity.as_json())
        )
        session.flush()
        for entry in identity.entries(key):
            session.add(SuppressionEntry(kind=entry.kind, digest=entry.digest, size=entry.size, erasure_id=erasure_id))
    return erasure_id


def _mark(store: Store, erasure_id: str, counts: dict[str, int], **values: Any) -> None:
    with store.session() as session:
        row = session.get_one(Erasure, erasure_id)
        row.counts = row.counts | counts
        for name, value in values.items():
            setattr(row, name, value)


def _rewrite_book(settings: Settings) -> None:
    """The pages anew from the cleaned copy, and none of before: a manager's name stands in their links and file names too, where no text is replaced."""
    from vim_pipelines.reporting.book.write import remove_book, write_book
    from vim_pipelines.reporting.reading import reading_marts

    if not os.path.lexists(settings.book_dir):
        return
    try:
        with reading_marts(settings) as session:
            write_book(session, settings.book_dir, evaluations=settings.evaluation_dir, inbox_url=settings.inbox_url, keep_before=False)
    except VimError:  # no night to show, or no room for it: better no book until the next night than one that names the person
        remove_book(settings.book_dir)


@contextmanager
def _reading(warehouse: Warehouse) -> Iterator[Session | None]:
    """A session that writes nothing, or None where there is no warehouse yet."""
    if isinstance(warehouse, DuckDBWarehouse) and not warehouse.path.exists():
        yield None
        return
    with warehouse.session(read_only=True) as session:
        yield session
