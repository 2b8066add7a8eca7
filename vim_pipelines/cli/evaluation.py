"""How good it is: `evals` and `backtest`."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from vim_pipelines import __version__
from vim_pipelines.cli.root import main
from vim_pipelines.cli.shared import say, settings_of


@main.command(short_help="Judge the score on the past: its calibration card.")
@click.option("--activity", type=click.Path(path_type=Path), help="Folder of an activity history without contracts (usage_events.csv). Default: the portfolio.")
@click.option(
    "--train-before", type=click.DateTime(["%Y-%m-%d"]), help="First observation date of the test. Default: 2018-01-01 for --activity, else the last third."
)
@click.option("--rebuild", type=click.Choice(["none", "monthly", "weekly"]), default="none", show_default=True, help="Build missing nights of the past first.")
@click.option("--json", "as_json", is_flag=True, help="The calibration card as JSON on standard output.")
@click.pass_obj
def backtest(state: dict[str, Any], activity: Path | None, train_before: datetime | None, rebuild: str, as_json: bool) -> None:
    """Judge the score on the past and print its calibration card."""
    from vim_pipelines.evaluation.backtest_card import card_lines
    from vim_pipelines.night import run_backtest

    split = train_before.date() if train_before else None
    # Reads the warehouse or a folder, never the sources: the sandbox's emulators need not run.
    card = run_backtest(settings_of(state), activity=activity, train_before=split, rebuild=rebuild, say=say)
    click.echo(json.dumps({"card_id": card.card_id} | card.as_json(), indent=2, default=str) if as_json else "\n".join(card_lines(card)))


EVALS = ("contract-terms", "handoff", "draft-safety", "liar", "risk-hallucination")


@main.command(short_help="Score terms, handoffs, gates and risks; status 1 if a bar is missed.")
@click.option("--contracts", type=click.Path(path_type=Path, file_okay=False), help="Folder of the contracts with lawyers' answers. Default: ../shared/data.")
@click.option("--draft-safety", type=click.Path(path_type=Path, exists=True), help="Score the cases of this file or folder instead, and nothing else.")
@click.option("--only", type=click.Choice(EVALS), multiple=True, help="Only this evaluation (several: repeat it). Default: all.")
@click.option("--show-wrong", is_flag=True, help="Each wrong answer beside the right one.")
@click.option("--json", "as_json", is_flag=True, help="The scores as JSON on standard output.")
@click.pass_context
def evals(context: click.Context, contracts: Path | None, draft_safety: Path | None, only: tuple[str, ...], show_wrong: bool, as_json: bool) -> None:
    """Score contract terms against lawyers' answers, the handoff audit on ablated records, the gates on promises and on lies, and invented risks; status 1 if a bar is missed."""
    from vim_pipelines.evaluation.experiments import post_experiment
    from vim_pipelines.evaluation.suite import EVALUATIONS, Asked, Scored, write_result
    from vim_pipelines.reasoning.batches.waiting import wall_clock

    settings = settings_of(context.obj)
    wanted = {"draft-safety"} if draft_safety else set(only or EVALS)
    if "contract-terms" in only and contracts is None:  # asked for by name: a missing folder is an error, not a reason to go on
        from vim_pipelines.evaluation.contract_terms import default_folder

        contracts = default_folder()
    asked, started = Asked(settings, contracts, draft_safety, show_wrong), wall_clock()
    scored: list[Scored] = []
    found: dict[str, Any] = {}

    def shown(*lines: str) -> None:
        """As soon as it is there: one evaluation takes a minute."""
        if not as_json:
            click.echo("\n".join([*lines, ""]))

    for name, evaluation in EVALUATIONS.items():
        if name not in wanted:
            continue
        one = evaluation(asked)
        scored.append(one)
        if one.skipped is not None:
            found |= {one.name: {"skipped": one.skipped}}
            shown(f"{name}: skipped, {one.skipped}")
            continue
        written = write_result(one, settings.home / "evaluation" / "results", settings.now().date(), draft_safety)
        found |= one.result if one.name == "contract_terms" else {one.name: one.result}
        shown(*one.lines, f"  written to {written}")
    posted = post_experiment(settings, scored, started=started, ended=wall_clock(), version=__version__)
    if posted is not None:
        click.echo(posted, err=as_json)
    if as_json:
        click.echo(json.dumps(found, indent=2))
    if not all(one.is_met for one in scored):
        context.exit(1)
