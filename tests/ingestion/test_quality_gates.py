"""The gates on raw: what must stop a night, what is only shown, and that neither costs much."""

from __future__ import annotations

import subprocess
import sys
from datetime import date

import pytest

from vim_pipelines.core.errors import VimError
from vim_pipelines.quality.gates import raise_if_blocked, run_gates
from vim_pipelines.warehouse import open_warehouse

AS_OF = date(2026, 6, 28)


def judged(desk):
    return {(result.entity, result.name): result for result in run_gates(open_warehouse(desk.settings), AS_OF)}


def change(desk, sql: str) -> None:
    with open_warehouse(desk.settings).session() as session:
        session.execute(sql)


def test_a_sound_night_passes_and_prints_nothing(desk, capfd):
    desk.write("events/use_2026-06-27.csv", "id,account,user,feature,happened,arrived\nE1,A1,U1,f,2026-06-27,2026-06-27\n")
    desk.ingest()
    results = judged(desk)
    assert [key for key, result in results.items() if not result.passed] == []
    assert {entity for entity, _ in results} == {"account", "contract_line", "license_assignment", "usage_event"}, "only what a source feeds is judged"
    raise_if_blocked(results.values())
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("sql", "entity", "gate"),
    [
        ("delete from raw.accounts", "account", "has_rows"),
        ("delete from raw.contract_lines", "contract_line", "has_rows"),
        ("update raw.accounts set account_key = null where account_key = 'A1'", "account", "key_is_known"),
        ("update raw.accounts set known_at = null where account_key = 'A1'", "account", "known_at_is_known"),
        ("insert into raw.contract_lines select * from raw.contract_lines", "contract_line", "version_stands_once"),
        ("alter table raw.contract_lines drop column notice_days", "contract_line", "columns_are_there"),
        ("update raw.usage_events set event_id = null", "usage_event", "event_id_is_known"),
        ("update raw.contract_lines set seats = -1", "account", "few_accounts_held"),
        (
            "update raw.usage_events set occurred_at = '2031-01-01', account_key = case when event_id = 'E2' then 'A2' else 'A1' end",
            "account",
            "few_accounts_held",
        ),
        ("update raw.loads set rows_read = 100, rows_quarantined = 21 where entity = 'contract_line'", "contract_line", "few_rows_quarantined"),
    ],
)
def test_what_cannot_be_trusted_stops_the_night(desk, sql: str, entity: str, gate: str):
    desk.ingest()
    assert not [result for result in judged(desk).values() if result.blocks and result.entity == entity and result.name == gate]
    change(desk, sql)
    result = judged(desk)[entity, gate]
    assert result.blocks and result.details
    with pytest.raises(VimError, match=f"VIM-E022 .*{entity}: {gate}"):
        raise_if_blocked([result])


def test_old_telemetry_is_shown_and_does_not_stop_the_night(desk):
    desk.ingest()
    change(desk, "update raw.usage_events set recorded_at = recorded_at - interval '10 days'")
    result = judged(desk)["usage_event", "telemetry_is_fresh"]
    assert not result.passed and not result.blocks and result.details["observed"] == 11


def test_orphans_are_shown(desk):
    desk.ingest()
    change(desk, "update raw.contract_lines set account_key = 'nobody'")
    result = judged(desk)["contract_line", "account_exists"]
    assert not result.passed and result.severity == "warning" and result.details["unexpected_rows"] == 2


def test_one_bad_row_among_the_two_that_changed_today_stops_nothing(desk):
    """An incremental load is small: its own share of bad rows is 50 % as soon as one of two is bad."""
    desk.ingest()
    change(desk, "update raw.loads set rows_read = 2, rows_quarantined = 1 where entity = 'contract_line'")
    assert judged(desk)["contract_line", "few_rows_quarantined"].passed


def test_the_slices_load_without_their_heavy_libraries():
    """The command line imports these before it knows whether they are needed."""
    heavy = ("pandas", "great_expectations", "dlt", "duckdb", "pyarrow", "dagster", "vim_pipelines.sandbox")
    modules = "vim_pipelines.ingestion.ingest, vim_pipelines.quality.gates, vim_pipelines.portfolio.file"
    code = f"import sys, {modules}; print(sorted(set(sys.modules) & set({heavy!r})))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
