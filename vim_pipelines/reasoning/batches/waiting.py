"""Batches and the drafts that wait for them, as rows of the operations store.

A waiting draft holds all that is needed to finish it, because the warehouse may not be opened when its answer comes. Times of a
batch are those of the wall clock, also in the sandbox whose own clock stands still: the vendor's clock, with which they are
compared, does not stand still.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from vim_pipelines.core.hashing import sha256_json
from vim_pipelines.reasoning.drafting import Job
from vim_pipelines.reasoning.excerpts import excerpts_from_rows, rows_of
from vim_pipelines.reasoning.facts import sheet_from_rows
from vim_pipelines.reasoning.ledger import LOST, new_call, number_attempts
from vim_pipelines.reasoning.playbooks import Playbook
from vim_pipelines.reasoning.providers.base import DraftRequest
from vim_pipelines.store.engine import Store
from vim_pipelines.store.models import Draft, LlmBatch, LlmCall, PendingDraft
from vim_pipelines.warehouse.base import KEYS_PER_QUERY, chunks

#: States in which a batch still has something to be done for.
OPEN_STATES = ("intended", "submitted", "ended")
#: A draft that has waited longer no longer keeps the night from writing it anew: a batch ends within 24 hours, and a day is left to collect it.
LONGEST_WAIT = timedelta(hours=48)
#: How often the same draft key may come back without an answer before the offline drafter writes it.
MOST_ATTEMPTS = 3
ROWS_PER_INSERT = 100

#: The wall clock, naive UTC.
Clock = Callable[[], datetime]


def wall_clock() -> datetime:
    """Now, naive UTC, by the system's clock."""
    return datetime.now(UTC).replace(tzinfo=None)


@dataclass(frozen=True)
class OpenBatch:
    """One batch that is not done with."""

    batch_id: str
    vendor_id: str | None
    state: str
    as_of_date: date
    request_count: int
    intended_at: datetime
    submitted_at: datetime | None
    polled_at: datetime | None
    error: str | None

    @property
    def last_seen(self) -> datetime:
        """When something last happened to it."""
        return max(at for at in (self.intended_at, self.submitted_at, self.polled_at) if at is not None)


def custom_id(draft_key: str, batch_id: str) -> str:
    """Our name for one request of a batch: who it is for, and which intent it belongs to.

    The vendor's batches carry no name of ours; the second half lets a single line of results prove whose batch it is. 61 characters
    of those that the vendor takes (`^[a-zA-Z0-9_-]{1,64}$`), none of them from an account's name.
    """
    return f"{draft_key[:40]}-{batch_id[:20]}"


def call_id(draft_key: str, batch_id: str) -> str:
    """The ledger row of one request of a batch: the same however often its result is read."""
    return sha256_json([draft_key, batch_id])[:32]


def requests_sha256(custom_ids: Sequence[str]) -> str:
    """Identity of a batch's requests, in their order."""
    return sha256_json(list(custom_ids))


# --- reading --------------------------------------------------------------------------------------------------------


def open_batches(store: Store, limit: int | None = None) -> list[OpenBatch]:
    """Batches that are not done with, the oldest first. One query: a sensor calls this."""
    names = ("batch_id", "vendor_id", "state", "as_of_date", "request_count", "intended_at", "submitted_at", "polled_at", "error")
    statement = select(*(getattr(LlmBatch, name) for name in names)).where(LlmBatch.state.in_(OPEN_STATES)).order_by(LlmBatch.intended_at, LlmBatch.batch_id)
    with store.session() as session:
        return [OpenBatch(*row) for row in session.execute(statement.limit(limit) if limit else statement)]


def waiting_places(store: Store, now: datetime) -> dict[tuple[str, str], str]:
    """(account, document) of each draft that waits for a batch, and its key; what has waited too long is left out. `now` is the wall clock's."""
    statement = select(PendingDraft.account_key, PendingDraft.document, PendingDraft.draft_key).join(LlmBatch, LlmBatch.batch_id == PendingDraft.batch_id)
    with store.session() as session:
        return {(account, document): key for account, document, key in session.execute(statement.where(LlmBatch.intended_at >= now - LONGEST_WAIT))}


def count_waiting(store: Store) -> int:
    """Drafts that wait for a batch."""
    with store.session() as session:
        return int(session.scalar(select(func.count()).select_from(PendingDraft)) or 0)


def answered_keys(store: Store, draft_keys: Collection[str], statuses: Collection[str]) -> set[str]:
    """Those of `draft_keys` that have a call with one of `statuses`."""
    found: set[str] = set()
    with store.session() as session:
        for part in chunks(sorted(draft_keys), KEYS_PER_QUERY):
            found |= set(session.scalars(select(LlmCall.draft_key).where(LlmCall.draft_key.in_(part), LlmCall.status.in_(statuses))))
    return found


def attempts(store: Store, draft_key: str) -> int:
    """Calls made for a draft so far, however they ended."""
    with store.session() as session:
        return int(session.scalar(select(func.count()).select_from(LlmCall).where(LlmCall.draft_key == draft_key, LlmCall.purpose == "draft")) or 0)


def pending_of(store: Store, batch_id: str) -> dict[str, str]:
    """Draft keys that wait for a batch, by the custom ids of their requests, in the order of submission."""
    statement = select(PendingDraft.draft_key).where(PendingDraft.batch_id == batch_id).order_by(PendingDraft.draft_key)
    with store.session() as session:
        return {custom_id(key, batch_id): key for key in session.scalars(statement)}


def models_of(store: Store, batch_id: str) -> dict[str, str]:
    """The model that was asked for each draft that waits for a batch."""
    with store.session() as session:
        return {key: model for key, model in session.execute(select(PendingDraft.draft_key, PendingDraft.model).where(PendingDraft.batch_id == batch_id))}


def open_calls(store: Store, batch_id: str) -> dict[str, tuple[str, str]]:
    """(draft key, model) of each call of a batch whose end is not in the ledger, by custom id; also of those whose drafts no longer wait for it.

    A night that went on without the batch has closed some as lost: what they cost is known only when the result is read.
    """
    still_open = (LlmCall.status == "started") | (LlmCall.error == LOST)
    with store.session() as session:
        calls = session.execute(select(LlmCall.draft_key, LlmCall.model).where(LlmCall.batch_id == batch_id, still_open).order_by(LlmCall.draft_key))
        return {custom_id(key, batch_id): (key, model) for key, model in calls}


def read_call(store: Store, call: str) -> LlmCall | None:
    """One row of the ledger."""
    with store.session() as session:
        return session.get(LlmCall, call)


def read_job(store: Store, draft_key: str, playbooks: Mapping[str, Playbook]) -> Job | None:
    """A waiting draft as a job; None if its prompt file has changed or gone since, so that its answer belongs to no document of today."""
    with store.session() as session:
        row = session.get(PendingDraft, draft_key)
    if row is None:
        return None
    playbook = playbooks.get(row.document)
    if playbook is None or playbook.sha256 != row.request["prompt_sha256"]:
        return None
    return Job(_request(row, playbook), int(row.request["version"]))


def next_version(store: Store, job: Job) -> int | None:
    """The version under which a late draft is kept, or None if the document has since got one from the same or a later night.

    A reviewer's note may have made a version of the older text meanwhile: the late draft rests on newer facts and comes after it.
    """
    request = job.request
    newest = select(Draft.version, Draft.as_of_date).where(Draft.account_key == request.account_key, Draft.document == request.playbook.id)
    with store.session() as session:
        found = session.execute(newest.order_by(Draft.version.desc()).limit(1)).one_or_none()
    if found is None:
        return 1
    return None if found.as_of_date >= request.as_of else int(found.version) + 1


# --- writing --------------------------------------------------------------------------------------------------------


def write_intent(store: Store, batch_id: str, jobs: Sequence[tuple[Job, str]], *, at: datetime, now: datetime) -> None:
    """The batch, its waiting drafts (job and model, in the order of their keys) and their calls, in one transaction, before anything is sent.

    The calls stand in the ledger as started, so that every budget reckons with them until their answers are there. Drafts that waited
    for an earlier batch wait for this one from now on.
    """
    keys = [job.request.draft_key for job, _ in jobs]
    with store.session() as session:
        session.add(
            LlmBatch(
                batch_id=batch_id, provider="anthropic", state="intended", as_of_date=jobs[0][0].request.as_of, request_count=len(jobs),
                requests_sha256=requests_sha256([custom_id(key, batch_id) for key in keys]), intended_at=at,
            )
        )  # fmt: skip
        session.flush()
        for part in chunks(keys, KEYS_PER_QUERY):
            session.execute(delete(PendingDraft).where(PendingDraft.draft_key.in_(part)))
        for part in chunks(jobs, ROWS_PER_INSERT):  # plain rows: 5,000 objects of the mapper would take 200 MB more
            session.execute(insert(PendingDraft), [_row(job, model, batch_id, at) for job, model in part])
            calls = [_call(job, model, batch_id, now) for job, model in part]
            number_attempts(session, calls)
            session.execute(insert(LlmCall), calls)


def set_batch(store: Store, batch_id: str, **values: Any) -> None:
    """Update a batch's row."""
    with store.session() as session:
        session.execute(update(LlmBatch).where(LlmBatch.batch_id == batch_id).values(**values))


def refuse_batch(store: Store, batch_id: str, why: str) -> None:
    """A batch that the vendor did not take: nothing was called, nothing is owed, its drafts are to be written another way."""
    with store.session() as session:
        session.execute(update(LlmBatch).where(LlmBatch.batch_id == batch_id).values(state="ended", error=why))
        _never_made(session, LlmCall.batch_id == batch_id, why)


def known_vendor_ids(store: Store) -> set[str]:
    """The vendor's names of all batches that the store knows."""
    with store.session() as session:
        return {vendor_id for vendor_id in session.scalars(select(LlmBatch.vendor_id)) if vendor_id is not None}


def forget(store: Store, batch_id: str, draft_keys: Iterable[str], *, why: str | None = None) -> None:
    """Drafts of a batch that wait no longer. `why`: their calls were never made, for this reason, and cost nothing."""
    with store.session() as session:
        for part in chunks(sorted(draft_keys), KEYS_PER_QUERY):
            session.execute(delete(PendingDraft).where(PendingDraft.draft_key.in_(part), PendingDraft.batch_id == batch_id))
            if why is not None:
                _never_made(session, LlmCall.draft_key.in_(part) & (LlmCall.batch_id == batch_id), why)


def _never_made(session: Session, which: Any, why: str) -> None:
    session.execute(update(LlmCall).where(which, LlmCall.status == "started").values(status="error", error=why, cost_usd=0))


def _row(job: Job, model: str, batch_id: str, at: datetime) -> dict[str, Any]:
    request = job.request
    kept = {
        "account_name": request.account_name, "facts": request.sheet.rows(), "evidence": [dict(entry) for entry in request.sheet.evidence],
        "excerpts": rows_of(request.sheet.excerpts), "version": job.version, "prompt_sha256": request.playbook.sha256,
    }  # fmt: skip
    return {
        "draft_key": request.draft_key, "batch_id": batch_id, "account_key": request.account_key, "document": request.playbook.id, "model": model,
        "as_of_date": request.as_of, "request": kept, "created_at": at,
    }  # fmt: skip


def _call(job: Job, model: str, batch_id: str, now: datetime) -> dict[str, Any]:
    request = job.request
    return new_call(
        draft_key=request.draft_key, account_key=request.account_key, document=request.playbook.id, provider="anthropic", model=model,
        prompt_sha256=request.playbook.sha256, as_of=request.as_of, now=now, batch_id=batch_id, call_id=call_id(request.draft_key, batch_id),
    )  # fmt: skip


def _request(row: PendingDraft, playbook: Playbook) -> DraftRequest:
    kept = row.request
    sheet = sheet_from_rows(row.account_key, kept["account_name"], row.as_of_date, kept["facts"], kept["evidence"])
    sheet = replace(sheet, excerpts=excerpts_from_rows(kept["excerpts"]))
    return DraftRequest(row.draft_key, row.account_key, kept["account_name"], row.as_of_date, playbook, sheet)
