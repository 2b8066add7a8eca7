"""Risk rules: what they emit, what takes a risk away, and how a wrong file is refused."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vim_pipelines.core.errors import VimError
from vim_pipelines.signals import risks

RULES = risks.load_rules()
DATES = ("last_activity_date", "sponsor_left_on", "fttv_due_on", "notice_on")
TEXTS = ("handoff_missing_fields", "stale_feed_names")

#: Measures under which each rule rings; every other measure is unknown.
RINGING: dict[str, dict[str, object]] = {
    "MUDA_SHELFWARE": {"shelfware_seats": 145, "seats_contracted": 200, "shelfware_share": 0.725, "contract_age_days": 300},
    "MUDA_FEATURE": {"feature_breadth": 0.2, "used_features": 1, "entitled_features": 5, "active_users_28d": 30, "contract_age_days": 300},
    "MURA_SPIKY": {"is_spiky": 1, "cv": 0.45, "dispersion_p": 1e-7, "n_weeks": 26},
    "MURA_GAP": {"is_gapped": 1, "gap_days": 15, "gap_p": 0.0001},
    "MURA_DROP": {"is_dropping": 1, "recent_median": 20, "prior_median": 41.5, "fall": -0.518, "drop_p": 1e-9},
    "MURI_SPIKE": {"spike_is_alert": 1, "spike_is_watch": 0, "tickets_4w": 18, "baseline_sum": 20, "spike_p_value": 1e-6, "days_to_opt_out": 200},
    "MURI_AGED_P1": {"open_p1": 1, "oldest_open_p1_days": 20, "days_to_opt_out": 200},
    "SILENCE": {"tickets_90d": 0, "seats_contracted": 40, "is_dropping": 1, "contract_age_days": 300, "fall": -0.4, "drop_p": 1e-5},
    "SPONSOR_LOST": {"sponsors_active": 0, "sponsors_left": 1, "sponsor_left_on": date(2026, 6, 1)},
    "FTTV_LATE": {"fttv_days_late": 12, "fttv_due_on": date(2026, 6, 16)},
    "HANDOFF_GAP": {"handoff_fields_missing": 2, "handoff_fields_expected": 8, "handoff_missing_fields": "risks, sponsor", "contract_age_days": 40},
    "NOTICE_SERVED": {"notice_is_open": 1, "notice_is_whole": 1, "notice_on": date(2026, 6, 13)},
    "DATA_STALE": {"stale_feeds": 1, "stale_feed_names": "usage"},
}


def frame(*accounts: dict[str, object]) -> pd.DataFrame:
    data: dict[str, object] = {"account_key": [f"ACC-{n}" for n in range(len(accounts))]}
    for name in risks.MEASURES:
        values = [account.get(name) for account in accounts]
        if name in DATES:
            data[name] = pd.to_datetime(pd.Series(values))
        elif name in TEXTS:
            data[name] = pd.Series(values, dtype=object)
        else:
            data[name] = np.array([np.nan if value is None else float(value) for value in values])  # type: ignore[arg-type]
    return pd.DataFrame(data)


def emitted(**measures: object) -> dict[str, dict[str, object]]:
    return {str(risk["rule_id"]): risk for risk in risks.evaluate(frame(measures), RULES)}


def test_the_taxonomy_is_closed_and_complete() -> None:
    """A name outside this list is an invention of a text; a name missing here is a finding nobody makes."""
    assert {rule.rule_id for rule in RULES} == set(RINGING)


@pytest.mark.parametrize("rule_id", sorted(RINGING))
def test_each_rule_rings_on_its_own_evidence(rule_id: str) -> None:
    found = emitted(**RINGING[rule_id])
    assert rule_id in found
    extra = set(found) - {rule_id}
    assert extra <= ({"MURA_DROP"} if rule_id == "SILENCE" else set())
    risk = found[rule_id]
    assert json.loads(str(risk["inputs"])) and json.loads(str(risk["threshold"]))
    assert "{" not in str(risk["summary"])


@pytest.mark.parametrize("rule_id", sorted(RINGING))
def test_taking_any_deciding_evidence_away_takes_the_risk_away(rule_id: str) -> None:
    """Evidence ablation: a rule that still rings without a measure it names would ring on what nobody knows."""
    rule = next(rule for rule in RULES if rule.rule_id == rule_id)
    for condition in rule.all_of:
        for measure in filter(None, (condition.measure, condition.share_of)):
            assert rule_id not in emitted(**{name: value for name, value in RINGING[rule_id].items() if name != measure}), measure
    if rule.any_of:
        named = {condition.measure for group in rule.any_of for condition in group}
        assert rule_id not in emitted(**{name: value for name, value in RINGING[rule_id].items() if name not in named})


def test_an_account_of_which_nothing_is_known_has_no_risk() -> None:
    assert emitted() == {}


def test_an_account_whose_telemetry_stopped_has_only_stale_data() -> None:
    assert set(emitted(stale_feeds=1, stale_feed_names="usage", seats_contracted=200, contract_age_days=300)) == {"DATA_STALE"}


@pytest.mark.parametrize(
    ("shelfware", "seats", "age", "rings"),
    [(5, 50, 60, True), (5, 51, 60, False), (4, 20, 60, False), (5, 20, 60, True), (5, 50, 59, False), (20, 200, 60, True), (19, 200, 60, False)],
)
def test_shelfware_needs_five_seats_a_tenth_of_all_and_sixty_days(shelfware: int, seats: int, age: int, rings: bool) -> None:
    assert ("MUDA_SHELFWARE" in emitted(shelfware_seats=shelfware, seats_contracted=seats, contract_age_days=age, shelfware_share=shelfware / seats)) is rings


def test_severity_grows_with_the_nearness_of_the_opt_out() -> None:
    near = emitted(**RINGING["MURI_AGED_P1"] | {"days_to_opt_out": 30})["MURI_AGED_P1"]
    far = emitted(**RINGING["MURI_AGED_P1"])["MURI_AGED_P1"]
    unknown = emitted(open_p1=1, oldest_open_p1_days=20)["MURI_AGED_P1"]
    assert (near["severity"], far["severity"], unknown["severity"]) == ("critical", "high", "high")


def test_a_watch_counts_only_if_it_survives_the_whole_book() -> None:
    """At 500 accounts a level of 1 % rings every night somewhere: Benjamini-Hochberg decides which of it is news."""
    watch = {"spike_is_alert": 0, "spike_is_watch": 1, "tickets_4w": 6, "baseline_sum": 12, "spike_p_value": 0.006}
    assert emitted(**watch, spike_q=0.4) == {}
    assert emitted(**watch, spike_q=0.08)["MURI_SPIKE"]["severity"] == "medium"


def test_the_headline_sentence_is_rendered_by_code() -> None:
    assert emitted(**RINGING["MUDA_SHELFWARE"])["MUDA_SHELFWARE"]["summary"] == "145 of 200 seats are beyond need with headroom (73 %)."


def test_numbers_in_sentences_are_rounded_half_up_and_unknown_is_said() -> None:
    template = "{a} {a|percent} {b} {c|p} {d|date} {e}"
    values = {"a": 0.125, "b": 41.5, "c": 0.00004, "d": pd.Timestamp("2026-06-13"), "e": float("nan")}
    assert risks.render(template, values) == "0.1 13 % 41.5 < 0.0001 2026-06-13 unknown"


def test_risks_do_not_depend_on_names_or_order_of_accounts() -> None:
    accounts = [RINGING[rule_id] for rule_id in sorted(RINGING)]
    forwards, backwards = frame(*accounts), frame(*reversed(accounts))
    backwards["account_key"] = list(reversed(forwards["account_key"].tolist()))
    assert risks.evaluate(forwards, RULES) == risks.evaluate(backwards, RULES)


@pytest.mark.parametrize(
    ("before", "after", "line_of", "why"),
    [
        ("measure: gap_days, op", "measure: gapp_days, op", "measure: gapp_days, op", "did you mean 'gap_days'"),
        ('{measure: is_gapped, op: "=="', '{measure: is_gapped, op: "="', 'op: "="', "the operator '='"),
        ("- {severity: low}", "- {severity: mild}", "severity: mild", "severity 'mild'"),
        ("{shelfware_share|percent}", "{shelfware_share|per_cent}", "id: MUDA_SHELFWARE", "uses the form `per_cent`"),
        ("    title: An old critical ticket\n", "", "id: MURI_AGED_P1", "has no `title`"),
        ("  - id: SILENCE\n", "  - id: MURA_DROP\n", None, "stands there twice"),
        ("    effect: gap_days\n", "    effect: gap_days\n    colour: red\n", "id: MURA_GAP", "`colour`"),
    ],
)
def test_a_wrong_rule_is_refused_with_its_line(tmp_path: Path, before: str, after: str, line_of: str | None, why: str) -> None:
    text = risks.PATH.read_text()
    assert before in text
    wrong = tmp_path / "risk_rules.yaml"
    wrong.write_text(text.replace(before, after, 1))
    with pytest.raises(VimError, match="VIM-E005") as caught:
        risks.load_rules(wrong)
    assert why in str(caught.value)
    if line_of is not None:
        line = next(number for number, content in enumerate(wrong.read_text().splitlines(), 1) if line_of in content)
        assert f"line {line}:" in str(caught.value)
