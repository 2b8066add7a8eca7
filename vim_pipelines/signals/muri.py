"""Muri: whether an account's tickets are more than its own past explains, and how much that matters before the next opt-out.

"Twice the average" rings 8 to 11 times a year on an account that changes nothing (METRICS.md section 4). Here four weeks are compared
with the account's own 24-week baseline through a Gamma-Poisson predictive probability, with the burstiness of the segment's tickets
taken out first, and with the baseline scaled up where the customer has grown. Looked at once per ISO week, two levels: watch and alert.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vim_pipelines.signals.vectors import Matrix, Vector

RULE_VERSION = "muri-1"


@dataclass(frozen=True)
class MuriRule:
    """Numbers of the rule. Rates in `published_rates.yaml` hold for exactly these."""

    recent_weeks: int = 4
    baseline_weeks: int = 24
    min_baseline_weeks: int = 12
    watch_level: float = 0.01
    watch_tickets: int = 4
    alert_level: float = 0.001
    prior_shape: float = 0.5
    #: A customer that grew may file more tickets: the baseline is scaled up by the growth of active users, never down, and not beyond this.
    max_growth: float = 3.0
    #: Fewest accounts and tickets from which a segment's own dispersion is estimated; below it the whole book's, below it the default.
    min_accounts_for_phi: int = 15
    min_tickets_for_phi: int = 60
    default_phi: float = 2.0


RULE = MuriRule()


@dataclass(frozen=True)
class MuriResult:
    """One value per account; NaN where not measured. `level`: none | watch | alert, None without a verdict."""

    tickets_4w: Vector
    baseline_sum: Vector
    phi: Vector
    growth: Vector
    p_value: Vector
    level: list[str | None]
    status: list[str]


def assess(
    weekly: Matrix,
    *,
    growth: Vector | None = None,
    segments: Sequence[Any] | None = None,
    ticket_status: Sequence[str | None] | None = None,
    rule: MuriRule = RULE,
) -> MuriResult:
    """Spike test of each account. `weekly`: tickets opened per complete ISO week, oldest first; the newest 28 columns are used.

    Weeks before the customer was one must be NaN: earlier zeros are not a calm baseline. `growth`: recent over baseline use, from
    `growth_factor`. Fewer than 12 baseline weeks: `insufficient`, no verdict.
    """
    import numpy as np

    width = rule.recent_weeks + rule.baseline_weeks
    counts = np.array(weekly[:, -width:], dtype=float)
    if counts.shape[1] < width:
        counts = np.concatenate([np.full((len(counts), width - counts.shape[1]), np.nan), counts], axis=1)
    baseline, recent = counts[:, : rule.baseline_weeks], counts[:, rule.baseline_weeks :]
    baseline_weeks = np.isfinite(baseline).sum(axis=1)
    baseline_sum = np.nansum(baseline, axis=1)
    tickets = np.nansum(recent, axis=1)

    known = list(ticket_status) if ticket_status is not None else ["ok"] * len(counts)
    status = [
        "stale" if fed == "stale" else "unknown" if fed in (None, "unknown") or fed != fed else "ok" if weeks >= rule.min_baseline_weeks else "insufficient"
        for fed, weeks in zip(known, baseline_weeks.tolist(), strict=True)
    ]
    judged = np.array([entry == "ok" for entry in status])
    phi = estimate_phi(baseline, segments, judged, rule)
    scale = np.ones(len(counts)) if growth is None else np.clip(np.nan_to_num(np.asarray(growth, dtype=float), nan=1.0), 1.0, rule.max_growth)
    p_value = np.where(judged, predictive_tail(tickets, baseline_sum, phi, baseline_weeks, rule.recent_weeks * scale, rule.prior_shape), np.nan)
    level: list[str | None] = [
        None
        if not ok
        else "alert"
        if p < rule.alert_level and x >= rule.watch_tickets
        else "watch"
        if p < rule.watch_level and x >= rule.watch_tickets
        else "none"
        for ok, p, x in zip(judged.tolist(), p_value.tolist(), tickets.tolist(), strict=True)
    ]
    unmeasured = np.array([entry in ("unknown", "stale") for entry in status])
    return MuriResult(
        tickets_4w=np.where(unmeasured, np.nan, tickets), baseline_sum=np.where(unmeasured, np.nan, baseline_sum),
        phi=np.where(judged, phi, np.nan), growth=np.where(judged, scale, np.nan), p_value=p_value, level=level, status=status,
    )  # fmt: skip


def predictive_tail(tickets: Vector, baseline_sum: Vector, phi: Vector, baseline_weeks: Any, recent_exposure: Any, prior_shape: float) -> Vector:
    """P(X >= tickets / phi), X negative binomial: the posterior predictive of a Gamma(shape + s/phi, weeks) rate over the recent exposure.

    The tail is the regularised incomplete beta function, which also holds for the fractions that dividing by phi produces.
    """
    import numpy as np
    from scipy.special import betainc

    x = np.asarray(tickets, dtype=float) / phi
    shape = prior_shape + np.asarray(baseline_sum, dtype=float) / phi
    exposure = np.asarray(recent_exposure, dtype=float)
    weeks = np.maximum(np.asarray(baseline_weeks, dtype=float), 1e-9)
    return np.where(x > 0, betainc(np.maximum(x, 1e-12), shape, exposure / (exposure + weeks)), 1.0)


def estimate_phi(baseline: Matrix, segments: Sequence[Any] | None, usable: Any, rule: MuriRule = RULE) -> Vector:
    """Burstiness of ticket counts, variance over mean, pooled per segment and never below 1; one value per account.

    Pooled as sum of squared deviations over sum of expected variance, so that sparse accounts weigh by their tickets and not by their number.
    """
    import numpy as np

    from vim_pipelines.signals.vectors import group_indices, row_counts, row_mean, row_squares

    degrees = np.maximum(row_counts(baseline) - 1, 0)
    mean = np.nan_to_num(row_mean(baseline))
    squares = np.nan_to_num(row_squares(baseline))
    total = np.nansum(baseline, axis=1)

    def pooled(members: Any) -> float | None:
        expected = float((degrees[members] * mean[members]).sum())
        if len(members) < rule.min_accounts_for_phi or total[members].sum() < rule.min_tickets_for_phi or expected <= 0:
            return None
        return max(1.0, float(squares[members].sum()) / expected)

    mine = np.asarray(usable, dtype=bool)
    book = pooled(np.flatnonzero(mine)) or rule.default_phi
    result = np.full(len(baseline), book, dtype=float)
    for members in group_indices(segments if segments is not None else ["book"] * len(baseline)).values():
        own = pooled(members[mine[members]])
        if own is not None:
            result[members] = own
    return result


def growth_factor(active: Matrix, rule: MuriRule = RULE) -> Vector:
    """Mean weekly users of the recent weeks over those of the weeks before; 1 where use is unknown or too short to tell (12 weeks before)."""
    import numpy as np

    from vim_pipelines.signals.vectors import ratio, row_counts, row_mean

    recent, before = active[:, -rule.recent_weeks :], active[:, : -rule.recent_weeks]
    enough = (row_counts(before) >= rule.min_baseline_weeks) & (row_counts(recent) >= 2)
    factor = ratio(row_mean(recent), row_mean(before))
    return np.where(enough & np.isfinite(factor), factor, 1.0)


def proximity(days_to_opt_out: Vector) -> Vector:
    """Weight of the nearness of the opt-out deadline (renewal less notice period), not of the renewal: after it there is nothing left to save.

    A visible, monotone design choice (METRICS.md section 4). Unknown or no deadline weighs like a far one.
    """
    import numpy as np

    days = np.asarray(days_to_opt_out, dtype=float)
    return np.select([days <= 30, days <= 90, days <= 180, days <= 365], [1.0, 0.8, 0.5, 0.25], default=0.1)


def severity(p_value: Vector, tickets_4w: Vector, weighted_load: Vector, seats: Vector, rule: MuriRule = RULE) -> Vector:
    """Burden, 0 to 100: the larger of how surprising the tickets are (20 points per power of ten from four tickets on) and how heavy the load is.

    The load is severity-weighted points per 100 seats; below 25 seats it is counted as on 25, or one ticket would fill the scale.
    Unknown only where neither side is measured.
    """
    import numpy as np

    p = np.asarray(p_value, dtype=float)
    surprise = np.where(np.asarray(tickets_4w, dtype=float) >= rule.watch_tickets, np.clip(-20.0 * np.log10(np.maximum(p, 1e-12)), 0, 100), 0.0)
    surprise = np.where(np.isfinite(p), surprise, np.nan)
    load = np.clip(100.0 * np.asarray(weighted_load, dtype=float) / np.maximum(np.asarray(seats, dtype=float), 25.0), 0, 100)
    worse: Vector = np.fmax(surprise, load)
    return worse


def benjamini_hochberg(p_values: Vector) -> Vector:
    """q-value of each p-value over the measured ones; NaN stays NaN."""
    import numpy as np

    p = np.asarray(p_values, dtype=float)
    result = np.full(len(p), np.nan)
    measured = np.flatnonzero(np.isfinite(p))
    if len(measured) == 0:
        return result
    order = measured[np.argsort(p[measured], kind="stable")]
    scaled = p[order] * len(order) / np.arange(1, len(order) + 1)
    result[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return result
