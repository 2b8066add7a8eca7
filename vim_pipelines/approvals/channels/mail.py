"""Mail to colleagues who decide: what waits, how urgent it is, and a link that opens it. No answer comes back by mail.

A mail is forwarded, scanned and cached by machines we do not know, so it holds no button and no remote content, and its link decides nothing
(`approvals.links`). Everything in a `Message` is somebody else's words: headers lose their line ends, the HTML is escaped, and only people with a
role are written to, whatever a row says.
"""

from __future__ import annotations

import hashlib
import html
import re
import unicodedata
from datetime import UTC
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from vim_pipelines.approvals.channels.base import FOR_COLLEAGUES, Item, Kind, Message, Undeliverable
from vim_pipelines.approvals.links import LINK_PATH, sign_link
from vim_pipelines.approvals.policy import policy_of
from vim_pipelines.core.net import is_loopback, is_mail_address
from vim_pipelines.vendors.http import VendorError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vim_pipelines.approvals.people import PersonView
    from vim_pipelines.settings import Settings
    from vim_pipelines.vendors.mail import MailClient

#: Gmail clips what is longer (102 kB): the link at the end would be lost with it.
MAX_BYTES = 100_000
MAX_TEXT, MAX_SUBJECT, MAX_VALUE = 12_000, 180, 500
#: A list with more is cut; a line with its link takes about 700 bytes in both parts together.
MOST_ITEMS = 80
OURS = re.compile(r"<vim\.[0-9a-f]{32}@[A-Za-z0-9.-]{1,253}>")

_FONT = "font-family:Helvetica,Arial,sans-serif;"
_BODY = f"{_FONT}font-size:15px;line-height:1.5;color:#1c2733;max-width:640px;margin:0 auto;padding:16px"
_LABEL = "padding:2px 16px 2px 0;color:#5b6b7b;vertical-align:top;white-space:nowrap"
_TEXT = f"{_FONT}font-size:14px;white-space:pre-wrap;border-left:3px solid #c9d3dc;padding-left:12px;margin:16px 0"
_LINK = "display:inline-block;background:#1f5fa8;color:#ffffff;text-decoration:none;padding:10px 18px;border-radius:4px"
_SMALL = "font-size:12px;color:#5b6b7b"
_ITEM = "margin:0 0 10px;font-size:14px"
#: An item as a mail shows it: title, detail, link.
Listed = tuple[str, str, str]


class MailChannel:
    """The channel over one mail server. Nothing is asked of a mailbox, so a lost answer stays lost: the second try has the same Message-ID."""

    name = "mail"
    kinds: frozenset[Kind] = FOR_COLLEAGUES
    lists, changes = True, False

    def __init__(self, settings: Settings, client: MailClient) -> None:
        self._settings, self.client = settings, client

    def address(self, person: PersonView) -> str | None:
        """The person's e-mail address, if it is one."""
        return person.email if person.email and is_mail_address(person.email) else None

    def send(self, message: Message, person: PersonView) -> dict[str, Any]:
        """Send it once; the reference is its Message-ID. Raises as `Channel.send` does."""
        return self._send(message, person, message_id(message.delivery_id, self._domain))

    def find(self, message: Message, person: PersonView) -> dict[str, Any] | None:
        """None: SMTP cannot tell."""
        return None

    def settle(self, message: Message, person: PersonView, reference: dict[str, Any]) -> None:
        """One line in the same thread that says how it ended: what was sent cannot be changed.

        Only to who was asked and did not decide it. Whoever decided knows; a newer version comes with a mail of its own; and of a list nothing
        is told, for its links show how each ended: one director's hour with the queue was fifty mails to each of the others.
        """
        if message.items or message.ended == "superseded" or message.decided_by == person.login:
            return
        self._send(message, person, message_id(f"{message.delivery_id}:settled", self._domain), answers=str(reference.get("message_id") or ""))

    def close(self) -> None:
        """Nothing is held open."""

    @property
    def _domain(self) -> str:
        return parseaddr(self._settings.mail_from or "")[1].rpartition("@")[2] or "localhost"

    def _send(self, message: Message, person: PersonView, identity: str, answers: str = "") -> dict[str, Any]:
        address = self._may_receive(message, person)
        link = self._link(message, person)
        links = [self._signed(person, item.request_id, item.version) for item in message.items[:MOST_ITEMS]]
        mail = compose(message, to=address, name=person.name, sender=self._settings.mail_from or "", link=link, links=links, identity=identity, answers=answers)
        self._hand_over(mail, address)
        return {"message_id": identity}

    def _hand_over(self, mail: EmailMessage, address: str) -> None:
        mail["Date"] = format_datetime(self._settings.now().replace(tzinfo=UTC))
        try:
            self.client.send(mail, sender=parseaddr(self._settings.mail_from or "")[1], recipient=address)
        except VendorError as error:
            if error.code == "VIM-E013" and error.status is not None and error.status >= 500:
                raise Undeliverable(error.what, why=error.why, fix=error.fix, status=error.status, vendor_message=error.vendor_message) from None
            raise

    def _may_receive(self, message: Message, person: PersonView) -> str:
        """The address, if this message may go to it at all."""
        address = self.address(person)
        if not person.is_active or policy_of(self._settings).rank(person.role) < 0:
            raise Undeliverable(f"{person.login} has no role", why="Mail goes to people with a role only", fix="vimotion inbox people add")
        if address is None:
            raise Undeliverable(f"{person.login} has no e-mail address that can be used", fix="vimotion inbox people add LOGIN --email ADDRESS")
        if self._settings.is_sandbox and not is_loopback(self.client.server.host):
            raise Undeliverable(
                "The sandbox sends no mail to another machine", why="Its accounts are invented", fix="Unset SMTP_HOST, or set VIMOTION_PORTFOLIO"
            )
        return address

    def _link(self, message: Message, person: PersonView) -> str:
        """The signed link of a request that waits, else the plain address of the item. Both need a session."""
        if message.request_id is not None and message.kind in ("ask", "reminder", "escalation"):
            return self._signed(person, message.request_id, message.version)
        return message.link if urlsplit(message.link).scheme in ("http", "https") else self._settings.inbox_url.rstrip("/")

    def _signed(self, person: PersonView, request_id: str, version: int) -> str:
        return f"{self._settings.inbox_url.rstrip('/')}{LINK_PATH}{sign_link(self._settings, person.login, request_id, version)}"


def message_id(of: str, domain: str) -> str:
    """The Message-ID of what is called `of`: the same however often it is sent."""
    return f"<vim.{hashlib.sha256(of.encode('utf-8', 'backslashreplace')).hexdigest()[:32]}@{domain}>"


def compose(message: Message, *, to: str, name: str, sender: str, link: str, identity: str, answers: str = "", links: Sequence[str] = ()) -> EmailMessage:
    """The mail as text and as HTML, under 100 kB. Pure. All mails about one account are one thread. `links`: one for each of the first items."""
    limit = MAX_TEXT
    while True:
        mail = _composed(message, to, name, sender, link, identity, answers, limit, list(zip(message.items, links, strict=False)))
        if len(mail.as_bytes()) < MAX_BYTES or limit < 100:
            return mail
        limit, links = limit // 2, links[: len(links) * 2 // 3]


def _composed(
    message: Message, to: str, name: str, sender: str, link: str, identity: str, answers: str, limit: int, items: Sequence[tuple[Item, str]]
) -> EmailMessage:
    mail = EmailMessage()
    domain = identity.rpartition("@")[2].rstrip(">")
    root = message_id(f"thread:{dict(message.summary).get('Account') or message.request_id or message.alert_id or message.delivery_id}", domain)
    title = one_line(message.title, MAX_SUBJECT)
    mail["Subject"] = f"Re: {title}" if message.kind == "settled" else title
    mail["From"] = mail_address(*parseaddr(sender))
    mail["To"] = mail_address(one_line(name, 100), to)
    mail["Message-ID"] = identity
    answers = answers if OURS.fullmatch(answers) else ""
    mail["In-Reply-To"] = answers or root
    mail["References"] = f"{root} {answers}".strip()
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
    mail["X-Auto-Response-Suppress"] = "All"
    mail["X-VIM-Delivery"] = one_line(message.delivery_id, 80)
    is_settled = message.kind == "settled"
    rows = () if is_settled else tuple((one_line(label, 60), one_line(value, MAX_VALUE)) for label, value in message.summary)
    text = "" if is_settled else readable(message.text)
    cut = text[:limit].rstrip() + "\n[...] The rest is behind the link." if len(text) > limit else text
    outcome = one_line(message.outcome or "", 1000)
    notes = [*([f"{len(message.items) - len(items)} more are in the inbox."] if len(message.items) > len(items) else []), *_notes(message)]
    listed = [(one_line(item.title, MAX_SUBJECT), one_line(item.outcome or item.detail, MAX_VALUE), where) for item, where in items]
    mail.set_content("\n".join(_plain_lines(title, outcome, rows, cut, link, notes, listed)))
    mail.add_alternative(_html(title, outcome, rows, cut, link, notes, listed), subtype="html")
    return mail


def _notes(message: Message) -> list[str]:
    notes = []
    if message.audience == "customer" and message.kind != "settled":
        notes.append("This text is prepared for the customer. It was not sent to them, and nothing sends it by itself.")
    if message.kind in ("ask", "reminder", "escalation"):
        opened = "Each link opens its version" if message.items else "The link opens this version"
        notes.append(f"{opened} for you, for 72 hours, and decides nothing. Answers to this mail are not read.")
    elif message.kind != "settled":
        notes.append("Answers to this mail are not read.")
    return notes


def _plain_lines(title: str, outcome: str, rows: tuple[tuple[str, str], ...], text: str, link: str, notes: list[str], listed: list[Listed]) -> list[str]:
    lines = [title, "", *([outcome, ""] if outcome else []), *[f"{label}: {value}" for label, value in rows]]
    told = [line for about, detail, where in listed for line in ("", about, f"  {detail}", f"  {where}")]
    return [*lines, *(["", text] if text else []), *told, "", f"{_open(listed)}: {link}", "", *notes, ""]


def _open(listed: list[Listed]) -> str:
    return "Open the inbox" if listed else "Open it"


def _html(title: str, outcome: str, rows: tuple[tuple[str, str], ...], text: str, link: str, notes: list[str], listed: list[Listed]) -> str:
    table = "".join(f'<tr><td style="{_LABEL}">{_safe(label)}</td><td>{_safe(value)}</td></tr>' for label, value in rows)
    parts = [
        f'<h1 style="font-size:18px;margin:0 0 12px">{_safe(title)}</h1>',
        f"<p><strong>{_safe(outcome)}</strong></p>" if outcome else "",
        f'<table role="presentation" style="border-collapse:collapse;font-size:14px">{table}</table>' if rows else "",
        f'<div style="{_TEXT}">{_safe(text)}</div>' if text else "",
        *[
            f'<p style="{_ITEM}"><a href="{_safe(where)}">{_safe(about)}</a><br><span style="{_SMALL}">{_safe(detail)}</span></p>'
            for about, detail, where in listed
        ],
        f'<p><a href="{_safe(link)}" style="{_LINK}">{_open(listed)}</a></p>',
        *[f'<p style="{_SMALL}">{_safe(note)}</p>' for note in notes],
    ]
    head = '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>' + _safe(title) + "</title></head>"
    return f'{head}<body style="{_BODY}">' + "\n".join(part for part in parts if part) + "</body></html>"


def _safe(text: str) -> str:
    return html.escape(text, quote=True)


def one_line(text: str, limit: int) -> str:
    """`text` without line ends, control characters and marks that turn the direction of writing, cut to `limit`: fit for a header."""
    kept = "".join(" " if unicodedata.category(character) in ("Cc", "Zl", "Zp") else character for character in text if not _is_hidden(character))
    # Python's header classes decode an RFC 2047 word that they are given, line ends in it included: '=?' must not begin one.
    flat = " ".join(kept.split()).replace("=?", "= ?")
    return flat if len(flat) <= limit else flat[: limit - 1].rstrip() + "…"


def readable(text: str) -> str:
    """`text` with its lines, without other control characters."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join("".join(c for c in line if c == "\t" or (unicodedata.category(c) != "Cc" and not _is_hidden(c))) for line in lines)


def _is_hidden(character: str) -> bool:
    """Surrogates cannot be encoded; format marks (bidirectional overrides, zero-width) show one thing and say another."""
    return unicodedata.category(character) in ("Cs", "Cf")


def mail_address(name: str, address: str) -> Address:
    """An address of a header; Undeliverable for what is none."""
    try:
        return Address(display_name=name, addr_spec=address)
    except (HeaderParseError, ValueError, IndexError):
        raise Undeliverable("An address of a mail is none", why="VIMOTION_MAIL_FROM or a person's e-mail is not of the form NAME@HOST") from None


def connect(settings: Settings) -> MailChannel | None:
    """The channel, or None where no mail server is set. Talks to nobody."""
    if not settings.smtp_host or not settings.mail_from:
        return None
    from vim_pipelines.vendors.mail import client_from_settings

    return MailChannel(settings, client_from_settings(settings))
