"""Telling people: which message goes to whom through which channel, and sending each of them once.

A row of `deliveries` is the intent; it is committed as `sending` before the channel is called, so that a process that dies leaves a row that
says so, and an answer that was lost is looked for before anything is sent again. Who is told, and when, follows from the store alone; nothing
here decides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, case, exists, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import defer

from vim_pipelines.approvals import alerts as alerts_
from vim_pipelines.approvals.channels.base import Channel, Kind, Message, Undeliverable
from vim_pipelines.approvals.messages import alert_message, failure_message, list_message, request_message
from vim_pipelines.approvals.people import PersonView, list_people, who_decides
from vim_pipelines.approvals.policy import Policy, policy_of
from vim_pipelines.approvals.queue import Request, show_request, view
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
#: More new requests than this for one person in one channel become one message that lists them: after the first night there are dozens.
LIST_ABOVE = 5
#: Rows that one run looks at, to see which of them belong into one message. A thousand accounts with three deciders are below it.
ROWS_LOOKED_AT = 10_000
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
#: What `deliver` sends. Other rows of the table (the digest of a night) are sent by whoever can compose them.
ABOUT_WORK: tuple[Kind, ...] = (*ABOUT_REQUEST, "alert", "failure")
Compose = Callable[[Delivery], Message]


@dataclass
class DeliveryReport:
    """What one run of `deliver` did, by message. `waiting`: not sent this time, tried again later. `is_busy`: another process is at it.

    `listed`: how many requests stand in messages that list several; such a message counts as one that was sent.
    """

    sent: int = 0
    listed: int = 0
    settled: int = 0
    unknown: int = 0
    waiting: int = 0
    failed: int = 0
    overtaken: int = 0
    is_busy: bool = False
    problems: list[str] = field(default_factory=list)

    def metadata(self) -> dict[str, Any]:
        """For Dagster."""
        counts = {name: getattr(self, name) for name in ("sent", "listed", "settled", "unknown", "waiting", "failed", "overtaken")}
        return counts | {"is_busy": self.is_busy, "problems": self.problems[:50]}

    def lines(self) -> list[str]:
        """For the command line."""
        if self.is_busy:
            return ["Another process is sending messages."]
        listed = f" ({self.listed} requests listed together)" if self.listed else ""
        return [
            f"Messages: {self.sent} sent{listed}, {self.settled} brought up to date, {self.waiting} to be tried again, {self.unknown} without an answer, {self.failed} failed.",
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
    rows: list[Delivery] = []
    for request in pending:
        kind, told = _due(request, people, policy)
        rows += _rows(channels, told, kind, now, request_id=request.request_id, shown=request.payload_sha256)
    for alert in open_alerts:
        rows += _rows(channels, alerts_.recipients(alert, people, policy), "alert", now, alert_id=alert.alert_id, shown=alert.text_sha256)
    directors = who_decides(people, policy, policy.roles[-1], None)
    for failure in failures:
        rows += _rows(channels, directors, "failure", now, about=failure.reference, about_id=failure.delivery_id)
    known = known_keys(store, [row.delivery_key for row in rows])
    written = write_rows(store, [row for row in rows if row.delivery_key not in known])
    _mark_expanded(store, [failure.delivery_id for failure in failures], now)
    return written


def _due(request: ApprovalRequest, people: Sequence[PersonView], policy: Policy) -> tuple[Kind, list[PersonView]]:
    """The latest thing that is to be said about a waiting request, and to whom. Whoever edited the text is not asked: he may not approve it."""
    role, _ = policy.needs(request)
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


def known_keys(store: Store, keys: Sequence[str]) -> set[str]:
    """Those of `keys` that have a row. Asked by key: the table holds every message ever sent, what is open now is little."""
    found: set[str] = set()
    with store.reading() as session:
        for start in range(0, len(keys), ROWS_A_TRANSACTION):
            found |= set(session.scalars(select(Delivery.delivery_key).where(Delivery.delivery_key.in_(keys[start : start + ROWS_A_TRANSACTION]))))
    return found


def write_rows(store: Store, rows: Sequence[Delivery]) -> int:
    """Insert new rows; returns how many. Rows that another process wrote in this moment are left to the next time, with those beside them."""
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
    return write_rows(store, [row]) == 1


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
    MAX_ATTEMPTS times in all. More than LIST_ABOVE new requests for one person in one channel leave as one message, each with a row of its own.
    """
    people = {person.login: person for person in list_people(store)}
    policy = policy_of(settings)

    def compose(row: Delivery) -> Message:
        return _message(store, row, policy, settings)

    lists = _Lists(store, policy, settings)
    return send_rows(store, channels, people, compose, kinds=ABOUT_WORK, lock=LOCK, now=now, limit=limit, lists=lists)


def send_rows(
    store: Store,
    channels: Sequence[Channel],
    people: Mapping[str, PersonView],
    compose: Compose,
    *,
    kinds: Sequence[Kind],
    lock: str,
    now: datetime,
    limit: int = ROWS_A_RUN,
    lists: _Lists | None = None,
) -> DeliveryReport:
    """Send the due rows of `kinds` to `people` (by recipient), each as `compose` says it now: the rules of `deliver`, for any kind of message.

    A row whose message comes back as `settled` before it was sent is not sent.
    """
    report = DeliveryReport()
    by_name = {channel.name: channel for channel in channels}
    with exclusive(store, lock) as taken:
        if not taken:
            report.is_busy = True
            return report
        with store.reading() as session:
            due = _together(session.scalars(_to_send(by_name, now, kinds).limit(ROWS_LOOKED_AT)).all(), _listing(by_name) if lists else ())[:limit]
            ended = _told_once(session.scalars(_to_settle(by_name, now, kinds).limit(ROWS_LOOKED_AT)).all(), by_name)[: max(0, limit - len(due))]
        in_a_row: Counter[str] = Counter()
        for rows in [*due, *ended]:
            channel = rows[0].channel
            if in_a_row[channel] >= FAILURES_IN_A_ROW:
                report.waiting += 1
                continue
            before = report.waiting + report.unknown
            _Sending(store, by_name[channel], people.get(rows[0].recipient), compose, lists, now, report).handle(rows)
            in_a_row[channel] = in_a_row[channel] + 1 if report.waiting + report.unknown > before else 0
    return report


def _listing(by_name: Mapping[str, Channel]) -> set[str]:
    return {name for name, channel in by_name.items() if channel.lists}


def _list_of(row: Delivery) -> str | None:
    """The list that a row stands in: the delivery id of its first row. None for a message of its own."""
    return (row.reference or {}).get("list")


def _together(rows: Iterable[Delivery], listing: Collection[str]) -> list[list[Delivery]]:
    """Rows by the message that they leave in, in the order of the first. What left together before stays together. Pure."""
    units: dict[tuple[str, ...], list[Delivery]] = {}
    for row in rows:
        is_new = row.state == "planned" and row.attempts == 0 and row.kind in ABOUT_REQUEST
        beside = _list_of(row)
        key: tuple[str, ...] = (beside,) if beside else (row.channel, row.recipient, row.kind) if is_new and row.channel in listing else (row.delivery_id,)
        units.setdefault(key, []).append(row)
    found = []
    for key, unit in units.items():
        found += [unit] if len(key) == 1 or len(unit) > LIST_ABOVE else [[row] for row in unit]
    return found


def _told_once(rows: Iterable[Delivery], by_name: Mapping[str, Channel]) -> list[list[Delivery]]:
    """Ended rows by the message that is changed, or, where nothing can be changed, by person and question: the last word said about it leads. Pure."""
    units: dict[tuple[str, ...], list[Delivery]] = {}
    for row in rows:
        once = (row.channel, row.recipient, row.request_id or row.alert_id or "")
        beside = _list_of(row)
        key: tuple[str, ...] = (beside,) if beside else (row.delivery_id,) if by_name[row.channel].changes else once
        units.setdefault(key, []).insert(0, row)
    return list(units.values())


def _to_send(names: Iterable[str], now: datetime, kinds: Sequence[Kind] = ABOUT_WORK) -> Select[tuple[Delivery]]:
    """What is planned, and what was on its way when its process died, as far as its next try is due."""
    urgency = case({kind: place for place, kind in enumerate(_URGENCY)}, value=Delivery.kind, else_=len(_URGENCY))
    return (
        select(Delivery)
        .where(Delivery.channel.in_(list(names)), Delivery.kind.in_(kinds), Delivery.state.in_(("planned", "sending", "unknown")), _try_is_due(now))
        .order_by(urgency, Delivery.created_at, Delivery.delivery_id)
    )


def _try_is_due(now: datetime) -> ColumnElement[bool]:
    waits = [and_(Delivery.attempts == tries, Delivery.updated_at <= now - timedelta(minutes=2**tries)) for tries in range(1, MAX_ATTEMPTS)]
    return or_(Delivery.attempts == 0, Delivery.attempts >= MAX_ATTEMPTS, *waits)


def _to_settle(names: Iterable[str], now: datetime, kinds: Sequence[Kind] = ABOUT_WORK) -> Select[tuple[Delivery]]:
    """Sent messages whose question has ended, or whose alert somebody acknowledged; one that could not be changed waits five minutes."""
    request_ended = exists().where(ApprovalRequest.request_id == Delivery.request_id, ApprovalRequest.state != "pending")
    alert_ended = exists().where(Alert.alert_id == Delivery.alert_id, Alert.acknowledged_at.is_not(None))
    is_due = or_(Delivery.error.is_(None), Delivery.updated_at <= now - timedelta(minutes=5))
    return (
        select(Delivery)
        .where(Delivery.channel.in_(list(names)), Delivery.state == "sent", Delivery.kind.in_(kinds), is_due)
        .where(or_(request_ended, alert_ended))
        .order_by(Delivery.created_at, Delivery.delivery_id)
    )


def _message(store: Store, row: Delivery, policy: Policy, settings: Settings) -> Message:
    """The message of one row as it reads now."""
    url = settings.inbox_url
    if row.alert_id is not None:
        alert = alerts_.show_alert(store, row.alert_id)
        return alert_message(alert, delivery_id=row.delivery_id, inbox_url=url, kind="alert" if alert.acknowledged_at is None else "settled")
    if row.request_id is None:
        return failure_message((row.reference or {}).get("about") or {}, delivery_id=row.delivery_id, inbox_url=url)
    request = show_request(store, row.request_id)
    kind: Kind = _kind_of(row) if request.state == "pending" else "settled"
    return request_message(request, kind, delivery_id=row.delivery_id, policy=policy, inbox_url=url)


def _kind_of(row: Delivery) -> Kind:
    return next(kind for kind in ABOUT_REQUEST if kind == row.kind)


class _Moved(Exception):
    """Somebody else has moved a row of the message."""


@dataclass(frozen=True)
class _Lists:
    """Messages about several requests. The list is named after its first row; that row's reference holds the ids of all its requests."""

    store: Store
    policy: Policy
    settings: Settings

    def message(self, rows: Sequence[Delivery]) -> Message:
        """The list of `rows` as it reads now, with the requests of it that ended before."""
        name = _list_of(rows[0]) or rows[0].delivery_id
        ids = {row.request_id for row in rows}
        with self.store.reading() as session:
            first = session.get(Delivery, name)
            ids |= set((first.reference or {}).get("holds", ()) if first is not None else ())
            found = session.scalars(
                select(ApprovalRequest).options(defer(ApprovalRequest.payload)).where(ApprovalRequest.request_id.in_([one for one in ids if one]))
            )
            requests = [view(Request, request) for request in found]
        return list_message(requests, _kind_of(rows[0]), delivery_id=name, policy=self.policy, inbox_url=self.settings.inbox_url)


@dataclass
class _Sending:
    """The rows of one message, and its channel. Every outcome is a commit of its own; `report` counts it."""

    store: Store
    channel: Channel
    person: PersonView | None
    compose: Compose
    lists: _Lists | None
    now: datetime
    report: DeliveryReport

    def handle(self, rows: Sequence[Delivery]) -> None:
        is_list = self.lists is not None and (len(rows) > 1 or _list_of(rows[0]) is not None) and rows[0].request_id is not None
        is_list = is_list and (rows[0].state != "sent" or _list_of(rows[0]) is not None)
        try:
            message = self.lists.message(rows) if is_list and self.lists is not None else self.compose(rows[0])
        except VimError as error:
            self._end(rows, "failed", str(error))
            return
        if self.person is None or not self.person.is_active:
            self._end(rows, "failed", "the recipient is nobody any more")
        elif rows[0].state == "sent":
            self._settle(rows, message, self.person)
        elif message.kind == "settled":  # it ended before it was sent: nothing to say
            self.report.overtaken += len(rows)
            self._set(rows, "settled", error="it ended before the message was sent")
        else:
            self._send(rows, message, self.person)

    def _send(self, rows: Sequence[Delivery], message: Message, person: PersonView) -> None:
        was_on_its_way = any(row.state in ("sending", "unknown") for row in rows)
        if not self._claim(rows, message):
            return
        is_unsent = not was_on_its_way
        try:
            found = self.channel.find(message, person) if was_on_its_way else None
            is_unsent = found is None
            if found is None and was_on_its_way and rows[0].attempts > MAX_ATTEMPTS:
                self._end(rows, "failed", "its answer was lost and it cannot be found; it was tried as often as it may be")
                return
            reference = found if found is not None else self.channel.send(message, person)
        except VendorError as error:
            self._failed(rows, error if is_unsent else VendorError("VIM-E015", error.what, why=error.why, fix=error.fix))
        except VimError as error:
            self._end(rows, "failed", str(error))
        except Exception as error:  # a defect of a channel: whether it was sent is not known, and the others go on
            self._failed(rows, VendorError("VIM-E015", f"{self.channel.name}: {type(error).__name__}", why="An unexpected failure of the channel"))
        else:
            self.report.sent += 1
            self.report.listed += len(message.items)
            shown = {item.request_id: item.payload_sha256 for item in message.items}
            for row in rows:
                row.reference = {**(row.reference or {}), **reference}
                row.shown_sha256 = shown.get(row.request_id or "", message.payload_sha256)
            self._set(rows, "sent", error=None)

    def _settle(self, rows: Sequence[Delivery], message: Message, person: PersonView) -> None:
        try:
            self.channel.settle(message, person, dict(rows[0].reference or {}))
        except Exception as error:
            is_final = isinstance(error, Undeliverable) or rows[0].attempts + 1 >= 2 * MAX_ATTEMPTS
            said = str(error) if isinstance(error, VimError) else type(error).__name__
            self._count(is_final, f"{rows[0].channel} to {rows[0].recipient}: {said}")
            for row in rows:
                row.attempts += 1
            self._set(rows, "failed" if is_final else "sent", error=f"it was sent, and could not be brought up to date: {said}"[:2000])
        else:
            self.report.settled += len(rows)
            self._set(rows, "settled", error=None)

    def _failed(self, rows: Sequence[Delivery], error: VendorError) -> None:
        if isinstance(error, Undeliverable) or rows[0].attempts >= MAX_ATTEMPTS and error.code != "VIM-E015":
            self._end(rows, "failed", str(error))
        elif error.code == "VIM-E015":
            self.report.unknown += 1
            self.report.problems.append(f"{rows[0].channel} to {rows[0].recipient}: {error}")
            self._set(rows, "unknown", error=str(error)[:2000])
        else:
            self._count(False, f"{rows[0].channel} to {rows[0].recipient}: {error}")
            self._set(rows, "planned", error=str(error)[:2000])

    def _end(self, rows: Sequence[Delivery], state: str, error: str) -> None:
        self._count(True, f"{rows[0].channel} to {rows[0].recipient}: {error}")
        self._set(rows, state, error=error[:2000])

    def _count(self, is_final: bool, line: str) -> None:
        self.report.failed += is_final
        self.report.waiting += not is_final
        self.report.problems.append(line)

    def _claim(self, rows: Sequence[Delivery], message: Message) -> bool:
        """Commit that they are on their way, before the channel is called. False if somebody else has moved one of them."""
        for row in rows if message.items else ():
            row.reference = {**(row.reference or {}), "list": message.delivery_id}
            if row.delivery_id == message.delivery_id:
                row.reference |= {"holds": [item.request_id for item in message.items]}
        try:
            with self.store.session() as session:
                for row in rows:
                    moved = session.execute(
                        update(Delivery)
                        .where(Delivery.delivery_id == row.delivery_id, Delivery.state == row.state, Delivery.attempts == row.attempts)
                        .values(state="sending", attempts=row.attempts + 1, reference=row.reference, updated_at=self.now)
                    )
                    if moved.rowcount != 1:  # type: ignore[attr-defined]
                        raise _Moved
        except _Moved:
            return False
        for row in rows:
            row.attempts += 1
        return True

    def _set(self, rows: Sequence[Delivery], state: str, *, error: str | None) -> None:
        """Commit what became of them, with what else was learnt of each row."""
        with self.store.session() as session:
            for row in rows:
                values = {"reference": row.reference, "shown_sha256": row.shown_sha256, "attempts": row.attempts}
                session.execute(update(Delivery).where(Delivery.delivery_id == row.delivery_id).values(state=state, error=error, updated_at=self.now, **values))


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
