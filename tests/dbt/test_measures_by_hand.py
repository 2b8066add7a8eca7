"""The measures of METRICS.md sections 1 to 5 worked with pencil and paper, over real DuckDB and dbt. The workings stand beside the numbers.

As-of date Sunday 2026-06-28: 28 days are 1 to 28 June, 90 days begin on 31 March, thirteen complete weeks on Monday 30 March, a year ago
is 2025-06-28. Expected values come from the definitions, not from the models.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from math import sqrt
from typing import Any

import pytest
from dbt_portfolio import Portfolio, make_portfolio

from vim_pipelines.transform.project import project_dir

JUNE = [date(2026, 6, day) for day in range(1, 29)]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portfolio]:
    portfolio = make_portfolio(tmp_path_factory.mktemp("measures"))
    adoption_accounts(portfolio)
    support_accounts(portfolio)
    revenue_accounts(portfolio)
    milestone_accounts(portfolio)
    portfolio.build()
    yield portfolio


def adoption_accounts(portfolio: Portfolio) -> None:
    """`wide`: 4 seats, 3 people with 6, 3 and 1 core actions. `crowded`: 2 seats, 3 people. `idle`: nobody. `rotating`: 40 people on 20 chairs."""
    for key in ("wide", "crowded", "idle", "no-seats", "rotating", "unlisted"):
        portfolio.account(key)
    portfolio.line("wide-core", "wide", seats=4)
    portfolio.event("wide", "u1", date(2026, 1, 5), feature="approvals")
    for day in (1, 2, 3, 8, 9, 10):
        portfolio.event("wide", "u1", JUNE[day - 1])
    for day in (22, 23, 24):
        portfolio.event("wide", "u2", JUNE[day - 1])
    portfolio.event("wide", "u3", JUNE[27], feature="tasks")
    portfolio.event("wide", "u3", JUNE[14], feature="search")  # not a value feature
    for user in ("u1", "u2", "u3", "u9"):
        portfolio.add("license_assignment", f"wide-{user}", account_key="wide", user_key=user, product="core", assigned_at=datetime(2025, 1, 1))
    portfolio.add("license_assignment", "wide-u8", account_key="wide", user_key="u8", product="core", assigned_at=datetime(2025, 1, 1),
                  revoked_at=datetime(2026, 5, 1))  # fmt: skip

    portfolio.line("crowded-core", "crowded", seats=2)
    for user, count in (("a", 1), ("b", 1), ("c", 2)):
        for number in range(count):
            portfolio.event("crowded", user, JUNE[20 + number])

    portfolio.line("idle-core", "idle", seats=12)
    portfolio.line("no-seats-fee", "no-seats", seats=0, net_unit_price_annual=None)
    portfolio.line("rotating-core", "rotating", seats=40)
    for ago in range(13):
        portfolio.weekly_users("rotating", [20], last_week=date.fromordinal(date(2026, 6, 22).toordinal() - 7 * ago), user_prefix=f"{ago % 2}-")
    portfolio.line("unlisted-x", "unlisted", seats=10, product="atlas")
    portfolio.event("unlisted", "u", JUNE[3], product="atlas", feature="map")


def support_accounts(portfolio: Portfolio) -> None:
    """`desk`: five tickets that count and a deleted one. Reply and resolution targets on three of them."""
    portfolio.account("desk")
    portfolio.line("desk-core", "desk", seats=40)
    portfolio.ticket("t1", "desk", datetime(2026, 6, 20, 9), priority="P1", is_escalated=True, requester_key="r1")
    portfolio.ticket("t2", "desk", datetime(2026, 6, 1, 9), requester_key="r1")
    portfolio.ticket("t3", "desk", datetime(2026, 5, 1, 9), status="solved", solved_at=datetime(2026, 5, 3), reopen_count=1, requester_key="r2")
    portfolio.ticket("t4", "desk", datetime(2026, 4, 10, 9), status="closed", solved_at=datetime(2026, 4, 12), reopen_count=0, requester_key="r3")
    portfolio.ticket("t5", "desk", datetime(2026, 2, 1, 9), status="closed", solved_at=datetime(2026, 4, 5), reopen_count=0, requester_key="r4")
    portfolio.ticket("t6", "desk", datetime(2026, 6, 21, 9), status="deleted", requester_key="r5")
    steps = [
        ("t1", "reply_time", "apply_sla", 20), ("t1", "reply_time", "breach", 21), ("t1", "reply_time", "fulfill", 22),  # missed
        ("t2", "resolution_time", "apply_sla", 2),  # not decided yet
        ("t3", "resolution_time", "apply_sla", 3), ("t3", "resolution_time", "fulfill", 4),  # met
        ("t4", "resolution_time", "fulfill", 5),  # no target
    ]  # fmt: skip
    for number, (ticket, metric, step, day) in enumerate(steps):
        portfolio.add("ticket_event", f"e{number}", ticket_key=ticket, metric=metric, event_type=step, occurred_at=datetime(2026, 6, day))
    # A breach that was taken back: Zendesk marks it deleted.
    portfolio.add("ticket_event", "taken-back", ticket_key="t3", metric="resolution_time", event_type="breach", occurred_at=datetime(2026, 6, 3))
    portfolio.add("ticket_event", "taken-back", known_at=datetime(2026, 6, 5), is_deleted=True, ticket_key=None, metric=None, event_type=None, occurred_at=None)


def revenue_accounts(portfolio: Portfolio) -> None:
    for key in ("keep", "shrink", "lost", "fresh", "euro", "no-rate", "lapsed", "resized"):
        portfolio.account(key, segment="revenue")
    portfolio.line("keep-1", "keep", seats=10, start_date=date(2024, 7, 1), end_date=date(2025, 12, 31))
    portfolio.line("keep-2", "keep", seats=12, start_date=date(2026, 1, 1), end_date=date(2026, 12, 31))
    # The renewal begins seventeen days before the old term ends: nothing counts twice.
    portfolio.line("shrink-1", "shrink", seats=20, end_date=date(2026, 1, 1))
    portfolio.line("shrink-2", "shrink", seats=15, start_date=date(2025, 12, 15), end_date=date(2027, 1, 1))
    portfolio.line("lost-1", "lost", seats=5, end_date=date(2025, 12, 31), auto_renew=False, notice_served_on=date(2025, 10, 1))
    portfolio.line("fresh-1", "fresh", seats=3, start_date=date(2026, 1, 1))
    portfolio.line("euro-1", "euro", seats=10, currency="EUR", start_date=date(2024, 1, 1), end_date=None)
    portfolio.rate("EUR", date(2025, 6, 27), "0.9")
    portfolio.rate("EUR", date(2026, 6, 26), "1.1")
    portfolio.line("no-rate-1", "no-rate", seats=10, currency="XXZ")
    portfolio.line("lapsed-1", "lapsed", seats=10, end_date=date(2026, 1, 1), auto_renew=True)
    portfolio.line("resized-1", "resized", seats=30, end_date=None, known_at=datetime(2025, 1, 1))
    portfolio.line("resized-1", "resized", seats=20, end_date=None, known_at=datetime(2026, 2, 1))


def milestone_accounts(portfolio: Portfolio) -> None:
    for number, reached in enumerate((date(2026, 1, 11), date(2026, 1, 21), date(2026, 1, 31), None, None, None), start=1):
        key = portfolio.account(f"start-{number}", segment="starters")
        end = date(2026, 1, 16) if number == 5 else date(2027, 1, 1)
        portfolio.line(f"{key}-core", key, start_date=date(2026, 1, 1), end_date=end, auto_renew=False)
        if number < 6:
            portfolio.add("milestone", f"{key}-fttv", account_key=key, milestone_kind="fttv", due_date=date(2026, 3, 1), reached_on=reached)


def measure(built: Portfolio, account: str, name: str, product: str = "*") -> dict[str, Any]:
    return built.row(f"select * from marts.fct_account_measures where account_key = '{account}' and measure = '{name}' and product = '{product}'")


#: (account, measure, value). Workings:
#: gini of 0, 1, 3, 6: 2 * (1*0 + 2*1 + 3*3 + 4*6) / (4 * 10) - 5/4 = 1.75 - 1.25 = 0.5
#: gini of 1, 1, 2 (more users than seats: the users): 2 * (1 + 2 + 6) / (3 * 4) - 4/3 = 1/6
#: user days 6 + 3 + 2 = 11 over 28 days = mean DAU, over 3 users; weeks u1 2, u2 1, u3 2 = 5 over 4 weeks, over 3
#: value features of core: projects, tasks, approvals, templates, resource_planning, time_tracking; in 28 days projects and tasks; ever also approvals
#: core gap: Tuesday 31 March, 22 working days of April and 21 of May before 1 June = 44
#: fano of ten weeks of 0 and 3, 3, 4: mean 10/13, variance (34 - 100/13) / 12, quotient 2.85
#: backlog: 2 open over 3 closed in 13 weeks = 26/3 weeks. reopened 1 of t3, t4, t5. 2 tickets in 28 days on 40 seats = 5 per hundred
#: aged: t2 is 27 days old, t1 has missed its target
VALUES: list[tuple[str, str, float]] = [
    ("wide", "concentration_gini", 0.5), ("wide", "top1_share", 0.6), ("wide", "top3_share", 1.0), ("wide", "core_actions_28d", 10),
    ("wide", "stickiness_dau_mau", 11 / 28 / 3), ("wide", "stickiness_wau_mau", 5 / 4 / 3), ("wide", "utilization_28d", 0.75), ("wide", "unused_now", 1),
    ("wide", "feature_breadth", 2 / 6), ("wide", "feature_shelfware", 3), ("wide", "gap_days", 44), ("wide", "core_gap_days", 44), ("wide", "fano", 2.85),
    ("wide", "seats_provisioned", 4), ("wide", "deployment_gap", 0), ("wide", "user_engagement", 0.75),
    ("crowded", "concentration_gini", 1 / 6), ("crowded", "utilization_28d", 1.0), ("crowded", "unused_now", 0), ("crowded", "top1_share", 0.5),
    ("idle", "utilization_28d", 0), ("idle", "unused_now", 12), ("idle", "core_actions_28d", 0), ("idle", "feature_breadth", 0), ("idle", "feature_shelfware", 6),
    ("idle", "seats_provisioned", 0), ("idle", "deployment_gap", 12), ("idle", "tickets_28d", 0), ("idle", "backlog_weeks", 0), ("idle", "ticket_rate", 0),
    ("idle", "escalations_90d", 0), ("idle", "silence", 0), ("no-seats", "unused_now", 0), ("no-seats", "waste_annual", 0),
    ("rotating", "shelfware_seats", 18), ("rotating", "unused_now", 0), ("rotating", "shelfware_in_use", 18), ("rotating", "waste_in_use", 1800),
    ("desk", "tickets_28d", 2), ("desk", "ticket_rate", 5.0), ("desk", "tickets_open", 2), ("desk", "backlog_weeks", 26 / 3), ("desk", "aged_tickets", 2),
    ("desk", "sla_breach_rate", 0.5), ("desk", "reopen_rate", 1 / 3), ("desk", "escalations_90d", 1), ("desk", "distinct_reporters_90d", 3),
    ("keep", "net_retention", 1.2), ("keep", "gross_retention", 1.0), ("shrink", "gross_retention", 0.75), ("shrink", "renewal_rate", 0.75),
    ("lost", "gross_retention", 0.0), ("lost", "arr_contracted", 0), ("lost", "days_since_notice", 270), ("euro", "arr_12m_ago", 1100), ("euro", "arr_contracted", 1100),
    ("resized", "arr_12m_ago", 3000), ("resized", "arr_contracted", 2000),
    ("start-1", "time_to_value_days", 10), ("start-1", "time_to_value_is_censored", 0), ("start-4", "time_to_value_days", 178),
    ("start-4", "time_to_value_is_censored", 1), ("start-5", "time_to_value_days", 15), ("start-5", "time_to_value_is_censored", 1),
]  # fmt: skip


@pytest.mark.parametrize(("account", "name", "expected"), VALUES)
def test_a_measure_is_what_the_pencil_says(built: Portfolio, account: str, name: str, expected: float) -> None:
    row = measure(built, account, name)
    assert row["value"] == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert row["status"] == "ok"


#: (account, measure, status): nothing is measured, so nothing is claimed.
EMPTY: list[tuple[str, str, str]] = [
    ("idle", "stickiness_dau_mau", "insufficient"), ("idle", "concentration_gini", "insufficient"), ("idle", "top1_share", "insufficient"),
    ("idle", "user_engagement", "insufficient"), ("idle", "burstiness", "insufficient"), ("idle", "reopen_rate", "insufficient"),
    ("idle", "sla_breach_rate", "insufficient"), ("no-seats", "utilization_28d", "insufficient"), ("unlisted", "feature_breadth", "unknown"),
    ("unlisted", "concentration_gini", "unknown"), ("unlisted", "seats_provisioned", "unknown"), ("no-rate", "arr_contracted", "unknown"),
    ("lapsed", "arr_contracted", "stale"), ("lapsed", "seats_contracted", "stale"), ("fresh", "gross_retention", "insufficient"),
    ("start-6", "time_to_value_days", "unknown"), ("wide", "renewal_rate", "insufficient"), ("wide", "spike_p", "unknown"),
]  # fmt: skip


@pytest.mark.parametrize(("account", "name", "status"), EMPTY)
def test_what_is_not_measured_has_no_value_and_says_why(built: Portfolio, account: str, name: str, status: str) -> None:
    row = measure(built, account, name)
    assert (row["value"], row["status"]) == (None, status)
    assert row["status_reason"]


def test_every_account_has_every_measure(built: Portfolio) -> None:
    counts = built.rows(
        "select account_key, count(*) as n, count(distinct measure) as d from marts.fct_account_measures where product = '*' group by account_key"
    )
    assert len(counts) == len(built.rows("select account_key from base.int_accounts"))
    assert len({(row["n"], row["d"]) for row in counts}) == 1 and counts[0]["n"] == counts[0]["d"] > 60


def test_burstiness_of_ten_events(built: Portfolio) -> None:
    """Gaps 1, 1, 5, 1, 1, 12, 1, 1, 4 days: nine of mean 3 and mean square 191/9, so r^2 = 191/81 - 1. Kim and Jo with n = 9:
    (sqrt(10) r - sqrt(8)) / ((sqrt(10) - 2) r + sqrt(8))."""
    r = sqrt(191 / 81 - 1)
    expected = (sqrt(10) * r - sqrt(8)) / ((sqrt(10) - 2) * r + sqrt(8))
    assert expected == pytest.approx(0.204814, abs=1e-6)
    assert measure(built, "wide", "burstiness")["value"] == pytest.approx(expected, abs=1e-9)
    assert measure(built, "wide", "burstiness_days")["value"] == pytest.approx(expected, abs=1e-9)


def test_retention_of_a_segment(built: Portfolio) -> None:
    """Cohort keep 1,000, shrink 2,000, lost 500, euro 1,100 and resized 3,000 = 7,600. Now 1,200 + 1,500 + 0 + 1,100 + 2,000 = 5,800; at most
    what it was: 5,600. Up for renewal 1,000 + 2,000 + 500, renewed 1,000 + 1,500. The yen-like currency and the lapsed contract are unknown."""
    row = built.row("select * from marts.fct_revenue_retention where segment = 'revenue'")
    assert (row["accounts_in_cohort"], row["accounts_lost"], row["accounts_unknown"], row["status"]) == (5, 1, 2, "ok")
    assert (row["arr_start"], row["arr_end"], row["arr_kept"]) == (Decimal("7600.00"), Decimal("5800.00"), Decimal("5600.00"))
    assert (row["gross_retention"], row["net_retention"]) == (pytest.approx(5600 / 7600), pytest.approx(5800 / 7600))
    assert row["gross_retention_annualised"] == pytest.approx(row["gross_retention"])
    assert (row["arr_available_to_renew"], row["arr_renewed"]) == (Decimal("3500.00"), Decimal("2500.00"))
    assert row["renewal_rate"] == pytest.approx(2500 / 3500)


def test_a_segment_without_a_cohort_has_no_retention(built: Portfolio) -> None:
    row = built.row("select * from marts.fct_revenue_retention where segment = 'starters'")
    assert (row["gross_retention"], row["net_retention"], row["status"]) == (None, None, "insufficient")


def test_time_to_value_counts_those_on_their_way(built: Portfolio) -> None:
    """Reached after 10, 20 and 30 days, one gone on day 15, one still without after 178. Survival 4/5, then 4/5 * 2/3, then half of that = 4/15:
    the median is 30. The mean of the finishers, 20, would be wrong. One account has no milestone."""
    row = built.row("select * from marts.fct_time_to_value where segment = 'starters'")
    assert (row["accounts"], row["accounts_reached"], row["accounts_censored"], row["accounts_unknown"]) == (5, 3, 2, 1)
    assert (row["median_days"], row["p90_days"], row["status"]) == (30, None, "ok")
    assert row["share_not_reached"] == pytest.approx(4 / 15)
    assert (row["activation_cohort"], row["accounts_activated"], row["activation_rate"]) == (5, 3, pytest.approx(0.6))


def test_a_feature_used_long_ago_is_not_never_used(built: Portfolio) -> None:
    rows = {row["feature"]: row for row in built.rows("select * from marts.fct_feature_use where account_key = 'wide'")}
    assert len(rows) == 6
    assert (rows["approvals"]["is_never_used"], rows["approvals"]["first_used_on"], rows["approvals"]["last_used_on"]) == (False, date(2026, 1, 5), None)
    assert (rows["projects"]["users_28d"], rows["projects"]["events_28d"], rows["projects"]["last_used_on"]) == (2, 9, date(2026, 6, 24))
    assert {name for name, row in rows.items() if row["is_never_used"]} == {"templates", "resource_planning", "time_tracking"}


def test_small_accounts_are_listed_person_by_person(built: Portfolio) -> None:
    rows = {row["user_key"]: row for row in built.rows("select * from marts.fct_user_last_seen where account_key = 'wide'")}
    assert {user: (row["has_seat"], row["days_since_seen"], row["active_days_28d"]) for user, row in rows.items()} == {
        "u1": (True, 18, 6), "u2": (True, 4, 3), "u3": (True, 0, 2), "u9": (True, None, 0),
    }  # fmt: skip
    assert built.rows("select 1 from marts.fct_user_last_seen where account_key = 'rotating'") == []


def test_waste_hangs_on_the_headroom(built: Portfolio) -> None:
    """40 seats, high-water mark 20: 20, 40 - 22 = 18 and 40 - 25 = 15 seats at $100."""
    rows = built.rows("select headroom, shelfware_seats, waste_annual from marts.fct_waste_sensitivity where account_key = 'rotating' order by headroom")
    assert [(row["headroom"], row["shelfware_seats"], row["waste_annual"]) for row in rows] == [
        (Decimal("0.0000"), 20, Decimal("2000.00")), (Decimal("0.1000"), 18, Decimal("1800.00")), (Decimal("0.2500"), 15, Decimal("1500.00")),
    ]  # fmt: skip


def test_the_band_of_utilisation_follows_the_contracts_age(built: Portfolio) -> None:
    """75 % in use after nine months is red (up to and with 75 %); nobody after half a year is red."""
    bands = {row["account_key"]: row["utilization_band"] for row in built.rows("select account_key, utilization_band from marts.fct_account_signals")}
    assert (bands["wide"], bands["idle"], bands["crowded"], bands["no-seats"]) == ("red", "red", "green", None)


def test_a_yen_keeps_its_eighth_decimal(tmp_path: Any) -> None:
    """0.00654321 at four decimals is 0.0065: 0.7 % of every yen amount. 1,000 seats x 10,000 yen x 0.00654321 = 65,432.10 dollars."""
    portfolio = make_portfolio(tmp_path)
    portfolio.account("tokyo")
    portfolio.line("tokyo-core", "tokyo", seats=1000, net_unit_price_annual=10000, currency="JPY")
    portfolio.rate("JPY", date(2026, 6, 26), "0.00654321")
    portfolio.event("tokyo", "u", date(2026, 6, 27))
    portfolio.build()
    row = portfolio.row("select fx_rate, arr.value from marts.fct_license_waste as w join marts.fct_account_measures as arr using (account_key) where arr.measure = 'arr_contracted'")  # fmt: skip
    assert (row["fx_rate"], row["value"]) == (Decimal("0.00654321"), 65432.10)


def test_the_calendar_holds_mondays_and_the_weeks_at_the_turn_of_every_year() -> None:
    """A date that is no Monday masks nothing and nobody notices; a missing year flags quiet Christmas weeks (METRICS.md section 3: 29 % of 25-seat accounts)."""
    lines = (project_dir() / "seeds" / "calendar_events.csv").read_text().splitlines()[1:]
    weeks = [date.fromisoformat(line.split(",")[1]) for line in lines]
    assert {week.weekday() for week in weeks} == {0}
    for year in range(2010, 2036):
        for day in (date(year, 12, 25), date(year + 1, 1, 1)):
            assert day - timedelta(days=day.weekday()) in weeks, day
