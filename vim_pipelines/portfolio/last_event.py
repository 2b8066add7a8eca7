"""The last day that a finished data set tells of: what 'today' means for data that nobody adds to any more."""

from __future__ import annotations

from datetime import date

from vim_pipelines.core.errors import VimError
from vim_pipelines.portfolio.model import FILE_KINDS, USAGE, Portfolio


def last_event_day(portfolio: Portfolio) -> date:
    """The last day on which telemetry arrived, rows of broken clocks (use before arrival by more than a day) left out. VIM-E024 if there is none."""
    mapping = portfolio.entities.get(USAGE)
    fields = [mapping.fields[name].field for name in ("occurred_at", "recorded_at")] if mapping else []
    if mapping is None or None in fields or portfolio.sources[mapping.source].kind not in FILE_KINDS:
        raise VimError(
            "VIM-E024",
            f"The portfolio {portfolio.name} has no usage event that could say which day is its last",
            fix=f"Map {USAGE} in {portfolio.file.name}, or give the day with --as-of",
        )
    import duckdb

    source = portfolio.sources[mapping.source]
    files = [str(path) for path in portfolio.files(mapping.source, mapping.path)]
    occurred, recorded = (f'cast(try_cast("{name}" as timestamptz) as timestamp)' for name in fields)
    relation = (
        "read_parquet($files, union_by_name = true)"
        if source.kind == "parquet"
        else f"read_json($files, format = 'newline_delimited', columns = {{'{fields[0]}': 'varchar', '{fields[1]}': 'varchar'}})"
        if source.kind == "jsonl"
        else "read_csv($files, all_varchar = true, header = true, delim = $delimiter, quote = '\"', ignore_errors = true)"
    )
    parameters = {"files": files} | ({"delimiter": source.delimiter} if source.kind == "csv" else {})
    connection = duckdb.connect()
    try:
        connection.execute("set TimeZone = 'UTC'")
        found = connection.execute(f"select max({recorded}) from {relation} where {occurred} <= {recorded} + interval 1 day", parameters).fetchone()
    except duckdb.Error as error:
        raise VimError(
            "VIM-E017",
            f"The usage events of {portfolio.name} cannot be read",
            why=str(error).splitlines()[0],
            fix=f"Check the files that {portfolio.file.name} names",
        ) from None
    finally:
        connection.close()
    if found is None or found[0] is None:
        raise VimError("VIM-E024", f"The usage events of {portfolio.name} hold no dated row", fix="Check the mapping of occurred_at and recorded_at")
    return found[0].date()  # type: ignore[no-any-return]
