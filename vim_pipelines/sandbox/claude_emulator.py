"""A loopback Claude API that refuses what the real one refuses, so that a wrong request fails here and not in production.

Speaks `POST /v1/messages`, `/v1/messages/count_tokens` and the Batches API well enough for the real `anthropic` SDK. Answers are
generated from the JSON schema of the request: `good` uses the facts of the task as slots, `liar` invents numbers, `stranger` cites
facts that the account does not have. Prompt-cache accounting, request ids, a queue of faults and a journal are there because the
drafter's behaviour depends on them. It knows nothing of the house above the sandbox: it reads the request like any model.

Facts about the real API: LLM.md section 1 (documentation of October 2026; the real API was never called).
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import re
import sys
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vim_pipelines.sandbox.claude_batches import Batches
from vim_pipelines.sandbox.claude_wire import Fault, Refused, check_headers, error_response, new_request_id, planned_error, read_json

__all__ = ["MODELS", "MODES", "Emulator", "Fault", "start_claude"]

MODELS = ("claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5", "claude-opus-5", "claude-sonnet-5")
MODES = ("good", "liar", "stranger")
MIN_CACHEABLE_TOKENS = 512
CACHE_SECONDS = 300.0
_FIELDS = {
    "model", "max_tokens", "messages", "system", "thinking", "output_config", "metadata", "stop_sequences", "stream", "tools", "tool_choice", "service_tier",
    "cache_control", "temperature", "top_p", "top_k",
}  # fmt: skip
_UNSUPPORTED_KEYWORDS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "maxItems", "oneOf"}


@dataclass
class Emulator:
    """State of one emulated API: faults to come, requests that came, what is cached."""

    mode: str = "good"
    faults: list[Fault] = field(default_factory=list)
    journal: list[dict[str, Any]] = field(default_factory=list)
    cache: dict[str, float] = field(default_factory=dict)
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
            self.journal.append(entry)
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            try:
                check_headers(request.headers)
                body = read_json(raw)
                entry["body"] = body
                check_request(body)
                fault = self.next_fault(raw.decode("utf-8", "replace"))
                if fault is not None and fault.seconds:
                    await asyncio.sleep(fault.seconds)
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
        elif fault == "text":
            text = "Here is the plan you asked for: the account is doing well."
        elif fault == "bad_json":
            text = text[: len(text) // 2] + " and so on"
        elif fault == "wrong_schema":
            text = json.dumps({"title": "A plan", "sections": "none"})
        limit = body["max_tokens"] * 3
        if fault == "max_tokens" or len(text) > limit:
            text, stop_reason = text[: min(limit, len(text) // 2)], "max_tokens"
        usage["output_tokens"] = max(1, len(text) // 3) if body["max_tokens"] else 0
        content: list[dict[str, Any]] = []
        if _thinks(body) and stop_reason != "refusal":
            content.append({"type": "thinking", "thinking": "The facts come first.", "signature": "c2lnbmF0dXJl"})
            usage["output_tokens"] += 8
        middle = len(text) // 2
        content += [{"type": "text", "text": part, "citations": None} for part in (text[:middle], text[middle:]) if part]
        return {
            "id": "msg_" + uuid.uuid4().hex[:24], "type": "message", "role": "assistant", "model": body["model"], "content": content, "stop_reason": stop_reason,
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
        schema = ((body.get("output_config") or {}).get("format") or {}).get("schema")
        if schema is None:
            return "pong"
        return json.dumps(generate(schema, _task(body), self.mode), ensure_ascii=False)

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


def tokens(value: Any) -> int:
    """A plausible number of tokens: a third of the characters."""
    return 0 if not value else len(value if isinstance(value, str) else json.dumps(value)) // 3


def generate(schema: dict[str, Any], task: dict[str, Any], mode: str) -> Any:
    """A value for `schema` that reads like an answer to `task`, in the given mode."""
    facts = [fact for fact in task.get("facts", []) if fact.get("status") == "ok"]
    writer = _Writer(schema.get("$defs", {}), task, facts, mode)
    return writer.value(schema, "")


class _Writer:
    """Walks a schema; knows the names of fields as a model would: text with slots beside the ids of its facts, sections, steps."""

    def __init__(self, definitions: dict[str, Any], task: dict[str, Any], facts: list[dict[str, Any]], mode: str) -> None:
        self.definitions, self.task, self.facts, self.mode = definitions, task, facts, mode
        self.section: dict[str, Any] = {}
        self.handles: list[str] = []
        self.risk: str | None = None
        self.counter = 0

    def value(self, schema: dict[str, Any], name: str) -> Any:
        if "$ref" in schema:
            return self.value(self.definitions[schema["$ref"].rsplit("/", 1)[-1]], name)
        if "anyOf" in schema:
            kinds = schema["anyOf"]
            null = next((kind for kind in kinds if kind.get("type") == "null"), None)
            return None if null is not None and name == "due_fact" else self.value(next(kind for kind in kinds if kind is not null), name)
        if "enum" in schema:
            return self.choice(schema["enum"], name)
        kind = schema.get("type")
        if kind == "object":
            return self.object(schema)
        if kind == "array":
            return self.array(schema, name)
        return {"string": self.sentence(name), "integer": 1, "number": 1.5, "boolean": True, "null": None}.get(str(kind))

    def object(self, schema: dict[str, Any]) -> dict[str, Any]:
        properties = schema.get("properties", {})
        if "fact_ids" in properties:
            self.take_facts()
        return {name: self.value(child, name) for name, child in properties.items()}

    def array(self, schema: dict[str, Any], name: str) -> list[Any]:
        if name == "fact_ids":
            return list(self.handles)
        if name == "compares":
            return []
        if name == "sections":
            return [self.in_section(section, schema["items"]) for section in self.task.get("sections", [{}]) if section.get("required", True)]
        if name == "paragraphs" and self.section.get("kind") == "risks":
            return [self.about_risk(handle, schema["items"]) for handle in self.task.get("must_cite") or [None]]
        if name == "steps":
            return [self.about_step(handle, schema["items"]) for handle in self.task.get("steps_must_cite") or [None]]
        return [self.value(schema["items"], name)]

    def in_section(self, section: dict[str, Any], schema: dict[str, Any]) -> Any:
        self.section = section
        return self.value(schema, "section")

    def about_risk(self, handle: str | None, schema: dict[str, Any]) -> Any:
        self.risk = handle
        value = self.value(schema, "paragraph")
        self.risk = None
        return value

    def about_step(self, handle: str | None, schema: dict[str, Any]) -> Any:
        self.section, self.risk = {"kind": "steps"}, handle
        value = self.value(schema, "step")
        self.risk = None
        return value

    def take_facts(self) -> None:
        if self.risk is not None:
            self.handles = [self.risk]
        else:
            shown = [fact["handle"] for fact in self.facts if fact.get("unit") not in ("text", None)]
            self.handles = [shown[self.counter % len(shown)]] if shown else []
            self.counter += 1
        if self.mode == "stranger":
            self.handles = ["F60"]

    def choice(self, options: list[Any], name: str) -> Any:
        if name == "kind" and self.section.get("kind") in options:
            return self.section["kind"]
        if name == "kind" and "risk" in options:
            return "risk" if self.risk is not None and self.section.get("kind") == "risks" else "finding"
        return options[-1] if name == "due_relative" else options[0]

    def sentence(self, name: str) -> str:
        label = {fact["handle"]: str(fact.get("label", "value")).lower() for fact in self.facts}
        lie = " That is roughly 80% of the seats, or $120,000 a year." if self.mode == "liar" else ""
        if name == "title":
            return "A plan for {{F01}}"
        slots = [f"the {label.get(handle, 'value')} is {{{{{handle}}}}}" for handle in self.handles]
        if name == "action":
            return ("Go through what the facts say with the customer: " + slots[0] if slots else "Go through the facts with the customer") + lie
        if name == "success_measure":
            return "The customer has agreed what each of us does next"
        return (f"For this account {slots[0]}." if slots else "The facts of this account are given with this plan.") + lie


def _task(body: dict[str, Any]) -> dict[str, Any]:
    text = " ".join(_texts(message.get("content")) for message in body["messages"] if message["role"] == "user")
    match = re.search(r"<task>\s*(\{.*?\})\s*</task>", text, re.S)
    return json.loads(match[1]) if match else {}


def _texts(content: Any) -> str:
    return content if isinstance(content, str) else " ".join(block.get("text", "") for block in content or [])


def _thinks(body: dict[str, Any]) -> bool:
    return body["model"].endswith("5-5") and (body.get("thinking") or {}).get("type") != "disabled"


def _cached_prefix(body: dict[str, Any]) -> Any:
    system = body.get("system")
    marks = [index for index, block in enumerate(system) if block.get("cache_control")] if isinstance(system, list) else []
    return system[: marks[-1] + 1] if marks else None  # type: ignore[index]


def start_claude(emulator: Emulator, *, host: str = "127.0.0.1", port: int = 0) -> Any:
    """The emulator in a thread of this process; `.url` and `.stop()`. Refuses an address that is not loopback."""
    from vim_pipelines.sandbox.emulators.run import Server

    return Server(emulator.app(), host=host, port=port)


def main() -> None:
    """`python -m vim_pipelines.sandbox.claude_emulator`: prints its address and serves until stopped."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--mode", choices=MODES, default="good")
    parser.add_argument("--port-file", type=Path)
    options = parser.parse_args()
    server = start_claude(Emulator(mode=options.mode), port=options.port)
    if options.port_file:
        options.port_file.write_text(server.url)
    sys.stdout.write(server.url + "\n")
    sys.stdout.flush()
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        server.stop()


if __name__ == "__main__":
    main()
