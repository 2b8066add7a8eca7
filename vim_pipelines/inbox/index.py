"""The pending queue in memory, kept true by the event chain.

Sorting 5,000 requests by what they are worth needs columns that stand behind a payload of 30 kB in each row: reading them takes most of a
second, which fifty people would wait for at each page. Every change of a request appends an event, so the number of the newest event says
whether anything changed, and the events since the last look say which requests to read again.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import fields
from datetime import date, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from vim_pipelines.approvals.policy import Policy
from vim_pipelines.inbox.order import Row, sort_key
from vim_pipelines.store.models import ApprovalEvent, ApprovalRequest, Draft

#: Changed requests from which on all are read anew: a night's worth.
MANY_CHANGES = 500
IDS_A_QUERY = 500

_COLUMNS = [getattr(ApprovalRequest, field.name) for field in fields(Row) if field.name != "audience"]


class QueueIndex:
    """All pending requests, sorted. `rows` must be called with a session that reads one moment of the store."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: int | None = None
        self._basis: tuple[date, str] | None = None
        self._rows: tuple[Row, ...] = ()
        self._keys: dict[str, tuple[float, datetime, str]] = {}

    def rows(self, session: Session, policy: Policy, today: date) -> tuple[Row, ...]:
        """The pending requests, the heaviest first, as of this session's moment or a later one."""
        newest = session.scalar(select(func.max(ApprovalEvent.event_number))) or 0
        basis = (today, policy.version)
        with self._lock:
            if self._seen == newest and self._basis == basis:
                return self._rows
            if self._seen is not None and newest < self._seen and self._basis == basis:
                # This session began before another thread's look; a store that was put back from a copy is found by its events being gone.
                known = session.scalar(select(func.count()).select_from(ApprovalEvent).where(ApprovalEvent.event_number == newest))
                if known and self._seen - newest < MANY_CHANGES:
                    return self._rows
            changed = self._changed(session, newest) if self._seen is not None and self._basis == basis else None
            if changed is None:
                found, kept = read_rows(session, states=("pending",)), []
            else:
                found = [row for row in read_rows(session, ids=changed) if row.state == "pending"]
                kept = [row for row in self._rows if row.request_id not in changed]
            keys = {row.request_id: sort_key(row, policy, today) for row in found}
            if keys or changed is None:  # what only left the queue leaves the others in their order
                self._keys = (self._keys if kept else {}) | keys
                kept = sorted([*kept, *found], key=lambda row: self._keys[row.request_id])
            self._rows, self._seen, self._basis = tuple(kept), newest, basis
            return self._rows

    def _changed(self, session: Session, newest: int) -> set[str] | None:
        """Ids of the requests that had an event since the last look; None: read all anew."""
        seen = self._seen or 0
        if newest < seen or newest - seen > MANY_CHANGES:
            return None
        return set(session.scalars(select(ApprovalEvent.request_id).where(ApprovalEvent.event_number > seen).distinct()))


def read_rows(session: Session, *, states: Collection[str] | None = None, ids: Collection[str] | None = None, limit: int | None = None) -> list[Row]:
    """Rows of the queue without their payloads, in no order; with `limit` those that changed last."""
    statement = select(*_COLUMNS, Draft.audience).join(Draft, Draft.draft_id == ApprovalRequest.draft_id)
    if states is not None:
        statement = statement.where(ApprovalRequest.state.in_(states))
    if limit is not None:
        statement = statement.order_by(ApprovalRequest.updated_at.desc(), ApprovalRequest.request_id).limit(limit)
    if ids is None:
        return [_row(found) for found in session.execute(statement)]
    wanted, rows = sorted(ids), []
    for start in range(0, len(wanted), IDS_A_QUERY):
        part = statement.where(ApprovalRequest.request_id.in_(wanted[start : start + IDS_A_QUERY]))
        rows += [_row(found) for found in session.execute(part)]
    return rows


def _row(found: object) -> Row:
    values = found._asdict()  # type: ignore[attr-defined]
    return Row(**(values | {"context": values["context"] or {}}))


def endorsements(session: Session, rows: Collection[Row]) -> dict[str, list[str]]:
    """Who has approved which of `rows` as it stands, without being the last who was needed; by request id."""
    hashes = {row.request_id: row.payload_sha256 for row in rows if row.approvals_needed > 1}
    if not hashes:
        return {}
    statement = select(ApprovalEvent.request_id, ApprovalEvent.actor, ApprovalEvent.payload_sha256).where(
        ApprovalEvent.request_id.in_(hashes), ApprovalEvent.action == "endorse"
    )
    found: dict[str, list[str]] = {}
    for request_id, actor, sha256 in session.execute(statement.order_by(ApprovalEvent.event_number)):
        if sha256 == hashes[request_id] and actor not in found.setdefault(request_id, []):
            found[request_id].append(actor)
    return found
