"""The built site: every page in Chromium, nothing from another host, nothing broken, search finds."""

from __future__ import annotations

import re
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tools.docs_site import ROOT, build, error_pages, navigation, relinked

CHROMIUM = Path("/usr/bin/chromium")


def test_each_error_has_a_page_of_its_own():
    from vim_pipelines.core.errors import CODES

    pages = error_pages((ROOT / "docs/reference/errors.md").read_text())
    assert set(pages) == set(CODES)
    assert all("Fix:" in page and page.startswith(f"# {code}: ") and len(page.splitlines()[0]) > len(code) + 4 for code, page in pages.items())


def test_a_link_that_leaves_the_pages_leads_to_where_the_site_has_them():
    assert relinked("[f](../../dbt_project/DECISIONS.md#x)", "explanation/signals.md", "docs/explanation/signals.md") == "[f](../reference/formulas.md#x)"
    assert relinked("[d](docs/decisions.md)", "changelog.md", "CHANGELOG.md") == "[d](decisions.md)"
    assert relinked("[a](../../Makefile)", "how-to/a.md", "docs/how-to/a.md") == "a"


def test_a_page_that_the_navigation_does_not_name_is_in_it_all_the_same():
    """A page that nobody can reach is a page that nobody wrote."""
    made = navigation([{"Do": ["how-to/a.md", "how-to/gone.md"]}, {"Understand": []}], {"how-to/a.md", "how-to/b.md", "explanation/c.md"})
    assert made == [{"Do": ["how-to/a.md", "how-to/b.md"]}, {"Understand": ["explanation/c.md"]}]


def test_no_page_stands_twice_in_the_navigation():
    """Two people added the same page in two places, and neither saw the other's."""
    named = re.findall(r"^\s+- (?:[^:\n]+: )?(\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert len(named) > 40 and sorted(named) == sorted(set(named))


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None:
        """A test's output is for its findings."""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site as `make docs` builds it; a broken link or anchor fails the build."""
    pytest.importorskip("zensical")
    folder = tmp_path_factory.mktemp("docs")
    done = build(ROOT, folder / "stage", folder / "site")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site"


def test_the_site_builds_without_a_broken_link_and_every_picture_says_what_it_shows(site):
    pages = sorted(page for page in site.rglob("*.html") if page.name != "404.html")
    assert len(pages) > 80 and (site / "llms.txt").is_file()
    for page in pages:
        text = page.read_text()
        assert not [tag for tag in re.findall(r"<img [^>]*>", text) if not re.search(r'alt="[^"]+"', tag)], page
        for address in re.findall(r'<(?:img|script|link)[^>]* (?:src|href)="([^"#]+)"', text):
            assert "://" not in address and (page.parent / address).exists(), f"{page.relative_to(site)}: {address}"


def test_every_page_opens_in_a_browser_without_error_or_request_to_another_host(site):
    """Fonts, Mermaid and icons are what other builders fetch at view time; a reader behind a firewall then sees half a page."""
    if not CHROMIUM.is_file():
        pytest.skip("Debian's chromium is not on this machine")
    from playwright.sync_api import sync_playwright

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    origin = f"http://127.0.0.1:{server.server_port}"
    wrong: list[str] = []
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"])
            tab = browser.new_page(viewport={"width": 390, "height": 800})
            tab.on("console", lambda message: wrong.append(f"{tab.url}: {message.text}") if message.type == "error" else None)
            tab.on("pageerror", lambda error: wrong.append(f"{tab.url}: {error}"))
            tab.on("request", lambda request: None if request.url.startswith((origin, "data:", "blob:")) else wrong.append(f"{tab.url}: {request.url}"))
            for page in sorted(site.rglob("*.html")):
                address = page.relative_to(site).as_posix()
                if address == "404.html" or (address.startswith("reference/errors/") and not address.endswith(("E012.html", "E099.html"))):
                    continue  # the pages of single errors are all made by one function
                tab.goto(f"{origin}/{address}")
                if tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") > 1:
                    wrong.append(f"{address} scrolls sideways on a phone")
            tab.set_viewport_size({"width": 1280, "height": 900})
            tab.goto(f"{origin}/index.html")
            tab.wait_for_load_state("networkidle")  # a key that comes before the page's script listens is lost
            tab.keyboard.press("/")
            tab.keyboard.type("opt-out")
            tab.get_by_text(re.compile(r"\d+ results")).wait_for(timeout=30_000)
            tab.keyboard.press("Enter")
            tab.wait_for_url(lambda url: not url.endswith("/index.html"), timeout=30_000)
            browser.close()
    finally:
        server.shutdown()
    assert wrong == []
