"""What an emulated model writes: JSON for the schema of the request, whoever serves it.

`good` uses the facts of the task as slots, `liar` invents numbers, `stranger` cites facts that the account does not have. A judge's
questions are answered with the verdicts that a test scripted (no to all others): an emulator has no judgement, and figures measured with
it are figures about the script.
"""

from __future__ import annotations

import json
import re
from typing import Any

from vim_pipelines.sandbox.claude_wire import Fault

__all__ = ["MODES", "Fault", "Verdicts", "broken", "content", "generate", "texts", "tokens"]

MODES = ("good", "liar", "stranger")
#: Scripted answers to a judge: category -> the span it quotes when it says yes. An empty span is a yes without a quotation.
Verdicts = dict[str, str]


def content(schema: dict[str, Any] | None, asked: str, mode: str, verdicts: Verdicts) -> str:
    """The text of an answer to `asked`: JSON for `schema`, or a word of prose without one."""
    if schema is None:
        return "pong"
    if _is_judgement(schema):
        said = {name: {"answer": "yes" if name in verdicts else "no", "quote": verdicts.get(name, "")} for name in schema["properties"]}
        return json.dumps(said, ensure_ascii=False)
    found = re.search(r"<task>\s*(\{.*?\})\s*</task>", asked, re.S)
    return json.dumps(generate(schema, json.loads(found[1]) if found else {}, mode), ensure_ascii=False)


def broken(text: str, kind: str | None) -> str:
    """What a content fault makes of a text."""
    if kind == "text":
        return "Here is the plan you asked for: the account is doing well."
    if kind == "bad_json":
        return text[: len(text) // 2] + " and so on"
    return json.dumps({"title": "A plan", "sections": "none"}) if kind == "wrong_schema" else text


def texts(content: Any) -> str:
    """All text of a message's content, whatever its form."""
    return content if isinstance(content, str) else " ".join(block.get("text", "") for block in content or [])


def _is_judgement(schema: dict[str, Any]) -> bool:
    def fields(child: dict[str, Any]) -> set[str]:
        reference = child.get("$ref") or next((part.get("$ref") for part in child.get("allOf", ())), None)
        return set((schema["$defs"][reference.rsplit("/", 1)[-1]] if reference else child).get("properties", {}))

    return bool(schema.get("properties")) and all(fields(child) == {"answer", "quote"} for child in schema["properties"].values())


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
