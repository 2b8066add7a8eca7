"""What each column of each table is: for Dagster's pages, where a person looks who has met a name and wants to know what it means.

Names and types come from where the table is made: the dbt manifest, or the definitions in code of the tables that Python writes. A meaning is
written once. A column that its own table does not describe means what the nearest table up or down the lineage says of the same name, else what
`column_words.yaml` says; a column that nobody describes makes a test fail.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

TableName = str
WORDS_FILE = Path(__file__).with_name("column_words.yaml")
CURRENT = "_current"
_TABLES = ("model", "seed", "source")


@dataclass(frozen=True)
class ColumnDoc:
    """One column: its name, its type in the words of the place that makes it (empty: not said there), and what it means."""

    name: str
    type: str
    description: str


@dataclass(frozen=True)
class Columns:
    """The columns of every table, by `schema.table`.

    `manifest` is dbt's, as parsed JSON. `tables` holds name to SQL type for the tables that code makes, `described` what code says of their
    columns, `words` the meanings of names that no table describes.
    """

    manifest: Mapping[str, Any]
    tables: Mapping[TableName, Mapping[str, str]]
    described: Mapping[TableName, Mapping[str, str]]
    words: Mapping[str, str]

    def of(self, table: TableName) -> tuple[ColumnDoc, ...]:
        """The columns of a table in their order; empty for a table that nobody lists. A view `<mart>_current` has those of its mart."""
        listed = self._listed.get(table) or self._listed.get(table.removesuffix(CURRENT)) or {}
        return tuple(ColumnDoc(name, own_type or self._near(table, name, 0), own or self._meaning(table, name)) for name, (own_type, own) in listed.items())

    def tables_of(self, schema: str) -> list[tuple[str, str]]:
        """Name and description of each table that dbt makes in a schema, by name."""
        found = ((_table(node), " ".join(node["description"].split())) for node in _nodes(self.manifest) if node["resource_type"] != "source")
        return sorted((table.partition(".")[2], text) for table, text in found if table.startswith(f"{schema}."))

    def unused_words(self) -> set[str]:
        """Entries of `words` that no column of any table needs."""
        needed = {
            name for table, columns in self._listed.items() for column, (_, own) in columns.items() if not own and (name := self._word_for(table, column))
        }
        return set(self.words) - needed

    def _word_for(self, table: TableName, name: str) -> str:
        """The entry of `words` that describes a column which its table does not: under its full name, or where no table near describes the name."""
        full = f"{table.partition('.')[2]}.{name}"
        return full if full in self.words else name if name in self.words and not self._near(table, name, 1) else ""

    def _meaning(self, table: TableName, name: str) -> str:
        word = self._word_for(table, name)
        return self.words[word] if word else self._near(table, name, 1) or _by_form(name)

    def _near(self, table: TableName, name: str, part: int) -> str:
        """Type (part 0) or description (part 1) of the same name in the nearest table.

        A type flows down, so the sources are asked first; a meaning is written where people read, so what is made of the table is.
        """
        for step in (self._below, self._above) if part else (self._above, self._below):
            seen, waiting = {table}, deque([table])
            while waiting:
                here = waiting.popleft()
                found = self._listed.get(here, {}).get(name, ("", ""))[part]
                if found:
                    return found
                new = [there for there in step.get(here, ()) if there not in seen]
                seen.update(new)
                waiting.extend(new)
        return ""

    @cached_property
    def _listed(self) -> dict[TableName, dict[str, tuple[str, str]]]:
        """Name to (type, own description) of each table."""
        found = {}
        for node in _nodes(self.manifest):
            types = (node.get("config") or {}).get("column_types") or {}
            columns = {name.lower(): (column.get("data_type") or "", " ".join(column["description"].split())) for name, column in node["columns"].items()}
            found[_table(node)] = columns or {name: (str(kind), "") for name, kind in types.items()}
        for table, made in self.tables.items():
            said = self.described.get(table, {})
            found[table] = {name: (kind, said.get(name, "")) for name, kind in made.items()}
        return found

    @cached_property
    def _below(self) -> dict[TableName, list[TableName]]:
        found: dict[TableName, list[TableName]] = {}
        for table, parents in self._above.items():
            for parent in parents:
                found.setdefault(parent, []).append(table)
        return found

    @cached_property
    def _above(self) -> dict[TableName, list[TableName]]:
        names = {node["unique_id"]: _table(node) for node in _nodes(self.manifest)}
        parents: Mapping[str, Iterable[str]] = self.manifest["parent_map"]
        return {table: sorted(names[parent] for parent in parents.get(unique_id, ()) if parent in names) for unique_id, table in sorted(names.items())}


def read_words(path: Path = WORDS_FILE) -> dict[str, str]:
    """The meanings of names that no table describes."""
    import yaml

    words = yaml.load(path.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return {str(name): " ".join(str(text).split()) for name, text in words.items()}


def _by_form(name: str) -> str:
    """What the form of a name says: `is_<kind>_fed` is one convention of all evidence models."""
    if name.startswith("is_") and name.endswith("_fed"):
        kind = name.removeprefix("is_").removesuffix("_fed").replace("_", " ")
        return f"Whether any account of the portfolio has a row of the kind {kind}; if not, what depends on it is unknown, not unmet."
    return ""


def _nodes(manifest: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for group in ("nodes", "sources"):
        yield from (node for node in manifest[group].values() if node["resource_type"] in _TABLES)


def _table(node: Mapping[str, Any]) -> TableName:
    return f"{node['schema']}.{node.get('alias') or node.get('identifier') or node['name']}".lower()
