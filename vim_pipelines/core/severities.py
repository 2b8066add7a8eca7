"""How severe a risk can be, from the least; one list for rules, drafts, overlays, actions and outcomes."""

from __future__ import annotations

SEVERITIES = ("low", "medium", "high", "critical")
#: Those that open the risk overlay and that a plan is judged by; the others are work of the ordinary week.
SERIOUS = ("high", "critical")
