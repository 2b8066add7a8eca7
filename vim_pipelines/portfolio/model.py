"""What a portfolio file may say, as types: sources, entities, and how one canonical column comes out of a source row.

The words of this module are the keys of the YAML file; a key that is not here is refused with its line by `portfolio.file`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from vim_pipelines.core.crms import CRMS, Crm
from vim_pipelines.core.errors import VimError
from vim_pipelines.portfolio.entities import ENTITIES, USAGE_EVENT_COLUMNS, Column
from vim_pipelines.portfolio.shapes import SHAPES

USAGE = "usage_event"
#: Usage columns that ingestion fills itself; a portfolio file maps the others.
USAGE_MAPPED = tuple(column for column in USAGE_EVENT_COLUMNS if column.name not in ("source_name", "source_file", "load_number", "attributed_by"))
#: What an event may say of its user beside the canonical columns: read to find the account, never stored.
IDENTITY_COLUMNS = (
    Column("user_email", "text", description="Mail address of the user; read for the identity ladder, not stored."),
    Column("billing_id", "text", description="Customer id of the billing system; read for the identity ladder, not stored."),
)
#: Rules that can be said in the warehouse's SQL. Telemetry is never carried through Python, so it knows only these.
USAGE_RULES = frozenset({"field", "constant", "map", "otherwise", "lower", "hash", "lookup", "any_of", "optional"})
FILE_KINDS = ("csv", "parquet", "jsonl")
#: Endings of the files of each kind. DuckDB and Python both unpack .gz themselves.
ENDINGS: dict[str, tuple[str, ...]] = {
    "csv": (".csv", ".csv.gz", ".tsv", ".tsv.gz"),
    "parquet": (".parquet",),
    "jsonl": (".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz"),
}
SYSTEM_KINDS = (*CRMS, "zendesk")
#: Kinds whose rows need not say when they were changed: there `known_at` is the file's to name, or the history is a snapshot.
UNDATED_KINDS = (*FILE_KINDS, "google_sheets")

Place = tuple[str | int, ...]
Scalar = str | int | float | bool | None
ContactRole = Literal["champion", "sponsor", "economic_buyer", "admin", "user", "other"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Lookup(_Strict):
    """Take a column of another entity's row, found by that entity's key: a usage row that knows only its subscription."""

    entity: str = Field(description="Entity whose key the value is.")
    take: str = Field(description="Column of that entity that is taken.")


class FieldRule(_Strict):
    """How one canonical column comes out of a source row. Exactly one of `field`, `constant`, `hash` and `any_of` says where from."""

    field: str | None = Field(default=None, description="The source's name of the field. `seats: Seats__c` is short for `seats: {field: Seats__c}`.")
    constant: Scalar = Field(default=None, description="A value for every row.")
    hash: tuple[str, ...] = Field(default=(), description="Several source fields that together make a key.")
    any_of: tuple[str, ...] = Field(
        default=(), description="The first of several fields that is not empty. Usage events only, where `a.b` is also the key `b` in the JSON of field `a`."
    )
    optional: bool = Field(default=False, description="The field may be absent from the source. Usage events only.")
    map: dict[str, Scalar] = Field(default_factory=dict, description="Your words to ours. Case is ignored; a word that is not listed stays as it is.")
    otherwise: Scalar = Field(default=None, description="With `map`: the value for all words that are not listed. Without: the value where the field is empty.")
    format: str | None = Field(default=None, description="Pattern of dates and timestamps that are not ISO, in the words of strptime: `%d/%m/%Y`.")
    divide_by: float | None = Field(default=None, description="Divide by this number: 100 for cents, 12 for months.")
    divide_by_field: str | None = Field(default=None, description="Divide by another field of the same row; of 0 the result is unknown, never an error.")
    reciprocal: bool = Field(default=False, description="Take 1 / value: for exchange rates quoted the other way round (1 EUR = 1.08 USD in a EUR portfolio).")
    lower: bool = Field(default=False, description="Lower case.")
    true_words: tuple[str, ...] = Field(default=(), description="The words that count as true; all others are false.")
    present: str | None = Field(default=None, description="The value where the field has one.")
    empty: str | None = Field(default=None, description="The value where the field is empty.")
    lookup: Lookup | None = Field(default=None, description="Exchange the value, a key of another entity, for one of its columns. Usage events only.")

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
        origins = [name for name in ("field", "constant", "hash", "any_of") if name in self.model_fields_set and getattr(self, name) not in (None, ())]
        if len(origins) != 1:
            raise ValueError("say exactly one of field, constant, hash and any_of")
        if self.divide_by == 0:
            raise ValueError("divide_by must not be 0")
        return self

    @property
    def source_fields(self) -> tuple[str, ...]:
        """The source's fields that this rule reads."""
        single = tuple(name for name in (self.field, self.divide_by_field) if name)
        return single + self.hash + self.any_of


class Condition(_Strict):
    """What a field must say for a row to be read. Several conditions must all hold.

    `Type: Customer` is short for `Type: {in: [Customer]}`, and a list for `in`. Words are compared without case; an empty field is the
    empty word. A row whose date is empty or unreadable lies in no range.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    any_of: tuple[str, ...] = Field(default=(), alias="in", description="The field says one of these words.")
    none_of: tuple[str, ...] = Field(default=(), alias="not", description="The field says none of these words.")
    first_day: date | None = Field(default=None, alias="from", description="The field is a date on or after this day.")
    last_day: date | None = Field(default=None, alias="to", description="The field is a date on or before this day.")
    empty: bool | None = Field(default=None, description="true: the field is empty. false: it is not.")

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            value = {"in": value}
        value = dict(value)
        for name in ("in", "not"):
            if name in value:
                words = value[name] if isinstance(value[name], list) else [value[name]]
                if any(isinstance(word, dict | list) for word in words):
                    raise ValueError(f"'{name}' takes a word or a list of words")
                value[name] = [as_word(word) for word in words]
        return value

    @model_validator(mode="after")
    def _says_something(self) -> Condition:
        if not self.model_fields_set:
            raise ValueError("say one of in, not, from, to and empty")
        if not self.any_of and "any_of" in self.model_fields_set:
            raise ValueError("an empty list lets no row through")
        if self.first_day and self.last_day and self.first_day > self.last_day:
            raise ValueError(f"from {self.first_day} lies after to {self.last_day}")
        return self


class Source(_Strict):
    """A system or a folder. Vendors take their address and credentials from the settings, never from this file."""

    kind: Literal[Crm, "zendesk", "csv", "parquet", "jsonl", "warehouse"] = Field(
        description="What kind of system or file; warehouse: tables that are already there."
    )
    path: str | None = Field(default=None, description="Folder of the files; may use ${data_dir} and ${VIMOTION_HOME}.")
    delimiter: str = Field(default=",", description="What separates the columns of a CSV file.")
    encoding: str = Field(default="utf-8", description="Encoding of a CSV file.")


class EntityMap(_Strict):
    """Where one entity comes from."""

    source: str = Field(description="Name of the source, from `sources`.")
    object: str | None = Field(default=None, description="The system's name of the object (API name).")
    path: str | None = Field(default=None, description="File, folder or glob under the source's folder.")
    table: str | None = Field(
        default=None, pattern=r"^[^\s;'.]+\.[^\s;'.]+(\.[^\s;'.]+)?$", description="Telemetry: a table of the warehouse, `schema.name`, read by `cursor`."
    )
    shape: Literal["segment", "posthog"] | None = Field(
        default=None, description="Telemetry: the ready mapping of a vendor's table; what `fields` says replaces the shape's."
    )
    cursor: str | None = Field(
        default=None, description="Telemetry from a table: the column that says when a row was loaded. Default: the field of recorded_at."
    )
    overlap_hours: int = Field(default=72, ge=0, description="Telemetry from a table: how far before the newest cursor each load reads again, for late rows.")
    groups: str | None = Field(
        default=None, description="Telemetry in Segment's shape: its groups table, or its files under the source's folder, that say which user belongs where."
    )
    fields: dict[str, FieldRule] = Field(description="Canonical column: source field, or a rule.")
    known_at: str | None = Field(default=None, description="Field that says when the row was last changed. Systems have one of their own.")
    deleted: str | None = Field(default=None, description="Field that says the row is gone. Systems have one of their own.")
    history: Literal["versions", "snapshot"] = Field(
        default="versions", description="snapshot: the file shows only today's state; then the past is assumed, and reported as such."
    )
    where: dict[str, Condition] = Field(default_factory=dict, description="Only the rows whose fields say this.")
    recorded_date: str = Field(
        default=r"(?:recorded_date=|[_-])(\d{4}-\d{2}-\d{2})",
        description="Telemetry: regular expression with one group, the day in a file's name on which it arrived.",
    )

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, value: Any) -> Any:
        """`seats: Seats__c` is short for `seats: {field: Seats__c}`."""
        if isinstance(value, dict):
            value = dict(value)
            if isinstance(value.get("fields"), dict):
                value["fields"] = {name: {"field": rule} if isinstance(rule, str) else rule for name, rule in value["fields"].items()}
            shape = SHAPES.get(str(value.get("shape")))
            if shape is not None and isinstance(value.get("fields", {}), dict):
                value["fields"] = shape | value.get("fields", {})
        return value

    @property
    def source_fields(self) -> tuple[str, ...]:
        """Every field that is read from the source, in the order of the file, each once."""
        names = [name for rule in self.fields.values() for name in rule.source_fields]
        names += [name for name in (self.known_at, self.deleted) if name] + list(self.where)
        return tuple(dict.fromkeys(names))


class KeySet(_Strict):
    """The values of `key` in a file, of the rows where the conditions hold."""

    source: str = Field(description="Name of a file source.")
    path: str = Field(description="File, folder or glob under the source's folder.")
    key: str = Field(description="Column whose values are compared.")
    where: dict[str, Condition] = Field(default_factory=dict, description="Only the rows whose fields say this.")


class CrossCheck(_Strict):
    """Two places that ought to name the same keys. What only one of them names is counted and reported, never repaired."""

    name: str = Field(description="What is compared, as it is reported.")
    left: KeySet = Field(description="One place.")
    right: KeySet = Field(description="The other.")


class Person(_Strict):
    """Somebody of your own team."""

    role: Literal["csm", "director"] = Field(description="Customer Success Manager, or the Director who leads some of them.")
    name: str | None = Field(default=None, description="Full name, where the CRM knows only the address.")
    reports_to: str | None = Field(default=None, description="Of a CSM: the mail address of the director.")


class Roles(_Strict):
    """Who is who, at the customer and in your own team."""

    contacts: dict[ContactRole, tuple[str, ...]] = Field(
        default_factory=dict,
        description="Which words of your CRM mean which role. Case is ignored; a person with another word is kept with the role 'other'.",
    )
    people: dict[str, Person] = Field(
        default_factory=dict,
        description="Your team by mail address. Fills csm_email and csm_name from owner_email, and director_email from reports_to, where no field is mapped.",
    )

    @model_validator(mode="before")
    @classmethod
    def _words(cls, value: Any) -> Any:
        if isinstance(value, dict):
            value = dict(value)
            if isinstance(value.get("contacts"), dict):
                value["contacts"] = {
                    role: [as_word(word) for word in (words if isinstance(words, list) else [words])] for role, words in value["contacts"].items()
                }
            if isinstance(value.get("people"), dict):
                value["people"] = {str(mail): {"role": person} if isinstance(person, str) else person for mail, person in value["people"].items()}
        return value


class IdentityLink(_Strict):
    """A file that says which account a key belongs to. The kinds `user` and `email` are the manual table: people somebody looked up."""

    source: str = Field(description="Name of a file source.")
    path: str = Field(description="File, folder or glob under the source's folder.")
    kind: Literal["org_id", "email", "domain", "billing_id", "user"] = Field(
        description="What the key is: the product's own organisation id, a mail address, a domain, the billing system's customer, a user of the telemetry."
    )
    key: str = Field(description="Column of the key.")
    account_key: str = Field(description="Column of the account it belongs to.")


class Identity(_Strict):
    """What the identity ladder knows beside the CRM, for events that name no account."""

    links: tuple[IdentityLink, ...] = Field(default=(), description="Tables of keys and accounts.")
    free_mail: tuple[str, ...] = Field(default=(), description="Domains that never name a company, beside the list that is shipped.")


class Portfolio(_Strict):
    """A portfolio file that was read and found right."""

    name: str = Field(description="Name of the portfolio, as reports show it.")
    currency: str = Field(
        pattern=r"^[A-Z]{3}$", description="ISO 4217 code of the currency that all amounts are converted to for sums; rates come from the entity fx_rate."
    )
    as_of: Literal["last_complete_day", "last_event"] = Field(
        default="last_complete_day",
        description="The day a run takes by default. last_event: of a data set that nobody adds to any more, the last day it tells of.",
    )
    data_dir: str | None = Field(default=None, description="Folder of the files, from this file's folder; --data-dir replaces it.")
    sources: dict[str, Source] = Field(description="Your systems and folders, by names of your own.")
    entities: dict[str, EntityMap] = Field(description="Which source feeds which entity, and under which names. What no source feeds is unknown, never zero.")
    roles: Roles = Field(default_factory=Roles, description="Which words mean champion or sponsor, and who your CSMs and directors are.")
    cross_checks: tuple[CrossCheck, ...] = Field(default=(), description="What two places ought to agree on.")
    identity: Identity = Field(default_factory=Identity, description="How events without an account find theirs, beside what the CRM says.")

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
        found = _matches(root, relative, self.sources[source_name].kind, self.file.name)
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
    return (*USAGE_MAPPED, *IDENTITY_COLUMNS) if entity == USAGE else ENTITIES[entity].columns


def line_of(lines: Mapping[Place, int], path: Place) -> int:
    """Line of the thing under `path`, or of its nearest parent."""
    path = tuple(path)
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def _expanded(text: str, folders: Mapping[str, str]) -> str:
    return re.sub(r"\$\{([^}]*)\}", lambda found: folders[found.group(1)], text)


def _matches(root: Path, pattern: str, kind: str, file_name: str) -> list[Path]:
    """Files of `kind` that a pattern names; a folder or glob that also holds data files of another kind is an error: which are meant?"""
    if not pattern:
        candidates = [root] if root.is_file() else sorted(root.rglob("*")) if root.is_dir() else []
    elif any(mark in pattern for mark in "*?["):
        candidates = sorted(root.glob(pattern)) if root.is_dir() else []
    else:
        exact = root / pattern
        candidates = sorted(exact.rglob("*")) if exact.is_dir() else [exact]
        if exact.is_file():
            return [exact]
    files = [path for path in candidates if path.is_file() and not path.name.startswith((".", "_"))]
    other = [path for path in files for name, endings in ENDINGS.items() if name != kind and path.name.endswith(endings)]
    if other:
        raise VimError(
            "VIM-E017",
            f"{root / pattern if pattern else root} holds files of several kinds",
            why=f"The source is of kind {kind} and {len(other)} of the files are not, {other[0].name} first",
            fix=f"Name one kind with a glob such as *{ENDINGS[kind][0]} in {file_name}, and give the others a source of their own",
        )
    return [path for path in files if path.name.endswith(ENDINGS[kind])]
