"""Composition: every asset, check, job, schedule and sensor, built explicitly from settings.

Built by a function, so that a wheel, `workspace.yaml`, `dg` and the tests all get the same; nothing is discovered from folders
(discovery fails from a wheel).
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg

from vim_pipelines.approvals.assets import alerts, approval_requests
from vim_pipelines.approvals.checks import queue_is_draining
from vim_pipelines.approvals.sensors import approval_sensors
from vim_pipelines.catalogue import in_catalogue
from vim_pipelines.core.errors import VimError
from vim_pipelines.evaluation.assets import plan_effects
from vim_pipelines.ingestion.assets import raw_sources
from vim_pipelines.jobs import JOBS, portfolio_audit
from vim_pipelines.lifecycle.assets import handoff, lifecycle, plan_outcomes
from vim_pipelines.quality.checks import raw_gates, sources_are_fresh
from vim_pipelines.reasoning.assets import drafts
from vim_pipelines.reasoning.checks import evidence_is_complete
from vim_pipelines.reasoning.sensors import batch_sensors
from vim_pipelines.reporting.assets import book, published
from vim_pipelines.reporting.checks import copy_is_complete
from vim_pipelines.settings import Settings, load_settings
from vim_pipelines.signals.assets import signals
from vim_pipelines.signals.checks import signals_are_covered
from vim_pipelines.transform.assets import dbt_steps

#: Reading back what was verified costs requests of the vendor's daily pool: once a night, not every hour.
LOOK_FOR_DRIFT = {"ops": {"reconcile_outbox": {"config": {"look_for_drift": True}}}}

#: The launchpad counts by default; the schedule is turned on by whoever wants it done.
THIN = {"ops": {"thin_by_age": {"config": {"is_dry_run": False}}}}


def build_definitions(settings: Settings) -> dg.Definitions:
    """All definitions of one installation. Opens nothing: the store and the portfolio file are read when a run starts."""
    dbt = dbt_steps(settings)
    made = [raw_sources, *dbt.assets, handoff, signals, lifecycle, alerts, drafts, approval_requests, plan_outcomes, plan_effects, published, book]
    return dg.Definitions(
        assets=in_catalogue(made, settings, dbt.manifest),
        asset_checks=[raw_gates, sources_are_fresh, signals_are_covered, evidence_is_complete, queue_is_draining, copy_is_complete],
        jobs=JOBS,
        schedules=[
            _nightly(settings),
            _hourly("hourly_sweep", "approvals_sweep", 0, "Reminds, escalates and expires undecided requests, and fails if the queue stands still."),
            _hourly("hourly_reconcile", "reconcile", 15, "Finishes the writes that a dead process left open."),
            _hourly("hourly_trace_export", "langsmith_export", 30, "Exports drafts, calls, gates and decisions to LangSmith, where it is configured."),
            dg.ScheduleDefinition(
                name="nightly_drift",
                job_name="reconcile",
                cron_schedule="45 3 * * *",
                execution_timezone=settings.timezone,
                run_config=LOOK_FOR_DRIFT,
                description="Once a night also reads back what was verified, and names the writes that no longer hold in the CRM.",
            ),
            _morning(settings),
            dg.ScheduleDefinition(
                name="weekly_retention",
                job_name="retention",
                cron_schedule="15 5 * * 0",
                execution_timezone=settings.timezone,
                run_config=THIN,
                default_status=dg.DefaultScheduleStatus.STOPPED,
                description="Keeps one night a week of the long marts and forgets old texts. Off until somebody turns it on: it deletes.",
            ),
        ],
        sensors=[*approval_sensors(settings), *batch_sensors(settings)],
        resources={
            "settings": dg.ResourceDefinition.hardcoded_resource(settings),
            "store": dg.ResourceDefinition(lambda _context: _open_store(settings)),
            "portfolio": dg.ResourceDefinition(lambda _context: _load_portfolio(settings)),
            "dbt": dbt.resource,
            "own_tasks": dg.ResourceDefinition(lambda _context: _own_tasks(settings)),
            "suppression": dg.ResourceDefinition(lambda _context: _suppression(settings)),
            "only_night": dg.ResourceDefinition(_only_night, required_resource_keys={"settings", "store"}),
        },
        executor=dg.in_process_executor,
    )


def _open_store(settings: Settings) -> Any:
    from vim_pipelines.store import open_store

    return open_store(settings)


def _own_tasks(settings: Settings) -> Any:
    """What the ingestion must not take for the customer team's doing. Given to it from here: ingestion knows nothing of the operations store."""
    from vim_pipelines.store import open_store
    from vim_pipelines.store.sent import read_own_tasks

    return read_own_tasks(open_store(settings))


def _suppression(settings: Settings) -> Any:
    """Who was erased and must not come back with the next reading."""
    from vim_pipelines.privacy.suppressed import read_suppression
    from vim_pipelines.store import open_store

    return read_suppression(open_store(settings), settings)


def _only_night(context: dg.InitResourceContext) -> Iterator[None]:
    """Held while a night runs: two at once would mix two dates in the base models. Freed by the system when the process dies.

    Not a Dagster pool: the slot of a killed run stays taken until a daemon frees it, and the command line has no daemon.
    """
    from vim_pipelines.store.locks import exclusive

    with exclusive(context.resources.store, "portfolio_audit") as taken:
        if not taken:
            raise VimError("VIM-E025", "Another audit of this home folder is running", fix="Wait for it to end, or use another home folder (VIMOTION_HOME)")
        _give_way(context.resources.settings)
        yield


def _give_way(settings: Settings) -> None:
    """Let those who wait for an answer go first: a night that takes both cores made the inbox on the same machine five times slower.

    Only this thread and those that it starts (DuckDB's, dbt's); never back up, which takes rights that a service does not have.
    """
    import os

    if hasattr(os, "setpriority"):
        os.setpriority(os.PRIO_PROCESS, 0, max(os.getpriority(os.PRIO_PROCESS, 0), settings.night_niceness))


def _load_portfolio(settings: Settings) -> Any:
    from vim_pipelines.portfolio.file import load_portfolio

    return load_portfolio(settings.portfolio, settings)


def _hourly(name: str, job: str, minute: int, description: str) -> dg.ScheduleDefinition:
    return dg.ScheduleDefinition(name=name, job_name=job, cron_schedule=f"{minute} * * * *", description=description)


def _nightly(settings: Settings) -> dg.ScheduleDefinition:
    @dg.schedule(
        name="nightly_audit",
        job=portfolio_audit,
        cron_schedule=settings.audit_cron,
        execution_timezone=settings.timezone,
        description="The night: audits the day that has just ended, at VIMOTION_AUDIT_CRON in VIMOTION_TIMEZONE.",
    )
    def nightly_audit(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        day = context.scheduled_execution_time.astimezone(ZoneInfo(settings.timezone)).date() - timedelta(days=1)
        return dg.RunRequest(partition_key=day.isoformat(), run_key=day.isoformat())

    return nightly_audit


def _morning(settings: Settings) -> dg.ScheduleDefinition:
    """The digest, several times a morning: the first run after the night sends, the later ones try again what failed and send nothing twice."""
    return dg.ScheduleDefinition(
        name="morning_digest",
        job_name="digest",
        cron_schedule=settings.digest_cron,
        execution_timezone=settings.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING if settings.is_sandbox else dg.DefaultScheduleStatus.STOPPED,
        description="Tells the directors of the newest night; quiet when nothing changed.",
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What `dagster dev -w workspace.yaml` and `dg` load: settings from the environment."""
    return build_definitions(load_settings())
