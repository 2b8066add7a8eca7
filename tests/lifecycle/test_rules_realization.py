"""Phases 3, 4 and 8: what the customer agreed to, campaigns, and value that was measured, reviewed, told and placed."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from later_facts import MAP, judged, later
from lifecycle_facts import AS_OF

from vim_pipelines.lifecycle.requirements import judge_account

FEW = {"campaign_started_on": None, "campaign_key": None, "utilization_28d": 0.4}

CASES: list[tuple[str, dict[str, Any], str, str]] = [
    ("p3_success_agreement", {}, "met", "agreed to the success plan by 2024-12-04"),
    ("p3_success_agreement", {"success_agreement_key": None}, "unmet", "agreement to the success plan is not recorded"),
    ("p3_success_agreement", {"success_plan_key": None}, "unmet", "no success plan to agree to"),
    ("p3_success_agreement", {"is_success_agreement_fed": False, "success_agreement_key": None}, "unknown", "no source records that a customer agreed"),
    ("p3_success_agreement", {"is_success_plan_fed": False}, "unknown", "No source records success plans"),
    ("p4_campaigns", {}, "met", "18 of 40 users responded"),
    ("p4_campaigns", FEW, "unmet", "40 % of the seats are in use and no campaign was run"),
    ("p4_campaigns", {"campaign_started_on": date(2025, 1, 1), "utilization_28d": 0.4}, "unmet", "the last campaign began on 2025-01-01"),
    ("p4_campaigns", FEW | {"utilization_28d": 0.8}, "met", "no campaign is called for"),
    ("p4_campaigns", FEW | {"usage_status": "stale", "utilization_28d": None}, "unknown", "cannot be seen"),
    ("p4_campaigns", {"is_campaign_fed": False}, "unknown", "No source records campaigns"),
    ("p4_pivot", {"fttv_reached_on": None, "ttv_days": 600}, "unmet", "is not reached after 600 days"),
    ("p8_value_quantified", {}, "met", "days_to_close went from 12 to 6.5, target 6; measured on 2026-04-01"),
    ("p8_value_quantified", {"outcome_measured_on": None}, "met", "from 12 to 6.5, target 6."),
    ("p8_value_quantified", {"outcomes_measured": 0}, "unmet", "days_to_close has a baseline and no measurement"),
    ("p8_value_quantified", {"outcomes_measured": 0, "pain_milestone_key": None}, "unmet", "No outcome was measured"),
    ("p8_value_quantified", {"outcome_measured_on": AS_OF - timedelta(days=1461)}, "stale", "measured on 2022-06-28"),
    ("p8_value_quantified", {"is_outcome_fed": False}, "unknown", "No source records measured outcomes"),
    ("p8_ebr", {}, "met", "held on 2026-02-10 with the sponsor. The next is planned for 2026-08-11."),
    ("p8_ebr", {"ebr_planned_on": None, "ebr_sponsor_attended": False}, "met", "without the sponsor. The next is due on 2026-08-11."),
    ("p8_ebr", {"ebr_planned_on": None, "account_segment": "smb", "ebr_sponsor_attended": None}, "met", "2026-02-10. The next is due on 2027-02-10."),
    ("p8_ebr", {"ebr_held_on": None}, "unmet", "No executive business review was held. The next is planned for 2026-08-11."),
    ("p8_ebr", {"ebr_held_on": None, "ebr_planned_on": None}, "unmet", "due on 2025-05-06. It is overdue."),
    ("p8_ebr", {"ebr_held_on": None, "ebr_planned_on": None, "cycle_started_on": date(2026, 5, 1)}, "unmet", "due on 2026-10-30."),
    ("p8_ebr", {"ebr_held_on": AS_OF - timedelta(days=401)}, "stale", "held on 2025-05-23"),
    ("p8_ebr", {"is_ebr_fed": False}, "unknown", "No source records business reviews"),
    ("p8_storytelling", {}, "met", "is written"),
    ("p8_storytelling", {"value_story_key": None}, "unmet", "no story of the value"),
    ("p8_storytelling", {"is_value_story_fed": False}, "unknown", "No source records value stories"),
    ("p8_maturity", {}, "met", "Level 3 of 5"),
    ("p8_maturity", {"maturity_level": 7.0}, "unmet", "Level 7 is none of the maturity map"),
    ("p8_maturity", {"maturity_key": None}, "unmet", "no place on the maturity map"),
    ("p8_maturity", {"is_maturity_fed": False}, "unknown", "No source records levels of maturity"),
]


@pytest.mark.parametrize(("name", "changes", "status", "words"), CASES)
def test_value_is_judged_by_what_is_on_record(name: str, changes: dict[str, Any], status: str, words: str) -> None:
    finding = judged(name, **changes)
    assert (finding.status, words in finding.evidence) == (status, True), finding.evidence


def test_what_is_met_names_the_rows_that_prove_it() -> None:
    assert judged("p8_value_quantified").rows == (("milestone", "MS-1"),)
    assert judged("p8_ebr", ebr_entity="meeting", ebr_key="MTG-E1").rows == (("meeting", "MTG-E1"),)
    assert judged("p3_success_agreement").rows == (("document", "DOC-2"),), "plan and agreement are one row here, told once"
    assert judged("p3_success_agreement", success_agreement_entity="task", success_agreement_key="TSK-1").rows == (("document", "DOC-2"), ("task", "TSK-1"))


def test_the_exit_facts_of_the_later_phases_are_mandatory_and_proven() -> None:
    """DESIGN section 4: 8 by an outcome and a review, 9 by the renewal, 10 by consent, 11 by the win-back."""
    rules = {number: [requirement.rule for requirement in MAP.phases[number].mandatory] for number in (8, 9, 10, 11)}
    assert rules == {8: ["outcome_measured", "review_held"], 9: ["renewal_won"], 10: ["reference_consented"], 11: ["won_back"]}
    assert [requirement.requirement_id for requirement in MAP.requirements if requirement.rule == "manual"] == []


def test_an_account_for_which_everything_stands_meets_everything_but_the_win_back() -> None:
    unmet = [f"{row.requirement.requirement_id}: {row.evidence}" for row in judge_account(MAP, later(), [], AS_OF) if row.status != "met"]
    assert unmet == ["p11_win_back: No new contract has begun since the notice."]


def test_an_account_of_which_nothing_is_known_lacks_nothing_that_could_be_seen() -> None:
    """No feed, no verdict: only what is read off the account's own row may be missing."""
    nothing = dict.fromkeys(later()) | {"account_key": "ACC-1"}
    unmet = {row.requirement.requirement_id for row in judge_account(MAP, nothing, [], AS_OF) if row.status == "unmet"}
    assert unmet == {"p1_engagement_details", "p11_win_back"}
