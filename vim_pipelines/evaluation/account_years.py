"""Simulated account-years: accounts whose story is known, looked at once a week for a year through the real detectors.

A rate per look says little to somebody who works with the list every week: windows overlap by 25 of 26 weeks, so false alarms of one
account come in runs, and an account meets 52 looks a year. Everything here therefore counts over a year of looks. Accounts stand in
books of fifty, because rho and phi are estimated from the book as in the audit and are not handed over. Independent of the sandbox.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vim_pipelines.signals import mura, muri

if TYPE_CHECKING:
    import numpy as np

LOOKS = 52
#: Accounts of one segment. Real portfolios have tens, not thousands, and an estimate from few accounts is part of the error rate.
BOOK = 50
WEEKS = mura.RULE.max_weeks + LOOKS - 1
TICKET_WEEKS = muri.RULE.baseline_weeks + muri.RULE.recent_weeks + LOOKS - 1
#: Business days of in which the longest silence is sought (90 calendar days).
GAP_WINDOW = 64
#: One user who is there in a week comes on each of its five days with this probability.
DAY_SHARE = 0.4

SHAPES = ("flat", "use doubles in a line", "use doubles by compound growth", "seats double in a line", "seats double by compound growth")

#: METRICS.md section 3: in 30 % of the weeks the account works at 35 % of its level.
OFF_WEEKS, OFF_LEVEL = 0.30, 0.35

#: The clauses of the Mura verdict. `step` and `decline` together are the rule MURA_DROP, all four are the union.
CLAUSES = ("spiky", "gap", "step", "decline", "drop", "union")


@dataclass(frozen=True)
class Adoption:
    """Accounts of `seats` seats (at the last look) of which the share `use` is active in a week; users of a week correlate by `rho`."""

    seats: int
    use: float
    rho: float
    shape: str = "flat"

    def __str__(self) -> str:
        return f"{self.seats} seats, {self.use:.0%} in use weekly, rho {self.rho:g}" + ("" if self.shape == "flat" else f", {self.shape}")


@dataclass(frozen=True)
class Tickets:
    """Accounts with `per_week` tickets (at the last look), variance over mean `phi`; `customer` says what grows and what of it is seen."""

    per_week: float
    phi: float
    customer: str = "steady"
    seats: int = 25

    def __str__(self) -> str:
        return f"{self.per_week:g} tickets a week, variance/mean {self.phi:g}, {self.customer}" + (
            f" ({self.seats} seats)" if self.customer in MEASURED else ""
        )


#: Customers whose users are measured: what the detector sees of growth is as noisy as so many seats make it.
MEASURED = ("steady", "doubles with its users", "one in five doubles with its users")
#: Growth that no measure of the customer shows; reported, but no part of the budget: tickets alone grow.
UNSEEN = ("all tickets double, use unknown", "one in five doubles unseen")
CUSTOMERS = (*MEASURED, "buys half as many seats again", *UNSEEN)


def growth_curve(shape: str, weeks: int) -> Any:
    """Size relative to the last week, doubling within the last 52 weeks."""
    import numpy as np

    ago = np.arange(weeks - 1, -1, -1.0)
    if shape.endswith("in a line"):
        return np.maximum(1.0 - ago / 104.0, 0.05)
    if shape.endswith("by compound growth"):
        return 2.0 ** (-ago / 52.0)
    return np.ones(weeks)


def correlated_users(rng: np.random.Generator, seats: Any, share: Any, rho: float, size: tuple[int, int]) -> Any:
    """Weekly active users (accounts x weeks), beta-binomial: two users of an account correlate by rho within a week."""
    import numpy as np

    level = np.broadcast_to(np.asarray(share, dtype=float), size)
    chance = rng.beta(level * (1 - rho) / rho, (1 - level) * (1 - rho) / rho) if rho > 0 else level
    return rng.binomial(np.broadcast_to(np.asarray(seats, dtype=np.int64), size), chance).astype(float)


def null_adoption(rng: np.random.Generator, accounts: int, what: Adoption, weeks: int = WEEKS) -> tuple[Any, Any]:
    """(weekly active users, seats by week) of accounts that have nothing."""
    import numpy as np

    curve = growth_curve(what.shape, weeks)
    grows_in_seats = what.shape.startswith("seats")
    seats = np.maximum(np.round(what.seats * curve), 1.0) if grows_in_seats else np.full(weeks, float(what.seats))
    return correlated_users(rng, seats, what.use if grows_in_seats else what.use * curve, what.rho, (accounts, weeks)), seats


def on_off_adoption(rng: np.random.Generator, accounts: int, what: Adoption, weeks: int = WEEKS) -> Any:
    """Truly erratic accounts: the on/off pattern of METRICS.md section 3, users correlated as in the rest of the book."""
    import numpy as np

    level = np.where(rng.random((accounts, weeks)) < OFF_WEEKS, OFF_LEVEL, 1.0) * what.use
    return correlated_users(rng, what.seats, level, what.rho, (accounts, weeks))


def fallen_adoption(rng: np.random.Generator, accounts: int, what: Adoption, left: float, weeks: int = WEEKS) -> Any:
    """Accounts that fall to the share `left` of their level half-way through the year of looks and stay there."""
    import numpy as np

    level = np.where(np.arange(weeks) < mura.RULE.max_weeks + LOOKS // 2, 1.0, left) * what.use
    return correlated_users(rng, what.seats, level, what.rho, (accounts, weeks))


def working_days(rng: np.random.Generator, weekly: Any) -> Any:
    """Accounts x business days: whether anybody was there, given how many were there in the week."""
    return rng.random((*weekly.shape, 5)) < 1.0 - (1.0 - DAY_SHARE) ** weekly[:, :, None]


def books(accounts: int) -> list[str]:
    """Segment labels: books of fifty."""
    return [str(number // BOOK) for number in range(accounts)]


def adoption_year(weekly: Any, seats: Any, days: Any | None, rule: mura.MuraRule = mura.RULE) -> dict[str, Any]:
    """Clause -> looks x accounts: what Mura says at each of the 52 weekly looks. `seats`: by week; `days`: from `working_days`, or None."""
    import numpy as np

    accounts = len(weekly)
    segments = books(accounts)
    found: dict[str, list[Any]] = {name: [] for name in CLAUSES}
    for look in range(LOOKS):
        window = slice(look, look + mura.RULE.max_weeks)
        rhythm: dict[str, Any] = {}
        if days is not None:
            gap, usual, share = gaps(days[:, window].reshape(accounts, -1), GAP_WINDOW)
            rhythm = {"gap_days": gap, "median_gap_days": usual, "active_day_share": share, "gap_window_days": GAP_WINDOW}
        events = weekly[:, window] * 5.0  # a person there leaves some five events a week
        result = mura.assess(weekly[:, window], np.full(accounts, seats[window][-1]), segments=segments, events=events, rule=rule, **rhythm)
        # The step by its own threshold; what rings beside it is the decline.
        drop = result.is_dropping == 1
        step = drop & (result.drop_ratio <= rule.drop_ratio) & (result.drop_p < rule.drop_level)
        decline = drop & (result.decline_ratio <= rule.decline_ratio) & (result.decline_p < rule.decline_level)
        spiky, gapped = result.is_spiky == 1, result.is_gapped == 1
        for name, flag in zip(CLAUSES, (spiky, gapped, step, decline, drop, spiky | gapped | drop), strict=True):
            found[name].append(flag)
    return {name: np.stack(flags) for name, flags in found.items()}


def ticket_counts(rng: np.random.Generator, mean: Any, phi: float) -> Any:
    """Poisson, or negative binomial with variance phi times the mean."""
    if phi <= 1.0:
        return rng.poisson(mean).astype(float)
    return rng.negative_binomial(mean / (phi - 1.0), 1.0 / phi).astype(float)


def null_tickets(rng: np.random.Generator, accounts: int, what: Tickets) -> tuple[Any, Any, Any]:
    """(weekly tickets, weekly users or None, seats by week or None) of accounts without a surge. Users: 60 % of the seats a week, rho .02."""
    import numpy as np

    size = (accounts, TICKET_WEEKS)
    doubling = growth_curve("by compound growth", TICKET_WEEKS)
    level = np.ones(size)
    if what.customer in ("doubles with its users", "all tickets double, use unknown"):
        level = np.broadcast_to(doubling, size).copy()
    elif what.customer.startswith("one in five"):
        level[::5] = doubling
    elif what.customer.startswith("buys"):
        bought = rng.integers(0, TICKET_WEEKS, accounts)
        level = np.where(np.arange(TICKET_WEEKS)[None, :] >= bought[:, None], 1.0, 1.0 / 1.5)
    users = seats = None
    if what.customer in MEASURED:
        users = correlated_users(rng, np.maximum(np.round(what.seats * level), 1), 0.6, 0.02, size)
    elif what.customer == "one in five doubles unseen":
        users = correlated_users(rng, what.seats, 0.6, 0.02, size)
    elif what.customer.startswith("buys"):
        seats = np.round(what.seats * level)
        users = correlated_users(rng, seats, 0.6, 0.02, size)
    return ticket_counts(rng, what.per_week * level, what.phi), users, seats


def ticket_year(weekly: Any, users: Any | None, seats: Any | None, rule: muri.MuriRule = muri.RULE) -> dict[str, Any]:
    """`watch` (or worse), `alert` and `emitted` (what the risk rule MURI_SPIKE says) -> looks x accounts, over 52 weekly looks."""
    import numpy as np

    accounts, width = len(weekly), muri.RULE.baseline_weeks + muri.RULE.recent_weeks
    segments = books(accounts)
    found: dict[str, list[Any]] = {"watch": [], "alert": [], "emitted": []}
    for look in range(LOOKS):
        # Users reach back 26 weeks, tickets 28.
        recent = slice(look + width - mura.RULE.max_weeks, look + width)
        grown = None if users is None else muri.customer_growth(users[:, recent], None if seats is None else seats[:, look : look + width])
        result = muri.assess(
            weekly[:, look : look + width],
            growth=None if grown is None else grown.growth,
            growth_within=None if grown is None else grown.within,
            segments=segments,
            rule=rule,
        )
        level = np.array(result.level, dtype=object)
        alert = level == "alert"
        watch = alert | (level == "watch")
        found["watch"].append(watch)
        found["alert"].append(alert)
        found["emitted"].append(alert | (watch & (muri.benjamini_hochberg(result.p_value) <= 0.10)))
    return {name: np.stack(flags) for name, flags in found.items()}


def surging_tickets(rng: np.random.Generator, accounts: int, what: Tickets, factor: float, weeks: int = 4) -> tuple[Any, Any]:
    """(weekly tickets, weekly users) of accounts with one surge of `weeks` weeks half-way through the year of looks."""
    import numpy as np

    calm, users, _ = null_tickets(rng, accounts, what)
    start = TICKET_WEEKS - LOOKS // 2
    calm[:, start : start + weeks] = ticket_counts(rng, np.full((accounts, weeks), factor * what.per_week), what.phi)
    return calm, users


def alarms(flags: Any, pause: int = 4, is_state: bool = False) -> Any:
    """Alarms per account (a vector) out of looks x accounts; within `pause` looks after an alarm there is no second one.

    `is_state`: a flag that goes on is one alarm however long it lasts (Mura looks at half a year); otherwise it is counted again after
    the pause (tickets, METRICS.md section 4).
    """
    import numpy as np

    quiet, count = np.zeros(flags.shape[1], dtype=int), np.zeros(flags.shape[1], dtype=int)
    for row in flags:
        new = row & (quiet <= 0)
        count += new
        quiet = np.where(row if is_state else new, pause, quiet - 1)
    return count


def gaps(days: Any, window: int) -> tuple[Any, Any, Any]:
    """(longest silent run in the last `window` days, median silent run between active days, share of active days outside that run)."""
    import numpy as np

    from vim_pipelines.signals.vectors import row_median

    accounts, total = days.shape
    position = np.arange(total)
    seen = np.maximum.accumulate(np.where(days, position, -1), axis=1)
    before = np.concatenate([np.full((accounts, 1), -1), seen[:, :-1]], axis=1)
    usual = row_median(np.where(days & (before >= 0), position - before - 1.0, np.nan))
    inside = np.arange(window)
    longest = (inside - np.maximum.accumulate(np.where(days[:, -window:], inside, -1), axis=1)).max(axis=1).astype(float)
    count = days.sum(axis=1)
    first = np.where(count > 0, days.argmax(axis=1), 0)
    return longest, usual, count / np.maximum(total - first - longest, 1)
