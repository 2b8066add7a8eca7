"""What a language model makes of the simulated accounts of the risk evaluation: does it invent, leave out or inflate a risk?

The offline drafter can only say what its playbook says; a model can say anything. So with a key some of the twins are drafted by the
configured writer, on the way that the night takes: prompt, ledger, budget, gates, one repair. Its answers are read twice: as the model
wrote them, which says how far to trust the model, and as they would reach an approval request, which says how far to trust the gates.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from vim_pipelines.core.money import known_sum
from vim_pipelines.evaluation.risk_hallucination import DOCUMENT, Rate, Read, Twin, narrative_rates, rate_lines, read_plan, twin_narrative

if TYPE_CHECKING:
    from datetime import datetime

    from vim_pipelines.reasoning.providers.base import DraftRequest
    from vim_pipelines.reasoning.providers.drafter import ModelDrafter
    from vim_pipelines.settings import Settings
    from vim_pipelines.store.engine import Store

#: Plans that a model writes: one for each planted rule, then accounts without a planted one. About a tenth of a cent each with the default model (some 3,000 tokens in, 1,500 out).
CASES = 40
AT_ONCE = 8
#: Whose calls these are in the ledger: no account of the portfolio.
ACCOUNT = "evaluation"


@dataclass(frozen=True)
class ModelScore:
    """Rates of one model's plans as written and as they would be asked about. `unanswered` twins got no answer of the model, `unread` ones none that can be rendered."""

    model: str
    cases: int
    unanswered: tuple[str, ...]
    unread: int
    held: int
    cost_usd: Decimal | None
    written: tuple[Rate, ...]
    asked: tuple[Rate, ...]

    @property
    def is_met(self) -> bool:
        """Whether nothing that a person would be asked about invents, leaves out or inflates a risk. What the model writes before the gates has no bar."""
        return all(rate.is_met for rate in self.asked if rate.trials)

    def as_json(self) -> dict[str, Any]:
        return {
            "model": self.model, "is_met": self.is_met, "cases": self.cases, "unanswered": list(self.unanswered), "unread": self.unread, "held": self.held,
            "cost_usd": None if self.cost_usd is None else float(self.cost_usd), "as_written": {rate.name: rate.as_json() for rate in self.written},
            "as_asked": {rate.name: rate.as_json() for rate in self.asked},
        }  # fmt: skip


def chosen(twins: Sequence[Twin], count: int) -> list[Twin]:
    """`count` twins: the first of each planted rule, then the rest evenly spread over the book. Deterministic."""
    first = {twin.planted: twin.name for twin in reversed(twins) if twin.planted is not None}
    found = [twin for twin in twins if twin.planted is not None and first[twin.planted] == twin.name][:count]
    others = [twin for twin in twins if twin not in found and twin.planted is None]
    missing = count - len(found)
    return found + (others[:: max(1, len(others) // missing)][:missing] if missing > 0 else [])


def model_score(twins: Sequence[Twin], settings: Settings, store: Store, now: datetime, *, count: int = CASES) -> ModelScore | None:
    """Have the configured writer draft `count` of the twins; None where no model writes in this installation. A paid answer is used again."""
    from vim_pipelines.evaluation.honest_drafts import AS_OF
    from vim_pipelines.reasoning.providers.drafter import ModelDrafter
    from vim_pipelines.reasoning.providers.make import make_drafter

    writer = make_drafter(settings, store, AS_OF, now)
    return asyncio.run(_score(writer, chosen(twins, count))) if isinstance(writer, ModelDrafter) else None


async def _score(writer: ModelDrafter, twins: Sequence[Twin]) -> ModelScore:
    from vim_pipelines.reasoning.drafting import by_gates, judged_and_repaired

    gate = asyncio.Semaphore(AT_ONCE)
    written: list[Read] = []
    asked: list[Read] = []
    costs: list[Decimal | None] = []
    unanswered: list[str] = []
    counts = {"unread": 0, "held": 0}

    async def one(twin: Twin) -> None:
        request = _request(twin, writer)
        async with gate:
            first = await writer.draft(request)
            judged = await judged_and_repaired(writer, request, first)
        if first.written_by != "offline" or first.cost_usd is not None:
            costs.append(judged.result.cost_usd)
        if first.written_by == "offline":
            unanswered.append(f"{twin.name}: {first.reason}")
            return
        raw = by_gates(request, first)
        if raw.text:
            written.append(read_plan(twin.name, first.document, request.sheet, raw.text))
        else:
            counts["unread"] += 1
        counts["held"] += judged.is_held
        asked.append(twin_narrative(twin) if judged.is_held else read_plan(twin.name, judged.result.document, request.sheet, judged.text))

    try:
        for twin in twins[:1]:  # alone, so that the others find its system prompt in the vendor's cache
            await one(twin)
        await asyncio.gather(*(one(twin) for twin in twins[1:]))
    finally:
        await writer.aclose()
    shown = [replace(rate, most=None) for rate in narrative_rates(written)]
    return ModelScore(
        _model(writer), len(twins), tuple(sorted(unanswered)), counts["unread"], counts["held"], known_sum(costs), tuple(shown), tuple(narrative_rates(asked))
    )


def _model(writer: ModelDrafter) -> str:
    from vim_pipelines.reasoning.playbooks import load_playbooks

    return writer.model_for(load_playbooks()[DOCUMENT])


def _request(twin: Twin, writer: ModelDrafter) -> DraftRequest:
    from vim_pipelines.evaluation.liar.trial import part_of
    from vim_pipelines.reasoning.materiality import draft_key
    from vim_pipelines.reasoning.playbooks import load_playbooks
    from vim_pipelines.reasoning.providers.base import DraftRequest
    from vim_pipelines.reasoning.providers.request import contract_sha256

    playbook = load_playbooks()[DOCUMENT]
    part = part_of(twin.sheet, playbook)
    key = draft_key(
        part,
        document=playbook.id,
        prompt_sha256=playbook.sha256,
        schema_sha256=contract_sha256(),
        model=writer.model_for(playbook),
        feedback=f"evaluation {twin.name}",
    )
    return DraftRequest(key, ACCOUNT, part.account_name, part.as_of, playbook, part)


def model_lines(score: ModelScore, *, show_wrong: bool = False) -> list[str]:
    """The rates of a model for a terminal."""
    cost = "cost unknown" if score.cost_usd is None else f"{score.cost_usd:.4f} USD, answers paid before included"
    lines = [f"  {score.cases} of these plans by {score.model}, before the gates ({score.held} held by them, {score.unread} cannot be rendered; {cost}):"]
    lines += [f"  {line}" for line in rate_lines(score.written, show_wrong=show_wrong)]
    lines.append("  the same as a person would be asked about them: after the gates and one repair, a held one replaced by the offline drafter's:")
    lines += [f"  {line}" for line in rate_lines(score.asked, show_wrong=show_wrong)]
    if score.unanswered:
        lines.append(f"  {len(score.unanswered)} got no answer of the model and are not counted, first {score.unanswered[0]}")
    return lines
