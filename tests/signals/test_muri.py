"""Muri: the spike test against its formula, its guards, and the weight of the opt-out deadline."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import nbinom

from vim_pipelines.signals import muri


def weeks(baseline: float, recent: list[int], accounts: int = 1) -> np.ndarray:
    """24 baseline weeks of `baseline` tickets on average (whole numbers), then the recent four."""
    whole = int(baseline)
    pattern = [whole + (1 if (n % 100) < (baseline - whole) * 100 else 0) for n in range(0, 2400, 100)]
    return np.array([pattern + recent] * accounts, dtype=float)


@pytest.mark.parametrize(("tickets", "total"), [(4, 0), (4, 6), (12, 24), (9, 72), (0, 10)])
def test_the_tail_is_that_of_the_posterior_predictive(tickets: int, total: int) -> None:
    """Gamma(.5 + s, 24 weeks) rate, four weeks ahead: negative binomial, P(X >= x)."""
    mine = muri.predictive_tail(np.array([float(tickets)]), np.array([float(total)]), np.array([1.0]), 24, 4.0, 0.5)
    assert mine[0] == pytest.approx(nbinom.sf(tickets - 1, 0.5 + total, 24 / 28), rel=1e-9)


def test_a_five_fold_surge_alarms_and_an_ordinary_month_does_not() -> None:
    result = muri.assess(np.vstack([weeks(1, [5, 6, 4, 5]), weeks(1, [1, 2, 0, 1])]))
    assert result.level == ["alert", "none"]


def test_three_tickets_are_never_an_alarm() -> None:
    """After 24 weeks without a ticket three are improbable, and still only three."""
    result = muri.assess(weeks(0, [0, 1, 1, 1]))
    assert result.level == ["none"]


def test_bursty_segments_need_more() -> None:
    """Ignoring the variance of bursty tickets gave 0.8 to 1.9 false alarms per account and year."""
    rng = np.random.default_rng(4)
    calm = rng.poisson(2, (40, 28)).astype(float)
    bursty = rng.negative_binomial(1, 1 / 3, (40, 28)).astype(float)
    recent = [6, 5, 6, 5]
    calm[0], bursty[0] = weeks(2, recent)[0], weeks(2, recent)[0]
    result = muri.assess(np.vstack([calm, bursty]), segments=["calm"] * 40 + ["bursty"] * 40)
    assert result.phi[0] < 1.3 and result.phi[40] > 2.3
    assert result.p_value[40] > 5 * result.p_value[0]


def test_a_customer_that_grew_may_file_more_tickets() -> None:
    """Tickets that double with the customer are growth; the baseline is scaled up, and never down."""
    weekly = np.vstack([weeks(2, [5, 5, 5, 4])] * 3)
    result = muri.assess(weekly, growth=np.array([1.0, 2.0, 0.4]), growth_within=np.ones(3), rule=muri.MuriRule(default_phi=1.0))
    assert result.p_value[1] > 0.2 > 0.01 > result.p_value[0]
    assert result.p_value[2] == result.p_value[0]


def test_growth_is_one_where_use_is_unknown_or_young() -> None:
    active = np.full((3, 26), 10.0)
    active[0] = np.linspace(10, 20, 26)
    active[1] = np.nan
    active[2, :15] = np.nan
    grown = muri.user_growth(active)
    # on the line: 10 + .4 a week; middle of the recent weeks at 23.5, of the baseline 14 weeks before, its halves 12 weeks apart
    np.testing.assert_allclose(grown.growth, [19.4 / 13.8, 1.0, 1.0])
    np.testing.assert_allclose(grown.within, [(13.8 + 2.4) / (13.8 - 2.4), 1.0, 1.0])


def test_one_good_month_of_users_is_hardly_growth() -> None:
    """Every chance high of the users would hide tickets: the mean of the last four weeks swings 45 % more than the line does."""
    users = np.random.default_rng(6).binomial(25, 0.6, (4000, 26)).astype(float)
    line = muri.user_growth(users).growth
    mean = users[:, -4:].mean(axis=1) / users[:, :-4].mean(axis=1)
    assert line.std() < mean.std() / 1.4
    assert abs(line.mean() - 1.0) < 0.01


def test_seats_bought_are_growth_at_once() -> None:
    """Seats double four weeks ago, users follow in months: the tickets of the roll-out are not overburden."""
    seats = np.full((2, 28), 50.0)
    seats[0, -4:] = 100.0
    seats[1, :10] = 0.0  # no contract yet: not a growth from nothing
    grown = muri.customer_growth(np.full((2, 26), 30.0), seats)
    np.testing.assert_allclose(grown.growth, [2.0, 1.0])
    np.testing.assert_allclose(grown.within, [1.0, 1.0])


def test_tickets_that_double_in_a_whole_segment_are_its_trend() -> None:
    """Twelve tickets a week that double in a year, no use known: taken for level they brought an account 1.5 watches a year."""
    rng = np.random.default_rng(12)
    weekly = rng.poisson(12 * 2.0 ** (np.arange(-27, 1) / 52), (50, 28)).astype(float)
    result = muri.assess(weekly)
    assert 1.12 < np.median(result.growth) < 1.30  # the truth is 2 ** (14 / 52) = 1.205
    steady = muri.assess(rng.poisson(12, (50, 28)).astype(float))
    assert np.median(steady.growth) < 1.05


def test_a_surge_does_not_explain_itself() -> None:
    """Growth is read from the baseline alone; the same baseline with three times the tickets now has the same growth."""
    rng = np.random.default_rng(13)
    calm = rng.poisson(3, (50, 28)).astype(float)
    surging = calm.copy()
    surging[0, -4:] *= 3
    np.testing.assert_array_equal(muri.assess(calm).growth, muri.assess(surging).growth)


def test_the_tail_of_bursty_tickets_is_wider() -> None:
    """Mean 12, variance phi times that and the uncertainty of the rate: the moments of the distribution that the tail belongs to."""
    mean, phi, shape = 12.0, 3.0, 0.5 + 72 / 3.0
    mean = phi * shape * 4 / 24
    variance = phi * mean + mean**2 / shape
    size = mean**2 / (variance - mean)
    expected = nbinom.sf(19, size, size / (size + mean))
    got = muri.predictive_tail(np.array([20.0]), np.array([72.0]), np.array([3.0]), 24, 4.0, 0.5)
    assert got[0] == pytest.approx(expected, rel=1e-9)


def test_weeks_before_the_customer_are_no_calm_baseline() -> None:
    """A customer of ten weeks with its first tickets would otherwise alarm against fourteen weeks of not existing."""
    weekly = weeks(0, [2, 2, 2, 2])
    weekly[0, :18] = np.nan
    result = muri.assess(weekly)
    assert (result.status, result.level) == (["insufficient"], [None])
    assert np.isnan(result.p_value[0])


def test_unfed_tickets_are_unknown_and_not_zero() -> None:
    result = muri.assess(np.vstack([weeks(0, [0] * 4)] * 3), ticket_status=["unknown", "stale", None])
    assert result.status == ["unknown", "stale", "unknown"]
    assert np.isnan(result.tickets_4w).all() and result.level == [None] * 3


def test_proximity_counts_to_the_opt_out_and_is_monotone() -> None:
    days = np.array([-5.0, 0, 30, 31, 90, 91, 180, 181, 365, 366, np.nan])
    weights = muri.proximity(days)
    np.testing.assert_allclose(weights, [1, 1, 1, 0.8, 0.8, 0.5, 0.5, 0.25, 0.25, 0.1, 0.1])
    assert (np.diff(weights[:-1]) <= 0).all()


def test_severity_takes_the_worse_of_surprise_and_load() -> None:
    p = np.array([0.001, 1.0, np.nan, 0.001])
    severity = muri.severity(p, np.array([8.0, 8, np.nan, 3]), np.array([0.0, 50, 20, 0]), np.array([100.0, 100, 10, 100]))
    # 60 from three powers of ten; 50 points on 100 seats; 20 points on 10 seats counted as 25; three tickets do not count
    np.testing.assert_allclose(severity, [60.0, 50.0, 80.0, 0.0])
    assert np.isnan(muri.severity(np.array([np.nan]), np.array([np.nan]), np.array([np.nan]), np.array([10.0]))[0])


def test_benjamini_hochberg_by_hand() -> None:
    """Classic example: 0.01 0.02 0.03 0.5 over four tests; unknown ones do not count as tests."""
    q = muri.benjamini_hochberg(np.array([0.02, np.nan, 0.01, 0.5, 0.03]))
    np.testing.assert_allclose(q, [0.04, np.nan, 0.04, 0.5, 0.04])
