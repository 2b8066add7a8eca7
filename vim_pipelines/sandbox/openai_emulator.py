"""A loopback OpenAI API that refuses what the published contract refuses, so that a wrong request fails here and not in production.

Speaks `POST /v1/responses` and `GET /v1/models` well enough for the real `openai` SDK: keys, models, strict JSON schemas and what
they may not hold, refusals, incomplete and failed responses, usage with cached tokens, rate limits and empty accounts. Content comes
from the same generator as the emulated Claude's. Facts about the real API: the types of the SDK (3.54) and developers.openai.com;
the real API was never called.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from vim_pipelines.sandbox.model_answers import Fault, Verdicts, broken, content, texts, tokens
from vim_pipelines.sandbox.model_server import serve_model, start_emulator

MODELS = ("gpt-6-luna", "gpt-6-sol", "gpt-6.1-terra", "gpt-6.1-sol", "gpt-6-astra")
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
MIN_CACHEABLE_TOKENS = 1024
CACHE_SECONDS = 1800.0
MIN_OUTPUT_TOKENS = 16
#: Limits of a strict schema.
MAX_PROPERTIES, MAX_DEPTH, MAX_ENUM_VALUES = 5000, 10, 1000
_FIELDS = {
    "background", "conversation", "include", "input", "instructions", "max_output_tokens", "max_tool_calls", "metadata", "model", "parallel_tool_calls",
    "previous_response_id", "prompt", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "reasoning", "safety_identifier", "service_tier",
    "store", "stream", "stream_options", "temperature", "text", "tool_choice", "tools", "top_logprobs", "top_p", "truncation", "user",
}  # fmt: skip
_UNSUPPORTED_KEYWORDS = {"allOf", "not", "dependentRequired", "dependentSchemas", "if", "then", "else", "oneOf", "default", "patternProperties"}


class Refused(Exception):
    """An answer with an error status."""

    def __init__(
        self, status: int, kind: str, message: str, *, code: str | None = None, param: str | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.kind, self.message, self.code, self.param, self.headers = status, kind, message, code, param, headers or {}


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

    def next_fault(self, text: str) -> Fault | None:
        """The first planned fault that this request meets; counts it."""
        for fault in self.faults:
            if fault.times > 0 and fault.match in text:
                fault.times -= 1
                return fault
        return None

    def clear(self) -> None:
        """Nothing planned, nothing remembered."""
        self.mode, self.most_in_flight = "good", 0
        for kept in (self.faults, self.journal, self.cache, self.verdicts):
            kept.clear()

    def app(self) -> Any:
        """The Starlette application."""
        from starlette.applications import Starlette
        from starlette.requests import Request
        from starlette.responses import JSONResponse, Response
        from starlette.routing import Route

        def error(refused: Refused, request_id: str) -> Response:
            body = {"error": {"message": refused.message, "type": refused.kind, "param": refused.param, "code": refused.code}}
            return JSONResponse(body, refused.status, headers={"x-request-id": request_id, **refused.headers})

        async def responses(request: Request) -> Response:
            request_id, raw = "req_" + uuid.uuid4().hex, await request.body()
            entry: dict[str, Any] = {"path": request.url.path, "at": time.monotonic(), "request_id": request_id}
            if self.keeps_journal:
                self.journal.append(entry)
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            try:
                check_key(request.headers)
                entry["body"] = body = read_json(raw)
                check_request(body)
                fault = self.next_fault(raw.decode("utf-8", "replace"))
                await asyncio.sleep(self.latency_seconds + (fault.seconds if fault is not None else 0.0))
                if fault is not None and fault.kind == "status":
                    raise planned_error(fault)
                answer = self.answer(body, fault)
                entry["status"] = answer["status"]
                if fault is not None and fault.kind == "drop":  # fewer bytes than announced: the server closes the connection
                    return Response(json.dumps(answer)[:20], headers={"content-length": "100000", "x-request-id": request_id}, media_type="application/json")
                return JSONResponse(answer, headers={"x-request-id": request_id})
            except Refused as refused:
                entry["status"] = refused.status
                return error(refused, request_id)
            finally:
                self.in_flight -= 1

        async def models(request: Request) -> Response:
            request_id, name = "req_" + uuid.uuid4().hex, request.path_params.get("model")
            try:
                check_key(request.headers)
                if name is not None and name not in MODELS:
                    raise unknown_model(name)
            except Refused as refused:
                return error(refused, request_id)
            rows = [{"id": model, "object": "model", "created": 1_790_000_000, "owned_by": "openai"} for model in MODELS if name in (None, model)]
            return JSONResponse(rows[0] if name else {"object": "list", "data": rows}, headers={"x-request-id": request_id})

        async def plan(request: Request) -> Response:
            if request.method == "DELETE":
                self.clear()
            else:
                self.faults += [Fault(**item) for item in read_json(await request.body())]
            return JSONResponse({"faults": len(self.faults)})

        async def read_journal(_: Request) -> Response:
            return JSONResponse({"requests": self.journal, "most_in_flight": self.most_in_flight})

        return Starlette(routes=[
            Route("/v1/responses", responses, methods=["POST"]), Route("/v1/models", models), Route("/v1/models/{model}", models),
            Route("/_sandbox/faults", plan, methods=["POST", "DELETE"]), Route("/_sandbox/requests", read_journal, methods=["GET"]),
        ])  # fmt: skip

    def answer(self, body: dict[str, Any], fault: Fault | None) -> dict[str, Any]:
        """A response to a valid request, with what a content fault makes of it."""
        kind = fault.kind if fault else None
        asked = body["input"] if isinstance(body["input"], str) else " ".join(texts(item.get("content")) for item in body["input"])
        form = (body.get("text") or {}).get("format") or {}
        text = broken(content(form.get("schema"), asked, self.mode, self.verdicts), kind)
        limit = (body.get("max_output_tokens") or 100_000) * 3
        status, details, failed = "completed", None, None
        part: dict[str, Any] = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
        if kind == "refusal":
            part = {"type": "refusal", "refusal": "I can't help with that."}
        elif kind == "content_filter":
            status, details, part = "incomplete", {"reason": "content_filter"}, part | {"text": text[: len(text) // 3]}
        elif kind == "failed":
            status, failed = "failed", {"code": (fault.error_code if fault else None) or "server_error", "message": "planned fault"}
        elif kind == "max_tokens" or len(text) > limit:
            status, details, part = "incomplete", {"reason": "max_output_tokens"}, part | {"text": text[: min(limit, len(text) // 2)]}
        thinks = (body.get("reasoning") or {}).get("effort", "medium") != "none"
        reasoning = 24 if thinks else 0
        output: list[dict[str, Any]] = [{"id": _name("rs"), "type": "reasoning", "summary": []}] if thinks else []
        if status != "failed":
            output.append({"id": _name("msg"), "type": "message", "role": "assistant", "status": status, "content": [part]})
        written = max(1, len(part.get("text", part.get("refusal", ""))) // 3) + reasoning
        return {
            "id": _name("resp"), "object": "response", "created_at": 1_790_000_000, "status": status, "error": failed, "incomplete_details": details,
            "instructions": body.get("instructions"), "max_output_tokens": body.get("max_output_tokens"), "model": body["model"], "output": output,
            "parallel_tool_calls": True, "previous_response_id": None, "reasoning": {"effort": (body.get("reasoning") or {}).get("effort"), "summary": None},
            "store": body.get("store", True), "temperature": 1.0, "text": body.get("text") or {"format": {"type": "text"}}, "tool_choice": "auto", "tools": [],
            "top_p": 1.0, "truncation": "disabled", "metadata": {}, "usage": None if status == "failed" else self.usage(body, written, reasoning),
        }  # fmt: skip

    def usage(self, body: dict[str, Any], written: int, reasoning: int) -> dict[str, Any]:
        """Tokens; the prefix (schema and instructions) is cached by itself, and counted within the input."""
        prefix = json.dumps([body["model"], body.get("instructions"), body.get("text"), body.get("prompt_cache_key")], sort_keys=True)
        cacheable = tokens(body.get("instructions")) + tokens(body.get("text"))
        total, read, kept = cacheable + tokens(body["input"]), 0, 0
        if cacheable >= MIN_CACHEABLE_TOKENS:
            key, now = hashlib.sha256(prefix.encode()).hexdigest(), time.monotonic()
            read, kept = (cacheable, 0) if now - self.cache.get(key, -CACHE_SECONDS * 2) < CACHE_SECONDS else (0, cacheable)
            self.cache[key] = now
        return {
            "input_tokens": total, "input_tokens_details": {"cached_tokens": read, "cache_write_tokens": kept}, "output_tokens": written,
            "output_tokens_details": {"reasoning_tokens": reasoning}, "total_tokens": total + written,
        }  # fmt: skip


def planned_error(fault: Fault) -> Refused:
    """The error answer of a planned fault; `error_code` `insufficient_quota` is an account without money."""
    headers = {"retry-after": fault.retry_after} if fault.retry_after else {}
    if fault.status == 429 and fault.error_code:
        return Refused(429, "insufficient_quota", "You exceeded your current quota, please check your plan and billing details.", code=fault.error_code)
    kinds = {401: "invalid_request_error", 403: "invalid_request_error", 429: "rate_limit_error", 503: "service_unavailable_error"}
    codes = {401: "invalid_api_key", 403: "unsupported_country_region_territory", 429: "rate_limit_exceeded", 503: "server_is_overloaded"}
    kind = kinds.get(fault.status, "server_error" if fault.status >= 500 else "invalid_request_error")
    return Refused(fault.status, kind, "planned fault", code=fault.error_code or codes.get(fault.status), headers=headers)


def unknown_model(name: str) -> Refused:
    """A model that does not exist, or that this key may not use; the API does not say which."""
    return Refused(404, "invalid_request_error", f"The model `{name}` does not exist or you do not have access to it.", code="model_not_found")


def check_key(headers: Any) -> None:
    """Raise `Refused` without a key, or with one that was revoked."""
    key = headers.get("authorization", "").removeprefix("Bearer ").strip()
    if not key:
        raise Refused(401, "invalid_request_error", "You didn't provide an API key.")
    if key == "revoked":
        raise Refused(401, "invalid_request_error", "Incorrect API key provided: revoked.", code="invalid_api_key")


def check_request(body: dict[str, Any]) -> None:
    """Raise `Refused` for what the real API answers with an error status."""

    def bad(message: str, param: str | None = None, code: str | None = None) -> Refused:
        return Refused(400, "invalid_request_error", message, code=code, param=param)

    for name in sorted(set(body) - _FIELDS):
        raise bad(f"Unknown parameter: '{name}'.", name, "unknown_parameter")
    for name in ("model", "input"):
        if not body.get(name):
            raise bad(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")
    if body["model"] not in MODELS:
        raise unknown_model(body["model"])
    if (body.get("max_output_tokens") or MIN_OUTPUT_TOKENS) < MIN_OUTPUT_TOKENS:
        raise bad(f"Invalid 'max_output_tokens': expected a value >= {MIN_OUTPUT_TOKENS}.", "max_output_tokens", "integer_below_min_value")
    effort = (body.get("reasoning") or {}).get("effort", "medium")
    if effort not in EFFORTS:
        raise bad(f"Invalid value: '{effort}'.", "reasoning.effort", "invalid_value")
    if effort == "minimal":  # of the whole list, the models of this family take all but this one
        raise bad(f"Unsupported value: '{effort}' is not supported with the '{body['model']}' model.", "reasoning.effort", "unsupported_value")
    for name in ("temperature", "top_p"):
        if name in body and effort != "none":
            raise bad(f"Unsupported parameter: '{name}' is not supported with this model.", name, "unsupported_parameter")
    for name in ("prompt_cache_key", "safety_identifier"):
        if len(body.get(name) or "") > (64 if name == "prompt_cache_key" else 128):
            raise bad(f"Invalid '{name}': string too long.", name, "string_above_max_length")
    form = (body.get("text") or {}).get("format") or {"type": "text"}
    if form["type"] not in ("text", "json_schema", "json_object"):
        raise bad(f"Invalid value: '{form['type']}'.", "text.format.type", "invalid_value")
    if form["type"] == "json_schema":
        if not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", str(form.get("name", ""))):
            raise bad("Missing or invalid 'text.format.name'.", "text.format.name")
        if not isinstance(form.get("schema"), dict):
            raise bad("Missing required parameter: 'text.format.schema'.", "text.format.schema", "missing_required_parameter")
        problem = schema_problem(form["schema"]) if form.get("strict") else None
        if problem is not None:
            raise bad(f"Invalid schema for response_format '{form['name']}': {problem}", "text.format.schema", "invalid_json_schema")


def schema_problem(schema: dict[str, Any]) -> str | None:
    """What strict mode does not take in a schema, or None."""
    if schema.get("type") != "object":
        return "schema must be a JSON Schema of 'type: \"object\"'."
    counts = {"properties": 0, "values": 0}
    problem = _node_problem(schema, (), 0, counts)
    for name in schema.get("$defs", {}) if problem is None else ():
        problem = problem or _node_problem(schema["$defs"][name], ("$defs", name), 0, counts)
    if problem is None and counts["properties"] > MAX_PROPERTIES:
        problem = f"more than {MAX_PROPERTIES} object properties."
    if problem is None and counts["values"] > MAX_ENUM_VALUES:
        problem = f"more than {MAX_ENUM_VALUES} enum values."
    return problem


def _node_problem(node: Any, place: tuple[str, ...], depth: int, counts: dict[str, int]) -> str | None:
    if not isinstance(node, dict):
        return None
    context = f"In context={place!r}, "
    if "$ref" in node and len(node) > 1:
        return context + f"$ref cannot have keywords {sorted(set(node) - {'$ref'})}."
    for keyword in sorted(_UNSUPPORTED_KEYWORDS & set(node)):
        return context + f"'{keyword}' is not permitted."
    if depth > MAX_DEPTH:
        return context + f"more than {MAX_DEPTH} levels of nesting."
    counts["values"] += len(node.get("enum", ()))
    properties = node.get("properties", {})
    counts["properties"] += len(properties)
    if node.get("type") == "object":
        if node.get("additionalProperties") is not False:
            return context + "'additionalProperties' is required to be supplied and to be false."
        if sorted(node.get("required", ())) != sorted(properties):
            return context + "'required' is required to be supplied and to be an array including every key in properties."
    elif node.get("type") == "array" and "items" not in node:
        return context + "array schema missing items."
    elif not {"type", "$ref", "anyOf", "enum", "const"} & set(node):
        return context + "schema must have a 'type' key."
    children: list[tuple[tuple[str, ...], Any]] = [(("properties", name), child) for name, child in properties.items()]
    children += [(("items",), node.get("items"))] + [(("anyOf", str(number)), child) for number, child in enumerate(node.get("anyOf", ()))]
    for step, child in children:
        problem = _node_problem(child, place + step, depth + (step[0] != "anyOf"), counts)
        if problem is not None:
            return problem
    return None


def read_json(raw: bytes) -> Any:
    """The body as JSON. Raises `Refused`."""
    try:
        return json.loads(raw)
    except ValueError:
        raise Refused(400, "invalid_request_error", "We could not parse the JSON body of your request.") from None


def _name(prefix: str) -> str:
    return f"{prefix}_{uuid.uuid4().hex}"


start_openai = start_emulator


def main() -> None:
    """`python -m vim_pipelines.sandbox.openai_emulator`: prints its address and serves until stopped."""
    serve_model(main.__doc__, Emulator)


if __name__ == "__main__":
    main()
