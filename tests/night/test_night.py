"""The whole night as a user starts it: `vimotion audit` on the sandbox, then again, then the next day, then late."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import date
from decimal import Decimal

import duckdb
import pytest

#: Tables that record each run itself: a second run of the same day adds a line there and nowhere else.
RUN_RECORDS = ("loads", "entity_coverage")
DATED_MARTS = (
    "fct_license_waste", "fct_account_signals", "fct_adoption_variance", "fct_ticket_load", "fct_risks", "fct_account_state", "fct_requirements", "fct_account_facts",
    "fct_health_scores", "fct_health_contributions",
)  # fmt: skip


def store_rows(home, sql: str) -> list[tuple]:
    with closing(sqlite3.connect(home.path / "operations.db")) as connection:
        return connection.execute(sql).fetchall()


def test_the_headline_account_shows_its_money_to_the_dollar(first_night):
    """150 unused of 200 seats at $300 net is $45,000 a year; with ten per cent headroom 145 seats, $43,500 (DESIGN.md section 1)."""
    home, _ = first_night
    line = home.rows(
        "select seats, active_users_28d, unused_seats, unused_value_annual, shelfware_seats, waste_annual, currency"
        " from marts.fct_license_waste_current where account_key = 'ACC-HEADLINE'"
    )
    assert line == [(200, 50, 150, Decimal("45000.00"), 145, Decimal("43500.00"), "USD")]


def test_the_headline_account_gets_a_roadmap_long_before_its_renewal(first_night):
    home, _ = first_night
    [(text, state)] = store_rows(
        home,
        "select d.rendered_text, r.state from drafts d join approval_requests r using (draft_id) where d.account_key = 'ACC-HEADLINE' and d.document = 'value_realization_roadmap'",
    )
    [(renewal,)] = home.rows("select next_renewal_date from marts.fct_account_signals_current where account_key = 'ACC-HEADLINE'")
    assert (renewal - date(2026, 6, 28)).days > 180
    assert state == "pending" and "150 seats" in text and "23 February 2027" in text
    assert "$" not in text, "a customer's text names no money that the contract does not state"


def test_the_internal_plan_shows_both_money_figures_with_their_names(first_night):
    home, _ = first_night
    [(text,)] = store_rows(home, "select rendered_text from drafts where account_key = 'ACC-HEADLINE' and document = 'license_optimization_plan'")
    assert "$45,000" in text and "$43,500" in text and "145 seats" in text and "no language model" in text


def test_no_draft_names_an_empty_list(first_night):
    """Roadmaps invited customers to a working session on "none": the marts' word for a list with nothing in it."""
    home, _ = first_night
    texts = store_rows(home, "select document, rendered_text from drafts")
    assert len(texts) > 5
    prose = [text.replace("colleagues who have none yet", "") for _, text in texts]
    assert not [text for text in prose if re.search(r"\b(none|null|nan)\b", text, re.IGNORECASE)]


def test_the_summary_counts_what_the_tables_hold(first_night):
    home, summary = first_night
    [(accounts, waste)] = home.rows("select count(*), sum(waste_annual) from marts.fct_account_signals_current")
    assert (summary["accounts"], Decimal(summary["waste_annual"])) == (accounts, waste)
    assert sum(summary["accounts_by_band"].values()) == sum(summary["accounts_by_phase"].values()) == accounts
    assert summary["as_of_date"] == "2026-06-28"
    assert [(summary["awaiting_approval"],)] == store_rows(home, "select count(*) from approval_requests where state = 'pending'")
    assert summary["drafts_written"] == summary["awaiting_approval"] > 5
    assert summary["cost_usd"] == "0"


def test_the_published_copy_equals_the_marts_and_holds_nothing_else(first_night):
    home, _ = first_night
    with duckdb.connect(str(home.path / "published" / "vim.duckdb"), read_only=True) as connection:
        schemas = {row[0] for row in connection.execute("select distinct table_schema from information_schema.tables").fetchall()}
        published = connection.execute("select account_key, waste_annual from marts.fct_account_signals_current order by all").fetchall()
    assert schemas == {"marts"}
    assert published == home.rows("select account_key, waste_annual from marts.fct_account_signals_current order by all")
    assert (home.path / "published" / "parquet" / "fct_license_waste.parquet").is_file()


@pytest.mark.slow
def test_the_same_day_again_changes_nothing(home):
    before, store_before = (
        home.fingerprint(without=RUN_RECORDS),
        store_rows(home, "select * from drafts order by 1") + store_rows(home, "select * from approval_events order by 1"),
    )
    again = home.audit()
    assert home.fingerprint(without=RUN_RECORDS) == before
    assert store_rows(home, "select * from drafts order by 1") + store_rows(home, "select * from approval_events order by 1") == store_before
    assert again["as_of_date"] == "2026-06-28"


@pytest.mark.slow  # two nights; smaller: the lock's own tests in tests/store
def test_a_second_audit_is_refused_and_a_killed_one_leaves_no_lock_and_no_half(home):
    """A Dagster pool kept the slot of a killed run, and every later audit waited for it without a word."""
    before = home.fingerprint(without=RUN_RECORDS)
    command = [sys.executable, "-m", "vim_pipelines.cli", "--home", str(home.path), "audit"]
    locks = home.path / "operations.db-locks"
    for left_over in locks.glob("*"):  # of the audit before: waiting for a file that is there already waits for nothing
        left_over.unlink()
    first = subprocess.Popen(command, env=os.environ | home.variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while not (locks.is_dir() and any(locks.iterdir())):
            assert first.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        second = home.run("audit", check=False)
        assert second.returncode == 4 and "VIM-E025" in second.stderr
    finally:
        first.kill()
        first.wait()
    home.audit()
    assert home.fingerprint(without=RUN_RECORDS) == before


@pytest.mark.slow  # three nights; smaller: the folds of tests/lifecycle and tests/signals, and tests/dbt/test_as_of.py
def test_a_day_run_late_gives_what_it_gave_on_time(home):
    """The scheduler was down for two nights; the first of them was run again afterwards and must not know the future.

    Then every row version with a later known_at is deleted and the day is built once more: nothing may change.
    """
    on_time = {mart: day_rows(home, mart) for mart in DATED_MARTS}
    home.run("sandbox", "advance", "--days", "2")
    assert home.audit()["as_of_date"] == "2026-06-30"
    drafts = store_rows(home, "select count(*) from drafts")

    home.audit("--as-of", "2026-06-28")
    for mart in DATED_MARTS:
        assert day_rows(home, mart) == on_time[mart], mart
    assert store_rows(home, "select count(*) from drafts") == drafts, "a backfill stops at the marts"
    assert home.rows("select max(as_of_date) from marts.dim_accounts") == [(date(2026, 6, 30),)], "the newest view must not fall back to the old day"

    assert delete_later_rows(home, "2026-06-29") > 100
    home.audit("--as-of", "2026-06-28")
    for mart in DATED_MARTS:
        assert day_rows(home, mart) == on_time[mart], mart


def day_rows(home, mart: str) -> list[tuple]:
    return home.rows(f"select * from marts.{mart} where as_of_date = '2026-06-28' order by all")


def delete_later_rows(home, instant: str) -> int:
    with duckdb.connect(str(home.path / "warehouse.duckdb")) as connection:
        tables = connection.execute("select table_name from information_schema.columns where table_schema = 'raw' and column_name = 'known_at'").fetchall()
        deleted = sum(connection.execute(f"delete from raw.{table} where known_at >= '{instant}'").fetchone()[0] for (table,) in tables)
        deleted += connection.execute(f"delete from raw.usage_events where recorded_at >= '{instant}'").fetchone()[0]
        for table in ("int_usage_daily", "int_usage_days", "int_usage_weeks", "int_usage_products"):
            connection.execute(f"drop table base.{table}")  # append-only: rows of the future cannot be told apart there, but all come again from raw
    return deleted
