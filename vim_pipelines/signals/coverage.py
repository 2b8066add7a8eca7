"""Whether enough accounts are measured for a signal to speak of the portfolio. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vim_pipelines.core.verdicts import Verdict

#: Column of marts.fct_account_signals that is empty where the signal is not measured, by the word for it.
SIGNALS = {"muda": "muda_score", "mura": "mura_score", "muri": "muri_score", "score": "lean_risk"}
#: Below this share of the accounts a signal does not speak of the portfolio.
ENOUGH = 0.6


def coverage_verdict(accounts: Sequence[Mapping[str, Any]]) -> Verdict:
    """`accounts`: account_key, account_name, hold_reason and the columns of SIGNALS, a row an account; a held account counts for nobody."""
    judged = [row for row in accounts if row.get("hold_reason") is None]
    shares = {name: sum(row[column] is not None for row in judged) / len(judged) if judged else None for name, column in SIGNALS.items()}
    thin = {name: share for name, share in shares.items() if share is not None and share < ENOUGH}
    rows = [
        {"account": row["account_key"], "name": row["account_name"], "not measured": ", ".join(name for name in SIGNALS if row[SIGNALS[name]] is None)}
        for row in judged
        if any(row[SIGNALS[name]] is None for name in thin)
    ]
    return Verdict(
        what=f"Each signal is measured for at least {ENOUGH:.0%} of the accounts",
        passed=bool(judged) and not thin,
        why=", ".join(f"{name} for {share:.0%}" for name, share in thin.items()) if judged else "no account was judged",
        fix="Look in marts.fct_data_quality which source is not fed or stale, and in portfolio.yaml whether it is mapped",
        rows=rows,
        figures={f"{name}_coverage": None if share is None else round(share, 4) for name, share in shares.items()} | {"accounts": len(judged)},
    )
