"""Whether the estimator of plans' effects can be believed: portfolios in which the effect is planted, and known account by account.

The planted effect is written from the document, not from the estimator: a License Optimization Plan finds people for unused seats, so
people are added to the account from the weeks after the plan on, with work habits like those of everybody else. What that changes in
the measure is the account with them less the same account without them, on the same dice.

Accounts work as in the sandbox's simulator: persistent people with personal weekly rates, a weekly mood of the whole account, a quarter that
grew over a year, one in twelve that slowly loses people, late records. (That simulator makes events and files; two hundred portfolios
need weeks only. It is not imported: evaluation knows nothing of the sandbox.) Plans are written for accounts that look bad on the night,
and only a part of them is approved: the trap is that most of them would have looked better anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt
from typing import TYPE_CHECKING, Any

from vim_pipelines.evaluation.intervals import wilson
from vim_pipelines.evaluation.plan_effect import AFTER_DAYS, MIN_PAIRS, PLACEBO_FROM, PLACEBO_TO, TREND_DAYS, Candidates, Effect, estimate, match

if TYPE_CHECKING:
    import numpy as np

#: The parameters of the sandbox's people (sandbox/simulator/usage.py, noise.py): concentration of personal rates, share of late records.
CONCENTRATION, LATE_SHARE = 24.0, 0.011
WEEKS, FIRST_PLAN, LAST_PLAN = 57, 18, 44
SEGMENTS = 3


@dataclass(frozen=True)
class Scenario:
    """How a night picks its bad accounts, and which of them get a plan: the share `approved` of them, at most `a_week`."""

    name: str
    looks: str
    has_long_moods: bool = False
    accounts: int = 500
    approved: float = 0.08
    a_week: int = 5


#: The bad accounts are picked by the 28 days that the measure sees, by one bad week, or by a fall. In the fourth, moods last for weeks and are
#: four times as large as the sandbox's, so that most of a fall comes back by itself. In the first four nearly every account that is ever
#: bad gets its plan in the end; in the last, one in ten of them does.
SCENARIOS = (
    Scenario("lowest 28 days", "level"),
    Scenario("lowest week", "week"),
    Scenario("largest fall", "fall"),
    Scenario("largest fall, long moods", "fall", has_long_moods=True),
    Scenario("lowest 28 days, few plans", "level", accounts=1000, approved=0.012, a_week=3),
)
#: Share of the seats that find people: nothing, and the ten points that a good plan is hoped for.
PLANTED = (0.0, 0.1)
#: Share of a mood that is left a week later, in portfolios with long moods.
MOOD_LASTS, MOOD_SIZE = 0.8, 4.0
#: The study fails if the upper bound of its coverage lies below 95 %, or the bias, in points of utilisation, is above this.
MAX_BIAS = 0.01


@dataclass(frozen=True)
class Portfolio:
    """A simulated portfolio: utilisation by account and week without any plan, and what the planted people add under the plan."""

    seats: np.ndarray
    segment: np.ndarray
    base: np.ndarray
    weekly: np.ndarray
    planned: np.ndarray
    planted: np.ndarray


@dataclass(frozen=True)
class Study:
    """Many portfolios of one kind. `bias` in points of the measure: mean of estimate less truth, with its standard error."""

    scenario: str
    planted: float
    seeds: int
    too_few: int
    covered: int
    bias: float
    bias_error: float
    truth: float
    before_after: float
    half_width: float
    placebo_clear: int
    placebos: int
    controls_planned: float

    @property
    def estimated(self) -> int:
        """Portfolios in which an effect was printed."""
        return self.seeds - self.too_few

    @property
    def failures(self) -> list[str]:
        """What misses the bar."""
        high, found = wilson(self.covered, self.estimated)[1], []
        if self.estimated == 0 or high < 0.95:
            found.append(f"plans on the {self.scenario}, planted {self.planted:+.2f}: covers the truth in {self.covered} of {self.estimated}")
        if abs(self.bias) - 1.96 * self.bias_error > MAX_BIAS:
            found.append(f"plans on the {self.scenario}, planted {self.planted:+.2f}: bias {self.bias:+.4f}")
        return found


def simulate(seed: int, *, planted: float, scenario: Scenario) -> Portfolio:
    """One portfolio. `planted`: share of the seats that find people after a plan."""
    import numpy as np

    rng, accounts = np.random.default_rng([seed, *scenario.name.encode()]), scenario.accounts
    seats = np.round(np.exp(rng.uniform(np.log(15), np.log(150), accounts))).astype(int)
    people = np.maximum(3, np.round(seats * rng.uniform(0.35, 0.9, accounts))).astype(int)
    extra = np.minimum(np.round(abs(planted) * seats).astype(int), seats - people)
    rate, mood = rng.uniform(0.5, 0.85, accounts), _moods(rng, accounts, is_long=scenario.has_long_moods)
    presence = _presence(rng, accounts)
    owner, newcomer = np.repeat(np.arange(accounts), people), np.repeat(np.arange(accounts), extra)
    active = _active(rng, owner, rate, mood) & (rng.random(len(owner))[:, None] < presence[owner])
    base = _share(active, owner, seats, rng)
    weekly = _count(active, owner, accounts) / seats[:, None]

    planned = np.full(accounts, inf)
    for week in range(FIRST_PLAN, LAST_PLAN + 1):
        open_ = ~np.isfinite(planned)
        looks = {"level": base[:, week], "week": weekly[:, week], "fall": base[:, week] - base[:, week - 4]}[scenario.looks]
        bad = np.flatnonzero(open_ & (looks <= np.quantile(looks, 0.2)))
        planned[rng.permutation(bad[rng.random(len(bad)) < scenario.approved])[: scenario.a_week]] = week

    at_work = _active(rng, newcomer, rate, mood) & (np.arange(WEEKS) > (planned[newcomer] + rng.integers(0, 4, len(newcomer)))[:, None])
    added = _share(at_work, newcomer, seats, rng)
    return Portfolio(seats, rng.integers(0, SEGMENTS, accounts), base, weekly, planned, np.sign(planted) * added)


def candidates_of(portfolio: Portfolio) -> Candidates:
    """What the estimator sees of it: measures by account and night, and who got a plan when; nothing of what was planted."""
    import numpy as np

    measure = portfolio.base + portfolio.planted
    rows = [(week, account) for week in range(FIRST_PLAN, LAST_PLAN + 1) for account in np.flatnonzero(portfolio.planned >= week)]
    week, account = np.array(rows).T

    def at(days: int) -> Any:
        return measure[account, week + days // 7]

    return Candidates(
        account, week * 7, portfolio.planned[account] == week, portfolio.segment[account], portfolio.seats[account].astype(float), at(0), at(-TREND_DAYS),
        at(-PLACEBO_TO), at(-PLACEBO_FROM), at(AFTER_DAYS), np.where(portfolio.planned[account] == week, np.inf, (portfolio.planned[account] - week) * 7),
    )  # fmt: skip


def truth_of(portfolio: Portfolio, candidates: Candidates) -> float:
    """What the plans really changed, on average over the accounts that could be matched."""
    import numpy as np

    rows = match(candidates).treated
    return float(np.mean(portfolio.planted[candidates.account[rows], (candidates.night[rows] + AFTER_DAYS) // 7]))


def study(seeds: Sequence[int], *, planted: float, scenario: Scenario) -> Study:
    """Coverage and bias over the portfolios of `seeds`."""
    import numpy as np

    found: list[tuple[Effect, float]] = []
    for seed in seeds:
        portfolio = simulate(seed, planted=planted, scenario=scenario)
        candidates = candidates_of(portfolio)
        effect = estimate(candidates)
        if effect.effect is not None:
            found.append((effect, truth_of(portfolio, candidates)))
    errors = np.array([effect.effect - truth for effect, truth in found if effect.effect is not None] or [np.nan])
    return Study(
        scenario=scenario.name, planted=planted, seeds=len(seeds), too_few=len(seeds) - len(found),
        covered=sum(effect.low_95 <= truth <= effect.high_95 for effect, truth in found if effect.low_95 is not None and effect.high_95 is not None),
        bias=float(errors.mean()), bias_error=float(errors.std(ddof=1) / sqrt(len(errors))) if len(errors) > 1 else inf,
        truth=_mean([truth for _, truth in found]), before_after=_mean([effect.before_after or 0.0 for effect, _ in found]),
        half_width=_mean([(effect.high_95 - effect.low_95) / 2 for effect, _ in found if effect.low_95 is not None and effect.high_95 is not None]),
        placebo_clear=sum(effect.is_placebo_clear is True for effect, _ in found), placebos=sum(effect.placebo is not None for effect, _ in found),
        controls_planned=_mean([effect.controls_planned or 0.0 for effect, _ in found]),
    )  # fmt: skip


def rendered(studies: Sequence[Study]) -> str:
    """The table for people."""
    lines = [
        f"Effect of plans: matched difference in differences on planted portfolios (points of utilisation; at least {MIN_PAIRS} pairs each)",
        f"{'plans are written for the':<28}{'planted':>8}{'true':>8}{'before/after':>14}{'bias (SE)':>20}{'half width':>12}{'covers the truth (95 %)':>32}{'placebo clear':>18}{'controls planned':>18}",
    ]
    for row in studies:
        low, high = wilson(row.covered, row.estimated)
        coverage = f"{row.covered} of {row.estimated} ({low:.1%}-{high:.1%})"
        lines.append(
            f"{row.scenario:<28}{row.planted:>+8.2f}{row.truth:>+8.3f}{row.before_after:>+14.3f}{f'{row.bias:+.4f} ({row.bias_error:.4f})':>20}{row.half_width:>12.3f}"
            f"{coverage:>32}{f'{row.placebo_clear} of {row.placebos}':>18}{row.controls_planned:>18.1%}"
        )
    failures = [failure for row in studies for failure in row.failures]
    return "\n".join([*lines, "", *([f"bar missed: {failure}" for failure in failures] or ["Every bar holds."])])


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else float("nan")


def _presence(rng: np.random.Generator, accounts: int) -> Any:
    """Share of the people that is there, by account and week: a quarter grew over a year, one in twelve slowly loses people."""
    import numpy as np

    kind, far, since = rng.random(accounts)[:, None], rng.random(accounts)[:, None], rng.integers(0, 26, accounts)[:, None]
    progress = np.clip((np.arange(WEEKS) - since) / 52.0, 0.0, 1.0)
    start = 0.5 + 0.3 * far
    return np.where(kind < 0.25, start + (1.0 - start) * progress, np.where(kind < 0.33, 1.0 - (0.1 + 0.25 * far) * progress, 1.0))


def _moods(rng: np.random.Generator, accounts: int, *, is_long: bool) -> Any:
    """(accounts x weeks) what a week adds to everybody's log odds."""

    fresh, size = rng.normal(size=(accounts, WEEKS)), rng.uniform(0.1, 0.5, accounts)[:, None]
    if not is_long:
        return fresh * size
    mood = fresh.copy()
    for week in range(1, WEEKS):
        mood[:, week] = MOOD_LASTS * mood[:, week - 1] + sqrt(1 - MOOD_LASTS**2) * fresh[:, week]
    return MOOD_SIZE * size * mood


def _active(rng: np.random.Generator, owner: Any, rate: Any, mood: Any) -> Any:
    """(people x weeks) whether somebody is at work: a personal rate, moved by the account's mood of the week."""
    import numpy as np

    own = np.clip(rng.beta(rate[owner] * CONCENTRATION, (1 - rate[owner]) * CONCENTRATION), 1e-6, 1 - 1e-6)
    odds = np.log(own / (1 - own))[:, None] + mood[owner]
    return rng.random(odds.shape) < 1.0 / (1.0 + np.exp(-odds))


def _share(active: Any, owner: Any, seats: Any, rng: np.random.Generator) -> Any:
    """Distinct people of the last four weeks over seats, by account and week, as known at the end of the week: late records are missing."""
    import numpy as np

    seen = active & (rng.random(active.shape) >= LATE_SHARE)  # of the newest week
    window = seen.copy()
    for back in (1, 2, 3):
        window[:, back:] |= active[:, :-back]
    counted: Any = _count(window, owner, len(seats)) / seats[:, None]
    return np.where(np.arange(WEEKS) >= 3, counted, np.nan)


def _count(flags: Any, owner: Any, accounts: int) -> Any:
    """People of `flags` by account; `owner` is sorted. Running sums: `np.add.at` took nine tenths of the study's time."""
    import numpy as np

    running = np.vstack([np.zeros((1, flags.shape[1]), dtype=np.int64), np.cumsum(flags, axis=0, dtype=np.int64)])
    ends = np.searchsorted(owner, np.arange(accounts + 1))
    return (running[ends[1:]] - running[ends[:-1]]).astype(float)
