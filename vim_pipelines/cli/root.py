"""The root of the command line: what every command shares, and how an error is told.

Nothing a user does ends in a stack trace: a known failure is one line with its code and its page, an unknown one is one line that says how to
see more, Ctrl-C and a closed pipe say nothing at all. The exit statuses are listed in `docs/reference/exit-codes.md`.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import click

from vim_pipelines import __version__

EXAMPLES = """\b
Examples:
  vimotion demo                           see all of it on 200 simulated customers: no key, no question
  vimotion audit                          run tonight's audit and print what it found
  vimotion inbox list                     what waits for a decision
"""

#: The first screen by who asks: a CSM does not look for `backtest`, an analyst not for `sandbox`.
SECTIONS: dict[str, tuple[str, ...]] = {
    "First steps": ("demo", "init", "doctor"),
    "Engineers: run the pipeline": ("audit", "account", "portfolio", "publish", "digest", "batches", "llm", "sandbox", "person", "retention"),
    "Customer Success: decide": ("inbox", "replan", "write-back", "audit-trail"),
    "Analysts: read and judge": ("book", "evals", "backtest", "bench", "calibrate"),
}
OTHERS = "More"
#: 128 + SIGINT, as shells report it.
INTERRUPTED = 130
UNEXPECTED = 1


class Section(click.Group):
    """A group whose help cuts no sentence short: what does not fit is wrapped."""

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Commands before options: who reads the first screen looks for what he can do."""
        self.format_commands(context, formatter)
        click.Command.format_options(self, context, formatter)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands with their whole first sentences, under the headings of `SECTIONS` where they have one."""
        found = {name: command for name in self.list_commands(context) if (command := self.get_command(context, name)) is not None and not command.hidden}
        headings = SECTIONS if context.parent is None else {}
        placed = {name for names in headings.values() for name in names}
        parts = {heading: [name for name in names if name in found] for heading, names in headings.items()}
        parts[OTHERS if headings else "Commands"] = [name for name in found if name not in placed]
        width = max(map(len, found), default=0)
        for heading, names in parts.items():
            if names:
                with formatter.section(heading):
                    formatter.write_dl([(f"{name:<{width}}", found[name].get_short_help_str(limit=240)) for name in names])


Section.group_class = Section


class Root(Section):
    """Turns every failure into a line and an exit status; a traceback only with --debug."""

    def main(self, args: Any = None, *rest: Any, **options: Any) -> Any:
        """As click's, with --debug taken from wherever it stands: who is told to run again with it puts it at the end."""
        import sys

        given = list(sys.argv[1:] if args is None else args)
        end = given.index("--") if "--" in given else len(given)
        own, others = given[:end], given[end:]  # what follows -- belongs to another program
        if "--debug" in own:
            own = ["--debug", *(word for word in own if word != "--debug")]
        return super().main([*own, *others], *rest, **options)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was named."""
        from vim_pipelines.core.errors import VimError, error_page

        is_debug = bool(ctx.params.get("debug"))
        try:
            return super().invoke(ctx)
        except VimError as error:
            if is_debug:
                raise
            click.echo(f"Error: {error}", err=True)
            click.echo(f"       {error_page(error.code)}", err=True)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("Interrupted.", err=True)
            ctx.exit(INTERRUPTED)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except Exception as error:
            if is_debug or (isinstance(error, OSError) and error.errno == errno.EPIPE):  # click ends a closed pipe without a word
                raise
            said = " ".join(str(error).split())[:300]
            click.echo(f"Error: unexpected: {type(error).__name__}{f': {said}' if said else ''}. Run again with --debug to see where.", err=True)
            ctx.exit(UNEXPECTED)


@click.group(
    cls=Root,
    help="Value-in-Motion: the nightly audit of a customer portfolio.\n\n" + EXAMPLES,
    epilog="Exit statuses: docs/reference/exit-codes.md. Any command: -h for its options, --debug for a traceback.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option("--home", type=click.Path(path_type=Path), help="Folder of all state (VIMOTION_HOME, default .vimotion).")
@click.option("--debug", is_flag=True, help="Show tracebacks, and what the libraries print.")
@click.version_option(__version__, prog_name="vimotion")
@click.pass_context
def main(context: click.Context, home: Path | None, debug: bool) -> None:
    os.environ.setdefault("DBT_SEND_ANONYMOUS_USAGE_STATS", "false")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    if os.environ.get("NO_COLOR"):
        context.color = False
    context.obj = {"overrides": {"home": home} if home else {}, "debug": debug}
