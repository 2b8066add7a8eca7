"""The always-on phases 5, 6 and 7: which of them have something open, and what.

They never end and never hold an account; what stands here is a list of work, not a gate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from vim_pipelines.lifecycle.phases import LifecycleMap

#: Severities of a risk that open phase 7; lower ones are work of the ordinary week.
SERIOUS = frozenset({"high", "critical"})
#: Days without a regular meeting, held or planned, after which the rhythm counts as lost.
CADENCE_DAYS = 90


def open_overlays(lifecycle: LifecycleMap, facts: Mapping[str, Any], risks: Sequence[Mapping[str, Any]], as_of: date) -> list[dict[str, Any]]:
    """Phases with open items: `{"phase": 7, "name": ..., "items": [...]}`, in the order of the map.

    `risks`: the account's risks of the day, each with `rule_id` and `severity`.
    """
    items = {5: _hygiene(facts, as_of), 6: _blind_spots(facts), 7: sorted(str(risk["rule_id"]) for risk in risks if risk["severity"] in SERIOUS)}
    return [
        {"phase": phase.number, "name": phase.name, "items": items[phase.number]}
        for phase in lifecycle.phases.values()
        if phase.kind == "overlay" and items.get(phase.number)
    ]


def _hygiene(facts: Mapping[str, Any], as_of: date) -> list[str]:
    """What a complete CRM record has and this one has not; only where the source is fed and the account has a contract."""
    found = [f"{name} missing" for name in ("csm_name", "owner_name") if not facts.get(name)]
    if facts.get("is_contact_fed") and not facts.get("contacts_named"):
        found.append("contacts missing")
    last = facts.get("last_cadence_on")
    has_met = last is not None and last >= as_of - timedelta(days=CADENCE_DAYS)
    if facts.get("is_cadence_meeting_fed") and facts.get("lines_active") and not facts.get("cadence_meetings_ahead") and not has_met:
        found.append("no regular meeting held or planned")
    return found


def _blind_spots(facts: Mapping[str, Any]) -> list[str]:
    return [
        f"{name} {facts.get(column)}"
        for name, column in (("use", "usage_status"), ("contracts", "contract_status"))
        if facts.get(column) in ("unknown", "stale")
    ]
