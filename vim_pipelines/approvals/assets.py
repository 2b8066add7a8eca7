"""Approval requests in Dagster, and the mirror that shows decisions, costs and writes to analysts."""

from collections.abc import Iterator

import dagster as dg

from vim_pipelines.schedule import AS_OF_PARTITIONS, ONE_DATE_A_RUN, as_of_date

MIRRORED = {
    "approval_requests": "What a human is asked, and the answer.",
    "approval_events": "Every step of every request: append-only, hash-chained.",
    "outbox": "Every intended write to the CRM, with before and after.",
    "llm_calls": "Every language-model call: tokens, cost, status. No prompts.",
    "draft_versions": "Every draft version: hashes, gate findings, author. No secrets.",
}


@dg.asset(
    key=["ops", "alerts"],
    deps=[["marts", "dim_accounts"], ["marts", "fct_account_signals"], ["marts", "fct_ticket_load"], ["marts", "fct_risks"]],
    partitions_def=AS_OF_PARTITIONS,
    backfill_policy=ONE_DATE_A_RUN,
    kinds={"python"},
    op_tags={"dagster/priority": "10"},  # before the drafts: a model may take an hour
    required_resource_keys={"settings", "store", "portfolio"},
)
def alerts(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """What the Director is told at once: a surge of tickets, a notice, an open P1 near the opt-out deadline. Of the newest as-of date only."""
    from vim_pipelines.approvals.alerting import alert_night
    from vim_pipelines.approvals.policy import policy_of
    from vim_pipelines.newest import is_newest_as_of
    from vim_pipelines.warehouse import open_warehouse

    settings, as_of = context.resources.settings, as_of_date(context)
    warehouse = open_warehouse(settings)
    if not is_newest_as_of(warehouse, context.resources.portfolio, settings, as_of):
        context.log.info("%s is not the newest as-of date: a backfill stops at the marts, nobody is told anything", as_of)
        return dg.MaterializeResult(metadata={"found": 0, "backfill": True})
    with warehouse.session(read_only=True) as session:
        report = alert_night(session, context.resources.store, settings, as_of, settings.now(), policy=policy_of(settings))
    return dg.MaterializeResult(metadata=report.metadata())


@dg.multi_asset(
    name="approval_requests",
    specs=[
        dg.AssetSpec(["ops", table], deps=[["ops", "drafts"], ["ops", "alerts"]], description=description, kinds={"sqlalchemy"})
        for table, description in MIRRORED.items()
    ],
    partitions_def=AS_OF_PARTITIONS,
    backfill_policy=ONE_DATE_A_RUN,
    required_resource_keys={"settings", "store"},
)
def approval_requests(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
    """Ask for a decision on each draft that passed its gates, then copy the operations store into the warehouse."""
    from vim_pipelines.approvals.asking import ask
    from vim_pipelines.approvals.policy import policy_of
    from vim_pipelines.store.mirror import mirror_store
    from vim_pipelines.warehouse import Work, open_warehouse

    settings, store, as_of = context.resources.settings, context.resources.store, as_of_date(context)
    warehouse = open_warehouse(settings, Work("operations", as_of, context.run_id))
    with warehouse.session(read_only=True) as session:
        report = ask(session, store, as_of, settings.now(), policy=policy_of(settings), approval_hours=settings.approval_hours)
    context.log.info("approval requests: %s", report.metadata())
    with warehouse.session() as session:
        rows = mirror_store(store, session)
    for table in MIRRORED:
        yield dg.MaterializeResult(asset_key=["ops", table], metadata={"dagster/row_count": rows[table]})
