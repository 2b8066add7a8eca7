"""From a row of the operations store to a run: sensors that read the store, nothing else.

No HTTP and no model in a sensor (they starve the daemon), 25 rows a tick, and the run key carries the attempt, because Dagster
remembers a run key for ever and would silently drop a relaunch. Stopped until somebody turns them on, except in the sandbox, where nothing
can be reached but this machine.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from vim_pipelines.settings import Settings

ROWS_A_TICK = 25
Asked = Iterator[dg.RunRequest | dg.SkipReason]
#: Its failure is told by nobody: telling it would start it again, every minute.
DELIVERING = "deliver_messages"


def approval_sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """The sensors of one installation."""
    status = dg.DefaultSensorStatus.RUNNING if settings.is_sandbox else dg.DefaultSensorStatus.STOPPED

    @dg.sensor(
        job_name="write_back",
        minimum_interval_seconds=60,
        required_resource_keys={"settings", "store"},
        default_status=status,
        description="Starts write_back for each approved request, 25 a tick; none while writing to the CRM is off (VIMOTION_WRITE_MODE, or the switch).",
    )
    def approved_requests(context: dg.SensorEvaluationContext) -> Asked:
        """Start `write_back` for each approved request; none while writing is off, for such a run would use its key up and never come again."""
        from vim_pipelines.approvals.queue import approved_ready
        from vim_pipelines.store.switches import why_nothing_is_written

        off = why_nothing_is_written(context.resources.store, context.resources.settings)
        if off is not None:
            yield dg.SkipReason(off)
            return
        yield from _runs(approved_ready(context.resources.store, limit=ROWS_A_TICK), "write_back_request", "nothing is approved and unwritten")

    @dg.sensor(
        job_name="replan",
        minimum_interval_seconds=60,
        required_resource_keys={"store"},
        default_status=status,
        description="Starts replan for each request that was rejected or sent back with a note, 25 a tick.",
    )
    def requests_to_replan(context: dg.SensorEvaluationContext) -> Asked:
        """Start `replan` for each request that was rejected or sent back with a note."""
        from vim_pipelines.approvals.queue import to_replan

        yield from _runs(to_replan(context.resources.store, limit=ROWS_A_TICK), "replan_request", "nothing waits for a new draft")

    @dg.sensor(
        job_name="check_edits",
        minimum_interval_seconds=60,
        required_resource_keys={"store"},
        default_status=status,
        description="Starts one check_edits while texts that people edited wait for a judge.",
    )
    def edits_to_check(context: dg.SensorEvaluationContext) -> Asked:
        """Start one `check_edits` for all edits that wait for a judge."""
        from vim_pipelines.approvals.edits import edits_to_check as waiting

        found = waiting(context.resources.store, limit=ROWS_A_TICK)
        if not found:
            yield dg.SkipReason("no edit waits for a judge")
        else:
            yield dg.RunRequest(run_key=f"edits:{_hour()}:{found[0].draft_id}:{found[-1].draft_id}")

    @dg.sensor(
        job_name=DELIVERING,
        minimum_interval_seconds=60,
        required_resource_keys={"store"},
        default_status=status,
        description="Starts one deliver_messages while anything is to be planned, sent or brought up to date.",
    )
    def messages_to_send(context: dg.SensorEvaluationContext) -> Asked:
        """Start one `deliver_messages` while anything is to be planned, sent or brought up to date."""
        from vim_pipelines.approvals.deliveries import channels_of, work_to_do

        work = work_to_do(context.resources.store, channels_of(settings), settings.now())
        if work is None:
            yield dg.SkipReason("no message waits")
        else:
            yield dg.RunRequest(run_key=f"messages:{_hour()}:{work}")

    @dg.run_failure_sensor(
        name="failed_runs",
        minimum_interval_seconds=60,
        default_status=status,
        monitor_all_code_locations=False,
        description="Notes a failed run for the next delivery of messages; a failed delivery is told by nobody, for telling it would start it again.",
    )
    def failed_runs(context: dg.RunFailureSensorContext) -> None:
        """Note a failed run for the next delivery of messages. Nothing is sent from here."""
        from vim_pipelines.approvals.deliveries import record_failure
        from vim_pipelines.store import open_store

        run = context.dagster_run
        if run.job_name == DELIVERING:
            return
        step, error = _first_failure(context)
        store = open_store(settings, migrate=False)
        try:
            record_failure(store, run.run_id, job=run.job_name, step=step, error=error, now=settings.now())
        finally:
            store.engine.dispose()

    return [approved_requests, requests_to_replan, edits_to_check, messages_to_send, failed_runs]


def _runs(rows: Sequence[Any], op: str, idle: str) -> Asked:
    if not rows:
        yield dg.SkipReason(idle)
    for row in rows:
        yield dg.RunRequest(
            run_key=f"{row.request_id}:{row.state}:{row.attempt}",
            run_config={"ops": {op: {"config": {"request_id": row.request_id}}}},
            tags={"vim/account_id": row.account_key, "vim/approval_id": row.request_id},
        )


def _first_failure(context: dg.RunFailureSensorContext) -> tuple[str, str]:
    """Step and reason of a failure for a message: an error of ours in its own words, of another only the kind (its text may hold a secret)."""
    for event in context.get_step_failure_events():
        error: Any = getattr(event.event_specific_data, "error", None)
        while error is not None and error.cause is not None:
            error = error.cause
        said = (error.message if error is not None else "").strip().split("\n")[0]
        at = said.find("VIM-E")
        return event.step_key or "", said[at:] if at >= 0 else said.split(":")[0]
    return "", "The run failed outside its steps; Dagster shows why"


def _hour() -> str:
    """The hour of the machine's clock: a run that died before it did anything is started again an hour later. The sandbox's own clock stands still."""
    from datetime import UTC, datetime

    return f"{datetime.now(UTC):%Y%m%d%H}"
