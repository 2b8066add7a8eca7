"""Numbers, amounts and dates outside slots, in whatever writing: digits of any script, words, signs, letters that stand for digits."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vim_pipelines.reasoning.gates import words

_COUNTED = r"(?:seats?|users?|people|persons?|tickets?|colleagues|licen\w+|days|teams)"
#: Letters alone in the place of a count, where a word of English would not stand: 'CV seats', 'so seats', 'sI users'. Capitals of Rome are
#: abbreviations anywhere else; 'so' before a noun begins a clause only behind a comma, a stop or a joining word.
_LETTERS_FOR_A_COUNT = re.compile(
    rf"(?<![^\W_])(?!I\s)[IVXLCDM]+\s+{_COUNTED}\b|(?<![^\W_])(?!(?:so|solo|loss|Oslo|OSLO|ISO|SSO|OSS|SOS|OS|IO)\s)[oOlIsS|]{{2,}}\s+{_COUNTED}\b|"
    rf"(?<=[^\W_]\s)(?<!\band\s)(?<!\bor\s)(?<!\bbut\s)(?<!\bnot\s)(?<!\bif\s)(?<!\bdo\s)so\s+(?:seats?|users?|tickets?|licen\w+)\b"
)
#: Counts, shares and days without a number in them.
_ROUND_COUNTS = re.compile(rf"\bscores of\b|\b(?:every|each) (?:second|other) {_COUNTED}\b")
_ROUND_DAYS = re.compile(
    r"\b(?:in|within|by) (?:a|the|one) (?:fortnight|sennight)\b|\b(?:spring|summer|autumn|fall|winter) of\b|\bin the (?:spring|autumn|winter)\b"
)
#: 'Ask a handful of inspectors' says how many people to ask, not how many there are; of seats, users and tickets the facts have the count.
_ASKED = re.compile(
    rf"\b(?:ask|interview|invite|call|visit|meet|speak (?:to|with)|talk (?:to|with)|choose|pick|find|show|train) a handful of (?!{_COUNTED}\b)(?=[a-z])|"
    r"\b(?:ask|interview|invite|call|visit|meet|speak (?:to|with)|talk (?:to|with)) a handful of people who\b"
)

#: 'An hour saved on Monday' dates nothing; beside a word of an event or a duty the day of the week is a date.
_ON_A_WEEKDAY = re.compile(r"\bon (?:monday|tuesday|wednesday|thursday|friday|saturday|sunday)\b")
_EVENT = re.compile(
    r"\b(?:decid\w*|decision|due|must|end\w*|contract\w*|renew\w*|opt\w*|by|until|will|shall|would|can|meet\w*|call\w*|talk\w*|start\w*|begin\w*|began|send\w*|sent|deliver\w*|settl\w*|fall\w*|fell|"
    r"happen\w*|visit\w*|plan\w*|schedul\w*|ship\w*|expir\w*|sign\w*|clos\w*|answer\w*|repl\w*|com(?:e|es|ing)|came|date|day|deadline|notice|review\w*|workshop|training|we|they|you|he|she|let|ask|take\w*|"
    r"has|had|have|was|were|went|go|goes|hand\w*|get|last|next|leav\w*|left|stop\w*|lost)\b"
)


def _undated(bare: str) -> str:
    """`bare` without the weekdays that date nothing."""
    return "".join(_ON_A_WEEKDAY.sub(" ", part) if not _EVENT.search(part) else part for part in re.split(r"(?<=[.!?;:])", bare))


def stated(bare: str) -> Iterator[tuple[str, str]]:
    """(gate, what) for everything in `bare`, a text whose slots were taken out, that states a number, an amount or a date."""
    folded = words.fold(bare)
    for text in dict.fromkeys((bare, folded)):
        letter = words.has_numeric_character(text)
        if letter is not None:
            yield "digit", f"the character {letter!r} outside a slot"
            break
    sign = words.currency_sign(bare) or words.currency_sign(folded)
    if sign is not None:
        yield "currency", f"the sign {sign!r} outside a slot"
    match = (
        words.LETTER_DIGITS.search(folded) or words.ROMAN_NUMERALS.search(folded) or words.CAPITAL_DIGITS.search(folded) or _LETTERS_FOR_A_COUNT.search(folded)
    )
    if match:
        yield "digit", f"letters that stand for a number: {match[0]!r}"
    for name, pattern in (
        ("number_word", words.NUMBER_WORDS),
        ("currency", words.CURRENCY_WORDS),
        ("number_word", _ROUND_COUNTS),
        ("month", words.MONTH_WORDS),
        ("month", words.DAY_WORDS),
        ("month", _ROUND_DAYS),
    ):
        hit = next((match for variant in words.variants(folded) if (match := pattern.search(_undated(_ASKED.sub(" ", variant))))), None)
        if hit is not None:
            yield name, f"the word {hit[0]!r} outside a slot"
    match = words.CAPITAL_MONTHS.search(folded)
    if match:
        yield "month", f"the word {match[0]!r} outside a slot"
