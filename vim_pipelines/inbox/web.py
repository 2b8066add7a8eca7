"""The frame of every page: one hop to a worker thread in which the visitor is known, the form was checked, and each failure becomes a page.

Handlers are plain functions `(Inbox, Ask) -> Response`; the store is synchronous, so they run in threads and never on the event loop. A
handler of a POST cannot be reached without the token of its session: the check stands here, not in the handlers.
"""

from __future__ import annotations

import logging
import secrets
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote

import anyio
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from vim_pipelines.approvals.policy import Policy, policy_of
from vim_pipelines.core.errors import VimError
from vim_pipelines.core.money import format_money
from vim_pipelines.core.net import is_loopback
from vim_pipelines.inbox import shown
from vim_pipelines.inbox.guard import host_of
from vim_pipelines.inbox.index import QueueIndex
from vim_pipelines.inbox.sessions import COOKIE, SESSION_HOURS, Sessions, Visitor

if TYPE_CHECKING:
    from vim_pipelines.approvals.people import PersonView
    from vim_pipelines.settings import Settings
    from vim_pipelines.store.engine import Store

FOLDER = Path(__file__).parent
#: Threads for pages. More would only wait for each other: SQLite has one writer and Python one interpreter lock.
THREADS = 4
#: Threads for logins, of their own: a hundred people who log in at nine must not stand in front of those who read. scrypt takes 32 MiB a try.
LOGIN_THREADS = 2
MAX_FIELDS = 400
LOG = logging.getLogger("vim_pipelines.inbox")

#: HTTP status of an error page; what is not here is 400.
STATUS = {
    "VIM-E040": 404, "VIM-E041": 409, "VIM-E042": 409, "VIM-E043": 403, "VIM-E044": 409, "VIM-E045": 422, "VIM-E099": 500,
    "VIM-E122": 404, "VIM-E123": 409, "VIM-E130": 401, "VIM-E131": 429, "VIM-E132": 403, "VIM-E133": 413, "VIM-E134": 408, "VIM-E135": 400,
    "VIM-E136": 404, "VIM-E138": 403, "VIM-E176": 403, "VIM-E177": 404,
}  # fmt: skip
WORDS: dict[str, tuple[str, str, str]] = {
    "VIM-E132": ("This form was not made by this session", "It was open too long, or another site sent it", "Go back, load the page again, and repeat it"),
    "VIM-E133": ("The request is too large", "A form of the inbox never has more than 256 kB", "Shorten the text"),
    "VIM-E134": ("The request took too long to arrive", "", "Try again on a better line"),
    "VIM-E135": ("This inbox does not answer to that host name", "", "Use the address that you were given, or add the name to VIMOTION_INBOX_HOSTS"),
    "VIM-E136": ("There is no such page", "", "Go to the queue"),
}


@dataclass
class Inbox:
    """Everything that the pages share."""

    settings: Settings
    store: Store
    sessions: Sessions
    index: QueueIndex = field(default_factory=QueueIndex)
    #: One decision of this process at a time: SQLite would make the others wait in naps of up to 100 ms, a lock wakes them at once.
    deciding: threading.Lock = field(default_factory=threading.Lock)
    #: Payload hash -> text and its HTML.
    texts: dict[str, tuple[str, Markup]] = field(default_factory=dict)
    templates: Environment = field(default_factory=lambda: environment())

    @property
    def policy(self) -> Policy:
        """Today's policy; read again when its file changes."""
        return policy_of(self.settings)

    def now(self) -> datetime:
        """The house's clock."""
        return self.settings.now()


@dataclass
class Ask:
    """One request, as a handler sees it."""

    visitor: Visitor
    path: str
    params: dict[str, str]
    query: QueryParams
    form: dict[str, list[str]]
    #: Whether htmx asked, which swaps a part of the page; everything works without.
    is_fragment: bool
    #: A handler puts a session that begins here; what is there at the end is sent as the cookie.
    new_cookie: str | None = None

    @property
    def person(self) -> PersonView:
        """Who is logged in."""
        assert self.visitor.person is not None
        return self.visitor.person

    def field(self, name: str) -> str:
        """One field of the form, empty if it is not there."""
        values = self.form.get(name)
        return values[0] if values else ""


Handler = Callable[[Inbox, Ask], Response]


def environment() -> Environment:
    """Templates with escaping on for everything."""
    made = Environment(
        loader=FileSystemLoader(FOLDER / "templates"), autoescape=select_autoescape(default=True, default_for_string=True), undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, auto_reload=False,
    )  # fmt: skip
    made.filters.update(money=lambda amount, currency: format_money(amount, currency), day=shown.show_day, moment=shown.show_moment)
    made.globals.update(sparkline=shown.sparkline, time_left=shown.time_left, version_of=_asset_version)
    return made


def _asset_version(name: str) -> str:
    """Changes with the file, so that a browser's copy may stay."""
    return f"/static/{name}?v={int((FOLDER / 'static' / name).stat().st_mtime)}"


def page(inbox: Inbox, ask: Ask, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """A page from `template` with what all pages know."""
    text = inbox.templates.get_template(template).render(
        ask=ask, person=ask.visitor.person, csrf=ask.visitor.csrf, policy=inbox.policy, now=inbox.now(), is_sandbox=inbox.settings.is_sandbox, **values
    )
    return HTMLResponse(text, status)


def error_page(inbox: Inbox, ask: Ask, error: VimError, *, status: int | None = None, **values: Any) -> HTMLResponse:
    """What happened, why, and what to do. The text of an error never holds a secret."""
    return page(inbox, ask, "error.html", status=status or STATUS.get(error.code, 400), error=error, **({"request_id": None} | values))


def seen_other(path: str) -> RedirectResponse:
    """After a POST: to `path`, a path of ours."""
    return RedirectResponse(path, 303)


def make_route(inbox: Inbox, limiter: Callable[[], anyio.CapacityLimiter], path: str, handler: Handler, method: str = "GET", *, is_open: bool = False) -> Route:
    """A route to `handler`; only those that are `is_open` answer without a login."""

    async def endpoint(request: Request) -> Response:
        body = await request.body() if method == "POST" else b""
        return await anyio.to_thread.run_sync(_answer, inbox, request, handler, body, method, is_open, limiter=limiter())

    return Route(path, endpoint, methods=[method], name=f"{method} {path}")


def _answer(inbox: Inbox, request: Request, handler: Handler, body: bytes, method: str, is_open: bool) -> Response:
    cookie = request.cookies.get(COOKIE)
    visitor = inbox.sessions.visitor(cookie, trusted_login=trusted_login(inbox, request))
    form: dict[str, list[str]] = {}
    ask = Ask(visitor, request.url.path, dict(request.path_params), request.query_params, form, request.headers.get("hx-request") == "true")
    try:
        if method == "POST":
            form.update(_form(request.headers.get("content-type", ""), body))
            if not inbox.sessions.has_token(visitor, ask.field("csrf")):
                raise known_error("VIM-E132")
        if visitor.person is None and not is_open:
            response: Response = _to_login(request, ask)
        else:
            response = handler(inbox, ask)
    except VimError as error:
        response = error_page(inbox, ask, error)
    except Exception as error:
        response = error_page(inbox, ask, unexpected(error, request.scope["path"]))
    new_cookie = ask.new_cookie or (inbox.sessions.anonymous_cookie(visitor.sid) if visitor.is_new else None)
    if new_cookie is not None:
        set_cookie(request, response, new_cookie)
    return response


def _to_login(request: Request, ask: Ask) -> Response:
    target = request.url.path + (f"?{request.url.query}" if request.url.query else "") if request.method == "GET" else "/"
    response = seen_other("/login" if target == "/" else f"/login?next={quote(target, safe='/')}")
    if ask.is_fragment:  # htmx would put the login form into a part of the page
        response.headers["hx-redirect"] = response.headers["location"]
        response.status_code = 200
    return response


def known_error(code: str) -> VimError:
    """One of the errors that have always the same words."""
    what, why, fix = WORDS[code]
    return VimError(code, what, why=why, fix=fix)


def unexpected(error: Exception, path: str) -> VimError:
    """For the visitor a reference, for the log where it happened. Neither has the error's own words: a database driver puts values into them."""
    reference = secrets.token_hex(4)
    where = "".join(traceback.format_tb(error.__traceback__))
    LOG.error("unexpected %s at %s, reference %s\n%s", type(error).__name__, path.split("/")[1] if "/" in path else "", reference, where)
    return VimError("VIM-E099", "Something went wrong here", why="Nothing was decided by it", fix=f"Try again; if it stays, name this reference: {reference}")


def _form(content_type: str, body: bytes) -> dict[str, list[str]]:
    if content_type.partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise known_error("VIM-E132")
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except (UnicodeDecodeError, ValueError):
        raise known_error("VIM-E132") from None
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value.replace("\x00", "").replace("\r\n", "\n"))
    return found


def set_cookie(request: Request, response: Response, value: str) -> None:
    """The session's cookie: not for scripts, not for other sites, and over TLS only unless this is the same machine."""
    is_local = is_loopback(host_of(request.headers.get("host", "")))
    response.set_cookie(COOKIE, value, max_age=SESSION_HOURS * 3600, httponly=True, samesite="lax", secure=not is_local, path="/")


def trusted_login(inbox: Inbox, request: Request) -> str | None:
    """What a proxy on this machine says of who is asking; None unless the installation names the header to believe."""
    name = inbox.settings.inbox_proxy_header
    if not name or request.client is None or not is_loopback(request.client.host):
        return None
    return request.headers.get(name) or None
