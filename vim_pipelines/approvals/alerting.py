"""The night's alerts: read tonight's rows, keep what is new, and tell it in the same run. Independent of drafts, models and approvals."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from vim_pipelines.approvals.alert_rules import NewAlert, NightRow, Past, new_alerts
from vim_pipelines.core.errors import VimError
from vim_pipelines.core.hashing import sha256_text
from vim_pipelines.store.models import Alert

if TYPE_CHECKING:
    from vim_pipelines.approvals.deliveries import DeliveryReport
    from vim_pipelines.approvals.policy import AlertRules, Policy
    from vim_pipelines.settings import Settings
    from vim_pipelines.store.engine import Store
    from vim_pipelines.warehouse.base import Session

TONIGHT = """
    select
        accounts.account_key, accounts.account_name, accounts.segment, accounts.csm_name, accounts.director_email,
        accounts.notice_received_on, accounts.notice_served_on, signals.muri_priority, signals.ticket_status, signals.tickets_open,
        signals.next_opt_out_date as opt_out_date, signals.days_to_opt_out, signals.next_renewal_date as renewal_date, signals.arr_amount, signals.currency,
        tickets.tickets_4w, tickets.open_p1, tickets.oldest_open_p1_days
    from marts.dim_accounts as accounts
    inner join marts.fct_account_signals as signals on accounts.account_key = signals.account_key and signals.as_of_date = ?
    left join marts.fct_ticket_load as tickets on accounts.account_key = tickets.account_key and tickets.as_of_date = ?
    where accounts.as_of_date = ? and signals.hold_reason is null
"""
EARLIER = """
    select account_key, as_of_date, muri_priority from marts.fct_account_signals
    where as_of_date < ? and as_of_date >= ? and muri_priority is not null
"""
NOTICED = "select distinct account_key from marts.fct_risks where rule_id = 'NOTICE_SERVED' and as_of_date = ?"


@dataclass
class AlertReport:
    """What a night found. `told` is None where no channel was asked."""

    found: int = 0
    new: list[str] = field(default_factory=list)
    told: DeliveryReport | None = None
    problem: str = ""

    def metadata(self) -> dict[str, Any]:
        """For Dagster."""
        told = self.told.metadata() if self.told is not None else {}
        return {
            "found": self.found,
            "new": len(self.new),
            "alerts": self.new[:100],
            "problem": self.problem,
            **{f"messages_{name}": told.get(name, 0) for name in ("sent", "failed")},
        }


def read_tonight(session: Session, as_of: date) -> list[NightRow]:
    """Tonight's accounts, without those whose data a quality gate holds."""
    return [NightRow(**{name: _known(value) for name, value in row.items()}) for row in session.rows(TONIGHT, [as_of, as_of, as_of])]


def read_past(session: Session, as_of: date, rules: AlertRules) -> Past:
    """The nights before `as_of` that the rules look at."""
    last = session.scalar("select max(as_of_date) from marts.fct_account_signals where as_of_date < ?", [as_of])
    muri: dict[str, dict[date, float]] = {}
    for row in session.rows(EARLIER, [as_of, as_of - timedelta(days=rules.quiet_days)]):
        muri.setdefault(row["account_key"], {})[row["as_of_date"]] = float(row["muri_priority"])
    noticed = session.rows(NOTICED, [last]) if last is not None else []
    return Past(last, muri, frozenset(str(row["account_key"]) for row in noticed))


def keep(store: Store, alerts: list[NewAlert], as_of: date, now: datetime, *, quiet_days: int) -> list[str]:
    """Store what is not told yet; returns the new ids. One episode is one row, and a P1 of an account is told again only after `quiet_days`."""
    new = []
    with store.session() as session:
        known = set(session.scalars(select(Alert.alert_id).where(Alert.alert_id.in_([alert.alert_id for alert in alerts]))))
        recent = select(Alert.account_key).where(Alert.kind == "p1_near_opt_out", Alert.as_of_date > as_of - timedelta(days=quiet_days))
        told_of_p1 = set(session.scalars(recent))
        for alert in alerts:
            if alert.alert_id in known or (alert.kind == "p1_near_opt_out" and alert.account_key in told_of_p1):
                continue
            session.add(
                Alert(
                    alert_id=alert.alert_id, account_key=alert.account_key, account_name=alert.account_name, kind=alert.kind, episode=alert.episode, as_of_date=as_of,
                    segment=alert.segment, facts=[dict(fact) for fact in alert.facts], text=alert.text, text_sha256=sha256_text(alert.text), created_at=now,
                )
            )  # fmt: skip
            new.append(alert.alert_id)
    return new


def alert_night(session: Session, store: Store, settings: Settings, as_of: date, now: datetime, *, policy: Policy) -> AlertReport:
    """Find, keep and tell the alerts of the night `as_of`. A channel that fails fails no night: what was not told is told by the next delivery."""
    from vim_pipelines.approvals.deliveries import ROWS_A_RUN, channels_of, deliver, plan

    rules = policy.alerts
    alerts = new_alerts(read_tonight(session, as_of), read_past(session, as_of, rules), rules, as_of)
    report = AlertReport(len(alerts), keep(store, alerts, as_of, now, quiet_days=rules.quiet_days))
    try:
        channels = channels_of(settings)
    except VimError as error:  # a wrong setting of Slack must not cost the night
        report.problem = str(error)
        return report
    try:
        if channels and plan(store, channels, policy=policy, now=now):
            report.told = deliver(store, channels, settings=settings, now=now, limit=ROWS_A_RUN + len(report.new) * len(channels))
    finally:
        for channel in channels:
            channel.close()
    return report


def _known(value: Any) -> Any:
    """None for what a warehouse calls missing."""
    return None if value is None or value != value else value
