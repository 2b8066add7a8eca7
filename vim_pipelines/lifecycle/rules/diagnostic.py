"""Phase 2, PSP Diagnostic (Pain, Stakeholders, Plan): is the account ready for success or at risk?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from vim_pipelines.lifecycle.rules.proof import Facts, Proof, Rule, count, not_fed, row_of


def _pain_metric_with_baseline(facts: Facts, _values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
    if not facts.get("is_pain_metric_fed"):
        return not_fed("pain metrics")
    if facts.get("pain_milestone_key") is not None:
        return Proof("met", f"Pain metric {facts.get('pain_metric_name')} has a baseline.", row_of("milestone", facts["pain_milestone_key"]))
    named = count(facts, "pain_metrics_named")
    return Proof("unmet", "The pain metric has no baseline." if named else "No pain metric is recorded.")


def _sponsor_and_champion_named(facts: Facts, _values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
    if not facts.get("is_contact_role_fed"):
        return not_fed("roles of contacts")
    rows = row_of("contact", facts.get("sponsor_key")) + row_of("contact", facts.get("champion_key"))
    lacking = []
    for role in ("sponsor", "champion"):
        if count(facts, f"{role}s_active"):
            continue
        left = facts.get(f"{role}_left_on")
        lacking.append(f"the {role} left on {left.isoformat()}" if left else f"the {role} has left" if count(facts, f"{role}s_left") else f"no {role} is named")
    if lacking:
        return Proof("unmet", f"{' and '.join(lacking)}."[:1].upper() + f"{' and '.join(lacking)}."[1:], rows)
    return Proof("met", f"Sponsor {facts.get('sponsor_name')}, champion {facts.get('champion_name')}.", rows)


def _red_flags_closed_or_owned(facts: Facts, _values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
    if not facts.get("is_red_flag_fed"):
        return not_fed("red flags")
    open_flags, unowned = count(facts, "red_flags_open"), count(facts, "red_flags_unowned")
    rows = row_of("task", facts.get("red_flag_key"))
    if unowned:
        return Proof("unmet", f"{unowned} of {open_flags} open red flags have no owner.", rows)
    return Proof("met", f"All {open_flags} open red flags have an owner." if open_flags else "No red flag is open.", rows)


def _success_plan_written(facts: Facts, _values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
    if not facts.get("is_success_plan_fed"):
        return not_fed("success plans")
    if facts.get("success_plan_key") is None:
        return Proof("unmet", "There is no success plan.")
    return Proof("met", "The success plan is written.", row_of("document", facts["success_plan_key"]), facts.get("success_plan_authored_on"))


def _branch_plan_written(facts: Facts, values: Mapping[str, Any], as_of: date, waived: frozenset[str]) -> Proof:
    """The plan that the diagnostic branches to: a Success Plan, or a Risk Mitigation Plan before it while a risk is seen."""
    proof = _success_plan_written(facts, values, as_of, waived)
    if facts.get("psp_verdict") != "risk_mitigation_plan" or proof.status != "unmet":
        return proof
    return Proof("unmet", f"A risk is seen ({facts.get('psp_reason')}): a Risk Mitigation Plan is needed before the success plan.")


RULES: dict[str, Rule] = {
    "pain_metric_with_baseline": Rule(_pain_metric_with_baseline),
    "sponsor_and_champion_named": Rule(_sponsor_and_champion_named),
    "red_flags_closed_or_owned": Rule(_red_flags_closed_or_owned),
    "branch_plan_written": Rule(_branch_plan_written),
}
