"""Evaluates the requirements of one as-of date and folds the states forward from it.

State folds over time: the state of a day follows from the day before, so a day D that is computed late changes the days after it.
The base tables stand at D then, not at the later days; therefore the evidence of every day is kept in `computed.lifecycle_evidence`
when it is computed, and the fold over the later days reads it from there. A state never depends on the order in which days are run.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from vim_pipelines.core.hashing import canonical_json
from vim_pipelines.lifecycle.evidence import evidence_of, risk_facts
from vim_pipelines.lifecycle.overlays import open_overlays
from vim_pipelines.lifecycle.phases import LifecycleMap, load_map
from vim_pipelines.lifecycle.requirements import Finding, is_in_force, judge_account
from vim_pipelines.lifecycle.tables import TABLES, ensure_computed_tables
from vim_pipelines.lifecycle.transitions import Facts, Pin, State, blocking, walk
from vim_pipelines.warehouse.base import Session

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LifecycleReport", "ensure_computed_tables", "fold_states"]

Row = Mapping[str, Any]


@dataclass(frozen=True)
class LifecycleReport:
    """What a fold wrote. `dates`: the as-of dates whose state was computed, the requested one first; marts of all of them have to be built again."""

    as_of: date
    dates: tuple[date, ...]
    rows: dict[str, int]
    accounts_by_phase: dict[int, int]
    #: Overrides that name a phase or a requirement the map does not have; they change nothing.
    overrides_ignored: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Day:
    """The evidence of one day: per account its facts (a row of base.int_lifecycle_evidence) and its risks."""

    as_of: date
    facts: dict[str, dict[str, Any]]
    risks: dict[str, list[dict[str, Any]]]


def fold_states(session: Session, store_overrides: Sequence[Any], as_of: date, *, lifecycle: LifecycleMap | None = None) -> LifecycleReport:
    """Judge the requirements of `as_of`, and compute the states of `as_of` and of every later day that was computed before.

    `store_overrides`: rows of `store.models.LifecycleOverride`, as mappings or objects with its attributes. Base models, and the risks of
    `as_of`, must have been built.
    """
    lifecycle = lifecycle or load_map()
    ensure_computed_tables(session)
    given = [_override(row) for row in store_overrides]
    ignored = tuple(sorted(str(row["override_id"]) for row in given if not _means_something(row, lifecycle)))
    overrides = _by_account(row for row in given if _means_something(row, lifecycle))
    _keep_evidence(session, as_of)
    later = session.rows("select distinct as_of_date from computed.lifecycle_evidence where as_of_date > ? order by as_of_date", [as_of])
    dates = (as_of, *(row["as_of_date"] for row in later))

    states = _states_before(session, as_of)
    rows = dict.fromkeys(("requirements", "account_state", "phase_transitions"), 0)
    by_phase: Counter[int] = Counter()
    for day in dates:
        findings, state_rows, transition_rows = fold_day(lifecycle, _read_day(session, day), states, overrides)
        if day == as_of:
            rows["requirements"] = _replace(session, "requirements", findings, day)
            by_phase.update(row["phase"] for row in state_rows)
        written = _replace(session, "account_state", state_rows, day), _replace(session, "phase_transitions", transition_rows, day)
        if day == as_of:
            rows["account_state"], rows["phase_transitions"] = written
    return LifecycleReport(as_of, dates, rows, dict(sorted(by_phase.items())), ignored)


def fold_day(
    lifecycle: LifecycleMap, day: _Day, states: dict[str, State], overrides: Mapping[str, Sequence[Row]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
    """One day: rows of requirements, account_state and phase_transitions. `states` goes in as of the day before and comes out as of this day."""
    requirement_rows: list[dict[str, Any]] = []
    state_rows: list[dict[str, Any]] = []
    transition_rows: list[dict[str, Any]] = []
    for account_key in sorted(day.facts):
        facts = day.facts[account_key] | risk_facts(day.risks.get(account_key, []))
        mine = overrides.get(account_key, ())
        findings = judge_account(lifecycle, facts, mine, day.as_of)
        statuses = {finding.requirement.requirement_id: finding.status for finding in findings}
        moved = Facts(day.as_of, bool(facts.get("notice_is_open")), facts.get("notice_on"), facts.get("won_back_on"), _pin(mine, day.as_of))
        state, steps = walk(lifecycle, states.get(account_key), statuses, moved)
        states[account_key] = state

        key = {"account_key": account_key, "as_of_date": day.as_of}
        version = {"rule_version": lifecycle.rule_version}
        requirement_rows += [key | _requirement(finding) | version for finding in findings]
        transition_rows += [
            key
            | {"from_phase": step.from_phase, "to_phase": step.to_phase, "reason": step.reason, "evidence": _gate_evidence(step.gate, findings, facts)}
            | version
            for step in steps
        ]
        phase, next_up = lifecycle.phases[state.phase], blocking(lifecycle, state.phase, statuses)
        state_rows.append(
            key
            | {
                "phase": state.phase, "phase_name": phase.name, "entered_on": state.entered_on,
                "blocking_requirement_id": next_up.requirement_id if next_up else None,
                "exception_phase": state.phase if phase.kind == "exception" else None,
                "open_overlays": canonical_json(open_overlays(lifecycle, facts, day.risks.get(account_key, []), day.as_of)),
            }
            | version
        )  # fmt: skip
    return requirement_rows, state_rows, transition_rows


def _requirement(finding: Finding) -> dict[str, Any]:
    requirement = finding.requirement
    return {
        "phase": requirement.phase, "requirement_id": requirement.requirement_id, "title": requirement.title, "status": finding.status,
        "is_mandatory": requirement.is_mandatory, "who_is_chased": requirement.who_is_chased, "action": requirement.action, "evidence": finding.evidence,
        "evidence_rows": canonical_json([{"entity": entity, "key": key} for entity, key in finding.rows]),
    }  # fmt: skip


def _gate_evidence(gate: Sequence[str], findings: Sequence[Finding], facts: Row) -> str:
    """What opened the gate, requirement by requirement; for steps without a gate, the facts about notice and win-back."""
    if not gate:
        return canonical_json({name: facts.get(name) for name in ("notice_on", "won_back_on") if facts.get(name) is not None})
    opened = {finding.requirement.requirement_id: finding for finding in findings}
    return canonical_json(
        {name: {"status": opened[name].status, "evidence": opened[name].evidence, "rows": [":".join(row) for row in opened[name].rows]} for name in gate}
    )


def _pin(overrides: Sequence[Row], as_of: date) -> Pin | None:
    """The newest word about the phase that is in force."""
    words = [row for row in overrides if row.get("phase") is not None and row.get("requirement_id") is None and is_in_force(row, as_of)]
    if not words:
        return None
    newest = max(words, key=lambda row: (row["created_at"], str(row["override_id"])))
    return Pin(int(newest["phase"]), str(newest["actor"]), str(newest["role"]), str(newest["note"]))


def _means_something(override: Row, lifecycle: LifecycleMap) -> bool:
    """Whether an override names a requirement of the map (or a field of one), or a phase in which an account can stand (no overlay)."""
    if override["requirement_id"] is not None:
        return str(override["requirement_id"]).split(".")[0] in {requirement.requirement_id for requirement in lifecycle.requirements}
    phase = lifecycle.phases.get(override["phase"])
    return phase is not None and phase.kind != "overlay"


def _override(row: Any) -> dict[str, Any]:
    names = ("override_id", "account_key", "requirement_id", "phase", "note", "actor", "role", "created_at", "expires_on")
    return {name: row.get(name) if isinstance(row, Mapping) else getattr(row, name) for name in names}


def _by_account(rows: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    grouped: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        grouped[row["account_key"]].append(row)
    return grouped


def _keep_evidence(session: Session, as_of: date) -> None:
    """Copy the evidence of the day from the base model, which the next audited day will overwrite."""
    import pandas as pd

    risks: dict[str, list[dict[str, Any]]] = defaultdict(list)
    if session.table_exists("computed.risks"):
        # What false-discovery control held back is no claim and opens nothing; a warehouse of an earlier version held nothing back.
        claims = "select account_key, rule_id, severity from computed.risks where as_of_date = ? and coalesce(risk_status, 'open') = 'open'"
        for row in session.rows(f"{claims} order by account_key, rule_id", [as_of]):
            risks[row["account_key"]].append({"rule_id": row["rule_id"], "severity": row["severity"]})
    evidence = evidence_of(session, as_of)
    kept = [
        {
            "account_key": row["account_key"],
            "as_of_date": as_of,
            "facts": canonical_json({name: value for name, value in row.items() if value is not None and value == value}),
            "risks": canonical_json(risks.get(row["account_key"], [])),
        }
        for row in evidence
    ]
    session.replace_partition("computed.lifecycle_evidence", pd.DataFrame(kept, columns=list(TABLES["lifecycle_evidence"])), "as_of_date", as_of)


def _read_day(session: Session, as_of: date) -> _Day:
    """The kept evidence of a day. Every day is read back from here, the newest too, so that a day folds alike whenever it is folded."""
    rows = session.rows("select account_key, facts, risks from computed.lifecycle_evidence where as_of_date = ?", [as_of])
    return _Day(
        as_of,
        {row["account_key"]: _dated(json.loads(row["facts"])) for row in rows},
        {row["account_key"]: json.loads(row["risks"]) for row in rows},
    )


def _dated(facts: dict[str, Any]) -> dict[str, Any]:
    """Dates back from their ISO text; by our naming every date column ends in `_on`."""
    return {name: date.fromisoformat(value[:10]) if name.endswith("_on") and isinstance(value, str) else value for name, value in facts.items()}


def _states_before(session: Session, as_of: date) -> dict[str, State]:
    """Per account its newest state before `as_of`: an account that was gone for some days comes back where it was."""
    rows = session.rows(
        "select account_key, as_of_date, phase, entered_on from computed.account_state where as_of_date < ?"
        " qualify row_number() over (partition by account_key order by as_of_date desc) = 1",
        [as_of],
    )
    return {row["account_key"]: State(int(row["phase"]), _day(row["entered_on"]), _day(row["as_of_date"])) for row in rows}


def _day(value: date | datetime) -> date:
    return value.date() if isinstance(value, datetime) else value


def _replace(session: Session, table: str, rows: list[dict[str, Any]], as_of: date) -> int:
    return session.replace_partition(f"computed.{table}", _frame(table, rows), "as_of_date", as_of)


def _frame(table: str, rows: list[dict[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    frame = pd.DataFrame(rows, columns=list(TABLES[table]))
    kinds = {"bigint": "Int64", "boolean": "boolean"}
    return frame.astype({name: kinds[kind] for name, kind in TABLES[table].items() if kind in kinds})
