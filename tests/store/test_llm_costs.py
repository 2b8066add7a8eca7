"""The command line's table of costs: sums, costs of a draft, and a price that nobody knows stays unknown."""

from __future__ import annotations

import duckdb
import pytest

from vim_pipelines.core.errors import VimError
from vim_pipelines.reporting.llm_costs import llm_cost_lines, read_llm_costs
from vim_pipelines.settings import load_settings

ROWS = """
    select * from (values
        ('A', 'plan', date '2026-06-28', 2, 1000, 200, 500, 0, 0, 0.004, 2, 1, 0, 1),
        ('B', 'plan', date '2026-06-29', 1, 1000, 100, 0, 500, 0, 0.002, 1, 0, 1, 0),
        ('B', 'brief', date '2026-06-29', 1, 10, 1, 0, 0, 1, null, 1, 0, 0, 0)
    ) as rows(account_key, document, as_of_date, calls, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, calls_without_price, cost_usd, drafts,
        drafts_offline, drafts_held, drafts_approved)
"""


@pytest.fixture
def published(tmp_path):
    settings = load_settings(home=tmp_path)
    settings.published_dir.mkdir()
    with duckdb.connect(str(settings.published_dir / "vim.duckdb")) as connection:
        connection.execute("create schema marts")
        connection.execute(f"create table marts.fct_llm_costs as {ROWS}")
        connection.execute("create table marts.dim_accounts as select 'A' as account_key, 'Ada Textiles' as account_name")
    return settings


def test_costs_by_document_and_by_account(published):
    brief, plan = read_llm_costs(published, "document")
    assert (brief["name"], brief["cost_usd"], brief["usd_per_draft"]) == ("brief", None, None)
    assert (plan["calls"], plan["tokens_in"], plan["tokens_out"], plan["drafts"], plan["drafts_approved"]) == (3, 3000, 300, 3, 1)
    assert (float(plan["cost_usd"]), plan["usd_per_draft"], plan["usd_per_approved_draft"]) == (0.006, 0.002, 0.006)
    second, first = read_llm_costs(published, "account")
    assert (first["name"], float(first["cost_usd"]), first["usd_per_approved_draft"]) == ("A", 0.004, 0.004)
    assert (second["name"], second["cost_usd"]) == ("B", None)  # one of its calls has no price
    assert [str(row["name"]) for row in read_llm_costs(published, "night")] == ["2026-06-29", "2026-06-28"]


def test_the_table_says_unknown_and_not_nothing(published):
    head, brief, plan = llm_cost_lines(read_llm_costs(published, "document"), "document")
    assert "unknown" in brief and "0.0060" in plan and len(head) == len(plan) == len(brief)


def test_an_account_is_shown_with_its_name(published):
    head, second, first = llm_cost_lines(read_llm_costs(published, "account"), "account")
    assert first.startswith("A Ada Textiles") and second.startswith("B  ") and len(head) == len(first) == len(second)


def test_nothing_published_is_an_error_with_its_fix(tmp_path):
    with pytest.raises(VimError, match="VIM-E024"):
        read_llm_costs(load_settings(home=tmp_path), "document")


@pytest.mark.parametrize(
    ("calls", "cost"),
    [
        ([], "0"),
        ([("0.25", 10), ("0.5", 20)], "0.75"),
        ([("0.25", 10), (None, 20)], None),
        ([(None, 20)], None),
        ([("0.25", 10), (None, None)], "0.25"),
        ([(None, None)], "0"),
    ],
    ids=["no call", "all priced", "one without a price beside one with", "none has a price", "one that nobody answered", "nothing but lost calls"],
)
def test_the_night_says_of_its_cost_what_the_mart_says(tmp_path, calls, cost):
    """A sum of the calls whose price is known is not what the night cost: `vimotion audit` showed it as such, where book, digest and `llm cost` said unknown."""
    from datetime import date, datetime
    from decimal import Decimal

    from vim_pipelines.reporting.summary import cost_of_calls
    from vim_pipelines.store import open_store
    from vim_pipelines.store.models import LlmCall

    store, day = open_store(load_settings(home=tmp_path)), date(2026, 6, 28)
    with store.session() as session:
        for number, (dollars, tokens) in enumerate(calls):
            session.add(
                LlmCall(
                    call_id=str(number), draft_key="k", attempt=number, account_key="A", document="d", provider="p", model="m", prompt_sha256="x", status="ok", response={},
                    output_tokens=tokens, cost_usd=None if dollars is None else Decimal(dollars), as_of_date=day, created_at=datetime(2026, 6, 29),
                )
            )  # fmt: skip
    with store.reading() as session:
        assert cost_of_calls(session, day) == (None if cost is None else Decimal(cost))
    with duckdb.connect() as mart:  # the rule of the mart, on the same calls
        rows = ", ".join(f"({dollars or 'null'}::decimal(12, 6), {tokens or 'null'}::int)" for dollars, tokens in calls) or "(null, null)"
        rule = f"select sum(case when c is null and t is not null then 1 else 0 end), coalesce(sum(c), 0) from (values {rows}) as v(c, t)"
        unpriced, known = mart.execute(rule).fetchone()
    assert (None if unpriced else known) == (None if cost is None else Decimal(cost))
    store.engine.dispose()
