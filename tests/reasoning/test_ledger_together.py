"""Rows of calls that start or end at the same moment share a commit, and each caller still knows that its own row is committed."""

import asyncio

import pytest
from reasoning_cases import AS_OF, NOW
from sqlalchemy import select

from vim_pipelines.reasoning.ledger import LOST, Ledger, ended_call, new_call
from vim_pipelines.store.models import LlmCall


def row(key):
    return new_call(draft_key=key, account_key="A", document="d", provider="anthropic", model="m", prompt_sha256="p", as_of=AS_OF, now=NOW)


def counting(ledger, monkeypatch):
    sessions, real = [], ledger.store.session
    monkeypatch.setattr(ledger.store, "session", lambda: sessions.append(1) or real())
    return sessions


def test_two_hundred_starts_and_ends_share_a_few_commits(store, monkeypatch):
    ledger = Ledger(store)
    sessions = counting(ledger, monkeypatch)

    async def one(number):
        call_id = await ledger.start_soon(row(f"key-{number:03d}"))
        with store.engine.connect() as connection:
            assert connection.scalar(select(LlmCall.status).where(LlmCall.call_id == call_id)) == "started", "the caller goes on, so its row is there"
        await ledger.finish_soon(ended_call(call_id, status="ok", response={"text": str(number)}))
        return ledger.finished(f"key-{number:03d}").text

    async def all_of_them():
        return await asyncio.gather(*(one(number) for number in range(200)))

    assert asyncio.run(all_of_them()) == [str(number) for number in range(200)]
    assert len(sessions) < 60


def test_attempts_are_numbered_and_lost_rows_closed_within_a_group(store):
    ledger = Ledger(store)

    async def twice():
        await ledger.start_soon(row("before"))
        return await asyncio.gather(*(ledger.start_soon(row(key)) for key in ("before", "same", "same")))

    asyncio.run(twice())
    with store.session() as session:
        rows = session.scalars(select(LlmCall).order_by(LlmCall.draft_key, LlmCall.attempt)).all()
    assert [(call.draft_key, call.attempt, call.status) for call in rows] == [
        ("before", 1, "error"), ("before", 2, "started"), ("same", 1, "started"), ("same", 2, "started"),
    ]  # fmt: skip
    assert rows[0].error == LOST


def test_a_commit_that_fails_fails_every_call_that_waited_for_it(store, monkeypatch):
    """A call without its row in the ledger may not be made."""
    ledger = Ledger(store)

    def broken():
        raise OSError("the disk is full")

    async def three():
        return await asyncio.gather(*(ledger.start_soon(row(str(number))) for number in range(3)), return_exceptions=True)

    monkeypatch.setattr(ledger.store, "session", broken)
    assert [type(result) for result in asyncio.run(three())] == [OSError] * 3
    monkeypatch.undo()

    async def one():
        return await ledger.start_soon(row("after"))

    assert asyncio.run(one())


def test_a_caller_that_gives_up_does_not_take_the_others_with_it(store):
    ledger = Ledger(store)

    async def mixed():
        patient, hasty = asyncio.create_task(ledger.start_soon(row("patient"))), asyncio.create_task(ledger.start_soon(row("hasty")))
        await asyncio.sleep(0)
        hasty.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hasty
        return await patient

    assert asyncio.run(mixed())
