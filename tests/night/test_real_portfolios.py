"""The same job on data that nobody here made. Its defects are reported, not repaired and not dropped."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pytest

PORTFOLIOS = Path(__file__).resolve().parents[2] / "portfolios"


@pytest.fixture(scope="module")
def audited(shared_data, tmp_path_factory, make_home):
    def run(name: str, folder: str):
        home = make_home(tmp_path_factory.mktemp(name) / "home")
        return home, home.audit("--portfolio", str(PORTFOLIOS / f"{name}.yaml"), "--data-dir", str(shared_data / folder))

    return run


@pytest.mark.slow
def test_open_source_activity_keeps_what_cannot_be_attributed(audited, shared_data):
    home, summary = audited("oss_activity", "oss_company_activity_nova")
    with gzip.open(shared_data / "oss_company_activity_nova" / "usage_events.csv.gz", "rt") as file:
        rows = list(csv.DictReader(file))
    events = {(row["change_id"], row["feature"], row["occurred_at"][:10]): not row["account_root"] for row in rows}
    assert len(rows) == 152_626 and round(sum(not row["account_root"] for row in rows) / len(rows), 2) == 0.41
    nameless = sum(events.values())
    [(kept, kept_nameless)] = home.rows("select count(*), count(*) filter (account_key is null) from raw.usage_events")
    [(quarantined,)] = home.rows("select count(*) from raw.quarantine where entity = 'usage_event'")
    [(repeated,)] = home.rows("select rows_repeated from raw.loads where entity = 'usage_event'")
    assert kept + quarantined + repeated == len(rows) and abs(kept - len(events)) <= quarantined, "a change that touched many files is one event of a feature"
    assert abs(kept_nameless - nameless) <= quarantined
    [(share,)] = home.rows("select value from marts.fct_data_quality_current where metric = 'unattributed_rows_share'")
    assert round(share, 2) == round(nameless / len(events), 2) == 0.37

    [(late,)] = home.rows("select count(*) from raw.usage_events where recorded_at > occurred_at + interval 30 day")
    assert late > 10_000, "late arrivals are kept with both their times"
    assert summary["waste_annual"] is None and summary["accounts_without_money"] == summary["accounts"] == 96, "no contracts: waste is unknown, not zero"
    assert summary["drafts_written"] == 0, "no document that rests on a contract is written without one, and the queue asks for no other"


def test_ravenstack_contradictions_are_shown_and_no_score_is_made_of_noise(audited):
    home, summary = audited("ravenstack", "ravenstack")
    assert summary["accounts"] == 500
    assert summary["accounts_by_band"] == {"red": 0, "yellow": 0, "green": 0, "unknown": 500}, "its usage and churn are noise: no score may look good on it"
    assert summary["waste_annual"] is None, "its usage names no user, so active users are unknown"
    assert home.rows("select count(*), count(distinct event_id) from raw.usage_events") == [(25_000, 25_000)], "ids that stand twice are different events"
    assert home.rows("select count(*) from raw.contract_lines") == [(5_000,)]
    assert home.rows("select count(*) from raw.tickets") == [(2_000,)]
    assert home.rows("select count(*) from raw.documents") == [(600,)], "churn facts are kept as they are"
    assert home.rows("select count(*) from marts.fct_ticket_load_current where tickets_28d is not null") == [(500,)], "tickets are measured"
