"""How keys and values go over the wire where vendors agree: path segments, JSON values, moments."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote


def path_segment(value: str) -> str:
    """`value` as one segment of a path. ValueError for dots alone, which would climb out of it."""
    if value.strip(".") == "":
        raise ValueError(f"{value!r} cannot be an id within an address")
    return quote(value, safe="")


def moment_text(value: date) -> str:
    """A day, or a naive UTC moment to the millisecond, as ISO text."""
    return value.isoformat(timespec="milliseconds") + "Z" if isinstance(value, datetime) else value.isoformat()


def json_value(value: Any) -> Any:
    """`value` for JSON that knows numbers: days and naive UTC moments as ISO text, decimals as numbers."""
    if isinstance(value, date):
        return moment_text(value)
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value
