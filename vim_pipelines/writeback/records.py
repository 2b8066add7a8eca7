"""Reading and writing the CRM's records for write-back, one kind of action at a time, so that a lost answer can be made up for.

A `VIM_Draft__c` record and an Account are found by key. A Task has no external id of ours, so it is found twice over: by the Id that its
`VIM_Draft__c` record remembers, and, before that Id is stored, by a line in its description. Only a Task found in neither place is created.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from vim_pipelines.core.errors import VimError
from vim_pipelines.vendors import soql
from vim_pipelines.vendors.http import VendorError
from vim_pipelines.vendors.salesforce import SalesforceClient

KEY = "VIM_Key__c"
LINK = "Task_Id__c"
TASK_STATUS = "Status"


@dataclass(frozen=True)
class Target:
    """The record an outbox entry is about."""

    action: str
    object_name: str
    external_id: str
    proposed: dict[str, Any]
    record_id: str | None = None


@dataclass(frozen=True)
class Found:
    """A record as it stands: its Id and the fields that the write is about."""

    record_id: str
    fields: dict[str, Any]


class RecordKind(Protocol):
    """How one kind of action is read, written and taken back."""

    def read(self, client: SalesforceClient, target: Target) -> Found | None: ...

    def write(self, client: SalesforceClient, target: Target, found: Found | None) -> str: ...


class DraftRecord:
    """`VIM_Draft__c`, by its external id. Writing it twice leaves one record."""

    def read(self, client: SalesforceClient, target: Target) -> Found | None:
        found = client.find(target.object_name, KEY, target.external_id, list(target.proposed))
        if len(found) > 1:
            raise VimError(
                "VIM-E051", f"{len(found)} records carry {KEY} {target.external_id}", why="The external id must be unique", fix="Delete the copies in the CRM"
            )
        return Found(found[0]["Id"], {name: found[0].get(name) for name in target.proposed}) if found else None

    def write(self, client: SalesforceClient, target: Target, found: Found | None) -> str:
        return client.upsert(target.object_name, KEY, target.external_id, target.proposed).id


class TaskRecord:
    """A Task, created once. `read` looks where its Id is remembered, then for the line that only our Task has."""

    def read(self, client: SalesforceClient, target: Target) -> Found | None:
        columns = [*target.proposed, TASK_STATUS]
        for record_id in (target.record_id, self.linked(client, target)):
            if record_id:
                record = client.get("Task", record_id, columns)
                return Found(record_id, {name: record.get(name) for name in columns}) if record else None
        where = f"WhatId = {soql.literal(target.proposed['WhatId'])} AND Subject = {soql.literal(target.proposed['Subject'])}"
        marker = target.proposed["Description"].splitlines()[-1]  # a long text area cannot be filtered in SOQL: compare here
        for record in client.query(soql.select("Task", ["Id", "Description", *columns], where, "CreatedDate, Id")):
            if marker in (record.get("Description") or "").splitlines():
                return Found(record["Id"], {name: record.get(name) for name in columns})
        return None

    def write(self, client: SalesforceClient, target: Target, found: Found | None) -> str:
        return found.record_id if found else client.create("Task", target.proposed)

    def linked(self, client: SalesforceClient, target: Target) -> str | None:
        """The Task's Id that the draft's record remembers."""
        found = client.find("VIM_Draft__c", KEY, target.external_id, [LINK])
        return found[0].get(LINK) or None if found else None

    def link(self, client: SalesforceClient, target: Target, record_id: str) -> None:
        """Make the draft's record remember the Task."""
        if self.linked(client, target) != record_id:
            client.upsert("VIM_Draft__c", KEY, target.external_id, {LINK: record_id}, update_only=True)


class AccountFields:
    """Fields of an Account, by its Id. Setting them twice leaves the same values."""

    def read(self, client: SalesforceClient, target: Target) -> Found | None:
        record = client.get(target.object_name, target.external_id, list(target.proposed))
        return Found(target.external_id, {name: record.get(name) for name in target.proposed}) if record else None

    def write(self, client: SalesforceClient, target: Target, found: Found | None) -> str:
        client.update(target.object_name, target.external_id, target.proposed)
        return target.external_id


KINDS: dict[str, RecordKind] = {"crm_note": DraftRecord(), "crm_task": TaskRecord(), "crm_fields": AccountFields()}
TASKS = TaskRecord()


def effect_of(error: VendorError) -> str:
    """What a failed write left behind: `none` (it was not carried out), `refused` (the CRM said no), `unknown` (read before doing anything else)."""
    if error.code == "VIM-E015" or (error.code == "VIM-E013" and (error.status is None or error.status >= 500)):
        return "unknown"
    if error.code == "VIM-E013" and error.vendor_code not in ("LOCKED", "UNABLE_TO_LOCK_ROW"):
        return "refused"
    return "none"
