"""A whole night with one customer's contract broken in the CRM: that account is unknown, everybody else is audited, nothing is written about it.

The smaller version, on both warehouses, is in tests/dbt/test_dbt_on_snowflake.py.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest

ACCOUNT = "ACC-HEADLINE"
REASON = "held: contract line: seats negative or beyond belief"


def break_contract(home) -> None:
    """Somebody types a minus into the seats of the headline account."""
    from vim_pipelines.sandbox.emulators.run import start_emulators
    from vim_pipelines.vendors.salesforce import SalesforceClient

    with start_emulators(home.path / "sandbox") as running:
        credentials = running.credentials["salesforce_client_id"], running.credentials["salesforce_client_secret"]
        with SalesforceClient(running.url("salesforce"), *credentials, "66.0") as client:
            [line] = client.query(f"SELECT Id FROM Contract WHERE AccountId = '{ACCOUNT}'")
            client.update("Contract", line["Id"], {"Seats__c": -200})


def check_metadata(home, table: str) -> dict:
    """Metadata of the newest evaluation of a raw table's gates, as Dagster keeps it."""
    import dagster as dg

    with home.dagster() as instance:
        key = dg.AssetCheckKey(dg.AssetKey(["raw", table]), "gates")
        record = instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key]
        evaluation = record.event.dagster_event.event_specific_data
        return {"passed": evaluation.passed, "severity": evaluation.severity.value} | {name: entry.value for name, entry in evaluation.metadata.items()}


@pytest.mark.slow
def test_one_broken_account_is_unknown_for_a_night_and_nobody_else_is(home):
    [(before,)] = home.rows("select count(*) from marts.fct_account_signals_current where risk_band <> 'unknown'")
    home.run("sandbox", "advance")
    break_contract(home)
    home.run("sandbox", "advance")  # the edit is known from the day after it
    summary = home.audit()

    assert summary["as_of_date"] == "2026-06-30" and summary["accounts_held"] == 1
    assert summary["attention"][0] == f"Northwind Robotics ({ACCOUNT}) is {REASON}"
    [(band, reason, waste, unknown)] = home.rows(
        "select risk_band, hold_reason, waste_annual, (select count(*) from marts.fct_account_signals_current where risk_band = 'unknown')"
        " from marts.fct_account_signals_current where account_key = ?",
        ACCOUNT,
    )
    assert (band, reason, waste) == ("unknown", REASON, None)
    assert summary["accounts_by_band"]["unknown"] == unknown and sum(summary["accounts_by_band"].values()) - unknown >= before - 1
    for mart in ("fct_risks", "fct_license_waste", "fct_account_facts", "fct_account_state"):
        [(mine, others)] = home.rows(
            f"select count(*) filter (account_key = ?), count(*) filter (account_key <> ?) from marts.{mart} where as_of_date = '2026-06-30'", ACCOUNT, ACCOUNT
        )
        assert mine == 0 and others > 0, mart
    assert home.rows("select distinct status, status_reason from marts.fct_account_measures where account_key = ? and as_of_date = '2026-06-30'", ACCOUNT) == [
        ("unknown", REASON)
    ]
    assert home.rows("select row_key, reason from raw.quarantine where entity = 'contract_line'") == [("CL-00000-00", "gate:seats_are_believable")]

    with closing(sqlite3.connect(home.path / "operations.db")) as store:
        assert store.execute("select count(*) from drafts where account_key = ? and as_of_date > '2026-06-28'", [ACCOUNT]).fetchall() == [(0,)]
    home.run("write-back", "sign", "--as", "director")
    mirrored = home.run("write-back", "mirror").stdout
    assert mirrored.startswith(f"{summary['accounts'] - 1} accounts:")
    shown = home.run("account", "show", ACCOUNT).stdout
    assert f"Unknown tonight, {REASON}" in shown and "45,000" not in shown
    assert json.loads(home.run("account", "show", ACCOUNT, "--json").stdout)["signals"][0]["hold_reason"] == REASON

    found = check_metadata(home, "contract_lines")
    assert (found["passed"], found["severity"], found["accounts_held"], found["held"]) == (False, "WARN", 1, ACCOUNT)
    page = Path(unquote(urlparse(found["data_docs"]).path))
    assert page.is_file() and ACCOUNT in page.read_text()
