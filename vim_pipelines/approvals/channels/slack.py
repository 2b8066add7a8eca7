"""Slack as a channel: a direct message to each person, or one channel for all, and what is shown once the question is decided.

The reference of a delivery is channel and ts: with them `chat.update` takes the buttons away also days later, when the `response_url` of a press
is long dead. What a press means is decided in `slack_interactions`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vim_pipelines.approvals.channels.base import Kind, Message, Undeliverable
from vim_pipelines.approvals.channels.slack_blocks import carried, delivery_metadata, message_blocks, message_text, subject_of
from vim_pipelines.vendors.http import VendorError
from vim_pipelines.vendors.slack import Posted, is_transient

if TYPE_CHECKING:
    from vim_pipelines.approvals.people import PersonView
    from vim_pipelines.settings import Settings
    from vim_pipelines.vendors.slack import SlackClient

#: A letter to a customer is never posted: it belongs into a mailbox.
KINDS: frozenset[Kind] = frozenset({"ask", "reminder", "escalation", "alert", "failure"})
#: Somebody deleted the message, or Slack's retention did: there is nothing left to change.
GONE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed", "channel_not_found", "is_archived"})


class SlackChannel:
    """Messages through one workspace. `channel` is an id (C...) that everything goes to; None: each person's direct messages."""

    def __init__(self, client: SlackClient, *, channel: str | None = None) -> None:
        self._client, self._channel = client, channel or None
        self._direct: dict[str, str] = {}

    @property
    def name(self) -> str:
        """What `deliveries.channel` says."""
        return "slack"

    @property
    def lists(self) -> bool:
        """A list of links, without buttons."""
        return True

    @property
    def changes(self) -> bool:
        """By `chat.update`."""
        return True

    @property
    def kinds(self) -> frozenset[Kind]:
        """All but letters."""
        return KINDS

    def address(self, person: PersonView) -> str | None:
        """The person's Slack user id; nobody without one is told, not even in a shared channel: nobody could press there."""
        return person.slack_user_id

    def send(self, message: Message, person: PersonView) -> dict[str, Any]:
        """Post it. In a shared channel the same question stands once, however many people are asked. Raises as `Channel.send`."""
        try:
            there = self._find(message, person, pages=1) if self._channel is not None else None
            if there is not None:
                return there
            posted = self._client.post(self._where(person), message_text(message), message_blocks(message), metadata=delivery_metadata(message))
        except VendorError as error:
            raise told(error) from None
        return {"channel": posted.channel, "ts": posted.ts}

    def find(self, message: Message, person: PersonView) -> dict[str, Any] | None:
        """The message of this delivery among the newest thousand there. Another app's metadata with our id is not believed."""
        try:
            return self._find(message, person, pages=5)
        except VendorError as error:
            raise told(error) from None

    def _find(self, message: Message, person: PersonView, *, pages: int) -> dict[str, Any] | None:
        where, subject = self._where(person), subject_of(message) if self._channel is not None else None
        found = find_ours(self._client, where, message.delivery_id, subject=subject, pages=pages)
        return None if found is None else {"channel": where, "ts": str(found["ts"])}

    def settle(self, message: Message, person: PersonView, reference: dict[str, Any]) -> None:
        """Show how it ended, without buttons; nothing where the message is gone."""
        posted = Posted(str(reference.get("channel", "")), str(reference.get("ts", "")))
        try:
            self._client.update(posted, message_text(message), message_blocks(message))
        except VendorError as error:
            if error.vendor_code not in GONE:
                raise told(error) from None

    def close(self) -> None:
        """Nothing is held open: the SDK connects for each request."""

    def _where(self, person: PersonView) -> str:
        if self._channel is not None:
            return self._channel
        user = person.slack_user_id
        if not user:
            raise Undeliverable(f"{person.login} has no Slack user id", fix=f"vimotion inbox people add {person.login} --slack-user U...")
        if user not in self._direct:
            self._direct[user] = self._client.open_dm(user)
        return self._direct[user]


def find_ours(client: SlackClient, channel: str, delivery_id: str, *, subject: str | None = None, pages: int) -> dict[str, Any] | None:
    """The newest message there whose metadata say `delivery_id` (or `subject`) and that our own app posted; None if it is not among the newest 200 for each page."""
    us = client.identity()
    for found in client.history(channel, pages=pages):
        carries, about = carried(found)
        if (carries == delivery_id or (subject is not None and about == subject)) and found.get("bot_id") == us.bot_id:
            return found
    return None


def connect(settings: Settings) -> SlackChannel | None:
    """The channel of this installation, or None without SLACK_BOT_TOKEN. Nothing is sent, and the SDK is not loaded."""
    if settings.slack_bot_token is None:
        return None
    from vim_pipelines.vendors.slack import slack_client

    return SlackChannel(slack_client(settings), channel=settings.slack_channel)


def told(error: VendorError) -> VendorError:
    """The error as a sweep reads it: try again, look first, or never again."""
    if is_transient(error) or error.code == "VIM-E015" or isinstance(error, Undeliverable):
        return error
    return Undeliverable(error.what, why=error.why, fix=error.fix, status=error.status, vendor_code=error.vendor_code, vendor_message=error.vendor_message)
