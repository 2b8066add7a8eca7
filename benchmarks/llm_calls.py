"""`python -m benchmarks.llm_calls`: what a call to a language model costs this machine, and how near many calls at once come to the ideal rate.

The emulated Claude runs in a process of its own and answers after one second; the client asks for drafts as a night does, 200 in flight:
prompt, budget, switch, ledger row before, request over the real SDK, validation, ledger row after. The ideal rate is what 200 callers
reach who spend no time at all between two answers: 200 a second. CPU is the client process's own, by the operating system's account, over
the calls after the first (which imports the SDK and writes the prompt cache).

The machine is shared and noisy: the rate says little when the client stood ready and another process had the processor, so that time is in
the record too; `chrt -r 1 python -m benchmarks.llm_calls` (root) asks for the processor first. CPU time can be quoted in any case.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
AS_OF, NOW = date(2026, 6, 28), datetime(2026, 6, 29, 6, 0)
DOCUMENT = "license_optimization_plan"
LEAST_SHARE, MOST_CPU_MS = 0.9, 3.0


def cpu_seconds() -> float:
    """CPU time of this process, both kinds."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def waited_seconds() -> float | None:
    """How long this process's threads stood ready to run while others had the processor; None where the system does not say (not Linux)."""
    try:
        return sum(int(path.read_text().split()[1]) for path in Path("/proc/self/task").glob("*/schedstat")) / 1e9
    except (OSError, IndexError):
        return None


def make_requests(count: int) -> list[Any]:
    """Requests for one document, each of an account of its own, with the facts of an account of the sandbox's size."""
    from vim_pipelines.reasoning.facts import build_sheet
    from vim_pipelines.reasoning.materiality import settled
    from vim_pipelines.reasoning.playbooks import load_playbooks
    from vim_pipelines.reasoning.providers.base import DraftRequest

    playbook = load_playbooks()[DOCUMENT]
    requests = []
    for number in range(count):
        key, name = f"ACC-{number:05d}", f"Customer {number}"
        sheet = settled(build_sheet(key, name, AS_OF, fact_rows(key, number), []).only(playbook.facts, shareable=False))
        requests.append(DraftRequest(f"bench-{number:06d}", key, name, AS_OF, playbook, sheet))
    return requests


def fact_rows(account: str, number: int) -> list[dict[str, Any]]:
    """Rows as `marts.fct_account_facts` holds them."""
    unused = 50 + number % 100
    values: dict[str, tuple[Any, str]] = {
        "seats_contracted": (200, "seats"), "active_users_28d": (200 - unused, "users"), "unused_seats": (unused, "seats"),
        "utilization_28d": (round((200 - unused) / 200, 4), "ratio"), "shelfware_seats": (unused - 5, "seats"), "unused_value_annual": (unused * 300, "money"),
        "waste_annual": ((unused - 5) * 300, "money"), "arr_amount": (60_000, "money"), "renewal_date": ("2027-02-23", "date"), "opt_out_date": ("2026-12-25", "date"),
        "days_to_renewal": (240, "days"), "tickets_28d": (number % 7, "count"), "risk_score": (64, "ratio"), "csm_name": ("Ada Lindqvist", "text"),
    }  # fmt: skip
    rows = []
    for metric, (value, unit) in values.items():
        is_text = unit in ("text", "date")
        rows.append(
            {
                "account_key": account, "metric": metric, "scope": "account", "label": metric.replace("_", " "), "value_number": None if is_text else Decimal(str(value)),
                "value_text": value if is_text else None, "unit": unit, "currency": "USD" if unit == "money" else None, "window_label": "last four weeks",
                "status": "ok", "sensitivity": "internal", "fact_class": "computed", "source_table": "marts.fct_account_signals", "source_key": account,
            }
        )  # fmt: skip
    return rows


def run(url: str, home: Path, calls: int, in_flight: int) -> dict[str, Any]:
    """Make `calls` drafts against the vendor at `url`; what they took, without the first one."""
    from pydantic import SecretStr

    from vim_pipelines.reasoning.providers.base import draft_all
    from vim_pipelines.reasoning.providers.make import make_drafter
    from vim_pipelines.settings import Settings
    from vim_pipelines.store import open_store

    settings = Settings(
        home=home, anthropic_api_key=SecretStr("bench"), anthropic_base_url=url, drafter="claude", budget_usd=Decimal(1000), month_budget_usd=Decimal(1000)
    )
    store = open_store(settings)
    marks: list[tuple[float, float, float | None]] = []

    def heard(_request: Any, result: Any) -> None:
        assert result.outcome == "ok", (result.outcome, result.reason)
        if not marks:
            marks.append((time.monotonic(), cpu_seconds(), waited_seconds()))

    requests = make_requests(calls + 1)
    asyncio.run(draft_all(make_drafter(settings, store, AS_OF, NOW), requests, concurrency=in_flight, on_result=heard))
    wall, cpu = time.monotonic() - marks[0][0], cpu_seconds() - marks[0][1]
    now, before = waited_seconds(), marks[0][2]
    store.engine.dispose()
    waited = None if now is None or before is None else now - before
    return {"waited_seconds": waited, "wall_seconds": wall, "cpu_seconds": cpu, "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def main() -> None:
    """Run, print, and write the figures into benchmarks/results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=5000, help="Calls that are measured.")
    parser.add_argument("--in-flight", type=int, default=200)
    parser.add_argument("--latency", type=float, default=1.0, help="Seconds until the emulator answers.")
    parser.add_argument("--no-write", action="store_true", help="Print only.")
    options = parser.parse_args()
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="vim-llm-calls-") as name:
        port_file = Path(name) / "port"
        command = [
            sys.executable,
            "-m",
            "vim_pipelines.sandbox.claude_emulator",
            "--latency",
            str(options.latency),
            "--port-file",
            str(port_file),
            "--no-journal",
        ]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 60
            while not (port_file.exists() and port_file.read_text()) and time.monotonic() < deadline:
                time.sleep(0.05)
            took = run(port_file.read_text(), Path(name) / "home", options.calls, options.in_flight)
        finally:
            server.terminate()
            server.wait(10)
    ideal = options.calls / options.in_flight * options.latency
    figures = {
        "calls": options.calls, "in_flight": options.in_flight, "latency_seconds": options.latency, "wall_seconds": round(took["wall_seconds"], 2),
        "calls_per_second": round(options.calls / took["wall_seconds"], 1), "share_of_ideal_rate": round(ideal / took["wall_seconds"], 3),
        "cpu_ms_per_call": round(took["cpu_seconds"] / options.calls * 1000, 2), "peak_mib": round(took["peak_mib"]),
        "seconds_ready_but_without_processor": None if took["waited_seconds"] is None else round(took["waited_seconds"], 2),
        "bars": {"share_of_ideal_rate": LEAST_SHARE, "cpu_ms_per_call": MOST_CPU_MS}, "load_before": round(load_before, 2), "load_after": round(os.getloadavg()[0], 2),
        "scheduling": "real time" if os.sched_getscheduler(0) in (os.SCHED_FIFO, os.SCHED_RR) else "as all others", "cores": os.cpu_count(), "python": platform.python_version(), "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }  # fmt: skip
    print(json.dumps(figures, indent=2))
    if not options.no_write:
        path = HERE / "results" / f"llm_calls-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
        path.write_text(json.dumps(figures, indent=2) + "\n")
        print(f"written to {path.relative_to(HERE.parent)}")


if __name__ == "__main__":
    main()
