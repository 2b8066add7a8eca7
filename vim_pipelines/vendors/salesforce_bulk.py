"""Reading CSV pages of Bulk API 2.0 back into records as the REST API would have given them.

A night that reads by Bulk and the next one by REST must find the same values, or every record would look changed: a number is a
number, nothing is null, whichever way it came.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any

#: Field types of `describe` whose JSON is not text.
WHOLE_TYPES = frozenset({"int", "long"})
NUMBER_TYPES = frozenset({"double", "currency", "percent"})
#: States of a query job in which there is nothing more to wait for.
FINAL_STATES = frozenset({"JobComplete", "Failed", "Aborted"})


def csv_records(text: str, header: list[str], types: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Records of one page; `header` is filled by the first page. A further page may repeat the header line or not: both are met.

    ValueError if a line has not as many values as the header has names, or a number is none.
    """
    rows = csv.reader(io.StringIO(text), strict=True)
    for row in rows:
        if not header:
            header.extend(row)
            continue
        if row == header:
            continue
        if len(row) != len(header):
            raise ValueError(f"line {rows.line_num} has {len(row)} values for {len(header)} fields")
        yield {name: typed_value(value, types.get(name, "")) for name, value in zip(header, row, strict=True)}


def typed_value(text: str, kind: str) -> Any:
    """A CSV value as the REST API's JSON has it, by the field's type of `describe`. Empty text is null: the CSV cannot tell them apart."""
    if text == "":
        return None
    if kind == "boolean":
        return text == "true"
    if kind in WHOLE_TYPES:
        return int(text)
    if kind in NUMBER_TYPES:
        return float(text)
    if kind == "datetime" and text.endswith("Z"):
        return text[:-1] + "+0000"
    return text
