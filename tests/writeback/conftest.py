import json
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

for _folder in ("store", "approvals", "writeback"):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / _folder))

from approval_drafts import NOW, ask_and_approve  # noqa: E402
from orgs import OPTIONS, ORGS  # noqa: E402
from stores import postgres_address, settings_for, store_url  # noqa: E402

from vim_pipelines.store import open_store  # noqa: E402

__all__ = ["postgres_address", "store_url"]


@contextmanager
def served(folder, *vendors):
    """The emulators of `vendors` in a process of their own; yields their addresses and credentials."""
    port_file = folder / "ports.json"
    chosen = [part for vendor in vendors for part in ("--vendor", vendor)]
    process = subprocess.Popen(
        [sys.executable, "-m", "vim_pipelines.sandbox.emulators.run", "--directory", str(folder), "--port-file", str(port_file), *chosen]
    )
    try:
        deadline = time.monotonic() + 60
        while not port_file.exists():
            assert process.poll() is None, "the emulator process ended"
            assert time.monotonic() < deadline, "the emulator process did not start"
            time.sleep(0.02)
        yield json.loads(port_file.read_text())
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module")
def own_crms(tmp_path_factory):
    """As `crms`, in a process of the module's own: for tests that change the CRMs themselves."""
    with served(tmp_path_factory.mktemp("own"), *ORGS) as credentials:
        yield {name: kind(credentials) for name, kind in ORGS.items()}


@pytest.fixture(scope="session")
def crms(tmp_path_factory):
    """Every CRM that can be written to, by name, each behind its emulator; all in one process."""
    with served(tmp_path_factory.mktemp("orgs"), *ORGS) as credentials:
        yield {name: kind(credentials) for name, kind in ORGS.items()}


@pytest.fixture(scope="session")
def org(crms):
    """The Salesforce org."""
    return crms["salesforce"]


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
def crm(org, settings):
    """The org as a place to write to."""
    org.clear_faults()
    with org.target(settings, OPTIONS) as target:
        yield target
    org.clear_faults()


@pytest.fixture
def client(crm):
    """The vendor's client behind it."""
    return crm.client


@pytest.fixture
def account(org, client):
    """A new account of the org."""
    return org.new_account(client)


@pytest.fixture
def approved(store, account):
    """An approved request with a note and a task."""
    return ask_and_approve(store, account)


@pytest.fixture
def now():
    return NOW
