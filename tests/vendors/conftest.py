"""A small sandbox behind real HTTP on loopback, and clients whose waiting is recorded in place of done."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from vendor_sandbox import Control, Waits, control_of, make_sandbox

from vim_pipelines.sandbox.emulators.run import Running, start_emulators
from vim_pipelines.sandbox.salesforce_seed import seed_salesforce
from vim_pipelines.sandbox.zendesk_seed import seed_zendesk
from vim_pipelines.vendors.http import Limiter, RetryPolicy, TransportOptions
from vim_pipelines.vendors.salesforce import SalesforceClient
from vim_pipelines.vendors.zendesk import ZendeskClient


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sandbox of `make_sandbox` with both vendors seeded; tests work on copies."""
    directory = make_sandbox(tmp_path_factory.mktemp("template") / "sandbox")
    seed_salesforce(directory / "source", directory / "salesforce.db")
    seed_zendesk(directory / "source", directory / "zendesk.db")
    return directory


@pytest.fixture
def sandbox(tmp_path: Path, template: Path) -> Path:
    """A sandbox of the test's own."""
    return Path(shutil.copytree(template, tmp_path / "sandbox"))


@pytest.fixture(scope="module")
def shared_running(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Iterator[Running]:
    """For tests that only read: starting and stopping two servers is most of a small test's time."""
    with start_emulators(Path(shutil.copytree(template, tmp_path_factory.mktemp("shared") / "sandbox"))) as started:
        yield started


@pytest.fixture
def running(sandbox: Path) -> Iterator[Running]:
    with start_emulators(sandbox) as started:
        yield started


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
def options(waits: Waits) -> TransportOptions:
    return TransportOptions(
        timeout_seconds=5,
        connect_timeout_seconds=2,
        retry=RetryPolicy(attempts=4, base_seconds=0.5),
        limiter=Limiter(1000, 1000),
        sleep=waits.sleep,
        rng=random.Random(7),
    )


@pytest.fixture
def salesforce(running: Running, options: TransportOptions) -> Iterator[SalesforceClient]:
    with SalesforceClient(
        running.url("salesforce"), running.credentials["salesforce_client_id"], running.credentials["salesforce_client_secret"], options=options
    ) as client:
        yield client


@pytest.fixture
def zendesk(running: Running, options: TransportOptions) -> Iterator[ZendeskClient]:
    with ZendeskClient(
        running.url("zendesk"), running.credentials["zendesk_client_id"], running.credentials["zendesk_client_secret"], options=options
    ) as client:
        yield client


@pytest.fixture
def salesforce_control(running: Running) -> Control:
    return control_of(running.url("salesforce"))


@pytest.fixture
def zendesk_control(running: Running) -> Control:
    return control_of(running.url("zendesk"))
