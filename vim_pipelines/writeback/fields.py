"""Every record and field that write-back touches, said once: what an approval may write, and what each CRM must have before the first write.

From here come the allow-list (`actions.WRITABLE`), the names of the mirror in HubSpot and Planhat, the Salesforce metadata and the HubSpot and
Planhat definitions under `deploy/crm`, and what `vimotion doctor` looks for. A second list would sooner or later name a field that no
permission set grants, and the first night to write it would fail. Pure data.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "long_text", "number", "money", "moment", "date", "email", "choice", "account", "standard"]
#: Who writes a field: an approved item, the mirror under its standing approval, the program about its own work, or a person in the CRM.
Writer = Literal["approval", "mirror", "program", "person"]

RISK_BANDS = ("green", "yellow", "red", "unknown")
DECISIONS = ("approve", "request_changes", "reject")
#: Salesforce's longest long text area; an approved text is never cut.
LONGEST_TEXT = 131_072


@dataclass(frozen=True)
class FieldDefinition:
    """One field by its canonical name, which is Salesforce's. `kind` 'standard' is a field that the CRM has of itself. `length` counts characters."""

    name: str
    kind: Kind
    writer: Writer
    label: str = ""
    description: str = ""
    length: int = 255
    values: tuple[str, ...] = ()
    is_unique: bool = False
    is_required: bool = False

    @property
    def is_ours(self) -> bool:
        """Whether it must be made before the first write."""
        return self.kind != "standard"

    @property
    def hubspot_name(self) -> str:
        """`VIM_Phase__c` is `vim_phase`."""
        return self.name.removesuffix("__c").lower()

    @property
    def planhat_name(self) -> str:
        """The name of the custom field (without `custom.`): Planhat shows it as it is."""
        return self.label


@dataclass(frozen=True)
class RecordDefinition:
    """One object by its canonical name. `is_ours`: the object itself must be made; an approval creates records of it."""

    name: str
    label: str
    plural: str
    description: str
    fields: tuple[FieldDefinition, ...]
    is_ours: bool = False

    def written_by(self, *writers: Writer) -> frozenset[str]:
        """Names of the fields that `writers` write."""
        return frozenset(item.name for item in self.fields if item.writer in writers)

    def ours(self) -> Iterator[FieldDefinition]:
        """The fields that must be made."""
        return (item for item in self.fields if item.is_ours)


def _draft(name: str, label: str, description: str, kind: Kind = "text", **options: object) -> FieldDefinition:
    return FieldDefinition(name, kind, "approval", label, description, **options)  # type: ignore[arg-type]


def _mirror(name: str, label: str, description: str, kind: Kind = "text", **options: object) -> FieldDefinition:
    return FieldDefinition(name, kind, "mirror", label, description, **options)  # type: ignore[arg-type]


def _standard(*names: str) -> tuple[FieldDefinition, ...]:
    return tuple(FieldDefinition(name, "standard", "approval") for name in names)


DRAFT = RecordDefinition(
    "VIM_Draft__c",
    "VIM Draft",
    "VIM Drafts",
    "One approved text of Value-in-Motion, with its signature. Written once per approved request.",
    (
        FieldDefinition(
            "VIM_Key__c", "text", "program", "VIM Key", "Key of the approved request; makes a second write the same record.", is_unique=True, is_required=True
        ),
        _draft("Account__c", "Account", "The customer that the text is about.", "account", is_required=True),
        _draft("Document__c", "Document", "Kind of document, such as license_optimization_plan."),
        _draft("Title__c", "Title", "Heading of the document."),
        _draft("Body__c", "Body", "The approved text, word for word.", "long_text", length=LONGEST_TEXT),
        _draft("Sha256__c", "SHA-256", "Hash of the approved text.", length=64),
        _draft("Version__c", "Version", "Version of the text that was approved."),
        _draft("As_Of_Date__c", "As-of Date", "The day whose facts the text states.", "date"),
        _draft("Policy_Version__c", "Policy Version", "Version of the approval policy under which it was decided."),
        _draft("Request_Id__c", "Request Id", "The request in the approvals inbox."),
        _draft("Status__c", "Status", "State of the request when it was written."),
        _draft("Approved_By__c", "Approved By", "Who approved it."),
        _draft("Approved_At__c", "Approved At", "When it was approved (UTC).", "moment"),
        FieldDefinition("Task_Id__c", "text", "program", "Task Id", "The task that belongs to this text, so that it is created once.", length=18),
    ),
    is_ours=True,
)
TASK = RecordDefinition(
    "Task",
    "Task",
    "Tasks",
    "What somebody has to do after an approval.",
    (
        *_standard("WhatId", "Subject", "Description", "Priority", "Status", "ActivityDate", "OwnerId"),
        FieldDefinition("Owner_Email__c", "email", "approval", "Owner Email", "Address of the customer success manager who carries it out.", length=80),
        FieldDefinition(
            "VIM_Decision__c",
            "choice",
            "person",
            "VIM Decision",
            "The decision about the request that the task names; read every few minutes.",
            values=DECISIONS,
        ),
        FieldDefinition("VIM_Decision_Note__c", "text", "person", "VIM Decision Note", "The reason for the decision. Needed unless it is an approval."),
    ),
)
ACCOUNT = RecordDefinition(
    "Account",
    "Account",
    "Accounts",
    "The mirror: five fields computed by code, written under one standing approval.",
    (
        _mirror("VIM_Phase__c", "VIM Phase", "Lifecycle phase, computed by Value-in-Motion."),
        _mirror("VIM_Risk_Band__c", "VIM Risk Band", "Risk band, computed by Value-in-Motion.", "choice", values=RISK_BANDS),
        _mirror("VIM_Risk_Score__c", "VIM Risk Score", "Lean risk score from 0 to 100; empty where too little was measured.", "number"),
        _mirror("VIM_Muda_Waste__c", "VIM Muda Waste", "Waste per year in the portfolio's currency; empty where it is unknown.", "money"),
        _mirror("VIM_Assessed_At__c", "VIM Assessed At", "When Value-in-Motion last assessed the account (UTC).", "moment"),
    ),
)
RECORDS: dict[str, RecordDefinition] = {record.name: record for record in (DRAFT, TASK, ACCOUNT)}


def writable() -> dict[str, frozenset[str]]:
    """What an item approval may write: fields of approvals, and those of the mirror through `crm_fields` with the value that was expected."""
    return {record.name: record.written_by("approval", "mirror") for record in RECORDS.values()}


def mirror() -> tuple[FieldDefinition, ...]:
    """The mirror's fields, in order."""
    return ACCOUNT.fields
