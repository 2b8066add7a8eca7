"""Equal parameters must make equal customers: an eval that cannot be repeated proves nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd

from vim_pipelines.sandbox.simulator import TRUTHS, Parameters, Simulation, simulate, simulate_chunks
from vim_pipelines.sandbox.simulator.plan import roles
from vim_pipelines.sandbox.simulator.usage import concatenate


def assert_same(left: Simulation, right: Simulation) -> None:
    assert left.usage_events.equals(right.usage_events)
    assert left.tables.keys() == right.tables.keys()
    for table in left.tables:
        pd.testing.assert_frame_equal(left.tables[table], right.tables[table])
    pd.testing.assert_frame_equal(left.ground_truth, right.ground_truth)


def test_two_runs_with_one_seed_are_bit_identical():
    assert_same(simulate(seed=3, accounts=30, weeks=52), simulate(seed=3, accounts=30, weeks=52))


def test_another_seed_has_other_customers():
    one, other = simulate(seed=3, accounts=30, weeks=52), simulate(seed=4, accounts=30, weeks=52)
    assert len(one.usage) != len(other.usage)
    assert set(one.tables["accounts"].account_name) & set(other.tables["accounts"].account_name) != set(one.tables["accounts"].account_name)
    assert not one.tables["contract_lines"].equals(other.tables["contract_lines"])


def test_chunks_together_are_the_whole():
    """10,000 accounts are made in chunks; a chunk that drew from its neighbour's numbers would make another portfolio than the tests see."""
    parameters = Parameters(seed=3, accounts=33, weeks=52)
    chunks = list(simulate_chunks(parameters, chunk_accounts=10))
    whole = simulate(seed=3, accounts=33, weeks=52)
    assert [chunk.is_last for chunk in chunks] == [False, False, False, True]
    together = concatenate([chunk.usage for chunk in chunks]).sorted_by_arrival()
    assert together.table().equals(whole.usage_events)
    for table, frame in whole.tables.items():
        pd.testing.assert_frame_equal(pd.concat([chunk.tables[table] for chunk in chunks], ignore_index=True), frame, check_dtype=False)
    assert sum((chunk.truth_rows for chunk in chunks), []) == whole.truth_rows


def test_history_does_not_depend_on_how_long_the_future_is():
    """A longer future must not change yesterday's contracts; the night's result would otherwise depend on a benchmark's parameter."""
    short, long = (simulate(seed=5, accounts=12, weeks=52, future_days=days) for days in (7, 14))
    name = "contract_lines"
    keys = ["contract_line_key", "modified_at"]
    merged = short.tables[name].merge(long.tables[name], on=keys, suffixes=("", "_long"))
    assert len(merged) == len(short.tables[name])
    assert (merged.seats == merged.seats_long).all() and (merged.end_date == merged.end_date_long).all()


def test_a_small_sandbox_holds_every_truth_and_its_twin():
    for accounts in (29, 30, 60, 200):
        planned = roles(Parameters(accounts=accounts))
        assert len(planned) == accounts
        for kind in ("planted", "twin"):
            assert {role.truth for role in planned if role.kind == kind} == set(TRUTHS)
        twins = {role.index: role for role in planned if role.kind == "twin"}
        for twin in twins.values():
            assert planned[twin.mirrors].kind == "planted" and planned[twin.mirrors].truth == twin.truth


def test_two_hundred_accounts_hold_the_promised_shares():
    planned = roles(Parameters())
    shelfware = [role for role in planned if role.kind == "planted" and role.truth == "shelfware"]
    ordinary = [role for role in planned if role.kind == "ordinary"]
    assert len(shelfware) >= 6
    assert 0.55 <= len(ordinary) / len(planned) <= 0.65


def test_fewer_accounts_than_truths_are_taken_in_order():
    kinds = [role.truth for role in roles(Parameters(accounts=6)) if role.kind == "planted"]
    assert sorted(kinds) == sorted(TRUTHS[:2])
    assert len(simulate(accounts=1, weeks=40).tables["accounts"].account_key.unique()) == 1


def test_a_user_keeps_a_personal_rate(portfolio: Simulation):
    """With anonymous counts instead of people every volatility test would look better than it is in the field."""
    usage = portfolio.usage
    # Events of one well-used account in two far quarters: who worked much then works much now.
    busiest = int(np.bincount(usage.account[usage.account > 0]).argmax())
    mine = usage.account == busiest
    users, when = usage.user[mine], usage.occurred[mine]
    middle = np.quantile(when, 0.5)
    first, second = (pd.Series(users[part]).value_counts() for part in (when < middle, when >= middle))
    both = pd.concat([first, second], axis=1).dropna()
    assert both.corr(method="spearman").iloc[0, 1] > 0.6
