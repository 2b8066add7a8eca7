"""Telemetry of every shape becomes one table: each event once a day, its account found by the strongest rung, nothing lost."""

from __future__ import annotations

import gzip
import json
from datetime import date, datetime

import duckdb
import pytest

from vim_pipelines.core.errors import VimError
from vim_pipelines.ingestion.identity import attribution_rows, free_mail_domains, join_confidence
from vim_pipelines.ingestion.telemetry import day_stretches
from vim_pipelines.portfolio.file import load_portfolio
from vim_pipelines.portfolio.last_event import last_event_day
from vim_pipelines.warehouse import open_warehouse

HEAD = """\
name: telemetry
currency: USD
data_dir: data
sources:
  tables: {kind: csv, path: "${data_dir}"}
"""
CRM = """\
  account:
    source: tables
    path: accounts.csv
    history: snapshot
    fields: {account_key: id, account_name: name, domain: domain}
  contact:
    source: tables
    path: contacts.csv
    history: snapshot
    fields: {contact_key: id, account_key: account, email: email}
"""
ACCOUNTS = (
    "id,name,domain\nA1,Alder,alder.example\nA2,Birch,https://www.birch.example/about\nA3,Cedar,shared.example\nA4,Dogwood,shared.example\nA5,Elm,gmail.com\n"
)
CONTACTS = "id,account,email\nC1,A1,Ann@Outside.example\nC2,A1,two@alder.example\nC3,A2,two@alder.example\n"


def lines(*records) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def attributed(desk) -> dict[str, tuple]:
    return {row["event_id"]: (row["account_key"], row["attributed_by"]) for row in desk.rows("select * from raw.usage_events")}


@pytest.fixture
def posthog(desk):
    """PostHog's events as JSON lines, with a small CRM beside them."""
    links = "links:\n    - {source: tables, path: manual.csv, kind: user, key: person, account_key: account}\n    - {source: tables, path: domains.csv, kind: domain, key: domain, account_key: account}\n"
    desk.file.write_text(
        HEAD
        + '  events: {kind: jsonl, path: "${data_dir}/posthog"}\nentities:\n'
        + CRM
        + "  usage_event: {source: events, shape: posthog, fields: {product: {constant: core}}}\nidentity:\n  free_mail: [odd-mail.example]\n  "
        + links
    )
    desk.write("accounts.csv", ACCOUNTS)
    desk.write("contacts.csv", CONTACTS)
    desk.write("manual.csv", "person,account\nP8,A4\nP4,A2\n")
    desk.write("domains.csv", "domain,account\nBirch-Labs.example,A2\nodd-mail.example,A1\n")
    return desk


def event(uuid: str, person: str, *, company: str | None = None, email: str | None = None, at: str = "2026-06-27T10:00:00Z") -> dict:
    properties = {"$groups": {"company": company}} if company else {}
    return {
        "uuid": uuid, "event": "board_opened", "timestamp": at, "created_at": "2026-06-27T18:00:00Z", "person_id": person, "distinct_id": f"d-{person}",
        "properties": properties, "person_properties": {"email": email} if email else {},
    }  # fmt: skip


def test_each_rung_of_the_ladder_attributes_and_says_so(posthog):
    """A person known at two customers was once given to the customer that owns the domain."""
    posthog.write(
        "posthog/2026-06-27.jsonl",
        lines(
            event("E1", "P1", company="A1", email="x@birch.example"),
            event("E2", "P2", email="ann@outside.EXAMPLE"),
            event("E3", "P3", email="new@birch.example"),
            event("E4", "P4", email="two@alder.example"),
            event("E5", "P5", email="two@alder.example"),
            event("E6", "P6", email="who@shared.example"),
            event("E7", "P7", email="someone@gmail.com"),
            event("E8", "P8", email="who@shared.example"),
            event("E9", "P9"),
            event("E10", "P10", email="x@birch-labs.example"),
            event("E11", "P11", email="x@odd-mail.example"),
        ),
    )
    report = posthog.ingest()
    assert attributed(posthog) == {
        "E1": ("A1", "org_id"),
        "E2": ("A1", "contact_email"),
        "E3": ("A2", "domain"),
        "E4": ("A2", "manual"),
        "E5": (None, "ambiguous_contact_email"),
        "E6": (None, "ambiguous_domain"),
        "E7": (None, None),
        "E8": ("A4", "manual"),
        "E9": (None, None),
        "E10": ("A2", "domain"),
        "E11": (None, None),
    }
    assert report.join_rate == pytest.approx(6 / 11)
    rungs = {row["rung"]: (row["rows_added"], row["confidence"]) for row in posthog.rows("select * from raw.usage_attribution")}
    assert rungs["domain"] == (2, "low") and rungs["none"] == (3, "low") and rungs["ambiguous_domain"] == (1, "low")
    assert sum(count for count, _ in rungs.values()) == 11
    kept = posthog.rows("select * from raw.usage_events where event_id = 'E2'")[0]
    assert (kept["feature"], kept["product"], kept["user_key"]) == ("board_opened", "core", "P2")
    assert kept["recorded_at"] == datetime(2026, 6, 27, 18) and kept["source_file"] == "2026-06-27.jsonl"
    assert "email" not in kept, "addresses are read and not stored"


def test_an_own_organisation_id_is_translated_or_no_account(posthog):
    posthog.file.write_text(posthog.file.read_text() + "    - {source: tables, path: orgs.csv, kind: org_id, key: workspace, account_key: account}\n")
    posthog.write("orgs.csv", "workspace,account\nW1,A1\nW2,A1\nW2,A2\n")
    posthog.write("posthog/a.jsonl", lines(*(event(f"E{n}", f"U{n}", company=org) for n, org in enumerate(("W1", "W2", "A3", "W9")))))
    posthog.ingest()
    assert attributed(posthog) == {"E0": ("A1", "org_id"), "E1": (None, "ambiguous_org_id"), "E2": ("A3", "org_id"), "E3": (None, None)}


def test_an_event_of_a_day_is_kept_once_across_files_and_nights(posthog):
    """Overlapping exports bring the same hour twice; the same id on another day is another partition's."""
    first = event("E1", "P1", company="A1")
    posthog.write("posthog/a.jsonl", lines(first, first, event("E2", "P1", company="A1")))
    posthog.write("posthog/b.ndjson.gz", gzip.compress(lines(first, event("E1", "P1", company="A1", at="2026-06-26T23:00:00Z")).encode()))
    load = next(item for item in posthog.ingest().entities if item.entity == "usage_event")
    assert (load.rows_read, load.versions_added, load.rows_repeated) == (5, 3, 2)
    posthog.write("posthog/c.jsonl", lines(first, event("E3", "P1", company="A2", at="2025-06-27T10:00:00Z")))
    load = next(item for item in posthog.ingest().entities if item.entity == "usage_event")
    assert (load.rows_read, load.versions_added, load.rows_repeated) == (2, 1, 1)
    days = posthog.rows("select event_id, count(*) as n from raw.usage_events group by 1 order by 1")
    assert [tuple(row.values()) for row in days] == [("E1", 2), ("E2", 1), ("E3", 1)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"uuid": "E1"\n', "malformed at line 1"),
        (lines({"uuid": "E1"}) + "[1]\n", "malformed at line 2: the line is not a JSON object|line 2"),
        (lines({"id": "E1", "timestamp": "2026-06-27", "event": "x", "person_id": "1"}), "'uuid' is mapped to usage_event.event_id"),
    ],
)
def test_a_bad_json_file_is_one_message(posthog, text, said):
    posthog.write("posthog/a.jsonl", text)
    with pytest.raises(VimError, match=said):
        posthog.ingest()


def test_a_small_entity_can_be_json_lines_too(posthog):
    posthog.file.write_text(
        posthog.file.read_text()
        .replace("source: tables\n    path: accounts.csv", "source: lists\n    path: accounts.jsonl")
        .replace("sources:\n", 'sources:\n  lists: {kind: jsonl, path: "${data_dir}"}\n')
    )
    posthog.write("accounts.jsonl", lines({"id": "A1", "name": "Alder", "domain": "alder.example"}, {"id": "A2", "name": "Birch"}))
    posthog.write("posthog/a.jsonl", lines(event("E1", "P1", email="x@alder.example")))
    posthog.ingest()
    assert attributed(posthog) == {"E1": ("A1", "domain")}


def test_a_folder_of_two_kinds_asks_which_is_meant(posthog):
    posthog.write("posthog/a.jsonl", lines(event("E1", "P1")))
    posthog.write("posthog/b.csv", "uuid\nE2\n")
    with pytest.raises(VimError, match=r"VIM-E017 .* holds files of several kinds. The source is of kind jsonl .* b.csv first.*glob such as \*.jsonl"):
        posthog.ingest()
    posthog.file.write_text(posthog.file.read_text().replace("shape: posthog", 'path: "*.jsonl", shape: posthog'))
    posthog.ingest()
    assert len(attributed(posthog)) == 1


TRACKS = [
    ("T1", "U1", "G1", "2026-06-20 10:00:00", "2026-06-20 10:01:00"),
    ("T2", "U2", None, "2026-06-20 09:00:00", "2026-06-20 10:01:00"),
    ("T3", "U2", None, "2026-06-22 09:00:00", "2026-06-22 10:01:00"),
    ("T4", "U3", None, "2026-06-22 09:00:00", "2026-06-22 10:01:00"),
]
GROUPS = [("g1", "U2", "A1", "2026-06-20 09:05:00"), ("g2", "U2", "A2", "2026-06-21 00:00:00"), ("g3", "U2", "A2", "2026-06-21 08:00:00")]


def segment_tables(desk) -> None:
    """Segment's tables where the pipeline's own tables live."""
    with open_warehouse(desk.settings).session() as session:
        session.execute("create schema if not exists segment")
        session.execute(
            "create table segment.tracks (id varchar, user_id varchar, context_group_id varchar, event varchar, event_text varchar, timestamp timestamp, received_at timestamp)"
        )
        session.execute("create table segment.groups (id varchar, user_id varchar, group_id varchar, timestamp timestamp)")
        add_tracks(session, TRACKS)
        for row in GROUPS:
            session.execute("insert into segment.groups values (?, ?, ?, ?)", list(row))


def add_tracks(session, rows) -> None:
    for key, user, group, at, received in rows:
        session.execute("insert into segment.tracks values (?, ?, ?, 'opened', 'Opened', ?, ?)", [key, user, group, at, received])


def on_tables(desk):
    desk.file.write_text(
        HEAD
        + "  dwh: {kind: warehouse}\nentities:\n"
        + CRM
        + "  usage_event: {source: dwh, table: segment.tracks, groups: segment.groups, shape: segment, overlap_hours: 24}\n"
    )
    desk.write("accounts.csv", ACCOUNTS.replace("A1,Alder", "G1,Grove,grove.example\nA1,Alder"))
    desk.write("contacts.csv", CONTACTS)
    segment_tables(desk)
    return desk


def check_tables(desk) -> None:
    """The first load, a load with late and repeated rows, and one with nothing new."""
    desk.ingest()
    assert {key: account for key, (account, _) in attributed(desk).items()} == {"T1": "G1", "T2": "A1", "T3": "A2", "T4": None}
    with open_warehouse(desk.settings).session() as session:
        late = ("T5", "U1", "G1", "2026-06-19 10:00:00", "2026-06-22 01:00:00")  # received before the newest row, visible only now
        add_tracks(session, [late, TRACKS[3], ("T6", "U1", "G1", "2026-06-23 10:00:00", "2026-06-23 10:00:00")])
    load = next(item for item in desk.ingest().entities if item.entity == "usage_event")
    assert (load.rows_read, load.versions_added, load.rows_repeated) == (5, 2, 3), "T1 and T2 lie before the overlap"
    load = next(item for item in desk.ingest().entities if item.entity == "usage_event")
    assert load.versions_added == 0
    assert sorted(attributed(desk)) == ["T1", "T2", "T3", "T4", "T5", "T6"]
    row = desk.rows("select * from raw.usage_events where event_id = 'T5'")[0]
    assert (row["source_file"], row["feature"], row["event_name"], row["recorded_at"]) == ("segment.tracks", "opened", "Opened", datetime(2026, 6, 22, 1))


def test_a_table_is_read_from_its_cursor_with_an_overlap(desk):
    check_tables(on_tables(desk))


def test_the_same_tables_as_files_give_the_same_events(desk):
    on_tables(desk).ingest()
    expected = attributed(desk)
    (desk.folder / "data/segment").mkdir()
    with duckdb.connect(str(desk.settings.warehouse_path)) as connection:
        for name in ("tracks", "groups"):
            connection.execute(f"copy segment.{name} to '{desk.folder}/data/segment/{name}.parquet' (format parquet)")
    desk.settings = desk.settings.model_copy(update={"home": desk.folder / "home2"})
    desk.file.write_text(
        desk.file.read_text()
        .replace("dwh: {kind: warehouse}", 'dwh: {kind: parquet, path: "${data_dir}/segment"}')
        .replace("table: segment.tracks, groups: segment.groups", "path: tracks.parquet, groups: groups.parquet")
        .replace(", overlap_hours: 24", "")
    )
    desk.ingest()
    assert attributed(desk) == expected


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("table: segment.tracks", "table: segment.track", "VIM-E018 There is no table segment.track in the warehouse"),
        ("overlap_hours: 24", "cursor: loaded_at", "VIM-E012 The table segment.tracks has no column 'loaded_at'"),
        ("overlap_hours: 24", "fields: {user_key: usr}", "VIM-E012 .*'usr' is mapped to usage_event.user_key"),
        ("kind: warehouse", "kind: parquet", "VIM-E004 .*table is for a source of kind warehouse"),
    ],
)
def test_a_table_that_is_not_as_mapped_is_one_message(desk, old, new, said):
    on_tables(desk)
    desk.file.write_text(desk.file.read_text().replace(old, new))
    before = desk.fingerprint()
    with pytest.raises(VimError, match=said):
        desk.ingest()
    assert desk.fingerprint() == before


def test_days_are_covered_by_few_stretches():
    days = [date(1970, 1, 1), date(2026, 6, 1), date(2026, 6, 2), date(2026, 6, 20)]
    assert day_stretches(days) == [(date(1970, 1, 1), date(1970, 1, 2)), (date(2026, 6, 1), date(2026, 6, 3)), (date(2026, 6, 20), date(2026, 6, 21))]
    assert day_stretches(days, most=2) == [(date(1970, 1, 1), date(1970, 1, 2)), (date(2026, 6, 1), date(2026, 6, 21))], "the widest gap is the one left out"
    assert day_stretches([]) == []


def test_json_lines_say_which_day_is_their_last(posthog):
    """`as_of: last_event` once failed on every kind of file but two."""
    posthog.file.write_text(
        posthog.file.read_text().replace("fields: {product: {constant: core}}", "fields: {product: {constant: core}, recorded_at: created_at}")
    )
    posthog.write("posthog/a.jsonl", lines(event("E1", "P1"), event("E2", "P1", at="2027-06-27T10:00:00Z")))
    assert last_event_day(load_portfolio(posthog.file, posthog.settings)) == date(2026, 6, 27)


def test_what_a_join_rate_allows():
    assert [join_confidence(rate) for rate in (None, 0.95, 0.90, 0.8999, 0.80, 0.79)] == ["unknown", "ok", "ok", "note", "note", "low"]
    rows = attribution_rows({"org_id": 8, "ambiguous_domain": 1, None: 1})
    assert [(row["rung"], row["share"], row["join_rate"]) for row in rows] == [("org_id", 0.8, 0.8), ("ambiguous_domain", 0.1, 0.8), ("none", 0.1, 0.8)]
    assert attribution_rows({}) == []


def test_free_mail_is_a_list_of_plain_domains():
    assert {"gmail.com", "qq.com", "proton.me"} <= free_mail_domains()
    assert all(name == name.lower() and "." in name and "@" not in name for name in free_mail_domains())
