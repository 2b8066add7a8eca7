"""Where the facts of the requirements come from: base models of one row an account, each the evidence of a part of the map.

One wide model would join every kind of record there is; parts stay readable, and a part that has nothing to say of an account says nothing.
What other steps of the night wrote (risks, calibration cards, approved plans) is read here too: a base model is built before them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from vim_pipelines.core.dates import end_of_day
from vim_pipelines.core.severities import SERIOUS
from vim_pipelines.store.models import HOLDING_STATES
from vim_pipelines.warehouse.base import Session

#: Models of schema base. The first has the accounts that are judged tonight; the others add columns of other names, for some of them or all.
EVIDENCE_MODELS = (
    "int_lifecycle_evidence",
    "int_evidence_realization",
    "int_evidence_growth",
    "int_evidence_advocacy_churn",
    "int_evidence_overlays",
    "int_evidence_new_contracts",
    "int_evidence_handoff_psp",
)
#: Tables of schema computed, by as-of date, that a step before the fold wrote: one row an account, columns of other names again.
COMPUTED_EVIDENCE = ("handoff_audits",)
#: How the label begins of cards on the tenant's own portfolio (evaluation.backtest_portfolio); other cards are about activity histories.
PORTFOLIO_LABEL = "the term ends without a renewal"


def evidence_of(session: Session, as_of: date) -> list[dict[str, Any]]:
    """The facts of every account that is judged tonight, ordered by account. A column that two parts have would hide one: ValueError."""
    facts: dict[str, dict[str, Any]] = {}
    known: set[str] = set()
    parts: list[tuple[str, str, tuple[date, ...]]] = [(f"base.{model}", "", ()) for model in EVIDENCE_MODELS]
    parts += [(f"computed.{table}", "where as_of_date = ?", (as_of,)) for table in COMPUTED_EVIDENCE if session.table_exists(f"computed.{table}")]
    for number, (table, condition, parameters) in enumerate(parts):
        rows = session.rows(f"select * from {table} {condition} order by account_key", parameters)
        columns = set(rows[0]) - {"account_key", "as_of_date"} if rows else set()
        if twice := sorted(columns & known):
            raise ValueError(f"{table} repeats {', '.join(twice)}")
        known |= columns
        for row in rows:
            row.pop("as_of_date", None)
            if number == 0:
                facts[row["account_key"]] = dict(row)
            elif row["account_key"] in facts:
                facts[row["account_key"]].update(row)
    card, plans, judged = _newest_card(session, as_of), _approved_plans(session, as_of), _judged(session, as_of)
    for key, row in facts.items():
        row.update(card, is_risk_judged=key in judged, risk_plan_approved_on=plans.get(key))
    return list(facts.values())


def risk_facts(risks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What rules may ask of the account's risks of the day: how many serious ones are open, and which."""
    names = sorted(str(risk["rule_id"]) for risk in risks if risk["severity"] in SERIOUS)
    return {"serious_risks_open": len(names), "serious_risk_rules": ", ".join(names) or None}


def _judged(session: Session, as_of: date) -> set[str]:
    """The accounts whose risks were judged for the day: without a score nobody looked, and no risk is not "no risk"."""
    if not session.table_exists("computed.account_scores"):
        return set()
    return {row["account_key"] for row in session.rows("select account_key from computed.account_scores where as_of_date = ?", [as_of])}


def _newest_card(session: Session, as_of: date) -> dict[str, Any]:
    """The newest calibration card of the portfolio's own score; cards of other data say nothing about it."""
    if not session.table_exists("computed.calibration_cards"):
        return {}
    rows = session.rows(
        "select distinct card_id, as_of_date, verdict from computed.calibration_cards where as_of_date <= ? and label like ?"
        " order by as_of_date desc, card_id limit 1",
        [as_of, f"{PORTFOLIO_LABEL}%"],
    )
    return (
        {f"calibration_{name}": rows[0][column] for name, column in (("card_key", "card_id"), ("card_on", "as_of_date"), ("verdict", "verdict"))}
        if rows
        else {}
    )


def _approved_plans(session: Session, as_of: date) -> dict[str, date]:
    """Account to the newest day on which a mitigation plan was approved, as the mirror of the operations store knows it."""
    if not session.table_exists("ops.approval_requests"):
        return {}
    rows = session.rows(
        "select account_key, max(decided_at) as decided_at from ops.approval_requests where document = 'risk_mitigation_plan'"
        f" and state in ({', '.join('?' for _ in HOLDING_STATES)}) and decided_at < ? group by account_key",
        [*HOLDING_STATES, end_of_day(as_of)],
    )
    return {row["account_key"]: row["decided_at"].date() for row in rows}
