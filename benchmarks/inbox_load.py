"""`python -m benchmarks.inbox_load`: fifty people deciding at once on 5,000 pending items, over HTTP, on a real store.

A uvicorn process serves the inbox on a store that this makes; fifty sessions each open the queue, open an item of their own share, and decide,
until `--decisions` are made. Reported: the 50th and 99th percentile of each page, without pause and with a second of reading between two pages,
and whether a decision was lost (accepted answers = decision events = requests that are decided, each by the person who was told so).
`--pipeline COMMAND...` runs a command beside it as the night's load.

The clients take processor time, too; it is reported. On a shared machine the times say how busy it was: `chrt -r 1 python -m
benchmarks.inbox_load` (root) asks for the processor first, as a machine of one's own would give it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

AS_OF = date(2026, 6, 28)
PASSWORD = "seven small otters at sea"
DOCUMENTS = ("license_optimization_plan", "success_plan", "risk_mitigation_plan", "training_nudge", "next_best_action")
TARGET_MS = 300


@dataclass
class Seen:
    """What the clients saw: seconds by page, statuses, and who was told that a request is his decision."""

    server: subprocess.Popen[bytes]
    seconds: dict[str, list[float]] = field(default_factory=dict)
    statuses: Counter[str] = field(default_factory=Counter)
    decided: dict[str, str] = field(default_factory=dict)
    #: Clock, own CPU and the server's when everybody was logged in.
    began: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def begin(self) -> None:
        """The first page after the logins is about to be asked for."""
        self.began = (time.perf_counter(), _own_cpu(), cpu_of(self.server))


def make_store(settings: Any, items: int, people: int) -> None:
    """A store with `items` pending requests whose payloads have the size of the sandbox's, and `people` directors."""
    from vim_pipelines.approvals import people as roster
    from vim_pipelines.approvals.policy import policy_of
    from vim_pipelines.approvals.queue import request_approvals
    from vim_pipelines.core.hashing import sha256_json, sha256_text
    from vim_pipelines.store import open_store
    from vim_pipelines.store.models import Draft

    store, policy, now = open_store(settings), policy_of(settings), settings.now()
    hashed = roster.hash_password(PASSWORD)
    for number in range(people):
        roster.add_person(store, policy, f"person{number}", name=f"Person {number}", role="director", by="bench", now=now)
    with store.session() as session:
        for person in session.query(roster.Person):
            person.password_hash = hashed  # one scrypt for all: the logins are not what is measured
    facts = [
        {"handle": f"F{n:02d}", "metric": f"metric_{n}", "label": f"Figure number {n}", "shown": f"{n * 137} seats", "status": "ok", "window": "last four weeks", "unit": "seats",
         "source_table": "marts.fct_account_signals", "source_key": "ACC", "detail": None, "scope": "account", "fact_class": "computed", "currency": None, "value_number": str(n * 137)}
        for n in range(1, 31)
    ]  # fmt: skip
    evidence = [
        {"fact_ids": [f"F{n:02d}" for n in range(1 + 3 * e, 4 + 3 * e)], "source_table": "base.int_account_weeks",
         "rows": [{"week_start": f"2026-0{1 + w % 6}-01", "active_users": 90 + w, "events": 300 + w} for w in range(26)]}
        for e in range(10)
    ]  # fmt: skip
    lines = "\n\n".join(f"Paragraph {n}: {{}} uses {n * 137} seats, which is less than the {(n + 1) * 137} seats of the contract." for n in range(1, 14))
    table = "| Figure | Value | Source |\n|---|---|---|\n" + "\n".join(f"| Figure number {n} | {n * 137} seats | F{n:02d} marts |" for n in range(1, 16))
    for start in range(0, items, 500):
        drafts, signals = [], {}
        with store.session() as session:
            for number in range(start, min(start + 500, items)):
                account, document = f"ACC-{number:05d}", DOCUMENTS[number % len(DOCUMENTS)]
                text = f"# Plan\n\n*Internal*\n\n## What was found\n\n{lines.format(*[account] * 13)}\n\n## Figures\n\n{table}\n"
                drafts.append(f"draft-{number}")
                session.add(
                    Draft(
                        draft_id=drafts[-1], account_key=account, account_name=f"Customer {number}", document=document, audience="internal", as_of_date=AS_OF, version=1,
                        draft_key=sha256_text(account), facts=facts, facts_sha256=sha256_json(facts), evidence=evidence, structured={}, rendered_text=text,
                        rendered_sha256=sha256_text(text), status="written", gate_findings=[], written_by="offline", model=None, prompt_sha256="0" * 64, cost_usd=None,
                        feedback=None, created_at=now,
                    )
                )  # fmt: skip
                signals[account] = {
                    "arr_amount": Decimal(20_000 + number * 13 % 60_000), "currency": "USD", "risk_band": ("green", "yellow", "red")[number % 3], "segment": "mid_market",
                    "csm_name": f"Owner {number % 20}", "csm_email": f"owner{number % 20}@vendor.example", "lean_risk": float(number % 100),
                    "next_opt_out_date": AS_OF + timedelta(days=number % 300), "next_renewal_date": AS_OF + timedelta(days=60 + number % 300),
                    "weekly_active": [40 + (number * week) % 30 for week in range(10)],
                }  # fmt: skip
        request_approvals(store, policy, AS_OF, now, approval_hours=72, draft_ids=drafts, signals=signals)
    store.engine.dispose()


async def person(number: int, base: str, share: asyncio.Queue[str], seen: Seen, think: float, everybody_in: asyncio.Barrier) -> None:
    """One session: log in, then queue, item, decision, until the share is used up. The clock starts when all are in: a login is 0.2 s of scrypt."""
    import httpx

    login = f"person{number}"
    async with httpx.AsyncClient(base_url=base, timeout=60) as client:
        token = _token((await client.get("/login")).text)
        answer = await client.post("/login", data={"csrf": token, "login": login, "password": PASSWORD, "next": "/"})
        if answer.status_code != 303:
            raise RuntimeError(f"{login} could not log in: {answer.status_code}")
        if await everybody_in.wait() == 0:
            seen.begin()
        await asyncio.sleep(think * (number % 50) / 50)  # people do not start in the same instant
        while True:
            try:
                request_id = share.get_nowait()
            except asyncio.QueueEmpty:
                return
            await _timed(client, seen, "queue", "GET", "/", None)
            await asyncio.sleep(think)
            page = await _timed(client, seen, "item", "GET", f"/requests/{request_id}", None)
            await asyncio.sleep(think)
            form = {"csrf": _token(page.text), "version": "1", "decision": "approve", "note": ""}
            done = await _timed(client, seen, "decide", "POST", f"/requests/{request_id}/decide", form)
            if done.status_code == 303:
                if request_id in seen.decided:
                    seen.statuses["decided twice"] += 1
                seen.decided[request_id] = login
            await asyncio.sleep(think)


async def _timed(client: Any, seen: Seen, name: str, method: str, path: str, form: dict[str, str] | None) -> Any:
    started = time.perf_counter()
    answer = await client.request(method, path, data=form)
    seen.seconds.setdefault(name, []).append(time.perf_counter() - started)
    seen.statuses[f"{name} {answer.status_code}"] += 1
    return answer


def _token(page: str) -> str:
    found = re.search(r'name="csrf" value="([0-9a-f]+)"', page)
    if found is None:
        raise RuntimeError("a page came without a form")
    return found[1]


async def run_people(base: str, items: list[str], people: int, think: float, contested: int, server: subprocess.Popen[bytes]) -> Seen:
    """All sessions at once. Of `items` the first `contested` are given to two people each: one of the two must be told that he was late."""
    share: asyncio.Queue[str] = asyncio.Queue()
    for number, item in enumerate(items):
        share.put_nowait(item)
        if number < contested:
            share.put_nowait(item)
    seen, everybody_in = Seen(server), asyncio.Barrier(people)
    await asyncio.gather(*[person(number, base, share, seen, think, everybody_in) for number in range(people)])
    return seen


def serve(home: Path, url: str | None) -> tuple[subprocess.Popen[bytes], str]:
    """The server in a process of its own, and its address."""
    code = (
        "import sys; from pathlib import Path; from vim_pipelines.settings import Settings; from vim_pipelines.store import open_store; from vim_pipelines.inbox.serve import serve;"
        "s = Settings(home=Path(sys.argv[1]), store_url=sys.argv[2] or None, portfolio=Path('bench.yaml'));"
        "serve(s, open_store(s), host='127.0.0.1', port=0, say=lambda text: print(text, flush=True))"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(home), url or ""], stdout=subprocess.PIPE, env=os.environ)
    assert process.stdout is not None
    for line in process.stdout:
        found = re.search(rb"http://127\.0\.0\.1:\d+", line)
        if found:
            return process, found[0].decode()
    raise RuntimeError("the server did not start")


def check(settings: Any, seen: Seen) -> list[str]:
    """What was lost or doubled, in words; empty if nothing was."""
    from sqlalchemy import select

    from vim_pipelines.approvals.events import verify_chain
    from vim_pipelines.store import open_store
    from vim_pipelines.store.models import ApprovalEvent, ApprovalRequest

    store = open_store(settings, migrate=False)
    with store.reading() as session:
        events = session.execute(select(ApprovalEvent.request_id, ApprovalEvent.actor).where(ApprovalEvent.action == "approve")).all()
        rows = {
            row.request_id: row.decided_by
            for row in session.execute(select(ApprovalRequest.request_id, ApprovalRequest.decided_by).where(ApprovalRequest.state == "approved"))
        }
    wrong = verify_chain(store)
    if len(events) != len(seen.decided) or {event.request_id: event.actor for event in events} != seen.decided:
        wrong.append(f"{len(seen.decided)} decisions were accepted, {len(events)} are on record")
    if rows != seen.decided:
        wrong.append(f"{len(rows)} requests are approved, {len(seen.decided)} people were told so")
    if seen.statuses["decided twice"]:
        wrong.append(f"{seen.statuses['decided twice']} requests were decided twice")
    store.engine.dispose()
    return wrong


def percentiles(seconds: list[float]) -> dict[str, float]:
    """Milliseconds."""
    ordered = sorted(seconds)
    return {
        "count": len(ordered),
        "p50": 1000 * statistics.median(ordered),
        "p99": 1000 * ordered[min(int(0.99 * len(ordered)), len(ordered) - 1)],
        "max": 1000 * ordered[-1],
    }


def cpu_of(process: subprocess.Popen[bytes]) -> float:
    """CPU seconds of a running process (Linux)."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(settings: Any, items: int, people: int, decisions: int, think: float, contested: int) -> dict[str, Any]:
    """One run on a store of its own; the record for the report."""
    from sqlalchemy import select

    from vim_pipelines.store import open_store
    from vim_pipelines.store.models import ApprovalRequest

    make_store(settings, items, people)
    store = open_store(settings, migrate=False)
    with store.reading() as session:
        ids = list(
            session.scalars(select(ApprovalRequest.request_id).where(ApprovalRequest.state == "pending").order_by(ApprovalRequest.request_id).limit(decisions))
        )
    store.engine.dispose()
    process, base = serve(settings.home, settings.store_url)
    try:
        _warm(base)
        seen = asyncio.run(run_people(base, ids, people, think, contested, process))
        started, own, served = seen.began
        took, client_cpu, server_cpu = time.perf_counter() - started, _own_cpu() - own, cpu_of(process) - served
    finally:
        process.terminate()
        process.wait(20)
    requests = sum(len(values) for values in seen.seconds.values())
    return {
        "pages": {name: percentiles(values) for name, values in seen.seconds.items()}, "statuses": dict(seen.statuses), "lost": check(settings, seen), "seconds": took,
        "requests_per_second": requests / took, "server_cpu_ms_per_request": 1000 * server_cpu / requests, "client_cpu_ms_per_request": 1000 * client_cpu / requests,
    }  # fmt: skip


def _warm(base: str) -> None:
    """The first queue of a process reads all pending requests, once; it is reported by itself."""
    import httpx

    with httpx.Client(base_url=base, timeout=60) as client:
        token = _token(client.get("/login").text)
        client.post("/login", data={"csrf": token, "login": "person0", "password": PASSWORD, "next": "/"})
        started = time.perf_counter()
        client.get("/")
        print(f"first queue page of the process: {1000 * (time.perf_counter() - started):.0f} ms")


def _own_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=5000)
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--decisions", type=int, default=1000, help="how many of the items are decided")
    parser.add_argument("--contested", type=int, default=50, help="how many of those two people want to decide")
    parser.add_argument("--think", type=float, nargs="*", default=[1.0, 0.0], help="seconds of reading between two pages, one run each")
    parser.add_argument("--postgres", action="store_true", help="a real PostgreSQL (pgserver) instead of SQLite")
    parser.add_argument("--pipeline", default="", help="a command that runs beside it, as the night would")
    arguments = parser.parse_args()
    from vim_pipelines.settings import Settings

    report: dict[str, Any] = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "store": "postgresql" if arguments.postgres else "sqlite", "runs": []}
    for think in arguments.think:
        with tempfile.TemporaryDirectory(prefix="inbox_load_") as folder:
            server = None
            url = None
            if arguments.postgres:
                import pgserver

                server = pgserver.get_server(Path(folder) / "pg")
                url = server.get_uri()
            beside = subprocess.Popen(shlex.split(arguments.pipeline), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) if arguments.pipeline else None
            try:
                settings = Settings(home=Path(folder), store_url=url, portfolio=Path("bench.yaml"))
                result = measure(settings, arguments.items, arguments.people, arguments.decisions, think, arguments.contested)
                still = beside is not None and beside.poll() is None
            finally:
                if beside is not None:
                    beside.terminate()
                    beside.wait()
                if server is not None:
                    server.cleanup()
            report["runs"].append({"think_seconds": think, "pipeline_ran_to_the_end": still} | result)
            print(f"\n{report['store']}, {arguments.people} people, {arguments.items} items, {think:g} s between pages:")
            for name, values in result["pages"].items():
                print(
                    f"  {name:<7} {values['count']:>6.0f} requests   p50 {values['p50']:>6.0f} ms   p99 {values['p99']:>6.0f} ms   max {values['max']:>6.0f} ms"
                )
            print(
                f"  {result['requests_per_second']:.0f} requests a second; CPU {result['server_cpu_ms_per_request']:.1f} ms a request in the server, {result['client_cpu_ms_per_request']:.1f} ms in the clients"
            )
            print(f"  statuses {result['statuses']}; lost or doubled: {result['lost'] or 'nothing'}")
    print(json.dumps(report))
    worst = max(values["p99"] for run in report["runs"] if run["think_seconds"] > 0 for values in run["pages"].values()) if any(arguments.think) else 0
    if any(run["lost"] for run in report["runs"]) or worst > TARGET_MS:
        sys.exit(1)


if __name__ == "__main__":
    main()
