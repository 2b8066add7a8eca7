"""Phase 7, Risk Mitigation: are serious risks seen, planned for and answered in time?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from vim_pipelines.lifecycle.rules.proof import Facts, Proof, Rule, Status, count, not_fed, row_of, serious_risks

NOT_JUDGED = Proof("unknown", "The risks of the day were not judged.")


def _no_serious_risk(facts: Facts, _values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
    if not facts.get("is_risk_judged"):
        return NOT_JUDGED
    found = count(facts, "serious_risks_open")
    return Proof("unmet", f"{serious_risks(facts)}.", _risk_rows(facts)) if found else Proof("met", "No serious risk is open.")


def _risks_planned_for(facts: Facts, values: Mapping[str, Any], as_of: date, _waived: frozenset[str]) -> Proof:
    """One approved plan covers the account; owned tasks cover one risk each, because no field says which."""
    if not facts.get("is_risk_judged"):
        return NOT_JUDGED
    found, owned, approved = count(facts, "serious_risks_open"), count(facts, "risk_tasks_owned"), facts.get("risk_plan_approved_on")
    if not found:
        return Proof("met", "No serious risk is open; no plan is called for.")
    if approved is not None and approved >= as_of - timedelta(days=int(values["plan_days"])):
        return Proof("met", f"A mitigation plan was approved on {approved.isoformat()}. {serious_risks(facts)}.", _risk_rows(facts), approved)
    if owned >= found:
        return Proof("met", f"{owned} open tasks with an owner. {serious_risks(facts)}.", row_of("task", facts.get("risk_task_key")) + _risk_rows(facts))
    having = f"{owned} open tasks with an owner" if owned else "no open task with an owner"
    return Proof("unmet", f"{serious_risks(facts)}; no approved plan and {having}.", _risk_rows(facts))


def _escalations_acknowledged(facts: Facts, values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
    if not facts.get("is_ticket_fed"):
        return not_fed("tickets")
    recent, answered, hours = count(facts, "escalations_recent"), count(facts, "escalations_acknowledged"), float(values["hours"])
    if not recent:
        return Proof("met", "No ticket was escalated of late.")
    if not facts.get("is_acknowledgement_fed"):
        return Proof("unknown", f"{recent} escalated tickets; no source records when they were first answered.", row_of("ticket", facts.get("escalation_key")))
    median, waiting = facts.get("escalation_ack_median_hours"), facts.get("escalation_open_worst_hours")
    words = f"{answered} of {recent} escalated tickets are answered"
    if median is not None:
        words += f", half of them within {median:.1f} hours"
    if waiting is not None:
        words += f"; one waits for {waiting:.1f} hours"
    is_late = (median is not None and median > hours) or (waiting is not None and waiting > hours)
    status: Status = "unmet" if is_late else "met"
    return Proof(status, f"{words}.", row_of("ticket", facts.get("escalation_waiting_key") or facts.get("escalation_key")))


def _risk_rows(facts: Facts) -> tuple[tuple[str, str], ...]:
    return tuple(("risk", f"{facts.get('account_key')}:{name}") for name in str(facts.get("serious_risk_rules") or "").split(", ") if name)


RULES: dict[str, Rule] = {
    "no_serious_risk": Rule(_no_serious_risk),
    "risks_planned_for": Rule(_risks_planned_for, frozenset({"plan_days"})),
    "escalations_acknowledged": Rule(_escalations_acknowledged, frozenset({"hours"})),
}
