"""Mura: how jerky an account's adoption is, and how likely that jerkiness is by chance.

A raw coefficient of variation calls nearly every small account erratic: with ten seats it flags 99.7 % of perfectly stable ones
(METRICS.md section 3). So three questions are asked apart, each with a test at a stated level:

- spiky: does the detrended series scatter more than users who come and go by chance? (dispersion test, beta-binomial null)
- dropping: are the last four weeks below the eight before by more than chance, or has the account declined steadily?
- gapped: was there a silence that this account's own rhythm does not explain?

The levels stand here and not among the tunable thresholds: a changed level without a new measurement would make
`published_rates.yaml` a lie. Functions take accounts x weeks matrices (oldest week first, NaN = no such week) and plain vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vim_pipelines.signals.vectors import Mask, Matrix, Vector

RULE_VERSION = "mura-3"


@dataclass(frozen=True)
class MuraRule:
    """Numbers of the rule. Rates in `published_rates.yaml` hold for exactly these."""

    max_weeks: int = 26
    min_weeks: int = 12
    #: Fewest seats for a verdict on volatility: at five seats the test finds one truly erratic account in four (METRICS.md section 3).
    min_seats: int = 10
    #: Fewest seats for a verdict on drops and gaps.
    min_seats_level: int = 5
    #: Level of one look, as all levels here. Looks are weekly and overlap by 25 of 26 weeks; the rate over a year of looks is measured, not
    #: derived. At .01 between 4 and 12 % of stable accounts were called erratic at least once a year.
    dispersion_level: float = 0.001
    cv_floor: float = 0.30
    recent_weeks: int = 4
    prior_weeks: int = 8
    drop_ratio: float = -0.25
    drop_base_events: int = 20
    drop_level: float = 0.0003
    decline_ratio: float = -0.30
    decline_level: float = 0.0002
    gap_floor_days: int = 10
    gap_multiple: float = 3.0
    gap_level: float = 0.001
    #: Correlation between users that the gap test assumes: an account of few users is empty in some weeks without a reason.
    gap_rho: float = 0.05
    #: Fewest accounts from which a segment's own rho is estimated; below it the whole book's, below it the default.
    min_accounts_for_rho: int = 15
    default_rho: float = 0.02
    #: A segment that seems more correlated than this is erratic, not correlated; widening further would hide it.
    max_rho: float = 0.10
    #: Accounts less likely than this under the segment's rho are set aside before rho is estimated again: they may be truly erratic.
    rho_trim: float = 0.05


RULE = MuraRule()


@dataclass(frozen=True)
class MuraResult:
    """One value per account; NaN where not measured. Flags are 1.0, 0.0 or NaN (no verdict). `status`: ok | unknown | stale | insufficient.

    From five to nine seats drops and gaps are judged and `is_spiky` and `dispersion_p` are NaN.
    """

    n_weeks: Vector
    mean_active: Vector
    slope_per_week: Vector
    cv: Vector
    cv_robust: Vector
    dispersion_index: Vector
    rho: Vector
    dispersion_p: Vector
    recent_median: Vector
    prior_median: Vector
    drop_ratio: Vector
    drop_p: Vector
    decline_ratio: Vector
    decline_p: Vector
    gap_days: Vector
    gap_p: Vector
    is_spiky: Vector
    is_gapped: Vector
    is_dropping: Vector
    status: list[str]


def assess(
    active: Matrix,
    seats: Vector,
    *,
    masked: Mask | None = None,
    segments: Sequence[Any] | None = None,
    events: Matrix | None = None,
    gap_days: Vector | None = None,
    median_gap_days: Vector | None = None,
    active_day_share: Vector | None = None,
    gap_window_days: int = 64,
    usage_status: Sequence[str | None] | None = None,
    rule: MuraRule = RULE,
) -> MuraResult:
    """Every Mura measure and flag of each account.

    `active`: weekly active users, accounts x weeks, oldest first; the newest `rule.max_weeks` columns are used. `masked`: known-event
    weeks (same shape), left out everywhere. `events`: weekly usage events, for the base of the drop rule. `gap_days`: longest run of
    business days without activity in `gap_window_days` business days; `median_gap_days`: the account's usual run between active days;
    `active_day_share`: share of business days with activity outside that longest run. `usage_status` other than `ok` leaves no verdict.
    """
    import numpy as np

    from vim_pipelines.signals.vectors import ratio, row_counts, row_mean, row_median

    blank = np.full(len(active), np.nan)
    gap = blank if gap_days is None else np.asarray(gap_days, dtype=float)
    usual_gap = blank if median_gap_days is None else np.asarray(median_gap_days, dtype=float)
    day_share = blank if active_day_share is None else np.asarray(active_day_share, dtype=float)

    weekly = np.array(active[:, -rule.max_weeks :], dtype=float)
    seats = np.asarray(seats, dtype=float)
    if masked is not None:
        weekly[masked[:, -rule.max_weeks :]] = np.nan
    counts = row_counts(weekly)
    status = _status(counts, seats, usage_status, rule)
    judged = np.array([entry == "ok" for entry in status], dtype=bool)
    # More users than seats happens (shared contracts, overuse): the trials are then as many as ever were seen.
    trials = np.fmax(seats, np.where(np.isfinite(weekly), weekly, 0.0).max(axis=1, initial=0.0))

    gap_p = np.fmax(_gap_probability(gap, day_share, gap_window_days), _empty_weeks_probability(gap, weekly, trials, gap_window_days, rule.gap_rho))
    is_gapped = (gap >= np.fmax(float(rule.gap_floor_days), rule.gap_multiple * usual_gap)) & ~(gap_p >= rule.gap_level)

    # One silence is a gap and not an erratic rhythm: its empty weeks are left out of the scatter, or each gap would be found twice.
    scatter = _scatter(np.where(is_gapped[:, None] & (weekly == 0), np.nan, weekly), trials)
    rho = estimate_rho(scatter.index, scatter.counts, trials, segments, judged, rule)
    widened = 1.0 + np.maximum(trials - 1.0, 0.0) * rho
    tail_weight = 1.0 + np.maximum(_beta_binomial_kurtosis(trials, scatter.share, rho), 0.0) / 2.0
    dispersion_p = _chi2_tail(scatter.index / widened / tail_weight, (scatter.counts - 2) / tail_weight)
    dispersion_p = np.where((scatter.counts >= rule.min_weeks) & (seats >= rule.min_seats), dispersion_p, np.nan)
    is_spiky = (dispersion_p < rule.dispersion_level) & (scatter.cv >= rule.cv_floor)

    recent, prior = weekly[:, -rule.recent_weeks :], weekly[:, -(rule.recent_weeks + rule.prior_weeks) : -rule.recent_weeks]
    recent_median, prior_median = row_median(recent), row_median(prior)
    drop_ratio = ratio(recent_median, prior_median) - 1.0
    drop_p = _drop_probability(recent, prior, weekly[:, : -rule.recent_weeks], trials, widened)
    counted = prior if events is None else events[:, -rule.max_weeks :][:, -(rule.recent_weeks + rule.prior_weeks) : -rule.recent_weeks]
    has_base = np.nansum(np.where(np.isfinite(prior), counted, 0.0), axis=1) >= rule.drop_base_events
    is_step = (drop_ratio <= rule.drop_ratio) & (drop_p < rule.drop_level) & has_base
    is_decline = (scatter.decline_ratio <= rule.decline_ratio) & (scatter.decline_p < rule.decline_level) & has_base

    def verdict(flag: Any, measured: Any) -> Any:
        return np.where(judged & measured, flag.astype(float), np.nan)

    return MuraResult(
        n_weeks=counts.astype(float), mean_active=row_mean(weekly), slope_per_week=scatter.slope, cv=scatter.cv, cv_robust=scatter.cv_robust,
        dispersion_index=scatter.index, rho=np.where(judged, rho, np.nan), dispersion_p=np.where(judged, dispersion_p, np.nan),
        recent_median=recent_median, prior_median=prior_median, drop_ratio=drop_ratio, drop_p=np.where(judged, drop_p, np.nan),
        decline_ratio=scatter.decline_ratio, decline_p=np.where(judged, scatter.decline_p, np.nan), gap_days=gap, gap_p=gap_p,
        is_spiky=verdict(is_spiky, np.isfinite(dispersion_p)),
        is_gapped=verdict(is_gapped, np.isfinite(gap)),
        is_dropping=verdict(is_step | is_decline, np.isfinite(drop_p) | np.isfinite(scatter.decline_p)),
        status=status,
    )  # fmt: skip


@dataclass(frozen=True)
class _Scatter:
    """Trend and scatter of each account's weeks; `share` is the mean share of the trials that is active."""

    counts: Any
    share: Vector
    slope: Vector
    cv: Vector
    cv_robust: Vector
    index: Vector
    decline_ratio: Vector
    decline_p: Vector


def _scatter(weekly: Matrix, trials: Vector) -> _Scatter:
    """Detrend each row (Theil-Sen) and measure what is left; decline is the fitted change from the first week to the last, as a share of the first."""
    import numpy as np

    from vim_pipelines.signals.vectors import in_chunks, ratio, row_counts, row_mean, row_median, row_squares

    counts, mean = row_counts(weekly), row_mean(weekly)
    slope, decline_p = in_chunks(_trend, weekly)
    weeks = np.where(np.isfinite(weekly), np.arange(weekly.shape[1], dtype=float), np.nan)
    level = weekly - slope[:, None] * (weeks - row_mean(weeks)[:, None])
    squares, middle = row_squares(level), row_median(level)
    deviation = row_median(np.abs(level - middle[:, None]))
    cv = ratio(np.sqrt(ratio(squares, np.maximum(counts - 1, 0))), mean)

    fitted_change = slope * _span(weeks)
    first_level = mean - fitted_change / 2.0
    share = ratio(mean, trials)
    variance = trials * share * (1.0 - share)
    index = ratio(squares, np.where(variance > 1e-9, variance, np.nan))
    # Everyone or no one, every week: nothing scatters, so nothing is unlikely.
    index = np.where(np.isfinite(mean) & (squares <= 1e-9), 0.0, index)
    return _Scatter(
        counts,
        share,
        slope,
        cv,
        1.4826 * deviation / np.maximum(middle, 1.0),
        index,
        ratio(fitted_change, np.where(first_level > 0, first_level, np.nan)),
        decline_p,
    )


def estimate_rho(index: Vector, counts: Any, trials: Vector, segments: Sequence[Any] | None, usable: Mask, rule: MuraRule = RULE) -> Vector:
    """Correlation between users of one account within a week, estimated per segment; one value per account.

    Users who are away in the same week make stable accounts look erratic: at rho = .05 the independent-users test flags 73 % of them
    (METRICS.md section 8). Under a beta-binomial null the index divided by 1 + (N-1) rho follows chi-square with n-2 degrees, so rho is
    the value at which half of the segment's accounts lie above the median of their own null. The median, not the mean: up to half of a
    segment may be truly erratic without teaching the test to accept it.
    """
    import numpy as np

    from vim_pipelines.signals.vectors import group_indices

    usable = usable & np.isfinite(index) & (counts >= rule.min_weeks) & (trials >= rule.min_seats) & (index > 0)
    everyone = np.flatnonzero(usable)
    book = _median_rho(index[everyone], counts[everyone], trials[everyone], rule) if len(everyone) >= rule.min_accounts_for_rho else rule.default_rho
    result = np.full(len(index), book, dtype=float)
    for members in group_indices(segments if segments is not None else ["book"] * len(index)).values():
        mine = members[usable[members]]
        if len(mine) >= rule.min_accounts_for_rho:
            result[members] = _median_rho(index[mine], counts[mine], trials[mine], rule)
    return result


def _median_rho(index: Vector, counts: Any, trials: Vector, rule: MuraRule) -> float:
    """Root of: median over accounts of the null's tail probability = 1/2, then again without the accounts that look erratic under it.

    Every erratic account pushes the median a little: with one in five, rho came out at .034 instead of .02 at ten seats, and the power of
    the test fell with it. The accounts left have tail probabilities between `rho_trim` and 1 if they are null, so their median is the middle of that.
    """
    import numpy as np

    def tail(rho: float) -> Vector:
        return _chi2_tail(index / (1.0 + (trials - 1.0) * rho), counts - 2)

    def root(kept: Mask, target: float) -> float:
        if float(np.median(tail(0.0)[kept])) >= target:
            return 0.0
        low, high = 0.0, rule.max_rho
        if float(np.median(tail(high)[kept])) <= target:
            return high
        for _ in range(30):  # the tail grows with rho, so bisection is safe
            centre = (low + high) / 2.0
            low, high = (centre, high) if float(np.median(tail(centre)[kept])) < target else (low, centre)
        return (low + high) / 2.0

    rho = root(np.ones(len(index), dtype=bool), 0.5)
    for _ in range(3):
        rho = root(tail(rho) >= rule.rho_trim, (1.0 + rule.rho_trim) / 2.0)
    return round(rho, 6)


def _status(counts: Any, seats: Vector, usage_status: Sequence[str | None] | None, rule: MuraRule) -> list[str]:
    known = list(usage_status) if usage_status is not None else ["ok"] * len(seats)
    result = []
    for weeks, size, fed in zip(counts.tolist(), seats.tolist(), known, strict=True):
        if fed in ("unknown", "stale") or fed is None or fed != fed or size != size:
            result.append("stale" if fed == "stale" else "unknown")
        else:
            result.append("ok" if weeks >= rule.min_weeks and size >= rule.min_seats_level else "insufficient")
    return result


def _span(weeks: Matrix) -> Vector:
    """Weeks from the first measured week of each row to the last."""
    import numpy as np

    known = np.isfinite(weeks)
    first = np.min(np.where(known, weeks, np.inf), axis=1, initial=np.inf)
    last = np.max(np.where(known, weeks, -np.inf), axis=1, initial=-np.inf)
    return np.where(known.any(axis=1), last - np.where(known.any(axis=1), first, 0.0), np.nan)


def _trend(values: Matrix) -> tuple[Vector, ...]:
    """Theil-Sen slope per week, and the one-sided Mann-Kendall probability of so falling a series without a trend.

    Ties are not corrected for, which makes the probability too large: conservative. Mann-Kendall needs independent weeks but no
    model of the users, so correlated users do not disturb it.
    """
    import numpy as np
    from scipy.special import ndtr

    from vim_pipelines.signals.vectors import row_counts, row_median

    weeks = values.shape[1]
    if weeks < 2:
        return np.full(len(values), np.nan), np.full(len(values), np.nan)
    early, late = np.triu_indices(weeks, 1)
    rise = values[:, late] - values[:, early]
    slope = row_median(rise / (late - early))
    score = np.where(np.isfinite(rise), np.sign(rise), 0.0).sum(axis=1)
    n = row_counts(values).astype(float)
    deviation = np.sqrt(np.maximum(n * (n - 1) * (2 * n + 5) / 18.0, 1e-12))
    shifted = score + 1.0  # continuity: the score moves in steps of two
    return np.where(n >= 2, slope, np.nan), np.where(n >= 8, ndtr(shifted / deviation), np.nan)


def _chi2_tail(value: Vector, degrees: Any) -> Vector:
    """P(chi-square with `degrees` >= value); NaN where degrees < 1 or value is unknown."""
    import numpy as np
    from scipy.special import chdtrc

    known = np.isfinite(value) & (degrees >= 1)
    return np.where(known, chdtrc(np.where(known, degrees, 1.0).astype(float), np.where(known, value, 0.0)), np.nan)


def _beta_binomial_kurtosis(trials: Vector, share: Vector, rho: Vector) -> Vector:
    """Excess kurtosis of a beta-binomial count. Zero where nothing scatters.

    With little use (10 % of seats a week) and rho = .05 the counts are skewed and the plain chi-square flagged 2.2 % of stable accounts at
    the 1 % level; matching the variance of the sum of squares to the kurtosis (Satterthwaite) brings that back.
    """
    import numpy as np

    usable = np.isfinite(share) & (share > 0) & (share < 1) & (trials > 0)
    n, p = np.where(usable, trials, 1.0), np.where(usable, share, 0.5)
    total = 1.0 / np.maximum(rho, 1e-5) - 1.0
    a, b = p * total, (1.0 - p) * total
    bracket = total * (total - 1 + 6 * n) + 3 * a * b * (n - 2) + 6 * n**2 - 3 * a * b * n * (6 - n) / total - 18 * a * b * n**2 / total**2
    value = total**2 * (1 + total) / (n * a * b * (total + 2) * (total + 3) * (total + n)) * bracket - 3.0
    return np.where(usable, value, 0.0)


def _drop_probability(recent: Matrix, prior: Matrix, history: Matrix, trials: Vector, widened: Vector) -> Vector:
    """One-sided probability that the recent weeks lie so far below the prior ones by chance.

    Difference of two mean rates under one pooled rate, scale = the larger of the segment's beta-binomial widening and the account's own
    scatter before the recent weeks (from its median absolute deviation, so that a drop inside the window does not hide itself).
    Needs two recent and four prior weeks.
    """
    import numpy as np
    from scipy.special import ndtr

    from vim_pipelines.signals.vectors import ratio, row_counts, row_mean, row_median

    n_recent, n_prior = row_counts(recent), row_counts(prior)
    both = np.concatenate([prior, recent], axis=1)
    share = np.clip(ratio(row_mean(both), trials), 0.0, 1.0)
    binomial = trials * share * (1.0 - share)
    steps = np.diff(history, axis=1)  # differences: a trend or an old step shifts few of them
    own = (1.4826 * row_median(np.abs(steps))) ** 2 / 2.0
    variance = np.fmax(np.maximum(binomial, 1e-9) * widened, np.where(np.isfinite(own), own, 0.0))
    enough = (n_recent >= 2) & (n_prior >= 4)
    error = np.sqrt(variance * (ratio(1.0, n_recent) + ratio(1.0, n_prior)))
    continuity = ratio(0.5, n_recent)
    score = ratio(row_mean(recent) - row_mean(prior) + continuity, error)
    return np.where(enough, np.where(np.isfinite(score), ndtr(score), 1.0), np.nan)


def _gap_probability(gap: Vector, active_day_share: Vector, window_days: int) -> Vector:
    """Upper bound for the probability of a silence so long in the window, if activity on business days were independent at the account's own rate.

    Number of places where a run can start times (1-q)^gap. NaN where the rate is unknown: the floor and the multiple then decide alone.
    """
    import numpy as np

    places = 1.0 + np.maximum(window_days - gap, 0.0) * active_day_share
    return np.where(
        np.isfinite(gap) & np.isfinite(active_day_share), np.minimum(places * (1.0 - np.clip(active_day_share, 0.0, 1.0)) ** np.maximum(gap, 0.0), 1.0), np.nan
    )


def _empty_weeks_probability(gap: Vector, weekly: Matrix, trials: Vector, window_days: int, rho: float) -> Vector:
    """Upper bound for the probability of the whole weeks inside the silence being empty by chance; NaN where the gap or the use is unknown.

    Days are not independent: who does not come this week does not come on any day of it. With 10 seats and 10 % of them in use a week, a
    test by days alone called 32 % of stable accounts gapped. A week is empty with the beta-binomial probability of zero users, or as often
    as it was empty outside the silence, whichever is more.
    """
    import numpy as np
    from scipy.special import betaln

    from vim_pipelines.signals.vectors import ratio, row_counts

    silent_weeks = gap / 5.0
    outside = np.maximum(row_counts(weekly) - silent_weeks, 1.0)
    share = np.clip(ratio(np.nansum(weekly, axis=1) / outside, trials), 1e-9, 1.0 - 1e-9)
    total = 1.0 / rho - 1.0
    modelled = np.exp(betaln(share * total, (1.0 - share) * total + trials) - betaln(share * total, (1.0 - share) * total))
    observed = np.maximum((weekly == 0).sum(axis=1) - silent_weeks, 0.0) / outside
    whole_weeks = np.maximum(np.floor((gap - 4.0) / 5.0), 0.0)
    bound = np.minimum(window_days / 5.0 * np.fmax(modelled, observed) ** whole_weeks, 1.0)
    return np.where(np.isfinite(gap) & np.isfinite(share), bound, np.nan)
