"""The outbox as text and as JSON, for the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from vim_pipelines.store.models import OutboxEntry

if TYPE_CHECKING:
    from vim_pipelines.store.engine import Store

SHOWN = (
    "entry_id",
    "request_id",
    "account_key",
    "kind",
    "action",
    "object_name",
    "external_id",
    "record_id",
    "state",
    "attempts",
    "before",
    "proposed",
    "after",
    "error",
)
LATEST = 200


def outbox_json(store: Store) -> list[dict[str, Any]]:
    """The newest writes, newest first."""
    with store.session() as session:
        entries = session.scalars(select(OutboxEntry).order_by(OutboxEntry.created_at.desc(), OutboxEntry.entry_id).limit(LATEST)).all()
        return [{name: getattr(entry, name) for name in SHOWN} for entry in entries]


def outbox_lines(store: Store) -> list[str]:
    """One line per write, newest first."""
    entries = outbox_json(store)
    if not entries:
        return ["Nothing was written yet. Next: vimotion inbox list"]
    head = f"{'Request':<12}  {'Account':<14}  {'Record':<16}  {'Id':<20}  {'State':<10}  Fields"
    return [
        head,
        *[
            f"{(entry['request_id'] or 'standing')[:12]:<12}  {entry['account_key'][:14]:<14}  {entry['object_name'][:16]:<16}  {entry['record_id'] or '':<20}  {entry['state']:<10}  "
            f"{', '.join(sorted(entry['proposed']))[:80]}{' - ' + entry['error'] if entry['error'] else ''}"
            for entry in entries
        ],
    ]
