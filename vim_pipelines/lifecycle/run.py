"""Evaluates the requirements of one as-of date and folds the states forward from it.

State folds over time: the state of a day follows from the day before, so a day D that is computed late changes the days after it.
The base tables stand at D then, not at the later days; therefore the evidence of every day is kept in `computed.lifecycle_evidence`
when it is computed, and the fold over the later days reads it from there. A state never depends on the order in which days are run.

The work of a day goes column by column, one requirement after the other over all accounts: 10,000 accounts are half a million
judgements, and a dictionary for each of them took longer than judging it.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any

from vim_pipelines.core.dates import as_day
from vim_pipelines.core.hashing import canonical_json
from vim_pipelines.lifecycle.evidence import evidence_of, risk_facts
from vim_pipelines.lifecycle.overlays import REGIONS, open_overlays, overlay_steps
from vim_pipelines.lifecycle.phases import LifecycleMap, load_map
from vim_pipelines.lifecycle.requirements import NOTHING_ASKED_AGAIN, Finding, judge, without_disputed
from vim_pipelines.lifecycle.tables import TABLES, ensure_computed_tables
from vim_pipelines.lifecycle.transitions import SPONSORS, Facts, Pin, Seen, State, asked_again, blocking, region_of, walk
from vim_pipelines.lifecycle.words import Standing, Word, counting, standing
from vim_pipelines.warehouse.base import Session

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LifecycleReport", "ensure_computed_tables", "fold_states", "rebuild_states"]

Row = Mapping[str, Any]
Columns = dict[str, list[Any]]


@dataclass(frozen=True)
class LifecycleReport:
    """What a fold wrote. `dates`: the as-of dates whose state was computed, the requested one first; marts of all of them have to be built again."""

    as_of: date
    dates: tuple[date, ...]
    rows: dict[str, int]
    accounts_by_phase: dict[int, int]
    #: Words of persons that change nothing, and why: they name what the map does not have, or their speaker's role is too low.
    words_ignored: Mapping[str, str] = field(default_factory=dict)

    @property
    def overrides_ignored(self) -> tuple[str, ...]:
        return tuple(sorted(self.words_ignored))


@dataclass(frozen=True)
class Position:
    """Where an account stands in all regions: spine and exception as `state`, and the overlays that are open, each with the day since when."""

    state: State
    overlays: Mapping[int, date]


@dataclass(frozen=True)
class _Day:
    """The evidence of one day: per account its facts (rows of the evidence models) and its risks."""

    as_of: date
    facts: dict[str, dict[str, Any]]
    risks: dict[str, list[dict[str, Any]]]


def fold_states(session: Session, store_overrides: Sequence[Any], as_of: date, *, lifecycle: LifecycleMap | None = None) -> LifecycleReport:
    """Judge the requirements of `as_of`, and compute the states of `as_of` and of every later day that was computed before.

    `store_overrides`: rows of `store.models.LifecycleOverride`, as mappings or objects with its attributes. Base models, and the risks of
    `as_of`, must have been built.
    """
    ensure_computed_tables(session)
    _keep_evidence(session, as_of)
    return _fold(session, store_overrides, as_of, lifecycle or load_map())


def rebuild_states(session: Session, store_overrides: Sequence[Any], *, lifecycle: LifecycleMap | None = None) -> LifecycleReport | None:
    """Compute requirements, states and transitions of every day anew from the evidence that was kept; None if none was.

    The rows are those that the nights wrote, unless the map or the words of persons have changed since.
    """
    ensure_computed_tables(session)
    first = session.scalar("select min(as_of_date) from computed.lifecycle_evidence")
    if first is None:
        return None
    for table in ("requirements", "account_state", "phase_transitions"):
        session.execute(f"delete from computed.{table}")
    return _fold(session, store_overrides, as_day(first), lifecycle or load_map())


def _fold(session: Session, store_overrides: Sequence[Any], as_of: date, lifecycle: LifecycleMap) -> LifecycleReport:
    words, ignored = counting(store_overrides, lifecycle)
    words = _without_settled_disputes(session, words)
    later = session.rows("select distinct as_of_date from computed.lifecycle_evidence where as_of_date > ? order by as_of_date", [as_of])
    dates = (as_of, *(as_day(row["as_of_date"]) for row in later))
    positions = _positions_before(session, as_of)
    rows: dict[str, int] = {}
    by_phase: Counter[int] = Counter()
    for day in dates:
        tables = fold_day(lifecycle, _read_day(session, day), positions, words)
        written = {table: session.replace_partition(f"computed.{table}", _frame(table, columns), "as_of_date", day) for table, columns in tables.items()}
        if day == as_of:
            rows = written
            by_phase.update(tables["account_state"]["phase"])
    return LifecycleReport(as_of, dates, rows, dict(sorted(by_phase.items())), ignored)


def fold_day(lifecycle: LifecycleMap, day: _Day, positions: dict[str, Position], words: Mapping[str, Sequence[Word]]) -> dict[str, Columns]:
    """One day: the columns of requirements, account_state and phase_transitions. `positions` goes in as of the day before and comes out as of this day."""
    accounts = sorted(day.facts)
    said = [standing(words.get(account, ()), day.as_of) for account in accounts]
    facts = [without_disputed(day.facts[account], heard) for account, heard in zip(accounts, said, strict=True)]
    before = [positions.get(account) for account in accounts]
    moves = [_moves(known, heard, day.as_of) for known, heard in zip(facts, said, strict=True)]
    again = [asked_again(lifecycle, position.state if position else None, moved) for position, moved in zip(before, moves, strict=True)]

    requirements: Columns = {name: [] for name in TABLES["requirements"]}
    found: list[list[Finding]] = []
    for requirement in lifecycle.requirements:
        name = requirement.requirement_id
        # A rule looks at the facts as they are, and is found out if it looked at a disputed one; a gap would make it say unmet.
        findings = [
            judge(requirement, day.facts[account], heard, day.as_of, asked.get(name) if asked is not NOTHING_ASKED_AGAIN else None)
            for account, heard, asked in zip(accounts, said, again, strict=True)
        ]
        found.append(findings)
        action = lifecycle.action(name)
        for column, value in (
            ("phase", requirement.phase), ("requirement_id", name), ("title", requirement.title), ("is_mandatory", requirement.is_mandatory),
            ("action", action.text), ("rule_version", lifecycle.rule_version), ("as_of_date", day.as_of),
        ):  # fmt: skip
            requirements[column] += [value] * len(accounts)
        requirements["account_key"] += accounts
        requirements["who_is_chased"] += [finding.who or action.who for finding in findings]
        requirements["status"] += [finding.status for finding in findings]
        requirements["evidence"] += [finding.evidence for finding in findings]
        requirements["evidence_rows"] += [_rows_json(finding.rows) for finding in findings]

    states: Columns = {name: [] for name in TABLES["account_state"]}
    transitions: Columns = {name: [] for name in TABLES["phase_transitions"]}
    ids = [requirement.requirement_id for requirement in lifecycle.requirements]
    overlaid = [place for place, requirement in enumerate(lifecycle.requirements) if lifecycle.phases[requirement.phase].kind == "overlay"]
    for place, account in enumerate(accounts):
        findings = [column[place] for column in found]
        statuses = dict(zip(ids, [finding.status for finding in findings], strict=True))
        position = before[place]
        state, steps = walk(lifecycle, position.state if position else None, statuses, moves[place])
        open_before = position.overlays if position else {}
        unmet = [ids[number] for number in overlaid if findings[number].status == "unmet"]
        overlays = open_overlays(lifecycle, facts[place], day.risks.get(account, []), day.as_of, unmet, open_before)
        positions[account] = Position(state, {overlay["phase"]: overlay["since"] for overlay in overlays})

        key = {"account_key": account, "as_of_date": day.as_of, "rule_version": lifecycle.rule_version}
        for step in steps:
            row = key | {
                "region": region_of(lifecycle, step), "change": "entered", "from_phase": step.from_phase, "to_phase": step.to_phase, "reason": step.reason,
                "evidence": _step_evidence(step.gate, step.event, findings, facts[place]),
            }  # fmt: skip
            _add(transitions, row)
        for turned in overlay_steps(open_before, overlays):
            row = key | {
                "region": REGIONS[turned.phase], "change": turned.change, "from_phase": None, "to_phase": turned.phase, "reason": turned.reason,
                "evidence": canonical_json({"items": turned.items}),
            }  # fmt: skip
            _add(transitions, row)
        phase, next_up = lifecycle.phases[state.phase], blocking(lifecycle, state.phase, statuses)
        snooze = said[place].snooze
        row = key | {
            "phase": state.phase, "phase_name": phase.name, "entered_on": state.entered_on,
            "blocking_requirement_id": next_up.requirement_id if next_up else None,
            "spine_phase": state.phase if phase.kind == "spine" else state.spine, "exception_phase": state.phase if phase.kind == "exception" else None,
            "open_overlays": canonical_json(overlays) if overlays else "[]", "snoozed_until": snooze["expires_on"] if snooze else None,
            "disputed_facts": ", ".join(sorted(said[place].disputes)) or None, "memory": _memory_text(state),
        }  # fmt: skip
        _add(states, row)
    return {"requirements": requirements, "account_state": states, "phase_transitions": transitions}


def _add(columns: Columns, row: Row) -> None:
    for name, values in columns.items():
        values.append(row[name])


def _rows_json(rows: Sequence[tuple[str, str]]) -> str:
    """What `canonical_json` writes of the rows, without its generality: half a million of these are written in a night."""
    return "[" + ",".join([f'{{"entity":{encode_basestring(entity)},"key":{encode_basestring(key)}}}' for entity, key in rows]) + "]" if rows else "[]"


def _step_evidence(gate: Sequence[str], event: str | None, findings: Sequence[Finding], facts: Row) -> str:
    """What opened the gate, requirement by requirement; for steps without a gate, the facts about notice, win-back and the event."""
    if not gate:
        names = ["notice_on", "won_back_on"]
        if event == "new_contract":
            names = ["new_contract_on", "new_contract_line_key"]
        elif event == "sponsor_left":
            names = [f"{role}_{column}" for role in SPONSORS for column in ("left_on", "left_key")]
        return canonical_json({name: facts.get(name) for name in names if facts.get(name) is not None})
    opened = {finding.requirement.requirement_id: finding for finding in findings}
    return canonical_json(
        {name: {"status": opened[name].status, "evidence": opened[name].evidence, "rows": [":".join(row) for row in opened[name].rows]} for name in gate}
    )


def _moves(facts: Row, heard: Standing, as_of: date) -> Facts:
    """What can move the account besides requirements. A disputed fact is gone from `facts` and moves nobody."""
    pin = heard.phase
    people: dict[str, Any] = {}
    for role in SPONSORS:
        active, left = facts.get(f"{role}s_active"), facts.get(f"{role}s_left")
        people[role] = "present" if active else "left" if active is not None and left else None
        people[f"{role}_left_on"] = _past(facts.get(f"{role}_left_on"), as_of)
    return Facts(
        as_of,
        bool(facts.get("notice_is_open")) and "notice_on" not in heard.disputes,
        facts.get("notice_on"),
        _past(facts.get("won_back_on"), as_of),
        Pin(int(pin["phase"]), str(pin["actor"]), str(pin["role"]), str(pin["note"])) if pin else None,
        **people,
        new_contract_on=_past(facts.get("new_contract_on"), as_of),
        line_begun_on=_past(facts.get("line_begun_on"), as_of),
    )


def _past(day: date | None, as_of: date) -> date | None:
    """The day, if it has come: what is dated ahead has not happened yet."""
    return day if day is not None and day <= as_of else None


def _without_settled_disputes(session: Session, words: Mapping[str, Sequence[Word]]) -> dict[str, list[Word]]:
    """The words, with each dispute marked by the day on which its source said something else (`settled_on`).

    What was disputed is the fact's value on the newest audited day up to the one that the person read. A source that falls silent has not
    corrected anything.
    """
    settled = {account: list(said) for account, said in words.items()}
    for account, said in settled.items():
        if not any(word["kind"] == "dispute" for word in said):
            continue
        kept = session.rows("select as_of_date, facts from computed.lifecycle_evidence where account_key = ? order by as_of_date", [account])
        history = [(as_day(row["as_of_date"]), json.loads(row["facts"])) for row in kept]
        for place, word in enumerate(said):
            if word["kind"] == "dispute" and (changed_on := source_changed_on(word, history)) is not None:
                said[place] = {**word, "settled_on": changed_on}  # not its `expires_on`: the nights before print that, and cannot know this
    return settled


def source_changed_on(dispute: Word, history: Sequence[tuple[date, Row]]) -> date | None:
    """First day on which the disputed fact has another value than the one that was disputed, or None. `history`: days and facts, oldest first."""
    seen_on = dispute["seen_on"] or dispute["created_at"].date() - timedelta(days=1)
    read = [place for place, (day, _) in enumerate(history) if day <= seen_on]
    basis = read[-1] if read else 0
    if not history:
        return None
    disputed = history[basis][1].get(dispute["fact"])
    return next((day for day, facts in history[basis + 1 :] if (value := facts.get(dispute["fact"])) is not None and value != disputed), None)


def _keep_evidence(session: Session, as_of: date) -> None:
    """Copy the evidence of the day from the base model, which the next audited day will overwrite."""
    risks: dict[str, list[dict[str, Any]]] = defaultdict(list)
    if session.table_exists("computed.risks"):
        # What false-discovery control held back is no claim and opens nothing; a warehouse of an earlier version held nothing back.
        claims = "select account_key, rule_id, severity from computed.risks where as_of_date = ? and coalesce(risk_status, 'open') = 'open'"
        for row in session.rows(f"{claims} order by account_key, rule_id", [as_of]):
            risks[row["account_key"]].append({"rule_id": row["rule_id"], "severity": row["severity"]})
    evidence = evidence_of(session, as_of)
    kept: Columns = {
        "account_key": [row["account_key"] for row in evidence],
        "as_of_date": [as_of] * len(evidence),
        "facts": [canonical_json({name: value for name, value in row.items() if value is not None and value == value}) for row in evidence],
        "risks": [canonical_json(risks.get(row["account_key"], [])) for row in evidence],
    }
    session.replace_partition("computed.lifecycle_evidence", _frame("lifecycle_evidence", kept), "as_of_date", as_of)


def _read_day(session: Session, as_of: date) -> _Day:
    """The kept evidence of a day. Every day is read back from here, the newest too, so that a day folds alike whenever it is folded."""
    rows = session.rows("select account_key, facts, risks from computed.lifecycle_evidence where as_of_date = ?", [as_of])
    risks: dict[str, list[dict[str, Any]]] = {row["account_key"]: json.loads(row["risks"]) for row in rows}
    return _Day(as_of, {(account := row["account_key"]): _dated(json.loads(row["facts"])) | risk_facts(risks[account]) for row in rows}, risks)


def _dated(facts: dict[str, Any]) -> dict[str, Any]:
    """Dates back from their ISO text; by our naming every date column ends in `_on`."""
    return {name: date.fromisoformat(value[:10]) if name.endswith("_on") and isinstance(value, str) else value for name, value in facts.items()}


def _positions_before(session: Session, as_of: date) -> dict[str, Position]:
    """Per account its newest position before `as_of`: an account that was gone for some days comes back where it was."""
    columns = "account_key, as_of_date, phase, entered_on, spine_phase, open_overlays, memory"
    rows = session.rows(
        f"select {columns} from computed.account_state where as_of_date < ? qualify row_number() over (partition by account_key order by as_of_date desc) = 1",
        [as_of],
    )
    return {row["account_key"]: _position(row) for row in rows}


def _position(row: Row) -> Position:
    phase, as_of = int(row["phase"]), as_day(row["as_of_date"])
    memory = json.loads(row["memory"]) if row["memory"] else {}
    seen = _dated(memory.get("seen", {}))
    spine = int(row["spine_phase"]) if row["spine_phase"] is not None and int(row["spine_phase"]) != phase else None
    again = {name: date.fromisoformat(day) for name, day in memory.get("asked_again", {}).items()}
    overlays = {int(overlay["phase"]): date.fromisoformat(overlay.get("since") or as_of.isoformat()) for overlay in json.loads(row["open_overlays"] or "[]")}
    return Position(State(phase, as_day(row["entered_on"]), as_of, spine, Seen(**seen), again), overlays)


def _memory_text(state: State) -> str | None:
    """What the state remembers of events, as JSON without what is not known; None if it remembers nothing."""
    seen = {name: value for name, value in asdict(state.seen).items() if value is not None}
    memory = ({"seen": seen} if seen else {}) | ({"asked_again": dict(state.asked_again)} if state.asked_again else {})
    return canonical_json(memory) if memory else None


def _frame(table: str, columns: Columns) -> pd.DataFrame:
    """A frame whose types do not depend on which values happen to be missing."""
    import pandas as pd

    kinds = {"bigint": "Int64", "boolean": "boolean"}
    return pd.DataFrame({name: pd.Series(columns[name], dtype=kinds.get(kind, "object")) for name, kind in TABLES[table].items()})
