"""Phase 1, Internal Transition: has what sales knows reached Customer Success?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from vim_pipelines.lifecycle.rules.proof import Facts, Proof, Rule, count, meeting_held, not_fed, row_of


def _handoff_fields_complete(facts: Facts, _values: Mapping[str, Any], _as_of: date, waived: frozenset[str]) -> Proof:
    if not facts.get("is_handoff_document_fed") or facts.get("handoff_fields_missing") is None:
        return not_fed("handoff documents")
    rows = row_of("document", facts.get("handoff_document_key"))
    missing = [name for name in str(facts.get("handoff_missing_fields") or "").split(", ") if name]
    open_fields = [name for name in missing if name not in waived]
    by_name = f" Waived by name: {', '.join(name for name in missing if name in waived)}." if set(missing) & waived else ""
    if open_fields:
        document = "The handoff document lacks" if rows else "There is no handoff document; missing are"
        return Proof("unmet", f"{document} {', '.join(open_fields)}.{by_name}", rows, facts.get("handoff_authored_on"))
    return Proof(
        "met", f"All {count(facts, 'handoff_fields_expected')} mandatory handoff fields are accounted for.{by_name}", rows, facts.get("handoff_authored_on")
    )


def _team_named(facts: Facts, _values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
    lacking = [word for name, word in (("csm_name", "CSM"), ("owner_name", "account executive")) if not facts.get(name)]
    if facts.get("is_contact_fed") and not count(facts, "contacts_named"):
        lacking.append("a contact at the customer")
    if lacking:
        return Proof("unmet", f"Not named: {', '.join(lacking)}.", row_of("account", facts.get("account_key")))
    return Proof("met", f"CSM {facts['csm_name']}, account executive {facts['owner_name']}.", row_of("account", facts.get("account_key")))


def _handoff_meeting_held(facts: Facts, _values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
    return meeting_held(facts, "handoff", "handoff meeting")


def _licences_assigned(facts: Facts, _values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
    if not facts.get("is_license_assignment_fed"):
        return not_fed("licence assignments")
    users = count(facts, "users_assigned")
    if not users:
        return Proof("unmet", "No licence is assigned to anybody.")
    return Proof("met", f"Licences are assigned to {users} users.", row_of("license_assignment", facts.get("assignment_key")), facts.get("first_assigned_on"))


RULES: dict[str, Rule] = {
    "handoff_fields_complete": Rule(_handoff_fields_complete),
    "team_named": Rule(_team_named),
    "handoff_meeting_held": Rule(_handoff_meeting_held),
    "licences_assigned": Rule(_licences_assigned),
}
