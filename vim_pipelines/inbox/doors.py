"""Coming in and going out: login, logout, and the links of messages, which only open."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote

from starlette.responses import PlainTextResponse, Response

from vim_pipelines.core.errors import VimError
from vim_pipelines.inbox.sessions import local_path, log_in
from vim_pipelines.inbox.web import Ask, Inbox, error_page, known_error, page, seen_other


def show_login(inbox: Inbox, ask: Ask) -> Response:
    """The login form."""
    target = local_path(ask.query.get("next"))
    return seen_other(target) if ask.visitor.person is not None else page(inbox, ask, "login.html", target=target, error=None, login="")


def do_login(inbox: Inbox, ask: Ask) -> Response:
    """Check name and password; a new session id either way somebody was before."""
    target, login = local_path(ask.field("next")), ask.field("login").strip()
    # Not the house's clock: the sandbox's stands still, and a wait of a quarter of an hour would never end.
    result = log_in(inbox.store, login, ask.field("password"), datetime.now(UTC).replace(tzinfo=None))
    if isinstance(result, int):
        error = VimError(
            "VIM-E131",
            "There were too many attempts for this name",
            why="Guessing passwords is slowed down",
            fix=f"Wait {result} minutes, or let whoever runs the system set a new password",
        )
        return page(inbox, ask, "login.html", status=429, target=target, error=error, login=login)
    if result is None:
        error = VimError("VIM-E130", "Name or password is wrong", fix="Try again; passwords are set with 'vimotion inbox people add'")
        return page(inbox, ask, "login.html", status=401, target=target, error=error, login=login)
    ask.new_cookie = inbox.sessions.begin(result.login)
    return seen_other(target)


def do_logout(inbox: Inbox, ask: Ask) -> Response:
    """End every session of the person."""
    inbox.sessions.end_all(ask.person.login, inbox.now())
    ask.new_cookie = inbox.sessions.anonymous_cookie("")
    return seen_other("/login")


def open_link(inbox: Inbox, ask: Ask) -> Response:
    """A link from a message: shows the item to the person whom it was made for. It decides nothing, however often it is opened."""
    from vim_pipelines.approvals.links import read_link

    try:
        link = read_link(inbox.settings, ask.params["token"])
    except VimError as error:
        return error_page(inbox, ask, error, status=400)
    if ask.visitor.person is None:
        return seen_other(f"/login?next={quote(ask.path, safe='/')}")
    if link.login != ask.person.login:
        return error_page(inbox, ask, known_error("VIM-E136"))
    return seen_other(f"/requests/{quote(link.request_id, safe='')}?read={link.version}")


def health(_inbox: Inbox, _ask: Ask) -> Response:
    """For a load balancer: the process answers."""
    return PlainTextResponse("ok\n")


def show_help(inbox: Inbox, ask: Ask) -> Response:
    """Keys, and what the answers mean."""
    return page(inbox, ask, "help.html")
