"""Consent under random use: two approvers and a stranger, five doors, edits, disputes, expiry, crashes at every checkpoint and a CRM that lies.

What must hold whatever happens: no content reaches the CRM without a current approval of exactly that text, no mirror field outside the
standing approval, nothing twice, nothing lost, and silence approves nothing. The full check is `make test-all` (10,000 lives).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest
from approval_drafts import AS_OF, NOW, make_draft
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from model_crm import FAULTS, READ_FAULTS, Killed, ModelCrm, World
from stores import settings_for

from vim_pipelines.approvals.deciding import decide, expire, hold_disputed, retry
from vim_pipelines.approvals.events import verify_chain
from vim_pipelines.approvals.policy import Actor, load_policy
from vim_pipelines.approvals.queue import approved_ready, request_approvals
from vim_pipelines.approvals.replan import replan
from vim_pipelines.approvals.states import DECISIONS
from vim_pipelines.core.errors import VimError
from vim_pipelines.core.hashing import sha256_json
from vim_pipelines.store import open_store
from vim_pipelines.store.models import ApprovalEvent, ApprovalRequest, Draft, StandingApproval
from vim_pipelines.vendors.http import VendorError
from vim_pipelines.writeback.apply import reconcile, undo, write_back
from vim_pipelines.writeback.mirror import mirror_fields, revoke_standing_approval, sign_standing_approval, write_mirror

POLICY = load_policy()
STRICTER = POLICY.model_copy(update={"max_replan_rounds": POLICY.max_replan_rounds + 1})
SETTLE = 120
#: One account where one person is enough, one where it takes two.
ACCOUNTS = {
    "ACC-1": {"arr_amount": 60_000, "currency": "USD", "risk_band": "green", "segment": "smb", "csm_email": "ada@vendor.example"},
    "ACC-2": {"arr_amount": 900_000, "currency": "USD", "risk_band": "red", "segment": "enterprise", "csm_email": "ada@vendor.example"},
}
PEOPLE = {"carl": ("csm", ("smb",)), "dora": ("director", ()), "elif": ("director", ()), "fred": ("director", ("smb",)), "mallory": ("analyst", ())}
DOORS = ("inbox", "slack", "mail", "cli", "crm")
DOCUMENT = "license_optimization_plan"
WRITTEN = ("executing", "applied", "verified")

people = st.sampled_from(sorted(PEOPLE))
doors = st.sampled_from(DOORS)
accounts = st.sampled_from(sorted(ACCOUNTS))
faults = st.lists(st.sampled_from(FAULTS), max_size=4)
read_faults = st.lists(st.sampled_from(READ_FAULTS), max_size=3)
#: After how many checkpoints the process is killed; None: it lives.
deaths = st.one_of(st.none(), st.integers(0, 16))


def fast_folder() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def empty_store() -> Path:
    """A migrated, empty store, made once: ten thousand lives must not migrate ten thousand times."""
    global _EMPTY
    if _EMPTY is None:
        home = Path(tempfile.mkdtemp(dir=fast_folder()))
        store = open_store(settings_for(f"sqlite:///{home / 'empty.db'}", home))
        with store.engine.connect() as connection:
            connection.exec_driver_sql("pragma query_only = off")
        store.engine.dispose()
        _EMPTY = home / "empty.db"
    return _EMPTY


_EMPTY: Path | None = None


class ConsentLife(RuleBasedStateMachine):
    """Two accounts with one kind of document each, one CRM, and everybody at once."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(dir=fast_folder())
        home = Path(self.folder.name)
        shutil.copy(empty_store(), home / "operations.db")
        self.settings = settings_for(f"sqlite:///{home / 'operations.db'}", home, write_mode="live")
        self.store = open_store(self.settings)
        self.now, self.number, self.policy = NOW, 0, POLICY
        self.world = World(accounts={key: {} for key in ACCOUNTS})
        self.world.permitted, self.world.mirror_permitted = self.breach_of, self.mirror_breach_of
        self.crm = ModelCrm(self.world)
        self.edited: dict[str, str] = {}
        self.touched: set[str] = set()
        self.undo_begun: set[str] = set()

    def teardown(self) -> None:
        try:
            self.everything_settles()
        finally:
            self.store.engine.dispose()
            self.folder.cleanup()

    # -- what the CRM asks itself at the moment a write is sent: written from the design, on rows alone

    def breach_of(self, record) -> str | None:
        request_id = record.external_id.removeprefix("VIM-")
        with self.store.reading() as session:
            row = session.get(ApprovalRequest, request_id)
            if row is None:
                return f"{record.external_id}: nobody was ever asked"
            approvals = self.approvals(session, row)
            needed = 2 if row.account_key == "ACC-2" else 1
            if row.state != "executing":
                return f"{request_id} is {row.state} while its content is sent"
            if len(approvals) < needed:
                return f"{request_id}: {len(approvals)} of {needed} approvals"
            if row.approved_sha256 != sha256_json(row.payload):
                return f"{request_id}: the approval is for another text"
            if record.action == "crm_note" and record.proposed.get("Body__c") != row.payload["text"]:
                return f"{request_id}: another text is sent than was approved"
        return None

    def approvals(self, session, row) -> set[str]:
        """Different people whose approval of exactly this text is on record, each with the right to give it."""
        events = session.query(ApprovalEvent).filter(ApprovalEvent.request_id == row.request_id, ApprovalEvent.action.in_(("approve", "endorse")))
        found = set()
        for event in events:
            role, segments = PEOPLE.get(event.actor, ("nobody", ()))
            may = role == "director" or (role == "csm" and row.account_key == "ACC-1")
            in_segment = not segments or ACCOUNTS[row.account_key]["segment"] in segments
            in_time = event.at < row.expires_at
            if may and in_segment and in_time and event.payload_sha256 == row.payload_sha256 and self.edited.get(row.request_id) != event.actor:
                found.add(event.actor)
        return found

    def mirror_breach_of(self, rows) -> str | None:
        with self.store.reading() as session:
            standing = session.query(StandingApproval).filter(StandingApproval.revoked_at.is_(None)).all()
        if len(standing) != 1 or standing[0].policy_version != self.policy.version:
            return "mirror fields are sent without a standing approval of this policy"
        outside = {name for fields in rows.values() for name in fields} - set(standing[0].fields)
        return f"mirror fields outside the standing approval: {outside}" if outside else None

    # -- the world goes on

    def rows(self, account: str | None = None) -> list[ApprovalRequest]:
        with self.store.reading() as session:
            query = session.query(ApprovalRequest).order_by(ApprovalRequest.created_at, ApprovalRequest.account_key, ApprovalRequest.version)
            return list(query.filter(ApprovalRequest.account_key == account) if account else query)

    def actor(self, name: str, door: str) -> Actor:
        role, segments = PEOPLE[name]
        return Actor(name, role, door, segments)

    @initialize()
    def first_night(self) -> None:
        for account in ACCOUNTS:
            self.a_night_drafts(account, True)

    @rule(account=accounts, is_material=st.booleans())
    def a_night_drafts(self, account: str, is_material: bool) -> None:
        self.number += 1
        version = self.number
        draft_id = make_draft(
            self.store, account=account, document=DOCUMENT, version=version, facts=f"facts-{version if is_material else 0}", text=f"text {version}"
        )
        request_approvals(self.store, self.policy, AS_OF, self.now, approval_hours=72, draft_ids=[draft_id], signals=ACCOUNTS)

    @rule(hours=st.integers(0, 50))
    def time_passes(self, hours: int) -> None:
        self.now += timedelta(hours=hours, seconds=SETTLE)
        self.world.arrive()

    @rule()
    def the_sweep_runs(self) -> None:
        expire(self.store, self.now)

    @rule(account=accounts, name=people, door=doors)
    def somebody_approves(self, account: str, name: str, door: str) -> None:
        self.decision(account, name, door, "approve")

    @rule(account=accounts, first=people, second=people, door=doors, other_door=doors)
    def two_approve(self, account: str, first: str, second: str, door: str, other_door: str) -> None:
        self.decision(account, first, door, "approve")
        self.decision(account, second, other_door, "approve")

    @rule(account=accounts, name=people, door=doors, decision=st.sampled_from(DECISIONS), is_stale=st.booleans())
    def somebody_decides(self, account: str, name: str, door: str, decision: str, is_stale: bool) -> None:
        self.decision(account, name, door, decision, is_stale=is_stale)

    def decision(self, account: str, name: str, door: str, decision: str, *, is_stale: bool = False) -> None:
        row = self.rows(account)[-1]
        try:
            decide(
                self.store, row.request_id, decision, person=self.actor(name, door), version=row.version - is_stale, note="because", now=self.now,
                policy=self.policy,
            )  # fmt: skip
        except VimError as error:
            assert error.code in ("VIM-E041", "VIM-E042", "VIM-E043"), error
            return
        assert row.state in ("pending", "rejected") and not is_stale and name != "mallory"
        assert self.now < row.expires_at or decision == "dismiss"

    @rule(account=accounts, name=st.sampled_from(["carl", "dora", "elif"]))
    def somebody_edits(self, account: str, name: str) -> None:
        """What an edit leaves in the store: a version of its own that its editor may not approve."""
        row = self.rows(account)[-1]
        if row.state != "pending" or self.now >= row.expires_at:
            return
        self.number += 1
        draft_id = make_draft(self.store, account=account, document=DOCUMENT, version=self.number, facts=f"edit-{self.number}", text=f"edited {self.number}")
        with self.store.session() as session:
            session.get_one(Draft, draft_id).edited_by = name
        report = request_approvals(self.store, self.policy, AS_OF, self.now, approval_hours=72, draft_ids=[draft_id], signals=ACCOUNTS)
        for request_id in report.requested:
            self.edited[request_id] = name

    @rule(account=accounts, name=st.sampled_from(["carl", "dora"]))
    def somebody_disputes_a_fact(self, account: str, name: str) -> None:
        hold_disputed(self.store, account, "unused_seats", person=self.actor(name, "inbox"), note="half of them are test users", now=self.now)

    @rule(works=st.booleans())
    def drafts_are_made_again(self, works: bool) -> None:
        for row in self.rows():
            if row.state not in ("rejected", "changes_requested", "replanning"):
                continue

            def redraft(draft_id: str, note: str, account: str = row.account_key) -> str:
                if not works:
                    raise RuntimeError("no model")
                self.number += 1
                return make_draft(
                    self.store, account=account, document=DOCUMENT, version=self.number, facts=f"re-{self.number}", text=f"again {self.number}", feedback=note
                )

            try:
                replan(self.store, row.request_id, settings=self.settings, now=self.now, redraft=redraft, policy=self.policy)
            except VimError as error:
                assert error.code == "VIM-E042", error

    @rule(faults=faults, read_faults=read_faults, dies_after=deaths)
    def write_back_runs(self, faults: list[str], read_faults: list[str], dies_after: int | None) -> None:
        with self.misbehaving(faults, read_faults):
            for request in approved_ready(self.store):
                if not self.survives(lambda checkpoint, request_id=request.request_id: self.carry_out(request_id, checkpoint), dies_after):
                    return

    @rule(account=accounts, door=doors, faults=faults, read_faults=read_faults, dies_after=deaths)
    def two_approve_and_it_is_carried_out(self, account: str, door: str, faults: list[str], read_faults: list[str], dies_after: int | None) -> None:
        """The way of most requests, so that what comes after an approval is tried often."""
        self.decision(account, "dora", door, "approve")
        self.decision(account, "elif", "inbox", "approve")
        self.write_back_runs(faults, read_faults, dies_after)

    @contextmanager
    def misbehaving(self, faults: list[str], read_faults: list[str]):
        self.world.faults, self.world.read_faults = list(faults), list(read_faults)
        try:
            yield
        finally:
            self.world.faults, self.world.read_faults = [], []

    def carry_out(self, request_id: str, checkpoint) -> None:
        try:
            write_back(self.store, self.crm, request_id, settings=self.settings, now=self.now, checkpoint=checkpoint, settle_seconds=SETTLE)
        except VimError as error:
            assert isinstance(error, VendorError) or error.code in ("VIM-E042", "VIM-E051", "VIM-E015", "VIM-E013"), error

    @rule(faults=faults, read_faults=read_faults, dies_after=deaths)
    def reconcile_runs(self, faults: list[str], read_faults: list[str], dies_after: int | None) -> None:
        with self.misbehaving(faults, read_faults):
            self.survives(self.reconcile, dies_after)

    def reconcile(self, checkpoint) -> None:
        with suppress(VendorError):
            reconcile(self.store, self.crm, settings=self.settings, now=self.now, checkpoint=checkpoint, settle_seconds=SETTLE)

    def survives(self, work, dies_after: int | None) -> bool:
        """Run `work`; False if it was killed at its checkpoint number `dies_after`. Its lock falls with it, as a process's does."""
        left = [dies_after]

        def checkpoint(_step: str) -> None:
            if left[0] is None:
                return
            if left[0] == 0:
                raise Killed
            left[0] -= 1

        try:
            work(checkpoint)
        except Killed:
            return False
        return True

    @rule(account=accounts, faults=st.lists(st.sampled_from(("none", "refused", "down", "locked")), max_size=2), dies_after=deaths, puts_right=st.booleans())
    def somebody_undoes_or_tries_again(self, account: str, faults: list[str], dies_after: int | None, puts_right: bool) -> None:
        rows = [row for row in self.rows(account) if row.state in ("failed", "conflicted", *(() if puts_right else ("verified",)))]
        if not rows:
            return
        if puts_right:
            retry(self.store, rows[-1].request_id, person=self.actor("dora", "cli"), note="put right", now=self.now, policy=self.policy)
            return

        self.undo_begun.add(rows[-1].request_id)

        def work(checkpoint) -> None:
            try:
                undo(
                    self.store,
                    self.crm,
                    rows[-1].request_id,
                    settings=self.settings,
                    now=self.now,
                    actor=self.actor("dora", "cli"),
                    note="x",
                    checkpoint=checkpoint,
                )
            except VimError as error:
                assert isinstance(error, VendorError) or error.code in ("VIM-E042", "VIM-E051"), error

        with self.misbehaving(faults, []):
            self.survives(work, dies_after)

    @rule(place=st.integers(0, 20), name=st.sampled_from(["Body__c", "Title__c"]))
    def somebody_edits_a_record_in_the_crm(self, place: int, name: str) -> None:
        drafts = [key for key, row in self.world.records.items() if row.object_name == "VIM_Draft__c"]
        if drafts:
            record = self.world.records[drafts[place % len(drafts)]]
            record.fields[name] = "edited in the CRM"
            self.touched.add(record.external_id)

    # -- the mirror

    @rule(
        what=st.sampled_from(["sign", "sign and run", "run", "revoke", "policy"]),
        name=people,
        score=st.integers(0, 3),
        faults=st.lists(st.sampled_from(FAULTS), max_size=2),
    )
    def the_mirror(self, what: str, name: str, score: int, faults: list[str]) -> None:
        if what.startswith("sign"):
            try:
                sign_standing_approval(self.store, self.policy, actor=name, role=PEOPLE[name][0], now=self.now)
            except VimError as error:
                assert error.code == "VIM-E043" and PEOPLE[name][0] != "director"
        if what == "revoke":
            revoke_standing_approval(self.store, now=self.now)
        elif what == "policy":
            self.policy = STRICTER if self.policy is POLICY else POLICY
        elif what.endswith("run"):
            signals = {"risk_band": "green", "lean_risk": score, "waste_annual": 10 * score, "money_status": "ok"}
            rows = {key: mirror_fields(signals, {"phase": 4, "phase_name": "Value Activation"}, self.now) for key in ACCOUNTS}
            with self.misbehaving(faults, []):
                try:
                    write_mirror(self.store, self.crm, rows, self.policy, as_of=AS_OF, settings=self.settings, now=self.now)
                except VimError as error:
                    assert error.code == "VIM-E044", error

    # -- what must hold

    @invariant()
    def nothing_was_sent_without_leave(self) -> None:
        assert self.world.breaches == []

    @invariant()
    def nothing_stands_twice(self) -> None:
        counted = Counter((row.object_name, row.external_id) for row in self.world.records.values())
        assert all(count == 1 for count in counted.values()), counted

    @invariant()
    def silence_approves_nothing(self) -> None:
        with self.store.reading() as session:
            for event in session.query(ApprovalEvent).filter(ApprovalEvent.action.in_(("approve", "endorse"))):
                assert event.actor in ("carl", "dora", "elif", "fred") and event.channel in DOORS
            for row in session.query(ApprovalRequest).filter(ApprovalRequest.state.in_(("approved", *WRITTEN))):
                assert len(self.approvals(session, row)) >= (2 if row.account_key == "ACC-2" else 1)

    @invariant()
    def at_most_one_question_is_open_for_an_account(self) -> None:
        assert all(len([row for row in self.rows(account) if row.state == "pending"]) <= 1 for account in ACCOUNTS)

    def everything_settles(self) -> None:
        """The CRM is well again and nobody dies: whatever was approved and not stopped by a person is there, once, word for word; nothing else is."""
        self.world.faults, self.world.read_faults = [], []
        for _ in range(3):
            self.now += timedelta(seconds=SETTLE + 1)
            self.world.arrive()
            self.reconcile(lambda step: None)
            for request in approved_ready(self.store):
                self.carry_out(request.request_id, lambda step: None)
        for row in self.rows():
            if row.request_id in self.undo_begun and row.state in ("verified", "failed", "conflicted"):  # whoever began it goes on with it
                try:
                    undo(self.store, self.crm, row.request_id, settings=self.settings, now=self.now, actor=self.actor("dora", "cli"), note="x")
                except VimError as error:
                    assert error.code == "VIM-E051" and f"VIM-{row.request_id}" in self.touched, error
        assert self.world.breaches == []
        self.nothing_stands_twice()
        rows = {f"VIM-{row.request_id}": row for row in self.rows()}
        assert not [row.state for row in rows.values() if row.state in ("approved", "executing", "applied")], "an approval was left lying"
        drafts = {row.external_id: row for row in self.world.records.values() if row.object_name == "VIM_Draft__c"}
        tasks = {row.external_id: row for row in self.world.records.values() if row.object_name == "Task"}
        for key, row in rows.items():
            if row.state == "verified" and not (row.request_id in self.undo_begun and key in self.touched):
                assert key in tasks and (key in self.touched or drafts[key].fields["Body__c"] == row.payload["text"]), "an approval was lost"
            elif row.state not in ("verified", "failed", "conflicted"):
                assert key not in drafts and key not in tasks, f"{row.state}, and yet it stands in the CRM"
        assert verify_chain(self.store) == []


QUIET = list(HealthCheck)
PHASES = (Phase.generate,)  # a life of 25 steps can be read as it is; shrinking one takes minutes


def lives(count: int, steps: int, **more) -> None:
    run_state_machine_as_test(
        ConsentLife,
        settings=settings(max_examples=count, stateful_step_count=steps, deadline=None, suppress_health_check=QUIET, database=None, phases=PHASES, **more),
    )


def test_a_few_lives() -> None:
    lives(60, 25, derandomize=True)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(10))
def test_ten_thousand_lives(part: int) -> None:
    """In ten parts of a thousand, so that two cores share them."""
    lives(1_000, 25)
