"""What an approval can carry out in this installation: known when the question is asked, for it is part of what is approved.

What is not connected is shown to the approver as theirs to do; a text that was approved while something was not connected stays as it was approved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from vim_pipelines.core.net import is_loopback

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings

#: What every CRM takes.
CRM_ACTIONS = ("crm_note", "crm_task")


@dataclass(frozen=True)
class Connections:
    """`actions`: what is carried out here. `mailbox_domain`: the one whose mailboxes a letter may be laid into.

    `slack_channel`: where a word inside the house goes if its playbook names no channel; None: only where it does.
    """

    actions: tuple[str, ...] = CRM_ACTIONS
    mailbox_domain: str | None = None
    slack_channel: str | None = None


def connections_of(settings: Settings) -> Connections:
    """Of this installation."""
    return Connections(connected_actions(settings), settings.gmail_domain, settings.slack_channel)


def connected_actions(settings: Settings) -> tuple[str, ...]:
    """The actions that are carried out here, the CRM's first."""
    found = list(CRM_ACTIONS)
    if settings.gmail_key_file and settings.gmail_domain:
        found.append("gmail_draft")
    if settings.training_webhook_url and settings.training_webhook_secret:
        found.append("training_webhook")
    if settings.slack_bot_token and not (settings.is_sandbox and not is_loopback(urlsplit(settings.slack_base_url).hostname or "")):
        found.append("slack_internal")  # a sandbox may ask its questions in a real workspace, but posts no invented account's news there
    return tuple(found)
