"""What a source does overnight besides changing rows: it loses some, gains a column, loses one, changes a type, or its clock is off."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from vim_pipelines.core.errors import VimError
from vim_pipelines.ingestion.coerce import Row, departures
from vim_pipelines.ingestion.versions import Known, ended_versions

NEXT, NEXT_NIGHT = date(2026, 6, 29), datetime(2026, 6, 30, 6)
SEVEN = datetime(2026, 6, 29, 7)


def control(sandbox: Any, name: str, body: dict[str, Any]) -> Any:
    import httpx

    response = httpx.post(f"{sandbox.running.url('salesforce')}/_sandbox/{name}", json=body, trust_env=False)
    response.raise_for_status()
    return response.json()


def crm(sandbox: Any) -> Any:
    from vim_pipelines.vendors.salesforce import client_from_settings

    return client_from_settings(sandbox.settings)


def live_contacts(sandbox: Any) -> set[str]:
    newest = "select contact_key, is_deleted from raw.contacts qualify row_number() over (partition by contact_key order by known_at desc, captured_at desc, load_id desc) = 1"
    return {row["contact_key"] for row in sandbox.rows(newest) if not row["is_deleted"]}


# ---- deletions


@pytest.mark.parametrize("log", ["reaches back", "is cut"])
def test_a_record_that_left_the_recycle_bin_is_ended_all_the_same(read_sandbox, log):
    """queryAll does not know it any more; a customer who was deleted for good stayed in the portfolio for ever."""
    contact = min(live_contacts(read_sandbox))
    with crm(read_sandbox) as client:
        client.delete("Contact", contact)
    control(read_sandbox, "purge", {"object": "Contact"} | ({"earliest": "2026-06-29T06:30:00"} if log == "is cut" else {}))
    before = live_contacts(read_sandbox)
    report = read_sandbox.ingest(NEXT, NEXT_NIGHT)
    assert live_contacts(read_sandbox) == before - {contact}
    (ended,) = read_sandbox.rows("select * from raw.contacts where is_deleted")
    assert ended["full_name"] and ended["contact_key"] == contact, "the last content stays readable"
    read = next(item for item in report.entities if item.entity == "contact").rows_read
    if log == "is cut":
        assert read == len(before) - 1 and ended["known_at"] == datetime(2026, 6, 29, 23, 59, 59, 999999), "everything is read again"
    else:
        assert read < len(before) and ended["known_at"] < SEVEN, "known from the moment of deletion"
    assert read_sandbox.ingest(NEXT, NEXT_NIGHT).versions_added == 0


def test_a_deletion_before_the_newest_version_ends_nothing():
    """A record that was taken out of the recycle bin has a version from after its deletion, which the log still tells of."""
    held = {"k": [Known(SEVEN, "h", False)]}
    assert ended_versions(held, {"k": SEVEN - timedelta(hours=1)}, {"k": Row("k", {}, None, True, "h")}) == []


def test_only_what_lives_can_end():
    row = Row("k", {"a": 1}, None, True, "h")
    rows = {"k": row}
    (version,) = ended_versions({"k": [Known(SEVEN, "h", False)]}, {"k": SEVEN, "unknown": SEVEN}, rows)
    assert (version.row, version.known_at, version.is_deleted) == (row, SEVEN, True)
    assert ended_versions({"k": [Known(SEVEN, "h", True)]}, {"k": NEXT_NIGHT}, rows) == []


def test_a_row_that_the_filter_leaves_out_from_now_on_is_ended(desk):
    """A contract that was 'live' and is 'dead' today is not read any more; it must not stay as it was."""
    text = desk.file.read_text().replace("    known_at: changed\n", "    known_at: changed\n    where: {state: live}\n")
    desk.file.write_text(text)
    desk.ingest()
    contracts = (desk.folder / "data/contracts.csv").read_text()
    desk.write(
        "contracts.csv",
        contracts.replace("C1,A1,core,10,3000,USD,01/02/2026,live,2026-02-01T08:00:00Z", "C1,A1,core,10,3000,USD,01/02/2026,dead,2026-06-01T08:00:00Z"),
    )
    desk.ingest()
    (ended,) = desk.rows("select contract_line_key, known_at, seats from raw.contract_lines where is_deleted")
    assert ended == {"contract_line_key": "C1", "known_at": datetime(2026, 6, 1, 8), "seats": 10}
    assert next(item for item in desk.ingest().entities if item.entity == "contract_line").versions_added == 0
    desk.write("contracts.csv", contracts.replace("live,2026-02-01T08:00:00Z", "live,2026-06-02T08:00:00Z"))
    desk.ingest()
    assert desk.rows("select is_deleted from raw.contract_lines where contract_line_key = 'C1' order by known_at") == [
        {"is_deleted": False}, {"is_deleted": True}, {"is_deleted": False},
    ]  # fmt: skip


def test_a_departure_that_cannot_be_dated_or_named_is_none():
    night = datetime(2026, 6, 29, 6)
    outside = [("a", "2026-06-01T00:00:00Z"), ("a", "2026-06-02T00:00:00Z"), ("b", "soon"), (None, None), ("c", None), ("d", "2026-07-01T00:00:00Z")]
    assert departures(outside, captured_at=night) == {"a": datetime(2026, 6, 2), "c": night}


# ---- the schema


def test_a_new_field_is_recorded_and_ignored(read_sandbox):
    assert read_sandbox.ingest().new_source_fields == ()
    control(read_sandbox, "schema", {"object": "Account", "field": "Health_Note__c", "change": "add", "type": "string", "value": "fine"})
    report = read_sandbox.ingest(NEXT, SEVEN)
    assert report.new_source_fields == ("account.Health_Note__c (string)",)
    assert next(item for item in report.entities if item.entity == "account").versions_added == 0
    (row,) = read_sandbox.rows("select * from raw.source_fields where field_name = 'Health_Note__c'")
    assert (row["entity"], row["is_mapped"], row["first_seen_at"], row["last_seen_at"]) == ("account", False, SEVEN, SEVEN)
    (mapped,) = read_sandbox.rows("select * from raw.source_fields where entity = 'account' and field_name = 'Tier__c'")
    assert mapped["is_mapped"] and mapped["first_seen_at"] < SEVEN == mapped["last_seen_at"]


def test_a_mapped_field_that_is_gone_stops_the_night_with_its_line(read_sandbox):
    before = read_sandbox.fingerprint()
    control(read_sandbox, "schema", {"object": "Contract", "field": "Seats__c", "change": "remove"})
    with pytest.raises(VimError, match=r"VIM-E012 .*'Seats__c' is mapped to contract_line.seats \(line \d+\)"):
        read_sandbox.ingest(NEXT, SEVEN)
    assert read_sandbox.fingerprint() == before


def test_a_field_that_changed_its_type_goes_to_quarantine_and_comes_back_whole(read_sandbox):
    """The change touches no record's modification time: a cursor that stayed would never bring the rows again."""
    held = "select count(*) as n, count(distinct contract_line_key) as k, sum(case when is_deleted then 1 else 0 end) as gone from raw.contract_lines"
    before = read_sandbox.rows(held)
    control(read_sandbox, "schema", {"object": "Contract", "field": "Seats__c", "change": "retype", "type": "string", "template": "{} seats"})
    report = read_sandbox.ingest(NEXT, SEVEN)
    assert report.reasons["type_error"] >= before[0]["k"] > 0 and "contract_line.Seats__c (string)" in report.new_source_fields
    assert read_sandbox.rows(held) == before, "nothing was ended: the keys were there, only unreadable"
    assert "'200.0 seats' is not a whole number" in " ".join(row["detail"] for row in read_sandbox.rows("select detail from raw.quarantine"))
    with crm(read_sandbox) as client:
        line = next(iter(client.query("SELECT Id FROM Contract WHERE Product__c = 'core' LIMIT 1")), None) or next(
            iter(client.query("SELECT Id FROM Contract LIMIT 1"))
        )
        client.update("Contract", line["Id"], {"Notice_Days__c": 77})
    read_sandbox.ingest(NEXT, SEVEN)
    control(read_sandbox, "schema", {"object": "Contract", "field": "Seats__c", "change": "retype", "type": "double", "template": ""})
    read_sandbox.ingest(NEXT, SEVEN)
    assert read_sandbox.rows(f"select max(notice_days) as days from raw.contract_lines where contract_line_key = '{line['Id']}'") == [{"days": 77}]


# ---- the wire and the clock


def test_a_page_that_belongs_to_another_question_is_not_taken(read_sandbox):
    read_sandbox.next_day()
    before = read_sandbox.fingerprint()
    read_sandbox.fault("salesforce", path="/queryAll", repeat=True, skip=1)
    with pytest.raises(VimError, match="VIM-E013 .*was answered with a record of"):
        read_sandbox.ingest(NEXT, NEXT_NIGHT)
    assert read_sandbox.fingerprint() == before
    read_sandbox.ingest(NEXT, NEXT_NIGHT)


@pytest.mark.parametrize("hours", [-3, 3])
def test_a_vendor_whose_clock_is_off_loses_nothing(sandbox, hours):
    control(sandbox, "clock", {"skew_seconds": hours * 3600})
    sandbox.ingest()
    with crm(sandbox) as client:
        client.update("Account", "ACC-HEADLINE", {"Segment__c": "Changed by a late clock"})
        early = sandbox.ingest(date(2026, 6, 28), datetime(2026, 6, 29, 6, 30))
        # What is stamped ahead of our clock is set aside and not passed over: it comes when our clock has reached it.
        assert ("future_timestamp" in early.reasons) is (hours > 0)
        sandbox.next_day()
        sandbox.ingest(NEXT, NEXT_NIGHT)
        source = {row["Id"]: (row["Name"], row["Segment__c"]) for row in client.query("SELECT Id, Name, Segment__c FROM Account")}
    newest = "select account_key, account_name, segment from raw.accounts qualify row_number() over (partition by account_key order by known_at desc, captured_at desc, load_id desc) = 1"
    raw = {row["account_key"]: (row["account_name"], row["segment"]) for row in sandbox.rows(newest)}
    assert raw["ACC-HEADLINE"][1] == "Changed by a late clock"
    assert {key: value for key, value in source.items() if raw.get(key) != value} == {}
