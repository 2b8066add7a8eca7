"""When a draft is written again: noise costs nothing, change does, and nothing flaps."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reasoning_cases import AS_OF, HEADLINE_ACCOUNT, HEADLINE_CORE, fact_rows, headline, part_for, risk

from vim_pipelines.reasoning.facts import build_sheet
from vim_pipelines.reasoning.materiality import HOLD, draft_key, settled, width


def key(sheet, previous=None, **options):
    playbook, part = part_for(options.pop("document", "license_optimization_plan"), sheet)
    part = settled(part, previous)
    arguments = {"document": playbook.id, "prompt_sha256": playbook.sha256, "schema_sha256": "s", "model": "m"} | options
    return draft_key(part, **arguments), {row["handle"]: row for row in part.rows()}


def test_a_user_more_or_a_day_later_is_no_news():
    first, facts = key(headline())
    assert key(headline(active_users_28d=51, unused_seats=149, unused_value_annual=44700, utilization_28d="0.255", days_to_renewal=239), facts)[0] == first


@pytest.mark.parametrize(
    "change",
    [
        {"unused_seats": 90},
        {"unused_value_annual": 30000},
        {"utilization_28d": "0.45"},
        {"seats_contracted": 201},
        {"renewal_date": "2027-02-24"},
        {"champion_name": "Someone Else"},
        {"champion_name": None},
        {"days_to_renewal": 170},
        {"unused_seats": 0},
        {"unused_value_annual": None},
    ],
)
def test_a_change_that_matters_makes_a_new_draft(change):
    first, facts = key(headline())
    assert key(headline(**change), facts)[0] != first


def test_a_change_that_the_document_does_not_see_is_no_news():
    first, facts = key(headline(), document="value_realization_roadmap")
    assert key(headline(tickets_28d=40, risk_score=95, waste_annual=1), facts, document="value_realization_roadmap")[0] == first


@pytest.mark.parametrize(("before", "after"), [(0, 2), (2, 0), (1, 4), (6, 3)])
def test_a_ticket_that_comes_or_goes_is_no_news(before, after):
    first, facts = key(headline(tickets_open=before), document="risk_mitigation_plan")
    assert key(headline(tickets_open=after), facts, document="risk_mitigation_plan")[0] == first
    assert key(headline(tickets_open=before + 12), facts, document="risk_mitigation_plan")[0] != first


def with_features(names):
    rows = fact_rows(HEADLINE_ACCOUNT, {"core": HEADLINE_CORE | {"unused_feature_names": names}})
    return build_sheet("ACC-HEADLINE", "Northwind Robotics", AS_OF, rows, [risk("MUDA_SHELFWARE")])


def test_a_feature_that_somebody_opened_once_is_no_other_list_and_two_are():
    first, facts = key(with_features("forecasting, audit_log"))
    for same in ("forecasting", "audit_log, forecasting, templates"):
        assert key(with_features(same), facts)[0] == first
    for other in ("none", "templates", "forecasting, audit_log, templates, export"):
        assert key(with_features(other), facts)[0] != first
    assert key(with_features(None), facts)[0] != first  # what is not known is not the same list
    none, facts = key(with_features("none"))
    assert key(with_features("templates"), facts)[0] == none and key(with_features("templates, export"), facts)[0] != none


def test_a_new_risk_changes_the_risk_plan():
    first, facts = key(headline(), document="risk_mitigation_plan")
    assert key(headline(risks=[risk("MUDA_SHELFWARE"), risk("SILENCE", "medium")]), facts, document="risk_mitigation_plan")[0] != first


@pytest.mark.parametrize("name", ["prompt_sha256", "schema_sha256", "model", "feedback"])
def test_prompt_schema_model_and_note_are_part_of_the_key(name):
    assert key(headline())[0] != key(headline(), **{name: "another"})[0]


@given(st.integers(1, 5000), st.lists(st.sampled_from([-1, 0, 1]), min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_a_value_that_wobbles_by_one_never_makes_a_second_draft(value, wobble):
    """Without hysteresis a count on the edge of a step would make a draft every second night."""
    first, facts = key(headline(unused_seats=value))
    for noise in wobble:
        now, facts = key(headline(unused_seats=max(1, value + noise)), facts)
        assert now == first


@given(st.lists(st.integers(0, 4000), min_size=2, max_size=10))
@settings(max_examples=50, deadline=None)
def test_a_kept_step_is_never_a_whole_step_away_from_the_value(values):
    """A slow drift must not hide behind the hysteresis for ever."""
    facts = None
    for value in values:
        _, facts = key(headline(unused_seats=value), facts)
        step = Decimal(facts["F12"]["step"])
        assert abs(Decimal(value) - step) < HOLD * max(width(step, Decimal(2)), width(Decimal(value), Decimal(2)))


@given(st.decimals(min_value=1, max_value=10**9, places=2))
def test_a_step_is_between_a_twentieth_and_a_tenth_of_the_value(value):
    assert Decimal("0.04") <= width(value, Decimal(0)) / value <= Decimal("0.1")
