"""Sixty nights of a quiet account cost one draft, and one night of news costs one more, for every fact beyond the first sixty."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reasoning_cases import AS_OF, HEADLINE_ACCOUNT, fact_row, fact_rows

from vim_pipelines.core.hashing import sha256_json
from vim_pipelines.reasoning.facts import FURTHER_METRICS, build_sheet
from vim_pipelines.reasoning.materiality import RATIO_STEP, SMALLEST_COUNT_STEP, SMALLEST_MEASURE_STEP, canonical_facts, settled, width

NIGHTS = 60
#: What a metric's unit is in the marts, where the step of a number depends on it.
UNITS = {"renewal_open_amount": "money", "weekly_active_change": "ratio", "outcome_measured": "value of quote hours", "days_to_opt_out": "days"}
STEPPED = [metric.name for metric in FURTHER_METRICS if metric.step in ("count", "measure", "ratio", "money")]
VOLATILE = [metric.name for metric in FURTHER_METRICS if metric.step == "volatile"]
EXACT = [metric.name for metric in FURTHER_METRICS if metric.step == "exact"]
SMALLEST = {"count": SMALLEST_COUNT_STEP, "measure": SMALLEST_MEASURE_STEP, "money": Decimal(100)}
STEP_OF = {metric.name: metric.step for metric in FURTHER_METRICS}


def number(name, value):
    return fact_row(name, None, status="ok", unit=UNITS.get(name, "tickets"), currency="USD" if name == "renewal_open_amount" else None) | {
        "value_number": value
    }


def night(row, previous=None):
    """(key of the facts, facts as stored) of an account with this one row beside the headline's."""
    sheet = settled(build_sheet("ACC-1", "Acme", AS_OF, [*fact_rows(HEADLINE_ACCOUNT), row]), previous)
    return sha256_json(canonical_facts(sheet)), {fact["handle"]: fact for fact in sheet.rows()}


def step_width(name, value):
    return RATIO_STEP if STEP_OF[name] == "ratio" else width(value, SMALLEST[STEP_OF[name]])


def test_the_kinds_of_steps_are_all_here():
    assert {
        "contacts_active",
        "users_trained",
        "outcome_measured",
        "weekly_active_change",
        "renewal_open_amount",
    } <= set(STEPPED)
    assert {"last_touchpoint_on", "next_touchpoint_on", "outcome_measured_on", "next_action_why"} == set(VOLATILE) and len(EXACT) > 20


@pytest.mark.parametrize("name", STEPPED)
@given(st.data())
@settings(max_examples=5, deadline=None)
def test_sixty_nights_of_noise_within_a_step_make_no_new_draft(name, data):
    value = data.draw(st.decimals(1, 5000, places=2)) if STEP_OF[name] != "ratio" else data.draw(st.decimals(Decimal("0.01"), Decimal(3), places=4))
    first, facts = night(number(name, value))
    handle = next(handle for handle, fact in facts.items() if fact["metric"] == name)
    reach = step_width(name, Decimal(facts[handle]["step"])) * Decimal("0.45")
    for share in data.draw(st.lists(st.decimals(-1, 1, places=3), min_size=NIGHTS, max_size=NIGHTS)):
        noisy = max(value + share * reach, Decimal("0.001"))
        key, facts = night(number(name, noisy), facts)
        assert key == first


@pytest.mark.parametrize("name", STEPPED)
@given(st.data())
@settings(max_examples=5, deadline=None)
def test_a_change_of_three_steps_makes_a_new_draft(name, data):
    value = data.draw(st.decimals(1, 5000, places=2)) if STEP_OF[name] != "ratio" else data.draw(st.decimals(Decimal("0.01"), Decimal(3), places=4))
    first, facts = night(number(name, value))
    assert night(number(name, value + 3 * step_width(name, 2 * value)), facts)[0] != first


@pytest.mark.parametrize("name", [name for name in STEPPED if STEP_OF[name] == "count"])
def test_none_and_some_are_never_the_same_step(name):
    """One is as good as none: of two and of ten seats that cannot be said."""
    first, facts = night(number(name, Decimal(0)))
    assert night(number(name, Decimal(1)), facts)[0] == first
    assert night(number(name, Decimal(2)), facts)[0] != first


@pytest.mark.parametrize("name", VOLATILE)
def test_a_volatile_fact_counts_by_presence_only(name):
    def row(text, status="ok"):
        return fact_row(name, text, unit="text", status=status) | {"value_text": text}

    first, facts = night(row("2026-06-01"))
    key, facts = night(row("2026-06-22"), facts)
    assert key == first
    assert night(row("none"), facts)[0] != first != night(row(None, "unknown"), facts)[0]


@pytest.mark.parametrize("name", EXACT)
def test_any_change_of_an_exact_fact_is_news(name):
    def row(text):
        return fact_row(name, text, unit="text") | {"value_text": text}

    first, facts = night(row("2026-06-01"))
    assert night(row("2026-06-01"), facts)[0] == first != night(row("2026-06-02"), facts)[0]
    # Looked for and not there is another statement than not looked for.
    assert night(row("none"), facts)[0] != night(row(None), facts)[0]


def test_days_to_the_opt_out_count_in_bands():
    first, facts = night(number("days_to_opt_out", Decimal(90)))
    for days in range(89, 60, -1):
        key, facts = night(number("days_to_opt_out", Decimal(days)), facts)
        assert key == first
    assert night(number("days_to_opt_out", Decimal(60)), facts)[0] != first


def test_the_same_value_of_another_metric_of_the_customers_is_news():
    first, facts = night(number("outcome_measured", Decimal(12)))
    assert night(number("outcome_measured", Decimal(12)) | {"unit": "value of days to close"}, facts)[0] != first
