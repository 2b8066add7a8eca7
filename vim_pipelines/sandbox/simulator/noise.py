"""How events arrive: mostly within hours, some days late, some twice, some from nobody we know, a few from the future.

Kept apart from `usage` because the truth (who worked when) must stay known while the record of it is damaged.
"""

from __future__ import annotations

import numpy as np

from vim_pipelines.sandbox.simulator.plan import Parameters, rng_for
from vim_pipelines.sandbox.simulator.profile import Profile
from vim_pipelines.sandbox.simulator.usage import (
    DUPLICATE_SHARE,
    FEATURES,
    FUTURE_SHARE,
    LATE_SHARE,
    MICROSECONDS_PER_DAY,
    UNMAPPED_SHARE,
    VERY_LATE_SHARE,
    UsageBlock,
    concatenate,
    microseconds,
)


def arrive(parameters: Parameters, profile: Profile, truth: UsageBlock) -> tuple[UsageBlock, dict[str, int]]:
    """The events as recorded, and how many rows carry each kind of dirt.

    The headline account's events are neither late nor misdated: its arithmetic must hold to the seat. Rows that would arrive
    after the end of the window are not there yet and are left out.
    """
    rng = rng_for(parameters, "noise", profile.role.index)
    count, spared = len(truth), profile.role.kind == "headline"
    window_end = microseconds(parameters.window.end)

    minutes = 1 + rng.exponential(75.0, count)
    kind = rng.random(count)
    is_late = (kind < LATE_SHARE) & (not spared)
    is_very_late = (kind < VERY_LATE_SHARE) & (not spared)
    days_late = np.where(is_very_late, rng.uniform(10, 30, count), np.where(is_late, rng.uniform(1.2, 9, count), 0.0))
    recorded = truth.occurred + (np.minimum(minutes, 600) * 60e6 + days_late * MICROSECONDS_PER_DAY).astype(np.int64)

    is_future = (rng.random(count) < FUTURE_SHARE) & (not spared)
    # A wrong clock can be wrong by days: such an event lands in a past week that it does not belong to. Where a truth or a twin must
    # stay what it is, clocks are wrong by so much that the event stays in the future on every date of the sandbox.
    ahead = (rng.uniform(2, 400, count) * MICROSECONDS_PER_DAY).astype(np.int64)
    base = np.full(count, window_end) if profile.is_clean else recorded
    occurred = np.where(is_future, base + ahead, truth.occurred)
    first = UsageBlock(truth.event, truth.account, truth.user, truth.feature, occurred, recorded)

    again = np.flatnonzero(rng.random(count) < DUPLICATE_SHARE)
    second = first.take(again)
    later = ((1 + rng.uniform(0, 3, len(again))) * MICROSECONDS_PER_DAY).astype(np.int64)
    second = UsageBlock(second.event, second.account, second.user, second.feature, second.occurred, second.recorded + later)

    strangers = _strangers(rng, profile, UsageBlock(truth.event, truth.account, truth.user, truth.feature, truth.occurred, recorded))
    rows = concatenate([first, second, strangers])
    seen = rows.recorded < window_end
    dirt = {
        "dirty_late_events": int((is_late & (recorded < window_end)).sum()),
        "dirty_duplicate_events": int((second.recorded < window_end).sum()),
        "dirty_unmapped_users": int((strangers.recorded < window_end).sum()),
        "dirty_future_timestamps": int((is_future & (recorded < window_end)).sum()),
    }
    return rows.take(seen), dirt


def _strangers(rng: np.random.Generator, profile: Profile, near: UsageBlock) -> UsageBlock:
    """Events of users that no account claims: private addresses, contractors, test users. They come when the account works."""
    count = int(rng.binomial(len(near), UNMAPPED_SHARE))
    like = near.take(rng.integers(0, max(1, len(near)), count))
    shift = rng.integers(-2 * 3600, 2 * 3600, count) * 1_000_000
    event = profile.role.index * 10_000_000 + 9_000_000 + np.arange(count, dtype=np.int64)
    user = 700_000_000 + rng.integers(0, 40, count) + 40 * profile.role.index
    feature = rng.integers(0, len(FEATURES), count).astype(np.int16)
    return UsageBlock(event, np.full(count, -1, dtype=np.int32), user, feature, like.occurred + shift, like.recorded + shift)
