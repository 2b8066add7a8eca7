"""What a message says: composed once, from the store, for every channel. Pure.

Each channel used to be the place where such texts drift apart; here Slack and mail show the same account, the same money and the same date,
and what a button answers for is part of the message.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from vim_pipelines.approvals.channels.base import Button, Item, Kind, Message
from vim_pipelines.approvals.queue import BAND_URGENCY
from vim_pipelines.core.hashing import sha256_json
from vim_pipelines.core.money import format_money

if TYPE_CHECKING:
    from vim_pipelines.approvals.alerts import AlertView
    from vim_pipelines.approvals.policy import Policy
    from vim_pipelines.approvals.queue import Request, RequestDetail

_PREFIX: dict[str, str] = {"reminder": "Reminder: ", "escalation": "Escalated to you: ", "alert": "Alert: "}
#: How an answer is told afterwards. A state that is not here is told by its own name.
_ENDED = {
    "approved": "Approved",
    "executing": "Approved",
    "applied": "Approved and written to the CRM",
    "verified": "Approved and written to the CRM",
    "failed": "Approved; the write failed",
    "conflicted": "Approved; the CRM had changed, nothing was written",
    "undone": "Undone",
    "rejected": "Rejected",
    "changes_requested": "Sent back for changes",
    "replanning": "Sent back; it is being written again",
    "dismissed": "Dismissed",
}
_DOORS = {"cli": "the command line", "inbox": "the inbox", "slack": "Slack", "mail": "mail", "crm": "the CRM"}


def request_message(request: RequestDetail, kind: Kind, *, delivery_id: str, policy: Policy, inbox_url: str) -> Message:
    """The message about one request. Buttons only while it waits and its record is whole; `settled` says how it ended."""
    waits = request.state == "pending" and not request.breaks and kind in ("ask", "reminder", "escalation")
    buttons: tuple[Button, ...] = ("approve", "changes", "reject") if waits else ()
    needed = str(request.approvals_needed)
    if request.endorsed_by:
        needed += f", {len(request.endorsed_by)} given by {', '.join(request.endorsed_by)}"
    summary = (
        ("Account", f"{request.account_name} ({request.account_key})"),
        ("ARR", format_money(request.arr_amount, request.currency)),
        ("Risk", request.risk_band or "unknown"),
        ("Decide by", f"{request.expires_at:%Y-%m-%d %H:%M} UTC"),
        ("Approvals needed", needed),
        ("Version", f"{request.version}, facts as of {request.as_of_date}"),
    )
    return Message(
        kind=kind,
        delivery_id=delivery_id,
        request_id=request.request_id,
        alert_id=None,
        version=request.version,
        payload_sha256=request.payload_sha256,
        title=f"{_PREFIX.get(kind, '')}{policy.title(request.document)} for {request.account_name}",
        summary=summary,
        text=request.text,
        link=link_of(inbox_url, "requests", request.request_id),
        buttons=buttons,
        outcome=request_outcome(request) if kind == "settled" else None,
        ended=None if request.state == "pending" else request.state,
        decided_by=request.decided_by,
        audience=_audience(request.audience),
    )


def list_message(requests: Sequence[Request], kind: Kind, *, delivery_id: str, policy: Policy, inbox_url: str) -> Message:
    """One message that lists `requests`, those that wait first, then the graver and the larger. It has links and no buttons: nobody decides on a list.

    On the first night dozens of drafts wait for the same person; a message for each buries the one that matters.
    """
    ordered = sorted(
        requests,
        key=lambda one: (one.state != "pending", BAND_URGENCY.get(one.risk_band or "unknown", 2), -(one.arr_amount or 0), one.account_name, one.request_id),
    )
    waiting = [request for request in ordered if request.state == "pending"]
    number = f"{len(waiting)} texts wait" if len(waiting) == len(ordered) else f"{len(waiting)} of {len(ordered)} texts wait"
    summary = [("Waiting", f"{len(waiting)} texts about {len({request.account_key for request in waiting})} accounts")]
    if waiting:
        summary.append(("Decide the first by", f"{min(request.expires_at for request in waiting):%Y-%m-%d %H:%M} UTC"))
    return Message(
        kind=kind if waiting else "settled",
        delivery_id=delivery_id,
        request_id=None,
        alert_id=None,
        version=1,
        payload_sha256=sha256_json(sorted([request.request_id, request.version, request.payload_sha256] for request in requests)),
        title=f"{_PREFIX.get(kind, '')}{number} for a decision" if waiting else f"All {len(ordered)} texts of this list are decided",
        summary=tuple(summary) if waiting else (),
        text="",
        link=inbox_url.rstrip("/"),
        items=tuple(_item(request, policy, inbox_url) for request in ordered),
    )


def _item(request: Request, policy: Policy, inbox_url: str) -> Item:
    detail = (
        f"{request.risk_band or 'unknown'} risk, ARR {format_money(request.arr_amount, request.currency)}, decide by {request.expires_at:%Y-%m-%d %H:%M} UTC"
    )
    return Item(
        request_id=request.request_id,
        version=request.version,
        payload_sha256=request.payload_sha256,
        title=f"{policy.title(request.document)} for {request.account_name}",
        detail=detail,
        link=link_of(inbox_url, "requests", request.request_id),
        outcome=request_outcome(request),
    )


def alert_message(alert: AlertView, *, delivery_id: str, inbox_url: str, kind: Kind = "alert") -> Message:
    """The message about one alert; `settled` once somebody acknowledged it."""
    is_open = alert.acknowledged_at is None
    shown = (("Account", f"{alert.account_name} ({alert.account_key})"), ("As of", alert.as_of_date.isoformat()))
    return Message(
        kind=kind,
        delivery_id=delivery_id,
        request_id=None,
        alert_id=alert.alert_id,
        version=1,
        payload_sha256=alert.text_sha256,
        title=f"{_PREFIX.get(kind, '')}{alert.text.splitlines()[0].lstrip('# ')}",
        summary=(*shown, *((str(fact["label"]), str(fact["shown"])) for fact in alert.facts if fact.get("label") and fact.get("shown"))),
        text=alert.text,
        link=link_of(inbox_url, "alerts", alert.alert_id),
        buttons=("acknowledge",) if is_open and kind == "alert" else (),
        outcome=alert_outcome(alert) if kind == "settled" else None,
        ended=None if is_open else "acknowledged",
        decided_by=alert.acknowledged_by,
    )


def failure_message(about: Mapping[str, Any], *, delivery_id: str, inbox_url: str) -> Message:
    """The message about a run that failed. `about`: title, text, and what else is known of it, as text."""
    rows = tuple((str(name), str(value)) for name, value in about.items() if name not in ("title", "text") and value)
    return Message(
        kind="failure",
        delivery_id=delivery_id,
        request_id=None,
        alert_id=None,
        version=1,
        payload_sha256=sha256_json(dict(about)),
        title=str(about.get("title") or "A run failed"),
        summary=rows,
        text=str(about.get("text") or ""),
        link=inbox_url.rstrip("/"),
    )


def request_outcome(request: Request) -> str | None:
    """Who decided what, when, through which door, and why; None while nothing is decided."""
    if request.state == "pending":
        return None
    if request.state in ("expired", "superseded"):
        return {"expired": "Expired without an answer: nothing was approved", "superseded": "A newer version took its place"}[request.state]
    said = _ENDED.get(request.state, request.state.replace("_", " ").capitalize())
    return said + _by(request.decided_by, request.decided_role, request.decided_at, request.decided_channel, request.note)


def alert_outcome(alert: AlertView) -> str | None:
    """Who has seen it, when, through which door; None while nobody has."""
    if alert.acknowledged_at is None:
        return None
    return "Acknowledged" + _by(alert.acknowledged_by, alert.acknowledged_role, alert.acknowledged_at, alert.acknowledged_channel, alert.note)


def link_of(inbox_url: str, kind: Literal["requests", "alerts"], item_id: str) -> str:
    """Address of one item in the inbox. It opens a page behind the login and nothing else."""
    return f"{inbox_url.rstrip('/')}/{kind}/{item_id}"


def _by(name: str | None, role: str | None, at: Any, channel: str | None, note: str | None) -> str:
    who = f" by {name} ({role})" if name else ""
    when = f" on {at:%Y-%m-%d %H:%M} UTC" if at is not None else ""
    door = f" through {_DOORS.get(channel, channel)}" if channel else ""
    return f"{who}{when}{door}{f': {note}' if note else ''}"


def _audience(value: str) -> Literal["internal", "customer"]:
    return "customer" if value == "customer" else "internal"
