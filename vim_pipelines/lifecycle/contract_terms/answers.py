"""The two ways to end a search: an answer with its quote, or open with a reason."""

from __future__ import annotations

from vim_pipelines.lifecycle.contract_terms.reading import Reading
from vim_pipelines.lifecycle.contract_terms.terms import Extracted, Field, Value


def found(field: Field, reading: Reading, start: int, end: int, value: Value | None, reason: str) -> Extracted:
    """An answer, proved by the characters start..end of `reading.flat`."""
    if value is None:
        raise ValueError(f"{field}: an answer needs a value")
    first, last = reading.original(start, end)
    return Extracted(field, "found", value, reading.text[first:last], first, last, reason)


def open_(field: Field, reason: str, reading: Reading | None = None, start: int | None = None, end: int | None = None) -> Extracted:
    """No answer, with the words that left it open if there are any."""
    if reading is None or start is None or end is None:
        return Extracted(field, "open", None, None, None, None, reason)
    first, last = reading.original(start, end)
    return Extracted(field, "open", None, reading.text[first:last], first, last, reason)
