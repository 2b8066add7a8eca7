"""`vimotion demo` on a night that is there: what it opens, that the walk does what its words say, and that nothing outlives it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time

import httpx
import pytest


def of_group(leader: int) -> list[int]:
    """Processes of the group that `leader` led."""
    listed = subprocess.run(["ps", "-eo", "pid,pgid"], capture_output=True, text=True, check=True).stdout.split("\n")[1:]
    return [int(pid) for pid, pgid in (line.split() for line in listed if line.strip()) if int(pgid) == leader]


def children_of(parent: int) -> list[int]:
    listed = subprocess.run(["ps", "-eo", "pid,ppid"], capture_output=True, text=True, check=True).stdout.split("\n")[1:]
    return [int(pid) for pid, ppid in (line.split() for line in listed if line.strip()) if int(ppid) == parent]


def test_the_walk_is_done_as_it_is_described_and_again_it_is_only_shown(home):
    """$45,000 = 150 x $300, approved by the director, written once, read back: the headline of the whole product."""
    # a key and a portfolio of the user's own: the demo must not use either
    foreign = {"ANTHROPIC_API_KEY": "not-to-be-used", "SLACK_BOT_TOKEN": "xoxb-not-to-be-used", "VIMOTION_PORTFOLIO": "/nowhere/portfolio.yaml"}
    done = home.run("demo", "--walk", "--once", "--no-dagster", **foreign)
    said = done.stdout
    assert "The night of" in done.stderr and "is there" in done.stderr
    assert "150 x $300 = $45,000 a year" in said
    assert re.search(r"log in as  csm +password  \S{12,}", said) and re.search(r"log in as  director +password  \S{12,}", said)
    request = re.search(r"Approved: (req-\w+) by Demo Director \(director\)", said)
    assert request is not None
    steps = said.split("Walking it:")[0]
    assert [int(number) for number in re.findall(r"^(\d)\. ", steps, re.MULTILINE)] == [1, 2, 3, 4, 5, 6]
    assert steps.count(request[1]) >= 4, "the steps name the request that is walked"
    walked = said.split("Walking it:")[1]
    assert "before (nothing)" in walked and ": verified" in walked and "now " in walked

    again = home.run("demo", "--walk", "--once", "--no-dagster").stdout
    assert "Approved:" not in again and request[1] in again and ": verified" in again.split("Walking it:")[1]
    shown = home.run("write-back", "show", request[1]).stdout
    assert "verified" in shown and shown.count("attempts 1,") == shown.count("attempts "), "nothing was sent twice"


def listens_to_ctrl_c():
    """A shell in the background starts its children deaf to SIGINT, and they stay so."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_end_from_outside_ends_what_the_demo_started(home, number):
    process = subprocess.Popen(
        [sys.executable, "-m", "vim_pipelines.cli", "--home", str(home.path), "demo", "--no-dagster"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | home.variables,
        preexec_fn=listens_to_ctrl_c,
    )  # fmt: skip
    assert process.stdout is not None
    opened = {}
    for line in process.stdout:
        if found := re.match(r"  (Inbox|Slack) +(\S+)", line):
            opened[found[1]] = found[2]
        if line.startswith("Everything is in"):
            break
    address = opened["Inbox"]
    assert httpx.get(f"{address}/health", trust_env=False).status_code == 200
    told = httpx.get(opened["Slack"], trust_env=False).text
    assert opened["Slack"].startswith("http://127.0.0.1:") and "D0DIRECTOR" in told and "D0CSM" in told
    inbox = children_of(process.pid)
    assert inbox
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert [pid for leader in inbox for pid in of_group(leader)] == []
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"{address}/health", trust_env=False, timeout=2)


@pytest.mark.slow
def test_the_whole_demo_in_an_empty_folder_with_dagster(make_home, tmp_path):
    """As a newcomer sees it; the time is for `make bench`, here it only has to come up and end."""
    home = make_home(tmp_path / "home", accounts=40, weeks=45)
    started = time.monotonic()
    done = home.run("demo", "--walk", "--once")
    address = re.search(r"  Dagster +(http://127\.0\.0\.1:\d+)", done.stdout)
    assert address is not None, (done.stdout, time.monotonic() - started)
    assert "Approved: req-" in done.stdout and ": verified" in done.stdout
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"{address[1]}/server_info", trust_env=False, timeout=2)
