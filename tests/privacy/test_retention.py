"""Retention: what goes, what stays, and that the next night comes to the same result as without it."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "approvals"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lifecycle"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "signals"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "store"))

from actions_by_hand import ACCOUNT, frame
from approval_drafts import NOW, make_draft
from lifecycle_facts import COMPLETE, facts
from stores import empty_postgres, postgres_address, settings_for
from test_health_contributions import CALM

from vim_pipelines.approvals.deciding import decide
from vim_pipelines.approvals.events import verify_chain
from vim_pipelines.approvals.policy import Actor, load_policy
from vim_pipelines.approvals.queue import request_approvals, show_request
from vim_pipelines.cli.root import main
from vim_pipelines.core.errors import VimError
from vim_pipelines.evaluation import plan_effect
from vim_pipelines.lifecycle import outcomes
from vim_pipelines.lifecycle.action_queue import fold_queue
from vim_pipelines.lifecycle.evidence import EVIDENCE_MODELS
from vim_pipelines.lifecycle.run import fold_states
from vim_pipelines.lifecycle.tables import ensure_computed_tables as ensure_lifecycle
from vim_pipelines.privacy.retention import FACTS, Referred, load_rules, nights_dropped, nights_kept, read_referred, run_retention, runs
from vim_pipelines.reasoning.ledger import Ledger
from vim_pipelines.reasoning.playbooks import load_playbooks
from vim_pipelines.reporting.publish import publish
from vim_pipelines.settings import Settings
from vim_pipelines.signals.fold import fold_scores
from vim_pipelines.signals.tables import ensure_computed_tables as ensure_signals
from vim_pipelines.store import open_store
from vim_pipelines.store.engine import Store
from vim_pipelines.store.locks import exclusive
from vim_pipelines.store.models import Alert, Delivery, Draft, LlmCall, LoginAttempt
from vim_pipelines.warehouse import Session, open_warehouse
from vim_pipelines.warehouse.duckdb import DuckDBWarehouse

__all__ = ["postgres_address"]

REPOSITORY = Path(__file__).resolve().parents[2]
DBT = REPOSITORY / "dbt_project" / "models"
#: Nights of two weeks (Monday to Sunday, and Wednesday to Saturday) and, much later, those that end the plan's quarter.
OLD = [date(2026, 6, 22) + timedelta(days=n) for n in (0, 1, 2, 4, 6, 9, 12)]
NEW = [date(2026, 9, 22) + timedelta(days=n) for n in range(3)]
#: The night of the plan's facts, a Wednesday: its week is thinned to the Sunday.
ASKED = OLD[2]
LAST = [OLD[4], OLD[6]]
LATER = datetime(2027, 12, 1)


# --- which nights ---------------------------------------------------------------------------------------------------


@given(st.sets(st.dates(date(2024, 12, 20), date(2026, 1, 10)), min_size=1), st.integers(14, 60))
def test_every_week_keeps_its_last_night_and_a_second_run_drops_nothing(nights: set[date], days: int) -> None:
    kept = nights_kept(nights, days)
    dropped = nights_dropped(nights, kept)
    assert set(dropped) | kept == nights and not set(dropped) & kept
    assert {night.isocalendar()[:2] for night in nights} == {night.isocalendar()[:2] for night in kept}
    assert all(max(nights) - night > timedelta(days=days) for night in dropped)
    assert all(any(other > night and other.isocalendar()[:2] == night.isocalendar()[:2] for other in kept) for night in dropped)
    assert nights_kept(kept, days) == kept and nights_dropped(kept, nights_kept(kept, days)) == []


def test_weeks_are_iso_weeks_also_over_new_year() -> None:
    year_end = [date(2025, 12, 29) + timedelta(days=n) for n in range(7)]  # one ISO week in two years
    assert nights_kept([*year_end, date(2026, 6, 1)], 35) == {date(2026, 1, 4), date(2026, 6, 1)}


def test_the_trace_of_a_night_that_failed_stays_where_nothing_stands_in_for_it() -> None:
    assert nights_dropped([OLD[0], OLD[5]], {OLD[4]}) == [OLD[0]]


# --- the rules ------------------------------------------------------------------------------------------------------


def test_every_dated_table_is_in_one_list() -> None:
    """A new mart has to be thought about: is it thinned, and if not, why not."""
    rules = load_rules()
    marts = {f"marts.{path.stem}" for path in (DBT / "marts").rglob("*.sql") if not path.stem.endswith("_current")} - {"marts.dim_dates"}
    sources = yaml.safe_load((DBT / "_sources.yml").read_text())["sources"]
    computed = {f"computed.{table['name']}" for source in sources if source["name"] == "computed" for table in source["tables"]}
    named = set(rules.weekly) | set(rules.daily)
    assert not set(rules.weekly) & set(rules.daily)
    assert {name for name in named if name.startswith("marts.")} == marts
    assert computed <= named


def test_every_computed_table_of_the_code_is_in_one_list(tmp_path: Path) -> None:
    of_computed = "select table_name as name from duckdb_columns() where schema_name = 'computed' and column_name = 'as_of_date'"
    with DuckDBWarehouse(tmp_path / "w.duckdb").session() as session:
        for ensure in (ensure_lifecycle, ensure_signals, outcomes.ensure_outcome_table, plan_effect.ensure_effect_table):
            ensure(session)
        made = {f"computed.{row['name']}" for row in session.rows(of_computed)}
    rules = load_rules()
    dated = {name for name in set(rules.weekly) | set(rules.daily) if name.startswith("computed.")}
    assert made <= dated and len(made) > 10


def test_no_mart_that_is_thinned_is_read_over_several_nights() -> None:
    """What a model reads of another night must be there: only facts are read so (by outcomes), and those measures stay daily."""
    weekly = [name.split(".")[1] for name in load_rules().weekly if name.startswith("marts.") and name != FACTS]
    code = {path: path.read_text() for path in (REPOSITORY / "vim_pipelines").rglob("*.py") if path.name != "retention.py"}
    for name in weekly:
        for path, text in code.items():
            for found in re.finditer(rf"marts\.{name}\b(?!_current).{{0,120}}", text):
                assert "as_of_date = ?" in found.group() or "count(distinct" in text[found.start() - 80 : found.start()], (path, found.group())


def test_measures_that_plans_are_judged_by_stay_daily() -> None:
    promised = {criterion.measure for playbook in load_playbooks().values() for criterion in playbook.success_criteria}
    assert load_rules().daily_measures >= (promised | {"risk_score", "seats_contracted"}) - {outcomes.HIGH_RISKS}


# --- a history ------------------------------------------------------------------------------------------------------


@dataclass
class House:
    settings: Settings
    store: Store

    @property
    def warehouse(self) -> Any:
        return open_warehouse(self.settings)

    def run(self, *, is_dry_run: bool = False, now: datetime = NOW) -> Any:
        return run_retention(self.settings, self.store, now=now, is_dry_run=is_dry_run)

    def rows(self, sql: str, parameters: Any = ()) -> list[dict[str, Any]]:
        with self.warehouse.session(read_only=True) as session:
            return list(session.rows(sql, parameters))

    def nights(self, table: str, where: str = "true") -> list[date]:
        return [row["as_of_date"] for row in self.rows(f"select distinct as_of_date from {table} where {where} order by 1")]


def kind_of(name: str) -> str:
    value = COMPLETE[name]
    return "date" if name.endswith("_on") else {bool: "boolean", int: "bigint", float: "double"}.get(type(value), "varchar")


def night(session: Session, store: Store, day: date) -> None:
    """One night of two accounts, from base models to outcomes. The first is worse on every third day; notice is given in the second week."""
    worse = day.toordinal() % 3 == 0
    told = (
        facts(notice_on=OLD[5], notice_is_open=True) if day >= OLD[5] else facts(kickoff_meeting_held_on=None) if day < OLD[3] else facts(fttv_reached_on=None)
    )
    session.execute("create schema if not exists base")
    for model in ("int_lifecycle_evidence", "int_action_stakes"):
        session.execute(f"drop table if exists base.{model}")
    session.ensure_table("base.int_lifecycle_evidence", {name: kind_of(name) for name in COMPLETE})
    session.append("base.int_lifecycle_evidence", pd.DataFrame([told], columns=list(COMPLETE)).astype(object).where(lambda table: table.notna(), None))
    for model in EVIDENCE_MODELS[1:]:
        session.ensure_table(f"base.{model}", {"account_key": "varchar"})
    stakes = [name for name in ACCOUNT if name not in ("phase", "snoozed_until")]
    numbers = ("stake_annual", "waste_annual", "csm_hours", "director_hours", "data_hours")
    session.ensure_table("base.int_action_stakes", {name: "date" if name == "deadline_on" else "double" if name in numbers else "varchar" for name in stakes})
    session.append("base.int_action_stakes", frame([ACCOUNT], ACCOUNT)[stakes])
    health = [{"account_key": key} | CALM | ({"shelfware_seats": 145.0} if worse and key == "ACC-1" else {}) for key in ("ACC-1", "ACC-2")]
    fold_scores(session, pd.DataFrame(health, columns=["account_key", *CALM]), day)
    fold_states(session, (), day)
    fold_queue(session, (), day)
    found = [(key, metric, 150 - day.day) for key in ("ACC-1", "ACC-2") for metric in ("unused_seats", "shelfware_seats", "risk_score", "cv", "gap_days")]
    table = pd.DataFrame(found, columns=["account_key", "metric", "value_number"]).assign(as_of_date=day, scope="account", status="ok")
    session.replace_partition(FACTS, table, "as_of_date", day)
    session.replace_partition(
        "marts.fct_account_signals", pd.DataFrame({"account_key": ["ACC-1", "ACC-2"], "segment": "mid"}).assign(as_of_date=day), "as_of_date", day
    )
    for mart in ("requirements", "health_contributions"):
        session.execute(f"create table if not exists marts.fct_{mart} as select * from computed.{mart} where false")
        session.execute(f"delete from marts.fct_{mart} where as_of_date = ?", [day])
        session.execute(f"insert into marts.fct_{mart} select * from computed.{mart} where as_of_date = ?", [day])
    outcomes.follow_plans(session, store, day)


def make_tables(session: Session) -> None:
    ensure_signals(session)
    ensure_lifecycle(session)
    text = {"account_key": "varchar", "as_of_date": "date"}
    columns = {"metric": "varchar", "scope": "varchar", "status": "varchar", "value_number": "decimal(18, 4)", "value_text": "varchar"}
    session.ensure_table(FACTS, text | columns)
    session.ensure_table("marts.fct_account_signals", text | {"segment": "varchar"})
    session.ensure_table("marts.fct_risks", text | {"rule_id": "varchar", "severity": "varchar", "risk_status": "varchar"})
    outcomes.ensure_outcome_table(session)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with ten nights, and a plan for the first account that was approved on the facts of a Wednesday."""
    home = tmp_path_factory.mktemp("history") / "home"
    settings = Settings(home=home, portfolio=home / "portfolio.yaml")
    store = open_store(settings)
    draft_id = make_draft(store, as_of=ASKED)
    about = {"ACC-1": {"arr_amount": 60000, "currency": "USD", "risk_band": "green", "csm_email": "ada@vendor.example"}}
    asked_at = datetime(2026, 6, 25, 6)
    (request_id,) = request_approvals(store, load_policy(), ASKED, asked_at, approval_hours=72, draft_ids=[draft_id], signals=about).requested
    version = show_request(store, request_id).version
    decide(store, request_id, "approve", person=Actor("dora", "director", "cli"), version=version, note=None, now=asked_at, policy=load_policy())
    with open_warehouse(settings).session() as session:
        make_tables(session)
        for day in (*OLD, *NEW):
            night(session, store, day)
    store.engine.dispose()
    return home


@pytest.fixture
def house(history: Path, tmp_path: Path) -> Iterator[House]:
    home = tmp_path / "home"
    shutil.copytree(history, home)
    settings = Settings(home=home, portfolio=home / "portfolio.yaml")
    store = open_store(settings)
    yield House(settings, store)
    store.engine.dispose()


def test_long_marts_keep_one_night_a_week_and_what_was_asked_about(house: House) -> None:
    dry = house.run(is_dry_run=True)
    assert house.nights("marts.fct_requirements") == [*OLD, *NEW] and dry.rows > 0
    done = house.run()
    assert done.tables == dry.tables and (done.nights, done.daily_from) == (10, NEW[-1] - timedelta(days=35))
    assert house.nights("computed.requirements") == [*LAST, *NEW]
    assert house.nights("marts.fct_health_contributions", "account_key = 'ACC-2'") == [*LAST, *NEW]
    assert house.nights("marts.fct_health_contributions", "account_key = 'ACC-1'") == sorted({ASKED, *LAST, *NEW})
    assert house.nights(FACTS, "account_key = 'ACC-2' and metric = 'cv'") == [*LAST, *NEW]
    assert house.nights(FACTS, "account_key = 'ACC-1' and metric = 'cv'") == sorted({ASKED, *LAST, *NEW})
    assert house.nights(FACTS, "account_key = 'ACC-2' and metric = 'unused_seats'") == [*OLD, *NEW]
    assert house.nights("marts.fct_account_signals") == house.nights("computed.lifecycle_evidence") == [*OLD, *NEW]
    again = house.run()
    assert again.rows == 0 and verify_chain(house.store) == []


def test_a_measure_that_only_a_request_names_stays_daily_too(house: House) -> None:
    with house.warehouse.session(read_only=True) as session:
        referred = read_referred(session, house.store)
    assert "ACC-1" in referred.accounts[ASKED] and "unused_seats" in referred.measures
    assert referred.accounts[NEW[-1]] == {"ACC-1"}, "the night that answers a criterion"


def test_a_night_with_a_calibration_card_stays_whole(house: House) -> None:
    with house.warehouse.session() as session:
        session.ensure_table("computed.calibration_cards", {"card_id": "varchar", "as_of_date": "date"})
        session.execute("insert into computed.calibration_cards (card_id, as_of_date) values ('card-1', ?)", [OLD[5]])
    house.run()
    assert house.nights("marts.fct_requirements", "account_key = 'ACC-1'") == sorted({ASKED, OLD[5], *LAST, *NEW})


def everything(session: Session) -> dict[str, list[dict[str, Any]]]:
    """All that a night leaves: the whole of what is kept daily, and the nights from the newest on of what is thinned."""
    rules = load_rules()
    found = {}
    for table in (*rules.weekly, *rules.daily):
        if session.table_exists(table):
            where = f"where as_of_date >= date '{NEW[-1]}'" if table in rules.weekly else ""
            found[table] = session.rows(f"select * from {table} {where} order by all")
    return found


LATE = date(2026, 6, 25)  # of a thinned week


@pytest.mark.parametrize(
    "days",
    [
        pytest.param([NEW[-1], NEW[-1] + timedelta(days=1)], id="the newest again, then the next"),
        pytest.param([LATE, NEW[-1]], id="one that is computed late and folds all later ones anew", marks=pytest.mark.slow),
    ],
)
def test_nights_after_retention_are_those_without_it(house: House, days: list[date], tmp_path: Path) -> None:
    """The same nights over a whole history and over a thinned one: states, scores, queue, outcomes and marts must not differ in a row."""
    whole = tmp_path / "whole.duckdb"
    shutil.copy(house.settings.warehouse_path, whole)
    assert house.run().rows > 0
    results: list[list[dict[str, Any]]] = []
    for warehouse in (DuckDBWarehouse(whole), house.warehouse):
        with warehouse.session() as session:
            results.append([])
            for day in days:
                night(session, house.store, day)
                results[-1].append(everything(session))
    assert results[0] == results[1]
    assert len(results[0][-1]["computed.plan_outcomes"]) > 10 and {row["risk_band"] for row in results[0][-1]["computed.account_scores"]} > {"green"}


def test_the_published_copy_follows(house: House) -> None:
    publish(house.warehouse, house.settings.published_dir)
    before = house.settings.warehouse_path.stat().st_size
    house.run()
    with DuckDBWarehouse(house.settings.published_dir / "vim.duckdb").session(read_only=True) as session:
        assert session.scalar("select count(distinct as_of_date) from marts.fct_requirements where account_key = 'ACC-1'") == len({ASKED, *LAST, *NEW})
    assert house.settings.warehouse_path.stat().st_size <= before


def test_nothing_is_thinned_while_a_night_runs(house: House) -> None:
    with exclusive(house.store, "portfolio_audit") as taken:
        assert taken
        with pytest.raises(VimError) as caught:
            house.run()
    assert caught.value.code == "VIM-E025" and house.nights("marts.fct_requirements") == [*OLD, *NEW]


def test_a_run_that_died_half_way_is_completed_by_the_next(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    from vim_pipelines.privacy import retention

    real, told = retention._thin, []

    def dying(session: Session, table: str, *rest: Any, write: bool) -> Any:
        if write:
            told.append(table)
            if len(told) == 2:
                raise KeyboardInterrupt
        return real(session, table, *rest, write=write)

    monkeypatch.setattr(retention, "_thin", dying)
    with pytest.raises(KeyboardInterrupt):
        house.run()
    monkeypatch.undo()
    assert len(house.nights(told[1])) == 10
    assert [(run.is_complete, bool(run.removed)) for run in runs(house.store)] == [(False, True)]
    house.run(now=NOW + timedelta(hours=1))
    assert house.nights("computed.requirements") == [*LAST, *NEW] and house.run(now=NOW + timedelta(hours=2)).rows == 0
    assert [(run.is_complete, bool(run.removed)) for run in runs(house.store)] == [(True, False), (True, True), (False, True)]


# --- the operations store -------------------------------------------------------------------------------------------


@pytest.fixture
def office(history: Path, tmp_path: Path) -> Iterator[House]:
    """The same, without its warehouse."""
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(history / "operations.db", home)
    settings = Settings(home=home, portfolio=home / "portfolio.yaml")
    store = open_store(settings)
    yield House(settings, store)
    store.engine.dispose()


def call(name: str, status: str = "ok", *, key: str = "key", at: datetime = NOW, response: Any = None) -> LlmCall:
    return LlmCall(
        call_id=name, draft_key=f"{key}-{name}", attempt=1, account_key="ACC-1", document="d", provider="anthropic", model="m", prompt_sha256="0" * 64,
        status=status, cost_usd=1, response=response, as_of_date=ASKED, created_at=at,
    )  # fmt: skip


def test_old_answers_lose_their_text_and_keep_their_cost(office: House) -> None:
    texts = {"text": "what the model said"}
    with office.store.session() as session:
        session.add_all([call("old", response=texts), call("none", "error"), call("open", "started", response=texts), call("new", at=LATER, response=texts)])
    assert Ledger(office.store).finished("key-old").text == "what the model said"
    report = {table.table: table.rows for table in office.run(now=LATER).tables}
    assert report["store.llm_calls"] == 1
    with office.store.session() as session:
        kept = {row.call_id: (row.response, row.cost_usd, row.prompt_sha256) for row in session.scalars(select(LlmCall))}
    assert kept["old"] == (None, 1, "0" * 64) and kept["open"][0] == kept["new"][0] == texts
    assert Ledger(office.store).finished("key-old") is None, "an answer without its text is none: it is asked again"
    assert office.run(now=LATER).rows == 0


def test_drafts_that_nobody_was_asked_about_go_except_the_newest(office: House) -> None:
    for version in (1, 2, 3):
        make_draft(office.store, account="ACC-2", version=version, facts=f"facts-{version}")
    make_draft(office.store, account="ACC-1", version=2, facts="later")  # a successor of what was asked about
    assert {table.table: table.rows for table in office.run(now=NOW + timedelta(days=399)).tables}["store.drafts"] == 0
    office.run(now=LATER)
    with office.store.session() as session:
        kept = sorted(session.execute(select(Draft.account_key, Draft.version)).tuples())
    assert kept == [("ACC-1", 1), ("ACC-1", 2), ("ACC-2", 3)]
    assert verify_chain(office.store) == []


def test_messages_that_arrived_go_and_those_about_open_questions_stay(office: House) -> None:
    def message(name: str, state: str = "sent", *, alert: str | None = None, at: datetime = NOW) -> Delivery:
        return Delivery(
            delivery_id=name, delivery_key=name, alert_id=alert, channel="mail", recipient="dora", kind="alert", state=state, attempts=1, created_at=at,
            updated_at=at,
        )  # fmt: skip

    def alert(name: str, seen_at: datetime | None) -> Alert:
        return Alert(
            alert_id=name, account_key="ACC-1", account_name="A", kind=name, episode="1", as_of_date=ASKED, facts=[], text="t", text_sha256="0" * 64,
            created_at=NOW, acknowledged_at=seen_at,
        )  # fmt: skip

    with office.store.session() as session:
        session.add_all([alert("seen", NOW), alert("open", None)])
        session.add_all(
            [
                message("gone", alert="seen"),
                message("kept", alert="open"),
                message("unknown", "unknown"),
                message("settled", "settled"),
                message("new", at=LATER),
            ]
        )
        session.add_all([LoginAttempt(login="0", at=NOW, succeeded=False), LoginAttempt(login="1", at=LATER, succeeded=False)])
    office.run(now=LATER)
    with office.store.session() as session:
        assert set(session.scalars(select(Delivery.delivery_id))) == {"kept", "unknown", "new"}
        assert session.scalar(select(func.count()).select_from(LoginAttempt)) == 1


@pytest.mark.slow
def test_postgresql_forgets_the_same(postgres_address: str, tmp_path: Path) -> None:
    """Its JSON compares with nothing and tells a stored null from none; the rules must not care."""
    settings = settings_for(empty_postgres(postgres_address), tmp_path)
    store = open_store(settings)
    with store.session() as session:
        session.add_all([call("old", response={"text": "said"}), call("none", "error"), call("open", "started", response={"text": "said"})])
        session.add(LoginAttempt(login="0", at=NOW, succeeded=False))
    for version in (1, 2):
        make_draft(store, account="ACC-2", version=version, facts=f"facts-{version}")
    found = {table.table: table.rows for table in run_retention(settings, store, now=LATER, is_dry_run=False).tables}
    assert found == {"store.llm_calls": 1, "store.drafts": 1, "store.deliveries": 0, "store.login_attempts": 1}
    [record] = runs(store)
    assert {one["table"]: one["rows"] for one in record.removed} == {table: rows for table, rows in found.items() if rows} and record.is_complete
    assert run_retention(settings, store, now=LATER, is_dry_run=True).rows == 0 and verify_chain(store) == []
    store.engine.dispose()


# --- the command ----------------------------------------------------------------------------------------------------


def test_the_command_tells_before_it_deletes(house: House) -> None:
    called = ["--home", str(house.settings.home), "retention"]
    dry = CliRunner().invoke(main, [*called, "run", "--dry-run"])
    assert dry.exit_code == 0 and "5 nights, 2026-06-22 to 2026-07-01" in dry.output and "Nothing was changed" in dry.output
    refused = CliRunner().invoke(main, [*called, "run"])
    assert refused.exit_code == 2 and "VIM-E188" in refused.output and house.nights("computed.requirements") == [*OLD, *NEW]
    done = CliRunner().invoke(main, [*called, "run", "--yes", "--json"])
    tables = {table["table"]: table for table in json.loads(done.output)["tables"]}
    assert tables["computed.requirements"]["dates"] == [day.isoformat() for day in OLD if day not in LAST]
    shown = CliRunner().invoke(main, [*called, "show"]).output
    assert "raw versions are never thinned" in shown.lower()
    [record] = json.loads(CliRunner().invoke(main, [*called, "show", "--json"]).output)["runs"]
    taken = {one["table"]: one for one in record["removed"]}
    assert {table: one["rows"] for table, one in taken.items()} == {table: one["rows"] for table, one in tables.items() if one["rows"]}
    assert taken["computed.requirements"] | {"what": ""} == {
        "table": "computed.requirements", "what": "", "rows": tables["computed.requirements"]["rows"], "nights": 5, "from": "2026-06-22", "to": "2026-07-01",
    }  # fmt: skip
    assert (record["newest_night"], record["daily_from"], record["is_complete"]) == ("2026-09-24", "2026-08-20", True)
    assert record["days"]["daily marts"] == 35 and len(record["rules_sha256"]) == 64 and record["actor"] in shown
    assert f"{sum(one['rows'] for one in taken.values()):,} rows of {len(taken)} tables, up to the night of 2026-09-24" in shown


def test_before_the_first_run_there_is_none_on_record(tmp_path: Path) -> None:
    shown = CliRunner().invoke(main, ["--home", str(tmp_path / "home"), "retention", "show"])
    assert shown.exit_code == 0 and "It has never run here." in shown.output and not (tmp_path / "home").exists()


def test_without_a_warehouse_there_is_nothing_to_thin(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, portfolio=tmp_path / "portfolio.yaml")
    report = run_retention(settings, open_store(settings), now=NOW, is_dry_run=False)
    assert (report.nights, report.rows, report.daily_from) == (0, 0, None) and not settings.warehouse_path.exists()


def test_conditions_do_not_overlap_and_spare_who_is_named() -> None:
    from vim_pipelines.privacy.retention import _conditions

    named = Referred({OLD[0]: frozenset({"ACC-1"})}, measures=frozenset({"own"}))
    first, second = _conditions("marts.fct_requirements", OLD[:2], named, load_rules())
    assert (first.where, first.parameters) == ("as_of_date in (?)", (OLD[1],))
    assert (second.where, second.parameters) == ("as_of_date = ? and account_key not in (?)", (OLD[0], "ACC-1"))
    assert len(_conditions("computed.requirements", OLD[:2], named, load_rules())) == 1
    assert "own" in _conditions(FACTS, OLD[:1], named, load_rules())[0].parameters


@pytest.mark.slow
def test_snowflake_is_thinned_alike(tmp_path: Path) -> None:
    """The same statements on the emulator, one account with a request."""
    sys.path.insert(0, str(REPOSITORY / "tests" / "dbt"))
    from fakesnow_shims import emulator

    with emulator(tmp_path) as reach:
        settings = Settings(home=tmp_path, portfolio=tmp_path / "portfolio.yaml", **reach)
        store = open_store(settings)
        make_draft(store, as_of=ASKED)
        asked_at = datetime(2026, 6, 25, 6)
        request_approvals(store, load_policy(), ASKED, asked_at, approval_hours=72, draft_ids=["draft-ACC-1-license_optimization_plan-1"], signals={})
        found = House(settings, store)
        with found.warehouse.session() as session:
            for table, columns in ((FACTS, {"metric": "varchar"}), ("marts.fct_account_signals", {}), ("computed.requirements", {})):
                session.ensure_table(table, {"account_key": "varchar", "as_of_date": "date"} | columns)
        with found.warehouse.session() as session:
            for key in ("ACC-1", "ACC-2"):
                rows = pd.DataFrame({"account_key": key, "as_of_date": [*OLD, *NEW]})
                session.append("marts.fct_account_signals", rows)
                session.append("computed.requirements", rows)
                for metric in ("cv", "risk_score"):
                    session.append(FACTS, rows.assign(metric=metric))
        assert found.run(is_dry_run=True).rows == found.run().rows > 0
        assert found.run().rows == 0
        assert found.nights("computed.requirements") == [*LAST, *NEW]
        assert found.nights(FACTS, "account_key = 'ACC-1' and metric = 'cv'") == sorted({ASKED, *LAST, *NEW})
        assert found.nights(FACTS, "account_key = 'ACC-2' and metric = 'cv'") == [*LAST, *NEW]
        assert found.nights(FACTS, "metric = 'risk_score'") == [*OLD, *NEW]
