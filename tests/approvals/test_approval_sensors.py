"""What a sensor may do: read the operations store in a few queries, name at most 25 rows, and call nobody."""

from __future__ import annotations

import socket
from datetime import timedelta

import dagster as dg
import pytest
from approval_drafts import NOW, ask_and_approve, make_draft
from sqlalchemy import event, select
from stores import settings_for

from vim_pipelines.approvals.deciding import decide
from vim_pipelines.approvals.people import add_person
from vim_pipelines.approvals.policy import Actor, load_policy
from vim_pipelines.approvals.queue import list_requests, request_approvals
from vim_pipelines.approvals.sensors import ROWS_A_TICK, approval_sensors
from vim_pipelines.store import open_store
from vim_pipelines.store.models import Delivery, Draft

ROWS = 30
#: Queries of a tick at most, by sensor. Re-planning asks of each process that began whether it lives; that is a lock, no query.
QUERIES = {"approved_requests": 2, "requests_to_replan": 1, "edits_to_check": 1, "messages_to_send": 3}


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A store with thirty of everything."""
    home = tmp_path_factory.mktemp("sensors")
    mail = {"smtp_host": "127.0.0.1", "smtp_port": 1, "smtp_security": "none", "mail_from": "vim@vendor.example", "inbox_secret": "0123456789abcdef" * 4}
    settings = settings_for(f"sqlite:///{home / 'operations.db'}", home, write_mode="live", **mail)
    store, policy = open_store(settings), load_policy()
    add_person(store, policy, "dora", name="Dora", role="director", email="dora@vendor.example", by="test", now=NOW)
    for number in range(ROWS):
        ask_and_approve(store, f"A-{number}")
        make_draft(store, account=f"R-{number}")
        make_draft(store, account=f"P-{number}")
        edited = make_draft(store, account=f"E-{number}", status="checking")
        with store.session() as session:
            session.get(Draft, edited).edited_from = "draft-of-before"
    request_approvals(store, policy, NOW.date() - timedelta(days=1), NOW, approval_hours=10_000)
    for request in list_requests(store):
        if request.account_key.startswith("R-"):
            decide(store, request.request_id, "reject", person=Actor("dora", "director"), version=1, note="no", now=NOW, policy=policy)
    (home / "sandbox").mkdir()
    (home / "sandbox" / "clock.json").write_text(f'{{"now": "{NOW.isoformat()}"}}')
    return settings, store


def tick(house, name, monkeypatch):
    """(run requests, queries) of one evaluation, in which every attempt to reach somebody fails."""
    settings, store = house
    sensor = next(sensor for sensor in approval_sensors(settings) if sensor.name == name)
    statements = []

    def listen(_connection, _cursor, statement, *_rest):
        statements.append(statement)

    def refuse(*_arguments, **_options):
        raise AssertionError("a sensor reached out")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    event.listen(store.engine, "before_cursor_execute", listen)
    try:
        with dg.DagsterInstance.ephemeral() as instance:
            context = dg.build_sensor_context(instance=instance, resources={"store": store, "settings": settings})
            found = sensor.evaluate_tick(context)
    finally:
        event.remove(store.engine, "before_cursor_execute", listen)
    return found.run_requests, [text for text in statements if text.lstrip().upper().startswith("SELECT")]


@pytest.mark.parametrize("name", sorted(QUERIES))
def test_a_tick_reads_the_store_in_few_queries_names_at_most_25_rows_and_reaches_nobody(house, name, monkeypatch):
    requests, queries = tick(house, name, monkeypatch)
    expected = ROWS_A_TICK if name in ("approved_requests", "requests_to_replan") else 1
    assert len(requests) == expected
    assert len(queries) <= QUERIES[name], queries
    assert len({request.run_key for request in requests}) == expected


def test_every_sensor_of_approvals_is_held_to_it(house):
    assert {sensor.name for sensor in approval_sensors(house[0])} == set(QUERIES) | {"failed_runs"}


def test_a_failed_run_is_noted_and_nobody_is_reached(house, monkeypatch):
    """Only an error of ours is quoted: the text of another may hold a secret."""
    settings, store = house

    def op_that(error):
        @dg.op(name="step")
        def step():
            raise error

        @dg.job(name=f"job_{type(error).__name__.lower()}")
        def job():
            step()

        return job

    from vim_pipelines.core.errors import VimError

    sensor = next(sensor for sensor in approval_sensors(settings) if sensor.name == "failed_runs")
    with dg.DagsterInstance.ephemeral() as instance:
        for error in (VimError("VIM-E010", "Salesforce does not answer"), ValueError("password=hunter2")):
            result = op_that(error).execute_in_process(instance=instance, raise_on_error=False)
            failure = next(event for event in result.all_events if event.is_failure and event.event_type_value == "PIPELINE_FAILURE")
            context = dg.build_run_status_sensor_context(
                sensor_name="failed_runs", dagster_event=failure, dagster_instance=instance, dagster_run=result.dagster_run
            ).for_run_failure()
            sensor(context)
    with store.reading() as session:
        rows = session.scalars(select(Delivery).where(Delivery.kind == "failure").order_by(Delivery.created_at)).all()
    said = sorted((row.channel, row.state, row.reference["Job"], row.reference["text"]) for row in rows)
    assert [(channel, state) for channel, state, _, _ in said] == [("any", "planned")] * 2
    assert "hunter2" not in str(said) and any("VIM-E010 Salesforce does not answer" in text for *_, text in said)
