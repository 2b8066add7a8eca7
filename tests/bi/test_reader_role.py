"""The reader's role on Snowflake. The emulator knows no roles: what would be told and how an answer is judged is tested, not Snowflake's own rights."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from vim_pipelines.core.errors import VimError
from vim_pipelines.reporting.publish import publish
from vim_pipelines.reporting.reader_role import beyond_marts, grants
from vim_pipelines.settings import Settings
from vim_pipelines.warehouse import open_warehouse

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tests" / "dbt"))
from fakesnow_shims import emulator, statements  # noqa: E402


def right(privilege: str, kind: str, name: str) -> dict[str, str]:
    return {"privilege": privilege, "granted_on": kind, "name": name}


ALLOWED = [
    right("USAGE", "DATABASE", "VIM"), right("USAGE", "WAREHOUSE", "BI_WH"), right("USAGE", "SCHEMA", "VIM.MARTS"), right("SELECT", "TABLE", "VIM.MARTS.FCT_RISKS"),
    right("SELECT", "VIEW", 'VIM.MARTS."FCT_RISKS_CURRENT"'),
]  # fmt: skip


@pytest.mark.parametrize(
    "surplus",
    [
        right("SELECT", "TABLE", "VIM.RAW.CONTACTS"), right("USAGE", "SCHEMA", "VIM.OPS"), right("INSERT", "TABLE", "VIM.MARTS.FCT_RISKS"),
        right("OWNERSHIP", "SCHEMA", "VIM.MARTS"), right("USAGE", "ROLE", "SYSADMIN"), right("SELECT", "TABLE", "VIM.MARTS_OLD.FCT_RISKS"), right("CREATE SCHEMA", "DATABASE", "VIM"),
    ],
    ids=lambda row: f"{row['privilege']} {row['name']}",
)  # fmt: skip
def test_a_right_beyond_the_marts_is_found(surplus) -> None:
    assert beyond_marts(ALLOWED, "vim") == []
    [said] = beyond_marts([*ALLOWED, surplus], "vim")
    assert surplus["name"] in said


@pytest.mark.parametrize("name", ["reader; drop database vim", 'a"b', "", "1role", "two words"])
def test_a_name_that_needs_quotes_is_refused(name) -> None:
    with pytest.raises(VimError, match="VIM-E002"):
        grants("VIM", name)
    with pytest.raises(VimError, match="VIM-E002"):
        grants(name, "reader")


def test_publishing_on_snowflake_gives_the_rights_again_and_looks_them_over(tmp_path) -> None:
    with emulator(tmp_path) as reach:
        silent = open_warehouse(Settings(home=tmp_path, **reach))
        assert publish(silent, tmp_path).path is None and statements(tmp_path) == []
        publish(open_warehouse(Settings(home=tmp_path, snowflake_reader_role="VIM_READER", **reach)), tmp_path)
        assert statements(tmp_path) == [*grants("VIM", "VIM_READER"), "show grants to role VIM_READER"]


def test_too_many_rights_stop_the_publication_with_their_names(monkeypatch) -> None:
    from contextlib import contextmanager

    from vim_pipelines.reporting import reader_role

    class Answering:
        """A warehouse whose role was given a schema too many. Real Snowflake's answer has more columns."""

        settings = Settings(snowflake_reader_role="VIM_READER", snowflake_database="VIM")

        @contextmanager
        def session(self):
            yield self

        def execute(self, sql):
            assert sql.startswith("grant ")

        def rows(self, sql):
            return [*ALLOWED, right("SELECT", "TABLE", "VIM.RAW.CONTACTS")]

    with pytest.raises(VimError, match=r"VIM-E170.*select on table VIM\.RAW\.CONTACTS"):
        reader_role.refresh_reader_role(Answering())


def test_the_administrators_file_gives_what_publishing_gives_and_the_future_and_only_the_marts() -> None:
    text = (REPOSITORY / "deploy" / "snowflake" / "reader.sql").read_text()
    body = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    told = [" ".join(part.replace("<% database %>", "VIM").replace("<% role %>", "VIM_READER").split()) for part in body.split(";") if part.strip()]
    assert set(grants("VIM", "VIM_READER")) <= set(told)
    assert {f"grant select on future {kind} in schema VIM.marts to role VIM_READER" for kind in ("tables", "views")} <= set(told)
    assert set(re.findall(r"VIM\.(\w+)", " ".join(told))) == {"marts"}
    assert not any(re.search(r"\b(all privileges|ownership|insert|update|delete|create schema)\b", text) for text in told)
