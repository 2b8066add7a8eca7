"""Slack's presses over signed HTTP, as one route for the inbox's application; the other door is Socket Mode (`slack_socket`).

Whoever can reach the address can post to it. So nothing of a body is read before its signature fits (docs.slack.dev, "Verifying requests from
Slack"): HMAC-SHA256 over `v0:timestamp:body` as the bytes came, compared in constant time, not older than five minutes by the machine's clock. A
request that was caught and is sent again within those five minutes is harmless: what it asks for has been decided.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from vim_pipelines.core.errors import VimError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from vim_pipelines.settings import Settings
    from vim_pipelines.store.engine import Store
    from vim_pipelines.vendors.slack import SlackClient

PATH = "/slack/interactions"
WINDOW_SECONDS = 300
#: A press brings its message along, at most 16 kB of it; a modal less.
MOST_BYTES = 256 * 1024

log = logging.getLogger(__name__)


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """What `X-Slack-Signature` has to be."""
    return "v0=" + hmac.new(secret.encode(), b"v0:" + timestamp.encode("latin-1", "replace") + b":" + body, hashlib.sha256).hexdigest()


def verify(secret: str, timestamp: str, signed: str, body: bytes, now_seconds: float) -> None:
    """Raise VIM-E143 unless `body` was signed with our secret within the last five minutes (or the next: clocks differ)."""
    fix = "Compare SLACK_SIGNING_SECRET with the app's settings, and this machine's clock with the time"
    if not secret:
        raise VimError("VIM-E143", "There is no secret to check Slack's signature with", fix="Set SLACK_SIGNING_SECRET")
    if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 12:
        raise VimError("VIM-E143", "A request to the Slack door had no time stamp", fix=fix)
    if abs(now_seconds - int(timestamp)) > WINDOW_SECONDS:
        raise VimError("VIM-E143", f"A request to the Slack door was {now_seconds - int(timestamp):.0f} seconds old", why="It may be a replay", fix=fix)
    if not hmac.compare_digest(signature(secret, timestamp, body).encode(), signed.encode("utf-8", "replace")):
        raise VimError("VIM-E143", "A request to the Slack door was not signed by Slack", fix=fix)


def payload_of(body: bytes) -> dict[str, Any] | None:
    """The interaction payload of a form-encoded body, or None where there is none."""
    try:
        fields = parse_qs(body.decode("utf-8"), strict_parsing=True, max_num_fields=20)
        value = json.loads(fields["payload"][0])
    except (ValueError, KeyError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def slack_routes(settings: Settings, store: Store, *, client: SlackClient | None = None, clock: Callable[[], float] = time.time) -> list[Route]:
    """The route of Slack's presses; none without SLACK_SIGNING_SECRET and SLACK_BOT_TOKEN. It needs no login and no CSRF token: it is signed.

    `clock`: the machine's seconds since 1970, which Slack's stamps are compared with (the sandbox's clock stands still).
    """
    if settings.slack_signing_secret is None or (client is None and settings.slack_bot_token is None):
        return []
    from starlette.background import BackgroundTask
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    from vim_pipelines.approvals.channels.slack_interactions import Answer, carry_out, handle_interaction
    from vim_pipelines.vendors.slack import slack_client

    secret = settings.slack_signing_secret.get_secret_value()
    slack = client or slack_client(settings)

    def work(payload: dict[str, Any]) -> None:
        try:
            carry_out(handle_interaction(payload, store, settings, settings.now()), slack)
        except Exception as error:  # after the acknowledgement: nobody waits for it, and the press can be repeated
            log.error("Slack: a press could not be handled: %s", type(error).__name__)

    def answer_to(payload: dict[str, Any]) -> Answer:
        return handle_interaction(payload, store, settings, settings.now())

    async def interactions(request: Request) -> Response:
        body = await _limited(request)
        if body is None:
            return Response("too large", 413)
        try:
            verify(secret, request.headers.get("x-slack-request-timestamp", ""), request.headers.get("x-slack-signature", ""), body, clock())
        except VimError as error:
            log.warning("%s", error)
            return Response("not signed", 401)
        payload = payload_of(body)
        if payload is None:
            return Response("no payload", 400)
        if payload.get("type") != "view_submission":
            # Acknowledged at once; Slack waits three seconds, and a busy store may take longer.
            return Response(status_code=200, background=BackgroundTask(run_in_threadpool, work, payload))
        try:
            answer = await run_in_threadpool(answer_to, payload)
        except Exception as error:
            log.error("Slack: a form could not be handled: %s", type(error).__name__)
            return Response("failed", 500)
        done = BackgroundTask(run_in_threadpool, carry_out, answer, slack)
        return JSONResponse(answer.body, background=done) if answer.body is not None else Response(status_code=200, background=done)

    return [Route(PATH, interactions, methods=["POST"])]


async def _limited(request: Request) -> bytes | None:
    """The body, or None for one that is longer than any of Slack's; it is not read to its end."""
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > MOST_BYTES:
        return None
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            return None
    return bytes(body)
