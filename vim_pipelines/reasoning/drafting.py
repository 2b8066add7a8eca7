"""One draft from a writer's answer to a row of the store: judged by the gates, rendered, kept.

Live calls, collected batches and re-plans all end here, so that no way to a draft goes round a gate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import delete

from vim_pipelines.core.errors import VimError
from vim_pipelines.core.hashing import sha256_json, sha256_text
from vim_pipelines.reasoning import gates
from vim_pipelines.reasoning.playbooks import load_re_plan
from vim_pipelines.reasoning.providers.base import Drafter, DraftRequest, DraftResult, draft_all
from vim_pipelines.reasoning.providers.offline import SIGNATURE
from vim_pipelines.reasoning.render import render
from vim_pipelines.reasoning.triggers import Selection
from vim_pipelines.store.engine import Store
from vim_pipelines.store.models import Draft, PendingDraft


@dataclass
class DraftReport:
    """What a night wrote. `cut` are documents beyond the team's weekly capacity: called for, not written; `waiting` those whose answers come with a batch."""

    written: int = 0
    held: int = 0
    reused: int = 0
    cut: list[Selection] = field(default_factory=list)
    cost_usd: Decimal | None = Decimal(0)
    draft_ids: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    findings: Counter[str] = field(default_factory=Counter)
    without_facts: list[str] = field(default_factory=list)
    waiting: int = 0

    def metadata(self) -> dict[str, Any]:
        """For Dagster."""
        listed = [f"{item.account_key} {item.document}: {item.reason}" for item in self.cut]
        return {
            "written": self.written,
            "held": self.held,
            "reused": self.reused,
            "cut": len(self.cut),
            "waiting_in_batches": self.waiting,
            "cut_documents": listed[:200],
            "cost_usd": "unknown" if self.cost_usd is None else float(self.cost_usd),
            "outcomes": dict(self.outcomes),
            "offline_reasons": dict(self.reasons),
            "gate_findings": dict(self.findings),
            "accounts_without_facts": self.without_facts[:200],
        }

    def lines(self) -> list[str]:
        """For the command line."""
        cost = "unknown" if self.cost_usd is None else f"{self.cost_usd:.4f} USD"
        lines = [
            f"Drafts: {self.written} written, {self.held} held back by a gate, {self.reused} unchanged, {len(self.cut)} beyond the weekly capacity; cost {cost}."
        ]
        if self.waiting:
            lines.append(
                f"{self.waiting} drafts wait for a batch of calls to end, within a day; the sensor open_batches or 'vimotion batches collect' takes them up."
            )
        return lines + [f"Offline instead of Claude, {count} times: {reason}" for reason, count in sorted(self.reasons.items())]


@dataclass(frozen=True)
class Job:
    """A draft to be written: its request, and what is stored beside it."""

    request: DraftRequest
    version: int


async def draft_and_store(
    writer: Drafter, jobs: Sequence[Job], store: Store, now: datetime, report: DraftReport, *, concurrency: int = 20
) -> list[DraftResult]:
    """Have `writer` write all jobs and keep each draft as soon as it is there; results in the order of `jobs`."""
    by_key = {job.request.draft_key: job for job in jobs}

    def keep(request: DraftRequest, result: DraftResult) -> None:
        keep_draft(by_key[request.draft_key], result, store, now, report)

    return await draft_all(writer, [job.request for job in jobs], concurrency=concurrency, on_result=keep)


def keep_draft(job: Job, result: DraftResult, store: Store, now: datetime, report: DraftReport) -> None:
    """Gate, render and store what came of one job; counts it in `report`."""
    draft = _row(job, result, now)
    with store.session() as session:
        session.add(draft)
        session.execute(delete(PendingDraft).where(PendingDraft.draft_key == draft.draft_key))
    report.draft_ids.append(draft.draft_id)
    report.outcomes[result.outcome] += 1
    if result.reason:
        report.reasons[result.reason] += 1
    report.findings.update(finding["gate"] for finding in draft.gate_findings)
    if draft.status == "written":
        report.written += 1
    else:
        report.held += 1


def _row(job: Job, result: DraftResult, now: datetime) -> Draft:
    """The draft as stored: gated, rendered if its slots can be filled, held with the findings if not all is well."""
    request, playbook, sheet = job.request, job.request.playbook, job.request.sheet
    findings = gates.check(result.document, sheet, gates.demands_of(playbook))
    if result.unmet_feedback:
        findings.append(gates.Finding("feedback", "the offline drafter cannot act on this note: a person must write the text", "document"))
    text, steps = _rendered(result, request, findings)
    facts = sheet.rows()
    structured = result.document.model_dump(mode="json") | {"outcome": result.outcome, "source_reason": result.reason, "rendered_steps": steps}
    if request.feedback:
        structured["re_plan_sha256"] = load_re_plan().sha256
    return Draft(
        draft_id=sha256_json([request.draft_key, job.version])[:32], account_key=request.account_key, account_name=request.account_name, document=playbook.id,
        audience=playbook.audience, as_of_date=request.as_of, version=job.version, draft_key=request.draft_key, facts=facts, facts_sha256=sha256_json(facts),
        evidence=[dict(entry) for entry in sheet.evidence], structured=structured, rendered_text=text, rendered_sha256=sha256_text(text),
        status="held" if findings else "written", gate_findings=gates.rows(findings), written_by=result.written_by, model=result.model,
        prompt_sha256=playbook.sha256, cost_usd=result.cost_usd, feedback=request.feedback, created_at=now,
    )  # fmt: skip


def _rendered(result: DraftResult, request: DraftRequest, findings: list[gates.Finding]) -> tuple[str, list[dict[str, Any]]]:
    """The text; a draft whose slots cannot be filled has none, only its findings."""
    playbook, sheet = request.playbook, request.sheet
    signature = SIGNATURE if result.written_by == "offline" else f"Written by {result.model} from the facts below its text; every figure is printed by code."
    if result.reason:
        signature += f" {result.reason[:1].upper()}{result.reason[1:]}." if playbook.audience == "internal" else ""
    try:
        rendered = render(result.document, sheet, playbook, signature=signature, feedback=request.feedback)
    except (VimError, ValueError, KeyError) as error:
        if not findings:  # the gates promise that a draft without findings can be rendered
            findings.append(gates.Finding("render", str(error), "document"))
        return "", []
    findings.extend(gates.check_names(sheet, [value["handle"] for value in rendered.values], playbook.audience))
    return rendered.text, [dict(step) for step in rendered.steps]
