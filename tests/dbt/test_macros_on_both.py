"""Every macro that hides a difference between the warehouses, with awkward values; and nothing that needs one stands in a model without it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dbt_portfolio import Portfolio, make_portfolio
from fakesnow_shims import emulator

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # benchmarks/ stands beside the package and is not installed

from benchmarks.parity_macros import CASES, Case, cases_that_differ, run_cases  # noqa: E402
from vim_pipelines.evaluation.parity import equal  # noqa: E402
from vim_pipelines.transform.project import project_dir  # noqa: E402

MODELS = sorted((project_dir() / "models").rglob("*.sql")) + sorted((project_dir() / "tests" / "singular").rglob("*.sql"))

#: What the two warehouses spell, or do, differently; each has a macro of ours or of dbt's. `reason` is what goes wrong without it.
DIALECT: dict[str, tuple[str, str]] = {
    "a cast with colons": (r"::", "cast(x as type)"),
    "text of a date": (r"\b(strftime|to_char|to_varchar|strptime|date_format)\s*\(", "iso_date_text: formats differ"),
    "a date part or a truncation": (
        r"\b(date_trunc|trunc|date_part|extract|dayofweek|dayofweekiso|weekofyear|week|isodow)\s*\(",
        "iso_week_start, iso_weekday: WEEK_START moves Snowflake's weeks",
    ),
    "date arithmetic": (
        r"\b(dateadd|datediff|date_add|date_sub|date_diff|timestampdiff|timestampadd|add_months|months_between|age)\s*\(|\binterval\b",
        "days_after, days_between",
    ),
    "a date plus a number": (r"_(date|on|day)\s*[+-]\s*\d|\)\s*as date\)\s*[+-]", "days_after: Snowflake adds days, DuckDB too, neither to a timestamp"),
    "greatest or least": (r"\b(greatest|least)\s*\(", "at_least_zero, lesser: NULL is left out on DuckDB and wins on Snowflake"),
    "another word for coalesce or case": (r"\b(ifnull|nvl2?|zeroifnull|nullifzero|iff|decode|div0)\s*\(", "coalesce, case"),
    "a percentile": (r"\b(percentile_cont|percentile_disc|median|quantile\w*|approx_\w+)\s*\(", "percentile"),
    "a boolean aggregate": (r"\b(bool_or|bool_and|boolor_agg|booland_agg|count_if|any_value|arg_max|arg_min|max_by|min_by)\s*\(", "any_true"),
    "a filtered aggregate": (r"\bfilter\s*\(\s*where", "sum(case when ...)"),
    "text from rows": (r"\b(string_agg|group_concat|listagg|array_agg)\s*\(", "dbt.listagg"),
    "pattern matching": (r"\bilike\b|\bregexp\w*\s*\(|\brlike\b|~~|\bsimilar to\b|\bglob\b", "lower(x) like"),
    "JSON": (r"\b(json\w*|parse_json|to_json|object_construct\w*|flatten)\s*\(|->", "Python: JSON is text in the warehouse"),
    "a list or a struct": (r"\bunnest\s*\(|\blist_\w+\s*\(|\bgenerate_series\s*\(|\brange\s*\(|\bgenerator\s*\(", "recent_days, complete_weeks"),
    "today": (r"\b(current_date|current_timestamp|now|getdate|sysdate|today)\b\s*(\(|$|,|\))", "as_of_date: a run is for D"),
    "a group by all or a star exclusion": (r"\b(group|order) by all\b|\*\s*(exclude|except|replace)\b", "name the columns"),
    "a window or a join of one dialect": (r"\b(asof|positional|lateral)\s+join\b|\bseparator\b|\bpivot\b|\bsemi join\b|\banti join\b", "plain joins"),
    "text joined by a function": (r"\bconcat(_ws)?\s*\(", "||: concat leaves NULL out on DuckDB and is NULL on Snowflake"),
    "integer division or remainder": (r"//|\bmod\s*\(|\s%\s", "safe_divide, floor"),
    "an unsigned or nested type": (r"\bas (u?tinyint|hugeint|ubigint|variant|object|array|struct|timestamptz|timestamp_\w+|float|real)\b", "the contract's types"),
    "division": (r"(?<![/*])/(?![/*])", "safe_divide: 1 / 2 is 0.5 on both, x / 0 is NULL on DuckDB and an error on Snowflake"),
    "descending without a word on NULL": (r"\bdesc\b(?!\s+nulls\s+(first|last))", "desc nulls last: NULL comes first on Snowflake, last on DuckDB"),
}  # fmt: skip


def spoken(text: str) -> str:
    """The SQL of a model without comments, Jinja and text literals: what the warehouse's parser would see of the model's own words."""
    text = re.sub(r"\{#.*?#\}|/\*.*?\*/|--[^\n]*", " ", text, flags=re.DOTALL)
    text = re.sub(r"\{\{.*?\}\}|\{%.*?%\}", " macro ", text, flags=re.DOTALL)
    return re.sub(r"'[^']*'", "''", text).lower()


@pytest.mark.parametrize("name", DIALECT)
def test_no_model_speaks_one_warehouse_only(name: str) -> None:
    pattern, instead = DIALECT[name]
    offenders = {path.name: found.group().strip() for path in MODELS if (found := re.search(pattern, spoken(path.read_text()), re.MULTILINE))}
    assert offenders == {}, f"{name}: use {instead}"


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("select a / b from t", "division"), ("select a::date from t", "a cast with colons"), ("order by version desc", "descending without a word on NULL"),
        ("order by version desc nulls first, x", None), ("select {{ dbt.dateadd('day', 1, 'x') }} -- a / b", None), ("select 'a / b' as x /* :: */", None),
        ("select GREATEST(a, b)", "greatest or least"), ("where x = current_date", "today"), ("select json_extract(a)", "JSON"),
        ("select end_date + 1", "a date plus a number"), ("select count(*) filter (where x)", "a filtered aggregate"),
    ],
)  # fmt: skip
def test_the_search_finds_what_it_should_and_no_more(sql: str, name: str | None) -> None:
    assert [key for key, (pattern, _) in DIALECT.items() if re.search(pattern, spoken(sql), re.MULTILINE)] == ([name] if name else [])


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, Any]]]:
    """Each case's value on both warehouses."""
    folder = tmp_path_factory.mktemp("macros")
    with emulator(folder) as reach:
        portfolios: list[Portfolio] = [make_portfolio(folder / "duckdb"), make_portfolio(folder / "snowflake", **reach)]
        for portfolio in portfolios:
            portfolio.write()
        yield {portfolio.warehouse.dialect: run_cases(portfolio.settings, portfolio.warehouse) for portfolio in portfolios}


@pytest.mark.parametrize("dialect", ["duckdb", "snowflake"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_macro_gives_what_was_worked_out_by_hand(answers: dict[str, dict[str, Any]], dialect: str, case: Case) -> None:
    assert equal(case.expected, answers[dialect][case.name]), answers[dialect][case.name]


def test_every_dispatched_macro_has_a_case() -> None:
    """A macro with a Snowflake body of its own is where the two can drift apart."""
    macros = "\n".join(path.read_text() for path in (project_dir() / "macros").rglob("*.sql"))
    dispatched = set(re.findall(r"macro snowflake__(\w+)\(", macros)) - {"in_one_transaction", "set_query_tag", "unset_query_tag"}
    used = {name for case in CASES for name in re.findall(r"\b(\w+)\(", case.sql)}
    assert dispatched <= used


def test_a_case_that_fails_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The line that `make parity-live` prints."""
    from benchmarks import parity_macros

    monkeypatch.setattr(parity_macros, "run_cases", lambda settings, warehouse: {case.name: case.expected for case in CASES} | {"divide by zero": 0.0})
    portfolio = make_portfolio(tmp_path)
    assert cases_that_differ(portfolio.settings, portfolio.warehouse) == ["divide by zero: expected None, found 0.0"]
