"""The main measures of a night in pandas, from the raw tables: what an analyst's notebook would do, vectorised, without state.

pandas has no night: it reads all events each time, so it is compared at a size it can hold. `compare` holds its figures against the marts.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from vim_pipelines.settings import Settings

SEVERITY = {"P1": 8, "P2": 4, "P3": 2, "P4": 1, "unset": 2}
EVENT_COLUMNS = "event_id, account_key, user_key, product, feature, occurred_at, recorded_at, load_number"


def pandas_night(settings: Settings, as_of: date) -> dict[str, pd.DataFrame]:
    """Waste per line; use, gap and tickets per account; weekly actives; value features: frames keyed like the tables they are compared with."""
    import duckdb
    import pandas as pd

    end = pd.Timestamp(as_of) + pd.Timedelta(days=1)
    with duckdb.connect(str(settings.warehouse_path), read_only=True, config={"memory_limit": settings.duckdb_memory_limit}) as connection:
        # Keys as categories: 10 million rows of text objects would take 5 GB.
        events = connection.execute(f"select {EVENT_COLUMNS} from raw.usage_events where recorded_at < ?", [end.to_pydatetime()]).to_arrow_table()
        raw = {name: connection.execute(f"select * from raw.{name}").df() for name in ("accounts", "contract_lines", "tickets", "fx_rates")}
        features = connection.execute("select product, feature from base.product_features where is_value_feature").df()
        holidays = connection.execute("select distinct cast(week_start as date) as week_start from base.calendar_events").df()
    columns = {
        name: _category(events[name]) if name in ("account_key", "user_key", "product", "feature") else events[name].to_pandas() for name in events.column_names
    }
    usage = _once(pd.DataFrame(columns, copy=False))
    latest = {name: _latest(frame, end) for name, frame in raw.items()}
    accounts = latest["accounts"].set_index("account_key")
    lines = _lines(latest["contract_lines"], latest["fx_rates"], as_of)
    usage["day"] = usage["occurred_at"].dt.normalize()
    usage["week"] = usage["day"] - pd.to_timedelta(usage["day"].dt.weekday, unit="D")
    known = usage[(usage["day"] < end) & usage["account_key"].notna()]
    last_week = pd.Timestamp(as_of) + pd.Timedelta(days=1)
    last_week = last_week - pd.Timedelta(days=last_week.weekday() + 7)
    feed_start = usage["day"].min()
    weekly = known[known["week"] > last_week - pd.Timedelta(weeks=26)]
    account_weeks = weekly.groupby(["account_key", "week"], observed=True)["user_key"].nunique()
    waste = _waste(lines, known, weekly, last_week, feed_start, as_of)
    per_account = _use(accounts, lines, known, holidays, as_of).join(_tickets(latest["tickets"], end))
    recent = known[known["day"] > pd.Timestamp(as_of) - pd.Timedelta(days=28)].merge(features, on=["product", "feature"])
    used = recent.groupby(["account_key", "product", "feature"], observed=True).agg(users_28d=("user_key", "nunique"), events_28d=("event_id", "size"))
    return {
        "fct_license_waste": waste,
        "accounts": per_account,
        "int_account_weeks": account_weeks.rename("active_users").reset_index().rename(columns={"week": "week_start"}),
        "fct_feature_use": used.reset_index(),
    }


def _category(column: Any) -> Any:
    import pandas as pd

    encoded = column.combine_chunks().dictionary_encode()
    if hasattr(encoded, "combine_chunks"):
        encoded = encoded.combine_chunks()
    return pd.Categorical.from_codes(encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False), encoded.dictionary.to_pandas())


def _once(events: pd.DataFrame) -> pd.DataFrame:
    """First arrival of each event; ids come again within a month, so all of history need not be told apart by more than the id."""
    return events.sort_values(["load_number", "recorded_at"], kind="stable").drop_duplicates("event_id")


def _latest(frame: pd.DataFrame, end: pd.Timestamp) -> pd.DataFrame:
    """The latest version of each row known before `end`; the first column is the key."""
    known = frame[frame["known_at"] < end].sort_values(["known_at", "captured_at", "content_hash"], kind="stable")
    newest = known.drop_duplicates(frame.columns[0], keep="last")
    return newest[~newest["is_deleted"]]


def _lines(lines: pd.DataFrame, rates: pd.DataFrame, as_of: date) -> pd.DataFrame:
    import pandas as pd

    day = pd.Timestamp(as_of)
    lines = lines.copy()
    for column in ("start_date", "end_date"):
        lines[column] = pd.to_datetime(lines[column])
    valid = (lines["end_date"].isna() | (lines["end_date"] >= lines["start_date"])) & (lines["seats"] >= 0) & ~(lines["net_unit_price_annual"] < 0)
    lines = lines[valid & (lines["start_date"] <= day) & (lines["status"] != "draft")].copy()
    lines["is_active"] = (lines["end_date"].isna() | (lines["end_date"] >= day)) & (lines["status"] != "terminated")
    lines["opt_out"] = lines["end_date"] - pd.to_timedelta(lines["notice_days"], unit="D")
    return lines


def _waste(lines: pd.DataFrame, known: pd.DataFrame, weekly: pd.DataFrame, last_week: pd.Timestamp, feed_start: pd.Timestamp, as_of: date) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    day = pd.Timestamp(as_of)
    keys = ["account_key", "product"]
    active = lines[lines["is_active"]]
    pools = active.groupby(keys)["seats"].sum().to_frame("pool_seats")
    ordered = lines.sort_values([*keys, "start_date", "contract_line_key"])
    covered = ordered.groupby(keys)["end_date"].cummax().groupby([ordered[key] for key in keys]).shift()
    starts = ordered[covered.isna() | ((ordered["start_date"] - covered).dt.days > 31)].groupby(keys)["start_date"].max()
    pools = pools.join(starts.rename("started"))
    recent = known[known["day"] > day - pd.Timedelta(days=28)]
    pools["active_users_28d"] = recent.groupby(keys, observed=True)["user_key"].nunique().reindex(pools.index).fillna(0)
    counted = weekly[weekly["week"] > last_week - pd.Timedelta(weeks=13)].groupby([*keys, "week"], observed=True)["user_key"].nunique().unstack("week")
    weeks = pd.date_range(end=last_week, periods=13, freq="7D")
    matrix = counted.reindex(index=pools.index, columns=weeks).fillna(0.0)
    is_covered = (weeks.to_numpy()[None, :] >= pools["started"].to_numpy()[:, None]) & np.asarray(weeks >= feed_start)[None, :]
    values = np.where(is_covered, matrix.to_numpy(), np.nan)
    enough = (is_covered.sum(axis=1) >= 4) & ((day - pools["started"]).dt.days >= 30).to_numpy()
    p95 = np.full(len(pools), np.nan)
    p95[enough] = np.nanquantile(values[enough], 0.95, axis=1)
    pools["unused"] = (pools["pool_seats"] - pools["active_users_28d"]).clip(lower=0)
    tenthousandths = np.round(p95 * 10_000)  # ceil(1.1 x p95) in whole numbers: 1.1 x 50 is more than 55 in binary
    pools["shelfware"] = np.where(enough, np.maximum(0, pools["pool_seats"] - np.ceil(np.round(tenthousandths * 11) / 100_000)), np.nan)
    queued = active.merge(pools.reset_index(), on=keys)
    queued["queue_date"] = queued["opt_out"].fillna(queued["end_date"]).fillna(pd.Timestamp("2200-01-01"))
    queued = queued.sort_values([*keys, "queue_date", "end_date", "contract_line_key"])
    before = queued.groupby(keys)["seats"].cumsum() - queued["seats"]
    result = queued[["contract_line_key", "seats"]].copy()
    price = np.round(queued["net_unit_price_annual"].astype(float) * 10_000)
    for name, pool, amount in (("unused_seats", "unused", "unused_value_annual"), ("shelfware_seats", "shelfware", "waste_annual")):
        charged = np.minimum(queued["seats"], (queued[pool] - before).clip(lower=0))
        result[name] = charged
        result[amount] = np.floor((charged * price + 50) / 100) / 100
    return result


def _use(accounts: pd.DataFrame, lines: pd.DataFrame, known: pd.DataFrame, holidays: pd.DataFrame, as_of: date) -> pd.DataFrame:
    """active_users_28d and gap_days per account, whether or not the account is old enough for a verdict."""
    import numpy as np
    import pandas as pd

    day = pd.Timestamp(as_of)
    result = pd.DataFrame(index=accounts.index)
    recent = known[known["day"] > day - pd.Timedelta(days=28)]
    result["active_users_28d"] = recent.groupby("account_key", observed=True)["user_key"].nunique().reindex(result.index).fillna(0)
    first_day = known.groupby("account_key", observed=True)["day"].min().reindex(result.index)
    first_line = lines.groupby("account_key")["start_date"].min().reindex(result.index)
    started = pd.concat([first_day, first_line], axis=1).min(axis=1)
    opens = (started - pd.Timedelta(days=1)).clip(lower=day - pd.Timedelta(days=90)).fillna(day - pd.Timedelta(days=90))
    days = known.loc[known["day"] > day - pd.Timedelta(days=90), ["account_key", "day"]].drop_duplicates()
    days = days[days["day"] > opens.reindex(days["account_key"]).to_numpy()]
    ends = pd.DataFrame({"account_key": list(result.index) * 2, "day": [*opens, *([day + pd.Timedelta(days=1)] * len(result))]})
    marks = pd.concat([days.astype({"account_key": object}), ends]).sort_values(["account_key", "day"])
    calendar = pd.date_range(day - pd.Timedelta(days=200), day + pd.Timedelta(days=1))
    is_business = (calendar.weekday < 5) & ~(calendar - pd.to_timedelta(calendar.weekday, unit="D")).isin(pd.to_datetime(holidays["week_start"]))
    business_days = pd.Series(np.cumsum(is_business & (calendar > day - pd.Timedelta(days=90))), index=calendar)
    previous = marks.groupby("account_key")["day"].shift()
    has_previous = previous.notna()
    silent = business_days.reindex(marks.loc[has_previous, "day"] - pd.Timedelta(days=1)).to_numpy() - business_days.reindex(previous[has_previous]).to_numpy()
    result["gap_days"] = pd.Series(silent, index=marks.loc[has_previous, "account_key"]).groupby(level=0).max().reindex(result.index)
    return result


def _tickets(tickets: pd.DataFrame, end: pd.Timestamp) -> pd.DataFrame:
    tickets = tickets[(tickets["opened_at"] < end) & (tickets["status"] != "deleted")]
    age = (end - timedelta(days=1) - tickets["opened_at"].dt.normalize()).dt.days
    is_open = (tickets["solved_at"].isna() & ~tickets["status"].isin(["solved", "closed"])) | (tickets["solved_at"] >= end)
    weight = tickets["priority"].fillna("unset").map(SEVERITY)
    frame = tickets[["account_key"]].assign(
        tickets_28d=(age < 28).astype(int), tickets_open=is_open.astype(int), weighted_load=weight.where(is_open | (age < 28), 0)
    )
    return frame.groupby("account_key").sum()


def compare_pandas(settings: Settings, as_of: date, frames: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """Per figure: values compared and how many differ. A figure the marts leave empty for want of a verdict is not compared."""
    import pandas as pd

    from vim_pipelines.warehouse.duckdb import DuckDBWarehouse

    found: dict[str, Any] = {}
    with DuckDBWarehouse(settings.warehouse_path).session(read_only=True) as session:
        for table, keys, sql in (
            ("fct_license_waste", ["contract_line_key"], f"select * from marts.fct_license_waste where as_of_date = '{as_of}' and seats > 0 and status <> 'unknown'"),
            ("accounts", ["account_key"], f"select s.*, t.weighted_load as weighted_load from marts.fct_account_signals as s join marts.fct_ticket_load as t using (account_key, as_of_date) where as_of_date = '{as_of}'"),
            ("int_account_weeks", ["account_key", "week_start"], "select * from base.int_account_weeks"),
            ("fct_feature_use", ["account_key", "product", "feature"], f"select * from marts.fct_feature_use where as_of_date = '{as_of}'"),
        ):  # fmt: skip
            frame = frames[table].reset_index() if table == "accounts" else frames[table].copy()
            mart = session.query(sql)
            for key in keys:
                if key == "week_start":
                    mart[key], frame[key] = pd.to_datetime(mart[key]).dt.strftime("%Y-%m-%d"), pd.to_datetime(frame[key]).dt.strftime("%Y-%m-%d")
                frame[key], mart[key] = frame[key].astype(str), mart[key].astype(str)
            both = mart.merge(frame, on=keys, how="left", suffixes=("", "_pandas"))
            for name in [column.removesuffix("_pandas") for column in both.columns if column.endswith("_pandas") and column != "seats_pandas"]:
                ours = pd.to_numeric(both[name], errors="coerce").astype(float)
                theirs = pd.to_numeric(both[f"{name}_pandas"], errors="coerce").astype(float).fillna(0.0)
                stated = ours.notna()
                differ = stated & ((ours - theirs).abs() > 1e-6)
                found[f"{table}.{name}"] = {"compared": int(stated.sum()), "differing": int(differ.sum())}
    return found
