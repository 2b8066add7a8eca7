"""Mura: the statistics by hand, the verdicts on accounts whose story is known, and what unknown does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import betabinom, chi2, theilslopes

from vim_pipelines.evaluation.null_rates import stable_weeks
from vim_pipelines.signals import mura
from vim_pipelines.signals.vectors import row_median


def book(account: np.ndarray, seats: float, *, neighbours: int = 60, **options: object) -> mura.MuraResult:
    """The account in row 0 among stable neighbours of its own size: rho is a property of a book, not of one account."""
    rng = np.random.default_rng(5)
    others = stable_weeks(rng, neighbours, account.shape[-1], int(seats), 0.6, 0.0)
    return mura.assess(np.vstack([account.astype(float), others]), np.full(neighbours + 1, seats), **options)  # type: ignore[arg-type]


def steady(weeks: int = 26, seats: int = 40, seed: int = 1) -> np.ndarray:
    return stable_weeks(np.random.default_rng(seed), 1, weeks, seats, 0.6, 0.0)[0]


def test_the_headline_account_whose_fifty_users_come_every_week_has_no_finding() -> None:
    """No scatter at all: the index would be 0/0 and must read as 'nothing is unlikely', not as unknown."""
    result = book(np.full(26, 50.0), 200)
    assert (result.status[0], result.dispersion_index[0], result.dispersion_p[0]) == ("ok", 0.0, 1.0)
    assert (result.is_spiky[0], result.is_dropping[0], result.cv[0]) == (0.0, 0.0, 0.0)


def test_dispersion_index_and_p_value_follow_the_definition() -> None:
    """METRICS section 3: sum of squares of the detrended series over N p (1-p), chi-square with n-2 degrees."""
    series = steady()
    result = mura.assess(np.vstack([series] * 2), np.full(2, 40.0), rule=mura.MuraRule(default_rho=0.0))
    weeks = np.arange(26.0)
    slope = theilslopes(series, weeks).slope
    level = series - slope * (weeks - weeks.mean())
    share = series.mean() / 40
    index = ((level - level.mean()) ** 2).sum() / (40 * share * (1 - share))
    kurtosis = max((1 - 6 * share * (1 - share)) / (40 * share * (1 - share)), 0.0)
    weight = 1 + kurtosis / 2
    assert result.slope_per_week[0] == pytest.approx(slope)
    assert result.dispersion_index[0] == pytest.approx(index)
    assert result.dispersion_p[0] == pytest.approx(chi2.sf(index / weight, 24 / weight), rel=1e-3)


@pytest.mark.parametrize(("trials", "share", "rho"), [(10, 0.1, 0.05), (200, 0.1, 0.05), (50, 0.5, 0.02), (25, 0.9, 0.01)])
def test_the_kurtosis_of_the_null_is_that_of_the_beta_binomial(trials: int, share: float, rho: float) -> None:
    """A formula with six terms and one sign wrong still gives plausible numbers."""
    total = 1 / rho - 1
    expected = betabinom.stats(trials, share * total, (1 - share) * total, moments="k")
    assert mura._beta_binomial_kurtosis(np.array([float(trials)]), np.array([share]), np.array([rho]))[0] == pytest.approx(float(expected))


def test_smooth_growth_is_not_erratic() -> None:
    """Growth from 20 to 100 users gives a raw coefficient of variation of 0.41 and must not ring (METRICS section 3)."""
    series = np.linspace(20, 100, 26).round()
    result = book(series, 150)
    assert series.std() / series.mean() > 0.38
    assert result.cv[0] < 0.05
    assert result.is_spiky[0] == 0.0


def test_every_third_week_nearly_empty_is_erratic() -> None:
    series = steady()
    series[[1, 4, 7, 10, 13, 16, 19, 22]] *= 0.2
    result = book(series, 40)
    assert result.is_spiky[0] == 1.0 and result.dispersion_p[0] < 1e-6


def test_known_event_weeks_are_masked() -> None:
    """Two unmasked holiday weeks flagged 29 % of the 25-seat accounts."""
    series = steady()
    series[[10, 11]] = 2.0
    mask = np.zeros((61, 26), dtype=bool)
    mask[:, [10, 11]] = True
    with_mask, without = book(series, 40, masked=mask), book(series, 40)
    assert without.dispersion_p[0] < 0.01
    assert with_mask.dispersion_p[0] > 0.01
    assert with_mask.n_weeks[0] == 24


def test_halved_use_in_the_last_four_weeks_is_a_drop_and_not_a_scatter() -> None:
    """A step is caught by the dispersion test in 0 to 16 % of cases only: the drop rule has to."""
    series = steady()
    series[-4:] = np.round(series[-4:] * 0.5)
    result = book(series, 40)
    assert (result.is_dropping[0], result.is_spiky[0]) == (1.0, 0.0)
    assert result.drop_ratio[0] == pytest.approx(row_median(series[None, -4:])[0] / row_median(series[None, -12:-4])[0] - 1)


def test_a_steady_decline_is_a_finding() -> None:
    """Three per cent a week never makes a step of a quarter within twelve weeks, and loses half the users in half a year."""
    rng = np.random.default_rng(3)
    series = rng.binomial(100, 0.8 * 0.97 ** np.arange(26)).astype(float)
    result = book(series, 100)
    assert result.is_dropping[0] == 1.0
    assert result.decline_ratio[0] < -0.4


def test_a_small_dip_of_a_small_account_is_not_a_drop() -> None:
    """From 6 to 4 users is 33 % less and nothing: the fixed percentage flagged one in five small accounts at every look."""
    series = np.array([6.0, 5, 7, 6] * 6 + [6, 6])
    series[-4:] = [4, 5, 4, 4]
    result = book(series, 12)
    assert result.drop_ratio[0] <= -0.25
    assert result.is_dropping[0] == 0.0


def test_a_gap_needs_to_be_long_for_this_account() -> None:
    """Ten silent business days mean nothing where a fortnight between visits is usual, or where a week without anybody is likely."""
    busy, fortnightly = np.full(26, 30.0), np.tile([6.0, 0.0], 13)
    busy[-10:-8] = 0.0
    result = mura.assess(
        np.vstack([busy, busy, fortnightly]),
        np.array([40.0, 40.0, 40.0]),
        gap_days=np.array([10.0, 9.0, 12.0]),
        median_gap_days=np.array([0.0, 0.0, 9.0]),
        active_day_share=np.array([0.95, 0.95, 0.1]),
    )
    assert result.is_gapped.tolist() == [1.0, 0.0, 0.0]


def test_one_gap_is_not_also_called_erratic() -> None:
    """Three empty weeks in 26 carry the coefficient of variation over 0.3: each gap was reported twice."""
    series = steady()
    series[12:15] = 0.0
    days = {"gap_days": np.full(61, 0.0), "median_gap_days": np.full(61, 0.0), "active_day_share": np.full(61, 1.0)}
    days["gap_days"][0] = 15.0
    result = book(series, 40, **days)
    assert (result.is_gapped[0], result.is_spiky[0]) == (1.0, 0.0)
    assert book(series, 40).is_spiky[0] == 1.0


def test_fewer_than_five_seats_or_twelve_weeks_get_no_verdict() -> None:
    short = np.full((1, 26), np.nan)
    short[0, -11:] = 8.0
    result = mura.assess(np.vstack([np.full((1, 26), 3.0), short]), np.array([4.0, 50.0]))
    assert result.status == ["insufficient", "insufficient"]
    for flag in (result.is_spiky, result.is_gapped, result.is_dropping, result.dispersion_p, result.drop_p):
        assert np.isnan(flag).all()


def test_from_five_to_nine_seats_there_is_no_verdict_on_volatility_but_on_drops_and_gaps() -> None:
    """METRICS section 3: the dispersion test finds one truly erratic account of five seats in four. That all eight users have left is plain."""
    series = steady(seats=8)
    gone = series.copy()
    gone[-4:] = 0.0
    result = mura.assess(
        np.vstack([series, gone, gone]),
        np.array([8.0, 8.0, 9.0]),
        gap_days=np.array([1.0, 20.0, 20.0]),
        median_gap_days=np.zeros(3),
        active_day_share=np.ones(3),
        events=np.full((3, 26), 30.0),
    )
    assert result.status == ["ok"] * 3
    assert np.isnan(result.is_spiky).all() and np.isnan(result.dispersion_p).all()
    assert result.is_dropping.tolist() == [0.0, 1.0, 1.0] and result.is_gapped.tolist() == [0.0, 1.0, 1.0]


def test_erratic_accounts_do_not_teach_the_book_that_they_are_normal() -> None:
    """With one erratic account in five, the median alone gave a rho of .034 instead of .02 at ten seats."""
    rng = np.random.default_rng(18)
    weekly = stable_weeks(rng, 2000, 26, 10, 0.6, 0.02)
    weekly[::5] = np.where(rng.random((400, 26)) < 0.3, rng.binomial(10, 0.21, (400, 26)), weekly[::5])
    assert mura.assess(weekly, np.full(2000, 10.0)).rho[0] == pytest.approx(0.025, abs=0.005)
    calm = mura.assess(stable_weeks(rng, 2000, 26, 100, 0.6, 0.02), np.full(2000, 100.0))
    assert calm.rho[0] == pytest.approx(0.02, abs=0.0015)


def test_unknown_and_stale_use_give_no_verdict() -> None:
    series = np.vstack([steady()] * 3)
    result = mura.assess(series, np.array([40.0, 40.0, np.nan]), usage_status=["unknown", "stale", "ok"])
    assert result.status == ["unknown", "stale", "unknown"]
    assert np.isnan(result.is_dropping).all()


def test_rho_of_correlated_users_is_found_although_a_third_of_the_book_is_erratic() -> None:
    """The mean would learn the erratic accounts as normal; the median does not."""
    rng = np.random.default_rng(8)
    weekly = stable_weeks(rng, 300, 26, 100, 0.6, 0.03)
    weekly[:100, ::3] *= 0.2
    result = mura.assess(weekly, np.full(300, 100.0))
    assert 0.03 <= result.rho[0] < 0.075
    assert result.is_spiky[:100].mean() > 0.9 and result.is_spiky[100:].mean() < 0.02


def test_rho_is_a_matter_of_the_segment() -> None:
    rng = np.random.default_rng(9)
    weekly = np.vstack([stable_weeks(rng, 80, 26, 50, 0.5, 0.0), stable_weeks(rng, 80, 26, 50, 0.5, 0.05)])
    result = mura.assess(weekly, np.full(160, 50.0), segments=["smb"] * 80 + ["enterprise"] * 80)
    assert result.rho[0] < 0.01 and 0.03 < result.rho[-1] < 0.07


def test_more_users_than_seats_do_not_break_the_test() -> None:
    result = book(np.full(26, 30.0) + np.arange(26) % 2, 20)
    assert result.status[0] == "ok" and 0 <= result.dispersion_p[0] <= 1


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.one_of(st.none(), st.integers(0, 60)), min_size=26, max_size=26), min_size=1, max_size=6),
    st.integers(0, 80),
    st.randoms(use_true_random=False),
)
def test_whatever_the_series_measures_are_finite_or_unknown_and_rows_do_not_mix(rows: list[list[int | None]], seats: int, random: object) -> None:
    """No infinity, no probability outside [0, 1]; and an account's row does not depend on where it stands in the frame."""
    weekly = np.array([[np.nan if value is None else float(value) for value in row] for row in rows])
    sizes = np.full(len(rows), float(seats))
    result = mura.assess(weekly, sizes)
    order = list(range(len(rows)))
    random.shuffle(order)  # type: ignore[attr-defined]
    shuffled = mura.assess(weekly[order], sizes[order])
    for name in ("cv", "cv_robust", "dispersion_p", "drop_p", "decline_p", "is_spiky", "is_dropping", "slope_per_week"):
        values = getattr(result, name)
        assert not np.isinf(values).any(), name
        np.testing.assert_allclose(values[order], getattr(shuffled, name), rtol=1e-9, atol=1e-12)
    for name in ("dispersion_p", "drop_p", "decline_p"):
        measured = getattr(result, name)
        measured = measured[np.isfinite(measured)]
        assert ((measured >= 0) & (measured <= 1)).all()


def test_row_median_agrees_with_numpy() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(size=(200, 17))
    values[rng.random(values.shape) < 0.4] = np.nan
    values[0] = np.nan
    with np.errstate(all="ignore"):
        expected = np.array([np.nan if np.isnan(row).all() else np.nanmedian(row) for row in values])
    np.testing.assert_allclose(row_median(values), expected)
