"""`python -m benchmarks.action_queue`: seconds of the next-best-action queue of one night, reading and writing included.

Accounts are made up, with the statuses of a portfolio in which a third of the requirements is open; the second and third nights carry the
memory of the one before. The bar of issue 5 is 20 s for state and queue of 10,000 accounts on two cores; this is the queue's part of it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

FIRST_NIGHT = date(2026, 6, 22)
NIGHTS = 3
ACCOUNTS_PER_CSM = 50
SPINE = (1, 2, 3, 4, 8, 9, 10, 11)
#: Chance of each status of a requirement of the open phases, and of each rule's risk.
STATUSES = {"met": 0.50, "unmet": 0.33, "stale": 0.02, "unknown": 0.12, "waived": 0.03}
RISK_SHARE = 0.06
#: Requirements whose status is drawn anew in a night.
CHANGE_SHARE = 0.02


def fill(session: Any, accounts: int, night: date, seed: int) -> None:
    """Inputs of one night: base.int_action_stakes, and the night's partition of requirements, states and risks."""
    import numpy as np
    import pandas as pd

    from vim_pipelines.lifecycle.action_rules import load_action_rules
    from vim_pipelines.lifecycle.phases import load_map
    from vim_pipelines.lifecycle.tables import TABLES, ensure_computed_tables

    random = np.random.default_rng(0)  # the same portfolio every night
    tonight = np.random.default_rng(seed)
    lifecycle = load_map()
    keys = np.array([f"ACC-{n:06d}" for n in range(accounts)])
    numbers = np.arange(accounts)
    stakes = pd.DataFrame({
        "account_key": keys, "segment": np.array(["smb", "mid_market", "enterprise", "strategic"])[numbers % 4],
        "csm": [f"csm{n // ACCOUNTS_PER_CSM}@example.com" for n in numbers], "director": [f"director{n // 1000}@example.com" for n in numbers],
        "stake_annual": np.where(numbers % 20 == 0, np.nan, 1000.0 * (1 + numbers % 400)), "waste_annual": np.where(numbers % 7 == 0, np.nan, 50.0 * (numbers % 300)),
        "deadline_on": [FIRST_NIGHT + timedelta(days=3 + int(n * 37 % 360)) for n in numbers], "deadline_kind": "opt_out",
        "csm_hours": 12.0, "director_hours": 6.0, "data_hours": 8.0,
    })  # fmt: skip
    ensure_computed_tables(session)
    session.execute("create schema if not exists base")
    session.execute("drop table if exists base.int_action_stakes")
    session.execute("create table base.int_action_stakes (account_key varchar, segment varchar, csm varchar, director varchar, stake_annual double, waste_annual double,"
                    " deadline_on date, deadline_kind varchar, csm_hours double, director_hours double, data_hours double)")  # fmt: skip
    session.append("base.int_action_stakes", stakes)
    phases = np.array(SPINE)[numbers % len(SPINE)]
    states = pd.DataFrame({"account_key": keys, "as_of_date": night, "phase": phases, "phase_name": "", "rule_version": "benchmark"})
    session.replace_partition("computed.account_state", states, "as_of_date", night)
    ids = [(item.requirement_id, item.phase) for item in lifecycle.requirements]
    status = random.choice(list(STATUSES), size=(accounts, len(ids)), p=list(STATUSES.values()))
    status = np.where(tonight.random(status.shape) < CHANGE_SHARE, tonight.choice(list(STATUSES), size=status.shape, p=list(STATUSES.values())), status)
    requirements = pd.DataFrame({
        "account_key": np.repeat(keys, len(ids)), "as_of_date": night, "phase": np.tile([phase for _, phase in ids], accounts),
        "requirement_id": np.tile([name for name, _ in ids], accounts), "title": "", "status": status.ravel(), "is_mandatory": False,
        "evidence": "The first-value milestone was due on 2026-02-25 and is not reached.", "evidence_rows": '[{"entity":"milestone","key":"MS-123456"}]',
    })  # fmt: skip
    session.replace_partition("computed.requirements", requirements, "as_of_date", night)
    session.ensure_table(
        "computed.risks",
        {"account_key": "varchar", "as_of_date": "date", "rule_id": "varchar", "severity": "varchar", "summary": "varchar", "risk_status": "varchar"},
    )
    rules = list(load_action_rules().risks)
    rung = np.argwhere(random.random((accounts, len(rules))) < RISK_SHARE)
    risks = pd.DataFrame({
        "account_key": keys[rung[:, 0]], "as_of_date": night, "rule_id": np.array(rules)[rung[:, 1]], "severity": random.choice(["medium", "high"], len(rung)),
        "summary": "Weekly users went from 35 to 17.5 (median of 4 weeks against the 8 before).", "risk_status": "open",
    })  # fmt: skip
    session.replace_partition("computed.risks", risks, "as_of_date", night)
    assert set(states.columns) <= set(TABLES["account_state"])


def history(accounts: int) -> list[dict[str, Any]]:
    """One account in ten has a plan: a fifth of those each asked for, approved, carried out, dismissed or run out."""
    from datetime import datetime

    endings = ("pending", "approved", "applied", "dismissed", "expired")
    events = []
    for number in range(0, accounts, 10):
        request = {"request_id": f"REQ-{number}", "account_key": f"ACC-{number:06d}", "document": "risk_mitigation_plan"}
        events.append(request | {"at": datetime(2026, 6, 20, 6), "state": "pending"})
        events.append(request | {"at": datetime(2026, 6, 22, 9), "state": endings[number // 10 % len(endings)]})
    return events


def measure(accounts: int, folder: Path) -> list[dict[str, Any]]:
    """Per night: wall and CPU seconds of `fold_queue`, rows by status."""
    from vim_pipelines.lifecycle.action_queue import fold_queue
    from vim_pipelines.warehouse.duckdb import DuckDBWarehouse

    warehouse = DuckDBWarehouse(folder / "queue.duckdb")
    requests = history(accounts)
    nights = []
    for number in range(NIGHTS):
        night = FIRST_NIGHT + timedelta(days=number)
        with warehouse.session() as session:
            fill(session, accounts, night, number)
        wall, cpu = time.perf_counter(), time.process_time()
        with warehouse.session() as session:
            report = fold_queue(session, requests, night)
        nights.append(
            {
                "night": night.isoformat(),
                "wall_seconds": round(time.perf_counter() - wall, 2),
                "cpu_seconds": round(time.process_time() - cpu, 2),
                "rows": report.rows,
                **report.by_status,
            }
        )
    return nights


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.action_queue", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--accounts", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vim-bench-") as folder:
        nights = measure(options.accounts, Path(folder))
    print(
        json.dumps(
            {"accounts": options.accounts, "python": platform.python_version(), "cores": os.cpu_count(), "load": [round(value, 1) for value in os.getloadavg()]}
        )
    )
    for night in nights:
        print(json.dumps(night))


if __name__ == "__main__":
    main()
