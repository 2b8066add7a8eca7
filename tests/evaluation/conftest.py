"""Shared by the tests of the backtests."""

from __future__ import annotations

from pathlib import Path

import pytest
from activity_histories import write_history


@pytest.fixture(scope="session")
def fading_history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_history(tmp_path_factory.mktemp("history") / "some_product", accounts=30, seed=3, fading=True)
