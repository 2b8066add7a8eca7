"""Canonical records to typed rows, or to quarantine with a reason.

A wrong row must neither stop the night nor reach a sum, and must be findable the next morning: it is kept as it came, with the
reason. What is implausible but well-formed (a renewal before its start) is not judged here: the models say 'invalid' for it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from vim_pipelines.core.dates import utc_moment
from vim_pipelines.core.hashing import sha256_json
from vim_pipelines.ingestion.mapping import DELETED, MODIFIED
from vim_pipelines.portfolio.entities import ColumnType, Entity
from vim_pipelines.portfolio.model import as_word

#: Clocks differ: a source may be this much ahead of ours before a time counts as being in the future.
CLOCK_TOLERANCE = timedelta(minutes=10)
#: A date is the day of whoever wrote it, and the first time zone is fourteen hours ahead of UTC.
MOST_AHEAD = timedelta(hours=14)
#: Columns that tell of something that happened. Others (a planned meeting, a due date) may well lie ahead, and so may a contact's last
#: contact: Salesforce's LastActivityDate is the due date of an activity. A sponsor must not be set aside for it; the gates warn instead.
PAST_ONLY = {
    "ticket": ("opened_at", "solved_at"),
    "ticket_event": ("occurred_at",),
    "survey_response": ("responded_at",),
    "training_completion": ("completed_at",),
    "task": ("created_on", "completed_on"),
    "milestone": ("measured_on",),
    "reference": ("consented_on", "given_on"),
}


@dataclass(frozen=True)
class Row:
    """A typed row of one entity. `values` has every canonical column; `modified_at` is the source's own time, naive UTC, or None."""

    key: str
    values: dict[str, Any]
    modified_at: datetime | None
    is_deleted: bool
    content_hash: str


@dataclass(frozen=True)
class Rejected:
    """A row that was set aside. `reason` is a word of the vocabulary below, `detail` says it for this row, `row_json` is the row as it was mapped.

    Reasons: type_error, missing_required, value_not_allowed, future_timestamp, conflicting_duplicate.
    """

    row_key: str | None
    reason: str
    detail: str
    row_json: str


class _Wrong(ValueError):
    def __init__(self, reason: str, detail: str) -> None:
        self.reason, self.detail = reason, detail
        super().__init__(detail)


def coerce(entity: Entity, records: Iterable[Mapping[str, Any]], *, captured_at: datetime) -> tuple[list[Row], list[Rejected]]:
    """Typed rows and rejected rows of `records` (canonical names, plus MODIFIED and DELETED).

    The same row twice is one row. Two different contents for one key at one modification time are both rejected: nothing says
    which is right. The result does not depend on the order of the records.
    """
    columns = [(column.name, CONVERTERS[column.type], column.required, frozenset(column.allowed), column.type) for column in entity.columns]
    latest = captured_at + CLOCK_TOLERANCE
    by_moment: dict[tuple[str, datetime | None], dict[tuple[str, bool], tuple[Row, Mapping[str, Any]]]] = defaultdict(dict)
    rejected: dict[tuple[str | None, str, str], Rejected] = {}
    for record in records:
        try:
            row = _row(entity, columns, record, latest)
            by_moment[(row.key, row.modified_at)].setdefault((row.content_hash, row.is_deleted), (row, record))
        except _Wrong as wrong:
            _reject(rejected, record.get(entity.key), wrong.reason, wrong.detail, record)
    good: list[Row] = []
    for contents in by_moment.values():
        if len(contents) == 1:
            good.append(next(iter(contents.values()))[0])
            continue
        for row, record in contents.values():
            _reject(rejected, row.key, "conflicting_duplicate", f"{len(contents)} different rows with this key and modification time", record)
    good.sort(key=lambda row: (row.key, row.modified_at or datetime.min))
    return good, sorted(rejected.values(), key=lambda item: (item.row_key or "", item.reason, item.row_json))


def departures(outside: Iterable[tuple[Any, Any]], *, captured_at: datetime) -> dict[str, datetime]:
    """Key and moment of the records that the filter leaves out (`mapped_records`); what cannot be read as a key or a moment is left out too."""
    found: dict[str, datetime] = {}
    for key, modified in outside:
        try:
            text = to_text(key) if key is not None else None
            moment = captured_at if modified in (None, "") else to_timestamp(modified)
        except (ValueError, TypeError):
            continue
        if text is not None and moment is not None and moment <= captured_at + CLOCK_TOLERANCE:
            found[text] = max(moment, found.get(text, moment))
    return found


def _row(entity: Entity, columns: list[tuple[str, Any, bool, frozenset[str], ColumnType]], record: Mapping[str, Any], latest: datetime) -> Row:
    is_deleted = bool(record.get(DELETED))
    values: dict[str, Any] = {}
    for name, convert, is_required, allowed, kind in columns:
        raw = record.get(name)
        value = None
        if raw is not None and raw != "":
            try:
                value = convert(raw)
            except (ValueError, ArithmeticError, TypeError):
                raise _Wrong("type_error", f"{name}: {_shown(raw)} is not {_ARTICLE[kind]}") from None
        if value is None:
            # A deleted row often comes without its fields; its key is enough to end it.
            if is_required and (not is_deleted or name == entity.key):
                raise _Wrong("missing_required", f"{name} is empty")
        elif allowed and value not in allowed:
            raise _Wrong("value_not_allowed", f"{name}: {_shown(value)} is not among {', '.join(sorted(allowed))}")
        values[name] = value
    modified_at = None
    if record.get(MODIFIED) not in (None, ""):
        try:
            modified_at = to_timestamp(record[MODIFIED])
        except (ValueError, TypeError):
            raise _Wrong("type_error", f"modification time: {_shown(record[MODIFIED])} is not a timestamp") from None
        if modified_at > latest:
            raise _Wrong("future_timestamp", f"modified at {modified_at}, after it was read")
    for name in PAST_ONLY.get(entity.name, ()):
        value = values[name]
        if value is not None and value > (latest if isinstance(value, datetime) else (latest + MOST_AHEAD).date()):
            raise _Wrong("future_timestamp", f"{name} {values[name]} lies after the moment it was read")
    return Row(values[entity.key], values, modified_at, is_deleted, sha256_json(values))


def _reject(rejected: dict[tuple[str | None, str, str], Rejected], key: Any, reason: str, detail: str, record: Mapping[str, Any]) -> None:
    row_key = None if key in (None, "") else str(key)
    item = Rejected(row_key, reason, detail, json.dumps(record, sort_keys=True, default=str, ensure_ascii=False))
    rejected.setdefault((row_key, reason, item.row_json), item)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


# --- converters: each returns the typed value, None for 'not there', or raises -----------------------------------------

_ARTICLE = {
    "text": "text",
    "integer": "a whole number",
    "decimal": "a number",
    "rate": "a number",
    "boolean": "true or false",
    "date": "a date",
    "timestamp": "a timestamp",
}
_TRUE, _FALSE = frozenset({"true", "1", "yes", "y", "t"}), frozenset({"false", "0", "no", "n", "f"})
_FOUR_PLACES, _LARGEST = Decimal("0.0001"), Decimal(10) ** 14
_EIGHT_PLACES, _LARGEST_RATE = Decimal("0.00000001"), Decimal(10) ** 10


def to_text(value: Any) -> str | None:
    """Text as it is; blank text is 'not there'."""
    if isinstance(value, str):
        return value if value.strip() else None
    if isinstance(value, float) and value != value:
        return None
    return as_word(value) if isinstance(value, bool) else str(value)


def to_integer(value: Any) -> int | None:
    """A whole number; 12.0 is 12, 12.5 is an error."""
    if isinstance(value, int) and not isinstance(value, bool):
        number = value
    else:
        decimal = _number(value)
        if decimal is None:
            return None
        if decimal != decimal.to_integral_value():
            raise ValueError("not whole")
        number = int(decimal)
    if not -(2**63) <= number < 2**63:
        raise ValueError("too large")
    return number


def to_decimal(value: Any) -> Decimal | None:
    """A number with four places, half away from zero: the scale of amounts in the raw tables."""
    return _rounded(value, _FOUR_PLACES, _LARGEST)


def to_rate(value: Any) -> Decimal | None:
    """A number with eight places, half away from zero: the scale of exchange rates in the raw tables."""
    return _rounded(value, _EIGHT_PLACES, _LARGEST_RATE)


def _rounded(value: Any, places: Decimal, largest: Decimal) -> Decimal | None:
    decimal = _number(value)
    if decimal is None:
        return None
    rounded = decimal.quantize(places, rounding=ROUND_HALF_UP)
    if abs(rounded) >= largest:
        raise ValueError("too large")
    return rounded


def to_boolean(value: Any) -> bool | None:
    """true/false as a value, a word or 0/1."""
    word = as_word(value)
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    if not word:
        return None
    raise ValueError(word)


def to_date(value: Any) -> date | None:
    """A day; of a timestamp the day in UTC."""
    if isinstance(value, datetime):
        moment = to_timestamp(value)
        return moment.date() if moment else None
    if isinstance(value, date):
        return value
    text = str(value).strip()
    if not text:
        return None
    return date.fromisoformat(text) if len(text) == 10 else utc_moment(text).date()


def to_timestamp(value: Any) -> Any:
    """A moment in naive UTC; a time without an offset is taken as UTC."""
    if isinstance(value, datetime):
        if value != value:  # pandas NaT
            return None
        moment = value
    elif isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    else:
        text = str(value).strip()
        if not text:
            return None
        moment = utc_moment(text)
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool):
        raise ValueError("a truth value is not a number")
    if isinstance(value, Decimal):
        number = value
    else:
        text = str(value).strip()
        if not text or text.lower() == "nan":
            return None
        try:
            number = Decimal(text)
        except InvalidOperation:
            raise ValueError(text) from None
    if not number.is_finite():
        raise ValueError("not finite")
    return number


CONVERTERS: dict[ColumnType, Callable[[Any], Any]] = {
    "text": to_text,
    "integer": to_integer,
    "decimal": to_decimal,
    "rate": to_rate,
    "boolean": to_boolean,
    "date": to_date,
    "timestamp": to_timestamp,
}
