"""What write-back wrote does not come back as something that happened at the customer."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from vim_pipelines.core.crms import WRITABLE_CRMS
from vim_pipelines.ingestion.echo import ID_FIELDS, without_echo
from vim_pipelines.portfolio.file import load_portfolio
from vim_pipelines.settings import Settings
from vim_pipelines.writeback.targets import TARGETS

RECORDS = {
    "salesforce": ({"Id": "t1", "Status": "Open", "WhatId": "A"}, {"Id": "t1", "Status": "Not Started", "WhatId": "A"}, {"Id": "t1", "Status": "Completed", "WhatId": "A"}),
    "hubspot": (
        {"id": "t1", "hs_task_status": "NOT_STARTED", "crm_task_id": None},
        {"id": "t1", "hs_task_status": "COMPLETED", "crm_task_id": None},  # no key of the portfolio's: it would be set aside every night
        {"id": "t1", "hs_task_status": "COMPLETED", "crm_task_id": "K1"},
    ),
    "planhat": ({"_id": "t1", "externalId": "VIM-req-1"}, {"_id": "t1", "externalId": "VIM-req-1", "status": "To do"}, {"_id": "t1", "externalId": "VIM-req-1", "status": "Done"}),
}  # fmt: skip


def test_every_crm_that_is_written_to_is_known_here():
    assert set(ID_FIELDS) == set(TARGETS) == set(WRITABLE_CRMS) == set(RECORDS)


@pytest.mark.parametrize("crm", WRITABLE_CRMS)
def test_our_own_task_is_left_out_until_somebody_finished_it(crm, tmp_path):
    mapping = load_portfolio(None, Settings(home=tmp_path, sandbox_crm=crm)).entities["task"]
    records = RECORDS[crm]
    kept = list(without_echo("task", crm, mapping, records, frozenset({"t1"})))
    assert kept == [records[-1]]
    assert list(without_echo("task", crm, mapping, records, frozenset({"other"}))) == list(records)
    assert list(without_echo("meeting", crm, mapping, records, frozenset({"t1"}))) == list(records)


def test_a_night_after_a_write_back_reads_no_task_of_ours(read_sandbox):
    """The approved plan's task would else count as the team's care for the account, and change the facts of the next draft."""
    from vim_pipelines.ingestion.ingest import ingest
    from vim_pipelines.vendors.salesforce import client_from_settings

    def versions(hour: int, own: dict) -> int:
        portfolio = load_portfolio(None, read_sandbox.settings)
        report = ingest(read_sandbox.settings, portfolio, date(2026, 6, 29), datetime(2026, 6, 29, hour), own_tasks=own)
        return next(item.versions_added + item.rows_quarantined for item in report.entities if item.entity == "task")

    with client_from_settings(read_sandbox.settings) as client:
        ours = client.create("Task", {"WhatId": "ACC-HEADLINE", "Subject": "Success Plan", "Status": "Open", "Priority": "Normal"})
        own = {"salesforce": frozenset({ours})}
        assert versions(7, own) == 0
        client.update("Task", ours, {"Status": "Completed"})
        assert versions(8, own) == 1
