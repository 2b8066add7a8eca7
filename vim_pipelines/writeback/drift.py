"""What was written, was there, and no longer is: found by reading, reported to people, never repaired behind their backs.

An approved note that a colleague shortened is that colleague's word now; writing it again would be a write that nobody approved. The
mirror's fields are ours: the next mirror run compares them with the CRM anyway and writes them again. So this module only reads. What it
finds stands in the outbox row's `error`, beginning with `drift:`, until it holds again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from vim_pipelines.store.models import OutboxEntry
from vim_pipelines.vendors.http import VendorError
from vim_pipelines.warehouse.base import chunks
from vim_pipelines.writeback.plan import changes
from vim_pipelines.writeback.targets.base import CrmRecord, CrmTarget

if TYPE_CHECKING:
    from vim_pipelines.store.engine import Store

#: One content write costs a request or three, and the vendors' daily pools are shared: the newest ones of five weeks are looked at.
CONTENT_DAYS, CONTENT_LIMIT = 35, 500
MARK = "drift: "


@dataclass(frozen=True)
class DriftReport:
    """How many writes were looked at, and which of them hold no more. A line names ids and fields, with the values cut short."""

    content_checked: int = 0
    content_unchecked: int = 0
    content: tuple[str, ...] = ()
    mirror_checked: int = 0
    mirror: tuple[str, ...] = ()
    stopped_by: str = ""

    def metadata(self) -> dict[str, Any]:
        """For Dagster: counts, no customer text."""
        return {
            "drift_content_checked": self.content_checked,
            "drift_content_unchecked": self.content_unchecked,
            "drift_content": len(self.content),
            "drift_mirror_checked": self.mirror_checked,
            "drift_mirror": len(self.mirror),
            "drift_stopped_by": self.stopped_by,
        }

    def lines(self) -> list[str]:
        """For the command line."""
        head = f"Drift: {len(self.content)} of {self.content_checked} notes, tasks and fields, {len(self.mirror)} of {self.mirror_checked} mirrored accounts"
        more = [f"  {self.content_unchecked} older writes were not looked at"] if self.content_unchecked else []
        stopped = [f"  stopped: {self.stopped_by}"] if self.stopped_by else []
        again = ["  The next mirror run writes the mirrored accounts again."] if self.mirror else []
        return [head, *(f"  {line}" for line in (*self.content, *self.mirror)), *again, *more, *stopped]


def find_drift(store: Store, crm: CrmTarget, *, now: datetime) -> DriftReport:
    """Read back what was verified in this CRM. A CRM that stops answering ends the look, not the run."""
    with store.session() as session:
        here = (
            (OutboxEntry.target == crm.name) & OutboxEntry.state.in_(("verified", "skipped")) & (OutboxEntry.updated_at >= now - timedelta(days=CONTENT_DAYS))
        )
        newest = OutboxEntry.updated_at.desc(), OutboxEntry.entry_id
        content = session.scalars(select(OutboxEntry).where(here, OutboxEntry.kind == "content").order_by(*newest)).all()
        ours = (OutboxEntry.target == crm.name) & (OutboxEntry.kind == "mirror")
        last = select(OutboxEntry.account_key, func.max(OutboxEntry.updated_at).label("at")).where(ours).group_by(OutboxEntry.account_key).subquery()
        is_last = (OutboxEntry.account_key == last.c.account_key) & (OutboxEntry.updated_at == last.c.at)
        standing = session.scalars(select(OutboxEntry).join(last, is_last).where(ours, OutboxEntry.state == "verified").order_by(OutboxEntry.account_key)).all()
    found: dict[str, str] = {}
    looked_at: list[str] = []
    stopped = ""
    try:
        for entry in content[:CONTENT_LIMIT]:
            _keep(found, entry, _content_drift(crm, entry))
            looked_at.append(entry.entry_id)
        for part in chunks(standing, crm.mirror_batch):
            for entry, what in _mirror_drift(crm, part):
                _keep(found, entry, what)
                looked_at.append(entry.entry_id)
    except VendorError as error:
        stopped = str(error)
    _remember(store, looked_at, found)
    seen = set(looked_at)
    lines = {entry.entry_id: _line(entry, found[entry.entry_id]) for entry in [*content, *standing] if entry.entry_id in found}
    return DriftReport(
        sum(entry.entry_id in seen for entry in content),
        max(0, len(content) - CONTENT_LIMIT),
        tuple(lines[entry.entry_id] for entry in content if entry.entry_id in lines),
        sum(entry.entry_id in seen for entry in standing),
        tuple(lines[entry.entry_id] for entry in standing if entry.entry_id in lines),
        stopped,
    )


def _content_drift(crm: CrmTarget, entry: OutboxEntry) -> str:
    found = crm.read(CrmRecord(entry.action, entry.object_name, entry.external_id, entry.proposed, entry.record_id))
    if found is None:
        return "it is gone"
    if entry.action == "crm_task":  # whoever works on a task changes it: that is what it is for
        return ""
    return "; ".join(str(change) for change in changes(found.fields, entry.after or entry.proposed))


def _mirror_drift(crm: CrmTarget, entries: Sequence[OutboxEntry]) -> list[tuple[OutboxEntry, str]]:
    current = crm.read_many([entry.account_key for entry in entries], sorted({name for entry in entries for name in entry.proposed}))
    found = []
    for entry in entries:
        row = current.get(entry.account_key)
        held = {name: (entry.after or {}).get(name) for name in entry.proposed}
        found.append((entry, "the account is gone" if row is None else "; ".join(str(change) for change in changes(row, held))))
    return found


def _keep(found: dict[str, str], entry: OutboxEntry, what: str) -> None:
    if what:
        found[entry.entry_id] = what


def _line(entry: OutboxEntry, what: str) -> str:
    return f"{entry.request_id or entry.account_key} {entry.action} {entry.object_name} {entry.record_id or entry.external_id}: {what}"


def _remember(store: Store, looked_at: Sequence[str], found: dict[str, str]) -> None:
    """Mark what drifted, and take the mark from what holds again. `updated_at` stays: nothing was written."""
    with store.session() as session:
        for part in chunks(list(looked_at), CONTENT_LIMIT):
            for entry in session.scalars(select(OutboxEntry).where(OutboxEntry.entry_id.in_(part))):
                mark = (MARK + found[entry.entry_id])[:1000] if entry.entry_id in found else None
                if mark != entry.error and (mark is not None or (entry.error or "").startswith(MARK)):
                    entry.error = mark
