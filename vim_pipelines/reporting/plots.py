"""The numbers of a night that are worth a line over the nights, for Dagster's plots: the figures of the book, and how the approvals go.

Nothing is computed here that the book shows: its object is asked. A number that is not known is left out, because a plot would draw it as zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from statistics import median
from typing import TYPE_CHECKING, Any

from vim_pipelines.core.money import format_money
from vim_pipelines.core.sparkline import MOST_POINTS, inline_sparkline
from vim_pipelines.reporting.figures import in_one_currency, read_figures

if TYPE_CHECKING:
    from vim_pipelines.warehouse import Session

#: Decisions of so many days make the lag and the share of rejections: a night alone has too few.
DECISION_DAYS = 28


def night_numbers(session: Session, as_of: date) -> dict[str, float | int]:
    """Numbers of `as_of` by name: every figure of `reporting.figures`, tokens, pending approvals, lag and share of rejections, as far as they are known."""
    night = read_figures(session, as_of)
    tokens = session.rows(
        "select coalesce(sum(input_tokens + cache_read_tokens + cache_write_tokens), 0) as tokens_in, coalesce(sum(output_tokens), 0) as tokens_out"
        " from marts.fct_llm_costs where as_of_date = ?",
        [as_of],
    )[0]
    decided = session.rows(
        "select minutes_to_decision, approved_sha256 from marts.fct_approvals where decided_by is not null and decided_at >= ? and decided_at < ?",
        [as_of - timedelta(days=DECISION_DAYS), as_of + timedelta(days=2)],  # the night of a date runs on the day after it
    )
    found: dict[str, Any] = {
        **{figure.id: figure.value for figure in night.figures},
        "tokens_in": tokens["tokens_in"],
        "tokens_out": tokens["tokens_out"],
        "approvals_pending": sum(one.items for one in night.waiting),
        **approval_numbers(decided),
    }
    return {name: value if isinstance(value, int) else float(value) for name, value in found.items() if value is not None}


def approval_numbers(decided: Sequence[dict[str, Any]]) -> dict[str, float | None]:
    """Median hours from question to decision, and the share that was not approved, of decisions by people (`minutes_to_decision`, `approved_sha256`)."""
    if not decided:
        return {"approval_lag_hours": None, "rejection_rate": None}
    return {
        "approval_lag_hours": round(median(row["minutes_to_decision"] for row in decided) / 60, 2),
        "rejection_rate": sum(row["approved_sha256"] is None for row in decided) / len(decided),
    }


def night_sparklines(session: Session, as_of: date) -> dict[str, str]:
    """Waste and red accounts of the newest nights up to `as_of`, each a picture in Markdown that Dagster shows at once."""
    nights = session.rows(
        "select as_of_date, waste_annual, accounts_red, portfolio_currency from marts.fct_portfolio_daily where as_of_date <= ? order by as_of_date", [as_of]
    )[-MOST_POINTS:]
    newest = nights[-1] if nights else {"waste_annual": None, "accounts_red": None, "portfolio_currency": None}
    waste = [None if (amount := in_one_currency(row, newest["portfolio_currency"])) is None else float(amount) for row in nights]
    red = [None if row["accounts_red"] is None else float(row["accounts_red"]) for row in nights]
    shown = "unknown" if newest["waste_annual"] is None else format_money(newest["waste_annual"], newest["portfolio_currency"])
    return {
        "waste_over_time": inline_sparkline("Wasted a year", waste, shown),
        "red_over_time": inline_sparkline("Red accounts", red, "unknown" if newest["accounts_red"] is None else str(newest["accounts_red"])),
    }
