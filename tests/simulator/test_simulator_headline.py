"""The headline case, recomputed with nothing but SQL and fractions from what is written."""

from __future__ import annotations

import math
from datetime import date
from decimal import Decimal
from fractions import Fraction

from raw_sandbox import Raw

KEY = "ACC-HEADLINE"


def headline_line(raw: Raw) -> tuple:
    lines = raw.rows(
        "select product, seats, list_unit_price_annual, net_unit_price_annual, currency, end_date, notice_days, status, notice_served_on from contract_lines where account_key = ?",
        KEY,
    )
    assert len(lines) == 1, "the headline has exactly one contract line, of any status"
    return lines[0]


def test_the_headline_account_is_who_it_should_be(raw: Raw):
    assert raw.rows("select account_name, tier, notice_received_on from accounts where account_key = ?", KEY) == [("Northwind Robotics", "tier_1", None)]
    assert headline_line(raw) == ("core", 200, Decimal(360), Decimal(300), "USD", date(2027, 2, 23), 60, "active", None)


def test_the_renewal_is_240_days_after_the_last_complete_day(raw: Raw):
    assert (headline_line(raw)[5] - date(2026, 6, 28)).days == 240


def test_exactly_fifty_people_are_active_in_every_week(raw: Raw):
    assert raw.weekly_active(KEY, weeks=26) == [50] * 26
    assert raw.value("select count(distinct user_key) from events where account_key = ? and occurred_at >= timestamp '2026-03-30'", KEY) == 50


def test_the_money_is_forty_five_thousand_and_the_gap_forty_three_thousand_five_hundred(raw: Raw):
    _, seats, _, net, *_ = headline_line(raw)
    active = raw.value("select count(distinct user_key) from events where account_key = ? and occurred_at >= timestamp '2026-06-01'", KEY)
    assert (seats - active, (seats - active) * net) == (150, Decimal(45_000))
    gap = seats - math.ceil(Fraction(11, 10) * max(raw.weekly_active(KEY)))
    assert (gap, gap * net) == (145, Decimal(43_500))


def test_the_ground_truth_states_the_same_numbers(truth):
    row = truth[truth.truth == "headline"].iloc[0]
    assert row.account_key == KEY and row.expected == 145
    assert row.parameters["unused_now"] == 150 and row.parameters["weekly_active"] == [50] * 13


def test_the_count_stays_at_fifty_when_the_clock_moves_on(portfolio):
    """Day by day the 28-day window slides into the future days; one late event would make the demo's number 49."""
    import numpy as np

    usage = portfolio.usage
    mine = usage.take(np.flatnonzero(usage.account == 0))
    day = 86_400_000_000
    today = (date(2026, 6, 29) - date(1970, 1, 1)).days
    for moved in range(14):
        end = (today + moved) * day
        seen = mine.take(np.flatnonzero((mine.recorded < end) & (mine.occurred < end) & (mine.occurred >= end - 28 * day)))
        assert len(np.unique(seen.user)) == 50, f"{moved} days on"


def test_the_headline_is_healthy_otherwise(raw: Raw):
    roles = {role for (role,) in raw.rows("select role from contacts where account_key = ? and is_active and left_on is null", KEY)}
    assert {"sponsor", "champion", "economic_buyer"} <= roles
    assert raw.value("select count(*) from milestones where account_key = ? and milestone_kind = 'fttv' and reached_on <= due_date", KEY) == 1
    assert raw.value("select count(*) from milestones where account_key = ? and milestone_kind = 'pain_metric' and measured_value is not null", KEY) == 1
    assert raw.value("select count(*) from ebrs where account_key = ? and status = 'held'", KEY) >= 1
    assert {kind for (kind,) in raw.rows("select meeting_kind from meetings where account_key = ? and status = 'held'", KEY)} >= {
        "handoff",
        "kickoff",
        "cadence",
    }
    assert 1 <= raw.value("select count(*) from tickets where account_key = ? and opened_at >= timestamp '2026-03-30'", KEY) <= 20


def test_the_headline_uses_all_its_value_features(raw: Raw):
    from vim_pipelines.sandbox.simulator import PRODUCT_FEATURES

    used = {name for (name,) in raw.rows("select distinct feature from events where account_key = ? and occurred_at >= timestamp '2026-06-01'", KEY)}
    assert used == {feature.name for feature in PRODUCT_FEATURES["core"]}


def test_the_handoff_document_states_every_field_and_agrees_with_the_contract(raw: Raw):
    (body,) = raw.rows("select body from documents where account_key = ? and document_kind = 'handoff'", KEY)[0]
    sponsor = raw.value("select full_name from contacts where account_key = ? and role = 'sponsor'", KEY)
    for stated in ("200 seats", "300 USD", "2027-02-23", "60 days", sponsor, "from ", " to "):
        assert stated in body
