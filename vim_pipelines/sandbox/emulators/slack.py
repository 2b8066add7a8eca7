"""A loopback Slack: the Web API methods that we call, Socket Mode, signed HTTP interactions, and people who press buttons.

Written from docs.slack.dev: the reference of each method (arguments, errors, scopes), "Web API" (form or JSON bodies, `ok`, the `x-oauth-scopes`
header), "Rate limits" (429 with Retry-After, about one post a second and channel), "Using Socket Mode" (hello, envelopes, acknowledgements,
disconnect), "Verifying requests from Slack", "Handling user interaction" (three seconds, `trigger_id`, `response_action`).

Two things are stricter than the original, on purpose: an interaction over HTTP that was not acknowledged comes again with `X-Slack-Retry-Num`
(Slack documents that for events), and blocks are refused at a sum below any that was reported (`slack_rules`). State is kept in memory: who
restarts it has an empty workspace. Rate limits are off unless asked for (`posts_per_second`).

Named faults are those of every emulator, over `/_sandbox/faults` by path (`/api/chat.postMessage` with `drop: after` is a post whose answer is
lost); a dropped socket is POST `/_sandbox/drop_socket`. People press over `/_sandbox/press` and `/_sandbox/submit`, or by the methods here.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
import secrets
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

from vim_pipelines.core.net import is_loopback
from vim_pipelines.sandbox.emulators.faults import Sandboxed
from vim_pipelines.sandbox.emulators.slack_rules import message_error, texts, view_errors

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.websockets import WebSocket

#: Published: they open nothing but this machine's sandbox.
BOT_TOKEN, APP_TOKEN, SIGNING_SECRET = "xoxb-sandbox-bot", "xapp-sandbox-app", "sandbox-slack-signing-secret"
SCOPES = (
    "chat:write",
    "im:write",
    "im:history",
    "channels:history",
    "groups:history",
    "channels:read",
    "groups:read",
    "users:read",
    "users:read.email",
    "files:write",
)
TEAM, TEAM_DOMAIN, APP, BOT, BOT_USER = "T0SANDBOX", "sandbox", "A0SANDBOX", "B0SANDBOX", "U0SANDBOX"
TRIGGER_SECONDS = ACK_SECONDS = 3.0
HTTP_RETRIES = 3

#: method: scopes of which one is needed (none: any token).
NEEDED: dict[str, tuple[str, ...]] = {
    "auth.test": (),
    "chat.postMessage": ("chat:write",),
    "chat.update": ("chat:write",),
    "chat.delete": ("chat:write",),
    "chat.postEphemeral": ("chat:write",),
    "conversations.open": ("im:write",),
    "conversations.history": (),  # by the kind of conversation
    "conversations.info": ("channels:read", "groups:read"),
    "conversations.members": ("channels:read", "groups:read"),
    "users.info": ("users:read",),
    "users.lookupByEmail": ("users:read.email",),
    "views.open": (),
    "files.getUploadURLExternal": ("files:write",),
    "files.completeUploadExternal": ("files:write",),
    "apps.connections.open": (),
}


@dataclass(frozen=True)
class Member:
    """Somebody in the workspace."""

    user: str
    name: str
    email: str
    is_active: bool = True
    is_guest: bool = False


@dataclass
class Conversation:
    """A channel, or the direct messages with one person (`id` begins with D)."""

    id: str
    name: str
    members: set[str]
    has_bot: bool = True
    is_archived: bool = False
    is_shared_outside: bool = False
    messages: list[dict[str, Any]] = field(default_factory=list)

    def find(self, ts: str) -> dict[str, Any] | None:
        """The message of that time stamp."""
        return next((message for message in self.messages if message["ts"] == ts), None)


@dataclass
class Delivered:
    """What became of an interaction: acknowledged or not, with the body of the acknowledgement, in so many tries."""

    acknowledged: bool
    body: Any = None
    tries: int = 1


class Refusal(Exception):
    """An answer with `ok: false`."""

    def __init__(self, error: str, **more: Any) -> None:
        super().__init__(error)
        self.body = {"ok": False, "error": error, **more}


class SlackEmulator:
    """One workspace with our app in it. `app` is the ASGI application; `url` is set when it is served (`serve_slack`)."""

    def __init__(
        self,
        *,
        scopes: Sequence[str] = SCOPES,
        members: Sequence[Member] = (),
        channels: Sequence[Conversation] = (),
        posts_per_second: float | None = None,
        interactivity_url: str | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = time.time,
        ack_seconds: float = ACK_SECONDS,
        admits_everyone: bool = False,
    ) -> None:
        self.scopes = list(scopes)
        self.members = {member.user: member for member in members}
        self.conversations = {channel.id: channel for channel in channels}
        #: Whether whoever is written to is a member from then on: a demo's people need no list.
        self.admits_everyone = admits_everyone
        #: Where interactions are posted; None: they go over Socket Mode.
        self.interactivity_url = interactivity_url
        self.signing_secret, self.bot_token, self.app_token = SIGNING_SECRET, BOT_TOKEN, APP_TOKEN
        #: What only one person saw, in order, and the modals that stand open, by view id.
        self.whispers: list[dict[str, Any]] = []
        self.views: dict[str, dict[str, Any]] = {}
        #: Files by id: `content` is None until it was uploaded.
        self.files: dict[str, dict[str, Any]] = {}
        self.url = ""
        self._per_second, self._monotonic, self._clock, self._ack_seconds = posts_per_second, monotonic, clock, ack_seconds
        self._allowance: dict[str, float] = {}
        self._triggers: dict[str, tuple[str, float]] = {}
        self._tickets: set[str] = set()
        self._sockets: list[WebSocket] = []
        #: Socket Mode connections since the beginning.
        self.connections = 0
        self._acks: dict[str, asyncio.Future[Any]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ticks = 0
        self.app = Sandboxed(self._routes(), lambda status, code: {"ok": False, "error": code or _fault_name(status)}, self._control)

    def credentials(self, url: str) -> dict[str, str]:
        """How a client logs in here, by the fields of `Settings`; the signing secret where interactions go over HTTP, else the app token."""
        known = {"slack_base_url": f"{url}/api/", "slack_bot_token": self.bot_token}
        return known | ({"slack_signing_secret": self.signing_secret} if self.interactivity_url else {"slack_app_token": self.app_token})

    # ---- people

    def press(self, user: str, channel: str, ts: str, action_id: str, *, confirmed: bool = True, value: str | None = None) -> Delivered | None:
        """`user` presses a button of a message. None where the press sends nothing: Slack asked to confirm and the person did not.

        KeyError for a message or a button that is not there. `value` presses an older state of the message, as a client that was offline does.
        """
        message = self.conversations[channel].find(ts)
        if message is None:
            raise KeyError(ts)
        buttons = {element["action_id"]: (block, element) for block in message["blocks"] if block["type"] == "actions" for element in block["elements"]}
        block, button = buttons[action_id] if value is None else buttons.get(action_id, ({"block_id": "gone"}, {"type": "button", "text": {}}))
        if "confirm" in button and not confirmed:
            return None
        return self._interact(self.press_payload(user, channel, message, block, {**button, "action_id": action_id, **({"value": value} if value else {})}))

    def submit(self, user: str, view_id: str, values: Mapping[str, Mapping[str, str]]) -> Delivered:
        """`user` submits an open modal with what was typed, by block and action. Slack itself refuses an empty required input."""
        view = self.views[view_id]
        state = {block: {action: {"type": "plain_text_input", "value": text} for action, text in entered.items()} for block, entered in values.items()}
        delivered = self._interact(
            self._payload(user, "view_submission") | {"view": {**view, "state": {"values": state}}, "response_urls": []}, accepts_body=True
        )
        if delivered.acknowledged and (not delivered.body or delivered.body.get("response_action") == "clear"):
            del self.views[view_id]
        return delivered

    def press_payload(self, user: str, channel: str, message: Mapping[str, Any], block: Mapping[str, Any], button: Mapping[str, Any]) -> dict[str, Any]:
        """The `block_actions` payload of a press, with a trigger of its own."""
        shown = {name: button[name] for name in ("action_id", "value", "text", "style", "type") if name in button}
        return self._payload(user, "block_actions") | {
            "container": {"type": "message", "message_ts": message["ts"], "channel_id": channel, "is_ephemeral": False},
            "channel": {"id": channel, "name": self.conversations[channel].name},
            "message": dict(message),
            "state": {"values": {}},
            "response_url": f"{self.url}/actions/{TEAM}/1/x",
            "actions": [{**shown, "block_id": block.get("block_id", ""), "action_ts": self._stamp()}],
        }

    def signed(self, payload: Mapping[str, Any], *, timestamp: str | None = None, secret: str | None = None) -> tuple[bytes, dict[str, str]]:
        """Body and headers of a signed HTTP request with that payload."""
        body = urlencode({"payload": json.dumps(payload)}).encode()
        stamp = timestamp or str(int(self._clock()))
        digest = hmac.new((secret or self.signing_secret).encode(), b"v0:" + stamp.encode() + b":" + body, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={digest}"}
        return body, headers

    def messages(self, channel: str | None = None) -> list[dict[str, Any]]:
        """Messages of one conversation or of all, the oldest first, each with its channel."""
        return [{**message, "channel": each.id} for each in self.conversations.values() if channel in (None, each.id) for message in each.messages]

    def drop_sockets(self) -> int:
        """Cut every Socket Mode connection as a network would; returns how many there were."""
        return int(self._in_loop(self._drop()))

    def renew_sockets(self) -> int:
        """Say `disconnect` with reason refresh_requested on every connection, as Slack does before it renews a container."""
        return int(self._in_loop(self._renew()))

    @property
    def sockets(self) -> int:
        """Open Socket Mode connections."""
        return len(self._sockets)

    def _interact(self, payload: dict[str, Any], *, accepts_body: bool = False) -> Delivered:
        if self.interactivity_url is None:
            delivered: Delivered = self._in_loop(self._over_socket(payload, accepts_body), Delivered(False, None, 0))
            return delivered
        return self._over_http(payload)

    def _over_http(self, payload: dict[str, Any]) -> Delivered:
        import httpx

        reason = ""
        for attempt in range(HTTP_RETRIES + 1):
            body, headers = self.signed(payload)
            again = {"X-Slack-Retry-Num": str(attempt), "X-Slack-Retry-Reason": reason} if attempt else {}
            try:
                answer = httpx.post(str(self.interactivity_url), content=body, headers=headers | again, timeout=self._ack_seconds, trust_env=False)
            except httpx.TimeoutException:
                reason = "http_timeout"
                continue
            except httpx.HTTPError:
                reason = "connection_failed"
                continue
            if answer.status_code == 200:
                return Delivered(True, answer.json() if answer.content else None, attempt + 1)
            reason = "http_error"
        return Delivered(False, None, HTTP_RETRIES + 1)

    async def _over_socket(self, payload: dict[str, Any], accepts_body: bool) -> Delivered:
        """To one of the connections; the next one if it is not acknowledged in time."""
        tries = 0
        for socket in list(self._sockets)[:2]:
            tries += 1
            envelope = str(uuid.uuid4())
            waiting: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            self._acks[envelope] = waiting
            try:
                await socket.send_text(
                    json.dumps({"type": "interactive", "envelope_id": envelope, "payload": payload, "accepts_response_payload": accepts_body})
                )
                return Delivered(True, await asyncio.wait_for(waiting, self._ack_seconds), tries)
            except Exception:
                continue
            finally:
                self._acks.pop(envelope, None)
        return Delivered(False, None, tries)

    def _payload(self, user: str, kind: str) -> dict[str, Any]:
        member = self.members[user]
        trigger = f"{int(self._clock())}.{secrets.token_hex(8)}"
        self._triggers[trigger] = (user, self._monotonic())
        return {
            "type": kind,
            "user": {"id": user, "username": member.name, "name": member.name, "team_id": TEAM},
            "api_app_id": APP,
            "token": "sandbox-verification-token",
            "trigger_id": trigger,
            "team": {"id": TEAM, "domain": TEAM_DOMAIN},
            "enterprise": None,
            "is_enterprise_install": False,
        }

    # ---- the Web API

    def _routes(self) -> Any:
        from starlette.applications import Starlette
        from starlette.routing import Route, WebSocketRoute

        return Starlette(
            routes=[
                Route("/api/{method}", self._call, methods=["POST"]),
                Route("/upload/v1/{file}", self._upload, methods=["POST"]),
                Route("/", self._look),
                WebSocketRoute("/link/", self._link),
            ]
        )

    async def _look(self, request: Request) -> Response:
        """What stands in the workspace, for somebody who looks at the demo: every message with its buttons, the newest first."""
        from html import escape, unescape

        from starlette.responses import HTMLResponse

        parts = []
        for message in sorted(self.messages(), key=lambda one: float(one["ts"]), reverse=True):
            lines = [escape(unescape(text)) for text in list(texts(message["blocks"])) or [str(message["text"])]]
            lines += [f"[picture: {escape(file['title'])}]" for file in message.get("files", ())]
            parts.append(f"<article><h2>{escape(message['channel'])}</h2><p>{'<br>'.join(lines).replace(chr(10), '<br>')}</p></article>")
        style = "body{font:15px/1.5 sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem}article{border:1px solid #999;border-radius:8px;padding:0 1rem;margin:1rem 0}"
        head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Slack of the sandbox</title><style>{style}</style><h1>Slack of the sandbox</h1>'
        return HTMLResponse(head + ("".join(parts) or "<p>Nobody was written to yet.</p>"))

    async def _call(self, request: Request) -> Response:
        from starlette.responses import JSONResponse

        method, body = str(request.path_params["method"]), await request.body()
        headers = {"x-oauth-scopes": ",".join(self.scopes), "x-accepted-oauth-scopes": ",".join(NEEDED.get(method, ()))}
        try:
            self._loop = asyncio.get_running_loop()
            arguments = _arguments(request.headers.get("content-type", ""), body)
            token = request.headers.get("authorization", "").removeprefix("Bearer ") or str(arguments.get("token", ""))
            self._admit(method, token)
            wait = self._wait_seconds(method, arguments)
            if wait:
                return JSONResponse({"ok": False, "error": "ratelimited"}, 429, headers | {"Retry-After": str(wait)})
            handler = getattr(self, "_" + method.replace(".", "_"))
            return JSONResponse({"ok": True, **handler(arguments)}, headers=headers)
        except Refusal as refusal:
            return JSONResponse(refusal.body, headers=headers)

    def _admit(self, method: str, token: str) -> None:
        if method not in NEEDED:
            raise Refusal("unknown_method", req_method=method)
        if not token:
            raise Refusal("not_authed")
        if method == "apps.connections.open":
            if token != self.app_token:
                raise Refusal("not_allowed_token_type" if token == self.bot_token else "invalid_auth")
            return
        if token != self.bot_token:
            raise Refusal("not_allowed_token_type" if token == self.app_token else "invalid_auth")
        self._need(NEEDED[method])

    def _need(self, scopes: Sequence[str]) -> None:
        if scopes and not set(scopes) & set(self.scopes):
            raise Refusal("missing_scope", needed=",".join(scopes), provided=",".join(self.scopes))

    def _wait_seconds(self, method: str, arguments: Mapping[str, Any]) -> int:
        """Whole seconds until the next post to this channel; 0 if it may go now."""
        if self._per_second is None or method != "chat.postMessage":
            return 0
        channel, now = str(arguments.get("channel")), self._monotonic()
        free = self._allowance.get(channel, now)
        if free > now:
            return max(1, int(free - now) + 1)
        self._allowance[channel] = now + 1 / self._per_second
        return 0

    def _auth_test(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return {"url": f"{self.url}/", "team": "Sandbox", "user": "value-in-motion", "team_id": TEAM, "user_id": BOT_USER, "bot_id": BOT}

    def _conversations_open(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        users = [user for user in str(arguments.get("users", "")).split(",") if user]
        if self.admits_everyone and len(users) == 1 and re.fullmatch(r"[UW][A-Z0-9]{2,30}", users[0]):
            self.members.setdefault(users[0], Member(users[0], users[0].lower(), f"{users[0].lower()}@sandbox.example"))
        if len(users) != 1 or users[0] not in self.members:
            raise Refusal("user_not_found" if users else "users_list_not_supplied")
        if not self.members[users[0]].is_active:
            raise Refusal("user_disabled")
        return {"channel": {"id": self._direct(users[0]).id}}

    def _chat_postMessage(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        conversation = self._conversation(str(arguments.get("channel", "")))
        content = self._content(arguments)
        message = {"type": "message", "user": BOT_USER, "bot_id": BOT, "app_id": APP, "team": TEAM, "ts": self._stamp(), **content}
        conversation.messages.append(message)
        return {"channel": conversation.id, "ts": message["ts"], "message": message}

    def _files_getUploadURLExternal(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        length = str(arguments.get("length", ""))
        if not arguments.get("filename") or not length.isdigit() or int(length) < 1:
            raise Refusal("invalid_arguments")
        file_id = f"F0{len(self.files):09d}"
        self.files[file_id] = {
            "id": file_id,
            "name": str(arguments["filename"]),
            "alt_txt": str(arguments.get("alt_txt") or ""),
            "size": int(length),
            "content": None,
        }
        return {"upload_url": f"{self.url}/upload/v1/{file_id}", "file_id": file_id}

    async def _upload(self, request: Request) -> Response:
        """The second step: raw bytes to the address that the first one gave, 200 if as many came as were announced."""
        from starlette.responses import PlainTextResponse

        known, body = self.files.get(str(request.path_params["file"])), await request.body()
        if known is None or len(body) != known["size"]:
            return PlainTextResponse("file_upload_failed", 400)
        known["content"] = body
        return PlainTextResponse(f"OK - {len(body)}")

    def _files_completeUploadExternal(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        asked = _decoded(arguments.get("files"), "invalid_arguments")
        if not isinstance(asked, list) or not asked:
            raise Refusal("invalid_arguments")
        known = [self.files.get(str(one.get("id"))) for one in asked if isinstance(one, Mapping)]
        if len(known) != len(asked) or any(one is None or one["content"] is None for one in known):
            raise Refusal("file_not_found")
        shared = [{"id": str(one["id"]), "title": str(one.get("title") or "")} for one in asked]
        if arguments.get("channel_id"):
            conversation = self._conversation(str(arguments["channel_id"]))
            message = {
                "type": "message",
                "subtype": "file_share",
                "user": BOT_USER,
                "bot_id": BOT,
                "ts": self._stamp(),
                "text": "",
                "blocks": [],
                "files": shared,
            }
            conversation.messages.append(message | ({"thread_ts": str(arguments["thread_ts"])} if arguments.get("thread_ts") else {}))
        return {"files": shared}

    def _chat_update(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        conversation = self._conversation(str(arguments.get("channel", "")))
        message = conversation.find(str(arguments.get("ts", "")))
        if message is None:
            raise Refusal("message_not_found")
        if message["bot_id"] != BOT:
            raise Refusal("cant_update_message")
        kept = {"metadata": message["metadata"]} if "metadata" in message and "metadata" not in arguments else {}
        message.update({"blocks": [], **self._content(arguments), **kept, "edited": {"user": BOT_USER, "ts": self._stamp()}})
        return {"channel": conversation.id, "ts": message["ts"], "text": message["text"]}

    def _chat_delete(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        conversation = self._conversation(str(arguments.get("channel", "")))
        message = conversation.find(str(arguments.get("ts", "")))
        if message is None:
            raise Refusal("message_not_found")
        if message.get("bot_id") != BOT:
            raise Refusal("cant_delete_message")
        conversation.messages.remove(message)
        return {"channel": conversation.id, "ts": message["ts"]}

    def _conversations_info(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        found = self._conversation(str(arguments.get("channel", "")))
        shown = {"id": found.id, "name": found.name, "is_member": found.has_bot, "is_archived": found.is_archived}
        return {"channel": shown | {"is_ext_shared": found.is_shared_outside, "is_pending_ext_shared": False}}

    def _conversations_members(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        everybody = [*sorted(self._conversation(str(arguments.get("channel", ""))).members), BOT_USER]
        start, limit = int(arguments.get("cursor") or 0), min(int(arguments.get("limit") or 100), 1000)
        return {
            "members": everybody[start : start + limit],
            "response_metadata": {"next_cursor": str(start + limit) if start + limit < len(everybody) else ""},
        }

    def _users_info(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        member = self.members.get(str(arguments.get("user", "")))
        if member is None:
            raise Refusal("user_not_found")
        return {
            "user": {"id": member.user, "name": member.name, "deleted": not member.is_active, "is_restricted": member.is_guest, "is_ultra_restricted": False}
        }

    def _chat_postEphemeral(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        conversation, user = self._conversation(str(arguments.get("channel", ""))), str(arguments.get("user", ""))
        if user not in conversation.members:
            raise Refusal("user_not_in_channel")
        content = self._content(arguments)
        self.whispers.append({"channel": conversation.id, "user": user, **content})
        return {"message_ts": self._stamp()}

    def _conversations_history(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        conversation = self._conversation(str(arguments.get("channel", "")))
        self._need(("im:history",) if conversation.id.startswith("D") else ("channels:history", "groups:history"))
        newest = sorted(
            (message for message in conversation.messages if message.get("thread_ts", message["ts"]) == message["ts"]),
            key=lambda message: float(message["ts"]),
            reverse=True,
        )
        oldest, latest = float(arguments.get("oldest") or 0), float(arguments.get("latest") or "inf")
        if str(arguments.get("inclusive", "")).lower() in ("1", "true"):
            newest = [message for message in newest if oldest <= float(message["ts"]) <= latest]
        else:
            newest = [message for message in newest if oldest < float(message["ts"]) < latest]
        start, limit = int(arguments.get("cursor") or 0), min(int(arguments.get("limit") or 100), 999)
        page = [dict(message) for message in newest[start : start + limit]]
        if str(arguments.get("include_all_metadata", "")).lower() not in ("1", "true"):
            page = [{name: value for name, value in message.items() if name != "metadata"} for message in page]
        has_more = start + limit < len(newest)
        return {"messages": page, "has_more": has_more, "response_metadata": {"next_cursor": str(start + limit) if has_more else ""}}

    def _users_lookupByEmail(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        wanted = str(arguments.get("email", "")).casefold()
        member = next((member for member in self.members.values() if member.email.casefold() == wanted and member.is_active), None)
        if member is None:
            raise Refusal("users_not_found")
        return {"user": {"id": member.user, "name": member.name, "deleted": False, "profile": {"email": member.email}}}

    def _views_open(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        trigger = str(arguments.get("trigger_id", ""))
        if trigger not in self._triggers:
            raise Refusal("invalid_trigger_id")
        user, since = self._triggers[trigger]
        if since < 0:
            raise Refusal("exchanged_trigger_id")
        if self._monotonic() - since > TRIGGER_SECONDS:
            raise Refusal("expired_trigger_id")
        view = arguments.get("view")
        view = json.loads(view) if isinstance(view, str) else view
        errors = view_errors(view)
        if errors or not isinstance(view, Mapping):
            raise Refusal("invalid_arguments", response_metadata={"messages": errors})
        self._triggers[trigger] = (user, -1.0)
        view_id = f"V{secrets.token_hex(5).upper()}"
        self.views[view_id] = {**view, "id": view_id, "team_id": TEAM, "app_id": APP, "hash": f"{self._stamp()}.x", "opened_for": user}
        return {"view": self.views[view_id]}

    def _apps_connections_open(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        ticket = secrets.token_hex(16)
        self._tickets.add(ticket)
        return {"url": f"{self.url.replace('http', 'ws', 1)}/link/?ticket={ticket}&app_id={APP}"}

    def _content(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        blocks, metadata = (
            _decoded(arguments.get(name), error) for name, error in (("blocks", "invalid_blocks_format"), ("metadata", "invalid_metadata_format"))
        )
        text = str(arguments.get("text") or "")
        wrong = message_error(text, blocks, metadata)
        if wrong is not None:
            raise Refusal(wrong[0], **({"response_metadata": {"messages": wrong[1]}} if wrong[1] else {}))
        return {"text": text, "blocks": blocks or [], **({"metadata": metadata} if metadata else {})}

    def _conversation(self, name: str) -> Conversation:
        found = self._direct(name) if name in self.members else self.conversations.get(name)
        if found is None:
            raise Refusal("channel_not_found")
        if found.is_archived:
            raise Refusal("is_archived")
        if not found.has_bot:
            raise Refusal("not_in_channel")
        return found

    def _direct(self, user: str) -> Conversation:
        return self.conversations.setdefault(f"D{user[1:]}", Conversation(f"D{user[1:]}", "directmessage", {user}))

    def _stamp(self) -> str:
        """A message's time: microseconds, never twice."""
        self._ticks += 1
        return f"{int(self._clock())}.{self._ticks:06d}"

    # ---- Socket Mode

    async def _link(self, socket: WebSocket) -> None:
        ticket = socket.query_params.get("ticket", "")
        if socket.client is None or not is_loopback(socket.client.host) or ticket not in self._tickets:
            await socket.close(4401)
            return
        self._tickets.discard(ticket)
        await socket.accept()
        info = {
            "connection_info": {"app_id": APP},
            "num_connections": len(self._sockets) + 1,
            "debug_info": {"host": "sandbox", "approximate_connection_time": 3600},
        }
        await socket.send_text(json.dumps({"type": "hello", **info}))
        self._loop = asyncio.get_running_loop()
        self._sockets.append(socket)
        self.connections += 1
        try:
            while True:
                received = await socket.receive()
                if received["type"] == "websocket.disconnect":
                    return
                self._acknowledge(received.get("text") or "")
        except RuntimeError:  # it was cut under us
            return
        finally:
            if socket in self._sockets:
                self._sockets.remove(socket)

    def _acknowledge(self, text: str) -> None:
        try:
            said = json.loads(text)
        except ValueError:
            return
        waiting = self._acks.get(str(said.get("envelope_id"))) if isinstance(said, dict) else None
        if waiting is not None and not waiting.done():
            waiting.set_result(said.get("payload"))

    async def _drop(self) -> int:
        sockets, self._sockets = self._sockets, []
        for socket in sockets:
            await socket.close(1011)
        return len(sockets)

    async def _renew(self) -> int:
        sockets = list(self._sockets)
        for socket in sockets:
            await socket.send_text(json.dumps({"type": "disconnect", "reason": "refresh_requested", "debug_info": {"host": "sandbox"}}))
        return len(sockets)

    def _in_loop(self, coroutine: Any, if_unserved: Any = 0) -> Any:
        if self._loop is None:
            coroutine.close()
            return if_unserved
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=30)

    # ---- /_sandbox/

    def _control(self, method: str, name: str, body: Any) -> Any:
        """For a test in another process. A press is only begun: its effect shows in the messages."""
        if (method, name) == ("GET", "messages"):
            return self.messages()
        if (method, name) == ("GET", "whispers"):
            return self.whispers
        if (method, name) == ("GET", "views"):
            return list(self.views.values())
        actions: dict[str, Callable[..., Any]] = {
            "press": self.press,
            "submit": self.submit,
            "drop_socket": self.drop_sockets,
            "renew_socket": self.renew_sockets,
        }
        if method != "POST":
            raise KeyError(name)
        threading.Thread(target=actions[name], kwargs=body or {}, daemon=True).start()
        return {"begun": name}


@contextmanager
def serve_slack(emulator: SlackEmulator) -> Iterator[SlackEmulator]:
    """Serve a workspace on a free loopback port while inside."""
    from vim_pipelines.sandbox.emulators.run import Server

    server = Server(emulator.app)
    emulator.url = server.url
    try:
        yield emulator
    finally:
        server.stop()


def _arguments(content_type: str, body: bytes) -> dict[str, Any]:
    if content_type.startswith("application/json"):
        try:
            value = json.loads(body or b"{}")
        except ValueError:
            raise Refusal("invalid_json") from None
        if not isinstance(value, dict):
            raise Refusal("json_not_object")
        return value
    return dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True))


def _decoded(value: Any, error: str) -> Any:
    """Blocks and metadata come as JSON, or as text that holds JSON in a form."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise Refusal(error) from None


def _fault_name(status: int) -> str:
    return {429: "ratelimited", 503: "service_unavailable"}.get(status, "internal_error")
