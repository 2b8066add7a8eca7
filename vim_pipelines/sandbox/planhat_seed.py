"""The simulated customers as records of the sandbox's Planhat tenant: the same portfolio after a move from another CRM.

The inverse of the mapping in `portfolios/planhat.yaml`. A tenant that migrated keeps the old CRM's keys as `externalId`; that is where
the mapping takes the canonical keys from, so that the same customers have the same keys whichever CRM serves them. People of our own
team are Planhat users, referred to by id.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from vim_pipelines.portfolio.entities import ENTITIES
from vim_pipelines.sandbox.emulators import seeding
from vim_pipelines.sandbox.emulators.planhat import MODELS, TABLES, object_id
from vim_pipelines.sandbox.emulators.state import STAMP, State, stamp_text

ACCOUNT = "account_key"


@dataclass(frozen=True)
class Seed:
    """How an entity becomes records of a model: canonical column to field, the vendor's words, fields that are the same for all records.

    `users` are columns with an e-mail address that become a user's id; `created` is the column that is the record's `createdAt`.
    """

    entity: str
    model: str
    fields: dict[str, str]
    words: dict[str, dict[str, str]] = field(default_factory=dict)
    constants: dict[str, Any] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)
    created: str = ""


SEEDS = (
    Seed(
        "account",
        "companies",
        {
            "account_key": "externalId", "account_name": "name", "domain": "domains", "segment": "custom.Segment", "tier": "custom.Tier",
            "parent_account_key": "custom.Parent Account", "owner_name": "custom.Account Executive", "owner_email": "custom.Account Executive Email",
            "director_email": "custom.Director Email", "arr_amount": "arr", "currency": "custom.Currency", "customer_since": "customerFrom",
            "notice_received_on": "custom.Notice Received",
        },
        constants={"status": "customer"},
        users={"csm_email": "owner"},
    ),
    Seed(
        "contact",
        "endusers",
        {
            "contact_key": "externalId", "full_name": "name", "email": "email", "title": "position", "role": "custom.Role", "is_active": "custom.Is Active",
            "left_on": "custom.Left On", "last_contacted_on": "custom.Last Contacted", "relationship_strength": "custom.Relationship Strength",
        },
    ),
    Seed(
        "contract_line",
        "licenses",
        {
            "contract_line_key": "externalId", "product": "product", "seats": "custom.Seats", "list_unit_price_annual": "custom.List Price",
            "net_unit_price_annual": "custom.Net Price", "currency": "_currency", "start_date": "fromDate", "end_date": "toDate", "notice_days": "noticePeriod",
            "auto_renew": "autoRenews", "status": "custom.Contract Status", "notice_served_on": "custom.Notice Served",
            "term_months": "custom.Term Months", "billing_frequency": "custom.Billing Frequency", "sla_tier": "custom.SLA Tier",
            "discount_expires_on": "custom.Discount Expires",
        },
        {"status": {"active": "Active", "draft": "Draft", "terminated": "Terminated"}},
        {"noticeUnit": "day"},
    ),
    Seed(
        "opportunity",
        "opportunities",
        {
            "opportunity_key": "externalId", "opportunity_name": "title", "opportunity_type": "custom.Type", "stage": "salesStage", "amount": "arr",
            "currency": "_currency", "close_date": "closeDate",
        },
        {"opportunity_type": {"new": "New Business", "renewal": "Renewal", "expansion": "Expansion", "other": "Other"}},
        users={"owner_email": "ownerId"},
        created="created_on",
    ),
    Seed(
        "document",
        "conversations",
        {
            "document_key": "externalId", "document_kind": "custom.Kind", "title": "subject", "body": "description", "authored_on": "date",
            "author_email": "custom.Author Email",
        },
        constants={"type": "document"},
    ),
    Seed(
        "meeting",
        "conversations",
        {
            "meeting_key": "externalId", "meeting_kind": "custom.Kind", "subject": "subject", "held_at": "date", "status": "custom.Status",
            "notes": "description",
        },
        constants={"type": "meeting"},
    ),
    Seed(
        "task",
        "tasks",
        {
            "task_key": "externalId", "subject": "action", "status": "status", "priority": "custom.Priority", "due_date": "startTime",
            "task_kind": "custom.Kind", "completed_on": "custom.Completed", "meeting_key": "custom.Meeting",
        },
        {"status": {"open": "To do", "done": "Done", "cancelled": "Cancelled"}},
        {"mainType": "task"},
        {"owner_email": "ownerId"},
        "created_on",
    ),
    Seed(
        "survey_response",
        "conversations",
        {
            "survey_response_key": "externalId", "contact_key": "custom.Contact", "survey_kind": "custom.Kind", "score": "custom.Score",
            "comment": "description", "responded_at": "date",
        },
        constants={"type": "survey"},
    ),
    Seed(
        "milestone",
        "objectives",
        {
            "milestone_key": "externalId", "milestone_kind": "custom.Kind", "metric_name": "name", "baseline_value": "custom.Baseline",
            "target_value": "custom.Target", "measured_value": "custom.Measured", "due_date": "custom.Due", "reached_on": "custom.Reached",
            "measured_on": "custom.Measured On", "owner_email": "custom.Owner Email",
        },
    ),
    Seed(
        "training_completion",
        "conversations",
        {"training_completion_key": "externalId", "user_key": "custom.User", "course": "custom.Course", "completed_at": "date"},
        constants={"type": "training"},
    ),
    Seed(
        "ebr",
        "conversations",
        {
            "ebr_key": "externalId", "held_on": "custom.Held On", "status": "custom.Status", "outcome": "description",
            "sponsor_attended": "custom.Sponsor Attended",
        },
        constants={"type": "ebr"},
    ),
    Seed(
        "campaign",
        "conversations",
        {
            "campaign_key": "externalId", "campaign_kind": "custom.Kind", "campaign_name": "subject", "started_on": "custom.Started",
            "ended_on": "custom.Ended", "users_targeted": "custom.Users Targeted", "users_responded": "custom.Users Responded",
        },
        constants={"type": "campaign"},
    ),
    Seed(
        "reference",
        "conversations",
        {
            "reference_key": "externalId", "contact_key": "custom.Contact", "reference_kind": "custom.Kind", "status": "custom.Status",
            "consented_on": "custom.Consented", "expires_on": "custom.Expires", "given_on": "custom.Given",
        },
        constants={"type": "reference"},
    ),
)  # fmt: skip
#: Columns that are said by others: an opportunity is closed and won by its status; a CSM's name is that of the user.
DERIVED = {"opportunity": ("is_closed", "is_won"), "account": ("csm_name",)}


def seed_planhat(source_dir: Path, db_path: Path) -> int:
    """Replace the tenant's state by the versions in `source_dir` (`<entity.table>.parquet` with canonical columns and `modified_at`); returns rows.

    Rows as of the clock file beside `db_path` are current afterwards. What had been written through the API is gone.
    """
    tables = {seed.entity: seeding.read_table(source_dir / f"{ENTITIES[seed.entity].table}.parquet") for seed in SEEDS}
    with seeding.fresh_state(db_path, TABLES) as state:
        users = _seed_users(state, tables)
        companies = _first_ids("companies", tables["account"], ACCOUNT)
        return sum(_seed_model(state, seed, tables[seed.entity], users, companies) for seed in SEEDS if tables[seed.entity] is not None)


def _seed_users(state: State, tables: dict[str, Any]) -> dict[str, str]:
    """Our own team as users; their ids by e-mail address."""
    names: dict[str, str] = {}
    for seed in SEEDS:
        source = tables[seed.entity]
        for column in seed.users if source is not None else ():
            emails = seeding.column(source, column).to_pylist()
            said = seeding.column(source, column.replace("_email", "_name")).to_pylist()
            for email, name in zip(emails, said, strict=True):
                if email and not names.get(email):
                    names[email] = name or ""
    stamp = stamp_text(datetime(2020, 1, 1))
    ids = {email: object_id(stamp, email) for email in sorted(names)}
    parts = {email: (names[email] or email.split("@")[0].replace(".", " ").title()).partition(" ") for email in ids}
    state.seed(
        "users",
        {
            "_id": list(ids.values()),
            STAMP: [stamp] * len(ids),
            "IsDeleted": [0] * len(ids),
            "createdAt": [stamp] * len(ids),
            "email": list(ids),
            "nickName": [parts[email][0] for email in ids],
            "firstName": [parts[email][0] for email in ids],
            "lastName": [parts[email][2] for email in ids],
        },
    )
    return ids


def _first_ids(model: str, source: Any, key: str) -> dict[str, str]:
    """The `_id` of each record, made of the moment of its first version and its key."""
    if source is None:
        return {}
    keys, stamps = seeding.texts(seeding.column(source, key)), seeding.stamps(seeding.column(source, "modified_at"))
    assert None not in keys and None not in stamps
    first = seeding.first_stamps([value for value in keys if value], stamps)
    return {value: object_id(stamp, f"{model}|{key}|{value}") for value, stamp in first.items()}


def _seed_model(state: State, seed: Seed, source: Any, users: dict[str, str], companies: dict[str, str]) -> int:
    if source.num_rows == 0:
        return 0
    key = ENTITIES[seed.entity].key
    kinds = MODELS[seed.model].kinds
    columns: dict[str, Any] = {name: _values(kinds[name], seeding.column(source, column), seed.words.get(column)) for column, name in seed.fields.items()}
    count = source.num_rows
    columns |= {name: [value] * count for name, value in seed.constants.items()}
    for column, name in seed.users.items():
        columns[name] = [users.get(email) if email else None for email in seeding.texts(seeding.column(source, column))]
    if seed.entity != "account":
        columns["companyId"] = [companies.get(account or "") for account in seeding.texts(seeding.column(source, ACCOUNT))]
    if seed.entity == "contact":
        parts = [(name or "").partition(" ") for name in columns["name"]]
        columns |= {"firstName": [part[0] or None for part in parts], "lastName": [part[2] or None for part in parts]}
    if seed.entity == "opportunity":
        columns["status"] = _opportunity_status(source)
    if seed.entity == "contract_line":
        columns["fixedPeriod"] = [int(end is not None) for end in columns["toDate"]]
    ids = companies if seed.entity == "account" else _first_ids(seed.model, source, key)
    columns["_id"] = [ids[value] for value in columns["externalId"]]
    columns[STAMP] = seeding.stamps(seeding.column(source, "modified_at"))
    columns["IsDeleted"] = seeding.deletions(source)
    first = seeding.first_stamps(columns["_id"], columns[STAMP])
    columns["createdAt"] = seeding.stamps(seeding.column(source, seed.created)) if seed.created else [first[identity] for identity in columns["_id"]]
    return state.seed(seed.model, columns)


def _values(kind: str, values: Any, words: dict[str, str] | None) -> list[Any]:
    if kind == "number":
        return list(seeding.numbers(values))
    if kind in ("boolean", "checkbox"):
        return list(seeding.flags(values))
    if kind == "day":
        return list(seeding.dates(values))
    if kind == "date":
        return [None if stamp is None else stamp[:23] + "Z" for stamp in seeding.stamps(values)]
    if kind == "array":
        import json

        return [None if text is None else json.dumps([text]) for text in seeding.texts(values)]
    return list(seeding.texts(values, words))


def _opportunity_status(source: Any) -> list[str]:
    closed, won = (seeding.flags(seeding.column(source, name)) for name in ("is_closed", "is_won"))
    return ["active" if not is_closed else "won" if is_won else "lost" for is_closed, is_won in zip(closed, won, strict=True)]
