"""The estimate beside what the same drafts then cost at the emulated vendor, and what it says where nobody knows."""

from dataclasses import replace
from decimal import Decimal

import pytest
from click.testing import CliRunner
from reasoning_cases import AS_OF, NOW
from test_failover import calls
from test_openai_provider import make, request, run

from vim_pipelines.core.errors import VimError
from vim_pipelines.reasoning.estimate import estimate, estimate_lines, estimate_night
from vim_pipelines.reasoning.run import write_drafts
from vim_pipelines.store.models import Draft

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
HAIKU = {"model_of": lambda playbook: "claude-haiku-5-5", "day": NOW.date()}


def test_what_the_drafts_then_cost_lies_within_the_estimate(claude_settings, store, claude):
    asked = [request(f"key-{number}") for number in range(5)]
    found = estimate(asked, **HAIKU)
    run(make(claude_settings, store), *asked)
    paid = sum(call.cost_usd for call in calls(store))
    assert found.cost_low_usd * Decimal("0.5") < paid < found.cost_high_usd
    (line,) = found.lines
    tokens = sum(call.input_tokens + call.cache_read_tokens + call.cache_write_tokens for call in calls(store))
    assert line.drafts == 5 and line.prompt_tokens_low < tokens < line.prompt_tokens_high


def test_a_batch_halves_the_price_and_begins_where_the_setting_says():
    asked = [request(f"key-{number}") for number in range(3)]
    live, batch = estimate(asked, **HAIKU, batch_from=4), estimate(asked, **HAIKU, batch_from=3)
    assert (live.lines[0].way, batch.lines[0].way) == ("live", "batch")
    one = estimate(asked[:1], **HAIKU)
    assert batch.cost_low_usd == pytest.approx(one.cost_low_usd * 3 / 2, abs=Decimal("0.00001"))


def test_only_customers_texts_are_judged():
    found = estimate([request("a"), request("b", document="value_realization_roadmap")], **HAIKU, judge_model="gpt-6-luna")
    assert [line.document for line in found.lines] == ["license_optimization_plan", "value_realization_roadmap", "judge of value_realization_roadmap"]
    assert found.lines[-1].model == "gpt-6-luna" and found.cost_low_usd == sum(line.cost_low_usd for line in found.lines)


def test_an_unknown_price_is_no_price():
    found = estimate([request()], model_of=lambda playbook: "claude-next", day=NOW.date())
    assert found.cost_low_usd is None and found.cost_high_usd is None and found.lines[0].prompt_tokens_low > 0


def test_a_night_is_estimated_from_the_marts_without_a_call_or_a_draft(marts, store, both_settings, claude, openai):
    marts.put()
    night = estimate_night(marts.warehouse, store, both_settings, NOW)
    assert claude.journal == openai.journal == [] and calls(store) == []
    with store.session() as session:
        assert session.query(Draft).count() == 0
    assert night.as_of == AS_OF and night.writers == ("Claude", "OpenAI") and sum(line.drafts for line in night.estimate.lines) >= 3
    write_drafts(marts.warehouse, store, both_settings, AS_OF, NOW)
    after = estimate_night(marts.warehouse, store, both_settings, NOW)
    assert after.estimate.lines == () and after.unchanged == len(claude.journal) > 0 and after.night_spent_usd > 0
    assert "The budgets last even for the dearest outcome." in estimate_lines(after)


def test_without_a_key_it_says_what_a_key_would_cost(marts, store, settings):
    marts.put()
    night = estimate_night(marts.warehouse, store, settings, NOW)
    assert not night.has_key and night.estimate.cost_low_usd > 0 and "No key is set" in night.verdict
    assert night.as_json()["verdict"] == night.verdict
    poor = replace(night, has_key=True, night_budget_usd=Decimal("0.0001"))
    assert "do not last" in poor.verdict and "ordinary night" in replace(poor, night_budget_usd=night.estimate.cost_low_usd * 2).verdict


def test_a_week_without_room_is_said_in_words(marts, store, settings):
    """'0 drafts to write' read as if nothing was wrong with any customer."""
    marts.put()
    full = settings.model_copy(update={"weekly_capacity": 1})
    write_drafts(marts.warehouse, store, full, AS_OF, NOW)
    night = estimate_night(marts.warehouse, store, full, NOW)
    assert night.cut >= 2 and f"capacity of 1 drafts (VIMOTION_WEEKLY_CAPACITY) is used up: {night.cut} are called for" in "\n".join(estimate_lines(night))


def test_before_the_first_audit_there_is_nothing_to_estimate(store, settings, tmp_path):
    from vim_pipelines.cli import main

    said = CliRunner().invoke(main, ["--home", str(tmp_path / "empty"), "audit", "--dry-run"])
    assert said.exit_code != 0 and "VIM-E024" in said.output and not isinstance(said.exception, VimError)
