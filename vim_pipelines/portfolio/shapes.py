"""Ready field mappings for the tables that telemetry vendors write: `shape: segment` or `shape: posthog` in a portfolio file.

What a vendor's table is called and where it keeps an event's account is the vendor's contract, the same for every customer; only the
product's name and the group type differ. A mapping that a file gives under `fields` replaces the shape's of that column.

Sources, read in November 2026: Segment, "Warehouse Schemas" (tracks and groups; a column exists only once a value was sent, hence
`optional`); PostHog, "Batch exports: events model" for S3, Snowflake and Postgres (the S3 files hold ingestion times and person
properties, the tables may not: then an event counts as known when it happened).
"""

from __future__ import annotations

from typing import Any

SEGMENT: dict[str, Any] = {
    "event_id": {"field": "id"},
    "account_key": {"field": "context_group_id", "optional": True},
    "user_key": {"field": "user_id", "optional": True},
    "user_email": {"any_of": ["context_traits_email", "email"], "optional": True},
    "feature": {"field": "event"},
    "event_name": {"any_of": ["event_text", "event"]},
    "occurred_at": {"field": "timestamp"},  # corrected for the client's clock by Segment; original_timestamp and sent_at are not
    "recorded_at": {"field": "received_at"},
}
POSTHOG: dict[str, Any] = {
    "event_id": {"field": "uuid"},
    "account_key": {"any_of": ["properties.$groups.company", "properties.$group_0", "$group_0"], "optional": True},
    "user_key": {"any_of": ["person_id", "distinct_id"]},
    "user_email": {"any_of": ["person_properties.email", "properties.$set.email", "set.email", "people_set.email"], "optional": True},
    "feature": {"field": "event"},
    "event_name": {"field": "event"},
    "occurred_at": {"field": "timestamp"},
    "recorded_at": {"any_of": ["_inserted_at", "created_at", "timestamp"]},
}
SHAPES: dict[str, dict[str, Any]] = {"segment": SEGMENT, "posthog": POSTHOG}
#: The columns of Segment's `groups` table that say from when a user belonged to a group.
GROUP_COLUMNS = ("user_id", "group_id", "timestamp")
