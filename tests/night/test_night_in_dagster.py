"""A finished night as Dagster keeps it: numbers that plot, pictures that show at once, columns as they are in the warehouse."""

from __future__ import annotations

from datetime import date

import dagster as dg
import duckdb
import pytest

from vim_pipelines.catalogue import table_columns
from vim_pipelines.core.sparkline import INLINE_LIMIT
from vim_pipelines.settings import load_settings
from vim_pipelines.transform.assets import dbt_steps


@pytest.fixture(scope="module")
def instance(first_night):
    with first_night[0].dagster() as instance:
        yield instance


def noted(instance, *key):
    event = instance.get_latest_materialization_event(dg.AssetKey(list(key)))
    return {name: entry.value for name, entry in event.asset_materialization.metadata.items()}


def test_the_numbers_of_the_night_are_those_of_the_marts(first_night, instance):
    home, summary = first_night
    said = noted(instance, "published")
    as_of = date.fromisoformat(summary["as_of_date"])
    with duckdb.connect(str(home.path / "published" / "vim.duckdb"), read_only=True) as published:

        def ask(sql):
            return published.execute(sql, [as_of]).fetchone()[0]

        assert said["waste_annual"] == float(ask("select waste_annual from marts.fct_portfolio_daily where as_of_date = ?"))
        assert said["unused_value_annual"] == float(ask("select unused_value_annual from marts.fct_portfolio_daily where as_of_date = ?"))
        assert said["accounts_red"] == ask("select count(*) from marts.fct_account_signals where as_of_date = ? and risk_band = 'red'")
        assert said["arr_at_risk"] == float(ask("select sum(line_value_annual_portfolio) from marts.fct_renewals where as_of_date = ? and risk_band = 'red'"))
        assert said["drafts"] == ask("select coalesce(sum(drafts), 0) from marts.fct_llm_costs where as_of_date = ?") == summary["drafts_written"]
        assert said["cost_usd"] == float(ask("select coalesce(sum(cost_usd), 0) from marts.fct_llm_costs where as_of_date = ?"))
    assert said["approvals_pending"] == summary["awaiting_approval"] > 0
    assert {"drafts_held", "tokens_in", "tokens_out"} <= set(said)
    assert said["book"].endswith("/book/") and said["inbox"].startswith("http")


def test_the_pictures_are_short_enough_to_be_shown_at_once(instance):
    said = noted(instance, "published")
    for name in ("waste_over_time", "red_over_time"):
        assert "](data:image/svg+xml," in said[name] and len(said[name]) < INLINE_LIMIT


def test_every_table_of_dbt_says_how_many_rows_it_has(first_night, instance):
    home, _ = first_night
    for schema, table in (("marts", "fct_account_signals"), ("base", "int_accounts"), ("marts", "fct_approvals")):
        assert noted(instance, schema, table)["dagster/row_count"] == home.rows(f"select count(*) from {schema}.{table}")[0][0]


def test_the_checks_of_the_night_were_asked_and_hold(instance):
    asked = {
        ("marts", "fct_data_quality"): "sources_are_fresh",
        ("marts", "fct_account_signals"): "signals_are_covered",
        ("ops", "drafts"): "evidence_is_complete",
        ("ops", "approval_requests"): "queue_is_draining",
        ("published",): "copy_is_complete",
    }
    for path, name in asked.items():
        key = dg.AssetCheckKey(dg.AssetKey(list(path)), name)
        record = instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key]
        evaluation = record.event.dagster_event.asset_check_evaluation_data
        assert evaluation.passed, (name, evaluation.description)


def test_the_columns_that_are_shown_are_those_of_the_warehouse(first_night):
    """A list by hand that nobody compares tells of columns that were renamed last year."""
    home, _ = first_night
    columns = table_columns(dbt_steps(load_settings(home=home.path)).manifest)
    there = {}
    for table, name, kind in home.rows(
        "select table_schema || '.' || table_name, column_name, data_type from information_schema.columns where table_schema in ('raw', 'base', 'computed', 'marts', 'ops')"
    ):
        there.setdefault(table, {})[name] = kind.lower()
    wrong = {}
    for table, real in there.items():
        shown = {column.name: column.type for column in columns.of(table)}
        if shown and set(shown) != set(real):
            wrong[table] = sorted(set(shown) ^ set(real))
        wrong.update({f"{table}.{name}": (kind, real[name]) for name, kind in shown.items() if name in real and not same_type(kind, real[name])})
    assert not wrong


def same_type(said: str, real: str) -> bool:
    """`decimal(18,2)` and `DECIMAL(18, 2)` are one; dbt's contracts say `integer` or `int` for the same thing, and a parameter of text changes nothing."""
    plain = said.lower().replace(" ", "").replace("numeric", "decimal")
    real = real.replace(" ", "")
    aliases = {"string": "varchar", "text": "varchar", "int": "integer", "float": "double", "timestamp_ntz": "timestamp"}
    return aliases.get(plain, plain) == real or (plain.startswith("varchar") and real == "varchar")
