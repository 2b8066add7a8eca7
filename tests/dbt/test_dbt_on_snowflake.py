"""The whole project on DuckDB and on the Snowflake emulator, every mart compared row by row.

Through dbt-snowflake, the real connector and Dagster's SnowflakeResource (inside SnowflakeWarehouse). fakesnow runs on DuckDB, so this
proves the SQL as Snowflake is sent it and the way of the values back, not Snowflake's arithmetic: that is `make parity-live`.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from dbt_portfolio import AS_OF, Portfolio, create_tables, make_portfolio
from fakesnow_shims import emulator, sessions, statements
from test_money_by_hand import ACCOUNTS, LINES, cents, fill_ten_accounts

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # benchmarks/ stands beside the package and is not installed

from benchmarks.parity_nights import compare_warehouses, fill_store, keep_card, project_marts, run_night, run_operations, silently_empty  # noqa: E402
from vim_pipelines.evaluation.parity import Mart, summary  # noqa: E402
from vim_pipelines.quality.gates import judge  # noqa: E402
from vim_pipelines.quality.holds import record  # noqa: E402
from vim_pipelines.reporting.figures import read_figures  # noqa: E402
from vim_pipelines.transform.metrics import metric_sql, metrics_of  # noqa: E402
from vim_pipelines.transform.project import ensure_manifest  # noqa: E402


@dataclass
class Both:
    """The same portfolio on both warehouses, and the folder of the emulator."""

    duckdb: Portfolio
    snowflake: Portfolio
    folder: Path
    marts: tuple[Mart, ...]

    def assert_equal(self) -> None:
        counts, differences = compare_warehouses(self.marts, self.duckdb.warehouse, self.snowflake.warehouse)
        assert not differences, summary(differences)
        assert silently_empty(counts) == []


@pytest.fixture(scope="module")
def ten_accounts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """The ten accounts of tests/dbt/test_money_by_hand.py, with tickets, people and a lifecycle; one night and the store's mirror."""
    folder = tmp_path_factory.mktemp("parity")
    with emulator(folder) as reach:
        portfolios = [make_portfolio(folder / "duckdb"), make_portfolio(folder / "snowflake", **reach)]
        store = fill_store(folder, sorted(ACCOUNTS), AS_OF)
        for portfolio in portfolios:
            fill_ten_accounts(portfolio)
            fill_the_rest(portfolio)
            portfolio.write()
            record(portfolio.warehouse, judge(portfolio.warehouse, AS_OF).results, AS_OF)
            keep_card(portfolio.warehouse, AS_OF)
            run_night(portfolio.settings, portfolio.warehouse, AS_OF, tests=False)
            run_operations(portfolio.settings, portfolio.warehouse, store, AS_OF, tests=False)
        yield Both(*portfolios, folder, project_marts(portfolios[0].settings))


def fill_the_rest(portfolio: Portfolio) -> None:
    """What the ten accounts lack for a row in every mart: tickets that surge, a sponsor who left, hand-off fields, a milestone that is late."""
    portfolio.rate("JPY", date(2026, 6, 24), "0.0063")
    for number in range(24):
        opened = datetime(2026, 6, 28, 23, 59, 59, 999999) - timedelta(days=number, microseconds=number)
        portfolio.ticket(
            f"ticket-{number}", "2-overlap", opened, priority=("P1", "P2", "P3")[number % 3], status="open" if number % 4 else "solved",
            solved_at=None if number % 4 else opened + timedelta(hours=number),
        )  # fmt: skip
    portfolio.account("11-small")  # too few seats for a volatility verdict: its users are listed instead
    portfolio.line("small", "11-small", seats=6, net_unit_price_annual=100)
    portfolio.weekly_users("11-small", [4, 3, 4, 2, 0, 1])
    portfolio.account("12-held")  # one line that nobody can mean: the good line beside it is not believed either
    portfolio.line("held-good", "12-held", seats=100, net_unit_price_annual=300)
    portfolio.line("held-bad", "12-held", seats=-40, net_unit_price_annual=300)
    portfolio.weekly_users("12-held", [20] * 20)
    portfolio.ticket("ticket-held", "12-held", datetime(2026, 6, 20, 9), priority="P1", status="open")
    portfolio.add("contact", "contact-1", account_key="1-headline", full_name="Sam O'Hara", role="sponsor", is_active=False, left_on=date(2026, 6, 1))
    portfolio.add("contact", "contact-2", account_key="1-headline", full_name='Chris "C." Ö', role="champion", is_active=True)
    body = 'Champion: Chris "C." Ö\nKnown risks: it\'s slow\nNotice period: as usual'
    portfolio.add("document", "handoff-1", account_key="1-headline", document_kind="handoff", body=body, authored_on=date(2026, 6, 1))


def test_an_account_with_a_bad_row_is_unknown_on_both_and_nobody_else_is(ten_accounts: Both) -> None:
    reason = "held: contract line: seats negative or beyond belief"
    for portfolio in (ten_accounts.duckdb, ten_accounts.snowflake):
        held = portfolio.row("select * from marts.fct_account_signals where hold_reason is not null")
        assert (held["account_key"], held["hold_reason"], held["risk_band"]) == ("12-held", reason, "unknown")
        assert (held["usage_status"], held["contract_status"], held["ticket_status"], held["money_status"]) == ("unknown",) * 4
        said = {"account_key", "as_of_date", "account_name", "segment", "tier", "csm_name", "csm_email", "arr_amount", "currency", "portfolio_currency"}
        found = {name: value for name, value in held.items() if value is not None and name not in said}
        assert set(found) - {"n_weeks"} == {"risk_band", "usage_status", "contract_status", "ticket_status", "money_status", "hold_reason", "coverage"}, found
        assert found.get("n_weeks", 0) == 0, found
        assert found["coverage"] == 0
        measures = portfolio.rows("select distinct status, status_reason, value from marts.fct_account_measures where account_key = '12-held'")
        assert measures == [{"status": "unknown", "status_reason": reason, "value": None}]
        for mart in ("fct_risks", "fct_account_facts", "fct_license_waste", "fct_account_state", "fct_requirements"):
            assert portfolio.rows(f"select 1 from marts.{mart} where account_key = '12-held'") == [], mart
            assert portfolio.rows(f"select 1 from marts.{mart} where account_key <> '12-held'") != [], mart
        quarantined = portfolio.row("select * from raw.quarantine")
        assert (quarantined["row_key"], quarantined["reason"], quarantined["source_name"]) == ("held-bad", "gate:seats_are_believable", "test")


def test_the_headline_marts_build_on_snowflake(ten_accounts: Both) -> None:
    for line, (unused, unused_value, gap, waste) in LINES.items():
        row = ten_accounts.snowflake.row(f"select * from marts.fct_license_waste where contract_line_key = '{line}'")
        assert (row["unused_seats"], row["unused_value_annual"], row["shelfware_seats"], row["waste_annual"]) == (
            unused, cents(unused_value), gap, cents(waste),
        )  # fmt: skip


def test_every_mart_of_a_night_equals_duckdbs(ten_accounts: Both) -> None:
    ten_accounts.assert_equal()


def test_each_model_ran_under_a_query_tag_with_its_date_and_pinned_parameters(ten_accounts: Both) -> None:
    """A bill can be explained by step and date, and an account whose weeks begin on Sunday gets the same marts."""
    seen = sessions(ten_accounts.folder)
    assert len(seen) >= len(ten_accounts.marts)
    tags = [json.loads(parameters["QUERY_TAG"]) for parameters in seen]
    assert all(tag == {"app": "value-in-motion", "step": "transform", "as_of": str(AS_OF)} for tag in tags)
    assert {(parameters["TIMEZONE"], parameters["WEEK_START"], parameters["STATEMENT_TIMEOUT_IN_SECONDS"]) for parameters in seen} == {("UTC", 1, 3600)}


def test_metrics_equal_the_book_and_the_nightly_mart_on_both(ten_accounts: Both) -> None:
    """The semantic layer's definitions as SQL, on marts that dbt built: the same on both warehouses, and no second definition beside the book's."""
    manifest = json.loads((ensure_manifest(ten_accounts.duckdb.settings).parent / "semantic_manifest.json").read_text())
    found: list[dict[str, Any]] = []
    for portfolio in (ten_accounts.duckdb, ten_accounts.snowflake):
        with portfolio.warehouse.session(read_only=True) as session:
            found.append({metric.name: session.scalar(metric_sql(manifest, metric.name, AS_OF)) for metric in metrics_of(manifest)})
            shown = {figure.id: figure.value for figure in read_figures(session, AS_OF).figures}
            daily = session.rows(f"select * from marts.fct_portfolio_daily where as_of_date = date '{AS_OF}'")[0]
            retention = session.rows(f"select * from marts.fct_revenue_retention where as_of_date = date '{AS_OF}' and segment = '*'")[0]
        expected = (
            shown
            | {name: daily[name] for name in daily.keys() & found[-1].keys()}
            | {name: retention[name] for name in ("gross_retention", "net_retention", "arr_start")}
        )
        assert {name: (found[-1][name], amount) for name, amount in expected.items() if not same(found[-1][name], amount)} == {}
        assert all(found[-1][name] for name in ("waste_annual", "arr_at_risk", "utilisation", "gross_retention", "accounts")), found[-1]
    assert {name: (amount, found[1][name]) for name, amount in found[0].items() if not same(amount, found[1][name])} == {}


def same(one: Any, other: Any) -> bool:
    """Equal numbers of whatever type; nothing counted is 0 in the book."""
    return math.isclose(float(one or 0), float(other or 0), rel_tol=1e-9) and ((one is None) <= (not other))


def test_descriptions_are_left_on_tables_views_and_columns(ten_accounts: Both) -> None:
    """A BI tool shows them beside the column. The emulator keeps no comments, so the statements are read."""
    told = statements(ten_accounts.folder)
    for mart in ten_accounts.marts:
        assert any(text.lower().startswith(f"comment on {'view' if mart.is_view else 'table'} vim.marts.{mart.name} is $$") for text in told), mart.name
    columns = next(text for text in told if text.lower().startswith("alter table vim.marts.fct_alerts alter"))
    assert '"DAYS_OPEN" COMMENT $$Days from the night that found it' in columns
    log = (ten_accounts.snowflake.settings.dbt_target_dir / "logs" / "dbt.log").read_text()
    view = log[log.index("view VIM.marts.fct_license_waste_current") :]
    assert '"WASTE_ANNUAL" COMMENT $$' in view[: view.index(");")] and '"WASTE_ANNUAL" COMMENT $$$$' not in view[: view.index(");")]


def test_snowflake_tables_are_clustered_and_transient_as_documented(ten_accounts: Both) -> None:
    """The emulator drops both words, so the statements are read from what dbt sent."""
    log = (ten_accounts.snowflake.settings.dbt_target_dir / "logs" / "dbt.log").read_text().lower()
    assert "create or replace table vim.marts.fct_account_signals" in log and "alter table vim.marts.fct_account_signals cluster by (as_of_date)" in log
    assert "create or replace transient table vim.base.int_usage_daily" in log and "alter table vim.base.int_usage_daily cluster by (activity_date)" in log
    assert "alter table vim.marts.fct_plans cluster by" not in log


def test_every_clustered_model_has_the_column_that_it_is_clustered_by(ten_accounts: Both) -> None:
    """A mart in a new folder inherits `cluster_by: [as_of_date]`; without that column it could not be made on Snowflake."""
    manifest = json.loads(ensure_manifest(ten_accounts.snowflake.settings).read_text())
    columns: dict[str, set[str]] = {}
    for row in ten_accounts.duckdb.rows("select table_name as t, column_name as c from information_schema.columns where table_schema in ('base', 'marts')"):
        columns.setdefault(row["t"], set()).add(row["c"])
    clustered = {
        node["name"]: set(node["config"]["cluster_by"])
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["config"].get("cluster_by") and node["config"]["materialized"] != "view"
    }
    assert {"int_usage_daily", "fct_account_signals", "fct_account_measures"} <= set(clustered)
    assert {name: keys - columns[name] for name, keys in clustered.items() if not keys <= columns[name]} == {}


@pytest.mark.slow
def test_nights_of_a_simulated_portfolio_are_the_same_on_both_warehouses(tmp_path: Path) -> None:
    """Simulated accounts beside the ten: two nights in a row, a past date rebuilt, the last night once more. The incremental way is compared too, dbt's
    own tests run on both, and the planted truths give every kind of risk something to find."""
    from benchmarks.planted import load_simulation
    from vim_pipelines.sandbox.simulator import simulate

    simulation = simulate(seed=7, accounts=40, weeks=60)
    keys = sorted(simulation.tables["accounts"]["account_key"].unique())
    with emulator(tmp_path) as reach:
        portfolios = [make_portfolio(tmp_path / "duckdb"), make_portfolio(tmp_path / "snowflake", **reach)]
        store = fill_store(tmp_path, keys, AS_OF)
        for portfolio in portfolios:
            with portfolio.warehouse.session() as session:
                create_tables(session)
            with portfolio.warehouse.session() as session:
                load_simulation(session, simulation, datetime.combine(AS_OF + timedelta(days=1), datetime.min.time()))
            fill_ten_accounts(portfolio)
            fill_the_rest(portfolio)
            portfolio.write()
            keep_card(portfolio.warehouse, AS_OF)
            for night in (AS_OF - timedelta(days=1), AS_OF, AS_OF - timedelta(days=30), AS_OF):
                run_night(portfolio.settings, portfolio.warehouse, night)
            run_operations(portfolio.settings, portfolio.warehouse, store, AS_OF)
        both = Both(*portfolios, tmp_path, project_marts(portfolios[0].settings))
        both.assert_equal()
        dates: list[dict[str, Any]] = both.snowflake.rows("select distinct as_of_date as d from marts.fct_account_signals")
        assert len(dates) == 3
