"""Page, mail and Slack tell the same numbers, within the limits of each, whatever the customers are called."""

import json
import re
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes
from html.parser import HTMLParser

import pytest
from small_marts import NIGHT, add, alert, request

from vim_pipelines.approvals.channels.mail import MAX_BYTES, message_id
from vim_pipelines.reporting.book.pages import render_book
from vim_pipelines.reporting.book.read import read_book, slug
from vim_pipelines.reporting.digest.content import CHIEF, MOST_ACCOUNTS, digest_of, first_accounts, is_due
from vim_pipelines.reporting.digest.mail import digest_html, digest_mail, digest_text, page_of
from vim_pipelines.reporting.digest.pictures import pictures, pressed
from vim_pipelines.reporting.digest.slack import digest_blocks, figure_text
from vim_pipelines.reporting.figures import Change, read_figures
from vim_pipelines.sandbox.emulators.slack_rules import live_sequences, message_error, texts

URL = "https://inbox.example/vim"


class Cells(HTMLParser):
    """What stands in each element with `data-figure`: its texts in their order, by id."""

    VOID = frozenset({"br", "img", "meta", "link", "input", "hr"})

    def __init__(self):
        super().__init__()
        self.found, self.at, self.depth, self.tags, self.links, self.sources = {}, None, 0, set(), [], []

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.tags.add(tag)
        self.links += [values["href"]] if "href" in values else []
        self.sources += [values["src"]] if "src" in values else []
        if tag in self.VOID:
            return
        if self.at is None and values.get("data-figure"):
            self.at, self.depth = values["data-figure"], 0
            self.found.setdefault(self.at, [])
        if self.at is not None:
            self.depth += 1

    def handle_endtag(self, tag):
        if self.at is not None and tag not in self.VOID:
            self.depth -= 1
            if self.depth == 0:
                self.at = None

    def handle_data(self, data):
        if self.at is not None and data.strip():
            self.found[self.at].append(" ".join(data.split()))


def read_cells(page):
    cells = Cells()
    cells.feed(page)
    return cells


def mail_of(night, **more):
    given = {
        "to": "ada@vendor.example",
        "name": "Ada",
        "sender": "Vim <vim@vendor.example>",
        "identity": message_id("msg-1", "vendor.example"),
        "inbox_url": URL,
    }
    return digest_mail(night, **(given | more))


def parts(mail):
    return mail.get_body(("plain",)).get_content(), mail.get_body(("html",)).get_content()


@pytest.fixture
def busy(marts):
    """A night with all there is: requests, alerts, problems, cost."""
    add(
        marts,
        "fct_llm_costs",
        {
            "account_key": "ACC-1",
            "document": "save_play",
            "as_of_date": NIGHT,
            "calls": 2,
            "calls_without_price": 0,
            "cost_usd": 0.25,
            "drafts": 3,
            "drafts_held": 1,
        },
    )
    add(marts, "fct_approvals", request("ACC-1", "save_play"), request("ACC-2", "save_play", role="director"))
    add(marts, "fct_alerts", alert("ACC-1"))
    add(
        marts,
        "fct_data_quality",
        {"as_of_date": NIGHT, "entity": "usage_event", "metric": "quarantined", "detail": "future_timestamp", "value": 318.0, "status": "warn"},
    )
    with marts.session(read_only=True) as session:
        return read_figures(session)


def test_the_book_says_of_every_figure_what_mail_and_slack_say(busy, marts):
    """The first page of the book, as it is written; each figure is on it once, the chief ones with the change that the mail has."""
    with marts.session(read_only=True) as session:
        pages = {page.path: page.text for page in render_book(read_book(session), session.rows, inbox_url=URL)}
    cells = read_cells(pages["index.html"])
    assert set(cells.found) == {figure.id for figure in busy.figures}
    for line in digest_of(busy, inbox_url=URL).figures:
        label, value, *more = cells.found[line.id]  # figures that do not head the page stand there without their change
        assert (label, value) == (line.label, line.value)
        if more:
            assert more[0].startswith(line.change or "no change") and [line.note] == (more[1:] or [""])
    assert sum(len(found) > 2 for found in cells.found.values()) >= 8
    linked = {link.removeprefix(f"{URL}/book/") for link in read_cells(parts(mail_of(busy))[1]).links if "/book/accounts/" in link}
    assert linked and linked <= set(pages)


def test_mail_and_slack_say_of_every_figure_what_the_object_says(busy):
    """Numbers that are computed twice differ one day, and then nobody believes either."""
    text, html = parts(mail_of(busy))
    cells = read_cells(html).found
    slack = list(texts(digest_blocks(digest_of(busy, inbox_url=URL))))
    slack_lines = [line for block in slack for line in block.replace(":\n", ": ").split("\n")] + [block.replace("\n", ": ") for block in slack]
    text_lines = text.splitlines()
    assert set(cells) == {figure.id for figure in busy.figures}
    for figure in busy.figures:
        change = f" ({figure.change_text()})" if figure.change_text() else ""
        line = f"{figure.label}: {figure.text()}{change}" + (f", {figure.note}" if figure.note else "")
        assert text_lines.count(line) == 1, line
        assert slack_lines.count(line) == 1, line
        assert cells[figure.id] == [one for one in (figure.label, figure.note, figure.text(), figure.change_text()) if one]


def test_the_figures_of_this_night_are_those_on_paper(busy):
    """So that the test above compares something: five customers, one red, 42,000.50 wasted, one amount unknown."""
    text, _ = parts(mail_of(busy))
    assert "Wasted a year, with headroom: $42,000.50, without 1 account whose amount is not known" in text
    assert "Red accounts: 1" in text and "Yellow accounts: 1 (+1)" in text and "Language models: $0.25" in text and "Drafts written: 3" in text
    assert "Briar & Sons (ACC-2): risk band, green to yellow" in text and "1 alerts are not acknowledged" in text
    assert "- director: 1, the oldest for 0 days, $48,000 a year" in text and "New: usage event" in text


def test_the_order_is_verdict_changes_accounts_waiting_data_cost(busy):
    text, html = parts(mail_of(busy))
    heads = ["What changed", "Accounts to look at first", "Waiting for a decision", "Data to mistrust", "Other figures", "Cost"]
    for page in (text, html):
        places = [page.index(head) for head in (busy.verdict(), *heads)]
        assert places == sorted(places)


def test_the_accounts_first_are_the_graver_then_the_nearer(night):
    assert [line.account_key for line in first_accounts(night.renewals)] == ["ACC-1", "ACC-2", "ACC-5", "ACC-3"]


# --- the mail ------------------------------------------------------------------------------------------------------------


def test_every_picture_is_in_the_mail_and_referred_to_and_nothing_is_loaded_from_elsewhere(busy):
    mail = mail_of(busy)
    _, html = parts(mail)
    related = [part for part in mail.walk() if part.get_content_type() == "image/png"]
    cells = read_cells(html)
    assert len(related) == 2 and sorted(cells.sources) == sorted(f"cid:{part['Content-ID'].strip('<>')}" for part in related)
    assert all(part.get_content_disposition() == "inline" and part.get_payload(decode=True).startswith(b"\x89PNG") for part in related)
    assert len(re.findall(r'<img [^>]*alt="[^"]{20,}"', html)) == 2
    assert not cells.tags & {"script", "iframe", "form", "link", "object", "input", "button"} and "@import" not in html and "url(" not in html
    assert [part.get_content_type() for part in mail.walk()][:4] == ["multipart/alternative", "text/plain", "multipart/related", "text/html"]


def test_links_open_the_book_or_the_inbox_and_decide_nothing(busy):
    text, html = parts(mail_of(busy))
    links = {*read_cells(html).links, *re.findall(r"https?://\S+", text)}
    assert links == {URL, f"{URL}/book/", *[f"{URL}/book/accounts/{slug(line.account_key)}.html" for line in first_accounts(busy.renewals)]}


def test_whoever_does_not_want_it_can_say_so(busy):
    mail = mail_of(busy)
    assert mail["List-Unsubscribe"] == "<mailto:vim@vendor.example?subject=unsubscribe%20digest>" and mail["Auto-Submitted"] == "auto-generated"
    assert mail["List-Unsubscribe-Post"] is None  # one click by a scanner would unsubscribe a person


def many(night, number=400, name="Örtlich & Söhne <b>GmbH</b> 顧客 " * 4):
    lines = [
        replace(line, account_key=f"ACC-{place:05d}", account_name=f"{name}{place}", opt_out_date=NIGHT + timedelta(days=place % 180), days_to_opt_out=place % 180, waste_annual=line.value_annual)
        for place, line in ((place, night.renewals[place % len(night.renewals)]) for place in range(number))
    ]  # fmt: skip
    changes = tuple(Change(line.account_key, line.account_name, "risk band", "green", "red", "fct_health_scores") for line in lines)
    problems = tuple(f"usage event: {name} {place}" for place in range(200))
    waiting = tuple(replace(night.waiting[0], person=f"{name} {place}") for place in range(100)) if night.waiting else ()
    return replace(night, renewals=tuple(lines), changes=changes, data_problems=problems, waiting=waiting)


def test_the_largest_mail_stays_under_what_gmail_shows_whole(busy):
    mail = mail_of(many(busy))
    text, html = parts(mail)
    assert len(mail.as_bytes()) < MAX_BYTES and len(html.encode()) < 60_000 and read_cells(html).sources
    assert "390 more" in text and "395 more have an opt-out date" in text


HOSTILE = [
    "Acme\r\nBcc: victim@example.com", "<!channel> <@U0DORA> <https://evil.example|click>", '"><script>alert(1)</script><img src=http://evil.example/p.png>',
    "=?utf-8?q?=0D=0ABcc:_victim@example.com?=", "\u202etxt.exe\u200b", "{{ 7 * 7 }} {% raw %}", "\ud800 alone", "x" * 5000, "",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_becomes_a_header_a_tag_a_template_or_a_mention(busy, name):
    renewals = tuple(replace(line, account_name=name, owner=name, plan=name, plan_state=name) for line in busy.renewals)
    changes = tuple(replace(change, account_name=name, before=name, now=name) for change in busy.changes)
    hostile = replace(busy, renewals=renewals, changes=changes, data_problems=(name,), waiting=tuple(replace(one, person=name) for one in busy.waiting))
    mail = mail_of(hostile, name=name)
    _, html = parts(mail)
    cells = read_cells(html)
    raw = mail.as_bytes()
    assert len(raw) < MAX_BYTES and message_from_bytes(raw)["Bcc"] is None and [one.addr_spec for one in mail["To"].addresses] == ["ada@vendor.example"]
    assert cells.tags <= {
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "div",
        "table",
        "tbody",
        "tr",
        "td",
        "h1",
        "h2",
        "p",
        "ul",
        "li",
        "br",
        "span",
        "a",
        "img",
    }
    assert (
        all(source.startswith("cid:") for source in cells.sources)
        and all(link.startswith(URL) for link in cells.links)
        and "49" not in html.split("What changed")[1][:300]
    )
    blocks = digest_blocks(digest_of(hostile, inbox_url=URL))
    assert live_sequences(blocks) == [] and message_error("x", blocks, None) is None


def test_a_page_for_the_browser_has_its_pictures_within(busy):
    page = page_of(busy, digest_of(busy, inbox_url=URL))
    assert all(source.startswith("data:image/png;base64,") for source in read_cells(page).sources) and "cid:" not in page


def test_without_amounts_there_is_no_picture_and_the_mail_says_unknown(night):
    blind = replace(night, renewals=tuple(replace(line, value_annual=None, waste_annual=None) for line in night.renewals))
    assert pictures(blind, 1.0) == () and read_cells(parts(mail_of(blind))[1]).sources == []
    assert "unknown a year, unknown wasted" in digest_text(digest_of(blind, inbox_url=URL))


def test_a_pressed_picture_is_the_same_picture(night):
    """The pixels' lines are deflated anew and nothing else: a decoder reads the same bytes."""
    import zlib

    def lines(png):
        at, found = 8, b""
        while at < len(png):
            length = int.from_bytes(png[at : at + 4], "big")
            kind, data = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
            assert int.from_bytes(png[at + 8 + length : at + 12 + length], "big") == zlib.crc32(kind + data)
            found += data if kind == b"IDAT" else b""
            at += 12 + length
        return zlib.decompress(found)

    for picture in pictures(night, 1.0):
        assert lines(pressed(picture.png)) == lines(picture.png) and len(picture.png) < 20_000


# --- Slack ---------------------------------------------------------------------------------------------------------------


def test_the_message_has_a_head_four_figures_five_accounts_and_one_button(busy):
    blocks = digest_blocks(digest_of(many(busy, 30, "Customer "), inbox_url=URL))
    assert [block["type"] for block in blocks][:2] == ["header", "section"] and len(blocks[1]["fields"]) == 4
    digest = digest_of(busy, inbox_url=URL)
    assert [line.id for line in digest.chief] == list(CHIEF) and blocks[1]["fields"][0]["text"].startswith(figure_text(digest.chief[0], "\n"))
    buttons = [element for block in blocks if block["type"] == "actions" for element in block["elements"]]
    assert [(button["text"]["text"], button["url"]) for button in buttons] == [("Open inbox", URL)] and "value" not in buttons[0]
    assert sum("(ACC-" in block["text"]["text"] and "opt-out by" in block["text"]["text"] for block in blocks if "text" in block) == MOST_ACCOUNTS


def test_the_largest_message_is_within_slacks_limits_and_keeps_every_figure(busy):
    blocks = digest_blocks(digest_of(many(busy), inbox_url=URL))
    assert message_error("x", blocks, None) is None and len(json.dumps(blocks, ensure_ascii=False)) <= 10_000
    shown = "\n".join(texts(blocks))
    assert all(figure.text() in shown for figure in busy.figures) and "more" in shown


# --- quiet nights --------------------------------------------------------------------------------------------------------


def quiet(night):
    same = tuple(replace(figure, before=figure.value) for figure in night.figures)
    return replace(night, figures=same, changes=(), waiting=(), data_problems_new=(), alerts=())


def test_a_quiet_night_is_told_on_one_morning_a_week_only(night):
    assert is_due(night, "never")
    still = quiet(night)
    assert still.is_quiet and NIGHT.isoformat() == "2026-06-28"  # a Sunday: told on Monday
    assert is_due(still, "monday") and not any(is_due(still, day) for day in ("sunday", "tuesday", "never"))


def test_the_first_night_says_why_nothing_has_changed(night):
    digest = digest_of(replace(night, previous=None, changes=()), inbox_url=URL)
    for told in (digest_text(digest), digest_html(digest), "\n".join(texts(digest_blocks(digest)))):
        assert "This is the first night" in told and "Nothing about any account" not in told


def test_a_quiet_digest_says_so(night):
    text = digest_text(digest_of(quiet(night), inbox_url=URL))
    assert "Nothing about any account." in text and "nothing changed since the night before" in text
    assert digest_html(digest_of(quiet(night), inbox_url=URL)).count("<li") == 0
