"""Slots: their form, whether the account has the fact, whether it is known, whether this reader may see it, whether it was declared."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from vim_pipelines.reasoning.facts import Fact, FactSheet
from vim_pipelines.reasoning.gates import words
from vim_pipelines.reasoning.gates.base import HOLE, SLOT, Audience, Finding

_GLUED = re.compile(rf"[\w\-+~≈<>×*/.,]{HOLE}|{HOLE}[\w+~≈×*/]|{HOLE}[.,]\w|{HOLE}{HOLE}")
#: Before an 'about' that opens a topic: 'speak with the resorts about {{F37}} free seats'. The number is not bent by it.
_TOPIC = re.compile(
    r"\b(?:speak|spoke|talk|talks|talked|ask|asks|tell|tells|told|think|write|wrote|hear|heard|know|agree|decide|remind|conversation|discussion|question|questions|meeting|"
    r"call|mail|e-mail|word|note|news)(?: (?:to|with))?(?: [^\W\d_]+){0,4} $",
    re.I,
)
_SIDE_BY_SIDE = re.compile(r"\{\{(F\d{2})\}\}\s+\{\{(F\d{2})\}\}")


def misused(text: str, bare: str, handles: Sequence[str], audience: Audience, sheet: FactSheet) -> Iterator[tuple[str, str]]:
    """(gate, what) for every slot of `text` that may not stand there; `bare` is the text with a hole for each slot."""
    if "{" in bare or "}" in bare:
        yield "slot", "braces that are not a slot of the form {{F12}}"
    if _GLUED.search(bare):
        yield "slot", "a slot with something glued to it"
    for match in _SIDE_BY_SIDE.finditer(text):
        first = sheet.facts.get(match[1])
        if first is None or first.unit not in ("text", "date"):  # 'In {{window}} {{users}} were at work' can be read, two numbers cannot
            yield "slot", "two values with nothing between them"
    for match in words.HEDGE_BEFORE_SLOT.finditer(words.fold(text)):
        if match[0].casefold().startswith("about") and _TOPIC.search(words.fold(text)[: match.start()]):
            continue
        hedged = sheet.facts.get(match[1])
        is_bent = hedged is None or hedged.unit not in ("text", "date") or words.HEDGE_OF_DATE.search(match[0][: -len("{{F00}}")])
        if is_bent:
            yield "hedge", f"a value is exact, but the text says {match[0]!r}"
            break
    for handle in dict.fromkeys(handles):
        fact = sheet.facts.get(handle)
        if fact is None:
            yield "unknown_handle", f"{handle} is not a fact of this document for this account"
            continue
        if not fact.is_known:
            yield "unknown_fact", f"{handle} ({fact.label}) has the status {fact.status}"
        yield from _may_show(fact, audience)


def _may_show(fact: Fact, audience: Audience) -> Iterator[tuple[str, str]]:
    if audience != "customer":
        return
    if fact.sensitivity != "shareable":
        yield "internal_fact", f"{fact.handle} ({fact.label}) is internal"
    if fact.is_money and (fact.fact_class != "contracted" or fact.sensitivity != "shareable"):
        yield "money", f"{fact.handle} ({fact.label}) is an amount that is not both contracted and shareable"


def undeclared(text: str, fact_ids: Sequence[str], where: str, sheet: FactSheet) -> Iterator[Finding]:
    """Slots that `fact_ids` leaves out, and handles in `fact_ids` that the account does not have."""
    for handle in dict.fromkeys(SLOT.findall(text)):
        if handle not in fact_ids:
            yield Finding("undeclared_fact", f"{handle} stands in the text but not in fact_ids", where)
    for handle in dict.fromkeys(fact_ids):
        if handle not in sheet.facts:
            yield Finding("unknown_handle", f"{handle} in fact_ids is not a fact of this document for this account", where)


def wrong_due(due_fact: str | None, due_relative: str | None, where: str, sheet: FactSheet) -> Iterator[Finding]:
    """A step is due by a known date of the account, or so long from now: never both, never neither."""
    if (due_fact is None) == (due_relative is None):
        yield Finding("due", "a step needs exactly one of due_fact and due_relative", where)
    if due_fact is not None:
        fact = sheet.facts.get(due_fact)
        if fact is None or not fact.is_known or fact.unit != "date":
            yield Finding("due", f"{due_fact} is not a known date of this account", where)
