"""The evidence of value, growth, advocacy, churn and the overlays on real SQL: one dbt run over accounts that each tell one story."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from later_facts import LATER
from lifecycle_facts import AS_OF
from test_lifecycle_models import Raw

from vim_pipelines.lifecycle.evidence import EVIDENCE_MODELS
from vim_pipelines.settings import Settings
from vim_pipelines.warehouse import Session, open_warehouse

MODELS = ("int_evidence_realization", "int_evidence_growth", "int_evidence_advocacy_churn", "int_evidence_overlays")
TOMORROW = AS_OF + timedelta(days=1)


def kept(raw: Raw) -> None:
    """An account for which everything stands."""
    a = "kept"
    raw.customer(a, tier="tier_1", domain="kept.example", arr_amount=1000, customer_since=date(2024, 1, 1))
    raw.line("k-1", a, date(2025, 1, 1), date(2026, 12, 31))
    for number, (role, spoken) in enumerate([("sponsor", date(2026, 6, 10)), ("champion", date(2026, 6, 20)), ("economic_buyer", TOMORROW), ("user", AS_OF)]):
        raw.add("contact", f"k-c{number}", a, full_name=f"P{number}", email=f"p{number}@kept.example", role=role, is_active=True, last_contacted_on=spoken)
    raw.add("contact", "k-c9", a, role="sponsor", is_active=True, left_on=date(2026, 1, 1), last_contacted_on=date(2025, 12, 1))
    raw.add("document", "k-plan", a, document_kind="success_plan", body="Goal.\n**Signed by**: Dana Reed on 3 March.", authored_on=date(2025, 2, 1))
    raw.add("document", "k-story", a, document_kind="value_story", body="From 12 to 7.", authored_on=date(2026, 5, 1))
    raw.add("document", "k-case", a, document_kind="expansion_case", body="Five more.", authored_on=date(2026, 5, 2))
    raw.add("campaign", "k-cam", a, campaign_kind="adoption", started_on=date(2026, 5, 1), users_targeted=8, users_responded=4)
    raw.add(
        "milestone",
        "k-pain",
        a,
        milestone_kind="pain_metric",
        metric_name="days",
        baseline_value=12,
        target_value=6,
        measured_value=7,
        measured_on=date(2026, 4, 1),
    )
    raw.add("milestone", "k-old", a, milestone_kind="adoption", metric_name="old", baseline_value=1, measured_value=2, measured_on=date(2025, 4, 1))
    raw.add("milestone", "k-fttv", a, milestone_kind="fttv", baseline_value=0, measured_value=1, measured_on=date(2025, 3, 1), reached_on=date(2025, 3, 1))
    raw.add("milestone", "k-level", a, milestone_kind="maturity", measured_value=3, measured_on=date(2026, 1, 1))
    raw.add("ebr", "k-ebr", a, status="held", held_on=date(2026, 3, 1), sponsor_attended=True)
    raw.add("meeting", "k-ebr-m", a, meeting_kind="ebr", status="held", held_at=datetime(2026, 3, 1, 13), notes="Results.")
    raw.add("ebr", "k-ebr2", a, status="planned", held_on=date(2026, 9, 1))
    raw.add("opportunity", "k-ren", a, opportunity_type="renewal", is_closed=True, is_won=True, created_on=date(2026, 2, 1), close_date=date(2026, 6, 1))
    raw.add("opportunity", "k-exp", a, opportunity_type="expansion", is_closed=False, is_won=False, created_on=date(2026, 5, 1), close_date=date(2026, 8, 1))
    raw.add("reference", "k-r1", a, reference_kind="case_study", status="consented", consented_on=date(2026, 1, 1), expires_on=AS_OF)
    for number, kind in enumerate(["advisory_board", "review", "product_council"]):
        raw.add("reference", f"k-b{number}", a, reference_kind=kind, status="given", consented_on=date(2026, 1, 2), given_on=date(2026, 2, 2))
    raw.add("meeting", "k-m1", a, meeting_kind="cadence", status="held", held_at=datetime(2026, 5, 20, 9), notes="They are very happy, and not worried.")
    raw.add("meeting", "k-m2", a, meeting_kind="cadence", status="held", held_at=datetime(2026, 6, 25, 9), notes=" ")
    raw.add("meeting", "k-m3", a, meeting_kind="cadence", status="planned", held_at=datetime(2026, 7, 20, 9))
    raw.add("meeting", "k-in", a, meeting_kind="internal", status="held", held_at=datetime(2026, 6, 2, 9), notes="angry")
    raw.add("task", "k-t1", a, subject="Minutes", task_kind="follow_up", status="done", created_on=date(2026, 5, 20), due_date=date(2026, 5, 27),
            completed_on=date(2026, 5, 25), meeting_key="k-m1", owner_email="c@v.example")  # fmt: skip
    raw.add("task", "k-t2", a, subject="Guide", task_kind="follow_up", status="done", created_on=date(2026, 5, 20), due_date=date(2026, 5, 27),
            completed_on=date(2026, 5, 28), meeting_key="k-m1", owner_email="c@v.example")  # fmt: skip
    raw.add("survey_response", "k-s1", a, survey_kind="nps", score=10, comment="Great.", responded_at=datetime(2026, 6, 28, 8))
    raw.add("survey_response", "k-s2", a, survey_kind="nps", score=5, responded_at=datetime(2026, 3, 30, 8))
    raw.add("ticket", "k-t", a, opened_at=datetime(2026, 6, 1, 8), status="solved", solved_at=datetime(2026, 6, 2), is_escalated=True, subject="Export")
    for key, at in (("k-e1", datetime(2026, 6, 1, 11, 30)), ("k-e2", datetime(2026, 6, 1, 15))):
        raw.add("ticket_event", key, a, ticket_key="k-t", metric="reply_time", event_type="fulfill", occurred_at=at)
    raw.add("ticket", "k-w", a, opened_at=datetime(2026, 6, 28, 20), status="open", is_escalated=True, subject="Page loads slowly")


def others(raw: Raw) -> None:
    """Nothing on record; records that lie ahead; a relation that was lost and won back; one that is lost; a renewal won too late."""
    raw.customer("bare")
    raw.line("b-1", "bare", date(2025, 1, 1), date(2026, 12, 31), notice_days=None)
    raw.add("milestone", "b-p", "bare", milestone_kind="pain_metric", metric_name="hours", baseline_value=4)
    raw.add(
        "document",
        "b-plan",
        "bare",
        document_kind="success_plan",
        body="To be signed by Dana Reed.\nSigned by: ____\nAgreed on: ",
        authored_on=date(2025, 2, 1),
    )

    a = "ahead"
    raw.customer(a)
    raw.line("a-1", a, date(2025, 1, 1), date(2026, 12, 31))
    raw.add("milestone", "a-p", a, milestone_kind="pain_metric", baseline_value=4, measured_value=3, measured_on=TOMORROW)
    raw.add("milestone", "a-m", a, milestone_kind="maturity", measured_value=3, measured_on=TOMORROW)
    raw.add("milestone", "a-late", a, known=TOMORROW, milestone_kind="adoption", baseline_value=4, measured_value=3, measured_on=date(2026, 6, 1))
    raw.add("ebr", "a-e", a, status="held", held_on=TOMORROW)
    raw.add("meeting", "a-em", a, meeting_kind="ebr", status="cancelled", held_at=datetime(2026, 3, 1, 9))
    raw.add("document", "a-s", a, document_kind="value_story", body="x", authored_on=TOMORROW)
    raw.add("document", "a-c", a, document_kind="expansion_case", body="x", authored_on=TOMORROW)
    raw.add("document", "a-plan", a, document_kind="success_plan", body="Signed by Dana Reed", authored_on=TOMORROW)
    raw.add("campaign", "a-cam", a, campaign_kind="training", started_on=TOMORROW)
    raw.add("opportunity", "a-o", a, opportunity_type="renewal", is_closed=True, is_won=True, created_on=date(2026, 2, 1), close_date=TOMORROW)
    raw.add("reference", "a-r", a, reference_kind="reference_call", status="consented", consented_on=TOMORROW)
    raw.add("survey_response", "a-sv", a, survey_kind="nps", score=2, responded_at=datetime(2026, 6, 29, 0, 0))
    raw.add("ticket", "a-t", a, opened_at=datetime(2026, 6, 20, 8), status="open", is_escalated=True)
    raw.add("ticket_event", "a-te", a, ticket_key="a-t", metric="reply_time", event_type="fulfill", occurred_at=datetime(2026, 6, 29, 0, 0))
    raw.add("meeting", "a-mt", a, meeting_kind="cadence", status="held", held_at=datetime(2026, 6, 29, 9), notes="x")

    a = "won back"
    raw.customer(a, notice_received_on=date(2025, 10, 20))
    raw.line("w-1", a, date(2024, 1, 15), date(2026, 1, 14), status="terminated", notice_served_on=date(2025, 10, 20))
    raw.line("w-2", a, date(2026, 3, 1), date(2027, 2, 28))
    raw.add("milestone", "w-p", a, milestone_kind="pain_metric", baseline_value=4, measured_value=3, measured_on=date(2025, 1, 1))
    raw.add("ebr", "w-e", a, status="held", held_on=date(2025, 3, 1))
    raw.add("opportunity", "w-o", a, opportunity_type="renewal", is_closed=True, is_won=True, created_on=date(2024, 11, 1), close_date=date(2025, 1, 10))
    raw.add("reference", "w-r", a, reference_kind="reference_call", status="consented", consented_on=date(2025, 1, 1))
    raw.add("document", "w-pm", a, document_kind="post_mortem", body="Cause: price.", authored_on=date(2026, 1, 20))

    a = "lost"
    raw.customer(a, notice_received_on=date(2026, 2, 1))
    raw.line("l-1", a, date(2024, 1, 1), date(2026, 5, 31), status="terminated", notice_served_on=date(2026, 2, 1))
    raw.add("task", "l-save", a, subject="Offer", task_kind="save_play", status="open", created_on=date(2026, 2, 3), owner_email="c@v.example")
    raw.add("document", "l-save-old", a, document_kind="save_play", body="Earlier notice.", authored_on=date(2025, 2, 3))
    raw.add("document", "l-pm", a, document_kind="post_mortem", body="CARA forgot the renewal.", authored_on=date(2026, 6, 10))
    raw.add("campaign", "l-wb", a, campaign_kind="win_back", started_on=date(2026, 6, 15))
    for number, values in enumerate([{"status": "withdrawn"}, {"status": "consented", "expires_on": date(2026, 6, 27)}]):
        raw.add("reference", f"l-r{number}", a, reference_kind="reference_call", consented_on=date(2026, 1, 1), **values)

    a = "late renewal"
    raw.customer(a)
    raw.line("r-1", a, date(2024, 1, 1), date(2025, 12, 31))
    raw.line("r-2", a, date(2026, 2, 1), date(2027, 1, 31))
    raw.add("opportunity", "r-o", a, opportunity_type="renewal", is_closed=True, is_won=True, created_on=date(2025, 11, 1), close_date=date(2026, 1, 15))
    raw.add("opportunity", "r-lost", a, opportunity_type="expansion", is_closed=True, is_won=False, created_on=date(2026, 3, 1), close_date=date(2026, 4, 1))
    raw.add("opportunity", "r-open", a, opportunity_type="expansion", is_closed=False, created_on=date(2026, 3, 1), close_date=date(2026, 6, 27))


def built(home: Path, raw: Raw) -> dict[str, dict[str, Any]]:
    """The rows of the four models by account, all columns of one account in one mapping."""
    from vim_pipelines.transform.project import run_dbt, write_profile

    settings = Settings(home=home)
    warehouse = open_warehouse(settings)
    with warehouse.session() as session:
        raw.write(session)
        session.execute("update raw.entity_coverage set is_fed = true")
    write_profile(settings, warehouse)
    run_dbt(settings, [f"+{model}" for model in MODELS], AS_OF, "USD")
    with warehouse.session(read_only=True) as session:
        return read(session)


def read(session: Session) -> dict[str, dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for model in MODELS:
        for row in session.rows(f"select * from base.{model}"):
            rows.setdefault(row["account_key"], {}).update(row)
    return rows


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    raw = Raw()
    kept(raw)
    others(raw)
    return built(tmp_path_factory.mktemp("evidence"), raw)


def test_the_models_hold_the_facts_that_the_rules_ask_for_and_no_column_twice(evidence: dict[str, dict[str, Any]]) -> None:
    assert set(evidence["kept"]) == set(LATER) | {"account_key"}
    assert set(MODELS) <= set(EVIDENCE_MODELS)


def test_what_stands_is_found_with_its_row(evidence: dict[str, dict[str, Any]]) -> None:
    row = evidence["kept"]
    assert (row["success_agreement_entity"], row["success_agreement_key"]) == ("document", "k-plan")
    assert (row["outcome_key"], row["outcome_baseline"], row["outcome_measured"], row["outcome_measured_on"]) == ("k-pain", 12, 7, date(2026, 4, 1))
    assert row["outcomes_measured"] == 2, "first value is no outcome, nor is a level of maturity"
    assert (row["ebr_entity"], row["ebr_key"], row["ebr_sponsor_attended"], row["ebr_planned_on"]) == ("ebr", "k-ebr", True, date(2026, 9, 1))
    assert (row["value_story_key"], row["maturity_key"], row["maturity_level"], row["campaign_key"]) == ("k-story", "k-level", 3, "k-cam")
    assert (row["ttv_days"], row["ttv_is_reached"]) == (59, True)
    assert (row["renewal_won_key"], row["renewal_is_in_time"], row["renewal_term_end_on"]) == ("k-ren", True, date(2026, 12, 31))
    assert (row["renewal_is_before_opt_out"], row["next_opt_out_on"]) == (True, date(2026, 11, 1))
    assert (row["expansion_case_key"], row["expansions_open"], row["expansions_overdue"]) == ("k-case", 1, 0)
    assert (row["reference_consent_key"], row["advisory_board_key"], row["product_council_key"]) == ("k-r1", "k-b0", "k-b2"), "consent holds on its last day"
    assert row["public_review_key"] == "k-b1"


def test_decision_makers_are_counted_while_they_are_there(evidence: dict[str, dict[str, Any]]) -> None:
    """A talk that the CRM dates tomorrow is not one today, and a sponsor who left in January is nobody to talk to."""
    row = evidence["kept"]
    assert (row["decision_makers_known"], row["decision_maker_contacts"]) == (3, "2026-06-20, 2026-06-10")


def test_meetings_are_followed_up_by_tasks_that_name_them(evidence: dict[str, dict[str, Any]]) -> None:
    row = evidence["kept"]
    assert (row["last_touchpoint_on"], row["last_touchpoint_key"], row["next_touchpoint_on"]) == (date(2026, 6, 25), "k-m2", date(2026, 7, 20))
    assert (row["last_internal_on"], row["last_internal_key"]) == (date(2026, 6, 2), "k-in")
    # The review of March and the call of May; the call of three days ago is within the days of grace.
    assert (row["meetings_recent"], row["meetings_noted"], row["meetings_followed"], row["meetings_effective"]) == (2, 2, 1, 1)
    assert (row["meeting_unfollowed_key"], row["follow_ups_due"], row["follow_ups_late"]) == ("k-ebr-m", 2, 1)


def test_the_record_is_scored_by_the_fields_that_this_crm_keeps(evidence: dict[str, dict[str, Any]]) -> None:
    """An e-mail address is asked for because one account has it; the fields that nobody fills say nothing."""
    assert (evidence["kept"]["crm_fields_filled"], evidence["kept"]["crm_fields_expected"], evidence["kept"]["crm_fields_missing"]) == (14, 14, None)
    bare = evidence["bare"]
    assert (
        bare["crm_fields_missing"]
        == "a contact, annual recurring revenue, customer since, mail address of a contact, mail domain, notice period, role of a contact, tier"
    )
    assert (bare["crm_fields_filled"], bare["crm_fields_expected"]) == (6, 14)
    assert evidence["lost"]["crm_fields_expected"] == 11, "no contract runs, so none of its fields is asked for"


def test_sentiment_is_a_mean_in_which_what_is_old_weighs_less(evidence: dict[str, dict[str, Any]]) -> None:
    """By hand, half-life 90 days: a 10 today (1, weight 1), 'Great' in its comment (1, weight 0.5), a 5 of 90 days ago (-1, weight 0.5), and a
    call 39 days ago that says happy and not worried (1.5, cut to 1; weight 0.5 x 2^(-39/90)). What is said inside is not the customer's voice,
    and a ticket about a slow page tells of the product."""
    row = evidence["kept"]
    call = 0.5 * 0.5 ** (39 / 90)
    assert row["sentiment_score"] == pytest.approx((1 + 0.5 - 0.5 + call) / (1 + 0.5 + 0.5 + call), abs=1e-6)
    assert (row["sentiment_voices"], row["sentiment_survey_voices"], row["sentiment_last_on"]) == (4, 2, AS_OF)
    assert (evidence["bare"]["sentiment_score"], evidence["bare"]["sentiment_voices"]) == (None, 0), "silence is unknown, not neutral"


def test_escalated_tickets_wait_until_their_first_answer(evidence: dict[str, dict[str, Any]]) -> None:
    row = evidence["kept"]
    assert (row["escalations_recent"], row["escalations_acknowledged"], row["escalation_ack_median_hours"]) == (2, 1, 3.5)
    assert (row["escalation_open_worst_hours"], row["escalation_waiting_key"]) == (4, "k-w")
    ahead = evidence["ahead"]
    assert (ahead["escalations_acknowledged"], ahead["escalation_open_worst_hours"]) == (0, 208), "an answer of tomorrow is none today"


def test_nothing_on_record_is_known_to_be_missing_where_others_have_it(evidence: dict[str, dict[str, Any]]) -> None:
    row = evidence["bare"]
    assert all(row[name] for name in row if name.startswith("is_") and name.endswith("_fed") and name != "is_usage_fed")
    for name in ("outcome_key", "ebr_key", "value_story_key", "maturity_key", "renewal_won_key", "expansion_case_key", "reference_consent_key", "campaign_key"):
        assert row[name] is None, name
    assert row["success_agreement_key"] is None, "a line for a signature is not one, nor is a plan that is still to be signed"


def test_what_lies_ahead_is_not_seen(evidence: dict[str, dict[str, Any]]) -> None:
    row = evidence["ahead"]
    names = ("outcome_key", "maturity_key", "ebr_key", "value_story_key", "expansion_case_key", "success_agreement_key", "campaign_key", "renewal_won_key")
    assert {name: row[name] for name in (*names, "reference_consent_key", "sentiment_last_on", "last_touchpoint_on")} == dict.fromkeys(
        (*names, "reference_consent_key", "sentiment_last_on", "last_touchpoint_on")
    )
    assert row["reference_consent_lacking"] == "ahead"


def test_a_relation_that_was_lost_proves_nothing_for_the_one_that_was_won_back(evidence: dict[str, dict[str, Any]]) -> None:
    row = evidence["won back"]
    assert (row["outcome_key"], row["ebr_key"], row["renewal_won_key"], row["reference_consent_key"], row["lost_on"]) == (None,) * 5


def test_a_loss_asks_for_what_follows_it(evidence: dict[str, dict[str, Any]]) -> None:
    row = evidence["lost"]
    assert (row["lost_on"], row["save_play_entity"], row["save_play_key"], row["save_play_on"]) == (date(2026, 5, 31), "task", "l-save", date(2026, 2, 3))
    assert (row["post_mortem_key"], row["post_mortem_is_empty"], row["post_mortem_names_team"]) == ("l-pm", False, True)
    assert (row["win_back_campaign_key"], row["risk_tasks_owned"]) == ("l-wb", 1)
    assert (row["reference_consent_key"], row["reference_consent_lacking"]) == (None, "withdrawn")
    assert evidence["kept"]["lost_on"] is None


def test_a_renewal_won_in_the_gap_between_two_terms_is_late(evidence: dict[str, dict[str, Any]]) -> None:
    row = evidence["late renewal"]
    assert (row["renewal_won_key"], row["renewal_is_in_time"], row["renewal_term_end_on"]) == ("r-o", False, None)
    assert (row["expansions_open"], row["expansions_overdue"], row["expansion_overdue_key"]) == (1, 1, "r-open")


def test_a_kind_of_record_that_no_account_has_is_not_fed(tmp_path: Path) -> None:
    """The sources are mapped and empty: what nobody keeps is unknown for everybody, not missing everywhere."""
    raw = Raw()
    raw.customer("alone")
    raw.line("x-1", "alone", date(2025, 1, 1), date(2026, 12, 31))
    row = built(tmp_path, raw)["alone"]
    fed = {name for name in row if name.startswith("is_") and name.endswith("_fed") and row[name]}
    assert fed <= {"is_contract_fed", "is_ticket_fed", "is_usage_fed"}, "status of a feed is judged in int_accounts"
    assert row["escalations_recent"] in (None, 0)
