"""Marts by hand: every table of the contracts in dbt_project, empty, and rows of a few customers whose sums fit on paper.

The columns come from the contracts, so that a query that names a column which no mart has fails here too.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from vim_pipelines.warehouse.duckdb import DuckDBWarehouse

MODELS = Path(__file__).resolve().parents[2] / "dbt_project" / "models" / "marts"
NIGHT, BEFORE, WEEK_AGO = date(2026, 6, 28), date(2026, 6, 27), date(2026, 6, 21)
NIGHTS = (WEEK_AGO, BEFORE, NIGHT)


@cache
def contracts() -> dict[str, dict[str, str]]:
    """Column names to types of each mart."""
    found = {}
    for file in sorted(MODELS.rglob("*.yml")):
        for model in yaml.safe_load(file.read_text(encoding="utf-8")).get("models", []):
            columns = {column["name"]: column["data_type"] for column in model.get("columns", []) if "data_type" in column}
            if columns:
                found[model["name"]] = columns
    return found


def make_marts(path: Path) -> DuckDBWarehouse:
    """A file with all marts, empty."""
    warehouse = DuckDBWarehouse(path)
    with warehouse.session() as session:
        session.execute("create schema if not exists marts")
        tables = [f"create table marts.{mart} ({', '.join(f'{name} {kind}' for name, kind in columns.items())})" for mart, columns in contracts().items()]
        session.execute("; ".join(tables))
    return warehouse


def add(warehouse: DuckDBWarehouse, mart: str, *rows: dict[str, Any]) -> None:
    """Rows of a mart; a column that is not named is empty."""
    names = sorted({name for row in rows for name in row})
    assert set(names) <= set(contracts()[mart]), set(names) - set(contracts()[mart])
    places = ", ".join(f"({', '.join('?' for _ in names)})" for _ in rows)
    with warehouse.session() as session:
        session.execute(f"insert into marts.{mart} ({', '.join(names)}) values {places}", [row.get(name) for row in rows for name in names])


def money(amount: float | str | None) -> Decimal | None:
    return None if amount is None else Decimal(str(amount))


#: key, name, segment, CSM, band, score, contract value, waste, unused, days to opt-out, seats, active users.
CUSTOMERS: tuple[tuple[Any, ...], ...] = (
    ("ACC-1", "Alder Media", "enterprise", "Ada Moss", "red", 81.0, 120_000, 30_000, 36_000, 20, 400, 280),
    ("ACC-2", "Briar & Sons", "mid_market", "Ada Moss", "yellow", 55.0, 48_000, 12_000.5, 12_000.5, 95, 160, 120),
    ("ACC-3", "Cedar Health", "mid_market", "Ben Ortiz", "green", 12.0, 24_000, 0, 900, 170, 80, 77),
    ("ACC-4", "Dune Energy", "smb", "Ben Ortiz", "green", 8.0, 9_600, 0, 0, 260, 32, 32),
    ("ACC-5", "Elm Paper", "smb", "Cleo Marsh", "unknown", None, 6_000, None, None, 130, 20, None),
)


def fill(warehouse: DuckDBWarehouse, customers: tuple[tuple[Any, ...], ...] = CUSTOMERS, nights: tuple[date, ...] = NIGHTS) -> DuckDBWarehouse:
    """Three nights of a few customers: a week ago Alder Media was yellow and wasted 25,000; the night before Briar & Sons was green."""
    last = nights[-1]
    for night in nights:
        signals, lines, renewals, scores, states = [], [], [], [], []
        for key, name, segment, csm, band, score, value, waste, unused, days, seats, active in customers:
            then = last - night
            if night != last and key == "ACC-2":
                band, score = "green", 20.0
            if (last - night).days >= 7 and key == "ACC-1":
                band, score, waste = "yellow", 60.0, 25_000
            opt_out = last + timedelta(days=days)
            common = {"account_key": key, "as_of_date": night, "account_name": name}
            status = "ok" if waste is not None else "unknown"
            signals.append(
                common | {
                    "segment": segment, "csm_name": csm, "arr_amount": money(value), "currency": "USD", "portfolio_currency": "USD", "seats_contracted": seats,
                    "active_users_28d": active, "utilization_28d": None if active is None else active / seats,
                    "unused_seats": None if active is None else seats - active, "waste_annual": money(waste), "unused_value_annual": money(unused),
                    "shelfware_seats": None if waste is None else int(waste / 300), "money_status": status, "usage_status": status, "ticket_status": "ok",
                    "tickets_open": 2, "tickets_28d": 5, "risk_band": band, "lean_risk": score, "coverage": 0.4 if score is None else 1.0, "next_opt_out_date": opt_out,
                    "next_renewal_date": opt_out + timedelta(days=60), "days_to_opt_out": (opt_out - night).days, "spike_level": "none",
                }
            )  # fmt: skip
            lines.append(
                common | {
                    "contract_line_key": f"CL-{key}", "product": "core", "seats": seats, "active_users_28d": active, "net_unit_price_annual": money(value / seats),
                    "currency": "USD", "unused_seats": None if active is None else seats - active, "shelfware_seats": None if waste is None else int(waste / 300),
                    "waste_annual": money(waste), "waste_low": money(waste), "waste_high": money(waste), "unused_value_annual": money(unused), "fx_rate": Decimal(1),
                    "unused_value_annual_portfolio": money(unused), "waste_annual_portfolio": money(waste), "portfolio_currency": "USD", "opt_out_date": opt_out,
                    "renewal_date": opt_out + timedelta(days=60), "status": status, "status_reason": None if status == "ok" else "no usage feed",
                }
            )  # fmt: skip
            del lines[-1]["account_name"]
            renewals.append(
                common | {
                    "contract_line_key": f"CL-{key}", "product": "core", "seats": seats, "currency": "USD", "line_value_annual": money(value),
                    "line_value_annual_portfolio": money(value), "portfolio_currency": "USD", "renewal_date": opt_out + timedelta(days=60), "opt_out_date": opt_out,
                    "days_to_opt_out": (opt_out - night).days, "risk_band": band, "lean_risk": score,
                }
            )  # fmt: skip
            previous = max((day for day in nights if day < night), default=None)
            scores.append(
                common | {
                    "lean_risk": score, "risk_band": band, "previous_as_of_date": previous, "previous_band": "green" if key == "ACC-2" else band,
                    "why": "points of shelfware" if score else None, "coverage": 0.4 if score is None else 1.0,
                }
            )  # fmt: skip
            states.append(
                common | {"phase": 4, "phase_name": "Value Activation", "entered_on": date(2026, 5, 1), "days_in_phase": 58 - then.days, "open_overlays": "[]",
                          "blocking_requirement": "Utilisation at the band", "blocking_status": "unmet", "who_is_chased": "csm", "action": "Raise the share of seats in use"}
            )  # fmt: skip
        add(warehouse, "fct_account_signals", *signals)
        add(warehouse, "fct_license_waste", *lines)
        add(warehouse, "fct_renewals", *renewals)
        add(warehouse, "fct_health_scores", *scores)
        add(warehouse, "fct_account_state", *states)
        bands = [row["risk_band"] for row in signals]
        known = [row["waste_annual"] for row in signals if row["waste_annual"] is not None]
        add(
            warehouse,
            "fct_portfolio_daily",
            {
                "as_of_date": night, "portfolio_currency": "USD", "accounts": len(customers), "accounts_money_measured": len(known), "accounts_money_unknown": len(customers) - len(known),
                "waste_annual": sum(known), "unused_value_annual": sum(row["unused_value_annual"] or 0 for row in signals), "accounts_red": bands.count("red"),
                "accounts_yellow": bands.count("yellow"), "accounts_green": bands.count("green"), "accounts_unknown": bands.count("unknown"), "tickets_open": 2 * len(customers),
                "accounts_usage_measured": len(known),
            },
        )  # fmt: skip
        add(warehouse, "fct_data_quality", {"as_of_date": night, "entity": "ticket", "metric": "is_fed", "detail": "", "value": 1.0, "status": "ok"})
    return warehouse


def request(
    key: str,
    document: str,
    *,
    state: str = "pending",
    night: date = NIGHT,
    role: str = "csm",
    decided: datetime | None = None,
    by: str | None = None,
    number: int = 1,
):
    """A row of fct_approvals, asked on the morning after its night, as the pipeline does."""
    return {
        "request_id": f"req-{key}-{document}-{number}", "account_key": key, "account_name": key, "document": document, "version": number, "as_of_date": night, "state": state,
        "approver_role": role, "decided_at": decided, "decided_by": by, "created_at": datetime.combine(night + timedelta(days=1), datetime.min.time().replace(hour=6)),
    }  # fmt: skip


def alert(key: str, kind: str = "muri_crossing", *, night: date = NIGHT, acknowledged: datetime | None = None):
    return {
        "alert_id": f"alert-{key}-{kind}", "account_key": key, "account_name": key, "kind": kind, "episode": night.isoformat(), "as_of_date": night,
        "created_at": datetime.combine(night + timedelta(days=1), datetime.min.time()), "is_acknowledged": acknowledged is not None, "acknowledged_at": acknowledged,
        "acknowledged_by": "dora" if acknowledged else None,
    }  # fmt: skip


#: A name that would end a script, begin an attribute or run as a formula if a page forgot to escape it.
HOSTILE = '=cmd|"</script><script>alert(1)</script><img src=x onerror=alert(2)>&'


def furnish(warehouse: DuckDBWarehouse) -> DuckDBWarehouse:
    """What the pages of an account show besides: weeks with a gap, risks, actions, requirements, drafts, decisions; one account with a hostile name."""
    weeks = [NIGHT - timedelta(days=NIGHT.weekday() + 7 * ago) for ago in range(12, 0, -1)]
    add(
        warehouse,
        "fct_account_weeks",
        *[
            {"account_key": key, "as_of_date": NIGHT, "week_start": week, "active_users": None if place == 5 else active - place, "tickets_opened": place % 3, "is_known_event_week": False}
            for key, active in (("ACC-1", 280), ("ACC-2", 120), ("ACC-3", 77))
            for place, week in enumerate(weeks)
        ],
    )  # fmt: skip
    add(
        warehouse,
        "fct_risks",
        {
            "account_key": "ACC-1",
            "account_name": "Alder Media",
            "as_of_date": NIGHT,
            "rule_id": "MUDA_SHELFWARE",
            "severity": "high",
            "risk_status": "open",
            "summary": "100 of 400 seats are beyond need.",
        },
    )
    action = {
        "as_of_date": NIGHT,
        "requirement_id": "p4_adoption",
        "title": "Utilisation",
        "action": "Right-size the contract",
        "status": "open",
        "queue_kind": "csm",
        "queue_rank": 1,
        "account_rank": 1,
        "is_in_capacity": True,
        "effort_hours": 2.0,
        "who_is_chased": "csm",
        "why": "70 % of the seats are in use.",
    }
    add(warehouse, "fct_next_best_actions", action | {"account_key": "ACC-1", "account_name": "Alder Media"})
    add(
        warehouse,
        "fct_requirements",
        {
            "account_key": "ACC-1",
            "account_name": "Alder Media",
            "as_of_date": NIGHT,
            "phase": 4,
            "requirement_id": "p4_adoption",
            "title": "Utilisation at the band",
            "status": "unmet",
            "is_mandatory": True,
            "evidence": "70 % of the seats are in use.",
        },
    )
    add(
        warehouse,
        "fct_health_contributions",
        {
            "account_key": "ACC-1",
            "account_name": "Alder Media",
            "as_of_date": NIGHT,
            "measure": "shelfware",
            "dimension": "muda",
            "status": "ok",
            "contribution": 70.0,
            "change": 1.5,
        },
    )
    add(
        warehouse,
        "fct_approvals",
        request("ACC-1", "save_play", night=BEFORE),
        request("ACC-2", "success_plan", state="approved", by="dora", decided=datetime(2026, 6, 29, 8)),
    )
    add(
        warehouse,
        "fct_plans",
        {
            "draft_id": "d-1",
            "account_key": "ACC-3",
            "account_name": "Cedar Health",
            "document": "success_plan",
            "as_of_date": NIGHT,
            "version": 1,
            "is_newest": True,
            "status": "held",
            "gate_finding_count": 1,
            "created_at": datetime(2026, 6, 29),
        },
    )
    add(
        warehouse,
        "fct_llm_costs",
        {
            "account_key": "ACC-1",
            "document": "save_play",
            "as_of_date": NIGHT,
            "calls": 2,
            "calls_without_price": 0,
            "cost_usd": Decimal("0.25"),
            "drafts": 1,
            "drafts_held": 0,
            "drafts_offline": 0,
            "drafts_approved": 0,
        },
    )
    with warehouse.session() as session:
        for mart, columns in contracts().items():
            if {"account_name", "account_key"} <= set(columns):
                session.execute(f"update marts.{mart} set account_name = ? where account_key = 'ACC-4'", [HOSTILE])
    return warehouse
