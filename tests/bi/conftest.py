"""What dbt makes of the project, parsed once, and marts by hand (tests/reporting/small_marts.py)."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from vim_pipelines.settings import Settings
from vim_pipelines.transform.dictionary import read_manifests
from vim_pipelines.transform.project import ensure_manifest, write_profile
from vim_pipelines.warehouse import open_warehouse
from vim_pipelines.warehouse.duckdb import DuckDBWarehouse

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "reporting"))


@pytest.fixture(scope="session")
def manifests(tmp_path_factory):
    """`manifest.json` and `semantic_manifest.json` of the project as it stands: nine seconds of CPU."""
    settings = Settings(home=tmp_path_factory.mktemp("parsed"), warehouse="duckdb")
    write_profile(settings, open_warehouse(settings))
    return read_manifests(ensure_manifest(settings).parent)


@pytest.fixture(scope="module")
def small_marts(tmp_path_factory):
    """A week of nights of a few customers with drafts, decisions and alerts, as a warehouse. Not to be changed."""
    from small_marts import BEFORE, NIGHT, add, fill, make_marts

    path = tmp_path_factory.mktemp("small") / "warehouse.duckdb"
    make_marts(path)
    warehouse = DuckDBWarehouse(path)
    fill(warehouse)
    morning = datetime(2026, 6, 28, 9)
    add(
        warehouse, "fct_llm_costs",
        *[
            {"account_key": key, "document": "success_plan", "as_of_date": night, "calls": 2, "calls_without_price": unpriced, "cost_usd": cost, "drafts": 2,
             "drafts_held": held, "drafts_approved": approved}
            for key, night, unpriced, cost, held, approved in (
                ("ACC-1", BEFORE, 1, None, 0, 0), ("ACC-1", NIGHT, 0, Decimal("0.03"), 1, 1), ("ACC-2", NIGHT, 0, Decimal("0.05"), 0, 1),
            )
        ],
    )  # fmt: skip
    add(
        warehouse, "fct_approvals",
        *[
            {"request_id": f"request-{number}", "account_key": "ACC-1", "account_name": "Alder Media", "document": "success_plan", "version": number,
             "as_of_date": NIGHT, "state": state, "created_at": morning, "minutes_to_decision": minutes,
             "decided_at": morning + timedelta(minutes=minutes) if minutes else None}
            for number, (state, minutes) in enumerate((("pending", None), ("pending", None), ("approved", 30), ("rejected", 90)), 1)
        ],
    )  # fmt: skip
    add(
        warehouse, "fct_alerts",
        *[
            {"alert_id": f"alert-{number}", "account_key": "ACC-1", "account_name": "Alder Media", "kind": "notice_served", "episode": str(number),
             "as_of_date": BEFORE, "created_at": morning - timedelta(days=1), "is_acknowledged": number == 1, "days_open": number}
            for number in (1, 2, 3)
        ],
    )  # fmt: skip
    return warehouse
