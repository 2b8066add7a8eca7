"""The inbox as one ASGI application. `make_app(settings, store)` is all that a server or a test needs."""

from __future__ import annotations

import mimetypes
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from vim_pipelines.approvals.channels.slack_http import slack_routes
from vim_pipelines.inbox import alert_pages, book_pages, change_pages, doors, item_pages, queue_pages
from vim_pipelines.inbox.guard import Guard, Receive, Scope, Send
from vim_pipelines.inbox.sessions import Sessions
from vim_pipelines.inbox.web import FOLDER, LOGIN_THREADS, THREADS, Ask, Handler, Inbox, error_page, known_error, make_route

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings
    from vim_pipelines.store.engine import Store

Limiter = Callable[[], anyio.CapacityLimiter]
#: Routes for machines: their requests come from elsewhere and are signed.
MACHINE_PATHS = ("/slack/",)


def make_app(settings: Settings, store: Store) -> Starlette:
    """The application, on a store that is migrated already. Raises VIM-E002 for a secret that is too short or that others may read."""
    from vim_pipelines.approvals.secrets import inbox_secret

    inbox = Inbox(settings, store, Sessions(inbox_secret(settings), store))
    pages, logins = _limiter(THREADS), _limiter(LOGIN_THREADS)

    def route(path: str, handler: Handler, method: str = "GET", *, is_open: bool = False, limiter: Limiter = pages) -> Route:
        return make_route(inbox, limiter, path, handler, method, is_open=is_open)

    routes: list[BaseRoute] = [
        route("/", queue_pages.show_queue),
        route("/queue.csv", queue_pages.export),
        route("/batch", queue_pages.confirm_batch, "POST"),
        route("/batch/approve", queue_pages.approve_batch, "POST"),
        route("/requests/{request_id}", item_pages.show_item),
        route("/requests/{request_id}/decide", item_pages.do_decide, "POST"),
        route("/requests/{request_id}/edit", change_pages.show_edit),
        route("/requests/{request_id}/edit", change_pages.do_edit, "POST"),
        route("/requests/{request_id}/dispute", change_pages.do_dispute, "POST"),
        route("/requests/{request_id}/evidence/{handle}", item_pages.show_evidence),
        route("/alerts", alert_pages.show_alerts),
        route("/alerts/{alert_id}/acknowledge", alert_pages.do_acknowledge, "POST"),
        route("/book", book_pages.to_book),
        route("/book/{path:path}", book_pages.show_book),
        route("/help", doors.show_help),
        route("/login", doors.show_login, is_open=True),
        route("/login", doors.do_login, "POST", is_open=True, limiter=logins),
        route("/logout", doors.do_logout, "POST"),
        route("/link/{token}", doors.open_link, is_open=True),
        route("/open/{token}", doors.open_link, is_open=True),
        route("/health", doors.health, is_open=True),
        *slack_routes(settings, store),
        Mount("/static", Files(directory=FOLDER / "static")),
    ]

    async def refuse(scope: Scope, receive: Receive, send: Send, code: str, status: int) -> None:
        await _plain(inbox, scope, code, status)(scope, receive, send)

    async def missing(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 404
        return _plain(inbox, request.scope, "VIM-E136", status)

    return Starlette(
        routes=routes,
        middleware=[Middleware(Guard, hosts=_hosts(settings), refuse=refuse, machine_paths=MACHINE_PATHS)],
        exception_handlers={404: missing, 405: missing, HTTPException: missing},
        lifespan=lambda _app: _listening(settings, store),
    )


def _limiter(threads: int) -> Limiter:
    """At most so many at a time. The limiter is made inside the running loop, to which it belongs."""
    made: list[anyio.CapacityLimiter] = []

    def limiter() -> anyio.CapacityLimiter:
        if not made:
            made.append(anyio.CapacityLimiter(threads))
        return made[0]

    return limiter


@asynccontextmanager
async def _listening(settings: Settings, store: Store) -> AsyncIterator[None]:
    """While it is served, presses in Slack come in through Socket Mode too, where its token is set."""
    from vim_pipelines.approvals.channels.slack_socket import listening

    with listening(settings, store):
        yield


def _plain(inbox: Inbox, scope: Scope, code: str, status: int) -> Response:
    """An error page for whoever it may be: it reads no cookie and no store."""
    from starlette.datastructures import QueryParams

    from vim_pipelines.inbox.sessions import Visitor

    ask = Ask(Visitor("", None, "", False), scope["path"], {}, QueryParams(""), {}, False)
    return error_page(inbox, ask, known_error(code), status=status)


def _hosts(settings: Settings) -> list[str]:
    """Names that this inbox answers to, besides the loopback ones."""
    named = [name.strip() for name in settings.inbox_hosts.split(",")]
    address = getattr(settings, "inbox_url", None)
    return [*named, *([urlsplit(str(address)).hostname or ""] if address else [])]


class Files(StaticFiles):
    """The vendored files. Their addresses carry a version, so browsers may keep them."""

    def file_response(self, *args: Any, **options: Any) -> Response:
        response = super().file_response(*args, **options)
        response.headers["cache-control"] = "public, max-age=31536000, immutable"
        return response


mimetypes.add_type("text/javascript", ".js")
