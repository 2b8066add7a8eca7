"""The ground truth: what was planted where, and what a perfect observer would measure.

Stored apart from the sources; the pipeline never reads it, evaluations and tests do. Numbers here come from the events as they
happened (`usage`), before late arrivals and duplicates damaged their record (`noise`), and from no detector's code.
"""

from __future__ import annotations

import math
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from vim_pipelines.core.hashing import canonical_json
from vim_pipelines.sandbox.simulator.catalog import EVENT_DIRT
from vim_pipelines.sandbox.simulator.documents import Handoff
from vim_pipelines.sandbox.simulator.plan import Parameters, account_key
from vim_pipelines.sandbox.simulator.profile import Profile
from vim_pipelines.sandbox.simulator.usage import FEATURES, MICROSECONDS_PER_DAY, UsageBlock, microseconds, off_weeks

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("account_key", "truth", "from_date", "expected", "parameters", "mirrors_account_key", "mirrors_truth")
HEADROOM = Fraction(11, 10)


def account_truths(
    parameters: Parameters, profile: Profile, usage: UsageBlock, handoff: Handoff, dates: dict[str, date | None], tickets_28d: int
) -> list[dict[str, Any]]:
    """Rows of one account: one `adoption` row for each product in force, and its planted truth, twin or dirt."""
    adoption = [_adoption(parameters, profile, usage, item.product) for item in profile.adoption]
    rows = [_row(profile, "adoption", profile.since, item["shelfware_seats"], item) for item in adoption if item["seats"] > 0]
    core = adoption[0]
    if profile.role.kind == "headline":
        rows.append(_row(profile, "headline", profile.since, core["shelfware_seats"], core))
    elif profile.role.kind == "twin":
        row = _row(profile, "clean_twin", profile.since, core["shelfware_seats"], core)
        rows.append(row | {"mirrors_account_key": account_key(profile.role.mirrors or 0), "mirrors_truth": profile.role.truth})
    elif profile.truth is not None:
        expected, details = _details(parameters, profile, core, handoff, dates, tickets_28d)
        rows.append(_row(profile, profile.truth, profile.defect.start, expected, details))
    return rows


def event_dirt_rows(parameters: Parameters, counts: dict[str, int]) -> list[dict[str, Any]]:
    """Dirt that is spread over all telemetry: no account, the number of rows as `expected`."""
    start = parameters.window.start
    return [dict.fromkeys(COLUMNS) | {"truth": name, "from_date": start, "expected": float(counts.get(name, 0)), "parameters": "{}"} for name in EVENT_DIRT]


def truth_frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """The rows as a DataFrame with columns `COLUMNS`."""
    import pandas as pd

    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    frame["expected"] = frame["expected"].astype("float64")
    return frame


def right_size_gap(seats: int, weekly_active: np.ndarray) -> int:
    """Seats above 1.1 x the 95th percentile of weekly active people, exact: 1.1 x 50 is 55, not a hair more (which would round up to 56).

    The percentile interpolates linearly between order statistics (Hyndman and Fan's type 7).
    """
    ordered = sorted(int(value) for value in weekly_active)
    if not ordered:
        return seats
    place = Fraction(95, 100) * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    percentile = ordered[low] + (place - low) * (ordered[high] - ordered[low])
    return max(0, seats - math.ceil(HEADROOM * percentile))


def _adoption(parameters: Parameters, profile: Profile, usage: UsageBlock, product: str) -> dict[str, Any]:
    """Seats, weekly and four-weekly active people of a product at the end of the last complete week before today."""
    today = parameters.today
    monday = today - timedelta(days=today.weekday())
    seats = sum(line.seats for line in profile.active_lines(today - timedelta(days=1)) if line.product == product)
    of_product = np.array([row[0] == product for row in FEATURES])[usage.feature]
    first, last = microseconds(monday - timedelta(weeks=13)), microseconds(monday)
    inside = of_product & (usage.occurred >= first) & (usage.occurred < last)
    week = (usage.occurred[inside] - first) // (7 * MICROSECONDS_PER_DAY)
    pairs = np.unique(week * 10**10 + usage.user[inside])
    weekly = np.bincount(pairs // 10**10, minlength=13)
    since = microseconds(today - timedelta(days=28))
    active_28d = len(np.unique(usage.user[of_product & (usage.occurred >= since) & (usage.occurred < microseconds(today))]))
    used = sorted({FEATURES[n][1] for n in np.unique(usage.feature[inside & (usage.occurred >= since)]).tolist()})
    return {
        "product": product, "seats": seats, "weekly_active": weekly.tolist(), "active_28d": active_28d,
        "unused_now": max(0, seats - active_28d), "shelfware_seats": right_size_gap(seats, weekly), "used_features": used,
    }  # fmt: skip


def _details(
    parameters: Parameters, profile: Profile, core: dict[str, Any], handoff: Handoff, dates: dict[str, date | None], tickets_28d: int
) -> tuple[float | None, dict[str, Any]]:
    """(expected number, what was planted) of a planted truth or of dirt."""
    defect, window = profile.defect, parameters.window
    match profile.truth:
        case "shelfware":
            return core["shelfware_seats"], core
        case "unused_features":
            return len(core["used_features"]), {"used_features": {a.product: list(a.features) for a in profile.adoption}}
        case "spiky":
            weeks = [(window.start + timedelta(weeks=int(week))).isoformat() for week in off_weeks(profile, window)]
            return len(weeks), {"off_weeks": weeks, "off_level": round(defect.size, 4)}
        case "gapped":
            start, end = defect.start, defect.end
            days = int(np.busday_count(start, end))
            return days, {"gap_start": start, "gap_end": end, "business_days": days}
        case "dropping" | "silence":
            return round(defect.size - 1, 4), {"left_share": round(defect.size, 4)}
        case "ticket_overload":
            return tickets_28d, {"tickets_28d": tickets_28d, "ordinary_per_week": round(profile.tickets_per_week, 4)}
        case "sponsor_lost":
            return None, {"contact_key": f"CON-{profile.number}-2", "left_on": defect.start}
        case "late_first_value":
            return None, {"due_date": dates["fttv_due"]}
        case "incomplete_handoff":
            return len(handoff.missing), {"missing": list(handoff.missing)}
        case "notice_served":
            return None, {"notice_served_on": defect.start}
        case "win_back":
            return None, {"lost_on": defect.lost_on, "notice_served_on": defect.notice_on, "won_back_on": defect.start}
        case "dirty_conflicting_seats":
            stated = handoff.stated_seats
            contracted = {line.product: line.seats for line in profile.lines if line.product in stated and line.start == profile.since}
            return None, {"document": stated, "crm": contracted}
        case _:
            return None, {"contract_line_key": f"CL-{profile.number}-{len(profile.lines) - 1:02d}"}


def _row(profile: Profile, truth: str, start: Any, expected: float | int | Decimal | None, details: dict[str, Any]) -> dict[str, Any]:
    return dict.fromkeys(COLUMNS) | {
        "account_key": profile.key, "truth": truth, "from_date": start,
        "expected": None if expected is None else float(expected), "parameters": canonical_json(details),
    }  # fmt: skip
