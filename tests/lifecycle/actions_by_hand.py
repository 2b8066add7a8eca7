"""Days of the next-best-action queue that are easy to reason about: accounts of one segment, with a CSM of ten hours."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import pandas as pd

from vim_pipelines.lifecycle.action_rules import ActionRules, load_action_rules
from vim_pipelines.lifecycle.action_tables import ACTION_TABLES
from vim_pipelines.lifecycle.next_best_actions import Queue, QueueDay, build_queue
from vim_pipelines.lifecycle.phases import load_map

#: A Monday.
MONDAY = date(2026, 6, 22)
ACCOUNT: dict[str, Any] = {
    "account_key": "ACC-1", "phase": 2, "segment": "smb", "csm": "cara", "director": "dora", "stake_annual": 100_000.0, "waste_annual": 10_000.0,
    "deadline_on": MONDAY + timedelta(days=126), "deadline_kind": "opt_out", "csm_hours": 10.0, "director_hours": 4.0, "data_hours": 4.0, "snoozed_until": None,
}  # fmt: skip


def account(key: str = "ACC-1", **changes: Any) -> dict[str, Any]:
    assert set(changes) <= set(ACCOUNT), changes
    return ACCOUNT | {"account_key": key} | changes


def requirement(requirement_id: str, status: str = "unmet", key: str = "ACC-1", evidence: str = "It is missing.", rows: str = "[]") -> dict[str, Any]:
    return {"account_key": key, "requirement_id": requirement_id, "status": status, "evidence": evidence, "evidence_rows": rows}


def risk(rule_id: str, severity: str = "high", key: str = "ACC-1", summary: str = "It is bad.") -> dict[str, Any]:
    return {"account_key": key, "rule_id": rule_id, "severity": severity, "summary": summary}


def request(document: str, state: str, on: date, key: str = "ACC-1", request_id: str = "REQ-1") -> dict[str, Any]:
    return {"account_key": key, "document": document, "request_id": request_id, "state": state, "on": on}


def counts(requirement_id: str, tried: int, helped: int, segment: str = "smb") -> dict[str, Any]:
    return {"requirement_id": requirement_id, "segment": segment, "tried": tried, "helped": helped}


def frame(rows: Iterable[dict[str, Any]], columns: Iterable[str]) -> pd.DataFrame:
    return pd.DataFrame([dict(row) for row in rows], columns=list(columns))


def day(
    as_of: date = MONDAY,
    accounts: Iterable[dict[str, Any]] = (ACCOUNT,),
    requirements: Iterable[dict[str, Any]] = (),
    risks: Iterable[dict[str, Any]] = (),
    requests: Iterable[dict[str, Any]] = (),
    previous: pd.DataFrame | None = None,
    outcomes: Iterable[dict[str, Any]] | pd.DataFrame = (),
) -> QueueDay:
    counted = outcomes if isinstance(outcomes, pd.DataFrame) else frame(outcomes, ("requirement_id", "segment", "tried", "helped"))
    return QueueDay(
        as_of,
        frame(accounts, ACCOUNT),
        frame(requirements, requirement("p2_red_flags")),
        frame(risks, risk("MURA_DROP")),
        frame(requests, request("success_plan", "pending", MONDAY)),
        previous if previous is not None else frame((), ACTION_TABLES["next_best_actions"]),
        counted,
    )


def queue(rules: ActionRules | None = None, **what: Any) -> Queue:
    return build_queue(day(**what), rules or load_action_rules(), load_map())


def rows(found: Queue) -> dict[tuple[str, str], dict[str, Any]]:
    """Rows by account and requirement, with None for what is missing."""
    plain = found.actions.astype(object).where(found.actions.notna(), None)
    return {(row["account_key"], row["requirement_id"]): row for row in plain.to_dict("records")}


def nights(story: Iterable[dict[str, Any]], rules: ActionRules | None = None) -> list[dict[str, Any] | None]:
    """Night after night with the memory of the one before; what became of the only action of ACC-1 in each (None: no row)."""
    previous, outcomes, seen = None, pd.DataFrame(columns=["requirement_id", "segment", "tried", "helped"]), []
    for what in story:
        found = queue(rules, previous=previous, outcomes=outcomes, **what)
        previous, outcomes = found.actions, found.outcomes
        all_rows = list(rows(found).values())
        assert len(all_rows) <= 1
        seen.append((all_rows[0] | {"counts": outcomes[["tried", "helped"]].to_numpy().tolist()}) if all_rows else None)
    return seen
