"""`audit-trail`: the record of who decided what."""

from __future__ import annotations

import sys
from typing import Any

import click

from vim_pipelines.cli.root import main
from vim_pipelines.cli.shared import store_of


@main.group("audit-trail")
def audit_trail() -> None:
    """The record of who decided what."""


@audit_trail.command("verify")
@click.pass_obj
def audit_trail_verify(state: dict[str, Any]) -> None:
    """Check the hash chain of all decisions; exit status 1 if any row was edited."""
    from vim_pipelines.approvals.events import verify_chain

    broken = verify_chain(store_of(state))
    click.echo("\n".join(broken) if broken else "The chain of decisions is whole.")
    if broken:
        sys.exit(1)
