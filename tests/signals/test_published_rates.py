"""The published false-alarm rates can be measured again, and belong to the rules that run."""

from __future__ import annotations

import pytest

from vim_pipelines.evaluation import null_rates
from vim_pipelines.evaluation.intervals import wilson
from vim_pipelines.signals import mura, muri

STUDIES = {
    "MURA_SPIKY": null_rates.spiky_rates, "MURA_GAP": null_rates.gap_rates, "MUDA_SHELFWARE": null_rates.shelfware_rates,
    "MUDA_FEATURE": null_rates.feature_rates, "MURA_DROP": null_rates.drop_rates, "MURI_SPIKE": null_rates.spike_rates,
}  # fmt: skip


def lower_95(rate: null_rates.Rate) -> float:
    """Lower bound of a rate seen; Poisson for alerts per account-year."""
    if rate.unit == "alerts per account-year":
        from scipy.stats import chi2

        return float(chi2.ppf(0.0005, 2 * rate.hits) / 2 / rate.trials) if rate.hits else 0.0
    # Some fifty conditions are looked at: 3.3 standard errors keep the whole comparison at about 5 %.
    return wilson(rate.hits, rate.trials, z=3.3)[0]


def check(name: str, accounts: int, seed: int) -> None:
    published = null_rates.published()
    seen = list(STUDIES[name](accounts, seed))
    assert seen
    for rate in seen:
        limit = published[rate.detector, rate.unit]["upper_95"]
        assert lower_95(rate) <= limit, f"{rate} against a published upper bound of {limit}"


@pytest.mark.parametrize("name", ["MURA_SPIKY", "MURA_GAP", "MUDA_SHELFWARE", "MUDA_FEATURE", "MURI_SPIKE"])
def test_a_small_repetition_agrees_with_the_published_rate(name: str) -> None:
    check(name, 250, seed=11)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(STUDIES))
def test_a_large_repetition_agrees_with_the_published_rate(name: str) -> None:
    check(name, 2000, seed=12)


def test_the_levels_that_the_design_asks_for_hold() -> None:
    """About one per cent for the dispersion test, METRICS' budgets for tickets, and a drop rule that does not ring everywhere within a year."""
    published = null_rates.published()
    looks, year, alerts = "share of looks", "share of accounts in a year of weekly looks", "alerts per account-year"
    assert published["MURA_SPIKY", looks]["rate"] <= 0.0125
    assert published["MURA_DROP", year]["rate"] <= 0.05
    assert published["MURI_SPIKE watch", alerts]["rate"] <= 0.37
    assert published["MURI_SPIKE alert", alerts]["rate"] <= 0.07
    assert published["MUDA_SHELFWARE", looks]["upper_95"] <= 0.01


def test_rates_were_measured_for_the_rules_that_run() -> None:
    """Changing a level means a new rule version, and a new version means measuring again."""
    for (detector, _), entry in null_rates.published().items():
        if detector.startswith("MURA"):
            assert entry["rule_version"] == mura.RULE_VERSION
        if detector.startswith("MURI"):
            assert entry["rule_version"] == muri.RULE_VERSION
    assert mura.MuraRule() == mura.RULE, "published rates hold for the shipped rule only"
    frozen = (0.01, 0.30, -0.25, 0.0005, -0.30, 0.0005, 10, 3.0, 0.01, 0.05, 10, 12)
    rule = mura.RULE
    assert frozen == (
        rule.dispersion_level, rule.cv_floor, rule.drop_ratio, rule.drop_level, rule.decline_ratio, rule.decline_level, rule.gap_floor_days,
        rule.gap_multiple, rule.gap_level, rule.gap_rho, rule.min_seats, rule.min_weeks,
    ), "a changed level needs a new RULE_VERSION and `python -m benchmarks.calibrate --publish`"  # fmt: skip


def test_power_is_what_the_rule_is_for() -> None:
    """A test that never rings has no false alarms: on/off use, a halved account and a tripled ticket load must be found."""
    import numpy as np

    rng = np.random.default_rng(21)
    stable = null_rates.stable_weeks(rng, 600, 26, 50, 0.6, 0.0)
    on_off = np.where(rng.random((200, 26)) < 0.3, rng.binomial(50, 0.21, (200, 26)), stable[:200])
    halved = stable[:200].copy()
    halved[:, -4:] = rng.binomial(50, 0.3, (200, 4))
    seats = np.full(600, 50.0)
    assert (mura.assess(np.vstack([on_off, stable[200:]]), seats).is_spiky[:200] == 1).mean() > 0.85
    assert (mura.assess(np.vstack([halved, stable[200:]]), seats).is_dropping[:200] == 1).mean() > 0.95
    tickets = rng.poisson(3, (400, 28)).astype(float)
    tickets[:100, -4:] = rng.poisson(9, (100, 4))
    assert np.mean([level == "alert" for level in muri.assess(tickets).level[:100]]) > 0.85
