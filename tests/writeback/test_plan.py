"""Difference and conflict, for any values a CRM can hold."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vim_pipelines.core.errors import VimError
from vim_pipelines.writeback.actions import intended_writes
from vim_pipelines.writeback.plan import FieldChange, changes, conflicts, same

MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1))
VALUES = st.one_of(st.none(), st.booleans(), st.integers(-(10**9), 10**9), st.decimals(-(10**6), 10**6, places=2), st.text(max_size=20), MOMENTS)
FIELDS = st.dictionaries(st.sampled_from(["A__c", "B__c", "C__c", "D__c"]), VALUES)


@pytest.mark.parametrize(
    "left, right",
    [
        (45000, "45000.00"), (Decimal("45000.10"), 45000.1), (0, "0"), ("", None), ("  ", None), ("a\r\nb ", "a\nb"), ("text\n", "text"),
        (datetime(2026, 6, 29, 6), "2026-06-29T06:00:00.000+0000"), ("2026-06-29T06:00:00Z", "2026-06-29T08:00:00.000+0200"), (date(2026, 7, 1), "2026-07-01"),
    ],
)  # fmt: skip
def test_values_that_a_crm_gives_back_in_its_own_form_are_the_same(left, right) -> None:
    """Otherwise the same number would be written every night, and every read-back would fail."""
    assert same(left, right) and same(right, left)


@pytest.mark.parametrize(
    "left, right",
    [
        (0, None),
        (False, None),
        (True, 1),
        ("a b", "a  b"),
        ("A", "a"),
        ("007", "7"),
        ("1e3", "1000"),
        (1, 2),
        ("2026-07-01", "2026-07-02"),
        ("x", 1),
        ("NaN", 1),
    ],
)
def test_values_that_differ_are_not_the_same(left, right) -> None:
    assert not same(left, right) and not same(right, left)


@given(VALUES, VALUES)
def test_sameness_is_symmetric_and_reflexive(left, right) -> None:
    assert same(left, left)
    assert same(left, right) == same(right, left)


@given(FIELDS, FIELDS)
def test_applying_the_changes_leaves_nothing_to_change(before, proposed) -> None:
    after = before | {change.field: change.after for change in changes(before, proposed)}
    assert changes(after, proposed) == []
    assert {change.field for change in changes(before, proposed)} <= set(proposed)
    assert all(change.before == before.get(change.field) for change in changes(before, proposed))


@given(FIELDS)
def test_a_new_record_shows_every_field_that_has_a_value(proposed) -> None:
    assert {change.field for change in changes(None, proposed)} == {name for name, value in proposed.items() if not same(None, value)}


@given(FIELDS, FIELDS, FIELDS)
def test_a_conflict_is_a_third_value_and_nothing_else(current, expected, proposed) -> None:
    found = {change.field for change in conflicts(current, expected, proposed)}
    for name, value in proposed.items():
        third = not same(current.get(name), value) and not same(current.get(name), expected.get(name))
        assert (name in found) == third


@given(FIELDS, FIELDS)
def test_what_stands_as_it_was_or_as_it_should_be_is_no_conflict(before, proposed) -> None:
    assert conflicts(before, before, proposed) == []
    assert conflicts(before | proposed, before, proposed) == []
    assert conflicts(None, None, proposed) == []


def test_a_record_that_vanished_is_a_conflict() -> None:
    assert conflicts(None, {"A__c": 1}, {"A__c": 2}) == [FieldChange("A__c", 1, None)]


@pytest.mark.parametrize(
    "action",
    [
        {"action": "crm_note", "object": "User", "key": "k", "fields": {}},
        {"action": "crm_task", "object": "Task", "key": "k", "fields": {"WhatId": "1", "IsClosed": True}},
        {"action": "crm_fields", "object": "Account", "key": "k", "fields": {"ARR__c": 0}},
        {"action": "crm_fields", "object": "Account", "key": "k", "fields": {"Name": "x"}},
        {"action": "send_mail", "object": "Task", "key": "k", "fields": {}},
    ],
)
def test_an_approved_payload_cannot_reach_beyond_the_map(action) -> None:
    """Whatever a playbook, a model or an approver let through: other objects and fields are not writable."""
    payload = {"text": "t", "actions": [action]}
    with pytest.raises(VimError, match="VIM-E044"):
        intended_writes("req-1", payload, "0" * 64, approved_by="dora", approved_at=datetime(2026, 6, 29))


def test_times_with_a_zone_are_compared_as_instants() -> None:
    zone = timezone(timedelta(hours=5, minutes=30))
    assert same(datetime(2026, 6, 29, 11, 30, tzinfo=zone), datetime(2026, 6, 29, 6, 0))
