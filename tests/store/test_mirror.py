"""What analysts may see of the operations store, and what must not leave it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "approvals"))

from approval_drafts import AS_OF, NOW, ask_and_approve, make_draft
from stores import settings_for

from vim_pipelines.core.hashing import sha256_text
from vim_pipelines.store import open_store
from vim_pipelines.store.mirror import TABLES, mirror_store
from vim_pipelines.store.models import LlmCall, OutboxEntry
from vim_pipelines.warehouse.duckdb import DuckDBWarehouse

SECRET = "The customer's secret plan is to leave."


@pytest.fixture
def store(store_url, tmp_path):
    store = open_store(settings_for(store_url, tmp_path))
    yield store
    store.engine.dispose()


@pytest.fixture
def warehouse(tmp_path):
    return DuckDBWarehouse(tmp_path / "warehouse.duckdb")


def fill(store) -> str:
    request_id = ask_and_approve(store, text=SECRET)
    make_draft(store, account="ACC-2", text=SECRET, status="held")
    with store.session() as session:
        for attempt, cost in enumerate((None, "0.001250"), 1):
            session.add(
                LlmCall(
                    call_id=f"call-{attempt}",
                    draft_key="k",
                    attempt=attempt,
                    account_key="ACC-1",
                    document="license_optimization_plan",
                    provider="anthropic",
                    model="m",
                    prompt_sha256="p",
                    status="ok",
                    response={"text": SECRET},
                    cost_usd=cost,
                    as_of_date=AS_OF,
                    created_at=NOW,
                    error=None,
                )
            )
        session.add(
            OutboxEntry(
                entry_id="out-1",
                idempotency_key="i",
                request_id=request_id,
                account_key="ACC-1",
                kind="content",
                action="crm_note",
                target="salesforce",
                object_name="VIM_Draft__c",
                external_id="VIM-1",
                proposed={"Body__c": SECRET * 10, "Document__c": "plan"},
                before=None,
                after=None,
                approved_sha256="a",
                state="planned",
                attempts=0,
                created_at=NOW,
                updated_at=NOW,
            )
        )
    return request_id


def test_an_empty_store_gives_empty_tables_that_dbt_can_read(store, warehouse) -> None:
    with warehouse.session() as session:
        assert mirror_store(store, session) == {table.name: 0 for table in TABLES}
        for table in TABLES:
            assert session.scalar(f"select count(*) from ops.{table.name}") == 0


def test_the_mirror_equals_the_store_however_often_it_runs(store, warehouse) -> None:
    request_id = fill(store)
    for _ in range(2):
        with warehouse.session() as session:
            counts = mirror_store(store, session)
    assert counts == {"draft_versions": 2, "approval_requests": 1, "approval_events": 2, "outbox": 1, "alerts": 0, "llm_calls": 2}
    with warehouse.session(read_only=True) as session:
        (request,) = session.rows("select * from ops.approval_requests")
        assert (request["request_id"], request["state"], request["decided_at"], request["as_of_date"]) == (request_id, "approved", NOW, AS_OF)
        costs = session.rows("select cost_usd, price_date from ops.llm_calls order by attempt")
        assert [row["cost_usd"] if row["cost_usd"] is None else str(row["cost_usd"]) for row in costs] == [None, "0.001250"]
        assert session.scalar("select count(*) from ops.draft_versions where status = 'held' and gate_findings is null") == 1


def test_no_text_of_a_customer_reaches_the_warehouse(store, warehouse) -> None:
    """The marts on top are published to everyone with BI access, who are more than those who may read a draft."""
    fill(store)
    with warehouse.session() as session:
        mirror_store(store, session)
        everything = "\n".join(str(row) for table in TABLES for row in session.rows(f"select * from ops.{table.name}"))
    assert "secret plan" not in everything
    assert f"sha256:{sha256_text(SECRET * 10)}" in everything, "a long field of a write is shown by its hash"


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_column_of_the_store_is_mirrored_or_left_behind_on_purpose(table) -> None:
    """A column added to the store would otherwise be missing in BI, or worse, be published, without anybody having decided so."""
    mirrored = {column.name.removesuffix("_values").replace("occurred_at", "at") for column in table.columns}
    assert {column.name for column in table.model.__table__.columns} == (mirrored & set(table.model.__table__.columns.keys())) | set(table.left_behind)
    assert not mirrored & set(table.left_behind)
