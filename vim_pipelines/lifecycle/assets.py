"""The lifecycle in Dagster: requirements, state and transitions of each account for one as-of date."""

from collections.abc import Iterator

import dagster as dg

from vim_pipelines.lifecycle.evidence import COMPUTED_EVIDENCE, EVIDENCE_MODELS
from vim_pipelines.schedule import AS_OF_PARTITIONS, ONE_DATE_A_RUN, as_of_date

COMPUTED_LIFECYCLE = {
    "requirements": "Each requirement of the account's open phases: met, unmet, waived, unknown or stale, with its proof.",
    "account_state": "The phase of each account, since when, and what blocks the next.",
    "phase_transitions": "Each step in each region of the state chart, with reason and evidence; append-only.",
    "next_best_actions": "Which of the map's actions comes next, ranked and cut at the week's hours, with what came of the earlier ones.",
}


COMPUTED_HANDOFF = {
    "handoff_fields": "Each field of the handoff matrix: present, missing, invalid, conflicting, stale or unverifiable, with the words that say it.",
    "handoff_audits": "Mandatory handoff fields by status, and how often they were asked for.",
    "anchor_requests": "The next request for the fields that hold the gate of phase 1, as a text to the account executive, after three rounds to the director.",
}


@dg.multi_asset(
    name="handoff",
    specs=[
        dg.AssetSpec(
            ["computed", table],
            deps=[["base", "int_handoff_documents"], ["base", "int_contract_cycles"], ["base", "int_accounts"]],
            description=description,
            kinds={"python"},
        )
        for table, description in COMPUTED_HANDOFF.items()
    ],
    partitions_def=AS_OF_PARTITIONS,
    backfill_policy=ONE_DATE_A_RUN,
    required_resource_keys={"settings", "store"},
)
def handoff(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
    """Audit the sales handoff of each account; before the signals, because a risk rule counts its gaps."""
    from vim_pipelines.lifecycle.handoff_run import audit_handoffs
    from vim_pipelines.store.overrides import read_overrides
    from vim_pipelines.store.sent import read_sent
    from vim_pipelines.warehouse import Work, open_warehouse

    sent, words = read_sent(context.resources.store, "anchor_request"), read_overrides(context.resources.store)
    as_of = as_of_date(context)
    with open_warehouse(context.resources.settings, Work("lifecycle", as_of, context.run_id)).session() as session:
        report = audit_handoffs(session, as_of, sent, words)
    for table in COMPUTED_HANDOFF:
        details = {"texts_read": report.texts_read, **report.fields_by_status} if table == "handoff_fields" else {}
        yield dg.MaterializeResult(asset_key=["computed", table], metadata={"dagster/row_count": report.rows[table], **details})


@dg.multi_asset(
    name="lifecycle",
    specs=[
        dg.AssetSpec(
            ["computed", table],
            deps=[
                *(["base", model] for model in EVIDENCE_MODELS),
                *(["computed", table] for table in COMPUTED_EVIDENCE),
                ["base", "int_action_stakes"],
                ["computed", "risks"],
            ],
            description=description,
            kinds={"python"},
        )
        for table, description in COMPUTED_LIFECYCLE.items()
    ],
    partitions_def=AS_OF_PARTITIONS,
    backfill_policy=ONE_DATE_A_RUN,
    required_resource_keys={"settings", "store"},
)
def lifecycle(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
    """Evaluate the requirements, fold the states up to the as-of date, and rank what to do next."""
    from vim_pipelines.lifecycle.action_queue import fold_queue
    from vim_pipelines.lifecycle.run import fold_states
    from vim_pipelines.store.overrides import read_overrides
    from vim_pipelines.store.request_history import read_request_history
    from vim_pipelines.warehouse import Work, open_warehouse

    overrides, requests = read_overrides(context.resources.store), read_request_history(context.resources.store)
    as_of = as_of_date(context)
    with open_warehouse(context.resources.settings, Work("lifecycle", as_of, context.run_id)).session() as session:
        report = fold_states(session, overrides, as_of)
        queue = fold_queue(session, requests, as_of)
    for word, reason in report.words_ignored.items():
        context.log.warning("the word %s changes nothing: %s", word, reason)
    rows = report.rows | {"next_best_actions": queue.rows}
    for table in COMPUTED_LIFECYCLE:
        yield dg.MaterializeResult(asset_key=["computed", table], metadata={"dagster/row_count": rows[table]})


@dg.asset(
    key=["computed", "plan_outcomes"],
    # After the requests, so that it runs when the night's marts stand, and before dbt's third step, whose marts read it.
    deps=[["marts", "fct_account_facts"], ["marts", "fct_account_signals"], ["marts", "fct_risks"], ["ops", "approval_requests"]],
    description="What each success criterion of each approved plan stands at: open, met, missed, expired or unknown.",
    partitions_def=AS_OF_PARTITIONS,
    backfill_policy=ONE_DATE_A_RUN,
    kinds={"python"},
    required_resource_keys={"settings", "store"},
)
def plan_outcomes(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """Follow the approved plans up to the as-of date."""
    from vim_pipelines.lifecycle.outcomes import follow_plans
    from vim_pipelines.warehouse import Work, open_warehouse

    as_of = as_of_date(context)
    with open_warehouse(context.resources.settings, Work("lifecycle", as_of, context.run_id)).session() as session:
        report = follow_plans(session, context.resources.store, as_of)
    return dg.MaterializeResult(metadata={"dagster/row_count": report.rows, "plans": report.plans_by_state, "dates": len(report.dates)})
