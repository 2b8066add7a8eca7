"""Runs the `unit_tests:` of the dbt project, which state the formulas' awkward cases beside the models."""

from __future__ import annotations

from pathlib import Path

import yaml
from dbt_portfolio import AS_OF, Portfolio

from vim_pipelines.transform.project import _invoke, project_dir


def declared(folder: Path) -> set[str]:
    return {test["name"] for path in folder.rglob("*.yml") for test in (yaml.safe_load(path.read_text()) or {}).get("unit_tests") or []}


def test_every_unit_test_of_the_project_holds(portfolio: Portfolio) -> None:
    """dbt needs the relations to exist for their column types, so base and marts are built empty first."""
    portfolio.build()
    result = _invoke(portfolio.settings, ["test", "--select", "test_type:unit"], AS_OF)
    assert {entry.node.name for entry in result} == declared(project_dir() / "models")
    assert {str(entry.status) for entry in result} == {"pass"}
