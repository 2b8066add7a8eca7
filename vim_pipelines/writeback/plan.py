"""What a write would change: the record as it stands against the record as it should be, field by field.

Pure, and the only place that knows when two values of a CRM are the same: a CRM gives back 45000 for '45000.00', trims text, and
writes a moment in its own form. Without this a write would be sent every night, and every read-back would look like a failure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}")


@dataclass(frozen=True)
class FieldChange:
    """One field and its value before and after. `before` is None for a new record and for an empty field."""

    field: str
    before: Any
    after: Any

    def __str__(self) -> str:
        return f"{self.field}: {_shown(self.before)} -> {_shown(self.after)}"


def changes(before: Mapping[str, Any] | None, proposed: Mapping[str, Any]) -> list[FieldChange]:
    """The fields of `proposed` that differ from `before` (None: there is no record), in the order of `proposed`."""
    current = before or {}
    return [FieldChange(name, current.get(name), value) for name, value in proposed.items() if not same(current.get(name), value)]


def conflicts(current: Mapping[str, Any] | None, expected: Mapping[str, Any] | None, proposed: Mapping[str, Any]) -> list[FieldChange]:
    """Fields that somebody else changed since the proposal: neither as `expected` then, nor as proposed now.

    `expected` None means that no record was there. A record that is gone is a conflict too, if there was one.
    """
    if current is None:
        return [] if expected is None else [FieldChange(name, expected.get(name), None) for name in proposed]
    known = expected or {}
    return [
        FieldChange(name, known.get(name), current.get(name))
        for name, value in proposed.items()
        if not same(current.get(name), value) and not same(current.get(name), known.get(name))
    ]


def same(left: Any, right: Any) -> bool:
    """Whether two field values mean the same to a CRM."""
    left, right = _plain(left), _plain(right)
    if left is None or right is None:
        return left is right
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, Decimal) or isinstance(right, Decimal):
        return _number(left) == _number(right) and _number(left) is not None
    if isinstance(left, datetime) and isinstance(right, datetime):
        return left.replace(microsecond=left.microsecond // 1000 * 1000) == right.replace(microsecond=right.microsecond // 1000 * 1000)
    return bool(left == right)


def _plain(value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float | Decimal):
        return Decimal(str(value))
    if isinstance(value, datetime):
        return _utc(value)
    if isinstance(value, date):
        return value.isoformat()
    text = str(value)
    if MOMENT.match(text):
        try:
            return _utc(datetime.fromisoformat(text))
        except ValueError:
            pass
    # A text area comes back without trailing blanks and with the line ends of whoever stored it.
    lines = [line.rstrip() for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    return "\n".join(lines).strip() or None


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)


def _number(value: Any) -> Decimal | None:
    try:
        return value if isinstance(value, Decimal) else Decimal(str(value))
    except InvalidOperation:
        return None


def _shown(value: Any) -> str:
    if value is None or value == "":
        return "(empty)"
    text = " ".join(str(value).split())
    return text if len(text) <= 60 else text[:57] + "..."
