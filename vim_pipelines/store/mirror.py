"""The operations store as tables of the warehouse, so that analysts see decisions, costs and writes beside the signals.

A full replace inside the caller's transaction: the store is small beside the telemetry, and a mirror that was patched could show a
decision that is not in the record. What stays behind on purpose: prompts, model answers, the texts of drafts and of requests, facts
and evidence. Long field values of writes are shown by their hash. The marts on top are published to people with BI access, who are
more than those who may read a draft.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import inspect, select
from sqlalchemy.orm import defer

from vim_pipelines.core.hashing import canonical_json, sha256_text
from vim_pipelines.store.engine import Store
from vim_pipelines.store.models import Alert, ApprovalEvent, ApprovalRequest, Base, Draft, LlmCall, OutboxEntry

if TYPE_CHECKING:
    from vim_pipelines.warehouse.base import Session

LONGEST_VALUE = 120
LONGEST_ERROR = 300


@dataclass(frozen=True)
class MirrorColumn:
    """One column of a mirrored table: its SQL type, and where the value comes from if not from the attribute of the same name."""

    name: str
    sql_type: str
    value: Callable[[Any], Any] | None = None


def _columns(text: str) -> tuple[MirrorColumn, ...]:
    """`name type` pairs, one a line or separated by semicolons."""
    pairs = [part.strip() for part in text.replace("\n", ";").split(";") if part.strip()]
    split = [pair.split(" ", 1) for pair in pairs]
    return tuple(MirrorColumn(name, sql_type) for name, sql_type in split)


def _shown(fields: dict[str, Any] | None) -> str | None:
    """Fields of a write as JSON, long values by their hash."""
    if fields is None:
        return None
    slim = {name: f"sha256:{sha256_text(value)}" if isinstance(value, str) and len(value) > LONGEST_VALUE else value for name, value in fields.items()}
    return canonical_json(slim)


def _first_line(text: str | None) -> str | None:
    return text.splitlines()[0][:LONGEST_ERROR] if text and text.strip() else None


@dataclass(frozen=True)
class MirrorTable:
    """One mirrored table. `left_behind` are columns of the model that are not copied, each on purpose; a test names every column."""

    name: str
    model: type[Base]
    columns: tuple[MirrorColumn, ...]
    left_behind: tuple[str, ...] = ()


TABLES: tuple[MirrorTable, ...] = (
    MirrorTable(
        "draft_versions",
        Draft,
        (
            *_columns(
                """draft_id varchar; account_key varchar; account_name varchar; document varchar; audience varchar; as_of_date date; version integer
                draft_key varchar; facts_sha256 varchar; rendered_sha256 varchar; status varchar; written_by varchar; model varchar; prompt_sha256 varchar
                cost_usd decimal(12, 6); created_at timestamp; edited_by varchar; edited_from varchar"""
            ),
            MirrorColumn("text_length", "integer", lambda draft: len(draft.rendered_text)),
            MirrorColumn("fact_count", "integer", lambda draft: len(draft.facts)),
            MirrorColumn("gate_finding_count", "integer", lambda draft: len(draft.gate_findings)),
            MirrorColumn("gate_findings", "varchar", lambda draft: ", ".join(sorted({_finding(row) for row in draft.gate_findings})) or None),
            MirrorColumn("is_redraft", "boolean", lambda draft: draft.feedback is not None),
        ),
        ("facts", "evidence", "structured", "rendered_text", "feedback"),
    ),
    MirrorTable(
        "approval_requests",
        ApprovalRequest,
        _columns(
            """request_id varchar; draft_id varchar; account_key varchar; account_name varchar; document varchar; version integer; state varchar
            payload_sha256 varchar; approved_sha256 varchar; policy_version varchar; approver_role varchar; risk_band varchar; arr_amount decimal(18, 2)
            currency varchar; as_of_date date; replan_round integer; attempt integer; last_run_id varchar; decided_by varchar; decided_role varchar
            decided_channel varchar; decided_at timestamp; note varchar; created_at timestamp; expires_at timestamp; updated_at timestamp
            segment varchar; amount_at_stake decimal(18, 2); stake_currency varchar; approvals_needed integer; edited_by varchar
            reminded_at timestamp; escalated_at timestamp"""
        ),
        ("payload", "context", "opened_by", "opened_until"),
    ),
    MirrorTable(
        "approval_events",
        ApprovalEvent,
        (
            MirrorColumn("occurred_at", "timestamp", lambda event: event.at),
            *_columns(
                """event_number integer; request_id varchar; actor varchar; role varchar; channel varchar; action varchar; from_state varchar
            to_state varchar; version integer; payload_sha256 varchar; note varchar; previous_sha256 varchar; event_sha256 varchar"""
            ),
        ),
    ),
    MirrorTable(
        "outbox",
        OutboxEntry,
        (
            *_columns(
                """entry_id varchar; idempotency_key varchar; request_id varchar; standing_id varchar; account_key varchar; kind varchar; action varchar
                target varchar; object_name varchar; external_id varchar; approved_sha256 varchar; state varchar; attempts integer; record_id varchar
                was_created boolean; created_at timestamp; updated_at timestamp"""
            ),
            MirrorColumn("proposed_values", "varchar", lambda entry: _shown(entry.proposed)),
            MirrorColumn("before_values", "varchar", lambda entry: _shown(entry.before)),
            MirrorColumn("after_values", "varchar", lambda entry: _shown(entry.after)),
            MirrorColumn("error", "varchar", lambda entry: _first_line(entry.error)),
        ),
    ),
    MirrorTable(
        "alerts",
        Alert,
        _columns(
            """alert_id varchar; account_key varchar; account_name varchar; kind varchar; episode varchar; as_of_date date; segment varchar; text_sha256 varchar
            created_at timestamp; acknowledged_by varchar; acknowledged_role varchar; acknowledged_channel varchar; acknowledged_at timestamp; note varchar"""
        ),
        ("facts", "text"),
    ),
    MirrorTable(
        "llm_calls",
        LlmCall,
        (
            *_columns(
                """call_id varchar; draft_key varchar; attempt integer; account_key varchar; document varchar; provider varchar; model varchar
                prompt_sha256 varchar; status varchar; request_id varchar; stop_reason varchar; input_tokens integer; output_tokens integer
                cache_read_tokens integer; cache_write_tokens integer; cost_usd decimal(12, 6); price_date date; latency_ms integer; as_of_date date
                created_at timestamp; exported_at timestamp; purpose varchar; batch_id varchar"""
            ),
            MirrorColumn("error", "varchar", lambda call: _first_line(call.error)),
        ),
        ("response",),
    ),
)


def mirror_store(store: Store, session: Session) -> dict[str, int]:
    """Make the tables `ops.draft_versions`, `approval_requests`, `approval_events`, `outbox`, `alerts` and `llm_calls` equal to the store; returns rows by table.

    The tables are created where they are missing. Each is read from the store in one transaction of its own.
    """
    import pandas as pd

    counts: dict[str, int] = {}
    for table in TABLES:  # all of them before the first row is touched: DDL commits in Snowflake, and half a mirror would be seen
        session.ensure_table(f"ops.{table.name}", {column.name: column.sql_type for column in table.columns})
    for table in TABLES:
        target = f"ops.{table.name}"
        session.execute(f"delete from {target}")
        rows = list(_rows(store, table))
        counts[table.name] = len(rows)
        if rows:
            frame = pd.DataFrame({column.name: _series(pd, [row[place] for row in rows], column.sql_type) for place, column in enumerate(table.columns)})
            session.append(target, frame)
    return counts


def _rows(store: Store, table: MirrorTable) -> Iterator[tuple[Any, ...]]:
    computed = any(column.value for column in table.columns)
    unread = [] if computed else [defer(getattr(table.model, name)) for name in table.left_behind]
    order = inspect(table.model).primary_key
    with store.session() as session:
        for row in session.scalars(select(table.model).options(*unread).order_by(*order).execution_options(yield_per=500)):
            yield tuple(getattr(row, column.name) if column.value is None else column.value(row) for column in table.columns)


def _series(pd: Any, values: list[Any], sql_type: str) -> Any:
    """A column whose type does not depend on which values happen to be missing: an all-empty column must not become a number."""
    if sql_type == "integer":
        return pd.array(values, dtype="Int64")
    if sql_type == "boolean":
        return pd.array(values, dtype="boolean")
    if sql_type == "timestamp":
        return pd.to_datetime(pd.Series(values, dtype="object"))
    return pd.Series(values, dtype="object")


def _finding(row: dict[str, Any]) -> str:
    return str(row.get("gate") or row.get("rule") or row.get("code") or row.get("kind") or "finding")
