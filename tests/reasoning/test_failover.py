"""Which ends of a call go to the other vendor, which do not, and that nothing is paid for twice on the way."""

import asyncio
import socket
import threading
from datetime import timedelta
from decimal import Decimal

import pytest
from pydantic import SecretStr
from reasoning_cases import AS_OF, NOW
from test_openai_provider import calls, make, request, run

from vim_pipelines.reasoning.ledger import Ledger, ended_call, new_call
from vim_pipelines.reasoning.pricing import Usage, load_models
from vim_pipelines.reasoning.providers.calls import FAILURES_IN_A_ROW
from vim_pipelines.reasoning.providers.make import make_budget, make_drafter, make_runner, make_vendors
from vim_pipelines.reasoning.providers.offline import OfflineDrafter
from vim_pipelines.sandbox.model_answers import Fault
from vim_pipelines.store.switches import LLM, LlmSwitch, read_switch, turn

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.mark.parametrize(
    ("fault", "statuses"),
    [
        (Fault("status", status=401, times=9), ["error", "ok"]),
        (Fault("status", status=403, times=9), ["error", "ok"]),
        (Fault("status", status=404, times=9), ["error", "ok"]),
        (Fault("status", status=429, times=9), ["error", "ok"]),
        (Fault("status", status=429, times=9, retry_after="900"), ["paused", "ok"]),
        (Fault("status", status=429, times=9, error_code="enforced_spend_limit_reached"), ["paused", "ok"]),
        (Fault("status", status=500, times=9), ["error", "ok"]),
        (Fault("status", status=529, times=9), ["error", "ok"]),
        (Fault("drop", times=9), ["error", "ok"]),
    ],
)
def test_a_vendor_that_gives_no_answer_is_replaced_by_the_other(both_settings, store, claude, openai, quick_retries, fault, statuses):
    claude.faults.append(fault)
    (result,) = run(make(both_settings, store), request())
    assert (result.written_by, result.outcome, result.reason) == ("openai", "ok", None) and result.failover
    made = calls(store)
    assert [call.status for call in made] == statuses and [call.provider for call in made] == ["anthropic", "openai"]
    assert [call.attempt for call in made] == [1, 2] and {call.draft_key for call in made} == {"key-1"}


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (Fault("refusal"), "refusal"),
        (Fault("max_tokens", times=2), "truncated"),
        (Fault("wrong_schema", times=2), "invalid"),
        (Fault("status", status=400), "error"),
        (Fault("status", status=413), "error"),
    ],
)
def test_an_answer_is_not_taken_elsewhere_until_somebody_likes_it(both_settings, store, claude, openai, fault, outcome):
    claude.faults.append(fault)
    (result,) = run(make(both_settings, store), request())
    assert (result.written_by, result.outcome) == ("offline", outcome) and openai.journal == []


def test_the_order_is_a_setting_and_one_vendor_alone_stays_alone(both_settings, store, claude, openai, quick_retries):
    openai.faults.append(Fault("status", status=500, times=99))
    first = run(make(both_settings.model_copy(update={"drafter": "openai_first"}), store), request("a"))
    assert first[0].written_by == "claude" and first[0].failover
    alone = run(make(both_settings.model_copy(update={"drafter": "openai"}), store), request("b"))
    assert (alone[0].written_by, alone[0].outcome) == ("offline", "error") and len(claude.journal) == 1


def test_a_paid_answer_of_the_second_vendor_is_used_when_the_first_is_back(both_settings, store, claude, openai, quick_retries):
    claude.faults.append(Fault("status", status=529, times=3))
    (first,) = run(make(both_settings, store), request())
    (again,) = run(make(both_settings, store), request())
    assert (again.outcome, again.written_by, again.model, again.document) == ("reused", "openai", "gpt-6-luna", first.document)
    assert len(openai.journal) == 1 and len(claude.journal) == 3


def test_when_nobody_answers_the_offline_drafter_says_what_both_said(both_settings, store, claude, openai, quick_retries):
    claude.faults.append(Fault("status", status=529, times=9))
    openai.faults.append(Fault("status", status=429, error_code="insufficient_quota", times=9))
    (result,) = run(make(both_settings, store), request())
    assert (result.written_by, result.outcome) == ("offline", "paused")
    assert "529" in result.reason and "OpenAI asked to pause: insufficient_quota" in result.reason and result.cost_usd == 0


def test_a_vendor_that_is_down_is_left_alone_for_the_rest_of_the_run(both_settings, store, claude, openai, quick_retries):
    """Ten thousand documents that each wait for a dead vendor are a night that never ends."""
    settings = both_settings.model_copy(update={"anthropic_base_url": "http://127.0.0.1:9"})
    results = run(make(settings, store), *(request(f"key-{number:02d}") for number in range(30)))
    assert {result.written_by for result in results} == {"openai"}
    tried = [call for call in calls(store) if call.provider == "anthropic"]
    assert FAILURES_IN_A_ROW <= len(tried) <= FAILURES_IN_A_ROW + 20 and {call.cost_usd for call in tried} == {Decimal(0)}


def test_a_server_that_takes_the_request_and_hangs_up_may_have_billed_it(both_settings, store, openai, quick_retries):
    """The transport under both SDKs calls this a ConnectTimeout, as if nothing had been sent: repeated, it would be paid twice."""
    heard = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            heard.append(connection.recv(65536))
            connection.close()

    threading.Thread(target=serve, daemon=True).start()
    settings = both_settings.model_copy(update={"anthropic_base_url": f"http://127.0.0.1:{listener.getsockname()[1]}"})
    (result,) = run(make(settings, store), request())
    listener.close()
    assert result.written_by == "openai" and "connection broke" in result.failover
    assert sum(1 for data in heard if data.startswith(b"POST")) == 1 and calls(store)[0].cost_usd is None and result.cost_usd is None


# -- the switch ------------------------------------------------------------------------------------------------------------


def test_a_switch_that_nobody_turned_is_on_and_every_turn_stays_on_record(store):
    assert read_switch(store, LLM).is_on and read_switch(store, LLM).actor is None
    turn(store, LLM, on=False, actor="dana", role="director", note="odd drafts", now=NOW)
    state = read_switch(store, LLM)
    assert (state.is_on, state.actor, state.role, state.note, state.at) == (False, "dana", "director", "odd drafts", NOW)
    turn(store, LLM, on=True, actor="ada", role="admin", note="fixed", now=NOW)
    assert read_switch(store, LLM).is_on and read_switch(store, "another").is_on


def test_the_switch_turned_in_the_middle_of_a_run_stops_the_calls_that_are_not_yet_made(both_settings, store, claude, openai):
    drafter = make(both_settings, store)
    tick = [0.0]
    drafter.runner.why_off = LlmSwitch(store, tick=lambda: tick[0]).why_off

    def off_after_the_first(_request, _result):
        if not tick[0]:
            turn(store, LLM, on=False, actor="dana", role="director", note="odd drafts", now=NOW)
            tick[0] = 1.0

    from vim_pipelines.reasoning.providers.base import draft_all

    results = asyncio.run(draft_all(drafter, [request(f"key-{number}") for number in range(6)], on_result=off_after_the_first))
    assert [result.outcome for result in results] == ["ok"] + ["off"] * 5
    assert "switched off by dana: odd drafts" in results[1].reason and len(claude.journal) == 1 and openai.journal == []
    assert results[1].cost_usd is None and len(calls(store)) == 1


def test_a_retry_is_a_call_too(both_settings, store, claude, openai, monkeypatch):
    from vim_pipelines.reasoning.providers import calls as module

    drafter, off = make(both_settings, store), []
    drafter.runner.why_off = lambda: off[0] if off else None

    async def turned_off_meanwhile(_seconds):
        off.append("language models are switched off by dana")

    monkeypatch.setattr(module, "wait", turned_off_meanwhile)
    claude.faults.append(Fault("status", status=529, times=9))
    (result,) = run(drafter, request())
    assert result.written_by == "offline" and len(claude.journal) == 1 and openai.journal == []


# -- budgets ---------------------------------------------------------------------------------------------------------------


def ledgered(store, *, key, model="claude-haiku-5-5", at=NOW, as_of=AS_OF, cost=None, usage=None, status="ok", purpose="draft"):
    ledger = Ledger(store)
    row = new_call(draft_key=key, account_key="A", document="d", provider="anthropic", model=model, prompt_sha256="p", as_of=as_of, now=at, purpose=purpose)
    call = asyncio.run(ledger.start_soon(row))
    if status != "started":
        ledger.finish_all([ended_call(call, status=status, usage=usage, cost_usd=cost)])


def test_a_month_is_counted_by_when_calls_were_made_whatever_they_were_for(settings, store):
    """Re-plans of last month's drafts and the judge are paid from this month's money."""
    ledgered(store, key="a", cost=Decimal("1.5"), at=NOW.replace(day=1, hour=0, minute=0))
    ledgered(store, key="b", cost=Decimal("0.25"), as_of=AS_OF - timedelta(days=60), purpose="judge")
    ledgered(store, key="c", cost=Decimal("7"), at=NOW.replace(day=1) - timedelta(days=1))
    ledgered(store, key="d", cost=Decimal("9"), at=NOW.replace(month=NOW.month + 1, day=1))
    budget = make_budget(settings, Ledger(store), AS_OF, NOW)
    assert budget.month_spent == Decimal("1.75") and budget.spent == Decimal("17.5")
    december = NOW.replace(month=12)
    ledgered(store, key="e", cost=Decimal("2"), at=december)
    assert Ledger(store).spent_in_month(december) == 2


def test_what_nobody_knows_the_cost_of_is_reckoned_with_the_most_it_can_be(settings, store):
    """An unknown price, a time-out, a call under way elsewhere: as 0 they would let a budget through that is spent."""
    models, usage = load_models(), Usage(1000, 1000)
    ledgered(store, key="unknown price", model="claude-next", usage=usage)
    dearest = models.dearest(NOW.date()).cost(usage, NOW.date())
    assert Ledger(store).spent_in_month(NOW) == dearest > 0
    ledgered(store, key="no answer", status="error")
    after = Ledger(store).spent_in_month(NOW)
    assert after > dearest
    ledgered(store, key="under way", status="started")
    assert Ledger(store).spent_in_month(NOW) == after + (after - dearest)
    ledgered(store, key="not billed", status="error", cost=Decimal(0))
    assert Ledger(store).spent_in_month(NOW) == after + (after - dearest)


def test_a_spent_month_stops_a_night_with_money_of_its_own(both_settings, store, claude, openai):
    ledgered(store, key="before", cost=both_settings.month_budget_usd, as_of=AS_OF - timedelta(days=9))
    (result,) = run(make_drafter(both_settings, store, AS_OF, NOW), request())
    assert (result.written_by, result.outcome) == ("offline", "budget") and "month" in result.reason and claude.journal == openai.journal == []


def test_the_dearest_outcome_is_set_aside_for_both_vendors_from_one_purse(both_settings, store, claude, openai, quick_retries):
    claude.faults.append(Fault("status", status=529, times=999))
    drafter = make(both_settings, store, limit="0.012")
    outcomes = [result.outcome for result in run(drafter, *(request(f"key-{number}") for number in range(12)))]
    assert "ok" in outcomes and "budget" in outcomes and drafter.runner.budget.reserved == 0
    assert sum(call.cost_usd for call in calls(store)) <= Decimal("0.012")


# -- who writes ------------------------------------------------------------------------------------------------------------


def test_who_writes_follows_the_keys(settings, store):
    one, two = SecretStr("a"), SecretStr("b")

    def labels(**changes):
        return [vendor.label for vendor in make_vendors(settings.model_copy(update=changes))]

    assert labels() == [] and labels(openai_api_key=two) == ["OpenAI"] and labels(anthropic_api_key=one) == ["Claude"]
    assert labels(anthropic_api_key=one, openai_api_key=two) == ["Claude", "OpenAI"]
    assert labels(anthropic_api_key=one, openai_api_key=two, drafter="openai_first") == ["OpenAI", "Claude"]
    assert labels(anthropic_api_key=one, openai_api_key=two, drafter="claude") == ["Claude"]
    assert labels(anthropic_api_key=one, openai_api_key=two, drafter="offline") == []
    assert isinstance(make_drafter(settings, store, AS_OF, NOW), OfflineDrafter)
    with pytest.raises(Exception, match="OPENAI_API_KEY"):
        labels(drafter="openai", anthropic_api_key=one)
    assert make_runner(settings, store, AS_OF, NOW).why_off() is None
