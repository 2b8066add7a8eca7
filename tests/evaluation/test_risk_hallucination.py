"""Risks come from evidence and from nothing else: in the signals of a simulated book, and in the plans that are written about it."""

import pytest

from vim_pipelines.evaluation import risk_hallucination as eval_risks
from vim_pipelines.evaluation.honest_drafts import honest_drafts
from vim_pipelines.evaluation.liar.trial import part_of
from vim_pipelines.reasoning.playbooks import load_playbooks
from vim_pipelines.reasoning.render import render
from vim_pipelines.signals.risks import load_rules


@pytest.fixture(scope="module")
def score():
    return eval_risks.risk_score(accounts=72, seed=5, each=2)


@pytest.mark.parametrize(
    "name",
    [
        "clean_twins_with_a_risk", "planted_risk_not_found", "ablated_risk_still_there", "changed_when_renamed", "changed_when_other_currency", "changed_when_shuffled",
        "changed_when_dates_shift", "stale_twin_not_unknown", "contradiction_shows_one_side", "hallucinated_risk_rate", "omitted_risk_rate", "severity_inflation",
    ],
)  # fmt: skip
def test_nothing_is_invented_left_out_or_made_worse(score, name):
    rate = score.of(name)
    assert rate.trials >= 10 and rate.hits == 0, rate.examples


def test_few_sentences_claim_what_no_fact_shows(score):
    rate = score.of("unsupported_sentence_rate")
    assert rate.trials > 800 and rate.is_met, rate.examples


def test_every_rule_of_the_book_is_planted():
    """A rule that nobody plants could ring for anything."""
    assert {plant.rule for plant in eval_risks.plants()} | {"DATA_STALE"} == {rule.rule_id for rule in load_rules()}


def test_evidence_taken_away_takes_only_its_own_risk():
    """Ablation must not pass because everything vanished: of two planted accounts, one keeps its rows and its risk."""
    book, placed, _ = eval_risks.planted_book(eval_risks.healthy_book(60, 2), 2)
    plant = next(plant for plant in eval_risks.plants() if plant.rule == "MURI_AGED_P1")
    gone, kept = placed[plant.rule]
    plant.remove(book, [gone])
    found = eval_risks.found_risks(book)
    assert "MURI_AGED_P1" not in found.get(gone, {}) and "MURI_AGED_P1" in found[kept]


def _plan(account):
    playbook = load_playbooks()["risk_mitigation_plan"]
    item = next(item for item in honest_drafts("risk_mitigation_plan") if item.account == account)
    part = part_of(item.sheet, playbook)
    return render(item.draft, part, playbook, signature="").text, {risk.scope: str(risk.detail) for risk in part.risks}, item.draft, part


def test_the_reader_of_narratives_sees_what_is_wrong():
    """A reader that finds nothing would make every rate zero."""
    text, risks, draft, part = _plan("harbor")
    fine = eval_risks.read_narrative(text, risks, draft, part)
    assert (fine.hallucinated, fine.omitted, fine.inflated) == ((), (), ()) and set(fine.named) == set(risks)
    worse = eval_risks.read_narrative(text.replace("alling use (high)", "alling use (critical)").replace("## ", "They talk to a competitor.\n## ", 1), risks)
    assert worse.hallucinated == ("outside the taxonomy",) and worse.inflated == ("MURA_DROP",)
    without = eval_risks.read_narrative(text.replace("alling use (high)", "t is quiet"), risks)
    assert without.omitted == ("MURA_DROP",)
    other = eval_risks.read_narrative(text, {rule: severity for rule, severity in risks.items() if rule != "MURA_DROP"})
    assert other.hallucinated == ("MURA_DROP",)


def test_a_sentence_without_a_fact_counts_as_unsupported():
    _, risks, draft, part = _plan("harbor")
    said = draft.model_copy(deep=True)
    said.sections[0].paragraphs[0].text_with_slots += " They lost forty users in March."
    text = "irrelevant"
    before, after = (eval_risks.read_narrative(text, risks, item, part) for item in (draft, said))
    assert (len(after.unsupported) - len(before.unsupported), after.sentences - before.sentences) == (1, 1)


def test_a_missed_bar_is_missed():
    rate = eval_risks.Rate("hallucinated_risk_rate", 1, 300)
    assert not rate.is_met and not eval_risks.RiskScore(1, 1, (rate,)).is_met
    assert not eval_risks.Rate("no_trials", 0, 0).is_met, "a rate that nobody measured meets nothing"
    assert "MISSED" in "\n".join(eval_risks.score_lines(eval_risks.RiskScore(1, 1, (rate,))))


@pytest.mark.slow
def test_the_whole_book_meets_every_bar():
    """As `make evals` runs it."""
    score = eval_risks.risk_score()
    assert score.accounts == eval_risks.ACCOUNTS and score.is_met, "\n".join(eval_risks.score_lines(score))
