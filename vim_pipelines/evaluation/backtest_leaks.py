"""The guard against leaks: delete what was learned later, build again, compare.

A feature that reads a churn reason, a deal closed as lost or a ticket after the notice makes a backtest brilliant and a score useless. The
guard does not look for such names; it deletes every raw row that became known after the observation date and asks for the same features
once more. Whatever changes was not known on that day.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Any

from vim_pipelines.core.dates import end_of_day
from vim_pipelines.core.errors import VimError
from vim_pipelines.warehouse.base import Session

if TYPE_CHECKING:
    import pandas as pd

#: The column that says when a raw row became known; a table without either has no history to leak.
KNOWN_COLUMNS = ("known_at", "recorded_at")


def raw_tables_with_history(session: Session) -> dict[str, str]:
    """Raw tables and the column that says when a row became known."""
    found = session.rows("select table_name, column_name from information_schema.columns where lower(table_schema) = 'raw'")
    columns: dict[str, set[str]] = {}
    for row in found:
        columns.setdefault(str(row["table_name"]).lower(), set()).add(str(row["column_name"]).lower())
    return {f"raw.{table}": next(name for name in KNOWN_COLUMNS if name in names) for table, names in sorted(columns.items()) if names & set(KNOWN_COLUMNS)}


def delete_known_later(session: Session, observed_on: date) -> int:
    """Delete every raw row that became known after `observed_on`; returns their number. Work on a copy, or roll the session back."""
    deleted = 0
    for table, column in raw_tables_with_history(session).items():
        deleted += int(session.scalar(f"select count(*) from {table} where {column} >= ?", [end_of_day(observed_on)]) or 0)
        session.execute(f"delete from {table} where {column} >= ?", [end_of_day(observed_on)])
    return deleted


def differing_columns(before: pd.DataFrame, after: pd.DataFrame, key: str = "account_key") -> list[str]:
    """Names of the columns that are not identical account by account; the key's own name if accounts appear or vanish."""
    left, right = before.set_index(key).sort_index(), after.set_index(key).sort_index()
    if not left.index.equals(right.index):
        return [key]
    return [name for name in left.columns if name not in right.columns or not _equal(left[name], right[name])]


def leaking_features(session: Session, build: Callable[[Session], pd.DataFrame], observed_on: date) -> list[str]:
    """Features of `build` (one row per account_key) that change once the rows known after `observed_on` are gone.

    The session's rows are deleted: open it on a copy, or end it with an error so that it rolls back.
    """
    before = build(session)
    delete_known_later(session, observed_on)
    return differing_columns(before, build(session))


def refuse_later(rows: pd.DataFrame) -> None:
    """VIM-E024 if a row's features are of a night after its observation date, or the ending was already decided on that date."""
    late = rows[(rows["as_of_date"] > rows["observed_on"]) | (rows["decided_on"] <= rows["observed_on"])]
    if len(late):
        first = late.iloc[0]
        raise VimError(
            "VIM-E024",
            f"{len(late)} rows of the backtest know what came later, {first['account_key']} on {first['observed_on']:%Y-%m-%d} among them",
            why="Features must be of that day or before it, and the ending must not have been decided",
            fix="This is a fault of the program; please report it",
        )


def _equal(left: Any, right: Any) -> bool:
    return bool(((left == right) | (left.isna() & right.isna())).all())
