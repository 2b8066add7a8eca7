"""One draft from a writer's answer to a row of the store: judged by the gates, repaired once, rendered, kept.

Live calls, collected batches and re-plans all end here, so that no way to a draft goes round a gate. A model's draft that is held
back is kept with its reasons, and the offline drafter's text follows it as the next version: the account is never left in silence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import delete, func, select

from vim_pipelines.core import progress
from vim_pipelines.core.errors import VimError
from vim_pipelines.core.hashing import canonical_json, sha256_json, sha256_text
from vim_pipelines.core.money import known_sum
from vim_pipelines.reasoning import gates
from vim_pipelines.reasoning.excerpts import rows_of
from vim_pipelines.reasoning.playbooks import Playbook, load_re_plan
from vim_pipelines.reasoning.providers.base import Drafter, DraftRequest, DraftResult, draft_all
from vim_pipelines.reasoning.providers.offline import SIGNATURE, offline_result
from vim_pipelines.reasoning.render import render
from vim_pipelines.reasoning.triggers import Selection
from vim_pipelines.store.engine import Store
from vim_pipelines.store.models import Draft, PendingDraft


@dataclass
class DraftReport:
    """What a night wrote. `cut` are documents beyond the team's weekly capacity: called for, not written; `waiting` those whose answers come with a batch."""

    written: int = 0
    held: int = 0
    repaired: int = 0
    reused: int = 0
    cut: list[Selection] = field(default_factory=list)
    cost_usd: Decimal | None = Decimal(0)
    draft_ids: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    findings: Counter[str] = field(default_factory=Counter)
    without_facts: list[str] = field(default_factory=list)
    waiting: int = 0
    for_a_person: list[str] = field(default_factory=list)

    def metadata(self) -> dict[str, Any]:
        """For Dagster."""
        listed = [f"{item.account_key} {item.document}: {item.reason}" for item in self.cut]
        return {
            "written": self.written,
            "held": self.held,
            "repaired": self.repaired,
            "for_a_person": self.for_a_person[:200],
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
        if self.repaired:
            lines.append(f"Repaired after a gate had held them back: {self.repaired}.")
        if self.for_a_person:
            lines.append(f"A person must write {len(self.for_a_person)}: {', '.join(self.for_a_person[:5])}. See: vimotion inbox list")
        return lines + [f"Offline instead of a model, {count} times: {reason}" for reason, count in sorted(self.reasons.items())]


@dataclass(frozen=True)
class Job:
    """A draft to be written: its request, and what is stored beside it."""

    request: DraftRequest
    version: int

    def to_decide(self, now: datetime, approval_hours: int) -> Job:
        """The same for a person who is asked at `now` and has so many hours."""
        return replace(self, request=replace(self.request, decide_by=(now + timedelta(hours=approval_hours)).date()))


@dataclass(frozen=True)
class Judged:
    """A writer's answer with what the gates say of it, and its text as far as it can be rendered.

    `first` are the findings that a repair answered, `doubts` those that a judge read the text for and found nothing in.
    """

    result: DraftResult
    findings: tuple[gates.Finding, ...]
    text: str
    steps: tuple[dict[str, Any], ...]
    first: tuple[gates.Finding, ...] = ()
    doubts: tuple[gates.Finding, ...] = ()

    @property
    def is_held(self) -> bool:
        """Whether nobody may be asked about it."""
        return bool(self.findings)


async def draft_and_store(
    writer: Drafter, jobs: Sequence[Job], store: Store, now: datetime, report: DraftReport, *, concurrency: int = 20, judge: gates.Judge | None = None
) -> list[DraftResult]:
    """Have `writer` write all jobs and keep each draft as soon as it is there; results in the order of `jobs`."""
    by_key = {job.request.draft_key: job for job in jobs}
    repairing = _Repairing(writer, judge)
    costs: list[Decimal | None] = []

    def keep(request: DraftRequest, result: DraftResult) -> None:
        keep_draft(by_key[request.draft_key], result, store, now, report, judged=repairing.judged.get(request.draft_key))
        costs.append(result.cost_usd if result.written_by != "offline" or result.cost_usd is not None else Decimal(0))
        progress.report("drafts", len(costs), len(jobs), known_sum(costs))

    return await draft_all(repairing, [job.request for job in jobs], concurrency=concurrency, on_result=keep)


@dataclass
class _Repairing:
    """A drafter that has what a gate holds back written once more."""

    writer: Drafter
    judge: gates.Judge | None
    judged: dict[str, Judged] = field(default_factory=dict)

    def model_for(self, playbook: Playbook) -> str:
        return self.writer.model_for(playbook)

    async def draft(self, request: DraftRequest) -> DraftResult:
        judged = await judged_and_repaired(self.writer, request, await self.writer.draft(request), judge=self.judge)
        self.judged[request.draft_key] = judged
        return judged.result

    async def aclose(self) -> None:
        await self.writer.aclose()
        if self.judge is not None:
            await self.judge.aclose()


async def judged_and_repaired(writer: Drafter, request: DraftRequest, result: DraftResult, *, judge: gates.Judge | None = None) -> Judged:
    """`result` before all gates; if a model wrote it and it is held back, what the same writer makes of the findings, before all gates.

    One attempt. Its key comes from the draft's key, so that a night that died finds the answer in the ledger. Where no model answers
    the second time, or its text is held back too, the findings stand; `keep_draft` then goes on with the offline drafter.
    """
    judged = await _before_judge(request, by_gates(request, result), judge)
    if not judged.is_held or result.written_by == "offline":
        return judged
    again = replace(
        request, draft_key=sha256_json([request.draft_key, "repair"]), purpose="repair", findings=tuple(gates.rows(judged.findings)),
        held_answer=canonical_json(result.document.model_dump(mode="json")),
    )  # fmt: skip
    answer = await writer.draft(again)
    if answer.written_by == "offline":
        return judged
    second = await _before_judge(request, by_gates(request, answer), judge)
    return replace(second, result=replace(second.result, cost_usd=known_sum((result.cost_usd, answer.cost_usd))), first=judged.findings)


def by_gates(request: DraftRequest, result: DraftResult) -> Judged:
    """`result` before the deterministic gates, and rendered."""
    findings = gates.check(result.document, request.sheet, gates.demands_of(request.playbook))
    if result.unmet_feedback:
        findings.append(gates.Finding("feedback", "the offline drafter cannot act on this note: a person must write the text", "document"))
    text, steps = _rendered(result, request, findings)
    return Judged(result, tuple(gates.in_order(findings)), text, tuple(steps))


async def _before_judge(request: DraftRequest, judged: Judged, judge: gates.Judge | None) -> Judged:
    """The judge's word on a model's text for a customer, where the gates let it pass or only doubt its words (`gates.DOUBTS`).

    No to every question clears doubts: they stay beside the draft, for the person. Anything else holds it, and so does a judge that gives no verdict.
    """
    doubts = judged.findings if all(finding.gate in gates.DOUBTS for finding in judged.findings) else ()
    if judge is None or (judged.is_held and not doubts) or judged.result.written_by == "offline" or request.playbook.audience != "customer":
        return judged
    try:
        said = await judge.findings(judged.text, account_key=request.account_key, document=request.playbook.id, as_of=request.as_of)
    except Exception as error:  # whatever happened to it, it has not said no
        said = [gates.Finding("judge", f"the judge gave no verdict: {type(error).__name__}", "document")]
    return replace(judged, findings=tuple(gates.in_order([*doubts, *said])) if said else (), doubts=() if said else doubts)


def keep_draft(job: Job, result: DraftResult, store: Store, now: datetime, report: DraftReport, *, judged: Judged | None = None) -> None:
    """Store what came of one job, both versions in one transaction where the offline drafter takes over; counts it in `report`.

    `judged` is what `judged_and_repaired` made of `result`; without it the deterministic gates are asked here, and nothing is repaired.
    """
    versions = [judged or by_gates(job.request, result)]
    if versions[0].is_held and result.written_by != "offline":
        names = ", ".join(dict.fromkeys(finding.gate for finding in versions[0].findings))
        instead = offline_result(job.request, outcome=result.outcome, reason=f"a gate held the model's text back ({names})")
        versions.append(by_gates(job.request, instead))
    judged = versions[0]
    with store.session() as session:
        # A person's edit or a re-plan may have taken the number since the job was planned: a model's answer can take hours.
        taken = select(func.max(Draft.version)).where(Draft.account_key == job.request.account_key, Draft.document == job.request.playbook.id)
        first = max(job.version, (session.scalar(taken) or 0) + 1)
        drafts = [_row(job.request, first + place, version, now) for place, version in enumerate(versions)]
        session.add_all(drafts)
        session.execute(delete(PendingDraft).where(PendingDraft.draft_key == job.request.draft_key))
    report.outcomes[result.outcome] += 1
    report.repaired += bool(judged.first) and not judged.is_held
    for draft in drafts:
        report.draft_ids.append(draft.draft_id)
        report.findings.update(finding["gate"] for finding in draft.gate_findings)
        reason = draft.structured["source_reason"]
        if reason:
            report.reasons[reason] += 1
        report.written += draft.status == "written"
        report.held += draft.status == "held"
    if drafts[-1].status == "held":
        report.for_a_person.append(f"{drafts[-1].account_key} {drafts[-1].document}")


def _row(request: DraftRequest, version: int, judged: Judged, now: datetime) -> Draft:
    """The draft as stored: held with the findings if not all is well."""
    playbook, result = request.playbook, judged.result
    facts = request.sheet.rows()
    structured = result.document.model_dump(mode="json") | {"outcome": result.outcome, "source_reason": result.reason, "rendered_steps": list(judged.steps)}
    structured["excerpts"] = rows_of(request.sheet.excerpts)  # a re-plan reads the same ones
    if request.feedback:
        structured["re_plan_sha256"] = load_re_plan().sha256
    if judged.first:
        structured["repaired_findings"] = gates.rows(judged.first)
    if judged.doubts:
        structured["cleared_doubts"] = gates.rows(judged.doubts)
    return Draft(
        draft_id=sha256_json([request.draft_key, version])[:32], account_key=request.account_key, account_name=request.account_name, document=playbook.id,
        audience=playbook.audience, as_of_date=request.as_of, version=version, draft_key=request.draft_key, facts=facts, facts_sha256=sha256_json(facts),
        evidence=[dict(entry) for entry in request.sheet.evidence], structured=structured, rendered_text=judged.text, rendered_sha256=sha256_text(judged.text),
        status="held" if judged.is_held else "written", gate_findings=gates.rows(judged.findings), written_by=result.written_by, model=result.model,
        prompt_sha256=playbook.sha256, cost_usd=result.cost_usd, feedback=request.feedback, created_at=now,
    )  # fmt: skip


def _rendered(result: DraftResult, request: DraftRequest, findings: list[gates.Finding]) -> tuple[str, list[dict[str, Any]]]:
    """The text; a draft whose slots cannot be filled has none, only its findings."""
    playbook, sheet = request.playbook, request.sheet
    signature = SIGNATURE if result.written_by == "offline" else f"Written by {result.model} from the facts below its text; every figure is printed by code."
    if result.reason:
        signature += f" {result.reason[:1].upper()}{result.reason[1:]}." if playbook.audience == "internal" else ""
    try:
        rendered = render(result.document, sheet, playbook, signature=signature, feedback=request.feedback, decide_by=request.decide_by)
    except (VimError, ValueError, KeyError) as error:
        if not findings:  # the gates promise that a draft without findings can be rendered
            findings.append(gates.Finding("render", str(error), "document"))
        return "", []
    findings.extend(gates.check_names(sheet, [value["handle"] for value in rendered.values], playbook.audience))
    return rendered.text, [dict(step) for step in rendered.steps]
