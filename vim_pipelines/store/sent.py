"""Requests for a document that a person approved: what was sent, to count how often somebody was asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from vim_pipelines.store.models import HOLDING_STATES, ApprovalRequest

if TYPE_CHECKING:
    from vim_pipelines.store.engine import Store


def read_sent(store: Store, document: str) -> list[dict[str, Any]]:
    """Approved requests of one kind of document, oldest first: account_key, document, and `on`, the day of the decision."""
    columns = (ApprovalRequest.account_key, ApprovalRequest.document, ApprovalRequest.decided_at)
    wanted = select(*columns).where(ApprovalRequest.document == document, ApprovalRequest.state.in_(HOLDING_STATES), ApprovalRequest.decided_at.is_not(None))
    with store.session() as session:
        rows = session.execute(wanted.order_by(ApprovalRequest.decided_at, ApprovalRequest.account_key)).all()
    return [{"account_key": account_key, "document": name, "on": decided_at.date()} for account_key, name, decided_at in rows if decided_at is not None]
