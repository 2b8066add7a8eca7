"""A store restored from a backup that is older than its last writes: the record holds, and nothing is sent a second time."""

from __future__ import annotations

import sqlite3
import subprocess
from pathlib import Path

import psycopg
import pytest
from stores import empty_postgres, settings_for

from vim_pipelines.approvals.events import verify_chain
from vim_pipelines.approvals.queue import show_request
from vim_pipelines.store import open_store
from vim_pipelines.writeback.apply import write_back


def copied(url: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """A copy of the store as docs/how-to/backup.md makes it, put back in another place; returns its address."""
    if url.startswith("sqlite"):
        with sqlite3.connect(url.removeprefix("sqlite:///")) as source, sqlite3.connect(tmp_path / "restored.db") as target:
            source.backup(target)  # what `.backup` of the sqlite3 shell calls
        return f"sqlite:///{tmp_path / 'restored.db'}"
    import pgserver

    address = empty_postgres(request.getfixturevalue("postgres_address"))
    programs = Path(pgserver.__file__).parent / "pginstall" / "bin"
    dump = subprocess.run([programs / "pg_dump", "--format=custom", url], check=True, capture_output=True, timeout=120).stdout
    subprocess.run([programs / "pg_restore", "--no-owner", "--dbname", address], input=dump, check=True, capture_output=True, timeout=120)
    with psycopg.connect(address) as connection:
        assert connection.execute("select count(*) from approval_events").fetchone()[0] > 0
    return address


def test_a_restored_store_sends_nothing_twice(store, store_url, org, crm, settings, approved, account, client, now, tmp_path, request):
    """Backed up after the decision, written to the CRM, then restored: the store has forgotten the write, the CRM has not."""
    backup = copied(store_url, tmp_path, request)
    assert write_back(store, crm, approved, settings=settings, now=now, run_id="before").state == "verified"
    written = len(org.created())
    restored_settings = settings_for(backup, tmp_path / "restored", write_mode="live", **org.credentials)
    restored = open_store(restored_settings)
    try:
        assert verify_chain(restored) == []
        assert show_request(restored, approved).state == "approved", "the backup is older than the write"
        assert write_back(restored, crm, approved, settings=restored_settings, now=now, run_id="after").state == "verified"
        assert len(org.created()) == written, "what is in the CRM under our key is taken as done"
        assert len(org.notes(client, account)) == len(org.tasks(client, account)) == 1
        assert verify_chain(restored) == []
    finally:
        restored.engine.dispose()
