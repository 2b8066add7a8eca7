"""The raw gates in Dagster: one blocking check per entity, in one step, because Great Expectations takes seconds to load.

A failed table blocks everything downstream in the same run, so nothing is computed, drafted or written from rows that cannot be
trusted. Failed rows of an account hold that account: they are written to raw.quarantine and raw.held_accounts before dbt reads them,
the check shows them, and the night goes on.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import dagster as dg

from vim_pipelines.check_results import result_of
from vim_pipelines.core.verdicts import markdown_table
from vim_pipelines.portfolio.entities import ENTITIES
from vim_pipelines.portfolio.model import USAGE
from vim_pipelines.schedule import as_of_date

if TYPE_CHECKING:
    from vim_pipelines.quality.gates import GateResult

FIX_TABLE = "Correct the source or its mapping in portfolio.yaml and launch the night again: nothing was computed from this table"
FIX_ROWS = "Correct the rows in the source; the accounts come back with the first night in which they pass"
TABLES = {name: entity.table for name, entity in ENTITIES.items()} | {USAGE: "usage_events"}


def _asked_of(name: str) -> str:
    return (
        f"Great Expectations suite of {name.replace('_', ' ')}, before dbt reads the rows. A failed table stops the night; failed rows hold their account, "
        "and the night goes on without it. The rules stand in quality/suites.yaml, the rows set aside in raw.quarantine."
    )


@dg.multi_asset_check(
    name="raw_gates",
    specs=[dg.AssetCheckSpec("gates", asset=["raw", table], blocking=True, description=_asked_of(name)) for name, table in TABLES.items()],
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
    rows = [{"gate": result.name, "row": row.row_key, "what is wrong": row.detail} for result in failed for row in result.rows]
    said = {"why": "; ".join(result.says or result.name for result in failed), "fix": FIX_TABLE if blocking else FIX_ROWS} if failed else {}
    return dg.AssetCheckResult(
        check_name="gates",
        asset_key=["raw", table],
        passed=not failed,
        severity=dg.AssetCheckSeverity.ERROR if blocking or not failed else dg.AssetCheckSeverity.WARN,
        description="; ".join(f"{result.name}: {result.says}: {result.details}" for result in blocking or failed) or None,
        metadata={
            "gates": len(results),
            "failed": len(failed),
            "accounts_held": len(accounts),
            "held": ", ".join(accounts[:20]) + (" ..." if len(accounts) > 20 else ""),
            "rows_failing": sum(len(result.rows) for result in results),
            "data_docs": dg.MetadataValue.url(page),
            **said,
            **({"rows": dg.MetadataValue.md(markdown_table(rows))} if rows else {}),
        },
    )


@dg.asset_check(
    asset=["marts", "fct_data_quality"],
    name="sources_are_fresh",
    description="No source that is fed has been silent longer than its threshold. What depends on a silent source is stale, which is not zero.",
    required_resource_keys={"settings"},
)
def sources_are_fresh(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Read tonight's row of each source and name those that stand still."""
    from vim_pipelines.quality.freshness import freshness_verdict
    from vim_pipelines.warehouse import open_warehouse

    with open_warehouse(context.resources.settings).session(read_only=True) as session:
        rows = session.rows("select entity, metric, value, status from marts.fct_data_quality where as_of_date = ? order by 1, 2", [as_of_date(context)])
    return result_of(freshness_verdict(rows))
