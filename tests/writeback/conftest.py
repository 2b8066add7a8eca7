import json
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

for _folder in ("store", "approvals"):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / _folder))

from approval_drafts import NOW, ask_and_approve  # noqa: E402
from stores import postgres_address, settings_for, store_url  # noqa: E402

from vim_pipelines.store import open_store  # noqa: E402
from vim_pipelines.vendors.http import RetryPolicy, TransportOptions  # noqa: E402
from vim_pipelines.vendors.salesforce import client_from_settings  # noqa: E402
from vim_pipelines.writeback.targets.salesforce import SalesforceTarget  # noqa: E402

__all__ = ["postgres_address", "store_url"]


class Org:
    """The Salesforce emulator in a process of its own, and what a test may ask of it."""

    def __init__(self, credentials: dict[str, str]) -> None:
        self.credentials = {name: value for name, value in credentials.items() if name.startswith("salesforce_")}
        self._control = httpx.Client(base_url=credentials["salesforce_base_url"], trust_env=False)

    def fault(self, **plan: object) -> None:
        """Plan one fault."""
        self._control.post("/_sandbox/faults", json=plan).raise_for_status()

    def clear_faults(self) -> None:
        self._control.delete("/_sandbox/faults").raise_for_status()

    def writes(self) -> list[dict]:
        """Every effective write through the API so far."""
        return self._control.get("/_sandbox/writes").json()

    def requests(self) -> list[dict]:
        """Every request so far."""
        return self._control.get("/_sandbox/requests").json()


@pytest.fixture(scope="session")
def org(tmp_path_factory):
    folder = tmp_path_factory.mktemp("org")
    port_file = folder / "ports.json"
    process = subprocess.Popen([sys.executable, "-m", "vim_pipelines.sandbox.emulators.run", "--directory", str(folder), "--port-file", str(port_file)])
    try:
        deadline = time.monotonic() + 60
        while not port_file.exists():
            assert process.poll() is None, "the emulator process ended"
            assert time.monotonic() < deadline, "the emulator process did not start"
            time.sleep(0.02)
        yield Org(json.loads(port_file.read_text()))
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def settings(org, store_url, tmp_path):
    """Settings of a sandbox that may write to the emulator."""
    return settings_for(store_url, tmp_path, write_mode="live", **org.credentials)


@pytest.fixture
def store(settings):
    store = open_store(settings)
    yield store
    store.engine.dispose()


@pytest.fixture
def client(org, settings):
    org.clear_faults()
    with client_from_settings(settings, options=TransportOptions(timeout_seconds=5, retry=RetryPolicy(attempts=2, base_seconds=0.01))) as client:
        yield client
    org.clear_faults()


@pytest.fixture
def crm(client):
    """The org as a place to write to."""
    return SalesforceTarget(client)


@pytest.fixture
def account(client):
    """A new account of the org."""
    return client.create("Account", {"Name": "Customer under test"})


@pytest.fixture
def approved(store, account):
    """An approved request with a note and a task."""
    return ask_and_approve(store, account)


@pytest.fixture
def now():
    return NOW
