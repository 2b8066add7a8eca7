"""Opening the operations store, with its schema brought to the newest migration.

SQLite runs in WAL mode with a busy time-out, so that the inbox and a run can write at the same time; `begin immediate` on
writing sessions keeps two of them from deadlocking on a lock upgrade.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

from vim_pipelines.core.errors import VimError
from vim_pipelines.settings import Settings

READ_ONLY = "vim_read_only"
READ_ONLY_OPTIONS: Any = {READ_ONLY: True, "postgresql_readonly": True}


class Store:
    """The operations store. `session()` is one transaction: it commits at the end of the block, rolls back on an exception."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._sessions = sessionmaker(engine, expire_on_commit=False)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """One transaction."""
        with self._sessions() as session, session.begin():
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A view of one moment that writes nothing. On SQLite it waits for no writer, and no writer for it (a write in it is refused)."""
        with self._sessions() as session:
            session.connection(execution_options=READ_ONLY_OPTIONS)
            yield session


def open_store(settings: Settings, *, migrate: bool = True) -> Store:
    """The store that the settings name, migrated to the newest revision unless `migrate` is false."""
    url = make_url(settings.operations_url)
    if url.get_backend_name() == "sqlite" and url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = _engine(url)
    if migrate:
        from vim_pipelines.store.migrations import upgrade

        try:
            upgrade(engine)
        except OperationalError as error:
            raise VimError(
                "VIM-E027",
                f"The operations store {url.render_as_string(hide_password=True)} cannot be opened",
                why=str(error.orig).strip().splitlines()[0] if error.orig else "",
                fix="Check VIMOTION_STORE_URL, that the server answers, and the rights on the file or database",
            ) from None
    return Store(engine)


def _engine(url: Any) -> Engine:
    if url.get_backend_name() != "sqlite":
        if url.drivername == "postgresql":  # SQLAlchemy would look for psycopg2, which we do not ship
            url = url.set(drivername="postgresql+psycopg")
        # A server set up in the C locale makes databases in SQL_ASCII, of which psycopg hands out texts as bytes unless the client says what they are.
        return create_engine(url, pool_pre_ping=True, connect_args={"client_encoding": "utf8"} if url.get_backend_name() == "postgresql" else {})
    engine = create_engine(url, connect_args={"timeout": 30})

    @event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy's own BEGIN below decides, not the driver's late one
        for pragma in ("journal_mode = wal", "busy_timeout = 30000", "foreign_keys = on", "synchronous = full"):
            connection.execute(f"pragma {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        is_read = connection.get_execution_options().get(READ_ONLY, False)
        connection.exec_driver_sql(f"pragma query_only = {'on' if is_read else 'off'}")
        connection.exec_driver_sql("begin deferred" if is_read else "begin immediate")

    return engine
