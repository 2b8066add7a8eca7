"""What people and BI tools read, made anew."""

from __future__ import annotations

import json
from typing import Any

import click

from vim_pipelines.cli.root import main
from vim_pipelines.cli.shared import settings_of


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
