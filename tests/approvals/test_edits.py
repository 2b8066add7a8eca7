"""Edit and approve: a person's text is a new version, goes through the gates like any other, and is approved by somebody else."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from approval_drafts import NOW
from document_cases import RICH_ACCOUNT, random_sheet, sheet_of
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from reasoning_cases import AS_OF, HEADLINE_CORE

from vim_pipelines.approvals.deciding import decide
from vim_pipelines.approvals.editable import read_text
from vim_pipelines.approvals.edits import OVERTAKEN, check_edit, edit, editable, editable_text, edits_to_check, findings_of_edits
from vim_pipelines.approvals.events import verify_chain
from vim_pipelines.approvals.policy import Actor
from vim_pipelines.approvals.queue import list_requests, request_approvals, show_request
from vim_pipelines.approvals.text import difference, request_lines
from vim_pipelines.core.errors import VimError
from vim_pipelines.reasoning.drafting import DraftReport, Job, keep_draft
from vim_pipelines.reasoning.gates import Finding
from vim_pipelines.reasoning.materiality import settled
from vim_pipelines.reasoning.playbooks import load_playbooks
from vim_pipelines.reasoning.providers.base import DraftRequest
from vim_pipelines.reasoning.providers.offline import offline_result, write
from vim_pipelines.settings import Settings
from vim_pipelines.store.models import Draft

CEM, DORA, ELIF = (Actor(name, "director", "inbox") for name in ("cem", "dora", "elif"))
ALONE = Settings(judge="off")
JUDGED = Settings(judge="auto", anthropic_api_key="sk-test")


def asked(store, policy, document="license_optimization_plan", now=NOW, arr=60_000):
    """A draft of the offline drafter as the night keeps it, and its question."""
    playbook = load_playbooks()[document]
    sheet = sheet_of(RICH_ACCOUNT, {"Core": HEADLINE_CORE})
    part = settled(sheet.only(playbook.facts, shareable=playbook.audience == "customer"))
    request = DraftRequest(f"key-{document}", "ACC-1", part.account_name, AS_OF, playbook, part)
    report = DraftReport()
    keep_draft(Job(request, 1).to_decide(now, 72), offline_result(request), store, now, report)
    assert report.written == 1, report.findings
    signals = {"ACC-1": {"arr_amount": arr, "currency": "USD", "risk_band": "green", "segment": "smb"}}
    [request_id] = request_approvals(store, policy, AS_OF, now, approval_hours=72, draft_ids=report.draft_ids, signals=signals).requested
    return request_id


def send(store, policy, request_id, text, *, person=CEM, version=1, settings=ALONE, note="kinder", now=NOW):
    return edit(store, settings, request_id, text, person=person, version=version, note=note, now=now, policy=policy)


def with_sentence(text, sentence="Please read it together with the team."):
    """The text with one more sentence at the end of its first paragraph."""
    lines = text.splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith("[")) + 1
    lines[place] += " " + sentence
    return "\r\n".join(lines)  # as a browser sends it


@pytest.mark.parametrize("document", tuple(load_playbooks()))
@given(seed=st.integers(0, 10**6))
@settings(max_examples=8, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
def test_what_is_shown_for_editing_reads_back_as_the_same_draft(document, seed):
    playbook, sheet = load_playbooks()[document], random_sheet(seed)
    part = settled(sheet.only(playbook.facts, shareable=playbook.audience == "customer"))
    draft = write(playbook, part)
    text = editable_text(draft.model_dump(mode="json"), part.rows())
    read = read_text(text.replace("\n", random.Random(seed).choice(["\n", "\r\n"])), part.rows())
    assert read.findings == () and read.document == draft
    assert "{{F" not in text or ": " in text.split("{{F", 1)[1].split("}}")[0], "a slot shows its value"


def test_an_edit_is_a_new_version_that_only_somebody_else_approves(store, policy):
    first = asked(store, policy)
    report = send(store, policy, first, with_sentence(editable(store, first)))
    assert (report.state, report.findings) == ("asked", ())
    new, old = show_request(store, report.request_id), show_request(store, first)
    assert (old.state, new.state, new.version, new.edited_by, new.written_by) == ("superseded", "pending", 2, "cem", "person")
    assert "read it together" in new.text and "Edited by cem" in new.text
    changed = [line for line in request_lines(new, policy, with_facts=False) if line.startswith("  + ")]
    assert any("read it together" in line for line in changed) and new.earlier_text == old.text
    assert old.events[-1].note == "edited by cem: kinder" and old.events[-1].actor == "cem"
    with pytest.raises(VimError, match="VIM-E043.*edited"):
        decide(store, new.request_id, "approve", person=CEM, version=2, note=None, now=NOW, policy=policy)
    with pytest.raises(VimError, match="VIM-E041"):
        decide(store, first, "approve", person=DORA, version=1, note=None, now=NOW, policy=policy)
    assert decide(store, new.request_id, "approve", person=DORA, version=2, note=None, now=NOW, policy=policy).state == "approved"
    assert verify_chain(store) == []


def test_a_text_that_went_through_two_hands_is_approved_by_neither(store, policy):
    """Else two people could each approve what the other let stand of their own words."""
    second = send(store, policy, asked(store, policy), with_sentence(editable(store, list_requests(store)[0].request_id))).request_id
    third = send(store, policy, second, with_sentence(editable(store, second), "Then call them."), person=DORA, version=2).request_id
    for person in (CEM, DORA):
        with pytest.raises(VimError, match="VIM-E043.*edited"):
            decide(store, third, "approve", person=person, version=3, note=None, now=NOW, policy=policy)
    assert decide(store, third, "approve", person=ELIF, version=3, note=None, now=NOW, policy=policy).state == "approved"


def test_the_night_has_nothing_to_add_to_an_edited_text_whose_facts_are_the_same(store, policy):
    new = send(store, policy, (first := asked(store, policy)), with_sentence(editable(store, first))).request_id
    again = request_approvals(store, policy, AS_OF, NOW + timedelta(days=1), approval_hours=72)
    assert (again.requested, again.superseded, again.unchanged) == ((), (), 1)
    assert [request.request_id for request in list_requests(store)] == [new]


@pytest.mark.parametrize(
    ("change", "gate"),
    [
        (lambda text: with_sentence(text, "Another 12 seats are idle."), "digit"),
        (lambda text: with_sentence(text, "Another twelve seats are idle."), "number_word"),
        (lambda text: text.replace("150 seats}}", "120 seats}}", 1), "slot"),
        (lambda text: with_sentence(text, "See {{F77}}."), "unknown_fact"),
        (lambda text: with_sentence(text, "See {{F12."), "slot"),
        (lambda text: text.replace("## Summary", "## Epilogue"), "unknown_section"),
        (lambda text: with_sentence(text, "We guarantee a discount."), "commitment"),
        (lambda text: with_sentence(text, "<script>alert()</script>"), "markup"),
        (lambda text: text.replace("# ", "", 1), "markup"),
        (lambda text: text.replace("Owner: Customer Success Manager", "Owner: the intern"), "markup"),
        (lambda text: text, "feedback"),
        (lambda text: "x" * 70_000, "length"),
        (lambda text: "", "markup"),
    ],
)
def test_an_edit_that_a_gate_holds_changes_nothing_and_says_where(store, policy, change, gate):
    first = asked(store, policy)
    before = show_request(store, first)
    report = send(store, policy, first, change(editable(store, first)))
    assert report.state == "held" and gate in {finding["gate"] for finding in report.findings}, report.findings
    assert all(finding["where"] for finding in report.findings)
    assert show_request(store, first) == before
    with store.session() as session:
        assert session.query(Draft).count() == 1


def test_of_two_edits_at_once_the_first_wins(store, policy):
    first = asked(store, policy)
    text = with_sentence(editable(store, first))
    assert send(store, policy, first, text).state == "asked"
    with pytest.raises(VimError, match="VIM-E041"):
        send(store, policy, first, text, person=DORA)


@pytest.mark.parametrize(
    ("person", "version", "later", "code"),
    [
        (Actor("cem", "csm", "inbox", ("enterprise",)), 1, 0, "VIM-E043"),
        (Actor("sys", "nobody", "inbox"), 1, 0, "VIM-E043"),
        (CEM, 2, 0, "VIM-E041"),
        (CEM, 1, 80, "VIM-E042"),
    ],
)
def test_who_may_not_decide_may_not_edit(store, policy, person, version, later, code):
    first = asked(store, policy)
    text = with_sentence(editable(store, first))
    with pytest.raises(VimError, match=code):
        send(store, policy, first, text, person=person, version=version, now=NOW + timedelta(hours=later))


class Reader:
    """A judge that says what it is told to, or breaks."""

    def __init__(self, *said):
        self.said, self.read = said, []

    async def findings(self, text, **about):
        self.read.append(text)
        if self.said and isinstance(self.said[0], Exception):
            raise self.said[0]
        return list(self.said)

    async def aclose(self):
        """Nothing to close."""


def test_with_a_judge_the_old_question_stands_until_the_edit_is_read(store, policy):
    first = asked(store, policy, "training_nudge")
    report = send(store, policy, first, with_sentence(editable(store, first)), settings=JUDGED)
    assert (report.state, report.request_id) == ("checking", None)
    assert show_request(store, first).state == "pending"
    with pytest.raises(VimError, match="VIM-E042.*being read"):
        send(store, policy, first, with_sentence(editable(store, first), "Then call them."), person=DORA, settings=JUDGED)
    [draft] = edits_to_check(store)
    reader = Reader()
    done = check_edit(store, JUDGED, draft.draft_id, now=NOW, judge=reader, policy=policy)
    assert done.state == "asked" and "read it together" in reader.read[0]
    new = show_request(store, done.request_id)
    assert (new.edited_by, new.state, show_request(store, first).events[-1].actor) == ("cem", "pending", "cem")
    assert check_edit(store, JUDGED, draft.draft_id, now=NOW, judge=reader, policy=policy).state == "held" and len(reader.read) == 1
    assert verify_chain(store) == [] and edits_to_check(store) == []


@pytest.mark.parametrize("said", [Finding("judge", "discount: the judge says yes", "document"), TimeoutError()])
def test_a_judge_that_objects_or_says_nothing_holds_the_edit(store, policy, said):
    first = asked(store, policy, "training_nudge")
    draft_id = send(store, policy, first, with_sentence(editable(store, first)), settings=JUDGED).draft_id
    assert check_edit(store, JUDGED, draft_id, now=NOW, judge=Reader(said), policy=policy).state == "held"
    assert show_request(store, first).state == "pending"
    [(who, state, findings)] = findings_of_edits(store, first)
    assert (who, state, findings[0]["gate"]) == ("cem", "held", "judge")
    assert send(store, policy, first, with_sentence(editable(store, first), "Then call them."), settings=JUDGED).state == "checking"  # it may be tried again
    assert request_approvals(store, policy, AS_OF, NOW + timedelta(days=1), approval_hours=72).must_write == ()


def test_what_the_gates_only_doubt_goes_beside_the_text_when_the_judge_clears_it(store, policy):
    first = asked(store, policy, "training_nudge")
    doubtful = with_sentence(editable(store, first), "We are happy to adjust the terms for you.")
    assert send(store, policy, first, doubtful).state == "held"  # nobody reads it a second time
    report = send(store, policy, first, doubtful, settings=JUDGED)
    assert report.state == "checking", report.findings
    done = check_edit(store, JUDGED, report.draft_id, now=NOW, judge=Reader(), policy=policy)
    assert done.state == "asked" and show_request(store, done.request_id).doubts


def test_an_edit_whose_question_was_decided_meanwhile_is_overtaken(store, policy):
    first = asked(store, policy, "training_nudge")
    draft_id = send(store, policy, first, with_sentence(editable(store, first)), settings=JUDGED).draft_id
    decide(store, first, "approve", person=DORA, version=1, note=None, now=NOW, policy=policy)
    report = check_edit(store, JUDGED, draft_id, now=NOW, judge=Reader(), policy=policy)
    assert report.state == "held" and report.findings[0]["what"] == OVERTAKEN
    assert show_request(store, first).state == "approved"


@given(st.lists(st.sampled_from("abcd"), max_size=8), st.lists(st.sampled_from("abcd"), max_size=8))
def test_a_difference_holds_both_texts(old, new):
    rows = difference("\n".join(old), "\n".join(new))
    assert [line for kind, line in rows if kind != "added"] == old and [line for kind, line in rows if kind != "removed"] == new
