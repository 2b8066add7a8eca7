"""From the kept evidence of a date to scores with the points that each measure contributes.

The evidence of every audited date is kept, so that the same function gives yesterday's contributions for tonight's comparison, and
all of history again when the rule changes. Everything here is a function of one date's evidence and of scores.yaml.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vim_pipelines.signals import scores
from vim_pipelines.signals.frames import numbers
from vim_pipelines.signals.tables import TABLES

if TYPE_CHECKING:
    import pandas as pd

    from vim_pipelines.signals.vectors import Matrix

DIMENSIONS = ("muda", "mura", "muri")
#: Measure to its dimension and the unit of its value. A dimension's sub-score is its worst measure.
MEASURES: dict[str, tuple[str, str]] = {
    "shelfware": ("muda", "ratio"), "drop": ("mura", "ratio"), "scatter": ("mura", "ratio"), "gap": ("mura", "business days"),
    "ticket_surge": ("muri", "tickets"), "ticket_load": ("muri", "points"),
}  # fmt: skip

#: What is kept of each account and date, name to SQL type: the whole input of `assess`.
EVIDENCE: dict[str, str] = {
    name: kind for name, kind in TABLES["health_evidence"].items() if name not in ("account_key", "as_of_date", "audited_version", "audited_lean_risk")
}


@dataclass(frozen=True)
class Health:
    """One row per account in the order of the evidence. Matrices are accounts x `MEASURES`.

    `points`: sub-score of each measure, NaN if not measured. `contributions`: points that each measure adds to `lean_risk`, 0 where
    it is measured and adds nothing; with `floor` they add up to `lean_risk` exactly. All NaN where there is no score.
    """

    scores: scores.Scores
    points: Matrix
    values: Matrix
    weights: Matrix
    contributions: Matrix
    floor: Any
    status: list[list[str]]


def assess(evidence: pd.DataFrame, rules: scores.ScoreRules) -> Health:
    """Scores and contributions from rows with the columns `EVIDENCE`.

    lean_risk = share x largest + (1 - share) x weighted mean (METRICS section 7): the first term belongs to the worst dimension, the
    second to each by its weight; within a dimension all belongs to its worst measure, ties share alike.
    """
    import numpy as np

    from vim_pipelines.signals import muri
    from vim_pipelines.signals.vectors import ratio

    seen = {name: numbers(evidence[name]) for name, kind in EVIDENCE.items() if kind != "varchar"}
    blank = np.full(len(evidence), np.nan)
    seats = seen["seats_contracted"]
    points = np.stack(
        [
            scores.muda_score(seen["shelfware_seats"], seats, seen["contract_age_days"], rules),
            *scores.mura_points({name: seen[name] for name in ("is_dropping", "is_spiky", "is_gapped", "fall", "cv", "gap_days")}, rules).values(),
            muri.severity(seen["spike_p_value"], seen["tickets_4w"], blank, seats),
            muri.severity(blank, blank, seen["weighted_load"], seats),
        ],
        axis=1,
    )
    own = np.array([DIMENSIONS.index(dimension) for dimension, _ in MEASURES.values()])
    parts = np.stack([np.fmax.reduce(points[:, own == number], axis=1) for number in range(len(DIMENSIONS))], axis=1)
    floors = {name: seen[f"floor_{name}"] == 1 for name in scores.FLOORS}
    result = scores.combine(parts[:, 0], parts[:, 1], parts[:, 2], floors, rules)

    worst = np.fmax.reduce(parts, axis=1)
    is_worst = parts == worst[:, None]
    of_dimension = np.nan_to_num(parts) * (
        rules.largest_share * is_worst / np.maximum(is_worst.sum(axis=1), 1)[:, None] + (1.0 - rules.largest_share) * result.weights
    )
    leads = points == parts[:, own]
    leaders = np.stack([(leads & (own == number)).sum(axis=1) for number in range(len(DIMENSIONS))], axis=1)
    shares = leads / np.maximum(leaders, 1)[:, own]
    is_blended = np.isfinite(result.blended)
    raw = np.where(is_blended[:, None], of_dimension[:, own] * shares, 0.0)
    raw = np.where(np.isfinite(result.lean_risk)[:, None], raw, np.nan)
    contributions, floor = _rounded(raw, result.lean_risk, np.where(is_blended, result.blended, 0.0))
    values = np.stack([ratio(seen["shelfware_seats"], seats), *(seen[name] for name in ("fall", "cv", "gap_days", "tickets_4w", "weighted_load"))], axis=1)
    return Health(result, points, values, result.weights[:, own], contributions, floor, _status(evidence, points))


def _rounded(raw: Matrix, lean_risk: Any, blended: Any) -> tuple[Matrix, Any]:
    """Contributions and floor in hundredths of a point that still add up to the score: the largest one takes the rest."""
    import numpy as np

    floor = np.round(np.where(lean_risk > np.round(blended, 2), lean_risk - blended, 0.0), 2)
    floor = np.where(np.isfinite(lean_risk), floor, np.nan)
    rows = np.concatenate([np.round(raw, 2), floor[:, None]], axis=1)
    rest = np.round(lean_risk - rows.sum(axis=1), 2)
    known = np.flatnonzero(np.isfinite(rest))
    rows[known, rows[known].argmax(axis=1)] += rest[known]
    rows = np.round(rows, 2)
    return rows[:, :-1], rows[:, -1]


def _status(evidence: pd.DataFrame, points: Matrix) -> list[list[str]]:
    """ok, unknown, stale or insufficient for each measure, accounts x measures."""
    import numpy as np

    def worst(*names: str) -> Any:
        """The first of the given states that is not ok; insufficient where all are, because something else was too little."""
        result = np.full(len(evidence), "insufficient", dtype=object)
        for name in reversed(names):
            column = evidence[name].astype(object).to_numpy()
            for state in ("insufficient", "stale", "unknown"):
                result[column == state] = state
            result[np.array([value is None or value != value for value in column], dtype=bool)] = "unknown"
        return result

    adoption = worst("adoption_status")
    reasons = [worst("contract_status", "usage_status"), adoption, adoption, adoption, worst("spike_status"), worst("ticket_status")]
    words: list[list[str]] = np.where(np.isfinite(points), "ok", np.stack(reasons, axis=1).reshape(len(evidence), len(MEASURES))).tolist()
    return words
