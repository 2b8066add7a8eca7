"""What became of approval requests and when, as the next-best-action queue reads it.

A queue of a past night must see the requests as they stood then; the events are append-only and carry their time, the request's own
state is only today's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from vim_pipelines.store.models import ApprovalEvent, ApprovalRequest

if TYPE_CHECKING:
    from vim_pipelines.store.engine import Store


def read_request_history(store: Store) -> list[dict[str, Any]]:
    """Every change of state of every request, oldest first: `request_id`, `account_key`, `document`, `at` (naive UTC), `state`."""
    wanted = (ApprovalRequest.request_id, ApprovalRequest.account_key, ApprovalRequest.document, ApprovalEvent.at, ApprovalEvent.to_state.label("state"))
    statement = select(*wanted).join(ApprovalEvent, ApprovalEvent.request_id == ApprovalRequest.request_id).order_by(ApprovalEvent.event_number)
    with store.session() as session:
        return [dict(row._mapping) for row in session.execute(statement)]
