"""What an erasure leaves behind in files: old pages of DuckDB and SQLite, and texts that were rendered or logged.

A deleted row stays in a database file until its page is used again. So the files are written anew: DuckDB by copying all tables into a
new file that takes the old one's place, SQLite and PostgreSQL by their own VACUUM.
"""

from __future__ import annotations

import html
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import escape

from vim_pipelines.core.errors import VimError
from vim_pipelines.warehouse.duckdb import DuckDBWarehouse

if TYPE_CHECKING:
    from vim_pipelines.core.suppression import Suppression
    from vim_pipelines.privacy.who import Identity
    from vim_pipelines.settings import Settings
    from vim_pipelines.store.engine import Store
    from vim_pipelines.warehouse import Warehouse

#: Larger files are databases and data, which have ways of their own.
LARGEST_TEXT_BYTES = 20_000_000
SUFFIX = ".erasing"


def rewrite_duckdb(warehouse: DuckDBWarehouse) -> None:
    """Copy every table and view into a new file and put it in the old one's place; VIM-E020 if another program holds the file.

    Needs as much free disk as the file has. A run that dies leaves the old file whole, and the new one to be overwritten.
    """
    path = warehouse.path
    if not path.exists():
        return
    fresh = path.with_name(path.name + SUFFIX)
    for stale in (fresh, fresh.with_name(fresh.name + ".wal")):
        stale.unlink(missing_ok=True)
    with warehouse.session():
        pass  # nobody else may hold it, and what stands in its log goes into the file
    with DuckDBWarehouse(fresh, memory_limit=warehouse.memory_limit).whole_copy(path) as counts:
        if counts[0] != counts[1]:
            raise VimError("VIM-E021", f"The copy of {path} has {counts[1]} rows, the file {counts[0]}", fix="Check the free disk space and try again")
    with fresh.open("rb") as handle:
        os.fsync(handle.fileno())
    fresh.replace(path)


def publish_anew(settings: Settings, warehouse: Warehouse) -> None:
    """The published copy from the marts as they are now; nothing where nobody has published yet."""
    from vim_pipelines.reporting.publish import publish

    if settings.published_dir.exists():
        publish(warehouse, settings.published_dir)


def vacuum(store: Store) -> None:
    """Write the store's tables anew, so that no page holds what was replaced."""
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        raw = connection.connection.driver_connection
        if store.engine.dialect.name == "sqlite":
            assert raw is not None
            raw.execute("pragma query_only = off")
            raw.execute("vacuum")
            raw.execute("pragma wal_checkpoint(truncate)")
        else:
            from vim_pipelines.store.models import Base

            for table in Base.metadata.sorted_tables:
                connection.exec_driver_sql(f"vacuum full {table.name}")


def clean_texts(settings: Settings, identity: Identity, suppression: Suppression) -> tuple[int, list[str]]:
    """Clean the text files of the home folder (logs, Data Docs, pages, compiled SQL); returns how many changed, and the binary files that still name the person.

    The sandbox's own sources and the two databases are left: the first are nobody's, the others have been dealt with.
    """
    changed, left = 0, []
    for path in _files(settings):
        data = path.read_bytes()
        folded = data.decode("utf-8", errors="ignore").casefold()
        if not any(spelling.casefold() in folded for text in _distinct(identity) for spelling in _spellings(text)):
            continue
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            left.append(str(path))
            continue
        if "\0" in text:
            left.append(str(path))
            continue
        cleaned = suppression.clean(_plain(text, identity, suppression), account=identity.scope)
        if cleaned != text:
            beside = path.with_name(path.name + SUFFIX)
            beside.write_text(cleaned, encoding="utf-8")
            beside.replace(path)
            changed += 1
    return changed, left


def _spellings(text: str) -> tuple[str, ...]:
    """What `text` looks like in a page and in JSON: `O&#39;Neil`, `Zo\\u00eb`. Itself last."""
    return tuple(dict.fromkeys([str(escape(text)), html.escape(text), json.dumps(text)[1:-1], text]))


def _plain(text: str, identity: Identity, suppression: Suppression) -> str:
    """`text` with tokens for the names and addresses whose letters a page or JSON writes otherwise; the words of the others are the list's to judge."""
    for called in _distinct(identity):
        for spelling in _spellings(called)[:-1]:
            token = suppression.clean(called, account=identity.scope)
            text = re.sub(rf"(?<!\w){re.escape(spelling)}(?!\w)", lambda _found, token=token: token, text, flags=re.IGNORECASE)  # type: ignore[misc]
    return text


def _distinct(identity: Identity) -> tuple[str, ...]:
    return tuple(text for text in (*identity.mails, *identity.names) if text)


def _files(settings: Settings) -> Iterable[Path]:
    skipped = {settings.sandbox_dir.resolve(), settings.published_dir.resolve()}
    databases = {settings.warehouse_path.name, "operations.db", "operations.db-wal", "operations.db-shm"}
    for folder, folders, names in os.walk(settings.home):
        folders[:] = [name for name in folders if (Path(folder) / name).resolve() not in skipped]
        for name in names:
            path = Path(folder) / name
            if name not in databases and path.is_file() and not path.is_symlink() and path.stat().st_size <= LARGEST_TEXT_BYTES:
                yield path
