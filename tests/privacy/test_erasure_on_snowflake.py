"""The tests of erasure on Snowflake's emulator: the same rules, the same questions, other SQL underneath.

Not run there: what is DuckDB's alone (its file is written anew, so that no page keeps a deleted row) and what asks the operations store only. What
Snowflake itself keeps of a deleted row, Time Travel and Fail-safe, no emulator has (docs/how-to/erasure.md).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

for _folder in (Path(__file__).resolve().parent, Path(__file__).resolve().parents[1] / "dbt"):
    sys.path.insert(0, str(_folder))

import test_erasure as on_duckdb  # noqa: E402
from fakesnow_shims import emulator  # noqa: E402
from test_erasure import (  # noqa: E402
    CALLED,
    House,
    furnished,
    naming,
    test_a_number_that_two_systems_gave_to_two_people_is_not_one_person,
    test_a_second_erasure_finds_nothing_and_says_so,
    test_looking_changes_nothing_and_counts_what_would_be,
    test_telemetry_of_an_erased_person_is_dropped,
    test_the_contact_ends_so_that_no_nameless_sponsor_stays,
    test_the_next_reading_leaves_the_person_out_and_adds_no_version_of_what_was_cleaned,
    what_stays_is_right,
)

from vim_pipelines.settings import Settings  # noqa: E402

__all__ = [
    "test_a_number_that_two_systems_gave_to_two_people_is_not_one_person",
    "test_a_second_erasure_finds_nothing_and_says_so",
    "test_looking_changes_nothing_and_counts_what_would_be",
    "test_telemetry_of_an_erased_person_is_dropped",
    "test_the_contact_ends_so_that_no_nameless_sponsor_stays",
    "test_the_next_reading_leaves_the_person_out_and_adds_no_version_of_what_was_cleaned",
]

pytestmark = pytest.mark.slow  # the same tests run on DuckDB with every commit


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with emulator(tmp_path / "emulator") as reach:
        yield from furnished(Settings(home=tmp_path / "home", portfolio=tmp_path / "portfolio.yaml", **reach))


def test_nothing_in_the_warehouse_names_the_person(house: Any) -> None:
    assert any("raw.contacts" in place for place in naming(house, CALLED)) and any("marts.fct_stakeholders" in place for place in naming(house, CALLED))
    done = house.erase()
    assert done.counts["raw.contacts"] == 1 and done.counts["store.drafts"] == 3 and done.left == ()
    assert naming(house, CALLED) == []
    what_stays_is_right(house)


@pytest.mark.parametrize("step", ["store", "warehouse"])
def test_a_run_that_dies_is_completed(house: Any, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    on_duckdb.test_a_run_that_dies_is_completed_by_the_same_command(house, monkeypatch, step)
