"""Which of a date's open risks the team takes up: ranked, and cut at its weekly capacity. What is cut stays listed.

A team works in weeks while the audit runs every night. If each night cut anew, a risk that a CSM started on Monday could be gone from
the list on Tuesday, and seven nights would fill seven times the capacity. So a risk that was chosen keeps its slot for the ISO week,
and a later night only fills what is still free. The choice of a date therefore follows from the earlier dates of its week: a date that
is computed late changes the later ones, and the fold below runs over all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from vim_pipelines.core.dates import as_day
from vim_pipelines.core.severities import SEVERITIES
from vim_pipelines.signals.tables import TABLES
from vim_pipelines.warehouse.base import Session

if TYPE_CHECKING:
    import pandas as pd

Key = tuple[str, str]


def rank(risks: Sequence[Mapping[str, Any]], measures: pd.DataFrame) -> list[int | None]:
    """Place of each risk in the list that capacity cuts, from 1; None for what is held back or never cut.

    Worst severity first; then the nearer opt-out deadline (the steps of `muri.proximity`); then the surer finding (a fact, which has
    no q-value, before a test, a smaller q-value before a larger); then the larger contract in the portfolio's currency, an unknown
    one last; then the account's key, so that ties fall alike every night. `measures` has one row per account.
    """
    import numpy as np

    from vim_pipelines.signals.muri import proximity

    near = dict(zip(measures["account_key"], proximity(measures["days_to_opt_out"].to_numpy(dtype=float)).tolist(), strict=True))
    stakes = np.nan_to_num(measures["stake_annual"].to_numpy(dtype=float), nan=-1.0)
    stake = dict(zip(measures["account_key"], stakes.tolist(), strict=True))

    def order(position: int) -> tuple[Any, ...]:
        risk = risks[position]
        account = risk["account_key"]
        return (-SEVERITIES.index(risk["severity"]), -near[account], risk["q_value"] or 0.0, -stake[account], account, risk["rule_id"])

    cuttable = [position for position, risk in enumerate(risks) if risk["risk_status"] == "open" and not risk["is_never_cut"]]
    places: list[int | None] = [None] * len(risks)
    for place, position in enumerate(sorted(cuttable, key=order), 1):
        places[position] = place
    return places


def choose(ranked: Sequence[Key], taken_this_week: frozenset[Key], capacity: int) -> frozenset[Key]:
    """The risks of a date that have a slot. `ranked`: best first. `taken_this_week`: chosen on an earlier date of the ISO week.

    What was taken keeps its slot whatever its rank is today; a slot whose risk has gone stays used, because the work was begun.
    """
    kept = [key for key in ranked if key in taken_this_week]
    fresh = [key for key in ranked if key not in taken_this_week]
    return frozenset(kept) | frozenset(fresh[: max(0, capacity - len(taken_this_week))])


def fold_week(session: Session, risks: pd.DataFrame, as_of: date) -> dict[date, pd.DataFrame]:
    """`risks` (rows of computed.risks for `as_of`) with the columns of the choice, and the later dates of the week whose choice moved.

    Reads the other dates of the ISO week from computed.risks; writes nothing.
    """
    monday = as_of - timedelta(days=as_of.weekday())
    rows = session.rows(
        "select * from computed.risks where as_of_date >= ? and as_of_date <= ? and as_of_date <> ? order by as_of_date, account_key, rule_id",
        [monday, monday + timedelta(days=6), as_of],
    )
    days: dict[date, list[dict[str, Any]]] = {}
    for row in rows:
        days.setdefault(as_day(row["as_of_date"]), []).append(row)
    # A plain None for every missing value: NaN would be true where a flag is asked for.
    days[as_of] = [{str(name): None if value is None or value != value else value for name, value in row.items()} for row in _plain_records(risks)]

    taken: frozenset[Key] = frozenset()
    written: dict[date, pd.DataFrame] = {}
    for day in sorted(days):
        before = [(row["is_within_capacity"], row["cut_reason"]) for row in days[day]]
        taken |= _apply(days[day], taken)
        if day == as_of or (day > as_of and before != [(row["is_within_capacity"], row["cut_reason"]) for row in days[day]]):
            written[day] = typed(days[day])
    return written


def _apply(rows: list[dict[str, Any]], taken: frozenset[Key]) -> frozenset[Key]:
    """Set the choice on the rows of one date; returns the keys that have a slot."""
    ranked = [(str(row["account_key"]), str(row["rule_id"])) for row in sorted((row for row in rows if row["capacity_rank"] is not None), key=_place)]
    chosen = choose(ranked, taken, max((int(row["weekly_capacity"]) for row in rows if row["weekly_capacity"] is not None), default=0))
    for row in rows:
        is_held_back = row["risk_status"] == "held_back"
        is_in = not is_held_back and (bool(row["is_never_cut"]) or (row["account_key"], row["rule_id"]) in chosen)
        row["is_within_capacity"] = is_in
        row["cut_reason"] = None if is_in else "false_discovery" if is_held_back else "capacity"
    return chosen


def typed(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows as a frame with the columns and types of computed.risks."""
    import pandas as pd

    kinds = {"bigint": "Int64", "boolean": "boolean", "double": "Float64"}
    frame = pd.DataFrame([dict(row) for row in rows], columns=list(TABLES["risks"]))
    return frame.astype({name: kinds[kind] for name, kind in TABLES["risks"].items() if kind in kinds})


def _place(row: Mapping[str, Any]) -> int:
    return int(row["capacity_rank"])


def _plain_records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    import pandas as pd

    columns = {name: [None if value is pd.NA else value for value in frame[name].tolist()] for name in frame.columns}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
