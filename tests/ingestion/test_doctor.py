"""`vimotion doctor` against the running emulators: green when all is there, red with its fix where something is not."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from pydantic import SecretStr

from vim_pipelines.cli import main
from vim_pipelines.doctor import Finding, examine, finding_lines, mend
from vim_pipelines.settings import Settings, load_settings


def red(findings: list[Finding]) -> dict[tuple[str, str], Finding]:
    return {(item.area, item.name): item for item in findings if item.status == "fail"}


def by_name(findings: list[Finding]) -> dict[tuple[str, str], Finding]:
    return {(item.area, item.name): item for item in findings}


def with_(sandbox: Any, **changes: Any) -> Settings:
    return sandbox.settings.model_copy(update=changes)


def test_all_is_green_in_the_sandbox(sandbox):
    findings = examine(with_(sandbox, write_mode="live"))
    assert {item.status for item in findings} == {"ok"}, [item for item in findings if item.status != "ok"]
    names = {(item.area, item.name) for item in findings}
    assert {
        ("crm (salesforce)", name)
        for name in (
            "settings",
            "reachable",
            "authorised",
            "reads Account",
            "reads EBR__c",
            "limit",
            "clock",
            "writes VIM_Draft__c",
            "writes Task",
            "writes Account",
        )
    } <= names
    assert {
        ("support (zendesk)", "reads tickets"),
        ("telemetry (parquet)", "reads *.parquet"),
        ("warehouse", "DuckDB"),
        ("operations store", "SQLite"),
    } <= names
    assert "green" in finding_lines(findings)[-1]


def test_looking_changes_nothing(sandbox):
    """The first doctor made an empty warehouse, and the audit after it took that for a first night."""
    examine(sandbox.settings)
    assert not sandbox.settings.warehouse_path.exists() and not (sandbox.settings.home / "operations.db").exists()
    import httpx

    requests = httpx.get(f"{sandbox.running.url('salesforce')}/_sandbox/requests", trust_env=False).json()
    assert {item["method"] for item in requests if "oauth2" not in item["path"]} == {"GET"}


def test_a_wrong_secret_is_red_once_and_is_never_shown(sandbox):
    findings = examine(with_(sandbox, salesforce_client_secret=SecretStr("hush-hush"), zendesk_client_secret=SecretStr("hush-hush")))
    found = red(findings)
    assert set(found) == {("crm (salesforce)", "authorised"), ("support (zendesk)", "authorised")}
    assert "SALESFORCE_CLIENT_SECRET" in found["crm (salesforce)", "authorised"].fix
    assert by_name(findings)["crm (salesforce)", "reachable"].status == "ok"
    said = "\n".join(finding_lines(findings)) + json.dumps([item.as_json() for item in findings])
    assert "hush" not in said and sandbox.running.credentials["salesforce_client_secret"] not in said


def test_an_unreachable_host_is_red_and_the_others_are_still_examined(sandbox):
    findings = examine(with_(sandbox, zendesk_base_url="http://127.0.0.1:9"))
    assert set(red(findings)) == {("support (zendesk)", "reachable")}
    assert "ZENDESK_BASE_URL" in red(findings)["support (zendesk)", "reachable"].fix
    assert by_name(findings)["crm (salesforce)", "reads Account"].status == "ok"


def test_settings_that_are_not_there_are_all_named(sandbox):
    findings = examine(with_(sandbox, zendesk_client_id=None, zendesk_client_secret=None))
    found = red(findings)["support (zendesk)", "settings"]
    assert "ZENDESK_CLIENT_ID" in found.text and "ZENDESK_CLIENT_SECRET" in found.text and ".env" in found.fix


def test_an_object_that_may_not_be_read_is_red_alone(sandbox):
    """A permission set without Contact: the night fails at the third object, the doctor says which."""
    sandbox.fault("salesforce", path="/sobjects/Contact/describe", status=403, code="INSUFFICIENT_ACCESS", times=3)
    findings = examine(sandbox.settings)
    assert set(red(findings)) == {("crm (salesforce)", "reads Contact")}
    assert "403" in red(findings)["crm (salesforce)", "reads Contact"].text


def test_a_mapped_field_that_is_hidden_is_red_with_the_command_that_tells_more(sandbox, tmp_path: Path):
    from vim_pipelines.settings import resource_path

    file = tmp_path / "portfolio.yaml"
    file.write_text((resource_path("portfolios") / "sandbox.yaml").read_text().replace("arr_amount: ARR__c", "arr_amount: Hidden__c"))
    found = red(examine(with_(sandbox, portfolio=file)))
    # A file of one's own runs on the real clock, and the emulated Zendesk on the sandbox's: it has nothing of the last month.
    assert {key for key in found if key[0].startswith("crm")} == {("crm (salesforce)", "reads Account")}
    assert "Hidden__c" in found["crm (salesforce)", "reads Account"].text and "portfolio check" in found["crm (salesforce)", "reads Account"].fix


@pytest.mark.parametrize(("mode", "status"), [("live", "fail"), ("off", "warn")])
def test_objects_of_write_back_that_are_not_there_are_red_only_where_it_writes(sandbox, mode: str, status: str):
    sandbox.fault("salesforce", path="/sobjects/VIM_Draft__c/describe", status=404, code="NOT_FOUND", times=3)
    found = by_name(examine(with_(sandbox, write_mode=mode)))["crm (salesforce)", "writes VIM_Draft__c"]
    assert found.status == status and "permission set" in found.fix


@pytest.mark.parametrize(("minutes", "status"), [(0, "ok"), (3, "warn"), (-3, "warn"), (15, "fail")])
def test_a_clock_that_is_off_is_told(sandbox, minutes: int, status: str):
    findings = by_name(examine(sandbox.settings, clock=lambda: datetime.now(UTC) + timedelta(minutes=minutes)))
    assert findings["crm (salesforce)", "clock"].status == status


def test_a_limit_that_is_nearly_used_up_is_told(sandbox):
    import httpx

    httpx.post(f"{sandbox.running.url('salesforce')}/_sandbox/limits", json={"used": 60_000, "allowed": 100_000}, trust_env=False).raise_for_status()
    found = by_name(examine(sandbox.settings))["crm (salesforce)", "limit"]
    assert found.status == "warn" and "(60%)" in found.text


def test_files_that_are_not_there_are_red(sandbox):
    (sandbox.settings.sandbox_dir / "files" / "fx_rates.csv").unlink()
    found = red(examine(sandbox.settings))
    assert set(found) == {("finance (csv)", "reads fx_rates.csv")} and "--data-dir" in found["finance (csv)", "reads fx_rates.csv"].fix


def test_a_file_with_mistakes_is_red_and_its_sources_are_examined(desk):
    desk.file.write_text(desk.file.read_text().replace("account_name: name", "acount_name: name"))
    findings = examine(desk.settings.model_copy(update={"portfolio": desk.file}))
    assert set(red(findings)) == {("portfolio", "file")} and ("tables (csv)", "reads accounts.csv") in by_name(findings)


def test_a_broken_warehouse_and_a_newer_store_are_red(desk):
    home = desk.settings.home
    home.mkdir()
    (home / "warehouse.duckdb").write_bytes(b"not a database" * 1000)
    with sqlite3.connect(home / "operations.db") as connection:
        connection.execute("create table alembic_version (version_num text)")
        connection.execute("insert into alembic_version values ('9999')")
    found = red(examine(desk.settings.model_copy(update={"portfolio": desk.file})))
    assert {area for area, _ in found} == {"warehouse", "operations store"}
    assert "9999" in found["operations store", "SQLite"].text and found["warehouse", "DuckDB"].fix


def test_after_a_night_the_last_load_is_named(desk):
    from vim_pipelines.store import open_store

    desk.ingest()
    open_store(desk.settings)
    found = by_name(examine(desk.settings.model_copy(update={"portfolio": desk.file})))
    assert found["warehouse", "DuckDB"].text.startswith("last load for 2026-06-28") and found["operations store", "SQLite"].status == "ok"


def test_a_warehouse_that_another_program_holds_names_it(desk):
    import subprocess
    import sys

    desk.ingest()
    code = f"import duckdb, sys; c = duckdb.connect({str(desk.settings.warehouse_path)!r}); print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        found = red(examine(desk.settings.model_copy(update={"portfolio": desk.file})))
        holder.communicate("")
    assert "VIM-E020" in found["warehouse", "DuckDB"].text and str(holder.pid) in found["warehouse", "DuckDB"].text


def test_the_command_ends_with_status_one_if_something_is_red(desk):
    arguments = ["--home", str(desk.folder / "home"), "doctor", "--portfolio", str(desk.file)]
    good = CliRunner().invoke(main, arguments)
    assert good.exit_code == 0, good.output
    (desk.folder / "data" / "licences.csv").unlink()
    bad = CliRunner().invoke(main, arguments)
    assert bad.exit_code == 2 and "fix: " in bad.output and "1 red" in bad.output
    as_json = CliRunner().invoke(main, [*arguments, "--json"])
    assert as_json.exit_code == 2 and [item["name"] for item in json.loads(as_json.output) if item["status"] == "fail"] == ["reads licences.csv"]


def test_a_key_that_is_asked_for_and_not_set_is_red(desk):
    settings = load_settings(home=desk.folder / "home", portfolio=desk.file, drafter="claude")
    assert ("drafts", "Claude") in red(examine(settings))


def test_a_missing_scope_is_red_with_its_name(sandbox):
    """HubSpot's 403 names the scope; the doctor hands it on, and goes on with the other objects."""
    from vim_pipelines.sandbox.emulators.run import start_emulators

    with start_emulators(sandbox.settings.sandbox_dir, ("hubspot",)) as running:
        import httpx

        missing = {"missing": ["crm.objects.deals.read"]}
        httpx.post(f"{running.url('hubspot')}/_sandbox/scopes", json=missing, trust_env=False).raise_for_status()
        settings = running.settings(sandbox.settings).model_copy(update={"sandbox_crm": "hubspot"})
        findings = examine(settings)
    found = red(findings)
    assert set(found) == {("crm (hubspot)", "reads deals")}
    assert "crm.objects.deals.read" in found["crm (hubspot)", "reads deals"].fix
    assert by_name(findings)["crm (hubspot)", "reads companies"].status == "ok"


def test_fix_makes_what_write_back_lacks_and_then_all_is_green(sandbox):
    """`--fix` prints each thing that it made; a second run makes nothing."""
    import httpx

    httpx.post(f"{sandbox.running.url('salesforce')}/_sandbox/org", json={"bare": True}, trust_env=False).raise_for_status()
    settings = with_(sandbox, write_mode="live")
    found = by_name(examine(settings))
    assert found["crm (salesforce)", "writes VIM_Draft__c"].status == "fail" and "VIM_Phase__c" in found["crm (salesforce)", "writes Account"].text
    assert "vimotion doctor --fix" in found["crm (salesforce)", "writes Account"].fix
    made = list(mend(settings))
    assert "salesforce: made Account.VIM_Phase__c" in made and "salesforce: made VIM_Integration" in made
    assert {item.status for item in examine(settings) if item.name.startswith("writes")} == {"ok"}
    assert list(mend(settings)) == ["salesforce: nothing is missing"]
