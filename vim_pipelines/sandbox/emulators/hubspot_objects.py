"""The objects of the sandbox's HubSpot account: the one list that the seed, the properties answers, search and the write checks read.

It is the account that `portfolios/hubspot.yaml` maps: a customer that moved here from another CRM and kept that one's ids in custom
properties (`crm_..._id`). Names and types of HubSpot's own properties are HubSpot's; of its several hundred only those are here that the
mapping or HubSpot's default answers need. Ids are text of one length, so that text order is number order.

HubSpot's own among the newer ones: `notes_last_contacted` of a contact and `hs_task_completion_date` of a task, which HubSpot fills and nobody
writes. Its marketing campaigns have no company; a campaign to one customer is a custom object here, as is a reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from vim_pipelines.sandbox.emulators.state import Table

#: Properties that HubSpot derives from the record itself; never columns.
OBJECT_ID, CREATED = "hs_object_id", "createdate"


@dataclass(frozen=True)
class Property:
    """One property. `type` is HubSpot's word: string, number, bool, enumeration, date, datetime, object_coordinates (ids)."""

    name: str
    type: str = "string"
    is_unique: bool = False
    read_only: bool = False
    required: bool = False
    options: tuple[str, ...] = ()

    @property
    def field_type(self) -> str:
        """HubSpot's word for the input control."""
        plain = {"string": "text", "bool": "booleancheckbox", "enumeration": "select", "datetime": "date"}
        return "textarea" if self.name in LONG_TEXTS else plain.get(self.type, self.type)

    @property
    def is_custom(self) -> bool:
        """Whether the account made it, not HubSpot."""
        return self.name.startswith(("crm_", "vim_", "acct_"))


@dataclass(frozen=True)
class ObjectType:
    """One kind of record. `name` is its path segment, `type_id` its objectTypeId; `modified` the property that holds its last change."""

    name: str
    type_id: str
    singular: str
    own: tuple[Property, ...]
    default: tuple[str, ...] = ()
    modified: str = "hs_lastmodifieddate"
    #: Association type ids (to companies, from companies); the labelled primary ones where HubSpot has them.
    to_company: tuple[int, int] = (0, 0)
    primary: tuple[int, int] | None = None

    @cached_property
    def properties(self) -> dict[str, Property]:
        """Every property by name, HubSpot's system ones first."""
        system = (
            Property(OBJECT_ID, "number", read_only=True),
            Property(self.created, "datetime", read_only=True),
            Property(self.modified, "datetime", read_only=True),
        )
        return {item.name: item for item in (*system, *self.own)}

    @property
    def created(self) -> str:
        """The property that holds the moment of creation: custom objects and activities have HubSpot's newer name."""
        return CREATED if not self.is_custom and self.name not in ENGAGEMENTS else "hs_createdate"

    @property
    def is_custom(self) -> bool:
        """Whether the account defined the object."""
        return self.type_id.startswith("2-")

    @property
    def table(self) -> Table:
        """Where its rows are kept; the modification time is the state's stamp."""
        unique = tuple(item.name for item in self.own if item.is_unique)
        return Table(self.name, "id", ("created", *(item.name for item in self.own)), unique)

    @property
    def scope(self) -> str:
        """The middle of its scopes, `crm.objects.<scope>.read`; empty where HubSpot documents none."""
        return "custom" if self.is_custom else "" if self.name in ENGAGEMENTS else self.name


ENGAGEMENTS = ("tasks", "notes", "meetings")
LONG_TEXTS = ("acct_body", "acct_comment", "hs_meeting_body", "hs_note_body", "hs_task_body", "vim_body")
_OWNER = Property("hubspot_owner_id", "enumeration")


def _texts(*names: str) -> tuple[Property, ...]:
    return tuple(Property(name) for name in names)


def _dates(*names: str) -> tuple[Property, ...]:
    return tuple(Property(name, "date") for name in names)


def _numbers(*names: str) -> tuple[Property, ...]:
    return tuple(Property(name, "number") for name in names)


def _key(name: str) -> Property:
    return Property(name, is_unique=True)


def _custom(name: str, number: int, singular: str, *own: Property) -> ObjectType:
    return ObjectType(name, f"2-{number}", singular, own, to_company=(number - 340_000 + 100, number - 340_000 + 101))


_ALL = (
    ObjectType(
        "companies", "0-2", "company",
        (
            _key("crm_account_id"),
            *_texts("name", "domain", "crm_parent_account_id", "acct_segment", "acct_tier", "acct_executive", "acct_executive_email", "acct_csm", "acct_csm_email",
                    "acct_director_email", "acct_currency"),
            *_numbers("acct_arr"), *_dates("acct_customer_since", "acct_notice_received_on"), _OWNER,
            # Written by us: mirrors of the audit's result.
            *_texts("vim_phase", "vim_risk_band"), *_numbers("vim_risk_score", "vim_muda_waste"), Property("vim_assessed_at", "datetime"),
        ),
        default=("createdate", "domain", "hs_lastmodifieddate", "hs_object_id", "name"), to_company=(450, 450),
    ),
    ObjectType(
        "contacts", "0-1", "contact",
        (
            _key("crm_contact_id"), Property("email"), *_texts("firstname", "lastname", "jobtitle"), Property("hs_full_name_or_email", read_only=True),
            Property("hs_buying_role", "enumeration", options=("CHAMPION", "EXECUTIVE_SPONSOR", "BUDGET_HOLDER", "END_USER", "INFLUENCER", "DECISION_MAKER", "OTHER")),
            Property("acct_role", "enumeration", options=("champion", "sponsor", "economic_buyer", "admin", "user", "other")),
            Property("acct_is_active", "bool"), *_dates("acct_left_on"), _OWNER, *_texts("city", "company"),
            Property("notes_last_contacted", "datetime", read_only=True), *_numbers("acct_relationship_strength"),
        ),
        default=("createdate", "email", "firstname", "hs_object_id", "lastmodifieddate", "lastname"),
        modified="lastmodifieddate", to_company=(279, 280), primary=(1, 2),
    ),
    ObjectType(
        "deals", "0-3", "deal",
        (
            _key("crm_opportunity_id"), Property("dealname"), Property("dealtype", "enumeration", options=("newbusiness", "existingbusiness", "renewal", "expansion", "other")),
            Property("pipeline", "enumeration", options=("default",)),
            Property("dealstage", "enumeration", options=("appointmentscheduled", "qualifiedtobuy", "contractsent", "closedwon", "closedlost", "qualification", "negotiation")),
            *_numbers("amount"), Property("deal_currency_code", "enumeration"), Property("closedate", "datetime"), _OWNER,
            Property("hs_is_closed", "bool", read_only=True), Property("hs_is_closed_won", "bool", read_only=True),
        ),
        default=("amount", "closedate", "createdate", "dealname", "dealstage", "hs_lastmodifieddate", "hs_object_id", "pipeline"),
        to_company=(341, 342), primary=(5, 6),
    ),
    ObjectType(
        "line_items", "0-8", "line_item",
        (
            # Line items hang on deals, not on companies: the migration copied the account's id onto each.
            _key("crm_contract_line_id"), *_texts("crm_account_id", "name", "hs_line_item_currency_code"), *_numbers("quantity", "price", "acct_list_price", "acct_notice_days"),
            *_dates("hs_recurring_billing_start_date", "hs_recurring_billing_end_date", "acct_notice_served_on"), Property("acct_auto_renew", "bool"),
            Property("acct_status", "enumeration", options=("Active", "Draft", "Terminated")),
            *_numbers("acct_term_months"), *_texts("recurringbillingfrequency", "acct_sla_tier"), *_dates("acct_discount_expires_on"),
        ),
        default=("createdate", "hs_lastmodifieddate", "hs_object_id", "name", "price", "quantity"),
    ),
    ObjectType(
        "meetings", "0-47", "meeting",
        (
            # HubSpot documents unique properties for records, not for activities: this one is not.
            Property("crm_meeting_id"), Property("hs_timestamp", "datetime", required=True),
            *_texts("hs_meeting_title", "hs_meeting_body"), Property("hs_meeting_start_time", "datetime"),
            Property("hs_meeting_outcome", "enumeration", options=("SCHEDULED", "COMPLETED", "RESCHEDULED", "NO_SHOW", "CANCELED")),
            Property("hs_activity_type", "enumeration", options=("Handoff", "Kickoff", "Cadence", "EBR", "Internal", "Other")), _OWNER,
        ),
        default=("hs_createdate", "hs_lastmodifieddate", "hs_object_id"), to_company=(188, 187),
    ),
    ObjectType(
        "tasks", "0-27", "task",
        (
            Property("crm_task_id"), Property("hs_timestamp", "datetime", required=True), *_texts("hs_task_subject", "hs_task_body"),
            Property("hs_task_status", "enumeration", options=("NOT_STARTED", "IN_PROGRESS", "WAITING", "COMPLETED", "DEFERRED")),
            Property("hs_task_priority", "enumeration", options=("NONE", "LOW", "MEDIUM", "HIGH")),
            Property("hs_task_type", "enumeration", options=("EMAIL", "CALL", "TODO")), _OWNER,
            Property("hs_task_completion_date", "datetime", read_only=True), *_texts("acct_task_kind", "crm_meeting_id"),
        ),
        default=("hs_createdate", "hs_lastmodifieddate", "hs_object_id"), to_company=(192, 191),
    ),
    ObjectType(
        "notes", "0-46", "note", (Property("hs_timestamp", "datetime", required=True), Property("hs_note_body"), _OWNER),
        default=("hs_createdate", "hs_lastmodifieddate", "hs_object_id"), to_company=(190, 189),
    ),
    _custom("p_handoff_documents", 340_001, "p_handoff_document", _key("crm_document_id"), *_texts("acct_kind", "acct_title", "acct_body", "acct_author_email"), *_dates("acct_authored_on")),
    _custom("p_survey_responses", 340_011, "p_survey_response", _key("crm_survey_response_id"), *_texts("crm_contact_id", "acct_kind", "acct_comment"), *_numbers("acct_score"),
            Property("acct_responded_at", "datetime")),
    _custom("p_milestones", 340_021, "p_milestone", _key("crm_milestone_id"), *_texts("acct_kind", "acct_metric"), *_numbers("acct_baseline", "acct_target", "acct_measured"),
            *_dates("acct_due", "acct_reached", "acct_measured_on"), *_texts("acct_owner_email")),
    _custom("p_training_completions", 340_031, "p_training_completion", _key("crm_training_completion_id"), *_texts("acct_user_key", "acct_course"),
            Property("acct_completed_at", "datetime")),
    _custom("p_ebrs", 340_041, "p_ebr", _key("crm_ebr_id"), *_dates("acct_held_on"), *_texts("acct_status", "acct_outcome"),
            Property("acct_sponsor_attended", "bool")),
    _custom("p_campaigns", 340_071, "p_campaign", _key("crm_campaign_id"), *_texts("acct_kind", "acct_name"), *_dates("acct_started_on", "acct_ended_on"),
            *_numbers("acct_users_targeted", "acct_users_responded")),
    _custom("p_references", 340_081, "p_reference", _key("crm_reference_id"), *_texts("crm_contact_id", "acct_kind", "acct_status"),
            *_dates("acct_consented_on", "acct_expires_on", "acct_given_on")),
    # Ours: made at set-up by docs/how-to/hubspot.md.
    _custom("p_vim_assessments", 340_051, "p_vim_assessment", _key("vim_key"), *_texts("vim_phase", "vim_risk_band", "vim_reason"), *_numbers("vim_risk_score", "vim_muda_waste"),
            *_dates("vim_as_of")),
    _custom("p_vim_drafts", 340_061, "p_vim_draft", _key("vim_key"), *_texts("vim_kind", "vim_title", "vim_body", "vim_content_hash", "vim_status", "vim_task_id")),
)  # fmt: skip

TYPES: dict[str, ObjectType] = {item.name: item for item in _ALL}
#: HubSpot takes a type by its plural, its singular, its objectTypeId, or (custom) its fully qualified name.
BY_ANY_NAME: dict[str, ObjectType] = {alias: item for item in _ALL for alias in (item.name, item.singular, item.type_id)}

#: Owners are users: not CRM records, read-only over the API.
OWNERS = Table("owners", "id", ("email", "firstName", "lastName", "userId", "created"), ("email",))
#: `id` joins the four parts; kept once, in the direction in which it was made.
ASSOCIATIONS = Table("associations", "id", ("from_type", "from_id", "to_type", "to_id", "label", "category", "type_id"), ordered_by=("from_id", "to_id"))
TABLES: tuple[Table, ...] = (*(item.table for item in _ALL), OWNERS, ASSOCIATIONS)

#: HubSpot-defined pairs without a company: (from, to) -> type id, by HubSpot's list of association types.
OTHER_PAIRS = {("notes", "contacts"): 202, ("tasks", "contacts"): 204, ("meetings", "contacts"): 200, ("deals", "contacts"): 3, ("contacts", "deals"): 4,
               ("deals", "line_items"): 19, ("line_items", "deals"): 20, ("tasks", "deals"): 216, ("notes", "deals"): 214}  # fmt: skip


def default_type(from_type: ObjectType, to_type: ObjectType) -> tuple[str, int] | None:
    """Category and id of the unlabelled association between two types; None where HubSpot has none."""
    if (from_type.name, to_type.name) in OTHER_PAIRS:
        return "HUBSPOT_DEFINED", OTHER_PAIRS[from_type.name, to_type.name]
    for this, other, place in ((from_type, to_type, 0), (to_type, from_type, 1)):
        if other.name == "companies" and this.to_company != (0, 0):
            return ("USER_DEFINED" if this.is_custom else "HUBSPOT_DEFINED"), this.to_company[place]
    return None


def primary_type(from_type: ObjectType, to_type: ObjectType) -> int | None:
    """Id of the labelled 'Primary' association, where the pair has one."""
    for this, other, place in ((from_type, to_type, 0), (to_type, from_type, 1)):
        if other.name == "companies" and this.primary:
            return this.primary[place]
    return None
