"""Telling people: which message goes to whom through which channel, and sending each of them once.

A row of `deliveries` is the intent; it is committed as `sending` before the channel is called, so that a process that dies leaves a row that
says so, and an answer that was lost is looked for before anything is sent again. Who is told, and when, follows from the store alone; nothing
here decides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, case, exists, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import defer

from vim_pipelines.approvals import alerts as alerts_
from vim_pipelines.approvals.channels.base import Channel, Kind, Message, Undeliverable
from vim_pipelines.approvals.messages import alert_message, failure_message, request_message
from vim_pipelines.approvals.people import PersonView, list_people, who_decides
from vim_pipelines.approvals.policy import Policy, policy_of
from vim_pipelines.approvals.queue import show_request, stakes_of
from vim_pipelines.core.errors import VimError
from vim_pipelines.core.hashing import sha256_json
from vim_pipelines.store.locks import exclusive
from vim_pipelines.store.models import Alert, ApprovalRequest, Delivery
from vim_pipelines.vendors.http import VendorError

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Select

    from vim_pipelines.settings import Settings
    from vim_pipelines.store.engine import Store

#: Modules of `approvals.channels` that are channels. Each has `connect(settings) -> Channel | None`: None where its settings are missing. It
#: talks to nobody, and imports its SDK only when something is sent: a sensor calls it.
CHANNELS: tuple[str, ...] = ("slack", "mail", "crm")

ROWS_A_RUN = 25
#: Tries before a message is given up, the waits between them doubling from two minutes (2, 4, 8, 16).
MAX_ATTEMPTS = 5
#: So many failures in a row, and the channel is left alone until the next run: each may cost a time-out.
FAILURES_IN_A_ROW = 3
ROWS_A_TRANSACTION = 500
LOCK = "deliver_messages"
#: Channel of a row that is not about a channel yet (`failure`, planned by a sensor), and of one that says that nobody could be reached.
ANY, NONE = "any", "none"
#: What is told first.
_URGENCY = ("alert", "failure", "escalation", "reminder", "ask")
ABOUT_REQUEST: tuple[Kind, ...] = ("ask", "reminder", "escalation")


@dataclass
class DeliveryReport:
    """What one run of `deliver` did, by message. `waiting`: not sent this time, tried again later. `is_busy`: another process is at it."""

    sent: int = 0
    settled: int = 0
    unknown: int = 0
    waiting: int = 0
    failed: int = 0
    overtaken: int = 0
    is_busy: bool = False
    problems: list[str] = field(default_factory=list)

    def metadata(self) -> dict[str, Any]:
        """For Dagster."""
        counts = {name: getattr(self, name) for name in ("sent", "settled", "unknown", "waiting", "failed", "overtaken")}
        return counts | {"is_busy": self.is_busy, "problems": self.problems[:50]}

    def lines(self) -> list[str]:
        """For the command line."""
        if self.is_busy:
            return ["Another process is sending messages."]
        return [
            f"Messages: {self.sent} sent, {self.settled} brought up to date, {self.waiting} to be tried again, {self.unknown} without an answer, {self.failed} failed.",
            *[f"! {line}" for line in self.problems[:50]],
        ]


def channels_of(settings: Settings) -> list[Channel]:
    """The channels whose settings are there, in the order of CHANNELS."""
    found = [import_module(f"vim_pipelines.approvals.channels.{name}").connect(settings) for name in CHANNELS]
    return [channel for channel in found if channel is not None]


# --- planning -------------------------------------------------------------------------------------------------------


def plan(store: Store, channels: Sequence[Channel], *, policy: Policy, now: datetime) -> int:
    """Write a row for every message that is due and not planned yet; returns their number. A second call writes none.

    A request is asked about once with each person who may decide it, in each channel that reaches the person; reminded and escalated ones
    once more each (`reminded_at`, `escalated_at`, set by the sweep). Whoever is due two of them at once gets the later. Where no one can be
    reached, a `failed` row says so: a question that nobody hears is not to look as if it had been asked.
    """
    if not channels:
        return 0
    people = list_people(store)
    with store.reading() as session:
        pending = session.scalars(
            select(ApprovalRequest).options(defer(ApprovalRequest.payload)).where(ApprovalRequest.state == "pending", ApprovalRequest.expires_at > now)
        ).all()
        open_alerts = [alerts_.alert_view(row) for row in session.scalars(select(Alert).where(Alert.acknowledged_at.is_(None)))]
        failures = session.scalars(select(Delivery).where(Delivery.channel == ANY, Delivery.state == "planned")).all()
        known = set(session.scalars(select(Delivery.delivery_key)))
    rows: list[Delivery] = []
    for request in pending:
        kind, told = _due(request, people, policy)
        rows += _rows(channels, told, kind, now, request_id=request.request_id, shown=request.payload_sha256)
    for alert in open_alerts:
        rows += _rows(channels, alerts_.recipients(alert, people, policy), "alert", now, alert_id=alert.alert_id, shown=alert.text_sha256)
    directors = who_decides(people, policy, policy.roles[-1], None)
    for failure in failures:
        rows += _rows(channels, directors, "failure", now, about=failure.reference, about_id=failure.delivery_id)
    written = _write(store, [row for row in rows if row.delivery_key not in known])
    _mark_expanded(store, [failure.delivery_id for failure in failures], now)
    return written


def _due(request: ApprovalRequest, people: Sequence[PersonView], policy: Policy) -> tuple[Kind, list[PersonView]]:
    """The latest thing that is to be said about a waiting request, and to whom. Whoever edited the text is not asked: he may not approve it."""
    role = max(request.approver_role, policy.approver_role(request.document, stakes_of(request)), key=policy.rank)
    kind: Kind = "ask"
    if request.escalated_at is not None:
        kind, role = "escalation", max(role, policy.deadlines.escalate_to, key=policy.rank)
    elif request.reminded_at is not None:
        kind = "reminder"
    return kind, [person for person in who_decides(people, policy, role, request.segment) if person.login != request.edited_by]


def _rows(
    channels: Sequence[Channel],
    people: Iterable[PersonView],
    kind: Kind,
    now: datetime,
    *,
    request_id: str | None = None,
    alert_id: str | None = None,
    shown: str | None = None,
    about: dict[str, Any] | None = None,
    about_id: str | None = None,
) -> list[Delivery]:
    subject = request_id or alert_id or about_id or ""

    def row(channel: str, recipient: str, state: str, error: str | None = None) -> Delivery:
        key = sha256_json([kind, subject, channel, recipient])
        return Delivery(
            delivery_id=f"msg-{key[:24]}", delivery_key=key, request_id=request_id, alert_id=alert_id, channel=channel, recipient=recipient, kind=kind, state=state,
            shown_sha256=shown, attempts=0, reference={"about": about} if about else None, error=error, created_at=now, updated_at=now,
        )  # fmt: skip

    carrying = [channel for channel in channels if kind in channel.kinds]
    rows = [row(channel.name, person.login, "planned") for person in people for channel in carrying if channel.address(person) is not None]
    return rows or ([row(NONE, "", "failed", "nobody who is to be told can be reached")] if carrying else [])


def _write(store: Store, rows: Sequence[Delivery]) -> int:
    written = 0
    for start in range(0, len(rows), ROWS_A_TRANSACTION):
        part = rows[start : start + ROWS_A_TRANSACTION]
        try:
            with store.session() as session:
                session.add_all(part)
            written += len(part)
        except IntegrityError:  # another process planned them in this moment; what it left is planned the next time
            continue
    return written


def _mark_expanded(store: Store, delivery_ids: Sequence[str], now: datetime) -> None:
    if delivery_ids:
        with store.session() as session:
            session.execute(update(Delivery).where(Delivery.delivery_id.in_(delivery_ids)).values(state="settled", updated_at=now))


def record_failure(store: Store, run_id: str, *, job: str, step: str, error: str, now: datetime) -> bool:
    """Note that a run failed, for the next delivery to tell; False if it is noted already. One row: a sensor calls this."""
    about = {"title": f"The run of {job} failed", "Job": job, "Step": step, "Run": run_id, "text": error[:2000]}
    row = _rows_for_any(about, run_id, now)
    return _write(store, [row]) == 1


def _rows_for_any(about: dict[str, Any], run_id: str, now: datetime) -> Delivery:
    key = sha256_json(["failure", run_id, ANY, ""])
    return Delivery(
        delivery_id=f"msg-{key[:24]}", delivery_key=key, channel=ANY, recipient="", kind="failure", state="planned", attempts=0, reference=about, created_at=now,
        updated_at=now,
    )  # fmt: skip


# --- sending --------------------------------------------------------------------------------------------------------


def deliver(store: Store, channels: Sequence[Channel], *, settings: Settings, now: datetime, limit: int = ROWS_A_RUN) -> DeliveryReport:
    """Send what is planned, look for what was lost, and bring sent messages up to date whose question has ended: at most `limit` of them.

    One message that fails stops no other. `Undeliverable` fails at once; other failures of a channel are tried again in later runs,
    MAX_ATTEMPTS times in all.
    """
    report = DeliveryReport()
    by_name = {channel.name: channel for channel in channels}
    with exclusive(store, LOCK) as taken:
        if not taken:
            report.is_busy = True
            return report
        people = {person.login: person for person in list_people(store)}
        policy = policy_of(settings)
        with store.reading() as session:
            due = session.scalars(_to_send(by_name, now).limit(limit)).all()
            ended = session.scalars(_to_settle(by_name, now).limit(max(0, limit - len(due)))).all()
        in_a_row: Counter[str] = Counter()
        for row in [*due, *ended]:
            if in_a_row[row.channel] >= FAILURES_IN_A_ROW:
                report.waiting += 1
                continue
            before = report.waiting + report.unknown
            _Sending(store, by_name[row.channel], people.get(row.recipient), policy, settings, now, report).handle(row)
            in_a_row[row.channel] = in_a_row[row.channel] + 1 if report.waiting + report.unknown > before else 0
    return report


def _to_send(names: Iterable[str], now: datetime) -> Select[tuple[Delivery]]:
    """What is planned, and what was on its way when its process died, as far as its next try is due."""
    urgency = case({kind: place for place, kind in enumerate(_URGENCY)}, value=Delivery.kind, else_=len(_URGENCY))
    return (
        select(Delivery)
        .where(Delivery.channel.in_(list(names)), Delivery.state.in_(("planned", "sending", "unknown")), _try_is_due(now))
        .order_by(urgency, Delivery.created_at, Delivery.delivery_id)
    )


def _try_is_due(now: datetime) -> ColumnElement[bool]:
    waits = [and_(Delivery.attempts == tries, Delivery.updated_at <= now - timedelta(minutes=2**tries)) for tries in range(1, MAX_ATTEMPTS)]
    return or_(Delivery.attempts == 0, Delivery.attempts >= MAX_ATTEMPTS, *waits)


def _to_settle(names: Iterable[str], now: datetime) -> Select[tuple[Delivery]]:
    """Sent messages whose question has ended, or whose alert somebody acknowledged; one that could not be changed waits five minutes."""
    request_ended = exists().where(ApprovalRequest.request_id == Delivery.request_id, ApprovalRequest.state != "pending")
    alert_ended = exists().where(Alert.alert_id == Delivery.alert_id, Alert.acknowledged_at.is_not(None))
    is_due = or_(Delivery.error.is_(None), Delivery.updated_at <= now - timedelta(minutes=5))
    return (
        select(Delivery)
        .where(Delivery.channel.in_(list(names)), Delivery.state == "sent", Delivery.kind.in_((*ABOUT_REQUEST, "alert")), is_due)
        .where(or_(request_ended, alert_ended))
        .order_by(Delivery.created_at, Delivery.delivery_id)
    )


@dataclass
class _Sending:
    """One row and its channel. Every outcome is a commit of its own; `report` counts it."""

    store: Store
    channel: Channel
    person: PersonView | None
    policy: Policy
    settings: Settings
    now: datetime
    report: DeliveryReport

    def handle(self, row: Delivery) -> None:
        try:
            message = self._message(row)
        except VimError as error:
            self._end(row, "failed", str(error))
            return
        if self.person is None or not self.person.is_active:
            self._end(row, "failed", "the recipient is nobody any more")
        elif row.state == "sent":
            self._settle(row, message, self.person)
        elif message.kind == "settled":  # it ended before it was sent: nothing to say
            self.report.overtaken += 1
            self._set(row, "settled", error="it ended before the message was sent")
        else:
            self._send(row, message, self.person)

    def _message(self, row: Delivery) -> Message:
        """The message as it reads now."""
        url = self.settings.inbox_url
        if row.alert_id is not None:
            alert = alerts_.show_alert(self.store, row.alert_id)
            return alert_message(alert, delivery_id=row.delivery_id, inbox_url=url, kind="alert" if alert.acknowledged_at is None else "settled")
        if row.request_id is None:
            return failure_message((row.reference or {}).get("about") or {}, delivery_id=row.delivery_id, inbox_url=url)
        request = show_request(self.store, row.request_id)
        kind: Kind = next(kind for kind in ABOUT_REQUEST if kind == row.kind) if request.state == "pending" else "settled"
        return request_message(request, kind, delivery_id=row.delivery_id, policy=self.policy, inbox_url=url)

    def _send(self, row: Delivery, message: Message, person: PersonView) -> None:
        was_on_its_way = row.state in ("sending", "unknown")
        if not self._claim(row):
            return
        is_unsent = not was_on_its_way
        try:
            found = self.channel.find(message, person) if was_on_its_way else None
            is_unsent = found is None
            if found is None and was_on_its_way and row.attempts > MAX_ATTEMPTS:
                self._end(row, "failed", "its answer was lost and it cannot be found; it was tried as often as it may be")
                return
            reference = found if found is not None else self.channel.send(message, person)
        except VendorError as error:
            self._failed(row, error if is_unsent else VendorError("VIM-E015", error.what, why=error.why, fix=error.fix))
        except VimError as error:
            self._end(row, "failed", str(error))
        except Exception as error:  # a defect of a channel: whether it was sent is not known, and the others go on
            self._failed(row, VendorError("VIM-E015", f"{self.channel.name}: {type(error).__name__}", why="An unexpected failure of the channel"))
        else:
            self.report.sent += 1
            self._set(row, "sent", reference={**(row.reference or {}), **reference}, error=None, shown_sha256=message.payload_sha256)

    def _settle(self, row: Delivery, message: Message, person: PersonView) -> None:
        try:
            self.channel.settle(message, person, dict(row.reference or {}))
        except Exception as error:
            is_final = isinstance(error, Undeliverable) or row.attempts + 1 >= 2 * MAX_ATTEMPTS
            said = str(error) if isinstance(error, VimError) else type(error).__name__
            self._count(is_final, f"{row.channel} to {row.recipient}: {said}")
            self._set(
                row, "failed" if is_final else "sent", error=f"it was sent, and could not be brought up to date: {said}"[:2000], attempts=row.attempts + 1
            )
        else:
            self.report.settled += 1
            self._set(row, "settled", error=None)

    def _failed(self, row: Delivery, error: VendorError) -> None:
        if isinstance(error, Undeliverable) or row.attempts >= MAX_ATTEMPTS and error.code != "VIM-E015":
            self._end(row, "failed", str(error))
        elif error.code == "VIM-E015":
            self.report.unknown += 1
            self.report.problems.append(f"{row.channel} to {row.recipient}: {error}")
            self._set(row, "unknown", error=str(error)[:2000])
        else:
            self._count(False, f"{row.channel} to {row.recipient}: {error}")
            self._set(row, "planned", error=str(error)[:2000])

    def _end(self, row: Delivery, state: str, error: str) -> None:
        self._count(True, f"{row.channel} to {row.recipient}: {error}")
        self._set(row, state, error=error[:2000])

    def _count(self, is_final: bool, line: str) -> None:
        self.report.failed += is_final
        self.report.waiting += not is_final
        self.report.problems.append(line)

    def _claim(self, row: Delivery) -> bool:
        """Commit that it is on its way, before the channel is called. False if somebody else has moved it."""
        with self.store.session() as session:
            moved = session.execute(
                update(Delivery)
                .where(Delivery.delivery_id == row.delivery_id, Delivery.state == row.state, Delivery.attempts == row.attempts)
                .values(state="sending", attempts=row.attempts + 1, updated_at=self.now)
            )
        row.attempts += 1
        return bool(moved.rowcount == 1)  # type: ignore[attr-defined]

    def _set(self, row: Delivery, state: str, **values: Any) -> None:
        with self.store.session() as session:
            session.execute(update(Delivery).where(Delivery.delivery_id == row.delivery_id).values(state=state, updated_at=self.now, **values))


# --- looking --------------------------------------------------------------------------------------------------------


def work_to_do(store: Store, channels: Sequence[Channel], now: datetime) -> str | None:
    """A name for what waits to be planned or sent, other each time that something changed; None if nothing does. Three queries: a sensor calls this."""
    names = [channel.name for channel in channels]
    if not names:
        return None
    asked = exists().where(Delivery.request_id == ApprovalRequest.request_id, Delivery.kind == _kind_due())
    told = exists().where(Delivery.alert_id == Alert.alert_id)
    with store.reading() as session:
        sending = session.execute(_counted(_to_send(names, now))).one()
        settling = session.execute(_counted(_to_settle(names, now))).one()
        requests = select(func.count(), func.max(ApprovalRequest.updated_at)).where(
            ApprovalRequest.state == "pending", ApprovalRequest.expires_at > now, ~asked
        )
        alerts = select(func.count()).select_from(Alert).where(Alert.acknowledged_at.is_(None), ~told).scalar_subquery()
        failures = select(func.count()).select_from(Delivery).where(Delivery.channel == ANY, Delivery.state == "planned").scalar_subquery()
        unplanned = session.execute(requests.add_columns(alerts, failures)).one()
    counts = [*sending, *settling, *unplanned]
    if not any(isinstance(value, int) and value for value in counts):
        return None
    return sha256_json([str(value) for value in counts])[:16]


def _counted(rows: Select[tuple[Delivery]]) -> Select[tuple[int, datetime]]:
    found = rows.order_by(None).subquery()
    return select(func.count(), func.max(found.c.updated_at))


def _kind_due() -> ColumnElement[str]:
    return case((ApprovalRequest.escalated_at.is_not(None), "escalation"), (ApprovalRequest.reminded_at.is_not(None), "reminder"), else_="ask")
