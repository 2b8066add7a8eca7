"""The parts of a night as processes of their own: `python -m benchmarks.steps PART --home ... --as-of ...`; details go to a JSON file.

A part that ran in the process of another would hide its memory behind the other's peak and its imports behind the other's start.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from vim_pipelines.settings import Settings

CURRENCY = "USD"


def load(settings: Settings, as_of: date, files: Path) -> dict[str, Any]:
    """Append the Parquet files below `files` to the raw tables by the warehouse's own reader, a session a file; rows per table."""
    from vim_pipelines.ingestion.tables import ensure_raw_tables, raw_tables
    from vim_pipelines.lifecycle.tables import ensure_computed_tables as ensure_lifecycle_tables
    from vim_pipelines.portfolio.entities import ENTITIES
    from vim_pipelines.signals.tables import ensure_computed_tables
    from vim_pipelines.transform.project import write_profile
    from vim_pipelines.warehouse import open_warehouse

    warehouse = open_warehouse(settings)
    write_profile(settings, warehouse)
    with warehouse.session() as session:
        ensure_raw_tables(session)
        ensure_computed_tables(session)
        ensure_lifecycle_tables(session)
    rows: dict[str, int] = {}
    for table, columns in raw_tables().items():
        for file in sorted((files / table.removeprefix("raw.")).glob("*.parquet")):
            select = ", ".join(column if column in _columns(file) else f"cast(null as {kind}) as {column}" for column, kind in columns.items())
            with warehouse.session() as session:
                rows[table] = rows.get(table, 0) + session.load_parquet(table, [file], f"select {select} from source")
    captured = datetime(as_of.year, as_of.month, as_of.day) + timedelta(days=1, hours=2)
    with warehouse.session() as session:
        session.execute("delete from raw.entity_coverage")
        for entity in [*ENTITIES, "usage_event"]:
            table = "usage_events" if entity == "usage_event" else ENTITIES[entity].table
            session.execute("insert into raw.entity_coverage values (?, true, 'bench', 'versions', ?)", [entity, captured])
            added = rows.get(f"raw.{table}", 0)
            session.execute(
                "insert into raw.loads (load_id, source_name, entity, as_of_date, rows_read, versions_added, rows_quarantined, rows_unattributed, cursor_value, status, captured_at) values (?, 'bench', ?, ?, ?, ?, 0, 0, null, 'ok', ?)",
                [f"load-{as_of:%Y%m%d}", entity, as_of, added, added, captured],
            )
    return {"rows": rows}


def _columns(file: Path) -> set[str]:
    import pyarrow.parquet as pq

    return set(pq.read_schema(file).names)


def dbt(selection: str) -> Callable[..., dict[str, Any]]:
    """A part that runs one of the fixed dbt selections; seconds per node, and their sum in models (with seeds) and in tests."""

    def run(settings: Settings, as_of: date, files: Path) -> dict[str, Any]:
        from vim_pipelines.transform.project import RESERVED_SELECTIONS, run_dbt

        nodes = run_dbt(settings, RESERVED_SELECTIONS[selection], as_of, CURRENCY).nodes
        seconds = {node.unique_id: round(node.seconds, 3) for node in nodes}
        tests = sum(value for name, value in seconds.items() if name.startswith("test."))
        return {"tests_seconds": round(tests, 2), "models_seconds": round(sum(seconds.values()) - tests, 2), "nodes": seconds}

    return run


def signals(settings: Settings, as_of: date, files: Path) -> dict[str, Any]:
    from vim_pipelines.lifecycle.handoff_run import audit_handoffs
    from vim_pipelines.signals.run import compute_signals
    from vim_pipelines.warehouse import open_warehouse

    with open_warehouse(settings).session() as session:
        audit_handoffs(session, as_of)
        report = compute_signals(session, as_of)
    return {"rows": report.rows, "risks_by_rule": report.risks_by_rule}


def lifecycle(settings: Settings, as_of: date, files: Path) -> dict[str, Any]:
    from vim_pipelines.lifecycle.run import fold_states
    from vim_pipelines.warehouse import open_warehouse

    with open_warehouse(settings).session() as session:
        return {"rows": fold_states(session, [], as_of).rows}


def plain(settings: Settings, as_of: date, files: Path) -> dict[str, Any]:
    """plain.sql in one connection of its own, with the pipeline's memory limit; seconds per statement that took any."""
    from benchmarks.plain import run_plain

    return {"statements": run_plain(settings, as_of)}


def compare(settings: Settings, as_of: date, files: Path) -> dict[str, Any]:
    from benchmarks.plain import compare_marts

    return {"marts": compare_marts(settings, as_of)}


def pandas(settings: Settings, as_of: date, files: Path) -> dict[str, Any]:
    """The measures of pandas_night.py, timed without the comparison with the marts that follows."""
    from benchmarks.pandas_night import compare_pandas, pandas_night

    started = time.monotonic()
    frames = pandas_night(settings, as_of)
    return {"night_seconds": round(time.monotonic() - started, 2), "figures": compare_pandas(settings, as_of, frames)}


PARTS: dict[str, Callable[[Settings, date, Path], dict[str, Any]]] = {
    "load": load,
    "base": dbt("base"),
    "signals": signals,
    "lifecycle": lifecycle,
    "marts": dbt("marts"),
    "plain": plain,
    "compare": compare,
    "pandas": pandas,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.steps", description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=list(PARTS))
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--as-of", type=date.fromisoformat, required=True)
    parser.add_argument("--files", type=Path, default=Path())
    parser.add_argument("--details", type=Path, required=True, help="JSON file for what the part reports")
    options = parser.parse_args()
    started = time.monotonic()
    details = PARTS[options.part](Settings(home=options.home), options.as_of, options.files)
    options.details.write_text(json.dumps({"inside_seconds": round(time.monotonic() - started, 2)} | details))


if __name__ == "__main__":
    main()
