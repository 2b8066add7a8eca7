"""A reviewer's note to the offline drafter is followed in full, or a person is asked to write."""

import pytest
from document_cases import RICH_ACCOUNT, sheet_of
from reasoning_cases import AS_OF, HEADLINE_CORE

from vim_pipelines.reasoning.gates import check, demands_of
from vim_pipelines.reasoning.materiality import settled
from vim_pipelines.reasoning.playbooks import load_playbooks
from vim_pipelines.reasoning.providers.base import DraftRequest
from vim_pipelines.reasoning.providers.offline import SIGNATURE, offline_result, write
from vim_pipelines.reasoning.providers.wishes import read_wishes
from vim_pipelines.reasoning.render import render


def asked(document, note, previous_text=None, **changes):
    """(draft without the note, answer to the note)."""
    playbook = load_playbooks()[document]
    sheet = sheet_of(RICH_ACCOUNT | changes, {"core": HEADLINE_CORE}, [("MUDA_SHELFWARE", "high")])
    part = settled(sheet.only(playbook.facts, shareable=playbook.audience == "customer"))
    plain = write(playbook, part)
    request = DraftRequest("key", "ACC-1", "Northwind Robotics", AS_OF, playbook, part, feedback=note, previous_text=previous_text)
    answer = offline_result(request)
    if not answer.unmet_feedback:
        assert check(answer.document, part, demands_of(playbook)) == []
    return plain, answer, render(plain, part, playbook, signature=SIGNATURE).text


@pytest.mark.parametrize(
    ("note", "directives", "left_over"),
    [
        ("Please make this shorter", {"shorter"}, ()),
        ("too long, and do it sooner; leave out the features", {"shorter", "sooner", "without features"}, ()),
        ("Shorter, and mention the Frankfurt team", {"shorter"}, ("mention", "Frankfurt", "team")),
        ("Too many steps.", {"fewer steps"}, ()),
        ("Drop step 2 and start with step 3", {"drop 1", "first 2"}, ()),
        ("Step 1 should be done by the director", {"owner 0 director"}, ()),
        ("The last step belongs to our account executive, please", {"owner -1 account_executive"}, ()),
        ("Remove the section on people", {"without section people"}, ()),
        ("Please be nicer about the outcome", set(), ("nicer", "about", "outcome")),
        ("Thanks!", set(), ()),
        ("", set(), ()),
    ],
)
def test_every_word_of_a_note_is_a_wish_or_small_talk_or_left_over(note, directives, left_over):
    wishes = read_wishes(note)
    assert (wishes.directives, wishes.left_over) == (directives, left_over)


@pytest.mark.parametrize(
    "note",
    ["Too long", "Later, please", "Too many steps", "Drop step 2", "Start with step 2", "Step 3 should be owned by the director", "Leave out the features"],
)
def test_a_wish_that_is_followed_changes_a_text_for_a_customer(note):
    plain, answer, _ = asked("ebr_narrative", note)
    assert answer.document != plain and not answer.unmet_feedback


@pytest.mark.parametrize(
    "note",
    [
        "Shorter, and mention the Frankfurt team",  # half of it
        "Say it more warmly",  # nothing of it
        "Leave out the money",  # there is none
        "Drop step 12",  # there is no such step
        "Sooner and later",  # it cannot be both
        "Drop the section on people",  # this document has none
        "Thanks!",  # sent back for nothing: a person must ask
    ],
)
def test_a_text_for_a_customer_that_does_not_answer_the_whole_note_goes_to_a_person(note):
    """'Shorter, and mention the Frankfurt team' was answered with a shorter text without a word of Frankfurt, and was approved as the answer."""
    assert asked("ebr_narrative", note)[1].unmet_feedback


def test_a_text_for_the_house_prints_a_note_that_is_no_wish_and_is_held_for_a_wish_without_effect():
    assert not asked("save_play", "Mention the Frankfurt team")[1].unmet_feedback
    assert asked("save_play", "Leave out the features")[1].unmet_feedback
    plain, answer, _ = asked("escalation_brief", "Leave out the people")
    assert {section.kind for section in plain.sections} - {section.kind for section in answer.document.sections} == {"people"} and not answer.unmet_feedback


def test_a_required_section_cannot_be_wished_away():
    plain, answer, _ = asked("save_play", "Leave out the history")
    assert answer.document == plain and answer.unmet_feedback


def test_a_step_is_meant_by_the_number_that_the_reviewer_saw():
    """A note on the second version spoke of a step that had moved up: the wrong step was dropped."""
    plain, _, text = asked("early_renewal_strategy", None)
    first, second = (step.action for step in plain.steps[:2])
    head, steps = text.split("1. ", 1)
    seen = head + "1. " + steps[steps.index("\n2. ") + 4 :].replace("\n3. ", "\n2. ")  # as printed last time: without its first step
    _, answer, _ = asked("early_renewal_strategy", "Drop step 1", previous_text=seen)
    left = [step.action for step in answer.document.steps]
    assert first in left and second not in left and len(left) == len(plain.steps) - 1


def test_fewer_steps_keep_what_each_product_needs():
    plain, answer, _ = asked("license_optimization_plan", "Fewer steps, please")
    assert 3 <= len(answer.document.steps) < len(plain.steps) and not answer.unmet_feedback
