"""The emulated Claude API against the real SDK: what the real API refuses is refused here."""

import pytest

from vim_pipelines.core.errors import VimError
from vim_pipelines.sandbox.claude_emulator import Emulator, start_claude

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
HELLO = [{"role": "user", "content": "hello"}]
SCHEMA = {"type": "object", "properties": {"n": {"type": "string"}}, "required": ["n"], "additionalProperties": False}


@pytest.fixture
def client(claude):
    from anthropic import Anthropic

    with Anthropic(api_key="k", base_url=claude.url, max_retries=0) as client:
        yield client


@pytest.mark.parametrize(
    ("model", "body", "said"),
    [
        ("claude-haiku-5-5", {"extra_body": {"temperature": 0}}, "temperature"),
        ("claude-haiku-5-5", {"extra_body": {"surprise": 1}}, "Extra inputs"),
        ("claude-haiku-5-5", {"messages": [*HELLO, {"role": "assistant", "content": "{"}]}, "prefill"),
        ("claude-haiku-5-5", {"thinking": {"type": "enabled", "budget_tokens": 1024}}, "enabled"),
        ("claude-sonnet-5-5", {"thinking": {"type": "disabled"}}, "disabled"),
        ("claude-opus-5-5", {"thinking": {"type": "disabled"}}, "disabled"),
        ("claude-sonnet-5-5", {"tools": [{"name": "t", "input_schema": {"type": "object"}}], "tool_choice": {"type": "any"}}, "forced"),
        ("claude-haiku-5-5", {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object", "properties": {}}}}}, "additionalProperties"),
        (
            "claude-haiku-5-5",
            {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA | {"properties": {"n": {"type": "integer", "minimum": 1}}}}}},
            "minimum",
        ),
        ("claude-haiku-5-5", {"output_config": {"effort": "extreme"}}, "effort"),
    ],
)
def test_it_refuses_what_the_real_api_refuses(client, model, body, said):
    from anthropic import BadRequestError

    with pytest.raises(BadRequestError, match=said) as caught:
        client.messages.create(**{"model": model, "max_tokens": 10, "messages": HELLO} | body)
    assert caught.value.request_id.startswith("req_")


def test_an_unknown_model_and_a_missing_key_are_refused(client, claude):
    from anthropic import Anthropic, AuthenticationError, NotFoundError

    with pytest.raises(NotFoundError):
        client.messages.create(model="claude-9", max_tokens=10, messages=HELLO)
    with pytest.raises(AuthenticationError), Anthropic(api_key="revoked", base_url=claude.url, max_retries=0) as stranger:
        stranger.messages.create(model="claude-haiku-5-5", max_tokens=10, messages=HELLO)


def test_a_prefix_is_written_to_the_cache_once_and_a_short_one_never(client):
    def usage(text):
        system = [{"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}]
        usage = client.messages.create(model="claude-haiku-5-5", max_tokens=10, messages=HELLO, system=system).usage
        return usage.cache_creation_input_tokens > 0, usage.cache_read_input_tokens > 0

    long = "The rules of the house. " * 100
    assert [usage(long), usage(long), usage("short"), usage("short")] == [(True, False), (False, True), (False, False), (False, False)]


def test_a_batch_needs_good_ids_and_ends_with_results_in_any_order(client):
    from anthropic import BadRequestError

    params = {"model": "claude-haiku-5-5", "max_tokens": 10, "messages": HELLO}
    with pytest.raises(BadRequestError, match="custom_id"):
        client.messages.batches.create(requests=[{"custom_id": "acct/7 x", "params": params}])
    bad = params | {"temperature": 1}
    batch = client.messages.batches.create(requests=[{"custom_id": "a", "params": params}, {"custom_id": "b", "params": bad}])
    while client.messages.batches.retrieve(batch.id).processing_status != "ended":
        pass
    results = {item.custom_id: item.result.type for item in client.messages.batches.results(batch.id)}
    assert results == {"a": "succeeded", "b": "errored"}


def test_tokens_can_be_counted_and_the_request_id_is_there(client):
    assert client.messages.count_tokens(model="claude-haiku-5-5", messages=HELLO).input_tokens > 0
    message = client.messages.create(model="claude-haiku-5-5", max_tokens=10, messages=HELLO)
    assert message._request_id.startswith("req_") and "".join(block.text for block in message.content if block.type == "text") == "pong"


def test_it_serves_loopback_only():
    with pytest.raises(VimError, match="VIM-E060"):
        start_claude(Emulator(), host="0.0.0.0")
