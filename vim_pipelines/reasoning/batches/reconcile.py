"""Batches that were meant to be sent, by a process that died or lost the answer: sent or not?

The vendor's list of batches shows counts and times, no name of ours. So a candidate is a batch that the store does not know, with as
many requests, created no earlier than a day before the intent (the two clocks need not agree, and looking back further costs
one page of a list). It is ours for sure only if a line of its results carries a custom id of
ours, which can be read when it has ended, within 24 hours; until then nothing is sent again, because a second batch is a second bill.
With no candidate left an hour after the intent (`SURE_AFTER`), it was never sent, and is sent now.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from vim_pipelines.reasoning.batches.submit import Sender, create, lock_name
from vim_pipelines.reasoning.batches.vendor import BatchVendor, Look, Unreadable
from vim_pipelines.reasoning.batches.waiting import (
    LONGEST_WAIT,
    OpenBatch,
    custom_id,
    forget,
    known_vendor_ids,
    models_of,
    open_batches,
    pending_of,
    read_job,
    requests_sha256,
    set_batch,
)
from vim_pipelines.reasoning.providers.claude import message_params
from vim_pipelines.reasoning.providers.drafter import ModelDrafter
from vim_pipelines.store.locks import exclusive

if TYPE_CHECKING:
    from vim_pipelines.reasoning.playbooks import Playbook

log = logging.getLogger(__name__)

#: The vendor's clock and ours may differ by so much.
CLOCK_SKEW = timedelta(hours=24)
#: A request that left this machine has arrived within this time, or never will.
SURE_AFTER = timedelta(hours=1)
NEVER_SENT = "the batch was never sent"


def reconcile(sender: Sender, playbooks: Mapping[str, Playbook]) -> dict[str, str]:
    """What became of each intended batch whose process is gone: adopted, undecided, sent again, given up or refused, by batch id. Raises Unreadable."""
    found = {}
    for batch in [row for row in open_batches(sender.store) if row.state == "intended"]:
        with exclusive(sender.store, lock_name(batch.batch_id)) as is_orphan:
            if is_orphan and any(row.batch_id == batch.batch_id and row.state == "intended" for row in open_batches(sender.store)):
                found[batch.batch_id] = _settle(sender, batch, playbooks)
    return found


def _settle(sender: Sender, batch: OpenBatch, playbooks: Mapping[str, Playbook]) -> str:
    store, vendor = sender.store, sender.open_vendor()
    known, expected = known_vendor_ids(store), pending_of(store, batch.batch_id)
    is_undecided = False
    for look in vendor.since(batch.intended_at - CLOCK_SKEW):
        if look.vendor_id in known or look.request_count != batch.request_count:
            continue
        verdict = is_ours(vendor, look, expected)
        if verdict:
            log.info("The intended batch %s was accepted as %s", batch.batch_id, look.vendor_id)
            set_batch(store, batch.batch_id, state="submitted", vendor_id=look.vendor_id, submitted_at=look.created_at, error=None)
            sender.checkpoint("adopted")
            return "adopted"
        is_undecided = is_undecided or verdict is None
    age = sender.clock() - batch.intended_at
    if is_undecided or age < SURE_AFTER:
        return "undecided"
    writer = sender.writer
    if age > LONGEST_WAIT or not isinstance(writer, ModelDrafter) or writer.vendors[0].provider != "anthropic" or writer.runner.why_off() is not None:
        forget(store, batch.batch_id, expected.values(), why=NEVER_SENT)  # the next night writes them, or has done so already
        sender.checkpoint("forgotten")
        set_batch(store, batch.batch_id, state="failed", error=NEVER_SENT)
        return "given up"
    return "sent again" if _send_again(sender, writer, batch, expected, playbooks) is None else "refused"


def is_ours(vendor: BatchVendor, look: Look, expected: Collection[str]) -> bool | None:
    """Whether a batch carries our custom ids; None while it has not ended, or where its results are gone."""
    if not look.has_ended or not look.is_readable:
        return None
    lines = vendor.results(look.vendor_id)
    try:
        first = next(lines, None)
    finally:
        lines.close()
    return first is not None and first.custom_id in expected


def _send_again(sender: Sender, writer: ModelDrafter, batch: OpenBatch, expected: Mapping[str, str], playbooks: Mapping[str, Playbook]) -> str | None:
    """The same batch under the same custom ids, less what its prompt files no longer ask for; returns why it was refused, or None."""
    catalogue, models, requests, gone = writer.runner.catalogue, models_of(sender.store, batch.batch_id), [], []
    for name, key in expected.items():
        job = read_job(sender.store, key, playbooks)
        if job is None:
            gone.append(key)
            continue
        params = message_params(job.request, catalogue.spec(models[key]), catalogue.max_tokens)
        requests.append({"custom_id": name, "params": params})
    forget(sender.store, batch.batch_id, gone, why=NEVER_SENT)
    names = [custom_id(key, batch.batch_id) for name, key in expected.items() if key not in set(gone)]
    set_batch(sender.store, batch.batch_id, intended_at=sender.clock(), request_count=len(requests), requests_sha256=requests_sha256(names))
    sender.checkpoint("intended again")
    if not requests:
        set_batch(sender.store, batch.batch_id, state="failed", error=NEVER_SENT)
        return None
    return create(sender, batch.batch_id, requests)


__all__ = ["CLOCK_SKEW", "SURE_AFTER", "Unreadable", "is_ours", "reconcile"]
