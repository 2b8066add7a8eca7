"""`digest`: what directors are told in the morning, shown or sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from vim_pipelines.cli.root import main
from vim_pipelines.cli.shared import confirm, settings_of, store_of


@main.group()
def digest() -> None:
    """The morning digest of the newest night: by mail and Slack, once to each director."""


@digest.command("show")
@click.option("--format", "kind", type=click.Choice(["text", "html", "slack"]), default="text", show_default=True, help="Which of its forms.")
@click.option("--segment", "segments", multiple=True, help="As whoever answers for this segment alone gets it; repeatable. Default: the whole portfolio.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write it to this file.")
@click.pass_obj
def digest_show(state: dict[str, Any], kind: str, segments: tuple[str, ...], output: Path | None) -> None:
    """Show the digest as it would be sent; html for a browser, with its pictures in it."""
    from vim_pipelines.reporting.digest.content import digest_of, is_due
    from vim_pipelines.reporting.digest.mail import digest_text, page_of
    from vim_pipelines.reporting.digest.slack import digest_blocks
    from vim_pipelines.reporting.figures import read_figures
    from vim_pipelines.reporting.reading import reading_marts

    settings = settings_of(state)
    with reading_marts(settings) as session:
        night = read_figures(session, segments=segments)
    told = digest_of(night, inbox_url=settings.inbox_url)
    shown = digest_text(told) if kind == "text" else page_of(night, told) if kind == "html" else json.dumps({"blocks": digest_blocks(told)}, indent=2)
    if not is_due(night, settings.digest_weekly):
        click.echo("Nothing changed: this digest would not be sent.", err=True)
    if output is None:
        click.echo(shown)
        return
    output.write_text(shown, encoding="utf-8")
    click.echo(f"Written to {output}", err=True)


@digest.command("send")
@click.option("--even-if-quiet", is_flag=True, help="Send it although nothing changed.")
@click.option("--yes", is_flag=True, help="Do not ask first.")
@click.pass_obj
def digest_send(state: dict[str, Any], even_if_quiet: bool, yes: bool) -> None:
    """Send it to whoever gets it and has not got it yet."""
    from vim_pipelines.approvals.people import list_people
    from vim_pipelines.approvals.policy import policy_of
    from vim_pipelines.core.errors import VimError
    from vim_pipelines.night import run_digest
    from vim_pipelines.reporting.digest.sending import NO_WAY_OUT, reaches_people, recipients

    settings, store = settings_of(state), store_of(state)
    if reaches_people(settings):
        names = [person.login for person in recipients(list_people(store), settings, policy_of(settings), settings.now())]
        confirm(f"Send the digest of the newest night to {', '.join(names) or 'nobody'}?", yes=yes)
    report = run_digest(settings, store, is_forced=even_if_quiet)
    if report.why_not == NO_WAY_OUT:
        fix = "Set SMTP_HOST and VIMOTION_MAIL_FROM, or SLACK_BOT_TOKEN; or look at it with vimotion digest show"
        raise VimError("VIM-E181", "The digest has no way out", why="Neither mail nor Slack is set up", fix=fix)
    for line in report.lines():
        click.echo(line)
