"""One account from the signal to the CRM: what a newcomer is shown, with the figures and the request of the night that has just run.

Nothing here is written down beforehand but the words: every number, name and id is read from the marts and the store, and with `--walk` the same
steps are done, so that a test can hold the words to what happens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from vim_pipelines.core.errors import VimError
from vim_pipelines.core.money import format_money

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings
    from vim_pipelines.store.engine import Store

ACCOUNT = "ACC-HEADLINE"
DOCUMENT = "value_realization_roadmap"
#: States in which the request of the tour has been walked already.
WALKED = ("approved", "executing", "applied", "verified", "undone")
NOTE = "vimotion demo --walk"


@dataclass(frozen=True)
class Places:
    """Where things are: addresses of the inbox, the book and Dagster (None where not served), and how commands are called."""

    inbox: str
    book: str | None
    dagster: str | None
    command: str


@dataclass(frozen=True)
class Tour:
    """What the tour is about. Money and counts are None where the night could not say."""

    account_key: str
    account_name: str
    as_of: Any
    product: str
    seats: Any
    used: Any
    unused: Any
    unit_price: Decimal | None
    waste: Decimal | None
    currency: str
    renewal: Any
    days_to_renewal: Any
    request_id: str
    document: str
    role: str
    state: str


def prepare(settings: Settings, store: Store) -> Tour:
    """The tour of this night. VIM-E024 if nothing was published, VIM-E040 if nobody is asked anything about the account."""
    from vim_pipelines.approvals.policy import policy_of
    from vim_pipelines.approvals.queue import list_requests
    from vim_pipelines.reporting.account import read_account

    found = read_account(settings, ACCOUNT)
    signals = found["signals"][0]
    line: dict[str, Any] = max(found["waste"], key=lambda row: row["unused_value_annual"] or 0, default={})
    requests = list_requests(store, states=("pending", *WALKED), account_key=ACCOUNT)
    if not requests:
        raise VimError("VIM-E040", f"Nobody is asked anything about {ACCOUNT}", fix="Name an empty folder with --home")
    request = max(requests, key=lambda row: (row.document == DOCUMENT, row.version, row.state == "pending"))
    return Tour(
        account_key=ACCOUNT,
        account_name=signals["account_name"],
        as_of=signals["as_of_date"],
        product=line.get("product") or "the product",
        seats=line.get("seats"),
        used=signals["active_users_28d"],
        unused=line.get("unused_seats"),
        unit_price=line.get("net_unit_price_annual"),
        waste=line.get("unused_value_annual"),
        currency=line.get("currency") or signals["currency"],
        renewal=signals["next_renewal_date"],
        days_to_renewal=signals.get("days_to_renewal"),
        request_id=request.request_id,
        document=policy_of(settings).title(request.document),
        role=request.approver_role,
        state=request.state,
    )


def arithmetic(tour: Tour) -> str:
    """`150 x $300 = $45,000 a year`, as the contract line says."""
    if tour.unused is None or tour.unit_price is None:
        return "money unknown: the contract line has no price"
    return f"{tour.unused} x {format_money(tour.unit_price, tour.currency)} = {format_money(tour.waste, tour.currency)} a year"


def page_of_account(tour: Tour) -> str:
    """Path of the account's page in the book."""
    from vim_pipelines.reporting.book.read import slug

    return f"accounts/{slug(tour.account_key)}.html"


def step_lines(tour: Tour, places: Places) -> list[list[str]]:
    """The numbered steps: what to do, where, and what to expect."""
    run, request = places.command, tour.request_id
    return [
        [
            f"The signal. {tour.account_name} pays for {tour.seats} seats of {tour.product}; {tour.used} people used it in 28 days.",
            f"Unused: {arithmetic(tour)}, found {tour.days_to_renewal} days before the renewal on {tour.renewal}.",
            f"Look: {run} account show {tour.account_key}" + (f"   or {places.book}{page_of_account(tour)}" if places.book else ""),
        ],
        [
            f"The draft. The night has written a {tour.document} about it: a plan to put the seats to use before anyone talks of fewer.",
            f"Open: {places.inbox}/requests/{request}   (log in as csm)",
            "Expect: the text, and beside each figure the rows that it comes from. Nothing has been sent or written anywhere.",
        ],
        [
            f"The decision. A {tour.role} decides on this account.",
            f"Do: log in as {tour.role} and press Approve, or type: {run} inbox approve {request} --as {tour.role}",
            "Expect: the request is approved, and the approval is bound to exactly this text.",
        ],
        [
            "The CRM. What was approved is written to the (emulated) CRM, once, and read back.",
            (f"Wait a minute for the sensor approved_requests in Dagster ({places.dagster}), or type: " if places.dagster else "Type: ")
            + f"{run} write-back run",
            "Expect: the text as a record of its own and a task with owner and date, both verified by reading them back.",
        ],
        [
            "The proof. Each field before, as it was sent, and as the CRM then showed it.",
            f"Type: {run} write-back show {request}",
            f'Take it back, if you like: {run} write-back undo {request} --as {tour.role} --note "only trying"',
        ],
        [
            "The next day.",
            f"Type: {run} sandbox advance   and then: {run} audit",
            "Expect: one more day of data; drafts only where the facts have changed.",
        ],
    ]


def numbered(steps: list[list[str]], first: int = 1) -> list[str]:
    """Steps as lines, with a number before the first line of each."""
    return [f"{f'{number}.' if place == 0 else '':<3} {line}" for number, step in enumerate(steps, first) for place, line in enumerate(step)]


def walk(settings: Settings, store: Store, tour: Tour, say: Callable[[str], object]) -> None:
    """Do the tour: approve as the director, write back, and show what stands in the CRM. A request that was walked is only shown.

    `settings` are those of the served sandbox. Raises VIM-E015 if a write is not verified in the end.
    """
    from vim_pipelines.approvals.deciding import decide
    from vim_pipelines.approvals.people import find_person
    from vim_pipelines.approvals.policy import policy_of
    from vim_pipelines.approvals.queue import show_request
    from vim_pipelines.night import run_write_backs
    from vim_pipelines.writeback.text import find_writes

    current = show_request(store, tour.request_id)
    if current.state == "pending":
        director = find_person(store, "login", "director")
        if director is None:
            raise VimError("VIM-E048", "The sandbox has no director", fix="Name an empty folder with --home")
        decided = decide(
            store,
            current.request_id,
            "approve",
            person=director.actor("cli"),
            version=current.version,
            note=NOTE,
            now=settings.now(),
            policy=policy_of(settings),
        )
        say(f"Approved: {decided.request_id} by {director.name} ({director.role}), bound to sha256 {(decided.approved_sha256 or '')[:16]}...")
    done = run_write_backs(settings)
    for line in done.lines():
        say(line)
    if done.failures:
        raise done.failures[0]
    writes = find_writes(store, tour.request_id)
    for line in shown_records(writes):
        say(line)
    open_writes = [entry["entry_id"] for entry in writes if entry["state"] not in ("verified", "undone")]
    if open_writes:
        raise VimError("VIM-E015", f"{len(open_writes)} writes are not verified", why=", ".join(open_writes), fix="Run vimotion write-back reconcile")


def shown_records(writes: list[dict[str, Any]]) -> Iterator[str]:
    """Each record of the CRM before and after."""
    for entry in writes:
        yield f"{entry['target']} {entry['object_name']} {entry['record_id'] or entry['external_id']}: {entry['state']}"
        before, after = entry["before"] or {}, entry["after"] or {}
        for name in entry["proposed"]:
            yield f"  {name:<24} before {_short(before.get(name)):<14} now {_short(after.get(name))}"


def _short(value: Any) -> str:
    if value is None:
        return "(nothing)"
    text = " ".join(str(value).split())
    return text if len(text) <= 70 else text[:67] + "..."
