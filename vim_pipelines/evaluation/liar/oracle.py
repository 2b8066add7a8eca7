"""A second opinion on drafts whose lies nobody labelled: written from GUARDRAILS sections 1 to 3, with no word and no pattern of the gates.

It is coarser than the gates and only sees drafts that passed them: what it objects to is looked at by a person. A test holds it against
labelled lies, because an oracle that never objects would prove nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from vim_pipelines.evaluation.liar.mutations import NAMED, SLOT
from vim_pipelines.reasoning.facts import FactSheet, compare, show
from vim_pipelines.reasoning.schema import DraftDocument

_NUMBER_WORDS = re.compile(
    r"\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundreds?|thousands?|millions?|"
    r"dozens?|half|halves|thirds?|quarters? of|fifths?|tenths?|twice|thrice|double[sd]?|triple[sd]?|percent|per cent|pct)(?:-\w+)?\b", re.I,
)  # fmt: skip
_MONTHS = re.compile(
    r"\b(?:January|February|April|June|July|August|September|October|November|December|Jan|Feb|Sept|Oct|Nov|Dec|in March|by March|in May|by May)\b"
)
_MONEY = re.compile(r"\b(?:dollars?|euros?|pounds?|cents?|usd|eur|gbp|bucks|grand)\b", re.I)
_UP = re.compile(r"\b(?:rose|risen|rising|increas\w+|grew|grow\w*|climb\w+|improv\w+|more than|above|higher|exceed\w*)\b", re.I)
_DOWN = re.compile(r"\b(?:fell|fallen|falling|decreas\w+|declin\w+|dropp\w+|shrank|shrink\w*|less than|below|lower|fewer)\b", re.I)
_OFFERS = re.compile(
    r"\b(?:discount\w*|free of charge|no (?:extra )?(?:cost|charge)|refund\w*|waiv\w+|guarantee\w*|rebate\w*|price (?:lock|cap|freeze)|credit\w*|reimburs\w+|compensat\w+)\b", re.I
)  # fmt: skip
_RISKS: dict[str, re.Pattern[str]] = {
    "NOTICE_SERVED": re.compile(r"\b(?:given|served) notice\b|\bterminat\w+|\bcancel\w+ (?:the|their) contract", re.I),
    "SPONSOR_LOST": re.compile(r"\bsponsor (?:has )?left\b|\blost (?:the|our) sponsor", re.I),
    "MURI_AGED_P1": re.compile(r"\bcritical ticket|\boutage", re.I),
    "MURI_SLA": re.compile(r"\bmiss\w* (?:the )?service level|\bSLA breach", re.I),
    "free": re.compile(r"\b(?:competitor|bankrupt\w*|lawsuit|acqui(?:red|sition)|layoffs?|budget (?:cut|freeze)|churn\w*)\b", re.I),
}


def _texts(document: DraftDocument) -> Iterator[tuple[str, bool]]:
    """(text, whether its comparisons are declared) for every text."""
    yield document.title, False
    for section in document.sections:
        for paragraph in section.paragraphs:
            yield paragraph.text_with_slots, bool(paragraph.compares)
    for step in document.steps:
        yield step.action, False
        yield step.success_measure, False


def sentence_objections(text: str, is_compared: bool, part: FactSheet, rules: set[str]) -> list[str]:
    """What is wrong with one text of a draft; `rules` are the risks that the account has."""
    found = []
    bare = SLOT.sub(" ", text)
    odd = next((letter for letter in bare if unicodedata.numeric(letter, None) is not None or unicodedata.category(letter) in ("Sc", "Cf")), None)
    if odd is not None or "%" in bare:
        found.append(f"number: {odd or '%'!r} in {text!r}")
    for name, pattern in (("number", _NUMBER_WORDS), ("date", _MONTHS), ("amount", _MONEY), ("offer", _OFFERS)):
        hit = pattern.search(bare)
        if hit:
            found.append(f"{name}: {hit[0]!r} in {text!r}")
    for rule, pattern in _RISKS.items():
        hit = pattern.search(bare)
        if hit and rule not in rules:
            found.append(f"risk: {hit[0]!r} in {text!r}")
    found += [
        f"direction: {hit[0]!r} in {text!r}" for pattern in (_UP, _DOWN) if (hit := pattern.search(bare)) and not is_compared and len(SLOT.findall(text)) > 1
    ]
    for handle in SLOT.findall(text):
        fact = part.facts.get(handle)
        if fact is None or not fact.is_known:
            found.append(f"handle: {handle} in {text!r}")
        elif fact.metric in NAMED and not re.search(NAMED[fact.metric], bare, re.I):
            found.append(f"misplaced: {fact.metric} in {text!r}")
    return found


def objections(document: DraftDocument, part: FactSheet, full: FactSheet, requested_text: str) -> list[str]:
    """What is wrong with a draft that a person would be asked about; `requested_text` is what the request shows."""
    rules = {risk.scope for risk in full.risks}
    found = [objection for text, is_compared in _texts(document) for objection in sentence_objections(text, is_compared, part, rules)]
    for section in document.sections:
        for paragraph in section.paragraphs:
            for claim in paragraph.compares:
                if claim.left not in part.facts or claim.right not in part.facts or compare(part.facts[claim.left], part.facts[claim.right]) != claim.relation:
                    found.append(f"direction: {claim.left} {claim.relation} {claim.right}")
    return found + list(_unprinted(requested_text, document, part))


def _unprinted(text: str, document: DraftDocument, part: FactSheet) -> Iterator[str]:
    """Numbers of the text's prose that no slot of the draft printed."""
    printed: set[str] = set()
    for piece, _ in _texts(document):
        for handle in SLOT.findall(piece):
            value = show(part.facts[handle]) if handle in part.facts else None
            printed |= set(re.findall(r"\d[\d.,]*", value or ""))
    printed = {number.rstrip(".,") for number in printed}
    in_table = False
    for line in text.splitlines():
        in_table = in_table or line.startswith("|")
        if in_table or line.startswith(("*", "#", "   - Owner", "---")):
            continue
        for number in re.findall(r"\d[\d.,]*", re.sub(r"^\d+\. ", "", line)):
            if number.rstrip(".,") not in printed:
                yield f"number: {number} in {line!r} was printed by no slot"
