"""Claude through the `anthropic` SDK: what a request looks like and how a message is read, for live calls, batches and the judge alike.

`messages.create` with a JSON schema and our own validation, because `parse` loses the usage of a failed call. LLM.md section 1 holds the
measurements behind the choices here.
"""

from __future__ import annotations

from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel

from vim_pipelines.reasoning.pricing import ModelSpec, Provider, Usage
from vim_pipelines.reasoning.providers.base import DraftRequest
from vim_pipelines.reasoning.providers.calls import LABELS, TIMEOUT_SECONDS, Answer, Prompt, Reading, answer_from, refused
from vim_pipelines.reasoning.providers.request import draft_prompt
from vim_pipelines.reasoning.providers.sdk import SdkVendor
from vim_pipelines.reasoning.schema import DraftDocument

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings

SPEND_CAPS = ("enforced_spend_limit_reached", "contract_spend_limit_reached")
CacheTtl = Literal["5m", "1h"]


def build_params(prompt: Prompt, spec: ModelSpec, max_tokens: int, *, cache_ttl: CacheTtl | None = "5m") -> dict[str, Any]:
    """The body of one message. `cache_ttl`: for how long the system block is kept for the calls after this one; None keeps nothing."""
    system: dict[str, Any] = {"type": "text", "text": prompt.system}
    if cache_ttl is not None:
        system["cache_control"] = {"type": "ephemeral"} | ({"ttl": "1h"} if cache_ttl == "1h" else {})
    output: dict[str, Any] = {"format": {"type": "json_schema", "schema": vendor_schema(prompt.schema)}}
    if spec.effort:
        output["effort"] = spec.effort
    body: dict[str, Any] = {
        "model": spec.name,
        "max_tokens": max_tokens,
        "system": [system],
        "messages": [{"role": "user", "content": prompt.user}],
        "output_config": output,
        "metadata": {"user_id": prompt.opaque_id[:32]},  # opaque: no name, no address
    }
    if spec.thinking == "disabled":
        body["thinking"] = {"type": "disabled"}
    return body


def message_params(request: DraftRequest, spec: ModelSpec, max_tokens: int, *, cache_ttl: CacheTtl | None = "5m") -> dict[str, Any]:
    """The body of the message that asks for one draft, as a live call sends it and a batch carries it (`params` of an item)."""
    return build_params(draft_prompt(request), spec, max_tokens, cache_ttl=cache_ttl)


def draft_answer(message: Any, spec: ModelSpec, day: date, *, is_batch: bool = False) -> Answer:
    """What a message (live, or of a succeeded batch item) is worth as a draft: `value` a `DraftDocument` when `outcome` is ok, usage and cost always."""
    return answer_from(read_message(message), DraftDocument, spec, day, is_batch=is_batch)


def read_message(message: Any) -> Reading:
    """A message in our words. Its text is joined over all text blocks: a block of thinking may come first."""
    text = "".join(block.text for block in message.content if block.type == "text")
    stop, request_id = message.stop_reason, getattr(message, "_request_id", None)
    if stop == "refusal":
        return Reading(text, _usage(message.usage), stop, request_id, "refusal", refused("anthropic"))
    if stop in ("max_tokens", "model_context_window_exceeded"):
        return Reading(text, _usage(message.usage), stop, request_id, "truncated", f"the answer was cut off ({stop})")
    if stop not in ("end_turn", "stop_sequence"):
        return Reading(text, _usage(message.usage), stop, request_id, "invalid", f"unexpected stop reason {stop}")
    return Reading(text, _usage(message.usage), stop, request_id, "complete")


def _usage(usage: Any) -> Usage:
    written, kinds = usage.cache_creation_input_tokens or 0, getattr(usage, "cache_creation", None)
    hour = min(written, (getattr(kinds, "ephemeral_1h_input_tokens", 0) or 0) if kinds is not None else 0)
    return Usage(usage.input_tokens or 0, usage.output_tokens or 0, usage.cache_read_input_tokens or 0, written - hour, hour)


@cache
def vendor_schema(schema: type[BaseModel]) -> dict[str, Any]:
    """The schema as the grammar compiler takes it: bounds move into descriptions, and nothing may be added."""
    import anthropic

    return anthropic.transform_schema(schema)


class Claude(SdkVendor):
    """Claude as a vendor of live calls."""

    provider: Provider = "anthropic"
    label = LABELS["anthropic"]

    def open_client(self, settings: Settings, timeout_seconds: float) -> Any:
        return open_client(settings, timeout_seconds=timeout_seconds)

    def params(self, prompt: Prompt, spec: ModelSpec, max_tokens: int) -> dict[str, Any]:
        return build_params(prompt, spec, max_tokens)

    async def create(self, params: dict[str, Any]) -> Any:
        return await self.client.messages.create(**params)

    def read(self, message: Any) -> Reading:
        return read_message(message)

    def cap(self, error: Any) -> str | None:
        details = _error_of(error).get("details")
        code = details.get("error_code") if isinstance(details, dict) else None
        return str(code) if code in SPEND_CAPS else None


def open_client(settings: Settings, *, timeout_seconds: float = TIMEOUT_SECONDS) -> Any:
    """An `AsyncAnthropic` over aiohttp (half the CPU of the default transport, LLM.md section 5), which repeats nothing by itself. Close it.

    Raises VIM-E001 without a key.
    """
    from anthropic import AsyncAnthropic, DefaultAioHttpClient

    settings.require("anthropic_api_key")
    assert settings.anthropic_api_key is not None
    return AsyncAnthropic(
        api_key=settings.anthropic_api_key.get_secret_value(), base_url=settings.anthropic_base_url or None, max_retries=0, timeout=timeout_seconds,
        http_client=DefaultAioHttpClient(),
    )  # fmt: skip


def _error_of(error: Any) -> dict[str, Any]:
    body = getattr(error, "body", None)
    inner = body.get("error") if isinstance(body, dict) else None
    return inner if isinstance(inner, dict) else {}
