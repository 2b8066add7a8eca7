"""dbt in Dagster: the same project in three fixed selections, with Python between them.

`tag:base` (staging and rollups), then signals and lifecycle in Python, then `tag:marts`, then drafts, then `tag:ops`. The
selections are fixed so that Python steps can stand between them without a partial parse deciding what runs.
"""

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg

from vim_pipelines.schedule import AS_OF_PARTITIONS, as_of_date

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings

STEPS = ("base", "marts", "ops")


def dbt_steps(settings: "Settings") -> tuple[list[dg.AssetsDefinition], Any]:
    """The three dbt steps and the resource that runs dbt. Parses the project if no fresh manifest exists."""
    from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtCliResource, dbt_assets

    from vim_pipelines.settings import resource_path
    from vim_pipelines.transform.project import ensure_manifest

    class Translator(DagsterDbtTranslator):
        """Groups by schema, so that the lineage reads from left to right as the data flows."""

        def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
            return "seeds" if dbt_resource_props["resource_type"] == "seed" else str(dbt_resource_props["schema"])

    manifest = ensure_manifest(settings)
    translator = Translator(settings=DagsterDbtTranslatorSettings(enable_source_tests_as_checks=False))

    def step(tag: str) -> dg.AssetsDefinition:
        @dbt_assets(
            manifest=manifest,
            select=f"tag:{tag}",
            exclude="resource_type:unit_test",
            name=f"dbt_{tag}",
            partitions_def=AS_OF_PARTITIONS,
            pool="warehouse_writer",
            dagster_dbt_translator=translator,
            required_resource_keys={"settings", "portfolio_currency"},
        )
        def run(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
            variables = {"as_of_date": as_of_date(context).isoformat(), "portfolio_currency": context.resources.portfolio_currency}
            yield from dbt.cli(["build", "--vars", json.dumps(variables)], context=context).stream()

        return run

    resource = DbtCliResource(
        project_dir=str(resource_path("dbt_project")),
        profiles_dir=str(settings.dbt_target_dir),
        global_config_flags=["--no-use-colors", "--no-version-check", "--quiet"],
    )
    return [step(tag) for tag in STEPS], resource
