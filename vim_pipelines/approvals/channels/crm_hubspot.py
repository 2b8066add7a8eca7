"""HubSpot's tasks as a door: what `channels.crm` does in Salesforce, in HubSpot's words.

Who answered is not whoever touched the task last: HubSpot keeps the history of each property, so it is the user who set `vim_decision` itself, in
HubSpot's pages. A value that came over the API, from a workflow or an import names nobody, whatever it says. The task stands with its owner and on
no company: by which property companies are known is the portfolio's, which no channel reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from vim_pipelines.approvals.channels.base import Message, Undeliverable
from vim_pipelines.approvals.channels.crm import TEXT_LENGTH, Answer, CrmChannel, machine_line, task_fields
from vim_pipelines.approvals.channels.mail import one_line
from vim_pipelines.core.markup import html_of, text_of
from vim_pipelines.core.net import is_loopback
from vim_pipelines.vendors.http import VendorError

if TYPE_CHECKING:
    from vim_pipelines.approvals.people import PersonView
    from vim_pipelines.settings import Settings
    from vim_pipelines.vendors.http import TransportOptions
    from vim_pipelines.vendors.hubspot import HubSpotClient

DECISION, NOTE, BODY, SUBJECT = "vim_decision", "vim_decision_note", "hs_task_body", "hs_task_subject"
#: HubSpot's word for a change that a user made in its pages.
BY_HAND = "CRM_UI"


class HubSpotChannel(CrmChannel):
    """Tasks in one HubSpot account, each owned by the approver, whose `crm_user_id` is HubSpot's user id (not the owner id)."""

    def __init__(self, settings: Settings, options: TransportOptions | None = None) -> None:
        super().__init__(settings, options)
        self._hubspot: HubSpotClient | None = None
        self._owners: dict[str, str] | None = None

    @property
    def hubspot(self) -> HubSpotClient:
        """The account's client."""
        if self._hubspot is None:
            from vim_pipelines.vendors.hubspot import BASE_URL, client_from_settings

            host = urlsplit(self._settings.hubspot_base_url or BASE_URL).hostname or ""
            if self._settings.is_sandbox and not is_loopback(host):
                raise Undeliverable("The sandbox writes no task into another machine's CRM", why="Its accounts are invented")
            self._hubspot = client_from_settings(self._settings, options=self._options)
        return self._hubspot

    def send(self, message: Message, person: PersonView) -> dict[str, Any]:
        """Create the task; the reference is its id."""
        if message.kind not in self.kinds or message.request_id is None:
            raise Undeliverable(f"A message of the kind {message.kind} is no task")
        owner = self._owner(person)
        if owner is None:
            raise Undeliverable(f"{person.login} is no user of HubSpot", fix="vimotion inbox people add LOGIN --crm-user USER_ID")
        asked = task_fields(message, owner)
        fields = {SUBJECT: asked["Subject"], BODY: html_of(asked["Description"]), "hubspot_owner_id": owner, "hs_task_type": "TODO"}
        fields |= {"hs_timestamp": f"{asked['ActivityDate']}T12:00:00Z", "hs_task_status": "NOT_STARTED", "hs_task_priority": "MEDIUM"}
        (result,) = self._may_fail(lambda: self.hubspot.create_many("tasks", [(fields, [])]))
        if result.success and result.id:
            return {"task_id": result.id}
        if result.outcome == "unknown":
            raise VendorError("VIM-E015", "Whether HubSpot made the task is unknown", why="Its answer does not name it", fix="It is looked for first")
        raise Undeliverable("HubSpot refused to make the task", why="; ".join(error.message for error in result.errors))

    def find(self, message: Message, person: PersonView) -> dict[str, Any] | None:
        """The task that carries our line, by search: it is indexed moments late, and a lost answer is looked for after two minutes at the earliest."""
        line = f"{machine_line(message)} {message.delivery_id}"
        for task in self.hubspot.find("tasks", "hubspot_owner_id", self._owner(person) or "0", [BODY]):
            if line in text_of(task["properties"].get(BODY) or "").splitlines():
                return {"task_id": str(task["id"])}
        return None

    def settle(self, message: Message, person: PersonView, reference: dict[str, Any]) -> None:
        """Complete the task and say how it ended."""
        body = html_of(f"{one_line(message.outcome or 'It ended', 1000)}\n{message.link}")
        self._may_fail(lambda: self.hubspot.update("tasks", str(reference["task_id"]), {"hs_task_status": "COMPLETED", BODY: body}))

    def answered(self, ids: Sequence[str]) -> Iterator[Answer]:
        """Those of the tasks in which somebody has set the decision. Who: the user that the history of that property names."""
        for task in self.hubspot.get_many("tasks", list(ids), [BODY, DECISION, NOTE], history=[DECISION]):
            values = task["properties"]
            if values.get(DECISION):
                history = (task.get("propertiesWithHistory") or {}).get(DECISION) or []
                yield Answer(str(task["id"]), text_of(values.get(BODY) or ""), str(values[DECISION]), values.get(NOTE), _users(history, values[DECISION]))

    def reply(self, answer: Answer, text: str) -> None:
        """Say it at the head of the task, and take the answer out."""
        body = html_of(f"{one_line(text, 500)}\n\n{answer.text}"[:TEXT_LENGTH])
        self.hubspot.update("tasks", answer.task_id, {DECISION: None, NOTE: None, BODY: body})

    def close(self) -> None:
        """Close the connections."""
        if self._hubspot is not None:
            self._hubspot.close()

    def _owner(self, person: PersonView) -> str | None:
        if self._owners is None:
            self._owners = {str(owner.get("userId") or ""): str(owner["id"]) for owner in self.hubspot.owners()}
        return self._owners.get(person.crm_user_id) if person.is_active and person.crm_user_id else None


def _users(history: Sequence[Mapping[str, Any]], value: str) -> tuple[str, ...]:
    """Who set the value that stands: the newest entry, if it is that value and a user set it in HubSpot's pages."""
    newest = history[0] if history else {}
    user = newest.get("updatedByUserId")
    is_typed = newest.get("sourceType") == BY_HAND and str(newest.get("value")) == str(value)
    return (str(user),) if is_typed and user else ()
