"""Tabs of a Google spreadsheet, held to a header contract.

Anybody may rename, move or copy a column of a sheet, and nothing would tell: the night would read somebody's notes as seats. So the
first row must have every mapped header exactly once, or the night stops with the tab, the cell and the line of the mapping. A cell of a
wrong type stops nothing: coercion sets its row aside, as for a CSV.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from difflib import get_close_matches
from itertools import islice
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from vim_pipelines.core.errors import VimError
from vim_pipelines.ingestion.readers import ClientReader, MappedFieldError, Reading, Record
from vim_pipelines.portfolio.entities import ENTITIES
from vim_pipelines.portfolio.model import EntityMap
from vim_pipelines.vendors.google_sheets import Cell, GoogleSheetsClient, Spreadsheet, cell_name, serial_to_datetime

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings

#: How far down a header row that was pushed away is looked for.
HEADER_SEARCH_ROWS = 20
#: Serial numbers of 1970-01-01 and 2100-01-01. A number outside is no date that a customer has; 2026 in a date column is a year.
#: A canonical column of one name has one type, whichever entity it belongs to.
MOMENT_COLUMNS: dict[str, str] = {column.name: column.type for entity in ENTITIES.values() for column in entity.columns if column.type in ("date", "timestamp")}
EARLIEST, LATEST = 25_569, 73_051


class GoogleSheetsReader(ClientReader):
    """One spreadsheet. Each tab is fetched once a night, so that what was checked is what is read."""

    def __init__(self, client: GoogleSheetsClient, captured_at: datetime) -> None:
        super().__init__(client, captured_at)
        self.client = client
        self._spreadsheet: Spreadsheet | None = None
        self._values: dict[str, list[list[Cell]]] = {}

    def objects(self) -> tuple[str, ...] | None:
        """The tabs of the spreadsheet."""
        return tuple(tab.title for tab in self._sheet().tabs)

    def fields(self, mapping: EntityMap) -> dict[str, str]:
        """The headers of the tab, each with the kinds of its cells: text, number, boolean, or several of them.

        Raises MappedFieldError (VIM-E012, VIM-E017) for a mapped header that is missing, blank, twice there, or not in the first row.
        """
        rows = self._rows(mapping)
        columns = header_columns(mapping.object or "", rows, mapping.source_fields)
        return {name: _kinds(rows[1:], column) for name, column in columns.items()}

    def defaults(self, mapping: EntityMap) -> dict[str, str | None]:
        """None: a sheet of itself knows neither when a row was changed nor which rows are gone."""
        return {"known_at": None, "deleted": None}

    def read(self, entity: str, mapping: EntityMap, cursor: str | None) -> Reading:
        """All rows of the tab, whatever the cursor."""
        return Reading(self._records(mapping), lambda: None, is_complete=True)

    def sample(self, mapping: EntityMap, rows: int) -> list[Record]:
        """The first rows of the tab."""
        return [*islice(self._records(mapping), rows)]

    def _records(self, mapping: EntityMap) -> Iterator[Record]:
        moments = _moment_fields(mapping)
        zone = ZoneInfo(self._sheet().time_zone)
        for record in records(mapping.object or "", self._rows(mapping), mapping.source_fields):
            if record.keys() <= {mapping.known_at}:
                continue  # somebody cleared the row, and the spreadsheet's script dated that
            yield {name: from_serial(value, moments[name], zone) if name in moments else value for name, value in record.items()}

    def _sheet(self) -> Spreadsheet:
        if self._spreadsheet is None:
            self._spreadsheet = self.client.spreadsheet()
        return self._spreadsheet

    def _rows(self, mapping: EntityMap) -> list[list[Cell]]:
        title = mapping.object or ""
        if title not in self._values:
            tab = self._sheet().tab(title)
            if tab is None:
                titles = ", ".join(tab.title for tab in self._sheet().tabs)
                raise VimError("VIM-E004", f"The spreadsheet '{self._sheet().title}' has no tab '{title}'", fix=f"It has {titles}")
            self._values |= self.client.values([tab])
        return self._values[title]


def reader_from_settings(settings: Settings, captured_at: datetime) -> GoogleSheetsReader:
    """The reader of the spreadsheet that the settings name."""
    from vim_pipelines.vendors.google_sheets import client_from_settings

    return GoogleSheetsReader(client_from_settings(settings), captured_at)


def header_columns(tab: str, rows: Sequence[Sequence[Cell]], wanted: Sequence[str]) -> dict[str, int]:
    """Column numbers (from 0) by header of the first row, spaces around headers left out.

    Raises MappedFieldError for `wanted` that are not there exactly once: it says what stands there instead. Headers that nobody maps
    may be blank or doubled; they are left out if doubled.
    """
    header = _words(rows[0]) if rows else []
    problems = [problem for name in wanted if (problem := _wrong_header(tab, rows, header, wanted, name)) is not None]
    if problems:
        problems[0].others = tuple(problems[1:])
        raise problems[0]
    known = {word: column for column, word in enumerate(header) if word and header.count(word) == 1}
    # Under the name that the mapping uses, should that have spaces around it.
    return known | {name: known[name.strip()] for name in wanted}


def _wrong_header(tab: str, rows: Sequence[Sequence[Cell]], header: Sequence[str], wanted: Sequence[str], name: str) -> MappedFieldError | None:
    places = [column for column, word in enumerate(header) if word == name.strip()]
    if not places:
        return _missing(tab, rows, header, wanted, name)
    if len(places) == 1:
        return None
    cells = " and ".join(cell_name(0, column) for column in places)
    return MappedFieldError(
        "VIM-E017",
        f"The tab '{tab}' has the header '{name}' in the cells {cells}",
        field=name,
        why="Which of the columns is meant cannot be known",
        fix="Rename or remove one of them",
    )


def _missing(tab: str, rows: Sequence[Sequence[Cell]], header: Sequence[str], wanted: Sequence[str], name: str) -> MappedFieldError:
    for number, row in enumerate(rows[1 : HEADER_SEARCH_ROWS + 1], 1):
        words = _words(row)
        if name.strip() in words and sum(word.strip() in words for word in wanted) > sum(word.strip() in header for word in wanted):
            return MappedFieldError(
                "VIM-E012",
                f"The header row of the tab '{tab}' moved: '{name}' stands in cell {cell_name(number, words.index(name.strip()))}, not in row 1",
                field=name,
                fix=f"Remove the {number} row{'s' if number > 1 else ''} above the header row",
            )
    width = max((len(row) for row in rows), default=0)
    blank = [column for column in range(width) if (column >= len(header) or not header[column]) and any(_cell(row, column) is not None for row in rows[1:])]
    near = get_close_matches(name.strip(), [word for word in header if word and word not in {item.strip() for item in wanted}], n=1)
    if near:
        why = f"Cell {cell_name(0, header.index(near[0]))} says '{near[0]}'"
    elif blank:
        why = f"Cell {cell_name(0, blank[0])} is blank, and there are values below it"
    else:
        why = f"Row 1 has {', '.join(word for word in header if word) or 'no header at all'}"
    return MappedFieldError(
        "VIM-E012",
        f"The tab '{tab}' has no header '{name}' in its first row ({_first_row(header)})",
        field=name,
        why=why,
        fix="Correct the header in the sheet, or the mapping",
    )


def records(tab: str, rows: Sequence[Sequence[Cell]], wanted: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The rows below the header as records of `wanted` headers; an empty cell is not in its record, and a row without any cell is no record."""
    columns = header_columns(tab, rows, wanted)
    for row in rows[1:]:
        if all(cell is None for cell in row):
            continue
        cells = ((name, _cell(row, columns[name])) for name in wanted)
        yield {name: cell for name, cell in cells if cell is not None}


def from_serial(value: Any, kind: str, zone: ZoneInfo) -> Any:
    """The date or moment (naive UTC) of a serial number; a moment is meant in the spreadsheet's time zone.

    Anything else, and a number that is no plausible date, stays as it is for coercion to judge. In the hour that comes twice in
    autumn the first is taken: a serial number does not say which.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not EARLIEST <= value < LATEST:
        return value
    moment = serial_to_datetime(value)
    if kind == "date":
        return date(moment.year, moment.month, moment.day)
    return moment.replace(tzinfo=zone).astimezone(UTC).replace(tzinfo=None)


def _moment_fields(mapping: EntityMap) -> dict[str, str]:
    """Mapped fields that are dates or moments, to which of the two."""
    kinds = {rule.field: MOMENT_COLUMNS[name] for name, rule in mapping.fields.items() if rule.field and name in MOMENT_COLUMNS}
    return kinds | ({mapping.known_at: "timestamp"} if mapping.known_at else {})


def _kinds(rows: Sequence[Sequence[Cell]], column: int) -> str:
    found = {_kind(cell) for cell in (_cell(row, column) for row in rows) if cell is not None}
    return " or ".join(sorted(found)) or "empty"


def _kind(cell: Cell) -> str:
    return "boolean" if isinstance(cell, bool) else "number" if isinstance(cell, int | float) else "text"


def _cell(row: Sequence[Cell], column: int) -> Cell:
    return row[column] if column < len(row) else None


def _words(row: Sequence[Cell]) -> list[str]:
    return ["" if cell is None else str(cell).strip() for cell in row]


def _first_row(header: Sequence[str]) -> str:
    return f"A1 to {cell_name(0, max(len(header), 1) - 1)}"
