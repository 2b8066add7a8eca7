"""The tables of the operations store.

They live apart from the warehouse because an approver must be able to decide while a pipeline runs. Times are naive UTC.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import JSON, Boolean, Date, DateTime, ForeignKey, Index, Integer, Numeric, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

#: All states of an approval request, once and for all (DESIGN.md section 4).
APPROVAL_STATES = (
    "pending",
    "approved",
    "rejected",
    "changes_requested",
    "replanning",
    "dismissed",
    "expired",
    "superseded",
    "executing",
    "applied",
    "verified",
    "failed",
    "conflicted",
    "undone",
)

#: States in which an approval holds: what was approved is on its way or has been carried out.
HOLDING_STATES = ("approved", "executing", "applied", "verified")

#: States of one message: `settled` when it shows how the question ended, `unknown` when the channel's answer never came.
DELIVERY_STATES = ("planned", "sending", "sent", "unknown", "failed", "settled")

#: Days for which an attempt to log in is kept.
LOGIN_ATTEMPT_DAYS = 7

#: States of one intended write. `unknown`: sent, no answer; the outside world must be read before anything is sent again.
OUTBOX_STATES = ("planned", "sending", "sent", "unknown", "verified", "skipped", "failed", "conflicted", "undone")


class Base(DeclarativeBase):
    """Declarative base of the operations store."""

    type_annotation_map = {dict[str, Any]: JSON, list[dict[str, Any]]: JSON, list[str]: JSON}


class Draft(Base):
    """One version of one document for one account. `draft_key` = sha256 of canonical facts, prompt, schema and model: unchanged facts cost nothing."""

    __tablename__ = "drafts"
    draft_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    account_key: Mapped[str] = mapped_column(String(255), index=True)
    account_name: Mapped[str] = mapped_column(Text)
    document: Mapped[str] = mapped_column(String(64))
    audience: Mapped[str] = mapped_column(String(16))
    as_of_date: Mapped[date] = mapped_column(Date)
    version: Mapped[int] = mapped_column(Integer)
    draft_key: Mapped[str] = mapped_column(String(64), index=True)
    facts: Mapped[list[dict[str, Any]]]
    facts_sha256: Mapped[str] = mapped_column(String(64))
    evidence: Mapped[list[dict[str, Any]]]
    structured: Mapped[dict[str, Any]]
    rendered_text: Mapped[str] = mapped_column(Text)
    rendered_sha256: Mapped[str] = mapped_column(String(64))
    status: Mapped[str] = mapped_column(String(16))  # written | held | checking (edited by a person; the judge has not read it yet)
    gate_findings: Mapped[list[dict[str, Any]]]
    written_by: Mapped[str] = mapped_column(String(64))  # claude | openai | offline
    model: Mapped[str | None] = mapped_column(String(128))
    prompt_sha256: Mapped[str] = mapped_column(String(64))
    cost_usd: Mapped[Decimal | None] = mapped_column(Numeric(12, 6))
    feedback: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime)
    #: Login of the person who edited it, and the draft that was edited; None where a model or the offline drafter wrote it alone.
    edited_by: Mapped[str | None] = mapped_column(String(255))
    edited_from: Mapped[str | None] = mapped_column(String(64))
    __table_args__ = (UniqueConstraint("account_key", "document", "version", name="uq_draft_version"),)


class LlmCall(Base):
    """One attempt to call a language model: what it cost and how it ended. A finished call is never paid for twice.

    `purpose`: draft, repair (a second attempt after a gate), judge. `batch_id`: the row of `llm_batches` that carried it, None for a live call.
    """

    __tablename__ = "llm_calls"
    call_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    draft_key: Mapped[str] = mapped_column(String(64), index=True)
    attempt: Mapped[int] = mapped_column(Integer)
    account_key: Mapped[str] = mapped_column(String(255), index=True)
    document: Mapped[str] = mapped_column(String(64))
    provider: Mapped[str] = mapped_column(String(32))
    model: Mapped[str] = mapped_column(String(128))
    prompt_sha256: Mapped[str] = mapped_column(String(64))
    status: Mapped[str] = mapped_column(String(32))  # started | ok | refusal | truncated | invalid | error | paused
    request_id: Mapped[str | None] = mapped_column(String(128))
    stop_reason: Mapped[str | None] = mapped_column(String(64))
    input_tokens: Mapped[int | None] = mapped_column(Integer)
    output_tokens: Mapped[int | None] = mapped_column(Integer)
    cache_read_tokens: Mapped[int | None] = mapped_column(Integer)
    cache_write_tokens: Mapped[int | None] = mapped_column(Integer)
    cost_usd: Mapped[Decimal | None] = mapped_column(Numeric(12, 6))
    price_date: Mapped[date | None] = mapped_column(Date)
    latency_ms: Mapped[int | None] = mapped_column(Integer)
    response: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    error: Mapped[str | None] = mapped_column(Text)
    as_of_date: Mapped[date] = mapped_column(Date)
    created_at: Mapped[datetime] = mapped_column(DateTime)
    exported_at: Mapped[datetime | None] = mapped_column(DateTime)
    purpose: Mapped[str] = mapped_column(String(16), default="draft", server_default="draft")
    batch_id: Mapped[str | None] = mapped_column(String(64), index=True)
    __table_args__ = (UniqueConstraint("draft_key", "attempt", name="uq_call_attempt"),)


class LlmBatch(Base):
    """A batch of calls handed to a vendor: the intent is written before the request, so that a crash between the two can be found and reconciled.

    `state`: intended (nothing is known to have been sent), submitted, ended (results can be read), collected, failed. `vendor_id` is the vendor's name for it.
    """

    __tablename__ = "llm_batches"
    batch_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    provider: Mapped[str] = mapped_column(String(32))
    vendor_id: Mapped[str | None] = mapped_column(String(128), unique=True)
    state: Mapped[str] = mapped_column(String(16), index=True)
    as_of_date: Mapped[date] = mapped_column(Date)
    request_count: Mapped[int] = mapped_column(Integer)
    requests_sha256: Mapped[str] = mapped_column(String(64))
    error: Mapped[str | None] = mapped_column(Text)
    intended_at: Mapped[datetime] = mapped_column(DateTime)
    submitted_at: Mapped[datetime | None] = mapped_column(DateTime)
    polled_at: Mapped[datetime | None] = mapped_column(DateTime)
    collected_at: Mapped[datetime | None] = mapped_column(DateTime)


class PendingDraft(Base):
    """A draft that waits for a batch: all that is needed to finish it without the warehouse. Deleted in the transaction that stores the draft."""

    __tablename__ = "pending_drafts"
    draft_key: Mapped[str] = mapped_column(String(64), primary_key=True)
    batch_id: Mapped[str] = mapped_column(ForeignKey("llm_batches.batch_id"), index=True)
    account_key: Mapped[str] = mapped_column(String(255), index=True)
    document: Mapped[str] = mapped_column(String(64))
    model: Mapped[str] = mapped_column(String(128))
    as_of_date: Mapped[date] = mapped_column(Date)
    request: Mapped[dict[str, Any]]  # account_name, facts, evidence, excerpts, version
    created_at: Mapped[datetime] = mapped_column(DateTime)


class Switch(Base):
    """A switch that people turn while the system runs. Append-only: the newest row of a name counts. `llm` off: no model is called."""

    __tablename__ = "switches"
    switch_number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(String(32), index=True)
    is_on: Mapped[bool] = mapped_column(Boolean)
    note: Mapped[str] = mapped_column(Text)
    actor: Mapped[str] = mapped_column(String(255))
    role: Mapped[str] = mapped_column(String(32))
    at: Mapped[datetime] = mapped_column(DateTime)


class TraceExport(Base):
    """What LangSmith has already received: drafts, decisions, examples. Calls carry their own mark."""

    __tablename__ = "trace_exports"
    kind: Mapped[str] = mapped_column(String(16), primary_key=True)  # draft | decision | example
    item_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    exported_at: Mapped[datetime] = mapped_column(DateTime)


class ApprovalRequest(Base):
    """A question to a human: may this exact text, from these exact facts, under this policy, be carried out?

    `payload_sha256` = sha256 of rendered text + facts + policy version + actions + success criteria; an approval stores the same hash in `approved_sha256`,
    and no write happens unless they are equal.
    """

    __tablename__ = "approval_requests"
    request_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    draft_id: Mapped[str] = mapped_column(ForeignKey("drafts.draft_id"), index=True)
    account_key: Mapped[str] = mapped_column(String(255), index=True)
    account_name: Mapped[str] = mapped_column(Text)
    document: Mapped[str] = mapped_column(String(64))
    version: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(24), index=True)
    payload: Mapped[dict[str, Any]]  # {"text", "facts", "evidence", "actions", "left_to_you", "criteria", "policy_version"}
    payload_sha256: Mapped[str] = mapped_column(String(64))
    approved_sha256: Mapped[str | None] = mapped_column(String(64))
    policy_version: Mapped[str] = mapped_column(String(64))
    approver_role: Mapped[str] = mapped_column(String(32))
    risk_band: Mapped[str | None] = mapped_column(String(16))
    arr_amount: Mapped[Decimal | None] = mapped_column(Numeric(18, 2))
    currency: Mapped[str | None] = mapped_column(String(3))
    as_of_date: Mapped[date] = mapped_column(Date)
    replan_round: Mapped[int] = mapped_column(Integer, default=0)
    attempt: Mapped[int] = mapped_column(Integer, default=0)
    last_run_id: Mapped[str | None] = mapped_column(String(64))
    decided_by: Mapped[str | None] = mapped_column(String(255))
    decided_role: Mapped[str | None] = mapped_column(String(32))
    decided_channel: Mapped[str | None] = mapped_column(String(32))
    decided_at: Mapped[datetime | None] = mapped_column(DateTime)
    note: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime)
    expires_at: Mapped[datetime] = mapped_column(DateTime)
    updated_at: Mapped[datetime] = mapped_column(DateTime)
    #: What a list and a page show beside the text (`approvals.context`): owner, dates, ten weeks of use. Not part of what is approved.
    context: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    segment: Mapped[str | None] = mapped_column(String(64))
    amount_at_stake: Mapped[Decimal | None] = mapped_column(Numeric(18, 2))
    stake_currency: Mapped[str | None] = mapped_column(String(3))
    approvals_needed: Mapped[int] = mapped_column(Integer, default=1, server_default="1")
    edited_by: Mapped[str | None] = mapped_column(String(255))
    reminded_at: Mapped[datetime | None] = mapped_column(DateTime)
    escalated_at: Mapped[datetime | None] = mapped_column(DateTime)
    #: Who has it open, and until when that is believed: a nightly draft does not take a question out of somebody's hands.
    opened_by: Mapped[str | None] = mapped_column(String(255))
    opened_until: Mapped[datetime | None] = mapped_column(DateTime)
    __table_args__ = (
        UniqueConstraint("account_key", "document", "version", name="uq_request_version"),
        Index("ix_approval_requests_state_expires", "state", "expires_at"),
    )


class ApprovalEvent(Base):
    """What happened to a request: append-only, each row hashed over the one before it."""

    __tablename__ = "approval_events"
    event_number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    request_id: Mapped[str] = mapped_column(String(64), index=True)
    at: Mapped[datetime] = mapped_column(DateTime)
    actor: Mapped[str] = mapped_column(String(255))
    role: Mapped[str] = mapped_column(String(32))
    channel: Mapped[str] = mapped_column(String(32))
    action: Mapped[str] = mapped_column(String(32))
    from_state: Mapped[str | None] = mapped_column(String(24))
    to_state: Mapped[str] = mapped_column(String(24))
    version: Mapped[int] = mapped_column(Integer)
    payload_sha256: Mapped[str] = mapped_column(String(64))
    note: Mapped[str | None] = mapped_column(Text)
    previous_sha256: Mapped[str] = mapped_column(String(64))
    event_sha256: Mapped[str] = mapped_column(String(64), unique=True)


class Person(Base):
    """Somebody who may decide: one row for all doors. Each column of an identity (e-mail, Slack, operating system, CRM) belongs to one person at most.

    `segments`: the segments whose accounts the person decides on; empty: all. `password_hash` None: no login to the inbox.
    Sessions that began before `sessions_valid_from` are over.
    """

    __tablename__ = "people"
    login: Mapped[str] = mapped_column(String(255), primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    role: Mapped[str] = mapped_column(String(32))
    segments: Mapped[list[str]]
    email: Mapped[str | None] = mapped_column(String(255), unique=True)
    slack_user_id: Mapped[str | None] = mapped_column(String(64), unique=True)
    os_user: Mapped[str | None] = mapped_column(String(255), unique=True)
    crm_user_id: Mapped[str | None] = mapped_column(String(64), unique=True)
    password_hash: Mapped[str | None] = mapped_column(Text)
    is_active: Mapped[bool] = mapped_column(Boolean)
    sessions_valid_from: Mapped[datetime] = mapped_column(DateTime)
    created_at: Mapped[datetime] = mapped_column(DateTime)
    created_by: Mapped[str] = mapped_column(String(255))


class LoginAttempt(Base):
    """One attempt to log in to the inbox, so that guessing is slowed down over all its processes."""

    __tablename__ = "login_attempts"
    attempt_number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    login: Mapped[str] = mapped_column(String(255))
    at: Mapped[datetime] = mapped_column(DateTime)
    succeeded: Mapped[bool] = mapped_column(Boolean)
    __table_args__ = (Index("ix_login_attempts_login_at", "login", "at"),)


class Alert(Base):
    """What the Director is told at once, without being asked: one row for each episode of one kind at one account."""

    __tablename__ = "alerts"
    alert_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    account_key: Mapped[str] = mapped_column(String(255), index=True)
    account_name: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(String(32))  # muri_crossing | notice_served | p1_near_opt_out
    episode: Mapped[str] = mapped_column(String(64))
    as_of_date: Mapped[date] = mapped_column(Date)
    segment: Mapped[str | None] = mapped_column(String(64))
    facts: Mapped[list[dict[str, Any]]]
    text: Mapped[str] = mapped_column(Text)
    text_sha256: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(DateTime)
    acknowledged_by: Mapped[str | None] = mapped_column(String(255))
    acknowledged_role: Mapped[str | None] = mapped_column(String(32))
    acknowledged_channel: Mapped[str | None] = mapped_column(String(32))
    acknowledged_at: Mapped[datetime | None] = mapped_column(DateTime)
    note: Mapped[str | None] = mapped_column(Text)
    __table_args__ = (UniqueConstraint("account_key", "kind", "episode", name="uq_alert_episode"),)


class Delivery(Base):
    """One message to one recipient through one channel, about a request or an alert. `delivery_key` is unique: a second run sends nothing twice.

    `reference` is what the channel calls it (Slack: channel and ts; mail: Message-ID; CRM: task id), so that it can be changed when the
    question is decided elsewhere. `shown_sha256`: the payload that it showed.
    """

    __tablename__ = "deliveries"
    delivery_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    delivery_key: Mapped[str] = mapped_column(String(64), unique=True)
    request_id: Mapped[str | None] = mapped_column(String(64), index=True)
    alert_id: Mapped[str | None] = mapped_column(String(64), index=True)
    channel: Mapped[str] = mapped_column(String(16))  # slack | mail | crm; any and none as in approvals.deliveries
    recipient: Mapped[str] = mapped_column(String(255))
    kind: Mapped[str] = mapped_column(String(16))  # ask | reminder | escalation | alert | failure
    state: Mapped[str] = mapped_column(String(16))
    shown_sha256: Mapped[str | None] = mapped_column(String(64))
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    reference: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime)
    updated_at: Mapped[datetime] = mapped_column(DateTime)
    __table_args__ = (Index("ix_deliveries_state", "state", "created_at"),)


class StandingApproval(Base):
    """A signed, standing permission for mirror writes: which computed fields, under which policy version."""

    __tablename__ = "standing_approvals"
    standing_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    target: Mapped[str] = mapped_column(String(32))
    fields: Mapped[list[str]]
    policy_version: Mapped[str] = mapped_column(String(64))
    sha256: Mapped[str] = mapped_column(String(64))
    approved_by: Mapped[str] = mapped_column(String(255))
    approved_role: Mapped[str] = mapped_column(String(32))
    approved_at: Mapped[datetime] = mapped_column(DateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(DateTime)


class OutboxEntry(Base):
    """One intended write to the CRM. `idempotency_key` is unique: the same approved action has one row however often a run starts."""

    __tablename__ = "outbox"
    entry_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    idempotency_key: Mapped[str] = mapped_column(String(64), unique=True)
    request_id: Mapped[str | None] = mapped_column(String(64), index=True)
    standing_id: Mapped[str | None] = mapped_column(String(64))
    account_key: Mapped[str] = mapped_column(String(255), index=True)
    kind: Mapped[str] = mapped_column(String(16))  # content | mirror
    action: Mapped[str] = mapped_column(String(32))  # crm_task | crm_note | crm_fields
    target: Mapped[str] = mapped_column(String(32))  # salesforce
    object_name: Mapped[str] = mapped_column(String(64))
    external_id: Mapped[str] = mapped_column(String(255))
    proposed: Mapped[dict[str, Any]]
    before: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    after: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    approved_sha256: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16), index=True)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    record_id: Mapped[str | None] = mapped_column(String(64))
    error: Mapped[str | None] = mapped_column(Text)
    was_created: Mapped[bool | None] = mapped_column(Boolean)
    created_at: Mapped[datetime] = mapped_column(DateTime)
    updated_at: Mapped[datetime] = mapped_column(DateTime)
    __table_args__ = (Index("ix_outbox_open", "state", "created_at"),)


class LifecycleOverride(Base):
    """A person's word about an account, by name, with a note and an end. Append-only: a word is taken back by a later word, never edited.

    `kind` says which columns carry the word:
    `waive` requirement_id (or REQUIREMENT.FIELD); `phase` phase; `answer` requirement_id and value (met, unmet); `dispute` fact, value (what the
    person says is right, may be empty) and seen_on (as-of date of what the person read); `snooze` expires_on; `withdraw` withdraws.
    """

    __tablename__ = "lifecycle_overrides"
    override_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    account_key: Mapped[str] = mapped_column(String(255), index=True)
    kind: Mapped[str] = mapped_column(String(16))
    requirement_id: Mapped[str | None] = mapped_column(String(64))
    phase: Mapped[int | None] = mapped_column(Integer)
    fact: Mapped[str | None] = mapped_column(String(128))
    value: Mapped[str | None] = mapped_column(Text)
    seen_on: Mapped[date | None] = mapped_column(Date)
    withdraws: Mapped[str | None] = mapped_column(String(64))
    note: Mapped[str] = mapped_column(Text)
    actor: Mapped[str] = mapped_column(String(255))
    role: Mapped[str] = mapped_column(String(32))
    created_at: Mapped[datetime] = mapped_column(DateTime)
    expires_on: Mapped[date | None] = mapped_column(Date)


class Erasure(Base):
    """That a person was erased: who asked, when, how far it got, how many rows it touched. Never who it was.

    The steps are recorded as they end, so that a run that died is taken up where it stopped. Until it is completed, and no longer, `pending`
    holds what the person is called: the run that takes it up could not find it in the half that is done. `key_check` tells whether the key of the
    suppressions is still the one they were made with. `manifest_sha256`: over the rows of `erased_rows`, also in the chain of decisions.
    """

    __tablename__ = "erasures"
    erasure_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    key_check: Mapped[str] = mapped_column(String(32))
    actor: Mapped[str] = mapped_column(String(255))
    role: Mapped[str] = mapped_column(String(32))
    note: Mapped[str] = mapped_column(Text)
    begun_at: Mapped[datetime] = mapped_column(DateTime)
    store_done_at: Mapped[datetime | None] = mapped_column(DateTime)
    warehouse_done_at: Mapped[datetime | None] = mapped_column(DateTime)
    completed_at: Mapped[datetime | None] = mapped_column(DateTime)
    counts: Mapped[dict[str, Any]]
    pending: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    manifest_sha256: Mapped[str | None] = mapped_column(String(64))


class SuppressionEntry(Base):
    """A keyed hash of something that an erased person was called (`core.suppression.Entry`), so that ingestion does not bring the person back."""

    __tablename__ = "suppressions"
    kind: Mapped[str] = mapped_column(String(8), primary_key=True)
    digest: Mapped[str] = mapped_column(String(32), primary_key=True)
    erasure_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    size: Mapped[int] = mapped_column(Integer)


class ErasedRow(Base):
    """A row whose content was replaced by tokens and no longer fits the hash that it carries: that hash, and the one of what stands there now."""

    __tablename__ = "erased_rows"
    erasure_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    table_name: Mapped[str] = mapped_column(String(64), primary_key=True)
    row_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    was_sha256: Mapped[str] = mapped_column(String(64))
    now_sha256: Mapped[str] = mapped_column(String(64))
    __table_args__ = (Index("ix_erased_rows_row", "table_name", "row_id"),)


class RetentionRun(Base):
    """That retention ran: who asked, when, by which days and rules, and how many rows each table lost. Nothing of what stood in the rows.

    `newest_night` is the night up to which it was reckoned, `daily_from` the first of the daily ones; None before the first night. `removed` holds
    table, what, rows and first and last night. It is written before the first row goes: of a run that died (`is_complete` false) the numbers of
    the warehouse are what it was about to take.
    """

    __tablename__ = "retention_runs"
    run_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    at: Mapped[datetime] = mapped_column(DateTime)
    actor: Mapped[str] = mapped_column(String(255))
    newest_night: Mapped[date | None] = mapped_column(Date)
    daily_from: Mapped[date | None] = mapped_column(Date)
    days: Mapped[dict[str, Any]]
    rules_sha256: Mapped[str] = mapped_column(String(64))
    removed: Mapped[list[dict[str, Any]]]
    is_complete: Mapped[bool] = mapped_column(Boolean)
