"""The kill test: a process that carries out an approval is killed with SIGKILL at every step, and a second one finishes.

Whatever the step, afterwards the CRM holds exactly one note and one task for the request, the request is verified, and the chain of
events is whole. The CRM is the emulator in a third process; the effects are counted there, not in our own store. The quick run
kills once at every step, CRMs and stores in turn; the whole product of steps, CRMs and stores is marked slow.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from approval_drafts import NOW, ask_and_approve
from orgs import ORGS
from stores import empty_postgres, settings_for

from vim_pipelines.approvals.events import verify_chain
from vim_pipelines.approvals.queue import show_request
from vim_pipelines.store import open_store

WORKER = Path(__file__).with_name("kill_worker.py")
SIGKILLED = -9
STORES = ("sqlite", "postgresql")
CRMS = tuple(ORGS)

#: Every checkpoint of an undisturbed run, in order. A step added to write-back must be added here, and is then killed too.
STEPS = [
    "claimed", "planned",
    "read:crm_note", "sending:crm_note", "answered:crm_note", "sent:crm_note",
    "read:crm_task", "sending:crm_task", "answered:crm_task", "created:crm_task", "linked:crm_task", "sent:crm_task",
    "applied", "verified:crm_note", "verified:crm_task", "verified",
]  # fmt: skip
UNDO_STEPS = ["undoing:crm_task", "put_back:crm_task", "undone:crm_task", "undoing:crm_note", "put_back:crm_note", "undone:crm_note"]


PLACES = [(crm, store) for store in STORES for crm in CRMS]


def turns(steps: list[str]) -> list:
    """(crm, store, step number): in the quick run each step once, the places in turn; everywhere else slow."""
    found = []
    for number, step in enumerate(steps):
        for place, (crm, store) in enumerate(PLACES):
            marks = () if place == number % len(PLACES) else (pytest.mark.slow,)
            found.append(pytest.param(crm, store, number + 1, marks=marks, id=f"{crm}-{store}-{step}"))
    return found


#: Each CRM once in the quick run, the stores in turn.
ALL = [
    pytest.param(crm, store, id=f"{crm}-{store}", marks=() if (CRMS.index(crm) + STORES.index(store)) % 2 == 0 else (pytest.mark.slow,))
    for crm, store in PLACES
]


class Ended(NamedTuple):
    """How a process ended: exit status (negative: the signal) and what it wrote, the step at which it was killed or all steps."""

    status: int
    text: str


@pytest.fixture(scope="module")
def processes():
    """The process that forks a new one for every run."""
    process = subprocess.Popen([sys.executable, str(WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    yield process
    process.stdin.close()
    process.wait(10)


@pytest.fixture
def org(crms, crm_name):
    """The CRM whose turn it is."""
    return crms[crm_name]


@pytest.fixture
def store_url(store_name, tmp_path, request):
    """The kind of store whose turn it is, empty."""
    return f"sqlite:///{tmp_path / 'operations.db'}" if store_name == "sqlite" else empty_postgres(request.getfixturevalue("postgres_address"))


@pytest.fixture
def settings(org, store_url, tmp_path):
    return settings_for(store_url, tmp_path, write_mode="live", **org.credentials)


@pytest.fixture
def store(settings):
    store = open_store(settings)
    yield store
    store.engine.dispose()


@pytest.fixture
def start(processes, settings, org, crm):
    """Run write-back (or reconcile, or undo) in a process of its own, to the end or to its death."""

    def run(request_id: str, *, kill_at: int, what: str = "write_back") -> Ended:
        job = {
            "crm": org.name,
            "store_url": settings.store_url,
            "home": str(settings.home),
            "request_id": request_id,
            "now": NOW.isoformat(),
            "kill_at": kill_at,
            "what": what,
            "credentials": org.credentials,
        }
        processes.stdin.write(json.dumps(job) + "\n")
        processes.stdin.flush()
        return Ended(**json.loads(processes.stdout.readline()))

    return run


def assert_exactly_once(store, client, org, request_id: str, account: str) -> None:
    (note,), (task,) = org.notes(client, account), org.tasks(client, account)
    assert f"VIM-{request_id}" in note["text"] and "150 of 200 seats are unused." in note["text"]
    # Counted by effect in the emulator's journal: a task that was created twice and deleted once would show here.
    ids = {note["id"], task["id"]}
    assert sorted(write["record"] for write in org.created() if write["record"] in ids) == sorted(ids)
    since = min(write["number"] for write in org.created() if write["record"] in ids)
    assert len([write for write in org.created() if write["number"] >= since]) == 2, "something was created besides the note and its task"
    request = show_request(store, request_id)
    assert request.state == "verified"
    assert {write.state for write in request.writes} <= {"verified", "skipped"}
    assert len(request.writes) == 2
    assert request.breaks == ()
    assert verify_chain(store) == []


@pytest.mark.parametrize("crm_name, store_name", ALL)
def test_the_list_of_steps_is_complete(store, client, approved, account, org, start) -> None:
    done = start(approved, kill_at=0)
    assert done.status == 0, done.text
    assert json.loads(done.text) == STEPS
    assert_exactly_once(store, client, org, approved, account)


@pytest.mark.parametrize("crm_name, store_name, step", turns(STEPS))
def test_killed_at_any_step_the_next_run_finishes_without_loss_or_double(store, client, approved, account, org, start, step) -> None:
    killed = start(approved, kill_at=step)
    assert killed.status == SIGKILLED, killed.text
    assert killed.text == STEPS[step - 1]
    # The sandbox's two doors to a second run: the sensor's write_back and the reconcile job. Taken in turn, both are tried at neighbouring steps.
    finished = start(approved, kill_at=0, what="write_back" if step % 2 else "reconcile")
    assert finished.status == 0, finished.text
    assert_exactly_once(store, client, org, approved, account)


@pytest.mark.parametrize("drop", ["before", "after"])
@pytest.mark.parametrize("what", ["note", "task"])
@pytest.mark.parametrize("crm_name, store_name", ALL)
def test_killed_after_a_dropped_connection(store, client, approved, account, org, start, what, drop) -> None:
    """The worst night: the answer is lost, and the process dies before it can look."""
    method, path = org.note_write if what == "note" else org.task_write
    org.fault(method=method, path=path, drop=drop)
    killed = start(approved, kill_at=STEPS.index(f"answered:crm_{what}") + 1)  # now 'unknown:...' stands there
    assert killed.status == SIGKILLED, killed.text
    assert killed.text.startswith("unknown:")
    assert start(approved, kill_at=0).status == 0
    assert_exactly_once(store, client, org, approved, account)


@pytest.mark.parametrize("crm_name, store_name, step", turns(UNDO_STEPS))
def test_killed_at_any_step_of_undo_the_next_undo_finishes(store, client, approved, account, org, start, step) -> None:
    assert start(approved, kill_at=0).status == 0
    killed = start(approved, kill_at=step, what="undo")
    assert (killed.status, killed.text) == (SIGKILLED, UNDO_STEPS[step - 1])
    finished = start(approved, kill_at=0, what="undo")
    assert finished.status == 0, finished.text
    assert org.notes(client, account) == org.tasks(client, account) == []
    request = show_request(store, approved)
    assert request.state == "undone" and {write.state for write in request.writes} == {"undone"}
    assert verify_chain(store) == []


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1, len(STEPS) + 1), ids=STEPS)
@pytest.mark.parametrize("crm_name, store_name", [(crm, store) for crm in CRMS for store in STORES])
def test_killed_twice_in_a_row(store, client, account, start, org, first) -> None:
    """A machine that reboots in a loop. Four pairs of kills for each first step."""
    for version, second in enumerate((1, 3, 4, 6), 1):
        request_id = ask_and_approve(store, account, document=f"plan_{version}")
        for kill_at in (first, second):
            start(request_id, kill_at=kill_at)
        assert start(request_id, kill_at=0).status == 0
        assert show_request(store, request_id).state == "verified"
    assert len(org.tasks(client, account)) == len(org.notes(client, account)) == 4
    assert verify_chain(store) == []
