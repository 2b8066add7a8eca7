"""What the Director is told at once, without being asked: who has seen it is on record, and the first one who says so is the one.

An alert is written by code, leaves the house to nobody but colleagues, and asks for no decision. So it needs no approval, and the same run
that found it sends it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from vim_pipelines.approvals.people import person_view
from vim_pipelines.approvals.policy import covers
from vim_pipelines.core.errors import VimError
from vim_pipelines.store.models import Alert, Person
from vim_pipelines.store.notes import clean_note

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from vim_pipelines.approvals.people import PersonView
    from vim_pipelines.approvals.policy import Actor, Policy
    from vim_pipelines.store.engine import Store

#: The fact of an alert that says whose it is. Kept among its facts: the row of the store has no column for it.
DIRECTOR = "director_email"


@dataclass(frozen=True)
class AlertView:
    """One alert as a list and a page show it. `facts`: what it rests on, each with metric, label, shown, source_table and source_key."""

    alert_id: str
    account_key: str
    account_name: str
    kind: str
    episode: str
    as_of_date: date
    segment: str | None
    facts: list[dict[str, Any]]
    text: str
    text_sha256: str
    created_at: datetime
    acknowledged_by: str | None
    acknowledged_role: str | None
    acknowledged_channel: str | None
    acknowledged_at: datetime | None
    note: str | None


def list_alerts(store: Store, *, is_open: bool | None = None, segments: Collection[str] = (), limit: int = 1000) -> list[AlertView]:
    """Alerts, the newest first; `is_open` keeps those that nobody has acknowledged yet (or only the others), `segments` those that a person with
    these segments may see (`policy.covers`). The limit counts what is left."""
    statement = select(Alert).order_by(Alert.created_at.desc(), Alert.alert_id).limit(limit)
    if segments:
        statement = statement.where(Alert.segment.in_(segments))
    if is_open is not None:
        statement = statement.where(Alert.acknowledged_at.is_(None) if is_open else Alert.acknowledged_at.is_not(None))
    with store.reading() as session:
        return [alert_view(row) for row in session.scalars(statement)]


def show_alert(store: Store, alert_id: str) -> AlertView:
    """One alert; `alert_id` may be its beginning. VIM-E122 if there is none, or more than one."""
    with store.reading() as session:
        return alert_view(_find(session, alert_id))


def acknowledge(store: Store, alert_id: str, *, person: Actor, note: str | None, now: datetime, policy: Policy) -> AlertView:
    """Put on record that a person has seen it. The first one stands: somebody else's later word raises VIM-E123, one's own again changes nothing.

    Raises VIM-E122 (no such alert), VIM-E043 (neither one of those who were told, nor of the highest role for the account's segment).
    """
    note = clean_note(note)
    with store.session() as session:
        alert = _find(session, alert_id)
        people = [person_view(row) for row in session.scalars(select(Person))]
        told = {other.login for other in recipients(alert_view(alert), people, policy)}
        is_director = person.role == policy.roles[-1] and covers(person.segments, alert.segment)
        if person.name not in told and not is_director:
            raise VimError(
                "VIM-E043",
                f"{person.name} ({person.role}) may not acknowledge {alert.alert_id}",
                why=f"It was written for {', '.join(sorted(told)) or f'a {policy.roles[-1]}'}",
                fix=f"Ask a {policy.roles[-1]} who decides for {alert.segment or 'its account'}",
            )
        values = {
            "acknowledged_by": person.name,
            "acknowledged_role": person.role,
            "acknowledged_channel": person.channel,
            "acknowledged_at": now,
            "note": note,
        }
        is_first = update(Alert).where(Alert.alert_id == alert.alert_id, Alert.acknowledged_at.is_(None)).values(**values)
        moved = session.execute(is_first.execution_options(synchronize_session=False)).rowcount  # type: ignore[attr-defined]
        session.refresh(alert)
        if moved != 1 and alert.acknowledged_by != person.name:
            raise VimError(
                "VIM-E123",
                f"The alert {alert.alert_id} was acknowledged by {alert.acknowledged_by} on {alert.acknowledged_at:%Y-%m-%d %H:%M} UTC",
                why="The first acknowledgement stands",
                fix="Nothing is left to do",
            )
        return alert_view(alert)


def recipients(alert: AlertView, people: Sequence[PersonView], policy: Policy) -> list[PersonView]:
    """Who is told: the director that the account names, if that is one of us; else everybody with the highest role who decides for its segment."""
    named = next((str(fact.get("value_text") or "").casefold() for fact in alert.facts if fact.get("metric") == DIRECTOR), "")
    active = [person for person in people if person.is_active]
    owner = [person for person in active if named and person.email == named]
    if owner:
        return owner
    return [person for person in active if person.role == policy.roles[-1] and covers(person.segments, alert.segment)]


def alert_view(row: Alert) -> AlertView:
    """The plain values of a row."""
    return AlertView(**{field.name: getattr(row, field.name) for field in fields(AlertView)})


def _find(session: Session, alert_id: str) -> Alert:
    row = session.get(Alert, alert_id)
    if row is not None:
        return row
    start = alert_id.replace("\\", "").replace("%", "").replace("_", "")
    found = session.scalars(select(Alert).where(Alert.alert_id.like(f"{start}%")).limit(2)).all() if len(start) >= 6 else []
    if len(found) == 1:
        return found[0]
    what = f"Several alerts begin with '{alert_id}'" if found else f"There is no alert '{alert_id}'"
    raise VimError("VIM-E122", what, fix="See the list: vimotion inbox alerts")
