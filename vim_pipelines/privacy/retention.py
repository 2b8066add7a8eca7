"""Retention: what is thinned or forgotten by age, by rules that stand in `retention.yaml`; asked for by a person or a schedule, never by a night.

Long marts are kept daily, then weekly. What a later night folds forward is not touched, so that the next night comes to the same result. Raw
versions are not thinned: they are what was known when, and any night can be computed again from them, but they from nothing.

A night is dropped only where a later one of its ISO week stays. Kept beside that: rows of an account on a night that one of its requests,
a plan's baseline or the answer to a plan's criterion refers to; whole nights on which a calibration card was made; measures that plans are judged by.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy import Text, cast, delete, exists, func, null, or_, select, update
from sqlalchemy.orm import aliased

from vim_pipelines.approvals.events import SYSTEM
from vim_pipelines.core.dates import as_day
from vim_pipelines.core.errors import VimError
from vim_pipelines.core.hashing import sha256_text
from vim_pipelines.privacy import files
from vim_pipelines.store.locks import exclusive
from vim_pipelines.store.models import (
    LOGIN_ATTEMPT_DAYS,
    Alert,
    ApprovalRequest,
    Delivery,
    Draft,
    ErasedRow,
    LlmCall,
    LoginAttempt,
    PendingDraft,
    RetentionRun,
)
from vim_pipelines.warehouse import Work, open_warehouse
from vim_pipelines.warehouse.base import KEYS_PER_QUERY, chunks
from vim_pipelines.warehouse.duckdb import DuckDBWarehouse

if TYPE_CHECKING:
    from sqlalchemy.orm import Session as StoreSession

    from vim_pipelines.settings import Settings
    from vim_pipelines.store.engine import Store
    from vim_pipelines.warehouse import Session, Warehouse

RULES = Path(__file__).with_name("retention.yaml")
FACTS = "marts.fct_account_facts"
#: One row per account and night, never thinned: which nights there are.
NIGHTS = "marts.fct_account_signals"
#: A call of these ways to end is under way or may be taken up again.
OPEN_CALLS = ("started", "paused")


@dataclass(frozen=True)
class Rules:
    """`retention.yaml`: tables thinned to weekly and tables kept daily, each with the reason; the measures of facts that stay daily."""

    weekly: Mapping[str, str]
    daily: Mapping[str, str]
    daily_measures: frozenset[str]


@cache
def load_rules() -> Rules:
    """The rules of this installation."""
    import yaml

    data = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    return Rules(data["weekly"], data["daily"], frozenset(data["daily_measures"]))


@dataclass(frozen=True)
class Referred:
    """What somebody refers to: accounts by night, whole nights, and measures in which plans were promised."""

    accounts: Mapping[date, frozenset[str]] = field(default_factory=dict)
    nights: frozenset[date] = frozenset()
    measures: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Thinned:
    """What a rule takes from one table. `dates`: nights, empty where rows go by age; `what` says which rows or texts."""

    table: str
    rows: int
    dates: tuple[date, ...] = ()
    what: str = "rows"

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"table": self.table, "what": self.what, "rows": self.rows, "dates": [day.isoformat() for day in self.dates]}

    def as_record(self) -> dict[str, Any]:
        """For the record: of the nights the first, the last and how many."""
        nights = {"nights": len(self.dates), "from": self.dates[0].isoformat(), "to": self.dates[-1].isoformat()} if self.dates else {}
        return {"table": self.table, "what": self.what, "rows": self.rows, **nights}


@dataclass(frozen=True)
class Report:
    """What a run took, or would take. `nights`: those on record; `daily_from`: the first of the daily ones, None without a night."""

    is_dry_run: bool
    nights: int
    daily_from: date | None
    tables: tuple[Thinned, ...]

    @property
    def rows(self) -> int:
        """Rows over all tables."""
        return sum(table.rows for table in self.tables)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "is_dry_run": self.is_dry_run,
            "nights": self.nights,
            "daily_from": self.daily_from and self.daily_from.isoformat(),
            "rows": self.rows,
            "tables": [table.as_json() for table in self.tables],
        }


# --- which nights ---------------------------------------------------------------------------------------------------


def nights_kept(nights: Iterable[date], daily_days: int, referred: Collection[date] = ()) -> set[date]:
    """The newest night and those at most `daily_days` before it, the last night of each ISO week, and `referred`. By the newest night and not
    by the clock: an installation that stood still loses nothing."""
    known = set(nights)
    if not known:
        return set()
    last_of_week: dict[tuple[int, int], date] = {}
    for night in sorted(known):
        last_of_week[_week(night)] = night
    first_daily = max(known) - timedelta(days=daily_days)
    return {night for night in known if night >= first_daily} | set(last_of_week.values()) | (known & set(referred))


def nights_dropped(of_table: Iterable[date], kept: Collection[date]) -> list[date]:
    """Dates of a table that go: not kept, and a later kept night of their ISO week stands in for them. Oldest first.

    A date without one stays: it is of a night that failed before it was finished, the only trace of its week.
    """
    last_kept: dict[tuple[int, int], date] = {}
    for night in sorted(kept):
        last_kept[_week(night)] = night
    return sorted(day for day in set(of_table) if day not in kept and day < last_kept.get(_week(day), date.min))


def _week(day: date) -> tuple[int, int]:
    year, week, _ = day.isocalendar()
    return year, week


# --- what is referred to --------------------------------------------------------------------------------------------


def read_referred(session: Session, store: Store) -> Referred:
    """What requests, plans, outcomes and calibration cards refer to."""
    accounts: dict[date, set[str]] = {}
    measures: set[str] = set()

    def add(account: str, *days: Any) -> None:
        for day in days:
            if day is not None:
                accounts.setdefault(as_day(day), set()).add(account)

    with store.reading() as reading:
        columns = (ApprovalRequest.account_key, ApprovalRequest.as_of_date, ApprovalRequest.payload["criteria"])
        for account, as_of, criteria in reading.execute(select(*columns)):
            add(account, as_of)
            for criterion in criteria or ():
                measures.add(str(criterion["measure"]))
                if criterion.get("baseline_on"):
                    add(account, date.fromisoformat(str(criterion["baseline_on"])[:10]))
    if session.table_exists("computed.plan_outcomes"):
        # An open criterion reads the newest night, every night anew, of a measure that stays daily; the answer names the night that proves it.
        for row in session.rows("select distinct account_key, baseline_on, value_on from computed.plan_outcomes where state <> 'open'"):
            add(row["account_key"], row["baseline_on"], row["value_on"])
    cards = _dates(session, "computed.calibration_cards")
    return Referred({day: frozenset(keys) for day, keys in accounts.items()}, frozenset(cards), frozenset(measures))


def _dates(session: Session, table: str) -> list[date]:
    if not session.table_exists(table):
        return []
    return [as_day(row["as_of_date"]) for row in session.rows(f"select distinct as_of_date from {table} order by as_of_date")]


# --- the warehouse --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Condition:
    where: str
    parameters: tuple[Any, ...]


def _conditions(table: str, dropped: Sequence[date], referred: Referred, rules: Rules) -> list[_Condition]:
    """The rows that go, as conditions of a `where` that do not overlap. Nights without an account to keep share one."""
    measured = tuple(sorted(rules.daily_measures | referred.measures)) if table == FACTS else ()
    but_measures = f" and metric not in ({_marks(measured)})" if measured else ""
    is_mart = table.startswith("marts.")
    plain = [day for day in dropped if not (is_mart and day in referred.accounts)]
    found = [_Condition(f"as_of_date in ({_marks(days)}){but_measures}", (*days, *measured)) for days in chunks(plain, KEYS_PER_QUERY)]
    for day in dropped if is_mart else ():
        accounts = sorted(referred.accounts.get(day, ()))
        if accounts:
            but_accounts = "".join(f" and account_key not in ({_marks(keys)})" for keys in chunks(accounts, KEYS_PER_QUERY))
            found.append(_Condition(f"as_of_date = ?{but_accounts}{but_measures}", (day, *accounts, *measured)))
    return found


def _marks(values: Sequence[Any]) -> str:
    return ", ".join("?" * len(values))


def _thin(session: Session, table: str, kept: Collection[date], referred: Referred, rules: Rules, *, write: bool) -> Thinned:
    """Count the rows that go, by night, and delete them if `write`."""
    rows: dict[date, int] = {}
    for condition in _conditions(table, nights_dropped(_dates(session, table), kept), referred, rules):
        for row in session.rows(f"select as_of_date, count(*) as times from {table} where {condition.where} group by as_of_date", condition.parameters):
            rows[as_day(row["as_of_date"])] = int(row["times"])
        if write and rows:
            session.execute(f"delete from {table} where {condition.where}", condition.parameters)
    return Thinned(table, sum(rows.values()), tuple(sorted(rows)))


@dataclass(frozen=True)
class _Planned:
    """What goes from the warehouse: the nights there are, those kept, what is referred to, and what each table loses."""

    nights: tuple[date, ...] = ()
    kept: frozenset[date] = frozenset()
    referred: Referred = Referred()
    tables: tuple[Thinned, ...] = ()

    def daily_from(self, daily_days: int) -> date | None:
        """The first of the nights that stay daily; None without a night."""
        return self.nights[-1] - timedelta(days=daily_days) if self.nights else None


def _plan_warehouse(warehouse: Warehouse, store: Store, daily_days: int) -> _Planned:
    if isinstance(warehouse, DuckDBWarehouse) and not warehouse.path.exists():
        return _Planned()
    rules = load_rules()
    with warehouse.session(read_only=True) as session:
        nights = _dates(session, NIGHTS)
        referred = read_referred(session, store)
        tables = [table for table in rules.weekly if session.table_exists(table)]
        kept = nights_kept(nights, daily_days, referred.nights)
        found = [_thin(session, table, kept, referred, rules, write=False) for table in tables]
    return _Planned(tuple(nights), frozenset(kept), referred, tuple(found))


def _thin_warehouse(warehouse: Warehouse, planned: _Planned) -> None:
    """A transaction for each table, so that a run that dies is taken up by the next."""
    for thinned in planned.tables:
        if thinned.rows:
            with warehouse.session() as session:
                _thin(session, thinned.table, planned.kept, planned.referred, load_rules(), write=True)


# --- the operations store -------------------------------------------------------------------------------------------


def _thin_calls(session: StoreSession, settings: Settings, now: datetime, *, write: bool) -> Thinned:
    """Answers of language models lose their text; who was called, tokens, cost and hashes stay. Prompts are not stored, only their hashes."""
    # A JSON null is stored where there was never an answer; PostgreSQL compares JSON with nothing.
    old = (
        LlmCall.created_at < now - timedelta(days=settings.retention_llm_text_days),
        LlmCall.response.is_not(None),
        cast(LlmCall.response, Text) != "null",
        LlmCall.status.not_in(OPEN_CALLS),
        ~exists().where(PendingDraft.draft_key == LlmCall.draft_key),
    )
    number = int(session.scalar(select(func.count()).select_from(LlmCall).where(*old)) or 0)
    if write and number:
        session.execute(update(LlmCall).where(*old).values(response=null()).execution_options(synchronize_session=False))
    return Thinned("store.llm_calls", number, what="texts of answers")


def _thin_drafts(session: StoreSession, settings: Settings, now: datetime, *, write: bool) -> Thinned:
    """Drafts that nobody was asked about. The newest of a document stays (the night compares with it), and so does what an edit began from."""
    later, edit = aliased(Draft), aliased(Draft)
    old = (
        Draft.created_at < now - timedelta(days=settings.retention_draft_days),
        Draft.status != "checking",
        ~exists().where(ApprovalRequest.draft_id == Draft.draft_id),
        exists().where(later.account_key == Draft.account_key, later.document == Draft.document, later.version > Draft.version),
        ~exists().where(edit.edited_from == Draft.draft_id),
        ~exists().where(PendingDraft.draft_key == Draft.draft_key),
        # The record of an erasure names its rows.
        ~exists().where(ErasedRow.table_name == "drafts", ErasedRow.row_id == Draft.draft_id),
    )
    names = list(session.scalars(select(Draft.draft_id).where(*old).order_by(Draft.draft_id)))
    if write:
        for part in chunks(names, KEYS_PER_QUERY):
            session.execute(delete(Draft).where(Draft.draft_id.in_(part)).execution_options(synchronize_session=False))
    return Thinned("store.drafts", len(names), what="drafts that reached no request")


def _thin_messages(session: StoreSession, settings: Settings, now: datetime, *, write: bool) -> Thinned:
    """Rows of messages that arrived or were given up. One about a question or an alert that is open stays: without its row it would be sent again."""
    old = (
        Delivery.created_at < now - timedelta(days=settings.retention_message_days),
        Delivery.state.in_(("sent", "settled", "failed")),
        or_(Delivery.request_id.is_(None), ~exists().where(ApprovalRequest.request_id == Delivery.request_id, ApprovalRequest.state == "pending")),
        or_(Delivery.alert_id.is_(None), ~exists().where(Alert.alert_id == Delivery.alert_id, Alert.acknowledged_at.is_(None))),
    )
    number = int(session.scalar(select(func.count()).select_from(Delivery).where(*old)) or 0)
    if write and number:
        session.execute(delete(Delivery).where(*old).execution_options(synchronize_session=False))
    return Thinned("store.deliveries", number, what="messages that arrived or were given up")


def _thin_logins(session: StoreSession, settings: Settings, now: datetime, *, write: bool) -> Thinned:
    """Attempts to log in, which a login forgets too; where nobody logs in any more, this does."""
    old = LoginAttempt.at < now - timedelta(days=LOGIN_ATTEMPT_DAYS)
    number = int(session.scalar(select(func.count()).select_from(LoginAttempt).where(old)) or 0)
    if write and number:
        session.execute(delete(LoginAttempt).where(old).execution_options(synchronize_session=False))
    return Thinned("store.login_attempts", number, what="attempts to log in")


_STORE: tuple[Callable[..., Thinned], ...] = (_thin_calls, _thin_drafts, _thin_messages, _thin_logins)


# --- a run ----------------------------------------------------------------------------------------------------------


def run_retention(settings: Settings, store: Store, *, now: datetime, is_dry_run: bool, by: str = SYSTEM.name) -> Report:
    """Thin what the rules say, or tell what would go; running it again changes nothing more. VIM-E025 while a night runs.

    The published copy is written anew from the thinned marts, and DuckDB's file so that it becomes smaller. Each run that is not dry is on record
    in the store (`runs`), in the name of `by`.
    """
    if is_dry_run:
        return _dry_run(settings, store, now)
    with exclusive(store, "portfolio_audit") as taken:
        if not taken:
            raise VimError("VIM-E025", "An audit is running; it reads what would be thinned", fix="Run it when the audit has ended")
        return _run(settings, store, now=now, by=by)


def runs(store: Store, limit: int = 20) -> list[RetentionRun]:
    """The runs on record, the newest first."""
    with store.reading() as session:
        return list(session.scalars(select(RetentionRun).order_by(RetentionRun.at.desc(), RetentionRun.run_id).limit(limit)))


def days_of(settings: Settings) -> dict[str, int]:
    """After how many days what goes, by the words that the commands print."""
    return {
        "daily marts": settings.retention_daily_days,
        "texts of model answers": settings.retention_llm_text_days,
        "drafts that reached no request": settings.retention_draft_days,
        "messages that arrived or were given up": settings.retention_message_days,
        "attempts to log in": LOGIN_ATTEMPT_DAYS,
    }


def _dry_run(settings: Settings, store: Store, now: datetime) -> Report:
    planned = _plan_warehouse(open_warehouse(settings, Work("other")), store, settings.retention_daily_days)
    with store.reading() as session:
        tables = [thin(session, settings, now, write=False) for thin in _STORE]
    return Report(True, len(planned.nights), planned.daily_from(settings.retention_daily_days), (*planned.tables, *tables))


def _run(settings: Settings, store: Store, *, now: datetime, by: str) -> Report:
    warehouse = open_warehouse(settings, Work("other"))
    planned = _plan_warehouse(warehouse, store, settings.retention_daily_days)
    daily_from = planned.daily_from(settings.retention_daily_days)
    run_id = f"ret-{uuid4().hex[:24]}"
    with store.session() as session:
        session.add(
            RetentionRun(
                run_id=run_id, at=now, actor=by, newest_night=max(planned.nights, default=None), daily_from=daily_from, days=days_of(settings),
                rules_sha256=sha256_text(RULES.read_text(encoding="utf-8")), removed=[table.as_record() for table in planned.tables if table.rows], is_complete=False,
            )
        )  # fmt: skip
    _thin_warehouse(warehouse, planned)
    tables = list(planned.tables)
    for thin in _STORE:
        with store.session() as session:
            thinned = thin(session, settings, now, write=True)
            if thinned.rows:
                row = session.get_one(RetentionRun, run_id)
                row.removed = [*row.removed, thinned.as_record()]
        tables.append(thinned)
    if any(table.rows for table in planned.tables):
        if isinstance(warehouse, DuckDBWarehouse):
            files.rewrite_duckdb(warehouse)
        files.publish_anew(settings, warehouse)
    with store.session() as session:
        session.get_one(RetentionRun, run_id).is_complete = True
    return Report(False, len(planned.nights), daily_from, tuple(tables))
