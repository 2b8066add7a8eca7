"""What a reading still holds of persons who were erased: their own rows are left out, what others say of them carries a token.

A source that was not cleaned would bring a person back every night. Seats, tickets and texts stay, under the token that erasure left in
raw: the same row read again has the same content and adds no version, and counts of users stay right. Telemetry of an erased person is
dropped: nothing about them is recorded from then on.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from vim_pipelines.core.hashing import sha256_json
from vim_pipelines.core.suppression import CONTACT, USER
from vim_pipelines.ingestion.coerce import Rejected, Row
from vim_pipelines.warehouse.base import KEYS_PER_QUERY, chunks

if TYPE_CHECKING:
    from vim_pipelines.core.suppression import Suppression
    from vim_pipelines.ingestion.systems import Extracted
    from vim_pipelines.portfolio.entities import Entity
    from vim_pipelines.warehouse import Session

#: The entity whose rows are persons.
PERSON = "contact"


def without_erased(suppression: Suppression, entity: Entity, extracted: Extracted) -> tuple[Extracted, int]:
    """`extracted` without the persons of `suppression`, and how many rows that touched."""
    rows, touched = [], 0
    for row in extracted.rows:
        if entity.name == PERSON and _is_erased(suppression, row.key, row.values.get("email")):
            touched += 1
            continue
        kept = cleaned_row(suppression, entity, row)
        touched += kept is not row
        rows.append(kept)
    rejected = []
    for item in extracted.rejected:
        told = _cleaned_rejection(suppression, entity, item)
        touched += told is not item
        if told is not None:
            rejected.append(told)
    return (replace(extracted, rows=rows, rejected=rejected), touched) if touched else (extracted, 0)


def cleaned_row(suppression: Suppression, entity: Entity, row: Row) -> Row:
    """`row` with tokens for erased persons and the hash of what it then says; the very same object where none is named."""
    account = row.values.get("account_key")
    values = {
        column.name: suppression.clean(value, account=account, column=column.name)
        for column in entity.columns
        if column.type == "text" and column.name != "account_key" and isinstance(value := row.values.get(column.name), str)
    }
    if all(row.values[name] is value for name, value in values.items()):
        return row
    changed = row.values | values
    return replace(row, key=changed[entity.key], values=changed, content_hash=sha256_json(changed))


def clean_quarantine(session: Session, suppression: Suppression, load_id: str) -> None:
    """Clean what this load set aside without Python having seen it (events)."""
    for row in session.rows("select distinct row_json from raw.quarantine where load_id = ? and row_json is not null", [load_id]):
        cleaned = _cleaned_json(suppression, row["row_json"])
        if cleaned != row["row_json"]:
            session.execute("update raw.quarantine set row_json = ? where load_id = ? and row_json = ?", [cleaned, load_id, row["row_json"]])


def drop_events_of_erased(session: Session, suppression: Suppression, load_number: int) -> int:
    """Delete the events of erased persons from this load; returns how many there were."""
    users = session.rows("select distinct user_key from raw.usage_events where load_number = ? and user_key is not null", [load_number])
    erased = [row["user_key"] for row in users if suppression.has_key(row["user_key"], USER) or suppression.has_mail(row["user_key"])]
    dropped = 0
    for some in chunks(sorted(erased), KEYS_PER_QUERY):
        condition = f"load_number = ? and user_key in ({', '.join('?' * len(some))})"
        dropped += int(session.scalar(f"select count(*) from raw.usage_events where {condition}", [load_number, *some]) or 0)
        session.execute(f"delete from raw.usage_events where {condition}", [load_number, *some])
    return dropped


def _is_erased(suppression: Suppression, key: str | None, email: str | None) -> bool:
    return suppression.has_key(key, CONTACT) or suppression.has_mail(email)


def _cleaned_rejection(suppression: Suppression, entity: Entity, item: Rejected) -> Rejected | None:
    """The rejected row with tokens, None where it is the erased person's own."""
    record = json.loads(item.row_json)
    if entity.name == PERSON and _is_erased(suppression, item.row_key, record.get("email") if isinstance(record.get("email"), str) else None):
        return None
    cleaned, account = _cleaned_json(suppression, item.row_json), record.get("account_key")
    detail = suppression.clean(item.detail, account=account if isinstance(account, str) else None)
    return item if cleaned == item.row_json and detail is item.detail else replace(item, row_json=cleaned, detail=detail)


def _cleaned_json(suppression: Suppression, text: str) -> str:
    try:
        record = json.loads(text)
    except ValueError:
        return suppression.clean(text)
    account = record.get("account_key") if isinstance(record, dict) else None
    cleaned = suppression.clean_value(record, account=account if isinstance(account, str) else None)
    return text if cleaned == record else json.dumps(cleaned, sort_keys=True, default=str, ensure_ascii=False)
