"""Random edits, deletions, faults and failed nights against the emulator: after recovery the versions kept say what HubSpot says.

Without dlt and warehouse, so that hundreds of histories fit: the reader, coercion and the rules of versions are the real ones, and the cursor
moves only where a night ended well.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from vendor_sandbox import NOW, control_of, set_clock

from vim_pipelines.core.errors import VimError
from vim_pipelines.ingestion.coerce import Row, coerce
from vim_pipelines.ingestion.mapping import mapped_records
from vim_pipelines.ingestion.readers.hubspot import HubSpotReader
from vim_pipelines.ingestion.versions import Known, ended_versions, new_versions
from vim_pipelines.portfolio.entities import ENTITIES
from vim_pipelines.portfolio.model import EntityMap
from vim_pipelines.sandbox.emulators.faults import FAULT_KINDS, Fault
from vim_pipelines.sandbox.emulators.hubspot import SERVICE_KEY, HubSpotEmulator
from vim_pipelines.sandbox.emulators.run import Server
from vim_pipelines.sandbox.emulators.state import SandboxClock
from vim_pipelines.vendors import hubspot as vendor
from vim_pipelines.vendors.http import Limiter, RetryPolicy, TransportOptions
from vim_pipelines.vendors.hubspot import HubSpotClient

ACCOUNT = ENTITIES["account"]
MAPPING = EntityMap.model_validate(
    {"source": "crm", "object": "companies", "known_at": "updatedAt", "deleted": "archived",
     "fields": {"account_key": "crm_account_id", "account_name": "name", "tier": "acct_tier"}}
)  # fmt: skip
#: A night reads at most three objects' worth of pages here; each fault may cost four attempts.
REQUESTS_A_NIGHT = 120


class Raw:
    """What the warehouse would hold of accounts: versions by key, and the committed cursor."""

    def __init__(self) -> None:
        self.versions: dict[str, list[tuple[Known, Row]]] = {}
        self.cursor: str | None = None

    def night(self, reader: HubSpotReader) -> int:
        """Read and commit, as `ingest` does; returns the versions added. What is raised leaves everything as it was."""
        reading = reader.read("account", MAPPING, self.cursor)
        rows, rejected = coerce(ACCOUNT, mapped_records(MAPPING, reading.records), captured_at=reader.captured_at)
        cursor, deleted = reading.next_cursor(), reading.deleted()
        assert not rejected
        known = {key: [item for item, _ in line] for key, line in self.versions.items()}
        newest = {key: line[-1][1] for key, line in self.versions.items()}
        present = {row.key for row in rows}
        ends = {key: moment for key, moment in deleted.items() if key not in present}
        if reading.is_complete and present:
            ends |= {key: reader.captured_at for key in set(known) - present - set(ends)}
        added = new_versions(known, rows, captured_at=reader.captured_at) + ended_versions(known, ends, newest)
        for version in added:
            line = self.versions.setdefault(version.row.key, [])
            line.append((Known(version.known_at, version.row.content_hash, version.is_deleted), version.row))
            line.sort(key=lambda item: item[0].known_at)
        self.cursor = cursor or self.cursor
        return len(added)

    def current(self) -> dict[str, tuple[Any, Any]]:
        newest = {key: line[-1] for key, line in self.versions.items()}
        return {key: (row.values["account_name"], row.values["tier"]) for key, (known, row) in newest.items() if not known.is_deleted}


class Portal:
    """The emulated account, edited from behind (its users) and read over the wire."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.move(NOW)
        self.emulator = HubSpotEmulator(directory / "hubspot.db", SandboxClock(directory / "clock.json"), search_lag_seconds=0)
        self.server = Server(self.emulator.app)
        self.control = control_of(self.server.url)

    def move(self, now: datetime) -> None:
        """Set HubSpot's clock; ours is a minute ahead."""
        self.now = now
        set_clock(self.directory, now)

    def clear(self) -> None:
        self.move(NOW)
        state = self.emulator.state
        with state.transaction() as connection:
            for table in ("c_companies", "writes", "meta"):
                connection.execute(f'delete from "{table}"')
        self.emulator.app.faults.clear()

    def truth(self) -> dict[str, tuple[Any, Any]]:
        rows = self.emulator.state.current("companies", "IsDeleted = 0", ())
        return {row["crm_account_id"]: (row["name"], row["acct_tier"]) for row in rows}

    def contents(self) -> set[tuple[str, Any, Any]]:
        return {(key, *values) for key, values in self.truth().items()}

    def edit(self, rng: random.Random) -> None:
        """One edit by a user of HubSpot."""
        state, emulator = self.emulator.state, self.emulator
        kind = emulator._kind("companies")
        key = f"A{rng.randrange(8)}"
        with state.transaction():
            row = next(iter(state.current("companies", '"crm_account_id" = ? and IsDeleted = 0', (key,))), None)
            if row is None:
                emulator._made(kind, {"properties": {"crm_account_id": key, "name": f"{key} {rng.randrange(99)}"}})
            elif rng.random() < 0.2:
                emulator._put_away(kind, row["id"])
            elif rng.random() < 0.3:
                emulator._changed(kind, row, {"properties": {"vim_phase": str(rng.randrange(9))}})
            else:
                emulator._changed(kind, row, {"properties": {rng.choice(["name", "acct_tier"]): f"v{rng.randrange(99)}"}})


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    portal = Portal(tmp_path_factory.mktemp("portal"))
    yield portal
    portal.server.stop()
    portal.emulator.close()


def reader(portal: Portal, seed: int) -> HubSpotReader:
    options = TransportOptions(
        timeout_seconds=5,
        retry=RetryPolicy(attempts=4),
        limiter=Limiter(1e6, 10**6),
        sleep=lambda seconds: None,
        rng=random.Random(seed),
        request_budget=REQUESTS_A_NIGHT,
    )
    return HubSpotReader(HubSpotClient(portal.server.url, SERVICE_KEY, options=options), portal.now + timedelta(minutes=1))


def history(portal: Portal, seed: int) -> int:
    """Ten nights of edits, most of them with a fault; then one without, and nothing is lost, doubled or made up. Returns the nights that failed."""
    rng = random.Random(seed)
    portal.clear()
    raw, seen, failed = Raw(), set[tuple[str, Any, Any]](), 0
    for night in range(10):
        for _ in range(rng.randrange(6)):
            portal.edit(rng)
        seen |= portal.contents()
        if rng.random() < 0.7:
            portal.emulator.app.faults.append(Fault.parse({"times": rng.randrange(1, 7), **FAULT_KINDS[rng.choice(sorted(FAULT_KINDS))]}))
        with reader(portal, seed * 100 + night) as source:
            try:
                raw.night(source)
            except VimError as error:
                failed += 1
                assert error.code != "VIM-E014" or "budget" not in error.what, "a hot loop"
        portal.emulator.app.faults.clear()
        portal.move(portal.now + timedelta(hours=rng.choice([0, 6])))
    # From the cursor on, and a week later by reading everything: both must agree with the source.
    with reader(portal, seed) as source:
        raw.night(source)
        assert raw.current() == portal.truth(), seed
        assert raw.night(source) == 0, f"seed {seed}: a reading of nothing new added versions"
    portal.move(portal.now + timedelta(days=8))
    with reader(portal, seed) as source:
        assert raw.night(source) == 0 and raw.current() == portal.truth(), seed
    kept = {(key, row.values["account_name"], row.values["tier"]) for key, line in raw.versions.items() for _, row in line}
    assert kept <= seen, f"seed {seed}: a version that HubSpot never showed"
    for key, line in raw.versions.items():
        steps = [(known.content_hash, known.is_deleted) for known, _ in line]
        assert all(left != right for left, right in zip(steps, steps[1:], strict=False)), f"seed {seed}: {key} has a version twice"
    return failed


@pytest.mark.parametrize("block", range(2))
def test_nothing_is_lost_and_nothing_doubled(portal: Portal, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vendor, "LIST_LIMIT", 3)
    monkeypatch.setattr(vendor, "SEARCH_LIMIT", 3)
    assert sum(history(portal, seed) for seed in range(block * 3, block * 3 + 3)) > 0, "no night failed: the test would prove little"


@pytest.mark.slow
def test_nothing_is_lost_and_nothing_doubled_over_a_thousand_histories(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vendor, "LIST_LIMIT", 3)
    monkeypatch.setattr(vendor, "SEARCH_LIMIT", 3)
    for seed in range(1000):
        history(portal, seed)
