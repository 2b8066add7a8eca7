"""A person in the operations store: every text and JSON column of every table, in one transaction with the record of the erasure.

Rows whose content was hashed keep that hash; `erased_rows` says which they are and what they hash to now, and an event in the chain of
decisions carries the hash of that list. A question that nobody has decided, or that waits to be carried out, is ended: what was asked
is no longer what stands there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, String, Table, Text, delete, select, update

from vim_pipelines.approvals import events
from vim_pipelines.approvals.policy import Actor
from vim_pipelines.core.errors import VimError
from vim_pipelines.core.hashing import sha256_json, sha256_text
from vim_pipelines.store.models import ApprovalRequest, Base, ErasedRow, Erasure, LoginAttempt, OutboxEntry, Person, SuppressionEntry

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from vim_pipelines.core.suppression import Suppression
    from vim_pipelines.privacy.who import Identity
    from vim_pipelines.store.engine import Store

#: Hold hashes and tokens only, or (the erasure's own row) what is deleted when it ends.
NOT_SWEPT = frozenset({Erasure.__tablename__, SuppressionEntry.__tablename__, ErasedRow.__tablename__})
#: Writes that may be under way: sent, or about to be.
OPEN_WRITES = ("planned", "sending", "sent", "unknown")


def count(store: Store, identity: Identity, suppression: Suppression) -> dict[str, int]:
    """Rows that name the person, by table."""
    found: dict[str, int] = {}
    with store.reading() as session:
        for table in _tables():
            number = sum(1 for _row in _changes(session, table, identity, suppression))
            if number:
                found[f"store.{table.name}"] = number
    return found


def sweep(store: Store, erasure_id: str, identity: Identity, suppression: Suppression, *, by: Actor, note: str, now: datetime) -> dict[str, int]:
    """Replace the person by tokens and record it; returns changed rows by table. Running it again changes nothing more.

    VIM-E191 if a write that names the person is on its way to the CRM.
    """
    found: dict[str, int] = {}
    manifest: list[ErasedRow] = []
    with events.chained(store) as session:
        erasure = session.get_one(Erasure, erasure_id)
        if erasure.store_done_at is not None:
            return {}
        _end_open_questions(session, identity, suppression, now=now)
        session.flush()
        for table in _tables():
            changes = list(_changes(session, table, identity, suppression))
            for keys, row, changed in changes:
                original = _hashed(table, row)
                where = [table.c[name] == value for name, value in keys.items()]
                session.execute(update(table).where(*where).values(**changed))
                now_hash = _hash_now(table, row | changed)
                if original is not None and now_hash is not None and now_hash != _hash_now(table, row):
                    manifest.append(
                        ErasedRow(erasure_id=erasure_id, table_name=table.name, row_id=str(next(iter(keys.values()))), was_sha256=original, now_sha256=now_hash)
                    )
            if changes:
                found[f"store.{table.name}"] = len(changes)
        _forget_logins(session, identity, suppression, now=now)
        session.add_all(manifest)
        erasure.manifest_sha256 = events.manifest_sha256(manifest)
        named = ApprovalRequest(request_id=events.erasure_event_id(erasure_id), version=1, payload_sha256=erasure.manifest_sha256)
        events.append(session, named, events.ERASE, from_state=None, to_state="erased", actor=by, now=now, note=note)
        erasure.store_done_at = now
        erasure.counts = erasure.counts | found
    return found


def _tables() -> list[Table]:
    return [table for table in Base.metadata.sorted_tables if table.name not in NOT_SWEPT]


def _changes(session: Session, table: Table, identity: Identity, suppression: Suppression) -> Iterator[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]]:
    """Primary key, row and changed columns of every row that names the person."""
    keys = [column.name for column in table.primary_key]
    columns = [column.name for column in table.columns if isinstance(column.type, String | Text | JSON) and column.name not in keys]
    for found in session.execute(select(table)).mappings().all():
        row = dict(found)
        account = row.get("account_key") or identity.scope
        changed = {}
        for name in columns:
            cleaned = suppression.clean_value(row[name], account=account, column=name)
            if cleaned != row[name]:
                changed[name] = cleaned
        if changed:
            yield {name: row[name] for name in keys}, row, changed


def _hashed(table: Table, row: Mapping[str, Any]) -> str | None:
    """The hash that a row carries of its own content."""
    column = {"drafts": "rendered_sha256", "alerts": "text_sha256", "approval_requests": "payload_sha256", "approval_events": "event_sha256"}.get(table.name)
    return None if column is None else str(row[column])


def _hash_now(table: Table, row: Mapping[str, Any]) -> str | None:
    """What that hash would be of the content as it is, as `approvals.events` computes it."""
    if table.name == "drafts":
        return sha256_text(row["rendered_text"])
    if table.name == "alerts":
        return sha256_text(row["text"])
    if table.name == "approval_requests":
        return sha256_json(row["payload"])
    if table.name == "approval_events":
        return sha256_json({name: row[name] for name in events.HASHED})
    return None


def _end_open_questions(session: Session, identity: Identity, suppression: Suppression, *, now: datetime) -> None:
    """End what is asked about texts that name the person. A colleague's own name beside a question is no reason to end it."""
    for request in session.scalars(select(ApprovalRequest).where(ApprovalRequest.state.in_(("pending", "approved", "executing")))).all():
        cleaned = suppression.clean_value(request.payload, account=request.account_key)
        if cleaned == request.payload:
            continue
        writes = select(OutboxEntry.entry_id).where(OutboxEntry.request_id == request.request_id, OutboxEntry.state.in_(OPEN_WRITES)).limit(1)
        if request.state == "executing" or session.scalar(writes) is not None:
            raise VimError(
                "VIM-E191",
                f"The request {request.request_id} names this person and is being carried out",
                why="What is on its way to the CRM must arrive or fail before its record may change",
                fix="vimotion write-back reconcile, then erase again",
            )
        action = "supersede" if request.state == "pending" else "fail"
        events.step(session, request, action, actor=events.SYSTEM, now=now, note="A person whom the text names was erased")


def _forget_logins(session: Session, identity: Identity, suppression: Suppression, *, now: datetime) -> None:
    """A colleague's login and ways in end; decisions stay, under the token that stands for the login everywhere."""
    for login in identity.logins:
        session.execute(delete(LoginAttempt).where(LoginAttempt.login.in_((login, suppression.token_of_key(login)))))
        person = session.get(Person, login)
        if person is not None:
            values = {
                "login": suppression.token_of_key(login),
                "name": suppression.token_of_key(login),
                "email": None,
                "slack_user_id": None,
                "os_user": None,
                "crm_user_id": None,
                "password_hash": None,
                "is_active": False,
                "sessions_valid_from": now,
            }
            session.execute(update(Person).where(Person.login == login).values(**values))
