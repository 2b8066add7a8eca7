"""The book behind the inbox's login: who may read which page, and that nothing but the book is served."""

from __future__ import annotations

import json

import pytest
from inbox_world import Browser

PAGES = {
    "index.html": "the portfolio", "renewals.html": "renewals", "rows/accounts.html": "rows", "csm/ada.html": "a manager", "accounts/big.html": "big account",
    "accounts/small.html": "small account", "accounts/none.html": "account without a segment", "assets/book.js": "script", "assets/book.css": "style",
}  # fmt: skip
ACCESS = {
    "accounts/big.html": {"segment": "enterprise", "name": "Big <b>Corp</b>"}, "accounts/small.html": {"segment": "smb", "name": "Small"},
    "accounts/none.html": {"segment": None, "name": "None"},
}  # fmt: skip


@pytest.fixture
def book(settings):
    shelf = settings.home / ".books" / "abc"
    for name, text in PAGES.items():
        (shelf / name).parent.mkdir(parents=True, exist_ok=True)
        (shelf / name).write_text(text)
    (shelf / "access.json").write_text(json.dumps(ACCESS))
    (settings.home / "book").symlink_to(".books/abc", target_is_directory=True)
    (settings.home / "secret.html").write_text("secret")
    (shelf / "out.html").symlink_to(settings.home / "secret.html")
    return shelf


def test_without_a_login_there_is_no_page(app, book):
    for path in ("", *PAGES, "access.json"):
        answer = Browser(app).get(f"/book/{path}")
        assert answer.status_code == 303 and answer.headers["location"].startswith("/login?next=/book/"), path


def test_who_has_no_limits_reads_the_whole_book(dora, book):
    assert dora.get("/book").headers["location"] == "/book/"
    assert dora.get("/book/").text == "the portfolio"
    for path, text in PAGES.items():
        answer = dora.get(f"/book/{path}")
        assert (answer.status_code, answer.text) == (200, text), path
        assert answer.headers["content-security-policy"].startswith("default-src 'self';"), path
    assert dora.get("/book/index.html").headers["cache-control"] == "no-store"
    assert dora.get("/book/assets/book.js").headers["content-type"].startswith("text/javascript")


def test_a_person_with_limits_reads_his_segments_accounts_and_nothing_else(sam, book):
    """sam: enterprise only. What names accounts of other segments is refused, whatever it is called."""
    home = sam.get("/book/")
    assert "Big &lt;b&gt;Corp" in home.text and "/book/accounts/big.html" in home.text and "small" not in home.text
    assert sam.get("/book/accounts/big.html").text == "big account"
    assert sam.get("/book/assets/book.css").status_code == 200
    for path in set(PAGES) - {"index.html", "accounts/big.html", "assets/book.js", "assets/book.css"} | {"accounts/nobody.html"}:
        answer = sam.get(f"/book/{path}")
        assert answer.status_code == 403 and "VIM-E176" in answer.text, path


@pytest.mark.parametrize(
    "path",
    ["access.json", "../secret.html", "..%2Fsecret.html", "%2e%2e/secret.html", "accounts/../../secret.html", "assets/../access.json", "assets/..%2faccess.json", "/etc/passwd",
     "%2Fetc%2Fpasswd", "out.html", "..%5csecret.html", "nothing.html", "%00", "a%00.html", "x" * 5000 + ".html", "accounts", "accounts/"],
)  # fmt: skip
def test_nothing_but_the_book_is_served(dora, sam, book, path):
    for person in (dora, sam):
        answer = person.http.get(f"http://localhost/book/{path}", follow_redirects=False)
        assert answer.status_code in (403, 404) and "secret" not in answer.text.replace("secret.html", "") and "root:" not in answer.text, path


def test_the_way_past_the_limits_through_assets_is_closed(sam, book):
    for path in (
        "assets/../index.html",
        "assets/..%2findex.html",
        "assets/%2e%2e/accounts/small.html",
        "assets/..%2faccounts%2fsmall.html",
        "./index.html/",
        "accounts//small.html",
    ):
        answer = sam.http.get(f"http://localhost/book/{path}", follow_redirects=False)
        assert answer.text not in PAGES.values(), path


def test_before_the_first_audit_the_page_says_what_to_do(dora):
    answer = dora.get("/book/")
    assert answer.status_code == 404 and "VIM-E177" in answer.text and "vimotion audit" in answer.text


def test_the_header_leads_to_the_book(dora):
    assert 'href="/book/"' in dora.get("/help").text
