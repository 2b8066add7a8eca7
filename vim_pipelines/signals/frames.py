"""Small frames between the queries and the vectors: aligned rows, weeks as matrices, and typed rows for the computed tables."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from vim_pipelines.signals.tables import TABLES

if TYPE_CHECKING:
    import pandas as pd

    from vim_pipelines.signals.vectors import Matrix


def weeks(frame: Any, column: str, position: Any, last_week: date, width: int) -> Matrix:
    """Accounts x weeks, oldest week first, the last column is `last_week`; NaN where the frame has no row."""
    import numpy as np
    import pandas as pd

    result = np.full((len(position), width), np.nan)
    if len(frame) == 0:
        return result
    row = position.reindex(frame["account_key"]).to_numpy(dtype=float)
    back = (pd.Timestamp(last_week) - pd.to_datetime(frame["week_start"])).dt.days.to_numpy() // 7
    keep = np.isfinite(row) & (back >= 0) & (back < width)
    result[row[keep].astype(int), width - 1 - back[keep]] = numbers(frame[column])[keep]
    return result


def seats_by_week(lines: Any, position: Any, last_week: date, width: int) -> Matrix:
    """Accounts x weeks: seats of the lines in force on the Sunday of the week (not over the week: a renewal within it would count twice)."""
    import numpy as np
    import pandas as pd

    result = np.zeros((len(position), width))
    row = position.reindex(lines["account_key"]).to_numpy(dtype=float)
    start, end = pd.to_datetime(lines["start_date"]), pd.to_datetime(lines["end_date"])
    seats = numbers(lines["seats"])
    for week in range(width):
        sunday = pd.Timestamp(last_week) + pd.Timedelta(days=6 - 7 * (width - 1 - week))
        held = np.isfinite(row) & ((start <= sunday) & ((end >= sunday) | end.isna())).to_numpy()
        np.add.at(result[:, week], row[held].astype(int), seats[held])
    return result


def before(day: Any, last_week: date, width: int) -> Any:
    """Accounts x weeks: whether the week begins before `day`; nowhere for accounts without a day."""
    import numpy as np
    import pandas as pd

    weeks_ago = (pd.Timestamp(last_week) - pd.to_datetime(day)).dt.days.to_numpy(dtype=float) / 7.0
    return np.arange(width)[None, ::-1] > np.nan_to_num(weeks_ago, nan=float(width))[:, None]


def aligned(frame: Any, keys: Any) -> Any:
    """The frame's rows in the order of `keys`, blank where there is none."""
    return frame.drop_duplicates("account_key").set_index("account_key").reindex(keys).reset_index()


def numbers(values: Any) -> Any:
    """Any column as floats; None, NA and NaN are NaN, booleans 1 and 0."""
    import pandas as pd

    return pd.to_numeric(pd.Series(values), errors="coerce").to_numpy(dtype=float, na_value=float("nan"))


def text(value: Any) -> str | None:
    return None if value is None or value != value else str(value)


_DTYPES: dict[str, Any] = {"bigint": "Int64", "double": "Float64", "boolean": "boolean"}


def table_frame(table: str, keys: Any, as_of: date, columns: dict[str, Any]) -> pd.DataFrame:
    """A frame with exactly the table's columns and types, NULL for unknown."""
    import numpy as np
    import pandas as pd

    data: dict[str, Any] = {"account_key": keys.to_numpy(), "as_of_date": [as_of] * len(keys)}
    for name, kind in TABLES[table].items():
        if name in data:
            continue
        values = columns[name]
        if kind in _DTYPES:
            given = np.asarray(values, dtype=float)
            missing = ~np.isfinite(given)
            known: Any = pd.Series(np.where(missing, 0.0, np.round(given) if kind == "bigint" else given)).astype(_DTYPES[kind])
            data[name] = known.mask(missing)
        else:
            data[name] = values if isinstance(values, list) else [values] * len(keys)
    return pd.DataFrame(data)
