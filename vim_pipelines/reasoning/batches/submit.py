"""Live or in batches: how many drafts wait decides. Intent first, then the vendor, then the vendor's name for it.

A live call costs twice as much and is answered in seconds; a batch is worth its day of waiting from `VIMOTION_BATCH_FROM` drafts on.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from vim_pipelines.reasoning import gates
from vim_pipelines.reasoning.batches.vendor import BatchVendor, MaybeSent, NotSent
from vim_pipelines.reasoning.batches.waiting import Clock, answered_keys, custom_id, refuse_batch, set_batch, wall_clock, write_intent
from vim_pipelines.reasoning.drafting import DraftReport, Job, draft_and_store, keep_draft
from vim_pipelines.reasoning.ledger import FINAL
from vim_pipelines.reasoning.providers.base import Drafter, DraftResult
from vim_pipelines.reasoning.providers.calls import dearest_usage
from vim_pipelines.reasoning.providers.claude import message_params
from vim_pipelines.reasoning.providers.drafter import ModelDrafter
from vim_pipelines.reasoning.providers.offline import offline_result
from vim_pipelines.store.engine import Store
from vim_pipelines.store.locks import exclusive

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings

log = logging.getLogger(__name__)

#: Requests and bytes in one batch. The vendor takes 100,000 or 256 MB. Measured: 5,000 of ours are 74 MiB, and the SDK takes 350 MiB more while
#: it sends them (copies, text, bytes), so that the bytes bound memory long before the vendor does.
CHUNK_REQUESTS = 5_000
CHUNK_BYTES = 128_000_000
#: A refusal that speaks of the request itself: every other request of the kind would get it too.
_BAD_REQUEST = re.compile(r"\(HTTP (?:400|413|422)\)")

#: Hears of each step that changed something, for the tests that kill the process there.
Checkpoint = Callable[[str], None]


@dataclass
class Sender:
    """What a run needs to send batches. `now` is the time of the run, `clock` the wall's."""

    writer: Drafter
    store: Store
    settings: Settings
    now: datetime
    report: DraftReport
    clock: Clock = wall_clock
    vendor: BatchVendor | None = None
    judge: gates.Judge | None = None
    checkpoint: Checkpoint = field(default=lambda step: None)

    def open_vendor(self) -> BatchVendor:
        """The Batches API."""
        if self.vendor is None:
            self.vendor = BatchVendor(self.settings)
        return self.vendor


def write_or_submit(sender: Sender, jobs: Sequence[Job]) -> list[DraftResult]:
    """Have all jobs written: at once, or by a batch where that many wait. Returns what was written at once, in no order.

    Only Claude has batches here: with OpenAI or the offline drafter as the first writer everything is live. Drafts that were handed to
    a batch are counted in `report.waiting`.
    """
    writer = sender.writer
    if not isinstance(writer, ModelDrafter) or writer.vendors[0].provider != "anthropic":
        return write_at_once(sender, jobs)
    paid = answered_keys(sender.store, [job.request.draft_key for job in jobs], FINAL)
    pending = [job for job in jobs if job.request.draft_key not in paid]
    if len(pending) < sender.settings.batch_from:
        return write_at_once(sender, jobs)
    results = write_at_once(sender, [job for job in jobs if job.request.draft_key in paid])
    rest, canaries = _after_canaries(sender, writer, pending)
    at_once, sent = _submit(sender, writer, rest)
    sender.report.waiting += sent
    return [*results, *canaries, *write_at_once(sender, at_once)]


def write_at_once(sender: Sender, jobs: Sequence[Job]) -> list[DraftResult]:
    """Have all jobs written by live calls, `VIMOTION_LIVE_CALLS` at a time; results in the order of `jobs`."""
    if not jobs:
        return []
    asked = [job.to_decide(sender.now, sender.settings.approval_hours) for job in jobs]
    return asyncio.run(
        draft_and_store(sender.writer, asked, sender.store, sender.now, sender.report, concurrency=sender.settings.live_calls, judge=sender.judge)
    )


def _after_canaries(sender: Sender, writer: ModelDrafter, jobs: Sequence[Job]) -> tuple[list[Job], list[DraftResult]]:
    """Write the first draft of each document and model alone; returns the jobs that may go into a batch, and what was written.

    The vendor judges the parameters of a batch's requests only when the batch has ended, a day later perhaps: a request that is wrong
    for all must be found by a live call. Where it is, the others of its kind are written offline at once, as a live night would end too.
    """
    groups: dict[tuple[str, str], list[Job]] = {}
    for job in jobs:
        groups.setdefault((writer.model_for(job.request.playbook), job.request.playbook.id), []).append(job)
    firsts = write_at_once(sender, [group[0] for group in groups.values()])
    results, rest = list(firsts), list[Job]()
    for (model, document), result in zip(groups, firsts, strict=True):
        others = groups[model, document][1:]
        if result.outcome != "error" or not _BAD_REQUEST.search(result.reason or ""):
            rest += others
            continue
        log.error("No batch for %s: %s refuses its first request: %s", document, model, result.reason)
        reason = f"the first request of its batch was refused: {result.reason}"
        for job in others:
            results.append(offline_result(job.request, outcome="error", reason=reason))
            keep_draft(job.to_decide(sender.now, sender.settings.approval_hours), results[-1], sender.store, sender.now, sender.report)
    return rest, results


def _submit(sender: Sender, writer: ModelDrafter, jobs: Sequence[Job]) -> tuple[list[Job], int]:
    """Send what the budget allows, in chunks; returns the jobs that were not sent, and how many were."""
    at_once: list[Job] = []
    fitting: list[tuple[Job, str, dict[str, Any]]] = []
    sent, size = 0, 0
    for job, model, params, length in _priced(sender, writer, jobs, at_once):
        if len(fitting) == CHUNK_REQUESTS or size + length > CHUNK_BYTES:
            sent += _send(sender, writer, fitting, at_once)
            fitting, size = [], 0
        fitting.append((job, model, params))
        size += length
    if fitting:
        sent += _send(sender, writer, fitting, at_once)
    return at_once, sent


def _priced(sender: Sender, writer: ModelDrafter, jobs: Sequence[Job], at_once: list[Job]) -> Iterator[tuple[Job, str, dict[str, Any], int]]:
    """Each job that the budget still has room for (the dearest outcome is set aside), with its model, its request and the request's bytes."""
    catalogue, day = writer.runner.catalogue, sender.now.date()
    for job in jobs:
        model = writer.model_for(job.request.playbook)
        params = message_params(job.request, catalogue.spec(model), catalogue.max_tokens)
        most = catalogue.most(model, dearest_usage(params, catalogue.max_tokens), day, is_batch=True)
        if not writer.runner.budget.reserve(most):
            at_once.append(job)  # a live call is dearer: it ends in the offline drafter's text with the budget as the reason
            continue
        yield job, model, params, len(json.dumps(params)) + 200


def _send(sender: Sender, writer: ModelDrafter, fitting: list[tuple[Job, str, dict[str, Any]]], at_once: list[Job]) -> int:
    """One chunk; returns how many of it wait for a batch now. What the vendor refused goes to `at_once`."""
    vendor = writer.vendors[0]
    if writer.runner.why_off() is not None or vendor.closed:
        at_once += [job for job, _, _ in fitting]
        return 0
    batch_id = uuid.uuid4().hex
    fitting = sorted(fitting, key=lambda item: item[0].request.draft_key)
    with exclusive(sender.store, lock_name(batch_id)):
        write_intent(sender.store, batch_id, [(job, model) for job, model, _ in fitting], at=sender.clock(), now=sender.now)
        sender.checkpoint("intended")
        problem = create(sender, batch_id, [{"custom_id": custom_id(job.request.draft_key, batch_id), "params": params} for job, _, params in fitting])
    if problem is None:
        return len(fitting)
    sender.report.reasons[f"no batch: {problem}"] += 1
    at_once += [job for job, _, _ in fitting]
    return 0


def create(sender: Sender, batch_id: str, requests: Sequence[dict[str, Any]]) -> str | None:
    """Start an intended batch, and keep the vendor's name for it; returns why it was refused, or None.

    Where the answer was lost the batch stays intended: `reconcile` finds out. Call while holding the batch's lock.
    """
    try:
        look = sender.open_vendor().create(requests)
    except NotSent as refused:
        log.error("A batch of %d drafts was refused: %s", len(requests), refused)
        refuse_batch(sender.store, batch_id, f"refused: {refused}")
        sender.checkpoint("refused")
        return str(refused)
    except MaybeSent as lost:
        log.warning("Whether a batch of %d drafts was accepted is not known yet: %s", len(requests), lost)
        set_batch(sender.store, batch_id, error=f"no answer: {lost}")
        return None
    sender.checkpoint("created")
    set_batch(sender.store, batch_id, state="submitted", vendor_id=look.vendor_id, submitted_at=sender.clock(), error=None)
    sender.checkpoint("submitted")
    return None


def lock_name(batch_id: str) -> str:
    """The lock that the process holds which is sending a batch; free if that process is dead."""
    return f"batch:{batch_id}"
