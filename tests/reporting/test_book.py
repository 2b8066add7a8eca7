"""The pages of the book as texts: their numbers are those of the marts, the same marts give the same bytes, and nothing in a name becomes a tag."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path

import pytest
from book_html import Tags
from small_marts import BEFORE, CUSTOMERS, HOSTILE, NIGHT, WEEK_AGO, furnish

from vim_pipelines.core.errors import VimError
from vim_pipelines.core.money import format_money
from vim_pipelines.reporting.book import charts
from vim_pipelines.reporting.book.pages import render_book, sum_by
from vim_pipelines.reporting.book.read import read_book, slug
from vim_pipelines.reporting.book.tables import static_table
from vim_pipelines.reporting.book.write import write_book


@pytest.fixture(scope="module")
def book(made_marts, tmp_path_factory):
    """A book of the furnished marts, written once: (folder, what it was made of)."""
    import shutil

    from vim_pipelines.warehouse.duckdb import DuckDBWarehouse

    folder = tmp_path_factory.mktemp("book")
    shutil.copy(made_marts / "week.duckdb", folder / "vim.duckdb")
    warehouse = furnish(DuckDBWarehouse(folder / "vim.duckdb"))
    with warehouse.session(read_only=True) as session:
        written = write_book(session, folder / "book", inbox_url="http://127.0.0.1:8321/")
        data = read_book(session)
    return written, data, warehouse


def pages_of(folder: Path):
    return {str(file.relative_to(folder.resolve())): file.read_text(encoding="utf-8") for file in sorted(folder.resolve().rglob("*.html"))}


def test_the_headline_figures_are_those_of_the_night(book):
    written, data, _ = book
    text = (written.path / "index.html").read_text()
    for figure in data.figures.figures:
        [shown] = re.findall(rf'data-figure="{figure.id}".*?(?:class="value">|<strong>)([^<]+)<', text, re.DOTALL)
        assert shown == figure.text(), figure.id
        rows = (written.path / "rows" / f"{figure.id}.html").read_text()
        assert f'<span id="total">{figure.text()}</span>' in rows and figure.source.split(".")[0] in rows


def test_a_rows_page_lists_what_the_figure_adds_up(book):
    written, _, _ = book
    text = (written.path / "rows" / "waste_annual.html").read_text()
    parts = re.findall(r'data-v="([^"]+)">', text)
    assert sum(float(part) for part in parts if float(part) >= 0) == 42_000.5 and parts.count("-1") == 1
    assert "1 of them is unknown and not in the sum" in text and "select account_key" in text


def test_bars_carry_the_sums_of_the_marts_and_an_unknown_group_has_no_bar(book):
    _, data, _ = book
    rows = sum_by(data.accounts, lambda one: one.csm, "USD")
    assert [(row["label"], row["value"], row["text"]) for row in rows] == [
        ("Ada Moss", 42_000.5, "$42,000.50"),
        ("Ben Ortiz", 0.0, "$0"),
        ("Cleo Marsh", None, "unknown"),
    ]
    spec = charts.spec_of(charts.bars(rows, "CSM", "Wasted a year", description="words"))
    assert [row["value"] for row in spec["data"]["values"]] == [42_000.5, 0.0, None]
    assert "1 of them unknown" in rows[2]["note"]


@pytest.mark.parametrize(("currency", "shown"), [("USD", "$10,000"), ("SEK", "SEK 10,000"), (None, "10,000")])
def test_axes_print_money_in_the_books_currency(currency, shown):
    """As the axis is drawn: the words of an amount elsewhere on the page are `format_money`'s, and the axis has the same sign."""
    rows = [{"key": "a", "label": "A", "value": 10_000.0, "text": "", "note": "", "day": "2026-06-28"}]
    plotted = rows[0] | {"name": "A", "csm": "", "band": "red", "days": 10, "waste": 20_000.0, "waste_text": "", "value_text": "", "href": ""}
    for chart in (
        charts.bars(rows, "CSM", "Wasted a year", description="", currency=currency),
        charts.months(rows, description="", title="", currency=currency),
        charts.nights(rows, title="", description="", currency=currency),
    ):
        assert f">{shown}</text>" in charts.svg_of(chart, "x")
    plot = charts.svg_of(charts.accounts_plot([plotted], description="", currency=currency), "x")
    assert f">{shown.replace('10,000', '20,000')}</text>" in plot
    assert currency is None or shown == format_money(10_000, currency)


def test_nights_of_another_currency_are_gaps_in_the_line_and_keep_their_words(book, marts):
    with marts.session() as session:
        session.execute("update marts.fct_portfolio_daily set portfolio_currency = 'EUR' where as_of_date = ?", [WEEK_AGO])
    with marts.session(read_only=True) as session:
        [index] = [page.text for page in render_book(read_book(session), session.rows) if page.path == "index.html"]
    spec = json.loads(re.search(r'id="chart-trend-waste".*?class="spec">(.*?)</script>', index, re.DOTALL)[1])
    assert [(row["value"] is None, row["text"][0]) for row in spec["data"]["values"]] == [(True, "€"), (False, "$"), (False, "$")]


@pytest.mark.parametrize(
    ("text", "is_number"), [("SEK 1,200.50", True), ("-$5", True), ("+€3", True), ("12 %", True), ("unknown", True), ("Acme 12", False), ("SEK", False)]
)
def test_a_column_of_amounts_is_aligned_whatever_the_currency(text, is_number):
    table = str(static_table("t", {"a": "A"}, [{"a": text}]))
    assert ("gt_right" in table) == is_number


def test_a_week_that_nobody_measured_is_a_gap(book):
    written, data, _ = book
    text = (written.path / data.by_key["ACC-1"].page).read_text()
    spec = json.loads(re.search(r'id="chart-usage".*?class="spec">(.*?)</script>', text, re.DOTALL)[1])
    values = [row["value"] for row in spec["data"]["values"]]
    assert len(values) == 12 and values[5] is None and values[0] == 280 and values[-1] == 269
    assert text.count("<polyline") == 3 and "1 weeks without data" in text  # two runs of users, one of tickets


def test_an_account_says_what_a_manager_needs(book):
    written, data, _ = book
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", (written.path / data.by_key["ACC-1"].page).read_text()))
    for words in (
        "100 seats beyond need &times; $300 = $30,000",
        "100 of 400 seats are beyond need.",
        "Utilisation at the band",
        "Right-size the contract",
        "save play",
        "pending",
    ):
        assert words in text, words
    raw = (written.path / data.by_key["ACC-1"].page).read_text()
    assert 'href="http://127.0.0.1:8321/requests/req-ACC-1-save_play-1" data-inbox' in raw
    assert "was held by a gate" in (written.path / data.by_key["ACC-3"].page).read_text()
    unknown = (written.path / data.by_key["ACC-5"].page).read_text()
    assert '<span class="value" id="waste-total">unknown</span>' in unknown and "No week of usage or tickets is known" in unknown


def test_the_same_marts_give_the_same_bytes_and_then_nothing_is_written(book, tmp_path):
    written, _, warehouse = book
    before = {name: text for name, text in pages_of(written.path).items()}
    with warehouse.session(read_only=True) as session:
        again = write_book(session, written.path, inbox_url="http://127.0.0.1:8321/")
        other = write_book(session, tmp_path / "elsewhere", inbox_url="http://127.0.0.1:8321/")
    assert not again.is_new and other.is_new
    assert pages_of(written.path) == before == pages_of(other.path)


def test_a_hostile_name_stays_a_name_on_every_page(book):
    """Account names come from a CRM that anybody may type into."""
    written, data, _ = book
    assert data.by_key["ACC-4"].name == HOSTILE
    for name, text in pages_of(written.path).items():
        tags = Tags(text)
        assert not [attributes for tag, attributes in tags.tags if tag in ("img", "iframe", "style", "link") and tag != "link"], name
        assert not [key for _, attributes in tags.tags for key in attributes if key.startswith("on") or key == "style"], name
        assert {attributes.get("type", attributes.get("src")) for tag, attributes in tags.tags if tag == "script"} <= {
            "application/json", *[f"{up}assets/{file}" for up in ("", "../") for file in ("theme.js", "vega.js", "book.js")],
        }, name  # fmt: skip
        for script in tags.scripts:
            json.loads(script)
            assert "<" not in script, name
        assert not [
            url
            for _, attributes in tags.tags
            for key in ("href", "src")
            for url in [attributes.get(key) or ""]
            if re.match(r"(?i)\s*(javascript|data|//|https?:(?!//127\.0\.0\.1))", url)
        ], name


def test_no_page_names_another_host(book):
    written, _, _ = book
    for name, text in pages_of(written.path).items():
        assert {found for found in re.findall(r"https?://([^/\"'<\s]+)", text)} <= {"127.0.0.1:8321", "www.w3.org"}, name


def test_the_switch_leaves_no_moment_without_a_book(book, tmp_path):
    _, _, warehouse = book
    with warehouse.session(read_only=True) as session:
        first = write_book(session, tmp_path / "book")
        was = first.path.resolve()
        held = (first.path / "index.html").open()
        write_book(session, tmp_path / "book", inbox_url="http://127.0.0.1:1")
    assert first.path.resolve() != was and was.is_dir()  # a reader's next click still finds the pages that he reads
    assert "Portfolio" in held.read()
    held.close()


def test_a_failed_book_leaves_the_one_before(book, tmp_path, monkeypatch):
    _, _, warehouse = book
    with warehouse.session(read_only=True) as session:
        first = write_book(session, tmp_path / "book")
        before = pages_of(first.path)
        monkeypatch.setattr("vim_pipelines.reporting.book.write._assets", lambda: [("x", b""), ("x/y", b"")])
        with pytest.raises(VimError, match="VIM-E175"):
            write_book(session, tmp_path / "book", inbox_url="http://127.0.0.1:2")
    assert pages_of(first.path) == before and [file.name for file in (tmp_path / ".books").iterdir()] == [first.path.resolve().name]


def test_a_night_without_news_says_so_in_one_line(book, marts):
    with marts.session() as session:
        session.execute("update marts.fct_health_scores set previous_band = risk_band")
    with marts.session(read_only=True) as session:
        quiet = write_book(session, marts.path.parent / "quiet")
    assert quiet.figures.is_quiet and (quiet.path / "index.html").read_text().count('id="quiet"') == 1
    assert 'id="quiet"' not in (book[0].path / "index.html").read_text()


def test_old_copies_without_the_newer_marts_still_make_a_book(marts):
    with marts.session() as session:
        session.execute("drop table marts.fct_account_weeks; drop table marts.fct_alerts")
    with marts.session(read_only=True) as session:
        written = write_book(session, marts.path.parent / "old")
        assert "No week of usage or tickets is known" in (written.path / read_book(session).accounts[0].page).read_text()


def test_keys_that_differ_by_case_alone_have_pages_of_their_own():
    """Salesforce's fifteen-letter ids do; file systems of two systems out of three do not tell them apart."""
    names = {slug(key) for key in ("001ABC", "001abc", "001AbC", "../../etc/passwd", "a/b", "a b", "", "ä", "x" * 300)}
    assert len(names) == 9 and all(re.fullmatch(r"[a-z0-9-]{1,80}", name) for name in names)


def test_a_static_table_shows_each_text_as_it_is_and_labels_its_cells():
    html = static_table("t", {"a": "Who & what", "b": "Rows"}, [{"a": "today's <b> & &lt;", "b": "1,716,030"}])
    [cell] = re.findall(r'<td data-label="Who &amp; what"[^>]*>(.*?)</td>', html)
    assert unescape(cell) == "today's <b> & &lt;" and "<b>" not in html


def test_every_mark_can_be_told_from_both_grounds():
    def light(colour):
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for colour in [*charts.PALETTE.values(), charts.ACCENT, charts.SECOND]:
        for ground in ("#ffffff", "#182129"):
            high, low = sorted((light(colour), light(ground)), reverse=True)
            assert (high + 0.05) / (low + 0.05) >= 3, (colour, ground)


def test_every_account_and_manager_has_a_page(book):
    written, _, _ = book
    names = set(pages_of(written.path))
    assert sum(name.startswith("accounts/") for name in names) == len(CUSTOMERS) and sum(name.startswith("csm/") for name in names) == 3
    access = json.loads((written.path / "access.json").read_text())
    assert {one["segment"] for one in access.values()} == {"enterprise", "mid_market", "smb"} and len(access) == 5
    assert written.as_of_date == NIGHT


def test_the_book_of_a_night_that_retention_thinned_is_refused(marts):
    """Its accounts would look as if nothing had ever been asked of them; the last night of that week is whole."""
    with marts.session() as session:
        session.execute("delete from marts.fct_requirements")
        session.execute(
            "insert into marts.fct_requirements (account_key, as_of_date, requirement_id, phase)"
            " select account_key, as_of_date, 'p2_red_flags', 2 from marts.fct_account_state"
        )
        assert read_book(session, BEFORE).night == BEFORE
        session.execute("delete from marts.fct_requirements where as_of_date = ? and account_key <> 'ACC-1'", [BEFORE])
        with pytest.raises(VimError, match=f"{BEFORE} were thinned") as caught:
            read_book(session, BEFORE)
        assert caught.value.code == "VIM-E194" and str(NIGHT) in caught.value.fix
        assert [read_book(session, night).night for night in (WEEK_AGO, NIGHT, None)] == [WEEK_AGO, NIGHT, NIGHT]
