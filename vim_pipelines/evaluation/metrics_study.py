"""METRICS.md's simulated numbers, simulated again: the reasons for the detectors' design must be reproducible, not quoted.

Each row holds METRICS' figure beside ours. The rules measured here are the field's habits and METRICS' first drafts, with users or
tickets that come and go by chance alone; the detectors that run are measured in `null_rates`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vim_pipelines.evaluation.account_years import LOOKS, OFF_LEVEL, OFF_WEEKS, alarms, correlated_users, ticket_counts

if TYPE_CHECKING:
    import numpy as np

WEEKS = 26


@dataclass(frozen=True)
class Row:
    """`stated`: METRICS' figure (None where it has none); `seen`: ours. Shares, or alarms per account-year."""

    section: str
    what: str
    stated: float | None
    seen: float


def study(accounts: int, seed: int) -> list[Row]:
    """All rows; one generator per part."""
    import numpy as np

    parts = (_variation, _on_off, _correlation, _fixed_drop, _spikes)
    return [row for number, part in enumerate(parts) for row in part(np.random.default_rng([seed, number]), accounts)]


def rendered_study(accounts: int, seed: int) -> str:
    """The rows as a table."""
    lines = [f"METRICS.md reproduced ({accounts} simulated accounts a row)", "", f"{'section':<9}{'stated':>9}{'seen':>9}   what"]
    for row in study(accounts, seed):
        stated = "-" if row.stated is None else f"{row.stated:.3g}"
        lines.append(f"{row.section:<9}{stated:>9}{row.seen:>9.3g}   {row.what}")
    return "\n".join(lines)


def _whole_rule(weekly: Any, seats: int) -> tuple[Any, Any]:
    """(probability of the detrended dispersion with n-2 degrees, detrended coefficient of variation), users independent."""
    import numpy as np
    from scipy.special import chdtrc

    from vim_pipelines.signals.vectors import ratio

    early, late = np.triu_indices(WEEKS, 1)
    slope = np.median((weekly[:, late] - weekly[:, early]) / (late - early), axis=1)
    level = weekly - slope[:, None] * (np.arange(WEEKS) - (WEEKS - 1) / 2)
    squares = ((level - level.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    mean = weekly.mean(axis=1)
    spread = np.maximum(mean * (1 - mean / seats), 1e-9)
    return chdtrc(WEEKS - 2.0, squares / spread), ratio(np.sqrt(squares / (WEEKS - 1)), mean)


def _variation(rng: np.random.Generator, accounts: int) -> Iterator[Row]:
    """Section 3, first table: what a raw coefficient of variation says of stable accounts, and the dispersion test."""
    import numpy as np
    from scipy.special import chdtrc

    for seats, use, stated_cv, stated_test in ((10, 0.3, 0.997, 0.004), (10, 0.6, 0.119, 0.009), (25, 0.3, 0.519, 0.012), (100, 0.3, 0.0, 0.011)):
        weekly = correlated_users(rng, seats, use, 0.0, (accounts, WEEKS))
        mean = weekly.mean(axis=1)
        index = ((weekly - mean[:, None]) ** 2).sum(axis=1) / (mean * (1 - mean / seats))
        yield Row("3", f"stable, {seats} seats, {use:.0%} use: CV > 0.3", stated_cv, float((weekly.std(axis=1, ddof=1) / mean > 0.3).mean()))
        yield Row("3", f"stable, {seats} seats, {use:.0%} use: dispersion p < .01", stated_test, float(np.mean(chdtrc(WEEKS - 1.0, index) < 0.01)))


def _on_off(rng: np.random.Generator, accounts: int) -> Iterator[Row]:
    """Section 3, power of the dispersion test at one look. The stated figures are those of 60 % weekly use; they are lower for less."""
    import numpy as np

    stated = {(0.6, 5): 0.23, (0.6, 10): 0.79, (0.6, 25): 0.99}
    for use in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8):
        for seats in (5, 10, 25, 100):
            level = np.where(rng.random((accounts, WEEKS)) < OFF_WEEKS, OFF_LEVEL, 1.0) * use
            probability, _ = _whole_rule(correlated_users(rng, seats, level, 0.0, (accounts, WEEKS)), seats)
            yield Row("3", f"on/off found at one look (p < .01), {seats} seats, {use:.0%} use", stated.get((use, seats)), float((probability < 0.01).mean()))


def _correlation(rng: np.random.Generator, accounts: int) -> Iterator[Row]:
    """Section 8: stable accounts whose users correlate, under the test that takes users as independent."""
    for seats, stated in ((25, 0.73), (100, 0.37), (200, 0.32)):
        probability, variation = _whole_rule(correlated_users(rng, seats, 0.4, 0.05, (accounts, WEEKS)), seats)
        yield Row("8", f"stable, rho .05, {seats} seats, 40 % use: p < .01 and CV >= .30", stated, float(((probability < 0.01) & (variation >= 0.30)).mean()))


def _fixed_drop(rng: np.random.Generator, accounts: int) -> Iterator[Row]:
    """Section 8: a fixed percentage as the drop rule, at one look and over a year of weekly looks."""
    import numpy as np

    for seats, stated in ((10, 0.216), (25, 0.107), (50, 0.034)):
        weekly = correlated_users(rng, seats, 0.3, 0.0, (accounts, WEEKS + LOOKS - 1))
        rings = []
        for look in range(LOOKS):
            window = weekly[:, look : look + WEEKS]
            recent, prior = np.median(window[:, -4:], axis=1), np.median(window[:, -12:-4], axis=1)
            rings.append((recent <= 0.75 * prior) & (window[:, -12:-4].sum(axis=1) >= 20))
        flags = np.stack(rings)
        yield Row("8", f"stable, {seats} seats, 30 % use: a fall of 25 %, one look", stated, float(flags[0].mean()))
        yield Row("8", f"stable, {seats} seats, 30 % use: a fall of 25 %, at any of 52 weekly looks", None, float(flags.any(axis=0).mean()))


#: METRICS.md section 4: alarms per account-year at a constant rate, by rule, for 0.25, 1 and 10 tickets a week.
SPIKE_TABLE = {
    "twice the average": (10.7, 8.8, 0.3), "z > 2": (4.8, 3.7, 2.6), "MAD z > 3.5": (11.2, 5.3, 0.95), "plug-in Poisson p < .001": (0.61, 0.06, 0.07),
    "Gamma-Poisson p < .001": (0.03, 0.02, 0.05),
}  # fmt: skip


def _spikes(rng: np.random.Generator, accounts: int) -> Iterator[Row]:
    """Section 4: one week against the twelve before, by the field's rules and by the Gamma-Poisson tail; then four weeks against 24."""
    import numpy as np

    from vim_pipelines.signals.muri import predictive_tail

    for place, rate in enumerate((0.25, 1.0, 10.0)):
        weekly = ticket_counts(rng, np.full((accounts, 12 + LOOKS), rate), 1.0)
        rings: dict[str, list[Any]] = {name: [] for name in SPIKE_TABLE}
        for look in range(LOOKS):
            for name, flag in _weekly_rules(weekly[:, look : look + 12], weekly[:, look + 12]).items():
                rings[name].append(flag)
        for name, stated in SPIKE_TABLE.items():
            yield Row("4", f"{name}, {rate:g} tickets a week: alarms per account-year", stated[place], float(np.stack(rings[name]).sum(axis=0).mean()))
    for rate, watch, alert in ((1.0, 0.66, None), (3.0, 0.99, 0.96)):
        calm, surge = rng.poisson(24 * rate, accounts), rng.poisson(3 * 4 * rate, accounts)
        p = predictive_tail(surge.astype(float), calm.astype(float), np.ones(accounts), 24, 4.0, 0.5)
        yield Row("4", f"threefold surge at {rate:g} a week, one look, p < .01", watch, float(((p < 0.01) & (surge >= 4)).mean()))
        yield Row("4", f"threefold surge at {rate:g} a week, one look, p < .001", alert, float(((p < 0.001) & (surge >= 4)).mean()))
    for rate in (1.0, 3.0):
        for phi in (2.0, 3.0):
            weekly = ticket_counts(rng, np.full((accounts, 28 + LOOKS - 1), rate), phi)
            flags = []
            for look in range(LOOKS):
                window = weekly[:, look : look + 28]
                recent = window[:, 24:].sum(axis=1)
                p = predictive_tail(recent, window[:, :24].sum(axis=1), np.ones(accounts), 24, 4.0, 0.5)
                flags.append((p < 0.001) & (recent >= 4))
            yield Row(
                "4", f"phi {phi:g} ignored, {rate:g} tickets a week: alerts per account-year (stated: 0.8 to 1.9)", None, float(alarms(np.stack(flags)).mean())
            )


def _weekly_rules(past: Any, now: Any) -> dict[str, Any]:
    import numpy as np
    from scipy.special import gdtr

    from vim_pipelines.signals.muri import predictive_tail

    mean, deviation, middle = past.mean(axis=1), past.std(axis=1, ddof=1), np.median(past, axis=1)
    mad = np.median(np.abs(past - middle[:, None]), axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        robust = np.where(now > middle, 0.6745 * (now - middle) / mad, 0.0)  # infinite where most weeks are alike: METRICS' complaint
        poisson = np.where(mean > 0, gdtr(1.0, np.maximum(now, 1e-9), mean), np.where(now > 0, 0.0, 1.0))  # P(X >= now)
        return {
            "twice the average": (now > 2 * mean) & (now > 0),
            "z > 2": (now > mean + 2 * deviation),
            "MAD z > 3.5": robust > 3.5,
            "plug-in Poisson p < .001": (poisson < 0.001) & (now > 0),
            "Gamma-Poisson p < .001": predictive_tail(now, past.sum(axis=1), np.ones(len(now)), 12, 1.0, 0.5) < 0.001,
        }
