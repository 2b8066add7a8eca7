"""The one way to turn a value into bytes and the bytes into an identity.

Row versions, drafts, approvals and outbox keys are all compared by these hashes; a second way to hash would make an
approval refuse the very text it was given for.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any


def canonical_json(value: Any) -> str:
    """Text of `value` that is the same for equal values: sorted keys, no blanks, dates in ISO form, decimals without trailing zeros.

    Accepts None, bool, int, float, str, Decimal, date, datetime, mappings and sequences; raises TypeError for anything else,
    and ValueError for NaN or infinity (unknown is None, never NaN). Aware datetimes are written in UTC.
    """
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def sha256_text(text: str) -> str:
    """Hex sha256 of the UTF-8 bytes of `text`."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def sha256_json(value: Any) -> str:
    """Hex sha256 of `canonical_json(value)`."""
    return sha256_text(canonical_json(value))


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    if isinstance(value, Decimal):
        return _decimal_text(value)
    if isinstance(value, datetime):
        aware = value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
        return aware.isoformat(timespec="microseconds") + "Z"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_plain(item) for item in value]
    raise TypeError(f"canonical_json cannot hold a {type(value).__name__}")


def _decimal_text(value: Decimal) -> str:
    if not value.is_finite():
        raise ValueError("canonical_json cannot hold a decimal that is not finite")
    text = format(value, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text
