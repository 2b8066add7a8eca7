"""Every reader of a mart is an exposure, so that a change to a mart shows whom it concerns."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
#: Whom the issue names.
CONSUMERS = {"portfolio_book", "night_digest", "approval_inbox", "bi_dashboard", "crm_mirror", "command_line"}


def marts(manifest) -> set[str]:
    return {node["name"] for node in manifest["nodes"].values() if node["resource_type"] == "model" and node["schema"] == "marts"}


def read_by(exposure) -> set[str]:
    return {node.split(".")[-1] for node in exposure["depends_on"]["nodes"]}


def named_in(places: list[str]) -> set[str]:
    """Names of marts in the files below these places of the repository; a place that is not there yet names none."""
    found: set[str] = set()
    for place in places:
        path = REPOSITORY / place
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            if file.suffix in (".py", ".yaml", ".html"):
                found |= set(re.findall(r"\b(?:fct|dim)_[a-z_]+", file.read_text(encoding="utf-8")))
    return found


def test_every_consumer_is_there_and_every_mart_has_a_reader_or_is_for_analysts(manifests) -> None:
    exposures = {entry["name"]: entry for entry in manifests[0]["exposures"].values()}
    assert CONSUMERS | {"analysts"} <= set(exposures)
    everywhere = set().union(*map(read_by, exposures.values()))
    everywhere |= {f"{name}_current" for name in everywhere} | {name.removesuffix("_current") for name in everywhere}
    assert marts(manifests[0]) - everywhere == set(), "name each in dbt_project/models/marts/_exposures.yml, under its reader or under analysts"


def test_every_mart_that_a_readers_code_names_stands_in_its_exposure(manifests) -> None:
    every, missing = marts(manifests[0]), {}
    for exposure in manifests[0]["exposures"].values():
        code = exposure["config"]["meta"]["code"]
        named = named_in(code) & every
        assert named or exposure["name"] in ("analysts", "night_digest"), f"{exposure['name']} reads nothing: is {code} still its code?"
        if named - read_by(exposure):
            missing[exposure["name"]] = sorted(named - read_by(exposure))
    assert missing == {}, "add them to dbt_project/models/marts/_exposures.yml"


def test_exposures_lead_only_to_marts_and_to_pages_that_exist(manifests) -> None:
    """`ref` of a model that is not there stops dbt; an exposure on a base model would be a reader of what may change without notice."""
    for exposure in manifests[0]["exposures"].values():
        assert read_by(exposure) and read_by(exposure) <= marts(manifests[0]), exposure["name"]
        if exposure["url"]:
            assert (REPOSITORY / exposure["url"]).is_file(), exposure["url"]


def test_the_shipped_dashboard_names_only_columns_that_marts_have(manifests) -> None:
    """A renamed column would leave an empty chart on somebody's wall."""
    folder = REPOSITORY / "deploy" / "bi" / "dashboard"
    columns = {node["name"]: set(node["columns"]) for node in manifests[0]["nodes"].values() if node["resource_type"] == "model"}
    datasets = [yaml.safe_load(file.read_text()) for file in sorted((folder / "datasets").glob("*.yaml"))]
    assert len(datasets) >= 5
    for dataset in datasets:
        mart = dataset["table_name"]
        assert {column["column_name"] for column in dataset["columns"] if not column["expression"]} <= columns[mart.removesuffix("_current")], mart
    by_uuid = {dataset["uuid"]: dataset for dataset in datasets}
    for file in sorted((folder / "charts").glob("*.yaml")):
        chart = yaml.safe_load(file.read_text())
        dataset, params = by_uuid[chart["dataset_uuid"]], chart["params"]
        known = {column["column_name"] for column in dataset["columns"]}
        metrics = {metric["metric_name"] for metric in dataset["metrics"]}
        asked = [*params.get("groupby", []), *params.get("all_columns", []), *([params["x_axis"]] if "x_axis" in params else [])]
        assert set(asked) <= known, file.name
        assert {*params.get("metrics", []), *([params["metric"]] if "metric" in params else [])} <= metrics, file.name


def test_the_dashboard_is_packed_for_import_with_the_place_of_the_file(tmp_path) -> None:
    published, target = tmp_path / "published" / "vim.duckdb", tmp_path / "dashboard.zip"
    subprocess.run([sys.executable, str(REPOSITORY / "deploy" / "bi" / "pack.py"), str(published), str(target)], check=True, timeout=60)
    with zipfile.ZipFile(target) as archive:
        texts = {name: archive.read(name).decode() for name in archive.namelist()}
    assert {name.split("/")[0] for name in texts} == {"value-in-motion"} and "value-in-motion/metadata.yaml" in texts
    database = yaml.safe_load(texts["value-in-motion/databases/published.yaml"])
    assert database["sqlalchemy_uri"] == f"duckdb:///{published}?access_mode=read_only"
    assert not database["allow_dml"] and "PUBLISHED_FILE" not in "".join(texts.values())
    layout = yaml.safe_load(texts["value-in-motion/dashboards/value-in-motion.yaml"])["position"]
    shown = {place["meta"]["uuid"] for key, place in layout.items() if key.startswith("CHART")}
    assert shown == {yaml.safe_load(text)["uuid"] for name, text in texts.items() if "/charts/" in name}
