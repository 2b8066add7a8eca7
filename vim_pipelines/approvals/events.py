"""The record of who did what: append-only, each row hashed over the one before it.

An approval is evidence. Whoever edits a row of it, swaps two, or cuts off the last ones must be found out by `verify_chain`, which
also compares each request with its last event and its payload with its hash. (Someone who can rewrite the whole table can forge
a whole chain; keep the last hash elsewhere, for example in the nightly mirror, where that matters.)

A person who is erased (`privacy.erase`) is replaced by tokens in texts that were hashed. The row keeps the hash of what it said; an event
of its own in the chain carries the hash of the list of such rows, each with the hash of what stands there now. So an erasure is no
break, and whoever edits an erased row, or calls an edit an erasure, is found out all the same.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from vim_pipelines.approvals.policy import Actor
from vim_pipelines.approvals.states import DECISIONS, next_state
from vim_pipelines.core.errors import VimError
from vim_pipelines.core.hashing import canonical_json, sha256_json, sha256_text
from vim_pipelines.store.engine import Store
from vim_pipelines.store.models import Alert, ApprovalEvent, ApprovalRequest, Draft, ErasedRow, Erasure, OutboxEntry, StandingApproval

GENESIS = "0" * 64

#: The action of an event that records an erasure; its `request_id` names the erasure.
ERASE = "erase"

#: PostgreSQL advisory lock that serialises writers of the chain. SQLite has one writer at a time anyway.
CHAIN_LOCK = 7_462_002

SYSTEM = Actor("value-in-motion", "system", "system")

#: Columns of a request that stand in its payload, too.
QUESTION = (
    "account_key", "account_name", "document", "draft_id", "version", "policy_version", "approver_role", "approvals_needed", "risk_band", "arr_amount",
    "currency", "segment", "amount_at_stake", "stake_currency", "edited_by", "as_of_date", "created_at", "expires_at",
)  # fmt: skip

HASHED = ("request_id", "at", "actor", "role", "channel", "action", "from_state", "to_state", "version", "payload_sha256", "note", "previous_sha256")


@contextmanager
def chained(store: Store) -> Iterator[Session]:
    """A transaction that may append events. The chain's lock is always the first one taken, so two of them cannot deadlock."""
    with store.session() as session:
        if session.get_bind().dialect.name == "postgresql":
            session.connection().exec_driver_sql(f"select pg_advisory_xact_lock({CHAIN_LOCK})")
        yield session


def standing_sha256(target: str, fields: Sequence[str], policy_version: str) -> str:
    """What a standing approval of the mirror signs."""
    return sha256_json([target, sorted(fields), policy_version])


def event_sha256(event: ApprovalEvent) -> str:
    """What the row's hash has to be."""
    return sha256_json({name: getattr(event, name) for name in HASHED})


def append(
    session: Session, request: ApprovalRequest, action: str, *, from_state: str | None, to_state: str, actor: Actor, now: datetime, note: str | None = None
) -> ApprovalEvent:
    """Add one event to the chain, inside `chained`."""
    previous = session.scalar(select(ApprovalEvent.event_sha256).order_by(ApprovalEvent.event_number.desc()).limit(1))
    event = ApprovalEvent(
        request_id=request.request_id,
        at=now,
        actor=actor.name,
        role=actor.role,
        channel=actor.channel,
        action=action,
        from_state=from_state,
        to_state=to_state,
        version=request.version,
        payload_sha256=request.payload_sha256,
        note=note,
        previous_sha256=previous or GENESIS,
        event_sha256="",
    )
    event.event_sha256 = event_sha256(event)
    session.add(event)
    session.flush()
    return event


def step(
    session: Session, request: ApprovalRequest, action: str, *, actor: Actor, now: datetime, note: str | None = None, values: Mapping[str, Any] | None = None
) -> None:
    """Move `request` by compare-and-swap and record it: the row must still be in the state, version and attempt that were read.

    `values` are further columns to set. Raises VIM-E042 if the step is not possible or somebody else was first.
    """
    state = request.state
    target = next_state(state, action)
    moved = session.execute(
        update(ApprovalRequest)
        .where(
            ApprovalRequest.request_id == request.request_id,
            ApprovalRequest.state == state,
            ApprovalRequest.version == request.version,
            ApprovalRequest.attempt == request.attempt,
        )
        .values(state=target, updated_at=now, **(values or {}))
        .execution_options(synchronize_session=False)
    )
    if moved.rowcount != 1:  # type: ignore[attr-defined]
        raise VimError(
            "VIM-E042", f"The request {request.request_id} was moved on by somebody else", fix="Look at it again: vimotion inbox show " + request.request_id
        )
    session.refresh(request)
    append(session, request, action, from_state=state, to_state=target, actor=actor, now=now, note=note)


def erasure_event_id(erasure_id: str) -> str:
    """What stands in the event's `request_id`."""
    return f"erasure:{erasure_id}"


def manifest_sha256(rows: Iterable[ErasedRow]) -> str:
    """The hash of an erasure's list of rows."""
    return sha256_json(sorted([row.table_name, row.row_id, row.was_sha256, row.now_sha256] for row in rows))


class Erased:
    """Which rows no longer fit their own hash because a person was erased from them."""

    def __init__(self, session: Session) -> None:
        self.rows = session.scalars(select(ErasedRow)).all()
        self._now = {(row.table_name, row.row_id, row.now_sha256) for row in self.rows}

    def explains(self, table: str, row_id: object, now_sha256: str) -> bool:
        """Whether this is what an erasure left there."""
        return (table, str(row_id), now_sha256) in self._now

    def breaks(self, session: Session, events: Mapping[str, ApprovalEvent]) -> Iterator[str]:
        """Erasures that the chain does not know, or knows with another list of rows."""
        known = {row.erasure_id: row for row in session.scalars(select(Erasure).where(Erasure.store_done_at.is_not(None)))}
        for erasure_id in sorted(known.keys() | {row.erasure_id for row in self.rows}):
            event = events.get(erasure_event_id(erasure_id))
            if event is None or event.payload_sha256 != manifest_sha256(row for row in self.rows if row.erasure_id == erasure_id):
                yield f"erasure {erasure_id}: the rows that it names are not those that the record names"


def erased_lines(store: Store) -> list[str]:
    """A line for each erasure on record: when, by whom, how many hashed rows it touched."""
    with store.session() as session:
        rows = session.scalars(select(ErasedRow)).all()
        erasures = session.scalars(select(Erasure).where(Erasure.store_done_at.is_not(None)).order_by(Erasure.begun_at)).all()
        counts = Counter(row.erasure_id for row in rows)
        return [
            f"Erasure {row.erasure_id}, {row.begun_at:%Y-%m-%d}, by {row.actor} ({row.role}): {counts[row.erasure_id]} rows hold tokens instead of a "
            "person; the hashes of what they said are kept."
            for row in erasures
        ]


def verify_chain(store: Store) -> list[str]:
    """Every break of the record, in words; an empty list means that it is whole."""
    broken: list[str] = []
    last: dict[str, ApprovalEvent] = {}
    approvals: dict[str, ApprovalEvent] = {}
    decisions: dict[str, ApprovalEvent] = {}
    with store.session() as session:
        previous = GENESIS
        erased = Erased(session)
        for event in session.scalars(select(ApprovalEvent).order_by(ApprovalEvent.event_number).execution_options(yield_per=1000)):
            where = f"event {event.event_number} ({event.action} of {event.request_id})"
            if event.previous_sha256 != previous:
                broken.append(f"{where}: it does not follow the event before it; one was removed, added or moved")
            if (now := event_sha256(event)) != event.event_sha256 and not erased.explains("approval_events", event.event_number, now):
                broken.append(f"{where}: it was edited after it was written")
            before = last.get(event.request_id)
            if (before.to_state if before else None) != event.from_state:
                broken.append(f"{where}: it starts from {event.from_state}, the request was {before.to_state if before else 'new'}")
            previous = event.event_sha256
            last[event.request_id] = event
            if event.action == "approve":
                approvals[event.request_id] = event
            if event.action in DECISIONS:
                decisions[event.request_id] = event
        for request in session.scalars(select(ApprovalRequest).execution_options(yield_per=200)):
            key = request.request_id
            broken += _request_breaks(request, last.pop(key, None), approvals.get(key), decisions.get(key), erased)
        broken += erased.breaks(session, {key: last.pop(key) for key in list(last) if last[key].action == ERASE})
        broken += _other_breaks(session, erased)
    broken += [f"request {request_id}: it has events but no row; it was removed" for request_id in last]
    return broken


def _other_breaks(session: Session, erased: Erased) -> Iterator[str]:
    """What no longer fits its own hash, or the approval that it names: drafts, alerts, the mirror's signatures, the writes."""
    for draft in session.execute(select(Draft.draft_id, Draft.rendered_text, Draft.rendered_sha256).execution_options(yield_per=200)):
        if (now := sha256_text(draft.rendered_text)) != draft.rendered_sha256 and not erased.explains("drafts", draft.draft_id, now):
            yield f"draft {draft.draft_id}: its text was edited"
    for alert in session.execute(select(Alert.alert_id, Alert.text, Alert.text_sha256)):
        if (now := sha256_text(alert.text)) != alert.text_sha256 and not erased.explains("alerts", alert.alert_id, now):
            yield f"alert {alert.alert_id}: its text was edited"
    for standing in session.scalars(select(StandingApproval)):
        if standing_sha256(standing.target, standing.fields, standing.policy_version) != standing.sha256:
            yield f"standing approval {standing.standing_id}: what was signed was edited"
    writes = select(OutboxEntry.entry_id, OutboxEntry.request_id, OutboxEntry.approved_sha256, ApprovalRequest.approved_sha256.label("current"))
    writes = writes.select_from(OutboxEntry).outerjoin(ApprovalRequest, ApprovalRequest.request_id == OutboxEntry.request_id)
    for write in session.execute(writes.where(OutboxEntry.kind == "content").execution_options(yield_per=500)):
        if write.current is None or write.approved_sha256 != write.current:
            yield f"write {write.entry_id}: it names an approval that {write.request_id} does not have"


def verify_request(session: Session, request: ApprovalRequest) -> list[str]:
    """The breaks of one request: its payload against its hash, its row against its events.

    Asked before anything follows from a request, so here a text from which a person was erased counts as broken: nobody approved the tokens.
    """
    events = session.scalars(select(ApprovalEvent).where(ApprovalEvent.request_id == request.request_id).order_by(ApprovalEvent.event_number)).all()
    erased = Erased(session)
    broken = [
        f"event {event.event_number}: it was edited after it was written"
        for event in events
        if (now := event_sha256(event)) != event.event_sha256 and not erased.explains("approval_events", event.event_number, now)
    ]
    approvals = [event for event in events if event.action == "approve"]
    decisions = [event for event in events if event.action in DECISIONS]
    if sha256_json(request.payload) != request.payload_sha256 and erased.explains("approval_requests", request.request_id, sha256_json(request.payload)):
        broken.append(f"request {request.request_id}: a person was erased from its text; it can be read, not decided or carried out")
    return broken + _request_breaks(request, events[-1] if events else None, approvals[-1] if approvals else None, decisions[-1] if decisions else None, erased)


def _request_breaks(
    request: ApprovalRequest, last: ApprovalEvent | None, approval: ApprovalEvent | None, decision: ApprovalEvent | None, erased: Erased
) -> list[str]:
    where = f"request {request.request_id}"
    if last is None:
        return [f"{where}: it has no events"]
    broken = []
    if last.to_state != request.state:
        broken.append(f"{where}: it is {request.state}, its last event says {last.to_state}")
    if last.payload_sha256 != request.payload_sha256 or last.version != request.version:
        broken.append(f"{where}: its last event was about another text")
    if (now := sha256_json(request.payload)) != request.payload_sha256 and not erased.explains("approval_requests", request.request_id, now):
        broken.append(f"{where}: its text, facts or actions were edited")
    if request.approved_sha256 is not None and (approval is None or approval.payload_sha256 != request.approved_sha256):
        broken.append(f"{where}: its approval is not in the record")
    said = (decision.actor, decision.role, decision.channel, decision.at, decision.note) if decision is not None else (None,) * 5
    if said != (request.decided_by, request.decided_role, request.decided_channel, request.decided_at, request.note):
        broken.append(f"{where}: who decided, how, when or why is not what the record says")
    asked = request.payload.get("question")  # a request of an earlier version has none
    if asked is not None and sha256_json(asked) != sha256_json(question_of(request)):
        broken.append(f"{where}: whose it is, who may decide it or until when was edited")
    return broken


def question_of(request: ApprovalRequest) -> dict[str, Any]:
    """What decides who may answer and until when, as plain values. It is hashed with the text: the columns alone could be edited unseen."""
    found: dict[str, Any] = json.loads(canonical_json({name: getattr(request, name) for name in QUESTION}))
    return found
