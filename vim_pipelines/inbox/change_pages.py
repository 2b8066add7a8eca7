"""What a person may do with an item besides answering it: word it anew, or say that one of its facts is wrong."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from vim_pipelines.approvals.disputing import dispute_fact
from vim_pipelines.approvals.edits import edit, editable
from vim_pipelines.core.errors import VimError
from vim_pipelines.inbox.item_pages import MAX_NOTE, Sight, refused, sight_of
from vim_pipelines.inbox.web import Ask, Inbox, page, seen_other


def show_edit(inbox: Inbox, ask: Ask) -> Response:
    """The draft as text with its values bound, ready to be changed."""
    sight = sight_of(inbox, ask)
    return _form(inbox, ask, sight, editable(inbox.store, sight.row.request_id))


def do_edit(inbox: Inbox, ask: Ask) -> Response:
    """Hand the text in: a new version that passes the gates and that somebody else approves. What a gate holds back stays in the form."""
    sight = sight_of(inbox, ask)
    text, note, version = ask.field("text"), ask.field("note").strip()[:MAX_NOTE], ask.field("version")
    try:
        with inbox.deciding:
            report = edit(
                inbox.store, inbox.settings, sight.row.request_id, text, person=ask.visitor.actor, version=int(version) if version.isdecimal() and len(version) < 7 else -1,
                note=note or None, now=inbox.now(), policy=inbox.policy,
            )  # fmt: skip
    except VimError as error:
        return refused(inbox, ask, sight.row.request_id, error, note=note, answer="edit")
    if report.state == "held":
        return _form(inbox, ask, sight, text, findings=report.findings, note=note, status=422)
    return seen_other(f"/requests/{report.request_id or sight.row.request_id}?edited={report.state}")


def _form(inbox: Inbox, ask: Ask, sight: Sight, text: str, *, findings: tuple[dict[str, Any], ...] = (), note: str = "", status: int = 200) -> Response:
    rows = min(max(text.count("\n") + 2, 12), 60)
    return page(inbox, ask, "edit.html", status=status, sight=sight, item=sight.detail, row=sight.row, text=text, findings=findings, note=note, rows=rows)


def do_dispute(inbox: Inbox, ask: Ask) -> Response:
    """Put on record that a fact is wrong; every text that rests on it leaves the queue."""
    sight = sight_of(inbox, ask)
    try:
        with inbox.deciding:
            word, held = dispute_fact(
                inbox.store, sight.row.request_id, ask.field("fact"), ask.field("value").strip()[:255] or None, person=ask.visitor.actor,
                note=ask.field("note").strip()[:MAX_NOTE], now=inbox.now(), policy=inbox.policy,
            )  # fmt: skip
    except VimError as error:
        return refused(inbox, ask, sight.row.request_id, error, note=ask.field("note"), answer="dispute")
    return page(inbox, ask, "disputed.html", sight=sight, word=word, held=held)
