"""What no text of ours holds whoever reads it: links, markup, text that speaks to a model, another script or language."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vim_pipelines.reasoning.gates import words
from vim_pipelines.reasoning.gates.base import HOLE

_MARKUP = re.compile(r"[\n\r\t\x00-\x08\x0b-\x1f#`|<>*_\\\[\]]")


def unfit(bare: str) -> Iterator[tuple[str, str]]:
    """(gate, what) for `bare`, a text with a hole for each slot."""
    folded = words.fold(bare)
    match = words.LINKS.search(folded.casefold())
    if match:
        yield "link", f"a link, an address or a mention: {match[0]!r}"
    match = words.STEERING.search(folded.casefold())
    if match:
        yield "steering", f"text that speaks to a model: {match[0]!r}"
    if _MARKUP.search(bare):
        yield "markup", "markup or control characters: the layout is printed by code"
    letter = words.strange_character(re.sub(r"[\n\r\t]", " ", bare.replace(HOLE, "")))
    if letter is not None:
        yield "language", f"the character {letter!r}, which no text of ours needs"
    elif not words.looks_english(folded):
        yield "language", "not written in English"
    plain = folded.replace(HOLE, "")
    hidden = words.hides_letters(plain)
    if hidden is not None:
        yield "language", f"letters that hide a word: {hidden!r}"
    sentence = words.foreign_sentence(plain) or words.foreign_spelling(bare.replace(HOLE, ""))
    if sentence is not None:
        yield "language", f"another language: {sentence!r}"
