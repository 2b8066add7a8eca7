"""Many people at once: a small run of benchmarks/inbox_load.py on a real server and a real file, for its truth, not for its times."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # benchmarks/ stands beside the package and is not installed

from benchmarks.inbox_load import check, make_store, run_people, serve
from vim_pipelines.approvals.queue import list_requests
from vim_pipelines.settings import Settings
from vim_pipelines.store import open_store


@pytest.fixture(autouse=True)
def quick_passwords():
    """The server is a process of its own and hashes in earnest."""


def test_of_people_who_press_at_once_each_decision_is_counted_once(tmp_path):
    """Ten people, thirty items; five of the items are wanted by two people each."""
    settings = Settings(home=tmp_path, portfolio=Path("bench.yaml"))
    make_store(settings, 40, 10)
    store = open_store(settings, migrate=False)
    ids = [request.request_id for request in list_requests(store)][:30]
    store.engine.dispose()
    process, base = serve(tmp_path, None)
    try:
        seen = asyncio.run(run_people(base, ids, 10, 0.0, 5, process))
    finally:
        process.terminate()
        process.wait(30)
    assert check(settings, seen) == []
    assert set(seen.decided) == set(ids) and seen.statuses["decide 303"] == 30 and seen.statuses["decide 409"] == 5
