"""How often each statistical detector rings on accounts that have nothing: simulated nulls, independent of the sandbox.

The sandbox's healthy accounts are one kind of healthy; here the kinds that the tests find hardest are put together (few seats, little
use, users who are away together, bursty tickets), and the published rate is that of the worst of them. `published_rates.yaml` holds the
result of `measure` at full size; tests repeat it at small size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vim_pipelines.evaluation.intervals import wilson
from vim_pipelines.signals import mura, muri

if TYPE_CHECKING:
    import numpy as np

LOOKS_PER_YEAR = 52
WEEKS = mura.RULE.max_weeks

SEATS = (10, 25, 100, 200)
WEEKLY_USE = (0.1, 0.3, 0.6, 0.85)
RHO = (0.0, 0.02, 0.05)
TICKET_RATES = (0.1, 0.25, 1.0, 3.0, 10.0)
BURSTINESS = (1.0, 2.0, 3.0)


@dataclass(frozen=True)
class Rate:
    """A measured rate. `unit`: share of looks, share of accounts in a year of weekly looks, or alerts per account-year."""

    detector: str
    unit: str
    condition: str
    hits: int
    trials: int

    @property
    def rate(self) -> float:
        return self.hits / self.trials

    @property
    def upper_95(self) -> float:
        """Upper bound of the two-sided 95 % interval. For alerts per account-year (which may exceed one) by the Poisson rule of its count."""
        if self.unit == "alerts per account-year":
            from scipy.stats import chi2

            return float(chi2.ppf(0.975, 2 * (self.hits + 1)) / 2.0 / self.trials)
        return wilson(self.hits, self.trials)[1]


def measure(accounts: int, seed: int) -> list[Rate]:
    """Every detector under every null, `accounts` accounts each; one generator per condition, so that conditions do not disturb each other."""
    return [rate for study in (spiky_rates, drop_rates, gap_rates, spike_rates, shelfware_rates, feature_rates) for rate in study(accounts, seed)]


def worst(rates: list[Rate]) -> list[Rate]:
    """Per detector and unit the condition with the highest rate: what is published."""
    best: dict[tuple[str, str], Rate] = {}
    for rate in rates:
        key = rate.detector, rate.unit
        if key not in best or (rate.rate, rate.upper_95) > (best[key].rate, best[key].upper_95):
            best[key] = rate
    return list(best.values())


def stable_weeks(rng: np.random.Generator, accounts: int, weeks: int, seats: int, use: float, rho: float) -> Any:
    """Weekly active users of accounts that change nothing; rho is the correlation of two users of an account within a week (beta-binomial)."""
    import numpy as np

    share = rng.beta(use * (1 - rho) / rho, (1 - use) * (1 - rho) / rho, (accounts, weeks)) if rho > 0 else np.full((accounts, weeks), use)
    return rng.binomial(seats, share).astype(float)


def spiky_rates(accounts: int, seed: int) -> Iterator[Rate]:
    """MURA_SPIKY at one look, rho estimated from the accounts themselves as in the audit."""
    import numpy as np

    for rng, seats, use, rho, condition in _adoption_nulls(seed, 1):
        result = mura.assess(stable_weeks(rng, accounts, WEEKS, seats, use, rho), np.full(accounts, float(seats)))
        yield Rate("MURA_SPIKY", "share of looks", condition, int(np.nansum(result.is_spiky)), accounts)


def drop_rates(accounts: int, seed: int) -> Iterator[Rate]:
    """MURA_DROP (step or decline) over a year of weekly looks at series that overlap by 25 of 26 weeks, as they do in the audit."""
    import numpy as np

    few = max(accounts // 5, 20)
    for rng, seats, use, rho, condition in _adoption_nulls(seed, 2):
        weekly = stable_weeks(rng, few, WEEKS + LOOKS_PER_YEAR - 1, seats, use, rho)
        flags = np.stack([mura.assess(weekly[:, look : look + WEEKS], np.full(few, float(seats))).is_dropping == 1 for look in range(LOOKS_PER_YEAR)])
        yield Rate("MURA_DROP", "share of looks", condition, int(flags.sum()), few * LOOKS_PER_YEAR)
        yield Rate("MURA_DROP", "share of accounts in a year of weekly looks", condition, int(flags.any(axis=0).sum()), few)


def gap_rates(accounts: int, seed: int) -> Iterator[Rate]:
    """MURA_GAP at one look: users come on random business days of their weeks."""
    import numpy as np

    window = 64
    for rng, seats, use, rho, condition in _adoption_nulls(seed, 3):
        weekly = stable_weeks(rng, accounts, WEEKS, seats, use, rho)
        # One user in a week comes on about two of its five days.
        is_active = rng.random((accounts, WEEKS, 5)) < 1.0 - 0.6 ** weekly[:, :, None]
        days = is_active.reshape(accounts, -1)
        gap, usual, share = _gaps(days, window)
        result = mura.assess(weekly, np.full(accounts, float(seats)), gap_days=gap, median_gap_days=usual, active_day_share=share, gap_window_days=window)
        yield Rate("MURA_GAP", "share of looks", condition, int(np.nansum(result.is_gapped)), accounts)


def spike_rates(accounts: int, seed: int) -> Iterator[Rate]:
    """Ticket watch and alert per account-year: weekly looks at a constant rate, an alarm is counted again only four weeks later."""
    import numpy as np

    few, width = max(accounts // 5, 20), muri.RULE.baseline_weeks + muri.RULE.recent_weeks
    for number, (per_week, phi) in enumerate((rate, phi) for rate in TICKET_RATES for phi in BURSTINESS):
        rng = np.random.default_rng([seed, 4, number])
        size = (few, width + LOOKS_PER_YEAR - 1)
        weekly = rng.poisson(per_week, size) if phi == 1.0 else rng.negative_binomial(per_week / (phi - 1.0), 1.0 / phi, size)
        alarms, rings_at_a_look = {"watch": 0, "alert": 0}, 0
        quiet = {name: np.zeros(few, dtype=int) for name in alarms}
        for look in range(LOOKS_PER_YEAR):
            level = np.array(muri.assess(weekly[:, look : look + width].astype(float)).level, dtype=object)
            rings_at_a_look += int((level != "none").sum())
            for name, rings in (("watch", (level == "watch") | (level == "alert")), ("alert", level == "alert")):
                new = rings & (quiet[name] <= 0)
                alarms[name] += int(new.sum())
                quiet[name] = np.where(new, muri.RULE.recent_weeks, quiet[name] - 1)
        condition = f"{per_week} tickets a week, variance/mean {phi}"
        # The rule emits an alert, and a watch that the whole book confirms: never more often than a watch by itself.
        yield Rate("MURI_SPIKE", "share of looks", condition, rings_at_a_look, few * LOOKS_PER_YEAR)
        for name, count in alarms.items():
            yield Rate(f"MURI_SPIKE {name}", "alerts per account-year", condition, count, few)


def shelfware_rates(accounts: int, seed: int) -> Iterator[Rate]:
    """MUDA_SHELFWARE on well-used accounts: at least 90 % of the seats in use in an ordinary week. The arithmetic is the dbt model's."""
    import numpy as np

    number = 0
    for seats in (10, 25, 50, 100, 200):
        for use in (0.90, 0.95):
            for rho in RHO:
                rng = np.random.default_rng([seed, 5, number])
                number += 1
                high_water = np.percentile(stable_weeks(rng, accounts, 13, seats, use, rho), 95, axis=1)
                needed = np.ceil(np.round(high_water, 4) * 1.1 - 1e-9)
                shelfware = np.maximum(seats - needed, 0.0)
                flagged = (shelfware >= 5) & (shelfware >= 0.10 * seats)
                yield Rate("MUDA_SHELFWARE", "share of looks", f"{seats} seats, {use:.0%} in use weekly, rho {rho}", int(flagged.sum()), accounts)


def feature_rates(accounts: int, seed: int) -> Iterator[Rate]:
    """MUDA_FEATURE on accounts that use all of their value features, the rarest with 5 % of the events."""
    import numpy as np

    weights = np.array([0.16, 0.16, 0.09, 0.07, 0.06, 0.05])
    for number, users in enumerate((3, 10, 50)):
        rng = np.random.default_rng([seed, 6, number])
        events = 4 * users + rng.poisson(4 * 0.8 * users, accounts)
        used = rng.binomial(events[:, None], weights[None, :]) > 0
        flagged = used.mean(axis=1) < 0.40
        yield Rate("MUDA_FEATURE", "share of looks", f"{users} users, six value features", int(flagged.sum()), accounts)


def publish(accounts: int, seed: int, path: Path) -> list[Rate]:
    """Measure at full size and write the worst condition of each detector to `path`."""
    import yaml

    rates = worst(measure(accounts, seed))
    lines = [
        "# False-alarm rates of the statistical detectors on accounts that have nothing, worst condition of each.",
        f"# Written by `python -m benchmarks.calibrate --publish` (vim_pipelines/evaluation/null_rates.py, {accounts} accounts a condition, seed {seed}).",
        "# Rules without a test (notice, sponsor, first value, handoff, old P1, stale data) state facts and have no false-alarm rate;",
        "# SILENCE rings only where MURA_DROP rings and so never more often.",
    ]
    entries = [
        {
            "detector": rate.detector, "unit": rate.unit, "rate": round(rate.rate, 5), "upper_95": round(rate.upper_95, 5),
            "hits": rate.hits, "trials": rate.trials, "worst_condition": rate.condition, "seed": seed,
            "rule_version": muri.RULE_VERSION if rate.detector.startswith("MURI") else mura.RULE_VERSION if rate.detector.startswith("MURA") else "1",
            "method": f"vim_pipelines.evaluation.null_rates.{_method(rate.detector).__name__}",
        }
        for rate in rates
    ]  # fmt: skip
    path.write_text("\n".join(lines) + "\n" + yaml.safe_dump({"rates": entries}, sort_keys=False, width=160), encoding="utf-8")
    return rates


def published(path: Path | None = None) -> dict[tuple[str, str], dict[str, Any]]:
    """The published rates by (detector, unit)."""
    import yaml

    from vim_pipelines import signals

    path = path or Path(signals.__file__).with_name("published_rates.yaml")
    return {(entry["detector"], entry["unit"]): entry for entry in yaml.safe_load(path.read_text(encoding="utf-8"))["rates"]}


def _method(detector: str) -> Callable[[int, int], Iterator[Rate]]:
    return {
        "MURA_SPIKY": spiky_rates, "MURA_DROP": drop_rates, "MURA_GAP": gap_rates, "MURI_SPIKE": spike_rates, "MURI_SPIKE watch": spike_rates, "MURI_SPIKE alert": spike_rates,
        "MUDA_SHELFWARE": shelfware_rates, "MUDA_FEATURE": feature_rates,
    }[detector]  # fmt: skip


def _adoption_nulls(seed: int, study: int) -> Iterator[tuple[Any, int, float, float, str]]:
    import numpy as np

    grid = [(seats, use, rho) for rho in RHO for seats in SEATS for use in WEEKLY_USE]
    for number, (seats, use, rho) in enumerate(grid):
        yield np.random.default_rng([seed, study, number]), seats, use, rho, f"{seats} seats, {use:.0%} in use weekly, rho {rho}"


def _gaps(days: Any, window: int) -> tuple[Any, Any, Any]:
    """(longest silent run in the last `window` days, median silent run between active days, share of active days outside that run)."""
    import numpy as np

    accounts, total = days.shape
    longest, usual, share = np.zeros(accounts), np.full(accounts, np.nan), np.zeros(accounts)
    for row in range(accounts):
        active = np.flatnonzero(days[row])
        if len(active) > 1:
            usual[row] = np.median(np.diff(active) - 1)
        edges = np.concatenate([[total - window - 1], active[active >= total - window], [total]])
        longest[row] = (np.diff(edges) - 1).max()
        first = active[0] if len(active) else 0
        share[row] = len(active) / max(total - first - longest[row], 1)
    return longest, usual, share
