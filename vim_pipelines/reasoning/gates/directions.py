"""Direction words: every 'fell', 'above' or 'unchanged' is a claim about two facts, and code checks the claim.

A true comparison somewhere in the paragraph is not enough: 'tickets rose from {{2}} to {{5}} and use rose from {{60}} to {{40}}' has
one. So each direction word is bound to the two slots that it speaks of, and those two must be compared, in that order, with that sign.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vim_pipelines.reasoning.facts import Fact, FactSheet, compare
from vim_pipelines.reasoning.gates import words
from vim_pipelines.reasoning.gates.base import SLOT, Finding, sentences

if TYPE_CHECKING:
    from vim_pipelines.reasoning.schema import Paragraph

_WORDS = (("below", words.FALLING), ("above", words.RISING), ("equal", words.LEVEL))
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


def direction_words(text: str) -> list[str]:
    """The direction words of a text, as they stand there."""
    folded = words.fold(SLOT.sub(" slot ", text)).casefold()
    return [match[0] for _, pattern in _WORDS for match in pattern.finditer(folded)]


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
    for sentence in sentences(paragraph.text_with_slots):
        for claim in _claims(sentence, sheet):
            if not any((left, claim.relation, right) in compared for left, right in claim.pairs):
                yield Finding(
                    "direction", f"{claim.word!r} says {claim.relation!r} without a comparison of two facts that the sentence shows in that order", where
                )


_MIRROR = {"below": "above", "above": "below", "equal": "equal"}


def _claims(sentence: str, sheet: FactSheet) -> Iterator[_Claim]:
    slots = [(match.start(), match[1]) for match in SLOT.finditer(sentence)]
    # folding keeps no positions, so words are looked for in the text as it stands; what only folding shows is a claim without a pair
    plain = sentence.casefold()
    found = [(match.start(), relation, match[0]) for relation, pattern in _WORDS for match in pattern.finditer(plain)]
    hidden = set(direction_words(sentence)) - {word for _, _, word in found}
    for word in sorted(hidden):
        relation = next(name for name, pattern in _WORDS if pattern.search(word))
        yield _Claim(relation, word, ())
    for at, relation, word in sorted(found):
        yield _Claim(relation, word, _pairs(sentence, at, word, relation, slots, sheet))


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
    if _CHANGES.match(word) or not (before and after):  # what changed is the later of two measurements, wherever it stands
        pairs = [_later_first(pair, sheet) for pair in pairs]
    return tuple(pairs[:1] if not _CHANGES.match(word) else pairs[:2])


_CHANGES = re.compile(
    r"(?:fell|fallen|dropped|declined|decreased|shrank|shrunk|slipped|slid|sank|dipped|eroded|rose|risen|grew|grown|increased|climbed|jumped|surged|doubled)$"
)


def _runs_backwards(start: str, end: str, sheet: FactSheet) -> bool:
    first, last = sheet.facts.get(start), sheet.facts.get(end)
    return first is not None and last is not None and LATER.get(last.metric) == first.metric


def _later_first(pair: tuple[str, str], sheet: FactSheet) -> tuple[str, str]:
    left: Fact | None = sheet.facts.get(pair[0])
    right: Fact | None = sheet.facts.get(pair[1])
    return (pair[1], pair[0]) if left is not None and right is not None and LATER.get(left.metric) == right.metric else pair
