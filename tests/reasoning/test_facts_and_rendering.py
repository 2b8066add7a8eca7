"""What a fact sheet holds, how a value is printed, and that a text is the same text in every process."""

import subprocess
import sys
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reasoning_cases import AS_OF, DOCUMENTS, HEADLINE_ACCOUNT, HEADLINE_CORE, fact_row, fact_rows, headline, part_for, risk

from vim_pipelines.approvals.text import fact_line
from vim_pipelines.core.errors import VimError
from vim_pipelines.reasoning.facts import (
    ACCOUNT_HANDLES,
    GROUP_HANDLES,
    HANDLES,
    METRIC_OF_HANDLE,
    build_sheet,
    clean_text,
    compare,
    sheet_from_rows,
    show,
    show_list,
)
from vim_pipelines.reasoning.providers.offline import SIGNATURE, write
from vim_pipelines.reasoning.render import due_date, fill, render
from vim_pipelines.reasoning.schema import PlanStep


def test_the_handles_are_the_same_sixty_for_every_account():
    """The output schema holds them as a closed list: if they moved, every cached prompt and every stored draft would mean something else."""
    assert len(HANDLES) == 99 and HANDLES[0] == "F01" and HANDLES[-1] == "F99"
    assert set(METRIC_OF_HANDLE) == set(HANDLES)
    assert ACCOUNT_HANDLES["account_name"] == "F01" and ACCOUNT_HANDLES["unused_seats"] == "F12" and GROUP_HANDLES[0]["product_name"] == "F34"
    poor = build_sheet("ACC-2", "Other", AS_OF, fact_rows({"unused_seats": 3}))
    assert poor.facts["F12"].metric == headline().facts["F12"].metric == "unused_seats"


def test_the_headline_account_shows_both_money_figures_under_their_own_labels():
    sheet = headline()
    unused, waste = sheet.known("unused_value_annual"), sheet.known("waste_annual")
    assert (show(unused), unused.label) == ("$45,000", "Unused seats at net price, a year")
    assert (show(waste), waste.label) == ("$43,500", "Right-size gap with headroom at net price, a year")
    assert show(sheet.known("right_size_seats")) == "55 seats"


@pytest.mark.parametrize(
    ("metric", "value", "shown"),
    [
        ("unused_seats", 1, "1 seat"),
        ("unused_seats", 0, "0 seats"),
        ("unused_seats", 1500, "1,500 seats"),
        ("active_users_28d", 1, "1 user"),
        ("weekly_active_recent", "50.5", "about 51 users"),
        ("utilization_28d", "0.25", "25%"),
        ("utilization_28d", "0.125", "12.5%"),
        ("utilization_28d", "0.3333", "33.3%"),
        ("waste_annual", "43500.50", "$43,500.50"),
        ("tickets_open", 1, "1 ticket"),
        ("days_to_renewal", 240, "240 days"),
        ("gap_days", 1, "1 business day"),
        ("renewal_date", "2027-02-23", "23 February 2027"),
        ("risk_score", "64", "64 of 100"),
    ],
)
def test_a_value_is_printed_with_its_unit(metric, value, shown):
    assert show(headline(**{metric: value}).get(metric)) == shown


@pytest.mark.parametrize("status", ["unknown", "stale", "insufficient"])
def test_a_value_that_is_not_measured_is_never_printed(status):
    """A stale 12 in a plan was read as today's 12."""
    sheet = build_sheet("ACC-1", "A", AS_OF, [fact_row("unused_seats", 12, status=status)])
    assert show(sheet.get("unused_seats")) is None
    assert sheet.known("unused_seats") is None


def test_a_nan_from_a_dataframe_is_unknown_and_not_a_number():
    sheet = build_sheet("ACC-1", "A", AS_OF, [fact_row("unused_seats", None) | {"value_number": float("nan"), "status": "ok"}])
    assert sheet.known("unused_seats") is None


def test_money_of_a_small_group_carries_its_range():
    small = HEADLINE_CORE | {"seats_contracted": 20, "unused_seats": 15, "waste_annual": 4200, "waste_low": 3000, "waste_high": 4800}
    sheet = build_sheet("ACC-1", "A", AS_OF, fact_rows(HEADLINE_ACCOUNT | {"waste_annual": 4200}, {"core": small}))
    assert show(sheet.known("waste_annual", 0)) == "$4,200 (range $3,000 to $4,800)" == show(sheet.known("waste_annual"))
    large = small | {"seats_contracted": 200}
    assert show(build_sheet("ACC-1", "A", AS_OF, fact_rows({}, {"core": large})).known("waste_annual", 0)) == "$4,200"


def test_products_come_in_the_order_of_what_is_paid_for_them_and_a_fourth_one_is_pooled():
    """Not of what is unused of them: that changes with every user, and with it every handle of the sheet."""
    products = {
        name: HEADLINE_CORE | {"seats_contracted": contracted, "unused_seats": seats, "unused_value_annual": seats * 100}
        for name, contracted, seats in (("core", 100, 5), ("insights", 400, 60), ("mobile", 300, 250), ("vault", 20, 1))
    }
    sheet = build_sheet("ACC-1", "A", AS_OF, fact_rows(HEADLINE_ACCOUNT, products))
    assert [sheet.get("product_name", group).value_text for group in sheet.groups] == ["Insights", "Mobile", "Core and Vault"]
    assert show(sheet.known("unused_seats", 2)) == "6 seats" and show(sheet.known("unused_value_annual", 2)) == "$600"
    assert sheet.get("net_unit_price_annual", 2) is None  # two prices are no price


def test_pooled_money_of_two_currencies_is_unknown():
    products = {name: HEADLINE_CORE for name in ("core", "insights", "mobile")}
    rows = fact_rows({}, products) + [fact_row(metric, value, "vault", currency="EUR") for metric, value in HEADLINE_CORE.items()]
    sheet = build_sheet("ACC-1", "A", AS_OF, rows)
    assert sheet.get("unused_value_annual", 2).status == "unknown"


def test_a_contract_line_is_not_taken_for_a_product():
    rows = fact_rows(HEADLINE_ACCOUNT, {"core": HEADLINE_CORE}) + [fact_row("seats_contracted", 120, "LINE-7"), fact_row("waste_annual", 100, "LINE-7")]
    assert len(build_sheet("ACC-1", "A", AS_OF, rows).groups) == 1


def test_a_document_for_a_customer_sees_no_internal_fact_and_no_computed_money():
    playbook, part = part_for("value_realization_roadmap")
    assert {fact.sensitivity for fact in part.facts.values()} == {"shareable"}
    assert not any(fact.is_money for fact in part.facts.values())
    assert not part.risks and "F14" not in part.facts


def test_a_mart_that_marks_a_risk_score_shareable_is_not_believed():
    """The registry is the ceiling: one wrong row in a seed must not put a risk score before a customer."""
    sheet = build_sheet("ACC-1", "A", AS_OF, [fact_row("risk_score", 64, sensitivity="shareable"), fact_row("waste_annual", 9, sensitivity="shareable")])
    assert {fact.sensitivity for fact in sheet.facts.values() if fact.metric in ("risk_score", "waste_annual")} == {"internal"}


def test_a_sheet_survives_the_store():
    sheet = headline()
    again = sheet_from_rows(sheet.account_key, sheet.account_name, sheet.as_of, sheet.rows())
    assert again == sheet and again.sha256 == sheet.sha256


def test_comparisons_need_the_same_unit_and_currency():
    sheet = headline()
    assert compare(sheet.known("active_users_28d"), sheet.known("weekly_active_recent")) == "equal"
    assert compare(sheet.known("waste_annual"), sheet.known("unused_value_annual")) == "below"
    assert compare(sheet.known("unused_seats"), sheet.known("active_users_28d")) is None
    assert compare(sheet.known("waste_annual"), replace(sheet.known("arr_amount"), currency="EUR")) is None
    assert compare(sheet.known("opt_out_date"), sheet.known("renewal_date")) == "below"


@given(st.text(max_size=300))
def test_no_name_from_a_source_can_open_a_slot_a_tag_or_a_new_line(text):
    cleaned = clean_text(text)
    assert not set("{}<>[]`*|\\\n\r\t") & set(cleaned) and len(cleaned) <= 200 and not cleaned.startswith(("#", "-", "+", " "))


def test_a_name_is_printed_as_its_owner_writes_it():
    _, part = part_for("license_optimization_plan", build_sheet("A", "eBay C# Guild", AS_OF, fact_rows(HEADLINE_ACCOUNT)))
    assert fill("{{F01}} pays.", part) == "eBay C# Guild pays."


@given(st.decimals(min_value=0, max_value=10**9, allow_nan=False, allow_infinity=False, places=2))
def test_a_printed_amount_has_no_more_and_no_fewer_digits_than_the_value(value):
    shown = show(headline(waste_annual=value).get("waste_annual"))
    assert Decimal(shown.replace("$", "").replace(",", "")) == value.quantize(Decimal("0.01"))


def test_lists_read_like_a_sentence():
    assert show_list("b") == "b" and show_list("b, a") == "a and b" and show_list("c;b, a,a") == "a, b and c"


def test_the_noun_is_said_once_in_150_of_200_seats():
    _, part = part_for("license_optimization_plan")
    assert fill("{{F12}} of {{F10}} stand idle", part) == "150 of 200 seats stand idle"
    assert fill("{{F12}} of {{F11}}", part) == "150 seats of 50 users"


def test_a_slot_without_a_known_fact_is_an_error_and_no_blank():
    _, part = part_for("license_optimization_plan", headline(unused_seats=None))
    with pytest.raises(VimError, match="F12"):
        fill("{{F12}}", part)


@pytest.mark.parametrize(
    ("due_fact", "due_relative", "expected"),
    [
        ("F08", None, date(2026, 12, 11)),  # two weeks before the opt-out deadline
        (None, "within_two_weeks", date(2026, 7, 13)),  # 12 July is a Sunday
        (None, "within_a_quarter", date(2026, 9, 28)),
    ],
)
def test_a_due_date_is_a_working_day_that_code_computes(due_fact, due_relative, expected):
    _, part = part_for("license_optimization_plan")
    step = PlanStep(action="a", owner_role="csm", due_fact=due_fact, due_relative=due_relative, fact_ids=[], success_measure="b")
    assert due_date(step, part) == expected


def test_a_step_is_not_due_after_the_opt_out_deadline():
    _, part = part_for("license_optimization_plan", headline(opt_out_date="2026-07-10"))
    step = PlanStep(action="a", owner_role="csm", due_fact=None, due_relative="within_a_quarter", fact_ids=[], success_measure="b")
    assert due_date(step, part) == date(2026, 7, 10)


@pytest.mark.parametrize(
    ("due_fact", "due_relative", "opt_out", "expected"),
    [
        (None, "within_days", None, date(2026, 7, 6)),
        (None, "within_a_week", None, date(2026, 7, 6)),
        (None, "within_two_weeks", None, date(2026, 7, 13)),
        (None, "within_days", "2026-07-02", date(2026, 7, 2)),
        ("F08", None, "2026-07-17", date(2026, 7, 5)),
        ("F08", None, "2026-07-03", date(2026, 7, 3)),
    ],
)
def test_no_step_is_due_before_somebody_could_have_said_yes_to_it(due_fact, due_relative, opt_out, expected):
    """The decision may take until Sunday, 5 July: a step due on Friday would be late on the day it is approved. The contract's own dates do not wait for us."""
    _, part = part_for("license_optimization_plan", headline(**({"opt_out_date": opt_out} if opt_out else {})))
    step = PlanStep(action="a", owner_role="csm", due_fact=due_fact, due_relative=due_relative, fact_ids=[], success_measure="b")
    assert due_date(step, part, date(2026, 7, 5)) == expected


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_same_facts_give_the_same_text(document):
    playbook, part = part_for(document)
    first, second = (render(write(playbook, part), part, playbook, signature=SIGNATURE) for _ in range(2))
    assert first.text == second.text and first.sha256 == second.sha256


def test_every_value_of_a_text_is_listed_with_the_label_of_its_metric():
    playbook, part = part_for("license_optimization_plan")
    rendered = render(write(playbook, part), part, playbook, signature=SIGNATURE)
    assert {"handle": "F16", "shown": "$45,000", "label": "Unused seats at net price, a year", "metric": "unused_value_annual"} in rendered.values
    assert "| Right-size gap with headroom at net price, a year | $43,500 |" in rendered.text


def test_the_third_risk_of_a_severity_keeps_its_place():
    sheet = headline(risks=[risk("SILENCE", "medium"), risk("FTTV_LATE", "critical"), risk("MURA_DROP", "medium")])
    assert [item.scope for item in sheet.risks] == ["FTTV_LATE", "MURA_DROP", "SILENCE"]


def test_the_package_loads_no_heavy_library():
    code = (
        "import sys, vim_pipelines.reasoning.run, vim_pipelines.reasoning.providers.claude, vim_pipelines.reasoning.langsmith_export;"
        "print([name for name in ('anthropic', 'langsmith', 'dagster', 'pandas', 'duckdb', 'httpx', 'vim_pipelines.sandbox') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_a_fact_is_listed_with_its_product_and_its_source():
    """'Seats under contract 107 seats' stood there once for each product, and a window that code says had the source None None."""
    lines = {fact["handle"]: fact_line(fact) for fact in headline().rows()}
    window = next(line for line in lines.values() if line.startswith(headline().known("usage_window").handle))
    assert (
        window.endswith("[marts.fct_account_signals ACC-HEADLINE]")
        and "(Core)" in lines[GROUP_HANDLES[0]["seats_contracted"]]
        and "None" not in "\n".join(lines.values())
    )
    assert "(" not in lines[ACCOUNT_HANDLES["seats_contracted"]]


def test_people_are_whole_in_what_is_read():
    """'From 94.5 users to 95.5 users' in a customer's text: nobody is half a person. The figure behind it stays what was measured."""
    sheet = headline(weekly_active_recent="95.5", weekly_active_prior="94.5")
    recent, prior = (sheet.known(name) for name in ("weekly_active_recent", "weekly_active_prior"))
    text = f"from {{{{{prior.handle}}}}} to {{{{{recent.handle}}}}}"
    assert fill(text, sheet) == "from about 95 to about 96 users" and recent.value_number == Decimal("95.5")
    assert show(headline(weekly_active_recent="95").known("weekly_active_recent")) == "95 users"
