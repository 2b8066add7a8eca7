"""Dates as contracts write them, with blanks told apart from dates.

"the 5th day of May, 2005", "May 5, 2005", "5/5/05", "31 October 2019", and the unfinished ones of templates and drafts: "____ day of May 2005",
"[ ], 2020", "September __, 2018". An unfinished date is a finding of its own: it must stop a rule from reading the next date instead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december")
_MONTH = r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b\.?"
#: "first" to "thirty-first".
ORDINALS = [
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
    "fourteenth",
    "fifteenth",
    "sixteenth",
    "seventeenth",
    "eighteenth",
    "nineteenth",
    "twentieth",
    "twenty-first",
    "twenty-second",
    "twenty-third",
    "twenty-fourth",
    "twenty-fifth",
    "twenty-sixth",
    "twenty-seventh",
    "twenty-eighth",
    "twenty-ninth",
    "thirtieth",
    "thirty-first",
]
_ORDINAL = "(?:" + "|".join(word.replace("-", "[- ]") for word in sorted(ORDINALS, key=len, reverse=True)) + ")"
#: "1st", and "1s t" or "14t h" of a page that was scanned.
_SUFFIX = r"(?: ?(?:st|nd|rd|th|s t|n d|r d|t h)\b)?"
_DAY = rf"(?:[0-3]?\d{_SUFFIX}|{_ORDINAL}(?: ?\([0-3]?\d ?(?:st|nd|rd|th)?\))?)"
_YEAR = r"(?:19[5-9]\d|20\d\d)(?!\d)"
#: What stands where somebody was to write: "____", "[ ]", "[*]", "***", a bullet.
_BLANK = r"(?:_[_ ]{0,40}_|_|\[[^\]\w]{0,12}\]|\*[* ]{0,12}\*|\u2022|(?<!\.)\.{4,15}(?!\.)|\( {0,8}\))"
_OF = r"[,-]? ?(?:day,? ?)?(?:of,? ?)?(?:the )?"

#: Between the month and the year, and what careless pens put there.
_THEN = r"[ ,.'-]{0,3}(?:of |(?:in )?the year |a\.? ?d\.?,? ?)?"

_FULL = (
    re.compile(rf"\b(?P<month>{_MONTH})[ ,-]{{0,2}}(?P<day>{_DAY}){_THEN}(?P<year>{_YEAR})"),
    re.compile(rf"(?<![\d/.-])\(?(?P<day>{_DAY})\)?{_OF}(?:month of )?(?P<month>{_MONTH}){_THEN}(?P<year>{_YEAR})"),
    re.compile(r"(?<![\d/.,$-])(?P<a>\d{1,2})(?P<sep>[/.-])(?P<b>\d{1,2})(?P=sep)(?P<c>\d{4}|\d{2})(?![\d/-]|\.\d)"),
    re.compile(r"(?<![\d/.,$-])(?P<year>(?:19[5-9]|20\d)\d)-(?P<m>\d{2})-(?P<d>\d{2})(?!\d)"),
)
_SOME_YEAR = rf"(?:{_YEAR}|(?:19|20)? ?\d?{_BLANK})"
_PARTIAL = (
    re.compile(rf"(?:{_BLANK} ?)(?:st|nd|rd|th)?(?:,? ?day,? ?(?:of,? ?)?(?:{_MONTH}|{_BLANK})|,? ?(?:of )?{_MONTH}),? ?(?:of )?{_SOME_YEAR}"),
    re.compile(rf"\b(?:{_MONTH}) ?{_BLANK} ?(?:st|nd|rd|th)?,? ?{_SOME_YEAR}"),
    re.compile(rf"\b(?:{_MONTH}) ?{_DAY} ?, ?{_SOME_YEAR}"),
    re.compile(rf"{_DAY} day of (?:{_MONTH}|{_BLANK}),? ?{_SOME_YEAR}"),
    re.compile(rf"{_BLANK} ?, ?{_YEAR}"),
    re.compile(rf"\b(?:{_MONTH}),? ?(?:of )?{_YEAR}"),
    re.compile(rf"{_BLANK} ?/ ?{_BLANK} ?/ ?(?:{_YEAR}|\d\d|{_BLANK})"),
    re.compile(rf"\bday of (?:{_MONTH}|{_BLANK}),? ?{_SOME_YEAR}"),
)


@dataclass(frozen=True)
class Mention:
    """A date in the text; `value` is None for one that is unfinished, impossible or readable in two ways, and `why` says which."""

    start: int
    end: int
    value: date | None
    why: str = ""


def mentions(low: str, start: int = 0, end: int | None = None) -> list[Mention]:
    """The dates of `low[start:end]` (lower case, single blanks) in order, none overlapping another, finished ones first where they compete."""
    end = len(low) if end is None else min(end, len(low))
    found: list[Mention] = []
    for pattern in _FULL:
        found += [_finished(match) for match in pattern.finditer(low, start, end)]
    found = _apart(found)
    for pattern in _PARTIAL:
        found = _apart(found + [Mention(match.start(), match.end(), None, "partial date") for match in pattern.finditer(low, start, end)])
    return sorted(found, key=lambda mention: mention.start)


def _apart(found: list[Mention]) -> list[Mention]:
    kept: list[Mention] = []
    for mention in found:
        if all(mention.end <= other.start or mention.start >= other.end for other in kept):
            kept.append(mention)
    return kept


def _finished(match: re.Match[str]) -> Mention:
    groups = match.groupdict()
    if "month" in groups:
        year, month, day = int(groups["year"]), _month(groups["month"]), _day(groups["day"])
    elif "m" in groups:
        year, month, day = int(groups["year"]), int(groups["m"]), int(groups["d"])
    else:
        first, second = int(groups["a"]), int(groups["b"])
        year = int(groups["c"]) if len(groups["c"]) == 4 else int(groups["c"]) + (2000 if int(groups["c"]) < 50 else 1900)
        if groups["sep"] == "." and first <= 12 and second <= 12 and first != second:
            return Mention(match.start(), match.end(), None, "day and month can be read either way")
        # With strokes the American order is read (contracts filed in the United States), unless the first number cannot be a month.
        month, day = (second, first) if first > 12 else (first, second)
    try:
        return Mention(match.start(), match.end(), date(year, month, day))
    except ValueError:
        return Mention(match.start(), match.end(), None, "no such day")


def _month(word: str) -> int:
    return next(number for number, name in enumerate(MONTHS, start=1) if name.startswith(word.strip(".")[:3]))


def _day(word: str) -> int:
    digits = re.match(r"\d+", word)
    return int(digits.group()) if digits else ORDINALS.index(word.split("(")[0].strip().replace(" ", "-")) + 1
