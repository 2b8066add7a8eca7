"""The jobs: the night, and what follows a decision.

The night runs in one process: DuckDB lets one process at a time hold the file, and a second process per step costs more than
the step. Write-back is never retried by Dagster: the outbox knows what was sent, a retry policy does not.
"""

from typing import Any

import dagster as dg

from vim_pipelines.schedule import AS_OF_PARTITIONS

portfolio_audit = dg.define_asset_job(
    "portfolio_audit",
    selection=dg.AssetSelection.all(),
    partitions_def=AS_OF_PARTITIONS,
    executor_def=dg.in_process_executor,
    description="The nightly audit of one as-of date: ingest, gates, dbt, signals, lifecycle, drafts, approval requests, published copy.",
    tags={"dagster/max_runtime": "7200"},
)


class RequestConfig(dg.Config):
    """Which approval request a run is about."""

    request_id: str


@dg.op(required_resource_keys={"settings", "store"}, tags={"dagster/max_retries": "0"})
def write_back_request(context: dg.OpExecutionContext, config: RequestConfig) -> None:
    """Carry out one approved request: claim, difference, outbox, send, read back."""
    from vim_pipelines.writeback.apply import write_back
    from vim_pipelines.writeback.targets import open_target

    settings = context.resources.settings
    with open_target(settings) as crm:
        report = write_back(context.resources.store, crm, config.request_id, settings=settings, now=settings.now(), run_id=context.run_id)
    context.add_output_metadata(report.metadata())


@dg.op(required_resource_keys={"settings", "store"}, tags={"dagster/max_retries": "0"})
def replan_request(context: dg.OpExecutionContext, config: RequestConfig) -> None:
    """Draft again with the reviewer's note in view, and ask again."""
    from vim_pipelines.approvals.replan import replan

    settings = context.resources.settings
    report = replan(context.resources.store, config.request_id, settings=settings, now=settings.now())
    context.add_output_metadata(report.metadata())


@dg.op(required_resource_keys={"settings", "store"})
def sweep_requests(context: dg.OpExecutionContext) -> None:
    """Expire what nobody decided in time (expiry never approves), then finish writes that a dead process left open."""
    from vim_pipelines.approvals.deciding import expire

    settings = context.resources.settings
    context.add_output_metadata({"expired": expire(context.resources.store, settings.now())})


@dg.op(required_resource_keys={"settings", "store"}, tags={"dagster/max_retries": "0"})
def reconcile_outbox(context: dg.OpExecutionContext) -> None:
    """Read back every write whose end is not known, and finish it."""
    from vim_pipelines.writeback.apply import reconcile
    from vim_pipelines.writeback.targets import open_target

    settings = context.resources.settings
    with open_target(settings) as crm:
        report = reconcile(context.resources.store, crm, settings=settings, now=settings.now())
    context.add_output_metadata(report.metadata())


@dg.op(required_resource_keys={"settings", "store"}, tags={"dagster/max_retries": "0"})
def mirror_accounts(context: dg.OpExecutionContext) -> None:
    """Bring the project's own fields on the CRM's accounts up to date, under the standing approval that a person signed."""
    from vim_pipelines.night import run_mirror

    context.add_output_metadata(run_mirror(context.resources.settings).metadata())


@dg.op(required_resource_keys={"settings", "store"}, tags={"dagster/max_retries": "0"})
def collect_open_batches(context: dg.OpExecutionContext) -> None:
    """Poll every open batch of language-model calls; make drafts of what has ended, and ask for approvals."""
    from vim_pipelines.night import run_collection

    report = run_collection(context.resources.settings, context.resources.store)
    for line in report.problems:
        context.log.warning(line)
    context.add_output_metadata(report.metadata())


@dg.op(required_resource_keys={"settings", "store"})
def export_traces(context: dg.OpExecutionContext) -> None:
    """Send drafts with their calls and gates, decisions, and rejected drafts to LangSmith."""
    from vim_pipelines.reasoning.langsmith_export import export_traces

    settings = context.resources.settings
    report = export_traces(context.resources.store, settings, settings.now())
    context.add_output_metadata(report.metadata())


class BacktestConfig(dg.Config):
    """What to judge: the portfolio (empty), or a folder with an activity history."""

    activity: str = ""
    train_before: str = ""
    rebuild: str = "none"


@dg.op(required_resource_keys={"settings"}, tags={"dagster/max_retries": "0"})
def backtest_score(context: dg.OpExecutionContext, config: BacktestConfig) -> None:
    """Judge the score on the past; the card is stored and shown."""
    from datetime import date
    from pathlib import Path

    from vim_pipelines.evaluation.backtest_card import card_markdown
    from vim_pipelines.night import run_backtest

    split = date.fromisoformat(config.train_before) if config.train_before else None
    folder = Path(config.activity) if config.activity else None
    card = run_backtest(context.resources.settings, activity=folder, train_before=split, rebuild=config.rebuild, say=context.log.info)
    context.add_output_metadata({"card": dg.MetadataValue.md(card_markdown(card)), "card_id": card.card_id, "verdict": card.verdict})


@dg.job(executor_def=dg.in_process_executor, description="Judge the score on the past: calibration card of the portfolio, or of an activity history.")
def backtest() -> None:
    backtest_score()


@dg.job(executor_def=dg.in_process_executor, description="Write one approved request to the CRM through the outbox.")
def write_back() -> None:
    write_back_request()


@dg.job(executor_def=dg.in_process_executor, description="Draft a rejected or sent-back request again with the note in view.")
def replan() -> None:
    replan_request()


@dg.job(executor_def=dg.in_process_executor, description="Hourly: expire undecided requests.")
def approvals_sweep() -> None:
    sweep_requests()


@dg.job(executor_def=dg.in_process_executor, description="Finish the writes that a dead process left open.")
def reconcile() -> None:
    reconcile_outbox()


@dg.job(executor_def=dg.in_process_executor, description="Write phase, band, score and waste to the CRM's accounts, under the standing approval.")
def mirror_fields() -> None:
    mirror_accounts()


@dg.job(executor_def=dg.in_process_executor, description="Poll open batches of language-model calls, make drafts of what has ended, ask for approvals.")
def collect_batches() -> None:
    collect_open_batches()


@dg.job(executor_def=dg.in_process_executor, description="Export drafts, calls, gates and decisions to LangSmith; never part of the night.")
def langsmith_export() -> None:
    export_traces()


JOBS: list[Any] = [portfolio_audit, write_back, replan, approvals_sweep, reconcile, mirror_fields, collect_batches, langsmith_export, backtest]
