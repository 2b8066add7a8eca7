"""One small sandbox for the whole slice: 60 accounts hold every truth, every twin and every dirty record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from vim_pipelines.sandbox.simulator import Simulation, simulate, write_sandbox

#: The day after the last complete day, and the first day of the 13 complete weeks before it; written out, not computed by the code under test.
TODAY = "2026-06-29"
THIRTEEN_WEEKS_AGO = "2026-03-30"


@pytest.fixture(scope="session")
def portfolio() -> Simulation:
    return simulate(seed=7, accounts=60)


@pytest.fixture(scope="session")
def sandbox(portfolio: Simulation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("sandbox")
    write_sandbox(portfolio, directory)
    return directory


@pytest.fixture(scope="session")
def truth(sandbox: Path) -> pd.DataFrame:
    frame = pd.read_parquet(sandbox / "ground_truth.parquet")
    frame["parameters"] = frame["parameters"].map(json.loads)
    return frame


class Raw:
    """The written sandbox as a stranger would read it: DuckDB over the Parquet files, first arrival of an event only, nothing from after today."""

    def __init__(self, directory: Path) -> None:
        self.connection = duckdb.connect()
        self.connection.execute("set threads = 2")
        self.connection.execute(
            f"""
            create table events as
            select * exclude (place) from (
                select *, row_number() over (partition by event_id order by recorded_at) as place
                from read_parquet('{directory}/landing/usage_events/*.parquet')
            ) where place = 1 and occurred_at < timestamp '{TODAY}'
            """
        )
        for path in sorted((directory / "source").glob("*.parquet")):
            # The table's name ends in _key for its key in all entities: the first column.
            key = pd.read_parquet(path).columns[0]
            self.connection.execute(
                f"""
                create table {path.stem} as
                select * from read_parquet('{path}') where modified_at < timestamp '{TODAY}'
                qualify row_number() over (partition by {key} order by modified_at desc) = 1
                """
            )

    def rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql, list(parameters)).fetchall()

    def value(self, sql: str, *parameters: Any) -> Any:
        return self.rows(sql, *parameters)[0][0]

    def weekly_active(self, account: str, weeks: int = 13, product: str | None = None) -> list[int]:
        """Distinct people in each of the newest complete ISO weeks, oldest first, zeros included."""
        found = dict(
            self.rows(
                f"""
                select date_diff('week', date_trunc('week', occurred_at), timestamp '{TODAY}') as weeks_ago, count(distinct user_key)
                from events where account_key = ? and (product = ? or ? is null) group by 1
                """,
                account,
                product,
                product,
            )  # fmt: skip
        )
        return [found.get(ago, 0) for ago in range(weeks, 0, -1)]

    def seats(self, account: str, product: str | None = None) -> int:
        """Contracted seats on the last complete day."""
        return int(
            self.value(
                f"""
                select coalesce(sum(seats), 0) from contract_lines
                where account_key = ? and (product = ? or ? is null) and status = 'active' and start_date < date '{TODAY}' and end_date >= date '{TODAY}' - 1
                """,
                account,
                product,
                product,
            )  # fmt: skip
        )


@pytest.fixture(scope="session")
def raw(sandbox: Path) -> Raw:
    return Raw(sandbox)
