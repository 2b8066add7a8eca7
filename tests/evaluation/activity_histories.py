"""Made-up activity histories in the layout of the open-source sets, with a loss that follows from use or from nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

FIRST_DAY, YEARS = pd.Timestamp("2010-01-01"), 9


def write_history(folder: Path, *, accounts: int, seed: int, fading: bool, drop: tuple[str, ...] = ()) -> Path:
    """Write usage_events.csv: with `fading`, accounts lose people over a year and end; without, all of them go on at their own pace for ever,
    with silent years thrown in by chance. `drop` leaves columns out."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(accounts):
        start, length = rng.integers(0, 4 * 365), int(rng.integers(500, 8 * 365))
        users = [f"u{number}-{one}" for one in range(rng.integers(1, 9))]
        end = min(start + length, YEARS * 365)
        for user in users:
            days = np.cumsum(rng.exponential(rng.uniform(12, 60), 300)) + start
            for day in days[days < end]:
                left = (end - day) / 365
                if fading and left < 1 and rng.random() > left:
                    continue
                late = float(rng.exponential(20))
                done = FIRST_DAY + pd.Timedelta(days=float(day))
                change = f"c{len(rows)}"
                # One change, several rows: it must count once.
                rows += [(change, f"account{number}.example", user, done, done + pd.Timedelta(days=late), f"f{rng.integers(6)}")] * int(rng.integers(1, 4))
    frame = pd.DataFrame(rows, columns=["change_id", "account_root", "user_id", "occurred_at", "recorded_at", "feature"])
    frame.insert(0, "event_id", [f"E{n:07d}" for n in range(len(frame))])
    folder.mkdir(parents=True, exist_ok=True)
    frame.drop(columns=list(drop)).to_csv(folder / "usage_events.csv", index=False)
    return folder
