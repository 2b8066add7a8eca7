"""Any past date can be rebuilt: a simulated portfolio, its real nights, and three ways to the same day.

`lived` ran every night on time, some later ones, and then the day once more. `ignorant` never saw a row version or an event that became known
after the day. `late` got everything at once and ran the nights afterwards. Every daily mart of the manifest must be the same for the day in all
three, so a mart that somebody adds is held to it without being named here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from dbt_portfolio import AS_OF, Portfolio, make_portfolio

from vim_pipelines.evaluation.parity import compare
from vim_pipelines.portfolio.entities import ENTITIES
from vim_pipelines.transform.project import ensure_manifest

#: The night before the day: what changed since, and what was already known, is read from it.
EVE = AS_OF - timedelta(days=7)
LATER = (AS_OF + timedelta(days=1), AS_OF + timedelta(days=8))
TABLES = {entity.table: "known_at" for entity in ENTITIES.values()} | {"usage_events": "recorded_at"}
#: A row may be shown as long as it is the newest one; a past day of these is not kept.
NOT_DATED = {"dim_accounts"}


def after(day: date) -> datetime:
    """The first instant that is not known on `day`."""
    return datetime.combine(day + timedelta(days=1), time())


def dated_marts(portfolio: Portfolio) -> dict[str, tuple[str, ...]]:
    """The daily marts of the project and their grains: a column as_of_date, a table, and not a mirror of the operations store."""
    manifest = json.loads(ensure_manifest(portfolio.settings).read_text())
    grains = {
        test["attached_node"]: tuple(test["test_metadata"]["kwargs"]["columns"])
        for test in manifest["nodes"].values()
        if (test.get("test_metadata") or {}).get("name") == "grain"
    }
    return {
        node["name"]: grains.get(name, ())
        for name, node in manifest["nodes"].items()
        if node["resource_type"] == "model" and node["schema"] == "marts" and node["config"]["materialized"] != "view"
        and "ops" not in node["tags"] and "as_of_date" in node["columns"] and node["name"] not in NOT_DATED
    }  # fmt: skip


@dataclass
class Source:
    """What the portfolio's systems will have shown by the last night; warehouses are fed from it."""

    warehouse: Path

    def feed(self, portfolio: Portfolio, known: datetime, *, since: datetime = datetime(1970, 1, 1), load_number: int = 1) -> None:
        """Append what became known from `since` on and before `known`."""
        with portfolio.warehouse.session() as session:
            session.execute(f"attach '{self.warehouse}' as shown (read_only)")
            for table, moment in TABLES.items():
                columns = "* replace (cast(? as bigint) as load_number)" if table == "usage_events" else "*"
                values = [load_number] if table == "usage_events" else []
                session.execute(
                    f"insert into raw.{table} select {columns} from shown.raw.{table} where {moment} >= ? and {moment} < ?", [*values, since, known]
                )
            session.execute("delete from raw.entity_coverage")
            session.execute("insert into raw.entity_coverage select * from shown.raw.entity_coverage")


@dataclass
class Ways:
    """The rows of the day per mart, by each way, and of the night after it."""

    grains: dict[str, tuple[str, ...]]
    on_time: dict[str, list[dict[str, Any]]]
    lived: dict[str, list[dict[str, Any]]]
    ignorant: dict[str, list[dict[str, Any]]]
    late: dict[str, list[dict[str, Any]]]
    next_night: dict[str, list[dict[str, Any]]]
    deleted: int


@pytest.fixture(scope="module")
def ways(tmp_path_factory: pytest.TempPathFactory) -> Ways:
    from benchmarks.parity_nights import prepare, run_night
    from benchmarks.planted import load_simulation
    from vim_pipelines.sandbox.simulator import simulate

    folder = tmp_path_factory.mktemp("as-of")
    source = make_portfolio(folder / "source")
    with source.warehouse.session() as session:
        load_simulation(session, simulate(seed=11, accounts=40, weeks=60), after(LATER[-1]))
        # Two accounts too small for a verdict: one mart speaks of such only.
        session.execute(
            "update raw.contract_lines set seats = 4 where account_key in (select distinct account_key from raw.contract_lines order by account_key limit 2)"
        )
        days = session.scalar("select count(distinct cast(recorded_at as date)) from raw.usage_events where recorded_at >= ?", [after(AS_OF)])
        assert days == (LATER[-1] - AS_OF).days, "there is a future to forget"
    shown = Source(folder / "source" / "warehouse.duckdb")

    def opened(name: str) -> Portfolio:
        portfolio = make_portfolio(folder / name)
        portfolio.write()
        prepare(portfolio.settings, portfolio.warehouse)
        return portfolio

    def night(portfolio: Portfolio, day: date) -> None:
        run_night(portfolio.settings, portfolio.warehouse, day, tests=False)

    def day_of(portfolio: Portfolio, day: date = AS_OF) -> dict[str, list[dict[str, Any]]]:
        return {mart: portfolio.rows(f"select * from marts.{mart} where as_of_date = date '{day}'") for mart in grains}

    lived = opened("lived")
    grains = dated_marts(lived)
    known = datetime(1970, 1, 1)
    for number, day in enumerate((EVE, AS_OF, *LATER), start=1):
        shown.feed(lived, after(day), since=known, load_number=number)
        known = after(day)
        night(lived, day)
        if day == AS_OF:
            on_time = day_of(lived)
    next_night = day_of(lived, LATER[0])
    night(lived, AS_OF)

    ignorant = opened("ignorant")
    shown.feed(ignorant, after(LATER[-1]))
    deleted = 0
    with ignorant.warehouse.session() as session:
        for table, moment in TABLES.items():
            deleted += session.scalar(f"select count(*) from raw.{table} where {moment} >= ?", [after(AS_OF)])
            session.execute(f"delete from raw.{table} where {moment} >= ?", [after(AS_OF)])
    late = opened("late")
    shown.feed(late, after(LATER[-1]))
    for portfolio in (ignorant, late):
        for day in (EVE, AS_OF):
            night(portfolio, day)
    return Ways(grains, on_time, day_of(lived), day_of(ignorant), day_of(late), next_night, deleted)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["lived", "ignorant", "late"])
def test_a_past_day_is_the_same_by_every_way(ways: Ways, way: str) -> None:
    """Rebuilt after later nights; rebuilt from raw tables without any version known later; built for the first time long afterwards."""
    found = getattr(ways, way)
    # A mean over a segment is a sum in the order in which threads come by: its last bits differ, and nothing else may.
    differences = [entry for mart, grain in ways.grains.items() for entry in compare(mart, grain, ways.on_time[mart], found[mart], tolerance=1e-12)]
    assert [str(entry) for entry in differences[:20]] == []


@pytest.mark.slow
def test_there_was_something_to_tell_apart(ways: Ways) -> None:
    """Every daily mart has rows, much was deleted, and the night after shows another picture: equal marts above mean something."""
    # A quiet week moves nobody; cards come from the backtest, which is no part of a night.
    assert {mart for mart, rows in ways.on_time.items() if not rows} <= {"fct_phase_transitions", "fct_calibration_cards"}
    assert len(ways.grains) >= 15 and ways.deleted > 1_000
    moved = {
        mart for mart, rows in ways.next_night.items() if {repr(without_date(row)) for row in rows} != {repr(without_date(row)) for row in ways.on_time[mart]}
    }
    assert {"fct_account_signals", "fct_license_waste", "fct_adoption_variance", "fct_ticket_load", "fct_data_quality"} <= moved


def without_date(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "as_of_date"}
