"""The CRM as a door: a task that asks, and fields of that task that answer.

The task holds what a list would show and a link, and never the text: what an approver has not approved does not leave the house. One line of it
is for us: `VIM-DECIDE request:version:sha256`. The answer stands in two fields that people fill (`VIM_Decision__c`, `VIM_Decision_Note__c`), and is
read by `approvals.crm_door` in a job. Off unless VIMOTION_CRM_DECISIONS is on and write-back is live. Salesforce here, HubSpot in
`channels.crm_hubspot`. Planhat is no door: the documents of its tasks name nobody who changed one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from vim_pipelines.approvals.channels.base import Kind, Message, Undeliverable
from vim_pipelines.approvals.channels.mail import one_line
from vim_pipelines.core.net import is_loopback
from vim_pipelines.vendors import soql
from vim_pipelines.vendors.http import VendorError

if TYPE_CHECKING:
    from vim_pipelines.approvals.people import PersonView
    from vim_pipelines.settings import Settings
    from vim_pipelines.vendors.http import TransportOptions
    from vim_pipelines.vendors.salesforce import SalesforceClient

MARK = "VIM-DECIDE"
DECISION, NOTE = "VIM_Decision__c", "VIM_Decision_Note__c"
SUBJECT_LENGTH, TEXT_LENGTH = 255, 32_000
IDS_A_QUERY = 200
MODIFIED_BY = "LastModifiedById"


@dataclass(frozen=True)
class Answer:
    """What stands in a task of ours. `users`: the ids by which the CRM names who answered, any of which may be on the person; none if nobody is named."""

    task_id: str
    text: str
    decision: str
    note: str | None
    users: tuple[str, ...]


class CrmChannel:
    """Tasks in one Salesforce org, each owned by the approver. `client` is made on first use: the sensors build channels and call nobody."""

    name = "crm"
    kinds: frozenset[Kind] = frozenset({"ask"})
    lists, changes = False, True

    def __init__(self, settings: Settings, options: TransportOptions | None = None) -> None:
        self._settings, self._options = settings, options
        self._client: SalesforceClient | None = None

    @property
    def client(self) -> SalesforceClient:
        """The org's client."""
        if self._client is None:
            from vim_pipelines.vendors.salesforce import client_from_settings

            host = urlsplit(self._settings.salesforce_base_url or "").hostname or ""
            if self._settings.is_sandbox and not is_loopback(host):
                raise Undeliverable("The sandbox writes no task into another machine's CRM", why="Its accounts are invented")
            self._client = client_from_settings(self._settings, options=self._options)
        return self._client

    def address(self, person: PersonView) -> str | None:
        """The person's user id in the CRM."""
        return person.crm_user_id

    def send(self, message: Message, person: PersonView) -> dict[str, Any]:
        """Create the task; the reference is its id."""
        if message.kind not in self.kinds or message.request_id is None:
            raise Undeliverable(f"A message of the kind {message.kind} is no task")
        if not person.is_active or not person.crm_user_id:
            raise Undeliverable(f"{person.login} has no user in the CRM", fix="vimotion inbox people add LOGIN --crm-user ID")
        return {"task_id": self._may_fail(lambda: self.client.create("Task", task_fields(message, person.crm_user_id or "")))}

    def find(self, message: Message, person: PersonView) -> dict[str, Any] | None:
        """The task of this person that carries our line: a long text cannot be filtered in SOQL, so they are compared here."""
        where = f"OwnerId = {soql.literal(person.crm_user_id or '')} AND Subject = {soql.literal(_subject(message))}"
        line = f"{machine_line(message)} {message.delivery_id}"
        for task in self.client.query(soql.select("Task", ["Id", "Description"], where, "CreatedDate, Id")):
            if line in (task.get("Description") or "").splitlines():
                return {"task_id": task["Id"]}
        return None

    def settle(self, message: Message, person: PersonView, reference: dict[str, Any]) -> None:
        """Complete the task and say how it ended."""
        outcome = one_line(message.outcome or "It ended", 1000)
        self._may_fail(lambda: self.client.update("Task", str(reference["task_id"]), {"Status": "Completed", "Description": f"{outcome}\n{message.link}"}))

    def answered(self, ids: Sequence[str]) -> Iterator[Answer]:
        """Those of the tasks in which somebody has set the decision. Who: whoever changed the task last."""
        for start in range(0, len(ids), IDS_A_QUERY):
            where = f"Id IN {soql.literal(list(ids[start : start + IDS_A_QUERY]))} AND {DECISION} != null"
            for task in self.client.query(soql.select("Task", ["Id", "Description", DECISION, NOTE, MODIFIED_BY], where)):
                user = str(task.get(MODIFIED_BY) or "")
                # Salesforce's ids have 18 characters, and 15 in its pages: both name the same user.
                users = (user, user[:15]) if len(user) >= 15 else ()
                yield Answer(str(task["Id"]), str(task.get("Description") or ""), str(task.get(DECISION) or ""), task.get(NOTE), users)

    def reply(self, answer: Answer, text: str) -> None:
        """Say it at the head of the task, and take the answer out: it is not to be read again."""
        description = f"{one_line(text, 500)}\n\n{answer.text}"
        self.client.update("Task", answer.task_id, {DECISION: None, NOTE: None, "Description": description[:TEXT_LENGTH]})

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()

    @staticmethod
    def _may_fail(call: Any) -> Any:
        """A refusal of the CRM (an owner who left, a field that is not there) is final; the rest goes up as it came."""
        try:
            return call()
        except VendorError as error:
            if error.code == "VIM-E013" and error.status is not None and error.status < 500 and error.vendor_code != "UNABLE_TO_LOCK_ROW":
                raise Undeliverable(error.what, why=error.why, fix=error.fix, status=error.status, vendor_code=error.vendor_code) from None
            raise


def machine_line(message: Message) -> str:
    """What the answer is for."""
    return f"{MARK} {message.request_id}:{message.version}:{message.payload_sha256}"


def task_fields(message: Message, owner: str) -> dict[str, Any]:
    """The task: what waits, for whom, until when, where to read it, how to answer. No text of a draft. Pure."""
    rows = [f"{one_line(label, 60)}: {one_line(value, 300)}" for label, value in message.summary]
    account = next((value for label, value in message.summary if label == "Account"), "")
    key = account.rpartition("(")[2].rstrip(")")  # composed by `messages`: the name, then the key in brackets
    due = next((value[:10] for label, value in message.summary if label == "Decide by"), None)
    lines = [
        *rows,
        "",
        f"Read it here: {message.link}",
        "To answer, set VIM Decision to approve, request_changes or reject; the last two need a VIM Decision Note.",
        f"{machine_line(message)} {message.delivery_id}",
    ]
    fields = {
        "Subject": _subject(message),
        "Description": "\n".join(lines),
        "WhatId": key,
        "OwnerId": owner,
        "ActivityDate": due,
        "Priority": "Normal",
        "Status": "Open",
    }
    return {name: value for name, value in fields.items() if value}


def _subject(message: Message) -> str:
    return one_line(f"Decide: {message.title}", SUBJECT_LENGTH)


def connect(settings: Settings, options: TransportOptions | None = None) -> CrmChannel | None:
    """The channel, or None where the CRM is no door. Talks to nobody."""
    if not settings.crm_decisions or settings.write_mode != "live":
        return None
    if settings.write_target == "hubspot" and settings.hubspot_service_key:
        from vim_pipelines.approvals.channels.crm_hubspot import HubSpotChannel

        return HubSpotChannel(settings, options)
    is_salesforce = settings.write_target in ("auto", "salesforce") and settings.salesforce_base_url and settings.salesforce_client_id
    return CrmChannel(settings, options) if is_salesforce else None
