"""Phase 1, Internal Transition: has what sales knows reached Customer Success?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from vim_pipelines.lifecycle.rules.proof import Facts, Proof, Rule, count, meeting_held, not_fed, row_of

#: Facts of the handoff audit (computed.handoff_audits) that hold the gate, and how each reads.
_HOLDING = (("handoff_missing_fields", "missing"), ("handoff_conflicting_fields", "conflicting"), ("handoff_invalid_fields", "invalid"))


def _handoff_fields_complete(facts: Facts, _values: Mapping[str, Any], _as_of: date, waived: frozenset[str]) -> Proof:
    """All mandatory fields of the handoff matrix present, or waived by name. What cannot be seen is not missing: it leaves the answer open.

    A field that is out of date (its sponsor has left) was handed over; whether somebody holds the role today is asked in phase 2.
    """
    if not facts.get("is_handoff_document_fed") or facts.get("handoff_fields_missing") is None:
        return not_fed("handoff documents")
    rows, written = row_of("document", facts.get("handoff_document_key")), facts.get("handoff_authored_on")
    named = {status: _names(facts, column) for column, status in _HOLDING}
    open_fields = {status: [name for name in names if name not in waived] for status, names in named.items()}
    unclear = _names(facts, "handoff_unverifiable_fields")
    waived_here = sorted({name for names in (*named.values(), unclear) for name in names} & waived)
    by_name = f" Waived by name: {', '.join(waived_here)}." if waived_here else ""
    if any(open_fields.values()):
        who = "director" if facts.get("handoff_is_escalated") else None
        return Proof("unmet", " ".join(_gap_words(facts, open_fields, bool(rows))) + by_name + _loop_words(facts), rows, written, who)
    unclear = [name for name in unclear if name not in waived]
    if unclear:
        return Proof("unknown", f"Nobody can tell from the records: {', '.join(unclear)}.{by_name}", rows, written)
    stale = _names(facts, "handoff_stale_fields")
    old = f" Out of date since: {', '.join(stale)}." if stale else ""
    return Proof("met", f"All {count(facts, 'handoff_fields_expected')} mandatory handoff fields are accounted for.{by_name}{old}", rows, written)


def _names(facts: Facts, column: str) -> list[str]:
    return [name for name in str(facts.get(column) or "").split(", ") if name]


def _gap_words(facts: Facts, open_fields: Mapping[str, list[str]], has_document: bool) -> list[str]:
    words = []
    if open_fields["missing"]:
        document = "The handoff document lacks" if has_document else "There is no handoff document; missing are"
        words.append(f"{document} {', '.join(open_fields['missing'])}.")
    if open_fields["conflicting"]:
        words.append(f"The sources differ on {', '.join(open_fields['conflicting'])}.")
    if open_fields["invalid"]:
        words.append(f"The CRM contradicts itself on {', '.join(open_fields['invalid'])}.")
    if facts.get("handoff_words") and (open_fields["conflicting"] or open_fields["invalid"]):
        words.append(f"({facts['handoff_words']}.)")
    return words


def _loop_words(facts: Facts) -> str:
    rounds = count(facts, "handoff_rounds")
    if facts.get("handoff_is_escalated"):
        return f" Asked {rounds} times without a full answer: the director is asked now."
    return f" Asked {rounds} {'time' if rounds == 1 else 'times'} so far." if rounds else ""


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
