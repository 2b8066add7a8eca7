"""Random edits, deletions and faults against the emulated Planhat and Google Sheets: every night that ends well leaves what the source says.

Both are read as a whole every night, so one reading that is too short would end live accounts. Without dlt and warehouse, so that
hundreds of histories fit: client, reader, coercion and the rules of versions are the real ones.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest
from vendor_sandbox import NOW, set_clock

from vim_pipelines.core.errors import VimError
from vim_pipelines.ingestion.coerce import Row, coerce
from vim_pipelines.ingestion.mapping import mapped_records
from vim_pipelines.ingestion.readers import SystemReader
from vim_pipelines.ingestion.readers.google_sheets import GoogleSheetsReader
from vim_pipelines.ingestion.readers.planhat import PlanhatReader
from vim_pipelines.ingestion.versions import Known, ended_versions, new_versions, returned_versions, snapshot_versions
from vim_pipelines.portfolio.entities import ENTITIES
from vim_pipelines.portfolio.model import EntityMap
from vim_pipelines.sandbox.emulators.faults import FAULT_KINDS, Fault
from vim_pipelines.sandbox.emulators.google_sheets import LAST_CHANGED, SPREADSHEET_ID, GoogleSheetsEmulator, column_names
from vim_pipelines.sandbox.emulators.planhat import MODELS, TOKEN, PlanhatEmulator
from vim_pipelines.sandbox.emulators.run import Server
from vim_pipelines.sandbox.emulators.state import STAMP, SandboxClock
from vim_pipelines.vendors.google_sheets import GoogleSheetsClient, read_key_file
from vim_pipelines.vendors.http import Limiter, RetryPolicy, TransportOptions
from vim_pipelines.vendors.planhat import PlanhatClient

ACCOUNT = ENTITIES["account"]
#: A night reads at most five pages here, and each request may cost four attempts; the steps back of a repeated page are in it.
REQUESTS_A_NIGHT = 120
Truth = dict[str, tuple[Any, Any]]


class Source(Protocol):
    """An emulated system that is edited from behind."""

    mapping: EntityMap
    pages: str
    emulator: Any
    server: Server

    def reader(self, options: TransportOptions, captured_at: datetime) -> SystemReader: ...
    def edit(self, rng: random.Random) -> None: ...
    def truth(self) -> Truth: ...


class Planhat:
    """Companies, three to a page."""

    pages = "^/companies"
    mapping = EntityMap.model_validate(
        {
            "source": "crm",
            "object": "companies",
            "known_at": "updatedAt",
            "fields": {"account_key": "externalId", "account_name": "name", "tier": "custom.Tier"},
        }
    )

    def __init__(self, directory: Path) -> None:
        self.emulator = PlanhatEmulator(directory / "planhat.db", SandboxClock(directory / "clock.json"))
        self.server = Server(self.emulator.app)

    def reader(self, options: TransportOptions, captured_at: datetime) -> SystemReader:
        return PlanhatReader(PlanhatClient(TOKEN, self.server.url, page_size=3, options=options), captured_at)

    def edit(self, rng: random.Random) -> None:
        state, model = self.emulator.state, MODELS["companies"]
        rows = {row["externalId"]: row for row in state.current("companies", "IsDeleted = 0", ())}
        key = f"A{rng.randrange(9)}"
        with state.transaction():
            if key in rows and len(rows) > 1 and rng.random() < 0.3:
                stamp = state.next_stamp(self.emulator._clock.now())
                state.write("companies", rows[key]["_id"], "deleted", stamp, {"IsDeleted": 1})
            else:
                item = {"externalId": key, "name": f"{key} {rng.randrange(99)}", "custom": {"Tier": f"t{rng.randrange(3)}"}}
                self.emulator._put(model, item, rows.get(key))

    def truth(self) -> Truth:
        rows = self.emulator.state.current("companies", "IsDeleted = 0", ())
        return {row["externalId"]: (row["name"], row["custom.Tier"]) for row in rows}


class Sheet:
    """The tab Accounts."""

    pages = "batchGet"
    mapping = EntityMap.model_validate(
        {"source": "crm", "object": "Accounts", "history": "snapshot", "fields": {"account_key": "Account ID", "account_name": "Name", "tier": "Tier"}}
    )

    def __init__(self, directory: Path) -> None:
        self.emulator = GoogleSheetsEmulator(directory / "google_sheets.db", SandboxClock(directory / "clock.json"))
        self.server = Server(self.emulator.app)

    def reader(self, options: TransportOptions, captured_at: datetime) -> SystemReader:
        url = self.server.url
        return GoogleSheetsReader(GoogleSheetsClient(read_key_file(self.emulator.key_file), SPREADSHEET_ID, url, f"{url}/token", options=options), captured_at)

    def edit(self, rng: random.Random) -> None:
        state = self.emulator.state
        rows = {row["c0"]: row for row in state.current("Accounts", "IsDeleted = 0", ())}
        key = f"A{rng.randrange(9)}"
        with state.transaction():
            stamp = state.next_stamp(self.emulator._clock.now())
            if key in rows and len(rows) > 1 and rng.random() < 0.3:
                state.write("Accounts", key, "deleted", stamp, {"IsDeleted": 1})
            else:
                fields = {"c1": f"{key} {rng.randrange(99)}", "c4": rng.choice([None, "t1", "t2"]), "IsDeleted": 0}
                state.write("Accounts", key, "updated" if key in rows else "created", stamp, fields)

    def truth(self) -> Truth:
        rows = self.emulator.state.current("Accounts", "IsDeleted = 0", ())
        return {row["c0"]: (row["c1"], row["c4"]) for row in rows}


class DatedSheet(Sheet):
    """The tab with the column that the spreadsheet's script keeps. Rows also come back as they were once, date included: somebody undid something."""

    mapping = Sheet.mapping.model_copy(update={"history": "versions", "known_at": LAST_CHANGED})

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._undone: list[tuple[str, dict[str, Any]]] = []

    def edit(self, rng: random.Random) -> None:
        state, last = self.emulator.state, column_names("Accounts")[-1]
        before = {row["c0"]: row for row in state.current("Accounts", "IsDeleted = 0", ())}
        if self.undone and rng.random() < 0.3:
            key, fields = rng.choice(self.undone)
            with state.transaction():
                state.write("Accounts", key, "updated" if key in before else "created", state.next_stamp(self.emulator._clock.now()), fields)
            return
        super().edit(rng)
        for row in state.current("Accounts", "IsDeleted = 0", ()):
            if row != before.get(row["c0"]):
                with state.transaction():
                    state.write("Accounts", row["c0"], "updated", row[STAMP], {last: row[STAMP]})
                self.undone.append((row["c0"], {"c1": row["c1"], "c4": row["c4"], "IsDeleted": 0, last: row[STAMP]}))

    @property
    def undone(self) -> list[tuple[str, dict[str, Any]]]:
        """What rows have been, of this history."""
        if not self.emulator.state.writes():
            self._undone = []
        return self._undone


class Raw:
    """What the warehouse would hold of accounts: versions by key, oldest first."""

    def __init__(self) -> None:
        self.versions: dict[str, list[tuple[Known, Row]]] = {}

    def night(self, reader: SystemReader, mapping: EntityMap, captured_at: datetime) -> int:
        """Read and commit, as `ingest` does; returns the versions added. What is raised leaves everything as it was."""
        reader.fields(mapping)
        reading = reader.read("account", mapping, None)
        rows, rejected = coerce(ACCOUNT, mapped_records(mapping, reading.records), captured_at=captured_at)
        assert not rejected and reading.is_complete
        known = {key: [item for item, _ in line] for key, line in self.versions.items()}
        newest = {key: line[-1][1] for key, line in self.versions.items()}
        if mapping.history == "snapshot":
            added = snapshot_versions(known, rows, seen_at=captured_at, missing=newest)
        else:
            ends = {key: captured_at for key in set(known) - {row.key for row in rows}} if rows else {}
            added = new_versions(known, rows, captured_at=captured_at)
            added += returned_versions(known, added, rows, seen_at=captured_at) + ended_versions(known, ends, newest)
        for version in added:
            line = self.versions.setdefault(version.row.key, [])
            line.append((Known(version.known_at, version.row.content_hash, version.is_deleted), version.row))
            line.sort(key=lambda item: item[0].known_at)
        return len(added)

    def current(self) -> Truth:
        newest = {key: line[-1] for key, line in self.versions.items()}
        return {key: (row.values["account_name"], row.values["tier"]) for key, (known, row) in newest.items() if not known.is_deleted}


@pytest.fixture(scope="module", params=[Planhat, Sheet, DatedSheet])
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Source]:
    directory = tmp_path_factory.mktemp("source")
    set_clock(directory, NOW)
    made = request.param(directory)
    yield made
    made.server.stop()
    made.emulator.close()


def history(source: Source, seed: int) -> int:
    """One history of edits, faults and nights; returns how many nights failed. Asserts after each night that ended well."""
    rng = random.Random(seed)
    clock_file, state = source.emulator._clock._path.parent, source.emulator.state
    with state.transaction() as connection:
        for table in ("c_companies", "c_Accounts"):
            if connection.execute("select 1 from sqlite_master where name = ?", (table,)).fetchone():
                connection.execute(f'delete from "{table}"')
        connection.execute("delete from writes")
        connection.execute("delete from meta where name = 'last_write'")
    raw, failed = Raw(), 0
    nights = rng.randrange(3, 7)
    for number in range(nights + 1):
        now = NOW + timedelta(hours=number)
        set_clock(clock_file, now)
        for _ in range(rng.randrange(0 if number else 1, 8)):
            source.edit(rng)
        source.emulator.app.faults.clear()
        if number < nights:  # the last night is a quiet one
            for name in rng.sample(sorted(FAULT_KINDS), rng.randrange(3)):
                if name == "page_repeats" and isinstance(source, Sheet):
                    continue  # a tab is one answer: there is no page before it in the same night
                kind = {**FAULT_KINDS[name]}
                skip = max(int(kind.pop("skip", 0)), rng.randrange(4))
                delay = {"delay_seconds": 0.002} if "delay_seconds" in kind else {}
                source.emulator.app.faults.append(Fault.parse({**kind, **delay, "path": source.pages, "skip": skip, "times": rng.randrange(1, 7)}))
        options = TransportOptions(
            timeout_seconds=5,
            retry=RetryPolicy(attempts=4),
            limiter=Limiter(1e6, 10**6),
            sleep=lambda seconds: None,
            rng=random.Random(seed),
            request_budget=REQUESTS_A_NIGHT,
        )
        captured_at = now + timedelta(minutes=1)
        reader = source.reader(options, captured_at)
        before = raw.current()
        try:
            raw.night(reader, source.mapping, captured_at)
        except VimError as error:
            assert getattr(error, "vendor_code", "") != "REQUEST_BUDGET", "a hot loop"
            assert number < nights, "a quiet night must end well"
            assert raw.current() == before
            failed += 1
        else:
            assert raw.current() == source.truth(), (seed, number)
        finally:
            reader.close()
    for key, line in raw.versions.items():
        contents = [(known.content_hash, known.is_deleted) for known, _ in line]
        assert all(left != right for left, right in zip(contents, contents[1:], strict=False)), f"{key} has one version twice"
    return failed


def test_after_faults_and_edits_the_current_view_is_the_source(source: Source) -> None:
    failed = sum(history(source, seed) for seed in range(6))
    assert failed > 0, "the faults must have stopped some nights, or they were none"


@pytest.mark.slow
def test_a_thousand_histories(source: Source) -> None:
    assert sum(history(source, seed) for seed in range(1000)) > 100
