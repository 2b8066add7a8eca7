"""How each requirement is judged: met, known to be missing, not knowable, waived by name, stale."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from typing import Any

import pytest
from lifecycle_facts import AS_OF, COMPLETE, facts, override

from vim_pipelines.lifecycle.phases import LifecycleMap, load_map
from vim_pipelines.lifecycle.requirements import Finding, judge_account
from vim_pipelines.lifecycle.rules import RULES

MAP = load_map()


def judged(account: dict[str, Any], *waivers: dict[str, Any], lifecycle: LifecycleMap = MAP, as_of: date = AS_OF) -> dict[str, Finding]:
    return {finding.requirement.requirement_id: finding for finding in judge_account(lifecycle, account, waivers, as_of)}


def test_a_complete_account_meets_everything_that_is_proven_by_rules() -> None:
    found = judged(facts())
    later = ("p3_success_agreement", "p4_campaigns")  # of other evidence: test_rules_realization.py, as phases 5 to 11 in test_rules_*.py
    statuses = {finding.status for name, finding in found.items() if finding.requirement.phase <= 4 and name not in later}
    assert statuses == {"met"}


UNMET = [
    ("p1_sales_docs", {"handoff_fields_missing": 2, "handoff_missing_fields": "risks, sponsor"}, "lacks risks, sponsor"),
    ("p1_sales_docs", {"handoff_fields_missing": 5, "handoff_missing_fields": "risks, sponsor", "handoff_document_key": None}, "no handoff document"),
    (
        "p1_sales_docs",
        {"handoff_conflicting_fields": "seats", "handoff_words": "seats: the CRM says 40, the handoff 53"},
        "differ on seats. (seats: the CRM says 40",
    ),
    ("p1_sales_docs", {"handoff_invalid_fields": "term"}, "contradicts itself on term"),
    (
        "p1_sales_docs",
        {"handoff_invalid_fields": "term", "handoff_rounds": 3, "handoff_is_escalated": True},
        "Asked 3 times without a full answer: the director",
    ),
    ("p1_engagement_details", {"csm_name": None}, "Not named: CSM"),
    ("p1_engagement_details", {"contacts_named": 0}, "a contact at the customer"),
    ("p1_handoff_meeting", {"handoff_meeting_held_on": None}, "No handoff meeting"),
    ("p1_technical_activation", {"users_assigned": 0}, "No licence"),
    ("p2_psp_diagnostic", {"pain_milestone_key": None}, "has no baseline"),
    ("p2_psp_diagnostic", {"pain_milestone_key": None, "pain_metrics_named": 0}, "No pain metric"),
    ("p2_champion_alignment", {"champions_active": 0, "champions_named": 0}, "No champion is named"),
    ("p2_champion_alignment", {"sponsors_active": 0, "sponsors_left": 1, "sponsor_left_on": date(2026, 6, 1)}, "The sponsor left on 2026-06-01"),
    ("p2_red_flags", {"red_flags_open": 2, "red_flags_unowned": 1, "red_flag_key": "TSK-1"}, "1 of 2 open red flags"),
    ("p2_success_plan", {"success_plan_key": None}, "no success plan"),
    ("p2_success_plan", {"success_plan_key": None, "psp_verdict": "risk_mitigation_plan", "psp_reason": "the sponsor left"}, "(the sponsor left): a Risk Mit"),
    ("p3_questionnaire", {"questionnaire_key": None}, "no answer"),
    ("p3_kickoff", {"kickoff_meeting_held_on": None}, "No kickoff"),
    ("p3_fttv_milestone", {"fttv_milestones": 0}, "No first-value milestone"),
    ("p3_fttv_milestone", {"fttv_due_on": None, "fttv_reached_on": None}, "has no date"),
    ("p3_cadence", {"cadence_meetings_ahead": 0, "last_cadence_on": date(2026, 1, 1)}, "the last was on 2026-01-01"),
    ("p4_onboarding", {"users_trained": 26}, "26 users trained, 27 needed for 90"),
    ("p4_usage_gaps", {"gap_days": 10}, "10 business days"),
    ("p4_workflow", {"weeks_in_use": 9}, "9 of 13"),
    ("p4_pivot", {"fttv_reached_on": None}, "was due on 2025-01-20"),
    ("p4_fttv", {"fttv_reached_on": None}, "not reached"),
    ("p4_adoption", {"utilization_28d": 0.75}, "75 % of the seats"),
    ("p4_adoption", {"utilization_28d": 0.7599, "cycle_age_days": 100, "active_users_28d": 76}, None),
    ("p11_win_back", {"notice_is_open": True}, "No new contract"),
]


@pytest.mark.parametrize(("name", "changes", "words"), UNMET)
def test_what_is_missing_is_unmet_and_said(name: str, changes: dict[str, Any], words: str | None) -> None:
    finding = judged(facts(**changes))[name]
    if words is None:  # above the band of a young contract
        assert finding.status == "met"
        return
    assert finding.status == "unmet"
    assert words in finding.evidence


UNKNOWN = [
    ("p1_sales_docs", "is_handoff_document_fed"), ("p1_handoff_meeting", "is_handoff_meeting_fed"), ("p1_technical_activation", "is_license_assignment_fed"),
    ("p2_psp_diagnostic", "is_pain_metric_fed"), ("p2_champion_alignment", "is_contact_role_fed"), ("p2_red_flags", "is_red_flag_fed"),
    ("p2_success_plan", "is_success_plan_fed"), ("p3_questionnaire", "is_questionnaire_fed"), ("p3_kickoff", "is_kickoff_meeting_fed"),
    ("p3_fttv_milestone", "is_fttv_fed"), ("p3_cadence", "is_cadence_meeting_fed"), ("p4_onboarding", "is_training_completion_fed"),
    ("p4_fttv", "is_fttv_fed"), ("p4_pivot", "is_fttv_fed"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "feed"), UNKNOWN)
def test_what_nobody_feeds_is_unknown_and_not_missing(name: str, feed: str) -> None:
    """A tenant without a survey tool was told that forty customers had refused to answer."""
    nothing = dict.fromkeys(COMPLETE) | {"account_key": "ACC-1", feed: False}
    assert judged(nothing)[name].status == "unknown"


@pytest.mark.parametrize("status", ["unknown", "stale", "insufficient", None])
def test_use_that_cannot_be_seen_is_unknown(status: str | None) -> None:
    found = judged(facts(usage_status=status, utilization_28d=None, gap_days=None, active_users_28d=None, weeks_seen=None, weeks_in_use=None))
    assert {found[name].status for name in ("p4_usage_gaps", "p4_workflow", "p4_adoption", "p4_onboarding")} == {"unknown"}


@pytest.mark.parametrize(
    ("age", "share", "status"), [(59, 1.0, "unknown"), (60, 0.51, "met"), (60, 0.50, "unmet"), (180, 0.76, "met"), (179, 0.6, "met"), (180, 0.6, "unmet")]
)
def test_the_adoption_band_follows_the_age_of_the_contract(age: int, share: float, status: str) -> None:
    assert judged(facts(cycle_age_days=age, utilization_28d=share))["p4_adoption"].status == status


def test_a_share_just_below_the_band_is_not_rounded_onto_it() -> None:
    finding = judged(facts(utilization_28d=0.74999))["p4_adoption"]
    assert finding.status == "unmet" and finding.evidence.startswith("74.9 % of the seats")


def test_every_finding_of_a_row_names_the_row() -> None:
    found = judged(facts())
    assert found["p3_kickoff"].rows == (("meeting", "MTG-2"),)
    assert found["p2_champion_alignment"].rows == (("contact", "CON-1"), ("contact", "CON-2"))
    assert found["p4_fttv"].rows == (("milestone", "MS-2"),)


def test_a_waiver_names_who_and_why() -> None:
    finding = judged(facts(kickoff_meeting_held_on=None), override(requirement_id="p3_kickoff"))["p3_kickoff"]
    assert finding.status == "waived"
    assert finding.evidence == "Waived by dora (director): agreed with the customer"
    assert finding.rows == (("lifecycle_override", "OVR-1"),)


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ({"created_at": datetime(2026, 6, 28, 23, 59)}, "waived"),
        ({"created_at": datetime(2026, 6, 29, 0, 0)}, "unmet"),
        ({"expires_on": AS_OF}, "waived"),
        ({"expires_on": date(2026, 6, 27)}, "unmet"),
    ],
)
def test_a_waiver_counts_from_when_it_was_given_until_it_runs_out(values: dict[str, Any], status: str) -> None:
    """A night run late must not know a waiver that was given after it."""
    assert judged(facts(kickoff_meeting_held_on=None), override(requirement_id="p3_kickoff", **values))["p3_kickoff"].status == status


def test_after_three_requests_the_director_is_chased() -> None:
    gaps = {"handoff_fields_missing": 1, "handoff_missing_fields": "risks", "handoff_rounds": 3}
    assert judged(facts(**gaps))["p1_sales_docs"].who is None
    assert judged(facts(**gaps, handoff_is_escalated=True))["p1_sales_docs"].who == "director"


def test_what_differs_or_cannot_be_read_is_waived_by_name_like_what_is_missing() -> None:
    """A person's word on a field is the answer to which source is right; what nobody can tell is unknown and not unmet."""
    waiver = override(requirement_id="p1_sales_docs.seats", note="the CRM is right")
    differs = facts(handoff_conflicting_fields="seats")
    assert [judged(differs)["p1_sales_docs"].status, judged(differs, waiver)["p1_sales_docs"].status] == ["unmet", "met"]
    unclear = facts(handoff_unverifiable_fields="seats", handoff_stale_fields="sponsor")
    assert [judged(unclear)["p1_sales_docs"].status, judged(unclear, waiver)["p1_sales_docs"].status] == ["unknown", "met"]
    assert "Out of date since: sponsor." in judged(unclear, waiver)["p1_sales_docs"].evidence


def test_handoff_fields_can_be_waived_one_by_one() -> None:
    account = facts(handoff_fields_missing=2, handoff_missing_fields="risks, sponsor")
    one = judged(account, override(1, requirement_id="p1_sales_docs.risks"))["p1_sales_docs"]
    both = judged(account, override(1, requirement_id="p1_sales_docs.risks"), override(2, requirement_id="p1_sales_docs.sponsor"))["p1_sales_docs"]
    assert one.status == "unmet" and "lacks sponsor." in one.evidence and "Waived by name: risks" in one.evidence
    assert both.status == "met" and "Waived by name: risks, sponsor" in both.evidence


def test_a_proof_older_than_its_freshness_is_stale() -> None:
    kickoff = next(requirement for requirement in MAP.requirements if requirement.requirement_id == "p3_kickoff")
    phase = MAP.phases[3]
    limited = tuple(replace(item, freshness_days=100) if item is kickoff else item for item in phase.requirements)
    lifecycle = replace(MAP, phases={**MAP.phases, 3: replace(phase, requirements=limited)})
    assert judged(facts(), lifecycle=lifecycle)["p3_kickoff"].status == "stale"
    assert judged(facts(kickoff_meeting_held_on=date(2026, 6, 1)), lifecycle=lifecycle)["p3_kickoff"].status == "met"
    assert judged(facts(kickoff_meeting_held_on=None), lifecycle=lifecycle)["p3_kickoff"].status == "unmet"


def test_every_rule_answers_an_account_of_which_nothing_is_known() -> None:
    """Not one rule may claim to know, except where an empty record is the finding."""
    nothing = dict.fromkeys(COMPLETE) | {"account_key": "ACC-1"}
    claims = {name: finding for name, finding in judged(nothing).items() if finding.status != "unknown"}
    assert set(claims) == {"p1_engagement_details", "p11_win_back"}
    assert {finding.status for finding in claims.values()} == {"unmet"}


def test_every_rule_is_used_by_the_map() -> None:
    assert {requirement.rule for requirement in MAP.requirements} - {"manual"} == set(RULES)
