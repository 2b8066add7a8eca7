"""Bringing the operations store to the newest schema, from a checkout and from a wheel, on SQLite and on PostgreSQL.

Two things must hold. The command line opens the store on every call, so a store that is already newest may not cost the import
of Alembic (0.3 s): one SELECT decides. And an inbox, a night and a sensor may start together on an empty store, so the whole
upgrade is one transaction behind one lock, and whoever comes second finds nothing left to do.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from vim_pipelines.core.errors import VimError

#: The newest revision. A test keeps it equal to the head of `versions/`.
HEAD = "0006"

#: Revisions that an older store may stand at. Anything else was written by a newer program.
KNOWN = ("0001", "0002", "0003", "0004", "0005", "0006")

#: Key of the PostgreSQL advisory lock that upgrades hold; any fixed number that nothing else in the store uses.
UPGRADE_LOCK = 7_462_001

REVISION_QUERY = "select version_num from alembic_version"


def upgrade(engine: Engine) -> None:
    """Migrate the store behind `engine` to `HEAD`; returns at once if it stands there.

    Raises VIM-E026 if the store was written by a newer version of the program: an older one could damage it.
    """
    revision = current_revision(engine)
    if revision == HEAD:
        return
    if revision is not None and revision not in KNOWN:
        raise VimError(
            "VIM-E026",
            f"The operations store stands at revision {revision}, this program knows {HEAD}",
            why="A newer version of value-in-motion migrated it",
            fix="Upgrade value-in-motion on this machine to the version that the others run",
        )
    _migrate(engine)


def current_revision(engine: Engine) -> str | None:
    """The revision the store stands at, or None for an empty store.

    Goes through the driver's own connection: a transaction of ours would begin with SQLite's write lock and wait for writers.
    """
    errors = engine.dialect.loaded_dbapi.Error
    try:
        with closing(engine.raw_connection()) as connection, closing(connection.cursor()) as cursor:
            cursor.execute(REVISION_QUERY)
            row = cursor.fetchone()
    except errors as error:
        if _is_missing_table(error):
            return None
        raise DBAPIError.instance(REVISION_QUERY, None, error, errors) from error
    return str(row[0]) if row else None


def _is_missing_table(error: Exception) -> bool:
    return "no such table" in str(error) or type(error).__name__ == "UndefinedTable"


def _migrate(engine: Engine) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    with engine.begin() as connection:  # on SQLite this is BEGIN IMMEDIATE: the write lock, until the commit
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql(f"select pg_advisory_xact_lock({UPGRADE_LOCK})")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
