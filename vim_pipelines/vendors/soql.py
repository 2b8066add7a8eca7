"""Values and names as SOQL text, so that no account name with a quote in it can change a query.

SOQL has no bind parameters over REST; this module is the only place that turns a value into query text.
Escapes follow 'Quoted String Escape Sequences' of the SOQL and SOSL Reference.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

from vim_pipelines.core.errors import VimError

SoqlValue = None | bool | int | float | str | Decimal | date | datetime

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)*")
_ESCAPES = {"\\": "\\\\", "'": "\\'", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}


def name(text: str) -> str:
    """`text` if it is an object or field name (dots allowed), else VIM-E012: names come from portfolio files."""
    if not _NAME.fullmatch(text):
        raise VimError("VIM-E012", f"{text!r} is not the name of a Salesforce object or field", fix="Correct the mapping in the portfolio file")
    return text


def literal(value: SoqlValue | Sequence[SoqlValue]) -> str:
    """`value` as a SOQL literal. Naive datetimes are UTC; a sequence becomes a list for IN."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return "'" + "".join(_ESCAPES.get(character, character) for character in value) + "'"
    if isinstance(value, datetime):
        if value.tzinfo is not None:
            raise ValueError("datetimes are naive UTC in this house")
        return value.isoformat(timespec="milliseconds") + "Z"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, int | float | Decimal):
        return format(Decimal(str(value)), "f")
    if not value:
        raise ValueError("an empty list has no SOQL form: IN () is an error")
    return "(" + ", ".join(literal(item) for item in value) + ")"


def select(object_name: str, fields: Sequence[str], where: str = "", order_by: str = "", limit: int | None = None) -> str:
    """A SELECT over checked names; `where` and `order_by` are text made with `name` and `literal`."""
    columns = ", ".join(name(column) for column in dict.fromkeys(fields))
    parts = [f"SELECT {columns} FROM {name(object_name)}"]
    parts += [f"WHERE {where}"] if where else []
    parts += [f"ORDER BY {order_by}"] if order_by else []
    parts += [f"LIMIT {int(limit)}"] if limit is not None else []
    return " ".join(parts)
