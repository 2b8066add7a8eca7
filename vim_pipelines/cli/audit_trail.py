"""`audit-trail`: the record of who decided what."""

from __future__ import annotations

import json

import click

from vim_pipelines.cli.root import main
from vim_pipelines.cli.shared import store_of


@main.group("audit-trail")
def audit_trail() -> None:
    """Who decided what, and whether the record is whole."""


@audit_trail.command("verify")
@click.option("--json", "as_json", is_flag=True, help="What is broken, as JSON on standard output.")
@click.pass_context
def audit_trail_verify(context: click.Context, as_json: bool) -> None:
    """Check the hash chain of all decisions; exit status 1 if any row was edited."""
    from vim_pipelines.approvals.events import erased_lines, verify_chain

    store = store_of(context.obj)
    broken, erasures = verify_chain(store), erased_lines(store)
    if as_json:
        click.echo(json.dumps({"is_whole": not broken, "broken": broken} | ({"erasures": erasures} if erasures else {}), indent=2))
    else:
        click.echo("\n".join([*(broken or ["The chain of decisions is whole."]), *erasures]))
    if broken:
        context.exit(1)
