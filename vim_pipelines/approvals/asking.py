"""Asking for decisions on drafts, with what is at stake beside them: the step after drafting, whether the night or a batch wrote them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import aliased

from vim_pipelines.approvals.context import read_signals
from vim_pipelines.approvals.queue import Report, request_approvals
from vim_pipelines.store.models import ApprovalRequest, Draft

if TYPE_CHECKING:
    from vim_pipelines.approvals.policy import Policy
    from vim_pipelines.store.engine import Store
    from vim_pipelines.warehouse.base import Session


def ask(
    session: Session,
    store: Store,
    as_of: date,
    now: datetime,
    *,
    policy: Policy,
    approval_hours: int,
    seen_on: date | None = None,
    draft_ids: Collection[str] | None = None,
    disputed: Mapping[str, Collection[str]] | None = None,
) -> Report:
    """Ask for a decision on the drafts of `as_of` (or those of `draft_ids`), with the signals of `seen_on` (default: the same date).

    `session` reads the marts. `disputed` adds facts by account to those that the marts of that date know to be disputed.
    """
    day = seen_on or as_of
    state = "select account_key, disputed_facts from marts.fct_account_state where as_of_date = ? and disputed_facts is not null"
    in_dispute = {row["account_key"]: set(row["disputed_facts"].split(", ")) for row in session.rows(state, [day])}
    for account_key, facts in (disputed or {}).items():
        in_dispute[account_key] = in_dispute.get(account_key, set()) | set(facts)
    return request_approvals(
        store,
        policy,
        as_of,
        now,
        approval_hours=approval_hours,
        draft_ids=draft_ids,
        signals=read_signals(session, day),
        disputed=in_dispute,
    )


def unasked_drafts(store: Store, as_of: date) -> list[str]:
    """Drafts of `as_of` that are the newest of their account and document, and that nobody was asked about (held ones: to write it)."""
    newer = aliased(Draft)
    statement = (
        select(Draft.draft_id)
        .where(Draft.as_of_date == as_of, Draft.feedback.is_(None), Draft.edited_from.is_(None))
        .where(~select(ApprovalRequest.request_id).where(ApprovalRequest.draft_id == Draft.draft_id).exists())
        .where(
            ~select(newer.draft_id)
            .where(newer.account_key == Draft.account_key, newer.document == Draft.document, newer.version > Draft.version, newer.edited_from.is_(None))
            .exists()
        )
    )
    with store.session() as session:
        return list(session.scalars(statement.order_by(Draft.draft_id)))
