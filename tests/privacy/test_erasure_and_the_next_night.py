"""A whole night after an erasure, on the sandbox: its CRM still has the person, and the person stays out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from vim_pipelines.settings import Settings
from vim_pipelines.warehouse import open_warehouse

REPOSITORY = Path(__file__).resolve().parents[2]


def vimotion(home: Path, *arguments: str) -> str:
    environment = os.environ | {
        "PYTHONPATH": str(REPOSITORY),
        "VIMOTION_HOME": str(home),
        "VIMOTION_SANDBOX_ACCOUNTS": "30",
        "VIMOTION_SANDBOX_WEEKS": "45",
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "vim_pipelines.cli", *arguments], env=environment, capture_output=True, text=True, timeout=2400
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def naming(home: Path, called: tuple[str, ...]) -> list[str]:
    """Tables of the warehouse that name the person, in any column."""
    found = []
    with open_warehouse(Settings(home=home)).session(read_only=True) as session:
        for row in session.rows("select schema_name || '.' || table_name as name from duckdb_tables() where database_name = current_database()"):
            for text in called:
                if session.scalar(f"select count(*) from {row['name']} as whole where contains(lower(whole::varchar), ?)", [text]):
                    found.append(f"{row['name']}: {text}")
    return found


@pytest.mark.slow
def test_the_next_night_reads_the_person_again_and_keeps_them_out(tmp_path):
    """The sandbox's CRM knows nothing of the erasure, as a CRM that nobody has cleaned yet."""
    home = tmp_path / "home"
    vimotion(home, "audit")
    with open_warehouse(Settings(home=home)).session(read_only=True) as session:
        names = [row["full_name"] for row in session.rows("select full_name from raw.contacts group by 1 having count(distinct contact_key) = 1")]
        person = session.rows("select contact_key, full_name, email from raw.contacts where role = 'sponsor' and not is_deleted order by contact_key")
        person = next(row for row in person if row["full_name"] in names)
        stakeholders = session.scalar("select count(*) from marts.fct_stakeholders_current")
    called = tuple(value.lower() for value in person.values())
    assert naming(home, called)
    done = json.loads(vimotion(home, "person", "erase", person["email"], "--note", "request 18", "--yes", "--json"))
    assert done["counts"]["raw.contacts"] >= 1 and naming(home, called) == []
    vimotion(home, "sandbox", "advance", "--days", "1")
    vimotion(home, "audit")
    assert naming(home, called) == [], "the CRM still has them; nothing of that may be kept"
    with open_warehouse(Settings(home=home)).session(read_only=True) as session:
        suppressed = session.rows("select entity, rows_suppressed from raw.loads where rows_suppressed > 0")
        assert session.scalar("select count(*) from marts.fct_stakeholders_current") == stakeholders - 1
    assert suppressed, "the load says how many rows it left out or cleaned"
    vimotion(home, "audit-trail", "verify")
