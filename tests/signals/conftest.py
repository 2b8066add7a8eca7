"""A planted portfolio in a warehouse, built once for the tests that need the whole way from raw rows to risks."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from planted_portfolio import AS_OF, Planted

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # benchmarks/ stands beside the package and is not installed


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planted]:
    """60 accounts: the headline, one pair of each truth and more, each kind of dirt."""
    from benchmarks.planted import build_base
    from vim_pipelines.sandbox.simulator import simulate
    from vim_pipelines.settings import Settings

    home = tmp_path_factory.mktemp("planted")
    simulation = simulate(seed=7, accounts=60)
    truth = home / "ground_truth.parquet"
    simulation.ground_truth.to_parquet(truth)
    settings = Settings(home=home)
    yield Planted(settings, build_base(settings, simulation, AS_OF), truth)
