"""Fact sheets and their evidence from the warehouse: a handful of set-based queries, whatever the number of accounts.

The rows behind each figure travel with the draft, so that the inbox, a re-plan and write-back never open the warehouse.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from vim_pipelines.reasoning.facts import FactSheet, build_sheet
from vim_pipelines.warehouse.base import Session, chunks

MAX_EVIDENCE_ROWS = 50
#: Accounts in one query: Snowflake takes at most 16,384 values in a list, and long lists are slow to plan.
KEYS_PER_QUERY = 500

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
    "opt_out_date", "days_to_renewal",
})  # fmt: skip
_SOURCES: tuple[_Source, ...] = (
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
        "base.int_account_weeks", "week_start, active_users, events", frozenset({"weekly_active_recent", "weekly_active_prior", "gap_days", "last_activity_date"}),
        "week_start desc",
    ),
    _Source(
        "base.stg_support__tickets", "ticket_key, priority, status, opened_at, solved_at", frozenset({"tickets_28d", "tickets_open"}), "opened_at desc, ticket_key",
    ),
    _Source(
        "base.stg_crm__contacts", "contact_key, role, title, is_active, left_on", frozenset({"champion_name", "sponsor_name"}), "contact_key",
        where="role in ('champion', 'sponsor', 'economic_buyer')",
    ),
    _Source("base.stg_crm__milestones", "milestone_key, milestone_kind, due_date, reached_on", frozenset({"fttv_reached_on"}), "milestone_key"),
    _Source("marts.fct_risks", "rule_id, rule_version, severity, summary, inputs, threshold", frozenset({"risk"}), "rule_id", is_dated=True, where="risk_status = 'open'"),
)  # fmt: skip


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
    """Phases that each account is in on one date: its place (on the spine or the exception) and its open overlays."""
    if not session.table_exists("computed.account_state"):
        return {}
    rows = session.rows("select account_key, phase, spine_phase, open_overlays from computed.account_state where as_of_date = ?", [as_of])
    return {
        str(row["account_key"]): frozenset(
            {int(row[name]) for name in ("phase", "spine_phase") if row[name] is not None}
            | {int(overlay["phase"]) for overlay in json.loads(row["open_overlays"] or "[]")}
        )
        for row in rows
    }


def newest_as_of(session: Session) -> date | None:
    """The newest as-of date that the marts hold: only that one may be drafted (DESIGN.md section 3)."""
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
