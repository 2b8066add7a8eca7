"""Writes drafts with language models: the first vendor, the second in its place when it gives no answer, then the offline drafter.

Failing over is for vendors that do not answer: a pause, a spending limit, overload, a time-out, a broken connection, a wrong key. It is
not for answers. A refusal is a judgement on the text that was asked for, and shopping for a model that says yes would make the
weaker of two judgements ours; an answer that does not fit the schema after a second try means that our prompt is at fault, which a
second vendor would hide, at twice the price. Either ends in the offline drafter's text, with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from vim_pipelines.reasoning.playbooks import Playbook
from vim_pipelines.reasoning.pricing import Provider
from vim_pipelines.reasoning.providers.base import DraftRequest, DraftResult
from vim_pipelines.reasoning.providers.calls import CallPurpose, CallRunner, Vendor, parsed, refused
from vim_pipelines.reasoning.providers.offline import offline_result
from vim_pipelines.reasoning.providers.request import draft_prompt
from vim_pipelines.reasoning.schema import DraftDocument

WRITERS: Mapping[Provider, Literal["claude", "openai"]] = {"anthropic": "claude", "openai": "openai"}


@dataclass
class ModelDrafter:
    """A `Drafter` over one or two vendors, the first of them first. `model` overrides the catalogue's choice where its vendor serves it."""

    runner: CallRunner
    vendors: Sequence[Vendor]
    model: str | None = None

    def model_for(self, playbook: Playbook) -> str:
        return self._model(self.vendors[0], playbook)

    def _model(self, vendor: Vendor, playbook: Playbook) -> str:
        catalogue = self.runner.catalogue
        if self.model is not None and (len(self.vendors) == 1 or catalogue.spec(self.model).provider == vendor.provider):
            return self.model
        return catalogue.tiers[vendor.provider][playbook.model_tier]

    async def draft(self, request: DraftRequest) -> DraftResult:
        reused = self.reused(request)
        if reused is not None:
            return reused
        purpose = CallPurpose(request.draft_key, request.account_key, request.playbook.id, request.playbook.sha256, request.as_of, request.purpose)
        asked = await self.runner.ask(
            self.vendors, lambda vendor: self._model(vendor, request.playbook), draft_prompt(request), purpose, self.runner.catalogue.max_tokens
        )
        if isinstance(asked.value, DraftDocument):
            failover = asked.reason if asked.vendor is not self.vendors[0] else None
            return DraftResult(asked.value, WRITERS[asked.vendor.provider], asked.model, "ok", asked.cost_usd, failover=failover)
        return replace(offline_result(request, outcome=asked.deciding.outcome, reason=asked.reason), cost_usd=asked.cost_usd)

    async def aclose(self) -> None:
        for vendor in self.vendors:
            await vendor.aclose()

    def reused(self, request: DraftRequest) -> DraftResult | None:
        """A draft from a call that is already paid for, whoever served it, or the offline one where a model refused for good."""
        call = self.runner.ledger.finished(request.draft_key)
        if call is None:
            return None
        if call.status == "refusal":
            return replace(offline_result(request, outcome="refusal", reason=refused(call.provider)), cost_usd=self.runner.ledger.cost_of(request.draft_key))
        document, _ = parsed(call.text, DraftDocument)
        if document is None:
            return None  # the schema changed under the same key: cannot happen while the key holds the schema's hash
        return DraftResult(document, WRITERS[call.provider], call.model, "reused", self.runner.ledger.cost_of(request.draft_key))
