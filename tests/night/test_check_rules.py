"""The rules behind Dagster's checks, each with the night that should fail it."""

from __future__ import annotations

from vim_pipelines.approvals.sweeping import draining_verdict
from vim_pipelines.quality.freshness import freshness_verdict
from vim_pipelines.reasoning.evidence_coverage import evidence_verdict
from vim_pipelines.reporting.copy_check import copy_verdict
from vim_pipelines.signals.coverage import coverage_verdict
from vim_pipelines.transform.checks_in_words import rule_of


def account(key, muda=1.0, mura=1.0, muri=1.0, score=1.0, held=None):
    return {"account_key": key, "account_name": key, "hold_reason": held, "muda_score": muda, "mura_score": mura, "muri_score": muri, "lean_risk": score}


def test_a_signal_of_the_few_fails_and_names_the_accounts_without_it():
    accounts = [account(f"A{number}", mura=None if number < 5 else 0.2) for number in range(10)]
    verdict = coverage_verdict(accounts)
    assert not verdict.passed and verdict.why == "mura for 50%" and len(verdict.rows) == 5
    assert verdict.numbers() == {"muda_coverage": 1.0, "mura_coverage": 0.5, "muri_coverage": 1.0, "score_coverage": 1.0, "accounts": 10}
    assert coverage_verdict([account(f"A{number}", mura=None if number < 4 else 0.2) for number in range(10)]).passed


def test_held_accounts_count_for_nobody_and_a_night_without_accounts_is_not_well():
    assert coverage_verdict([account("A"), account("B", None, None, None, None, held="bad dates")]).passed
    verdict = coverage_verdict([])
    assert not verdict.passed and "muda_coverage" not in verdict.numbers()


def test_a_source_that_stands_still_is_named_with_its_days():
    quality = [
        {"entity": "contract_line", "metric": "freshness_days", "value": 40.0, "status": "stale"},
        {"entity": "ticket", "metric": "freshness_days", "value": 1.0, "status": "ok"},
        {"entity": "ticket", "metric": "is_fed", "value": 1.0, "status": "ok"},
        {"entity": "ebr", "metric": "is_fed", "value": 0.0, "status": "ok"},
    ]
    verdict = freshness_verdict(quality)
    assert verdict.why == "nothing new of contract line for 40 days"
    assert verdict.numbers() == {"sources_fed": 1, "sources_stale": 1, "oldest_days": 40}
    assert freshness_verdict(quality[1:]).passed


def draft(**fact):
    known = {"handle": "F01", "label": "Seats", "status": "ok", "source_table": None}
    evidence = [{"fact_ids": ["F02"], "source_table": "marts.x", "rows": [{"a": 1}]}, {"fact_ids": ["F01"], "source_table": "marts.y", "rows": []}]
    return {"draft_id": "d" * 20, "account_key": "A", "document": "risk_plan", "facts": [{**known, **fact}], "evidence": evidence}


def test_a_fact_without_a_source_is_named_and_an_unknown_one_needs_none():
    verdict = evidence_verdict([draft(), draft(handle="F02"), draft(status="unknown"), draft(source_table="marts.z")])
    assert not verdict.passed and verdict.numbers() == {"drafts": 4, "facts": 3, "evidence_coverage": 0.6667}
    assert [row["fact"] for row in verdict.rows] == ["Seats"]
    assert evidence_verdict([]).passed


def test_a_copy_that_lacks_rows_a_mart_or_a_file_is_not_complete():
    assert copy_verdict({"a": 2, "b": 1}, {"a": 2, "b": 1}, {"a", "b"}).passed
    verdict = copy_verdict({"a": 2, "b": 1, "c": 3}, {"a": 1, "b": 1}, {"a", "c", "old"})
    assert [row["mart"] for row in verdict.rows] == ["a", "b", "c", "old"] and not verdict.passed


def test_a_queue_that_stands_still_says_what_waits():
    assert draining_verdict([]).passed
    assert "2 approved" in draining_verdict(["2 approved requests are not carried out"]).text()


def test_dbt_tests_say_their_rule_in_words():
    common = {"name": "holds_x", "config": {"severity": "warn"}, "original_file_path": "models/x.yml"}
    assert rule_of(common | {"test_metadata": {"name": "holds", "kwargs": {"expressions": ["a <=  b", "c > 0"]}}}).startswith(
        "True, or unknown, for every row: `a <= b`; `c > 0`. A failure warns."
    )
    alone = common | {"name": "assert_totals_add_up", "config": {}, "test_metadata": None}
    assert (
        rule_of(alone)
        == "Totals add up: the query finds no row that says otherwise. A failure stops the night before anything is drafted. Query: models/x.yml."
    )
