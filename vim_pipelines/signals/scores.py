"""Sub-scores of Muda, Mura and Muri, the lean risk made of them, and its band.

Unknown is not zero: a dimension that was not measured gives its weight to the others, the share that was measured is printed as
coverage, and below 40 % there is no score at all. The numbers stand in `scores.yaml`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vim_pipelines.core.errors import VimError
from vim_pipelines.signals.mura import RULE

if TYPE_CHECKING:
    from vim_pipelines.signals.vectors import Vector

PATH = Path(__file__).with_name("scores.yaml")
FLOORS = ("notice_served", "auto_renew_switched_off", "aged_p1_before_opt_out", "never_activated")
#: Floors that rest on contract facts alone and so hold even where nothing else was measured.
CONTRACT_FLOORS = ("notice_served", "auto_renew_switched_off")


@dataclass(frozen=True)
class ScoreRules:
    """The content of scores.yaml."""

    version: str
    muda: Mapping[str, Any]
    mura: Mapping[str, Mapping[str, float]]
    weights: Mapping[str, float]
    largest_share: float
    min_score: float
    min_red: float
    floors: Mapping[str, float]
    floor_limits: Mapping[str, float]
    red: float
    red_leave: float
    yellow: float
    yellow_leave: float
    memory_days: int


@dataclass(frozen=True)
class Scores:
    """One value per account. `lean_risk` NaN means no score, and then `risk_band` is 'unknown'.

    `risk_band` is the raw band of the score, before hysteresis (`bands.py`). `blended` is the score before any floor. `weights` are
    the weights after redistribution, accounts x (muda, mura, muri), 0 where not measured.
    """

    muda: Vector
    mura: Vector
    muri: Vector
    lean_risk: Vector
    coverage: Vector
    risk_band: list[str]
    floor_reason: list[str | None]
    blended: Vector
    weights: Any
    #: Whether the coverage, or a contract floor, allows the band red; and whether a contract floor applies at all.
    may_be_red: Any
    has_contract_floor: Any


@lru_cache
def load_score_rules(path: Path = PATH) -> ScoreRules:
    """Read and check the file; VIM-E005 names what is wrong."""
    import yaml

    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        rules = ScoreRules(
            version=str(data["score_version"]), muda=data["muda"], mura=data["mura"], weights={name: float(data["weights"][name]) for name in ("muda", "mura", "muri")},
            largest_share=float(data["largest_share"]), min_score=float(data["coverage"]["min_score"]), min_red=float(data["coverage"]["min_red"]),
            floors={name: float(data["floors"][name]) for name in FLOORS}, floor_limits=data["floor_limits"],
            red=float(data["bands"]["red"]), red_leave=float(data["bands"]["red_leave"]), yellow=float(data["bands"]["yellow"]),
            yellow_leave=float(data["bands"]["yellow_leave"]), memory_days=int(data["bands"]["memory_days"]),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        raise VimError(
            "VIM-E005", f"{path.name} is wrong", why=str(error).replace("\n", " "), fix=f"Correct {path.name}; the shipped file shows every entry"
        ) from None
    if abs(sum(rules.weights.values()) - 1.0) > 1e-9:
        raise VimError(
            "VIM-E005", f"{path.name} is wrong", why="The weights of muda, mura and muri do not add up to 1", fix=f"Correct `weights` in {path.name}"
        )
    if not 0 < rules.yellow_leave <= rules.yellow < rules.red <= 100 or not rules.yellow <= rules.red_leave <= rules.red or rules.memory_days < 1:
        why = "The bands need 0 < yellow < red <= 100, each `leave` at or below its own band (red_leave not below yellow), and memory_days of 1 or more"
        raise VimError("VIM-E005", f"{path.name} is wrong", why=why, fix=f"Correct `bands` in {path.name}")
    return rules


def muda_score(shelfware_seats: Vector, seats: Vector, contract_age_days: Vector, rules: ScoreRules) -> Vector:
    """0 to 100: gap between seats in need (with headroom) and seats expected in use at this age. NaN without seats or in the first days."""
    import numpy as np

    from vim_pipelines.signals.vectors import ratio

    age = np.asarray(contract_age_days, dtype=float)
    steps = sorted((float(day), float(share)) for day, share in rules.muda["expected_share"].items())
    expected = np.select([age >= day for day, _ in reversed(steps)], [share for _, share in reversed(steps)], default=np.nan)
    expected = np.where(age >= float(rules.muda["min_age_days"]), expected, np.nan) * np.asarray(seats, dtype=float)
    needed = np.asarray(seats, dtype=float) - np.asarray(shelfware_seats, dtype=float)
    return 100.0 * np.clip(ratio(np.maximum(expected - needed, 0.0), expected) / float(rules.muda["full_share"]), 0.0, 1.0)


def mura_score(findings: Mapping[str, Vector], rules: ScoreRules) -> Vector:
    """0 to 100: the largest finding; 0 where nothing was found, NaN where no flag was measured. `findings` as for `mura_points`."""
    import numpy as np

    worst: Vector = np.fmax.reduce(list(mura_points(findings, rules).values()))
    return worst


def mura_points(findings: Mapping[str, Vector], rules: ScoreRules) -> dict[str, Vector]:
    """0 to 100 for each finding (drop, scatter, gap), NaN where its flag was not measured.

    `findings`: is_spiky, is_gapped, is_dropping (1, 0, NaN), cv, gap_days, fall (the more negative of drop_ratio and decline_ratio).
    """
    import numpy as np

    def points(flag: Vector, size: Vector, start: float, full: float, scale: Mapping[str, float]) -> Vector:
        depth = np.clip((np.asarray(size, dtype=float) - start) / (full - start), 0.0, 1.0)
        return np.where(np.isnan(flag), np.nan, np.where(flag == 1.0, scale["at_flag"] + np.nan_to_num(depth) * (scale["at_full"] - scale["at_flag"]), 0.0))

    drop, spiky, gap = rules.mura["drop"], rules.mura["spiky"], rules.mura["gap"]
    return {
        "drop": points(findings["is_dropping"], findings["fall"], RULE.drop_ratio, drop["full_ratio"], drop),
        "scatter": points(findings["is_spiky"], findings["cv"], RULE.cv_floor, spiky["full_cv"], spiky),
        "gap": points(findings["is_gapped"], findings["gap_days"], float(RULE.gap_floor_days), gap["full_days"], gap),
    }


def combine(muda: Vector, mura: Vector, muri: Vector, floors: Mapping[str, Any], rules: ScoreRules) -> Scores:
    """Lean risk, coverage, floors and band from the sub-scores. `floors`: name to a boolean vector (unknown is False)."""
    import numpy as np

    parts = np.stack([np.asarray(muda, dtype=float), np.asarray(mura, dtype=float), np.asarray(muri, dtype=float)], axis=1)
    weights = np.array([rules.weights[name] for name in ("muda", "mura", "muri")])
    measured = np.isfinite(parts)
    coverage = np.round((measured * weights).sum(axis=1), 4)
    moved = measured * weights / np.where(coverage > 0, coverage, 1.0)[:, None]
    weighted = (np.where(measured, parts, 0.0) * moved).sum(axis=1)
    largest = np.where(measured, parts, 0.0).max(axis=1)
    blended = rules.largest_share * largest + (1.0 - rules.largest_share) * weighted
    risk: Any = np.where(coverage >= rules.min_score, blended, np.nan)

    floor = np.full(len(parts), -1.0)
    reasons: list[str | None] = [None] * len(parts)
    from_contract = np.zeros(len(parts), dtype=bool)
    for name in FLOORS:
        applies = np.asarray(floors[name], dtype=bool) & (name in CONTRACT_FLOORS or np.isfinite(risk))
        raises = applies & (rules.floors[name] > np.fmax(floor, np.nan_to_num(risk, nan=-1.0)))
        floor = np.where(raises, rules.floors[name], floor)
        from_contract |= applies & (name in CONTRACT_FLOORS)
        for position in np.flatnonzero(raises):
            reasons[position] = name
    risk = np.round(np.where(floor >= 0, np.fmax(risk, floor), risk), 2)
    may_be_red = (coverage >= rules.min_red) | from_contract
    bands = [
        "unknown" if value != value else "red" if value >= rules.red and full else "yellow" if value >= rules.yellow else "green"
        for value, full in zip(risk.tolist(), may_be_red.tolist(), strict=True)
    ]
    rounded: Any = np.round(parts, 2)
    return Scores(
        rounded[:, 0],
        rounded[:, 1],
        rounded[:, 2],
        risk,
        coverage,
        bands,
        reasons,
        np.where(coverage >= rules.min_score, blended, np.nan),
        moved,
        may_be_red,
        from_contract,
    )
