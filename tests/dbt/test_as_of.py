"""A day built late gives what it gave on time, a day built twice changes nothing, and no day disturbs another."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pytest
from dbt_portfolio import AS_OF, Portfolio, daily_marts, make_portfolio

from vim_pipelines.core.errors import VimError
from vim_pipelines.portfolio.entities import ENTITIES
from vim_pipelines.transform.project import project_dir

MARTS = daily_marts()
NEXT_DAY = date(2026, 6, 29)


def day_of(portfolio: Portfolio, as_of: date) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of a day, in an order that does not depend on how they were stored."""
    return {
        mart: sorted((tuple(row.values()) for row in portfolio.rows(f"select * from marts.{mart} where as_of_date = date '{as_of}'")), key=repr)
        for mart in MARTS
    }


def first_night(portfolio: Portfolio) -> None:
    portfolio.account("acme", csm_name="Kim")
    portfolio.account("bolt")
    portfolio.line("acme-core", "acme", seats=40)
    portfolio.line("bolt-core", "bolt", seats=9, currency="EUR")
    portfolio.rate("EUR", date(2026, 6, 26), "1.1")
    portfolio.weekly_users("acme", [10] * 20)
    portfolio.weekly_users("bolt", [9] * 20)
    portfolio.ticket("t1", "acme", datetime(2026, 6, 20, 9), priority="P1")


def second_night(portfolio: Portfolio) -> None:
    """What becomes known on 29 June: renamed, resized, solved, deleted, a rate, a late event of June, and a replayed one."""
    later = datetime(2026, 6, 29, 10)
    portfolio.load_number = 2
    portfolio.account("acme", csm_name="Lee", known_at=later)
    portfolio.line("acme-core", "acme", seats=15, known_at=later)
    portfolio.account("bolt", known_at=later, is_deleted=True)
    portfolio.add("fx_rate", "EUR:2026-06-28", currency="EUR", rate_date=date(2026, 6, 28), rate="1.9", known_at=later)
    portfolio.add("fx_rate", "EUR:2026-06-26", currency="EUR", rate_date=date(2026, 6, 26), rate="1.7", known_at=later)
    portfolio.ticket("t1", "acme", datetime(2026, 6, 20, 9), priority="P1", status="solved", solved_at=datetime(2026, 6, 29, 9), known_at=later)
    portfolio.event("acme", "late-user", date(2026, 6, 15), recorded=date(2026, 6, 29))


@dataclass
class Nights:
    """What the marts held after each step of one story: night one, again, night two, and night one once more."""

    on_time: dict[str, list[tuple[Any, ...]]]
    twice: dict[str, list[tuple[Any, ...]]]
    after_next: dict[str, list[tuple[Any, ...]]]
    late: dict[str, list[tuple[Any, ...]]]
    ignorant: dict[str, list[tuple[Any, ...]]]
    current_days: list[dict[str, Any]]
    next_signals: list[dict[str, Any]]
    next_waste: list[dict[str, Any]]
    accounts_before: list[dict[str, Any]]
    accounts_after: list[dict[str, Any]]


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Nights:
    portfolio = make_portfolio(tmp_path_factory.mktemp("nights"))
    accounts = "select * from marts.dim_accounts order by account_key"
    first_night(portfolio)
    portfolio.build()
    on_time = day_of(portfolio, AS_OF)
    portfolio.build(write=False)
    twice = day_of(portfolio, AS_OF)
    second_night(portfolio)
    portfolio.build(as_of=NEXT_DAY)
    after_next, accounts_before = day_of(portfolio, AS_OF), portfolio.rows(accounts)
    current_days = portfolio.rows("select distinct as_of_date from marts.fct_account_signals_current")
    portfolio.build(write=False)
    ignorant = make_portfolio(tmp_path_factory.mktemp("ignorant"))
    first_night(ignorant)
    second_night(ignorant)
    ignorant.write()
    assert forget(ignorant, NEXT_DAY) == 7, "all that the second night brought"
    ignorant.build(write=False)
    return Nights(
        on_time, twice, after_next, day_of(portfolio, AS_OF), day_of(ignorant, AS_OF), current_days,
        portfolio.rows(f"select * from marts.fct_account_signals where as_of_date = date '{NEXT_DAY}'"),
        portfolio.rows(f"select * from marts.fct_license_waste where as_of_date = date '{NEXT_DAY}'"),
        accounts_before, portfolio.rows(accounts),
    )  # fmt: skip


def is_written_by_python(mart: str) -> bool:
    """No Python step runs here, so these marts have no rows; test_as_of_truth.py runs all steps."""
    (path,) = (project_dir() / "models" / "marts").rglob(f"{mart}.sql")
    return "source('computed'" in path.read_text()


def forget(portfolio: Portfolio, day: date) -> int:
    """Delete every row version and every event that became known on `day` or later; how many there were."""
    moments = {entity.table: "known_at" for entity in ENTITIES.values()} | {"usage_events": "recorded_at"}
    count = 0
    with portfolio.warehouse.session() as session:
        for table, moment in moments.items():
            count += session.scalar(f"select count(*) from raw.{table} where {moment} >= date '{day}'")
            session.execute(f"delete from raw.{table} where {moment} >= date '{day}'")
    return count


@pytest.mark.parametrize("mart", MARTS)
def test_a_day_is_the_same_without_anything_that_became_known_later(nights: Nights, mart: str) -> None:
    assert nights.ignorant[mart] == nights.on_time[mart]


@pytest.mark.parametrize("mart", MARTS)
def test_a_day_built_late_is_the_day_built_on_time(nights: Nights, mart: str) -> None:
    assert nights.late[mart] == nights.on_time[mart]
    assert nights.on_time[mart] or is_written_by_python(mart)


@pytest.mark.parametrize("mart", MARTS)
def test_the_same_day_twice_changes_nothing_and_the_next_day_leaves_it(nights: Nights, mart: str) -> None:
    assert nights.on_time[mart] == nights.twice[mart] == nights.after_next[mart]


def test_the_next_day_sees_what_changed(nights: Nights) -> None:
    """Without this the tests above would pass on models that look at nothing."""
    assert [(row["account_key"], row["seats"]) for row in nights.next_waste if row["account_key"] == "acme"] == [("acme", 15)]
    (signals,) = nights.next_signals
    assert (signals["account_key"], signals["csm_name"], signals["active_users_28d"], signals["tickets_open"]) == ("acme", "Lee", 11, 0)


def test_current_is_the_newest_day(nights: Nights) -> None:
    assert nights.current_days == [{"as_of_date": NEXT_DAY}]


def test_rebuilding_an_old_day_does_not_take_the_accounts_back(nights: Nights) -> None:
    assert nights.accounts_after == nights.accounts_before
    seen = [(row["account_key"], row["csm_name"], row["as_of_date"]) for row in nights.accounts_before]
    assert seen == [("acme", "Lee", NEXT_DAY), ("bolt", None, AS_OF)]


def test_a_day_that_comes_out_empty_loses_its_old_rows(portfolio: Portfolio) -> None:
    """dbt's delete+insert deletes only the days that the new result holds, so a risk that vanished would have stayed for ever."""
    portfolio.account("acme")
    portfolio.write()
    with portfolio.warehouse.session() as session:
        session.execute(
            f"insert into computed.risks (account_key, as_of_date, rule_id, rule_version, severity, inputs, threshold, p_value, effect, summary) values ('acme', date '{AS_OF}', 'MUDA_SHELFWARE', '1', 'high', '{{}}', '{{}}', null, 29, 'text')"
        )
    portfolio.build(write=False)
    assert len(portfolio.rows("select * from marts.fct_risks")) == 1
    with portfolio.warehouse.session() as session:
        session.execute("delete from computed.risks")
    portfolio.build("marts", write=False)
    assert portfolio.rows("select * from marts.fct_risks") == []


@pytest.mark.slow
def test_an_event_counts_once_and_its_first_arrival_wins(portfolio: Portfolio) -> None:
    """A collector that replays its last file after a crash doubled a day of events in a pilot."""
    portfolio.account("acme")
    portfolio.line("acme-core", "acme")
    for _ in range(2):
        portfolio.event("acme", "u1", date(2026, 6, 10), event_id="e1")
    portfolio.build("base")
    portfolio.load_number = 2
    portfolio.event("acme", "someone-else", date(2026, 6, 11), event_id="e1")
    portfolio.event("acme", "u2", date(2026, 6, 11), event_id="e2")
    portfolio.event("acme", "u2", date(2026, 6, 12), event_id="e2", recorded=date(2026, 6, 13))
    portfolio.build("base")
    counted = portfolio.rows("select user_key, activity_date, events from base.int_usage_daily order by user_key")
    assert [tuple(row.values()) for row in counted] == [("u1", date(2026, 6, 10), 1), ("u2", date(2026, 6, 11), 1)]
    portfolio.build("base", full_refresh=True)
    again = portfolio.rows("select user_key, activity_date, events from base.int_usage_daily order by user_key")
    assert again == counted


def test_a_run_without_an_as_of_date_stops(portfolio: Portfolio) -> None:
    """A silent default would audit the wrong day."""
    portfolio.account("acme")
    portfolio.write()
    with pytest.raises(VimError, match="as_of_date is not set") as caught:
        portfolio.build("base", as_of="", write=False)  # type: ignore[arg-type]
    assert caught.value.code == "VIM-E023"
