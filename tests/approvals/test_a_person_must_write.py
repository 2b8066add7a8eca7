"""Never silence: where no text passes the gates, the queue says that a person must write, and shows nothing of what was held back."""

import sys
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "reasoning"))

from reasoning_cases import AS_OF, NOW, headline, part_for

from vim_pipelines.approvals.deciding import decide
from vim_pipelines.approvals.events import verify_chain
from vim_pipelines.approvals.policy import Actor, load_policy
from vim_pipelines.approvals.queue import list_requests, request_approvals, show_request, to_write
from vim_pipelines.approvals.text import to_write_lines
from vim_pipelines.core.errors import VimError
from vim_pipelines.reasoning import drafting
from vim_pipelines.reasoning.drafting import DraftReport, Job, keep_draft
from vim_pipelines.reasoning.gates import Finding
from vim_pipelines.reasoning.providers.base import DraftRequest
from vim_pipelines.reasoning.providers.offline import offline_result
from vim_pipelines.settings import Settings
from vim_pipelines.store import open_store
from vim_pipelines.store.models import Draft


@pytest.fixture
def store(tmp_path):
    store = open_store(Settings(home=tmp_path))
    yield store
    store.engine.dispose()


def request(sheet=None, key="key-1"):
    playbook, part = part_for("value_realization_roadmap", sheet)
    return DraftRequest(key, "ACC-HEADLINE", "Northwind Robotics", AS_OF, playbook, part)


def kept(store, asked, version=1):
    report = DraftReport()
    keep_draft(Job(asked, version), offline_result(asked), store, NOW, report)
    return report


def ask(store, now=NOW):
    return request_approvals(store, load_policy(), AS_OF, now, approval_hours=72)


def lie(monkeypatch):
    monkeypatch.setattr(drafting.gates, "check", lambda *_: [Finding("commitment", "the phrase 'half price for ever'", "step 1")])


def test_a_draft_that_even_the_offline_drafter_cannot_pass_goes_to_a_person(store, monkeypatch):
    lie(monkeypatch)
    report = kept(store, request())
    assert (report.written, report.held) == (0, 1) and report.for_a_person == ["ACC-HEADLINE value_realization_roadmap"]
    assert any("A person must write 1" in line for line in report.lines())
    asked = ask(store)
    assert (len(asked.requested), len(asked.must_write), asked.held) == (0, 1, 1)
    assert list_requests(store) == [] and [row.request_id for row in to_write(store)] == list(asked.must_write)
    shown = show_request(store, asked.must_write[0])
    assert "A person must write this" in shown.text and "commitment, step 1" in shown.text and shown.actions == [] and shown.breaks == ()
    assert "half price" not in shown.text and "roadmap is about" not in shown.text
    assert any("Northwind Robotics" in line for line in to_write_lines(to_write(store), load_policy()))
    assert verify_chain(store) == []


def test_the_same_night_again_adds_nothing(store, monkeypatch):
    lie(monkeypatch)
    kept(store, request())
    ask(store)
    again = ask(store)
    assert (again.requested, again.must_write, again.unchanged) == ((), (), 1) and len(to_write(store)) == 1


def test_it_cannot_be_approved_and_a_dismissal_with_a_note_closes_it(store, monkeypatch):
    lie(monkeypatch)
    kept(store, request())
    [request_id] = ask(store).must_write
    person = {"person": Actor("dora", "director", "cli"), "policy": load_policy(), "version": 1, "now": NOW + timedelta(days=9)}
    for decision in ("approve", "reject", "request_changes"):
        with pytest.raises(VimError, match="VIM-E042"):
            decide(store, request_id, decision, note="because", **person)
    decide(store, request_id, "dismiss", note="written by hand, in the account's folder", **person)
    assert to_write(store) == [] and verify_chain(store) == []


def test_a_later_draft_that_passes_is_asked_about(store, monkeypatch):
    with monkeypatch.context() as patched:
        lie(patched)
        kept(store, request())
        ask(store)
    kept(store, request(headline(unused_seats=90), key="key-2"), version=2)
    asked = ask(store)
    assert len(asked.requested) == 1 and to_write(store) == []


def test_a_pending_question_gives_way_to_facts_that_nobody_could_word(store, monkeypatch):
    """The old text rests on old facts: leaving it pending would let a person approve what the night no longer says."""
    kept(store, request())
    ask(store)
    with monkeypatch.context() as patched:
        lie(patched)
        kept(store, request(headline(unused_seats=90), key="key-2"), version=2)
    asked = request_approvals(store, load_policy(), AS_OF, NOW, approval_hours=72, draft_ids=[drafting.sha256_json(["key-2", 2])[:32]])
    assert len(asked.superseded) == 1 and len(asked.must_write) == 1 and list_requests(store) == []


def test_versions_of_one_document_are_never_parted_by_a_transaction(store):
    """The liar test found it: of 2,000 drafts every fiftieth pair lay across two transactions, and a person was told to write what the offline drafter had written."""
    from approval_drafts import make_draft

    make_draft(store, account="ACC-00", as_of=AS_OF)
    for number in range(1, 30):
        make_draft(store, account=f"ACC-{number:02d}", version=1, status="held", as_of=AS_OF)
        make_draft(store, account=f"ACC-{number:02d}", version=2, as_of=AS_OF)
    asked = ask(store)
    assert (len(asked.requested), asked.must_write) == (30, ())


def test_a_draft_that_was_planned_before_an_edit_takes_the_next_number(store):
    """A batch took hours; meanwhile somebody edited the text, and the collected draft met the edit's version."""
    kept(store, request(key="key-1"))
    kept(store, request(key="key-2"), version=1)
    with store.reading() as session:
        assert sorted(session.scalars(select(Draft.version))) == [1, 2]
