"""Direction words: every 'fell', 'above' or 'unchanged' is a claim about two facts, and code checks the claim.

A true comparison somewhere in the paragraph is not enough: 'tickets rose from {{2}} to {{5}} and use rose from {{60}} to {{40}}' has
one. So each direction word is bound to the two slots that it speaks of, and those two must be compared, in that order, with that sign.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from vim_pipelines.reasoning.facts import Fact, FactSheet, compare
from vim_pipelines.reasoning.gates import words
from vim_pipelines.reasoning.gates.base import SLOT, Finding, sentences

if TYPE_CHECKING:
    from vim_pipelines.reasoning.schema import Paragraph

#: People who go are a fall of their number.
_LEAVING = re.compile(
    r"\b(?:turn(?:s|ed|ing)?|drift(?:s|ed|ing)?|walk(?:s|ed|ing)?|mov(?:e|es|ed|ing)) away from (?:the product|it|our product|the tool|the software)\b"
)
_WORDS = (("below", words.FALLING), ("below", _LEAVING), ("above", words.RISING), ("equal", words.LEVEL))
#: A change runs from the first metric to the second, whichever stands first in the sentence.
LATER = {
    "weekly_active_prior": "weekly_active_recent", "tickets_28d_before": "tickets_28d", "outcome_baseline": "outcome_measured", "pain_baseline": "pain_target",
}  # fmt: skip
_CHANGE = re.compile(r"\bfrom\s+\{\{(F\d{2})\}\}.{0,60}?\bto\s+\{\{(F\d{2})\}\}", re.I)


@dataclass(frozen=True)
class _Claim:
    """What a direction word says: `pairs` are the readings (left, right) of 'left is <relation> right'; none: it shows no two facts."""

    relation: str
    word: str
    pairs: tuple[tuple[str, str], ...]


def direction_words(text: str, sheet: FactSheet) -> list[str]:
    """The direction words of a text that state one, as they stand there, and orders of two values that do not hold."""
    return [*(claim.word for sentence in sentences(words.fold(text)) for claim in _claims(sentence, sheet)), *disordered(text, sheet)]


def untrue(paragraph: Paragraph, where: str, sheet: FactSheet) -> Iterator[Finding]:
    """Comparisons that do not hold, and direction words without a comparison of the two facts that they speak of."""
    for item in paragraph.compares:
        left, right = sheet.facts.get(item.left), sheet.facts.get(item.right)
        actual = compare(left, right) if left is not None and right is not None else None
        if actual != item.relation:
            known = f"it is {actual}" if actual else "they cannot be compared"
            yield Finding("direction", f"{item.left} is not {item.relation} {item.right}: {known}", where)
    compared: set[tuple[str, str, str]] = {(str(item.left), str(item.relation), str(item.right)) for item in paragraph.compares}
    compared |= {(right, _MIRROR[relation], left) for left, relation, right in compared}
    for what in disordered(paragraph.text_with_slots, sheet):
        yield Finding("direction", what, where)
    for sentence in sentences(words.fold(paragraph.text_with_slots)):
        for claim in _claims(sentence, sheet):
            if not any((left, claim.relation, right) in compared for left, right in claim.pairs) and not _is_level(claim, sheet):
                yield Finding(
                    "direction", f"{claim.word!r} says {claim.relation!r} without a comparison of two facts that the sentence shows in that order", where
                )


#: Words for a figure that hardly moves, which people say of 140 and 139; 'unchanged' and 'equal' are exact. As a share of the earlier value.
_HARDLY_MOVES = re.compile(r"(?:stable|steady|steadily|flat|constant)$")
_HARDLY = Decimal("0.02")


def _is_level(claim: _Claim, sheet: FactSheet) -> bool:
    """Whether the word says of two measurements of one thing, which the sentence shows, that they hardly differ, and they do not."""
    if _HARDLY_MOVES.match(claim.word) is None:
        return False
    for left, right in claim.pairs:
        first, last = sheet.facts.get(left), sheet.facts.get(right)
        if first is None or last is None or LATER.get(first.metric) != last.metric or not first.value_number or last.value_number is None:
            continue
        return abs(last.value_number - first.value_number) <= _HARDLY * first.value_number
    return False


#: A comparison between two values that stand on either side of it, whatever the draft lists: 'comes before', 'is more than the', 'outnumbers'.
_ORDERS_OF_DATES = (
    ("below", re.compile(r"\b(?:before|ahead of|precedes?|preceded|preceding|earlier than|prior to)\b(?! (?:that|it|this|then|which|them|him|her)\b)")),
    ("above", re.compile(r"\b(?:after|behind|follows|followed|later than|past)\b(?! (?:that|it|this|which|them|him|her|by)\b)")),
)
_ORDERS_OF_AMOUNTS = (
    ("above", re.compile(r"\b(?:(?:more|larger|greater|higher|bigger) than|exceed\w*|above|outnumber\w*|surpass\w*|outstrip\w*|tops|outweigh\w*)\b")),
    ("below", re.compile(r"\b(?:(?:less|fewer|smaller|lower) than|below|falls? short of|fell short of|lags? behind|trails?|short of)\b")),
)
_NEGATION = re.compile(r"(?:\bnot|\bno|\bnever|n't|\bnor)(?: \w+)? ?$")
#: Behind these the sentence speaks of something else than the value before them.
_TURN = re.compile(r"[;:.!?]|\b(?:and|but|while|whereas|because|so|if|when)\b")


def disordered(text: str, sheet: FactSheet) -> Iterator[str]:
    """Comparing words between two values of one unit that the values contradict: no entry in `compares` makes them true."""
    for sentence in sentences(words.fold(text)):
        slots = [(match, fact) for match in SLOT.finditer(sentence) if (fact := sheet.facts.get(match[1])) is not None]
        for (left, first), (right, second) in zip(slots, slots[1:], strict=False):
            actual = compare(first, second)
            if actual is None or first.unit == "text":
                continue
            between = sentence[left.end() : right.start()].casefold()
            for relation, pattern in _ORDERS_OF_DATES if first.unit == "date" else _ORDERS_OF_AMOUNTS:
                match = pattern.search(between)
                if match is None or _TURN.search(between):
                    continue
                is_denied = _NEGATION.search(between[: match.start()]) is not None
                if (actual == relation) == is_denied:
                    yield f"{first.handle} is not {'not ' if is_denied else ''}{relation} {second.handle}, as {match[0]!r} says: it is {actual}"


_MIRROR = {"below": "above", "above": "below", "equal": "equal"}


@lru_cache(maxsize=4096)
def _worded(plain: str, bare: str) -> tuple[list[tuple[int, int]], list[tuple[int, str, str]]]:
    """Where idioms stand that hold a direction word, and the direction words with what they say, in order. Remembered: sentences come again in every draft."""
    idioms = [match.span() for pattern in (words.NO_DIRECTION, _OF_THE_BUSINESS) for match in pattern.finditer(bare)]
    return idioms, sorted((match.start(), relation, match[0]) for relation, pattern in _WORDS for match in pattern.finditer(plain))


def _claims(sentence: str, sheet: FactSheet) -> Iterator[_Claim]:
    slots = [(match.start(), match[1]) for match in SLOT.finditer(sentence)]
    plain = sentence.casefold()
    bare = SLOT.sub(lambda match: "\ue000" * len(match[0]), plain)
    idioms, found = _worded(plain, bare)
    values = [at for at, handle in slots if (fact := sheet.facts.get(handle)) is not None and fact.unit not in ("text", "date")]
    for at, relation, word in found:
        if any(start <= at < end for start, end in idioms) or not _states(plain, at, word, values):
            continue
        yield _Claim(relation, word, _pairs(sentence, at, word, relation, slots, sheet))


#: A participle before a noun of the customer's own business, and a gerund that is the subject of what it would take: neither says how a figure moved.
_OF_THE_BUSINESS = re.compile(
    r"\b(?:growing|expanding|shrinking|rising|stable|steady) (?:chain|fleet|network|group|brand|crew|region|market|firm|organi[sz]ation|city|town|practice|hospital|school|shop|store)s?\b|"
    r"\b(?:growing|growth|falling behind|slowing down) (?:costs?|takes|needs|means|asks|requires|calls for)\b"
)
_UNREAL = re.compile(
    r"(?:\bto|\bhelp|\bhelps|\bshould|\bcould|\bcan|\bmay|\bmight|\bwould|\blet|\bmake|\bwhether|\bif|\bunless|\bbefore|\bso that|\bpeople who|\bneed not|\bnot) (?:(?:the|it|they|use|them|also|be|not|weekly|this|that) ){0,3}$"
)
_NEAR = 60


def _states(plain: str, at: int, word: str, values: list[int]) -> bool:
    """Whether the word says how a figure moved or stands. A wish, a condition or a turn of phrase far from any value does not."""
    is_change = words.CHANGES.match(word) is not None or _LEAVING.match(word) is not None
    if is_change and _UNREAL.search(plain[:at]) and not values:
        return False
    if is_change and values:
        return True
    if any(abs(value - at) <= _NEAR for value in values):
        return True
    start, end = max(plain.rfind(";", 0, at), plain.rfind(": ", 0, at)) + 1, plain.find(";", at)  # the figure's word stands in the same clause
    return is_change and words.FIGURE_WORDS.search(plain, start, end if end >= 0 else len(plain)) is not None


def _pairs(sentence: str, at: int, word: str, relation: str, slots: list[tuple[int, str]], sheet: FactSheet) -> tuple[tuple[str, str], ...]:
    change = next((match for match in _CHANGE.finditer(sentence, at)), None) or next((match for match in _CHANGE.finditer(sentence) if match.end() <= at), None)
    if change is not None:
        pair = (change[2], change[1])
        return () if _runs_backwards(change[1], change[2], sheet) else (pair,)
    before = [handle for start, handle in slots if start < at]
    after = [handle for start, handle in slots if start >= at]
    if relation == "equal":
        return tuple((left, right) for _, left in slots for _, right in slots if left != right)
    if before and after:
        pairs = [(before[-1], after[0])] + [(left, after[0]) for left in before[:-1]]
    elif len(after) >= 2:
        pairs = [(after[0], after[1])]
    elif len(before) >= 2:
        pairs = [(before[-2], before[-1])]
    else:
        return ()
    if words.CHANGES.match(word) or not (before and after):  # what changed is the later of two measurements, wherever it stands
        pairs = [_later_first(pair, sheet) for pair in pairs]
    return tuple(pairs[:1] if not words.CHANGES.match(word) else pairs[:2])


def _runs_backwards(start: str, end: str, sheet: FactSheet) -> bool:
    first, last = sheet.facts.get(start), sheet.facts.get(end)
    return first is not None and last is not None and LATER.get(last.metric) == first.metric


def _later_first(pair: tuple[str, str], sheet: FactSheet) -> tuple[str, str]:
    left: Fact | None = sheet.facts.get(pair[0])
    right: Fact | None = sheet.facts.get(pair[1])
    return (pair[1], pair[0]) if left is not None and right is not None and LATER.get(left.metric) == right.metric else pair
