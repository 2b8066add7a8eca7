"""What a digest tells, and in which order, for mail and Slack alike: the figures of a night, cut to what is read in a minute. Pure.

Nothing is computed here: a figure is printed by its own `text()`, so that page, mail and Slack cannot disagree; what is chosen here is only which
accounts and changes stand first, and how many.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from vim_pipelines.approvals.channels.mail import one_line
from vim_pipelines.core.money import format_money
from vim_pipelines.reporting.book.read import slug

if TYPE_CHECKING:
    from vim_pipelines.reporting.figures import Change, NightFigures, RenewalLine, Waiting

MOST_CHANGES, MOST_ACCOUNTS, MOST_WAITING, MOST_PROBLEMS = 10, 5, 10, 8
#: The four that stand first; the others follow in the object's own order.
CHIEF = ("waste_annual", "accounts_red", "arr_at_risk", "opt_out_value")
#: The one figure of cost: it stands last, as its own line.
COST = "cost_usd"
#: Characters of a line, and of a name in it. Names are customers' own words.
LINE, NAME = 300, 80
_GRAVITY = {"red": 0, "yellow": 1, "unknown": 2, "green": 3}


@dataclass(frozen=True)
class FigureLine:
    """One figure as it is printed: `value` and `change` (empty where nothing changed) come from the figure itself."""

    id: str
    label: str
    value: str
    change: str
    note: str


@dataclass(frozen=True)
class AccountLine:
    """One of the accounts that stand first: name, key, the line under it, and where its page is."""

    key: str
    name: str
    band: str
    detail: str
    link: str


@dataclass(frozen=True)
class Digest:
    """All that mail and Slack tell of one night, in the order in which they tell it. `more_*`: how many are left out."""

    as_of_date: date
    verdict: str
    #: Whose accounts it is about; empty: the whole portfolio's.
    scope: str
    compared: str
    figures: tuple[FigureLine, ...]
    changes: tuple[str, ...]
    more_changes: int
    #: What stands in place of the changes where there are none.
    no_changes: str
    accounts: tuple[AccountLine, ...]
    more_accounts: int
    waiting: tuple[str, ...]
    more_waiting: int
    alerts: str
    problems: tuple[str, ...]
    more_problems: int
    cost: str
    inbox: str
    book: str

    @property
    def chief(self) -> tuple[FigureLine, ...]:
        """The four that stand first."""
        return tuple(line for name in CHIEF for line in self.figures if line.id == name)

    @property
    def others(self) -> tuple[FigureLine, ...]:
        """The rest, without the cost, which stands last."""
        return tuple(line for line in self.figures if line.id not in (*CHIEF, COST))

    @property
    def title(self) -> str:
        """Subject of the mail and head of the message."""
        return f"{self.as_of_date}: {self.verdict}"


def digest_of(night: NightFigures, *, inbox_url: str) -> Digest:
    """The digest of a night. Links open pages behind the inbox's login and decide nothing."""
    base = inbox_url.rstrip("/")
    figures = tuple(FigureLine(one.id, one.label, one.text(), one.change_text(), one.note) for one in night.figures)
    accounts = first_accounts(night.renewals)
    cost = next((line for line in figures if line.id == COST), None)
    return Digest(
        as_of_date=night.as_of_date,
        verdict=night.verdict(),
        scope=f"Of the segment{'' if len(night.segments) == 1 else 's'} {', '.join(night.segments)} alone, which you answer for: every number, name and date below"
        if night.segments
        else "",
        compared=f"compared with {night.previous}" if night.previous else "the first night: nothing to compare with",
        figures=figures,
        changes=tuple(change_line(one) for one in night.changes[:MOST_CHANGES]),
        more_changes=max(0, len(night.changes) - MOST_CHANGES),
        no_changes="Nothing about any account." if night.previous else "This is the first night: from the next one on, what changed stands here.",
        accounts=tuple(
            AccountLine(
                one.account_key, one_line(one.account_name, NAME), one.risk_band, account_detail(one, night.currency), account_link(base, one.account_key)
            )
            for one in accounts
        ),
        more_accounts=len(night.renewals) - len(accounts),
        waiting=tuple(waiting_line(one, night.currency) for one in night.waiting[:MOST_WAITING]),
        more_waiting=max(0, len(night.waiting) - MOST_WAITING),
        alerts=f"{len(night.alerts)} alerts are not acknowledged, the oldest for {max(one.days for one in night.alerts)} days" if night.alerts else "",
        problems=tuple(one_line(f"{'New: ' if one in night.data_problems_new else ''}{one}", LINE) for one in _new_first(night)[:MOST_PROBLEMS]),
        more_problems=max(0, len(night.data_problems) - MOST_PROBLEMS),
        cost=f"{cost.label}: {cost.value}" if cost else "",
        inbox=base,
        book=f"{base}/book/",
    )


def first_accounts(renewals: Sequence[RenewalLine]) -> list[RenewalLine]:
    """The accounts that stand first: the worse band, then the nearer opt-out, then the larger contract."""

    def urgency(line: RenewalLine) -> tuple[int, int, float, str]:
        return _GRAVITY.get(line.risk_band, 2), line.days_to_opt_out, -float(line.value_annual or 0), line.account_key

    return sorted(renewals, key=urgency)[:MOST_ACCOUNTS]


def account_detail(line: RenewalLine, currency: str) -> str:
    """`opt-out by 2026-07-14 (14 days), $27,120 a year, $18,820 wasted, save play pending, Ada`."""
    plan = f"{line.plan.replace('_', ' ')} {(line.plan_state or '').replace('_', ' ')}".strip() if line.plan else "no plan"
    days = "today" if line.days_to_opt_out == 0 else "1 day" if line.days_to_opt_out == 1 else f"{line.days_to_opt_out} days"
    parts = [
        f"opt-out by {line.opt_out_date} ({days})",
        f"{format_money(line.value_annual, currency)} a year",
        f"{format_money(line.waste_annual, currency)} wasted",
        plan,
        line.owner or "no owner",
    ]
    waits = [f"unanswered for {line.days_unacknowledged} days"] if line.days_unacknowledged else []
    return one_line(", ".join([*parts, *waits]), LINE)


def change_line(change: Change) -> str:
    """`Ada & Söhne (ACC-1): risk band, yellow to red`."""
    return one_line(f"{one_line(change.account_name, NAME)} ({change.account_key}): {change.what}, {change.before} to {change.now}", LINE)


def waiting_line(one: Waiting, currency: str) -> str:
    """`Ada: 6, the oldest for 3 days, $120,000 a year`."""
    value = "" if one.value_annual is None else f", {format_money(one.value_annual, currency)} a year"
    return f"{one_line(one.person, NAME)}: {one.items:,}, the oldest for {one.oldest_days} day{'' if one.oldest_days == 1 else 's'}{value}"


def account_link(base: str, account_key: str) -> str:
    """The account's page of the book, behind the inbox's login."""
    return f"{base}/book/accounts/{slug(account_key)}.html"


def is_due(night: NightFigures, weekly: str) -> bool:
    """Whether anybody is told: something changed, or it is the morning of the week's digest (`weekly`: a day's name, or `never`).

    The morning after the as-of date counts. One digest a week comes even of quiet nights: silence of weeks looks like a system that is dead.
    """
    return not night.is_quiet or f"{night.as_of_date + timedelta(days=1):%A}".lower() == weekly


def _new_first(night: NightFigures) -> list[str]:
    return sorted(night.data_problems, key=lambda one: one not in night.data_problems_new)
