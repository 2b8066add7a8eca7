"""A night over CSV and Parquet files: exact values, each row once, and an unchanged warehouse when something is wrong."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from datetime import date, datetime
from decimal import Decimal

import pytest

from vim_pipelines.core.errors import VimError
from vim_pipelines.ingestion import ingest as module
from vim_pipelines.ingestion.tables import raw_tables
from vim_pipelines.portfolio.entities import ENTITIES


def test_values_arrive_exactly(desk):
    """A price that passed through a float is a cent off in some sum."""
    desk.ingest()
    (account,) = desk.rows("select * from raw.accounts where account_key = 'A1'")
    assert account["arr_amount"] == Decimal("1000.1000") and account["known_at"] == datetime(1970, 1, 1)
    first, second = desk.rows("select * from raw.contract_lines order by contract_line_key")
    assert (first["net_unit_price_annual"], first["start_date"], first["status"]) == (Decimal("300.0000"), date(2026, 2, 1), "active")
    assert second["net_unit_price_annual"] is None and second["seats"] == 0
    assert second["known_at"] == second["source_modified_at"] == datetime(2026, 3, 15, 6), "times with an offset are kept in UTC"


def test_every_raw_table_exists_fed_or_not(desk):
    desk.ingest()
    there = {row["t"] for row in desk.rows("select table_schema || '.' || table_name as t from information_schema.tables")}
    assert set(raw_tables()) <= there
    coverage = {row["entity"]: row for row in desk.rows("select * from raw.entity_coverage")}
    assert len(coverage) == len(ENTITIES) + 1 and not coverage["ticket"]["is_fed"]
    assert coverage["account"]["history"] == "snapshot" and coverage["contract_line"]["history"] == "versions"


def test_usage_is_attributed_kept_or_set_aside(desk):
    report = desk.ingest()
    events = {row["event_id"]: row for row in desk.rows("select * from raw.usage_events")}
    assert events["E1"]["occurred_at"] == datetime(2026, 6, 27, 17) and events["E1"]["feature"] == "boards" and events["E1"]["product"] == "core"
    assert events["E2"]["account_key"] == "A1", "the user's one licence says whose event it is"
    assert events["E3"]["account_key"] is None, "a user with licences at two customers says nothing"
    assert set(events) == {"E1", "E2", "E3"}
    assert events["E1"]["source_file"] == "use_2026-06-27.csv" and events["E1"]["load_number"] == 1
    reasons = {row["row_key"]: (row["reason"], json.loads(row["row_json"])["feature"]) for row in desk.rows("select * from raw.quarantine")}
    assert reasons == {"E4": ("future_timestamp", "boards"), None: ("missing_required", "boards")}
    assert report.join_rate == pytest.approx(2 / 3) and report.reasons == {"future_timestamp": 1, "missing_required": 1}
    (load,) = desk.rows("select * from raw.loads where entity = 'usage_event'")
    assert (load["rows_read"], load["versions_added"], load["rows_quarantined"], load["rows_unattributed"]) == (5, 3, 2, 1)


def test_a_file_of_a_later_day_waits_for_its_day(desk):
    assert desk.ingest().files_for_later == 1
    assert desk.ingest(date(2026, 6, 29), datetime(2026, 6, 30, 6)).files_loaded == 1
    assert desk.rows("select distinct load_number from raw.usage_events where event_id = 'E9'") == [{"load_number": 2}]


def test_the_same_night_twice_adds_nothing(desk):
    desk.ingest()
    before = desk.fingerprint()
    report = desk.ingest()
    after = desk.fingerprint()
    assert report.versions_added == 0 and report.files_loaded == 0
    assert {table for table in before if before[table] != after[table]} == {"raw.loads"}


def test_a_file_that_grew_adds_its_new_events_only(desk):
    """Some feeds append to one file all day: the file is new each night, its events are not."""
    desk.ingest()
    path = desk.folder / "data/events/use_2026-06-27.csv"
    path.write_text(path.read_text() + "E5,A2,U2,Docs,2026-06-27T20:00:00Z,2026-06-27T20:30:00Z\n")
    report = desk.ingest()
    assert report.versions_added == 1
    assert [row["event_id"] for row in desk.rows("select event_id from raw.usage_events order by event_id")] == ["E1", "E2", "E3", "E5"]
    assert len(desk.rows("select * from raw.quarantine")) == 2, "nor are its bad rows"


def test_a_file_that_was_only_touched_is_not_read_again(desk):
    desk.ingest()
    path = desk.folder / "data/events/use_2026-06-27.csv"
    path.write_text(path.read_text())
    assert desk.ingest().files_loaded == 0


def test_a_changed_and_a_vanished_row_of_a_snapshot_are_versions_of_the_day(desk):
    desk.ingest()
    desk.write("accounts.csv", "id,name,arr\nA1,Alder Ltd,1000.10\n")
    desk.ingest(date(2026, 6, 29), datetime(2026, 6, 30, 6))
    rows = desk.rows("select account_key, account_name, known_at, is_deleted from raw.accounts where known_at > '2000-01-01' order by account_key")
    seen = datetime(2026, 6, 29, 23, 59, 59, 999999)
    assert [tuple(row.values()) for row in rows] == [("A1", "Alder Ltd", seen, False), ("A2", "Birch", seen, True)]


def test_bad_rows_are_set_aside_once_and_the_others_go_on(desk):
    desk.write(
        "contracts.csv",
        (desk.folder / "data/contracts.csv").read_text() + "C3,A1,core,ten,1,USD,01/02/2026,live,2026-02-01\nC4,A1,core,1,1,USD,01/02/2026,asleep,2026-02-01\n",
    )
    desk.ingest()
    desk.ingest()
    assert len(desk.rows("select * from raw.contract_lines")) == 2
    found = desk.rows("select row_key, reason, detail from raw.quarantine where entity = 'contract_line' order by row_key")
    assert [(row["row_key"], row["reason"]) for row in found] == [("C3", "type_error"), ("C4", "value_not_allowed")]
    assert "seats: 'ten' is not a whole number" in found[0]["detail"]


def test_gzip_bom_and_another_encoding_are_read(desk):
    path = desk.write("accounts.csv", b"")
    path.unlink()
    desk.write("accounts.csv.gz", gzip.compress(("\ufeff" + "id,name,arr\nA1,Älder,1\n").encode()))
    desk.file.write_text(desk.file.read_text().replace("path: accounts.csv", "path: accounts.csv.gz"))
    desk.ingest()
    assert desk.rows("select account_name from raw.accounts") == [{"account_name": "Älder"}]


BAD_INPUT = [
    ("accounts.csv", "id,name,arr\nA1,Alder,1,extra\n", "VIM-E017", "line 2: the line has 4 columns|malformed at line 2"),
    ("accounts.csv", b"id,name,arr\nA1,\xff\xfe,1\n", "VIM-E017", "not utf-8 text"),
    ("accounts.csv", "", "VIM-E017", "no header line"),
    ("accounts.csv", 'id,name,arr\nA1,"Alder,1\n', "VIM-E017", "malformed"),
    ("accounts.csv", "id,nom,arr\nA1,Alder,1\n", "VIM-E012", r"'name' is mapped to account.account_name \(line 12\)"),
    ("accounts.csv", None, "VIM-E018", "No file matches"),
    ("events/use_2026-06-28.csv", "id,account,user,feature,happened,arrived\nE7,A1\n", "VIM-E017", "use_2026-06-28.csv is malformed at line 2"),
    (
        "events/use_2026-06-28.csv",
        b"id,account,user,feature,happened,arrived\nE7,A1,\xff,f,2026-06-28,2026-06-28\n",
        "VIM-E017",
        "use_2026-06-28.csv is malformed",
    ),
    ("events/use_2026-06-28.csv", "id,account,user,feature,happened\nE7,A1,U1,f,2026-06-28\n", "VIM-E012", "'arrived' is mapped to usage_event.recorded_at"),
]


@pytest.mark.parametrize(("name", "content", "code", "said"), BAD_INPUT, ids=[f"{case[2]}-{number}" for number, case in enumerate(BAD_INPUT)])
@pytest.mark.parametrize("is_first_night", [True, False])
def test_bad_input_is_one_message_and_an_unchanged_warehouse(desk, name, content, code, said, is_first_night):
    if not is_first_night:
        desk.ingest()
        desk.write("contracts.csv", (desk.folder / "data/contracts.csv").read_text().replace("core,10", "core,20"))
    before = desk.fingerprint()
    if content is None:
        (desk.folder / "data" / name).unlink()
    else:
        desk.write(name, content)
    with pytest.raises(VimError, match=said) as caught:
        desk.ingest()
    assert caught.value.code == code
    assert desk.fingerprint() == before
    assert desk.settings.warehouse_path.exists() is not is_first_night, "a failed first night leaves no warehouse behind"


def test_a_truncated_parquet_file_is_named(desk, tmp_path):
    desk.file.write_text(desk.file.read_text().replace("events: {kind: csv", "events: {kind: parquet").replace('"*.csv"', '"*.parquet"'))
    desk.write("events/use_2026-06-28.parquet", b"PAR1 and then nothing")
    with pytest.raises(VimError, match="VIM-E017 The file use_2026-06-28.parquet is malformed"):
        desk.ingest()


@pytest.mark.parametrize("step", ["load_entity", "load_usage", "write_loads", "write_coverage"])
def test_a_failure_between_two_writes_leaves_nothing(desk, monkeypatch, step):
    desk.ingest()
    before = desk.fingerprint()
    desk.write("accounts.csv", "id,name,arr\nA1,Changed,1\n")
    done = getattr(module._Night, step)

    def then_fail(*arguments):
        done(*arguments)
        raise RuntimeError("the machine went away")

    monkeypatch.setattr(module._Night, step, then_fail)
    with pytest.raises(RuntimeError):
        desk.ingest()
    assert desk.fingerprint() == before


def test_a_locked_warehouse_is_one_message(desk):
    desk.ingest()
    holder = subprocess.Popen(
        [sys.executable, "-c", f"import duckdb, sys; c = duckdb.connect({str(desk.settings.warehouse_path)!r}); print('held', flush=True); sys.stdin.read()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(VimError, match="VIM-E020 The warehouse .* is locked"):
            desk.ingest()
    finally:
        holder.communicate()


def test_contradicting_sources_are_counted(desk):
    checks = """
cross_checks:
  - name: accounts without a contract
    left: {source: tables, path: accounts.csv, key: id}
    right: {source: tables, path: contracts.csv, key: account, where: {state: live, seats: 10}}
"""
    desk.file.write_text(desk.file.read_text() + checks)
    (found,) = desk.ingest().contradictions
    assert (found.both, found.only_left, found.only_right, found.count) == (1, 1, 0, 1)


def test_an_account_is_found_through_a_subscription(desk):
    desk.file.write_text(
        desk.file.read_text().replace(
            "      account_key: account\n      user_key: user\n      product: {constant: core}",
            "      account_key: {field: account, lookup: {entity: contract_line, take: account_key}}\n      product: {field: account, lookup: {entity: contract_line, take: product}}",
        )
    )
    desk.write("events/use_2026-06-27.csv", "id,account,user,feature,happened,arrived\nE1,C2,,f,2026-06-27,2026-06-27\nE2,C9,,f,2026-06-27,2026-06-27\n")
    desk.ingest()
    events = desk.rows("select event_id, account_key, product, user_key from raw.usage_events order by event_id")
    assert [tuple(row.values()) for row in events] == [("E1", "A2", "core", None), ("E2", None, None, None)]
