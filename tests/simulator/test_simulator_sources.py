"""The source tables keep the promises of the canonical entities, and their versions tell one story in the order of time."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from vim_pipelines.portfolio.entities import ENTITIES, Entity
from vim_pipelines.sandbox.simulator import PRODUCT_FEATURES, Simulation, simulate

TABLES = [entity for entity in ENTITIES.values()]


@pytest.mark.parametrize("entity", TABLES, ids=lambda entity: entity.table)
def test_a_table_has_the_canonical_columns_and_vocabulary(entity: Entity, portfolio: Simulation):
    frame = portfolio.tables[entity.table]
    assert list(frame.columns) == [column.name for column in entity.columns] + ["modified_at"]
    assert len(frame) > 0
    for column in entity.columns:
        if column.required:
            assert frame[column.name].notna().all(), column.name
        if column.allowed:
            assert set(frame[column.name].dropna()) <= set(column.allowed), column.name
    assert frame.modified_at.notna().all()


@pytest.mark.parametrize("seed", [7, 8])
def test_versions_of_a_key_follow_each_other_in_time(seed: int, portfolio: Simulation):
    """Two versions of one moment cannot be ordered: one of them would be believed by chance."""
    tables = portfolio.tables if seed == 7 else simulate(seed=seed, accounts=60, weeks=52).tables
    for entity in TABLES:
        frame = tables[entity.table]
        steps = frame.groupby(entity.key, sort=False).modified_at.diff().dropna()
        assert (steps > pd.Timedelta(0)).all(), entity.table


def test_rows_change_over_time(portfolio: Simulation):
    for table in ("accounts", "contacts", "contract_lines", "opportunities", "meetings", "tasks", "tickets", "milestones", "license_assignments", "ebrs"):
        entity = next(entity for entity in TABLES if entity.table == table)
        assert portfolio.tables[table].groupby(entity.key).size().max() >= 2, table


def test_no_version_is_from_after_the_simulated_future(portfolio: Simulation):
    horizon = datetime(2026, 7, 13)
    future = datetime(2026, 6, 29, 6)
    for table in ("accounts", "meetings", "tasks", "tickets", "ticket_events", "fx_rates"):
        frame = portfolio.tables[table]
        assert frame.modified_at.max() < horizon
        assert (frame.modified_at >= future).sum() > 0 or table == "accounts", f"nothing happens to {table} in the coming days"


def test_every_row_belongs_to_an_account(portfolio: Simulation):
    accounts = set(portfolio.tables["accounts"].account_key)
    for entity in TABLES:
        if "account_key" in entity.column_by_name:
            assert set(portfolio.tables[entity.table].account_key) <= accounts, entity.table
    assert set(portfolio.tables["ticket_events"].ticket_key) <= set(portfolio.tables["tickets"].ticket_key)
    assert set(portfolio.tables["survey_responses"].contact_key) <= set(portfolio.tables["contacts"].contact_key)
    assert portfolio.tables["accounts"].account_name.nunique() == len(accounts)


def test_a_ticket_is_solved_after_it_was_opened(portfolio: Simulation):
    tickets = portfolio.tables["tickets"]
    solved = tickets[tickets.status.isin(["solved", "closed"])]
    assert (solved.solved_at > solved.opened_at).all()
    assert tickets[tickets.status.isin(["new", "open", "pending", "deleted"])].solved_at.isna().all()
    assert tickets.ticket_key.str.fullmatch(r"\d+").all()
    assert set(tickets.priority) == {"P1", "P2", "P3", "P4"}


def test_an_unsigned_offer_is_a_draft_until_it_is_signed(portfolio: Simulation):
    lines = portfolio.tables["contract_lines"]
    first = lines.groupby("contract_line_key").first()
    assert (first.status == "draft").all()
    newest = lines.groupby("contract_line_key").last()
    assert (newest.status == "active").mean() > 0.8
    assert (lines.net_unit_price_annual <= lines.list_unit_price_annual).all()
    assert lines["product"].isin(PRODUCT_FEATURES).all()


def test_some_lines_of_one_product_overlap_at_different_prices(portfolio: Simulation):
    lines = portfolio.tables["contract_lines"].groupby("contract_line_key").last().reset_index()
    pairs = lines.merge(lines, on=["account_key", "product"])
    overlap = pairs[(pairs.contract_line_key_x < pairs.contract_line_key_y) & (pairs.start_date_y < pairs.end_date_x) & (pairs.start_date_x < pairs.end_date_y)]
    assert overlap.account_key.nunique() >= 4
    assert (overlap.net_unit_price_annual_x != overlap.net_unit_price_annual_y).any()


def test_events_name_features_of_the_catalogue_and_users_of_one_account(portfolio: Simulation):
    events = portfolio.usage_events.to_pandas()
    known = {(product, feature.name, feature.event_name) for product, features in PRODUCT_FEATURES.items() for feature in features}
    assert set(events[["product", "feature", "event_name"]].drop_duplicates().itertuples(index=False, name=None)) == known
    assert events.dropna(subset="account_key").groupby("user_key").account_key.nunique().max() == 1
    for features in PRODUCT_FEATURES.values():
        assert 8 <= len(features) <= 12 and 3 <= sum(feature.is_value for feature in features) < len(features)


def test_everybody_who_works_has_a_licence(portfolio: Simulation):
    events = portfolio.usage_events.to_pandas().dropna(subset="account_key")
    licensed = set(portfolio.tables["license_assignments"][["user_key", "product"]].itertuples(index=False, name=None))
    assert set(events[["user_key", "product"]].drop_duplicates().itertuples(index=False, name=None)) <= licensed


def test_the_written_types_are_plain(sandbox: Path):
    schema = pq.read_schema(sandbox / "landing" / "usage_events" / "recorded_date=2026-06-28.parquet")
    assert {str(field.type) for field in schema} == {"string", "timestamp[us]"}
    lines = pq.read_schema(sandbox / "source" / "contract_lines.parquet")
    assert str(lines.field("net_unit_price_annual").type) == "decimal128(18, 4)"
    assert str(lines.field("start_date").type) == "date32[day]"
    assert str(lines.field("modified_at").type) == "timestamp[us]"


def test_the_dbt_seeds_mirror_the_catalogue():
    """A feature that the seed does not know looks like a feature that nobody uses."""
    seed = Path(__file__).resolve().parents[2] / "dbt_project" / "seeds" / "product_features.csv"
    rows = pd.read_csv(seed)
    mine = {(product, feature.name, feature.is_value) for product, features in PRODUCT_FEATURES.items() for feature in features}
    listed = {(row.product, row.feature, bool(row.is_value_feature)) for row in rows.itertuples()}
    assert mine <= listed
