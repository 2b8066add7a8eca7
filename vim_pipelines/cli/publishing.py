"""What people and BI tools read, made anew."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import click

from vim_pipelines.cli.root import main
from vim_pipelines.cli.shared import own_name, settings_of


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Where the copy is and its rows by mart, as JSON on standard output.")
@click.pass_obj
def publish(state: dict[str, Any], as_json: bool) -> None:
    """Write the published copy again from the marts."""
    from vim_pipelines.reporting.publish import publish as publish_marts
    from vim_pipelines.warehouse import open_warehouse

    settings = settings_of(state)
    copy = publish_marts(open_warehouse(settings), settings.published_dir)
    if as_json:
        click.echo(json.dumps({"path": None if copy.path is None else str(copy.path), "rows_by_mart": copy.rows_by_mart}, indent=2))
    elif copy.path is None:
        click.echo("Nothing to copy: on Snowflake readers query the schema marts itself, with the reader role (docs/how-to/snowflake.md).")
    else:
        click.echo(f"Published {len(copy.rows_by_mart)} marts to {copy.path}, and as Parquet to {copy.path.parent / 'parquet'}")
        click.echo(f"Next: open {copy.path} read-only in a BI tool")


@main.command()
@click.option("--as-of", type=click.DateTime(["%Y-%m-%d"]), help="The night to show; default: the newest that is published.")
@click.option("--open", "is_opened", is_flag=True, help="Open it in the browser.")
@click.option("--json", "as_json", is_flag=True, help="Where the book is and its figures, as JSON on standard output.")
@click.pass_obj
def book(state: dict[str, Any], as_of: datetime | None, is_opened: bool, as_json: bool) -> None:
    """Write the portfolio book again from the published copy."""
    from vim_pipelines.reporting.book.write import write_book
    from vim_pipelines.reporting.reading import reading_marts

    settings = settings_of(state)
    with reading_marts(settings) as session:
        written = write_book(
            session, settings.book_dir, as_of=as_of.date() if as_of else None, evaluations=settings.evaluation_dir, inbox_url=settings.inbox_url
        )
    if as_json:
        figures = {figure.id: None if figure.value is None else str(figure.value) for figure in written.figures.figures}
        about = {"path": str(written.index), "as_of_date": written.as_of_date.isoformat(), "pages": written.pages, "accounts": written.accounts}
        click.echo(json.dumps(about | {"is_new": written.is_new, "figures": figures}, indent=2))
        return
    click.echo(f"{written.figures.verdict()}.")
    click.echo(f"The book of {written.as_of_date}: {written.pages} pages, {written.accounts} accounts, {written.size_bytes / 1e6:.1f} MB")
    click.echo(f"  {written.index}")
    if is_opened:
        import webbrowser

        webbrowser.open(written.index.absolute().as_uri())
    click.echo(f"Next: {own_name()} inbox serve   (the same pages behind its login, at {settings.inbox_url.rstrip('/')}/book/)")
