"""What a sample of source rows says about a mapping, before a night runs on it.

The rules are those of the night itself (`mapping`, `coerce`), asked column by column: coercion stops at the first wrong value of a
row, and a person who is told one column at a time maps for a week. Pure: the rows are given.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from vim_pipelines.ingestion.coerce import CONVERTERS, coerce, to_text
from vim_pipelines.ingestion.filters import passing, unreadable_day
from vim_pipelines.ingestion.mapping import DELETED, mapped_records
from vim_pipelines.portfolio.check import Problem, Severity
from vim_pipelines.portfolio.entities import ENTITIES, Column
from vim_pipelines.portfolio.model import USAGE, EntityMap, FieldRule, Portfolio, as_word, canonical_columns

#: A mapping that is wrong is wrong for most rows; a few bad rows are the source's, and the night sets them aside.
MOST = 0.5
SHOWN = 4
CURRENCY_ENTITIES = ("account", "contract_line", "opportunity")
_KIND = {"integer": "a whole number", "decimal": "a number", "rate": "a number", "boolean": "true or false", "date": "a date", "timestamp": "a timestamp"}


@dataclass
class Judged:
    """What a sample of one entity says. `keys` and `accounts` are the entity keys and the account keys (with how often) of rows that are not deleted."""

    entity: str
    problems: list[Problem] = field(default_factory=list)
    rows: int = 0
    is_whole: bool = False
    empty: dict[str, float] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)
    accounts: Counter[str] = field(default_factory=Counter)
    currencies: Counter[str] = field(default_factory=Counter)


def judge(
    portfolio: Portfolio,
    entity: str,
    mapping: EntityMap,
    records: Sequence[Mapping[str, Any]],
    *,
    absent: Collection[str],
    is_whole: bool,
    captured_at: datetime,
) -> Judged:
    """Judge a sample of an entity. `mapping` has the source's own known_at and deleted; `absent` are mapped fields that the source lacks: told elsewhere, left out here."""
    found = Judged(entity, is_whole=is_whole)
    mapping = without(mapping, absent)
    passed = _passed(portfolio, mapping, records, found)
    kept = [(source, row) for source, row in zip(passed, mapped_records(mapping, passed), strict=True) if not row[DELETED]]
    found.rows = len(kept)
    if not kept:
        if passed or records:
            return found
        found.problems.append(Problem(portfolio.line("entities", entity), "warning", entity, "the source has no row"))
        return found
    for column in canonical_columns(entity):
        rule = mapping.fields.get(column.name)
        if rule is not None and rule.lookup is None:
            _judge_column(portfolio, found, column, rule, [source for source, _ in kept], [row[column.name] for _, row in kept])
    rows = [row for _, row in kept]
    key = "event_id" if entity == USAGE else ENTITIES[entity].key
    found.keys = {text for row in rows if (text := _text(row.get(key)))}
    if "account_key" in mapping.fields and mapping.fields["account_key"].lookup is None:
        found.accounts = Counter(text for row in rows if (text := _text(row["account_key"])))
    if entity in (*CURRENCY_ENTITIES, "fx_rate"):
        found.currencies = Counter(text.upper() for row in rows if (text := _text(row.get("currency"))))
    if entity == USAGE:
        _judge_clock(portfolio, found, rows)
    elif not absent:
        _judge_rows(portfolio, found, rows, captured_at)
    return found


def judge_together(portfolio: Portfolio, judged: Mapping[str, Judged]) -> Iterable[Problem]:
    """What only several entities together show: currencies without a rate, rows of no account, accounts without a contract."""
    yield from _currencies(portfolio, judged)
    accounts = judged.get("account")
    if accounts is None or not accounts.is_whole or not accounts.keys:
        return
    for name, found in judged.items():
        if name == "account" or not found.accounts:
            continue
        strange = {key: count for key, count in found.accounts.items() if key not in accounts.keys}
        if strange:
            rows, total = sum(strange.values()), found.accounts.total()
            severity: Severity = "error" if rows == total else "warning"
            text = f"{_of(rows, total)} name an account that the accounts lack: {_examples(strange)}"
            text += "; is it the same kind of key as account.account_key?" if rows == total else "; they are kept, and belong to no account"
            yield Problem(portfolio.line("entities", name, "fields", "account_key"), severity, f"{name}.account_key", text)
    lines = judged.get("contract_line")
    if lines is not None and lines.is_whole and lines.accounts:
        bare = sorted(accounts.keys - set(lines.accounts))
        if bare:
            text = f"{len(bare)} of {len(accounts.keys)} accounts have no contract line: {_examples(bare)}; their waste and renewal are unknown"
            yield Problem(portfolio.line("entities", "contract_line"), "warning", "contract_line", text)


# --- one entity --------------------------------------------------------------------------------------------------------


def without(mapping: EntityMap, absent: Collection[str]) -> EntityMap:
    """The part of a mapping that a source without the fields `absent` can serve."""
    gone = set(absent)
    return mapping.model_copy(
        update={
            "fields": {name: rule for name, rule in mapping.fields.items() if not gone & set(rule.source_fields)},
            "where": {name: condition for name, condition in mapping.where.items() if name not in gone},
            "known_at": None if mapping.known_at in gone else mapping.known_at,
            "deleted": None if mapping.deleted in gone else mapping.deleted,
        }
    )


def _passed(portfolio: Portfolio, mapping: EntityMap, records: Sequence[Mapping[str, Any]], found: Judged) -> list[Mapping[str, Any]]:
    for name, condition in mapping.where.items():
        unread = Counter(str(record.get(name)) for record in records if unreadable_day(condition, record.get(name)))
        if unread:
            text = f"{_of(unread.total(), len(records))} hold no ISO date and are left out: {_examples(unread)}"
            found.problems.append(
                Problem(portfolio.line("entities", found.entity, "where", name), _grade(unread.total(), len(records)), f"{found.entity}.where.{name}", text)
            )
    passes = passing(mapping.where)
    passed = [record for record in records if passes(record)]
    if records and not passed:
        line, seen = portfolio.line("entities", found.entity, "where"), f"none of the {len(records)} rows read passes the filter"
        if found.is_whole:
            found.problems.append(Problem(line, "error", f"{found.entity}.where", seen))
        else:
            found.problems.append(Problem(line, "warning", f"{found.entity}.where", f"{seen}; there are more (--rows reads up to 10,000)"))
    return passed


def _judge_column(portfolio: Portfolio, found: Judged, column: Column, rule: FieldRule, sources: Sequence[Mapping[str, Any]], values: Sequence[Any]) -> None:
    total = len(values)
    wrong: Counter[str] = Counter()
    strange: Counter[str] = Counter()
    empty = 0
    for source, value in zip(sources, values, strict=True):
        try:
            typed = None if value is None or value == "" else CONVERTERS[column.type](value)
        except (ValueError, ArithmeticError, TypeError):
            wrong[str(value)] += 1
            continue
        empty += typed is None
        if typed is not None and column.allowed and typed not in column.allowed:
            strange[str(source.get(rule.field, value)) if rule.field else str(value)] += 1
    found.empty[column.name] = empty / total
    line, where = portfolio.line("entities", found.entity, "fields", column.name), f"{found.entity}.{column.name}"

    def tell(severity: Severity, text: str) -> None:
        found.problems.append(Problem(line, severity, where, text))

    if wrong:
        tell(
            _grade(wrong.total(), total),
            f"{_of(wrong.total(), total)} hold something that is not {_KIND.get(column.type, 'text')}: {_examples(wrong)}{_hint(column, rule, wrong)}",
        )
    if strange:
        words = ", ".join(column.allowed)
        tell(
            _grade(strange.total(), total),
            f"{_of(strange.total(), total)} hold a word that is not among {words}: {_examples(strange)}; say what it means with 'map'",
        )
    if empty and column.required:
        tell(_grade(empty, total), f"{_of(empty, total)} are empty, and it is required: those rows go to quarantine")
    elif empty == total:
        tell("warning", f"empty in all {total} rows read{': the audit will call it unknown' if found.is_whole else ', which are not all there are'}")
    if rule.map and rule.field and not strange:
        unlisted = Counter(str(source[rule.field]) for source in sources if as_word(source.get(rule.field)) not in ("", *rule.map))
        if unlisted:
            becomes = (
                f"become '{rule.otherwise}'" if rule.otherwise is not None else "become empty" if "otherwise" in rule.model_fields_set else "stay as they are"
            )
            of_roles = found.entity == "contact" and column.name == "role" and portfolio.roles.contacts
            place = portfolio.line("roles", "contacts") if of_roles else line
            found.problems.append(Problem(place, "note", where, f"words that are not listed {becomes}: {_examples(unlisted)}"))


def _judge_rows(portfolio: Portfolio, found: Judged, rows: Sequence[Mapping[str, Any]], captured_at: datetime) -> None:
    """What only whole rows show: one key with two contents, times that lie in the future."""
    _, rejected = coerce(ENTITIES[found.entity], rows, captured_at=captured_at)
    for reason, said in (
        ("conflicting_duplicate", "share their key and modification time with another row of other content"),
        ("future_timestamp", "lie in the future"),
    ):
        keys = Counter(item.row_key or "?" for item in rejected if item.reason == reason)
        if keys:
            line = portfolio.line("entities", found.entity, "fields", ENTITIES[found.entity].key if reason == "conflicting_duplicate" else "")
            found.problems.append(
                Problem(line, _grade(keys.total(), len(rows)), found.entity, f"{_of(keys.total(), len(rows))} {said} and go to quarantine: {_examples(keys)}")
            )


def _judge_clock(portfolio: Portfolio, found: Judged, rows: Sequence[Mapping[str, Any]]) -> None:
    to_timestamp, ahead = CONVERTERS["timestamp"], 0
    for row in rows:
        try:
            occurred, recorded = to_timestamp(row.get("occurred_at") or ""), to_timestamp(row.get("recorded_at") or "")
        except (ValueError, TypeError):
            continue
        ahead += occurred is not None and recorded is not None and occurred > recorded + timedelta(days=1)
    if ahead:
        text = f"{_of(ahead, len(rows))} occurred more than a day after they were recorded and go to quarantine"
        found.problems.append(Problem(portfolio.line("entities", USAGE, "fields", "occurred_at"), _grade(ahead, len(rows)), f"{USAGE}.occurred_at", text))


# --- several entities --------------------------------------------------------------------------------------------------


def _currencies(portfolio: Portfolio, judged: Mapping[str, Judged]) -> Iterable[Problem]:
    rates = judged.get("fx_rate")
    is_known = rates is None or rates.is_whole
    if "fx_rate" in portfolio.entities and rates is None:
        return  # the rates could not be read, which is told
    known = {portfolio.currency} | (set(rates.currencies) if rates else set())
    for name in CURRENCY_ENTITIES:
        found = judged.get(name)
        if found is None:
            continue
        line, where = portfolio.line("entities", name, "fields", "currency"), f"{name}.currency"
        no_code = {word: count for word, count in found.currencies.items() if not re.fullmatch(r"[A-Z]{3}", word)}
        if no_code:
            yield Problem(line, _grade(sum(no_code.values()), found.rows), where, f"no ISO 4217 code: {_examples(no_code)}; say what it means with 'map'")
        rateless = {word: count for word, count in found.currencies.items() if word not in known and word not in no_code}
        if rateless and is_known:
            reason = "fx_rate has no rate for it" if rates else "the file maps no fx_rate"
            yield Problem(
                line, "warning", where, f"currency without a rate to {portfolio.currency}: {_examples(rateless)}; {reason}, so these amounts will be unknown"
            )
        elif rateless:
            yield Problem(line, "note", where, f"no rate to {portfolio.currency} among the rates read, which are not all: {_examples(rateless)}")


def _text(value: Any) -> str | None:
    return None if value is None else to_text(value)


# --- words -------------------------------------------------------------------------------------------------------------


def _grade(count: int, total: int) -> Severity:
    return "error" if count >= MOST * total else "warning"


def _of(count: int, total: int) -> str:
    return f"all {total} rows" if count == total else f"{count} of {total} rows"


def _examples(found: Mapping[str, int] | Sequence[str]) -> str:
    """The most frequent first, each with its count."""
    counted = sorted(found.items(), key=lambda item: (-item[1], item[0])) if isinstance(found, Mapping) else [(word, 1) for word in found]
    shown = [f"'{word if len(word) <= 40 else word[:37] + '...'}'" + (f" ({count})" if count > 1 else "") for word, count in counted[:SHOWN]]
    return ", ".join(shown) + (f" and {len(counted) - SHOWN} more" if len(counted) > SHOWN else "")


def _hint(column: Column, rule: FieldRule, wrong: Mapping[str, int]) -> str:
    example = max(wrong, key=lambda word: (wrong[word], word))
    if column.type in ("date", "timestamp") and not rule.format and re.search(r"\d[./]\d", example):
        pattern = "%d/%m/%Y" if "/" in example else "%d.%m.%Y"
        return f'; say its pattern, such as {{field: {rule.field}, format: "{pattern}"}}'
    if column.type == "boolean" and not rule.true_words:
        return f"; say which words are true, such as {{field: {rule.field}, true_words: [{example}]}}"
    if column.type in ("decimal", "rate", "integer") and re.fullmatch(r"-?[\d.]*\d,\d+", example):
        return "; a number needs a decimal point, not a comma"
    return ""
