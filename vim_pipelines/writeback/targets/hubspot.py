"""HubSpot as a place to write to: properties of the company, a note with the approved text, a task.

HubSpot documents unique properties for records, not for activities, so a note and a task carry a line that only ours has, and are found
again by the company's associations: search is indexed late, and a lost answer must be made up for at once. Both are created together with
their association, in one request. Bodies are HTML to HubSpot: texts are escaped on the way there and compared as text on the way back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from vim_pipelines.core.errors import VimError
from vim_pipelines.core.markup import html_of, text_of
from vim_pipelines.vendors.http import VendorError
from vim_pipelines.vendors.hubspot import HubSpotClient, WriteResult, client_from_settings
from vim_pipelines.writeback.actions import Intended
from vim_pipelines.writeback.fields import mirror
from vim_pipelines.writeback.targets.base import CrmRecord, CrmTarget, Found, MirrorResult, Planned, effect_of, marker_of

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings
    from vim_pipelines.vendors.http import TransportOptions

MIRROR = {item.name: item.hubspot_name for item in mirror()}
#: The body of each kind of activity, and HubSpot's association type of it with a company.
BODIES = {"notes": "hs_note_body", "tasks": "hs_task_body"}
WITH_COMPANY = {"notes": 190, "tasks": 192}
BODY_LIMIT = 65_536
PRIORITIES = {"High": "HIGH", "Normal": "MEDIUM", "Low": "LOW"}
STATUSES = {"Not Started": "NOT_STARTED", "In Progress": "IN_PROGRESS", "Completed": "COMPLETED", "Waiting on someone else": "WAITING", "Deferred": "DEFERRED"}
STATUS = "hs_task_status"
OWNER, OWNER_ID = "owner.email", "hubspot_owner_id"
RECORD_ID = "hs_object_id"
READ_TOGETHER = 100


class HubSpotTarget(CrmTarget):
    """One account, through its client. `key_field` is the company property that holds the account key; None: HubSpot's own id."""

    name: ClassVar[str] = "hubspot"
    mirror_object: ClassVar[str] = "companies"
    mirror_batch: ClassVar[int] = 100

    def __init__(self, client: HubSpotClient, key_field: str | None = None) -> None:
        self.client = client
        self._key = None if key_field == RECORD_ID else key_field
        self._company_field = f"company.{key_field or RECORD_ID}"
        self._companies: dict[str, str] = {}
        self._owners: dict[str, str] | None = None

    @property
    def address(self) -> str:
        """The API's address."""
        return str(self.client.http.base_url)

    def close(self) -> None:
        """Close the client."""
        self.client.close()

    # ---- words

    def planned(self, write: Intended) -> Planned:
        """A note, a task, or properties of a company. `company.PROPERTY` names the company it hangs on, `owner.email` who gets the task."""
        if write.action == "crm_fields":
            expected = None if write.expected is None else self.mirror_fields(write.expected)
            return Planned(write.action, "companies", write.external_id, self.mirror_fields(write.proposed), expected, write.idempotency_key)
        fields = dict(write.proposed)
        if write.action == "crm_note":
            object_name, proposed = "notes", self._note(write.external_id, fields)
        else:
            object_name, proposed = "tasks", self._task(fields)
        if fields:
            raise VimError("VIM-E112", f"HubSpot has no place for {', '.join(sorted(fields))}", fix="Correct the playbook, or do it by hand")
        length = len(proposed[BODIES[object_name]])
        if length > BODY_LIMIT:
            raise VimError(
                "VIM-E112",
                f"The approved text takes {length:,} characters; a body in HubSpot takes {BODY_LIMIT:,}",
                why="An approved text is never cut",
                fix="Ask for a shorter text, or put it into HubSpot by hand",
            )
        return Planned(write.action, object_name, write.external_id, proposed, None, write.idempotency_key)

    def _note(self, key: str, fields: dict[str, Any]) -> dict[str, Any]:
        account, moment = fields.pop("Account__c"), fields.pop("Approved_At__c")
        lines = [
            fields.pop("Title__c", ""),
            "",
            fields.pop("Body__c", ""),
            "",
            f"{fields.pop('Status__c', '')} by {fields.pop('Approved_By__c', '')} at {moment}",
            f"{fields.pop('Document__c', '')} version {fields.pop('Version__c', '')} as of {fields.pop('As_Of_Date__c', '')}",
            f"text {fields.pop('Sha256__c', '')}, policy {fields.pop('Policy_Version__c', '')}, request {fields.pop('Request_Id__c', '')}",
            f"Value-in-Motion {key}",
        ]
        return {"hs_timestamp": moment, "hs_note_body": html_of("\n".join(lines)), self._company_field: account}

    def _task(self, fields: dict[str, Any]) -> dict[str, Any]:
        proposed = {
            "hs_task_subject": fields.pop("Subject"),
            "hs_task_body": html_of(fields.pop("Description")),
            # Due at noon UTC: midnight would be the day before in America.
            "hs_timestamp": f"{fields.pop('ActivityDate')}T12:00:00Z",
            "hs_task_priority": PRIORITIES.get(fields.pop("Priority", "Normal"), "MEDIUM"),
            STATUS: STATUSES.get(fields.pop("Status", "Not Started"), "NOT_STARTED"),
            "hs_task_type": "TODO",
            self._company_field: fields.pop("WhatId"),
        }
        if "OwnerId" in fields:
            proposed[OWNER_ID] = fields.pop("OwnerId")
        elif "Owner_Email__c" in fields:
            proposed[OWNER] = fields["Owner_Email__c"]
        fields.pop("Owner_Email__c", None)
        return proposed

    def mirror_fields(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """`VIM_Phase__c` is `vim_phase`, and so on; VIM-E046 for a field that HubSpot has no property of ours for."""
        lacking = sorted(set(fields) - set(MIRROR))
        if lacking:
            raise VimError("VIM-E046", f"HubSpot has no property of ours for {', '.join(lacking)}", fix=f"mirror.fields may name {', '.join(MIRROR)}")
        return {MIRROR[name]: value for name, value in fields.items()}

    # ---- one record

    def read(self, record: CrmRecord) -> Found | None:
        """By the id that the outbox remembers, else among the company's activities by the line that only ours has; a company by its key."""
        if record.object_name == "companies":
            found = self.client.get("companies", record.external_id, list(record.proposed), id_property=self._key)
            return None if found is None else Found(str(found["id"]), {name: found["properties"].get(name) for name in record.proposed})
        if record.record_id:
            seen = self.client.get(record.object_name, record.record_id, self._asked(record))
            return None if seen is None else Found(record.record_id, self._shown(record, seen))
        company = self._company(record)
        if company is None:
            return None
        marked = self._marked(record, company)
        if len(marked) > 1:
            ids = ", ".join(str(item["id"]) for item in marked)
            raise VimError("VIM-E051", f"{len(marked)} {record.object_name} of HubSpot carry {record.external_id}: {ids}", fix="Delete the copies in the CRM")
        return Found(str(marked[0]["id"]), self._shown(record, marked[0])) if marked else None

    def write(self, record: CrmRecord, found: Found | None) -> str:
        """Set properties of what was found; create an activity with its association otherwise. A company is never created."""
        if found is not None:
            if record.action != "crm_task":
                self.client.update(record.object_name, found.record_id, self._properties(record, record.proposed))
            return found.record_id
        company = None if record.object_name == "companies" else self._company(record)
        if company is None:
            raise VendorError(
                "VIM-E013",
                f"There is no company {self._account(record)} in HubSpot",
                why=f"No company that is not archived has it in {self._key or RECORD_ID}",
                fix="See whether it was archived or merged",
                status=404,
                vendor_code="COMPANY_NOT_FOUND",
            )
        properties = self._properties(record, record.proposed)
        (result,) = self.client.create_many(record.object_name, [(properties, [(company, WITH_COMPANY[record.object_name])])])
        return _id_of(result, record.object_name)

    def linked(self, record: CrmRecord) -> str | None:
        """The task's id if HubSpot shows it at the company."""
        company = self._company(record)
        if company is None:
            return None
        if record.record_id:
            return record.record_id if self._is_at(record.record_id, company) else None
        marked = self._marked(record, company)
        return str(marked[0]["id"]) if marked else None

    def link(self, record: CrmRecord, record_id: str) -> None:
        """See to it that the task is at its company: there it is looked for."""
        company = self._company(record)
        if company is not None and not self._is_at(record_id, company):
            self.client.associate("tasks", record_id, "companies", company)

    def put_back(self, record: CrmRecord, record_id: str, before: Mapping[str, Any]) -> None:
        """By id; what HubSpot derives (company, owner's address) is not a property."""
        self.client.update(record.object_name, record_id, self._properties(record, {name: before.get(name) for name in record.proposed}))

    def delete(self, record: CrmRecord, record_id: str) -> None:
        """Into the recycling bin, from which a person can restore it for 90 days."""
        self.client.archive(record.object_name, record_id)

    # ---- many accounts

    def read_many(self, account_keys: Sequence[str], fields: Sequence[str]) -> dict[str, dict[str, Any]]:
        """One batch read of companies by their key."""
        if not account_keys:
            return {}
        rows = self.client.get_many("companies", list(account_keys), [*([self._key] if self._key else []), *fields], id_property=self._key)
        found = {str(row["properties"].get(self._key) if self._key else row["id"]): row["properties"] for row in rows}
        return {key: {name: found[key].get(name) for name in fields} for key in account_keys if key in found}

    def update_many(self, rows: Mapping[str, Mapping[str, Any]]) -> dict[str, MirrorResult]:
        """One batch update; HTTP 207 says of each company apart what became of it."""
        try:
            results = self.client.update_many("companies", [{"id": key, **fields} for key, fields in rows.items()], id_property=self._key)
        except VendorError as error:
            if effect_of(error) != "unknown":
                raise
            return {key: MirrorResult("unknown", "no answer") for key in rows}
        found = {}
        for key, result in zip(rows, results, strict=True):
            said = _said(result)
            found[key] = MirrorResult("done") if result.success else MirrorResult("unknown" if result.outcome == "unknown" else "refused", said)
        return found

    # ---- inside

    def _account(self, record: CrmRecord) -> str:
        return str(record.proposed.get(self._company_field) or record.external_id)

    def _company(self, record: CrmRecord) -> str | None:
        """HubSpot's id of the company that an activity hangs on; None if there is none. Asked once, for ids do not change."""
        key = self._account(record)
        if key not in self._companies:
            found = self.client.get("companies", key, [], id_property=self._key)
            if found is None:
                return None
            self._companies[key] = str(found["id"])
        return self._companies[key]

    def _is_at(self, task_id: str, company: str) -> bool:
        return company in {item.id for item in self.client.associated("tasks", "companies", [task_id]).get(task_id, [])}

    def _marked(self, record: CrmRecord, company: str) -> list[dict[str, Any]]:
        """The company's activities whose body has our line, newest ids first (ours is among the newest)."""
        body, marker = BODIES[record.object_name], marker_of(text_of(record.proposed[BODIES[record.object_name]]))
        ids = [item.id for item in self.client.associated("companies", record.object_name, [company]).get(company, [])][::-1]
        marked: list[dict[str, Any]] = []
        for start in range(0, len(ids), READ_TOGETHER):
            for row in self.client.get_many(record.object_name, ids[start : start + READ_TOGETHER], self._asked(record)):
                if marker in [line.strip() for line in text_of(row["properties"].get(body) or "").splitlines()]:
                    marked.append(row)
        return marked

    def _asked(self, record: CrmRecord) -> list[str]:
        names = {OWNER_ID if name == OWNER else name for name in record.proposed if name != self._company_field}
        return sorted(names | ({STATUS} if record.object_name == "tasks" else set()))

    def _shown(self, record: CrmRecord, row: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of `proposed` as they stand; a body that says the same in other HTML is given as proposed."""
        shown: dict[str, Any] = {}
        body = BODIES[record.object_name]
        for name in record.proposed:
            value = row["properties"].get(OWNER_ID if name == OWNER else name)
            if name == body and text_of(value or "") == text_of(record.proposed[name]):
                value = record.proposed[name]
            elif name == OWNER:
                value = next((email for email, owner in self._owner_ids().items() if owner == value), value)
            elif name == self._company_field:
                company = self._company(record)
                at = {item.id for item in self.client.associated(record.object_name, "companies", [str(row["id"])]).get(str(row["id"]), [])}
                value = record.proposed[name] if company in at else None
            shown[name] = value
        if record.object_name == "tasks":
            shown[STATUS] = row["properties"].get(STATUS)
        return shown

    def _properties(self, record: CrmRecord, fields: Mapping[str, Any]) -> dict[str, Any]:
        properties = {name: value for name, value in fields.items() if name not in (self._company_field, OWNER)}
        if fields.get(OWNER):
            owner = self._owner_ids().get(str(fields[OWNER]).lower())
            if owner is not None:  # somebody who is no user of HubSpot gets no task there: it stays without an owner, and shows so
                properties[OWNER_ID] = owner
        return properties

    def _owner_ids(self) -> dict[str, str]:
        if self._owners is None:
            self._owners = {str(owner.get("email") or "").lower(): str(owner["id"]) for owner in self.client.owners()}
        return self._owners


def make(settings: Settings, key_field: str | None, options: TransportOptions | None = None) -> HubSpotTarget:
    """The target of the account that the settings name."""
    return HubSpotTarget(client_from_settings(settings, options=options), key_field)


def _id_of(result: WriteResult, object_name: str) -> str:
    if result.success and result.id:
        return result.id
    if result.outcome == "unknown":
        raise VendorError(
            "VIM-E015", f"Whether HubSpot made one of the {object_name} is unknown", why="Its answer does not name it", fix="Read it back before trying again"
        )
    first = next(iter(result.errors), None)
    raise VendorError(
        "VIM-E013",
        f"HubSpot refused to make one of the {object_name}",
        why=_said(result),
        fix="Correct the cause in HubSpot; it was not repeated",
        status=400,
        vendor_code=first.category if first else "",
        vendor_message=first.message if first else "",
    )


def _said(result: WriteResult) -> str:
    return "; ".join(_lines(result)) or ("no answer for this one" if result.outcome == "unknown" else "")


def _lines(result: WriteResult) -> Iterator[str]:
    for error in result.errors:
        yield f"{error.category}: {error.message}" + (f" {error.context}" if error.context not in ("", "{}") else "")
