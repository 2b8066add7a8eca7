"""`sandbox`: the simulated customers and the emulators."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import click

from vim_pipelines.cli.root import main
from vim_pipelines.cli.shared import served_settings, settings_of
from vim_pipelines.core.crms import CRMS


@main.group()
def sandbox() -> None:
    """Simulated customers, with emulators of their CRM and support desk."""


@sandbox.command("up", context_settings={"ignore_unknown_options": True})
@click.option("--crm", type=click.Choice(CRMS), help="The CRM to emulate (VIMOTION_SANDBOX_CRM).")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def sandbox_up(state: dict[str, Any], crm: str | None, command: tuple[str, ...]) -> None:
    """Serve the sandbox on loopback until interrupted, or while COMMAND runs with its addresses in the environment."""
    import subprocess

    from vim_pipelines.night import prepare_dagster_home
    from vim_pipelines.sandbox.night import environment, slack_beside

    with served_settings(state["overrides"] | ({"sandbox_crm": crm} if crm else {}), serve=True) as served, slack_beside(served) as settings:
        prepare_dagster_home(settings)
        variables = environment(settings)
        if command:
            sys.exit(subprocess.run([*command], env=os.environ | variables, check=False).returncode)
        for name, value in variables.items():
            click.echo(f"export {name}={value}")
        if served.slack_bot_token is None:
            click.echo(f"What people get in Slack is shown at {settings.slack_base_url.removesuffix('api/')}", err=True)
        click.echo("Serving until you press Ctrl-C.", err=True)
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            click.echo("Stopped.", err=True)


@sandbox.command("advance")
@click.option("--days", type=click.IntRange(1, 14), default=1, show_default=True, help="Days to reveal.")
@click.pass_obj
def sandbox_advance(state: dict[str, Any], days: int) -> None:
    """Move the sandbox's clock on and reveal the next days of data."""
    from vim_pipelines.sandbox.simulator import advance

    now = advance(settings_of(state).sandbox_dir, days=days)
    click.echo(f"The sandbox's clock stands at {now:%Y-%m-%d %H:%M} UTC. Next: vimotion audit")
