"""What a portfolio file says well but cannot mean: a source that does not exist, a column nobody has, a word outside a vocabulary.

All of it is found at once. Being told one mistake at a time costs a night each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from difflib import get_close_matches

from vim_pipelines.portfolio.entities import ENTITIES, Column
from vim_pipelines.portfolio.model import FILE_KINDS, UNDATED_KINDS, USAGE, USAGE_RULES, EntityMap, FieldRule, Place, Portfolio, canonical_columns


def mistakes(portfolio: Portfolio) -> Iterator[tuple[int, str]]:
    """Line and text of everything that is well-formed but cannot be meant."""
    for name, source in portfolio.sources.items():
        yield from _unknown_references(source.path or "", portfolio.line("sources", name, "path"))
        if source.kind in FILE_KINDS and source.path is None and portfolio.data_dir is None and "data_dir" not in portfolio._folders:
            yield portfolio.line("sources", name), f"the file source '{name}' has no path and the file no data_dir"
    for name, entity in portfolio.entities.items():
        if name != USAGE and name not in ENTITIES:
            yield portfolio.line("entities", name), f"there is no entity '{name}'" + _near(name, [*ENTITIES, USAGE])
            continue
        yield from _entity_mistakes(portfolio, name, entity)
    yield from _role_mistakes(portfolio)
    yield from _identity_mistakes(portfolio)
    for index, check in enumerate(portfolio.cross_checks):
        for side, keys in (("left", check.left), ("right", check.right)):
            source_of = portfolio.sources.get(keys.source)
            if source_of is None or source_of.kind not in FILE_KINDS:
                yield (
                    portfolio.line("cross_checks", index, side, "source"),
                    f"'{keys.source}' is not a file source" + _near(keys.source, list(portfolio.sources)),
                )


def _role_mistakes(portfolio: Portfolio) -> Iterator[tuple[int, str]]:
    """Roles that nothing reads, that are said twice, or that name a director who is none."""
    seen: dict[str, str] = {}
    for role, words in portfolio.roles.contacts.items():
        for index, word in enumerate(words):
            if word in seen:
                yield portfolio.line("roles", "contacts", role, index), f"the word '{word}' stands for {seen[word]} and for {role}"
            seen.setdefault(word, role)
    contact, account = portfolio.entities.get("contact"), portfolio.entities.get("account")
    if portfolio.roles.contacts:
        rule = contact.fields.get("role") if contact else None
        if rule is None or rule.field is None:
            yield portfolio.line("roles", "contacts"), "roles of contacts are listed, and no field is mapped to contact.role"
        elif rule.model_fields_set - {"field", "lower"}:
            yield portfolio.line("entities", "contact", "fields", "role"), "contact.role: the words stand under roles.contacts; here name the field only"
    people = portfolio.roles.people
    for mail, person in people.items():
        chief = people.get(person.reports_to) if person.reports_to else None
        if person.reports_to and (chief is None or chief.role != "director"):
            directors = [name for name, other in people.items() if other.role == "director"]
            yield (
                portfolio.line("roles", "people", mail, "reports_to"),
                f"'{person.reports_to}' is no director of this file" + _near(person.reports_to, directors),
            )
    if people and (account is None or not {"csm_email", "owner_email"} & account.fields.keys()):
        yield portfolio.line("roles", "people"), "people are listed, and no field is mapped to account.csm_email or account.owner_email"


def _entity_mistakes(portfolio: Portfolio, name: str, entity: EntityMap) -> Iterator[tuple[int, str]]:
    here: Place = ("entities", name)
    source = portfolio.sources.get(entity.source)
    if source is None:
        yield portfolio.line(*here, "source"), f"there is no source '{entity.source}'" + _near(entity.source, list(portfolio.sources))
        return
    is_file = source.kind in FILE_KINDS
    if is_file:
        yield from _unknown_references(entity.path or "", portfolio.line(*here, "path"))
        if entity.object:
            yield portfolio.line(*here, "object"), f"'{entity.source}' is a file source: say path, not object"
    elif source.kind == "warehouse":
        if name != USAGE:
            yield portfolio.line(*here, "source"), f"'{entity.source}' is the warehouse itself: only usage events are read from its tables"
        if not entity.table:
            yield portfolio.line(*here), f"{name} comes from the warehouse: name its table as schema.name"
    else:
        if entity.path:
            yield portfolio.line(*here, "path"), f"'{entity.source}' is a {source.kind} source: say object, not path"
        if not entity.object:
            yield portfolio.line(*here), f"{name} comes from {source.kind}: name its object"
        if entity.history == "snapshot" and source.kind not in UNDATED_KINDS:
            yield portfolio.line(*here, "history"), f"{source.kind} says when a row was changed: history is 'versions'"
        if name == USAGE:
            yield portfolio.line(*here, "source"), "usage events come from files (csv, parquet or jsonl) or from a table of the warehouse"
    yield from _telemetry_mistakes(portfolio, name, entity, source.kind)
    if source.kind in UNDATED_KINDS and name != USAGE and entity.history == "versions" and not entity.known_at:
        origin = "a file" if is_file else "a spreadsheet"
        yield (
            portfolio.line(*here),
            f"{name} comes from {origin}: name the column that says when a row was last changed (known_at), or say 'history: snapshot'",
        )
    columns = {column.name: column for column in canonical_columns(name)}
    for field_name, rule in entity.fields.items():
        line = portfolio.line(*here, "fields", field_name)
        if field_name not in columns:
            yield line, f"{name} has no column '{field_name}'" + _near(field_name, list(columns))
            continue
        yield from ((line, f"{name}.{field_name}: {text}") for text in _rule_mistakes(name, columns[field_name], rule, portfolio))
    for column in columns.values():
        if column.required and column.name not in entity.fields:
            yield portfolio.line(*here, "fields"), f"{name} needs '{column.name}' to be mapped"
    try:
        if re.compile(entity.recorded_date).groups != 1:
            yield portfolio.line(*here, "recorded_date"), "recorded_date needs exactly one group, the date"
    except re.error as error:
        yield portfolio.line(*here, "recorded_date"), f"recorded_date is not a regular expression: {error}"


def _telemetry_mistakes(portfolio: Portfolio, name: str, entity: EntityMap, kind: str) -> Iterator[tuple[int, str]]:
    """Keys that speak of telemetry where there is none, or of a table where there are files."""
    here: Place = ("entities", name)
    for key in ("table", "shape", "cursor", "overlap_hours", "groups"):
        if key not in entity.model_fields_set:
            continue
        if name != USAGE:
            yield portfolio.line(*here, key), f"{key} is for usage events"
        elif key in ("table", "cursor", "overlap_hours") and kind != "warehouse":
            yield portfolio.line(*here, key), f"{key} is for a source of kind warehouse, and '{entity.source}' is {kind}"
    if entity.groups and entity.shape != "segment":
        yield portfolio.line(*here, "groups"), "groups are Segment's: say 'shape: segment'"
    for wrong in (word for word in ("event_id", "occurred_at", "recorded_at") if name == USAGE and word in entity.fields and entity.fields[word].lookup):
        yield portfolio.line(*here, "fields", wrong), f"{name}.{wrong}: what tells one event from another cannot be looked up"


def _identity_mistakes(portfolio: Portfolio) -> Iterator[tuple[int, str]]:
    for index, link in enumerate(portfolio.identity.links):
        source = portfolio.sources.get(link.source)
        if source is None or source.kind not in FILE_KINDS:
            yield portfolio.line("identity", "links", index, "source"), f"'{link.source}' is not a file source" + _near(link.source, list(portfolio.sources))
        yield from _unknown_references(link.path, portfolio.line("identity", "links", index, "path"))


def _rule_mistakes(entity: str, column: Column, rule: FieldRule, portfolio: Portfolio) -> Iterator[str]:
    written = [*rule.map.values(), rule.otherwise, rule.constant, rule.present, rule.empty]
    wrong = [str(value) for value in written if value is not None and column.allowed and str(value) not in column.allowed]
    if wrong:
        yield f"{', '.join(sorted(set(wrong)))} not among {', '.join(column.allowed)}"
    if rule.lookup is not None:
        target = ENTITIES.get(rule.lookup.entity)
        if target is None or rule.lookup.entity not in portfolio.entities:
            yield f"looks up '{rule.lookup.entity}', which no source feeds"
        elif rule.lookup.take not in target.column_by_name:
            yield f"{rule.lookup.entity} has no column '{rule.lookup.take}'" + _near(rule.lookup.take, list(target.column_by_name))
    if rule.format is not None:
        if column.type not in ("date", "timestamp"):
            yield f"format is for dates, and this is {column.type}"
        elif "%" not in rule.format or not _is_pattern(rule.format):
            yield f"'{rule.format}' is not a date pattern such as %d/%m/%Y"
    if rule.reciprocal and column.type not in ("rate", "decimal"):
        yield f"reciprocal is for numbers, and this is {column.type}"
    if entity == USAGE:
        unusable = sorted(rule.model_fields_set - USAGE_RULES)
        if unusable:
            yield f"{', '.join(unusable)} cannot be used for usage events"
    elif rule.lookup is not None:
        yield "lookup can only be used for usage events"
    elif rule.any_of or rule.optional:
        yield f"{'any_of' if rule.any_of else 'optional'} can only be used for usage events"


def _is_pattern(pattern: str) -> bool:
    try:
        datetime.strptime(datetime(2024, 1, 2, 3, 4, 5).strftime(pattern), pattern)
    except (ValueError, re.error):
        return False
    return True


def _unknown_references(text: str, line: int) -> Iterator[tuple[int, str]]:
    for name in re.findall(r"\$\{([^}]*)\}", text):
        if name not in ("VIMOTION_HOME", "data_dir"):
            yield line, f"${{{name}}} is not known here: a path may use ${{VIMOTION_HOME}} and ${{data_dir}}, secrets stay in the environment"


def _near(word: str, known: list[str]) -> str:
    near = get_close_matches(word, known, n=1)
    return f"; did you mean '{near[0]}'?" if near else f"; there are {', '.join(known)}" if known else ""
