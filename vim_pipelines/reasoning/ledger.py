"""The ledger of paid calls: a row before the call, the same row finished after it, each in its own transaction.

A night that is killed between the answer and the draft finds the answer here and does not pay again; a night killed during the
call finds a row that was started and never finished, counts it as lost, and tries once more.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, cast

from sqlalchemy import Table, bindparam, func, insert, select, update

from vim_pipelines.core.money import known_sum
from vim_pipelines.reasoning.pricing import ModelCatalogue, Provider, Usage, load_models
from vim_pipelines.store.engine import Store
from vim_pipelines.store.models import LlmCall
from vim_pipelines.warehouse.base import KEYS_PER_QUERY, chunks

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

#: End states after which a draft key is never sent again: answered, or refused for good.
FINAL = ("ok", "refusal")
#: How long rows are gathered before they are committed together: alone a start costs 1.3 ms of CPU, among sixteen 0.1.
GATHER_SECONDS = 0.01
#: Tokens of a prompt whose size is not known any more; the largest of the sandbox's have some 8,000.
LARGE_PROMPT_TOKENS = 12_000
LOST = "the process ended during the call; it may have been billed"


@dataclass(frozen=True)
class FinishedCall:
    """What a finished call left behind."""

    call_id: str
    provider: Provider
    model: str
    status: str
    text: str
    stop_reason: str | None
    cost_usd: Decimal | None


_TABLE = cast(Table, LlmCall.__table__)
#: Columns that the end of a call fills; tokens stay NULL where nothing was counted.
_ENDS = (
    "status", "cost_usd", "price_date", "request_id", "stop_reason", "response", "error", "latency_ms", "input_tokens", "output_tokens", "cache_read_tokens",
    "cache_write_tokens",
)  # fmt: skip
_FINISH = update(_TABLE).where(_TABLE.c.call_id == bindparam("ended_call_id")).values({name: bindparam(f"ended_{name}") for name in _ENDS})


_FINISHED = (
    select(_TABLE.c.call_id, _TABLE.c.provider, _TABLE.c.model, _TABLE.c.status, _TABLE.c.response, _TABLE.c.stop_reason, _TABLE.c.cost_usd)
    .where(_TABLE.c.draft_key == bindparam("key"), _TABLE.c.status.in_(FINAL))
    .order_by(_TABLE.c.attempt)
)


def new_call(
    *,
    draft_key: str,
    account_key: str,
    document: str,
    provider: str,
    model: str,
    prompt_sha256: str,
    as_of: date,
    now: datetime,
    purpose: str = "draft",
    batch_id: str | None = None,
    call_id: str | None = None,
) -> dict[str, Any]:
    """The row of a call that is about to be made; its attempt is numbered when it is written. `call_id`: its name, where another one must find it again."""
    return {
        "call_id": call_id or uuid.uuid4().hex, "draft_key": draft_key, "account_key": account_key, "document": document, "provider": provider, "model": model,
        "prompt_sha256": prompt_sha256, "status": "started", "as_of_date": as_of, "created_at": now, "purpose": purpose, "batch_id": batch_id,
    }  # fmt: skip


def ended_call(
    call_id: str,
    *,
    status: str,
    usage: Usage | None = None,
    cost_usd: Decimal | None = None,
    price_date: date | None = None,
    request_id: str | None = None,
    stop_reason: str | None = None,
    response: dict[str, Any] | None = None,
    error: str | None = None,
    latency_ms: int | None = None,
) -> dict[str, Any]:
    """How a call ended, as parameters of `_FINISH`."""
    return {
        "ended_call_id": call_id, "ended_status": status, "ended_cost_usd": cost_usd, "ended_price_date": price_date, "ended_request_id": request_id,
        "ended_stop_reason": stop_reason, "ended_response": response, "ended_error": error[:2000] if error else None, "ended_latency_ms": latency_ms,
        "ended_input_tokens": usage.input_tokens if usage else None, "ended_output_tokens": usage.output_tokens if usage else None,
        "ended_cache_read_tokens": usage.cache_read_tokens if usage else None,
        "ended_cache_write_tokens": usage.cache_write_tokens + usage.cache_write_1h_tokens if usage else None,
    }  # fmt: skip


Kind = Literal["finish", "start"]


class _Together:
    """Carries out what many tasks ask of the ledger at the same moment in one transaction, beside the event loop.

    Two hundred calls in flight would each wait for a commit of their own, one after the other, and the loop with them: a commit is a few
    milliseconds of waiting for the disk, and a connection that is not served for five seconds is closed. One worker for all kinds: two
    would wait for each other's lock on the file, measured at 37 ms a time. A task that awaits this knows that its own row is committed.
    """

    def __init__(self, carry_out: Callable[[list[tuple[Kind, Any]]], list[Any]]) -> None:
        self._carry_out = carry_out
        self._waiting: list[tuple[tuple[Kind, Any], asyncio.Future[Any]]] = []
        self._worker: asyncio.Task[None] | None = None

    async def ask(self, kind: Kind, item: Any) -> Any:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._waiting.append(((kind, item), future))
        if self._worker is None or self._worker.done():
            self._worker = loop.create_task(self._work())
        return await future

    async def _work(self) -> None:
        while self._waiting:
            await asyncio.sleep(GATHER_SECONDS)
            group, self._waiting = self._waiting, []
            try:
                results = await asyncio.to_thread(self._carry_out, [asked for asked, _ in group])
            except Exception as error:
                for _, future in group:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), result in zip(group, results, strict=True):
                if not future.done():
                    future.set_result(result)


class Ledger:
    """Reads and writes `llm_calls`. Every method is one short transaction; the `_soon` ones share theirs with whatever else is asked for at that moment."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._reading = store.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._together = _Together(self._carry_out)

    async def start_soon(self, row: dict[str, Any]) -> str:
        """Write the row of a call that is about to be made, made by `new_call`; rows for the same key that never finished are closed as lost. Returns its id."""
        return str(await self._together.ask("start", row))

    async def finish_soon(self, row: dict[str, Any]) -> None:
        """Close a row with how its call ended, made by `ended_call`."""
        await self._together.ask("finish", row)

    def _carry_out(self, asked: list[tuple[Kind, Any]]) -> list[Any]:
        """All of it in one transaction: ends first, so that the next attempt at the same key finds its predecessor closed."""
        results: dict[int, Any] = {}
        ways: tuple[tuple[Kind, Callable[[Session, list[Any]], Sequence[Any]]], ...] = (("finish", _finish), ("start", _start))
        with self.store.session() as session:
            for kind, way in ways:
                places = [place for place, (wanted, _) in enumerate(asked) if wanted == kind]
                if places:
                    results.update(zip(places, way(session, [asked[place][1] for place in places]), strict=True))
        return [results[place] for place in range(len(asked))]

    def finished(self, draft_key: str) -> FinishedCall | None:
        """The final call for `draft_key`, an answered one before a refused one, or None.

        Read outside a transaction (0.12 ms instead of 0.44): on SQLite ours begin with a lock, for which a reader need not wait.
        """
        best: FinishedCall | None = None
        with self._reading.connect() as connection:
            for call_id, provider, model, status, response, stop_reason, cost in connection.execute(_FINISHED, {"key": draft_key}).all():
                if status == "ok" and response is None:
                    continue  # retention has forgotten the answer: it is asked again
                if best is None or FINAL.index(status) < FINAL.index(best.status):
                    served: Provider = "openai" if provider == "openai" else "anthropic"
                    best = FinishedCall(call_id, served, model, status, str((response or {}).get("text", "")), stop_reason, cost)
        return best

    def finish_all(self, rows: list[dict[str, Any]]) -> None:
        """Close many rows, each made by `ended_call`."""
        with self.store.session() as session:
            _finish(session, rows)

    def spent(self, as_of: date) -> Decimal:
        """US dollars that the night of `as_of` has paid, calls of unknown cost reckoned as in `_sum`."""
        return self._sum(LlmCall.as_of_date == as_of)

    def spent_in_month(self, now: datetime) -> Decimal:
        """US dollars paid in the calendar month of `now`, whatever for: drafts, re-plans, the judge. By when the calls were made, not by as-of date."""
        first = datetime(now.year, now.month, 1)
        return self._sum(LlmCall.created_at >= first, LlmCall.created_at < datetime(now.year + now.month // 12, now.month % 12 + 1, 1))

    def _sum(self, *which: Any) -> Decimal:
        """Known costs, and for calls whose cost is not known the most that they can have cost: a budget fails closed.

        Unknown are calls at an unknown price (reckoned at the dearest model's), calls without an answer, and calls that another process
        has under way (reckoned with a full answer to a large prompt).
        """
        columns = (
            LlmCall.model,
            LlmCall.created_at,
            LlmCall.batch_id,
            LlmCall.input_tokens,
            LlmCall.output_tokens,
            LlmCall.cache_read_tokens,
            LlmCall.cache_write_tokens,
        )
        with self.store.session() as session:
            known = Decimal(str(session.scalar(select(func.coalesce(func.sum(LlmCall.cost_usd), 0)).where(*which)) or 0))
            unknown = session.execute(select(*columns).where(LlmCall.cost_usd.is_(None), *which)).all()
        catalogue = load_models()
        return known + sum((_most(catalogue, *row) for row in unknown), Decimal(0))

    def cost_of(self, draft_key: str) -> Decimal | None:
        """US dollars paid for one draft over all attempts; None when there was no call or a price is unknown."""
        with self.store.session() as session:
            costs = session.scalars(select(LlmCall.cost_usd).where(LlmCall.draft_key == draft_key, LlmCall.output_tokens.is_not(None))).all()
        return known_sum(costs) if costs else None


def _most(
    catalogue: ModelCatalogue, model: str, at: datetime, batch_id: str | None, prompt: int | None, output: int | None, read: int | None, written: int | None
) -> Decimal:
    usage = (
        Usage(output_tokens=catalogue.max_tokens, cache_write_tokens=LARGE_PROMPT_TOKENS)
        if output is None
        else Usage(prompt or 0, output, read or 0, written or 0)
    )
    return catalogue.most(model, usage, at.date(), is_batch=batch_id is not None)


def number_attempts(session: Session, rows: Sequence[dict[str, Any]]) -> list[str]:
    """Set `attempt` in rows made by `new_call`, from 1 on for each draft key. Returns the keys that have been tried before."""
    attempts: dict[str, int] = {}
    for keys in chunks(list(dict.fromkeys(str(row["draft_key"]) for row in rows)), KEYS_PER_QUERY):
        last = select(LlmCall.draft_key, func.max(LlmCall.attempt)).where(LlmCall.draft_key.in_(keys)).group_by(LlmCall.draft_key)
        attempts.update({key: number for key, number in session.execute(last).all()})
    before = list(attempts)
    for row in rows:
        row["attempt"] = attempts[row["draft_key"]] = attempts.get(row["draft_key"], 0) + 1
    return before


def _start(session: Session, rows: list[dict[str, Any]]) -> list[str]:
    for keys in chunks(number_attempts(session, rows), KEYS_PER_QUERY):
        lost = update(_TABLE).where(_TABLE.c.draft_key.in_(keys), _TABLE.c.status == "started").values(status="error", error=LOST)
        session.execute(lost)
    session.execute(insert(_TABLE), rows)
    return [str(row["call_id"]) for row in rows]


def _finish(session: Session, rows: list[dict[str, Any]]) -> list[None]:
    session.connection().execute(_FINISH, rows)
    return [None] * len(rows)
