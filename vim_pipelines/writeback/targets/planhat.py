"""Planhat as a place to write to: custom fields of the company, a note (a conversation of the type note), a task.

Planhat keeps an id of ours (`externalId`) on conversations and tasks and matches a write by it, so that the same write twice leaves one record,
and a lost answer is made up for by one look. Two traps remain. A bulk answer is HTTP 200 with the errors inside; the client reads it item
by item. And no document says whether Planhat merges the `custom` fields of a write into those that stand: if it replaced them, one mirror run
would empty every company. So the first company of a connection is written alone and looked at before any other (`_prove_merge`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from vim_pipelines.core.errors import VimError
from vim_pipelines.core.markup import html_of, text_of
from vim_pipelines.vendors.http import VendorError
from vim_pipelines.vendors.planhat import KEYS, Outcome, PlanhatClient, UpsertResult, client_from_settings, flatten
from vim_pipelines.writeback.actions import Intended
from vim_pipelines.writeback.fields import mirror
from vim_pipelines.writeback.plan import changes
from vim_pipelines.writeback.targets.base import CrmRecord, CrmTarget, Effect, Found, MirrorResult, Planned, effect_of

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings
    from vim_pipelines.vendors.http import TransportOptions

MIRROR = {item.name: f"custom.{item.planhat_name}" for item in mirror()}
BODY = "description"
OWNER, OWNER_ID = "owner.email", "ownerId"
#: What tells that somebody works on a task or has finished it; Planhat archives what is done.
TASK_STATE = ("status", "isArchived")
#: Planhat's words for a task's status. A new task is open without any.
STATUSES = {"Open": None, "Not Started": None, "In Progress": "In-progress"}
#: Above this many companies one listing of all of them is cheaper than a look at each.
LOOK_AT_EACH = 20


class PlanhatTarget(CrmTarget):
    """One tenant, through its client. `key_field` is the company's field that holds the account key: `_id`, `externalId` or `sourceId`."""

    name: ClassVar[str] = "planhat"
    mirror_object: ClassVar[str] = "companies"
    mirror_batch: ClassVar[int] = 5000

    def __init__(self, client: PlanhatClient, key_field: str | None = None) -> None:
        self.client = client
        self._key = key_field or "_id"
        if self._key not in KEYS:
            raise VimError(
                "VIM-E110",
                f"A company of Planhat cannot be written to by its field {key_field}",
                why="Planhat finds a record by one of its three ids only",
                fix=f"Map account_key to {', '.join(KEYS)} in the portfolio file",
            )
        self._company_field = f"company.{self._key}"
        self._companies: dict[str, str] = {}
        self._owners: dict[str, str] | None = None
        #: Companies that have custom fields of other people: these could be lost.
        self._richer: set[str] = set()
        self._is_merge_proved = False

    @property
    def address(self) -> str:
        """The API's address."""
        return str(self.client.http.base_url)

    def close(self) -> None:
        """Close the client."""
        self.client.close()

    # ---- words

    def planned(self, write: Intended) -> Planned:
        """A note, a task, or custom fields of a company. `company.KEY` names the company it hangs on, `owner.email` who gets the task."""
        if write.action == "crm_fields":
            expected = None if write.expected is None else self.mirror_fields(write.expected)
            return Planned(write.action, "companies", write.external_id, self.mirror_fields(write.proposed), expected, write.idempotency_key)
        fields = dict(write.proposed)
        object_name, proposed = ("conversations", self._note(write.external_id, fields)) if write.action == "crm_note" else ("tasks", self._task(fields))
        if fields:
            raise VimError("VIM-E112", f"Planhat has no place for {', '.join(sorted(fields))}", fix="Correct the playbook, or do it by hand")
        return Planned(write.action, object_name, write.external_id, proposed, None, write.idempotency_key)

    def _note(self, key: str, fields: dict[str, Any]) -> dict[str, Any]:
        account, moment = fields.pop("Account__c"), fields.pop("Approved_At__c")
        subject = fields.pop("Title__c", "")
        lines = [
            fields.pop("Body__c", ""),
            "",
            f"{fields.pop('Status__c', '')} by {fields.pop('Approved_By__c', '')} at {moment}",
            f"{fields.pop('Document__c', '')} version {fields.pop('Version__c', '')} as of {fields.pop('As_Of_Date__c', '')}",
            f"text {fields.pop('Sha256__c', '')}, policy {fields.pop('Policy_Version__c', '')}, request {fields.pop('Request_Id__c', '')}",
            f"Value-in-Motion {key}",
        ]
        return {"type": "note", "subject": subject, BODY: html_of("\n".join(lines)), "date": moment, self._company_field: account}

    def _task(self, fields: dict[str, Any]) -> dict[str, Any]:
        status = fields.pop("Status", "Open")
        if status not in STATUSES:
            raise VimError("VIM-E112", f"A new task of Planhat cannot have the status {status}", fix=f"Use one of {', '.join(STATUSES)} in the playbook")
        # A task of Planhat has no priority of its own: it stands in the text, or nobody would see it.
        text = f"Priority: {fields.pop('Priority', 'Normal')}\n\n{fields.pop('Description')}"
        proposed = {
            "mainType": "task",
            "action": fields.pop("Subject"),
            BODY: html_of(text),
            # Due at noon UTC: midnight would be the day before in America.
            "startTime": f"{fields.pop('ActivityDate')}T12:00:00Z",
            self._company_field: fields.pop("WhatId"),
        }
        if STATUSES[status] is not None:
            proposed["status"] = STATUSES[status]
        if "OwnerId" in fields:
            proposed[OWNER_ID] = fields.pop("OwnerId")
        elif "Owner_Email__c" in fields:
            proposed[OWNER] = fields["Owner_Email__c"]
        fields.pop("Owner_Email__c", None)
        return proposed

    def mirror_fields(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """`VIM_Phase__c` is the custom field VIM Phase, and so on; VIM-E046 for a field that Planhat has no custom field of ours for."""
        lacking = sorted(set(fields) - set(MIRROR))
        if lacking:
            raise VimError("VIM-E046", f"Planhat has no custom field of ours for {', '.join(lacking)}", fix=f"mirror.fields may name {', '.join(MIRROR)}")
        return {MIRROR[name]: value for name, value in fields.items()}

    # ---- one record

    def read(self, record: CrmRecord) -> Found | None:
        """By Planhat's id where the outbox remembers it, else by our own, `externalId`; a company by its key."""
        if record.object_name == "companies":
            row = self.client.get("companies", record.external_id, by=self._key)
            if row is None:
                return None
            flat = flatten(row)
            return Found(str(row["_id"]), {name: flat.get(name) for name in record.proposed})
        row = self.client.get(record.object_name, record.record_id) if record.record_id else self._ours(record)
        return None if row is None else Found(str(row["_id"]), self._shown(record, row))

    def write(self, record: CrmRecord, found: Found | None) -> str:
        """Upsert: by our id where nothing was found, by Planhat's where something was. A task that is there is left as it is; a company is never created."""
        if record.object_name == "companies":
            if found is None:
                raise self._no_company(record.external_id)
            if not self._is_merge_proved and self._others_of(found.record_id):
                return self._prove_merge(found.record_id, record.proposed)
            return self._upsert("companies", {"_id": found.record_id, **record.proposed})
        if found is not None and record.action == "crm_task":
            return found.record_id
        company = self._company(record)
        if company is None:
            raise self._no_company(self._account(record))
        key = {"_id": found.record_id} if found else {"externalId": record.external_id}
        return self._upsert(record.object_name, {**key, **self._values(record.proposed), "companyId": company})

    def linked(self, record: CrmRecord) -> str | None:
        """The id of the task that carries our id: Planhat keeps it at the task itself, so there is nothing else to remember."""
        row = self._ours(record)
        return None if row is None else str(row["_id"])

    def link(self, record: CrmRecord, record_id: str) -> None:
        """See to it that the task carries our id."""
        if self.linked(record) != record_id:
            self._upsert(record.object_name, {"_id": record_id, "externalId": record.external_id})

    def put_back(self, record: CrmRecord, record_id: str, before: Mapping[str, Any]) -> None:
        """By Planhat's id; what Planhat derives is not a field."""
        self._upsert(record.object_name, {"_id": record_id, **self._values({name: before.get(name) for name in record.proposed})})

    def delete(self, record: CrmRecord, record_id: str) -> None:
        """For good: Planhat documents no recycle bin."""
        self.client.delete(record.object_name, record_id)

    # ---- many accounts

    def read_many(self, account_keys: Sequence[str], fields: Sequence[str]) -> dict[str, dict[str, Any]]:
        """A look at each of a few companies; of many, one listing of all of them (5,000 to a request: the API selects companies by nothing)."""
        if not account_keys:
            return {}
        wanted = set(account_keys)
        if len(wanted) <= LOOK_AT_EACH:
            looked = (self.client.get("companies", key, by=self._key) for key in wanted)
            rows = [row for row in looked if row is not None]
        else:
            rows = [row for row in self.client.records("companies", ("name", self._key, "custom")) if str(row.get(self._key)) in wanted]
        found = {str(row[self._key]): flatten(row) for row in rows}
        self._companies |= {key: str(row["_id"]) for key, row in found.items()}
        self._richer |= {key for key, row in found.items() if _others(row)}
        return {key: {name: found[key].get(name) for name in fields} for key in account_keys if key in found}

    def update_many(self, rows: Mapping[str, Mapping[str, Any]]) -> dict[str, MirrorResult]:
        """One bulk upsert by Planhat's own ids. Without a name, which a new company must have, it cannot create one."""
        unknown_ids = [key for key in rows if key not in self._companies]
        if unknown_ids:
            self.read_many(unknown_ids, [])
        results = {key: MirrorResult("refused", "there is no such company in Planhat") for key in rows if key not in self._companies}
        for key in [key for key in rows if key in self._richer and key not in results]:
            if self._is_merge_proved:
                break
            results[key] = self._proved_by(key, rows[key])
        keys = [key for key in rows if key not in results]
        if not keys:
            return results
        try:
            answers = self.client.upsert_many("companies", [{"_id": self._companies[key], **rows[key]} for key in keys])
        except VendorError as error:
            if effect_of(error) != "unknown":
                raise
            return results | {key: MirrorResult("unknown", "no answer") for key in keys}
        return results | {key: _mirror_result(answer) for key, answer in zip(keys, answers, strict=True)}

    def effect_of(self, error: VendorError) -> Effect:
        """As for every CRM; a tenant that drops custom fields must not be tried again."""
        return "refused" if error.code == "VIM-E160" else effect_of(error)

    def _proved_by(self, key: str, fields: Mapping[str, Any]) -> MirrorResult:
        """Prove the merge with one company; one that Planhat refuses, or does not answer for, proves nothing and has a result of its own."""
        try:
            self._prove_merge(self._companies[key], fields)
        except VendorError as error:
            effect = self.effect_of(error)
            if error.code == "VIM-E160" or effect == "none":
                raise
            return MirrorResult("unknown" if effect == "unknown" else "refused", error.why or error.what)
        return MirrorResult("done")

    def _prove_merge(self, company: str, fields: Mapping[str, Any]) -> str:
        """Write one company that has other custom fields alone, and see whether they are still there; VIM-E160 if not, after putting them back."""
        others = self._others_of(company)
        self._upsert("companies", {"_id": company, **fields})
        lost = sorted(set(others) - set(self._others_of(company)))
        if lost:
            self._upsert("companies", {"_id": company, **others, **fields})
            raise VendorError(
                "VIM-E160",
                f"Planhat dropped {len(lost)} custom fields of the company {company} when ours were written; they were put back",
                why=f"This tenant replaces custom fields instead of merging them: {', '.join(lost)[:200]}",
                fix="Set VIMOTION_WRITE_MODE=off and ask Planhat's support; no other company was written",
            )
        self._is_merge_proved = True
        return company

    # ---- inside

    def _others_of(self, company: str) -> dict[str, Any]:
        return _others(flatten(self.client.get("companies", company) or {}))

    def _account(self, record: CrmRecord) -> str:
        return str(record.proposed.get(self._company_field) or record.external_id)

    def _company(self, record: CrmRecord) -> str | None:
        """Planhat's id of the company that a record hangs on; None if there is none. Asked once, for ids do not change."""
        key = self._account(record)
        if key not in self._companies:
            row = self.client.get("companies", key, by=self._key)
            if row is None:
                return None
            self._companies[key] = str(row["_id"])
        return self._companies[key]

    def _ours(self, record: CrmRecord) -> dict[str, Any] | None:
        return self.client.get(record.object_name, record.external_id, by="externalId")

    def _shown(self, record: CrmRecord, row: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of `proposed` as they stand; a body that says the same in other HTML is given as proposed."""
        shown: dict[str, Any] = {}
        for name, proposed in record.proposed.items():
            value = row.get(OWNER_ID if name == OWNER else name)
            if name == BODY and not changes({BODY: text_of(value or "")}, {BODY: text_of(proposed)}):
                value = proposed
            elif name == OWNER:
                value = next((email for email, owner in self._owner_ids().items() if owner == value), value)
            elif name == self._company_field:
                value = proposed if row.get("companyId") == self._company(record) else row.get("companyId")
            shown[name] = value
        if record.object_name == "tasks":
            shown |= {name: row.get(name) or None for name in TASK_STATE}
        return shown

    def _values(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        values = {name: value for name, value in fields.items() if name not in (self._company_field, OWNER)}
        owner = self._owner_ids().get(str(fields[OWNER]).lower()) if fields.get(OWNER) else None
        if owner is not None:  # somebody who is no user of Planhat gets no task there: it stays without an owner, and shows so
            values[OWNER_ID] = owner
        return values

    def _owner_ids(self) -> dict[str, str]:
        if self._owners is None:
            self._owners = {str(user.get("email") or "").lower(): str(user["_id"]) for user in self.client.users()}
        return self._owners

    def _upsert(self, model: str, values: Mapping[str, Any]) -> str:
        (result,) = self.client.upsert_many(model, [values])
        if result.outcome is Outcome.UNKNOWN:
            raise VendorError(
                "VIM-E015",
                f"Whether Planhat wrote one of the {model} is unknown",
                why=result.message,
                fix="Read it back before trying again",
            )
        if result.outcome is Outcome.FAILED:
            raise VendorError(
                "VIM-E013",
                f"Planhat refused to write one of the {model}",
                why=result.message,
                fix="Correct the cause in Planhat; it was not repeated",
                status=400,
                vendor_message=result.message,
            )
        record_id = result.id or values.get("_id")
        if not record_id:
            raise VendorError(
                "VIM-E015", f"Planhat wrote one of the {model} and did not name it", why="Its answer has no _id", fix="Read it back before trying again"
            )
        return str(record_id)

    def _no_company(self, key: str) -> VendorError:
        return VendorError(
            "VIM-E013",
            f"There is no company {key} in Planhat",
            why=f"None has it in {self._key}",
            fix="See whether it was removed or merged",
            status=404,
            vendor_code="COMPANY_NOT_FOUND",
        )


def make(settings: Settings, key_field: str | None, options: TransportOptions | None = None) -> PlanhatTarget:
    """The target of the tenant that the settings name. VIM-E110 if the portfolio knows its companies by none of Planhat's three ids."""
    return PlanhatTarget(client_from_settings(settings, options=options), key_field)


def _others(flat: Mapping[str, Any]) -> dict[str, Any]:
    """The custom fields of a company that are not ours."""
    ours = set(MIRROR.values())
    return {name: value for name, value in flat.items() if name.startswith("custom.") and name not in ours and value is not None}


def _mirror_result(answer: UpsertResult) -> MirrorResult:
    if answer.outcome is Outcome.UNKNOWN:
        return MirrorResult("unknown", answer.message)
    return MirrorResult("refused", answer.message) if answer.outcome is Outcome.FAILED else MirrorResult("done")
