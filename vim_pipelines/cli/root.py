"""The root of the command line: what every command shares, and how an error is told."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from vim_pipelines import __version__

EXAMPLES = """\b
Examples:
  vimotion audit                          audit the sandbox portfolio, no key needed
  vimotion inbox list                     what waits for a decision
  vimotion init --crm hubspot my_folder   start with your own data: a commented portfolio file
  vimotion audit --portfolio FILE.yaml    audit your own portfolio
"""


class Group(click.Group):
    """Turns a VimError into one clear line and its exit status; a traceback only with --debug."""

    def invoke(self, ctx: click.Context) -> Any:
        from vim_pipelines.core.errors import VimError

        try:
            return super().invoke(ctx)
        except VimError as error:
            if ctx.params.get("debug"):
                raise
            click.echo(f"Error: {error}", err=True)
            click.echo(f"       docs/reference/errors.md#{error.code.lower()}", err=True)
            ctx.exit(error.exit_code)


@click.group(
    cls=Group, help="Value-in-Motion: the nightly audit of a customer portfolio.\n\n" + EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.option("--home", type=click.Path(path_type=Path), help="Folder of all state (VIMOTION_HOME, default .vimotion).")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@click.version_option(__version__, prog_name="vimotion")
@click.pass_context
def main(context: click.Context, home: Path | None, debug: bool) -> None:
    os.environ.setdefault("DBT_SEND_ANONYMOUS_USAGE_STATS", "false")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    context.obj = {"overrides": {"home": home} if home else {}, "debug": debug}
