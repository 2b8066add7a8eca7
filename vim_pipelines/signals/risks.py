"""The risks of an account, emitted by rules that are data, each with what it saw, the threshold it used and how large the effect is.

A closed list on purpose: a text that names a risk outside it is caught as invented (GUARDRAILS.md section 3). A rule sees measures
only; a measure that is unknown satisfies no condition, so taking evidence away can only take a risk away.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vim_pipelines.core.errors import VimError
from vim_pipelines.core.hashing import canonical_json
from vim_pipelines.core.severities import SEVERITIES
from vim_pipelines.core.yaml_lines import did_you_mean, load_with_lines, wrong_line

if TYPE_CHECKING:
    import pandas as pd

    from vim_pipelines.signals.vectors import Vector

PATH = Path(__file__).with_name("risk_rules.yaml")


#: Every measure that a rule may name. `run.measure_frame` builds exactly these columns; a test compares the two.
MEASURES: tuple[str, ...] = (
    "seats_contracted", "active_users_28d", "utilization_28d", "shelfware_seats", "shelfware_share", "contract_age_days", "days_to_opt_out", "days_to_renewal",
    "used_features", "entitled_features", "feature_breadth", "last_activity_date",
    "n_weeks", "cv", "cv_robust", "dispersion_index", "dispersion_p", "rho", "recent_median", "prior_median", "drop_ratio", "drop_p", "decline_ratio", "decline_p",
    "fall", "fall_p", "fall_rank", "lifecycle_stage", "gap_days", "median_gap_days", "gap_p", "is_spiky", "is_gapped", "is_dropping",
    "tickets_4w", "baseline_sum", "phi", "growth", "spike_p_value", "spike_ratio", "spike_is_alert", "spike_is_watch",
    "tickets_90d", "tickets_open", "weighted_load", "open_p1", "oldest_open_p1_days", "sla_tickets_90d", "sla_breached_90d", "sla_breach_rate", "sla_p",
    "top_user_share", "value_actions_28d", "contacts_active", "renewals_open", "renewals_signed", "days_since_talk", "last_talk_on", "talks_ahead", "stake_annual",
    "sponsors_active", "sponsors_left", "sponsor_left_on", "fttv_days_late", "fttv_due_on",
    "handoff_fields_missing", "handoff_fields_expected", "handoff_missing_fields", "notice_is_open", "notice_is_whole", "notice_on", "stale_feeds", "stale_feed_names",
)  # fmt: skip

OPERATORS = (">=", ">", "<=", "<", "==")
# Anything in braces is a slot: a misspelt one must fail on load, not stand in a sentence.
_SLOT = re.compile(r"\{(?P<name>[^{}|]*)(?:\|(?P<form>[^{}]*))?\}")
_FORMS = ("number", "percent", "ratio", "p", "date", "text")


@dataclass(frozen=True)
class Condition:
    """`measure op limit`; the limit is `value`, or `share` of the measure `share_of`."""

    measure: str
    op: str
    value: float | None
    share_of: str | None
    share: float | None

    def holds(self, frame: pd.DataFrame) -> pd.Series:
        """Element-wise; False where a side is unknown."""
        import operator

        import pandas as pd

        left = frame[self.measure].to_numpy(dtype=float)
        right: Any = self.value if self.share_of is None else frame[self.share_of].to_numpy(dtype=float) * float(self.share or 0.0)
        compare = {">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt, "==": operator.eq}[self.op]
        return pd.Series(compare(left, right), index=frame.index)  # a comparison with NaN is False

    def as_data(self) -> dict[str, Any]:
        """The condition as it is stored beside the risk."""
        limit: dict[str, Any] = {"value": self.value} if self.share_of is None else {"share_of": self.share_of, "share": self.share}
        return {"measure": self.measure, "op": self.op, **limit}


@dataclass(frozen=True)
class RiskRule:
    """One entry of risk_rules.yaml."""

    rule_id: str
    version: str
    title: str
    all_of: tuple[Condition, ...]
    any_of: tuple[tuple[Condition, ...], ...]
    severities: tuple[tuple[str, tuple[Condition, ...]], ...]
    inputs: tuple[str, ...]
    p_value: str | None
    effect: str | None
    summary: str
    #: From this severity on, a fact that no capacity may cut; None: any risk of the rule may be cut.
    never_cut_from: str | None = None

    def threshold(self) -> dict[str, Any]:
        """The conditions as data."""
        data: dict[str, Any] = {"all": [condition.as_data() for condition in self.all_of]}
        if self.any_of:
            data["any"] = [[condition.as_data() for condition in group] for group in self.any_of]
        return data


@dataclass(frozen=True)
class RuleBook:
    """The content of risk_rules.yaml. `false_discovery_level`: the q-value up to which a statistical risk counts."""

    rules: tuple[RiskRule, ...]
    false_discovery_level: float


def load_rules(path: Path = PATH) -> tuple[RiskRule, ...]:
    """The rules of `load_book`."""
    return load_book(path).rules


@lru_cache
def load_book(path: Path = PATH) -> RuleBook:
    """Read and check the file; VIM-E005 names the file, the line and what is wrong there."""
    data = load_with_lines(path)
    entries = data.get("rules") if isinstance(data, Mapping) else None
    if not isinstance(entries, list) or not entries:
        raise VimError("VIM-E005", f"{path.name} has no list called `rules`", fix=f"Restore {path.name}")
    rules = tuple(_rule(entry, path) for entry in entries)
    seen: set[str] = set()
    for rule, entry in zip(rules, entries, strict=True):
        if rule.rule_id in seen:
            raise wrong_line(path, entry, f"the rule {rule.rule_id} stands there twice")
        seen.add(rule.rule_id)
    level = data.get("false_discovery_level")
    if isinstance(level, bool) or not isinstance(level, int | float) or not 0 < level <= 1:
        raise wrong_line(path, data, f"`false_discovery_level` is {level!r}; it must be a share above 0 and at most 1")
    return RuleBook(rules, float(level))


def family(rules: Sequence[RiskRule]) -> tuple[str, ...]:
    """The tests of a run: each measure that a rule names as its p-value, once, in the order of the rules."""
    return tuple(dict.fromkeys(rule.p_value for rule in rules if rule.p_value is not None))


def q_values(frame: pd.DataFrame, rules: Sequence[RiskRule]) -> dict[str, Vector]:
    """q-value of every test of every account, by the name of its p-value; NaN where no test was made.

    Benjamini-Hochberg (1995) over the pooled tests of the run, rung or not. Pooled, because the promise is about the list that a
    team reads: of what stands there as a statistical claim at most the level is expected to be false, whichever rule said it. The
    tests of one account depend on each other positively, under which the procedure holds its level.
    """
    import numpy as np

    from vim_pipelines.signals.muri import benjamini_hochberg

    names = family(rules)
    pooled = benjamini_hochberg(np.concatenate([frame[name].to_numpy(dtype=float) for name in names])) if names else np.empty(0)
    return dict(zip(names, np.split(pooled, len(names)), strict=True)) if names else {}


def evaluate(frame: pd.DataFrame, rules: Sequence[RiskRule], false_discovery_level: float | None = None) -> list[dict[str, Any]]:
    """Every risk of every account, ordered by account and rule. `frame`: one row per account, column `account_key` and `MEASURES`.

    `risk_status` is `open`, or `held_back` where the q-value is above the level (default: the shipped book's): such a row is kept to
    be looked at and is no claim. A statistical rule that rang without a p-value (a silence of an account too new to have a rhythm)
    rests on its fixed limits alone and is open.
    """
    found: list[dict[str, Any]] = []
    level = load_book().false_discovery_level if false_discovery_level is None else false_discovery_level
    q = q_values(frame, rules)
    for rule in rules:
        hit = _all(frame, rule.all_of)
        if rule.any_of:
            alternatives = [_all(frame, group) for group in rule.any_of]
            hit &= alternatives[0] if len(alternatives) == 1 else _either(alternatives)
        if not hit.any():
            continue
        rows = frame[hit]
        own_q = q[rule.p_value][hit.to_numpy()] if rule.p_value else None
        severity = _severity(rows, rule)
        threshold = canonical_json(rule.threshold())
        records: list[dict[str, Any]] = [{str(name): value for name, value in row.items()} for row in rows.to_dict("records")]
        for position, values in enumerate(records):
            plain = {name: _plain(values[name]) for name in rule.inputs}
            q_value = None if own_q is None or own_q[position] != own_q[position] else float(own_q[position])
            found.append(
                {
                    "account_key": values["account_key"], "rule_id": rule.rule_id, "rule_version": rule.version, "severity": severity[position],
                    "inputs": canonical_json(plain), "threshold": threshold,
                    "p_value": _number(values, rule.p_value), "effect": _number(values, rule.effect), "summary": render(rule.summary, values),
                    "q_value": q_value, "risk_status": "held_back" if q_value is not None and q_value > level else "open",
                    "is_never_cut": rule.never_cut_from is not None and SEVERITIES.index(severity[position]) >= SEVERITIES.index(rule.never_cut_from),
                }
            )  # fmt: skip
    order = {rule.rule_id: position for position, rule in enumerate(rules)}
    return sorted(found, key=lambda risk: (risk["account_key"], order[risk["rule_id"]]))


def render(template: str, values: Mapping[str, Any]) -> str:
    """The template with its slots filled; an unknown value reads 'unknown'."""

    def fill(match: re.Match[str]) -> str:
        return _shown(_plain(values[match["name"]]), match["form"] or "number")

    return _SLOT.sub(fill, template)


def _shown(value: Any, form: str) -> str:
    if value is None:
        return "unknown"
    if form in ("date", "text"):
        return value.isoformat() if isinstance(value, date) else str(value)
    if form == "p":
        return "< 0.0001" if value < 0.0001 else f"= {value:.4f}".rstrip("0")
    exact = Decimal(str(value))
    if form == "percent":
        return f"{(exact * 100).quantize(Decimal(1), rounding=ROUND_HALF_UP)} %"
    if form == "ratio":
        return f"{exact.quantize(Decimal('0.01'), rounding=ROUND_HALF_UP)}"
    whole = exact.quantize(Decimal("0.1"), rounding=ROUND_HALF_UP)
    return f"{int(whole)}" if whole == int(whole) else f"{whole}"


def _plain(value: Any) -> Any:
    """A value as JSON and people take it: NaN and NaT are None, whole floats integers, floats at six significant digits."""
    if value is None or value != value:
        return None
    if isinstance(value, bool | str):
        return value
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    number = float(value)
    return int(number) if number.is_integer() and abs(number) < 2**53 else float(f"{number:.6g}")


def _number(values: Mapping[str, Any], measure: str | None) -> float | None:
    if measure is None:
        return None
    value = values[measure]
    return None if value is None or value != value else float(value)


def _all(frame: pd.DataFrame, conditions: Sequence[Condition]) -> pd.Series:
    import pandas as pd

    result = pd.Series(True, index=frame.index)
    for condition in conditions:
        result &= condition.holds(frame)
    return result


def _either(groups: Sequence[pd.Series]) -> pd.Series:
    result = groups[0].copy()
    for group in groups[1:]:
        result |= group
    return result


def _severity(rows: pd.DataFrame, rule: RiskRule) -> list[str]:
    result: list[str | None] = [None] * len(rows)
    for severity, conditions in rule.severities:
        for position, holds in enumerate(_all(rows, conditions).tolist()):
            if holds and result[position] is None:
                result[position] = severity
    return [severity or rule.severities[-1][0] for severity in result]


def _rule(entry: Any, path: Path) -> RiskRule:
    if not isinstance(entry, Mapping):
        raise VimError("VIM-E005", f"{path.name}: an entry of `rules` is not a mapping", fix=f"Correct {path.name}")
    for name in ("id", "version", "title", "when", "severity", "inputs", "summary"):
        if name not in entry:
            raise wrong_line(path, entry, f"the rule {entry.get('id', '?')} has no `{name}`")
    when = entry["when"]
    unknown = set(entry) - {"id", "version", "title", "when", "severity", "inputs", "summary", "p_value", "effect", "never_cut_from", "__line__"}
    if unknown:
        raise wrong_line(path, entry, f"the rule {entry['id']} has an entry `{min(unknown)}` that means nothing")
    all_of = tuple(_condition(item, path) for item in when.get("all", []))
    any_of = tuple(tuple(_condition(item, path) for item in group) for group in when.get("any", []))
    if not all_of and not any_of:
        raise wrong_line(path, entry, f"the rule {entry['id']} has no condition: it would accuse every account")
    severities = []
    for item in entry["severity"]:
        if item.get("severity") not in SEVERITIES:
            raise wrong_line(path, item, f"severity {item.get('severity')!r} is none of {', '.join(SEVERITIES)}")
        severities.append((str(item["severity"]), tuple(_condition(condition, path) for condition in item.get("all", []))))
    if severities[-1][1]:
        raise wrong_line(path, entry, f"the last severity of {entry['id']} must hold without a condition")
    if entry.get("never_cut_from") not in (None, *SEVERITIES):
        raise wrong_line(path, entry, f"never_cut_from {entry['never_cut_from']!r} is none of {', '.join(SEVERITIES)}")
    for measure in [*entry["inputs"], *(entry[name] for name in ("p_value", "effect") if entry.get(name))]:
        _known(measure, path, entry)
    for match in _SLOT.finditer(entry["summary"]):
        _known(match["name"], path, entry)
        if (match["form"] or "number") not in _FORMS:
            raise wrong_line(path, entry, f"the summary of {entry['id']} uses the form `{match['form']}`, which is none of {', '.join(_FORMS)}")
    return RiskRule(
        str(entry["id"]), f"{entry['id']}-{entry['version']}", str(entry["title"]), all_of, any_of, tuple(severities),
        tuple(entry["inputs"]), entry.get("p_value"), entry.get("effect"), str(entry["summary"]), entry.get("never_cut_from"),
    )  # fmt: skip


def _condition(item: Any, path: Path) -> Condition:
    if not isinstance(item, Mapping) or "measure" not in item:
        raise VimError("VIM-E005", f"{path.name}: a condition has no `measure`", fix=f"Correct {path.name}")
    _known(item["measure"], path, item)
    if item.get("op") not in OPERATORS:
        raise wrong_line(path, item, f"the operator {item.get('op')!r} is none of {' '.join(OPERATORS)}")
    if ("value" in item) == ("share_of" in item):
        raise wrong_line(path, item, "a condition needs either `value`, or `share_of` with `share`")
    if "share_of" in item:
        _known(item["share_of"], path, item)
        return Condition(item["measure"], item["op"], None, item["share_of"], _float(item.get("share"), path, item))
    return Condition(item["measure"], item["op"], _float(item["value"], path, item), None, None)


def _float(value: Any, path: Path, item: Mapping[str, Any]) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong_line(path, item, f"{value!r} is not a number")
    return float(value)


def _known(measure: Any, path: Path, item: Mapping[str, Any]) -> None:
    if measure not in MEASURES:
        raise wrong_line(path, item, f"there is no measure called {measure!r}" + did_you_mean(str(measure), MEASURES))
