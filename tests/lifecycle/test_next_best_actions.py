"""The queue of next best actions, by hand: what becomes an action, in which order, what the week holds, and when it is not asked again."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import pytest
from actions_by_hand import MONDAY, account, counts, nights, queue, request, requirement, risk, rows

from vim_pipelines.core.errors import VimError
from vim_pipelines.lifecycle.action_rules import PATH, load_action_rules
from vim_pipelines.lifecycle.next_best_actions import chance, urgency
from vim_pipelines.lifecycle.phases import load_map

RULES = load_action_rules()
DAY = timedelta(days=1)


# --- the data -------------------------------------------------------------------------------------------------------


def test_every_requirement_of_the_map_can_be_weighed_and_every_risk_of_the_rules_is_served() -> None:
    from vim_pipelines.signals.risks import load_rules

    assert set(RULES.requirements) == {item.requirement_id for item in load_map().requirements}
    assert set(RULES.risks) == {rule.rule_id for rule in load_rules()}


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("p2_red_flags: {effort_hours: 1.0", "p2_red_flag: {effort_hours: 1.0", "did you mean 'p2_red_flags'"),
        ("p3_cadence: {effort_hours: 0.5", "p3_cadence: {effort_hours: 0", "`effort_hours` must be a number above 0"),
        ("p8_maturity: {effort_hours: 0.5, chance: 0.60", "p8_maturity: {effort_hours: 0.5, chance: 1", "no outcome could move it"),
        ("p9_upsell: {effort_hours", "p9_upsell: {hours: 1, effort_hours", "`hours` means nothing here"),
        ("window_days: 91, cool_down_days: 91}\n  p5", "window_days: 91, cool_down_days: 30}\n  p5", "asked again too soon"),
        ("p7_playbooks: {effort_hours: 2.0", "p7_playbooks: {superseded_by: [p7_early_warning], effort_hours: 2.0", "superseded by itself"),
        ("MURA_GAP: p4_usage_gaps", "MURA_GAP: p4_usage_gap", "did you mean 'p4_usage_gaps'"),
        ("{low: 0.05, medium: 0.15", "{low: 0.5, medium: 0.15", "must not fall"),
    ],
)  # fmt: skip
def test_a_wrong_line_is_named(tmp_path: Path, before: str, after: str, said: str) -> None:
    text = PATH.read_text()
    assert text.count(before) == 1
    wrong = tmp_path / "next_best_actions.yaml"
    wrong.write_text(text.replace(before, after))
    with pytest.raises(VimError, match=r"VIM-E005.* line \d+: ") as error:
        load_action_rules(wrong)
    assert said in str(error.value)


# --- candidates -----------------------------------------------------------------------------------------------------


def test_only_what_is_open_in_the_phase_or_in_an_overlay_becomes_an_action() -> None:
    found = rows(
        queue(
            accounts=[account(phase=2)],
            requirements=[
                requirement("p2_red_flags"),
                requirement("p2_psp_diagnostic", "met"),
                requirement("p2_success_plan", "waived"),
                requirement("p3_kickoff"),
                requirement("p5_crm_hygiene", "stale"),
            ],
        )
    )
    assert set(found) == {("ACC-1", "p2_red_flags"), ("ACC-1", "p5_crm_hygiene")}


def test_nobody_is_chased_for_what_we_cannot_see() -> None:
    """A survey tool that was never connected would have asked every CSM for forty questionnaires."""
    assert not rows(queue(requirements=[requirement("p2_champion_alignment", "unknown"), requirement("p5_crm_hygiene", "unknown")]))


def test_what_nobody_can_see_of_an_account_is_the_data_owners_to_find_out_where_the_map_says_so() -> None:
    asked = next(item for item in load_map().requirements if item.who_is_chased == "data" and item.rule != "manual")
    blind = [requirement(asked.requirement_id, "unknown", key=key) for key in "AB"]
    [row] = rows(queue(accounts=[account("A"), account("B")], requirements=blind[:1])).values()
    assert (row["kind"], row["queue_kind"], row["queue_owner"], row["action"]) == ("find_out", "data", "data", asked.action)
    assert not rows(queue(accounts=[account("A"), account("B")], requirements=blind)), "what nobody can see of any account is one gap and not one per account"


def test_an_open_risk_is_served_by_the_line_of_the_map_that_the_data_names() -> None:
    """Also where that line belongs to another phase; with the finding as the reason and its closing as the success."""
    [row] = rows(queue(accounts=[account(phase=9)], risks=[risk("MUDA_SHELFWARE", summary="60 of 200 seats are beyond need.")])).values()
    assert (row["requirement_id"], row["document"], row["value_kind"], row["value_at_stake"]) == ("p4_adoption", "license_optimization_plan", "waste", 10_000)
    assert row["why"] == "60 of 200 seats are beyond need."
    assert json.loads(row["evidence_rows"]) == [{"entity": "risk", "key": "ACC-1:MUDA_SHELFWARE"}]
    assert json.loads(row["success_test"]) == {"closed": ["MUDA_SHELFWARE"]}


def test_a_requirement_and_its_risks_are_one_action() -> None:
    missing = requirement("p2_champion_alignment", evidence="The sponsor has left.", rows='[{"entity":"contact","key":"CON-1"}]')
    [row] = rows(queue(requirements=[missing], risks=[risk("SPONSOR_LOST", summary="No sponsor is left.")])).values()
    assert row["why"] == "The sponsor has left. No sponsor is left."
    assert json.loads(row["evidence_rows"]) == [{"entity": "contact", "key": "CON-1"}, {"entity": "risk", "key": "ACC-1:SPONSOR_LOST"}]
    assert row["success_criterion"] == "'Pain and champion alignment' is met or waived and no open risk SPONSOR_LOST"
    assert json.loads(row["success_test"]) == {"closed": ["SPONSOR_LOST"], "requirement": "p2_champion_alignment", "statuses": ["met", "waived"]}


# --- score ----------------------------------------------------------------------------------------------------------


def test_the_score_is_the_product_of_its_columns() -> None:
    """126 calendar days are 90 business days: half of the way from 1 to the floor of 0.1. 100,000 x 0.35 x 0.55 x 0.5 = 9,625."""
    [row] = rows(queue(requirements=[requirement("p2_red_flags")])).values()
    assert (row["business_days_left"], row["urgency"], row["chance"], row["stake_share"], row["value_at_stake"]) == (90, 0.55, 0.5, 0.35, 100_000)
    assert row["score"] == 9_625


def test_urgency_rises_to_one_on_the_day_and_passes_between_the_steps_of_the_risk_list() -> None:
    days = [0, 21, 64, 128, 260, float("nan")]
    found = urgency(days, RULES.half_life_business_days, RULES.urgency_floor)
    assert found[0] == 1 and found[-1] == RULES.urgency_floor and list(found) == sorted(found, reverse=True)
    for value, (low, high) in zip(found[1:5], [(0.8, 1.0), (0.5, 0.8), (0.25, 0.5), (0.1, 0.25)], strict=True):
        assert low <= value <= high


def test_outcomes_move_the_chance_by_their_number() -> None:
    """Prior 0.5 worth 20: 20 tried and 5 helped make (10 + 5) / 40."""
    assert chance(0.5, 20, 20, 5) == 0.375
    [row] = rows(
        queue(requirements=[requirement("p2_red_flags")], outcomes=[counts("p2_red_flags", 20, 5), counts("p2_red_flags", 9, 9, "enterprise")])
    ).values()
    assert (row["tried"], row["helped"], row["chance"], row["prior_chance"]) == (20, 5, 0.375, 0.5)


def test_an_order_worked_by_hand() -> None:
    """Large and far, small and near, large with little hanging on it: 100,000 x .35 x .5 x .55; 20,000 x .35 x .5 x 1; 100,000 x .05 x .8 x .55."""
    found = rows(
        queue(
            accounts=[account("FAR"), account("NEAR", stake_annual=20_000.0, deadline_on=MONDAY)],
            requirements=[requirement("p2_red_flags", key="FAR"), requirement("p2_red_flags", key="NEAR"), requirement("p5_crm_hygiene", key="FAR")],
        )
    )
    assert {key: (row["queue_rank"], row["score"]) for key, row in found.items()} == {
        ("FAR", "p2_red_flags"): (1, 9_625),
        ("NEAR", "p2_red_flags"): (2, 3_500),
        ("FAR", "p5_crm_hygiene"): (3, 2_200),
    }
    assert [found["FAR", name]["account_rank"] for name in ("p2_red_flags", "p5_crm_hygiene")] == [1, 2]


def test_an_unknown_value_stays_unknown_and_is_ranked_by_its_segment() -> None:
    known = [account(f"K{n}", stake_annual=value) for n, value in enumerate((10e3, 20e3, 30e3, 40e3, 50e3))]
    found = rows(queue(accounts=[*known, account("X", stake_annual=None)], requirements=[requirement("p2_red_flags", key="X")]))["X", "p2_red_flags"]
    assert (found["value_at_stake"], found["value_ranked"], found["value_basis"]) == (None, 30_000, "segment_median")
    lonely = rows(queue(accounts=[*known, account("X", stake_annual=None, segment="public")], requirements=[requirement("p2_red_flags", key="X")]))
    assert lonely["X", "p2_red_flags"]["value_basis"] == "portfolio_median"


def test_where_no_value_is_known_at_all_the_action_comes_last_and_has_no_score() -> None:
    found = rows(
        queue(
            accounts=[account("X", stake_annual=None, deadline_on=MONDAY), account("Y", stake_annual=1.0, deadline_on=None, deadline_kind="none")],
            requirements=[requirement("p2_red_flags", key="X"), requirement("p5_crm_hygiene", key="Y")],
        )
    )
    assert (found["X", "p2_red_flags"]["score"], found["X", "p2_red_flags"]["value_basis"], found["X", "p2_red_flags"]["queue_rank"]) == (None, "unknown", 2)
    assert found["Y", "p5_crm_hygiene"]["business_days_left"] is None


# --- queues and the week --------------------------------------------------------------------------------------------


def test_each_action_stands_in_the_queue_of_whoever_gets_it_done() -> None:
    found = rows(
        queue(
            accounts=[account("A", phase=1), account("B", csm=None), account("C", csm=None, director=None)],
            requirements=[requirement("p1_sales_docs", key="A"), requirement("p5_internal_alignment", key="A")]
            + [requirement("p2_red_flags", key=key) for key in "BC"],
        )
    )
    owners = {key: (row["queue_kind"], row["queue_owner"], row["weekly_hours"]) for key, row in found.items()}
    assert owners["A", "p1_sales_docs"] == ("csm", "cara", 10), "the CSM gets the account executive to do it"
    assert owners["A", "p5_internal_alignment"] == owners["B", "p2_red_flags"] == ("director", "dora", 4)
    assert owners["C", "p2_red_flags"] == ("director", "director", 4)


def test_the_week_is_cut_at_its_hours_and_what_does_not_fit_lets_the_smaller_in() -> None:
    """Four hours: 2 (champion) and 2 (psp) would be full; with 1 (flags) first, one of the two does not fit and the half hour does."""
    found = rows(
        queue(
            accounts=[account(csm_hours=3.5)],
            requirements=[requirement(name) for name in ("p2_red_flags", "p2_champion_alignment", "p2_psp_diagnostic", "p5_crm_hygiene")],
        )
    )
    by_rank = sorted(found.values(), key=lambda row: row["queue_rank"])
    assert [(row["requirement_id"], row["status"]) for row in by_rank] == [
        ("p2_red_flags", "open"), ("p2_champion_alignment", "open"), ("p2_psp_diagnostic", "cut"), ("p5_crm_hygiene", "open"),
    ]  # fmt: skip
    assert by_rank[2]["status_reason"] == "beyond the 3.5 hours of the week" and by_rank[2]["due_on"] is None


def test_an_action_keeps_its_hours_for_the_week_and_competes_again_on_monday() -> None:
    small, large = account("SMALL", stake_annual=10_000.0, csm_hours=2.0), account("LARGE", stake_annual=900_000.0, csm_hours=2.0)
    one, two = requirement("p2_champion_alignment", key="SMALL"), requirement("p2_champion_alignment", key="LARGE")
    first = queue(accounts=[small, large], requirements=[one])
    second = queue(as_of=MONDAY + DAY, accounts=[small, large], requirements=[one, two], previous=first.actions)
    assert {key[0]: (row["queue_rank"], row["status"]) for key, row in rows(second).items()} == {"SMALL": (2, "open"), "LARGE": (1, "cut")}
    monday = queue(as_of=MONDAY + 7 * DAY, accounts=[small, large], requirements=[one, two], previous=second.actions)
    assert {key[0]: row["status"] for key, row in rows(monday).items()} == {"SMALL": "cut", "LARGE": "open"}


def test_hours_of_what_was_done_in_the_week_stay_used() -> None:
    book = [account("A", csm_hours=2.0), account("B", csm_hours=2.0)]
    one, two = requirement("p2_champion_alignment", key="A"), requirement("p2_champion_alignment", key="B")
    first = queue(accounts=book, requirements=[one])
    met = requirement("p2_champion_alignment", "met", key="A")
    second = rows(queue(as_of=MONDAY + DAY, accounts=book, requirements=[met, two], previous=first.actions))
    assert (second["A", "p2_champion_alignment"]["status"], second["B", "p2_champion_alignment"]["status"]) == ("done", "cut")


def test_the_deadline_of_the_contract_comes_before_the_days_of_the_rule() -> None:
    [row] = rows(queue(requirements=[requirement("p2_champion_alignment")])).values()
    assert row["due_on"] == MONDAY + 14 * DAY
    [row] = rows(queue(accounts=[account(deadline_on=MONDAY + 3 * DAY)], requirements=[requirement("p2_champion_alignment")])).values()
    assert row["due_on"] == MONDAY + 3 * DAY


# --- no nagging -----------------------------------------------------------------------------------------------------

FLAGS = {"requirements": [requirement("p2_red_flags")]}
MET = {"requirements": [requirement("p2_red_flags", "met")]}


def test_an_action_is_the_same_from_night_to_night() -> None:
    first, second = nights([{"as_of": MONDAY, **FLAGS}, {"as_of": MONDAY + DAY, **FLAGS}])
    assert first and second
    assert first["action_id"] == second["action_id"] and second["first_shown_on"] == second["opened_on"] == MONDAY
    assert (first["due_on"], second["due_on"], second["last_shown_on"]) == (MONDAY + 7 * DAY, MONDAY + 7 * DAY, MONDAY + DAY)


def test_what_was_not_done_in_time_runs_out_rests_and_comes_back_as_another() -> None:
    """Due on day 7, run out on day 8, rest of 21 days, asked again on day 30."""
    first, due, late, resting, again = nights([{"as_of": MONDAY + n * DAY, **FLAGS} for n in (0, 7, 8, 29, 30)])
    assert first and due and late and resting and again
    assert [row["status"] for row in (first, due, late, resting, again)] == ["open", "open", "expired", "expired", "open"]
    assert (late["outcome"], late["cool_down_until"]) == ("not_met", MONDAY + 29 * DAY)
    assert again["action_id"] != first["action_id"] and again["counts"] == [], "what was never done says nothing of whether it helps"


def test_what_was_met_and_is_lost_within_the_rest_is_the_same_action() -> None:
    first, done, again = nights([{"as_of": MONDAY, **FLAGS}, {"as_of": MONDAY + DAY, **MET}, {"as_of": MONDAY + 2 * DAY, **FLAGS}])
    assert first and done and again
    assert (done["status"], done["done_how"], done["outcome"], done["is_in_capacity"]) == ("done", "criterion", "met_by_due", False)
    assert (again["status"], again["outcome"], again["done_on"], again["action_id"]) == ("open", None, None, first["action_id"])


@pytest.mark.parametrize("state", ["pending", "approved", "rejected", "changes_requested", "replanning", "executing"])
def test_an_action_waits_while_a_plan_for_it_is_on_its_way(state: str) -> None:
    _, waiting = nights([{"as_of": MONDAY, **FLAGS}, {"as_of": MONDAY + DAY, **FLAGS, "requests": [request("risk_mitigation_plan", state, MONDAY)]}])
    assert waiting and (waiting["status"], waiting["queue_rank"], waiting["request_id"]) == ("superseded", None, "REQ-1")


@pytest.mark.parametrize("state", ["expired", "superseded", "failed", "conflicted", "undone"])
def test_a_plan_that_came_to_nothing_holds_nothing_up(state: str) -> None:
    [row] = nights([{"as_of": MONDAY, **FLAGS, "requests": [request("risk_mitigation_plan", state, MONDAY)]}])
    assert row and row["status"] == "open"


def test_a_dismissed_plan_is_not_asked_for_in_ninety_days() -> None:
    dismissed = {"requests": [request("risk_mitigation_plan", "dismissed", MONDAY)]}
    story = nights([{"as_of": MONDAY + n * DAY, **FLAGS, **dismissed} for n in (0, 89, 90, 91)])
    assert [row["status"] for row in story if row] == ["dismissed", "dismissed", "dismissed", "open"]


def test_what_was_carried_out_rests_until_its_effect_can_be_seen_and_counts_once() -> None:
    """Window 21 days: applied on day 2, met on day 10 is a success; the counts of later nights do not grow."""
    applied = {"requests": [request("risk_mitigation_plan", "applied", MONDAY + 2 * DAY)]}
    story = nights(
        [
            {"as_of": MONDAY, **FLAGS},
            {"as_of": MONDAY + 3 * DAY, **FLAGS, **applied},
            {"as_of": MONDAY + 10 * DAY, **MET, **applied},
            {"as_of": MONDAY + 11 * DAY, **MET, **applied},
            {"as_of": MONDAY + 40 * DAY, **MET, **applied},
        ]
    )
    _, done, met, after, forgotten = story
    assert done and met and after
    assert (done["status"], done["done_on"], done["done_how"], done["outcome"], done["counts"]) == ("done", MONDAY + 2 * DAY, "request", None, [])
    assert (met["outcome"], met["outcome_on"], met["counts"]) == ("met_later", MONDAY + 10 * DAY, [[1, 1]]), "after its due date, and within the window"
    assert after["counts"] == [[1, 1]] and forgotten is None


def test_what_was_carried_out_in_vain_counts_against_it_and_is_asked_again_after_its_rest() -> None:
    applied = {"requests": [request("risk_mitigation_plan", "verified", MONDAY + DAY)]}
    story = nights([{"as_of": MONDAY + n * DAY, **FLAGS, **(applied if n else {})} for n in (0, 2, 21, 22, 23, 24)])
    assert [(row["status"], row["outcome"], row["counts"]) for row in story if row] == [
        ("open", None, []), ("done", None, []), ("done", None, []), ("done", "not_met", [[1, 0]]), ("open", None, [[1, 0]]), ("open", None, [[1, 0]]),
    ]  # fmt: skip
    assert story[4] and story[0] and story[4]["action_id"] != story[0]["action_id"]
    assert (story[4]["tried"], story[4]["helped"], story[4]["chance"]) == (1, 0, round(10 / 21, 6))


def test_an_effect_that_no_night_looked_at_in_time_is_still_counted() -> None:
    """Audited weekly: the end of the window and of the rest lie between two nights."""
    applied = {"requests": [request("risk_mitigation_plan", "verified", MONDAY + DAY)]}
    story = nights([{"as_of": MONDAY + n * DAY, **FLAGS, **(applied if n else {})} for n in (0, 7, 14, 21, 28, 35)])
    assert [(row["status"], row["counts"]) for row in story if row] == [
        ("open", []), ("done", []), ("done", []), ("done", []), ("done", [[1, 0]]), ("open", [[1, 0]]),
    ]  # fmt: skip


def test_what_was_undone_is_to_be_done_again() -> None:
    first, done, again = nights(
        [
            {"as_of": MONDAY, **FLAGS},
            {"as_of": MONDAY + DAY, **FLAGS, "requests": [request("risk_mitigation_plan", "applied", MONDAY + DAY)]},
            {"as_of": MONDAY + 2 * DAY, **FLAGS, "requests": [request("risk_mitigation_plan", "undone", MONDAY + 2 * DAY)]},
        ]
    )
    assert first and done and again and (done["status"], again["status"], again["action_id"]) == ("done", "open", first["action_id"])


def test_a_plan_carried_out_shortly_before_is_awaited_and_not_counted() -> None:
    story = nights([{"as_of": MONDAY + n * DAY, **FLAGS, "requests": [request("risk_mitigation_plan", "verified", MONDAY - DAY)]} for n in (0, 21)])
    assert [row["status"] for row in story if row] == ["superseded", "open"] and all(row["counts"] == [] for row in story if row)


def test_a_snoozed_account_is_left_alone_and_its_actions_do_not_run_out_meanwhile() -> None:
    snoozed = {"accounts": [account(snoozed_until=MONDAY + 20 * DAY)]}
    story = nights([{"as_of": MONDAY, **FLAGS}, *({"as_of": MONDAY + n * DAY, **FLAGS, **snoozed} for n in (1, 20, 21))])
    assert [row["status"] for row in story if row] == ["open", "snoozed", "snoozed", "open"]
    assert story[3] and story[0] and story[3]["due_on"] == MONDAY + 28 * DAY and story[3]["action_id"] == story[0]["action_id"]


def test_an_action_waits_for_the_one_that_comes_first() -> None:
    """Nobody asks a customer in trouble for a reference."""
    found = rows(queue(accounts=[account(phase=10)], requirements=[requirement("p10_reference")], risks=[risk("MURA_DROP")]))
    assert (found["ACC-1", "p10_reference"]["status"], found["ACC-1", "p10_reference"]["status_reason"]) == ("superseded", "'Risk playbooks' comes first")
    assert found["ACC-1", "p7_playbooks"]["status"] == "open"


def test_an_account_that_is_held_keeps_its_actions_and_one_that_never_comes_back_is_forgotten() -> None:
    story = nights(
        [
            {"as_of": MONDAY, **FLAGS},
            {"as_of": MONDAY + DAY, "accounts": [account("OTHER")]},
            {"as_of": MONDAY + 2 * DAY, **FLAGS},
            {"as_of": MONDAY + 3 * DAY, "accounts": [account("OTHER")]},
            {"as_of": MONDAY + 39 * DAY, "accounts": [account("OTHER")]},
        ]
    )
    assert [row["status"] if row else None for row in story] == ["open", "waiting", "open", "waiting", None]


def test_what_another_phase_no_longer_asks_is_neither_met_nor_failed() -> None:
    _, gone = nights([{"as_of": MONDAY, **FLAGS}, {"as_of": MONDAY + DAY, "accounts": [account(phase=3)], **FLAGS}])
    assert gone and (gone["status"], gone["outcome"], gone["counts"]) == ("expired", "not_asked", [])


def test_a_waiver_ends_an_action_without_saying_that_it_helped() -> None:
    waived = {"requirements": [requirement("p2_red_flags", "waived")]}
    _, done = nights([{"as_of": MONDAY, **FLAGS}, {"as_of": MONDAY + DAY, **waived, "requests": [request("risk_mitigation_plan", "applied", MONDAY + DAY)]}])
    assert done and (done["status"], done["outcome"], done["counts"]) == ("done", "waived", [])


def test_the_week_begins_on_monday() -> None:
    [row] = rows(queue(as_of=date(2026, 6, 28), **FLAGS)).values()
    assert row["queue_week"] == MONDAY


def test_an_action_that_nobody_was_shown_leaves_nothing_behind() -> None:
    """Otherwise every requirement that is met by itself would stand in the mart for the weeks of a rest that nobody needs."""
    full = {"accounts": [account(csm_hours=0.5)]}
    cut, gone = nights([{"as_of": MONDAY, **full, **FLAGS}, {"as_of": MONDAY + DAY, **full, **MET}])
    assert cut and cut["status"] == "cut" and gone is None
