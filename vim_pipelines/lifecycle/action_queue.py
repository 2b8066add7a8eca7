"""Reads what the next-best-action queue is made from, writes it, and folds it forward.

The queue of a day follows from the queue of the day before (what was shown, what rests, whose hours of the week are taken), so a day
that is computed late changes the days after it, as in `lifecycle.run`. The base models stand at one day; what the queue needs of them is
kept in computed.next_best_action_inputs. It is computed after the states of the same dates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from vim_pipelines.core.dates import as_day, end_of_day
from vim_pipelines.core.errors import VimError
from vim_pipelines.lifecycle.action_rules import ActionRules, load_action_rules
from vim_pipelines.lifecycle.action_tables import ACTION_TABLES
from vim_pipelines.lifecycle.next_best_actions import QueueDay, build_queue
from vim_pipelines.lifecycle.phases import LifecycleMap, load_map
from vim_pipelines.warehouse.base import Session

if TYPE_CHECKING:
    import pandas as pd

_INPUTS = tuple(ACTION_TABLES["next_best_action_inputs"])


@dataclass(frozen=True)
class QueueReport:
    """What a fold wrote. `dates`: the as-of dates whose queue was computed; `rows`: of the requested one; `by_status`: its actions."""

    as_of: date
    dates: tuple[date, ...]
    rows: int
    by_status: dict[str, int]


def fold_queue(
    session: Session,
    requests: Sequence[Mapping[str, Any]],
    as_of: date,
    *,
    rules: ActionRules | None = None,
    lifecycle: LifecycleMap | None = None,
) -> QueueReport:
    """Compute the queue of `as_of` and of every later day that was computed before.

    `requests`: rows of `store.request_history.read_request_history`. Base models, risks and states of `as_of` must have been built, and the
    tables made (`lifecycle.tables.ensure_computed_tables`): it runs in the session of the states, where a table made now would commit them.
    """
    rules, lifecycle = rules or load_action_rules(), lifecycle or load_map()
    _keep_inputs(session, as_of)
    later = session.rows("select distinct as_of_date from computed.next_best_action_inputs where as_of_date > ? order by as_of_date", [as_of])
    dates = (as_of, *(as_day(row["as_of_date"]) for row in later))
    rows, by_status = 0, {}
    for day in dates:
        queue = build_queue(_read_day(session, requests, day), rules, lifecycle)
        written = session.replace_partition("computed.next_best_actions", queue.actions, "as_of_date", day)
        session.replace_partition("computed.next_best_action_outcomes", queue.outcomes.assign(as_of_date=day), "as_of_date", day)
        if day == as_of:
            rows, by_status = written, {str(name): int(count) for name, count in queue.actions["status"].value_counts().sort_index().items()}
    return QueueReport(as_of, dates, rows, by_status)


def _keep_inputs(session: Session, as_of: date) -> None:
    frame = session.query(f"select {', '.join(name for name in _INPUTS if name != 'as_of_date')} from base.int_action_stakes order by account_key")
    frame = frame.reindex(columns=[name for name in _INPUTS if name != "as_of_date"]).assign(as_of_date=as_of)
    hours = ["csm_hours", "director_hours", "data_hours"]
    if len(frame) and frame[hours].isna().to_numpy().any():
        raise VimError(
            "VIM-E005",
            "signal_thresholds.csv lacks a threshold",
            why="There is no row action_hours_per_csm, action_hours_per_director or action_hours_of_data",
            fix="Restore the row of the seed",
        )
    session.replace_partition("computed.next_best_action_inputs", frame[list(_INPUTS)], "as_of_date", as_of)


def _read_day(session: Session, requests: Sequence[Mapping[str, Any]], day: date) -> QueueDay:
    last = session.scalar("select max(as_of_date) from computed.next_best_action_inputs where as_of_date < ?", [day])
    before = as_day(last) if last is not None else date.min
    return QueueDay(
        as_of=day,
        accounts=_accounts(session, day),
        requirements=_frame(session, _REQUIREMENTS, ("account_key", "requirement_id", "status", "evidence", "evidence_rows"), [before, day]),
        risks=_risks(session, day),
        requests=as_known(requests, day),
        previous=_frame(session, "select * from computed.next_best_actions where as_of_date = ?", tuple(ACTION_TABLES["next_best_actions"]), [before]),
        outcomes=_frame(
            session,
            "select requirement_id, segment, tried, helped from computed.next_best_action_outcomes where as_of_date = ?",
            ("requirement_id", "segment", "tried", "helped"),
            [before],
        ),
    )


# What is met matters only where an action is under way; it is most of the table. Long texts of it are not read.
_REQUIREMENTS = """
select
    requirements.account_key,
    requirements.requirement_id,
    requirements.status,
    requirements.evidence,
    requirements.evidence_rows
from computed.requirements as requirements
left join computed.next_best_actions as actions
    on
        requirements.account_key = actions.account_key
        and requirements.requirement_id = actions.requirement_id
        and actions.as_of_date = ?
where requirements.as_of_date = ? and (requirements.status in ('unmet', 'stale', 'unknown') or actions.action_id is not null)
"""


def _accounts(session: Session, day: date) -> pd.DataFrame:
    """The accounts that were judged that day. A warehouse of an earlier version has no snoozes."""
    snoozed = "states.snoozed_until" if "snoozed_until" in session.column_names("computed.account_state") else "cast(null as date) as snoozed_until"
    inputs = ", ".join(f"inputs.{name}" for name in _INPUTS if name != "as_of_date")
    sql = (
        f"select {inputs}, states.phase, {snoozed} from computed.account_state as states inner join computed.next_best_action_inputs as inputs"
        " on states.account_key = inputs.account_key and states.as_of_date = inputs.as_of_date where states.as_of_date = ?"
    )
    return _frame(session, sql, (*(name for name in _INPUTS if name != "as_of_date"), "phase", "snoozed_until"), [day])


def _risks(session: Session, day: date) -> pd.DataFrame:
    columns = ("account_key", "rule_id", "severity", "summary")
    if not session.table_exists("computed.risks"):
        return _empty(columns)
    sql = f"select {', '.join(columns)} from computed.risks where as_of_date = ? and coalesce(risk_status, 'open') = 'open'"
    return _frame(session, sql, columns, [day])


def as_known(history: Sequence[Mapping[str, Any]], day: date) -> pd.DataFrame:
    """The newest request of each account and document at the end of `day`: account_key, document, request_id, state, and the day `on` of that state.

    A plan that was carried out is dated by its first such state: reading it back later does not carry it out again.
    """
    import pandas as pd

    end = end_of_day(day)
    newest: dict[tuple[str, str], dict[str, Any]] = {}
    for event in history:
        if event["at"] >= end:
            continue
        key = (event["account_key"], event["document"])
        seen = newest.get(key)
        is_same = seen is not None and seen["request_id"] == event["request_id"]
        # A replaced question ends after the one that replaces it was asked, or before it: the later question is the one that counts.
        if seen is not None and not is_same and event["state"] != "pending":
            continue
        is_read_back = is_same and seen is not None and seen["state"] == "applied" and event["state"] == "verified"
        on = seen["on"] if is_read_back and seen is not None else event["at"].date()
        newest[key] = {"account_key": key[0], "document": key[1], "request_id": event["request_id"], "state": event["state"], "on": on}
    return pd.DataFrame(list(newest.values()), columns=["account_key", "document", "request_id", "state", "on"])


def _frame(session: Session, sql: str, columns: Sequence[str], parameters: Sequence[Any] = ()) -> pd.DataFrame:
    """The result with exactly these columns: a result without rows may arrive without columns."""
    return session.query(sql, parameters).reindex(columns=list(columns))


def _empty(columns: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(columns=list(columns))
