"""The queue: what waits, sorted by what it is worth; its export; and several low-risk items approved on one page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from vim_pipelines.approvals.deciding import decide
from vim_pipelines.approvals.queue import show_request
from vim_pipelines.core.errors import VimError
from vim_pipelines.inbox.index import endorsements, read_rows
from vim_pipelines.inbox.order import ORDER_IN_WORDS, Row, Wanted, chosen, is_low_risk, may_decide, sort_key
from vim_pipelines.inbox.shown import csv_text
from vim_pipelines.inbox.web import Ask, Inbox, page
from vim_pipelines.store.models import APPROVAL_STATES

ROWS_A_PAGE = 50
#: Requests of a state that is not pending which the queue shows: those that changed last.
MOST_OTHERS = 500
MOST_AT_ONCE = 25
WHOSE = {"all": "All", "may": "I may decide", "own": "My accounts"}
RISKS = ("red", "yellow", "green", "unknown")


@dataclass(frozen=True)
class Line:
    """One row with what depends on who looks."""

    row: Row
    role: str
    needed: int
    given: tuple[str, ...]
    may: bool
    is_low: bool


def wanted_of(ask: Ask) -> Wanted:
    """The filters of the address; what means nothing is left out."""
    query = ask.query
    state = query.get("state", "pending")
    number = query.get("page", "1")
    return Wanted(
        state=state if state in APPROVAL_STATES else "pending",
        kind=query.get("kind", "")[:64],
        risk=query.get("risk", "") if query.get("risk") in RISKS else "",
        whose=query.get("whose", "all") if query.get("whose") in WHOSE else "all",
        page=max(int(number), 1) if number.isdecimal() and len(number) < 7 else 1,
    )


def found_rows(inbox: Inbox, ask: Ask, wanted: Wanted) -> tuple[list[Row], list[Row], dict[str, list[str]]]:
    """All rows that match (their number is the count, their beginning the list), those of this page, and who has approved them already."""
    policy, today = inbox.policy, inbox.now().date()
    with inbox.store.reading() as session:
        if wanted.state == "pending":
            rows: Sequence[Row] = inbox.index.rows(session, policy, today)
        else:
            rows = sorted(read_rows(session, states=(wanted.state,), limit=MOST_OTHERS), key=lambda row: sort_key(row, policy, today))
        found = chosen(rows, wanted, ask.visitor.actor, policy, name=ask.person.name, email=ask.person.email)
        start = (wanted.page - 1) * ROWS_A_PAGE
        shown = found[start : start + ROWS_A_PAGE]
        return found, shown, endorsements(session, shown)


def show_queue(inbox: Inbox, ask: Ask) -> Response:
    """The queue."""
    wanted, policy, actor = wanted_of(ask), inbox.policy, ask.visitor.actor
    found, rows, given = found_rows(inbox, ask, wanted)
    lines = []
    for row in rows:
        role, needed = policy.needs(row)
        may = may_decide(row, actor, policy)
        lines.append(Line(row, role, needed, tuple(given.get(row.request_id, ())), may, may and is_low_risk(row, policy)))
    values: dict[str, Any] = {
        "wanted": wanted,
        "lines": lines,
        "count": len(found),
        "pages": max(-(-len(found) // ROWS_A_PAGE), 1),
        "kinds": sorted(policy.documents, key=policy.title),
        "states": APPROVAL_STATES,
        "whose": WHOSE,
        "risks": RISKS,
        "order": ORDER_IN_WORDS,
        "most_at_once": MOST_AT_ONCE,
        "address": lambda **changes: _address(wanted, changes),
        "done": _done(inbox, ask),
    }
    return page(inbox, ask, "queue_rows.html" if ask.is_fragment else "queue.html", **values)


def _address(wanted: Wanted, changes: dict[str, Any]) -> str:
    given = {"state": wanted.state, "kind": wanted.kind, "risk": wanted.risk, "whose": wanted.whose, "page": wanted.page} | changes
    path = given.pop("path", "/")
    plain = {"state": "pending", "kind": "", "risk": "", "whose": "all", "page": 1}
    query = urlencode({key: value for key, value in given.items() if value != plain[key]})
    return f"{path}?{query}" if query else str(path)


def _done(inbox: Inbox, ask: Ask) -> Row | None:
    """The request that was decided just now, as the store has it: nothing of the message comes from the address."""
    request_id = ask.query.get("done", "")
    if not request_id or len(request_id) > 64:
        return None
    with inbox.store.reading() as session:
        rows = read_rows(session, ids=[request_id])
    return next((row for row in rows if chosen([row], Wanted(), ask.visitor.actor, inbox.policy, name="", email=None)), None)


def export(inbox: Inbox, ask: Ask) -> Response:
    """All rows that match as CSV, in the order of the queue."""
    wanted, policy = wanted_of(ask), inbox.policy
    found, _, _ = found_rows(inbox, ask, wanted)
    head = ["Request", "Account", "Account key", "Document", "Version", "State", "ARR", "Currency", "Risk", "Lean risk", "Segment", "Owner"]
    head += ["Next date", "Date is", "Decide by (UTC)", "Role needed", "People needed"]
    rows = []
    for row in found:
        role, needed = policy.needs(row)
        name, day = row.deadline() or (None, None)
        rows.append(
            [row.request_id, row.account_name, row.account_key, policy.title(row.document), row.version, row.state, row.arr_amount, row.currency,
             row.risk_band, row.lean_risk, row.segment, row.owner, day, name, row.expires_at.isoformat(sep=" ", timespec="minutes"), role, needed]
        )  # fmt: skip
    return Response(csv_text(head, rows), media_type="text/csv; charset=utf-8", headers={"content-disposition": 'attachment; filename="queue.csv"'})


# --- several at once ------------------------------------------------------------------------------------------------


def confirm_batch(inbox: Inbox, ask: Ask) -> Response:
    """The texts of the chosen items, one under the other, with one button. Nothing is decided here."""
    lines = _eligible(inbox, ask, _named(ask))
    details = [show_request(inbox.store, row.request_id) for row in lines]
    return page(inbox, ask, "batch.html", details=details)


def approve_batch(inbox: Inbox, ask: Ask) -> Response:
    """Approve each item through the one decision function, in the version that was shown; one that was moved on does not stop the others."""
    named = _named(ask)
    rows = _eligible(inbox, ask, named)
    outcomes: list[tuple[Row, str, VimError | None]] = []
    for row in rows:
        try:
            with inbox.deciding:
                decided = decide(
                    inbox.store, row.request_id, "approve", person=ask.visitor.actor, version=named[row.request_id], note="approved together with others of low risk",
                    now=inbox.now(), policy=inbox.policy,
                )  # fmt: skip
            outcomes.append((row, decided.state, None))
        except VimError as error:
            outcomes.append((row, row.state, error))
    return page(inbox, ask, "batch_done.html", outcomes=outcomes)


def _named(ask: Ask) -> dict[str, int]:
    """Request id -> version, from fields `item` of the form ID:VERSION."""
    named = {}
    for text in ask.form.get("item", []):
        request_id, _, version = text.partition(":")
        if not version.isdecimal() or len(version) > 6:
            raise VimError("VIM-E138", "The form names an item without its version", fix="Choose the items again")
        named[request_id] = int(version)
    if not 1 <= len(named) <= MOST_AT_ONCE:
        raise VimError("VIM-E138", f"Choose between 1 and {MOST_AT_ONCE} items", fix="Go back to the queue and tick them")
    return named


def _eligible(inbox: Inbox, ask: Ask, named: dict[str, int]) -> list[Row]:
    """The rows of `named`, all of them or VIM-E138: what is not low risk is read one by one."""
    policy, actor = inbox.policy, ask.visitor.actor
    with inbox.store.reading() as session:
        rows = {row.request_id: row for row in read_rows(session, ids=named)}
    for request_id in named:
        row = rows.get(request_id)
        if row is None or not chosen([row], Wanted(), actor, policy, name="", email=None):
            raise VimError("VIM-E040", f"There is no approval request '{request_id[:20]}'", fix="Choose the items again")
        if row.state == "pending" and not (may_decide(row, actor, policy) and is_low_risk(row, policy)):
            raise VimError(
                "VIM-E138",
                f"{policy.title(row.document)} for {row.account_name} cannot be approved together with others",
                why="Only internal documents of green accounts that one person of the first role may decide",
                fix="Open it and decide on it alone",
            )
    return [rows[request_id] for request_id in named]
