"""`replan` and `batches`: drafts that are written again, or later."""

from __future__ import annotations

import json
from typing import Any

import click

from vim_pipelines.cli.root import main
from vim_pipelines.cli.shared import served_settings


@main.group()
def replan() -> None:
    """Draft again what was rejected or sent back."""


@replan.command("run")
@click.pass_obj
def replan_run(state: dict[str, Any]) -> None:
    """Draft again every request that was rejected or sent back (the sensor does the same in Dagster)."""
    from vim_pipelines.night import run_replans

    with served_settings(state["overrides"]) as settings:
        lines = run_replans(settings)
        click.echo("\n".join(lines) if lines else "Nothing waits for a new draft.")


@main.group()
def batches() -> None:
    """Drafts that wait for a batch of language-model calls."""


@batches.command("collect")
@click.option("--json", "as_json", is_flag=True, help="What was found and made, as JSON on standard output.")
@click.pass_obj
def batches_collect(state: dict[str, Any], as_json: bool) -> None:
    """Look at every open batch now, make drafts of what has ended and ask for approvals (the sensor does the same in Dagster)."""
    from vim_pipelines.night import run_collection

    with served_settings(state["overrides"]) as settings:
        report = run_collection(settings)
    click.echo(json.dumps(report.metadata(), indent=2) if as_json else "\n".join(report.lines()))
