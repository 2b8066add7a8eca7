"""`vimotion portfolio check`: every problem with its line, from the file, from each source, from a sample of rows; none hides another."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from vim_pipelines.cli import main
from vim_pipelines.ingestion.probe import check_portfolio
from vim_pipelines.portfolio.check import CheckReport, report_lines
from vim_pipelines.portfolio.file import read_portfolio
from vim_pipelines.portfolio.init import STARTERS, start_portfolio
from vim_pipelines.settings import Settings, environment_variable, load_settings, resource_path

NOW = datetime(2026, 6, 29, 6)
SETTINGS = load_settings()


def check(desk: Any, *changes: tuple[str, str], rows: int = 1000, settings: Settings | None = None) -> CheckReport:
    text = desk.file.read_text()
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    desk.file.write_text(text)
    return check_portfolio(desk.file, settings or desk.settings, NOW, rows=rows)


def line_of(desk: Any, part: str) -> int:
    return next(number for number, line in enumerate(desk.file.read_text().splitlines(), 1) if part in line)


def told(report: CheckReport, severity: str | None = None) -> list[tuple[int, str, str]]:
    return [(item.line, item.where, item.text) for item in report.problems if severity in (None, item.severity)]


# --- the file alone ----------------------------------------------------------------------------------------------------


def test_mistakes_of_form_and_of_meaning_are_told_together(tmp_path: Path):
    """A key written wrongly in one entity hid a wrong column in another: the second came to light a night later."""
    file = tmp_path / "portfolio.yaml"
    file.write_text(
        "name: small\ncurrency: euro\nsources:\n  crm: {kind: salesforce, pth: x}\n  odd: {kind: sharepoint}\nentities:\n"
        "  account:\n    source: crm\n    object: Account\n    fields:\n      account_key: Id\n      account_nam: Name\n      tier: [a]\n    were: {a: b}\n"
        "  contact:\n    source: crn\n    object: Contact\n    fields: {contact_key: Id, account_key: AccountId}\n"
        "  meeting:\n    source: crm\n    fields: {meeting_key: Id, account_key: {field: WhatId, constnt: 3}}\n"
        "  task:\n    source: odd\n    object: Task\n    fields: {task_key: Id, account_key: WhatId}\n"
        "  ebr:\n    object: EBR\n    fields: {ebr_key: Id}\n"
        "  milestone:\n    source: crm\n    object: M\n    history: sometimes\n    where: {Kind: {from: soon}}\n    fields: {milestone_key: Id, account_key: A}\n"
    )
    found = read_portfolio(file, SETTINGS)[1]
    lines = [line for line, _ in found]
    assert lines == [2, 4, 5, 10, 12, 13, 14, 16, 19, 21, 26, 32, 33], found
    said = dict(found)
    assert "did you mean 'path'?" in said[4] and "did you mean 'where'?" in said[14] and "did you mean 'constant'?" in said[21]
    assert "name of a source field, or a rule" in said[13] and "lacks 'source'" in said[26]


def test_the_error_of_the_audit_names_the_same_mistakes(tmp_path: Path):
    from vim_pipelines.core.errors import VimError
    from vim_pipelines.portfolio.file import load_portfolio

    file = tmp_path / "portfolio.yaml"
    file.write_text("name: x\ncurrency: eur\nsources: {crm: {kind: saleforce}}\nentities: {acount: {source: crm, object: A, fields: {}}}\n")
    with pytest.raises(VimError) as caught:
        load_portfolio(file, SETTINGS)
    assert all(f"line {line}:" in str(caught.value) for line in (2, 3))


@pytest.mark.parametrize(
    "text", ["[]", "a: &b [*b]\n", "? [x]\n: y\n", "when: 2026-13-45\n", "x: !!python/object:os.system {}\n", "\ufeff", "a: b\n--- \nc: d\n"]
)
def test_odd_text_is_one_message_and_no_traceback(tmp_path: Path, text: str):
    file = tmp_path / "portfolio.yaml"
    file.write_text(text)
    done = CliRunner().invoke(main, ["portfolio", "check", "--offline", str(file)])
    assert done.exit_code == 2, done.output
    assert done.exception is None or isinstance(done.exception, SystemExit)


# --- files -------------------------------------------------------------------------------------------------------------


def test_a_right_portfolio_has_no_error(desk):
    report = check(desk)
    assert report.is_right and told(report, "error") == []
    by_name = {item.entity: item for item in report.entities}
    assert (by_name["account"].rows, by_name["account"].is_whole, by_name["account"].empty["arr_amount"]) == (2, True, 0.5)
    assert by_name["usage_event"].rows == 6 and not by_name["usage_event"].is_whole
    assert [(item.name, item.status) for item in report.sources] == [("tables", "ok"), ("events", "ok")]


def test_every_missing_field_is_told_with_its_line_and_the_near_name(desk):
    report = check(
        desk,
        ("account_name: name", "account_name: nam"),
        ("seats: seats\n", "seats: seat\n"),
        ("known_at: changed", "known_at: chnged"),
        ("    path: contracts.csv\n", "    path: contracts.csv\n    where: {stat: live}\n"),
    )
    found = told(report, "error")
    assert (line_of(desk, "account_name: nam"), "account.account_name", "the file accounts.csv has no field 'nam'; did you mean 'name'?") in found
    assert (line_of(desk, "seats: seat"), "contract_line.seats", "the file contracts.csv has no field 'seat'; did you mean 'seats'?") in found
    assert (line_of(desk, "known_at: chnged"), "contract_line.known_at", "the file contracts.csv has no field 'chnged'; did you mean 'changed'?") in found
    assert (line_of(desk, "where:"), "contract_line.where", "the file contracts.csv has no field 'stat'; did you mean 'state'?") in found
    assert len(found) == 4, "a missing field is told once, not again as an empty column"


def test_values_that_cannot_be_read_are_told_with_examples_and_a_way_out(desk):
    desk.write("accounts.csv", "id,name,arr\nA1,Alder,1.000,10\n".replace("1.000,10", '"1.000,10"') + "A2,Birch,7\n")
    report = check(
        desk, ('{field: starts, format: "%d/%m/%Y"}', "starts"), ("    fields: {account_key: id,", "    fields: {customer_since: name, account_key: id,")
    )
    said = {where: (severity, text) for severity, where, text in ((item.severity, item.where, item.text) for item in report.problems)}
    assert said["contract_line.start_date"][0] == "error"
    assert "all 2 rows hold something that is not a date: '01/02/2026', '15/03/2026'" in said["contract_line.start_date"][1]
    assert 'format: "%d/%m/%Y"' in said["contract_line.start_date"][1]
    assert "1 of 2 rows hold something that is not a number: '1.000,10'; a number needs a decimal point" in said["account.arr_amount"][1]
    assert said["account.customer_since"][0] == "error"


def test_words_outside_the_vocabulary_are_listed_with_their_counts(desk):
    desk.write(
        "contracts.csv",
        "id,account,product,seats,total,currency,starts,state,changed\n"
        + "".join(
            f"C{n},A{1 + n % 2},core,10,3000,USD,01/02/2026,{word},2026-02-01\n" for n, word in enumerate(["live", "live", "live", "Paused", "paused?", "dead"])
        ),
    )
    report = check(desk)
    assert [item for item in told(report, "warning") if item[1].startswith("contract_line")] == [
        (
            line_of(desk, "status:"),
            "contract_line.status",
            "2 of 6 rows hold a word that is not among active, draft, terminated: 'Paused', 'paused?'; say what it means with 'map'",
        )
    ]


def test_words_that_fall_through_are_a_note(desk):
    report = check(desk, ("map: {live: active, dead: terminated}", "map: {dead: terminated}, otherwise: active"))
    assert told(report, "note") == [(line_of(desk, "status:"), "contract_line.status", "words that are not listed become 'active': 'live' (2)")]
    assert report.is_right


def test_currencies_without_a_rate_are_told_and_never_taken_as_one(desk):
    desk.write("rates.csv", "currency,day,rate\nEUR,2026-06-01,1.1\n")
    desk.write(
        "contracts.csv",
        "id,account,product,seats,total,currency,starts,state,changed\n"
        + "".join(f"C{n},A{1 + n % 2},core,10,3000,{code},01/02/2026,live,2026-02-01\n" for n, code in enumerate(["USD", "eur", "CHF", "CHF", "Dollar"])),
    )
    without = check(desk)
    assert any("'CHF' (2), 'EUR'; the file maps no fx_rate, so these amounts will be unknown" in text for _, _, text in told(without, "warning"))
    rates = "  fx_rate:\n    source: tables\n    path: rates.csv\n    history: snapshot\n    fields: {fx_rate_key: {hash: [currency, day]}, currency: currency, rate_date: day, rate: rate}\n  usage_event:\n"
    report = check(desk, ("  usage_event:\n", rates))
    said = [text for _, where, text in told(report, "warning") if where == "contract_line.currency"]
    assert "currency without a rate to USD: 'CHF' (2); fx_rate has no rate for it, so these amounts will be unknown" in said
    assert any("no ISO 4217 code: 'DOLLAR'" in text for text in said) and len(said) == 2


def test_rows_of_unknown_accounts_and_accounts_without_contract_are_told(desk):
    desk.write("accounts.csv", "id,name,arr\nA1,Alder,1\nA2,Birch,2\nA3,Cedar,3\nA4,Date,4\n")
    desk.write("licences.csv", "id,account,user,product\nL1,A1,U1,core\nL2,A9,U9,core\nL3,A9,U8,core\n")
    report = check(desk)
    warned = {where: text for _, where, text in told(report, "warning")}
    assert "2 of 3 rows name an account that the accounts lack: 'A9' (2)" in warned["license_assignment.account_key"]
    assert "2 of 4 accounts have no contract line: 'A3', 'A4'" in warned["contract_line"]
    desk.write("licences.csv", "id,account,user,product\nL1,1,U1,core\nL2,2,U9,core\n")
    assert any("is it the same kind of key as account.account_key?" in text for _, where, text in told(check(desk), "error"))


def test_required_columns_that_are_empty_and_keys_with_two_contents_are_told(desk):
    desk.write("accounts.csv", "id,name,arr\nA1,Alder,1\nA1,Alder,2\nA2,,3\n")
    desk.write("licences.csv", "id,account,user,product\n")
    warned = {(where, severity): text for severity, where, text in ((item.severity, item.where, item.text) for item in check(desk).problems)}
    assert warned["account.account_name", "warning"].startswith("1 of 3 rows are empty, and it is required")
    assert warned["account", "error"] == "2 of 3 rows share their key and modification time with another row of other content and go to quarantine: 'A1' (2)"
    assert warned["license_assignment", "warning"] == "the source has no row"


def test_a_filter_that_lets_nothing_through_and_dates_that_it_cannot_read_are_errors(desk):
    report = check(
        desk,
        ("    path: contracts.csv\n", "    path: contracts.csv\n    where: {starts: {from: 2020-01-01}}\n"),
        ("    path: licences.csv\n", "    path: licences.csv\n    where: {product: bore}\n"),
    )
    found = {where: text for _, where, text in told(report, "error")}
    assert "all 2 rows hold no ISO date and are left out: '01/02/2026', '15/03/2026'" in found["contract_line.where.starts"]
    assert found["license_assignment.where"] == "none of the 3 rows read passes the filter"


def test_broken_files_do_not_hide_each_other(desk):
    desk.write("accounts.csv", "id,name,arr\nA1,Alder,1,9\n")
    desk.write("licences.csv", b"id,account,user,product\nL1,A1,\xff\xfe,core\n")
    (desk.folder / "data" / "contracts.csv").unlink()
    codes = {(item.where, item.code) for item in check(desk).problems if item.severity == "error"}
    assert {("account", "VIM-E017"), ("license_assignment", "VIM-E017"), ("contract_line", "VIM-E018")} <= codes


POSTHOG = """\
  usage_event:
    source: events
    path: "*.jsonl"
    shape: posthog
    fields: {product: {constant: core}}
"""


def test_paths_alternatives_and_optional_fields_of_telemetry_are_no_problems(desk):
    """PostHog's account stands inside a JSON column, and its tables lack columns that nobody ever sent."""
    text = desk.file.read_text()
    desk.file.write_text(
        text[: text.index("  usage_event:")].replace('kind: csv, path: "${data_dir}/events"', 'kind: jsonl, path: "${data_dir}/hog"') + POSTHOG
    )
    event = {"uuid": "e1", "event": "clicked", "timestamp": "2026-06-27T10:00:00Z", "distinct_id": "U1", "properties": {"$groups": {"company": "A1"}}}
    desk.write("hog/a.jsonl", json.dumps(event) + "\n")
    report = check(desk)
    assert report.is_right and not [item for item in told(report) if item[1].startswith("usage_event")], told(report)
    desk.write("hog/a.jsonl", json.dumps({key: value for key, value in event.items() if key not in ("uuid", "distinct_id")}) + "\n")
    found = {where: text for _, where, text in told(check(desk), "error")}
    assert "has no field 'uuid'" in found.get("usage_event.event_id", "") or "has no field 'uuid'" in str(found)


def test_tables_of_the_warehouse_are_asked_for_their_columns(desk):
    desk.ingest()
    from vim_pipelines.warehouse import open_warehouse

    with open_warehouse(desk.settings).session() as session:
        session.execute("create schema landing")
        session.execute("create table landing.events (id varchar, happened timestamp, arrived timestamp)")
    table = (
        "  usage_event:\n    source: house\n    table: landing.events\n    fields: {event_id: id, user_key: usr, occurred_at: happened, recorded_at: arrived}\n"
    )
    text = desk.file.read_text().replace('events: {kind: csv, path: "${data_dir}/events"}', "house: {kind: warehouse}")
    desk.file.write_text(text[: text.index("  usage_event:")] + table)
    report = check(desk)
    assert told(report, "error") == [(line_of(desk, "user_key: usr"), "usage_event.user_key", "the table landing.events has no field 'usr'")]
    assert any("has no table landing.event" in text for _, _, text in told(check(desk, ("landing.events", "landing.event")), "error"))


def test_columns_that_cross_checks_and_identity_tables_name_are_looked_for(desk):
    desk.write("orgs.csv", "org,account\nO1,A1\n")
    desk.file.write_text(
        desk.file.read_text()
        + "cross_checks:\n  - name: accounts\n    left: {source: tables, path: accounts.csv, key: idd}\n"
        + "    right:\n      source: tables\n      path: contracts.csv\n      key: account\n      where:\n        stat: live\n"
        + "identity:\n  links:\n    - {source: tables, path: orgs.csv, kind: org_id, key: org, account_key: acount}\n"
        + "    - {source: tables, path: nowhere.csv, kind: user, key: a, account_key: b}\n"
    )
    found = {(line, where): text for line, where, text in told(check(desk), "error")}
    assert "did you mean 'id'?" in found[line_of(desk, "idd"), "cross_checks.0.left"]
    assert "has no column 'stat'; did you mean 'state'?" in found[line_of(desk, "stat: live"), "cross_checks.0.right"]
    assert "has no column 'acount'; did you mean 'account'?" in found[line_of(desk, "acount"), "identity.links.0"]
    assert "No file matches" in found[line_of(desk, "nowhere.csv"), "identity.links.1"]
    assert len(found) == 4


def test_an_answer_that_nobody_foresaw_does_not_hide_the_others(mapped, monkeypatch):
    from vim_pipelines.ingestion.readers.zendesk import ZendeskReader

    monkeypatch.setattr(ZendeskReader, "sample", lambda self, mapping, rows: {}["tickets"])
    found = {where: text for _, where, text in told(check(mapped), "error")}
    assert set(found) == {"ticket", "ticket_event"} and "KeyError" in found["ticket"]


# --- systems -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def mapped(sandbox, tmp_path: Path):
    """The sandbox's portfolio as a file of the user's own, and its settings."""

    class Mapped:
        file = tmp_path / "portfolio.yaml"
        settings = sandbox.settings
        fault = sandbox.fault

    Mapped.file.write_text((resource_path("portfolios") / "sandbox.yaml").read_text())
    return Mapped


def test_the_sandbox_portfolio_is_right(mapped):
    report = check(mapped)
    assert report.is_right, told(report, "error")
    assert {item.status for item in report.sources} == {"ok"} and all(item.is_read for item in report.entities)


def test_a_system_is_asked_for_its_fields_and_objects(mapped):
    report = check(
        mapped,
        ("arr_amount: ARR__c", "arr_amount: ARR_c"),
        ("object: EBR__c", "object: EBRs__c"),
        ("object: ticket_metric_events", "object: ticket_metrics"),
        ("seats: Seats__c", "seats: Status"),
    )
    found = {where: (line, text) for line, where, text in told(report, "error")}
    assert found["account.arr_amount"] == (line_of(mapped, "ARR_c"), "the Salesforce object Account has no field 'ARR_c'; did you mean 'ARR__c'?")
    assert found["ebr"][0] == line_of(mapped, "object: EBRs__c") and "EBRs__c" in found["ebr"][1]
    assert found["ticket_event"] == (line_of(mapped, "ticket_metrics"), "Zendesk has no object 'ticket_metrics' here; did you mean 'ticket_metric_events'?")
    assert "not a whole number: 'Activated'" in found["contract_line.seats"][1]
    assert len(found) == 4


def test_one_source_that_cannot_be_reached_does_not_hide_the_others(mapped):
    settings = mapped.settings.model_copy(update={"salesforce_base_url": "http://127.0.0.1:9"})
    report = check(mapped, ("priority: priority_level", "priority: prio"), settings=settings)
    found = {where: (line, text) for line, where, text in told(report, "error")}
    assert found["sources.crm"][0] == line_of(mapped, "crm: {kind") and "cannot be reached" in found["sources.crm"][1]
    assert found["ticket.priority"] == (line_of(mapped, "priority: prio"), "the Zendesk object tickets has no field 'prio'; did you mean 'priority'?")
    assert {item.name: item.status for item in report.sources} == {"crm": "error", "support": "ok", "licences": "ok", "finance": "ok", "telemetry": "ok"}
    assert not next(item for item in report.entities if item.entity == "account").is_read


def test_settings_that_are_missing_and_secrets_that_are_wrong_are_told_by_name_only(mapped):
    from pydantic import SecretStr

    settings = mapped.settings.model_copy(update={"salesforce_client_secret": SecretStr("not-the-secret"), "zendesk_client_id": None})
    report = check(mapped, settings=settings)
    found = {where: text for _, where, text in told(report, "error")}
    assert "ZENDESK_CLIENT_ID is missing" in found["sources.support"] and "Salesforce refused" in found["sources.crm"]
    assert "not-the-secret" not in json.dumps(report.as_json())


def test_one_object_that_is_refused_does_not_stop_the_others(mapped):
    mapped.fault("salesforce", path="/sobjects/Contact/describe", status=403, code="INSUFFICIENT_ACCESS", times=5)
    report = check(mapped)
    assert [(where, line) for line, where, _ in told(report, "error")] == [("contact", line_of(mapped, "object: Contact"))]
    assert {item.status for item in report.sources} == {"ok"}


# --- as the user sees it -----------------------------------------------------------------------------------------------


def test_the_command_shows_problems_in_the_order_of_the_file_and_ends_with_status_two(desk):
    desk.file.write_text(
        desk.file.read_text().replace("account_name: name", "account_name: nam").replace("product: product, ", "").replace("feature: {", "featur: {")
    )
    done = CliRunner().invoke(main, ["--home", str(desk.folder / "home"), "portfolio", "check", str(desk.file)])
    assert done.exit_code == 2
    lines = [line for line in done.output.splitlines() if line.strip().startswith("line ")]
    assert lines == sorted(lines, key=lambda line: int(line.split()[1])) and len(lines) == 4
    assert "2 errors, 2 warnings. Correct the file and check again." in done.output
    as_json = CliRunner().invoke(main, ["--home", str(desk.folder / "home"), "portfolio", "check", "--json", str(desk.file)])
    assert as_json.exit_code == 2 and json.loads(as_json.output)["is_right"] is False


def test_the_command_ends_with_status_zero_and_the_next_command(desk):
    done = CliRunner().invoke(main, ["--home", str(desk.folder / "home"), "portfolio", "check", str(desk.file)])
    assert done.exit_code == 0 and f"Next: vimotion audit --portfolio {desk.file}" in done.output
    assert not [line for line in done.output.splitlines() if len(line) > 140 and "tmp" not in line]


def test_long_texts_are_folded_under_themselves(desk):
    report = check(desk, ('{field: starts, format: "%d/%m/%Y"}', "starts"))
    lines = report_lines(report, width=80)
    start = next(index for index, line in enumerate(lines) if "contract_line.start_date" in line)
    assert all(len(line) <= 80 for line in lines[start : start + 3])
    assert lines[start + 1].startswith(" " * lines[start].index("contract_line"))


# --- init --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("crm", STARTERS)
def test_what_init_writes_passes_the_check_at_once(tmp_path: Path, crm: str):
    folder = tmp_path / "mine"
    made = CliRunner().invoke(main, ["init", str(folder), "--crm", crm])
    assert made.exit_code == 0, made.output
    done = CliRunner().invoke(main, ["portfolio", "check", "--offline", str(folder / "portfolio.yaml")])
    assert done.exit_code == 0, done.output
    text = (folder / "portfolio.yaml").read_text()
    assert text.count("#") > 20 and "account:" in text and "/work" not in text
    from jsonschema import Draft202012Validator
    from yaml import safe_load

    schema = json.loads((folder / "portfolio.schema.json").read_text())
    assert [error.message for error in Draft202012Validator(schema).iter_errors(safe_load(text))] == []


@pytest.mark.parametrize("crm", STARTERS)
def test_the_roles_at_the_end_are_right_once_they_are_uncommented(tmp_path: Path, crm: str):
    """Comments rot: nobody runs them."""
    start_portfolio(tmp_path, crm)
    file = tmp_path / "portfolio.yaml"
    head, tail = file.read_text().split("# roles:\n")
    text = head.replace("# role:", "role:") + "roles:\n" + "".join(line[2:] + "\n" for line in tail.splitlines())
    text = text.replace("      # csm_email:", "      csm_email:")
    if "\n      role:" not in text:
        text = text.replace("      contact_key:", "      role: Role\n      contact_key:")
    file.write_text(text)
    assert read_portfolio(file, SETTINGS)[1] == []


def test_init_overwrites_nothing(tmp_path: Path):
    start_portfolio(tmp_path, "csv")
    (tmp_path / "portfolio.yaml").write_text("mine")
    done = CliRunner().invoke(main, ["init", str(tmp_path)])
    assert done.exit_code == 2 and "VIM-E028" in done.output and (tmp_path / "portfolio.yaml").read_text() == "mine"
    (tmp_path / "portfolio.yaml").unlink()
    assert CliRunner().invoke(main, ["init", str(tmp_path)]).exit_code == 2, "the .env and the schema are there still"
    assert not (tmp_path / "portfolio.yaml").exists()


@pytest.mark.parametrize("crm", STARTERS)
def test_the_env_file_names_the_settings_and_holds_no_value(tmp_path: Path, crm: str):
    start_portfolio(tmp_path, crm)
    env = tmp_path / ".env"
    values = dict(line.split("=", 1) for line in env.read_text().splitlines() if line and not line.startswith("#"))
    assert {name for name, value in values.items() if value} == {"VIMOTION_PORTFOLIO"}
    assert set(values) <= {environment_variable(name) for name in Settings.model_fields} and "ZENDESK_CLIENT_SECRET" in values
    assert env.stat().st_mode & 0o077 == 0
    assert ".env" in (tmp_path / ".gitignore").read_text()


# --- the ready files ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("crm", ["hubspot", "planhat", pytest.param("google_sheets", marks=pytest.mark.slow)])
def test_the_ready_file_of_each_crm_is_right_and_its_doctor_is_green(sandbox, crm: str):
    """Its portfolio is found to fit, and nothing is red, against the emulated vendor itself."""
    from vim_pipelines.doctor import examine
    from vim_pipelines.sandbox.emulators.run import start_emulators

    with start_emulators(sandbox.settings.sandbox_dir, (crm,)) as running:
        settings = running.settings(sandbox.settings).model_copy(update={"sandbox_crm": crm})
        report = check_portfolio(resource_path("portfolios") / f"{crm}.yaml", settings, NOW)
        findings = examine(settings)
    assert told(report, "error") == [] and {item.status for item in report.sources} == {"ok"}
    assert {item.entity: item.rows for item in report.entities}["account"] == 20
    assert [item for item in findings if item.status != "ok"] == []
