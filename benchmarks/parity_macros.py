"""Awkward values for every macro that hides a difference between DuckDB and Snowflake, with the answer worked out by hand.

One list for both: the tests run it on DuckDB and on the emulator, `make parity-live` on a real account, where it is the first thing to fail
if Snowflake rounds, divides, sorts or truncates unlike its documents say. A case is a query of one row and one column called `x`.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from vim_pipelines.evaluation.intervals import wilson
from vim_pipelines.evaluation.parity import equal
from vim_pipelines.settings import Settings
from vim_pipelines.transform.project import _invoke, run_dbt
from vim_pipelines.warehouse import Warehouse

AS_OF = date(2026, 6, 28)  # a Sunday


@dataclass(frozen=True)
class Case:
    """A macro with awkward values: `sql` (with Jinja) gives one row with the column `x`, which must be `expected`."""

    name: str
    sql: str
    expected: Any


def _day(text: str) -> str:
    return f"cast('{text}' as date)"


def _macro(call: str) -> str:
    return "{{ " + call + " }}"


def _one(name: str, expression: str, expected: Any) -> Case:
    return Case(name, f"select {expression} as x", expected)


def _over(name: str, values: Iterable[str], expression: str, expected: Any) -> Case:
    """An aggregate `expression` over rows of one column `v`, none of them if `values` is empty."""
    listed = list(values)
    rows = " union all ".join(f"select {value} as v" for value in listed) if listed else "select 1 as v where 1 = 0"
    return Case(name, f"with v as ({rows}) select {expression} as x from v", expected)


_NULL_DAY = "cast(null as date)"
_NULL_NUMBER = "cast(null as decimal(18, 4))"

CASES: tuple[Case, ...] = (
    # Division: never an error, never an integer, NULL for what cannot be divided.
    _one("divide integers", _macro("safe_divide('1', '4')"), 0.25),
    _one("divide decimals keeps a double", _macro("safe_divide('cast(1 as decimal(18, 2))', 'cast(3 as decimal(18, 2))')"), 1 / 3),
    _one("divide by zero", _macro("safe_divide('5', '0')"), None),
    _one("divide zero by zero", _macro("safe_divide('0', '0')"), None),
    _one("divide by null", _macro("safe_divide('5', 'null')"), None),
    _one("divide null", _macro("safe_divide('null', '5')"), None),
    _one("divide a negative", _macro("safe_divide('-1', '8')"), -0.125),
    # Rounding: half a cent goes away from zero, on both sides of it.
    _one("round half up", _macro("money('cast(0.005 as decimal(18, 4))')"), Decimal("0.01")),
    _one("round negative half down", _macro("money('cast(-0.005 as decimal(18, 4))')"), Decimal("-0.01")),
    _one("round a half that is even", _macro("money('cast(0.125 as decimal(18, 4))')"), Decimal("0.13")),
    _one("round below a half", _macro("money('cast(0.0049 as decimal(18, 4))')"), Decimal("0.00")),
    _one("round a product", _macro("money('15 * cast(333.3333 as decimal(18, 4))')"), Decimal("5000.00")),
    _one("round a whole number", _macro("money('7')"), Decimal("7.00")),
    _one("round null", _macro("money('cast(null as decimal(18, 4))')"), None),
    _one("ceil that floating point gets wrong", _macro("exact_ceil('1.1', '50')"), 55),
    _one("ceil of a fraction", _macro("exact_ceil('1.1', '21.4')"), 24),
    _one("ceil of zero", _macro("exact_ceil('1.1', '0')"), 0),
    _one("ceil of a negative", _macro("exact_ceil('1', '-0.5')"), 0),
    _one("ceil of null", _macro("exact_ceil('1.1', 'cast(null as double)')"), None),
    # The smaller and the larger of two: NULL stays NULL (greatest and least differ between the two).
    _one("at least zero of a negative", _macro("at_least_zero('-3')"), 0),
    _one("at least zero of null", _macro("at_least_zero('cast(null as bigint)')"), None),
    _one("lesser of two", _macro("lesser('2', '3')"), 2),
    _one("lesser with null", _macro("lesser('cast(null as bigint)', '3')"), None),
    _one("lesser with null second", _macro("lesser('3', 'cast(null as bigint)')"), None),
    # Sums, percentiles and booleans over nothing and over NULLs.
    _over("sum of money over nothing", [], _macro("money_sum('v')"), None),
    _over("sum of money over nulls", [_NULL_NUMBER, _NULL_NUMBER], _macro("money_sum('v')"), None),
    _over("sum of money", ["cast(0.10 as decimal(18, 2))", "cast(0.20 as decimal(18, 2))", _NULL_NUMBER], _macro("money_sum('v')"), Decimal("0.30")),
    _over("percentile between two values", map(str, range(10, 23)), _macro("percentile('v', 0.95)"), 21.4),
    _over("percentile leaves nulls out", ["1", "cast(null as bigint)", "3"], _macro("percentile('v', 0.5)"), 2.0),
    _over("percentile of one", ["7"], _macro("percentile('v', 0.95)"), 7.0),
    _over("percentile of nothing", [], _macro("percentile('v', 0.95)"), None),
    _over("percentile of nulls", ["cast(null as bigint)"], _macro("percentile('v', 0.95)"), None),
    _over("any true", ["1", "2"], _macro("any_true('v = 2')"), True),
    _over("any true with an unknown", ["cast(null as bigint)", "2"], _macro("any_true('v = 3')"), False),
    _over("any true of nothing is unknown", [], _macro("any_true('v = 2')"), None),
    # Weeks begin on Monday, whatever the account's WEEK_START; years do not cut them.
    _one("week of a Monday", _macro(f'iso_week_start("{_day("2026-06-22")}")'), date(2026, 6, 22)),
    _one("week of a Sunday", _macro(f'iso_week_start("{_day("2026-06-28")}")'), date(2026, 6, 22)),
    _one("week across the year", _macro(f'iso_week_start("{_day("2027-01-01")}")'), date(2026, 12, 28)),
    _one("week of New Year's Eve", _macro(f'iso_week_start("{_day("2024-12-31")}")'), date(2024, 12, 30)),
    _one("week of the leap day", _macro(f'iso_week_start("{_day("2024-02-29")}")'), date(2024, 2, 26)),
    _one("week of null", _macro(f'iso_week_start("{_NULL_DAY}")'), None),
    _one("weekday of a Monday", _macro(f'iso_weekday("{_day("2026-06-22")}")'), 1),
    _one("weekday of a Sunday", _macro(f'iso_weekday("{_day("2026-06-28")}")'), 7),
    _one("weekday of null", _macro(f'iso_weekday("{_NULL_DAY}")'), None),
    _one("last complete week of a Sunday", _macro("last_complete_week()"), date(2026, 6, 22)),
    _one("the week before it", _macro("last_complete_week(-1)"), date(2026, 6, 15)),
    # Date arithmetic: a date stays a date, differences are whole calendar days.
    _one("day after the leap day", _macro(f'days_after("{_day("2024-02-29")}", 1)'), date(2024, 3, 1)),
    _one("a year after the leap day", _macro(f'days_after("{_day("2024-02-29")}", 365)'), date(2025, 2, 28)),
    _one("days before", _macro(f'days_after("{_day("2025-01-01")}", -1)'), date(2024, 12, 31)),
    _one("days after null", _macro(f'days_after("{_NULL_DAY}", 1)'), None),
    _one("days after by a null", _macro(f"days_after(\"{_day('2024-02-29')}\", 'cast(null as bigint)')"), None),
    _one("days between", _macro(f'days_between("{_day("2024-02-28")}", "{_day("2024-03-01")}")'), 2),
    _one("days between, backwards", _macro(f'days_between("{_day("2025-01-01")}", "{_day("2024-12-31")}")'), -1),
    _one("days between null", _macro(f'days_between("{_NULL_DAY}", "{_day("2024-12-31")}")'), None),
    _one("D moved", _macro("as_of_date(-28)"), date(2026, 5, 31)),
    _one("the end of D", _macro("as_of_end()"), datetime(2026, 6, 29)),
    Case(
        "a microsecond before the end of D is known",
        "select cast('2026-06-28 23:59:59.999999' as {{ dbt.type_timestamp() }}) < {{ as_of_end() }} as x",
        True,
    ),
    _one("a timestamp keeps its microseconds", "cast('2024-02-29 23:59:59.123456' as {{ dbt.type_timestamp() }})", datetime(2024, 2, 29, 23, 59, 59, 123456)),
    _one("a timestamp's day", "cast(cast('2024-02-29 23:59:59.999999' as {{ dbt.type_timestamp() }}) as date)", date(2024, 2, 29)),
    # Text.
    _one("text of a date", _macro(f'iso_date_text("{_day("2024-02-29")}")'), "2024-02-29"),
    _one("text of an early date", _macro(f'iso_date_text("{_day("0999-01-05")}")'), "0999-01-05"),
    _one("text of no date", _macro(f'iso_date_text("{_NULL_DAY}")'), None),
    # Wilson bounds: 5 of 20 is 0.11 to 0.47 (METRICS.md section 1).
    _one("wilson, lower", _macro("wilson_bound('5', '20', '-')"), wilson(5, 20, 1.96)[0]),
    _one("wilson, upper", _macro("wilson_bound('5', '20', '+')"), wilson(5, 20, 1.96)[1]),
    Case("wilson with no trials", "select {{ wilson_bound('0', '0', '+') }} as x", None),
)


def run_cases(settings: Settings, warehouse: Warehouse, cases: Iterable[Case] = CASES) -> dict[str, Any]:
    """The value of each case on this warehouse, by name. One dbt compilation, one query a case. Needs the profile; makes the seed of thresholds."""
    wanted = list(cases)
    run_dbt(settings, ["signal_thresholds"], AS_OF, "USD")
    with contextlib.redirect_stdout(io.StringIO()):  # dbt prints what it compiled, however quiet it is told to be
        result = _invoke(settings, ["--no-print", "compile", "--inline", "\n-- next case\n".join(case.sql for case in wanted)], AS_OF)
    (node,) = [entry.node for entry in result]
    statements = node.compiled_code.split("-- next case")
    with warehouse.session(read_only=True) as session:
        return {case.name: session.scalar(sql.strip()) for case, sql in zip(wanted, statements, strict=True)}


def cases_that_differ(settings: Settings, warehouse: Warehouse) -> list[str]:
    """One line for each case whose answer is not the one worked out by hand."""
    found = run_cases(settings, warehouse)
    return [f"{case.name}: expected {case.expected!r}, found {found[case.name]!r}" for case in CASES if not equal(case.expected, found[case.name])]
