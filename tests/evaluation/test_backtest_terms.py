"""What became of a term, and on which days a score is asked about it."""

from __future__ import annotations

from datetime import date, timedelta

import pandas as pd
import pytest

from vim_pipelines.evaluation.backtest_terms import Versions, default_split, needed_nights, observations, split, terms

TODAY = date(2026, 6, 30)
_LINE = {
    "account_key": "A", "contract_line_key": "L1", "product": "core", "seats": 10, "net_unit_price_annual": 100.0, "currency": "USD",
    "start_date": date(2024, 1, 1), "end_date": date(2024, 12, 31), "notice_days": 60, "auto_renew": False, "status": "active", "notice_served_on": None,
    "is_deleted": False, "known_at": pd.Timestamp("2023-12-20"),
}  # fmt: skip


def _versions(lines, accounts=(), opportunities=()):
    return Versions(
        pd.DataFrame([_LINE | line for line in lines]),
        pd.DataFrame(list(accounts), columns=["account_key", "notice_received_on", "known_at"]),
        pd.DataFrame(list(opportunities), columns=["account_key", "opportunity_type", "stage", "is_closed", "is_won", "known_at"]),
    )


def _second(**changes):
    return {"contract_line_key": "L2", "start_date": date(2025, 1, 1), "end_date": date(2025, 12, 31), "known_at": pd.Timestamp("2024-12-01")} | changes


_NOTICE = {"notice_served_on": date(2024, 9, 1), "known_at": pd.Timestamp("2024-09-01 12:00")}
_TERMINATED = {"status": "terminated", "known_at": pd.Timestamp("2024-12-31")}


@pytest.mark.parametrize(
    ("lines", "outcome", "decided"),
    [
        ([{}, _second()], "retained", None),
        ([{}, _second(seats=12)], "retained", None),
        ([{}, _second(seats=8)], "contraction", "2024-12-31"),
        ([{}, _second(start_date=date(2025, 2, 20))], "retained", None),
        ([{}, _second(start_date=date(2025, 4, 20))], "voluntary non-renewal", "2024-12-31"),
        ([{}, _NOTICE], "voluntary non-renewal", "2024-09-01"),
        ([{}, _NOTICE, _second()], "retained", None),
        ([{}, _NOTICE, _second(seats=5)], "contraction", "2024-09-01"),
        ([{}, _TERMINATED], "involuntary", "2024-12-31"),
        ([{}, _NOTICE, _TERMINATED], "voluntary non-renewal", "2024-09-01"),
        ([_TERMINATED | _NOTICE], "voluntary non-renewal", "2024-09-01"),
        ([{}, _second(status="draft")], "voluntary non-renewal", "2024-12-31"),
        ([{}, _second(is_deleted=True)], "voluntary non-renewal", "2024-12-31"),
        ([{"auto_renew": True}], "voluntary non-renewal", "2024-12-31"),
        ([{"end_date": date(2026, 12, 31)}], "open", None),
        ([{"end_date": date(2026, 12, 31)}, {"end_date": date(2026, 12, 31)} | _NOTICE], "open", None),
        ([{"end_date": date(2026, 7, 31), "auto_renew": True}], "retained", None),
        (
            [{"end_date": date(2026, 7, 31), "auto_renew": True}, {"end_date": date(2026, 7, 31), "auto_renew": False} | _NOTICE],
            "voluntary non-renewal",
            "2024-09-01",
        ),
    ],
)  # fmt: skip
def test_the_outcome_of_a_term(lines, outcome, decided):
    """Ends are kept apart, a late signature counts, drafts do not, and what is not over is open even if notice lies on the table."""
    found = terms(_versions(lines), TODAY).iloc[0]
    assert found["outcome"] == outcome
    assert (None if pd.isna(found["decided_on"]) else str(found["decided_on"].date())) == decided


def test_a_loss_is_dated_when_it_was_decided():
    """Notice for the whole account, and a renewal closed as lost: the earlier of them."""
    found = terms(
        _versions(
            [{}],
            accounts=[("A", date(2024, 10, 5), pd.Timestamp("2024-10-06"))],
            opportunities=[
                ("A", "renewal", "Closed Lost", True, False, pd.Timestamp("2024-09-20 15:00")),
                ("A", "new", "Closed Lost", True, False, pd.Timestamp("2024-02-01")),
            ],
        ),
        TODAY,
    ).iloc[0]
    assert (found["outcome"], found["decided_on"]) == ("voluntary non-renewal", pd.Timestamp("2024-09-20"))


def test_a_line_beside_the_term_is_no_renewal_of_it_but_keeps_the_customer():
    found = terms(_versions([{}, _second(start_date=date(2024, 3, 1), end_date=date(2025, 2, 28))]), TODAY)
    assert found["outcome"].tolist()[0] == "contraction"


def test_no_observation_after_the_ending_was_decided():
    """Opt-out is 2024-11-01: with notice on 1 September only the days before it are asked."""
    table = terms(_versions([{}, _NOTICE]), TODAY)
    rows = observations(table)
    assert rows["lead_days"].tolist() == [180, 120, 90]
    assert (rows["observed_on"] < rows["decided_on"]).all() and rows["lost"].eq(1).all()
    assert observations(terms(_versions([{}, _second()]), TODAY))["lead_days"].tolist() == [180, 120, 90, 60, 30, 180, 120, 90, 60, 30]


def test_days_before_the_term_are_not_asked():
    rows = observations(terms(_versions([{"start_date": date(2024, 8, 1)}]), TODAY))
    assert rows["lead_days"].tolist() == [90, 60, 30]


def test_the_split_is_in_time_and_no_term_stands_on_both_sides():
    lines = []
    for number in range(12):
        end = date(2024, 1, 31) + timedelta(days=60 * number)
        lines.append({"account_key": f"A{number}", "contract_line_key": f"L{number}", "start_date": end - timedelta(days=364), "end_date": end})
    rows = observations(terms(_versions(lines), TODAY))
    at = default_split(rows)
    train, test = split(rows, at)
    assert len(train) and len(test)
    assert train["closed_on"].max() < pd.Timestamp(at) <= test["observed_on"].min()
    sides = [set(zip(part["account_key"], part["end_date"], strict=True)) for part in (train, test)]
    assert not sides[0] & sides[1]
    assert len(sides[0] | sides[1]) < 12, "a term that straddles the split is in neither"


def test_nights_that_are_needed():
    rows = pd.DataFrame({"observed_on": pd.to_datetime(["2025-03-05", "2025-03-12", "2025-06-18", "2024-01-10"])})
    have = [date(2025, 3, 3)]
    found = needed_nights(rows, have, first=date(2024, 6, 1), every="weekly", within_days=7)
    assert found == [date(2025, 3, 9), date(2025, 6, 15)]
    assert all(night.weekday() == 6 for night in found)
    assert needed_nights(rows, have, first=date(2024, 6, 1), every="monthly", within_days=31) == [date(2025, 5, 31)]
