"""The facts of people, goals, handoff, meetings, outcomes, renewal and next action: values by hand, and unknown told from none."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from dbt_portfolio import AS_OF, Portfolio, insert, make_portfolio

from vim_pipelines.lifecycle.action_tables import ACTION_TABLES
from vim_pipelines.lifecycle.tables import TABLES
from vim_pipelines.reasoning.excerpts import KINDS, excerpts_for
from vim_pipelines.reasoning.facts import FURTHER_METRICS
from vim_pipelines.reasoning.reading import MAX_EVIDENCE_ROWS, WITHOUT_EVIDENCE, read_excerpts, read_fact_sheets
from vim_pipelines.transform.project import run_dbt

MARTS = ("fct_license_waste", "fct_adoption_variance", "fct_ticket_load", "fct_account_signals", "fct_account_facts", "fct_risks")


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12)


def ago(days: int) -> date:
    return AS_OF - timedelta(days=days)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portfolio]:
    """`rich` has one of everything; `bare` has a contract, in a portfolio that keeps all of it."""
    portfolio = make_portfolio(tmp_path_factory.mktemp("known"))
    for key in ("rich", "bare"):
        portfolio.account(key, csm_name="Ada Lind", csm_email="ada@vendor.example", owner_name="Sam Seller", owner_email="sam@vendor.example")
        portfolio.line(f"{key}-line", key, seats=20, start_date=ago(400), end_date=AS_OF + timedelta(days=200))
        portfolio.weekly_users(key, [10] * 30)
    for number, (name, role, strength) in enumerate(
        (("Cleo Champ", "champion", 5), ("Cora Champ", "champion", 2), ("Sol Sponsor", "sponsor", 4), ("Eva Buyer", "economic_buyer", 4))
    ):
        portfolio.add(
            "contact",
            f"c{number}",
            account_key="rich",
            full_name=name,
            role=role,
            relationship_strength=strength,
            email=f"c{number}@rich.example",
            last_contacted_on=ago(5),
        )
    portfolio.add("contact", "gone", account_key="rich", full_name="Gil Gone", role="user", left_on=ago(3))
    portfolio.add(
        "milestone", "goal", account_key="rich", milestone_kind="pain_metric", metric_name="quote_hours", baseline_value=20, target_value="7.5", due_date=AS_OF + timedelta(days=30),
        measured_value="12.25", measured_on=ago(10), owner_email="C0@rich.example",
    )  # fmt: skip
    portfolio.add("milestone", "fttv", account_key="rich", milestone_kind="fttv", metric_name="first report", due_date=ago(300), reached_on=ago(290))
    for key, kind, day, status in (
        ("kick", "kickoff", ago(380), "held"),
        ("call", "cadence", ago(20), "held"),
        ("next", "cadence", AS_OF + timedelta(days=9), "planned"),
        ("in", "internal", ago(2), "held"),
    ):
        portfolio.add("meeting", key, account_key="rich", meeting_kind=kind, held_at=noon(day), status=status)
    for key, day, status in (("last", ago(100), "held"), ("coming", AS_OF + timedelta(days=40), "planned")):
        portfolio.add("ebr", key, account_key="rich", held_on=day, status=status)
    for number in range(8):
        portfolio.add("license_assignment", f"seat-{number}", account_key="rich", user_key=f"u{number}", product="core", assigned_at=noon(ago(200)))
    portfolio.add("license_assignment", "taken-back", account_key="rich", user_key="u9", product="core", assigned_at=noon(ago(200)), revoked_at=noon(ago(1)))
    for user in ("u0", "u1", "somebody-without-a-seat"):
        portfolio.add("training_completion", f"t-{user}", account_key="rich", user_key=user, completed_at=noon(ago(50)))
    portfolio.add(
        "opportunity",
        "renewal",
        account_key="rich",
        opportunity_type="renewal",
        amount=1000,
        currency="eur",
        created_on=ago(30),
        close_date=AS_OF + timedelta(days=60),
        is_closed=False,
    )
    portfolio.add("reference", "ref", account_key="rich", reference_kind="case_study", status="consented", consented_on=ago(15))
    for number, days in enumerate((0, 27, 28, 29, 55, 56, 200)):
        portfolio.ticket(f"ticket-{number}", "rich", noon(ago(days)), priority="P2", status="open", is_escalated=days == 29)
    portfolio.ticket("spoken", "rich", noon(ago(100)), status="solved", solved_at=noon(ago(99)), subject="Export fails for Gil Gone, write to gil@rich.example")
    portfolio.ticket("old", "rich", noon(ago(300)), status="solved", solved_at=noon(ago(299)), subject="Too old to matter")
    portfolio.ticket("next-day", "rich", noon(AS_OF + timedelta(days=1)), subject="Not known yet")
    portfolio.add(
        "meeting",
        "noted",
        account_key="rich",
        meeting_kind="cadence",
        held_at=noon(ago(25)),
        status="held",
        subject="Call",
        notes="Cleo Champ asked for templates.",
    )
    portfolio.add("meeting", "inside", account_key="rich", meeting_kind="internal", held_at=noon(ago(25)), status="held", notes="They may leave.")
    portfolio.add("document", "plan", account_key="rich", document_kind="success_plan", title="Plan", body="Goal: faster quotes.", authored_on=ago(300))
    portfolio.add("document", "paper", account_key="rich", document_kind="contract", title="Contract", body="Price 100.", authored_on=ago(300))
    portfolio.add("survey_response", "answer", account_key="rich", survey_kind="nps", score=9, comment="Good.", responded_at=noon(ago(30)))
    portfolio.build("base")
    with portfolio.warehouse.session() as session:
        fields = [
            ("sponsor", "executive sponsor", "missing"),
            ("commitments", "commitments made", "missing"),
            ("seats", "seats", "conflicting"),
            ("amount", "contract value", "invalid"),
            ("term", "contract term", "present"),
        ]
        rows = [
            {"account_key": "rich", "as_of_date": AS_OF, "field_id": name, "label": label, "is_mandatory": True, "status": status}
            for name, label, status in fields
        ]
        rows.append(rows[0] | {"field_id": "dpa", "label": "data processing agreement", "is_mandatory": False})
        rows += [row | {"account_key": "bare", "status": "present"} for row in rows]
        insert(session, "computed.handoff_fields", list(TABLES["handoff_fields"]), rows)
        insert(session, "computed.handoff_audits", list(TABLES["handoff_audits"]), [
            {"account_key": "rich", "as_of_date": AS_OF, "handoff_fields_expected": 4, "handoff_fields_missing": 2, "handoff_rounds": 2},
            {"account_key": "bare", "as_of_date": AS_OF, "handoff_fields_expected": 4, "handoff_fields_missing": 0, "handoff_rounds": 0},
        ])  # fmt: skip
        insert(session, "computed.next_best_actions", list(ACTION_TABLES["next_best_actions"]), [
            {"account_key": "rich", "as_of_date": AS_OF, "requirement_id": "p3_kickoff", "action": "Hold the kickoff", "why": "No kickoff was held.", "account_rank": 1, "due_on": AS_OF + timedelta(days=3)},
            {"account_key": "rich", "as_of_date": AS_OF, "requirement_id": "p4_adoption", "action": "Something later", "account_rank": 2},
            {"account_key": "bare", "as_of_date": AS_OF, "requirement_id": "p4_adoption", "action": "Resting", "account_rank": None},
        ])  # fmt: skip
    # The marts of the lifecycle need whole rows of what they show; the facts need the columns above.
    run_dbt(portfolio.settings, MARTS, AS_OF, "USD")
    yield portfolio


@pytest.fixture(scope="module")
def nobody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portfolio]:
    """An account with a contract, in a portfolio that keeps nothing else; each feed is on, as that of a mapped but empty object is."""
    portfolio = make_portfolio(tmp_path_factory.mktemp("nobody"))
    portfolio.account("only")
    portfolio.line("line", "only", seats=20)
    portfolio.build()
    yield portfolio


def facts_of(portfolio: Portfolio, account: str) -> dict[str, dict[str, Any]]:
    return {row["metric"]: row for row in portfolio.rows(f"select * from marts.fct_account_facts where account_key = '{account}' and scope = 'account'")}


RICH = {
    "champion_name": "Cleo Champ", "sponsor_name": "Sol Sponsor", "economic_buyer_name": "Eva Buyer", "account_executive_name": "Sam Seller", "contacts_active": 4,
    "pain_metric": "quote hours", "pain_baseline": 20, "pain_target": Decimal("7.5"), "pain_due_on": "2026-07-28", "pain_owner": "Cleo Champ",
    "handoff_missing": "commitments made, executive sponsor", "handoff_missing_count": 2, "handoff_conflicting": "contract value, seats", "handoff_rounds": 2,
    "fttv_due_on": ago(300).isoformat(), "fttv_reached_on": ago(290).isoformat(), "kickoff_held_on": ago(380).isoformat(), "last_touchpoint_on": ago(20).isoformat(),
    "next_touchpoint_on": "2026-07-07", "users_trained": 3, "users_untrained": 6, "outcome_metric": "quote hours", "outcome_baseline": 20,
    "outcome_measured": Decimal("12.25"), "outcome_target": Decimal("7.5"), "outcome_measured_on": ago(10).isoformat(), "ebr_held_on": ago(100).isoformat(),
    "ebr_planned_on": "2026-08-07", "renewal_open_amount": 1000, "renewal_open_close_on": "2026-08-27", "notice_on": "none", "lost_on": "none",
    "reference_consent_on": ago(15).isoformat(), "escalations_90d": 1, "tickets_28d": 2, "tickets_28d_before": 3, "next_action": "Hold the kickoff",
    "next_action_due_on": "2026-07-01", "next_action_why": "No kickoff was held.",
}  # fmt: skip
#: What is known of an account that has none of it, where others do.
BARE_NONE = {
    "champion_name", "sponsor_name", "economic_buyer_name", "pain_metric", "pain_due_on", "pain_owner", "handoff_missing", "handoff_conflicting", "fttv_due_on",
    "fttv_reached_on", "kickoff_held_on", "last_touchpoint_on", "next_touchpoint_on", "outcome_metric", "outcome_measured_on", "ebr_held_on", "ebr_planned_on",
    "renewal_open_close_on", "notice_on", "lost_on", "reference_consent_on", "next_action", "next_action_due_on", "next_action_why",
}  # fmt: skip


def test_every_value_by_hand(known: Portfolio) -> None:
    facts = facts_of(known, "rich")
    found = {name: facts[name]["value_text"] if facts[name]["value_number"] is None else Decimal(str(facts[name]["value_number"])) for name in RICH}
    assert found == RICH
    assert {name: facts[name]["status"] for name in RICH} == dict.fromkeys(RICH, "ok")
    assert facts["renewal_open_amount"]["currency"] == "EUR" and facts["pain_target"]["unit"] == "value of quote hours" == facts["outcome_measured"]["unit"]
    assert (facts["pain_target"]["source_key"], facts["last_touchpoint_on"]["source_key"], facts["champion_name"]["source_key"]) == ("goal", "call", "c0")
    assert facts["psp_verdict"]["value_text"].startswith("a Success Plan, because ")


def test_every_known_fact_has_its_source_rows(known: Portfolio) -> None:
    with known.warehouse.session(read_only=True) as session:
        sheets = read_fact_sheets(session, AS_OF, ["rich", "bare"])
    for sheet in sheets.values():
        proven = {handle for entry in sheet.evidence for handle in entry["fact_ids"]}
        # None of something has no row.
        bare = {fact.metric for fact in sheet.facts.values() if fact.is_known and fact.value_number != 0 and fact.handle not in proven}
        assert bare - WITHOUT_EVIDENCE == set()
        assert all(0 < len(entry["rows"]) <= MAX_EVIDENCE_ROWS for entry in sheet.evidence)
    named = {
        (entry["source_table"], fact.metric) for entry in sheets["rich"].evidence for fact in sheets["rich"].facts.values() if fact.handle in entry["fact_ids"]
    }
    assert {("base.stg_crm__milestones", "pain_target"), ("computed.handoff_fields", "handoff_missing"), ("computed.next_best_actions", "next_action")} <= named


def test_texts_are_read_by_kind_and_age_and_redacted(known: Portfolio) -> None:
    with known.warehouse.session(read_only=True) as session:
        found = read_excerpts(session, AS_OF, [("rich", ("ticket", "meeting_note")), ("rich", ("survey", "document")), ("bare", ("ticket",))])
        tickets_only = read_excerpts(session, AS_OF, [("rich", ("ticket",))])
        sheet = read_fact_sheets(session, AS_OF, ["rich"], with_evidence=False)["rich"]
    assert found.keys() == {"rich"} and {text.kind for text in tickets_only["rich"].texts} == {"ticket"}
    said = {
        audience: [
            (excerpt.kind, excerpt.text)
            for excerpt in excerpts_for(found["rich"].texts, KINDS, found["rich"].people, sheet, for_customer=audience == "customer")
        ]
        for audience in ("customer", "internal")
    }
    assert said["customer"] == [
        ("ticket", "P3: Export fails for [person], write to [address]"), ("meeting_note", "Call: Cleo Champ asked for templates."), ("document", "Plan: Goal: faster quotes."),
        ("survey", "Good."),
    ]  # fmt: skip
    assert set(said["internal"]) - set(said["customer"]) == {("meeting_note", "They may leave.")}


def test_what_the_portfolio_keeps_and_an_account_lacks_is_none_and_not_unknown(known: Portfolio) -> None:
    facts = facts_of(known, "bare")
    assert {name for name, row in facts.items() if row["value_text"] == "none"} == BARE_NONE
    assert {facts[name]["status"] for name in BARE_NONE} == {"ok"}
    assert [facts[name]["value_number"] for name in ("contacts_active", "users_trained", "handoff_missing_count", "handoff_rounds", "tickets_28d_before")] == [
        0
    ] * 5
    # Nobody has a named seat, but people work with the product: who of them is trained cannot be told.
    assert {facts[name]["status"] for name in ("users_untrained", "pain_baseline", "outcome_measured", "renewal_open_amount")} == {"unknown"}
    assert facts["psp_verdict"]["value_text"].startswith("blocked, because no sponsor, no champion")


def test_what_nobody_in_the_portfolio_records_is_unknown(nobody: Portfolio) -> None:
    """Only the contract is known: there was no notice, and nothing else is said."""
    facts = facts_of(nobody, "only")
    further = {metric.name for metric in FURTHER_METRICS} | {"champion_name", "sponsor_name", "fttv_reached_on"}
    assert further <= facts.keys()
    said = {name for name in further if facts[name]["status"] == "ok"}
    assert said == {"notice_on", "lost_on", "days_to_opt_out"}


def test_an_opt_out_that_has_passed_is_no_number_of_days(tmp_path_factory: pytest.TempPathFactory) -> None:
    portfolio = make_portfolio(tmp_path_factory.mktemp("passed"))
    portfolio.account("late")
    portfolio.line("line", "late", seats=20, start_date=ago(300), end_date=AS_OF + timedelta(days=10), notice_days=60)
    portfolio.build()
    facts = facts_of(portfolio, "late")
    assert (facts["days_to_opt_out"]["status"], facts["days_to_renewal"]["value_number"]) == ("unknown", 10)
