"""Traces for LangSmith, from the ledger, after the fact.

Tracing live would hold a run's exit for up to two minutes when LangSmith is down (measured, LLM.md section 4). So the ledger is
the truth and this job posts what it holds as back-dated runs; an outage leaves the rows for the next time and costs seconds.
Prompts and drafts stay in the house unless VIMOTION_LANGSMITH_SEND_CONTENT is set.
"""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from vim_pipelines.store.engine import Store
from vim_pipelines.store.models import LlmCall

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings

log = logging.getLogger(__name__)

DEFAULT_ENDPOINT = "https://api.smith.langchain.com"
BATCH_ROWS = 100
PROBE_SECONDS = 3.0
#: Identity of a run, so that a batch whose answer was lost is sent again as the same runs.
_NAMESPACE = uuid.UUID("0e1f6b0a-6c0e-5a1c-9d4e-3f0f6a1e7c11")


@dataclass(frozen=True)
class ExportReport:
    """What was sent. `message` says why nothing was, or why something is left."""

    exported: int
    left: int
    message: str

    def metadata(self) -> dict[str, Any]:
        """For Dagster."""
        return {"exported": self.exported, "left": self.left, "message": self.message}

    def lines(self) -> list[str]:
        """For the command line."""
        return [self.message]


def export_calls(store: Store, settings: Settings, now: datetime) -> ExportReport:
    """Post all finished calls that LangSmith has not seen; sets `exported_at`. Never raises for an outage: the rows stay for later."""
    waiting = _waiting(store)
    if settings.langsmith_api_key is None:
        return ExportReport(0, len(waiting), "LANGSMITH_API_KEY is not set: nothing is exported.")
    if not waiting:
        return ExportReport(0, 0, "Every finished call is exported already.")
    endpoint = (settings.langsmith_endpoint or DEFAULT_ENDPOINT).rstrip("/")
    key = settings.langsmith_api_key.get_secret_value()
    problem = _probe(endpoint, key)
    if problem is not None:
        log.warning("LangSmith at %s: %s", endpoint, problem)
        return ExportReport(0, len(waiting), f"VIM-E034 LangSmith at {endpoint} {problem}; {len(waiting)} calls stay in the ledger for the next export.")
    errors: list[str] = []
    client = _client(endpoint, key, settings.langsmith_send_content, errors)
    exported = 0
    try:
        for start in range(0, len(waiting), BATCH_ROWS):
            batch = waiting[start : start + BATCH_ROWS]
            _post(client, batch, settings, errors)
            if errors:
                break
            _mark(store, [row.call_id for row in batch], now)
            exported += len(batch)
    finally:
        client.close()
    left = len(waiting) - exported
    if left:
        return ExportReport(
            exported,
            left,
            f"VIM-E034 LangSmith at {endpoint} took {exported} calls and then failed ({errors[0]}); {left} stay in the ledger for the next export.",
        )
    return ExportReport(exported, 0, f"{exported} calls exported to the LangSmith project {settings.langsmith_project}.")


def _waiting(store: Store) -> list[LlmCall]:
    with store.session() as session:
        rows = session.scalars(select(LlmCall).where(LlmCall.exported_at.is_(None), LlmCall.status != "started").order_by(LlmCall.created_at, LlmCall.call_id))
        return list(rows.all())


def _mark(store: Store, call_ids: list[str], now: datetime) -> None:
    with store.session() as session:
        session.execute(update(LlmCall).where(LlmCall.call_id.in_(call_ids)).values(exported_at=now))


def _probe(endpoint: str, key: str) -> str | None:
    """What is wrong with LangSmith, or None. One short request, because the SDK itself would try for a minute."""
    import httpx

    try:
        answer = httpx.get(f"{endpoint}/info", headers={"x-api-key": key}, timeout=PROBE_SECONDS)
    except httpx.HTTPError as error:
        return f"cannot be reached ({type(error).__name__})"
    if answer.status_code in (401, 403):
        return f"refused the key (HTTP {answer.status_code})"
    return None if answer.is_success else f"answered HTTP {answer.status_code}"


def _client(endpoint: str, key: str, send_content: bool, errors: list[str]) -> Any:
    """A client without threads and without retries; a failed post reports through `errors`."""
    from langsmith import Client
    from urllib3 import Retry

    return Client(
        api_url=endpoint, api_key=key, retry_config=Retry(total=0), timeout_ms=(2000, 5000), auto_batch_tracing=False, hide_inputs=not send_content,
        hide_outputs=not send_content, omit_traced_runtime_info=True, tracing_error_callback=lambda error: errors.append(f"{type(error).__name__}: {str(error)[:200]}"),
    )  # fmt: skip


def _post(client: Any, batch: list[LlmCall], settings: Settings, errors: list[str]) -> None:
    from langsmith.utils import LangSmithError

    try:
        client.multipart_ingest(create=[_run(client, row, settings) for row in batch])
    except LangSmithError as error:
        errors.append(f"{type(error).__name__}: {str(error)[:200]}")


def _run(client: Any, row: LlmCall, settings: Settings) -> dict[str, Any]:
    """One back-dated run as the SDK sends it."""
    from langsmith.run_trees import RunTree

    started = row.created_at.replace(tzinfo=UTC)
    tree = RunTree(
        id=uuid.uuid5(_NAMESPACE, row.call_id), name=row.document, run_type="llm", start_time=started, ls_client=client, project_name=settings.langsmith_project,
        inputs={"draft_key": row.draft_key, "prompt_sha256": row.prompt_sha256}, extra={"metadata": _metadata(row)},
        tags=[row.document, row.status],
    )  # fmt: skip
    if row.input_tokens is not None:
        tree.set(usage_metadata=_usage(row))
    tree.end(
        outputs={"text": (row.response or {}).get("text", ""), "stop_reason": row.stop_reason}, error=None if row.status == "ok" else f"{row.status}: {row.error or ''}",
        end_time=started + timedelta(milliseconds=row.latency_ms or 0),
    )  # fmt: skip
    fields = ("id", "name", "run_type", "start_time", "end_time", "inputs", "outputs", "error", "extra", "tags", "trace_id", "dotted_order", "session_name")
    return {name: getattr(tree, name) for name in fields}


def _metadata(row: LlmCall) -> dict[str, Any]:
    return {
        "ls_provider": row.provider, "ls_model_name": row.model, "account_key": row.account_key, "document": row.document, "as_of_date": row.as_of_date.isoformat(),
        "attempt": row.attempt, "request_id": row.request_id, "status": row.status, "prompt_sha256": row.prompt_sha256,
    }  # fmt: skip


def _usage(row: LlmCall) -> Any:
    """Tokens as LangSmith counts them: its input tokens include what went through the cache."""
    read, written = row.cache_read_tokens or 0, row.cache_write_tokens or 0
    total_input, output = (row.input_tokens or 0) + read + written, row.output_tokens or 0
    usage: dict[str, Any] = {
        "input_tokens": total_input, "output_tokens": output, "total_tokens": total_input + output,
        "input_token_details": {"cache_read": read, "cache_creation": written},
    }  # fmt: skip
    return usage if row.cost_usd is None else usage | {"total_cost": float(row.cost_usd)}
