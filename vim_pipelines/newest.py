"""Which as-of date is the newest: only that one may call a model, alert, request or write. A backfill stops at the marts."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vim_pipelines.portfolio.file import Portfolio
    from vim_pipelines.settings import Settings
    from vim_pipelines.warehouse import Warehouse


def is_newest_as_of(warehouse: Warehouse, portfolio: Portfolio, settings: Settings, as_of: date) -> bool:
    """Whether `as_of` is neither before a date already assessed nor before the last complete day with data."""
    from vim_pipelines.portfolio.file import last_data_day

    with warehouse.session(read_only=True) as session:
        assessed = session.scalar("select max(as_of_date) from marts.fct_account_signals")
    return as_of >= max(last_data_day(portfolio, settings), assessed or date.min)
