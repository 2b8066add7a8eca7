"""The backtest of the portfolio's own score: the marts as they stood before each opt-out deadline, against what became of the term.

Features come from the nightly history of the marts, at the newest night on or before the observation date. The score itself has weights
by design and is not fitted to outcomes, so it is judged on every closed term; a regression on the measures joins in only when training and
test terms hold fifty losses each, and then both are judged on the test terms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from vim_pipelines.core.errors import VimError
from vim_pipelines.core.hashing import sha256_text
from vim_pipelines.evaluation.backtest import MODEL_VERSION, judge, verdict
from vim_pipelines.evaluation.backtest_card import CalibrationCard
from vim_pipelines.evaluation.backtest_leaks import refuse_later
from vim_pipelines.evaluation.backtest_model import MIN_LOSSES, Calibrator, calibrate
from vim_pipelines.evaluation.backtest_terms import CONTRACTED, INVOLUNTARY, OPEN, VOLUNTARY, Versions, default_split, observations, split, terms
from vim_pipelines.warehouse.base import Session

if TYPE_CHECKING:
    import pandas as pd

#: How old the night of the features may be on the observation date.
WITHIN_DAYS = 7
#: The same where nights were built monthly.
WITHIN_DAYS_MONTHLY = 31
SCORE = "lean_risk"

#: Measures of marts.fct_account_signals that a single-feature ranking or the regression may use, and whether more means riskier. Money, dates,
#: names and everything that a person writes are left out.
MEASURES: dict[str, int] = {
    "utilization_28d": -1, "shelfware_seats": 1, "active_users_28d": -1, "cv_robust": 1, "dispersion_p": -1, "drop_ratio": -1, "gap_days": 1,
    "tickets_28d": 1, "ticket_rate": 1, "weighted_load": 1, "tickets_open": 1, "spike_p_value": -1, "muda_score": 1, "mura_score": 1, "muri_score": 1,
}  # fmt: skip


@dataclass(frozen=True)
class Prepared:
    """Observations with the features of their night; `open_terms` were censored, `without_night` have no night near enough, `versions` is what
    the labels read."""

    rows: pd.DataFrame
    terms: pd.DataFrame
    without_night: int
    without_score: int


def read_versions(session: Session) -> Versions:
    """Every version of lines, accounts and opportunities; labels are the one thing here that may know today."""
    return Versions(
        session.query("select * from raw.contract_lines order by contract_line_key, known_at"),
        session.query("select account_key, notice_received_on, known_at from raw.accounts order by account_key, known_at"),
        session.query("select account_key, opportunity_type, stage, is_closed, is_won, known_at from raw.opportunities order by opportunity_key, known_at"),
    )


def nights(session: Session) -> list[date]:
    """As-of dates that the marts hold."""
    if not session.table_exists("marts.fct_account_signals"):
        return []
    return [row["as_of_date"] for row in session.rows("select distinct as_of_date from marts.fct_account_signals order by as_of_date")]


def prepare(session: Session, today: date, within_days: int = WITHIN_DAYS) -> Prepared:
    """Terms, observation dates, and for each the measures of the newest night on or before it and at most `within_days` old."""
    import pandas as pd

    table = terms(read_versions(session), today)
    rows = observations(table)
    signals = session.query(f"select account_key, as_of_date, segment, risk_band, {SCORE}, {', '.join(MEASURES)} from marts.fct_account_signals")
    for frame, column in ((signals, "as_of_date"), (rows, "observed_on")):
        frame[column] = pd.to_datetime(frame[column]).astype("datetime64[ns]")
    for name in (SCORE, *MEASURES):
        signals[name] = pd.to_numeric(signals[name], errors="coerce").astype(float)
    joined = pd.merge_asof(
        rows.sort_values("observed_on"), signals.sort_values("as_of_date"), left_on="observed_on", right_on="as_of_date", by="account_key",
        direction="backward", tolerance=pd.Timedelta(days=within_days),
    )  # fmt: skip
    seen = joined[joined["as_of_date"].notna()]
    scored = seen[seen[SCORE].notna()].sort_values(["observed_on", "account_key", "lead_days"], kind="stable").reset_index(drop=True)
    refuse_later(scored)
    return Prepared(scored, table, len(joined) - len(seen), len(seen) - len(scored))


def backtest_portfolio(prepared: Prepared, subject: str, today: date, test_from: date | None = None) -> CalibrationCard:
    """The card of the score. VIM-E024 if no closed term has a night before its deadline."""
    rows = prepared.rows
    if rows.empty:
        raise VimError(
            "VIM-E024",
            "There is no observation to judge",
            why=f"{int((prepared.terms['outcome'] != OPEN).sum())} terms have closed, and {prepared.without_night} observation dates have no night near them",
            fix="Build the past with --rebuild weekly, or come back when terms have closed",
        )
    test_from = test_from or default_split(rows)
    train, test = split(rows, test_from)
    lost_terms = [_lost_terms(part) for part in (train, test)]
    if min(lost_terms) >= MIN_LOSSES:
        return _card(prepared, subject, today, train, test, _fitted(train, test), "a regression on the measures, trained on the terms before the split")
    rankings = {"lean risk, as scored": rows[SCORE].to_numpy(dtype=float)} | _single_features(rows, rows)
    why = f"weights by design, nothing is fitted: {lost_terms[0]} terms were lost before {test_from} and {lost_terms[1]} after it, {MIN_LOSSES} each are needed"
    return _card(prepared, subject, today, rows.iloc[:0], rows, (rankings, None, None), why)


#: Rankings of the test rows (the judged one first), their calibrator, and the first one's scores of the training rows.
Rankings = tuple[Mapping[str, Any], Calibrator | None, Any]


def _fitted(train: pd.DataFrame, test: pd.DataFrame) -> Rankings:
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    # The imputer's medians, its flags for what is unknown, and the scaling are those of the training terms.
    names = [*MEASURES, SCORE]
    model = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True), StandardScaler(), LogisticRegression(C=0.05, max_iter=5000)
    )
    model.fit(train[names].to_numpy(), train["lost"].to_numpy())
    score = model.decision_function(train[names].to_numpy())
    calibrator = calibrate(score, train["lost"], outcomes=len(train.drop_duplicates(["account_key", "end_date"])), losses=_lost_terms(train))
    rankings = {
        "logistic regression on the measures": model.decision_function(test[names].to_numpy()),
        "lean risk, as scored": test[SCORE].to_numpy(dtype=float),
    }
    return rankings | _single_features(train, test), calibrator, score


def _single_features(train: pd.DataFrame, test: pd.DataFrame) -> dict[str, Any]:
    """The one measure that ranks `train` best in its declared direction, applied to `test`; what is unknown ranks in the middle."""
    import numpy as np
    from sklearn.metrics import roc_auc_score

    lost = train["lost"].to_numpy()
    if not 0 < lost.sum() < len(lost):
        return {}
    found = {}
    for name, direction in MEASURES.items():
        values = direction * train[name].to_numpy(dtype=float)
        if np.isfinite(values).any():
            found[name] = float(roc_auc_score(lost, np.where(np.isfinite(values), values, np.nanmedian(values))))
    if not found:
        return {}
    best = max(found, key=lambda name: found[name])
    values, middle = MEASURES[best] * test[best].to_numpy(dtype=float), np.nanmedian(MEASURES[best] * train[best].to_numpy(dtype=float))
    chosen = "chosen on these very rows" if train is test else "chosen on the training terms"
    return {f"best single measure, {chosen}: {best}": np.where(np.isfinite(values), values, middle)}


def _card(prepared: Prepared, subject: str, today: date, train: pd.DataFrame, test: pd.DataFrame, fitted: Rankings, why: str) -> CalibrationCard:
    rankings, calibrator, train_score = fitted
    model = next(iter(rankings))
    slices = {f"{lead} days before opt-out": (test["lead_days"] == lead).to_numpy() for lead in sorted(set(test["lead_days"]), reverse=True)}
    slices |= {f"segment {name}": (test["segment"] == name).to_numpy() for name in sorted(set(test["segment"].dropna()))}
    calibrator = calibrator or Calibrator("none", len(test.drop_duplicates(["account_key", "end_date"])), _lost_terms(test), None)
    judged = judge(
        test["lost"].to_numpy(), rankings, accounts=test["account_key"], slices=slices, constant=float((train if len(train) else test)["lost"].mean()),
        calibrator=calibrator, train_score=train_score, value=test["value"], bands=None if len(train) else test["risk_band"],
    )  # fmt: skip
    counts = prepared.terms["outcome"].value_counts()
    used = test.drop_duplicates(["account_key", "end_date"])["outcome"].value_counts()
    return CalibrationCard(
        subject=subject,
        label="the term ends without a renewal (notice, closed lost, lapse, or ended by the vendor); contraction is kept",
        model=model,
        model_version=MODEL_VERSION,
        chosen_because=why,
        probability=judged.probability,
        data={"observations": _digest(prepared.rows)},
        as_of_date=today,
        trained_from=_day(train, "min"),
        trained_to=_day(train, "max"),
        train_rows=len(train),
        train_accounts=train["account_key"].nunique(),
        train_losses=int(train["lost"].sum()),
        tested_from=_day(test, "min"),
        tested_to=_day(test, "max"),
        test_rows=len(test),
        test_accounts=test["account_key"].nunique(),
        test_losses=int(test["lost"].sum()),
        test_censored=int(counts.get(OPEN, 0)),
        figures=judged.figures,
        reliability=judged.reliability,
        bands=judged.bands,
        selection={},
        verdict=verdict(judged.figures, model),
        may_be_used_for=judged.use,
        limits=(
            f"Closed terms behind the rows: {', '.join(f'{n} {name}' for name, n in used.items())}.",
            f"Of all closed terms {counts.get(VOLUNTARY, 0)} ended by the customer, {counts.get(INVOLUNTARY, 0)} by the vendor, {counts.get(CONTRACTED, 0)} were renewed for less.",
            f"{prepared.without_night} observation dates have no night near enough in which the account was known (a CRM that is read by its present state "
            f"forgets what it was before the first capture), {prepared.without_score} a night without a score.",
        ),
    )  # fmt: skip


def _lost_terms(rows: pd.DataFrame) -> int:
    return len(rows[rows["lost"] == 1].drop_duplicates(["account_key", "end_date"]))


def _day(rows: pd.DataFrame, which: str) -> date | None:
    if rows.empty:
        return None
    day: date = getattr(rows["observed_on"], which)().date()
    return day


def _digest(rows: pd.DataFrame) -> str:
    columns: Sequence[str] = [name for name in rows.columns if name != "segment"]
    return sha256_text(rows[columns].to_csv(index=False, float_format="%.9g"))
