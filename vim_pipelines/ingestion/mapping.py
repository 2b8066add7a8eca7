"""From a source's row to canonical names and words, as the portfolio file says.

Only renaming and the few transforms of `FieldRule` happen here. A value that a rule cannot read is passed on as it came, so that
coercion, which knows the types, rejects it with a reason; nothing is silently emptied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from vim_pipelines.core.hashing import sha256_json
from vim_pipelines.ingestion.filters import passing
from vim_pipelines.portfolio.model import EntityMap, FieldRule, as_word

#: Names under which a mapped record carries what is not a canonical column.
MODIFIED, DELETED = "_modified_at", "_is_deleted"


def mapped_records(
    mapping: EntityMap, records: Iterable[Mapping[str, Any]], *, key: str = "", outside: list[tuple[Any, Any]] | None = None
) -> Iterator[dict[str, Any]]:
    """Canonical records of those source records that pass `mapping.where`.

    Of those that do not, `outside` receives the value of the column `key` and the modification time: a record that was in the
    portfolio yesterday and is filtered out today has left it, and would else be believed for ever as it was.
    """
    readers = [(name, _reader(rule)) for name, rule in mapping.fields.items()]
    passes = passing(mapping.where)
    read_key = dict(readers).get(key)
    for record in records:
        if not passes(record):
            if outside is not None and read_key is not None:
                outside.append((read_key(record), record.get(mapping.known_at) if mapping.known_at else None))
            continue
        row = {name: read(record) for name, read in readers}
        row[MODIFIED] = record.get(mapping.known_at) if mapping.known_at else None
        row[DELETED] = as_word(record.get(mapping.deleted)) in ("true", "1", "deleted") if mapping.deleted else False
        yield row


def mapping_fingerprint(mapping: EntityMap) -> str:
    """Changes when the mapping does: a field that is mapped from today on must be read for old rows too, so the cursor starts over."""
    return sha256_json(mapping.model_dump(mode="json"))[:12]


def _reader(rule: FieldRule) -> Callable[[Mapping[str, Any]], Any]:
    if rule.hash:
        fields = rule.hash
        return lambda record: sha256_json([as_word(record.get(field)) for field in fields])
    if rule.any_of:
        names = rule.any_of
        return lambda record: next((record[name] for name in names if record.get(name) not in (None, "")), None)
    if rule.field is None:
        constant = rule.constant
        return lambda record: constant
    field = rule.field
    if rule.model_fields_set == {"field"}:
        return lambda record: record.get(field)
    return lambda record: _transformed(rule, record.get(field), record)


def _transformed(rule: FieldRule, value: Any, record: Mapping[str, Any]) -> Any:
    missing = value is None or (isinstance(value, str) and not value.strip())
    if "present" in rule.model_fields_set or "empty" in rule.model_fields_set:
        return rule.empty if missing else rule.present if rule.present is not None else value
    if missing:
        value = None
    if rule.map:
        word = as_word(value)
        if word in rule.map:
            return rule.map[word]
        return rule.otherwise if "otherwise" in rule.model_fields_set else value
    if value is None:
        return rule.otherwise
    if rule.true_words:
        return as_word(value) in rule.true_words
    if rule.lower:
        value = str(value).lower()
    if rule.format and isinstance(value, str):
        try:
            return datetime.strptime(value.strip(), rule.format)
        except ValueError:
            return f"{value} (expected {rule.format})"
    if rule.divide_by is not None or rule.divide_by_field:
        divisor = rule.divide_by if rule.divide_by is not None else record.get(rule.divide_by_field or "")
        return _quotient(value, divisor)
    return _quotient(1, value) if rule.reciprocal else value


def _quotient(value: Any, divisor: Any) -> Any:
    """`value / divisor`; None where the divisor is empty or zero (a price per seat of no seats is unknown), `value` itself where it is no number."""
    try:
        below = Decimal(str(divisor)) if divisor not in (None, "") else Decimal(0)
        return Decimal(str(value)) / below if below else None
    except InvalidOperation:
        return f"{value} / {divisor}"
