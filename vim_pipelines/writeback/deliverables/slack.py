"""An approved word inside the house: one message in a Slack channel of our own people, with what the playbook names and nothing else.

It carries our key in its metadata, so that a message whose answer was lost is found before another is posted. No letter to a customer goes here:
title, next steps and the number of the note are all there is. Nothing is posted where a guest or another organization reads along.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

from vim_pipelines.core.errors import VimError
from vim_pipelines.vendors.http import VendorError
from vim_pipelines.vendors.slack import Posted, SlackClient, slack_client
from vim_pipelines.writeback.actions import Intended
from vim_pipelines.writeback.deliverables.base import STATE, Deliverable
from vim_pipelines.writeback.targets.base import CrmRecord, Found, Planned

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings

CHANNEL = re.compile(r"[CG][A-Z0-9]{2,30}")
#: What a lost answer is looked for in: the newest 1,000 messages of the channel.
PAGES = 5


class SlackWords(Deliverable):
    """Channels of the one workspace of the settings."""

    name: ClassVar[str] = "slack"

    def __init__(self, settings: Settings, client: SlackClient | None = None) -> None:
        self._client = client or slack_client(settings)

    @property
    def address(self) -> str:
        """Slack's Web API."""
        return self._client.base_url

    def planned(self, write: Intended) -> Planned:
        """VIM-E112 for what does not fit into one message (it is never cut), and for a channel that is named otherwise than by its id."""
        if not CHANNEL.fullmatch(str(write.proposed.get("channel") or "")):
            raise VimError(
                "VIM-E112", f"The word of {write.external_id} names no channel by its id", fix="Name it as C... in the playbook or VIMOTION_SLACK_CHANNEL"
            )
        if _blocks(write.proposed) is None:
            raise VimError(
                "VIM-E112", f"The word of {write.external_id} does not fit into one message", why="What was approved is not cut", fix="Post it by hand"
            )
        return super().planned(write)

    def read(self, record: CrmRecord) -> Found | None:
        """By the time stamp that the outbox remembers, else by our metadata among the channel's newest messages."""
        from vim_pipelines.approvals.channels.slack import find_ours

        channel = str(record.proposed["channel"])
        if record.record_id is not None:
            return Found(record.record_id, _fields(record, self._client.message(Posted(channel, record.record_id))))
        found = find_ours(self._client, channel, record.external_id, pages=PAGES)
        return None if found is None else Found(str(found["ts"]), _fields(record, found))

    def create(self, record: CrmRecord) -> str:
        """Post it, once. VIM-E141 where outsiders read along: nothing was posted."""
        from vim_pipelines.approvals.channels.slack_blocks import TEXT_CHARACTERS, cut, marked

        channel, blocks = str(record.proposed["channel"]), _blocks(record.proposed)
        assert blocks is not None, "planned refuses what does not fit"
        outside = self._client.outsiders(channel)
        if outside is not None:
            raise VendorError(
                "VIM-E141", f"Nothing was posted into {channel}: {outside}", why="The words are for this house alone", fix="Name another channel, and retry"
            )
        text = cut(str(record.proposed.get("title") or "Value-in-Motion"), TEXT_CHARACTERS)
        return self._client.post(channel, text, blocks, metadata=marked(record.external_id, f"{record.action}:{record.external_id}")).ts

    def withdraw(self, record: CrmRecord, record_id: str) -> None:
        """Delete the message."""
        self._client.delete(Posted(str(record.proposed["channel"]), record_id))

    def close(self) -> None:
        """Nothing is held open: the SDK connects for each request."""


def _blocks(fields: dict[str, Any]) -> list[dict[str, Any]] | None:
    from vim_pipelines.approvals.channels.slack_blocks import word_blocks

    return word_blocks(str(fields.get("title") or ""), str(fields.get("steps") or ""), str(fields.get("note") or ""))


def _fields(record: CrmRecord, found: dict[str, Any] | None) -> dict[str, Any]:
    """As it stands there. Slack gives blocks back in its own form, so that it was changed is known by its mark of an edit."""
    state = "deleted" if found is None else "edited" if found.get("edited") else "posted"
    return {**record.proposed, STATE: state}
