"""Nothing lost, nothing doubled, no hot loop: random histories of every source, `histories.py`."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from histories import SOURCES, Outcome, Peril, Source, Story, in_child

#: Seeds a source in the slow run, a thousand over all six together, and how many of them one test takes.
SEEDS, CHUNK = 170, 17
#: Every so many seeds of the slow run the kills are those of a real process: a child costs seconds.
REAL_EVERY = 17


@pytest.fixture(scope="module", params=sorted(SOURCES))
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Source]:
    made = SOURCES[request.param](tmp_path_factory.mktemp(request.param))
    yield made
    made.stop()


def tell(source: Source, seeds: range, folder: Path, *, real_every: int = 0) -> list[Outcome]:
    return [Story(source, seed, folder / str(seed), real_kills=bool(real_every) and seed % real_every == 0).tell() for seed in seeds]


def test_nothing_is_lost_and_nothing_doubled(source: Source, tmp_path: Path) -> None:
    told = tell(source, range(3), tmp_path)
    assert sum(item.failed + item.killed for item in told) > 0, "no night failed: the test would prove little"
    assert all(item.versions > 0 for item in told)


@pytest.mark.parametrize("kind", ["salesforce", pytest.param("zendesk", marks=pytest.mark.slow)])
def test_a_process_that_is_killed_inside_the_transaction_leaves_the_night_before(kind: str, tmp_path: Path) -> None:
    source = SOURCES[kind](tmp_path / "source")
    try:
        story = Story(source, 1, tmp_path / "home")
        story.begin()
        story.pass_time(timedelta(hours=1))
        assert story.night(is_quiet=True) > 0
        story.pass_time(timedelta(hours=6))
        before = story.raw()
        # Eighty calls see to the tables, the ninetieth is the last before the commit: both entities' rows are written at the 87th.
        peril = Peril(call=87, is_real=True)
        assert in_child(source, story.settings, source.now + timedelta(minutes=1), peril) == -signal.SIGKILL
        assert story.raw() == before
        story.night(is_quiet=True)
    finally:
        source.stop()


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, SEEDS, CHUNK))
def test_nothing_is_lost_and_nothing_doubled_over_a_thousand_histories(source: Source, start: int, tmp_path: Path) -> None:
    told = tell(source, range(start, start + CHUNK), tmp_path, real_every=REAL_EVERY)
    assert sum(item.failed for item in told) > 0 and sum(item.killed for item in told) > 0
