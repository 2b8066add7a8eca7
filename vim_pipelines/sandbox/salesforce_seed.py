"""The simulated customers as records of the sandbox's Salesforce org.

The inverse of the mapping in `portfolios/sandbox.yaml`: what is written here must come back through the audit's own client as the
simulator made it. Canonical keys are kept as record Ids.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vim_pipelines.portfolio.entities import ENTITIES
from vim_pipelines.sandbox.emulators import seeding
from vim_pipelines.sandbox.emulators.objects import OBJECTS
from vim_pipelines.sandbox.emulators.state import STAMP, State


@dataclass(frozen=True)
class Seed:
    """How an entity becomes an object: canonical column -> field, and the vendor's words for values of a closed vocabulary."""

    entity: str
    object: str
    fields: dict[str, str]
    words: dict[str, dict[str, str]] = field(default_factory=dict)
    #: Canonical column that is the record's CreatedDate; without one it is the first version's modification time.
    created: str = ""


SEEDS = (
    Seed(
        "account",
        "Account",
        {
            "account_key": "Id", "account_name": "Name", "domain": "Domain__c", "segment": "Segment__c", "tier": "Tier__c", "parent_account_key": "ParentId",
            "owner_name": "Account_Executive__c", "owner_email": "Account_Executive_Email__c", "csm_name": "CSM__c", "csm_email": "CSM_Email__c",
            "director_email": "Director_Email__c", "arr_amount": "ARR__c", "currency": "CurrencyIsoCode", "customer_since": "Customer_Since__c",
            "notice_received_on": "Notice_Received_On__c",
        },
    ),
    Seed(
        "contact",
        "Contact",
        {
            "contact_key": "Id", "account_key": "AccountId", "full_name": "Name", "email": "Email", "title": "Title", "role": "Role__c",
            "is_active": "Is_Active__c", "left_on": "Left_On__c", "last_contacted_on": "LastActivityDate", "relationship_strength": "Relationship_Strength__c",
        },
    ),
    Seed(
        "contract_line",
        "Contract",
        {
            "contract_line_key": "Id", "account_key": "AccountId", "product": "Product__c", "seats": "Seats__c", "list_unit_price_annual": "List_Price__c",
            "net_unit_price_annual": "Net_Price__c", "currency": "CurrencyIsoCode", "start_date": "StartDate", "end_date": "EndDate",
            "notice_days": "Notice_Days__c", "auto_renew": "Auto_Renew__c", "status": "Status", "notice_served_on": "Notice_Served_On__c",
            "term_months": "ContractTerm", "billing_frequency": "Billing_Frequency__c", "sla_tier": "SLA_Tier__c", "discount_expires_on": "Discount_Expires_On__c",
        },
        {"status": {"active": "Activated", "draft": "Draft", "terminated": "Terminated"}},
    ),
    Seed(
        "opportunity",
        "Opportunity",
        {
            "opportunity_key": "Id", "account_key": "AccountId", "opportunity_name": "Name", "opportunity_type": "Type", "stage": "StageName",
            "amount": "Amount", "currency": "CurrencyIsoCode", "close_date": "CloseDate", "is_closed": "IsClosed", "is_won": "IsWon",
            "owner_email": "Owner_Email__c",
        },
        {"opportunity_type": {"new": "New Business", "renewal": "Renewal", "expansion": "Expansion", "other": "Other"}},
        created="created_on",
    ),
    Seed(
        "document",
        "Handoff_Document__c",
        {
            "document_key": "Id", "account_key": "Account__c", "document_kind": "Kind__c", "title": "Title__c", "body": "Body__c",
            "authored_on": "Authored_On__c", "author_email": "Author_Email__c",
        },
    ),
    Seed(
        "meeting",
        "Event",
        {
            "meeting_key": "Id", "account_key": "WhatId", "meeting_kind": "Kind__c", "subject": "Subject", "held_at": "StartDateTime", "status": "Status__c",
            "notes": "Description",
        },
    ),
    Seed(
        "task",
        "Task",
        {
            "task_key": "Id", "account_key": "WhatId", "subject": "Subject", "status": "Status", "priority": "Priority", "due_date": "ActivityDate",
            "owner_email": "Owner_Email__c", "task_kind": "Kind__c", "completed_on": "CompletedDateTime", "meeting_key": "Meeting__c",
        },
        {"status": {"open": "Open", "done": "Completed", "cancelled": "Cancelled"}},
        created="created_on",
    ),
    Seed(
        "survey_response",
        "Survey_Response__c",
        {
            "survey_response_key": "Id", "account_key": "Account__c", "contact_key": "Contact__c", "survey_kind": "Kind__c", "score": "Score__c",
            "comment": "Comment__c", "responded_at": "Responded_At__c",
        },
    ),
    Seed(
        "milestone",
        "Milestone__c",
        {
            "milestone_key": "Id", "account_key": "Account__c", "milestone_kind": "Kind__c", "metric_name": "Metric__c", "baseline_value": "Baseline__c",
            "target_value": "Target__c", "measured_value": "Measured__c", "due_date": "Due__c", "reached_on": "Reached__c",
            "measured_on": "Measured_On__c", "owner_email": "Owner_Email__c",
        },
    ),
    Seed(
        "training_completion",
        "Training_Completion__c",
        {
            "training_completion_key": "Id", "account_key": "Account__c", "user_key": "User_Key__c", "course": "Course__c", "completed_at": "Completed_At__c",
        },
    ),
    Seed(
        "ebr",
        "EBR__c",
        {
            "ebr_key": "Id", "account_key": "Account__c", "held_on": "Held_On__c", "status": "Status__c", "outcome": "Outcome__c",
            "sponsor_attended": "Sponsor_Attended__c",
        },
        # A checkbox cannot be empty, and before the review nobody knows.
        {"sponsor_attended": {"true": "Yes", "false": "No"}},
    ),
    Seed(
        "campaign",
        "Customer_Campaign__c",
        {
            "campaign_key": "Id", "account_key": "Account__c", "campaign_kind": "Kind__c", "campaign_name": "Name__c", "started_on": "Started_On__c",
            "ended_on": "Ended_On__c", "users_targeted": "Users_Targeted__c", "users_responded": "Users_Responded__c",
        },
    ),
    Seed(
        "reference",
        "Customer_Reference__c",
        {
            "reference_key": "Id", "account_key": "Account__c", "contact_key": "Contact__c", "reference_kind": "Kind__c", "status": "Status__c",
            "consented_on": "Consented_On__c", "expires_on": "Expires_On__c", "given_on": "Given_On__c",
        },
    ),
)  # fmt: skip


def seed_salesforce(source_dir: Path, db_path: Path) -> int:
    """Replace the org's state by the versions in `source_dir` (`<entity.table>.parquet` with canonical columns and `modified_at`); returns rows.

    Rows as of the clock file beside `db_path` are current afterwards. What had been written back is gone, as in a new sandbox.
    """
    rows = 0
    with seeding.fresh_state(db_path, [sobject.table for sobject in OBJECTS.values()]) as state:
        for seed in SEEDS:
            rows += _seed_object(state, seed, source_dir / f"{ENTITIES[seed.entity].table}.parquet")
    return rows


def _seed_object(state: State, seed: Seed, path: Path) -> int:
    source = seeding.read_table(path)
    if source is None or source.num_rows == 0:
        return 0
    fields = OBJECTS[seed.object].fields
    columns: dict[str, Any] = {}
    for canonical, name in seed.fields.items():
        columns[name] = seeding.cells(fields[name].type, seeding.column(source, canonical), seed.words.get(canonical))
    columns[STAMP] = seeding.stamps(seeding.column(source, "modified_at"))
    columns["IsDeleted"] = seeding.deletions(source)
    if seed.created:
        columns["CreatedDate"] = seeding.stamps(seeding.column(source, seed.created))
    else:
        first = seeding.first_stamps(columns["Id"], columns[STAMP])
        columns["CreatedDate"] = [first[key] for key in columns["Id"]]
    return state.seed(seed.object, columns)
