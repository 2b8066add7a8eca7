"""`python -m benchmarks.draft_batches --home DIR [--drafts 10000]`: what it costs to send that many drafts in batches, and to collect them.

DIR is the home folder of an audit (VIMOTION_HOME); its newest fact sheets are repeated under keys of their own. The Claude API is the
sandbox's, in a process of its own; sending and collecting are processes of their own too, so that the peak memory of each is its own.
CPU is this side's alone. The operations store is a fresh SQLite file in a temporary folder, with every transaction on disk.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

from benchmarks.draft_flow import DOCUMENT, NOW, request_of, sheets_of


def settings_for(folder: Path, url: str) -> Any:
    from pydantic import SecretStr

    from vim_pipelines.settings import Settings

    return Settings(home=folder, anthropic_api_key=SecretStr("k"), anthropic_base_url=url, budget_usd=Decimal(1000), month_budget_usd=Decimal(1000))


def send(home: Path, folder: Path, url: str, drafts: int) -> dict[str, Any]:
    """The dispatch of a night: what it takes beyond planning."""
    from vim_pipelines.reasoning.batches.submit import Sender, write_or_submit
    from vim_pipelines.reasoning.drafting import DraftReport, Job
    from vim_pipelines.reasoning.playbooks import load_playbooks
    from vim_pipelines.reasoning.providers.make import make_drafter
    from vim_pipelines.store import open_store

    settings, playbook = settings_for(folder, url), load_playbooks()[DOCUMENT]
    jobs = [Job(request_of(sheet, playbook), 1) for sheet in sheets_of(home, drafts)]
    store, report = open_store(settings), DraftReport()
    import anthropic  # noqa: F401 its two seconds are every run's, not the batch's

    before = resource.getrusage(resource.RUSAGE_SELF)
    cpu, wall = time.process_time(), time.perf_counter()
    write_or_submit(Sender(make_drafter(settings, store, jobs[0].request.as_of, NOW), store, settings, NOW, report), jobs)
    return figures(cpu, wall, before) | {"waiting": report.waiting, "written_live": report.written + report.held}


def take(folder: Path, url: str) -> dict[str, Any]:
    """One round of collecting after the batches have ended."""
    from vim_pipelines.reasoning.batches.collect import collect
    from vim_pipelines.store import open_store

    settings = settings_for(folder, url)
    store = open_store(settings)
    import anthropic  # noqa: F401

    before = resource.getrusage(resource.RUSAGE_SELF)
    cpu, wall = time.process_time(), time.perf_counter()
    report = collect(store, settings, NOW, ask=lambda as_of: 0)
    ended = {"written": report.drafts.written, "held": report.drafts.held, "collected": report.collected, "results": dict(report.results)}
    return figures(cpu, wall, before) | ended | {"problems": report.problems}


def figures(cpu: float, wall: float, before: resource.struct_rusage) -> dict[str, Any]:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = {"cpu_seconds": round(time.process_time() - cpu, 1), "wall_seconds": round(time.perf_counter() - wall, 1)}
    return seconds | {"peak_rss_mib": round(peak / 1024), "rss_mib_at_start": round(before.ru_maxrss / 1024)}


def run(arguments: list[str]) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-W", "ignore", "-m", "benchmarks.draft_batches", *arguments], check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, default=Path(".vimotion"))
    parser.add_argument("--drafts", type=int, default=10_000)
    parser.add_argument("--part", choices=("send", "take"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        done = send(options.home, options.folder, options.url, options.drafts) if options.part == "send" else take(options.folder, options.url)
        print(json.dumps(done))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        port_file = folder / "port"
        with subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "vim_pipelines.sandbox.claude_emulator", "--port-file", str(port_file)], stdout=subprocess.DEVNULL
        ) as server:
            try:
                while not (port_file.exists() and port_file.read_text()):
                    time.sleep(0.05)
                common = ["--folder", str(folder), "--url", port_file.read_text(), "--drafts", str(options.drafts), "--home", str(options.home)]
                print(json.dumps({"send": run([*common, "--part", "send"])}), flush=True)
                print(json.dumps({"look": run([*common, "--part", "take"])}), flush=True)  # the emulator ends a batch at the second look
                print(json.dumps({"collect": run([*common, "--part", "take"])}), flush=True)
            finally:
                server.terminate()


if __name__ == "__main__":
    main()
