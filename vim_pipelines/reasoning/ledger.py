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

from vim_pipelines.reasoning.pricing import Usage
from vim_pipelines.store.engine import Store
from vim_pipelines.store.models import LlmCall

#: End states after which a draft key is never sent again: answered, or refused for good.
FINAL = ("ok", "refusal")
LOST = "the process ended during the call; it may have been billed"


@dataclass(frozen=True)
class FinishedCall:
    """What a finished call left behind."""

    call_id: str
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
            return FinishedCall(best.call_id, best.status, str((best.response or {}).get("text", "")), best.stop_reason, best.cost_usd)

    def start(self, *, draft_key: str, account_key: str, document: str, provider: str, model: str, prompt_sha256: str, as_of: date, now: datetime) -> str:
        """Write the row of a call that is about to be made; rows for the same key that never finished are closed as lost. Returns its id."""
        call_id = uuid.uuid4().hex
        with self.store.session() as session:
            session.execute(update(LlmCall).where(LlmCall.draft_key == draft_key, LlmCall.status == "started").values(status="error", error=LOST))
            last = session.scalar(select(func.max(LlmCall.attempt)).where(LlmCall.draft_key == draft_key)) or 0
            session.add(
                LlmCall(
                    call_id=call_id, draft_key=draft_key, attempt=last + 1, account_key=account_key, document=document, provider=provider, model=model,
                    prompt_sha256=prompt_sha256, status="started", as_of_date=as_of, created_at=now,
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
                "cache_write_tokens": usage.cache_write_tokens,
            }  # fmt: skip
        with self.store.session() as session:
            session.execute(update(LlmCall).where(LlmCall.call_id == call_id).values(**values))

    def spent(self, as_of: date) -> Decimal:
        """US dollars that the night of `as_of` has paid, as far as prices are known."""
        with self.store.session() as session:
            return Decimal(str(session.scalar(select(func.coalesce(func.sum(LlmCall.cost_usd), 0)).where(LlmCall.as_of_date == as_of)) or 0))

    def cost_of(self, draft_key: str) -> Decimal | None:
        """US dollars paid for one draft over all attempts; None when there was no call or a price is unknown."""
        with self.store.session() as session:
            costs = session.scalars(select(LlmCall.cost_usd).where(LlmCall.draft_key == draft_key, LlmCall.output_tokens.is_not(None))).all()
        known = [cost for cost in costs if cost is not None]
        return sum(known, Decimal(0)) if known and len(known) == len(costs) else None
