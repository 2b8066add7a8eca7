"""The raw gates in Dagster: one blocking check per entity, in one step, because Great Expectations takes seconds to load.

A failed table blocks everything downstream in the same run, so nothing is computed, drafted or written from rows that cannot be
trusted. Failed rows of an account hold that account: they are written to raw.quarantine and raw.held_accounts before dbt reads them,
the check shows them, and the night goes on.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import dagster as dg

from vim_pipelines.portfolio.entities import ENTITIES
from vim_pipelines.portfolio.model import USAGE
from vim_pipelines.schedule import as_of_date

if TYPE_CHECKING:
    from vim_pipelines.quality.gates import GateResult

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
    """Judge the raw rows of every fed entity, quarantine the rows that failed, hold their accounts, and write the Data Docs."""
    from vim_pipelines.quality.docs import write_docs
    from vim_pipelines.quality.gates import judge
    from vim_pipelines.quality.holds import record
    from vim_pipelines.quality.suites import load_suites
    from vim_pipelines.warehouse import Work, open_warehouse

    settings, as_of, book = context.resources.settings, as_of_date(context), load_suites()
    warehouse = open_warehouse(settings, Work("ingestion", as_of, context.run.run_id))
    judgement = judge(warehouse, as_of, book)
    held, quarantined = record(warehouse, judgement.results, as_of)
    context.log.info("gates: %d asked, %d accounts held, %d rows set aside", len(judgement.results), len({item.account_key for item in held}), quarantined)
    page = write_docs(judgement, settings.home, as_of, settings.now(), keep_runs=book.keep_runs)
    for name, table in TABLES.items():
        yield _check(table, [result for result in judgement.results if result.entity == name], page.resolve().as_uri())


def _check(table: str, results: Sequence["GateResult"], page: str) -> dg.AssetCheckResult:
    failed = [result for result in results if not result.passed]
    blocking = [result for result in failed if result.blocks]
    accounts = sorted({key for result in results for key in result.accounts})
    return dg.AssetCheckResult(
        check_name="gates",
        asset_key=["raw", table],
        passed=not failed,
        severity=dg.AssetCheckSeverity.ERROR if blocking or not failed else dg.AssetCheckSeverity.WARN,
        description="; ".join(f"{result.name}: {result.details}" for result in blocking or failed) or None,
        metadata={
            "gates": len(results),
            "failed": len(failed),
            "accounts_held": len(accounts),
            "held": ", ".join(accounts[:20]) + (" ..." if len(accounts) > 20 else ""),
            "rows_failing": sum(len(result.rows) for result in results),
            "data_docs": dg.MetadataValue.url(page),
        },
    )
