"""The same customers audited from HubSpot and from Salesforce: every table that the night builds is equal, row for row."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCHEMAS = ("base", "computed", "marts")


@pytest.mark.slow
def test_every_table_equals_that_of_the_salesforce_night(tmp_path: Path) -> None:
    """Two whole nights as a user starts them, by the command line; about 50 s of CPU each."""
    import duckdb

    tables = {}
    for crm in ("salesforce", "hubspot"):
        settings = {"VIMOTION_HOME": str(tmp_path / crm), "VIMOTION_SANDBOX_CRM": crm, "VIMOTION_SANDBOX_ACCOUNTS": "20", "VIMOTION_SANDBOX_WEEKS": "40"}
        done = subprocess.run([sys.executable, "-m", "vim_pipelines.cli", "audit"], env={**os.environ, **settings}, capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        with duckdb.connect(str(tmp_path / crm / "warehouse.duckdb"), read_only=True) as connection:
            names = connection.execute(
                f"select table_schema || '.' || table_name from information_schema.tables where table_schema in {SCHEMAS} order by all"
            ).fetchall()
            tables[crm] = {name: sorted(map(repr, connection.execute(f"select * from {name}").fetchall())) for (name,) in names}
    assert set(tables["hubspot"]) == set(tables["salesforce"])
    assert [name for name, rows in tables["salesforce"].items() if tables["hubspot"][name] != rows] == []
    assert len(tables["hubspot"]["marts.dim_accounts"]) == 20 and sum(bool(rows) for rows in tables["hubspot"].values()) > 80
