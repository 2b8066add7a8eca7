"""A draft as text that a person edits, and back. Pure.

Figures stay bound: a value stands in the text as `{{F12: 98 people}}`, code prints it again afterwards, and what somebody types over it is
refused by name. What a paragraph rests on, and what it compares, is written above it, because the gates will ask for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from pydantic import ValidationError

from vim_pipelines.reasoning.gates import SLOT, Finding
from vim_pipelines.reasoning.render import ROLE_WORDS
from vim_pipelines.reasoning.schema import DraftDocument, ParagraphKind, RelativeDue, SectionKind

#: Far above what the gates let through; a text of megabytes is not read line by line first.
LONGEST_TEXT = 60_000
STEPS = "Steps"
#: A new paragraph that says nothing of itself.
DEFAULT_KIND = "explanation"

_HEADINGS: dict[str, str] = {kind.replace("_", " "): kind for kind in get_args(SectionKind)}
_DUES: dict[str, str] = {due.replace("_", " "): due for due in get_args(RelativeDue)}
_ROLES = {role: role for role in ROLE_WORDS} | {words.casefold(): role for role, words in ROLE_WORDS.items()}
_BOUND = re.compile(r"\{\{\s*(F\d{2})\s*(?::([^{}]*))?\}\}")
_MARK = re.compile(r"\[([^\[\]]*)\]")
_HANDLE = re.compile(r"F\d{2}\b")
_STEP = re.compile(r"\d{1,3}[.)]\s+(.*)")
_FIELDS = {"owner": "owner_role", "due": "due", "done when": "success_measure", "rests on": "fact_ids"}


@dataclass(frozen=True)
class Read:
    """What a person's text says: the document, or why there is none. `findings` name the place."""

    document: DraftDocument | None
    findings: tuple[Finding, ...]


def editable_text(structured: Mapping[str, Any], facts: Iterable[Mapping[str, Any]]) -> str:
    """The draft as text: title, headings, paragraphs with what they rest on in brackets above, steps. `read_text` gives the same draft back."""
    shown = _shown(facts)
    lines = [f"# {_bind(structured['title'], shown)}", ""]
    for section in structured["sections"]:
        lines += [f"## {section['kind'].replace('_', ' ').capitalize()}", ""]
        for paragraph in section["paragraphs"]:
            compares = [f"{item['left']} {item['relation']} {item['right']}" for item in paragraph["compares"]]
            mark = "; ".join([paragraph["kind"], *([f"rests on {', '.join(paragraph['fact_ids'])}"] if paragraph["fact_ids"] else []), *compares])
            text = _bind(paragraph["text_with_slots"], shown)
            lines += [f"[{mark}]", ("\\" if text.startswith(("#", "[", "\\")) else "") + text, ""]
    lines += [f"## {STEPS}", ""]
    for number, step in enumerate(structured["steps"], 1):
        due = step["due_relative"].replace("_", " ") if step["due_relative"] else _bind(f"{{{{{step['due_fact']}}}}}", shown) if step["due_fact"] else ""
        lines += [
            f"{number}. {_bind(step['action'], shown)}",
            f"   Owner: {ROLE_WORDS[step['owner_role']]}",
            f"   Due: {due}",
            f"   Done when: {_bind(step['success_measure'], shown)}",
            *([f"   Rests on: {', '.join(step['fact_ids'])}"] if step["fact_ids"] else []),
            "",
        ]
    return "\n".join(lines).rstrip() + "\n"


def read_text(text: str, facts: Iterable[Mapping[str, Any]]) -> Read:
    """The draft that a person's text says. Findings for what is no part of the form, a value typed over its slot, or an unknown slot."""
    if len(text) > LONGEST_TEXT:
        return Read(None, (Finding("length", f"{len(text)} characters, at most {LONGEST_TEXT}", "document"),))
    facts = list(facts)
    reader = _Reader(_shown(facts), frozenset(str(fact["handle"]) for fact in facts if fact.get("handle")))
    for number, line in enumerate(text.replace("\x00", "").splitlines(), 1):
        reader.line(number, line.strip())
    return reader.result()


@dataclass
class _Reader:
    """Takes the lines of a text one after the other."""

    shown: Mapping[str, str]
    known: frozenset[str]
    title: str | None = None
    sections: list[dict[str, Any]] = field(default_factory=list)
    steps: list[dict[str, Any]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    _in_steps: bool = False
    _paragraph: dict[str, Any] | None = None
    _field: str = "action"

    def line(self, number: int, line: str) -> None:
        where = f"line {number}"
        if line.startswith("## "):
            self._heading(line[3:].strip(), where)
        elif line.startswith("# "):
            if self.title is not None:
                self.findings.append(Finding("markup", "there is a title already", where))
            self.title, self._paragraph = self._unbind(line[2:], where), None
        elif not line:
            self._paragraph = None
        elif self._in_steps:
            self._step(line, where)
        elif not self.sections:
            self.findings.append(Finding("markup", "text before the first heading: put it under one", where))
        else:
            self._text(line, where)

    def result(self) -> Read:
        if self.title is None:
            self.findings.append(Finding("markup", "the title is missing: a first line that begins with '# '", "title"))
        for number, step in enumerate(self.steps, 1):
            self._finish(step, f"step {number}")
        if self.findings:
            return Read(None, tuple(self.findings))
        try:
            return Read(DraftDocument.model_validate({"title": self.title, "sections": self.sections, "steps": self.steps}), ())
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            return Read(None, (Finding("markup", first["msg"], ".".join(str(part) for part in first["loc"])),))

    def _heading(self, words: str, where: str) -> None:
        self._paragraph, name = None, " ".join(words.casefold().split())
        self._in_steps = name == STEPS.casefold()
        if self._in_steps:
            return
        if name not in _HEADINGS:
            self.findings.append(Finding("unknown_section", f"there is no section '{words[:60]}'; there are {', '.join(_HEADINGS)}", where))
        self.sections.append({"kind": _HEADINGS.get(name, "summary"), "paragraphs": []})

    def _text(self, line: str, where: str) -> None:
        mark = _MARK.fullmatch(line) if self._paragraph is None else None
        if self._paragraph is None:
            self._paragraph = {"text_with_slots": "", "fact_ids": [], "compares": [], "kind": DEFAULT_KIND}
            self.sections[-1]["paragraphs"].append(self._paragraph)
        if mark is not None:
            self._marked(mark[1], where)
            return
        known = self._paragraph
        text = self._unbind(line[1:] if line.startswith("\\") and not known["text_with_slots"] else line, where)
        known["text_with_slots"] = f"{known['text_with_slots']} {text}".strip()
        known["fact_ids"] += [handle for handle in dict.fromkeys(SLOT.findall(text)) if handle not in known["fact_ids"]]

    def _marked(self, mark: str, where: str) -> None:
        """`finding; rests on F01, F12; F12 below F13`"""
        paragraph = self._paragraph
        assert paragraph is not None
        for part in (part.strip() for part in mark.split(";")):
            words = part.split()
            if part in get_args(ParagraphKind):
                paragraph["kind"] = part
            elif part.casefold().startswith("rests on "):
                paragraph["fact_ids"] += self._handles(part[len("rests on ") :], where)
            elif len(words) == 3 and all(self._handles(word, where) for word in (words[0], words[2])):
                paragraph["compares"].append({"left": words[0], "relation": words[1], "right": words[2]})
            elif part:
                self.findings.append(Finding("markup", f"'{part[:60]}' is no kind of paragraph, no facts it rests on, and no comparison", where))

    def _step(self, line: str, where: str) -> None:
        begun = _STEP.fullmatch(line)
        if begun is not None:
            self.steps.append({"action": self._unbind(begun[1], where), "success_measure": "", "owner_role": "", "due": "", "fact_ids": []})
            self._field = "action"
            return
        if not self.steps:
            self.findings.append(Finding("markup", "a step begins with its number: '1. What is to be done'", where))
            return
        name, colon, rest = line.partition(":")
        if colon and name.strip().casefold() in _FIELDS:
            self._field = _FIELDS[name.strip().casefold()]
            line = rest.strip()
        step = self.steps[-1]
        if self._field == "fact_ids":
            step["fact_ids"] += self._handles(line, where)
        else:
            step[self._field] = f"{step[self._field]} {self._unbind(line, where)}".strip()

    def _finish(self, step: dict[str, Any], where: str) -> None:
        role, due = _ROLES.get(step["owner_role"].casefold()), step.pop("due")
        if role is None:
            self.findings.append(Finding("markup", f"'{step['owner_role'][:60]}' is no owner; there are {', '.join(ROLE_WORDS.values())}", where))
        fact = SLOT.fullmatch(due)
        relative = _DUES.get(" ".join(due.casefold().replace("_", " ").split()))
        if due and fact is None and relative is None:
            self.findings.append(Finding("due", f"'{due[:60]}' is no due date; write the slot of a date, or {', '.join(_DUES)}", where))
        step |= {"owner_role": role or "csm", "due_fact": fact[1] if fact else None, "due_relative": relative}
        slots = SLOT.findall(f"{step['action']} {step['success_measure']}")
        step["fact_ids"] += [handle for handle in dict.fromkeys(slots) if handle not in step["fact_ids"]]

    def _handles(self, words: str, where: str) -> list[str]:
        handles = _HANDLE.findall(words)
        unknown = [handle for handle in handles if handle not in self.known]
        if unknown or not handles:
            self.findings.append(Finding("unknown_fact", f"'{words[:60]}' names no fact of this draft", where))
        return handles

    def _unbind(self, line: str, where: str) -> str:
        """`{{F12: 98 people}}` becomes `{{F12}}`, if the value is the one that the fact has."""

        def bare(match: re.Match[str]) -> str:
            handle, typed = match[1], match[2]
            if handle not in self.shown:
                self.findings.append(Finding("unknown_fact", f"{handle} is no known fact of this draft", where))
            elif typed is not None and _plain(typed) != _plain(self.shown[handle]):
                what = f"the value of {handle} is '{self.shown[handle]}' and is printed by code; it cannot be typed as '{typed.strip()[:60]}'"
                self.findings.append(Finding("slot", f"{what}. If it is wrong, dispute the fact", where))
            return f"{{{{{handle}}}}}"

        text = _BOUND.sub(bare, line)
        rest = SLOT.sub("", text)
        if "{" in rest or "}" in rest:
            self.findings.append(Finding("slot", "a slot is broken; it reads {{F12}} or {{F12: value}}", where))
        return " ".join(text.split())


def _shown(facts: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """By handle: the value of each known fact."""
    return {str(fact["handle"]): str(fact["shown"]) for fact in facts if fact.get("handle") and fact.get("shown") is not None}


def _bind(text: str, shown: Mapping[str, str]) -> str:
    def bound(match: re.Match[str]) -> str:
        value = shown.get(match[1])
        return f"{{{{{match[1]}: {_plain(value)}}}}}" if value else match[0]

    return SLOT.sub(bound, " ".join(text.split()))


def _plain(value: str) -> str:
    return " ".join(value.replace("{", "(").replace("}", ")").split())
