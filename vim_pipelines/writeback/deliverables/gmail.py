"""An approved letter as a draft in the mailbox of the account's Customer Success Manager. A person reads it there once more and sends it, or not.

The draft carries our key in a header, so that a draft whose answer was lost is found before another is made. A draft that is gone was sent or
deleted by its owner: that is their answer, and it is never made again.
"""

from __future__ import annotations

from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import parseaddr
from typing import TYPE_CHECKING, ClassVar

from vim_pipelines.core.errors import VimError
from vim_pipelines.vendors.gmail import MARK, GmailClient, GmailDraft, client_from_settings, in_domain
from vim_pipelines.writeback.actions import Intended
from vim_pipelines.writeback.deliverables.base import STATE, Deliverable
from vim_pipelines.writeback.targets.base import CrmRecord, Found, Planned

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings
    from vim_pipelines.vendors.http import TransportOptions


class GmailDrafts(Deliverable):
    """Mailboxes of GMAIL_DOMAIN, a client for each that is asked for."""

    name: ClassVar[str] = "gmail"

    def __init__(self, settings: Settings, options: TransportOptions | None = None) -> None:
        self._settings, self._options = settings, options
        self._clients: dict[str, GmailClient] = {}

    @property
    def address(self) -> str:
        """Gmail's API."""
        return self._settings.gmail_base_url

    def planned(self, write: Intended) -> Planned:
        """VIM-E153 for a mailbox that may not be opened, VIM-E112 for a recipient that no mail can name."""
        mailbox = str(write.proposed.get("mailbox") or "")
        if not in_domain(mailbox, self._settings.gmail_domain):
            raise VimError(
                "VIM-E153", f"The mailbox {mailbox or '(none)'} is not in {self._settings.gmail_domain}", fix="Correct the address of the account's CSM"
            )
        try:
            letter(write.external_id, write.proposed)
        except (ValueError, HeaderParseError, IndexError):
            raise VimError("VIM-E112", f"The letter of {write.external_id} cannot be written as a mail", fix="Write it by hand") from None
        return super().planned(write)

    def read(self, record: CrmRecord) -> Found | None:
        """By the id that the outbox remembers, else by our header among the mailbox's drafts."""
        client = self._client(record)
        if record.record_id is not None:
            draft = client.draft(record.record_id)
            return Found(record.record_id, _fields(record, draft))
        draft = client.find(record.external_id)
        return None if draft is None else Found(draft.draft_id, _fields(record, draft))

    def create(self, record: CrmRecord) -> str:
        """One draft; nothing is sent."""
        return self._client(record).create_draft(letter(record.external_id, record.proposed))

    def withdraw(self, record: CrmRecord, record_id: str) -> None:
        """Delete the draft while it is one."""
        self._client(record).delete_draft(record_id)

    def close(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            client.close()

    def _client(self, record: CrmRecord) -> GmailClient:
        mailbox = str(record.proposed["mailbox"])
        if mailbox not in self._clients:
            self._clients[mailbox] = client_from_settings(self._settings, mailbox, options=self._options)
        return self._clients[mailbox]


def letter(key: str, fields: dict[str, str]) -> EmailMessage:
    """The draft as a mail: the approved text and nothing else, our key in a header. Pure. ValueError for an address or a subject that is none."""
    mail = EmailMessage()
    mail[MARK] = key
    mail["From"] = Address(addr_spec=str(fields["mailbox"]))
    if fields.get("to"):
        mail["To"] = Address(addr_spec=str(fields["to"]))
    if fields.get("cc"):
        mail["Cc"] = Address(addr_spec=str(fields["cc"]))
    # Python decodes an RFC 2047 word that it is given, with the line ends in it.
    mail["Subject"] = " ".join(str(fields.get("subject") or "").split()).replace("=?", "= ?")
    mail.set_content(str(fields["body"]))
    return mail


def _fields(record: CrmRecord, draft: GmailDraft | None) -> dict[str, str]:
    """As it lies there, in the names of `proposed`; of a draft that is gone nothing more is known than that."""
    shown = {name: str(value) for name, value in record.proposed.items()}
    if draft is None:
        return shown | {STATE: "sent or deleted"}
    return shown | {
        "to": parseaddr(draft.to)[1] or draft.to,
        "subject": _as_proposed(record, draft.subject),
        "body": draft.body,
        STATE: "draft",
    }


def _as_proposed(record: CrmRecord, subject: str) -> str:
    proposed = str(record.proposed.get("subject") or "")
    return proposed if " ".join(proposed.split()).replace("=?", "= ?") == subject else subject
