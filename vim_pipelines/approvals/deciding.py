"""Answering: the one function through which every door decides, and what follows from an answer or from none.

Each change of a request is one transaction with a compare-and-swap and an event of the hash chain, so that of two people who press at once
exactly one decides. Nothing here sends anything: an approval is carried out by `writeback`, which asks for the hash again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from vim_pipelines.approvals import events
from vim_pipelines.approvals.events import SYSTEM, chained, step
from vim_pipelines.approvals.policy import Actor, Policy, covers
from vim_pipelines.approvals.queue import Request, endorsers, find_request, is_for_a_person, rests_on, view
from vim_pipelines.approvals.states import DECISIONS, NOTE_NEEDED
from vim_pipelines.core.errors import VimError
from vim_pipelines.lifecycle.words import standing, word_of
from vim_pipelines.store.engine import Store
from vim_pipelines.store.models import ApprovalEvent, ApprovalRequest, Draft, LifecycleOverride, OutboxEntry, Person
from vim_pipelines.store.notes import clean_note


def decide(
    store: Store,
    request_id: str,
    decision: str,
    *,
    person: Actor,
    version: int,
    note: str | None,
    now: datetime,
    policy: Policy,
) -> Request:
    """Record one person's decision: approve, reject, request_changes or dismiss. The first decision wins.

    Where two people must approve, the first approval leaves the request pending (event `endorse`), and a second person's carries. `version` is
    the version that the person read. Raises VIM-E040 (no such request), E041 (a newer version exists), E042 (decided, or its time is over),
    E043 (role, segment, own edit, the same person twice), E044 (the stored text was edited), E045 (a note is needed).
    """
    note = clean_note(note)
    if decision not in DECISIONS:
        raise VimError("VIM-E042", f"'{decision}' is not a decision", fix=f"Use one of {', '.join(DECISIONS)}")
    if decision in NOTE_NEEDED and note is None:
        raise VimError(
            "VIM-E045",
            f"A note is needed to {decision.replace('_', ' ')}",
            why="The next draft, and whoever asks later, needs the reason",
            fix="Add --note 'why'",
        )
    refusal: VimError | None = None
    with chained(store) as session:
        request = find_request(session, request_id)
        may_decide(request, person, policy, version, decision)
        if request.state == "pending" and now >= request.expires_at:
            step(session, request, "expire", actor=SYSTEM, now=now)
            refusal = VimError(
                "VIM-E042",
                f"The request {request.request_id} expired on {request.expires_at:%Y-%m-%d %H:%M} UTC",
                why="Silence is never consent",
                fix="The next night asks again",
            )
        else:
            values: dict[str, Any] = {
                "decided_by": person.name,
                "decided_role": person.role,
                "decided_channel": person.channel,
                "decided_at": now,
                "note": note,
            }
            if decision == "approve":
                _refuse_broken(session, request)
                if _is_first_of_two(session, request, person, policy):
                    step(session, request, "endorse", actor=person, now=now, note=note)
                    return view(Request, request)
                values["approved_sha256"] = request.payload_sha256
            step(session, request, decision, actor=person, now=now, note=note, values=values)
            if request.state in ("rejected", "changes_requested") and request.replan_round >= policy.max_replan_rounds:
                step(
                    session,
                    request,
                    "human_must_write",
                    actor=SYSTEM,
                    now=now,
                    note=f"{policy.max_replan_rounds} rounds of re-planning are used up: a person must write this document",
                )
        decided = view(Request, request)
    if refusal is not None:  # after the commit: the expiry is a fact, whatever this call was for
        raise refusal
    return decided


def may_decide(request: ApprovalRequest, person: Actor, policy: Policy, version: int, decision: str) -> None:
    """Raises VIM-E041, E042 or E043 unless this person may say `decision` (or `edit`) to this request in this version."""
    fix = f"Read it again: vimotion inbox show {request.request_id}"
    if request.version != version or request.state == "superseded":
        raise VimError(
            "VIM-E041",
            f"You decided on version {version} of {request.document} for {request.account_name}",
            why="A newer draft took its place",
            fix=fix.replace(request.request_id, "ID"),
        )
    if request.state != "pending" and not (decision == "dismiss" and is_for_a_person(request, policy)):
        who = f" by {request.decided_by}" if request.decided_by else ""
        raise VimError("VIM-E042", f"The request {request.request_id} is {request.state}{who}", why="The first decision stands", fix=fix)
    _refuse_outsider(request, person, policy)


def _refuse_outsider(request: ApprovalRequest, person: Actor, policy: Policy) -> None:
    if not covers(person.segments, request.segment):
        segment = request.segment or "no known segment"
        raise VimError(
            "VIM-E043", f"{person.name} may not decide on {request.request_id}", why=f"Its account is in {segment}", fix="Ask somebody who decides for it"
        )
    needed, _ = policy.needs(request)
    if not policy.suffices(person.role, needed):
        raise VimError(
            "VIM-E043", f"{person.name} ({person.role}) may not decide on {request.request_id}", why=f"It needs the role {needed}", fix=f"Ask a {needed}"
        )


def _is_first_of_two(session: Session, request: ApprovalRequest, person: Actor, policy: Policy) -> bool:
    """Whether this approval waits for another person's. Raises VIM-E043 for the editor of the text, and for who has approved it already."""
    if person.name in editors(session, request):
        raise VimError("VIM-E043", f"{person.name} edited this text", why="Nobody approves a text of his own editing", fix="Ask somebody else to approve it")
    before = endorsers(session, request)
    if person.name in before:
        raise VimError("VIM-E043", f"{person.name} has approved {request.request_id} already", why="It needs two different people", fix="Ask a second person")
    _, needed = policy.needs(request)
    return len(_still_entitled(session, request, before, policy)) + 1 < needed


def _still_entitled(session: Session, request: ApprovalRequest, names: Sequence[str], policy: Policy) -> list[str]:
    """Those of `names` whose earlier approval counts today: who has left, was given a lesser role or other segments since vouches for nothing.

    Somebody who is in no row of `people` (the sandbox's `--as`) is taken at the role of his event.
    """
    roles: dict[str, str] = {}
    events_of = select(ApprovalEvent.actor, ApprovalEvent.role).where(ApprovalEvent.request_id == request.request_id, ApprovalEvent.action == "endorse")
    for actor, role in session.execute(events_of.order_by(ApprovalEvent.event_number)):
        roles[actor] = role
    known = {row.login: row for row in session.scalars(select(Person).where(Person.login.in_(names)))}
    needed, _ = policy.needs(request)

    def counts(name: str) -> bool:
        row = known.get(name)
        if row is None:
            return policy.suffices(roles[name], needed)
        return row.is_active and policy.suffices(row.role, needed) and covers(row.segments, request.segment)

    return [name for name in names if counts(name)]


def editors(session: Session, request: ApprovalRequest) -> set[str]:
    """Whose hand is in the text: who edited it, and who edited what that edit began from."""
    found = {request.edited_by} if request.edited_by is not None else set()
    draft = session.get(Draft, request.draft_id)
    while draft is not None and draft.edited_from is not None:
        found.add(str(draft.edited_by))
        draft = session.get(Draft, draft.edited_from)
    return found


def hold_disputed(store: Store, account_key: str, fact: str, *, person: Actor, note: str, now: datetime) -> list[str]:
    """Take every question and every unsent approval of the account that rests on `fact` out of the queue; returns the ids of the requests.

    What is being carried out already is not stopped half-way (also when it waits for another attempt: a part of it may stand in the CRM); it
    can be undone.
    """
    held = []
    with chained(store) as session:
        open_ones = select(ApprovalRequest).where(ApprovalRequest.account_key == account_key, ApprovalRequest.state.in_(("pending", "approved")))
        for request in session.scalars(open_ones.order_by(ApprovalRequest.request_id)).all():
            if rests_on(request.payload["facts"], (fact,)) and not _was_begun(session, request):
                step(session, request, "dispute", actor=person, now=now, note=f"{fact} is disputed: {note}")
                held.append(request.request_id)
    return held


def disputed_facts(session: Session, account_key: str, now: datetime) -> frozenset[str]:
    """Facts of the account that a person disputes at this moment, as this transaction sees them."""
    rows = session.scalars(select(LifecycleOverride).where(LifecycleOverride.account_key == account_key)).all()
    return frozenset(standing([word_of(row) for row in rows], now.date()).disputes)


def _was_begun(session: Session, request: ApprovalRequest) -> bool:
    sent = select(OutboxEntry.entry_id).where(OutboxEntry.request_id == request.request_id, OutboxEntry.attempts > 0).limit(1)
    return session.scalar(sent) is not None


def _refuse_broken(session: Session, request: ApprovalRequest) -> None:
    broken = events.verify_request(session, request)
    if broken:
        raise VimError(
            "VIM-E044",
            f"The request {request.request_id} does not fit its record",
            why="; ".join(broken),
            fix="Find out who edited the operations store: vimotion audit-trail verify",
        )


def retry(store: Store, request_id: str, *, person: Actor, note: str | None, now: datetime, policy: Policy) -> Request:
    """Let a failed or conflicted request be carried out again, by someone who may decide on it. The approval and its hash stay as they were.

    Raises VIM-E041 (a newer text was approved since), E042 (it is neither failed nor conflicted), E043 (role, segment), E044, E045 (no note), E047
    (a fact of it is disputed).
    """
    with chained(store) as session:
        request = find_request(session, request_id)
        _refuse_outsider(request, person, policy)
        _refuse_overtaken(session, request)
        disputed = disputed_facts(session, request.account_key, now)
        if rests_on(request.payload["facts"], disputed):
            raise VimError(
                "VIM-E047",
                f"{request.request_id} rests on a fact that is disputed",
                why=", ".join(sorted(disputed)),
                fix="When the dispute is over, the next night asks anew",
            )
        if not (note or "").strip():
            raise VimError("VIM-E045", "A note is needed to retry", fix="Add --note 'what was put right'")
        _refuse_broken(session, request)
        step(session, request, "retry", actor=person, now=now, note=note)
        return view(Request, request)


def may_undo(store: Store, request_id: str, person: Actor, policy: Policy) -> None:
    """Taking a text out of the CRM is as much of a write as putting it there: raises VIM-E043 for who may not decide on it, VIM-E040."""
    with store.reading() as session:
        _refuse_outsider(find_request(session, request_id), person, policy)


def _refuse_overtaken(session: Session, request: ApprovalRequest) -> None:
    """Raises VIM-E041 where people have approved a newer text in the meantime: the older consent is no current one."""
    newer = select(ApprovalRequest.request_id).where(
        ApprovalRequest.account_key == request.account_key,
        ApprovalRequest.document == request.document,
        ApprovalRequest.version > request.version,
        ApprovalRequest.approved_sha256.is_not(None),
    )
    found = session.scalar(newer.limit(1))
    if found is not None:
        raise VimError("VIM-E041", f"{request.request_id} is not the newest that was approved", why=f"{found} took its place", fix=f"See {found}")


def expire(store: Store, now: datetime) -> int:
    """End every pending request whose time is over; returns their number. Expiry never approves."""
    with store.reading() as session:
        ids = session.scalars(select(ApprovalRequest.request_id).where(ApprovalRequest.state == "pending", ApprovalRequest.expires_at <= now)).all()
    expired = 0
    for request_id in ids:
        with chained(store) as session:
            request = session.get(ApprovalRequest, request_id)
            if request is not None and request.state == "pending" and request.expires_at <= now:
                step(session, request, "expire", actor=SYSTEM, now=now)
                expired += 1
    return expired
