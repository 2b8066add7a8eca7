"""Claims about a customer and words for gravity that no rule gave, in wordings that were written before the gates were changed for them."""

from pathlib import Path

import pytest
import yaml
from reasoning_cases import headline, part_for, risk

from vim_pipelines.core.hashing import sha256_text
from vim_pipelines.evaluation.honest_drafts import honest_drafts
from vim_pipelines.evaluation.liar.mutations import texts
from vim_pipelines.evaluation.likeness_training import learn_inventions, load_claims
from vim_pipelines.reasoning.gates import Demands, check, demands_of
from vim_pipelines.reasoning.gates.base import paragraphs, sentences
from vim_pipelines.reasoning.gates.inventions import EXAMPLES, load_inventions
from vim_pipelines.reasoning.gates.risks import worded
from vim_pipelines.reasoning.gates.severities import MARK, unborne
from vim_pipelines.reasoning.gates.words import ended
from vim_pipelines.reasoning.schema import DraftDocument, Paragraph, PlanStep, Section

WORDINGS = yaml.safe_load(Path(__file__).with_name("risk_wordings.yaml").read_text(encoding="utf-8"))
#: What the gates hold of each list (`first`, `second`): a change may hold more of the lies and not fewer, fewer of the honest ones and not more.
HELD = {"invented": (26, 24), "inflated": (10, 10), "softened": (10, 10)}
ALARMS = {"honest": (1, 1), "fair_medium": (0, 0), "fair_high": (0, 1)}
SEVERITY = {"inflated": "medium", "fair_medium": "medium", "softened": "high", "fair_high": "high"}


def findings(text, severity=None, demands=None):
    """What the gates find in an internal plan with this one sentence, about an account with one risk."""
    _, part = part_for("risk_mitigation_plan", headline(risks=[risk("MUDA_SHELFWARE", severity) if severity else risk("MURA_SPIKY", "low")]))
    handles = [part.risks[0].handle] if severity else []
    paragraph = Paragraph(
        text_with_slots=text.replace("{risk}", "{{" + part.risks[0].handle + "}}"), fact_ids=handles, compares=[], kind="risk" if severity else "finding"
    )
    step = PlanStep(
        action="Go through the seat list with the customer",
        owner_role="csm",
        due_fact=None,
        due_relative="within_a_week",
        fact_ids=[],
        success_measure="The list is agreed",
    )
    document = DraftDocument(title="A plan for {{F01}}", sections=[Section(kind="risks", paragraphs=[paragraph])], steps=[step])
    return check(document, part, demands or Demands("internal"))


@pytest.mark.parametrize(("kind", "part"), [(kind, part) for kind in WORDINGS for part in (0, 1)])
def test_no_fewer_lies_and_no_more_honest_sentences_are_held_than_on_record(kind, part):
    said = WORDINGS[kind][("first", "second")[part]]
    held = [text for text in said if findings(text, SEVERITY.get(kind))]
    if kind in HELD:
        assert len(held) >= HELD[kind][part], [text for text in said if text not in held]
    else:
        assert len(held) <= ALARMS[kind][part], held


def test_the_wordings_are_as_many_as_they_say():
    assert [len(WORDINGS[kind]["first"] + WORDINGS[kind]["second"]) for kind in ("invented", "honest")] == [60, 60]


def test_a_sentence_of_the_playbook_is_not_doubted_and_its_like_is():
    said = "The foreman has banned the tablets."
    own = Demands("internal", own_wording=frozenset({worded(said)}))
    assert findings(said) and not findings(said, demands=own)
    assert findings("The foreman has banned the screens.", demands=own)


def test_the_playbooks_own_sentences_are_known_by_their_words():
    playbook, _ = part_for("risk_mitigation_plan")
    own = demands_of(playbook).own_wording
    assert len(own) > 20 and all("{{" not in sentence for sentence in own)
    assert demands_of(playbook).approver_role == playbook.approver_role


def test_what_is_said_of_a_risk_behind_a_comma_or_in_the_next_sentence_is_read_too():
    assert list(unborne(f"{MARK}, as ever, is harmless.", {"high"})) == ["harmless"]
    assert list(unborne("it is a trifle.", {"high"}, goes_on=True)) == ["trifle"]
    assert not list(unborne("people have other things to do.", {"high"}, goes_on=True))
    assert not list(unborne(f"{MARK}: harmless words of another matter.", {"high"}))
    assert list(unborne(f"{MARK} is urgent.", {"low"})) == ["urgent"] and not list(unborne(f"{MARK} is urgent.", {"low", "critical"}))


def test_the_weights_belong_to_the_examples():
    assert load_inventions().likeness.examples_sha256 == sha256_text(EXAMPLES.read_text(encoding="utf-8")), "run make likeness"


@pytest.mark.slow
def test_learning_again_gives_the_same_weights():
    again, shipped = learn_inventions(load_claims()), load_inventions()
    assert again.known == shipped.known and again.likeness.threshold == pytest.approx(shipped.likeness.threshold, abs=0.05)
    assert max(abs(again.likeness.weights.get(name, 0) - weight) for name, weight in shipped.likeness.weights.items()) < 0.02


def test_no_sentence_of_an_evaluation_is_an_example():
    def plain(text):
        return " ".join("".join(letter if letter.isalpha() else " " for letter in text.casefold()).split())

    learned = {plain(text) for text in load_claims().texts}
    liar = [sentence for said in texts()["risks"].values() for sentence in said] + texts()["free_risks"]
    own = [text for lists in WORDINGS.values() for said in lists.values() for text in said]
    honest = [sentence for draft in honest_drafts() for _, paragraph in paragraphs(draft.draft) for sentence in sentences(paragraph.text_with_slots)]
    assert not [text for text in (*liar, *own, *honest) if len(text.split()) > 3 and plain(text) in learned]
    assert len(learned) > 800


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Train the planners Their CFO left last week.", "Train the planners. Their CFO left last week."),
        ("Speak with {{F03}} They are talking to a rival.", "Speak with {{F03}}. They are talking to a rival."),
        ("Grace Price has taken over the Sales Cloud team.", "Grace Price has taken over the Sales Cloud team."),
    ],
)
def test_a_sentence_begins_where_no_full_stop_says_so_and_a_name_begins_none(text, expected):
    assert ended(text) == expected


def test_a_sponsor_who_is_not_known_says_nothing_of_the_other_officers():
    """Where no sponsor is on record one may say that a sponsor has left; that the finance chief has left is another claim."""
    playbook, part = part_for("risk_mitigation_plan", headline(risks=[risk("SPONSOR_LOST", "high")], sponsor_name=None))

    def held(text):
        document = DraftDocument(
            title="A plan", sections=[Section(kind="risks", paragraphs=[Paragraph(text_with_slots=text, fact_ids=[], compares=[], kind="finding")])], steps=[]
        )
        return "invented_risk" in {finding.gate for finding in check(document, part, Demands("internal"))}

    assert not held("The sponsor has left the company.") and held("Their CFO left last week.")
