"""Phase 8, Value Realization: is the value measured, shown to those who pay, told, and placed on a map?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from vim_pipelines.lifecycle.rules.proof import Facts, Proof, Rule, by_segment, count, not_fed, number, row_of


def _outcome_measured(facts: Facts, _values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
    if not facts.get("is_outcome_fed"):
        return not_fed("measured outcomes")
    if not count(facts, "outcomes_measured"):
        if facts.get("pain_milestone_key") is not None:
            return Proof("unmet", f"{facts.get('pain_metric_name')} has a baseline and no measurement.", row_of("milestone", facts["pain_milestone_key"]))
        return Proof("unmet", "No outcome was measured against a baseline.")
    measured, baseline, target = facts["outcome_measured"], facts["outcome_baseline"], facts.get("outcome_target")
    goal = f", target {number(target)}" if target is not None else ""
    on = facts.get("outcome_measured_on")
    moved = f"{facts.get('outcome_metric_name') or 'The outcome'} went from {number(baseline)} to {number(measured)}{goal}"
    return Proof("met", f"{moved}; measured on {on.isoformat()}." if on else f"{moved}.", row_of("milestone", facts.get("outcome_key")), on)


def _review_held(facts: Facts, values: Mapping[str, Any], as_of: date, _waived: frozenset[str]) -> Proof:
    if not facts.get("is_ebr_fed"):
        return not_fed("business reviews")
    held, planned, began = facts.get("ebr_held_on"), facts.get("ebr_planned_on"), facts.get("cycle_started_on")
    rhythm = timedelta(days=by_segment(facts, values["every_days"]))
    due = held + rhythm if held else began + rhythm if began else None
    ahead = f" The next is planned for {planned.isoformat()}." if planned else f" The next is due on {due.isoformat()}." if due else ""
    if held is None:
        late = " It is overdue." if due is not None and due < as_of and planned is None else ""
        return Proof("unmet", f"No executive business review was held.{ahead}{late}")
    attended = facts.get("ebr_sponsor_attended")
    who = " with the sponsor" if attended else " without the sponsor" if attended is False else ""
    return Proof(
        "met", f"The last executive business review was held on {held.isoformat()}{who}.{ahead}", row_of(facts["ebr_entity"], facts.get("ebr_key")), held
    )


def _value_story_written(facts: Facts, _values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
    if not facts.get("is_value_story_fed"):
        return not_fed("value stories")
    if facts.get("value_story_key") is None:
        return Proof("unmet", "There is no story of the value.")
    return Proof("met", "The story of the value is written.", row_of("document", facts["value_story_key"]), facts.get("value_story_on"))


def _maturity_placed(facts: Facts, values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
    if not facts.get("is_maturity_fed"):
        return not_fed("levels of maturity")
    if facts.get("maturity_key") is None:
        return Proof("unmet", "The customer has no place on the maturity map.")
    rows, level, highest = row_of("milestone", facts["maturity_key"]), facts["maturity_level"], int(values["levels"])
    if not 1 <= level <= highest:
        return Proof("unmet", f"Level {number(level)} is none of the maturity map, which has 1 to {highest}.", rows)
    return Proof("met", f"Level {number(level)} of {highest} on the maturity map.", rows, facts.get("maturity_measured_on"))


RULES: dict[str, Rule] = {
    "outcome_measured": Rule(_outcome_measured),
    "review_held": Rule(_review_held, frozenset({"every_days"})),
    "value_story_written": Rule(_value_story_written),
    "maturity_placed": Rule(_maturity_placed, frozenset({"levels"})),
}
