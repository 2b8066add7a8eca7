"""Drafts by Claude through the `anthropic` SDK, with an end for everything that can go wrong.

`messages.create` with a JSON schema and our own validation, because `parse` loses the usage of a failed call; every attempt is in
the ledger before it is sent. Whatever fails ends in the offline drafter's text with the reason, so that a night never waits for
a model. LLM.md section 1 holds the measurements behind the choices here.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from vim_pipelines.reasoning.ledger import Ledger
from vim_pipelines.reasoning.playbooks import Playbook
from vim_pipelines.reasoning.pricing import ModelCatalogue, ModelSpec, Usage, load_models
from vim_pipelines.reasoning.providers.base import DraftRequest, DraftResult, Outcome
from vim_pipelines.reasoning.providers.offline import offline_result
from vim_pipelines.reasoning.providers.request import system_text, user_text
from vim_pipelines.reasoning.schema import DraftDocument, json_schema

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 120.0
#: A longer Retry-After is not slept through: the rest of the night is written offline instead.
LONGEST_WAIT_SECONDS = 60.0
HTTP_RETRIES = 2
SPEND_CAPS = ("enforced_spend_limit_reached", "contract_spend_limit_reached")
#: Characters for a token when estimating a prompt: an upper bound for JSON with the newer tokenizer.
CHARACTERS_PER_TOKEN = Decimal("2.5")


class Pause(Exception):
    """The vendor asks for more patience than a night has: no more calls in this run."""


class AnswerLost(Exception):
    """No answer, or half of one. Not retried: the call may have been billed, and there is no idempotency key for messages."""


@dataclass
class Budget:
    """What a night may spend. A call reserves its most expensive outcome first, so that twenty parallel calls cannot pass the limit together."""

    limit: Decimal
    spent: Decimal = Decimal(0)
    reserved: Decimal = Decimal(0)

    def reserve(self, amount: Decimal) -> bool:
        """Whether `amount` still fits; if so it is set aside."""
        if self.spent + self.reserved + amount > self.limit:
            return False
        self.reserved += amount
        return True

    def settle(self, reserved: Decimal, actual: Decimal | None) -> None:
        """Replace a reservation by what was paid; an unknown cost counts as the whole reservation."""
        self.reserved -= reserved
        self.spent += reserved if actual is None else actual


@dataclass(frozen=True)
class _Answer:
    """How one attempt ended."""

    outcome: Outcome
    document: DraftDocument | None = None
    cost_usd: Decimal | None = None
    reason: str | None = None


@dataclass
class ClaudeDrafter:
    """Writes with Claude; falls back to the offline drafter. `clock` gives the naive UTC time of a call."""

    settings: Settings
    ledger: Ledger
    budget: Budget
    clock: Callable[[], datetime]
    catalogue: ModelCatalogue = field(default_factory=load_models)
    timeout_seconds: float = TIMEOUT_SECONDS
    paused: str | None = None
    _client: Any = None
    _schema: dict[str, Any] | None = None
    _warned: set[str] = field(default_factory=set)

    def model_for(self, playbook: Playbook) -> str:
        return self.settings.model or self.catalogue.tiers[playbook.model_tier]

    async def draft(self, request: DraftRequest) -> DraftResult:
        model = self.model_for(request.playbook)
        reused = self._reused(request, model)
        if reused is not None:
            return reused
        max_tokens = self.catalogue.max_tokens
        paid: list[Decimal | None] = []
        answer = _Answer("error", reason="no attempt was made")
        for _ in range(2):
            answer = await self._attempt(request, model, max_tokens)
            paid.append(answer.cost_usd)
            if answer.outcome not in ("truncated", "invalid"):
                break
            max_tokens *= 2
        cost = None if all(part is None for part in paid) else sum((part for part in paid if part is not None), Decimal(0))
        if answer.document is not None:
            return DraftResult(answer.document, "claude", model, "ok", cost)
        return DraftResult(**{**vars(offline_result(request, outcome=answer.outcome, reason=answer.reason)), "cost_usd": cost})

    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None

    def _reused(self, request: DraftRequest, model: str) -> DraftResult | None:
        """A draft from a call that is already paid for, or the offline one where the model refused for good."""
        call = self.ledger.finished(request.draft_key)
        if call is None:
            return None
        if call.status == "refusal":
            return DraftResult(**{**vars(offline_result(request, outcome="refusal", reason=REFUSED)), "cost_usd": self.ledger.cost_of(request.draft_key)})
        document, _ = read_document(call.text)
        if document is None:
            return None  # the schema changed under the same key: cannot happen while the key holds the schema's hash
        return DraftResult(document, "claude", model, "reused", self.ledger.cost_of(request.draft_key))

    async def _attempt(self, request: DraftRequest, model: str, max_tokens: int) -> _Answer:
        """One call with its two ledger rows' worth of truth: started before, finished after."""
        if self.paused:
            return _Answer("paused", reason=f"no call was made: {self.paused}")
        spec = self.catalogue.spec(model)
        now = self.clock()
        body = self._body(request, spec, max_tokens)
        estimate = self._estimate(spec, body, max_tokens, now.date())
        if not self.budget.reserve(estimate):
            return _Answer("budget", reason=f"no call was made: the budget of {self.budget.limit} USD for the night is spent or spoken for")
        call_id = self.ledger.start(
            draft_key=request.draft_key, account_key=request.account_key, document=request.playbook.id, provider="anthropic", model=model,
            prompt_sha256=request.playbook.sha256, as_of=request.as_of, now=now,
        )  # fmt: skip
        started = time.monotonic()
        actual: Decimal | None = Decimal(0)
        try:
            message = await self._create(body)
            usage = _usage(message)
            actual = spec.cost(usage, now.date())
            if actual is None and model not in self._warned:
                self._warned.add(model)
                log.warning("The price of %s is not known: its cost is recorded as unknown. Add it to models.yaml", model)
            answer, text = _judge(message, actual)
            price = spec.price_on(now.date())
            self.ledger.finish(
                call_id, status=answer.outcome, usage=usage, cost_usd=actual, price_date=price.effective if price else None,
                request_id=getattr(message, "_request_id", None), stop_reason=message.stop_reason, response={"text": text}, error=answer.reason,
                latency_ms=int((time.monotonic() - started) * 1000),
            )  # fmt: skip
            return answer
        except Exception as error:  # every failure of a call has an end state; a defect of ours shows up as 'error' in the ledger and the report
            outcome, reason = self._failure(error)
            actual = None if outcome == "timeout" else Decimal(0)
            self.ledger.finish(
                call_id, status="paused" if outcome == "paused" else "error", error=reason, request_id=getattr(error, "request_id", None),
                latency_ms=int((time.monotonic() - started) * 1000),
            )  # fmt: skip
            return _Answer(outcome, reason=reason)
        finally:
            self.budget.settle(estimate, actual)

    def _failure(self, error: Exception) -> tuple[Outcome, str]:
        if isinstance(error, Pause):
            self.paused = str(error)
            return "paused", f"Claude asked to pause: {error}"
        if isinstance(error, AnswerLost):
            return "timeout", f"{error}; not repeated, because the call may have been billed"
        status = getattr(error, "status_code", None)
        return "error", f"{type(error).__name__}" + (f" (HTTP {status})" if status else "") + f": {str(error)[:300]}"

    def _body(self, request: DraftRequest, spec: ModelSpec, max_tokens: int) -> dict[str, Any]:
        if self._schema is None:
            import anthropic

            self._schema = anthropic.transform_schema(json_schema())
        output: dict[str, Any] = {"format": {"type": "json_schema", "schema": self._schema}}
        if spec.effort:
            output["effort"] = spec.effort
        body: dict[str, Any] = {
            "model": spec.name,
            "max_tokens": max_tokens,
            "system": [{"type": "text", "text": system_text(request), "cache_control": {"type": "ephemeral"}}],
            "messages": [{"role": "user", "content": user_text(request)}],
            "output_config": output,
            "metadata": {"user_id": request.draft_key[:32]},  # opaque: no name, no address
        }
        if spec.thinking == "disabled":
            body["thinking"] = {"type": "disabled"}
        return body

    def _estimate(self, spec: ModelSpec, body: dict[str, Any], max_tokens: int, day: date) -> Decimal:
        characters = len(json.dumps(body["system"])) + len(json.dumps(body["messages"])) + len(json.dumps(body["output_config"]))
        usage = Usage(output_tokens=max_tokens, cache_write_tokens=int(characters / CHARACTERS_PER_TOKEN))
        return spec.cost(usage, day) or self.catalogue.dearest(day).cost(usage, day) or Decimal(0)

    async def _create(self, body: dict[str, Any]) -> Any:
        if self._client is None:
            self._client = self._open()
        return await self._client.messages.create(**body)

    def _open(self) -> Any:
        from anthropic import AsyncAnthropic

        self.settings.require("anthropic_api_key")
        assert self.settings.anthropic_api_key is not None
        return AsyncAnthropic(
            api_key=self.settings.anthropic_api_key.get_secret_value(), base_url=self.settings.anthropic_base_url or None, max_retries=HTTP_RETRIES,
            timeout=self.timeout_seconds, middleware=[_guard],
        )  # fmt: skip


REFUSED = "Claude refused to write this document"


async def _guard(request: Any, call_next: Any) -> Any:
    """Runs for each HTTP attempt: a spend cap or a long Retry-After becomes a pause; a request that may have been carried out is not repeated."""
    from anthropic import APIConnectionError
    from httpx2 import ConnectError, ConnectTimeout, PoolTimeout, TimeoutException

    try:
        response = await call_next(request)
    except APIConnectionError as error:
        cause = error.__cause__
        if isinstance(cause, ConnectError | ConnectTimeout | PoolTimeout):
            raise  # nothing was sent: the SDK may try again
        # `from None`: the SDK walks the chain of causes and would retry a time-out that it finds there
        raise AnswerLost("no answer in time" if isinstance(cause, TimeoutException) else "the connection broke before the answer was complete") from None
    if response.status_code == 429:
        code = _error_code(await response.read())
        wait = _seconds(response.headers.get("retry-after"))
        if code in SPEND_CAPS:
            raise Pause(code)
        if wait is not None and wait > LONGEST_WAIT_SECONDS:
            raise Pause(f"retry-after {wait:.0f} s")
    return response


def _error_code(body: bytes) -> str | None:
    try:
        code = json.loads(body or b"{}").get("error", {}).get("details", {}).get("error_code")
    except (ValueError, AttributeError):
        return None
    return None if code is None else str(code)


def _seconds(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return LONGEST_WAIT_SECONDS + 1  # a date: nobody sends one for a short wait


def _usage(message: Any) -> Usage:
    usage = message.usage
    return Usage(usage.input_tokens or 0, usage.output_tokens or 0, usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0)


def _judge(message: Any, cost: Decimal | None) -> tuple[_Answer, str]:
    """What a message is worth, by its stop reason and our own validation; and its text, joined over all text blocks."""
    text = "".join(block.text for block in message.content if block.type == "text")
    if message.stop_reason == "refusal":
        return _Answer("refusal", cost_usd=cost, reason=REFUSED), text
    if message.stop_reason in ("max_tokens", "model_context_window_exceeded"):
        return _Answer("truncated", cost_usd=cost, reason=f"the answer was cut off ({message.stop_reason})"), text
    if message.stop_reason not in ("end_turn", "stop_sequence"):
        return _Answer("invalid", cost_usd=cost, reason=f"unexpected stop reason {message.stop_reason}"), text
    document, problem = read_document(text)
    return (_Answer("invalid", cost_usd=cost, reason=problem) if document is None else _Answer("ok", document, cost)), text


def read_document(text: str) -> tuple[DraftDocument | None, str | None]:
    """The document in `text`, or None and what is wrong with it."""
    try:
        return DraftDocument.model_validate_json(text), None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return None, f"the answer does not fit the schema: {'.'.join(str(part) for part in first['loc']) or 'text'}: {first['msg']}"
