"""What a portfolio file may say, as types: sources, entities, and how one canonical column comes out of a source row.

The words of this module are the keys of the YAML file; a key that is not here is refused with its line by `portfolio.file`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from vim_pipelines.core.errors import VimError
from vim_pipelines.portfolio.entities import ENTITIES, USAGE_EVENT_COLUMNS, Column

USAGE = "usage_event"
#: Usage columns that ingestion fills itself; a portfolio file maps the others.
USAGE_MAPPED = tuple(column for column in USAGE_EVENT_COLUMNS if column.name not in ("source_name", "source_file", "load_number"))
#: Rules that can be said in the warehouse's SQL. Telemetry is never carried through Python, so it knows only these.
USAGE_RULES = frozenset({"field", "constant", "map", "otherwise", "lower", "hash", "lookup"})
FILE_KINDS = ("csv", "parquet")

Place = tuple[str | int, ...]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Lookup(_Strict):
    """Take a column of another entity's row, found by that entity's key: a usage row that knows only its subscription."""

    entity: str
    take: str


class FieldRule(_Strict):
    """How one canonical column comes out of a source row. Exactly one of `field`, `constant` and `hash` says where from.

    `map` translates values (case is ignored, `otherwise` is for those not listed); `format` is a strptime pattern for dates and
    timestamps; `divide_by` takes a number, `divide_by_field` a field of the same row (a zero gives an empty value, never an
    error); `present` and `empty` replace a value by whether it is there; `true_words` lists what counts as true;
    `hash` makes a key from several fields; `lookup` exchanges the value, a key of another entity, for one of its columns.
    """

    field: str | None = None
    constant: str | int | float | bool | None = None
    hash: tuple[str, ...] = ()
    map: dict[str, str | int | float | bool | None] = Field(default_factory=dict)
    otherwise: str | int | float | bool | None = None
    format: str | None = None
    divide_by: float | None = None
    divide_by_field: str | None = None
    lower: bool = False
    true_words: tuple[str, ...] = ()
    present: str | None = None
    empty: str | None = None
    lookup: Lookup | None = None

    @model_validator(mode="before")
    @classmethod
    def _words_as_text(cls, value: Any) -> Any:
        """YAML reads yes, no and numbers as values; keys of a map and words are compared as text."""
        if isinstance(value, dict):
            value = dict(value)
            if isinstance(value.get("map"), dict):
                value["map"] = {as_word(key): item for key, item in value["map"].items()}
            if isinstance(value.get("true_words"), list):
                value["true_words"] = [as_word(item) for item in value["true_words"]]
        return value

    @model_validator(mode="after")
    def _one_origin(self) -> FieldRule:
        origins = [name for name in ("field", "constant", "hash") if name in self.model_fields_set and getattr(self, name) not in (None, ())]
        if len(origins) != 1:
            raise ValueError("say exactly one of field, constant and hash")
        if self.divide_by == 0:
            raise ValueError("divide_by must not be 0")
        return self

    @property
    def source_fields(self) -> tuple[str, ...]:
        """The source's fields that this rule reads."""
        single = tuple(name for name in (self.field, self.divide_by_field) if name)
        return single + self.hash


class Source(_Strict):
    """A system or a folder. Vendors take their address and credentials from the settings, never from this file."""

    kind: Literal["salesforce", "zendesk", "csv", "parquet"]
    path: str | None = None
    delimiter: str = ","
    encoding: str = "utf-8"


class EntityMap(_Strict):
    """Where one entity comes from."""

    source: str
    object: str | None = None
    path: str | None = None
    fields: dict[str, FieldRule]
    known_at: str | None = None
    deleted: str | None = None
    history: Literal["versions", "snapshot"] = "versions"
    where: dict[str, str] = Field(default_factory=dict)
    recorded_date: str = r"(?:recorded_date=|[_-])(\d{4}-\d{2}-\d{2})"

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, value: Any) -> Any:
        """`seats: Seats__c` is short for `seats: {field: Seats__c}`."""
        if isinstance(value, dict):
            value = dict(value)
            if isinstance(value.get("fields"), dict):
                value["fields"] = {name: {"field": rule} if isinstance(rule, str) else rule for name, rule in value["fields"].items()}
            if isinstance(value.get("where"), dict):
                value["where"] = {name: as_word(item) for name, item in value["where"].items()}
        return value

    @property
    def source_fields(self) -> tuple[str, ...]:
        """Every field that is read from the source, in the order of the file, each once."""
        names = [name for rule in self.fields.values() for name in rule.source_fields]
        names += [name for name in (self.known_at, self.deleted) if name] + list(self.where)
        return tuple(dict.fromkeys(names))


class KeySet(_Strict):
    """The values of `key` in a file, of the rows where the equalities hold."""

    source: str
    path: str
    key: str
    where: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _words(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("where"), dict):
            value = {**value, "where": {name: as_word(item) for name, item in value["where"].items()}}
        return value


class CrossCheck(_Strict):
    """Two places that ought to name the same keys. What only one of them names is counted and reported, never repaired."""

    name: str
    left: KeySet
    right: KeySet


class Portfolio(_Strict):
    """A portfolio file that was read and found right."""

    name: str
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    as_of: Literal["last_complete_day", "last_event"] = "last_complete_day"
    data_dir: str | None = None
    sources: dict[str, Source]
    entities: dict[str, EntityMap]
    cross_checks: tuple[CrossCheck, ...] = ()

    _file: Path = PrivateAttr(default=Path("portfolio.yaml"))
    _lines: dict[Place, int] = PrivateAttr(default_factory=dict)
    _folders: dict[str, str] = PrivateAttr(default_factory=dict)

    @property
    def file(self) -> Path:
        """The file this was read from."""
        return self._file

    def line(self, *path: str | int) -> int:
        """Line of the file at which the thing under `path` stands, or of its nearest parent."""
        return line_of(self._lines, path)

    def files(self, source_name: str, pattern: str | None) -> list[Path]:
        """The files that a file source's `pattern` (a file, a folder or a glob) names now, sorted; VIM-E018 if none."""
        root, relative = self.location(source_name, pattern)
        found = _matches(root, relative, self.sources[source_name].kind)
        if not found:
            raise VimError(
                "VIM-E018",
                f"No file matches {root / relative if relative else root} (source '{source_name}')",
                fix=f"Correct the path in {self.file.name} line {self.line('sources', source_name)}, or give the folder of the data with --data-dir",
            )
        return found

    def location(self, source_name: str, pattern: str | None) -> tuple[Path, str]:
        """Folder of a file source and the pattern under it."""
        text = _expanded(self.sources[source_name].path or "${data_dir}", self._folders)
        folder = Path(text)
        folder = folder if folder.is_absolute() else self._file.parent / folder
        return folder, pattern or ""


def as_word(value: Any) -> str:
    """A value as it is compared with words of the file: `true` and `True` are one, None is the empty word."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).strip().casefold()


def canonical_columns(entity: str) -> tuple[Column, ...]:
    """The columns that a portfolio file may map for `entity`."""
    return USAGE_MAPPED if entity == USAGE else ENTITIES[entity].columns


def line_of(lines: Mapping[Place, int], path: Place) -> int:
    """Line of the thing under `path`, or of its nearest parent."""
    path = tuple(path)
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def _expanded(text: str, folders: Mapping[str, str]) -> str:
    return re.sub(r"\$\{([^}]*)\}", lambda found: folders[found.group(1)], text)


def _matches(root: Path, pattern: str, kind: str) -> list[Path]:
    endings = (".parquet",) if kind == "parquet" else (".csv", ".csv.gz", ".tsv", ".tsv.gz")
    if not pattern:
        candidates = [root] if root.is_file() else sorted(root.rglob("*")) if root.is_dir() else []
    elif any(mark in pattern for mark in "*?["):
        candidates = sorted(root.glob(pattern)) if root.is_dir() else []
    else:
        exact = root / pattern
        candidates = sorted(exact.rglob("*")) if exact.is_dir() else [exact]
        if exact.is_file():
            return [exact]
    return [path for path in candidates if path.is_file() and path.name.endswith(endings)]
