"""The interface between a night and whoever writes its drafts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Literal, Protocol

from vim_pipelines.reasoning.facts import FactSheet
from vim_pipelines.reasoning.playbooks import Playbook
from vim_pipelines.reasoning.schema import DraftDocument

#: How an attempt ended. Everything but `ok` and `reused` was written by the offline drafter, with the reason.
Outcome = Literal["ok", "reused", "refusal", "truncated", "invalid", "error", "timeout", "budget", "paused", "off"]


@dataclass(frozen=True)
class DraftRequest:
    """One document to write. `sheet` is the part of the facts that this document may see; `feedback` a reviewer's note on the last version.

    `purpose` is `repair` where a gate held the first answer back; its `draft_key` is another one, so that both are paid for and neither twice.
    `findings` are then the gates' reasons, and `held_answer` the answer as JSON. `decide_by` is the day until which a person may decide on the
    text: no step of it is due before. It is no part of what a model is asked.
    """

    draft_key: str
    account_key: str
    account_name: str
    as_of: date
    playbook: Playbook
    sheet: FactSheet
    feedback: str | None = None
    previous_text: str | None = None
    purpose: Literal["draft", "repair"] = "draft"
    findings: tuple[Mapping[str, Any], ...] = ()
    held_answer: str | None = None
    decide_by: date | None = None


@dataclass(frozen=True)
class DraftResult:
    """What came of it. `reason` says why the offline drafter wrote although a model was asked, `failover` why the second vendor wrote."""

    document: DraftDocument
    written_by: Literal["claude", "openai", "offline"]
    model: str | None
    outcome: Outcome
    cost_usd: Decimal | None = None
    reason: str | None = None
    unmet_feedback: bool = False
    failover: str | None = None


class Drafter(Protocol):
    """Writes drafts. `model` is part of the draft's key: another writer writes another draft."""

    def model_for(self, playbook: Playbook) -> str:
        """Name of the model that would write this document (`offline` for none)."""
        ...

    async def draft(self, request: DraftRequest) -> DraftResult:
        """One draft. Never raises for what a model or the network does: that ends in the offline drafter's text."""
        ...

    async def aclose(self) -> None:
        """Close connections."""
        ...


async def draft_all(
    drafter: Drafter, requests: Sequence[DraftRequest], *, concurrency: int = 20, on_result: Callable[[DraftRequest, DraftResult], None] | None = None
) -> list[DraftResult]:
    """All results in the order of `requests`.

    The first call of each document goes alone, so that the others find its system prompt in the vendor's cache (fifty
    parallel first calls would all pay for writing it). `on_result` hears of each result as soon as it is there.
    """
    gate = asyncio.Semaphore(concurrency)
    results: dict[int, DraftResult] = {}

    async def one(position: int) -> None:
        async with gate:
            results[position] = await drafter.draft(requests[position])
        if on_result is not None:
            on_result(requests[position], results[position])

    async def group(positions: list[int]) -> None:
        await one(positions[0])
        await asyncio.gather(*(one(position) for position in positions[1:]))

    by_document: dict[str, list[int]] = {}
    for position, request in enumerate(requests):
        by_document.setdefault(request.playbook.id, []).append(position)
    try:
        await asyncio.gather(*(group(positions) for positions in by_document.values()))
    finally:
        await drafter.aclose()
    return [results[position] for position in range(len(requests))]
