"""The lifecycle's score on truths written by hand: what is planted and missed, what is there and called missing, and what the bar says of both."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from vim_pipelines.evaluation.lifecycle_truths import StateClaims, pool_states, rendered_states, score_states, state_failures

TRUTH = [
    ("A", "requirement", "p3_kickoff", "unmet"),
    ("B", "requirement", "p3_kickoff", "met"),
    ("A", "handoff_field", "sla_tier", "missing"),
    ("B", "handoff_field", "sla_tier", "present"),
    ("A", "conflict", "seats", "conflicting"),
    ("A", "phase", "phase", "3"),
    ("C", "requirement", "p3_kickoff", "unmet"),
]


def score(folder: Path, claims: StateClaims) -> pd.DataFrame:
    path = folder / "truth.parquet"
    pd.DataFrame(TRUTH, columns=["account_key", "kind", "name", "expected"]).assign(parameters="{}").to_parquet(path)
    return score_states(path, claims, "s1").set_index(["kind", "name"])


def test_a_perfect_audit_meets_the_bar(tmp_path: Path):
    claims = StateClaims({("A", "p3_kickoff"): "unmet", ("B", "p3_kickoff"): "met"}, {("A", "sla_tier"): "missing", ("B", "sla_tier"): "conflicting"}, {"A": 3})
    table = score(tmp_path, claims)
    assert table.loc[("requirement", "p3_kickoff"), ["planted", "found", "sound", "false"]].tolist() == [1, 1, 1, 0], "C was not audited and is left out"
    assert state_failures(table.reset_index()) == ()


def test_a_miss_and_a_false_one_are_named(tmp_path: Path):
    """Unknown is a miss too: the audit had the rows and did not say that something is missing."""
    claims = StateClaims({("A", "p3_kickoff"): "unknown", ("B", "p3_kickoff"): "unmet"}, {("A", "sla_tier"): "present", ("A", "seats"): "present"}, {"A": 4})
    table = pool_states([score(tmp_path, claims).reset_index()] * 2)
    failures = state_failures(table)
    assert [failure.split(":")[0] for failure in failures] == ["requirement p3_kickoff", "requirement p3_kickoff", "handoff_field sla_tier", "phase phase"]
    assert "s1:A (unknown, not unmet)" in failures[0] and "2 false (s1:B" in failures[1] and "s1:A (4, not 3)" in failures[3]
    assert "conflict seats" in rendered_states(table), "conflicts are counted and shown, though the bar is not about them"
