"""The handoff audit of one account: statuses by rule, conflicts for a person, the loop of requests. Without a warehouse."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from lifecycle_facts import AS_OF

from vim_pipelines.evaluation.handoff import handoff_scores, score_lines
from vim_pipelines.lifecycle.handoff import Document, FieldFinding, audit_account, open_fields, rounds_asked, summarise
from vim_pipelines.lifecycle.handoff_crm import CrmRecord, Feeds
from vim_pipelines.lifecycle.handoff_matrix import load_matrix
from vim_pipelines.lifecycle.handoff_reading import read_document
from vim_pipelines.lifecycle.handoff_request import anchor_request

MATRIX = load_matrix()
FORM = "Desired outcome: cut the close\nSponsor: Sam Hill\nChampion: Chris Ray\nRisks: slow IT\nCommitments: two workshops\nSeats: core: 10 seats\nNotice period: 60 days"

ALL_FED = Feeds()
LINE: dict[str, Any] = {
    "contract_line_key": "CL-1", "product": "core", "seats": 10, "list_unit_price_annual": Decimal(100), "net_unit_price_annual": Decimal(90), "currency": "USD",
    "start_date": date(2026, 1, 1), "end_date": date(2026, 12, 31), "notice_days": 60, "opt_out_date": date(2026, 11, 1), "auto_renew": True,
    "notice_served_on": None, "contract_status": "active", "is_active": True, "line_status": "ok", "invalid_reason": None, "term_months": 12,
    "billing_frequency": "annual", "sla_tier": "Gold", "discount_expires_on": date(2026, 12, 31),
}  # fmt: skip
SAM = {"contact_key": "C-1", "full_name": "Sam Hill", "role": "sponsor", "is_active": True, "left_on": None}
DEAL = {"opportunity_key": "O-1", "opportunity_type": "new", "is_won": True, "amount": Decimal(900), "currency": "USD", "close_date": date(2025, 12, 20)}


def audited(text: str | None = FORM, *lines: dict[str, Any], contacts: tuple[dict[str, Any], ...] = (SAM,), deal: dict[str, Any] = DEAL, feeds: Feeds = ALL_FED, contract: str | None = None) -> dict[str, FieldFinding]:  # fmt: skip
    record = CrmRecord("ACC-1", AS_OF, date(2026, 1, 1), lines or (LINE,), contacts, (deal,), feeds)
    documents = [
        Document(kind, f"DOC-{kind}", date(2026, 1, 3), {told.field_id: told for told in read_document(MATRIX, kind, body)})
        for kind, body in (("handoff", text), ("contract", contract))
        if body is not None
    ]
    return {finding.field.field_id: finding for finding in audit_account(MATRIX, record, documents)}


def test_a_complete_handoff_is_present_in_every_mandatory_field() -> None:
    found = audited()
    assert {found[field.field_id].status for field in MATRIX.mandatory} == {"present"}
    assert (found["sponsor"].source, found["sponsor"].quote) == ("handoff", "Sponsor: Sam Hill")
    assert (found["seats"].source, found["seats"].crm_value) == ("crm", "core: 10 seats")


@pytest.mark.parametrize(
    ("changes", "field", "status", "why"),
    [
        ({"term_months": 24}, "term", "invalid", "plus 24 months is 2027-12-31"),
        ({"end_date": date(2026, 12, 29)}, "term", "present", ""),
        ({"notice_days": 400}, "notice_days", "invalid", "400 days of notice in a term"),
        ({"notice_days": None}, "opt_out", "present", ""),
        ({"opt_out_date": date(2026, 6, 1)}, "opt_out", "stale", "passed on 2026-06-01"),
        ({"line_status": "invalid", "invalid_reason": "negative seats", "is_active": False}, "seats", "invalid", "CL-1: negative seats"),
        ({"net_unit_price_annual": Decimal(80)}, "amount", "invalid", "the lines come to 800.00 a year, the deal to 900.00 USD"),
        ({"net_unit_price_annual": Decimal("90.8")}, "amount", "present", ""),
        ({"discount_expires_on": date(2025, 12, 1)}, "discount", "invalid", "ends before the line begins"),
        ({"discount_expires_on": date(2026, 3, 1)}, "discount", "stale", "ended on 2026-03-01"),
        ({"sla_tier": None}, "sla_tier", "missing", "no line states"),
        ({"end_date": None, "opt_out_date": None, "term_months": None, "notice_days": None}, "term", "present", ""),
    ],
)
def test_the_crm_is_checked_against_itself(changes: dict[str, Any], field: str, status: str, why: str) -> None:
    finding = audited(FORM, LINE | changes)[field]
    assert (finding.status, why in finding.reason) == (status, True), finding.reason


def test_a_line_without_seats_needs_no_price() -> None:
    """It stopped the audit of the whole portfolio: a price of None was written as a number."""
    free = LINE | {"contract_line_key": "CL-2", "product": "extra", "seats": 0, "net_unit_price_annual": None, "list_unit_price_annual": None}
    assert (audited(FORM, LINE, free)["unit_price"].status, audited(FORM, LINE, free)["unit_price"].value) == ("present", "core: 90.00 USD")
    assert audited(FORM, free)["unit_price"].status == "present"
    assert audited(FORM, LINE | {"net_unit_price_annual": None})["unit_price"].status == "missing"


@pytest.mark.parametrize(
    "column", sorted(set(LINE) - {"contract_line_key", "product", "currency", "contract_status", "is_active", "line_status", "seats", "start_date"})
)
def test_no_empty_column_of_a_line_stops_the_audit(column: str) -> None:
    """Raw rows hold whatever the CRM lets people leave out; columns without which a line is not sound are left alone."""
    assert len(audited(FORM, LINE | {column: None})) == len(MATRIX.fields)


def test_the_next_term_must_not_begin_before_the_last_has_ended() -> None:
    later = LINE | {"contract_line_key": "CL-2", "start_date": date(2026, 12, 1), "end_date": date(2027, 11, 30), "is_active": False}
    assert audited(FORM, LINE, later)["renewal"].status == "invalid"
    assert audited(FORM, LINE, later | {"start_date": date(2027, 1, 1)})["renewal"].value == "next term from 2027-01-01"


@pytest.mark.parametrize(
    ("before", "after", "field", "said"),
    [
        ("core: 10 seats", "core: 12 seats", "seats", "the CRM says core: 10 seats, the handoff core: 12 seats"),
        ("60 days", "90 days", "notice_days", "the CRM says 60 days, the handoff 90 days"),
        ("Sam Hill", "Eva Stone", "sponsor", "the CRM says Sam Hill, the handoff Eva Stone"),
    ],
)
def test_sources_that_differ_are_shown_and_never_chosen_between(before: str, after: str, field: str, said: str) -> None:
    finding = audited(FORM.replace(before, after))[field]
    assert (finding.status, finding.value, finding.reason) == ("conflicting", None, said)
    assert after in str(finding.quote)
    assert {source["source"] for source in finding.sources} == {"crm", "handoff"}


def test_a_contract_is_held_against_the_crm_and_the_handoff() -> None:
    clause = "This Agreement shall automatically renew for successive periods of one (1) year unless either party gives written notice of non-renewal at least ninety (90) days before the end of the then current term."
    found = audited(FORM, contract=f"AGREEMENT\n\n1. Term. {clause}")["notice_days"]
    assert (found.status, found.document_kind) == ("conflicting", "contract")
    assert "ninety (90) days" in str(found.quote)


def test_a_text_is_held_against_the_lines_of_its_day_and_not_of_today() -> None:
    """Seats bought a year later made every old handoff look wrong."""
    old = LINE | {"is_active": False, "end_date": date(2026, 5, 31), "term_months": None}
    grown = LINE | {"contract_line_key": "CL-2", "seats": 40, "start_date": date(2026, 6, 1), "end_date": date(2027, 5, 31)}
    found = audited(FORM, old, grown)["seats"]
    assert (found.status, found.value) == ("present", "core: 40 seats")


def test_a_role_whose_holder_left_is_stale_and_a_successor_in_the_text_is_not() -> None:
    gone = SAM | {"left_on": date(2026, 6, 1)}
    assert audited(contacts=(gone,))["sponsor"].status == "stale"
    assert audited(FORM.replace("Sam Hill", "Eva Stone"), contacts=(gone,))["sponsor"].status == "present"
    assert audited(contacts=(SAM | {"left_on": date(2026, 7, 1)},))["sponsor"].status == "present", "leaves after the as-of date"


def test_what_the_crm_holds_need_not_be_asked() -> None:
    found = audited(FORM.replace("Sponsor: Sam Hill\n", ""))["sponsor"]
    assert (found.status, found.source, found.value) == ("present", "crm", "Sam Hill")


def test_missing_is_said_only_where_every_source_can_be_seen() -> None:
    """A false 'missing' is what makes people stop reading the others."""
    silent = audited("Champion: Chris Ray", contacts=())
    assert (silent["risks"].status, silent["sponsor"].status) == ("missing", "missing")
    blind = audited(None, contacts=(), feeds=Feeds(contract_line=False, contact_role=False, documents=frozenset(), columns=frozenset()))
    assert {finding.status for finding in blind.values()} == {"unverifiable"}
    assert audited(FORM, LINE | {"sla_tier": None}, feeds=Feeds(columns=frozenset()))["sla_tier"].status == "unverifiable"
    assert audited(FORM.replace("60 days", "as usual"), LINE | {"notice_days": None})["notice_days"].status == "unverifiable", "named, and cannot be read"


def test_the_loop_counts_rounds_and_escalates_after_three() -> None:
    """A request is often both an approval and a task: the larger number counts; those of a lost relation do not."""
    task = {"task_kind": "anchor_request", "status": "done"}
    tasks = [task | {"created_on": date(2026, 1, day)} for day in (5, 9)] + [
        task | {"created_on": date(2024, 1, 5)},
        task | {"status": "cancelled", "created_on": AS_OF},
    ]
    sent = [{"document": "anchor_request", "on": date(2026, 1, day)} for day in (5, 9, 15)] + [{"document": "success_plan", "on": date(2026, 1, 5)}]
    assert rounds_asked(tasks, [], date(2025, 12, 1), AS_OF) == 2
    assert rounds_asked(tasks, sent, date(2025, 12, 1), AS_OF) == 3
    assert rounds_asked(tasks, sent, date(2025, 12, 1), date(2026, 1, 9)) == 2
    gaps = list(audited("Champion: Chris Ray", contacts=()).values())
    assert [summarise(gaps, rounds, 3).is_escalated for rounds in (2, 3)] == [False, True]
    everything = frozenset(finding.field.field_id for finding in open_fields(gaps))
    assert summarise(gaps, 3, 3, everything).is_escalated is False, "waived by name: nobody is asked"


def test_a_request_asks_for_what_is_open_in_the_record_s_own_words() -> None:
    account = {
        "account_key": "ACC-1",
        "account_name": "Acme",
        "owner_name": "Otto Olsen",
        "owner_email": "otto@example.com",
        "director_email": "dora@example.com",
        "csm_name": "Cara",
    }
    gaps = open_fields(list(audited(FORM.replace("core: 10", "core: 12").replace("Risks: slow IT\n", "")).values()))
    first = anchor_request(account, gaps, 0, 3)
    assert first and (first.role, first.email, first.round, first.fields) == ("account_executive", "otto@example.com", 1, ("risks", "seats"))
    assert "- known risks." in first.text
    assert '- seats: the CRM says core: 10 seats, the handoff core: 12 seats. The handoff DOC-handoff reads: "Seats: core: 12 seats".' in first.text
    third = anchor_request(account, gaps, 3, 3)
    assert third and (third.role, third.email, third.is_escalated) == ("director", "dora@example.com", True)
    assert anchor_request(account, [], 3, 3) is None


def test_an_audit_does_not_depend_on_the_order_of_rows() -> None:
    other = LINE | {"contract_line_key": "CL-2", "product": "analytics", "seats": 4}
    record = CrmRecord("ACC-1", AS_OF, date(2026, 1, 1), (LINE, other), (SAM,), (DEAL,))
    mirrored = replace(record, lines=(other, LINE))
    values = [[(finding.field.field_id, finding.status, finding.value) for finding in audit_account(MATRIX, each, [])] for each in (record, mirrored)]
    strip = [[(name, status, sorted((value or "").split("; "))) for name, status, value in found] for found in values]
    assert strip[0] == strip[1]


def test_ablated_records_are_judged_right() -> None:
    """Small here; `vimotion evals` runs two thousand."""
    scores = handoff_scores(150, seed=5)
    assert scores.is_met and not scores.wrong, scores.wrong[:5]
    assert scores.of("missing").true_claims > 200 and scores.of("conflicting").true_claims > 80
    assert "met" in score_lines(scores)[-1]


def test_the_eval_can_fail() -> None:
    """A reader that knows one label less misses what stands behind it."""
    blind = replace(MATRIX, fields=tuple(replace(field, cues=("nothing:",)) if field.field_id == "risks" else field for field in MATRIX.fields))
    scores = handoff_scores(40, seed=5, matrix=blind)
    assert not scores.is_met and any(" risks: missing instead of present" in line for line in scores.wrong)
