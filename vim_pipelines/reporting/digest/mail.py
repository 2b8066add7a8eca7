"""The digest as a mail: text, HTML and two pictures, all of it inside the message, and small enough that Gmail shows it whole.

Gmail clips a message body beyond 102 kB, and most programs load nothing from outside until they are asked, so the pictures travel with the mail
(`cid:`) and the whole message stays under 100 kB: they are drawn finer or coarser, and left out at last, for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import parseaddr
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from vim_pipelines.approvals.channels.base import Kind, Message
from vim_pipelines.approvals.channels.mail import MAX_BYTES, MAX_SUBJECT, MailChannel, mail_address, message_id, one_line
from vim_pipelines.reporting.digest.content import COST, Digest, digest_of
from vim_pipelines.reporting.digest.pictures import Picture, pictures

if TYPE_CHECKING:
    from vim_pipelines.approvals.people import PersonView
    from vim_pipelines.reporting.figures import NightFigures, Nights
    from vim_pipelines.settings import Settings
    from vim_pipelines.vendors.mail import MailClient

#: Pixels for each CSS pixel, the sharpest first.
SCALES = (2.0, 1.5, 1.0)
LIST_NAME = "Value-in-Motion digest"


class DigestMail(MailChannel):
    """The mail channel with the digest of one night to send: to each person of what that person answers for."""

    kinds: frozenset[Kind] = frozenset({"digest"})

    def __init__(self, settings: Settings, client: MailClient, nights: Nights) -> None:
        super().__init__(settings, client)
        self._nights = nights

    def send(self, message: Message, person: PersonView) -> dict[str, Any]:
        """Send it; the reference is its Message-ID. A second try has the same one. Raises as `Channel.send`."""
        address, identity = self._may_receive(message, person), message_id(message.delivery_id, self._domain)
        sender = self._settings.mail_from or ""
        mail = digest_mail(self._nights.of(person.segments), to=address, name=person.name, sender=sender, identity=identity, inbox_url=self._settings.inbox_url)
        self._hand_over(mail, address)
        return {"message_id": identity}


def digest_mail(night: NightFigures, *, to: str, name: str, sender: str, identity: str, inbox_url: str) -> EmailMessage:
    """The whole message, under 100 kB as it travels (base 64 and headers counted)."""
    digest = digest_of(night, inbox_url=inbox_url)
    for scale in SCALES:
        mail = _composed(digest, pictures(night, scale), to=to, name=name, sender=sender, identity=identity)
        if len(mail.as_bytes()) < MAX_BYTES:
            return mail
    return _composed(digest, (), to=to, name=name, sender=sender, identity=identity)


def _composed(digest: Digest, shown: Sequence[Picture], *, to: str, name: str, sender: str, identity: str) -> EmailMessage:
    own_name, own_address = parseaddr(sender)
    domain = identity.rpartition("@")[2].rstrip(">")
    mail = EmailMessage()
    mail["Subject"] = one_line(digest.title, MAX_SUBJECT)
    mail["From"] = mail_address(own_name, own_address)
    mail["To"] = mail_address(one_line(name, 100), to)
    mail["Message-ID"] = identity
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    mail["List-Id"] = f"{LIST_NAME} <digest.{domain}>"
    # RFC 2369. By mail and not by a link: a link that scanners open would unsubscribe people who want the digest.
    mail["List-Unsubscribe"] = f"<mailto:{own_address}?subject=unsubscribe%20digest>"
    mail.set_content(digest_text(digest))
    ids = {picture.name: f"{picture.name}.{identity.lstrip('<').partition('@')[0]}@{domain}" for picture in shown}
    mail.add_alternative(digest_html(digest, [(picture, ids[picture.name]) for picture in shown]), subtype="html")
    html = mail.get_payload()[1]  # type: ignore[index]
    for picture in shown:
        html.add_related(picture.png, "image", "png", cid=f"<{ids[picture.name]}>", disposition="inline", filename=f"{picture.name}.png")  # type: ignore[union-attr]
    return mail


def digest_text(digest: Digest) -> str:
    """The digest as plain text: verdict, what changed, accounts, what waits, data, the other figures, cost."""
    lines = [digest.verdict, f"Night of {digest.as_of_date}, {digest.compared}", *([f"{digest.scope}."] if digest.scope else []), ""]
    lines += [_figure(line) for line in digest.chief]
    lines += ["", "What changed", *_listed(digest.changes, digest.more_changes, digest.no_changes)]
    lines += ["", "Accounts to look at first"]
    for account in digest.accounts:
        lines += [f"- {account.name} ({account.key}), {account.band}", f"  {account.detail}", f"  {account.link}"]
    lines += [] if digest.accounts else ["No opt-out date lies within two quarters."]
    lines += [f"{digest.more_accounts} more have an opt-out date within two quarters."] if digest.more_accounts > 0 else []
    lines += ["", "Waiting for a decision", *_listed(digest.waiting, digest.more_waiting, "Nothing.")]
    lines += [digest.alerts] if digest.alerts else []
    lines += [f"Open inbox: {digest.inbox}", f"Open the book: {digest.book}"]
    lines += ["", "Data to mistrust", *_listed(digest.problems, digest.more_problems, "None.")]
    lines += ["", "Other figures", *[_figure(line) for line in digest.others]]
    lines += ["", "Cost", *[_figure(line) for line in digest.figures if line.id == COST]]
    return "\n".join([*lines, "", "Links open pages behind the login and decide nothing. Answers to this mail are not read.", ""])


def digest_html(digest: Digest, shown: Sequence[tuple[Picture, str]] = ()) -> str:
    """The HTML part, its styles inlined (mail programs drop style sheets), `shown` with the content id of each picture."""
    import css_inline

    cids = [{"cid": cid, "alt": picture.alt} for picture, cid in shown]
    page = _template().render(digest=digest, pictures=cids, cost=COST)
    return str(css_inline.CSSInliner(keep_style_tags=True, load_remote_stylesheets=False).inline(page))


def page_of(night: NightFigures, digest: Digest) -> str:
    """The HTML part as a page for a browser, its pictures within."""
    from base64 import b64encode

    shown = pictures(night, SCALES[1])
    page = digest_html(digest, [(picture, picture.name) for picture in shown])
    for picture in shown:
        page = page.replace(f'"cid:{picture.name}"', f'"data:image/png;base64,{b64encode(picture.png).decode()}"')
    return page


@lru_cache(maxsize=1)
def _template() -> Any:
    from importlib.resources import files

    from jinja2 import Environment, StrictUndefined

    text = files("vim_pipelines.reporting.digest").joinpath("mail.html.j2").read_text(encoding="utf-8")
    return Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True).from_string(text)


def _figure(line: Any) -> str:
    change = f" ({line.change})" if line.change else ""
    return f"{line.label}: {line.value}{change}{f', {line.note}' if line.note else ''}"


def _listed(lines: Sequence[str], more: int, none: str) -> list[str]:
    return [*[f"- {line}" for line in lines], *([f"- and {more} more"] if more else [])] or [none]
