"""The state of one night at any number of accounts: `python -m benchmarks.lifecycle --home .vimotion --accounts 10000`.

Takes the evidence of an audited warehouse (the sandbox's, after `make audit`), repeats its accounts until there are enough, and times the
lifecycle's step on two nights: the first, which walks every gate, and a second, which starts from the states of the first. Beside it
stands the plain work that no judging can avoid: reading that evidence and writing as many rows. Seconds of this process's CPU count,
because another program on the machine must not change the figure.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from vim_pipelines.lifecycle.evidence import COMPUTED_EVIDENCE, EVIDENCE_MODELS
from vim_pipelines.lifecycle.run import fold_states
from vim_pipelines.lifecycle.tables import TABLES, ensure_computed_tables
from vim_pipelines.settings import Settings
from vim_pipelines.warehouse.duckdb import DuckDBSession, DuckDBWarehouse

#: The bar of both halves of the step, state and queue, at 10,000 accounts.
BAR_SECONDS = 20.0


def measure(home: Path, accounts: int) -> dict[str, Any]:
    """CPU and wall seconds of two nights and of the plain work, and the rows that a night writes."""
    with tempfile.TemporaryDirectory() as folder:
        warehouse = DuckDBWarehouse(Path(folder) / "bench.duckdb")
        with warehouse.reading(Settings(home=home).warehouse_path) as session:
            as_of = copy_evidence(session, accounts)
        figures: dict[str, Any] = {"accounts": accounts}
        with warehouse.session() as session:
            for name, day in (("first_night", as_of), ("second_night", as_of + timedelta(days=1))):
                seconds = Stopwatch()
                report = fold_states(session, [], day)
                figures[name] = seconds.read() | {"rows": report.rows}
            seconds = Stopwatch()
            plain_work(session, as_of)
            figures["plain_work"] = seconds.read()
    figures["ratio_cpu"] = round(figures["second_night"]["cpu_seconds"] / figures["plain_work"]["cpu_seconds"], 2)
    figures["is_within_bar"] = max(figures[name]["cpu_seconds"] for name in ("first_night", "second_night")) < BAR_SECONDS
    return figures


class Stopwatch:
    """CPU and wall seconds since it was made."""

    def __init__(self) -> None:
        self.cpu, self.wall = time.process_time(), time.monotonic()

    def read(self) -> dict[str, float]:
        return {"cpu_seconds": round(time.process_time() - self.cpu, 2), "wall_seconds": round(time.monotonic() - self.wall, 2)}


def copy_evidence(session: DuckDBSession, accounts: int) -> date:
    """Make the evidence of `accounts` accounts out of the attached `source`, each repeated under keys of its own; returns its as-of date."""
    as_of: date = session.scalar("select max(as_of_date) from source.computed.account_state")
    known = session.scalar("select count(*) from source.base.int_lifecycle_evidence")
    session.execute("create schema base")
    session.execute("create schema computed")
    session.execute(f"create temp table copies as select range as copy from range({-(-accounts // known)})")
    session.execute(
        "create temp table keys as select account_key as old_key, account_key || '#' || copy as account_key from source.base.int_lifecycle_evidence, copies "
        f"order by copy, old_key limit {accounts}"
    )
    tables = [f"base.{model}" for model in EVIDENCE_MODELS]
    tables += [f"computed.{name}" for name in (*COMPUTED_EVIDENCE, "risks", "account_scores") if _is_there(session, name)]
    for table in tables:
        session.execute(
            f"create table {table} as select keys.account_key, source_rows.* exclude (account_key) from source.{table} as source_rows "
            "inner join keys on keys.old_key = source_rows.account_key"
        )
    return as_of


def _is_there(session: DuckDBSession, name: str) -> bool:
    sql = "select count(*) from information_schema.tables where table_catalog = 'source' and table_schema = 'computed' and table_name = ?"
    return bool(session.scalar(sql, [name]))


def plain_work(session: DuckDBSession, as_of: date) -> None:
    """Read the evidence of a night as JSON, and write the rows of a night once more, without judging anything."""
    for row in session.rows("select facts, risks from computed.lifecycle_evidence where as_of_date = ?", [as_of]):
        json.loads(row["facts"]), json.loads(row["risks"])
    ensure_computed_tables(session)
    for table in TABLES:
        frame = session.query(f"select * from computed.{table} where as_of_date = ?", [as_of])
        session.execute(f"create temp table copy_of_{table} as from computed.{table} limit 0")
        session.append(f"copy_of_{table}", frame)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lifecycle", description=__doc__.splitlines()[0])
    parser.add_argument("--home", type=Path, default=Path(".vimotion"), help="home folder of an audited warehouse")
    parser.add_argument("--accounts", type=int, default=10_000)
    options = parser.parse_args()
    print(json.dumps(measure(options.home, options.accounts), indent=2))


if __name__ == "__main__":
    main()
