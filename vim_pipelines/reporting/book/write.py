"""Writes the book: all pages to a folder of their own, then one switch, so that nobody reads half of it.

`<home>/book` is a link to `<home>/.books/<digest of the pages>`. What a reader has open stays readable: the book before is kept until the next.
The same marts give the same pages, and then nothing is written at all. One writer at a time (a lock on the shelf): a second one would clear
away, as somebody's rest, what the first is about to show.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vim_pipelines.core.errors import VimError
from vim_pipelines.reporting.book.access import ACCESS
from vim_pipelines.reporting.book.pages import FOLDER, Page, render_book
from vim_pipelines.reporting.book.read import read_book
from vim_pipelines.reporting.figures import NightFigures

if TYPE_CHECKING:
    from vim_pipelines.warehouse import Session


#: What the folder of a book is called while it is written, and while it is thrown away.
NEW, OLD = "new-", "old-"


@dataclass(frozen=True)
class Book:
    """What was written: the folder, the as-of date, and how much. `is_new` is False where the same book stood there already."""

    path: Path
    as_of_date: date
    accounts: int
    pages: int
    size_bytes: int
    is_new: bool
    figures: NightFigures

    @property
    def index(self) -> Path:
        """The page to open."""
        return self.path / "index.html"


def write_book(
    session: Session, directory: Path, *, as_of: date | None = None, evaluations: Path | None = None, inbox_url: str = "", keep_before: bool = True
) -> Book:
    """The book of `as_of` (default: the newest night) in `directory`. VIM-E024 without such a night, VIM-E175 where the folder cannot be written.

    `keep_before` False: the book before goes too, whoever reads it (the erasure of a person).
    """
    data = read_book(session, as_of, evaluations)
    with _writing(directory) as shelf:
        new = shelf / f"{NEW}{os.getpid()}"
        try:
            count, size, digest = _write_pages(new, render_book(data, session.rows, inbox_url=inbox_url))
            final = shelf / digest
            is_new = not final.is_dir()
            if is_new:
                new.rename(final)
        finally:
            shutil.rmtree(new, ignore_errors=True)
        _switch(directory, final, keep_before=keep_before)
    return Book(directory, data.night, len(data.accounts), count, size, is_new, data.figures)


def remove_book(directory: Path) -> None:
    """No book, and none of those before. VIM-E175 where the folder cannot be written."""
    with _writing(directory) as shelf:
        if directory.is_symlink():
            directory.unlink()
        elif directory.is_dir():
            directory.rename(shelf / f"{OLD}{os.getpid()}")
        for book in shelf.iterdir():
            _remove(book)


@contextmanager
def _writing(directory: Path) -> Iterator[Path]:
    """The shelf of the books of `directory`, for this writer alone. What writers that were killed left on it is cleared away first."""
    shelf = directory.parent / f".{directory.name}s"
    try:
        shelf.mkdir(parents=True, exist_ok=True)
        handle = os.open(shelf, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            for rest in [*shelf.glob(f"{NEW}*"), *shelf.glob(f"{OLD}*")]:
                shutil.rmtree(rest, ignore_errors=True)
            yield shelf
        finally:
            os.close(handle)
    except OSError as error:
        raise VimError(
            "VIM-E175",
            f"The book cannot be written to {directory}",
            why=error.strerror or type(error).__name__,
            fix="Make the folder writable, or free space, and run vimotion book",
        ) from error


def _write_pages(folder: Path, pages: Any) -> tuple[int, int, str]:
    """All files into `folder`: number of pages, bytes, and the digest of everything."""
    seen = hashlib.sha256()
    access: dict[str, dict[str, str | None]] = {}
    count = size = 0
    (folder / "assets").mkdir(parents=True)
    for name, content in _assets():
        _write(folder / "assets" / name, content, seen)
        size += len(content)
    for page in pages:
        content = page.text.encode("utf-8")
        _write(folder / page.path, content, seen)
        count, size = count + 1, size + len(content)
        if page.account_name is not None:
            access[page.path] = {"segment": page.segment, "name": page.account_name}
    _write(folder / ACCESS, json.dumps(access, sort_keys=True).encode("utf-8"), seen)
    return count, size, seen.hexdigest()[:16]


def _write(path: Path, content: bytes, seen: Any) -> None:
    if not path.parent.is_dir():
        path.parent.mkdir(parents=True)
    path.write_bytes(content)
    seen.update(f"{path.name}:{len(content)}:".encode() + content)


def _assets() -> list[tuple[str, bytes]]:
    """Style, scripts and icon; Vega, Vega-Lite and Vega-Embed are the bundle that the converter carries, written once for all pages."""
    import vl_convert

    bundle: Any = vl_convert.javascript_bundle  # its types ask for a snippet, which it does not need
    own = [(file.name, file.read_bytes()) for file in sorted((FOLDER / "static").iterdir()) if file.is_file()]
    return [*own, ("vega.js", bundle().encode("utf-8"))]


def _switch(directory: Path, final: Path, *, keep_before: bool) -> None:
    """`directory` shows `final` from one moment to the next. Where links cannot be made (Windows without the right), the folder itself is moved in."""
    before = directory.resolve() if directory.is_symlink() and keep_before else None
    link = directory.parent / f".{directory.name}.{os.getpid()}.link"
    link.unlink(missing_ok=True)
    try:
        link.symlink_to(os.path.relpath(final, directory.parent), target_is_directory=True)
    except OSError:
        _move_in(directory, final)
        return
    if directory.is_dir() and not directory.is_symlink():  # a folder that something else made
        directory.rename(final.parent / f"{OLD}{os.getpid()}")
    link.replace(directory)
    for other in final.parent.iterdir():
        if other not in (final, before):
            _remove(other)


def _remove(book: Path) -> None:
    """Under another name first: a book that lost half its pages to a killed process must not be taken for whole by the name of its content."""
    gone = book if book.name.startswith(OLD) else book.with_name(f"{OLD}{book.name}")
    if gone != book:
        book.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def _move_in(directory: Path, final: Path) -> None:
    old = final.parent / f"{OLD}moved"
    shutil.rmtree(old, ignore_errors=True)
    if directory.exists():
        directory.rename(old)
    shutil.copytree(final, directory)


__all__ = ["ACCESS", "Book", "Page", "remove_book", "write_book"]
