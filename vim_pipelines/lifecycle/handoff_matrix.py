"""The handoff matrix as data, read once and checked, with the line of what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from vim_pipelines.core.errors import VimError
from vim_pipelines.core.yaml_lines import check_keys, did_you_mean, load_with_lines, wrong_line
from vim_pipelines.lifecycle.contract_terms import FIELDS as TERMS
from vim_pipelines.lifecycle.phases import WHO

PATH = Path(__file__).with_name("handoff.yaml")

Source = Literal["crm", "handoff", "sales_document", "contract"]
#: The kinds of documents that are read, as the entity `document` calls them.
DOCUMENT_KINDS: tuple[Source, ...] = ("handoff", "sales_document", "contract")
SOURCES: tuple[Source, ...] = ("crm", *DOCUMENT_KINDS)
VALUES = ("text", "person", "products", "seats", "price", "period", "date", "duration", "yes_no")
#: The checks of the CRM's fields that handoff_crm.py knows.
CRM_CHECKS = (
    "sponsor", "champion", "economic_buyer", "products", "seats", "unit_price", "amount", "start", "end", "term", "renewal", "notice_days", "opt_out",
    "auto_renew", "discount", "sla_tier", "billing",
)  # fmt: skip
_REQUIRED = ("id", "label", "section", "mandatory", "phase", "who", "sources", "value")
_OPTIONAL = ("crm", "cues", "terms", "tolerance")


@dataclass(frozen=True)
class Field:
    """One thing that a handoff must tell; handoff.yaml says what each part means."""

    field_id: str
    label: str
    section: str
    is_mandatory: bool
    phase: int
    who_is_chased: str
    sources: tuple[Source, ...]
    value: str
    crm: str | None
    cues: tuple[str, ...]
    terms: tuple[str, ...]
    tolerance: float


@dataclass(frozen=True)
class Matrix:
    """All fields in the order of the file. `version` is part of what a document's reading is kept under."""

    version: str
    max_rounds: int
    placeholders: frozenset[str]
    fields: tuple[Field, ...]

    @property
    def mandatory(self) -> tuple[Field, ...]:
        return tuple(field for field in self.fields if field.is_mandatory)

    def field(self, field_id: str) -> Field:
        return next(field for field in self.fields if field.field_id == field_id)


@lru_cache
def load_matrix(path: Path = PATH) -> Matrix:
    """Read and check handoff.yaml; VIM-E005 names the line and what is wrong there."""
    data = load_with_lines(path)
    entries = data.get("fields") if isinstance(data, Mapping) else None
    if not isinstance(entries, list) or not data.get("version"):
        raise VimError("VIM-E005", f"{path.name} needs `version` and a list called `fields`", fix=f"Restore {path.name}")
    rounds, placeholders = data.get("max_rounds"), data.get("placeholders")
    if not isinstance(rounds, int) or isinstance(rounds, bool) or rounds < 1:
        raise wrong_line(path, data, "`max_rounds` must be a whole number of at least 1")
    if not isinstance(placeholders, list) or not all(isinstance(word, str) for word in placeholders):
        raise wrong_line(path, data, "`placeholders` must be a list of words")
    fields: list[Field] = []
    seen: dict[str, int] = {}
    for entry in entries:
        field = _field(entry, path)
        if field.field_id in seen:
            raise wrong_line(path, entry, f"the field {field.field_id} stands there twice; first in line {seen[field.field_id]}")
        seen[field.field_id] = entry["__line__"]
        fields.append(field)
    if not any(field.is_mandatory for field in fields):
        raise wrong_line(path, data, "no field is mandatory: every account would pass the gate of phase 1 unseen")
    return Matrix(str(data["version"]), rounds, frozenset(word.lower() for word in placeholders), tuple(fields))


def _field(entry: Any, path: Path) -> Field:
    check_keys(entry, _REQUIRED, _OPTIONAL, path)
    name = entry["id"]
    if not isinstance(entry["mandatory"], bool):
        raise wrong_line(path, entry, f"`mandatory` of {name} must be true or false")
    if not isinstance(entry["phase"], int) or not 1 <= entry["phase"] <= 11:
        raise wrong_line(path, entry, f"`phase` of {name} must be a number from 1 to 11")
    _one_of(path, entry, "who", [entry["who"]], WHO)
    _one_of(path, entry, "value", [entry["value"]], VALUES)
    _one_of(path, entry, "crm", [entry["crm"]] if "crm" in entry else [], CRM_CHECKS)
    for key, words in (("sources", SOURCES), ("terms", TERMS), ("cues", None)):
        listed = entry.get(key, [])
        if not isinstance(listed, list) or not all(isinstance(word, str) and word for word in listed) or len(set(listed)) != len(listed):
            raise wrong_line(path, entry, f"`{key}` of {name} must be a list of words, each once")
        if words is not None:
            _one_of(path, entry, key, listed, words)
    if not entry["sources"]:
        raise wrong_line(path, entry, f"{name} has no source")
    if ("crm" in entry["sources"]) != ("crm" in entry):
        raise wrong_line(path, entry, f"{name} needs both the source crm and a check under `crm`, or neither")
    if set(entry["sources"]) & set(DOCUMENT_KINDS) and not entry.get("cues") and not entry.get("terms"):
        raise wrong_line(path, entry, f"{name} is looked for in documents and has neither `cues` nor `terms`")
    if entry.get("terms") and "contract" not in entry["sources"]:
        raise wrong_line(path, entry, f"{name} has `terms` of a contract, and `contract` is not among its sources")
    tolerance = entry.get("tolerance", 0)
    if not isinstance(tolerance, int | float) or isinstance(tolerance, bool) or tolerance < 0:
        raise wrong_line(path, entry, f"`tolerance` of {name} must be a number of at least 0")
    return Field(
        str(entry["id"]), str(entry["label"]), str(entry["section"]), entry["mandatory"], entry["phase"], entry["who"], tuple(entry["sources"]), entry["value"],
        entry.get("crm"), tuple(cue.lower() for cue in entry.get("cues", [])), tuple(entry.get("terms", [])), float(tolerance),
    )  # fmt: skip


def _one_of(path: Path, entry: Mapping[str, Any], key: str, found: list[Any], words: tuple[str, ...]) -> None:
    for word in found:
        if word not in words:
            raise wrong_line(path, entry, f"`{key}` has {word!r}; it must be one of {', '.join(words)}" + did_you_mean(str(word), words))
