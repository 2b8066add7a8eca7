"""The pure rules of ingestion: what a row becomes, what is set aside and why, and which rows are news."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vim_pipelines.ingestion.coerce import coerce
from vim_pipelines.ingestion.mapping import DELETED, MODIFIED, mapped_records, mapping_fingerprint
from vim_pipelines.ingestion.versions import ALWAYS, Known, ended_versions, new_versions, returned_versions, snapshot_seen_at, snapshot_versions
from vim_pipelines.portfolio.entities import ENTITIES
from vim_pipelines.portfolio.model import EntityMap

NOW = datetime(2026, 6, 29, 6)
LINE = {
    "contract_line_key": "C1", "account_key": "A1", "product": "core", "seats": "10.0", "net_unit_price_annual": "300.12345", "currency": "USD",
    "start_date": "2026-01-01", "auto_renew": "TRUE", "status": "active", MODIFIED: "2026-06-01T08:00:00.000+0200", DELETED: False,
}  # fmt: skip


def one(entity: str, record: dict):
    good, rejected = coerce(ENTITIES[entity], [record], captured_at=NOW)
    return (good or rejected)[0]


def test_values_get_their_types():
    row = one("contract_line", LINE)
    assert row.values["seats"] == 10 and row.values["net_unit_price_annual"] == Decimal("300.1235") and row.values["auto_renew"] is True
    assert row.values["start_date"] == date(2026, 1, 1) and row.values["end_date"] is None
    assert row.modified_at == datetime(2026, 6, 1, 6)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"seats": "ten"}, "type_error"),
        ({"seats": 10.5}, "type_error"),
        ({"seats": True}, "type_error"),
        ({"seats": 10**30}, "type_error"),
        ({"net_unit_price_annual": "Infinity"}, "type_error"),
        ({"start_date": "01/02/2026"}, "type_error"),
        ({"auto_renew": "maybe"}, "type_error"),
        ({MODIFIED: "yesterday"}, "type_error"),
        ({"contract_line_key": "  "}, "missing_required"),
        ({"currency": None}, "missing_required"),
        ({"status": "paused"}, "value_not_allowed"),
        ({MODIFIED: "2026-06-29T07:00:00Z"}, "future_timestamp"),
    ],
)
def test_a_bad_row_is_set_aside_with_its_reason(change: dict, reason: str):
    assert one("contract_line", LINE | change).reason == reason


def test_a_renewal_before_its_start_is_not_ingestions_business():
    """The models call such a line invalid; a row in quarantine would be a contract that nobody sees."""
    assert one("contract_line", LINE | {"end_date": "2025-01-01"}).values["end_date"] == date(2025, 1, 1)


def test_zero_seats_are_a_fact():
    assert one("contract_line", LINE | {"seats": 0}).values["seats"] == 0


def test_a_planned_meeting_may_lie_ahead_but_a_ticket_may_not():
    assert one("meeting", {"meeting_key": "M1", "account_key": "A1", "held_at": "2027-01-01T00:00:00Z"}).values["held_at"].year == 2027
    assert one("ticket", {"ticket_key": "T1", "account_key": "A1", "opened_at": "2027-01-01T00:00:00Z"}).reason == "future_timestamp"


def test_a_deleted_row_needs_only_its_key():
    """Salesforce's recycle bin gives some records without their fields."""
    assert one("account", {"account_key": "A1", DELETED: True, MODIFIED: "2026-06-01"}).is_deleted


def test_one_key_with_two_contents_at_one_moment_is_set_aside_whole():
    good, rejected = coerce(ENTITIES["contract_line"], [LINE, LINE | {"seats": 20}, LINE], captured_at=NOW)
    assert not good and [item.reason for item in rejected] == ["conflicting_duplicate"] * 2


def test_the_same_row_twice_is_one_row():
    good, rejected = coerce(ENTITIES["contract_line"], [LINE, dict(LINE)], captured_at=NOW)
    assert len(good) == 1 and not rejected


def test_the_transforms_of_a_mapping():
    mapping = EntityMap.model_validate(
        {
            "source": "x", "path": "y", "known_at": "changed", "where": {"kind": "LINE"},
            "fields": {
                "contract_line_key": {"hash": ["a", "b"]}, "product": {"field": "p", "lower": True}, "seats": "n", "net_unit_price_annual": {"field": "total", "divide_by_field": "n"},
                "list_unit_price_annual": {"field": "cents", "divide_by": 100}, "currency": {"constant": "USD"}, "start_date": {"field": "d", "format": "%d/%m/%Y"},
                "auto_renew": {"field": "r", "true_words": ["ja"]}, "status": {"field": "gone", "present": "terminated", "empty": "active"},
                "account_key": {"field": "acc", "map": {"Old": "A1"}, "otherwise": "A0"},
            },
        }
    )  # fmt: skip
    row = {
        "kind": "line",
        "a": 1,
        "b": "x",
        "p": "CORE",
        "n": "3",
        "total": "1000",
        "cents": "250",
        "d": "31/12/2025",
        "r": "Ja",
        "gone": "",
        "acc": "old",
        "changed": "2026-01-01",
    }
    rows = list(mapped_records(mapping, [row, row | {"n": "0", "acc": "new", "gone": "2026-05-05", "d": "12/31/2025"}, row | {"kind": "other"}]))
    assert len(rows) == 2
    first, second = rows
    assert first["product"] == "core" and first["net_unit_price_annual"] == Decimal(1000) / 3 and first["list_unit_price_annual"] == Decimal("2.5")
    assert first["start_date"] == datetime(2025, 12, 31) and first["auto_renew"] is True and first["status"] == "active" and first["account_key"] == "A1"
    assert second["net_unit_price_annual"] is None and second["account_key"] == "A0" and second["status"] == "terminated"
    assert second["contract_line_key"] == first["contract_line_key"] and len(first["contract_line_key"]) == 64
    assert one("contract_line", second).reason == "type_error", "a date in another form is rejected, not emptied"


def test_a_changed_mapping_has_another_fingerprint():
    base = {"source": "crm", "object": "Account", "fields": {"account_key": "Id", "account_name": "Name"}}
    more = base | {"fields": base["fields"] | {"tier": "Tier__c"}}
    assert mapping_fingerprint(EntityMap.model_validate(base)) != mapping_fingerprint(EntityMap.model_validate(more))


def account(name: str, modified: datetime | None, deleted: bool = False, key: str = "A1") -> dict:
    return {"account_key": key, "account_name": name, MODIFIED: modified, DELETED: deleted}


def rows_of(*records: dict):
    return coerce(ENTITIES["account"], records, captured_at=NOW)[0]


def known_of(versions, known=None):
    """Raw after appending, as the next run finds it."""
    found = {key: list(line) for key, line in (known or {}).items()}
    for version in versions:
        found.setdefault(version.row.key, []).append(Known(version.known_at, version.row.content_hash, version.is_deleted))
    return {key: sorted(line, key=lambda item: item.known_at) for key, line in found.items()}


def day(number: int) -> datetime:
    return datetime(2026, 6, number, 12)


def test_a_modification_without_a_changed_field_is_no_version():
    """Our own write-back moves SystemModstamp every night; without this each account would get a version a night."""
    first = new_versions({}, rows_of(account("Alder", day(1))), captured_at=NOW)
    assert new_versions(known_of(first), rows_of(account("Alder", day(2))), captured_at=NOW) == []


def test_a_value_that_comes_back_is_a_version_again():
    known = known_of(new_versions({}, rows_of(account("Alder", day(1)), account("Birch", day(2))), captured_at=NOW))
    assert [v.row.values["account_name"] for v in new_versions(known, rows_of(account("Alder", day(3))), captured_at=NOW)] == ["Alder"]


def test_a_deletion_is_a_version_though_its_content_is_the_same():
    known = known_of(new_versions({}, rows_of(account("Alder", day(1))), captured_at=NOW))
    assert [v.is_deleted for v in new_versions(known, rows_of(account("Alder", day(2), deleted=True)), captured_at=NOW)] == [True]


def test_a_late_page_lands_in_its_place():
    known = known_of(new_versions({}, rows_of(account("Birch", day(5))), captured_at=NOW))
    added = new_versions(known, rows_of(account("Alder", day(1))), captured_at=NOW)
    assert [(v.known_at, v.row.values["account_name"]) for v in added] == [(day(1), "Alder")]


histories = st.lists(st.tuples(st.sampled_from(["A1", "A2"]), st.sampled_from(["Alder", "Birch", "Cedar"]), st.integers(1, 6), st.booleans()), max_size=10)


def paged(records: list[dict], rng, pages: int) -> list[list[dict]]:
    """The records, each twice, in random order on `pages` pages."""
    shuffled = records * 2
    rng.shuffle(shuffled)
    return [shuffled[number::pages] for number in range(pages)]


@settings(max_examples=200, deadline=None)
@given(histories, st.randoms(use_true_random=False), st.integers(1, 4))
def test_pages_may_come_in_any_order_and_any_number_of_times(history, rng, pages):
    """Contradictory rows included: what is set aside does not depend on the paging either."""
    records = [account(name, day(number), deleted, key) for key, name, number, deleted in history]
    in_pages = [record for page in paged(records, rng, pages) for record in page]
    assert new_versions({}, rows_of(*in_pages), captured_at=NOW) == new_versions({}, rows_of(*records), captured_at=NOW)
    assert coerce(ENTITIES["account"], in_pages, captured_at=NOW)[1] == coerce(ENTITIES["account"], records, captured_at=NOW)[1]


@settings(max_examples=200, deadline=None)
@given(histories, st.randoms(use_true_random=False), st.integers(1, 4))
def test_reading_any_page_again_on_a_later_night_adds_nothing(history, rng, pages):
    records = [account(name, day(number), deleted, key) for key, name, number, deleted in {(h[0], h[2]): h for h in history}.values()]
    known = known_of(new_versions({}, rows_of(*records), captured_at=NOW))
    for page in paged(records, rng, pages):
        assert new_versions(known, rows_of(*page), captured_at=NOW + timedelta(days=1)) == []


@settings(max_examples=200, deadline=None)
@given(histories, st.integers(0, 10))
def test_reading_in_two_nights_gives_what_one_night_gives(history, cut):
    """The cursor splits a history at any moment; an overlap reads some of it twice."""
    records = [account(name, day(number), deleted, key) for key, name, number, deleted in {(h[0], h[2]): h for h in history}.values()]
    records.sort(key=lambda record: record[MODIFIED])
    whole = new_versions({}, rows_of(*records), captured_at=NOW)
    first = new_versions({}, rows_of(*records[:cut]), captured_at=NOW)
    second = new_versions(known_of(first), rows_of(*records[max(0, cut - 2) :]), captured_at=NOW)
    assert {(v.row.key, v.known_at, v.row.content_hash, v.is_deleted) for v in first + second} == {
        (v.row.key, v.known_at, v.row.content_hash, v.is_deleted) for v in whole
    }


def test_a_row_that_came_back_with_its_old_date_is_known_from_when_it_was_seen():
    """Undo in a spreadsheet restores a removed row, or an edited one, with its date; raw kept the later version for ever."""
    old = rows_of(account("Alder", day(1)))
    first = new_versions({}, old, captured_at=day(9))
    (ended,) = ended_versions(known_of(first), {"A1": day(3)}, {"A1": old[0]})
    edited = new_versions(known_of(first), rows_of(account("Birch", day(3))), captured_at=day(9))
    for later in ([ended], edited):
        known = known_of(later, known_of(first))
        assert new_versions(known, old, captured_at=day(9)) == []
        (back,) = returned_versions(known, [], old, seen_at=day(5))
        assert (back.row, back.known_at, back.is_deleted) == (old[0], day(5), False)
        assert returned_versions(known_of([back], known), [], old, seen_at=day(6)) == [], "once"
        assert returned_versions(known, [back], old, seen_at=day(6)) == [], "what this night adds is counted"
    assert returned_versions(known_of(first), [], rows_of(account("Birch", day(2)), account("Cedar", day(3))), seen_at=day(5)) == [], (
        "several versions: no present"
    )


def test_the_first_snapshot_is_believed_for_all_time_and_a_change_from_when_it_was_seen():
    seen = day(20)
    first = snapshot_versions({}, rows_of(account("Alder", None)), seen_at=seen, missing={})
    assert [v.known_at for v in first] == [ALWAYS]
    known = known_of(first)
    assert snapshot_versions(known, rows_of(account("Alder", None)), seen_at=seen, missing={}) == []
    later = snapshot_versions(known, rows_of(account("Birch", None), account("New", None, key="A2")), seen_at=seen, missing={})
    assert [(v.row.key, v.known_at) for v in later] == [("A1", seen), ("A2", seen)]


def test_what_left_a_snapshot_is_ended_but_an_empty_file_ends_nothing():
    old = rows_of(account("Alder", None), account("Birch", None, key="A2"))
    known, missing = known_of(snapshot_versions({}, old, seen_at=day(1), missing={})), {row.key: row for row in old}
    gone = snapshot_versions(known, old[:1], seen_at=day(2), missing=missing)
    assert [(v.row.key, v.is_deleted, v.known_at) for v in gone] == [("A2", True, day(2))]
    assert snapshot_versions(known, [], seen_at=day(2), missing=missing) == []
    assert snapshot_versions(known, old[:1], seen_at=day(2), missing=missing, kept_keys=frozenset({"A2"})) == []
    back = snapshot_versions(known_of(gone, known), old, seen_at=day(3), missing={})
    assert [(v.row.key, v.is_deleted) for v in back] == [("A2", False)]


def test_a_change_is_dated_to_the_audited_day_on_time_and_to_the_reading_when_late():
    as_of = date(2026, 6, 28)
    assert snapshot_seen_at(as_of, datetime(2026, 6, 29, 6)) == datetime(2026, 6, 28, 23, 59, 59, 999999)
    assert snapshot_seen_at(as_of, datetime(2026, 7, 10, 6)) == datetime(2026, 7, 10, 6)
    assert snapshot_seen_at(as_of, datetime(2026, 6, 28, 12)) == datetime(2026, 6, 28, 12)
    assert timedelta(0) < datetime(2026, 6, 29) - snapshot_seen_at(as_of, datetime(2026, 6, 29, 6)) <= timedelta(microseconds=1)
