"""Programs beside a command: started, waited for, and ended with all that they started, by their own ids."""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path

import pytest

from vim_pipelines.cli.children import Children, free_port, wait_for
from vim_pipelines.core.errors import VimError

#: A program that starts another one, says its id, and ignores a request to end.
STUBBORN = (
    "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); print(p.pid, flush=True); time.sleep(600)"
)


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.is_file() or stat.read_text().split()[2] != "Z"


def test_what_ignores_the_request_is_ended_with_what_it_started(tmp_path, monkeypatch):
    """Dagster starts programs of its own; one that hangs kept its port, and the next demo took another."""
    monkeypatch.setattr("vim_pipelines.cli.children.GRACE_SECONDS", 0.5)
    with Children(tmp_path) as children:
        child = children.start("stubborn", [sys.executable, "-c", STUBBORN], {})
        deadline = time.monotonic() + 60
        while not child.log.read_text().strip() and time.monotonic() < deadline:
            time.sleep(0.05)
        grandchild = int(child.log.read_text())
        assert is_there(child.process.pid) and is_there(grandchild)
    deadline = time.monotonic() + 10
    while is_there(grandchild) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not child.is_alive and not is_there(grandchild)


def test_a_server_that_dies_is_told_with_the_last_line_of_its_log(tmp_path):
    with Children(tmp_path) as children:
        child = children.start("inbox", [sys.executable, "-c", "print('one'); print('the port is taken'); raise SystemExit(3)"], {})
        with pytest.raises(VimError) as told:
            wait_for(child, "http://127.0.0.1:9/", 30.0)
    assert told.value.code == "VIM-E137" and told.value.why == "the port is taken" and str(child.log) in told.value.fix


def test_a_server_that_answers_is_up_and_one_that_does_not_is_not_waited_for_for_ever(tmp_path):
    port = free_port(0)
    with Children(tmp_path) as children:
        child = children.start("web", [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"], {})
        wait_for(child, f"http://127.0.0.1:{port}/", 60.0)
        with pytest.raises(VimError, match="within 0 s"):
            wait_for(child, f"http://127.0.0.1:{port}/", 0.0, is_up=lambda url: False)


def test_a_port_that_is_taken_is_left_to_whoever_has_it():
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = holder.getsockname()[1]
        assert free_port(taken) not in (0, taken)
    assert free_port(taken) == taken
