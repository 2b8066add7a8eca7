"""Processes that submit or collect batches and kill themselves with SIGKILL at the N-th checkpoint. Started by test_batches_kill.py.

One process imports everything once and forks a child for each job, a line of JSON on standard input: home, store_url, claude_url,
kill_at (0: never), what (night | collect), hours (that the wall clock is ahead). Answers a line of JSON: status as of `waitpid`, and what the
child wrote: the step at which it was killed, or all steps.
"""

import functools
import json
import os
import signal
import sys
import traceback
import warnings
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import anthropic  # noqa: F401 loaded once, before the forks
import duckdb  # noqa: F401
from pydantic import SecretStr

from vim_pipelines.reasoning import run
from vim_pipelines.reasoning.batches.collect import collect
from vim_pipelines.reasoning.batches.submit import Sender
from vim_pipelines.reasoning.batches.waiting import wall_clock
from vim_pipelines.settings import Settings
from vim_pipelines.store import open_store
from vim_pipelines.warehouse.duckdb import DuckDBWarehouse

AS_OF, NOW = date(2026, 6, 28), datetime(2026, 6, 29, 6)


def carry_out(job: dict, output: int) -> None:
    passed: list[str] = []

    def checkpoint(step: str) -> None:
        passed.append(step)
        if len(passed) == job["kill_at"]:
            os.write(output, step.encode())
            os.kill(os.getpid(), signal.SIGKILL)

    def clock() -> datetime:
        return wall_clock() + timedelta(hours=job["hours"])

    home = Path(job["home"])
    settings = Settings(
        home=home, store_url=job["store_url"], anthropic_api_key=SecretStr("k"), anthropic_base_url=job["claude_url"], batch_from=3, weekly_capacity=100,
        budget_usd=Decimal(50),
    )  # fmt: skip
    store = open_store(settings)
    if job["what"] == "night":
        run.Sender = functools.partial(Sender, checkpoint=checkpoint, clock=clock)
        run.write_drafts(DuckDBWarehouse(home / "warehouse.duckdb"), store, settings, AS_OF, NOW)
    else:

        def ask(as_of: date) -> int:
            with (home / "asked").open("a") as asked:
                asked.write(f"{as_of}\n")
            return 0

        collect(store, settings, NOW, ask=ask, clock=clock, checkpoint=checkpoint)
    os.write(output, json.dumps(passed).encode())


def child(job: dict, output: int) -> None:
    try:
        carry_out(job, output)
    except BaseException:
        os.write(output, traceback.format_exc().encode())
        os._exit(1)
    os._exit(0)


def main() -> None:
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            child(json.loads(line), writing)
        os.close(writing)
        with os.fdopen(reading) as answer:
            text = answer.read()
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        sys.stdout.write(json.dumps({"status": status, "text": text}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
