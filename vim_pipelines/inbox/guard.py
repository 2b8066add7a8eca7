"""What every request has to pass before a page sees it, and what every answer says to the browser.

Plain ASGI, around everything that is mounted: a route that forgets something here cannot exist.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from vim_pipelines.core.net import is_loopback

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
#: Writes an error page: code, status.
Refuse = Callable[[Scope, Receive, Send, str, int], Awaitable[None]]

#: An edited plan is some 10 kB; a form with a batch of 25 less.
MAX_BODY_BYTES = 256 * 1024
#: The whole body must be here by then: a client that sends a byte a second holds nobody up.
BODY_SECONDS = 10.0

#: `same-origin`, not `no-referrer`: with that one browsers call the origin of our own forms "null", and nobody could tell them from foreign ones.
HEADERS = {
    "content-security-policy": "default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; form-action 'self'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
}
#: Files whose name carries their version may stay in a browser's cache; pages never.
NO_STORE = "no-store"

SAFE = ("GET", "HEAD", "OPTIONS")


class Guard:
    """Checks host, size, time and origin of a request, and puts the security headers on every answer.

    `machine_paths`: prefixes of routes for machines (Slack), which come from elsewhere by nature and carry a signature of their own.
    """

    def __init__(self, app: App, *, hosts: Iterable[str], refuse: Refuse, machine_paths: tuple[str, ...] = (), body_seconds: float = BODY_SECONDS) -> None:
        self._app, self._refuse, self._machine_paths, self._body_seconds = app, refuse, machine_paths, body_seconds
        self._hosts = {host.casefold() for host in hosts if host}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {key.lower() for key, _ in message.get("headers", [])}
                added = HEADERS | ({} if b"cache-control" in present else {"cache-control": NO_STORE})
                message["headers"] = [*message.get("headers", []), *[(name.encode(), value.encode()) for name, value in added.items()]]
            await send(message)

        problem = self._problem(scope, headers)
        if problem is not None:
            await self._refuse(scope, receive, sealed, *problem)
            return
        if scope["method"] in SAFE:
            await self._app(scope, receive, sealed)
            return
        body = await self._body(receive)
        if isinstance(body, tuple):
            await self._refuse(scope, receive, sealed, *body)
            return
        await self._app(scope, _handed(body, receive), sealed)

    def _problem(self, scope: Scope, headers: dict[str, str]) -> tuple[str, int] | None:
        host = host_of(headers.get("host", ""))
        if host not in self._hosts and not is_loopback(host):
            return "VIM-E135", 400
        if scope["method"] in SAFE or scope["path"].startswith(self._machine_paths or ("\0",)):
            is_foreign = False
        else:
            site, origin = headers.get("sec-fetch-site"), headers.get("origin")
            is_foreign = (site is not None and site not in ("same-origin", "none")) or (
                origin is not None and urlsplit(origin).netloc.casefold() != headers.get("host", "").casefold()
            )
        if is_foreign:
            return "VIM-E132", 403
        length = headers.get("content-length", "0")
        return ("VIM-E133", 413) if not length.isdigit() or int(length) > MAX_BODY_BYTES else None

    async def _body(self, receive: Receive) -> bytes | tuple[str, int]:
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._body_seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return "VIM-E134", 408
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > MAX_BODY_BYTES:
                        return "VIM-E133", 413
                    if not message.get("more_body", False):
                        return b"".join(parts)
        except TimeoutError:
            return "VIM-E134", 408


#: A name or an address with its port, and nothing else: `localhost:x@evil.example` is no way of writing `localhost`.
HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^\[\]:/@?#\\\s]+))(?::\d{1,5})?", re.ASCII)


def host_of(header: str) -> str:
    """The host of a Host header, without its port, in small letters: `[::1]:80` gives `::1`. Empty for what is none."""
    found = HOST.fullmatch(header.strip().casefold())
    return (found[1] or found[2]) if found else ""


def _handed(body: bytes, receive: Receive) -> Receive:
    """The body that was read already, once; then what the connection says next."""
    is_given = False

    async def again() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
