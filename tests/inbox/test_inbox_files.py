"""The files of others are what VENDORED.md says, and a sparkline and a deadline say what they know."""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta
from pathlib import Path

from inbox_world import NOW

import vim_pipelines.inbox
from vim_pipelines.inbox.shown import sparkline, time_left

STATIC = Path(vim_pipelines.inbox.__file__).parent / "static"


def test_each_vendored_file_has_the_hash_that_is_on_record():
    listed = dict(re.findall(r"^\| `([^`]+)` .*`([0-9a-f]{64})` \|$", (STATIC / "VENDORED.md").read_text(), re.M))
    own = {"inbox.css", "inbox.js", "icon.svg", "VENDORED.md", "htmx-LICENSE.txt"}
    assert {path.name for path in STATIC.iterdir()} == set(listed) | own
    for name, sha256 in listed.items():
        assert hashlib.sha256((STATIC / name).read_bytes()).hexdigest() == sha256


def test_no_sheet_and_no_script_of_ours_names_another_host():
    for path in STATIC.glob("inbox.*"):
        assert not re.search(r"https?:|url\(|@import", path.read_text())


def test_a_week_without_data_is_a_gap_and_is_said_to_be_one():
    picture = sparkline([4, 5, None, 6, 7])
    assert picture.count("<polyline") == 2 and "from 4 to 7, at most 7; 1 without data" in picture
    assert "no data" in sparkline([]) and "no data" in sparkline([None, None])


def test_time_left_is_told_in_the_largest_unit_that_helps():
    shown = [time_left(NOW + timedelta(minutes=minutes), NOW) for minutes in (-1, 0, 35, 60, 119, 1440 + 61)]
    assert shown == ["over", "over", "35 min", "1 h", "1 h", "1 d 1 h"]
