"""The way from an open batch to approval requests, as Dagster runs it: sensor, job, questions from the published copy."""

import json
import subprocess
import sys
from datetime import date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner
from sqlalchemy import select

from vim_pipelines.approvals.context import SIGNAL_COLUMNS
from vim_pipelines.cli import main
from vim_pipelines.definitions import build_definitions
from vim_pipelines.night import run_collection
from vim_pipelines.reasoning.batches.waiting import wall_clock
from vim_pipelines.reasoning.sensors import run_key
from vim_pipelines.settings import load_settings
from vim_pipelines.store import open_store
from vim_pipelines.store.models import ApprovalRequest, Draft, LifecycleOverride, LlmBatch

AS_OF, NOW = date(2026, 6, 28), datetime(2026, 6, 29, 6)


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """Built once: dbt's manifest takes seconds. The job runs with the settings and the store of each test."""
    return build_definitions(load_settings(home=tmp_path_factory.mktemp("definitions") / "home")).get_repository_def()


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "unused")
    settings = load_settings(home=tmp_path / "home")
    settings.sandbox_dir.mkdir(parents=True)
    (settings.sandbox_dir / "clock.json").write_text(f'{{"now": "{NOW.isoformat()}"}}')
    return settings


@pytest.fixture
def store(settings):
    store = open_store(settings)
    yield store
    store.engine.dispose()


def add_batch(store, batch_id="b1", state="ended", at=None):
    at = at or wall_clock() - timedelta(minutes=10)
    with store.session() as session:
        row = {"batch_id": batch_id, "provider": "anthropic", "vendor_id": f"msgbatch_{batch_id}", "state": state, "as_of_date": AS_OF, "request_count": 2}
        session.add(LlmBatch(**row, requests_sha256="x", intended_at=at, submitted_at=at))


def add_draft(store, account, version=1, as_of=AS_OF, feedback=None):
    fact = {"handle": "F10", "metric": "seats_contracted", "status": "ok", "shown": "10 seats"}
    with store.session() as session:
        session.add(
            Draft(
                draft_id=f"d-{account}-{version}", account_key=account, account_name=account, document="risk_mitigation_plan", audience="internal",
                as_of_date=as_of, version=version, draft_key=f"k-{account}-{version}", facts=[fact], facts_sha256="f", evidence=[],
                structured={"sections": [], "rendered_steps": []}, rendered_text="text", rendered_sha256="r", status="written", gate_findings=[],
                written_by="claude", model="claude-haiku-5-5", prompt_sha256="p", feedback=feedback, created_at=NOW,
            )
        )  # fmt: skip


def publish(settings, as_of):
    import duckdb

    settings.published_dir.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(settings.published_dir / "vim.duckdb")) as connection:
        connection.execute("create schema if not exists marts")
        columns = "account_key varchar, as_of_date date, arr_amount decimal(18,2), currency varchar, risk_band varchar, csm_email varchar"
        rest = ", ".join(f"{name} varchar" for name in SIGNAL_COLUMNS if f"{name} " not in columns)
        connection.execute(f"create or replace table marts.fct_account_signals ({columns}, {rest})")
        connection.execute("create or replace table marts.fct_account_state (account_key varchar, as_of_date date, disputed_facts varchar)")
        for account in ("A", "B", "C"):
            named = "account_key, as_of_date, arr_amount, currency, risk_band, csm_email"
            connection.execute(f"insert into marts.fct_account_signals ({named}) values (?, ?, 60000, 'USD', 'red', 'ada@example.com')", [account, as_of])


def requests(store):
    with store.session() as session:
        return {row.account_key: row for row in session.scalars(select(ApprovalRequest))}


def test_the_questions_wait_until_the_audit_of_the_batchs_date_is_published(settings, store):
    """What is at stake decides who must approve: unknown is not 'nothing'."""
    add_batch(store)
    add_draft(store, "A")
    assert "asked for when" in run_collection(settings, store).problems[0] and requests(store) == {}
    publish(settings, AS_OF - timedelta(days=1))
    assert run_collection(settings, store).collected == 0 and requests(store) == {}
    publish(settings, AS_OF)
    report = run_collection(settings, store)
    assert (report.collected, report.requested) == (1, 1)
    assert requests(store)["A"].arr_amount == 60000 and requests(store)["A"].risk_band == "red"
    assert run_collection(settings, store).looked_at == 0


def test_the_command_tells_a_script_what_the_round_did(settings, store, monkeypatch):
    monkeypatch.setattr("vim_pipelines.sandbox.night.is_served", lambda settings: True)
    add_batch(store)
    publish(settings, AS_OF)
    add_draft(store, "A")
    done = CliRunner().invoke(main, ["--home", str(settings.home), "batches", "collect", "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["batches_collected"], told["requests_made"], told["drafts_waiting"]) == (1, 1, 0) and set(requests(store)) == {"A"}


def test_only_what_nobody_was_asked_about_and_nothing_newer_replaced_is_asked(settings, store):
    add_batch(store)
    publish(settings, AS_OF + timedelta(days=1))
    add_draft(store, "A")
    add_draft(store, "A", version=2, as_of=AS_OF + timedelta(days=1))  # the next night's
    add_draft(store, "B")
    add_draft(store, "B", version=2, feedback="shorter")  # a re-plan asks for itself
    add_draft(store, "C")
    report = run_collection(settings, store)
    assert report.requested == 1 and set(requests(store)) == {"C"}


def test_a_fact_disputed_since_the_audit_keeps_a_late_draft_back(settings, store):
    add_batch(store)
    publish(settings, AS_OF)
    add_draft(store, "A")
    with store.session() as session:
        word = {"override_id": "w1", "account_key": "A", "kind": "dispute", "fact": "seats_contracted", "note": "wrong", "actor": "ada", "role": "csm"}
        session.add(LifecycleOverride(**word, created_at=NOW - timedelta(hours=1), seen_on=AS_OF))
    assert run_collection(settings, store).requested == 0 and requests(store) == {}


def test_the_sensor_starts_one_run_for_all_open_batches_and_a_new_one_after_each_poll(repository, store):
    sensor = repository.get_sensor_def("open_batches")
    assert sensor.minimum_interval_seconds >= 300 and sensor.default_status is dg.DefaultSensorStatus.RUNNING

    def tick():
        with dg.DagsterInstance.ephemeral() as instance:
            return sensor.evaluate_tick(dg.build_sensor_context(instance=instance, resources={"store": store}, repository_def=repository)).run_requests

    assert tick() == []
    add_batch(store, "b1", "submitted")
    add_batch(store, "b2", "intended")
    add_batch(store, "b3", "collected")
    [first], [second] = tick(), tick()
    assert sensor.job_name == "collect_batches" and first.run_key == second.run_key and first.tags["vim/open_batches"] == "2"
    with store.session() as session:
        session.get(LlmBatch, "b1").polled_at = wall_clock()
    [after] = tick()
    assert after.run_key != first.run_key


def test_a_run_that_never_reached_the_store_is_started_again_an_hour_later():
    """Dagster drops a run key that it has seen, for ever."""
    seen = datetime(2026, 6, 29, 6)
    keys = [run_key(seen, seen + timedelta(minutes=minutes)) for minutes in (1, 30, 59, 61, 119, 121)]
    assert len(set(keys[:3])) == 1 and len(set(keys)) == 3


def test_a_tick_is_one_query_and_loads_no_sdk(settings, store):
    from sqlalchemy import event

    add_batch(store, "b1", "submitted")
    statements = []
    event.listen(store.engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
    from vim_pipelines.reasoning.batches.waiting import open_batches

    assert len(open_batches(store, limit=25)) == 1 and len([text for text in statements if text.startswith("SELECT")]) == 1
    code = "import sys, vim_pipelines.reasoning.sensors, vim_pipelines.reasoning.batches.waiting; print({'anthropic', 'duckdb', 'pandas'} & set(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).resolve().parents[2])
    assert loaded.stdout.strip() == "set()"


def test_the_job_runs_in_dagster_and_says_what_it_did(settings, store):
    from vim_pipelines.jobs import collect_batches

    add_batch(store)
    publish(settings, AS_OF)
    add_draft(store, "A")
    with dg.DagsterInstance.ephemeral() as instance:
        result = collect_batches.execute_in_process(instance=instance, resources={"settings": settings, "store": store})
    [entry] = [event for event in result.all_events if event.event_type_value == "STEP_OUTPUT"]
    assert result.success and len(requests(store)) == 1 and entry.event_specific_data.metadata["requests_made"].value == 1
