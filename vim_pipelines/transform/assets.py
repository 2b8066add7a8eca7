"""dbt in Dagster: the same project in three fixed selections, with Python between them.

`tag:base` (staging and rollups), then signals and lifecycle in Python, then `tag:marts`, then drafts, then `tag:ops`. The
selections are fixed so that Python steps can stand between them without a partial parse deciding what runs.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dagster as dg

from vim_pipelines.core.errors import VimError
from vim_pipelines.schedule import AS_OF_PARTITIONS, ONE_DATE_A_RUN, as_of_date
from vim_pipelines.settings import Settings
from vim_pipelines.transform.checks_in_words import rule_of
from vim_pipelines.transform.project import RESERVED_SELECTIONS, dbt_arguments, dbt_environment, ensure_manifest, project_dir, write_profile
from vim_pipelines.warehouse import Session, open_warehouse


@dataclass(frozen=True)
class DbtSteps:
    """The three dbt steps, the resource that runs dbt, and the manifest that they were made from."""

    assets: list[dg.AssetsDefinition]
    resource: Any
    manifest: Mapping[str, Any]


def dbt_steps(settings: Settings) -> DbtSteps:
    """dbt as Dagster sees it. Parses the project if its files changed since the last time."""
    from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtCliResource, dbt_assets
    from packaging.version import Version

    class Translator(DagsterDbtTranslator):
        """Says what kind of dbt resource an asset is; group, owner and columns are the catalogue's."""

        def get_asset_check_spec(self, asset_spec: dg.AssetSpec, manifest: Mapping[str, Any], unique_id: str, project: Any = None) -> dg.AssetCheckSpec | None:
            spec = super().get_asset_check_spec(asset_spec, manifest, unique_id, project)
            return spec and spec._replace(description=rule_of(manifest["nodes"][unique_id]))

        def get_metadata(self, dbt_resource_props: Mapping[str, Any]) -> Mapping[str, Any]:
            return {**super().get_metadata(dbt_resource_props), "vim/resource_type": dbt_resource_props["resource_type"]}

    write_profile(settings, open_warehouse(settings))
    os.environ.update(dbt_environment(settings))  # dbt runs as a child process of the step and reads them there
    manifest = json.loads(ensure_manifest(settings).read_text())
    translator = Translator(settings=DagsterDbtTranslatorSettings(enable_source_tests_as_checks=False))

    def step(name: str, selection: list[str]) -> dg.AssetsDefinition:
        @dbt_assets(
            manifest=manifest,
            select=" ".join(selection),
            exclude="resource_type:unit_test",
            name=f"dbt_{name}",
            partitions_def=AS_OF_PARTITIONS,
            backfill_policy=ONE_DATE_A_RUN,
            dagster_dbt_translator=translator,
            required_resource_keys={"settings", "portfolio", "dbt"},
        )
        def run(context: dg.AssetExecutionContext) -> Iterator[Any]:
            os.environ.update(dbt_environment(context.resources.settings, as_of_date(context), context.run_id))
            arguments = dbt_arguments(selection, context.resources.portfolio.currency)
            target = context.resources.settings.dbt_target_dir.resolve() / "target"
            call = context.resources.dbt.cli(arguments, target_path=target, manifest=manifest, dagster_dbt_translator=translator, context=context)
            yield from _with_row_counts(call.stream(), manifest, context.resources.settings)

        return run

    class OwnDbt(DbtCliResource):
        """The dbt of this very installation. Dagster would start it once more to ask for its version, and load it into the night to read metadata
        through an adapter, which nothing here does: 4 s of CPU."""

        @cached_property
        def _cli_version(self) -> Version:
            return Version(version("dbt-core"))

        def _initialize_dbt_core_adapter(self, args: Any) -> Any:
            return None

    resource = OwnDbt(
        project_dir=str(project_dir()),
        profiles_dir=str(settings.dbt_target_dir.resolve()),
        global_config_flags=["--no-use-colors", "--no-write-json"],  # Dagster reads what dbt prints; the manifest is written once, by `ensure_manifest`
        dbt_executable=str(Path(sys.executable).with_name("dbt")),
    )
    return DbtSteps([step(name, selection) for name, selection in RESERVED_SELECTIONS.items()], resource, manifest)


def _with_row_counts(events: Iterator[Any], manifest: Mapping[str, Any], settings: Settings) -> Iterator[Any]:
    """The events of a dbt run, each table's with its rows. Counted after the run: while dbt writes, DuckDB lets nobody else in.

    Views are not counted: a count would run their query once more. What dbt built before it failed is told before the failure.
    """
    found, failure = [], None
    try:
        for event in events:
            found.append(event)
    except Exception as error:
        failure = error
    counts = {} if failure else _row_counts(settings)
    for event in found:
        rows = None
        if isinstance(event, dg.Output | dg.AssetMaterialization) and "unique_id" in event.metadata:
            node = manifest["nodes"].get(event.metadata["unique_id"].value, {})
            rows = counts.get(f"{node.get('schema')}.{node.get('alias')}".lower())
        yield event if rows is None else event.with_metadata({**event.metadata, "dagster/row_count": rows})
    if failure:
        raise failure


def _row_counts(settings: Settings) -> dict[str, int]:
    """Rows by `schema.table` of the tables that dbt makes; empty if somebody else holds the file: a night does not fail for want of a number."""
    try:
        with open_warehouse(settings).session(read_only=True) as session:
            return _counted(session)
    except VimError:
        return {}


def _counted(session: Session) -> dict[str, int]:
    tables = session.rows(
        "select lower(table_schema) || '.' || lower(table_name) as name from information_schema.tables"
        " where lower(table_schema) in ('base', 'marts') and table_type = 'BASE TABLE' order by 1"
    )
    if not tables:
        return {}
    counted = session.rows(" union all ".join(f"select '{row['name']}' as name, count(*) as found from {row['name']}" for row in tables))
    return {row["name"]: int(row["found"]) for row in counted}
