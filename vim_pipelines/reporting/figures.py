"""The figures of a night, computed once: the book's pages, the mail and the Slack digest show this object and compute nothing themselves.

Every figure has an id, the mart and column that it comes from, and what it was a night and a week ago, so that a page can link it to its
rows and a test can compare what page, mail and Slack say. None means unknown, never zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from vim_pipelines.core.errors import VimError
from vim_pipelines.core.money import format_money, known_sum

if TYPE_CHECKING:
    from vim_pipelines.warehouse import Session

Kind = Literal["money", "usd", "count", "share"]
#: Two quarters: how far ahead the Director's table of opt-out dates looks.
DAYS_AHEAD = 182


@dataclass(frozen=True)
class Figure:
    """One number of the portfolio. `value` and `before` are in `currency` (money), US dollars (usd), 0 to 1 (share) or plain counts."""

    id: str
    label: str
    value: Decimal | float | int | None
    kind: Kind
    #: The mart and column that it is the sum, count or ratio of: `fct_portfolio_daily.waste_annual`.
    source: str
    currency: str | None = None
    #: The same figure of the night before; None if there was none or it was not known.
    before: Decimal | float | int | None = None

    def text(self) -> str:
        """As it is printed everywhere: `$43,500`, `1,234`, `12 %`, `unknown`."""
        return shown(self.value, self.kind, self.currency)

    @property
    def change(self) -> Decimal | float | int | None:
        """Value minus the night before; None where one of them is not known."""
        return None if self.value is None or self.before is None else self.value - self.before  # type: ignore[operator]

    def change_text(self) -> str:
        """`+$1,200` or `-3`; empty where nothing changed or nothing is known of before."""
        change = self.change
        if not change:
            return ""
        return ("+" if change > 0 else "") + shown(change, self.kind, self.currency)


@dataclass(frozen=True)
class Change:
    """What is different from the night before for one account: a band, a risk, a phase, a plan's state."""

    account_key: str
    account_name: str
    what: str
    before: str
    now: str
    #: `fct_health_scores`, `fct_risks`, ...: the mart whose row says so.
    source: str


@dataclass(frozen=True)
class RenewalLine:
    """One account of the Director's table: money that can still be lost or saved within two quarters, by its opt-out date.

    `value_annual` and `waste_annual` are in the portfolio's currency. `plan_state` is the state of its newest plan, None without one.
    `days_unacknowledged` counts from the oldest alert or plan that nobody has answered; None where nothing waits.
    """

    account_key: str
    account_name: str
    opt_out_date: date
    days_to_opt_out: int
    value_annual: Decimal | None
    waste_annual: Decimal | None
    risk_band: str
    risk_score: float | None
    #: Points of the score since the newest night at least seven days ago; None where there was none.
    score_change_week: float | None
    plan: str | None
    plan_state: str | None
    owner: str | None
    days_unacknowledged: int | None


@dataclass(frozen=True)
class Waiting:
    """What waits for one person's decision."""

    person: str
    items: int
    value_annual: Decimal | None
    oldest_days: int


@dataclass(frozen=True)
class NightFigures:
    """All that page, mail and Slack tell of one night. `previous` and `week_ago` are the dates that it is compared with, None without such a night."""

    as_of_date: date
    currency: str
    previous: date | None
    week_ago: date | None
    figures: tuple[Figure, ...]
    changes: tuple[Change, ...]
    renewals: tuple[RenewalLine, ...]
    waiting: tuple[Waiting, ...]
    #: Sources and rows that a reader must know of before he trusts a number.
    data_problems: tuple[str, ...]

    def figure(self, figure_id: str) -> Figure:
        """The figure of that id; KeyError if there is none."""
        for figure in self.figures:
            if figure.id == figure_id:
                return figure
        raise KeyError(figure_id)

    @property
    def is_quiet(self) -> bool:
        """Nothing changed, nothing waits and no data problem is new: whoever is told every day of nothing stops reading."""
        return not self.changes and not self.waiting and not self.data_problems and not any(figure.change for figure in self.figures)

    def verdict(self) -> str:
        """The night in one line, for the page's head, the mail's subject and the digest's header."""
        red, waste, waiting = self.figure("accounts_red"), self.figure("waste_annual"), sum(one.items for one in self.waiting)
        parts = [f"{red.text()} of {self.figure('accounts').text()} accounts red", f"{waste.text()} a year wasted", f"{waiting:,} waiting for a decision"]
        moved = len({change.account_key for change in self.changes})
        return ", ".join([*parts, f"{moved:,} accounts changed" if moved else "nothing changed since the night before" if self.previous else "the first night"])


def shown(value: Decimal | float | int | None, kind: Kind, currency: str | None) -> str:
    """One format for every place: money with its sign and no cents where there are none, counts with thousands, shares in whole percent."""
    if value is None:
        return "unknown"
    if kind == "money":
        return format_money(value, currency)
    if kind == "usd":
        return format_money(value, "USD")
    return f"{value:.0%}" if kind == "share" else f"{value:,.0f}"


def read_figures(session: Session, as_of: date | None = None) -> NightFigures:
    """The figures of `as_of` (default: the newest night) from `marts`. VIM-E024 if there is no such night."""
    dates = [row["as_of_date"] for row in session.rows("select distinct as_of_date from marts.fct_portfolio_daily order by as_of_date")]
    night = as_of or (dates[-1] if dates else None)
    if night is None or night not in dates:
        raise VimError("VIM-E024", f"No audit of {as_of or 'any date'} is published", fix="Run vimotion audit first, or ask for a date that was audited")
    previous = max((day for day in dates if day < night), default=None)
    week_ago = max((day for day in dates if day <= night - timedelta(days=7)), default=None)
    now, then = _totals(session, night), _totals(session, previous) if previous else {}
    currency = str(now["portfolio_currency"])
    figures = tuple(
        Figure(id, label, now[id], kind, source, currency if kind == "money" else None, then.get(id) if then.get("portfolio_currency") == currency else None)
        for id, label, kind, source in FIGURES
    )
    return NightFigures(
        as_of_date=night,
        currency=currency,
        previous=previous,
        week_ago=week_ago,
        figures=figures,
        changes=tuple(_changes(session, night, previous)) if previous else (),
        renewals=tuple(_renewals(session, night, week_ago)),
        waiting=tuple(_waiting(session, night)),
        data_problems=tuple(_data_problems(session, night)),
    )


#: Id, label, kind and source of each figure; the id is its column of `_totals`.
FIGURES: tuple[tuple[str, str, Kind, str], ...] = (
    ("accounts", "Accounts", "count", "fct_portfolio_daily.accounts"),
    ("waste_annual", "Wasted a year, with headroom", "money", "fct_portfolio_daily.waste_annual"),
    ("unused_value_annual", "Unused now, a year", "money", "fct_portfolio_daily.unused_value_annual"),
    ("accounts_red", "Red accounts", "count", "fct_portfolio_daily.accounts_red"),
    ("accounts_yellow", "Yellow accounts", "count", "fct_portfolio_daily.accounts_yellow"),
    ("accounts_unknown", "Accounts without a score", "count", "fct_portfolio_daily.accounts_unknown"),
    ("arr_at_risk", "Contract value of red accounts, a year", "money", "fct_renewals.line_value_annual_portfolio where risk_band = 'red'"),
    ("opt_out_value", "Contract value with an opt-out within two quarters", "money", "fct_renewals.line_value_annual_portfolio"),
    ("tickets_open", "Open tickets", "count", "fct_portfolio_daily.tickets_open"),
    ("drafts", "Drafts written", "count", "fct_llm_costs.drafts"),
    ("drafts_held", "Drafts held by a gate", "count", "fct_llm_costs.drafts_held"),
    ("cost_usd", "Language models", "usd", "fct_llm_costs.cost_usd"),
)


def _totals(session: Session, night: date) -> dict[str, Any]:
    """A value per figure of one night."""
    daily = session.rows("select * from marts.fct_portfolio_daily where as_of_date = ?", [night])[0]
    lines = session.rows(
        "select risk_band, days_to_opt_out, line_value_annual_portfolio as amount from marts.fct_renewals where as_of_date = ?",
        [night],
    )
    costs = session.rows(
        "select coalesce(sum(drafts), 0) as drafts, coalesce(sum(drafts_held), 0) as drafts_held, coalesce(sum(calls_without_price), 0) as unpriced,"
        " coalesce(sum(cost_usd), 0) as cost_usd from marts.fct_llm_costs where as_of_date = ?",
        [night],
    )[0]
    return daily | {
        "arr_at_risk": known_sum(row["amount"] for row in lines if row["risk_band"] == "red"),
        "opt_out_value": known_sum(row["amount"] for row in lines if 0 <= (row["days_to_opt_out"] or -1) <= DAYS_AHEAD),
        "drafts": costs["drafts"],
        "drafts_held": costs["drafts_held"],
        "cost_usd": None if costs["unpriced"] else costs["cost_usd"],
    }


def _changes(session: Session, night: date, previous: date) -> list[Change]:
    """Bands that moved, risks that are new or gone, phases that were entered: the graver first."""
    bands = session.rows(
        "select account_key, account_name, previous_band, risk_band from marts.fct_health_scores"
        " where as_of_date = ? and previous_as_of_date = ? and previous_band <> risk_band order by case risk_band when 'red' then 0 when 'yellow' then 1 else 2 end, account_key",
        [night, previous],
    )
    risks = session.rows(
        "select coalesce(n.account_key, o.account_key) as account_key, coalesce(n.account_name, o.account_name) as account_name,"
        " coalesce(n.rule_id, o.rule_id) as rule_id, n.severity as now, o.severity as before"
        " from (select * from marts.fct_risks where as_of_date = ? and risk_status = 'open') n"
        " full outer join (select * from marts.fct_risks where as_of_date = ? and risk_status = 'open') o on n.account_key = o.account_key and n.rule_id = o.rule_id"
        " where n.severity is null or o.severity is null or n.severity <> o.severity order by 1, 3",
        [night, previous],
    )
    phases = session.rows(
        "select n.account_key, n.account_name, n.phase_name as now, o.phase_name as before from marts.fct_account_state n"
        " join marts.fct_account_state o on o.account_key = n.account_key and o.as_of_date = ?"
        " where n.as_of_date = ? and n.phase <> o.phase order by n.account_key",
        [previous, night],
    )
    return [
        *[Change(row["account_key"], row["account_name"], "risk band", row["previous_band"], row["risk_band"], "fct_health_scores") for row in bands],
        *[Change(row["account_key"], row["account_name"], row["rule_id"], row["before"] or "none", row["now"] or "none", "fct_risks") for row in risks],
        *[Change(row["account_key"], row["account_name"], "phase", row["before"], row["now"], "fct_account_state") for row in phases],
    ]


def _renewals(session: Session, night: date, week_ago: date | None) -> list[RenewalLine]:
    """Accounts whose next opt-out lies within two quarters, the nearest first, then the larger."""
    rows = session.rows(
        "select r.account_key, max(r.account_name) as account_name, min(r.opt_out_date) as opt_out_date, min(r.days_to_opt_out) as days_to_opt_out,"
        " count(*) as lines, count(r.line_value_annual_portfolio) as priced, sum(r.line_value_annual_portfolio) as value_annual"
        " from marts.fct_renewals r where r.as_of_date = ? and r.days_to_opt_out between 0 and ? group by r.account_key order by 4, 7 desc, 1",
        [night, DAYS_AHEAD],
    )
    signals = {row["account_key"]: row for row in session.rows("select * from marts.fct_account_signals where as_of_date = ?", [night])}
    before = {
        row["account_key"]: row["lean_risk"]
        for row in (session.rows("select account_key, lean_risk from marts.fct_account_signals where as_of_date = ?", [week_ago]) if week_ago else [])
    }
    plans: dict[str, dict[str, Any]] = {}
    for plan in session.rows("select account_key, document, state, created_at from marts.fct_approvals order by created_at"):
        plans[plan["account_key"]] = plan
    asked = {
        row["account_key"]: row["asked"]
        for row in session.rows("select account_key, min(created_at) as asked from marts.fct_approvals where state = 'pending' group by 1")
    }
    found = []
    for row in rows:
        key = row["account_key"]
        signal, plan = signals.get(key, {}), plans.get(key, {})
        score, earlier = signal.get("lean_risk"), before.get(key)
        found.append(
            RenewalLine(
                account_key=key,
                account_name=row["account_name"],
                opt_out_date=row["opt_out_date"],
                days_to_opt_out=int(row["days_to_opt_out"]),
                value_annual=row["value_annual"] if row["lines"] == row["priced"] else None,
                waste_annual=signal.get("waste_annual"),
                risk_band=signal.get("risk_band") or "unknown",
                risk_score=None if score is None else float(score),
                score_change_week=None if score is None or earlier is None else float(score) - float(earlier),
                plan=plan.get("document"),
                plan_state=plan.get("state"),
                owner=signal.get("csm_name"),
                days_unacknowledged=(night - asked[key].date()).days if key in asked else None,
            )
        )
    return found


def _waiting(session: Session, night: date) -> list[Waiting]:
    """Pending decisions by the account's manager, most first."""
    rows = session.rows(
        "select coalesce(s.csm_name, 'nobody is named') as person, a.account_key, a.created_at from marts.fct_approvals a"
        " left join marts.fct_account_signals s on s.account_key = a.account_key and s.as_of_date = ? where a.state = 'pending'",
        [night],
    )
    value = {
        row["account_key"]: row["value"] if row["lines"] == row["priced"] else None
        for row in session.rows(
            "select account_key, count(*) as lines, count(line_value_annual_portfolio) as priced, sum(line_value_annual_portfolio) as value"
            " from marts.fct_renewals where as_of_date = ? group by account_key",
            [night],
        )
    }
    people = sorted({row["person"] for row in rows})
    found = []
    for person in people:
        own = [row for row in rows if row["person"] == person]
        accounts = {row["account_key"] for row in own}
        found.append(
            Waiting(person, len(own), known_sum(value.get(key) for key in sorted(accounts)), max((night - row["created_at"].date()).days for row in own))
        )
    return sorted(found, key=lambda one: (-one.items, one.person))


def _data_problems(session: Session, night: date) -> list[str]:
    """Data quality rows that are not in order, in words."""
    rows = session.rows(
        "select entity, metric, detail, value, status from marts.fct_data_quality where as_of_date = ? and status in ('warn', 'stale') order by entity, metric, detail",
        [night],
    )
    return [f"{row['entity']}: {row['metric'].replace('_', ' ')}{' ' + row['detail'] if row['detail'] else ''} {row['value']:g}" for row in rows]
