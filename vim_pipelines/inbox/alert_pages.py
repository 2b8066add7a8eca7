"""What the Director is told without being asked, and the button that says it was seen."""

from __future__ import annotations

from markupsafe import Markup
from starlette.responses import Response

from vim_pipelines.approvals.alerts import AlertView, acknowledge, list_alerts, recipients, show_alert
from vim_pipelines.approvals.people import list_people
from vim_pipelines.core.errors import VimError
from vim_pipelines.inbox.order import may_see
from vim_pipelines.inbox.text import render
from vim_pipelines.inbox.web import Ask, Inbox, page, seen_other

MOST_ALERTS = 200


def show_alerts(inbox: Inbox, ask: Ask) -> Response:
    """Alerts that nobody has acknowledged, then the newest of the others."""
    actor = ask.visitor.actor
    waiting, seen = (list_alerts(inbox.store, is_open=is_open, segments=actor.segments, limit=MOST_ALERTS) for is_open in (True, False))
    people = list_people(inbox.store) if waiting else []
    me, is_highest = ask.person.login, ask.person.role == inbox.policy.roles[-1]
    told_of = {alert.alert_id: recipients(alert, people, inbox.policy) for alert in waiting}
    told = {alert_id: [one.name for one in those] for alert_id, those in told_of.items()}
    may = {alert_id for alert_id, those in told_of.items() if is_highest or me in {one.login for one in those}}
    texts = {alert.alert_id: Markup(render(alert.text, ())) for alert in waiting}
    return page(inbox, ask, "alerts.html", waiting=waiting, texts=texts, told=told, may=may, seen=seen)


def do_acknowledge(inbox: Inbox, ask: Ask) -> Response:
    """Record that a person has seen it; the first one stands."""
    alert = _visible(inbox, ask)
    with inbox.deciding:
        acknowledge(inbox.store, alert.alert_id, person=ask.visitor.actor, note=ask.field("note").strip()[:4000] or None, now=inbox.now(), policy=inbox.policy)
    return seen_other("/alerts")


def _visible(inbox: Inbox, ask: Ask) -> AlertView:
    alert_id = ask.params["alert_id"]
    alert = show_alert(inbox.store, alert_id)
    if alert.alert_id != alert_id or not may_see(ask.visitor.actor, alert.segment):  # a beginning of an id is not an id
        raise VimError("VIM-E122", f"There is no alert '{alert_id[:20]}'", fix="Go to the alerts")
    return alert
