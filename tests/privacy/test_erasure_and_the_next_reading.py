"""The sandbox's CRM after an erasure: it still has the person, is read from the start again, and the person stays out."""

from __future__ import annotations

from vim_pipelines.approvals.policy import Actor
from vim_pipelines.cli.shared import served_settings
from vim_pipelines.ingestion.ingest import ingest
from vim_pipelines.portfolio.file import last_data_day, load_portfolio
from vim_pipelines.privacy.erase import erase
from vim_pipelines.privacy.suppressed import read_suppression
from vim_pipelines.store import open_store
from vim_pipelines.warehouse import open_warehouse


def test_a_whole_reading_of_a_crm_that_nobody_cleaned_brings_nobody_back_and_adds_no_version(tmp_path):
    """The cursors are forgotten, as after a change of the mapping: every row of every source is read again."""
    with served_settings({"home": tmp_path / "home", "sandbox_accounts": 20, "sandbox_weeks": 40}) as settings:
        portfolio = load_portfolio(settings.portfolio, settings)
        day, store, warehouse = last_data_day(portfolio, settings), open_store(settings), open_warehouse(settings)
        ingest(settings, portfolio, day, settings.now())
        with warehouse.session(read_only=True) as session:
            unique = "select full_name from raw.contacts group by 1 having count(distinct contact_key) = 1"
            person = session.rows(f"select contact_key, full_name, email from raw.contacts where role = 'sponsor' and full_name in ({unique}) order by 1")[0]
        done = erase(settings, store, person["email"], by=Actor("ops", "operator", "cli"), note="request 18", now=settings.now())
        assert done.counts["raw.contacts"] == 1
        with warehouse.session() as session:
            session.execute("update raw.loads set cursor_value = null")
        report = ingest(settings, portfolio, day, settings.now(), suppression=read_suppression(store, settings))
        store.engine.dispose()
        contacts = next(load for load in report.entities if load.entity == "contact")
        assert contacts.rows_read > 20 and contacts.rows_suppressed == 1
        assert report.versions_added == 0, "a row erased in raw and the same row read again are equal"
        with warehouse.session(read_only=True) as session:
            for row in session.rows("select table_name from duckdb_tables() where database_name = current_database() and schema_name = 'raw'"):
                for text in person.values():
                    named = session.scalar(f"select count(*) from raw.{row['table_name']} as whole where contains(lower(whole::varchar), ?)", [text.lower()])
                    assert named == 0, f"{row['table_name']} names the person"
