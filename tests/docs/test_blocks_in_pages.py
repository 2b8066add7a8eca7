"""Blocks that are no commands hold what they show: YAML fits its model, SQL is SQL, JSON and Python can be read.

A mapping that is pasted from a page and refused by `portfolio check` costs a newcomer the first evening.
"""

from __future__ import annotations

import ast
import json
import sys
from datetime import date
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from tools.doc_blocks import Block, blocks, pages
from vim_pipelines.portfolio.schema import portfolio_schema

BLOCKS = [block for page in pages() for block in blocks(page)]
VALIDATOR = Draft202012Validator(portfolio_schema())
WHOLE: dict[str, Any] = {
    "name": "page",
    "currency": "EUR",
    "sources": {"crm": {"kind": "salesforce"}, "tables": {"kind": "csv"}},
    "entities": {"account": {"source": "crm", "object": "Account", "fields": {"account_key": "Id", "account_name": "Name"}}},
}


def of(language: str) -> list[Block]:
    return [block for block in BLOCKS if block.language == language]


def plain(value: Any) -> Any:
    """YAML's dates are text to a schema."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value.isoformat() if isinstance(value, date) else value


def portfolio_of(part: dict[str, Any]) -> dict[str, Any] | None:
    """A whole portfolio around a fragment of one, or None for YAML of another kind."""
    if "fields" in part and "entities" not in part:
        return WHOLE | {"entities": {"contract_line": {"source": "crm", "object": "Contract"} | part}}
    if part.keys() & {"sources", "identity", "roles", "cross_checks"} or any(
        "fields" in entity for entity in _values(part.get("entities")) if isinstance(entity, dict)
    ):
        return WHOLE | part
    return None


def _values(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else []


@pytest.mark.parametrize("block", of("yaml"), ids=lambda block: block.place)
def test_yaml_fits_what_it_configures(block, tmp_path):
    part = yaml.safe_load(block.text)
    assert part is not None
    if not isinstance(part, dict):
        return
    if portfolio := portfolio_of(part):
        assert [
            f"{'.'.join(map(str, error.path))}: {error.message}" for error in VALIDATOR.iter_errors(plain(portfolio)) if error.validator != "required"
        ] == []
    elif any(isinstance(gate, dict) and "gate" in gate for entries in _values(part.get("entities")) if isinstance(entries, list) for gate in entries):
        from vim_pipelines.quality.suites import PATH, load_suites

        shipped = yaml.safe_load(PATH.read_text())
        (tmp_path / "suites.yaml").write_text(yaml.safe_dump(shipped | {"entities": part["entities"]}, sort_keys=False))
        assert load_suites(tmp_path / "suites.yaml")


def test_a_fragment_with_a_wrong_key_is_seen():
    part = yaml.safe_load("fields: {seats: {feild: Seats__c}}")
    assert list(VALIDATOR.iter_errors(portfolio_of(part)))


def test_json_can_be_read():
    for block in of("json"):
        json.loads(block.text)


def test_python_can_be_read_and_what_it_imports_of_ours_exists():
    """The rest of a Python block runs in the session of its page."""
    for block in of("python"):
        ours = [node for node in ast.walk(ast.parse(block.text)) if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("vim_pipelines")]
        for node in ours:
            exec(compile(ast.Module(body=[node], type_ignores=[]), block.place, "exec"), {})


@pytest.mark.parametrize("block", of("sql"), ids=lambda block: block.place)
def test_sql_is_sql_of_the_warehouse_that_the_page_speaks_of(block):
    """Snowflake's is parsed only: no account is reached from here. DuckDB's runs in the session of its page, too."""
    sqlglot = pytest.importorskip("sqlglot")
    dialect = "snowflake" if "check-snowflake" in block.directives else "postgres" if "check-postgres" in block.directives else "duckdb"
    statements = sqlglot.parse(block.text, read=dialect)
    assert statements and all(statement is not None for statement in statements)


def test_every_block_that_is_not_run_says_why(capsys):
    """Blocks left out are few, and the reasons are printed."""
    left_out = [block for block in BLOCKS if "skip" in block.directives]
    with capsys.disabled():
        for block in left_out:
            sys.stdout.write(f"\n  not run: {block.place}: {block.directives.get('reason')}")
    assert all(block.directives.get("reason") for block in left_out)
    runnable = [block for block in BLOCKS if block.language in ("bash", "sql", "python")]
    assert len(left_out) <= len(runnable) / 2
