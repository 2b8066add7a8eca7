"""The map itself: complete against the design, and refused with the line when it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from vim_pipelines.core.errors import VimError
from vim_pipelines.lifecycle import phases

MAP = phases.load_map()

#: DESIGN section 4, word for word; the kickoff and the two exit facts of phase 4 are requirements of their own besides.
DESIGNED = {
    1: ("Audit sales docs", "Map engagement details", "Handoff meeting", "Technical activation"),
    2: ("Run PSP diagnostic", "Pain and champion alignment", "Red flag resolution", "Draft success plan"),
    3: ("Pre-alignment questionnaire", "Mutual success agreement", "Define FTTV milestone", "Confirm cadence"),
    4: ("Role-based onboarding", "Monitor usage gaps", "Precision campaigns", "Workflow integration", "Value acceleration pivot"),
    5: ("Strategic touchpoints", "Auto-follow-up", "Internal alignment", "Meeting efficacy", "CRM hygiene"),
    6: ("Leading indicators", "UX analytics", "Health score calibration", "Sentiment and voice of customer"),
    7: ("Early warning system", "Risk playbooks", "Escalation management"),
    8: ("Value quantification", "Executive business reviews", "Executive storytelling", "Maturity mapping"),
    9: ("Expansion business case", "Early renewal strategy", "Upsell and cross-sell execution", "Multi-threading"),
    10: ("Customer advisory board", "Reference building", "Third-party advocacy", "Strategic product loop"),
    11: ("Churn save play", "Post-mortem and root cause", "Win-back triggers"),
}


def test_the_map_holds_every_phase_and_requirement_of_the_design() -> None:
    assert tuple(MAP.phases) == tuple(range(1, 12))
    for number, titles in DESIGNED.items():
        assert set(titles) <= {requirement.title for requirement in MAP.phases[number].requirements}, number


def test_the_spine_is_one_two_three_four_eight_nine_ten() -> None:
    walked, at = [1], MAP.phases[1]
    while at.successor is not None:
        at = MAP.phases[at.successor]
        walked.append(at.number)
    assert walked == [1, 2, 3, 4, 8, 9, 10]
    assert [phase.number for phase in MAP.phases.values() if phase.kind == "overlay"] == [5, 6, 7]
    assert MAP.exception.number == 11


def test_the_exit_facts_of_phases_one_to_four_are_mandatory_and_proven() -> None:
    """The design's exit facts, as rules; a gate that is 'manual' could not be passed by evidence."""
    rules = {number: [requirement.rule for requirement in MAP.phases[number].mandatory] for number in (1, 2, 3, 4)}
    assert rules == {
        1: ["handoff_fields_complete"],
        2: ["pain_metric_with_baseline", "sponsor_and_champion_named", "red_flags_closed_or_owned"],
        3: ["kickoff_held", "fttv_defined_and_dated", "cadence_set"],
        4: ["fttv_reached", "adoption_band"],
    }


def test_everybody_knows_who_is_chased_and_what_for() -> None:
    assert all(requirement.who_is_chased in phases.WHO and requirement.action for requirement in MAP.requirements)
    ids = [requirement.requirement_id for requirement in MAP.requirements]
    assert len(ids) == len(set(ids)) and all(name.startswith("p") and len(name) <= 40 for name in ids)


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("rule: kickoff_held", "rule: kickof_held", "did you mean 'kickoff_held'"),
        ("id: p2_red_flags", "id: p1_sales_docs", "stands there twice; first in line"),
        ("who: account_executive", "who: sales", "`who` is 'sales'"),
        ("kind: overlay", "kind: overlays", "must be spine, overlay or exception"),
        ("    next: 8\n", "    next: 7\n", "phase 4 leads to 7"),
        ("    next: 8\n", "    next: 2\n", "phase 4 leads to 2"),
        ("    next: 8\n", "    next: 9\n", "no way leads to phase 8"),
        ("with: {held_within_days: 120}", "with: {held_within: 120}", "takes held_within_days under `with`"),
        ("        with: {gap_days: 10}\n", "", "takes gap_days under `with`, not none"),
        ("mandatory: true\n        rule: handoff_fields_complete", "mandatory: maybe\n        rule: handoff_fields_complete", "must be true or false"),
        ("mandatory: true\n        rule: handoff_fields_complete", "mandatory: false\n        rule: handoff_fields_complete", "would pass it unseen"),
        ("title: Audit sales docs", "titel: Audit sales docs", "has no `title`"),
        ("        action: Hold the internal handoff meeting", "        action: Hold it\n        freshness: 3", "did you mean 'freshness_days'"),
        ("    next: 1\n", "    next: 2\n", "leads back to phase 1"),
        ("rule_version: lifecycle-3\n", "", "`rule_version`"),
        ("    goal: alignment and roadmap\n", "    goal: alignment: and roadmap\n", "line"),
        ("    name: Advocacy\n", "    name: Advocacy\n    name: Other\n", "the key 'name' stands there twice"),
    ],
)
def test_a_wrong_map_is_refused_with_the_reason_and_the_line(tmp_path: Path, before: str, after: str, why: str) -> None:
    text = phases.PATH.read_text()
    assert before in text
    wrong = tmp_path / "phases.yaml"
    wrong.write_text(text.replace(before, after, 1))
    with pytest.raises(VimError) as caught:
        phases.load_map(wrong)
    assert caught.value.code == "VIM-E005"
    assert why in str(caught.value)
    if before != "rule_version: lifecycle-3\n":
        assert "phases.yaml line " in str(caught.value)
