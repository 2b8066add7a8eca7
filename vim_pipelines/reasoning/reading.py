"""Fact sheets and their evidence from the warehouse: a handful of set-based queries, whatever the number of accounts.

The rows behind each figure travel with the draft, so that the inbox, a re-plan and write-back never open the warehouse.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from vim_pipelines.core.dates import as_day
from vim_pipelines.reasoning.excerpts import MAX_READ, RawText
from vim_pipelines.reasoning.facts import ExcerptKind, FactSheet, build_sheet
from vim_pipelines.warehouse.base import KEYS_PER_QUERY, Session, chunks

MAX_EVIDENCE_ROWS = 50

_FACT_COLUMNS = "account_key, metric, scope, value_number, value_text, unit, currency, window_label, status, sensitivity, fact_class, source_table, source_key"


@dataclass(frozen=True)
class _Source:
    """Rows that stand behind some metrics. `by_product`: a row belongs to one product and to the account as a whole."""

    table: str
    columns: str
    metrics: frozenset[str]
    order: str
    by_product: bool = False
    is_dated: bool = False
    where: str = ""


_LICENCE = frozenset({
    "seats_contracted", "unused_seats", "shelfware_seats", "right_size_seats", "unused_value_annual", "waste_annual", "net_unit_price_annual", "renewal_date",
    "opt_out_date", "days_to_renewal", "days_to_opt_out", "product_name",
})  # fmt: skip
_TICKETS = frozenset({"tickets_28d", "tickets_open", "tickets_28d_before", "escalations_90d"})
_SOURCES: tuple[_Source, ...] = (
    _Source(
        "base.int_accounts", "account_name, tier, csm_name, owner_name, arr_amount, currency",
        frozenset({"account_name", "tier", "csm_name", "account_executive_name", "arr_amount"}), "account_key",
    ),
    _Source(
        "marts.fct_license_waste",
        "contract_line_key, product, seats, active_users_28d, unused_seats, shelfware_seats, net_unit_price_annual, currency, unused_value_annual, waste_annual, "
        "opt_out_date, renewal_date, status",
        _LICENCE, "contract_line_key", by_product=True, is_dated=True,
    ),
    _Source(
        "base.int_product_weeks", "product, week_start, active_users", frozenset({"active_users_28d", "utilization_28d", "shelfware_seats", "right_size_seats"}),
        "week_start desc, product", by_product=True,
    ),
    _Source(
        "base.int_account_weeks", "week_start, active_users, events",
        frozenset({"weekly_active_recent", "weekly_active_prior", "weekly_active_change", "gap_days", "last_activity_date"}), "week_start desc",
    ),
    _Source(
        "base.int_feature_use", "product, feature, users_28d, last_used_on", frozenset({"unused_feature_names"}), "product, feature", by_product=True,
    ),
    _Source("base.stg_support__tickets", "ticket_key, priority, status, opened_at, solved_at, is_escalated", _TICKETS, "opened_at desc, ticket_key"),
    _Source(
        "marts.fct_ticket_load", "tickets_90d, sla_tickets_90d, sla_breaches_90d, sla_status", frozenset({"sla_breaches_90d"}), "account_key", is_dated=True,
    ),
    _Source(
        "base.stg_crm__contacts", "contact_key, role, title, is_active, left_on", frozenset({"champion_name", "sponsor_name", "economic_buyer_name"}), "contact_key",
        where="role in ('champion', 'sponsor', 'economic_buyer')",
    ),
    _Source("base.stg_crm__contacts", "contact_key, role, title, is_active, left_on", frozenset({"contacts_active"}), "contact_key"),
    _Source(
        "base.stg_crm__milestones", "milestone_key, milestone_kind, metric_name, due_date, reached_on", frozenset({"fttv_reached_on", "fttv_due_on"}), "milestone_key",
        where="milestone_kind = 'fttv'",
    ),
    _Source(
        "base.stg_crm__milestones", "milestone_key, milestone_kind, metric_name, baseline_value, target_value, measured_value, measured_on, due_date",
        frozenset({
            "pain_metric", "pain_baseline", "pain_target", "pain_due_on", "pain_owner", "outcome_metric", "outcome_baseline", "outcome_measured", "outcome_target",
            "outcome_measured_on",
        }),
        "milestone_key", where="milestone_kind in ('pain_metric', 'adoption', 'other')",
    ),
    _Source(
        "base.int_psp_diagnostic",
        "verdict, reason, sponsor_status, champion_status, economic_buyer_status, threads, pain_status, red_flags_seen, red_flags_without_owner",
        frozenset({"psp_verdict"}), "account_key",
    ),
    _Source(
        "computed.handoff_fields", "field_id, label, status, source, reason, document_key", frozenset({"handoff_missing", "handoff_missing_count", "handoff_conflicting"}),
        "field_id", is_dated=True, where="is_mandatory",
    ),
    _Source(
        "computed.handoff_audits", "handoff_fields_expected, handoff_fields_missing, handoff_rounds, handoff_is_escalated", frozenset({"handoff_rounds"}),
        "account_key", is_dated=True,
    ),
    _Source(
        "base.stg_crm__meetings", "meeting_key, meeting_kind, status, held_at", frozenset({"kickoff_held_on", "last_touchpoint_on", "next_touchpoint_on"}),
        "held_at desc, meeting_key",
    ),
    _Source(
        "base.stg_crm__training_completions", "training_completion_key, user_key, course, completed_at", frozenset({"users_trained", "users_untrained"}),
        "completed_at desc, training_completion_key",
    ),
    _Source(
        "base.stg_product__license_assignments", "assignment_key, user_key, product, assigned_at, revoked_at", frozenset({"users_untrained"}),
        "assigned_at desc, assignment_key",
    ),
    _Source("base.stg_crm__ebrs", "ebr_key, held_on, status, sponsor_attended", frozenset({"ebr_held_on", "ebr_planned_on"}), "held_on desc, ebr_key"),
    _Source(
        "base.stg_crm__meetings", "meeting_key, meeting_kind, status, held_at", frozenset({"ebr_held_on", "ebr_planned_on"}), "held_at desc, meeting_key",
        where="meeting_kind = 'ebr'",
    ),
    _Source(
        "base.stg_crm__opportunities", "opportunity_key, opportunity_type, stage, amount, currency, created_on, close_date, is_closed, is_won",
        frozenset({"renewal_open_amount", "renewal_open_close_on"}), "close_date desc, opportunity_key", where="opportunity_type = 'renewal'",
    ),
    _Source(
        "base.int_contract_lines", "contract_line_key, product, start_date, end_date, notice_served_on, contract_status", frozenset({"notice_on", "lost_on"}),
        "contract_line_key",
    ),
    _Source("base.int_contract_cycles", "cycle_started_on, won_back_on, notice_on, notice_is_open, lines_active", frozenset({"notice_on", "lost_on"}), "account_key"),
    _Source(
        "base.stg_crm__customer_references", "reference_key, reference_kind, status, consented_on, given_on, expires_on", frozenset({"reference_consent_on"}),
        "reference_key",
    ),
    _Source(
        "computed.account_state", "phase, phase_name, entered_on, blocking_requirement_id", frozenset({"phase_name", "blocking_requirement"}), "account_key",
        is_dated=True,
    ),
    _Source("computed.account_scores", "lean_risk, risk_band, coverage, score_version", frozenset({"risk_score"}), "account_key", is_dated=True),
    _Source(
        "computed.next_best_actions", "requirement_id, action_id, status, account_rank, action, why, due_on",
        frozenset({"next_action", "next_action_due_on", "next_action_why"}), "account_rank, requirement_id", is_dated=True, where="account_rank = 1",
    ),
    _Source("marts.fct_risks", "rule_id, rule_version, severity, summary, inputs, threshold", frozenset({"risk"}), "rule_id", is_dated=True, where="risk_status = 'open'"),
)  # fmt: skip
#: Facts without source rows: the window is said by code about other facts.
WITHOUT_EVIDENCE = frozenset({"usage_window"})

#: How far back a text may lie, in days. A handoff document stays worth reading for longer than a ticket.
RECENT_DAYS: Mapping[ExcerptKind, int] = {"ticket": 180, "meeting_note": 180, "document": 730, "survey": 365}
#: Read of each kind and account: more than are shown, because the same words come again and again.
TEXTS_READ = 8
#: Per kind: table, key, day, text, condition, and what makes a text internal.
_TEXTS: Mapping[ExcerptKind, tuple[str, str, str, str, str, str]] = {
    "ticket": (
        "base.stg_support__tickets", "ticket_key", "cast(opened_at as date)", "coalesce(priority || ': ', '') || subject", "coalesce(status, 'open') <> 'deleted'", "false",
    ),
    "meeting_note": (
        "base.stg_crm__meetings", "meeting_key", "cast(held_at as date)", "coalesce(subject || ': ', '') || notes", "status = 'held'",
        "coalesce(meeting_kind, 'other') in ('internal', 'handoff')",
    ),
    # Contracts are left out: their amounts and terms are facts already, or nobody's business here.
    "document": (
        "base.stg_crm__documents", "document_key", "authored_on", "coalesce(title || ': ', '') || body", "document_kind <> 'contract'",
        "document_kind in ('handoff', 'note', 'sales_document', 'expansion_case', 'save_play', 'post_mortem')",
    ),
    "survey": ("base.stg_crm__survey_responses", "survey_response_key", "cast(responded_at as date)", "comment", "true", "false"),
}  # fmt: skip


@dataclass(frozen=True)
class Texts:
    """What was said about one account, and the names of its contacts, who are to stay out of it."""

    texts: tuple[RawText, ...]
    people: tuple[str, ...]


def read_signals(session: Session, as_of: date) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of `marts.fct_account_signals` and of `marts.fct_risks` for one as-of date, for `triggers.select_documents`.

    An account that a gate held is left out: nothing is written about it. A risk that false-discovery control held back is no claim and triggers nothing. One that only capacity cut is a claim: drafts have
    a capacity of their own.
    """
    signals = session.rows("select * from marts.fct_account_signals where as_of_date = ? and hold_reason is null order by account_key", [as_of])
    risks = session.rows("select account_key, rule_id, rule_version, severity from marts.fct_risks where as_of_date = ? and risk_status = 'open'", [as_of])
    return signals, risks


def read_actions(session: Session, as_of: date) -> list[dict[str, Any]]:
    """Actions of the queues of one date that are still to be done, within the week's hours or cut; none where the lifecycle has not run."""
    if not session.table_exists("computed.next_best_actions"):
        return []
    return session.rows(
        "select account_key, requirement_id, document, account_rank, is_in_capacity from computed.next_best_actions"
        " where as_of_date = ? and status in ('open', 'cut') order by account_key, account_rank, requirement_id",
        [as_of],
    )


def read_phases(session: Session, as_of: date) -> dict[str, frozenset[int]]:
    """Phases that each account is in on one date: its place (on the spine, or the exception while it is there) and its open overlays.

    The place on the spine that an account in the exception would come back to is none it is in: churned customers got handoff audits once.
    """
    if not session.table_exists("computed.account_state"):
        return {}
    rows = session.rows("select account_key, phase, open_overlays from computed.account_state where as_of_date = ?", [as_of])
    return {
        str(row["account_key"]): frozenset(
            ({int(row["phase"])} if row["phase"] is not None else set()) | {int(overlay["phase"]) for overlay in json.loads(row["open_overlays"] or "[]")}
        )
        for row in rows
    }


def newest_as_of(session: Session) -> date | None:
    """The newest as-of date that the marts hold: only that one may be drafted (DESIGN.md section 3)."""
    if not session.table_exists("marts.fct_account_signals"):
        return None  # the first night is still running, or ended half-way
    value = session.scalar("select max(as_of_date) from marts.fct_account_signals")
    return value if value is None or isinstance(value, date) else date.fromisoformat(str(value)[:10])


def read_fact_sheets(session: Session, as_of: date, account_keys: Sequence[str], *, with_evidence: bool = True) -> dict[str, FactSheet]:
    """Fact sheets by account key. Accounts without facts on that date are left out.

    `with_evidence=False` reads the facts alone: enough to see whether a draft is needed.
    """
    names, facts, risks, titles = {}, defaultdict(list), defaultdict(list), _requirement_titles(session, as_of)
    disputed = _disputed(session, as_of)
    for keys in chunks(sorted(set(account_keys)), KEYS_PER_QUERY):
        marks, parameters = _marks(keys), [as_of, *keys]
        for row in session.rows(
            f"select account_key, account_name from marts.fct_account_signals where as_of_date = ? and account_key in ({marks})", parameters
        ):
            names[row["account_key"]] = row["account_name"]
        for row in session.rows(f"select {_FACT_COLUMNS} from marts.fct_account_facts where as_of_date = ? and account_key in ({marks})", parameters):
            if row["metric"] == "blocking_requirement" and row["value_text"]:
                row["value_text"] = titles.get(row["value_text"], str(row["value_text"]).replace("_", " "))
            if row["metric"] in disputed.get(row["account_key"], ()):
                row |= {"value_number": None, "value_text": None, "status": "unknown"}
            facts[row["account_key"]].append(row)
        for row in session.rows(
            f"select account_key, rule_id, severity from marts.fct_risks where as_of_date = ? and risk_status = 'open' and account_key in ({marks})", parameters
        ):
            risks[row["account_key"]].append(row)
    sheets = {key: build_sheet(key, str(names[key]), as_of, rows, risks[key]) for key, rows in facts.items() if names.get(key)}
    if not with_evidence or not sheets:
        return sheets
    evidence = read_evidence(session, as_of, sheets)
    return {key: replace(sheet, evidence=evidence.get(key, ())) for key, sheet in sheets.items()}


def read_evidence(session: Session, as_of: date, sheets: Mapping[str, FactSheet]) -> dict[str, tuple[dict[str, Any], ...]]:
    """Source rows behind the facts of `sheets`: entries `{fact_ids, source_table, rows}`, at most 50 rows in each, JSON values only."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for source in _SOURCES:
        if not session.table_exists(source.table):
            continue
        for keys in chunks(sorted(sheets), KEYS_PER_QUERY):
            for key, rows in _rows_of(session, source, as_of, keys).items():
                found[key] += _entries(source, sheets[key], rows)
    return {key: tuple(entries) for key, entries in found.items()}


def read_excerpts(session: Session, as_of: date, wanted: Iterable[tuple[str, Sequence[ExcerptKind]]]) -> dict[str, Texts]:
    """Recent texts and names of contacts by account, as the sources have them. `wanted`: accounts with the kinds that one of their documents reads."""
    kinds_by_account: dict[str, set[ExcerptKind]] = defaultdict(set)
    for account, kinds in wanted:
        kinds_by_account[account].update(kinds)
    texts: dict[str, list[RawText]] = defaultdict(list)
    people: dict[str, list[str]] = defaultdict(list)
    for kind, (table, key, day, text, condition, internal) in _TEXTS.items():
        accounts = sorted(account for account, kinds in kinds_by_account.items() if kind in kinds)
        if not accounts or not session.table_exists(table):
            continue
        for keys in chunks(accounts, KEYS_PER_QUERY):
            newest = (
                f"select account_key, {key} as source_key, {day} as said_on, substring({text}, 1, {MAX_READ + 1}) as body, {internal} as is_internal,"
                f" row_number() over (partition by account_key order by {day} desc, {key}) as place"
                f" from {table} where {condition} and {text} is not null and {day} <= ? and {day} > ? and account_key in ({_marks(keys)})"
            )
            sql = f"select account_key, source_key, said_on, body, is_internal from ({newest}) newest where place <= {TEXTS_READ} order by account_key, place"
            for row in session.rows(sql, [as_of, as_of - timedelta(days=RECENT_DAYS[kind]), *keys]):
                texts[row["account_key"]].append(RawText(kind, str(row["source_key"]), as_day(row["said_on"]), str(row["body"]), bool(row["is_internal"])))
    for keys in chunks(sorted(texts), KEYS_PER_QUERY) if session.table_exists("base.stg_crm__contacts") else ():
        for row in session.rows(
            f"select account_key, full_name from base.stg_crm__contacts where full_name is not null and account_key in ({_marks(keys)})", [*keys]
        ):
            people[row["account_key"]].append(str(row["full_name"]))
    return {account: Texts(tuple(found), tuple(people[account])) for account, found in texts.items()}


def _rows_of(session: Session, source: _Source, as_of: date, keys: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    conditions = [f"account_key in ({_marks(keys)})"] + (["as_of_date = ?"] if source.is_dated else []) + ([source.where] if source.where else [])
    # per account, so that one noisy account does not use up another one's rows
    limit = MAX_EVIDENCE_ROWS * (4 if source.by_product else 1)
    ranked = (
        f"select account_key, {source.columns}, row_number() over (partition by account_key order by {source.order}) as evidence_rank "
        f"from {source.table} where {' and '.join(conditions)}"
    )
    sql = f"select account_key, {source.columns} from ({ranked}) ranked where evidence_rank <= {limit} order by account_key, evidence_rank"
    grouped: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in session.rows(sql, [*keys, *([as_of] if source.is_dated else [])]):
        grouped[row.pop("account_key")].append({name: _plain(value) for name, value in row.items()})
    return grouped


def _entries(source: _Source, sheet: FactSheet, rows: Sequence[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    facts = [fact for fact in sheet.facts.values() if fact.metric in source.metrics]
    if source.table == "marts.fct_risks":
        scopes = {fact.scope: [row for row in rows if row["rule_id"] == fact.scope] for fact in facts}
    elif source.by_product:
        scopes = {fact.scope: [row for row in rows if fact.scope == "account" or row["product"] in fact.scope.split("+")] for fact in facts}
    else:
        scopes = {fact.scope: list(rows) for fact in facts}
    for scope, own in scopes.items():
        handles = sorted(fact.handle for fact in facts if fact.scope == scope)
        if own and handles:
            yield {"fact_ids": handles, "source_table": source.table, "rows": own[:MAX_EVIDENCE_ROWS]}


def _disputed(session: Session, as_of: date) -> dict[str, list[str]]:
    """Facts that a person disputes, by account: no sentence may use them until the source says otherwise or the dispute ends."""
    if "disputed_facts" not in session.column_names("marts.fct_account_state"):
        return {}
    rows = session.rows("select account_key, disputed_facts from marts.fct_account_state where as_of_date = ? and disputed_facts is not null", [as_of])
    return {str(row["account_key"]): str(row["disputed_facts"]).split(", ") for row in rows}


def _requirement_titles(session: Session, as_of: date) -> dict[str, str]:
    """Requirements in words: a reader of a plan does not know their ids."""
    if not session.table_exists("computed.requirements"):
        return {}
    rows = session.rows("select distinct requirement_id, title from computed.requirements where as_of_date = ?", [as_of])
    return {str(row["requirement_id"]): str(row["title"]) for row in rows if row["title"]}


def _marks(keys: Sequence[str]) -> str:
    return ", ".join("?" for _ in keys)


def _plain(value: Any) -> Any:
    """JSON value of a column: dates in ISO form, decimals as text."""
    if value is None or isinstance(value, bool | int | float | str):
        return None if isinstance(value, float) and value != value else value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
