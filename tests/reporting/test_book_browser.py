"""The book in a real browser, from disk and behind the inbox's login: silent console, nothing from elsewhere, clicks that filter, text that can be read.

With SCREENSHOTS=docs and BOOK_MARTS=<a published copy> the pictures of the documentation are made anew; else pictures go to a temporary folder.
"""

from __future__ import annotations

import os
import re
import shutil
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from small_marts import furnish

from vim_pipelines.reporting.book.read import read_book, slug
from vim_pipelines.reporting.book.write import write_book
from vim_pipelines.warehouse.duckdb import DuckDBWarehouse

CHROMIUM = Path("/usr/bin/chromium")
pytestmark = pytest.mark.skipif(not CHROMIUM.is_file(), reason="Debian's chromium is not on this machine (.ci/run installs it)")
DOCS = Path(__file__).resolve().parents[2] / "docs" / "images"
WANTED, MARTS = os.environ.get("SCREENSHOTS", ""), os.environ.get("BOOK_MARTS", "")
PASSWORD = "seven small otters"

#: Texts whose contrast with the ground behind them is below 4.5 (3 for large ones), as the browser computes both.
CONTRAST = """() => {
  const parts = text => { const found = text.match(/[\\d.]+/g).map(Number); return found.length < 4 ? [...found, 1] : found; };
  const light = ([r, g, b]) => { const l = [r, g, b].map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * l[0] + .7152 * l[1] + .0722 * l[2]; };
  const found = [];
  for (const e of document.querySelectorAll('body *')) {
    if (!e.checkVisibility() || ![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
    const style = getComputedStyle(e), isSvg = e instanceof SVGElement;
    let ground = e;
    while (ground && parts(getComputedStyle(ground).backgroundColor)[3] === 0) ground = ground.parentElement;
    const ink = parts(isSvg ? (style.fill === 'none' ? style.color : style.fill) : style.color), back = ground ? parts(getComputedStyle(ground).backgroundColor) : [255, 255, 255, 1];
    const [high, low] = [light(ink), light(back)].sort((a, b) => b - a);
    const ratio = (high + .05) / (low + .05), isLarge = parseFloat(style.fontSize) >= 24;
    if (ratio < (isLarge ? 3 : 4.5)) found.push(`${e.tagName} ${e.textContent.trim().slice(0, 30)} ${ratio.toFixed(2)}`);
  }
  return found;
}"""


@pytest.fixture(scope="module")
def book(made_marts, tmp_path_factory):
    """The book of the small marts: (folder, what it shows)."""
    folder = tmp_path_factory.mktemp("shelf")
    shutil.copy(made_marts / "week.duckdb", folder / "vim.duckdb")
    warehouse = furnish(DuckDBWarehouse(folder / "vim.duckdb"))
    with warehouse.session(read_only=True) as session:
        return write_book(session, folder / "book", inbox_url="http://127.0.0.1:8321"), read_book(session)


@pytest.fixture(scope="module")
def chromium():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright (test extra) is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium):
    """Opens an address; at the end no request may have left disk and host, and the console must be silent."""
    opened, left, said = [], [], []

    def opener(address="about:blank", *, width=1280, height=900, scheme="light", scripts=True, media=None):
        context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, java_script_enabled=scripts)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("request", lambda request: left.append(request.url) if urlsplit(request.url).hostname not in (None, "", "127.0.0.1") else None)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        opened.append(context)
        if media:
            page.emulate_media(media=media)
        go(page, address, scripts=scripts)
        return page

    yield opener
    for context in opened:
        context.close()
    assert left == [] and said == []


def go(page, address, *, scripts=True):
    page.goto(address)
    if scripts and address != "about:blank" and "/login" not in page.url:
        page.wait_for_selector("html[data-ready]", state="attached")


def uri(book, name="index.html"):
    return (book[0].path.resolve() / name).as_uri()


def shown_rows(page, table="accounts"):
    return page.locator(f"#{table} tbody tr:visible")


def test_a_click_on_a_bar_filters_the_table_and_the_plot(open_page, book):
    page = open_page(uri(book))
    assert page.locator("figure[data-drawn]").count() == page.locator("figure.chart").count() == 8
    marks = page.locator("#chart-accounts-plot .drawn .mark-symbol.role-mark path")
    assert shown_rows(page).count() == 5 and marks.count() == 4  # the fifth account's waste is not known
    bar = page.locator("#chart-by-csm .drawn .mark-rect.role-mark path")
    assert bar.count() == 2  # nothing is known of Cleo Marsh's: no bar, not an empty one
    bar.first.click()
    page.wait_for_function("document.querySelectorAll('#accounts tbody tr:not([hidden])').length === 2")
    assert set(shown_rows(page).locator("td[data-label=CSM]").all_text_contents()) == {"Ada Moss"}
    page.wait_for_function("document.querySelectorAll('#chart-accounts-plot .drawn .mark-symbol.role-mark path').length === 2")
    assert page.input_value("select[name=csm]") == "Ada Moss" and "2 of 5 accounts" in page.text_content(".count")
    bar.first.click()
    page.wait_for_function("document.querySelectorAll('#accounts tbody tr:not([hidden])').length === 5")
    page.locator("#chart-by-band .drawn .mark-rect.role-mark path").first.click()
    page.wait_for_function("document.querySelectorAll('#accounts tbody tr:not([hidden])').length === 1")
    page.click("form.filters button[type=reset]")
    page.wait_for_function("document.querySelectorAll('#accounts tbody tr:not([hidden])').length === 5")


def test_the_numbers_on_the_page_are_those_of_the_marts(open_page, book):
    page = open_page(uri(book))
    for figure in book[1].figures.figures:
        text = page.locator(f"[data-figure={figure.id}] .value, [data-figure={figure.id}] strong").first.text_content()
        assert text == figure.text(), figure.id
    page.click("[data-figure=waste_annual]")
    page.wait_for_selector("#rows")
    assert page.text_content("#total") == book[1].figures.figure("waste_annual").text() and page.locator("#rows tbody tr").count() == 5


def test_the_renewals_sort_and_filter(open_page, book):
    page = open_page(uri(book, "renewals.html"))
    names = shown_rows(page, "renewals").locator("th")
    assert names.all_text_contents() == [line.account_name for line in book[1].figures.renewals]
    page.click("#renewals th:has-text('ARR') button")
    assert names.first.text_content() == "Alder Media" and page.get_attribute("#renewals th:has-text('ARR')", "aria-sort") == "descending"
    page.click("#renewals th:has-text('ARR') button")
    assert names.first.text_content() == "Elm Paper"
    page.fill("input[name=text]", "briar")
    assert names.all_text_contents() == ["Briar & Sons"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read_and_every_control_has_a_name(open_page, book, scheme):
    page = open_page(uri(book), scheme=scheme)
    account = book[1].by_key["ACC-1"].page
    for name in (
        "index.html",
        account,
        "renewals.html",
        "quality.html",
        "cost.html",
        "effects.html",
        "rows/waste_annual.html",
        f"csm/{slug('Ada Moss')}.html",
    ):
        go(page, uri(book, name))
        assert page.evaluate(CONTRAST) == [], name
        assert (
            page.evaluate(
                "[...document.querySelectorAll('input, select, button')].filter(e => !e.labels?.length && !e.textContent.trim() && !e.getAttribute('aria-label')).length"
            )
            == 0
        )
        assert (
            page.evaluate(
                "[...document.querySelectorAll('.plot')].filter(e => !(e.getAttribute('aria-label') || e.querySelector('svg')?.getAttribute('aria-label'))).length"
            )
            == 0
        )
        assert page.evaluate("document.querySelectorAll('h1').length") == 1 and page.evaluate("document.documentElement.lang") == "en"


def test_the_scheme_can_be_chosen_and_is_kept(open_page, book):
    page = open_page(uri(book), scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.click("[data-theme-toggle]")
    dark = page.evaluate(ground)
    go(page, uri(book, "renewals.html"))
    assert page.evaluate(ground) == dark != light


def test_nothing_scrolls_sideways_at_390_pixels(open_page, book):
    page = open_page(uri(book), width=390, height=844)
    for name in (
        "index.html",
        book[1].by_key["ACC-1"].page,
        book[1].by_key["ACC-4"].page,
        "renewals.html",
        "quality.html",
        "cost.html",
        "effects.html",
        "rows/opt_out_value.html",
    ):
        go(page, uri(book, name))
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, name


def test_without_scripts_there_are_pictures_and_whole_tables(open_page, book):
    page = open_page(uri(book), scripts=False)
    assert page.locator("figure.chart .plot svg:visible").count() == 8 and shown_rows(page).count() == 5
    assert page.locator(".js-only:visible").count() == 0
    page.goto(uri(book, book[1].by_key["ACC-1"].page))
    assert page.locator("figure.chart .plot svg:visible").count() == 2


def test_on_paper_there_are_no_controls(open_page, book):
    page = open_page(uri(book), media="print", scheme="dark")
    assert page.locator("form.filters:visible, nav:visible, .theme:visible").count() == 0
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_behind_the_inbox_the_same_pages_work_under_its_policy(open_page, book, tmp_path, monkeypatch):
    import uvicorn

    from vim_pipelines.approvals import people
    from vim_pipelines.approvals.policy import load_policy
    from vim_pipelines.inbox.app import make_app
    from vim_pipelines.inbox.serve import listening
    from vim_pipelines.settings import Settings
    from vim_pipelines.store import open_store

    monkeypatch.setitem(people.SCRYPT, "n", 2**4)
    settings = Settings(home=tmp_path)
    (tmp_path / "book").symlink_to(book[0].path.resolve(), target_is_directory=True)
    store = open_store(settings)
    people.add_person(
        store,
        load_policy(),
        "dora",
        name="Dora Moss",
        role="director",
        segments=(),
        email="dora@vendor.example",
        password=PASSWORD,
        by="test",
        now=settings.now(),
    )
    listener = listening("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(make_app(settings, store), log_level="critical", access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        page = open_page(f"{base}/book/")
        page.fill("#login", "dora")
        page.fill("#password", PASSWORD)
        page.press("#password", "Enter")
        page.wait_for_selector("html[data-ready]", state="attached")
        assert urlsplit(page.url).path == "/book/" and page.locator("figure[data-drawn]").count() == 8
        page.locator("#chart-by-csm .drawn .mark-rect.role-mark path").first.click()
        page.wait_for_function("() => document.querySelectorAll('#accounts tbody tr:not([hidden])').length === 2")
        page.click("text=Alder Media >> nth=0")
        page.wait_for_selector("#waste-total")
        page.wait_for_selector("html[data-ready]", state="attached")
        assert page.get_attribute("nav a[data-inbox]", "href") == "/" and re.fullmatch(r"/requests/req-.*", page.get_attribute("#plans a[data-inbox]", "href"))
    finally:
        server.should_exit = True
        thread.join(20)
        store.engine.dispose()


@pytest.mark.skipif(
    WANTED != "docs" or not MARTS, reason="pictures of the documentation are made on demand: SCREENSHOTS=docs BOOK_MARTS=<home>/published/vim.duckdb"
)
def test_pictures_of_the_documentation(open_page, tmp_path):
    with DuckDBWarehouse(Path(MARTS)).session(read_only=True) as session:
        written, data = write_book(session, tmp_path / "book", inbox_url="http://127.0.0.1:8321"), read_book(session)
    account = data.by_key.get("ACC-HEADLINE") or data.accounts[0]
    for name, path, height in (
        ("book-portfolio.png", "index.html", 1180),
        ("book-account.png", account.page, 1180),
        ("book-renewals.png", "renewals.html", 900),
    ):
        page = open_page((written.path / path).as_uri(), height=height)
        page.screenshot(path=str(DOCS / name))
        assert 20_000 < (DOCS / name).stat().st_size < 250_000
