"""The canonical entities: what every source is mapped to, and the only list of the raw tables' columns.

Ingestion coerces to it, quality gates check it, the simulator writes it, dbt staging reads it. A column that is not here does
not exist further up the house.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

#: `decimal` holds amounts to four places; `rate` eight: a yen is about 0.0065 dollars, and four places would be off by up to 0.8 %.
ColumnType = Literal["text", "integer", "decimal", "rate", "boolean", "date", "timestamp"]


@dataclass(frozen=True)
class Column:
    """One column of an entity. `allowed` lists the values of a closed vocabulary; anything else is quarantined."""

    name: str
    type: ColumnType
    required: bool = False
    allowed: tuple[str, ...] = ()
    description: str = ""


@dataclass(frozen=True)
class Entity:
    """A kind of row. `table` is the raw table, `key` the column that identifies a row, `columns` the canonical columns in order."""

    name: str
    table: str
    key: str
    columns: tuple[Column, ...]
    description: str
    column_by_name: dict[str, Column] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.column_by_name.update({column.name: column for column in self.columns})


def _text(name: str, description: str = "", *, required: bool = False, allowed: tuple[str, ...] = ()) -> Column:
    return Column(name, "text", required, allowed, description)


def _account() -> Column:
    return _text("account_key", "The customer account the row belongs to.", required=True)


ENTITIES: dict[str, Entity] = {
    entity.name: entity
    for entity in (
        Entity(
            "account",
            "accounts",
            "account_key",
            (
                _text("account_key", "The account's id in the CRM.", required=True),
                _text("account_name", "Name of the customer.", required=True),
                _text("domain", "Mail domain of the customer."),
                _text("segment", "enterprise, mid_market or smb, or the tenant's own word."),
                _text("tier", "tier_1, tier_2, tier_3, or the tenant's own word."),
                _text("parent_account_key"),
                _text("owner_name", "Account executive who sold."),
                _text("owner_email"),
                _text("csm_name", "Customer Success Manager."),
                _text("csm_email"),
                _text("director_email"),
                Column("arr_amount", "decimal", description="Annual recurring revenue as the CRM states it."),
                _text("currency", "ISO 4217 code of arr_amount."),
                Column("customer_since", "date"),
                Column("notice_received_on", "date", description="Day on which the customer gave notice for the whole account."),
            ),
            "A customer of the vendor.",
        ),
        Entity(
            "contact",
            "contacts",
            "contact_key",
            (
                _text("contact_key", required=True),
                _account(),
                _text("full_name"),
                _text("email"),
                _text("title"),
                _text("role", "Role in the deal and in the use of the product.", allowed=("champion", "sponsor", "economic_buyer", "admin", "user", "other")),
                Column("is_active", "boolean"),
                Column("left_on", "date", description="Day on which the person left the customer."),
                Column("last_contacted_on", "date", description="Day of the last meeting, call or mail with the person, as the CRM states it."),
                Column("relationship_strength", "integer", description="How close we are to the person: 1 (barely known) to 5 (speaks for us)."),
            ),
            "A person at the customer.",
        ),
        Entity(
            "contract_line",
            "contract_lines",
            "contract_line_key",
            (
                _text("contract_line_key", required=True),
                _account(),
                _text("product", required=True),
                Column("seats", "integer", required=True, description="Seats bought; 0 is allowed and means a line without seats."),
                Column("list_unit_price_annual", "decimal", description="Price per seat and year before discount."),
                Column("net_unit_price_annual", "decimal", description="Price per seat and year after discount."),
                _text("currency", "ISO 4217 code.", required=True),
                Column("start_date", "date", required=True),
                Column("end_date", "date", description="Last day of the term = renewal date. Empty: open-ended."),
                Column("notice_days", "integer", description="Days of notice before end_date."),
                Column("auto_renew", "boolean"),
                _text("status", allowed=("active", "draft", "terminated")),
                Column("notice_served_on", "date"),
                Column("term_months", "integer", description="Length of the initial term as agreed."),
                _text("billing_frequency", "monthly, quarterly, annual, or the tenant's own word."),
                _text("sla_tier", "Service level that was sold."),
                Column("discount_expires_on", "date", description="Day until which the net price holds."),
            ),
            "A contract line: seats of one product at one net price for one term.",
        ),
        Entity(
            "opportunity",
            "opportunities",
            "opportunity_key",
            (
                _text("opportunity_key", required=True),
                _account(),
                _text("opportunity_name"),
                _text("opportunity_type", allowed=("new", "renewal", "expansion", "other")),
                _text("stage"),
                Column("amount", "decimal"),
                _text("currency"),
                Column("created_on", "date"),
                Column("close_date", "date"),
                Column("is_closed", "boolean"),
                Column("is_won", "boolean"),
                _text("owner_email"),
            ),
            "A sales opportunity.",
        ),
        Entity(
            "document",
            "documents",
            "document_key",
            (
                _text("document_key", required=True),
                _account(),
                _text(
                    "document_kind",
                    allowed=("handoff", "contract", "note", "success_plan", "sales_document", "value_story", "expansion_case", "save_play", "post_mortem"),
                ),
                _text("title"),
                _text("body"),
                Column("authored_on", "date"),
                _text("author_email"),
            ),
            "A text about the account: sales handoff, contract, note.",
        ),
        Entity(
            "meeting",
            "meetings",
            "meeting_key",
            (
                _text("meeting_key", required=True),
                _account(),
                _text("meeting_kind", allowed=("handoff", "kickoff", "cadence", "ebr", "internal", "other")),
                _text("subject"),
                Column("held_at", "timestamp"),
                _text("status", allowed=("planned", "held", "cancelled")),
                _text("notes"),
            ),
            "A meeting with the customer, or inside about it, with its notes.",
        ),
        Entity(
            "task",
            "tasks",
            "task_key",
            (
                _text("task_key", required=True),
                _account(),
                _text("subject"),
                _text("task_kind", "What the task is for.", allowed=("red_flag", "follow_up", "anchor_request", "action_item", "save_play", "other")),
                _text("status", allowed=("open", "done", "cancelled")),
                _text("priority"),
                Column("created_on", "date"),
                Column("due_date", "date"),
                Column("completed_on", "date"),
                _text("owner_email"),
                _text("meeting_key", "The meeting that the task came out of."),
            ),
            "A task of the customer team.",
        ),
        Entity(
            "license_assignment",
            "license_assignments",
            "assignment_key",
            (
                _text("assignment_key", required=True),
                _account(),
                _text("user_key", required=True),
                _text("product", required=True),
                _text("user_email"),
                Column("assigned_at", "timestamp"),
                Column("revoked_at", "timestamp"),
            ),
            "A seat given to a named user.",
        ),
        Entity(
            "ticket",
            "tickets",
            "ticket_key",
            (
                _text("ticket_key", required=True),
                _account(),
                _text("subject"),
                _text("priority", allowed=("P1", "P2", "P3", "P4")),
                _text("status", allowed=("new", "open", "pending", "hold", "solved", "closed", "deleted")),
                _text("requester_key"),
                Column("opened_at", "timestamp", required=True),
                Column("solved_at", "timestamp"),
                Column("reopen_count", "integer"),
                Column("is_escalated", "boolean"),
            ),
            "A support ticket.",
        ),
        Entity(
            "ticket_event",
            "ticket_events",
            "ticket_event_key",
            (
                _text("ticket_event_key", required=True),
                _text("ticket_key", required=True),
                _text("metric", "reply_time, requester_wait_time, resolution_time, or the source's own word."),
                _text("event_type", "activate, pause, fulfill; apply_sla where a service level target holds, breach where it was missed."),
                Column("occurred_at", "timestamp", required=True),
            ),
            "A step in a ticket's state history.",
        ),
        Entity(
            "survey_response",
            "survey_responses",
            "survey_response_key",
            (
                _text("survey_response_key", required=True),
                _account(),
                _text("contact_key"),
                _text("survey_kind", allowed=("nps", "csat", "questionnaire")),
                Column("score", "integer"),
                _text("comment"),
                Column("responded_at", "timestamp"),
            ),
            "An answer to a survey.",
        ),
        Entity(
            "milestone",
            "milestones",
            "milestone_key",
            (
                _text("milestone_key", required=True),
                _account(),
                _text(
                    "milestone_kind",
                    "fttv: first time to value; maturity: measured_value is the level, 1 to 5.",
                    allowed=("fttv", "pain_metric", "adoption", "maturity", "other"),
                ),
                _text("metric_name"),
                Column("baseline_value", "decimal"),
                Column("target_value", "decimal"),
                Column("measured_value", "decimal"),
                Column("due_date", "date"),
                Column("reached_on", "date"),
                Column("measured_on", "date", description="Day of the measurement."),
                _text("owner_email", "Who at the customer or in our team answers for it."),
            ),
            "A customer-defined milestone or outcome metric with its baseline.",
        ),
        Entity(
            "training_completion",
            "training_completions",
            "training_completion_key",
            (_text("training_completion_key", required=True), _account(), _text("user_key"), _text("course"), Column("completed_at", "timestamp")),
            "A training that a user finished.",
        ),
        Entity(
            "ebr",
            "ebrs",
            "ebr_key",
            (
                _text("ebr_key", required=True),
                _account(),
                Column("held_on", "date"),
                _text("status", allowed=("planned", "held", "cancelled")),
                _text("outcome"),
                Column("sponsor_attended", "boolean", description="Whether the sponsor or the economic buyer was there."),
            ),
            "An executive business review.",
        ),
        Entity(
            "campaign",
            "campaigns",
            "campaign_key",
            (
                _text("campaign_key", required=True),
                _account(),
                _text("campaign_kind", allowed=("training", "adoption", "launch", "advocacy", "win_back", "other")),
                _text("campaign_name"),
                Column("started_on", "date"),
                Column("ended_on", "date"),
                Column("users_targeted", "integer"),
                Column("users_responded", "integer", description="Of the users targeted, those who did what was asked."),
            ),
            "A campaign to users of one customer.",
        ),
        Entity(
            "reference",
            "customer_references",
            "reference_key",
            (
                _text("reference_key", required=True),
                _account(),
                _text("contact_key"),
                _text("reference_kind", allowed=("reference_call", "case_study", "review", "advisory_board", "product_council", "other")),
                _text("status", allowed=("asked", "consented", "given", "declined", "withdrawn")),
                Column("consented_on", "date"),
                Column("expires_on", "date", description="Day until which the consent holds; empty: until it is withdrawn."),
                Column("given_on", "date"),
            ),
            "What a customer agreed to say or do for us in public, or to other customers.",
        ),
        Entity(
            "fx_rate",
            "fx_rates",
            "fx_rate_key",
            (
                _text("fx_rate_key", "CURRENCY:DATE.", required=True),
                _text("currency", required=True),
                Column("rate_date", "date", required=True),
                Column("rate", "rate", required=True, description="Units of the portfolio's currency for one unit of `currency`."),
            ),
            "A dated exchange rate to the portfolio's currency.",
        ),
    )
}

#: Columns that ingestion adds to every raw table except usage_events. All timestamps are naive UTC.
#: `known_at`: from when this version may be believed (the source's own modification time; see docs/explanation/as-of.md);
#: `captured_at`: when we read it; `content_hash`: sha256 of the canonical columns, the version's identity beside its key.
VERSION_COLUMNS: tuple[Column, ...] = (
    Column("source_name", "text", required=True),
    Column("source_modified_at", "timestamp"),
    Column("known_at", "timestamp", required=True),
    Column("captured_at", "timestamp", required=True),
    Column("content_hash", "text", required=True),
    Column("is_deleted", "boolean", required=True),
    Column("load_id", "text", required=True),
)

#: Telemetry is events, not versions: append-only, loaded by the warehouse's own Parquet reader. `account_key` NULL = not attributable, kept.
USAGE_EVENT_COLUMNS: tuple[Column, ...] = (
    Column("event_id", "text", required=True),
    Column("account_key", "text"),
    Column("user_key", "text"),
    Column("product", "text"),
    Column("feature", "text"),
    Column("event_name", "text"),
    Column("occurred_at", "timestamp", required=True),
    Column("recorded_at", "timestamp", required=True),
    Column("source_name", "text", required=True),
    Column("source_file", "text", required=True),
    Column("load_number", "integer", required=True),
    #: The rung of the identity ladder that found the account (`ingestion.identity`), `ambiguous_<rung>` if one found several, else NULL.
    Column("attributed_by", "text"),
)

SQL_TYPES: dict[ColumnType, str] = {
    "text": "varchar",
    "integer": "bigint",
    "decimal": "decimal(18, 4)",
    "rate": "decimal(18, 8)",
    "boolean": "boolean",
    "date": "date",
    "timestamp": "timestamp",
}
