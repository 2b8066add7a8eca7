"""The comparison of two warehouses finds what differs, and takes nothing for equal that is not."""

from __future__ import annotations

import math
from datetime import date, datetime
from decimal import Decimal

import pytest

from vim_pipelines.evaluation.parity import Difference, compare, equal, marts_of, summary

ROW = {"account_key": "a", "as_of_date": date(2026, 6, 28), "waste": Decimal("43500.00"), "share": 0.1 + 0.2, "is_ok": None, "seats": 3}
GRAIN = ("account_key", "as_of_date")


def test_rows_in_another_order_are_equal() -> None:
    other = ROW | {"account_key": "b"}
    assert compare("m", GRAIN, [ROW, other], [dict(other), dict(ROW)]) == []


def test_two_rows_that_swapped_their_values_are_two_differences() -> None:
    """Every total of the mart is the same."""
    one, two = ROW | {"account_key": "a", "seats": 1}, ROW | {"account_key": "b", "seats": 2}
    found = compare("m", GRAIN, [one, two], [one | {"seats": 2}, two | {"seats": 1}])
    assert [(entry.key[0], entry.column, entry.expected, entry.found) for entry in found] == [("a", "seats", 1, 2), ("b", "seats", 2, 1)]


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        (0.3, 0.1 + 0.2, True), (1.0, 1.0 + 1e-10, True), (1.0, 1.0 + 1e-8, False), (1e-300, 2e-300, False), (0.0, 1e-15, False), (math.nan, math.nan, True),
        (math.nan, 1.0, False), (None, 0.0, False), (None, None, True), (Decimal("1.00"), Decimal("1.01"), False), (Decimal("1"), 1, False), (1, True, False),
        (date(2026, 1, 1), datetime(2026, 1, 1), False), (datetime(2026, 1, 1, microsecond=1), datetime(2026, 1, 1), False), ("", None, False), ("a", "A", False),
    ],
)  # fmt: skip
def test_what_counts_as_equal(one: object, two: object, same: bool) -> None:
    """Doubles to 1e-9 relative and nothing else: unknown is not zero, a whole number is not a boolean, a cent is a cent."""
    assert equal(one, two) is same
    assert equal(two, one) is same


def test_missing_surplus_and_doubled_rows_and_columns_are_named() -> None:
    other = ROW | {"account_key": "b"}
    kinds = {entry.kind for entry in compare("m", GRAIN, [ROW], [other | {"more": 1}, other | {"more": 1}])}
    assert kinds == {"missing row", "surplus row", "doubled row", "surplus column"}
    assert [entry.kind for entry in compare("m", GRAIN, [ROW], [])] == ["missing row"]
    assert [entry.kind for entry in compare("m", (), [ROW, ROW], [ROW])] == ["missing row"]


def test_without_a_grain_rows_are_matched_by_their_exact_columns() -> None:
    near, far = ROW | {"share": 0.3 + 1e-12}, ROW | {"share": 0.4}
    assert compare("m", (), [ROW], [near]) == []
    assert [entry.column for entry in compare("m", (), [ROW], [far])] == ["share"]


def test_the_summary_counts_by_column_and_shows_examples() -> None:
    text = summary([Difference("m", "value", (f"a{number}",), "waste", 1, 2) for number in range(9)], examples=2)
    assert text.splitlines() == ["m.waste: 9 x value", "    m.waste ('a0',): expected 1, found 2", "    m.waste ('a1',): expected 1, found 2"]


def test_marts_and_their_grain_come_from_the_manifest() -> None:
    model = {"resource_type": "model", "schema": "marts", "config": {"materialized": "incremental"}}
    manifest = {
        "nodes": {
            "model.x.fct_b": model | {"name": "fct_b", "unique_id": "model.x.fct_b"},
            "model.x.fct_a_current": model | {"name": "fct_a_current", "unique_id": "model.x.fct_a_current", "config": {"materialized": "view"}},
            "model.x.stg": model | {"name": "stg", "unique_id": "model.x.stg", "schema": "base"},
            "test.x.grain": {
                "resource_type": "test", "name": "grain_b", "attached_node": "model.x.fct_b",
                "test_metadata": {"name": "grain", "kwargs": {"columns": ["account_key", "as_of_date"]}},
            },
        }
    }  # fmt: skip
    assert [(mart.name, mart.grain, mart.is_view) for mart in marts_of(manifest)] == [
        ("fct_a_current", (), True),
        ("fct_b", ("account_key", "as_of_date"), False),
    ]
