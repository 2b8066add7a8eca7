"""A night's drafts: read the facts, close the warehouse, write what changed, gate it, store it.

The warehouse connection is never held across a call to a model: DuckDB lets one process in, and a call can take a minute. Each
draft is stored as soon as it is written, so that a night that dies keeps what it paid for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from vim_pipelines.core.errors import VimError
from vim_pipelines.core.hashing import sha256_json
from vim_pipelines.core.money import known_sum
from vim_pipelines.reasoning.batches.submit import Sender, write_or_submit
from vim_pipelines.reasoning.batches.waiting import waiting_places, wall_clock
from vim_pipelines.reasoning.drafting import DraftReport, Job, draft_and_store
from vim_pipelines.reasoning.excerpts import excerpts_for, excerpts_from_rows
from vim_pipelines.reasoning.facts import FactSheet, sheet_from_rows
from vim_pipelines.reasoning.judge import make_judge
from vim_pipelines.reasoning.materiality import draft_key, settled
from vim_pipelines.reasoning.playbooks import Playbook, load_playbooks, load_re_plan
from vim_pipelines.reasoning.providers.base import Drafter, DraftRequest
from vim_pipelines.reasoning.providers.make import make_drafter
from vim_pipelines.reasoning.providers.request import contract_sha256
from vim_pipelines.reasoning.reading import (
    Texts,
    newest_as_of,
    read_actions,
    read_evidence,
    read_excerpts,
    read_fact_sheets,
    read_phases,
    read_signals,
)
from vim_pipelines.reasoning.triggers import select_documents
from vim_pipelines.store.engine import Store
from vim_pipelines.store.models import Draft
from vim_pipelines.warehouse.base import KEYS_PER_QUERY, chunks

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings
    from vim_pipelines.warehouse.base import Session, Warehouse

CAPACITY_DAYS = 7


def require_newest(session: Session, as_of: date) -> None:
    """Raise VIM-E033 unless `as_of` is the newest as-of date of the marts: a backfill must not call a model."""
    newest = newest_as_of(session)
    if newest is None:
        raise VimError("VIM-E024", f"The marts hold no account for {as_of}", fix="Run the audit for this date first")
    if as_of != newest:
        raise VimError("VIM-E033", f"{as_of} may not be drafted", why=f"The marts already hold {newest}", fix=f"Run the drafts for {newest}")


def write_drafts(
    warehouse: Warehouse,
    store: Store,
    settings: Settings,
    as_of: date,
    now: datetime,
    *,
    accounts: Sequence[str] | None = None,
    drafter: Drafter | None = None,
    playbooks: Mapping[str, Playbook] | None = None,
    anew: bool = False,
) -> DraftReport:
    """Write the drafts that the newest as-of date calls for; a second run of the same night writes nothing.

    Raises VIM-E033 for an as-of date that is not the newest, VIM-E030 for a wrong prompt file. What a model or the network does
    never raises: such drafts are written offline, with the reason in the report. `accounts` limits the run to these keys; `anew` writes
    a further version also where the facts are those of the last one, and asks nothing of the week's capacity, for a person asked for it.
    """
    writer = drafter or make_drafter(settings, store, as_of, now)
    jobs, report = plan_drafts(warehouse, store, settings, as_of, writer, accounts=accounts, playbooks=playbooks, anew=anew)
    judge = make_judge(settings, store, as_of, now, drafter=writer)
    results = write_or_submit(Sender(writer, store, settings, now, report, judge=judge), jobs) if jobs else []
    report.cost_usd = known_sum(result.cost_usd for result in results if result.written_by != "offline" or result.cost_usd is not None)
    return report


def plan_drafts(
    warehouse: Warehouse,
    store: Store,
    settings: Settings,
    as_of: date,
    writer: Drafter,
    *,
    accounts: Sequence[str] | None = None,
    playbooks: Mapping[str, Playbook] | None = None,
    anew: bool = False,
) -> tuple[list[Job], DraftReport]:
    """What the newest as-of date calls for, and a report of what it does not (unchanged, waiting, beyond the capacity). Writes nothing. Raises VIM-E033, VIM-E030."""
    report = DraftReport()
    with warehouse.session(read_only=True) as session:
        require_newest(session, as_of)
        return _plan(session, store, settings, as_of, writer, playbooks or load_playbooks(), report, accounts, anew), report


def redraft(store: Store, settings: Settings, draft_id: str, note: str, now: datetime, *, drafter: Drafter | None = None) -> str:
    """Write the next version of a draft with a reviewer's note in view, from the facts stored with it; returns the new draft's id.

    The warehouse is not opened. The same note on the same draft gives the same version again, whatever died in between. A draft
    that the note cannot change is held: a person must write it.
    """
    with store.session() as session:
        last = session.get(Draft, draft_id)
    if last is None:
        raise VimError("VIM-E040", f"There is no draft {draft_id}", fix="See 'vimotion inbox list'")
    playbook = load_playbooks().get(last.document)
    if playbook is None:
        raise VimError("VIM-E030", f"There is no prompt file for {last.document}", fix=f"Add prompts/{last.document}.yaml")
    writer = drafter or make_drafter(settings, store, last.as_of_date, now)
    sheet = sheet_from_rows(last.account_key, last.account_name, last.as_of_date, last.facts, last.evidence)
    sheet = replace(sheet, excerpts=excerpts_from_rows(last.structured.get("excerpts")))
    feedback = "\n".join(text for text in (last.feedback, note) if text and text.strip())
    key = _key(sheet, playbook, writer.model_for(playbook), sha256_json([draft_id, feedback, load_re_plan().sha256]))
    with store.session() as session:
        known = session.scalar(
            select(Draft.draft_id)
            .where(Draft.draft_key == key, Draft.account_key == last.account_key, Draft.document == last.document)
            .order_by(Draft.version.desc())
        )
        highest = session.scalar(select(func.max(Draft.version)).where(Draft.account_key == last.account_key, Draft.document == last.document)) or 0
    if known is not None:
        return known
    request = DraftRequest(key, last.account_key, last.account_name, last.as_of_date, playbook, sheet, feedback=feedback, previous_text=last.rendered_text)
    report = DraftReport()
    judge = make_judge(settings, store, last.as_of_date, now, drafter=writer)
    job = Job(request, highest + 1).to_decide(now, settings.approval_hours)
    asyncio.run(draft_and_store(writer, [job], store, now, report, judge=judge))
    return report.draft_ids[-1]  # of a held draft and the offline one that follows it, the latter


def _plan(
    session: Session,
    store: Store,
    settings: Settings,
    as_of: date,
    writer: Drafter,
    playbooks: Mapping[str, Playbook],
    report: DraftReport,
    accounts: Sequence[str] | None,
    anew: bool,
) -> list[Job]:
    """What to write: every selected document whose key changed, in order of urgency, as far as the week's capacity goes."""
    signals, risks = read_signals(session, as_of)
    actions, phases = read_actions(session, as_of), read_phases(session, as_of)
    if accounts is not None:
        wanted = set(accounts)
        signals = [row for row in signals if row["account_key"] in wanted]
    selections = select_documents(signals, risks, playbooks, actions=actions, phases=phases)
    sheets = read_fact_sheets(session, as_of, [selection.account_key for selection in selections], with_evidence=False)
    latest, waiting = _latest_drafts(store, set(sheets)), waiting_places(store, wall_clock())
    room = settings.weekly_capacity - _drafted_this_week(store, as_of) - len(waiting)
    jobs = []
    for selection in selections:
        sheet, playbook = sheets.get(selection.account_key), playbooks[selection.document]
        if sheet is None:
            report.without_facts.append(selection.account_key)
            continue
        if (selection.account_key, selection.document) in waiting:
            report.waiting += 1
            continue
        before = latest.get((selection.account_key, selection.document))
        part = settled(sheet.only(playbook.facts, shareable=playbook.audience == "customer"), before.facts if before else None)
        key = _key(part, playbook, writer.model_for(playbook), None)
        if before is not None and key in before.keys:
            if not anew:
                report.reused += 1
                continue
            key = key_anew(before.draft_id)
        if room <= 0 and not anew:
            report.cut.append(replace(selection, is_cut=True))
        else:
            room -= 1
            request = DraftRequest(key, selection.account_key, sheet.account_name, as_of, playbook, part)
            jobs.append(Job(request, before.version + 1 if before else 1))
    evidence = read_evidence(session, as_of, {job.request.account_key: sheets[job.request.account_key] for job in jobs})
    texts = read_excerpts(session, as_of, [(job.request.account_key, job.request.playbook.excerpts) for job in jobs])
    parts = {job.request.draft_key: _with_excerpts(_with_evidence(job.request.sheet, evidence), job.request.playbook, texts) for job in jobs}
    return [replace(job, request=replace(job.request, sheet=parts[job.request.draft_key])) for job in jobs]


def _with_evidence(sheet: FactSheet, evidence: Mapping[str, tuple[dict[str, Any], ...]]) -> FactSheet:
    own = ({**entry, "fact_ids": [handle for handle in entry["fact_ids"] if handle in sheet.facts]} for entry in evidence.get(sheet.account_key, ()))
    return replace(sheet, evidence=tuple(entry for entry in own if entry["fact_ids"]))


def _with_excerpts(sheet: FactSheet, playbook: Playbook, texts: Mapping[str, Texts]) -> FactSheet:
    said = texts.get(sheet.account_key)
    if said is None:
        return sheet
    return replace(sheet, excerpts=excerpts_for(said.texts, playbook.excerpts, said.people, sheet, for_customer=playbook.audience == "customer"))


def key_anew(draft_id: str) -> str:
    """Key of the version that a person asked for after `draft_id`, on the same facts: another than the night's, or the ledger would hand out the same answer."""
    return sha256_json([draft_id, "anew"])


def _key(sheet: FactSheet, playbook: Playbook, model: str, feedback: str | None) -> str:
    return draft_key(sheet, document=playbook.id, prompt_sha256=playbook.sha256, schema_sha256=contract_sha256(), model=model, feedback=feedback)


@dataclass(frozen=True)
class _Latest:
    """The newest version of a document: its number, its facts by handle, and the key of the night that asked for it.

    A version written from a reviewer's note has a key of its own, but the facts it answers are those of the nightly draft before
    it: as long as they hold, the night has nothing to add. The same goes for a version that a person asked for anew.
    """

    draft_id: str
    version: int
    facts: dict[str, dict[str, Any]]
    keys: frozenset[str]


def _latest_drafts(store: Store, account_keys: set[str]) -> dict[tuple[str, str], _Latest]:
    """The newest version of every document of these accounts; facts are read for the newest versions alone."""
    found: dict[tuple[str, str], tuple[str, int, frozenset[str]]] = {}
    anew: set[str] = set()
    with store.session() as session:
        columns = (Draft.draft_id, Draft.account_key, Draft.document, Draft.version, Draft.draft_key, Draft.feedback)
        for draft_id, account, document, version, key, feedback in session.execute(select(*columns).order_by(Draft.version)).all():
            if account in account_keys:
                before = found.get((account, document))
                continues = before is not None and (feedback or key in anew)
                found[account, document] = (draft_id, version, (before[2] | {key}) if before and continues else frozenset({key}))
                anew.add(key_anew(draft_id))
        facts: dict[str, dict[str, dict[str, Any]]] = {}
        for draft_ids in chunks([draft_id for draft_id, _, _ in found.values()], KEYS_PER_QUERY):
            for draft_id, rows in session.execute(select(Draft.draft_id, Draft.facts).where(Draft.draft_id.in_(draft_ids))).all():
                facts[draft_id] = {str(row["handle"]): row for row in rows}
    return {place: _Latest(draft_id, version, facts[draft_id], keys) for place, (draft_id, version, keys) in found.items()}


def _drafted_this_week(store: Store, as_of: date) -> int:
    """Documents that the night has put before the team in the seven days up to `as_of`; answers to a note are not new work."""
    first = as_of - timedelta(days=CAPACITY_DAYS - 1)
    with store.session() as session:
        count = select(func.count(Draft.draft_key.distinct())).where(Draft.as_of_date >= first, Draft.as_of_date <= as_of, Draft.feedback.is_(None))
        return int(session.scalar(count) or 0)
