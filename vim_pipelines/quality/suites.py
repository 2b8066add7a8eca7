"""What raw must look like before anything is computed or paid for, as data: one suite of expectations per entity.

Only what dbt cannot ask is here: the state of raw itself (versions, quarantine, coverage, freshness). Uniqueness of the latest
version, value ranges of models and relationships between models are dbt tests; no rule stands in both places.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

from vim_pipelines.portfolio.entities import ENTITIES, VERSION_COLUMNS
from vim_pipelines.portfolio.model import USAGE

Severity = Literal["error", "warn"]

#: Without these there is nothing to audit: an empty table of one of them stops the night if a source feeds it.
MANDATORY = ("account", "contract_line")
#: Above this share of a load set aside, the mapping or the source is broken rather than some rows.
QUARANTINE_SHARE = 0.20
#: Telemetry older than this is reported: measures turn stale, and somebody should ask why.
FRESH_TELEMETRY = timedelta(days=3)
#: Share of rows whose account must be known. Deleted customers leave orphans; more than this is a wrong mapping.
KNOWN_ACCOUNT_SHARE = 0.90


@dataclass(frozen=True)
class Gate:
    """One expectation: its name for people, Great Expectations' type and arguments, and whether failing stops the night."""

    name: str
    expectation: str
    severity: Severity
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Suite:
    """The gates of one entity, each on one of two frames: `rows` (raw versions) or `facts` (one row of aggregates computed in SQL)."""

    entity: str
    on_rows: tuple[Gate, ...] = ()
    on_facts: tuple[Gate, ...] = ()


def _facts(name: str, column: str, severity: Severity, *, low: float | None = None, high: float | None = None) -> Gate:
    bounds = {key: value for key, value in (("min_value", low), ("max_value", high)) if value is not None}
    return Gate(name, "expect_column_values_to_be_between", severity, {"column": column, **bounds})


def suite(entity: str) -> Suite:
    """The gates of a fed entity."""
    quarantine = _facts("few_rows_quarantined", "quarantined_share", "error", high=QUARANTINE_SHARE)
    if entity == USAGE:
        return Suite(
            USAGE,
            on_facts=(
                quarantine,
                _facts("has_rows", "row_count", "warn", low=1),
                _facts("event_id_is_known", "null_event_ids", "error", high=0),
                _facts("times_are_known", "null_times", "error", high=0),
                _facts("nothing_from_after_the_read", "events_after_read", "error", high=0),
                _facts("telemetry_is_fresh", "days_since_last_arrival", "warn", high=FRESH_TELEMETRY.days),
                _facts("most_events_have_an_account", "attributed_share", "warn", low=0.80),
            ),
        )
    shape = ENTITIES[entity]
    rows = [
        Gate(
            "columns_are_there",
            "expect_table_columns_to_match_set",
            "error",
            {"column_set": [c.name for c in (*shape.columns, *VERSION_COLUMNS)], "exact_match": False},
        ),
        Gate("key_is_known", "expect_column_values_to_not_be_null", "error", {"column": shape.key}),
        Gate("known_at_is_known", "expect_column_values_to_not_be_null", "error", {"column": "known_at"}),
        Gate("version_stands_once", "expect_compound_columns_to_be_unique", "error", {"column_list": [shape.key, "content_hash", "known_at", "is_deleted"]}),
    ]
    if entity == "contract_line":
        rows.append(Gate("seats_are_not_negative", "expect_column_values_to_be_between", "error", {"column": "seats", "min_value": 0}))
    if entity != "account" and "account_key" in shape.column_by_name:
        rows.append(
            Gate("account_exists", "expect_column_values_to_be_in_set", "warn", {"column": "account_key", "value_set": None, "mostly": KNOWN_ACCOUNT_SHARE})
        )
    return Suite(entity, tuple(rows), (quarantine, _facts("has_rows", "row_count", "error" if entity in MANDATORY else "warn", low=1)))
