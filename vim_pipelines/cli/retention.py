"""`retention`: what is kept how long, and thinning it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from vim_pipelines.cli.root import main
from vim_pipelines.cli.shared import confirm, operator_of, own_name, settings_of, store_of

if TYPE_CHECKING:
    from vim_pipelines.privacy.retention import Report, Thinned


#: Runs that `retention show` lists in words.
RUNS_SHOWN = 5


@main.group()
def retention() -> None:
    """Retention: long marts daily, then weekly; old model answers, drafts and messages."""


@retention.command("show")
@click.option("--json", "as_json", is_flag=True, help="The rules as JSON on standard output.")
@click.pass_obj
def retention_show(state: dict[str, Any], as_json: bool) -> None:
    """Show which tables are thinned, which are kept whole and why, after how many days, and what earlier runs took."""
    from vim_pipelines.privacy.retention import days_of, load_rules

    settings, rules = settings_of(state), load_rules()
    days, on_record = days_of(settings), _runs(state)
    if as_json:
        about = {"days": days, "weekly": dict(rules.weekly), "daily_measures": sorted(rules.daily_measures), "daily": dict(rules.daily), "runs": on_record}
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
    click.echo("Runs on record, the newest first:" if on_record else "It has never run here.")
    for run in on_record[:RUNS_SHOWN]:
        click.echo(f"  {run['at'][:16].replace('T', ' ')} by {run['actor']}: {_taken(run)}")
    if len(on_record) > RUNS_SHOWN:
        click.echo(f"  and {len(on_record) - RUNS_SHOWN} earlier ones (--json)")
    click.echo(f"Next: {own_name()} retention run --dry-run")


def _runs(state: dict[str, Any]) -> list[dict[str, Any]]:
    """The runs on record as plain values; none where there is no store yet."""
    from vim_pipelines.core.errors import VimError
    from vim_pipelines.privacy.retention import runs

    try:
        found = runs(store_of(state))
    except VimError as error:
        if error.code != "VIM-E024":
            raise
        return []
    return [
        {
            "run_id": run.run_id,
            "at": run.at.isoformat(),
            "actor": run.actor,
            "newest_night": run.newest_night and run.newest_night.isoformat(),
            "daily_from": run.daily_from and run.daily_from.isoformat(),
            "days": run.days,
            "rules_sha256": run.rules_sha256,
            "removed": run.removed,
            "is_complete": run.is_complete,
        }
        for run in found
    ]


def _taken(run: dict[str, Any]) -> str:
    """`12,345 rows of 3 tables, up to the night of 2026-09-24, daily from 2026-08-20`."""
    removed = run["removed"]
    rows = f"{sum(one['rows'] for one in removed):,} rows of {len(removed)} table{'' if len(removed) == 1 else 's'}"
    night = f", up to the night of {run['newest_night']}, daily from {run['daily_from']}" if run["newest_night"] else ""
    return f"{rows}{night}{'' if run['is_complete'] else '; it did not end: the next run takes the rest'}"


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
    report = run_retention(settings, store, now=settings.now(), is_dry_run=dry_run, by=operator_of(state, None).name)
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
