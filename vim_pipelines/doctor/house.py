"""The house itself: program, settings, warehouse, operations store, dbt, Dagster, inbox, disk, and what readers read."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vim_pipelines.core.errors import VimError
from vim_pipelines.doctor.finding import Finding, Status, existing, failed, makeable

if TYPE_CHECKING:
    from vim_pipelines.approvals.people import PersonView
    from vim_pipelines.settings import Settings

#: A night a day: three days without one is a weekend and a holiday, more is nobody looking.
OLD_DAYS = 4
#: The book is written from the published copy, seconds after it; it is older only if it was not written at all.
BOOK_LAG_SECONDS = 300
DISK_FAIL_BYTES, DISK_WARN_BYTES = 500 * 2**20, 2 * 2**30


def python() -> Finding:
    """The interpreter."""
    version = ".".join(map(str, sys.version_info[:3]))
    is_right = (3, 11) <= sys.version_info[:2] <= (3, 13)
    return Finding("program", "Python", "ok" if is_right else "fail", version, "Use Python 3.11, 3.12 or 3.13")


def settings_files(settings: Settings) -> Finding:
    """Where settings come from, and that nobody else reads a file that holds secrets. Their forms were checked when they were read."""
    from vim_pipelines.settings import environment_variable

    path = Path(".env")
    given = sorted(name for name in (environment_variable(field) for field in type(settings).model_fields) if os.environ.get(name))
    text = f"home folder {settings.home}; {len(given)} set in the environment{', and .env is read' if path.is_file() else ''}"
    if path.is_file() and path.stat().st_mode & 0o077:
        return Finding("program", "settings", "warn", f"{text}; other users of this machine may read .env", "chmod 600 .env")
    return Finding("program", "settings", "ok", text)


def warehouse(settings: Settings) -> Iterator[Finding]:
    """Read; may be written; on DuckDB the storage version that other readers need, and who holds the file."""
    from vim_pipelines.warehouse import open_warehouse
    from vim_pipelines.warehouse.duckdb import STORAGE_VERSION

    if settings.warehouse == "duckdb" and not settings.warehouse_path.exists():
        yield makeable("warehouse", "DuckDB", settings.warehouse_path)
        return
    name = "DuckDB" if settings.warehouse == "duckdb" else "Snowflake"
    try:
        with open_warehouse(settings).session(read_only=True) as session:
            known = session.table_exists("raw.loads")
            newest = session.scalar("select max(as_of_date) from raw.loads") if known else None
            if settings.warehouse == "snowflake":
                about = f", role {session.scalar('select current_role()')}"
            else:
                about = f", {settings.warehouse_path.stat().st_size / 2**20:,.0f} MB"
                version = str(session.scalar("select tags['storage_version'] from duckdb_databases() where database_name = current_database()") or "unknown")
    except VimError as error:
        yield failed("warehouse", name, error)
        return
    yield Finding("warehouse", name, "ok", (f"last load for {newest}" if newest else "no load yet") + about)
    if settings.warehouse == "duckdb":
        yield from _file(settings.warehouse_path, version, STORAGE_VERSION)


def _file(path: Path, version: str, wanted: str) -> Iterator[Finding]:
    """What concerns a DuckDB file alone."""
    is_right = version.startswith(wanted)
    fix = "Move this one away, and the next audit makes the file, or COPY FROM DATABASE into a new one with STORAGE_VERSION 'v1.0.0'"
    yield Finding("warehouse", "storage", "ok" if is_right else "warn", f"version {version}{'' if is_right else ': DuckDB 1.x readers refuse it'}", fix)
    holder = lock_holder(path)
    if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
        yield Finding("warehouse", "writes", "fail", f"{path} may not be written", "Give this user the right to write the file and its folder")
    elif holder is not None:
        who = f"{program_of(holder)}, PID {holder}"
        yield Finding(
            "warehouse",
            "writes",
            "fail",
            f"another program reads the file ({who}), and a night could not write",
            f"Close it (PID {holder}), or let it read published/vim.duckdb",
        )
    else:
        yield Finding("warehouse", "writes", "ok", "may be written, and nobody holds the file")


def lock_holder(path: Path) -> int | None:
    """Process id of a program that holds a lock on the file; None if nobody does. Asks the system, and changes nothing.

    DuckDB locks by fcntl: a reader shares, a writer excludes. A write lock that we only ask about (F_GETLK) conflicts with both.
    """
    import fcntl
    import struct

    layout = "hhqqi4x" if struct.calcsize("P") == 8 else "hhlli"
    with path.open("rb") as file:
        try:
            answer = fcntl.fcntl(file, fcntl.F_GETLK, struct.pack(layout, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
        except OSError:  # a file system without locks
            return None
    kind, *_, holder = struct.unpack(layout, answer)
    return None if kind == fcntl.F_UNLCK else int(holder)


def program_of(process_id: int) -> str:
    """Name of a program by its id, as far as the system tells."""
    try:
        return Path(f"/proc/{process_id}/comm").read_text().strip() or "a program"
    except OSError:
        return "a program"


def readers(settings: Settings) -> Iterator[Finding]:
    """What people and BI tools read: the published copy and the book, and whether they are those of the newest night."""
    from vim_pipelines.reporting.reading import reading_marts

    copy = settings.published_dir / "vim.duckdb"
    if settings.warehouse == "duckdb" and not copy.is_file():
        yield Finding("readers", "published copy", "ok", f"{copy} will be made by the first audit")
        return
    try:
        with reading_marts(settings) as session:
            day = session.scalar("select max(as_of_date) from marts.fct_portfolio_daily")
    except VimError as error:
        if error.code != "VIM-E024":
            yield failed("readers", "published copy", error)
            return
        day = None
    age = (settings.now().date() - day).days if day is not None else None
    if age is None:
        yield Finding("readers", "published copy", "warn", "it holds no night", "vimotion audit, then vimotion publish")
    elif age > OLD_DAYS:
        yield Finding(
            "readers", "published copy", "warn", f"as of {day}: {age} days old", "Look why no night has run since: the last run in Dagster, or vimotion audit"
        )
    else:
        yield Finding("readers", "published copy", "ok", f"as of {day}")
    book = settings.book_dir / "index.html"
    if not book.is_file():
        yield Finding("readers", "book", "ok", "not rendered yet; the next audit does, or vimotion book")
    elif copy.is_file() and book.stat().st_mtime < copy.stat().st_mtime - BOOK_LAG_SECONDS:
        yield Finding("readers", "book", "warn", f"{book.parent} is older than the published copy", "vimotion book")
    else:
        yield Finding("readers", "book", "ok", str(book.parent))


def inbox(settings: Settings) -> Iterator[Finding]:
    """The secret that signs sessions, and whether somebody may decide at all. The secret is not made by looking."""
    from vim_pipelines.approvals.policy import policy_of
    from vim_pipelines.approvals.secrets import SECRET_FILE, inbox_secret

    try:
        policy = policy_of(settings)
    except VimError as error:
        yield failed("inbox", "policy", error)
        return
    if settings.inbox_secret is None and not (settings.home / SECRET_FILE).exists():
        yield Finding("inbox", "secret", "ok", "will be made in the home folder by the first start")
    else:
        try:
            inbox_secret(settings)
        except VimError as error:
            yield failed("inbox", "secret", error)
        else:
            yield Finding("inbox", "secret", "ok", "VIMOTION_INBOX_SECRET" if settings.inbox_secret is not None else f"{SECRET_FILE} in the home folder")
    people = _people(settings)
    if people is None:
        yield Finding("inbox", "people", "ok", "nobody yet: the first run makes or migrates the store")
        return
    roles = {role: sum(person.is_active and person.role == role for person in people) for role in policy.roles}
    text = ", ".join(f"{count} {role}" for role, count in roles.items())
    if settings.is_sandbox and not people:
        yield Finding("inbox", "people", "ok", "the sandbox's two are made by vimotion inbox serve")
    elif not roles[policy.roles[-1]]:
        yield Finding(
            "inbox",
            "people",
            "warn",
            f"{text}: nobody may decide what needs a {policy.roles[-1]}",
            f"vimotion inbox people add LOGIN --role {policy.roles[-1]}",
        )
    else:
        yield Finding("inbox", "people", "ok", text)


def _people(settings: Settings) -> Sequence[PersonView] | None:
    """Who is in the store; None where there is no store, or one that cannot be read, which is another finding's affair."""
    from sqlalchemy.exc import SQLAlchemyError

    from vim_pipelines.approvals.people import list_people
    from vim_pipelines.store import open_store

    if settings.store_url is None and not (settings.home / "operations.db").is_file():
        return None
    opened = open_store(settings, migrate=False)
    try:
        return list_people(opened)
    except SQLAlchemyError:
        return None
    finally:
        opened.engine.dispose()


def dagster_home(settings: Settings) -> Finding:
    """Where Dagster keeps runs, schedules and logs. The instance folder itself may be read-only (an image's) if its file names other places."""
    from vim_pipelines.core.instance_file import instance_file, variables_in, written_folders

    place = Path(os.environ.get("DAGSTER_HOME") or settings.dagster_home)
    if not place.is_dir():
        return makeable("Dagster", "home", place / "dagster.yaml")
    config = instance_file(place)
    for folder in written_folders(config, place):
        near = existing(folder)
        if not os.access(near, os.W_OK):
            return Finding("Dagster", "home", "fail", f"{near} may not be written", "Give this user the right, or set DAGSTER_HOME")
    unset = sorted({name for name in variables_in(config) if not os.environ.get(name)})
    if unset:
        fix = f"Set {unset[0]}, or point DAGSTER_HOME to another folder"
        return Finding("Dagster", "home", "fail", f"{place / 'dagster.yaml'} reads {', '.join(unset)}, not set here", fix)
    if not (place / "dagster.yaml").is_file():
        return Finding(
            "Dagster",
            "home",
            "warn",
            f"{place} has no dagster.yaml: telemetry is on, and runs are not limited",
            "Copy the dagster.yaml of another home folder's dagster folder",
        )
    return Finding("Dagster", "home", "ok", str(place))


def store(settings: Settings) -> Finding:
    """The operations store: reached, and of a revision that this program knows."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import SQLAlchemyError

    from vim_pipelines.store.engine import open_store
    from vim_pipelines.store.migrations import HEAD, KNOWN, current_revision

    url = make_url(settings.operations_url)
    if url.get_backend_name() == "sqlite" and url.database and not Path(url.database).exists():
        return makeable("operations store", "SQLite", Path(url.database))
    name = "SQLite" if url.get_backend_name() == "sqlite" else url.get_backend_name()
    store = open_store(settings, migrate=False)
    try:
        revision = current_revision(store.engine)
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        return Finding(
            "operations store",
            name,
            "fail",
            f"{url.render_as_string(hide_password=True)} cannot be opened: {reason}",
            "Check VIMOTION_STORE_URL and its rights",
        )
    finally:
        store.engine.dispose()
    if revision is not None and revision not in KNOWN:
        return Finding("operations store", name, "fail", f"revision {revision}, this program knows {HEAD}", "Upgrade value-in-motion on this machine")
    if revision != HEAD:
        return Finding("operations store", name, "ok", f"revision {revision or 'none'}; the next run migrates it to {HEAD}")
    return Finding("operations store", name, "ok", f"revision {revision}")


def dbt(settings: Settings) -> Finding:
    """dbt, its adapter and its project."""
    from importlib.metadata import PackageNotFoundError, version

    from vim_pipelines.transform.project import project_dir

    adapter = f"dbt-{settings.warehouse}"
    try:
        versions = f"dbt-core {version('dbt-core')}, {adapter} {version(adapter)}"
        project_dir()
    except PackageNotFoundError as error:
        return Finding("dbt", "project", "fail", f"the package {error.name} is not installed", "Reinstall value-in-motion with constraints.txt")
    except VimError as error:
        return failed("dbt", "project", error)
    program = Path(sys.executable).with_name("dbt")
    if not program.exists():
        return Finding("dbt", "project", "fail", f"{versions}, but there is no program {program}", "Reinstall value-in-motion into this environment")
    return Finding("dbt", "project", "ok", versions)


def disk(settings: Settings) -> Finding:
    """Room for the next night."""
    free = shutil.disk_usage(existing(settings.home)).free
    size = settings.warehouse_path.stat().st_size if settings.warehouse == "duckdb" and settings.warehouse_path.exists() else 0
    # Publishing writes a second copy beside the first, and large queries spill.
    needed = max(DISK_FAIL_BYTES, size)
    status: Status = "fail" if free < needed else "warn" if free < max(DISK_WARN_BYTES, 3 * size) else "ok"
    return Finding("disk", str(settings.home), status, f"{free / 2**30:,.1f} GB free", "Free some space, or put VIMOTION_HOME on a larger disk")
