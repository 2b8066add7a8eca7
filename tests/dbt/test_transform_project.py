"""dbt is pointed at an installation without leaving traces in the package, without secrets on disk, and with errors that name the model."""

from __future__ import annotations

import json
import re
import shutil
from datetime import date
from pathlib import Path

import pytest
import yaml
from dbt_portfolio import Portfolio, make_portfolio

from vim_pipelines.core.errors import VimError
from vim_pipelines.settings import Settings
from vim_pipelines.transform.project import (
    RESERVED_SELECTIONS,
    dbt_arguments,
    dbt_environment,
    dbt_failure,
    ensure_manifest,
    project_dir,
    run_dbt,
    write_profile,
)
from vim_pipelines.warehouse import open_warehouse

PROJECT = project_dir()


def model_files() -> list[Path]:
    return sorted(path for path in (PROJECT / "models").rglob("*.sql"))


def test_a_password_never_reaches_the_disk(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path, warehouse="snowflake", snowflake_account="a", snowflake_user="u", snowflake_password="hunter2-secret", snowflake_database="d"
    )  # type: ignore[call-arg, arg-type]
    folder = write_profile(settings, open_warehouse(settings))
    text = (folder / "profiles.yml").read_text()
    assert "hunter2-secret" not in text
    output = yaml.safe_load(text)["value_in_motion"]["outputs"]["vim"]
    variable = re.fullmatch(r"\{\{ env_var\('(\w+)'\) \}\}", output["password"])
    assert variable is not None
    assert dbt_environment(settings)[variable[1]] == "hunter2-secret"


def test_an_unchanged_profile_is_not_touched(tmp_path: Path) -> None:
    """dbt parses everything again when the profile is newer than its parsed project."""
    portfolio = make_portfolio(tmp_path)
    path = portfolio.settings.dbt_target_dir / "profiles.yml"
    before = path.stat().st_mtime_ns
    write_profile(portfolio.settings, portfolio.warehouse)
    assert path.stat().st_mtime_ns == before


def test_the_manifest_is_parsed_once_and_again_when_a_file_changed(portfolio: Portfolio, monkeypatch: pytest.MonkeyPatch) -> None:
    from vim_pipelines.transform import project

    calls: list[list[str]] = []
    invoke = project._invoke
    monkeypatch.setattr(project, "_invoke", lambda settings, arguments, as_of: (calls.append(arguments), invoke(settings, arguments, as_of))[1])
    first = ensure_manifest(portfolio.settings)
    assert first.is_file()
    count = len(calls)
    assert ensure_manifest(portfolio.settings) == first
    assert len(calls) == count
    monkeypatch.setattr(project, "project_fingerprint", lambda: "another model")
    ensure_manifest(portfolio.settings)
    assert len(calls) == count + 1


def test_a_home_outlives_the_folder_of_the_program(portfolio: Portfolio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new image with another Python: what dbt remembers of the old folder would send every seed to files that are gone."""
    from vim_pipelines.transform import project

    shutil.copytree(PROJECT, tmp_path / "moved", ignore=shutil.ignore_patterns("target", "logs"))
    for place in (PROJECT, tmp_path / "moved"):
        monkeypatch.setattr(project, "project_dir", lambda place=place: place)
        nodes = json.loads(ensure_manifest(portfolio.settings).read_text())["nodes"].values()
        roots = {node["root_path"] for node in nodes if node["resource_type"] == "seed"}
        assert roots == {str(place)}


def test_a_failed_model_is_one_error_that_names_it(portfolio: Portfolio) -> None:
    """A table that ingestion should have made is missing."""
    with portfolio.warehouse.session() as session:
        session.execute("create schema if not exists raw")
    with pytest.raises(VimError) as caught:
        run_dbt(portfolio.settings, ["stg_finance__fx_rates"], date(2026, 6, 28), "USD")
    assert caught.value.code == "VIM-E023"
    assert "stg_finance__fx_rates" in str(caught.value)
    assert "fx_rates does not exist" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_test_that_finds_rows_is_named_too() -> None:
    error = dbt_failure([{"unique_id": "test.value_in_motion.grain_x.0a1b", "status": "fail", "message": "Got 2 results, configured to fail if != 0"}])
    assert str(error).startswith("VIM-E023 The dbt test grain_x failed. Got 2 results")


def test_dbt_leaves_nothing_in_the_project_folder(portfolio: Portfolio) -> None:
    before = {path: path.stat().st_mtime_ns for path in PROJECT.rglob("*")}
    portfolio.account("a")
    portfolio.write()
    run_dbt(portfolio.settings, ["stg_crm__accounts"], date(2026, 6, 28), "USD")
    assert {path: path.stat().st_mtime_ns for path in PROJECT.rglob("*")} == before
    assert (portfolio.settings.dbt_target_dir / "logs" / "dbt.log").is_file()


def test_the_night_runs_no_unit_tests() -> None:
    arguments = dbt_arguments(RESERVED_SELECTIONS["base"], "USD")
    assert arguments[arguments.index("--exclude") + 1] == "resource_type:unit_test"
    assert "--exclude" not in dbt_arguments(["tag:base"], "USD", unit_tests=True)


def test_the_seed_holds_exactly_the_thresholds_that_models_ask_for() -> None:
    """A name that is missing gives NULL measures for everybody; one that nobody reads lets people tune nothing."""
    seed = {line.split(",")[0] for line in (PROJECT / "seeds" / "signal_thresholds.csv").read_text().splitlines()[1:]}
    texts = [path.read_text() for path in [*model_files(), *(PROJECT / "macros").glob("*.sql")]]
    asked = {name for text in texts for name in re.findall(r"threshold\(['\"](\w+)['\"]\)", text)}
    # The signals read a few themselves, once they are in the warehouse.
    python = [path.read_text() for path in (PROJECT.parent / "vim_pipelines" / "signals").glob("*.py")]
    asked |= {name for text in python for name in re.findall(r"threshold_name = '(\w+)'", text)}
    assert asked == seed


def test_sql_rounds_money_as_python_does() -> None:
    """Half away from zero on both sides: a draft and a mart may not differ by a cent."""
    import duckdb

    from vim_pipelines.core.money import to_cents

    connection = duckdb.connect()
    for text in ("0.005", "-0.005", "2.675", "-2.675", "4999.9995", "1.0049", "-1.0050", "8881.0664"):
        (rounded,) = connection.execute(f"select cast(round(cast('{text}' as decimal(18, 4)), 2) as decimal(18, 2))").fetchone() or (None,)
        assert rounded == to_cents(text)


def test_the_feature_seed_mirrors_what_the_sandbox_sells() -> None:
    """A feature that is missing from the seed looks like a feature that nobody uses."""
    from vim_pipelines.sandbox.simulator.catalog import PRODUCT_FEATURES

    lines = (PROJECT / "seeds" / "product_features.csv").read_text().splitlines()[1:]
    expected = [f"{product},{feature.name},{str(feature.is_value).lower()}" for product, features in PRODUCT_FEATURES.items() for feature in features]
    assert lines == expected


def test_every_column_of_a_mart_is_described_and_typed() -> None:
    marts = PROJECT / "models" / "marts"
    files = (marts / "portfolio" / "_portfolio__models.yml", marts / "measures" / "_measures__models.yml")
    for model in [model for path in files for model in yaml.safe_load(path.read_text())["models"]]:
        assert model["description"], model["name"]
        for column in model["columns"]:
            assert column["description"] and column["data_type"], (model["name"], column["name"])


def test_every_model_is_described() -> None:
    described = {
        entry["name"]
        for path in (PROJECT / "models").rglob("*.yml")
        for entry in (yaml.safe_load(path.read_text()) or {}).get("models") or []
        if entry.get("description")
    }
    assert {path.stem for path in model_files()} - described == set()


def test_labels_of_facts_hold_no_digits() -> None:
    """A label is printed in a draft, and the text of a draft holds no digit that is not a rendered fact."""
    text = (PROJECT / "models" / "marts" / "portfolio" / "fct_account_facts.sql").read_text()
    labels = re.findall(r"^    \('(\w+)', '([^']+)', '\w+', '\w+', ", text, flags=re.MULTILINE)
    assert len(labels) > 50
    assert [label for _, label in labels if re.search(r"\d", label)] == []
