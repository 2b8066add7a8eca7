"""The lock that tells a slow run from a dead one."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest
from stores import settings_for

from vim_pipelines.store import open_store
from vim_pipelines.store.locks import exclusive, is_free

HOLDER = """
import sys, time
from vim_pipelines.settings import Settings
from vim_pipelines.store import open_store
from vim_pipelines.store.locks import exclusive
with exclusive(open_store(Settings(store_url=sys.argv[1])), "request-1") as taken:
    print(taken, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def store(store_url, tmp_path):
    store = open_store(settings_for(store_url, tmp_path))
    yield store
    store.engine.dispose()


def test_one_holder_at_a_time_and_others_are_told_at_once(store) -> None:
    with exclusive(store, "a") as first, exclusive(store, "a") as second, exclusive(store, "b") as other:
        assert (first, second, other) == (True, False, True)
    assert is_free(store, "a") and is_free(store, "b")


def test_a_failure_inside_lets_go(store) -> None:
    with pytest.raises(RuntimeError), exclusive(store, "a"):
        raise RuntimeError
    assert is_free(store, "a")


def test_the_lock_ends_with_its_process(store, store_url) -> None:
    """SIGKILL runs no handler: only the kernel and the database server can let go."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, store_url], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline().strip() == "True"
        assert not is_free(store, "request-1")
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    for _ in range(200):
        if is_free(store, "request-1"):
            return
        threading.Event().wait(0.02)  # PostgreSQL's server notices the closed socket in its own time
    pytest.fail("the lock outlived its process")


def test_many_threads_never_hold_it_together(store) -> None:
    holders, most, guard = 0, 0, threading.Lock()

    def work() -> None:
        nonlocal holders, most
        for _ in range(30):
            with exclusive(store, "a") as taken:
                if taken:
                    with guard:
                        holders += 1
                        most = max(most, holders)
                    with guard:
                        holders -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert is_free(store, "a")
