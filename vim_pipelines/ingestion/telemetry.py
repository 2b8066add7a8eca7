"""Usage events: files into raw by the warehouse's own reader, each file once.

Events are many (millions), so no Python touches a row: bad rows are set aside, and accounts found, set-wise in SQL. A row whose
account nobody can tell is kept and counted: 41 % of a real set are such rows, and dropping them would make the join rate look perfect.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vim_pipelines.core.errors import VimError
from vim_pipelines.ingestion.files import check_fields, file_fields, malformed
from vim_pipelines.ingestion.filters import where_sql
from vim_pipelines.portfolio.entities import ENTITIES
from vim_pipelines.portfolio.model import USAGE, USAGE_MAPPED, EntityMap, FieldRule, Portfolio, Source

if TYPE_CHECKING:
    from vim_pipelines.warehouse import Session


@dataclass(frozen=True)
class UsageFile:
    """A telemetry file: `name` is its path under the source's folder, `recorded_on` the date in its name."""

    path: Path
    name: str
    size_bytes: int
    modified_ns: int
    recorded_on: date | None


@dataclass(frozen=True)
class UsageLoad:
    """What a load of telemetry did. `rows_unattributed` of the added rows have no account."""

    files_loaded: int = 0
    files_for_later: int = 0
    rows_read: int = 0
    rows_added: int = 0
    rows_quarantined: int = 0
    rows_unattributed: int = 0
    load_number: int | None = None


def usage_files(portfolio: Portfolio) -> list[UsageFile]:
    """The telemetry files that are there now; raises VIM-E018 if there is none."""
    mapping = portfolio.entities[USAGE]
    root, _ = portfolio.location(mapping.source, mapping.path)
    pattern = re.compile(mapping.recorded_date)
    files = []
    for path in portfolio.files(mapping.source, mapping.path):
        stat = path.stat()
        found = pattern.search(path.name)
        name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
        files.append(UsageFile(path, name, stat.st_size, stat.st_mtime_ns, _date(found.group(1)) if found else None))
    return files


def prepare_usage_files(portfolio: Portfolio, files: Sequence[UsageFile], folder: Path) -> dict[Path, Path]:
    """For each file a Parquet file with the mapped columns: itself if it is Parquet, else a conversion written to `folder`.

    Everything that can be wrong with a file shows here, before the warehouse is opened: VIM-E012, VIM-E017.
    """
    mapping = portfolio.entities[USAGE]
    source = portfolio.sources[mapping.source]
    prepared: dict[Path, Path] = {}
    for number, file in enumerate(files):
        if number == 0 or source.kind == "csv":
            check_fields(portfolio, USAGE, file_fields(file.path, source), f"the file {file.path.name}")
        if source.kind == "parquet":
            file_fields(file.path, source)  # a truncated file is refused here, by name
            prepared[file.path] = file.path
        else:
            prepared[file.path] = _converted(portfolio, file.path, source, folder / f"{number:06d}.parquet")
    return prepared


def select_usage_files(session: Session, source_name: str, files: Sequence[UsageFile], as_of: date) -> tuple[list[UsageFile], list[UsageFile], int]:
    """Files never loaded, files whose content changed since, and the number of files left for a later as-of date.

    A file is known by its name, size and time; if only the time moved, its bytes decide.
    """
    known = {
        row["path"]: row
        for row in session.rows(
            "select path, size_bytes, modified_ns, content_hash from raw.loaded_files where source_name = ? order by load_number", [source_name]
        )
    }
    fresh, changed, later = [], [], 0
    for file in files:
        seen = known.get(file.name)
        if file.recorded_on is not None and file.recorded_on > as_of:
            later += 1
        elif seen is None:
            fresh.append(file)
        elif (seen["size_bytes"], seen["modified_ns"]) != (file.size_bytes, file.modified_ns) and seen["content_hash"] != file_hash(file.path):
            changed.append(file)
    return fresh, changed, later


def load_usage_events(
    session: Session,
    portfolio: Portfolio,
    fresh: Sequence[UsageFile],
    changed: Sequence[UsageFile],
    prepared: dict[Path, Path],
    *,
    files_for_later: int,
    load_id: str,
    captured_at: datetime,
) -> UsageLoad:
    """Append the events of `fresh` and `changed` files to raw.usage_events, bad rows to raw.quarantine, both in the session's transaction.

    Of a changed file only events are added whose id is not there yet. Rows without an account take that of the one licence
    assignment of their user, if it is one.
    """
    files = [*fresh, *changed]
    if not files:
        return UsageLoad(files_for_later=files_for_later)
    mapping = portfolio.entities[USAGE]
    name = mapping.source
    number = int(session.scalar("select coalesce(max(load_number), 0) + 1 from raw.loaded_files") or 1)
    is_csv = portfolio.sources[name].kind == "csv"
    totals = [0, 0]
    for group, is_changed in ((fresh, False), (changed, True)):
        if not group:
            continue
        paths = [prepared[file.path] for file in group]
        rows = _rows_sql(session, mapping, is_csv)
        added = _good_sql(rows, is_changed)
        bad = _bad_sql(session.dialect, rows, is_changed)
        names = dict(zip((str(path) for path in paths), (file.path.name for file in group), strict=True))
        source_file = _source_file_sql(names) if is_csv else "regexp_replace(filename, '^.*/', '')"
        totals[1] += session.load_parquet("raw.quarantine", paths, bad, [load_id, name, captured_at, captured_at])
        totals[0] += session.load_parquet("raw.usage_events", paths, added.replace("__FILE__", source_file), [name, number, captured_at])
    unattributed = int(session.scalar("select count(*) from raw.usage_events where load_number = ? and account_key is null", [number]) or 0)
    return UsageLoad(len(files), files_for_later, sum(totals), totals[0], totals[1], unattributed, number)


def loaded_file_rows(session: Session, source_name: str, files: Sequence[UsageFile], load_number: int, captured_at: datetime) -> list[dict[str, object]]:
    """Rows of raw.loaded_files for the files of this load."""
    counted = {
        row["source_file"]: row["n"]
        for row in session.rows("select source_file, count(*) as n from raw.usage_events where load_number = ? group by source_file", [load_number])
    }
    return [
        {
            "source_name": source_name,
            "path": file.name,
            "size_bytes": file.size_bytes,
            "modified_ns": file.modified_ns,
            "content_hash": file_hash(file.path),
            "load_number": load_number,
            "rows_added": counted.get(file.path.name, 0),
            "captured_at": captured_at,
        }
        for file in files
    ]


def file_hash(path: Path) -> str:
    """Hex sha256 of a file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


# --- SQL ---------------------------------------------------------------------------------------------------------------


def _rows_sql(session: Session, mapping: EntityMap, is_csv: bool) -> str:
    """A query over `source` with the canonical columns, lookups and the licence ladder resolved.

    CSV files were mapped when they were converted, so only lookups are left to do for them.
    """
    columns: dict[str, str] = {}
    joins: list[str] = []
    for column in USAGE_MAPPED:
        rule = mapping.fields.get(column.name)
        text = f"source.{column.name}" if is_csv and rule is not None else _column_sql(session.dialect, rule, prefix="source.")
        if rule is not None and rule.lookup is not None:
            entity, alias = ENTITIES[rule.lookup.entity], f"lookup_{column.name}"
            newest = (
                f"select {entity.key} as looked_up, {rule.lookup.take} as taken from raw.{entity.table}"
                f" qualify row_number() over (partition by {entity.key} order by known_at desc, captured_at desc) = 1"
            )
            joins.append(f"left join ({newest}) as {alias} on {alias}.looked_up = {text}")
            text = f"{alias}.taken"
        columns[column.name] = f"cast({text} as timestamp)" if column.type == "timestamp" else f"nullif(cast({text} as varchar), '')"
    # A user with licences at two customers (a consultant) says nothing about the account.
    assigned = (
        "select user_key as assigned_user, min(account_key) as assigned_account from raw.license_assignments"
        " where not is_deleted group by user_key having count(distinct account_key) = 1"
    )
    user = columns["user_key"]
    joins.append(f"left join ({assigned}) as assigned on assigned.assigned_user = {user}")
    columns["account_key"] = f"coalesce({columns['account_key']}, assigned.assigned_account)"
    # The filter of a CSV file was applied when it was converted.
    where = "" if is_csv else where_sql(mapping.where, "source.", dialect=session.dialect)
    return f"select {', '.join(f'{text} as {name}' for name, text in columns.items())}, filename from source {' '.join(joins)}{where}"


_FAULT = """
    case
        when event_id is null then 'missing_required: event_id'
        when occurred_at is null then 'missing_required: occurred_at'
        when recorded_at is null then 'missing_required: recorded_at'
        when occurred_at > recorded_at + interval '1 day' then 'future_timestamp: occurred more than a day after it was recorded'
        when occurred_at > moment then 'future_timestamp: occurred after it was read'
    end
"""


def _judged(rows: str, is_changed: bool) -> str:
    unseen = " where not exists (select 1 from raw.usage_events as there where there.event_id = mapped.event_id)" if is_changed else ""
    return f"(select mapped.*, {_FAULT} as fault from (select mapped.*, cast(? as timestamp) as moment from ({rows}) as mapped) as mapped{unseen}) as judged"


def _good_sql(rows: str, is_changed: bool) -> str:
    names = ", ".join(column.name for column in USAGE_MAPPED)
    return f"select {names}, cast(? as varchar) as source_name, __FILE__ as source_file, cast(? as bigint) as load_number from {_judged(rows, is_changed)} where fault is null"


def _bad_sql(dialect: str, rows: str, is_changed: bool) -> str:
    names = [column.name for column in USAGE_MAPPED]
    packed = (
        "cast(to_json({" + ", ".join(f"'{name}': {name}" for name in names) + "}) as varchar)"
        if dialect == "duckdb"
        else "to_json(object_construct_keep_null(" + ", ".join(f"'{name}', {name}" for name in names) + "))"
    )
    bad = (
        f"select cast(? as varchar) as load_id, cast(? as varchar) as source_name, '{USAGE}' as entity, event_id as row_key, split_part(fault, ': ', 1) as reason,"
        f" split_part(fault, ': ', 2) as detail, {packed} as row_json, cast(? as timestamp) as captured_at from {_judged(rows, is_changed)} where fault is not null"
    )
    if not is_changed:
        return bad
    # A file that grows all day brings the same bad rows every night.
    return (
        f"select * from ({bad}) as bad where not exists"
        f" (select 1 from raw.quarantine as there where there.entity = '{USAGE}' and there.source_name = bad.source_name and there.row_json = bad.row_json)"
    )


def _source_file_sql(names: dict[str, str]) -> str:
    """The original file's name for each converted one."""
    cases = " ".join(f"when filename like '%{Path(path).name}' then {_literal(name)}" for path, name in names.items())
    return f"case {cases} else filename end"


def _column_sql(dialect: str, rule: FieldRule | None, prefix: str = "") -> str:
    if rule is None:
        return "cast(null as varchar)"
    if rule.hash:
        digest = "sha256" if dialect == "duckdb" else "sha2"
        return f"{digest}(concat_ws('|', " + ", ".join(f"coalesce(cast({prefix}{_quoted(name)} as varchar), '')" for name in rule.hash) + "))"
    if rule.field is None:
        return _literal(rule.constant)
    text = f"{prefix}{_quoted(rule.field)}"
    if rule.map:
        word = f"lower(trim(cast({text} as varchar)))"
        cases = " ".join(f"when {_literal(source)} then {_literal(target)}" for source, target in rule.map.items())
        default = _literal(rule.otherwise) if "otherwise" in rule.model_fields_set else text
        return f"case {word} {cases} else {default} end"
    return f"lower({text})" if rule.lower else text


def _converted(portfolio: Portfolio, path: Path, source: Source, target: Path) -> Path:
    """The mapped columns of a CSV file as typed Parquet; timestamps with an offset become UTC."""
    import duckdb

    mapping = portfolio.entities[USAGE]
    header = file_fields(path, source)
    columns = []
    for column in USAGE_MAPPED:
        rule = mapping.fields.get(column.name)
        if rule is None:
            continue
        text = _column_sql("duckdb", rule)
        # A value that is no timestamp becomes empty, and the row goes to quarantine for want of it.
        columns.append(
            f"try_cast(try_cast({text} as timestamptz) as timestamp) as {column.name}"
            if column.type == "timestamp"
            else f"nullif(cast({text} as varchar), '') as {column.name}"
        )
    typed = "{" + ", ".join(f"{_literal(name)}: 'varchar'" for name in header) + "}"
    reader = (
        f"read_csv({_literal(str(path))}, columns = {typed}, auto_detect = false, header = true, delim = {_literal(source.delimiter)}, quote = '\"', escape = '\"',"
        f" strict_mode = true, null_padding = false, nullstr = '', encoding = {_literal(source.encoding)})"
    )
    connection = _local_reader()
    try:
        connection.execute(f"copy (select {', '.join(columns)} from {reader}{where_sql(mapping.where)}) to {_literal(str(target))} (format parquet)")
    except duckdb.Error as error:
        message = str(error)
        found = re.search(r"[Ll]ine:? (\d+)", message)
        reason = next((line for line in message.splitlines() if "Expected Number of Columns" in line or "encod" in line.lower()), message.splitlines()[0])
        raise malformed(path, int(found.group(1)) if found else None, reason.strip()) from None
    finally:
        connection.close()
    return target


def _local_reader() -> Any:
    """A DuckDB in memory. The zone is set after connecting: as a start-up option it would need an extension to be downloaded."""
    import duckdb

    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    return connection


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else "'" + str(value).replace("'", "''") + "'"


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise VimError(
            "VIM-E017", f"'{text}' in the name of a telemetry file is not a date", fix="Name the file with the day it was recorded, YYYY-MM-DD"
        ) from None
