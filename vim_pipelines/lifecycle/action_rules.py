"""What the ranking of next best actions knows of each line of the map: data, read once and checked, with the line of what is wrong.

The file weighs actions and never adds one: what is not a requirement of phases.yaml cannot stand in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from vim_pipelines.core.errors import VimError
from vim_pipelines.core.severities import SEVERITIES
from vim_pipelines.core.yaml_lines import check_keys, did_you_mean, load_with_lines, wrong_line
from vim_pipelines.lifecycle.phases import load_map

PATH = Path(__file__).with_name("next_best_actions.yaml")

STAKES = ("arr", "waste")
#: A slot of the team's week is remembered on the row that took it, so an ended action stays listed at least this long.
SHORTEST_COOL_DOWN = 7
_FIELDS = ("effort_hours", "chance", "at_stake", "share", "due_days", "window_days", "cool_down_days")
_TOP = ("version", "prior_weight", "dismissed_days", "urgency", "median", "severity_shares", "default", "requirements", "risks")


@dataclass(frozen=True)
class ActionRule:
    """How one requirement's action is weighed. Hours, days; `chance` and `share` between 0 and 1."""

    effort_hours: float
    chance: float
    at_stake: str
    share: float
    due_days: int
    window_days: int
    cool_down_days: int
    superseded_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class ActionRules:
    """The checked file. `requirements` has an entry for every requirement of the map, the default where the file has none; `risks` maps rule to requirement."""

    version: str
    prior_weight: float
    dismissed_days: int
    half_life_business_days: float
    urgency_floor: float
    median_min_accounts: int
    severity_shares: Mapping[str, float]
    requirements: Mapping[str, ActionRule]
    risks: Mapping[str, str]


@lru_cache
def load_action_rules(path: Path = PATH) -> ActionRules:
    """Read and check next_best_actions.yaml against the map; VIM-E005 names the line and what is wrong there."""
    data = load_with_lines(path)
    if not isinstance(data, Mapping):
        raise VimError("VIM-E005", f"{path.name} is not a mapping", fix=f"Restore {path.name}")
    check_keys(data, _TOP, (), path)
    urgency, median = data["urgency"], data["median"]
    check_keys(urgency, ("half_life_business_days", "floor"), (), path)
    check_keys(median, ("min_accounts",), (), path)
    known = {requirement.requirement_id: requirement for requirement in load_map().requirements}
    default = _rule(data["default"], {}, known, path)
    entries = _mapping(data, "requirements", path)
    rules = {name: default for name in known}
    for name, entry in entries.items():
        if name not in known:
            raise wrong_line(path, entry, f"{name} is no requirement of the map" + did_you_mean(name, list(known)))
        rules[name] = _rule(entry, data["default"], known, path, name)
    _check_order(rules, entries, path)
    return ActionRules(
        version=str(data["version"]),
        prior_weight=_number(data, "prior_weight", path, above=0),
        dismissed_days=_days(data, "dismissed_days", path),
        half_life_business_days=_number(urgency, "half_life_business_days", path, above=0),
        urgency_floor=_share(urgency, "floor", path),
        median_min_accounts=_days(median, "min_accounts", path),
        severity_shares=_severity_shares(data, path),
        requirements=rules,
        risks=_risks(data, known, path),
    )


def _rule(entry: Any, default: Mapping[str, Any], known: Mapping[str, Any], path: Path, name: str = "default") -> ActionRule:
    check_keys(entry, () if default else _FIELDS, (*_FIELDS, "superseded_by"), path)
    merged = {**default, **entry}
    if merged["at_stake"] not in STAKES:
        raise wrong_line(path, merged, f"`at_stake` of {name} is {merged['at_stake']!r}; it must be one of {', '.join(STAKES)}")
    before = merged.get("superseded_by", [])
    if not isinstance(before, list):
        raise wrong_line(path, merged, f"`superseded_by` of {name} must be a list")
    for other in before:
        if other not in known:
            raise wrong_line(path, merged, f"{other} is no requirement of the map" + did_you_mean(str(other), list(known)))
    rule = ActionRule(
        _number(merged, "effort_hours", path, above=0),
        _share(merged, "chance", path),
        merged["at_stake"],
        _share(merged, "share", path),
        _days(merged, "due_days", path),
        _days(merged, "window_days", path),
        _days(merged, "cool_down_days", path),
        tuple(before),
    )
    if not 0 < rule.chance < 1:
        raise wrong_line(path, merged, f"`chance` of {name} must lie between 0 and 1, both left out: no outcome could move it")
    if rule.cool_down_days < max(rule.window_days, SHORTEST_COOL_DOWN):
        raise wrong_line(
            path, merged, f"`cool_down_days` of {name} must be at least window_days and at least {SHORTEST_COOL_DOWN}: it would be asked again too soon"
        )
    return rule


def _check_order(rules: Mapping[str, ActionRule], entries: Mapping[str, Any], path: Path) -> None:
    """Nothing waits for itself, over however many steps."""
    for name in entries:
        seen, ahead = set(), list(rules[name].superseded_by)
        while ahead:
            other = ahead.pop()
            if other == name:
                raise wrong_line(path, entries[name], f"{name} is superseded by itself")
            if other not in seen:
                seen.add(other)
                ahead += rules[other].superseded_by


def _severity_shares(data: Mapping[str, Any], path: Path) -> dict[str, float]:
    entry = _mapping(data, "severity_shares", path)
    check_keys(data["severity_shares"], SEVERITIES, (), path)
    shares = {name: _share(entry, name, path, data["severity_shares"]) for name in SEVERITIES}
    if sorted(shares.values()) != list(shares.values()):
        raise wrong_line(path, data["severity_shares"], "`severity_shares` must not fall from low to critical")
    return shares


def _risks(data: Mapping[str, Any], known: Mapping[str, Any], path: Path) -> dict[str, str]:
    risks = _mapping(data, "risks", path)
    for rule_id, requirement_id in risks.items():
        if requirement_id not in known:
            raise wrong_line(path, data["risks"], f"{rule_id}: {requirement_id} is no requirement of the map" + did_you_mean(str(requirement_id), list(known)))
    return {str(rule_id): str(requirement_id) for rule_id, requirement_id in risks.items()}


def _mapping(data: Mapping[str, Any], name: str, path: Path) -> dict[str, Any]:
    value = data[name]
    if not isinstance(value, Mapping):
        raise wrong_line(path, data, f"`{name}` must be a mapping")
    return {key: item for key, item in value.items() if key != "__line__"}


def _number(item: Mapping[str, Any], name: str, path: Path, *, above: float) -> float:
    value = item[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > above:
        raise wrong_line(path, item, f"`{name}` must be a number above {above:g}, not {value!r}")
    return float(value)


def _share(item: Mapping[str, Any], name: str, path: Path, where: Mapping[str, Any] | None = None) -> float:
    value = item[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise wrong_line(path, where or item, f"`{name}` must lie between 0 and 1, not {value!r}")
    return float(value)


def _days(item: Mapping[str, Any], name: str, path: Path) -> int:
    value: Any = item[name]
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise wrong_line(path, item, f"`{name}` must be a positive whole number, not {value!r}")
    return int(value)
