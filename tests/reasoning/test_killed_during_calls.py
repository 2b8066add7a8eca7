"""A night that is killed by force in the middle of its calls pays for no finished one again."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import select
from test_openai_provider import make, request, run

from vim_pipelines.store.models import LlmCall

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
DRAFTS = 24
CHILD = """
import asyncio, sys
from pydantic import SecretStr
from reasoning_cases import AS_OF, NOW
from test_openai_provider import request
from vim_pipelines.reasoning.providers.base import draft_all
from vim_pipelines.reasoning.providers.make import make_drafter
from vim_pipelines.settings import Settings
from vim_pipelines.store import open_store
home, url, count = sys.argv[1:]
settings = Settings(home=home, anthropic_api_key=SecretStr("k"), anthropic_base_url=url)
drafter = make_drafter(settings, open_store(settings), AS_OF, NOW)
asyncio.run(draft_all(drafter, [request(f"key-{number:02d}") for number in range(int(count))], concurrency=4))
"""


def test_a_night_killed_during_its_calls_pays_for_no_finished_one_again(claude_settings, store, claude):
    claude.latency_seconds = 0.15
    here = Path(__file__).resolve().parent
    path = os.pathsep.join([str(here), str(here.parents[1])])
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ANTHROPIC", "OPENAI", "VIMOTION"))} | {"PYTHONPATH": path}
    child = subprocess.Popen([sys.executable, "-W", "ignore", "-c", CHILD, str(claude_settings.home), claude.url, str(DRAFTS)], env=environment)
    try:
        deadline = time.monotonic() + 120
        while len(claude.journal) < DRAFTS // 2 and time.monotonic() < deadline and child.poll() is None:
            time.sleep(0.005)
        child.send_signal(signal.SIGKILL)
    finally:
        child.kill()
        child.wait(10)
        claude.latency_seconds = 0.0
    while claude.in_flight and time.monotonic() < deadline:
        time.sleep(0.01)
    with store.session() as session:
        finished = set(session.scalars(select(LlmCall.draft_key).where(LlmCall.status == "ok")))
        started = set(session.scalars(select(LlmCall.draft_key).where(LlmCall.status == "started")))
    sent_before = [entry["body"]["metadata"]["user_id"] for entry in claude.journal]
    assert finished and started and set(sent_before) <= finished | started, "what was sent has a row"
    assert len(set(sent_before)) == len(sent_before)
    claude.journal.clear()
    results = run(make(claude_settings, store), *(request(f"key-{number:02d}") for number in range(DRAFTS)))
    sent_after = {entry["body"]["metadata"]["user_id"] for entry in claude.journal}
    assert not sent_after & finished and len(results) == DRAFTS and {result.outcome for result in results} == {"ok", "reused"}
    assert sum(result.outcome == "reused" for result in results) == len(finished)
