"""When the Director must know at once, and the words for it: rules over tonight's rows and the nights before. Pure.

Code alone finds and writes these. A model that words an alert may leave out the one thing that mattered, and one that decides about it may
stay silent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Literal

from vim_pipelines.approvals.policy import AlertRules
from vim_pipelines.core.hashing import sha256_json
from vim_pipelines.core.money import format_money

AlertKind = Literal["muri_crossing", "notice_served", "p1_near_opt_out"]

_FOOT = "Written by code from tonight's facts. Nothing was sent to the customer, and nothing is to be approved. Acknowledge it, so that colleagues see that somebody is on it."


@dataclass(frozen=True)
class NightRow:
    """What the rules read of one account tonight. None is unknown."""

    account_key: str
    account_name: str
    segment: str | None = None
    muri_priority: float | None = None
    tickets_4w: int | None = None
    tickets_open: int | None = None
    ticket_status: str | None = None
    open_p1: int | None = None
    oldest_open_p1_days: int | None = None
    opt_out_date: date | None = None
    days_to_opt_out: int | None = None
    renewal_date: date | None = None
    notice_received_on: date | None = None
    notice_served_on: date | None = None
    arr_amount: Decimal | None = None
    currency: str | None = None
    csm_name: str | None = None
    director_email: str | None = None


@dataclass(frozen=True)
class Past:
    """The nights before, within `quiet_days`. `last_night` None: tonight is the first one.

    `muri` are an account's known priorities by night; `had_notice` the accounts of which the last night knew a notice.
    """

    last_night: date | None
    muri: Mapping[str, Mapping[date, float]]
    had_notice: frozenset[str]


@dataclass(frozen=True)
class NewAlert:
    """An alert that is to be told, with its episode: the same episode is told once, however often its night is run."""

    account_key: str
    account_name: str
    segment: str | None
    kind: AlertKind
    episode: str
    facts: tuple[dict[str, Any], ...]
    text: str

    @property
    def alert_id(self) -> str:
        """Identity of the episode, short enough to type."""
        return f"alert-{sha256_json([self.account_key, self.kind, self.episode])[:12]}"


def new_alerts(rows: Sequence[NightRow], past: Past, rules: AlertRules, as_of: date) -> list[NewAlert]:
    """The alerts of the night `as_of`, by account. What was told of an episode before is for the store to know."""
    found = []
    for row in sorted(rows, key=lambda row: row.account_key):
        crossing = crossed(row, past, rules, as_of)
        if crossing is not None:
            found.append(_muri(row, crossing, rules, as_of))
        if (notice := new_notice(row, past, rules, as_of)) is not None:
            found.append(_notice(row, notice, as_of))
        if p1_is_near(row, rules):
            found.append(_p1(row, as_of))
    return found


def crossed(row: NightRow, past: Past, rules: AlertRules, as_of: date) -> tuple[date, float] | tuple[None, None] | None:
    """The last known priority before a crossing (night, value; Nones where none is known), or None if there is no crossing.

    A crossing is at or above the line tonight and at or above it in no night of the last `quiet_days`. Unknown before counts as not above:
    silence would be the worse mistake. The first night of a portfolio has nothing to compare with and crosses nothing.
    """
    if row.muri_priority is None or row.muri_priority < rules.muri_priority or past.last_night is None or row.ticket_status in ("unknown", "stale"):
        return None
    nights = {night: value for night, value in past.muri.get(row.account_key, {}).items() if as_of - timedelta(days=rules.quiet_days) <= night < as_of}
    if any(value >= rules.muri_priority for value in nights.values()):
        return None
    return max(nights.items()) if nights else (None, None)


def new_notice(row: NightRow, past: Past, rules: AlertRules, as_of: date) -> date | None:
    """The day of a notice that last night did not know; on a first night, one of the last `notice_days`."""
    days = [day for day in (row.notice_received_on, row.notice_served_on) if day is not None and day <= as_of]
    if not days:
        return None
    if past.last_night is None:
        return min(days) if max(days) > as_of - timedelta(days=rules.notice_days) else None
    return None if row.account_key in past.had_notice else min(days)


def p1_is_near(row: NightRow, rules: AlertRules) -> bool:
    """Whether a P1 is open while the opt-out deadline is near and still ahead. Unknown on either side is no alert: both are chased elsewhere."""
    return bool(row.open_p1) and row.days_to_opt_out is not None and 0 <= row.days_to_opt_out <= rules.p1_days_to_opt_out


def _muri(row: NightRow, before: tuple[date | None, float | None], rules: AlertRules, as_of: date) -> NewAlert:
    night, value = before
    last = "unknown before" if night is None or value is None else f"{value:.0f} on {night}"
    facts = [
        _fact("muri_priority", "Muri priority", f"{row.muri_priority:.0f} (line {rules.muri_priority:.0f}, {last})", "marts.fct_ticket_load", row),
        _fact("tickets_4w", "Tickets in four weeks", row.tickets_4w, "marts.fct_ticket_load", row),
        _fact("tickets_open", "Open tickets", row.tickets_open, "marts.fct_ticket_load", row),
    ]
    return _alert(row, "muri_crossing", as_of.isoformat(), f"{_name(row)}: the ticket load surges near the opt-out deadline", facts, as_of)


def _notice(row: NightRow, day: date, as_of: date) -> NewAlert:
    said = " and ".join(
        f"{word} on {when}" for word, when in (("received", row.notice_received_on), ("served on a line", row.notice_served_on)) if when is not None
    )
    facts = [
        _fact("notice_on", "Notice", said, "marts.dim_accounts", row),
        _fact("renewal_date", "Renewal date", row.renewal_date, "marts.fct_account_signals", row),
    ]
    return _alert(row, "notice_served", day.isoformat(), f"{_name(row)} has given notice", facts, as_of)


def _p1(row: NightRow, as_of: date) -> NewAlert:
    since = as_of - timedelta(days=row.oldest_open_p1_days or 0)
    facts = [_fact("open_p1", "Open P1 tickets", f"{row.open_p1}, the oldest since {since}", "marts.fct_ticket_load", row)]
    title = f"{_name(row)}: a P1 ticket is open {row.days_to_opt_out} days before the opt-out deadline"
    return _alert(row, "p1_near_opt_out", f"{row.opt_out_date}:{since}", title, facts, as_of)


def _alert(row: NightRow, kind: AlertKind, episode: str, title: str, facts: list[dict[str, Any]], as_of: date) -> NewAlert:
    deadline = "unknown" if row.opt_out_date is None else f"{row.opt_out_date} ({row.days_to_opt_out} days)"
    facts = [
        *facts,
        _fact("next_opt_out_date", "Opt-out deadline", deadline, "marts.fct_account_signals", row),
        _fact("arr_amount", "ARR", format_money(row.arr_amount, row.currency), "marts.fct_account_signals", row),
        _fact("csm_name", "CSM", row.csm_name, "marts.dim_accounts", row),
    ]
    lines = [f"# {title}", "", f"Account {row.account_key}, as of {as_of}.", "", *[f"- {fact['label']}: {fact['shown']}" for fact in facts], "", _FOOT, ""]
    # Whose it is travels with the alert, unlabelled: it says to whom it goes and is no part of its text.
    owner = {"metric": "director_email", "value_text": row.director_email, "source_table": "marts.dim_accounts", "source_key": row.account_key}
    return NewAlert(row.account_key, row.account_name, row.segment, kind, episode, (*facts, owner), "\n".join(lines))


def _fact(metric: str, label: str, value: Any, table: str, row: NightRow) -> dict[str, Any]:
    shown = "unknown" if value is None else " ".join(str(value).split())[:200]
    return {"metric": metric, "label": label, "shown": shown, "source_table": table, "source_key": row.account_key}


def _name(row: NightRow) -> str:
    return " ".join(row.account_name.split())[:120]
