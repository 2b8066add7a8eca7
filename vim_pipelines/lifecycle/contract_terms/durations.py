"""Lengths of time as contracts write them: "sixty (60) days", "one-year periods", "12 months", "thirty-six (36) calendar months".

A length whose word and figure differ ("thirty (60) days") is found but has no value: nobody may pick one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from vim_pipelines.lifecycle.contract_terms.terms import Duration, Unit

_SMALL = (
    ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
)  # fmt: skip
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
NUMBERS = {word: value for value, word in enumerate(_SMALL, start=1)} | {word: value * 10 for value, word in enumerate(_TENS, start=2)} | {"hundred": 100}
_WORD = "(?:" + "|".join(sorted([*NUMBERS, "fourty"], key=len, reverse=True)) + ")"
WORDS = rf"{_WORD}(?:(?:-| |- | and ){_WORD}){{0,4}}"
_KIND = r"(?:full|calendar|consecutive|complete|whole|contract|additional|successive|more|further)"
LENGTH = re.compile(
    rf"(?<![\w.$-])(?:(?P<words>{WORDS}) ?-? ?(?:\( ?(?P<figure>\d{{1,4}}) ?\)?)?|\(?(?P<digits>\d{{1,4}})\)? ?(?:\( ?(?P<spelt>{WORDS}) ?\)|(?P<spelt2>{WORDS}))?\)?|(?P<half>half (?:an? |of an? )?|one[ -]half )|(?P<article>an?))"
    rf"[ -]{{0,3}}(?:(?P<business>business|working|trading|banking)[ -])?(?:{_KIND}[ -]){{0,2}}\(?(?P<unit>day|week|month|quarter|year)(?:\(s\)|s)?(?!\w)"
)


@dataclass(frozen=True)
class Length:
    """A length in the text; `value` is None where it cannot be told, and `why` says why."""

    start: int
    end: int
    value: Duration | None
    why: str = ""


def lengths(low: str, start: int = 0, end: int | None = None) -> list[Length]:
    """The lengths of time in `low[start:end]` (lower case, single blanks), in order."""
    return [_length(match) for match in LENGTH.finditer(low, start, len(low) if end is None else min(end, len(low)))]


def number(words: str) -> int | None:
    """The number that words spell ("one hundred and eighty"), or None."""
    total, last = 0, 0
    for word in re.findall(r"[a-z]+", words):
        if word == "and":
            continue
        value = NUMBERS.get("forty" if word == "fourty" else word, 0)
        if value == 100:
            total, last = (total or 1) * 100, 100
        elif total and last and not (last >= 20 and value < 10) and last != 100:
            return None
        else:
            total, last = total + value, value
    return total or None


def _length(match: re.Match[str]) -> Length:
    spelt, figure = match["words"] or match["spelt"] or match["spelt2"], match["figure"] or match["digits"]
    by_word, by_figure = number(spelt) if spelt else None, int(figure) if figure else None
    if match["half"]:
        return Length(match.start(), match.end(), Duration(6, "month") if match["unit"] == "year" else None, "" if match["unit"] == "year" else "half a unit")
    if match["article"]:
        by_word = 1
    if by_word is not None and by_figure is not None and by_word != by_figure:
        return Length(match.start(), match.end(), None, f"the words say {by_word}, the figure {by_figure}")
    count = by_figure or by_word
    if not count:
        return Length(match.start(), match.end(), None, "no number")
    if match["business"]:
        return Length(match.start(), match.end(), None, "business days are not a fixed number of days")
    return Length(match.start(), match.end(), duration(count, match["unit"]))


def duration(count: int, unit: str) -> Duration:
    """`count` of a unit of the text as days, months or years."""
    known: dict[str, tuple[int, Unit]] = {"day": (1, "day"), "week": (7, "day"), "month": (1, "month"), "quarter": (3, "month"), "year": (1, "year")}
    factor, base = known[unit]
    return Duration(count * factor, base)
