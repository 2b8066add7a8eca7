"""Evidence of accounts that are easy to reason about, for the lifecycle's tests."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

AS_OF = date(2026, 6, 28)

#: An account of 600 days for which every requirement of phases 1 to 4 is met.
COMPLETE: dict[str, Any] = {
    "account_key": "ACC-1", "csm_name": "Cara", "owner_name": "Otto", "cycle_started_on": date(2024, 11, 5), "cycle_age_days": 600, "won_back_on": None,
    "notice_on": None, "notice_is_open": False, "lines_active": 1,
    "handoff_document_key": "DOC-1", "handoff_authored_on": date(2024, 11, 7), "handoff_fields_expected": 8, "handoff_fields_missing": 0,
    "handoff_missing_fields": None, "handoff_conflicting_fields": None, "handoff_invalid_fields": None, "handoff_stale_fields": None,
    "psp_verdict": "success_plan", "psp_document": "success_plan", "psp_reason": "no risk is seen, and pain and stakeholders are known", "psp_pain_key": "MS-1",
    "psp_pain_status": "complete", "psp_is_single_threaded": False, "psp_red_flags": None,
    "handoff_unverifiable_fields": None, "handoff_words": None, "handoff_rounds": 0, "handoff_is_escalated": False, "handoff_meeting_key": "MTG-1", "handoff_meeting_held_on": date(2024, 11, 10),
    "kickoff_meeting_key": "MTG-2", "kickoff_meeting_held_on": date(2024, 11, 25), "cadence_meetings_held": 9, "cadence_meetings_ahead": 1,
    "last_cadence_on": date(2026, 6, 1), "cadence_meeting_key": "MTG-9", "contacts_named": 4,
    "sponsors_named": 1, "sponsors_active": 1, "sponsors_left": 0, "sponsor_name": "Sam", "sponsor_key": "CON-1", "sponsor_left_on": None,
    "champions_named": 1, "champions_active": 1, "champions_left": 0, "champion_name": "Chris", "champion_key": "CON-2", "champion_left_on": None,
    "pain_milestone_key": "MS-1", "pain_metric_name": "days_to_close", "pain_metrics_named": 1, "fttv_milestones": 1, "fttv_milestone_key": "MS-2",
    "fttv_due_on": date(2025, 1, 20), "fttv_reached_on": date(2025, 1, 10), "red_flags_open": 0, "red_flags_unowned": 0, "red_flag_key": None,
    "success_plan_key": "DOC-2", "success_plan_authored_on": date(2024, 12, 1), "questionnaire_key": "SV-1", "questionnaire_on": date(2024, 11, 20),
    "users_trained": 30, "training_key": "TR-1", "last_trained_on": date(2025, 2, 1), "users_assigned": 90, "assignment_key": "LA-1",
    "first_assigned_on": date(2024, 11, 6), "weeks_seen": 13, "weeks_in_use": 13, "utilization_28d": 0.9, "active_users_28d": 90, "seats_contracted": 100,
    "gap_days": 1, "usage_status": "ok", "contract_status": "ok",
} | {
    f"is_{kind}_fed": True
    for kind in (
        "handoff_document", "success_plan", "handoff_meeting", "kickoff_meeting", "cadence_meeting", "contact", "contact_role", "pain_metric", "fttv", "red_flag",
        "questionnaire", "training_completion", "license_assignment",
    )
}  # fmt: skip


def facts(**changes: Any) -> dict[str, Any]:
    """The complete account with some facts changed."""
    unknown = set(changes) - set(COMPLETE)
    assert not unknown, f"no such evidence: {unknown}"
    return COMPLETE | changes


def override(number: int = 1, **values: Any) -> dict[str, Any]:
    """A row of lifecycle overrides of ACC-1, given two days before `AS_OF`."""
    return {
        "override_id": f"OVR-{number}", "account_key": "ACC-1", "requirement_id": None, "phase": None, "note": "agreed with the customer", "actor": "dora",
        "role": "director", "created_at": datetime(2026, 6, 26, 9), "expires_on": None,
    } | values  # fmt: skip
