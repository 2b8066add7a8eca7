"""What documents tell of the handoff's fields, with exact quotes; and a model's answers beside a rule's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vim_pipelines.core.errors import VimError
from vim_pipelines.lifecycle import handoff_matrix
from vim_pipelines.lifecycle.handoff_matrix import DOCUMENT_KINDS, load_matrix
from vim_pipelines.lifecycle.handoff_reading import ModelAnswer, Told, merge, read_document
from vim_pipelines.lifecycle.handoff_values import is_same_days, is_same_numbers, numbers_by_product, parse, period_agrees, person_agrees

MATRIX = load_matrix()


def told(text: str, kind: str = "handoff") -> dict[str, Told]:
    return {answer.field_id: answer for answer in read_document(MATRIX, kind, text)}


@pytest.mark.parametrize(
    ("text", "field", "status", "value", "quote"),
    [
        ("Desired outcome: cut the close", "desired_outcome", "found", "cut the close", "Desired outcome: cut the close"),
        ("- **Known risks**: slow IT\r\n- **Champion**: Chris", "risks", "found", "slow IT", "Known risks**: slow IT"),
        ("| Known risks | slow IT |\n| Champion | |", "risks", "found", "slow IT", "Known risks | slow IT |"),
        ("| Known risks | |\n| Champion | Chris Ray |", "risks", "blank", None, "Known risks | |"),
        ("## Known risks\n\nslow IT\n- old tool\n\n## Champion\nChris", "risks", "found", "slow IT - old tool", "Known risks\n\nslow IT\n- old tool"),
        ("## Seats\n\ncore: 40 seats; analytics: 5 seats", "seats", "found", "core: 40 seats; analytics: 5 seats", "Seats\n\ncore: 40 seats; analytics: 5 seats"),
        ("Known risks:\nChampion: Chris Ray", "risks", "blank", None, "Known risks:"),
        ("Known risks:\n  slow IT\n  old tool\n\nChampion: Chris", "risks", "found", "slow IT old tool", "Known risks:\n  slow IT\n  old tool"),
        ("Known risks: ; Champion: Chris Ray", "risks", "blank", None, "Known risks: ;"),
        ("Known risks: <to be defined>", "risks", "blank", None, "Known risks: <to be defined>"),
        ("Commitments made: none so far", "commitments", "found", "none so far", "Commitments made: none so far"),
        ("We met. Our champion is Dr. Chris Ray, Head of Ops. He is keen.", "champion", "found", "Dr. Chris Ray, Head of Ops", "Our champion is Dr. Chris Ray, Head of Ops."),
        ("Executive sponsor is not yet named.", "sponsor", "blank", None, "Executive sponsor is not yet named."),
        ("Jo Lind (CFO) holds the budget.", "economic_buyer", "found", "Jo Lind (CFO)", "Jo Lind (CFO) holds the budget."),
        ("It does not renew by itself.", "auto_renew", "found", "It does not renew by itself", "It does not renew by itself."),
        ("Notice period: as usual", "notice_days", "open", None, "Notice period: as usual"),
    ],
)  # fmt: skip
def test_a_field_is_found_by_its_label_or_its_words(text: str, field: str, status: str, value: str | None, quote: str) -> None:
    answer = told(text)[field]
    assert (answer.status, answer.value, answer.quote) == (status, value, quote)


def test_a_text_that_is_silent_tells_nothing() -> None:
    assert told("The weather was fine and the coffee cold.") == {}


@given(st.text(alphabet=st.sampled_from("Risks:sponor \n\t#|*-.?12ébTBDChampionNotice6days\r"), max_size=200), st.sampled_from(DOCUMENT_KINDS))
def test_every_quote_stands_in_the_text_whatever_the_text(text: str, kind: str) -> None:
    for answer in read_document(MATRIX, kind, text):
        assert answer.quote == text[answer.start : answer.end]
        assert (answer.status == "found") == (answer.value is not None)


@pytest.mark.parametrize(
    ("kind", "text", "written"),
    [
        ("seats", "core: 1,200 seats; analytics: 40 seats", "core=1200; analytics=40"), ("seats", "120", "=120"), ("seats", "120 core seats and 40 analytics seats", "core=120; analytics=40"),
        ("seats", "core with 120 seats and analytics with 40 seats", "core=120; analytics=40"), ("seats", "plenty", None),
        ("price", "core: 30.50 USD per seat and month (list 40)", "core=366"), ("period", "2025-01-01 to 2025-12-31", "2025-01-01/2025-12-31"),
        ("period", "36 months", "36 month"), ("duration", "sixty (60) days", "60 day"), ("yes_no", "no, by agreement", "no"), ("yes_no", "It renews by itself.", "yes"),
        ("person", "their COO", None), ("date", "go-live on 31 October 2026", "2026-10-31"),
    ],
)  # fmt: skip
def test_values_are_read_from_words(kind: str, text: str, written: str | None) -> None:
    assert parse(kind, text) == written


def test_values_are_compared_as_far_as_they_can_be() -> None:
    """None is 'cannot be told': a false conflict sends a person to look for a difference that is not there."""
    held = numbers_by_product("core=120; analytics=40")
    assert [is_same_numbers(text, held, 0.0) for text in ("core=120; analytics=40", "=160", "=120", "core=121", "=99")] == [True, True, True, False, False]
    assert is_same_numbers("core=120", {}, 0.0) is None
    assert (is_same_days("2 month", 60), is_same_days("2 month", 64), is_same_days("60 day", 61)) == (True, False, False)
    assert person_agrees("Sam Hill (COO)", ["Samuel Hill"], []) is True
    assert person_agrees("Eva Stone", ["Sam Hill"], ["Sam Hill"]) is False
    assert person_agrees("Eva Stone", ["Sam Hill"], ["Sam Hill", "Eva Stone"]) is None, "a contact with another role by now"
    assert person_agrees("Eva", ["Sam Hill"], ["Sam Hill"]) is None, "a first name or a nickname"
    assert period_agrees("perpetual", [(None, None)], 5) is True


TEXT = "The notice period is 60 days. Our champion is Chris Ray."


@pytest.mark.parametrize(
    ("rule", "value", "quote", "status", "read_by", "why"),
    [
        (None, "60 days", "notice period is\n 60 days", "found", "model", "left it open"),
        (None, "90 days", "notice period is 60 days", "absent", "rule", "does not follow"),
        (None, "60 days", "the notice period is sixty days", "absent", "rule", "does not stand in the text"),
        ("60 day", "60 days", "60 days", "found", "both", ""),
        ("90 day", "60 days", "period is 60 days", "conflicting", "both", "the rule reads '90 day', the model '60 days'"),
    ],
)
def test_a_model_adds_and_never_overrides(rule: str | None, value: str, quote: str, status: str, read_by: str, why: str) -> None:
    """Both quotes are kept where they differ; a quote that is not in the text, or proves something else, does not count."""
    field = MATRIX.field("notice_days")
    by_rule = Told("notice_days", "found", rule, rule, "90 days", 0, 7) if rule else None
    merged = merge(field, by_rule, ModelAnswer("notice_days", value, quote), TEXT)
    assert (merged.status, merged.read_by) == (status, read_by)
    assert why in merged.reason
    assert merged.rule == by_rule
    if merged.model:
        assert merged.model.quote == TEXT[merged.model.start : merged.model.end]


def test_words_of_a_model_must_be_words_of_its_quote() -> None:
    field = MATRIX.field("champion")
    assert merge(field, None, ModelAnswer("champion", "Chris Ray", "Our champion is Chris Ray."), TEXT).status == "found"
    assert merge(field, None, ModelAnswer("champion", "Eva Stone", "Our champion is Chris Ray."), TEXT).status == "absent"
    assert merge(field, None, None, TEXT).status == "absent"


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("section: outcomes", "sektion: outcomes", "has no `section`"),
        ("who: csm", "who: sales", "`who` has 'sales'"),
        ("value: period", "value: periods", "did you mean 'period'"),
        ("sources: [handoff, crm, sales_document],", "sources: [handoff, crmm, sales_document],", "did you mean 'crm'"),
        ("crm: sponsor,", "crm: sponsors,", "did you mean 'sponsor'"),
        ("terms: [seats]", "terms: [seat]", "did you mean 'seats'"),
        ("id: champion", "id: sponsor", "stands there twice; first in line"),
        ("mandatory: true", "mandatory: maybe", "must be true or false"),
        ("max_rounds: 3", "max_rounds: 0", "`max_rounds`"),
        ("crm: opt_out, ", "", "needs both the source crm and a check"),
        ("tolerance: 31", "tolerance: near", "`tolerance` of start"),
    ],
)
def test_a_wrong_matrix_is_refused_with_the_reason_and_the_line(tmp_path: Path, before: str, after: str, why: str) -> None:
    text = handoff_matrix.PATH.read_text()
    assert before in text
    wrong = tmp_path / "handoff.yaml"
    wrong.write_text(text.replace(before, after, 1))
    with pytest.raises(VimError) as caught:
        handoff_matrix.load_matrix(wrong)
    assert caught.value.code == "VIM-E005"
    assert why in str(caught.value) and "handoff.yaml line " in str(caught.value)


def test_every_mandatory_part_of_the_design_is_in_the_matrix() -> None:
    """The four of EG-CSM and the contract set of GUARDRAILS section 4."""
    sections: dict[str, Any] = {field.section for field in MATRIX.mandatory}  # type: ignore[assignment]
    assert {"outcomes", "stakeholders", "risks", "commitments", "contract"} <= set(sections)
    assert {
        "start", "end", "term", "renewal", "notice_days", "opt_out", "auto_renew", "seats", "unit_price", "products", "discount", "sla_tier", "billing", "signatories",
        "dpa", "promised_dates",
    } <= {field.field_id for field in MATRIX.fields}  # fmt: skip
