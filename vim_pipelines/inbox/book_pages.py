"""The portfolio book behind the inbox's login: the files of `<home>/book`, each only to who may see the accounts that it shows.

A person who is limited to segments reads the pages of his segments' accounts and a list of them; pages that show the whole portfolio, a
manager or the rows behind a figure name accounts of every segment, and are refused him.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path

from starlette.responses import RedirectResponse, Response

from vim_pipelines.core.errors import VimError
from vim_pipelines.inbox.order import may_see
from vim_pipelines.inbox.web import Ask, Inbox, known_error, page
from vim_pipelines.reporting.book.access import ACCESS

TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
#: What a page of the book is called. Rights are judged by the name as it stands, so no name may have a second spelling (`assets/../index.html`).
NAME = re.compile(r"(?:[a-z]+/)?[a-z0-9_-]+\.(?:html|css|js|svg)", re.ASCII)
#: Style and scripts, the same for everyone: a browser may keep them while somebody reads. Pages never (the inbox's rule).
ASSETS, ASSET_SECONDS = "assets/", 600


def to_book(inbox: Inbox, ask: Ask) -> Response:
    """`/book` has no place for the links inside a page."""
    return RedirectResponse("/book/", 307)


def show_book(inbox: Inbox, ask: Ask) -> Response:
    """One file of the book. VIM-E177 before there is one, VIM-E176 for pages beyond the person's segments, VIM-E136 for what is no page."""
    root = inbox.settings.book_dir.resolve()
    if not (root / "index.html").is_file():
        raise VimError("VIM-E177", "There is no book yet", why="No audit has written one in this home folder", fix="Run vimotion audit, or vimotion book")
    asked = ask.params["path"] or "index.html"
    if not NAME.fullmatch(asked):
        raise known_error("VIM-E136")
    segments_of = read_access(root)
    if ask.visitor.actor.segments and not asked.startswith(ASSETS):
        if asked == "index.html":
            mine = sorted((one["name"], path) for path, one in segments_of.items() if may_see(ask.visitor.actor, one["segment"]))
            return page(inbox, ask, "book.html", accounts=mine)
        if asked not in segments_of or not may_see(ask.visitor.actor, segments_of[asked]["segment"]):
            raise VimError(
                "VIM-E176",
                "This page of the book is not yours to see",
                why="It shows accounts of segments that are not yours",
                fix="Open /book/ for the accounts that are",
            )
    # What leads out of the folder, by .. or by a link, is no page of it; neither is a file of another kind (the list of rights).
    try:
        file = (root / asked).resolve()
        is_page = file.is_relative_to(root) and file.is_file() and file.suffix in TYPES
    except (OSError, ValueError):  # a name that no file can have
        is_page = False
    if not is_page:
        raise known_error("VIM-E136")
    headers = {"cache-control": f"private, max-age={ASSET_SECONDS}"} if asked.startswith(ASSETS) else {}
    return Response(file.read_bytes(), media_type=TYPES[file.suffix], headers=headers)


@lru_cache(maxsize=4)
def read_access(root: Path) -> dict[str, dict[str, str | None]]:
    """Name and segment of each account's page. A book's folder is named by what is in it, so that this never goes stale."""
    found: dict[str, dict[str, str | None]] = json.loads((root / ACCESS).read_text(encoding="utf-8"))
    return found
