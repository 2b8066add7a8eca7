"""OpenAI through the real SDK against the loopback API: requests that the contract takes, every way a call can end, what it costs."""

import asyncio
from decimal import Decimal

import pytest
from reasoning_cases import AS_OF, NOW, headline, part_for
from sqlalchemy import select

from vim_pipelines.core.errors import VimError
from vim_pipelines.reasoning.gates import check, demands_of
from vim_pipelines.reasoning.ledger import Ledger
from vim_pipelines.reasoning.pricing import Usage, load_models
from vim_pipelines.reasoning.providers.base import DraftRequest, draft_all
from vim_pipelines.reasoning.providers.budget import Budget
from vim_pipelines.reasoning.providers.calls import CallRunner
from vim_pipelines.reasoning.providers.drafter import ModelDrafter
from vim_pipelines.reasoning.providers.make import make_vendors
from vim_pipelines.reasoning.providers.openai import strict_schema
from vim_pipelines.reasoning.schema import DraftDocument
from vim_pipelines.sandbox.model_answers import Fault
from vim_pipelines.sandbox.openai_emulator import Emulator, schema_problem, start_openai
from vim_pipelines.store.models import LlmCall

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def request(key="key-1", document="license_optimization_plan", sheet=None, **options):
    playbook, part = part_for(document, sheet or headline())
    return DraftRequest(key, "ACC-HEADLINE", "Northwind Robotics", AS_OF, playbook, part, **options)


def make(settings, store, limit="5", timeout_seconds=120.0, **budget):
    runner = CallRunner(Ledger(store), Budget(Decimal(limit), **budget), lambda: NOW, lambda: None, timeout_seconds=timeout_seconds)
    return ModelDrafter(runner, make_vendors(settings), settings.model)


@pytest.fixture
def settings_alone(both_settings):
    return both_settings.model_copy(update={"drafter": "openai"})


def run(drafter, *requests):
    return asyncio.run(draft_all(drafter, requests))


def calls(store):
    with store.session() as session:
        return list(session.scalars(select(LlmCall).order_by(LlmCall.draft_key, LlmCall.attempt)))


@pytest.mark.parametrize("document", ["license_optimization_plan", "value_realization_roadmap"])
def test_a_good_answer_becomes_a_draft_that_passes_the_gates(settings_alone, store, openai, document):
    asked = request(document=document)
    (result,) = run(make(settings_alone, store), asked)
    assert (result.written_by, result.outcome, result.reason, result.failover) == ("openai", "ok", None, None)
    assert check(result.document, asked.sheet, demands_of(asked.playbook)) == []
    (call,) = calls(store)
    assert (call.provider, call.status, call.stop_reason) == ("openai", "ok", "completed") and call.request_id.startswith("req_")
    assert call.cost_usd == result.cost_usd > 0 and call.price_date is not None
    body = openai.journal[0]["body"]
    assert body["store"] is False and body["text"]["format"]["strict"] is True and "Northwind" not in body["safety_identifier"] + body["instructions"]


def test_the_schema_that_pydantic_makes_is_refused_and_ours_is_taken():
    """References with words beside them are a 400 in strict mode."""
    assert "$ref cannot have keywords" in schema_problem(DraftDocument.model_json_schema())
    assert schema_problem(strict_schema(DraftDocument)) is None


@pytest.mark.parametrize(
    ("fault", "outcome", "requests", "statuses"),
    [
        (Fault("refusal"), "refusal", 1, ["refusal"]),
        (Fault("content_filter"), "refusal", 1, ["refusal"]),
        (Fault("max_tokens", times=2), "truncated", 2, ["truncated", "truncated"]),
        (Fault("bad_json", times=2), "invalid", 2, ["invalid", "invalid"]),
        (Fault("wrong_schema", times=2), "invalid", 2, ["invalid", "invalid"]),
        (Fault("failed", times=9), "error", 3, ["error"]),
        (Fault("failed", error_code="misalignment_policy_violation"), "refusal", 1, ["refusal"]),
        (Fault("status", status=400), "error", 1, ["error"]),
        (Fault("status", status=401), "error", 1, ["error"]),
        (Fault("status", status=403), "error", 1, ["error"]),
        (Fault("status", status=404), "error", 1, ["error"]),
        (Fault("status", status=413), "error", 1, ["error"]),
        (Fault("status", status=429, times=9), "error", 3, ["error"]),
        (Fault("status", status=500, times=9), "error", 3, ["error"]),
        (Fault("status", status=503, times=9), "error", 3, ["error"]),
        (Fault("status", status=429, error_code="insufficient_quota"), "paused", 1, ["paused"]),
        (Fault("status", status=429, error_code="credit_balance_exhausted"), "paused", 1, ["paused"]),
        (Fault("status", status=429, retry_after="3600"), "paused", 1, ["paused"]),
        (Fault("drop", times=9), "timeout", 1, ["error"]),
    ],
)
def test_every_end_but_a_good_one_is_the_offline_draft_with_the_reason(settings_alone, store, openai, quick_retries, fault, outcome, requests, statuses):
    openai.faults.append(fault)
    (result,) = run(make(settings_alone, store), request())
    assert (result.written_by, result.outcome) == ("offline", outcome) and result.reason
    assert len(openai.journal) == requests and [call.status for call in calls(store)] == statuses


def test_a_time_out_is_not_repeated_and_its_cost_is_unknown(settings_alone, store, openai):
    openai.faults.append(Fault("delay", seconds=1.0, times=5))
    (result,) = run(make(settings_alone, store, timeout_seconds=0.3), request())
    assert (result.outcome, result.cost_usd) == ("timeout", None) and len(openai.journal) == 1 and calls(store)[0].cost_usd is None


def test_a_short_wait_that_the_vendor_asks_for_is_kept(settings_alone, store, openai, quick_retries):
    openai.faults.append(Fault("status", status=429, retry_after="7"))
    assert run(make(settings_alone, store), request())[0].outcome == "ok" and quick_retries == [7.0]


def test_cached_tokens_are_counted_once_and_at_their_price(settings_alone, store, openai):
    """OpenAI counts cached tokens within the input; booked so, they would be paid twice."""
    run(make(settings_alone, store), request("a"), request("b"))
    first, second = calls(store)
    assert first.cache_write_tokens > 0 and first.cache_read_tokens == 0 and second.cache_read_tokens == first.cache_write_tokens
    assert first.input_tokens == second.input_tokens < first.cache_write_tokens * 5
    usage = Usage(second.input_tokens, second.output_tokens, second.cache_read_tokens, second.cache_write_tokens)
    assert second.cost_usd == load_models().spec("gpt-6-luna").cost(usage, NOW.date()) < first.cost_usd


def test_prices_of_a_long_prompt_rise_by_the_vendors_own_factors():
    luna = load_models().spec("gpt-6-luna")
    assert luna.cost(Usage(272_000, 1_000_000), AS_OF) == Decimal("0.5272")
    assert luna.cost(Usage(300_000, 1_000_000), AS_OF) == Decimal("0.06") + Decimal("0.75")
    assert luna.cost(Usage(1_000_000 // 4, 0), AS_OF, is_batch=True) == Decimal("0.0125")
    assert luna.cost(Usage(cache_write_1h_tokens=10), AS_OF) is None, "it has no cache for an hour, so no price for one"


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        ({"model": "gpt-9"}, "NotFoundError", "does not exist"),
        ({"extra_body": {"max_tokens": 5}}, "BadRequestError", "Unknown parameter"),
        ({"max_output_tokens": 1}, "BadRequestError", "max_output_tokens"),
        ({"reasoning": {"effort": "minimal"}}, "BadRequestError", "not supported with"),
        ({"temperature": 0.5}, "BadRequestError", "temperature"),
        ({"text": {"format": {"type": "json_schema", "name": "a b", "schema": {"type": "object"}}}}, "BadRequestError", "name"),
        ({"text": {"format": {"type": "json_schema", "name": "a", "strict": True, "schema": {"type": "object", "properties": {}}}}}, "BadRequestError", "additionalProp"),
        (
            {"text": {"format": {"type": "json_schema", "name": "a", "strict": True, "schema": {
                "type": "object", "properties": {"n": {"type": "string"}}, "required": [], "additionalProperties": False}}}},
            "BadRequestError", "required",
        ),
    ],
)  # fmt: skip
def test_the_emulator_refuses_what_the_contract_refuses(openai, body, kind, said):
    import openai as sdk

    with pytest.raises(getattr(sdk, kind), match=said) as caught, sdk.OpenAI(api_key="k", base_url=openai.url, max_retries=0) as client:
        client.responses.create(**{"model": "gpt-6-luna", "input": "hello"} | body)
    assert caught.value.request_id.startswith("req_")


def test_the_emulator_knows_keys_and_models_and_serves_loopback_only(openai):
    import openai as sdk

    with sdk.OpenAI(api_key="k", base_url=openai.url, max_retries=0) as client:
        assert "gpt-6-luna" in {model.id for model in client.models.list()} and client.models.retrieve("gpt-6-luna").owned_by == "openai"
        assert client.responses.create(model="gpt-6-luna", input="hello").output_text == "pong"
    with pytest.raises(sdk.AuthenticationError), sdk.OpenAI(api_key="revoked", base_url=openai.url, max_retries=0) as stranger:
        stranger.responses.create(model="gpt-6-luna", input="hello")
    with pytest.raises(VimError, match="VIM-E060"):
        start_openai(Emulator(), host="0.0.0.0")
