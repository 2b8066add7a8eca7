"""Audits the handoff of every account for one as-of date: base models in, `computed.handoff_fields` and `computed.handoff_audits` out.

It runs between the base models and the signals, because the risk rules count the gaps as the gate of phase 1 does. Documents are read
set-wise and only when their text is new: what a text says does not depend on the day, so readings are kept by the text's hash.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from vim_pipelines.lifecycle.handoff import HOLDING, AuditSummary, Document, FieldFinding, audit_account, open_fields, rounds_asked, summarise
from vim_pipelines.lifecycle.handoff_crm import CrmRecord, Feeds
from vim_pipelines.lifecycle.handoff_matrix import Matrix, load_matrix
from vim_pipelines.lifecycle.handoff_reading import Told, read_document, version
from vim_pipelines.lifecycle.handoff_request import anchor_request
from vim_pipelines.lifecycle.tables import READINGS, TABLES, ensure_computed_tables
from vim_pipelines.lifecycle.words import standing, word_of
from vim_pipelines.warehouse.base import Session, chunks

if TYPE_CHECKING:
    import pandas as pd

#: The requirement of the map that the fields belong to.
REQUIREMENT = "p1_sales_docs"
_COLUMNS = ("term_months", "billing_frequency", "sla_tier", "discount_expires_on")
#: A row in the place of the answers of a text that is silent about everything, so that it is not read again.
_SILENT = "-"

_ACCOUNTS = """
select
    accounts.account_key, accounts.account_name, accounts.owner_name, staged.owner_email, staged.director_email, accounts.csm_name, cycles.cycle_started_on,
    cycles.evidence_from
from base.int_accounts as accounts
left join base.stg_crm__accounts as staged on accounts.account_key = staged.account_key
left join base.int_contract_cycles as cycles on accounts.account_key = cycles.account_key
where accounts.hold_reason is null
order by accounts.account_key
"""

_LINES = """
select
    lines.account_key, lines.contract_line_key, lines.product, lines.seats, lines.list_unit_price_annual, lines.net_unit_price_annual, lines.currency,
    lines.start_date, lines.end_date, lines.notice_days, lines.opt_out_date, lines.auto_renew, lines.notice_served_on, lines.contract_status, lines.is_active,
    lines.line_status, lines.invalid_reason, staged.term_months, staged.billing_frequency, staged.sla_tier, staged.discount_expires_on
from base.int_contract_lines as lines
left join base.stg_crm__contract_lines as staged on lines.contract_line_key = staged.contract_line_key
where lines.contract_status <> 'draft'
order by lines.account_key, lines.contract_line_key
"""

_CONTACTS = "select account_key, contact_key, full_name, role, is_active, left_on from base.stg_crm__contacts order by account_key, contact_key"
_DEALS = """
select account_key, opportunity_key, opportunity_type, is_won, amount, currency, close_date
from base.stg_crm__opportunities
where opportunity_type = 'new' and is_won and close_date <= ?
order by account_key, opportunity_key
"""
_TASKS = """
select account_key, task_kind, status, created_on
from base.stg_crm__tasks
where task_kind = 'anchor_request' and (created_on is null or created_on <= ?)
"""
_DOCUMENTS = "select account_key, document_kind, document_key, authored_on, text_hash from base.int_handoff_documents order by account_key, document_kind"
_FED = "select entity from raw.entity_coverage where is_fed"


@dataclass(frozen=True)
class HandoffReport:
    """What an audit wrote: rows per table, fields by status, and how many texts were new to it."""

    as_of: date
    rows: dict[str, int]
    fields_by_status: dict[str, int]
    texts_read: int


def audit_handoffs(
    session: Session, as_of: date, requests: Sequence[Mapping[str, Any]] = (), words: Sequence[Any] = (), *, matrix: Matrix | None = None
) -> HandoffReport:
    """Audit every account that is not held, and replace the partition of `as_of`. The base models must stand at `as_of`.

    `requests`: requests for anchors that were sent, as rows with `account_key`, `document` and `on`; those after `as_of` do not count.
    `words`: rows of lifecycle overrides; a field that somebody waived by name is not asked for again.
    """
    matrix = matrix or load_matrix()
    ensure_computed_tables(session)
    texts_read = _read_new_texts(session, matrix)
    accounts = session.rows(_ACCOUNTS)
    lines, contacts = _by_account(session.rows(_LINES)), _by_account(session.rows(_CONTACTS))
    deals, tasks = _by_account(session.rows(_DEALS, [as_of])), _by_account(session.rows(_TASKS, [as_of]))
    asked, said = _by_account(requests), _by_account([word_of(row) for row in words])
    documents, kinds = _documents(session, matrix)
    feeds = _feeds(session, lines, contacts, deals, kinds)

    fields: list[tuple[Any, ...]] = []
    audits: list[tuple[Any, ...]] = []
    anchors: list[tuple[Any, ...]] = []
    by_status: dict[str, int] = defaultdict(int)
    for account in accounts:
        key, begun = account["account_key"], account["cycle_started_on"]
        record = CrmRecord(key, as_of, begun, lines.get(key, ()), contacts.get(key, ()), deals.get(key, ()), feeds)
        findings = audit_account(matrix, record, documents.get(key, ()))
        for finding in findings:
            by_status[finding.status] += 1
            fields.append(_field_row(key, as_of, finding, matrix))
        rounds = rounds_asked(tasks.get(key, ()), asked.get(key, ()), account["evidence_from"], as_of)
        waived = _waived(said.get(key, ()), as_of)
        audits.append(_audit_row(key, as_of, findings, summarise(findings, rounds, matrix.max_rounds, waived), "handoff" in feeds.documents))
        request = anchor_request(account, open_fields(findings, waived), rounds, matrix.max_rounds) if "handoff" in feeds.documents else None
        if request is not None:
            asks = ", ".join(request.fields)
            anchors.append(
                (
                    key,
                    as_of,
                    request.round,
                    request.is_escalated,
                    request.role,
                    request.name,
                    request.email,
                    request.subject,
                    request.text,
                    asks,
                    matrix.version,
                )
            )
    rows = {
        "handoff_fields": session.replace_partition("computed.handoff_fields", _frame("handoff_fields", fields), "as_of_date", as_of),
        "handoff_audits": session.replace_partition("computed.handoff_audits", _frame("handoff_audits", audits), "as_of_date", as_of),
        "anchor_requests": session.replace_partition("computed.anchor_requests", _frame("anchor_requests", anchors), "as_of_date", as_of),
    }
    return HandoffReport(as_of, rows, dict(sorted(by_status.items())), texts_read)


def _field_row(account_key: str, as_of: date, finding: FieldFinding, matrix: Matrix) -> tuple[Any, ...]:
    field = finding.field
    return (
        account_key, as_of, field.field_id, field.label, field.section, field.is_mandatory, field.phase, finding.status, finding.value, finding.source,
        finding.reason or None, finding.crm_value, finding.document_value, finding.document_kind, finding.document_key, finding.quote, finding.quote_start,
        finding.quote_end, json.dumps(finding.sources, ensure_ascii=False), field.who_is_chased, matrix.version,
    )  # fmt: skip


def _waived(words: Sequence[Mapping[str, Any]], as_of: date) -> frozenset[str]:
    """The fields that a person waived by name; a waiver of the whole requirement waives every field."""
    waivers = standing(words, as_of).waivers
    if REQUIREMENT in waivers:
        return frozenset(field.field_id for field in load_matrix().fields)
    return frozenset(name.removeprefix(f"{REQUIREMENT}.") for name in waivers if name.startswith(f"{REQUIREMENT}."))


def _audit_row(account_key: str, as_of: date, findings: Sequence[FieldFinding], summary: AuditSummary, is_handoff_fed: bool) -> tuple[Any, ...]:
    # What both sources say, for those that a person has to choose between or correct; the names of missing fields say enough.
    words = "; ".join(
        f"{finding.field.label}: {finding.reason}"
        for finding in findings
        if finding.field.is_mandatory and finding.status in HOLDING and finding.status != "missing"
    )
    missing = summary.by_status["missing"]
    return (
        account_key, as_of, summary.expected if is_handoff_fed else None, len(missing) if is_handoff_fed else None, summary.names("missing"),
        summary.names("conflicting"), summary.names("invalid"), summary.names("stale"), summary.names("unverifiable"), words or None, summary.rounds,
        summary.is_escalated,
    )  # fmt: skip


def _read_new_texts(session: Session, matrix: Matrix) -> int:
    """Read every text that was not read under this version of the rules, and keep what it says."""
    import pandas as pd

    reader = version(matrix)
    new = session.rows(
        "select distinct documents.text_hash, documents.document_kind from base.int_handoff_documents as documents"
        " left join (select distinct text_hash, document_kind from computed.document_terms where reader_version = ?) as kept"
        " on documents.text_hash = kept.text_hash and documents.document_kind = kept.document_kind"
        " where kept.text_hash is null and documents.body is not null order by documents.text_hash, documents.document_kind",
        [reader],
    )
    for part in chunks(new, 2_000):
        kinds: dict[str, list[str]] = defaultdict(list)
        for row in part:
            kinds[row["text_hash"]].append(row["document_kind"])
        marks = ", ".join("?" for _ in kinds)
        texts = session.rows(
            f"select text_hash, max(body) as body from base.int_handoff_documents where text_hash in ({marks}) group by text_hash", list(kinds)
        )
        kept = [
            (text["text_hash"], kind, reader, *_reading_row(told))
            for text in texts
            for kind in kinds[text["text_hash"]]
            for told in [*read_document(matrix, kind, text["body"]), Told(_SILENT, "open", None, None, None, None, None)]
        ]
        frame = pd.DataFrame(kept, columns=list(READINGS)).astype({"quote_start": "Int64", "quote_end": "Int64"})
        session.append("computed.document_terms", frame)
    return len(new)


def _reading_row(told: Told) -> tuple[Any, ...]:
    return told.field_id, told.status, told.value, told.written, told.quote, told.start, told.end, told.reason or None


def _documents(session: Session, matrix: Matrix) -> tuple[dict[str, list[Document]], set[str]]:
    """The newest documents by account with what they tell, and the kinds that anybody has."""
    told: dict[tuple[str, str], dict[str, Told]] = defaultdict(dict)
    readings = session.rows(
        "select kept.* from computed.document_terms as kept inner join (select distinct text_hash, document_kind from base.int_handoff_documents) as documents"
        " on kept.text_hash = documents.text_hash and kept.document_kind = documents.document_kind where kept.reader_version = ? and kept.field_id <> ?",
        [version(matrix), _SILENT],
    )
    for row in readings:
        start, end = (None if row[name] is None else int(row[name]) for name in ("quote_start", "quote_end"))
        reading = Told(row["field_id"], row["status"], row["value"], row["written"], row["quote"], start, end, row["reason"] or "")
        told[row["text_hash"], row["document_kind"]][row["field_id"]] = reading
    documents: dict[str, list[Document]] = defaultdict(list)
    kinds: set[str] = set()
    for row in session.rows(_DOCUMENTS):
        kinds.add(row["document_kind"])
        read = told.get((row["text_hash"], row["document_kind"]), {})
        documents[row["account_key"]].append(Document(row["document_kind"], row["document_key"], row["authored_on"], read))
    return documents, kinds


def _feeds(session: Session, lines: Mapping[str, Any], contacts: Mapping[str, Any], deals: Mapping[str, Any], kinds: set[str]) -> Feeds:
    """What is kept at all: a source feeds the entity, and at least one account of the portfolio has such a row."""
    fed = {row["entity"] for row in session.rows(_FED)}
    everything = [line for rows in lines.values() for line in rows]
    return Feeds(
        contract_line="contract_line" in fed and bool(everything),
        opportunity="opportunity" in fed and bool(deals),
        contact_role="contact" in fed and any(contact["role"] in ("sponsor", "champion") for rows in contacts.values() for contact in rows),
        documents=frozenset(kinds) if "document" in fed else frozenset(),
        columns=frozenset(name for name in _COLUMNS if any(line[name] is not None for line in everything)),
    )


def _by_account(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    grouped: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        grouped[row["account_key"]].append(row)
    return grouped


def _frame(table: str, rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    import pandas as pd

    kinds = {"bigint": "Int64", "boolean": "boolean"}
    frame = pd.DataFrame(rows, columns=list(TABLES[table]))
    return frame.astype({name: kinds[kind] for name, kind in TABLES[table].items() if kind in kinds})
