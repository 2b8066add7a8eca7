"""Service levels, concentration and renewals from raw rows to risks: what rings, what keeps it silent, and what ablation does.

Their facts come straight from the CRM and the help desk, so the whole way is walked: raw versions, dbt, signals.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from dbt_portfolio import AS_OF, Portfolio, make_portfolio

from vim_pipelines.signals.run import compute_signals

RULES = ("MURI_SLA", "SINGLE_THREAD", "RENEWAL_NO_TALK")
SOON = AS_OF + timedelta(days=50 + 60)  # opt-out in 50 days at 60 days of notice


def found(portfolio: Portfolio) -> dict[str, set[str]]:
    with portfolio.warehouse.session() as session:
        compute_signals(session, AS_OF)
        rows = session.rows("select account_key, rule_id from computed.risks where risk_status = 'open'")
    return {rule: {row["account_key"] for row in rows if row["rule_id"] == rule} for rule in RULES}


def noon(days_ago: int) -> datetime:
    return datetime(AS_OF.year, AS_OF.month, AS_OF.day, 12) - timedelta(days=days_ago)


def tickets(portfolio: Portfolio, account: str, count: int, breached: int, *, with_policy: bool = True, days_ago: int = 10) -> None:
    for number in range(count):
        key = f"{account}-{number}"
        portfolio.ticket(key, account, noon(days_ago), status="solved", solved_at=noon(days_ago - 1))
        if with_policy:
            portfolio.add("ticket_event", f"{key}-policy", ticket_key=key, metric="reply_time", event_type="apply_sla", occurred_at=noon(days_ago))
        if number < breached:
            portfolio.add("ticket_event", f"{key}-breach", ticket_key=key, metric="reply_time", event_type="breach", occurred_at=noon(days_ago - 1))


def users(portfolio: Portfolio, account: str, events: list[int]) -> None:
    """Value actions of each person within four weeks."""
    for number, count in enumerate(events):
        for step in range(count):
            portfolio.event(account, f"{account}-{number}", AS_OF - timedelta(days=step % 20))


def meeting(portfolio: Portfolio, account: str, days_ago: int, status: str = "held", kind: str = "cadence", key: str = "") -> None:
    portfolio.add("meeting", f"{account}-{key or days_ago}", account_key=account, meeting_kind=kind, held_at=noon(days_ago), status=status)


@pytest.fixture(scope="module")
def portfolio(tmp_path_factory: pytest.TempPathFactory) -> Portfolio:
    book = make_portfolio(tmp_path_factory.mktemp("rows"))
    for account in ("breached", "kept", "unlucky", "unpoliced", "old", "hero", "team", "tiny"):
        book.account(account)
        book.line(f"{account}-core", account, seats=4 if account == "tiny" else 12, end_date=date(2027, 6, 30))
        meeting(book, account, 20)
    tickets(book, "breached", 20, 8)
    tickets(book, "kept", 20, 1)
    tickets(book, "unlucky", 3, 2)
    tickets(book, "unpoliced", 20, 8, with_policy=False)
    tickets(book, "old", 20, 8, days_ago=100)
    users(book, "hero", [40, 5, 5])
    users(book, "team", [20, 18, 16, 14])
    users(book, "tiny", [40, 5])
    for account in ("silent", "met", "planned", "handoff", "open_deal", "won_deal", "next_term", "gone", "new"):
        book.account(account)
        start = AS_OF - timedelta(days=40) if account == "new" else date(2025, 1, 1)
        book.line(f"{account}-core", account, end_date=SOON, start_date=start, notice_served_on=AS_OF if account == "gone" else None)
        if account != "new":
            meeting(book, account, 70)
    meeting(book, "met", 10)
    meeting(book, "planned", -5, status="planned")
    meeting(book, "handoff", 5, kind="handoff")
    for account, closed in (("open_deal", False), ("won_deal", True)):
        book.add(
            "opportunity", f"{account}-opp", account_key=account, opportunity_type="renewal", is_closed=closed, is_won=closed, created_on=date(2026, 6, 1),
            close_date=date(2026, 6, 20) if closed else SOON,
        )  # fmt: skip
    book.line("next_term-2", "next_term", start_date=SOON + timedelta(days=1), end_date=SOON + timedelta(days=365))
    book.build("base")
    return book


def test_each_rings_on_its_account_and_on_no_neighbour(portfolio: Portfolio) -> None:
    """Two breaches of three are chance, breaches without a policy are not a rate, and a handoff among colleagues is no talk."""
    assert found(portfolio) == {"MURI_SLA": {"breached"}, "SINGLE_THREAD": {"hero"}, "RENEWAL_NO_TALK": {"silent", "handoff"}}


def test_the_numbers_behind_them_are_the_rows(portfolio: Portfolio) -> None:
    import json

    found(portfolio)
    with portfolio.warehouse.session(read_only=True) as session:
        rows = {
            row["account_key"]: json.loads(row["inputs"]) for row in session.rows(f"select account_key, inputs from computed.risks where rule_id in {RULES}")
        }
    assert (rows["breached"]["sla_tickets_90d"], rows["breached"]["sla_breached_90d"], rows["breached"]["sla_breach_rate"]) == (20, 8, 0.4)
    assert (rows["hero"]["top_user_share"], rows["hero"]["value_actions_28d"]) == (0.8, 50)
    assert (rows["silent"]["days_to_opt_out"], rows["silent"]["days_since_talk"], rows["silent"]["last_talk_on"]) == (50, 70, "2026-04-19")


def test_without_the_rows_the_risks_are_gone(portfolio: Portfolio) -> None:
    """Evidence ablation on raw rows: nobody is accused of a service level, of one person's use or of silence that nobody records."""
    with portfolio.warehouse.session() as session:
        for table in ("ticket_events", "usage_events", "meetings", "opportunities"):
            session.execute(f"create table raw.{table}_kept as select * from raw.{table}")
            session.execute(f"delete from raw.{table}")
        session.execute("create table base.daily_kept as select * from base.int_usage_daily")
        session.execute("delete from base.int_usage_daily")
        session.execute("delete from base.base_support__ticket_events")
    portfolio.build("base", write=False)
    assert found(portfolio) == {rule: set() for rule in RULES}
    with portfolio.warehouse.session() as session:
        for table in ("ticket_events", "usage_events", "meetings", "opportunities"):
            session.execute(f"insert into raw.{table} select * from raw.{table}_kept")
        session.execute("insert into base.int_usage_daily select * from base.daily_kept")
    portfolio.build("base", write=False)
    assert found(portfolio)["MURI_SLA"] == {"breached"}
