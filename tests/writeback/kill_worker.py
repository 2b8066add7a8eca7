"""Processes that carry out one request and kill themselves with SIGKILL at the N-th checkpoint. Started by test_kill.py.

One process imports everything once and then forks a child for each job, a line of JSON on standard input: crm, store_url, home, credentials,
request_id, now, kill_at (0: never), what (write_back | reconcile | undo). The child opens its own store and its own connections; starting
Python anew for each of the hundred runs took two minutes of imports. Answers a line of JSON: status as of `waitpid`, and what the child wrote.
"""

import json
import os
import signal
import sys
import traceback
from datetime import datetime

from orgs import OPTIONS, ORGS

from vim_pipelines.settings import Settings
from vim_pipelines.store import open_store
from vim_pipelines.writeback.apply import reconcile, undo, write_back


def carry_out(job: dict, output: int) -> None:
    passed: list[str] = []

    def checkpoint(step: str) -> None:
        passed.append(step)
        if len(passed) == job["kill_at"]:
            os.write(output, step.encode())
            os.kill(os.getpid(), signal.SIGKILL)

    settings = Settings(home=job["home"], store_url=job["store_url"], write_mode="live", **job["credentials"])
    store, now = open_store(settings), datetime.fromisoformat(job["now"])
    with ORGS[job["crm"]](job["credentials"]).target(settings, OPTIONS) as crm:
        if job["what"] == "reconcile":
            reconcile(store, crm, settings=settings, now=now, checkpoint=checkpoint)
        elif job["what"] == "undo":
            undo(store, crm, job["request_id"], settings=settings, now=now, checkpoint=checkpoint)
        else:
            write_back(store, crm, job["request_id"], settings=settings, now=now, checkpoint=checkpoint)
    os.write(output, json.dumps(passed).encode())


def child(job: dict, output: int) -> None:
    try:
        carry_out(job, output)
    except BaseException:
        os.write(output, traceback.format_exc().encode())
        os._exit(1)
    os._exit(0)


def main() -> None:
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
