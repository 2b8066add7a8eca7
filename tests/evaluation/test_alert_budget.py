"""The alert budget, small enough for every change: it holds for the shipped rules and fails for looser ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vim_pipelines.evaluation import account_years, budget, null_rates
from vim_pipelines.evaluation.account_years import Adoption, Tickets
from vim_pipelines.evaluation.null_rates import ALARMS, FOUND, YEAR, Rate
from vim_pipelines.signals import mura, muri

SEED = 31


@pytest.fixture(scope="module")
def shipped() -> list[Rate]:
    return budget.small_measurement(800, SEED)


def test_the_shipped_rules_keep_the_alert_budget_over_a_year_of_weekly_looks(shipped: list[Rate]) -> None:
    """Bounds, not points: the hardest nulls with growth and bursts, and the planted patterns that the bars name."""
    findings = budget.judge(shipped)
    assert {finding.bar.detector for finding in findings} == {"MURA", "MURA_SPIKY", "MURI_SPIKE watch", "MURI_SPIKE alert"}
    assert {finding.bar.unit for finding in findings} == {YEAR, ALARMS, FOUND}
    assert all(finding.holds for finding in findings), "\n".join(budget.verdict(shipped))
    assert not any(line.startswith("MISSED") for line in budget.verdict(shipped))


def test_a_looser_dispersion_test_breaks_the_budget() -> None:
    """The measurement must be able to fail: five per cent at each look is a quarter of the stable accounts in a year."""
    loose = replace(mura.RULE, dispersion_level=0.05)
    rates = null_rates.adoption_rates(budget.SMALL_NULLS[0], 300, (SEED, 1), loose)
    missed = [finding for finding in budget.judge(rates) if not finding.holds]
    assert [finding.bar.detector for finding in missed] == ["MURA"]
    assert missed[0].worst.lower_95 > 0.05


def test_ticket_baselines_that_do_not_follow_the_customer_break_the_budget() -> None:
    """Tickets that double in a year with the customer, under a rule that takes every baseline for level."""
    level = replace(muri.RULE, max_growth=1.0, min_trend_sd=1e-6, max_trend_sd=1e-6, default_trend_sd=1e-6)
    rates = null_rates.ticket_rates(Tickets(10.0, 1.0, "doubles with its users"), 600, (SEED, 2), level)
    assert {finding.bar.detector for finding in budget.judge(rates) if not finding.holds} == {"MURI_SPIKE watch", "MURI_SPIKE alert"}


def test_a_deaf_rule_breaks_the_budget_too() -> None:
    deaf = replace(mura.RULE, dispersion_level=1e-9)
    rates = null_rates.on_off_power(Adoption(10, 0.6, 0.02), 60, (SEED, 3), deaf)
    assert [finding.bar.name for finding in budget.judge(rates) if not finding.holds] == ["on/off pattern found, 10 seats"]


def test_a_rate_that_is_merely_not_refuted_does_not_hold() -> None:
    """2 of 50 is 4 %, and might be 13 %."""
    assert not budget.judge([Rate("MURA", YEAR, "x", 2, 50, "rho 0.02")])[0].holds
    assert budget.judge([Rate("MURA", YEAR, "x", 80, 2000, "rho 0.02")])[0].holds
    assert budget.judge([Rate("MURA", YEAR, "x", 900, 1000, "rho 0.05")]) == []  # reported, not a bar


def test_every_bar_is_measured_by_the_full_calibration() -> None:
    planted = {f"30 % of weeks at 35 %: {what}" for what in null_rates.ON_OFF} | {f"3 times the tickets for four weeks: {what}" for what in null_rates.SURGES}
    for bar in budget.BARS:
        if bar.unit == FOUND:
            assert any(bar.concerns(Rate(bar.detector, FOUND, condition, 1, 1)) for condition in planted), bar.name
    assert {what.rho for what in null_rates.adoption_conditions()} == {0.0, 0.02, 0.05}
    assert {what.seats for what in null_rates.adoption_conditions()} >= {5, 10, 25, 50, 100, 200, 500}
    assert {what.shape for what in null_rates.adoption_conditions()} == set(account_years.SHAPES)


def test_the_table_names_the_worst_condition_and_the_verdict(shipped: list[Rate]) -> None:
    nulls, power = [rate for rate in shipped if rate.unit != FOUND], [rate for rate in shipped if rate.unit == FOUND]
    text = budget.rendered(null_rates.Measurement([], nulls, power))
    assert str(budget.SMALL_NULLS[0]) in text or str(budget.SMALL_NULLS[1]) in text
    assert "alarms per account-year" in text and text.count("holds ") + text.count("MISSED") == len(budget.judge(shipped))


def test_an_alarm_that_goes_on_is_counted_once_or_every_four_weeks() -> None:
    flags = np.zeros((52, 2), dtype=bool)
    flags[5:17, 0] = True  # twelve looks in a row
    flags[[5, 7, 30], 1] = True  # two within four looks, and one much later
    assert account_years.alarms(flags, is_state=True).tolist() == [1, 2]
    assert account_years.alarms(flags).tolist() == [3, 2]


def test_simulated_users_correlate_by_rho_and_customers_double_in_a_year() -> None:
    """The nulls must be what their names say."""
    rng = np.random.default_rng(4)
    weekly = account_years.correlated_users(rng, 50, 0.4, 0.05, (4000, 20))
    expected = 50 * 0.4 * 0.6 * (1 + 49 * 0.05)
    assert weekly.var() == pytest.approx(expected, rel=0.03)
    for shape in account_years.SHAPES[1:]:
        curve = account_years.growth_curve(shape, 77)
        assert curve[-1] / curve[-53] == pytest.approx(2.0)
    tickets, users, seats = account_years.null_tickets(rng, 500, Tickets(10.0, 3.0, "doubles with its users"))
    assert seats is None and tickets[:, -1].mean() / tickets[:, -53].mean() == pytest.approx(2.0, rel=0.1)
    assert users[:, -4:].mean() / users[:, -56:-52].mean() == pytest.approx(2.0, rel=0.1)
    assert tickets.var(axis=0)[-1] / tickets.mean(axis=0)[-1] == pytest.approx(3.0, rel=0.25)


def test_gaps_are_those_of_a_plain_loop() -> None:
    rng = np.random.default_rng(5)
    days = rng.random((60, 130)) < rng.random((60, 1))
    days[0] = False
    longest, usual, share = account_years.gaps(days, 64)
    for row in range(60):
        active = np.flatnonzero(days[row])
        run = best = 0
        for day in days[row, -64:]:
            run = 0 if day else run + 1
            best = max(best, run)
        assert longest[row] == best
        if len(active) > 1:
            assert usual[row] == np.median(np.diff(active) - 1)
            assert share[row] == pytest.approx(len(active) / max(130 - active[0] - best, 1))
