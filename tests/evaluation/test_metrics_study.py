"""METRICS.md's simulated numbers come out again, at small size."""

from __future__ import annotations

import pytest

from vim_pipelines.evaluation.metrics_study import SPIKE_TABLE, rendered_study, study

#: Stated figures of METRICS.md that do not come out here within simulation error, and what does.
DIFFERENT = {"z > 2, 0.25 tickets a week: alarms per account-year": 5.4}


def test_the_numbers_of_the_metrics_page_are_reproduced() -> None:
    rows = study(1500, 7)
    assert len([row for row in rows if row.stated is not None]) == 8 + 3 + 3 + 3 + 3 * len(SPIKE_TABLE) + 3
    for row in rows:
        stated = DIFFERENT.get(row.what, row.stated)
        if stated is None:
            continue
        # Shares: about three standard errors of both simulations; alarms a year: a tenth.
        assert row.seen == pytest.approx(stated, abs=0.055 if stated <= 1.0 else 0.1 * stated), row


def test_a_fixed_percentage_flags_nearly_every_small_account_within_a_year() -> None:
    year = {row.what: row.seen for row in study(300, 8) if "any of 52" in row.what}
    assert year["stable, 10 seats, 30 % use: a fall of 25 %, at any of 52 weekly looks"] > 0.95


def test_the_table_shows_what_is_stated_beside_what_is_seen() -> None:
    text = rendered_study(60, 9)
    assert "stated" in text and "twice the average" in text
