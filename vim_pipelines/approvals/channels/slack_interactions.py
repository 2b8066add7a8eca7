"""What a press in Slack means: one function for both doors (Socket Mode and signed HTTP), which differ only in how the payload came.

Slack says who pressed; who that is among us, and whether he may decide, is looked up here for every press. Every answer, also a refusal, goes to
the person who pressed; what everybody sees in the message follows from the store alone. A payload that comes twice decides once: the store's
compare-and-swap is what counts, not what the message still shows.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from vim_pipelines.approvals.alerts import acknowledge, show_alert
from vim_pipelines.approvals.channels.slack_blocks import (
    ACTIONS,
    NOTE_CHARACTERS,
    REASON_BLOCK,
    REASON_INPUT,
    REASON_VIEW,
    Decision,
    Form,
    Pressed,
    message_blocks,
    message_text,
    parse_form,
    parse_value,
    reason_view,
    whisper_text,
)
from vim_pipelines.approvals.deciding import decide
from vim_pipelines.approvals.messages import alert_message, request_message
from vim_pipelines.approvals.people import find_person
from vim_pipelines.approvals.policy import policy_of
from vim_pipelines.approvals.queue import show_request
from vim_pipelines.approvals.states import NOTE_NEEDED
from vim_pipelines.core.errors import VimError
from vim_pipelines.vendors.slack import Posted

if TYPE_CHECKING:
    from vim_pipelines.approvals.channels.base import Message
    from vim_pipelines.approvals.people import PersonView
    from vim_pipelines.approvals.policy import Policy
    from vim_pipelines.settings import Settings
    from vim_pipelines.store.engine import Store
    from vim_pipelines.vendors.slack import SlackClient

CHANNEL = "slack"
#: The state that each decision leads to; an answer that is there already is not an error for the person who gave it.
_LEADS_TO = {
    "approve": ("approved", "executing", "applied", "verified"),
    "reject": ("rejected", "replanning"),
    "request_changes": ("changes_requested", "replanning"),
    "dismiss": ("dismissed",),
}
_RECORDED = {"approve": "Approved", "reject": "Rejected", "request_changes": "Sent back for changes", "dismiss": "Dismissed"}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Whisper:
    """A line for one person in one channel."""

    channel: str
    user: str
    text: str


@dataclass(frozen=True)
class Answer:
    """What follows from a press: the body of the acknowledgement (modals only), and what is to be done in Slack afterwards."""

    body: dict[str, Any] | None = None
    trigger_id: str = ""
    view: dict[str, Any] | None = None
    shown: Posted | None = None
    message: Message | None = None
    whisper: Whisper | None = None


@dataclass(frozen=True)
class _Place:
    """Who pressed, and the message that it was pressed in."""

    user: str
    channel: str
    ts: str

    def tell(self, text: str) -> Whisper | None:
        return Whisper(self.channel, self.user, text) if self.channel and self.user else None

    @property
    def posted(self) -> Posted | None:
        return Posted(self.channel, self.ts) if self.channel and self.ts else None


def handle_interaction(payload: Mapping[str, Any], store: Store, settings: Settings, now: datetime) -> Answer:
    """What to answer to an interaction payload of Slack's, with the decision recorded. Anything that is not ours is acknowledged and left alone."""
    kind = payload.get("type")
    if kind == "block_actions":
        actions = payload.get("actions")
        action = next((item for item in actions if isinstance(item, Mapping) and item.get("action_id") in ACTIONS), None) if isinstance(actions, list) else None
        return _pressed(payload, action, store, settings, now) if action is not None else Answer()
    if kind == "view_submission" and _part(payload, "view").get("callback_id") == REASON_VIEW:
        return _submitted(payload, store, settings, now)
    return Answer()


def carry_out(answer: Answer, client: SlackClient) -> None:
    """Do in Slack what an answer says. The decision stands whatever fails here: the next sweep brings the message up to date."""
    view, shown, message, told = answer.view, answer.shown, answer.message, answer.whisper
    if view is not None:
        failed = _tried("open a form", lambda: client.open_view(answer.trigger_id, view))
        told = Whisper(told.channel, told.user, readable(failed)) if failed is not None and told is not None else None
    if shown is not None and message is not None:
        _tried("bring a message up to date", lambda: client.update(shown, message_text(message), message_blocks(message)))
    if told is not None:
        _tried("show an answer", lambda: client.whisper(told.channel, told.user, whisper_text(told.text)))


def _tried(what: str, call: Callable[[], None]) -> VimError | None:
    """The error of a call, logged by its code alone: the texts hold names."""
    try:
        call()
    except VimError as error:
        log.warning("Slack: could not %s: %s", what, error.code)
        return error
    except Exception as error:  # an answer of another shape; nobody waits for this call
        log.warning("Slack: could not %s: %s", what, type(error).__name__)
        return VimError("VIM-E099", f"Slack could not {what}", fix="Open the item in the inbox")
    return None


def readable(error: VimError) -> str:
    """An error for somebody in Slack: what and why, and the fix unless it is a command."""
    parts = [error.what, error.why, "" if "vimotion " in error.fix or "--" in error.fix else error.fix]
    return f"{' '.join(part.rstrip('.') + '.' for part in parts if part)} ({error.code})"


# --- presses and submissions -------------------------------------------------------------------------------------------


def _pressed(payload: Mapping[str, Any], action: Mapping[str, Any], store: Store, settings: Settings, now: datetime) -> Answer:
    container = _part(payload, "container")
    place = _Place(
        _text(_part(payload, "user"), "id"), _text(container, "channel_id") or _text(_part(payload, "channel"), "id"), _text(container, "message_ts")
    )
    decision, pressed = ACTIONS[str(action["action_id"])], parse_value(action.get("value"))
    person = _person(store, place.user)
    if person is None:
        return Answer(whisper=place.tell(_stranger(place.user)))
    if pressed is None:
        return Answer(whisper=place.tell("This button cannot be read. Open the item in the inbox."))
    policy = policy_of(settings)
    try:
        if decision == "acknowledge":
            alert = acknowledge(store, pressed.item_id, person=person.actor(CHANNEL), note=None, now=now, policy=policy)
            return Answer(shown=place.posted, message=alert_message(alert, delivery_id="", inbox_url=settings.inbox_url, kind="settled"))
        _refuse_stale(store, pressed)
        if decision in NOTE_NEEDED:
            return _form(payload, decision, pressed, place, store, policy)
        said = _record(store, decision, pressed, person, None, now, policy)
    except VimError as error:
        return Answer(shown=place.posted, message=_as_it_is(store, decision, pressed, policy, settings), whisper=place.tell(readable(error)))
    return Answer(shown=place.posted, message=_as_it_is(store, decision, pressed, policy, settings), whisper=place.tell(said))


def _form(payload: Mapping[str, Any], decision: Decision, pressed: Pressed, place: _Place, store: Store, policy: Policy) -> Answer:
    request = show_request(store, pressed.item_id)
    if request.state != "pending":
        raise VimError("VIM-E042", f"The request {request.request_id} is {request.state.replace('_', ' ')}", why="The first decision stands")
    view = reason_view(
        Form(decision, pressed, place.channel, place.ts), about=f"{policy.title(request.document)} for {request.account_name}, version {request.version}"
    )
    return Answer(trigger_id=_text(payload, "trigger_id"), view=view, whisper=place.tell(""))


def _submitted(payload: Mapping[str, Any], store: Store, settings: Settings, now: datetime) -> Answer:
    view = _part(payload, "view")
    form, user = parse_form(view.get("private_metadata")), _text(_part(payload, "user"), "id")
    if form is None:
        return _complaint("This form cannot be read. Open the item in the inbox.")
    place = _Place(user, form.channel, form.ts)
    person = _person(store, user)
    if person is None:
        return _complaint(_stranger(user))
    entered = _part(_part(_part(_part(view, "state"), "values"), REASON_BLOCK), REASON_INPUT).get("value")
    note = entered.strip()[:NOTE_CHARACTERS] if isinstance(entered, str) else ""
    policy = policy_of(settings)
    try:
        _refuse_stale(store, form.pressed)
        said = _record(store, form.decision, form.pressed, person, note or None, now, policy)
    except VimError as error:
        answer = _complaint(readable(error))
        return Answer(body=answer.body, shown=place.posted, message=_as_it_is(store, form.decision, form.pressed, policy, settings))
    shown = _as_it_is(store, form.decision, form.pressed, policy, settings)
    return Answer(body={"response_action": "clear"}, shown=place.posted, message=shown, whisper=place.tell(said))


def _refuse_stale(store: Store, pressed: Pressed) -> None:
    """Raise VIM-E041 where the stored text is not the one that was shown. The version alone is asked for again by `decide`."""
    request = show_request(store, pressed.item_id)
    if request.request_id != pressed.item_id:
        raise VimError("VIM-E040", f"There is no approval request '{pressed.item_id}'")
    if request.version == pressed.version and request.payload_sha256 != pressed.sha256:
        raise VimError(
            "VIM-E041", f"The text for {request.account_name} is not the one that this message shows", why="It was changed since", fix="Read it in the inbox"
        )


def _record(store: Store, decision: Decision, pressed: Pressed, person: PersonView, note: str | None, now: datetime, policy: Policy) -> str:
    """Decide, and say so. The same answer by the same person again is no error: Slack sends a payload twice when our answer was late."""
    try:
        decided = decide(store, pressed.item_id, decision, person=person.actor(CHANNEL), version=pressed.version, note=note, now=now, policy=policy)
    except VimError as error:
        request = show_request(store, pressed.item_id)
        is_there = request.state in _LEADS_TO.get(decision, ()) and request.decided_by == person.login and request.decided_channel == CHANNEL
        if error.code == "VIM-E042" and request.version == pressed.version and is_there:
            return f"{_RECORDED[decision]}: your answer was on record already."
        raise
    if decision == "approve" and decided.state == "pending":
        return "Your approval is on record. A second person must approve the same text before anything follows from it."
    return f"{_RECORDED[decision]}. It is on record under your name."


def _as_it_is(store: Store, decision: Decision, pressed: Pressed, policy: Policy, settings: Settings) -> Message | None:
    """The message as the store now has it: with buttons while it waits in the version that was shown, else with how it ended. None: leave it."""
    try:
        if decision == "acknowledge":
            alert = show_alert(store, pressed.item_id)
            kind_of_alert: Any = "settled" if alert.acknowledged_at is not None else "alert"
            return alert_message(alert, delivery_id="", inbox_url=settings.inbox_url, kind=kind_of_alert)
        request = show_request(store, pressed.item_id)
    except VimError:
        return None
    if request.request_id != pressed.item_id or (request.version, request.payload_sha256) != (pressed.version, pressed.sha256):
        return None
    return request_message(request, "ask" if request.state == "pending" else "settled", delivery_id="", policy=policy, inbox_url=settings.inbox_url)


def _complaint(text: str) -> Answer:
    """A line under the field of the modal, which stays open with what was typed."""
    return Answer(body={"response_action": "errors", "errors": {REASON_BLOCK: text[:1000]}})


def _stranger(user: str) -> str:
    who = user if user.isalnum() else "?"
    return f"Nothing was recorded: the Slack account {who} is not one that Value-in-Motion knows. Whoever runs it can add it to a person who decides."


def _person(store: Store, user: str) -> PersonView | None:
    return find_person(store, "slack_user_id", user) if user else None


def _part(value: Any, name: str) -> Mapping[str, Any]:
    found = value.get(name) if isinstance(value, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _text(value: Mapping[str, Any], name: str) -> str:
    found = value.get(name)
    return found if isinstance(found, str) else ""
