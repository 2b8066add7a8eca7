"""Nights whose drafts go through Message Batches: what is sent, what waits, what is collected, and what nobody pays for twice."""

import time
from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from batch_cases import ACCOUNTS, marts_with, put
from reasoning_cases import AS_OF, NOW
from sqlalchemy import func, select

from vim_pipelines.reasoning.batches.collect import collect
from vim_pipelines.reasoning.batches.reconcile import SURE_AFTER
from vim_pipelines.reasoning.batches.vendor import BatchVendor
from vim_pipelines.reasoning.batches.waiting import LONGEST_WAIT, custom_id, open_batches, requests_sha256, wall_clock
from vim_pipelines.reasoning.run import redraft, write_drafts
from vim_pipelines.sandbox.claude_emulator import Fault
from vim_pipelines.store import open_store
from vim_pipelines.store.models import Draft, LlmBatch, LlmCall, PendingDraft
from vim_pipelines.store.switches import turn

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def settings(settings):
    return settings.model_copy(update={"batch_from": 3, "weekly_capacity": 100, "budget_usd": Decimal(50)})


@pytest.fixture
def many(tmp_path, marts_class):
    """Accounts with one document to write each: the first goes alone, the others in a batch."""
    return marts_with(tmp_path, marts_class)


@pytest.fixture
def nine(tmp_path, marts_class):
    """Nine accounts whose names can be told apart in a request."""
    return marts_with(tmp_path, marts_class, 9, "Customer")


def night(marts, store, settings, as_of=AS_OF, **options):
    return write_drafts(marts.warehouse, store, settings, as_of, NOW + (as_of - AS_OF), **options)


class Asked(list):
    """Stands for the approvals: remembers for which dates it was asked, answers None while it is `shut`."""

    shut = False

    def __call__(self, as_of):
        if self.shut:
            return None
        self.append(as_of)
        return 1


def gather(store, settings, asked=None, **options):
    return collect(store, settings, NOW, ask=Asked() if asked is None else asked, **options)


def until_done(store, settings, rounds=3, **options):
    for _ in range(rounds):
        report = gather(store, settings, **options)
    return report


def rows(store, model, **where):
    with store.session() as session:
        return list(session.scalars(select(model).filter_by(**where)))


def statuses(store):
    return Counter(call.status for call in rows(store, LlmCall))


def test_from_so_many_drafts_on_they_wait_for_a_batch_and_fewer_do_not(many, store, claude_settings, claude):
    few = night(many, store, claude_settings, accounts=["ACC-0", "ACC-1"])
    assert (few.written, few.waiting, claude.batches.rows) == (2, 0, {})
    many.put("ACC-9", "Customer 9", risks=(("SILENCE", "high"),))
    report = night(many, store, claude_settings)
    assert (report.written, report.waiting, len(claude.batches.rows)) == (1, 2, 1)  # the first goes alone, to show that the request is right
    assert report.metadata()["waiting_in_batches"] == 2 and any("2 drafts wait for a batch" in line for line in report.lines())


def test_what_is_collected_is_a_draft_like_any_other_at_half_the_price(many, store, claude_settings, claude):
    night(many, store, claude_settings)
    [batch] = open_batches(store)
    assert (batch.state, batch.request_count, len(rows(store, PendingDraft)), statuses(store)) == ("submitted", 3, 3, {"ok": 1, "started": 3})
    asked = Asked()
    first = gather(store, claude_settings, asked)
    assert (first.looked_at, first.collected, first.waiting, asked) == (1, 0, 3, [])
    second = gather(store, claude_settings, asked)
    assert (second.collected, second.drafts.written, second.waiting, second.results, asked) == (1, 3, 0, {"ok": 3}, [AS_OF])
    assert open_batches(store) == [] and rows(store, PendingDraft) == [] and rows(store, LlmBatch)[0].state == "collected"
    calls = rows(store, LlmCall, status="ok")
    live, batched = [call for call in calls if call.batch_id is None], [call for call in calls if call.batch_id]
    assert len(batched) == 3 and all(call.cost_usd < live[0].cost_usd * Decimal("0.6") and call.input_tokens for call in batched)
    drafts = rows(store, Draft)
    assert {(draft.written_by, draft.status, draft.version) for draft in drafts} == {("claude", "written", 1)} and len(drafts) == ACCOUNTS
    assert {draft.cost_usd for draft in drafts} == {call.cost_usd for call in calls}


def test_the_night_again_and_the_next_one_send_nothing_while_drafts_wait(many, store, claude_settings, claude):
    night(many, store, claude_settings)
    calls = len(claude.journal)
    again = night(many, store, claude_settings)
    assert (again.reused, again.waiting, again.written) == (1, 3, 0)
    until_done(store, claude_settings)
    third = night(many, store, claude_settings)
    assert (third.reused, third.waiting, len(claude.batches.rows), len(claude.journal)) == (4, 0, 1, calls)


def test_collecting_again_changes_nothing(many, store, claude_settings, claude):
    night(many, store, claude_settings)
    until_done(store, claude_settings)
    with store.session() as session:
        session.get(LlmBatch, rows(store, LlmBatch)[0].batch_id).state = "ended"  # as if the last step had not been reached
    before = [(call.call_id, call.cost_usd) for call in rows(store, LlmCall)]
    report = gather(store, claude_settings)
    assert (report.drafts.written, report.collected) == (0, 1)
    assert [(call.call_id, call.cost_usd) for call in rows(store, LlmCall)] == before and len(rows(store, Draft)) == ACCOUNTS


def test_each_result_counts_as_what_it_is(nine, store, claude_settings, claude):
    """A refusal, an answer cut off and one that does not fit are successes to the vendor; what expired or broke is not billed."""
    claude_settings = claude_settings.model_copy(update={"batch_from": 6})
    night(nine, store, claude_settings)
    for kind, number, status in (("refusal", 1, 0), ("max_tokens", 2, 0), ("bad_json", 3, 0), ("expired", 4, 0), ("canceled", 5, 0), ("status", 6, 529)):
        claude.faults.append(Fault(kind, match=f"Customer{number}", status=status))
    claude.faults.append(Fault("status", match="Customer7", status=400))
    before = len(claude.journal)
    report = until_done(store, claude_settings, rounds=2)
    assert report.results == {"ok": 1, "refusal": 1, "truncated": 1, "invalid": 1, "expired": 1, "canceled": 1, "errored": 2}
    drafts = {draft.account_name: draft for draft in rows(store, Draft)}
    assert len(drafts) == 9 and all(draft.status == "written" for draft in drafts.values())
    # cut off, not fitting, expired, overloaded: asked again, by live calls as they are few; refused, stopped by a person, wrong: not
    assert len(claude.journal) - before == 4
    offline = {name for name, draft in drafts.items() if draft.written_by == "offline"}
    assert offline == {"Customer1", "Customer5", "Customer7"}
    assert "refused" in drafts["Customer1"].rendered_text and drafts["Customer5"].structured["source_reason"].startswith("canceled")
    paid = {call.account_key: call.cost_usd for call in rows(store, LlmCall) if call.batch_id}
    assert [paid[f"ACC-{number}"] > 0 for number in range(1, 8)] == [True, True, True, False, False, False, False]


def test_many_that_expired_go_into_another_batch_but_not_for_ever(many, store, claude_settings, claude):
    night(many, store, claude_settings)
    claude.batches.polls_to_end = 10**6
    seen = []
    for day in range(1, 5):
        claude.batches.clock = lambda day=day: time.time() + day * 25 * 3600
        report = gather(store, claude_settings)
        seen.append((report.results["expired"], report.drafts.waiting, report.drafts.written))
    assert seen[0] == (3, 2, 1)  # the first of the three goes alone again
    assert seen[1][2] + seen[2][2] + seen[3][2] == 2 and rows(store, PendingDraft) == []
    assert max(call.attempt for call in rows(store, LlmCall)) <= 3 and len(rows(store, Draft)) == ACCOUNTS


def test_a_request_that_is_wrong_for_all_is_found_by_the_first_call_and_nobody_waits_a_day(many, store, claude_settings, claude):
    claude.faults.append(Fault("status", status=400))
    report = night(many, store, claude_settings)
    assert (report.waiting, report.written, claude.batches.rows) == (0, 4, {})
    assert report.outcomes == {"error": 4} and any("first request of its batch was refused" in reason for reason in report.reasons)
    assert len(claude.journal) == 1


def test_a_batch_that_the_vendor_refuses_is_written_by_live_calls(many, store, claude_settings, claude):
    claude.faults.append(Fault("status", status=403, at="create"))
    report = night(many, store, claude_settings)
    assert (report.waiting, report.written, report.outcomes) == (0, 4, {"ok": 4})
    assert any(reason.startswith("no batch: ") for reason in report.reasons)
    closed = [call for call in rows(store, LlmCall) if call.batch_id]
    assert {(call.status, call.cost_usd) for call in closed} == {("error", Decimal(0))}
    assert until_done(store, claude_settings, rounds=1).collected == 1 and rows(store, LlmBatch)[0].state == "failed"


def test_a_short_wait_that_the_vendor_names_is_waited(many, store, claude_settings, claude):
    claude.faults.append(Fault("status", status=429, retry_after="2", at="create"))
    waits = []
    vendor = BatchVendor(claude_settings, sleep=waits.append)
    assert vendor.create([{"custom_id": "a", "params": {"model": "claude-haiku-5-5", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}}])
    vendor.close()
    assert waits == [2.0] and claude.batches.calls["create"] == 2


def test_what_the_budget_has_no_room_for_is_written_offline_with_the_reason(many, store, claude_settings):
    tight = claude_settings.model_copy(update={"budget_usd": Decimal("0.006")})
    report = night(many, store, tight)
    assert 0 < report.waiting < 3 and report.outcomes["budget"] == 3 - report.waiting
    assert any("budget" in reason for reason in report.reasons)


def test_drafts_that_wait_are_reckoned_with_by_the_next_run(many, store, claude_settings):
    night(many, store, claude_settings)
    from vim_pipelines.reasoning.ledger import Ledger

    known = sum(call.cost_usd or 0 for call in rows(store, LlmCall))
    assert Ledger(store).spent(AS_OF) > known and Ledger(store).spent_in_month(NOW) > known


def test_with_the_models_switched_off_nothing_is_sent_and_what_is_paid_for_is_still_collected(many, store, claude_settings, claude):
    night(many, store, claude_settings, accounts=["ACC-0", "ACC-1", "ACC-2"])
    turn(store, "llm", on=False, actor="ada", role="director", note="cost", now=NOW)
    report = night(many, store, claude_settings)
    assert (report.waiting, report.outcomes, len(claude.batches.rows)) == (2, {"off": 1}, 1)
    assert until_done(store, claude_settings, rounds=2).drafts.outcomes == {"ok": 2}


def test_offline_and_a_reviewers_note_never_go_into_a_batch(many, store, settings, claude):
    assert night(many, store, settings).written == ACCOUNTS
    draft = rows(store, Draft)[0]
    redraft(store, settings, draft.draft_id, "shorter", NOW)
    assert rows(store, LlmBatch) == [] and claude.batches.rows == {}


def test_batches_are_no_larger_than_they_may_be(nine, store, claude_settings, claude, monkeypatch):
    from vim_pipelines.reasoning.batches import submit

    monkeypatch.setattr(submit, "CHUNK_REQUESTS", 3)
    night(nine, store, claude_settings)
    assert [batch.request_count for batch in open_batches(store)] == [3, 3, 2]
    report = until_done(store, claude_settings, rounds=2)
    assert (report.collected, report.drafts.written) == (3, 8)


def test_a_chunk_is_also_bounded_in_bytes(many, store, claude_settings, claude, monkeypatch):
    from vim_pipelines.reasoning.batches import submit

    monkeypatch.setattr(submit, "CHUNK_BYTES", 30_000)
    night(many, store, claude_settings)
    sizes = [sum(len(str(item["params"])) for item in batch.requests) for batch in claude.batches.rows.values()]
    assert len(sizes) > 1 and max(sizes) <= 30_000


def test_a_late_draft_does_not_take_the_place_of_a_newer_one(many, store, claude_settings, claude):
    """After two days without an answer the night writes the document anew; the old answer is paid for, booked, and dropped."""
    night(many, store, claude_settings)
    with store.session() as session:
        session.get(LlmBatch, open_batches(store)[0].batch_id).intended_at -= LONGEST_WAIT + timedelta(hours=1)
    put(many, AS_OF + timedelta(days=2), active_users_28d=90)
    newer = night(many, store, claude_settings.model_copy(update={"batch_from": 100}), AS_OF + timedelta(days=2))
    assert newer.written == ACCOUNTS
    claude.batches.polls_to_end = 0
    report = gather(store, claude_settings)
    assert (report.late, report.drafts.written, report.waiting, report.collected) == (3, 0, 0, 1)
    assert Counter(draft.as_of_date for draft in rows(store, Draft)) == {AS_OF: 1, AS_OF + timedelta(days=2): ACCOUNTS}
    assert statuses(store)["ok"] == 1 + ACCOUNTS + 3


@pytest.mark.parametrize("batch_from", [100, 3], ids=["live", "in another batch"])
def test_a_draft_written_anew_under_the_same_key_keeps_the_books_of_the_late_batch_right(many, store, claude_settings, claude, batch_from):
    """Unchanged facts give the same key: the late answer must be booked, and neither collide with the new one nor stay open in every budget."""
    night(many, store, claude_settings)
    with store.session() as session:
        session.get(LlmBatch, open_batches(store)[0].batch_id).intended_at -= LONGEST_WAIT + timedelta(hours=1)
    put(many, AS_OF + timedelta(days=2))
    later_night = night(many, store, claude_settings.model_copy(update={"batch_from": batch_from}), AS_OF + timedelta(days=2))
    assert (later_night.written, later_night.waiting) == ((3, 0) if batch_from == 100 else (1, 2))
    claude.batches.polls_to_end = 0
    report = until_done(store, claude_settings)
    assert report.waiting == 0 and len(rows(store, Draft)) == ACCOUNTS and statuses(store) == {"ok": 1 + 3 + 3}
    assert all(call.cost_usd for call in rows(store, LlmCall)) and {batch.state for batch in rows(store, LlmBatch)} == {"collected"}


def test_a_late_draft_comes_after_a_version_that_a_reviewers_note_made_of_the_older_facts(many, store, claude_settings, claude):
    night(many, store, claude_settings.model_copy(update={"batch_from": 100}))
    first = rows(store, Draft, account_key="ACC-1")[0]
    day = AS_OF + timedelta(days=1)
    put(many, day, active_users_28d=120)
    assert night(many, store, claude_settings, day).waiting == 3
    redraft(store, claude_settings, first.draft_id, "shorter", NOW)
    until_done(store, claude_settings)
    versions = {draft.version: (draft.as_of_date, draft.feedback) for draft in rows(store, Draft, account_key="ACC-1")}
    assert versions in ({1: (AS_OF, None), 2: (AS_OF, "shorter"), 3: (day, None)}, {1: (AS_OF, None), 2: (day, None), 3: (AS_OF, "shorter")})


def test_what_a_gate_holds_back_is_repaired_once_or_followed_by_the_offline_text(many, store, claude_settings, claude):
    """A collected answer takes the way of a live one: repair by a live call, then the offline drafter, never silence."""
    night(many, store, claude_settings)
    claude.batches.polls_to_end, claude.mode, before = 0, "liar", len(claude.journal)
    report = gather(store, claude_settings)
    assert (report.collected, report.waiting, len(claude.journal) - before) == (1, 0, 3)
    drafts = [draft for draft in rows(store, Draft) if draft.account_key != "ACC-0"]
    assert Counter((draft.version, draft.status, draft.written_by) for draft in drafts) == {(1, "held", "claude"): 3, (2, "written", "offline"): 3}
    assert Counter(call.purpose for call in rows(store, LlmCall)) == {"draft": ACCOUNTS, "repair": 3}


def test_one_draft_that_cannot_be_made_keeps_no_other_waiting(many, store, claude_settings, claude, monkeypatch):
    from vim_pipelines.reasoning import drafting

    def broken(result, request, findings):
        if request.account_key == "ACC-2":
            raise RuntimeError("a defect of ours")
        return real(result, request, findings)

    night(many, store, claude_settings)
    claude.batches.polls_to_end, real = 0, drafting._rendered
    monkeypatch.setattr(drafting, "_rendered", broken)
    report = gather(store, claude_settings)
    assert (report.drafts.written, report.waiting, report.collected) == (2, 1, 0) and "a defect of ours" in report.problems[0]
    assert gather(store, claude_settings, clock=later(49)).collected == 1


def test_results_that_break_off_are_read_again_and_none_is_booked_twice(many, store, claude_settings, claude):
    night(many, store, claude_settings)
    claude.batches.polls_to_end = 0
    claude.faults.append(Fault("drop", at="results"))
    broken = gather(store, claude_settings)
    assert broken.collected == 0 and broken.waiting == 3 and "cannot be read to their end" in broken.problems[0]
    report = gather(store, claude_settings)
    assert (report.collected, broken.results["ok"] + report.results["ok"], statuses(store)) == (1, 3, {"ok": 4})


def test_while_nobody_can_be_asked_the_batch_stays_open_and_its_drafts_are_there(many, store, claude_settings, claude):
    night(many, store, claude_settings)
    claude.batches.polls_to_end, asked = 0, Asked()
    asked.shut = True
    report = gather(store, claude_settings, asked)
    assert (report.collected, report.drafts.written, open_batches(store)[0].state) == (0, 3, "ended")
    asked.shut = False
    assert gather(store, claude_settings, asked).collected == 1 and asked == [AS_OF]


def test_a_custom_id_names_the_draft_and_the_intent_and_nobody():
    key, batch = "a1" * 32, "b2" * 16
    assert custom_id(key, batch) == key[:40] + "-" + batch[:20] and len(custom_id(key, batch)) <= 64
    assert custom_id(key, batch) != custom_id(key, "c3" * 16) and requests_sha256(["x", "y"]) != requests_sha256(["y", "x"])


# --- what a dead process left behind ------------------------------------------------------------------------------------


def lose_the_answer(marts, store, settings, claude):
    claude.faults.append(Fault("drop", at="create"))
    report = night(marts, store, settings)
    assert report.waiting == 3 and open_batches(store)[0].state == "intended" and open_batches(store)[0].vendor_id is None


def later(hours):
    return lambda: wall_clock() + timedelta(hours=hours)


def test_a_batch_whose_answer_was_lost_is_known_again_by_its_results_and_never_sent_twice(many, store, claude_settings, claude):
    lose_the_answer(many, store, claude_settings, claude)
    assert gather(store, claude_settings, clock=later(2)).intents == {"undecided": 1}  # there is a candidate, and it has not ended
    [accepted] = claude.batches.rows
    claude.batches.polls_to_end = 0
    claude.batches.poll(accepted)
    report = gather(store, claude_settings, clock=later(3))
    assert report.intents == {"adopted": 1} and (report.collected, report.drafts.written) == (1, 3)
    assert len(claude.batches.rows) == 1 and rows(store, LlmBatch)[0].vendor_id == accepted


def test_a_strangers_batch_of_the_same_size_is_not_taken_for_ours(many, store, claude_settings, claude):
    claude.faults.append(Fault("status", status=500, at="create"))  # nothing was accepted, but who knows
    assert night(many, store, claude_settings).waiting == 3
    params = {"model": "claude-haiku-5-5", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}
    vendor = BatchVendor(claude_settings)
    stranger = vendor.create([{"custom_id": f"other-{number}", "params": params} for number in range(3)])
    vendor.close()
    assert gather(store, claude_settings, clock=later(2)).intents == {"undecided": 1}
    claude.batches.polls_to_end = 0
    claude.batches.poll(stranger.vendor_id)
    report = gather(store, claude_settings, clock=later(3))
    assert report.intents == {"sent again": 1} and len(claude.batches.rows) == 2
    assert until_done(store, claude_settings, rounds=2).waiting == 0 and len(rows(store, Draft)) == ACCOUNTS


def test_a_batch_that_was_never_sent_is_sent_after_an_hour_and_not_before(many, store, claude_settings, claude):
    claude.faults.append(Fault("status", status=502, at="create"))
    night(many, store, claude_settings)
    early = gather(store, claude_settings, clock=lambda: open_batches(store)[0].intended_at + SURE_AFTER - timedelta(minutes=1))
    assert early.intents == {"undecided": 1} and claude.batches.rows == {}
    assert gather(store, claude_settings, clock=later(1.1)).intents == {"sent again": 1} and len(claude.batches.rows) == 1
    before = statuses(store)
    until_done(store, claude_settings, clock=later(1.2))
    assert before == {"ok": 1, "started": 3} and statuses(store) == {"ok": 4} and claude.batches.calls["create"] == 2


def test_after_two_days_an_intent_is_given_up_because_the_night_has_taken_over(many, store, claude_settings, claude):
    claude.faults.append(Fault("status", status=502, at="create"))
    night(many, store, claude_settings)
    report = gather(store, claude_settings, clock=later(49))
    assert report.intents == {"given up": 1} and report.waiting == 0 and rows(store, LlmBatch)[0].state == "failed"
    assert {(call.status, call.cost_usd) for call in rows(store, LlmCall) if call.batch_id} == {("error", Decimal(0))}
    assert night(many, store, claude_settings).waiting == 2  # the queue is as it was: one goes alone, two in a batch


def test_a_batch_that_is_being_sent_is_left_alone(many, store, claude_settings, claude):
    from vim_pipelines.reasoning.batches.submit import lock_name
    from vim_pipelines.store.locks import exclusive

    claude.faults.append(Fault("status", status=502, at="create"))
    night(many, store, claude_settings)
    with exclusive(store, lock_name(open_batches(store)[0].batch_id)):
        assert gather(store, claude_settings, clock=later(5)).intents == {}


def test_the_list_is_read_back_to_the_intent_and_no_further(many, store, claude_settings, claude):
    vendor, params = BatchVendor(claude_settings), {"model": "claude-haiku-5-5", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}
    moment = datetime(2026, 11, 1, 12)
    for hour in range(4):
        claude.batches.clock = lambda hour=hour: moment.timestamp() + hour * 3600
        vendor.create([{"custom_id": "a", "params": params}])
    created = [look.created_at for look in vendor.since(vendor.since(datetime(2000, 1, 1))[1].created_at)]
    vendor.close()
    assert len(created) == 2 and created == sorted(created, reverse=True)


def test_two_processes_do_not_collect_at_once(many, store, claude_settings):
    from vim_pipelines.store.locks import exclusive

    with exclusive(store, "collect_batches"):
        report = gather(store, claude_settings)
    assert report.is_busy and "Another process" in report.lines()[0]


def test_on_both_stores(many, claude_settings, claude, store_url):
    settings = claude_settings.model_copy(update={"store_url": store_url})
    store = open_store(settings)
    try:
        assert night(many, store, settings).waiting == 3
        claude.batches.polls_to_end = 0
        report = gather(store, settings)
        assert (report.collected, report.drafts.written) == (1, 3)
        with store.session() as session:
            assert session.scalar(select(func.count()).select_from(PendingDraft)) == 0
    finally:
        store.engine.dispose()
