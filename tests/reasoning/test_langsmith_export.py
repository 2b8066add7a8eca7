"""Traces go to LangSmith from the ledger, through the real SDK, and an outage costs seconds and loses nothing."""

import time
from datetime import timedelta
from decimal import Decimal

import pytest
from pydantic import SecretStr
from reasoning_cases import AS_OF, NOW
from sqlalchemy import func, select

from vim_pipelines.reasoning.langsmith_export import export_calls
from vim_pipelines.sandbox.langsmith_emulator import LangSmithEmulator, start_langsmith
from vim_pipelines.store.models import LlmCall


@pytest.fixture
def langsmith():
    emulator = LangSmithEmulator()
    server = start_langsmith(emulator)
    emulator.url = server.url
    yield emulator
    server.stop()


@pytest.fixture
def traced(settings, langsmith):
    return settings.model_copy(update={"langsmith_api_key": SecretStr("ls-key"), "langsmith_endpoint": langsmith.url})


def put_calls(store, count=1, *, status="ok", finished=True):
    """Rows as the ledger leaves them; `finished=False` is a call that is still on its way."""
    done = {
        "status": status, "input_tokens": 100, "output_tokens": 50, "cache_read_tokens": 900, "cache_write_tokens": 0, "cost_usd": Decimal("0.000044"),
        "request_id": "req_1", "stop_reason": "end_turn", "response": {"text": "the draft of Northwind"}, "latency_ms": 1500,
        "error": None if status == "ok" else "broken",
    }  # fmt: skip
    with store.session() as session:
        for number in range(count):
            row = LlmCall(
                call_id=f"{status}-{number}", draft_key=f"key-{status}-{number}", attempt=1, account_key="ACC-1", document="risk_mitigation_plan",
                provider="anthropic", model="claude-haiku-5-5", prompt_sha256="p" * 64, as_of_date=AS_OF, created_at=NOW + timedelta(seconds=number),
                **(done if finished else {"status": "started"}),
            )  # fmt: skip
            session.add(row)


def left(store):
    with store.session() as session:
        return session.scalar(select(func.count()).select_from(LlmCall).where(LlmCall.exported_at.is_(None)))


def test_a_finished_call_becomes_a_back_dated_run_with_its_tokens_and_cost(store, traced, langsmith):
    put_calls(store)
    report = export_calls(store, traced, NOW + timedelta(hours=5))
    assert (report.exported, report.left) == (1, 0) and left(store) == 0
    (run,) = langsmith.runs.values()
    assert run["start_time"].startswith("2026-06-29T06:00:00") and run["end_time"].startswith("2026-06-29T06:00:01.5")
    assert run["session_name"] == "value-in-motion" and run["run_type"] == "llm" and run["name"] == "risk_mitigation_plan"
    metadata = run["extra"]["metadata"]
    assert metadata["account_key"] == "ACC-1" and metadata["request_id"] == "req_1"
    usage = metadata["usage_metadata"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["input_token_details"]["cache_read"], usage["total_cost"]) == (1000, 50, 900, 0.000044)


def test_no_content_leaves_the_house_unless_the_setting_says_so(store, traced, langsmith):
    put_calls(store)
    export_calls(store, traced, NOW)
    assert "Northwind" not in str(langsmith.runs)


def test_content_is_sent_when_the_setting_says_so(store, traced, langsmith):
    put_calls(store)
    export_calls(store, traced.model_copy(update={"langsmith_send_content": True}), NOW)
    assert next(iter(langsmith.runs.values()))["outputs"]["text"] == "the draft of Northwind"


def test_a_call_goes_out_once_and_a_call_that_is_still_open_waits(store, traced, langsmith):
    put_calls(store, 3)
    put_calls(store, 1, status="pending", finished=False)
    assert export_calls(store, traced, NOW).exported == 3
    posts = langsmith.posts
    assert export_calls(store, traced, NOW).exported == 0 and langsmith.posts == posts and left(store) == 1


def test_a_failed_call_is_shown_as_an_error(store, traced, langsmith):
    put_calls(store, status="refusal")
    export_calls(store, traced, NOW)
    assert next(iter(langsmith.runs.values()))["error"] == "refusal: broken"


def test_many_calls_go_in_batches(store, traced, langsmith):
    put_calls(store, 230)
    assert export_calls(store, traced, NOW).exported == 230 and len(langsmith.runs) == 230 and langsmith.posts == 3


@pytest.mark.parametrize(("fault", "said"), [({"status": 500}, "then failed"), ({"info_status": 503}, "HTTP 503"), ({"info_status": 401}, "refused the key")])
def test_an_outage_leaves_the_calls_for_later_and_says_so(store, traced, langsmith, fault, said):
    put_calls(store, 5)
    vars(langsmith).update(fault)
    report = export_calls(store, traced, NOW)
    assert (report.exported, report.left, left(store)) == (0, 5, 5) and said in report.message
    vars(langsmith).update(status=202, info_status=200)
    assert export_calls(store, traced, NOW).exported == 5


def test_nobody_at_the_address_costs_seconds_not_minutes(store, traced):
    put_calls(store, 200)
    started = time.monotonic()
    report = export_calls(store, traced.model_copy(update={"langsmith_endpoint": "http://127.0.0.1:9"}), NOW)
    assert report.left == 200 and "cannot be reached" in report.message and time.monotonic() - started < 8


def test_a_batch_whose_answer_was_lost_is_the_same_runs_again(store, traced, langsmith):
    """The rows were received and the process died before it could mark them."""
    put_calls(store, 2)
    export_calls(store, traced, NOW)
    with store.session() as session:
        for row in session.scalars(select(LlmCall)):
            row.exported_at = None
    export_calls(store, traced, NOW)
    assert len(langsmith.runs) == 2


def test_without_a_key_nothing_is_sent(store, settings, langsmith):
    put_calls(store)
    report = export_calls(store, settings, NOW)
    assert (report.exported, report.left) == (0, 1) and "LANGSMITH_API_KEY" in report.message


@pytest.mark.parametrize("is_zstd", [True, False])
def test_the_emulator_takes_what_the_sdk_sends_in_the_background_too(langsmith, is_zstd):
    """Its own threads compress with zstd when /info says so; the exporter posts without threads."""
    import uuid

    from langsmith import Client

    langsmith.is_zstd = is_zstd
    client = Client(api_url=langsmith.url, api_key="k")
    identity = uuid.uuid4()
    client.create_run(
        "trial", {"question": "?"}, "chain", id=identity, trace_id=identity, dotted_order=f"20260629T060000000000Z{identity}", project_name="p", start_time=NOW,
    )  # fmt: skip
    client.flush()
    client.close()
    assert langsmith.runs[str(identity)]["inputs"] == {"question": "?"}
    assert langsmith.encodings == (["zstd"] if is_zstd else ["plain"])
