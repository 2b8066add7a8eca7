"""Usage events of one account, drawn as whole arrays.

The model is people, not counts: every adopter has an own weekly rate and keeps it for years, so weekly actives are correlated
from week to week as they are in the field. Text is made only when a day is written (`UsageBlock.table`): a million events as
numbers take a tenth of the memory that they take as strings.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np

from vim_pipelines.sandbox.simulator.catalog import PRODUCT_FEATURES, PRODUCTS, Window, is_holiday
from vim_pipelines.sandbox.simulator.plan import Parameters, account_key, rng_for
from vim_pipelines.sandbox.simulator.profile import Adoption, Profile

if TYPE_CHECKING:
    import pyarrow as pa

MICROSECONDS_PER_DAY = 86_400_000_000
WEEKDAY_SHARE = np.array([0.205, 0.21, 0.21, 0.2, 0.15, 0.015, 0.01])
#: Share of the work days' events that is left on a holiday.
HOLIDAY_SHARE = 0.25
LATE_SHARE, VERY_LATE_SHARE, DUPLICATE_SHARE, UNMAPPED_SHARE, FUTURE_SHARE = 0.010, 0.001, 0.006, 0.032, 0.0002
USERS_PER_ACCOUNT = 10_000

# All features of all products in one list: an event carries an index into it.
FEATURES = [(product, feature.name, feature.event_name) for product in PRODUCTS for feature in PRODUCT_FEATURES[product]]
_FEATURE_NUMBER = {(product, name): number for number, (product, name, _) in enumerate(FEATURES)}


@dataclass(frozen=True)
class UsageBlock:
    """Events as parallel arrays, in no order. `account` is the account's index, -1 if not attributable; times are microseconds since 1970.

    `user` is the number in the user key, `event` the number in the event id (equal for the two rows of a duplicate),
    `feature` an index into `FEATURES`.
    """

    event: np.ndarray
    account: np.ndarray
    user: np.ndarray
    feature: np.ndarray
    occurred: np.ndarray
    recorded: np.ndarray

    def __len__(self) -> int:
        return len(self.event)

    def take(self, rows: np.ndarray | slice) -> UsageBlock:
        return UsageBlock(self.event[rows], self.account[rows], self.user[rows], self.feature[rows], self.occurred[rows], self.recorded[rows])

    def sorted_by_arrival(self) -> UsageBlock:
        return self.take(np.lexsort((self.event, self.recorded)))

    def table(self) -> pa.Table:
        """The rows as they are written: plain strings and naive timestamps in microseconds."""
        import pyarrow as pa
        import pyarrow.compute as pc

        def numbered(prefix: str, numbers: np.ndarray, width: int) -> pa.Array:
            return pc.binary_join_element_wise(prefix, pc.utf8_lpad(pa.array(numbers).cast(pa.string()), width, "0"), "")

        plain = numbered("ACC-", np.maximum(self.account, 0), 5)
        keys = pc.if_else(pa.array(self.account == 0), account_key(0), plain)
        features = pa.array(self.feature)
        return pa.table(
            {
                "event_id": numbered("evt-", self.event, 12),
                "account_key": pc.if_else(pa.array(self.account < 0), pa.scalar(None, pa.string()), keys),
                "user_key": numbered("U-", self.user, 9),
                "product": pa.array([row[0] for row in FEATURES]).take(features),
                "feature": pa.array([row[1] for row in FEATURES]).take(features),
                "event_name": pa.array([row[2] for row in FEATURES]).take(features),
                "occurred_at": pa.array(self.occurred, pa.timestamp("us")),
                "recorded_at": pa.array(self.recorded, pa.timestamp("us")),
            }
        )


def concatenate(blocks: list[UsageBlock]) -> UsageBlock:
    """Several blocks as one."""
    names = ("event", "account", "user", "feature", "occurred", "recorded")
    return UsageBlock(*(np.concatenate([getattr(block, name) for block in blocks]) for name in names))


def microseconds(day: date) -> int:
    """Midnight of a day in microseconds since 1970, naive UTC."""
    return (day - date(1970, 1, 1)).days * MICROSECONDS_PER_DAY


def account_usage(parameters: Parameters, profile: Profile) -> UsageBlock:
    """All true events of one account inside the window, each once, with `recorded` still equal to `occurred`."""
    rng = rng_for(parameters, "usage", profile.role.index)
    window = parameters.window
    drift, mood_size = _temper(rng, profile, window)
    parts = [_product_usage(rng, window, profile, adoption, drift, mood_size) for adoption in profile.adoption]
    slot, feature, occurred = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    order = np.argsort(occurred, kind="stable")
    slot, feature, occurred = slot[order], feature[order], occurred[order]
    event = profile.role.index * 10_000_000 + np.arange(len(occurred), dtype=np.int64)
    account = np.full(len(occurred), profile.role.index, dtype=np.int32)
    return UsageBlock(event, account, profile.role.index * USERS_PER_ACCOUNT + slot, feature.astype(np.int16), occurred, occurred)


def _product_usage(
    rng: np.random.Generator, window: Window, profile: Profile, adoption: Adoption, drift: np.ndarray, mood_size: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(user slot, feature number, occurred) of one product's events."""
    is_headline = profile.role.kind == "headline"
    people, weeks = adoption.adopters, window.week_count
    presence, level = _weekly_shape(profile, window)

    rate = np.ones(people) if is_headline else _personal_rates(rng, people, adoption.weekly_rate)
    # A small mood of the whole account: people work together, so their weeks are not independent.
    mood = np.zeros(weeks) if is_headline else rng.normal(0.0, mood_size, weeks)
    odds = np.log(np.clip(rate, 1e-6, 1 - 1e-6) / (1 - np.clip(rate, 1e-6, 1 - 1e-6)))
    chance = level / (1 + np.exp(-(odds[:, None] + mood)))
    rank = rng.permutation(people) / people
    is_active = (rng.random((people, weeks)) < chance) & (rank[:, None] < presence * drift)
    if is_headline:
        is_active[:] = True
    busy = rng.gamma(2.0, 0.34, people)
    counts = is_active * (1 + rng.poisson(busy[:, None], (people, weeks)))

    cell = np.repeat(np.arange(people * weeks), counts.ravel())
    slot, week = np.divmod(cell, weeks)
    # The headline's people come on work days before the evening, so that a week's count never waits for a late arrival.
    share = np.where(np.arange(7) < 5, WEEKDAY_SHARE, 0) if is_headline else WEEKDAY_SHARE
    weekday = np.searchsorted(np.cumsum(share) / share.sum(), rng.random(len(cell)), side="right").clip(0, 4 if is_headline else 6)
    seconds = np.clip(rng.normal(13.5 * 3600, 2.6 * 3600, len(cell)), 5 * 3600, 22 * 3600).astype(np.int64)
    day = week * 7 + weekday
    occurred = microseconds(window.start) + day * MICROSECONDS_PER_DAY + seconds * 1_000_000 + rng.integers(0, 1_000_000, len(cell))

    keep = _is_open(window, profile, adoption, rng, people)[slot, day]
    if not is_headline:
        holidays = np.array([is_holiday(window.start + timedelta(days=n)) for n in range(weeks * 7)])
        keep &= ~holidays[day] | (rng.random(len(cell)) < HOLIDAY_SHARE)
    feature = _features(rng, adoption, len(cell))
    replaced = _replacement_weeks(rng, people, weeks, is_headline)
    user = slot + people * (week >= replaced[slot])
    return user[keep], feature[keep], occurred[keep]


def _temper(rng: np.random.Generator, profile: Profile, window: Window) -> tuple[np.ndarray, float]:
    """(share of the adopters that is there, by week; size of the account's common weekly mood, standard deviation in log odds).

    Clean accounts stand still and are even-tempered. Of the others a quarter grew into the product over a year, one in twelve
    slowly loses people, and some are moody: growth and mood are what detectors mistake for trouble.
    """
    weeks = np.arange(window.week_count)
    kind, far, since = rng.random(), rng.uniform(0, 1), int(rng.integers(0, max(1, window.weeks - 30)))
    mood_size = float(rng.uniform(0.1, 0.5))
    if profile.is_clean:
        return np.ones(len(weeks)), 0.2
    progress = np.clip((weeks - since) / 52, 0, 1)
    if kind < 0.25:
        return 0.5 + 0.3 * far + (0.5 - 0.3 * far) * progress, mood_size
    if kind < 0.33:
        return 1 - (0.1 + 0.25 * far) * progress, mood_size
    return np.ones(len(weeks)), mood_size


def _personal_rates(rng: np.random.Generator, people: int, mean: float) -> np.ndarray:
    """Weekly rates of persistent people: most at the mean or above, a few occasional ones, the same mean in all."""
    concentration = 24.0
    return rng.beta(mean * concentration, (1 - mean) * concentration, people)


def _weekly_shape(profile: Profile, window: Window) -> tuple[np.ndarray, np.ndarray]:
    """(share of people who are still there, factor on everybody's weekly rate), by week of the window."""
    weeks = window.week_count
    presence, level = np.ones(weeks), np.ones(weeks)
    first = (profile.defect.start - window.start).days // 7
    match profile.truth:
        case "spiky":
            level[off_weeks(profile, window)] = profile.defect.size
        case "dropping":
            presence[max(0, first) :] = profile.defect.size
        case "silence":
            steps = np.clip((np.arange(weeks) - first + 1) / (window.weeks - first), 0, 1)
            presence = 1 - (1 - profile.defect.size) * steps
    return presence, level


def off_weeks(profile: Profile, window: Window) -> np.ndarray:
    """Week numbers in which a spiky account hardly works: one of three, from its start to the end of the window.

    Of the four newest complete weeks one is off, so that the account is jagged and not, at the same time, dropping.
    """
    first = (profile.defect.start - window.start).days // 7
    rng = np.random.default_rng([profile.role.index, first])
    blocks = range(window.weeks - 3, first - 1, -3)
    past = [block + int(rng.integers(0, 3 if block == window.weeks - 3 else 2)) for block in blocks]
    future = [window.weeks + 1] if window.week_count > window.weeks + 1 else []
    return np.array(sorted([week for week in past if week >= 0] + future), dtype=int)


def _is_open(window: Window, profile: Profile, adoption: Adoption, rng: np.random.Generator, people: int) -> np.ndarray:
    """(people x days) whether somebody can work: inside a term, after the own first day, and not in the account's gap."""
    days = window.week_count * 7
    numbers = np.arange(days)
    in_term = np.zeros(days, dtype=bool)
    for start, end in adoption.spans:
        in_term |= (numbers >= (start - window.start).days) & (numbers <= (end - window.start).days)
    in_term &= numbers < (window.end - window.start).days
    if profile.truth == "gapped":
        in_term &= ~((numbers >= (profile.defect.start - window.start).days) & (numbers < (profile.defect.end - window.start).days))
    first_day = min(start for start, _ in adoption.spans)
    # Half of the people begin within the first ten days, nearly all within two months; the fast start of clean accounts
    # keeps a planted handoff gap from looking like slow adoption.
    pace = 5.0 if profile.is_clean else 16.0
    first_days = (first_day - window.start).days + np.minimum(rng.exponential(pace, people), 75).astype(int)
    is_open: np.ndarray = in_term[None, :] & (numbers[None, :] >= first_days[:, None])
    return is_open


def _features(rng: np.random.Generator, adoption: Adoption, count: int) -> np.ndarray:
    """Feature numbers: the account's own taste around the catalogue's weights, no used feature below half of its weight."""
    used = [feature for feature in PRODUCT_FEATURES[adoption.product] if feature.name in adoption.features]
    base = np.array([feature.weight for feature in used])
    taste = np.maximum(rng.dirichlet(60 * base / base.sum()), 0.5 * base / base.sum())
    numbers = np.array([_FEATURE_NUMBER[adoption.product, feature.name] for feature in used])
    chosen: np.ndarray = numbers[np.searchsorted(np.cumsum(taste) / taste.sum(), rng.random(count), side="right").clip(0, len(used) - 1)]
    return chosen


def _replacement_weeks(rng: np.random.Generator, people: int, weeks: int, is_headline: bool) -> np.ndarray:
    """Week in which somebody else takes over a seat: one seat in eight changes hands once, most never (a week after the window).

    Not in the newest 16 weeks: leaver and successor would both be active within 28 days, and a full account would show more users than seats.
    """
    changes = (rng.random(people) < 0.125) & (not is_headline)
    return np.where(changes, rng.integers(0, max(1, weeks - 18), people), weeks)
