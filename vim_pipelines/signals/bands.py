"""Which band an account stands in: the score with a memory, so that nobody is called red on Monday and yellow on Tuesday.

Two brakes. Hysteresis: a band is entered at one score and left only below a lower one. And a change needs two audits in a row that ask
for it in the same direction; the smaller of the two changes is made, because only that one was asked for twice. Facts of the contract
pass both brakes at once. `step` is a pure function of yesterday's memory and tonight's score.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vim_pipelines.signals.scores import ScoreRules
    from vim_pipelines.signals.vectors import Vector

BANDS = ("green", "yellow", "red")
#: Code of "no band": unknown, or nothing remembered.
NONE = -1

#: Why the band is what it is.
REASONS = ("steady", "first", "changed", "waiting", "hysteresis", "floor", "unknown")


@dataclass(frozen=True)
class Memory:
    """Per account: the band it holds (code in `BANDS`), what its last audit asked for (NONE: had no score), days since its last score."""

    held: Any
    asked: Any
    days_since_score: Vector


@dataclass(frozen=True)
class Step:
    """Per account: the band shown (NONE = unknown), the band held on to, what was asked for, and the reason."""

    shown: Any
    held: Any
    asked: Any
    reason: list[str]


def code(band: Any) -> int:
    """Code of a band's name; NONE for anything else."""
    return BANDS.index(band) if band in BANDS else NONE


def ask(lean_risk: Vector, held: Any, may_be_red: Any, rules: ScoreRules) -> Any:
    """The band that a score asks for, given the band that is held; NONE without a score. With nothing held: the raw band."""
    import numpy as np

    score = np.nan_to_num(np.asarray(lean_risk, dtype=float), nan=-1.0)
    is_red = np.asarray(may_be_red, dtype=bool) & ((score >= rules.red) | ((held == 2) & (score >= rules.red_leave)))
    is_yellow = (score >= rules.yellow) | ((held >= 1) & (score >= rules.yellow_leave))
    return np.select([score < 0, is_red, is_yellow], [NONE, 2, 1], default=0)


def step(memory: Memory, lean_risk: Vector, may_be_red: Any, has_contract_floor: Any, rules: ScoreRules) -> Step:
    """One audit. An account without a memory, or whose last score is older than `rules.memory_days`, starts with its raw band."""
    import numpy as np

    is_remembered = (memory.held >= 0) & (memory.days_since_score <= rules.memory_days)
    held = np.where(is_remembered, memory.held, NONE)
    before = np.where(is_remembered, memory.asked, NONE)
    asked = ask(lean_risk, held, may_be_red, rules)
    is_scored = asked >= 0
    both_up = (before > held) & (asked > held)
    both_down = (before >= 0) & (before < held) & (asked < held)
    moved = np.where(both_up, np.minimum(before, asked), np.where(both_down, np.maximum(before, asked), held))
    band = np.where(held < 0, asked, moved)
    jumps = is_scored & np.asarray(has_contract_floor, dtype=bool)
    band = np.where(jumps, asked, band)
    band = np.where(is_scored, band, held)
    raw = ask(lean_risk, np.full(len(held), NONE), may_be_red, rules)
    reason = np.select(
        [~is_scored, held < 0, jumps & (asked > held) & (moved != asked), band != held, asked != held, raw != held],
        ["unknown", "first", "floor", "changed", "waiting", "hysteresis"],
        default="steady",
    )
    # Without a score the old memory is kept as it was, as long as it lasts: a night without telemetry is not a recovery.
    return Step(np.where(is_scored, band, NONE), band, asked, [str(entry) for entry in reason.tolist()])
