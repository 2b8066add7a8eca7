"""Whether two warehouses hold the same mart: the one comparison behind the emulator's tests and `make parity-live`.

A test of totals passes while two rows have swapped their values; a test that compares text fails on the last bit of a double. So rows
are matched by the mart's stated grain and compared column by column: numbers in double precision to 1e-9 relative, everything else
(decimals, dates, whole numbers, text, booleans, NULL) exactly, its type included.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["RELATIVE_TOLERANCE", "Difference", "Mart", "compare", "marts_of", "summary"]

#: Largest relative difference of two doubles that still counts as equal: the order of a sum moves the last bits, nothing more.
RELATIVE_TOLERANCE = 1e-9

Row = Mapping[str, Any]
Kind = Literal["value", "missing row", "surplus row", "doubled row", "missing column", "surplus column"]


@dataclass(frozen=True)
class Mart:
    """One relation of the schema `marts`: its name, the columns that make a row unique, and whether it is a view."""

    name: str
    grain: tuple[str, ...]
    is_view: bool


@dataclass(frozen=True)
class Difference:
    """One thing in which `found` departs from `expected`. `key` holds the row's values of the grain; a column has no key."""

    mart: str
    kind: Kind
    key: tuple[Any, ...] = ()
    column: str | None = None
    expected: Any = None
    found: Any = None

    def __str__(self) -> str:
        place = f"{self.mart}{'.' + self.column if self.column else ''}"
        if self.kind != "value":
            return f"{place}: {self.kind} {self.key or ''}".rstrip()
        return f"{place} {self.key}: expected {self.expected!r}, found {self.found!r}"


def marts_of(manifest: Mapping[str, Any]) -> tuple[Mart, ...]:
    """Every model of the schema `marts` in a dbt manifest, with the grain that its test states; sorted by name.

    A model without a grain test (a view over another) has the grain `()`: its rows are compared as they are, by all their exact columns.
    """
    nodes: Iterable[Mapping[str, Any]] = manifest["nodes"].values()
    grains: dict[str, tuple[str, ...]] = {}
    for node in nodes:
        test = node.get("test_metadata") or {}
        if node["resource_type"] == "test" and test.get("name") == "grain":
            grains[str(node.get("attached_node"))] = tuple(str(column).lower() for column in test["kwargs"]["columns"])
    found = [
        Mart(node["name"], grains.get(node["unique_id"], ()), node["config"]["materialized"] == "view")
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["schema"] == "marts"
    ]
    return tuple(sorted(found, key=lambda mart: mart.name))


def compare(mart: str, grain: Sequence[str], expected: Sequence[Row], found: Sequence[Row], *, tolerance: float = RELATIVE_TOLERANCE) -> list[Difference]:
    """Every difference between two sets of rows of one mart, rows matched by `grain` (all columns but doubles where it is empty).

    Rows are mappings of column name to Python value, in any order. Doubles are equal within `tolerance` of the larger one, NaN equals NaN.
    """
    columns, others = (list(rows[0]) if rows else [] for rows in (expected, found))
    differences: list[Difference] = []
    if expected and found:
        differences += [Difference(mart, "missing column", column=name) for name in columns if name not in others]
        differences += [Difference(mart, "surplus column", column=name) for name in others if name not in columns]
    shared = [name for name in columns if name in others]
    inexact = {name for rows in (expected, found) for row in rows for name, value in row.items() if isinstance(value, float)}
    key_columns = tuple(grain) or tuple(name for name in (columns or others) if name not in inexact)
    left, right = (_by_key(rows, key_columns) for rows in (expected, found))
    for side in (left, right):
        differences += [Difference(mart, "doubled row", key) for key, rows in side.items() if grain and len(rows) > 1]
    for key in sorted(left.keys() | right.keys(), key=repr):
        mine, other = left.get(key, []), right.get(key, [])
        differences += [Difference(mart, "missing row", key)] * max(0, len(mine) - len(other))
        differences += [Difference(mart, "surplus row", key)] * max(0, len(other) - len(mine))
        if not grain:
            mine, other = (sorted(rows, key=lambda row: repr([row.get(name) for name in sorted(inexact)])) for rows in (mine, other))
        for one, two in zip(mine, other, strict=False):
            differences += [
                Difference(mart, "value", key, name, one[name], two[name]) for name in shared if name in two and not equal(one[name], two[name], tolerance)
            ]
    return differences


def equal(one: Any, two: Any, tolerance: float = RELATIVE_TOLERANCE) -> bool:
    """Whether two values of a column are the same: same type, and the same value (doubles within `tolerance`)."""
    if type(one) is not type(two):
        return False
    if isinstance(one, float):
        return math.isclose(one, two, rel_tol=tolerance, abs_tol=0.0) or (math.isnan(one) and math.isnan(two))
    return bool(one == two)


def summary(differences: Sequence[Difference], examples: int = 5) -> str:
    """Differences counted by mart and column, each with its first `examples`."""
    counts = Counter((entry.mart, entry.kind, entry.column) for entry in differences)
    lines: list[str] = []
    for (mart, kind, column), count in sorted(counts.items(), key=repr):
        lines.append(f"{mart}{'.' + column if column else ''}: {count} x {kind}")
        shown = [entry for entry in differences if (entry.mart, entry.kind, entry.column) == (mart, kind, column)][:examples]
        lines += [f"    {entry}" for entry in shown]
    return "\n".join(lines)


def _by_key(rows: Sequence[Row], columns: Sequence[str]) -> dict[tuple[Any, ...], list[Row]]:
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row.get(name) for name in columns), []).append(row)
    return groups
