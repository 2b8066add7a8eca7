"""Mail to approvers, over a real SMTP server on this machine: what arrives, what is refused, and what nobody can know."""

from __future__ import annotations

import email
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from email import policy as email_policy
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from vim_pipelines.approvals.channels.base import Item, Message, Undeliverable
from vim_pipelines.approvals.channels.mail import MAX_BYTES, MailChannel, compose, connect, message_id
from vim_pipelines.approvals.links import Link, read_link
from vim_pipelines.approvals.people import PersonView
from vim_pipelines.core.errors import VimError
from vim_pipelines.settings import Settings
from vim_pipelines.vendors.http import VendorError
from vim_pipelines.vendors.mail import MailClient, MailServer

NOW = datetime(2026, 11, 2, 8, 0)
PASSWORD = "a-password-that-must-not-be-shown"
ADA = PersonView("ada", "Ada Lovelace", "director", (), "ada@vendor.example", None, None, None, True, False, NOW)
MESSAGE = Message(
    kind="ask",
    delivery_id="msg-0123456789abcdef",
    request_id="req-0123456789ab",
    alert_id=None,
    version=3,
    payload_sha256="0" * 64,
    title="Save plan for Müller & Söhne",
    summary=(("Account", "Müller & Söhne (ACC-1)"), ("ARR", "60,000 USD"), ("Decide by", "2026-11-05 08:00 UTC")),
    text="150 of 200 seats are unused.\n.A line that begins with a dot.\n",
    link="http://127.0.0.1:8321/requests/req-0123456789ab",
    buttons=("approve", "reject"),
)


class Mailbox:
    """What an SMTP server got, and what it answers: `answers` by verb."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.raw: list[bytes] = []
        self.recipients: list[str] = []
        self.answers: dict[str, str] = {}
        self.drop_after_data = False

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if "RCPT" in self.answers:
            return self.answers["RCPT"]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.raw.append(envelope.content)
        self.recipients += envelope.rcpt_tos
        self.mails.append(email.message_from_bytes(envelope.content, policy=email_policy.default))
        if self.drop_after_data:
            server.transport.abort()
        return self.answers.get("DATA", "250 Queued")


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    box = Mailbox()
    box.controller = Controller(box, hostname="127.0.0.1", port=free_port())
    box.controller.start()
    yield box
    box.controller.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def settings(tmp_path: Path, port: int, **more: Any) -> Settings:
    values: dict[str, Any] = {
        "home": tmp_path, "smtp_host": "127.0.0.1", "smtp_port": port, "smtp_security": "none", "mail_from": "Value in Motion <vim@vendor.example>",
        "smtp_timeout_seconds": 3, "inbox_secret": "0123456789abcdef" * 4,
    }  # fmt: skip
    return Settings(**(values | more))


def channel_of(mailbox: Mailbox, tmp_path: Path, **more: Any) -> MailChannel:
    channel = connect(settings(tmp_path, mailbox.controller.port, **more))
    assert channel is not None
    return channel


def parts(mail: EmailMessage) -> tuple[str, str]:
    return mail.get_body(("plain",)).get_content(), mail.get_body(("html",)).get_content()


# --- what arrives -----------------------------------------------------------------------------------------------------


def test_a_mail_arrives_as_text_and_html_with_a_link_for_this_person_and_version(mailbox, tmp_path):
    channel = channel_of(mailbox, tmp_path)
    reference = channel.send(MESSAGE, ADA)
    (mail,) = mailbox.mails
    text, html = parts(mail)
    assert mailbox.recipients == ["ada@vendor.example"]
    assert mail["Subject"] == "Save plan for Müller & Söhne"
    assert reference == {"message_id": mail["Message-ID"]}
    assert "150 of 200 seats are unused.\n.A line that begins with a dot." in text.replace("\r\n", "\n")
    assert "Müller &amp; Söhne (ACC-1)" in html
    (token,) = set(re.findall(r"http://127\.0\.0\.1:8321/link/(\S+)", text))
    assert read_link(settings(tmp_path, 1), token) == Link("ada", "req-0123456789ab", 3)
    assert f"/link/{token}" in html


def test_nothing_in_a_mail_asks_anything_of_another_host_or_decides(mailbox, tmp_path):
    channel_of(mailbox, tmp_path).send(MESSAGE, ADA)
    _, html = parts(mailbox.mails[0])
    assert re.findall(r"<(script|img|form|iframe|link|style|object|input|button)\b", html) == []
    assert re.findall(r"url\(|@import|\bsrc=", html) == []
    assert len(re.findall(r"href=", html)) == 1


def test_a_second_try_has_the_same_message_id_and_all_of_an_account_is_one_thread(mailbox, tmp_path):
    channel = channel_of(mailbox, tmp_path)
    channel.send(MESSAGE, ADA)
    channel.send(MESSAGE, ADA)
    channel.send(replace(MESSAGE, delivery_id="msg-other", request_id="req-other"), ADA)
    first, second, other = mailbox.mails
    assert first["Message-ID"] == second["Message-ID"] != other["Message-ID"]
    assert first["References"] == other["References"]


def test_what_was_decided_follows_in_the_same_thread(mailbox, tmp_path):
    channel = channel_of(mailbox, tmp_path)
    reference = channel.send(MESSAGE, ADA)
    channel.settle(replace(MESSAGE, kind="settled", outcome="Approved by dora (director) through Slack"), ADA, reference)
    mail = mailbox.mails[1]
    assert mail["In-Reply-To"] == reference["message_id"] != mail["Message-ID"]
    text, _ = parts(mail)
    assert "Approved by dora (director) through Slack" in text
    assert "150 of 200" not in text
    assert "/link/" not in text


@pytest.mark.parametrize("ended", [{"decided_by": "ada", "ended": "approved"}, {"ended": "superseded"}])
def test_whoever_decided_or_gets_a_newer_version_is_not_written_to_again(mailbox, tmp_path, ended):
    """One director's hour with the queue was fifty mails to each of the others, and as many to himself."""
    channel_of(mailbox, tmp_path).settle(replace(MESSAGE, kind="settled", outcome="It ended", **ended), ADA, {"message_id": "x"})
    assert mailbox.mails == []


def a_list(number: int, name: str = "Müller & Söhne") -> Message:
    items = tuple(
        Item(f"req-{one:012d}", 2, "1" * 64, f"Save plan for {name}", "red risk", f"http://127.0.0.1:8321/requests/req-{one}") for one in range(number)
    )
    return replace(MESSAGE, request_id=None, title=f"{number} texts wait for a decision", text="", buttons=(), link="http://127.0.0.1:8321", items=items)


def test_a_list_has_a_link_for_each_request_that_opens_it_for_this_person_and_version(mailbox, tmp_path):
    channel = channel_of(mailbox, tmp_path)
    reference = channel.send(a_list(7), ADA)
    channel.settle(replace(a_list(7), kind="settled"), ADA, reference)
    (mail,) = mailbox.mails  # of a list nothing more is told: its links show it
    text, html = parts(mail)
    tokens = re.findall(r"http://127\.0\.0\.1:8321/link/(\S+)", text)
    assert [read_link(settings(tmp_path, 1), token) for token in tokens] == [Link("ada", f"req-{one:012d}", 2) for one in range(7)]
    assert all(f"/link/{token}" in html for token in tokens) and "Müller &amp; Söhne" in html


def test_a_list_of_hundreds_is_cut_and_says_so(mailbox, tmp_path):
    channel_of(mailbox, tmp_path).send(a_list(600, "<&'\"ü" * 60), ADA)
    assert len(mailbox.raw[0]) < MAX_BYTES
    text, html = parts(mailbox.mails[0])
    shown = text.count("/link/")
    assert 20 < shown < 600 and f"{600 - shown} more are in the inbox." in text and html.count("/link/") == shown


def test_a_long_text_is_cut_and_the_link_stays(mailbox, tmp_path):
    channel_of(mailbox, tmp_path).send(replace(MESSAGE, text="<&'\"ü" * 40_000), ADA)
    assert len(mailbox.raw[0]) < MAX_BYTES
    text, html = parts(mailbox.mails[0])
    assert "The rest is behind the link" in text
    assert "/link/" in text
    assert "/link/" in html


# --- attacks ----------------------------------------------------------------------------------------------------------

HOSTILE = [
    "Acme\r\nBcc: victim@example.com",
    "Acme\nSubject: Approved\n\n<script>",
    "Acme\u2028Bcc: victim@example.com",
    "Acme\x00\x0bBcc: x@example.com",
    '"><script>alert(1)</script><img src=http://evil.example/p.png>',
    "=?utf-8?q?=0D=0ABcc:_victim@example.com?=",
    "\u202etxt.exe\u200b",
    "\ud800 alone",
    '=HYPERLINK("http://evil.example","x")',
    "x" * 5000,
]


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_words_of_others_become_a_header_or_a_tag(mailbox, tmp_path, text):
    hostile = replace(MESSAGE, title=f"Save plan for {text}", summary=(("Account", text), (text, text)), text=text, outcome=text)
    channel = channel_of(mailbox, tmp_path)
    channel.send(hostile, replace(ADA, name=text))
    channel.settle(replace(hostile, kind="settled"), ADA, {"message_id": text})
    for mail, raw in zip(mailbox.mails, mailbox.raw, strict=True):
        assert set(mail.keys()) <= {
            "Subject", "From", "To", "Message-ID", "In-Reply-To", "References", "Auto-Submitted", "X-Auto-Response-Suppress", "X-VIM-Delivery", "MIME-Version",
            "Content-Type", "Date", "X-Peer", "X-MailFrom", "X-RcptTo",
        }  # fmt: skip
        assert len(mail.get_all("Subject")) == 1
        assert [address.addr_spec for address in mail["To"].addresses] == ["ada@vendor.example"]
        assert len(raw) < MAX_BYTES
        found = Tags()
        found.feed(parts(mail)[1])
        assert found.tags <= {"html", "head", "meta", "title", "body", "h1", "p", "strong", "table", "tr", "td", "div", "a"}
        assert all(link.startswith("http://127.0.0.1:8321/") for link in found.links)
    assert mailbox.recipients == ["ada@vendor.example"] * 2


@pytest.mark.parametrize(
    "person",
    [
        replace(ADA, role="customer"),
        replace(ADA, is_active=False),
        replace(ADA, email=None),
        replace(ADA, email="ada@vendor.example, eve@example.com"),
        replace(ADA, email="ada@vendor.example\r\nRCPT TO:<eve@example.com>"),
        replace(ADA, email="<ada@vendor.example>"),
        replace(ADA, email="ada"),
    ],
)
def test_only_one_person_with_a_role_is_written_to(mailbox, tmp_path, person):
    with pytest.raises(Undeliverable):
        channel_of(mailbox, tmp_path).send(MESSAGE, person)
    assert mailbox.mails == []


def test_a_text_for_a_customer_never_goes_out_as_a_letter(mailbox, tmp_path):
    channel_of(mailbox, tmp_path).send(replace(MESSAGE, audience="customer"), ADA)
    assert "was not sent to them" in parts(mailbox.mails[0])[0]


def test_the_sandbox_writes_to_this_machine_only(tmp_path):
    channel = MailChannel(settings(tmp_path, 25), MailClient(MailServer("mail.vendor.example", 25, "starttls")))
    with pytest.raises(Undeliverable, match="sandbox"):
        channel.send(MESSAGE, ADA)


# --- what goes wrong --------------------------------------------------------------------------------------------------


def test_a_recipient_who_is_refused_for_good_is_undeliverable(mailbox, tmp_path):
    mailbox.answers["RCPT"] = "550 5.1.1 No such user here"
    with pytest.raises(Undeliverable, match="No such user here") as caught:
        channel_of(mailbox, tmp_path).send(MESSAGE, ADA)
    assert caught.value.status == 550


@pytest.mark.parametrize("verb", ["RCPT", "DATA"])
def test_a_recipient_who_is_refused_for_now_may_be_tried_again(mailbox, tmp_path, verb):
    mailbox.answers[verb] = "451 4.7.1 Greylisted"
    with pytest.raises(VendorError) as caught:
        channel_of(mailbox, tmp_path).send(MESSAGE, ADA)
    assert not isinstance(caught.value, Undeliverable)
    assert (caught.value.code, caught.value.status) == ("VIM-E013", 451)


def test_a_server_that_drops_the_connection_after_the_text_leaves_it_unknown(mailbox, tmp_path):
    mailbox.drop_after_data = True
    channel = channel_of(mailbox, tmp_path)
    with pytest.raises(VendorError) as caught:
        channel.send(MESSAGE, ADA)
    assert caught.value.code == "VIM-E015"
    assert len(mailbox.mails) == 1  # it did arrive: that is why nothing may call it failed
    assert channel.find(MESSAGE, ADA) is None


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ([b"220 hi\r\n", b"250 ok\r\n", b"250 ok\r\n", b"250 ok\r\n"], "VIM-E010"),  # silent at DATA: nothing was taken
        ([b"220 hi\r\n", b"250 ok\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"], "VIM-E015"),  # silent after the text
        ([b"220 hi\r\n", b"250 ok\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n", b"hello?\r\n"], "VIM-E015"),
        ([], "VIM-E010"),
    ],
)
def test_silence_counts_by_whether_the_text_was_taken(tmp_path, script, code):
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_scripted, args=(server, script), daemon=True)
        thread.start()
        channel = connect(settings(tmp_path, server.getsockname()[1], smtp_timeout_seconds=0.3))
        with pytest.raises(VendorError) as caught:
            channel.send(MESSAGE, ADA)
        assert caught.value.code == code
        thread.join(5)


def _scripted(server: socket.socket, script: list[bytes]) -> None:
    peer, _ = server.accept()
    with peer:
        peer.settimeout(2)
        try:
            for number, answer in enumerate(script):
                heard = b""
                while number and not heard.endswith(b"\r\n.\r\n" if number == 5 else b"\r\n"):
                    heard += peer.recv(65536)
                peer.sendall(answer)
            while peer.recv(65536):
                pass
        except OSError:
            return


def test_a_server_that_is_not_there_was_sent_nothing(tmp_path):
    channel = connect(settings(tmp_path, free_port()))
    with pytest.raises(VendorError) as caught:
        channel.send(MESSAGE, ADA)
    assert caught.value.code == "VIM-E010"


def test_a_refused_login_says_so_and_shows_no_secret(tmp_path, caplog):
    caplog.set_level("DEBUG")
    box = Mailbox()
    controller = Controller(
        box,
        hostname="127.0.0.1",
        port=free_port(),
        authenticator=lambda *_: AuthResult(success=False, handled=False),
        auth_require_tls=False,
        auth_required=True,
    )
    controller.start()
    try:
        channel = connect(settings(tmp_path, controller.port, smtp_user="vim", smtp_password=PASSWORD))
        with pytest.raises(VendorError) as caught:
            channel.send(MESSAGE, ADA)
        assert caught.value.code == "VIM-E011"
        assert PASSWORD not in f"{caught.value}{caught.value!r}{caplog.text}{channel.client.server!r}"
        assert caught.value.__context__ is None or PASSWORD not in str(caught.value.__context__)
        channel = connect(settings(tmp_path, controller.port))
        with pytest.raises(VendorError) as caught:
            channel.send(MESSAGE, ADA)
        assert caught.value.code == "VIM-E011"
    finally:
        controller.stop()


def test_a_server_without_encryption_gets_no_password(mailbox, tmp_path):
    with pytest.raises(VendorError) as caught:
        channel_of(mailbox, tmp_path, smtp_security="starttls", smtp_user="vim", smtp_password=PASSWORD).send(MESSAGE, ADA)
    assert caught.value.code == "VIM-E152"
    with pytest.raises(VimError) as refused:
        MailClient(MailServer("mail.vendor.example", 25, "none"))
    assert refused.value.code == "VIM-E152"


def test_without_settings_there_is_no_channel(tmp_path):
    assert connect(Settings(home=tmp_path)) is None


def test_composing_is_pure():
    given = {"to": "ada@vendor.example", "name": "Ada", "sender": "vim@vendor.example", "link": "https://x.example/", "identity": message_id("1", "v.example")}
    boundary = re.compile(rb"={15}\d+==")
    first, second = (boundary.sub(b"", compose(MESSAGE, **given).as_bytes()) for _ in range(2))
    assert first == second
