"""What every test shares: no keys, no telemetry, and the place of the third-party data."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED_DATA = REPOSITORY.parent / "shared" / "data"

for name in list(os.environ):
    if name.startswith(("VIMOTION_", "ANTHROPIC_", "LANGSMITH_", "OPENAI_", "SALESFORCE_", "HUBSPOT_", "ZENDESK_", "SNOWFLAKE_", "SLACK_")):
        del os.environ[name]
os.environ.update(DBT_SEND_ANONYMOUS_USAGE_STATS="false", DAGSTER_DISABLE_TELEMETRY="1", DO_NOT_TRACK="1", LANGSMITH_TEST_TRACKING="false")


#: `make test` draws the same examples every time, so that it answers for the change under test and not for its luck; `make test-all` draws new ones.
settings.register_profile("repeatable", derandomize=True, database=None)
settings.register_profile("random", database=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the data sets that nobody here made; the test skips where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the third-party data folder (../shared/data beside the checkout) is not on this machine")
    return SHARED_DATA


#: Whole nights take minutes each. xdist hands files out in this order (`--no-loadscope-reorder`): begun last, they would leave one core idle.
HEAVY = ("tests/night/", "tests/house/test_wheel", "tests/dbt/", "tests/lifecycle_cases/", "tests/evaluation/", "tests/vendors/test_histories")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest first; within a file the order stays."""
    items.sort(key=lambda item: next((place for place, part in enumerate(HEAVY) if item.nodeid.startswith(part)), len(HEAVY)))
