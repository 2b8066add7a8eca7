"""OpenAI through its own SDK: stands in for Claude when Claude gives no answer, and reads customer texts as a judge of another family.

The Responses API with a strict JSON schema (`text.format`): it is the SDK's first choice, and the newest models answer there alone with
all they can. `store=False`, because it keeps answers for 30 days otherwise. Facts about the API: the SDK's own types (3.54) and
developers.openai.com as of November 2026; the real API was never called.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from vim_pipelines.reasoning.pricing import ModelSpec, Provider, Usage
from vim_pipelines.reasoning.providers.calls import LABELS, TIMEOUT_SECONDS, Prompt, Reading, refused
from vim_pipelines.reasoning.providers.sdk import SdkVendor

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings

#: Error codes of an account without money or over its limit; `error.type` is `insufficient_quota` for all that were documented.
SPEND_CAPS = ("insufficient_quota", "credit_balance_exhausted", "billing_hard_limit_reached", "billing_not_active")
#: Codes of a failed response that judge the content; asking elsewhere would be asking for another judge.
CONTENT_CODES = ("invalid_prompt", "bio_policy", "misalignment_policy_violation")


class ResponseFailed(Exception):
    """A response with HTTP status 200 and `status: failed`: an error like the others, only found later."""

    def __init__(self, code: str, message: str, request_id: str | None) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.request_id = code, request_id
        self.status_code = 429 if code == "rate_limit_exceeded" else 500


def build_params(prompt: Prompt, spec: ModelSpec, max_tokens: int) -> dict[str, Any]:
    """The body of one request. The prefix cache works by itself; `prompt_cache_key` brings prompts with the same system text to the same machine."""
    body: dict[str, Any] = {
        "model": spec.name,
        "instructions": prompt.system,
        "input": prompt.user,
        "max_output_tokens": max_tokens,
        "text": {"format": {"type": "json_schema", "name": prompt.schema.__name__, "schema": strict_schema(prompt.schema), "strict": True}},
        "store": False,
        "prompt_cache_key": prompt.cache_key[:64],
        "safety_identifier": prompt.opaque_id[:64],  # opaque: no name, no address
    }
    if spec.effort:
        body["reasoning"] = {"effort": spec.effort}
    return body


def read_response(response: Any) -> Reading:
    """A response in our words. Its text is joined over all messages; reasoning may come first, a refusal is a part of its own."""
    parts = [part for item in response.output if item.type == "message" for part in item.content]
    text = "".join(part.text for part in parts if part.type == "output_text")
    usage, request_id = _usage(response.usage), getattr(response, "_request_id", None)
    details, failed = getattr(response.incomplete_details, "reason", None), getattr(response.error, "code", None)
    if failed in CONTENT_CODES or details == "content_filter" or any(part.type == "refusal" for part in parts):
        return Reading(text, usage, failed or details or "refusal", request_id, "refusal", refused("openai"))
    if response.status == "incomplete":
        return Reading(text, usage, details or "incomplete", request_id, "truncated", f"the answer was cut off ({details or 'no reason given'})")
    if response.status != "completed":
        return Reading(text, usage, response.status, request_id, "invalid", f"unexpected status {response.status}")
    return Reading(text, usage, response.status, request_id, "complete")


def _usage(usage: Any) -> Usage:
    """OpenAI counts cached tokens within `input_tokens`; our books keep them apart."""
    if usage is None:
        return Usage()
    details = usage.input_tokens_details
    read, written = getattr(details, "cached_tokens", 0) or 0, getattr(details, "cache_write_tokens", 0) or 0
    return Usage(max(0, usage.input_tokens - read - written), usage.output_tokens, read, written)


@cache
def strict_schema(schema: type[BaseModel]) -> dict[str, Any]:
    """The schema as strict mode takes it: every field required, nothing added, and no reference with words beside it (those are written out)."""
    whole = schema.model_json_schema()
    strict: dict[str, Any] = _strict(whole, whole.get("$defs", {}))
    return strict


def _strict(node: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_strict(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node and len(node) > 1:
        node = {**definitions[str(node["$ref"]).rsplit("/", 1)[-1]], **{key: value for key, value in node.items() if key != "$ref"}}
    strict = {key: _strict(value, definitions) for key, value in node.items() if key != "default"}
    if isinstance(node.get("properties"), dict):
        strict |= {"additionalProperties": False, "required": list(node["properties"])}
    return strict


class OpenAI(SdkVendor):
    """OpenAI as a vendor of live calls."""

    provider: Provider = "openai"
    label = LABELS["openai"]

    def open_client(self, settings: Settings, timeout_seconds: float) -> Any:
        return open_client(settings, timeout_seconds=timeout_seconds)

    def params(self, prompt: Prompt, spec: ModelSpec, max_tokens: int) -> dict[str, Any]:
        return build_params(prompt, spec, max_tokens)

    async def create(self, params: dict[str, Any]) -> Any:
        response = await self.client.responses.create(**params)
        if response.status == "failed" and response.error is not None and response.error.code not in CONTENT_CODES:
            raise ResponseFailed(response.error.code, response.error.message, getattr(response, "_request_id", None))
        return response

    def read(self, message: Any) -> Reading:
        return read_response(message)

    def cap(self, error: Any) -> str | None:
        codes = (getattr(error, "code", None), getattr(error, "type", None))
        return next((str(code) for code in codes if code in SPEND_CAPS), None)


def open_client(settings: Settings, *, timeout_seconds: float = TIMEOUT_SECONDS) -> Any:
    """An `AsyncOpenAI` over aiohttp, which repeats nothing by itself. Close it. Raises VIM-E001 without a key."""
    from openai import AsyncOpenAI, DefaultAioHttpClient

    settings.require("openai_api_key")
    assert settings.openai_api_key is not None
    return AsyncOpenAI(
        api_key=settings.openai_api_key.get_secret_value(), base_url=settings.openai_base_url or None, max_retries=0, timeout=timeout_seconds,
        http_client=DefaultAioHttpClient(),
    )  # fmt: skip
