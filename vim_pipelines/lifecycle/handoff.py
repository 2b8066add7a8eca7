"""The handoff audit of one account: for each field of the matrix whether it is there, and whether its sources agree.

present · missing (every source was looked into) · invalid (the CRM contradicts itself) · conflicting (CRM and document, or two
documents, say different things) · stale (it was true) · unverifiable (nobody keeps the record, or the words cannot be read).
Code never chooses between two sources: both are shown with the document's words, and a person answers. A false `missing` makes people
stop reading the others, so a source that cannot be seen never counts as one that is silent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from vim_pipelines.lifecycle.handoff_crm import CrmAnswer, CrmRecord, Row, by_product, check, seats_text, span_text
from vim_pipelines.lifecycle.handoff_matrix import Field, Matrix
from vim_pipelines.lifecycle.handoff_reading import Told
from vim_pipelines.lifecycle.handoff_values import (
    PERPETUAL,
    duration_of,
    is_near,
    is_same_days,
    is_same_numbers,
    name_words,
    period_agrees,
    person_agrees,
    words_of,
)

FieldStatus = Literal["present", "missing", "invalid", "conflicting", "stale", "unverifiable"]
STATUSES: tuple[FieldStatus, ...] = ("present", "missing", "invalid", "conflicting", "stale", "unverifiable")
#: What keeps a mandatory field from passing the gate of phase 1. Somebody who left was handed over all the same: phase 2 asks who is there now.
HOLDING: tuple[FieldStatus, ...] = ("missing", "invalid", "conflicting")


@dataclass(frozen=True)
class Document:
    """The newest document of a kind, as it was read."""

    kind: str
    document_key: str
    authored_on: date | None
    told: Mapping[str, Told]


@dataclass(frozen=True)
class FieldFinding:
    """The judgement of one field of one account. `quote` with its place is of the document that `document_key` names."""

    field: Field
    status: FieldStatus
    value: str | None
    source: str | None
    reason: str
    crm_value: str | None = None
    document_value: str | None = None
    document_kind: str | None = None
    document_key: str | None = None
    quote: str | None = None
    quote_start: int | None = None
    quote_end: int | None = None
    sources: tuple[dict[str, Any], ...] = ()


def audit_account(matrix: Matrix, record: CrmRecord, documents: Sequence[Document]) -> list[FieldFinding]:
    """Every field of the matrix for one account, in its order."""
    by_kind = {document.kind: document for document in documents}
    return [judge_field(field, record, by_kind) for field in matrix.fields]


def judge_field(field: Field, record: CrmRecord, documents: Mapping[str, Document]) -> FieldFinding:
    """One field from its sources, in their order of priority."""
    crm = check(field, record) if field.crm else None
    spoken = [(documents[kind], documents[kind].told[field.field_id]) for kind in field.sources if kind in documents and field.field_id in documents[kind].told]
    answers = [(document, told) for document, told in spoken if told.status == "found"]
    sources = _sources(field, crm, spoken)
    crm_value = crm.value if crm else None

    def finding(status: FieldStatus, value: str | None, source: str | None, reason: str = "", shown: tuple[Document, Told] | None = None) -> FieldFinding:
        if shown is None:
            return FieldFinding(field, status, value, source, reason, crm_value, sources=sources)
        document, told = shown
        return FieldFinding(
            field, status, value, source, reason, crm_value, told.value, document.kind, document.document_key, told.quote, told.start, told.end, sources
        )  # fmt: skip

    first = answers[0] if answers else None
    if crm and crm.state == "invalid":
        return finding("invalid", crm.value, "crm", crm.reason, first)
    for document, told in answers:
        if crm and crm.state == "ok" and agrees(field, told, document, record) is False:
            return finding(
                "conflicting",
                None,
                None,
                f"the CRM says {held_text(field, document, record) or crm.value}, the {document.kind.replace('_', ' ')} {told.value}",
                (document, told),
            )
    for position, (document, told) in enumerate(answers):
        for other, said in answers[position + 1 :]:
            if differ(field, told, said):
                return finding(
                    "conflicting",
                    None,
                    None,
                    f"the {document.kind.replace('_', ' ')} says {told.value}, the {other.kind.replace('_', ' ')} {said.value}",
                    (document, told),
                )
    if crm and crm.state == "stale" and (not answers or field.value != "person" or not _is_newer(answers[0], record, field)):
        return finding("stale", crm.value, "crm", crm.reason, first)
    for source in field.sources:
        if source == "crm" and crm and crm.state == "ok":
            return finding("present", crm.value, "crm", crm.reason, first)
        match = next((answer for answer in answers if answer[0].kind == source), None)
        if match is not None:
            return finding("present", match[1].value, source, match[1].reason, match)
    open_one = next(((document, told) for document, told in spoken if told.status == "open"), None)
    if open_one is not None:
        return finding("unverifiable", None, None, open_one[1].reason, open_one)
    blank = next(((document, told) for document, told in spoken if told.status == "blank"), None)
    if not _is_fed(field.sources[0], crm, record):
        return finding("unverifiable", None, None, f"nobody keeps {_source_name(field.sources[0])} for this portfolio", blank)
    return finding("missing", None, None, _why_missing(field, crm, documents, blank), blank)


def agrees(field: Field, told: Told, document: Document, record: CrmRecord) -> bool | None:
    """Whether a document's answer is what the CRM holds for the lines that the document is about; None if it cannot be told."""
    written = told.written
    if written is None:
        return None
    if field.value == "person":
        role = [str(contact.get("full_name") or "") for contact in record.contacts if contact.get("role") == field.crm and record.is_there(contact)]
        return person_agrees(written, role, [str(contact.get("full_name") or "") for contact in record.contacts])
    lines = record.lines_from(document.authored_on or record.cycle_started_on)
    if not lines:
        return None
    starts = [line["start_date"] for line in lines]
    match field.value:
        case "seats":
            return is_same_numbers(written, by_product(lines, "seats"), 0.0)
        case "price" if field.crm == "unit_price":
            prices = by_product(lines, "net_unit_price_annual")
            return is_same_numbers(written, prices, field.tolerance) if prices and not written.startswith("=") else None
        case "period":
            return period_agrees(written, [(line["start_date"], line.get("end_date")) for line in lines], field.tolerance)
        case "date" if field.crm == "end":
            return (
                period_agrees(written, [(None, line.get("end_date")) for line in lines], field.tolerance)
                if written == PERPETUAL
                else _is_one_of(written, [line.get("end_date") for line in lines], field.tolerance)
            )
        case "date":
            return _is_one_of(written, starts, field.tolerance)
        case "duration" if field.crm == "notice_days":
            known = [line["notice_days"] for line in lines if line.get("notice_days") is not None]
            compared = [is_same_days(written, days) for days in known]
            return None if not compared or None in compared else any(compared)
        case "yes_no":
            # Notice takes the renewal off in the CRM, and the contract still says what was agreed.
            said = {bool(line["auto_renew"]) for line in lines if line.get("auto_renew") is not None and line.get("notice_served_on") is None}
            return (written == "yes") in said if said else None
        case "text" if field.crm in ("sla_tier", "billing"):
            column = "sla_tier" if field.crm == "sla_tier" else "billing_frequency"
            held = {word for line in lines for word in words_of(str(line.get(column) or ""))}
            words = words_of(told.value or "")
            return None if not held or len(words) > 3 else bool(held & set(words))
    return None


def _is_one_of(written: str, days: Sequence[date | None], tolerance: float) -> bool | None:
    try:
        told = date.fromisoformat(written)
    except ValueError:
        return None
    known = [day for day in days if day is not None]
    return any(is_near(told, day, tolerance) for day in known) if known else None


def held_text(field: Field, document: Document, record: CrmRecord) -> str | None:
    """What the CRM holds for the lines that a document is about: its value of today may be of a later term."""
    lines: list[Row] = record.lines_from(document.authored_on or record.cycle_started_on)
    if not lines:
        return None
    match field.crm:
        case "seats":
            return seats_text(lines)
        case "unit_price":
            return "; ".join(f"{product}: {price:.2f}" for product, price in by_product(lines, "net_unit_price_annual").items())
        case "term" | "start" | "end":
            return " and ".join(sorted({span_text(line) for line in lines}))
        case "notice_days":
            return " and ".join(f"{days} days" for days in sorted({line["notice_days"] for line in lines if line.get("notice_days") is not None}))
    return None


def differ(field: Field, first: Told, second: Told) -> bool:
    """Whether two documents clearly say different things; words about the same thing are not compared."""
    if first.written is None or second.written is None:
        return False
    match field.value:
        case "person":
            one, other = name_words(first.written), name_words(second.written)
            return len(one) > 1 and len(other) > 1 and not one & other
        case "duration":
            lengths = duration_of(first.written), duration_of(second.written)
            return lengths[0] is not None and lengths[1] is not None and not lengths[0].is_same_length(lengths[1]) and lengths[0].unit == lengths[1].unit
        case "yes_no":
            return first.written != second.written
        case "period" if "/" in first.written and "/" in second.written:
            spans = [tuple(date.fromisoformat(day) for day in told.written.split("/")) for told in (first, second) if told.written]
            return not all(is_near(one, other, field.tolerance) for one, other in zip(*spans, strict=True))
    return False


def _is_newer(answer: tuple[Document, Told], record: CrmRecord, field: Field) -> bool:
    """Whether a document names somebody else than those who left."""
    gone = [str(contact.get("full_name") or "") for contact in record.contacts if contact.get("role") == field.crm and not record.is_there(contact)]
    told = name_words(answer[1].written or "")
    return bool(told) and not any(told & name_words(name) for name in gone)


def _is_fed(source: str, crm: CrmAnswer | None, record: CrmRecord) -> bool:
    return (crm is not None and crm.state != "unfed") if source == "crm" else source in record.feeds.documents


def _source_name(source: str) -> str:
    return "it in the CRM" if source == "crm" else f"{source.replace('_', ' ')}s"


def _why_missing(field: Field, crm: CrmAnswer | None, documents: Mapping[str, Document], blank: tuple[Document, Told] | None) -> str:
    looked = [f"the {kind.replace('_', ' ')}" for kind in field.sources if kind in documents]
    said = [f"the {blank[0].kind.replace('_', ' ')} names it and leaves it blank"] if blank else [f"nothing in {' or '.join(looked)}"] if looked else []
    if not looked and field.sources[0] != "crm":
        said.append(f"there is no {field.sources[0].replace('_', ' ')}")
    return "; ".join([*said, *([crm.reason] if crm and crm.reason else [])])


def _sources(field: Field, crm: CrmAnswer | None, spoken: Sequence[tuple[Document, Told]]) -> tuple[dict[str, Any], ...]:
    """What each source says, for a person to compare; sources that say nothing are left out."""
    said: list[dict[str, Any]] = []
    if crm and crm.state != "unfed" and (crm.value or crm.keys or crm.state == "invalid"):
        said.append({"source": "crm", "state": crm.state, "value": crm.value, "rows": [":".join(key) for key in crm.keys]})
    said += [
        {
            "source": document.kind, "state": told.status, "value": told.value, "document_key": document.document_key, "quote": told.quote, "start": told.start,
            "end": told.end,
        }
        for document, told in spoken
    ]  # fmt: skip
    return tuple(said)


@dataclass(frozen=True)
class AuditSummary:
    """The mandatory fields of one account by status, as `a, b`, and the loop of requests; the facts that rules and signals read."""

    expected: int
    by_status: Mapping[str, tuple[str, ...]]
    rounds: int
    is_escalated: bool

    def names(self, status: FieldStatus) -> str | None:
        return ", ".join(self.by_status.get(status, ())) or None


def open_fields(findings: Sequence[FieldFinding], waived: frozenset[str] = frozenset()) -> list[FieldFinding]:
    """The mandatory fields that hold the gate of phase 1 and that nobody waived by name: what the account executive is asked for."""
    return [finding for finding in findings if finding.field.is_mandatory and finding.status in HOLDING and finding.field.field_id not in waived]


def summarise(findings: Sequence[FieldFinding], rounds: int, max_rounds: int, waived: frozenset[str] = frozenset()) -> AuditSummary:
    """The audit in the words that the gate needs. Escalated: asked `max_rounds` times, and a mandatory field still holds the gate."""
    mandatory = [finding for finding in findings if finding.field.is_mandatory]
    by_status: dict[str, tuple[str, ...]] = {
        status: tuple(sorted(finding.field.field_id for finding in mandatory if finding.status == status)) for status in STATUSES
    }
    return AuditSummary(len(mandatory), by_status, rounds, bool(open_fields(findings, waived)) and rounds >= max_rounds)


def rounds_asked(tasks: Sequence[Row], approvals: Sequence[Row], since: date | None, as_of: date) -> int:
    """How often the anchors were asked for in this relation, by `as_of`.

    `tasks`: rows with `task_kind`, `status` and `created_on`; `approvals`: rows with `document` and `on`, the day on which a request was
    sent. One request is often both, a text and the task that its approval makes: the larger number counts.
    """
    begun = since or date.min
    asked = Counter[str]()
    for task in tasks:
        if task.get("task_kind") == "anchor_request" and task.get("status") != "cancelled" and begun <= (task.get("created_on") or as_of) <= as_of:
            asked["task"] += 1
    for request in approvals:
        if request.get("document") == "anchor_request" and begun <= request["on"] <= as_of:
            asked["approval"] += 1
    return max(asked.values(), default=0)
