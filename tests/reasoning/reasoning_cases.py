"""Fact rows as the marts hold them: the headline account, a messy one, and helpers to build a small warehouse from them."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from vim_pipelines.reasoning.facts import build_sheet
from vim_pipelines.reasoning.materiality import settled
from vim_pipelines.reasoning.playbooks import load_playbooks

AS_OF = date(2026, 6, 28)
NOW = datetime(2026, 6, 29, 6, 0)
DOCUMENTS = ("license_optimization_plan", "risk_mitigation_plan", "value_realization_roadmap")
SHARED = {
    "seats_contracted", "active_users_28d", "unused_seats", "utilization_28d", "renewal_date", "opt_out_date", "weekly_active_recent", "weekly_active_prior",
    "last_activity_date", "champion_name", "sponsor_name", "csm_name", "fttv_reached_on", "unused_feature_names",
}  # fmt: skip
UNITS = {
    "seats_contracted": "seats", "unused_seats": "seats", "shelfware_seats": "seats", "active_users_28d": "users", "weekly_active_recent": "users",
    "weekly_active_prior": "users", "utilization_28d": "ratio", "unused_value_annual": "money", "waste_annual": "money", "waste_low": "money",
    "waste_high": "money", "arr_amount": "money", "net_unit_price_annual": "money", "renewal_date": "date", "opt_out_date": "date", "last_activity_date": "date",
    "fttv_reached_on": "date", "days_to_renewal": "days", "gap_days": "days", "tickets_28d": "count", "tickets_open": "count", "risk_score": "ratio",
}  # fmt: skip
CONTRACTED = {"seats_contracted", "net_unit_price_annual", "renewal_date", "opt_out_date", "arr_amount"}


def fact_row(
    metric: str, value: Any, scope: str = "account", *, status: str | None = None, currency: str = "USD", account: str = "ACC-HEADLINE", **other: Any
) -> dict[str, Any]:
    """One row of `marts.fct_account_facts`."""
    unit = UNITS.get(metric, "text")
    is_text = unit in ("text", "date")
    row = {
        "account_key": account, "metric": metric, "scope": scope, "label": metric.replace("_", " "),
        "value_number": None if is_text or value is None else Decimal(str(value)), "value_text": value if is_text else None, "unit": unit,
        "currency": currency if unit == "money" else None, "window_label": "last four weeks", "status": status or ("unknown" if value is None else "ok"),
        "sensitivity": "shareable" if metric in SHARED else "internal", "fact_class": "contracted" if metric in CONTRACTED else "computed",
        "source_table": "marts.fct_account_signals", "source_key": account,
    }  # fmt: skip
    return row | other


HEADLINE_ACCOUNT = {
    "seats_contracted": 200, "active_users_28d": 50, "unused_seats": 150, "utilization_28d": "0.25", "shelfware_seats": 145, "unused_value_annual": 45000,
    "waste_annual": 43500, "arr_amount": 60000, "renewal_date": "2027-02-23", "opt_out_date": "2026-12-25", "days_to_renewal": 240, "weekly_active_recent": 50,
    "weekly_active_prior": 50, "gap_days": 0, "last_activity_date": "2026-06-26", "tickets_28d": 2, "tickets_open": 1, "risk_score": 64,
    "phase_name": "Value Activation", "blocking_requirement": "adoption at or above the band", "champion_name": "Priya Raman", "sponsor_name": "Daniel Okafor",
    "csm_name": "Ada Lindqvist", "tier": "tier_1", "fttv_reached_on": "2025-04-11",
}  # fmt: skip
HEADLINE_CORE = {
    "seats_contracted": 200, "active_users_28d": 50, "unused_seats": 150, "utilization_28d": "0.25", "shelfware_seats": 145, "unused_value_annual": 45000,
    "waste_annual": 43500, "net_unit_price_annual": 300, "unused_feature_names": "forecasting, audit_log",
}  # fmt: skip
SHELFWARE = {"account_key": "ACC-HEADLINE", "rule_id": "MUDA_SHELFWARE", "severity": "high"}


def fact_rows(account: dict[str, Any], products: dict[str, dict[str, Any]] | None = None, key: str = "ACC-HEADLINE") -> list[dict[str, Any]]:
    """Rows from plain dictionaries of values; None means unknown."""
    rows = [fact_row(metric, value, account=key) for metric, value in account.items()]
    return rows + [fact_row(metric, value, product, account=key) for product, values in (products or {}).items() for metric, value in values.items()]


def headline(risks: Any = (SHELFWARE,), **changes: Any) -> Any:
    """The headline account's fact sheet; `changes` overrides account facts (None: unknown)."""
    return build_sheet("ACC-HEADLINE", "Northwind Robotics", AS_OF, fact_rows(HEADLINE_ACCOUNT | changes, {"core": HEADLINE_CORE}), list(risks))


def part_for(document: str, sheet: Any = None) -> Any:
    """(playbook, the part of the sheet that the document may see), settled."""
    playbook = load_playbooks()[document]
    return playbook, settled((sheet or headline()).only(playbook.facts, shareable=playbook.audience == "customer"))


def risk(rule: str, severity: str = "high", account: str = "ACC-HEADLINE") -> dict[str, Any]:
    return {"account_key": account, "rule_id": rule, "severity": severity}
