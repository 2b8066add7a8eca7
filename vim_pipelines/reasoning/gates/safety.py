"""Draft Safety: nothing that binds us commercially, and nothing internal in a customer's text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vim_pipelines.reasoning.gates import words
from vim_pipelines.reasoning.gates.base import clauses

COMMITMENT_DISTANCE = 12


def promises(text: str) -> Iterator[tuple[str, str]]:
    """(gate, what) for commitments and internal words in a customer's text; slots stand as the word `slot`."""
    folded = words.fold(text)
    for variant in words.variants(folded)[:2]:
        for sentence in clauses(variant):
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
