"""The comparison of the emulator's tests on a real Snowflake account: `make parity-live`.

    make parity-live DATABASE=VIM_PARITY

Needs the SNOWFLAKE_* settings and a database of its own, which must hold nothing (an administrator makes it once:
`create transient database vim_parity`; the role needs usage and create schema on it). Runs every macro's awkward cases, builds a small
simulated portfolio on Snowflake and in a DuckDB file, compares every mart and every computed table row by row, prints what differs, and drops
the schemas it made. Exit status: 0 equal, 1 different, 2 refused. Never run against a real account by this project's authors; its
test runs it against the emulator from end to end.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from benchmarks.parity_macros import cases_that_differ
from benchmarks.parity_nights import compare_warehouses, fill_store, keep_card, prepare, project_marts, run_night, run_operations, silently_empty
from benchmarks.planted import load_simulation
from vim_pipelines.core.errors import VimError
from vim_pipelines.evaluation.parity import summary
from vim_pipelines.sandbox.simulator import SANDBOX_TODAY, simulate
from vim_pipelines.settings import Settings, load_settings
from vim_pipelines.warehouse import Warehouse, open_warehouse
from vim_pipelines.warehouse.base import SCHEMAS

#: Tables that the simulated portfolio leaves empty, and why.
EMPTY = {"marts.fct_user_last_seen": "the simulator makes no account of fewer than ten seats"}
#: Made before anything else: a database that holds it is ours, left over from a run that was killed.
MARKER = "raw.vim_parity_scratch"


def refuse_unless_empty(warehouse: Warehouse, database: str) -> None:
    """Raise VIM-E021 if the database holds any table or view, or one of our schemas, unless they are left over from a killed run of this script."""
    with warehouse.session(read_only=True) as session:
        tables = [
            f"{row['s'].lower()}.{row['n'].lower()}"
            for row in session.rows("select table_schema as s, table_name as n from information_schema.tables where table_schema <> 'INFORMATION_SCHEMA'")
        ]
        schemas = [row["s"].lower() for row in session.rows("select schema_name as s from information_schema.schemata")]
    foreign = [name for name in tables if name.split(".")[0] not in SCHEMAS]
    if MARKER in tables and not foreign:
        return
    found = foreign or tables or [name for name in schemas if name in SCHEMAS]
    if found:
        raise VimError(
            "VIM-E021",
            f"The database {database} is not empty",
            why=f"it holds {', '.join(sorted(found)[:5])}{' and more' if len(found) > 5 else ''}, and this comparison drops the schemas {', '.join(SCHEMAS)} when it ends",
            fix="Make a database for it alone (create transient database vim_parity) and name it with DATABASE=",
        )


@contextmanager
def scratch(warehouse: Warehouse, database: str, *, keep: bool) -> Iterator[None]:
    """The database with our schemas, empty; dropped again at the end unless `keep`."""
    refuse_unless_empty(warehouse, database)
    drop_schemas(warehouse)
    with warehouse.session() as session:
        session.ensure_table(MARKER, {"started_at": "timestamp"})
    try:
        yield
    finally:
        if not keep:
            drop_schemas(warehouse)


def drop_schemas(warehouse: Warehouse) -> None:
    with warehouse.session(read_only=True) as session:  # a session that may write would make the schemas again
        for schema in SCHEMAS:
            session.execute(f"drop schema if exists {schema} cascade")


def main(arguments: Sequence[str] | None = None, **overrides: object) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", default="VIM_PARITY", help="database that is used and emptied, instead of SNOWFLAKE_DATABASE")
    parser.add_argument("--accounts", type=int, default=20, help="accounts of the simulated portfolio, at least 20 (default 20)")
    parser.add_argument("--weeks", type=int, default=52, help="weeks of history (default 52)")
    parser.add_argument("--nights", type=int, default=2, help="nights in a row (default 2: the incremental way is compared too)")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--keep", action="store_true", help="leave the schemas behind, to look at")
    given = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="vim-parity-") as folder:
            home = Path(folder)
            settings = load_settings(home=home / "snowflake", warehouse="snowflake", snowflake_database=given.database, **overrides)
            with scratch(open_warehouse(settings), given.database, keep=given.keep):
                return compare(settings, Settings(home=home / "duckdb"), home, given)  # type: ignore[call-arg]
    except VimError as error:
        print(error)
        return 2


def compare(snowflake: Settings, duckdb: Settings, home: Path, given: argparse.Namespace) -> int:
    """Build both, compare, print; 0 if nothing differs."""
    as_of = SANDBOX_TODAY
    simulation = simulate(seed=given.seed, accounts=given.accounts, weeks=given.weeks)
    store = fill_store(home, sorted(simulation.tables["accounts"]["account_key"].unique()), as_of)
    wrong: list[str] = []
    for settings in (duckdb, snowflake):
        warehouse, began = open_warehouse(settings), time.monotonic()
        prepare(settings, warehouse)
        wrong += [f"macro on {settings.warehouse}: {line}" for line in cases_that_differ(settings, warehouse)]
        with warehouse.session() as session:
            load_simulation(session, simulation, datetime.combine(as_of + timedelta(days=1), datetime.min.time()))
        keep_card(warehouse, as_of)
        for back in reversed(range(given.nights)):
            run_night(settings, warehouse, as_of - timedelta(days=back))
        run_operations(settings, warehouse, store, as_of)
        print(f"{settings.warehouse}: {given.nights} nights of {given.accounts} accounts in {time.monotonic() - began:.0f} s")
    counts, differences = compare_warehouses(project_marts(duckdb), open_warehouse(duckdb), open_warehouse(snowflake))
    for table, rows in counts.items():
        count = sum(entry.mart == table for entry in differences)
        print(f"{table:45} {rows:8} rows  {'equal' if not count else f'{count} differences'}")
    wrong += [f"{table}: no rows to compare" for table in silently_empty(counts, EMPTY)]
    if differences:
        wrong.append(summary(differences))
    print("\n".join(wrong) if wrong else "Both warehouses hold the same rows.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
