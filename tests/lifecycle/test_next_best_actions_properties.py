"""What holds of every queue, whatever the portfolio: hypothesis tries to find one of which it does not."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from actions_by_hand import MONDAY, account, counts, day, request, requirement, risk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vim_pipelines.lifecycle.action_rules import load_action_rules
from vim_pipelines.lifecycle.next_best_actions import LIVE, QueueDay, build_queue, chance, urgency
from vim_pipelines.lifecycle.phases import load_map

MAP, RULES = load_map(), load_action_rules()
BY_ID = {item.requirement_id: item for item in MAP.requirements}
ACCOUNTS = ("A", "B", "C")
SLOW = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])

dates = st.integers(0, 400).map(lambda days: MONDAY + timedelta(days=days))
accounts = st.builds(
    account,
    st.sampled_from(ACCOUNTS),
    phase=st.sampled_from(sorted(MAP.phases)),
    segment=st.sampled_from(["smb", "enterprise", None]),
    csm=st.sampled_from(["cara", "carl", None]),
    stake_annual=st.none() | st.floats(0, 1e7),
    waste_annual=st.none() | st.floats(0, 1e6),
    deadline_on=st.none() | dates,
    csm_hours=st.just(7.0),
    snoozed_until=st.none() | st.just(MONDAY + timedelta(days=3)),
)
findings = st.builds(
    requirement, st.sampled_from([*BY_ID, "p0_not_in_the_map"]), st.sampled_from(["met", "unmet", "waived", "unknown", "stale"]), st.sampled_from(ACCOUNTS)
)
risks = st.builds(risk, st.sampled_from([*RULES.risks, "NOT_A_RULE"]), st.sampled_from(["low", "medium", "high", "critical"]), st.sampled_from(ACCOUNTS))
requests = st.builds(
    request,
    st.sampled_from(MAP.documents),
    st.sampled_from(["pending", "approved", "applied", "verified", "dismissed", "undone", "expired"]),
    st.integers(-30, 0).map(lambda days: MONDAY + timedelta(days=days)),
    st.sampled_from(ACCOUNTS),
)


def once(rows: list[dict[str, Any]], *names: str) -> list[dict[str, Any]]:
    return list({tuple(row[name] for name in names): row for row in rows}.values())


@st.composite
def worlds(draw: st.DrawFn) -> dict[str, list[dict[str, Any]]]:
    return {
        "accounts": once(draw(st.lists(accounts, min_size=1, max_size=3)), "account_key"),
        "requirements": once(draw(st.lists(findings, max_size=25)), "account_key", "requirement_id"),
        "risks": once(draw(st.lists(risks, max_size=6)), "account_key", "rule_id"),
        "requests": once(draw(st.lists(requests, max_size=4)), "account_key", "document"),
    }


def plain(actions: Any) -> list[dict[str, Any]]:
    found = actions.astype(object).where(actions.notna(), None).to_dict("records")
    return [dict(row) for row in found]


def hold(rows: list[dict[str, Any]], what: QueueDay) -> None:
    phases = dict(zip(what.accounts["account_key"], what.accounts["phase"], strict=True))
    asked = {(row["account_key"], row["requirement_id"]): row["status"] for row in what.requirements.to_dict("records")}
    served = {(row["account_key"], RULES.risks.get(row["rule_id"])) for row in what.risks.to_dict("records")}
    for row in rows:
        item, key = BY_ID[row["requirement_id"]], (row["account_key"], row["requirement_id"])
        assert (row["action"], row["yields"], row["document"], row["who_is_chased"]) == (item.action, item.yields, item.document, item.who_is_chased)
        if row["status"] in ("open", "cut"):
            is_of_its_phase = item.phase == phases[row["account_key"]] or MAP.phases[item.phase].kind == "overlay"
            is_asked = is_of_its_phase and (asked.get(key) in ("unmet", "stale") or (asked.get(key) == "unknown" and item.who_is_chased == "data"))
            assert is_asked or key in served
    hours: dict[str, float] = {}
    for row in rows:
        if row["taken_week"] == row["queue_week"]:
            hours[row["taken_by"]] = hours.get(row["taken_by"], 0.0) + row["effort_hours"]
    limits = {row["queue_owner"]: row["weekly_hours"] for row in rows}
    in_capacity: dict[str, float] = {}
    for row in rows:
        if row["is_in_capacity"]:
            assert row["status"] == "open" and row["due_on"] >= what.as_of and row["taken_week"] == row["queue_week"]
            in_capacity[row["queue_owner"]] = in_capacity.get(row["queue_owner"], 0.0) + row["effort_hours"]
    assert all(sum_of <= limits[owner] + 1e-9 for owner, sum_of in in_capacity.items())
    assert all(hours[owner] <= limits.get(owner, 7.0) + 1e-9 for owner in hours)
    for owner in limits:
        assert sorted(row["queue_rank"] for row in rows if row["queue_owner"] == owner and row["queue_rank"] is not None) == list(
            range(1, 1 + sum(row["queue_rank"] is not None for row in rows if row["queue_owner"] == owner))
        )


@SLOW
@given(worlds(), worlds())
def test_no_action_outside_the_map_and_no_more_hours_than_the_week_has(first: Mapping[str, Any], second: Mapping[str, Any]) -> None:
    """Two nights of one week, the second with another truth: what was taken keeps its hours, and both stay within the week."""
    monday = day(**first)
    before = build_queue(monday, RULES, MAP)
    hold(plain(before.actions), monday)
    tuesday = day(as_of=MONDAY + timedelta(days=1), previous=before.actions, outcomes=before.outcomes, **second)
    after = build_queue(tuesday, RULES, MAP)
    hold(plain(after.actions), tuesday)
    known = {(row["account_key"], row["requirement_id"]): row for row in plain(before.actions)}
    for row in plain(after.actions):
        earlier = known.get((row["account_key"], row["requirement_id"]))
        if earlier is not None and earlier["status"] in LIVE:
            assert row["action_id"] == earlier["action_id"], "an action that is under way stays the same action"


@SLOW
@given(worlds(), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(world: Mapping[str, list[dict[str, Any]]], random: Any) -> None:
    shuffled = {name: random.sample(rows, len(rows)) for name, rows in world.items()}
    one, other = (build_queue(day(**rows), RULES, MAP) for rows in (world, shuffled))
    assert plain(one.actions) == plain(other.actions)
    assert one.outcomes.equals(other.outcomes)


@SLOW
@given(st.floats(0, 1e6), st.floats(0, 1e6), st.integers(0, 300), st.integers(0, 300), st.integers(0, 40), st.integers(0, 40), st.sampled_from(list(BY_ID)))
def test_more_at_stake_a_nearer_deadline_or_better_outcomes_never_lower_an_action(
    low: float, high: float, near: int, far: int, failed: int, helped: int, requirement_id: str
) -> None:
    """One factor at a time, the others equal: the better of two accounts has at least the score and comes first."""
    low, high, near, far = min(low, high), max(low, high), min(near, far), max(near, far)
    phase = BY_ID[requirement_id].phase
    tonight = [requirement(requirement_id, key=key) for key in ("A", "B")]
    for better, worse in (
        ({"stake_annual": high, "waste_annual": high}, {"stake_annual": low, "waste_annual": low}),
        ({"deadline_on": MONDAY + timedelta(days=near)}, {"deadline_on": MONDAY + timedelta(days=far)}),
        ({"segment": "helps"}, {"segment": "fails"}),
    ):
        # The better account has the later name, so that only the factor can bring it first.
        book = [account("A", phase=phase, **worse), account("B", phase=phase, **better)]
        outcomes = [counts(requirement_id, failed + helped, helped, "fails"), counts(requirement_id, failed + helped, failed + helped, "helps")]
        rows = {row["account_key"]: row for row in plain(build_queue(day(accounts=book, requirements=tonight, outcomes=outcomes), RULES, MAP).actions)}
        if "A" in rows:  # unknown kinds make no action
            assert rows["B"]["score"] >= rows["A"]["score"]
            assert rows["B"]["queue_rank"] < rows["A"]["queue_rank"] or rows["B"]["score"] == rows["A"]["score"]


@given(st.floats(0, 500), st.floats(0, 500))
def test_urgency_never_rises_with_the_days(first: float, second: float) -> None:
    near, far = urgency([min(first, second), max(first, second)], 90, 0.1)
    assert 0.1 <= far <= near <= 1


@given(st.floats(0.01, 0.99), st.integers(0, 100), st.integers(0, 100))
def test_the_chance_lies_between_the_prior_and_what_was_seen(prior: float, failed: int, helped: int) -> None:
    tried = failed + helped
    found = float(chance(prior, 20, tried, helped))
    seen = helped / tried if tried else prior
    assert min(prior, seen) - 1e-9 <= found <= max(prior, seen) + 1e-9


@pytest.mark.slow
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(worlds(), min_size=1, max_size=6))
def test_no_week_of_nights_breaks_a_rule(story: list[Mapping[str, Any]]) -> None:
    previous, outcomes = None, ()
    for number, world in enumerate(story):
        tonight = day(as_of=MONDAY + timedelta(days=number), previous=previous, outcomes=outcomes, **world)
        found = build_queue(tonight, RULES, MAP)
        hold(plain(found.actions), tonight)
        previous, outcomes = found.actions, found.outcomes
