"""The rollups say of any past day what counting the events would say, however the loads came, and a night adds only what is new.

dbt compiles the models once, for a first load and for a later one; the statements then run on DuckDB in memory, so that hundreds of
histories can be tried.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dbt_portfolio import AS_OF, Portfolio, make_portfolio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vim_pipelines.transform.project import ensure_manifest, run_dbt
from vim_pipelines.warehouse.duckdb import DuckDBSession

#: In the order of a night: what a killed one leaves undone is a tail of this list.
ROLLUPS = ("int_usage_daily", "int_usage_days", "int_usage_weeks", "int_usage_products")
MONDAY = date(2026, 3, 2)
REPEAT_WINDOW = 31
#: A model asks for its newest load while it is compiled; a number that stands nowhere else is found in the text and asked for again each time.
NEWEST_LOAD = 987_654_321


@dataclass(frozen=True)
class Event:
    event_id: str
    account: str | None
    user: str | None
    product: str | None
    occurred: datetime
    recorded: datetime

    @property
    def day(self) -> date:
        return self.occurred.date()

    @property
    def known(self) -> date:
        return self.recorded.date()


@dataclass(frozen=True)
class Statements:
    """The compiled models: `first[name]` for an empty table, `later[name]` for one that has rows."""

    first: dict[str, str]
    later: dict[str, str]


@pytest.fixture(scope="module")
def statements(tmp_path_factory: pytest.TempPathFactory) -> Statements:
    portfolio = make_portfolio(tmp_path_factory.mktemp("rollups"))
    portfolio.load_number = NEWEST_LOAD
    portfolio.event("a", "u", date(2026, 6, 1))
    portfolio.write()
    found: list[dict[str, str]] = []
    for _ in range(2):
        run_dbt(portfolio.settings, [f"+{name}" for name in ROLLUPS], AS_OF, "USD")
        found.append({name: compiled(portfolio, name).read_text() for name in ROLLUPS})
    assert all(str(NEWEST_LOAD) in found[1][name] and found[0][name] != found[1][name] for name in ROLLUPS)
    asked = {name: sql.replace(str(NEWEST_LOAD), f"(select coalesce(max(load_number), -1) from base.{name})") for name, sql in found[1].items()}
    return Statements(found[0], asked)


def compiled(portfolio: Portfolio, model: str) -> Path:
    (path,) = (portfolio.settings.dbt_target_dir / "target" / "compiled").rglob(f"{model}.sql")
    return path


class History:
    """The raw events and the rollups of one portfolio, in memory."""

    def __init__(self, statements: Statements) -> None:
        self.statements = statements
        self.connection = duckdb.connect()
        # The catalog that the compiled statements name.
        self.connection.execute("attach ':memory:' as warehouse; use warehouse; create schema raw; create schema base")
        self.connection.execute(
            "create table raw.usage_events (event_id varchar, account_key varchar, user_key varchar, product varchar, feature varchar, occurred_at timestamp,"
            " recorded_at timestamp, load_number bigint);"
            f"create table base.signal_thresholds as select 'repeat_window_days' as threshold_name, cast({REPEAT_WINDOW} as decimal(18, 6)) as value"
        )

    def load(self, number: int, events: list[Event]) -> None:
        rows = [(e.event_id, e.account, e.user, e.product, "f", e.occurred, e.recorded, number) for e in events]
        if rows:
            self.connection.executemany("insert into raw.usage_events values (?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def night(self, steps: int = len(ROLLUPS)) -> None:
        """The first `steps` rollups; the night dies before the next."""
        for name in ROLLUPS[:steps]:
            exists = self.connection.execute("select 1 from information_schema.tables where table_schema = 'base' and table_name = ?", [name]).fetchone()
            sql = self.statements.later[name] if exists else self.statements.first[name]
            self.connection.execute(f"insert into base.{name} {sql}" if exists else f"create table base.{name} as {sql}")

    def rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql, list(parameters)).fetchall()

    def weeks(self, scope: str, day: date) -> dict[tuple[Any, ...], tuple[int, int]]:
        """(account, product, week) to (users, events) of the weeks that are over on `day`, as known then; nothing where both are 0."""
        found = self.rows(
            "select account_key, product, week_start, sum(users_delta), sum(events) from base.int_usage_weeks"
            " where scope = ? and counts_from <= ? and week_start + 6 <= ? group by all",
            scope, day, day,
        )  # fmt: skip
        return {(account, product, week): (users, events) for account, product, week, users, events in found if users or events}


def first_arrivals(loads: list[list[Event]]) -> list[Event]:
    """By the rule itself: an arrival counts unless an earlier one has its id and happened within the window."""
    arrived = [(number, event) for number, events in enumerate(loads, start=1) for event in events]
    arrived.sort(
        key=lambda pair: (
            pair[0],
            pair[1].recorded,
            pair[1].occurred,
            *((text is None, text or "") for text in (pair[1].account, pair[1].user, pair[1].product)),
        )
    )
    kept, seen = [], defaultdict(list)
    for _, event in arrived:
        if all(abs((event.day - day).days) > REPEAT_WINDOW for day in seen[event.event_id]):
            kept.append(event)
        seen[event.event_id].append(event.day)
    return kept


def counted_weeks(events: list[Event], scope: str, day: date) -> dict[tuple[Any, ...], tuple[int, int]]:
    users, counts = defaultdict(set), defaultdict(int)
    for event in events:
        week = event.day - timedelta(days=event.day.weekday())
        if event.account is not None and event.known <= day and week + timedelta(days=6) <= day:
            key = (event.account, event.product if scope == "product" else None, week)
            counts[key] += 1
            users[key] |= {event.user} - {None}
    return {key: (len(users[key]), count) for key, count in counts.items()}


@st.composite
def arrivals(draw: st.DrawFn) -> Event:
    """Few ids, users and weeks, so that repeats, late arrivals and second sightings of a user-week are the rule; some days lie months apart."""
    happened = datetime.combine(MONDAY, datetime.min.time()) + timedelta(
        days=draw(st.integers(0, 13)) + draw(st.sampled_from([0, 0, 0, 35, 70])), hours=draw(st.integers(0, 23))
    )
    lag = timedelta(hours=draw(st.sampled_from([-20, 1, 1, 5, 30, 24 * 6, 24 * 12, 24 * 30])))
    return Event(
        f"e{draw(st.integers(0, 11))}",
        draw(st.sampled_from(["a", "a", "a", "b", None])),
        draw(st.sampled_from(["u1", "u2", "u3", None])),
        draw(st.sampled_from(["p", "p", "q", None])),
        happened,
        happened + lag,
    )


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    loads=st.lists(st.lists(arrivals(), max_size=8), min_size=1, max_size=5),
    steps=st.lists(st.integers(0, len(ROLLUPS)), min_size=5, max_size=5),
)
def test_the_rollups_are_the_count_of_the_events_on_any_day(statements: Statements, loads: list[list[Event]], steps: list[int]) -> None:
    """Loads come late, twice and out of order, and nights die between two models; the last one catches up."""
    history, at_once = History(statements), History(statements)
    for number, events in enumerate(loads, start=1):
        history.load(number, events)
        at_once.load(number, events)
        history.night(steps[number - 1])
    history.night()
    at_once.night()

    kept = first_arrivals(loads)
    daily = "select account_key, user_key, product, activity_date, known_date, load_number, sum(events) from base.int_usage_daily group by all order by all"
    assert history.rows(daily) == at_once.rows(daily)
    for day in sorted({event.known for event in kept} | {event.day for event in kept} | {MONDAY + timedelta(days=n) for n in (6, 12, 13, 20, 90)}):
        seen = [event for event in kept if event.known <= day and event.day <= day]
        for scope in ("account", "product"):
            assert history.weeks(scope, day) == at_once.weeks(scope, day) == counted_weeks(kept, scope, day), (scope, day)
        days = history.rows(
            "select account_key, activity_date, cast(sum(events) as bigint), sum(named_rows) > 0 from base.int_usage_days where known_date <= ? and activity_date <= ? group by all",
            day, day,
        )  # fmt: skip
        by_day: dict[tuple[str | None, date], list[Event]] = defaultdict(list)
        for event in seen:
            by_day[event.account, event.day].append(event)
        assert set(days) == {(*key, len(events), any(event.user for event in events)) for key, events in by_day.items()}
        products = history.rows("select distinct product from base.int_usage_products where counts_from <= ?", day)
        assert {product for (product,) in products} == {event.product for event in seen}

    before = {name: history.rows(f"select * from base.{name} order by all") for name in ROLLUPS}
    history.night()
    assert {name: history.rows(f"select * from base.{name} order by all") for name in ROLLUPS} == before, "a night twice adds nothing"


# --- cost ----------------------------------------------------------------------------------------------------------------

ACCOUNTS, USERS, DAYS = 40, 50, 730
LAST_DAY = AS_OF
FIRST_DAY = LAST_DAY - timedelta(days=DAYS - 1)


@dataclass(frozen=True)
class Years:
    """Two years of telemetry in a warehouse, then one night with one more day."""

    portfolio: Portfolio
    new_events: int
    added: dict[str, int]
    one_more_day: str


EVENT = "(event_id, account_key, user_key, product, feature, event_name, occurred_at, recorded_at, source_name, source_file, load_number)"


@pytest.fixture(scope="module")
def years(tmp_path_factory: pytest.TempPathFactory) -> Years:
    """About a million events in one first load; the night brings one day, with one event that is 20 days late and one file that comes again."""
    portfolio = make_portfolio(tmp_path_factory.mktemp("years"))
    for number in range(ACCOUNTS):
        portfolio.account(f"a{number}")
        portfolio.line(f"a{number}-core", f"a{number}", seats=USERS)
    portfolio.write()
    insert = (
        f"insert into raw.usage_events {EVENT}"
        " select 'e' || ({place}) as event_id, 'a' || account, 'u' || account || '-' || user, 'core', 'projects', 'projects',"
        " cast(day as timestamp) + interval 10 hour + to_minutes(cast(user as bigint)), cast(day as timestamp) + interval 12 hour, 'test', 'file', {load}"
        " from range(0, {days}) as t(n), range(0, {accounts}) as s(account), range(0, {users}) as r(user), (select date '{first}' as begins) as b,"
        " lateral (select begins + cast(n as integer) as day) as d where hash(n, account, user) % 3 > 0 or n = 0 order by n"  # as ingestion appends it: file after file
    )
    options = {"accounts": ACCOUNTS, "users": USERS, "place": "n * 1000000 + account * 1000 + user"}
    execute(portfolio, insert.format(load=1, days=DAYS - 1, first=FIRST_DAY, **options))
    portfolio.build("base", "marts", as_of=LAST_DAY - timedelta(days=1), write=False)
    before = lengths(portfolio)
    day = "{number} * 1000000 + account * 1000 + user"
    execute(portfolio, insert.format(load=2, days=1, first=LAST_DAY, **(options | {"place": day.format(number=DAYS)})))
    new = ACCOUNTS * USERS
    execute(
        portfolio,
        f"insert into raw.usage_events {EVENT} select event_id, account_key, user_key, product, feature, event_name, occurred_at, recorded_at, 'test', 'again', 2"
        f" from raw.usage_events where load_number = 1 and cast(occurred_at as date) = date '{LAST_DAY - timedelta(days=1)}'",
    )
    execute(
        portfolio,
        f"insert into raw.usage_events {EVENT} values ('late', 'a0', 'newcomer', 'core', 'projects', 'projects', timestamp '{LAST_DAY - timedelta(days=20)} 10:00:00',"
        f" timestamp '{LAST_DAY} 12:00:00', 'test', 'file', 2)",
    )
    portfolio.build("base", "marts", as_of=LAST_DAY, write=False)
    after = lengths(portfolio)
    next_day = insert.format(load=3, days=1, first=LAST_DAY + timedelta(days=1), **(options | {"place": day.format(number=DAYS + 1)}))
    return Years(portfolio, new + 1, {name: after[name] - before[name] for name in ROLLUPS}, next_day)


def execute(portfolio: Portfolio, sql: str) -> None:
    with portfolio.warehouse.session() as session:
        session.execute(sql)


def lengths(portfolio: Portfolio) -> dict[str, int]:
    return {name: portfolio.row(f"select count(*) as n from base.{name}")["n"] for name in ROLLUPS}


def test_a_night_adds_the_new_day_and_no_more(years: Years) -> None:
    """The replayed file adds nothing. Weeks: one row per account and scope for the week of the new day, and for that of the late event (one account)."""
    assert years.added == {"int_usage_daily": years.new_events, "int_usage_days": ACCOUNTS + 1, "int_usage_weeks": 2 * ACCOUNTS + 2, "int_usage_products": 1}


def test_the_weekly_models_do_not_know_the_events(years: Years) -> None:
    nodes = json.loads(ensure_manifest(years.portfolio.settings).read_text())["nodes"]
    for model in ("int_account_weeks", "int_product_weeks"):
        parents = {name.split(".")[-1] for name in nodes[f"model.value_in_motion.{model}"]["depends_on"]["nodes"]}
        assert "int_usage_weeks" in parents and not parents & {"int_usage_daily", "usage_events"}


#: Row groups of DuckDB hold 122,880 rows: two years are at least eight, the 90 days that a night may look at lie in at most three.
MOST_SCANNED = 3


@dataclass(frozen=True)
class Scan:
    """One read of a table, as DuckDB reports it: the columns taken and the row groups touched, of all there are."""

    table: str
    columns: frozenset[str]
    scanned: int
    groups: int


def scans(session: DuckDBSession, sql: str, folder: Path) -> list[Scan]:
    """Every read of a table by the query, which is run for it."""
    profile = folder / "profile.json"
    session.execute("set enable_profiling = 'json'")
    session.execute("set profiling_mode = 'detailed'")
    session.execute(f"set profiling_output = '{profile}'")
    session.execute(f"create or replace temp table thrown_away as {sql}")
    session.execute("pragma disable_profiling")
    found: list[Scan] = []

    def walk(node: dict[str, Any]) -> None:
        extra = node.get("extra_info") or {}
        if "Table" in extra:
            columns = extra.get("Projections", [])
            found.append(
                Scan(
                    extra["Table"].split(".")[-1],
                    frozenset([columns] if isinstance(columns, str) else columns),
                    node.get("row_groups_scanned", 0),
                    node.get("total_row_groups_to_scan", 0),
                )
            )
        for value in node.values():
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, dict) and child is not extra:
                    walk(child)

    walk(json.loads(profile.read_text()))
    return found


def test_no_model_reads_the_telemetry_of_all_time(years: Years, tmp_path: Path) -> None:
    """A night with one more day, model by model as DuckDB runs it: one that forgets its window is found here, whoever wrote it.

    Only the column of load numbers may be read as a whole: it is constant over a load and takes next to no room.
    """
    nodes = json.loads(ensure_manifest(years.portfolio.settings).read_text())["nodes"].values()
    telemetry = {"source.value_in_motion.raw.usage_events", "model.value_in_motion.int_usage_daily"}
    readers = [node["name"] for node in nodes if node["resource_type"] == "model" and telemetry & set(node["depends_on"]["nodes"])]
    execute(years.portfolio, years.one_more_day)
    found: dict[str, list[Scan]] = {}
    with years.portfolio.warehouse.session() as session:
        assert isinstance(session, DuckDBSession)
        for model in (*ROLLUPS, *sorted(set(readers) - set(ROLLUPS))):
            # The text was compiled for the night before, whose newest load was 1.
            sql = re.sub(r"(load_number (?:>|<=)) 1\b", r"\1 2", compiled(years.portfolio, model).read_text())
            assert model not in ROLLUPS or "load_number > 2" in sql
            found[model] = [
                scan for scan in scans(session, sql, tmp_path) if scan.table in ("usage_events", "int_usage_daily") and scan.columns != {"load_number"}
            ]
            if model in ROLLUPS:
                session.execute(f"insert into base.{model} {sql}")
    assert all(found.values()), "the plans could not be read"
    assert all(scan.groups >= 8 for reads in found.values() for scan in reads)
    assert {model: reads for model, reads in found.items() if any(scan.scanned > MOST_SCANNED for scan in reads)} == {}
