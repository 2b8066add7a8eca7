"""What a list and a page show beside a text, so that no door opens the warehouse: whose account it is, its dates, and ten weeks of use.

Not part of what is approved: it may be missing, and an old request has none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vim_pipelines.warehouse.base import Session

#: Columns of `marts.fct_account_signals` that a request needs: what the policy decides by, who gets the task, and what is shown.
SIGNAL_COLUMNS = (
    "account_key", "arr_amount", "currency", "portfolio_currency", "risk_band", "segment", "waste_annual", "unused_value_annual", "csm_email", "csm_name",
    "lean_risk", "muri_priority", "next_renewal_date", "next_opt_out_date",
)  # fmt: skip
SPARKLINE_WEEKS = 10


def read_signals(session: Session, day: date) -> dict[str, dict[str, Any]]:
    """By account: its row of signals of `day` (SIGNAL_COLUMNS), with `weekly_active`, the active people of the last ten complete weeks, oldest first.

    A week without a row is None, not zero: a newer customer has fewer weeks. The published copy holds no weeks; there the list is empty.
    """
    rows = session.rows(f"select {', '.join(SIGNAL_COLUMNS)} from marts.fct_account_signals where as_of_date = ?", [day])
    weeks: dict[str, dict[date, int]] = {}
    newest = session.scalar("select max(week_start) from base.int_account_weeks") if session.table_exists("base.int_account_weeks") else None
    if newest is not None:
        text = "select account_key, week_start, active_users from base.int_account_weeks where week_start > ?"
        for row in session.rows(text, [_weeks_before(newest, SPARKLINE_WEEKS)]):
            weeks.setdefault(row["account_key"], {})[row["week_start"]] = row["active_users"]
    days = [_weeks_before(newest, ago) for ago in range(SPARKLINE_WEEKS - 1, -1, -1)] if newest is not None else []
    return {row["account_key"]: row | {"weekly_active": [weeks.get(row["account_key"], {}).get(day) for day in days]} for row in rows}


def shown_context(row: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The JSON of `ApprovalRequest.context` from a row of `read_signals`; None where nothing is known of the account."""
    if row is None:
        return None
    return {
        "csm_name": _text(row.get("csm_name")),
        "csm_email": _text(row.get("csm_email")),
        "lean_risk": _number(row.get("lean_risk")),
        "muri_priority": _number(row.get("muri_priority")),
        "renewal_date": _text(row.get("next_renewal_date")),
        "opt_out_date": _text(row.get("next_opt_out_date")),
        "weekly_active": _series(row.get("weekly_active") or ()),
    }


def _series(values: Sequence[Any]) -> list[int | None]:
    return [None if value is None else int(value) for value in values]


def _weeks_before(day: date, weeks: int) -> date:
    return date.fromordinal(day.toordinal() - 7 * weeks)


def _number(value: Any) -> float | None:
    return None if value is None or value != value else float(value)


def _text(value: Any) -> str | None:
    return str(value)[:255] if value is not None and value == value and str(value) not in ("", "NaT") else None
