"""A real PostgreSQL for Dagster and for the store."""

import tempfile
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def postgres_address():
    """A PostgreSQL outside pytest's folders: pgserver runs as another user, and every pytest session that starts closes those folders to it."""
    pgserver = pytest.importorskip("pgserver", reason="pgserver (test extra) is not installed: no real PostgreSQL here")
    folder = Path(tempfile.mkdtemp(prefix="vim-deploy-postgres-"))
    folder.chmod(0o755)
    server = pgserver.get_server(folder, cleanup_mode="delete")
    try:
        yield server.get_uri(database="{database}").replace("%7Bdatabase%7D", "{database}")
    finally:
        server.cleanup()
