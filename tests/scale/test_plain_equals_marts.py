"""The script that the night is timed against must compute what the night computes, or the ratio compares nothing with something."""

from __future__ import annotations

import shutil
import sys
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from vim_pipelines.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # benchmarks/ stands beside the package and is not installed

from benchmarks import steps  # noqa: E402
from benchmarks.big_portfolio import BigPortfolio, write_files  # noqa: E402
from benchmarks.plain import GRAINS, compare_marts, statements  # noqa: E402

NIGHT = date(2026, 6, 24)
SMALL = BigPortfolio(accounts=40, users=800, events_a_month=8000, history_days=120, night=NIGHT)


@pytest.fixture(scope="module")
def two_nights(tmp_path_factory) -> Settings:
    """A small portfolio after its first night and one more, both by dbt and by plain.sql."""
    folder = tmp_path_factory.mktemp("scale")
    write_files(SMALL, folder)
    settings = Settings(home=folder / "home")
    for part, as_of in (("history", NIGHT - timedelta(days=1)), ("night", NIGHT)):
        steps.load(settings, as_of, folder / part)
        for name in ("base", "signals", "lifecycle", "marts", "plain"):
            steps.PARTS[name](settings, as_of, folder)
    return settings


def test_the_plain_script_writes_the_same_rows_as_the_marts(two_nights):
    """The first night builds the script's state from all of history, the second one adds a day to it."""
    for as_of in (NIGHT - timedelta(days=1), NIGHT):
        found = compare_marts(two_nights, as_of)
        assert found.keys() == set(GRAINS)
        assert {mart: result for mart, result in found.items() if result.get("unmatched", 1) or result.get("differing", 1)} == {}
        # Nobody need change phase on the second night.
        empty = {mart for mart, result in found.items() if not result["mart_rows"]}
        assert found["fct_account_signals"]["mart_rows"] == 40 and empty <= ({"fct_phase_transitions"} if as_of == NIGHT else set())


def test_a_difference_in_one_cell_is_found(two_nights, tmp_path):
    shutil.copyfile(two_nights.warehouse_path, tmp_path / "warehouse.duckdb")
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        connection.execute(
            f"update plain.fct_account_signals set utilization_28d = utilization_28d * (1 + 1e-6) where as_of_date = '{NIGHT}' and utilization_28d > 0.1"
        )
        connection.execute("delete from plain.fct_renewals where contract_line_key = (select min(contract_line_key) from plain.fct_renewals)")
    found = compare_marts(Settings(home=tmp_path), NIGHT)
    assert list(found["fct_account_signals"]["differing"]) == ["utilization_28d"]
    assert found["fct_renewals"]["unmatched"] == 1


def test_the_small_portfolio_has_the_awkward_cases(two_nights):
    """Equality over accounts that are all alike would prove little."""
    with duckdb.connect(str(two_nights.warehouse_path), read_only=True) as connection:
        late, unattributed, repeated = connection.execute(
            "select count(*) filter (recorded_at::date > occurred_at::date), count(*) filter (account_key is null), count(*) - count(distinct event_id) from raw.usage_events"
        ).fetchone()
        statuses = {row[0] for row in connection.execute("select distinct usage_status from marts.fct_account_signals").fetchall()}
        currencies = {row[0] for row in connection.execute("select distinct currency from marts.fct_license_waste").fetchall()}
        pools = connection.execute(
            "select max(n) from (select count(*) as n from marts.fct_license_waste where as_of_date = ? group by account_key, product)", [NIGHT]
        ).fetchone()[0]
    assert min(late, unattributed, repeated) > 0
    assert {"ok", "insufficient"} <= statuses and currencies == {"USD", "EUR", "GBP"} and pools > 1


def test_a_day_is_the_same_whatever_history_stands_before_it(tmp_path):
    """Otherwise the night with three months and the night with two years would not be the same night."""
    short, long = tmp_path / "short", tmp_path / "long"
    for folder, days in ((short, 40), (long, 150)):
        write_files(BigPortfolio(accounts=10, users=200, events_a_month=3000, history_days=days, night=NIGHT), folder)
    with duckdb.connect() as connection:
        rows = [connection.execute(f"select * from '{folder}/night/usage_events/*.parquet' order by all").fetchall() for folder in (short, long)]
    assert rows[0] == rows[1] and len(rows[0]) > 20


def test_statements_of_the_script_are_split_whole():
    assert [label for label, _ in statements("-- why\nselect 1;\n\nselect\n    2;\n")] == ["select 1", "select"]
