"""The same telemetry on Snowflake, through the real connector against the fakesnow server: files staged, tables read in place."""

from __future__ import annotations

from test_ingest_snowflake import on_snowflake, snowflake_port  # noqa: F401 - the fixture
from test_telemetry_load import attributed, check_tables, event, lines, on_tables, posthog  # noqa: F401 - the fixture


def test_json_lines_and_the_ladder_on_snowflake(posthog, snowflake_port):  # noqa: F811
    posthog.write(
        "posthog/a.jsonl",
        lines(
            event("E1", "P1", company="A1"),
            event("E1", "P1", company="A1"),
            event("E3", "P3", email="new@birch.example"),
            event("E5", "P5", email="two@alder.example"),
            event("E8", "P8", email="who@shared.example"),
            event("E9", "P9", at="2031-01-01T00:00:00Z"),
        ),
    )
    on_snowflake(posthog, snowflake_port, "JSONL")
    load = next(item for item in posthog.ingest().entities if item.entity == "usage_event")
    assert (load.rows_read, load.versions_added, load.rows_repeated, load.rows_quarantined) == (6, 4, 1, 1)
    expected = {"E1": ("A1", "org_id"), "E3": ("A2", "domain"), "E5": (None, "ambiguous_contact_email"), "E8": ("A4", "manual")}
    assert attributed(posthog) == expected
    assert posthog.rows("select count(*) as n from raw.usage_staging") == [{"n": 0}]
    assert posthog.rows("select distinct source_file from raw.usage_events") == [{"source_file": "a.jsonl"}]


def test_segment_tables_on_snowflake(desk, snowflake_port):  # noqa: F811
    on_snowflake(desk, snowflake_port, "TABLES")
    check_tables(on_tables(desk))
