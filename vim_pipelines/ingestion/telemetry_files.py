"""Telemetry files: which are there, which are new, and how those that no warehouse reads by itself become Parquet.

A feed drops files for years, so a file is read once and known by name, size and time. Everything that can be wrong with a file shows
here, before the warehouse is opened: a night that stops at a torn file has changed nothing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vim_pipelines.core.errors import VimError
from vim_pipelines.ingestion.files import check_fields, file_fields, json_keys, malformed
from vim_pipelines.ingestion.telemetry_sql import ColumnKind, Columns, filters_sql, groups_join, groups_sql, literal, mapped_select, present_fields
from vim_pipelines.portfolio.model import FILE_KINDS, USAGE, EntityMap, Portfolio, Source
from vim_pipelines.portfolio.shapes import GROUP_COLUMNS

if TYPE_CHECKING:
    from vim_pipelines.warehouse import Session

#: DuckDB's buffers while it converts a file outside the warehouse; a conversion streams, only a join of groups holds anything.
READER_MEMORY = "1GB"


@dataclass(frozen=True)
class UsageFile:
    """A telemetry file: `name` is its path under the source's folder, `recorded_on` the date in its name."""

    path: Path
    name: str
    size_bytes: int
    modified_ns: int
    recorded_on: date | None


def usage_files(portfolio: Portfolio) -> list[UsageFile]:
    """The telemetry files that are there now, none for a source that is a table; raises VIM-E018 if no file matches."""
    mapping = portfolio.entities[USAGE]
    if portfolio.sources[mapping.source].kind not in FILE_KINDS:
        return []
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
    """For each file a Parquet file to load: itself if it is Parquet, else a conversion with the event columns, written below `folder`.

    A conversion keeps its original's name and adds `.parquet` to it. Raises VIM-E012 and VIM-E017.
    """
    mapping = portfolio.entities[USAGE]
    source = portfolio.sources[mapping.source]
    if not files:
        return {}
    present: dict[str, None] = {}
    for file in files:
        fields = file_fields(file.path, source)  # a truncated file is refused here, by name
        if source.kind == "csv":
            check_fields(portfolio, USAGE, present_fields(mapping, fields), f"the file {file.path.name}")
        present.update(dict.fromkeys(fields))
    check_fields(portfolio, USAGE, present_fields(mapping, list(present)), f"the file {files[0].path.name}" + (" and the others" if len(files) > 1 else ""))
    if not needs_conversion(portfolio):
        return {file.path: file.path for file in files}
    prepared: dict[Path, Path] = {}
    for number, file in enumerate(files):
        target = folder / f"{number:06d}" / f"{file.path.name}.parquet"
        target.parent.mkdir()
        prepared[file.path] = _converted(portfolio, file.path, source, target)
    return prepared


def needs_conversion(portfolio: Portfolio) -> bool:
    """Whether the files of usage events are mapped before the warehouse sees them."""
    mapping = portfolio.entities[USAGE]
    return portfolio.sources[mapping.source].kind != "parquet" or mapping.groups is not None


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


def file_hash(path: Path) -> str:
    """Hex sha256 of a file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def parquet_columns(paths: Sequence[Path], dialect: str) -> Columns:
    """The columns of Parquet files, together."""
    import pyarrow.parquet as pq

    kinds: dict[str, ColumnKind] = {}
    for path in paths:
        for field in pq.read_schema(path):
            kinds.setdefault(field.name, _arrow_kind(field.type))
    return Columns(kinds, dialect)


def _arrow_kind(arrow_type: Any) -> ColumnKind:
    import pyarrow as pa

    if pa.types.is_string(arrow_type) or pa.types.is_large_string(arrow_type):
        return "text"
    if pa.types.is_timestamp(arrow_type):
        return "zoned" if arrow_type.tz else "time"
    return "struct" if pa.types.is_nested(arrow_type) else "time" if pa.types.is_date(arrow_type) else "other"


def _converted(portfolio: Portfolio, path: Path, source: Source, target: Path) -> Path:
    """The event columns of one file as typed Parquet; timestamps with an offset become UTC."""
    import duckdb

    mapping = portfolio.entities[USAGE]
    relation, columns = _local_relation([path], source, mapping)
    join, account = "", None
    if mapping.groups is not None:
        files = portfolio.files(mapping.source, mapping.groups)
        group_relation, group_columns = _local_relation(files, source, None)
        if missing := [name for name in GROUP_COLUMNS if not group_columns.has(name)]:
            raise VimError(
                "VIM-E012",
                f"The groups file {files[0].name} has no column '{missing[0]}'",
                fix=f"Segment's groups table has {', '.join(GROUP_COLUMNS)}; correct 'groups' in {portfolio.file.name} line {portfolio.line('entities', USAGE, 'groups')}",
            )
        join, account = groups_join(mapping, columns, groups_sql(group_relation, group_columns)), "membership.group_id"
    tests = filters_sql(mapping.where, columns)
    select = f"select {mapped_select(mapping, columns, account=account)} from {relation} as source{join}{' where ' + ' and '.join(tests) if tests else ''}"
    connection = duckdb.connect(config={"memory_limit": READER_MEMORY, "temp_directory": str(target.parent)})
    try:
        connection.execute("set TimeZone = 'UTC'")  # after connecting: as a start-up option it would need an extension to be downloaded
        connection.execute(f"copy ({select}) to {literal(str(target))} (format parquet)")
    except duckdb.Error as error:
        message = str(error)
        found = re.search(r"[Ll]ine:? (\d+)", message)
        reason = next((line for line in message.splitlines() if "Expected Number of Columns" in line or "encod" in line.lower()), message.splitlines()[0])
        raise malformed(path, int(found.group(1)) if found else None, reason.strip()) from None
    finally:
        connection.close()
    return target


def _local_relation(paths: Sequence[Path], source: Source, mapping: EntityMap | None) -> tuple[str, Columns]:
    """Files of one kind as a relation of a local DuckDB, and its columns. Every column is text, so that no reader guesses."""
    listed = "[" + ", ".join(literal(str(path)) for path in paths) + "]"
    if source.kind == "parquet":
        return f"read_parquet({listed}, union_by_name = true, hive_partitioning = false)", parquet_columns(paths, "duckdb")
    if source.kind == "jsonl":
        wanted = mapping.source_fields if mapping is not None else GROUP_COLUMNS
        keys: dict[str, ColumnKind] = dict.fromkeys((key for path in paths for key in json_keys(path, source)), "text")
        # A key that only a later line has is read too if the mapping names it.
        keys |= {name: "text" for name in wanted if "." not in name and name not in keys}
        for name in wanted:
            if name not in keys and (head := name.split(".")[0]) in keys:
                keys[head] = "json"
        kept = {name: kind for name, kind in keys.items() if kind == "json" or name in wanted}
        typed = "{" + ", ".join(f"{literal(name)}: {literal('json' if kind == 'json' else 'varchar')}" for name, kind in kept.items()) + "}"
        return f"read_json({listed}, format = 'newline_delimited', columns = {typed}, records = true)", Columns(kept)
    header = file_fields(paths[0], source)
    typed = "{" + ", ".join(f"{literal(name)}: 'varchar'" for name in header) + "}"
    relation = (
        f"read_csv({listed}, columns = {typed}, auto_detect = false, header = true, delim = {literal(source.delimiter)}, quote = '\"', escape = '\"',"
        f" strict_mode = true, null_padding = false, nullstr = '', encoding = {literal(source.encoding)})"
    )
    return relation, Columns(dict.fromkeys(header, "text"))


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise VimError(
            "VIM-E017", f"'{text}' in the name of a telemetry file is not a date", fix="Name the file with the day it was recorded, YYYY-MM-DD"
        ) from None
