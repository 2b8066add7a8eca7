"""Rows of CSV and Parquet files, read strictly.

A reader that guesses hides the very defect the audit should show: a line with one comma too many shifts every later column by one.
Here a file is either read as it says it is, or refused with its name and line.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from vim_pipelines.core.errors import VimError
from vim_pipelines.ingestion.filters import passing
from vim_pipelines.portfolio.model import Condition, EntityMap, IdentityLink, Portfolio, Source


def file_records(portfolio: Portfolio, entity: str) -> Iterator[dict[str, Any]]:
    """Source rows of an entity that comes from files; raises VIM-E012, VIM-E017 or VIM-E018."""
    mapping = portfolio.entities[entity]
    source = portfolio.sources[mapping.source]
    for path in portfolio.files(mapping.source, mapping.path):
        check_fields(portfolio, entity, file_fields(path, source), f"the file {path.name}")
        yield from file_rows(path, source, mapping.source_fields)


def key_values(portfolio: Portfolio, source_name: str, pattern: str, key: str, where: Mapping[str, Condition]) -> set[str]:
    """The values of column `key` in the files, of the rows where the conditions hold."""
    source = portfolio.sources[source_name]
    found: set[str] = set()
    passes = passing(where)
    for path in portfolio.files(source_name, pattern):
        fields = file_fields(path, source)
        for name in (key, *where):
            if name not in fields:
                raise VimError(
                    "VIM-E012",
                    f"The file {path.name} has no column '{name}' that a cross-check of {portfolio.file.name} names",
                    fix=f"It has {', '.join(fields)}",
                )
        for row in file_rows(path, source, (key, *where)):
            if row[key] not in (None, "") and passes(row):
                found.add(str(row[key]))
    return found


def link_rows(portfolio: Portfolio, link: IdentityLink) -> Iterator[tuple[str, str]]:
    """Key and account of every row of an identity table that has both; raises VIM-E012, VIM-E017 or VIM-E018."""
    source = portfolio.sources[link.source]
    for path in portfolio.files(link.source, link.path):
        fields = file_fields(path, source)
        for name in (link.key, link.account_key):
            if name not in fields:
                raise VimError(
                    "VIM-E012",
                    f"The file {path.name} has no column '{name}' that an identity table of {portfolio.file.name} names",
                    fix=f"It has {', '.join(fields)}",
                )
        for row in file_rows(path, source, (link.key, link.account_key)):
            if row[link.key] not in (None, "") and row[link.account_key] not in (None, ""):
                yield str(row[link.key]), str(row[link.account_key])


def file_fields(path: Path, source: Source) -> list[str]:
    """The column names of a file."""
    if source.kind == "parquet":
        return list(_parquet_schema(path).names)
    if source.kind == "jsonl":
        return list(json_keys(path, source))
    with _opened(path, source) as text:
        try:
            header = next(csv.reader(text, delimiter=source.delimiter, strict=True), None)
        except (csv.Error, UnicodeDecodeError, OSError, EOFError) as error:
            raise malformed(path, 1, _reason(error, source)) from None
    if not header or not any(name.strip() for name in header):
        raise malformed(path, 1, "the file has no header line")
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise malformed(path, 1, f"the column '{twice[0]}' stands twice in the header")
    return header


def file_field_types(path: Path, source: Source) -> dict[str, str]:
    """Column name to type; the columns of a CSV file are text."""
    if source.kind == "parquet":
        return {item.name: str(item.type) for item in _parquet_schema(path)}
    return dict.fromkeys(file_fields(path, source), "text")


def check_fields(portfolio: Portfolio, entity: str, present: Sequence[str], where: str) -> None:
    """Raise VIM-E012 for every mapped field that is not among `present`, with the line of the portfolio file that names it."""
    from difflib import get_close_matches

    mapping = portfolio.entities[entity]
    missing = [name for name in mapping.source_fields if name not in set(present)]
    if not missing:
        return
    said = []
    for name in missing:
        near = get_close_matches(name, list(present), n=1)
        used_for, line = _use_of(portfolio, entity, mapping, name)
        said.append(f"'{name}' is mapped to {entity}.{used_for} (line {line})" + (f", did you mean '{near[0]}'?" if near else ""))
    raise VimError(
        "VIM-E012",
        f"Mapped {'field does' if len(missing) == 1 else 'fields do'} not exist in {where}: {'; '.join(said)}",
        fix=f"Correct {portfolio.file.name}, or add the {'field' if len(missing) == 1 else 'fields'} to the source",
    )


def mapped_at(portfolio: Portfolio, entity: str, mapping: EntityMap, field: str) -> str:
    """Which canonical column a source's field feeds, with the line of the portfolio file that says so."""
    used_for, line = _use_of(portfolio, entity, mapping, field)
    return f"{entity}.{used_for} ({portfolio.file.name} line {line})"


def malformed(path: Path, line: int | None, reason: str) -> VimError:
    """VIM-E017 for a file that is not what it says it is."""
    place = f" at line {line}" if line else ""
    return VimError("VIM-E017", f"The file {path.name} is malformed{place}", why=reason, fix=f"Have {path} written again by its source, or correct it")


def _use_of(portfolio: Portfolio, entity: str, mapping: EntityMap, field: str) -> tuple[str, int]:
    for name, rule in mapping.fields.items():
        if field in rule.source_fields:
            return name, portfolio.line("entities", entity, "fields", name)
    for use in ("known_at", "deleted"):
        if getattr(mapping, use) == field:
            return use, portfolio.line("entities", entity, use)
    return "where", portfolio.line("entities", entity, "where", field)


def file_rows(path: Path, source: Source, fields: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The rows of one file, only the columns `fields`, which it must have; VIM-E017 at the first line that is not what the file says it is."""
    if source.kind == "parquet":
        yield from _parquet_rows(path, fields)
        return
    if source.kind == "jsonl":
        for record in _json_records(path, source):
            yield {name: _at(record, name) for name in fields}
        return
    with _opened(path, source) as text:
        reader = csv.reader(text, delimiter=source.delimiter, strict=True)
        try:
            header = next(reader)
            wanted = [(name, header.index(name)) for name in fields]
            for row in reader:
                if len(row) != len(header):
                    if not row:
                        continue
                    raise malformed(path, reader.line_num, f"the line has {len(row)} columns and the header has {len(header)}")
                yield {name: row[index] for name, index in wanted}
        except (csv.Error, UnicodeDecodeError, OSError, EOFError) as error:
            raise malformed(path, reader.line_num + 1 if isinstance(error, UnicodeDecodeError) else reader.line_num, _reason(error, source)) from None


def json_keys(path: Path, source: Source, *, most_lines: int = 20_000) -> dict[str, None]:
    """The keys of the first lines of a file of JSON lines, in order. A key that only later lines have is not known here."""
    keys: dict[str, None] = {}
    for number, record in enumerate(_json_records(path, source)):
        if number >= most_lines:
            break
        keys.update(dict.fromkeys(record))
    return keys


def _at(record: Any, name: str) -> Any:
    """The value of a key, or for `a.b` that of `b` inside `a`."""
    if not isinstance(record, dict) or name in record or "." not in name:
        return record.get(name) if isinstance(record, dict) else None
    head, rest = name.split(".", 1)
    return _at(record.get(head), rest)


def _json_records(path: Path, source: Source) -> Iterator[dict[str, Any]]:
    number = 0
    with _opened(path, source) as text:
        try:
            for number, line in enumerate(text, 1):
                if not line.strip():
                    continue
                record = json.loads(line, parse_float=Decimal)
                if not isinstance(record, dict):
                    raise malformed(path, number, "the line is not a JSON object")
                yield record
        except (ValueError, OSError, EOFError) as error:
            raise malformed(path, number + (not isinstance(error, json.JSONDecodeError)), _reason(error, source)) from None


def _opened(path: Path, source: Source) -> io.TextIOWrapper:
    try:
        raw: Any = gzip.open(path, "rb") if path.name.endswith(".gz") else path.open("rb")  # noqa: SIM115 - closed with the wrapper
    except OSError as error:
        raise VimError("VIM-E018", f"The file {path} cannot be opened", why=error.strerror or "", fix="Check the path and its rights") from None
    encoding = "utf-8-sig" if source.encoding.lower().replace("-", "") == "utf8" else source.encoding
    return io.TextIOWrapper(raw, encoding=encoding, newline="")


def _reason(error: Exception, source: Source) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"the bytes are not {source.encoding} text (near byte {error.start} of the block read)"
    return str(error) or type(error).__name__


def _parquet_schema(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_schema(path)
    except FileNotFoundError:
        raise VimError("VIM-E018", f"The file {path} is missing", fix="Check the path") from None
    except (pa.ArrowException, OSError) as error:
        raise malformed(path, None, f"it is not a readable Parquet file: {str(error).splitlines()[0]}") from None


def _parquet_rows(path: Path, fields: Sequence[str]) -> Iterator[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        for batch in pq.ParquetFile(path).iter_batches(columns=list(fields), batch_size=50_000):
            yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise malformed(path, None, str(error).splitlines()[0]) from None
