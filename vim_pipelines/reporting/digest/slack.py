"""The digest as one Slack message, within Slack's limits: head, four figures, what changed, five accounts, what waits, one button.

Rules of `approvals.channels.slack_blocks` hold: whatever we did not write stands in plain text, escaped, so that no name mentions a channel.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vim_pipelines.approvals.channels.base import Kind, Message, Undeliverable
from vim_pipelines.approvals.channels.slack import SlackChannel, told
from vim_pipelines.approvals.channels.slack_blocks import HEADER_CHARACTERS, TOTAL_CHARACTERS, cut, delivery_metadata, is_web_address
from vim_pipelines.reporting.digest.content import Digest, FigureLine, digest_of
from vim_pipelines.reporting.digest.pictures import pictures
from vim_pipelines.vendors.http import VendorError

if TYPE_CHECKING:
    from vim_pipelines.approvals.people import PersonView
    from vim_pipelines.reporting.figures import Nights
    from vim_pipelines.vendors.slack import SlackClient

BUTTON = "vimotion_open_inbox"
#: Characters of a line of ours, and of a section that lists several.
LINE, SECTION = 300, 2_000


@dataclass
class DigestSlack(SlackChannel):
    """Slack with the digest of one night to send: to people, each of what that person answers for, or once into the channel `shared`.

    `problems` tells of pictures that did not arrive.
    """

    client: SlackClient
    nights: Nights
    inbox_url: str
    shared: str | None = None
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(self.client)

    @property
    def kinds(self) -> frozenset[Kind]:
        """The digest alone."""
        return frozenset({"digest"})

    def send(self, message: Message, person: PersonView) -> dict[str, Any]:
        """Post it, and the pictures under it. Raises as `Channel.send`; a picture that fails is told in `problems` and stops nothing."""
        try:
            where = self._where(person)
            outside = self.client.outsiders(where) if where == self.shared else None
            if outside is not None:
                raise Undeliverable(f"The digest is not posted to {where}", why=f"{outside}, and it names customers", fix="Set VIMOTION_DIGEST_SLACK_CHANNEL")
            night = self.nights.of(person.segments)
            digest = digest_of(night, inbox_url=self.inbox_url)
            posted = self.client.post(where, digest_notice(digest), digest_blocks(digest), metadata=delivery_metadata(message))
        except VendorError as error:
            raise told(error) from None
        for picture in pictures(night, 2.0):
            try:
                self.client.upload(posted, picture.png, name=f"{picture.name}.png", title=picture.alt)
            except VendorError as error:
                self.problems.append(f"slack to {person.login}: the picture {picture.name} is missing: {error}")
                break
        return {"channel": posted.channel, "ts": posted.ts}

    def address(self, person: PersonView) -> str | None:
        """The person's Slack user id; of the shared channel its own id."""
        return self.shared if person.login == self.shared else super().address(person)

    def _where(self, person: PersonView) -> str:
        return self.shared if self.shared is not None and person.login == self.shared else super()._where(person)


def digest_notice(digest: Digest) -> str:
    """What the notification shows."""
    return cut(digest.title, LINE)


def digest_blocks(digest: Digest) -> list[dict[str, Any]]:
    """The blocks of the message. The lists are shortened from their ends where all together would be more than Slack takes."""
    changes, problems = list(digest.changes), list(digest.problems)
    while True:
        blocks = _blocks(digest, changes, problems)
        if len(json.dumps(blocks, ensure_ascii=False)) <= TOTAL_CHARACTERS or not (changes or problems):
            return blocks
        (problems if len(problems) >= len(changes) else changes).pop()


def _blocks(digest: Digest, changes: Sequence[str], problems: Sequence[str]) -> list[dict[str, Any]]:
    left_out = digest.more_changes + len(digest.changes) - len(changes)
    unsaid = digest.more_problems + len(digest.problems) - len(problems)
    rest = [figure_text(line) for line in digest.figures if line not in digest.chief]
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": _plain(digest.title, HEADER_CHARACTERS)},
        *([{"type": "context", "elements": [_plain(f"{digest.scope}.", LINE)]}] if digest.scope else []),
        {"type": "section", "fields": [_plain(figure_text(line, "\n"), LINE) for line in digest.chief]},
        _section("What changed", [*changes, *([f"and {left_out} more"] if left_out else [])] or [digest.no_changes]),
        *[{"type": "section", "text": _plain(f"{account.name} ({account.key}), {account.band}\n{account.detail}", 2 * LINE)} for account in digest.accounts],
        _section("Waiting for a decision", [*digest.waiting, *([f"and {digest.more_waiting} more people"] if digest.more_waiting else [])] or ["Nothing."]),
    ]
    if is_web_address(digest.inbox):
        blocks.append(
            {
                "type": "actions",
                "elements": [{"type": "button", "action_id": BUTTON, "text": _plain("Open inbox", LINE), "style": "primary", "url": digest.inbox}],
            }
        )
    for title, lines in (
        ("", [digest.alerts] if digest.alerts else []),
        ("Data to mistrust", [*problems, *([f"and {unsaid} more"] if unsaid else [])]),
        ("", rest),
    ):
        if lines:
            blocks.append({"type": "context", "elements": [_plain("\n".join([*([title] if title else []), *lines]), SECTION)]})
    return blocks


def figure_text(line: FigureLine, between: str = ": ") -> str:
    """`Red accounts: 15 (+2)`, with what is not in the number."""
    return f"{line.label}{between}{line.value}{f' ({line.change})' if line.change else ''}{f', {line.note}' if line.note else ''}"


def _section(title: str, lines: Sequence[str]) -> dict[str, Any]:
    return {"type": "section", "text": _plain("\n".join([title, *[f"•  {line}" for line in lines]]), SECTION)}


def _plain(text: str, most: int) -> dict[str, Any]:
    return {"type": "plain_text", "text": cut(text, most) or "-", "emoji": False}
