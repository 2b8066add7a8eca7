"""Why a score and its band are what they are, in words: the first question that anybody asks of a number that moved.

Pure: plain values of one account in, one text out. Every figure in it stands in a column of the same row or its contributions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vim_pipelines.signals.scores import ScoreRules

NOUNS: dict[str, str] = {
    "shelfware": "seats beyond need", "drop": "falling use", "scatter": "erratic use", "gap": "silence in use", "ticket_surge": "ticket surge",
    "ticket_load": "ticket load",
}  # fmt: skip
FLOOR_WORDS: dict[str, str] = {
    "notice_served": "notice served", "auto_renew_switched_off": "auto-renew switched off", "aged_p1_before_opt_out": "aged P1 before the opt-out",
    "never_activated": "never activated",
}  # fmt: skip
#: Movers named in a text, and the smallest that is worth a word (in points).
MAX_MOVERS = 4
SMALLEST_MOVE = 0.05


@dataclass(frozen=True)
class Mover:
    """Something that moved the score: `label` as it begins the phrase, points, and what happened."""

    label: str
    change: float
    what: str


@dataclass(frozen=True)
class Audit:
    """What the text needs to know about one audit of one account. `band` and `held` are names; NaN and None are unknown."""

    as_of: date
    lean_risk: float
    coverage: float
    band: str
    held: str | None
    asked: str | None
    reason: str
    floor_reason: str | None
    is_capped: bool


def what_happened(measure: str, before: float, after: float, change: float) -> str:
    """The change of one measure's sub-score in words; NaN is not measured."""
    noun = NOUNS[measure]
    if before != before and after != after:
        return f"{noun} not measured"
    if before != before:
        return f"{noun} now measured"
    if after != after:
        return f"{noun} no longer measured"
    if before == after:
        return f"{noun} unchanged, weighs {'more' if change > 0 else 'less'}"
    return f"{noun} {'began' if before == 0 else 'ended' if after == 0 else 'grew' if after > before else 'eased'}"


def shown(score: float) -> str:
    """A score as it is told; NaN is no score."""
    return "no score" if score != score else f"{score:.1f}"


def score_text(now: Audit, previous_on: date | None, previous_risk: float, movers: Sequence[Mover], rules: ScoreRules) -> str:
    """The sentence about the score: value, change since the last audit, and the largest movers."""
    if now.lean_risk != now.lean_risk:
        was = f" (was {previous_risk:.1f} on {previous_on})" if previous_on is not None and previous_risk == previous_risk else ""
        return f"No score{was}: {_percent(now.coverage)} of the weights measured, {_percent(rules.min_score)} needed."
    if previous_on is None:
        return f"{now.lean_risk:.1f}; no audit in the {rules.memory_days} days before."
    if previous_risk != previous_risk:
        return f"{now.lean_risk:.1f} after no score on {previous_on}."
    change = round(now.lean_risk - previous_risk, 2)
    told = sorted((mover for mover in movers if abs(mover.change) >= SMALLEST_MOVE), key=lambda mover: (-abs(mover.change), mover.label, mover.what))
    if abs(change) < SMALLEST_MOVE and not told:
        return f"{now.lean_risk:.1f}, unchanged since {previous_on}."
    direction = "up" if change > 0 else "down"
    moved = f"{direction} {abs(change):.1f}" if abs(change) >= SMALLEST_MOVE else "unchanged"
    listed = "; ".join(f"{mover.label} {mover.change:+.1f}: {mover.what}" for mover in told[:MAX_MOVERS])
    more = f"; {len(told) - MAX_MOVERS} smaller" if len(told) > MAX_MOVERS else ""
    return f"{now.lean_risk:.1f}, {moved} since {previous_on}: {listed}{more}." if listed else f"{now.lean_risk:.1f}, {moved} since {previous_on}."


def band_text(now: Audit, previous_band: str | None, rules: ScoreRules) -> str:
    """The sentence about the band: that it changed, or why it did not; empty where there is nothing to say."""
    cap = f" Red is capped at yellow: {_percent(now.coverage)} of the weights measured, {_percent(rules.min_red)} needed." if now.is_capped else ""
    match now.reason:
        case "first":
            floor = f": {FLOOR_WORDS[now.floor_reason]}" if now.floor_reason else ""
            return f"Band {now.band}{floor}.{cap}"
        case "floor":
            return f"Band {now.band} at once: {FLOOR_WORDS.get(now.floor_reason or '', 'a fact of the contract')}.{cap}"
        case "changed":
            return f"Band {now.band} (was {previous_band or 'unknown'}): asked for by two audits in a row.{cap}"
        case "waiting":
            return f"Band held at {now.band}: {now.asked} is asked for, but not yet by two audits in a row.{cap}"
        case "hysteresis":
            leave = rules.red_leave if now.band == "red" else rules.yellow_leave
            return f"Band held at {now.band}: it is left only below {leave:.0f}.{cap}"
        case "unknown":
            return f"Band unknown{f', {now.held} remembered' if now.held else ''}."
    return cap.strip()


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
