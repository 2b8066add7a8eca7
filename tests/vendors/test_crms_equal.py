"""The same customers served as Salesforce, HubSpot, Planhat and Google Sheets: every table that a night builds is equal, row for row.

No column is left out of the comparison. Numbers in double precision are equal to 1e-9 (`evaluation/parity.py`), all else to the letter.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from vim_pipelines.evaluation.parity import compare, summary
from vim_pipelines.settings import Settings, load_settings
from vim_pipelines.warehouse import open_warehouse

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # benchmarks/ stands beside the package and is not installed

from benchmarks.parity_nights import prepare, project_marts, read_tables, run_night, silently_empty  # noqa: E402

SCHEMAS = ("base", "computed", "marts")
OTHERS = ("hubspot", "planhat", "google_sheets")
FIRST, SECOND = (date(2026, 6, 28), datetime(2026, 6, 29, 6)), (date(2026, 6, 29), datetime(2026, 6, 30, 6))
NO_CARD, NOBODY = "no backtest was run", "the simulator makes no account of fewer than ten seats"
#: Tables that these portfolios leave empty, and why.
EMPTY = {"computed.calibration_cards": NO_CARD, "marts.fct_calibration_cards": NO_CARD, "marts.fct_user_last_seen": NOBODY}
Tables = dict[str, list[dict[str, Any]]]


def built(settings: Settings) -> Tables:
    """All rows of every table and view of the schemas that a night builds."""
    warehouse = open_warehouse(settings)
    with warehouse.session(read_only=True) as session:
        names = session.rows(f"select table_schema || '.' || table_name as name from information_schema.tables where table_schema in {SCHEMAS} order by all")
    return read_tables(warehouse, [row["name"] for row in names])


def assert_equal(expected: Tables, found: Tables, grains: dict[str, tuple[str, ...]]) -> None:
    assert set(found) == set(expected)
    differences = [entry for name, rows in expected.items() for entry in compare(name, grains.get(name, ()), rows, found[name])]
    assert not differences, summary(differences, examples=2)


# ---- small: two nights of ingestion and the models of the second, in this process


class House:
    """One home and one sandbox for all CRMs: dbt parses its project once, the customers are simulated once."""

    def __init__(self, home: Path) -> None:
        from vim_pipelines.sandbox.simulator.files import write_sandbox
        from vim_pipelines.sandbox.simulator.generate import simulate

        self.home, self.sandbox = home, load_settings(home=home).sandbox_dir
        write_sandbox(simulate(accounts=8, weeks=40), self.sandbox)
        for folder in ("telemetry", "landing/usage_events"):
            for old in (self.sandbox / folder).glob("recorded_date=*"):
                if old.name < "recorded_date=2026-04":
                    old.unlink()  # a quarter of telemetry shows what a year does
        self.grains: dict[str, tuple[str, ...]] = {}

    def two_nights(self, crm: str) -> Tables:
        """What is there after two nights from `crm` into an empty warehouse."""
        from vim_pipelines.ingestion.ingest import ingest
        from vim_pipelines.portfolio.file import load_portfolio
        from vim_pipelines.sandbox.emulators.run import start_emulators
        from vim_pipelines.sandbox.simulator.files import reveal

        for path in self.home.glob("warehouse.duckdb*"):
            path.unlink()
        reveal(self.sandbox, FIRST[1])
        with start_emulators(self.sandbox, (crm, "zendesk")) as running:
            settings = running.settings(load_settings(home=self.home, sandbox_crm=crm))
            portfolio = load_portfolio(None, settings)
            for as_of, captured_at in (FIRST, SECOND):
                reveal(self.sandbox, captured_at)
                assert ingest(settings, portfolio, as_of, captured_at).versions_added
        warehouse = open_warehouse(settings)
        prepare(settings, warehouse)
        run_night(settings, warehouse, SECOND[0], portfolio.currency, tests=False)
        self.grains = self.grains or {f"marts.{mart.name}": mart.grain for mart in project_marts(settings)}
        return built(settings)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Nights follow one another here within a minute of the vendors' quotas."""
    from vim_pipelines.vendors import http

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(http, "limiter_of", lambda *_: http.Limiter(1e9, 10**9))
        yield House(tmp_path_factory.mktemp("crms") / "home")


@pytest.fixture(scope="module")
def salesforce_tables(house: House) -> Tables:
    return house.two_nights("salesforce")


@pytest.mark.parametrize("crm", OTHERS)
def test_two_nights_build_the_tables_that_salesforce_builds(crm: str, house: House, salesforce_tables: Tables) -> None:
    assert_equal(salesforce_tables, house.two_nights(crm), house.grains)


def test_what_is_compared_has_rows(salesforce_tables: Tables) -> None:
    """Two empty tables are equal and prove nothing."""
    assert silently_empty({name: len(rows) for name, rows in salesforce_tables.items()}, EMPTY) == []
    assert len(salesforce_tables["marts.dim_accounts"]) == 8


# ---- large: a whole night as a user starts it


def audited(crm: str, home: Path) -> tuple[Settings, Tables]:
    """Settings and tables of the first audit of the sandbox served as `crm`, by the command line; about 50 s of CPU."""
    variables = {"VIMOTION_HOME": str(home), "VIMOTION_SANDBOX_CRM": crm, "VIMOTION_SANDBOX_ACCOUNTS": "20", "VIMOTION_SANDBOX_WEEKS": "40"}
    done = subprocess.run([sys.executable, "-m", "vim_pipelines.cli", "audit"], env={**os.environ, **variables}, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    settings = load_settings(home=home, sandbox_crm=crm)
    return settings, built(settings)


@pytest.mark.slow
def test_whole_audits_build_the_tables_that_salesforces_builds(tmp_path: Path) -> None:
    """With the quality gates, the drafts and the mirror of the operations store."""
    settings, expected = audited("salesforce", tmp_path / "salesforce")
    grains = {f"marts.{mart.name}": mart.grain for mart in project_marts(settings)}
    assert len(expected["marts.dim_accounts"]) == 20 and sum(bool(rows) for rows in expected.values()) > 80
    for crm in OTHERS:
        assert_equal(expected, audited(crm, tmp_path / crm)[1], grains)
