"""Evaluation in Dagster: what each kind of plan changes, once the plans are old enough to say so."""

import dagster as dg

from vim_pipelines.schedule import AS_OF_PARTITIONS, ONE_DATE_A_RUN, as_of_date


@dg.asset(
    key=["computed", "plan_effects"],
    deps=[["computed", "plan_outcomes"], ["marts", "fct_account_facts"], ["marts", "fct_account_signals"]],
    description="Effect of each kind of plan: matched difference in differences, or the words that there is not enough data.",
    partitions_def=AS_OF_PARTITIONS,
    backfill_policy=ONE_DATE_A_RUN,
    kinds={"python"},
    required_resource_keys={"settings"},
)
def plan_effects(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """Estimate the effects as known on the as-of date."""
    from vim_pipelines.evaluation.plan_effect import follow_effects
    from vim_pipelines.warehouse import Work, open_warehouse

    as_of = as_of_date(context)
    with open_warehouse(context.resources.settings, Work("other", as_of, context.run_id)).session() as session:
        effects = follow_effects(session, as_of)
    return dg.MaterializeResult(metadata={"dagster/row_count": len(effects), "printed": sum(effect.effect is not None for effect in effects)})
