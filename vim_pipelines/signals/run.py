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
from vim_pipelines.signals.fold import fold_scores
from vim_pipelines.signals.frames import aligned, before, numbers, seats_by_week, table_frame, text, weeks
from vim_pipelines.signals.health import EVIDENCE
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
    """What a run wrote: rows per table (without schema), accounts per risk band, risks per rule (those held back or cut included).

    `dates`: the as-of dates whose rows were computed again, because bands, changes and the week's capacity follow from earlier dates;
    marts of all of them have to be built again.
    """

    as_of: date
    dates: tuple[date, ...]
    rows: dict[str, int]
    accounts_by_band: dict[str, int]
    risks_by_rule: dict[str, int]


@dataclass(frozen=True)
class Signals:
    """The frames of one as-of date and the measures that the risk rules saw.

    They speak about that date alone. What follows from the dates before it (the week's choice of risks, bands, changes of the score)
    is added by `selection.fold_week` and `fold.fold_scores`.
    """

    adoption_variance: pd.DataFrame
    ticket_spikes: pd.DataFrame
    health_evidence: pd.DataFrame
    risks: pd.DataFrame
    measures: pd.DataFrame


def compute_signals(session: Session, as_of: date) -> SignalReport:
    """Compute the signals of `as_of` and replace that partition of each computed table. Base models must be built for `as_of`."""
    ensure_computed_tables(session)
    signals = build(read_base(session, as_of), as_of, read_capacity(session))
    rows = {name: session.replace_partition(f"computed.{name}", getattr(signals, name), "as_of_date", as_of) for name in ("adoption_variance", "ticket_spikes")}
    week = fold_week(session, signals.risks, as_of)
    rows["risks"] = len(week[as_of])
    for day, frame in week.items():
        session.replace_partition("computed.risks", frame, "as_of_date", day)
    fold = fold_scores(session, signals.health_evidence, as_of)
    return SignalReport(as_of, tuple(sorted({*fold.dates, *week})), rows | fold.rows, fold.accounts_by_band, _counted(signals.risks["rule_id"]))


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
    grown = muri.customer_growth(unmasked, seats_by_week(base.seat_lines, position, last_week, muri.RULE.baseline_weeks + muri.RULE.recent_weeks))
    spikes = muri.assess(
        tickets,
        growth=grown.growth,
        growth_within=grown.within,
        segments=segments,
        ticket_status=[text(value) for value in accounts["ticket_status"]],
    )
    severity = muri.severity(spikes.p_value, spikes.tickets_4w, numbers(load["weighted_load"]), seats)
    nearness = muri.proximity(numbers(accounts["days_to_opt_out"]))

    measures = measure_frame(base, accounts, variance, spikes, load, rhythm, as_of)
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
        health_evidence=_evidence(base, accounts, measures, variance, spikes),
        # No claim is made about an account that a gate held; what its rows say cannot be trusted tonight.
        risks=_ranked(evaluate(measures[accounts["hold_reason"].isna()].reset_index(drop=True), load_rules()), measures, capacity, as_of),
        measures=measures,
    )  # fmt: skip


def _ranked(risks: list[dict[str, Any]], measures: pd.DataFrame, capacity: int, as_of: date) -> pd.DataFrame:
    places = rank(risks, measures)
    chosen = {"weekly_capacity": capacity, "is_within_capacity": None, "cut_reason": None}
    return typed([{**risk, "as_of_date": as_of, "capacity_rank": place, **chosen} for risk, place in zip(risks, places, strict=True)])


def _evidence(base: BaseFrames, accounts: Any, measures: Any, variance: mura.MuraResult, spikes: muri.MuriResult) -> pd.DataFrame:
    """What the health score is made of, in the order of `accounts`: `account_key` and `health.EVIDENCE`."""
    import pandas as pd

    columns: dict[str, Any] = {name: numbers(measures[name]) for name, kind in EVIDENCE.items() if kind == "double"}
    columns |= {name: accounts[name].tolist() for name in ("usage_status", "contract_status", "ticket_status")}
    columns |= {"adoption_status": variance.status, "spike_status": spikes.status}
    is_judged = accounts["hold_reason"].isna().to_numpy()
    columns |= {f"floor_{name}": applies & is_judged for name, applies in _floors(base, accounts, measures, scores.load_score_rules()).items()}
    return pd.DataFrame({"account_key": accounts["account_key"].to_numpy(), **{name: columns[name] for name in EVIDENCE}})


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
