"""Running the gates on raw with Great Expectations: before dbt, before a model is called, before anything is written.

What cannot be trusted of a table stops the night; what cannot be trusted of an account holds that account (holds.py): it gets no
measure, no risk, no draft and no write that night, and every other account does.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from vim_pipelines.core.errors import VimError
from vim_pipelines.core.hashing import canonical_json
from vim_pipelines.portfolio.entities import ENTITIES, USAGE_EVENT_COLUMNS
from vim_pipelines.portfolio.model import USAGE
from vim_pipelines.quality import facts
from vim_pipelines.quality.suites import COLUMNS, KNOWN_ACCOUNT, Book, Gate, Scope, Severity, expectation_of, load_suites

if TYPE_CHECKING:
    import pandas as pd

    from vim_pipelines.warehouse import Session, Warehouse

#: Failing rows and values that a result shows.
SHOWN = 5
#: The gate over all others: how many accounts they held.
HELD_GATE = "few_accounts_held"


@dataclass(frozen=True)
class FailingRow:
    """A row of raw that failed a gate: what raw.quarantine keeps of it."""

    source_name: str
    row_key: str
    detail: str
    row_json: str
    load_id: str
    captured_at: Any


@dataclass(frozen=True)
class GateResult:
    """What one gate found. `details` are small plain values: observed value, number of unexpected rows, up to five of them.

    `accounts`: account key to the number of failing rows, of a blocking gate on rows or accounts. `rows`: the failing rows, up to the
    file's `rows_listed`.
    """

    name: str
    entity: str
    severity: Severity
    passed: bool
    details: dict[str, Any] = field(default_factory=dict)
    scope: Scope = "table"
    says: str = ""
    accounts: Mapping[str, int] = field(default_factory=dict)
    rows: tuple[FailingRow, ...] = ()

    @property
    def blocks(self) -> bool:
        """Whether this result stops the night: a blocking gate failed on a table, or could not be asked."""
        return self.severity == "blocking" and not self.passed and (self.scope == "table" or "error" in self.details)


@dataclass(frozen=True)
class Judgement:
    """All results of a night, and what Great Expectations answered: (entity, what was looked at, its validation result)."""

    results: tuple[GateResult, ...]
    validations: tuple[tuple[str, str, Any], ...]
    version: str


def run_gates(warehouse: Warehouse, as_of: date) -> list[GateResult]:
    """All gates of all fed entities, over what raw holds as of `as_of`."""
    return list(judge(warehouse, as_of).results)


def judge(warehouse: Warehouse, as_of: date, book: Book | None = None) -> Judgement:
    """Ask every gate of every fed entity, then whether the accounts that they hold are few enough to go on. Reads only."""
    book = book or load_suites()
    reader = _dataframe_reader()
    with warehouse.session(read_only=True) as session:
        fed = [str(row["entity"]) for row in session.rows("select entity from raw.entity_coverage where is_fed order by entity")]
        accounts = facts.known_accounts(session, as_of) if "account" in fed and not _missing(session, "account") else []
        desk = _Desk(session, reader, as_of, book, accounts)
        results = [result for entity in fed for result in desk.judge_entity(entity)]
    results.append(_few_held(results, accounts, book))
    return Judgement(tuple(results), tuple(desk.validations), book.version)


def raise_if_blocked(results: Iterable[GateResult]) -> None:
    """VIM-E022 naming every gate that stops the night."""
    blocking = [result for result in results if result.blocks]
    if blocking:
        said = "; ".join(f"{result.entity}: {result.name} ({short(result.details)})" for result in blocking)
        raise VimError(
            "VIM-E022",
            f"{len(blocking)} quality {'gate' if len(blocking) == 1 else 'gates'} stopped the run",
            why=said,
            fix="Look into raw.quarantine and raw.loads, correct the source or the mapping, and run again",
        )


def short(details: Mapping[str, Any]) -> str:
    """The figures of a result in one line."""
    names = ("observed", "max_value", "min_value", "unexpected_rows", "mismatched", "accounts_held", "error")
    return ", ".join(f"{name} {value}" for name, value in details.items() if name in names)


@dataclass
class _Desk:
    """One reading of raw, entity by entity."""

    session: Session
    reader: Any
    as_of: date
    book: Book
    accounts: list[str]
    validations: list[tuple[str, str, Any]] = field(default_factory=list)

    def judge_entity(self, entity: str) -> Iterator[GateResult]:
        import pandas as pd

        gates = self.book.gates.get(entity, ())
        about_columns = [gate for gate in gates if gate.is_about_columns]
        on_table = [gate for gate in gates if gate.scope == "table" and not gate.is_about_columns]
        if about_columns:
            schema = pd.DataFrame(columns=sorted(self.session.column_names(facts.table_of(entity))))
            yield from self._table(entity, "columns", schema, about_columns)
        if entity == USAGE:
            table, by_account = facts.usage_facts(self.session, self.as_of)
            yield from self._table(entity, "table", table, on_table)
            yield from self._accounts(entity, by_account, [gate for gate in gates if gate.scope == "account"])
            return
        if _missing(self.session, entity):
            return  # what cannot be read cannot be judged; the gate on the columns has spoken
        yield from self._table(entity, "table", facts.version_facts(self.session, entity), on_table)
        yield from self._rows(entity, [gate for gate in gates if gate.scope == "row"])

    def _table(self, entity: str, looked_at: str, frame: pd.DataFrame, gates: Sequence[Gate]) -> Iterator[GateResult]:
        # A fact that could not be measured (no load, no event) is no failure of its own: `has_rows` speaks for it.
        asked = [gate for gate in gates if gate.is_about_columns or all(frame[column].notna().all() for column in gate.columns)]
        found = self._validate(entity, looked_at, frame, asked)
        for gate in asked:
            details: dict[str, Any] = {"observed": _plain(frame[gate.columns[0]].iloc[0])} if gate.columns else {}
            yield _result(entity, gate, [found[gate.name]], details)

    def _accounts(self, entity: str, frame: pd.DataFrame, gates: Sequence[Gate]) -> Iterator[GateResult]:
        found = self._validate(entity, "accounts", frame, gates) if len(frame) else {}
        for gate in gates:
            if gate.name not in found:
                continue
            result = _result(entity, gate, [found[gate.name]], {})
            failing = frame.iloc[_positions(found[gate.name])] if not result.passed else frame.iloc[:0]
            counts = {str(key): int(value) for key, value in zip(failing["account_key"], failing[gate.columns[0]], strict=True)}
            rows = () if result.passed else self._failing_events(gate)
            yield replace(result, accounts=counts if gate.severity == "blocking" else {}, rows=rows)

    def _rows(self, entity: str, gates: Sequence[Gate]) -> Iterator[GateResult]:
        if not gates:
            return
        shape = ENTITIES[entity]
        has_account = "account_key" in shape.column_by_name
        named = {column for gate in gates for column in gate.columns} - {KNOWN_ACCOUNT}
        columns = list(dict.fromkeys((shape.key, *(("account_key",) if has_account else ()), *sorted(named))))
        found: dict[str, list[Any]] = {gate.name: [] for gate in gates}
        keys: dict[str, list[str]] = {gate.name: [] for gate in gates}
        held: dict[str, dict[str, int]] = {gate.name: {} for gate in gates}
        for number, frame in enumerate(facts.row_parts(self.session, entity, self.as_of, columns), 1):
            if has_account:  # NULL, which fails nothing, where nobody feeds the accounts
                frame[KNOWN_ACCOUNT] = frame["account_key"].isin(self.accounts) if self.accounts else None
            answers = self._validate(entity, "rows" if number == 1 else f"rows {number}", frame, gates)
            for gate in gates:
                found[gate.name].append(answers[gate.name])
                failing = frame.iloc[_positions(answers[gate.name])]
                room = self.book.rows_listed - len(keys[gate.name])
                keys[gate.name] += [str(key) for key in failing[shape.key].tolist()[:room]]
                if gate.severity == "blocking" and has_account:
                    for key in failing["account_key"].tolist():
                        held[gate.name][str(key)] = held[gate.name].get(str(key), 0) + 1
        for gate in gates:
            if not found[gate.name]:
                continue
            result = _result(entity, gate, found[gate.name], {})
            yield result if result.passed else replace(result, accounts=held[gate.name], rows=self._failing(entity, gate, keys[gate.name]))

    def _failing(self, entity: str, gate: Gate, keys: list[str]) -> tuple[FailingRow, ...]:
        own = [column.name for column in ENTITIES[entity].columns]
        return tuple(
            FailingRow(
                str(row["source_name"]),
                str(row[ENTITIES[entity].key]),
                f"{gate.says}: {', '.join(f'{name} = {row[name]}' for name in ('account_key' if name == KNOWN_ACCOUNT else name for name in gate.columns))}",
                canonical_json({name: row[name] for name in own if row[name] is not None}),
                str(row["load_id"]),
                row["captured_at"],
            )
            for row in facts.rows_by_key(self.session, entity, self.as_of, sorted(keys))
        )

    def _failing_events(self, gate: Gate) -> tuple[FailingRow, ...]:
        if gate.columns[0] not in facts.EVENT_CONDITIONS:
            return ()
        return tuple(
            FailingRow(
                str(row["source_name"]),
                str(row["event_id"]),
                f"{gate.says}: read at {row['captured_at']}",
                canonical_json({column.name: row[column.name] for column in USAGE_EVENT_COLUMNS if row[column.name] is not None}),
                str(row["load_id"]),
                row["captured_at"],
            )
            for row in facts.usage_rows(self.session, self.as_of, gate.columns[0], self.book.rows_listed)
        )

    def _validate(self, entity: str, looked_at: str, frame: pd.DataFrame, gates: Sequence[Gate]) -> dict[str, Any]:
        """Great Expectations' answer by gate name."""
        import great_expectations as gx

        if not gates:
            return {}
        expectations = [expectation_of(gate, self._arguments(entity, gate)) for gate in gates]
        batch = self.reader.get_batch({"dataframe": frame})
        outcome = batch.validate(
            gx.ExpectationSuite(name=f"{entity} {looked_at}", expectations=expectations),
            result_format={"result_format": "COMPLETE", "partial_unexpected_count": SHOWN, "return_unexpected_index_query": False},
        )
        self.validations.append((entity, looked_at, outcome))
        return {item.expectation_config.meta["gate"]: item for item in outcome.results}

    def _arguments(self, entity: str, gate: Gate) -> dict[str, Any]:
        return {name: facts.canonical_columns(entity) if isinstance(value, str) and value == COLUMNS else value for name, value in gate.arguments.items()}


def _few_held(results: Sequence[GateResult], accounts: Sequence[str], book: Book) -> GateResult:
    """Whether the accounts held are few enough to be single accounts and not a source that broke."""
    held = {key for result in results for key in result.accounts}
    share = len(held & set(accounts)) / len(accounts) if accounts else 0.0
    is_few = len(held) <= book.accounts_held_allowed or share <= book.accounts_held_share
    is_all = bool(accounts) and held >= set(accounts)
    details = {"accounts_held": len(held), "observed": round(share, 4), "max_value": book.accounts_held_share}
    return GateResult(HELD_GATE, "account", "blocking", is_few and not is_all, details, says="too many accounts have bad data: the source or the mapping broke")


def _result(entity: str, gate: Gate, found: Sequence[Any], details: dict[str, Any]) -> GateResult:
    """One result from the answers over one frame or several parts of one."""
    answers = [item.result or {} for item in found]
    error = next((text for text in map(_error, found) if text), None)
    unexpected = sum(answer.get("unexpected_count") or 0 for answer in answers)
    asked = sum((answer.get("element_count") or 0) - (answer.get("missing_count") or 0) for answer in answers)
    passed = all(item.success for item in found)
    if not passed and not error and gate.mostly < 1 and asked:
        passed = unexpected <= (1 - gate.mostly) * asked + 1e-9  # one part of a large table may fail where the table does not
    if not passed:
        shown = [_plain(value) for answer in answers for value in answer.get("partial_unexpected_list") or []][:SHOWN]
        details = details | {"unexpected_rows": unexpected or None, "unexpected": shown, "error": error}
        details["mismatched"] = answers[0].get("details", {}).get("mismatched")
    for bound in ("min_value", "max_value", "mostly"):
        if bound in gate.arguments:
            details[bound] = _plain(gate.arguments[bound])
    clean = {key: value for key, value in details.items() if value not in (None, [], {})}
    return GateResult(gate.name, entity, gate.severity, passed, clean, gate.scope, gate.says)


def _positions(found: Any) -> list[int]:
    """Places of the failing rows in their frame."""
    return [int(position) for position in (found.result or {}).get("unexpected_index_list") or []]


def _missing(session: Session, entity: str) -> set[str]:
    return set(facts.canonical_columns(entity)) - session.column_names(facts.table_of(entity))


def _error(found: Any) -> str | None:
    raised = (found.exception_info or {}).get("raised_exception") or any(
        isinstance(item, dict) and item.get("raised_exception") for item in (found.exception_info or {}).values()
    )
    return "the expectation could not be evaluated" if raised else None


def _dataframe_reader() -> Any:
    """A Great Expectations batch definition for frames: nothing on disk, nothing on the terminal, nothing sent anywhere."""
    context = quiet_context()
    return context.data_sources.add_pandas("raw").add_dataframe_asset("rows").add_batch_definition_whole_dataframe("all")


def quiet_context() -> Any:
    """A context of Great Expectations that lives in memory and reports to nobody."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context


def _plain(value: Any) -> Any:
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        return None if value != value else round(value, 4)
    return value if value is None or isinstance(value, bool | int | str) else str(value)
