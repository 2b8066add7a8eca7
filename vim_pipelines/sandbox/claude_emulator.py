"""A loopback Claude API that refuses what the real one refuses, so that a wrong request fails here and not in production.

Speaks `POST /v1/messages`, `/v1/messages/count_tokens` and the Batches API well enough for the real `anthropic` SDK. Answers are
generated from the JSON schema of the request (`model_answers`). Prompt-cache accounting, request ids, a queue of faults and a journal
are there because the drafter's behaviour depends on them. It knows nothing of the house above the sandbox: it reads the request like
any model.

Facts about the real API: LLM.md section 1 (documentation of October 2026; the real API was never called).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from vim_pipelines.sandbox.claude_batches import Batches
from vim_pipelines.sandbox.claude_wire import Fault, Refused, check_headers, error_response, new_request_id, planned_error, read_json
from vim_pipelines.sandbox.model_answers import MODES, Verdicts, broken, content, texts, tokens
from vim_pipelines.sandbox.model_server import serve_model, start_emulator

__all__ = ["MODELS", "MODES", "Emulator", "Fault", "start_claude"]

MODELS = ("claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5", "claude-opus-5", "claude-sonnet-5")
MIN_CACHEABLE_TOKENS = 512
CACHE_SECONDS = 300.0
_FIELDS = {
    "model", "max_tokens", "messages", "system", "thinking", "output_config", "metadata", "stop_sequences", "stream", "tools", "tool_choice", "service_tier",
    "cache_control", "temperature", "top_p", "top_k",
}  # fmt: skip
_UNSUPPORTED_KEYWORDS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "maxItems", "oneOf"}


@dataclass
class Emulator:
    """State of one emulated API: faults to come, requests that came, what is cached. `verdicts` are the scripted answers to a judge's questions."""

    mode: str = "good"
    faults: list[Fault] = field(default_factory=list)
    journal: list[dict[str, Any]] = field(default_factory=list)
    cache: dict[str, float] = field(default_factory=dict)
    verdicts: Verdicts = field(default_factory=dict)
    latency_seconds: float = 0.0
    keeps_journal: bool = True
    in_flight: int = 0
    most_in_flight: int = 0

    def __post_init__(self) -> None:
        self.batches = Batches(self.checked_answer, self.next_fault)

    def next_fault(self, text: str, at: str = "") -> Fault | None:
        """The first planned fault that this request to the endpoint `at` meets; counts it."""
        for fault in self.faults:
            if fault.times > 0 and fault.at == at and fault.match in text:
                fault.times -= 1
                return fault
        return None

    def app(self) -> Any:
        """The Starlette application."""
        from starlette.applications import Starlette
        from starlette.requests import Request
        from starlette.responses import JSONResponse, Response
        from starlette.routing import Route

        async def messages(request: Request) -> Response:
            request_id = new_request_id()
            raw = await request.body()
            entry = {
                "path": request.url.path,
                "retry": int(request.headers.get("x-stainless-retry-count", 0)),
                "at": time.monotonic(),
                "request_id": request_id,
            }
            if self.keeps_journal:
                self.journal.append(entry)
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            try:
                check_headers(request.headers)
                body = read_json(raw)
                entry["body"] = body
                check_request(body)
                fault = self.next_fault(raw.decode("utf-8", "replace"))
                await asyncio.sleep(self.latency_seconds + (fault.seconds if fault is not None else 0.0))
                if fault is not None and fault.kind == "status":
                    raise planned_error(fault)
                message = self.answer(body, fault.kind if fault else None)
                entry["stop_reason"] = message["stop_reason"]
                if fault is not None and fault.kind == "drop":  # fewer bytes than announced: the server closes the connection
                    return Response(json.dumps(message)[:20], headers={"content-length": "100000", "request-id": request_id}, media_type="application/json")
                return JSONResponse(message, headers={"request-id": request_id})
            except Refused as refused:
                entry["status"] = refused.status
                return error_response(refused, request_id)
            finally:
                self.in_flight -= 1

        async def count(request: Request) -> Response:
            body = read_json(await request.body())
            return JSONResponse({"input_tokens": tokens(body.get("system")) + tokens(body.get("messages"))}, headers={"request-id": new_request_id()})

        async def plan(request: Request) -> Response:
            if request.method == "DELETE":
                self.faults.clear()
                self.journal.clear()
                self.cache.clear()
                self.verdicts.clear()
                self.batches.clear()
            else:
                self.faults += [Fault(**item) for item in read_json(await request.body())]
            return JSONResponse({"faults": len(self.faults)})

        async def read_journal(request: Request) -> Response:
            return JSONResponse({"requests": self.journal, "most_in_flight": self.most_in_flight})

        return Starlette(routes=[
            Route("/v1/messages", messages, methods=["POST"]), Route("/v1/messages/count_tokens", count, methods=["POST"]),
            *self.batches.routes(), Route("/_sandbox/faults", plan, methods=["POST", "DELETE"]), Route("/_sandbox/requests", read_journal, methods=["GET"]),
        ])  # fmt: skip

    def answer(self, body: dict[str, Any], fault: str | None) -> dict[str, Any]:
        """A message in answer to a valid request, with what a content fault makes of it."""
        usage = self.usage(body)
        text, stop_reason = self.text(body), "end_turn"
        if fault == "refusal":
            text, stop_reason = "", "refusal"
        text = broken(text, fault)
        limit = body["max_tokens"] * 3
        if fault == "max_tokens" or len(text) > limit:
            text, stop_reason = text[: min(limit, len(text) // 2)], "max_tokens"
        usage["output_tokens"] = max(1, len(text) // 3) if body["max_tokens"] else 0
        blocks: list[dict[str, Any]] = []
        if _thinks(body) and stop_reason != "refusal":
            blocks.append({"type": "thinking", "thinking": "The facts come first.", "signature": "c2lnbmF0dXJl"})
            usage["output_tokens"] += 8
        middle = len(text) // 2
        blocks += [{"type": "text", "text": part, "citations": None} for part in (text[:middle], text[middle:]) if part]
        return {
            "id": "msg_" + uuid.uuid4().hex[:24], "type": "message", "role": "assistant", "model": body["model"], "content": blocks, "stop_reason": stop_reason,
            "stop_sequence": None, "stop_details": {"type": "refusal", "category": None, "explanation": "planned"} if stop_reason == "refusal" else None, "usage": usage,
        }  # fmt: skip

    def usage(self, body: dict[str, Any]) -> dict[str, Any]:
        """Input tokens by kind: the prefix up to the cache mark is written once and read while it is warm."""
        prefix = _cached_prefix(body)
        cached = tokens(prefix) if prefix is not None else 0
        read = written = 0
        if prefix is not None and cached >= MIN_CACHEABLE_TOKENS:
            key = hashlib.sha256(json.dumps([body["model"], prefix, body.get("output_config", {}).get("format")], sort_keys=True).encode()).hexdigest()
            now = time.monotonic()
            if now - self.cache.get(key, -CACHE_SECONDS * 2) < CACHE_SECONDS:
                read = cached
            else:
                written = cached
            self.cache[key] = now
        total = tokens(body.get("system")) + tokens(body["messages"]) + tokens(body.get("output_config"))
        return {
            "input_tokens": total - read - written, "cache_read_input_tokens": read, "cache_creation_input_tokens": written,
            "cache_creation": {"ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": 0}, "output_tokens": 0, "service_tier": "standard",
        }  # fmt: skip

    def text(self, body: dict[str, Any]) -> str:
        """The text that the model would write: JSON for the schema of the request, or prose."""
        asked = " ".join(texts(message.get("content")) for message in body["messages"] if message["role"] == "user")
        return content(((body.get("output_config") or {}).get("format") or {}).get("schema"), asked, self.mode, self.verdicts)

    def checked_answer(self, body: dict[str, Any], fault: str | None) -> dict[str, Any]:
        """A message in answer to a request that nobody has judged yet; raises `Refused`."""
        check_request(body)
        return self.answer(body, fault)


def check_request(body: dict[str, Any]) -> None:
    """Raise `Refused` for what the real API answers with an error status."""
    bad = "invalid_request_error"
    for name in ("model", "max_tokens", "messages"):
        if name not in body:
            raise Refused(400, bad, f"{name}: Field required")
    unknown = sorted(set(body) - _FIELDS)
    if unknown:
        raise Refused(400, bad, f"{unknown[0]}: Extra inputs are not permitted")
    model = body["model"]
    if model not in MODELS:
        raise Refused(404, "not_found_error", f"model: {model}")
    if not isinstance(body["max_tokens"], int) or body["max_tokens"] < 0:
        raise Refused(400, bad, "max_tokens: Input should be greater than or equal to 0")
    for name in ("temperature", "top_p", "top_k"):
        if name in body:
            raise Refused(400, bad, f"`{name}` is not supported for this model")
    roles = [message.get("role") for message in body["messages"]]
    if not roles or roles[0] != "user":
        raise Refused(400, bad, "messages: first message must use the user role")
    if roles[-1] == "assistant":
        raise Refused(400, bad, "messages: prefilling assistant messages is not supported for this model")
    thinking = (body.get("thinking") or {}).get("type")
    if model.endswith("5-5"):
        if thinking == "enabled":
            raise Refused(400, bad, "thinking.type: 'enabled' is not supported for this model; use 'adaptive'")
        if thinking == "disabled" and not model.startswith("claude-haiku"):
            raise Refused(400, bad, "thinking.type: 'disabled' is not supported for this model")
        if (body.get("tool_choice") or {}).get("type") in ("any", "tool") and not model.startswith("claude-haiku"):
            raise Refused(400, bad, "tool_choice: forced tool use is not supported for this model")
    config = body.get("output_config") or {}
    if config.get("effort") not in (None, "low", "medium", "high", "xhigh", "max"):
        raise Refused(400, bad, "output_config.effort: unknown effort")
    if thinking == "disabled" and config.get("effort") in ("xhigh", "max"):
        raise Refused(400, bad, "thinking.type: 'disabled' needs effort high or lower")
    if config.get("format"):
        if config["format"].get("type") != "json_schema":
            raise Refused(400, bad, "output_config.format.type: Input should be 'json_schema'")
        check_schema(config["format"].get("schema") or {})


def check_schema(schema: Any, place: str = "schema") -> None:
    """Raise `Refused` for a schema that the grammar compiler does not take."""
    if isinstance(schema, list):
        for item in schema:
            check_schema(item, place)
        return
    if not isinstance(schema, dict):
        return
    if schema.get("type") == "object":
        if schema.get("additionalProperties") is not False:
            raise Refused(
                400, "invalid_request_error", f"output_config.format.{place}: for 'object' type, 'additionalProperties' must be explicitly set to false"
            )
        for name, child in schema.get("properties", {}).items():
            check_schema(child, f"{place}.{name}")
    bad = sorted(_UNSUPPORTED_KEYWORDS & set(schema))
    if bad:
        raise Refused(400, "invalid_request_error", f"output_config.format.{place}: property '{bad[0]}' is not supported")
    for name in ("items", "anyOf"):
        check_schema(schema.get(name), f"{place}.{name}")
    for name, child in schema.get("$defs", {}).items():
        check_schema(child, f"$defs.{name}")


def _thinks(body: dict[str, Any]) -> bool:
    return body["model"].endswith("5-5") and (body.get("thinking") or {}).get("type") != "disabled"


def _cached_prefix(body: dict[str, Any]) -> Any:
    system = body.get("system")
    marks = [index for index, block in enumerate(system) if block.get("cache_control")] if isinstance(system, list) else []
    return system[: marks[-1] + 1] if marks else None  # type: ignore[index]


start_claude = start_emulator


def main() -> None:
    """`python -m vim_pipelines.sandbox.claude_emulator`: prints its address and serves until stopped."""
    serve_model(main.__doc__, Emulator)


if __name__ == "__main__":
    main()
