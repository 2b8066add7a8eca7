"""A simulated portfolio straight into a warehouse's raw tables, for measurements that need many seeds.

Independent of ingestion on purpose: twenty seeds through emulators, quality gates and paging would measure those. What is measured
downstream (dbt base models, signals, lifecycle) is the real thing.
"""

from __future__ import annotations

import tempfile
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from vim_pipelines.ingestion.tables import ensure_raw_tables, raw_tables
from vim_pipelines.portfolio.entities import ENTITIES
from vim_pipelines.settings import Settings
from vim_pipelines.warehouse import Session, Warehouse, open_warehouse

if TYPE_CHECKING:
    from vim_pipelines.sandbox.simulator import Simulation

SOURCE = "simulator"


def load_simulation(session: Session, simulation: Simulation, now: datetime) -> None:
    """Fill the raw tables with what the sources show at `now` (naive UTC): every version known by then, every event of a day that is over."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    ensure_raw_tables(session)
    session.execute("delete from raw.usage_events")
    session.execute("delete from raw.entity_coverage")
    with tempfile.TemporaryDirectory() as folder:
        for entity in ENTITIES.values():
            frame = simulation.tables[entity.table]
            frame = frame[frame["modified_at"] < now]
            session.execute(f"delete from raw.{entity.table}")
            path = Path(folder) / f"{entity.table}.parquet"
            pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path)
            columns = ", ".join(
                f"cast({column} as {kind}) as {column}" for column, kind in raw_tables()[f"raw.{entity.table}"].items() if column in frame.columns
            )
            session.load_parquet(
                f"raw.{entity.table}",
                [path],
                f"select {columns}, '{SOURCE}' as source_name, modified_at as source_modified_at, modified_at as known_at, modified_at as captured_at,"
                f" md5({entity.key} || cast(modified_at as varchar)) as content_hash, false as is_deleted, 'load-1' as load_id from source",
            )
        events = simulation.usage_events
        events = events.filter(pc.less(events["recorded_at"], pa.scalar(datetime.combine(now.date(), time()), pa.timestamp("us"))))
        path = Path(folder) / "events.parquet"
        pq.write_table(events, path)
        session.load_parquet(
            "raw.usage_events",
            [path],
            "select event_id, account_key, user_key, product, feature, event_name, occurred_at, recorded_at,"
            f" '{SOURCE}' as source_name, 'events' as source_file, 1 as load_number from source",
        )
    for name in [*ENTITIES, "usage_event"]:
        session.execute(
            "insert into raw.entity_coverage (entity, is_fed, source_name, history, last_captured_at) values (?, true, ?, 'versions', ?)", [name, SOURCE, now]
        )


def build_base(settings: Settings, simulation: Simulation, as_of: date) -> Warehouse:
    """A warehouse below `settings.home` with the simulation loaded and the base models built for `as_of`."""
    from vim_pipelines.transform.project import RESERVED_SELECTIONS, run_dbt, write_profile

    warehouse = open_warehouse(settings)
    with warehouse.session() as session:
        load_simulation(session, simulation, datetime.combine(as_of + timedelta(days=1), time(6)))
    write_profile(settings, warehouse)
    run_dbt(settings, RESERVED_SELECTIONS["base"], as_of, "USD")
    return warehouse
