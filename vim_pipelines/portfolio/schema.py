"""The portfolio file's JSON Schema and its page of reference, both made from the models: an editor, the page and the checker cannot disagree.

What the models accept beside their full form (`seats: Seats__c`, `where: {Type: Customer}`) is added here, and per entity the columns
that it has, so that an editor completes `net_unit_price_annual` and marks `net_unit_price`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vim_pipelines.portfolio.entities import ENTITIES
from vim_pipelines.portfolio.model import USAGE, Condition, EntityMap, FieldRule, Identity, IdentityLink, Portfolio, Roles, Source, canonical_columns

NAME = "portfolio.schema.json"
#: First line of a portfolio file beside the schema: editors with the YAML language server (VS Code, Neovim, JetBrains) read it.
EDITOR_LINE = f"# yaml-language-server: $schema={NAME}"
_WORD = {"type": ["string", "number", "boolean", "null"]}


def portfolio_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a portfolio file."""
    schema = Portfolio.model_json_schema(by_alias=True)
    found = schema["$defs"]
    for definition in (schema, *found.values()):
        _tidy(definition)
    rule = {"$ref": "#/$defs/FieldRule"}
    condition = {"anyOf": [_WORD, {"type": "array", "items": _WORD, "minItems": 1}, {"$ref": "#/$defs/Condition"}]}
    for name in ("in", "not"):
        words = found["Condition"]["properties"][name]
        found["Condition"]["properties"][name] = {"anyOf": [_WORD, {"type": "array", "items": _WORD}], "description": words["description"]}
    found["Condition"]["minProperties"] = 1
    found["FieldRule"]["oneOf"] = [{"required": [name]} for name in ("field", "constant", "hash", "any_of")]
    for name in ("EntityMap", "KeySet"):
        found[name]["properties"]["where"]["additionalProperties"] = condition
    people = found["Roles"]["properties"]["people"]
    people["additionalProperties"] = {"anyOf": [{"enum": ["csm", "director"]}, {"$ref": "#/$defs/Person"}]}
    contacts = found["Roles"]["properties"]["contacts"]
    contacts["additionalProperties"] = {"anyOf": [{"type": "string"}, {"type": "array", "items": _WORD}]}
    found["FieldRule"]["properties"]["true_words"]["items"] = _WORD
    entities = {}
    for name in (*ENTITIES, USAGE):
        columns = {column.name: {"anyOf": [{"type": "string"}, rule], "description": _column_text(column)} for column in canonical_columns(name)}
        fields = {
            "type": "object",
            "description": found["EntityMap"]["properties"]["fields"]["description"],
            "properties": columns,
            "required": [column.name for column in canonical_columns(name) if column.required],
            "additionalProperties": False,
        }
        others = {key: {"$ref": f"#/$defs/EntityMap/properties/{key}"} for key in found["EntityMap"]["properties"] if key != "fields"}
        entities[name] = {
            "type": "object",
            "description": _description(name),
            "properties": {**others, "fields": fields},
            "required": ["source", "fields"],
            "additionalProperties": False,
        }
        if name == USAGE:  # a shape brings the mapping of what the file does not say
            needed = {"required": ["fields"], "properties": {"fields": {"required": fields.pop("required")}}}
            entities[name] |= {"required": ["source"], "if": {"required": ["shape"]}, "else": needed}
    schema["properties"]["entities"] |= {"properties": entities, "additionalProperties": False}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Portfolio file of Value-in-Motion",
        **{key: value for key, value in schema.items() if key != "title"},
    }


def schema_text() -> str:
    """The text of `portfolios/portfolio.schema.json`."""
    return json.dumps(portfolio_schema(), indent=1, ensure_ascii=False) + "\n"


def reference_page() -> str:
    """The text of `docs/reference/portfolio.md`."""
    return "\n".join(_page()) + "\n"


def write(repository: Path) -> list[Path]:
    """Write schema and page below a checkout; returns the files."""
    files = {repository / "portfolios" / NAME: schema_text(), repository / "docs" / "reference" / "portfolio.md": reference_page()}
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
    return list(files)


# --- inside ------------------------------------------------------------------------------------------------------------


def _tidy(definition: dict[str, Any]) -> None:
    """Without pydantic's titles, and a docstring as one line."""
    definition.pop("title", None)
    if "description" in definition:
        definition["description"] = " ".join(definition["description"].replace("`", "").split())
    for value in definition.get("properties", {}).values():
        value.pop("title", None)
        if value.get("default") in ({}, [], None):
            value.pop("default", None)


def _description(entity: str) -> str:
    return "An event of the product's telemetry." if entity == USAGE else ENTITIES[entity].description


def _column_text(column: Any) -> str:
    said = [column.description] if column.description else []
    said += ["Required."] if column.required else []
    said += [f"One of {', '.join(column.allowed)}."] if column.allowed else []
    return " ".join([f"({column.type})", *said])


def _page() -> Iterator[str]:
    yield "# The portfolio file"
    yield ""
    yield "Made by `make schema` from `vim_pipelines/portfolio/`; a test keeps it so. Start a file with `vimotion init`, check it with"
    yield "`vimotion portfolio check FILE`. The first line of a file gives your editor completion and marks mistakes while you type:"
    yield ""
    yield f"    {EDITOR_LINE}"
    yield ""
    yield "Addresses and credentials are settings (`.env`), never part of this file."
    yield ""
    yield "## Top of the file"
    yield ""
    yield from _keys(Portfolio)
    yield "## `sources.NAME`"
    yield ""
    yield from _keys(Source)
    yield "## `entities.NAME`"
    yield ""
    yield from _keys(EntityMap)
    yield "## `entities.NAME.fields.COLUMN`"
    yield ""
    yield "The name of a source field, or a rule with these keys; exactly one of `field`, `constant`, `hash` and `any_of` says where from."
    yield ""
    yield from _keys(FieldRule)
    yield "## `entities.NAME.where.FIELD`"
    yield ""
    yield "A word (`Type: Customer`), a list of words, or conditions with these keys. All must hold. They mean the same for systems, files and"
    yield "telemetry: words are compared without case and outer blanks, an empty field is the empty word, a date is a day in UTC. A row whose date is"
    yield "empty or unreadable lies in no range; `vimotion portfolio check` counts the unreadable ones."
    yield ""
    yield "    where: {Type: [Customer, Partner], Stage__c: {not: Test}, CreatedDate: {from: 2024-01-01}, Closed__c: {empty: true}}"
    yield ""
    yield from _keys(Condition)
    yield "## `roles`"
    yield ""
    yield from _keys(Roles)
    yield "    roles:"
    yield "      contacts: {champion: [Power User, Evangelist], economic_buyer: Decision Maker, sponsor: Executive Sponsor}"
    yield "      people: {ana@example.com: {role: csm, name: Ana Ruiz, reports_to: dora@example.com}, dora@example.com: director}"
    yield ""
    yield "## `identity`"
    yield ""
    yield from _keys(Identity)
    yield "### `identity.links`, a list"
    yield ""
    yield from _keys(IdentityLink)
    yield "## Entities and their columns"
    yield ""
    yield "Columns in **bold** are required: a row without them goes to `raw.quarantine`."
    yield ""
    for name in (*ENTITIES, USAGE):
        yield f"### {name}"
        yield ""
        yield _description(name)
        yield ""
        yield "| column | type | |"
        yield "|---|---|---|"
        for column in canonical_columns(name):
            said = [column.description] if column.description else []
            said += [f"One of {', '.join(column.allowed)}."] if column.allowed else []
            yield f"| {'**' + column.name + '**' if column.required else column.name} | {column.type} | {_cell(' '.join(said))} |"
        yield ""


def _keys(model: Any) -> Iterator[str]:
    yield "| key | |"
    yield "|---|---|"
    for name, field in model.model_fields.items():
        needed = " Required." if field.is_required() else ""
        yield f"| `{field.alias or name}` | {_cell(field.description or '')}{needed} |"
    yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
