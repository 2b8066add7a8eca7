import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "store"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "approvals"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "writeback"))

from stores import settings_for

from vim_pipelines.store import open_store


@pytest.fixture
def store(tmp_path):
    """An operations store of the test's own, SQLite."""
    store = open_store(settings_for(f"sqlite:///{tmp_path / 'operations.db'}", tmp_path))
    yield store
    store.engine.dispose()
