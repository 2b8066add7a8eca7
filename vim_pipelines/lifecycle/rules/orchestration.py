"""Phase 5, Orchestration: is the account spoken to, followed up, agreed on inside, and kept well in the CRM?

Shares are judged only where there is something to judge: an account without a meeting in the window has nothing to follow up.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from vim_pipelines.lifecycle.rules.proof import Facts, Proof, Rule, Status, by_segment, count, not_fed, percent, row_of


def _touchpoints_kept(facts: Facts, values: Mapping[str, Any], as_of: date, _waived: frozenset[str]) -> Proof:
    if not facts.get("is_touchpoint_fed"):
        return not_fed("meetings with customers")
    if not count(facts, "lines_active"):
        return Proof("met", "No contract runs; no rhythm is called for.")
    every, last, ahead = by_segment(facts, values["every_days"]), facts.get("last_touchpoint_on"), facts.get("next_touchpoint_on")
    following = f" The next is planned for {ahead.isoformat()}." if ahead else " None is planned."
    rhythm = f"; {facts.get('account_segment') or 'this'} customers are met every {every} days"
    if last is not None:
        status: Status = "met" if last >= as_of - timedelta(days=every) else "unmet"
        return Proof(status, f"The customer was last met on {last.isoformat()}{rhythm}.{following}", row_of("meeting", facts.get("last_touchpoint_key")), last)
    began = facts.get("cycle_started_on")
    if began is not None and began + timedelta(days=every) >= as_of:
        return Proof("met", f"The customer is new; the first meeting is due by {(began + timedelta(days=every)).isoformat()}.{following}")
    return Proof("unmet", f"The customer was never met{rhythm}.{following}")


def _meetings_followed_up(facts: Facts, values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
    if not facts.get("is_follow_up_fed"):
        return not_fed("follow-ups of meetings")
    held, followed, due, late = (count(facts, name) for name in ("meetings_recent", "meetings_followed", "follow_ups_due", "follow_ups_late"))
    if not held and not due:
        return Proof("met", "No meeting of late to follow up.")
    words = []
    if held:
        words.append(f"{followed} of {held} meetings have a follow-up")
    if due:
        words.append(f"{due - late} of {due} follow-ups were done in time")
    is_kept = followed >= held * values["share_followed"] and due - late >= due * values["share_in_time"]
    rows = row_of("task", facts.get("follow_up_open_key")) + row_of("meeting", facts.get("meeting_unfollowed_key"))
    return Proof("met" if is_kept else "unmet", f"{'; '.join(words)}."[:1].upper() + f"{'; '.join(words)}."[1:], rows)


def _aligned_inside(facts: Facts, values: Mapping[str, Any], as_of: date, _waived: frozenset[str]) -> Proof:
    if not facts.get("is_internal_meeting_fed"):
        return not_fed("internal meetings")
    if not count(facts, "lines_active"):
        return Proof("met", "No contract runs; there is nothing to align on.")
    last, days = facts.get("last_internal_on"), int(values["within_days"])
    if last is None:
        return Proof("unmet", "No internal meeting about the account was held.")
    status: Status = "met" if last >= as_of - timedelta(days=days) else "unmet"
    return Proof(
        status, f"The last internal meeting about the account was held on {last.isoformat()}.", row_of("meeting", facts.get("last_internal_key")), last
    )


def _meetings_effective(facts: Facts, values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
    if not facts.get("is_meeting_note_fed"):
        return not_fed("notes of meetings")
    held, noted = count(facts, "meetings_recent"), count(facts, "meetings_noted")
    if not held:
        return Proof("met", "No meeting of late to look at.")
    if not facts.get("is_follow_up_fed"):
        if noted < held * values["share"]:
            return Proof("unmet", f"{noted} of {held} meetings have notes.")
        return Proof("unknown", f"{noted} of {held} meetings have notes; no source records what followed from them.")
    effective = count(facts, "meetings_effective")
    status: Status = "met" if effective >= held * values["share"] else "unmet"
    return Proof(status, f"{effective} of {held} meetings have notes and a follow-up ({noted} have notes).")


def _crm_kept(facts: Facts, values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
    expected = count(facts, "crm_fields_expected")
    if not expected:
        return Proof("unknown", "No required field is kept for this account.")
    filled, missing = count(facts, "crm_fields_filled"), facts.get("crm_fields_missing")
    status: Status = "met" if filled >= expected * values["share"] else "unmet"
    lacking = f" Missing: {missing}." if missing else ""
    return Proof(
        status, f"{filled} of {expected} required fields are filled ({percent(filled / expected)}).{lacking}", row_of("account", facts.get("account_key"))
    )


RULES: dict[str, Rule] = {
    "touchpoints_kept": Rule(_touchpoints_kept, frozenset({"every_days"})),
    "meetings_followed_up": Rule(_meetings_followed_up, frozenset({"share_followed", "share_in_time"})),
    "aligned_inside": Rule(_aligned_inside, frozenset({"within_days"})),
    "meetings_effective": Rule(_meetings_effective, frozenset({"share"})),
    "crm_kept": Rule(_crm_kept, frozenset({"share"})),
}
