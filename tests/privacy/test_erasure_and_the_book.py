"""The portfolio book after an erasure: it names the person in no text, no link, no file name, and no older book is left."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "reporting"))

from small_marts import BEFORE, CUSTOMERS, NIGHT, fill, make_marts

from vim_pipelines.approvals.people import add_person
from vim_pipelines.approvals.policy import Actor, load_policy
from vim_pipelines.privacy.erase import _rewrite_book, erase
from vim_pipelines.reporting.book.write import write_book
from vim_pipelines.reporting.publish import publish
from vim_pipelines.reporting.reading import reading_marts
from vim_pipelines.settings import Settings
from vim_pipelines.store import open_store
from vim_pipelines.warehouse import open_warehouse

NOW = datetime(2026, 6, 29, 6, 0)
NAME, MAIL = "Zoë O'Neil", "zoe.o'neil@vendor.example"
SPELLED = ("zoë o'neil", "zoë o&#39;neil", "zoë o&#x27;neil", "zo\\u00eb", "neil-", "o'neil@", "o&#39;neil")


def of_home(settings: Settings) -> list[str]:
    """Names of files, and files whose bytes name the person, in any spelling."""
    found = []
    for path in settings.home.rglob("*"):
        if "neil" in path.name.casefold():
            found.append(f"name of {path.name}")
        if path.is_file():
            text = path.read_bytes().decode("utf-8", errors="ignore").casefold()
            found += [f"{path.relative_to(settings.home)}: {spelled}" for spelled in SPELLED if spelled in text]
    return found


def test_the_book_names_an_erased_manager_nowhere(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", portfolio=tmp_path / "portfolio.yaml")
    settings.home.mkdir()
    make_marts(settings.warehouse_path)
    warehouse = open_warehouse(settings)
    fill(warehouse, customers=tuple((*one[:3], NAME if one[3] == "Ada Moss" else one[3], *one[4:]) for one in CUSTOMERS), nights=(BEFORE, NIGHT))  # type: ignore[arg-type]
    publish(warehouse, settings.published_dir)
    for address in ("http://127.0.0.1:1", "http://127.0.0.1:2"):  # two books: the one before is kept for its readers
        with reading_marts(settings) as session:
            write_book(session, settings.book_dir, inbox_url=address)
    pages = settings.home / "data_docs"
    pages.mkdir()
    (pages / "index.html").write_text("<td>Zoë O&#39;Neil</td><td>Zo&euml; Moss, Joann O&#x27;Neilson, zoe.o&#39;neil@vendor.example</td>", encoding="utf-8")
    (pages / "night.json").write_text('{"csm": "Zo\\u00eb O\'Neil", "other": "Ben Ortiz"}', encoding="utf-8")
    store = open_store(settings)
    add_person(store, load_policy(None), "zoe", name=NAME, role="csm", email=MAIL, by="ops", now=NOW)
    assert any(one.startswith("name of") for one in of_home(settings))
    erase(settings, store, MAIL, by=Actor("ops", "operator", "cli"), note="request 17", now=NOW)
    store.engine.dispose()
    assert of_home(settings) == []
    assert list((settings.home / ".books").iterdir()) == [settings.book_dir.resolve()] and "Ben Ortiz" in (settings.book_dir / "index.html").read_text()
    assert "O&#x27;Neilson" in (pages / "index.html").read_text(encoding="utf-8") and "Ben Ortiz" in (pages / "night.json").read_text(encoding="utf-8")


def test_where_no_night_can_be_shown_there_is_no_book_rather_than_the_old_one(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    (tmp_path / ".books" / "abc" / "csm").mkdir(parents=True)
    (tmp_path / ".books" / "abc" / "csm" / "zoe.html").write_text(NAME, encoding="utf-8")
    settings.book_dir.symlink_to(".books/abc", target_is_directory=True)
    _rewrite_book(settings)
    assert list((tmp_path / ".books").iterdir()) == [] and not settings.book_dir.is_symlink()
    _rewrite_book(settings)  # there is none: none is made
    assert not settings.book_dir.exists()
