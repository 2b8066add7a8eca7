"""Rankings to choose from, how the training years choose one, and how a score becomes a probability.

Measured on the training years of the open-source history (82 accounts): logistic regressions of the loss with several free weights ranked no
better than the plain sum of logarithms, because eighty accounts do not pay for more than one or two of them. So a candidate here has one
free number, or learns from a richer target than the loss. Selection is by yearly folds in time order inside the training years; a fold trains on snapshots whose label windows closed before it
begins, so that no account stands on both sides within one term. Test years never take part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vim_pipelines.evaluation.backtest_activity import DISCOUNT_DAYS

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]
    Scorer = Callable[[pd.DataFrame], Vector]

#: Losses below which no probability is stated, only loss rates by band (METRICS section 6: an AUC of .75 is then known to .08 at best).
MIN_LOSSES = 50
#: Outcomes from which isotonic regression replaces Platt's sigmoid.
ISOTONIC_OUTCOMES = 1000
#: Losses and accounts that a fold needs before its AUC counts.
_FOLD_LOSSES = 5
#: Added to a discounted sum before its logarithm: an account of whom nothing is known yet.
_FLOOR = 1e-3


@dataclass(frozen=True)
class Candidate:
    """A ranking: `fit` takes training features and labels and gives a scorer (features -> higher is likelier to be lost)."""

    name: str
    describe: str
    fit: Callable[[pd.DataFrame, Vector], Scorer]


def logarithmic_sum(table: pd.DataFrame) -> Vector:
    """-(ln(1 + users) + ln(1 + active weeks) - ln(1 + days since the last action)), users and weeks of 365 days: the plain baseline."""
    import numpy as np

    values: Vector = -(np.log1p(table["users_365"]) + np.log1p(table["weeks_365"]) - np.log1p(table["recency_days"])).to_numpy(dtype=float)
    return values


def fewest_events(table: pd.DataFrame) -> Vector:
    """The simple rule: the fewer event rows in 90 days, the likelier the loss."""
    values: Vector = -table["rows_90"].to_numpy(dtype=float)
    return values


def discounted(discount: int) -> Candidate:
    """Discounted user-months with one discount time."""
    import numpy as np

    def score(table: pd.DataFrame) -> Vector:
        values: Vector = -np.log(table[f"discounted_{discount}"].to_numpy(dtype=float) + _FLOOR)
        return values

    return Candidate(f"user-months discounted over {discount} days", "sum over users and months of exp(-age / discount)", lambda _table, _lost: score)


_COUNTS = (
    "users_90", "users_365", "weeks_90", "weeks_180", "weeks_365", "changes_90", "changes_365", "arrived_90", "breadth_365", "regulars", "tenure_days",
)  # fmt: skip
_SINCE = ("recency_days", "arrival_days", "second_user_days", "longest_gap_days")
_SUMS = ("discounted_75", "months_75", "span_30", "span_180", "span_365", "span_730")


def inputs(table: pd.DataFrame) -> Any:
    """Rows x inputs of the candidates with weights: logarithms, each the larger the livelier the account."""
    import numpy as np

    columns = [np.log1p(table[name]) for name in _COUNTS]
    columns += [-np.log1p(table[name]) for name in _SINCE]
    columns += [np.log(table[name] + 0.01) for name in _SUMS]
    columns.append(table["quarters_8"])
    columns.append(np.log((table["weeks_365"] + 1.0) / (table["weeks_730"] - table["weeks_365"] + 1.0)))
    columns.append(-np.log((table["recency_days"] + 7.0) / (table["gap_days"] + 7.0)))
    columns.append(np.log((table["changes_365"] + 0.5) / (table["whole_365"] + 0.5)))
    return np.column_stack(columns)


def logistic(strength: float) -> Candidate:
    """Logistic regression (L2, C = strength) of the loss."""

    def fit(table: pd.DataFrame, lost: Vector) -> Scorer:
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=5000))
        model.fit(inputs(table), lost)
        return lambda other: model.decision_function(inputs(other))

    return Candidate(f"logistic regression, C = {strength:g}", "log counts, recency, rhythm, trend, breadth and share; target: the loss", fit)


def expected_activity(strength: float) -> Candidate:
    """Ridge regression of ln(1 + active months in the label window), penalty `strength` times the number of rows; ranked by its negative.

    Why not the loss itself: a loss is one bit and one in five rows, the number of active months tells more of each row, so that thirty
    inputs can be weighed where the loss pays for one or two. The penalty is so strong that the weights stay close to each other.
    """

    def fit(table: pd.DataFrame, _lost: Vector) -> Scorer:
        import numpy as np
        from sklearn.linear_model import Ridge
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        model = make_pipeline(StandardScaler(), Ridge(alpha=strength * len(table)))
        model.fit(inputs(table), np.log1p(table["months_next"].to_numpy(dtype=float)))
        return lambda other: -model.predict(inputs(other))

    return Candidate(f"expected activity, penalty {strength:g}", "log counts, recency, rhythm, trend, breadth and share; target: active months ahead", fit)


def averaged(first: Candidate, second: Candidate) -> Candidate:
    """Mean of the two ranks that the training rows' scores give."""

    def fit(table: pd.DataFrame, lost: Vector) -> Scorer:
        import numpy as np

        scorers = [candidate.fit(table, lost) for candidate in (first, second)]
        ordered = [np.sort(scorer(table)) for scorer in scorers]

        def score(other: pd.DataFrame) -> Vector:
            parts = [
                (np.searchsorted(known, values, "left") + np.searchsorted(known, values, "right")) / (2.0 * len(known))
                for known, values in zip(ordered, (scorer(other) for scorer in scorers), strict=True)
            ]
            mean: Vector = (parts[0] + parts[1]) / 2.0
            return mean

        return score

    return Candidate(f"mean rank of {first.name} and {second.name}", "average of two rankings", fit)


PLAIN = Candidate("logarithmic sum", "users, active weeks and recency", lambda _table, _lost: logarithmic_sum)


def candidates() -> list[Candidate]:
    """Every ranking that the training years choose from, the simplest first: of equals the first is taken."""
    sums = [discounted(days) for days in DISCOUNT_DAYS]
    expected, regressions = [expected_activity(strength) for strength in (0.3, 1.0, 3.0)], [logistic(strength) for strength in (0.0003, 0.001, 0.003, 0.01)]
    middle = discounted(75)
    means = [averaged(PLAIN, middle), averaged(middle, expected[1]), averaged(middle, regressions[1]), averaged(expected[1], regressions[1])]
    return [PLAIN, *sums, *expected, *regressions, *means]


# -- choosing --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fold:
    """Row positions of one year: trained on and judged."""

    year: int
    train: Any
    judged: Any


@dataclass(frozen=True)
class Choice:
    """The chosen candidate and the fold AUC of each (mean over folds, weighted by rows: a year of which one snapshot is left counts as little as it
    knows); `why` says so if nothing could be compared."""

    candidate: Candidate
    fold_auc: Mapping[str, float]
    folds: tuple[int, ...]
    why: str


def yearly_folds(snapshots: Any, horizon_days: int, lost: Any) -> list[Fold]:
    """One fold per calendar year: judged on its snapshots, trained on those whose label windows closed before the year began."""
    import numpy as np
    import pandas as pd

    when, lost = pd.DatetimeIndex(snapshots), np.asarray(lost)
    folds = []
    for year in sorted(set(when.year)):
        begin = pd.Timestamp(year, 1, 1)
        train, judged = np.flatnonzero(when <= begin - pd.Timedelta(days=horizon_days)), np.flatnonzero(when.year == year)
        if all(_FOLD_LOSSES <= lost[part].sum() <= len(part) - _FOLD_LOSSES for part in (train, judged)):
            folds.append(Fold(year, train, judged))
    return folds


def choose(table: pd.DataFrame, lost: Vector, horizon_days: int, options: Sequence[Candidate] | None = None) -> Choice:
    """The candidate with the best AUC over the yearly folds of the training rows; the discounted sum of 90 days where there is no fold."""
    from sklearn.metrics import roc_auc_score

    options = options or candidates()
    folds = yearly_folds(table["snapshot"], horizon_days, lost)
    if not folds:
        return Choice(discounted(90), {}, (), "the training years are too short or too poor in losses to compare rankings")
    means = {}
    for option in options:
        values = []
        for fold in folds:
            scorer = option.fit(table.iloc[fold.train], lost[fold.train])
            values.append(float(roc_auc_score(lost[fold.judged], scorer(table.iloc[fold.judged]))))
        sizes = [len(fold.judged) for fold in folds]
        means[option.name] = sum(value * size for value, size in zip(values, sizes, strict=True)) / sum(sizes)
    best = max(options, key=lambda option: means[option.name])
    return Choice(best, means, tuple(fold.year for fold in folds), "the best AUC over yearly folds in time order")


# -- probabilities ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Calibrator:
    """Score to probability; `method` is platt, isotonic or none (too few losses)."""

    method: str
    outcomes: int
    losses: int
    _map: Callable[[Any], Vector] | None

    def probability(self, score: Any) -> Vector | None:
        """Probability of loss per score, or None where only bands may be stated."""
        return None if self._map is None else self._map(score)


def calibrate(score: Any, lost: Any, *, outcomes: int, losses: int) -> Calibrator:
    """Platt's sigmoid below 1,000 outcomes, isotonic regression from there, nothing below 50 losses.

    `outcomes` and `losses` count outcomes that do not overlap (an account once per term), which may be fewer than the rows.
    """
    import numpy as np

    x, y = np.asarray(score, dtype=float), np.asarray(lost)
    if losses < MIN_LOSSES or outcomes - losses < MIN_LOSSES:
        return Calibrator("none", outcomes, losses, None)
    if outcomes < ISOTONIC_OUTCOMES:
        return Calibrator("platt", outcomes, losses, platt(x, y))
    return Calibrator("isotonic", outcomes, losses, isotonic(x, y))


def platt(score: Any, lost: Any) -> Callable[[Any], Vector]:
    """Sigmoid of a linear function of the score, fitted without penalty."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    x = np.asarray(score, dtype=float)
    centre, scale = float(x.mean()), float(x.std()) or 1.0
    model = LogisticRegression(C=1e6, max_iter=5000).fit(((x - centre) / scale)[:, None], lost)
    return lambda values: model.predict_proba(((np.asarray(values, dtype=float) - centre) / scale)[:, None])[:, 1]


def isotonic(score: Any, lost: Any) -> Callable[[Any], Vector]:
    """The best rising step function."""
    import numpy as np
    from sklearn.isotonic import IsotonicRegression

    model = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(np.asarray(score, dtype=float), lost)
    return lambda values: model.predict(np.asarray(values, dtype=float))
