"""The alert budget: how many false alarms an account may cause in a year, how much of the truth must be found, and whether it is so.

A budget that nothing measures is a wish. Each bar is held against the bound of its interval and not against the point: a rate that is
only known to be somewhere below 9 % does not prove 5 %.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from vim_pipelines.evaluation.account_years import Adoption, Tickets
from vim_pipelines.evaluation.null_rates import (
    ALARMS,
    FOUND,
    ON_OFF_USE,
    YEAR,
    Measurement,
    Rate,
    adoption_rates,
    on_off_power,
    surge_power,
    ticket_rates,
)  # fmt: skip
from vim_pipelines.signals import mura, muri


@dataclass(frozen=True)
class Bar:
    """`detector`'s rate in `unit` under every condition that `concerns`: the upper 95 % bound at most `most`, or the lower at least `least`."""

    name: str
    detector: str
    unit: str
    concerns: Callable[[Rate], bool]
    most: float | None = None
    least: float | None = None

    def missed_by(self, rate: Rate) -> float:
        """How far the bound lies on the wrong side; zero or less if the bar holds."""
        if self.most is not None:
            return rate.upper_95 - self.most
        return (self.least or 0.0) - rate.lower_95


def _on_off(seats: int) -> Callable[[Rate], bool]:
    planted = f"30 % of weeks at 35 %: {Adoption(seats, ON_OFF_USE, 0.02)}"
    return lambda rate: rate.condition == planted


def _surge(rate: Rate) -> bool:
    return rate.condition == f"3 times the tickets for four weeks: {Tickets(3.0, 1.0)}"


BARS: tuple[Bar, ...] = (
    Bar("Mura, any clause, users correlated by .02: accounts falsely flagged in a year", "MURA", YEAR, lambda rate: rate.group == "rho 0.02", most=0.05),
    Bar("Muri watch: false alarms per account-year", "MURI_SPIKE watch", ALARMS, lambda rate: rate.group == "seen", most=0.40),
    Bar("Muri alert: false alarms per account-year", "MURI_SPIKE alert", ALARMS, lambda rate: rate.group == "seen", most=0.07),
    Bar("on/off pattern found, 10 seats", "MURA_SPIKY", FOUND, _on_off(10), least=0.75),
    *(Bar(f"on/off pattern found, {seats} seats", "MURA_SPIKY", FOUND, _on_off(seats), least=0.85) for seats in (25, 50, 100, 200)),
    Bar("threefold surge at three tickets a week: watch", "MURI_SPIKE watch", FOUND, _surge, least=0.96),
    Bar("threefold surge at three tickets a week: alert", "MURI_SPIKE alert", FOUND, _surge, least=0.90),
)


@dataclass(frozen=True)
class Finding:
    """A bar and the condition that comes nearest to missing it."""

    bar: Bar
    worst: Rate

    @property
    def holds(self) -> bool:
        return self.bar.missed_by(self.worst) <= 0


def judge(rates: Iterable[Rate]) -> list[Finding]:
    """One finding per bar that the rates speak of."""
    everything = list(rates)
    findings = []
    for bar in BARS:
        mine = [rate for rate in everything if rate.detector == bar.detector and rate.unit == bar.unit and bar.concerns(rate)]
        if mine:
            findings.append(Finding(bar, max(mine, key=bar.missed_by)))
    return findings


#: The conditions that came out worst in the full measurement; enough to notice a changed level within seconds.
SMALL_NULLS = (Adoption(500, 0.3, 0.02, "seats double by compound growth"), Adoption(10, 0.3, 0.02))
SMALL_TICKETS = (Tickets(10.0, 3.0, "doubles with its users"), Tickets(3.0, 1.0, "doubles with its users"), Tickets(1.0, 2.0))


def small_measurement(accounts: int, seed: int, mura_rule: mura.MuraRule = mura.RULE, muri_rule: muri.MuriRule = muri.RULE) -> list[Rate]:
    """The hardest nulls and the bars' planted patterns at the size of a test; rules can be swapped to see the budget fail."""
    rates = [rate for number, what in enumerate(SMALL_NULLS) for rate in adoption_rates(what, accounts, (seed, 11, number), mura_rule)]
    rates += [rate for number, what in enumerate(SMALL_TICKETS) for rate in ticket_rates(what, 2 * accounts, (seed, 12, number), muri_rule)]
    planted = accounts // 5
    rates += [rate for seats in (10, 25, 100) for rate in on_off_power(Adoption(seats, ON_OFF_USE, 0.02), planted, (seed, 13, seats), mura_rule)]
    return rates + surge_power(Tickets(3.0, 1.0), 2 * accounts, (seed, 14), rule=muri_rule)


def rendered(measurement: Measurement) -> str:
    """Every figure with its interval beside the budget, and the verdict, as text."""
    lines = ["False alarms on accounts that have nothing, a year of weekly looks (worst condition of each, simulated afresh)", ""]
    lines.append(f"{'detector':<20}{'users':<11}{'accounts flagged in a year':>30}{'alarms per account-year':>30}   condition")
    groups: dict[tuple[str, str], list[Rate]] = {}
    for rate in measurement.nulls:
        groups.setdefault((rate.detector, rate.group), []).append(rate)
    for (detector, group), members in sorted(groups.items()):
        flagged = max((rate for rate in members if rate.unit == YEAR), key=lambda rate: rate.rate, default=None)
        alarms = max((rate for rate in members if rate.unit == ALARMS), key=lambda rate: rate.rate, default=None)
        shown = alarms or flagged
        if shown is not None:
            lines.append(f"{detector:<20}{group:<11}{_percent(flagged):>30}{_count(alarms):>30}   {shown.condition}")
    lines += ["", "Found of what was planted, a year of weekly looks", "", f"{'detector':<20}{'found (95 %)':>26}   planted"]
    lines += [f"{rate.detector:<20}{_percent(rate):>26}   {rate.condition}" for rate in measurement.power]
    return "\n".join([*lines, "", *verdict([*measurement.nulls, *measurement.power])])


def verdict(rates: Iterable[Rate]) -> list[str]:
    """One line per bar: the worst bound beside the limit, and whether it holds."""
    lines = ["Budget"]
    for finding in judge(rates):
        bar, rate = finding.bar, finding.worst
        bound, sign, limit = (rate.upper_95, "<=", bar.most) if bar.most is not None else (rate.lower_95, ">=", bar.least)
        lines.append(f"{'holds ' if finding.holds else 'MISSED'}  {bar.name:<82}{rate.rate:>7.3f}, bound {bound:.3f} {sign} {limit:.2f}   {rate.condition}")
    return lines


def _percent(rate: Rate | None) -> str:
    return "-" if rate is None else f"{rate.rate:.2%} ({rate.lower_95:.2%}-{rate.upper_95:.2%})"


def _count(rate: Rate | None) -> str:
    return "-" if rate is None else f"{rate.rate:.3f} ({rate.lower_95:.3f}-{rate.upper_95:.3f})"
