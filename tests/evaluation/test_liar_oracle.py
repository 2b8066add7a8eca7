"""The oracle that judges a writer whose lies nobody labelled, held against labelled lies; and that writer, a real and far too small model."""

import pytest

from vim_pipelines.evaluation.liar import mutations, small_model, trial
from vim_pipelines.evaluation.liar.oracle import objections
from vim_pipelines.reasoning.render import render
from vim_pipelines.reasoning.schema import DraftDocument

#: Kinds that the oracle is there for, with the share of lies to which it must object.
SEEN = {
    "number/digits": 1.0, "number/unicode_digits": 1.0, "number/split_digits": 1.0, "number/spelled": 0.9, "number/share": 0.9, "number/amount": 0.7,
    "number/swapped_other_unit": 0.5, "handle/absent": 1.0, "handle/kept_from_document": 1.0, "direction/false_comparison": 1.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def bases():
    return trial.honest_bases()[::4]


@pytest.mark.parametrize("kind", SEEN)
def test_the_oracle_objects_to_labelled_lies(bases, kind):
    """An oracle that never objects would prove nothing about a small model."""
    import random

    rng, seen, told = random.Random(2), 0, 0
    for base in bases:
        made = mutations.kinds()[kind](rng, base)
        if made is None:
            continue
        told += 1
        document = DraftDocument.model_validate(made[0])
        seen += bool(objections(document, base.part, base.full, ""))
    assert told >= 20 and seen / told >= SEEN[kind], f"{seen} of {told}"


def test_no_number_of_an_honest_text_is_called_invented(bases):
    """Of fifty honest drafts as they would be printed."""
    for base in bases:
        document = DraftDocument.model_validate(base.draft)
        text = render(document, base.part, base.playbook, signature="").text
        found = [objection for objection in objections(document, base.part, base.full, text) if objection.startswith(("number", "amount", "handle"))]
        assert found == [], base.id


def test_a_number_that_no_slot_printed_is_seen_in_the_text(bases):
    base = bases[0]
    document = DraftDocument.model_validate(base.draft)
    text = render(document, base.part, base.playbook, signature="").text
    forged = text.replace("\n## ", "\nThey lost 4,711 users.\n## ", 1)
    assert any("4,711" in objection for objection in objections(document, base.part, base.full, forged))


@pytest.mark.slow
def test_nothing_that_a_small_model_makes_up_reaches_a_request():
    """A hundred drafts by SmolLM2-135M: whatever passes the gates, the oracle reads; five to ten seconds a draft on a quiet machine of two cores, a minute on a busy one."""
    absent = small_model.why_absent()
    if absent:
        pytest.skip(absent)
    drafts = list(small_model.small_model_drafts(trial.honest_bases()[::2], 100))
    assert sum(document is not None for _, document in drafts) >= 80
    verdicts = trial.judge([trial.Answer(base.id, base.account_name, base.playbook, base.part, document) for base, document in drafts])
    wrong = [
        (verdict.id, objections(document, base.part, base.full, verdict.requested_text))
        for (base, document), verdict in zip(drafts, verdicts, strict=True)
        if document is not None and verdict.requested_text is not None
    ]
    assert [found for found in wrong if found[1]] == []
    assert len(drafts) - len(wrong) >= 20, "a model of this size fills slots with its own numbers: gates that hold none of its drafts are off"
