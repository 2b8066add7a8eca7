"""`python -m benchmarks.nightly`: how long each stage of the sandbox's night takes, from ingestion to the published copy.

The machine is shared and noisy: quote the ratios. Wall time of a stage comes from Dagster's own event log, CPU time and peak memory
of the whole night from the operating system's account of the finished process and its children.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.processes import measured

HERE = Path(__file__).resolve().parent
SIZES = (200, 2000)
WEEKS = 104


def stages(home: Path) -> dict[str, dict[str, float]]:
    """Wall seconds of each step of the newest run, and how much of a dbt step is not spent in its models and tests."""
    import dagster as dg

    found: dict[str, dict[str, float]] = {}
    with dg.DagsterInstance.from_config(str((home / "dagster").resolve())) as instance:
        record = instance.get_run_records(limit=1)[0]
        begun: dict[str, float] = {}
        for entry in instance.all_logs(record.dagster_run.run_id):
            event = entry.dagster_event
            if event is None or event.step_key is None:
                continue
            stage = found.setdefault(event.step_key, {"wall_seconds": 0.0, "in_models_seconds": 0.0})
            if event.event_type_value == "STEP_START":
                begun[event.step_key] = entry.timestamp
            elif event.event_type_value in ("STEP_SUCCESS", "STEP_FAILURE"):
                stage["wall_seconds"] = round(entry.timestamp - begun[event.step_key], 2)
            elif event.event_type_value in ("ASSET_MATERIALIZATION", "ASSET_CHECK_EVALUATION"):
                metadata = (
                    event.step_materialization_data.materialization.metadata if event.is_step_materialization else event.asset_check_evaluation_data.metadata
                )
                duration = metadata.get("Execution Duration")
                stage["in_models_seconds"] += float(duration.value) if duration is not None else 0.0
    for name, stage in found.items():
        if not name.startswith("dbt_"):
            del stage["in_models_seconds"]
        else:
            stage["in_models_seconds"] = round(stage["in_models_seconds"], 2)
    return found


def one_size(accounts: int, folder: Path) -> dict[str, Any]:
    """First night, and second night with one more day, for one portfolio size."""
    home = folder / f"home-{accounts}"
    environment = os.environ | {"VIMOTION_SANDBOX_ACCOUNTS": str(accounts), "VIMOTION_SANDBOX_WEEKS": str(WEEKS), "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-m", "vim_pipelines.cli", "--home", str(home)]
    sandbox = measured([*command, "sandbox", "up", "--", "true"], environment, folder)
    first = measured([*command, "audit"], environment, folder)
    first_stages = stages(home)
    measured([*command, "sandbox", "advance"], environment, folder)
    second = measured([*command, "audit"], environment, folder)
    return {
        "accounts": accounts,
        "weeks": WEEKS,
        "simulate": sandbox,
        "first_night": first | {"stages": first_stages} | start_up(first, first_stages),
        "second_night": second | {"stages": (later := stages(home))} | start_up(second, later),
    }


def start_up(night: dict[str, float], steps: dict[str, dict[str, float]]) -> dict[str, float]:
    """Seconds outside any step (imports, definitions, emulators) plus the part of each dbt step that is not spent in its models, and their share."""
    outside = night["wall_seconds"] - sum(stage["wall_seconds"] for stage in steps.values())
    around_models = sum(stage["wall_seconds"] - stage["in_models_seconds"] for stage in steps.values() if "in_models_seconds" in stage)
    seconds = outside + around_models
    return {"start_up_seconds": round(seconds, 2), "start_up_share": round(seconds / night["wall_seconds"], 3)}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.nightly", description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="accounts of each portfolio")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder of the JSON results")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vim-bench-") as folder:
        sizes = [one_size(accounts, Path(folder)) for accounts in options.sizes]
    machine = {"python": platform.python_version(), "cores": os.cpu_count(), "load": [round(value, 1) for value in os.getloadavg()]}
    record = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine, "sizes": sizes}
    options.results.mkdir(parents=True, exist_ok=True)
    path = options.results / f"nightly-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    path.write_text(json.dumps(record, indent=2) + "\n")
    for size in sizes:
        print(f"\n{size['accounts']} accounts x {size['weeks']} weeks")
        for name in ("first_night", "second_night"):
            night = size[name]
            print(
                f"  {name:<14} {night['wall_seconds']:>8.1f} s wall {night['cpu_seconds']:>8.1f} s CPU {night['peak_mib']:>6} MiB   start-up {night['start_up_share']:.0%}"
            )
            for step, stage in night["stages"].items():
                print(
                    f"    {step:<22} {stage['wall_seconds']:>7.1f} s"
                    + (f"   of it in models and tests {stage['in_models_seconds']:.1f} s" if "in_models_seconds" in stage else "")
                )
    print(f"\nwritten to {os.path.relpath(path)}; peak memory of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB")


if __name__ == "__main__":
    main()
