"""Zendesk's incremental exports: tickets with their metrics, organisations, and the events behind a ticket's history.

The cursor export is used for tickets because the time-based one repeats rows. OAuth client credentials only: Zendesk issues no
more API tokens, and those in use end on 30 April 2027. What is followed (developer.zendesk.com): 'Incremental Exports' (after_cursor,
end_of_stream, 10 requests a minute, last minute left out, deleted tickets with status 'deleted'), side-load `metric_sets` (a ticket's
`metric_set.solved_at` and `.reopens`: the ticket itself has neither) and `users`; 'Ticket Metric Events' (type `fulfill` of
`resolution_time` or `requester_wait_time` is the moment of solving); 'Pagination' (`page[size]`, `meta.has_more`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from vim_pipelines.settings import Settings
from vim_pipelines.vendors.client import AccessToken, TokenKeeper, VendorClient, json_or_none, transport_from_settings
from vim_pipelines.vendors.http import Safety, TransportOptions, VendorError, VendorHttp

Record = dict[str, Any]

PRIORITY_LEVELS = {"urgent": "P1", "high": "P2", "normal": "P3", "low": "P4"}
ESCALATED_TAG = "escalated"
#: Tickets and organisations per page: the most that Zendesk gives.
TICKETS_PER_PAGE = 1000
ORGANIZATIONS_PER_PAGE = 100


@dataclass(frozen=True)
class TicketPage:
    """One page of the cursor export. Store `after_cursor` once the page is safe; None only if nothing was ever exported."""

    tickets: list[Record]
    users: list[Record] = field(default_factory=list)
    after_cursor: str | None = None
    end_of_stream: bool = False


@dataclass(frozen=True)
class MetricEventPage:
    """One page of metric events. The next export starts at `end_time` (epoch seconds); events of that second come again."""

    events: list[Record]
    end_time: int
    end_of_stream: bool


class ZendeskClient(VendorClient):
    """One Zendesk account, by an OAuth client's client-credentials grant with scope `read`.

    The export limit of 10 requests a minute is honoured by waiting as long as a 429's Retry-After says.
    """

    def __init__(
        self, base_url: str, client_id: str, client_secret: str, *, allowed_hosts: Sequence[str] = (), options: TransportOptions | None = None
    ) -> None:
        options = options or TransportOptions()
        super().__init__(VendorHttp("Zendesk", base_url, setting="ZENDESK_BASE_URL", allowed_hosts=allowed_hosts, per_second=40, burst=40, options=options))
        self.http.hide(client_secret)
        self._client_id, self._client_secret = client_id, client_secret
        self._tokens = TokenKeeper(self._fetch_token, options.now)

    def incremental_tickets(
        self,
        *,
        cursor: str | None = None,
        start_time: datetime | None = None,
        per_page: int = TICKETS_PER_PAGE,
        include: Sequence[str] = ("metric_sets", "users"),
    ) -> Iterator[TicketPage]:
        """Pages of tickets changed since a stored `cursor`, or since `start_time` (naive UTC) on the first run; deleted tickets included."""
        if (cursor is None) == (start_time is None):
            raise ValueError("give either a cursor or a start_time")
        params: dict[str, Any] = {"per_page": per_page}
        if include:
            params["include"] = ",".join(include)
        passed = {cursor}
        while True:
            where: dict[str, Any] = {"cursor": cursor} if cursor is not None else {"start_time": _epoch(start_time)}
            body = self._get("/api/v2/incremental/tickets/cursor.json", {**where, **params}, "tickets", "end_of_stream")
            following = body.get("after_cursor") or cursor
            is_end = bool(body["end_of_stream"])
            yield TicketPage(body["tickets"], body.get("users") or [], following, is_end)
            if is_end:
                return
            if following is None or following in passed:
                raise VendorError("VIM-E013", "Zendesk's ticket export neither ended nor moved on", why="end_of_stream is false without a new after_cursor")
            passed.add(following)
            cursor = following

    def incremental_ticket_metric_events(self, start_time: datetime) -> Iterator[MetricEventPage]:
        """Pages of ticket metric events that occurred at or after `start_time` (naive UTC), oldest first, each event once.

        The export is time-based: each page begins with the last second of the page before, so ids already seen are left out here.
        """
        start, seen = _epoch(start_time), set[int]()
        while True:
            body = self._get("/api/v2/incremental/ticket_metric_events.json", {"start_time": start}, "ticket_metric_events")
            events = [event for event in body["ticket_metric_events"] if event["id"] not in seen]
            seen = {event["id"] for event in body["ticket_metric_events"]}
            end = int(body.get("end_time") or start)
            # Older answers have no end_of_stream; there the documented sign is no next page or nothing in this one.
            is_end = bool(body.get("end_of_stream", not body.get("next_page") or not body["ticket_metric_events"]))
            yield MetricEventPage(events, end, is_end)
            if is_end:
                return
            start = end if end > start else start + 1

    def organizations(self) -> Iterator[Record]:
        """All organisations. `external_id` carries the CRM's account key where the two systems are linked."""
        params: dict[str, Any] = {"page[size]": ORGANIZATIONS_PER_PAGE}
        passed = set[str]()
        while True:
            body = self._get("/api/v2/organizations.json", params, "organizations", "meta")
            yield from body["organizations"]
            if not body["meta"]["has_more"]:
                return
            following = body["meta"]["after_cursor"]
            if following in passed:
                raise VendorError("VIM-E013", "Zendesk's organisations lead in a circle", why="has_more is true with a cursor that was there before")
            passed.add(following)
            params = {"page[size]": ORGANIZATIONS_PER_PAGE, "page[after]": following}

    def _get(self, path: str, params: Mapping[str, Any], *names: str) -> Record:
        for is_second in (False, True):
            token = self._tokens.get()
            response = self.http.send("GET", path, params=params, headers={"Authorization": f"Bearer {token.value}"})
            if response.status_code != 401 or is_second:
                break
            self._tokens.forget(token)
        if response.is_success:
            return self.http.object_of(response, *names)
        raise self._refusal(response)

    def _fetch_token(self) -> AccessToken:
        request = {"grant_type": "client_credentials", "client_id": self._client_id, "client_secret": self._client_secret, "scope": "read"}
        response = self.http.send("POST", "/oauth/tokens", safety=Safety.READ, json=request)
        code, message = _error_of(response)
        body = json_or_none(response)
        if not response.is_success or not isinstance(body, dict) or "access_token" not in body:
            raise VendorError(
                "VIM-E011",
                "Zendesk refused the client credentials",
                why=self.http.scrub(f"{code}: {message}" if code else f"HTTP {response.status_code}"),
                fix="Check ZENDESK_CLIENT_ID and ZENDESK_CLIENT_SECRET, and that the OAuth client allows the scope read",
                status=response.status_code,
                vendor_code=code,
            )
        self.http.hide(str(body["access_token"]))
        lifetime = body.get("expires_in")
        return AccessToken(str(body["access_token"]), float(lifetime) if lifetime else None)

    def _refusal(self, response: httpx.Response) -> VendorError:
        code, message = _error_of(response)
        message = self.http.scrub(message)
        facts: dict[str, Any] = {"status": response.status_code, "vendor_code": code, "vendor_message": message}
        if response.status_code == 401:
            return VendorError(
                "VIM-E011", "Zendesk refused our access token", why=f"{code}: {message}", fix="Check the OAuth client in the Admin Center", **facts
            )
        return VendorError(
            "VIM-E013",
            f"Zendesk refused {response.request.method} {response.request.url.path} with HTTP {response.status_code} {code}",
            why=message,
            fix="Correct the request's cause; it was not repeated",
            **facts,
        )


def client_from_settings(settings: Settings, *, options: TransportOptions | None = None) -> ZendeskClient:
    """The client of the Zendesk account that the settings name; VIM-E001 if one of its settings is missing."""
    settings.require("zendesk_base_url", "zendesk_client_id", "zendesk_client_secret")
    assert settings.zendesk_base_url and settings.zendesk_client_id and settings.zendesk_client_secret
    return ZendeskClient(
        settings.zendesk_base_url,
        settings.zendesk_client_id,
        settings.zendesk_client_secret.get_secret_value(),
        allowed_hosts=settings.allowed_hosts.split(","),
        options=transport_from_settings(settings, options),
    )


def flatten_ticket(ticket: Mapping[str, Any], organization_keys: Mapping[int, str], user_keys: Mapping[int, str]) -> Record:
    """One ticket of the export as a flat record for field mapping.

    `organization_keys` and `user_keys` map Zendesk's ids to the external ids (account key, user key). The ticket's own key is its
    Zendesk id as text, because metric events know tickets by that id only; `external_id` is kept beside it. Priority is given as
    Zendesk's word and as `priority_level` P1 to P4 (None where nobody set one). Times stay ISO text.
    """
    metrics = ticket.get("metric_set") or {}
    tags = ticket.get("tags") or []
    return {
        "id": str(ticket["id"]),
        "external_id": ticket.get("external_id"),
        "organization_id": ticket.get("organization_id"),
        "organization_external_id": organization_keys.get(ticket.get("organization_id") or -1),
        "subject": ticket.get("subject"),
        "priority": ticket.get("priority"),
        "priority_level": PRIORITY_LEVELS.get(ticket.get("priority") or ""),
        "status": ticket.get("status"),
        "requester_id": ticket.get("requester_id"),
        "requester_external_id": user_keys.get(ticket.get("requester_id") or -1),
        "created_at": ticket.get("created_at"),
        "updated_at": ticket.get("updated_at"),
        "solved_at": metrics.get("solved_at"),
        "reopens": metrics.get("reopens"),
        "is_escalated": ESCALATED_TAG in tags,
        "tags": list(tags),
    }


def _epoch(moment: datetime | None) -> int:
    assert moment is not None
    return int(moment.replace(tzinfo=UTC).timestamp())


def _error_of(response: httpx.Response) -> tuple[str, str]:
    """Zendesk's error code and message; `error` is a word in most answers and an object with title and message in some."""
    body = json_or_none(response)
    if not isinstance(body, dict):
        return "", response.text
    error = body.get("error", "")
    if isinstance(error, dict):
        return str(error.get("title", "")), str(error.get("message", ""))
    return str(error), str(body.get("error_description") or body.get("description") or body.get("message") or "")
