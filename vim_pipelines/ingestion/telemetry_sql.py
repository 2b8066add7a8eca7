"""How a usage event's columns are written in a warehouse's SQL: names, keys inside JSON, words, times.

Nothing here touches a row. The text is the same for a Parquet file, a converted file and a table, so that the two warehouses and all
sources give one shape.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from vim_pipelines.ingestion.filters import sql_tests
from vim_pipelines.portfolio.entities import ENTITIES
from vim_pipelines.portfolio.model import IDENTITY_COLUMNS, USAGE_MAPPED, Condition, EntityMap, FieldRule

#: What is known of a source column: whether a cast needs care.
ColumnKind = Literal["text", "json", "struct", "time", "zoned", "other"]
#: Every column that an event is read with: the canonical ones, and what only the identity ladder looks at.
EVENT_COLUMNS = (*USAGE_MAPPED, *IDENTITY_COLUMNS)


@dataclass(frozen=True)
class Columns:
    """The columns of a source relation: name (as mapped) to kind; `written` holds names that the warehouse spells otherwise."""

    kinds: Mapping[str, ColumnKind]
    dialect: str = "duckdb"
    prefix: str = "source."
    written: Mapping[str, str] | None = None

    def has(self, field: str) -> bool:
        """Whether `field`, or the column that its path begins in, is there."""
        return self._place(field) is not None

    def sql(self, field: str) -> str:
        """The value of `field`: a column, or for `a.b.c` the key `b.c` inside the JSON of column `a`. NULL where a row's JSON is no JSON."""
        place = self._place(field)
        if place is None:
            return "cast(null as varchar)"
        name, keys = place
        column = self.prefix + quoted((self.written or {}).get(name, name))
        if not keys:
            return column
        if self.dialect == "duckdb":
            path = literal("$" + "".join('."' + key.replace('"', "") + '"' for key in keys))
            if self.kinds[name] == "struct":
                return f"json_extract_string(to_json({column}), {path})"
            return f"case when json_valid({column}) then json_extract_string({column}, {path}) end"
        document = f"try_parse_json({column})" if self.kinds[name] == "text" else column
        return f"cast({document}{''.join('[' + literal(key) + ']' for key in keys)} as varchar)"

    def _place(self, field: str) -> tuple[str, list[str]] | None:
        if field in self.kinds:
            return field, []
        parts = field.split(".")
        for length in range(len(parts) - 1, 0, -1):
            head = ".".join(parts[:length])
            if head in self.kinds:
                return head, parts[length:]
        return None


def present_fields(mapping: EntityMap, columns: Collection[str]) -> list[str]:
    """`columns`, and those mapped fields that need not be asked for: paths into a column that is there, and what is optional."""
    there = Columns(dict.fromkeys(columns, "text"))
    excused = [name for name in mapping.source_fields if there.has(name)]
    for rule in mapping.fields.values():
        if rule.optional or any(there.has(name) for name in rule.any_of):
            excused += [name for name in (*rule.any_of, *([rule.field] if rule.optional and rule.field else []))]
    return [*columns, *excused]


def mapped_select(mapping: EntityMap, columns: Columns, *, account: str | None = None) -> str:
    """`expression as name` for every event column, typed; lookups are left to `lookup_joins`. `account` stands in where the account is empty."""
    said = []
    for column in EVENT_COLUMNS:
        text, kind = _rule_sql(mapping.fields.get(column.name), columns)
        if column.type == "timestamp":
            said.append(f"{_time_sql(text, kind, columns.dialect)} as {column.name}")
            continue
        value = f"nullif(cast({text} as varchar), '')"
        said.append(f"{f'coalesce({value}, {account})' if column.name == 'account_key' and account else value} as {column.name}")
    return ", ".join(said)


def filters_sql(where: Mapping[str, Condition], columns: Columns) -> list[str]:
    """The portfolio file's filters as SQL conditions that must all hold."""
    return [test for name, condition in where.items() for test in sql_tests(columns.sql(name), condition, columns.dialect)]


def lookup_sql(mapping: EntityMap, events: str) -> str:
    """`events` with each looked-up column exchanged for what its key stands for; `events` itself if nothing is looked up."""
    joins, taken = [], {}
    for name, rule in mapping.fields.items():
        if rule.lookup is None:
            continue
        entity, alias = ENTITIES[rule.lookup.entity], f"lookup_{name}"
        newest = (
            f"select {entity.key} as looked_up, {rule.lookup.take} as taken from raw.{entity.table}"
            f" qualify row_number() over (partition by {entity.key} order by known_at desc, captured_at desc, load_id desc) = 1"
        )
        joins.append(f"left join ({newest}) as {alias} on {alias}.looked_up = events.{name}")
        taken[name] = f"cast({alias}.taken as varchar)"
    if not joins:
        return events
    columns = [f"{taken.get(column.name, 'events.' + column.name)} as {column.name}" for column in EVENT_COLUMNS]
    return f"(select {', '.join(columns)}, events.filename from {events} as events {' '.join(joins)})"


def fault_sql(moment: datetime) -> str:
    """Why a row cannot be an event, as `reason: detail`; NULL for one that can. `moment` (naive UTC) is when it was read."""
    return f"""case
        when event_id is null then 'missing_required: event_id'
        when occurred_at is null then 'missing_required: occurred_at'
        when recorded_at is null then 'missing_required: recorded_at'
        when occurred_at > recorded_at + interval '1 day' then 'future_timestamp: occurred more than a day after it was recorded'
        when occurred_at > {timestamp(moment)} then 'future_timestamp: occurred after it was read'
    end"""


def groups_sql(relation: str, columns: Columns) -> str:
    """From when to when each user belonged to which group, out of Segment's group calls: user_id, group_id, from_at, to_at (exclusive).

    Before the first call a user already belonged to that group: tracking calls come minutes before the group is said.
    """
    at = _time_sql(columns.sql("timestamp"), columns.kinds["timestamp"], columns.dialect)
    calls = f"select cast({columns.sql('user_id')} as varchar) as user_id, cast({columns.sql('group_id')} as varchar) as group_id, {at} as called_at from {relation} as source"
    return (
        "(select user_id, group_id,"
        " case when row_number() over (partition by user_id order by called_at, group_id) = 1 then timestamp '0001-01-01 00:00:00' else called_at end as from_at,"
        " lead(called_at) over (partition by user_id order by called_at, group_id) as to_at"
        f" from ({calls}) as calls where user_id is not null and group_id is not null and called_at is not null)"
    )


def groups_join(mapping: EntityMap, columns: Columns, groups: str) -> str:
    """The join of an event's user with `groups` at the time of the event; it gives `membership.group_id`."""
    text, kind = _rule_sql(mapping.fields["occurred_at"], columns)
    at = _time_sql(text, kind, columns.dialect)
    user = f"cast({columns.sql('user_id')} as varchar)"
    return f" left join {groups} as membership on membership.user_id = {user} and membership.from_at <= {at} and (membership.to_at is null or {at} < membership.to_at)"


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: object) -> str:
    """A plain value as SQL."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else "'" + str(value).replace("'", "''") + "'"


def timestamp(moment: datetime) -> str:
    """A naive UTC moment as SQL."""
    return f"timestamp '{moment:%Y-%m-%d %H:%M:%S.%f}'"


def _rule_sql(rule: FieldRule | None, columns: Columns) -> tuple[str, ColumnKind]:
    """The value of a rule before its cast, and what kind of column it comes from."""
    if rule is None:
        return "cast(null as varchar)", "text"
    if rule.hash:
        digest = "sha256" if columns.dialect == "duckdb" else "sha2"
        return f"{digest}(concat_ws('|', " + ", ".join(f"coalesce(cast({columns.sql(name)} as varchar), '')" for name in rule.hash) + "))", "text"
    if rule.any_of:
        there = [name for name in rule.any_of if columns.has(name)]
        if len(there) == 1 and there[0] in columns.kinds:
            return _worded(rule, columns.sql(there[0])), columns.kinds[there[0]]
        values = [f"nullif(cast({columns.sql(name)} as varchar), '')" for name in there]
        return _worded(rule, f"coalesce({', '.join(values)})" if len(values) > 1 else values[0] if values else "cast(null as varchar)"), "text"
    if rule.field is None:
        return literal(rule.constant), "other"
    return _worded(rule, columns.sql(rule.field)), columns.kinds.get(rule.field, "text")


def _worded(rule: FieldRule, text: str) -> str:
    if rule.map:
        word = f"lower(trim(cast({text} as varchar)))"
        cases = " ".join(f"when {literal(source)} then {literal(target)}" for source, target in rule.map.items())
        default = literal(rule.otherwise) if "otherwise" in rule.model_fields_set else text
        return f"case {word} {cases} else {default} end"
    return f"lower({text})" if rule.lower else text


def _time_sql(text: str, kind: ColumnKind, dialect: str) -> str:
    """A timestamp in UTC; text that is no time becomes NULL, and the row goes to quarantine for want of it."""
    if dialect == "duckdb":
        return f"try_cast(try_cast({text} as timestamptz) as timestamp)" if kind in ("text", "json") else f"try_cast({text} as timestamp)"
    if kind in ("text", "json"):
        return f"cast(convert_timezone('UTC', try_to_timestamp_tz(cast({text} as varchar))) as timestamp)"
    return f"cast(convert_timezone('UTC', {text}) as timestamp)" if kind == "zoned" else f"cast({text} as timestamp)"
