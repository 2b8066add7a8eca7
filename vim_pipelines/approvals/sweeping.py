"""What time does to the queue: a reminder, word to the higher role, and an end that never approves. And whether the queue moves at all.

A sensor that crashes tells nobody, and an approval that is never carried out looks like one that was. So an hourly run asks the store how long
the oldest approval and the oldest message have waited, and fails loudly.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import func, select, update

from vim_pipelines.approvals.deciding import expire
from vim_pipelines.approvals.deliveries import ABOUT_WORK
from vim_pipelines.core.verdicts import Verdict
from vim_pipelines.store.models import ApprovalRequest, Delivery, Draft
from vim_pipelines.store.switches import why_nothing_is_written

if TYPE_CHECKING:
    from vim_pipelines.approvals.policy import Policy
    from vim_pipelines.settings import Settings
    from vim_pipelines.store.engine import Store


@dataclass(frozen=True)
class SweepReport:
    """How many requests were reminded of, escalated and ended in one sweep."""

    reminded: int = 0
    escalated: int = 0
    expired: int = 0

    def metadata(self) -> dict[str, int]:
        """For Dagster."""
        return {"reminded": self.reminded, "escalated": self.escalated, "expired": self.expired}


def sweep(store: Store, policy: Policy, now: datetime) -> SweepReport:
    """Mark what is due of each waiting request and end what nobody decided. A second sweep in the same moment does nothing.

    The marks tell whoever delivers messages; they change neither state nor role. Who was asked may still decide after the escalation.
    """
    with store.reading() as session:
        columns = (
            ApprovalRequest.request_id,
            ApprovalRequest.created_at,
            ApprovalRequest.expires_at,
            ApprovalRequest.reminded_at,
            ApprovalRequest.escalated_at,
        )
        waiting = session.execute(select(*columns).where(ApprovalRequest.state == "pending", ApprovalRequest.expires_at > now)).all()
    rules = policy.deadlines
    reminded = [row.request_id for row in waiting if row.reminded_at is None and now >= _at(row.created_at, row.expires_at, rules.remind_at)]
    escalated = [row.request_id for row in waiting if row.escalated_at is None and now >= _at(row.created_at, row.expires_at, rules.escalate_at)]
    return SweepReport(_mark(store, "reminded_at", reminded, now), _mark(store, "escalated_at", escalated, now), expire(store, now))


def stuck(store: Store, settings: Settings, channels: Collection[str], now: datetime) -> list[str]:
    """What has waited longer than `settings.drain_minutes`, in words: approvals, messages to `channels`, edits that wait for a judge. Empty: all moves.

    While writing to the CRM is off, by mode or by switch, approvals wait on purpose. A digest that was not sent is dropped by the next one: nobody waits.
    """
    before = now - timedelta(minutes=settings.drain_minutes)
    found = []
    with store.reading() as session:
        if why_nothing_is_written(store, settings) is None:
            waits = select(func.count(), func.min(ApprovalRequest.decided_at)).where(ApprovalRequest.state == "approved", ApprovalRequest.decided_at < before)
            number, oldest = session.execute(waits).one()
            found += [f"{number} approved requests are not carried out, the oldest since {oldest:%Y-%m-%d %H:%M} UTC"] if number else []
        open_states = ("planned", "sending", "unknown")
        messages = select(func.count(), func.min(Delivery.created_at)).where(
            Delivery.state.in_(open_states), Delivery.kind.in_(ABOUT_WORK), Delivery.channel.in_(list(channels)), Delivery.created_at < before
        )
        number, oldest = session.execute(messages).one()
        found += [f"{number} messages are not sent, the oldest since {oldest:%Y-%m-%d %H:%M} UTC"] if number else []
        edits = select(func.count(), func.min(Draft.created_at)).where(Draft.status == "checking", Draft.created_at < before)
        number, oldest = session.execute(edits).one()
        found += [f"{number} edited texts wait for a judge, the oldest since {oldest:%Y-%m-%d %H:%M} UTC"] if number else []
    return found


def draining_verdict(found: Collection[str]) -> Verdict:
    """What `stuck` found, as a check says it."""
    return Verdict(
        what="Nothing that was decided waits",
        passed=not found,
        why="; ".join(found),
        fix="Start the sensors approved_requests, messages_to_send and edits_to_check, or look at their last runs",
        figures={"kinds_stuck": len(found)},
    )


def _at(created: datetime, expires: datetime, share: float) -> datetime:
    return created + (expires - created) * share


def _mark(store: Store, column: str, request_ids: list[str], now: datetime) -> int:
    marked = 0
    for start in range(0, len(request_ids), 500):
        with store.session() as session:
            due = ApprovalRequest.request_id.in_(request_ids[start : start + 500])
            still = update(ApprovalRequest).where(due, ApprovalRequest.state == "pending", getattr(ApprovalRequest, column).is_(None))
            marked += session.execute(still.values({column: now}).execution_options(synchronize_session=False)).rowcount  # type: ignore[attr-defined]
    return marked
