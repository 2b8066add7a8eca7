"""Data that nobody here made, through the shipped portfolio files. What SOURCE.md of each set measured must come out again."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import pytest

from vim_pipelines.ingestion.ingest import ingest
from vim_pipelines.portfolio.file import last_data_day, load_portfolio
from vim_pipelines.settings import load_settings, resource_path
from vim_pipelines.warehouse import open_warehouse

READ_AT = datetime(2026, 11, 22, 12)


def run(name: str, folder: Path, home: Path):
    if not folder.is_dir():
        pytest.skip(f"the data set {folder.name} is not on this machine")
    settings = load_settings(home=home)
    portfolio = load_portfolio(resource_path("portfolios") / f"{name}.yaml", settings, data_dir=folder)
    as_of = last_data_day(portfolio, settings)
    report = ingest(settings, portfolio, as_of, READ_AT)
    again = ingest(settings, portfolio, as_of, READ_AT)
    assert again.versions_added == 0
    return as_of, report, open_warehouse(settings)


def test_real_usage_keeps_what_nobody_can_attribute(shared_data: Path, tmp_path: Path):
    as_of, report, warehouse = run("oss_activity", shared_data / "oss_company_activity_nova", tmp_path)
    assert as_of == date(2026, 8, 18)
    usage = next(item for item in report.entities if item.entity == "usage_event")
    assert usage.rows_read == 152_626 and usage.rows_quarantined == report.reasons["future_timestamp"] < 100
    assert usage.versions_added + usage.rows_repeated + usage.rows_quarantined == usage.rows_read, "every row is somewhere"
    # 41 % of the rows have no account; a row is a file touched, and of the changes that those rows tell of it is 37 %.
    assert usage.versions_added == pytest.approx(64_667, abs=usage.rows_quarantined)
    assert report.join_rate == pytest.approx(1 - 0.367, abs=0.002)
    with warehouse.session(read_only=True) as session:
        assert session.scalar("select count(distinct account_key) from raw.usage_events") == 96
        assert session.scalar("select count(*) from raw.usage_events where recorded_at > occurred_at + interval '135 days'") > 3_000
        assert session.scalar("select count(*) from raw.contract_lines") == 0
        assert session.rows("select is_fed from raw.entity_coverage where entity = 'contract_line'") == [{"is_fed": False}]


def test_synthetic_tables_keep_their_contradictions(shared_data: Path, tmp_path: Path):
    as_of, report, warehouse = run("ravenstack", shared_data / "ravenstack", tmp_path)
    assert as_of == date(2024, 12, 31)
    added = {item.entity: item.versions_added for item in report.entities}
    assert added == {"account": 500, "contract_line": 5_000, "ticket": 2_000, "document": 600, "usage_event": 25_000}
    flagged, still_open = report.contradictions
    assert (flagged.both, flagged.only_left, flagged.only_right) == (75, 35, 277)
    assert still_open.only_right == 110
    with warehouse.session(read_only=True) as session:
        assert session.scalar("select count(distinct event_id) from raw.usage_events") == 25_000, "21 usage_ids are used twice for different events"
        assert session.scalar("select count(*) from raw.usage_events where account_key is null or user_key is not null") == 0
        assert session.scalar("select count(*) from raw.contract_lines where net_unit_price_annual * seats is null") == session.scalar(
            "select count(*) from raw.contract_lines where seats = 0"
        )
        assert session.rows("select priority, count(*) as n from raw.tickets group by all order by priority")[0]["priority"] == "P1"
        assert session.scalar("select count(*) from raw.tickets where is_escalated") > 0
