"""The ledger of paid calls: a row before the call, the same row finished after it, each in its own transaction.

A night that is killed between the answer and the draft finds the answer here and does not pay again; a night killed during the
call finds a row that was started and never finished, counts it as lost, and tries once more.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select, update

from vim_pipelines.reasoning.pricing import ModelCatalogue, Provider, Usage, load_models
from vim_pipelines.store.engine import Store
from vim_pipelines.store.models import LlmCall

#: End states after which a draft key is never sent again: answered, or refused for good.
FINAL = ("ok", "refusal")
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


class Ledger:
    """Reads and writes `llm_calls`. Every method is one short transaction."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def finished(self, draft_key: str) -> FinishedCall | None:
        """The final call for `draft_key`, an answered one before a refused one, or None."""
        with self.store.session() as session:
            rows = session.scalars(select(LlmCall).where(LlmCall.draft_key == draft_key, LlmCall.status.in_(FINAL)).order_by(LlmCall.attempt)).all()
            best = min(rows, key=lambda row: FINAL.index(row.status), default=None)
            if best is None:
                return None
            provider: Provider = "openai" if best.provider == "openai" else "anthropic"
            return FinishedCall(best.call_id, provider, best.model, best.status, str((best.response or {}).get("text", "")), best.stop_reason, best.cost_usd)

    def start(
        self,
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
    ) -> str:
        """Write the row of a call that is about to be made; rows for the same key that never finished are closed as lost. Returns its id."""
        call_id = uuid.uuid4().hex
        with self.store.session() as session:
            session.execute(update(LlmCall).where(LlmCall.draft_key == draft_key, LlmCall.status == "started").values(status="error", error=LOST))
            last = session.scalar(select(func.max(LlmCall.attempt)).where(LlmCall.draft_key == draft_key)) or 0
            session.add(
                LlmCall(
                    call_id=call_id, draft_key=draft_key, attempt=last + 1, account_key=account_key, document=document, provider=provider, model=model,
                    prompt_sha256=prompt_sha256, status="started", as_of_date=as_of, created_at=now, purpose=purpose, batch_id=batch_id,
                )
            )  # fmt: skip
        return call_id

    def finish(
        self,
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
    ) -> None:
        """Close the row with how the call ended."""
        values: dict[str, Any] = {
            "status": status, "cost_usd": cost_usd, "price_date": price_date, "request_id": request_id, "stop_reason": stop_reason, "response": response,
            "error": error[:2000] if error else None, "latency_ms": latency_ms,
        }  # fmt: skip
        if usage is not None:
            values |= {
                "input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens, "cache_read_tokens": usage.cache_read_tokens,
                "cache_write_tokens": usage.cache_write_tokens + usage.cache_write_1h_tokens,
            }  # fmt: skip
        with self.store.session() as session:
            session.execute(update(LlmCall).where(LlmCall.call_id == call_id).values(**values))

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
        known = [cost for cost in costs if cost is not None]
        return sum(known, Decimal(0)) if known and len(known) == len(costs) else None


def _most(
    catalogue: ModelCatalogue, model: str, at: datetime, batch_id: str | None, prompt: int | None, output: int | None, read: int | None, written: int | None
) -> Decimal:
    usage = (
        Usage(output_tokens=catalogue.max_tokens, cache_write_tokens=LARGE_PROMPT_TOKENS)
        if output is None
        else Usage(prompt or 0, output, read or 0, written or 0)
    )
    return catalogue.most(model, usage, at.date(), is_batch=batch_id is not None)
