"""What a draft must pass before a person is asked about it: bound numbers, known facts, nothing internal to a customer, no promise.

Deterministic and fail closed: a draft with a finding is held, never requested. The offline drafter passes the same gates as a
language model. The rules are those of GUARDRAILS.md sections 1 and 2 (gate A); a false alarm costs a re-plan, a miss costs a
number nobody computed.

Judged is the text as written, with its slots; `check_names` looks at the names that will be printed in them, because the name of a
contact is somebody else's text too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from vim_pipelines.reasoning import words
from vim_pipelines.reasoning.facts import GROUP_HANDLES, Fact, FactSheet, compare

if TYPE_CHECKING:
    from vim_pipelines.reasoning.playbooks import Playbook
    from vim_pipelines.reasoning.schema import DraftDocument, Paragraph

Audience = Literal["internal", "customer"]

SLOT = re.compile(r"\{\{(F\d{2})\}\}")
#: Stands where a slot stood, so that words before and after it stay apart. A private-use character: no text of people holds it.
_HOLE = "\ue000"
MAX_TITLE, MAX_PARAGRAPH, MAX_STEP_TEXT = 160, 1200, 400
MAX_SECTIONS, MAX_STEPS, MAX_SLOTS = 9, 14, 14
COMMITMENT_DISTANCE = 12


@dataclass(frozen=True)
class Finding:
    """Why a draft is held: which gate, what it saw, where in the document."""

    gate: str
    what: str
    where: str

    def row(self) -> dict[str, Any]:
        """As JSON for the operations store."""
        return {"gate": self.gate, "what": self.what, "where": self.where}


@dataclass(frozen=True)
class Demands:
    """What a playbook wants of a document besides being true: sections, words, cited risks, a step for each group."""

    audience: Audience
    required_sections: tuple[str, ...] = ()
    allowed_sections: tuple[str, ...] = ()
    max_words: int = 1200
    cite_risks_from: str | None = None
    step_for_each_group: str | None = None


def check(document: DraftDocument, sheet: FactSheet, demands: Demands) -> list[Finding]:
    """All findings on `document`; `sheet` is the part of the facts that this document may see. Empty means it may be requested."""
    findings: list[Finding] = []
    findings += check_text(document.title, "title", demands.audience, sheet, limit=MAX_TITLE)
    for where, paragraph in _paragraphs(document):
        findings += check_text(paragraph.text_with_slots, where, demands.audience, sheet, limit=MAX_PARAGRAPH)
        findings += _declared(paragraph.text_with_slots, paragraph.fact_ids, where, sheet)
        findings += _directions(paragraph, where, sheet)
        if paragraph.kind == "risk" and not any(_metric(handle, sheet) == "risk" for handle in paragraph.fact_ids):
            findings.append(Finding("invented_risk", "a paragraph of kind risk cites no risk that a rule found", where))
    for number, step in enumerate(document.steps, 1):
        where = f"step {number}"
        for text in (step.action, step.success_measure):
            findings += check_text(text, where, demands.audience, sheet, limit=MAX_STEP_TEXT)
        findings += _declared(step.action + " " + step.success_measure, step.fact_ids, where, sheet)
        findings += _due(step.due_fact, step.due_relative, where, sheet)
        for text in (step.action, step.success_measure):
            if _direction_words(text):
                findings.append(Finding("direction", "a step may not state a direction: it carries no comparison", where))
    findings += _whole(document, sheet, demands)
    return findings


def check_text(text: str, where: str, audience: Audience, sheet: FactSheet, *, limit: int = MAX_PARAGRAPH) -> list[Finding]:
    """Findings on one piece of text with slots: numbers outside slots, slots that may not be used, links, length, and for a customer promises and internal words."""
    handles = SLOT.findall(text)
    bare = SLOT.sub(_HOLE, text)
    found = [Finding(gate, what, where) for gate, what in _numbers(bare)]
    found += [Finding(gate, what, where) for gate, what in _slots(text, bare, handles, audience, sheet)]
    found += [Finding(gate, what, where) for gate, what in _language(bare)]
    if audience == "customer":
        found += [Finding(gate, what, where) for gate, what in _promises(bare.replace(_HOLE, " slot "))]
    if not text.strip():
        found.append(Finding("length", "empty text", where))
    if len(text) > limit:
        found.append(Finding("length", f"{len(text)} characters, at most {limit}", where))
    if len(handles) > MAX_SLOTS:
        found.append(Finding("length", f"{len(handles)} facts in one text, at most {MAX_SLOTS}", where))
    return found


#: Values that people type into a CRM and that a draft prints. Names of customers, products and features are not judged: a customer may be
#: called Discount Tire or booking.com, and a feature billing.
_TYPED_BY_PEOPLE = ("champion_name", "sponsor_name", "csm_name")


def check_names(sheet: FactSheet, handles: Iterable[str], audience: Audience) -> list[Finding]:
    """Findings on the names of people among `handles`: somebody else's text that our code prints.

    'Bill Price' and 'Grant Cost' are people; 'we guarantee a discount' and 'see evil.example.com' are not.
    """
    found = []
    for handle in handles:
        fact = sheet.facts[handle]
        if fact.metric not in _TYPED_BY_PEOPLE or not fact.value_text:
            continue
        folded = words.fold(fact.value_text)
        hits = [("link", words.LINKS.search(folded.casefold())), ("steering", words.STEERING.search(folded.casefold()))]
        if audience == "customer":  # lower case: a noun, not a name
            hits += [("commitment", words.COMMERCIAL_NOUNS.search(folded)), ("commitment", words.COMMITMENT_PHRASES.search(folded))]
            hits += [("internal_word", words.INTERNAL_WORDS.search(folded))]
        found += [Finding(gate, f"{handle} ({fact.label}) reads {match[0]!r}", "a name from a source system") for gate, match in hits if match is not None]
    return found


def _numbers(bare: str) -> Iterator[tuple[str, str]]:
    """Anything that states a number, an amount or a date without a fact."""
    folded = words.fold(bare)
    for text in dict.fromkeys((bare, folded)):
        letter = words.has_numeric_character(text)
        if letter is not None:
            yield "digit", f"the character {letter!r} outside a slot"
            break
    sign = words.currency_sign(bare) or words.currency_sign(folded)
    if sign is not None:
        yield "currency", f"the sign {sign!r} outside a slot"
    match = words.LETTER_DIGITS.search(folded) or words.ROMAN_NUMERALS.search(folded)
    if match:
        yield "digit", f"letters that stand for a number: {match[0]!r}"
    for name, pattern in (("number_word", words.NUMBER_WORDS), ("currency", words.CURRENCY_WORDS), ("month", words.MONTH_WORDS)):
        hit = next((match for variant in words.variants(folded) if (match := pattern.search(variant))), None)
        if hit is not None:
            yield name, f"the word {hit[0]!r} outside a slot"
    match = words.CAPITAL_MONTHS.search(folded)
    if match:
        yield "month", f"the word {match[0]!r} outside a slot"


def _slots(text: str, bare: str, handles: Sequence[str], audience: Audience, sheet: FactSheet) -> Iterator[tuple[str, str]]:
    if "{" in bare or "}" in bare:
        yield "slot", "braces that are not a slot of the form {{F12}}"
    if re.search(rf"[\w\-+~≈<>×*/.,]{_HOLE}|{_HOLE}[\w+~≈×*/]|{_HOLE}[.,]\w|{_HOLE}\s*{_HOLE}", bare):
        yield "slot", "a slot with something glued to it"
    match = words.HEDGE_BEFORE_SLOT.search(text)
    if match:
        yield "hedge", f"a value is exact, but the text says {match[0]!r}"
    for handle in dict.fromkeys(handles):
        fact = sheet.facts.get(handle)
        if fact is None:
            yield "unknown_handle", f"{handle} is not a fact of this document for this account"
            continue
        if not fact.is_known:
            yield "unknown_fact", f"{handle} ({fact.label}) has the status {fact.status}"
        yield from _may_show(fact, audience)
    yield from _money_labels(text, sheet)


def _may_show(fact: Fact, audience: Audience) -> Iterator[tuple[str, str]]:
    if audience != "customer":
        return
    if fact.sensitivity != "shareable":
        yield "internal_fact", f"{fact.handle} ({fact.label}) is internal"
    if fact.is_money and (fact.fact_class != "contracted" or fact.sensitivity != "shareable"):
        yield "money", f"{fact.handle} ({fact.label}) is an amount that is not both contracted and shareable"


#: The two money figures differ by headroom; a sentence that prints one must say which. (metric, words, name)
_MONEY_FAMILIES = (
    ("unused_value_annual", re.compile(r"\b(?:unused|idle|not in use|nobody uses|without a user)\b", re.I), "unused seats"),
    ("waste_annual", re.compile(r"\b(?:right[- ]size|right size|headroom|gap)\b", re.I), "the right-size gap with headroom"),
)


def _money_labels(text: str, sheet: FactSheet) -> Iterator[tuple[str, str]]:
    for sentence in _sentences(text):
        metrics = {fact.metric for handle in SLOT.findall(sentence) if (fact := sheet.facts.get(handle)) is not None}
        for metric, family, name in _MONEY_FAMILIES:
            if metric in metrics and not family.search(sentence):
                yield "money_label", f"a sentence shows {metric} without saying that it is {name}"


def _language(bare: str) -> Iterator[tuple[str, str]]:
    folded = words.fold(bare)
    match = words.LINKS.search(folded.casefold())
    if match:
        yield "link", f"a link, an address or a mention: {match[0]!r}"
    match = words.STEERING.search(folded.casefold())
    if match:
        yield "steering", f"text that speaks to a model: {match[0]!r}"
    if re.search(r"[\n\r\t\x00-\x08\x0b-\x1f#`|<>*_\\\[\]]", bare):
        yield "markup", "markup or control characters: the layout is printed by code"
    letter = words.foreign_letter(folded.replace(_HOLE, ""))
    if letter is not None:
        yield "language", f"the letter {letter!r} of another script"
    elif not words.looks_english(folded):
        yield "language", "not written in English"


def _promises(text: str) -> Iterator[tuple[str, str]]:
    folded = words.fold(text)
    for variant in words.variants(folded)[:2]:
        for sentence in _sentences(variant):
            phrase = words.COMMITMENT_PHRASES.search(sentence)
            if phrase:
                yield "commitment", f"the phrase {phrase[0]!r}"
                return
            pair = _near(sentence)
            if pair:
                yield "commitment", f"{pair[0]!r} near {pair[1]!r}"
                return
    # spaced-out and hyphenated readings are for the lexicon
    hit = next((match for variant in words.variants(folded) if (match := words.INTERNAL_WORDS.search(variant))), None)
    if hit is not None:
        yield "internal_word", f"the internal word {hit[0]!r}"


def _near(sentence: str) -> tuple[str, str] | None:
    """A commitment verb and a commercial noun within 12 words of each other."""
    starts = [match.start() for match in re.finditer(r"\S+", sentence)]

    def position(index: int) -> int:
        return sum(start <= index for start in starts)

    verbs = [(position(match.start()), match[0]) for match in words.COMMITMENT_VERBS.finditer(sentence)]
    nouns = [(position(match.start()), match[0]) for match in words.COMMERCIAL_NOUNS.finditer(sentence)]
    return next(((verb, noun) for at, verb in verbs for to, noun in nouns if at != to and abs(at - to) <= COMMITMENT_DISTANCE), None)


def _declared(text: str, fact_ids: Sequence[str], where: str, sheet: FactSheet) -> Iterator[Finding]:
    for handle in dict.fromkeys(SLOT.findall(text)):
        if handle not in fact_ids:
            yield Finding("undeclared_fact", f"{handle} stands in the text but not in fact_ids", where)
    for handle in dict.fromkeys(fact_ids):
        if handle not in sheet.facts:
            yield Finding("unknown_handle", f"{handle} in fact_ids is not a fact of this document for this account", where)


def _direction_words(sentence: str) -> set[str]:
    folded = words.fold(SLOT.sub(" slot ", sentence)).casefold()
    return {name for name, pattern in (("below", words.FALLING), ("above", words.RISING), ("equal", words.LEVEL)) if pattern.search(folded)}


def _directions(paragraph: Paragraph, where: str, sheet: FactSheet) -> Iterator[Finding]:
    """A comparison must be true, and a sentence with a direction word must show both facts of a comparison of that direction, in its order."""
    for item in paragraph.compares:
        left, right = sheet.facts.get(item.left), sheet.facts.get(item.right)
        actual = compare(left, right) if left is not None and right is not None else None
        if actual != item.relation:
            yield Finding(
                "direction", f"{item.left} is not {item.relation} {item.right}: " + (f"it is {actual}" if actual else "they cannot be compared"), where
            )
    for sentence in _sentences(paragraph.text_with_slots):
        for direction in sorted(_direction_words(sentence)):
            if not any(item.relation == direction and _reads_as(sentence, item.left, item.right, direction) for item in paragraph.compares):
                yield Finding("direction", f"a sentence says {direction!r} without a comparison of two facts that it shows in that order", where)


def _reads_as(sentence: str, left: str, right: str, direction: str) -> bool:
    """Whether the sentence says 'left is <direction> right': `{{left}} ... {{right}}`, or `from {{right}} to {{left}}`.

    Without the order, 'rose from sixty to forty' would pass with a true comparison.
    """
    order = SLOT.findall(sentence)
    if left not in order or right not in order:
        return False
    if direction == "equal":
        return True
    change = re.search(r"\bfrom\s+\{\{(F\d{2})\}\}.*?\bto\s+\{\{(F\d{2})\}\}", sentence, re.I)
    if change:
        return (change[1], change[2]) == (right, left)
    return order.index(left) < order.index(right)


def _due(due_fact: str | None, due_relative: str | None, where: str, sheet: FactSheet) -> Iterator[Finding]:
    if (due_fact is None) == (due_relative is None):
        yield Finding("due", "a step needs exactly one of due_fact and due_relative", where)
    if due_fact is not None:
        fact = sheet.facts.get(due_fact)
        if fact is None or not fact.is_known or fact.unit != "date":
            yield Finding("due", f"{due_fact} is not a known date of this account", where)


def _whole(document: DraftDocument, sheet: FactSheet, demands: Demands) -> Iterator[Finding]:
    kinds = [section.kind for section in document.sections]
    for kind in demands.required_sections:
        if kind not in kinds:
            yield Finding("missing_section", f"the section {kind} is missing", "document")
    for kind in dict.fromkeys(kinds):
        if demands.allowed_sections and kind not in demands.allowed_sections:
            yield Finding("unknown_section", f"the section {kind} does not belong to this document", "document")
        if kinds.count(kind) > 1:
            yield Finding("unknown_section", f"the section {kind} stands there twice", "document")
    if any(not section.paragraphs for section in document.sections):
        yield Finding("missing_section", "a section without a paragraph", "document")
    if not document.steps:
        yield Finding("missing_step", "the document has no step", "document")
    if len(document.steps) > MAX_STEPS or len(kinds) > MAX_SECTIONS:
        yield Finding("length", f"{len(document.steps)} steps and {len(kinds)} sections, at most {MAX_STEPS} and {MAX_SECTIONS}", "document")
    text = " ".join(paragraph.text_with_slots for _, paragraph in _paragraphs(document)) + " " + " ".join(step.action for step in document.steps)
    if len(text.split()) > demands.max_words:
        yield Finding("length", f"{len(text.split())} words, at most {demands.max_words}", "document")
    cited = {handle for _, paragraph in _paragraphs(document) for handle in paragraph.fact_ids} | {
        handle for step in document.steps for handle in step.fact_ids
    }
    if demands.cite_risks_from is not None:
        yield from _omitted_risks(cited, sheet, demands.cite_risks_from)
    if demands.step_for_each_group is not None:
        yield from _missing_group_steps(document, sheet, demands.step_for_each_group)


def _omitted_risks(cited: Iterable[str], sheet: FactSheet, severity: str) -> Iterator[Finding]:
    from vim_pipelines.core.severities import SEVERITIES

    named = set(cited)
    for risk in sheet.risks:
        if risk.detail in SEVERITIES[SEVERITIES.index(severity) :] and risk.handle not in named:
            yield Finding("omitted_risk", f"{risk.handle} ({risk.value_text}) is not mentioned", "document")


def _missing_group_steps(document: DraftDocument, sheet: FactSheet, metric: str) -> Iterator[Finding]:
    for group in sheet.groups:
        handle = GROUP_HANDLES[group][metric]
        fact: Fact | None = sheet.facts.get(handle)
        if fact is None or not fact.is_known or not fact.value_number:
            continue
        if not any(handle in step.fact_ids for step in document.steps):
            yield Finding("missing_step", f"no step takes up {handle} ({fact.label}, {fact.scope})", "document")


def _paragraphs(document: DraftDocument) -> Iterator[tuple[str, Paragraph]]:
    for section in document.sections:
        for number, paragraph in enumerate(section.paragraphs, 1):
            yield f"section {section.kind}, paragraph {number}", paragraph


def _metric(handle: str, sheet: FactSheet) -> str | None:
    fact = sheet.facts.get(handle)
    return None if fact is None else fact.metric


def _sentences(text: str) -> list[str]:
    return [part for part in re.split(r"(?<=[.!?;:])\s+", text) if part.strip()]


def rows(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Findings as JSON."""
    return [finding.row() for finding in findings]


def demands_of(playbook: Playbook) -> Demands:
    """What `playbook` demands of a document."""
    return Demands(
        audience=playbook.audience,
        required_sections=tuple(section.kind for section in playbook.sections if section.required),
        allowed_sections=tuple(section.kind for section in playbook.sections),
        max_words=playbook.max_words,
        cite_risks_from=playbook.cite_risks_from,
        step_for_each_group=playbook.step_for_each_group,
    )
