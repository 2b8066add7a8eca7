"""Where the facts of the requirements come from: base models of one row an account, each the evidence of a part of the map.

One wide model would join every kind of record there is; parts stay readable, and a part that has nothing to say of an account says nothing.
"""

from __future__ import annotations

from typing import Any

from vim_pipelines.warehouse.base import Session

#: Models of schema base. The first has the accounts that are judged tonight; the others add columns of other names, for some of them or all.
EVIDENCE_MODELS = ("int_lifecycle_evidence",)


def evidence_of(session: Session) -> list[dict[str, Any]]:
    """The facts of every account that is judged tonight, ordered by account. A column that two models have would hide one: ValueError."""
    facts: dict[str, dict[str, Any]] = {}
    known: set[str] = set()
    for model in EVIDENCE_MODELS:
        rows = session.rows(f"select * from base.{model} order by account_key")
        columns = set(rows[0]) - {"account_key"} if rows else set()
        if twice := sorted(columns & known):
            raise ValueError(f"base.{model} repeats {', '.join(twice)}")
        known |= columns
        for row in rows:
            if model == EVIDENCE_MODELS[0]:
                facts[row["account_key"]] = dict(row)
            elif row["account_key"] in facts:
                facts[row["account_key"]].update(row)
    return list(facts.values())
