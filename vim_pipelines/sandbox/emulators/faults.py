"""What an emulated vendor does wrong on request, and what it was asked: the fault plan and the journal of requests.

A write-back is exactly-once in effect only if it was tried against the three ends of a lost answer: the connection dropped before the
effect, after it, and an answer that comes too late. The plan is JSON over `/_sandbox/`, so that a test can drive an emulator in another process.
The middleware is plain ASGI and wraps the whole application: only there can the connection be cut as a network would cut it.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from vim_pipelines.core.errors import VimError
from vim_pipelines.core.net import is_loopback

if TYPE_CHECKING:
    from vim_pipelines.sandbox.emulators.state import SandboxClock

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
ErrorBody = Callable[[int, str], Any]

#: An emulator that runs for weeks beside the inbox must not grow; a test never sends this many.
MOST_ENTRIES = 20_000
#: Where the middleware tells the emulator that half of this request is to fail.
PARTIAL = "vim_pipelines.partial"

#: What can go wrong on any vendor's wire, by name: the plan's fields besides method, path, skip and times. Schema changes and the clock are not
#: faults of a request: POST `/_sandbox/schema` and `/_sandbox/clock`. A 401 with `skip` comes in mid-paging; POST `/_sandbox/expire_tokens` is its twin.
FAULT_KINDS: dict[str, dict[str, Any]] = {
    "too_many_with_wait": {"status": 429, "retry_after": "1"},
    "too_many": {"status": 429},
    "server_error": {"status": 500},
    "unavailable": {"status": 503},
    "token_refused": {"status": 401},
    "dropped_before": {"drop": "before"},
    "dropped_after": {"drop": "after"},
    "slow": {"delay_seconds": 0.05},
    "page_repeats": {"repeat": True, "skip": 1},
    "half_fails": {"partial": True},
}


@dataclass(frozen=True)
class Answer:
    """An answer that was given, kept to be given again."""

    start: dict[str, Any]
    body: bytes


@dataclass
class Fault:
    """One planned fault.

    `method` and `path` (a regular expression searched in path and query) choose the requests; the first `skip` that match pass, the next `times`
    meet the fault. One of: `status` (with `retry_after` seconds and `code`, the vendor's error code), `drop` the connection 'before' or 'after'
    the effect, a redirect by `status` 302 and `location`, `repeat` (the answer to the last of the passed requests comes again: a page that
    repeats, links and all; `skip` must let one pass), or `partial` (every second item of a bulk request fails, with `code`; the emulator reads it by
    `partial_code`). `delay_seconds` waits before the effect, with or without one of the others.
    """

    method: str = ""
    path: str = ""
    skip: int = 0
    times: int = 1
    status: int | None = None
    code: str = ""
    retry_after: str | None = None
    location: str | None = None
    drop: Literal["before", "after"] | None = None
    delay_seconds: float = 0.0
    repeat: bool = False
    partial: bool = False
    remembered: Answer | None = field(default=None, init=False, repr=False)

    @classmethod
    def parse(cls, plan: dict[str, Any]) -> Fault:
        """The fault that a JSON object describes; TypeError or re.error if it does not."""
        fault = cls(**plan)
        if fault.repeat and fault.skip < 1:
            raise TypeError("repeat needs a skip of at least 1: there must be an answer to repeat")
        re.compile(fault.path)
        if fault.drop not in (None, "before", "after"):
            raise TypeError(f"drop is {fault.drop!r}, not 'before' or 'after'")
        return fault

    def chooses(self, method: str, target: str) -> bool:
        """Whether method and path are those of the plan, whatever `skip` and `times` say."""
        return (not self.method or self.method == method) and re.search(self.path, target) is not None

    def meets(self, method: str, target: str) -> bool:
        """Whether this request is one that the fault was planned for; counts it."""
        if self.times <= 0 or not self.chooses(method, target):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1
        return True


@dataclass
class Journal:
    """Requests in the order of arrival. Headers are not kept: they hold the token."""

    entries: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=MOST_ENTRIES))


class Sandboxed:
    """ASGI application that serves `/_sandbox/` itself and everything else through `app` with faults and journal.

    `control` answers further `/_sandbox/` paths of the vendor: (method, name, body) -> JSON value, KeyError for an unknown name.
    """

    def __init__(self, app: Any, error_body: ErrorBody, control: Callable[[str, str, Any], Any]) -> None:
        self._app, self._error_body, self._control = app, error_body, control
        #: The vendor's clock, where `start_emulators` gives one: POST `/_sandbox/clock` {skew_seconds} sets it ahead of ours or behind.
        self.clock: SandboxClock | None = None
        self.faults: list[Fault] = []
        self.journal = Journal()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        client = scope.get("client")
        if client is None or not is_loopback(client[0]):
            await _respond(send, 403, {"error": "the sandbox answers this machine only"})
            return
        if scope["path"].startswith("/_sandbox/"):
            await self._serve_control(scope, receive, send)
            return
        body = await _read(receive)
        query = scope["query_string"].decode("latin-1")
        target = scope["path"] + (f"?{query}" if query else "")
        entry: dict[str, Any] = {"method": scope["method"], "path": scope["path"], "query": query, "status": None, "fault": None}
        self.journal.entries.append(entry)
        remembering = [planned for planned in self.faults if planned.repeat and planned.chooses(scope["method"], target)]
        fault = next((planned for planned in self.faults if planned.meets(scope["method"], target)), None)
        if fault is not None:
            entry["fault"] = fault.drop or fault.status or ("repeat" if fault.repeat else "partial" if fault.partial else "delay")
            if fault.delay_seconds:
                await asyncio.sleep(fault.delay_seconds)
            if fault.drop == "before":
                await _drop(send)
                return
            if fault.status is not None:
                entry["status"] = fault.status
                headers = [(name, value) for name, value in (("Retry-After", fault.retry_after), ("Location", fault.location)) if value is not None]
                await _respond(send, fault.status, self._error_body(fault.status, fault.code), headers)
                return
            if fault.repeat and fault.remembered is not None:
                entry["status"] = fault.remembered.start["status"]
                await send(fault.remembered.start)
                await send({"type": "http.response.body", "body": fault.remembered.body})
                return
            if fault.partial:
                scope = {**scope, PARTIAL: fault.code}
        sending = _Held(send) if fault is not None and fault.drop == "after" else _Passing(send)
        await self._app(scope, _replay(body), sending)
        entry["status"] = sending.status
        if sending.start is not None and sending.status == 200:
            for planned in remembering:
                planned.remembered = Answer(sending.start, sending.body)
        if isinstance(sending, _Held):
            await _drop(send)

    async def _serve_control(self, scope: Scope, receive: Receive, send: Send) -> None:
        name, method = scope["path"].removeprefix("/_sandbox/"), scope["method"]
        raw = await _read(receive)
        try:
            body = json.loads(raw) if raw else None
            await _respond(send, 200, self._answer(method, name, body))
        except KeyError:
            await _respond(send, 404, {"error": f"no {method} /_sandbox/{name}"})
        except (TypeError, ValueError, re.error) as error:
            await _respond(send, 400, {"error": str(error)})

    def _answer(self, method: str, name: str, body: Any) -> Any:
        if name == "faults" and method == "POST":
            self.faults += [Fault.parse(plan) for plan in (body if isinstance(body, list) else [body])]
            return {"planned": len(self.faults)}
        if name == "faults" and method == "DELETE":
            self.faults.clear()
            return {"planned": 0}
        if name == "clock" and method == "POST" and self.clock is not None:
            self.clock.skew = timedelta(seconds=float(body["skew_seconds"]))
            return {"skew_seconds": self.clock.skew.total_seconds()}
        if name == "requests" and method == "GET":
            return list(self.journal.entries)
        if name == "requests" and method == "DELETE":
            self.journal.entries.clear()
            return []
        return self._control(method, name, body)


class _Passing:
    def __init__(self, send: Send) -> None:
        self._send, self.status = send, None
        self.start: dict[str, Any] | None = None
        self.body = b""

    def note(self, message: dict[str, Any]) -> None:
        """Keep what is sent; an emulator's answers are small."""
        if message["type"] == "http.response.start":
            self.start, self.status = message, message["status"]
        else:
            self.body += bytes(message.get("body", b""))

    async def __call__(self, message: dict[str, Any]) -> None:
        self.note(message)
        await self._send(message)


class _Held(_Passing):
    """Takes the answer and sends nothing: the effect has happened, the client will not learn of it."""

    async def __call__(self, message: dict[str, Any]) -> None:
        self.note(message)


def partial_code(scope: Mapping[str, Any]) -> str | None:
    """None, or the error code with which every second item of this bulk request is to fail ('' where the plan names none)."""
    found = scope.get(PARTIAL)
    return None if found is None else str(found)


async def _drop(send: Send) -> None:
    # uvicorn's request cycle holds the connection; ASGI itself has no way to cut it.
    send.__self__.transport.abort()  # type: ignore[attr-defined]
    while not send.__self__.disconnected:  # type: ignore[attr-defined]
        await asyncio.sleep(0)


async def _read(receive: Receive) -> bytes:
    body: bytes = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if not message.get("more_body"):
            return body


def _replay(body: bytes) -> Receive:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _respond(send: Send, status: int, value: Any, headers: list[tuple[str, str]] | None = None) -> None:
    body = json.dumps(value).encode()
    raw = [(b"content-type", b"application/json;charset=UTF-8"), (b"content-length", str(len(body)).encode())]
    raw += [(name.lower().encode(), value.encode()) for name, value in headers or []]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


def refuse_other_hosts(host: str) -> None:
    """VIM-E060 unless `host` is a loopback address: an emulator has no real login."""
    if not is_loopback(host):
        raise VimError(
            "VIM-E060",
            f"The sandbox does not listen on {host}",
            why="Its emulators accept a published secret and would be open to the network",
            fix="Use 127.0.0.1",
        )
