"""The kill test: a process that carries out an approval is killed with SIGKILL at every step, and a second one finishes.

Whatever the step, afterwards the CRM holds exactly one record and one Task for the request, the request is verified, and the chain of
events is whole. The CRM is the emulator in a third process; the effects are counted there, not in our own store.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from approval_drafts import NOW, ask_and_approve

from vim_pipelines.approvals.events import verify_chain
from vim_pipelines.approvals.queue import show_request

WORKER = Path(__file__).with_name("kill_worker.py")
SIGKILLED = -9

#: Every checkpoint of an undisturbed run, in order. A step added to write-back must be added here, and is then killed too.
STEPS = [
    "claimed", "planned",
    "read:crm_note", "sending:crm_note", "answered:crm_note", "sent:crm_note",
    "read:crm_task", "sending:crm_task", "answered:crm_task", "created:crm_task", "linked:crm_task", "sent:crm_task",
    "applied", "verified:crm_note", "verified:crm_task", "verified",
]  # fmt: skip


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
def start(processes, settings):
    """Run write-back (or reconcile) in a process of its own, to the end or to its death."""

    def run(request_id: str, *, kill_at: int, what: str = "write_back") -> Ended:
        secret = settings.salesforce_client_secret.get_secret_value()
        credentials = {
            "salesforce_base_url": settings.salesforce_base_url,
            "salesforce_client_id": settings.salesforce_client_id,
            "salesforce_client_secret": secret,
        }
        job = {
            "store_url": settings.store_url,
            "home": str(settings.home),
            "request_id": request_id,
            "now": NOW.isoformat(),
            "kill_at": kill_at,
            "what": what,
            "credentials": credentials,
        }
        processes.stdin.write(json.dumps(job) + "\n")
        processes.stdin.flush()
        return Ended(**json.loads(processes.stdout.readline()))

    return run


def assert_exactly_once(store, client, org, request_id: str, account: str) -> None:
    drafts = client.find("VIM_Draft__c", "Account__c", account, ["VIM_Key__c", "Task_Id__c", "Body__c"])
    tasks = client.find("Task", "WhatId", account, ["Subject"])
    assert [draft["VIM_Key__c"] for draft in drafts] == [f"VIM-{request_id}"]
    assert [task["Id"] for task in tasks] == [drafts[0]["Task_Id__c"]]
    # Counted by effect in the emulator's journal: a Task that was created twice and deleted once would show here.
    ids = {drafts[0]["Id"], tasks[0]["Id"]}
    created = [write["record"] for write in org.writes() if write["effect"] == "created" and write["record"] in ids]
    assert sorted(created) == sorted(ids)
    everything = [write for write in org.writes() if write["effect"] == "created" and write["object"] in ("Task", "VIM_Draft__c")]
    assert len(everything) % 2 == 0, "a Task without its record, or the other way round"
    request = show_request(store, request_id)
    assert request.state == "verified"
    assert {write.state for write in request.writes} <= {"verified", "skipped"}
    assert len(request.writes) == 2
    assert request.breaks == ()
    assert verify_chain(store) == []


def test_the_list_of_steps_is_complete(store, client, settings, approved, account, org, start) -> None:
    done = start(approved, kill_at=0)
    assert done.status == 0, done.text
    assert json.loads(done.text) == STEPS
    assert_exactly_once(store, client, org, approved, account)


@pytest.mark.parametrize("step", range(1, len(STEPS) + 1), ids=STEPS)
def test_killed_at_any_step_the_next_run_finishes_without_loss_or_double(store, client, settings, approved, account, org, start, step) -> None:
    killed = start(approved, kill_at=step)
    assert killed.status == SIGKILLED, killed.text
    assert killed.text == STEPS[step - 1]
    # The sandbox's two doors to a second run: the sensor's write_back and the reconcile job. Taken in turn, both are tried at neighbouring steps.
    finished = start(approved, kill_at=0, what="write_back" if step % 2 else "reconcile")
    assert finished.status == 0, finished.text
    assert_exactly_once(store, client, org, approved, account)


@pytest.mark.parametrize("target, method", [("VIM_Draft__c/VIM_Key__c", "PATCH"), ("sobjects/Task$", "POST")], ids=["note", "task"])
@pytest.mark.parametrize("drop", ["before", "after"])
def test_killed_after_a_dropped_connection(store, client, settings, approved, account, org, start, target, method, drop) -> None:
    """The worst night: the answer is lost, and the process dies before it can look."""
    org.fault(method=method, path=target, drop=drop)
    kill_at = STEPS.index("answered:crm_note" if method == "PATCH" else "answered:crm_task") + 1  # now 'unknown:...' stands there
    killed = start(approved, kill_at=kill_at)
    assert killed.status == SIGKILLED, killed.text
    assert killed.text.startswith("unknown:")
    assert start(approved, kill_at=0).status == 0
    assert_exactly_once(store, client, org, approved, account)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1, len(STEPS) + 1), ids=STEPS)
def test_killed_twice_in_a_row(store, client, settings, account, start, first) -> None:
    """A machine that reboots in a loop. Four pairs of kills for each first step."""
    for version, second in enumerate((1, 3, 4, 6), 1):
        request_id = ask_and_approve(store, account, document=f"plan_{version}")
        for kill_at in (first, second):
            start(request_id, kill_at=kill_at)
        assert start(request_id, kill_at=0).status == 0
        assert show_request(store, request_id).state == "verified"
    assert len(client.find("Task", "WhatId", account, ["Subject"])) == 4
    assert len(client.find("VIM_Draft__c", "Account__c", account, ["VIM_Key__c"])) == 4
    assert verify_chain(store) == []
