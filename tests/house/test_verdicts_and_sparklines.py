"""A check's answer says why and what to do, and a small line is drawn one way and fits where it is shown."""

from __future__ import annotations

import re
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vim_pipelines.core.sparkline import INLINE_LIMIT, drawn, inline_sparkline
from vim_pipelines.core.verdicts import ROWS_SHOWN, Verdict, markdown_table


@given(st.lists(st.none() | st.floats(min_value=0, max_value=1e12), max_size=60))
def test_every_sparkline_fits_where_dagster_shows_it_at_once(series):
    assert len(inline_sparkline("Contract value of red accounts, a year", series, "$123,456,789.00")) < INLINE_LIMIT


def test_a_picture_that_does_not_fit_is_an_error_and_not_a_hidden_link():
    with pytest.raises(ValueError, match="characters"):
        inline_sparkline("x" * 900, [1.0, 2.0], "2")


def test_a_night_that_nobody_measured_is_a_gap_and_not_a_zero():
    line = drawn([4, 2, None, 1, 3], 96, 24, 2)
    assert len(line.runs) == 2
    heights = [float(pair.split(",")[1]) for run in line.runs for pair in run.split()]
    assert heights == [2.0, 12.0, 17.0, 7.0] and line.end == (94.0, 7.0)
    assert drawn([], 96, 24, 2) is None and drawn([None], 96, 24, 2) is None
    assert "unknown" in inline_sparkline("Waste", [None, None], "$0")


def test_the_picture_is_one_markdown_image_that_a_browser_reads():
    """Dagster drops an `<svg>` from Markdown; a blank or a bracket in the address would end it early."""
    text = inline_sparkline("Red accounts", [1.0, None, 3.0, 2.0], "2")
    address, rest = re.fullmatch(r"!\[Red accounts, 4 nights\]\(data:image/svg\+xml,([^\s()<>]+)\) (.*)", text).groups()
    assert rest == "Red accounts: **2**"
    drawn_svg = ElementTree.fromstring(unquote(address))
    assert [element.tag.rpartition("}")[2] for element in drawn_svg.iter()] == ["svg", "g", "path", "circle"]


def test_the_picture_shows_the_newest_nights():
    text = inline_sparkline("Red accounts", [9.0] * 60 + [0.0], "0")
    points = re.search(r"d='M([^']+)'", text).group(1).split("L")
    assert len(points) == 40 and points[-1].endswith(",27.0")


def test_a_failed_check_says_why_what_to_do_and_which_rows():
    rows = [{"mart": f"fct_{number}", "found": "a | b\n<b>"} for number in range(ROWS_SHOWN + 3)]
    verdict = Verdict("Every mart is there", False, why="3 of 5 differ", fix="Publish again", rows=rows, figures={"marts": 5, "unknown": None})
    assert verdict.text() == "Every mart is there: it does not hold. Why: 3 of 5 differ. Fix: Publish again."
    assert verdict.numbers() == {"marts": 5}
    lines = verdict.table().splitlines()
    assert lines[0] == "| mart | found |" and lines[2] == "| fct_0 | a / b &lt;b> |" and lines[-1] == "and 3 more"
    assert markdown_table([]) == "" and Verdict("All well", True, why="x", fix="y").text() == "All well"
