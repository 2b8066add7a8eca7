"""The published error rates can be measured again, and belong to the rules that run."""

from __future__ import annotations

import pytest

from vim_pipelines.evaluation import null_rates
from vim_pipelines.evaluation.account_years import Adoption, Tickets
from vim_pipelines.evaluation.intervals import poisson, wilson
from vim_pipelines.evaluation.null_rates import ALARMS, FOUND, LOOK, YEAR
from vim_pipelines.signals import mura, muri


def lower(rate: null_rates.Rate) -> float:
    """Lower bound of a rate seen. Some dozens of rates are looked at: 3.3 standard errors keep the whole comparison at about 5 %."""
    return poisson(rate.hits, rate.trials, 0.999)[0] if rate.unit == ALARMS else wilson(rate.hits, rate.trials, z=3.3)[0]


def check(rates: list[null_rates.Rate]) -> None:
    published = null_rates.published()
    assert rates
    for rate in rates:
        if rate.unit in (YEAR, ALARMS):  # looks of one account are no independent trials
            limit = published[rate.detector, rate.unit]["upper_95"]
            assert lower(rate) <= limit, f"{rate} against a published upper bound of {limit}"


@pytest.mark.parametrize("what", [Adoption(10, 0.3, 0.05), Adoption(100, 0.6, 0.02, "use doubles in a line")], ids=str)
def test_a_small_repetition_agrees_with_the_published_mura_rates(what: Adoption) -> None:
    check(null_rates.adoption_rates(what, 200, (11, 1)))


@pytest.mark.parametrize("what", [Tickets(1.0, 3.0), Tickets(10.0, 1.0, "doubles with its users")], ids=str)
def test_a_small_repetition_agrees_with_the_published_muri_rates(what: Tickets) -> None:
    check(null_rates.ticket_rates(what, 300, (11, 2)))


def test_a_small_repetition_agrees_with_the_published_muda_rates() -> None:
    check([*null_rates.shelfware_rates(50, 11), *null_rates.feature_rates(200, 11)])


@pytest.mark.slow
def test_a_large_repetition_agrees_with_the_published_rates() -> None:
    """Every null, with seeds of its own."""
    measured = null_rates.measure(800, 12, screen=100)
    check([rate for rate in measured.nulls if rate.group != "unseen"])


def test_every_detector_publishes_its_false_alarms_per_account_year_and_its_power() -> None:
    published, power = null_rates.published(), null_rates.published_power()
    detectors = {detector for detector, _ in published}
    assert detectors >= {
        "MURA",
        "MURA_SPIKY",
        "MURA_GAP",
        "MURA_DROP",
        "MURA_DROP step",
        "MURA_DROP decline",
        "MURI_SPIKE",
        "MURI_SPIKE watch",
        "MURI_SPIKE alert",
    }
    assert {(detector, ALARMS) for detector in detectors} <= set(published)
    for entry in published.values():
        assert 0 <= entry["rate"] <= entry["upper_95"] and entry["trials"] > 0 and entry["worst_condition"]
    for detector in ("MURA_SPIKY", "MURA_DROP", "MURI_SPIKE watch", "MURI_SPIKE alert"):
        mine = [entry for entry in power if entry["detector"] == detector]
        assert mine and all(entry["lower_95"] <= entry["power"] == pytest.approx(entry["hits"] / entry["trials"], abs=1e-4) for entry in mine)


def test_one_look_is_published_for_each_rule_that_planted_portfolios_are_judged_by() -> None:
    from vim_pipelines.evaluation.calibrate import PUBLISHED_DETECTOR

    assert {(detector, LOOK) for detector in PUBLISHED_DETECTOR.values()} <= set(null_rates.published())


def test_rates_were_measured_for_the_rules_that_run() -> None:
    """Changing a level means a new rule version, and a new version means measuring again."""
    for (detector, _), entry in null_rates.published().items():
        assert entry["rule_version"] == null_rates.rule_version(detector)
    assert all(entry["rule_version"] == null_rates.rule_version(entry["detector"]) for entry in null_rates.published_power())
    assert (mura.RULE_VERSION, muri.RULE_VERSION) == ("mura-3", "muri-2")
    assert mura.MuraRule() == mura.RULE and muri.MuriRule() == muri.RULE, "published rates hold for the shipped rules only"
    frozen = (0.001, 0.30, -0.25, 0.0003, -0.30, 0.0002, 10, 3.0, 0.001, 0.05, 10, 5, 12, 0.05)
    rule = mura.RULE
    assert frozen == (
        rule.dispersion_level, rule.cv_floor, rule.drop_ratio, rule.drop_level, rule.decline_ratio, rule.decline_level, rule.gap_floor_days,
        rule.gap_multiple, rule.gap_level, rule.gap_rho, rule.min_seats, rule.min_seats_level, rule.min_weeks, rule.rho_trim,
    ), "a changed level needs a new RULE_VERSION and `python -m benchmarks.calibrate --publish`"  # fmt: skip
    tickets = muri.RULE
    assert (
        tickets.watch_level, tickets.watch_tickets, tickets.alert_level, tickets.baseline_weeks, tickets.recent_weeks, tickets.max_growth,
        tickets.min_trend_sd, tickets.max_trend_sd, tickets.default_trend_sd, tickets.common_trend_sd,
    ) == (0.01, 4, 0.0015, 24, 4, 3.0, 0.10, 0.30, 0.15, 0.15), "a changed level needs a new RULE_VERSION and `python -m benchmarks.calibrate --publish`"  # fmt: skip


def test_the_published_rates_keep_the_budget() -> None:
    """The full measurement's worst condition, by the bounds that stand in the file."""
    published = null_rates.published()
    assert published["MURA", YEAR]["upper_95"] <= 0.06  # of all rho; `make calibrate` holds the 5 % of rho .02
    assert published["MURI_SPIKE watch", ALARMS]["upper_95"] <= 0.40
    assert published["MURI_SPIKE alert", ALARMS]["upper_95"] <= 0.07
    assert published["MUDA_SHELFWARE", LOOK]["upper_95"] <= 0.01


def test_a_halved_account_is_found() -> None:
    """A test that never rings has no false alarms."""
    rate = null_rates.fall_power(Adoption(25, 0.6, 0.02), 40, (21,))[0]
    assert rate.unit == FOUND and rate.rate > 0.85
