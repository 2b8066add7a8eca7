"""Salesforce as a place to write to: `VIM_Draft__c` and Account by key, a Task by two memories.

A Task has no external id of ours, so it is found twice over: by the Id that its `VIM_Draft__c` record remembers, and, before that Id
is stored, by a line in its description. Only a Task found in neither place is created. The canonical names of a payload are Salesforce's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from vim_pipelines.core.errors import VimError
from vim_pipelines.vendors import soql
from vim_pipelines.vendors.http import VendorError
from vim_pipelines.vendors.salesforce import SalesforceClient, client_from_settings
from vim_pipelines.writeback.actions import Intended
from vim_pipelines.writeback.targets.base import CrmRecord, CrmTarget, Found, MirrorResult, Planned, effect_of, marker_of

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings
    from vim_pipelines.vendors.http import TransportOptions

KEY = "VIM_Key__c"
LINK = "Task_Id__c"
STATUS = "Status"


class SalesforceTarget(CrmTarget):
    """One org, through its client."""

    name: ClassVar[str] = "salesforce"
    mirror_object: ClassVar[str] = "Account"
    mirror_batch: ClassVar[int] = 200

    def __init__(self, client: SalesforceClient) -> None:
        self.client = client

    @property
    def address(self) -> str:
        """The org's My Domain address."""
        return str(self.client.http.base_url)

    def close(self) -> None:
        """Close the client."""
        self.client.close()

    def planned(self, write: Intended) -> Planned:
        """As it is: the canonical names are this CRM's."""
        return Planned(write.action, write.object_name, write.external_id, write.proposed, write.expected, write.idempotency_key)

    def mirror_fields(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """As they are."""
        return dict(fields)

    def read(self, record: CrmRecord) -> Found | None:
        """By external id, by the Task's two memories, or by Id."""
        if record.action == "crm_note":
            return self._draft(record)
        if record.action == "crm_task":
            return self._task(record)
        found = self.client.get(record.object_name, record.external_id, list(record.proposed))
        return Found(record.external_id, {name: found.get(name) for name in record.proposed}) if found else None

    def write(self, record: CrmRecord, found: Found | None) -> str:
        """Upsert a draft (writing it twice leaves one record), create a Task that was not found, set an Account's fields."""
        if record.action == "crm_note":
            return self.client.upsert(record.object_name, KEY, record.external_id, record.proposed).id
        if record.action == "crm_task":
            return found.record_id if found else self.client.create("Task", record.proposed)
        self.client.update(record.object_name, record.external_id, record.proposed)
        return record.external_id

    def linked(self, record: CrmRecord) -> str | None:
        """The Task's Id that the draft's record remembers."""
        found = self.client.find("VIM_Draft__c", KEY, record.external_id, [LINK])
        return found[0].get(LINK) or None if found else None

    def link(self, record: CrmRecord, record_id: str) -> None:
        """Make the draft's record remember the Task."""
        if self.linked(record) != record_id:
            self.client.upsert("VIM_Draft__c", KEY, record.external_id, {LINK: record_id}, update_only=True)

    def put_back(self, record: CrmRecord, record_id: str, before: Mapping[str, Any]) -> None:
        """By Id."""
        self.client.update(record.object_name, record_id, {name: before.get(name) for name in record.proposed})

    def delete(self, record: CrmRecord, record_id: str) -> None:
        """Into the recycle bin."""
        self.client.delete(record.object_name, record_id)

    def read_many(self, account_keys: Sequence[str], fields: Sequence[str]) -> dict[str, dict[str, Any]]:
        """One query of Accounts by Id."""
        if not account_keys:
            return {}
        text = soql.select("Account", ["Id", *fields], f"Id IN {soql.literal(list(account_keys))}")
        return {record["Id"]: {name: record.get(name) for name in fields} for record in self.client.query(text)}

    def update_many(self, rows: Mapping[str, Mapping[str, Any]]) -> dict[str, MirrorResult]:
        """One request of sObject Collections, whose HTTP 200 says nothing of its records: each has a result of its own."""
        try:
            results = self.client.update_many("Account", [{"Id": key, **fields} for key, fields in rows.items()])
        except VendorError as error:
            if effect_of(error) != "unknown":
                raise
            return {key: MirrorResult("unknown", "no answer") for key in rows}
        found = {}
        for key, result in zip(rows, results, strict=True):
            said = "; ".join(f"{error.code}: {error.message}" for error in result.errors)
            found[key] = MirrorResult("done") if result.success else MirrorResult("refused", said)
        return found

    def _draft(self, record: CrmRecord) -> Found | None:
        found = self.client.find(record.object_name, KEY, record.external_id, list(record.proposed))
        if len(found) > 1:
            raise VimError(
                "VIM-E051", f"{len(found)} records carry {KEY} {record.external_id}", why="The external id must be unique", fix="Delete the copies in the CRM"
            )
        return Found(found[0]["Id"], {name: found[0].get(name) for name in record.proposed}) if found else None

    def _task(self, record: CrmRecord) -> Found | None:
        columns = [*record.proposed, STATUS]
        for record_id in (record.record_id, self.linked(record)):
            if record_id:
                task = self.client.get("Task", record_id, columns)
                return Found(record_id, {name: task.get(name) for name in columns}) if task else None
        where = f"WhatId = {soql.literal(record.proposed['WhatId'])} AND Subject = {soql.literal(record.proposed['Subject'])}"
        marker = marker_of(record.proposed["Description"])  # a long text area cannot be filtered in SOQL: compare here
        for task in self.client.query(soql.select("Task", ["Id", "Description", *columns], where, "CreatedDate, Id")):
            if marker in (task.get("Description") or "").splitlines():
                return Found(task["Id"], {name: task.get(name) for name in columns})
        return None


def make(settings: Settings, key_field: str | None, options: TransportOptions | None = None) -> SalesforceTarget:
    """The target of the org that the settings name. VIM-E110 if the portfolio knows its Accounts by anything but their Id: a Task hangs on that."""
    if key_field not in (None, "Id"):
        raise VimError(
            "VIM-E110",
            f"An Account cannot be written to by its field {key_field}",
            why="Salesforce finds what a Task or a draft belongs to by its Id only",
            fix="Map account_key to Id in the portfolio file",
        )
    return SalesforceTarget(client_from_settings(settings, options=options))
