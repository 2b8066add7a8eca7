"""The team's weekly capacity: what is chosen, what keeps its slot, and that the order of runs carries no information."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vim_pipelines.signals import selection
from vim_pipelines.signals.tables import ensure_computed_tables
from vim_pipelines.warehouse.duckdb import DuckDBWarehouse

MONDAY = date(2026, 6, 22)


def risk(
    account: str, rule: str = "MUDA_FEATURE", severity: str = "medium", q: float | None = None, status: str = "open", never: bool = False
) -> dict[str, object]:
    return {"account_key": account, "rule_id": rule, "severity": severity, "q_value": q, "risk_status": status, "is_never_cut": never}


def measures(**accounts: tuple[float, float]) -> pd.DataFrame:
    """Days to opt-out and value of the contracts by account."""
    return pd.DataFrame(
        {"account_key": list(accounts), "days_to_opt_out": [days for days, _ in accounts.values()], "stake_annual": [stake for _, stake in accounts.values()]}
    )


def test_the_ranking_follows_severity_nearness_sureness_and_stake() -> None:
    book = measures(far=(300, 9e6), near=(20, 1.0), rich=(20, 5e5), blind=(20, np.nan))
    found = [
        risk("far", severity="high"), risk("rich"), risk("near"), risk("blind"), risk("near", "MURA_SPIKY", q=0.01), risk("near", "MURA_GAP", q=0.001),
        risk("rich", "MURA_GAP", q=0.2, status="held_back"), risk("far", "NOTICE_SERVED", "critical", never=True),
    ]  # fmt: skip
    assert selection.rank(found, book) == [1, 2, 3, 4, 6, 5, None, None]


def test_a_chosen_risk_keeps_its_slot_and_a_gone_one_leaves_none() -> None:
    a, b, c, d = (("A", "X"), ("B", "X"), ("C", "X"), ("D", "X"))
    monday = selection.choose([a, b, c], frozenset(), 2)
    assert monday == {a, b}
    assert selection.choose([d, c, b], monday, 2) == {b}, "D is worse news, but B was begun and A's slot is used"
    assert selection.choose([d, c, b], monday, 3) == {b, d}


class Week:
    """A warehouse in which one night after the other is run, as compute_signals runs it."""

    def __init__(self, path: Path) -> None:
        self.warehouse = DuckDBWarehouse(path)
        with self.warehouse.session() as session:
            ensure_computed_tables(session)

    def forget(self) -> Week:
        with self.warehouse.session() as session:
            session.execute("delete from computed.risks")
        return self

    def night(self, day: date, ranked: list[str], capacity: int, held: tuple[str, ...] = (), never: tuple[str, ...] = ()) -> None:
        rows = [
            {"account_key": account, "as_of_date": day, "severity": "medium", "is_within_capacity": None, "cut_reason": None, "weekly_capacity": capacity}
            | {"rule_id": "R", "risk_status": "held_back" if account in held else "open", "is_never_cut": account in never}
            | {"capacity_rank": None if account in held + never else place}
            for place, account in enumerate(ranked, 1)
        ]
        with self.warehouse.session() as session:
            for later, frame in selection.fold_week(session, selection.typed(rows), day).items():
                session.replace_partition("computed.risks", frame, "as_of_date", later)

    def chosen(self) -> dict[tuple[date, str], str | None]:
        """Cut reason by date and account; None within capacity."""
        with self.warehouse.session(read_only=True) as session:
            rows = session.rows("select as_of_date, account_key, is_within_capacity, cut_reason from computed.risks")
        assert all(row["is_within_capacity"] == (row["cut_reason"] is None) for row in rows)
        return {(row["as_of_date"], row["account_key"]): row["cut_reason"] for row in rows}


@pytest.fixture(scope="module")
def kept_week(tmp_path_factory: pytest.TempPathFactory) -> Week:
    return Week(tmp_path_factory.mktemp("week") / "week.duckdb")


@pytest.fixture
def week(kept_week: Week) -> Week:
    """An empty one; the file is kept, because making it takes longer than a test."""
    return kept_week.forget()


def test_the_cut_is_weekly_and_what_is_cut_stays_listed(week: Week) -> None:
    sunday, monday = MONDAY + timedelta(days=6), MONDAY + timedelta(days=7)
    week.night(MONDAY, ["A", "B", "C", "H", "N"], 2, held=("H",), never=("N",))
    week.night(sunday, ["D", "C", "B"], 2)
    week.night(monday, ["D", "C", "B"], 2)
    assert week.chosen() == {
        (MONDAY, "A"): None, (MONDAY, "B"): None, (MONDAY, "C"): "capacity", (MONDAY, "H"): "false_discovery", (MONDAY, "N"): None,
        (sunday, "D"): "capacity", (sunday, "C"): "capacity", (sunday, "B"): None,
        (monday, "D"): None, (monday, "C"): None, (monday, "B"): "capacity",
    }  # fmt: skip


def test_a_late_day_moves_the_later_days_of_its_week_only(week: Week) -> None:
    tuesday, next_monday = MONDAY + timedelta(days=1), MONDAY + timedelta(days=7)
    week.night(tuesday, ["D"], 1)
    week.night(next_monday, ["D"], 1)
    week.night(MONDAY, ["A"], 1)
    assert week.chosen() == {(MONDAY, "A"): None, (tuesday, "D"): "capacity", (next_monday, "D"): None}


nights = st.dictionaries(st.integers(0, 9), st.tuples(st.permutations("ABCDE").map(lambda order: order[:4]), st.integers(0, 3)), min_size=2, max_size=5)


@settings(max_examples=15, deadline=None)
@given(plan=nights, data=st.data())
def test_the_order_of_runs_and_repeated_runs_change_nothing(kept_week: Week, plan: dict[int, tuple[list[str], int]], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(sorted(plan)))
    again = data.draw(st.lists(st.sampled_from(sorted(plan)), max_size=2))
    found = []
    for order in (sorted(plan), [*shuffled, *again]):
        week = kept_week.forget()
        for offset in order:
            week.night(MONDAY + timedelta(days=offset), list(plan[offset][0]), plan[offset][1])
        found.append(week.chosen())
    assert found[0] == found[1]
    for start in (0, 7):
        slots = {key for key, reason in found[0].items() if reason is None and start <= (key[0] - MONDAY).days < start + 7}
        assert len({account for _, account in slots}) <= max((plan[offset][1] for offset in plan if start <= offset < start + 7), default=0)
