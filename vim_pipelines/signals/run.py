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
from vim_pipelines.signals.base_frames import BaseFrames, business_index, read_base, read_capacity
from vim_pipelines.signals.frames import aligned, before, numbers, table_frame, text, weeks
from vim_pipelines.signals.measures import measure_frame
from vim_pipelines.signals.risks import evaluate, load_rules
from vim_pipelines.signals.selection import fold_week, rank, typed
from vim_pipelines.signals.tables import TABLES, ensure_computed_tables
from vim_pipelines.warehouse.base import Session

if TYPE_CHECKING:
    import pandas as pd

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
    signals = build(read_base(session, as_of), as_of, read_capacity(session))
    written = {name: {as_of: getattr(signals, name)} for name in TABLES} | {"risks": fold_week(session, signals.risks, as_of)}
    rows = {
        name: {day: session.replace_partition(f"computed.{name}", frame, "as_of_date", day) for day, frame in days.items()}[as_of]
        for name, days in written.items()
    }
    return SignalReport(as_of, rows, _counted(signals.account_scores["risk_band"]), _counted(signals.risks["rule_id"]))


def _counted(labels: Any) -> dict[str, int]:
    from collections import Counter

    return dict(sorted(Counter(labels.tolist()).items()))


def build(base: BaseFrames, as_of: date, capacity: int = 0) -> Signals:
    """Every signal of every account in `base.accounts`, ordered by account key.

    `capacity`: the team's weekly capacity of that date, stored with the risks; which of them it cuts is decided over the week
    (`selection.fold_week`).
    """
    import numpy as np
    import pandas as pd

    accounts = base.accounts.sort_values("account_key", kind="stable").reset_index(drop=True)
    keys = accounts["account_key"]
    position = pd.Series(np.arange(len(keys)), index=keys)
    last_week = last_complete_week_start(as_of)
    segments = accounts["segment"].tolist()
    rhythm = aligned(base.rhythm, keys)
    load = aligned(base.ticket_load, keys)

    active = weeks(base.account_weeks, "active_users", position, last_week, mura.RULE.max_weeks)
    events = weeks(base.account_weeks, "events", position, last_week, mura.RULE.max_weeks)
    masked = np.nan_to_num(weeks(base.account_weeks, "is_known_event_week", position, last_week, mura.RULE.max_weeks)) > 0
    # The empty months between a lost contract and the win-back are neither a drop nor a scatter.
    masked |= before(aligned(base.evidence, keys)["won_back_on"], last_week, mura.RULE.max_weeks)
    seats = numbers(accounts["seats_contracted"])
    gap_days = numbers(accounts["gap_days"])
    span = business_index(as_of + timedelta(days=1)) - numbers(rhythm["first_index"])
    variance = mura.assess(
        active,
        # Where no contract is known (a portfolio without contracts) the people ever seen are the trials; seats, where known, always win.
        np.where(np.isnan(seats), numbers(rhythm["users_seen"]), seats),
        masked=masked,
        segments=segments,
        events=events,
        gap_days=gap_days,
        median_gap_days=numbers(rhythm["median_gap_days"]),
        active_day_share=numbers(rhythm["active_days"]) / np.maximum(span - gap_days, 1.0),
        usage_status=[text(value) for value in accounts["usage_status"]],
    )

    tickets = weeks(base.ticket_weeks, "tickets_opened", position, last_week, muri.RULE.baseline_weeks + muri.RULE.recent_weeks)
    covered = weeks(base.ticket_weeks, "is_covered", position, last_week, muri.RULE.baseline_weeks + muri.RULE.recent_weeks)
    tickets[~(np.nan_to_num(covered) > 0)] = np.nan
    unmasked = np.where(masked, np.nan, active)
    spikes = muri.assess(tickets, growth=muri.growth_factor(unmasked), segments=segments, ticket_status=[text(value) for value in accounts["ticket_status"]])
    severity = muri.severity(spikes.p_value, spikes.tickets_4w, numbers(load["weighted_load"]), seats)
    nearness = muri.proximity(numbers(accounts["days_to_opt_out"]))

    measures = measure_frame(base, accounts, variance, spikes, load, rhythm, as_of)
    rules = scores.load_score_rules()
    result = scores.combine(
        scores.muda_score(numbers(accounts["shelfware_seats"]), seats, numbers(accounts["contract_age_days"]), rules),
        scores.mura_score({name: numbers(measures[name]) for name in ("is_spiky", "is_gapped", "is_dropping", "cv", "gap_days", "fall")}, rules),
        severity,
        _floors(base, accounts, measures, rules),
        rules,
    )
    return Signals(
        adoption_variance=table_frame(
            "adoption_variance", keys, as_of,
            {name: getattr(variance, name) for name in TABLES["adoption_variance"] if name not in ("account_key", "as_of_date", "rule_version")}
            | {"rule_version": mura.RULE_VERSION},
        ),
        ticket_spikes=table_frame(
            "ticket_spikes", keys, as_of,
            {
                "week_start": last_week, "tickets_4w": spikes.tickets_4w, "baseline_sum": spikes.baseline_sum, "phi": spikes.phi, "p_value": spikes.p_value,
                "spike_level": spikes.level, "severity": severity, "proximity": nearness, "muri_priority": np.round(severity * nearness, 4),
                "status": spikes.status, "rule_version": muri.RULE_VERSION,
            },
        ),
        account_scores=table_frame(
            "account_scores", keys, as_of,
            {
                "muda_score": result.muda, "mura_score": result.mura, "muri_score": result.muri, "lean_risk": result.lean_risk, "coverage": result.coverage,
                "risk_band": result.risk_band, "floor_reason": result.floor_reason, "score_version": rules.version,
            },
        ),
        risks=_ranked(evaluate(measures, load_rules()), measures, capacity, as_of),
        measures=measures,
    )  # fmt: skip


def _ranked(risks: list[dict[str, Any]], measures: pd.DataFrame, capacity: int, as_of: date) -> pd.DataFrame:
    places = rank(risks, measures)
    chosen = {"weekly_capacity": capacity, "is_within_capacity": None, "cut_reason": None}
    return typed([{**risk, "as_of_date": as_of, "capacity_rank": place, **chosen} for risk, place in zip(risks, places, strict=True)])


def _floors(base: BaseFrames, accounts: Any, measures: Any, rules: scores.ScoreRules) -> dict[str, Any]:
    """Which floors of scores.yaml apply; what is unknown does not apply."""
    limits = rules.floor_limits
    age, opt_out = numbers(measures["contract_age_days"]), numbers(measures["days_to_opt_out"])
    return {
        "notice_served": numbers(measures["notice_is_whole"]) == 1,
        "auto_renew_switched_off": accounts["account_key"].isin(base.auto_renew_off["account_key"]).to_numpy(),
        "aged_p1_before_opt_out": (numbers(measures["oldest_open_p1_days"]) > limits["aged_p1_days"]) & (opt_out >= 0) & (opt_out <= limits["opt_out_days"]),
        "never_activated": (accounts["usage_status"] == "ok").to_numpy()
        & accounts["last_activity_date"].isna().to_numpy()
        & (age >= limits["never_activated_days"])
        & (numbers(accounts["seats_contracted"]) > 0),
    }
