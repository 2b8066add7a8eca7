"""Sheets for the documents of the whole lifecycle: every fact of the registry with a value in its unit, and accounts drawn at random from them."""

from __future__ import annotations

import random
from datetime import timedelta
from decimal import Decimal
from typing import Any

from reasoning_cases import AS_OF, CONTRACTED, HEADLINE_ACCOUNT, SHARED, UNITS

from vim_pipelines.core.severities import SEVERITIES
from vim_pipelines.reasoning.facts import FURTHER_METRICS, RISK_WORDS, build_sheet

#: Units of the facts beyond the first sixty. `value of ...`: a metric of the customer's own, comparable with itself only.
FURTHER_UNITS = {
    "contacts_active": "people", "handoff_missing_count": "fields", "handoff_rounds": "requests", "users_trained": "users", "users_untrained": "users",
    "tickets_28d": "tickets", "tickets_open": "tickets", "tickets_28d_before": "tickets", "escalations_90d": "tickets a quarter",
    "sla_breaches_90d": "tickets a quarter", "weekly_active_change": "ratio", "days_to_opt_out": "days", "renewal_open_amount": "money",
} | {name: "value of quote hours" for name in ("pain_baseline", "pain_target", "outcome_baseline", "outcome_measured", "outcome_target")} | {
    metric.name: "date" for metric in FURTHER_METRICS if metric.name.endswith("_on")
}  # fmt: skip
ALL_UNITS = UNITS | FURTHER_UNITS
FURTHER_SHARED = {metric.name for metric in FURTHER_METRICS if metric.may_be_shared}
#: The headline account with everything that the registry can know of it.
RICH_ACCOUNT: dict[str, Any] = HEADLINE_ACCOUNT | {
    "economic_buyer_name": "Ines Moreau", "account_executive_name": "Tom Hale", "pain_metric": "Quote hours", "pain_baseline": 20, "pain_target": 15,
    "pain_due_on": "2026-09-30", "pain_owner": "Lena Ortiz", "contacts_active": 6, "psp_verdict": "at risk", "handoff_missing": "SLA tier",
    "handoff_missing_count": 2, "handoff_conflicting": "seats", "handoff_rounds": 1, "fttv_due_on": "2025-04-30", "kickoff_held_on": "2025-03-02",
    "last_touchpoint_on": "2026-05-20", "next_touchpoint_on": "2026-07-02", "users_trained": 41, "users_untrained": 9, "outcome_metric": "Quote hours",
    "outcome_baseline": 20, "outcome_measured": "17.5", "outcome_target": 15, "outcome_measured_on": "2026-05-31", "ebr_held_on": "2026-01-20",
    "ebr_planned_on": "2026-07-20", "renewal_open_amount": 60000, "renewal_open_close_on": "2027-01-10", "notice_on": "2026-06-10", "lost_on": "2026-06-15",
    "reference_consent_on": "2026-02-01", "escalations_90d": 2, "sla_breaches_90d": 3, "tickets_28d_before": 4, "weekly_active_change": "0.1",
    "days_to_opt_out": 180, "next_action": "Plan the strategic touchpoints", "next_action_due_on": "2026-07-09", "next_action_why": "no meeting is planned",
}  # fmt: skip
_NAMES = ("Priya Raman", "Daniel Okafor", "Ines Moreau", "Tom Hale", "Lena Ortiz", "Ada Lindqvist", "Bill Price", "May Grant")
_FEATURES = ("forecasting, audit_log", "bulk_import", "scenarios, alerts, sharing")


def fact(metric: str, value: Any, scope: str = "account") -> dict[str, Any]:
    """One row of `marts.fct_account_facts`; None is unknown."""
    unit = ALL_UNITS.get(metric, "text")
    is_text = unit in ("text", "date")
    return {
        "metric": metric, "scope": scope, "value_number": None if is_text or value is None else Decimal(str(value)), "value_text": value if is_text else None,
        "unit": unit, "currency": "USD" if unit == "money" else None, "window_label": "last four weeks", "status": "unknown" if value is None else "ok",
        "sensitivity": "shareable" if metric in SHARED | FURTHER_SHARED else "internal", "fact_class": "contracted" if metric in CONTRACTED else "computed",
        "source_table": "marts.fct_account_signals", "source_key": "ACC-1",
    }  # fmt: skip


def sheet_of(
    account: dict[str, Any], products: dict[str, dict[str, Any]] | None = None, risks: Any = (), name: str = "Northwind Robotics", as_of: Any = AS_OF
) -> Any:
    """A fact sheet from plain dictionaries."""
    rows = [fact(metric, value) for metric, value in account.items()]
    rows += [fact(metric, value, product) for product, values in (products or {}).items() for metric, value in values.items()]
    return build_sheet("ACC-1", name, as_of, rows, [{"rule_id": rule, "severity": severity} for rule, severity in risks])


#: As the marts word them (fct_account_facts); taken by the seed, so that the other draws stay what they are.
VERDICTS = (
    "a Success Plan, because no risk is seen, and pain and stakeholders are known", "a Risk Mitigation Plan, because the sponsor is weak, the champion is cold",
    "blocked, because no sponsor, no pain metric", "a Risk Mitigation Plan, because the sponsor left, one person carries the relation",
    "a Risk Mitigation Plan, because an open red flag, without owner",
)  # fmt: skip
MISSING = (
    "SLA tier",
    "commitments made, desired outcome, executive sponsor, known risks",
    "none",
    "executive sponsor",
    "notice period, contract term, champion, seats",
)
CONFLICTING = ("seats", "none", "contract term, notice period", "executive sponsor")
NEXT = (
    "Plan the strategic touchpoints", "Follow up what meetings left open", "Name an active sponsor and an active champion", "Find out why use paused",
    "Ask for the customer's opinion", "Review whether the meetings lead to decisions", "Complete the account's record in the CRM",
)  # fmt: skip


def random_sheet(seed: int, name: str = "Northwind Robotics") -> Any:
    """An account drawn at random: every fact known or not, values that fit each other, as of a day of the week drawn too."""
    draw = random.Random(seed)
    as_of = AS_OF + timedelta(days=draw.randrange(7))

    def day(low: int, high: int) -> str:
        return (as_of + timedelta(days=draw.randint(low, high))).isoformat()

    seats = draw.choice((0, 1, 12, 60, 200))
    active = draw.randint(0, seats)
    renewal = draw.randint(-30, 500)
    account: dict[str, Any] = {
        "csm_name": draw.choice(_NAMES), "champion_name": draw.choice(_NAMES), "sponsor_name": draw.choice(_NAMES), "tier": "tier_1", "arr_amount": seats * 300,
        "renewal_date": day(renewal, renewal), "opt_out_date": day(renewal - 60, renewal - 60), "days_to_renewal": renewal, "days_to_opt_out": renewal - 60,
        "seats_contracted": seats, "active_users_28d": active, "unused_seats": seats - active, "utilization_28d": round(active / seats, 4) if seats else None,
        "shelfware_seats": max(0, seats - active - 5), "unused_value_annual": (seats - active) * 300, "waste_annual": max(0, seats - active - 5) * 300,
        "weekly_active_recent": draw.randint(0, active), "weekly_active_prior": draw.randint(0, active), "gap_days": draw.choice((0, 1, 12)),
        "last_activity_date": day(-40, 0), "tickets_28d": draw.randint(0, 9), "tickets_open": draw.randint(0, 4), "tickets_28d_before": draw.randint(0, 9),
        "risk_score": draw.randint(0, 100), "phase_name": "Value Realization", "blocking_requirement": "Executive business reviews", "fttv_reached_on": day(-300, -10),
        "economic_buyer_name": draw.choice(_NAMES), "account_executive_name": draw.choice(_NAMES), "pain_metric": draw.choice(("Quote hours", "Days to close")),
        "pain_baseline": 20, "pain_target": draw.choice((15, 25)), "pain_due_on": day(-90, 90), "pain_owner": draw.choice(_NAMES),
        "contacts_active": draw.randint(0, 9), "psp_verdict": VERDICTS[seed % len(VERDICTS)], "handoff_missing": MISSING[seed % len(MISSING)], "handoff_missing_count": draw.randint(0, 4),
        "handoff_conflicting": CONFLICTING[seed % len(CONFLICTING)], "handoff_rounds": draw.randint(0, 3), "fttv_due_on": day(-300, 60), "kickoff_held_on": day(-400, -1),
        "last_touchpoint_on": day(-200, 0), "next_touchpoint_on": day(1, 60), "users_trained": draw.randint(0, 40), "users_untrained": draw.randint(0, 40),
        "outcome_metric": draw.choice(("Quote hours", "Days to close")), "outcome_baseline": 20, "outcome_measured": draw.choice((12, 15, 20, 24)),
        "outcome_target": draw.choice((15, 25)), "outcome_measured_on": day(-300, 0), "ebr_held_on": day(-500, -1), "ebr_planned_on": day(-5, 90),
        "renewal_open_amount": seats * 300, "renewal_open_close_on": day(-30, 200), "notice_on": day(-90, -1), "lost_on": day(-300, -1),
        "reference_consent_on": day(-300, -1), "escalations_90d": draw.randint(0, 3), "sla_breaches_90d": draw.randint(0, 3), "weekly_active_change": "0.1",
        "next_action": NEXT[seed % len(NEXT)], "next_action_due_on": day(1, 30), "next_action_why": "no meeting is planned",
    }  # fmt: skip
    products = {
        product: {
            "seats_contracted": seats, "active_users_28d": active, "unused_seats": seats - active, "shelfware_seats": max(0, seats - active - 5),
            "unused_value_annual": (seats - active) * 300, "waste_annual": max(0, seats - active - 5) * 300, "net_unit_price_annual": 300,
            "unused_feature_names": draw.choice((*_FEATURES, "none")),
        }
        for product in draw.sample(("core", "insights", "mobile", "vault"), draw.randint(0, 4))
    }  # fmt: skip
    share = draw.choice((0.0, 0.2, 0.5, 0.8, 1.0))
    for values in (account, *products.values()):
        for metric in values:
            if draw.random() < share:
                values[metric] = None
    rules = draw.sample(sorted(RISK_WORDS), draw.choice((0, 0, 1, 2, 5)))
    return sheet_of(account, products, [(rule, draw.choice(SEVERITIES)) for rule in rules], name=name, as_of=as_of)
