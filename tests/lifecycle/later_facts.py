"""Evidence of an account for which everything that phases 5 to 11 ask for stands, for the tests of their rules."""

from __future__ import annotations

from datetime import date
from typing import Any

from lifecycle_facts import AS_OF, COMPLETE

from vim_pipelines.lifecycle.phases import load_map
from vim_pipelines.lifecycle.requirements import Finding, judge_account

#: Columns of the four evidence models and what the night adds to them; no notice is open.
LATER: dict[str, Any] = {
    "account_segment": "enterprise",
    "success_agreement_entity": "document", "success_agreement_key": "DOC-2", "success_agreement_on": date(2024, 12, 4),
    "campaign_key": "CAM-1", "campaign_started_on": date(2026, 3, 2), "campaign_users_targeted": 40, "campaign_users_responded": 18,
    "ttv_days": 66, "ttv_is_reached": True,
    "outcome_key": "MS-1", "outcome_metric_name": "days_to_close", "outcome_baseline": 12.0, "outcome_target": 6.0, "outcome_measured": 6.5,
    "outcome_measured_on": date(2026, 4, 1), "outcomes_measured": 1,
    "ebr_entity": "ebr", "ebr_key": "EBR-1", "ebr_held_on": date(2026, 2, 10), "ebr_sponsor_attended": True, "ebr_planned_on": date(2026, 8, 11),
    "value_story_key": "DOC-3", "value_story_on": date(2026, 4, 20), "maturity_key": "MS-9", "maturity_level": 3.0, "maturity_measured_on": date(2026, 2, 10),
    "next_renewal_on": date(2026, 12, 31), "next_opt_out_on": date(2026, 11, 1), "renewal_won_key": "OPP-2", "renewal_won_on": date(2026, 6, 1),
    "renewal_is_in_time": True, "renewal_term_end_on": date(2026, 12, 31), "renewal_is_before_opt_out": True, "renewal_open_key": None,
    "renewal_open_amount": None, "renewal_open_close_on": None, "expansion_case_key": "DOC-4", "expansion_case_on": date(2026, 5, 5), "expansions_open": 1,
    "expansions_overdue": 0, "expansion_open_key": "OPP-3", "expansion_overdue_key": None, "expansion_won_key": None, "expansion_won_on": None,
    "decision_makers_known": 3, "decision_maker_key": "CON-1", "decision_maker_contacts": "2026-06-20, 2026-05-30",
    "reference_consent_key": "REF-1", "reference_consent_on": date(2026, 1, 15), "reference_consent_expires_on": date(2027, 1, 14),
    "reference_consent_lacking": None, "advisory_board_key": "REF-2", "advisory_board_on": date(2026, 2, 1), "public_review_key": "REF-3",
    "public_review_on": date(2026, 2, 2), "product_council_key": "REF-4", "product_council_on": date(2026, 2, 3),
    "lost_on": None, "save_play_entity": None, "save_play_key": None, "save_play_on": None, "post_mortem_key": None, "post_mortem_on": None,
    "post_mortem_is_empty": None, "post_mortem_names_team": None, "win_back_campaign_key": None, "win_back_campaign_on": None, "used_after_loss_on": None,
    "last_touchpoint_on": date(2026, 6, 1), "last_touchpoint_key": "MTG-9", "next_touchpoint_on": date(2026, 7, 6), "last_internal_on": date(2026, 5, 4),
    "last_internal_key": "MTG-7", "meetings_recent": 3, "meetings_noted": 3, "meetings_followed": 2, "meetings_effective": 2,
    "meeting_unfollowed_key": "MTG-8", "follow_ups_due": 4, "follow_ups_late": 1, "follow_up_open_key": "TSK-4", "risk_tasks_owned": 0, "risk_task_key": None,
    "crm_fields_expected": 14, "crm_fields_filled": 13, "crm_fields_missing": "tier", "features_seen": 6, "features_used": 5, "features_never_used": 1,
    "ticket_status": "ok", "sentiment_score": 0.4, "sentiment_voices": 5, "sentiment_survey_voices": 3, "sentiment_last_on": date(2026, 5, 20),
    "escalations_recent": 2, "escalations_acknowledged": 2, "escalation_ack_median_hours": 3.5, "escalation_open_worst_hours": None,
    "escalation_waiting_key": None, "escalation_key": "TIC-1",
} | {
    f"is_{kind}_fed": True
    for kind in (
        "success_agreement", "campaign", "outcome", "maturity", "ebr", "value_story", "renewal", "expansion", "expansion_case", "decision_maker",
        "last_contact", "reference_consent", "advisory_board", "public_review", "product_council", "save_play", "post_mortem", "touchpoint",
        "internal_meeting", "meeting_note", "follow_up", "voice", "acknowledgement", "ticket", "usage", "contract",
    )
}  # fmt: skip

#: What is not a column of a model: read from what other steps of the night wrote.
NIGHT: dict[str, Any] = {
    "is_risk_judged": True, "serious_risks_open": 0, "serious_risk_rules": None, "risk_plan_approved_on": None, "calibration_card_key": "CARD-1",
    "calibration_card_on": date(2026, 1, 31), "calibration_verdict": "AUC 0.780 (0.700 to 0.850)",
}  # fmt: skip

ALL = COMPLETE | LATER | NIGHT
MAP = load_map()


def later(**changes: Any) -> dict[str, Any]:
    """The account with some facts changed."""
    unknown = set(changes) - set(ALL)
    assert not unknown, f"no such evidence: {unknown}"
    return ALL | changes


def judged(requirement_id: str, as_of: date = AS_OF, **changes: Any) -> Finding:
    """What the map says of one requirement of that account."""
    findings = judge_account(MAP, later(**changes), [], as_of)
    return next(finding for finding in findings if finding.requirement.requirement_id == requirement_id)
