"""Ten accounts whose money was worked out with pencil and paper, to the cent, over real DuckDB and dbt.

As-of date Sunday 2026-06-28. The 28 days are 1 to 28 June = the last four complete ISO weeks; the thirteen weeks start on Monday
30 March. Where an account has the same users every week, the high-water mark is their number. Headroom 10 %, portfolio in USD.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from dbt_portfolio import Portfolio, make_portfolio

#: line: (unused seats, value of unused seats, right-size gap, waste) in the line's currency
LINES: dict[str, tuple[int | None, str | None, int | None, str | None]] = {
    # 1 Headline. 200 seats at $300, 50 users. 200-50 = 150 x 300 = 45,000. ceil(1.1 x 50) = 55, 200-55 = 145 x 300 = 43,500.
    "headline": (150, "45000.00", 145, "43500.00"),
    # 2 Overlapping lines of one product: 60 at $250 (opt-out 2026-09-01) + 100 at $199.99 (opt-out 2027-03-01) = 160 seats, 70 users.
    #   Unused 90: the early line first, 60 x 250 = 15,000; the late one 30 x 199.99 = 5,999.70.
    #   ceil(77) = 77, gap 83: 60 x 250 = 15,000; 23 x 199.99 = 4,599.77.
    "overlap-early": (60, "15000.00", 60, "15000.00"),
    "overlap-late": (30, "5999.70", 23, "4599.77"),
    # 3 Discount: list $480, net $333.3333. 37 seats, 20 users. 17 x 333.3333 = 5,666.6661 -> 5,666.67.
    #   ceil(22) = 22, gap 15 x 333.3333 = 4,999.9995 -> 5,000.00 (half a cent goes away from zero).
    "discount": (17, "5666.67", 15, "5000.00"),
    # 4 Two currencies. Dollars: 40 seats at $120, 10 users: 30 x 120 = 3,600; ceil(11) = 11, 29 x 120 = 3,480.
    #   Euro: 30 seats at 510.50, 12 users: 18 x 510.50 = 9,189; ceil(13.2) = 14, 16 x 510.50 = 8,168.
    "two-usd": (30, "3600.00", 29, "3480.00"),
    "two-eur": (18, "9189.00", 16, "8168.00"),
    # 5 More users than seats: 25 seats, 31 users. Nothing is unused, and nothing is negative.
    "crowded": (0, "0.00", 0, "0.00"),
    # 6 A line that ends tomorrow still counts: 15 seats at $400, 4 users: 11 x 400 = 4,400; ceil(4.4) = 5, 10 x 400 = 4,000.
    #   Beside it 100 seats that ended yesterday, and a draft of 50: neither counts.
    "tomorrow": (11, "4400.00", 10, "4000.00"),
    # 7 A currency without a rate: 20 seats at 50 XXZ, 5 users: 15 x 50 = 750; ceil(5.5) = 6, 14 x 50 = 700. In dollars: unknown.
    "no-rate": (15, "750.00", 14, "700.00"),
    # 8 Open-ended last: 10 seats at $90 until 2027-01-31 + 50 open-ended at $60 = 60 seats, 30 users. Unused 30: 10 x 90 = 900, 20 x 60 = 1,200.
    #   ceil(33) = 33, gap 27: 10 x 90 = 900, 17 x 60 = 1,020. And a platform fee of 0 seats without a unit price: 0.
    "dated": (10, "900.00", 10, "900.00"),
    "open-ended": (20, "1200.00", 17, "1020.00"),
    "platform-fee": (0, "0.00", 0, "0.00"),
    # 9 New: started 18 days ago. 30 seats at $100, 3 users: 27 x 100 = 2,700 unused now, and no verdict of waste yet.
    "new": (27, "2700.00", None, None),
    # 10 Growing use: 10, 11, .. 22 users over thirteen weeks, the same people. 40 seats at $99.95. Active in 28 days: 22, 18 x 99.95 = 1,799.10.
    #   P95 lies at 0.95 x 12 = 11.4: between the 12th (21) and the 13th (22) value = 21.4. ceil(1.1 x 21.4 = 23.54) = 24, 16 x 99.95 = 1,599.20.
    "growing": (18, "1799.10", 16, "1599.20"),
}

#: account: (value of unused seats, waste) in USD. Rate of the euro: 1.0873 of 25 June (1.0850 is older, 1.2000 is of 30 June).
ACCOUNTS: dict[str, tuple[str | None, str | None, str]] = {
    "1-headline": ("45000.00", "43500.00", "ok"),
    "2-overlap": ("20999.70", "19599.77", "ok"),
    "3-discount": ("5666.67", "5000.00", "ok"),
    # 9,189 x 1.0873 = 9,991.1997 -> 9,991.20 + 3,600 = 13,591.20. 8,168 x 1.0873 = 8,881.0664 -> 8,881.07 + 3,480 = 12,361.07.
    "4-two-currencies": ("13591.20", "12361.07", "ok"),
    "5-crowded": ("0.00", "0.00", "ok"),
    "6-tomorrow": ("4400.00", "4000.00", "ok"),
    "7-no-rate": (None, None, "unknown"),
    "8-open-ended": ("2100.00", "1920.00", "ok"),
    "9-new": ("2700.00", None, "insufficient"),
    "10-growing": ("1799.10", "1599.20", "ok"),
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portfolio]:
    yield ten_accounts(tmp_path_factory.mktemp("money"))


def ten_accounts(home: Path) -> Portfolio:
    portfolio = make_portfolio(home)
    fill_ten_accounts(portfolio)
    portfolio.build()
    return portfolio


def fill_ten_accounts(portfolio: Portfolio) -> None:
    """The rows of the ten accounts, not yet written; also used to compare the two warehouses."""
    for key in ACCOUNTS:
        portfolio.account(key)

    portfolio.line("headline", "1-headline", seats=200, list_unit_price_annual=360, net_unit_price_annual=300, end_date=date(2027, 2, 23), notice_days=60)
    portfolio.weekly_users("1-headline", [50] * 26)

    portfolio.line("overlap-late", "2-overlap", seats=100, net_unit_price_annual="199.99", end_date=date(2027, 3, 31), notice_days=30)
    portfolio.line("overlap-early", "2-overlap", seats=60, net_unit_price_annual=250, end_date=date(2026, 10, 31), notice_days=60)
    portfolio.weekly_users("2-overlap", [70] * 13)

    portfolio.line("discount", "3-discount", seats=37, list_unit_price_annual=480, net_unit_price_annual="333.3333")
    portfolio.weekly_users("3-discount", [20] * 13)

    portfolio.line("two-usd", "4-two-currencies", seats=40, net_unit_price_annual=120)
    portfolio.line("two-eur", "4-two-currencies", seats=30, net_unit_price_annual="510.50", currency="EUR", product="analytics")
    portfolio.weekly_users("4-two-currencies", [10] * 13)
    portfolio.weekly_users("4-two-currencies", [12] * 13, product="analytics")
    for day, rate in ((date(2026, 6, 20), "1.0850"), (date(2026, 6, 25), "1.0873"), (date(2026, 6, 30), "1.2000")):
        portfolio.rate("EUR", day, rate)

    portfolio.line("crowded", "5-crowded", seats=25, net_unit_price_annual=100)
    portfolio.weekly_users("5-crowded", [31] * 13)
    for number in range(40):
        portfolio.add("license_assignment", f"assignment-{number}", account_key="5-crowded", user_key=f"u{number}", product="core",
                      assigned_at=datetime(2025, 1, 1))  # fmt: skip

    portfolio.line("tomorrow", "6-tomorrow", seats=15, net_unit_price_annual=400, end_date=date(2026, 6, 29))
    portfolio.line("yesterday", "6-tomorrow", seats=100, net_unit_price_annual=400, end_date=date(2026, 6, 27))
    portfolio.line("draft", "6-tomorrow", seats=50, net_unit_price_annual=400, status="draft")
    portfolio.weekly_users("6-tomorrow", [4] * 13)

    portfolio.line("no-rate", "7-no-rate", seats=20, net_unit_price_annual=50, currency="XXZ")
    portfolio.weekly_users("7-no-rate", [5] * 13)

    portfolio.line("open-ended", "8-open-ended", seats=50, net_unit_price_annual=60, end_date=None)
    portfolio.line("dated", "8-open-ended", seats=10, net_unit_price_annual=90, end_date=date(2027, 1, 31))
    portfolio.line("platform-fee", "8-open-ended", seats=0, net_unit_price_annual=None, product="automation")
    portfolio.weekly_users("8-open-ended", [30] * 13)

    portfolio.line("new", "9-new", seats=30, net_unit_price_annual=100, start_date=date(2026, 6, 10), end_date=date(2027, 6, 9))
    portfolio.weekly_users("9-new", [3, 3])

    portfolio.line("growing", "10-growing", seats=40, net_unit_price_annual="99.95")
    portfolio.weekly_users("10-growing", list(range(10, 23)))


def cents(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


@pytest.mark.parametrize("line", LINES)
def test_a_line_costs_what_the_pencil_says(built: Portfolio, line: str) -> None:
    row = built.row(f"select * from marts.fct_license_waste where contract_line_key = '{line}'")
    unused, unused_value, gap, waste = LINES[line]
    assert (row["unused_seats"], row["unused_value_annual"]) == (unused, cents(unused_value))
    assert (row["shelfware_seats"], row["waste_annual"]) == (gap, cents(waste))


@pytest.mark.parametrize("account", ACCOUNTS)
def test_an_account_wastes_what_the_pencil_says(built: Portfolio, account: str) -> None:
    row = built.row(f"select * from marts.fct_account_signals where account_key = '{account}'")
    unused_value, waste, status = ACCOUNTS[account]
    assert (row["unused_value_annual"], row["waste_annual"], row["money_status"]) == (cents(unused_value), cents(waste), status)


def test_only_lines_of_today_are_counted(built: Portfolio) -> None:
    """The line that ended yesterday and the draft are not in the table at all."""
    assert {row["contract_line_key"] for row in built.rows("select contract_line_key from marts.fct_license_waste")} == set(LINES)


def test_the_portfolio_is_the_sum_of_its_known_accounts(built: Portfolio) -> None:
    """45,000 + 20,999.70 + 5,666.67 + 13,591.20 + 0 + 4,400 + 2,100 + 2,700 + 1,799.10 = 96,256.67, one account unknown.
    43,500 + 19,599.77 + 5,000 + 12,361.07 + 0 + 4,000 + 1,920 + 1,599.20 = 87,980.04, one unknown and one too new."""
    row = built.row("select * from marts.fct_portfolio_daily")
    assert row["unused_value_annual"] == Decimal("96256.67")
    assert row["waste_annual"] == Decimal("87980.04")
    assert (row["accounts"], row["accounts_money_measured"], row["accounts_money_unknown"]) == (10, 8, 1)


def test_an_amount_without_a_rate_is_unknown_and_never_counted_as_dollars(built: Portfolio) -> None:
    row = built.row("select * from marts.fct_license_waste where contract_line_key = 'no-rate'")
    assert (row["fx_rate"], row["waste_annual_portfolio"], row["unused_value_annual_portfolio"]) == (None, None, None)
    assert (row["status"], row["status_reason"]) == ("unknown", "no exchange rate")


def test_the_rate_is_the_latest_one_of_the_day(built: Portfolio) -> None:
    row = built.row("select * from marts.fct_license_waste where contract_line_key = 'two-eur'")
    assert (row["fx_rate"], row["fx_rate_date"]) == (Decimal("1.0873"), date(2026, 6, 25))


def test_the_range_of_the_headline_waste(built: Portfolio) -> None:
    """50 of 200: Wilson 95 % bounds 0.19508 and 0.31434 (z = 1.96).
    Low: ceil(1.25 x 0.31434 x 200 = 78.585) = 79, 121 x 300 = 36,300. High: ceil(0.19508 x 200 = 39.016) = 40, 160 x 300 = 48,000."""
    row = built.row("select * from marts.fct_license_waste where contract_line_key = 'headline'")
    assert (row["waste_low"], row["waste_high"]) == (Decimal("36300.00"), Decimal("48000.00"))


def test_the_headline_renewal_is_far_enough_away_to_act(built: Portfolio) -> None:
    """240 days to the renewal, 180 to the opt-out deadline of 2026-12-25."""
    row = built.row("select * from marts.fct_account_signals where account_key = '1-headline'")
    assert (row["days_to_renewal"], row["days_to_opt_out"], row["next_opt_out_date"]) == (240, 180, date(2026, 12, 25))
    assert (row["seats_contracted"], row["active_users_28d"], row["utilization_28d"]) == (200, 50, 0.25)


def test_facts_carry_the_same_money(built: Portfolio) -> None:
    """A draft reads facts, a director reads signals: they must not differ."""
    facts = {
        (row["metric"], row["scope"]): row
        for row in built.rows("select * from marts.fct_account_facts where account_key = '1-headline'")
    }  # fmt: skip
    assert facts["waste_annual", "account"]["value_number"] == facts["waste_annual", "core"]["value_number"] == Decimal("43500")
    assert facts["unused_value_annual", "core"]["value_number"] == Decimal("45000")
    assert facts["net_unit_price_annual", "core"]["value_number"] == Decimal("300")
    assert facts["renewal_date", "account"]["value_text"] == "2027-02-23"
    assert facts["p95_weekly_active", "core"]["value_number"] == Decimal("50")
