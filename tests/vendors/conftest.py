"""A small sandbox behind real HTTP on loopback, and clients whose waiting is recorded in place of done."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from vendor_sandbox import Control, Waits, control_of, make_sandbox

from vim_pipelines.sandbox.emulators.run import Running, start_emulators
from vim_pipelines.vendors.http import Limiter, RetryPolicy, TransportOptions
from vim_pipelines.vendors.salesforce import SalesforceClient
from vim_pipelines.vendors.zendesk import ZendeskClient


@pytest.fixture
def sandbox(tmp_path: Path) -> Path:
    """A sandbox of the test's own."""
    return make_sandbox(tmp_path / "sandbox")


@pytest.fixture(scope="module")
def shared_running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """For tests that only read: starting and stopping two servers is most of a small test's time."""
    with start_emulators(make_sandbox(tmp_path_factory.mktemp("shared") / "sandbox")) as started:
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
    with SalesforceClient(running.salesforce_url, running.salesforce_client_id, running.salesforce_client_secret, options=options) as client:
        yield client


@pytest.fixture
def zendesk(running: Running, options: TransportOptions) -> Iterator[ZendeskClient]:
    with ZendeskClient(running.zendesk_url, running.zendesk_client_id, running.zendesk_client_secret, options=options) as client:
        yield client


@pytest.fixture
def salesforce_control(running: Running) -> Control:
    return control_of(running.salesforce_url)


@pytest.fixture
def zendesk_control(running: Running) -> Control:
    return control_of(running.zendesk_url)
