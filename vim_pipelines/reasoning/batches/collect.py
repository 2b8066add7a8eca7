"""From a batch that has ended to drafts and questions: results into the ledger, a draft of each, then the approvals are asked.

Each step can be done again from what the step before it left in the store, so a process may die between any two. A batch is
`collected` only when nothing waits for it any more and its drafts have been asked for.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from vim_pipelines.reasoning.batches.reconcile import reconcile
from vim_pipelines.reasoning.batches.submit import Checkpoint, Sender, write_at_once, write_or_submit
from vim_pipelines.reasoning.batches.vendor import BatchVendor, Line, Unreadable
from vim_pipelines.reasoning.batches.waiting import (
    LONGEST_WAIT,
    MOST_ATTEMPTS,
    Clock,
    OpenBatch,
    attempts,
    call_id,
    count_waiting,
    forget,
    next_version,
    open_batches,
    open_calls,
    pending_of,
    read_call,
    read_job,
    set_batch,
    wall_clock,
)
from vim_pipelines.reasoning.drafting import DraftReport, Job
from vim_pipelines.reasoning.judge import make_judge
from vim_pipelines.reasoning.ledger import Ledger
from vim_pipelines.reasoning.playbooks import Playbook, load_playbooks
from vim_pipelines.reasoning.pricing import load_models
from vim_pipelines.reasoning.providers.base import Drafter, DraftRequest, DraftResult
from vim_pipelines.reasoning.providers.calls import Answer, close_call, parsed, refused
from vim_pipelines.reasoning.providers.claude import draft_answer
from vim_pipelines.reasoning.providers.make import make_drafter
from vim_pipelines.reasoning.providers.offline import offline_result
from vim_pipelines.reasoning.schema import DraftDocument
from vim_pipelines.store.engine import Store
from vim_pipelines.store.locks import exclusive
from vim_pipelines.store.models import LlmCall
from vim_pipelines.warehouse.base import chunks

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings

log = logging.getLogger(__name__)

#: Drafts whose facts are in memory together.
DRAFTS_AT_ONCE = 200

#: Asks for a decision on what was written for an as-of date; returns how many requests were made, or None if it cannot be asked now.
Ask = Callable[[date], int | None]

EXPIRED = "expired: the batch's 24 hours were over before this request had its turn"
CANCELED = "canceled: somebody stopped the batch before this request had its turn"
MISSING = "missing: the batch ended without this result"
#: Beginnings of what the ledger says about a request that is not tried again: it is wrong, or a person did not want it.
FOR_GOOD = ("invalid_request_error", "request_too_large", "not_found_error", "permission_error", "canceled")


@dataclass
class CollectReport:
    """What one round of collecting did. `results` counts results by how they ended; `late` drafts came after a newer one and were dropped."""

    is_busy: bool = False
    looked_at: int = 0
    collected: int = 0
    results: Counter[str] = field(default_factory=Counter)
    late: int = 0
    requested: int = 0
    waiting: int = 0
    intents: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    drafts: DraftReport = field(default_factory=DraftReport)

    def metadata(self) -> dict[str, Any]:
        """For Dagster."""
        return {
            "is_busy": self.is_busy,
            "batches_looked_at": self.looked_at,
            "batches_collected": self.collected,
            "results": dict(self.results),
            "drafts_written": self.drafts.written,
            "drafts_held": self.drafts.held,
            "drafts_late": self.late,
            "drafts_resubmitted": self.drafts.waiting,
            "requests_made": self.requested,
            "drafts_waiting": self.waiting,
            "intents": dict(self.intents),
            "problems": self.problems,
        }

    def lines(self) -> list[str]:
        """For the command line."""
        if self.is_busy:
            return ["Another process is collecting."]
        ended = ", ".join(f"{count} {kind}" for kind, count in sorted(self.results.items())) or "no new results"
        return [
            f"Batches: {self.looked_at} open, {self.collected} collected ({ended}); {self.waiting} drafts still wait.",
            f"Drafts: {self.drafts.written} written, {self.drafts.held} held back by a gate, {self.late} overtaken by a newer one; {self.requested} approvals asked for.",
            *self.problems,
        ]


def collect(
    store: Store,
    settings: Settings,
    now: datetime,
    *,
    ask: Ask,
    clock: Clock = wall_clock,
    vendor: BatchVendor | None = None,
    playbooks: Mapping[str, Playbook] | None = None,
    checkpoint: Checkpoint = lambda step: None,
) -> CollectReport:
    """One round over all open batches: find out about lost ones, poll, collect what has ended. Only one process at a time does it.

    `now` is the time of the run (of drafts and calls), `clock` the wall's (of batches). What the vendor does never raises: it is in
    `problems`, and the next round tries again.
    """
    report = CollectReport()
    with exclusive(store, "collect_batches") as taken:
        if not taken:
            report.is_busy = True
            return report
        batches = open_batches(store)
        report.looked_at = len(batches)
        for batch in batches:
            set_batch(store, batch.batch_id, polled_at=clock())  # first of all: the sensor's run key changes with it
        round_ = _Round(store, settings, now, ask, clock, vendor or BatchVendor(settings), playbooks or load_playbooks(), checkpoint, report)
        try:
            if batches:
                round_.run()
        finally:
            round_.vendor.close()
    report.waiting = count_waiting(store)
    return report


@dataclass
class _Round:
    """One round of collecting."""

    store: Store
    settings: Settings
    now: datetime
    ask: Ask
    clock: Clock
    vendor: BatchVendor
    playbooks: Mapping[str, Playbook]
    checkpoint: Checkpoint
    report: CollectReport

    def run(self) -> None:
        newest = max((batch.as_of_date for batch in open_batches(self.store)), default=self.now.date())
        try:
            self.report.intents.update(reconcile(self._sender(newest), self.playbooks).values())
        except Unreadable as error:
            self.report.problems.append(f"the list of batches cannot be read: {error}")
        for batch in open_batches(self.store):
            if batch.state == "submitted":
                batch = self._polled(batch)
            if batch.state == "ended":
                self._collect(batch)

    def _polled(self, batch: OpenBatch) -> OpenBatch:
        """The batch after a look at it: ended, or as it was."""
        assert batch.vendor_id is not None
        is_overdue = self.clock() - batch.intended_at > LONGEST_WAIT
        try:
            look = self.vendor.look(batch.vendor_id)
        except Unreadable as error:
            self.report.problems.append(f"batch {batch.vendor_id} cannot be read: {error}")
            return batch
        if look is None and not is_overdue:
            self.report.problems.append(f"batch {batch.vendor_id} is not known to the vendor: is this the key of the workspace that sent it?")
        has_ended = is_overdue if look is None else look.has_ended
        if not has_ended:
            return batch
        set_batch(self.store, batch.batch_id, state="ended")
        self.checkpoint("ended")
        return replace(batch, state="ended")

    def _collect(self, batch: OpenBatch) -> None:
        """Everything that an ended batch still needs."""
        if batch.vendor_id is not None and not self._record(batch):
            return
        again = [job for keys in chunks(list(pending_of(self.store, batch.batch_id).values()), DRAFTS_AT_ONCE) for job in self._settle(batch, keys)]
        if again:
            sender = self._sender(batch.as_of_date)
            if batch.vendor_id is None:
                write_at_once(sender, again)  # the vendor refuses batches: a second one would be refused too
            else:
                write_or_submit(sender, again)
        if pending_of(self.store, batch.batch_id):
            return
        requested = self.ask(batch.as_of_date)
        if requested is None:
            self.report.problems.append(f"the drafts of {batch.as_of_date} are asked for when its audit is published")
            return
        self.report.requested += requested
        self.checkpoint("asked")
        set_batch(self.store, batch.batch_id, state="collected" if batch.vendor_id else "failed", collected_at=self.clock())
        self.checkpoint("collected")
        self.report.collected += 1

    def _record(self, batch: OpenBatch) -> bool:
        """Write every result into the ledger; false if they could not all be read, and the next round must try again."""
        assert batch.vendor_id is not None
        left = open_calls(self.store, batch.batch_id)
        ledger, catalogue, day = Ledger(self.store), load_models(), self.now.date()
        if not left:
            return True
        is_overdue = self.clock() - batch.intended_at > LONGEST_WAIT
        try:
            for line in self.vendor.results(batch.vendor_id):
                if line.custom_id not in left:
                    continue
                key, model = left.pop(line.custom_id)
                spec = catalogue.spec(model)
                answer, kind = answer_of(line, draft_answer(line.message, spec, day, is_batch=True) if line.kind == "succeeded" else None)
                close_call(ledger, call_id(key, batch.batch_id), answer, spec, day)
                self.report.results[kind] += 1
                self.checkpoint("recorded")
        except Unreadable as error:
            self.report.problems.append(f"the results of batch {batch.vendor_id} cannot be read to their end: {error}")
            if not is_overdue:
                return False
        if left and not is_overdue:
            self.report.problems.append(f"batch {batch.vendor_id} has ended without {len(left)} of its results")
            return True
        for key, model in left.values():
            close_call(ledger, call_id(key, batch.batch_id), Answer("error", cost_usd=None, reason=MISSING), catalogue.spec(model), day)
            self.report.results["missing"] += 1
        return True

    def _settle(self, batch: OpenBatch, keys: Sequence[str]) -> list[Job]:
        """Make drafts of waiting requests from their ledger rows; returns the jobs that must be asked again. What has no result yet still waits."""
        answered: dict[str, tuple[Job, DraftResult]] = {}
        again = []
        for key in keys:
            call = read_call(self.store, call_id(key, batch.batch_id))
            if call is None or call.status == "started":
                continue
            job = read_job(self.store, key, self.playbooks)
            version = None if job is None else next_version(self.store, job)
            if job is None or version is None:
                forget(self.store, batch.batch_id, [key])
                self.report.late += 1
                continue
            job = Job(job.request, version)
            result = result_of(job, call, Ledger(self.store).cost_of(key))
            if result is None and attempts(self.store, key) < MOST_ATTEMPTS:
                again.append(job)
                continue
            given_up = f"no answer after {MOST_ATTEMPTS} attempts, last: {call.error}"
            answered[key] = job, result or offline_result(job.request, outcome="error", reason=given_up)
        self._keep(batch, answered)
        return again

    def _keep(self, batch: OpenBatch, answered: Mapping[str, tuple[Job, DraftResult]]) -> None:
        """Through the gates, with a repair where one holds a draft back, into the store: the way of a live answer."""
        if not answered:
            return
        sender = self._sender(batch.as_of_date)
        sender = replace(sender, writer=Recorded(sender.writer, {key: result for key, (_, result) in answered.items()}, self.checkpoint))
        try:
            write_at_once(sender, [job for job, _ in answered.values()])
        except Exception as error:  # one draft that cannot be made keeps neither the others waiting nor its batch open for ever
            if len(answered) > 1:
                for key, pair in answered.items():
                    if read_job(self.store, key, self.playbooks) is not None:
                        self._keep(batch, {key: pair})
                return
            [key] = answered
            log.exception("the draft %s of batch %s cannot be made", key, batch.batch_id)
            self.report.problems.append(f"the draft {key[:12]} cannot be made: {type(error).__name__}: {str(error)[:200]}")
            if self.clock() - batch.intended_at > LONGEST_WAIT:
                forget(self.store, batch.batch_id, [key])

    def _sender(self, as_of: date) -> Sender:
        writer = make_drafter(self.settings, self.store, as_of, self.now)
        judge = make_judge(self.settings, self.store, as_of, self.now, drafter=writer)
        return Sender(writer, self.store, self.settings, self.now, self.report.drafts, self.clock, self.vendor, judge, self.checkpoint)


@dataclass
class Recorded:
    """A drafter that gives the answers which a batch has brought, and leaves what is asked beyond them (repairs) to `writer`."""

    writer: Drafter
    results: Mapping[str, DraftResult]
    checkpoint: Checkpoint

    def model_for(self, playbook: Playbook) -> str:
        return self.writer.model_for(playbook)

    async def draft(self, request: DraftRequest) -> DraftResult:
        result = self.results.get(request.draft_key)
        if result is None:
            return await self.writer.draft(request)
        self.checkpoint("judging")
        return result

    async def aclose(self) -> None:
        await self.writer.aclose()


def answer_of(line: Line, answer: Answer | None) -> tuple[Answer, str]:
    """How one request ended, for the ledger, and its name in the report. `answer` is what a succeeded one's message is worth.

    A refusal, an answer that was cut off and one that does not fit are successes to the vendor, and are paid for; the rest is not billed.
    """
    if answer is not None:
        return answer, answer.outcome
    reason = {"expired": EXPIRED, "canceled": CANCELED}.get(line.kind) or f"{line.error_type or line.kind}: {line.error_message or 'no reason given'}"
    return Answer("error", cost_usd=Decimal(0), reason=reason), line.kind


def result_of(job: Job, call: LlmCall, cost: Decimal | None) -> DraftResult | None:
    """The draft that a request's ledger row stands for; None if it has no answer yet and may be asked again."""
    if call.status == "ok":
        document, _ = parsed(str((call.response or {}).get("text", "")), DraftDocument)
        return None if document is None else DraftResult(document, "claude", call.model, "ok", cost)
    if call.status == "refusal":
        return replace(offline_result(job.request, outcome="refusal", reason=refused("anthropic")), cost_usd=cost)
    if (call.error or "").startswith(FOR_GOOD):
        return replace(offline_result(job.request, outcome="error", reason=call.error), cost_usd=cost)
    return None
