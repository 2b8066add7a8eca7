"""The JSON Schema says what the models say, and what the ready files use: an editor that marks a right line is worse than none."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from vim_pipelines.portfolio.file import load_portfolio
from vim_pipelines.portfolio.schema import EDITOR_LINE, NAME, portfolio_schema, reference_page, schema_text
from vim_pipelines.settings import load_settings, resource_path

REPOSITORY = Path(__file__).resolve().parents[2]
READY = sorted(path.stem for path in resource_path("portfolios").glob("*.yaml"))
VALIDATOR = Draft202012Validator(portfolio_schema())
SMALL: dict[str, Any] = {
    "name": "small",
    "currency": "EUR",
    "sources": {"crm": {"kind": "salesforce"}},
    "entities": {"account": {"source": "crm", "object": "Account", "fields": {"account_key": "Id", "account_name": "Name"}}},
}


def as_json(value: Any) -> Any:
    """YAML's dates are text to an editor."""
    if isinstance(value, dict):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_json(item) for item in value]
    return value.isoformat() if isinstance(value, date) else value


def test_the_stored_schema_and_page_are_those_of_the_models():
    assert (REPOSITORY / "portfolios" / NAME).read_text() == schema_text(), "run `make schema`"
    assert (REPOSITORY / "docs/reference/portfolio.md").read_text() == reference_page(), "run `make schema`"


def test_the_schema_is_a_schema():
    Draft202012Validator.check_schema(portfolio_schema())


@pytest.mark.parametrize("name", READY)
def test_a_ready_file_names_the_schema_and_fits_it(name: str):
    text = (resource_path("portfolios") / f"{name}.yaml").read_text()
    assert text.splitlines()[0] == EDITOR_LINE
    assert [error.message for error in VALIDATOR.iter_errors(as_json(yaml.safe_load(text)))] == []


def changed(place: str, value: Any) -> dict[str, Any]:
    document = yaml.safe_load(yaml.safe_dump(SMALL))
    holder = document
    *parents, last = place.split("/")
    for part in parents:
        holder = holder[part]
    holder[last] = value
    return document


ACCEPTED = [
    ("entities/account/where", {"Type": "Customer", "Size": 3, "Open": True}),
    ("entities/account/where", {"Type": ["Customer", "Partner"]}),
    ("entities/account/where", {"Type": {"not": "Test"}, "Since": {"from": "2024-01-01", "to": "2025-01-01"}, "End": {"empty": True}}),
    ("entities/account/fields/tier", {"field": "Rating", "map": {"Hot": "tier_1"}, "otherwise": None}),
    ("entities/account/fields/currency", {"constant": "EUR"}),
    ("roles", {"contacts": {}, "people": {"a@b.example": "director"}}),
    ("roles", {"people": {"a@b.example": {"role": "csm", "name": "A", "reports_to": "d@b.example"}, "d@b.example": {"role": "director"}}}),
]
REFUSED = [
    ("entities/account/where", {"Type": {"isnt": "Test"}}),
    ("entities/account/where", {"Type": []}),
    ("entities/account/where", {"Type": {}}),
    ("entities/account/fields/acount_name", "Name"),
    ("entities/account/fields/tier", {"field": "Rating", "constant": 3}),
    ("entities/account/fields/tier", {"map": {"a": "b"}}),
    ("entities/account/fields", {"account_key": "Id"}),
    ("entities/acount", {"source": "crm", "fields": {}}),
    ("sources/crm", {"kind": "sharepoint"}),
    ("roles", {"contacts": {"friend": ["Pal"]}}),
    ("roles", {"people": {"a@b.example": "boss"}}),
    ("currency", "euro"),
]


def is_loaded(tmp_path: Path, document: dict[str, Any]) -> bool:
    from vim_pipelines.portfolio.file import read_portfolio

    file = tmp_path / "portfolio.yaml"
    file.write_text(yaml.safe_dump(document))
    people_need_a_field = "no field is mapped to account.csm_email"
    return not [text for _, text in read_portfolio(file, load_settings())[1] if people_need_a_field not in text]


@pytest.mark.parametrize(("place", "value"), ACCEPTED)
def test_schema_and_loader_accept_the_same_forms(tmp_path: Path, place: str, value: Any):
    document = changed(place, value)
    assert [error.message for error in VALIDATOR.iter_errors(document)] == []
    assert is_loaded(tmp_path, document)


@pytest.mark.parametrize(("place", "value"), REFUSED)
def test_schema_and_loader_refuse_the_same_mistakes(tmp_path: Path, place: str, value: Any):
    document = changed(place, value)
    assert list(VALIDATOR.iter_errors(document))
    assert not is_loaded(tmp_path, document)


def test_every_column_is_offered_with_what_it_means():
    fields = portfolio_schema()["properties"]["entities"]["properties"]["contract_line"]["properties"]["fields"]
    assert "seats" in fields["required"] and fields["additionalProperties"] is False
    assert "Price per seat and year after discount" in fields["properties"]["net_unit_price_annual"]["description"]


def test_the_shipped_files_still_load():
    for name in READY:
        assert load_portfolio(resource_path("portfolios") / f"{name}.yaml", load_settings()).entities
