"""`python -m benchmarks.ingestion`: how fast telemetry and CRM rows come in, beside what no loader can beat.

Telemetry: the whole load of a night (files looked through and hashed, rows judged, counted once a day, attributed, bookkeeping) beside
DuckDB's own `create table as select` over the same Parquet files, each a process of its own with the same memory limit, in turns. DuckDB
runs twice: as it comes, and with `preserve_insertion_order` off, which our load uses: the second is the harder measure. CRM: the client
pages through the Salesforce emulator as it is, and with 100 ms before every answer.

The machine is shared and noisy: quote the ratios of one run. `--rows 5 20 100` are millions; 100 million take 6 GB of disk and half an hour.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.processes import measured

HERE = Path(__file__).resolve().parent
ROWS_A_DAY = 137_000
FIRST_DAY = date(2024, 1, 1)
READ_AT = datetime(2027, 1, 1)
PORTFOLIO = """\
name: bench
currency: USD
sources:
  telemetry: {{kind: parquet, path: "{folder}"}}
entities:
  usage_event:
    source: telemetry
    path: "*.parquet"
    fields: {{{fields}}}
"""
FIELDS = ("event_id", "account_key", "user_key", "product", "feature", "event_name", "occurred_at", "recorded_at")


def write_telemetry(folder: Path, rows: int) -> int:
    """A file a day of arrival as a feed drops them, ROWS_A_DAY each: one event in 1,000 repeated, one in 991 without an account, one in 20 late.

    Returns the number of rows, `rows` rounded up to whole days.
    """
    import duckdb

    folder.mkdir(parents=True)
    connection = duckdb.connect()
    connection.execute("set memory_limit = '1500MB'")
    days = -(-rows // ROWS_A_DAY)
    for number in range(days):
        day = FIRST_DAY + timedelta(days=number)
        connection.execute(
            f"""copy (
                with numbered as (select i, {number} * 1000000::bigint + i as place from range({ROWS_A_DAY}) as t(i)),
                drawn as (
                    select i, hash(place) as h, hash(hash(place)) as g, case when i % 997 = 5 then hash(place - 1) else hash(place) end as id from numbered
                ),
                arrived as (select *, timestamp '{day}' + to_seconds((g % 86400)::bigint) as recorded_at, ((g >> 30) % 1000)::bigint as lateness from drawn)
                select
                    format('{{:016x}}', id) as event_id,
                    case when i % 991 = 3 then null else format('A{{:06d}}', h % 2000) end as account_key,
                    format('A{{:06d}}-U{{}}', h % 2000, (h >> 20) % 250) as user_key,
                    ['core', 'analytics', 'automation'][((g >> 10) % 3 + 1)::bigint] as product,
                    'feature_' || ((g >> 13) % 26) as feature,
                    'feature_' || ((g >> 13) % 26) as event_name,
                    recorded_at - to_seconds(case when lateness < 950 then lateness % 60 else (lateness - 950) * 8640 end) as occurred_at,
                    recorded_at
                from arrived order by recorded_at
            ) to '{folder}/recorded_date={day}.parquet' (format parquet, compression zstd)"""
        )
    connection.close()
    return days * ROWS_A_DAY


def create_table_as(files: Path, database: Path, memory_limit: str, *, ordered: bool) -> dict[str, Any]:
    """DuckDB by itself; in a process of its own."""
    import duckdb

    connection = duckdb.connect(str(database), config={"memory_limit": memory_limit})
    if not ordered:
        connection.execute("set preserve_insertion_order = false")
    connection.execute(f"create table events as select * from read_parquet('{files}/*.parquet')")
    connection.close()
    return {"file_mib": database.stat().st_size >> 20}


def load_night(files: Path, home: Path, memory_limit: str) -> dict[str, Any]:
    """The ingestion of a night over the files; in a process of its own."""
    from vim_pipelines.ingestion.ingest import ingest
    from vim_pipelines.portfolio.file import load_portfolio
    from vim_pipelines.settings import load_settings

    settings = load_settings(home=home).model_copy(update={"duckdb_memory_limit": memory_limit})
    home.mkdir(parents=True, exist_ok=True)
    file = home / "portfolio.yaml"
    file.write_text(PORTFOLIO.format(folder=files, fields=", ".join(f"{name}: {name}" for name in FIELDS)))
    report = ingest(settings, load_portfolio(file, settings), READ_AT.date() - timedelta(days=1), READ_AT)
    [usage] = report.entities
    return {
        "rows_read": usage.rows_read,
        "rows_added": usage.versions_added,
        "rows_repeated": usage.rows_repeated,
        "file_mib": settings.warehouse_path.stat().st_size >> 20,
    }


PARTS = {
    "ctas": lambda files, place, limit: create_table_as(files, place, limit, ordered=True),
    "ctas_unordered": lambda files, place, limit: create_table_as(files, place, limit, ordered=False),
    "load": load_night,
}


def telemetry(rows: int, folder: Path, memory_limit: str, say: Any) -> dict[str, Any]:
    """One size: what each part cost and the ratios of the load to DuckDB alone; leaves nothing in `folder`."""
    files = folder / f"files-{rows}"
    found: dict[str, Any] = {"rows": write_telemetry(files, rows)}
    found["parquet_mib"] = sum(path.stat().st_size for path in files.iterdir()) >> 20
    for part in PARTS:
        place = folder / f"place-{part}"
        details = folder / "details.json"
        command = [sys.executable, "-m", "benchmarks.ingestion", "--part", part, "--files", str(files), "--place", str(place), "--memory", memory_limit]
        cost = measured([*command, "--details", str(details)], os.environ | {"PYTHONWARNINGS": "ignore"}, HERE.parent)
        found[part] = cost | json.loads(details.read_text()) | {"rows_per_second": round(found["rows"] / cost["wall_seconds"])}
        say(f"{rows:,} rows, {part}: {cost['wall_seconds']} s wall, {cost['cpu_seconds']} s CPU, {cost['peak_mib']} MiB")
        shutil.rmtree(place, ignore_errors=True)
        place.unlink(missing_ok=True)
    shutil.rmtree(files)
    for part in ("ctas", "ctas_unordered"):
        found[f"load_to_{part}"] = {measure: round(found["load"][measure] / found[part][measure], 2) for measure in ("wall_seconds", "cpu_seconds")}
    return found


def crm_paging(folder: Path, accounts: int, delay_seconds: float) -> dict[str, Any]:
    """Rows a second of every Contact of the sandbox's Salesforce emulator, read page by page over loopback, answers held back by `delay_seconds`."""
    import httpx
    from pydantic import SecretStr

    from vim_pipelines.ingestion.readers import open_reader
    from vim_pipelines.portfolio.file import load_portfolio
    from vim_pipelines.sandbox.emulators.run import start_emulators
    from vim_pipelines.sandbox.simulator.files import write_sandbox
    from vim_pipelines.sandbox.simulator.generate import simulate
    from vim_pipelines.settings import load_settings

    settings = load_settings(home=folder / "crm-home")
    if not settings.sandbox_dir.exists():
        write_sandbox(simulate(accounts=accounts, weeks=40), settings.sandbox_dir)
    with start_emulators(settings.sandbox_dir, vendors=("salesforce",)) as running:
        settings = settings.model_copy(update={name: SecretStr(value) if name.endswith("secret") else value for name, value in running.credentials.items()})
        portfolio = load_portfolio(None, settings)
        if delay_seconds:
            plan = {"path": ".", "times": 1_000_000, "delay_seconds": delay_seconds}
            httpx.post(f"{running.url('salesforce')}/_sandbox/faults", json=plan, trust_env=False).raise_for_status()
        rows, started = 0, time.monotonic()
        reader = open_reader("salesforce", settings, READ_AT)
        try:
            for name in ("account", "contact", "contract_line", "opportunity", "meeting", "task"):
                rows += sum(1 for _ in reader.read(name, portfolio.entities[name], None).records)
        finally:
            reader.close()
        seconds = time.monotonic() - started
    return {"delay_seconds": delay_seconds, "rows": rows, "wall_seconds": round(seconds, 2), "rows_per_second": round(rows / seconds)}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ingestion", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=float, nargs="*", default=[5, 20], help="millions of telemetry rows")
    parser.add_argument("--memory", default="2GB", help="DuckDB's memory_limit, of all parts")
    parser.add_argument("--crm-accounts", type=int, default=400, help="accounts of the emulated CRM; 0 leaves it out")
    parser.add_argument("--folder", type=Path, help="where the files are made (and deleted); default a temporary folder")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder of the JSON results")
    parser.add_argument("--part", choices=list(PARTS), help=argparse.SUPPRESS)
    for name in ("--files", "--place", "--details"):
        parser.add_argument(name, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        options.details.write_text(json.dumps(PARTS[options.part](options.files, options.place, options.memory)))
        return
    say = lambda text: print(text, flush=True)  # noqa: E731
    with tempfile.TemporaryDirectory(prefix="vim-bench-", dir=options.folder) as folder:
        sizes = [telemetry(int(millions * 1_000_000), Path(folder), options.memory, say) for millions in options.rows]
        paging = [crm_paging(Path(folder), options.crm_accounts, delay) for delay in (0.0, 0.1)] if options.crm_accounts else []
    machine = {"python": platform.python_version(), "cores": os.cpu_count(), "load": [round(value, 1) for value in os.getloadavg()]}
    record = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine,
        "memory_limit": options.memory,
        "telemetry": sizes,
        "crm_paging": paging,
    }
    options.results.mkdir(parents=True, exist_ok=True)
    path = options.results / f"ingestion-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    path.write_text(json.dumps(record, indent=2) + "\n")
    for size in sizes:
        say(f"{size['rows']:,} rows: the load takes {size['load_to_ctas']} of DuckDB's CTAS, {size['load_to_ctas_unordered']} of its unordered one")
    for page in paging:
        say(f"CRM at {page['delay_seconds']} s: {page['rows_per_second']:,} rows/s")
    say(f"written to {os.path.relpath(path)}")


if __name__ == "__main__":
    main()
