"""The approval queue: asking, what waits for whom, and what is ready to be carried out. Every door reads these functions.

No Dagster and no HTTP: the command line, the inbox, a sensor and a test all see the same rows. Answers are given in `deciding`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import groupby
from typing import Any, TypeVar

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session, aliased, defer

from vim_pipelines.approvals import events
from vim_pipelines.approvals.context import shown_context
from vim_pipelines.approvals.events import SYSTEM, append, chained, question_of, step
from vim_pipelines.approvals.payload import (
    AccountInfo,
    account_info,
    build_payload,
    note_to_write,
    payload_sha256,
    planned_actions,
    planned_criteria,
    request_id_of,
)
from vim_pipelines.approvals.policy import Policy, load_policy, stakes_of
from vim_pipelines.core.dates import end_of_day
from vim_pipelines.core.errors import VimError
from vim_pipelines.store.engine import Store
from vim_pipelines.store.locks import is_free
from vim_pipelines.store.models import ApprovalEvent, ApprovalRequest, Draft, OutboxEntry

View = TypeVar("View")

DRAFTS_A_TRANSACTION = 50
#: How often drafting again may fail (a model, a gate) before a person must write.
MAX_REPLAN_ATTEMPTS = 3
BAND_URGENCY = {"red": 0, "yellow": 1, "unknown": 2, "green": 3}


@dataclass(frozen=True)
class Request:
    """One approval request, as a list shows it."""

    request_id: str
    draft_id: str
    account_key: str
    account_name: str
    document: str
    version: int
    state: str
    approver_role: str
    risk_band: str | None
    arr_amount: Decimal | None
    currency: str | None
    as_of_date: date
    replan_round: int
    attempt: int
    payload_sha256: str
    approved_sha256: str | None
    policy_version: str
    decided_by: str | None
    decided_role: str | None
    decided_channel: str | None
    decided_at: datetime | None
    note: str | None
    created_at: datetime
    expires_at: datetime
    updated_at: datetime
    context: dict[str, Any] | None
    segment: str | None
    amount_at_stake: Decimal | None
    approvals_needed: int
    edited_by: str | None
    reminded_at: datetime | None
    escalated_at: datetime | None
    opened_by: str | None
    opened_until: datetime | None


@dataclass(frozen=True)
class EventView:
    """One step in a request's life."""

    event_number: int
    at: datetime
    actor: str
    role: str
    channel: str
    action: str
    from_state: str | None
    to_state: str
    version: int
    payload_sha256: str
    event_sha256: str
    note: str | None


@dataclass(frozen=True)
class WriteView:
    """One intended write of a request."""

    action: str
    object_name: str
    external_id: str
    state: str
    attempts: int
    record_id: str | None
    error: str | None
    proposed: dict[str, Any]
    before: dict[str, Any] | None
    after: dict[str, Any] | None


@dataclass(frozen=True)
class RequestDetail(Request):
    """One request with everything a decision needs. `previous_text` is what was last approved for this account and document.

    `breaks` lists what does not fit the record (an edited text, say); such a request cannot be approved or carried out.
    """

    text: str
    facts: list[dict[str, Any]]
    evidence: list[dict[str, Any]]
    actions: list[dict[str, Any]]
    left_to_you: list[dict[str, Any]]
    criteria: list[dict[str, Any]]
    audience: str
    written_by: str
    model: str | None
    prompt_sha256: str
    cost_usd: Decimal | None
    previous_text: str | None
    events: tuple[EventView, ...]
    writes: tuple[WriteView, ...]
    breaks: tuple[str, ...]
    #: The version before this one, whatever became of it: what a reviewer's note or an edit changed shows against it.
    earlier_text: str | None = None
    #: Who has approved exactly this text already, where two people are needed.
    endorsed_by: tuple[str, ...] = ()
    #: What gates that guess from words doubted and a judge cleared: for the eyes of whoever decides.
    doubts: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Report:
    """What one call of `request_approvals` did, by draft."""

    requested: tuple[str, ...] = ()
    superseded: tuple[str, ...] = ()
    unchanged: int = 0
    held: int = 0
    cooling_down: int = 0
    replan_open: int = 0
    disputed: int = 0
    opened: int = 0
    must_write: tuple[str, ...] = ()

    def metadata(self) -> dict[str, int]:
        """Counts for Dagster."""
        return {
            "requested": len(self.requested),
            "superseded": len(self.superseded),
            "unchanged": self.unchanged,
            "held": self.held,
            "cooling_down": self.cooling_down,
            "replan_open": self.replan_open,
            "disputed": self.disputed,
            "opened": self.opened,
            "must_write": len(self.must_write),
        }


# --- asking ---------------------------------------------------------------------------------------------------------


def request_approvals(
    store: Store,
    policy: Policy,
    as_of: date,
    now: datetime,
    *,
    approval_hours: int,
    draft_ids: Collection[str] | None = None,
    signals: Mapping[str, Mapping[str, Any]] | None = None,
    disputed: Mapping[str, Collection[str]] | None = None,
) -> Report:
    """Ask for a decision on each draft: those of `draft_ids`, or all that were written for `as_of`.

    `signals` maps account keys to rows of `context.read_signals`. A draft held by a
    gate is never asked for; where no other draft took its place, the request says that a person must write, and holds no text of the draft.
    A new draft supersedes a pending request only if its `draft_key` differs (a material change), and not while somebody has it open; the same
    drafts again change nothing. After a dismissal nothing is asked for the policy's cool-down; while a re-plan is open, the
    re-planned draft is waited for. An expired question is asked again when its draft is handed in again.

    `disputed` maps account keys to facts that a person disputes: a draft that rests on one is not asked for, and a question that was held
    for a dispute is asked again, with the draft it had, once nobody disputes its facts any more and no newer draft stands.
    """
    in_dispute = disputed or {}
    with store.session() as session:
        wanted = select(Draft.draft_id, Draft.account_key, Draft.document).order_by(Draft.account_key, Draft.document, Draft.version)
        wanted = wanted.where(Draft.draft_id.in_(draft_ids)) if draft_ids is not None else wanted.where(Draft.as_of_date == as_of)
        # A draft that answers a reviewer's note is asked for by the re-plan that wrote it; the night would take it for a new one.
        # So would it one that a person edited, as long as that is being read, or was held.
        wanted = wanted.where(Draft.feedback.is_(None), or_(Draft.status == "written", Draft.edited_from.is_(None)))
        found = session.execute(wanted).all()
        groups = [[row.draft_id for row in rows] for _, rows in groupby(found, key=lambda row: (row.account_key, row.document))]
        if draft_ids is None:
            known = {row.draft_id for row in found}
            groups += [[draft_id] for draft_id in _held_for_disputes(session, as_of) if draft_id not in known]
    requested: list[str] = []
    superseded: list[str] = []
    must_write: list[str] = []
    counts = dict.fromkeys(("unchanged", "held", "cooling_down", "replan_open", "disputed", "opened"), 0)
    for start in range(0, len(groups), DRAFTS_A_TRANSACTION):
        ids = [draft_id for group in groups[start : start + DRAFTS_A_TRANSACTION] for draft_id in group]  # all versions of one document together
        with chained(store) as session:
            for draft in _newest_each(session.scalars(select(Draft).where(Draft.draft_id.in_(ids)))):
                latest = _latest(session, draft.account_key, draft.document)
                outcome = _outcome(session, latest, draft, policy, as_of, now)
                counts["held"] += draft.status != "written"
                if outcome == "request" and rests_on(draft.facts, in_dispute.get(draft.account_key, ())):
                    outcome = "disputed"
                if outcome in counts:
                    counts[outcome] += 1
                    continue
                if latest is not None and latest.state == "pending":
                    step(session, latest, "supersede", actor=SYSTEM, now=now, note=f"a new draft of {draft.as_of_date} differs materially")
                    superseded.append(latest.request_id)
                new = insert_request(session, draft, policy, now, approval_hours=approval_hours, latest=latest, signals=(signals or {}).get(draft.account_key))
                (requested if new.state == "pending" else must_write).append(new.request_id)
    return Report(tuple(requested), tuple(superseded), must_write=tuple(must_write), **counts)


def insert_request(
    session: Session,
    draft: Draft,
    policy: Policy,
    now: datetime,
    *,
    approval_hours: int,
    latest: ApprovalRequest | None,
    signals: Mapping[str, Any] | None = None,
    replan_round: int = 0,
    note: str | None = None,
) -> ApprovalRequest:
    """Add a request after `latest`, the newest of its account and document, inside `chained`. What is unknown of the account is taken from `latest`.

    Pending, or, for a draft that a gate held back, one that only says that a person must write: nothing of the draft can be approved or seen in it.
    """
    version = latest.version + 1 if latest is not None else 1
    info = _as_before(latest) if signals is None and latest is not None else account_info(draft, signals)
    stakes = info.stakes
    request_id = request_id_of(draft.draft_id, version)
    is_held = draft.status != "written"
    payload = (
        note_to_write(draft, policy)
        if is_held
        else build_payload(draft, policy, info, request_id=request_id, planned=planned_actions(draft, policy), criteria=planned_criteria(draft))
    )
    state, attempt = ("rejected", MAX_REPLAN_ATTEMPTS) if is_held else ("pending", 0)  # the attempts are used up: nobody drafts it again by itself
    request = ApprovalRequest(
        request_id=request_id,
        draft_id=draft.draft_id,
        account_key=draft.account_key,
        account_name=draft.account_name,
        document=draft.document,
        version=version,
        state=state,
        payload=payload,
        policy_version=policy.version,
        approver_role=policy.approver_role(draft.document, stakes),
        approvals_needed=policy.approvals_needed(draft.document, stakes),
        risk_band=stakes.risk_band,
        arr_amount=_cents(stakes.arr_amount),
        currency=stakes.currency,
        segment=stakes.segment,
        amount_at_stake=_cents(stakes.amount_at_stake),
        stake_currency=stakes.stake_currency,
        context=shown_context(signals) if signals is not None else latest.context if latest is not None else None,
        edited_by=draft.edited_by,
        as_of_date=draft.as_of_date,
        replan_round=replan_round,
        attempt=attempt,
        created_at=now,
        updated_at=now,
        expires_at=now + timedelta(hours=approval_hours),
    )
    request.payload = payload | {"question": question_of(request)}
    request.payload_sha256 = payload_sha256(request.payload)
    session.add(request)
    session.flush()
    if is_held:
        append(
            session, request, "human_must_write", from_state=None, to_state=state, actor=SYSTEM, now=now, note="no draft passed the gates: a person must write"
        )
    else:
        append(session, request, "request", from_state=None, to_state=state, actor=SYSTEM, now=now, note=note)
    return request


def _cents(amount: Decimal | None) -> Decimal | None:
    """As the column keeps it: an amount with more digits would be another one when it is read again, and its hash would not fit."""
    return amount if amount is None else amount.quantize(Decimal("0.01"), ROUND_HALF_UP)


def _newest_each(drafts: Iterable[Draft]) -> list[Draft]:
    """Of several versions of one document for one account, the newest that passed its gates; a held one only if there is no other."""
    newest: dict[tuple[str, str], Draft] = {}
    for draft in drafts:
        key = (draft.account_key, draft.document)
        best = newest.get(key)
        if best is None or (draft.status == "written", draft.version) > (best.status == "written", best.version):
            newest[key] = draft
    return list(newest.values())


def _outcome(session: Session, latest: ApprovalRequest | None, draft: Draft, policy: Policy, as_of: date, now: datetime) -> str:
    if latest is None:
        return "request"
    if latest.state == "dismissed" and latest.decided_at is not None and now < latest.decided_at + timedelta(days=policy.dismiss_cooldown_days):
        return "cooling_down"
    may_replan = latest.replan_round < policy.max_replan_rounds and latest.attempt < MAX_REPLAN_ATTEMPTS
    if latest.state == "replanning" or (latest.state in ("rejected", "changes_requested") and may_replan):
        return "replan_open"
    if _basis_key(session, latest) == draft.draft_key:
        return "request" if latest.state == "expired" or _was_disputed_before(session, latest, as_of) else "unchanged"
    is_open = latest.state == "pending" and latest.opened_until is not None and now < latest.opened_until
    return "opened" if is_open else "request"


def rests_on(facts: Sequence[Mapping[str, Any]], names: Collection[str]) -> bool:
    """Whether a fact sheet holds one of the facts as known. The whole sheet counts, not only what a sentence shows: whoever wrote it had read it."""
    return any(fact.get("metric") in names and fact.get("status") == "ok" for fact in facts)


def _was_disputed_before(session: Session, request: ApprovalRequest, as_of: date) -> bool:
    """Whether the question was held for a dispute that this night knows of: one run again for the day before must not ask it anew."""
    if request.state != "superseded":
        return False
    events = select(ApprovalEvent).where(ApprovalEvent.request_id == request.request_id).order_by(ApprovalEvent.event_number.desc()).limit(1)
    last = session.scalar(events)
    return last is not None and last.action == "dispute" and last.at < end_of_day(as_of)


def _held_for_disputes(session: Session, as_of: date) -> list[str]:
    """Drafts whose question was held for a dispute that this night knows of, and is still the newest of its account and document."""
    newer = aliased(ApprovalRequest)
    held = (
        select(ApprovalRequest.draft_id)
        .join(ApprovalEvent, ApprovalEvent.request_id == ApprovalRequest.request_id)
        .where(ApprovalEvent.action == "dispute", ApprovalEvent.at < end_of_day(as_of), ApprovalRequest.state == "superseded")
        .where(
            ~select(newer.request_id)
            .where(newer.account_key == ApprovalRequest.account_key, newer.document == ApprovalRequest.document, newer.version > ApprovalRequest.version)
            .exists()
        )
    )
    return list(session.scalars(held.order_by(ApprovalRequest.draft_id)))


def _basis_key(session: Session, latest: ApprovalRequest) -> str | None:
    """Key of the nightly draft that `latest` goes back to: a re-planned draft has a key of its own, but its facts are those of round 0.

    A draft that a person edited carries the key of what was edited.
    """
    return session.scalar(
        select(Draft.draft_key)
        .join(ApprovalRequest, ApprovalRequest.draft_id == Draft.draft_id)
        .where(
            ApprovalRequest.account_key == latest.account_key,
            ApprovalRequest.document == latest.document,
            ApprovalRequest.version <= latest.version,
            ApprovalRequest.replan_round == 0,
        )
        .order_by(ApprovalRequest.version.desc())
        .limit(1)
    )


def _latest(session: Session, account_key: str, document: str) -> ApprovalRequest | None:
    statement = select(ApprovalRequest).where(ApprovalRequest.account_key == account_key, ApprovalRequest.document == document)
    return session.scalar(statement.order_by(ApprovalRequest.version.desc()).limit(1))


def _as_before(latest: ApprovalRequest) -> AccountInfo:
    return AccountInfo(stakes_of(latest), _task_owner(latest))


def _task_owner(request: ApprovalRequest) -> str | None:
    return next((action["fields"].get("Owner_Email__c") for action in request.payload["actions"] if action["action"] == "crm_task"), None)


# --- reading --------------------------------------------------------------------------------------------------------


def list_requests(store: Store, *, states: Sequence[str] = ("pending",), account_key: str | None = None, limit: int = 1000) -> list[Request]:
    """Requests in `states`, the most urgent first: risk, then what is soonest to expire, then money."""
    statement = select(ApprovalRequest).options(defer(ApprovalRequest.payload)).where(ApprovalRequest.state.in_(states))
    if account_key is not None:
        statement = statement.where(ApprovalRequest.account_key == account_key)
    with store.reading() as session:
        found = [view(Request, request) for request in session.scalars(statement)]
    found.sort(key=lambda row: (BAND_URGENCY.get(row.risk_band or "unknown", 2), row.expires_at, -(row.arr_amount or 0), row.request_id))
    return found[:limit]


def to_write(store: Store, *, account_key: str | None = None, policy: Policy | None = None) -> list[Request]:
    """What a person must write, the most urgent first: the newest request of its account and document, and nothing drafts it any more."""
    policy, newer = policy or load_policy(), aliased(ApprovalRequest)
    statement = (
        select(ApprovalRequest)
        .options(defer(ApprovalRequest.payload))
        .where(ApprovalRequest.state == "rejected")
        .where(
            ~select(newer.request_id)
            .where(newer.account_key == ApprovalRequest.account_key, newer.document == ApprovalRequest.document, newer.version > ApprovalRequest.version)
            .exists()
        )
    )
    if account_key is not None:
        statement = statement.where(ApprovalRequest.account_key == account_key)
    with store.reading() as session:
        found = [view(Request, request) for request in session.scalars(statement) if is_for_a_person(request, policy)]
    return sorted(found, key=lambda row: (BAND_URGENCY.get(row.risk_band or "unknown", 2), -(row.arr_amount or 0), row.request_id))


def is_for_a_person(request: ApprovalRequest, policy: Policy) -> bool:
    """Whether nobody but a person will write it: no round or no attempt is left, or there never was a draft that could be shown."""
    return request.state == "rejected" and (request.attempt >= MAX_REPLAN_ATTEMPTS or request.replan_round >= policy.max_replan_rounds)


def endorsers(session: Session, request: ApprovalRequest) -> list[str]:
    """Who has approved exactly this payload without being the last who was needed, in order."""
    statement = select(ApprovalEvent.actor).where(
        ApprovalEvent.request_id == request.request_id, ApprovalEvent.action == "endorse", ApprovalEvent.payload_sha256 == request.payload_sha256
    )
    return list(dict.fromkeys(session.scalars(statement.order_by(ApprovalEvent.event_number))))


def count_requests(store: Store, state: str = "pending") -> int:
    """Number of requests in `state`: the badge and the list count the same rows."""
    with store.reading() as session:
        return session.scalar(select(func.count()).select_from(ApprovalRequest).where(ApprovalRequest.state == state)) or 0


def show_request(store: Store, request_id: str) -> RequestDetail:
    """One request with all a decision needs; `request_id` may be its beginning. VIM-E040 if there is none, or more than one."""
    with store.reading() as session:
        request = find_request(session, request_id)
        draft = session.get_one(Draft, request.draft_id)
        history = session.scalars(select(ApprovalEvent).where(ApprovalEvent.request_id == request.request_id).order_by(ApprovalEvent.event_number))
        outbox = session.scalars(select(OutboxEntry).where(OutboxEntry.request_id == request.request_id).order_by(OutboxEntry.created_at, OutboxEntry.action))
        previous = session.scalar(
            select(ApprovalRequest)
            .where(
                ApprovalRequest.account_key == request.account_key,
                ApprovalRequest.document == request.document,
                ApprovalRequest.version < request.version,
                ApprovalRequest.approved_sha256.is_not(None),
            )
            .order_by(ApprovalRequest.version.desc())
            .limit(1)
        )
        earlier = session.scalar(
            select(ApprovalRequest).where(
                ApprovalRequest.account_key == request.account_key,
                ApprovalRequest.document == request.document,
                ApprovalRequest.version == request.version - 1,
            )
        )
        return view(
            RequestDetail,
            request,
            text=request.payload["text"],
            facts=request.payload["facts"],
            evidence=request.payload["evidence"],
            actions=request.payload["actions"],
            left_to_you=request.payload.get("left_to_you", []),
            doubts=tuple((draft.structured or {}).get("cleared_doubts", ())),
            criteria=request.payload.get("criteria", []),  # a request of an earlier version has none
            audience=draft.audience,
            written_by=draft.written_by,
            model=draft.model,
            prompt_sha256=draft.prompt_sha256,
            cost_usd=draft.cost_usd,
            endorsed_by=tuple(endorsers(session, request)),
            previous_text=previous.payload["text"] if previous else None,
            earlier_text=earlier.payload["text"] if earlier else None,
            events=tuple(view(EventView, event) for event in history),
            writes=tuple(view(WriteView, entry) for entry in outbox),
            breaks=tuple(events.verify_request(session, request)),
        )


def approved_ready(store: Store, limit: int = 25) -> list[Request]:
    """Approved requests that wait to be carried out, the oldest decision first. One query: a sensor calls this."""
    statement = select(ApprovalRequest).options(defer(ApprovalRequest.payload)).where(ApprovalRequest.state == "approved")
    with store.reading() as session:
        return [view(Request, request) for request in session.scalars(statement.order_by(ApprovalRequest.decided_at, ApprovalRequest.request_id).limit(limit))]


def to_replan(store: Store, limit: int = 25, policy: Policy | None = None) -> list[Request]:
    """Requests that wait for a new draft, the oldest decision first; among them those whose re-planning process died."""
    rounds, attempts = (policy or load_policy()).max_replan_rounds, MAX_REPLAN_ATTEMPTS
    statement = (
        select(ApprovalRequest)
        .options(defer(ApprovalRequest.payload))
        .where(ApprovalRequest.state.in_(("rejected", "changes_requested", "replanning")), ApprovalRequest.replan_round < rounds)
        .where(or_(ApprovalRequest.state == "replanning", ApprovalRequest.attempt < attempts))
        .order_by(ApprovalRequest.decided_at, ApprovalRequest.request_id)
        .limit(limit)
    )
    with store.reading() as session:
        found = [view(Request, request) for request in session.scalars(statement)]
    return [request for request in found if request.state != "replanning" or is_free(store, f"replan:{request.request_id}")]


def find_request(session: Session, request_id: str) -> ApprovalRequest:
    """The row of `request_id`, or of the one request whose id begins with it; VIM-E040."""
    request = session.get(ApprovalRequest, request_id)
    if request is not None:
        return request
    start = request_id.replace("\\", "").replace("%", "").replace("_", "")
    found = session.scalars(select(ApprovalRequest).where(ApprovalRequest.request_id.like(f"{start}%")).limit(2)).all() if len(start) >= 6 else []
    if len(found) == 1:
        return found[0]
    what = f"Several approval requests begin with '{request_id}'" if found else f"There is no approval request '{request_id}'"
    raise VimError("VIM-E040", what, fix="See the list: vimotion inbox list")


def view(kind: type[View], row: Any, **extra: Any) -> View:
    """A dataclass from a row's columns of the same names; `extra` are those that are not columns."""
    names = [field.name for field in fields(kind) if field.name not in extra]  # type: ignore[arg-type]
    return kind(**{name: getattr(row, name) for name in names}, **extra)
