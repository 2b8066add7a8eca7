"""Random histories of a source: a seed gives edits, deletions, late arrivals, repeated rows, faults and kills, and nights of real ingestion.

One harness for every vendor, because two that differed in what they called a night hid what neither tried: a process that dies inside the
warehouse's transaction. A night here is `ingest` itself, over HTTP and dlt into a DuckDB file; only waiting is left out, and a page is three
rows. What must hold is said once, in `Story`.

What the emulators cannot decide, for the vendors' documents are silent, is left out: whether Zendesk's export of metric events brings an old
event again when it is taken back, and what it does with an organisation that gets another external id.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest
from vendor_sandbox import NOW, set_clock

from vim_pipelines.core.errors import VimError
from vim_pipelines.ingestion import ingest as ingestion
from vim_pipelines.ingestion import systems
from vim_pipelines.ingestion.coerce import CLOCK_TOLERANCE
from vim_pipelines.ingestion.readers import SystemReader
from vim_pipelines.ingestion.readers.google_sheets import GoogleSheetsReader
from vim_pipelines.ingestion.readers.hubspot import HubSpotReader
from vim_pipelines.ingestion.readers.planhat import PlanhatReader
from vim_pipelines.ingestion.readers.salesforce import SalesforceReader
from vim_pipelines.ingestion.readers.zendesk import ZendeskReader
from vim_pipelines.portfolio.entities import ENTITIES
from vim_pipelines.portfolio.file import load_portfolio
from vim_pipelines.sandbox.emulators import salesforce as salesforce_emulator
from vim_pipelines.sandbox.emulators import zendesk as zendesk_emulator
from vim_pipelines.sandbox.emulators.faults import FAULT_KINDS, Fault
from vim_pipelines.sandbox.emulators.google_sheets import LAST_CHANGED, GoogleSheetsEmulator, column_names
from vim_pipelines.sandbox.emulators.hubspot import HubSpotEmulator
from vim_pipelines.sandbox.emulators.planhat import MODELS, PlanhatEmulator
from vim_pipelines.sandbox.emulators.run import Server, _typed
from vim_pipelines.sandbox.emulators.salesforce import SalesforceEmulator
from vim_pipelines.sandbox.emulators.state import STAMP, SandboxClock, stamp_text
from vim_pipelines.sandbox.emulators.zendesk import ZendeskEmulator
from vim_pipelines.settings import Settings, load_settings
from vim_pipelines.vendors import google_sheets, hubspot, planhat, salesforce, zendesk
from vim_pipelines.vendors.client import transport_from_settings
from vim_pipelines.vendors.http import Limiter, RetryPolicy, TransportOptions
from vim_pipelines.warehouse import duckdb as duckdb_warehouse
from vim_pipelines.warehouse import open_warehouse

#: Rows of a page, for every vendor.
PAGE = 3
ATTEMPTS = 4
Values = tuple[Any, ...]
Truth = dict[str, dict[str, Values]]


class Killed(BaseException):
    """The end of the process, as far as one in this process can be: nothing below may catch it."""


@dataclass
class Peril:
    """Where the night dies: at the n-th request sent, or at the n-th call on the warehouse (from 1; 0 is never). `is_real` is SIGKILL."""

    request: int = 0
    call: int = 0
    is_real: bool = False
    requests_seen: int = 0
    calls_seen: int = 0

    def meet(self, kind: str) -> None:
        """Count one step of `kind` ('request' or 'call') and die if it is the one."""
        seen = getattr(self, f"{kind}s_seen") + 1
        setattr(self, f"{kind}s_seen", seen)
        if seen == getattr(self, kind):
            if self.is_real:
                os.kill(os.getpid(), signal.SIGKILL)
            raise Killed(f"at {kind} {seen}")


class PerilousTransport(httpx.BaseTransport):
    """The real transport, at which a night may die before or after a request has gone out, and others may edit meanwhile."""

    def __init__(self, peril: Peril, inner: httpx.BaseTransport, between: Callable[[], None] = lambda: None) -> None:
        self.peril, self.inner, self.between = peril, inner, between

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send."""
        self.peril.meet("request")
        answer = self.inner.handle_request(request)
        answer.read()
        self.between()
        return answer


class PerilousSession(duckdb_warehouse.DuckDBSession):
    """A DuckDB session that may die at any of its calls."""

    peril: ClassVar[Peril] = Peril()

    def __getattribute__(self, name: str) -> Any:
        if name in ("execute", "rows", "query", "append", "load_parquet", "table_exists", "column_names"):
            PerilousSession.peril.meet("call")
        return super().__getattribute__(name)


# ---- the sources


class Source:
    """One emulated system that its users edit from behind. `entities` says which canonical columns are compared."""

    kind: ClassVar[str]
    #: Where one kind of system is read in two ways.
    name: ClassVar[str] = ""
    entities: ClassVar[dict[str, tuple[str, ...]]]
    mapping: ClassVar[str]
    #: The paths at which faults strike; logging in is among them where the vendor has a login.
    paths: ClassVar[tuple[str, ...]] = ("",)
    #: Faults that a vendor cannot have.
    impossible: ClassVar[frozenset[str]] = frozenset()
    #: Most requests of one night. One without faults takes 5 to 12; three faults that meet six requests each cost eighteen more, and some logins.
    budget: ClassVar[int] = 45
    #: Edits between two nights are fewer than this.
    most_edits: ClassVar[int] = 9
    emulator: Any

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        set_clock(directory, NOW)
        self.clock = SandboxClock(directory / "clock.json")
        self.emulator = self.make()
        self.emulator.app.clock = self.clock
        self.server = Server(self.emulator.app)
        self.inner = httpx.HTTPTransport()
        self.now = NOW
        #: The vendor's time at the last night.
        self.last_night = NOW

    def make(self) -> Any:
        """The emulator."""
        raise NotImplementedError

    def client(self, settings: Settings, options: TransportOptions) -> Any:
        """The vendor's client, its pages as small as they may be."""
        raise NotImplementedError

    reader: ClassVar[Callable[..., Any]]

    def edit(self, rng: random.Random) -> None:
        """One edit by a user of the system, at the clock's time."""
        raise NotImplementedError

    def truth(self) -> Truth:
        """What lives in the source, by entity and key, as it is shown now."""
        raise NotImplementedError

    def settings(self, home: Path) -> Settings:
        """Settings of a fresh home that point to the emulator."""
        found = {name: _typed(name, value) for name, value in self.emulator.credentials(self.server.url).items()}
        return load_settings(home=home).model_copy(update={**found, "vendor_request_budget": self.budget})

    def move(self, now: datetime) -> None:
        """Set the clock that all share; the vendor's own may be ahead of it or behind."""
        self.now = now
        set_clock(self.directory, now)

    def clear(self) -> None:
        """An empty source, as on its first day."""
        state = self.emulator.state
        self.clock.skew = timedelta(0)
        self.emulator.app.faults.clear()
        self.emulator.app.journal.entries.clear()
        with state.transaction() as connection:
            for table in state.tables.values():
                connection.execute(f'delete from "v_{table.name}"')
                connection.execute(f'delete from "c_{table.name}"')
            for table in ("writes", "purged", "meta"):
                connection.execute(f'delete from "{table}"')
        self.move(NOW)
        self.last_night = self.clock.now()
        self.prepare()

    def prepare(self) -> None:
        """What a source has on its first day."""

    def stop(self) -> None:
        """Stop serving."""
        self.server.stop()
        self.emulator.close()
        self.inner.close()

    @contextmanager
    def small(self) -> Iterator[None]:
        """Small pages on both sides, and no waiting for dlt, which looks once a second whether a job is done."""
        from dlt.load.load import Load

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Load, "_run_loop_sleep_duration", property(lambda self: 0.002, lambda self, value: None), raising=False)
            patch.setattr(salesforce_emulator, "SMALLEST_BATCH", PAGE)
            patch.setattr(zendesk_emulator, "MOST_TICKETS", PAGE)
            patch.setattr(zendesk_emulator, "MOST_EVENTS", PAGE)
            patch.setattr(zendesk_emulator, "MOST_ORGANIZATIONS", PAGE - 1)
            patch.setattr(hubspot, "LIST_LIMIT", PAGE)
            patch.setattr(hubspot, "SEARCH_LIMIT", PAGE)
            yield


class Salesforce(Source):
    """Accounts and their contacts: few by REST, many by Bulk, deletions by recycle bin and delete log."""

    kind = "salesforce"
    budget = 60
    most_edits = 18
    entities: ClassVar = {
        "account": ("account_name", "tier", "arr_amount", "customer_since"),
        "contact": ("account_key", "full_name", "is_active"),
    }
    mapping = """
  account:
    source: crm
    object: Account
    fields: {account_key: Id, account_name: Name, tier: Tier__c, arr_amount: ARR__c, customer_since: Customer_Since__c, currency: {constant: USD}}
  contact:
    source: crm
    object: Contact
    fields: {contact_key: Id, account_key: AccountId, full_name: Name, is_active: Is_Active__c}
"""
    paths = ("", "queryAll", "/query/", "/query/", "/query/", "jobs/query", "results", "results", "/deleted", "describe", "oauth2")
    reader = SalesforceReader
    FIELDS: ClassVar = {"Account": ("Name", "Tier__c", "ARR__c", "Customer_Since__c"), "Contact": ("AccountId", "Name", "Is_Active__c")}

    def make(self) -> SalesforceEmulator:
        return SalesforceEmulator(self.directory / "salesforce.db", self.clock, job_looks=1)

    def client(self, settings: Settings, options: TransportOptions) -> Any:
        assert settings.salesforce_base_url and settings.salesforce_client_id and settings.salesforce_client_secret
        return salesforce.SalesforceClient(
            settings.salesforce_base_url, settings.salesforce_client_id, settings.salesforce_client_secret.get_secret_value(),
            batch_size=PAGE, bulk_above=2 * PAGE, bulk_page=PAGE, options=options,
        )  # fmt: skip

    def prepare(self) -> None:
        self.number = 0
        self.emulator._earliest = ""

    def edit(self, rng: random.Random) -> None:
        state, name = self.emulator.state, rng.choice(("Account", "Account", "Contact"))
        if rng.random() < 0.04:  # the recycle bin is emptied; with luck the delete log is cut too
            state.purge(name)
            self.emulator._earliest = self.clock.now().isoformat() if rng.random() < 0.15 else self.emulator._earliest
            return
        rows = state.current(name, "1 = 1 order by Id", ())
        living = state.current("Account", "IsDeleted = 0 order by Id", ())
        if name == "Contact" and not living:
            return  # a contact needs an account
        with state.transaction():
            stamp = state.next_stamp(self.clock.now())
            if not rows or rng.random() < 0.35:
                self.number += 1
                # Salesforce never gives an Id twice.
                state.write(name, f"{name[0]}{self.number:03d}", "created", stamp, {"CreatedDate": stamp, **self._values(name, rng, living)})
                return
            row = rng.choice(rows)
            if row["IsDeleted"]:
                state.write(name, row["Id"], "updated", stamp, {"IsDeleted": 0})  # taken out of the bin
            elif rng.random() < 0.2:
                state.write(name, row["Id"], "deleted", stamp, {"IsDeleted": 1})
            elif rng.random() < 0.2:
                state.write(name, row["Id"], "updated", stamp, {})  # an edit of a field that nobody maps, as our own mirror fields
            else:
                # A transaction that ran while the last night read: it commits with the stamp of its beginning; its row was locked meanwhile.
                early = stamp_text(min(self.last_night, self.clock.now()) - timedelta(minutes=rng.uniform(0, 9)))
                is_late = rng.random() < 0.3 and row[STAMP] < early
                values = self._values(name, rng, living)
                chosen = rng.choice(sorted(values))
                state.write(name, row["Id"], "updated", early if is_late else stamp, {chosen: values[chosen]})

    def _values(self, name: str, rng: random.Random, accounts: list[dict[str, Any]]) -> dict[str, Any]:
        if name == "Contact":
            return {"AccountId": rng.choice(accounts)["Id"], "Name": f"P{rng.randrange(99)}", "Is_Active__c": rng.randrange(2)}
        return {
            "Name": rng.choice([f"C{rng.randrange(99)}", 'Say "so", O\'Neil', "Zwei\nZeilen"]),
            "Tier__c": rng.choice([None, "1", "true", "gold"]),
            "ARR__c": rng.choice([None, 0.0, 1e7, round(rng.random() * 1e5, 2)]),
            "Customer_Since__c": rng.choice([None, "2024-02-29", "2026-01-01"]),
        }

    def truth(self) -> Truth:
        return {
            entity: {row["Id"]: tuple(row[name] for name in self.FIELDS[table]) for row in self.emulator.state.current(table, "IsDeleted = 0", ())}
            for entity, table in (("account", "Account"), ("contact", "Contact"))
        }


class Zendesk(Source):
    """Tickets by the cursor export and metric events by time; what is changed in the last minute is shown later."""

    kind = "zendesk"
    entities: ClassVar = {"ticket": ("account_key", "subject", "priority", "status", "reopen_count"), "ticket_event": ("ticket_key", "event_type")}
    mapping = """
  ticket:
    source: crm
    object: tickets
    fields: {ticket_key: id, account_key: organization_external_id, subject: subject, priority: priority_level, status: status,
             requester_key: requester_external_id, opened_at: created_at, solved_at: solved_at, reopen_count: reopens, is_escalated: is_escalated}
  ticket_event:
    source: crm
    object: ticket_metric_events
    deleted: deleted
    fields: {ticket_event_key: id, ticket_key: ticket_id, metric: metric, event_type: type, occurred_at: time}
"""
    paths = ("", "tickets/cursor", "metric_events", "organizations", "oauth")
    reader = ZendeskReader

    def make(self) -> ZendeskEmulator:
        return ZendeskEmulator(self.directory / "zendesk.db", self.clock)

    def client(self, settings: Settings, options: TransportOptions) -> Any:
        return zendesk.client_from_settings(settings, options=options)

    def prepare(self) -> None:
        self.number = 0
        state = self.emulator.state
        with state.transaction():
            keys = ["A0", "A1", "A2", "A3"]
            state.seed("organizations", {"id": [1, 2, 3, 4], STAMP: [stamp_text(NOW - timedelta(days=9))] * 4, "IsDeleted": [0] * 4, "external_id": keys})
            state.seed("users", {"id": [7, 8], STAMP: [stamp_text(NOW - timedelta(days=9))] * 2, "IsDeleted": [0] * 2, "external_id": ["U7", "U8"]})

    def edit(self, rng: random.Random) -> None:
        """Versions with a moment of their own; up to 59 seconds late, which the held back minute is there for."""
        state, now = self.emulator.state, self.clock.now()
        stamp = stamp_text(now - timedelta(seconds=rng.choice([0, 0, rng.uniform(0, 59)])))
        columns = state.tables["tickets"].all_columns
        held = {row[0]: dict(zip(columns, row, strict=True)) for row in state.connection.execute(
            f'select {", ".join(columns)} from "v_tickets" order by "{STAMP}"')}  # fmt: skip
        with state.transaction():
            if held and rng.random() < 0.35:
                # An event is recorded some minutes after it occurred.
                occurred = stamp_text(now - timedelta(minutes=rng.choice([0, 0, rng.uniform(0, 8)])))
                self.number += 1
                ticket = rng.choice(sorted(held))
                kind, metric = rng.choice(["activate", "fulfill", "breach"]), rng.choice(["reply_time", "resolution_time"])
                event = {
                    "id": 900 + self.number,
                    STAMP: stamp,
                    "IsDeleted": 0,
                    "ticket_id": ticket,
                    "metric": metric,
                    "type": kind,
                    "instance_id": 1,
                    "time": occurred,
                }
                state.seed("metric_events", {name: [value] for name, value in event.items()})
                return
            identity = rng.randrange(1, 9)
            row = held.get(identity)
            if row is not None and row[STAMP] >= stamp:
                return
            if row is None:
                row = {"id": identity, "external_id": None, "requester_id": 7, "created_at": stamp, "IsDeleted": 0, "tags": "", "solved_at": None}
            elif row["IsDeleted"]:
                return  # an administrator can restore a ticket for thirty days; nobody does here
            row = {**row, STAMP: stamp, "subject": f"S{rng.randrange(99)}", "priority": rng.choice([None, "urgent", "low"]),
                   "status": rng.choice(["new", "open", "solved"]), "organization_id": rng.choice([1, 2, 4]),
                   "reopens": rng.randrange(2), "IsDeleted": int(rng.random() < 0.12)}  # fmt: skip
            state.seed("tickets", {name: [value] for name, value in row.items()})

    def truth(self) -> Truth:
        state = self.emulator.state
        state.advance(self.clock.now() - zendesk_emulator.HELD_BACK)
        keys = {row["id"]: row["external_id"] for row in state.current("organizations", "1 = 1", ())}
        tickets = {
            str(row["id"]): (keys.get(row["organization_id"]), row["subject"], zendesk.PRIORITY_LEVELS.get(row["priority"]), row["status"], row["reopens"])
            for row in state.current("tickets", "IsDeleted = 0", ())
        }
        return {
            "ticket": tickets,
            "ticket_event": {str(row["id"]): (str(row["ticket_id"]), row["type"]) for row in state.current("metric_events", "IsDeleted = 0", ())},
        }


class HubSpot(Source):
    """Companies: by search, by the list of the archived ones, and by the list of all once a week."""

    kind = "hubspot"
    entities: ClassVar = {"account": ("account_name", "tier")}
    mapping = """
  account:
    source: crm
    object: companies
    fields: {account_key: crm_account_id, account_name: name, tier: acct_tier, currency: {constant: USD}}
"""
    paths = ("", "companies", "search", "properties")
    reader = HubSpotReader

    def make(self) -> HubSpotEmulator:
        return HubSpotEmulator(self.directory / "hubspot.db", self.clock, search_lag_seconds=0)

    def client(self, settings: Settings, options: TransportOptions) -> Any:
        return hubspot.client_from_settings(settings, options=options)

    def edit(self, rng: random.Random) -> None:
        state, emulator = self.emulator.state, self.emulator
        kind, key = emulator._kind("companies"), f"A{rng.randrange(9)}"
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

    def truth(self) -> Truth:
        rows = self.emulator.state.current("companies", "IsDeleted = 0", ())
        return {"account": {row["crm_account_id"]: (row["name"], row["acct_tier"]) for row in rows}}


class Planhat(Source):
    """Companies, all of them every night, by pages with an offset."""

    kind = "planhat"
    entities: ClassVar = {"account": ("account_name", "tier")}
    mapping = """
  account:
    source: crm
    object: companies
    fields: {account_key: externalId, account_name: name, tier: custom.Tier, currency: {constant: USD}}
"""
    paths = ("", "^/companies")
    reader = PlanhatReader

    def make(self) -> PlanhatEmulator:
        return PlanhatEmulator(self.directory / "planhat.db", self.clock)

    def client(self, settings: Settings, options: TransportOptions) -> Any:
        assert settings.planhat_api_token and settings.planhat_base_url
        return planhat.PlanhatClient(settings.planhat_api_token.get_secret_value(), settings.planhat_base_url, page_size=PAGE, options=options)

    def edit(self, rng: random.Random) -> None:
        state, model = self.emulator.state, MODELS["companies"]
        rows = {row["externalId"]: row for row in state.current("companies", "IsDeleted = 0", ())}
        key = f"A{rng.randrange(9)}"
        with state.transaction():
            if key in rows and len(rows) > 1 and rng.random() < 0.3:
                state.write("companies", rows[key]["_id"], "deleted", state.next_stamp(self.clock.now()), {"IsDeleted": 1})
            else:
                item = {"externalId": key, "name": f"{key} {rng.randrange(99)}", "custom": {"Tier": f"t{rng.randrange(3)}"}}
                self.emulator._put(model, item, rows.get(key))

    def truth(self) -> Truth:
        rows = self.emulator.state.current("companies", "IsDeleted = 0", ())
        return {"account": {row["externalId"]: (row["name"], row["custom.Tier"]) for row in rows}}


class Sheets(Source):
    """The tab Accounts, all of it every night, without times."""

    kind = "google_sheets"
    entities: ClassVar = {"account": ("account_name", "tier")}
    mapping = """
  account:
    source: crm
    object: Accounts
    history: snapshot
    fields: {account_key: Account ID, account_name: Name, tier: Tier, currency: {constant: USD}}
"""
    paths = ("", "batchGet", "token")
    #: A tab is one answer: there is no page before it in the same night.
    impossible = frozenset({"page_repeats"})
    reader = GoogleSheetsReader

    def make(self) -> GoogleSheetsEmulator:
        return GoogleSheetsEmulator(self.directory / "google_sheets.db", self.clock)

    def client(self, settings: Settings, options: TransportOptions) -> Any:
        return google_sheets.client_from_settings(settings, options=options)

    def edit(self, rng: random.Random) -> None:
        state = self.emulator.state
        rows = {row["c0"]: row for row in state.current("Accounts", "IsDeleted = 0", ())}
        key = f"A{rng.randrange(9)}"
        with state.transaction():
            stamp = state.next_stamp(self.clock.now())
            if key in rows and len(rows) > 1 and rng.random() < 0.3:
                state.write("Accounts", key, "deleted", stamp, {"IsDeleted": 1})
            else:
                fields = {"c1": f"{key} {rng.randrange(99)}", "c4": rng.choice([None, "t1", "t2"]), "IsDeleted": 0}
                state.write("Accounts", key, "updated" if key in rows else "created", stamp, fields)

    def truth(self) -> Truth:
        rows = self.emulator.state.current("Accounts", "IsDeleted = 0", ())
        return {"account": {row["c0"]: (row["c1"], row["c4"]) for row in rows}}


class DatedSheets(Sheets):
    """The tab with the column that the spreadsheet's script keeps. Rows also come back as they were once, date included: somebody undid something."""

    name = "dated_sheet"
    mapping = Sheets.mapping.replace("history: snapshot", f"known_at: {LAST_CHANGED}")

    def prepare(self) -> None:
        self.undone: list[tuple[str, dict[str, Any]]] = []

    def edit(self, rng: random.Random) -> None:
        state, last = self.emulator.state, column_names("Accounts")[-1]
        before = {row["c0"]: row for row in state.current("Accounts", "IsDeleted = 0", ())}
        if self.undone and rng.random() < 0.3:
            key, fields = rng.choice(self.undone)
            with state.transaction():
                state.write("Accounts", key, "updated" if key in before else "created", state.next_stamp(self.clock.now()), fields)
            return
        super().edit(rng)
        for row in state.current("Accounts", "IsDeleted = 0", ()):
            if row != before.get(row["c0"]):
                with state.transaction():
                    state.write("Accounts", row["c0"], "updated", row[STAMP], {last: row[STAMP]})
                self.undone.append((row["c0"], {"c1": row["c1"], "c4": row["c4"], "IsDeleted": 0, last: row[STAMP]}))


SOURCES: dict[str, type[Source]] = {source.name or source.kind: source for source in (Salesforce, Zendesk, HubSpot, Planhat, Sheets, DatedSheets)}


# ---- the nights


def run_night(
    source_kind: str,
    settings: Settings,
    client: Callable[[Settings, TransportOptions], Any],
    captured_at: datetime,
    peril: Peril,
    rng: random.Random,
    transport: httpx.BaseTransport,
) -> None:
    """One night of ingestion in this process, with `peril` armed."""
    options = transport_from_settings(
        settings,
        TransportOptions(
            timeout_seconds=5,
            retry=RetryPolicy(attempts=ATTEMPTS),
            limiter=Limiter(1e6, 10**6),
            sleep=lambda seconds: None,
            rng=rng,
            transport=transport,
            now=lambda: captured_at.replace(tzinfo=UTC) if source_kind != "google_sheets" else datetime.now(UTC),
        ),
    )

    def opened(kind: str, given: Settings, at: datetime) -> SystemReader:
        reader: SystemReader = SOURCES[kind].reader(client(given, options), at)
        return reader

    PerilousSession.peril = peril
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(systems, "open_reader", opened)
        patch.setattr(duckdb_warehouse, "DuckDBSession", PerilousSession)
        portfolio = load_portfolio(settings.home / "portfolio.yaml", settings)
        ingestion.ingest(settings, portfolio, (captured_at - timedelta(days=1)).date(), captured_at)


@dataclass
class Outcome:
    """What one history was: nights tried, nights that a vendor's error ended, nights that were killed, requests of all and of the longest."""

    seed: int
    nights: int = 0
    failed: int = 0
    killed: int = 0
    requests: int = 0
    most: int = 0
    versions: int = 0


@dataclass
class Story:
    """One history of a source. Asserts after each night; `tell` returns the figures."""

    source: Source
    seed: int
    home: Path
    #: Whether kills may be those of a real child process: seconds each.
    real_kills: bool = False
    outcome: Outcome = field(init=False)

    def tell(self) -> Outcome:
        """Some nights of edits, faults and kills, then quiet ones: nothing is lost, doubled or made up, and no night asks without end."""
        self.begin()
        source, rng = self.source, self.rng
        source.clock.skew = rng.choice([timedelta(0)] * 4 + [timedelta(minutes=2), timedelta(minutes=-2), timedelta(hours=3), timedelta(hours=-3)])
        for _ in range(rng.randrange(3, 6)):
            self.pass_time(rng.choice([timedelta(0), timedelta(minutes=7), timedelta(hours=6), timedelta(hours=24), timedelta(days=9)]))
            self.night(is_quiet=False)
        # Our clock passes the stamps of one that was ahead, and from there on everything must agree.
        self.pass_time(timedelta(hours=4))
        source.move(source.now + timedelta(hours=4))
        self.night(is_quiet=True)
        source.move(source.now + timedelta(days=rng.choice([1, 8])))
        assert self.night(is_quiet=True) == 0, self.says("a reading of nothing new added versions")
        return self.outcome

    def begin(self) -> None:
        """An empty source and an empty home."""
        source = self.source
        self.rng, self.outcome = random.Random(f"{source.name or source.kind} {self.seed}"), Outcome(self.seed)
        source.clear()
        self.home.mkdir(parents=True)
        (self.home / "portfolio.yaml").write_text(
            f"name: history\ncurrency: USD\nsources:\n  crm: {{kind: {source.kind}}}\nentities:{source.mapping}", encoding="utf-8"
        )
        self.settings = source.settings(self.home)
        #: Every content that the source ever had, those that a night took in, and raw as it is.
        self.shown: set[tuple[Any, ...]] = set()
        self.captured: set[tuple[Any, ...]] = set()
        self.held: tuple[list[tuple[Any, ...]], int] = [], 0

    def says(self, what: str) -> str:
        return f"{self.source.name or self.source.kind}, seed {self.seed}, {self.source.now}: {what}"

    def pass_time(self, span: timedelta) -> None:
        """Some edits in a stretch of time."""
        start = self.source.now
        for share in sorted(self.rng.random() for _ in range(self.rng.randrange(0 if self.outcome.nights else 4, self.source.most_edits))):
            # Some of them on the eve of the night: what is committed late is dated before these.
            self.source.move(start + span * (share if share < 0.8 else 1 - (1 - share) / 100))
            self.edit()
        self.source.move(start + span)

    def edit(self) -> None:
        self.source.edit(self.rng)
        self.look()

    def look(self) -> set[tuple[Any, ...]]:
        """The source's contents now, which from now on have been shown."""
        contents = {(entity, key, *values) for entity, rows in self.source.truth().items() for key, values in self.plain(rows).items()}
        self.shown |= contents
        return contents

    @staticmethod
    def plain(rows: dict[str, Values]) -> dict[str, Values]:
        """Values as they are compared with those of the warehouse: numbers as floats, all else as text."""
        return {key: tuple(_plain(value) for value in values) for key, values in rows.items()}

    # ---- one night

    def night(self, *, is_quiet: bool) -> int:
        """One night; returns the versions it added."""
        source, rng, outcome = self.source, self.rng, self.outcome
        app = source.emulator.app
        app.faults.clear()
        app.journal.entries.clear()
        peril, edits_at = Peril(), 0
        if not is_quiet:
            self.plan_faults()
            peril, edits_at = self.plan_peril(), rng.choice([0, 0, 0, 0, rng.randrange(1, 12)])
        before, loads, captured_at = *self.held, source.now + timedelta(minutes=1)
        self.look()
        source.last_night = source.clock.now()
        is_over = self.run(peril, captured_at, edits_at, is_quiet)
        asked = len(app.journal.entries)
        outcome.nights, outcome.requests, outcome.most = outcome.nights + 1, outcome.requests + asked, max(outcome.most, asked)
        assert asked <= source.budget, self.says(f"{asked} requests in one night")
        self.held = after, loads_after = self.raw()
        assert loads_after == loads + (len(source.entities) if is_over else 0), self.says("a night is whole or nothing")
        self.check_versions(before, after, is_over)
        if is_over and not edits_at and source.clock.skew <= CLOCK_TOLERANCE or is_quiet:
            current = self.current(after)
            truth = {entity: self.plain(rows) for entity, rows in source.truth().items()}
            assert current == truth, self.says(f"the current view is not the source: {difference(current, truth)}")
            self.captured |= self.look()
        self.captured_are_kept(after)
        return len(after) - len(before)

    def run(self, peril: Peril, captured_at: datetime, edits_at: int, is_quiet: bool) -> bool:
        """Whether the night was committed."""
        source, outcome = self.source, self.outcome
        if peril.is_real:
            ended = in_child(source, self.settings, captured_at, peril)
            assert ended in (0, -signal.SIGKILL, 3), self.says(f"the child ended as {ended}")
            outcome.killed, outcome.failed = outcome.killed + (ended == -signal.SIGKILL), outcome.failed + (ended == 3)
            return ended == 0

        def between() -> None:
            if edits_at and peril.requests_seen == edits_at:
                for _ in range(3):
                    self.edit()

        transport = PerilousTransport(peril, _Open(source.inner), between)
        try:
            with source.small():
                run_night(source.kind, self.settings, source.client, captured_at, peril, random.Random(self.seed), transport)
        except Killed:
            outcome.killed += 1
            return False
        except VimError as error:
            assert not is_quiet, self.says(f"a quiet night must end well: {error}")
            assert getattr(error, "vendor_code", "") != "REQUEST_BUDGET", self.says("a hot loop")
            outcome.failed += 1
            return False
        return True

    def plan_faults(self) -> None:
        source, rng = self.source, self.rng
        for name in rng.sample(sorted(set(FAULT_KINDS) - source.impossible), rng.choice([0, 0, 1, 1, 2, 3])):
            kind = {**FAULT_KINDS[name]}
            skip = max(int(kind.pop("skip", 0)), rng.choice([0, 0, 1, 2, 4]))
            if "delay_seconds" in kind:
                kind["delay_seconds"] = 0.002
            # More than the attempts end the night.
            plan = {**kind, "path": rng.choice(source.paths), "skip": skip, "times": rng.choice([1, 1, 2, 3, ATTEMPTS, ATTEMPTS + 2])}
            source.emulator.app.faults.append(Fault.parse(plan))

    def plan_peril(self) -> Peril:
        rng, draw = self.rng, self.rng.random()
        # Some eighty calls see to the tables, the others write.
        call = rng.choice([rng.randrange(1, 82), rng.randrange(81, 95), rng.randrange(81, 95)])
        if self.real_kills and draw < 0.35:
            return Peril(request=rng.choice([0, 0, rng.randrange(1, 12)]), call=call, is_real=True)
        if draw < 0.1:
            return Peril(request=rng.randrange(1, 16))
        return Peril(call=call) if draw < 0.35 else Peril()

    # ---- what raw holds

    def raw(self) -> tuple[list[tuple[Any, ...]], int]:
        """Every version (entity, key, known_at, hash, deleted, load, the compared values; oldest first within a key) and the number of loads."""
        found: list[tuple[Any, ...]] = []
        if not self.settings.warehouse_path.exists():
            return found, 0
        with open_warehouse(self.settings).session(read_only=True) as session:
            if not session.table_exists("raw.loads"):
                return found, 0
            for name, columns in self.source.entities.items():
                entity = ENTITIES[name]
                names = ", ".join((entity.key, "known_at", "content_hash", "is_deleted", "load_id", *columns))
                for row in session.rows(f"select {names} from raw.{entity.table} order by {entity.key}, known_at, captured_at, load_id"):
                    found.append((name, *list(row.values())[:5], tuple(_plain(row[column]) for column in columns)))
            return found, int(session.scalar("select count(*) from raw.loads") or 0)

    def current(self, versions: list[tuple[Any, ...]]) -> Truth:
        newest = {(item[0], item[1]): item for item in versions}
        found: Truth = {name: {} for name in self.source.entities}
        for (entity, key), item in newest.items():
            if not item[4]:
                found[entity][key] = item[6]
        return found

    def check_versions(self, before: list[tuple[Any, ...]], after: list[tuple[Any, ...]], is_over: bool) -> None:
        if not is_over:
            assert after == before, self.says("a night that failed left something")
        assert set(before) <= set(after) and len(set(after)) == len(after), self.says("a version was lost or is there twice")
        self.outcome.versions = len(after)
        for left, right in zip(after, after[1:], strict=False):
            if left[:2] == right[:2]:
                assert left[3:5] != right[3:5], self.says(f"{left[:2]} has one content twice in a row")
        made_up = {(item[0], item[1], *item[6]) for item in after if not item[4]} - self.shown
        assert not made_up, self.says(f"never shown: {made_up}")

    def captured_are_kept(self, after: list[tuple[Any, ...]]) -> None:
        """Whatever a night that ended well had before it is a version for ever."""
        held = {(item[0], item[1], *item[6]) for item in after}
        assert self.captured <= held, self.says(f"lost: {self.captured - held}")


class _Open(httpx.BaseTransport):
    """A transport that outlives the client which is closed with it: making one costs as much as a night's reading."""

    def __init__(self, inner: httpx.BaseTransport) -> None:
        self.inner = inner

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send."""
        return self.inner.handle_request(request)


def difference(current: Truth, truth: Truth) -> list[tuple[Any, ...]]:
    """Entity, key, what raw has and what the source has, where they differ."""
    return [
        (entity, key, current[entity].get(key), truth[entity].get(key))
        for entity in truth
        for key in sorted({*current[entity], *truth[entity]})
        if current[entity].get(key) != truth[entity].get(key)
    ]


def _plain(value: Any) -> Any:
    """One value for what two systems write differently."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return float(value)
    try:
        return float(value)
    except (TypeError, ValueError):
        return str(value)


# ---- the real kill


def in_child(source: Source, settings: Settings, captured_at: datetime, peril: Peril) -> int:
    """One night in a process of its own, which SIGKILL may end; its exit code (3: a VimError)."""
    order = {
        "source": source.name or source.kind, "home": str(settings.home), "credentials": source.emulator.credentials(source.server.url), "budget": source.budget,
        "captured_at": captured_at.isoformat(), "request": peril.request, "call": peril.call,
    }  # fmt: skip
    with source.small():
        child = subprocess.run([sys.executable, __file__, json.dumps(order)], timeout=120, check=False, capture_output=True, text=True)
    if child.returncode not in (0, 3, -signal.SIGKILL):
        sys.stderr.write(child.stderr)
    return child.returncode


def child(order: dict[str, Any]) -> int:
    """The child's side of `in_child`."""
    kind = SOURCES[order["source"]]
    update = {name: _typed(name, value) for name, value in order["credentials"].items()}
    settings = load_settings(home=Path(order["home"])).model_copy(update={**update, "vendor_request_budget": order["budget"]})
    peril = Peril(order["request"], order["call"], is_real=True)
    maker = kind.__new__(kind)  # the client's side of the source; its emulator runs in the parent
    try:
        with maker.small():
            run_night(
                kind.kind, settings, maker.client, datetime.fromisoformat(order["captured_at"]), peril, random.Random(1),
                PerilousTransport(peril, httpx.HTTPTransport()),
            )  # fmt: skip
    except VimError as error:
        sys.stderr.write(f"{error}\n")
        return 3
    return 0


if __name__ == "__main__":
    raise SystemExit(child(json.loads(sys.argv[1])))
