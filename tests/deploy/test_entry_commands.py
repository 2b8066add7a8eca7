"""The commands of the compose file, started as it starts them, against a real PostgreSQL: the night runs, and the inbox shows it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

pytest.importorskip("dagster_postgres", reason="the extra production is not installed")

REPOSITORY = Path(__file__).resolve().parents[2]
#: The console scripts of the image, as modules of the Python that runs the tests.
MODULES = {"dagster": "dagster", "dagster-webserver": "dagster_webserver", "dagster-daemon": "dagster._daemon", "vimotion": "vim_pipelines.cli"}
LAUNCH = """mutation($params: ExecutionParams!) { launchRun(executionParams: $params) { __typename
  ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } ... on RunConfigValidationInvalid { errors { message } } } }"""
STATUS = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def command_of(service: str, ports: dict[str, int]) -> list[str]:
    """The service's command from compose.yaml, on loopback and on ports of our own."""
    words = yaml.safe_load((REPOSITORY / "deploy" / "compose.yaml").read_text())["services"][service]["command"]
    words = [
        {"0.0.0.0": "127.0.0.1", "/opt/dagster/workspace.yaml": str(REPOSITORY / "deploy" / "dagster" / "workspace.yaml")}.get(word, word) for word in words
    ]
    if "--port" in words:
        words[words.index("--port") + 1] = str(ports[service])
    return [sys.executable, "-W", "ignore", "-m", MODULES[words[0]], *words[1:]]


def health_check_of_code(port: int) -> list[str]:
    """The check of the code location from compose.yaml, on `port`."""
    _cmd, _python, *words = yaml.safe_load((REPOSITORY / "deploy" / "compose.yaml").read_text())["services"]["code"]["healthcheck"]["test"]
    return [sys.executable, *(word.replace(":4000", f":{port}") for word in words)]


@contextmanager
def started(command: list[str], environment: dict[str, str], folder: Path, name: str) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            yield process
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(timeout=30)


def answered(url: str, *, within: float, body: dict[str, Any] | None = None) -> bytes:
    """What `url` answers, asked again until it does or the time is over."""
    deadline = time.monotonic() + within
    while True:
        try:
            request = urllib.request.Request(url, json.dumps(body).encode() if body else None, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.read()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def asked(port: int, query: str, **variables: Any) -> dict[str, Any]:
    found = json.loads(answered(f"http://127.0.0.1:{port}/graphql", within=60, body={"query": query, "variables": variables}))
    assert "errors" not in found, found["errors"]
    return found["data"]


def run_to_its_end(port: int, job: str, *, partition: str | None = None, within: float) -> str:
    """Launch `job` through GraphQL and return its last status."""
    tags = [{"key": "dagster/partition", "value": partition}] if partition else []
    selector = {"repositoryLocationName": "vim_pipelines", "repositoryName": "__repository__", "pipelineName": job}
    params = {"selector": selector, "mode": "default", "runConfigData": {}, "executionMetadata": {"tags": tags}}
    launched = asked(port, LAUNCH, params=params)["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    run_id = launched["run"]["runId"]
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        status = asked(port, STATUS, id=run_id)["runOrError"]["status"]
        if status in ("SUCCESS", "FAILURE", "CANCELED"):
            return str(status)
        time.sleep(2)
    return "still running"


@pytest.mark.parametrize(("status", "expected"), [("SERVING", True), ("NOT_SERVING", False), (None, False)])
def test_the_check_of_the_code_location_knows_a_server_that_serves(status, expected):
    """Against a server that answers as Dagster's does (dagster/_grpc/server.py), one that says no, and none at all."""
    from concurrent.futures import ThreadPoolExecutor

    import grpc
    from grpc_health.v1 import health, health_pb2, health_pb2_grpc

    server = grpc.server(ThreadPoolExecutor(max_workers=1))
    answers = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(answers, server)
    port = server.add_insecure_port("127.0.0.1:0")
    if status is not None:
        answers.set("DagsterApi", health_pb2.HealthCheckResponse.ServingStatus.Value(status))
        server.start()
    try:
        done = subprocess.run(health_check_of_code(port if status is not None else free_port()), capture_output=True, timeout=60)
    finally:
        server.stop(None)
    assert (done.returncode == 0) is expected, done.stderr.decode()


@pytest.mark.slow
def test_the_roles_of_the_compose_file_run_a_night_on_postgresql(postgres_address, tmp_path):
    """Webserver, daemon, code location and inbox are processes of their own that share a database and a folder, as in the containers."""
    for database in ("dagster", "operations"):
        with psycopg.connect(postgres_address.format(database="postgres"), autocommit=True) as connection:
            connection.execute(f"create database {database}")
    dagster_home = tmp_path / "dagster"
    dagster_home.mkdir()
    config = (REPOSITORY / "deploy" / "dagster" / "dagster.yaml").read_text().replace("/var/lib/vimotion", str(tmp_path / "state"))
    (dagster_home / "dagster.yaml").write_text(config)
    ports = {"code": free_port(), "webserver": free_port(), "inbox": free_port()}
    environment = os.environ | {
        "PYTHONPATH": str(REPOSITORY),
        "VIMOTION_HOME": str(tmp_path / "state"),
        "VIMOTION_STORE_URL": postgres_address.format(database="operations"),
        "VIMOTION_SANDBOX_ACCOUNTS": "30",
        "VIMOTION_SANDBOX_WEEKS": "45",
        "VIMOTION_AUDIT_CRON": "0 3 1 1 *",
        "DAGSTER_HOME": str(dagster_home),
        "DAGSTER_POSTGRES_URL": postgres_address.format(database="dagster"),
        "DAGSTER_CODE_HOST": "127.0.0.1",
        "DAGSTER_CODE_PORT": str(ports["code"]),
    }
    try:
        with ExitStack() as stack:
            stack.enter_context(started([sys.executable, "-m", "vim_pipelines.cli", "sandbox", "up"], environment, tmp_path, "sandbox"))
            deadline = time.monotonic() + 180
            while "export SALESFORCE_BASE_URL=" not in (shown := (tmp_path / "sandbox.log").read_text()):
                assert time.monotonic() < deadline, shown
                time.sleep(0.5)
            environment |= dict(re.findall(r"^export (\w+)=(.*)$", shown, re.MULTILINE))
            stack.enter_context(started(command_of("code", ports), environment, tmp_path, "code"))
            check = health_check_of_code(ports["code"])
            while subprocess.run(check, env=environment, capture_output=True, timeout=60).returncode:
                assert time.monotonic() < deadline + 120, (tmp_path / "code.log").read_text()
            stack.enter_context(started(command_of("webserver", ports), environment, tmp_path, "webserver"))
            stack.enter_context(started(command_of("daemon", ports), environment, tmp_path, "daemon"))
            answered(f"http://127.0.0.1:{ports['webserver']}/server_info", within=120)
            assert run_to_its_end(ports["webserver"], "portfolio_audit", partition="2026-06-28", within=600) == "SUCCESS"
            assert run_to_its_end(ports["webserver"], "approvals_sweep", within=180) == "SUCCESS"
            live = [sys.executable, "-m", "dagster._daemon", "liveness-check"]
            assert subprocess.run(live, env=environment, capture_output=True, timeout=60).returncode == 0
            stack.enter_context(started(command_of("inbox", ports), environment, tmp_path, "inbox"))
            assert answered(f"http://127.0.0.1:{ports['inbox']}/health", within=60).strip() == b"ok"
    finally:
        logs = {path.name: path.read_text(errors="replace")[-2000:] for path in sorted(tmp_path.glob("*.log"))}
        sys.stdout.write(json.dumps(logs, indent=1).replace("\\n", "\n"))
    with psycopg.connect(postgres_address.format(database="operations")) as connection:
        assert connection.execute("select count(*) from approval_requests").fetchone()[0] > 0
    with psycopg.connect(postgres_address.format(database="dagster")) as connection:
        ended = {name for (name,) in connection.execute("select pipeline_name from runs where status = 'SUCCESS'")}
    assert {"portfolio_audit", "approvals_sweep"} <= ended, "a sensor may have added the run that delivers messages"
    assert sorted(path.name for path in dagster_home.iterdir()) == ["dagster.yaml"], "the instance folder may be mounted read-only"
    assert (tmp_path / "state" / "published" / "vim.duckdb").is_file()
