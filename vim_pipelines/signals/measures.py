"""One row per account with every measure that a risk rule may name, unknown where it was not measured.

Rules see this frame and nothing else: what is not here cannot accuse anybody, and a test holds its columns equal to `risks.MEASURES`.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from vim_pipelines.signals.frames import aligned, numbers
from vim_pipelines.signals.risks import MEASURES

if TYPE_CHECKING:
    import pandas as pd

    from vim_pipelines.signals.base_frames import BaseFrames
    from vim_pipelines.signals.mura import MuraResult
    from vim_pipelines.signals.muri import MuriResult
    from vim_pipelines.signals.vectors import Vector

#: Breaches that a service level of 90 % allows: the null of the test behind MURI_SLA.
ALLOWED_BREACH_RATE = 0.10
ONBOARDING_DAYS = 180
RENEWING_DAYS = 120
#: Fewest accounts of a stage among which a fall is ranked; below it the whole book.
MIN_STAGE_ACCOUNTS = 20


def measure_frame(base: BaseFrames, accounts: Any, variance: MuraResult, spikes: MuriResult, load: Any, rhythm: Any, as_of: date) -> pd.DataFrame:
    """Columns `account_key` and `MEASURES`, in the order of `accounts`; NaN, NaT or None where it is not known."""
    import numpy as np
    import pandas as pd

    from vim_pipelines.signals.vectors import ratio

    keys = accounts["account_key"]
    evidence, features, handoff = aligned(base.evidence, keys), aligned(base.features, keys), aligned(base.handoff, keys)
    concentration, contacts, service = aligned(base.concentration, keys), aligned(base.contacts, keys), aligned(base.service_level, keys)
    renewals, talks, stakes = aligned(base.renewals, keys), aligned(base.talks, keys), aligned(base.stakes, keys)
    is_seen = accounts["usage_status"].isin(["ok", "insufficient"]).to_numpy()
    entitled = np.where(is_seen, numbers(features["entitled_features"]), np.nan)
    used = np.where(np.isfinite(entitled), numbers(features["used_features"]), np.nan)
    due, reached = pd.to_datetime(evidence["fttv_due_on"]), pd.to_datetime(evidence["fttv_reached_on"])
    late = (pd.Timestamp(as_of) - due).dt.days.where(reached.isna())
    whole = numbers(evidence["notice_is_open"]) > 0
    line_notice = pd.to_datetime(accounts["notice_served_on"])
    notice_on = pd.to_datetime(evidence["notice_on"]).where(whole, line_notice)
    stale = {
        name: (accounts[column] == "stale").to_numpy()
        for name, column in (("usage", "usage_status"), ("tickets", "ticket_status"), ("contracts", "contract_status"))
    }
    level = np.array([entry or "" for entry in spikes.level], dtype=object)
    judged = np.isfinite(spikes.p_value)
    seats, shelfware = numbers(accounts["seats_contracted"]), numbers(accounts["shelfware_seats"])
    fall = np.fmin(variance.drop_ratio, variance.decline_ratio)
    stages = lifecycle_stages(numbers(accounts["contract_age_days"]), numbers(accounts["days_to_renewal"]))
    sla_tickets, sla_breached = numbers(service["sla_tickets"]), numbers(service["sla_breached"])
    last_talk = pd.to_datetime(talks["last_talk_on"])
    silent_since = last_talk.fillna(pd.to_datetime(talks["first_contract_start"]))
    columns: dict[str, Any] = {
        name: getattr(variance, name)
        for name in (
            "n_weeks", "cv", "cv_robust", "dispersion_index", "dispersion_p", "rho", "recent_median", "prior_median", "drop_ratio", "drop_p",
            "decline_ratio", "decline_p", "gap_days", "gap_p", "is_spiky", "is_gapped", "is_dropping",
        )
    }  # fmt: skip
    columns |= {name: getattr(spikes, name) for name in ("tickets_4w", "baseline_sum", "phi", "growth")}
    columns |= {
        "seats_contracted": seats, "active_users_28d": numbers(accounts["active_users_28d"]), "utilization_28d": numbers(accounts["utilization_28d"]),
        "shelfware_seats": shelfware, "shelfware_share": ratio(shelfware, seats), "contract_age_days": numbers(accounts["contract_age_days"]),
        "days_to_opt_out": numbers(accounts["days_to_opt_out"]), "days_to_renewal": numbers(accounts["days_to_renewal"]),
        "used_features": used, "entitled_features": entitled, "feature_breadth": ratio(used, entitled),
        "last_activity_date": pd.to_datetime(accounts["last_activity_date"]).to_numpy(), "median_gap_days": numbers(rhythm["median_gap_days"]),
        "fall": fall, "fall_p": either_p(variance.drop_p, variance.decline_p), "fall_rank": rank_within(fall, stages), "lifecycle_stage": stages,
        "spike_p_value": spikes.p_value, "spike_ratio": ratio(spikes.tickets_4w * 6.0, spikes.baseline_sum),
        "spike_is_alert": np.where(judged, level == "alert", np.nan), "spike_is_watch": np.where(judged, level == "watch", np.nan),
        "tickets_90d": numbers(load["tickets_90d"]), "tickets_open": numbers(load["tickets_open"]), "weighted_load": numbers(load["weighted_load"]),
        "open_p1": numbers(load["open_p1"]), "oldest_open_p1_days": numbers(load["oldest_open_p1_days"]),
        "sla_tickets_90d": sla_tickets, "sla_breached_90d": sla_breached, "sla_breach_rate": ratio(sla_breached, sla_tickets),
        "sla_p": binomial_tail(sla_breached, sla_tickets, ALLOWED_BREACH_RATE),
        "top_user_share": np.where(is_seen, ratio(numbers(concentration["top_actions"]), numbers(concentration["value_actions"])), np.nan),
        "value_actions_28d": np.where(is_seen, numbers(concentration["value_actions"]), np.nan), "contacts_active": numbers(contacts["contacts_active"]),
        "renewals_open": numbers(renewals["renewals_open"]), "renewals_signed": numbers(renewals["renewals_signed"]),
        "days_since_talk": numbers((pd.Timestamp(as_of) - silent_since).dt.days), "last_talk_on": last_talk.to_numpy(),
        "talks_ahead": numbers(talks["talks_ahead"]), "stake_annual": numbers(stakes["stake_annual"]),
        "sponsors_active": numbers(evidence["sponsors_active"]), "sponsors_left": numbers(evidence["sponsors_left"]),
        "sponsor_left_on": pd.to_datetime(evidence["sponsor_left_on"]).to_numpy(), "fttv_days_late": numbers(late), "fttv_due_on": due.to_numpy(),
        "handoff_fields_missing": numbers(handoff["handoff_fields_missing"]), "handoff_fields_expected": numbers(handoff["handoff_fields_expected"]),
        "handoff_missing_fields": handoff["handoff_missing_fields"].to_numpy(),
        "notice_is_open": (whole | line_notice.notna().to_numpy()).astype(float), "notice_is_whole": whole.astype(float), "notice_on": notice_on.to_numpy(),
        "stale_feeds": np.sum(list(stale.values()), axis=0).astype(float),
        "stale_feed_names": [" and ".join(name for name, flags in stale.items() if flags[row]) or None for row in range(len(keys))],
    }  # fmt: skip
    return pd.DataFrame({"account_key": keys.to_numpy(), **{name: columns[name] for name in MEASURES}})


def lifecycle_stages(contract_age_days: Vector, days_to_renewal: Vector) -> list[str | None]:
    """onboarding (first 180 days), renewing (120 days before the renewal), established; None where the age is unknown.

    From the contract and not from the lifecycle's phase: tonight's phase is folded after the signals, and last night's would make a
    severity depend on the order in which days are run.
    """
    import numpy as np

    age, ahead = np.asarray(contract_age_days, dtype=float), np.asarray(days_to_renewal, dtype=float)
    stage = np.select([np.isnan(age), age < ONBOARDING_DAYS, (ahead >= 0) & (ahead <= RENEWING_DAYS)], ["", "onboarding", "renewing"], default="established")
    return [str(name) or None for name in stage.tolist()]


def rank_within(fall: Vector, stages: list[str | None]) -> Vector:
    """Share of the accounts of the same stage whose use fell at least as far; NaN where the fall is unknown. Small = among the worst."""
    import numpy as np

    from vim_pipelines.signals.vectors import group_indices

    def ranks(members: Any) -> Any:
        ordered = np.sort(fall[members])
        return np.searchsorted(ordered, fall[members], side="right") / len(ordered)

    result = np.full(len(fall), np.nan)
    known = np.isfinite(fall)
    book = np.flatnonzero(known)
    if len(book):
        result[book] = ranks(book)
    for members in group_indices(stages).values():
        measured = members[known[members]]
        if len(measured) >= MIN_STAGE_ACCOUNTS:
            result[measured] = ranks(measured)
    return result


def either_p(first: Vector, second: Vector) -> Vector:
    """p-value of "one of the two tests rang": twice the smaller one (Bonferroni), the only one where the other was not made."""
    import numpy as np

    one, other = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    tests = np.isfinite(one).astype(float) + np.isfinite(other)
    smallest: Vector = np.fmin(one, other)
    doubled: Vector = np.minimum(smallest * tests, 1.0)
    return doubled


def binomial_tail(successes: Vector, trials: Vector, share: float) -> Vector:
    """P(X >= successes) of a binomial with `share`; NaN where either side is unknown or nothing was tried."""
    import numpy as np
    from scipy.stats import binom

    x, n = np.asarray(successes, dtype=float), np.asarray(trials, dtype=float)
    known = np.isfinite(x) & np.isfinite(n) & (n > 0)
    result = np.full(len(x), np.nan)
    result[known] = binom.sf(x[known] - 1.0, n[known], share)
    return result
