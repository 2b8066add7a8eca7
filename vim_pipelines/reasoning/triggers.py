"""Which documents tonight's signals and risks call for, in which order, and what the team's capacity cuts.

The playbook says when; this module only evaluates. What is cut stays in the list: a Director must see what was not written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from vim_pipelines.core.severities import SEVERITIES
from vim_pipelines.reasoning.playbooks import ActionTest, Cause, Playbook, SignalTest

#: Weight by days to the opt-out deadline (METRICS.md section 4): the nearer, the heavier; unknown counts as far.
PROXIMITY = ((30, Decimal("1.0")), (90, Decimal("0.8")), (180, Decimal("0.5")), (365, Decimal("0.25")))
FAR = Decimal("0.1")


@dataclass(frozen=True)
class Selection:
    """One document that an account should get. `priority` is money at stake times nearness; None where the money is unknown."""

    account_key: str
    document: str
    reason: str
    priority: Decimal | None
    urgency: int
    is_cut: bool = False


@dataclass(frozen=True)
class _Account:
    """What a trigger may look at: the account's signals, its risks, its open actions, its phases (spine, exception and open overlays)."""

    signals: Mapping[str, Any]
    risks: Sequence[Mapping[str, Any]]
    actions: Sequence[Mapping[str, Any]]
    phases: frozenset[int]


def select_documents(
    signals: Iterable[Mapping[str, Any]],
    risks: Iterable[Mapping[str, Any]],
    playbooks: Mapping[str, Playbook],
    *,
    actions: Iterable[Mapping[str, Any]] = (),
    phases: Mapping[str, frozenset[int]] | None = None,
) -> list[Selection]:
    """Every (account, document) whose trigger holds, most urgent first.

    `signals` are rows of `marts.fct_account_signals`, `risks` of `marts.fct_risks` and `actions` of `computed.next_best_actions` (open ones),
    all of one as-of date; `phases` the phases that each account is in.
    Order: worst severity among the account's risks, then money at stake times nearness of the opt-out, then keys.
    """
    by_account: dict[str, list[Mapping[str, Any]]] = {}
    for risk in risks:
        by_account.setdefault(str(risk["account_key"]), []).append(risk)
    queue: dict[str, list[Mapping[str, Any]]] = {}
    for action in actions:
        queue.setdefault(str(action["account_key"]), []).append(action)
    found = []
    for row in signals:
        account = str(row["account_key"])
        own = by_account.get(account, [])
        facts = _Account(row, own, queue.get(account, ()), (phases or {}).get(account, frozenset()))
        for document, playbook in playbooks.items():
            cause = next((cause for cause in playbook.trigger.any_of if _holds(cause, facts, document)), None)
            if cause is not None and not any(_passes(test, row) for test in playbook.trigger.unless):
                found.append(Selection(account, document, cause.reason, _priority(playbook, row), _urgency(row, own)))
    return sorted(found, key=lambda item: (-item.urgency, item.priority is None, -(item.priority or Decimal(0)), item.account_key, item.document))


def cut_at_capacity(selections: Sequence[Selection], capacity: int) -> list[Selection]:
    """`selections` with `is_cut` set on those beyond the first `capacity`."""
    return [replace(selection, is_cut=position >= max(0, capacity)) for position, selection in enumerate(selections)]


def _holds(cause: Cause, account: _Account, document: str) -> bool:
    if not all(_passes(test, account.signals) for test in cause.signals):
        return False
    if cause.state is not None and not (account.phases if not cause.state.phases else account.phases & set(cause.state.phases)):
        return False
    if cause.action is not None and not any(_calls_for(cause.action, action, document) for action in account.actions):
        return False
    if cause.risk is None:
        return True
    return any(
        (not cause.risk.rules or risk["rule_id"] in cause.risk.rules) and (not cause.risk.severities or risk["severity"] in cause.risk.severities)
        for risk in account.risks
    )


def _calls_for(test: ActionTest, action: Mapping[str, Any], document: str) -> bool:
    if action["document"] != document or (test.requirements and action["requirement_id"] not in test.requirements):
        return False
    if test.first_of_account and action["account_rank"] != 1:
        return False
    return test.beyond_capacity or bool(action["is_in_capacity"])


def _passes(test: SignalTest, row: Mapping[str, Any]) -> bool:
    value = row.get(test.signal)
    if value is None or value != value:  # NaN
        return False
    if test.equals is not None and str(value) != test.equals:
        return False
    if test.above is not None and not Decimal(str(value)) > test.above:
        return False
    return test.at_most is None or Decimal(str(value)) <= test.at_most


def _urgency(row: Mapping[str, Any], risks: Sequence[Mapping[str, Any]]) -> int:
    worst = max((SEVERITIES.index(str(risk["severity"])) for risk in risks if risk["severity"] in SEVERITIES), default=-1)
    return max(worst, SEVERITIES.index("high") if row.get("risk_band") == "red" else -1)


def _priority(playbook: Playbook, row: Mapping[str, Any]) -> Decimal | None:
    stake = _number(row.get(playbook.trigger.stake))
    if stake is not None and playbook.trigger.times_risk:
        risk = _number(row.get("lean_risk"))
        stake = None if risk is None else stake * risk / 100
    if stake is None:
        return None
    days = _number(row.get("days_to_opt_out"))
    weight = FAR if days is None else next((weight for end, weight in PROXIMITY if days <= end), FAR)
    return (stake * weight).quantize(Decimal("0.01"))


def _number(value: Any) -> Decimal | None:
    if value is None:
        return None
    number = Decimal(str(value))
    return number if number.is_finite() else None
