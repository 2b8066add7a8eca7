"""What follows from the gates: failing rows in raw.quarantine, each once, and the accounts of the night that are held.

raw keeps its versions: a row set aside here is not removed, it is listed with its reason. The accounts stand in raw.held_accounts by
date, so that a past night built again holds what it held; dbt reads them in staging, and everything above follows from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from vim_pipelines.core.hashing import sha256_text
from vim_pipelines.quality.facts import GATE_REASON
from vim_pipelines.quality.gates import GateResult
from vim_pipelines.warehouse.base import chunks

if TYPE_CHECKING:
    from vim_pipelines.warehouse import Session, Warehouse

ROWS_PER_INSERT = 100
HELD_ACCOUNTS = "raw.held_accounts"


@dataclass(frozen=True)
class Held:
    """Why an account is held tonight: one entity and gate. `row_count`: rows that failed, or events of which the figure speaks."""

    account_key: str
    entity: str
    gate: str
    reason: str
    row_count: int


def held_accounts(results: Sequence[GateResult]) -> tuple[Held, ...]:
    """The accounts that blocking gates on rows and accounts hold, by account, entity and gate."""
    return tuple(
        sorted(
            (
                Held(key, result.entity, result.name, f"{result.entity.replace('_', ' ')}: {result.says}", count)
                for result in results
                for key, count in result.accounts.items()
            ),
            key=lambda held: (held.account_key, held.entity, held.gate),
        )
    )


def record(warehouse: Warehouse, results: Sequence[GateResult], as_of: date) -> tuple[tuple[Held, ...], int]:
    """Write the night's held accounts and quarantine the failing rows that are not there yet; returns both (the latter as their number).

    Doing it again changes nothing. A night that a gate stops is recorded too: its rows are what somebody has to look at.
    """
    held = held_accounts(results)
    with warehouse.session() as session:
        session.execute(f"delete from {HELD_ACCOUNTS} where as_of_date = ?", [as_of])
        _insert(session, HELD_ACCOUNTS, [{"as_of_date": as_of, **vars(item)} for item in held])
        fresh = [row for result in results for row in _new_rows(session, result)]
        _insert(session, "raw.quarantine", fresh)
    return held, len(fresh)


def _insert(session: Session, table: str, rows: Sequence[dict[str, Any]]) -> None:
    """A few rows, at most `rows_listed` of a gate: not worth a file for the warehouse's bulk reader."""
    for part in chunks(rows, ROWS_PER_INSERT):
        columns = list(part[0])
        values = ", ".join(f"({', '.join('?' for _ in columns)})" for _ in part)
        session.execute(f"insert into {table} ({', '.join(columns)}) values {values}", [row[name] for row in part for name in columns])


def _new_rows(session: Session, result: GateResult) -> list[dict[str, Any]]:
    """The failing rows of a gate as rows of raw.quarantine, without those that an earlier night wrote."""
    if not result.rows:
        return []
    reason = GATE_REASON + result.name
    there = {
        (row["source_name"], row["row_key"], sha256_text(row["row_json"]))
        for row in session.rows("select source_name, row_key, row_json from raw.quarantine where entity = ? and reason = ?", [result.entity, reason])
    }
    return [
        {
            "load_id": row.load_id,
            "source_name": row.source_name,
            "entity": result.entity,
            "row_key": row.row_key,
            "reason": reason,
            "detail": row.detail,
            "row_json": row.row_json,
            "captured_at": row.captured_at,
        }
        for row in result.rows
        if (row.source_name, row.row_key, sha256_text(row.row_json)) not in there
    ]
