"""The filters of a portfolio file (`where`), once for rows in Python and once for the warehouse's SQL.

A filter that means one thing for the CRM and another for telemetry would split one customer in two; the tests run both over the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from vim_pipelines.portfolio.model import Condition, as_word


def passing(where: Mapping[str, Condition]) -> Callable[[Mapping[str, Any]], bool]:
    """A function that says whether a source row passes all conditions (field name to condition)."""
    tests = [(field, _test(condition)) for field, condition in where.items()]
    return lambda record: all(test(record.get(field)) for field, test in tests)


def where_sql(where: Mapping[str, Condition], prefix: str = "", *, dialect: str = "duckdb") -> str:
    """The same as text of SQL, from ` where` on, over fields of `prefix`; empty where there is no condition."""
    tests = [test for field, condition in where.items() for test in sql_tests(f'{prefix}"{field.replace(chr(34), chr(34) * 2)}"', condition, dialect)]
    return f" where {' and '.join(tests)}" if tests else ""


def unreadable_day(condition: Condition, value: Any) -> bool:
    """Whether a range of days was asked of a value that is there and no date: such a row is left out."""
    if condition.first_day is None and condition.last_day is None:
        return False
    return as_word(value) != "" and _day(value) is None


def _test(condition: Condition) -> Callable[[Any], bool]:
    any_of, none_of = frozenset(condition.any_of), frozenset(condition.none_of)
    first, last, empty = condition.first_day, condition.last_day, condition.empty

    def test(value: Any) -> bool:
        word = as_word(value)
        if (any_of and word not in any_of) or word in none_of or (empty is not None and (word == "") != empty):
            return False
        if first is None and last is None:
            return True
        day = _day(value)
        return day is not None and (first is None or day >= first) and (last is None or day <= last)

    return test


def _day(value: Any) -> Any:
    from vim_pipelines.ingestion.coerce import to_date  # coerce imports mapping, and mapping this module

    try:
        return None if value is None else to_date(value)
    except (ValueError, TypeError):
        return None


def sql_tests(name: str, condition: Condition, dialect: str) -> list[str]:
    """One condition over the SQL expression `name`, as SQL conditions that must all hold."""
    word = f"lower(trim(coalesce(cast({name} as varchar), '')))"
    tests = []
    if condition.any_of:
        tests.append(f"{word} in ({_listed(condition.any_of)})")
    if condition.none_of:
        tests.append(f"{word} not in ({_listed(condition.none_of)})")
    if condition.empty is not None:
        tests.append(f"{word} {'=' if condition.empty else '<>'} ''")
    if condition.first_day or condition.last_day:
        text = f"cast({name} as varchar)"
        moment = f"try_cast({text} as timestamptz)" if dialect == "duckdb" else f"convert_timezone('UTC', try_to_timestamp_tz({text}))"
        day = f"cast(cast({moment} as timestamp) as date)" if dialect == "duckdb" else f"to_date({moment})"
        tests += [f"{day} >= date '{condition.first_day}'"] if condition.first_day else []
        tests += [f"{day} <= date '{condition.last_day}'"] if condition.last_day else []
    return tests


def _listed(words: tuple[str, ...]) -> str:
    return ", ".join("'" + word.replace("'", "''") + "'" for word in words)
