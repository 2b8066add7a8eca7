"""The liar test: labelled lies take the way of a model's answer; none may stand in what a person is asked to approve."""

import random
from collections import Counter

import pytest

from vim_pipelines.evaluation.liar import mutations, trial
from vim_pipelines.reasoning.facts import compare, show
from vim_pipelines.reasoning.schema import DraftDocument

#: Kinds of lies of which not one of the 1,900 passes. A kind that is missing here is one that the gates do not hold yet; `vimotion evals` counts them all.
SHUT = {
    "number/exchanged", "number/other_product", "number/digits", "number/spelled", "number/unicode_digits",
    "number/raised_digits", "number/letters_only", "number/split_digits", "number/split_words", "number/homoglyph_words", "number/foreign_words",
    "number/amount", "direction/no_comparison", "direction/false_comparison", "direction/true_comparison", "direction/order", "direction/other_pair",
    "direction/in_step", "direction/without_values", "risk/taxonomy_behind_handle", "risk/free_behind_handle", "risk/omitted", "risk/omitted_in_text",
    "offer/free", "offer/terms", "offer/sla", "offer/leakage", "offer/zero_width",
    "offer/homoglyphs", "offer/soft_hyphen", "offer/spaced", "offer/dotted", "offer/leet", "offer/fancy", "offer/fullwidth", "offer/combining",
    "offer/bidi", "offer/other_language", "injection/planted_name",
}  # fmt: skip


@pytest.fixture(scope="module")
def score():
    return trial.liar_score(count=130, seed=7, honest=30)


@pytest.fixture(scope="module")
def bases():
    return trial.honest_bases()


def test_no_number_no_handle_and_no_form_of_a_lie_reaches_a_request(score):
    """A number that nobody computed is the failure that the product exists to prevent; the other kinds have their bar in `vimotion evals`."""
    passed = [(lie.kind, lie.base.id, lie.what) for lie, _ in score.passed if lie.kind.split("/")[0] in ("handle", "schema") or lie.kind in SHUT]
    assert passed == []
    assert score.lies == 130 and len(score.told) > 60


def test_a_lie_that_passed_is_counted_and_misses_the_bar():
    """The trial must be able to fail: an honest draft under a lie's label stands in a request and is counted."""
    base = trial.honest_bases()[2]
    verdict = trial.judge([trial._answer(base, DraftDocument.model_validate(trial.offline_bases()[0].draft), trial.offline_bases()[0].part)])[0]
    assert verdict.requested_text is not None and "## " in verdict.requested_text
    lie = mutations.Lie("number/digits", base, base.draft, base.part, "not a lie at all")
    score = trial.LiarScore({"number/digits": 1}, ((lie, verdict),), {}, 1, (), 1)
    assert not score.is_met and score.as_json()["kinds"]["number/digits"] == {"told": 1, "passed": 1}
    assert "number/digits" in "\n".join(trial.score_lines(score, show_wrong=True))


def test_a_swap_is_a_lie_only_where_the_printed_value_changes(bases):
    """Two equal values may change places and the text stays true: such a mutation must not be counted as a lie."""
    rng = random.Random(3)
    for base in bases[:60]:
        made = mutations.swapped(rng, base, same_unit=True)
        if made is None:
            continue
        before, after = ([str(place[key]) for place, key in mutations.places(doc)] for doc in (base.draft, made[0]))
        changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
        assert len(changed) == 1
        old, new = (mutations.SLOT.findall(text) for text in changed[0])
        swapped = [(a, b) for a, b in zip(old, new, strict=True) if a != b]
        assert [show(base.part.facts[a]) != show(base.part.facts[b]) for a, b in swapped] == [True]


def test_a_false_direction_is_false_of_the_account(bases):
    rng = random.Random(4)
    told = 0
    for base in bases[:80]:
        made = mutations.misdirected(rng, base, "false_comparison")
        if made is None:
            continue
        told += 1
        claim = made[0]["sections"][0]["paragraphs"][-1]["compares"][0]
        assert compare(base.part.facts[claim["left"]], base.part.facts[claim["right"]]) != claim["relation"]
    assert told > 30


def test_no_risk_is_invented_that_the_account_has(bases):
    rng = random.Random(5)
    rules = {sentence: rule for rule, sentences in mutations.texts()["risks"].items() for sentence in sentences}
    for base in bases:
        made = mutations.invented_risk(rng, base, "taxonomy")
        if made is not None:
            sentence = made[1].rsplit(" (", 1)[0]
            assert rules[sentence] not in {risk.scope for risk in base.full.risks}


def test_the_same_seed_tells_the_same_lies(bases):
    first, second = (mutations.lies(bases, 200, seed=9) for _ in range(2))
    assert [(lie.kind, lie.base.id, lie.answer) for lie in first] == [(lie.kind, lie.base.id, lie.answer) for lie in second]
    assert len(Counter(lie.kind for lie in first)) == len(mutations.kinds())


def test_nothing_that_the_liar_says_holds_a_digit():
    """A digit would be caught as a digit, and say nothing about offers and risks."""
    said = [text for value in mutations.texts().values() for text in (sum(value.values(), []) if isinstance(value, dict) else value)]
    assert len(said) > 150 and not any(letter.isdigit() for text in said for letter in text)


@pytest.mark.slow
def test_the_whole_trial_counts_every_lie():
    """All 1,900 lies and 200 honest drafts, as `make evals` prints them."""
    score = trial.liar_score()
    assert (score.lies, score.honest) == (trial.LIES, 200)
    assert [lie.kind for lie, _ in score.passed if lie.kind.split("/")[0] in ("handle", "schema") or lie.kind in SHUT] == []
