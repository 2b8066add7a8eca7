"""The page of columns is what the code writes from the dbt project, and says something of every column."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vim_pipelines.transform.dictionary import PAGE, page
from vim_pipelines.transform.metrics import metrics_of

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def written(manifests):
    return page(*manifests)


def test_the_page_is_what_the_code_writes(written) -> None:
    assert (REPOSITORY / PAGE).read_text(encoding="utf-8") == written, "run `make columns-page`"


def test_every_mart_stands_on_the_page_with_its_grain_and_every_column(manifests, written) -> None:
    sections = dict(re.findall(r"^### ((?:fct|dim)_\w+)\n(.*?)(?=^##|\Z)", written, re.MULTILINE | re.DOTALL))
    marts = [node for node in manifests[0]["nodes"].values() if node["resource_type"] == "model" and node["schema"] == "marts"]
    assert {node["name"] for node in marts if not node["name"].endswith("_current")} == set(sections)
    for node in marts:
        if node["name"].endswith("_current"):
            assert f"`{node['name']}`" in written
            continue
        section = sections[node["name"]]
        assert "One row for each `" in section, f"{node['name']} has no grain test"
        rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \| (?:may be)? ?\| (.+) \|$", section, re.MULTILINE)
        assert {row[0] for row in rows} == set(node["columns"]), node["name"]
        assert all(kind.strip() and len(meaning.strip()) > 3 for _, kind, meaning in rows), node["name"]


def test_every_metric_stands_there_with_its_query(manifests, written) -> None:
    queries = dict(re.findall(r"^### (\w+)\n\n\*\*.*?```sql\n(.*?);\n```", written, re.MULTILINE | re.DOTALL))
    assert set(queries) == {metric.name for metric in metrics_of(manifests[1])}


def test_the_queries_on_the_page_run(written, small_marts) -> None:
    """As printed, on marts with the columns of the contracts."""
    queries = re.findall(r"```sql\n(.*?);\n```", written, re.DOTALL)
    assert len(queries) >= 30
    with small_marts.session(read_only=True) as session:
        for query in queries:
            assert len(session.rows(query)) == 1, query
