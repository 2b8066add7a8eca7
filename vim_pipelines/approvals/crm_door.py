"""Reading what people answered in the CRM. A job calls this, never a sensor: it talks to the CRM.

Only tasks that we made ourselves are read, by the ids in `deliveries`, so nobody can hold out a task of their own. Who answered is whom
the CRM names (Salesforce: who changed the task last; HubSpot: who set the property); nothing in the task can claim to be somebody. Everything else is `deciding.decide`, as for every
door. A refusal is written into the task and the answer taken out of it, so that it is said once.

One limit of this door: Salesforce tells who changed the task last, not who set the field. If a colleague sets 'approve' and a Director then changes
anything else in the same task before it is read, the Director counts as having approved. So the task belongs to the approver alone, and the field is
granted by a permission set of its own (docs/how-to/mail.md).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from vim_pipelines.approvals.channels.crm import MARK, Answer, CrmChannel
from vim_pipelines.approvals.deciding import decide
from vim_pipelines.approvals.people import PersonView, find_person
from vim_pipelines.approvals.queue import show_request
from vim_pipelines.core.errors import VimError
from vim_pipelines.store.models import Delivery

if TYPE_CHECKING:
    from vim_pipelines.approvals.policy import Policy
    from vim_pipelines.store.engine import Store

#: What people may choose; 'changes' is what an older picklist said.
ANSWERS = {"approve": "approve", "reject": "reject", "request_changes": "request_changes", "changes": "request_changes"}
LINE = re.compile(rf"^{MARK} (req-[0-9a-f]+):(\d{{1,9}}):([0-9a-f]{{64}}) (\S+)$", re.MULTILINE)


@dataclass
class CrmDoorReport:
    """What was read: decisions by request, and refusals with their reason."""

    decided: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def metadata(self) -> dict[str, Any]:
        """For Dagster."""
        return {"crm_decided": len(self.decided), "crm_refused": len(self.refused), "crm_problems": self.refused[:50]}


def read_decisions(store: Store, channel: CrmChannel, *, policy: Policy, now: datetime) -> CrmDoorReport:
    """Take every answer that stands in a task of ours. Raises what the CRM's client raises; what was decided before stays decided."""
    report = CrmDoorReport()
    with store.reading() as session:
        sent = session.scalars(select(Delivery).where(Delivery.channel == channel.name, Delivery.state == "sent").order_by(Delivery.created_at)).all()
    by_task = {str((row.reference or {}).get("task_id")): row for row in sent if (row.reference or {}).get("task_id")}
    for answer in list(channel.answered(sorted(by_task))):
        delivery = by_task[answer.task_id]
        said, reason = _take(store, answer, delivery, policy, now)
        (report.decided if reason is None else report.refused).append(f"{delivery.request_id}: {said if reason is None else reason}")
        _answer(channel, answer, f"Recorded: {said}" if reason is None else f"Refused: {reason}")
    return report


def _take(store: Store, answer: Answer, delivery: Delivery, policy: Policy, now: datetime) -> tuple[str, str | None]:
    """One answer: what was recorded, and the reason if it was refused."""
    person = _who(store, answer.users)
    if person is None:
        return "", "VIM-E155 whoever answered here is nobody we know; ask for your CRM user to be added, or decide in the inbox"
    decision = ANSWERS.get(answer.decision.strip().lower())
    if decision is None:
        return "", f"VIM-E155 the decision must be one of {', '.join(sorted(set(ANSWERS.values())))}"
    found = LINE.findall(answer.text.replace("\r\n", "\n"))
    if len(found) != 1 or (found[0][0], found[0][2], found[0][3]) != (delivery.request_id, delivery.shown_sha256, delivery.delivery_id):
        return "", f"VIM-E155 the line that begins with {MARK} was changed"
    request_id, version, sha256, _ = found[0]
    said = f"{decision} by {person.login}"
    request = show_request(store, request_id)
    if request.payload_sha256 != sha256 or request.version != int(version):
        return "", "VIM-E041 the text has changed since this task was made; read it anew in the inbox"
    is_recorded = (request.decided_channel, request.decided_by) == ("crm", person.login) or (decision == "approve" and person.login in request.endorsed_by)
    if is_recorded:  # a process died between the decision and its mark in the task
        return said, None
    try:
        decide(store, request_id, decision, person=person.actor("crm"), version=int(version), note=answer.note, now=now, policy=policy)
    except VimError as error:
        return "", str(error)
    return said, None


def _who(store: Store, users: Sequence[str]) -> PersonView | None:
    return next((person for user in users if (person := find_person(store, "crm_user_id", user)) is not None), None)


def _answer(channel: CrmChannel, answer: Answer, text: str) -> None:
    channel.reply(answer, text)
