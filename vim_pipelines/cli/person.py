"""`person`: where a person stands in this installation, and their erasure."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from vim_pipelines.cli.root import main
from vim_pipelines.cli.shared import operator_of, settings_of, store_of


@main.group()
def person() -> None:
    """A person (a customer's contact, a user, a colleague): where they stand, and their erasure."""


@person.command("find")
@click.argument("who", metavar="EMAIL|ID")
@click.option("--json", "as_json", is_flag=True, help="The findings as JSON on standard output.")
@click.pass_obj
def person_find(state: dict[str, Any], who: str, as_json: bool) -> None:
    """Show every place that names a person. WHO: an e-mail address, a contact's or user's id, or a login."""
    from vim_pipelines.privacy.erase import look_up

    found = look_up(settings_of(state), store_of(state), who)
    if as_json:
        click.echo(json.dumps({"identity": found.identity.as_json(), "places": found.places, "elsewhere": found.elsewhere}, indent=2))
        return
    identity = found.identity
    for label, values in (
        ("e-mail", identity.mails),
        ("ids", identity.keys),
        ("names", identity.names),
        ("accounts", identity.accounts),
        ("logins", identity.logins),
    ):
        if values:
            click.echo(f"{label:<10} {', '.join(values)}")
    click.echo(f"{sum(found.places.values())} values in {len(found.places)} tables:")
    for table, number in found.places.items():
        click.echo(f"  {table:<40} {number:>8,}")
    for table, number in found.elsewhere.items():
        click.echo(f"  {table:<40} {number:>8,} of the same name at other accounts: left alone")


@person.command("erase")
@click.argument("who", metavar="EMAIL|ID")
@click.option("--note", required=True, help="Why: the number of the request, never the person's name. It stands in the record.")
@click.option("--dry-run", is_flag=True, help="Count what would be changed; change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--as", "acting_as", help="Act in this role; in the sandbox only.")
@click.option("--json", "as_json", is_flag=True, help="What was done as JSON on standard output.")
@click.pass_obj
def person_erase(state: dict[str, Any], who: str, note: str, dry_run: bool, yes: bool, acting_as: str | None, as_json: bool) -> None:
    """Erase a person from the warehouse, the store, the published copy and the files; the next reading does not bring them back.

    It cannot be undone. A run that was interrupted is completed by the same command. Backups and the CRM itself are yours to clean.
    """
    from vim_pipelines.privacy.erase import erase, look_up

    settings, store = settings_of(state), store_of(state)
    if dry_run:
        found = look_up(settings, store, who)
        if as_json:
            click.echo(json.dumps({"counts": found.places, "elsewhere": found.elsewhere}, indent=2))
            return
        for table, number in found.places.items():
            click.echo(f"{table:<42} {number:>8,}")
        click.echo(f"Would change {sum(found.places.values()):,} values in {len(found.places)} tables. Nothing was changed.")
        return
    if not yes:
        if not sys.stdin.isatty():
            from vim_pipelines.core.errors import VimError

            raise VimError("VIM-E188", "Erasing a person was not confirmed", why="It cannot be undone", fix="Look with --dry-run, then repeat with --yes")
        click.confirm("This cannot be undone. Erase this person?", abort=True)
    by = operator_of(state, acting_as)
    done = erase(settings, store, who, by=by, note=note, now=settings.now())
    if as_json:
        click.echo(json.dumps(done.as_json(), indent=2))
        return
    if done.was_complete:
        click.echo("Erased before; nothing is left to do.")
        return
    click.echo(f"Erasure {done.erasure_id}: {sum(done.counts.values()):,} values in {len(done.counts)} places hold tokens now.")
    for table, number in done.elsewhere.items():
        click.echo(f"  {table}: {number:,} values bear the same name at other accounts; they were left alone.")
    for path in done.left:
        click.echo(f"  {path} is not text and still names the person: delete it.")
    click.echo("Next: erase the person in the CRM and the support desk, and let backups of before expire (docs/how-to/erasure.md).")
