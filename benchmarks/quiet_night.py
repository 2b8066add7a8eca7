"""`python -m benchmarks.quiet_night`: what a night costs in calls to a language model when the book has not changed, and what a draft costs this machine.

The newest two audited nights of a sandbox are read, a day apart, within a week. Accounts in which something happened that day (a risk that
came or went, a phase, an action of the queue, a name, a date of a meeting or a contract) are counted apart; the others, in which only
counts moved and the calendar went on, are the unchanged book: repeated under keys of their own until there are 10,000. The first night
writes what it calls for; the second counts the calls it would make. Capacity is lifted, because a cap of 25 documents a week would meet
the bar by itself.

Beside it stands the same flow as a LangGraph graph with a SQLite checkpointer, each in a process of its own: facts, key, draft, gates,
text, store. Both write with the offline drafter, so that the figure is the flow's and not a model's.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from benchmarks.processes import measured

HERE = Path(__file__).resolve().parent
BAR_SHARE = 0.005
FLOW_ACCOUNTS = 1000
#: Prompts measured for the mean cost of a call.
SAMPLE = 400
#: What the night reads of the warehouse, and the columns that make a row of theirs an account's.
TABLES = (
    "marts.fct_account_signals", "marts.fct_risks", "marts.fct_account_facts", "computed.next_best_actions", "computed.account_state", "computed.requirements",
)  # fmt: skip


#: What an account is that night besides its counts: one text for each. Days to a date are the calendar's, the last day with use is a count's.
_EVENTS = """
    select account_key, 'risk ' || rule_id || ' ' || severity as happened from source.marts.fct_risks where as_of_date = '{day}' and risk_status = 'open'
    union all select account_key, 'phase ' || phase || ' ' || coalesce(open_overlays, '') from source.computed.account_state where as_of_date = '{day}'
    union all select account_key, 'action ' || requirement_id || ' ' || is_in_capacity || ' ' || (account_rank = 1)
        from source.computed.next_best_actions where as_of_date = '{day}' and status in ('open', 'cut')
    union all select account_key, metric || ' ' || scope || ' ' || status || ' ' || coalesce(value_text, '') from source.marts.fct_account_facts
        where as_of_date = '{day}' and metric not in ('last_activity_date', 'unused_feature_names', 'next_action_why') and unit in ('text', 'date')
"""


def repeat_nights(home: Path, target: Path, accounts: int, *, unchanged: bool = True) -> tuple[date, date, dict[str, int]]:
    """The newest two nights of the audited warehouse of `home`, repeated up to `accounts` accounts, as a warehouse at `target`.

    Returns their as-of dates, and how many accounts there are and in how many something happened; those are left out if `unchanged`.
    """
    from vim_pipelines.settings import Settings
    from vim_pipelines.warehouse.duckdb import DuckDBWarehouse

    with DuckDBWarehouse(target).reading(Settings(home=home).warehouse_path) as session:
        days = [row["as_of_date"] for row in session.rows("select distinct as_of_date from source.marts.fct_account_signals order by 1 desc limit 2")]
        if len(days) < 2:
            raise SystemExit(f"{home} holds one night; run `vimotion sandbox advance` and `vimotion audit` once more")
        second, first = days
        known = session.scalar("select count(*) from source.marts.fct_account_signals where as_of_date = ?", [first])
        for name, day in (("before", first), ("after", second)):
            session.execute(f"create temp table {name} as {_EVENTS.format(day=day)}")
        session.execute(
            "create temp table changed as select distinct account_key from "
            "((from before except from after) union all (from after except from before)) as different"
        )
        changed = session.scalar("select count(*) from changed")
        left_out = "and account_key not in (from changed)" if unchanged else ""
        session.execute(f"create temp table copies as select range as copy from range({-(-accounts // max(known - changed if unchanged else known, 1))})")
        session.execute(
            "create temp table keys as select account_key as old_key, account_key || '#' || copy as account_key from "
            f"(select account_key from source.marts.fct_account_signals where as_of_date = ? {left_out}), copies order by copy, old_key limit {accounts}",
            [first],
        )
        for schema in ("marts", "computed"):
            session.execute(f"create schema {schema}")
        for table in TABLES:
            session.execute(
                f"create table {table} as select keys.account_key, rows.* exclude (account_key) from source.{table} as rows "
                "inner join keys on keys.old_key = rows.account_key where as_of_date in (?, ?)",
                [first, second],
            )
    return first, second, {"accounts_of_the_sandbox": known, "in_which_something_happened": changed}


@dataclass
class CountingDrafter:
    """Stands where Claude stands: names its models, counts what would be sent, and lets the offline drafter write."""

    requests: list[Any] = field(default_factory=list)

    def model_for(self, playbook: Any) -> str:
        return model_of(playbook)

    async def draft(self, request: Any) -> Any:
        from vim_pipelines.reasoning.providers.offline import offline_result

        self.requests.append(request)
        return offline_result(request)

    async def aclose(self) -> None:
        return None


def nights(home: Path, accounts: int, folder: Path) -> dict[str, Any]:
    """Calls of the first and of the quiet night, and their cost."""
    from vim_pipelines.reasoning.run import write_drafts
    from vim_pipelines.settings import Settings
    from vim_pipelines.store import open_store
    from vim_pipelines.warehouse.duckdb import DuckDBWarehouse

    path = folder / "bench.duckdb"
    first, second, book = repeat_nights(home, path, accounts)
    settings = Settings(home=folder, weekly_capacity=10 * accounts, drafter="offline", batch_from=10**9)
    store, warehouse = open_store(settings), DuckDBWarehouse(path)
    found: dict[str, Any] = {"accounts": accounts, "nights": [str(first), str(second)], **book}
    for name, day in (("first_night", first), ("quiet_night", second)):
        writer = CountingDrafter()
        with warehouse.session() as session:  # the night before stands alone while it is the newest
            later = f"as_of_date > date '{day}'"
            for table in TABLES:
                session.execute(f"create or replace table {table.replace('.', '.later_')} as from {table} where {later}")
                session.execute(f"delete from {table} where {later}")
        report = write_drafts(warehouse, store, settings, day, datetime(day.year, day.month, day.day) + timedelta(days=1, hours=6), drafter=writer)
        with warehouse.session() as session:
            for table in TABLES:
                session.execute(f"insert into {table} from {table.replace('.', '.later_')}")
        by_document = Counter(request.playbook.id for request in writer.requests)
        found[name] = {
            "calls": len(writer.requests), "share_of_accounts": round(len({request.account_key for request in writer.requests}) / accounts, 5),
            "unchanged": report.reused, "by_document": dict(by_document.most_common()), "usd": str(cost_of(writer.requests, day)),
        }  # fmt: skip
        if name == "first_night":
            found["every_account_every_night_no_cache_usd"] = str((cost_of_a_call(writer.requests, day) * accounts).quantize(Decimal("0.01")))
    found["is_within_bar"] = found["quiet_night"]["share_of_accounts"] <= BAR_SHARE
    return found


def model_of(playbook: Any) -> str:
    """Claude's model for a document."""
    from vim_pipelines.reasoning.pricing import load_models

    return load_models().tiers["anthropic"][playbook.model_tier]


def cost_of(requests: list[Any], day: date) -> Decimal:
    """US dollars of the live calls for `requests`, as `vimotion audit --dry-run` reckons an ordinary night; without the judge."""
    from vim_pipelines.reasoning.estimate import estimate

    return (estimate(requests, model_of=model_of, day=day, batch_from=None).cost_low_usd or Decimal(0)).quantize(Decimal("0.01"))


def cost_of_a_call(requests: list[Any], day: date) -> Decimal:
    """Mean US dollars of a call that caches nothing: prompt and answer at the list price."""
    from vim_pipelines.reasoning.estimate import FEWEST_CHARACTERS
    from vim_pipelines.reasoning.pricing import Usage, load_models
    from vim_pipelines.reasoning.providers.offline import write
    from vim_pipelines.reasoning.providers.request import system_text, user_text

    catalogue, total = load_models(), Decimal(0)
    sample = requests[:: max(1, len(requests) // SAMPLE)]
    for request in sample:
        prompt = len(system_text(request)) + len(user_text(request))
        answer = len(write(request.playbook, request.sheet).model_dump_json())
        usage = Usage(input_tokens=int(prompt / FEWEST_CHARACTERS), output_tokens=int(answer / FEWEST_CHARACTERS))
        total += catalogue.spec(model_of(request.playbook)).cost(usage, day) or Decimal(0)
    return total / max(len(sample), 1)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quiet_night", description=__doc__.splitlines()[0])
    parser.add_argument("--home", type=Path, help="home folder with two audited nights of the sandbox. Default: they are made anew")
    parser.add_argument("--accounts", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        home = options.home or two_nights(folder / "home")
        flow = flows(home, folder)  # first: a child's peak begins at that of the process that starts it, and the nights take a gigabyte
        figures = nights(home, options.accounts, folder) | {"flow": flow}
    figures |= {"python": platform.python_version(), "cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1)}
    print(json.dumps(figures, indent=2))
    target = HERE / "results" / f"quiet_night-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    target.write_text(json.dumps(figures, indent=2) + "\n")
    raise SystemExit(0 if figures["is_within_bar"] else 1)


def two_nights(home: Path) -> Path:
    """Audit the sandbox of 1,000 accounts, let a day pass, audit it again, and once more."""
    command = [sys.executable, "-W", "ignore", "-m", "vim_pipelines.cli", "--home", str(home)]
    advance = ["sandbox", "advance"]
    for words in (["audit"], advance, ["audit"], advance, ["audit"]):  # the first one is a Sunday, and on Monday the queues begin anew
        measured([*command, *words], os.environ | {"VIMOTION_SANDBOX_ACCOUNTS": "1000", "VIMOTION_DUCKDB_MEMORY_LIMIT": "4GB"}, HERE.parent)
    return home


def flows(home: Path, folder: Path) -> dict[str, Any]:
    """CPU milliseconds and peak memory of an account's flow, ours and LangGraph's, each less what its process costs for no account."""
    found: dict[str, Any] = {"accounts": FLOW_ACCOUNTS}
    for flow in ("ours", "langgraph"):
        costs = {}
        for count in (0, FLOW_ACCOUNTS):
            work = folder / f"{flow}-{count}"
            work.mkdir()
            command = [
                sys.executable,
                "-W",
                "ignore",
                "-m",
                "benchmarks.draft_flow",
                flow,
                "--home",
                str(home),
                "--folder",
                str(work),
                "--accounts",
                str(count),
            ]
            try:
                costs[count] = measured(command, dict(os.environ), HERE.parent)
            except SystemExit as error:
                if "No module named 'langgraph" not in str(error):
                    raise
                found[flow] = "not installed: pip install 'value-in-motion[bench]'"
                break
        else:
            files = sum(path.stat().st_size for path in (folder / f"{flow}-{FLOW_ACCOUNTS}").rglob("*") if path.is_file())
            found[flow] = {
                "cpu_ms_per_account": round((costs[FLOW_ACCOUNTS]["cpu_seconds"] - costs[0]["cpu_seconds"]) / FLOW_ACCOUNTS * 1000, 2),
                "peak_mib": costs[FLOW_ACCOUNTS]["peak_mib"], "start_cpu_seconds": costs[0]["cpu_seconds"], "disk_mib": round(files / 2**20, 1),
            }  # fmt: skip
    return found


if __name__ == "__main__":
    main()
