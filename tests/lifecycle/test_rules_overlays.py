"""Phases 5, 6 and 7: rhythm, follow-up and record; what can be seen and heard; risks that are planned for and answered in time."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from later_facts import judged
from lifecycle_facts import AS_OF

AT_RISK: dict[str, Any] = {"serious_risks_open": 2, "serious_risk_rules": "MURA_DROP, SPONSOR_LOST"}
NEVER: dict[str, Any] = {"last_touchpoint_on": None, "last_touchpoint_key": None, "next_touchpoint_on": None}

CASES: list[tuple[str, dict[str, Any], str, str]] = [
    ("p5_touchpoints", {}, "met", "last met on 2026-06-01; enterprise customers are met every 50 days. The next is planned for 2026-07-06."),
    ("p5_touchpoints", {"last_touchpoint_on": AS_OF - timedelta(days=51)}, "unmet", "last met on 2026-05-08"),
    ("p5_touchpoints", {"last_touchpoint_on": AS_OF - timedelta(days=51), "account_segment": "strategic"}, "met", "every 90 days"),
    ("p5_touchpoints", NEVER, "unmet", "was never met"),
    ("p5_touchpoints", NEVER | {"cycle_started_on": date(2026, 6, 1)}, "met", "the first meeting is due by 2026-07-21"),
    ("p5_touchpoints", NEVER | {"lines_active": 0}, "met", "No contract runs"),
    ("p5_touchpoints", {"is_touchpoint_fed": False}, "unknown", "No source records meetings with customers"),
    ("p5_follow_up", {}, "met", "2 of 3 meetings have a follow-up; 3 of 4 follow-ups were done in time."),
    ("p5_follow_up", {"meetings_followed": 0}, "unmet", "0 of 3 meetings"),
    ("p5_follow_up", {"follow_ups_late": 2}, "unmet", "2 of 4 follow-ups were done in time"),
    ("p5_follow_up", {"meetings_recent": 0, "meetings_followed": 0, "follow_ups_due": 0, "follow_ups_late": 0}, "met", "No meeting of late"),
    ("p5_follow_up", {"is_follow_up_fed": False}, "unknown", "No source records follow-ups"),
    ("p5_internal_alignment", {}, "met", "held on 2026-05-04"),
    ("p5_internal_alignment", {"last_internal_on": AS_OF - timedelta(days=181)}, "unmet", "held on 2025-12-29"),
    ("p5_internal_alignment", {"last_internal_on": None}, "unmet", "No internal meeting"),
    ("p5_internal_alignment", {"last_internal_on": None, "lines_active": 0}, "met", "nothing to align on"),
    ("p5_internal_alignment", {"is_internal_meeting_fed": False}, "unknown", "No source records internal meetings"),
    ("p5_meeting_efficacy", {}, "met", "2 of 3 meetings have notes and a follow-up (3 have notes)"),
    ("p5_meeting_efficacy", {"meetings_effective": 0}, "unmet", "0 of 3 meetings"),
    ("p5_meeting_efficacy", {"meetings_recent": 0}, "met", "No meeting of late"),
    ("p5_meeting_efficacy", {"is_follow_up_fed": False}, "unknown", "no source records what followed"),
    ("p5_meeting_efficacy", {"is_follow_up_fed": False, "meetings_noted": 0}, "unmet", "0 of 3 meetings have notes."),
    ("p5_meeting_efficacy", {"is_meeting_note_fed": False}, "unknown", "No source records notes"),
    ("p5_crm_hygiene", {}, "met", "13 of 14 required fields are filled (92.8 %). Missing: tier."),
    ("p5_crm_hygiene", {"crm_fields_filled": 12, "crm_fields_missing": "notice period, tier"}, "unmet", "Missing: notice period, tier."),
    ("p5_crm_hygiene", {"crm_fields_expected": None}, "unknown", "No required field"),
    ("p6_leading_indicators", {}, "met", "3 of 3 feeds are fresh (100 %)."),
    ("p6_leading_indicators", {"usage_status": "insufficient"}, "met", "3 of 3"),
    ("p6_leading_indicators", {"usage_status": "stale", "ticket_status": "unknown"}, "unmet", "Not fresh: use stale, tickets unknown."),
    ("p6_leading_indicators", {"ticket_status": "unknown", "is_ticket_fed": False}, "met", "2 of 2"),
    ("p6_leading_indicators", {"is_usage_fed": False, "is_contract_fed": False, "is_ticket_fed": False}, "unknown", "No source records use"),
    ("p6_ux_analytics", {}, "met", "5 of 6 value features were used in 28 days; 1 never."),
    ("p6_ux_analytics", {"features_used": 2}, "unmet", "2 of 6"),
    ("p6_ux_analytics", {"features_seen": None}, "unknown", "cannot be seen"),
    ("p6_health_calibration", {}, "met", "AUC 0.780"),
    ("p6_health_calibration", {"calibration_verdict": "No skill shown: AUC 0.550 (0.450 to 0.650) does not exclude chance"}, "unmet", "No skill shown"),
    ("p6_health_calibration", {"calibration_verdict": "No verdict: the outcomes are all the same, or too few to tell"}, "unknown", "No verdict"),
    ("p6_health_calibration", {"calibration_card_on": AS_OF - timedelta(days=401)}, "unmet", "401 days old"),
    ("p6_health_calibration", {"calibration_card_on": None}, "unknown", "never compared"),
    ("p6_voice_of_customer", {}, "met", "Sentiment +0.40 from 5 voices, the last on 2026-05-20"),
    ("p6_voice_of_customer", {"sentiment_score": -0.26}, "unmet", "Sentiment -0.26"),
    ("p6_voice_of_customer", {"sentiment_last_on": AS_OF - timedelta(days=181)}, "stale", "the last on 2025-12-29"),
    ("p6_voice_of_customer", {"sentiment_voices": 0, "sentiment_score": None}, "unknown", "said nothing in a year"),
    ("p6_voice_of_customer", {"is_voice_fed": False}, "unknown", "No source records what customers say"),
    ("p7_early_warning", {}, "met", "No serious risk is open."),
    ("p7_early_warning", AT_RISK, "unmet", "Serious risks open: MURA_DROP, SPONSOR_LOST."),
    ("p7_early_warning", {"is_risk_judged": False}, "unknown", "were not judged"),
    ("p7_playbooks", {}, "met", "no plan is called for"),
    ("p7_playbooks", AT_RISK, "unmet", "no approved plan and no open task with an owner"),
    ("p7_playbooks", AT_RISK | {"risk_tasks_owned": 1, "risk_task_key": "TSK-9"}, "unmet", "1 open tasks with an owner"),
    ("p7_playbooks", AT_RISK | {"risk_tasks_owned": 2, "risk_task_key": "TSK-9"}, "met", "2 open tasks with an owner"),
    ("p7_playbooks", AT_RISK | {"risk_plan_approved_on": date(2026, 6, 1)}, "met", "plan was approved on 2026-06-01"),
    ("p7_playbooks", AT_RISK | {"risk_plan_approved_on": AS_OF - timedelta(days=91)}, "unmet", "no approved plan"),
    ("p7_playbooks", {"is_risk_judged": None}, "unknown", "were not judged"),
    ("p7_escalation", {}, "met", "2 of 2 escalated tickets are answered, half of them within 3.5 hours."),
    ("p7_escalation", {"escalation_ack_median_hours": 24.5}, "unmet", "within 24.5 hours"),
    ("p7_escalation", {"escalations_acknowledged": 1, "escalation_open_worst_hours": 30.0, "escalation_waiting_key": "TIC-2"}, "unmet", "one waits for 30.0 hours"),
    ("p7_escalation", {"escalations_acknowledged": 1, "escalation_open_worst_hours": 2.0, "escalation_waiting_key": "TIC-2"}, "met", "one waits for 2.0 hours"),
    ("p7_escalation", {"escalations_recent": 0}, "met", "No ticket was escalated"),
    ("p7_escalation", {"is_acknowledgement_fed": False}, "unknown", "no source records when they were first answered"),
    ("p7_escalation", {"is_ticket_fed": False}, "unknown", "No source records tickets"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "changes", "status", "words"), CASES)
def test_the_overlays_are_judged_by_what_is_on_record(name: str, changes: dict[str, Any], status: str, words: str) -> None:
    finding = judged(name, **changes)
    assert (finding.status, words in finding.evidence) == (status, True), finding.evidence


def test_open_risks_are_named_as_rows() -> None:
    assert judged("p7_early_warning", **AT_RISK).rows == (("risk", "ACC-1:MURA_DROP"), ("risk", "ACC-1:SPONSOR_LOST"))


def test_the_card_that_is_read_is_the_one_on_the_own_portfolio() -> None:
    """The label is written by the backtest; a card on an activity history says nothing about the score of this portfolio."""
    from pathlib import Path

    from vim_pipelines.evaluation import backtest_portfolio
    from vim_pipelines.lifecycle.evidence import PORTFOLIO_LABEL

    assert f'label="{PORTFOLIO_LABEL}' in Path(str(backtest_portfolio.__file__)).read_text()
