"""Computes the signals of one as-of date: base models in, schema `computed` out.

Deterministic: the same base models give the same rows, however often and in whatever order it runs. `build` is pure and takes
frames; `compute_signals` reads and writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from vim_pipelines.core.dates import last_complete_week_start
from vim_pipelines.signals import mura, muri, scores
from vim_pipelines.signals.base_frames import BaseFrames, business_index, read_base
from vim_pipelines.signals.risks import MEASURES, evaluate, load_rules
from vim_pipelines.signals.tables import TABLES, ensure_computed_tables
from vim_pipelines.warehouse.base import Session

if TYPE_CHECKING:
    import pandas as pd

    from vim_pipelines.signals.vectors import Matrix

__all__ = ["SignalReport", "build", "compute_signals", "ensure_computed_tables"]


@dataclass(frozen=True)
class SignalReport:
    """What a run wrote: rows per table (without schema), accounts per risk band, risks per rule."""

    as_of: date
    rows: dict[str, int]
    accounts_by_band: dict[str, int]
    risks_by_rule: dict[str, int]


@dataclass(frozen=True)
class Signals:
    """The frames of one as-of date, with the columns of `tables.TABLES`; and the measures that the risk rules saw."""

    adoption_variance: pd.DataFrame
    ticket_spikes: pd.DataFrame
    account_scores: pd.DataFrame
    risks: pd.DataFrame
    measures: pd.DataFrame


def compute_signals(session: Session, as_of: date) -> SignalReport:
    """Compute the signals of `as_of` and replace that partition of each computed table. Base models must be built for `as_of`."""
    ensure_computed_tables(session)
    signals = build(read_base(session, as_of), as_of)
    rows = {name: session.replace_partition(f"computed.{name}", getattr(signals, name), "as_of_date", as_of) for name in TABLES}
    return SignalReport(as_of, rows, _counted(signals.account_scores["risk_band"]), _counted(signals.risks["rule_id"]))


def _counted(labels: Any) -> dict[str, int]:
    from collections import Counter

    return dict(sorted(Counter(labels.tolist()).items()))


def build(base: BaseFrames, as_of: date) -> Signals:
    """Every signal of every account in `base.accounts`, ordered by account key."""
    import numpy as np
    import pandas as pd

    accounts = base.accounts.sort_values("account_key", kind="stable").reset_index(drop=True)
    keys = accounts["account_key"]
    position = pd.Series(np.arange(len(keys)), index=keys)
    last_week = last_complete_week_start(as_of)
    segments = accounts["segment"].tolist()
    rhythm = _aligned(base.rhythm, keys)
    load = _aligned(base.ticket_load, keys)

    active = _weeks(base.account_weeks, "active_users", position, last_week, mura.RULE.max_weeks)
    events = _weeks(base.account_weeks, "events", position, last_week, mura.RULE.max_weeks)
    masked = np.nan_to_num(_weeks(base.account_weeks, "is_known_event_week", position, last_week, mura.RULE.max_weeks)) > 0
    # The empty months between a lost contract and the win-back are neither a drop nor a scatter.
    masked |= _before(_aligned(base.evidence, keys)["won_back_on"], last_week, mura.RULE.max_weeks)
    seats = _numbers(accounts["seats_contracted"])
    gap_days = _numbers(accounts["gap_days"])
    span = business_index(as_of + timedelta(days=1)) - _numbers(rhythm["first_index"])
    variance = mura.assess(
        active,
        # Where no contract is known (a portfolio without contracts) the people ever seen are the trials; seats, where known, always win.
        np.where(np.isnan(seats), _numbers(rhythm["users_seen"]), seats),
        masked=masked,
        segments=segments,
        events=events,
        gap_days=gap_days,
        median_gap_days=_numbers(rhythm["median_gap_days"]),
        active_day_share=_numbers(rhythm["active_days"]) / np.maximum(span - gap_days, 1.0),
        usage_status=[_text(value) for value in accounts["usage_status"]],
    )

    tickets = _weeks(base.ticket_weeks, "tickets_opened", position, last_week, muri.RULE.baseline_weeks + muri.RULE.recent_weeks)
    covered = _weeks(base.ticket_weeks, "is_covered", position, last_week, muri.RULE.baseline_weeks + muri.RULE.recent_weeks)
    tickets[~(np.nan_to_num(covered) > 0)] = np.nan
    unmasked = np.where(masked, np.nan, active)
    spikes = muri.assess(tickets, growth=muri.growth_factor(unmasked), segments=segments, ticket_status=[_text(value) for value in accounts["ticket_status"]])
    severity = muri.severity(spikes.p_value, spikes.tickets_4w, _numbers(load["weighted_load"]), seats)
    nearness = muri.proximity(_numbers(accounts["days_to_opt_out"]))

    measures = _measures(base, accounts, variance, spikes, load, rhythm, as_of)
    rules = scores.load_score_rules()
    result = scores.combine(
        scores.muda_score(_numbers(accounts["shelfware_seats"]), seats, _numbers(accounts["contract_age_days"]), rules),
        scores.mura_score({name: _numbers(measures[name]) for name in ("is_spiky", "is_gapped", "is_dropping", "cv", "gap_days", "fall")}, rules),
        severity,
        _floors(base, accounts, measures, rules),
        rules,
    )
    return Signals(
        adoption_variance=_frame(
            "adoption_variance", keys, as_of,
            {name: getattr(variance, name) for name in TABLES["adoption_variance"] if name not in ("account_key", "as_of_date", "rule_version")}
            | {"rule_version": mura.RULE_VERSION},
        ),
        ticket_spikes=_frame(
            "ticket_spikes", keys, as_of,
            {
                "week_start": last_week, "tickets_4w": spikes.tickets_4w, "baseline_sum": spikes.baseline_sum, "phi": spikes.phi, "p_value": spikes.p_value,
                "spike_level": spikes.level, "severity": severity, "proximity": nearness, "muri_priority": np.round(severity * nearness, 4),
                "status": spikes.status, "rule_version": muri.RULE_VERSION,
            },
        ),
        account_scores=_frame(
            "account_scores", keys, as_of,
            {
                "muda_score": result.muda, "mura_score": result.mura, "muri_score": result.muri, "lean_risk": result.lean_risk, "coverage": result.coverage,
                "risk_band": result.risk_band, "floor_reason": result.floor_reason, "score_version": rules.version,
            },
        ),
        risks=_risk_frame(evaluate(measures, load_rules()), as_of),
        measures=measures,
    )  # fmt: skip


def _measures(base: BaseFrames, accounts: Any, variance: mura.MuraResult, spikes: muri.MuriResult, load: Any, rhythm: Any, as_of: date) -> pd.DataFrame:
    """One row per account with every measure a rule may name; NaN, NaT or None where it is not known."""
    import numpy as np
    import pandas as pd

    from vim_pipelines.signals.vectors import ratio

    keys = accounts["account_key"]
    evidence, features = _aligned(base.evidence, keys), _aligned(base.features, keys)
    is_seen = accounts["usage_status"].isin(["ok", "insufficient"]).to_numpy()
    entitled = np.where(is_seen, _numbers(features["entitled_features"]), np.nan)
    used = np.where(np.isfinite(entitled), _numbers(features["used_features"]), np.nan)
    due, reached = pd.to_datetime(evidence["fttv_due_on"]), pd.to_datetime(evidence["fttv_reached_on"])
    late = (pd.Timestamp(as_of) - due).dt.days.where(reached.isna())
    whole = _numbers(evidence["notice_is_open"]) > 0
    line_notice = pd.to_datetime(accounts["notice_served_on"])
    notice_on = pd.to_datetime(evidence["notice_on"]).where(whole, line_notice)
    stale = {
        name: (accounts[column] == "stale").to_numpy()
        for name, column in (("usage", "usage_status"), ("tickets", "ticket_status"), ("contracts", "contract_status"))
    }
    level = np.array([entry or "" for entry in spikes.level], dtype=object)
    judged = np.isfinite(spikes.p_value)
    seats, shelfware = _numbers(accounts["seats_contracted"]), _numbers(accounts["shelfware_seats"])
    columns: dict[str, Any] = {
        name: getattr(variance, name)
        for name in (
            "n_weeks", "cv", "cv_robust", "dispersion_index", "dispersion_p", "rho", "recent_median", "prior_median", "drop_ratio", "drop_p",
            "decline_ratio", "decline_p", "gap_days", "gap_p", "is_spiky", "is_gapped", "is_dropping",
        )
    }  # fmt: skip
    columns |= {name: getattr(spikes, name) for name in ("tickets_4w", "baseline_sum", "phi", "growth")}
    columns |= {
        "seats_contracted": seats, "active_users_28d": _numbers(accounts["active_users_28d"]), "utilization_28d": _numbers(accounts["utilization_28d"]),
        "shelfware_seats": shelfware, "shelfware_share": ratio(shelfware, seats), "contract_age_days": _numbers(accounts["contract_age_days"]),
        "days_to_opt_out": _numbers(accounts["days_to_opt_out"]), "days_to_renewal": _numbers(accounts["days_to_renewal"]),
        "used_features": used, "entitled_features": entitled, "feature_breadth": ratio(used, entitled),
        "last_activity_date": pd.to_datetime(accounts["last_activity_date"]).to_numpy(), "median_gap_days": _numbers(rhythm["median_gap_days"]),
        "fall": np.fmin(variance.drop_ratio, variance.decline_ratio),
        "spike_p_value": spikes.p_value, "spike_q": muri.benjamini_hochberg(spikes.p_value), "spike_ratio": ratio(spikes.tickets_4w * 6.0, spikes.baseline_sum),
        "spike_is_alert": np.where(judged, level == "alert", np.nan), "spike_is_watch": np.where(judged, level == "watch", np.nan),
        "tickets_90d": _numbers(load["tickets_90d"]), "tickets_open": _numbers(load["tickets_open"]), "weighted_load": _numbers(load["weighted_load"]),
        "open_p1": _numbers(load["open_p1"]), "oldest_open_p1_days": _numbers(load["oldest_open_p1_days"]),
        "sponsors_active": _numbers(evidence["sponsors_active"]), "sponsors_left": _numbers(evidence["sponsors_left"]),
        "sponsor_left_on": pd.to_datetime(evidence["sponsor_left_on"]).to_numpy(), "fttv_days_late": _numbers(late), "fttv_due_on": due.to_numpy(),
        "handoff_fields_missing": _numbers(evidence["handoff_fields_missing"]), "handoff_fields_expected": _numbers(evidence["handoff_fields_expected"]),
        "handoff_missing_fields": evidence["handoff_missing_fields"].to_numpy(),
        "notice_is_open": (whole | line_notice.notna().to_numpy()).astype(float), "notice_is_whole": whole.astype(float), "notice_on": notice_on.to_numpy(),
        "stale_feeds": np.sum(list(stale.values()), axis=0).astype(float),
        "stale_feed_names": [" and ".join(name for name, flags in stale.items() if flags[row]) or None for row in range(len(keys))],
    }  # fmt: skip
    return pd.DataFrame({"account_key": keys.to_numpy(), **{name: columns[name] for name in MEASURES}})


def _floors(base: BaseFrames, accounts: Any, measures: Any, rules: scores.ScoreRules) -> dict[str, Any]:
    """Which floors of scores.yaml apply; what is unknown does not apply."""
    limits = rules.floor_limits
    age, opt_out = _numbers(measures["contract_age_days"]), _numbers(measures["days_to_opt_out"])
    return {
        "notice_served": _numbers(measures["notice_is_whole"]) == 1,
        "auto_renew_switched_off": accounts["account_key"].isin(base.auto_renew_off["account_key"]).to_numpy(),
        "aged_p1_before_opt_out": (_numbers(measures["oldest_open_p1_days"]) > limits["aged_p1_days"]) & (opt_out >= 0) & (opt_out <= limits["opt_out_days"]),
        "never_activated": (accounts["usage_status"] == "ok").to_numpy()
        & accounts["last_activity_date"].isna().to_numpy()
        & (age >= limits["never_activated_days"])
        & (_numbers(accounts["seats_contracted"]) > 0),
    }


def _weeks(frame: Any, column: str, position: Any, last_week: date, width: int) -> Matrix:
    """Accounts x weeks, oldest week first, the last column is `last_week`; NaN where the frame has no row."""
    import numpy as np
    import pandas as pd

    result = np.full((len(position), width), np.nan)
    if len(frame) == 0:
        return result
    row = position.reindex(frame["account_key"]).to_numpy(dtype=float)
    back = (pd.Timestamp(last_week) - pd.to_datetime(frame["week_start"])).dt.days.to_numpy() // 7
    keep = np.isfinite(row) & (back >= 0) & (back < width)
    result[row[keep].astype(int), width - 1 - back[keep]] = _numbers(frame[column])[keep]
    return result


def _before(day: Any, last_week: date, width: int) -> Any:
    """Accounts x weeks: whether the week begins before `day`; nowhere for accounts without a day."""
    import numpy as np
    import pandas as pd

    weeks_ago = (pd.Timestamp(last_week) - pd.to_datetime(day)).dt.days.to_numpy(dtype=float) / 7.0
    return np.arange(width)[None, ::-1] > np.nan_to_num(weeks_ago, nan=float(width))[:, None]


def _aligned(frame: Any, keys: Any) -> Any:
    """The frame's rows in the order of `keys`, blank where there is none."""
    return frame.drop_duplicates("account_key").set_index("account_key").reindex(keys).reset_index()


def _numbers(values: Any) -> Any:
    """Any column as floats; None, NA and NaN are NaN, booleans 1 and 0."""
    import pandas as pd

    return pd.to_numeric(pd.Series(values), errors="coerce").to_numpy(dtype=float, na_value=float("nan"))


def _text(value: Any) -> str | None:
    return None if value is None or value != value else str(value)


_DTYPES: dict[str, Any] = {"bigint": "Int64", "double": "Float64", "boolean": "boolean"}


def _frame(table: str, keys: Any, as_of: date, columns: dict[str, Any]) -> pd.DataFrame:
    """A frame with exactly the table's columns and types, NULL for unknown."""
    import numpy as np
    import pandas as pd

    data: dict[str, Any] = {"account_key": keys.to_numpy(), "as_of_date": [as_of] * len(keys)}
    for name, kind in TABLES[table].items():
        if name in data:
            continue
        values = columns[name]
        if kind in _DTYPES:
            numbers = np.asarray(values, dtype=float)
            missing = ~np.isfinite(numbers)
            known: Any = pd.Series(np.where(missing, 0.0, np.round(numbers) if kind == "bigint" else numbers)).astype(_DTYPES[kind])
            data[name] = known.mask(missing)
        else:
            data[name] = values if isinstance(values, list) else [values] * len(keys)
    return pd.DataFrame(data)


def _risk_frame(risks: list[dict[str, Any]], as_of: date) -> pd.DataFrame:
    import pandas as pd

    frame = pd.DataFrame([{**risk, "as_of_date": as_of} for risk in risks], columns=list(TABLES["risks"]))
    return frame.astype({"p_value": "Float64", "effect": "Float64"})
