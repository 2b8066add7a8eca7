"""What was sent: requests for a document that a person approved, to count how often somebody was asked, and the tasks that write-back made, so
that the next ingestion does not take our own doing for the customer team's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from vim_pipelines.store.models import HOLDING_STATES, ApprovalRequest, OutboxEntry

if TYPE_CHECKING:
    from vim_pipelines.store.engine import Store


def read_sent(store: Store, document: str) -> list[dict[str, Any]]:
    """Approved requests of one kind of document, oldest first: account_key, document, and `on`, the day of the decision."""
    columns = (ApprovalRequest.account_key, ApprovalRequest.document, ApprovalRequest.decided_at)
    wanted = select(*columns).where(ApprovalRequest.document == document, ApprovalRequest.state.in_(HOLDING_STATES), ApprovalRequest.decided_at.is_not(None))
    with store.session() as session:
        rows = session.execute(wanted.order_by(ApprovalRequest.decided_at, ApprovalRequest.account_key)).all()
    return [{"account_key": account_key, "document": name, "on": decided_at.date()} for account_key, name, decided_at in rows if decided_at is not None]


def read_own_tasks(store: Store) -> dict[str, frozenset[str]]:
    """Ids of the tasks that write-back made, by CRM (`outbox.target`), undone ones included."""
    made = select(OutboxEntry.target, OutboxEntry.record_id).where(OutboxEntry.action == "crm_task", OutboxEntry.record_id.is_not(None))
    found: dict[str, set[str]] = {}
    with store.session() as session:
        for target, record_id in session.execute(made):
            found.setdefault(target, set()).add(str(record_id))
    return {target: frozenset(ids) for target, ids in found.items()}
