"""Who gets the digest of a night, and sending it to each of them once.

Each message is a row of `deliveries` with the night in its key, committed as `sending` before the channel is called: the rules, the retries and
the search for a lost answer are those of `approvals.deliveries`. So a process that dies between sending and recording sends again only what cannot
be found: in Slack the message is found by its metadata; of a mail nobody can tell, and a second one carries the same Message-ID (at least once).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from vim_pipelines.approvals.channels.base import Channel, Kind, Message
from vim_pipelines.approvals.channels.mail import connect as connect_mail
from vim_pipelines.approvals.deliveries import DeliveryReport, known_keys, send_rows, write_rows
from vim_pipelines.approvals.people import PersonView
from vim_pipelines.approvals.policy import Policy, policy_of
from vim_pipelines.core.errors import VimError
from vim_pipelines.core.hashing import sha256_json
from vim_pipelines.core.net import is_loopback, is_mail_address
from vim_pipelines.reporting.digest.content import is_due
from vim_pipelines.reporting.digest.mail import DigestMail
from vim_pipelines.reporting.digest.slack import DigestSlack
from vim_pipelines.store.models import Delivery

if TYPE_CHECKING:
    from datetime import datetime

    from vim_pipelines.reporting.figures import NightFigures, Nights
    from vim_pipelines.settings import Settings
    from vim_pipelines.store.engine import Store

KIND: Kind = "digest"
LOCK = "send_digest"
NO_WAY_OUT = "not sent, neither mail nor Slack is set up"
#: Recipients of one night; more are sent by the next run.
MOST_A_RUN = 200


@dataclass(frozen=True)
class DigestReport:
    """What became of one night's digest. `why_not` is not empty where nobody was to be told; `skipped` says who is not, though a director, and why."""

    as_of_date: date
    why_not: str = ""
    skipped: tuple[str, ...] = ()
    delivery: DeliveryReport | None = None
    problems: tuple[str, ...] = ()

    def metadata(self) -> dict[str, Any]:
        """For Dagster."""
        told = self.delivery.metadata() if self.delivery else {}
        problems = [*told.pop("problems", []), *self.problems]
        return {"as_of_date": self.as_of_date.isoformat(), "why_not": self.why_not, "skipped": list(self.skipped), **told, "problems": problems}

    def lines(self) -> list[str]:
        """For the command line."""
        head = f"Digest of {self.as_of_date}: {self.why_not}" if self.why_not else f"Digest of {self.as_of_date}:"
        return [head, *self.skipped, *(self.delivery.lines() if self.delivery else []), *[f"! {line}" for line in self.problems]]


def send_digest(
    store: Store,
    settings: Settings,
    nights: Nights,
    people: Sequence[PersonView],
    *,
    now: datetime,
    newest_day: date | None = None,
    is_forced: bool = False,
) -> DigestReport:
    """Send the digest of a night to whoever of `people` gets it and has not got it yet; who is limited to segments gets theirs.

    Nobody is told of a night before `newest_day` (the last complete day with data), nor of one in which nothing changed for them, unless
    `is_forced`, which sends a quiet night's digest too, and twice to nobody. `nights` holds the figures of every limit among `people` (`limits`).
    VIM-E180 for an address in VIMOTION_DIGEST_TO that is none. No channel is no error here: a schedule that runs before anything is set up must not
    fail each morning.
    """
    as_of = nights.whole.as_of_date
    if newest_day is not None and as_of < newest_day:
        return DigestReport(as_of, f"not sent, {newest_day} is not audited yet")
    if not is_forced and not any(is_due(night, settings.digest_weekly) for night in (nights.whole, *nights.of_segments.values())):
        return DigestReport(as_of, "not sent, nothing changed")
    channels = digest_channels(settings, nights)
    if not channels:
        return DigestReport(as_of, NO_WAY_OUT)
    try:
        found = recipients(people, settings, policy_of(settings), now)
        told = [person for person in found if is_forced or is_due(nights.of(person.segments), settings.digest_weekly)]
        rows = [row for channel in channels for row in _rows(channel, told, as_of, now)]
        known = known_keys(store, [row.delivery_key for row in rows])
        write_rows(store, [row for row in rows if row.delivery_key not in known])
        by_login = {person.login: person for person in found}

        def compose(row: Delivery) -> Message:
            person = by_login.get(row.recipient)  # None: sent to nobody, whatever the message
            return digest_message(row, nights.of(person.segments if person else ()), settings.inbox_url)

        delivery = send_rows(store, channels, by_login, compose, kinds=(KIND,), lock=LOCK, now=now, limit=MOST_A_RUN)
        problems = tuple(line for channel in channels if isinstance(channel, DigestSlack) for line in channel.problems)
    finally:
        for channel in channels:
            channel.close()
    quiet = tuple(f"{person.login} is not told: nothing changed in {', '.join(person.segments) or 'any segment'}" for person in found if person not in told)
    return DigestReport(as_of, "" if rows else "not sent, nobody gets it", quiet, delivery, problems)


def digest_channels(settings: Settings, nights: Nights) -> list[Channel]:
    """Mail and Slack, as far as they are set up, with this night to send. Talks to nobody."""
    found: list[Channel] = []
    mail = connect_mail(settings)
    if mail is not None:
        found.append(DigestMail(settings, mail.client, nights))
    if settings.slack_bot_token is not None:
        from vim_pipelines.vendors.slack import slack_client

        client = slack_client(settings)
        if settings.is_sandbox and not client.is_local:
            return found  # invented accounts' figures are no news for a real workspace
        found.append(DigestSlack(client, nights, settings.inbox_url, settings.digest_slack_channel or settings.slack_channel))
    return found


def reaches_people(settings: Settings) -> bool:
    """Whether a digest may reach somebody beyond this machine. Of the sandbox only where a mail server is named that is not this machine.

    A portfolio's own mail server counts wherever it stands: the one on this machine hands on to the world.
    """
    has_mail = bool(settings.smtp_host and settings.mail_from)
    if settings.is_sandbox:
        return has_mail and not is_loopback(settings.smtp_host or "")
    return has_mail or settings.slack_bot_token is not None


def is_director(person: PersonView, policy: Policy) -> bool:
    """Whether a person gets the digest by role: active, with the policy's highest."""
    return person.is_active and policy.rank(person.role) >= policy.rank(policy.roles[-1])


def limits(people: Sequence[PersonView], policy: Policy) -> list[tuple[str, ...]]:
    """The segments of each director who is limited to some: what the figures must be read of. Pure."""
    return [person.segments for person in people if person.segments and is_director(person, policy)]


def recipients(people: Sequence[PersonView], settings: Settings, policy: Policy, now: datetime) -> list[PersonView]:
    """Who gets the digest. Pure.

    The channel and the addresses of the settings stand beside the people, under their own names, with the highest role, and are told of the whole
    portfolio; a director's own address among them is the director, with that person's limits.
    """
    skip = {one.casefold() for one in _parts(settings.digest_skip)}
    found = [person for person in people if is_director(person, policy) and not {person.login.casefold(), (person.email or "").casefold()} & skip]
    known = {(person.email or "").casefold() for person in found}
    extra = PersonView("", "", policy.roles[-1], (), None, None, None, None, True, False, now)
    for address in _parts(settings.digest_to):
        if not is_mail_address(address):
            raise VimError("VIM-E180", f"VIMOTION_DIGEST_TO names {address!r}, which is no mail address", fix="Separate addresses by commas, without names")
        if address.casefold() not in known | skip:
            known.add(address.casefold())
            found.append(replace(extra, login=address, email=address))
    channel = settings.digest_slack_channel or settings.slack_channel
    if channel is not None:
        found = [*[replace(person, slack_user_id=None) for person in found], replace(extra, login=channel, name=channel)]
    return found


def digest_message(row: Delivery, night: NightFigures, inbox_url: str) -> Message:
    """The message of a row: of this night's digest, or `settled` where the row is an older night's, which nobody wants any more."""
    as_of = (row.reference or {}).get("as_of")
    return Message(
        kind="digest" if as_of == night.as_of_date.isoformat() else "settled",
        delivery_id=row.delivery_id,
        request_id=None,
        alert_id=None,
        version=1,
        payload_sha256=sha256_json([night.as_of_date.isoformat(), *[[one.id, one.text(), one.change_text()] for one in night.figures]]),
        title=night.verdict(),
        summary=(),
        text="",
        link=inbox_url.rstrip("/"),
    )


def _rows(channel: Channel, people: Sequence[PersonView], as_of: date, now: datetime) -> list[Delivery]:
    day = as_of.isoformat()

    def row(person: PersonView) -> Delivery:
        key = sha256_json([KIND, day, channel.name, person.login])
        return Delivery(
            delivery_id=f"msg-{key[:24]}", delivery_key=key, channel=channel.name, recipient=person.login, kind=KIND, state="planned", attempts=0,
            reference={"as_of": day}, created_at=now, updated_at=now,
        )  # fmt: skip

    return [row(person) for person in people if channel.address(person) is not None]


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
