"""The objects of the sandbox's Salesforce org: the one list that the seed, `describe`, the SOQL parser and the write checks read.

It is the org that `portfolios/sandbox.yaml` maps. Simplifications, each on purpose: seeded records keep the canonical key as their Id
(`ACC-00017` in place of 18 characters), so that a person can follow a row through the house; `Contact.Name` can be written; there
are no record types and no sharing.

Standard fields are Salesforce's own, `LastActivityDate` of a contact and `CompletedDateTime` of a task among them (read-only; changing the
first moves SystemModstamp, Salesforce help 000387261). Salesforce lets a contact or a lead be a member of a campaign but no account, so campaigns
to one customer and references are custom objects, as are all fields with `__c`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from vim_pipelines.sandbox.emulators.state import STAMP, Table


@dataclass(frozen=True)
class Field:
    """One field. `type` is Salesforce's word: id, string, textarea, email, picklist, reference, int, double, currency, boolean, date, datetime."""

    name: str
    type: str = "string"
    length: int = 255
    required: bool = False
    external_id: bool = False
    unique: bool = False
    reference_to: str = ""
    values: tuple[str, ...] = ()
    default: str | bool | None = None
    read_only: bool = False
    #: How a value is shown since the field's type was changed ('{} seats'); empty: as it is stored.
    template: str = ""

    def shown(self, value: object) -> object:
        """A stored value as the API gives it."""
        return value if value is None or not self.template else self.template.format(value)


@dataclass(frozen=True)
class SObject:
    """One object with its key prefix; `fields` without the system fields, which every object has."""

    name: str
    key_prefix: str
    own_fields: tuple[Field, ...]

    @cached_property
    def fields(self) -> dict[str, Field]:
        """All fields by name, system fields first."""
        return {field.name: field for field in (*SYSTEM_FIELDS, *self.own_fields)}

    @cached_property
    def by_lower_name(self) -> dict[str, Field]:
        """All fields by lower-case name: Salesforce ignores case in names."""
        return {name.lower(): field for name, field in self.fields.items()}

    @property
    def table(self) -> Table:
        """Where its rows are kept. LastModifiedDate is SystemModstamp here, so it needs no column."""
        columns = tuple(field.name for field in self.own_fields)
        return Table(self.name, "Id", ("CreatedDate", *columns), tuple(field.name for field in self.own_fields if field.external_id))


SYSTEM_FIELDS = (
    Field("Id", "id", 18, read_only=True),
    Field("IsDeleted", "boolean", read_only=True),
    Field("CreatedDate", "datetime", read_only=True),
    Field("LastModifiedDate", "datetime", read_only=True),
    Field(STAMP, "datetime", read_only=True),
)


def _text(name: str, length: int = 255, **options: object) -> Field:
    return Field(name, "textarea" if length > 255 else "string", length, **options)  # type: ignore[arg-type]


def _number(*names: str) -> tuple[Field, ...]:
    return tuple(Field(name, "double") for name in names)


def _money(*names: str) -> tuple[Field, ...]:
    return tuple(Field(name, "currency") for name in names)


def _date(*names: str) -> tuple[Field, ...]:
    return tuple(Field(name, "date") for name in names)


def _moment(*names: str) -> tuple[Field, ...]:
    return tuple(Field(name, "datetime") for name in names)


def _pick(name: str, *values: str, default: str | None = None) -> Field:
    return Field(name, "picklist", values=values, default=default)


def _account(name: str = "Account__c", *, required: bool = True) -> Field:
    return Field(name, "reference", 18, required=required, reference_to="Account")


_CURRENCY = Field("CurrencyIsoCode", "picklist", 3)

_VIM_RECORD = (
    _text("VIM_Key__c", required=True, external_id=True, unique=True),
    _account(),
    _text("Document__c"),
    _text("Title__c"),
    _text("Body__c", 131072),
    _text("Sha256__c", 64),
    _text("Status__c"),
    _text("Version__c"),
    _text("Policy_Version__c"),
    _text("Request_Id__c"),
    _text("Approved_By__c"),
    *_moment("Approved_At__c", "Assessed_At__c"),
    *_date("As_Of_Date__c"),
)

OBJECTS: dict[str, SObject] = {
    sobject.name: sobject
    for sobject in (
        SObject(
            "Account",
            "001",
            (
                _text("Name", required=True),
                _text("Domain__c"),
                _text("Segment__c"),
                _text("Tier__c"),
                _account("ParentId", required=False),
                _text("Account_Executive__c"),
                Field("Account_Executive_Email__c", "email", 80),
                _text("CSM__c"),
                Field("CSM_Email__c", "email", 80),
                Field("Director_Email__c", "email", 80),
                *_money("ARR__c"),
                _CURRENCY,
                *_date("Customer_Since__c", "Notice_Received_On__c"),
                _text("VIM_Phase__c"),
                _pick("VIM_Risk_Band__c", "green", "yellow", "red", "unknown"),
                *_number("VIM_Risk_Score__c"),
                *_money("VIM_Muda_Waste__c"),
                *_moment("VIM_Assessed_At__c"),
                # An external id that is not unique, as left behind by migrations: an upsert by it can meet two records (HTTP 300).
                _text("Legacy_Id__c", external_id=True),
            ),
        ),
        SObject(
            "Contact",
            "003",
            (
                _account("AccountId", required=False),
                _text("Name", required=True),
                Field("Email", "email", 80),
                _text("Title", 128),
                _text("Role__c"),
                Field("Is_Active__c", "boolean", default=True),
                *_date("Left_On__c"),
                Field("LastActivityDate", "date", read_only=True),
                *_number("Relationship_Strength__c"),
            ),
        ),
        SObject(
            "Contract",
            "800",
            (
                _account("AccountId"),
                _text("Product__c"),
                *_number("Seats__c"),
                *_money("List_Price__c", "Net_Price__c"),
                _CURRENCY,
                *_date("StartDate", "EndDate"),
                *_number("Notice_Days__c"),
                Field("Auto_Renew__c", "boolean", default=False),
                _pick("Status", "Draft", "Activated", "Terminated", default="Draft"),
                *_date("Notice_Served_On__c"),
                Field("ContractTerm", "int"),
                _text("Billing_Frequency__c"),
                _text("SLA_Tier__c"),
                *_date("Discount_Expires_On__c"),
            ),
        ),
        SObject(
            "Opportunity",
            "006",
            (
                _account("AccountId", required=False),
                _text("Name", 120, required=True),
                _pick("Type", "New Business", "Renewal", "Expansion", "Other"),
                Field("StageName", "picklist", 255, required=True),
                *_money("Amount"),
                _CURRENCY,
                Field("CloseDate", "date", required=True),
                Field("IsClosed", "boolean", default=False),
                Field("IsWon", "boolean", default=False),
                Field("Owner_Email__c", "email", 80),
            ),
        ),
        SObject(
            "Handoff_Document__c",
            "a00",
            (_account(), _text("Kind__c"), _text("Title__c"), _text("Body__c", 131072), *_date("Authored_On__c"), Field("Author_Email__c", "email", 80)),
        ),
        SObject(
            "Event",
            "00U",
            (
                _account("WhatId", required=False),
                _text("Subject"),
                _text("Kind__c"),
                Field("StartDateTime", "datetime", required=True),
                _text("Status__c"),
                _text("Description", 32000),
            ),
        ),
        SObject(
            "Task",
            "00T",
            (
                _account("WhatId", required=False),
                _text("Subject"),
                _text("Description", 32000),
                _pick("Status", "Open", "Completed", "Cancelled", default="Open"),
                _pick("Priority", "High", "Normal", "Low", default="Normal"),
                *_date("ActivityDate"),
                _text("OwnerId", 18),
                Field("Owner_Email__c", "email", 80),
                _text("Kind__c"),
                Field("CompletedDateTime", "datetime", read_only=True),
                _text("Meeting__c", 18),
            ),
        ),
        SObject(
            "Survey_Response__c",
            "a01",
            (_account(), _text("Contact__c", 18), _text("Kind__c"), *_number("Score__c"), _text("Comment__c", 32768), *_moment("Responded_At__c")),
        ),
        SObject(
            "Milestone__c",
            "a02",
            (
                _account(),
                _text("Kind__c"),
                _text("Metric__c"),
                *_number("Baseline__c", "Target__c", "Measured__c"),
                *_date("Due__c", "Reached__c", "Measured_On__c"),
                Field("Owner_Email__c", "email", 80),
            ),
        ),
        SObject("Training_Completion__c", "a03", (_account(), _text("User_Key__c"), _text("Course__c"), *_moment("Completed_At__c"))),
        SObject(
            "EBR__c",
            "a04",
            (_account(), *_date("Held_On__c"), _text("Status__c"), _text("Outcome__c", 32768), _pick("Sponsor_Attended__c", "Yes", "No")),
        ),
        SObject(
            "Customer_Campaign__c",
            "a07",
            (_account(), _text("Kind__c"), _text("Name__c"), *_date("Started_On__c", "Ended_On__c"), *_number("Users_Targeted__c", "Users_Responded__c")),
        ),
        SObject(
            "Customer_Reference__c",
            "a08",
            (_account(), _text("Contact__c", 18), _text("Kind__c"), _text("Status__c"), *_date("Consented_On__c", "Expires_On__c", "Given_On__c")),
        ),
        SObject(
            "VIM_Assessment__c",
            "a05",
            (*_VIM_RECORD, _text("Phase__c"), _text("Risk_Band__c"), *_number("Risk_Score__c"), *_money("Muda_Waste__c"), _text("Summary__c", 32768)),
        ),
        SObject("VIM_Draft__c", "a06", (*_VIM_RECORD, _text("Task_Id__c", 18), *_moment("Undone_At__c"))),
    )
}

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHECK = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


def record_id(key_prefix: str, number: int) -> str:
    """The 18-character Id of the `number`-th record created in this org: 15 characters and the three that make it safe without case."""
    digits = ""
    while number:
        number, rest = divmod(number, 62)
        digits = _BASE62[rest] + digits
    fifteen = f"{key_prefix}VM{digits:0>10}"
    return fifteen + check_letters(fifteen)


def check_letters(fifteen: str) -> str:
    """The three letters that make a 15-character Id safe where case is lost: one bit per capital, five to a letter."""
    return "".join(_CHECK[sum(1 << place for place in range(5) if fifteen[block + place].isupper())] for block in (0, 5, 10))
