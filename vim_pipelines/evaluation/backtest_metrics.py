"""How good a ranking was, each figure with how well it is known.

Rows of one account resemble each other, so every interval here resamples whole accounts; an interval over rows would be too narrow by
about the root of the number of snapshots per account. Accuracy is not among the figures: at a loss rate of 10 % a model that never
warns anybody is 90 % accurate.

Higher scores mean a likelier loss everywhere in the backtest. Curves come from scikit-learn; only the bootstrap's weighted AUC is written
out, because it needs thousands of weightings of the same order of scores (a test holds it against scikit-learn's).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vim_pipelines.evaluation.intervals import wilson

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

RESAMPLES = 2000
#: One batch of weightings; 2000 x 20,000 weights at once would be 320 MB.
_BATCH = 250


@dataclass(frozen=True)
class Figure:
    """A figure with its 95 % interval; None: not defined here (no loss, or nothing but losses)."""

    value: float | None
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        if self.value is None:
            return "not defined"
        return f"{self.value:.3f}" if self.low is None or self.high is None else f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True)
class Resampling:
    """How often each row stands in each resample: `weights` is resamples x rows. The same for every ranking, so that differences are paired."""

    weights: Vector

    @classmethod
    def of_clusters(cls, clusters: Sequence[Any], *, seed: int, resamples: int = RESAMPLES) -> Resampling:
        """Whole clusters drawn with replacement, as many as there are."""
        import numpy as np
        import pandas as pd

        codes, names = pd.factorize(np.asarray(clusters))
        drawn = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1.0 / max(len(names), 1)), size=resamples)
        return cls(drawn[:, codes].astype(float))

    def interval(self, statistic: Callable[[Vector], Vector]) -> tuple[float | None, float | None]:
        """2.5 % and 97.5 % points of a statistic of the weights (resamples x rows -> resamples); resamples without a loss do not count."""
        import numpy as np

        values = np.concatenate([statistic(self.weights[start : start + _BATCH]) for start in range(0, len(self.weights), _BATCH)])
        values = values[np.isfinite(values)]
        if len(values) < len(self.weights) / 2:
            return None, None
        low, high = np.quantile(values, [0.025, 0.975])
        return float(low), float(high)


def weighted_auc(lost: Any, score: Any, weights: Any) -> Vector:
    """Area under the ROC curve for each row of `weights` (resamples x rows); ties count half; NaN where one class has no weight."""
    import numpy as np

    order = np.argsort(score, kind="stable")
    ordered, y = np.asarray(score, dtype=float)[order], np.asarray(lost, dtype=bool)[order]
    starts = np.flatnonzero(np.r_[True, np.diff(ordered) != 0])
    w = np.asarray(weights, dtype=float)[:, order]
    positive = np.add.reduceat(np.where(y, w, 0.0), starts, axis=1)
    negative = np.add.reduceat(np.where(y, 0.0, w), starts, axis=1)
    below = np.cumsum(negative, axis=1) - negative
    wins = (positive * (below + 0.5 * negative)).sum(axis=1)
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(pairs > 0, wins / pairs, np.nan)


def auc(lost: Any, score: Any, resampling: Resampling | None = None) -> Figure:
    """Probability that a lost row ranks above a kept one."""
    import numpy as np
    from sklearn.metrics import roc_auc_score

    lost = np.asarray(lost)
    if not 0 < lost.sum() < len(lost):
        return Figure(None)
    low, high = resampling.interval(lambda w: weighted_auc(lost, score, w)) if resampling else (None, None)
    return Figure(float(roc_auc_score(lost, score)), low, high)


def auc_difference(lost: Any, score: Any, other: Any, resampling: Resampling) -> Figure:
    """AUC of `score` minus AUC of `other` on the same rows; paired: both see the same resample."""
    mine, theirs = auc(lost, score), auc(lost, other)
    if mine.value is None or theirs.value is None:
        return Figure(None)
    low, high = resampling.interval(lambda w: weighted_auc(lost, score, w) - weighted_auc(lost, other, w))
    return Figure(mine.value - theirs.value, low, high)


def pr_auc(lost: Any, score: Any, resampling: Resampling | None = None) -> Figure:
    """Average precision; the base rate is what a ranking without skill gets."""
    import numpy as np
    from sklearn.metrics import average_precision_score

    lost = np.asarray(lost)
    if not 0 < lost.sum() < len(lost):
        return Figure(None)

    def resampled(weights: Vector) -> Vector:
        values = [average_precision_score(lost, score, sample_weight=w) if (w * lost).sum() > 0 else np.nan for w in weights]
        return np.asarray(values, dtype=float)

    # Each curve costs a millisecond or two: 200 resamples are enough for two digits.
    few = Resampling(resampling.weights[:200]) if resampling else None
    low, high = few.interval(resampled) if few else (None, None)
    return Figure(float(average_precision_score(lost, score)), low, high)


def captured(lost: Any, score: Any, value: Any, share: float = 0.10, resampling: Resampling | None = None) -> Figure:
    """Share of what was lost (rows, or money with `value`) that stands in the top `share` of the ranking.

    The cut is by rows: a team that can call on a tenth of its customers. Rows tied at the cut count in proportion, so that a constant
    ranking captures exactly `share`.
    """
    import numpy as np

    lost, value = np.asarray(lost, dtype=float), np.asarray(value, dtype=float)
    order = np.argsort(-np.asarray(score, dtype=float), kind="stable")
    ordered = np.asarray(score, dtype=float)[order]
    starts = np.flatnonzero(np.r_[True, np.diff(ordered) != 0])
    at_stake = (lost * value)[order]

    def statistic(weights: Vector) -> Vector:
        w = weights[:, order]
        rows, money = np.add.reduceat(w, starts, axis=1), np.add.reduceat(w * at_stake, starts, axis=1)
        room = share * rows.sum(axis=1, keepdims=True) - (np.cumsum(rows, axis=1) - rows)
        with np.errstate(invalid="ignore", divide="ignore"):
            taken = np.where(rows > 0, np.clip(room / rows, 0.0, 1.0), 0.0)
            return np.where(money.sum(axis=1) > 0, (taken * money).sum(axis=1) / money.sum(axis=1), np.nan)

    whole = statistic(np.ones((1, len(lost))))[0]
    if not np.isfinite(whole):
        return Figure(None)
    low, high = resampling.interval(statistic) if resampling else (None, None)
    return Figure(float(whole), low, high)


def top_decile_lift(lost: Any, score: Any, resampling: Resampling | None = None) -> Figure:
    """Loss rate of the top tenth over the base rate; 2.5 and more is called useful (METRICS section 6)."""
    import numpy as np

    share = captured(lost, score, np.ones(len(np.asarray(lost))), 0.10, resampling)
    return Figure(*(None if part is None else part / 0.10 for part in (share.value, share.low, share.high)))


def brier_skill(lost: Any, probability: Any, constant: float, resampling: Resampling | None = None) -> Figure:
    """1 - Brier score / Brier score of `constant`, the loss rate known when the model was made; below 0: worse than saying that rate of everybody."""
    import numpy as np

    lost, probability = np.asarray(lost, dtype=float), np.asarray(probability, dtype=float)
    mine, theirs = (probability - lost) ** 2, (constant - lost) ** 2
    if len(lost) == 0 or theirs.sum() == 0:
        return Figure(None)
    low, high = resampling.interval(lambda w: 1.0 - (w @ mine) / np.maximum(w @ theirs, 1e-12)) if resampling else (None, None)
    return Figure(float(1.0 - mine.sum() / theirs.sum()), low, high)


@dataclass(frozen=True)
class Bin:
    """A group of rows ordered by score: mean predicted probability (None without one), losses of n rows, Wilson bounds of the loss rate.

    The bounds take rows as independent; where an account stands in several rows of a bin they are too narrow.
    """

    name: str
    n: int
    losses: int
    predicted: float | None
    observed: float
    low: float
    high: float


def reliability(lost: Any, probability: Any, bins: int = 10) -> list[Bin]:
    """Predicted against observed by equal-sized groups of the ranking (deciles), lowest first."""
    import numpy as np

    lost, probability = np.asarray(lost, dtype=float), np.asarray(probability, dtype=float)
    parts = np.array_split(np.argsort(probability, kind="stable"), min(bins, max(len(lost), 1)))
    return [_bin(f"{number} of {len(parts)}", lost[part], float(probability[part].mean())) for number, part in enumerate(parts, 1) if len(part)]


def band_rates(lost: Any, bands: Sequence[Any]) -> list[Bin]:
    """Loss rate of each band: all that may be said while losses are few."""
    import numpy as np

    lost, names = np.asarray(lost, dtype=float), np.asarray([str(band) for band in bands])
    return [_bin(name, lost[names == name], None) for name in sorted(set(names.tolist()))]


def _bin(name: str, lost: Any, predicted: float | None) -> Bin:
    n, losses = len(lost), int(lost.sum())
    return Bin(name, n, losses, predicted, losses / n, *wilson(losses, n))
