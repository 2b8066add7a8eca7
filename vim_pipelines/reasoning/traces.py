"""What LangSmith is told, from rows of the operations store: a trace for each draft, feedback for each decision, an example for each rejection.

Pure: rows in, plain dictionaries out, in the form that the LangSmith API takes (docs.smith.langchain.com, "Trace with the API": a run
has `trace_id` and `dotted_order`, the start times and ids from the root down). Ids derive from our own, so that what is sent twice is
the same thing. Without `send_content` no sentence of a prompt, a draft or a note is in any of them; with it, people and companies that
the facts name are replaced by what they are.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from vim_pipelines.reasoning.excerpts import masked
from vim_pipelines.reasoning.gates import STAGES
from vim_pipelines.store.models import ApprovalEvent, Draft, LlmCall

_NAMESPACE = uuid.UUID("0e1f6b0a-6c0e-5a1c-9d4e-3f0f6a1e7c11")

#: Decisions of people that say something about a draft, and what they say: 1 it stands, 0 it does not. An expiry is nobody's word.
DECISION_SCORES = {"approve": 1.0, "reject": 0.0, "request_changes": 0.0, "dismiss": 0.0, "dispute": 0.0}
FEEDBACK_KEY = "human_decision"
#: The stages that a program goes through; the person's word is feedback, not a run.
GATE_STAGES = tuple(stage for stage in STAGES if stage != "human")
#: Facts whose value names somebody, and what stands in its place.
_NAMES = {
    "account_name": "<customer>", "csm_name": "<csm>", "champion_name": "<champion>", "sponsor_name": "<sponsor>", "economic_buyer_name": "<economic buyer>",
    "account_executive_name": "<account executive>", "pain_owner": "<owner>",
}  # fmt: skip


def run_id(kind: str, item_id: str) -> str:
    """The id of a run, a feedback or an example: the same for the same row of ours."""
    return str(uuid.uuid5(_NAMESPACE, f"{kind}:{item_id}"))


def draft_trace(draft: Draft, calls: Sequence[LlmCall], *, project: str, send_content: bool) -> list[dict[str, Any]]:
    """The runs of one draft, root first: its calls, and a child for each stage of the gates.

    Stages that found nothing are there too; one that found something is an error. Times are those of the calls and of the draft, back-dated.
    """
    end = _utc(draft.created_at)
    start = min([end, *(_utc(call.created_at) for call in calls)])
    end = max([end, *(_utc(call.created_at) + timedelta(milliseconds=call.latency_ms or 0) for call in calls)])
    root = _run(
        "draft", draft.draft_id, name=draft.document, run_type="chain", start=start, end=end, project=project, metadata=_draft_metadata(draft),
        inputs={"facts_sha256": draft.facts_sha256, "draft_key": draft.draft_key} | ({"facts": redacted(draft.facts, draft.facts)} if send_content else {}),
        outputs={"status": draft.status, "rendered_sha256": draft.rendered_sha256}
        | ({"text": redacted(draft.rendered_text, draft.facts)} if send_content else {}),
        error=None if draft.status == "written" else "held: " + ", ".join(sorted({str(row.get("gate")) for row in draft.gate_findings})),
        tags=[draft.document, draft.audience, draft.written_by, draft.status],
    )  # fmt: skip
    shared = {name: root["extra"]["metadata"][name] for name in ("account_key", "document", "as_of_date")}
    children = [_call_run(call, root, shared, draft.facts, send_content) for call in sorted(calls, key=lambda call: (call.created_at, call.call_id))]
    by_stage: dict[str, list[dict[str, Any]]] = {stage: [] for stage in GATE_STAGES}
    for row in draft.gate_findings:
        by_stage.setdefault(str(row.get("stage") or row.get("gate")), []).append(row)
    for stage, found in by_stage.items():
        children.append(
            _run(
                "gate",
                f"{draft.draft_id}:{stage}",
                name=f"gate: {stage}",
                run_type="tool",
                start=_utc(draft.created_at),
                end=_utc(draft.created_at),
                project=project,
                metadata=shared,
                inputs={"rendered_sha256": draft.rendered_sha256},
                parent=root,
                outputs={"findings": len(found)} | ({"what": redacted([row.get("what") for row in found], draft.facts)} if send_content else {}),
                error=", ".join(sorted({str(row.get("gate")) for row in found})) or None,
            )  # fmt: skip
        )
    return [root, *children]


def lone_call(call: LlmCall, *, project: str, send_content: bool) -> dict[str, Any]:
    """A call that no draft came of, as a trace of its own: it was paid for."""
    metadata = {"account_key": call.account_key, "document": call.document, "as_of_date": call.as_of_date.isoformat()}
    return _call_run(call, None, metadata, (), send_content, project=project)


def decision_feedback(event: ApprovalEvent, draft: Draft, *, send_content: bool) -> dict[str, Any]:
    """A person's decision as keyword arguments of `Client.create_feedback`, on the trace of the draft that the person read."""
    return {
        "run_id": run_id("draft", draft.draft_id), "trace_id": run_id("draft", draft.draft_id), "key": FEEDBACK_KEY, "score": DECISION_SCORES[event.action],
        "value": event.action, "feedback_id": run_id("decision", event.event_sha256), "source_info": {"role": event.role, "channel": event.channel},
        "comment": redacted(event.note, draft.facts) if send_content and event.note else None,
    }  # fmt: skip


def rejected_example(event: ApprovalEvent, draft: Draft, *, send_content: bool) -> dict[str, Any]:
    """A rejected draft as an example to learn from: what it was made of, what was written, and why it did not stand."""
    content_in = {"facts": redacted(draft.facts, draft.facts)} if send_content else {}
    content_out = {"text": redacted(draft.rendered_text, draft.facts), "note": redacted(event.note, draft.facts)} if send_content else {}
    return {
        "id": run_id("example", event.event_sha256),
        "inputs": {"document": draft.document, "audience": draft.audience, "facts_sha256": draft.facts_sha256} | content_in,
        "outputs": {"decision": event.action, "rendered_sha256": draft.rendered_sha256} | content_out,
        "metadata": _draft_metadata(draft) | {"run_id": run_id("draft", draft.draft_id), "role": event.role},
    }


def redacted(value: Any, facts: Iterable[Mapping[str, Any]]) -> Any:
    """`value` with names of the facts replaced by what they are, and masked as texts of customers are, through lists and mappings."""
    names = {str(row["value_text"]): _NAMES[row["metric"]] for row in facts if row.get("metric") in _NAMES and row.get("value_text")}
    ordered = sorted(names, key=len, reverse=True)  # 'Ada Lindqvist' before 'Ada'
    return _redact(value, [(re.compile(rf"(?<!\w){re.escape(name)}(?!\w)", re.I), names[name]) for name in ordered])


def _redact(value: Any, patterns: Sequence[tuple[re.Pattern[str], str]]) -> Any:
    if isinstance(value, str):
        for pattern, stand_in in patterns:
            value = pattern.sub(stand_in, value)
        return masked(value)
    if isinstance(value, Mapping):
        return {key: _redact(item, patterns) for key, item in value.items()}
    return [_redact(item, patterns) for item in value] if isinstance(value, list | tuple) else value


def _call_run(
    call: LlmCall, parent: dict[str, Any] | None, shared: Mapping[str, Any], facts: Iterable[Mapping[str, Any]], send_content: bool, *, project: str | None = None
) -> dict[str, Any]:  # fmt: skip
    start = _utc(call.created_at)
    metadata = {
        **shared, "ls_provider": call.provider, "ls_model_name": call.model, "purpose": call.purpose, "attempt": call.attempt, "request_id": call.request_id,
        "status": call.status, "prompt_sha256": call.prompt_sha256, "batch_id": call.batch_id, "price_date": call.price_date and call.price_date.isoformat(),
    }  # fmt: skip
    if call.input_tokens is not None:
        metadata["usage_metadata"] = _usage(call)
    text = str((call.response or {}).get("text", ""))
    return _run(
        "call", call.call_id, name=f"{call.purpose}: {call.document}", run_type="llm", start=start, end=start + timedelta(milliseconds=call.latency_ms or 0),
        project=project or (parent or {})["session_name"], metadata=metadata, inputs={"draft_key": call.draft_key, "prompt_sha256": call.prompt_sha256}, parent=parent,
        outputs={"stop_reason": call.stop_reason} | ({"text": redacted(text, facts)} if send_content else {}),
        error=None if call.status == "ok" else f"{call.status}: {call.error or ''}" if send_content else call.status, tags=[call.purpose, call.status],
    )  # fmt: skip


def _run(
    kind: str, item_id: str, *, name: str, run_type: str, start: datetime, end: datetime, project: str, metadata: Mapping[str, Any], inputs: dict[str, Any],
    outputs: dict[str, Any], error: str | None, parent: dict[str, Any] | None = None, tags: Sequence[str] = (),
) -> dict[str, Any]:  # fmt: skip
    identity = run_id(kind, item_id)
    start = max(start, parent["start_time"]) if parent else start
    order = f"{start:%Y%m%dT%H%M%S%fZ}{identity}"
    run = {
        "id": uuid.UUID(identity), "name": name, "run_type": run_type, "start_time": start, "end_time": max(start, end), "inputs": inputs, "outputs": outputs,
        "error": error, "extra": {"metadata": dict(metadata)}, "tags": list(tags), "session_name": project,
        "trace_id": parent["trace_id"] if parent else uuid.UUID(identity), "dotted_order": f"{parent['dotted_order']}.{order}" if parent else order,
    }  # fmt: skip
    return run | {"parent_run_id": parent["id"]} if parent else run


def _draft_metadata(draft: Draft) -> dict[str, Any]:
    return {
        "account_key": draft.account_key, "document": draft.document, "as_of_date": draft.as_of_date.isoformat(), "version": draft.version,
        "audience": draft.audience, "status": draft.status, "written_by": draft.written_by, "ls_model_name": draft.model, "prompt_sha256": draft.prompt_sha256,
        "is_redraft": draft.feedback is not None, "cost_usd": None if draft.cost_usd is None else float(draft.cost_usd),
    }  # fmt: skip


def _usage(call: LlmCall) -> dict[str, Any]:
    """Tokens as LangSmith counts them: its input tokens include what went through the cache. Our own cost, because its price list knows no batch discount."""
    read, written = call.cache_read_tokens or 0, call.cache_write_tokens or 0
    total_input, output = (call.input_tokens or 0) + read + written, call.output_tokens or 0
    usage: dict[str, Any] = {
        "input_tokens": total_input, "output_tokens": output, "total_tokens": total_input + output,
        "input_token_details": {"cache_read": read, "cache_creation": written},
    }  # fmt: skip
    return usage if call.cost_usd is None else usage | {"total_cost": float(Decimal(call.cost_usd))}


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC)
