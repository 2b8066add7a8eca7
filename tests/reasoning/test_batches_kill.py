"""The kill test of batches: a process that submits or collects is killed with SIGKILL at every step, and later runs finish.

Whatever the step, afterwards the vendor was asked for each draft once, each answer is in the ledger once, and each account has its draft.
What was sent is counted in the emulator, not in our own store.
"""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from batch_cases import ACCOUNTS, marts_with
from sqlalchemy import select
from stores import empty_postgres

from vim_pipelines.reasoning.batches.waiting import open_batches
from vim_pipelines.settings import Settings
from vim_pipelines.store import open_store
from vim_pipelines.store.models import Draft, LlmBatch, LlmCall, PendingDraft

WORKER = Path(__file__).with_name("batch_kill_worker.py")
SIGKILLED = -9
BATCHED = ACCOUNTS - 1

#: Every checkpoint of an undisturbed night and of the round that collects it. A step added there must be added here, and is then killed too.
NIGHT = ["intended", "created", "submitted"]
ROUND = ["ended", *["recorded"] * BATCHED, *["judging"] * BATCHED, "asked", "collected"]


@pytest.fixture(scope="module")
def worker():
    """The process that forks a new one for every run."""
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen([sys.executable, str(WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        yield process
        process.stdin.close()


@pytest.fixture
def sqlite_url(tmp_path):
    return f"sqlite:///{tmp_path / 'operations.db'}"


class Place:
    """One installation: its folder, its store, and the runs started in it."""

    def __init__(self, worker, folder, store_url, claude, marts_class):
        self.worker, self.folder, self.store_url, self.claude = worker, folder, store_url, claude
        marts_with(folder, marts_class)
        self.store = open_store(Settings(home=folder, store_url=store_url))

    def run(self, what, kill_at=0, hours=0.0):
        job = {"home": str(self.folder), "store_url": self.store_url, "claude_url": self.claude.url, "kill_at": kill_at, "what": what, "hours": hours}
        self.worker.stdin.write(json.dumps(job) + "\n")
        self.worker.stdin.flush()
        ended = json.loads(self.worker.stdout.readline())
        assert ended["status"] == (SIGKILLED if kill_at else 0), ended["text"]
        return ended["text"] if kill_at else json.loads(ended["text"])

    def rows(self, model):
        with self.store.session() as session:
            return list(session.scalars(select(model)))

    def finish(self):
        """What the next night and the sensor do: the night again, then rounds of collecting over a day."""
        self.run("night")
        for hours in (2, 4, 6):
            if not open_batches(self.store):
                break
            self.end_all()
            self.run("collect", hours=hours)

    def end_all(self):
        self.claude.batches.polls_to_end = 0
        for batch_id in self.claude.batches.rows:
            self.claude.batches.poll(batch_id)

    def assert_once(self, lost_calls=0):
        sent = Counter(item["custom_id"].split("-")[0] for batch in self.claude.batches.rows.values() for item in batch.requests)
        assert len(sent) == BATCHED and set(sent.values()) == {1}, "a draft was sent in two batches"
        assert len(self.claude.journal) == 1 + lost_calls
        drafts = self.rows(Draft)
        assert len({draft.account_key for draft in drafts}) == len(drafts) == ACCOUNTS and {draft.written_by for draft in drafts} == {"claude"}
        calls = self.rows(LlmCall)
        assert Counter(call.status for call in calls) == Counter(ok=ACCOUNTS) and all(call.cost_usd for call in calls)
        assert {batch.state for batch in self.rows(LlmBatch)} == {"collected"} and self.rows(PendingDraft) == []
        assert (self.folder / "asked").read_text().splitlines()[0] == "2026-06-28"


@pytest.fixture
def place(worker, tmp_path, sqlite_url, claude, marts_class):
    place = Place(worker, tmp_path, sqlite_url, claude, marts_class)
    yield place
    place.store.engine.dispose()


@pytest.fixture
def postgres_place(worker, tmp_path, claude, postgres_address, marts_class):
    place = Place(worker, tmp_path, empty_postgres(postgres_address), claude, marts_class)
    yield place
    place.store.engine.dispose()


def killed_in_the_night(place, step):
    assert place.run("night", kill_at=step) == NIGHT[step - 1]
    place.finish()
    place.assert_once()


def killed_in_a_round(place, step):
    place.claude.batches.polls_to_end = 0
    place.run("night")
    assert place.run("collect", kill_at=step) == ROUND[step - 1]
    place.finish()
    place.assert_once()


def killed_while_sending_again(place, step):
    assert place.run("night", kill_at=1) == "intended"
    assert place.run("collect", kill_at=["intended again", "created", "submitted"].index(step) + 1, hours=2) == step
    place.finish()
    place.assert_once()


def test_the_lists_of_steps_are_complete(place):
    place.claude.batches.polls_to_end = 0
    assert place.run("night") == NIGHT and place.run("collect") == ROUND
    place.finish()
    place.assert_once()


def test_killed_before_our_name_for_an_accepted_batch_is_written(place):
    killed_in_the_night(place, NIGHT.index("created") + 1)


def test_killed_while_collecting_nothing_is_lost_or_paid_twice(place):
    """A draft is kept, the next one is not."""
    killed_in_a_round(place, 6)


def test_killed_while_sending_again_what_was_never_sent(place):
    killed_while_sending_again(place, "created")


def test_killed_on_postgresql(postgres_place):
    killed_in_the_night(postgres_place, NIGHT.index("created") + 1)


@pytest.mark.slow
def test_killed_while_adopting_a_batch(place):
    assert place.run("night", kill_at=2) == "created"
    place.end_all()
    assert place.run("collect", kill_at=1, hours=2) == "adopted"
    place.finish()
    place.assert_once()


@pytest.mark.slow
@pytest.mark.parametrize("step", ["intended again", "submitted"])
def test_killed_at_every_step_of_sending_again(place, step):
    killed_while_sending_again(place, step)


@pytest.mark.slow
@pytest.mark.parametrize("step", [1, 3], ids=["intended", "submitted"])
def test_killed_at_every_step_of_a_night(place, step):
    killed_in_the_night(place, step)


@pytest.mark.slow
@pytest.mark.parametrize("step", range(1, len(ROUND) + 1), ids=[f"{number}-{name}" for number, name in enumerate(ROUND, 1)])
def test_killed_at_every_step_of_a_round(place, step):
    killed_in_a_round(place, step)


@pytest.mark.slow
@pytest.mark.parametrize("step", range(1, len(NIGHT) + 1), ids=NIGHT)
def test_killed_at_every_step_of_a_night_on_postgresql(postgres_place, step):
    killed_in_the_night(postgres_place, step)


@pytest.mark.slow
@pytest.mark.parametrize("step", range(1, len(ROUND) + 1), ids=[f"{number}-{name}" for number, name in enumerate(ROUND, 1)])
def test_killed_at_every_step_of_a_round_on_postgresql(postgres_place, step):
    killed_in_a_round(postgres_place, step)
