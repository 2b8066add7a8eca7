"""The loop back: a rejected request is drafted again with the reviewer's note in view, and asked again as a new version.

At most as many rounds as the policy allows; then a person must write. The redraft is a function that is handed in, so that this
module knows nothing of models or prompts. A process that dies in the middle leaves the request `replanning` with its lock free:
the next run takes it up, and the drafts ledger sees to it that a finished draft is not paid for twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from vim_pipelines.approvals.deciding import disputed_facts
from vim_pipelines.approvals.events import SYSTEM, chained, step
from vim_pipelines.approvals.policy import Policy, load_policy
from vim_pipelines.approvals.queue import MAX_REPLAN_ATTEMPTS, find_request, insert_request, rests_on
from vim_pipelines.core.errors import VimError
from vim_pipelines.store.engine import Store
from vim_pipelines.store.locks import exclusive
from vim_pipelines.store.models import Draft

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings

#: (draft id, the reviewer's note) -> id of the new draft.
Redraft = Callable[[str, str], str]


@dataclass(frozen=True)
class ReplanReport:
    """What became of one request. `new_request_id` is None where no new question could be asked, and `reason` says why."""

    request_id: str
    account_name: str
    document: str
    state: str
    replan_round: int
    new_request_id: str | None = None
    reason: str = ""

    def metadata(self) -> dict[str, Any]:
        """For Dagster."""
        return {
            "request_id": self.request_id,
            "state": self.state,
            "round": self.replan_round,
            "new_request_id": self.new_request_id or "",
            "reason": self.reason,
        }

    def lines(self) -> list[str]:
        """For the command line."""
        done = f"asked again as {self.new_request_id} (round {self.replan_round})" if self.new_request_id else f"{self.state}: {self.reason}"
        return [f"{self.request_id} {self.account_name}, {self.document}: {done}"]


@dataclass(frozen=True)
class Begun:
    """A request that this process holds for re-planning."""

    request_id: str
    draft_id: str
    note: str


def begin_replan(store: Store, request_id: str, now: datetime, *, policy: Policy | None = None) -> Begun:
    """Move a rejected request to `replanning`; a dead process's `replanning` is taken up. Call while holding the request's lock.

    Raises VIM-E042 if the request is not waiting for a new draft or its rounds are used up.
    """
    policy = policy or load_policy()
    with chained(store) as session:
        request = find_request(session, request_id)
        if request.replan_round >= policy.max_replan_rounds:
            raise VimError(
                "VIM-E042",
                f"The request {request.request_id} was re-planned {request.replan_round} times",
                why="A person must write this document",
                fix="Write it by hand, or dismiss it",
            )
        if request.attempt >= MAX_REPLAN_ATTEMPTS:
            raise VimError(
                "VIM-E042",
                f"Drafting {request.request_id} again failed {request.attempt} times",
                why="A person must write this document",
                fix="See 'vimotion inbox show' for the reasons",
            )
        action = "resume_replan" if request.state == "replanning" else "begin_replan"
        step(session, request, action, actor=SYSTEM, now=now, values={"attempt": request.attempt + 1})
        return Begun(request.request_id, request.draft_id, request.note or "")


def replan(store: Store, request_id: str, *, settings: Settings, now: datetime, redraft: Redraft | None = None, policy: Policy | None = None) -> ReplanReport:
    """Draft `request_id` again with its note in view and ask for a decision on the result.

    Never raises for a draft that could not be made: the request goes back to `rejected` with the reason, and after three tries a
    person must write. Raises VIM-E042 if another process is at it, or nothing is to be done.
    """
    policy = policy or load_policy()
    with store.session() as session:
        request_id = find_request(session, request_id).request_id
    with exclusive(store, f"replan:{request_id}") as taken:
        if not taken:
            raise VimError("VIM-E042", f"The request {request_id} is being re-planned by another process", fix="Wait for it")
        if _died_too_often(store, request_id):
            return _failed(store, request_id, now, policy, "the process that drafted it again died")
        begun = begin_replan(store, request_id, now, policy=policy)
        try:
            new_draft_id = (redraft or _redraft(store, settings, now))(begun.draft_id, begun.note)
        except Exception as error:  # any failure of a model, a prompt or a gate: the request must not stay in the air
            return _failed(store, request_id, now, policy, f"{type(error).__name__}: {error}")
        return _ask_again(store, request_id, new_draft_id, now, settings.approval_hours, policy)


def _died_too_often(store: Store, request_id: str) -> bool:
    with store.session() as session:
        request = find_request(session, request_id)
        return request.state == "replanning" and request.attempt >= MAX_REPLAN_ATTEMPTS


def _ask_again(store: Store, request_id: str, new_draft_id: str, now: datetime, approval_hours: int, policy: Policy) -> ReplanReport:
    with store.session() as session:
        draft = session.get(Draft, new_draft_id)
        refused = "the new draft was not stored" if draft is None else _why_held(draft) if draft.status != "written" else ""
    if refused:  # the same note on the same facts gives the same draft again: trying once more would change nothing
        return _failed(store, request_id, now, policy, refused, is_final=True)
    with chained(store) as session:
        request = find_request(session, request_id)
        draft = session.get_one(Draft, new_draft_id)
        rounds = request.replan_round + 1
        step(session, request, "replanned", actor=SYSTEM, now=now, note=f"asked again in round {rounds}")
        new = insert_request(
            session,
            draft,
            policy,
            now,
            approval_hours=approval_hours,
            latest=request,
            replan_round=rounds,
            note=f"re-planned from {request.request_id}: {request.note}",
        )
        disputed = disputed_facts(session, new.account_key, now)
        if rests_on(new.payload["facts"], disputed):  # disputed while it was being drafted: held like the others, and asked when that is over
            step(session, new, "dispute", actor=SYSTEM, now=now, note=f"{', '.join(sorted(disputed))} is disputed")
        return ReplanReport(request_id, request.account_name, request.document, request.state, rounds, new.request_id)


def _failed(store: Store, request_id: str, now: datetime, policy: Policy, reason: str, *, is_final: bool = False) -> ReplanReport:
    with chained(store) as session:
        request = find_request(session, request_id)
        step(session, request, "replan_failed", actor=SYSTEM, now=now, note=reason[:1000])
        if is_final or request.attempt >= MAX_REPLAN_ATTEMPTS:
            given_up = {"attempt": MAX_REPLAN_ATTEMPTS}  # what keeps it out of the list of requests to re-plan
            step(session, request, "human_must_write", actor=SYSTEM, now=now, note=f"a person must write this document: {reason}"[:1000], values=given_up)
        return ReplanReport(request_id, request.account_name, request.document, request.state, request.replan_round, None, reason)


def _redraft(store: Store, settings: Settings, now: datetime) -> Redraft:
    from vim_pipelines.reasoning.run import redraft

    def by_reasoning(draft_id: str, note: str) -> str:
        return redraft(store, settings, draft_id, note, now)

    return by_reasoning


def _why_held(draft: Draft) -> str:
    """Why the new version cannot be asked for, in words for whoever wrote the note."""
    if any(finding.get("gate") == "feedback" for finding in draft.gate_findings):
        return "without a language model this note cannot be followed in full, so a person must write the text (vimotion inbox list), or set ANTHROPIC_API_KEY"
    gates = ", ".join(dict.fromkeys(str(finding.get("gate")) for finding in draft.gate_findings))
    return f"a gate held the new draft back ({gates}): a person must write the text (vimotion inbox list)"
