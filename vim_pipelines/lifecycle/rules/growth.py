"""Phase 9, Growth and Retention: is the renewal won in time, is growth worked on, and do we know more than one decision maker?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from vim_pipelines.lifecycle.rules.proof import Facts, Proof, Rule, count, not_fed, percent, row_of

#: What a step of the renewal timeline asks for, in words.
STEPS = {"opened": "a renewal opportunity is open", "met": "a talk with the customer was held since", "priced": "the renewal opportunity has an amount"}


def _renewal_won(facts: Facts, values: Mapping[str, Any], as_of: date, _waived: frozenset[str]) -> Proof:
    """Won in time for the term that runs. The renewal of the term before counts until the timeline of the next one begins."""
    if not facts.get("is_renewal_fed"):
        return not_fed("renewals")
    won = facts.get("renewal_won_on")
    if won is None:
        return Proof("unmet", f"No renewal is closed-won.{_deadline(facts, as_of)}", row_of("opportunity", facts.get("renewal_open_key")))
    rows, term_end = row_of("opportunity", facts.get("renewal_won_key")), facts.get("renewal_term_end_on")
    if not facts.get("renewal_is_in_time"):
        return Proof("unmet", f"The renewal was won on {won.isoformat()}, when no contract ran any more.", rows)
    before = "the opt-out deadline" if facts.get("renewal_is_before_opt_out") else "the renewal date"
    of_term = f" of the term to {term_end.isoformat()}" if term_end else ""
    told = f"The renewal{of_term} was won on {won.isoformat()}, before {before}."
    if _is_renewed(facts):
        return Proof("met", told, rows, won)
    deadline = _leave_by(facts, as_of)
    if deadline is not None and (deadline - as_of).days <= int(values["timeline_days"]):
        return Proof("unmet", f"{told} The term that runs is not renewed.{_deadline(facts, as_of)}", rows, won)
    return Proof("met", f"{told}{_deadline(facts, as_of)}", rows, won)


def _renewal_on_timeline(facts: Facts, values: Mapping[str, Any], as_of: date, _waived: frozenset[str]) -> Proof:
    """Counted back from the day on which the customer can leave last: each step whose day has come must be done."""
    if not facts.get("is_renewal_fed"):
        return not_fed("renewals")
    won, deadline = facts.get("renewal_won_on"), _leave_by(facts, as_of)
    if _is_renewed(facts):
        return Proof("met", f"The renewal is won on {won.isoformat()}.", row_of("opportunity", facts.get("renewal_won_key"))) if won else not_fed("renewals")
    if deadline is None:
        if facts.get("lines_active"):
            return Proof("unknown", "The contract has no end that a timeline could be counted to.")
        return Proof("met", "No contract runs; there is nothing to renew.")
    rows, missing, ahead = row_of("opportunity", facts.get("renewal_open_key")), [], []
    for days, step in sorted(((int(days), str(step)) for days, step in values["steps"].items()), reverse=True):
        due = deadline - timedelta(days=days)
        if due > as_of:
            ahead.append(due)
        elif not _is_done(step, facts, due):
            missing.append(f"{due.isoformat()} ({days} days before): {STEPS[step]}")
    until = f"to {deadline.isoformat()}, {(deadline - as_of).days} days away"
    if missing:
        return Proof("unmet", f"The renewal timeline {until}, lacks {'; '.join(missing)}.", rows)
    following = f"; the next step is due on {ahead[0].isoformat()}" if ahead else ""
    return Proof("met", f"The renewal timeline {until}, is kept{following}.", rows)


def _is_done(step: str, facts: Facts, due: date) -> bool:
    if step == "opened":
        return facts.get("renewal_open_key") is not None
    if step == "met":
        last = facts.get("last_touchpoint_on")
        return last is not None and last >= due
    if step == "priced":
        return facts.get("renewal_open_amount") is not None
    raise ValueError(f"the renewal timeline knows no step called {step!r}; it knows {', '.join(STEPS)}")


def _is_renewed(facts: Facts) -> bool:
    """Whether the renewal that was won is the one of the term that runs."""
    term_end, ends = facts.get("renewal_term_end_on"), facts.get("next_renewal_on")
    return bool(facts.get("renewal_is_in_time")) and term_end is not None and ends is not None and bool(term_end >= ends)


def _leave_by(facts: Facts, as_of: date) -> date | None:
    """The opt-out deadline while it is ahead, then the renewal date."""
    opt_out, ends = facts.get("next_opt_out_on"), facts.get("next_renewal_on")
    return opt_out if opt_out is not None and opt_out >= as_of else ends


def _deadline(facts: Facts, as_of: date) -> str:
    opt_out, ends = facts.get("next_opt_out_on"), facts.get("next_renewal_on")
    if opt_out is not None and opt_out >= as_of:
        return f" The next opt-out deadline is {opt_out.isoformat()}, {(opt_out - as_of).days} days away."
    if ends is not None:
        return f" The next renewal date is {ends.isoformat()}, {(ends - as_of).days} days away."
    return ""


def _signals(facts: Facts, share: float) -> list[str] | None:
    """What speaks for more seats or products; None where nothing can be seen."""
    found = []
    if count(facts, "expansions_open"):
        found.append(f"{count(facts, 'expansions_open')} expansion opportunities are open")
    used = facts.get("utilization_28d")
    if facts.get("usage_status") == "ok" and used is not None:
        if used >= share:
            found.append(f"{percent(used)} of the seats are in use")
    elif not found:
        return None
    return found


def _expansion_case_written(facts: Facts, values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
    if not facts.get("is_expansion_case_fed"):
        return not_fed("expansion cases")
    if facts.get("expansion_case_key") is not None:
        return Proof("met", "The expansion case is written.", row_of("document", facts["expansion_case_key"]), facts.get("expansion_case_on"))
    signals = _signals(facts, float(values["share_in_use"]))
    if signals is None:
        return Proof("unknown", "Whether there is room to grow cannot be seen: use is not known and no expansion is open.")
    if not signals:
        return Proof("met", "Nothing calls for an expansion case: no expansion is open and seats are free.")
    return Proof("unmet", f"There is no expansion case, although {' and '.join(signals)}.", row_of("opportunity", facts.get("expansion_open_key")))


def _expansion_carried_out(facts: Facts, values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
    if not facts.get("is_expansion_fed"):
        return not_fed("expansions")
    if overdue := count(facts, "expansions_overdue"):
        words = "expansion opportunity is" if overdue == 1 else "expansion opportunities are"
        return Proof("unmet", f"{overdue} open {words} past the close date, or without one.", row_of("opportunity", facts.get("expansion_overdue_key")))
    if count(facts, "expansions_open"):
        return Proof("met", "The open expansion is within its close date.", row_of("opportunity", facts.get("expansion_open_key")))
    won = facts.get("expansion_won_on")
    if won is not None:
        return Proof("met", f"The last expansion was won on {won.isoformat()}.", row_of("opportunity", facts.get("expansion_won_key")), won)
    signals = _signals(facts, float(values["share_in_use"]))
    if signals is None:
        return Proof("unknown", "Whether there is room to grow cannot be seen: use is not known.")
    if signals:
        return Proof("unmet", f"No expansion is worked on, although {' and '.join(signals)}.")
    return Proof("met", "Nothing calls for an expansion: seats are free.")


def _multi_threaded(facts: Facts, values: Mapping[str, Any], as_of: date, _waived: frozenset[str]) -> Proof:
    if not facts.get("is_decision_maker_fed"):
        return not_fed("decision makers")
    known, needed, days = count(facts, "decision_makers_known"), int(values["decision_makers"]), int(values["contact_days"])
    rows = row_of("contact", facts.get("decision_maker_key"))
    if known < needed:
        return Proof("unmet", f"{known or 'No'} decision maker{'s are' if known > 1 else ' is'} known, {needed} are needed.", rows)
    if not facts.get("is_last_contact_fed"):
        return Proof("unknown", f"{known} decision makers are known; no source says when they were last spoken to.", rows)
    spoken = [date.fromisoformat(text) for text in str(facts.get("decision_maker_contacts") or "").split(", ") if text]
    recent = [on for on in spoken if on >= as_of - timedelta(days=days)]
    said = f"{len(recent)} of {known} decision makers were spoken to in the last {days} days"
    if len(recent) < needed:
        return Proof("unmet", f"{said}, {needed} are needed.", rows)
    return Proof("met", f"{said}.", rows, recent[needed - 1])


RULES: dict[str, Rule] = {
    "renewal_won": Rule(_renewal_won, frozenset({"timeline_days"})),
    "renewal_on_timeline": Rule(_renewal_on_timeline, frozenset({"steps"})),
    "expansion_case_written": Rule(_expansion_case_written, frozenset({"share_in_use"})),
    "expansion_carried_out": Rule(_expansion_carried_out, frozenset({"share_in_use"})),
    "multi_threaded": Rule(_multi_threaded, frozenset({"decision_makers", "contact_days"})),
}
