"""The composition as Dagster sees it: what loads, what runs when, and what a sensor asks for."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from vim_pipelines.approvals.sensors import approval_sensors
from vim_pipelines.definitions import build_definitions
from vim_pipelines.reasoning.sensors import batch_sensors
from vim_pipelines.settings import load_settings
from vim_pipelines.store import open_store
from vim_pipelines.store.models import ApprovalRequest, Draft

NOW = datetime(2026, 6, 29, 6)


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return load_settings(home=tmp_path_factory.mktemp("definitions") / "home", audit_cron="15 3 * * *", timezone="Europe/Berlin")


@pytest.fixture(scope="module")
def repository(settings):
    return build_definitions(settings).get_repository_def()


def test_the_night_is_one_job_from_raw_to_published(repository):
    job = repository.get_job("portfolio_audit")
    keys = {key.to_user_string() for key in job.asset_layer.executable_asset_keys}
    assert {
        "raw/accounts",
        "raw/usage_events",
        "base/int_accounts",
        "computed/risks",
        "computed/account_state",
        "marts/fct_license_waste",
        "ops/drafts",
        "ops/approval_requests",
        "marts/fct_approvals",
        "published",
    } <= keys
    assert {"portfolio_audit", "write_back", "replan", "approvals_sweep", "reconcile", "langsmith_export"} <= {job.name for job in repository.get_all_jobs()}


def test_paid_and_asking_steps_stand_behind_the_blocking_checks(repository):
    """A failed gate on raw must stop dbt, and with it drafts and requests, in the same run."""
    graph = repository.asset_graph
    for table in ("accounts", "contract_lines", "usage_events"):
        check = graph.get(dg.AssetCheckKey(dg.AssetKey(["raw", table]), "gates"))
        assert check.blocking
    upstream = set(graph.get(dg.AssetKey(["ops", "drafts"])).parent_keys)
    assert dg.AssetKey(["marts", "fct_account_facts"]) in upstream


def test_the_schedule_audits_the_day_that_has_just_ended_in_its_own_time_zone(repository):
    schedule = repository.get_schedule_def("nightly_audit")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("15 3 * * *", "Europe/Berlin")
    instant = datetime.fromisoformat("2026-06-29T01:15:00+00:00")
    with dg.DagsterInstance.ephemeral() as instance:
        [request] = schedule.evaluate_tick(
            dg.build_schedule_context(instance=instance, scheduled_execution_time=instant, repository_def=repository)
        ).run_requests
    assert request.partition_key == "2026-06-28"


def test_a_backfill_runs_one_date_after_the_other(repository):
    policies = {node.backfill_policy for node in repository.asset_graph.asset_nodes if node.is_materializable}
    assert policies == {dg.BackfillPolicy.multi_run(max_partitions_per_run=1)}


def add_request(store, request_id: str, state: str) -> None:
    common = {"account_key": "A", "account_name": "A", "document": request_id, "version": 1, "as_of_date": NOW.date()}
    with store.session() as session:
        session.add(
            Draft(
                draft_id=f"d-{request_id}",
                audience="internal",
                draft_key="k",
                facts=[],
                facts_sha256="",
                evidence=[],
                structured={},
                rendered_text="t",
                rendered_sha256="",
                status="written",
                gate_findings=[],
                written_by="offline",
                prompt_sha256="",
                created_at=NOW,
                **common,
            )  # fmt: skip
        )
        session.flush()
        session.add(
            ApprovalRequest(
                request_id=request_id,
                draft_id=f"d-{request_id}",
                state=state,
                payload={},
                payload_sha256="x",
                policy_version="p",
                approver_role="csm",
                replan_round=0,
                attempt=2,
                created_at=NOW,
                expires_at=NOW + timedelta(hours=72),
                updated_at=NOW,
                decided_at=NOW,
                **common,
            )  # fmt: skip
        )


def test_sensors_start_a_run_for_each_decision_and_name_the_attempt(settings, repository):
    """Dagster remembers a run key for ever: without the attempt in it, a relaunch is dropped in silence."""
    store = open_store(settings)
    for request_id, state in (("approved-1", "approved"), ("rejected-1", "rejected"), ("pending-1", "pending")):
        add_request(store, request_id, state)
    asked = {}
    for name in ("approved_requests", "requests_to_replan"):
        with dg.DagsterInstance.ephemeral() as instance:
            tick = repository.get_sensor_def(name).evaluate_tick(
                dg.build_sensor_context(
                    instance=instance, resources={"store": store, "settings": settings.model_copy(update={"write_mode": "live"})}, repository_def=repository
                )
            )
        asked[name] = {request.run_key: (request.job_name, request.run_config["ops"]) for request in tick.run_requests}
    assert list(asked["approved_requests"]) == ["approved-1:approved:2"]
    assert asked["approved_requests"]["approved-1:approved:2"][1] == {"write_back_request": {"config": {"request_id": "approved-1"}}}
    assert list(asked["requests_to_replan"]) == ["rejected-1:rejected:2"]


def test_sensors_are_stopped_until_somebody_turns_them_on_except_in_the_sandbox(settings):
    """A first `dagster dev` against a real CRM must not carry out what was approved last year."""
    for portfolio, status in ((None, dg.DefaultSensorStatus.RUNNING), (Path("portfolio.yaml"), dg.DefaultSensorStatus.STOPPED)):
        of_here = settings.model_copy(update={"portfolio": portfolio})
        found = {sensor.name: sensor.default_status for sensor in (*approval_sensors(of_here), *batch_sensors(of_here))}
        names = ("approved_requests", "requests_to_replan", "edits_to_check", "messages_to_send", "failed_runs", "open_batches")
        assert found == dict.fromkeys(names, status)


def test_the_workspace_file_names_the_definitions():
    text = (Path(__file__).resolve().parents[2] / "workspace.yaml").read_text()
    assert "vim_pipelines.definitions" in text and "location_name: vim_pipelines" in text


def test_the_night_gives_way_and_never_pushes_forward(tmp_path):
    """In a process of its own: what gave way cannot go back."""
    script = (
        "import os, sys; from pathlib import Path; from vim_pipelines.definitions import _give_way; from vim_pipelines.settings import Settings;"
        "os.nice(int(sys.argv[1])); _give_way(Settings(home=Path(sys.argv[2]), night_niceness=10)); print(os.getpriority(os.PRIO_PROCESS, 0))"
    )
    before = os.getpriority(os.PRIO_PROCESS, 0)
    shown = [
        int(subprocess.run([sys.executable, "-c", script, str(more), str(tmp_path)], capture_output=True, text=True, check=True).stdout) for more in (0, 15)
    ]
    assert shown == [max(before, 10), min(before + 15, 19)]
