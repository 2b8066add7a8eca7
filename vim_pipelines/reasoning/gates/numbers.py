"""Numbers, amounts and dates outside slots, in whatever writing: digits of any script, words, signs, letters that stand for digits."""

from __future__ import annotations

from collections.abc import Iterator

from vim_pipelines.reasoning.gates import words


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
    match = words.LETTER_DIGITS.search(folded) or words.ROMAN_NUMERALS.search(folded) or words.CAPITAL_DIGITS.search(folded)
    if match:
        yield "digit", f"letters that stand for a number: {match[0]!r}"
    for name, pattern in (("number_word", words.NUMBER_WORDS), ("currency", words.CURRENCY_WORDS), ("month", words.MONTH_WORDS), ("month", words.DAY_WORDS)):
        hit = next((match for variant in words.variants(folded) if (match := pattern.search(variant))), None)
        if hit is not None:
            yield name, f"the word {hit[0]!r} outside a slot"
    match = words.CAPITAL_MONTHS.search(folded)
    if match:
        yield "month", f"the word {match[0]!r} outside a slot"
