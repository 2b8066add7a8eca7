"""The evidence model on real SQL: one dbt run over accounts that each tell one story."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from lifecycle_facts import AS_OF

from vim_pipelines.lifecycle.evidence import EVIDENCE_MODELS
from vim_pipelines.lifecycle.handoff_matrix import load_matrix
from vim_pipelines.portfolio.entities import ENTITIES
from vim_pipelines.settings import Settings
from vim_pipelines.warehouse import Session, open_warehouse

LETTER = """Hi Cara,

Acme is signed. What they want from us is to cut the monthly close from 12 to 6 days. Executive sponsor is Sam Hill, their COO. \
Our champion is Chris Ray, Head of Operations. One risk to know: the IT department is slow. We promised two workshops.

Call me."""
FORM = "SALES HANDOFF\nDesired outcome: cut the close\nExecutive sponsor: Sam Hill\nChampion: Chris Ray\nKnown risks: slow IT\nCommitments made: two workshops"
LIST = "# Handoff\n\n- **Desired outcome**: cut the close\n- **Executive sponsor**: Sam\n- **Champion**: Chris\n- **Known risks**: slow IT\n- **Commitments made**: none so far"
BLANKS = "Desired outcome:\nExecutive sponsor: TBD\nChampion: Chris\nKnown risks: n/a\nCommitments made: ?"

#: account -> handoff text, missing fields. All accounts have a line of 10 seats with 60 days of notice.
HANDOFFS: dict[str, tuple[str | None, str | None]] = {
    "letter": (LETTER, None),
    "form": (FORM, None),
    "list": (LIST, None),
    "windows": (FORM.replace("\n", "\r\n"), None),
    "blanks": (BLANKS, "commitments, desired_outcome, risks, sponsor"),
    "left out": ("\n".join(line for line in FORM.splitlines() if "risks" not in line), "risks"),
    "none": (None, "champion, commitments, desired_outcome, risks, sponsor"),
}


class Raw:
    """Rows for the raw tables, each version with the day from which it is known."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = {}

    def add(self, entity: str, key: str, account: str, known: date = date(2020, 1, 1), **values: Any) -> None:
        moment = datetime(known.year, known.month, known.day, 12)
        version = {
            "source_name": "test", "source_modified_at": moment, "known_at": moment, "captured_at": moment, "is_deleted": False, "load_id": "1",
            "content_hash": f"{key}-{known}",
        }  # fmt: skip
        row = {ENTITIES[entity].key: key, "account_key": account} | values | version
        self.rows.setdefault(entity, []).append(row)

    def customer(self, account: str, **values: Any) -> None:
        self.add("account", account, account, account_name=account, segment="smb", csm_name="Cara", owner_name="Otto", currency="USD", **values)

    def line(self, key: str, account: str, start: date, end: date, **values: Any) -> None:
        defaults = {"product": "core", "seats": 10, "net_unit_price_annual": 100, "currency": "USD", "notice_days": 60, "auto_renew": True, "status": "active"}
        self.add("contract_line", key, account, start_date=start, end_date=end, **(defaults | values))

    def write(self, session: Session) -> None:
        from vim_pipelines.ingestion.tables import append_rows, ensure_raw_tables

        ensure_raw_tables(session)
        for entity, rows in self.rows.items():
            append_rows(session, f"raw.{ENTITIES[entity].table}", rows)
        for name in ENTITIES:
            session.execute(
                "insert into raw.entity_coverage (entity, is_fed, source_name, history) values (?, ?, 'test', 'versions')", [name, name != "survey_response"]
            )


def stories() -> Raw:
    raw = Raw()
    began, ends = date(2025, 1, 1), date(2026, 12, 31)
    for account, (text, _) in HANDOFFS.items():
        raw.customer(account)
        raw.line(f"{account}-1", account, began, ends)
        if text is not None:
            raw.add("document", f"{account}-doc", account, document_kind="handoff", body=text, authored_on=date(2025, 1, 3))

    raw.customer("newer version")
    raw.line("newer version-1", "newer version", began, ends)
    raw.add("document", "nv-doc", "newer version", known=date(2025, 1, 3), document_kind="handoff", body=BLANKS, authored_on=date(2025, 1, 3))
    raw.add("document", "nv-doc", "newer version", known=AS_OF + timedelta(days=1), document_kind="handoff", body=FORM, authored_on=date(2025, 1, 3))

    raw.customer("no notice days")
    raw.line("no notice days-1", "no notice days", began, ends, notice_days=None)
    raw.add("document", "nn-doc", "no notice days", document_kind="handoff", body=FORM, authored_on=date(2025, 1, 3))

    # Lost in January after notice in October, won back in March; the old relation's proofs must not count, the new one's must.
    raw.customer("won back", notice_received_on=date(2025, 10, 20))
    raw.line("wb-1", "won back", date(2024, 1, 15), date(2026, 1, 14), status="terminated", notice_served_on=date(2025, 10, 20))
    raw.line("wb-2", "won back", date(2026, 3, 1), date(2027, 2, 28))
    raw.add("document", "wb-doc", "won back", document_kind="handoff", body=FORM, authored_on=date(2024, 1, 17))
    raw.add("meeting", "wb-old", "won back", meeting_kind="kickoff", status="held", held_at=datetime(2024, 2, 1, 10))
    raw.add("meeting", "wb-new", "won back", meeting_kind="handoff", status="held", held_at=datetime(2026, 2, 20, 10))
    raw.add("milestone", "wb-ms", "won back", milestone_kind="fttv", due_date=date(2024, 4, 1), reached_on=date(2024, 3, 20))

    # One of two products is given up: no notice for the whole account, and the renewal of the other is no win-back.
    raw.customer("one product less")
    raw.line("op-1", "one product less", date(2024, 6, 1), date(2025, 5, 31))
    raw.line("op-2", "one product less", date(2025, 6, 1), date(2026, 12, 31))
    raw.line("op-3", "one product less", date(2024, 6, 1), date(2025, 3, 31), product="analytics", status="terminated", notice_served_on=date(2025, 1, 10))
    raw.line("op-4", "one product less", date(2025, 6, 1), date(2026, 12, 31), product="automation", notice_served_on=date(2026, 6, 1))

    raw.customer("all lines noticed")
    raw.line("al-1", "all lines noticed", began, ends, notice_served_on=date(2026, 6, 1))
    raw.line("al-2", "all lines noticed", began, ends, product="analytics", notice_served_on=date(2026, 6, 9))
    raw.line("al-3", "all lines noticed", date(2027, 1, 1), date(2027, 12, 31), status="draft")

    raw.customer("account notice", notice_received_on=date(2026, 6, 20))
    raw.line("an-1", "account notice", began, ends)
    # A new contract while the old one runs out: signed after the notice, which stays on record. Without a deal since, a line is no win-back.
    raw.customer("signed again", notice_received_on=date(2026, 5, 1))
    raw.line("sa-1", "signed again", began, ends)
    raw.line("sa-2", "signed again", date(2026, 6, 1), date(2027, 5, 31))
    raw.add("opportunity", "sa-o", "signed again", opportunity_type="new", is_closed=True, is_won=True, close_date=date(2026, 5, 28))
    raw.customer("ramp line", notice_received_on=date(2026, 5, 1))
    raw.line("rl-1", "ramp line", began, ends)
    raw.line("rl-2", "ramp line", date(2026, 6, 1), ends)
    raw.add("opportunity", "rl-o", "ramp line", opportunity_type="new", is_closed=True, is_won=True, close_date=date(2025, 1, 1))

    raw.customer("future notice", notice_received_on=AS_OF + timedelta(days=1))
    raw.line("fn-1", "future notice", began, ends, notice_served_on=AS_OF + timedelta(days=1))

    raw.customer("gone")
    raw.line("go-1", "gone", date(2024, 1, 1), date(2025, 12, 31), status="terminated")

    # A pause without notice (a renewal signed late) is no win-back.
    raw.customer("late renewal")
    raw.line("lr-1", "late renewal", date(2024, 1, 1), date(2024, 12, 31))
    raw.line("lr-2", "late renewal", date(2025, 1, 20), ends)

    # Analytics is bought two months and a day in, renewed, given up, and bought again; the draft of a third product is no contract.
    raw.customer("more products")
    raw.line("mp-1", "more products", date(2024, 1, 1), ends)
    raw.line("mp-2", "more products", date(2024, 2, 1), date(2024, 12, 31), product="automation")
    raw.line("mp-3", "more products", date(2024, 3, 2), date(2025, 3, 1), product="analytics")
    raw.line("mp-4", "more products", date(2025, 3, 2), date(2025, 9, 1), product="analytics")
    raw.line("mp-5", "more products", date(2026, 6, 1), ends, product="analytics")
    raw.line("mp-6", "more products", date(2026, 6, 10), ends, product="forecast", status="draft")

    raw.customer("people")
    raw.line("pe-1", "people", began, ends)
    for number, (role, active, left) in enumerate(
        [
            ("sponsor", False, date(2026, 5, 1)),
            ("sponsor", True, AS_OF),
            ("champion", True, None),
            ("champion", None, AS_OF + timedelta(days=5)),
            ("user", True, None),
        ]
    ):
        raw.add("contact", f"pe-{number}", "people", full_name=f"Person {number}", role=role, is_active=active, left_on=left)
    raw.add("meeting", "pe-m1", "people", meeting_kind="kickoff", status="cancelled", held_at=datetime(2025, 2, 1, 10))
    raw.add("meeting", "pe-m2", "people", meeting_kind="kickoff", status="held", held_at=datetime(2025, 2, 8, 10))
    raw.add("meeting", "pe-m3", "people", meeting_kind="cadence", status="planned", held_at=datetime(2026, 7, 8, 10))
    raw.add("meeting", "pe-m4", "people", meeting_kind="cadence", status="planned", held_at=datetime(2026, 5, 8, 10))
    raw.add("milestone", "pe-p1", "people", milestone_kind="pain_metric", metric_name="hours")
    raw.add("milestone", "pe-p2", "people", milestone_kind="pain_metric", metric_name="days", baseline_value=12)
    raw.add("milestone", "pe-f", "people", milestone_kind="fttv", due_date=date(2025, 4, 1), reached_on=AS_OF + timedelta(days=1))
    raw.add("task", "pe-t1", "people", subject="Red flag: security review", status="open", owner_email=" ")
    raw.add("task", "pe-t2", "people", subject="red flag: migration", status="open", owner_email="cara@example.com")
    raw.add("task", "pe-t3", "people", subject="Red flag: old tool", status="done")
    raw.add("license_assignment", "pe-l1", "people", user_key="u1", product="core", assigned_at=datetime(2025, 1, 9))
    raw.add("license_assignment", "pe-l2", "people", user_key="u2", product="core", assigned_at=datetime(2025, 1, 9), revoked_at=datetime(2025, 6, 1))
    return raw


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lifecycle-models")


@pytest.fixture(scope="module")
def evidence(home: Path) -> dict[str, dict[str, Any]]:
    from vim_pipelines.lifecycle.handoff_run import audit_handoffs
    from vim_pipelines.transform.project import run_dbt, write_profile

    settings = Settings(home=home)
    warehouse = open_warehouse(settings)
    with warehouse.session() as session:
        stories().write(session)
    write_profile(settings, warehouse)
    run_dbt(settings, [*(f"+{model}" for model in EVIDENCE_MODELS), "+int_handoff_documents"], AS_OF, "USD")
    with warehouse.session() as session:
        audit_handoffs(session, AS_OF)
        tables = ("base.int_lifecycle_evidence", "base.int_evidence_handoff_psp", "computed.handoff_audits")
        rows: dict[str, dict[str, Any]] = {}
        for table in tables:
            for row in session.rows(f"select * from {table}"):
                row.pop("as_of_date", None)
                rows.setdefault(row["account_key"], {}).update(row)
        return rows


@pytest.mark.parametrize("account", sorted(HANDOFFS))
def test_handoff_fields_are_found_whatever_hand_wrote_them(evidence: dict[str, dict[str, Any]], account: str) -> None:
    """A label without anything behind it, or with a placeholder, is a missing field; 'none so far' is an answer."""
    row, missing = evidence[account], HANDOFFS[account][1]
    assert row["handoff_missing_fields"] == missing
    assert (row["handoff_fields_expected"], row["handoff_fields_missing"]) == (8, len(missing.split(", ")) if missing else 0)
    assert row["handoff_document_key"] == (None if HANDOFFS[account][0] is None else f"{account}-doc")


def test_a_document_completed_later_is_incomplete_today(evidence: dict[str, dict[str, Any]]) -> None:
    """As-of: the version that is known tomorrow does not exist yet."""
    assert evidence["newer version"]["handoff_fields_missing"] == 4


def test_contract_fields_are_taken_from_the_crm(evidence: dict[str, dict[str, Any]]) -> None:
    assert evidence["no notice days"]["handoff_missing_fields"] == "notice_days"


def test_a_win_back_begins_a_new_relation(evidence: dict[str, dict[str, Any]]) -> None:
    row = evidence["won back"]
    assert (row["won_back_on"], row["cycle_started_on"], row["cycle_age_days"]) == (date(2026, 3, 1), date(2026, 3, 1), 119)
    assert row["notice_is_open"] is False
    assert (row["handoff_document_key"], row["kickoff_meeting_held_on"], row["fttv_reached_on"]) == (None, None, None)
    assert row["handoff_meeting_held_on"] == date(2026, 2, 20), "held before the first day of the new contract, within the grace"


@pytest.mark.parametrize(
    ("account", "new"),
    [
        ("one product less", (date(2025, 6, 1), "op-4", "automation")),
        ("more products", (date(2026, 6, 1), "mp-5", "analytics")),
        ("late renewal", None),
        ("won back", None),
        ("all lines noticed", None),
        ("form", None),
    ],
)
def test_a_new_product_line_is_a_new_contract_and_a_renewal_is_none(
    evidence: dict[str, dict[str, Any]], home: Path, account: str, new: tuple[date, str, str] | None
) -> None:
    """A renewal that sent the account back to the handoff would ask sales every year for what it handed over in the first."""
    with open_warehouse(Settings(home=home)).session(read_only=True) as session:
        rows = session.rows("select * from base.int_evidence_new_contracts where account_key = ? and new_contract_on is not null", [account])
    assert [(row["new_contract_on"], row["new_contract_line_key"], row["new_contract_product"]) for row in rows] == ([new] if new else [])


def test_a_deal_won_after_the_notice_and_a_line_that_begins_is_a_win_back(evidence: dict[str, dict[str, Any]]) -> None:
    """The old contract still runs out beside the new one, so that no day is uncovered; the account stood in churn handling as a customer."""
    row = evidence["signed again"]
    assert (row["won_back_on"], row["cycle_started_on"], row["notice_is_open"]) == (date(2026, 6, 1), date(2026, 6, 1), False)


def test_giving_up_one_product_is_neither_notice_nor_win_back(evidence: dict[str, dict[str, Any]]) -> None:
    row = evidence["one product less"]
    assert (row["notice_is_open"], row["won_back_on"], row["cycle_started_on"]) == (False, None, date(2024, 6, 1))


@pytest.mark.parametrize(
    ("account", "on"),
    [
        ("all lines noticed", date(2026, 6, 9)),
        ("account notice", date(2026, 6, 20)),
        ("ramp line", date(2026, 5, 1)),
        ("gone", date(2025, 12, 31)),
        ("future notice", None),
        ("late renewal", None),
    ],
)
def test_notice_for_the_account_is_open_from_the_day_it_covers_everything(evidence: dict[str, dict[str, Any]], account: str, on: date | None) -> None:
    assert (evidence[account]["notice_on"], evidence[account]["notice_is_open"]) == (on, on is not None)


def test_a_pause_without_notice_is_no_win_back(evidence: dict[str, dict[str, Any]]) -> None:
    assert (evidence["late renewal"]["won_back_on"], evidence["late renewal"]["cycle_started_on"]) == (None, date(2024, 1, 1))


def test_people_who_left_by_today_are_gone_and_those_who_will_leave_are_not(evidence: dict[str, dict[str, Any]]) -> None:
    row = evidence["people"]
    assert (row["sponsors_named"], row["sponsors_active"], row["sponsors_left"], row["sponsor_left_on"]) == (2, 0, 2, AS_OF)
    assert (row["champions_active"], row["champion_name"], row["contacts_named"]) == (2, "Person 2", 5)


def test_meetings_count_when_held_and_plans_when_ahead(evidence: dict[str, dict[str, Any]]) -> None:
    row = evidence["people"]
    assert (row["kickoff_meeting_held_on"], row["kickoff_meeting_key"]) == (date(2025, 2, 8), "pe-m2")
    assert (row["cadence_meetings_ahead"], row["cadence_meetings_held"], row["cadence_meeting_key"]) == (1, 0, "pe-m3")


def test_milestones_flags_and_licences(evidence: dict[str, dict[str, Any]]) -> None:
    row = evidence["people"]
    assert (row["pain_milestone_key"], row["pain_metric_name"], row["pain_metrics_named"]) == ("pe-p2", "days", 2)
    assert (row["fttv_due_on"], row["fttv_reached_on"]) == (date(2025, 4, 1), None), "reached tomorrow is not reached"
    assert (row["red_flags_open"], row["red_flags_unowned"]) == (2, 1)
    assert row["users_assigned"] == 1


def test_the_diagnostic_holds_pain_stakeholders_and_red_flags_side_by_side(evidence: dict[str, dict[str, Any]]) -> None:
    """A risk that is seen decides the branch even while the pain metric has no target; without any record the branch is blocked."""
    row = evidence["people"]
    assert (row["psp_verdict"], row["psp_document"]) == ("risk_mitigation_plan", "risk_mitigation_plan")
    assert row["psp_reason"] == "2 open red flags, 1 without owner; the sponsor left"
    assert row["psp_red_flags"] == "Red flag: security review (no owner); red flag: migration (cara@example.com)"
    assert (row["psp_pain_key"], row["psp_pain_status"], row["psp_is_single_threaded"]) == ("pe-p2", "no target", False)
    empty = evidence["form"]
    assert (empty["psp_verdict"], empty["psp_document"], empty["psp_reason"]) == ("blocked", "psp_diagnostic", "no sponsor; no champion; no pain metric")


def test_what_is_not_fed_says_so(evidence: dict[str, dict[str, Any]]) -> None:
    row = evidence["people"]
    assert row["is_questionnaire_fed"] is False and row["is_red_flag_fed"] is True
    assert row["usage_status"] == "unknown"


def test_a_kind_of_row_that_no_account_has_is_not_fed(evidence: dict[str, dict[str, Any]]) -> None:
    """RavenStack's churn notes are documents: 500 of 500 customers were said to lack a handoff that nobody there writes."""
    row = evidence["people"]
    assert row["is_handoff_document_fed"] is True
    assert (row["is_success_plan_fed"], row["is_training_completion_fed"]) == (False, False), "fed by a source, and empty for everybody"


def test_the_evidence_is_judged_by_the_map_without_a_missing_column(evidence: dict[str, dict[str, Any]]) -> None:
    """The columns of the model and the facts of the rules are one list."""
    from lifecycle_facts import COMPLETE

    assert set(evidence["people"]) == set(COMPLETE)


def test_the_marts_hold_what_the_fold_computed(evidence: dict[str, dict[str, Any]], home: Path) -> None:
    """Contracts, grain and values; building the same day twice changes nothing, and a quiet second day keeps the last step in sight."""
    from vim_pipelines.lifecycle.handoff_run import audit_handoffs
    from vim_pipelines.lifecycle.run import fold_states
    from vim_pipelines.transform.project import run_dbt

    settings = Settings(home=home)
    warehouse = open_warehouse(settings)
    for as_of in (AS_OF, AS_OF, AS_OF + timedelta(days=1)):
        with warehouse.session() as session:
            audit_handoffs(session, as_of)
            report = fold_states(session, [], as_of)
        run_dbt(settings, ["path:models/marts/lifecycle"], as_of, "USD")
    accounts = len(evidence)
    with warehouse.session(read_only=True) as session:
        state = session.rows("select * from marts.fct_account_state_current where account_key = 'won back'")[0]
        newest_step = session.rows("select * from marts.fct_phase_transitions_current where account_key = 'all lines noticed'")[0]
        counts = {
            name: session.scalar(f"select count(*) from marts.fct_{name} where as_of_date = ?", [AS_OF])
            for name in ("account_state", "requirements", "phase_transitions")
        }
        assert session.scalar("select count(*) from marts.fct_phase_transitions where as_of_date = ?", [AS_OF + timedelta(days=1)]) == 0
        assert session.scalar("select count(*) from marts.fct_phase_transitions_current") == accounts
        assert session.scalar("select count(*) from marts.fct_account_state_current where as_of_date = ?", [AS_OF + timedelta(days=1)]) == accounts
    with warehouse.session(read_only=True) as session:
        roles = {row["role"]: row for row in session.rows("select * from marts.fct_stakeholders_current where account_key = 'people'")}
        rows_a_account = {
            name: session.scalar(f"select count(*) from marts.{name}_current") / accounts for name in ("fct_handoff_fields", "fct_psp_diagnostic")
        }
        request = session.rows("select * from marts.fct_anchor_requests_current where account_key = 'none'")[0]
        texts = session.scalar("select count(distinct text_hash) from computed.document_terms")
    with warehouse.session() as session:
        new_texts = audit_handoffs(session, AS_OF + timedelta(days=1)).texts_read
    assert {role: row["status"] for role, row in roles.items()} == {
        "economic_buyer": "nobody", "champion": "held", "sponsor": "left", "admin": "nobody", "user": "held",
    }  # fmt: skip
    assert (roles["champion"]["contacts_active"], roles["champion"]["is_single_thread"], roles["sponsor"]["last_left_on"]) == (2, False, AS_OF)
    assert rows_a_account == {"fct_handoff_fields": len(load_matrix().fields), "fct_psp_diagnostic": 1}
    assert (request["is_due"], request["request_round"], request["addressee_name"]) == (True, 1, "Otto")
    assert request["fields_asked"] == "desired_outcome, sponsor, champion, risks, commitments"
    assert texts > 5 and new_texts == 0, "the same text is read once, whichever night asks"
    assert (counts["account_state"], counts["requirements"]) == (accounts, report.rows["requirements"])
    assert (state["phase"], state["blocking_requirement_id"], state["blocking_requirement"]) == (1, "p1_sales_docs", "Audit sales docs")
    assert (state["blocking_status"], state["who_is_chased"], state["days_in_phase"]) == ("unmet", "account_executive", 1)
    assert (newest_step["as_of_date"], newest_step["from_phase"], newest_step["to_phase"]) == (AS_OF, 1, 11)


def test_the_queue_is_in_its_mart_and_weighs_the_lines_in_force(evidence: dict[str, dict[str, Any]], home: Path) -> None:
    """Ten seats at 100 a year; the account without notice days is urgent by its renewal, the lost one has nothing left to weigh."""
    from vim_pipelines.lifecycle.action_queue import fold_queue
    from vim_pipelines.lifecycle.run import fold_states
    from vim_pipelines.transform.project import run_dbt

    settings = Settings(home=home)
    run_dbt(settings, ["+int_action_stakes"], AS_OF, "USD")
    with open_warehouse(settings).session() as session:
        fold_states(session, [], AS_OF)
        report = fold_queue(session, [], AS_OF)
        stakes = {row["account_key"]: row for row in session.rows("select * from base.int_action_stakes")}
    run_dbt(settings, ["fct_next_best_actions", "fct_next_best_actions_current"], AS_OF, "USD")
    assert {name: stakes["letter"][name] for name in ("stake_annual", "waste_annual", "deadline_on", "deadline_kind", "csm", "csm_hours")} == {
        "stake_annual": 1000, "waste_annual": None, "deadline_on": date(2026, 11, 1), "deadline_kind": "opt_out", "csm": "Cara", "csm_hours": 12.0,
    }  # fmt: skip
    assert (stakes["no notice days"]["deadline_on"], stakes["no notice days"]["deadline_kind"]) == (date(2026, 12, 31), "renewal")
    assert (stakes["gone"]["stake_annual"], stakes["gone"]["deadline_kind"]) == (None, "none")
    with open_warehouse(settings).session(read_only=True) as session:
        found = session.rows("select * from marts.fct_next_best_actions_current where account_key = 'none' and requirement_id = 'p1_sales_docs'")[0]
        assert session.scalar("select count(*) from marts.fct_next_best_actions_current") == report.rows
        assert session.scalar("select sum(effort_hours) from marts.fct_next_best_actions_current where is_in_capacity and queue_owner = 'Cara'") <= 12
    # 1000 x 0.2 hangs on it; 90 business days to 1 November; chance 0.6.
    assert (found["business_days_left"], float(found["urgency"]), float(found["score"])) == (90, 0.55, 66.0)
    assert found["who_is_chased"] == "account_executive" and found["queue_kind"] == "csm" and found["why"].startswith("There is no handoff document")
