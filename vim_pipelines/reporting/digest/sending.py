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
from vim_pipelines.approvals.people import PersonView, list_people
from vim_pipelines.approvals.policy import Policy, policy_of
from vim_pipelines.core.errors import VimError
from vim_pipelines.core.hashing import sha256_json
from vim_pipelines.core.net import is_mail_address
from vim_pipelines.reporting.digest.content import is_due
from vim_pipelines.reporting.digest.mail import DigestMail
from vim_pipelines.reporting.digest.slack import DigestSlack
from vim_pipelines.store.models import Delivery

if TYPE_CHECKING:
    from datetime import datetime

    from vim_pipelines.reporting.figures import NightFigures
    from vim_pipelines.settings import Settings
    from vim_pipelines.store.engine import Store

KIND: Kind = "digest"
LOCK = "send_digest"
NO_WAY_OUT = "not sent, neither mail nor Slack is set up"
#: Recipients of one night; more are sent by the next run.
MOST_A_RUN = 200


@dataclass(frozen=True)
class DigestReport:
    """What became of one night's digest. `why_not` is not empty where nobody was to be told."""

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
    store: Store, settings: Settings, night: NightFigures, *, now: datetime, newest_day: date | None = None, is_forced: bool = False
) -> DigestReport:
    """Send the digest of `night` to whoever gets it and has not got it yet.

    Nobody is told of a night before `newest_day` (the last complete day with data), nor of one in which nothing changed, unless `is_forced`, which
    sends a quiet night's digest too, and twice to nobody. VIM-E180 for an address in VIMOTION_DIGEST_TO that is none. No channel is no error here: a
    schedule that runs before anything is set up must not fail each morning.
    """
    if newest_day is not None and night.as_of_date < newest_day:
        return DigestReport(night.as_of_date, f"not sent, {newest_day} is not audited yet")
    if not is_forced and not is_due(night, settings.digest_weekly):
        return DigestReport(night.as_of_date, "not sent, nothing changed")
    channels = digest_channels(settings, night)
    if not channels:
        return DigestReport(night.as_of_date, NO_WAY_OUT)
    try:
        people, skipped = recipients(list_people(store), settings, policy_of(settings), now)
        rows = [row for channel in channels for row in _rows(channel, people, night, now)]
        known = known_keys(store, [row.delivery_key for row in rows])
        write_rows(store, [row for row in rows if row.delivery_key not in known])
        by_login = {person.login: person for person in people}

        def compose(row: Delivery) -> Message:
            return digest_message(row, night, settings.inbox_url)

        delivery = send_rows(store, channels, by_login, compose, kinds=(KIND,), lock=LOCK, now=now, limit=MOST_A_RUN)
        problems = tuple(line for channel in channels if isinstance(channel, DigestSlack) for line in channel.problems)
    finally:
        for channel in channels:
            channel.close()
    return DigestReport(night.as_of_date, "" if rows else "not sent, nobody gets it", tuple(skipped), delivery, problems)


def digest_channels(settings: Settings, night: NightFigures) -> list[Channel]:
    """Mail and Slack, as far as they are set up, with this night to send. Talks to nobody."""
    found: list[Channel] = []
    mail = connect_mail(settings)
    if mail is not None:
        found.append(DigestMail(settings, mail.client, night))
    if settings.slack_bot_token is not None:
        from vim_pipelines.vendors.slack import slack_client

        client = slack_client(settings)
        if settings.is_sandbox and not client.is_local:
            return found  # invented accounts' figures are no news for a real workspace
        found.append(DigestSlack(client, night, settings.inbox_url, settings.digest_slack_channel or settings.slack_channel))
    return found


def recipients(people: Sequence[PersonView], settings: Settings, policy: Policy, now: datetime) -> tuple[list[PersonView], list[str]]:
    """Who gets the digest, and in words who does not though he is a director. Pure.

    The figures are the whole portfolio's, so who answers for some segments only gets none: he would read other segments' customers and sums.
    The channel and the addresses of the settings stand beside the people, under their own names, with the highest role.
    """
    skip = {one.casefold() for one in _parts(settings.digest_skip)}
    top = policy.roles[-1]
    found, skipped = [], []
    for person in people:
        if not person.is_active or policy.rank(person.role) < policy.rank(top):
            continue
        if person.segments:
            skipped.append(f"{person.login} is not told: the digest is about all segments, and {person.name} answers for {', '.join(person.segments)}")
        elif not {person.login.casefold(), (person.email or "").casefold()} & skip:
            found.append(person)
    known = {(person.email or "").casefold() for person in found}
    extra = PersonView("", "", top, (), None, None, None, None, True, False, now)
    for address in _parts(settings.digest_to):
        if not is_mail_address(address):
            raise VimError("VIM-E180", f"VIMOTION_DIGEST_TO names {address!r}, which is no mail address", fix="Separate addresses by commas, without names")
        if address.casefold() not in known | skip:
            known.add(address.casefold())
            found.append(replace(extra, login=address, email=address))
    channel = settings.digest_slack_channel or settings.slack_channel
    if channel is not None:
        found = [*[replace(person, slack_user_id=None) for person in found], replace(extra, login=channel, name=channel)]
    return found, skipped


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


def _rows(channel: Channel, people: Sequence[PersonView], night: NightFigures, now: datetime) -> list[Delivery]:
    day = night.as_of_date.isoformat()

    def row(person: PersonView) -> Delivery:
        key = sha256_json([KIND, day, channel.name, person.login])
        return Delivery(
            delivery_id=f"msg-{key[:24]}", delivery_key=key, channel=channel.name, recipient=person.login, kind=KIND, state="planned", attempts=0,
            reference={"as_of": day}, created_at=now, updated_at=now,
        )  # fmt: skip

    return [row(person) for person in people if channel.address(person) is not None]


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
