"""Carrying out an approval: nothing without it, nothing twice, nothing lost, everything undoable.

A write goes through the outbox: planned -> (CRM read, difference kept) -> sending (committed before the call) -> sent -> verified by
reading back. A process may be killed between any two of these steps; the next one goes on from the row that was committed last.

The rule for dead runs. Whoever carries out a request holds its lock (`store/locks.py`), which ends with the process. So: a request that
is `executing` or `applied` and whose lock is free belongs to a dead run, and the next `write_back` or `reconcile` takes it up at once,
with the attempt counted up; a run that finds its attempt counted up by another stops. One thing is waited for: a write that was
`sending` and is not found in the CRM may still be on its way there, so it is sent again only `settle_seconds` after it was started
(two minutes; none in the sandbox, whose emulator answers in order and whose clock stands still). An answer that never came is
`unknown`, never `failed`: the CRM is read, and what is found there decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from vim_pipelines.approvals.events import SYSTEM, chained, step, verify_request
from vim_pipelines.approvals.policy import Actor
from vim_pipelines.approvals.queue import find_request
from vim_pipelines.core.errors import VimError
from vim_pipelines.core.hashing import sha256_json
from vim_pipelines.store.engine import Store
from vim_pipelines.store.locks import exclusive
from vim_pipelines.store.models import ApprovalRequest, OutboxEntry
from vim_pipelines.vendors.http import VendorError
from vim_pipelines.writeback.actions import MADE_ONCE, ORDER, Intended, intended_writes
from vim_pipelines.writeback.drift import DriftReport, find_drift
from vim_pipelines.writeback.modes import may_write, stop_if_switched_off
from vim_pipelines.writeback.plan import FieldChange, changes, conflicts
from vim_pipelines.writeback.targets.base import CrmRecord, CrmTarget, Found, Planned

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings

Checkpoint = Callable[[str], None]

SETTLE_SECONDS = 120
#: How often one request is started, and one write is sent, before a person must look.
MAX_ATTEMPTS = 5
OPEN_REQUESTS = ("executing", "applied")
#: The sensor takes a request up within a minute.
FORGOTTEN_AFTER = timedelta(hours=1)
#: What `outbox.error` says of a letter whose undo has begun.
UNDOING = "it is being taken back"


@dataclass(frozen=True)
class EntryReport:
    """What became of one intended write."""

    action: str
    object_name: str
    external_id: str
    state: str
    record_id: str | None = None
    changes: tuple[FieldChange, ...] = ()
    error: str | None = None


@dataclass(frozen=True)
class WriteBackReport:
    """What became of one request. `mode` is live or dry_run; in a dry run nothing was sent and nothing stored."""

    request_id: str
    account_name: str
    document: str
    state: str
    mode: str
    entries: tuple[EntryReport, ...] = ()
    error: str | None = None

    def metadata(self) -> dict[str, Any]:
        """For Dagster: counts and ids, no customer text."""
        return {
            "request_id": self.request_id,
            "state": self.state,
            "mode": self.mode,
            "writes": len(self.entries),
            "fields_changed": sum(len(entry.changes) for entry in self.entries),
            "error": self.error or "",
        }

    def lines(self) -> list[str]:
        """For the command line."""
        head = f"{self.request_id} {self.account_name}, {self.document}: {self.state}" + (" (dry run: nothing was sent)" if self.mode == "dry_run" else "")
        body = [f"  {entry.action} {entry.object_name} {entry.record_id or entry.external_id}: {entry.state}" for entry in self.entries]
        if self.mode == "dry_run":
            body = [f"  {entry.object_name} {entry.external_id}  {change}" for entry in self.entries for change in entry.changes]
        return [head, *body, *([f"  {self.error}"] if self.error else [])]


@dataclass(frozen=True)
class ReconcileReport:
    """What `reconcile` found and finished. `resting` are requests that wait: for a write that may be on its way, or for the switch.

    `drift` is what no longer holds in the CRM; None where nobody looked.
    """

    finished: tuple[WriteBackReport, ...] = ()
    resting: tuple[str, ...] = ()
    busy: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    mirror: tuple[str, ...] = ()
    drift: DriftReport | None = None

    def metadata(self) -> dict[str, Any]:
        """For Dagster: counts only."""
        counts = {"finished": len(self.finished), "resting": len(self.resting), "busy": len(self.busy), "failed": len(self.failed), "mirror": len(self.mirror)}
        return counts | (self.drift.metadata() if self.drift else {})

    def lines(self) -> list[str]:
        """For the command line."""
        done = [line for report in self.finished for line in report.lines()]
        return [*done, *self.resting, *self.failed, *self.mirror, *(self.drift.lines() if self.drift else [])]


@dataclass
class _Run:
    """One process's hold on one request."""

    store: Store
    crm: CrmTarget
    request_id: str
    attempt: int
    now: datetime
    checkpoint: Checkpoint
    settle: timedelta
    planned: dict[str, Planned] = field(default_factory=dict)


def write_back(
    store: Store,
    crm: CrmTarget,
    request_id: str,
    *,
    settings: Settings,
    now: datetime,
    run_id: str | None = None,
    checkpoint: Checkpoint = lambda step: None,
    settle_seconds: int | None = None,
) -> WriteBackReport:
    """Carry out one approved request, or go on where a dead run stopped. A verified request is left alone.

    Raises VIM-E050 (mode off), E113 (switched off; also in the middle, and then the request waits as `approved`), E052 (the sandbox may write
    to loopback addresses only), E111 (begun in another CRM), E112 (the text does not fit), E042 (not approved, or another process is at it),
    E044 (the approval does not cover the stored text), E051 (the CRM changed since the proposal), E015 (an answer is missing and
    the write may still be on its way: run again later), and what the vendor's client raises.
    """
    may_write(settings, crm)
    with store.session() as session:
        request_id = find_request(session, request_id).request_id
    if settings.write_mode == "dry_run":
        return _dry_run(store, crm, request_id)
    stop_if_switched_off(store)
    with exclusive(store, f"write_back:{request_id}") as taken:
        if not taken:
            raise VimError("VIM-E042", f"The request {request_id} is being carried out by another process", fix="Wait for it to end")
        return _carry_out(store, crm, request_id, settings, now, run_id, checkpoint, settle_seconds)


def reconcile(
    store: Store,
    crm: CrmTarget,
    *,
    settings: Settings,
    now: datetime,
    run_id: str | None = None,
    checkpoint: Checkpoint = lambda step: None,
    settle_seconds: int | None = None,
    take_up_forgotten: bool = False,
    look_for_drift: bool = False,
) -> ReconcileReport:
    """Finish what dead runs left open, settle open mirror writes and, with `look_for_drift`, read back what was verified before.

    With `take_up_forgotten` it also carries out what was approved an hour ago and was begun by no run: Dagster remembers the run key of a run
    that it lost, or that met write-back off, and never starts it again. One request that fails does not stop the others. With nothing to do it sends nothing, whatever the write mode.
    """
    with store.session() as session:
        wanted: list[ColumnElement[bool]] = [ApprovalRequest.state.in_(OPEN_REQUESTS)]
        if take_up_forgotten:
            wanted.append(and_(ApprovalRequest.state == "approved", ApprovalRequest.updated_at <= now - FORGOTTEN_AFTER))
        open_ids = session.scalars(select(ApprovalRequest.request_id).where(or_(*wanted)).order_by(ApprovalRequest.updated_at)).all()
        is_open = (OutboxEntry.kind == "mirror") & OutboxEntry.state.in_(("sending", "unknown"))
        has_mirror = session.scalar(select(OutboxEntry.entry_id).where(is_open).limit(1)) is not None
    report = ReconcileReport()
    if open_ids or has_mirror:
        may_write(settings, crm)
    if open_ids:
        report = _finish_open(store, crm, open_ids, report, settings, now, run_id, checkpoint, settle_seconds)
    if has_mirror and settings.write_mode == "live":
        from vim_pipelines.writeback.mirror import finish_mirror

        report = replace(report, mirror=tuple(finish_mirror(store, crm, now=now)))
    return replace(report, drift=find_drift(store, crm, now=now)) if look_for_drift else report


def _finish_open(
    store: Store,
    crm: CrmTarget,
    open_ids: Sequence[str],
    report: ReconcileReport,
    settings: Settings,
    now: datetime,
    run_id: str | None,
    checkpoint: Checkpoint,
    settle_seconds: int | None,
) -> ReconcileReport:
    if settings.write_mode == "dry_run":
        return replace(report, resting=tuple(f"{request_id} is open; a dry run does not touch it" for request_id in open_ids))
    try:
        stop_if_switched_off(store)
    except VimError as error:
        return replace(report, resting=tuple(f"{request_id}: {error}" for request_id in open_ids))
    for request_id in open_ids:
        with exclusive(store, f"write_back:{request_id}") as taken:
            if not taken:
                report = replace(report, busy=(*report.busy, request_id))
                continue
            try:
                finished = _carry_out(store, crm, request_id, settings, now, run_id, checkpoint, settle_seconds)
                report = replace(report, finished=(*report.finished, finished))
            except VimError as error:
                line = f"{request_id}: {error}"
                if error.code in ("VIM-E015", "VIM-E113"):
                    report = replace(report, resting=(*report.resting, line))
                else:
                    report = replace(report, failed=(*report.failed, line))
    return report


# --- one request ------------------------------------------------------------------------------------------------------


def _carry_out(
    store: Store,
    crm: CrmTarget,
    request_id: str,
    settings: Settings,
    now: datetime,
    run_id: str | None,
    checkpoint: Checkpoint,
    settle_seconds: int | None,
) -> WriteBackReport:
    seconds = settle_seconds if settle_seconds is not None else 0 if settings.is_sandbox else SETTLE_SECONDS
    claimed = _claim(store, crm, request_id, now, run_id)
    if claimed is None:
        return _report(store, request_id)
    run = _Run(store, crm, request_id, claimed[0], now, checkpoint, timedelta(seconds=seconds), {write.action: write for write in claimed[1]})
    checkpoint("claimed")
    entry_ids = _plan(run)
    checkpoint("planned")
    try:
        for entry_id in entry_ids:
            _send(run, entry_id)
        _move(run, "apply", from_state="executing")
        checkpoint("applied")
        for entry_id in entry_ids:
            _read_back(run, entry_id)
        _move(run, "verify", from_state="applied")
        checkpoint("verified")
    except VendorError as error:
        _let_go(run, error)
        raise
    except VimError as error:
        if error.code == "VIM-E113":
            _release(run, str(error))
        raise
    return _report(store, request_id)


def _claim(store: Store, crm: CrmTarget, request_id: str, now: datetime, run_id: str | None) -> tuple[int, list[Planned]] | None:
    """Take the request by compare-and-swap. None if it is done already.

    The hash of the payload is computed again here, and compared with the one that was stored, the one that was approved and the one in the
    approval's event: an edited text, fact or action stops here, on every start, before anything is read from or sent to the CRM.
    """
    broken: list[str] = []
    refusal: VimError | None = None
    with chained(store) as session:
        request = _locked(session, request_id)
        if request.state in ("verified", "undone"):
            return None
        if request.state not in ("approved", *OPEN_REQUESTS):
            raise VimError("VIM-E042", f"The request {request_id} is {request.state}, not approved", fix="Only an approved request is carried out")
        broken = _approval_breaks(session, request)
        planned: list[Planned] = []
        try:
            planned = [] if broken else [_planned(crm, write) for write in _intended(request)]
        except VimError as error:  # what was approved cannot be carried out here, today or ever
            refusal = error
        if broken or refusal:
            step(session, request, "fail", actor=SYSTEM, now=now, note=("; ".join(broken) or str(refusal))[:1000])
        else:
            action = "claim" if request.state == "approved" else "resume"
            step(session, request, action, actor=SYSTEM, now=now, note=run_id, values={"attempt": request.attempt + 1, "last_run_id": run_id})
            return request.attempt, planned
    if refusal:
        raise refusal
    raise VimError(
        "VIM-E044",
        f"The request {request_id} is not what was approved; nothing was written",
        why="; ".join(broken),
        fix="Find out who edited the store: vimotion audit-trail verify",
    )


def _approval_breaks(session: Session, request: ApprovalRequest) -> list[str]:
    broken = verify_request(session, request)
    if request.approved_sha256 is None or request.approved_sha256 != request.payload_sha256:
        broken.append("the approval is for another text")
    if request.decided_by is None or request.decided_at is None:
        broken.append("nobody is named as the approver")
    return broken


def _planned(crm: CrmTarget, write: Intended) -> Planned:
    """`write` in the words of whoever carries it out. VIM-E110 for what was approved while it was connected, and is not any more."""
    if not crm.carries(write.action):
        raise VimError(
            "VIM-E110",
            f"Nothing is connected any more that carries out {write.action}",
            why="It was when the question was asked, so it is part of what was approved",
            fix="Set it up again (docs/how-to/mail.md) and retry, or dismiss it and do it by hand",
        )
    return crm.planned(write)


def _intended(request: ApprovalRequest) -> list[Intended]:
    assert request.approved_sha256 and request.decided_by and request.decided_at
    return intended_writes(request.request_id, request.payload, request.approved_sha256, approved_by=request.decided_by, approved_at=request.decided_at)


def _plan(run: _Run) -> list[str]:
    """One outbox row for each intended write; rows of an earlier run are kept, and must say the same."""
    with _fenced(run) as (session, request):
        rows = {entry.idempotency_key: entry for entry in session.scalars(select(OutboxEntry).where(OutboxEntry.request_id == run.request_id))}
        ids = []
        for write in run.planned.values():
            entry = rows.get(write.idempotency_key)
            if entry is None:
                assert request.approved_sha256 is not None
                entry = OutboxEntry(
                    entry_id=f"out-{write.idempotency_key[:24]}",
                    idempotency_key=write.idempotency_key,
                    request_id=run.request_id,
                    standing_id=None,
                    account_key=request.account_key,
                    kind="content",
                    action=write.action,
                    target=run.crm.target_of(write.action),
                    object_name=write.object_name,
                    external_id=write.external_id,
                    proposed=write.proposed,
                    before=None,
                    after=None,
                    approved_sha256=request.approved_sha256,
                    state="planned",
                    attempts=0,
                    record_id=None,
                    error=None,
                    was_created=None,
                    created_at=run.now,
                    updated_at=run.now,
                )
                session.add(entry)
                ids.append(entry.entry_id)
                continue
            _same_crm(run.crm, entry)
            if sha256_json([entry.object_name, entry.external_id, entry.proposed]) != sha256_json([write.object_name, write.external_id, write.proposed]):
                raise VimError(
                    "VIM-E044", f"The outbox row {entry.entry_id} was edited; nothing was written for it", fix="Find out who edited the operations store"
                )
            elif entry.state == "failed":  # a person put the cause right and asked for another try
                entry.state, entry.error, entry.attempts = "planned", None, 0
            elif entry.state == "conflicted":
                entry.state, entry.error = "planned", None
            ids.append(entry.entry_id)
        return ids


def _send(run: _Run, entry_id: str) -> None:
    """Bring one entry to `sent` or `skipped`."""
    entry = _entry(run.store, entry_id)
    while entry.state in ("planned", "sending", "unknown"):
        if entry.attempts >= MAX_ATTEMPTS:
            _fail(run, entry_id, "failed", "fail", f"sent {entry.attempts} times without an answer that could be found in the CRM")
            raise VimError(
                "VIM-E015",
                f"The {entry.action} of {run.request_id} was tried {entry.attempts} times",
                fix="Look at the record in the CRM, then retry with a note",
            )
        record = _record(entry)
        found = run.crm.read(record)
        run.checkpoint(f"read:{entry.action}")
        if _is_done(entry, record, found):
            assert found is not None
            _finish(run, entry, record, found.record_id, was_there=entry.state == "planned")
            return
        _stop_on_conflict(run, entry, found)
        if entry.state != "planned" and run.now < entry.updated_at + run.settle:
            _note(run, entry_id, state="unknown")
            raise VimError(
                "VIM-E015",
                f"The {entry.action} of {run.request_id} may still be on its way to the CRM",
                why="Its answer never came",
                fix=f"Run again in {run.settle}",
            )
        stop_if_switched_off(run.store)
        # What stood there before the first try is what undo puts back, so a later try must not overwrite it.
        first_look = {"before": found.fields if found else None, "was_created": found is None} if entry.was_created is None else {}
        _note(run, entry_id, state="sending", attempts=entry.attempts + 1, error=None, **first_look)
        run.checkpoint(f"sending:{entry.action}")
        try:
            record_id = run.crm.write(record, found)
        except VendorError as error:
            _note_failed_send(run, entry_id, error)
            if run.crm.effect_of(error) != "unknown":
                raise
            run.checkpoint(f"unknown:{entry.action}")
            entry = _entry(run.store, entry_id)
            continue
        run.checkpoint(f"answered:{entry.action}")
        _finish(run, entry, record, record_id)
        return


def _is_done(entry: OutboxEntry, record: CrmRecord, found: Found | None) -> bool:
    """Whether the CRM already holds what the entry wants. A Task or a letter counts as soon as it exists: its owner may have edited it since."""
    return found is not None and (entry.action in MADE_ONCE or not changes(found.fields, record.proposed))


def _stop_on_conflict(run: _Run, entry: OutboxEntry, found: Found | None) -> None:
    seen = run.planned[entry.action].expected if entry.was_created is None else entry.before
    foreign = conflicts(found.fields if found else None, seen, entry.proposed) if entry.action not in MADE_ONCE else []
    if foreign:
        what = "; ".join(str(change) for change in foreign)
        _fail(run, entry.entry_id, "conflicted", "conflict", what)
        raise VimError(
            "VIM-E051",
            f"{entry.object_name} {entry.external_id} changed in the CRM since the proposal",
            why=what,
            fix="Decide which one holds; the next night proposes anew",
        )


def _note_failed_send(run: _Run, entry_id: str, error: VendorError) -> None:
    effect = run.crm.effect_of(error)
    if effect == "unknown":
        _note(run, entry_id, state="unknown", error=str(error)[:1000])
    elif effect == "refused":
        _fail(run, entry_id, "failed", "fail", str(error))
    else:
        _note(run, entry_id, state="planned", error=str(error)[:1000])


def _finish(run: _Run, entry: OutboxEntry, record: CrmRecord, record_id: str, *, was_there: bool = False) -> None:
    """Record the effect. A Task is remembered by its draft's record first: after that, nobody can create it again."""
    if entry.action == "crm_task":
        _note(run, entry.entry_id, record_id=record_id)
        run.checkpoint("created:crm_task")
        stop_if_switched_off(run.store)
        run.crm.link(record, record_id)
        run.checkpoint("linked:crm_task")
    _note(run, entry.entry_id, state="skipped" if was_there and entry.was_created is None else "sent", record_id=record_id, error=None)
    run.checkpoint(f"sent:{entry.action}")


def _read_back(run: _Run, entry_id: str) -> None:
    """The write counts when the CRM shows it."""
    entry = _entry(run.store, entry_id)
    if entry.state == "verified":
        return
    record = _record(entry)
    found = run.crm.read(record)
    if found is None:
        wrong = "the record is gone"
    elif entry.action == "crm_task":
        wrong = "" if run.crm.linked(record) == found.record_id else "the draft's record names another Task"
    elif entry.action in MADE_ONCE:
        wrong = ""
    else:
        wrong = "; ".join(str(change) for change in changes(found.fields, record.proposed))
    if wrong:
        _fail(run, entry_id, "failed", "fail", f"read back: {wrong}")
        raise VimError(
            "VIM-E013",
            f"{entry.object_name} {entry.external_id} does not hold what was written",
            why=wrong,
            fix="A rule of the CRM may have changed it; see the record's history",
        )
    assert found is not None
    state = entry.state if entry.state == "skipped" else "verified"
    _note(run, entry_id, state=state, after=found.fields, record_id=found.record_id)
    run.checkpoint(f"verified:{entry.action}")


def _dry_run(store: Store, crm: CrmTarget, request_id: str) -> WriteBackReport:
    with store.session() as session:
        request = find_request(session, request_id)
        if request.state != "approved":
            raise VimError("VIM-E042", f"The request {request_id} is {request.state}, not approved", fix="Only an approved request is carried out")
        broken = _approval_breaks(session, request)
        if broken:
            raise VimError(
                "VIM-E044",
                f"The request {request_id} is not what was approved",
                why="; ".join(broken),
                fix="Find out who edited the store: vimotion audit-trail verify",
            )
        intended = _intended(request)
    entries = []
    for write in [_planned(crm, item) for item in intended]:
        found = crm.read(CrmRecord(write.action, write.object_name, write.external_id, write.proposed))
        difference = changes(found.fields if found else None, write.proposed)
        entries.append(EntryReport(write.action, write.object_name, write.external_id, "planned", found.record_id if found else None, tuple(difference)))
    return WriteBackReport(request_id, request.account_name, request.document, request.state, "dry_run", tuple(entries))


# --- undo -------------------------------------------------------------------------------------------------------------


def undo(
    store: Store,
    crm: CrmTarget,
    request_id: str,
    *,
    settings: Settings,
    now: datetime,
    actor: Actor = SYSTEM,
    note: str | None = None,
    checkpoint: Checkpoint = lambda step: None,
) -> WriteBackReport:
    """Put back what one request changed, the last write first: what it created goes to the recycle bin, what it changed gets its old values.

    Stops with VIM-E051 before touching a record that somebody worked on since (a Task that is under way, a field with a third value).
    Can be started again after a crash: what is back already is left alone.
    """
    may_write(settings, crm)
    if settings.write_mode == "dry_run":
        raise VimError("VIM-E050", "A dry run undoes nothing", fix="Set VIMOTION_WRITE_MODE=live")
    with store.session() as session:
        request_id = find_request(session, request_id).request_id
    with exclusive(store, f"write_back:{request_id}") as taken:
        if not taken:
            raise VimError("VIM-E042", f"The request {request_id} is being carried out by another process", fix="Wait for it to end")
        entries = _undoable(store, request_id)
        for entry in entries:
            _same_crm(crm, entry)
            _refuse_if_worked_on(crm, entry)
        for entry in entries:
            stop_if_switched_off(store)
            checkpoint(f"undoing:{entry.action}")
            _mark_undoing(store, entry)
            _put_back(crm, entry)
            checkpoint(f"put_back:{entry.action}")
            with store.session() as session:
                row = session.get_one(OutboxEntry, entry.entry_id)
                row.state, row.updated_at, row.error = "undone", now, None if row.error == UNDOING else row.error
            checkpoint(f"undone:{entry.action}")
        with chained(store) as session:
            step(session, _locked(session, request_id), "undo", actor=actor, now=now, note=note)
    return _report(store, request_id)


def _undoable(store: Store, request_id: str) -> list[OutboxEntry]:
    with store.session() as session:
        request = find_request(session, request_id)
        if request.state not in ("verified", "applied", "failed", "conflicted"):
            raise VimError("VIM-E042", f"The request {request_id} is {request.state}: there is nothing to undo", fix="Only what was written can be undone")
        rows = session.scalars(select(OutboxEntry).where(OutboxEntry.request_id == request_id, OutboxEntry.attempts > 0, OutboxEntry.state != "undone")).all()
    return sorted(rows, key=lambda entry: ORDER.index(entry.action), reverse=True)


def _refuse_if_worked_on(crm: CrmTarget, entry: OutboxEntry) -> None:
    if entry.error == UNDOING:  # an earlier undo has begun to take it back: that it is gone is our own doing
        return
    record = _record(entry)
    found = crm.read(record)
    if found is None:
        return
    if entry.action in MADE_ONCE:
        # What the CRM made of it (the status that a Task starts with, an owner who has left) is known from the read-back.
        moved = changes(found.fields, entry.after or entry.proposed)
    else:
        moved = [
            change
            for change in changes(found.fields, record.proposed)
            if entry.before is None or changes({change.field: change.before}, {change.field: entry.before.get(change.field)})
        ]
    if moved:
        what = "; ".join(str(change) for change in moved)
        raise VimError("VIM-E051", f"{entry.object_name} {found.record_id} was changed after it was written", why=what, fix="Undo it by hand in the CRM")


def _mark_undoing(store: Store, entry: OutboxEntry) -> None:
    """Committed before something is taken back that leaves no trace of who took it: a letter that is gone could have been sent."""
    if entry.action in MADE_ONCE and entry.action != "crm_task":
        with store.session() as session:
            session.get_one(OutboxEntry, entry.entry_id).error = UNDOING


def _put_back(crm: CrmTarget, entry: OutboxEntry) -> None:
    record = _record(entry)
    found = crm.read(record)
    if found is None:
        return
    if entry.was_created:
        crm.delete(record, found.record_id)
    elif entry.before is not None and changes(found.fields, entry.before):
        crm.put_back(record, found.record_id, entry.before)


def _same_crm(crm: CrmTarget, entry: OutboxEntry) -> None:
    if entry.target != crm.target_of(entry.action):
        raise VimError(
            "VIM-E111",
            f"The write {entry.entry_id} of {entry.request_id} was begun in {entry.target}, and write-back now goes to {crm.target_of(entry.action)}",
            why="Sent to both, one approval would be carried out twice",
            fix=f"Set VIMOTION_WRITE_TARGET={entry.target} until it is finished or undone there",
        )


# --- small steps --------------------------------------------------------------------------------------------------------


@contextmanager
def _fenced(run: _Run) -> Iterator[tuple[Session, ApprovalRequest]]:
    """A transaction of this run. If another run counted the attempt up, this one lost its hold (a lock that a pooler kept, say) and stops."""
    with run.store.session() as session:
        request = _locked(session, run.request_id)
        if request.attempt != run.attempt or request.state not in OPEN_REQUESTS:
            raise VimError("VIM-E042", f"Another process took over {run.request_id}", fix="Nothing to do: it goes on from here")
        yield session, request


def _locked(session: Session, request_id: str) -> ApprovalRequest:
    return session.scalars(select(ApprovalRequest).where(ApprovalRequest.request_id == request_id).with_for_update()).one()


def _note(run: _Run, entry_id: str, **values: Any) -> None:
    """Set columns of an outbox row, in a transaction of its own that is committed when this returns."""
    with _fenced(run) as (session, _request):
        entry = session.get_one(OutboxEntry, entry_id)
        for name, value in values.items():
            setattr(entry, name, value)
        entry.updated_at = run.now


def _fail(run: _Run, entry_id: str, entry_state: str, action: str, reason: str) -> None:
    """End an entry and its request in one transaction, so that neither says something the other does not."""
    with chained(run.store) as session:
        request = _locked(session, run.request_id)
        if request.attempt != run.attempt:
            raise VimError("VIM-E042", f"Another process took over {run.request_id}", fix="Nothing to do: it goes on from here")
        entry = session.get_one(OutboxEntry, entry_id)
        entry.state, entry.error, entry.updated_at = entry_state, reason[:1000], run.now
        step(session, request, action, actor=SYSTEM, now=run.now, note=reason[:1000])


def _move(run: _Run, action: str, *, from_state: str) -> None:
    with chained(run.store) as session:
        request = _locked(session, run.request_id)
        if request.attempt != run.attempt:
            raise VimError("VIM-E042", f"Another process took over {run.request_id}", fix="Nothing to do: it goes on from here")
        if request.state == from_state:
            step(session, request, action, actor=SYSTEM, now=run.now)


def _let_go(run: _Run, error: VendorError) -> None:
    """The CRM did not answer, or said no. Without an answer the request goes back to `approved`, so that the sensor starts a new attempt.

    What was sent stands in the outbox, so the new attempt begins by reading. After several attempts, and after a no, a person must look.
    """
    with chained(run.store) as session:
        request = _locked(session, run.request_id)
        if request.attempt == run.attempt and request.state == "executing":
            may_try_again = run.crm.effect_of(error) != "refused" and request.attempt < MAX_ATTEMPTS
            step(session, request, "release" if may_try_again else "fail", actor=SYSTEM, now=run.now, note=str(error)[:1000])


def _release(run: _Run, reason: str) -> None:
    """Give the request back as it was approved; the next attempt goes on from the outbox."""
    with chained(run.store) as session:
        request = _locked(session, run.request_id)
        if request.attempt == run.attempt and request.state == "executing":
            step(session, request, "release", actor=SYSTEM, now=run.now, note=reason[:1000])


def _entry(store: Store, entry_id: str) -> OutboxEntry:
    with store.session() as session:
        return session.get_one(OutboxEntry, entry_id)


def _record(entry: OutboxEntry) -> CrmRecord:
    return CrmRecord(entry.action, entry.object_name, entry.external_id, entry.proposed, entry.record_id)


def _report(store: Store, request_id: str) -> WriteBackReport:
    with store.session() as session:
        request = find_request(session, request_id)
        rows = session.scalars(select(OutboxEntry).where(OutboxEntry.request_id == request_id)).all()
    entries = tuple(
        EntryReport(entry.action, entry.object_name, entry.external_id, entry.state, entry.record_id, tuple(changes(entry.before, entry.proposed)), entry.error)
        for entry in sorted(rows, key=lambda entry: ORDER.index(entry.action))
    )
    return WriteBackReport(request_id, request.account_name, request.document, request.state, "live", entries)
