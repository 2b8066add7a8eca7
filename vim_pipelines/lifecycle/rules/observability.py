"""Phase 6, Observability: can we see, is what we see calibrated, and do we hear the customer?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from vim_pipelines.lifecycle.rules.proof import Facts, Proof, Rule, Status, count, not_fed, percent, row_of

#: Feeds that the indicators rest on: name in words, fact with its status, fact that says whether anybody has it.
FEEDS = (("use", "usage_status", "is_usage_fed"), ("contracts", "contract_status", "is_contract_fed"), ("tickets", "ticket_status", "is_ticket_fed"))
FRESH = frozenset({"ok", "insufficient"})


def _indicators_fresh(facts: Facts, values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
    fed = [(name, facts.get(status) or "unknown") for name, status, is_fed in FEEDS if facts.get(is_fed)]
    if not fed:
        return not_fed("use, contracts or tickets")
    fresh = [name for name, status in fed if status in FRESH]
    dull = [f"{name} {status}" for name, status in fed if status not in FRESH]
    lacking = f" Not fresh: {', '.join(dull)}." if dull else ""
    judged: Status = "met" if len(fresh) >= len(fed) * values["share"] else "unmet"
    return Proof(judged, f"{len(fresh)} of {len(fed)} feeds are fresh ({percent(len(fresh) / len(fed))}).{lacking}")


def _features_seen(facts: Facts, values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
    seen, used, never = (count(facts, name) for name in ("features_seen", "features_used", "features_never_used"))
    if not seen:
        return Proof("unknown", "The use of features cannot be seen.")
    status: Status = "met" if used >= seen * values["share"] else "unmet"
    return Proof(status, f"{used} of {seen} value features were used in 28 days; {never} never.")


def _score_calibrated(facts: Facts, values: Mapping[str, Any], as_of: date, _waived: frozenset[str]) -> Proof:
    """A card is made on no schedule; what it says of the score holds for all accounts alike."""
    on, verdict = facts.get("calibration_card_on"), str(facts.get("calibration_verdict") or "")
    if on is None:
        return Proof("unknown", "The score was never compared with outcomes (no calibration card).")
    rows, age = row_of("calibration_card", facts.get("calibration_card_key")), (as_of - on).days
    if age > int(values["max_age_days"]):
        return Proof("unmet", f"The last comparison of scores with outcomes is {age} days old: {verdict}.", rows, on)
    if verdict.startswith("No verdict"):
        return Proof("unknown", f"{verdict} (card of {on.isoformat()}).", rows, on)
    status: Status = "unmet" if verdict.startswith("No skill") else "met"
    return Proof(status, f"{verdict} (card of {on.isoformat()}).", rows, on)


def _voice_heard(facts: Facts, values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
    """Silence is unknown, not neutral; how long ago the last word was is a matter of freshness."""
    if not facts.get("is_voice_fed"):
        return not_fed("what customers say")
    voices, score, last = count(facts, "sentiment_voices"), facts.get("sentiment_score"), facts.get("sentiment_last_on")
    if not voices or score is None or last is None:
        return Proof("unknown", "The customer said nothing in a year.")
    status: Status = "met" if score >= values["at_least"] else "unmet"
    return Proof(status, f"Sentiment {score:+.2f} from {voices} voices, the last on {last.isoformat()} (-1 to 1; what is old weighs less).", (), last)


RULES: dict[str, Rule] = {
    "indicators_fresh": Rule(_indicators_fresh, frozenset({"share"})),
    "features_seen": Rule(_features_seen, frozenset({"share"})),
    "score_calibrated": Rule(_score_calibrated, frozenset({"max_age_days"})),
    "voice_heard": Rule(_voice_heard, frozenset({"at_least"})),
}
