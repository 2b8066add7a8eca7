"""Where readers read: the published copy beside DuckDB's file, the schema `marts` itself on Snowflake."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vim_pipelines.core.errors import VimError
from vim_pipelines.reporting.publish import PUBLISHED_NAME
from vim_pipelines.warehouse import Work, open_warehouse
from vim_pipelines.warehouse.duckdb import DuckDBWarehouse

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings
    from vim_pipelines.warehouse import Session


@contextmanager
def reading_marts(settings: Settings) -> Iterator[Session]:
    """A session that sees `marts.*` and nothing else is needed of it. VIM-E024 if nothing is published yet.

    On DuckDB it never opens the working file, which the night may hold; on Snowflake readers and writers do not disturb each other.
    """
    if settings.warehouse == "snowflake":
        with open_warehouse(settings, Work("other")).session(read_only=True) as session:
            if not session.table_exists("marts.fct_portfolio_daily"):
                raise VimError("VIM-E024", "Nothing is published yet", fix="Run vimotion audit first")
            yield session
        return
    path = settings.published_dir / PUBLISHED_NAME
    if not path.is_file():
        raise VimError("VIM-E024", "Nothing is published yet", fix="Run vimotion audit first")
    with DuckDBWarehouse(path).session(read_only=True) as session:
        yield session
