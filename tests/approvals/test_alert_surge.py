"""One planted surge from its ticket rows to the acknowledgement: raw versions, dbt, signals, alert, a real mail server, and the answer on record."""

from __future__ import annotations

import email
import socket
import sys
from datetime import date, datetime, timedelta
from email import policy as email_policy
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "dbt"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from vim_pipelines.approvals.alerting import alert_night
from vim_pipelines.approvals.alerts import acknowledge, list_alerts
from vim_pipelines.approvals.deliveries import channels_of, deliver
from vim_pipelines.approvals.people import add_person, find_person
from vim_pipelines.approvals.policy import load_policy
from vim_pipelines.settings import Settings
from vim_pipelines.store import open_store

FIRST, SECOND, THIRD = (date(2026, 6, 29) + timedelta(days=days) for days in range(3))  # a Monday: the week before is complete
DIRECTOR = "olga@vendor.example"


class Mailbox:
    """What a mail server on this machine was handed."""

    def __init__(self):
        self.mails, self.recipients = [], []

    async def handle_RCPT(self, server, session, envelope, address, options):
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.recipients += envelope.rcpt_tos
        self.mails.append(email.message_from_bytes(envelope.content, policy=email_policy.default))
        return "250 Queued"


@pytest.fixture
def mailbox():
    controller_module = pytest.importorskip("aiosmtpd.controller", reason="aiosmtpd (test extra) is not installed: no real mail server here")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    box = Mailbox()
    controller = controller_module.Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    box.port = port
    yield box
    controller.stop()


def noon(day):
    return datetime(day.year, day.month, day.day, 12)


def plant(portfolio):
    """Two customers who renew in 105 days (opt-out in 45) with a ticket a week; in the week before the second night one of them has thirty."""
    for account in ("calm", "surge"):
        portfolio.account(account, account_name=account.title(), director_email=DIRECTOR, segment="smb")
        portfolio.line(f"{account}-core", account, seats=100, end_date=SECOND + timedelta(days=105))
        portfolio.weekly_users(account, [60] * 12, last_week=date(2026, 6, 22))
        for week in range(4, 30):
            opened = noon(SECOND) - timedelta(weeks=week)
            portfolio.ticket(f"{account}-{week}", account, opened, priority="P3", status="solved", solved_at=opened + timedelta(days=1))
    for number in range(30):  # opened in the last complete week, but only known to us since the day of the second night
        opened = noon(date(2026, 6, 24)) + timedelta(minutes=number)
        portfolio.ticket(f"surge-new-{number}", "surge", opened, priority="P2", status="open", known_at=noon(SECOND))


@pytest.mark.slow
def test_a_surge_of_tickets_reaches_the_director_in_its_night_once_and_is_acknowledged(tmp_path, mailbox):
    """Slow: two nights of dbt. The rules alone are in test_alert_rules, the deliveries in test_deliveries."""
    from dbt_portfolio import make_portfolio

    from benchmarks.parity_nights import run_night

    portfolio, policy = make_portfolio(tmp_path), load_policy()
    plant(portfolio)
    portfolio.write()
    store = open_store(portfolio.settings)
    settings = Settings(
        home=tmp_path, smtp_host="127.0.0.1", smtp_port=mailbox.port, smtp_security="none", mail_from="Value in Motion <vim@vendor.example>",
        smtp_timeout_seconds=10, inbox_secret="0123456789abcdef" * 4,
    )  # fmt: skip
    add_person(store, policy, "olga", name="Olga Olsen", role="director", email=DIRECTOR, by="test", now=noon(FIRST))
    add_person(store, policy, "dirk", name="Dirk", role="director", email="dirk@vendor.example", by="test", now=noon(FIRST))

    def night(day, *, is_built=False):
        if not is_built:
            run_night(portfolio.settings, portfolio.warehouse, day, tests=False)
        with portfolio.warehouse.session(read_only=True) as session:
            return alert_night(session, store, settings, day, noon(day) + timedelta(days=1), policy=policy)

    assert (night(FIRST).found, mailbox.mails) == (0, [])
    report = night(SECOND)
    assert (report.found, len(report.new), report.told.sent, report.told.failed) == (1, 1, 1, 0)
    [alert] = list_alerts(store, is_open=True)
    assert (alert.account_key, alert.kind, alert.as_of_date) == ("surge", "muri_crossing", SECOND)
    priority = portfolio.row(f"select muri_priority from marts.fct_ticket_load where account_key = 'surge' and as_of_date = date '{SECOND}'")["muri_priority"]
    assert priority >= policy.alerts.muri_priority and f"Muri priority: {priority:.0f} (line 40" in alert.text

    [mail] = mailbox.mails
    assert mailbox.recipients == [DIRECTOR], "the account's director, not everybody of the role"
    body = mail.get_body(("plain",)).get_content()
    assert "Surge" in mail["Subject"] and f"/alerts/{alert.alert_id}" in body.replace("=\n", "") and "Tickets in four weeks" in body
    assert night(SECOND, is_built=True).new == [] and len(mailbox.mails) == 1, "one episode, one message, however often the night is run"

    dirk = find_person(store, "email", "dirk@vendor.example")
    seen = acknowledge(store, alert.alert_id, person=dirk.actor("inbox"), note="calling them", now=noon(THIRD), policy=policy)
    assert (seen.acknowledged_by, seen.acknowledged_channel) == ("dirk", "inbox") and list_alerts(store, is_open=True) == []
    assert deliver(store, channels_of(settings), settings=settings, now=noon(THIRD)).settled == 1
    [_, answer] = mailbox.mails  # whom it was told hears in the same thread that somebody else has seen it: what was sent cannot be changed
    assert mailbox.recipients == [DIRECTOR, DIRECTOR] and answer["In-Reply-To"] == mail["Message-ID"]
    assert "Acknowledged by dirk (director)" in answer.get_body(("plain",)).get_content()
