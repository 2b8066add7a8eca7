"""Real counts: read without leakage, planted where they were said to be, and measured on the data where it is at hand."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from vim_pipelines.evaluation import real_counts
from vim_pipelines.signals import muri

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
needs_data = pytest.mark.skipif(not (DATA / real_counts.INCIDENTS).exists(), reason="../shared/data is not here")


def test_incidents_count_once_on_the_business_day_and_where_they_were_opened(tmp_path: Path) -> None:
    """A later version of the same incident has another location; weekends and unknown locations are left out."""
    path = tmp_path / "incidents.csv.gz"
    rows = [
        "number,sys_mod_count,opened_at,location",
        "INC1,0,1/3/2016 09:00,A", "INC1,3,1/3/2016 09:00,B", "INC2,0,1/3/2016 10:00,A", "INC3,0,3/3/2016 10:00,B",
        "INC4,0,5/3/2016 10:00,A", "INC5,0,3/3/2016 11:00,?", "INC6,0,4/3/2016 11:00,A",
    ]  # fmt: skip
    with gzip.open(path, "wt") as stream:
        stream.write("\n".join(rows))
    table = real_counts.daily_incidents(path)
    np.testing.assert_array_equal(table, [[2, 0, 0, 1], [np.nan, np.nan, 1, 0]])


def test_company_weeks_count_people_changes_and_those_seen_in_half_a_year(tmp_path: Path) -> None:
    path = tmp_path / "events.csv.gz"
    rows = [
        "change_id,account_root,user_id,occurred_at",
        "c1,a.com,u1,2015-01-05T10:00:00+00:00", "c1,a.com,u1,2015-01-05T10:00:00+00:00", "c2,a.com,u2,2015-01-06T10:00:00+00:00",
        "c3,a.com,u1,2015-01-12T02:00:00+09:00",  # Sunday evening in UTC: still the first week
        "c4,b.com,u3,2015-01-20T10:00:00+00:00", "c5,,u4,2015-01-20T10:00:00+00:00", "c6,b.com,u3,2015-08-17T10:00:00+00:00",
    ]  # fmt: skip
    with gzip.open(path, "wt") as stream:
        stream.write("\n".join(rows))
    activity = real_counts.read_activity(path)
    assert activity.people.shape == (2, 32)
    assert (activity.people[0, 0], activity.changes[0, 0], activity.people[0, 1]) == (2.0, 3.0, 0.0)
    assert np.isnan(activity.people[1, :2]).all() and activity.people[1, 2] == 1.0
    assert (activity.seen[0, 0], activity.seen[0, 25], activity.seen[0, 26]) == (2.0, 2.0, 0.0)
    assert activity.days[0, 0].tolist() == [True, True, False, False, False]
    assert not activity.masked[0, 1:].any()


def test_surges_are_planted_where_they_are_said_to_be() -> None:
    rng = np.random.default_rng(1)
    counts = rng.poisson(5, (40, 40)).astype(float)
    changed, where = real_counts._with_surges(rng, counts, 3, 16)
    assert len(where) == 9
    for account, start in where:
        assert start >= 12
        assert (changed[account, start : start + 4].sum() - counts[account, start : start + 4].sum()) == pytest.approx(40, abs=25)
        outside = np.delete(np.arange(40), np.arange(start, start + 4))
        np.testing.assert_array_equal(changed[account, outside], counts[account, outside])


def test_planted_surges_in_calm_counts_are_found_and_calm_counts_are_calm() -> None:
    """The study itself must tell good from bad: Poisson counts of five a period."""
    counts = np.random.default_rng(2).poisson(5, (60, 50)).astype(float)
    rows = {(row.detector, row.what): row for row in real_counts.count_rows("calm", counts, 3, 3, by_volume=False)}
    assert rows["MURI_SPIKE watch", "one book: 3 times the counts for four periods"].rate > 0.95
    assert rows["MURI_SPIKE alert", "one book: untouched"].rate < 0.15
    assert rows["MURI_SPIKE alert", "one book: untouched"].exposure == pytest.approx(60 * (50 - 16 + 1) / 52)


@needs_data
def test_real_incidents_keep_the_alert_budget_as_far_as_so_few_days_can_tell() -> None:
    rows = real_counts.count_rows("incidents", real_counts.daily_incidents(DATA / real_counts.INCIDENTS), 20260629, 1, by_volume=False)
    untouched = {row.detector: row for row in rows if row.what.endswith("untouched")}
    assert untouched["MURI_SPIKE watch"].exposure > 10
    assert untouched["MURI_SPIKE watch"].bounds[0] <= 0.4 and untouched["MURI_SPIKE alert"].bounds[0] <= 0.07
    assert all(0 <= row.rate <= 1 for row in rows if row.unit == "share")
    assert "incidents" in real_counts.rendered_counts(rows)


@needs_data
@pytest.mark.slow
def test_every_row_of_the_real_study_is_measured() -> None:
    rows = real_counts.study(DATA, 20260629, repeats=1)
    assert {row.source for row in rows} == {"incidents by location and day", "nova, changes by company and week", "nova, people by company and week"}
    assert all(row.exposure > 0 for row in rows)
    assert muri.RULE.recent_weeks == 4  # the planted surge is as long as the detector's recent weeks
