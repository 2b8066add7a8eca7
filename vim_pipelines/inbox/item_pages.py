"""One item: the text with the evidence behind each of its values, what a yes sets in motion, and the ways to answer."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from markupsafe import Markup
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from starlette.background import BackgroundTask
from starlette.responses import Response

from vim_pipelines.approvals.deciding import decide
from vim_pipelines.approvals.disputing import LEASE_MINUTES, open_request
from vim_pipelines.approvals.policy import Actor
from vim_pipelines.approvals.queue import RequestDetail, show_request
from vim_pipelines.approvals.states import DECISIONS
from vim_pipelines.approvals.text import difference
from vim_pipelines.core.errors import VimError
from vim_pipelines.inbox.index import read_rows
from vim_pipelines.inbox.order import Row, may_decide, may_see
from vim_pipelines.inbox.text import render
from vim_pipelines.inbox.web import Ask, Inbox, error_page, page, seen_other
from vim_pipelines.store.models import ApprovalRequest, Draft

REQUEST_ID = re.compile(r"req-[0-9a-f]{12}")
#: Facts that the text shows stand on the page; the others are folded away.
FACT_LINK = re.compile(r'href="#(F\d{2})"')
MAX_NOTE = 4000
CONTEXT_LINES = 2
#: Rendered texts that a process keeps, some 20 kB each.
MOST_TEXTS = 500
LOG = logging.getLogger("vim_pipelines.inbox")


@dataclass(frozen=True)
class Sight:
    """One item as one person sees it."""

    row: Row
    detail: RequestDetail
    role: str
    needed: int
    may: bool
    #: The newest request of the same account and document, where this is not it.
    newer: Row | None


def show_item(inbox: Inbox, ask: Ask) -> Response:
    """The item's page."""
    sight = sight_of(inbox, ask)
    response = _item(inbox, ask, sight)
    if sight.may and _lease_is_short(inbox, ask, sight.detail):
        response.background = BackgroundTask(_hold_open, inbox, sight.row.request_id, ask.visitor.actor)
    return response


def _lease_is_short(inbox: Inbox, ask: Ask, detail: RequestDetail) -> bool:
    """Whether nobody has it open, or this person for less than half the time: a page that is loaded again need not write."""
    until = detail.opened_until
    return until is None or until <= inbox.now() or (detail.opened_by == ask.person.login and until - inbox.now() < timedelta(minutes=LEASE_MINUTES / 2))


def _hold_open(inbox: Inbox, request_id: str, person: Actor) -> None:
    """After the page is sent: the night leaves a question alone that somebody reads. A page that was shown does not fail for want of it."""
    try:
        with inbox.deciding:
            open_request(inbox.store, request_id, person, inbox.now())
    except (VimError, SQLAlchemyError):
        LOG.warning("the lease of %s could not be written", request_id)


def _item(inbox: Inbox, ask: Ask, sight: Sight, *, status: int = 200, error: VimError | None = None, note: str = "", answer: str = "") -> Response:
    detail = sight.detail
    text = _html(inbox, detail)
    values: dict[str, Any] = {
        "sight": sight, "row": sight.row, "item": detail, "text": text,
        "handles": set(FACT_LINK.findall(text)), "changes": _changes(inbox, detail), "error": error, "note": note, "answer": answer,
        "evidence_of": _evidence_counts(detail),
    }  # fmt: skip
    return page(inbox, ask, "item.html", status=status, **values)


def do_decide(inbox: Inbox, ask: Ask) -> Response:
    """Approve, reject, ask for changes or dismiss, in the version that was on the page."""
    request_id, answer, note = _id(ask), ask.field("decision"), ask.field("note").strip()[:MAX_NOTE]
    if answer not in DECISIONS:
        raise VimError("VIM-E042", "The form names no decision", fix="Go back and press one of the buttons")
    _visible(inbox, ask, request_id)
    version = ask.field("version")
    try:
        with inbox.deciding:
            decide(
                inbox.store, request_id, answer, person=ask.visitor.actor, version=int(version) if version.isdecimal() and len(version) < 7 else -1,
                note=note, now=inbox.now(), policy=inbox.policy,
            )  # fmt: skip
    except VimError as error:
        return refused(inbox, ask, request_id, error, note=note, answer=answer)
    return seen_other(f"/?done={request_id}")


def refused(inbox: Inbox, ask: Ask, request_id: str, error: VimError, *, note: str, answer: str) -> Response:
    """A note that is missing is asked for on the same page; whatever else, the page shows what happened to the item."""
    sight = sight_of(inbox, ask)
    if error.code == "VIM-E045":
        return _item(inbox, ask, sight, status=422, error=error, note=note, answer=answer)
    return error_page(inbox, ask, error, sight=sight, request_id=request_id, note=note)


def show_evidence(inbox: Inbox, ask: Ask) -> Response:
    """One fact with the source rows that were kept with the request."""
    sight = sight_of(inbox, ask)
    handle = ask.params["handle"]
    fact = next((fact for fact in sight.detail.facts if fact.get("handle") == handle), None)
    if fact is None:
        raise VimError("VIM-E136", f"This item has no fact {handle[:8]}", fix="Go back to the item")
    entries = [_entry(entry) for entry in sight.detail.evidence if handle in (entry.get("fact_ids") or [entry.get("fact_id") or entry.get("handle")])]
    template = "evidence_rows.html" if ask.is_fragment else "evidence.html"
    return page(inbox, ask, template, sight=sight, item=sight.detail, fact=fact, entries=entries)


def _entry(entry: dict[str, Any]) -> dict[str, Any]:
    """One piece of evidence as a table: its source, the names of its columns, its rows."""
    rows = entry.get("rows")
    if not isinstance(rows, list):
        rows = [{key: value for key, value in entry.items() if key not in ("fact_ids", "fact_id", "handle", "source_table")}]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    return {"source": entry.get("source_table") or "", "columns": columns, "rows": [[row.get(column) for column in columns] for row in rows]}


def _evidence_counts(detail: RequestDetail) -> dict[str, int]:
    counts: dict[str, int] = {}
    for entry in detail.evidence:
        rows = entry.get("rows")
        for handle in entry.get("fact_ids") or [entry.get("fact_id") or entry.get("handle")]:
            counts[str(handle)] = counts.get(str(handle), 0) + (len(rows) if isinstance(rows, list) else 1)
    return counts


# --- reading --------------------------------------------------------------------------------------------------------


def _id(ask: Ask) -> str:
    """The id of the address: a whole one. The command line completes beginnings; a page that did would help guessing."""
    request_id = ask.params["request_id"]
    if not REQUEST_ID.fullmatch(request_id):
        raise _not_there(request_id)
    return request_id


def _not_there(request_id: str) -> VimError:
    return VimError("VIM-E040", f"There is no approval request '{request_id[:20]}'", why="Or its account is not one of yours", fix="Go to the queue")


def _visible(inbox: Inbox, ask: Ask, request_id: str) -> Row:
    """The row, if it exists and its account is one of the person's; the two cases read the same."""
    with inbox.store.reading() as session:
        rows = read_rows(session, ids=[request_id])
    if not rows or not may_see(ask.visitor.actor, rows[0].segment):
        raise _not_there(request_id)
    return rows[0]


def sight_of(inbox: Inbox, ask: Ask) -> Sight:
    row = _visible(inbox, ask, _id(ask))
    detail = show_request(inbox.store, row.request_id)
    role, needed = inbox.policy.needs(row)
    may = may_decide(row, ask.visitor.actor, inbox.policy) and ask.person.login not in detail.endorsed_by and not detail.breaks and bool(detail.actions)
    return Sight(row, detail, role, needed, may, _newer(inbox, detail))


def _newer(inbox: Inbox, detail: RequestDetail) -> Row | None:
    statement = (
        select(ApprovalRequest.request_id)
        .where(ApprovalRequest.account_key == detail.account_key, ApprovalRequest.document == detail.document, ApprovalRequest.version > detail.version)
        .order_by(ApprovalRequest.version.desc())
        .limit(1)
    )
    with inbox.store.reading() as session:
        newest = session.scalar(statement)
        return read_rows(session, ids=[newest])[0] if newest else None


def _html(inbox: Inbox, detail: RequestDetail) -> Markup:
    known = inbox.texts.get(detail.payload_sha256)
    if known is not None and known[0] == detail.text:  # a text that was edited in the store has still the old hash
        return known[1]

    def structured() -> Mapping[str, Any] | None:
        with inbox.store.reading() as session:
            return session.scalar(select(Draft.structured).where(Draft.draft_id == detail.draft_id))

    html = Markup(render(detail.text, detail.facts, structured))
    if len(inbox.texts) >= MOST_TEXTS:
        inbox.texts.clear()
    inbox.texts[detail.payload_sha256] = (detail.text, html)
    return html


def _changes(inbox: Inbox, detail: RequestDetail) -> dict[str, Any] | None:
    """The difference to what was last approved; for a text that was drafted again before any approval, to the version that was sent back."""
    if detail.previous_text is not None:
        return _shown_changes("What changed since the last approved version", detail.previous_text, detail.text, "")
    statement = (
        select(ApprovalRequest)
        .where(ApprovalRequest.account_key == detail.account_key, ApprovalRequest.document == detail.document, ApprovalRequest.version == detail.version - 1)
        .limit(1)
    )
    if not (detail.replan_round or detail.edited_by):
        return None
    with inbox.store.reading() as session:
        before = session.scalar(statement)
        if before is None:
            return None
        said = f"{before.decided_by} wrote: {before.note}" if before.note and before.decided_by else ""
        return _shown_changes(f"What changed since version {before.version}", str(before.payload["text"]), detail.text, said)


def _shown_changes(title: str, old: str, new: str, note: str) -> dict[str, Any]:
    """Changed lines with two lines around them; what is far from any change is one mark."""
    rows = difference(old, new)
    near = {place for at, (kind, _) in enumerate(rows) if kind != "same" for place in range(at - CONTEXT_LINES, at + CONTEXT_LINES + 1)}
    lines: list[tuple[str, str]] = []
    for at, (kind, words) in enumerate(rows):
        if at in near:
            lines.append((kind, words))
        elif not lines or lines[-1][0] != "gap":
            lines.append(("gap", ""))
    return {"title": title if near else f"{title}: nothing", "lines": lines if near else [], "note": note}
