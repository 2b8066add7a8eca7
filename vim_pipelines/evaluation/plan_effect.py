"""What a kind of plan changes: matched difference in differences, with its interval, and only where there is enough to say it.

Plans are written for accounts that look bad today. Such accounts look better tomorrow whether anybody helps or not, so a comparison of
before and after, or with all other accounts, prints an effect of plans that do nothing (`make calibrate` shows how large). Here every
account with a carried-out plan is compared with an account of its segment that looked as bad on the same night, had come there on the
same path, is of about its size, and had no such plan.

Decisions. Nearest neighbour on level, trend and log size, within a caliper and exactly on segment and night; with replacement, because
without it the order of matching decides who gets the last good control. What the caliper leaves of a difference is taken out by
regression on the matched controls (Abadie and Imbens, "Bias-corrected matching estimators", J. Bus. Econ. Stat. 29(1), 2011). The
variance is theirs too, with reused controls counted by account ("Large sample properties of matching estimators", Econometrica 74(1),
2006); the bootstrap is not valid for matching with replacement (Econometrica 76(6), 2008). A control may get its own plan later: leaving such accounts
out would choose controls by their future and keep those that recovered, so they stay, and the effect is divided by the share of
exposure that the controls lacked (Bloom, "Accounting for no-shows", Evaluation Review 8, 1984).

Pure down to `follow_effects`. Arrays are numpy.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Sequence
from dataclasses import dataclass, fields
from datetime import date, timedelta
from math import nan, sqrt
from typing import TYPE_CHECKING, Any

from vim_pipelines.core.dates import as_day

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from vim_pipelines.warehouse.base import Session

RULE_VERSION = "1"
#: Fewer treated and matched accounts than this print no effect, only the words.
MIN_PAIRS = 30
NOT_ENOUGH = "not enough data"
#: The measures look back 28 days, so 28 days apart they share no day. Before the plan: level, and trend over 28 days; the placebo is the
#: change over the 28 days that end 56 days before, which nobody was matched on; the effect is the change over the next 84 days.
TREND_DAYS, PLACEBO_FROM, PLACEBO_TO, AFTER_DAYS, WINDOW_DAYS = 28, 84, 56, 84, 28
#: Caliper in standard deviations of each covariate over treated and possible controls (Austin, Pharmaceutical Statistics 10, 2011: 0.2).
CALIPERS = {"level": 0.25, "trend": 0.25, "size": 1.0}


@dataclass(frozen=True)
class Candidates:
    """Accounts on the nights on which a plan of one kind was carried out: the treated, and everybody who had none yet.

    One row an account and night. `night` is an ordinal day; `next_plan` days from the night to the account's own first plan (inf: none
    known). `level`, `before` (28 days earlier), `placebo_to`, `placebo_from` and `after` are the measure at the offsets above, NaN if unknown.
    """

    account: np.ndarray
    night: np.ndarray
    is_treated: np.ndarray
    segment: np.ndarray
    size: np.ndarray
    level: np.ndarray
    before: np.ndarray
    placebo_to: np.ndarray
    placebo_from: np.ndarray
    after: np.ndarray
    next_plan: np.ndarray

    def take(self, rows: np.ndarray) -> Candidates:
        """The given rows."""
        return Candidates(**{part.name: getattr(self, part.name)[rows] for part in fields(self)})


@dataclass(frozen=True)
class Effect:
    """An effect in the measure's own unit, or the words that there is none to be had. `n_treated`: accounts with a carried-out plan.

    `controls_planned` is the share of the exposure that the controls had by their own later plans. The placebo is what the same pairs
    would show for a time before the plan; it has to include zero.
    """

    status: str
    n_treated: int
    n_matched: int
    n_controls: int
    effect: float | None = None
    low_95: float | None = None
    high_95: float | None = None
    controls_planned: float | None = None
    n_placebo: int = 0
    placebo: float | None = None
    placebo_low_95: float | None = None
    placebo_high_95: float | None = None
    before_after: float | None = None

    @property
    def is_placebo_clear(self) -> bool | None:
        """Whether the placebo's interval includes zero; None without one."""
        if self.placebo_low_95 is None or self.placebo_high_95 is None:
            return None
        return self.placebo_low_95 <= 0.0 <= self.placebo_high_95

    def __str__(self) -> str:
        if self.effect is None:
            return f"{NOT_ENOUGH} ({self.n_matched} of {MIN_PAIRS} matched accounts)"
        shown = f"{self.effect:+.3f} ({self.low_95:+.3f} to {self.high_95:+.3f}), {self.n_matched} of {self.n_treated} accounts matched with {self.n_controls}"
        if self.placebo is None:
            return shown + "; no placebo, the time before is not known"
        warning = "" if self.is_placebo_clear else "; the placebo is not zero: these accounts differed before, do not read this as an effect"
        return shown + f"; placebo {self.placebo:+.3f} ({self.placebo_low_95:+.3f} to {self.placebo_high_95:+.3f}){warning}"


@dataclass(frozen=True)
class Pairs:
    """Row numbers of the treated and of their controls, and the matched covariates (standardised) of every candidate."""

    treated: np.ndarray
    control: np.ndarray
    covariates: np.ndarray


def match(candidates: Candidates) -> Pairs:
    """The nearest control of each treated row within the calipers, of the same segment and night; rows without one are left out."""
    import numpy as np

    raw = np.column_stack([candidates.level, candidates.level - candidates.before, np.log(candidates.size)])
    known = np.isfinite(raw).all(axis=1) & np.isfinite(candidates.after)
    spread = raw[known].std(axis=0) if known.any() else np.ones(3)
    covariates = (raw - (raw[known].mean(axis=0) if known.any() else 0.0)) / np.where(spread > 0, spread, 1.0)
    caliper = np.array(list(CALIPERS.values()))
    cells: dict[tuple[Any, Any], list[int]] = defaultdict(list)
    for row in np.flatnonzero(known & ~candidates.is_treated):
        cells[candidates.night[row], candidates.segment[row]].append(int(row))
    treated, control = [], []
    for row in np.flatnonzero(known & candidates.is_treated):
        others = np.array(cells.get((candidates.night[row], candidates.segment[row]), ()), dtype=int)
        apart = np.abs(covariates[others] - covariates[row])
        near = (apart <= caliper).all(axis=1)
        if near.any():
            treated.append(row)
            control.append(others[near][np.argmin((apart[near] ** 2).sum(axis=1))])
    return Pairs(np.array(treated, dtype=int), np.array(control, dtype=int), covariates)


def estimate(candidates: Candidates) -> Effect:
    """The effect on the treated, or `not_enough_data` with fewer than 30 of them that could be matched."""
    import numpy as np

    pairs = match(candidates)
    n_treated, n_matched = int(candidates.is_treated.sum()), len(pairs.treated)
    n_controls = len(np.unique(candidates.account[pairs.control]))
    if n_treated < MIN_PAIRS or n_matched < MIN_PAIRS:
        return Effect("not_enough_data", n_treated, n_matched, n_controls)
    change = candidates.after - candidates.level
    value, error = _difference(change, pairs, candidates.account)
    planned = float(np.mean(exposure(candidates.next_plan[pairs.control])))
    share = 1.0 - planned
    if share < 0.5:  # most controls got the plan themselves: what is left is no comparison
        return Effect("not_enough_data", n_treated, n_matched, n_controls, controls_planned=planned)
    value, error = value / share, error / share
    half = _t_quantile(n_matched) * error
    placebo: dict[str, Any] = {}
    earlier = candidates.placebo_to - candidates.placebo_from
    known = np.isfinite(earlier[pairs.treated]) & np.isfinite(earlier[pairs.control])
    if known.sum() >= MIN_PAIRS:
        shown, its_error = _difference(earlier, Pairs(pairs.treated[known], pairs.control[known], pairs.covariates), candidates.account)
        its_half = _t_quantile(int(known.sum())) * its_error
        placebo = {"placebo": shown, "placebo_low_95": shown - its_half, "placebo_high_95": shown + its_half}
    return Effect(
        "ok", n_treated, n_matched, n_controls, value, value - half, value + half, planned, n_placebo=int(known.sum()), **placebo,
        before_after=float(np.mean(change[pairs.treated])),
    )  # fmt: skip


def exposure(next_plan: np.ndarray) -> np.ndarray:
    """Share of the last 28 days of the time after that a control spent under a plan of its own."""
    import numpy as np

    return np.clip((AFTER_DAYS - next_plan) / WINDOW_DAYS, 0.0, 1.0)


def _difference(change: np.ndarray, pairs: Pairs, account: np.ndarray) -> tuple[float, float]:
    """(mean difference of changes after regression on what the match left, its standard error)."""
    import numpy as np

    x, controls, uses = pairs.covariates, *np.unique(pairs.control, return_counts=True)
    design = np.column_stack([np.ones(len(controls)), x[controls]])
    root = np.sqrt(uses)
    slopes = np.zeros(x.shape[1])
    residual = change[controls] - np.average(change[controls], weights=uses)
    if len(controls) > 2 * design.shape[1]:  # with a handful of controls the regression would add more than it takes away
        found, *_ = np.linalg.lstsq(design * root[:, None], change[controls] * root, rcond=None)
        slopes, residual = found[1:], change[controls] - design @ found
    each = change[pairs.treated] - change[pairs.control] - (x[pairs.treated] - x[pairs.control]) @ slopes
    # A control's luck is shared by all treated that it serves, on whatever night: K(K-1) times its variance, K by account.
    _, by_account = np.unique(account[pairs.control], return_counts=True)
    luck = float(np.sum(residual**2)) / max(1, len(controls) - design.shape[1])
    n = len(each)
    freedom = n - 1 - x.shape[1]
    variance = (float(np.sum((each - each.mean()) ** 2)) * n / freedom + float(np.sum(by_account * (by_account - 1))) * luck) / n**2
    return float(each.mean()), sqrt(variance)


def _t_quantile(n: int) -> float:
    from scipy.stats import t

    return float(t.ppf(0.975, n - 1 - len(CALIPERS)))


# --- the portfolio ----------------------------------------------------------------------------------------------------

TABLE = "computed.plan_effects"
COLUMNS: dict[str, str] = {
    "as_of_date": "date", "document": "varchar", "measure": "varchar", "status": "varchar", "statement": "varchar", "n_treated": "bigint",
    "n_matched": "bigint", "n_controls": "bigint", "effect": "double", "low_95": "double", "high_95": "double", "controls_planned": "double",
    "n_placebo": "bigint", "placebo": "double", "placebo_low_95": "double", "placebo_high_95": "double", "is_placebo_clear": "boolean",
    "rule_version": "varchar",
}  # fmt: skip
#: A night that was not audited is replaced by one of the three before it.
NIGHT_WITHIN_DAYS = 3


@dataclass(frozen=True)
class CarriedOut:
    """The first plan of a kind that was carried out for an account; `night` is the last one before it."""

    account: str
    night: date


def follow_effects(session: Session, as_of: date) -> list[Effect]:
    """Write `computed.plan_effects` of `as_of`: one row for each document that was ever approved and each of its measures that is a number.

    `computed.plan_outcomes` of `as_of` and the marts must have been built. Where fewer than 30 accounts had the plan long enough ago, nothing
    but the outcomes is read, so a night without an effect costs one query.
    """
    import pandas as pd

    ensure_effect_table(session)
    rows, effects = [], []
    for (document, measure), plans in _carried_out(session, as_of).items():
        effect = Effect("not_enough_data", len(plans), 0, 0)
        # A plan younger than the time after it may be a control's, so all are handed on; old enough to be followed must be thirty.
        if sum(plan.night + timedelta(days=AFTER_DAYS) <= as_of for plan in plans) >= MIN_PAIRS:
            effect = estimate(read_candidates(session, measure, plans, as_of))
        rows.append({"as_of_date": as_of, "document": document, "measure": measure, "statement": str(effect), "rule_version": RULE_VERSION} | _values(effect))
        effects.append(effect)
    kinds = {"bigint": "Int64", "double": "Float64", "boolean": "boolean"}
    frame = pd.DataFrame(rows, columns=list(COLUMNS)).astype({name: kinds.get(kind, "object") for name, kind in COLUMNS.items()})
    session.replace_partition(TABLE, frame, "as_of_date", as_of)
    return effects


def ensure_effect_table(session: Session) -> None:
    """Create the table of this module if it does not exist."""
    session.ensure_table(TABLE, COLUMNS)


def _values(effect: Effect) -> dict[str, Any]:
    return {name: getattr(effect, name) for name in COLUMNS if hasattr(effect, name)}


def _carried_out(session: Session, as_of: date) -> dict[tuple[str, str], list[CarriedOut]]:
    """By document and measure, each account's first plan that was carried out by `as_of` and not undone."""
    rows = session.rows(
        "select document, measure, account_key, min(case when withdrawn_on is null then executed_on end) as executed_on from computed.plan_outcomes"
        " where as_of_date = ? and measure is not null and comparison not in ('is_recorded', 'is_empty') and measure <> 'high_risks'"
        " group by document, measure, account_key order by document, measure, account_key",
        [as_of],
    )
    found: dict[tuple[str, str], list[CarriedOut]] = {}
    for row in rows:
        plans = found.setdefault((row["document"], row["measure"]), [])
        if row["executed_on"] is not None:
            plans.append(CarriedOut(row["account_key"], as_day(row["executed_on"]) - timedelta(days=1)))
    return found


def read_candidates(session: Session, measure: str, plans: Sequence[CarriedOut], as_of: date) -> Candidates:
    """All accounts on the nights before the plans, with the measure around them; only nights up to `as_of` are read, one at a time."""
    import numpy as np
    import pandas as pd

    audited = {as_day(row["as_of_date"]) for row in session.rows("select distinct as_of_date from marts.fct_account_signals where as_of_date <= ?", [as_of])}
    first = pd.Series({plan.account: plan.night.toordinal() for plan in plans}, dtype=float)
    parts = []
    for night in sorted({plan.night for plan in plans if plan.night + timedelta(days=AFTER_DAYS) <= as_of}):
        days = {name: _audited(audited, night + timedelta(days=offset)) for name, offset in _OFFSETS.items()}
        accounts = session.query("select account_key, segment from marts.fct_account_signals where as_of_date = ?", [days["level"] or night])
        part = accounts.assign(segment=accounts["segment"].fillna("unknown"), night=night.toordinal()).set_index("account_key")
        for name, day in days.items():
            part[name] = nan if day is None else _values_on(session, measure, day).reindex(part.index)
        part["size"] = _values_on(session, "seats_contracted", days["level"] or night).reindex(part.index)
        own = first.reindex(part.index)
        part["is_treated"] = own == night.toordinal()
        part["next_plan"] = np.where(own > night.toordinal(), own - night.toordinal(), np.inf)
        parts.append(part[~(own < night.toordinal())].reset_index())
    table = pd.concat(parts, ignore_index=True)
    table["size"] = table["size"].where(table["size"] > 0)
    return Candidates(
        account=table["account_key"].to_numpy(dtype=object), night=table["night"].to_numpy(dtype=int), is_treated=table["is_treated"].to_numpy(dtype=bool),
        segment=table["segment"].to_numpy(dtype=object), size=table["size"].to_numpy(dtype=float), next_plan=table["next_plan"].to_numpy(dtype=float),
        **{name: table[name].to_numpy(dtype=float) for name in _OFFSETS},
    )  # fmt: skip


_OFFSETS = {"level": 0, "before": -TREND_DAYS, "placebo_to": -PLACEBO_TO, "placebo_from": -PLACEBO_FROM, "after": AFTER_DAYS}


def _audited(audited: Container[date], day: date) -> date | None:
    """The night of `day`, or the newest of the three before it that was audited."""
    return next((known for back in range(NIGHT_WITHIN_DAYS + 1) if (known := day - timedelta(days=back)) in audited), None)


def _values_on(session: Session, metric: str, day: date) -> pd.Series:
    rows = session.query(
        "select account_key, value_number from marts.fct_account_facts where metric = ? and scope = 'account' and status = 'ok' and as_of_date = ?",
        [metric, day],
    )
    return rows.set_index("account_key")["value_number"].astype(float)
