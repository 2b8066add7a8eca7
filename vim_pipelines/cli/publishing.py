"""What people and BI tools read, made anew."""

from __future__ import annotations

from typing import Any

import click

from vim_pipelines.cli.root import main
from vim_pipelines.cli.shared import settings_of


@main.command()
@click.pass_obj
def publish(state: dict[str, Any]) -> None:
    """Write the published copy again from the marts."""
    from vim_pipelines.reporting.publish import publish as publish_marts
    from vim_pipelines.warehouse import open_warehouse

    settings = settings_of(state)
    copy = publish_marts(open_warehouse(settings), settings.published_dir)
    click.echo(f"Published {len(copy.rows_by_mart)} marts to {copy.path}")
