"""What a handoff, a sales document or a contract tells, field by field, each with the exact words that say it.

By rule and without any model: labels and turns of phrase of handoff.yaml, and the contract terms of `contract_terms`. A label with
nothing or a placeholder behind it is a blank, which is not an answer. A model may add answers later (`merge`): its quote must stand in
the text and its value is read by code from that quote; where it differs from the rule, both are shown and a person decides.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from typing import Any, Literal

from vim_pipelines.lifecycle.contract_terms import RULES_VERSION, Duration, Extracted, Renewal, extract_terms
from vim_pipelines.lifecycle.handoff_matrix import Field, Matrix
from vim_pipelines.lifecycle.handoff_values import PERPETUAL, duration_of, is_same_numbers, name_words, numbers_by_product, parse, words_of

#: Changes with every change of a rule of this module: the same text is read again then, and not before.
READER_VERSION = "1"

Found = Literal["found", "blank", "open"]


@dataclass(frozen=True)
class Told:
    """What one document says of one field. `quote == text[start:end]`.

    found: `value` are the words, `written` the value as code reads it (None: words that nothing can be compared with).
    blank: the field is named and nothing stands there. open: the text speaks of it, and what it says cannot be told; `reason` says why.
    """

    field_id: str
    status: Found
    value: str | None
    written: str | None
    quote: str | None
    start: int | None
    end: int | None
    reason: str = ""


def version(matrix: Matrix) -> str:
    """Under which a reading is kept: another matrix, rule of this module or rule for contracts reads anew."""
    return f"{matrix.version}+{READER_VERSION}+{RULES_VERSION}"


def read_document(matrix: Matrix, kind: str, text: str) -> list[Told]:
    """What a document of this kind tells of the fields that may stand in it, in the order of the matrix; fields it is silent about have no row."""
    terms = extract_terms(text) if kind == "contract" and any(field.terms for field in matrix.fields) else {}
    told = []
    for field in matrix.fields:
        if kind not in field.sources:
            continue
        by_terms = _by_terms(field, terms)
        answer = by_terms if by_terms and by_terms.status == "found" else _by_cues(matrix, field, text) or by_terms
        if answer is not None:
            told.append(answer)
    return told


def _by_terms(field: Field, terms: Mapping[Any, Extracted]) -> Told | None:
    found = [terms[name] for name in field.terms if name in terms]
    answer = next((term for term in found if term.status == "found"), None)
    if answer is not None:
        return Told(field.field_id, "found", answer.value_text, _written(field, answer), answer.quote, answer.start, answer.end, answer.reason)
    spoken = next((term for term in found if term.quote), None)
    return Told(field.field_id, "open", None, None, spoken.quote, spoken.start, spoken.end, spoken.reason) if spoken else None


def _written(field: Field, answer: Extracted) -> str | None:
    value = answer.value
    if isinstance(value, Renewal):
        value = value.length
    if isinstance(value, Duration):
        return f"{value.count} {value.unit}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"={value}"
    return value.isoformat() if isinstance(value, date) else PERPETUAL if value is not None else None


#: Marks of a text that is no word of it: bold, code, table, list.
_MARKS = " \t\r*_`|>#"
_MARK = r"[*_`]{0,3}"
#: A line that begins another field or part: what stands behind it is not the answer to the label before it.
_OTHER = re.compile(r"[ \t>*_|\d.)\-\u2022]{0,12}[A-Za-z][\w /&'-]{0,40}[*_`]{0,3}[ \t]*:")
_HEADING = re.compile(r"[ \t]*[#|]")
_SENTENCE_END = re.compile(r"(?<!\b[A-Z])(?<!\b(?:Mr|Ms|Dr|St|Co|No))(?<!\b(?:Mrs|Inc|Ltd|e\.g|i\.e))[.!?](?=[\s\"')]|$)|\n[ \t]*\r?\n|\n[ \t]*[-*\u2022#|]")


@dataclass(frozen=True)
class _Spot:
    """A cue in the text: from..to are the characters of the cue with its sign."""

    start: int
    end: int
    is_label: bool


def _by_cues(matrix: Matrix, field: Field, text: str) -> Told | None:
    """The first answer that a cue leads to; without one, the first blank or unreadable place."""
    instead: Told | None = None
    for spot in _spots(field, text):
        start, end = (spot.end, _value_end(matrix, text, spot)) if spot.is_label else _sentence(text, spot)
        value = _words(text[start:end]) if spot.is_label else _behind(field, text, spot, start, end)
        first, last = _tight(text, spot.start if spot.is_label else start, end)
        quote = text[first:last]
        told = Told(
            field.field_id,
            "found",
            value,
            parse(field.value, quote if field.value in ("yes_no", "duration") and not spot.is_label else value),
            quote,
            first,
            last,
        )
        if _is_placeholder(matrix, value) or (field.value == "person" and told.written is None):
            instead = instead or replace(told, status="blank", value=None, written=None, reason="named, and nothing stands there")
        elif told.written is None:
            instead = instead or replace(told, status="open", value=None, reason=f"no {field.value.replace('_', ' or ')} can be read from it")
        else:
            return told
    return instead


def _spots(field: Field, text: str) -> list[_Spot]:
    """Where the field's cues stand, in the order of the text."""
    inline, alone, phrase = _patterns(field.cues)
    found = [_Spot(match.start("cue"), match.end(), True) for pattern in (inline, alone) if pattern for match in pattern.finditer(text)]
    found += [_Spot(match.start(), match.end(), False) for match in phrase.finditer(text)] if phrase else []
    return sorted(found, key=lambda spot: (spot.start, -spot.end))


@lru_cache(maxsize=256)
def _patterns(cues: tuple[str, ...]) -> tuple[re.Pattern[str] | None, re.Pattern[str] | None, re.Pattern[str] | None]:
    """Labels with a colon, anywhere; labels with another sign or alone, at the beginning of a line; turns of phrase."""
    labels = [cue.rstrip(": ") for cue in cues if cue.endswith(":")]
    phrases = [cue for cue in cues if not cue.endswith(":")]
    flags = re.IGNORECASE | re.MULTILINE
    return (
        re.compile(rf"(?<!\w)(?P<cue>{_any(labels)}){_MARK}[ \t]*:{_MARK}", flags) if labels else None,
        re.compile(rf"^[ \t>#*_|`\d.)\-\u2022]{{0,12}}(?P<cue>{_any(labels)}){_MARK}[ \t]*(?:[|=]|[-\u2013\u2014](?=\s)|(?=\r?$))", flags) if labels else None,
        re.compile(rf"(?<!\w)(?:{_any(phrases)})(?!\w)", flags) if phrases else None,
    )


@lru_cache(maxsize=8)
def _all_labels(matrix: Matrix) -> re.Pattern[str]:
    labels = [cue.rstrip(": ") for field in matrix.fields for cue in field.cues if cue.endswith(":")]
    return re.compile(rf"(?<!\w)(?:{_any(labels)}){_MARK}[ \t]*:", re.IGNORECASE)


def _any(words: list[str]) -> str:
    return "|".join(r"[ \t]+".join(re.escape(part) for part in word.split()) for word in sorted(words, key=len, reverse=True))


def _value_end(matrix: Matrix, text: str, spot: _Spot) -> int:
    """Where the answer to a label ends: with its line, or before the next label of it; for a label alone on its line, with the paragraph or list below."""
    line_end = _line_end(text, spot.end)
    other = _all_labels(matrix).search(text, spot.end, line_end)
    end = other.start() if other else line_end
    if text[spot.end : end].strip(_MARKS + ".:") or other:
        return end
    at, is_below = line_end, False
    # Below a heading everything up to the next one is its text, also lines that look like labels ("core: 40 seats").
    is_heading = text.rfind("#", text.rfind("\n", 0, spot.start) + 1, spot.start) >= 0
    while at < len(text):
        following = _line_end(text, at + 1)
        line = text[at + 1 : following]
        if not line.strip(_MARKS):
            # One empty line may stand between a heading and its text.
            if is_below or at != line_end:
                break
        elif _HEADING.match(line) or (_OTHER.match(line) and not is_heading) or _all_labels(matrix).match(line.lstrip(_MARKS + "-\u2022")):
            break
        else:
            is_below, end = True, following
        at = following
    return end


def _line_end(text: str, start: int) -> int:
    end = text.find("\n", start)
    return len(text) if end < 0 else end


def _sentence(text: str, spot: _Spot) -> tuple[int, int]:
    start = max((match.end() for match in _SENTENCE_END.finditer(text, max(0, spot.start - 1000), spot.start)), default=max(0, spot.start - 1000))
    end = _SENTENCE_END.search(text, spot.end, min(len(text), spot.end + 1000))
    return start, (end.end() if text[end.start()] in ".!?" else end.start()) if end else min(len(text), spot.end + 1000)


def _behind(field: Field, text: str, spot: _Spot, start: int, end: int) -> str:
    """What a sentence says by a turn of phrase: the words behind it; where there are none, the words before it, if they can be the answer."""
    behind = _words(text[spot.end : end])
    before = _words(text[start : spot.start])
    if field.value == "person" and field.cues and text[spot.start : spot.end].lower().startswith("holds"):
        return before
    if not re.search(r"\w", behind) and field.value == "yes_no":
        return _words(text[start:end])
    return behind


def _words(text: str) -> str:
    """The words without the marks around them, in one line."""
    return " ".join(text.split()).strip(_MARKS + ".:,;")


def _tight(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _is_placeholder(matrix: Matrix, value: str) -> bool:
    plain = value.lower().strip(" .:,;*_<>[](){}\"'")
    return plain in matrix.placeholders or not re.search(r"\w", plain) or bool(re.fullmatch(r"\W*(?:insert|enter|fill in|please add|add)\b[^.]{0,40}", plain))


@dataclass(frozen=True)
class ModelAnswer:
    """What a language model says a document tells of one field: the value in words, and the words of the document that say it."""

    field_id: str
    value: str
    quote: str


@dataclass(frozen=True)
class Merged:
    """A field of a document after both have read it. `conflicting`: both have an answer and the two differ; nobody but a person chooses.

    `read_by`: rule, model or both. `model` is None where the model's answer does not count, and `reason` says why.
    """

    status: Literal["found", "blank", "open", "absent", "conflicting"]
    read_by: Literal["rule", "model", "both"]
    rule: Told | None
    model: Told | None
    reason: str = ""


def merge(field: Field, rule: Told | None, answer: ModelAnswer | None, text: str) -> Merged:
    """A rule's result and a model's. The model may fill what the rule left open; it never replaces what the rule found.

    Its quote must stand in the text (blanks aside), and its value must follow from the quote by code: for numbers, dates and yes or no
    the quote is read again, words must be words of the quote.
    """
    alone = Merged(rule.status if rule else "absent", "rule", rule, None)
    if answer is None:
        return alone
    place = re.search(r"\s+".join(re.escape(part) for part in answer.quote.split()), text) if answer.quote.split() else None
    if place is None:
        return replace(alone, reason="the model's quote does not stand in the text")
    written = parse(field.value, answer.value)
    if field.value in ("text", "person", "products"):
        is_proven = bool(words_of(answer.value)) and set(words_of(answer.value)) <= set(words_of(answer.quote))
    else:
        is_proven = written is not None and _is_same(field, parse(field.value, answer.quote), written)
    if not is_proven:
        return replace(alone, reason="the model's value does not follow from its quote")
    model = Told(field.field_id, "found", answer.value, written, place.group(), place.start(), place.end(), "read by a language model")
    if rule is None or rule.status != "found":
        return Merged("found", "model", rule, model, "the rule left it open")
    if _is_same(field, rule.written, written):
        return Merged("found", "both", rule, model)
    return Merged("conflicting", "both", rule, model, f"the rule reads {rule.value!r}, the model {answer.value!r}")


def _is_same(field: Field, first: str | None, second: str | None) -> bool:
    if first is None or second is None:
        return False
    match field.value:
        case "duration" | "period" if (one := duration_of(first)) and (other := duration_of(second)):
            return one.is_same_length(other)
        case "seats" | "price":
            return is_same_numbers(first, numbers_by_product(second), 0.0) is True
        case "person":
            return bool(name_words(first) & name_words(second))
        case "text" | "products":
            # Two cuts of the same words say the same; different words about one thing are for a person to read.
            one_words, other_words = set(words_of(first)), set(words_of(second))
            return one_words <= other_words or other_words <= one_words
    return first == second
