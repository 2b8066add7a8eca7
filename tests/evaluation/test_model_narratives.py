"""A model's plans of the simulated accounts: what it invents is counted as written, and does not reach a request."""

import pytest
from pydantic import SecretStr

from vim_pipelines.evaluation import model_narratives, risk_hallucination
from vim_pipelines.evaluation.honest_drafts import AS_OF
from vim_pipelines.sandbox.claude_emulator import Emulator, start_claude
from vim_pipelines.settings import Settings
from vim_pipelines.store import open_store
from vim_pipelines.store.models import LlmCall

COUNT = 18


@pytest.fixture(scope="module")
def twins():
    return risk_hallucination.risk_score(accounts=48, seed=5, each=1).twins


@pytest.fixture
def place(tmp_path, monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "VIMOTION_DRAFTER", "VIMOTION_MODEL"):
        monkeypatch.delenv(name, raising=False)
    emulator = Emulator()
    server = start_claude(emulator)
    settings = Settings(home=tmp_path, anthropic_api_key=SecretStr("test"), anthropic_base_url=server.url)
    store = open_store(settings)
    yield emulator, settings, store
    store.engine.dispose()
    server.stop()


def scored(twins, settings, store):
    return model_narratives.model_score(twins, settings, store, settings.now(), count=COUNT)


def test_every_planted_rule_is_among_the_chosen(twins):
    found = model_narratives.chosen(twins, COUNT)
    assert len(found) == COUNT and {twin.planted for twin in found} - {None} == {plant.rule for plant in risk_hallucination.plants()}
    assert any(twin.planted is None for twin in found)


def test_a_model_that_keeps_to_the_facts_meets_the_bars(twins, place):
    emulator, settings, store = place
    score = scored(twins, settings, store)
    named = next(rate for rate in score.written if rate.name == "hallucinated_risk_rate")
    assert score.is_met and not score.unanswered and named.hits == 0 and named.trials >= 10, score
    assert score.cost_usd > 0 and len(emulator.journal) >= COUNT
    with store.session() as session:
        calls = session.query(LlmCall).all()
    assert {call.account_key for call in calls} == {"evaluation"} and {call.as_of_date for call in calls} == {AS_OF}
    assert "before the gates" in "\n".join(model_narratives.model_lines(score))


def test_a_paid_plan_is_not_paid_for_again(twins, place):
    emulator, settings, store = place
    first = scored(twins, settings, store)
    sent = len(emulator.journal)
    assert scored(twins, settings, store).asked == first.asked and len(emulator.journal) == sent


def test_what_a_model_invents_is_counted_and_does_not_reach_a_request(twins, place, monkeypatch):
    """The emulator's sentences are made to tell of a competitor, which no rule speaks of, and to leave a severe risk unsaid."""
    from vim_pipelines.sandbox import model_answers

    real = model_answers._Writer.sentence
    monkeypatch.setattr(
        model_answers._Writer, "sentence", lambda self, name: real(self, name) + (" They talk to a competitor." if name == "text_with_slots" else "")
    )
    _, settings, store = place
    score = scored(twins, settings, store)
    rates = {rate.name: rate for rate in score.written}
    assert rates["hallucinated_risk_rate"].hits == COUNT and score.held == COUNT
    assert score.is_met and all(rate.hits == 0 for rate in score.asked if rate.most == 0.0), "the gates held all of it"


def test_without_a_model_there_is_nothing_to_score(twins, place):
    _, settings, store = place
    assert scored(twins, settings.model_copy(update={"drafter": "offline"}), store) is None


def test_a_vendor_that_gives_no_answer_is_not_counted_as_a_model(twins, place):
    from vim_pipelines.sandbox.model_answers import Fault

    emulator, settings, store = place
    emulator.faults.append(Fault("refusal", times=99))
    score = scored(twins, settings, store)
    assert len(score.unanswered) == COUNT and all(rate.trials == 0 for rate in score.written)
