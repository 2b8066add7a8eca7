"""What a dbt test asks, as a sentence: its name in Dagster is the rule run together with underscores. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def rule_of(test: Mapping[str, Any]) -> str:
    """The rule of a test node of the manifest, in words, and where its query stands."""
    said = " ".join((test.get("description") or "").split())
    generic = test.get("test_metadata") or {}
    arguments = generic.get("kwargs") or {}
    if said:
        rule = said
    elif generic.get("name") == "grain":
        rule = f"One row per {' and '.join(arguments['columns'])}."
    elif generic.get("name") == "holds":
        rule = "True, or unknown, for every row: " + "; ".join(f"`{' '.join(str(expression).split())}`" for expression in arguments["expressions"]) + "."
    elif generic:
        rule = f"{generic['name'].replace('_', ' ').capitalize()}: {test.get('column_name') or 'every row'}."
    else:
        rule = f"{test['name'].removeprefix('assert_').replace('_', ' ').capitalize()}: the query finds no row that says otherwise."
    held = "A failure stops the night before anything is drafted." if str(test["config"].get("severity", "error")).lower() == "error" else "A failure warns."
    return f"{rule} {held} Query: {test['original_file_path']}."
