"""One token from each vendor: what the doctor says of a good key, a revoked one, a model that nobody has, and a server that is not there."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from vim_pipelines.doctor.services import drafter
from vim_pipelines.reasoning.providers.probe import probe
from vim_pipelines.sandbox.claude_emulator import Fault

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_a_good_key_is_tried_with_one_token_and_says_the_model(claude_settings, claude):
    found = drafter(claude_settings, calls=True)
    assert found.status == "ok" and "claude-haiku-5-5 answered a call of one token" in found.text, found
    (call,) = claude.journal
    assert call["body"]["max_tokens"] == 1


def test_without_leave_nobody_is_called(claude_settings, claude):
    assert drafter(claude_settings).status == "ok" and claude.journal == []


def test_a_switch_that_is_off_is_not_gone_round(claude_settings, claude, store):
    from datetime import datetime

    from vim_pipelines.store.switches import turn

    turn(store, "llm", on=False, actor="x", role="director", note="budget", now=datetime(2026, 6, 29))
    assert drafter(claude_settings, calls=True).status == "warn" and claude.journal == []


@pytest.mark.parametrize(("status", "expected"), [(401, "fail"), (404, "fail"), (529, "warn"), (429, "warn")])
def test_what_the_vendor_refuses_is_red_and_its_bad_day_is_yellow(claude_settings, claude, status, expected):
    claude.faults.append(Fault("status", status=status))
    found = drafter(claude_settings, calls=True)
    assert found.status == expected and f"HTTP {status}" in found.text
    assert ("ANTHROPIC_API_KEY" in found.fix) == (expected == "fail") and "test-key" not in found.text + found.fix


def test_a_server_that_is_not_there_is_told(claude_settings):
    gone = claude_settings.model_copy(update={"anthropic_base_url": "http://127.0.0.1:9"})
    tried = probe(gone, "anthropic")
    assert tried.failure is not None and tried.failure.again and "no connection" in tried.failure.reason


def test_the_second_vendor_is_tried_too(both_settings, openai, claude):
    found = drafter(both_settings, calls=True)
    assert found.status == "ok" and "gpt-6-luna answered" in found.text, found
    refused = both_settings.model_copy(update={"openai_api_key": SecretStr("revoked"), "drafter": "openai"})
    found = drafter(refused, calls=True)
    assert found.status == "fail" and "OPENAI_API_KEY" in found.fix and "revoked" not in found.fix
