"""Asking every source of a portfolio whether the file fits it: the live half of `vimotion portfolio check`.

One source that does not answer must not keep the others from being checked, and one wrong field not the other fields: what fails is
told with its line, and the rest goes on. Sources are asked side by side, each by one thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vim_pipelines.core.errors import VimError
from vim_pipelines.ingestion.files import file_fields, file_rows
from vim_pipelines.ingestion.filters import passing
from vim_pipelines.ingestion.judge import Judged, judge, judge_together, without
from vim_pipelines.ingestion.readers import VENDOR_NAMES, MappedFieldError, SystemReader, open_reader
from vim_pipelines.ingestion.telemetry_sql import present_fields
from vim_pipelines.portfolio.check import CheckReport, EntityFound, Problem, SourceFound, offline_report
from vim_pipelines.portfolio.entities import ENTITIES
from vim_pipelines.portfolio.file import read_portfolio
from vim_pipelines.portfolio.model import FILE_KINDS, SYSTEM_KINDS, USAGE, EntityMap, Portfolio, canonical_columns

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings

#: Rows of a system's object: one page of most vendors. Files are cheap and are read up to the second number, so that keys can be compared.
SAMPLE_ROWS, FILE_ROWS = 1000, 50_000
#: Rows that must pass the filter before a sample tells anything, and how much wider the second one is.
ENOUGH_ROWS, WIDER = 50, 10
#: Systems whose sample is of the last weeks only: fewer rows than asked for are not all there are.
RECENT_ONLY = frozenset({"zendesk"})
#: Errors that say that the source as a whole cannot be read now; asking for the next object would only say it again.
SOURCE_CODES = frozenset({"VIM-E001", "VIM-E002", "VIM-E010", "VIM-E011", "VIM-E014", "VIM-E016"})


@dataclass
class _Found:
    """What one thread found."""

    problems: list[Problem] = field(default_factory=list)
    sources: list[SourceFound] = field(default_factory=list)
    judged: dict[str, Judged] = field(default_factory=dict)


def check_portfolio(path: Path, settings: Settings, captured_at: datetime, *, data_dir: Path | None = None, rows: int = SAMPLE_ROWS) -> CheckReport:
    """Check the file against itself, against what each source says of its fields, and against a sample of rows.

    `captured_at` is now (naive UTC). Raises VIM-E003 if the file is no YAML; everything else is in the report.
    """
    portfolio, wrong = read_portfolio(path, settings, data_dir=data_dir)
    report = offline_report(path, portfolio, wrong)
    told = {line for line, _ in wrong}
    usable = {name: mapping for name, mapping in portfolio.entities.items() if _is_usable(portfolio, name, mapping, told)}
    kinds = sorted({source.kind for source in portfolio.sources.values()})
    with ThreadPoolExecutor(max_workers=max(1, len(kinds))) as pool:
        parts = list(pool.map(lambda kind: _probe_kind(portfolio, kind, usable, settings, captured_at, rows, told), kinds))
    parts.append(_Found(problems=[item for item in _named_columns(portfolio) if item.line not in told]))
    judged = {name: part.judged[name] for name in portfolio.entities for part in parts if name in part.judged}
    problems = [*report.problems, *(item for part in parts for item in part.problems), *(item for found in judged.values() for item in found.problems)]
    problems += judge_together(portfolio, judged)
    by_name = {item.name: item for part in parts for item in part.sources}
    return CheckReport(
        path,
        portfolio,
        tuple(sorted(set(problems))),
        tuple(by_name[name] for name in portfolio.sources if name in by_name),
        tuple(_entity_found(name, mapping, judged.get(name)) for name, mapping in portfolio.entities.items()),
    )


@contextmanager
def as_vim_error(kind: str) -> Iterator[None]:
    """Whatever else goes wrong with one source, as an answer of a shape that nobody foresaw, is told too and does not hide the others."""
    try:
        yield
    except VimError:
        raise
    except Exception as error:
        said = f"{type(error).__name__}: {error}"[:200]
        raise VimError("VIM-E099", f"What {VENDOR_NAMES.get(kind, kind)} answered could not be understood", why=said, fix="Report it with this line") from error


def is_of_source(error: VimError) -> bool:
    """Whether an error says that the source as a whole cannot be read; a refusal of one object (403) does not."""
    return error.code in SOURCE_CODES and getattr(error, "status", None) != 403


def uses(portfolio: Portfolio, entity: str, mapping: EntityMap) -> Iterator[tuple[str, str, int]]:
    """Every source field that the file names for an entity: field, what it is used for, line."""
    for column, rule in mapping.fields.items():
        is_written = ("entities", entity, "fields", column) in portfolio._lines
        if is_written or mapping.shape:  # not those that the roles have added
            line = portfolio.line("entities", entity, *(("fields", column) if is_written else ("shape",)))
            yield from ((name, f"{entity}.{column}", line) for name in rule.source_fields)
    for use in ("known_at", "deleted"):
        if getattr(portfolio.entities[entity], use):
            yield getattr(mapping, use), f"{entity}.{use}", portfolio.line("entities", entity, use)
    for name in mapping.where:
        yield name, f"{entity}.where", portfolio.line("entities", entity, "where", name)


def with_defaults(reader: SystemReader, mapping: EntityMap) -> EntityMap:
    """The mapping with the vendor's own modification and deletion fields where the file names none."""
    return mapping.model_copy(update={key: getattr(mapping, key) or value for key, value in reader.defaults(mapping).items()})


# --- inside ------------------------------------------------------------------------------------------------------------


def _is_usable(portfolio: Portfolio, name: str, mapping: EntityMap, told: set[int]) -> bool:
    source = portfolio.sources.get(mapping.source)
    if source is None or (source.kind in SYSTEM_KINDS) != bool(mapping.object):
        return False
    if name != USAGE and name not in ENTITIES:
        return False
    known = {column.name for column in canonical_columns(name)}
    # A rule whose own line is wrong is not judged again by its consequences.
    for column in [column for column in mapping.fields if column not in known or portfolio.line("entities", name, "fields", column) in told]:
        if column not in known:
            del mapping.fields[column]
    return True


def _named_columns(portfolio: Portfolio) -> Iterator[Problem]:
    """Columns that cross-checks and identity tables name and their files lack."""
    named: list[tuple[str, str, tuple[str | int, ...], dict[str, str]]] = []
    for index, check in enumerate(portfolio.cross_checks):
        for side, keys in (("left", check.left), ("right", check.right)):
            named.append((keys.source, keys.path, ("cross_checks", index, side), {"key": keys.key} | {f"where.{name}": name for name in keys.where}))
    for index, link in enumerate(portfolio.identity.links):
        named.append((link.source, link.path, ("identity", "links", index), {"key": link.key, "account_key": link.account_key}))
    for source_name, path, place, columns in named:
        source = portfolio.sources.get(source_name)
        if source is None or source.kind not in FILE_KINDS:
            continue  # told as a mistake of the file
        where = ".".join(map(str, place))
        try:
            for file in portfolio.files(source_name, path):
                present = file_fields(file, source)
                for use, column in columns.items():
                    if column not in present:
                        near = get_close_matches(column, present, n=1)
                        text = f"the file {file.name} has no column '{column}'" + (f"; did you mean '{near[0]}'?" if near else "")
                        yield Problem(portfolio.line(*place, *use.split(".", 1)), "error", where, text, "VIM-E012")
        except VimError as error:
            yield Problem(portfolio.line(*place, "path"), "error", where, _said(error), error.code)


def _probe_kind(
    portfolio: Portfolio, kind: str, usable: Mapping[str, EntityMap], settings: Settings, captured_at: datetime, rows: int, told: set[int]
) -> _Found:
    found = _Found()
    if kind in FILE_KINDS:
        for name, source in portfolio.sources.items():
            if source.kind == kind:
                _probe_files(portfolio, name, usable, captured_at, found, told)
    elif kind in SYSTEM_KINDS:
        _probe_system(portfolio, kind, usable, settings, captured_at, rows, found, told)
    else:
        _probe_tables(portfolio, usable, settings, found)
    return found


def _probe_system(
    portfolio: Portfolio, kind: str, usable: Mapping[str, EntityMap], settings: Settings, captured_at: datetime, rows: int, found: _Found, told: set[int]
) -> None:
    names = [name for name, source in portfolio.sources.items() if source.kind == kind]
    entities = [name for name, mapping in usable.items() if mapping.source in names]
    try:
        reader = open_reader(kind, settings, captured_at)
    except VimError as error:
        _source_failed(portfolio, names, kind, error, found, len(entities))
        return
    try:
        for done, name in enumerate(entities):
            try:
                with as_vim_error(kind):
                    _probe_object(portfolio, name, usable[name], reader, kind, captured_at, rows, found, told)
            except VimError as error:
                if is_of_source(error):
                    _source_failed(portfolio, names, kind, error, found, len(entities) - done)
                    return
                found.problems.append(Problem(portfolio.line("entities", name, "object"), "error", name, _said(error), error.code))
        found.sources += [SourceFound(name, kind, "ok", _counted(sum(usable[item].source == name for item in entities))) for name in names]
    finally:
        reader.close()


def _probe_object(
    portfolio: Portfolio, name: str, mapping: EntityMap, reader: SystemReader, kind: str, captured_at: datetime, rows: int, found: _Found, told: set[int]
) -> None:
    objects = reader.objects()
    if objects is not None and mapping.object not in objects:
        near = get_close_matches(mapping.object or "", objects, n=1)
        text = f"{VENDOR_NAMES.get(kind, kind)} has no object '{mapping.object}' here" + (
            f"; did you mean '{near[0]}'?" if near else f"; there are {', '.join(objects)}"
        )
        found.problems.append(Problem(portfolio.line("entities", name, "object"), "error", name, text, "VIM-E012"))
        return
    mapping = with_defaults(reader, mapping)
    try:
        present = reader.fields(mapping)
    except MappedFieldError as first:
        for error in (first, *first.others):
            lines = [(use, line) for field, use, line in uses(portfolio, name, mapping) if field == error.field]
            found.problems += [Problem(line, "error", use, _said(error), error.code) for use, line in lines]
        return
    absent = _absent(portfolio, name, mapping, list(present), f"the {VENDOR_NAMES.get(kind, kind)} object {mapping.object}", found)
    fitting = without(mapping, absent)
    records, is_whole = _sampled(reader, fitting, rows)
    found.judged[name] = _judged(portfolio, name, mapping, records, absent, is_whole and kind not in RECENT_ONLY, captured_at, told)


def _sampled(reader: SystemReader, mapping: EntityMap, rows: int) -> tuple[list[Mapping[str, Any]], bool]:
    """A sample, and whether it is all there is. Where a filter leaves almost nothing of it, a larger one: several entities may share one object."""
    if not mapping.fields:
        return [], False
    records = list(reader.sample(mapping, rows))
    if mapping.where and len(records) >= rows and sum(map(passing(mapping.where), records)) < ENOUGH_ROWS:
        rows *= WIDER
        records = list(reader.sample(mapping, rows))
    return records, len(records) < rows


def _probe_files(portfolio: Portfolio, source_name: str, usable: Mapping[str, EntityMap], captured_at: datetime, found: _Found, told: set[int]) -> None:
    source = portfolio.sources[source_name]
    entities = [name for name, mapping in usable.items() if mapping.source == source_name]
    failed = 0
    for name in entities:
        mapping = usable[name]
        line = portfolio.line("entities", name, "path")
        try:
            files = portfolio.files(source_name, mapping.path)
        except VimError as error:
            failed += 1
            found.problems.append(Problem(line, "error", name, f"{error.what.removesuffix('.')}; correct the path, or say --data-dir", error.code))
            continue
        # Telemetry is many files of one shape: the newest few tell.
        chosen = list(dict.fromkeys([files[-1], files[0]])) if name == USAGE else files
        records: list[Mapping[str, Any]] = []
        absent: set[str] = set()
        is_whole = name != USAGE
        for path in chosen:
            try:
                present = file_fields(path, source)
                missing = _absent(portfolio, name, mapping, present, f"the file {path.name}", found)
                absent |= missing
                if name == USAGE:
                    mapping = _plain_rules(mapping, present)
                for record in file_rows(path, source, without(mapping, missing).source_fields):
                    if len(records) >= (SAMPLE_ROWS if name == USAGE else FILE_ROWS):
                        is_whole = False
                        break
                    records.append(record)
            except VimError as error:
                is_whole = False
                found.problems.append(Problem(line, "error", name, _said(error), error.code))
        found.judged[name] = _judged(portfolio, name, mapping, records, absent, is_whole, captured_at, told)
    status = "error" if entities and failed == len(entities) else "ok"
    found.sources.append(SourceFound(source_name, source.kind, status, "no file found" if status == "error" else _counted(len(entities))))  # type: ignore[arg-type]


def _plain_rules(mapping: EntityMap, present: Sequence[str]) -> EntityMap:
    """The rules of telemetry that can be asked of a row in Python: paths into JSON, alternatives and optional fields are the warehouse's SQL."""
    there = set(present)
    plain = {name: rule for name, rule in mapping.fields.items() if not rule.any_of and there >= set(rule.source_fields)}
    return mapping.model_copy(update={"fields": plain, "where": {name: condition for name, condition in mapping.where.items() if name in there}})


def _probe_tables(portfolio: Portfolio, usable: Mapping[str, EntityMap], settings: Settings, found: _Found) -> None:
    """Tables of the warehouse that telemetry is read from: whether they are there, with the mapped columns."""
    from vim_pipelines.warehouse import open_warehouse

    for source_name, source in portfolio.sources.items():
        entities = {name: mapping for name, mapping in usable.items() if mapping.source == source_name}
        if source.kind != "warehouse":
            continue
        try:
            if settings.warehouse == "duckdb" and not settings.warehouse_path.exists():  # looking must not make one
                raise VimError("VIM-E021", f"There is no warehouse {settings.warehouse_path} yet", fix="Load the tables, or name another VIMOTION_HOME")
            with open_warehouse(settings).session(read_only=True) as session:
                columns = {name: session.column_names(mapping.table or ".") for name, mapping in entities.items() if (mapping.table or "").count(".") == 1}
        except VimError as error:
            _source_failed(portfolio, [source_name], source.kind, error, found, len(entities))
            continue
        for name, there in columns.items():
            mapping = entities[name]
            if not there:
                line = portfolio.line("entities", name, "table")
                found.problems.append(Problem(line, "error", name, f"the warehouse has no table {mapping.table}", "VIM-E018"))
                continue
            named = [field for field in mapping.source_fields if field.lower() in there]
            _absent(portfolio, name, mapping, [*there, *named], f"the table {mapping.table}", found)
        found.sources.append(SourceFound(source_name, source.kind, "ok", f"{_counted(len(entities))}; columns only, rows are read by the night"))


def _absent(portfolio: Portfolio, entity: str, mapping: EntityMap, present: Sequence[str], where: str, found: _Found) -> set[str]:
    """Mapped fields that the source lacks; each use of one is a problem of its own."""
    there = set(present_fields(mapping, present) if entity == USAGE else present)
    absent = {name for name in mapping.source_fields if name not in there}
    for name, use, line in uses(portfolio, entity, mapping):
        if name in absent:
            near = get_close_matches(name, list(present), n=1, cutoff=0.6)
            text = f"{where} has no field '{name}'" + (f"; did you mean '{near[0]}'?" if near else "")
            found.problems.append(Problem(line, "error", use, text, "VIM-E012"))
    return absent


def _judged(
    portfolio: Portfolio,
    name: str,
    mapping: EntityMap,
    records: Sequence[Mapping[str, Any]],
    absent: set[str],
    is_whole: bool,
    captured_at: datetime,
    told: set[int],
) -> Judged:
    judged = judge(portfolio, name, mapping, records, absent=absent, is_whole=is_whole, captured_at=captured_at)
    judged.problems = [item for item in judged.problems if item.line not in told]
    return judged


def _source_failed(portfolio: Portfolio, names: Sequence[str], kind: str, error: VimError, found: _Found, left: int) -> None:
    for name in names:
        found.sources.append(SourceFound(name, kind, "error", f"{error.what.removesuffix('.')}; {_counted(left)} not checked"))
        found.problems.append(Problem(portfolio.line("sources", name), "error", f"sources.{name}", _said(error), error.code))


def _said(error: VimError) -> str:
    return ". ".join(text.removesuffix(".") for text in (error.what, error.why, error.fix) if text)


def _counted(number: int) -> str:
    return f"{number} {'entity' if number == 1 else 'entities'}"


def _entity_found(name: str, mapping: EntityMap, judged: Judged | None) -> EntityFound:
    if judged is None:
        return EntityFound(name, mapping.source)
    return EntityFound(name, mapping.source, judged.rows, judged.is_whole, True, judged.empty)
