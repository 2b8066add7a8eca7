"""The page that says what every column means: docs/reference/columns.md, made from dbt's manifest.

Descriptions are written once, at the models. dbt persists them in the warehouse, publishing copies them into the file that BI tools open,
and this page prints them; a test holds the page to the project.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vim_pipelines.transform.metrics import metric_sql, metrics_of

PAGE = Path("docs/reference/columns.md")
#: The folders of dbt_project/models/marts in the order of the page, and what each is about.
CHAPTERS = {
    "portfolio": "Portfolio",
    "measures": "Measures of use and money",
    "lifecycle": "Lifecycle",
    "operations": "Drafts, decisions, writes and costs",
    "evaluation": "How well predictions hold",
}


def page(manifest: Mapping[str, Any], semantics: Mapping[str, Any]) -> str:
    """The whole page, from `manifest.json` and `semantic_manifest.json` of one parse."""
    marts = [node for node in manifest["nodes"].values() if node["resource_type"] == "model" and node["schema"] == "marts"]
    chapters = [_chapter(name, title, marts, manifest) for name, title in CHAPTERS.items()]
    return "\n\n".join([_head(), *chapters, _current(marts), _metrics(semantics)]) + "\n"


def read_manifests(target: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """`manifest.json` and `semantic_manifest.json` below dbt's target folder."""
    return json.loads((target / "manifest.json").read_text()), json.loads((target / "semantic_manifest.json").read_text())


def write(root: Path) -> None:
    """Write the page below `root`, the repository. Parses the project in a folder of its own, so that no warehouse is needed."""
    import tempfile

    from vim_pipelines.settings import Settings
    from vim_pipelines.transform.project import ensure_manifest, write_profile
    from vim_pipelines.warehouse import open_warehouse

    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder), warehouse="duckdb")
        write_profile(settings, open_warehouse(settings))
        (root / PAGE).write_text(page(*read_manifests(ensure_manifest(settings).parent)), encoding="utf-8")


def _head() -> str:
    return """# Columns of the marts

Made from the dbt project by `make columns-page`. The same descriptions stand in the warehouse and in `published/vim.duckdb` as comments of
tables and columns, where a BI tool shows them. How to connect one: [how-to/bi.md](../how-to/bi.md).

Money ends in `_annual`, `_amount` or `_value` and is in the currency of its row; `_portfolio` means the portfolio's currency. An empty value is *not
known*, never zero. Times are UTC. A mart with `as_of_date` keeps every night; its view `..._current` has the newest one."""


def _chapter(folder: str, title: str, marts: list[dict[str, Any]], manifest: Mapping[str, Any]) -> str:
    found = sorted((node for node in marts if node["fqn"][2] == folder and not node["name"].endswith("_current")), key=lambda node: str(node["name"]))
    return "\n\n".join([f"## {title}", *[_mart(node, manifest) for node in found]])


def _mart(node: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    grain = ", ".join(f"`{column}`" for column in _grain(node, manifest))
    readers = sorted(entry["label"] or entry["name"] for entry in manifest["exposures"].values() if node["unique_id"] in entry["depends_on"]["nodes"])
    rows = [
        f"| `{column['name']}` | {column['data_type'] or ''} | {'' if _is_required(column) else 'may be'} | {_cell(column['description'])} |"
        for column in node["columns"].values()
    ]
    lines = [f"### {node['name']}", "", node["description"].strip(), "", f"One row for each {grain}." if grain else "No grain is stated."]
    lines += [f"Read by: {', '.join(readers)}." if readers else "For analysts: nothing in this house reads it."]
    return "\n".join([*lines, "", "| column | type | empty | meaning |", "| --- | --- | --- | --- |", *rows])


def _grain(node: Mapping[str, Any], manifest: Mapping[str, Any]) -> list[str]:
    """Columns of the shortest grain test of the model."""
    tests = [
        test["test_metadata"]["kwargs"]["columns"]
        for test in manifest["nodes"].values()
        if test["resource_type"] == "test" and (test.get("test_metadata") or {}).get("name") == "grain" and test.get("attached_node") == node["unique_id"]
    ]
    return [str(column) for column in min(tests, key=len)] if tests else []


def _is_required(column: Mapping[str, Any]) -> bool:
    return any(constraint["type"] == "not_null" for constraint in column["constraints"])


def _current(marts: list[dict[str, Any]]) -> str:
    names = sorted(node["name"] for node in marts if node["name"].endswith("_current"))
    return (
        "## Views of the newest night\n\nThe columns of the mart of that name, the rows of its newest `as_of_date`: "
        + ", ".join(f"`{name}`" for name in names)
        + "."
    )


def _metrics(semantics: Mapping[str, Any]) -> str:
    """Each metric with its query, for tools that cannot read dbt's semantic layer."""
    entries = [
        f"### {metric.name}\n\n**{metric.label}.** {metric.description} From {', '.join(f'`{mart}`' for mart in metric.marts)}.\n\n"
        f"```sql\n{metric_sql(semantics, metric.name)};\n```"
        for metric in metrics_of(semantics)
    ]
    head = """## Metrics

Defined once in `dbt_project/models/marts/_semantic_models.yml`, dbt's semantic layer: a tool that speaks it (MetricFlow, dbt's own API) reads them
there. For all others each stands here as plain SQL for DuckDB and Snowflake: of the newest night where a mart is a photograph of a night, of all
nights where rows add up. A test computes every figure of the portfolio book from these definitions, too."""
    return "\n\n".join([head, *entries])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
