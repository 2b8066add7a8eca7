"""Contributions: they are the score, not a story about it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vim_pipelines.signals import health
from vim_pipelines.signals.scores import FLOORS, load_score_rules

RULES = load_score_rules()
NAN = float("nan")
MEASURES = list(health.MEASURES)
#: A settled account in which everything was measured and nothing is wrong.
CALM = {
    "seats_contracted": 200.0, "shelfware_seats": 0.0, "contract_age_days": 800.0, "is_dropping": 0.0, "is_spiky": 0.0, "is_gapped": 0.0, "fall": 0.0,
    "cv": 0.1, "gap_days": 1.0, "spike_p_value": 0.9, "tickets_4w": 2.0, "weighted_load": 0.0, "usage_status": "ok", "contract_status": "ok",
    "adoption_status": "ok", "spike_status": "ok", "ticket_status": "ok", **{f"floor_{name}": False for name in FLOORS},
}  # fmt: skip


def assessed(*accounts: dict[str, object]) -> health.Health:
    return health.assess(pd.DataFrame([{"account_key": str(n)} | CALM | account for n, account in enumerate(accounts)]), RULES)


def points(**changes: object) -> dict[str, float]:
    """Contributions of one account by measure, with the floor; only those that are not zero."""
    found = assessed(changes)
    return {name: value for name, value in zip([*MEASURES, "floor"], [*found.contributions[0], found.floor[0]], strict=True) if value}


def test_the_headline_is_seventy_points_of_shelfware() -> None:
    """.5 x 100 for being the worst, .5 x .4 x 100 by weight."""
    assert points(shelfware_seats=145.0) == {"shelfware": 70.0}


def test_the_worst_dimension_gets_the_first_half_and_each_its_weight_of_the_second() -> None:
    """Shelfware 100 (a gap of half the seats) and a P1-heavy load of 40 points on 200 seats, which is 20: 50 + 20 and .5 x .3 x 20."""
    assert points(shelfware_seats=100.0, weighted_load=40.0) == {"shelfware": 70.0, "ticket_load": 3.0}


def test_inside_a_dimension_only_the_worst_measure_counts_and_equals_share() -> None:
    dropping = {"is_dropping": 1.0, "fall": -0.5, "is_spiky": 1.0, "cv": 0.3}
    assert points(**dropping) == {"drop": pytest.approx(0.5 * 80 + 0.5 * 0.3 * 80)}
    equal = {"is_spiky": 1.0, "cv": 0.3, "is_gapped": 1.0, "gap_days": 10.0}
    assert points(**equal) == {"scatter": 16.25, "gap": 16.25}


def test_an_unmeasured_dimension_moves_its_weight_to_the_others() -> None:
    blind = {"is_dropping": NAN, "is_spiky": NAN, "is_gapped": NAN, "adoption_status": "stale", "shelfware_seats": 100.0}
    found = assessed(blind)
    assert found.weights[0].tolist() == pytest.approx([4 / 7, 0, 0, 0, 3 / 7, 3 / 7])
    assert points(**blind) == {"shelfware": pytest.approx(50 + 50 * 4 / 7, abs=0.01)}
    assert found.status[0] == ["ok", "stale", "stale", "stale", "ok", "ok"]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"contract_status": "unknown", "shelfware_seats": NAN}, "unknown"), ({"usage_status": "stale", "shelfware_seats": NAN}, "stale"),
        ({"contract_age_days": 10.0}, "insufficient"), ({"usage_status": None, "shelfware_seats": NAN}, "unknown"), ({"seats_contracted": 0.0}, "insufficient"),
    ],
)  # fmt: skip
def test_a_measure_says_why_it_was_not_measured(changes: dict[str, object], status: str) -> None:
    assert assessed(changes).status[0][0] == status


def test_a_floor_is_a_line_of_its_own() -> None:
    assert points(weighted_load=40.0, floor_notice_served=True) == {"ticket_load": 13.0, "floor": 87.0}
    assert points(shelfware_seats=200.0, is_dropping=1.0, fall=-0.9, weighted_load=400.0, floor_aged_p1_before_opt_out=True).get("floor") is None


def test_a_contract_floor_without_any_measure_is_the_whole_score() -> None:
    unknown = {name: NAN for name in ("shelfware_seats", "is_dropping", "is_spiky", "is_gapped", "spike_p_value", "weighted_load")}
    found = assessed(unknown | {"floor_notice_served": True}, unknown)
    assert (found.floor[0], found.scores.lean_risk[0], found.contributions[0].sum()) == (100.0, 100.0, 0.0)
    assert np.isnan(found.contributions[1]).all() and np.isnan(found.floor[1])


def anything(low: float, high: float) -> st.SearchStrategy[float]:
    return st.one_of(st.just(NAN), st.floats(low, high))


flag = st.sampled_from([0.0, 1.0, NAN])
account = st.fixed_dictionaries(
    {
        "seats_contracted": st.sampled_from([0.0, 7.0, 200.0, NAN]), "shelfware_seats": anything(0, 200), "contract_age_days": anything(0, 900),
        "is_dropping": flag, "is_spiky": flag, "is_gapped": flag, "fall": anything(-1, 0), "cv": anything(0, 2), "gap_days": anything(0, 64),
        "spike_p_value": anything(0, 1), "tickets_4w": anything(0, 50), "weighted_load": anything(0, 300),
        **{f"floor_{name}": st.booleans() for name in FLOORS},
    }
)  # fmt: skip


@given(st.lists(account, min_size=1, max_size=10))
def test_contributions_and_floor_add_up_to_the_score(accounts: list[dict[str, object]]) -> None:
    found = assessed(*accounts)
    scored = np.isfinite(found.scores.lean_risk)
    total = found.contributions.sum(axis=1) + found.floor
    assert np.array_equal(np.isfinite(total), scored)
    np.testing.assert_allclose(total[scored], found.scores.lean_risk[scored], atol=1e-9)
    assert (found.contributions[scored] >= -0.011).all()
    unmeasured = ~np.isfinite(found.points)
    assert (found.contributions[scored][unmeasured[scored]] == 0).all()
    for row, states in enumerate(found.status):
        assert [state == "ok" for state in states] == np.isfinite(found.points[row]).tolist()


@given(account, account)
def test_an_account_does_not_depend_on_its_neighbours(one: dict[str, object], other: dict[str, object]) -> None:
    alone, both = assessed(one), assessed(one, other)
    np.testing.assert_array_equal(alone.contributions[0], both.contributions[0])
    np.testing.assert_array_equal(alone.floor[0], both.floor[0])
