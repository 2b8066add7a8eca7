"""The figures of a backtest, against scikit-learn and against the numbers that METRICS section 6 states."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from vim_pipelines.evaluation import backtest_metrics as metrics
from vim_pipelines.evaluation.backtest_model import calibrate, isotonic, platt


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5), st.integers(0, 4)), min_size=4, max_size=40))
@settings(max_examples=80, deadline=None)
def test_the_weighted_auc_is_scikit_learns(rows):
    """It is written out only because the bootstrap needs thousands of weightings of one order; ties and zero weights included."""
    lost, score, weights = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    mine = metrics.weighted_auc(lost, score, weights[None, :])[0]
    if 0 < (lost * weights).sum() < weights.sum():
        assert mine == pytest.approx(roc_auc_score(lost, score, sample_weight=weights))
    else:
        assert np.isnan(mine)


def test_rows_of_one_account_are_not_taken_for_independent():
    """Forty copies of each account know no more than one: an interval over rows would be six times too narrow."""
    rng = np.random.default_rng(1)
    lost, score = rng.integers(0, 2, 40), rng.normal(size=40)
    once = metrics.auc(lost, score, metrics.Resampling.of_clusters(range(40), seed=1))
    many = metrics.auc(np.repeat(lost, 40), np.repeat(score, 40), metrics.Resampling.of_clusters(np.repeat(range(40), 40), seed=1))
    assert (many.low, many.high) == pytest.approx((once.low, once.high))


def test_a_difference_is_paired():
    """A ranking against itself with a little noise: the difference is known far better than either AUC."""
    rng = np.random.default_rng(2)
    lost = rng.random(400) < 0.3
    score = lost + rng.normal(size=400)
    draws = metrics.Resampling.of_clusters(range(400), seed=1)
    own = metrics.auc(lost, score, draws)
    difference = metrics.auc_difference(lost, score, score + rng.normal(0, 0.05, 400), draws)
    assert difference.low < 0 < difference.high
    assert difference.high - difference.low < (own.high - own.low) / 5


def test_a_constant_ranking_lifts_nothing():
    """Ties at the cut count in proportion; otherwise the order of the file would be a ranking."""
    lost = np.r_[np.ones(30), np.zeros(270)]
    assert metrics.top_decile_lift(lost, np.zeros(300)).value == pytest.approx(1.0)
    assert metrics.top_decile_lift(lost, lost).value == pytest.approx(10.0)
    assert metrics.captured(lost, lost, np.r_[np.full(29, 1.0), 71.0, np.zeros(270)]).value == pytest.approx(1.0)


def test_all_lost_or_none_lost_is_not_defined():
    lost = np.zeros(20)
    draws = metrics.Resampling.of_clusters(range(20), seed=1)
    assert metrics.auc(lost, np.arange(20), draws).value is None
    assert metrics.pr_auc(lost, np.arange(20)).value is None
    assert metrics.top_decile_lift(lost, np.arange(20), draws).value is None


def test_brier_skill_of_the_constant_is_zero_and_of_the_truth_one():
    lost = np.r_[np.ones(20), np.zeros(80)]
    assert metrics.brier_skill(lost, np.full(100, 0.2), 0.2).value == pytest.approx(0.0)
    assert metrics.brier_skill(lost, lost, 0.2).value == pytest.approx(1.0)
    assert metrics.brier_skill(lost, 1 - lost, 0.2).value < 0


@pytest.mark.parametrize(("losses", "stated", "at_ten_percent"), [(10, 0.18, 0.153), (20, 0.13, 0.109), (50, 0.08, 0.069), (100, 0.057, 0.050)])
def test_how_well_an_auc_of_075_is_known(losses, stated, at_ten_percent):
    """METRICS section 6 states half-widths of the 95 % interval without a base rate: they hold at 30 % losses. At 10 % there are more kept rows per
    loss, and the interval is about a sixth narrower."""
    rng = np.random.default_rng(losses)
    apart = norm.ppf(0.75) * np.sqrt(2)
    for base, expected in ((0.3, stated), (0.1, at_ten_percent)):
        lost = np.r_[np.ones(losses, dtype=bool), np.zeros(round(losses * (1 - base) / base), dtype=bool)]
        everything = np.ones((1, len(lost)))
        seen = [metrics.weighted_auc(lost, rng.normal(size=len(lost)) + apart * lost, everything)[0] for _ in range(2000)]
        assert 1.96 * np.std(seen) == pytest.approx(expected, rel=0.08)


@pytest.mark.parametrize(("n", "stated_isotonic", "stated_platt"), [(200, 0.066, 0.030), (1000, 0.035, 0.012)])
def test_how_far_calibrated_probabilities_are_from_the_true_ones(n, stated_isotonic, stated_platt):
    """METRICS section 6 at 10 % base rate: Platt beats isotonic regression at both sizes if the truth is a sigmoid. Stated for one simulation
    whose spread it does not give; with a logit spread of 1.3 (constant: .117, as stated) the figures come out within .012."""
    rng = np.random.default_rng(n)
    errors = {"isotonic": [], "platt": [], "constant": []}
    for _ in range(40):
        score = rng.normal(size=n)
        true = 1 / (1 + np.exp(-(-2.80 + 1.3 * score)))
        lost = rng.random(n) < true
        fresh = rng.normal(size=2000)
        goal = 1 / (1 + np.exp(-(-2.80 + 1.3 * fresh)))
        for name, values in (("isotonic", isotonic(score, lost)(fresh)), ("platt", platt(score, lost)(fresh)), ("constant", lost.mean())):
            errors[name].append(np.sqrt(np.mean((values - goal) ** 2)))
    seen = {name: float(np.mean(values)) for name, values in errors.items()}
    assert seen["platt"] < seen["isotonic"] < seen["constant"]
    assert seen["constant"] == pytest.approx(0.117, abs=0.02)
    assert seen["isotonic"] == pytest.approx(stated_isotonic, abs=0.012)
    assert seen["platt"] == pytest.approx(stated_platt, abs=0.012)


@pytest.mark.parametrize(
    ("outcomes", "losses", "method"), [(500, 49, "none"), (500, 50, "platt"), (999, 200, "platt"), (1000, 200, "isotonic"), (60, 55, "none")]
)
def test_the_gate_on_probabilities(outcomes, losses, method):
    rng = np.random.default_rng(4)
    lost = np.r_[np.ones(losses), np.zeros(outcomes - losses)]
    found = calibrate(lost + rng.normal(size=outcomes), lost, outcomes=outcomes, losses=losses)
    assert found.method == method
    assert (found.probability([0.0]) is None) == (method == "none")
