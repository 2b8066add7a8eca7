"""Who may read on Snowflake: one role that sees the schema `marts` and nothing else.

An administrator makes the role once (deploy/snowflake/reader.sql), with rights on future tables too. Each publication gives the rights of
today's tables again, since a table or view that was made anew lost its own, and looks whether somebody has given the role more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from vim_pipelines.core.errors import VimError

if TYPE_CHECKING:
    from vim_pipelines.warehouse import Warehouse

#: A name that needs no quotes in SQL. Anything else in a statement would be an injection, or a role that was made with quotes.
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")
#: What a reader needs beside the schema: to enter the database, and a virtual warehouse to compute on.
_HARMLESS = {("USAGE", "DATABASE"), ("USAGE", "WAREHOUSE"), ("OPERATE", "WAREHOUSE"), ("MONITOR", "WAREHOUSE")}


def refresh_reader_role(warehouse: Warehouse) -> tuple[str, ...]:
    """Give `snowflake_reader_role` what it may read, and check that it may read no more; the statements that were run, none without such a role.

    VIM-E170 if the role has rights beyond the schema `marts`.
    """
    settings = warehouse.settings  # type: ignore[attr-defined]
    role, database = settings.snowflake_reader_role, settings.snowflake_database
    if not role:
        return ()
    statements = grants(database, role)
    with warehouse.session() as session:
        for statement in statements:
            session.execute(statement)
        surplus = beyond_marts(session.rows(f"show grants to role {role}"), database)
    if surplus:
        raise VimError(
            "VIM-E170",
            f"The reader role {role} may do more than read the marts",
            why="; ".join(surplus[:5]) + (f" and {len(surplus) - 5} more" if len(surplus) > 5 else ""),
            fix=f"Revoke it: revoke ... from role {role}. deploy/snowflake/reader.sql lists what it needs",
        )
    return statements


def grants(database: str, role: str) -> tuple[str, ...]:
    """What the owner of the tables can give by itself; the rest (database, future tables, warehouse) is in deploy/snowflake/reader.sql. VIM-E002 for an odd name."""
    for name in (database, role):
        if not _PLAIN_NAME.fullmatch(name):
            raise VimError("VIM-E002", f"{name!r} is not a plain Snowflake name", fix="Use letters, digits and underscores, without quotes")
    schema = f"{database}.marts"
    return (
        f"grant usage on schema {schema} to role {role}",
        f"grant select on all tables in schema {schema} to role {role}",
        f"grant select on all views in schema {schema} to role {role}",
    )


def beyond_marts(granted: Iterable[Mapping[str, Any]], database: str) -> list[str]:
    """Rights of `show grants to role` (columns privilege, granted_on, name) that a reader of `marts` should not have, in words."""
    schema = f"{database}.marts".upper()
    surplus = []
    for row in granted:
        privilege, kind, name = str(row["privilege"]).upper(), str(row["granted_on"]).upper().replace("_", " "), str(row["name"]).upper().replace('"', "")
        if (privilege, kind) in _HARMLESS:
            continue
        if (privilege, kind) == ("USAGE", "SCHEMA") and name == schema:
            continue
        if privilege == "SELECT" and kind in ("TABLE", "VIEW") and name.startswith(f"{schema}."):
            continue
        surplus.append(f"{privilege.lower()} on {kind.lower()} {name}")
    return surplus
