"""From an open batch to a run that collects it: a sensor that reads the operations store, nothing else.

No HTTP and no SDK in a sensor (the import of `anthropic` alone takes two seconds of the tick). Dagster remembers a run key for ever, so
the key changes with every poll, and with every hour in which none came about: a run that died before it reached the store is
started again, and no batch is asked for more often than every five minutes.
"""

from datetime import datetime

import dagster as dg

from vim_pipelines.settings import Settings

POLL_SECONDS = 300
ROWS_A_TICK = 25


def batch_sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """The sensor of one installation: like those of approvals, stopped until somebody turns it on, except in the sandbox."""
    status = dg.DefaultSensorStatus.RUNNING if settings.is_sandbox else dg.DefaultSensorStatus.STOPPED

    @dg.sensor(
        job_name="collect_batches",
        minimum_interval_seconds=POLL_SECONDS,
        required_resource_keys={"store"},
        default_status=status,
        description="Starts collect_batches while a batch of language-model calls is open. Reads the operations store only; polls no batch more often than every five minutes.",
    )
    def open_batches(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        """Start one `collect_batches` for all batches of language-model calls that are not done with."""
        from vim_pipelines.reasoning.batches.waiting import open_batches as read_open_batches
        from vim_pipelines.reasoning.batches.waiting import wall_clock

        batches = read_open_batches(context.resources.store, limit=ROWS_A_TICK)
        if not batches:
            return dg.SkipReason("no batch is open")
        return dg.RunRequest(run_key=run_key(max(batch.last_seen for batch in batches), wall_clock()), tags={"vim/open_batches": str(len(batches))})

    return [open_batches]


def run_key(last_seen: datetime, now: datetime) -> str:
    """Names the poll that is due: after the one at `last_seen` (naive UTC, like `now`), anew for each hour since."""
    return f"batches:{last_seen.isoformat()}:{max(0, int((now - last_seen).total_seconds() // 3600))}"
