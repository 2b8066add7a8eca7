"""Both operations stores for the tests: a fresh SQLite file, and a fresh database on a real PostgreSQL.

Imported by the conftest files of tests/store, tests/approvals and tests/writeback, so that every rule is tried on both.
"""

from __future__ import annotations

import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from vim_pipelines.settings import Settings


@pytest.fixture(scope="session")
def postgres_address() -> Iterator[str]:
    """Address of a PostgreSQL server of this test session; `{database}` is still to be named.

    Not below pytest's own folder: the server runs as another user, and every pytest that starts closes that folder to all but its own.
    """
    pgserver = pytest.importorskip("pgserver", reason="pgserver (test extra) is not installed: no real PostgreSQL here")
    folder = Path(tempfile.mkdtemp(prefix="vim-tests-postgres-"))
    server = _started(pgserver, folder)
    address = server.get_uri(database="{database}").replace("%7Bdatabase%7D", "{database}")
    with psycopg.connect(address.format(database="postgres"), autocommit=True) as connection:
        connection.execute("alter system set fsync = off")  # no test cuts the power
        connection.execute("alter system set max_wal_size = '64MB'")
        connection.execute("select pg_reload_conf()")
    try:
        yield address
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def _started(pgserver: Any, folder: Path) -> Any:
    """pgserver waits ten seconds for the server, which a busy machine exceeds; a later call finds it started, or starts it."""
    deadline = time.monotonic() + 120
    while True:
        try:
            server = pgserver.get_server(folder)
            psycopg.connect(server.get_uri(), connect_timeout=10).close()
            return server
        except Exception:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Address of an empty operations store, once per kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'operations.db'}"
        return
    address = request.getfixturevalue("postgres_address")
    made = empty_postgres(address)
    yield made
    with psycopg.connect(address.format(database="postgres"), autocommit=True) as connection:
        connection.execute(f"drop database {urlsplit(made).path[1:]} with (force)")  # eight megabytes each


def empty_postgres(address: str) -> str:
    """Address of a database made just now."""
    name = f"vim_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(address.format(database="postgres"), autocommit=True) as connection:
        connection.execute(f"create database {name}")
    return address.format(database=name)


def settings_for(url: str, home: Path, **options: Any) -> Settings:
    """Settings whose operations store is at `url`."""
    return Settings(home=home, store_url=url, **options)
