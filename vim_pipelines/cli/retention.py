"""`retention`: what is kept how long, and thinning it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from vim_pipelines.cli.root import main
from vim_pipelines.cli.shared import confirm, own_name, settings_of, store_of

if TYPE_CHECKING:
    from vim_pipelines.privacy.retention import Report, Thinned


@main.group()
def retention() -> None:
    """Retention: long marts daily, then weekly; old model answers, drafts and messages."""


@retention.command("show")
@click.option("--json", "as_json", is_flag=True, help="The rules as JSON on standard output.")
@click.pass_obj
def retention_show(state: dict[str, Any], as_json: bool) -> None:
    """Show which tables are thinned, which are kept whole and why, and after how many days."""
    from vim_pipelines.privacy.retention import load_rules
    from vim_pipelines.store.models import LOGIN_ATTEMPT_DAYS

    settings, rules = settings_of(state), load_rules()
    days = {
        "daily marts": settings.retention_daily_days,
        "texts of model answers": settings.retention_llm_text_days,
        "drafts that reached no request": settings.retention_draft_days,
        "messages that arrived or were given up": settings.retention_message_days,
        "attempts to log in": LOGIN_ATTEMPT_DAYS,
    }
    if as_json:
        about = {"days": days, "weekly": dict(rules.weekly), "daily_measures": sorted(rules.daily_measures), "daily": dict(rules.daily)}
        click.echo(json.dumps(about, indent=2))
        return
    click.echo(f"Daily for {settings.retention_daily_days} days before the newest night, then the last night of each ISO week:")
    for table, why in rules.weekly.items():
        click.echo(f"  {table:<38} {why}")
    click.echo(f"Always daily, for all accounts: {len(rules.daily_measures)} measures that plans are judged by, and those that a request names.")
    click.echo("Always whole: an account's rows of a night that its request, plan or outcome refers to; nights with a calibration card.")
    click.echo("Operations store, in days:")
    for what, number in list(days.items())[1:]:
        click.echo(f"  {what:<38} {number:>5}")
    click.echo("Every night:")
    for table, why in rules.daily.items():
        click.echo(f"  {table:<38} {why}")
    click.echo("Raw versions are never thinned: they are what was known when, and cannot be made again.")
    click.echo(f"Next: {own_name()} retention run --dry-run")


@retention.command("run")
@click.option("--dry-run", is_flag=True, help="Count what would go; change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="What went, or would go, as JSON on standard output.")
@click.pass_obj
def retention_run(state: dict[str, Any], dry_run: bool, yes: bool, as_json: bool) -> None:
    """Thin the long marts to one night a week, and forget old model answers, drafts and messages.

    The newest nights, what requests, plans and calibration cards refer to, and everything that a later night starts from are kept. Running it
    again changes nothing more; a run that was interrupted is completed by the same command. It cannot be undone, except that any night can be
    computed again from the raw versions (vimotion audit --as-of).
    """
    from vim_pipelines.privacy.retention import run_retention

    settings, store = settings_of(state), store_of(state)
    if not dry_run and not yes:
        _tell(run_retention(settings, store, now=settings.now(), is_dry_run=True))
        confirm("Delete these rows?", yes=False)
    report = run_retention(settings, store, now=settings.now(), is_dry_run=dry_run)
    if as_json:
        click.echo(json.dumps(report.as_json(), indent=2))
        return
    _tell(report)
    if report.is_dry_run:
        click.echo(f"Next: {own_name()} retention run" if report.rows else "Nothing is old enough.")


def _tell(report: Report) -> None:
    if report.daily_from is not None:
        click.echo(f"{report.nights} nights on record; every night from {report.daily_from} on is kept, before that one a week.")
    for thinned in report.tables:
        if thinned.rows:
            click.echo(f"  {thinned.table:<38} {thinned.rows:>12,} {_what(thinned)}")
    would = "would go. Nothing was changed." if report.is_dry_run else "gone."
    click.echo(f"{report.rows:,} rows {would}")


def _what(thinned: Thinned) -> str:
    if not thinned.dates:
        return thinned.what
    nights = "1 night" if len(thinned.dates) == 1 else f"{len(thinned.dates)} nights"
    return f"rows of {nights}, {thinned.dates[0]} to {thinned.dates[-1]}"
