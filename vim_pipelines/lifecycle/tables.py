"""The tables that the lifecycle writes, schema `computed`."""

from __future__ import annotations

from vim_pipelines.warehouse.base import Session

_KEY = {"account_key": "varchar", "as_of_date": "date"}

TABLES: dict[str, dict[str, str]] = {
    "requirements": {
        **_KEY, "phase": "bigint", "requirement_id": "varchar", "title": "varchar", "status": "varchar", "is_mandatory": "boolean", "who_is_chased": "varchar",
        "action": "varchar", "evidence": "varchar", "evidence_rows": "varchar", "rule_version": "varchar",
    },
    "account_state": {
        **_KEY, "phase": "bigint", "phase_name": "varchar", "entered_on": "date", "blocking_requirement_id": "varchar", "spine_phase": "bigint",
        "exception_phase": "bigint", "open_overlays": "varchar", "snoozed_until": "date", "memory": "varchar", "rule_version": "varchar",
    },
    "phase_transitions": {
        **_KEY, "region": "varchar", "change": "varchar", "from_phase": "bigint", "to_phase": "bigint", "reason": "varchar", "evidence": "varchar", "rule_version": "varchar",
    },
    # What the requirements of a day were judged from, kept so that a late day can be folded forward without rebuilding dbt for each day after it.
    "lifecycle_evidence": {**_KEY, "facts": "varchar", "risks": "varchar"},
}  # fmt: skip


def ensure_computed_tables(session: Session) -> None:
    """Create the tables of this slice that do not exist."""
    for name, columns in TABLES.items():
        session.ensure_table(f"computed.{name}", columns)
