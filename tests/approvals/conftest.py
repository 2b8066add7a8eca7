import sys
from decimal import Decimal
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "store"))
sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "reasoning"))

from stores import postgres_address, settings_for, store_url

from vim_pipelines.approvals.policy import load_policy
from vim_pipelines.store import open_store

__all__ = ["postgres_address", "store_url"]


@pytest.fixture
def store(store_url, tmp_path):
    store = open_store(settings_for(store_url, tmp_path))
    yield store
    store.engine.dispose()


@pytest.fixture
def policy():
    return load_policy()


@pytest.fixture
def signals():
    return {"ACC-1": {"arr_amount": Decimal("60000"), "currency": "USD", "risk_band": "green", "csm_email": "ada@vendor.example"}}
