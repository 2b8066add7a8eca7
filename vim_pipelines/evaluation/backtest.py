"""Backtests: what was known then, what happened after, and the card that says how good the ranking was.

Two doors, one judgement. `backtest_activity` judges a ranking of an activity history without contracts (who falls silent);
`backtest_portfolio` judges the portfolio's own score on renewals. Both split by time, both count outcomes that have not ended as
censored, and both hand back a card and not a verdict in prose.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vim_pipelines.core.errors import VimError
from vim_pipelines.evaluation import backtest_metrics as metrics
from vim_pipelines.evaluation.backtest_activity import Activity, derived_labels, features, label_is_silence, read_activity, rows_90_occurred, training_rows
from vim_pipelines.evaluation.backtest_card import CalibrationCard, CardFigure
from vim_pipelines.evaluation.backtest_model import MIN_LOSSES, Calibrator, calibrate, choose, fewest_events, logarithmic_sum

if TYPE_CHECKING:
    import pandas as pd

#: Version of rankings, selection and calibration together; a change makes other cards.
MODEL_VERSION = "1"
_SEED = 20180101
DEFAULT_TRAIN_BEFORE = date(2018, 1, 1)

SIMPLE_RULE = "fewest events in 90 days, as known"
SIMPLE_RULE_LATE = "fewest events in 90 days, late arrivals included"
LOG_SUM = "logarithmic sum, as known"


def backtest_activity(folder: Path, train_before: date = DEFAULT_TRAIN_BEFORE) -> CalibrationCard:
    """Train on snapshots whose label windows closed before `train_before`, test on snapshots from that day on.

    Raises VIM-E018 or VIM-E017 for the files, VIM-E024 if one side of the split has no rows.
    """
    activity = read_activity(folder)
    train, how = training_rows(activity, train_before)
    test = _test_rows(activity, train_before)
    for name, rows in (("before", train), ("from", test)):
        if rows.empty:
            raise VimError(
                "VIM-E024",
                f"There is no snapshot {name} {train_before} whose outcome is known",
                why=f"A snapshot needs {activity.horizon_days} days of history behind and before it",
                fix="Choose another --train-before",
            )
    table, lost = features(activity, train).assign(months_next=train["months_next"]), train["lost"].to_numpy()
    choice = choose(table, lost, activity.horizon_days)
    scorer = choice.candidate.fit(table, lost)
    outcomes, losses = _separate_outcomes(train, activity.horizon_days)
    calibrator = calibrate(scorer(table), lost, outcomes=outcomes, losses=losses)

    seen = features(activity, test)
    score = scorer(seen)
    given = -(test["events_90_given"].to_numpy(dtype=float) if "events_90_given" in test else rows_90_occurred(activity, test))
    rankings = {
        choice.candidate.name: score,
        SIMPLE_RULE: fewest_events(seen),
        SIMPLE_RULE_LATE: given,
        LOG_SUM: logarithmic_sum(seen),
    }
    slices = {f"snapshots of {year}": (test["snapshot"].dt.year == year).to_numpy() for year in sorted(set(test["snapshot"].dt.year))}
    judged = judge(
        test["lost"].to_numpy(),
        rankings,
        accounts=test["account"],
        slices=slices,
        constant=float(lost.mean()),
        calibrator=calibrator,
        train_score=scorer(table),
    )
    return CalibrationCard(
        subject=activity.name,
        label=f"{'no activity' if label_is_silence(activity) else 'the label of the file'} in the {activity.horizon_days} days after the snapshot",
        model=choice.candidate.name,
        model_version=MODEL_VERSION,
        chosen_because=f"{choice.why} ({', '.join(map(str, choice.folds)) or 'none'})",
        probability=judged.probability,
        data=activity.sources,
        as_of_date=activity.actions["recorded"].max().date(),
        trained_from=train["snapshot"].min().date(),
        trained_to=train["snapshot"].max().date(),
        train_rows=len(train),
        train_accounts=train["account"].nunique(),
        train_losses=int(lost.sum()),
        tested_from=test["snapshot"].min().date(),
        tested_to=test["snapshot"].max().date(),
        test_rows=len(test),
        test_accounts=test["account"].nunique(),
        test_losses=int(test["lost"].sum()),
        test_censored=0,
        figures=judged.figures,
        reliability=judged.reliability,
        bands=judged.bands,
        selection=choice.fold_auc,
        verdict=verdict(judged.figures, choice.candidate.name),
        may_be_used_for=judged.use,
        limits=(
            f"Training rows: {how}; they overlap, and make {outcomes} outcomes that do not, {losses} of them lost.",
            "Silence in a log of work is not the end of a contract; there is no money in these data.",
            *(f"{note}." for note in activity.notes),
        ),
    )  # fmt: skip


def _test_rows(activity: Activity, train_before: date) -> pd.DataFrame:
    import pandas as pd

    labels = activity.labels if activity.labels is not None else derived_labels(activity)
    return labels[labels["snapshot"] >= pd.Timestamp(train_before)].reset_index(drop=True)


def _separate_outcomes(rows: pd.DataFrame, horizon_days: int) -> tuple[int, int]:
    """(outcomes, losses) that do not overlap: per account the snapshots at least a label window apart, the latest first."""
    import pandas as pd

    outcomes = losses = 0
    for _, group in rows.sort_values("snapshot").groupby("account"):
        upper: pd.Timestamp | None = None
        for snapshot, lost in zip(group["snapshot"][::-1], group["lost"][::-1], strict=True):
            if upper is None or snapshot <= upper - pd.Timedelta(days=horizon_days):
                outcomes, losses, upper = outcomes + 1, losses + int(lost), snapshot
    return outcomes, losses


# -- judging ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Judgement:
    """The figures of a card, and what they allow."""

    figures: tuple[CardFigure, ...]
    reliability: tuple[metrics.Bin, ...]
    bands: tuple[metrics.Bin, ...]
    probability: str
    use: str


def judge(
    lost: Any,
    rankings: Mapping[str, Any],
    *,
    accounts: Any,
    slices: Mapping[str, Any],
    constant: float,
    calibrator: Calibrator,
    train_score: Any,
    value: Any = None,
    bands: Any = None,
) -> Judgement:
    """Every figure of METRICS section 6 for the first of `rankings`, AUC for the others, and the paired differences.

    Intervals resample accounts. `slices` are masks (years, lead times, segments); `value` is the money at stake per row. Probabilities are
    judged only if the calibrator has any, which takes 50 losses; otherwise the loss rates of `bands` (default: three bands of the training scores) are all.
    """
    import numpy as np

    lost = np.asarray(lost)
    n, losses = len(lost), int(lost.sum())
    draws = metrics.Resampling.of_clusters(accounts, seed=_SEED)
    (model, score), *others = rankings.items()
    probability = calibrator.probability(score)

    def row(metric: str, ranking: str, figure: metrics.Figure, slice_: str = "all") -> CardFigure:
        mask = slices.get(slice_, np.ones(n, dtype=bool))
        return CardFigure.of(metric, ranking, slice_, figure, int(mask.sum()), int(lost[mask].sum()))

    base = metrics.Figure(float(lost.mean()), *draws.interval(lambda w: (w @ lost) / np.maximum(w.sum(axis=1), 1.0)))
    figures = [row("base rate", "-", base)]
    figures += [row("AUC", name, metrics.auc(lost, ranked, draws)) for name, ranked in rankings.items()]
    figures += [row("AUC difference", f"against {name}", metrics.auc_difference(lost, score, ranked, draws)) for name, ranked in others]
    figures += [row("PR-AUC", name, metrics.pr_auc(lost, ranked, draws if name == model else None)) for name, ranked in rankings.items()]
    figures += [row("top-decile lift", name, metrics.top_decile_lift(lost, ranked, draws)) for name, ranked in rankings.items()]
    if value is not None:
        figures += [row("ARR captured at 10 %", name, metrics.captured(lost, ranked, value, 0.10, draws)) for name, ranked in rankings.items()]
    if probability is not None:
        figures.append(row("Brier skill", model, metrics.brier_skill(lost, probability, constant, draws)))
        # The harder rival: the loss rate of the test rows themselves, which nobody knew.
        figures.append(row("Brier skill, rate in hindsight", model, metrics.brier_skill(lost, probability, float(lost.mean()), draws)))
    for name, mask in slices.items():
        part = metrics.Resampling(draws.weights[:, mask])
        figures.append(row("AUC", model, metrics.auc(lost[mask], np.asarray(score)[mask], part), name))
    bins = tuple(metrics.reliability(lost, probability)) if probability is not None else ()
    rates = tuple(metrics.band_rates(lost, _bands(score, train_score) if bands is None else bands))
    return Judgement(tuple(figures), bins, rates, _stated(calibrator), _use(calibrator, losses, figures))


def _bands(score: Any, train_score: Any) -> list[str]:
    """Three bands cut at the 50 % and 80 % points of the training scores; the cuts are not refitted to the rows that are judged."""
    import numpy as np

    middle, high = np.quantile(np.asarray(train_score, dtype=float), [0.5, 0.8])
    return ["3 high" if value >= high else "2 middle" if value >= middle else "1 low" for value in np.asarray(score, dtype=float)]


def _stated(calibrator: Calibrator) -> str:
    if calibrator.method == "none":
        return f"none: {calibrator.losses} losses among {calibrator.outcomes} outcomes, and {MIN_LOSSES} are needed on either side; bands only"
    return f"{calibrator.method}, from {calibrator.outcomes} outcomes that do not overlap, {calibrator.losses} of them lost"


def _use(calibrator: Calibrator, losses: int, figures: Sequence[CardFigure]) -> str:
    own = next(row for row in figures if row.metric == "AUC")
    if own.low is None or own.low <= 0.5:
        return "nothing that rests on it foretelling losses: these data do not show that it does; it still says what it measures"
    if calibrator.method == "none" or losses < MIN_LOSSES:
        return "putting accounts in order and naming a band; not for a probability, not for a forecast of money"
    return "putting accounts in order; the probability only where the reliability table holds and the base rate has not moved"


def verdict(figures: Sequence[CardFigure], model: str) -> str:
    """One sentence: whether the ranking has skill at all, and whether it beats what it must beat, by the lower bounds."""
    own = next(row for row in figures if row.metric == "AUC" and row.ranking == model and row.slice == "all")
    if own.value is None or own.low is None or own.high is None:
        return "No verdict: the outcomes are all the same, or too few to tell"
    if own.low <= 0.5:
        return f"No skill shown: AUC {own.value:.3f} ({own.low:.3f} to {own.high:.3f}) does not exclude chance"
    better: list[str] = []
    not_better: list[str] = []
    for row in figures:
        if row.metric == "AUC difference" and row.value is not None and row.low is not None:
            rival = row.ranking.removeprefix("against ")
            (better if row.low > 0 else not_better).append(f"{rival} ({row.value:+.3f}, {row.low:+.3f} to {row.high:+.3f})")
    parts = [f"AUC {own.value:.3f} ({own.low:.3f} to {own.high:.3f})"]
    parts += [f"better than {'; '.join(better)}"] if better else []
    parts += [f"no better than {'; '.join(not_better)}"] if not_better else []
    return "; ".join(parts)
