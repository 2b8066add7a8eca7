"""The outbox as text and as JSON, for the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from vim_pipelines.core.errors import VimError
from vim_pipelines.store.models import OutboxEntry
from vim_pipelines.writeback.plan import changes

if TYPE_CHECKING:
    from vim_pipelines.store.engine import Store

SHOWN = (
    "entry_id",
    "request_id",
    "account_key",
    "kind",
    "target",
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


def outbox_json(store: Store, states: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The newest writes in `states` (none named: in any), newest first."""
    wanted = select(OutboxEntry).where(OutboxEntry.state.in_(states)) if states else select(OutboxEntry)
    with store.session() as session:
        entries = session.scalars(wanted.order_by(OutboxEntry.created_at.desc(), OutboxEntry.entry_id).limit(LATEST)).all()
        return [{name: getattr(entry, name) for name in SHOWN} for entry in entries]


def outbox_lines(store: Store, states: Sequence[str] = ()) -> list[str]:
    """One line per write, newest first."""
    entries = outbox_json(store, states)
    if not entries:
        return [f"No write is {' or '.join(states)}." if states else "Nothing was written yet. Next: vimotion inbox list"]
    head = f"{'Request':<16}  {'Account':<14}  {'CRM':<10}  {'Record':<12}  {'Id':<20}  {'State':<10}  Fields"
    return [
        head,
        *[
            f"{(entry['request_id'] or 'standing')[:16]:<16}  {entry['account_key'][:14]:<14}  {entry['target'][:10]:<10}  {entry['object_name'][:12]:<12}  "
            f"{entry['record_id'] or '':<20}  {entry['state']:<10}  {', '.join(sorted(entry['proposed']))[:80]}{' - ' + entry['error'] if entry['error'] else ''}"
            for entry in entries
        ],
    ]


def find_writes(store: Store, write_id: str) -> list[dict[str, Any]]:
    """The writes of the request, or the one write, whose id begins with `write_id` (six characters at least); VIM-E040 if there is none."""
    start = write_id.replace("\\", "").replace("%", "").replace("_", "")
    found = []
    if len(start) >= 6:
        is_named = OutboxEntry.request_id.like(f"{start}%") | OutboxEntry.entry_id.like(f"{start}%")
        with store.session() as session:
            entries = session.scalars(select(OutboxEntry).where(is_named).order_by(OutboxEntry.created_at, OutboxEntry.entry_id)).all()
            found = [{name: getattr(entry, name) for name in (*SHOWN, "was_created", "created_at", "updated_at")} for entry in entries]
    if found:
        return found
    raise VimError("VIM-E040", f"There is no write of '{write_id}'", fix="See the list: vimotion write-back list")


def write_lines(entry: Mapping[str, Any]) -> list[str]:
    """One write, field by field: what stood there, what was sent, and, where it is not the same, what the CRM made of it."""
    made = "created" if entry["was_created"] else "changed"
    lines = [
        f"{entry['entry_id']} {entry['kind']} {entry['action']} for {entry['account_key']}: {entry['state']}",
        f"  {made} {entry['target']} {entry['object_name']} {entry['record_id'] or entry['external_id']}, attempts {entry['attempts']}, {entry['updated_at']:%Y-%m-%d %H:%M} UTC",
    ]
    for change in changes(entry["before"], entry["proposed"]):
        lines.append(f"  {change}")
    if entry["after"] is not None:
        lines += [f"  read back {change}" for change in changes(entry["proposed"], {name: entry["after"].get(name) for name in entry["proposed"]})]
    return [*lines, *([f"  {entry['error']}"] if entry["error"] else [])]


def counts(store: Store, kind: str) -> str:
    """How many writes of a kind are in which state: 'verified 12, failed 1'."""
    with store.session() as session:
        rows = session.execute(select(OutboxEntry.state, func.count()).where(OutboxEntry.kind == kind).group_by(OutboxEntry.state).order_by(OutboxEntry.state))
        return ", ".join(f"{state} {number}" for state, number in rows) or "none"
