"""The raw gates in Dagster: one blocking check per entity, in one step, because Great Expectations takes seconds to load.

A failed gate of severity `error` blocks everything downstream in the same run, so nothing is computed, drafted or written from
rows that cannot be trusted; a failed `warn` shows and lets the night go on.
"""

from collections.abc import Iterator

import dagster as dg

from vim_pipelines.portfolio.entities import ENTITIES
from vim_pipelines.portfolio.model import USAGE
from vim_pipelines.schedule import as_of_date

TABLES = {name: entity.table for name, entity in ENTITIES.items()} | {USAGE: "usage_events"}


@dg.multi_asset_check(
    name="raw_gates",
    specs=[
        dg.AssetCheckSpec("gates", asset=["raw", table], blocking=True, description=f"Great Expectations suite of {name}, before dbt.")
        for name, table in TABLES.items()
    ],
    required_resource_keys={"settings"},
)
def raw_gates(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
    """Judge the raw rows of every fed entity."""
    from vim_pipelines.quality.gates import run_gates
    from vim_pipelines.warehouse import open_warehouse

    results = run_gates(open_warehouse(context.resources.settings), as_of_date(context))
    for name, table in TABLES.items():
        failed = [result for result in results if result.entity == name and not result.passed]
        errors = [result for result in failed if result.severity == "error"]
        yield dg.AssetCheckResult(
            check_name="gates",
            asset_key=["raw", table],
            passed=not failed,
            severity=dg.AssetCheckSeverity.ERROR if errors or not failed else dg.AssetCheckSeverity.WARN,
            description="; ".join(f"{result.name}: {result.details}" for result in errors or failed) or None,
            metadata={"gates": sum(result.entity == name for result in results), "failed": len(failed)},
        )
