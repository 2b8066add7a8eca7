"""Gini, stickiness, burstiness, Kaplan-Meier and retention worked out a second time, from raw rows and without SQL, on simulated customers.

The hand-worked examples are small and tidy. Here the rows are the simulator's, with late, repeated and unattributed events, several
products, overlapping lines and currencies, and the recomputation shares nothing with the models but the definitions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from dbt_portfolio import Portfolio, make_portfolio

from vim_pipelines.portfolio.entities import ENTITIES
from vim_pipelines.sandbox.simulator.catalog import PRODUCT_FEATURES
from vim_pipelines.sandbox.simulator.generate import simulate

AS_OF = date(2026, 6, 28)
ACCOUNTS, WEEKS = 40, 40
ENTITIES_USED = ("account", "contract_line", "fx_rate", "milestone", "ticket", "ticket_event", "license_assignment")


@dataclass(frozen=True)
class World:
    """The simulated rows as they were known at the end of the day, and the marts that were built from them."""

    portfolio: Portfolio
    versions: dict[str, pd.DataFrame]
    events: pd.DataFrame

    def latest(self, entity: str) -> pd.DataFrame:
        key = ENTITIES[entity].key
        return self.versions[entity].sort_values("modified_at", kind="stable").drop_duplicates(key, keep="last")

    def measures(self, name: str) -> dict[str, float]:
        rows = self.portfolio.rows(
            f"select account_key, value from marts.fct_account_measures where measure = '{name}' and product = '*' and value is not null"
        )
        return {row["account_key"]: row["value"] for row in rows}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    simulation = simulate(seed=11, accounts=ACCOUNTS, weeks=WEEKS)
    portfolio = make_portfolio(tmp_path_factory.mktemp("recomputed"))
    end = pd.Timestamp(AS_OF) + pd.Timedelta(days=1)
    versions: dict[str, pd.DataFrame] = {}
    for entity in ENTITIES_USED:
        frame = simulation.tables[ENTITIES[entity].table]
        frame = frame[pd.to_datetime(frame["modified_at"]) < end]
        versions[entity] = frame
        for row in frame.astype(object).where(frame.notna(), None).to_dict("records"):
            known = pd.Timestamp(row.pop("modified_at")).to_pydatetime()
            portfolio.add(entity, row.pop(ENTITIES[entity].key), known_at=known, **row)
    events = simulation.usage_events.to_pandas()
    events = events[pd.to_datetime(events["recorded_at"]) < end]
    for row in events.astype(object).where(events.notna(), None).to_dict("records"):
        portfolio._events.append({**row, "source_name": "test", "source_file": "f", "load_number": 1})
    portfolio.build()
    yield World(portfolio, versions, events)


def known_events(world: World) -> pd.DataFrame:
    """Each event once, attributed, up to the day, with whether it is of a value feature."""
    value = {(product, feature.name) for product, features in PRODUCT_FEATURES.items() for feature in features if feature.is_value}
    events = world.events.sort_values("recorded_at", kind="stable").drop_duplicates("event_id")
    events = events[events["account_key"].notna()].copy()
    events["day"] = pd.to_datetime(events["occurred_at"]).dt.normalize()
    events["is_core"] = [pair in value for pair in zip(events["product"], events["feature"], strict=True)]
    return events[events["day"] <= pd.Timestamp(AS_OF)]


def within(events: pd.DataFrame, days: int) -> pd.DataFrame:
    return events[events["day"] > pd.Timestamp(AS_OF) - pd.Timedelta(days=days)]


def gini(values: np.ndarray) -> float:
    """Half the mean absolute difference over all pairs, relative to the mean: the definition, without ranks."""
    return float(np.abs(values[:, None] - values[None, :]).mean() / 2.0 / values.mean())


def test_gini_is_the_mean_difference_between_seats(world: World) -> None:
    seats = world.measures("seats_contracted")
    recent = within(known_events(world), 28)
    found, checked = world.measures("concentration_gini"), 0
    for account, group in recent[recent["user_key"].notna()].groupby("account_key"):
        core = group.groupby("user_key")["is_core"].sum().to_numpy(dtype=float)
        if account not in seats or core.sum() == 0:
            continue
        values = np.concatenate([core, np.zeros(max(0, int(seats[account]) - len(core)))])
        assert found[account] == pytest.approx(gini(values), abs=1e-9), account
        checked += 1
    assert checked == len(found) > 20


def test_stickiness_is_the_mean_of_daily_and_weekly_users(world: World) -> None:
    recent = within(known_events(world), 28)
    recent = recent[recent["user_key"].notna()]
    daily, weekly = world.measures("stickiness_dau_mau"), world.measures("stickiness_wau_mau")
    days = [pd.Timestamp(AS_OF) - pd.Timedelta(days=n) for n in range(28)]
    for account, group in recent.groupby("account_key"):
        if account not in daily:
            continue
        users = [set(group.loc[group["day"] == day, "user_key"]) for day in days]
        month = len(set().union(*users))
        assert daily[account] == pytest.approx(sum(len(found) for found in users) / 28 / month, abs=1e-12)
        assert weekly[account] == pytest.approx(sum(len(set().union(*users[n : n + 7])) for n in (0, 7, 14, 21)) / 4 / month, abs=1e-12)
    assert len(daily) > 20


def burstiness(times: list[int]) -> float:
    """Kim and Jo's A_n(r) over the inter-event times themselves."""
    gaps = np.diff(np.sort(np.array(times, dtype=float)))
    n, r = len(gaps), gaps.std() / gaps.mean()
    return float((np.sqrt(n + 1) * r - np.sqrt(n - 1)) / ((np.sqrt(n + 1) - 2) * r + np.sqrt(n - 1)))


def test_burstiness_from_every_single_event(world: World) -> None:
    core = within(known_events(world), 90)
    core = core[core["is_core"]]
    found, checked = world.measures("burstiness"), 0
    for account, group in core.groupby("account_key"):
        if account in found:
            assert found[account] == pytest.approx(burstiness([day.toordinal() for day in group["day"]]), abs=1e-8), account
            checked += 1
    assert checked == len(found) > 20


def test_random_times_are_neither_bursty_nor_regular() -> None:
    """What the correction is for: of 12 events at random times plain B is -0.072 on average and the corrected one -0.030; the ends are -1 and 1."""
    rng = np.random.default_rng(5)
    samples = [rng.random(12) for _ in range(4000)]
    corrected = np.mean([burstiness(list(times)) for times in samples])
    gaps = [np.diff(np.sort(times)) for times in samples]
    plain = np.mean([(gap.std() - gap.mean()) / (gap.std() + gap.mean()) for gap in gaps])
    assert abs(corrected) < 0.035 < 0.07 < abs(plain)
    assert burstiness(list(range(12))) == pytest.approx(-1.0)
    assert burstiness([0] * 11 + [50]) == pytest.approx(1.0)


def test_kaplan_meier_of_scipy_gives_the_same_days(world: World) -> None:
    """Milestones and first contract starts from the raw rows; scipy.stats.ecdf on censored data as the other hand."""
    from scipy.stats import CensoredData, ecdf

    cycles = {row["account_key"]: row for row in world.portfolio.rows("select account_key, cycle_started_on from base.int_contract_cycles")}
    milestones = world.latest("milestone")
    first = milestones[milestones["milestone_kind"] == "fttv"]
    reached: dict[str, Any] = {}
    for row in first.to_dict("records"):
        day = row["reached_on"] if pd.notna(row["reached_on"]) and row["reached_on"] <= AS_OF else None
        earlier = reached.get(row["account_key"])
        reached[row["account_key"]] = min(day, earlier) if day and earlier else day or earlier
    exact, censored = [], []
    for account, day in reached.items():
        start = cycles[account]["cycle_started_on"]
        if start is None:
            continue
        (exact if day else censored).append(max(0, ((day or AS_OF) - start).days))
    survival = ecdf(CensoredData(uncensored=exact, right=censored)).sf
    row = world.portfolio.row("select * from marts.fct_time_to_value where segment = '*'")
    assert (row["accounts_reached"], row["accounts_censored"]) == (len(exact), len(censored))
    for column, level in (("median_days", 0.5), ("p90_days", 0.1)):
        below = survival.quantiles[np.round(survival.probabilities, 12) <= level]
        assert row[column] == (int(below[0]) if len(below) else None)
    assert row["share_not_reached"] == pytest.approx(survival.probabilities.min(), abs=1e-9)


def annual_values(lines: pd.DataFrame, rates: dict[str, float], day: date) -> dict[str, float]:
    """Annual value per account of the lines that run on the day; an account with a line that cannot be valued is left out."""
    totals: dict[str, float] = {}
    for line in lines.to_dict("records"):
        ends = line["end_date"]
        if line["status"] in ("draft", "terminated") or line["start_date"] > day or (pd.notna(ends) and ends < day):
            continue
        rate = 1.0 if line["currency"] == "USD" else rates.get(line["currency"], float("nan"))
        price = line["net_unit_price_annual"]
        value = 0.0 if line["seats"] == 0 else round(round(float(line["seats"]) * float(price if price is not None else "nan"), 2) * rate, 2)
        totals[line["account_key"]] = totals.get(line["account_key"], 0.0) + value
    return totals


def test_retention_from_the_lines_of_then_and_now(world: World) -> None:
    then_day = AS_OF - timedelta(days=365)
    frame = world.versions["contract_line"].sort_values("modified_at", kind="stable")
    frame = frame[[pd.isna(end) or end >= start for start, end in zip(frame["start_date"], frame["end_date"], strict=True)]]
    now = frame.drop_duplicates("contract_line_key", keep="last")
    moment = pd.Timestamp(datetime.combine(then_day + timedelta(days=1), datetime.min.time()))
    known_then = frame[pd.to_datetime(frame["modified_at"]) < moment].drop_duplicates("contract_line_key", keep="last")
    later = frame[~frame["contract_line_key"].isin(known_then["contract_line_key"])].drop_duplicates("contract_line_key", keep="first")
    rates_frame = world.latest("fx_rate")
    rates = {
        str(currency): float(group.sort_values("rate_date")["rate"].iloc[-1])
        for currency, group in rates_frame[[day <= AS_OF for day in rates_frame["rate_date"]]].groupby("currency")
    }
    before, after = annual_values(pd.concat([known_then, later]), rates, then_day), annual_values(now, rates, AS_OF)
    kept = {row["account_key"] for row in world.portfolio.rows("select account_key from base.int_accounts where contract_status = 'ok'")}
    cohort = {account for account, value in before.items() if account in kept and value > 0 and not np.isnan(after.get(account, 0.0))}
    start = sum(before[account] for account in cohort)
    row = world.portfolio.row("select * from marts.fct_revenue_retention where segment = '*'")
    assert row["accounts_in_cohort"] == len(cohort) > 10
    assert float(row["arr_start"]) == pytest.approx(start, abs=0.05)
    assert row["net_retention"] == pytest.approx(sum(after.get(account, 0.0) for account in cohort) / start, abs=1e-6)
    assert row["gross_retention"] == pytest.approx(sum(min(after.get(account, 0.0), before[account]) for account in cohort) / start, abs=1e-6)


def test_service_level_from_the_raw_steps(world: World) -> None:
    events, tickets = world.versions["ticket_event"], world.latest("ticket")
    opened = pd.to_datetime(tickets["opened_at"])
    recent = tickets[
        (opened >= pd.Timestamp(AS_OF) - pd.Timedelta(days=89)) & (opened < pd.Timestamp(AS_OF) + pd.Timedelta(days=1)) & (tickets["status"] != "deleted")
    ]
    steps = {ticket: set(zip(group["metric"], group["event_type"], strict=True)) for ticket, group in events.groupby("ticket_key")}
    tally: dict[str, list[int]] = {}
    for ticket, account in zip(recent["ticket_key"], recent["account_key"], strict=True):
        found = steps.get(ticket, set())
        metrics = {metric for metric, step in found if step == "apply_sla"}
        is_missed = any((metric, "breach") in found for metric in metrics)
        if metrics and (is_missed or all((metric, "fulfill") in found for metric in metrics)):
            tally.setdefault(account, []).append(int(is_missed))
    expected = {account: sum(marks) / len(marks) for account, marks in tally.items()}
    assert world.measures("sla_breach_rate") == pytest.approx(expected)
    assert len(expected) > 10 and 0 < sum(map(sum, tally.values())) < sum(map(len, tally.values()))
