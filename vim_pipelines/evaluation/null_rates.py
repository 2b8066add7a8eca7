"""How often each statistical detector rings on accounts that have nothing, and how often on those that have something.

The sandbox's healthy accounts are one kind of healthy; here the kinds that the tests find hardest are put together (few seats, little
use, users who are away together, customers that grow, bursty tickets), each is looked at weekly for a year, and the published rate is
that of the worst of them. `published_rates.yaml` holds the result of `measure` at full size; tests repeat it at small size.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vim_pipelines.evaluation import account_years
from vim_pipelines.evaluation.account_years import Adoption, Tickets
from vim_pipelines.evaluation.intervals import poisson, wilson
from vim_pipelines.signals import mura, muri

if TYPE_CHECKING:
    import numpy as np

LOOK = "share of looks"
YEAR = "share of accounts in a year of weekly looks"
ALARMS = "alerts per account-year"
FOUND = "share of planted accounts found within a year of weekly looks"

SEATS = (5, 10, 25, 50, 100, 200, 500)
WEEKLY_USE = (0.1, 0.3, 0.6, 0.85)
RHO = (0.0, 0.02, 0.05)
TICKET_RATES = (0.1, 0.25, 1.0, 3.0, 10.0)
BURSTINESS = (1.0, 2.0, 3.0)

#: Name of each Mura clause in the published file. MURA is the union of the three rules: what an account can be accused of.
MURA_NAMES = {
    "spiky": "MURA_SPIKY", "gap": "MURA_GAP", "step": "MURA_DROP step", "decline": "MURA_DROP decline", "drop": "MURA_DROP", "union": "MURA",
}  # fmt: skip
MURI_NAMES = {"watch": "MURI_SPIKE watch", "alert": "MURI_SPIKE alert", "emitted": "MURI_SPIKE"}


@dataclass(frozen=True)
class Rate:
    """A measured rate with its interval. `unit` is one of LOOK, YEAR, ALARMS and FOUND; `group` is what a bar is about (a rho, a size)."""

    detector: str
    unit: str
    condition: str
    hits: int
    trials: int
    group: str = ""

    @property
    def rate(self) -> float:
        return self.hits / self.trials

    @property
    def bounds(self) -> tuple[float, float]:
        """Two-sided 95 % interval: Wilson, for alarms per account-year (which may exceed one) exact Poisson."""
        return poisson(self.hits, self.trials) if self.unit == ALARMS else wilson(self.hits, self.trials)

    @property
    def lower_95(self) -> float:
        return self.bounds[0]

    @property
    def upper_95(self) -> float:
        return self.bounds[1]


# Nulls ---------------------------------------------------------------------------------------------------------------------------


def adoption_conditions() -> list[Adoption]:
    """Every null of Mura: flat at four levels of use, growing ones at the levels that leave room for growth."""
    flat = [Adoption(seats, use, rho) for rho in RHO for seats in SEATS for use in WEEKLY_USE]
    growing = [Adoption(seats, use, rho, shape) for shape in account_years.SHAPES[1:] for rho in RHO for seats in SEATS for use in WEEKLY_USE[1:]]
    return flat + growing


def ticket_conditions() -> list[Tickets]:
    """Every null of Muri, growth that nothing measures among them (`is_budgeted` leaves that out of the budget)."""
    plain = [Tickets(rate, phi, customer) for customer in account_years.CUSTOMERS for rate in TICKET_RATES for phi in BURSTINESS]
    return plain + [Tickets(rate, phi, "doubles with its users", 10) for rate in TICKET_RATES for phi in BURSTINESS]


def is_budgeted(what: Adoption | Tickets) -> bool:
    """Whether the budget speaks of the condition: tickets that grow without the customer are a finding as much as a null."""
    return isinstance(what, Adoption) or what.customer not in account_years.UNSEEN


def stable_weeks(rng: np.random.Generator, accounts: int, weeks: int, seats: int, use: float, rho: float) -> Any:
    """Weekly active users of accounts that change nothing; rho is the correlation of two users of an account within a week (beta-binomial)."""
    return account_years.correlated_users(rng, seats, use, rho, (accounts, weeks))


def adoption_rates(what: Adoption, accounts: int, seed: Sequence[int], rule: mura.MuraRule = mura.RULE) -> list[Rate]:
    """Every clause of Mura and their union on one null, a year of weekly looks."""
    import numpy as np

    rng = np.random.default_rng(seed)
    weekly, seats = account_years.null_adoption(rng, accounts, what)
    year = account_years.adoption_year(weekly, seats, account_years.working_days(rng, weekly), rule)
    return [rate for clause, flags in year.items() for rate in _rates_of(MURA_NAMES[clause], flags, str(what), f"rho {what.rho:g}", is_state=True)]


def ticket_rates(what: Tickets, accounts: int, seed: Sequence[int], rule: muri.MuriRule = muri.RULE) -> list[Rate]:
    """Watch, alert and the risk rule on one null, a year of weekly looks. Of `one in five` only those that grow are counted."""
    import numpy as np

    year = account_years.ticket_year(*account_years.null_tickets(np.random.default_rng(seed), accounts, what), rule)
    counted = slice(None, None, 5) if what.customer.startswith("one in five") else slice(None)
    group = "seen" if is_budgeted(what) else "unseen"
    return [rate for name, flags in year.items() for rate in _rates_of(MURI_NAMES[name], flags[:, counted], str(what), group, is_state=False)]


def _rates_of(detector: str, flags: Any, condition: str, group: str, is_state: bool) -> Iterator[Rate]:
    looks, accounts = flags.shape
    yield Rate(detector, LOOK, condition, int(flags.sum()), looks * accounts, group)
    yield Rate(detector, YEAR, condition, int(flags.any(axis=0).sum()), accounts, group)
    yield Rate(detector, ALARMS, condition, int(account_years.alarms(flags, is_state=is_state).sum()), accounts, group)


def shelfware_rates(accounts: int, seed: int) -> Iterator[Rate]:
    """MUDA_SHELFWARE on well-used accounts: at least 90 % of the seats in use in an ordinary week. The arithmetic is the dbt model's."""
    import numpy as np

    number, width = 0, 13
    for seats in (10, 25, 50, 100, 200):
        for use in (0.90, 0.95):
            for rho in RHO:
                rng = np.random.default_rng([seed, 5, number])
                number += 1
                weekly = stable_weeks(rng, accounts, width + account_years.LOOKS - 1, seats, use, rho)
                looks = []
                for look in range(account_years.LOOKS):
                    needed = np.ceil(np.round(np.percentile(weekly[:, look : look + width], 95, axis=1), 4) * 1.1 - 1e-9)
                    shelfware = np.maximum(seats - needed, 0.0)
                    looks.append((shelfware >= 5) & (shelfware >= 0.10 * seats))
                yield from _rates_of("MUDA_SHELFWARE", np.stack(looks), f"{seats} seats, {use:.0%} in use weekly, rho {rho:g}", f"rho {rho:g}", is_state=True)


def feature_rates(accounts: int, seed: int) -> Iterator[Rate]:
    """MUDA_FEATURE on accounts that use all of their value features, the rarest with 5 % of the events; four weeks at each look."""
    import numpy as np

    weights = np.array([0.16, 0.16, 0.09, 0.07, 0.06, 0.05])
    for number, users in enumerate((3, 10, 50)):
        rng = np.random.default_rng([seed, 6, number])
        events = users + rng.poisson(0.8 * users, (accounts, account_years.LOOKS + 3))
        weekly = rng.binomial(events[:, :, None], weights)
        looks = [(weekly[:, look : look + 4].sum(axis=1) > 0).mean(axis=1) < 0.40 for look in range(account_years.LOOKS)]
        yield from _rates_of("MUDA_FEATURE", np.stack(looks), f"{users} users, six value features", "", is_state=True)


# Planted -------------------------------------------------------------------------------------------------------------------------

#: Where the bars of the on/off pattern stand, and the other levels of use that are reported beside them. METRICS.md's 79 % at ten seats,
#: > 99 % at 25 and 23 % at five are those of 60 % weekly use (`metrics_study`), so that is the level of the bar.
ON_OFF_USE = 0.6
ON_OFF = [
    *(Adoption(seats, use, 0.02) for use in (0.6, 0.3, 0.4, 0.5, 0.85) for seats in (10, 25, 50, 100, 200)),
    *(Adoption(seats, 0.6, rho) for rho in (0.0, 0.05) for seats in (10, 25, 50, 100, 200)),
]
FALLS = [Adoption(seats, 0.6, 0.02) for seats in (5, 10, 25, 100)]
SURGES = [Tickets(rate, phi) for phi in BURSTINESS for rate in (1.0, 3.0, 10.0)]


def on_off_power(what: Adoption, accounts: int, seed: Sequence[int], rule: mura.MuraRule = mura.RULE) -> list[Rate]:
    """MURA_SPIKY on the on/off pattern: `accounts` planted, one in five of their books, so that they also disturb the estimate of rho."""
    import numpy as np

    rng = np.random.default_rng(seed)
    weekly, seats = account_years.null_adoption(rng, 5 * accounts, what)
    planted = np.arange(len(weekly)) % 5 == 0
    weekly[planted] = account_years.on_off_adoption(rng, accounts, what)
    year = account_years.adoption_year(weekly, seats, account_years.working_days(rng, weekly), rule)
    condition = f"30 % of weeks at 35 %: {what}"
    found = [
        Rate(MURA_NAMES[name], FOUND, condition, int(year[name][:, planted].any(axis=0).sum()), accounts, f"rho {what.rho:g}") for name in ("spiky", "union")
    ]
    neighbours = f"one in five of the book erratic: {what}"
    return found + [rate for rate in _rates_of("MURA", year["union"][:, ~planted], neighbours, f"rho {what.rho:g}", is_state=True) if rate.unit == YEAR]


def fall_power(what: Adoption, accounts: int, seed: Sequence[int], left: float = 0.5) -> list[Rate]:
    """MURA_DROP on accounts that lose half of their use for good half-way through the year."""
    import numpy as np

    rng = np.random.default_rng(seed)
    weekly, seats = account_years.null_adoption(rng, 5 * accounts, what)
    planted = np.arange(len(weekly)) % 5 == 0
    weekly[planted] = account_years.fallen_adoption(rng, accounts, what, left)
    year = account_years.adoption_year(weekly, seats, account_years.working_days(rng, weekly))
    hits = int(year["drop"][account_years.LOOKS // 2 :, planted].any(axis=0).sum())
    return [Rate("MURA_DROP", FOUND, f"{1 - left:.0%} of the users gone: {what}", hits, accounts, f"rho {what.rho:g}")]


def surge_power(what: Tickets, accounts: int, seed: Sequence[int], factor: float = 3.0, rule: muri.MuriRule = muri.RULE) -> list[Rate]:
    """Watch and alert on a surge of four weeks, looked at weekly; one account in five of the book surges."""
    import numpy as np

    rng = np.random.default_rng(seed)
    weekly, users, _ = account_years.null_tickets(rng, 5 * accounts, what)
    planted = np.arange(len(weekly)) % 5 == 0
    weekly[planted], users[planted] = account_years.surging_tickets(rng, accounts, what, factor)
    year = account_years.ticket_year(weekly, users, None, rule)
    # The surge lies in the recent weeks of seven looks; what rings in other months is no power.
    first = account_years.LOOKS // 2
    condition = f"{factor:g} times the tickets for four weeks: {what}"
    return [
        Rate(MURI_NAMES[name], FOUND, condition, int(year[name][first : first + 7, planted].any(axis=0).sum()), accounts)
        for name in ("watch", "alert", "emitted")
    ]


# Published -----------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measurement:
    """`screened`: every null at small size; `nulls`: the worst of them again with fresh accounts, and all Muda nulls; `power`: planted ones."""

    screened: list[Rate]
    nulls: list[Rate]
    power: list[Rate]


def measure(accounts: int, seed: int, screen: int | None = None, again: int = 2) -> Measurement:
    """Every detector under every null and every planted pattern.

    Some four hundred nulls are screened with `screen` accounts each (default: a tenth), then for every detector (and every rho) the `again` worst are
    simulated afresh with `accounts`: the highest of many noisy rates is too high, a fresh look at the worst is not. One generator
    per condition, so that conditions do not disturb each other.
    """
    screen = max(screen or accounts // 10, 2 * account_years.BOOK)
    adoption, tickets = adoption_conditions(), ticket_conditions()
    screened = [rate for number, what in enumerate(adoption) for rate in adoption_rates(what, screen, (seed, 1, number))]
    screened += [rate for number, what in enumerate(tickets) for rate in ticket_rates(what, screen, (seed, 2, number))]
    hardest = {rate.condition for rate in _worst_of_each(screened, again)}
    nulls = [rate for number, what in enumerate(adoption) if str(what) in hardest for rate in adoption_rates(what, accounts, (seed, 3, number))]
    nulls += [
        rate for number, what in enumerate(tickets) if str(what) in hardest for rate in ticket_rates(what, _ticket_accounts(what, accounts), (seed, 4, number))
    ]
    nulls += [*shelfware_rates(2 * screen, seed), *feature_rates(accounts, seed)]
    planted = max(accounts // 5, 2 * account_years.BOOK)
    power = [rate for number, what in enumerate(ON_OFF) for rate in on_off_power(what, planted, (seed, 7, number))]
    power += [rate for number, what in enumerate(FALLS) for rate in fall_power(what, planted, (seed, 8, number))]
    power += [rate for number, what in enumerate(SURGES) for rate in surge_power(what, accounts, (seed, 9, number))]
    nulls += [rate for rate in power if rate.unit == YEAR]
    return Measurement(screened, nulls, [rate for rate in power if rate.unit == FOUND])


def _ticket_accounts(what: Tickets, accounts: int) -> int:
    """Accounts to simulate so that twice `accounts` are counted: alerts are rarer than watches, and of `one in five` only those are counted."""
    return (10 if what.customer.startswith("one in five") else 2) * accounts


def worst(rates: Iterable[Rate]) -> list[Rate]:
    """Per detector and unit the condition with the highest rate: what is published."""
    best: dict[tuple[str, str], Rate] = {}
    for rate in rates:
        key = rate.detector, rate.unit
        if key not in best or (rate.rate, rate.upper_95) > (best[key].rate, best[key].upper_95):
            best[key] = rate
    return list(best.values())


def _worst_of_each(rates: Iterable[Rate], count: int) -> list[Rate]:
    """The `count` worst conditions per detector and group, by what happens in a year."""
    groups: dict[tuple[str, str], list[Rate]] = {}
    for rate in rates:
        if rate.unit == ALARMS:
            groups.setdefault((rate.detector, rate.group), []).append(rate)
    return [rate for members in groups.values() for rate in sorted(members, key=lambda rate: -rate.rate)[:count]]


def publish(measurement: Measurement, accounts: int, seed: int, path: Path) -> None:
    """Write the worst condition of each detector, and the power on each planted pattern, to `path`."""
    import yaml

    lines = [
        "# False-alarm rates of the statistical detectors on accounts that have nothing, worst condition of each, over a year of weekly looks;",
        "# and the share of planted accounts that they find. MURA is the union of MURA_SPIKY, MURA_GAP and MURA_DROP.",
        f"# Written by `python -m benchmarks.calibrate --publish` (vim_pipelines/evaluation/null_rates.py, {accounts} account-years a condition, seed {seed}).",
        "# Rules without a test (notice, sponsor, first value, handoff, old P1, stale data) state facts and have no false-alarm rate;",
        "# SILENCE rings only where MURA_DROP rings and so never more often.",
    ]
    budgeted = [rate for rate in measurement.nulls if rate.group != "unseen"]
    entries = [
        {
            "detector": rate.detector, "unit": rate.unit, "rate": round(rate.rate, 5), "upper_95": round(rate.upper_95, 5),
            "hits": rate.hits, "trials": rate.trials, "worst_condition": rate.condition, "seed": seed, "rule_version": rule_version(rate.detector),
            "method": f"vim_pipelines.evaluation.null_rates.{_METHOD[rate.detector.split('_')[0]]}",
        }
        for rate in sorted(worst(budgeted), key=lambda rate: (rate.detector, rate.unit))
    ]  # fmt: skip
    power = [
        {
            "detector": rate.detector, "planted": rate.condition, "power": round(rate.rate, 4), "lower_95": round(rate.lower_95, 4),
            "hits": rate.hits, "trials": rate.trials, "seed": seed, "rule_version": rule_version(rate.detector),
        }
        for rate in measurement.power
    ]  # fmt: skip
    path.write_text("\n".join(lines) + "\n" + yaml.safe_dump({"rates": entries, "power": power}, sort_keys=False, width=160), encoding="utf-8")


_METHOD = {"MURA": "adoption_rates", "MURI": "ticket_rates", "MUDA": "shelfware_rates, feature_rates"}


def rule_version(detector: str) -> str:
    """The version of the rule whose numbers a rate belongs to."""
    return muri.RULE_VERSION if detector.startswith("MURI") else mura.RULE_VERSION if detector.startswith("MURA") else "1"


def published(path: Path | None = None) -> dict[tuple[str, str], dict[str, Any]]:
    """The published false-alarm rates by (detector, unit)."""
    return {(entry["detector"], entry["unit"]): entry for entry in _published(path)["rates"]}


def published_power(path: Path | None = None) -> list[dict[str, Any]]:
    """The published power: detector, planted, power, lower_95, hits, trials."""
    power: list[dict[str, Any]] = _published(path)["power"]
    return power


def _published(path: Path | None) -> Any:
    import yaml

    from vim_pipelines import signals

    path = path or Path(signals.__file__).with_name("published_rates.yaml")
    return yaml.safe_load(path.read_text(encoding="utf-8"))
