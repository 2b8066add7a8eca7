"""What an approval carries out beside the CRM: a draft in Gmail, a message inside the house, an invitation to a training.

Each is a `Deliverable` with the duties of a `CrmTarget` for one action, so `apply`, `undo` and `reconcile` treat it by the same rules: the row in the
outbox first, nothing sent again before it was looked for, the same hash. Only what the settings connect is here; the rest stays with the approver
(`approvals.payload.left_to_you`). In the sandbox an address that is not loopback is refused, as for a CRM.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from vim_pipelines.core.errors import VimError
from vim_pipelines.core.net import is_loopback
from vim_pipelines.writeback.targets.base import CrmRecord, CrmTarget, Found, MirrorResult, Planned

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings
    from vim_pipelines.vendors.http import TransportOptions
    from vim_pipelines.writeback.actions import Intended
    from vim_pipelines.writeback.deliverables.base import Deliverable


class WithDeliverables(CrmTarget):
    """A CRM and what stands beside it: each action goes to its own place, everything else to the CRM."""

    def __init__(self, crm: CrmTarget, deliverables: Mapping[str, Deliverable]) -> None:
        self.crm, self.deliverables = crm, dict(deliverables)
        self.name, self.mirror_object, self.mirror_batch = crm.name, crm.mirror_object, crm.mirror_batch  # type: ignore[misc]

    @property
    def address(self) -> str:
        """The CRM's."""
        return self.crm.address

    def target_of(self, action: str) -> str:
        """Where an action goes: gmail, slack, training, or the CRM."""
        return self.deliverables[action].name if action in self.deliverables else self.crm.target_of(action)

    def carries(self, action: str) -> bool:
        """What is connected, and what the CRM takes."""
        return action in self.deliverables or self.crm.carries(action)

    def planned(self, write: Intended) -> Planned:
        """In the words of whoever carries it out."""
        return self.deliverables[write.action].planned(write) if write.action in self.deliverables else self.crm.planned(write)

    def mirror_fields(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The CRM's."""
        return self.crm.mirror_fields(fields)

    def read(self, record: CrmRecord) -> Found | None:
        """From where the action goes."""
        return self.deliverables[record.action].read(record) if record.action in self.deliverables else self.crm.read(record)

    def write(self, record: CrmRecord, found: Found | None) -> str:
        """To where the action goes."""
        if record.action in self.deliverables:
            return found.record_id if found else self.deliverables[record.action].create(record)
        return self.crm.write(record, found)

    def linked(self, record: CrmRecord) -> str | None:
        """Of a task, by the CRM; a deliverable carries its mark itself."""
        return self.crm.linked(record)

    def link(self, record: CrmRecord, record_id: str) -> None:
        """Of a task."""
        self.crm.link(record, record_id)

    def put_back(self, record: CrmRecord, record_id: str, before: Mapping[str, Any]) -> None:
        """The CRM's: a deliverable is only ever created."""
        self.crm.put_back(record, record_id, before)

    def delete(self, record: CrmRecord, record_id: str) -> None:
        """From where the action went."""
        if record.action in self.deliverables:
            self.deliverables[record.action].withdraw(record, record_id)
        else:
            self.crm.delete(record, record_id)

    def read_many(self, account_keys: Sequence[str], fields: Sequence[str]) -> dict[str, dict[str, Any]]:
        """The CRM's."""
        return self.crm.read_many(account_keys, fields)

    def update_many(self, rows: Mapping[str, Mapping[str, Any]]) -> dict[str, MirrorResult]:
        """The CRM's."""
        return self.crm.update_many(rows)

    def close(self) -> None:
        """All connections."""
        for deliverable in self.deliverables.values():
            deliverable.close()
        self.crm.close()


def with_deliverables(settings: Settings, crm: CrmTarget, options: TransportOptions | None = None) -> CrmTarget:
    """`crm` with everything that the settings connect beside it; `crm` itself where that is nothing. Talks to nobody."""
    from vim_pipelines.approvals.connected import connected_actions

    found: dict[str, Deliverable] = {}
    connected = connected_actions(settings)
    if "gmail_draft" in connected:
        from vim_pipelines.writeback.deliverables.gmail import GmailDrafts

        found["gmail_draft"] = GmailDrafts(settings, options)
    if "training_webhook" in connected:
        from vim_pipelines.writeback.deliverables.training import TrainingWebhook

        found["training_webhook"] = TrainingWebhook(settings, options)
    if "slack_internal" in connected:
        from vim_pipelines.writeback.deliverables.slack import SlackWords

        found["slack_internal"] = SlackWords(settings)
    for deliverable in found.values():
        _refuse_outside(settings, deliverable)
    return WithDeliverables(crm, found) if found else crm


def _refuse_outside(settings: Settings, deliverable: Deliverable) -> None:
    host = urlsplit(deliverable.address).hostname or ""
    if settings.is_sandbox and not is_loopback(host):
        raise VimError(
            "VIM-E052",
            f"The sandbox sends nothing to {host}",
            why="Its accounts are invented",
            fix=f"Point {deliverable.name} to an address of this machine, unset it, or set VIMOTION_PORTFOLIO to your own portfolio file",
        )
