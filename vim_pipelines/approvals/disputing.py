"""Saying that a fact is wrong, and holding a question open: what a person may do with a request besides answering it.

A disputed fact takes every text that rests on it out of the queue, until the dispute is over or the facts are others. A lease says that
somebody is reading, so that the night does not take the question out of their hands.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from sqlalchemy import update

from vim_pipelines.approvals.deciding import hold_disputed
from vim_pipelines.approvals.policy import covers
from vim_pipelines.approvals.queue import find_request
from vim_pipelines.core.errors import VimError
from vim_pipelines.lifecycle.phases import load_map
from vim_pipelines.lifecycle.words import make_word
from vim_pipelines.store.models import ApprovalRequest
from vim_pipelines.store.overrides import add_override, read_overrides

if TYPE_CHECKING:
    from vim_pipelines.approvals.policy import Actor, Policy
    from vim_pipelines.store.engine import Store

LEASE_MINUTES = 15


def dispute_fact(
    store: Store, request_id: str, fact: str, value: str | None, *, person: Actor, note: str, now: datetime, policy: Policy
) -> tuple[dict[str, Any], list[str]]:
    """Dispute a fact of a request: its metric (`unused_seats`) or its handle (`F12`). Returns the word on record and the requests that were held.

    `value`: what is right, as far as it is known. Only the request is read. Raises VIM-E040, VIM-E043 (a role that may not dispute, or another
    segment's account), VIM-E045 (no note), VIM-E047 (no fact of this request).
    """
    with store.reading() as session:
        request = find_request(session, request_id)
        account_key, seen_on, segment = request.account_key, request.as_of_date, request.segment
        names = {str(row["metric"]): str(row["metric"]) for row in request.payload["facts"] if row.get("metric")}
        names |= {str(row["handle"]): str(row["metric"]) for row in request.payload["facts"] if row.get("metric") and row.get("handle")}
    if policy.rank(person.role) < 0 or not covers(person.segments, segment):
        raise VimError(
            "VIM-E043", f"{person.name} may not dispute a fact of {request_id}", why=f"Its account is in {segment or 'no known segment'}",
            fix="Ask somebody who decides for it",
        )  # fmt: skip
    if fact not in names:
        near = get_close_matches(fact, sorted(names), n=3)
        raise VimError(
            "VIM-E047", f"{request_id} rests on no fact {fact}", fix=f"Did you mean {' or '.join(near)}?" if near else "Name one of the facts on its page"
        )
    return say_and_hold(store, account_key, "dispute", person=person, note=note, now=now, fact=names[fact], value=value or None, seen_on=seen_on)


def say_and_hold(store: Store, account_key: str, kind: str, *, person: Actor, note: str, now: datetime, **values: Any) -> tuple[dict[str, Any], list[str]]:
    """Put a person's word about an account on record; a dispute takes what rests on its fact out of the queue. Returns the word and those requests."""
    word = make_word(load_map(), account_key, kind, actor=person.name, role=person.role, note=note, now=now, words=read_overrides(store, account_key), **values)
    add_override(store, word)
    if kind != "dispute":
        return word, []
    return word, hold_disputed(store, account_key, str(word["fact"]), person=person, note=word["note"], now=now)


def open_request(store: Store, request_id: str, person: Actor, now: datetime, minutes: int = LEASE_MINUTES) -> datetime | None:
    """Note that a person has a pending request open for `minutes`; returns until when, or None where somebody else has it or nothing waits.

    A lease and no lock: whoever has it open keeps the night from replacing the text, and nobody from deciding.
    """
    until = now + timedelta(minutes=minutes)
    with store.session() as session:
        request = find_request(session, request_id)
        is_free = (ApprovalRequest.opened_until.is_(None)) | (ApprovalRequest.opened_until <= now) | (ApprovalRequest.opened_by == person.name)
        lease = update(ApprovalRequest).where(ApprovalRequest.request_id == request.request_id, ApprovalRequest.state == "pending", is_free)
        moved = session.execute(lease.values(opened_by=person.name, opened_until=until).execution_options(synchronize_session=False))
    return until if moved.rowcount == 1 else None  # type: ignore[attr-defined]
