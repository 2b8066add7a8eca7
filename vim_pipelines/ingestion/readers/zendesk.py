"""Zendesk's tickets and ticket metric events by its incremental exports."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from vim_pipelines.core.errors import VimError
from vim_pipelines.ingestion.coerce import CLOCK_TOLERANCE, to_timestamp
from vim_pipelines.ingestion.readers import ClientReader, Reading, Record
from vim_pipelines.portfolio.model import EntityMap

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings
    from vim_pipelines.vendors.zendesk import ZendeskClient

OVERLAP = timedelta(minutes=10)
#: Zendesk wants a start: it did not exist before this day.
BEGINNING = datetime(2007, 1, 1)
OBJECTS = ("tickets", "ticket_metric_events")
#: `deleted` is set on a breach that was taken back, as when a target was changed afterwards: such a breach is to be ignored.
METRIC_EVENT_FIELDS = {
    "id": "integer",
    "ticket_id": "integer",
    "metric": "string",
    "type": "string",
    "time": "date",
    "instance_id": "integer",
    "deleted": "boolean",
}
#: Of `flatten_ticket`; the API has no description of its objects, so these are the documented ones.
TICKET_FIELDS = {
    "id": "string", "external_id": "string", "organization_id": "integer", "organization_external_id": "string", "subject": "string", "priority": "string",
    "priority_level": "string", "status": "string", "requester_id": "integer", "requester_external_id": "string", "created_at": "date", "updated_at": "date",
    "solved_at": "date", "reopens": "integer", "is_escalated": "boolean", "tags": "array",
}  # fmt: skip


class ZendeskReader(ClientReader):
    """One Zendesk account."""

    def __init__(self, client: ZendeskClient, captured_at: datetime) -> None:
        super().__init__(client, captured_at)
        self.client = client

    def objects(self) -> tuple[str, ...] | None:
        """The exports that are read here."""
        return OBJECTS

    def fields(self, mapping: EntityMap) -> dict[str, str]:
        """The documented fields."""
        if mapping.object not in OBJECTS:
            raise VimError("VIM-E004", f"Zendesk has no object '{mapping.object}' here", fix=f"It is one of {', '.join(OBJECTS)}")
        return TICKET_FIELDS if mapping.object == "tickets" else METRIC_EVENT_FIELDS

    def defaults(self, mapping: EntityMap) -> dict[str, str | None]:
        """A deleted ticket has the status 'deleted'."""
        return {"known_at": "updated_at", "deleted": "status"} if mapping.object == "tickets" else {"known_at": "time", "deleted": None}

    def read(self, entity: str, mapping: EntityMap, cursor: str | None) -> Reading:
        """Tickets by Zendesk's own cursor, which repeats nothing; events by time, with an overlap. Never complete: old closed tickets are archived."""
        last = [cursor]
        records = self._tickets(last) if mapping.object == "tickets" else self._metric_events(last)
        return Reading(records, lambda: last[0])

    def sample(self, mapping: EntityMap, rows: int) -> list[Record]:
        """Of the last thirty days."""
        start = self.captured_at - timedelta(days=30)
        if mapping.object == "tickets":
            return list(islice(self._tickets([None], start), rows))
        return list(islice(self._metric_events([start.isoformat()]), rows))

    def _tickets(self, last: list[str | None], start: datetime = BEGINNING) -> Iterator[Record]:
        from vim_pipelines.vendors.zendesk import flatten_ticket

        organizations = {item["id"]: item["external_id"] for item in self.client.organizations() if item.get("external_id")}
        users, latest, is_ahead = dict[int, str](), self.captured_at + CLOCK_TOLERANCE, False
        position: dict[str, Any] = {"cursor": last[0]} if last[0] else {"start_time": start}
        for page in self.client.incremental_tickets(**position):
            users |= {item["id"]: item["external_id"] for item in page.users if item.get("external_id")}
            for ticket in page.tickets:
                yield flatten_ticket(ticket, organizations, users)
            # A ticket from a clock that is ahead of ours is set aside tonight and has to come again: the cursor waits before its page.
            is_ahead = is_ahead or any(_is_after(ticket.get("updated_at"), latest) for ticket in page.tickets)
            if not is_ahead:
                last[0] = page.after_cursor or last[0]

    def _metric_events(self, last: list[str | None]) -> Iterator[Record]:
        start = datetime.fromisoformat(last[0]) - OVERLAP if last[0] else BEGINNING
        for page in self.client.incremental_ticket_metric_events(start):
            for event in page.events:
                yield {name: event.get(name) for name in METRIC_EVENT_FIELDS}
            if page.end_time:
                ended = datetime(1970, 1, 1) + timedelta(seconds=page.end_time)
                last[0] = min(ended, self.captured_at).isoformat()


def reader_from_settings(settings: Settings, captured_at: datetime) -> ZendeskReader:
    """The reader of the account that the settings name."""
    from vim_pipelines.vendors.zendesk import client_from_settings

    return ZendeskReader(client_from_settings(settings), captured_at)


def _is_after(text: Any, latest: datetime) -> bool:
    try:
        moment = to_timestamp(text) if text else None
    except (ValueError, TypeError):  # coercion says so
        return False
    return moment is not None and moment > latest
