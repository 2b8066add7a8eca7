"""The estimator of plans' effects: what it compares with what, when it says nothing, and that it finds what was planted and nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vim_pipelines.evaluation.plan_effect import (
    AFTER_DAYS,
    CALIPERS,
    MIN_PAIRS,
    WINDOW_DAYS,
    Candidates,
    ensure_effect_table,
    estimate,
    exposure,
    follow_effects,
    match,
)
from vim_pipelines.evaluation.plan_effect_study import SCENARIOS, candidates_of, rendered, simulate, study
from vim_pipelines.lifecycle.outcomes import COLUMNS, TABLE, ensure_outcome_table
from vim_pipelines.warehouse.duckdb import DuckDBWarehouse

SCENARIO = {scenario.name: scenario for scenario in SCENARIOS}


def book(treated: int, controls: int, *, seed: int = 0, lift: float = 0.0, nights: int = 2) -> Candidates:
    """Accounts whose measure wanders; the treated get `lift` afterwards."""
    rng, n = np.random.default_rng(seed), treated + controls
    level = rng.uniform(0.3, 0.6, n)
    is_treated = np.arange(n) < treated
    return Candidates(
        account=np.arange(n), night=np.arange(n) % nights, is_treated=is_treated, segment=np.zeros(n, dtype=int), size=rng.uniform(20, 100, n),
        level=level, before=level + rng.normal(0, 0.01, n), placebo_to=level + rng.normal(0, 0.01, n), placebo_from=level + rng.normal(0, 0.01, n),
        after=level + rng.normal(0, 0.01, n) + lift * is_treated, next_plan=np.full(n, np.inf),
    )  # fmt: skip


def test_fewer_than_thirty_matched_accounts_are_not_enough_to_print_an_effect():
    """A plan with six customers and a large number beside it is how wrong beliefs begin."""
    few = estimate(book(MIN_PAIRS - 1, 400, lift=0.2))
    assert (few.status, few.effect, few.low_95, few.placebo) == ("not_enough_data", None, None, None)
    assert str(few) == f"not enough data ({few.n_matched} of 30 matched accounts)"
    far = book(60, 400, lift=0.2)
    far = replace(far, level=np.where(far.is_treated, far.level - 0.5, far.level), before=np.where(far.is_treated, far.before - 0.5, far.before))
    alone = estimate(far)  # sixty treated, nobody like them
    assert (alone.status, alone.n_treated, alone.effect) == ("not_enough_data", 60, None)


def test_a_lift_of_the_treated_is_found_and_a_lift_of_everybody_is_not():
    found = estimate(book(60, 600, lift=0.1))
    assert found.low_95 < 0.1 < found.high_95 and found.low_95 > 0.08
    plain = book(60, 600)
    assert estimate(replace(plain, after=plain.after + 0.3)).effect == pytest.approx(estimate(plain).effect, abs=1e-12)
    assert "placebo" in str(found) and found.is_placebo_clear


def test_a_control_that_serves_many_widens_the_interval():
    """Thirty accounts that are compared with one lucky account are one comparison, not thirty."""
    many = book(40, 400, nights=1)
    # One control a night would serve all; here the same account is the only control on every night.
    lonely = replace(many, account=np.where(many.is_treated, many.account, 10_000))
    wide, narrow = estimate(lonely), estimate(many)
    assert wide.n_controls == 1
    assert wide.high_95 - wide.low_95 > 2 * (narrow.high_95 - narrow.low_95)


def test_a_placebo_that_is_not_zero_is_said_beside_the_effect():
    falling = book(60, 600, lift=0.1)
    falling = replace(falling, placebo_to=falling.placebo_to - 0.05 * falling.is_treated)
    effect = estimate(falling)
    assert effect.is_placebo_clear is False and "do not read this as an effect" in str(effect)
    blind = replace(falling, placebo_from=np.full(660, np.nan))
    assert estimate(blind).placebo is None and "no placebo" in str(estimate(blind))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(1, 3))
def test_a_control_is_untreated_and_of_the_same_night_and_segment_and_within_the_caliper(seed, nights, segments):
    candidates = book(40, 120, seed=seed, nights=nights)
    candidates = replace(candidates, segment=np.arange(160) % segments)
    pairs = match(candidates)
    assert candidates.is_treated[pairs.treated].all() and not candidates.is_treated[pairs.control].any()
    assert (candidates.night[pairs.treated] == candidates.night[pairs.control]).all()
    assert (candidates.segment[pairs.treated] == candidates.segment[pairs.control]).all()
    apart = np.abs(pairs.covariates[pairs.treated] - pairs.covariates[pairs.control])
    assert (apart <= np.array(list(CALIPERS.values()))).all()
    order = np.random.default_rng(seed).permutation(160)
    again = match(candidates.take(order))
    assert sorted(zip(order[again.treated], order[again.control], strict=True)) == sorted(zip(pairs.treated, pairs.control, strict=True))


def test_what_controls_got_themselves_is_given_back():
    """A control that gets its own plan half-way is half a control; leaving it out would keep the ones that recovered."""
    assert list(exposure(np.array([np.inf, AFTER_DAYS, AFTER_DAYS - WINDOW_DAYS / 2, AFTER_DAYS - WINDOW_DAYS, 1.0]))) == [0.0, 0.0, 0.5, 1.0, 1.0]
    candidates = book(60, 600, lift=0.1)
    quarter = ~candidates.is_treated & (candidates.account % 4 == 0)
    diluted = replace(candidates, after=candidates.after + 0.1 * quarter, next_plan=np.where(quarter, 1.0, np.inf))
    effect = estimate(diluted)
    assert 0.1 < effect.controls_planned < 0.45 and effect.low_95 < 0.1 < effect.high_95
    mostly = replace(candidates, next_plan=np.where(candidates.is_treated, np.inf, 1.0))
    assert estimate(mostly).status == "not_enough_data"  # every control got the plan


def test_where_every_bad_account_gets_its_plan_there_is_nobody_to_compare_with():
    """The answer has to be 'not enough data': the accounts that are left look better, and would make any plan look bad or good."""
    effect = estimate(candidates_of(simulate(1, planted=0.0, scenario=replace(SCENARIO["lowest 28 days"], approved=1.0, a_week=10_000))))
    assert effect.n_treated >= MIN_PAIRS and effect.status == "not_enough_data"


SEEDS = range(900, 912)


def test_plans_that_do_nothing_have_no_effect_though_their_accounts_recover():
    """Regression to the mean: a fall that comes back by itself is what before and after would call a success."""
    found = study(SEEDS, planted=0.0, scenario=SCENARIO["largest fall, long moods"])
    assert found.truth == 0.0 and found.before_after > 0.015
    assert found.estimated >= 10 and found.covered >= found.estimated - 2
    assert abs(found.bias) < 0.01 and not found.failures


def test_people_who_were_found_for_unused_seats_are_found_again_by_the_estimator():
    found = study(SEEDS, planted=0.1, scenario=SCENARIO["lowest week"])
    assert found.truth == pytest.approx(0.098, abs=0.004) and found.before_after > found.truth
    assert found.estimated >= 10 and found.covered >= found.estimated - 2
    assert abs(found.bias) < 0.01
    assert "Every bar holds." in rendered([found]) and f"{found.covered} of {found.estimated}" in rendered([found])


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
@pytest.mark.parametrize("planted", [0.0, 0.1])
def test_the_intervals_cover_what_was_planted(scenario, planted):
    """`make calibrate` prints the same over 200 portfolios."""
    assert study(range(60), planted=planted, scenario=scenario).failures == []


# --- from the tables of a portfolio -----------------------------------------------------------------------------------

START = date(2025, 1, 6)


def night_of(week: int) -> date:
    return START + timedelta(weeks=int(week))


@pytest.fixture(scope="module")
def portfolio():
    return simulate(7, planted=0.1, scenario=SCENARIO["lowest week"])


@pytest.fixture
def session(tmp_path, portfolio):
    """The simulated portfolio as the marts of weekly nights would hold it, and its plans as the outcomes of the last."""
    measure = portfolio.base + portfolio.planted
    accounts, weeks = measure.shape
    keys = [f"ACC-{number:03d}" for number in range(accounts)]
    grid = pd.DataFrame({"account_key": np.repeat(keys, weeks), "as_of_date": [night_of(week) for week in range(weeks)] * accounts})
    values = pd.concat(
        [
            grid.assign(metric="utilization_28d", value_number=measure.ravel()),
            grid.assign(metric="seats_contracted", value_number=np.repeat(portfolio.seats, weeks).astype(float)),
        ]
    ).dropna()
    signals = grid.assign(segment=np.repeat(portfolio.segment.astype(str), weeks))
    planned = [
        {"account_key": key, "executed_on": night_of(week) + timedelta(days=1)}
        for key, week in zip(keys, portfolio.planned, strict=True)
        if np.isfinite(week)
    ]  # fmt: skip
    with DuckDBWarehouse(tmp_path / "effects.duckdb").session() as session:
        session.ensure_table("marts.fct_account_facts", {"account_key": "varchar", "as_of_date": "date", "metric": "varchar", "scope": "varchar", "status": "varchar", "value_number": "decimal(18, 12)"})  # fmt: skip
        session.append("marts.fct_account_facts", values.assign(scope="account", status="ok"))
        session.ensure_table("marts.fct_account_signals", {"account_key": "varchar", "as_of_date": "date", "segment": "varchar"})
        session.append("marts.fct_account_signals", signals)
        ensure_outcome_table(session)
        ensure_effect_table(session)
        outcomes = pd.DataFrame(planned).assign(document="value_realization_roadmap", measure="utilization_28d", comparison="above_baseline_by")
        outcomes["as_of_date"] = night_of(weeks - 1)
        assert set(outcomes.columns) <= set(COLUMNS)
        session.append(TABLE, outcomes)
        yield session


def test_the_marts_give_what_the_simulation_gave(session, portfolio):
    last = night_of(portfolio.base.shape[1] - 1)
    [found] = follow_effects(session, last)
    expected = estimate(candidates_of(portfolio))
    assert (found.n_matched, found.n_controls) == (expected.n_matched, expected.n_controls)
    assert found.effect == pytest.approx(expected.effect, abs=1e-9) and found.placebo == pytest.approx(expected.placebo, abs=1e-9)
    [row] = session.rows("select * from computed.plan_effects")
    assert (row["status"], row["n_treated"], row["is_placebo_clear"]) == ("ok", expected.n_treated, expected.is_placebo_clear)
    assert follow_effects(session, last) == [found]  # the same night again gives the same row, once
    assert session.scalar("select count(*) from computed.plan_effects") == 1


def test_a_night_knows_only_what_was_known_by_then(session, portfolio):
    """An effect of last spring, computed again in autumn, must not know the summer."""
    then = night_of(45)
    session.execute(f"insert into {TABLE} select * replace (cast(? as date) as as_of_date) from {TABLE} where executed_on <= ?", [then, then])
    [before] = follow_effects(session, then)
    assert before.status == "ok" and before.n_treated < int(np.isfinite(portfolio.planned).sum())
    for table in ("fct_account_facts", "fct_account_signals"):
        session.execute(f"delete from marts.{table} where as_of_date > ?", [then])
    assert follow_effects(session, then) == [before]


def test_a_document_with_few_plans_reads_no_measures_and_says_so(session, portfolio):
    last = night_of(portfolio.base.shape[1] - 1)
    session.execute(f"delete from {TABLE} where account_key > 'ACC-050'")
    session.execute("drop table marts.fct_account_facts")  # would raise if it were read
    [found] = follow_effects(session, last)
    assert found.status == "not_enough_data" and found.n_matched == 0
    [row] = session.rows("select statement, effect from computed.plan_effects")
    assert row == {"statement": "not enough data (0 of 30 matched accounts)", "effect": None}
