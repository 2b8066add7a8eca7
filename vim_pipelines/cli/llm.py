"""`llm`: the language models, their switch and their cost."""

from __future__ import annotations

import json
from typing import Any

import click

from vim_pipelines.cli.root import main
from vim_pipelines.cli.shared import settings_of, store_of


@main.group()
def llm() -> None:
    """The language models: off, on, and what they cost."""


@llm.command("status")
@click.option("--json", "as_json", is_flag=True, help="As JSON on standard output.")
@click.pass_obj
def llm_status(state: dict[str, Any], as_json: bool) -> None:
    """How the switch stands, who turned it, and what the month has cost so far."""
    from vim_pipelines.reasoning.providers.status import read_status, status_lines

    settings = settings_of(state)
    status = read_status(settings, store_of(state), settings.now())
    click.echo(json.dumps(status, indent=2, default=str) if as_json else "\n".join(status_lines(status)))


@llm.command("cost")
@click.option("--by", type=click.Choice(["document", "account", "night"]), default="document", show_default=True, help="What a line stands for.")
@click.option("--json", "as_json", is_flag=True, help="As JSON on standard output.")
@click.pass_obj
def llm_cost(state: dict[str, Any], by: str, as_json: bool) -> None:
    """Calls, tokens and US dollars, with the cost of a draft and of an approved one, as of the last audit."""
    from vim_pipelines.reporting.llm_costs import llm_cost_lines, read_llm_costs

    rows = read_llm_costs(settings_of(state), by)
    click.echo(json.dumps(rows, indent=2, default=str) if as_json else "\n".join(llm_cost_lines(rows, by)))
