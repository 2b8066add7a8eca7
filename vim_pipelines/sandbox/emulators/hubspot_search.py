"""HubSpot's search requests as SQL over the emulator's current rows.

Follows developers.hubspot.com 'Search the CRM' and the 2026-09 specification: filters of a group are joined by and, groups by or; at
most 5 groups of 6 filters and 18 in all, a body of 3,000 characters, one sort, 200 results a page, 10,000 a query (paging beyond is
HTTP 400), archived records never. Dates are compared as epoch milliseconds or ISO text; text is compared without case. Values of
`sorts` may be objects, as the guide shows them, or text, as the specification types them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from vim_pipelines.sandbox.emulators.hubspot_objects import OBJECT_ID, ObjectType, Property
from vim_pipelines.sandbox.emulators.state import STAMP, stamp_text

MOST_GROUPS, MOST_FILTERS, MOST_IN_ALL = 5, 6, 18
MOST_RESULTS, MOST_PER_PAGE, MOST_CHARACTERS = 10_000, 200, 3000
_COMPARISONS = {"EQ": "=", "NEQ": "<>", "LT": "<", "LTE": "<=", "GT": ">", "GTE": ">="}


class BadSearch(ValueError):
    """A search that HubSpot refuses, with its message."""


@dataclass(frozen=True)
class Search:
    """A search that was understood: condition with parameters, order, and the page asked for."""

    where: str
    parameters: tuple[Any, ...]
    order: str
    limit: int
    offset: int
    properties: tuple[str, ...]


def parse(kind: ObjectType, body: Any, size: int) -> Search:
    """The SQL of a search request of `size` characters, or BadSearch."""
    if size > MOST_CHARACTERS:
        raise BadSearch(f"The request body exceeds the maximum of {MOST_CHARACTERS} characters")
    if not isinstance(body, Mapping):
        raise BadSearch("Invalid input JSON: the body is not an object")
    groups = body.get("filterGroups") or []
    filters = [group.get("filters") or [] for group in groups]
    if len(groups) > MOST_GROUPS or any(len(items) > MOST_FILTERS for items in filters) or sum(map(len, filters)) > MOST_IN_ALL:
        raise BadSearch(f"A search takes {MOST_GROUPS} filterGroups with {MOST_FILTERS} filters each, {MOST_IN_ALL} in all")
    parameters: list[Any] = []
    anyof = []
    for items in filters:
        conditions = [_condition(kind, item, parameters) for item in items]
        anyof.append(" and ".join(conditions) or "1 = 1")
    limit, offset = _page(body)
    return Search(
        " or ".join(f"({text})" for text in anyof) or "1 = 1",
        tuple(parameters),
        _order(kind, body.get("sorts") or []),
        limit,
        offset,
        tuple(body.get("properties") or ()),
    )


def _page(body: Mapping[str, Any]) -> tuple[int, int]:
    try:
        limit, offset = int(body.get("limit", 10)), int(body.get("after") or 0)
    except (TypeError, ValueError):
        raise BadSearch("limit and after must be numbers") from None
    if not 0 < limit <= MOST_PER_PAGE:
        raise BadSearch(f"limit must be between 1 and {MOST_PER_PAGE}")
    if offset + limit > MOST_RESULTS:
        raise BadSearch(f"Paging beyond {MOST_RESULTS} results is not supported: after ({offset}) plus limit ({limit}) is too high")
    return limit, offset


def _order(kind: ObjectType, sorts: list[Any]) -> str:
    if len(sorts) > 1:
        raise BadSearch("Only one sort is supported")
    if not sorts:
        return '"created", "id"'
    sort = sorts[0]
    name = str(sort.get("propertyName", "")) if isinstance(sort, Mapping) else str(sort).removeprefix("-")
    is_down = (sort.get("direction") == "DESCENDING") if isinstance(sort, Mapping) else str(sort).startswith("-")
    text = column(kind, _known(kind, name))
    if kind.properties[name].type == "number" and name != OBJECT_ID:
        text = f"cast({text} as real)"
    return f'{text} {"desc" if is_down else "asc"}, "id"'


def _known(kind: ObjectType, name: str) -> Property:
    found = kind.properties.get(name)
    if found is None:
        raise BadSearch(f"There was a problem with the request: property '{name}' does not exist on {kind.singular}")
    return found


def column(kind: ObjectType, item: Property) -> str:
    """The quoted column that holds a property."""
    own = {OBJECT_ID: "id", kind.created: "created", kind.modified: STAMP}
    return f'"{own.get(item.name, item.name)}"'


def _condition(kind: ObjectType, item: Mapping[str, Any], parameters: list[Any]) -> str:
    found = _known(kind, str(item.get("propertyName")))
    name, operator = column(kind, found), str(item.get("operator"))
    is_number = found.type == "number" and found.name != OBJECT_ID
    left, right = (f"cast({name} as real)", "cast(? as real)") if is_number else (name, "?")
    if operator == "HAS_PROPERTY":
        return f"{name} is not null"
    if operator == "NOT_HAS_PROPERTY":
        return f"{name} is null"
    if operator in ("IN", "NOT_IN"):
        values = item.get("values") or []
        parameters += [_value(found, value) for value in values]
        return f"{left} collate nocase {'not ' if operator == 'NOT_IN' else ''}in ({', '.join([right] * len(values))})"
    if "value" not in item:
        raise BadSearch(f"operator {operator} requires a value")
    if operator == "BETWEEN":
        parameters += [_value(found, item["value"]), _value(found, item.get("highValue"))]
        return f"{left} between {right} and {right}"
    if operator in ("CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN"):
        # A token is a word; * stands for any characters.
        parameters.append(f"% {item['value']} %".replace("*", "%"))
        wanted = f"(' ' || coalesce({name}, '') || ' ') like ?"
        return wanted if operator == "CONTAINS_TOKEN" else f"not ({wanted})"
    if operator not in _COMPARISONS:
        raise BadSearch(f"Invalid operator {operator}")
    parameters.append(_value(found, item["value"]))
    # Only text is compared without case: a collation would keep SQLite from using the index on the modification time.
    return f"{left} {_COMPARISONS[operator]} {right}" + (" collate nocase" if found.type in ("string", "enumeration") else "")


def _value(item: Property, value: Any) -> Any:
    try:
        return stored(item, value)
    except ValueError:
        raise BadSearch(f"{value!r} is not a {item.type} value of property {item.name}") from None


def stored(item: Property, value: Any) -> Any:
    """A value off the wire as the emulator keeps it (datetimes as stamps); ValueError if it is none of the property's type."""
    if value is None or value == "":
        return None
    text = str(value).strip() if item.type != "string" else str(value)
    if item.type == "number" and item.name != OBJECT_ID:
        float(text)
        return text
    if item.type == "bool":
        if text.lower() not in ("true", "false"):
            raise ValueError(text)
        return text.lower()
    if item.type in ("date", "datetime"):
        moment = datetime.fromtimestamp(int(text) / 1000, UTC) if text.lstrip("-").isdigit() else datetime.fromisoformat(text)
        moment = moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)
        return moment.date().isoformat() if item.type == "date" else stamp_text(moment)
    return text
