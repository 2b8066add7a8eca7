"""The tables that the lifecycle writes, schema `computed`."""

from __future__ import annotations

from vim_pipelines.lifecycle.action_tables import ACTION_TABLES
from vim_pipelines.warehouse.base import Session

_KEY = {"account_key": "varchar", "as_of_date": "date"}

TABLES: dict[str, dict[str, str]] = {
    "requirements": {
        **_KEY, "phase": "bigint", "requirement_id": "varchar", "title": "varchar", "status": "varchar", "is_mandatory": "boolean", "who_is_chased": "varchar",
        "action": "varchar", "evidence": "varchar", "evidence_rows": "varchar", "rule_version": "varchar",
    },
    "account_state": {
        **_KEY, "phase": "bigint", "phase_name": "varchar", "entered_on": "date", "blocking_requirement_id": "varchar", "spine_phase": "bigint",
        "exception_phase": "bigint", "open_overlays": "varchar", "snoozed_until": "date", "disputed_facts": "varchar", "memory": "varchar", "rule_version": "varchar",
    },
    "phase_transitions": {
        **_KEY, "region": "varchar", "change": "varchar", "from_phase": "bigint", "to_phase": "bigint", "reason": "varchar", "evidence": "varchar", "rule_version": "varchar",
    },
    # What the requirements of a day were judged from, kept so that a late day can be folded forward without rebuilding dbt for each day after it.
    "lifecycle_evidence": {**_KEY, "facts": "varchar", "risks": "varchar"},
    "handoff_fields": {
        **_KEY, "field_id": "varchar", "label": "varchar", "section": "varchar", "is_mandatory": "boolean", "required_by_phase": "bigint", "status": "varchar",
        "value": "varchar", "source": "varchar", "reason": "varchar", "crm_value": "varchar", "document_value": "varchar", "document_kind": "varchar",
        "document_key": "varchar", "quote": "varchar", "quote_start": "bigint", "quote_end": "bigint", "sources": "varchar", "who_is_chased": "varchar",
        "rule_version": "varchar",
    },
    # The facts that the requirements and the risk rules read of the handoff audit: mandatory fields by status, and the loop of requests.
    "handoff_audits": {
        **_KEY, "handoff_fields_expected": "bigint", "handoff_fields_missing": "bigint", "handoff_missing_fields": "varchar",
        "handoff_conflicting_fields": "varchar", "handoff_invalid_fields": "varchar", "handoff_stale_fields": "varchar", "handoff_unverifiable_fields": "varchar",
        "handoff_words": "varchar", "handoff_rounds": "bigint", "handoff_is_escalated": "boolean",
    },
    "anchor_requests": {
        **_KEY, "request_round": "bigint", "is_escalated": "boolean", "addressed_to": "varchar", "addressee_name": "varchar", "addressee_email": "varchar",
        "subject": "varchar", "request_text": "varchar", "fields_asked": "varchar", "rule_version": "varchar",
    },
}  # fmt: skip


#: What was read in documents, by the hash of the text: the same text is read once, whichever day asks. No as-of date: the text says what it says.
READINGS = {
    "text_hash": "varchar", "document_kind": "varchar", "reader_version": "varchar", "field_id": "varchar", "status": "varchar", "value": "varchar",
    "written": "varchar", "quote": "varchar", "quote_start": "bigint", "quote_end": "bigint", "reason": "varchar",
}  # fmt: skip


def ensure_computed_tables(session: Session) -> None:
    """Create the tables of this slice that do not exist."""
    session.ensure_table("computed.document_terms", READINGS)
    for name, columns in (TABLES | ACTION_TABLES).items():
        session.ensure_table(f"computed.{name}", columns)
