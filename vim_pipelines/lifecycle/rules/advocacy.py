"""Phase 10, Advocacy: what the customer agreed to say or do for us. Nobody is asked while a serious risk is open."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from vim_pipelines.lifecycle.rules.proof import Facts, Proof, Rule, count, not_fed, row_of, serious_risks

LACKING = {
    "asked": "It was asked for and is not answered.",
    "declined": "The customer declined.",
    "withdrawn": "The consent was withdrawn.",
    "expired": "The consent has run out.",
    "ahead": "The consent begins later.",
}


def may_ask(facts: Facts) -> bool:
    """Whether a favour may be asked of the customer tonight: not while a serious risk is open, nor where risks were not judged."""
    return bool(facts.get("is_risk_judged")) and not count(facts, "serious_risks_open")


def _agreed(name: str, what: str, plural: str) -> Callable[[Facts, Mapping[str, Any], date, frozenset[str]], Proof]:
    """The rule for one kind of reference: recorded, in force on the day, not withdrawn."""

    def judge(facts: Facts, _values: Mapping[str, Any], _as_of: date, _waived: frozenset[str]) -> Proof:
        if not facts.get(f"is_{name}_fed"):
            return not_fed(plural)
        on, until = facts.get(f"{name}_on"), facts.get(f"{name}_expires_on")
        if facts.get(f"{name}_key") is not None:
            since = f" on {on.isoformat()}" if on else ""
            limit = f", until {until.isoformat()}" if until else ""
            return Proof("met", f"{what} is recorded{since}{limit}.", row_of("reference", facts[f"{name}_key"]), on)
        why = LACKING.get(str(facts.get(f"{name}_lacking")), "")
        held = "" if may_ask(facts) else f" Not to be asked for now: {serious_risks(facts)}."
        return Proof("unmet", f"{what} is not recorded.{' ' + why if why else ''}{held}")

    return judge


RULES: dict[str, Rule] = {
    "reference_consented": Rule(_agreed("reference_consent", "Consent to be a reference", "consents to be a reference")),
    "on_advisory_board": Rule(_agreed("advisory_board", "A seat on the advisory board", "seats on an advisory board")),
    "public_review_given": Rule(_agreed("public_review", "A public review", "public reviews")),
    "in_product_council": Rule(_agreed("product_council", "A part in the product council", "product councils")),
}
