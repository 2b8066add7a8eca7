"""The walls of the house: who may import whom, and what must not be loaded at start-up."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "vim_pipelines"

#: From the cellar up: a slice may import what stands before it and is named in its set (DESIGN.md section 2; `core` is under all of them).
MAY_IMPORT: dict[str, set[str]] = {
    "core": set(),
    "settings": {"core"},
    "schedule": {"core"},
    "check_results": {"core"},
    "portfolio": {"core", "settings"},
    "vendors": {"core", "settings"},
    "warehouse": {"core", "settings"},
    "store": {"core", "settings", "warehouse"},
    "ingestion": {"core", "settings", "portfolio", "vendors", "warehouse"},
    "transform": {"core", "settings", "warehouse"},
    "signals": {"core", "settings", "warehouse"},
    "quality": {"core", "settings", "portfolio", "warehouse"},
    "newest": {"core", "settings", "portfolio", "warehouse"},
    "lifecycle": {"core", "settings", "warehouse", "store"},
    "reasoning": {"core", "settings", "lifecycle", "warehouse", "vendors", "store"},
    "approvals": {"core", "settings", "store", "lifecycle", "reasoning", "vendors", "warehouse"},
    "writeback": {"core", "settings", "portfolio", "approvals", "vendors", "store", "warehouse"},
    # The digest goes to the people of the operations store, through the channels and the delivery rows that `approvals` has.
    "reporting": {"core", "settings", "warehouse", "store", "vendors", "approvals"},
    "privacy": {"core", "settings", "portfolio", "store", "warehouse", "ingestion", "approvals", "reporting"},
    "inbox": {"core", "settings", "store", "approvals", "reasoning", "reporting", "lifecycle"},
    # The liar test ends where a person would be asked, so it goes through the store and the approval requests; neither imports an evaluation.
    "evaluation": {"core", "settings", "reasoning", "lifecycle", "signals", "warehouse", "store", "approvals"},
    "sandbox": {"core", "settings", "portfolio"},
}
COMPOSITION = {"definitions", "catalogue", "jobs", "cli", "night", "doctor", "event_log"}
#: Dagster files may ask the calendar, the draft step whether it is the newest date, and checks how a verdict is shown.
WIRING = {"schedule", "newest", "check_results"}
WIRING_FILES = {"assets.py", "checks.py", "sensors.py"}


def imported_slices(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        found |= {name.split(".")[1] for name in names if name.startswith("vim_pipelines.")}
    return found


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def slice_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def test_every_module_belongs_to_a_slice_that_has_a_rule():
    """A new folder without a rule would be a room without walls."""
    assert {slice_of(path) for path in modules()} <= set(MAY_IMPORT) | COMPOSITION


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path):
    here = slice_of(path)
    if here in COMPOSITION:
        return
    allowed = MAY_IMPORT[here] | {here} | (WIRING if path.name in WIRING_FILES else set())
    assert imported_slices(path) <= allowed


def test_only_composition_and_tests_know_the_sandbox():
    """A production code location that loads the simulator could be pointed at it."""
    assert {slice_of(path) for path in modules() if "sandbox" in imported_slices(path)} <= {"sandbox", "cli"}


@pytest.mark.parametrize("path", [path for path in modules() if path.name not in WIRING_FILES], ids=lambda path: str(path.relative_to(PACKAGE)))
def test_pure_modules_never_import_dagster(path):
    if slice_of(path) in COMPOSITION | {"schedule", "check_results"}:
        return
    roots = {
        (alias.name if isinstance(node, ast.Import) else node.module or "").split(".")[0]
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert not {root for root in roots if root == "dagster"}


HEAVY = (
    "great_expectations",
    "dagster_snowflake",
    "snowflake.connector",
    "anthropic",
    "dlt",
    "altair",
    "langsmith",
    "pandas",
    "duckdb",
    "sqlalchemy",
    "dagster",
    "scipy",
    "dbt",
)


def loaded_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(' '.join(name for name in {HEAVY!r} if name in sys.modules))"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_the_command_line_loads_nothing_heavy():
    """`vimotion --help` has half a second; dagster alone takes longer."""
    assert loaded_by("import vim_pipelines.cli") == set()


def test_definitions_do_not_load_what_a_run_may_never_need(tmp_path):
    """Great Expectations, the Snowflake connector, the Claude SDK and dlt cost ten seconds together, at every code location load."""
    statement = f"from vim_pipelines.settings import load_settings; from vim_pipelines.definitions import build_definitions; build_definitions(load_settings(home={str(tmp_path)!r}))"
    assert not loaded_by(statement) & {"great_expectations", "dagster_snowflake", "snowflake.connector", "anthropic", "dlt", "altair", "langsmith", "scipy"}


def test_production_definitions_load_no_module_of_the_sandbox(tmp_path):
    code = (
        "import sys; from vim_pipelines.settings import load_settings; from vim_pipelines.definitions import build_definitions;"
        f"build_definitions(load_settings(home={str(tmp_path)!r})); print([name for name in sys.modules if name.startswith('vim_pipelines.sandbox')])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip().endswith("[]")
