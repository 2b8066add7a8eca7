"""A person's edit of a draft: a new version that goes through the gates like any other, and that somebody else must approve.

The deterministic gates answer at once. Where a judge reads texts for customers, the edit waits for it as a draft in state `checking`, and a
job asks it: a model is never called while somebody's browser waits. Until the new version is asked about, the old question stands as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from vim_pipelines.approvals.deciding import may_decide
from vim_pipelines.approvals.editable import editable_text, read_text
from vim_pipelines.approvals.events import chained, step
from vim_pipelines.approvals.policy import Actor, Policy, policy_of
from vim_pipelines.approvals.queue import find_request, insert_request
from vim_pipelines.core.errors import VimError
from vim_pipelines.core.hashing import sha256_json, sha256_text
from vim_pipelines.reasoning import gates
from vim_pipelines.reasoning.facts import FactSheet, sheet_from_rows
from vim_pipelines.reasoning.judge import make_judge
from vim_pipelines.reasoning.playbooks import Playbook, load_playbooks
from vim_pipelines.reasoning.render import render
from vim_pipelines.store.models import ApprovalRequest, Draft
from vim_pipelines.store.notes import clean_note

if TYPE_CHECKING:
    from vim_pipelines.reasoning.schema import DraftDocument
    from vim_pipelines.settings import Settings
    from vim_pipelines.store.engine import Store

__all__ = ["EditReport", "check_edit", "edit", "edits_to_check", "editable", "editable_text"]

SIGNATURE = {
    "internal": "Edited by {name}; every figure is printed by code.",
    "customer": "Edited by a person; every figure is printed by code.",
}
OVERTAKEN = "the question was decided, or another version took its place, before this edit was read"


@dataclass(frozen=True)
class EditReport:
    """What became of an edit. `asked`: `request_id` is the new question. `checking`: a judge reads it first. `held`: nothing changed, see `findings`."""

    state: Literal["asked", "checking", "held"]
    request_id: str | None
    findings: tuple[dict[str, Any], ...] = ()
    draft_id: str | None = None

    def lines(self) -> list[str]:
        """For the command line."""
        if self.state == "asked":
            return [f"The edited text is asked about as {self.request_id}. Somebody else must approve it."]
        if self.state == "checking":
            return ["The edited text passed the gates. A second model reads it for promises before anybody is asked; the old version stands until then."]
        return ["Nothing was changed:", *[f"  {finding['where']}: {finding['what']}" for finding in self.findings]]


@dataclass(frozen=True)
class _Checked:
    """An edited document after the deterministic gates: `findings` hold it, `doubts` are what a judge may clear."""

    text: str
    steps: tuple[dict[str, Any], ...]
    findings: tuple[gates.Finding, ...]
    doubts: tuple[gates.Finding, ...] = ()


def editable(store: Store, request_id: str) -> str:
    """The text of a request's draft as it is handed to a person for editing. VIM-E040, or VIM-E121 for a request without a structured draft."""
    with store.reading() as session:
        request = find_request(session, request_id)
        draft = session.get_one(Draft, request.draft_id)
        if "title" not in draft.structured:
            raise VimError(
                "VIM-E121", f"The draft of {request.request_id} cannot be edited", why="It was stored without its parts", fix="Ask for changes instead"
            )
        return editable_text(draft.structured, draft.facts)


def edit(
    store: Store, settings: Settings, request_id: str, text: str, *, person: Actor, version: int, note: str | None, now: datetime, policy: Policy | None = None
) -> EditReport:
    """Take a person's text for a pending request, in the form of `editable`; the first edit wins, as the first decision does.

    The new version supersedes the old question with an event of its own, and the editor cannot approve it. Raises VIM-E040, E041 (another
    version), E042 (decided, expired, or another edit is being read), E043 (may not decide on it) and E030 (no prompt file for its document).
    """
    policy = policy or policy_of(settings)
    with store.reading() as session:
        request = find_request(session, request_id)
        _may_edit(session, request, person, policy, version, now)
        base = session.get_one(Draft, request.draft_id)
    playbook = _playbook(base.document)
    read = read_text(text, base.facts)
    if read.document is None:
        return EditReport("held", None, tuple(gates.rows(read.findings)))
    if "title" in base.structured and _same(read.document, base):
        return EditReport("held", None, tuple(gates.rows([gates.Finding("feedback", "the text is the same as before", "document")])))
    checked = _by_gates(read.document, base, playbook, person, now, settings.approval_hours)
    has_judge = base.audience == "customer" and is_judged(settings)
    if checked.findings or (checked.doubts and not has_judge):
        return EditReport("held", None, tuple(gates.rows(gates.in_order([*checked.findings, *checked.doubts]))))
    with chained(store) as session:
        request = find_request(session, request_id)
        _may_edit(session, request, person, policy, version, now)
        base = session.get_one(Draft, request.draft_id)
        draft = _row(session, base, read.document, checked, person, now, "checking" if has_judge else "written")
        draft.structured = draft.structured | {"edit_note": clean_note(note), "editor": [person.role, person.channel]}
        session.add(draft)
        session.flush()
        if has_judge:
            return EditReport("checking", None, draft_id=draft.draft_id)
        asked = _ask(session, request, draft, policy, now, settings.approval_hours)
        return EditReport("asked", asked.request_id, draft_id=draft.draft_id)


def is_judged(settings: Settings) -> bool:
    """Whether a judge is configured, without making one: the web request that takes an edit opens no connection."""
    claude, openai = settings.anthropic_api_key is not None, settings.openai_api_key is not None
    return {"off": False, "auto": claude or openai, "claude": True, "openai": True}[settings.judge]


def edits_to_check(store: Store, limit: int = 25) -> list[Draft]:
    """Edited drafts that wait for a judge, the oldest first. One query: a sensor calls this."""
    with store.reading() as session:
        return list(session.scalars(select(Draft).where(Draft.status == "checking").order_by(Draft.created_at, Draft.draft_id).limit(limit)))


def check_edit(store: Store, settings: Settings, draft_id: str, *, now: datetime, judge: gates.Judge | None = None, policy: Policy | None = None) -> EditReport:
    """Have the judge read an edited draft, then ask about it or hold it. Doubts of the gates that the judge does not share go beside the text.

    A judge that gives no verdict holds the edit, as it holds a draft. Once begun it may be begun again: the same text is read and paid for once.
    """
    policy = policy or policy_of(settings)
    with store.reading() as session:
        draft = session.get(Draft, draft_id)
    if draft is None or draft.status != "checking":
        return EditReport("held", None, tuple(draft.gate_findings) if draft is not None else (), draft_id)
    reader = judge or make_judge(settings, store, draft.as_of_date, now)
    found = asyncio.run(_verdict(reader, draft))
    with chained(store) as session:
        draft = session.get_one(Draft, draft_id)
        if draft.status != "checking":  # another process was first
            return EditReport("held", None, tuple(draft.gate_findings), draft_id)
        request = session.scalar(select(ApprovalRequest).where(ApprovalRequest.draft_id == draft.edited_from, ApprovalRequest.state == "pending"))
        if not found and (request is None or now >= request.expires_at):
            found = [gates.Finding("feedback", OVERTAKEN, "document")]
        if found or request is None:
            draft.status = "held"
            draft.gate_findings = gates.rows(gates.in_order([*found, *(gates.Finding(row["gate"], row["what"], row["where"]) for row in draft.gate_findings)]))
            return EditReport("held", None, tuple(draft.gate_findings), draft_id)
        draft.status, doubts = "written", draft.gate_findings
        draft.gate_findings = []
        if doubts:
            draft.structured = draft.structured | {"cleared_doubts": doubts}
        asked = _ask(session, request, draft, policy, now, settings.approval_hours)
        return EditReport("asked", asked.request_id, draft_id=draft_id)


async def _verdict(judge: gates.Judge | None, draft: Draft) -> list[gates.Finding]:
    if judge is None:
        return [gates.Finding("judge", "no judge has read it: none is configured any more", "document")]
    try:
        return await judge.findings(draft.rendered_text, account_key=draft.account_key, document=draft.document, as_of=draft.as_of_date)
    except Exception as error:  # whatever happened to it, it has not said no
        return [gates.Finding("judge", f"the judge gave no verdict: {type(error).__name__}", "document")]
    finally:
        await judge.aclose()


def _may_edit(session: Session, request: ApprovalRequest, person: Actor, policy: Policy, version: int, now: datetime) -> None:
    may_decide(request, person, policy, version, "edit")
    if now >= request.expires_at:
        raise VimError("VIM-E042", f"The request {request.request_id} expired on {request.expires_at:%Y-%m-%d %H:%M} UTC", fix="The next night asks again")
    other = session.scalar(select(Draft.edited_by).where(Draft.edited_from == request.draft_id, Draft.status == "checking").limit(1))
    if other is not None:
        raise VimError(
            "VIM-E042",
            f"An edit of {request.request_id} by {other} is being read",
            why="The first edit stands",
            fix="Wait for it, then look at the new version",
        )


def _playbook(document: str) -> Playbook:
    playbook = load_playbooks().get(document)
    if playbook is None:
        raise VimError("VIM-E030", f"There is no prompt file for {document}", fix=f"Add prompts/{document}.yaml")
    return playbook


def _sheet(draft: Draft) -> FactSheet:
    return sheet_from_rows(draft.account_key, draft.account_name, draft.as_of_date, draft.facts, draft.evidence)


def _by_gates(document: DraftDocument, base: Draft, playbook: Playbook, person: Actor, now: datetime, approval_hours: int) -> _Checked:
    """The gates of every draft, and the text as it will be printed."""
    sheet = _sheet(base)
    found = gates.check(document, sheet, gates.demands_of(playbook))
    doubts = tuple(found) if all(finding.gate in gates.DOUBTS for finding in found) else ()
    if found and not doubts:
        return _Checked("", (), tuple(found))
    signature = SIGNATURE[playbook.audience].format(name=person.name)
    decide_by = (now + timedelta(hours=approval_hours)).date()
    try:
        rendered = render(document, sheet, playbook, signature=signature, feedback=base.feedback, decide_by=decide_by)
    except (VimError, ValueError, KeyError) as error:
        return _Checked("", (), (gates.Finding("render", str(error), "document"),))
    names = gates.check_names(sheet, [value["handle"] for value in rendered.values], playbook.audience)
    return _Checked(rendered.text, tuple(dict(step) for step in rendered.steps), tuple(names), doubts)


def _same(document: DraftDocument, base: Draft) -> bool:
    return document.model_dump(mode="json") == {name: base.structured[name] for name in ("title", "sections", "steps")}


def _row(session: Session, base: Draft, document: DraftDocument, checked: _Checked, person: Actor, now: datetime, status: str) -> Draft:
    """The edited version. It keeps the key of what was edited: its facts are the same, so the night has nothing to add to it."""
    highest = session.scalar(select(func.max(Draft.version)).where(Draft.account_key == base.account_key, Draft.document == base.document)) or 0
    structured = document.model_dump(mode="json") | {"outcome": "ok", "source_reason": None, "rendered_steps": list(checked.steps)}
    structured["excerpts"] = base.structured.get("excerpts")
    return Draft(
        draft_id=sha256_json(["edit", base.draft_id, highest + 1, checked.text])[:32], account_key=base.account_key, account_name=base.account_name,
        document=base.document, audience=base.audience, as_of_date=base.as_of_date, version=highest + 1, draft_key=base.draft_key, facts=base.facts,
        facts_sha256=base.facts_sha256, evidence=base.evidence, structured=structured, rendered_text=checked.text, rendered_sha256=sha256_text(checked.text),
        status=status, gate_findings=gates.rows(checked.doubts), written_by="person", model=None, prompt_sha256=base.prompt_sha256, cost_usd=Decimal(0),
        feedback=base.feedback, created_at=now, edited_by=person.name, edited_from=base.draft_id,
    )  # fmt: skip


def _ask(session: Session, request: ApprovalRequest, draft: Draft, policy: Policy, now: datetime, approval_hours: int) -> ApprovalRequest:
    """The new question in place of the old one, in the editor's name, inside `chained`."""
    role, channel = draft.structured.get("editor") or ("system", "system")
    editor, note = Actor(str(draft.edited_by), role, channel), draft.structured.get("edit_note")
    said = f"edited by {draft.edited_by}{f': {note}' if note else ''}"
    step(session, request, "supersede", actor=editor, now=now, note=said)
    return insert_request(
        session,
        draft,
        policy,
        now,
        approval_hours=approval_hours,
        latest=request,
        replan_round=request.replan_round,
        note=f"{said} (from {request.request_id})",
    )


def findings_of_edits(store: Store, request_id: str) -> Sequence[tuple[str, str, tuple[dict[str, Any], ...]]]:
    """Edits of a request that are being read or were held after reading: (who, state, findings), the newest first, for the page of the request."""
    with store.reading() as session:
        request = find_request(session, request_id)
        rows = session.scalars(select(Draft).where(Draft.edited_from == request.draft_id, Draft.status != "written").order_by(Draft.version.desc()))
        return [(str(row.edited_by), row.status, tuple(row.gate_findings)) for row in rows]
