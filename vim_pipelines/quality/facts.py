"""What the gates look at, read from raw: figures of a table, figures per account, and the rows of a day in parts of bounded size.

Usage events only ever arrive as one row per account: pulling millions of rows into pandas to learn that none lacks an id would cost
more than the rest of the night. Of the version tables only each key's version of the audited day is looked at row by row, in parts of
at most ROWS_LIMIT rows, so memory does not grow with history.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from vim_pipelines.core.dates import end_of_day
from vim_pipelines.portfolio.entities import ENTITIES, VERSION_COLUMNS, Entity
from vim_pipelines.portfolio.model import USAGE
from vim_pipelines.quality.suites import ACCOUNT_FACTS, USAGE_FACTS, VERSION_FACTS

if TYPE_CHECKING:
    import pandas as pd

    from vim_pipelines.warehouse import Session

#: Rows that are looked at at once; a larger table is read in parts by the hash of its key.
ROWS_LIMIT = 200_000
#: Rows read below which a load's own share of bad rows says nothing.
SMALL_LOAD = 20
#: Reason of a row that passed ingestion and failed a gate, before the gate's name.
GATE_REASON = "gate:"

#: The events that make an account fact; a fact without a condition here is no fault of single events.
EVENT_CONDITIONS = {"events_after_read": "occurred_at > newest.captured_at"}
_HASHES = 256

# One bad row among the two that changed today is no broken source: a small load is judged by all that raw holds. Rows that a gate set
# aside stand in the table and in the quarantine: they are not counted twice.
_SHARE = """(
    select case when rows_read >= {small} then rows_quarantined * 1.0 / rows_read else set_aside * 1.0 / nullif(kept + set_aside, 0) end
    from (select * from raw.loads where entity = '{entity}' and status = 'ok' qualify row_number() over (order by load_id desc) = 1) as newest
    cross join (select count({key}) as kept from {table}) as kept_rows
    cross join (select count(*) as set_aside from raw.quarantine where entity = '{entity}' and reason not like '{mark}%') as quarantined_rows
)"""

_VERSION_FACTS = """
select
    (select count(*) from {table} where not is_deleted) as row_count,
    (select count(*) from {table} where {key} is null) as null_keys,
    (select count(*) from {table} where known_at is null) as null_known_at,
    (
        select coalesce(sum(times - 1), 0)
        from (
            select count(*) as times from {table} where {key} is not null group by {key}, content_hash, known_at, is_deleted having count(*) > 1
        ) as repeated
    ) as repeated_versions,
    {share} as quarantined_share
"""

_USAGE = """
select
    account_key,
    count(*) as row_count,
    sum(case when event_id is null then 1 else 0 end) as null_event_ids,
    sum(case when occurred_at is null or recorded_at is null then 1 else 0 end) as null_times,
    sum(case when occurred_at > read_at then 1 else 0 end) as events_after_read,
    max(recorded_at) as last_arrival
from raw.usage_events
cross join (select max(captured_at) as read_at from raw.loads) as reading
where recorded_at is null or recorded_at < ?
group by account_key
"""

#: The version of each row that the models of the day read (macro latest_versions).
_ROWS = """
select {columns}
from (
    select
        *,
        row_number() over (
            partition by {key} order by known_at desc nulls last, captured_at desc nulls last, content_hash desc nulls last
        ) as version_rank
    from {table}
    where known_at < ? and {key} is not null {part}
) as ranked
where version_rank = 1 and not is_deleted
"""


def table_of(entity: str) -> str:
    """`schema.table` of an entity."""
    return "raw.usage_events" if entity == USAGE else f"raw.{ENTITIES[entity].table}"


def canonical_columns(entity: str) -> list[str]:
    """The columns that the raw table of a version entity must have."""
    return [column.name for column in (*ENTITIES[entity].columns, *VERSION_COLUMNS)]


def version_facts(session: Session, entity: str) -> pd.DataFrame:
    """One row with VERSION_FACTS; None where there is nothing to measure."""
    table, key = table_of(entity), ENTITIES[entity].key
    return session.query(_VERSION_FACTS.format(table=table, key=key, share=_share(entity, table, key)))[list(VERSION_FACTS)]


def usage_facts(session: Session, as_of: date) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One row with USAGE_FACTS, and one row per account with ACCOUNT_FACTS (account_key beside them), from one pass over the events."""
    import pandas as pd

    counts = session.query(_USAGE, [end_of_day(as_of)])
    total = int(counts["row_count"].sum())
    known = counts["account_key"].notna()
    last = counts["last_arrival"].max() if total else None
    share = session.scalar(f"select {_share(USAGE, table_of(USAGE), 'event_id')} as quarantined_share")
    facts: dict[str, Any] = {
        "row_count": total,
        "null_event_ids": int(counts["null_event_ids"].sum()) if total else None,
        "null_times": int(counts["null_times"].sum()) if total else None,
        "days_since_last_arrival": None if last is None or last != last else (as_of - last.date()).days,
        "attributed_share": float(counts.loc[known, "row_count"].sum()) / total if total else None,
        "quarantined_share": None if share is None else float(share),
    }
    return pd.DataFrame([facts], columns=list(USAGE_FACTS)), counts.loc[known, ["account_key", *ACCOUNT_FACTS[USAGE]]].reset_index(drop=True)


def row_parts(session: Session, entity: str, as_of: date, columns: Sequence[str]) -> Iterator[pd.DataFrame]:
    """The rows that the models of the day read, with `columns`, in frames of about ROWS_LIMIT rows at most."""
    shape = ENTITIES[entity]
    table, end = table_of(entity), end_of_day(as_of)
    keys = int(session.scalar(f"select count(distinct {shape.key}) from {table} where known_at < ?", [end]) or 0)
    parts = min(_HASHES, -(-keys // ROWS_LIMIT))
    for number in range(parts):
        first, last = number * _HASHES // parts, (number + 1) * _HASHES // parts - 1
        part = "" if parts == 1 else f"and substr(md5({shape.key}), 1, 2) between '{first:02x}' and '{last:02x}'"
        frame = session.query(_ROWS.format(columns=", ".join(columns), table=table, key=shape.key, part=part), [end])
        if len(frame):
            yield _dated(shape, frame)


def rows_by_key(session: Session, entity: str, as_of: date, keys: Sequence[str]) -> list[dict[str, Any]]:
    """The day's rows of `keys` with exact values, by key."""
    if not keys:
        return []
    shape = ENTITIES[entity]
    part = f"and {shape.key} in ({', '.join('?' for _ in keys)})"
    sql = _ROWS.format(columns=", ".join(canonical_columns(entity)), table=table_of(entity), key=shape.key, part=part)
    return session.rows(f"{sql} order by {shape.key}", [end_of_day(as_of), *keys])


def usage_rows(session: Session, as_of: date, fact: str, limit: int) -> list[dict[str, Any]]:
    """The events behind an account fact, up to `limit`, by account and event; `load_id` is the newest load's, an event keeps only a number."""
    sql = f"""
        select events.*, newest.load_id, newest.captured_at
        from raw.usage_events as events
        cross join (select max(captured_at) as captured_at, max(load_id) as load_id from raw.loads) as newest
        where account_key is not null and recorded_at < ? and {EVENT_CONDITIONS[fact]}
        order by account_key, event_id
        limit {limit}
    """
    return session.rows(sql, [end_of_day(as_of)])


def known_accounts(session: Session, as_of: date) -> list[str]:
    """The keys of the accounts that the models of the day read."""
    sql = _ROWS.format(columns="account_key", table="raw.accounts", key="account_key", part="")
    return [str(row["account_key"]) for row in session.rows(f"{sql} order by account_key", [end_of_day(as_of)])]


def _share(entity: str, table: str, key: str) -> str:
    return _SHARE.format(entity=entity, table=table, key=key, small=SMALL_LOAD, mark=GATE_REASON)


def _dated(shape: Entity, frame: pd.DataFrame) -> pd.DataFrame:
    """Dates as timestamps on both warehouses: one gives them as objects, which compare with nothing."""
    import numpy as np

    for column in (*shape.columns, *VERSION_COLUMNS):
        if column.type in ("date", "timestamp") and column.name in frame.columns:
            if frame[column.name].dtype.kind == "M":
                frame[column.name] = frame[column.name].astype("datetime64[us]")
                continue
            values = [None if value is None or value != value else value for value in frame[column.name].tolist()]
            frame[column.name] = np.array(values, dtype="datetime64[us]")
        elif column.type in ("integer", "decimal", "rate") and column.name in frame.columns:
            frame[column.name] = frame[column.name].astype("float64")
    return frame
