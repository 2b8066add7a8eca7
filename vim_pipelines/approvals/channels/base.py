"""What a channel is: it carries a message that somebody else composed, and says how it is found and changed again.

A channel never decides what is said or to whom, and never reads the warehouse or the operations store: everything it may show is in the
`Message`. So no door can show one thing and have another approved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from vim_pipelines.vendors.http import VendorError

if TYPE_CHECKING:
    from vim_pipelines.approvals.people import PersonView

#: ask, reminder, escalation: about a request that waits. alert: about an account, nothing to decide. failure: a run failed. digest: the night in
#: figures. settled: a message sent before, shown once more with how its question ended.
Kind = Literal["ask", "reminder", "escalation", "alert", "failure", "digest", "settled"]
Button = Literal["approve", "changes", "reject", "acknowledge"]
#: What Slack and mail carry: everything that is told to colleagues.
FOR_COLLEAGUES: frozenset[Kind] = frozenset({"ask", "reminder", "escalation", "alert", "failure"})


@dataclass(frozen=True)
class Item:
    """One request in a message that lists several. `link` opens it and holds no secret; `outcome` says how it ended, None while it waits."""

    request_id: str
    version: int
    payload_sha256: str
    title: str
    detail: str
    link: str
    outcome: str | None = None


@dataclass(frozen=True)
class Message:
    """One message to one person. All of it is data to be escaped: `title`, `summary` and `text` hold words of customers and of models.

    `delivery_id` is the same however often it is sent (mail makes its Message-ID of it). `link` opens the item and holds no secret. A button
    press answers for `request_id` in `version` (or for `alert_id`); `payload_sha256` is what was shown. `text` may be long: a channel cuts it
    and points to `link`. `outcome` is set in a settled message: who decided what, when, through which door; `ended` is the state that its request
    came to, `decided_by` the login of who brought it there. `items` is not empty in a message that lists several requests: it has no buttons.
    """

    kind: Kind
    delivery_id: str
    request_id: str | None
    alert_id: str | None
    version: int
    payload_sha256: str
    title: str
    summary: tuple[tuple[str, str], ...]
    text: str
    link: str
    buttons: tuple[Button, ...] = ()
    outcome: str | None = None
    audience: Literal["internal", "customer"] = "internal"
    ended: str | None = None
    decided_by: str | None = None
    items: tuple[Item, ...] = ()


class Undeliverable(VendorError):
    """This message can never reach this person here (no such address, a revoked token): it fails at once and is never tried again."""

    def __init__(self, what: str, *, why: str = "", fix: str = "", status: int | None = None, vendor_code: str = "", vendor_message: str = "") -> None:
        super().__init__("VIM-E120", what, why=why, fix=fix, status=status, vendor_code=vendor_code, vendor_message=vendor_message)

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (self.what, self.why, self.fix, self.status, self.vendor_code, self.vendor_message))


def _rebuild(what: str, why: str, fix: str, status: int | None, vendor_code: str, vendor_message: str) -> Undeliverable:
    return Undeliverable(what, why=why, fix=fix, status=status, vendor_code=vendor_code, vendor_message=vendor_message)


class Channel(Protocol):
    """A way to people. Built from settings by `deliveries.channels_of`; `close` frees what it holds open."""

    @property
    def name(self) -> str:
        """`slack`, `mail` or `crm`: what `deliveries.channel` says, and the channel of an answer that comes back through it."""

    @property
    def kinds(self) -> frozenset[Kind]:
        """The kinds of messages that it carries (without `settled`, which follows what was sent)."""

    @property
    def lists(self) -> bool:
        """Whether several requests may stand in one message of it. A task in a CRM is about one."""

    @property
    def changes(self) -> bool:
        """Whether what was sent can be changed. Where it cannot, one more message for each person and question says how it ended."""

    def address(self, person: PersonView) -> str | None:
        """Where it reaches the person, or None if it cannot. Asks nobody: no request leaves the house for it."""

    def send(self, message: Message, person: PersonView) -> dict[str, Any]:
        """Send it once; returns the reference by which it is found again (JSON values, no secret).

        Raises `Undeliverable` where trying again is useless, VendorError VIM-E015 where the answer was lost and it may have been sent, any other
        VendorError where it was not sent and may be tried again later.
        """

    def find(self, message: Message, person: PersonView) -> dict[str, Any] | None:
        """After a lost answer: the reference if it was sent after all. None: it was not, or this channel cannot tell; it is then sent again."""

    def settle(self, message: Message, person: PersonView, reference: dict[str, Any]) -> None:
        """Show in the message of `reference` how it ended (`message.kind` is settled, `message.outcome` says it). Nothing where that is impossible.

        Raises as `send` does.
        """

    def close(self) -> None:
        """Let go of connections."""
