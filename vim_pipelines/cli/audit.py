"""The night from the command line: `audit`, and `audit --dry-run`."""

from __future__ import annotations

import json
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vim_pipelines.cli.root import main
from vim_pipelines.cli.shared import cpu_seconds, own_name, say, served_settings, store_of

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings


@main.command()
@click.option("--as-of", type=click.DateTime(["%Y-%m-%d"]), help="As-of date. Default: the last complete day with data.")
@click.option("--portfolio", type=click.Path(path_type=Path), help="Portfolio file. Default: VIMOTION_PORTFOLIO, else the sandbox.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder of the portfolio's files, instead of the one that the file names.")
@click.option("--dry-run", is_flag=True, help="Only estimate what the drafts would cost, from the newest marts; no call is made, nothing is written.")
@click.option("--json", "as_json", is_flag=True, help="The summary as JSON on standard output.")
@click.pass_obj
def audit(state: dict[str, Any], as_of: datetime | None, portfolio: Path | None, data_dir: Path | None, dry_run: bool, as_json: bool) -> None:
    """Run the nightly job for one as-of date and print what it found."""
    if dry_run:
        _estimate(state, as_of, portfolio, as_json=as_json)
        return
    from vim_pipelines.cli.progress import NightProgress
    from vim_pipelines.core.progress import listening
    from vim_pipelines.night import run_audit
    from vim_pipelines.reporting.summary import summary_lines

    overrides = state["overrides"] | ({"portfolio": portfolio} if portfolio else {}) | ({"data_dir": data_dir} if data_dir else {})
    started, cpu_started = time.monotonic(), cpu_seconds()
    with served_settings(overrides) as settings:
        with NightProgress(is_live=False if state["debug"] else None) as progress, listening(progress.drafts):
            summary = run_audit(settings, as_of.date() if as_of else None, say=say, debug=state["debug"], on_step=progress.step)
        summary = summary.timed(time.monotonic() - started, cpu_seconds() - cpu_started)
        if as_json:
            click.echo(json.dumps(summary.as_json(), indent=2))
        else:
            click.echo("\n".join(summary_lines(summary, _next_commands(settings, state))))


def _estimate(state: dict[str, Any], as_of: datetime | None, portfolio: Path | None, *, as_json: bool) -> None:
    from vim_pipelines.reasoning.estimate import estimate_lines, estimate_night
    from vim_pipelines.settings import load_settings
    from vim_pipelines.warehouse import open_warehouse

    settings = load_settings(**(state["overrides"] | ({"portfolio": portfolio} if portfolio else {})))
    night = estimate_night(open_warehouse(settings), store_of(state), settings, settings.now(), as_of=as_of.date() if as_of else None)
    click.echo(json.dumps(night.as_json(), indent=2, default=str) if as_json else "\n".join(estimate_lines(night)))


def _next_commands(settings: Settings, state: dict[str, Any]) -> list[str]:
    command = own_name() + (f" --home {settings.home}" if state["overrides"].get("home") else "")
    account_key = "ACC-HEADLINE" if settings.is_sandbox else "KEY"
    commands = {
        f"{command} inbox list": "the drafts that wait for a decision",
        f"{command} account show {account_key}": "one account: money, signals, phase, risks",
        f"{f'VIMOTION_HOME={settings.home} ' if state['overrides'].get('home') else ''}make ui": "Dagster: runs, lineage, checks",
    }
    return [f"{line:<{max(map(len, commands))}}  {meaning}" for line, meaning in commands.items()]
