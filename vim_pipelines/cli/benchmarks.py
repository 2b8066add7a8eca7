"""`bench` and `calibrate`: the folder `benchmarks/` of the repository, which the installed package does not carry.

`make bench` and `make calibrate` call these two.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from vim_pipelines.cli.root import main
from vim_pipelines.cli.shared import own_name, say, settings_of

#: What a bare `bench` runs, in this order: module of `benchmarks/` with its arguments, and what it measures.
BENCHES: dict[str, tuple[tuple[str, ...], str]] = {
    "at-scale": (("at_scale",), "a night of 1,000 accounts beside plain SQL and pandas (-- --accounts 10000 takes an hour)"),
    "nightly": (("nightly",), "each stage of the sandbox's night"),
    "ingestion": (("ingestion",), "telemetry and CRM rows beside what no loader can beat"),
    "llm-calls": (("llm_calls",), "calls to a language model beside the ideal rate"),
    "inbox-load": (("inbox_load", "--decisions", "400"), "fifty people deciding at once"),
    "lifecycle": (("lifecycle",), "the lifecycle's step at 10,000 accounts; needs an audited home folder"),
}


def repository() -> Path:
    """The checkout that the package is imported from. VIM-E189 for an installed package."""
    from vim_pipelines.core.errors import VimError
    from vim_pipelines.settings import PACKAGE_ROOT

    root = PACKAGE_ROOT.parent
    if not (root / "benchmarks" / "__init__.py").is_file():
        raise VimError(
            "VIM-E189",
            "The folder benchmarks/ is not here",
            why=f"It is part of the repository, and this vimotion is installed in {root}",
            fix="Run the command in a checkout of the repository (make bench, make calibrate)",
        )
    return root


def run_module(module: str, arguments: tuple[str, ...]) -> int:
    """Exit status of `python -m benchmarks.MODULE ARGUMENTS` in the folder where the user stands."""
    root = repository()
    path = os.pathsep.join(part for part in (str(root), os.environ.get("PYTHONPATH")) if part)
    return subprocess.run([sys.executable, "-m", f"benchmarks.{module}", *arguments], env=os.environ | {"PYTHONPATH": path}, check=False).returncode


@main.command(
    short_help="Time the night and its parts beside what no program can beat.",
    epilog="\b\nBenches:\n" + "\n".join(f"  {name:<11} {what}" for name, (_, what) in BENCHES.items()),
)
@click.argument("name", type=click.Choice(list(BENCHES)), required=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def bench(context: click.Context, name: str | None, arguments: tuple[str, ...]) -> None:
    """Run the benchmark NAME (default: all, an hour), handing it ARGUMENTS after `--`; results go to benchmarks/results.

    Needs the repository. The machine should be otherwise idle: quote ratios of one run, not seconds.
    """
    results = repository() / "benchmarks" / "results"
    for each in [name] if name else list(BENCHES):
        (module, *default), what = BENCHES[each]
        if each == "lifecycle" and "--home" not in arguments:
            home = settings_of(context.obj).home
            _audited(context.obj, home)
            default = ["--home", str(home)]
        say(f"{each}: {what.split(' (')[0]} ...")
        status = run_module(module, (*default, *arguments))
        if status:
            context.exit(status)
    say(f"Results of those that keep them are in {results}. Next: git diff --stat {os.path.relpath(results)}")


def _audited(state: dict[str, Any], home: Path) -> None:
    """Have an audit in `home`, for the bench that repeats its accounts."""
    if not (home / "warehouse.duckdb").is_file():
        say(f"No audit has run in {home}: running one first ...")
        subprocess.run([sys.executable, "-m", "vim_pipelines.cli", "--home", str(home), *(["--debug"] if state["debug"] else []), "audit"], check=True)


@main.command(short_help="Measure the detectors' false alarms and power; status 1 if a bar is missed.", context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def calibrate(context: click.Context, arguments: tuple[str, ...]) -> None:
    """Simulate account-years and planted portfolios and judge the detectors against their budget of false alarms; status 1 if a bar is missed.

    ARGUMENTS go to benchmarks/calibrate.py: `--parts metrics account-years planted effect`, `--seeds 20`, `--accounts 200`, `--publish`;
    `vimotion calibrate -- --help` lists all. Needs the repository. All parts take about an hour.
    """
    status = run_module("calibrate", arguments)
    if status == 0:
        say(f"Every bar is met. Next: {own_name()} evals")
    context.exit(status)
