"""Attacks on what the book is made of: every text of every mart is hostile at once, writers die or meet, keys carry quotes into queries."""

from __future__ import annotations

import json
import re
import shutil
import threading
from email import message_from_bytes

import pytest
from book_html import Tags
from small_marts import CUSTOMERS, contracts, furnish

from vim_pipelines.reporting.book import write
from vim_pipelines.reporting.book.charts import bars, spec_of, svg_of
from vim_pipelines.reporting.book.pages import Page, sql_text
from vim_pipelines.reporting.book.write import ACCESS, write_book
from vim_pipelines.reporting.digest.content import digest_of
from vim_pipelines.reporting.digest.mail import digest_mail
from vim_pipelines.reporting.digest.slack import digest_blocks
from vim_pipelines.reporting.figures import read_figures

URL = "http://127.0.0.1:8321"
#: Ends of a script, an attribute, a template, a query and a line, and characters that no SVG and no JavaScript literal can hold.
POISON = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{7*7}}\u2028\x00\x0b\ufffe\u202e\r\nBcc: v@example.com<!channel>`;--\\"
#: Codes that the pages compute with, and JSON.
KEPT = {"portfolio_currency", "currency", "open_overlays"}
#: What the pages and the digest read.
READ = (
    "fct_account_signals", "fct_license_waste", "fct_renewals", "fct_account_weeks", "fct_risks", "fct_health_scores", "fct_health_contributions", "fct_account_state",
    "fct_requirements", "fct_next_best_actions", "fct_plans", "fct_approvals", "fct_alerts", "fct_llm_costs", "fct_data_quality", "fct_portfolio_daily", "fct_plan_outcomes",
    "fct_plan_outcome_counts", "fct_plan_effects", "fct_phase_transitions",
)  # fmt: skip


def read(folder):
    return {str(file.relative_to(folder.resolve())): Tags(file.read_text(encoding="utf-8")) for file in folder.resolve().rglob("*.html")}


@pytest.fixture(scope="module")
def marts_with_all(made_marts, tmp_path_factory):
    """Two nights with something in every part of the pages."""
    from vim_pipelines.warehouse.duckdb import DuckDBWarehouse

    path = tmp_path_factory.mktemp("attacks") / "vim.duckdb"
    shutil.copy(made_marts / "two_nights.duckdb", path)
    return furnish(DuckDBWarehouse(path))


@pytest.fixture(scope="module")
def books(marts_with_all, tmp_path_factory):
    """The book of the marts as they are, and of the same with every text poisoned; and the figures of the second."""
    folder = tmp_path_factory.mktemp("books")
    with marts_with_all.session(read_only=True) as session:
        clean = write_book(session, folder / "clean", inbox_url=URL)
    with marts_with_all.session() as session:
        for mart in READ:
            texts = [name for name, kind in contracts()[mart].items() if kind.lower().startswith(("varchar", "text", "string")) and name not in KEPT]
            if texts:
                session.execute(f"update marts.{mart} set {', '.join(f'{name} = {name} || ?' for name in texts)}", [POISON] * len(texts))
        session.execute("update marts.fct_account_state set open_overlays = ?", [json.dumps([{"name": POISON, "since": "2026-06-01", "items": [POISON]}])])
    with marts_with_all.session(read_only=True) as session:
        return clean, write_book(session, folder / "bad", inbox_url=URL), read_figures(session)


def test_no_text_of_any_mart_becomes_a_tag_an_attribute_an_address_or_a_script(books):
    """Also the texts of which nobody thought: whatever a mart holds came from a CRM, a desk, a model or a person."""
    clean, bad, _ = books
    known, pages = set(), read(bad.path)
    for page in read(clean.path).values():
        known |= page.names
    assert clean.pages == bad.pages == len(pages)
    for path, page in pages.items():
        assert page.names <= known, (path, page.names - known)
        for address in page.addresses:
            assert re.fullmatch(r"(\.\./)*([a-z]+/)?[a-z0-9_-]+\.(html|js|css|svg)|#[\w-]+|http://127\.0\.0\.1:8321/.*", address, re.DOTALL), (path, address)
        for script in page.scripts:
            assert json.loads(script) and "<" not in script and "\u2028" not in script


def test_no_key_and_no_name_becomes_a_file_outside_the_book_or_of_another_kind(books):
    _, bad, _ = books
    root = bad.path.resolve()
    names = [str(file.relative_to(root)) for file in root.rglob("*") if file.is_file()]
    assert len(names) > 20 and not [name for name in names if name != ACCESS and not re.fullmatch(r"([a-z]+/)?[a-z0-9_-]+\.(html|css|js|svg)", name)]
    access = json.loads((root / ACCESS).read_text())
    assert len(access) == len(CUSTOMERS) and set(access) <= set(names)


def test_the_same_texts_harm_neither_mail_nor_slack(books):
    _, _, night = books
    mail = digest_mail(night, to="ada@vendor.example", name=POISON, sender="VIM <vim@vendor.example>", identity="<x@vendor.example>", inbox_url=URL)
    arrived = message_from_bytes(mail.as_bytes())
    assert arrived["Bcc"] is None and "\n" not in str(mail["Subject"]) and len(mail["To"].addresses) == 1
    html = mail.get_body(("html",)).get_content()
    assert not {name for name in Tags(html).names if name in ("script", "iframe", "form") or " on" in name}
    assert {address for address in Tags(html).addresses if not address.startswith((URL, "cid:"))} == set()
    for block in digest_blocks(digest_of(night, inbox_url=URL)):
        texts = [block.get("text"), *block.get("fields", []), *block.get("elements", [])]
        assert all(text["type"] in ("plain_text", "button") for text in texts if text)


def test_a_page_of_one_account_names_no_other(books):
    """It is what a person with limits reads: no other customer in its texts, data, charts or links, and no sum from which one could be taken away."""
    _, book, _ = books
    access = json.loads((book.path / ACCESS).read_text())
    for path in access:
        text = (book.path / path).read_text(encoding="utf-8")
        named = {key for key, name, *_ in CUSTOMERS if re.search(rf"{key}(?!\d)|{re.escape(name)}", text)}
        assert len(named) == 1, (path, named)
        assert not [
            figure.id for figure in book.figures.figures if figure.value and figure.kind == "money" and figure.text() in text.replace("$120,000", "")
        ], path


@pytest.mark.parametrize(
    "name", ["NUL \x00", "\x0b", "\x1f", "\ufffe", "two \u2028\u2028 lines", "\u2029", "\\u0000", "\\", '"]); alert(1); ([" ', "datum.key", "=1+1"]
)
def test_no_name_ends_the_night(name):
    """The converter does not refuse a character that XML cannot hold: it ends the process. And names are data, never part of an expression."""
    rows = [{"key": name, "label": name, "value": 1.0, "text": name, "note": name}, {"key": "b", "label": "b", "value": 2.0, "text": "2", "note": ""}]
    chart = bars(rows, "CSM", "Wasted", description=name)
    assert "<svg" in svg_of(chart, "x")
    spec = spec_of(chart)
    (data,) = [spec["data"]] if "data" in spec else [spec["layer"][0]["data"]]
    spec.pop("description", None)
    rest = json.dumps({**spec, "data": None, "datasets": None, "layer": [{**layer, "data": None} for layer in spec["layer"]]})
    assert json.dumps(name)[1:-1] not in rest or name == "\\"
    assert data["values"][1]["label"] == "b"


@pytest.mark.parametrize("key", ["a", "O'Neil", "a\\", "a\\' or 1=1 --", "\\\\", "'; drop table x; --", "x\ny"])
def test_a_key_in_a_query_that_people_copy_stays_a_key(key, marts):
    literal = sql_text(key)
    with marts.session(read_only=True) as session:
        assert session.scalar(f"select {literal}") == key
    assert "\\" not in literal  # which Snowflake reads as the beginning of an escape


# --- writers --------------------------------------------------------------------------------------------------------


class Nothing:
    """A session that nobody asks."""

    rows = None


@pytest.fixture
def quick(monkeypatch):
    """Books of one page, named by the address of the inbox: what is tested is their folders."""
    monkeypatch.setattr(write, "_assets", lambda: [])
    monkeypatch.setattr(write, "render_book", lambda data, rows, inbox_url: [Page("index.html", inbox_url), Page("accounts/a.html", inbox_url, "smb", "A")])
    monkeypatch.setattr(write, "read_book", lambda *_: type("Data", (), {"night": None, "accounts": (), "figures": None})())
    return lambda folder, name: write_book(Nothing(), folder, inbox_url=name)


def test_a_book_that_was_half_thrown_away_is_not_shown_again(quick, tmp_path, monkeypatch):
    """A process is killed while it deletes an old book; later the marts are what they were, and so is the name of the book's folder."""
    folder = tmp_path / "book"
    quick(folder, "one")
    quick(folder, "two")
    with monkeypatch.context() as patch:
        patch.setattr(write.shutil, "rmtree", lambda path, **_: (path / "index.html").unlink(missing_ok=True))
        quick(folder, "three")
    quick(folder, "one")
    assert (folder / "index.html").read_text() == "one"


def test_what_a_killed_writer_left_is_cleared_away(quick, tmp_path):
    (tmp_path / ".books" / "new-999999999").mkdir(parents=True)
    (tmp_path / ".books" / "old-1").mkdir()
    (tmp_path / ".books" / "new-999999999" / "index.html").write_text("half")
    quick(tmp_path / "book", "one")
    assert [one.name for one in (tmp_path / ".books").iterdir()] == [(tmp_path / "book").resolve().name]


def test_two_writers_at_once_leave_a_whole_book(quick, tmp_path, monkeypatch):
    """The second must not take the first one's new folder, not shown yet, for somebody's rest."""
    folder, second_ended, problems = tmp_path / "book", threading.Event(), []
    quick(folder, "zero")
    switch = write._switch

    def slowly(directory, final, **options):
        if threading.current_thread() is first:
            second.start()
            second_ended.wait(0.5)
        switch(directory, final, **options)

    def run(name):
        try:
            quick(folder, name)
        except Exception as error:
            problems.append(error)
        if name == "two":
            second_ended.set()

    monkeypatch.setattr(write, "_switch", slowly)
    first, second = threading.Thread(target=run, args=("one",)), threading.Thread(target=run, args=("two",))
    first.start()
    first.join(10)
    second.join(10)
    assert problems == [] and (folder / "index.html").read_text() == "two" and (folder / "accounts/a.html").is_file()
