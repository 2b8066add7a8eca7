"""The always-on phases 5, 6 and 7: which of them have something open, since when, and what.

They never end, never hold an account and never move it on the spine; what stands here is a list of work, not a gate. Each is a region of
its own: open or clear, with a row for each time it opens and each time it is cleared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal

from vim_pipelines.core.severities import SERIOUS
from vim_pipelines.lifecycle.phases import LifecycleMap

#: The regions of the state chart that the overlays are.
REGIONS = {5: "orchestration", 6: "observability", 7: "risk"}
#: Days without a regular meeting, held or planned, after which the rhythm counts as lost.
CADENCE_DAYS = 90


@dataclass(frozen=True)
class OverlayStep:
    """An overlay that opened, with its items, or was cleared, with the day since which it had been open."""

    phase: int
    change: Literal["opened", "cleared"]
    reason: str
    items: tuple[str, ...] = ()


def open_overlays(
    lifecycle: LifecycleMap,
    facts: Mapping[str, Any],
    risks: Sequence[Mapping[str, Any]],
    as_of: date,
    unmet: Iterable[str] = (),
    since: Mapping[int, date] | None = None,
) -> list[dict[str, Any]]:
    """Phases with open items: `{"phase": 7, "name": ..., "since": ..., "items": [...]}`, in the order of the map.

    `risks`: the account's risks of the day, each with `rule_id` and `severity`. `unmet`: ids of requirements known to be unmet; those of an
    overlay are items of it. `since`: the overlays that were open the day before, and since when.
    """
    items = {5: _hygiene(facts, as_of), 6: _blind_spots(facts), 7: sorted(str(risk["rule_id"]) for risk in risks if risk["severity"] in SERIOUS)}
    for requirement_id in unmet:
        requirement = lifecycle.by_id[requirement_id]
        if requirement.phase in items:
            items[requirement.phase].append(requirement.title)
    before = since or {}
    return [
        {"phase": number, "name": lifecycle.phases[number].name, "since": before.get(number, as_of), "items": found} for number, found in items.items() if found
    ]


def overlay_steps(before: Mapping[int, date], open_now: Sequence[Mapping[str, Any]]) -> list[OverlayStep]:
    """What changed since the day before: `before` are the overlays open then and since when, `open_now` those of `open_overlays`."""
    now = {int(overlay["phase"]): overlay for overlay in open_now}
    steps = []
    for number in REGIONS:
        if number in now and number not in before:
            items = tuple(now[number]["items"])
            steps.append(OverlayStep(number, "opened", f"open: {', '.join(items)}", items))
        elif number in before and number not in now:
            steps.append(OverlayStep(number, "cleared", f"nothing is open any more; it had been since {before[number].isoformat()}"))
    return steps


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
