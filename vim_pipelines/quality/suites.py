"""The suites of suites.yaml, read and checked: a name that means nothing must fail with its line, not pass as a gate that never ran.

Great Expectations itself is asked whether an expectation exists and takes the arguments, so that what is accepted here can be run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, cast

from vim_pipelines.core.errors import VimError
from vim_pipelines.core.yaml_lines import did_you_mean, load_with_lines
from vim_pipelines.portfolio.entities import ENTITIES, VERSION_COLUMNS
from vim_pipelines.portfolio.model import USAGE

Severity = Literal["blocking", "warning"]
Scope = Literal["table", "account", "row"]

PATH = Path(__file__).with_name("suites.yaml")
SEVERITIES, SCOPES = ("blocking", "warning"), ("table", "account", "row")
COLUMNS = "$columns"
#: Whether raw knows the account of a row. A column and not a set of all keys: Great Expectations copies its arguments a hundred times
#: over, which took 12 of 15 seconds for 10,000 accounts.
KNOWN_ACCOUNT = "account_is_known"
#: Figures that a gate may ask of a table and of an account (facts.py computes exactly these).
VERSION_FACTS = ("row_count", "null_keys", "null_known_at", "repeated_versions", "quarantined_share")
USAGE_FACTS = ("row_count", "null_event_ids", "null_times", "days_since_last_arrival", "attributed_share", "quarantined_share")
ACCOUNT_FACTS: dict[str, tuple[str, ...]] = {USAGE: ("row_count", "events_after_read")}
_ENTRY = ("gate", "scope", "severity", "expectation", "arguments", "says")


@dataclass(frozen=True)
class Gate:
    """One expectation: its name for people, what it looks at, Great Expectations' type and arguments, and what failing means."""

    name: str
    scope: Scope
    severity: Severity
    expectation: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    says: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the frame that the expectation names."""
        return tuple(str(self.arguments[name]) for name in ("column", "column_A", "column_B") if name in self.arguments) + tuple(
            self.arguments.get("column_list", ())
        )

    @property
    def is_about_columns(self) -> bool:
        """Whether it judges the list of columns, not values."""
        return not self.columns

    @property
    def mostly(self) -> float:
        """Share of the rows that must pass."""
        return float(self.arguments.get("mostly", 1.0))


@dataclass(frozen=True)
class Book:
    """The content of suites.yaml. `accounts_held_share` and `accounts_held_allowed`: above both, the night stops."""

    version: str
    gates: Mapping[str, tuple[Gate, ...]]
    accounts_held_share: float
    accounts_held_allowed: int
    rows_listed: int
    keep_runs: int


@lru_cache
def load_suites(path: Path = PATH) -> Book:
    """Read and check the file; VIM-E005 names the file, the line and every mistake in it, not only the first."""
    data = load_with_lines(path)
    if not isinstance(data, Mapping) or not isinstance(data.get("entities"), Mapping) or not isinstance(data.get("every_entity"), list):
        raise VimError("VIM-E005", f"{path.name} needs `version`, `limits`, `every_entity` and `entities`", fix=f"Restore {path.name}")
    wrong: list[tuple[int, str]] = []
    entities = {name: entries for name, entries in data["entities"].items() if name != "__line__"}
    known = (*ENTITIES, USAGE)
    gates: dict[str, tuple[Gate, ...]] = {}
    for name, entries in entities.items():
        if name not in known:
            line = (
                entries[0].get("__line__", 2) - 1 if isinstance(entries, list) and entries and isinstance(entries[0], Mapping) else data["entities"]["__line__"]
            )
            wrong.append((line, f"there is no entity '{name}'{did_you_mean(str(name), known)}"))
            continue
        if not isinstance(entries, list):
            wrong.append((data["entities"]["__line__"], f"'{name}' needs a list of gates"))
            continue
        gates[name] = tuple(_gates(name, entries, wrong))
    for name in ENTITIES:
        common = tuple(_gates(name, data["every_entity"], wrong))
        gates[name] = common + gates.get(name, ())
    for name, found in gates.items():
        names = [gate.name for gate in found]
        wrong += [(1, f"{name} has the gate '{gate}' twice") for gate in sorted({gate for gate in names if names.count(gate) > 1})]
    limits, docs = data.get("limits") or {}, data.get("data_docs") or {}
    share = _number(limits, "accounts_held_share", 0, 1, wrong)
    allowed, listed = (_number(limits, name, 0, None, wrong) for name in ("accounts_held_allowed", "rows_listed"))
    keep = _number(docs, "keep_runs", 1, None, wrong)
    if not str(data.get("version") or "").strip():
        wrong.append((data["__line__"], "`version` is missing"))
    if wrong:
        listed_mistakes = "; ".join(f"line {line}: {text}" for line, text in sorted(set(wrong)))
        raise VimError("VIM-E005", f"{path.name} {listed_mistakes}", fix=f"Correct {'that line' if len(set(wrong)) == 1 else 'those lines'} of {path.name}")
    return Book(str(data["version"]), gates, share, int(allowed), int(listed), int(keep))


def frame_columns(entity: str, scope: Scope) -> tuple[str, ...]:
    """What a gate of this scope may name as a column."""
    if scope == "account":
        return ACCOUNT_FACTS.get(entity, ())
    if scope == "table":
        return USAGE_FACTS if entity == USAGE else VERSION_FACTS
    if entity == USAGE:
        return ()
    own = tuple(column.name for column in (*ENTITIES[entity].columns, *VERSION_COLUMNS))
    return (*own, KNOWN_ACCOUNT) if "account_key" in own else own


def expectation_of(gate: Gate, arguments: Mapping[str, Any]) -> Any:
    """The gate as an object of Great Expectations; AttributeError or ValueError (pydantic) if it has no such expectation or argument."""
    import great_expectations.expectations as vocabulary

    kind = getattr(vocabulary, "".join(word.capitalize() for word in gate.expectation.split("_")))
    severity = "critical" if gate.severity == "blocking" else "warning"
    return kind(**arguments, meta={"gate": gate.name}, severity=severity, notes=gate.says)


def _gates(entity: str, entries: list[Any], wrong: list[tuple[int, str]]) -> Iterator[Gate]:
    for entry in entries:
        if not isinstance(entry, Mapping):
            wrong.append((1, f"{entity}: {entry!r} stands where a gate is expected"))
            continue
        mistakes = list(_entry_mistakes(entity, entry))
        wrong += [(int(entry["__line__"]), text) for text in mistakes]
        if not mistakes:
            yield _gate(entry)


def _gate(entry: Mapping[str, Any]) -> Gate:
    arguments = {
        name: datetime(value.year, value.month, value.day) if isinstance(value, date) and not isinstance(value, datetime) else value
        for name, value in (entry.get("arguments") or {}).items()
        if name != "__line__"
    }
    return Gate(
        str(entry["gate"]), cast(Scope, entry["scope"]), cast(Severity, entry["severity"]), str(entry["expectation"]), arguments, str(entry.get("says") or "")
    )


def _entry_mistakes(entity: str, entry: Mapping[str, Any]) -> Iterator[str]:
    missing = [name for name in _ENTRY if name not in entry]
    unknown = [name for name in entry if name not in (*_ENTRY, "__line__")]
    if missing or unknown:
        yield from (f"{entity}: a gate needs `{name}`" for name in missing)
        yield from (f"{entity}: a gate has no `{name}`{did_you_mean(str(name), _ENTRY)}" for name in unknown)
        return
    label = f"{entity}.{entry['gate']}"
    for name, allowed in (("scope", SCOPES), ("severity", SEVERITIES)):
        if entry[name] not in allowed:
            yield f"{label}: there is no {name} '{entry[name]}'{did_you_mean(str(entry[name]), allowed)}"
            return
    if not isinstance(entry["arguments"], Mapping):
        yield f"{label}: `arguments` is no mapping"
        return
    yield from (f"{label}: {text}" for text in _meaning_mistakes(entity, _gate(entry)))


def _meaning_mistakes(entity: str, gate: Gate) -> Iterator[str]:
    import great_expectations.expectations as vocabulary
    from great_expectations.expectations.expectation import ColumnMapExpectation, ColumnPairMapExpectation, MulticolumnMapExpectation

    camel = {_snake(name): name for name in dir(vocabulary) if name.startswith("Expect") and name != "Expectation"}
    if gate.expectation not in camel:
        yield f"Great Expectations has no '{gate.expectation}'{did_you_mean(gate.expectation, list(camel))}"
        return
    columns = frame_columns(entity, gate.scope)
    for column in gate.columns:
        if column not in columns:
            yield f"there is no column '{column}' to judge per {gate.scope}{did_you_mean(column, columns)}"
    is_per_row = issubclass(getattr(vocabulary, camel[gate.expectation]), ColumnMapExpectation | ColumnPairMapExpectation | MulticolumnMapExpectation)
    if gate.scope != "table" and not is_per_row:
        yield f"'{gate.expectation}' judges a table as a whole and cannot be asked per {gate.scope}"
    if gate.scope == "row" and gate.severity == "blocking" and entity in ENTITIES and "account_key" not in ENTITIES[entity].column_by_name:
        yield f"a row of {entity} names no account that could be held; let it warn, or judge the table"
    if gate.scope == "account" and gate.mostly < 1:
        yield "`mostly` has no meaning per account: the accounts that fail are held, the others are not"
    if gate.severity == "blocking" and gate.scope == "row" and gate.mostly < 1:
        yield "a blocking gate on rows holds the accounts of the rows that fail; `mostly` would leave some of them in"
    try:
        expectation_of(gate, {name: [] if isinstance(value, str) and value == COLUMNS else value for name, value in gate.arguments.items()})
    except (TypeError, ValueError) as error:
        yield " ".join(str(error).split())[:300]


def _number(data: Any, name: str, low: float, high: float | None, wrong: list[tuple[int, str]]) -> float:
    value = data.get(name) if isinstance(data, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or value < low or (high is not None and value > high):
        line = int(data.get("__line__", 1)) if isinstance(data, Mapping) else 1
        wrong.append((line, f"`{name}` is {value!r}; it must be a number from {low}{'' if high is None else f' to {high}'}"))
        return low
    return value


def _snake(name: str) -> str:
    import re

    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
