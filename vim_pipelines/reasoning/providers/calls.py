"""One call to a language model, whoever serves it and whatever it is for: switch, budget, ledger, vendor, validation, ledger.

Drafts, repairs and the judge all call through here, so that none of them can spend without a row in the ledger or go round the
switch. Neither SDK repeats a call by itself (`max_retries=0`): theirs would repeat a request that timed out and may have been billed
(no idempotency key for messages), and would sleep through a Retry-After of an hour. The one policy is `CallRunner._send`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from vim_pipelines.core.money import known_sum
from vim_pipelines.reasoning.ledger import Ledger, ended_call, new_call
from vim_pipelines.reasoning.pricing import ModelCatalogue, ModelSpec, Provider, Usage, load_models
from vim_pipelines.reasoning.providers.base import Outcome
from vim_pipelines.reasoning.providers.budget import Budget

log = logging.getLogger(__name__)

Parsed = TypeVar("Parsed", bound=BaseModel)
Purpose = Literal["draft", "repair", "judge"]

LABELS: Mapping[Provider, str] = {"anthropic": "Claude", "openai": "OpenAI"}
TIMEOUT_SECONDS = 120.0
#: A longer Retry-After is not slept through: another writer takes over for the rest of the run.
LONGEST_WAIT_SECONDS = 60.0
HTTP_RETRIES = 2
#: Tries for an answer that is cut off or does not fit.
CONTENT_TRIES = 2
#: So many calls in a row without an answer, and a vendor is left alone for the rest of the run: with 10,000 documents and a
#: time-out of two minutes a night would last a day.
FAILURES_IN_A_ROW = 5
#: Beyond so many calls in flight they are sent one after the other, so many seconds apart (250 a second, more than any tier of a vendor takes).
#: Two hundred that are sent together stay together: all wait for the vendor, then all for us (measured: 160 calls a second instead of 190).
AT_ONCE = 20
APART_SECONDS = 0.004
#: Characters for a token when estimating a prompt: an upper bound for JSON with the newer tokenizers.
CHARACTERS_PER_TOKEN = Decimal("2.5")


@dataclass(frozen=True)
class Prompt:
    """What a model is asked, before any vendor's form. `system` is the same for all prompts with the same `cache_key`; `opaque_id` names nobody."""

    system: str
    user: str
    schema: type[BaseModel]
    cache_key: str
    opaque_id: str


@dataclass(frozen=True)
class CallPurpose:
    """What the ledger keeps of why a call was made. `key`: a finished call with the same key is never paid for again, whoever served it."""

    key: str
    account_key: str
    document: str
    prompt_sha256: str
    as_of: date
    purpose: Purpose = "draft"


@dataclass(frozen=True)
class Reading:
    """A vendor's message in our words: its text, joined over all blocks, its tokens, and how it ended before anybody looked at the content."""

    text: str
    usage: Usage
    stop_reason: str | None
    request_id: str | None
    ended: Literal["complete", "refusal", "truncated", "invalid"]
    reason: str | None = None


@dataclass(frozen=True)
class Answer:
    """How one attempt ended. `value` is the validated content of an `ok` answer. `was_sent` is false where no call was made.

    `may_failover`: another vendor may be asked, because this one gave no answer. A refusal and an answer that does not fit are answers.
    `cost_usd` None means that something may have been paid and nobody knows what.
    """

    outcome: Outcome
    value: BaseModel | None = None
    cost_usd: Decimal | None = None
    reason: str | None = None
    reading: Reading | None = None
    request_id: str | None = None
    was_sent: bool = True
    may_failover: bool = False


@dataclass(frozen=True)
class Failure:
    """What an exception means. `again`: nothing was carried out, the same request may be sent once more. `closes`: this vendor serves nothing more in this run."""

    outcome: Outcome
    reason: str
    again: bool = False
    closes: bool = False
    may_failover: bool = True
    cost_usd: Decimal | None = Decimal(0)
    wait_seconds: float | None = None
    request_id: str | None = None


@dataclass(frozen=True)
class Asked:
    """All attempts at one thing, and who made the last of them. `value` is the content where it was answered, `reason` says why not."""

    answers: tuple[Answer, ...]
    vendor: Vendor
    model: str

    @property
    def value(self) -> BaseModel | None:
        return self.answers[-1].value

    @property
    def deciding(self) -> Answer:
        """The attempt that says how it ended: the last one that was sent, else the first that was not."""
        return next((answer for answer in reversed(self.answers) if answer.was_sent), self.answers[0])

    @property
    def reason(self) -> str | None:
        """What went wrong, in order, each thing once."""
        return "; then ".join(dict.fromkeys(answer.reason for answer in self.answers if answer.reason)) or None

    @property
    def cost_usd(self) -> Decimal | None:
        """What all attempts cost; None when none was sent or the cost of one is unknown."""
        costs = [answer.cost_usd for answer in self.answers if answer.was_sent]
        return known_sum(costs) if costs else None


class Vendor(Protocol):
    """A vendor's API: how a prompt becomes a request, how a message is read, what an exception means. `closed` is why it serves nothing more."""

    provider: Provider
    label: str
    closed: str | None
    failures: int

    def params(self, prompt: Prompt, spec: ModelSpec, max_tokens: int) -> dict[str, Any]:
        """The body of the request."""
        ...

    async def create(self, params: dict[str, Any]) -> Any:
        """Send it once. Raises what the SDK raises."""
        ...

    def read(self, message: Any) -> Reading:
        """What the message says."""
        ...

    def cap(self, error: Any) -> str | None:
        """The name of the spending limit that an error answer speaks of, or None."""
        ...

    async def aclose(self) -> None:
        """Close connections."""
        ...


def answer_from(reading: Reading, schema: type[BaseModel], spec: ModelSpec, day: date, *, is_batch: bool = False) -> Answer:
    """What a message is worth, by how it ended and our own validation, and what it cost at the prices of `day`."""
    cost = spec.cost(reading.usage, day, is_batch=is_batch)
    if reading.ended != "complete":
        return Answer(reading.ended, cost_usd=cost, reason=reading.reason, reading=reading, request_id=reading.request_id)
    value, problem = parsed(reading.text, schema)
    return Answer("invalid" if value is None else "ok", value, cost, problem, reading, reading.request_id)


def parsed(text: str, schema: type[Parsed]) -> tuple[Parsed | None, str | None]:
    """The value in `text`, or None and what is wrong with it."""
    try:
        return schema.model_validate_json(text), None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return None, f"the answer does not fit the schema: {'.'.join(str(part) for part in first['loc']) or 'text'}: {first['msg']}"


def refused(provider: Provider) -> str:
    """The reason of a refusal, as people read it."""
    return f"{LABELS[provider]} refused to write this document"


def ended(call_id: str, answer: Answer, spec: ModelSpec, day: date, *, latency_ms: int | None = None) -> dict[str, Any]:
    """How a call ended, for the ledger; prices are those of `day`."""
    reading, price = answer.reading, spec.price_on(day)
    return ended_call(
        call_id, status="error" if answer.outcome == "timeout" else answer.outcome, usage=reading.usage if reading else None, cost_usd=answer.cost_usd,
        price_date=price.effective if price and answer.cost_usd is not None and reading else None, request_id=answer.request_id,
        stop_reason=reading.stop_reason if reading else None, response={"text": reading.text} if reading else None, error=answer.reason, latency_ms=latency_ms,
    )  # fmt: skip


def close_call(ledger: Ledger, call_id: str, answer: Answer, spec: ModelSpec, day: date, *, latency_ms: int | None = None) -> None:
    """Write into the ledger how a call ended."""
    ledger.finish_all([ended(call_id, answer, spec, day, latency_ms=latency_ms)])


def dearest_usage(params: dict[str, Any], max_tokens: int) -> Usage:
    """The most that a request can use: its whole prompt written to the cache and the whole room for the answer filled."""
    characters = sum(len(json.dumps(value, ensure_ascii=False)) for value in params.values() if not isinstance(value, int))
    return Usage(output_tokens=max_tokens, cache_write_tokens=int(characters / CHARACTERS_PER_TOKEN))


def failure_of(error: Exception, cap: str | None) -> Failure:
    """What an exception of either SDK means; both are made from the same mould. `cap` is the spending limit that the vendor names in it.

    By status: 401, 402, 403 and 404 (no such model) hold for every call of this run and close the vendor; 408, 409, 429 and 5xx may be
    sent again; every other 4xx speaks of this request, and another vendor's yes to it would only hide our mistake.
    """
    status, request_id = getattr(error, "status_code", None), getattr(error, "request_id", None)
    if status is None:
        return _without_answer(error)
    said = f"{type(error).__name__} (HTTP {status}): {str(error)[:300]}"
    if cap is not None:
        return Failure("paused", cap, closes=True, request_id=request_id)
    if status in (401, 402, 403, 404):
        return Failure("error", said, closes=True, request_id=request_id)
    if status in (408, 409, 429) or status >= 500:
        wait = _retry_after(getattr(error, "response", None))
        if wait is not None and wait > LONGEST_WAIT_SECONDS:
            return Failure("paused", f"retry-after {wait:.0f} s", closes=True, request_id=request_id)
        return Failure("error", said, again=True, wait_seconds=wait, request_id=request_id)
    return Failure("error", said, may_failover=False, request_id=request_id)


def _without_answer(error: Exception) -> Failure:
    """No answer at all: harmless where no connection came about; otherwise the request may have been carried out and billed.

    With aiohttp underneath, the SDKs' transports call every broken connection a `ConnectError` or `ConnectTimeout`, as if nothing had been
    sent; only aiohttp's own exception tells a server that never took the call from one that hung up during it.
    """
    chain: list[BaseException] = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None and cause not in chain:
        chain.append(cause)
    decisive = [link for link in chain if type(link).__module__.startswith("aiohttp")] or chain
    names = {kind.__name__ for link in decisive for kind in type(link).__mro__}
    if names & {"ClientConnectorError", "ConnectionTimeoutError", "ConnectError", "ConnectTimeout", "PoolTimeout"}:
        return Failure("error", f"{type(error).__name__}: no connection", again=True)
    lost = "; not repeated, because the call may have been billed"
    if names & {"TimeoutError", "TimeoutException", "APITimeoutError"}:
        return Failure("timeout", "no answer in time" + lost, cost_usd=None)
    if names & {"ClientError", "TransportError", "APIConnectionError"}:
        return Failure("timeout", "the connection broke before the answer was complete" + lost, cost_usd=None)
    return Failure("error", f"{type(error).__name__}: {str(error)[:300]}", cost_usd=None, may_failover=False)


def _retry_after(response: Any) -> float | None:
    headers = getattr(response, "headers", {})
    milliseconds = _seconds(headers.get("retry-after-ms"))
    return milliseconds / 1000 if milliseconds is not None else _seconds(headers.get("retry-after"))


def _seconds(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return LONGEST_WAIT_SECONDS + 1  # a date: nobody sends one for a short wait


async def wait(seconds: float) -> None:
    """Between two attempts; of its own so that a test of what is retried need not wait."""
    await asyncio.sleep(seconds)


@dataclass
class CallRunner:
    """Makes calls. `clock` gives the naive UTC time of a call; `why_off` says why no model may be called at this moment, or None."""

    ledger: Ledger
    budget: Budget
    clock: Callable[[], datetime]
    why_off: Callable[[], str | None]
    catalogue: ModelCatalogue = field(default_factory=load_models)
    timeout_seconds: float = TIMEOUT_SECONDS
    _warned: set[str] = field(default_factory=set)
    _in_flight: int = 0
    _next_at: float = 0.0

    async def ask(self, vendors: Sequence[Vendor], model_of: Callable[[Vendor], str], prompt: Prompt, purpose: CallPurpose, max_tokens: int) -> Asked:
        """Ask the first vendor, and the next one only where one gave no answer; an answer that is cut off or does not fit gets one more try with twice the room."""
        answers: list[Answer] = []
        for vendor in vendors:
            model, room = model_of(vendor), max_tokens
            for _ in range(CONTENT_TRIES):
                answers.append(await self.call(vendor, model, prompt, purpose, room))
                if answers[-1].outcome not in ("truncated", "invalid"):
                    break
                room *= 2
            if not answers[-1].may_failover:
                break
        return Asked(tuple(answers), vendor, model)

    async def call(self, vendor: Vendor, model: str, prompt: Prompt, purpose: CallPurpose, max_tokens: int) -> Answer:
        """One attempt, with its row in the ledger: started before it is sent, closed with how it ended. Never raises for what a vendor does."""
        off = self.why_off()
        if off is not None:
            return Answer("off", reason=f"no call was made: {off}", was_sent=False)
        if vendor.closed:
            return Answer(
                "paused", reason=f"no call was made: {vendor.label} serves nothing more in this run ({vendor.closed})", was_sent=False, may_failover=True
            )
        spec, now = self.catalogue.spec(model), self.clock()
        params = vendor.params(prompt, spec, max_tokens)
        most = self.catalogue.most(model, dearest_usage(params, max_tokens), now.date())
        refusal = self.budget.refusal(most)
        if refusal is not None or not self.budget.reserve(most):
            return Answer("budget", reason=f"no call was made: {refusal}", was_sent=False)
        row = new_call(
            draft_key=purpose.key, account_key=purpose.account_key, document=purpose.document, provider=vendor.provider, model=model,
            prompt_sha256=purpose.prompt_sha256, as_of=purpose.as_of, now=now, purpose=purpose.purpose,
        )  # fmt: skip
        self._in_flight += 1
        try:
            await self._in_step()
            return await self._made(vendor, params, prompt, spec, now.date(), row, most)
        finally:
            self._in_flight -= 1

    async def _in_step(self) -> None:
        """Wait for this call's turn where many are in flight."""
        if self._in_flight > AT_ONCE:
            moment = time.monotonic()
            turn = max(moment, self._next_at)
            self._next_at = turn + APART_SECONDS
            if turn > moment:
                await asyncio.sleep(turn - moment)

    async def _made(self, vendor: Vendor, params: dict[str, Any], prompt: Prompt, spec: ModelSpec, day: date, row: dict[str, Any], most: Decimal) -> Answer:
        """The call with its row, for which `most` is set aside."""
        call_id = await self.ledger.start_soon(row)
        started, answer = time.monotonic(), Answer("error", cost_usd=None)
        try:
            answer = await self._attempt(vendor, params, prompt, spec, day)
            await self.ledger.finish_soon(ended(call_id, answer, spec, day, latency_ms=int((time.monotonic() - started) * 1000)))
        finally:
            self.budget.settle(most, answer.cost_usd)
        return answer

    async def _attempt(self, vendor: Vendor, params: dict[str, Any], prompt: Prompt, spec: ModelSpec, day: date) -> Answer:
        message = await self._send(vendor, params)
        if isinstance(message, Failure):
            return self._failed(vendor, message)
        vendor.failures = 0
        answer = answer_from(vendor.read(message), prompt.schema, spec, day)
        if answer.cost_usd is None and spec.name not in self._warned:
            self._warned.add(spec.name)
            log.warning("The price of %s is not known: its cost is recorded as unknown. Add it to models.yaml", spec.name)
        return answer

    async def _send(self, vendor: Vendor, params: dict[str, Any]) -> Any:
        """The message, or the `Failure` that remains after repeating what may be repeated."""
        failure: Failure | None = None
        for attempt in range(HTTP_RETRIES + 1):
            if failure is not None:
                await wait(failure.wait_seconds if failure.wait_seconds is not None else 0.5 * 2 ** (attempt - 1) * random.uniform(0.75, 1))
                if self.why_off() is not None:
                    return failure
            try:
                async with asyncio.timeout(self.timeout_seconds):
                    return await vendor.create(params)
            except Exception as error:  # every failure of a call has an end state; a defect of ours shows up as 'error' in the ledger and the report
                failure = failure_of(error, vendor.cap(error))
            if not failure.again:
                break
        return failure

    def _failed(self, vendor: Vendor, failure: Failure) -> Answer:
        reason = f"{vendor.label} asked to pause: {failure.reason}" if failure.outcome == "paused" else failure.reason
        vendor.failures += 1
        if failure.closes:
            vendor.closed = failure.reason
        elif vendor.failures >= FAILURES_IN_A_ROW and failure.may_failover:
            vendor.closed = f"no answer {vendor.failures} times in a row, last: {failure.reason[:120]}"
        return Answer(failure.outcome, cost_usd=failure.cost_usd, reason=reason, request_id=failure.request_id, may_failover=failure.may_failover)
