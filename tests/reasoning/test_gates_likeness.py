"""The learned score for promises: its weights are those of its examples, it has seen no case of the evaluation, and a judge may clear what it doubts."""

import asyncio
import json
from dataclasses import replace

import pytest
import yaml
from reasoning_cases import AS_OF, part_for

from vim_pipelines.core.hashing import sha256_text
from vim_pipelines.evaluation.draft_safety import SECOND_SET, THIRD_SET, load_set
from vim_pipelines.evaluation.likeness_training import learn, load_examples
from vim_pipelines.reasoning.drafting import judged_and_repaired
from vim_pipelines.reasoning.gates import DOUBTS, Finding
from vim_pipelines.reasoning.gates.likeness import EXAMPLES, like_a_promise, load_likeness, passages
from vim_pipelines.reasoning.providers.base import DraftRequest, DraftResult
from vim_pipelines.reasoning.providers.offline import offline_result
from vim_pipelines.reasoning.schema import Paragraph

DOUBTFUL = "Nobody on our side will count the extra people for a while."


def test_the_weights_belong_to_the_examples():
    assert load_likeness().examples_sha256 == sha256_text(EXAMPLES.read_text(encoding="utf-8")), "run make likeness"


@pytest.mark.slow
def test_learning_again_gives_the_same_weights():
    again, shipped = learn(load_examples()), load_likeness()
    assert again.threshold == pytest.approx(shipped.threshold, abs=0.02)
    assert set(again.weights) == set(shipped.weights)
    assert max(abs(again.weights[name] - weight) for name, weight in shipped.weights.items()) < 0.02


def test_no_case_of_the_evaluation_is_an_example():
    examples = {plain(text) for text in load_examples().texts}
    cases = [plain(case.text) for cases in (load_set(), load_set(SECOND_SET), load_set(THIRD_SET)) for case in cases.cases]
    assert not [text for text in cases if text in examples]
    assert len(examples) > 3000


def plain(text):
    return " ".join("".join(letter if letter.isalpha() else " " for letter in text.casefold()).split())


def test_both_lists_are_there_and_no_text_is_in_both():
    data = yaml.safe_load(EXAMPLES.read_text(encoding="utf-8"))
    promises, harmless = ({plain(text) for text in data[name]} for name in ("promises", "harmless"))
    assert len(promises) > 1500 and len(harmless) > 1500 and not promises & harmless


def test_a_promise_in_one_sentence_of_many_does_not_drown():
    harmless = "Your teams were at work every week. The people who hold a seat know what to ask."
    assert not list(like_a_promise(harmless))
    ((gate, what),) = like_a_promise(f"{harmless} {DOUBTFUL} Thank you for the time you took.")
    assert gate == "likeness" and gate in DOUBTS and "count the extra people" in what
    assert passages("One. Two. Three.")[1:] == ["One. Two.", "Two. Three.", "One.", "Two.", "Three."]


class Writer:
    """A model that writes the offline text with a doubtful paragraph, the second time too."""

    def __init__(self, text=DOUBTFUL):
        self.text, self.asked = text, 0

    def model_for(self, playbook):
        return "model"

    async def draft(self, request):
        self.asked += 1
        document = offline_result(request).document
        first, *rest = document.sections
        doubtful = Paragraph(text_with_slots=self.text, fact_ids=[], compares=[], kind="explanation")
        sections = [first.model_copy(update={"paragraphs": [*first.paragraphs, doubtful]}), *rest]
        return DraftResult(document.model_copy(update={"sections": sections}), "claude", "model", "ok")

    async def aclose(self):
        return None


class ScriptedJudge:
    """Answers what the test tells it to."""

    def __init__(self, *said, error=None):
        self.said, self.error, self.read = list(said), error, []

    async def findings(self, text, **_about):
        self.read.append(text)
        if self.error:
            raise self.error
        return self.said

    async def aclose(self):
        return None


def judged(writer, judge, document="value_realization_roadmap"):
    playbook, part = part_for(document)
    request = DraftRequest("k", "ACC-HEADLINE", "Northwind Robotics", AS_OF, playbook, part)

    async def run():
        return await judged_and_repaired(writer, request, await writer.draft(request), judge=judge)

    return asyncio.run(run())


def test_without_a_judge_a_doubt_holds():
    found = judged(writer := Writer(), None)
    assert found.is_held and {finding.gate for finding in found.findings} <= DOUBTS and writer.asked == 2


def test_no_to_every_question_lets_a_doubt_go_on_to_the_person_with_the_doubt_beside_it():
    judge = ScriptedJudge()
    found = judged(writer := Writer(), judge)
    assert not found.is_held and {finding.gate for finding in found.doubts} <= DOUBTS and found.doubts
    assert writer.asked == 1 and "count the extra people" in judge.read[0]


def test_a_yes_or_no_verdict_at_all_holds_it():
    objection = Finding("judge", "term_change: the judge says yes", "'count the extra people'")
    for judge in (ScriptedJudge(objection), ScriptedJudge(error=RuntimeError("down"))):
        found = judged(Writer(), judge)
        assert found.is_held and "judge" in {finding.gate for finding in found.findings} and not found.doubts


def test_a_judge_clears_no_figure_and_no_disguise():
    for text in ("The invoice falls by 20 of a hundred.", "We w\u200bill keep the invoice where it is."):
        judge = ScriptedJudge()
        assert judged(Writer(text), judge).is_held and judge.read == []


def test_an_internal_plan_is_not_read_for_likeness():
    found = judged(Writer("Our notes say that the renewal is in doubt, and the account executive fears for it."), None, "license_optimization_plan")
    assert "likeness" not in {finding.gate for finding in found.findings}


def test_the_file_of_weights_is_data_that_a_reviewer_can_read():
    data = json.loads((EXAMPLES.parent / "likeness.json").read_text(encoding="utf-8"))
    assert set(data) == {"examples_sha256", "intercept", "threshold", "weights"} and all(isinstance(weight, float | int) for weight in data["weights"].values())
    assert replace(load_likeness(), threshold=0.0).score("") == data["intercept"]
