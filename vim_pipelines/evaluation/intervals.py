"""Bounds of a proportion and of a count, so that no rate is printed without how well it is known."""

from __future__ import annotations

from math import sqrt

Z_95 = 1.959963984540054


def wilson(hits: int, trials: int, z: float = Z_95) -> tuple[float, float]:
    """Wilson score interval of hits / trials; (0, 1) without trials."""
    if trials == 0:
        return 0.0, 1.0
    share, spread = hits / trials, z * z / trials
    centre, half = share + spread / 2.0, z * sqrt(share * (1.0 - share) / trials + spread / (4.0 * trials))
    # At the ends the formula is exact up to rounding; 0 hits must not show a lower bound of 1e-18.
    low = 0.0 if hits == 0 else (centre - half) / (1.0 + spread)
    high = 1.0 if hits == trials else (centre + half) / (1.0 + spread)
    return low, high


def poisson(hits: int, exposure: float, level: float = 0.95) -> tuple[float, float]:
    """Exact (Garwood) interval of a rate: hits in `exposure` account-years. For alarms, of which an account may have several in a year.

    It takes the alarms as independent; those of one account are not quite, but a cool-down of four looks keeps them from coming in runs.
    """
    from scipy.stats import chi2

    if exposure <= 0:
        return 0.0, float("inf")
    tail = (1.0 - level) / 2.0
    low = float(chi2.ppf(tail, 2 * hits)) / 2.0 if hits else 0.0
    return low / exposure, float(chi2.ppf(1.0 - tail, 2 * (hits + 1))) / 2.0 / exposure
