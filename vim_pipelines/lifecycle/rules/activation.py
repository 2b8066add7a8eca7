"""Phase 4, Value Activation: do people use the product, and has the first value been reached?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from vim_pipelines.lifecycle.rules.proof import Facts, Proof, Rule, Status, count, not_fed, percent, row_of


def _users_trained(facts: Facts, values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
    if not facts.get("is_training_completion_fed"):
        return not_fed("training completions")
    trained, users = count(facts, "users_trained"), facts.get("active_users_28d")
    rows = row_of("training_completion", facts.get("training_key"))
    if users is None:
        return Proof("unknown", "The number of active users is not known.", rows)
    needed = -(-int(users) * int(round(float(values["share_of_active_users"]) * 100)) // 100)
    status: Status = "met" if trained >= max(needed, 1) else "unmet"
    return Proof(status, f"{trained} users trained, {max(needed, 1)} needed for {int(users)} active ones.", rows, facts.get("last_trained_on"))


def _no_usage_gap(facts: Facts, values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
    gap = facts.get("gap_days")
    if facts.get("usage_status") != "ok" or gap is None:
        return Proof("unknown", f"Use cannot be seen ({facts.get('usage_status') or 'unknown'}).")
    status: Status = "met" if gap < values["gap_days"] else "unmet"
    return Proof(status, f"Longest silence in 90 days: {int(gap)} business days.")


def _used_every_week(facts: Facts, values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
    seen, used = facts.get("weeks_seen"), facts.get("weeks_in_use")
    if facts.get("usage_status") not in ("ok", "insufficient") or seen is None or used is None or seen < values["min_weeks"]:
        return Proof("unknown", "Too few complete weeks of use are known.")
    status: Status = "met" if used >= seen * values["share_of_weeks"] else "unmet"
    return Proof(status, f"In use in {int(used)} of {int(seen)} complete weeks.")


def _campaign_run(facts: Facts, values: Mapping[str, Any], as_of: date, _waived: frozenset[str]) -> Proof:
    """A campaign for those who do not come; where enough of them come, none is called for."""
    if not facts.get("is_campaign_fed"):
        return not_fed("campaigns")
    started, days = facts.get("campaign_started_on"), int(values["started_within_days"])
    if started is not None and started >= as_of - timedelta(days=days):
        targeted, responded = facts.get("campaign_users_targeted"), facts.get("campaign_users_responded")
        answer = f"; {int(responded)} of {int(targeted)} users responded" if targeted and responded is not None else ""
        return Proof("met", f"A campaign began on {started.isoformat()}{answer}.", row_of("campaign", facts.get("campaign_key")), started)
    used = facts.get("utilization_28d")
    if facts.get("usage_status") != "ok" or used is None:
        return Proof("unknown", "Whether there are users who do not come cannot be seen.")
    if used >= values["share_in_use"]:
        return Proof("met", f"{percent(used)} of the seats are in use; no campaign is called for.")
    last = f"the last campaign began on {started.isoformat()}" if started else "no campaign was run"
    return Proof("unmet", f"{percent(used)} of the seats are in use and {last}.", row_of("campaign", facts.get("campaign_key")))


def _fttv_not_overdue(facts: Facts, _values: Mapping[str, Any], as_of: date, _waived: frozenset[str]) -> Proof:
    if not facts.get("is_fttv_fed"):
        return not_fed("first-value milestones")
    rows, due, reached = row_of("milestone", facts.get("fttv_milestone_key")), facts.get("fttv_due_on"), facts.get("fttv_reached_on")
    if reached is not None:
        return Proof("met", f"First value was reached on {reached.isoformat()}; no pivot is needed.", rows, reached)
    if due is None:
        return Proof("unknown", "First value has no date to be late against.", rows)
    if due >= as_of:
        return Proof("met", f"First value is due on {due.isoformat()}; no pivot is needed yet.", rows)
    so_far = f" after {int(facts['ttv_days'])} days" if facts.get("ttv_days") is not None else ""
    return Proof("unmet", f"First value was due on {due.isoformat()} and is not reached{so_far}.", rows)


def _fttv_reached(facts: Facts, _values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
    if not facts.get("is_fttv_fed"):
        return not_fed("first-value milestones")
    rows, reached = row_of("milestone", facts.get("fttv_milestone_key")), facts.get("fttv_reached_on")
    if reached is not None:
        return Proof("met", f"First value was reached on {reached.isoformat()}.", rows, reached)
    return Proof("unmet", "First value is not reached." if rows else "No first-value milestone is defined.", rows)


def _adoption_band(facts: Facts, values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
    share, age = facts.get("utilization_28d"), facts.get("cycle_age_days")
    if facts.get("usage_status") != "ok" or share is None or age is None:
        return Proof("unknown", f"The share of seats in use is not known (use: {facts.get('usage_status') or 'unknown'}).")
    bands = sorted((int(days), float(limit)) for days, limit in values["bands"].items())
    limit = next((limit for days, limit in reversed(bands) if age >= days), None)
    if limit is None:
        return Proof("unknown", f"The contract is {int(age)} days old; there is no band before day {bands[0][0]}.")
    status: Status = "met" if share > limit else "unmet"
    return Proof(status, f"{percent(share)} of the seats are in use; the band for a contract of {int(age)} days begins above {percent(limit)}.")


RULES: dict[str, Rule] = {
    "users_trained": Rule(_users_trained, frozenset({"share_of_active_users"})),
    "no_usage_gap": Rule(_no_usage_gap, frozenset({"gap_days"})),
    "used_every_week": Rule(_used_every_week, frozenset({"share_of_weeks", "min_weeks"})),
    "campaign_run": Rule(_campaign_run, frozenset({"started_within_days", "share_in_use"})),
    "fttv_not_overdue": Rule(_fttv_not_overdue),
    "fttv_reached": Rule(_fttv_reached),
    "adoption_band": Rule(_adoption_band, frozenset({"bands"})),
}
