"""A person in the warehouse: every text column of every table of ours, searched and cleaned in one transaction.

Not a list of columns that hold persons: such a list is wrong the day somebody adds a column. What is found by SQL (all words of one
identifier in one value) is judged by the same rule that ingestion uses, and written back where the rule changes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from vim_pipelines.core.hashing import sha256_json
from vim_pipelines.core.suppression import Suppression, words_of
from vim_pipelines.ingestion.tables import append_rows, version_columns
from vim_pipelines.portfolio.entities import ENTITIES, Entity
from vim_pipelines.warehouse.base import SCHEMAS

if TYPE_CHECKING:
    from vim_pipelines.privacy.who import Identity
    from vim_pipelines.warehouse import Session

TEXT_TYPES = frozenset({"VARCHAR", "TEXT", "STRING", "CHARACTER VARYING", "JSON", "VARIANT"})


@dataclass
class Sweep:
    """What a search found: changed values (or rows, in raw entities) by table, and values that name the person outside the person's own accounts."""

    changed: dict[str, int] = field(default_factory=dict)
    elsewhere: dict[str, int] = field(default_factory=dict)

    def count(self, table: str, number: int) -> None:
        """Add to a table's number."""
        if number:
            self.changed[table] = self.changed.get(table, 0) + number


def sweep(session: Session, identity: Identity, suppression: Suppression, *, now: datetime, write: bool) -> Sweep:
    """Replace the person by tokens everywhere, or count what would be. Inside the caller's transaction."""
    found = Sweep()
    entity_by_table = {f"raw.{entity.table}": entity for entity in ENTITIES.values()}
    for table, columns in text_columns(session).items():
        hit = _columns_with_hits(session, table, columns, identity)
        if not hit:
            continue
        all_columns = session.column_names(table)
        if table in entity_by_table:
            _clean_versions(session, entity_by_table[table], hit, identity, suppression, found, now=now, write=write)
        else:
            for column in hit:
                _clean_column(session, table, column, all_columns, identity, suppression, found, write=write)
        if write and {"contact_key", "title"} <= all_columns and table not in entity_by_table:
            for key in identity.contact_keys:  # a title beside an account is a name in other words
                session.execute(f"update {table} set title = null where contact_key = ?", [suppression.token_of_key(key)])
    return found


def text_columns(session: Session) -> dict[str, list[str]]:
    """The text columns of every table of ours that is stored (no views), by `schema.table`, in lower case."""
    schemas = ", ".join(f"'{schema}'" for schema in SCHEMAS)
    here = "and c.table_catalog = current_database()" if session.dialect == "duckdb" else ""
    rows = session.rows(
        "select lower(c.table_schema) as table_schema, lower(c.table_name) as table_name, lower(c.column_name) as column_name, upper(c.data_type) as data_type"
        " from information_schema.columns c join information_schema.tables t"
        " on c.table_catalog = t.table_catalog and c.table_schema = t.table_schema and c.table_name = t.table_name"
        f" where lower(c.table_schema) in ({schemas}) and t.table_type <> 'VIEW' {here} order by 1, 2, 3"
    )
    found: dict[str, list[str]] = {}
    for row in rows:
        if row["data_type"].split("(")[0] in TEXT_TYPES:
            found.setdefault(f"{row['table_schema']}.{row['table_name']}", []).append(row["column_name"])
    return found


def _condition(column: str, identity: Identity) -> tuple[str, list[str]]:
    """SQL that holds for every value in which the person may be named, and its parameters. Wider than the rule, never narrower."""
    parts, parameters = [], []
    for text in identity.called():
        needles = [max(word.split("'"), key=len) for word in words_of(text)]
        parts.append("(" + " and ".join(f"lower({column}) like ?" for _needle in needles) + ")")
        parameters += [f"%{needle}%" for needle in needles]
    return "(" + " or ".join(parts) + ")", parameters


def _columns_with_hits(session: Session, table: str, columns: Sequence[str], identity: Identity) -> list[str]:
    """One reading of the table tells which columns are worth a second."""
    asked, parameters = [], []
    for place, column in enumerate(columns):
        condition, values = _condition(column, identity)
        asked.append(f"max(case when {condition} then 1 else 0 end) as hit_{place}")
        parameters += values
    row = session.rows(f"select {', '.join(asked)} from {table}", parameters)[0]
    return [column for place, column in enumerate(columns) if row[f"hit_{place}"]]


def _clean_column(
    session: Session, table: str, column: str, all_columns: set[str], identity: Identity, suppression: Suppression, found: Sweep, *, write: bool
) -> None:
    condition, parameters = _condition(column, identity)
    beside = [name for name in ("account_key", "contact_key") if name in all_columns and name != column]
    listed = ", ".join([column, *beside])
    for row in session.rows(f"select {listed}, count(*) as times from {table} where {condition} group by {listed}", parameters):
        value, account = row[column], row.get("account_key")
        is_another = row.get("contact_key") is not None and not _is_theirs(row["contact_key"], identity, suppression)
        scope = None if is_another else (account if "account_key" in beside and account is not None else identity.scope)
        cleaned = suppression.clean(value, account=scope, column=column)
        if cleaned == value:
            if any(suppression.clean(value, account=name) != value for name in identity.accounts):
                found.elsewhere[table] = found.elsewhere.get(table, 0) + int(row["times"])
            continue
        found.count(table, int(row["times"]))
        if write:
            same = " and ".join(f"{name} is not distinct from ?" for name in beside)
            session.execute(
                f"update {table} set {column} = ? where {column} = ?{' and ' + same if same else ''}", [cleaned, value, *(row[name] for name in beside)]
            )


def _is_theirs(key: str, identity: Identity, suppression: Suppression) -> bool:
    return key in identity.contact_keys or key in {suppression.token_of_key(own) for own in identity.contact_keys}


def _clean_versions(
    session: Session, entity: Entity, columns: Sequence[str], identity: Identity, suppression: Suppression, found: Sweep, *, now: datetime, write: bool
) -> None:
    """Rows of a raw entity, with their content's hash made anew: it is what the next reading is compared with.

    The person's own contact is ended besides: a source that only tells what changed would otherwise leave a nameless sponsor for ever.
    """
    table = f"raw.{entity.table}"
    conditions, parameters = [], []
    for column in columns:
        condition, values = _condition(column, identity)
        conditions.append(condition)
        parameters += values
    ended: dict[str, dict[str, Any]] = {}
    for row in session.rows(f"select * from {table} where {' or '.join(conditions)} order by known_at, captured_at", parameters):
        is_contact = entity.name == "contact"
        is_own = is_contact and row["contact_key"] in identity.contact_keys
        scope = row.get("account_key") if "account_key" in entity.column_by_name else identity.scope
        if is_contact and not is_own:
            scope = None  # a namesake
        changed = dict(row)
        for own in entity.columns:
            if own.type == "text" and own.name != "account_key" and isinstance(row[own.name], str):
                changed[own.name] = suppression.clean(row[own.name], account=scope, column=own.name)
        if is_own:
            changed["title"] = None
        if changed == row:
            if is_contact and any(
                suppression.clean(row["full_name"] or "", account=name) != row["full_name"] for name in identity.accounts if row["full_name"]
            ):
                found.elsewhere[table] = found.elsewhere.get(table, 0) + 1
            continue
        changed["content_hash"] = sha256_json({column.name: changed[column.name] for column in entity.columns})
        found.count(table, 1)
        if write:
            session.execute(
                f"delete from {table} where {entity.key} = ? and known_at = ? and captured_at = ? and content_hash = ?",
                [row[entity.key], row["known_at"], row["captured_at"], row["content_hash"]],
            )
            append_rows(session, table, [{name: changed[name] for name in version_columns(entity)}])
        if is_own:
            ended[changed["contact_key"]] = changed
    if write:
        last = [row | {"is_deleted": True, "known_at": max(now, row["known_at"]), "captured_at": now} for row in ended.values() if not row["is_deleted"]]
        append_rows(session, table, [{name: row[name] for name in version_columns(entity)} for row in last])
