"""Three layers of Dagster could send a write again: an op's retry policy, run retries, the sensor. Tried with a real instance.

A permanent failure must meet none of them; a transient one only the sensor, with the attempt counted up.
"""

from __future__ import annotations

import dagster as dg
import pytest
from approval_drafts import NOW, ask_and_approve

from vim_pipelines.approvals.queue import show_request
from vim_pipelines.approvals.sensors import approval_sensors
from vim_pipelines.jobs import JOBS, NEVER_AGAIN, write_back, write_back_request
from vim_pipelines.store.switches import WRITE_BACK, turn

RETRIES = {"run_retries": {"enabled": True, "max_retries": 3}, "telemetry": {"enabled": False}}
NOBODY = "001VM000000NOBODY"


@pytest.fixture
def store_url(tmp_path):
    return f"sqlite:///{tmp_path / 'operations.db'}"


@pytest.fixture
def instance(tmp_path):
    """An instance of a user who switched run retries on."""
    folder = tmp_path / "dagster"
    folder.mkdir()
    with dg.instance_for_test(temp_dir=str(folder), overrides=RETRIES) as instance:
        yield instance


@dg.job(executor_def=dg.in_process_executor, tags=NEVER_AGAIN)
def with_a_retry_policy():
    write_back_request.with_retry_policy(dg.RetryPolicy(max_retries=3))()


def run(job, request_id, instance, settings, store):
    config = {"ops": {"write_back_request": {"config": {"request_id": request_id}}}}
    return job.execute_in_process(instance=instance, run_config=config, resources={"settings": settings, "store": store}, raise_on_error=False)


def run_keys(instance, settings, store):
    resources = {"store": store, "settings": settings}
    approved_requests = next(sensor for sensor in approval_sensors(settings) if sensor.name == "approved_requests")
    repository = dg.Definitions(jobs=[write_back], sensors=[approved_requests], resources=resources).get_repository_def()
    tick = approved_requests.evaluate_tick(dg.build_sensor_context(instance=instance, resources=resources, repository_def=repository))
    return [request.run_key for request in tick.run_requests or []]


def is_retried_as_a_run(instance, result) -> bool:
    from dagster._core.execution.retries import auto_reexecution_should_retry_run

    record = instance.get_run_by_id(result.run_id)
    assert record is not None and record.is_failure
    return auto_reexecution_should_retry_run(instance, record, None)


def test_a_permanent_failure_is_repeated_by_no_layer(store, crm, settings, org, instance) -> None:
    request_id = ask_and_approve(store, NOBODY)
    result = run(with_a_retry_policy, request_id, instance, settings, store)
    assert not result.success
    assert [event for event in result.all_events if event.is_step_up_for_retry] == [], "the op's retry policy took it up"
    assert not is_retried_as_a_run(instance, result)
    assert (show_request(store, request_id).state, show_request(store, request_id).attempt) == ("failed", 1)
    assert run_keys(instance, settings, store) == []
    failure = next(event for event in result.all_events if event.is_step_failure).step_failure_data
    assert "VIM-E013" in failure.user_failure_data.description


def test_a_transient_failure_is_taken_up_by_the_sensor_alone(store, crm, settings, approved, org, instance) -> None:
    assert run_keys(instance, settings, store) == [f"{approved}:approved:0"]
    org.fault(path="/query", status=429, retry_after="9999", times=1)
    result = run(with_a_retry_policy, approved, instance, settings, store)
    assert not result.success
    assert [event for event in result.all_events if event.is_step_up_for_retry] == []
    assert not is_retried_as_a_run(instance, result)
    assert run_keys(instance, settings, store) == [f"{approved}:approved:1"]
    assert run(write_back, approved, instance, settings, store).success
    assert show_request(store, approved).state == "verified"
    assert run_keys(instance, settings, store) == []


def test_while_writing_is_off_no_run_is_started_in_vain(store, settings, approved, instance) -> None:
    """Such a run would use up the key of the attempt, and Dagster would never start the request again."""
    assert run_keys(instance, settings.model_copy(update={"write_mode": "off"}), store) == []
    turn(store, WRITE_BACK, on=False, actor="dora", role="director", note="wrong texts", now=NOW)
    assert run_keys(instance, settings, store) == []
    turn(store, WRITE_BACK, on=True, actor="dora", role="director", note="put right", now=NOW)
    assert run_keys(instance, settings, store) == [f"{approved}:approved:0"]


def test_every_job_that_writes_carries_the_tag() -> None:
    """On an op the tag has no effect: the daemon looks at the run's."""
    assert {job.name for job in JOBS if getattr(job, "tags", {}).get("dagster/max_retries") == "0"} >= {"write_back", "reconcile", "mirror_fields", "replan"}
