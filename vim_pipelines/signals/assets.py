"""Signals in Dagster: statistics and risk rules between the base models and the marts."""

from collections.abc import Iterator

import dagster as dg

from vim_pipelines.schedule import AS_OF_PARTITIONS, ONE_DATE_A_RUN, as_of_date

COMPUTED_SIGNALS = {
    "adoption_variance": "Mura: how jerky adoption is, with the probability of seeing it by chance.",
    "ticket_spikes": "Muri: whether the last four weeks' tickets are more than the account's own past explains.",
    "account_scores": "Sub-scores, lean risk and band of each account, and why they changed.",
    "health_evidence": "What the score of each audited date was made of, kept so that bands and changes can be folded again.",
    "health_contributions": "The points that each measure contributes to the score, and their change since the last audit.",
    "risks": "Risks emitted by rules, each with inputs, threshold and effect.",
}


@dg.multi_asset(
    name="signals",
    specs=[
        dg.AssetSpec(
            ["computed", table],
            deps=[
                ["base", "int_accounts"],
                ["base", "int_account_weeks"],
                ["base", "int_ticket_weeks"],
                ["base", "int_ticket_load"],
                ["base", "int_license_position"],
                ["computed", "handoff_audits"],
            ],
            description=description,
            kinds={"python", "scipy"},
        )
        for table, description in COMPUTED_SIGNALS.items()
    ],
    partitions_def=AS_OF_PARTITIONS,
    backfill_policy=ONE_DATE_A_RUN,
    required_resource_keys={"settings"},
)
def signals(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
    """Compute the signals of one as-of date and replace its partition."""
    from vim_pipelines.signals.run import compute_signals
    from vim_pipelines.warehouse import Work, open_warehouse

    as_of = as_of_date(context)
    with open_warehouse(context.resources.settings, Work("signals", as_of, context.run_id)).session() as session:
        report = compute_signals(session, as_of)
    for table in COMPUTED_SIGNALS:
        yield dg.MaterializeResult(asset_key=["computed", table], metadata={"dagster/row_count": report.rows[table]})
