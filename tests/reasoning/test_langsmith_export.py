"""Drafts, decisions and rejections go to LangSmith from the operations store, through the real SDK; an outage costs seconds and loses nothing."""

import sys
import time
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import SecretStr
from reasoning_cases import AS_OF, NOW
from sqlalchemy import func, select

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "approvals"))

from approval_drafts import make_draft

from vim_pipelines.approvals.deciding import decide, expire
from vim_pipelines.approvals.policy import Actor, load_policy
from vim_pipelines.approvals.queue import list_requests, request_approvals
from vim_pipelines.reasoning import traces
from vim_pipelines.reasoning.langsmith_export import export_traces
from vim_pipelines.reasoning.run import write_drafts
from vim_pipelines.sandbox.langsmith_emulator import LangSmithEmulator, start_langsmith
from vim_pipelines.store.models import Draft, LlmCall, TraceExport

LATER = NOW + timedelta(days=3)


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


def put_call(store, call_id="call-1", *, key="key-1", account="ACC-1", document="license_optimization_plan", at=NOW, **values):
    """A row as the ledger leaves it."""
    row = {
        "status": "ok", "attempt": 1, "provider": "anthropic", "model": "claude-haiku-5-5", "prompt_sha256": "p" * 64, "input_tokens": 100, "output_tokens": 50,
        "cache_read_tokens": 900, "cache_write_tokens": 0, "cost_usd": Decimal("0.000044"), "request_id": "req_1", "stop_reason": "end_turn",
        "response": {"text": "the draft of Northwind"}, "latency_ms": 1500, "error": None, "as_of_date": AS_OF,
    }  # fmt: skip
    with store.session() as session:
        session.add(LlmCall(call_id=call_id, draft_key=key, account_key=account, document=document, created_at=at, **(row | values)))


def put_draft(store, account="ACC-1", **values):
    draft_id = make_draft(store, account=account, **{name: value for name, value in values.items() if name == "status"})
    with store.session() as session:
        draft = session.get_one(Draft, draft_id)
        for name, value in values.items():
            setattr(draft, name, value)
        return draft_id, draft.draft_key


def left(store):
    with store.session() as session:
        return session.scalar(select(func.count()).select_from(LlmCall).where(LlmCall.exported_at.is_(None)))


def named(langsmith, name):
    return [run for run in langsmith.runs.values() if run["name"] == name]


def test_a_draft_becomes_a_back_dated_trace_with_its_calls_and_its_gates_as_children(store, traced, langsmith):
    draft_id, key = put_draft(store)
    put_call(store, key=key, at=NOW - timedelta(minutes=5))
    report = export_traces(store, traced, LATER)
    assert (report.exported, report.left, left(store)) == (1, 0, 0)
    (root,) = named(langsmith, "license_optimization_plan")
    assert root["run_type"] == "chain" and root["session_name"] == "value-in-motion" and root.get("parent_run_id") is None
    metadata = root["extra"]["metadata"]
    assert (metadata["account_key"], metadata["document"], metadata["version"]) == ("ACC-1", "license_optimization_plan", 1)
    (call,) = named(langsmith, "draft: license_optimization_plan")
    assert call["run_type"] == "llm" and call["parent_run_id"] == root["id"] and call["start_time"].startswith("2026-06-29T05:55:00")
    assert call["dotted_order"].startswith(root["dotted_order"] + ".") and call["trace_id"] == root["id"]
    usage = call["extra"]["metadata"]["usage_metadata"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["input_token_details"]["cache_read"], usage["total_cost"]) == (1000, 50, 900, 0.000044)
    gates = [run for run in langsmith.runs.values() if run["name"].startswith("gate: ")]
    assert [run["name"].removeprefix("gate: ") for run in gates] == list(traces.GATE_STAGES)
    assert {run["parent_run_id"] for run in gates} == {root["id"]} and not any(run.get("error") for run in gates)


def test_a_held_draft_shows_which_gate_held_it(store, traced, langsmith):
    put_draft(store, status="held", gate_findings=[{"gate": "digit", "stage": "numbers", "what": "the character '5' outside a slot", "where": "title"}])
    export_traces(store, traced, LATER)
    (gate,) = named(langsmith, "gate: numbers")
    assert gate["error"] == "digit" and gate["outputs"] == {"findings": 1}
    assert named(langsmith, "license_optimization_plan")[0]["error"] == "held: digit"


def test_repair_and_judge_belong_to_the_draft_of_their_account_and_document(store, traced, langsmith):
    _, key = put_draft(store)
    put_call(store, "first", key=key)
    put_call(store, "repair", key="another", purpose="repair")
    put_call(store, "judge", key="a third", purpose="judge")
    export_traces(store, traced, LATER)
    (root,) = named(langsmith, "license_optimization_plan")
    children = [run for run in langsmith.runs.values() if run["run_type"] == "llm"]
    assert {run["parent_run_id"] for run in children} == {root["id"]} and len(children) == 3


def test_a_call_without_a_draft_is_shown_alone_once_none_can_come(store, traced, langsmith):
    put_call(store, key="lost")
    assert export_traces(store, traced, NOW + timedelta(hours=5)).exported == 0 and left(store) == 1
    assert export_traces(store, traced, LATER).sent == {"calls without a draft": 1} and left(store) == 0
    (run,) = langsmith.runs.values()
    assert run["run_type"] == "llm" and run["extra"]["metadata"]["account_key"] == "ACC-1"


def test_no_sentence_and_no_name_leaves_the_house_unless_the_setting_says_so(store, traced, langsmith):
    _, key = put_draft(store, rendered_text="Northwind Robotics has a plan", account_name="Northwind Robotics")
    put_call(store, key=key)
    rejected(store, "not while Priya Raman is away")
    export_traces(store, traced, LATER)
    told = str((langsmith.runs, langsmith.feedback, langsmith.examples))
    assert "Northwind" not in told and "Priya" not in told and langsmith.feedback and langsmith.examples


def test_with_content_names_and_addresses_are_replaced_by_what_they_are(store, traced, langsmith):
    facts = [
        {"metric": "account_name", "value_text": "Northwind Robotics"}, {"metric": "champion_name", "value_text": "Priya Raman"},
        {"metric": "seats_contracted", "value_text": None},
    ]  # fmt: skip
    text = "Priya Raman of NORTHWIND robotics, priya@northwind.example, +1 415 555 0100, has 150 of 200 seats. Priyanka is another."
    put_draft(store, rendered_text=text, facts=facts)
    export_traces(store, traced.model_copy(update={"langsmith_send_content": True}), LATER)
    (root,) = named(langsmith, "license_optimization_plan")
    assert root["outputs"]["text"] == "<champion> of <customer>, [address] [number], has 150 of 200 seats. Priyanka is another."


def rejected(store, note="too vague"):
    request_approvals(store, load_policy(), AS_OF, NOW, approval_hours=72)
    (request,) = list_requests(store)
    decide(
        store, request.request_id, "reject", person=Actor("dora", "director", "cli"), version=1, note=note, now=NOW + timedelta(hours=1), policy=load_policy()
    )
    return request


def test_a_decision_is_feedback_on_the_trace_of_the_draft_that_was_read(store, traced, langsmith):
    draft_id, _ = put_draft(store)
    rejected(store)
    report = export_traces(store, traced, LATER)
    assert report.sent == {"drafts": 1, "decisions": 1, "examples": 1}
    (feedback,) = langsmith.feedback.values()
    (root,) = named(langsmith, "license_optimization_plan")
    assert (feedback["run_id"], feedback["key"], feedback["score"], feedback["value"]) == (root["id"], "human_decision", 0.0, "reject")
    assert feedback.get("comment") is None and "dora" not in str(feedback)
    (example,) = langsmith.examples.values()
    assert example["outputs"]["decision"] == "reject" and example["inputs"]["document"] == "license_optimization_plan"
    (dataset,) = langsmith.datasets.values()
    assert dataset["name"] == "value-in-motion rejected drafts"


def test_an_approval_is_good_news_and_an_expiry_is_nobodys_word(store, traced, langsmith):
    put_draft(store)
    put_draft(store, account="ACC-2")
    request_approvals(store, load_policy(), AS_OF, NOW, approval_hours=72)
    approved = next(request for request in list_requests(store) if request.account_key == "ACC-1")
    decide(
        store, approved.request_id, "approve", person=Actor("dora", "director", "cli"), version=1, note=None, now=NOW + timedelta(hours=1), policy=load_policy()
    )
    assert expire(store, NOW + timedelta(days=9)) == 1
    export_traces(store, traced, NOW + timedelta(days=10))
    assert [(row["value"], row["score"]) for row in langsmith.feedback.values()] == [("approve", 1.0)] and not langsmith.examples


def test_everything_goes_out_once_and_an_open_call_waits(store, traced, langsmith):
    _, key = put_draft(store)
    put_call(store, key=key)
    put_call(store, "open", key="open", status="started", input_tokens=None, output_tokens=None)
    rejected(store)
    assert export_traces(store, traced, LATER).exported == 3
    posts, asked = langsmith.posts, langsmith.requests
    again = export_traces(store, traced, LATER)
    assert again.exported == 0 and (langsmith.posts, langsmith.requests) == (posts, asked) and left(store) == 1


def test_what_was_received_but_not_marked_is_the_same_again(store, traced, langsmith):
    """The process died between the post and the mark: runs and feedback have the same ids, an example that is there is no error."""
    _, key = put_draft(store)
    put_call(store, key=key)
    rejected(store)
    export_traces(store, traced, LATER)
    runs = set(langsmith.runs)
    with store.session() as session:
        for row in session.scalars(select(TraceExport)).all():
            session.delete(row)
        for call in session.scalars(select(LlmCall)):
            call.exported_at = None
    assert export_traces(store, traced, LATER).left == 0
    assert set(langsmith.runs) == runs and len(langsmith.feedback) == len(langsmith.examples) == 1


def test_many_drafts_go_in_batches(store, traced, langsmith):
    for number in range(60):
        put_draft(store, account=f"ACC-{number}")
    assert export_traces(store, traced, LATER).sent == {"drafts": 60} and langsmith.posts == 3
    assert len(named(langsmith, "license_optimization_plan")) == 60


@pytest.mark.parametrize(("fault", "said"), [({"status": 500}, "then failed"), ({"info_status": 503}, "HTTP 503"), ({"info_status": 401}, "refused the key")])
def test_an_outage_leaves_everything_for_later_and_says_so(store, traced, langsmith, fault, said):
    _, key = put_draft(store)
    put_call(store, key=key)
    rejected(store)
    vars(langsmith).update(fault)
    report = export_traces(store, traced, LATER)
    assert (report.exported, report.left, left(store)) == (0, 3, 1) and said in report.message
    vars(langsmith).update(status=202, info_status=200)
    assert export_traces(store, traced, LATER).sent == {"drafts": 1, "decisions": 1, "examples": 1}


def test_nobody_at_the_address_costs_seconds_not_minutes(store, traced):
    put_draft(store)
    started = time.monotonic()
    report = export_traces(store, traced.model_copy(update={"langsmith_endpoint": "http://127.0.0.1:9"}), LATER)
    assert report.left == 1 and "cannot be reached" in report.message and time.monotonic() - started < 8


def test_a_server_that_hangs_costs_seconds_and_everything_waits(store, traced, langsmith):
    for number in range(60):
        put_draft(store, account=f"ACC-{number}")
    langsmith.delay_seconds = 30.0
    started = time.monotonic()
    report = export_traces(store, traced, LATER)
    assert report.left == 60 and time.monotonic() - started < 20


def test_a_night_asks_langsmith_nothing(marts, store, traced, langsmith):
    """So that it cannot be a second longer with LangSmith refusing, failing or hanging: the drafts are made without a word to it."""
    marts.put()
    langsmith.delay_seconds, langsmith.info_status = 60.0, 503
    assert write_drafts(marts.warehouse, store, traced, AS_OF, NOW).written == 3
    assert (langsmith.requests, langsmith.posts) == (0, 0)
    langsmith.delay_seconds, langsmith.info_status = 0.0, 200
    assert export_traces(store, traced, LATER).sent == {"drafts": 3}


def test_without_a_key_nothing_is_sent(store, settings, langsmith):
    put_draft(store)
    report = export_traces(store, settings, LATER)
    assert (report.exported, report.left) == (0, 1) and "LANGSMITH_API_KEY" in report.message and langsmith.requests == 0


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
