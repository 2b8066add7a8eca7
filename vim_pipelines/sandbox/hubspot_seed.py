"""The simulated customers as records of the sandbox's HubSpot account: a customer that moved there and kept the old CRM's ids.

The inverse of the mapping in `portfolios/hubspot.yaml`. Records have HubSpot's numeric ids (from a hash of the key, so that a larger
sandbox keeps the ids of a smaller one); the canonical keys are the custom properties `crm_..._id`. The account of a record is an
association with its company, as HubSpot has it, except on line items, which HubSpot hangs on deals.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vim_pipelines.portfolio.entities import ENTITIES
from vim_pipelines.sandbox.emulators import seeding
from vim_pipelines.sandbox.emulators.hubspot_objects import TABLES, TYPES, ObjectType, default_type, primary_type
from vim_pipelines.sandbox.emulators.state import STAMP, State
from vim_pipelines.sandbox.zendesk_seed import hashed_id

#: Added to the hash of a key: ids are text of one length.
FIRST_ID = 100_000_000_000_000
STAGES = {"Qualification": "qualification", "Negotiation": "negotiation", "Closed Won": "closedwon", "Closed Lost": "closedlost"}


@dataclass(frozen=True)
class Seed:
    """How an entity becomes an object type: canonical column -> property, and HubSpot's words for values of a closed vocabulary."""

    entity: str
    object: str
    fields: dict[str, str]
    words: dict[str, dict[str, str]] = field(default_factory=dict)
    #: Canonical column that is the moment of creation; without one it is the first version's modification time.
    created: str = ""
    #: Whether the account is an association with the company, rather than a property.
    is_associated: bool = True
    #: Canonical column that becomes `hubspot_owner_id`.
    owner: str = ""


SEEDS = (
    Seed(
        "account",
        "companies",
        {
            "account_key": "crm_account_id", "account_name": "name", "domain": "domain", "segment": "acct_segment", "tier": "acct_tier",
            "parent_account_key": "crm_parent_account_id", "owner_name": "acct_executive", "owner_email": "acct_executive_email", "csm_name": "acct_csm",
            "csm_email": "acct_csm_email", "director_email": "acct_director_email", "arr_amount": "acct_arr", "currency": "acct_currency",
            "customer_since": "acct_customer_since", "notice_received_on": "acct_notice_received_on",
        },
        is_associated=False,
        owner="csm_email",
    ),
    Seed(
        "contact",
        "contacts",
        {
            "contact_key": "crm_contact_id", "full_name": "hs_full_name_or_email", "email": "email", "title": "jobtitle", "role": "acct_role",
            "is_active": "acct_is_active", "left_on": "acct_left_on", "last_contacted_on": "notes_last_contacted",
            "relationship_strength": "acct_relationship_strength",
        },
    ),
    Seed(
        "contract_line",
        "line_items",
        {
            "contract_line_key": "crm_contract_line_id", "account_key": "crm_account_id", "product": "name", "seats": "quantity",
            "list_unit_price_annual": "acct_list_price", "net_unit_price_annual": "price", "currency": "hs_line_item_currency_code",
            "start_date": "hs_recurring_billing_start_date", "end_date": "hs_recurring_billing_end_date", "notice_days": "acct_notice_days",
            "auto_renew": "acct_auto_renew", "status": "acct_status", "notice_served_on": "acct_notice_served_on",
            "term_months": "acct_term_months", "billing_frequency": "recurringbillingfrequency", "sla_tier": "acct_sla_tier",
            "discount_expires_on": "acct_discount_expires_on",
        },
        {"status": {"active": "Active", "draft": "Draft", "terminated": "Terminated"}},
        is_associated=False,
    ),
    Seed(
        "opportunity",
        "deals",
        {
            "opportunity_key": "crm_opportunity_id", "opportunity_name": "dealname", "opportunity_type": "dealtype", "stage": "dealstage", "amount": "amount",
            "currency": "deal_currency_code", "close_date": "closedate", "is_closed": "hs_is_closed", "is_won": "hs_is_closed_won",
        },
        {"opportunity_type": {"new": "newbusiness"}, "stage": STAGES},
        created="created_on",
        owner="owner_email",
    ),
    Seed(
        "document",
        "p_handoff_documents",
        {
            "document_key": "crm_document_id", "document_kind": "acct_kind", "title": "acct_title", "body": "acct_body", "authored_on": "acct_authored_on",
            "author_email": "acct_author_email",
        },
    ),
    Seed(
        "meeting",
        "meetings",
        {
            "meeting_key": "crm_meeting_id", "meeting_kind": "hs_activity_type", "subject": "hs_meeting_title", "held_at": "hs_meeting_start_time",
            "status": "hs_meeting_outcome", "notes": "hs_meeting_body",
        },
        {
            "meeting_kind": {"handoff": "Handoff", "kickoff": "Kickoff", "cadence": "Cadence", "ebr": "EBR", "internal": "Internal", "other": "Other"},
            "status": {"planned": "SCHEDULED", "held": "COMPLETED", "cancelled": "CANCELED"},
        },
    ),
    Seed(
        "task",
        "tasks",
        {
            "task_key": "crm_task_id", "subject": "hs_task_subject", "status": "hs_task_status", "priority": "hs_task_priority", "due_date": "hs_timestamp",
            "task_kind": "acct_task_kind", "completed_on": "hs_task_completion_date", "meeting_key": "crm_meeting_id",
        },
        {
            "status": {"open": "NOT_STARTED", "done": "COMPLETED", "cancelled": "DEFERRED"},
            "priority": {"High": "HIGH", "Normal": "MEDIUM", "Low": "LOW"},
        },
        created="created_on",
        owner="owner_email",
    ),
    Seed(
        "survey_response",
        "p_survey_responses",
        {
            "survey_response_key": "crm_survey_response_id", "contact_key": "crm_contact_id", "survey_kind": "acct_kind", "score": "acct_score",
            "comment": "acct_comment", "responded_at": "acct_responded_at",
        },
    ),
    Seed(
        "milestone",
        "p_milestones",
        {
            "milestone_key": "crm_milestone_id", "milestone_kind": "acct_kind", "metric_name": "acct_metric", "baseline_value": "acct_baseline",
            "target_value": "acct_target", "measured_value": "acct_measured", "due_date": "acct_due", "reached_on": "acct_reached",
            "measured_on": "acct_measured_on", "owner_email": "acct_owner_email",
        },
    ),
    Seed(
        "training_completion",
        "p_training_completions",
        {"training_completion_key": "crm_training_completion_id", "user_key": "acct_user_key", "course": "acct_course", "completed_at": "acct_completed_at"},
    ),
    Seed(
        "ebr",
        "p_ebrs",
        {
            "ebr_key": "crm_ebr_id", "held_on": "acct_held_on", "status": "acct_status", "outcome": "acct_outcome",
            "sponsor_attended": "acct_sponsor_attended",
        },
    ),
    Seed(
        "campaign",
        "p_campaigns",
        {
            "campaign_key": "crm_campaign_id", "campaign_kind": "acct_kind", "campaign_name": "acct_name", "started_on": "acct_started_on",
            "ended_on": "acct_ended_on", "users_targeted": "acct_users_targeted", "users_responded": "acct_users_responded",
        },
    ),
    Seed(
        "reference",
        "p_references",
        {
            "reference_key": "crm_reference_id", "contact_key": "crm_contact_id", "reference_kind": "acct_kind", "status": "acct_status",
            "consented_on": "acct_consented_on", "expires_on": "acct_expires_on", "given_on": "acct_given_on",
        },
    ),
)  # fmt: skip


def record_id(entity: str, key: str) -> str:
    """The HubSpot id of the record with this canonical key."""
    return str(FIRST_ID + hashed_id(f"{entity}:{key}"))


def owner_id(email: str) -> str:
    """The id of the owner with this address."""
    return str(FIRST_ID + hashed_id(f"owner:{email.lower()}"))


def seed_hubspot(source_dir: Path, db_path: Path) -> int:
    """Replace the account's state by the versions in `source_dir` (`<entity.table>.parquet` with canonical columns and `modified_at`); returns rows.

    Rows as of the clock file beside `db_path` are current afterwards. What had been written back is gone, as in a new sandbox.
    """
    rows = 0
    with seeding.fresh_state(db_path, TABLES) as state:
        owners: dict[str, str] = {}
        for seed in SEEDS:
            rows += _seed_object(state, seed, source_dir / f"{ENTITIES[seed.entity].table}.parquet", owners)
        _seed_owners(state, owners)
    return rows


def _seed_object(state: State, seed: Seed, path: Path, owners: dict[str, str]) -> int:
    source = seeding.read_table(path)
    if source is None or source.num_rows == 0:
        return 0
    kind = TYPES[seed.object]
    keys = seeding.texts(seeding.column(source, ENTITIES[seed.entity].key))
    stamps = seeding.stamps(seeding.column(source, "modified_at"))
    deleted = seeding.deletions(source)
    ids = [record_id(seed.entity, key or "") for key in keys]
    columns: dict[str, Any] = {"id": ids, STAMP: stamps, "IsDeleted": deleted}
    for canonical, name in seed.fields.items():
        columns[name] = _values(kind.properties[name].type, seeding.column(source, canonical), seed.words.get(canonical))
    if seed.object == "contacts":
        halves = [(name or "").partition(" ") for name in columns["hs_full_name_or_email"]]
        columns |= {"firstname": [first or None for first, _, _ in halves], "lastname": [last or None for _, _, last in halves]}
    if seed.object == "deals":
        columns["pipeline"] = ["default"] * source.num_rows
    if seed.object == "meetings":
        columns["hs_timestamp"] = columns["hs_meeting_start_time"]
    if seed.owner:
        emails = seeding.texts(seeding.column(source, seed.owner))
        columns["hubspot_owner_id"] = [owner_id(email) if email else None for email in emails]
        for email, stamp in zip(emails, stamps, strict=True):
            if email and stamp and stamp < owners.get(email, "9"):
                owners[email] = stamp
    first = seeding.first_stamps(ids, stamps)
    columns["created"] = seeding.stamps(seeding.column(source, seed.created)) if seed.created else [first[identity] for identity in ids]
    if seed.is_associated:
        accounts = seeding.texts(seeding.column(source, "account_key"))
        _seed_associations(state, kind, list(zip(ids, stamps, accounts, strict=True)))
    return state.seed(seed.object, columns)


def _values(kind: str, values: Any, words: dict[str, str] | None) -> list[Any]:
    """Values as the emulator keeps them: text, as HubSpot sends them, and datetimes as stamps."""
    if kind == "number":
        import pyarrow as arrow

        # By way of text a decimal keeps its digits: HubSpot's numbers are text on the wire.
        texts = values.cast(arrow.string()).to_pylist()
        return [None if text in (None, "", "nan", "NaN") else text for text in texts]
    if kind == "bool":
        return [None if flag is None else "true" if flag else "false" for flag in seeding.flags(values)]
    if kind == "date":
        return seeding.dates(values)
    if kind == "datetime":
        return seeding.stamps(values)
    return seeding.texts(values, words)


def _seed_associations(state: State, kind: ObjectType, versions: list[tuple[str, str | None, str | None]]) -> None:
    """Each record's association with its company from its first version on; one that moves to another company leaves the old one."""
    company = TYPES["companies"]
    default, primary = default_type(kind, company), primary_type(kind, company)
    assert default is not None
    types = [(default[0], default[1], None), *([(default[0], primary, "Primary")] if primary else [])]
    rows: list[tuple[str, str | None, int, str, str, str, str, str | None, str, int]] = []
    current: dict[str, str | None] = {}
    for identity, stamp, account in sorted(versions, key=lambda item: item[1] or ""):
        before = current.get(identity)
        if account == before:
            continue
        for other, is_deleted in ((before, 1), (account, 0)):
            if other:
                to_id = record_id("account", other)
                for category, number, label in types:
                    assert number is not None
                    rows.append(
                        (
                            f"{kind.name}:{identity}:companies:{to_id}:{number}",
                            stamp,
                            is_deleted,
                            kind.name,
                            identity,
                            "companies",
                            to_id,
                            label,
                            category,
                            number,
                        )
                    )
        current[identity] = account
    if rows:
        names = ("id", STAMP, "IsDeleted", "from_type", "from_id", "to_type", "to_id", "label", "category", "type_id")
        state.seed("associations", dict(zip(names, zip(*rows, strict=True), strict=True)))


def _seed_owners(state: State, owners: dict[str, str]) -> None:
    emails = sorted(owners)
    names = [email.partition("@")[0].replace(".", " ").title().partition(" ") for email in emails]
    state.seed(
        "owners",
        {
            "id": [owner_id(email) for email in emails],
            STAMP: [owners[email] for email in emails],
            "IsDeleted": [0] * len(emails),
            "email": emails,
            "firstName": [first for first, _, _ in names],
            "lastName": [last for _, _, last in names],
            "userId": [hashed_id(email) % 2**31 for email in emails],
            "created": [owners[email] for email in emails],
        },
    )
