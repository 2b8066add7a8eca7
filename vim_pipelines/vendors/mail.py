"""One mail server by SMTP, and what became of a message: sent, refused, not sent, or nobody knows.

The line is drawn at DATA. Before the server has said 354 nothing can have been sent; after it, an answer that does not come may mean that the
message is on its way, and sending it again would send it twice. smtplib's own `sendmail` hides that line, so its steps are taken one by one.
RFC 5321 (section 4.2.1: 4yz try later, 5yz do not; 4.5.3.2: time-outs), RFC 3207 (STARTTLS).
"""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass, field
from email import policy
from typing import TYPE_CHECKING, Literal

from vim_pipelines.core.errors import VimError
from vim_pipelines.core.net import is_loopback
from vim_pipelines.vendors.http import QUOTED_CHARACTERS, VendorError

if TYPE_CHECKING:
    from email.message import EmailMessage

    from vim_pipelines.settings import Settings

Security = Literal["starttls", "ssl", "none"]
#: RFC 5321 asks for minutes; a night must not hang on a mail server, and an answer that is later than this counts as lost.
TIMEOUT_SECONDS = 30.0
AUTH_REFUSED = (530, 534, 535, 538)


@dataclass(frozen=True)
class MailServer:
    """Where and how mail is handed over. `security` none is for a server on this machine only."""

    host: str
    port: int
    security: Security = "starttls"
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    timeout_seconds: float = TIMEOUT_SECONDS


class MailClient:
    """Hands messages to one server, over a connection for each: a server that went away between two messages costs nothing."""

    def __init__(self, server: MailServer, context: ssl.SSLContext | None = None) -> None:
        if server.security == "none" and not is_loopback(server.host):
            raise VimError(
                "VIM-E152",
                f"Mail to {server.host} would travel unencrypted",
                why="SMTP_SECURITY=none is for a server on this machine",
                fix="Set SMTP_SECURITY to starttls or ssl",
            )
        self.server = server
        self._context = context

    def check(self) -> None:
        """Connect, encrypt and log in, and send nothing. Raises as `send` does."""
        with self._session() as smtp:
            self._expect(smtp.docmd("NOOP"), "NOOP", 250)

    def send(self, message: EmailMessage, *, sender: str, recipient: str) -> None:
        """Hand over one message for one recipient.

        VIM-E013 with the server's code as `status`: 5xx is final, 4xx may be tried later. VIM-E010: not reached, nothing sent. VIM-E011: the login
        was refused. VIM-E015: the server took the message and its answer never came. VIM-E152: no encryption.
        """
        content = message.as_bytes(policy=policy.SMTP)
        with self._session() as smtp:
            try:
                self._expect(smtp.mail(sender), "MAIL", 250)
                self._expect(smtp.rcpt(recipient), "RCPT", 250, 251)
                self._expect(smtp.docmd("DATA"), "DATA", 354)
            except (OSError, smtplib.SMTPException) as error:
                raise self._unreachable(error) from None
            try:
                smtp.send(_dotted(content))
                answer = smtp.getreply()
                if answer[0] < 250:  # smtplib gives -1 where the connection ended in the middle of an answer
                    raise smtplib.SMTPServerDisconnected("no answer")
            except (OSError, smtplib.SMTPException) as error:
                raise VendorError(
                    "VIM-E015",
                    f"Whether the mail server {self.server.host} sent the message {message['Message-ID']} is unknown",
                    why=f"It took the text and gave no answer ({type(error).__name__})",
                    fix="Nothing was repeated; a second try carries the same Message-ID, by which mailboxes know it",
                ) from None
            self._expect(answer, "the message", 250)

    def _session(self) -> _Session:
        return _Session(self)

    def _open(self) -> smtplib.SMTP:
        server = self.server
        smtp: smtplib.SMTP | None = None
        try:
            if server.security == "ssl":
                smtp = smtplib.SMTP_SSL(server.host, server.port, timeout=server.timeout_seconds, context=self._tls())
            else:
                smtp = smtplib.SMTP(server.host, server.port, timeout=server.timeout_seconds)
            smtp.ehlo_or_helo_if_needed()
            if server.security == "starttls":
                if not smtp.has_extn("starttls"):
                    raise VendorError("VIM-E152", f"The mail server {server.host} offers no encryption", fix="Set SMTP_SECURITY to ssl and SMTP_PORT to 465")
                smtp.starttls(context=self._tls())
                smtp.ehlo_or_helo_if_needed()
            if server.user:
                smtp.login(server.user, server.password or "")
            return smtp
        except BaseException as error:
            if smtp is not None:
                smtp.close()
            if isinstance(error, smtplib.SMTPAuthenticationError):
                raise VendorError(
                    "VIM-E011",
                    f"The mail server {server.host} refused our login",
                    why=f"It answered {error.smtp_code}",  # its text may quote the user name
                    fix="Check SMTP_USER and SMTP_PASSWORD",
                    status=error.smtp_code,
                ) from None
            if isinstance(error, ssl.SSLError):
                raise VendorError(
                    "VIM-E152",
                    f"The mail server {server.host} could not be trusted",
                    why=f"{type(error).__name__}: {error.reason}",
                    fix="Check SMTP_HOST, SMTP_PORT and SMTP_SECURITY, and the server's certificate",
                ) from None
            if isinstance(error, OSError | smtplib.SMTPException):
                raise self._unreachable(error) from None
            raise

    def _tls(self) -> ssl.SSLContext:
        return self._context or ssl.create_default_context()

    def _expect(self, answer: tuple[int, bytes], step: str, *right: int) -> None:
        code, said = answer
        if code in right:
            return
        if code in AUTH_REFUSED:
            raise VendorError("VIM-E011", f"The mail server {self.server.host} wants a login first", fix="Set SMTP_USER and SMTP_PASSWORD", status=code)
        if code < 400:
            raise smtplib.SMTPServerDisconnected(f"answer {code}")
        text = said.decode("utf-8", errors="replace")
        if self.server.password:
            text = text.replace(self.server.password, "***")
        is_final = code >= 500
        raise VendorError(
            "VIM-E013",
            f"The mail server {self.server.host} refused {step} with {code}",
            why=" ".join(text.split())[:QUOTED_CHARACTERS],
            fix="Correct the address or the sender; it was not repeated" if is_final else "It is tried again later",
            status=code,
            vendor_message=" ".join(text.split())[:QUOTED_CHARACTERS],
        )

    def _unreachable(self, error: Exception) -> VendorError:
        if isinstance(error, VendorError):
            return error
        return VendorError(
            "VIM-E010",
            f"The mail server {self.server.host}:{self.server.port} cannot be reached",
            why=type(error).__name__,
            fix="Check SMTP_HOST, SMTP_PORT, SMTP_SECURITY and the network",
        )


class _Session:
    """A connection that is closed whatever happens, politely where it still can be."""

    def __init__(self, client: MailClient) -> None:
        self._client = client
        self._smtp: smtplib.SMTP | None = None

    def __enter__(self) -> smtplib.SMTP:
        self._smtp = self._client._open()
        return self._smtp

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        assert self._smtp is not None
        try:
            if kind is None:
                self._smtp.quit()
        except (OSError, smtplib.SMTPException):
            pass
        finally:
            self._smtp.close()


def _dotted(content: bytes) -> bytes:
    """The text as it goes over the wire: a leading dot doubled, ended by a line with one (RFC 5321, section 4.5.2)."""
    lines = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    if lines and not lines[-1]:
        lines.pop()
    return b"".join((b"." if line.startswith(b".") else b"") + line + b"\r\n" for line in lines) + b".\r\n"


def client_from_settings(settings: Settings) -> MailClient:
    """The client of the server that the settings name; VIM-E001 if SMTP_HOST or VIMOTION_MAIL_FROM is missing."""
    settings.require("smtp_host", "mail_from")
    assert settings.smtp_host
    password = settings.smtp_password.get_secret_value() if settings.smtp_password else None
    return MailClient(MailServer(settings.smtp_host, settings.smtp_port, settings.smtp_security, settings.smtp_user, password, settings.smtp_timeout_seconds))
