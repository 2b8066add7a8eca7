"""A source that nobody feeds, a currency that nobody quotes, a product that nobody maps: empty measures all the way, never zeros."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal

import pytest
from dbt_portfolio import Portfolio, make_portfolio

from vim_pipelines.portfolio.entities import ENTITIES


@pytest.fixture(scope="module")
def unfed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portfolio]:
    """Accounts and nothing else: no contracts, no telemetry, no tickets."""
    portfolio = make_portfolio(tmp_path_factory.mktemp("unfed"))
    portfolio.account("acme")
    portfolio.not_fed = {"contract_line", "usage_event", "ticket", "opportunity", "fx_rate"}
    portfolio.build()
    yield portfolio


def test_nothing_fed_means_nothing_claimed(unfed: Portfolio) -> None:
    row = unfed.row("select * from marts.fct_account_signals")
    assert (row["usage_status"], row["ticket_status"], row["contract_status"], row["money_status"]) == ("unknown",) * 4
    measures = ("seats_contracted", "active_users_28d", "utilization_28d", "unused_seats", "shelfware_seats", "unused_value_annual", "waste_annual",
                "gap_days", "tickets_28d", "tickets_open", "weighted_load", "days_to_renewal")  # fmt: skip
    assert {name: row[name] for name in measures} == dict.fromkeys(measures)
    assert unfed.rows("select * from base.int_account_weeks") == unfed.rows("select * from base.int_ticket_weeks") == []


def test_facts_of_what_is_not_known_carry_no_value(unfed: Portfolio) -> None:
    facts = {row["metric"]: row for row in unfed.rows("select * from marts.fct_account_facts where scope = 'account'")}
    assert facts["waste_annual"]["status"] == facts["tickets_28d"]["status"] == facts["active_users_28d"]["status"] == "unknown"
    assert facts["waste_annual"]["value_number"] is None
    assert facts["tier"]["status"] == "ok"


def test_the_portfolio_says_how_much_it_does_not_know(unfed: Portfolio) -> None:
    row = unfed.row("select * from marts.fct_portfolio_daily")
    assert (row["accounts"], row["accounts_money_unknown"], row["waste_annual"]) == (1, 1, None)
    fed = {row["entity"]: row["value"] for row in unfed.rows("select * from marts.fct_data_quality where metric = 'is_fed'")}
    assert fed["account"] == 1 and fed["usage_event"] == fed["ticket"] == 0
    assert len(fed) == len(ENTITIES) + 1


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portfolio]:
    portfolio = make_portfolio(tmp_path_factory.mktemp("mixed"))
    for key in ("seen", "misspelt", "no-lines", "invalid", "lapsed", "two-products"):
        portfolio.account(key)
    portfolio.account("returned", csm_email="ana@vendor.example")
    portfolio.line("seen-core", "seen", seats=20)
    portfolio.weekly_users("seen", [20] * 20)
    portfolio.line("misspelt-core", "misspelt", seats=20, product="Core Suite")
    portfolio.weekly_users("misspelt", [20] * 20)
    portfolio.line("backwards", "invalid", start_date=date(2026, 5, 1), end_date=date(2025, 5, 1))
    portfolio.line("lapsed-core", "lapsed", start_date=date(2024, 1, 1), end_date=date(2026, 1, 1), auto_renew=True)
    portfolio.line("two-core", "two-products", seats=100)
    portfolio.line("two-analytics", "two-products", seats=100, product="analytics")
    portfolio.weekly_users("two-products", [110] * 20)
    portfolio.weekly_users("two-products", [50] * 20, product="analytics")
    portfolio.line("returned-old", "returned", start_date=date(2023, 1, 1), end_date=date(2024, 12, 31), notice_served_on=date(2024, 9, 1))
    portfolio.line("returned-new", "returned", start_date=date(2026, 1, 1))
    portfolio.event(None, "stranger", date(2026, 6, 1))
    portfolio.event("not-in-crm", "stranger", date(2026, 6, 1))
    for feature in ("report_builder", "scheduled_reports", "benchmarks", "forecasting", "alerts"):
        portfolio.event("two-products", "keen", date(2026, 6, 25), product="analytics", feature=feature)
    portfolio.ticket("t1", "seen", datetime(2026, 6, 20))
    portfolio.write()
    with portfolio.warehouse.session() as session:
        session.execute("insert into raw.loads (load_id, entity, as_of_date, rows_suppressed) values ('l1', 'ticket', date '2026-06-27', 9), "
                        "('l2', 'ticket', date '2026-06-28', 2), ('l3', 'ticket', date '2026-06-29', 7), ('l4', 'ticket', date '2026-06-28', 1), "
                        "('l5', 'contact', date '2026-06-28', 0), ('l6', 'meeting', date '2026-06-28', null)")  # fmt: skip
        session.execute("insert into raw.quarantine (load_id, entity, row_key, reason) values ('l1', 'ticket', 't9', 'no account'), "
                        "('l2', 'ticket', 't9', 'no account'), ('l2', 'ticket', 't8', 'no account'), ('l3', 'ticket', 't7', 'no account')")  # fmt: skip
    portfolio.build(write=False)
    yield portfolio


def signals(portfolio: Portfolio, account: str) -> dict[str, object]:
    return portfolio.row(f"select * from marts.fct_account_signals where account_key = '{account}'")


def test_a_product_that_telemetry_never_mentions_is_not_waste(mixed: Portfolio) -> None:
    """A spelling mistake in the mapping reported every seat of a product as unused."""
    assert (signals(mixed, "misspelt")["waste_annual"], signals(mixed, "misspelt")["money_status"]) == (None, "unknown")
    row = mixed.row("select * from marts.fct_license_waste where contract_line_key = 'misspelt-core'")
    assert (row["status_reason"], row["unused_seats"]) == ("product is not in the telemetry", None)


def test_no_contract_is_zero_but_an_invalid_or_lapsed_one_is_not(mixed: Portfolio) -> None:
    none, invalid, lapsed = (signals(mixed, key) for key in ("no-lines", "invalid", "lapsed"))
    assert (none["seats_contracted"], none["waste_annual"], none["contract_status"]) == (0, Decimal("0.00"), "ok")
    assert (invalid["seats_contracted"], invalid["waste_annual"], invalid["contract_status"]) == (None, None, "unknown")
    assert (lapsed["seats_contracted"], lapsed["waste_annual"], lapsed["contract_status"]) == (None, None, "stale")


def test_utilisation_of_an_account_is_the_share_of_its_seats_in_use(mixed: Portfolio) -> None:
    """110 users on 100 seats of one product and 51 on 100 of the other: 151 of 200 seats, and 49 unused. Of the 51, 50 use both products."""
    row = signals(mixed, "two-products")
    assert (row["utilization_28d"], row["unused_seats"], row["active_users_28d"]) == (0.755, 49, 111)


def test_the_notice_of_a_former_contract_does_not_follow_a_customer_who_returned(mixed: Portfolio) -> None:
    row = mixed.row("select * from base.int_accounts where account_key = 'returned'")
    assert row["notice_served_on"] is None
    assert row["seats_contracted"] == 10


def test_what_cannot_be_attributed_is_reported(mixed: Portfolio) -> None:
    quality = {(row["entity"], row["metric"], row["detail"]): row["value"] for row in mixed.rows("select * from marts.fct_data_quality")}
    total = mixed.row("select sum(events) as n from base.int_usage_daily")["n"]
    assert quality["usage_event", "rows", ""] == total
    assert quality["usage_event", "unattributed_share", "rows whose account is not in the CRM"] == pytest.approx(2 / float(total))
    assert quality["contract_line", "invalid_lines", "end date before start date"] == 1
    assert quality["contract_line", "money_unknown_lines", "product is not in the telemetry"] == 1


def test_a_row_refused_every_night_counts_once_and_tomorrows_not_at_all(mixed: Portfolio) -> None:
    row = mixed.row("select * from marts.fct_data_quality where metric = 'quarantined'")
    assert (row["entity"], row["detail"], row["value"]) == ("ticket", "no account", 2)


def test_what_a_reading_held_of_erased_persons_is_counted_for_its_own_night(mixed: Portfolio) -> None:
    """A source that still names them has not been cleaned; elsewhere nothing says so."""
    rows = mixed.rows("select * from marts.fct_data_quality where metric = 'suppressed'")
    assert [(row["entity"], row["value"], row["status"]) for row in rows] == [("ticket", 3.0, "ok")]


def test_a_manager_who_is_known_by_address_alone_is_known(mixed: Portfolio) -> None:
    """Every account of a CRM that maps csm_email and no csm_name was nobody's, in the book, the queues and the lifecycle's gates."""
    assert signals(mixed, "returned")["csm_name"] == "ana@vendor.example"
    assert mixed.row("select csm_name from marts.dim_accounts where account_key = 'returned'")["csm_name"] == "ana@vendor.example"
    assert signals(mixed, "seen")["csm_name"] is None
    fact = mixed.row("select value_text, status from marts.fct_account_facts where account_key = 'returned' and metric = 'csm_name'")
    assert fact == {"value_text": None, "status": "unknown"}, "no draft prints an address as a name"


def test_value_features_that_nobody_uses_are_named(mixed: Portfolio) -> None:
    facts = {row["metric"]: row for row in mixed.rows("select * from marts.fct_account_facts where account_key = 'seen' and scope = 'core'")}
    assert (facts["entitled_features"]["value_number"], facts["used_features"]["value_number"]) == (6, 1)
    assert facts["unused_feature_names"]["value_text"] == "approvals, resource_planning, tasks, templates, time_tracking"


def test_no_unused_feature_is_an_answer_and_not_a_gap(mixed: Portfolio) -> None:
    row = mixed.row("select * from marts.fct_account_facts where account_key = 'two-products' and scope = 'analytics' and metric = 'unused_feature_names'")
    assert (row["value_text"], row["status"]) == ("none", "ok")
