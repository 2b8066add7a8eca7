"""The figures of a night, computed once: the book's pages, the mail and the Slack digest show this object and compute nothing themselves.

Every figure has an id, the mart and column that it comes from, and what it was the night before, so that a page can link it to its
rows and a test can compare what page, mail and Slack say. None means unknown, never zero; a sum over rows of which some are unknown says so in
its note.

For whoever answers for some segments the same object is computed over their accounts: each figure is the sum of the parts that `figure_sql` shows
behind it, so that the segments' figures add up to the portfolio's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml

from vim_pipelines.approvals.policy import covers
from vim_pipelines.core.errors import VimError
from vim_pipelines.core.money import format_money, known_sum
from vim_pipelines.reporting.summary import attention_lines, held_lines

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from vim_pipelines.warehouse import Session

Kind = Literal["money", "usd", "count", "share"]
#: Two quarters: how far ahead the Director's table of opt-out dates looks.
DAYS_AHEAD = 182
#: What a rejected request is called that no person decided on: every draft failed a gate.
TO_WRITE = "for a person to write"
#: A sum of money that moves by less than this share from one night to the next is usage's daily breath, not news.
NEWS_SHARE = 0.05
#: What marts.fct_data_quality says of a source as a whole; its other rows count rows of all segments' accounts.
OF_SOURCES = frozenset({"is_fed", "freshness_days", "as_of_assumed"})
LEFT_OUT = "what is counted over the accounts of all segments (refused rows, rows without an account, lines without an amount) is left out here"


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
    #: What a reader must know of the number: rows that are not in it because theirs is not known.
    note: str = ""

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
    """What is different from the night before for one account: a band, a risk, a phase, an overlay, a plan's state."""

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

    `value_annual` and `waste_annual` are a year's, of the contract lines whose opt-out date lies in that time, in the portfolio's currency.
    `plan_state` is the state of its newest plan, None without one. `days_unacknowledged` counts from the night of the oldest alert or request
    that nobody has answered; None where nothing waits.
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
    #: Band and waste of that night a week ago; None where there was none.
    band_week: str | None = None
    waste_week: Decimal | None = None
    segment: str | None = None
    request_id: str | None = None

    def change_text(self, currency: str) -> str:
        """What differs from a week ago, `no change`, or `unknown` without such a night."""
        if self.band_week is None:
            return "unknown"
        points = [] if not self.score_change_week or abs(self.score_change_week) < 0.05 else [f"{self.score_change_week:+.1f} points"]
        bands = [] if self.band_week == self.risk_band else [f"{self.band_week} to {self.risk_band}"]
        moved = None if self.waste_annual is None or self.waste_week is None else self.waste_annual - self.waste_week
        money = [("+" if moved > 0 else "") + shown(moved, "money", currency) + " waste"] if moved else []
        return ", ".join([*bands, *points, *money]) or "no change"


@dataclass(frozen=True)
class AlertLine:
    """One alert that nobody has acknowledged."""

    account_key: str
    account_name: str
    kind: str
    since: date
    days: int


@dataclass(frozen=True)
class Waiting:
    """What waits for one person's decision: the account's manager, or the role above him that must decide."""

    person: str
    items: int
    value_annual: Decimal | None
    oldest_days: int
    asked_tonight: int = 0


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
    #: Those of them that the night before did not have.
    data_problems_new: tuple[str, ...] = ()
    #: Alerts that nobody has acknowledged, the oldest first.
    alerts: tuple[AlertLine, ...] = ()
    #: The segments whose accounts all of this is about; empty: the whole portfolio.
    segments: tuple[str, ...] = ()

    def figure(self, figure_id: str) -> Figure:
        """The figure of that id; KeyError if there is none."""
        for figure in self.figures:
            if figure.id == figure_id:
                return figure
        raise KeyError(figure_id)

    @property
    def is_quiet(self) -> bool:
        """Nothing changed, nothing was asked or raised tonight, no data problem is new and no sum moved by more than its daily breath.

        Whoever is told every day of nothing stops reading. What has waited longer is shown, and its reminders have a clock of their own.
        """
        is_asked = any(one.asked_tonight for one in self.waiting) or any(alert.days == 0 for alert in self.alerts)
        return self.previous is not None and not self.changes and not is_asked and not self.data_problems_new and not any(map(_is_news, self.figures))

    def verdict(self) -> str:
        """The night in one line, for the page's head, the mail's subject and the digest's header."""
        red, waste, waiting = self.figure("accounts_red"), self.figure("waste_annual"), sum(one.items for one in self.waiting)
        scope = f"{', '.join(self.segments)}: " if self.segments else ""
        parts = [
            f"{scope}{red.text()} of {self.figure('accounts').text()} accounts red",
            f"{waste.text()} a year wasted",
            f"{waiting:,} waiting for a decision",
        ]
        moved = len({change.account_key for change in self.changes})
        return ", ".join(
            [
                *parts,
                f"{moved:,} account{'' if moved == 1 else 's'} changed"
                if moved
                else "nothing changed since the night before"
                if self.previous
                else "the first night",
            ]
        )


def _is_news(figure: Figure) -> bool:
    """Whether a sum of money moved by more than NEWS_SHARE, or became known or unknown; counts have their accounts among the changes."""
    if figure.kind != "money" or (figure.value is None and figure.before is None):
        return False
    if figure.value is None or figure.before is None:
        return True
    return abs(float(figure.value - figure.before)) > NEWS_SHARE * max(abs(float(figure.before)), 1.0)  # type: ignore[operator]


@lru_cache(maxsize=1)
def _beside_plans() -> frozenset[str]:
    """Documents that are no plan."""
    return frozenset(yaml.safe_load(Path(__file__).with_name("beside_plans.yaml").read_text(encoding="utf-8")))


def shown(value: Decimal | float | int | None, kind: Kind, currency: str | None) -> str:
    """One format for every place: money with its sign and no cents where there are none, counts with thousands, shares in whole percent."""
    if value is None:
        return "unknown"
    if kind == "money":
        return format_money(value, currency)
    if kind == "usd":
        return format_money(value, "USD")
    return f"{value:.0%}" if kind == "share" else f"{value:,.0f}"


def read_figures(session: Session, as_of: date | None = None, *, segments: Collection[str] = ()) -> NightFigures:
    """The figures of `as_of` (default: the newest night) from `marts`. VIM-E024 if there is no such night.

    `segments`: only of the accounts that somebody limited to these segments answers for (`approvals.policy.covers`); nothing of another account is
    in the object, and what is counted over all accounts alone is left out, which `data_problems` says.
    """
    dates = [row["as_of_date"] for row in session.rows("select distinct as_of_date from marts.fct_portfolio_daily order by as_of_date")]
    night = as_of or (dates[-1] if dates else None)
    if night is None or night not in dates:
        raise VimError("VIM-E024", f"No audit of {as_of or 'any date'} is published", fix="Run vimotion audit first, or ask for a date that was audited")
    previous = max((day for day in dates if day < night), default=None)
    week_ago = max((day for day in dates if day <= night - timedelta(days=7)), default=None)
    is_last = night == dates[-1]
    own = accounts_of(session, night, segments) if segments else None
    now, then = _totals(session, night, own), _totals(session, previous, own) if previous else {}
    currency = now["portfolio_currency"]
    figures = tuple(
        Figure(
            id, label, now[id], kind, source, currency if kind == "money" else None,
            then.get(id) if kind != "money" or then.get("portfolio_currency") == currency else None, now["notes"].get(id, ""),
        )
        for id, label, kind, source in FIGURES
    )  # fmt: skip
    problems, before = data_problems(session, night, own), data_problems(session, previous, own) if previous else []
    requests, alerts = _of(own, read_requests(session, night, is_last=is_last)), _of(own, read_alerts(session, night, is_last=is_last))
    return NightFigures(
        as_of_date=night,
        currency=currency or "",
        previous=previous,
        week_ago=week_ago,
        figures=figures,
        changes=tuple(_changes(session, night, previous, requests, own)) if previous else (),
        renewals=tuple(_renewals(session, night, week_ago, requests, alerts, own)),
        waiting=tuple(_waiting(session, night, requests)),
        data_problems=tuple(problems),
        data_problems_new=tuple(line for line in problems if line not in before) if previous else tuple(problems),
        alerts=tuple(
            AlertLine(row["account_key"], row["account_name"], row["kind"], row["as_of_date"], (night - row["as_of_date"]).days)
            for row in alerts
            if not row["is_acknowledged"]
        ),
        segments=tuple(sorted(segments)),
    )


@dataclass(frozen=True)
class Nights:
    """One night as each reader may know it: the whole portfolio, and by the segments that somebody is limited to."""

    whole: NightFigures
    of_segments: Mapping[tuple[str, ...], NightFigures]

    def of(self, segments: Collection[str]) -> NightFigures:
        """The figures for whoever is limited to `segments` (none: to nothing). KeyError if they were not read: never the portfolio's instead."""
        return self.of_segments[tuple(sorted(segments))] if segments else self.whole


def read_nights(session: Session, limits: Iterable[Collection[str]]) -> Nights:
    """The newest night of the portfolio, and of each of `limits` that is not empty. VIM-E024 if nothing was audited."""
    wanted = {tuple(sorted(segments)) for segments in limits if segments}
    return Nights(read_figures(session), {segments: read_figures(session, segments=segments) for segments in sorted(wanted)})


def accounts_of(session: Session, night: date, segments: Collection[str]) -> frozenset[str]:
    """The accounts that `segments` cover, by the newest segment that each had up to `night`: also those that are gone since, for what they were."""
    rows = session.rows(
        "select s.account_key, s.segment from marts.fct_account_signals s"
        " join (select account_key, max(as_of_date) as as_of_date from marts.fct_account_signals where as_of_date <= ? group by account_key) n"
        " on n.account_key = s.account_key and n.as_of_date = s.as_of_date",
        [night],
    )
    return frozenset(row["account_key"] for row in rows if covers(segments, row["segment"]))


def _of(own: frozenset[str] | None, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of these accounts; all rows for None."""
    return rows if own is None else [row for row in rows if row["account_key"] in own]


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


def in_one_currency(night: Mapping[str, Any], currency: str | None) -> Decimal | None:
    """The waste of a row of fct_portfolio_daily; None where the portfolio counted in another currency that night: a line joins no two currencies."""
    amount: Decimal | None = night["waste_annual"]
    return amount if night["portfolio_currency"] == currency else None


def figure_sql(figure_id: str, night: date) -> str:
    """The query whose rows stand behind a figure, each row with the part that it adds in the column `part`. Plain SQL for DuckDB and Snowflake."""
    day = f"date '{night.isoformat()}'"
    signals = f"from marts.fct_account_signals where as_of_date = {day}"
    lines = f"from marts.fct_renewals where as_of_date = {day}"
    band = "select account_key, account_name, segment, csm_name, lean_risk, 1 as part"
    return {
        "accounts": f"select account_key, account_name, segment, csm_name, 1 as part {signals} order by account_key",
        "waste_annual": f"select account_key, account_name, segment, csm_name, shelfware_seats, waste_annual as part {signals} order by waste_annual desc nulls last, account_key",
        "unused_value_annual": f"select account_key, account_name, segment, csm_name, unused_seats, unused_value_annual as part {signals} order by unused_value_annual desc nulls last, account_key",
        "accounts_red": f"{band} {signals} and risk_band = 'red' order by lean_risk desc nulls last, account_key",
        "accounts_yellow": f"{band} {signals} and risk_band = 'yellow' order by lean_risk desc nulls last, account_key",
        "accounts_unknown": f"{band} {signals} and coalesce(risk_band, 'unknown') = 'unknown' order by account_key",
        "arr_at_risk": f"select account_key, account_name, contract_line_key, product, opt_out_date, line_value_annual_portfolio as part {lines} and risk_band = 'red' order by part desc nulls last, contract_line_key",
        "opt_out_value": f"select account_key, account_name, contract_line_key, product, opt_out_date, line_value_annual_portfolio as part {lines} and days_to_opt_out between 0 and {DAYS_AHEAD} order by opt_out_date, contract_line_key",
        "tickets_open": f"select account_key, account_name, segment, csm_name, tickets_open as part {signals} order by tickets_open desc nulls last, account_key",
        "drafts": f"select account_key, document, drafts as part from marts.fct_llm_costs where as_of_date = {day} and drafts > 0 order by account_key, document",
        "drafts_held": f"select account_key, document, drafts_held as part from marts.fct_llm_costs where as_of_date = {day} and drafts_held > 0 order by account_key, document",
        "cost_usd": f"select account_key, document, calls, calls_without_price, cost_usd as part from marts.fct_llm_costs where as_of_date = {day} and calls > 0 order by cost_usd desc nulls last, account_key, document",
    }[figure_id]


def _totals(session: Session, night: date, own: frozenset[str] | None) -> dict[str, Any]:
    """A value per figure of one night, and under `notes` what is not in it."""
    if own is not None:
        return _totals_of(session, night, own)
    daily = session.rows("select * from marts.fct_portfolio_daily where as_of_date = ?", [night])[0]
    lines = session.rows(
        "select risk_band, days_to_opt_out, line_value_annual_portfolio as amount from marts.fct_renewals where as_of_date = ?",
        [night],
    )
    costs = session.rows(
        "select coalesce(sum(drafts), 0) as drafts, coalesce(sum(drafts_held), 0) as drafts_held, coalesce(sum(calls_without_price), 0) as unpriced,"
        " cast(coalesce(sum(cost_usd), 0) as decimal(18, 6)) as cost_usd from marts.fct_llm_costs where as_of_date = ?",
        [night],
    )[0]
    accounts = session.rows(f"select {', '.join(OF_ACCOUNTS)} from marts.fct_account_signals where as_of_date = ?", [night])
    red = [row["amount"] for row in lines if row["risk_band"] == "red"]
    near = [row["amount"] for row in lines if row["days_to_opt_out"] is not None and 0 <= row["days_to_opt_out"] <= DAYS_AHEAD]
    return daily | {
        "arr_at_risk": _known_part(red),
        "opt_out_value": _known_part(near),
        "drafts": int(costs["drafts"]),
        "drafts_held": int(costs["drafts_held"]),
        "cost_usd": None if costs["unpriced"] else costs["cost_usd"],
        "notes": _notes({"arr_at_risk": red, "opt_out_value": near} | {name: [row[name] for row in accounts] for name in OF_ACCOUNTS}),
    }


def _totals_of(session: Session, night: date, own: frozenset[str]) -> dict[str, Any]:
    """As `_totals`, of some accounts: the sums of their parts in the rows behind each figure."""
    behind = {id: _of(own, session.rows(figure_sql(id, night))) for id, *_ in FIGURES}
    parts = {id: [row["part"] for row in rows] for id, rows in behind.items()}
    sums = {id: _known_part(amounts) for id, amounts in parts.items()}
    counts = {id: int(value) for id, _, kind, _ in FIGURES if kind == "count" and (value := sums[id]) is not None}
    return {
        **sums,
        **counts,
        "portfolio_currency": session.scalar("select portfolio_currency from marts.fct_portfolio_daily where as_of_date = ?", [night]),
        "cost_usd": None if any(row["calls_without_price"] for row in behind["cost_usd"]) else sums["cost_usd"],
        "notes": _notes(parts),
    }


#: What a row is of which a figure may miss the value, and what is not known of it.
MAY_MISS = {
    "arr_at_risk": ("contract line", "value is"),
    "opt_out_value": ("contract line", "value is"),
    "waste_annual": ("account", "amount is"),
    "unused_value_annual": ("account", "amount is"),
    "tickets_open": ("account", "tickets are"),
}
OF_ACCOUNTS = ("waste_annual", "unused_value_annual", "tickets_open")


def _notes(parts: Mapping[str, Sequence[Any]]) -> dict[str, str]:
    """What is not in a figure, counted among its own rows: an account that is too young for a right-size gap has unused seats all the same."""
    missing = {name: sum(part is None for part in parts[name]) for name in MAY_MISS}
    return {name: f"without {_many(count, MAY_MISS[name][0])} whose {MAY_MISS[name][1]} not known" for name, count in missing.items() if count}


def _known_part(amounts: list[Decimal | None]) -> Decimal | None:
    """The sum of those that are known, 0 of none at all; None where rows are there and not one of them is known."""
    known = [amount for amount in amounts if amount is not None]
    return sum(known, Decimal(0)) if known or not amounts else None


def _many(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def read_requests(session: Session, night: date, *, is_last: bool) -> list[dict[str, Any]]:
    """Requests for approval about `night` and earlier ones, the oldest first, as they stood: what was decided after the morning after the night was
    still pending, unless it is the newest night, of which everything known counts."""
    rows = session.rows(
        "select request_id, account_key, account_name, document, version, as_of_date, state, approver_role, decided_by, decided_at, created_at, arr_amount, currency"
        " from marts.fct_approvals where as_of_date <= ? order by created_at, as_of_date, version, request_id",
        [night],
    )
    morning = night + timedelta(days=1)
    found = []
    for row in rows:
        decided = row["decided_at"]
        if not is_last and decided is not None and decided.date() > morning:
            row |= {"state": "pending", "decided_by": None, "decided_at": None}
        found.append(row | {"state": TO_WRITE if row["state"] == "rejected" and row["decided_by"] is None else row["state"]})
    return found


def read_alerts(session: Session, night: date, *, is_last: bool) -> list[dict[str, Any]]:
    """Alerts up to `night`, the oldest first; none in a copy that was published before there was a mart of them."""
    if not session.table_exists("marts.fct_alerts"):
        return []
    rows = session.rows("select * from marts.fct_alerts where as_of_date <= ? order by as_of_date, account_key, kind, episode", [night])
    late = night + timedelta(days=1)
    return [row | ({} if is_last or row["acknowledged_at"] is None or row["acknowledged_at"].date() <= late else {"is_acknowledged": False}) for row in rows]


def _changes(session: Session, night: date, previous: date, requests: list[dict[str, Any]], own: frozenset[str] | None) -> list[Change]:
    """Bands that moved, risks that are new or gone, phases that were entered, overlays opened or cleared, decisions: the graver first."""
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
    overlays = session.rows(
        "select account_key, account_name, region, change from marts.fct_phase_transitions where as_of_date = ? and change in ('opened', 'cleared')"
        " order by account_key, region, change",
        [night],
    )
    decided = [row for row in requests if row["decided_at"] is not None and row["decided_at"].date() > previous + timedelta(days=1)]
    return [
        *[Change(row["account_key"], row["account_name"], "risk band", row["previous_band"], row["risk_band"], "fct_health_scores") for row in _of(own, bands)],
        *[Change(row["account_key"], row["account_name"], row["rule_id"], row["before"] or "none", row["now"] or "none", "fct_risks") for row in _of(own, risks)],
        *[Change(row["account_key"], row["account_name"], "phase", row["before"], row["now"], "fct_account_state") for row in _of(own, phases)],
        *[
            Change(
                row["account_key"], row["account_name"], row["region"], "closed" if row["change"] == "opened" else "open",
                "open" if row["change"] == "opened" else "closed", "fct_phase_transitions",
            )
            for row in _of(own, overlays)
        ],
        *[Change(row["account_key"], row["account_name"], row["document"].replace("_", " "), "pending", row["state"], "fct_approvals") for row in decided],
    ]  # fmt: skip


def _renewals(
    session: Session, night: date, week_ago: date | None, requests: list[dict[str, Any]], alerts: list[dict[str, Any]], own: frozenset[str] | None
) -> list[RenewalLine]:
    """Accounts whose next opt-out lies within two quarters, the nearest first, then the larger."""
    rows = session.rows(
        "select account_key, max(account_name) as account_name, min(opt_out_date) as opt_out_date, min(days_to_opt_out) as days_to_opt_out,"
        " count(*) as lines, count(line_value_annual_portfolio) as priced, cast(sum(line_value_annual_portfolio) as decimal(18, 2)) as value_annual"
        " from marts.fct_renewals where as_of_date = ? and days_to_opt_out between 0 and ? group by account_key order by 4, 7 desc nulls last, 1",
        [night, DAYS_AHEAD],
    )
    signals = {row["account_key"]: row for row in session.rows("select * from marts.fct_account_signals where as_of_date = ?", [night])}
    waste, waste_then = _waste(session, night, night), _waste(session, week_ago, night) if week_ago else {}
    before = {
        row["account_key"]: row
        for row in (
            session.rows("select account_key, lean_risk, risk_band from marts.fct_account_signals where as_of_date = ?", [week_ago]) if week_ago else []
        )
    }
    beside = _beside_plans()
    plans = {row["account_key"]: row for row in requests if row["document"] not in beside}
    asked: dict[str, date] = {}
    for row in [*[row for row in requests if row["state"] == "pending"], *[row for row in alerts if not row["is_acknowledged"]]]:
        asked[row["account_key"]] = min(row["as_of_date"], asked.get(row["account_key"], row["as_of_date"]))
    found = []
    for row in _of(own, rows):
        key = row["account_key"]
        signal, plan, then = signals.get(key, {}), plans.get(key, {}), before.get(key)
        score, earlier = signal.get("lean_risk"), then["lean_risk"] if then else None
        found.append(
            RenewalLine(
                account_key=key,
                account_name=row["account_name"],
                opt_out_date=row["opt_out_date"],
                days_to_opt_out=int(row["days_to_opt_out"]),
                value_annual=row["value_annual"] if row["lines"] == row["priced"] else None,
                waste_annual=waste.get(key),
                risk_band=signal.get("risk_band") or "unknown",
                risk_score=None if score is None else float(score),
                score_change_week=None if score is None or earlier is None else float(score) - float(earlier),
                plan=plan.get("document"),
                plan_state=plan.get("state"),
                owner=signal.get("csm_name"),
                days_unacknowledged=(night - asked[key]).days if key in asked else None,
                band_week=(then["risk_band"] or "unknown") if then else None,
                waste_week=waste_then.get(key),
                segment=signal.get("segment"),
                request_id=plan.get("request_id"),
            )
        )
    return found


def _waste(session: Session, of: date, night: date) -> dict[str, Decimal | None]:
    """Waste per account as `of` a night, of the contract lines whose opt-out lies within two quarters of `night`; None where one line's is not known."""
    rows = session.rows(
        "select account_key, count(*) as lines, count(waste_annual_portfolio) as known, cast(sum(waste_annual_portfolio) as decimal(18, 2)) as waste from marts.fct_license_waste"
        " where as_of_date = ? and opt_out_date between ? and ? group by account_key",
        [of, night, night + timedelta(days=DAYS_AHEAD)],
    )
    return {row["account_key"]: row["waste"] if row["lines"] == row["known"] else None for row in rows}


def _waiting(session: Session, night: date, requests: list[dict[str, Any]]) -> list[Waiting]:
    """Pending decisions by who must decide, most first: the account's manager, or the role above him that the policy asks."""
    pending = [row for row in requests if row["state"] == "pending"]
    managers = {
        row["account_key"]: row["csm_name"] for row in session.rows("select account_key, csm_name from marts.fct_account_signals where as_of_date = ?", [night])
    }
    value = {
        row["account_key"]: row["value"] if row["lines"] == row["priced"] else None
        for row in session.rows(
            "select account_key, count(*) as lines, count(line_value_annual_portfolio) as priced, cast(sum(line_value_annual_portfolio) as decimal(18, 2)) as value"
            " from marts.fct_renewals where as_of_date = ? group by account_key",
            [night],
        )
    }
    by_person: dict[str, list[dict[str, Any]]] = {}
    for row in pending:
        role = row["approver_role"]
        person = (managers.get(row["account_key"]) or "nobody is named") if role in (None, "csm") else role
        by_person.setdefault(person, []).append(row)
    found = []
    for person, own in by_person.items():
        accounts = sorted({row["account_key"] for row in own})
        ages = [(night - row["as_of_date"]).days for row in own]
        found.append(Waiting(person, len(own), known_sum(value.get(key) for key in accounts), max(ages), ages.count(0)))
    return sorted(found, key=lambda one: (-one.items, one.person))


def data_problems(session: Session, night: date, own: frozenset[str] | None = None) -> list[str]:
    """What marts.fct_data_quality says of a night that is not in order, in the words of the night's own summary.

    Of some accounts (`own`) only what is true of a source as a whole is told, and that the rest is left out: its numbers are of all accounts.
    """
    rows = session.rows(
        "select entity, metric, value, detail from marts.fct_data_quality where as_of_date = ? and (status in ('warn', 'stale') or metric = 'is_fed')"
        " order by entity, metric, detail",
        [night],
    )
    held = session.rows(
        "select account_key, account_name, hold_reason from marts.fct_account_signals where as_of_date = ? and hold_reason is not null order by account_key",
        [night],
    )
    told = rows if own is None else [row for row in rows if row["metric"] in OF_SOURCES]
    return held_lines(_of(own, held)) + attention_lines(told) + ([LEFT_OUT] if len(told) < len(rows) else [])
