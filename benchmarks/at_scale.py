"""`python -m benchmarks.at_scale`: one night of a large portfolio beside one plain SQL script, at several sizes and lengths of history.

Three warehouses are made once: no accounts, a short history, the full history. Then the same night runs in each of them several times,
back to back, every part a process of its own, every time from the same files. Machines differ and neighbours make noise: quote the ratios
of one run, and the repetitions beside them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.big_portfolio import BigPortfolio
from benchmarks.processes import measured

HERE = Path(__file__).resolve().parent
NIGHT = date(2026, 6, 24)
#: The parts of a night in their order. `plain` runs after the Python steps, whose tail probabilities both sides take as given.
NIGHT_PARTS = ("base", "signals", "lifecycle", "marts", "plain")
DAYS_A_MONTH = 365.25 / 12


@dataclass
class Case:
    """One warehouse: a portfolio with a length of history, and what was measured with it."""

    name: str
    portfolio: BigPortfolio
    folder: Path
    rows: dict[str, int] = field(default_factory=dict)
    write: dict[str, float] = field(default_factory=dict)
    full_load: dict[str, Any] = field(default_factory=dict)
    nights: list[dict[str, Any]] = field(default_factory=list)
    equal: dict[str, Any] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def warehouse(self) -> Path:
        return self.home / "warehouse.duckdb"

    def part(self, name: str, as_of: date, files: Path | None = None) -> dict[str, Any]:
        """Run one part in its own process; what it cost and what it says of itself."""
        details = self.folder / f"{name}.json"
        command = [sys.executable, "-m", "benchmarks.steps", name, "--home", str(self.home), "--as-of", str(as_of), "--details", str(details)]
        cost = measured([*command, *(["--files", str(files)] if files else [])], os.environ | {"PYTHONWARNINGS": "ignore"}, HERE.parent)
        return cost | json.loads(details.read_text())

    def prepare(self, say: Any) -> None:
        """Write the files, load all but the night, run the night before: after it `warehouse.before` holds what the measured nights start from.

        What an earlier run left in the folder is used again: files that are complete, or the whole of it.
        """
        record, files, portfolio = self.folder / "prepared.json", self.folder / "files", self.portfolio
        if record.is_file():
            self.write, self.rows, self.full_load = (json.loads(record.read_text())[name] for name in ("write", "rows", "full_load"))
            return
        if not (files / "rows.json").is_file():
            # In a process of its own too: a child inherits the peak memory of the process that starts it.
            arguments = {
                "accounts": portfolio.accounts,
                "users": portfolio.users,
                "history-days": portfolio.history_days,
                "events-a-month": portfolio.events_a_month,
            }
            command = [sys.executable, "-m", "benchmarks.big_portfolio", str(files), "--night", str(portfolio.night)]
            self.write = measured([*command, *(word for name, value in arguments.items() for word in (f"--{name}", str(value)))], dict(os.environ), HERE.parent)
        self.rows = json.loads((files / "rows.json").read_text())
        say(f"{self.name}: {self.rows['history.usage_events']:,} usage rows written")
        shutil.rmtree(self.home, ignore_errors=True)
        eve = portfolio.night - timedelta(days=1)
        for name in ("load", *NIGHT_PARTS):
            self.full_load[name] = self.part(name, eve, files / "history")
            say(f"{self.name}: first night, {name} {self.full_load[name]['wall_seconds']:.1f} s, {self.full_load[name]['peak_mib']} MiB")
        self.full_load["night_load"] = self.part("load", portfolio.night, files / "night")
        self.full_load["file_gib"] = round(self.warehouse.stat().st_size / 2**30, 2)
        self.warehouse.rename(self.folder / "warehouse.before")
        record.write_text(json.dumps({"write": self.write, "rows": self.rows, "full_load": self.full_load}))

    def night(self) -> None:
        """The measured night, from the prepared file."""
        shutil.copyfile(self.folder / "warehouse.before", self.warehouse)
        self.nights.append({name: self.part(name, self.portfolio.night) for name in NIGHT_PARTS})

    def record(self) -> dict[str, Any]:
        return {
            "accounts": self.portfolio.accounts, "users": self.portfolio.users, "history_days": self.portfolio.history_days, "write": self.write, "rows": self.rows,
            "full_load": self.full_load, "nights": self.nights, "equal": self.equal,
        }  # fmt: skip


def transform_seconds(night: dict[str, Any], measure: str = "wall_seconds") -> float:
    """The two dbt runs of a night, from process start to process end."""
    return float(night["base"][measure] + night["marts"][measure])


def typical(case: Case, part: str, measure: str = "wall_seconds") -> float:
    """Median over the repetitions; `transform` is base and marts together."""
    if part == "transform":
        return statistics.median(transform_seconds(night, measure) for night in case.nights)
    return statistics.median(float(night[part][measure]) for night in case.nights)


def figures(cases: dict[str, Case]) -> dict[str, Any]:
    """The bar's figures: each from medians of one run."""
    full, empty = cases["full"], cases["empty"]
    found: dict[str, Any] = {}
    for measure in ("wall_seconds", "cpu_seconds"):
        own, at_zero, plain = typical(full, "transform", measure), typical(empty, "transform", measure), typical(full, "plain", measure)
        found[measure] = {
            "transform": own, "transform_at_zero": at_zero, "plain": plain, "plain_at_zero": typical(empty, "plain", measure), "ratio": round((own - at_zero) / plain, 2),
            "signals": typical(full, "signals", measure), "lifecycle": typical(full, "lifecycle", measure),
        }  # fmt: skip
        if "short" in cases:
            short = typical(cases["short"], "transform", measure)
            found[measure] |= {
                "transform_short_history": short,
                "plain_short_history": typical(cases["short"], "plain", measure),
                "history_ratio": round(own / short, 2),
            }
    if "held" in cases:
        held = cases["held"]
        compared = held.nights[-1]["pandas"]["figures"]
        found["pandas"] = {
            "accounts": held.portfolio.accounts, "pandas_seconds": statistics.median(night["pandas"]["night_seconds"] for night in held.nights),
            "pandas_peak_mib": max(night["pandas"]["peak_mib"] for night in held.nights), "plain_seconds": typical(held, "plain"),
            "transform_less_zero_seconds": round(typical(held, "transform") - typical(empty, "transform"), 2),
            "values_compared": sum(figure["compared"] for figure in compared.values()), "values_differing": sum(figure["differing"] for figure in compared.values()),
        }  # fmt: skip
    found["peak_mib"] = max(night[part]["peak_mib"] for night in full.nights for part in NIGHT_PARTS)
    found["peak_mib_full_load"] = max(part["peak_mib"] for part in full.full_load.values() if isinstance(part, dict))
    return found


def table(cases: dict[str, Case], found: dict[str, Any]) -> str:
    """The result for people."""
    lines = []
    for case in cases.values():
        events = case.rows["history.usage_events"]
        lines.append(f"\n{case.name}: {case.portfolio.accounts:,} accounts, {case.portfolio.history_days} days of history, {events:,} usage rows")
        load = {name: part for name, part in case.full_load.items() if isinstance(part, dict)}
        for title, parts in (("full load", [load]), ("one night", case.nights)):
            for name in [name for name in parts[0] if name != "figures"]:
                wall = [part[name]["wall_seconds"] for part in parts]
                tests = (
                    f"   models {parts[-1][name]['models_seconds']:.1f} s, tests {parts[-1][name]['tests_seconds']:.1f} s"
                    if "models_seconds" in parts[-1][name]
                    else ""
                )
                peak = max(part[name]["peak_mib"] for part in parts)
                lines.append(
                    f"  {title:<10} {name:<10} {statistics.median(wall):>8.2f} s ({min(wall):.2f}-{max(wall):.2f})"
                    f" {statistics.median([part[name]['cpu_seconds'] for part in parts]):>8.2f} s CPU {peak:>6} MiB{tests}"
                )
    wall = found["wall_seconds"]
    lines.append(
        f"\none night, transform only: ({wall['transform']:.2f} s - {wall['transform_at_zero']:.2f} s at 0 accounts) / {wall['plain']:.2f} s plain SQL = {wall['ratio']}"
    )
    lines.append(f"the same in CPU seconds: {found['cpu_seconds']['ratio']}")
    if "history_ratio" in wall:
        lines.append(f"full against short history: {wall['transform']:.2f} s / {wall['transform_short_history']:.2f} s = {wall['history_ratio']}")
    lines.append(f"peak memory of a night {found['peak_mib']} MiB, of the full load {found['peak_mib_full_load']} MiB")
    if "pandas" in found:
        held = found["pandas"]
        lines.append(
            f"pandas at {held['accounts']} accounts: {held['pandas_seconds']:.1f} s and {held['pandas_peak_mib']} MiB for its measures"
            f" ({held['values_compared']:,} values compared with the marts, {held['values_differing']} differ); the night there"
            f" {held['transform_less_zero_seconds']:.1f} s above 0 accounts for all of them, plain SQL {held['plain_seconds']:.1f} s"
        )
    for mart, result in cases["full"].equal.items():
        differ = result.get("differing") or result.get("columns_missing") or result.get("columns_not_in_mart") or result.get("unmatched")
        lines.append(f"  {mart:<28} {result.get('mart_rows', 0):>9,} rows, plain SQL {'DIFFERS: ' + str(differ) if differ else 'equal'}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.at_scale", description=__doc__.splitlines()[0])
    parser.add_argument("--accounts", type=int, default=1000)
    parser.add_argument("--users", type=int, help="default: 100 an account")
    parser.add_argument("--months", type=int, default=24)
    parser.add_argument("--short-months", type=int, default=3, help="the shorter history; 0: none")
    parser.add_argument("--rows", type=int, help="usage rows in the full history; default: 100 a user")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--held-accounts", type=int, default=500, help="accounts of the portfolio that pandas computes too; 0: none")
    parser.add_argument("--folder", type=Path, help="folder for the data, kept for the next run; default: a temporary one")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    options = parser.parse_args()
    users = options.users or 100 * options.accounts
    rows = options.rows or 100 * users

    def say(text: str) -> None:
        print(f"{datetime.now():%H:%M:%S} {text}", flush=True)

    with tempfile.TemporaryDirectory(prefix="vim-bench-") as temporary:
        folder = options.folder or Path(temporary)
        sizes = {
            "full": (options.accounts, users, options.months),
            "short": (options.accounts, users, options.short_months),
            "empty": (0, 0, options.months),
            "held": (options.held_accounts, 100 * options.held_accounts, options.months),
        }
        cases = {
            name: Case(name, BigPortfolio(accounts, people, people * rows / users / options.months, round(months * DAYS_A_MONTH), NIGHT), folder / name)
            for name, (accounts, people, months) in sizes.items()
            if months and (accounts or name == "empty")
        }
        for case in cases.values():
            case.prepare(say)
        loads = []
        for number in range(options.repeat):
            for case in cases.values():
                case.night()
                loads.append(round(os.getloadavg()[0], 1))
            if "held" in cases:
                cases["held"].nights[-1]["pandas"] = cases["held"].part("pandas", NIGHT)
            say(f"night {number + 1} of {options.repeat} measured, load {loads[-1]}")
        for case in cases.values():
            case.equal = case.part("compare", NIGHT)["marts"]
        found = figures(cases)
        record = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": {"python": platform.python_version(), "cores": os.cpu_count(), "load_during": loads},
            "figures": found,
            "cases": {name: case.record() for name, case in cases.items()},
        }
        text = table(cases, found)
    options.results.mkdir(parents=True, exist_ok=True)
    path = options.results / f"at-scale-{options.accounts}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    path.write_text(json.dumps(record, indent=1) + "\n")
    print(text)
    print(f"\nwritten to {os.path.relpath(path)}")


if __name__ == "__main__":
    main()
