"""The loop back: rejected, drafted again, asked again, at most three rounds."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from approval_drafts import AS_OF, NOW, make_draft

from vim_pipelines.approvals.deciding import decide
from vim_pipelines.approvals.events import verify_chain
from vim_pipelines.approvals.policy import Actor, load_policy
from vim_pipelines.approvals.queue import list_requests, request_approvals, show_request, to_replan
from vim_pipelines.approvals.replan import begin_replan, replan
from vim_pipelines.core.errors import VimError
from vim_pipelines.store.locks import exclusive

SETTINGS = SimpleNamespace(approval_hours=72)


@pytest.fixture
def drafted(store, policy, signals):
    """A pending request, and a redraft function that writes numbered drafts and remembers the notes it was given."""
    make_draft(store)
    request_approvals(store, policy, AS_OF, NOW, approval_hours=72, signals=signals)
    notes: list[str] = []

    def redraft(draft_id: str, note: str) -> str:
        notes.append(note)
        return make_draft(store, version=len(notes) + 1, facts=f"redraft-{len(notes)}", text=f"Draft {len(notes) + 1}", feedback=note)

    return SimpleNamespace(redraft=redraft, notes=notes)


def no(store, note="too long", decision="reject"):
    (request,) = list_requests(store)
    return decide(
        store, request.request_id, decision, person=Actor("dora", "director", "cli"), version=request.version, note=note, now=NOW, policy=load_policy()
    )


@pytest.mark.parametrize("decision", ["reject", "request_changes"])
def test_a_no_with_a_note_becomes_a_new_question(store, drafted, decision) -> None:
    rejected = no(store, "name the champion", decision)
    assert [request.request_id for request in to_replan(store)] == [rejected.request_id]
    report = replan(store, rejected.request_id, settings=SETTINGS, now=NOW, redraft=drafted.redraft)
    assert drafted.notes == ["name the champion"]
    new = show_request(store, report.new_request_id)
    assert (new.state, new.version, new.replan_round, new.text) == ("pending", 2, 1, "Draft 2")
    assert (new.arr_amount, new.risk_band, new.approver_role) == (rejected.arr_amount, rejected.risk_band, rejected.approver_role)
    assert new.actions[1]["fields"]["Owner_Email__c"] == "ada@vendor.example"
    assert show_request(store, rejected.request_id).state == "superseded"
    assert to_replan(store) == []
    assert verify_chain(store) == []


def test_after_three_rounds_a_person_must_write(store, drafted) -> None:
    for round_number in range(1, 4):
        report = replan(store, no(store).request_id, settings=SETTINGS, now=NOW, redraft=drafted.redraft)
        assert report.replan_round == round_number
    last = no(store, decision="request_changes")
    assert last.state == "rejected"
    assert show_request(store, last.request_id).events[-1].action == "human_must_write"
    assert to_replan(store) == []
    with pytest.raises(VimError, match="VIM-E042"):
        replan(store, last.request_id, settings=SETTINGS, now=NOW, redraft=drafted.redraft)
    assert len(drafted.notes) == 3


def test_the_unchanged_night_does_not_supersede_a_replanned_draft(store, policy, signals, drafted) -> None:
    """The night drafts from the same facts what was rejected yesterday; the reviewer's note would be lost."""
    first = show_request(store, no(store).request_id)
    replan(store, first.request_id, settings=SETTINGS, now=NOW, redraft=drafted.redraft)
    for ids in ([first.draft_id], None):  # None: all drafts of the as-of date, the re-planned one among them
        report = request_approvals(store, policy, AS_OF, NOW, approval_hours=72, draft_ids=ids, signals=signals)
        assert (report.requested, report.superseded, report.unchanged) == ((), (), 1)
    assert [request.replan_round for request in list_requests(store)] == [1]


def test_a_failure_of_the_drafter_is_recorded_and_tried_again_three_times(store, drafted) -> None:
    def broken(draft_id: str, note: str) -> str:
        raise RuntimeError("overloaded")

    request_id = no(store).request_id
    for attempt in range(1, 4):
        assert len(to_replan(store)) == 1
        report = replan(store, request_id, settings=SETTINGS, now=NOW, redraft=broken)
        assert (report.state, report.new_request_id) == ("rejected", None)
        assert "overloaded" in report.reason
        assert show_request(store, request_id).attempt == attempt
    assert to_replan(store) == []
    assert show_request(store, request_id).events[-1].action == "human_must_write"


def test_a_draft_that_a_gate_holds_is_not_drafted_in_circles(store, drafted) -> None:
    request_id = no(store).request_id
    report = replan(store, request_id, settings=SETTINGS, now=NOW, redraft=lambda draft_id, note: make_draft(store, version=2, facts="x", status="held"))
    assert report.state == "rejected"
    assert to_replan(store) == []


def test_a_new_fact_asks_again_after_the_rounds_are_used_up(store, policy, signals, drafted) -> None:
    request_id = no(store).request_id
    replan(store, request_id, settings=SETTINGS, now=NOW, redraft=lambda draft_id, note: make_draft(store, version=2, facts="x", status="held"))
    new = make_draft(store, version=3, facts="facts-3")
    assert len(request_approvals(store, policy, AS_OF, NOW, approval_hours=72, draft_ids=[new], signals=signals).requested) == 1


def test_a_dead_replan_is_taken_up_and_a_living_one_is_not(store, drafted) -> None:
    request_id = no(store).request_id
    with exclusive(store, f"replan:{request_id}"):
        begin_replan(store, request_id, NOW)
        assert to_replan(store) == []
        with pytest.raises(VimError, match="VIM-E042"):
            replan(store, request_id, settings=SETTINGS, now=NOW, redraft=drafted.redraft)
    assert [request.state for request in to_replan(store)] == ["replanning"]
    assert replan(store, request_id, settings=SETTINGS, now=NOW, redraft=drafted.redraft).new_request_id is not None
    assert len(list_requests(store)) == 1


def test_what_was_not_rejected_is_not_replanned(store, drafted) -> None:
    (request,) = list_requests(store)
    with pytest.raises(VimError, match="VIM-E042"):
        replan(store, request.request_id, settings=SETTINGS, now=NOW, redraft=drafted.redraft)
    assert drafted.notes == []
