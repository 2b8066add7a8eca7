"""What language models cost, from the published copy: by document, by account or by night, with the cost of a draft and of an approved one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vim_pipelines.reporting.reading import reading_marts

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings

#: What a line may stand for, and its column of `marts.fct_llm_costs`.
GROUPINGS = {"document": "document", "account": "account_key", "night": "as_of_date"}

#: Key and name of an account together, so that the figures stay on a line.
NAME_WIDTH = 44

_COSTS = """
    select {column} as name, sum(calls) as calls, sum(input_tokens + cache_read_tokens + cache_write_tokens) as tokens_in, sum(output_tokens) as tokens_out,
        sum(drafts) as drafts, sum(drafts_offline) as drafts_offline, sum(drafts_held) as drafts_held, sum(drafts_approved) as drafts_approved,
        case when sum(calls_without_price) = 0 then sum(cost_usd) end as cost_usd
    from marts.fct_llm_costs
    group by {column}
    order by cost_usd desc nulls first, drafts desc, name
"""


def read_llm_costs(settings: Settings, by: str) -> list[dict[str, Any]]:
    """A row for each document, account or night: calls, tokens, drafts and US dollars (None where a price is not known). VIM-E024 if nothing is published."""
    with reading_marts(settings) as session:
        rows = session.rows(_COSTS.format(column=GROUPINGS[by]))
        named = session.rows("select account_key, max(account_name) as account_name from marts.dim_accounts group by account_key") if by == "account" else []
    names = {row["account_key"]: row["account_name"] for row in named}
    for row in rows:
        if by == "account":
            row["account_name"] = names.get(row["name"])
        cost = row["cost_usd"]
        row["usd_per_draft"] = float(cost) / row["drafts"] if cost is not None and row["drafts"] else None
        row["usd_per_approved_draft"] = float(cost) / row["drafts_approved"] if cost is not None and row["drafts_approved"] else None
    return rows


def llm_cost_lines(rows: list[dict[str, Any]], by: str) -> list[str]:
    """The costs as a table."""
    if not rows:
        return ["No draft was written yet and no call was made."]
    shown = [f"{row['name']} {row['account_name']}"[:NAME_WIDTH] if row.get("account_name") else str(row["name"]) for row in rows]
    width = max(len(by), *(len(name) for name in shown))
    head = f"{by:<{width}} {'calls':>6} {'tokens in':>10} {'out':>9} {'drafts':>7} {'offline':>8} {'held':>5} {'approved':>9} {'US dollars':>11} {'per draft':>10} {'per approved':>13}"
    return [head] + [
        f"{name:<{width}} {row['calls']:>6} {row['tokens_in']:>10,} {row['tokens_out']:>9,} {row['drafts']:>7} {row['drafts_offline']:>8}"
        f" {row['drafts_held']:>5} {row['drafts_approved']:>9} {_usd(row['cost_usd']):>11} {_usd(row['usd_per_draft'], none='-'):>10} {_usd(row['usd_per_approved_draft'], none='-'):>13}"
        for name, row in zip(shown, rows, strict=True)
    ]


def _usd(amount: Any, *, none: str = "unknown") -> str:
    return none if amount is None else f"{float(amount):.4f}"
