"""An activity history without contracts: who did what and when, who fell silent, and what could be known at each snapshot.

The folder holds `usage_events.csv[.gz]` (one row per event) and, if somebody has made them, `churn_labels_derived.csv` (snapshot, account,
and a label `<word>_next_<days>`, such as `silent_next_365`). Nothing here knows a product, an account or a size. Two clocks are kept: `occurred_at` says when a thing was done,
`recorded_at` when it arrived. A snapshot sees a row only if both lie at or before it, so recent work is under-reported exactly as it
would have been on that day; the label is about what was done, whenever it arrived.

One change that touches forty files is one action: identical changes of a user count once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vim_pipelines.core.errors import VimError

if TYPE_CHECKING:
    import pandas as pd

HORIZON_DAYS = 365
#: An account is under observation if it did something in this many days.
POPULATION_DAYS = 365
#: Discount times of past activity, in days, from which the training years choose.
DISCOUNT_DAYS = (45, 60, 75, 90, 120, 180)
_MONTH_DAYS = 30.4375

_EVENTS, _LABELS = "usage_events.csv", "churn_labels_derived.csv"
_LABEL = re.compile(r"[a-z]+_next_\d+")
_NEEDED = ("account_root", "user_id", "occurred_at")


@dataclass(frozen=True)
class Activity:
    """`actions`: one row per account, user and change (account, user, change, occurred, recorded; naive UTC); `rows`: occurred and recorded of
    every row with an account, for rules that count rows; `labels`: snapshot, account, lost, and what the file says of events_90; None
    without a file. `notes` says what the data lacks."""

    name: str
    actions: pd.DataFrame
    rows: pd.DataFrame
    labels: pd.DataFrame | None
    horizon_days: int
    notes: tuple[str, ...]
    sources: Mapping[str, str]


def read_activity(folder: Path) -> Activity:
    """Read a folder. VIM-E018 without events, VIM-E017 where a needed column or a time cannot be read."""
    import pandas as pd

    events_path = _existing(folder, _EVENTS)
    if events_path is None:
        raise VimError("VIM-E018", f"There is no {_EVENTS} or {_EVENTS}.gz in {folder}", fix="Name the folder that holds the activity history")
    frame = pd.read_csv(events_path, dtype=str, keep_default_na=True)
    missing = [column for column in _NEEDED if column not in frame]
    if missing:
        raise VimError("VIM-E017", f"{events_path.name} has no column {', '.join(missing)}", fix=f"Needed are {', '.join(_NEEDED)}")
    notes = []
    frame = frame[frame["account_root"].notna() & frame["user_id"].notna()].reset_index(drop=True)
    if frame.empty:
        raise VimError("VIM-E017", f"{events_path.name} has no row with an account and a user", fix="Attribute events to accounts first")
    frame["occurred"] = _times(frame["occurred_at"], events_path.name, "occurred_at")
    if "recorded_at" in frame:
        frame["recorded"] = _times(frame["recorded_at"].fillna(frame["occurred_at"]), events_path.name, "recorded_at")
    else:
        frame["recorded"] = frame["occurred"]
        notes.append("There is no recorded_at: every event is taken as known when it happened, so figures are too good by the lateness of the feed")
    change = next((column for column in ("change_id", "event_id") if column in frame), None)
    if change is None:
        notes.append("There is neither change_id nor event_id: every row counts as one action")
    frame["change"] = frame[change].fillna("") if change else frame.index.astype(str)
    if "feature" not in frame:
        frame["feature"] = ""
        notes.append("There is no feature column: breadth is the same for all")
    rows = frame[["account_root", "occurred", "recorded", "feature"]].rename(columns={"account_root": "account"})
    actions = (
        frame.rename(columns={"account_root": "account", "user_id": "user"})
        .groupby(["account", "user", "change"], sort=True)
        .agg(occurred=("occurred", "max"), recorded=("recorded", "max"))
        .reset_index()
    )
    sources = {events_path.name: _digest(events_path)}
    labels, horizon = None, HORIZON_DAYS
    labels_path = _existing(folder, _LABELS)
    if labels_path is not None:
        labels, horizon = _read_labels(labels_path)
        sources[labels_path.name] = _digest(labels_path)
    else:
        notes.append(f"There is no {_LABELS}: silence is derived from the events, at the first day of each quarter")
    return Activity(folder.resolve().name, actions, rows, labels, horizon, tuple(notes), sources)


def _existing(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / f"{name}.gz", folder / name) if path.is_file()), None)


def _times(values: Any, file: str, column: str) -> Any:
    import pandas as pd

    try:
        return pd.to_datetime(values, utc=True, format="ISO8601").dt.tz_localize(None)
    except (ValueError, TypeError) as error:
        raise VimError("VIM-E017", f"{file}, column {column}, holds something that is no time", why=str(error).splitlines()[0], fix="Use ISO 8601") from None


def _digest(path: Path) -> str:
    import hashlib

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_labels(path: Path) -> tuple[pd.DataFrame, int]:
    import pandas as pd

    frame = pd.read_csv(path)
    column = next((name for name in frame.columns if _LABEL.fullmatch(name)), None)
    if column is None or not {"snapshot", "account_root"} <= set(frame.columns):
        raise VimError(
            "VIM-E017", f"{path.name} needs the columns snapshot, account_root and a label such as silent_next_365", fix="Add them, or remove the file"
        )
    labels = pd.DataFrame(
        {"snapshot": pd.to_datetime(frame["snapshot"]), "account": frame["account_root"].astype(str), "lost": pd.to_numeric(frame[column], errors="coerce")}
    )
    if "events_90" in frame:
        labels["events_90_given"] = pd.to_numeric(frame["events_90"], errors="coerce")
    return labels[labels["lost"].notna()].reset_index(drop=True).astype({"lost": int}), int(column.rsplit("_", 1)[1])


# -- labels ----------------------------------------------------------------------------------------------------------------


def training_rows(activity: Activity, cut: date) -> tuple[pd.DataFrame, str]:
    """(snapshot, account, lost, months_next) of snapshots whose label window has closed by `cut`, and a sentence on how they were made.

    Where the file's label is silence by the events (or there is no file), snapshots are taken monthly and population and label are those that
    were known at `cut`: what arrived after the split is not known to somebody who trains on that day. Where the label says something else,
    the file's own rows are used as they stand. months_next counts months of the window with activity known at `cut`.
    """
    import pandas as pd

    closed = pd.Timestamp(cut) - pd.Timedelta(days=activity.horizon_days)
    if activity.labels is None or label_is_silence(activity):
        return _known_silence(activity, pd.Timestamp(cut)), "monthly snapshots; silence as it was known at the split"
    rows = activity.labels.loc[activity.labels["snapshot"] <= closed, ["snapshot", "account", "lost"]].reset_index(drop=True)
    months = [_months_ahead(activity, snapshot, pd.Timestamp(cut)).reindex(group["account"]).set_axis(group.index) for snapshot, group in _by_snapshot(rows)]
    ahead = pd.concat(months).reindex(rows.index).fillna(0.0) if months else 0.0
    return rows.assign(months_next=ahead), "the snapshots and labels of the file, as they stand"


def label_is_silence(activity: Activity) -> bool:
    """Whether the file's label says, in every row, that the account does nothing in the window; the events themselves can tell."""
    if activity.labels is None:
        return True
    derived = _silence(activity, activity.labels)
    return bool((derived == activity.labels["lost"].to_numpy()).all())


def _silence(activity: Activity, rows: pd.DataFrame) -> Any:
    import pandas as pd

    silent = pd.Series(1, index=rows.index)
    for snapshot, group in _by_snapshot(rows):
        months = _months_ahead(activity, snapshot, None)
        silent.loc[group.index] = (~group["account"].isin(months.index)).astype(int)
    return silent.to_numpy()


def _by_snapshot(rows: pd.DataFrame) -> Iterator[tuple[pd.Timestamp, pd.DataFrame]]:
    import pandas as pd

    for snapshot in sorted(set(rows["snapshot"])):
        yield pd.Timestamp(snapshot), rows[rows["snapshot"] == snapshot]


def _months_ahead(activity: Activity, snapshot: pd.Timestamp, known_by: pd.Timestamp | None) -> pd.Series[float]:
    """Months of the label window with activity, per account that has any; by rows recorded by `known_by` if it is given."""
    import pandas as pd

    actions = activity.actions
    ahead = actions[(actions["occurred"] > snapshot) & (actions["occurred"] <= snapshot + pd.Timedelta(days=activity.horizon_days))]
    if known_by is not None:
        ahead = ahead[ahead["recorded"] <= known_by]
    return ((ahead["occurred"] - snapshot) // pd.Timedelta(days=_MONTH_DAYS)).groupby(ahead["account"]).nunique().astype(float)


def _known_silence(activity: Activity, cut: pd.Timestamp) -> pd.DataFrame:
    import pandas as pd

    known = activity.actions[activity.actions["recorded"] <= cut]
    year = pd.Timedelta(days=POPULATION_DAYS)
    rows: list[tuple[pd.Timestamp, str, int, float]] = []
    first = known["occurred"].min() + year if len(known) else cut
    for snapshot in pd.date_range(first.normalize(), cut - pd.Timedelta(days=activity.horizon_days), freq="MS"):
        past = known[(known["occurred"] <= snapshot) & (known["recorded"] <= snapshot) & (known["occurred"] > snapshot - year)]
        months = _months_ahead(activity, snapshot, cut)
        rows += [(snapshot, account, int(account not in months.index), float(months.get(account, 0.0))) for account in sorted(set(past["account"]))]
    return pd.DataFrame(rows, columns=["snapshot", "account", "lost", "months_next"])


def derived_labels(activity: Activity) -> pd.DataFrame:
    """Quarterly snapshots of the whole history by the rule of the labels file: who did something (by occurrence) in the year before, and
    whether nothing follows. A window that the history does not cover to its end is censored and left out."""
    import pandas as pd

    actions, year = activity.actions, pd.Timedelta(days=POPULATION_DAYS)
    last = actions["recorded"].max() - pd.Timedelta(days=activity.horizon_days)
    rows = []
    for snapshot in pd.date_range((actions["occurred"].min() + year).normalize(), last, freq="QS"):
        past = actions[(actions["occurred"] <= snapshot) & (actions["occurred"] > snapshot - year)]
        rows += [(snapshot, account) for account in sorted(set(past["account"]))]
    table = pd.DataFrame(rows, columns=["snapshot", "account"])
    return table.assign(lost=_silence(activity, table))


# -- features --------------------------------------------------------------------------------------------------------------

#: Discount times of user-months by occurrence, for the candidates with weights.
_WIDTHS = (30, 180, 365, 730)


def features(activity: Activity, rows: pd.DataFrame) -> pd.DataFrame:
    """What was known of each (snapshot, account) at the snapshot, in the order of `rows`; counts are 0 where nothing was known yet.

    users_<d>, weeks_<d>, changes_<d>: distinct users, seven-day blocks before the snapshot, and changes of the last d days; arrived_90: changes
    that arrived in 90 days; rows_90: event rows of the last 90 days; breadth_365: distinct features; quarters_8: quarters with use out of
    eight; regulars: users of the last year with four weeks or more.
    recency_days, arrival_days: since the last action happened, and since the last one arrived; second_user_days: since the second-latest user
    was seen; gap_days, longest_gap_days: mean and longest distance of active weeks; tenure_days. What is not known is as long as the window.
    discounted_<t>, months_75: user-months (months), each worth exp(-age / t), where the age of an action is the mean of the days since it
    happened and the days since it arrived: a late arrival is recent news about older work. span_<t>: the same by occurrence alone.
    whole_365: changes of all accounts, so that a share can be told from a decline of the whole product.
    """
    import pandas as pd

    parts = [_at_snapshot(activity, snapshot, group["account"]) for snapshot, group in _by_snapshot(rows)]
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["snapshot", "account"])
    keyed = rows[["snapshot", "account"]].merge(table, on=["snapshot", "account"], how="left")
    keyed.index = rows.index
    return keyed


def _at_snapshot(activity: Activity, snapshot: pd.Timestamp, accounts: Iterable[str]) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    day = pd.Timedelta(days=1)
    names = pd.Index(sorted(set(accounts)), name="account")
    seen = activity.actions[(activity.actions["occurred"] <= snapshot) & (activity.actions["recorded"] <= snapshot)]
    age, arrival = ((snapshot - seen[column]).dt.total_seconds() / 86400.0 for column in ("occurred", "recorded"))
    seen = seen.assign(age=age, arrival=arrival, middle=(age + arrival) / 2.0, week=(age // 7).astype(int))
    whole = int(seen.loc[seen["age"] < 365, ["account", "change"]].drop_duplicates().shape[0])
    seen = seen[seen["account"].isin(names)]
    rows = activity.rows[(activity.rows["occurred"] <= snapshot) & (activity.rows["recorded"] <= snapshot)]

    columns: dict[str, Any] = {}
    for days in (90, 180, 365, 730):
        window = seen[seen["age"] < days].groupby("account")
        columns |= {f"users_{days}": window["user"].nunique(), f"weeks_{days}": window["week"].nunique(), f"changes_{days}": window["change"].nunique()}
    columns["arrived_90"] = seen[seen["arrival"] < 90].groupby("account")["change"].nunique()
    columns["rows_90"] = rows[rows["occurred"] > snapshot - 90 * day].groupby("account").size()
    columns["breadth_365"] = rows[rows["occurred"] > snapshot - 365 * day].groupby("account")["feature"].nunique()
    columns["quarters_8"] = seen.assign(quarter=(seen["age"] // 91.3125).astype(int)).query("quarter < 8").groupby("account")["quarter"].nunique()
    users = seen.groupby(["account", "user"]).agg(last=("age", "min"), weeks=("week", "nunique")).reset_index()
    columns["regulars"] = users[(users["last"] < 365) & (users["weeks"] >= 4)].groupby("account").size()
    columns |= _discounted(seen, ["account", "user"], "middle", {f"discounted_{days}": days for days in DISCOUNT_DAYS})
    columns |= _discounted(seen, ["account", "user"], "age", {f"span_{days}": days for days in _WIDTHS})
    columns |= _discounted(seen, ["account"], "middle", {"months_75": 75})

    by = seen.groupby("account")
    longest: dict[str, tuple[Any, float]] = {
        "recency_days": (by["age"].min(), 730.0),
        "arrival_days": (by["arrival"].min(), 730.0),
        "second_user_days": (users.sort_values(["account", "last"]).groupby("account")["last"].nth(1).pipe(lambda last: last.set_axis(users.loc[last.index, "account"])), 1460.0),
        **_gaps(seen),
    }  # fmt: skip
    result = pd.DataFrame({name: values.reindex(names) for name, values in columns.items()}, index=names).fillna(0.0)
    for name, (values, limit) in longest.items():
        result[name] = values.reindex(names).clip(upper=limit).fillna(limit)
    result["tenure_days"] = by["age"].max().reindex(names).fillna(0.0)
    result["whole_365"] = float(whole)
    return result.astype(np.float64).reset_index().assign(snapshot=snapshot)


def _discounted(seen: pd.DataFrame, unit: list[str], clock: str, names: Mapping[str, int]) -> dict[str, Any]:
    """Per account and discount the sum over its units' months of exp(-age / discount), the age being that of the latest action in the month."""
    import numpy as np

    month = (seen[clock] // _MONTH_DAYS).astype(int).rename("month")
    latest = seen.groupby([*(seen[name] for name in unit), month], sort=True)[clock].min()
    account = latest.index.get_level_values("account")
    return {name: np.exp(-latest / days).groupby(account).sum() for name, days in names.items()}


def _gaps(seen: pd.DataFrame) -> dict[str, tuple[Any, float]]:
    weeks = seen[["account", "week"]].drop_duplicates().sort_values(["account", "week"])
    gap = (weeks.groupby("account")["week"].diff() * 7.0).groupby(weeks["account"])
    return {"gap_days": (gap.mean(), 182.0), "longest_gap_days": (gap.max(), 1460.0)}


def rows_90_occurred(activity: Activity, rows: pd.DataFrame) -> Any:
    """Event rows of the last 90 days by occurrence, however late they arrived: what the simple rule of the labels file counts, and more
    than anybody knew at the snapshot."""
    import pandas as pd

    counts = pd.Series(0.0, index=rows.index)
    for snapshot, group in _by_snapshot(rows):
        window = activity.rows[(activity.rows["occurred"] <= snapshot) & (activity.rows["occurred"] > snapshot - pd.Timedelta(days=90))]
        counts.loc[group.index] = window.groupby("account").size().reindex(group["account"]).fillna(0.0).to_numpy()
    return counts.to_numpy()
