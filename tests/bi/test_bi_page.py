"""The page for those who query the data: its queries run as printed, and what it names exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vim_pipelines.reporting.publish import publish

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = (REPOSITORY / "docs" / "how-to" / "bi.md").read_text(encoding="utf-8")
QUERIES = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def published(small_marts, tmp_path_factory):
    """The published file, with the views of the newest night that the page asks."""
    folder = tmp_path_factory.mktemp("bi")
    with small_marts.session() as session:
        for mart in sorted(set(re.findall(r"marts\.(\w+)_current", PAGE))):
            session.execute(
                f"create or replace view marts.{mart}_current as select * from marts.{mart} where as_of_date = (select max(as_of_date) from marts.{mart})"
            )
    publish(small_marts, folder)
    return folder


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.splitlines()[0].removeprefix("-- ")[:50])
def test_a_query_of_the_page_runs_on_the_published_file(query, published) -> None:
    import duckdb

    with duckdb.connect(str(published / "vim.duckdb"), read_only=True) as connection:
        rows = connection.execute(query).fetchall()
    assert rows or "retention" in query or "data_quality" in query, "the marts by hand have rows for it"


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.splitlines()[0].removeprefix("-- ")[:50])
def test_a_query_of_the_page_is_snowflakes_sql_too(query) -> None:
    sqlglot = pytest.importorskip("sqlglot")
    [statement] = [parsed for parsed in sqlglot.parse(query, read="snowflake") if parsed]
    functions = {node.sql_name() for node in statement.find_all(sqlglot.exp.Func)} - {"CASE", "IF", "AND", "OR"}
    assert functions <= {"SUM", "AVG", "COUNT", "NULLIF"}, "functions that both warehouses know"


def test_the_python_of_the_page_runs(published, monkeypatch, tmp_path) -> None:
    [code] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / ".vimotion").mkdir()
    (tmp_path / ".vimotion" / "published").symlink_to(published)
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(code, names)
    assert names["waste"]
    names["connection"].close()


def test_what_the_page_names_is_there() -> None:
    for path in re.findall(r"`(deploy/[\w./]+|dbt_project/[\w./]+)`", PAGE):
        assert (REPOSITORY / path).exists(), path
    for path in re.findall(r"\]\((\.\./[\w./-]+)\)", PAGE):
        assert (REPOSITORY / "docs" / "how-to" / path).resolve().is_file(), path
    assert (REPOSITORY / "docs" / "images" / "superset.png").stat().st_size < 300_000
