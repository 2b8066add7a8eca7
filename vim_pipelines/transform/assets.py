"""dbt in Dagster: the same project in three fixed selections, with Python between them.

`tag:base` (staging and rollups), then signals and lifecycle in Python, then `tag:marts`, then drafts, then `tag:ops`. The
selections are fixed so that Python steps can stand between them without a partial parse deciding what runs.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from vim_pipelines.schedule import AS_OF_PARTITIONS, ONE_DATE_A_RUN, as_of_date
from vim_pipelines.settings import Settings
from vim_pipelines.transform.project import RESERVED_SELECTIONS, dbt_arguments, dbt_environment, ensure_manifest, project_dir, write_profile
from vim_pipelines.warehouse import open_warehouse


def dbt_steps(settings: Settings) -> tuple[list[dg.AssetsDefinition], Any]:
    """The three dbt steps and the resource that runs dbt. Parses the project if its files changed since the last time."""
    from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtCliResource, dbt_assets

    class Translator(DagsterDbtTranslator):
        """Groups by schema, so that the lineage reads from left to right as the data flows."""

        def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
            return "seeds" if dbt_resource_props["resource_type"] == "seed" else str(dbt_resource_props["schema"])

    write_profile(settings, open_warehouse(settings))
    os.environ.update(dbt_environment(settings))  # dbt runs as a child process of the step and reads them there
    manifest = ensure_manifest(settings)
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
            yield from context.resources.dbt.cli(arguments, target_path=target, manifest=manifest, dagster_dbt_translator=translator, context=context).stream()

        return run

    resource = DbtCliResource(
        project_dir=str(project_dir()),
        profiles_dir=str(settings.dbt_target_dir.resolve()),
        global_config_flags=["--no-use-colors"],
        dbt_executable=str(Path(sys.executable).with_name("dbt")),
    )
    return [step(name, selection) for name, selection in RESERVED_SELECTIONS.items()], resource
