"""Phase 11, Churn Handling: save, learn, win back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from vim_pipelines.lifecycle.rules.proof import Facts, Proof, Rule, count, not_fed, row_of

NOT_KNOWN = Proof("unknown", "Whether notice is open is not known.")


def _save_play_decided(facts: Facts, _values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
    """Asked for from the notice to the last day of the contract; afterwards there is nothing left to save."""
    if facts.get("notice_is_open") is None:
        return NOT_KNOWN
    if not facts["notice_is_open"]:
        return Proof("met", "No notice is open; no save play is called for.")
    if facts.get("save_play_key") is not None:
        decided = facts.get("save_play_on")
        on = f" on {decided.isoformat()}" if decided else ""
        return Proof("met", f"The save play was decided{on}.", row_of(facts["save_play_entity"], facts["save_play_key"]), decided)
    lost = facts.get("lost_on")
    if lost is not None:
        return Proof("met", f"The contract ended on {lost.isoformat()}; a save play is no longer called for.")
    if not facts.get("is_save_play_fed"):
        return not_fed("save plays")
    since = facts.get("notice_on")
    return Proof("unmet", f"Notice is open{f' since {since.isoformat()}' if since else ''} and no save play is decided.")


def _post_mortem_written(facts: Facts, values: Mapping[str, Any], as_of: date, _waived: frozenset[str]) -> Proof:
    lost = facts.get("lost_on")
    if facts.get("notice_is_open") is None:
        return NOT_KNOWN
    if lost is None:
        return Proof("met", "The customer is not lost; no post-mortem is called for.")
    if not facts.get("is_post_mortem_fed"):
        return not_fed("post-mortems")
    rows, due = row_of("document", facts.get("post_mortem_key")), lost + timedelta(days=int(values["within_days"]))
    if not rows:
        overdue = " It is overdue." if due < as_of else ""
        return Proof("unmet", f"The customer was lost on {lost.isoformat()}; the post-mortem is due on {due.isoformat()}.{overdue}")
    if facts.get("post_mortem_is_empty"):
        return Proof("unmet", "The post-mortem is empty.", rows)
    if facts.get("post_mortem_names_team"):
        return Proof("unmet", "The post-mortem names a person of the team; a blameless one looks for causes.", rows)
    return Proof("met", "The post-mortem is written and names nobody of the team.", rows, facts.get("post_mortem_on"))


def _won_back(facts: Facts, _values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
    if facts.get("contract_status") == "unknown":
        return Proof("unknown", "No source feeds contract lines.")
    won = facts.get("won_back_on")
    if won is not None and not facts.get("notice_is_open"):
        return Proof("met", f"A new contract began on {won.isoformat()}.", row_of("account", facts.get("account_key")), won)
    triggers = _triggers(facts)
    reasons = f" Reasons to call: {', '.join(triggers)}." if triggers else ""
    return Proof("unmet", f"No new contract has begun since the notice.{reasons}", row_of("campaign", facts.get("win_back_campaign_key")))


def _triggers(facts: Facts) -> list[str]:
    """What speaks for a way back, for customers who gave notice."""
    if not facts.get("notice_is_open"):
        return []
    found = []
    if count(facts, "champions_active"):
        found.append("the champion is still there")
    if (used := facts.get("used_after_loss_on")) is not None:
        found.append(f"the product was used on {used.isoformat()}, after the contract")
    if (campaign := facts.get("win_back_campaign_on")) is not None:
        found.append(f"a win-back campaign runs since {campaign.isoformat()}")
    return found


RULES: dict[str, Rule] = {
    "save_play_decided": Rule(_save_play_decided),
    "post_mortem_written": Rule(_post_mortem_written, frozenset({"within_days"})),
    "won_back": Rule(_won_back),
}
