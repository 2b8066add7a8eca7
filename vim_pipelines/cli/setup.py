"""`init`, `portfolio` and `doctor`: before the first night on own data."""

from __future__ import annotations

import json
from pathlib import Path

import click

from vim_pipelines.cli.root import main
from vim_pipelines.cli.shared import confirm, for_portfolio, own_name, served_settings, settings_of
from vim_pipelines.core.crms import CRMS


@main.group()
def portfolio() -> None:
    """Portfolio files: which source feeds what, checked line by line."""


@portfolio.command("check")
@click.argument("path", type=click.Path(path_type=Path), required=False)
@click.option("--offline", is_flag=True, help="Check the file alone; ask no source.")
@click.option("--rows", type=click.IntRange(1, 10_000), default=1000, show_default=True, help="Rows to sample of each object of a system.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder of the portfolio's files, instead of the one that the file names.")
@click.option("--json", "as_json", is_flag=True, help="The report as JSON on standard output.")
@click.pass_context
def portfolio_check(context: click.Context, path: Path | None, offline: bool, rows: int, data_dir: Path | None, as_json: bool) -> None:
    """Check a portfolio file (default: VIMOTION_PORTFOLIO, else the sandbox's) and report every problem with its line.

    The file is checked against itself, against the fields that each source says it has, and against a sample of its rows.
    Exit status 2 if there is an error.
    """
    import shutil

    from vim_pipelines.portfolio.check import offline_report, report_lines
    from vim_pipelines.portfolio.file import portfolio_path, read_portfolio

    overrides = for_portfolio(context.obj["overrides"], path) | ({"data_dir": data_dir} if data_dir else {})
    if offline:
        settings = settings_of({"overrides": overrides})
        file = path or portfolio_path(settings)
        report = offline_report(file, *read_portfolio(file, settings))
    else:
        from vim_pipelines.ingestion.probe import check_portfolio

        with served_settings(overrides) as settings:
            file = path or portfolio_path(settings)
            report = check_portfolio(file, settings, settings.now(), rows=rows)
    if as_json:
        click.echo(json.dumps(report.as_json(), indent=2))
    else:
        click.echo(
            "\n".join(
                report_lines(report, style=lambda text, colour: click.style(text, fg=colour), width=min(shutil.get_terminal_size((120, 24)).columns, 140))
            )
        )
    if not report.is_right:
        context.exit(2)


@main.command(short_help="Start with your own data: a commented portfolio file.")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path())
@click.option(
    "--crm",
    type=click.Choice([*CRMS, "csv"]),
    default="salesforce",
    show_default=True,
    help="Where your accounts and contracts are.",
)
def init(folder: Path, crm: str) -> None:
    """Write a commented portfolio file, its schema and the names of its settings into FOLDER (default: here); overwrites nothing."""
    from vim_pipelines.portfolio.init import start_portfolio

    started = start_portfolio(folder, crm)
    for file in started.files:
        click.echo(f"made {file}")
    own = own_name()
    click.echo(f"Next: correct the names in {started.files[0]} and fill in {started.folder / '.env'}, then")
    if started.folder != Path():
        click.echo(f"  cd {started.folder}")
    click.echo(f"  {own} portfolio check portfolio.yaml    every problem with its line")
    click.echo(f"  {own} doctor                            addresses, rights, limits")


@main.command(short_help="Is everything there that a night needs? Each thing with its fix.")
@click.option("--portfolio", type=click.Path(path_type=Path), help="Portfolio file. Default: VIMOTION_PORTFOLIO, else the sandbox.")
@click.option("--json", "as_json", is_flag=True, help="The findings as JSON on standard output.")
@click.option("--offline", is_flag=True, help="Ask nobody outside this house: no source, no language model, no Slack, no mail server.")
@click.option("--fix", is_flag=True, help="First make the fields and objects that write-back lacks in the CRM. Adds only; changes and deletes nothing.")
@click.option("--yes", is_flag=True, help="With --fix: do not ask first.")
@click.pass_context
def doctor(context: click.Context, portfolio: Path | None, as_json: bool, offline: bool, fix: bool, yes: bool) -> None:
    """Is everything there that a night needs? Settings, sources, rights, limits, clock, warehouse, store, inbox, dbt, Dagster, disk, language model,
    Slack, mail: each green, yellow or red, with its fix.

    Nothing is changed and nothing is sent; the language model is asked for one token (not with --offline). Exit status 0 if all is green, 1 if something
    is yellow, 2 if something is red.
    """
    from vim_pipelines.doctor import examine, exit_status, finding_lines, mend

    if fix and offline:
        raise click.UsageError("--fix asks the CRM, --offline asks nobody: choose one")
    with served_settings(for_portfolio(context.obj["overrides"], portfolio)) as settings:
        if fix and not settings.is_sandbox:
            confirm("Make the missing fields and objects in the CRM?", yes=yes)
        for line in mend(settings) if fix else ():
            click.echo(line, err=as_json)
        findings = examine(settings, offline=offline)
    if as_json:
        click.echo(json.dumps([finding.as_json() for finding in findings], indent=2))
    else:
        click.echo("\n".join(finding_lines(findings, style=lambda text, colour: click.style(text, fg=colour))))
    context.exit(exit_status(findings))
