"""Traces, decisions and rejected drafts for LangSmith, from the operations store, after the fact.

Tracing live would hold a run's exit for up to two minutes when LangSmith is down (measured, LLM.md section 4). So the store is the
truth and this job posts what it holds, back-dated; an outage leaves the rows for the next time and costs seconds. `traces.py` says
what is sent; prompts, drafts and notes stay in the house unless VIMOTION_LANGSMITH_SEND_CONTENT is set.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from vim_pipelines.reasoning import traces
from vim_pipelines.reasoning.langsmith_wire import PostFailed, Wire, connect, endpoint_of
from vim_pipelines.store.engine import Store
from vim_pipelines.store.models import ApprovalEvent, ApprovalRequest, Draft, LlmCall, TraceExport
from vim_pipelines.warehouse.base import KEYS_PER_QUERY, chunks

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings

log = logging.getLogger(__name__)

#: Drafts in one post; each brings its calls and its gates, some ten runs.
BATCH_DRAFTS = 25
#: A finished call that no draft came of is shown alone after so long: until then its draft may still be on its way (a batch has a day).
ALONE_AFTER = timedelta(days=2)
DATASET = "value-in-motion rejected drafts"
#: Decisions after which a draft is an example of what not to write; a dismissal or a dispute says nothing about the text.
REJECTIONS = ("reject", "request_changes")


@dataclass
class ExportReport:
    """What was sent, by kind. `message` says why nothing was, or why something is left."""

    sent: Counter[str] = field(default_factory=Counter)
    left: int = 0
    message: str = ""

    @property
    def exported(self) -> int:
        """Items sent, of all kinds."""
        return sum(self.sent.values())

    def metadata(self) -> dict[str, Any]:
        """For Dagster."""
        return {"exported": self.exported, "by_kind": dict(self.sent), "left": self.left, "message": self.message}

    def lines(self) -> list[str]:
        """For the command line."""
        return [self.message]


@dataclass
class _Waiting:
    """What LangSmith has not received: drafts with their calls, calls that no draft came of, decisions with the draft they were about."""

    drafts: list[tuple[Draft, list[LlmCall]]]
    calls: list[LlmCall]
    decisions: list[tuple[ApprovalEvent, Draft]]
    examples: list[tuple[ApprovalEvent, Draft]]

    def __len__(self) -> int:
        return len(self.drafts) + len(self.calls) + len(self.decisions) + len(self.examples)


def export_traces(store: Store, settings: Settings, now: datetime) -> ExportReport:
    """Post everything that LangSmith has not seen and mark it. Never raises for an outage: what is left goes out the next time."""
    waiting = _waiting(store, now)
    if settings.langsmith_api_key is None:
        return ExportReport(left=len(waiting), message="LANGSMITH_API_KEY is not set: nothing is exported.")
    if not len(waiting):
        return ExportReport(message="LangSmith has everything already.")
    report = ExportReport()
    wire, problem = connect(settings)
    if wire is not None:
        post = _Post(store, settings, now, wire, report)
        try:
            post.traces(waiting)
            post.feedback(waiting.decisions)
            post.examples(waiting.examples)
        except PostFailed as error:
            problem = f"took {report.exported} items and then failed ({error})"
        finally:
            wire.close()
    report.left = len(waiting) - report.exported
    if problem is not None:
        log.warning("LangSmith at %s: %s", endpoint_of(settings), problem)
        report.message = f"VIM-E034 LangSmith at {endpoint_of(settings)} {problem}; {report.left} items stay in the operations store for the next export."
    else:
        told = ", ".join(f"{count} {kind}" for kind, count in sorted(report.sent.items()))
        report.message = f"Exported to the LangSmith project {settings.langsmith_project}: {told}."
    return report


class _Post:
    """One export: the wire, and what every kind needs."""

    def __init__(self, store: Store, settings: Settings, now: datetime, wire: Wire, report: ExportReport) -> None:
        self.store, self.settings, self.now, self.wire, self.report = store, settings, now, wire, report
        self.content = settings.langsmith_send_content

    def traces(self, waiting: _Waiting) -> None:
        """Drafts with calls and gates; then lone calls."""
        project = self.settings.langsmith_project
        for batch in chunks(waiting.drafts, BATCH_DRAFTS):
            runs = [run for draft, calls in batch for run in traces.draft_trace(draft, calls, project=project, send_content=self.content)]
            self.wire.ingest(runs)
            _mark(self.store, self.now, "draft", [draft.draft_id for draft, _ in batch], calls=[call.call_id for _, calls in batch for call in calls])
            self.report.sent["drafts"] += len(batch)
        for lone in chunks(waiting.calls, 4 * BATCH_DRAFTS):
            self.wire.ingest([traces.lone_call(call, project=project, send_content=self.content) for call in lone])
            _mark(self.store, self.now, "call", [], calls=[call.call_id for call in lone])
            self.report.sent["calls without a draft"] += len(lone)

    def feedback(self, decisions: Sequence[tuple[ApprovalEvent, Draft]]) -> None:
        """Decisions of people, each on the trace of the draft that they read."""
        project = self.wire.tried(lambda: self.wire.client.read_project(project_name=self.settings.langsmith_project)).id if decisions else None
        for event, draft in decisions:
            feedback = traces.decision_feedback(event, draft, send_content=self.content)
            self.wire.tried(partial(self.wire.client.create_feedback, **feedback, session_id=project, start_time=event.at, stop_after_attempt=1))
            _mark(self.store, self.now, "decision", [event.event_sha256])
            self.report.sent["decisions"] += 1

    def examples(self, rejected: Sequence[tuple[ApprovalEvent, Draft]]) -> None:
        """Rejected drafts, into one dataset; what is there already is not an error."""
        from langsmith.utils import LangSmithConflictError

        dataset = self.wire.dataset(DATASET, "Drafts that a person rejected or sent back, with the decision.") if rejected else None
        for event, draft in rejected:
            example = traces.rejected_example(event, draft, send_content=self.content)
            self.wire.tried(partial(self.wire.client.create_examples, dataset_id=dataset, examples=[example]), known=(LangSmithConflictError,))
            _mark(self.store, self.now, "example", [event.event_sha256])
            self.report.sent["examples"] += 1


def _waiting(store: Store, now: datetime) -> _Waiting:
    with store.session() as session:
        session.expire_on_commit = False
        sent = defaultdict(set)
        for kind, item_id in session.execute(select(TraceExport.kind, TraceExport.item_id)).all():
            sent[kind].add(item_id)
        calls = session.scalars(
            select(LlmCall).where(LlmCall.exported_at.is_(None), LlmCall.status != "started").order_by(LlmCall.created_at, LlmCall.call_id)
        ).all()
        places = session.execute(
            select(Draft.draft_id, Draft.draft_key, Draft.account_key, Draft.document, Draft.as_of_date, Draft.written_by).order_by(Draft.version)
        ).all()
        of_key: dict[str, str] = {}
        of_place: dict[tuple[Any, ...], str] = {}
        for draft_id, key, account, document, as_of, _ in sorted(places, key=lambda row: row.written_by == "offline"):
            of_key.setdefault(key, draft_id)
            of_place.setdefault((account, document, as_of), draft_id)
        own: dict[str, list[LlmCall]] = defaultdict(list)
        alone = []
        for call in calls:
            draft_id = of_key.get(call.draft_key) or (of_place.get((call.account_key, call.document, call.as_of_date)) if call.purpose != "draft" else None)
            if draft_id is not None and draft_id not in sent["draft"]:
                own[draft_id].append(call)
            elif draft_id is not None or call.created_at <= now - ALONE_AFTER:
                alone.append(call)
        unsent = [row.draft_id for row in places if row.draft_id not in sent["draft"]]
        drafts = [(draft, own[draft.draft_id]) for draft in _drafts(session, unsent)]
        events = session.execute(
            select(ApprovalEvent, ApprovalRequest.draft_id)
            .join(ApprovalRequest, ApprovalRequest.request_id == ApprovalEvent.request_id)
            .where(ApprovalEvent.action.in_(tuple(traces.DECISION_SCORES)))
            .order_by(ApprovalEvent.event_number)
        ).all()
        new_decisions = [(event, draft_id) for event, draft_id in events if event.event_sha256 not in sent["decision"]]
        new_examples = [(event, draft_id) for event, draft_id in events if event.action in REJECTIONS and event.event_sha256 not in sent["example"]]
        read = {draft.draft_id: draft for draft in _drafts(session, sorted({draft_id for _, draft_id in (*new_decisions, *new_examples)}))}
        return _Waiting(
            drafts, alone, [(event, read[draft_id]) for event, draft_id in new_decisions], [(event, read[draft_id]) for event, draft_id in new_examples]
        )


def _drafts(session: Any, draft_ids: Sequence[str]) -> Iterator[Draft]:
    for keys in chunks(list(draft_ids), KEYS_PER_QUERY):
        yield from session.scalars(select(Draft).where(Draft.draft_id.in_(keys)).order_by(Draft.created_at, Draft.draft_id)).all()


def _mark(store: Store, now: datetime, kind: str, item_ids: Sequence[str], *, calls: Sequence[str] = ()) -> None:
    """Remember what was sent, a kind's items and the calls that went with them, in one transaction."""
    with store.session() as session:
        session.add_all(TraceExport(kind=kind, item_id=item_id, exported_at=now) for item_id in item_ids)
        if calls:
            session.execute(update(LlmCall).where(LlmCall.call_id.in_(calls)).values(exported_at=now))
