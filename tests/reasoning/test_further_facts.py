"""The marts and the registry of facts say the same of every fact, and what the lifecycle worded reads well in a sentence."""

import re
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reasoning_cases import AS_OF, HEADLINE_ACCOUNT, fact_row, fact_rows

from vim_pipelines.reasoning.facts import (
    ACCOUNT_METRICS,
    FURTHER_METRICS,
    GROUP_METRICS,
    MAX_TEXT,
    METRIC_NAMES,
    RISK_WORDS,
    build_sheet,
    compare,
    plain_words,
    show,
)
from vim_pipelines.reasoning.reading import _SOURCES, WITHOUT_EVIDENCE

MODEL = Path(__file__).resolve().parents[2] / "dbt_project" / "models" / "marts" / "portfolio" / "fct_account_facts.sql"
#: Facts that code adds to a sheet: they are no rows of the mart.
ADDED_BY_CODE = {"account_name", "right_size_seats", "product_name"}


def described(name):
    """Tuples of one list of the model: (metric, label, column, unit, window, source table, class, sensitivity, ...)."""
    block = re.search(rf"set {name} = \[(.*?)\n\] -%}}", MODEL.read_text(), re.DOTALL)[1]
    return [re.findall(r"'([^']*)'|(\w+)", line) for line in block.strip().splitlines()]


def sensitivities(*names):
    return {fields[0][0]: next(text for text, _ in fields if text in ("internal", "shareable")) for name in names for fields in described(name)}


@pytest.mark.parametrize(
    ("metrics", "lists"),
    [((*ACCOUNT_METRICS, *FURTHER_METRICS), ("account_facts", "further_facts")), (GROUP_METRICS, ("product_facts",))],
    ids=["account", "product"],
)
def test_registry_and_mart_agree_who_may_see_a_fact(metrics, lists):
    """The sheet takes the stricter of the two, so a disagreement shows nowhere but as a fact that a customer's document never has."""
    marts = sensitivities(*lists)
    registry = {metric.name: "shareable" if metric.may_be_shared else "internal" for metric in metrics if metric.name not in ADDED_BY_CODE}
    assert {name: (marts.get(name), wanted) for name, wanted in registry.items() if marts.get(name) != wanted} == {}


def test_no_fact_is_described_twice():
    names = [fields[0][0] for name in ("account_facts", "further_facts") for fields in described(name)]
    assert len(names) == len(set(names)) > 60


def test_every_metric_names_the_rows_behind_it():
    named = {name for source in _SOURCES for name in source.metrics}
    assert METRIC_NAMES - named == WITHOUT_EVIDENCE and named <= METRIC_NAMES


def own(metric, value, of):
    return fact_row(metric, None, status="ok", unit=f"value of {of}") | {"value_number": None if value is None else Decimal(value)}


def sheet(*rows):
    return build_sheet("ACC-1", "Acme", AS_OF, [*fact_rows(HEADLINE_ACCOUNT), *rows])


def test_values_of_one_metric_compare_and_values_of_two_do_not():
    """A goal of 15 quote hours is not below 20 days to close, nor below 20 seats."""
    found = sheet(own("pain_target", "15", "quote hours"), own("outcome_measured", "17.5", "quote hours"), own("outcome_baseline", "20", "days to close"))
    target, measured, other = found.known("pain_target"), found.known("outcome_measured"), found.known("outcome_baseline")
    assert compare(measured, target) == "above" and compare(target, measured) == "below"
    assert compare(target, other) is None and compare(target, found.known("seats_contracted")) is None
    assert (show(measured), show(target)) == ("17.5", "15")


def test_a_value_of_the_customers_metric_keeps_its_places():
    assert show(sheet(own("pain_baseline", "0.2500", "error rate")).known("pain_baseline")) == "0.25"


def test_tickets_compare_with_the_four_weeks_before_and_not_with_the_quarter():
    found = sheet(
        fact_row("tickets_28d", None, status="ok", unit="tickets") | {"value_number": Decimal(9)},
        fact_row("tickets_28d_before", None, status="ok", unit="tickets") | {"value_number": Decimal(4)},
        fact_row("escalations_90d", None, status="ok", unit="tickets a quarter") | {"value_number": Decimal(1)},
    )
    recent, before = found.known("tickets_28d"), found.known("tickets_28d_before")
    assert (compare(recent, before), show(before)) == ("above", "4 tickets")
    assert compare(recent, found.known("escalations_90d")) is None and show(found.known("escalations_90d")) == "1 ticket"


def test_none_is_an_answer_and_not_a_name():
    found = sheet(fact_row("economic_buyer_name", "none"), fact_row("next_touchpoint_on", None, unit="date") | {"value_text": "none", "status": "ok"})
    for name in ("economic_buyer_name", "next_touchpoint_on"):
        assert found.known(name) is None and found.get(name).is_empty and show(found.get(name)) is None
    assert not sheet(fact_row("notice_on", None)).get("notice_on").is_empty


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Serious risks open: NOTICE_SERVED, MURA_DROP.", "Serious risks open: notice served, falling use"),
        ("The next is due on 2026-04-07. It is overdue.", "The next is due on 7 April 2026. It is overdue"),
        ("days_to_close has a baseline and no measurement.", "days to close has a baseline and no measurement"),
        ("23 tickets against 17 (p < 0.0001).", "23 tickets against 17 (p below 0.0001)"),
        ("25 % of the seats are in use; the band begins above 75 %.", "25% of the seats are in use; the band begins above 75%"),
        ("Due on 2026-13-45.", "Due on 2026-13-45"),
    ],
)
def test_sentences_of_the_lifecycle_become_a_phrase(written, read):
    assert plain_words(written) == read


SENTENCES = [
    *(f"Serious risks open: {rule}." for rule in RISK_WORDS),
    "Notice was given on 2026-01-13.",
    "0 of 1 tickets wait;",
    "It is overdue.",
    "a_b_c is late.",
]


@given(st.lists(st.sampled_from(SENTENCES), max_size=12).map(" ".join))
def test_no_id_and_no_iso_date_is_left_and_whole_sentences_fit(text):
    phrase = plain_words(text)
    assert not re.search(r"[A-Z]+_[A-Z]|_|\d{4}-\d\d-\d\d", phrase) and not phrase.endswith((".", ";", " "))
    assert len(phrase) <= MAX_TEXT


def test_a_range_of_one_amount_is_no_range():
    """ "$0 (range $0 to $0)" stood in the table of every account that wastes nothing."""
    money = fact_row("waste_annual", 0)
    rows = [fact_row(name, value, "core") for name, value in (("seats_contracted", 20), ("unused_seats", 0), ("waste_annual", 0))]
    bounds = [money | {"metric": name, "scope": "core"} for name in ("waste_low", "waste_high")]
    assert show(sheet(*rows, *bounds).known("waste_annual", 0)) == "$0"
