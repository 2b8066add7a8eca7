"""Each planted truth must be visible in the raw data to somebody who knows no detector, and its twin must not show it."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from datetime import date, timedelta

import pandas as pd
import pytest
from raw_sandbox import TODAY, Raw

from vim_pipelines.sandbox.simulator import PRODUCT_FEATURES, TRUTHS

DAY_OF_TODAY = date.fromisoformat(TODAY)


def planted(truth: pd.DataFrame, name: str) -> list[str]:
    found = truth[truth.truth == name].account_key.tolist()
    assert found, f"no {name} was planted"
    return found


def twins(truth: pd.DataFrame, name: str) -> list[str]:
    found = truth[(truth.truth == "clean_twin") & (truth.mirrors_truth == name)].account_key.tolist()
    assert found, f"no twin of {name}"
    return found


def used_share(raw: Raw, account: str) -> float:
    return max(raw.weekly_active(account, product="core")) / raw.seats(account, "core")


def low_weeks(raw: Raw, account: str) -> int:
    """Weeks, of the newest 24, with less than half of the usual people."""
    weeks = raw.weekly_active(account, weeks=24)
    return sum(count < 0.5 * statistics.median(weeks) for count in weeks)


def longest_gap(raw: Raw, account: str) -> int:
    """Longest run of business days without any event in the last 90 days, or since two weeks after the first contract began."""
    active = {
        day
        for (day,) in raw.rows(
            f"select distinct occurred_at::date from events where account_key = ? and occurred_at >= timestamp '{TODAY}' - interval 90 day", account
        )
    }
    since = raw.value("select min(start_date) from contract_lines where account_key = ?", account) + timedelta(days=14)
    longest = run = 0
    for back in range(90, 0, -1):
        day = DAY_OF_TODAY - timedelta(days=back)
        if day.weekday() < 5 and day >= since:
            run = 0 if day in active else run + 1
            longest = max(longest, run)
    return longest


def drop(raw: Raw, account: str) -> float:
    weeks = raw.weekly_active(account, weeks=12)
    return statistics.median(weeks[-4:]) / max(1, statistics.median(weeks[:8])) - 1


def tickets(raw: Raw, account: str, days: int) -> int:
    return raw.value(f"select count(*) from tickets where account_key = ? and opened_at >= timestamp '{TODAY}' - interval {days} day", account)


def surge(raw: Raw, account: str) -> float:
    """Tickets of the last four weeks over the four-week average of the half year before."""
    recent, all_time = tickets(raw, account, 28), tickets(raw, account, 28 + 168)
    return recent / max(1.0, (all_time - recent) / 6)


def value_features_used(raw: Raw, account: str) -> float:
    used = set(
        raw.rows(f"select distinct product, feature from events where account_key = ? and occurred_at >= timestamp '{TODAY}' - interval 28 day", account)
    )
    products = {product for product, _ in used}
    value = {(product, feature.name) for product in products for feature in PRODUCT_FEATURES[product] if feature.is_value}
    return len(used & value) / len(value)


def is_silent(raw: Raw, account: str) -> bool:
    return tickets(raw, account, 90) == 0 and drop(raw, account) <= -0.25 and raw.seats(account) > 20


def has_sponsor(raw: Raw, account: str) -> bool:
    return raw.value("select count(*) from contacts where account_key = ? and role = 'sponsor' and is_active", account) > 0


def first_value_is_late(raw: Raw, account: str) -> bool:
    sql = f"select coalesce(reached_on, date '{TODAY}') > due_date from milestones where account_key = ? and milestone_kind = 'fttv'"
    return raw.value(sql, account)


def missing_in_handoff(raw: Raw, account: str) -> int:
    """Mandatory statements that no hand's wording of them is found for."""
    body = raw.value("select body from documents where account_key = ? and document_kind = 'handoff'", account)
    said = {
        "seats": " seats" in body, "outcome": " want from us " in body or "Desired outcome: " in body or "Desired outcome**: " in body,
        "sponsor": "Executive sponsor: " in body or "Executive sponsor**: " in body or "Executive sponsor is " in body,
        "risks": "Known risks: " in body or "Known risks**: " in body or "One risk to know" in body,
        "commitments": "Commitments made: " in body or "Commitments made**: " in body or "We promised " in body,
        "notice": "days before the end" in body or "Notice period: " in body or "Notice period**: " in body,
        "term": "The contract runs from" in body or "Contract term: " in body or "Contract term**: " in body,
    }  # fmt: skip
    return sum(not found for found in said.values())


def notice_days_ago(raw: Raw, account: str) -> int | None:
    served = raw.value("select min(notice_served_on) from contract_lines where account_key = ? and status = 'active'", account)
    return None if served is None else (DAY_OF_TODAY - served).days


def months_without_contract(raw: Raw, account: str) -> int:
    """Whole months between two contracts, in which nobody worked."""
    spans = raw.rows("select start_date, end_date from contract_lines where account_key = ? and status <> 'draft' order by 1", account)
    longest, covered = 0, spans[0][1]
    for start, end in spans:
        gap_start, gap_end = covered + timedelta(days=1), start
        if gap_end > gap_start + timedelta(days=28):
            events = raw.value("select count(*) from events where account_key = ? and occurred_at >= ? and occurred_at < ?", account, gap_start, gap_end)
            assert events == 0, "somebody worked without a contract"
            longest = max(longest, (gap_end - gap_start).days // 30)
        covered = max(covered, end)
    return longest


SHOWS: dict[str, Callable[[Raw, str], bool]] = {
    "shelfware": lambda raw, account: used_share(raw, account) < 0.6,
    "unused_features": lambda raw, account: value_features_used(raw, account) < 0.4,
    "spiky": lambda raw, account: low_weeks(raw, account) >= 5,
    "gapped": lambda raw, account: longest_gap(raw, account) >= 10,
    "dropping": lambda raw, account: drop(raw, account) <= -0.3,
    "ticket_overload": lambda raw, account: surge(raw, account) >= 3 and tickets(raw, account, 28) >= 10,
    "silence": is_silent,
    "sponsor_lost": lambda raw, account: not has_sponsor(raw, account),
    "late_first_value": first_value_is_late,
    "incomplete_handoff": lambda raw, account: missing_in_handoff(raw, account) >= 3,
    "notice_served": lambda raw, account: notice_days_ago(raw, account) is not None,
    "win_back": lambda raw, account: months_without_contract(raw, account) >= 3,
}


@pytest.mark.parametrize("name", TRUTHS)
def test_a_planted_truth_is_visible_in_the_raw_data(name: str, raw: Raw, truth: pd.DataFrame):
    for account in planted(truth, name):
        assert SHOWS[name](raw, account), account


@pytest.mark.parametrize("name", TRUTHS)
def test_no_clean_twin_shows_any_of_the_truths(name: str, raw: Raw, truth: pd.DataFrame):
    """Not only the truth it mirrors: a twin with another defect would count as a false alarm of a detector that is right."""
    for account in [*twins(truth, name)]:
        assert [other for other in TRUTHS if SHOWS[other](raw, account)] == [], account


@pytest.mark.parametrize("name", TRUTHS)
def test_a_planted_account_has_one_defect_only(name: str, raw: Raw, truth: pd.DataFrame):
    # A silent account loses people by definition, so it drops as well.
    allowed = {name} | ({"dropping"} if name == "silence" else {"spiky"} if name == "gapped" else set())
    if name == "incomplete_handoff":
        allowed.add("sponsor_lost")  # Nobody has been named yet.
    for account in planted(truth, name):
        assert {other for other in TRUTHS if SHOWS[other](raw, account)} <= allowed, account


def test_twins_have_the_size_and_product_of_what_they_mirror(raw: Raw, truth: pd.DataFrame):
    for row in truth[truth.truth == "clean_twin"].itertuples():
        if row.mirrors_truth == "win_back":
            continue  # Its lines begin anew; segment and products are compared all the same.
        assert raw.seats(row.account_key, "core") == raw.seats(row.mirrors_account_key, "core")
        same = "select segment, tier from accounts where account_key = ?"
        assert raw.rows(same, row.account_key) == raw.rows(same, row.mirrors_account_key)


def test_twins_of_shelfware_use_nine_seats_of_ten_every_week(raw: Raw, truth: pd.DataFrame):
    for account in twins(truth, "shelfware"):
        seats = raw.seats(account, "core")
        weeks = raw.weekly_active(account, product="core")
        assert sum(weeks) / len(weeks) >= 0.9 * seats and max(weeks) <= seats


def test_expected_shelfware_is_what_the_data_shows(raw: Raw, truth: pd.DataFrame):
    """The ground truth is computed from events as they happened; late arrivals may move a week by a person or two, not more."""
    for row in truth[truth.truth == "adoption"].itertuples():
        product = row.parameters["product"]
        seen = raw.weekly_active(row.account_key, product=product)
        assert all(abs(a - b) <= 2 for a, b in zip(seen, row.parameters["weekly_active"], strict=True)), row.account_key
        assert raw.seats(row.account_key, product) == row.parameters["seats"]


def test_most_planted_shelfware_is_more_than_twenty_seats():
    from vim_pipelines.sandbox.simulator import Parameters
    from vim_pipelines.sandbox.simulator.plan import roles
    from vim_pipelines.sandbox.simulator.profile import draw_profile

    gaps = []
    for seed in range(10):
        parameters = Parameters(seed=seed)
        for role in roles(parameters):
            if role.kind == "planted" and role.truth == "shelfware":
                profile = draw_profile(parameters, role)
                seats = sum(line.seats for line in profile.active_lines(date(2026, 6, 28)) if line.product == "core")
                gaps.append(seats - 1.1 * profile.adoption[0].adopters)
    assert min(gaps) > 5
    assert sum(gap > 20 for gap in gaps) / len(gaps) > 0.8


def test_ordinary_accounts_differ_in_adoption_and_age(raw: Raw, truth: pd.DataFrame):
    special = set(truth[truth.truth.ne("adoption")].account_key.dropna())
    ordinary = [key for (key,) in raw.rows("select account_key from accounts") if key not in special]
    shares = [used_share(raw, key) for key in ordinary if raw.seats(key, "core") > 0]
    assert min(shares) < 0.75 < 0.9 < max(shares)
    ages = [days for (days,) in raw.rows(f"select date '{TODAY}' - customer_since from accounts where customer_since is not null")]
    assert sum(age < 180 for age in ages) >= 5 and sum(age > 365 for age in ages) >= 20


def test_a_week_has_work_days_and_a_year_has_a_turn(raw: Raw):
    by_day = dict(raw.rows("select isodow(occurred_at), count(*) from events group by 1"))
    assert max(by_day[6], by_day[7]) < 0.15 * min(by_day[day] for day in (1, 2, 3, 4, 5))
    daily = dict(
        raw.rows(
            "select occurred_at::date, count(*) from events where occurred_at >= timestamp '2025-12-01' and occurred_at < timestamp '2026-02-01' group by 1"
        )
    )
    assert daily[date(2025, 12, 29)] < 0.5 * daily[date(2026, 1, 12)]


def test_a_customer_won_back_is_handed_over_anew(raw: Raw, truth: pd.DataFrame):
    """A handoff of the lost relation would let the account pass a gate on promises that nobody keeps any more."""
    for row in truth[truth.truth == "win_back"].itertuples():
        won_back = date.fromisoformat(row.parameters["won_back_on"])
        written = raw.value("select max(authored_on) from documents where account_key = ? and document_kind = 'handoff'", row.account_key)
        assert 0 <= (written - won_back).days <= 10
        assert raw.value("select count(*) from opportunities where account_key = ? and is_closed and not is_won", row.account_key) == 1
        assert raw.value("select notice_received_on from accounts where account_key = ?", row.account_key) is None


def test_accounts_with_a_cadence_have_a_call_ahead(raw: Raw):
    """A customer team plans the next call in the last one; without it every young account looked as if nobody cared."""
    ahead = raw.rows(
        f"select account_key, count(*) from meetings where meeting_kind = 'cadence' and status = 'planned' and held_at >= timestamp '{TODAY}' group by 1"
    )
    kicked_off = {key for (key,) in raw.rows("select account_key from meetings where meeting_kind = 'kickoff' and status = 'held'")}
    served = {key for (key,) in raw.rows(f"select account_key from contract_lines where status = 'active' and end_date >= date '{TODAY}'")}
    assert {key for key, _ in ahead} >= kicked_off & served, "who has left is called no more"
    assert {count for _, count in ahead} == {1}
