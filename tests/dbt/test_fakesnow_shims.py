"""Each shim over the Snowflake emulator is still needed: without it the emulator shows the fault that the shim's docstring names."""

from __future__ import annotations

import inspect
import re
from datetime import datetime
from pathlib import Path

import fakesnow_shims
import pytest
from fakesnow_shims import SHIMS, emulator, sessions

from vim_pipelines.settings import Settings
from vim_pipelines.warehouse import open_warehouse

NULL_TIMESTAMP = "select cast(null as timestamp_ntz) as nothing, cast('2024-02-29 23:59:59.123456' as timestamp_ntz) as leap"


def test_every_shim_says_what_it_papers_over() -> None:
    for name, shim in SHIMS.items():
        assert len((inspect.getdoc(shim) or "").split()) > 10, name
    assert set(SHIMS) <= set(re.findall(r"def (\w+)\(\) -> None", Path(fakesnow_shims.__file__).read_text()))


def test_a_null_timestamp_arrives_as_null_and_a_time_to_the_microsecond(tmp_path: Path) -> None:
    with emulator(tmp_path) as reach, open_warehouse(Settings(home=tmp_path, **reach)).session(read_only=True) as session:
        assert session.rows(NULL_TIMESTAMP) == [{"nothing": None, "leap": datetime(2024, 2, 29, 23, 59, 59, 123456)}]


def test_without_its_shim_a_null_timestamp_is_1970(tmp_path: Path) -> None:
    with emulator(tmp_path, without=("null_timestamps",)) as reach, open_warehouse(Settings(home=tmp_path, **reach)).session(read_only=True) as session:
        assert session.rows(NULL_TIMESTAMP)[0]["nothing"] == datetime(1970, 1, 1)


def test_alter_session_is_accepted_and_a_wrong_name_is_not(tmp_path: Path) -> None:
    """The transform is called directly: an error inside the server would be retried by the connector without end."""
    import fakesnow.transforms as transforms
    from fakesnow.dialect import parse_one

    original = transforms.alter_session
    right = 'alter session set QUERY_TAG = \'{"step": "transform"}\', WEEK_START = 1, QUOTED_IDENTIFIERS_IGNORE_CASE = false'
    with pytest.raises(NotImplementedError):
        original(parse_one(right))
    try:
        fakesnow_shims.session_parameters()
        assert transforms.alter_session(parse_one(right)) is transforms.SUCCESS_NOP
        for wrong in ("alter session set QUERY_TAGG = 'x'", "alter session set WEEK_START = 'Monday'"):
            with pytest.raises(NotImplementedError):
                transforms.alter_session(parse_one(wrong))
    finally:
        transforms.alter_session = original
    assert sessions(tmp_path) == []


def test_a_clustered_table_with_a_contract_can_be_made_and_not_without_its_shim() -> None:
    import fakesnow
    import fakesnow.transforms as transforms
    import snowflake.connector

    select = "select cast(datediff(day, cast('2024-02-28' as date), cast('2024-03-01' as date)) as bigint) as days"
    sql = f"create or replace table clustered (days bigint not null) as (select * from ({select}) order by (days))"
    original = transforms.create_table_as
    with fakesnow.patch():
        cursor = snowflake.connector.connect(database="d", schema="s").cursor()
        with pytest.raises(Exception, match="(?i)day"):
            cursor.execute(sql)
        try:
            fakesnow_shims.star_in_create_table()
            cursor.execute(sql)
        finally:
            transforms.create_table_as = original
        assert cursor.execute("select days from clustered").fetchall() == [(2,)]


def test_comments_and_grants_are_taken_down_and_are_errors_without_their_shim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process: an error inside the server would be retried by the connector without end."""
    import fakesnow
    import snowflake.connector
    from fakesnow.cursor import FakeSnowflakeCursor

    told = [
        "comment on table vim.marts.t is $$what it's for$$", 'alter table vim.marts.t alter "A" COMMENT $$one$$, "B" COMMENT $$it\'s two$$',
        "grant select on all tables in schema vim.marts to role reader",
    ]  # fmt: skip
    original = FakeSnowflakeCursor.execute
    monkeypatch.setenv(fakesnow_shims.STATEMENTS_VARIABLE, str(tmp_path / "statements.jsonl"))
    with fakesnow.patch():
        cursor = snowflake.connector.connect(database="VIM", schema="MARTS").cursor()
        cursor.execute("create table vim.marts.t (a int, b int)")
        for statement in told:
            with pytest.raises(Exception, match=r"(?i)syntax error|unterminated"):
                cursor.execute(statement)
        try:
            fakesnow_shims.descriptions_and_grants()
            for statement in told:
                cursor.execute(statement)
            assert cursor.execute("show grants to role reader").fetchall() == []
            assert cursor.execute("select count(*) from vim.marts.t").fetchall() == [(0,)]
        finally:
            FakeSnowflakeCursor.execute = original  # type: ignore[method-assign]
    assert fakesnow_shims.statements(tmp_path) == [*told, "show grants to role reader"]
