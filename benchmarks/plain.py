"""Runs plain.sql, and compares what it wrote with the marts that dbt wrote, row by row."""

from __future__ import annotations

import time
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings

SCRIPT = Path(__file__).with_name("plain.sql")
TOLERANCE = 1e-9


def run_plain(settings: Settings, as_of: date, *, currency: str = "USD") -> dict[str, float]:
    """Run plain.sql on the warehouse file for `as_of`; seconds per statement that took more than a hundredth, named by its first line."""
    from vim_pipelines.warehouse.duckdb import DuckDBWarehouse

    warehouse = DuckDBWarehouse(settings.warehouse_path, memory_limit=settings.duckdb_memory_limit)
    text = SCRIPT.read_text().replace("{as_of}", as_of.isoformat()).replace("{currency}", currency)
    seconds: dict[str, float] = {}
    with warehouse.session() as session:
        for number, (label, statement) in enumerate(statements(text)):
            started = time.monotonic()
            session.execute(statement)
            took = time.monotonic() - started
            if took > 0.01:
                seconds[f"{number:03d} {label}"] = round(took, 3)
    return seconds


def statements(text: str) -> list[tuple[str, str]]:
    """The statements of a script, each with its first line that is no comment; no statement of the script holds a semicolon inside."""
    found = []
    for part in text.split(";\n"):
        lines = [line for line in part.splitlines() if line.strip() and not line.strip().startswith("--")]
        if lines:
            found.append((lines[0][:80], part))
    return found


def compare_marts(settings: Settings, as_of: date) -> dict[str, dict[str, Any]]:
    """Per table of the schema `plain`: rows on both sides, and the columns (with the number of rows) in which they differ.

    Floats may differ by 1e-9, relative above 1 and absolute below. Rows are matched on all columns that are part of the mart's grain.
    """
    from vim_pipelines.warehouse.duckdb import DuckDBWarehouse

    result: dict[str, dict[str, Any]] = {}
    with DuckDBWarehouse(settings.warehouse_path, memory_limit=settings.duckdb_memory_limit).session(read_only=True) as session:
        tables = session.rows("select table_name from information_schema.tables where table_schema = 'plain' order by table_name")
        for table in (row["table_name"] for row in tables):
            columns = session.rows(
                "select column_name, data_type from information_schema.columns where table_schema = 'marts' and table_name = ? order by ordinal_position",
                [table],
            )
            names = [row["column_name"] for row in columns]
            given = {
                row["column_name"]
                for row in session.rows("select column_name from information_schema.columns where table_schema = 'plain' and table_name = ?", [table])
            }
            if given != set(names):
                result[table] = {"columns_missing": sorted(set(names) - given), "columns_not_in_mart": sorted(given - set(names))}
                continue
            grain = GRAINS[table]
            differing = [
                f"count(*) filter (where {_differs(row['column_name'], row['data_type'])}) as {row['column_name']}"
                for row in columns
                if row["column_name"] not in grain
            ]
            where = "" if table == "dim_accounts" else f"where as_of_date = date '{as_of}'"
            on = " and ".join(f"a.{name} is not distinct from b.{name}" for name in grain)
            found = session.rows(
                f"with a as (select *, true as here from marts.{table} {where}), b as (select *, true as here from plain.{table} {where})"
                f" select count(a.here) as mart_rows, count(b.here) as plain_rows, count(*) filter (where a.here is null or b.here is null) as unmatched,"
                f" {', '.join(differing)} from a full join b on {on}"
            )[0]
            result[table] = {name: found.pop(name) for name in ("mart_rows", "plain_rows", "unmatched")} | {"differing": {k: v for k, v in found.items() if v}}
    return result


def _differs(name: str, kind: str) -> str:
    if kind == "DOUBLE":
        return f"(a.{name} is null) <> (b.{name} is null) or abs(a.{name} - b.{name}) > {TOLERANCE} * greatest(1, abs(a.{name}))"
    return f"a.{name} is distinct from b.{name}"


#: The columns that make a row of each mart unique.
GRAINS: dict[str, tuple[str, ...]] = {
    "dim_accounts": ("account_key",),
    "fct_account_signals": ("account_key",),
    "fct_adoption_variance": ("account_key",),
    "fct_ticket_load": ("account_key",),
    "fct_license_waste": ("contract_line_key",),
    "fct_renewals": ("contract_line_key",),
    "fct_risks": ("account_key", "rule_id"),
    "fct_portfolio_daily": ("as_of_date",),
    "fct_feature_use": ("account_key", "product", "feature"),
    "fct_waste_sensitivity": ("contract_line_key", "headroom"),
    "fct_user_last_seen": ("account_key", "user_key"),
    "fct_revenue_retention": ("segment",),
    "fct_time_to_value": ("segment",),
    "fct_account_measures": ("account_key", "measure", "product"),
    "fct_health_scores": ("account_key",),
    "fct_health_contributions": ("account_key", "measure"),
    "fct_account_facts": ("account_key", "metric", "scope"),
    "fct_data_quality": ("entity", "metric", "detail"),
    "fct_account_state": ("account_key",),
    "fct_phase_transitions": ("account_key", "to_phase"),
    "fct_requirements": ("account_key", "requirement_id"),
}
