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
DATES = ("last_activity_date", "sponsor_left_on", "fttv_due_on", "notice_on", "last_talk_on")
TEXTS = ("handoff_missing_fields", "stale_feed_names", "lifecycle_stage")

#: Measures under which each rule rings; every other measure is unknown.
RINGING: dict[str, dict[str, object]] = {
    "MUDA_SHELFWARE": {"shelfware_seats": 145, "seats_contracted": 200, "shelfware_share": 0.725, "contract_age_days": 300},
    "MUDA_FEATURE": {"feature_breadth": 0.2, "used_features": 1, "entitled_features": 5, "active_users_28d": 30, "contract_age_days": 300},
    "MURA_SPIKY": {"is_spiky": 1, "cv": 0.45, "dispersion_p": 1e-7, "n_weeks": 26},
    "MURA_GAP": {"is_gapped": 1, "gap_days": 15, "gap_p": 0.0001},
    "MURA_DROP": {"is_dropping": 1, "recent_median": 20, "prior_median": 41.5, "fall": -0.518, "fall_p": 1e-9},
    "MURI_SPIKE": {"spike_is_alert": 1, "spike_is_watch": 0, "tickets_4w": 18, "baseline_sum": 20, "spike_p_value": 1e-6, "days_to_opt_out": 200},
    "MURI_AGED_P1": {"open_p1": 1, "oldest_open_p1_days": 20, "days_to_opt_out": 200},
    "SILENCE": {"tickets_90d": 0, "seats_contracted": 40, "is_dropping": 1, "contract_age_days": 300, "fall": -0.4, "fall_p": 1e-5},
    "MURI_SLA": {"sla_tickets_90d": 20, "sla_breached_90d": 8, "sla_breach_rate": 0.4, "sla_p": 0.0004},
    "SINGLE_THREAD": {"top_user_share": 0.62, "value_actions_28d": 340, "seats_contracted": 40, "contract_age_days": 300},
    "RENEWAL_NO_TALK": {
        "days_to_opt_out": 70,
        "renewals_open": 0,
        "renewals_signed": 0,
        "days_since_talk": 75,
        "last_talk_on": date(2026, 4, 14),
        "talks_ahead": 0,
        "notice_is_open": 0,
    },
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
    """At 500 accounts a level of 1 % rings every night somewhere: Benjamini-Hochberg decides which of it is a claim. It stays listed."""
    watch = {"spike_is_alert": 0, "spike_is_watch": 1, "tickets_4w": 6, "baseline_sum": 12, "spike_p_value": 0.006}
    calm = {"spike_is_alert": 0, "spike_is_watch": 0, "spike_p_value": 0.7}
    (alone,) = risks.evaluate(frame(watch, *[calm] * 3), RULES)
    assert (alone["severity"], alone["risk_status"], alone["q_value"]) == ("medium", "open", pytest.approx(0.024))
    (lost,) = risks.evaluate(frame(watch, *[calm] * 99), RULES)
    assert (lost["severity"], lost["risk_status"], lost["q_value"]) == ("medium", "held_back", pytest.approx(0.6))


def test_the_family_is_every_test_of_the_run_and_each_test_once() -> None:
    """SILENCE stands on the drop test: counting it twice would raise the bar for everybody else."""
    assert risks.family(RULES) == ("dispersion_p", "gap_p", "fall_p", "spike_p_value", "sla_p")
    found = emitted(**RINGING["SILENCE"], dispersion_p=0.9)
    assert found["SILENCE"]["q_value"] == found["MURA_DROP"]["q_value"] == pytest.approx(2e-5)


def test_a_fact_has_no_q_value_and_is_never_held_back() -> None:
    doubtful = [{"dispersion_p": 0.5}] * 50
    found = {risk["rule_id"]: risk for risk in risks.evaluate(frame(RINGING["NOTICE_SERVED"] | RINGING["SPONSOR_LOST"], *doubtful), RULES)}
    assert {(risk["q_value"], risk["risk_status"]) for risk in found.values()} == {(None, "open")}
    assert (found["NOTICE_SERVED"]["is_never_cut"], found["SPONSOR_LOST"]["is_never_cut"]) == (True, False)


def test_an_old_ticket_is_never_cut_only_near_the_opt_out() -> None:
    far, near = emitted(**RINGING["MURI_AGED_P1"]), emitted(**RINGING["MURI_AGED_P1"] | {"days_to_opt_out": 30})
    assert (far["MURI_AGED_P1"]["is_never_cut"], near["MURI_AGED_P1"]["is_never_cut"]) == (False, True)


@pytest.mark.parametrize(
    ("changes", "rings"),
    [
        ({}, True), ({"top_user_share": 0.5}, False), ({"seats_contracted": 9}, False), ({"value_actions_28d": 19}, False), ({"contract_age_days": 59}, False),
        ({"top_user_share": 0.1, "contacts_active": 1}, True), ({"top_user_share": 0.1, "contacts_active": 2}, False),
        ({"top_user_share": 0.1, "contacts_active": 1, "seats_contracted": 20}, False),
    ],
)  # fmt: skip
def test_one_person_alone_is_a_risk_only_where_there_are_seats_for_more(changes: dict[str, object], rings: bool) -> None:
    assert ("SINGLE_THREAD" in emitted(**RINGING["SINGLE_THREAD"] | changes)) is rings


@pytest.mark.parametrize(
    ("changes", "severity"),
    [
        ({}, "medium"), ({"days_to_opt_out": 30}, "high"), ({"days_to_opt_out": -1}, None), ({"days_to_opt_out": 91}, None), ({"renewals_open": 1}, None),
        ({"renewals_signed": 1}, None), ({"days_since_talk": 59}, None), ({"talks_ahead": 1}, None), ({"notice_is_open": 1, "notice_on": date(2026, 6, 1)}, None),
    ],
)  # fmt: skip
def test_a_silent_renewal_is_a_risk_only_while_it_can_be_talked_about(changes: dict[str, object], severity: str | None) -> None:
    found = emitted(**RINGING["RENEWAL_NO_TALK"] | changes)
    assert found.get("RENEWAL_NO_TALK", {}).get("severity") == severity


def test_a_drop_is_graded_inside_its_lifecycle_stage() -> None:
    """-45 % is deep among settled accounts and ordinary among those that are starting up; -70 % is deep anywhere."""
    from vim_pipelines.signals.measures import lifecycle_stages, rank_within

    stages = lifecycle_stages(np.array([30.0] * 40 + [800.0] * 40 + [np.nan]), np.array([300.0] * 80 + [10.0]))
    assert stages == ["onboarding"] * 40 + ["established"] * 40 + [None]
    fall = np.concatenate([np.linspace(-0.9, -0.4, 39), [-0.45], np.linspace(-0.2, 0.2, 39), [-0.45], [np.nan]])
    ranks = rank_within(fall, stages)
    drop = {"is_dropping": 1, "fall": -0.45, "fall_p": 1e-6}
    graded = [emitted(**drop, fall_rank=ranks[row])["MURA_DROP"]["severity"] for row in (39, 79)]
    assert graded == ["medium", "high"] and np.isnan(ranks[80])
    assert emitted(**drop | {"fall": -0.7}, fall_rank=0.9)["MURA_DROP"]["severity"] == "high"


def test_p_values_of_either_test_and_of_breaches_by_hand() -> None:
    from vim_pipelines.signals.measures import binomial_tail, either_p

    np.testing.assert_allclose(either_p(np.array([0.01, np.nan, np.nan, 0.8]), np.array([0.2, 0.03, np.nan, 0.9])), [0.02, 0.03, np.nan, 1.0])
    # 3 of 10 at one in ten: 1 - (.9^10 + 10 x .1 x .9^9 + 45 x .01 x .9^8)
    by_hand = 1 - (0.9**10 + 10 * 0.1 * 0.9**9 + 45 * 0.01 * 0.9**8)
    np.testing.assert_allclose(binomial_tail(np.array([3.0, np.nan, 0.0, 0.0]), np.array([10.0, 5.0, 0.0, 4.0]), 0.1), [by_hand, np.nan, np.nan, 1.0])


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


def test_false_discoveries_stay_below_the_level() -> None:
    """200 books of 300 accounts, a tenth of them truly erratic: the share of false claims, averaged over books, is at most the level."""
    rng = np.random.default_rng(5)
    shares, held = [], 0
    for _ in range(200):
        p = rng.random(300)
        p[:30] = 10 ** -rng.uniform(2, 8, 30)
        book = frame(*[{}] * 300)
        book["dispersion_p"], book["is_spiky"] = p, (p < 0.05).astype(float)
        found = risks.evaluate(book, RULES)
        claims = [int(risk["account_key"][4:]) for risk in found if risk["risk_status"] == "open"]
        held += len(found) - len(claims)
        shares.append(sum(number >= 30 for number in claims) / max(len(claims), 1))
    assert 0.05 < np.mean(shares) <= 0.10
    assert held > 0


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
        ("never_cut_from: critical", "never_cut_from: dire", "id: MURI_AGED_P1", "never_cut_from 'dire'"),
        ("false_discovery_level: 0.10", "false_discovery_level: 10", None, "`false_discovery_level` is 10"),
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
