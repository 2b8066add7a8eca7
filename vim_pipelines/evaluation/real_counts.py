"""The detectors on real counts: simulated accounts are as regular as their simulator, real ones are bursty in ways nobody wrote down.

Two sets, neither made for this. ServiceNow incidents of an IT company, counted by location and business day: a location is the account, a
business day stands in for the week (the set covers 24 of them), so 52 looks are called an account-year here too. And a company's people
active per week in OpenStack nova, with the changes that they made as a second stream of counts; there are no seats, so the people seen in
the last 26 weeks are the trials, as in `signals/run.py`. Surges and drops are planted at random into the real counts.

What rings on untouched counts is not all false: companies do leave nova. A drop that is still there in the thirteen weeks after it rang
is counted as borne out, the rest as false. Only figures known at the time are used: the opening date of an incident (its closing fields
are filled in on every row), and changes by when they happened.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vim_pipelines.evaluation.account_years import alarms, gaps
from vim_pipelines.evaluation.intervals import poisson, wilson
from vim_pipelines.signals import mura, muri

if TYPE_CHECKING:
    import numpy as np

INCIDENTS = Path("servicenow_incidents/dev_opened_before_2016-04-01.csv.gz")
ACTIVITY = Path("oss_company_activity_nova/usage_events.csv.gz")

#: Share of the accounts into which something is planted, and how often the planting is repeated with other accounts and other days.
PLANTED_SHARE, REPEATS = 0.2, 20
#: A planted surge is asked of accounts with at least so many counts a period: below it three times nothing is still nothing.
LEAST_COUNT = 1.0
GAP_WINDOW = 64
#: Counts per period that part small, middle and large accounts.
SEGMENT_EDGES = (0.5, 3.0)


@dataclass(frozen=True)
class Row:
    """`unit`: `per account-year` (alarms over exposure in account-years) or `share` (hits over planted)."""

    source: str
    detector: str
    what: str
    unit: str
    hits: int
    exposure: float

    @property
    def rate(self) -> float:
        return self.hits / self.exposure if self.exposure else float("nan")

    @property
    def bounds(self) -> tuple[float, float]:
        return poisson(self.hits, self.exposure) if self.unit == "per account-year" else wilson(self.hits, int(self.exposure))


def study(data: Path, seed: int, repeats: int = REPEATS) -> list[Row]:
    """Every row for the sets that are there; `data` holds their folders."""
    rows = []
    if (data / INCIDENTS).exists():
        incidents = daily_incidents(data / INCIDENTS)
        rows += [row for by_volume in (False, True) for row in count_rows("incidents by location and day", incidents, seed, repeats, by_volume)]
    if (data / ACTIVITY).exists():
        activity = read_activity(data / ACTIVITY)
        rows += [row for by_volume in (False, True) for row in count_rows("nova, changes by company and week", activity.changes, seed, repeats, by_volume)]
        rows += adoption_rows("nova, people by company and week", activity, seed, repeats)
    return rows


def rendered_counts(rows: list[Row]) -> str:
    """The rows as a table."""
    lines = [f"{'counts':<36}{'detector':<20}{'of':>14}{'rate (95 %)':>28}   what"]
    for row in rows:
        low, high = row.bounds
        style = ".2f" if row.unit == "per account-year" else ".0%"
        shown = f"{row.rate:{style}} ({low:{style}}-{high:{style}})"
        size = f"{row.hits}/{row.exposure:.0f}{' yr' if row.unit == 'per account-year' else ''}"
        lines.append(f"{row.source:<36}{row.detector:<20}{size:>14}{shown:>28}   {row.what}")
    return "\n".join(lines)


# Reading -------------------------------------------------------------------------------------------------------------------------


def daily_incidents(path: Path) -> Any:
    """Locations x business days: incidents opened; NaN before a location's first incident. An incident counts once, where it was opened."""
    import numpy as np
    import pandas as pd

    events = pd.read_csv(path, dtype=str, usecols=["number", "opened_at", "location", "sys_mod_count"])
    events["opened"] = pd.to_datetime(events["opened_at"], format="%d/%m/%Y %H:%M", errors="coerce")
    events["version"] = pd.to_numeric(events["sys_mod_count"], errors="coerce")
    first = events.sort_values(["opened", "number", "version"]).drop_duplicates("number")
    first = first[first["opened"].notna() & (first["location"] != "?") & (first["opened"].dt.dayofweek < 5)]
    counts = first.pivot_table(index="location", columns=first["opened"].dt.normalize(), values="number", aggfunc="count").fillna(0.0)
    days = pd.bdate_range(counts.columns.min(), counts.columns.max())
    table = counts.reindex(columns=days, fill_value=0.0).to_numpy(dtype=float)
    started = np.maximum.accumulate(table > 0, axis=1)
    return np.where(started, table, np.nan)


@dataclass(frozen=True)
class Activity:
    """Companies x weeks (Monday first): people active, changes, people seen in the last 26 weeks; companies x business days: anybody there.

    NaN (days: False) before a company's first week. `masked`: weeks of the turn of the year.
    """

    people: Any
    changes: Any
    seen: Any
    days: Any
    masked: Any


def read_activity(path: Path) -> Activity:
    """Companies' activity from the event log; unattributed events are left out, a change with many files counts once."""
    import numpy as np
    import pandas as pd

    events = pd.read_csv(path, usecols=["change_id", "account_root", "user_id", "occurred_at"])
    events = events[events["account_root"].notna()]
    day = pd.to_datetime(events["occurred_at"], utc=True).dt.tz_localize(None).dt.normalize()
    monday = day - pd.to_timedelta(day.dt.dayofweek, unit="D")
    first, last = monday.min(), monday.max()
    week = ((monday - first).dt.days // 7).to_numpy()
    width = int((last - first).days // 7)  # the last week may be cut
    company, names = pd.factorize(events["account_root"], sort=True)
    person = pd.factorize(events["user_id"])[0]
    change = pd.factorize(events["change_id"])[0]
    inside = week < width
    company, week, person, change, weekday = company[inside], week[inside], person[inside], change[inside], day.dt.dayofweek.to_numpy()[inside]
    size = (len(names), width)

    def distinct(things: Any) -> Any:
        unique = np.unique(np.stack([company, week, things], axis=1), axis=0)
        table = np.zeros(size)
        np.add.at(table, (unique[:, 0], unique[:, 1]), 1.0)
        return table

    people, changes, seen = distinct(person), distinct(change), np.zeros(size)
    present = np.unique(np.stack([company, person, week], axis=1), axis=0)
    same = (present[1:, 0] == present[:-1, 0]) & (present[1:, 1] == present[:-1, 1])
    until = np.full(len(present), width)  # a person counts as seen for 26 weeks, or until the next week in which they are there again
    until[:-1][same] = present[1:, 2][same]
    for offset in range(mura.RULE.max_weeks):
        weeks = present[:, 2] + offset
        keep = (weeks < until) & (weeks < width)
        np.add.at(seen, (present[keep, 0], weeks[keep]), 1.0)
    days = np.zeros((*size, 5), dtype=bool)
    working = weekday < 5
    days[company[working], week[working], weekday[working]] = True
    started = np.maximum.accumulate(people > 0, axis=1)
    mondays = pd.date_range(first, periods=width, freq="7D")
    turn = np.array([(monday.month == 12 and monday.day >= 20) or (monday.month == 1 and monday.day == 1) for monday in mondays])
    return Activity(np.where(started, people, np.nan), np.where(started, changes, np.nan), seen, days, np.broadcast_to(turn, size))


# Counts: Muri --------------------------------------------------------------------------------------------------------------------


def spike_looks(counts: Any, by_volume: bool) -> dict[str, Any]:
    """`watch` (or worse), `alert`, `judged` -> looks x accounts, one look per period from the first at which twelve baseline periods exist.

    `by_volume`: burstiness is estimated for small, middle and large accounts apart, not in one book.
    """
    import numpy as np

    width, needed = muri.RULE.baseline_weeks + muri.RULE.recent_weeks, muri.RULE.min_baseline_weeks + muri.RULE.recent_weeks
    found: dict[str, list[Any]] = {"watch": [], "alert": [], "judged": []}
    for end in range(needed, counts.shape[1] + 1):
        window = counts[:, max(0, end - width) : end]
        result = muri.assess(window, segments=_segments(window) if by_volume else None)
        level = np.array(result.level, dtype=object)
        found["alert"].append(level == "alert")
        found["watch"].append((level == "alert") | (level == "watch"))
        # A company that has been silent for the whole window is no account any more, and its looks would flatter the rate.
        found["judged"].append(np.isfinite(result.p_value) & (result.baseline_sum + result.tickets_4w > 0))
    return {name: np.stack(flags) for name, flags in found.items()}


def _segments(window: Any) -> list[str]:
    """Small, middle and large accounts by their baseline, which stands in for a CRM's segments: burstiness grows with volume.

    In one book the largest accounts, whose counts vary by far more than chance, set the burstiness of all.
    """
    import numpy as np

    baseline = window[:, : -muri.RULE.recent_weeks]
    mean = np.nansum(baseline, axis=1) / np.maximum(np.isfinite(baseline).sum(axis=1), 1)
    return [str(number) for number in np.digitize(mean, SEGMENT_EDGES)]


def count_rows(source: str, counts: Any, seed: int, repeats: int, by_volume: bool) -> list[Row]:
    """What rings on untouched counts, on the same counts in random order, and how many planted surges are found."""
    import numpy as np

    rng = np.random.default_rng([seed, 21])
    rows = []
    book = "three segments" if by_volume else "one book"
    untouched = spike_looks(counts, by_volume)
    for what, looks in (("untouched", untouched), ("the same periods in random order", spike_looks(_shuffled(rng, counts), by_volume))):
        years = float(looks["judged"].sum()) / 52.0
        for level in ("watch", "alert"):
            count = int(alarms(looks[level] & looks["judged"]).sum())
            rows.append(Row(source, f"MURI_SPIKE {level}", f"{book}: {what}", "per account-year", count, years))
    first = muri.RULE.min_baseline_weeks + muri.RULE.recent_weeks
    for factor in (3, 2):
        hits, planted = {"watch": 0, "alert": 0}, 0
        for _ in range(repeats):
            changed, where = _with_surges(rng, counts, factor, first)
            looks = spike_looks(changed, by_volume)
            for account, start in where:
                # The surge lies in the recent periods of these looks; look 0 ends before period `first`.
                seen = slice(max(0, start + 1 - first), start + 2 * muri.RULE.recent_weeks - first)
                if untouched["watch"][seen, account].any() or not untouched["judged"][seen, account].any():
                    continue  # it rang already, or nothing was judged: neither hit nor miss
                planted += 1
                for level in hits:
                    hits[level] += int(looks[level][seen, account].any())
        what = f"{book}: {factor} times the counts for four periods"
        rows += [Row(source, f"MURI_SPIKE {level}", what, "share", hits[level], planted) for level in hits]
    return rows


def _shuffled(rng: np.random.Generator, counts: Any) -> Any:
    """Each account's own periods in random order: same counts, no runs and no trend."""
    import numpy as np

    result = counts.copy()
    for row in result:
        known = np.flatnonzero(np.isfinite(row))
        row[known] = row[rng.permutation(known)]
    return result


def _with_surges(rng: np.random.Generator, counts: Any, factor: int, first: int) -> tuple[Any, list[tuple[int, int]]]:
    """(counts, [(account, first period of the surge)]): for four periods the counts of factor-1 other periods of the account are added."""
    import numpy as np

    result, where, weeks = counts.copy(), [], muri.RULE.recent_weeks
    for account in rng.permutation(len(counts))[: int(len(counts) * PLANTED_SHARE) + 1]:
        # A surge needs twelve periods before it, in which the account was at least as busy as to be worth tripling.
        starts = [
            start
            for start in range(first - weeks, counts.shape[1] - weeks + 1)
            if np.nanmean(np.append(counts[account, max(0, start - 24) : start], 0.0)) >= LEAST_COUNT
            and np.isfinite(counts[account, max(0, start - 24) : start]).sum() >= muri.RULE.min_baseline_weeks
        ]
        if not starts:
            continue
        start = int(rng.choice(starts))
        past = counts[account, max(0, start - 24) : start]
        past = past[np.isfinite(past)]
        result[account, start : start + weeks] += rng.choice(past, (factor - 1, weeks)).sum(axis=0)
        where.append((int(account), start))
    return result, where


# People: Mura --------------------------------------------------------------------------------------------------------------------


def adoption_looks(people: Any, activity: Activity, changes: Any) -> dict[str, Any]:
    """`spiky`, `gap`, `drop`, `union`, `judged` -> looks x companies: what Mura says at the end of each week from the 26th on."""
    import numpy as np

    found: dict[str, list[Any]] = {name: [] for name in ("spiky", "gap", "drop", "union", "judged")}
    width = mura.RULE.max_weeks
    for end in range(width, people.shape[1] + 1):
        window = slice(end - width, end)
        gap, usual, share = gaps((activity.days[:, window] & (people[:, window, None] > 0)).reshape(len(people), -1), GAP_WINDOW)
        result = mura.assess(
            people[:, window],
            activity.seen[:, end - 1],
            masked=activity.masked[:, window],
            events=changes[:, window],
            gap_days=gap,
            median_gap_days=usual,
            active_day_share=share,
            gap_window_days=GAP_WINDOW,
        )
        flags = (result.is_spiky == 1, result.is_gapped == 1, result.is_dropping == 1)
        for name, flag in zip(("spiky", "gap", "drop", "union"), (*flags, flags[0] | flags[1] | flags[2]), strict=True):
            found[name].append(flag)
        found["judged"].append(np.array([status == "ok" for status in result.status]))
    return {name: np.stack(flags) for name, flags in found.items()}


def adoption_rows(source: str, activity: Activity, seed: int, repeats: int) -> list[Row]:
    """What rings on untouched use, on the same weeks in random order, and how many planted drops are found."""
    import numpy as np

    rng = np.random.default_rng([seed, 22])
    untouched = adoption_looks(activity.people, activity, activity.changes)
    years = float(untouched["judged"].sum()) / 52.0
    rows = []
    names = {"spiky": "MURA_SPIKY", "gap": "MURA_GAP", "drop": "MURA_DROP", "union": "MURA"}
    for name, detector in names.items():
        rows.append(Row(source, detector, "untouched, all that rings", "per account-year", int(alarms(untouched[name], is_state=True).sum()), years))
    rung, stayed = _borne_out(untouched["drop"], activity.people)
    rows.append(Row(source, "MURA_DROP", "untouched, rang and was not borne out by the 13 weeks after", "per account-year", rung - stayed, years))
    shuffled = _shuffled(rng, activity.people)
    at_random = adoption_looks(shuffled, activity, shuffled)
    years = float(at_random["judged"].sum()) / 52.0
    for name in ("spiky", "drop"):
        what = "the same weeks in random order"
        rows.append(Row(source, names[name], what, "per account-year", int(alarms(at_random[name], is_state=True).sum()), years))
    for left in (0.5, 0.25):
        hits = planted = 0
        for _ in range(repeats):
            people, changes, where = _with_drops(rng, activity, left, untouched["judged"])
            looks = adoption_looks(people, activity, changes)
            for company, start in where:
                seen = slice(start + 1 - mura.RULE.max_weeks, start + 13 - mura.RULE.max_weeks)
                if untouched["drop"][seen, company].any() or not looks["judged"][seen, company].any():
                    continue
                planted += 1
                hits += int(looks["drop"][seen, company].any())
        rows.append(Row(source, "MURA_DROP", f"{1 - left:.0%} of the people gone for good, found within 12 weeks", "share", hits, planted))
    return rows


def _borne_out(drops: Any, people: Any) -> tuple[int, int]:
    """(drops that began to ring, those of them after which thirteen weeks had at most 75 % of the people of the eight weeks before)."""
    import numpy as np

    recent, prior, after = mura.RULE.recent_weeks, mura.RULE.prior_weeks, 13
    rung = stayed = 0
    quiet = np.zeros(drops.shape[1], dtype=int)
    for look, row in enumerate(drops):
        end = look + mura.RULE.max_weeks
        if end + after > people.shape[1]:
            break
        for company in np.flatnonzero(row & (quiet <= 0)):
            before = np.nanmean(people[company, end - recent - prior : end - recent])
            rung += 1
            stayed += int(np.nanmean(people[company, end : end + after]) <= 0.75 * before)
        quiet = np.where(row, 4, quiet - 1)
    return rung, stayed


def _with_drops(rng: np.random.Generator, activity: Activity, left: float, judged: Any) -> tuple[Any, Any, list[tuple[int, int]]]:
    """(people, changes, [(company, first week of the drop)]): from then on each person of each week is there with chance `left`."""
    import numpy as np

    people, changes, where = activity.people.copy(), activity.changes.copy(), []
    for company in rng.permutation(len(people))[: int(len(people) * PLANTED_SHARE) + 1]:
        looks = np.flatnonzero(judged[:-13, company])
        starts = [int(look) + mura.RULE.max_weeks for look in looks if activity.changes[company, look : look + 26][-8:].sum() >= mura.RULE.drop_base_events]
        if not starts:
            continue
        start = int(rng.choice(starts))
        people[company, start:] = rng.binomial(people[company, start:].astype(int), left)
        changes[company, start:] = rng.binomial(changes[company, start:].astype(int), left)
        where.append((int(company), start))
    return people, changes, where
