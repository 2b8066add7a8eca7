"""The jobs: the night, and what follows a decision.

The night runs in one process: DuckDB lets one process at a time hold the file, and a second process per step costs more than
the step. Write-back is never retried by Dagster: the outbox knows what was sent, a retry policy does not. Three layers could do it: an op's
RetryPolicy (a `Failure` that allows no retries ends it), the instance's run retries (`NEVER_AGAIN`, a tag of the job: on an op it would have
no effect), and the sensor, which starts a new attempt only of a request that is still `approved`: a permanent failure takes it out of there.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import dagster as dg
from pydantic import Field

from vim_pipelines.schedule import AS_OF_PARTITIONS

ENGINEERS, OPERATIONS = "team:data_engineering", "team:customer_success_operations"
#: One run at a time may open the working warehouse file; the instance's dagster.yaml holds runs with this tag to one (night.DAGSTER_YAML).
OPENS_WAREHOUSE = {"vim/warehouse": "working_file"}
NEVER_AGAIN = {"dagster/max_retries": "0"}

portfolio_audit = dg.define_asset_job(
    "portfolio_audit",
    selection=dg.AssetSelection.all(),
    partitions_def=AS_OF_PARTITIONS,
    executor_def=dg.in_process_executor,
    description="The nightly audit of one as-of date: ingest, gates, dbt, signals, lifecycle, drafts, approval requests, published copy. "
    "Choose the date as the partition. Only the newest date may call a model, ask or write; an earlier one ends at the marts.",
    tags={"dagster/max_runtime": "7200", **OPENS_WAREHOUSE},
    owners=[ENGINEERS],
)


@contextmanager
def _permanent() -> Iterator[None]:
    """A VimError ends the run for good, in Dagster's eyes; whether the request is tried again stands in the store, not here."""
    from vim_pipelines.core.errors import VimError

    try:
        yield
    except VimError as error:
        raise dg.Failure(description=str(error), metadata={"code": error.code, "fix": error.fix}, allow_retries=False) from error


class RequestConfig(dg.Config):
    """Which approval request a run is about."""

    request_id: str = Field(default="", description="Id of the approval request, as the inbox shows it. Empty: the one that has waited longest, if any does.")


def _oldest(waiting: Sequence[Any]) -> str:
    """Id of the first request of a queue; empty if none waits."""
    return str(waiting[0].request_id) if waiting else ""


@dg.op(required_resource_keys={"settings", "store"})
def write_back_request(context: dg.OpExecutionContext, config: RequestConfig) -> None:
    """Carry out one approved request: claim, difference, outbox, send, read back."""
    from vim_pipelines.approvals.queue import approved_ready
    from vim_pipelines.writeback.apply import write_back
    from vim_pipelines.writeback.targets import open_target

    settings, store = context.resources.settings, context.resources.store
    request_id = config.request_id or _oldest(approved_ready(store, limit=1))
    if not request_id:
        context.log.info("nothing is approved and unwritten")
        return
    with _permanent(), open_target(settings) as crm:
        report = write_back(store, crm, request_id, settings=settings, now=settings.now(), run_id=context.run_id)
    context.add_output_metadata(report.metadata())


@dg.op(required_resource_keys={"settings", "store"})
def replan_request(context: dg.OpExecutionContext, config: RequestConfig) -> None:
    """Draft again with the reviewer's note in view, and ask again."""
    from vim_pipelines.approvals.queue import to_replan
    from vim_pipelines.approvals.replan import replan

    settings, store = context.resources.settings, context.resources.store
    request_id = config.request_id or _oldest(to_replan(store, limit=1))
    if not request_id:
        context.log.info("nothing waits for a new draft")
        return
    report = replan(store, request_id, settings=settings, now=settings.now())
    context.add_output_metadata(report.metadata())


@dg.op(required_resource_keys={"settings", "store"})
def sweep_requests(context: dg.OpExecutionContext) -> None:
    """Read what was answered in the CRM, where that is a door; then remind, tell the higher role, and end what nobody decided (never by approving)."""
    from vim_pipelines.approvals.channels.crm import connect
    from vim_pipelines.approvals.crm_door import CrmDoorReport, read_decisions
    from vim_pipelines.approvals.policy import policy_of
    from vim_pipelines.approvals.sweeping import sweep
    from vim_pipelines.core.errors import VimError

    settings, store = context.resources.settings, context.resources.store
    door, answers = connect(settings), CrmDoorReport()
    if door is not None:  # what somebody answered in time is read before the time is over
        try:
            answers = read_decisions(store, door, policy=policy_of(settings), now=settings.now())
        except VimError as error:  # a CRM that does not answer keeps no question from expiring
            context.log.warning("the CRM's answers could not be read: %s", error)
        finally:
            door.close()
    context.add_output_metadata({**sweep(store, policy_of(settings), settings.now()).metadata(), **answers.metadata()})


@dg.op(required_resource_keys={"settings", "store"})
def approval_queue_is_draining(context: dg.OpExecutionContext) -> None:
    """Fail where an approval, a message or an edit waits too long: a sensor that crashes tells nobody.

    The answer is also noted as the asset check that the night asks, so that its page shows every hour and not every night.
    """
    from vim_pipelines.approvals.checks import DRAINING, QUEUE
    from vim_pipelines.approvals.deliveries import channels_of
    from vim_pipelines.approvals.sweeping import draining_verdict, stuck
    from vim_pipelines.check_results import result_of
    from vim_pipelines.core.errors import VimError

    settings = context.resources.settings
    names = [channel.name for channel in channels_of(settings)]
    verdict = draining_verdict(stuck(context.resources.store, settings, names, settings.now()))
    result = result_of(verdict)
    context.instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=QUEUE,
            check_name=DRAINING,
            passed=verdict.passed,
            severity=result.severity,
            metadata=result.metadata,
            description=result.description,
        )
    )
    with _permanent():
        if not verdict.passed:
            raise VimError("VIM-E124", "The queue of approvals does not drain", why=verdict.why, fix=verdict.fix)


class ReconcileConfig(dg.Config):
    """Whether to read back what was verified before, as the night does."""

    look_for_drift: bool = Field(
        default=False, description="Also read back every write that was verified, and name those that no longer hold; costs requests of the CRM's daily pool."
    )


@dg.op(required_resource_keys={"settings", "store"})
def reconcile_outbox(context: dg.OpExecutionContext, config: ReconcileConfig) -> None:
    """Finish every write whose end is not known, and what no run took up; at night also read back what was verified before."""
    from vim_pipelines.writeback.apply import reconcile
    from vim_pipelines.writeback.targets import open_target

    settings = context.resources.settings
    with _permanent(), open_target(settings) as crm:
        report = reconcile(
            context.resources.store,
            crm,
            settings=settings,
            now=settings.now(),
            run_id=context.run_id,
            take_up_forgotten=settings.write_mode == "live",
            look_for_drift=config.look_for_drift,
        )
    for line in report.drift.lines()[1:] if report.drift else []:
        context.log.warning(line.strip())
    context.add_output_metadata(report.metadata())


@dg.op(required_resource_keys={"settings", "store"})
def mirror_accounts(context: dg.OpExecutionContext) -> None:
    """Bring the project's own fields on the CRM's accounts up to date, under the standing approval that a person signed."""
    from vim_pipelines.night import run_mirror

    with _permanent():
        context.add_output_metadata(run_mirror(context.resources.settings).metadata())


@dg.op(required_resource_keys={"settings", "store"})
def collect_open_batches(context: dg.OpExecutionContext) -> None:
    """Poll every open batch of language-model calls; make drafts of what has ended, and ask for approvals."""
    from vim_pipelines.night import run_collection

    report = run_collection(context.resources.settings, context.resources.store)
    for line in report.problems:
        context.log.warning(line)
    context.add_output_metadata(report.metadata())


@dg.op(required_resource_keys={"settings", "store"})
def check_waiting_edits(context: dg.OpExecutionContext) -> None:
    """Have a judge read every edit that waits for one, then ask about it or hold it. One that fails stops no other."""
    from vim_pipelines.approvals.edits import check_edit, edits_to_check
    from vim_pipelines.core.errors import VimError

    settings, store = context.resources.settings, context.resources.store
    states: list[str] = []
    for draft in edits_to_check(store):
        try:
            states.append(check_edit(store, settings, draft.draft_id, now=settings.now()).state)
        except VimError as error:
            context.log.warning(f"{draft.draft_id}: {error}")
            states.append("failed")
    context.add_output_metadata({state: states.count(state) for state in ("asked", "held", "failed")})
    if "failed" in states:
        raise dg.Failure(f"{states.count('failed')} edits could not be read; they wait", allow_retries=False)


@dg.op(required_resource_keys={"settings", "store"})
def send_messages(context: dg.OpExecutionContext) -> None:
    """Plan what is to be told to whom, and send at most 25 messages through the connected channels."""
    from vim_pipelines.night import run_deliveries

    report = run_deliveries(context.resources.settings, context.resources.store)
    for line in report.problems:
        context.log.warning(line)
    context.add_output_metadata(report.metadata())


@dg.op(required_resource_keys={"settings", "store"})
def send_digest(context: dg.OpExecutionContext) -> None:
    """Tell the directors of the newest published night by mail and Slack, each once; of a night in which nothing changed, nobody."""
    from vim_pipelines.night import run_digest

    with _permanent():
        report = run_digest(context.resources.settings, context.resources.store)
    for line in report.metadata()["problems"]:
        context.log.warning(line)
    context.add_output_metadata(report.metadata())


@dg.op(required_resource_keys={"settings", "store"})
def export_traces(context: dg.OpExecutionContext) -> None:
    """Send drafts with their calls and gates, decisions, and rejected drafts to LangSmith."""
    from vim_pipelines.reasoning.langsmith_export import export_traces

    settings = context.resources.settings
    report = export_traces(context.resources.store, settings, settings.now())
    context.add_output_metadata(report.metadata())


class RetentionConfig(dg.Config):
    """Whether to thin, or only to count."""

    is_dry_run: bool = Field(default=True, description="Only count what would go. Without it rows are deleted, which cannot be undone.")


@dg.op(required_resource_keys={"settings", "store"})
def thin_by_age(context: dg.OpExecutionContext, config: RetentionConfig) -> None:
    """Thin the long marts to one night a week, and forget old model answers, drafts and messages."""
    from vim_pipelines.privacy.retention import run_retention

    settings = context.resources.settings
    with _permanent():
        report = run_retention(settings, context.resources.store, now=settings.now(), is_dry_run=config.is_dry_run)
    context.add_output_metadata({"is_dry_run": report.is_dry_run, "rows": report.rows, **{table.table: table.rows for table in report.tables if table.rows}})


class BacktestConfig(dg.Config):
    """What to judge: the portfolio (empty), or a folder with an activity history."""

    activity: str = Field(default="", description="Folder with an activity history to judge. Empty: the portfolio itself.")
    train_before: str = Field(
        default="", description="First day of the test period (YYYY-MM-DD); everything before it may be learned from. Empty: chosen by the data."
    )
    rebuild: str = Field(
        default="none", description="Which missing nights of the past to build first: none, monthly or weekly. Weekly takes an hour for 200 accounts."
    )


@dg.op(required_resource_keys={"settings"})
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


@dg.job(
    executor_def=dg.in_process_executor,
    tags={**NEVER_AGAIN, **OPENS_WAREHOUSE},
    config=dg.RunConfig(ops={"backtest_score": BacktestConfig()}),
    owners=[ENGINEERS],
    description="Judge the score on the past: calibration card of the portfolio, or of an activity history.",
)
def backtest() -> None:
    backtest_score()


@dg.job(
    executor_def=dg.in_process_executor,
    tags={**NEVER_AGAIN, **OPENS_WAREHOUSE},
    config=dg.RunConfig(ops={"thin_by_age": RetentionConfig()}),
    owners=[ENGINEERS],
    description="Keep one night a week of the long marts after VIMOTION_RETENTION_DAILY_DAYS, and forget old texts of the operations store.",
)
def retention() -> None:
    thin_by_age()


@dg.job(
    executor_def=dg.in_process_executor,
    tags=NEVER_AGAIN,
    config=dg.RunConfig(ops={"write_back_request": RequestConfig()}),
    owners=[OPERATIONS],
    description="Write one approved request to the CRM through the outbox.",
)
def write_back() -> None:
    write_back_request()


@dg.job(
    executor_def=dg.in_process_executor,
    tags=NEVER_AGAIN,
    config=dg.RunConfig(ops={"replan_request": RequestConfig()}),
    owners=[OPERATIONS],
    description="Draft a rejected or sent-back request again with the note in view.",
)
def replan() -> None:
    replan_request()


@dg.job(
    executor_def=dg.in_process_executor,
    owners=[OPERATIONS],
    description="Hourly: remind, escalate and expire undecided requests, and see that the queue moves.",
)
def approvals_sweep() -> None:
    sweep_requests()
    approval_queue_is_draining()


@dg.job(
    executor_def=dg.in_process_executor,
    tags=NEVER_AGAIN,
    owners=[OPERATIONS],
    description="Have a judge read texts that people edited, then ask about them.",
)
def check_edits() -> None:
    check_waiting_edits()


@dg.job(
    executor_def=dg.in_process_executor,
    tags=NEVER_AGAIN,
    owners=[OPERATIONS],
    description="Tell people through Slack, mail and the other connected channels what waits for them.",
)
def deliver_messages() -> None:
    send_messages()


@dg.job(
    executor_def=dg.in_process_executor,
    tags=NEVER_AGAIN,
    config=dg.RunConfig(ops={"reconcile_outbox": ReconcileConfig()}),
    owners=[OPERATIONS],
    description="Finish the writes that a dead process left open; at night, find what no longer holds.",
)
def reconcile() -> None:
    reconcile_outbox()


@dg.job(
    executor_def=dg.in_process_executor,
    tags={**NEVER_AGAIN, **OPENS_WAREHOUSE},
    owners=[OPERATIONS],
    description="Write phase, band, score and waste to the CRM's accounts, under the standing approval.",
)
def mirror_fields() -> None:
    mirror_accounts()


@dg.job(
    executor_def=dg.in_process_executor,
    tags=NEVER_AGAIN,
    owners=[ENGINEERS],
    description="Poll open batches of language-model calls, make drafts of what has ended, ask for approvals.",
)
def collect_batches() -> None:
    collect_open_batches()


@dg.job(
    executor_def=dg.in_process_executor,
    tags=NEVER_AGAIN,
    owners=[ENGINEERS],
    description="Send the digest of the newest night by mail and Slack, once to each person.",
)
def digest() -> None:
    send_digest()


@dg.job(
    executor_def=dg.in_process_executor,
    owners=[ENGINEERS],
    description="Export drafts, calls, gates and decisions to LangSmith; never part of the night.",
)
def langsmith_export() -> None:
    export_traces()


JOBS: list[Any] = [
    portfolio_audit,
    write_back,
    replan,
    approvals_sweep,
    check_edits,
    deliver_messages,
    reconcile,
    mirror_fields,
    collect_batches,
    digest,
    langsmith_export,
    backtest,
    retention,
]
