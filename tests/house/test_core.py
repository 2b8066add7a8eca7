"""Hashes, money and dates: the three things that every slice compares by."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vim_pipelines.core.dates import end_of_day, last_complete_week_start, months_between
from vim_pipelines.core.hashing import canonical_json, sha256_json
from vim_pipelines.core.money import Money, format_money, to_cents

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text() | st.decimals(allow_nan=False, allow_infinity=False, places=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), VALUES, max_size=6))
def test_the_order_of_keys_does_not_change_a_hash(value):
    assert sha256_json(value) == sha256_json(dict(reversed(list(value.items()))))


@given(st.decimals(-(10**9), 10**9, places=4))
def test_a_decimal_hashes_by_its_value_not_by_its_trailing_zeros(value):
    """1.50 from the warehouse and 1.5 from the CRM were two row versions."""
    assert canonical_json(value) == canonical_json(value.normalize() + Decimal("0.00000"))


def test_an_instant_hashes_alike_in_every_time_zone():
    noon = datetime(2026, 6, 28, 12, tzinfo=UTC)
    assert canonical_json(noon) == canonical_json(noon.astimezone(timezone(timedelta(hours=2)))) == canonical_json(noon.replace(tzinfo=None))


def test_unknown_is_none_and_never_nan():
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical_json(float("nan"))


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [
        (45000, "USD", "$45,000"),
        (Decimal("43500.5"), "USD", "$43,500.50"),
        (-3, "EUR", "-€3"),
        (12, "SEK", "SEK 12"),
        (None, "USD", "unknown"),
        (0, "GBP", "£0"),
    ],
)
def test_money_reads_the_same_everywhere(amount, currency, shown):
    assert format_money(amount, currency) == shown


def test_half_a_cent_rounds_away_from_zero():
    assert (to_cents("0.125"), to_cents("-0.125")) == (Decimal("0.13"), Decimal("-0.13"))


def test_two_currencies_do_not_add_up():
    with pytest.raises(ValueError, match="dated rate"):
        Money(Decimal(1), "USD") + Money(Decimal(1), "EUR")


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)))
def test_the_last_complete_week_is_over_and_the_next_is_not(day):
    monday = last_complete_week_start(day)
    assert monday.weekday() == 0
    assert (
        datetime(monday.year, monday.month, monday.day) + timedelta(days=7)
        <= end_of_day(day)
        < datetime(monday.year, monday.month, monday.day) + timedelta(days=14)
    )


def test_a_month_is_whole_when_its_day_is_reached():
    assert (months_between(date(2026, 1, 31), date(2026, 2, 28)), months_between(date(2026, 1, 15), date(2026, 3, 15))) == (0, 2)
