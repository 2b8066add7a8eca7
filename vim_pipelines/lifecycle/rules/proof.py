"""What every rule of the lifecycle is made of: its answer, the proof it gives, and the small words that all rules share.

A rule is a pure function of one account's facts (the columns of the evidence models), so that it can be argued about in a test. It answers
met, unmet or unknown; waivers, answers of persons and age are the same for all rules and are seen to in `lifecycle.requirements`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

Status = Literal["met", "unmet", "waived", "unknown", "stale"]
PASSING: frozenset[str] = frozenset({"met", "waived"})

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Proof:
    """What a rule found: its answer, why in words, the rows that show it as (entity, key), and the day the proof is from.

    `who`: who is chased, where that is somebody else than the map says (a request that was escalated).
    """

    status: Status
    text: str
    rows: tuple[tuple[str, str], ...] = ()
    seen_on: date | None = None
    who: str | None = None


@dataclass(frozen=True)
class Rule:
    """A way to prove a requirement. `needs`: names of the values it takes from phases.yaml."""

    judge: Callable[[Facts, Mapping[str, Any], date, frozenset[str]], Proof]
    needs: frozenset[str] = frozenset()


def row_of(entity: str, key: Any) -> tuple[tuple[str, str], ...]:
    """The row that proves something, or none."""
    return ((entity, str(key)),) if key is not None else ()


def not_fed(kind: str) -> Proof:
    """Unknown, because nobody in the whole portfolio keeps this kind of record."""
    return Proof("unknown", f"No source records {kind}: no account of the portfolio has any.")


def count(facts: Facts, name: str) -> int:
    """A count that the evidence holds; where it holds none, nothing was counted."""
    return int(facts.get(name) or 0)


def percent(share: float) -> str:
    """Rounded down: 75.04 % must not read as 76 %, nor 74.9 % as 75 % reached."""
    from decimal import ROUND_FLOOR, Decimal

    return f"{(Decimal(str(share)) * 100).quantize(Decimal('0.1'), rounding=ROUND_FLOOR).normalize():f} %"


def meeting_held(facts: Facts, kind: str, name: str) -> Proof:
    """Whether a meeting of this kind was held; the rules of the handoff and of the kickoff ask the same."""
    if not facts.get(f"is_{kind}_meeting_fed"):
        return not_fed(f"{name}s")
    held = facts.get(f"{kind}_meeting_held_on")
    if held is None:
        return Proof("unmet", f"No {name} was held.")
    return Proof("met", f"The {name} was held on {held.isoformat()}.", row_of("meeting", facts.get(f"{kind}_meeting_key")), held)


def number(value: Any) -> str:
    """A measured value without trailing zeros: 12, 6.5."""
    return f"{float(value):.4f}".rstrip("0").rstrip(".")


def by_segment(facts: Facts, days: Mapping[str, Any]) -> int:
    """The number of the account's segment, or that of `other`."""
    return int(days.get(str(facts.get("account_segment")), days["other"]))


def serious_risks(facts: Facts) -> str:
    """The serious open risks in words, for a sentence of proof."""
    if not facts.get("is_risk_judged"):
        return "the risks of the day were not judged"
    return f"Serious risks open: {facts.get('serious_risk_rules')}" if count(facts, "serious_risks_open") else "No serious risk is open"
