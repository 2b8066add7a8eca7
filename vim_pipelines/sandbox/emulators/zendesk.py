"""A loopback emulator of Zendesk's exports over the sandbox's tickets.

Follows developer.zendesk.com: 'Incremental Exports' and 'Using the Incremental Export API' (cursor pages of up to 1,000, `after_cursor`,
`after_url`, `end_of_stream`; the newest minute left out; compared by `generated_timestamp`; deleted tickets with status 'deleted';
time-based pages with `end_time`, `next_page`, `count`), 'Ticket Metrics' (`reopens`, `solved_at`) as the side-load `metric_sets`, 'Ticket
Metric Events', 'Pagination' for organisations, 'OAuth Tokens for Grant Types' for the token, 'Rate limits' for the 429.

The limit of 10 exports a minute is off unless asked for (`requests_per_minute`, or POST `/_sandbox/limits`): with it, the first
night of the sandbox would wait for minutes. It counts real time, not the sandbox's.
"""

from __future__ import annotations

import base64
import json
import math
import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vim_pipelines.sandbox.emulators.faults import Sandboxed
from vim_pipelines.sandbox.emulators.state import STAMP, SandboxClock, State, Table, stamp_text, stamp_time

TABLES = (
    Table("organizations", "id", ("external_id", "name", "domain", "created_at")),
    Table("users", "id", ("external_id",)),
    Table("tickets", "id", ("external_id", "subject", "priority", "status", "organization_id", "requester_id", "created_at", "solved_at", "reopens", "tags")),
    Table("metric_events", "id", ("ticket_id", "metric", "instance_id", "type", "time"), ordered_by=("time",)),
)
MOST_TICKETS, MOST_EVENTS, MOST_ORGANIZATIONS = 1000, 1000, 100
#: Items of the newest minute are not exported (documented, for the accuracy of the data).
HELD_BACK = timedelta(minutes=1)
WINDOW_SECONDS = 60.0
TOKEN_SECONDS = 1800
#: Published: they open nothing but this machine's sandbox.
CLIENT_ID, CLIENT_SECRET = "sandbox-zendesk-client", "sandbox-zendesk-secret"


class Refused(Exception):
    """An error answer: HTTP status and JSON body."""

    def __init__(self, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(str(body))
        self.status, self.body, self.headers = status, body, headers or {}


class ZendeskEmulator:
    """One Zendesk account: its state, its tokens and its export limit. `app` is the ASGI application."""

    def __init__(
        self,
        database: Path,
        clock: SandboxClock,
        *,
        client_id: str = CLIENT_ID,
        client_secret: str = CLIENT_SECRET,
        requests_per_minute: int | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.state = State(database, TABLES)
        self._clock, self._monotonic = clock, monotonic
        self._client_id, self._client_secret = client_id, client_secret
        self._tokens: set[str] = set()
        self._per_minute = requests_per_minute
        self._exports: deque[float] = deque()
        self.app = Sandboxed(self._routes(), _fault_body, self._control)

    def credentials(self, url: str) -> dict[str, str]:
        """How a client logs in here, by the fields of `Settings`."""
        return {"zendesk_base_url": url, "zendesk_client_id": self._client_id, "zendesk_client_secret": self._client_secret}

    def close(self) -> None:
        """Close the database."""
        self.state.close()

    def _routes(self) -> Starlette:
        export = "/api/v2/incremental"
        routes = [Route("/oauth/tokens", self._guarded(self._token, needs_token=False), methods=["POST"])]
        for ending in ("", ".json"):
            routes += [
                Route(f"{export}/tickets/cursor{ending}", self._guarded(self._tickets, is_export=True)),
                Route(f"{export}/ticket_metric_events{ending}", self._guarded(self._metric_events, is_export=True)),
                Route(f"/api/v2/organizations{ending}", self._guarded(self._organizations)),
            ]
        app = Starlette(routes=routes)
        app.add_exception_handler(404, _not_found)
        app.router.redirect_slashes = False
        return app

    def _guarded(self, handler: Any, *, needs_token: bool = True, is_export: bool = False) -> Any:
        async def endpoint(request: Request) -> Response:
            try:
                if needs_token:
                    self._admit(request)
                if is_export:
                    self._count_export()
                self.state.advance(self._clock.now() - HELD_BACK)
                response: Response = await handler(request)
                return response
            except Refused as refusal:
                return _answer(refusal.body, refusal.status, refusal.headers)

        return endpoint

    def _admit(self, request: Request) -> None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or token not in self._tokens:
            description = "The access token provided is expired, revoked, malformed or invalid for other reasons."
            raise Refused(401, {"error": "invalid_token", "error_description": description})

    def _count_export(self) -> None:
        if self._per_minute is None:
            return
        now = self._monotonic()
        while self._exports and self._exports[0] <= now - WINDOW_SECONDS:
            self._exports.popleft()
        if len(self._exports) >= self._per_minute:
            wait = str(math.ceil(self._exports[0] + WINDOW_SECONDS - now))
            description = "Number of allowed incremental ticket export API requests per minute exceeded"
            raise Refused(429, {"error": "APIRateLimitExceeded", "description": description}, {"Retry-After": wait})
        self._exports.append(now)

    # ---- answers

    async def _token(self, request: Request) -> Response:
        body = _json_object(await request.body())
        if body.get("grant_type") != "client_credentials":
            raise Refused(
                400, {"error": "unsupported_grant_type", "error_description": "The authorization grant type is not supported by the authorization server."}
            )
        known = body.get("client_id") == self._client_id and secrets.compare_digest(str(body.get("client_secret", "")).encode(), self._client_secret.encode())
        if not known:
            description = "Client authentication failed due to unknown client, no client authentication included, or unsupported authentication method."
            raise Refused(401, {"error": "invalid_client", "error_description": description})
        token = secrets.token_urlsafe(32)
        self._tokens.add(token)
        return _answer({"access_token": token, "token_type": "bearer", "scope": body.get("scope", "read"), "expires_in": TOKEN_SECONDS})

    async def _tickets(self, request: Request) -> Response:
        query = request.query_params
        since_stamp, since_id = self._position(query.get("cursor"), query.get("start_time"))
        size = min(MOST_TICKETS, max(1, _integer(query.get("per_page", str(MOST_TICKETS)), "per_page")))
        rows = self.state.current(
            "tickets",
            # SQLite walks the index (stamp, id) in order only if the row comparison is written as one.
            f'("{STAMP}", "id") > (?, ?) order by "{STAMP}", "id" limit ?',
            (since_stamp, since_id, size + 1),
        )
        is_end, rows = len(rows) <= size, rows[:size]
        after = _cursor(rows[-1]) if rows else query.get("cursor")
        include = query.get("include", "").split(",")
        base = str(request.base_url).rstrip("/")
        body: dict[str, Any] = {"tickets": [_ticket(row, base, "metric_sets" in include) for row in rows]}
        if "users" in include:
            body["users"] = self._users({row["requester_id"] for row in rows})
        carried = "".join(f"&{name}={query[name]}" for name in ("per_page", "include") if name in query)
        body |= {
            "after_url": f"{base}/api/v2/incremental/tickets/cursor.json?cursor={after}{carried}" if after else None,
            "after_cursor": after,
            "before_url": None,
            "before_cursor": None,
            "end_of_stream": is_end,
        }
        return _answer(body)

    def _position(self, cursor: str | None, start_time: str | None) -> tuple[str, int]:
        if cursor is not None:
            try:
                stamp, _, identity = base64.urlsafe_b64decode(cursor.encode()).decode().partition("|")
                return stamp_text(stamp_time(stamp)), int(identity)
            except ValueError:
                raise Refused(400, {"error": "InvalidValue", "description": "Invalid cursor"}) from None
        return stamp_text(self._start(start_time)), -1

    def _start(self, text: str | None) -> datetime:
        if text is None:
            raise Refused(400, {"error": "InvalidParameters", "description": "start_time is required"})
        moment = datetime.fromtimestamp(_integer(text, "start_time"), UTC).replace(tzinfo=None)
        if moment > self._clock.now() - HELD_BACK:
            raise Refused(422, {"error": "InvalidValue", "description": "Too recent start_time. Use a start_time older than 60 seconds"})
        return moment

    def _users(self, identities: set[int | None]) -> list[dict[str, Any]]:
        wanted = json.dumps([identity for identity in identities if identity is not None])
        rows = self.state.current("users", "id in (select value from json_each(?)) order by id", (wanted,))
        return [{"id": row["id"], "external_id": row["external_id"], "name": row["external_id"], "role": "end-user"} for row in rows]

    async def _metric_events(self, request: Request) -> Response:
        start = self._start(request.query_params.get("start_time"))
        rows = self.state.current("metric_events", '"time" >= ? order by "time", "id" limit ?', (stamp_text(start), MOST_EVENTS + 1))
        is_end = len(rows) <= MOST_EVENTS
        if not is_end:
            # A page ends with its last second, or the next start_time would never get past it.
            second = rows[MOST_EVENTS - 1]["time"][:19]
            rows = self.state.current("metric_events", '"time" >= ? and "time" < ? order by "time", "id"', (stamp_text(start), second + "/"))
            is_end = not self.state.current("metric_events", '"time" >= ? limit 1', (second + "/",))
        end = _epoch(rows[-1]["time"]) if rows else _epoch(stamp_text(start))
        base = str(request.base_url).rstrip("/")
        events = [
            {
                "id": row["id"],
                "ticket_id": row["ticket_id"],
                "metric": row["metric"],
                "instance_id": row["instance_id"],
                "type": row["type"],
                "time": _time(row["time"]),
                "deleted": bool(row["IsDeleted"]),
            }
            for row in rows
        ]
        next_page = f"{base}/api/v2/incremental/ticket_metric_events.json?start_time={end}"
        return _answer({"ticket_metric_events": events, "count": len(events), "end_time": end, "next_page": next_page, "end_of_stream": is_end})

    async def _organizations(self, request: Request) -> Response:
        query = request.query_params
        size = min(MOST_ORGANIZATIONS, max(1, _integer(query.get("page[size]", str(MOST_ORGANIZATIONS)), "page[size]")))
        after = _integer(base64.urlsafe_b64decode(query["page[after]"].encode()).decode(), "page[after]") if "page[after]" in query else -1
        rows = self.state.current("organizations", "id > ? and IsDeleted = 0 order by id limit ?", (after, size + 1))
        has_more, rows = len(rows) > size, rows[:size]
        base = str(request.base_url).rstrip("/")
        cursor = base64.urlsafe_b64encode(str(rows[-1]["id"]).encode()).decode() if rows else None
        organizations = [
            {
                "id": row["id"],
                "url": f"{base}/api/v2/organizations/{row['id']}.json",
                "external_id": row["external_id"],
                "name": row["name"],
                "domain_names": [row["domain"]] if row["domain"] else [],
                "created_at": _time(row["created_at"]),
                "updated_at": _time(row[STAMP]),
                "tags": [],
            }
            for row in rows
        ]
        following = f"{base}/api/v2/organizations.json?page[size]={size}&page[after]={cursor}" if has_more else None
        return _answer(
            {
                "organizations": organizations,
                "meta": {"has_more": has_more, "after_cursor": cursor, "before_cursor": None},
                "links": {"next": following, "prev": None},
            }
        )

    def _control(self, method: str, name: str, body: Any) -> Any:
        """`/_sandbox/`: POST expire_tokens, POST limits {requests_per_minute: n or null}."""
        if (method, name) == ("POST", "expire_tokens"):
            count = len(self._tokens)
            self._tokens.clear()
            return {"expired": count}
        if (method, name) == ("POST", "limits"):
            limit = body["requests_per_minute"]
            self._per_minute = None if limit is None else int(limit)
            self._exports.clear()
            return {"requests_per_minute": self._per_minute}
        raise KeyError(name)


def _ticket(row: Mapping[str, Any], base: str, with_metrics: bool) -> dict[str, Any]:
    updated = row[STAMP]
    ticket: dict[str, Any] = {
        "id": row["id"],
        "url": f"{base}/api/v2/tickets/{row['id']}.json",
        "external_id": row["external_id"],
        "subject": row["subject"],
        "raw_subject": row["subject"],
        "priority": row["priority"],
        "status": "deleted" if row["IsDeleted"] else row["status"],
        "organization_id": row["organization_id"],
        "requester_id": row["requester_id"],
        "tags": row["tags"].split(",") if row["tags"] else [],
        "created_at": _time(row["created_at"]),
        "updated_at": _time(updated),
        "generated_timestamp": _epoch(updated),
    }
    if with_metrics:
        solved = _time(row["solved_at"]) if row["solved_at"] else None
        ticket["metric_set"] = {"ticket_id": row["id"], "reopens": row["reopens"], "solved_at": solved, "created_at": ticket["created_at"]}
    return ticket


def _cursor(row: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(f"{row[STAMP]}|{row['id']}".encode()).decode()


def _time(stamp: str | None) -> str | None:
    return None if stamp is None else stamp[:19] + "Z"


def _epoch(stamp: str) -> int:
    return int(stamp_time(stamp).replace(tzinfo=UTC).timestamp())


def _integer(text: str, name: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise Refused(400, {"error": "InvalidValue", "description": f"{name} must be an integer"}) from None


def _json_object(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Refused(400, {"error": "Unparsable Json", "message": "Server could not parse JSON"})
    return body


def _answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(json.dumps(value), status, {"Content-Type": "application/json; charset=utf-8", **(headers or {})})


async def _not_found(request: Request, error: Exception) -> Response:
    return _answer({"error": {"title": "No help desk at this address", "message": "There is no such endpoint"}}, 404)


def _fault_body(status: int, code: str) -> Any:
    if status == 401:
        return {"error": "invalid_token", "error_description": "The access token provided is expired, revoked, malformed or invalid for other reasons."}
    if status == 429:
        return {"error": code or "APIRateLimitExceeded", "description": "Number of allowed API requests per minute exceeded"}
    return {"error": code or "InternalError", "description": "planned by the sandbox"}
