"""One account again: its drafts from the marts of the newest date, through the same gates, asked about anew.

A CSM who sees that a text misses the point, or an engineer who has changed a prompt file, need not wait for the night nor pay for two hundred
accounts. What stays as it was: the marts. dbt's models are sets over all accounts (the false-discovery control of the signals even compares
them), so new source rows, signals and phases of one account come with the next audit, never alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import select

from vim_pipelines.approvals.queue import Report, list_requests
from vim_pipelines.core.errors import VimError
from vim_pipelines.store.models import Draft

if TYPE_CHECKING:
    from vim_pipelines.reasoning.drafting import DraftReport
    from vim_pipelines.reasoning.estimate import NightEstimate
    from vim_pipelines.settings import Settings
    from vim_pipelines.store.engine import Store
    from vim_pipelines.warehouse.base import Warehouse


@dataclass(frozen=True)
class Planned:
    """One document that a rerun would write: its next version, how its facts are beside the last draft's, and the question that waits about it."""

    document: str
    version: int
    facts: Literal["first draft", "changed", "the same"]
    supersedes: str | None


FACTS = {"first draft": "written for the first time", "changed": "the facts have changed", "the same": "on the same facts"}


@dataclass(frozen=True)
class RerunPlan:
    """What a rerun would do and cost. Nothing was written and no call made."""

    account_key: str
    as_of: date
    documents: tuple[Planned, ...]
    estimate: NightEstimate

    def as_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "account_key": self.account_key,
            "as_of": self.as_of,
            "documents": [asdict(item) for item in self.documents],
            "estimate": self.estimate.as_json(),
        }

    def lines(self) -> list[str]:
        """For people."""
        from vim_pipelines.reasoning.estimate import estimate_lines

        if not self.documents:
            return [f"Nothing calls for a document about {self.account_key} on {self.as_of}: nothing would be written."]
        would = [
            f"  {item.document} version {item.version}, {FACTS[item.facts]}"
            + (f", in place of {item.supersedes}, which waits for a decision" if item.supersedes else "")
            for item in self.documents
        ]
        return [f"Would be written for {self.account_key} from the marts of {self.as_of}:", *would, "", *estimate_lines(self.estimate)]


@dataclass(frozen=True)
class Rerun:
    """What one rerun wrote and asked."""

    account_key: str
    as_of: date
    drafts: DraftReport
    asked: Report

    def as_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "account_key": self.account_key,
            "as_of": self.as_of,
            "drafts": self.drafts.metadata(),
            "draft_ids": self.drafts.draft_ids,
            "requested": list(self.asked.requested),
            "superseded": list(self.asked.superseded),
            "must_write": list(self.asked.must_write),
        } | {name: getattr(self.asked, name) for name in REASONS}

    def lines(self) -> list[str]:
        """For people, with what to do next."""
        drafts, asked = self.drafts, self.asked
        if not drafts.draft_ids and not drafts.waiting:
            return [f"Nothing calls for a document about {self.account_key} on {self.as_of}: nothing was written."]
        lines = drafts.lines()
        lines += [f"Superseded: {request_id}" for request_id in asked.superseded]
        lines += [f"Waits for a decision: {request_id}" for request_id in asked.requested]
        lines += [f"A person must write: {request_id}" for request_id in asked.must_write]
        lines += [f"Not asked about, {count} times: {reason}" for name, reason in REASONS.items() if (count := getattr(asked, name))]
        return [*lines, f"Next: vimotion inbox show {asked.requested[0]}" if asked.requested else "Next: vimotion inbox list"]


#: Why a draft is not asked about, by the counter of `queue.Report`.
REASONS = {
    "opened": "somebody has the question open; it is asked by the next audit",
    "cooling_down": "it was dismissed, and the policy lets it rest",
    "replan_open": "it was sent back, and its new draft is waited for (vimotion replan run)",
    "disputed": "it rests on a fact that a person disputes",
}


def plan_rerun(warehouse: Warehouse, store: Store, settings: Settings, account_key: str, now: datetime) -> RerunPlan:
    """What `rerun_account` would write, replace and cost. Raises VIM-E024 for an account that the marts do not have."""
    from vim_pipelines.reasoning.estimate import estimate_night
    from vim_pipelines.reasoning.providers.make import make_drafter
    from vim_pipelines.reasoning.run import key_anew, plan_drafts

    as_of = _newest(warehouse, account_key)
    writer = make_drafter(settings, store, as_of, now)
    jobs, _ = plan_drafts(warehouse, store, settings, as_of, writer, accounts=[account_key], anew=True)
    waiting = {request.document: request.request_id for request in list_requests(store, account_key=account_key)}
    with store.reading() as session:
        again = {key_anew(draft_id) for draft_id in session.scalars(select(Draft.draft_id).where(Draft.account_key == account_key))}
    documents = tuple(
        Planned(
            job.request.playbook.id,
            job.version,
            "first draft" if job.version == 1 else "the same" if job.request.draft_key in again else "changed",
            waiting.get(job.request.playbook.id),
        )
        for job in jobs
    )
    return RerunPlan(account_key, as_of, documents, estimate_night(warehouse, store, settings, now, as_of=as_of, account=account_key))


def rerun_account(
    warehouse: Warehouse, store: Store, settings: Settings, account_key: str, now: datetime, *, disputed: dict[str, set[str]] | None = None
) -> Rerun:
    """Write the documents that the newest marts call for about one account, changed or not, and ask for decisions on them.

    `disputed` are facts that persons dispute at this moment. Raises VIM-E024 for an account that the marts do not have, VIM-E025 while an audit runs.
    """
    from vim_pipelines.approvals.asking import ask
    from vim_pipelines.approvals.policy import policy_of
    from vim_pipelines.reasoning.run import write_drafts
    from vim_pipelines.store.locks import exclusive

    with exclusive(store, "portfolio_audit") as taken:
        if not taken:
            raise VimError("VIM-E025", "An audit of this home folder is running", why="It drafts this account too", fix="Wait for it to end")
        as_of = _newest(warehouse, account_key)
        report = write_drafts(warehouse, store, settings, as_of, now, accounts=[account_key], anew=True)
        with warehouse.session(read_only=True) as session:
            asked = ask(
                session, store, as_of, now, policy=policy_of(settings), approval_hours=settings.approval_hours, draft_ids=report.draft_ids, disputed=disputed
            )
    return Rerun(account_key, as_of, report, asked)


def _newest(warehouse: Warehouse, account_key: str) -> date:
    from difflib import get_close_matches

    from vim_pipelines.reasoning.reading import newest_as_of

    with warehouse.session(read_only=True) as session:
        as_of = newest_as_of(session)
        if as_of is None:
            raise VimError("VIM-E024", "There is no finished audit", fix="Run vimotion audit first")
        known: Sequence[str] = [row["account_key"] for row in session.rows("select account_key from marts.fct_account_signals where as_of_date = ?", [as_of])]
    if account_key not in known:
        near = get_close_matches(account_key, known, n=1)
        fix = f"Did you mean {near[0]}?" if near else "Look the key up in marts.dim_accounts"
        raise VimError("VIM-E024", f"The marts of {as_of} have no account {account_key}", fix=fix)
    return as_of
