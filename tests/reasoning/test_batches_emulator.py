"""The emulated Batches API against the real SDK: what is accepted, how a batch ends, what comes back."""

import pytest

from vim_pipelines.sandbox.claude_batches import MOST_REQUESTS, check_batch
from vim_pipelines.sandbox.claude_emulator import Fault
from vim_pipelines.sandbox.claude_wire import Refused

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
PARAMS = {"model": "claude-haiku-5-5", "max_tokens": 10, "messages": [{"role": "user", "content": "hello"}]}


def items(*names, **changes):
    return [{"custom_id": name, "params": PARAMS | changes} for name in names]


@pytest.fixture
def batches(claude):
    from anthropic import Anthropic

    with Anthropic(api_key="k", base_url=claude.url, max_retries=0) as client:
        yield client.messages.batches


@pytest.fixture
def clock(claude):
    """The API's clock, to be moved by hand: seconds since 1970."""
    now = [1_795_000_000.0]
    claude.batches.clock = lambda: now[0]
    return now


def wait(batches, batch):
    while batches.retrieve(batch.id).processing_status != "ended":
        pass
    return {item.custom_id: item.result for item in batches.results(batch.id)}


def test_a_batch_ends_after_some_looks_and_its_counts_move_only_then(batches, claude):
    claude.batches.polls_to_end = 2
    batch = batches.create(requests=items("a", "b"))
    seen = [batches.retrieve(batch.id) for _ in range(3)]
    assert [look.processing_status for look in seen] == ["in_progress", "in_progress", "ended"]
    assert [(look.request_counts.processing, look.request_counts.succeeded) for look in seen] == [(2, 0), (2, 0), (0, 2)]
    assert seen[0].results_url is None and seen[2].results_url.startswith(claude.url + "/v1/messages/batches/")
    assert (seen[2].expires_at - seen[2].created_at).total_seconds() == 24 * 3600


def test_results_come_in_another_order_and_the_same_each_time(batches):
    names = [f"n{number}" for number in range(30)]
    batch = batches.create(requests=items(*names))
    wait(batches, batch)
    first, second = ([item.custom_id for item in batches.results(batch.id)] for _ in range(2))
    assert first == second and first != names and sorted(first) == sorted(names)


def test_parameters_are_judged_at_the_end_and_each_item_ends_in_its_own_way(batches, claude):
    for kind, name, status in (("expired", "e", 0), ("canceled", "c", 0), ("refusal", "r", 0), ("max_tokens", "m", 0), ("status", "o", 529)):
        claude.faults.append(Fault(kind, match=f'"custom_id": "{name}"', status=status))
    batch = batches.create(requests=items("ok", "e", "c", "r", "m", "o") + items("bad", temperature=1))
    results = wait(batches, batch)
    kinds = {name: result.type for name, result in results.items()}
    assert kinds == {"ok": "succeeded", "e": "expired", "c": "canceled", "r": "succeeded", "m": "succeeded", "o": "errored", "bad": "errored"}
    assert (results["r"].message.stop_reason, results["m"].message.stop_reason) == ("refusal", "max_tokens")
    assert (results["o"].error.error.type, results["bad"].error.error.type) == ("overloaded_error", "invalid_request_error")
    assert results["ok"].message.usage.service_tier == "batch"
    counts = batches.retrieve(batch.id).request_counts
    assert (counts.succeeded, counts.errored, counts.canceled, counts.expired) == (3, 2, 1, 1)


def test_what_is_too_much_or_twice_is_refused_at_once(batches, claude):
    from anthropic import APIStatusError, BadRequestError

    with pytest.raises(BadRequestError, match="duplicate"):
        batches.create(requests=items("a", "a"))
    with pytest.raises(BadRequestError, match="at least 1"):
        batches.create(requests=[])
    with pytest.raises(Refused, match=f"at most {MOST_REQUESTS}"):
        check_batch({"requests": items("a") * (MOST_REQUESTS + 1)})
    claude.batches.most_bytes = 100
    with pytest.raises(APIStatusError) as caught:
        batches.create(requests=items("a", "b"))
    assert caught.value.status_code == 413 and claude.batches.rows == {}


def test_no_results_before_the_end_nor_after_29_days_nor_of_a_stranger(batches, claude, clock):
    from anthropic import Anthropic, AnthropicError, NotFoundError

    batch = batches.create(requests=items("a"))
    with pytest.raises(AnthropicError, match="finished"):  # the SDK looks for the address first
        batches.results(batch.id)
    with pytest.raises(NotFoundError), Anthropic(api_key="k", base_url=claude.url, max_retries=0) as client:
        client.get(f"/v1/messages/batches/{batch.id}/results", cast_to=object)
    wait(batches, batch)
    clock[0] += 30 * 24 * 3600
    assert batches.retrieve(batch.id).archived_at is not None
    with pytest.raises(AnthropicError):
        batches.results(batch.id)
    with pytest.raises(NotFoundError):
        batches.retrieve("msgbatch_unknown")


def test_what_is_not_done_in_24_hours_expires_and_what_is_cancelled_ends(batches, claude, clock):
    claude.batches.polls_to_end = 1000
    late, stopped = batches.create(requests=items("a")), batches.create(requests=items("b"))
    assert batches.cancel(stopped.id).processing_status == "canceling"
    assert {name: result.type for name, result in wait(batches, stopped).items()} == {"b": "canceled"}
    clock[0] += 24 * 3600
    assert {name: result.type for name, result in wait(batches, late).items()} == {"a": "expired"}
    batches.delete(late.id)
    assert [batch.id for batch in batches.list()] == [stopped.id]


def test_the_list_is_newest_first_and_comes_in_pages(batches, clock):
    from anthropic import BadRequestError

    made = []
    for _ in range(5):
        clock[0] += 1
        made.append(batches.create(requests=items("a")).id)
    page = batches.list(limit=2)
    assert [batch.id for batch in page.data] == made[:-3:-1] and page.has_more and page.last_id == made[3]
    assert [batch.id for batch in batches.list(limit=2)] == made[::-1]  # the SDK turns the pages
    assert [batch.id for batch in batches.list(limit=2, before_id=made[0]).data] == [made[2], made[1]]
    with pytest.raises(BadRequestError, match="limit"):
        batches.list(limit=1001)


def test_a_connection_that_breaks_after_the_batch_was_accepted_leaves_it_there(batches, claude):
    from anthropic import APIConnectionError

    claude.faults.append(Fault("drop", at="create"))
    with pytest.raises(APIConnectionError):
        batches.create(requests=items("a"))
    assert len(claude.batches.rows) == 1
