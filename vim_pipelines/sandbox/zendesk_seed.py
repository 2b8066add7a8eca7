"""The simulated tickets as Zendesk would hold them: numeric ids, organisations linked to the CRM by external id, metrics apart.

Ids: a ticket's is the number in its key (`TCK-000123` -> 123), organisations and users get one from a hash of their key, so that a
larger sandbox keeps the ids of a smaller one. The canonical keys are the external ids.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vim_pipelines.sandbox.emulators import seeding
from vim_pipelines.sandbox.emulators.state import STAMP, State
from vim_pipelines.sandbox.emulators.zendesk import TABLES

#: Users have no history here: they are visible from the first moment.
FIRST = "1970-01-01T00:00:00.000+0000"
#: Zendesk's own words for the simulator's levels, written down here and not taken from the client that reads them.
PRIORITY_WORDS = {"P1": "urgent", "P2": "high", "P3": "normal", "P4": "low"}
ESCALATED_TAG = "escalated"


def seed_zendesk(source_dir: Path, db_path: Path) -> int:
    """Replace the account's state by `accounts`, `tickets` and `ticket_events` of `source_dir`; returns rows.

    Rows as of the clock file beside `db_path` are current afterwards.
    """
    accounts, tickets, events = (seeding.read_table(source_dir / f"{name}.parquet") for name in ("accounts", "tickets", "ticket_events"))
    # One numbering for tickets and for the events that name them, or an event would belong to no ticket.
    ids = numeric_ids([*_keys(tickets, "ticket_key"), *_keys(events, "ticket_key")])
    with seeding.fresh_state(db_path, TABLES) as state:
        return _organizations(state, accounts) + _tickets(state, tickets, ids) + _metric_events(state, events, ids)


def hashed_id(key: str) -> int:
    """A number for a key, the same in every sandbox; below 2^48, so that JSON readers keep it exact."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:6], "big")


def numeric_ids(keys: Iterable[str]) -> dict[str, int]:
    """The digits at the end of each key as its id; hashes for all of them if that would make two keys one."""
    distinct = list(dict.fromkeys(keys))
    matches = {key: re.search(r"(\d{1,15})$", key) for key in distinct}
    ids = {key: int(match.group(1)) for key, match in matches.items() if match}
    if len(ids) < len(distinct) or len(set(ids.values())) < len(distinct):
        return {key: hashed_id(key) for key in distinct}
    return ids


def _keys(source: Any, name: str) -> list[str]:
    return [] if source is None else [key for key in seeding.texts(seeding.column(source, name)) if key]


def _organizations(state: State, source: Any) -> int:
    if source is None or source.num_rows == 0:
        return 0
    keys = seeding.texts(seeding.column(source, "account_key"))
    ids = {key: hashed_id(key) for key in set(keys) if key}
    stamps = seeding.stamps(seeding.column(source, "modified_at"))
    return state.seed(
        "organizations",
        {
            "id": [ids[key] for key in keys if key],
            STAMP: stamps,
            "IsDeleted": [0] * source.num_rows,
            "external_id": keys,
            "name": seeding.texts(seeding.column(source, "account_name")),
            "domain": seeding.texts(seeding.column(source, "domain")),
            "created_at": stamps,
        },
    )


def _tickets(state: State, source: Any, ids: dict[str, int]) -> int:
    if source is None or source.num_rows == 0:
        return 0
    keys = seeding.texts(seeding.column(source, "ticket_key"))
    accounts = seeding.texts(seeding.column(source, "account_key"))
    requesters = seeding.texts(seeding.column(source, "requester_key"))
    hashed = {key: hashed_id(key) for key in {*accounts, *requesters} if key}
    users = sorted({key for key in requesters if key})
    system: dict[str, Any] = {STAMP: [FIRST] * len(users), "IsDeleted": [0] * len(users)}
    state.seed("users", {"id": [hashed[key] for key in users], "external_id": users, **system})
    statuses = seeding.texts(seeding.column(source, "status"))
    return state.seed(
        "tickets",
        {
            "id": [ids[key] for key in keys if key],
            STAMP: seeding.stamps(seeding.column(source, "modified_at")),
            "IsDeleted": [int(status == "deleted") for status in statuses],
            "external_id": keys,
            "subject": seeding.texts(seeding.column(source, "subject")),
            "priority": seeding.texts(seeding.column(source, "priority"), PRIORITY_WORDS),
            "status": statuses,
            "organization_id": [hashed.get(key or "") for key in accounts],
            "requester_id": [hashed.get(key or "") for key in requesters],
            "created_at": seeding.stamps(seeding.column(source, "opened_at")),
            "solved_at": seeding.stamps(seeding.column(source, "solved_at")),
            "reopens": [None if count is None else int(count) for count in seeding.numbers(seeding.column(source, "reopen_count"))],
            "tags": [ESCALATED_TAG if flag else "" for flag in seeding.flags(seeding.column(source, "is_escalated"))],
        },
    )


def _metric_events(state: State, source: Any, ticket_ids: dict[str, int]) -> int:
    if source is None or source.num_rows == 0:
        return 0
    keys = seeding.texts(seeding.column(source, "ticket_event_key"))
    tickets = seeding.texts(seeding.column(source, "ticket_key"))
    ids = numeric_ids(key for key in keys if key)
    times = seeding.stamps(seeding.column(source, "occurred_at"))
    return state.seed(
        "metric_events",
        {
            "id": [ids[key] for key in keys if key],
            STAMP: seeding.stamps(seeding.column(source, "modified_at")),
            "IsDeleted": [0] * source.num_rows,
            "ticket_id": [ticket_ids[key] for key in tickets if key],
            "metric": seeding.texts(seeding.column(source, "metric")),
            "instance_id": [1] * source.num_rows,
            "type": seeding.texts(seeding.column(source, "event_type")),
            "time": times,
        },
    )
