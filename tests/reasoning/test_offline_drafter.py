"""The text without a model: it stands on its own, says only what is known, and passes the same gates as anybody's."""

import itertools
import os
import re

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from reasoning_cases import AS_OF, DOCUMENTS, HEADLINE_ACCOUNT, HEADLINE_CORE, fact_rows, headline, part_for, risk

from vim_pipelines.core.severities import SEVERITIES
from vim_pipelines.reasoning.facts import RISK_WORDS, build_sheet
from vim_pipelines.reasoning.gates import check, check_names, demands_of
from vim_pipelines.reasoning.playbooks import Choice, ParagraphPattern, SectionSpec
from vim_pipelines.reasoning.providers.offline import SIGNATURE, read_directives, write
from vim_pipelines.reasoning.render import render


def text_of(document, sheet=None, note=None):
    playbook, part = part_for(document, sheet)
    doc = write(playbook, part, read_directives(note))
    assert check(doc, part, demands_of(playbook)) == []
    rendered = render(doc, part, playbook, signature=SIGNATURE)
    assert check_names(part, [value["handle"] for value in rendered.values], playbook.audience) == []
    text = rendered.text
    if os.environ.get("PRINT_DRAFTS"):
        print(text)  # noqa: T201
    return text


def body(text):
    """The text before the table of figures."""
    return text.split("| Figure |")[0]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_headline_account_reads_well_in_every_document(document):
    text = text_of(document)
    assert "Northwind Robotics" in text and SIGNATURE in text and "{{" not in text
    for sentence in re.split(r"(?<=[.!?])\s+", body(text)):
        assert not re.search(r"\b1 (?:seats|users|tickets|days)\b|\s[,.;:]|\.\.|\bNone\b|unknown", sentence), sentence


def test_the_license_plan_shows_the_arithmetic_of_the_headline():
    """$45,000 = 150 unused seats at $300; $43,500 = 145 seats beyond the right size of 55."""
    text = body(text_of("license_optimization_plan"))
    for part in (
        "200 seats",
        "50 users",
        "25%",
        "150 seats unused, worth $45,000 a year",
        "55 seats",
        "right-size gap of 145 seats, worth $43,500 a year",
        "$300 a seat",
    ):
        assert part in text
    assert "23 February 2027" in text and "25 December 2026" in text and "240 days" in text
    assert "Priya Raman" in text and "Daniel Okafor" in text and "audit log and forecasting" in text


def test_the_roadmap_says_nothing_internal_and_has_a_step_for_every_group_of_free_seats():
    products = {"core": HEADLINE_CORE, "insights": HEADLINE_CORE | {"seats_contracted": 40, "unused_seats": 12, "unused_value_annual": 2400}}
    text = text_of("value_realization_roadmap", build_sheet("A", "Northwind Robotics", AS_OF, fact_rows(HEADLINE_ACCOUNT, products), [risk("MUDA_SHELFWARE")]))
    assert not re.search(r"\$|waste|shelfware|risk|churn|opt-out|right.size|score", text, re.I)
    assert "take up 150 seats" in text and "take up 12 seats" in text
    assert text.index("150 of 200 seats") < text.index("12 of 40 seats without a user")


def test_the_risk_plan_takes_the_risks_worst_first_with_a_step_for_each():
    sheet = headline(
        risks=[risk("MUDA_SHELFWARE", "medium"), risk("SPONSOR_LOST", "critical"), risk("MURA_DROP", "high")],
        sponsor_name=None, weekly_active_recent=30, weekly_active_prior=60,
    )  # fmt: skip
    text = text_of("risk_mitigation_plan", sheet)
    places = [text.index(part) for part in ("The loss of the sponsor (critical)", "Falling use (high)", "Unused seats beyond the right size (medium)")]
    assert places == sorted(places)
    assert "fell from 60 to 30 users" in text
    steps = text[text.index("## What to do") :]
    assert steps.index("Ask Priya Raman who took over the budget") < steps.index("Call Priya Raman, name the people") < steps.index("find users for 150 seats")


def test_one_seat_is_one_seat():
    core = HEADLINE_CORE | {
        "seats_contracted": 20,
        "active_users_28d": 1,
        "unused_seats": 1,
        "shelfware_seats": 1,
        "unused_value_annual": 300,
        "waste_annual": 300,
    }
    account = HEADLINE_ACCOUNT | {
        "seats_contracted": 20,
        "active_users_28d": 1,
        "unused_seats": 1,
        "shelfware_seats": 1,
        "days_to_renewal": 1,
        "tickets_open": 1,
    }
    sheet = build_sheet("A", "Small Ltd", AS_OF, fact_rows(account, {"core": core}), [risk("MUDA_SHELFWARE"), risk("MURI_SPIKE")])
    for document in DOCUMENTS:
        assert not re.search(r"\b1 (?:seats|users|tickets|days)\b|\b1 (?:seat|user|ticket|day) (?:are|have|were|stand)\b", body(text_of(document, sheet)))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_noise_is_not_told_as_a_trend(document):
    """'Use went down from 53.5 to 52.5; what got in your way?' went to a customer in the first sandbox night."""
    for recent in (48, 45, 52, 55):
        assert not re.search(r"\b(?:fell|rose|went down)\b", text_of(document, headline(weekly_active_recent=recent, weekly_active_prior=50)))
    changed = text_of("license_optimization_plan", headline(weekly_active_recent=30, weekly_active_prior=50))
    assert "fell from 50 to 30 users" in changed


@pytest.mark.parametrize("document", ["license_optimization_plan", "risk_mitigation_plan"])
def test_a_deadline_that_has_passed_is_not_held_out_as_one(document):
    text = text_of(document, headline(opt_out_date="2026-06-12", days_to_renewal=14, renewal_date="2026-07-12"))
    assert "the last day to opt out, 12 June 2026, has passed" in text and "as the last day" not in text and "is the last day" not in text


def test_unknown_facts_are_said_to_be_missing_and_never_printed():
    sheet = headline(champion_name=None, sponsor_name=None, unused_value_annual=None, waste_annual=None, opt_out_date=None)
    text = text_of("license_optimization_plan", sheet)
    assert "Neither a champion nor a sponsor is recorded" in text
    assert "is not known" in text and "$43,500" not in body(text)
    assert "opt-out deadline is not known" in text


@pytest.mark.parametrize("document", DOCUMENTS)
@given(data=st.data())
@settings(max_examples=25, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
def test_whatever_is_unknown_the_draft_passes_the_gates_and_can_be_rendered(document, data):
    """An account without telemetry, without contacts or without prices must not stop a night."""
    missing = data.draw(st.sets(st.sampled_from(sorted(HEADLINE_ACCOUNT)), max_size=len(HEADLINE_ACCOUNT)))
    missing_core = data.draw(st.sets(st.sampled_from(sorted(HEADLINE_CORE)), max_size=len(HEADLINE_CORE)))
    severities = data.draw(st.lists(st.sampled_from(SEVERITIES), max_size=5))
    rules = data.draw(st.permutations(sorted(RISK_WORDS)))
    account = HEADLINE_ACCOUNT | dict.fromkeys(missing)
    core = HEADLINE_CORE | dict.fromkeys(missing_core)
    account |= {"weekly_active_recent": data.draw(st.integers(0, 80)), "days_to_renewal": data.draw(st.integers(-10, 400))}
    sheet = build_sheet("A", "Northwind Robotics", AS_OF, fact_rows(account, {"core": core}), [risk(r, s) for r, s in zip(rules, severities, strict=False)])
    text = text_of(document, sheet)
    assert "None" not in text and "{{" not in text


@pytest.mark.parametrize("rule", sorted(RISK_WORDS))
def test_every_rule_has_words_of_its_own_and_a_step(rule):
    text = text_of("risk_mitigation_plan", headline(risks=[risk(rule, "critical")], weekly_active_recent=30))
    assert "The evidence is attached" not in text
    assert text.count("\n1. ") == 1 and text.count("\n2. ") == 1


def test_two_accounts_do_not_read_the_same():
    """A Director who reads ten plans notices when they are one plan with ten names."""
    other = headline(
        weekly_active_recent=90, weekly_active_prior=40, days_to_renewal=40, champion_name=None, sponsor_name="Lena Ortiz", unused_seats=20, shelfware_seats=None,
        risks=[risk("MURI_AGED_P1", "critical"), risk("FTTV_LATE")],
    )  # fmt: skip
    for document in DOCUMENTS:
        # the products are the same, so the steps about them are; what is said about the account must differ
        prose = (re.split(r"## (?:What to do|The way there)", text_of(document, sheet))[0] for sheet in (headline(), other))
        first, second = (set(re.split(r"(?<=[.!?])\s+", text)) for text in prose)
        assert len(first & second) <= 0.75 * len(first)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_note_that_asks_for_a_shorter_text_gets_one(document):
    assert len(text_of(document, note="Please make this shorter")) <= len(text_of(document))
    assert read_directives("too long, and do it sooner; leave out the features") == {"shorter", "sooner", "without features"}


def test_no_sentence_is_said_twice():
    for document, sheet in itertools.product(DOCUMENTS, (headline(), headline(champion_name=None, sponsor_name=None))):
        sentences = [sentence for sentence in re.split(r"(?<=[.!?])\s+", body(text_of(document, sheet))) if len(sentence) > 60]
        assert len(sentences) == len(set(sentences))


@pytest.mark.parametrize(
    ("when", "applies"),
    [
        ({"at_most": {"utilization_28d": "0.25"}}, True),
        ({"at_most": {"utilization_28d": "0.24"}}, False),
        ({"at_most": {"risk_score": "99"}}, False),  # unknown is not little
        ({"days_ago": {"last_activity_date": 2}}, True),
        ({"days_ago": {"last_activity_date": 3}}, False),
        ({"days_ago": {"renewal_date": 0}}, False),
        ({"days_ahead": {"renewal_date": 240}}, True),
        ({"days_ahead": {"renewal_date": 239}}, False),
        ({"days_ahead": {"last_activity_date": 30}}, False),
        ({"days_ago": {"fttv_reached_on": 1}}, False),
    ],
)
def test_a_sentence_can_be_tied_to_a_ceiling_or_to_the_days_since_or_until_a_date(when, applies):
    sheet = headline(risk_score=None, fttv_reached_on=None)  # two days after the last activity, 240 before the renewal
    say = Choice.model_validate({"first_of": [{"when": when, "say": "It holds."}, {"say": "It does not."}]})
    pattern = ParagraphPattern(kind="finding", sentences=(say,))
    section = SectionSpec(kind="summary", heading="Summary", about="A summary.", paragraphs=(pattern,))
    playbook = part_for("license_optimization_plan")[0].model_copy(update={"sections": (section,)})
    assert write(playbook, sheet).sections[0].paragraphs[0].text_with_slots == ("It holds." if applies else "It does not.")
