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
#: Times that a page is looked for while one book takes another's place.
TRIES = 3


def to_book(inbox: Inbox, ask: Ask) -> Response:
    """`/book` has no place for the links inside a page."""
    return RedirectResponse("/book/", 307)


def show_book(inbox: Inbox, ask: Ask) -> Response:
    """One file of the book. VIM-E177 before there is one, VIM-E176 for pages beyond the person's segments, VIM-E136 for what is no page."""
    asked = ask.params["path"] or "index.html"
    for _ in range(TRIES):
        root = inbox.settings.book_dir.resolve()
        if not (root / "index.html").is_file():
            raise VimError("VIM-E177", "There is no book yet", why="No audit has written one in this home folder", fix="Run vimotion audit, or vimotion book")
        try:
            return _page_of(root, inbox, ask, asked)
        except FileNotFoundError:  # two new books since its folder was looked up; from one folder come both the rights and the page
            continue
    raise known_error("VIM-E136")


def _page_of(root: Path, inbox: Inbox, ask: Ask, asked: str) -> Response:
    if not NAME.fullmatch(asked):
        raise known_error("VIM-E136")
    segments_of = read_access(root)
    if ask.visitor.actor.segments and not asked.startswith(ASSETS):
        if asked == "index.html":
            mine = sorted((one["name"] or "", path) for path, one in segments_of.items() if may_see(ask.visitor.actor, one["segment"]))
            return page(inbox, ask, "book.html", accounts=mine)
        if asked not in segments_of or not may_see(ask.visitor.actor, segments_of[asked]["segment"]):
            raise VimError(
                "VIM-E176",
                "This page of the book is not yours to see",
                why="It shows accounts of segments that are not yours",
                fix="Open /book/ for the accounts that are",
            )
    # What leads anywhere else, by a link in the folder or of it, is no page: rights are judged by the name, so a name must be the file itself.
    file = root / asked
    try:
        is_page = file.resolve() == file and file.is_file() and file.suffix in TYPES
    except (OSError, ValueError):  # a name that no file can have
        is_page = False
    if not is_page:
        if not root.is_dir():
            raise FileNotFoundError(root)
        raise known_error("VIM-E136")
    headers = {"cache-control": f"private, max-age={ASSET_SECONDS}"} if asked.startswith(ASSETS) else {}
    return Response(file.read_bytes(), media_type=TYPES[file.suffix], headers=headers)


def read_access(root: Path) -> dict[str, dict[str, str | None]]:
    """Name and segment of each account's page. VIM-E177 for a book without such a list: whose pages they are is not known, so they are nobody's."""
    file = root / ACCESS
    try:
        about = file.stat()
        return _access(file, about.st_ino, about.st_mtime_ns, about.st_size)
    except (FileNotFoundError, ValueError):
        if not root.is_dir():
            raise
        raise VimError("VIM-E177", "The book is not whole", why="It has no list of whose its pages are", fix="Run vimotion book") from None


@lru_cache(maxsize=4)
def _access(file: Path, _inode: int, _modified: int, _size: int) -> dict[str, dict[str, str | None]]:
    """Read once for each book. By the file and not by the folder's name: where no links can be made, every night's book has the same folder."""
    found: dict[str, dict[str, str | None]] = json.loads(file.read_text(encoding="utf-8"))
    return found
