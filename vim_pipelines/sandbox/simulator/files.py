"""The sandbox on disk: all of the simulated time, and a clock that decides how much of it the sources show.

Layout under the sandbox directory:

    source/TABLE.parquet                            every version, including those of the coming days
    telemetry/recorded_date=DAY[-partK].parquet     usage events by day of arrival, including the coming days
    landing/usage_events/                           the revealed days, as a telemetry feed would drop them (hard links or copies)
    files/license_assignments.parquet, fx_rates.csv the revealed state of the two sources that are files
    ground_truth.parquet, lifecycle_truth.parquet, parameters.json, clock.json

A day of telemetry is landed when it is over: at 06:00 on the 29th the newest file is that of the 28th.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import asdict
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vim_pipelines.core.errors import VimError
from vim_pipelines.sandbox.simulator.catalog import SANDBOX_HOUR
from vim_pipelines.sandbox.simulator.generate import CHUNK_ACCOUNTS, Simulation, simulate_chunks
from vim_pipelines.sandbox.simulator.lifecycle_truth import lifecycle_frame
from vim_pipelines.sandbox.simulator.plan import Parameters
from vim_pipelines.sandbox.simulator.rows import ENTITY_BY_TABLE, arrow_schema
from vim_pipelines.sandbox.simulator.truth import event_dirt_rows, truth_frame
from vim_pipelines.sandbox.simulator.usage import MICROSECONDS_PER_DAY, microseconds

if TYPE_CHECKING:
    import pyarrow as pa

#: Raised when the same parameters make different data, so that an installation's old sandbox is made again.
LAYOUT_VERSION = 4
#: State of the emulators: it answers for rows of a sandbox that is gone, so it goes with it.
EMULATOR_STATE = ("salesforce.db", "zendesk.db", "hubspot.db", "planhat.db", "google_sheets.db")


def write_sandbox(simulation: Simulation | Iterable[Simulation], directory: Path) -> None:
    """Write a simulation (or its chunks, in order) to `directory` and reveal it up to the simulated today, 06:00.

    Replaces whatever sandbox was there, emulator state included. `parameters.json` is written last: without it a sandbox is
    unfinished and `ensure_sandbox` makes it again. Nothing outside `directory` is touched.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    clear(directory)
    for folder in ("source", "telemetry", "landing/usage_events", "files"):
        (directory / folder).mkdir(parents=True, exist_ok=True)
    writers = {table: pq.ParquetWriter(directory / "source" / f"{table}.parquet", arrow_schema(table)) for table in ENTITY_BY_TABLE}
    truths: list[dict[str, Any]] = []
    lifecycle: list[dict[str, Any]] = []
    dirt: dict[str, int] = {}
    parameters: Parameters | None = None
    try:
        for chunk in [simulation] if isinstance(simulation, Simulation) else simulation:
            parameters = chunk.parameters
            for table, frame in chunk.tables.items():
                writers[table].write_table(pa.Table.from_pandas(frame, schema=arrow_schema(table), preserve_index=False))
            _write_telemetry(chunk, directory / "telemetry")
            truths += chunk.truth_rows
            lifecycle += chunk.lifecycle_rows
            dirt = {name: dirt.get(name, 0) + count for name, count in chunk.event_dirt.items()}
    finally:
        for writer in writers.values():
            writer.close()
    if parameters is None:
        raise ValueError("there is no chunk to write")
    pq.write_table(_truth_table(truths + event_dirt_rows(parameters, dirt)), directory / "ground_truth.parquet")
    lifecycle_frame(lifecycle).to_parquet(directory / "lifecycle_truth.parquet", index=False)
    reveal(directory, datetime.combine(parameters.today, time(SANDBOX_HOUR)))
    _write_json(directory / "parameters.json", _identity(parameters))


def ensure_sandbox(directory: Path, seed: int = 7, accounts: int = 200, weeks: int = 104, chunk_accounts: int = CHUNK_ACCOUNTS) -> bool:
    """Make the sandbox unless one with these parameters is there; True if it was made. An existing sandbox keeps its clock."""
    parameters = Parameters(seed, accounts, weeks)
    if _read_json(directory / "parameters.json") == _identity(parameters) and (directory / "clock.json").is_file():
        return False
    write_sandbox(simulate_chunks(parameters, chunk_accounts), directory)
    return True


def read_clock(directory: Path) -> datetime:
    """The sandbox's now, naive UTC. Raises VIM-E018 if there is no sandbox."""
    clock = _read_json(directory / "clock.json")
    if clock is None:
        raise VimError(
            "VIM-E018",
            "The sandbox has no clock",
            why="It was never made, or making it was interrupted",
            fix="Run `vimotion sandbox` or `make audit` to make it",
        )
    return datetime.fromisoformat(clock["now"])


def reveal(directory: Path, now: datetime) -> None:
    """Set the clock to `now` (naive UTC) and land exactly what is known by then, in either direction of time.

    Safe to repeat after an interruption: the clock is written last, and every file is replaced as a whole.
    """
    landing = directory / "landing" / "usage_events"
    landing.mkdir(parents=True, exist_ok=True)
    visible = {path.name: path for path in sorted((directory / "telemetry").glob("recorded_date=*.parquet")) if _recorded_date(path) < now.date()}
    for path in landing.iterdir():
        if path.name not in visible:
            path.unlink()
    landed = {path.name for path in landing.iterdir()}
    for name in sorted(visible.keys() - landed):
        _link_or_copy(visible[name], landing / name)
    _write_files(directory, now)
    _write_json(directory / "clock.json", {"now": now.isoformat()})


def advance(directory: Path, days: int = 1) -> datetime:
    """Move the clock on and reveal what the days brought; returns the new now. Raises VIM-E024 beyond the simulated future."""
    now = read_clock(directory) + timedelta(days=days)
    newest = max((_recorded_date(path) for path in (directory / "telemetry").glob("recorded_date=*.parquet")), default=date.min)
    if now.date() > newest + timedelta(days=1):
        raise VimError(
            "VIM-E024",
            f"The sandbox ends on {newest.isoformat()}",
            why=f"Its clock cannot move to {now.date().isoformat()}",
            fix="Make a new sandbox, or move by fewer days",
        )
    reveal(directory, now)
    return now


def clear(directory: Path) -> None:
    """Remove a sandbox's own files from `directory` and leave everything else there alone."""
    (directory / "parameters.json").unlink(missing_ok=True)
    for folder in ("source", "telemetry", "landing", "files"):
        if (directory / folder).exists():
            shutil.rmtree(directory / folder)
    for state in EMULATOR_STATE:
        for suffix in ("", "-wal", "-shm", "-journal"):
            (directory / (state + suffix)).unlink(missing_ok=True)
    for name in ("ground_truth.parquet", "lifecycle_truth.parquet", "clock.json"):
        (directory / name).unlink(missing_ok=True)


def _write_telemetry(chunk: Simulation, folder: Path) -> None:
    """One file for each day of arrival; chunks after the first get files of their own beside it."""
    import numpy as np
    import pyarrow.parquet as pq

    window = chunk.parameters.window
    usage = chunk.usage
    days = window.days
    edges = np.searchsorted(usage.recorded, [microseconds(day) for day in [*days, window.end]])
    # Events of the hours before the window's first midnight do not exist; every recorded event is in some day.
    for day, first, last in zip(days, edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        suffix = "" if chunk.number == 0 else f"-part{chunk.number}"
        if first == last and suffix:
            continue
        table = usage.take(slice(first, last)).table()
        pq.write_table(table, folder / f"recorded_date={day.isoformat()}{suffix}.parquet", compression="zstd")
    assert usage.recorded.size == 0 or usage.recorded[0] >= microseconds(window.start) - MICROSECONDS_PER_DAY


def _write_files(directory: Path, now: datetime) -> None:
    """Current state of the two sources that are files: the newest version of each key that is known at `now`."""
    import pyarrow as pa
    import pyarrow.csv as pacsv
    import pyarrow.parquet as pq

    files = directory / "files"
    files.mkdir(parents=True, exist_ok=True)
    for table, name in (("license_assignments", "license_assignments.parquet"), ("fx_rates", "fx_rates.csv")):
        key = ENTITY_BY_TABLE[table].key
        rows = pq.read_table(directory / "source" / f"{table}.parquet", filters=[("modified_at", "<", now)]).to_pandas(date_as_object=True)
        newest = rows.sort_values([key, "modified_at"], kind="stable").drop_duplicates(key, keep="last")
        state = pa.Table.from_pandas(newest, schema=arrow_schema(table), preserve_index=False)
        part = files / f".{name}.part"
        if name.endswith(".csv"):
            pacsv.write_csv(state, part, pacsv.WriteOptions(quoting_style="needed"))
        else:
            pq.write_table(state, part)
        part.replace(files / name)


def _truth_table(rows: list[dict[str, Any]]) -> pa.Table:
    import pyarrow as pa

    text = pa.string()
    schema = pa.schema(
        [
            ("account_key", text), ("truth", text), ("from_date", pa.date32()), ("expected", pa.float64()), ("parameters", text),
            ("mirrors_account_key", text), ("mirrors_truth", text),
        ]
    )  # fmt: skip
    return pa.Table.from_pandas(truth_frame(rows), schema=schema, preserve_index=False)


def _recorded_date(path: Path) -> date:
    return date.fromisoformat(path.name.removeprefix("recorded_date=")[:10])


def _link_or_copy(source: Path, target: Path) -> None:
    """A hard link costs nothing; where the file system has none (or the folder is a mount of its own) a copy does."""
    try:
        os.link(source, target)
    except OSError:
        part = target.with_name(f".{target.name}.part")
        shutil.copyfile(source, part)
        part.replace(target)


def _identity(parameters: Parameters) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, date) else value for name, value in asdict(parameters).items()} | {"layout": LAYOUT_VERSION}


def _write_json(path: Path, value: dict[str, Any]) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    part.replace(path)


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):
        return None
