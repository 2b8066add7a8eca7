import shutil

import pytest
from small_marts import BEFORE, NIGHT, fill, make_marts

from vim_pipelines.warehouse.duckdb import DuckDBWarehouse


@pytest.fixture(scope="session")
def made_marts(tmp_path_factory):
    """Files with marts, each made once: sixty tables take longer than most tests."""
    folder = tmp_path_factory.mktemp("marts")
    make_marts(folder / "empty.duckdb")
    for name, nights in (("week.duckdb", None), ("two_nights.duckdb", (BEFORE, NIGHT))):
        shutil.copy(folder / "empty.duckdb", folder / name)
        fill(DuckDBWarehouse(folder / name), **({"nights": nights} if nights else {}))
    return folder


@pytest.fixture
def marts_of(made_marts, tmp_path):
    """A copy of one of them that a test may change."""

    def copy(name):
        shutil.copy(made_marts / f"{name}.duckdb", tmp_path / f"{name}.duckdb")
        return DuckDBWarehouse(tmp_path / f"{name}.duckdb")

    return copy


@pytest.fixture
def marts(marts_of):
    return marts_of("week")
