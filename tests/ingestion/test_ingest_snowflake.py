"""The same night on Snowflake: the real connector and dagster-snowflake's resource against the fakesnow server, compared with DuckDB."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from vim_pipelines.core.errors import VimError
from vim_pipelines.ingestion import ingest as module
from vim_pipelines.ingestion.tables import raw_tables
from vim_pipelines.quality.gates import run_gates
from vim_pipelines.warehouse import open_warehouse

AS_OF = date(2026, 6, 28)


@pytest.fixture(scope="module")
def snowflake_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    program = Path(sys.executable).with_name("fakesnow")
    if not program.exists():
        pytest.skip("fakesnow (extra 'test') is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [str(program), "-s", "-p", str(port), "-d", str(tmp_path_factory.mktemp("snowflake"))], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                assert server.poll() is None and time.monotonic() < deadline, "fakesnow did not start"
                time.sleep(0.1)
        yield port
    finally:
        server.kill()
        server.wait()


def on_snowflake(desk, port: int, database: str):
    """The same desk with Snowflake as its warehouse."""
    found = {
        "warehouse": "snowflake", "snowflake_account": "fakesnow", "snowflake_user": "fake", "snowflake_password": SecretStr("snow"), "snowflake_database": database,
        "snowflake_host": "localhost", "snowflake_port": port, "snowflake_protocol": "http",
    }  # fmt: skip
    desk.settings = desk.settings.model_copy(update=found)
    return desk


def contents(desk) -> dict[str, list[str]]:
    """Every raw table as sorted text."""
    with open_warehouse(desk.settings).session(read_only=True) as session:
        return {
            table: sorted(
                str(tuple(row.values())) for row in session.rows(f"select {', '.join(f'cast({name} as varchar) as {name}' for name in columns)} from {table}")
            )
            for table, columns in raw_tables().items()
        }


def test_a_night_gives_the_same_raw_rows_on_both_warehouses(desk, snowflake_port):
    desk.ingest()
    expected = contents(desk)
    gates = {(result.entity, result.name): result.passed for result in run_gates(open_warehouse(desk.settings), AS_OF)}
    on_snowflake(desk, snowflake_port, "SAME")
    desk.ingest()
    found = contents(desk)
    for table in expected:
        if table == "raw.quarantine":  # the text of row_json is each warehouse's own
            assert len(found[table]) == len(expected[table])
        else:
            assert found[table] == expected[table], table
    assert {(result.entity, result.name): result.passed for result in run_gates(open_warehouse(desk.settings), AS_OF)} == gates
    again = desk.ingest()
    assert again.versions_added == 0 and again.files_loaded == 0


@pytest.mark.slow
def test_a_night_that_fails_leaves_snowflake_as_it_was(desk, snowflake_port, monkeypatch):
    """DDL commits in Snowflake: one CREATE between two writes and half a night would stay."""
    on_snowflake(desk, snowflake_port, "HALF")
    desk.ingest()
    before = contents(desk)
    desk.write("accounts.csv", "id,name,arr\nA1,Changed,1\n")
    monkeypatch.setattr(module._Night, "write_coverage", lambda self: (_ for _ in ()).throw(VimError("VIM-E099", "the machine went away")))
    with pytest.raises(VimError, match="VIM-E099"):
        desk.ingest(date(2026, 6, 29), datetime(2026, 6, 30, 6))
    assert contents(desk) == before


def test_the_doctor_names_the_role_and_the_last_load_on_snowflake(desk, snowflake_port):
    from vim_pipelines.doctor import examine

    on_snowflake(desk, snowflake_port, "DOCTOR").ingest()
    found = {item.area: item for item in examine(desk.settings.model_copy(update={"portfolio": desk.file}))}["warehouse"]
    assert (found.name, found.status) == ("Snowflake", "ok") and found.text.startswith("last load for 2026-06-28, role ")


def test_a_filter_of_days_means_the_same_on_snowflake(desk, snowflake_port):
    desk.file.write_text(
        desk.file.read_text().replace(
            '    path: "*.csv"\n', '    path: "*.csv"\n    where: {user: {empty: false, not: U9}, happened: {from: 2026-06-27, to: 2026-06-27}}\n'
        )
    )
    on_snowflake(desk, snowflake_port, "FILTERED").ingest()
    assert [row["event_id"] for row in desk.rows("select event_id from raw.usage_events order by 1")] == ["E1", "E2"]
