"""Dagster's event log in SQLite, with connections that stay open.

Dagster's own storage makes an engine and a connection for each event and closes them again, which checkpoints the file each time. A night has a
thousand events: 900 of them took 12.6 s of CPU and 72 s in all that way on a busy machine, and 4.4 s and 20 s here. Same files, same tables,
same durability against a killed process; a home that names Dagster's own class reads and writes the same log.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME, SqliteEventLogStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from sqlalchemy import Connection, Engine, create_engine, event

from vim_pipelines.core.errors import VimError

if TYPE_CHECKING:
    from dagster._serdes import ConfigurableClassData

#: Files of runs that stay open beside the index. A daemon sees every run of the house: without a limit it would keep them all open.
OPEN_RUNS = 2


class OpenSqliteEventLogStorage(SqliteEventLogStorage):
    """Event log below `DAGSTER_HOME/history/runs`, where Dagster itself keeps it.

    Named in the `dagster.yaml` that a home folder gets (`night.DAGSTER_YAML`); an instance on PostgreSQL names its own. Raises VIM-E001 where
    DAGSTER_HOME is not set.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: dict[str, Engine] = {}
        super().__init__(base_dir, inst_data)

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """No settings: the folder follows DAGSTER_HOME, so that a home can be moved."""
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> OpenSqliteEventLogStorage:
        """As Dagster makes it from `dagster.yaml`."""
        home = os.environ.get("DAGSTER_HOME")
        if not home:
            raise VimError("VIM-E001", "The setting DAGSTER_HOME is missing", why="Dagster's event log is kept below it", fix="Set DAGSTER_HOME")
        return cls(str(Path(home) / "history" / "runs"), inst_data)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock, self._engine(shard).begin() as connection:
            yield connection

    def _engine(self, shard: str) -> Engine:
        """The engine of a file, the last used last. A file that was deleted (`wipe`) is made anew."""
        engine = self._engines.pop(shard, None)
        if engine is not None and shard not in self._initialized_dbs:
            engine.dispose()
            engine = None
        if engine is None:
            # One stays open; the storage's lock admits one user at a time, and only the making of the tables takes two.
            options = {"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False}
            engine = create_engine(self.conn_string_for_shard(shard), connect_args=options, pool_size=1)
            event.listen(engine, "connect", _write_ahead)
            self._initdb(engine)
            self._initialized_dbs.add(shard)
        self._engines[shard] = engine
        runs = [name for name in self._engines if name != INDEX_SHARD_NAME]
        for old in runs[:-OPEN_RUNS]:
            self._engines.pop(old).dispose()
            self._initialized_dbs.discard(old)
        return engine

    def dispose(self) -> None:
        """Close every file."""
        for engine in self._engines.values():
            engine.dispose()
        self._engines.clear()
        super().dispose()


def _write_ahead(connection: Any, _: object) -> None:
    """With a write-ahead log, NORMAL survives a killed process; a power cut may lose the last events, never the file."""
    connection.execute("pragma synchronous = normal")
