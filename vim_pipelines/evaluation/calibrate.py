"""Error rates of the detectors over many planted portfolios, beside the rates that are published, as a table for people.

Knows nothing of the sandbox: the caller (benchmarks, tests) makes the portfolios and hands over ground-truth files and claims.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vim_pipelines.evaluation.detectors import LARGE_SHELFWARE_SEATS, Claims, evaluate_detectors, pool, with_bounds
from vim_pipelines.evaluation.lifecycle_truths import StateClaims, pool_states, rendered_states, score_states, state_failures
from vim_pipelines.evaluation.null_rates import published

if TYPE_CHECKING:
    import pandas as pd

#: Detectors whose false alarms are chance and therefore published; one look, as in a portfolio that is audited once.
PUBLISHED_DETECTOR = {
    "MUDA_SHELFWARE": "MUDA_SHELFWARE", "MUDA_FEATURE": "MUDA_FEATURE", "MURA_SPIKY": "MURA_SPIKY", "MURA_GAP": "MURA_GAP", "MURA_DROP": "MURA_DROP",
    "SILENCE": "MURA_DROP", "MURI_SPIKE": "MURI_SPIKE",
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One planted portfolio: its name (the seed), its ground truth and what the pipeline claimed."""

    name: str
    ground_truth_path: Path
    claims: Claims
    #: The lifecycle's truths, and what the pipeline said of states; None: only the detectors are judged.
    lifecycle_truth_path: Path | None = None
    states: StateClaims | None = None


@dataclass(frozen=True)
class Verdict:
    """The pooled tables (detectors; the lifecycle, None if no case had it), and what misses the bar (empty: it holds)."""

    table: pd.DataFrame
    failures: tuple[str, ...]
    lifecycle: pd.DataFrame | None = None


def judge(cases: Iterable[Case]) -> Verdict:
    """Pool the cases and hold them against the bar of issue 2.

    Every planted shelfware case of more than 20 seats is found, and MUDA_SHELFWARE flags clean twins no more often than the upper 95 % bound of
    its published rate. The other detectors are held to theirs as far as so few twins can tell: they fail when the lower bound of the
    rate seen on twins lies above the published upper one. The lifecycle's bar is that of issue 5 (`lifecycle_truths.state_failures`).
    """
    tables, states = [], []
    for case in cases:
        if case.lifecycle_truth_path is not None and case.states is not None:
            states.append(score_states(case.lifecycle_truth_path, case.states, case.name))
        table = evaluate_detectors(case.ground_truth_path, case.claims)
        for column in ("missed", "false_alarms"):
            table[column] = [[f"{case.name}:{account}" for account in accounts] for accounts in table[column]]
        tables.append(table)
    table = with_bounds(pool(tables))
    rates = published()
    table["published_upper"] = [_published_upper(rates, rule) for rule in table["rule_id"]]
    failures = []
    for row in table.to_dict("records"):
        if row["truth"] == f"shelfware of more than {LARGE_SHELFWARE_SEATS} seats" and row["missed"]:
            failures.append(f"{row['truth']}: {len(row['missed'])} missed ({', '.join(row['missed'][:5])})")
        limit = row["published_upper"]
        seen = row["false_flag_rate"] if row["rule_id"] == "MUDA_SHELFWARE" else row["false_flag_rate_low"]
        if limit is not None and limit == limit and seen is not None and seen > limit:
            failures.append(f"{row['rule_id']}: flags {row['false_flag_rate']:.2%} of clean twins, published is at most {limit:.2%}")
    lifecycle = pool_states(states) if states else None
    return Verdict(table, (*failures, *(state_failures(lifecycle) if lifecycle is not None else ())), lifecycle)


def rendered(verdict: Verdict) -> str:
    """The table and the verdict as text."""
    lines = [f"{'planted truth':<32}{'rule':<16}{'found':>12}{'recall (95 %)':>22}{'twins flagged':>16}{'rate (95 %)':>22}{'published':>12}"]
    for row in verdict.table.to_dict("records"):
        recall, flags = _interval(row, "recall"), _interval(row, "false_flag_rate")
        limit = row["published_upper"]
        shown = "-" if limit is None or limit != limit else f"<= {limit:.2%}"
        lines.append(
            f"{row['truth']:<32}{row['rule_id']:<16}{row['found']:>6} /{row['planted']:>4}{recall:>22}{row['twins_flagged']:>8} /{row['twins']:>6}{flags:>22}{shown:>12}"
        )
    lines += ["", *(f"missed by {row['rule_id']}: {', '.join(row['missed'][:8])}" for row in verdict.table.to_dict("records") if row["missed"])]
    if verdict.lifecycle is not None:
        lines += ["", rendered_states(verdict.lifecycle), ""]
    lines += [f"bar missed: {failure}" for failure in verdict.failures] or ["Every bar holds."]
    return "\n".join(lines)


def _interval(row: Mapping[Any, Any], name: str) -> str:
    if row[name] is None or row[name] != row[name]:
        return "-"
    return f"{row[name]:.1%} ({row[f'{name}_low']:.1%}-{row[f'{name}_high']:.1%})"


def _published_upper(rates: dict[tuple[str, str], dict[str, object]], rule: str) -> float | None:
    entry = rates.get((PUBLISHED_DETECTOR.get(rule, ""), "share of looks"))
    return None if entry is None else float(str(entry["upper_95"]))
