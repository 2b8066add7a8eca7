"""Running the gates on raw with Great Expectations: before dbt, before a model is called, before anything is written.

A failed gate of severity `error` stops the night; `warn` is shown. Small tables are read as frames, the usage events only as
aggregates: pulling millions of rows into pandas to learn that none lacks an id would cost more than the rest of the night.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from vim_pipelines.core.dates import end_of_day
from vim_pipelines.core.errors import VimError
from vim_pipelines.portfolio.entities import ENTITIES
from vim_pipelines.portfolio.model import USAGE
from vim_pipelines.quality.suites import Gate, Severity, suite

if TYPE_CHECKING:
    import pandas as pd

    from vim_pipelines.warehouse import Session, Warehouse

#: Rows of a version table above which only the newest versions are looked at, row by row.
ROWS_LIMIT = 200_000
#: Rows read below which a load's own share of bad rows says nothing.
SMALL_LOAD = 20


@dataclass(frozen=True)
class GateResult:
    """What one gate found. `details` are small plain values: observed value, number of unexpected rows, up to five of them."""

    name: str
    entity: str
    severity: Severity
    passed: bool
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def blocks(self) -> bool:
        """Whether this result stops the night."""
        return self.severity == "error" and not self.passed


def run_gates(warehouse: Warehouse, as_of: date) -> list[GateResult]:
    """All gates of all fed entities, over what raw holds as of `as_of`."""
    frames: dict[str, tuple[pd.DataFrame | None, pd.DataFrame]] = {}
    accounts: list[str] = []
    with warehouse.session(read_only=True) as session:
        fed = [row["entity"] for row in session.rows("select entity from raw.entity_coverage where is_fed order by entity")]
        if "account" in fed:
            accounts = [row["account_key"] for row in session.rows("select distinct account_key from raw.accounts")]
        for entity in fed:
            frames[entity] = (None if entity == USAGE else _rows(session, entity), _facts(session, entity, as_of))
    reader = _dataframe_reader()
    return [result for entity, (rows, facts) in frames.items() for result in _judge(entity, rows, facts, accounts, reader)]


def raise_if_blocked(results: Iterable[GateResult]) -> None:
    """VIM-E022 naming every gate that stops the night."""
    blocking = [result for result in results if result.blocks]
    if blocking:
        said = "; ".join(f"{result.entity}: {result.name} ({_short(result.details)})" for result in blocking)
        raise VimError(
            "VIM-E022",
            f"{len(blocking)} quality {'gate' if len(blocking) == 1 else 'gates'} stopped the run",
            why=said,
            fix="Look into raw.quarantine and raw.loads, correct the source or the mapping, and run again",
        )


def _judge(entity: str, rows: pd.DataFrame | None, facts: pd.DataFrame, accounts: list[str], reader: Any) -> list[GateResult]:
    gates = suite(entity)
    named = {"account_exists": {"value_set": accounts}}
    results = []
    if rows is not None and len(rows):
        results += _validate(entity, rows, [Gate(g.name, g.expectation, g.severity, g.arguments | named.get(g.name, {})) for g in gates.on_rows], reader)
    # A fact that could not be measured (no load, no event) is no failure of its own: `has_rows` speaks for it.
    measured = [gate for gate in gates.on_facts if facts[gate.arguments["column"]].notna().all()]
    return results + _validate(entity, facts, measured, reader)


def _validate(entity: str, frame: pd.DataFrame, gates: list[Gate], reader: Any) -> list[GateResult]:
    import great_expectations as gx
    import great_expectations.expectations as vocabulary

    if not gates:
        return []
    expectations = []
    for gate in gates:
        kind = getattr(vocabulary, "".join(word.capitalize() for word in gate.expectation.split("_")))
        expectations.append(kind(**gate.arguments, meta={"gate": gate.name}))
    batch = reader.get_batch({"dataframe": frame})
    outcome = batch.validate(
        gx.ExpectationSuite(name=entity, expectations=expectations), result_format={"result_format": "BASIC", "partial_unexpected_count": 5}
    )
    found = {item.expectation_config.meta["gate"]: item for item in outcome.results}
    return [_result(entity, gate, found[gate.name], frame) for gate in gates]


def _result(entity: str, gate: Gate, found: Any, frame: pd.DataFrame) -> GateResult:
    column = gate.arguments.get("column")
    # A table of aggregates has one row: its value says more than "1 unexpected of 1".
    details: dict[str, Any] = {"observed": _plain(frame[column].iloc[0])} if len(frame) == 1 and column in frame.columns else {}
    result = found.result or {}
    if not found.success:
        details |= {
            "unexpected_rows": result.get("unexpected_count"),
            "unexpected": [_plain(value) for value in result.get("partial_unexpected_list") or []],
            "mismatched": result.get("details", {}).get("mismatched"),
            "error": _error(found),
        }
    for bound in ("min_value", "max_value", "mostly"):
        if bound in gate.arguments:
            details[bound] = gate.arguments[bound]
    return GateResult(gate.name, entity, gate.severity, bool(found.success), {key: value for key, value in details.items() if value not in (None, [], {})})


def _error(found: Any) -> str | None:
    raised = (found.exception_info or {}).get("raised_exception") or any(
        isinstance(item, dict) and item.get("raised_exception") for item in (found.exception_info or {}).values()
    )
    return "the expectation could not be evaluated" if raised else None


def _dataframe_reader() -> Any:
    """A Great Expectations batch definition for frames: nothing on disk, nothing on the terminal, nothing sent anywhere."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context.data_sources.add_pandas("raw").add_dataframe_asset("rows").add_batch_definition_whole_dataframe("all")


def _rows(session: Session, entity: str) -> pd.DataFrame:
    """The versions of an entity; of a large table only each key's newest."""
    table = f"raw.{ENTITIES[entity].table}"
    text = f"select * from {table}"
    if int(session.scalar(f"select count(*) from {table}") or 0) > ROWS_LIMIT:
        text += f" qualify row_number() over (partition by {ENTITIES[entity].key} order by known_at desc, captured_at desc) = 1"
    return session.query(text)


def _facts(session: Session, entity: str, as_of: date) -> pd.DataFrame:
    """One row of aggregates. NULL where there is nothing to measure."""
    table, key = ("raw.usage_events", "event_id") if entity == USAGE else (f"raw.{ENTITIES[entity].table}", ENTITIES[entity].key)
    # One bad row among the two that changed today is no broken source: a small load is judged by all that raw holds.
    share = f"""(
        select case when rows_read >= {SMALL_LOAD} then rows_quarantined * 1.0 / rows_read else set_aside * 1.0 / nullif(kept + set_aside, 0) end
        from (select * from raw.loads where entity = '{entity}' and status = 'ok' qualify row_number() over (order by load_id desc) = 1) as newest
        cross join (select count({key}) as kept from {table}) as kept_rows
        cross join (select count(*) as set_aside from raw.quarantine where entity = '{entity}') as quarantined_rows
    )"""
    if entity != USAGE:
        return session.query(f"select (select count(*) from {table} where not is_deleted) as row_count, {share} as quarantined_share")
    measured = """
        select
            count(*) as row_count,
            sum(case when event_id is null then 1 else 0 end) as null_event_ids,
            sum(case when occurred_at is null or recorded_at is null then 1 else 0 end) as null_times,
            sum(case when occurred_at > read_at then 1 else 0 end) as events_after_read,
            max(recorded_at) as last_arrival,
            count(account_key) * 1.0 / nullif(count(*), 0) as attributed_share
        from raw.usage_events
        cross join (select max(captured_at) as read_at from raw.loads) as reading
        where recorded_at < ?
    """
    frame = session.query(f"select measured.*, {share} as quarantined_share from ({measured}) as measured", [end_of_day(as_of)])
    last_arrival = frame["last_arrival"].iloc[0]
    frame["days_since_last_arrival"] = None if last_arrival is None or last_arrival != last_arrival else (as_of - last_arrival.date()).days
    return frame.drop(columns="last_arrival")


def _plain(value: Any) -> Any:
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        return None if value != value else round(value, 4)
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def _short(details: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {value}" for name, value in details.items() if name in ("observed", "max_value", "min_value", "unexpected_rows", "mismatched", "error")
    )
