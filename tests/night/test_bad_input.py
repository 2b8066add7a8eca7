"""Bad input at the command line: one message with a code, a non-zero exit status, and the warehouse as it was before."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from vim_pipelines.sandbox.emulators.run import start_emulators

SANDBOX_PORTFOLIO = Path(__file__).resolve().parents[2] / "portfolios" / "sandbox.yaml"
CLOSED = {"SALESFORCE_BASE_URL": "http://127.0.0.1:9", "ZENDESK_BASE_URL": "http://127.0.0.1:9"}
CREDENTIALS = {"SALESFORCE_CLIENT_ID": "id", "SALESFORCE_CLIENT_SECRET": "secret-of-ours", "ZENDESK_CLIENT_ID": "id", "ZENDESK_CLIENT_SECRET": "secret-of-ours"}


@pytest.fixture
def refused(home):
    """Runs an audit that must end with `code` and change nothing; returns what it said."""
    before = home.fingerprint(schemas=("raw", "base", "computed", "marts", "ops"))

    def run(code: str, *arguments: str, **variables: str) -> str:
        done = home.run("audit", *arguments, check=False, **variables)
        said = done.stderr
        assert done.returncode not in (0, 70), said
        assert sum(line.startswith("Error: ") for line in said.splitlines()) == 1, said
        assert re.search(r"Error: (VIM-E\d{3})", said).group(1) == code, said
        assert "Traceback" not in said + done.stdout and "secret-of-ours" not in said + done.stdout
        assert home.fingerprint(schemas=("raw", "base", "computed", "marts", "ops")) == before
        return said

    return run


def test_a_missing_setting(refused, home):
    assert "SALESFORCE_BASE_URL" in refused("VIM-E001", "--portfolio", str(SANDBOX_PORTFOLIO))


def test_a_mistyped_setting(refused):
    assert "VIMOTION_WAREHOUSE" in refused("VIM-E002", VIMOTION_WAREHOUSE="duckbd")
    assert "VIMOTION_WRITE_MODE" in refused("VIM-E002", VIMOTION_WRITE_MOOD="off")


def test_a_crm_that_does_not_answer(refused):
    assert "127.0.0.1" in refused("VIM-E010", **CLOSED, **CREDENTIALS)


@pytest.mark.slow
def test_wrong_credentials(refused, home):
    with start_emulators(home.path / "sandbox") as running:
        addresses = {"SALESFORCE_BASE_URL": running.url("salesforce"), "ZENDESK_BASE_URL": running.url("zendesk")}
        refused("VIM-E011", **addresses, **CREDENTIALS)


def test_a_malformed_csv(refused, home):
    rates = home.path / "sandbox" / "files" / "fx_rates.csv"
    lines = rates.read_text().splitlines()
    lines[5] += ",and,three,more"
    rates.write_text("\n".join(lines))
    assert "fx_rates.csv" in refused("VIM-E017")


@pytest.mark.slow
def test_a_missing_file(refused, home):
    (home.path / "sandbox" / "files" / "fx_rates.csv").unlink()
    assert "fx_rates.csv" in refused("VIM-E018")


def test_a_mapped_field_that_the_crm_does_not_have(refused, home, tmp_path):
    portfolio = tmp_path / "portfolio.yaml"
    portfolio.write_text(SANDBOX_PORTFOLIO.read_text().replace("Seats__c", "Seatz__c"))
    line = next(number for number, text in enumerate(portfolio.read_text().splitlines(), 1) if "Seatz__c" in text)
    with start_emulators(home.path / "sandbox") as running:
        variables = {name.upper(): value for name, value in running.credentials.items()}
        said = refused("VIM-E012", "--portfolio", str(portfolio), **variables)
    assert "Seatz__c" in said and str(line) in said


def test_a_wrong_portfolio_file_lists_every_mistake_with_its_line(refused, tmp_path):
    portfolio = tmp_path / "portfolio.yaml"
    portfolio.write_text(SANDBOX_PORTFOLIO.read_text().replace("currency: USD", "curency: USD", 1).replace("object: Contact", "objct: Contact", 1))
    said = refused("VIM-E004", "--portfolio", str(portfolio))
    assert "curency" in said and "objct" in said and len(re.findall(r"line \d+", said)) >= 2


@pytest.mark.parametrize("date", ["1990-01-01", "2099-01-01"])
def test_a_date_without_data(refused, date):
    assert "2026-06-28" in refused("VIM-E024", "--as-of", date)


def test_reading_in_a_folder_where_no_audit_ran(make_home, tmp_path):
    """`Nothing waits for a decision` in the wrong folder sent an approver home."""
    empty = make_home(tmp_path / "nothing-here")
    done = empty.run("inbox", "list", check=False)
    assert done.returncode == 5 and "VIM-E024" in done.stderr and not empty.path.exists()


def test_a_home_that_cannot_be_made(make_home, tmp_path):
    blocked = tmp_path / "a-file"
    blocked.write_text("")
    done = make_home(blocked / "home").run("audit", check=False)
    assert done.returncode == 2 and "VIM-E002" in done.stderr and "Traceback" not in done.stderr


def test_a_locked_warehouse(home):
    path = home.path / "warehouse.duckdb"
    code = f"import duckdb, sys; c = duckdb.connect({str(path)!r}, read_only=True); print('held', flush=True); sys.stdin.read()"
    holder = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline().strip() == "held"
        done = home.run("audit", check=False)
    finally:
        holder.communicate("")
    assert done.returncode == 4 and f"PID {holder.pid}" in done.stderr and "VIM-E020" in done.stderr
