"""Phase 3, Customer Kickoff: do both sides agree on goal, first milestone and rhythm?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from vim_pipelines.lifecycle.rules.proof import Facts, Proof, Rule, count, meeting_held, not_fed, row_of


def _questionnaire_answered(facts: Facts, _values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
    if not facts.get("is_questionnaire_fed"):
        return not_fed("questionnaires")
    if facts.get("questionnaire_key") is None:
        return Proof("unmet", "The questionnaire has no answer.")
    return Proof("met", "The questionnaire is answered.", row_of("survey_response", facts["questionnaire_key"]), facts.get("questionnaire_on"))


def _kickoff_held(facts: Facts, _values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
    return meeting_held(facts, "kickoff", "kickoff")


def _success_agreed(facts: Facts, _values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
    """The plan alone is ours; it is mutual once the customer's word stands in it with a day, or a task says that it was obtained."""
    if not facts.get("is_success_plan_fed"):
        return not_fed("success plans")
    plan = row_of("document", facts.get("success_plan_key"))
    if not plan:
        return Proof("unmet", "There is no success plan to agree to.")
    if not facts.get("is_success_agreement_fed"):
        return Proof("unknown", "The success plan is written; no source records that a customer agreed to one.", plan)
    if facts.get("success_agreement_key") is None:
        return Proof("unmet", "The customer's agreement to the success plan is not recorded.", plan)
    on = facts.get("success_agreement_on")
    rows = tuple(dict.fromkeys(plan + row_of(facts["success_agreement_entity"], facts["success_agreement_key"])))
    return Proof("met", f"The customer agreed to the success plan{f' by {on.isoformat()}' if on else ''}.", rows, on)


def _fttv_defined_and_dated(facts: Facts, _values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
    if not facts.get("is_fttv_fed"):
        return not_fed("first-value milestones")
    if not count(facts, "fttv_milestones"):
        return Proof("unmet", "No first-value milestone is defined.")
    rows = row_of("milestone", facts.get("fttv_milestone_key"))
    if facts.get("fttv_due_on") is None and facts.get("fttv_reached_on") is None:
        return Proof("unmet", "The first-value milestone has no date.", rows)
    due = facts.get("fttv_due_on")
    return Proof("met", f"First value is due on {due.isoformat()}." if due else "First value is reached.", rows)


def _cadence_set(facts: Facts, values: Mapping[str, Any], as_of: date, _waived: frozenset[str]) -> Proof:
    if not facts.get("is_cadence_meeting_fed"):
        return not_fed("regular meetings")
    rows, last = row_of("meeting", facts.get("cadence_meeting_key")), facts.get("last_cadence_on")
    ahead = count(facts, "cadence_meetings_ahead")
    if ahead:
        return Proof("met", f"{ahead} regular meetings are planned.", rows, as_of)
    if last is not None and last >= as_of - timedelta(days=int(values["held_within_days"])):
        return Proof("met", f"The last regular meeting was held on {last.isoformat()}.", rows, last)
    return Proof("unmet", f"No regular meeting is planned; the last was on {last.isoformat()}." if last else "No regular meeting is planned or was held.", rows)


RULES: dict[str, Rule] = {
    "questionnaire_answered": Rule(_questionnaire_answered),
    "kickoff_held": Rule(_kickoff_held),
    "success_agreed": Rule(_success_agreed),
    "fttv_defined_and_dated": Rule(_fttv_defined_and_dated),
    "cadence_set": Rule(_cadence_set, frozenset({"held_within_days"})),
}
