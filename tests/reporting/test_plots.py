"""The numbers that Dagster plots are the book's figures, and what is unknown is left out instead of drawn as zero."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from small_marts import NIGHT, WEEK_AGO, add

from vim_pipelines.core.sparkline import INLINE_LIMIT
from vim_pipelines.reporting.figures import read_figures
from vim_pipelines.reporting.plots import approval_numbers, night_numbers, night_sparklines


@pytest.mark.parametrize("night", [NIGHT, WEEK_AGO])
def test_every_known_figure_of_the_book_is_plotted_with_its_value(marts, night):
    with marts.session(read_only=True) as session:
        numbers, figures = night_numbers(session, night), read_figures(session, night).figures
    assert {"waste_annual", "unused_value_annual", "arr_at_risk", "accounts_red", "drafts", "drafts_held", "cost_usd"} <= {figure.id for figure in figures}
    for figure in figures:
        if figure.value is None:
            assert figure.id not in numbers
        else:
            assert Decimal(str(numbers[figure.id])) == Decimal(str(figure.value))


def test_tokens_are_the_sum_of_the_night_and_pending_is_what_waits(marts):
    with marts.session(read_only=True) as session:
        numbers = night_numbers(session, NIGHT)
        tokens = session.scalar("select coalesce(sum(output_tokens), 0) from marts.fct_llm_costs where as_of_date = ?", [NIGHT])
        waiting = sum(one.items for one in read_figures(session, NIGHT).waiting)
    assert (numbers["tokens_out"], numbers["approvals_pending"]) == (tokens, waiting)


def test_lag_and_rejections_are_those_of_people_in_the_last_weeks(marts):
    at = datetime.combine(NIGHT, datetime.min.time())
    with marts.session() as session:
        session.execute("delete from marts.fct_approvals")
    rows = [
        {"request_id": "1", "decided_by": "ada", "decided_at": at, "minutes_to_decision": 60, "approved_sha256": "x"},
        {"request_id": "2", "decided_by": "ada", "decided_at": at, "minutes_to_decision": 180, "approved_sha256": None},
        {"request_id": "3", "decided_by": "ada", "decided_at": at, "minutes_to_decision": 120, "approved_sha256": "x"},
        {"request_id": "4", "decided_by": None, "decided_at": at, "minutes_to_decision": 9000, "approved_sha256": None},
        {"request_id": "5", "decided_by": "ada", "decided_at": at - timedelta(days=40), "minutes_to_decision": 9000, "approved_sha256": None},
    ]
    add(marts, "fct_approvals", *rows)
    with marts.session(read_only=True) as session:
        numbers = night_numbers(session, NIGHT)
    assert numbers["approval_lag_hours"] == 2.0 and numbers["rejection_rate"] == pytest.approx(1 / 3)
    assert approval_numbers([]) == {"approval_lag_hours": None, "rejection_rate": None}


def test_the_pictures_fit_and_end_with_the_newest_value(marts):
    with marts.session(read_only=True) as session:
        pictures, figures = night_sparklines(session, NIGHT), read_figures(session, NIGHT)
    assert all(len(picture) < INLINE_LIMIT and "](data:image/svg+xml," in picture for picture in pictures.values())
    assert f"**{figures.figure('waste_annual').text()}**" in pictures["waste_over_time"]
    assert f"**{figures.figure('accounts_red').text()}**" in pictures["red_over_time"]


def test_amounts_of_another_currency_are_not_joined_to_the_newest(marts):
    """The portfolio counts in kronor since tonight: the line of dollars before would read as a fall to a tenth."""
    with marts.session() as session:
        session.execute("update marts.fct_portfolio_daily set portfolio_currency = 'SEK', waste_annual = 420000 where as_of_date = ?", [NIGHT])
    with marts.session(read_only=True) as session:
        picture = night_sparklines(session, NIGHT)["waste_over_time"]
        before = night_sparklines(session, NIGHT - timedelta(days=1))["waste_over_time"]
    assert "**SEK 420,000**" in picture and "path%20d=''" in picture, "one point is no line"
    assert "**$" in before and "path%20d='M" in before
