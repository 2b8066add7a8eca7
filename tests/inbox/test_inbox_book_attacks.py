"""Attacks on the book behind the login: by names, links, methods and caches, by old rights, and while one book takes another's place."""

from __future__ import annotations

import json
import time

import pytest
from inbox_world import NOW, Browser

from vim_pipelines.approvals.people import add_person, deactivate
from vim_pipelines.approvals.policy import load_policy
from vim_pipelines.inbox import book_pages
from vim_pipelines.inbox.guard import host_of
from vim_pipelines.inbox.sessions import COOKIE

PAGES = {"index.html": "the portfolio", "accounts/big.html": "big account", "accounts/small.html": "small account", "assets/book.js": "script"}


def shelve(settings, name, *, big="enterprise", pages=PAGES):
    """A book in a folder of its own."""
    shelf = settings.home / ".books" / name
    for path, text in pages.items():
        (shelf / path).parent.mkdir(parents=True, exist_ok=True)
        (shelf / path).write_text(text)
    access = {"accounts/big.html": {"segment": big, "name": "Big"}, "accounts/small.html": {"segment": "smb", "name": "Small"}}
    (shelf / "access.json").write_text(json.dumps(access))
    return shelf


def show(settings, shelf):
    """Make it the book, in one step."""
    link = settings.home / ".link"
    link.symlink_to(shelf, target_is_directory=True)
    link.replace(settings.home / "book")


@pytest.fixture
def book(settings):
    shelf = shelve(settings, "abc")
    show(settings, shelf)
    return shelf


# --- names and links ------------------------------------------------------------------------------------------------


def test_a_link_within_the_book_is_no_second_name_of_a_page(sam, dora, book):
    """Rights are judged by the name: a name that leads to another page would lend that page its own rights."""
    (book / "accounts/big.html").unlink()
    (book / "accounts/big.html").symlink_to("../index.html")
    (book / "csm").symlink_to("accounts", target_is_directory=True)
    for person in (sam, dora):
        answer = person.get("/book/accounts/big.html")
        assert answer.status_code == 404 and "portfolio" not in answer.text
        assert person.get("/book/csm/small.html").status_code in (403, 404)


@pytest.mark.parametrize(
    "path",
    ["%252e%252e/operations.db", "%2e%2e%2foperations.db", "assets%2f..%2findex.html", "assets/%2e%2e/index.html", "assets/..%5cindex.html", "index.html%00.css", "%c0%ae%c0%ae/index.html",
     "INDEX.HTML", "index.html%20", "index.html.", "index.html;x", "assets/", "assets", "%2findex.html", "a/" * 500, "%ef%bc%a9ndex.html", ".lock",
     "new-1/index.html", "accounts/con.html", "access.json%0a", "assets/access.json"],
)  # fmt: skip
def test_no_other_spelling_of_a_path_gives_a_page(sam, dora, book, path):
    for person in (sam, dora):
        answer = person.http.get(f"http://localhost/book/{path}", follow_redirects=False)
        assert answer.status_code in (303, 403, 404) and answer.text not in PAGES.values() and "segment" not in answer.text.replace("segments", "")


def test_a_question_of_any_length_changes_nothing(sam, book):
    for query in ("a=1&" * 5000, "x" * 60_000, "path=index.html", "segment=smb"):
        assert "the portfolio" not in sam.get(f"/book/index.html?{query}").text


# --- rights ---------------------------------------------------------------------------------------------------------


def test_rights_go_with_the_book_also_where_every_night_has_the_same_folder(sam, settings):
    """Where no links can be made the pages are moved into `book` itself; so they are by whoever copies a home folder."""
    shelve(settings, "abc").rename(settings.home / "book")
    assert sam.get("/book/accounts/big.html").text == "big account"
    (settings.home / "book/access.json").unlink()
    (settings.home / "book").rename(settings.home / "old")
    shelve(settings, "abc", big="smb").rename(settings.home / "book")
    assert sam.get("/book/accounts/big.html").status_code == 403


def test_without_a_list_of_whose_the_pages_are_they_are_nobodys(sam, dora, book, caplog):
    """A book that was half written or half copied: not a page, and not an error without words."""
    for damage in ('{"accounts/big.html": {"segm', None):
        (book / "access.json").unlink()
        if damage:
            (book / "access.json").write_text(damage)
        for person in (sam, dora):
            answer = person.get("/book/accounts/big.html")
            assert answer.status_code == 404 and "VIM-E177" in answer.text and "vimotion book" in answer.text
    assert not caplog.records


def test_a_right_that_was_taken_is_gone_at_the_next_click(dora, store, book):
    assert dora.get("/book/").text == "the portfolio"
    tag = {"If-None-Match": "*", "If-Modified-Since": "Wed, 21 Oct 2099 07:28:00 GMT"}
    again = dora.get("/book/", headers=tag)
    assert again.status_code == 200 and not {"etag", "last-modified", "accept-ranges"} & set(again.headers)  # nothing to ask a cache about
    add_person(store, load_policy(), "dora", name="Dora", role="director", segments=["smb"], by="test", now=NOW)
    assert dora.get("/book/accounts/big.html", headers=tag).status_code == 403 and "portfolio" not in dora.get("/book/", headers=tag).text.replace(
        "whole portfolio", ""
    )
    deactivate(store, "dora", now=NOW)
    for path in ("", *PAGES):
        assert dora.get(f"/book/{path}").headers["location"].startswith("/login"), path
    assert dora.log_in("dora").status_code == 401


def test_after_logout_no_page_is_in_any_cache(dora, book):
    """`no-store`: the back button asks the server again. Style and scripts name nobody, and only this browser may keep them."""
    for path in ("", "index.html", "accounts/big.html", "nothing.html"):
        assert dora.get(f"/book/{path}").headers["cache-control"] == "no-store", path
    assert dora.get("/book/assets/book.js").headers["cache-control"] == "private, max-age=600"
    dora.post("/logout", {})
    assert dora.get("/book/").headers["location"].startswith("/login")


def test_an_old_or_a_made_up_session_reads_no_page(app, dora, book, monkeypatch):
    cookie = dora.http.cookies[COOKIE]
    for value in (cookie[:-3] + "AAA", "e30." + cookie.split(".", 1)[1], ""):
        thief = Browser(app)
        thief.http.cookies.set(COOKIE, value)
        assert thief.get("/book/index.html").headers["location"].startswith("/login")
    later = time.time() + 8 * 3600 + 5
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: later)
    assert dora.get("/book/index.html").headers["location"].startswith("/login")


def test_only_reading_is_a_way_to_ask_for_a_page(app, dora, sam, book):
    head = dora.http.head("/book/index.html")
    assert head.status_code == 200 and head.content == b""
    assert sam.http.head("/book/accounts/small.html").status_code == 403 and Browser(app).http.head("/book/").status_code == 303
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"):
        answer = dora.http.request(method, "/book/index.html")
        assert answer.status_code in (403, 405) and "the portfolio" not in answer.text, method
    part = dora.get("/book/index.html", headers={"Range": "bytes=0-2", "X-HTTP-Method-Override": "DELETE"})
    assert part.status_code == 200 and part.text == "the portfolio"


# --- one book takes another's place ---------------------------------------------------------------------------------


def test_rights_and_page_are_of_the_same_night(sam, settings, monkeypatch):
    """Between the look at the rights and the reading of the page another book takes the place of the first."""
    first, second = shelve(settings, "one"), shelve(settings, "two", big="smb", pages=PAGES | {"accounts/big.html": "another segment's now"})
    show(settings, first)
    original = book_pages.read_access

    def then_switched(root):
        found = original(root)
        show(settings, second)
        return found

    monkeypatch.setattr(book_pages, "read_access", then_switched)
    assert sam.get("/book/accounts/big.html").text == "big account"
    assert sam.get("/book/accounts/big.html").status_code == 403


def test_a_book_that_is_thrown_away_under_the_reader_gives_the_next_one(dora, settings, monkeypatch):
    first, second = shelve(settings, "one"), shelve(settings, "two", pages=PAGES | {"index.html": "the next portfolio"})
    show(settings, first)
    original = book_pages.read_access

    def then_gone(root):
        found = original(root)
        if first.is_dir():
            show(settings, second)
            first.rename(settings.home / "old-one")
        return found

    monkeypatch.setattr(book_pages, "read_access", then_gone)
    answer = dora.get("/book/index.html")
    assert (answer.status_code, answer.text) == (200, "the next portfolio")


# --- names of hosts -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "host"),
    [("localhost", "localhost"), ("LOCALHOST:80", "localhost"), ("[::1]:8321", "::1"), ("[::1]", "::1"), ("127.0.0.1:1", "127.0.0.1"), ("inbox.example.", "inbox.example."),
     *[(text, "") for text in ("localhost:x@evil.example", "localhost:80@evil.example", "localhost:80.evil.example", "[::1].evil.example", "[::1]x@evil.example", "localhost:", "localhost/x",
                               "localhost\\x:1", "localhost?x:1", "a@localhost", "localhost#:1", "", ":80", "local host", "localhost, evil", "localhost:999999")]],
)  # fmt: skip
def test_a_host_is_a_name_and_a_port_and_nothing_else(header, host):
    assert host_of(header) == host
