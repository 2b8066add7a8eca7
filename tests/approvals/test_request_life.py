"""The state machine under random use: whatever people and processes do in whatever order, only allowed steps happen and the record holds."""

from __future__ import annotations

import sys
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from approval_drafts import AS_OF, NOW, make_draft
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "store"))

from stores import settings_for

from vim_pipelines.approvals.deciding import decide, expire, retry
from vim_pipelines.approvals.events import SYSTEM, chained, step, verify_chain
from vim_pipelines.approvals.policy import Actor, load_policy
from vim_pipelines.approvals.queue import request_approvals, show_request
from vim_pipelines.approvals.replan import replan
from vim_pipelines.approvals.states import DECISIONS, TERMINAL, TRANSITIONS, allowed
from vim_pipelines.core.errors import VimError
from vim_pipelines.store import open_store
from vim_pipelines.store.models import APPROVAL_STATES, ApprovalRequest

POLICY = load_policy()
SIGNALS = {"ACC-1": {"arr_amount": 60000, "currency": "USD", "risk_band": "green"}}
WRITING = ("executing", "applied", "verified", "failed", "conflicted", "undone")


def test_the_table_of_transitions_is_about_the_states_of_the_design() -> None:
    used = {state for state, _ in TRANSITIONS if state} | set(TRANSITIONS.values())
    assert used == set(APPROVAL_STATES)
    assert all(not allowed(state) for state in TERMINAL)


def test_no_path_leads_to_a_write_around_an_approval() -> None:
    """Every walk from nothing to `executing` uses the action `approve`."""
    reached, frontier = {None}, [None]
    while frontier:
        for action, target in allowed(frontier.pop()).items():
            if action != "approve" and target not in reached:
                reached.add(target)
                frontier.append(target)
    assert not reached & {"approved", *WRITING}
    assert {"rejected", "expired", "superseded", "dismissed", "replanning", "changes_requested"} <= reached


class RequestLife(RuleBasedStateMachine):
    """One account and one document, in a store of its own; every rule may be refused, none may do something else."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        home = Path(self.folder.name)
        self.settings = settings_for(f"sqlite:///{home / 'operations.db'}", home)
        self.store = open_store(self.settings)
        self.now, self.drafts = NOW, 0
        self.seen: dict[str, str] = {}
        self.hashes: dict[str, str] = {}

    def teardown(self) -> None:
        self.store.engine.dispose()
        self.folder.cleanup()

    def requests(self) -> list[ApprovalRequest]:
        with self.store.session() as session:
            return list(session.query(ApprovalRequest).order_by(ApprovalRequest.version))

    @initialize()
    def first(self) -> None:
        self.new_draft(True)

    @rule(is_material=st.booleans())
    def new_draft(self, is_material: bool) -> None:
        self.drafts += 1
        draft_id = make_draft(self.store, version=self.drafts, facts=f"facts-{self.drafts if is_material else 0}", text=f"text {self.drafts}")
        request_approvals(self.store, POLICY, AS_OF, self.now, approval_hours=72, draft_ids=[draft_id], signals=SIGNALS)

    @rule(hours=st.integers(1, 60))
    def time_passes(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @rule()
    def sweep(self) -> None:
        expire(self.store, self.now)

    @rule(
        decision=st.sampled_from(DECISIONS),
        role=st.sampled_from(["csm", "director", "analyst"]),
        note=st.sampled_from(["why", ""]),
        place=st.integers(0, 30),
        late=st.booleans(),
    )
    def somebody_decides(self, decision: str, role: str, note: str, place: int, late: bool) -> None:
        rows = self.requests()
        row = rows[-1] if place > 10 else rows[place % len(rows)]
        version = row.version - 1 if late else row.version
        try:
            decided = decide(self.store, row.request_id, decision, person=Actor("p", role, "cli"), version=version, note=note, now=self.now, policy=POLICY)
        except VimError as error:
            assert error.code in ("VIM-E041", "VIM-E042", "VIM-E043", "VIM-E045")
            return
        assert row.state == "pending" and role != "analyst" and not late and self.now < row.expires_at
        assert note or decision == "approve"
        assert (decided.state == "approved") == (decision == "approve")

    @rule(works=st.booleans())
    def somebody_replans(self, works: bool) -> None:
        row = self.requests()[-1]

        def redraft(draft_id: str, note: str) -> str:
            if not works:
                raise RuntimeError("no")
            self.drafts += 1
            return make_draft(self.store, version=self.drafts, facts=f"redraft-{self.drafts}", text=f"text {self.drafts}", feedback=note)

        try:
            replan(self.store, row.request_id, settings=self.settings, now=self.now, redraft=redraft, policy=POLICY)
        except VimError as error:
            assert error.code == "VIM-E042"
            return
        assert row.state in ("rejected", "changes_requested")

    @precondition(lambda self: any(row.state in ("approved", *WRITING) for row in self.requests()))
    @rule(
        action=st.sampled_from(["claim", "resume", "release", "apply", "verify", "fail", "conflict", "undo", "approve", "begin_replan"]),
        place=st.integers(0, 9),
    )
    def a_run_takes_a_step(self, action: str, place: int) -> None:
        rows = [row for row in self.requests() if row.state in ("approved", *WRITING)]
        row = rows[place % len(rows)]
        try:
            with chained(self.store) as session:
                step(session, session.get_one(ApprovalRequest, row.request_id), action, actor=SYSTEM, now=self.now)
        except VimError as error:
            assert error.code == "VIM-E042" and (row.state, action) not in TRANSITIONS
        else:
            assert (row.state, action) in TRANSITIONS

    @rule(role=st.sampled_from(["csm", "director", "analyst"]))
    def somebody_retries(self, role: str) -> None:
        row = self.requests()[-1]
        try:
            retry(self.store, row.request_id, person=Actor("p", role, "cli"), note="again", now=self.now, policy=POLICY)
        except VimError:
            return
        assert row.state in ("failed", "conflicted") and role != "analyst"

    @invariant()
    def only_allowed_steps_happened(self) -> None:
        for row in self.requests():
            events = show_request(self.store, row.request_id).events
            for event in events:
                assert TRANSITIONS[event.from_state, event.action] == event.to_state
            before = self.seen.get(row.request_id)
            if before in TERMINAL:
                assert row.state == before, "a terminal state stays"
            self.seen[row.request_id] = row.state

    @invariant()
    def whatever_is_written_was_approved_by_a_person(self) -> None:
        for row in self.requests():
            if row.state in ("approved", *WRITING):
                approvals = [event for event in show_request(self.store, row.request_id).events if event.action == "approve"]
                assert len(approvals) == 1 and approvals[0].role in ("csm", "director")
                assert row.approved_sha256 == row.payload_sha256
            else:
                assert row.approved_sha256 is None

    @invariant()
    def at_most_one_question_is_open(self) -> None:
        assert len([row for row in self.requests() if row.state == "pending"]) <= 1

    @invariant()
    def a_text_never_changes_under_its_hash(self) -> None:
        for row in self.requests():
            assert self.hashes.setdefault(row.request_id, row.payload_sha256) == row.payload_sha256

    @invariant()
    def the_record_is_whole(self) -> None:
        assert verify_chain(self.store) == []


QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def test_a_short_random_life() -> None:
    run_state_machine_as_test(
        RequestLife, settings=settings(max_examples=8, stateful_step_count=20, deadline=None, suppress_health_check=QUIET, derandomize=True)
    )


@pytest.mark.slow
def test_many_long_random_lives() -> None:
    run_state_machine_as_test(RequestLife, settings=settings(max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=QUIET))
