"""The inbox in a real browser: keys alone, a phone's width, nothing from elsewhere, and text that can be read.

With SCREENSHOTS=docs and INBOX_HOME=<home of a demo> the pictures of docs/how-to/inbox.md are made anew; else pictures go to a temporary folder.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from inbox_world import NOW, PASSWORD, ask_about

from vim_pipelines.approvals.queue import list_requests, show_request
from vim_pipelines.inbox.app import make_app
from vim_pipelines.inbox.serve import listening

CHROMIUM = Path("/usr/bin/chromium")
pytestmark = pytest.mark.skipif(not CHROMIUM.is_file(), reason="Debian's chromium is not on this machine (.ci/run installs it)")
DOCS = Path(__file__).resolve().parents[2] / "docs" / "images"
WANTED, HOME = os.environ.get("SCREENSHOTS", ""), os.environ.get("INBOX_HOME", "")

PLAN = """# License Optimization Plan: {name}

*Internal · facts as of 28 June 2026*

## What is at stake

{name} pays $60,000 a year for 200 seats, and 150 of 200 seats were not used in the last four weeks. The last day to opt out is near enough that a down-sell is the likely outcome unless the seats find users.

## What to do

1. Ask the champion which teams were meant to have the unused 150 seats, and what kept them from starting
   - Owner: Customer Success Manager · due 6 July 2026
   - Done when: each team has a name, a reason and a date
2. Offer two onboarding sessions to the teams that want to start
   - Owner: Customer Success Manager · due 13 July 2026
   - Done when: both sessions were held

## The figures

| Figure | Value | Measured over | Source |
|---|---|---|---|
| Annual recurring revenue | $60,000 | today | F06 marts.fct_account_signals |
| Unused seats | 150 seats | last four weeks | F12 marts.fct_account_signals |
| Seats under contract | 200 seats | today | F10 marts.fct_account_signals |

---
*Written by the offline drafter (no language model).*
"""
CUSTOMERS = [
    ("Brightwater Logistics", 184_000, "USD", "red", 81.0, [64, 66, 61, 60, 52, 47, 41, 38, 31, 29], "risk_mitigation_plan", "Ada Moss", 45),
    ("Halden Instruments", 96_500, "EUR", "yellow", 58.0, [33, 35, 34, 36, None, None, 30, 29, 31, 28], "value_realization_roadmap", "Ada Moss", 80),
    ("Marlow & Finch", 72_000, "GBP", "yellow", 47.0, [20, 22, 25, 24, 27, 26, 25, 23, 22, 21], "license_optimization_plan", "Ben Ortiz", 120),
    ("Oakridge Clinics", 60_000, "USD", "green", 22.0, [40, 41, 43, 44, 50, 52, 49, 55, 58, 60], "license_optimization_plan", "Ada Moss", 64),
    ("Quayside Foods", 41_250, "USD", "green", 18.0, [12, 14, 13, 15, 15, 17, 16, 18, 18, 19], "training_nudge", "Ada Moss", 150),
    ("Selwyn Robotics", 38_000, "USD", "green", 15.0, [8, 9, 9, 11, 12, 12, 13, 15, 16, 18], "success_plan", "Ben Ortiz", 210),
    ("Tarn Valley Energy", 27_900, "EUR", "green", 12.0, [22, 21, 22, 23, 22, 24, 23, 24, 25, 25], "training_nudge", "Ada Moss", 240),
    ("Umber Textiles", 18_600, "USD", "green", 9.0, [5, 6, 6, 7, 7, 7, 8, 8, 9, 9], "license_optimization_plan", "Ada Moss", 300),
]  # fmt: skip


@pytest.fixture
def customers(store):
    ids = []
    for number, (name, arr, currency, band, risk, weeks, document, owner, days) in enumerate(CUSTOMERS):
        ids.append(
            ask_about(
                store, f"ACC-{number}", name=name, document=document, text=PLAN.format(name=name), arr_amount=Decimal(arr), currency=currency, risk_band=band,
                lean_risk=risk, weekly_active=weeks, csm_name=owner, next_opt_out_date=date.fromordinal(NOW.toordinal() + days),
            )
        )  # fmt: skip
    return ids


@pytest.fixture
def address(settings, store, customers):
    """The inbox behind a real server, in a thread of its own."""
    with serving(settings, store) as where:
        yield where


@contextmanager
def serving(settings, store):
    import uvicorn

    listener = listening("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(make_app(settings, store), log_level="critical", access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(20)


@pytest.fixture(scope="module")
def chromium():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright (test extra) is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium, address):
    """Opens a page for one person; at the end no request may have left the host, and the console must be silent."""
    opened, left, said = [], [], []

    def opener(login="ada", *, width=1280, height=860, scheme="light", scripts=True):
        context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, java_script_enabled=scripts)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("request", lambda request: left.append(request.url) if urlsplit(request.url).hostname != "127.0.0.1" else None)
        # The pages of errors are asked for on purpose; the console says that their status is 404.
        page.on("console", lambda message: said.append(message.text) if "status of 404" not in message.text else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        opened.append(context)
        if login:
            page.goto(f"{address}/login")
            page.fill("#login", login)
            page.fill("#password", PASSWORD)
            page.press("#password", "Enter")
            page.wait_for_selector("table.queue")
        return page

    yield opener
    for context in opened:
        context.close()
    assert left == [] and said == []


@pytest.fixture
def keep(tmp_path):
    """Where a picture goes."""

    def shot(page, name, **options):
        page.screenshot(path=str(tmp_path / name), **options)
        assert 5_000 < (tmp_path / name).stat().st_size < 150_000

    return shot


def test_a_csm_decides_on_five_items_with_the_keyboard_alone(open_page, store):
    """j moves, Enter opens, a letter puts the focus on the answer, Enter confirms; no mouse, no Tab."""
    page = open_page("ada")
    page.goto(page.url + "?whose=may")
    keys = page.keyboard
    decided = []
    for answer in ("a", "a", "c", "r", "a"):
        page.wait_for_selector("table.queue")
        if not page.evaluate("document.activeElement.matches('a.open')"):
            keys.press("j")
        # What the CSM may not decide is passed over with j.
        while page.evaluate("document.activeElement.closest('tr').classList.contains('notmine')"):
            keys.press("j")
        name = page.evaluate("document.activeElement.textContent")
        keys.press("Enter")
        page.wait_for_selector("article.paper")
        keys.press(answer)
        if answer != "a":
            keys.type("The champion left, start from the sponsor")
        keys.press("Enter")
        page.wait_for_selector("p.notice.good")
        assert name in page.text_content("p.notice.good")
        decided.append(name)
    states = {
        request.account_name: (request.state, request.decided_by) for request in list_requests(store, states=("approved", "changes_requested", "rejected"))
    }
    assert len(set(decided)) == 5
    assert [states[name] for name in decided] == [
        ("approved", "ada"),
        ("approved", "ada"),
        ("changes_requested", "ada"),
        ("rejected", "ada"),
        ("approved", "ada"),
    ]


def test_keys_help_and_stay_out_of_the_way_while_somebody_types(open_page, store, customers):
    page = open_page("dora")
    for _ in range(2):
        page.keyboard.press("j")
    page.keyboard.press("k")
    assert page.evaluate("document.activeElement.textContent") == page.locator("a.open").first.text_content()
    page.goto(page.url.split("?")[0] + f"requests/{customers[3]}")
    page.keyboard.press("c")
    page.keyboard.type("a jar of erasers, dear?")  # every key of ours is in it
    assert page.input_value("#note-request_changes") == "a jar of erasers, dear?" and "/requests/" in page.url
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    page.wait_for_selector("table.keys")
    assert show_request(store, customers[3]).state == "pending"


def test_nothing_scrolls_sideways_at_390_pixels(open_page, customers, keep):
    page = open_page("dora", width=390, height=844)
    base = page.url
    for path in ("", f"requests/{customers[0]}", f"requests/{customers[3]}/evidence/F12", "alerts", "help", "requests/req-000000000000"):
        page.goto(base + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
        narrow = page.evaluate(
            """() => [...document.querySelectorAll('button, .button, summary, select')].filter(e => e.offsetParent && e.getBoundingClientRect().height < 24).map(e => e.textContent)"""
        )
        assert narrow == [], path
    page.goto(base)
    keep(page, "inbox-phone.png")


def test_the_pages_work_without_scripts(open_page, store, customers):
    page = open_page("ada", scripts=False)
    page.select_option("select[name=kind]", "training_nudge")
    page.click("form.filters button")
    assert page.locator("a.open").count() == 2
    page.click("a.open >> nth=0")
    page.click("button.primary")
    assert page.locator("p.notice.good").count() == 1
    assert len(list_requests(store, states=("approved",))) == 1


def test_htmx_swaps_the_queue_and_the_rows_in_place(open_page, customers):
    page = open_page("dora")
    page.evaluate("window.stayed = true")
    page.select_option("select[name=risk]", "red")
    page.locator("a.open").nth(1).wait_for(state="detached")  # a text that is evaluated is what the page's policy refuses
    assert page.evaluate("window.stayed") and "risk=red" in page.url
    page.goto(page.url.split("?")[0] + f"requests/{customers[3]}")
    page.evaluate("window.stayed = true")
    page.click("tr#F12 a")
    page.wait_for_selector("#rows-F12 table")
    assert page.evaluate("window.stayed") and page.locator("#rows-F12 tbody tr").count() == 3


CONTRAST = """() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = (text) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = text; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const light = (c) => { const [r, g, b] = c.slice(0, 3).map(v => { v /= 255; return v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; }); return .2126 * r + .7152 * g + .0722 * b; };
  const ground = (e) => { for (; e; e = e.parentElement) { const c = rgba(getComputedStyle(e).backgroundColor); if (c[3] === 255) return c; } return [255, 255, 255, 255]; };
  const low = [];
  let seen = 0;
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement;
    if (!walk.currentNode.textContent.trim() || !e.offsetParent || e.closest('.hidden, .skip, svg, script')) continue;
    const s = getComputedStyle(e), a = light(rgba(s.color)), b = light(ground(e));
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    seen += 1;
    if (ratio < 4.5) low.push(e.textContent.trim().slice(0, 40) + ' ' + ratio.toFixed(2));
  }
  return [seen, low];
}"""
UNLABELLED = """() => [...document.querySelectorAll('input:not([type=hidden]), select, textarea, button, a[href], svg[role=img], summary')].filter(e => {
  if (!e.getClientRects().length) return false;
  const named = e.getAttribute('aria-label') || (e.labels && e.labels.length && [...e.labels].map(l => l.textContent).join('').trim()) || e.textContent.trim();
  return !named;
}).map(e => e.outerHTML.slice(0, 80))"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read_and_every_control_has_a_name(open_page, customers, keep, scheme):
    """WCAG 2.2 AA: contrast 4.5; a name for each control and picture; one h1 a page."""
    page = open_page("dora", scheme=scheme)
    base = page.url
    for path in ("", f"requests/{customers[3]}", f"requests/{customers[3]}/evidence/F12", "help", "alerts", "?state=approved", "requests/req-000000000000"):
        page.goto(base + path)
        page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
        seen, low = page.evaluate(CONTRAST)
        assert seen > 5 and low == [], path
        assert page.evaluate(UNLABELLED) == [], path
        assert page.locator("h1").count() == 1 and page.locator("html[lang=en]").count() == 1
    page.goto(base)
    assert "Active people a week" in page.locator("svg.spark").first.get_attribute("aria-label")
    if scheme == "light":
        page.set_viewport_size({"width": 1180, "height": 740})
        keep(page, "inbox-queue.png")
        page.goto(base + f"requests/{customers[3]}")
        keep(page, "inbox-item.png")


@pytest.mark.skipif(WANTED != "docs" or not HOME, reason="pictures of the documentation are made on demand: SCREENSHOTS=docs INBOX_HOME=<home of a demo>")
def test_pictures_of_the_documentation(chromium, tmp_path):
    """The inbox of a demo's night, in a copy of its home: a picture shows what whoever tries it will see."""
    from vim_pipelines.approvals.people import add_person
    from vim_pipelines.approvals.policy import load_policy
    from vim_pipelines.settings import Settings
    from vim_pipelines.store import open_store

    home = tmp_path / "home"
    shutil.copytree(HOME, home, symlinks=True, ignore=shutil.ignore_patterns("dagster", "dbt", "logs", "data_docs", "warehouse.duckdb*", "*-locks"))
    settings = Settings(home=home)
    store = open_store(settings)
    add_person(store, load_policy(), "dora", name="Dora Moss", role="director", password=PASSWORD, by="test", now=settings.now())
    waiting = list_requests(store, states=("pending",))
    headline = min(waiting, key=lambda one: (one.account_key != "ACC-HEADLINE", one.version, one.document != "value_realization_roadmap", one.request_id))
    with serving(settings, store) as address:
        context = chromium.new_context(viewport={"width": 1180, "height": 740})
        page = context.new_page()
        page.goto(f"{address}/login")
        page.fill("#login", "dora")
        page.fill("#password", PASSWORD)
        page.press("#password", "Enter")
        page.wait_for_selector("table.queue")
        for name, path, size in (
            ("inbox-queue.png", "", (1280, 800)),
            ("inbox-item.png", f"requests/{headline.request_id}", (1180, 740)),
            ("inbox-phone.png", "", (390, 844)),
        ):
            page.set_viewport_size({"width": size[0], "height": size[1]})
            page.goto(f"{address}/{path}")
            page.screenshot(path=str(DOCS / name))
            assert 20_000 < (DOCS / name).stat().st_size < 250_000
        context.close()
    store.engine.dispose()
