"""Drafts in Dagster: the only paid step of the night, behind the blocking checks, for the newest as-of date only."""

import dagster as dg

from vim_pipelines.schedule import AS_OF_PARTITIONS, ONE_DATE_A_RUN, as_of_date


@dg.asset(
    key=["ops", "drafts"],
    deps=[["marts", "fct_account_facts"], ["marts", "fct_account_signals"], ["marts", "fct_risks"]],
    partitions_def=AS_OF_PARTITIONS,
    backfill_policy=ONE_DATE_A_RUN,
    kinds={"python", "anthropic"},
    required_resource_keys={"settings", "store", "portfolio"},
)
def drafts(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """Plans and roadmaps from facts, by Claude or by the offline drafter; a draft that a gate refuses is held, not asked for."""
    from vim_pipelines.newest import is_newest_as_of
    from vim_pipelines.reasoning.run import write_drafts
    from vim_pipelines.warehouse import open_warehouse

    settings, as_of = context.resources.settings, as_of_date(context)
    warehouse = open_warehouse(settings)
    if not is_newest_as_of(warehouse, context.resources.portfolio, settings, as_of):
        context.log.info("%s is not the newest as-of date: a backfill stops at the marts, nothing is drafted", as_of)
        return dg.MaterializeResult(metadata={"written": 0, "backfill": True})
    report = write_drafts(warehouse, context.resources.store, settings, as_of, settings.now())
    return dg.MaterializeResult(metadata=report.metadata())
