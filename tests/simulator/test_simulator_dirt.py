"""Dirty data must be there, be marked, and be what it claims to be: a gate that is never tried is not a gate."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pytest
from raw_sandbox import Raw

from vim_pipelines.sandbox.simulator import ACCOUNT_DIRT, EVENT_DIRT, Simulation


@pytest.fixture(scope="module")
def events(portfolio: Simulation) -> pd.DataFrame:
    return portfolio.usage_events.to_pandas()


def marked(truth: pd.DataFrame, name: str) -> pd.Series:
    rows = truth[truth.truth == name]
    assert len(rows) == 1
    return rows.iloc[0]


def test_every_kind_of_dirt_is_marked(truth: pd.DataFrame):
    assert set(ACCOUNT_DIRT) | set(EVENT_DIRT) <= set(truth.truth)
    assert truth[truth.truth.isin(EVENT_DIRT)].account_key.isna().all()


def test_three_rows_of_a_hundred_come_from_nobody_we_know(events: pd.DataFrame, truth: pd.DataFrame):
    nobody = events.account_key.isna()
    assert nobody.sum() == marked(truth, "dirty_unmapped_users").expected
    assert 0.025 < nobody.mean() < 0.036
    assert not set(events[nobody].user_key) & set(events[~nobody].user_key)


def test_duplicates_repeat_the_event_on_another_day(events: pd.DataFrame, truth: pd.DataFrame):
    repeated = events[events.duplicated("event_id", keep=False)]
    assert repeated.event_id.value_counts().eq(2).all()
    assert len(repeated) - repeated.event_id.nunique() == marked(truth, "dirty_duplicate_events").expected > 0
    pairs = repeated.sort_values(["event_id", "recorded_at"]).groupby("event_id")
    same = ["account_key", "user_key", "product", "feature", "event_name", "occurred_at"]
    assert pairs[same].nunique(dropna=False).eq(1).all().all()
    assert (pairs.recorded_at.first().dt.date != pairs.recorded_at.last().dt.date).all()


def test_most_events_arrive_within_hours_and_some_days_late(events: pd.DataFrame, truth: pd.DataFrame):
    first = events.sort_values("recorded_at").drop_duplicates("event_id")
    delay = first.recorded_at - first.occurred_at
    assert (delay[delay > pd.Timedelta(0)] < pd.Timedelta(hours=11)).mean() > 0.98
    late = (delay > pd.Timedelta(days=1)) & first.account_key.notna()
    assert abs(late.sum() - marked(truth, "dirty_late_events").expected) <= marked(truth, "dirty_future_timestamps").expected
    assert delay.max() > pd.Timedelta(days=15)


def test_some_events_claim_to_come_from_the_future(events: pd.DataFrame, truth: pd.DataFrame):
    first = events.drop_duplicates("event_id")
    ahead = first[first.occurred_at > first.recorded_at]
    assert len(ahead) == marked(truth, "dirty_future_timestamps").expected > 0
    assert (ahead.occurred_at - ahead.recorded_at).min() > pd.Timedelta(days=1)
    assert "ACC-HEADLINE" not in set(ahead.account_key)


def test_a_line_has_no_seats(raw: Raw, truth: pd.DataFrame):
    row = marked(truth, "dirty_seats_zero")
    assert raw.rows("select seats, status from contract_lines where contract_line_key = ?", row.parameters["contract_line_key"]) == [(0, "active")]


def test_a_line_ends_before_it_begins(raw: Raw, truth: pd.DataFrame):
    row = marked(truth, "dirty_renewal_before_start")
    start, end = raw.rows("select start_date, end_date from contract_lines where contract_line_key = ?", row.parameters["contract_line_key"])[0]
    assert end < start <= date(2026, 6, 28)


def test_a_line_is_in_a_currency_without_a_rate(raw: Raw, truth: pd.DataFrame):
    row = marked(truth, "dirty_unknown_currency")
    assert raw.rows("select currency, seats from contract_lines where contract_line_key = ?", row.parameters["contract_line_key"]) == [("XXZ", 10)]
    assert {currency for (currency,) in raw.rows("select distinct currency from fx_rates")} == {"EUR", "GBP"}
    others = raw.rows("select distinct currency from contract_lines where contract_line_key <> ?", row.parameters["contract_line_key"])
    assert {currency for (currency,) in others} <= {"USD", "EUR", "GBP"}


def test_a_document_states_other_seats_than_the_crm(raw: Raw, truth: pd.DataFrame):
    row = marked(truth, "dirty_conflicting_seats")
    stated, contracted = row.parameters["document"]["core"], row.parameters["crm"]["core"]
    (body,) = raw.rows("select body from documents where account_key = ? and document_kind = 'handoff'", row.account_key)[0]
    assert stated != contracted and f"{stated} seats" in body and f"{contracted} seats" not in body
    first = raw.value("select seats from contract_lines where account_key = ? and product = 'core' order by start_date limit 1", row.account_key)
    assert first == contracted


def test_other_handoff_documents_agree_with_the_crm(raw: Raw, truth: pd.DataFrame):
    conflicting = marked(truth, "dirty_conflicting_seats").account_key
    won_back = set(truth[truth.truth == "win_back"].account_key)
    checked = 0
    for account, body in raw.rows("select account_key, body from documents where document_kind = 'handoff' and body like '%seats%'"):
        if account == conflicting or account in won_back:
            continue
        seats = raw.rows(
            "select product, seats from contract_lines where account_key = ? and start_date = (select min(start_date) from contract_lines where account_key = ?)",
            account,
            account,
        )
        if " seats" in body.replace("seats per", ""):
            assert all(f"{product}: {count} seats" in body or f"{product} with {count} seats" in body for product, count in seats), account
            checked += 1
    assert checked >= 20
