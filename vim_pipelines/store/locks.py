"""A lock that dies with its process: how a second run knows whether the first one is slow or dead.

A time-out cannot tell the two apart: too short and a slow run's Task is created twice, too long and a dead run's write waits for
hours. So the holder is asked for by the operating system (flock beside the SQLite file) or by PostgreSQL (a session's advisory
lock); both let go at the instant the process is gone, also after SIGKILL. A connection pooler that shares server sessions between
clients (PgBouncer in transaction mode) must be bypassed: it would keep the lock.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vim_pipelines.store.engine import Store


@contextmanager
def exclusive(store: Store, name: str) -> Iterator[bool]:
    """Hold the lock `name` of this store during the block; yields False, at once, if another process or thread holds it."""
    digest = hashlib.sha256(name.encode()).digest()
    if store.engine.dialect.name == "postgresql":
        with _advisory(store, int.from_bytes(digest[:8], "big", signed=True)) as taken:
            yield taken
        return
    database = store.engine.url.database
    if not database or database == ":memory:":
        yield True  # no second process can see this store
        return
    with _flock(Path(f"{database}-locks"), digest.hex()[:32]) as taken:
        yield taken


def is_free(store: Store, name: str) -> bool:
    """Whether nobody holds the lock `name` now."""
    with exclusive(store, name) as taken:
        return taken


@contextmanager
def _advisory(store: Store, key: int) -> Iterator[bool]:
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        taken = bool(connection.exec_driver_sql(f"select pg_try_advisory_lock({key})").scalar())
        try:
            yield taken
        finally:
            if taken:
                connection.exec_driver_sql(f"select pg_advisory_unlock({key})")


@contextmanager
def _flock(folder: Path, name: str) -> Iterator[bool]:
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        if not _is_still_there(handle, path):  # its last holder removed the file between our open and our lock
            yield False
            return
        try:
            yield True
        finally:
            path.unlink(missing_ok=True)
    finally:
        os.close(handle)


def _is_still_there(handle: int, path: Path) -> bool:
    try:
        return os.fstat(handle).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False
