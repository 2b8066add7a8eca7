"""Data Docs that open without a network, say what was found, and do not pile up."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta

import pytest

from vim_pipelines.quality.docs import offline, prune, write_docs
from vim_pipelines.quality.gates import judge
from vim_pipelines.warehouse import open_warehouse

AS_OF = date(2026, 6, 28)
NOW = datetime(2026, 6, 29, 6)
CONTRACTS = (
    "id,account,product,seats,total,currency,starts,state,changed\n"
    "C1,A1,core,10,3000,USD,01/02/2026,live,2026-02-01T08:00:00Z\n"
    "C2,A2,core,-3,-600,USD,15/03/2026,live,2026-03-15T08:00:00Z\n"
)


@pytest.fixture
def pages(desk):
    """The folder of one night's pages; A2 is held."""
    desk.write("contracts.csv", CONTRACTS)
    desk.ingest()
    index = write_docs(judge(open_warehouse(desk.settings), AS_OF), desk.settings.home, AS_OF, NOW, keep_runs=3)
    assert index == desk.settings.home / "data_docs" / "2026-06-28" / "index.html"
    return index.parent


def test_no_page_asks_anything_of_anybody_and_every_link_leads_to_a_file(pages):
    """As written by Great Expectations, each page asks six hosts for style sheets, scripts, fonts and a logo."""
    found = sorted(pages.rglob("*.html"))
    assert len(found) == 12  # the index, and what was looked at of three tables and of the events
    for page in found:
        text = page.read_text()
        assert not re.search(r"https?://|//[a-z0-9.-]+\.(?:com|net|org)|<script|@import|@font-face", text), page
        for target in re.findall(r'href="([^"#]+)', text):
            assert (page.parent / target).resolve().is_file(), (page, target)
    assert not (pages / "static").exists()


def test_the_pages_name_the_gate_the_account_and_the_value(pages):
    index = (pages / "index.html").read_text()
    assert "contract_line: seats negative or beyond belief" in index and ">A2<" in index and "seats_are_believable" in index
    [page] = pages.rglob("contract_line-rows.html")
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.read_text()))
    assert "seats" in text and "-3" in text and "Failed" in text


def test_the_same_night_again_replaces_its_pages(desk, pages):
    (pages / "left-over.html").write_text("")
    write_docs(judge(open_warehouse(desk.settings), AS_OF), desk.settings.home, AS_OF, NOW + timedelta(hours=1), keep_runs=3)
    assert not (pages / "left-over.html").exists()
    assert "2026-06-29 07:00 UTC" in (pages / "index.html").read_text() and len(list(pages.rglob("contract_line-rows.html"))) == 1
    assert [path.name for path in pages.parent.iterdir()] == ["2026-06-28"]


def test_the_oldest_dates_go_first_and_nothing_else_does(tmp_path):
    dates = [tmp_path / f"2026-06-{day:02d}" for day in range(1, 8)]
    for path in [*dates, tmp_path / "notes"]:
        path.mkdir()
    prune(tmp_path, 3, keep=dates[0])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2026-06-01", "2026-06-06", "2026-06-07", "notes"], (
        "a late audit of an old date keeps its pages"
    )


def test_what_leads_outside_is_taken_out_and_the_words_stay():
    page = '<html><head><link rel="stylesheet" href="https://a.example/x.css"></head><body><a href="https://b.example">Great</a><script src="https://c.example"></script></body></html>'
    left = offline(page)
    assert "example" not in left and "Great" in left and "<style>" in left
