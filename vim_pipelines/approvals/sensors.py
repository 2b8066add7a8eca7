"""From a decision to a run: sensors that read the operations store, nothing else.

No HTTP and no model in a sensor (they starve the daemon), 25 rows a tick, and the run key carries the attempt, because Dagster
remembers a run key for ever and would silently drop a relaunch.
"""

from collections.abc import Iterator

import dagster as dg

ROWS_A_TICK = 25


@dg.sensor(job_name="write_back", minimum_interval_seconds=60, required_resource_keys={"settings", "store"}, default_status=dg.DefaultSensorStatus.STOPPED)
def approved_requests(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Start `write_back` for each approved request; none while writing is off, for such a run would use its key up and never come again."""
    from vim_pipelines.approvals.queue import approved_ready
    from vim_pipelines.store.switches import why_nothing_is_written

    off = why_nothing_is_written(context.resources.store, context.resources.settings)
    if off is not None:
        yield dg.SkipReason(off)
        return
    yield from _runs(context, approved_ready(context.resources.store, limit=ROWS_A_TICK), "write_back_request", "nothing is approved and unwritten")


@dg.sensor(job_name="replan", minimum_interval_seconds=60, required_resource_keys={"store"}, default_status=dg.DefaultSensorStatus.STOPPED)
def requests_to_replan(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Start `replan` for each request that was rejected or sent back with a note."""
    from vim_pipelines.approvals.queue import to_replan

    yield from _runs(context, to_replan(context.resources.store, limit=ROWS_A_TICK), "replan_request", "nothing waits for a new draft")


def _runs(context: dg.SensorEvaluationContext, rows: list, op: str, idle: str) -> Iterator[dg.RunRequest | dg.SkipReason]:
    if not rows:
        yield dg.SkipReason(idle)
    for row in rows:
        yield dg.RunRequest(
            run_key=f"{row.request_id}:{row.state}:{row.attempt}",
            run_config={"ops": {op: {"config": {"request_id": row.request_id}}}},
            tags={"vim/account_id": row.account_key, "vim/approval_id": row.request_id},
        )
