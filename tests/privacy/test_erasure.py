"""A person is erased: nothing that is kept names them, the record of decisions still holds, and the next reading does not bring them back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from vim_pipelines.approvals import events
from vim_pipelines.approvals.people import add_person, find_person
from vim_pipelines.approvals.policy import Actor, load_policy
from vim_pipelines.core.errors import VimError
from vim_pipelines.core.hashing import sha256_json, sha256_text
from vim_pipelines.core.suppression import TOKEN
from vim_pipelines.ingestion.coerce import Rejected, Row
from vim_pipelines.ingestion.erased import drop_events_of_erased, without_erased
from vim_pipelines.ingestion.systems import Extracted
from vim_pipelines.ingestion.tables import append_rows, ensure_raw_tables
from vim_pipelines.portfolio.entities import ENTITIES
from vim_pipelines.privacy import erase as erasing
from vim_pipelines.privacy.erase import Erased, erase, look_up
from vim_pipelines.privacy.suppressed import SECRET_FILE, read_suppression
from vim_pipelines.privacy.warehouse_rows import text_columns
from vim_pipelines.reporting.publish import publish
from vim_pipelines.settings import Settings
from vim_pipelines.store import open_store
from vim_pipelines.store.engine import Store
from vim_pipelines.store.models import ApprovalEvent, ApprovalRequest, Draft, ErasedRow, Erasure, Person
from vim_pipelines.warehouse import open_warehouse

NOW = datetime(2026, 6, 29, 6, 0)
OPERATOR = Actor("ops", "operator", "cli")
MAIL, NAME, CONTACT, USER = "Zoë.Quandt@acme.example", "Zoë Quandt", "CON-77001", "USR-990017"
CALLED = ("zoë.quandt@acme.example", "zoë quandt", "con-77001", "usr-990017")


def entity_row(name: str, key: str, **values: Any) -> dict[str, Any]:
    entity = ENTITIES[name]
    content = {column.name: None for column in entity.columns} | {entity.key: key} | values
    return content | {
        "source_name": "crm",
        "source_modified_at": NOW,
        "known_at": NOW - timedelta(days=30),
        "captured_at": NOW,
        "content_hash": sha256_json(content),
        "is_deleted": False,
        "load_id": "L00000001",
    }


#: The same name at another customer is another person.
NAMESAKE = entity_row("contact", "CON-88002", account_key="ACC-2", full_name=NAME, email="zq@other.example", role="user")
CONTACT_ROW = entity_row("contact", CONTACT, account_key="ACC-1", full_name=NAME, email=MAIL, title="Chief Operating Officer", role="sponsor")
NOTE = f"Kickoff with {NAME} (zoë.quandt@ACME.example); Quandt, Zoë asked for a second workshop. Zoë's deputy joins."
DOCUMENT_ROW = entity_row("document", "DOC-1", account_key="ACC-1", document_kind="note", title=f"Call with {NAME}", body=NOTE, authored_on=date(2026, 5, 1))


@dataclass
class House:
    settings: Settings
    store: Store

    def erase(self, who: str = MAIL, note: str = "request 17") -> Erased:
        return erase(self.settings, self.store, who, by=OPERATOR, note=note, now=NOW)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    yield from furnished(Settings(home=tmp_path / "home", portfolio=tmp_path / "portfolio.yaml"))


def furnished(settings: Settings) -> Iterator[House]:
    """The person in every kind of place: entities, quarantine, telemetry, marts, a view, the published copy, questions, a log."""
    settings.home.mkdir(exist_ok=True)
    warehouse = open_warehouse(settings)
    with warehouse.session() as session:
        ensure_raw_tables(session)
        append_rows(session, "raw.contacts", [CONTACT_ROW, NAMESAKE])
        append_rows(session, "raw.documents", [DOCUMENT_ROW])
        append_rows(
            session,
            "raw.license_assignments",
            [entity_row("license_assignment", "LIC-1", account_key="ACC-1", user_key=USER, product="suite", user_email=MAIL.upper())],
        )
        append_rows(
            session,
            "raw.quarantine",
            [{"entity": "contact", "row_key": CONTACT, "reason": "type_error", "detail": f"email: '{MAIL}'", "row_json": f'{{"full_name": "{NAME}"}}'}],
        )
        event = {"product": "suite", "occurred_at": NOW, "recorded_at": NOW, "source_name": "t", "source_file": "f", "load_number": 1}
        append_rows(session, "raw.usage_events", [event | {"event_id": f"E{number}", "account_key": "ACC-1", "user_key": USER} for number in range(3)])
    with warehouse.session() as session:  # Snowflake would commit the rows above at the first table that is made
        session.execute("create table marts.fct_stakeholders as select account_key, contact_key, full_name, email, title from raw.contacts")
        session.execute("create table base.texts as select account_key, body from raw.documents")
        session.execute("create view marts.latest_text as select * from base.texts")
    publish(warehouse, settings.published_dir)
    store = open_store(settings)
    add_person(store, load_policy(None), "mona", name="Mona Reviewer", role="csm", email="mona@vendor.example", password="a long password", by="ops", now=NOW)
    for number, state in enumerate(("pending", "rejected", "approved")):
        asked_about(store, number, state)
    (settings.home / "logs").mkdir()
    (settings.home / "logs" / "night.log").write_text(f"held back: {MAIL} at ACC-1\n", encoding="utf-8")
    yield House(settings, store)
    store.engine.dispose()


def asked_about(store: Store, number: int, state: str) -> None:
    """A draft that names the person, and a question about it in `state`, by the way that questions take."""
    text = f"Dear {NAME}, thank you for the call."
    draft = Draft(
        draft_id=f"D{number}", account_key="ACC-1", account_name="Acme", document="success_plan", audience="customer", as_of_date=NOW.date(), version=number,
        draft_key=f"k{number}", facts=[{"handle": "F01", "value": NAME}], facts_sha256="0" * 64, evidence=[{"contact_key": CONTACT, "email": MAIL}],
        structured={"to": [MAIL]}, rendered_text=text, rendered_sha256=sha256_text(text), status="written", gate_findings=[], written_by="offline",
        prompt_sha256="0" * 64, created_at=NOW,
    )  # fmt: skip
    payload = {"text": text, "facts": [{"value": NAME}], "actions": []}
    request = ApprovalRequest(
        request_id=f"R{number}", draft_id=f"D{number}", account_key="ACC-1", account_name="Acme", document="success_plan", version=number, state="pending",
        payload=payload, payload_sha256=sha256_json(payload), policy_version="1", approver_role="csm", as_of_date=NOW.date(), created_at=NOW,
        expires_at=NOW + timedelta(days=3), updated_at=NOW, replan_round=0, attempt=0, context={"contact": NAME},
    )  # fmt: skip
    with events.chained(store) as session:
        session.add(draft)
        session.flush()
        session.add(request)
        events.append(session, request, "request", from_state=None, to_state="pending", actor=events.SYSTEM, now=NOW)
        if state != "pending":
            action = {"rejected": "reject", "approved": "approve"}[state]
            note = f"Ask {NAME} first" if state == "rejected" else None
            values = {"decided_by": "mona", "decided_role": "csm", "decided_channel": "inbox", "decided_at": NOW, "note": note}
            values |= {"approved_sha256": request.payload_sha256} if state == "approved" else {}
            events.step(session, request, action, actor=Actor("mona", "csm", "inbox"), now=NOW, note=note, values=values)


def naming(house: House, called: tuple[str, ...]) -> list[str]:
    """Every table and file that holds one of `called`, the bytes of the databases included. Rows of the namesake's account do not count."""
    found = []
    with open_warehouse(house.settings).session(read_only=True) as session:
        for table in text_columns(session):
            scope = "where account_key is distinct from 'ACC-2'" if "account_key" in session.column_names(table) else ""
            rows = str(session.rows(f"select * from {table} {scope}")).casefold()
            found += [f"{table}: {text}" for text in called if text in rows]
    house.store.engine.dispose()
    for path in house.settings.home.rglob("*"):
        if path.is_file():
            text = path.read_bytes().decode("utf-8", errors="ignore").casefold()
            text = text.replace("\\u00eb", "ë")
            found += [f"{path.name}: {item}" for item in called if item in text]
    return found


def what_stays_is_right(house):
    """The namesake, the text around the person, counts of users, and a view over them; on either warehouse."""
    with open_warehouse(house.settings).session(read_only=True) as session:
        assert [row["full_name"] for row in session.rows("select full_name from raw.contacts where contact_key = 'CON-88002'")] == [NAME]
        body = session.scalar("select body from raw.documents")
        assert body.count(TOKEN) == 3 and "second workshop" in body, "the text around the person stays"
        assert session.scalar("select count(distinct user_key) from raw.usage_events") == 1, "counts of users stay right"
        assert session.scalar("select body from marts.latest_text") == body, "a view shows what stands beneath it, also when the file was written anew"


def test_nothing_that_is_kept_names_the_person(house):
    """The bytes of the files are read, not only their tables: a deleted row stays in its page until that page is used again."""
    publish_names = [item for item in CALLED if item != "zoë quandt"]
    assert any("warehouse" in place for place in naming(house, CALLED)) and any("operations" in place for place in naming(house, CALLED))
    done = house.erase()
    assert done.counts["raw.contacts"] == 1 and done.counts["store.drafts"] == 3 and done.left == ()
    assert [place for place in naming(house, tuple(publish_names))] == []
    remaining = [place for place in naming(house, ("zoë quandt",)) if "duckdb" not in place and "parquet" not in place]
    assert remaining == [], "the name stands in the namesake's rows only, which the two DuckDB files hold"
    what_stays_is_right(house)


def test_the_contact_ends_so_that_no_nameless_sponsor_stays(house):
    """A CRM that is asked for changes only never says that the row is gone."""
    house.erase()
    with open_warehouse(house.settings).session(read_only=True) as session:
        rows = session.rows("select * from raw.contacts where account_key = 'ACC-1' order by known_at")
    assert [row["is_deleted"] for row in rows] == [False, True]
    assert all(row["contact_key"].startswith(TOKEN) and row["title"] is None for row in rows)


def test_the_record_of_decisions_holds_and_says_that_rows_were_erased(house):
    house.erase()
    assert events.verify_chain(house.store) == []
    assert "request 17" not in " ".join(events.erased_lines(house.store)) and "by ops (operator)" in events.erased_lines(house.store)[0]
    with house.store.session() as session:
        request = session.get_one(ApprovalRequest, "R1")
        assert request.decided_by == "mona" and TOKEN in request.note, "who decided stays, the name in the note does not"
        assert events.verify_request(session, request), "nobody may carry out a text that nobody approved"


@pytest.mark.parametrize("what", ["draft", "payload", "note", "list", "claim"])
def test_who_edits_an_erased_row_or_calls_an_edit_an_erasure_is_found_out(house, what):
    house.erase()
    with house.store.session() as session:
        if what == "draft":
            session.execute(update(Draft).where(Draft.draft_id == "D1").values(rendered_text="something else"))
        elif what == "payload":
            session.execute(update(ApprovalRequest).where(ApprovalRequest.request_id == "R1").values(payload={"text": "something else"}))
        elif what == "note":
            number = session.scalar(select(ApprovalEvent.event_number).where(ApprovalEvent.note.contains(TOKEN)))
            session.execute(update(ApprovalEvent).where(ApprovalEvent.event_number == number).values(note="I agree"))
        elif what == "list":
            session.execute(update(ErasedRow).where(ErasedRow.table_name == "drafts").values(was_sha256="f" * 64))
        else:
            session.execute(update(Draft).where(Draft.draft_id == "D1").values(rendered_text="forged"))
            row = session.scalars(select(ErasedRow).where(ErasedRow.row_id == "D1")).one()
            row.now_sha256 = sha256_text("forged")
    assert events.verify_chain(house.store)


def test_what_was_asked_about_the_person_is_ended_not_carried_out(house):
    house.erase()
    with house.store.session() as session:
        states = dict(session.execute(select(ApprovalRequest.request_id, ApprovalRequest.state)).tuples().all())
    assert states == {"R0": "superseded", "R1": "rejected", "R2": "failed"}


def test_it_waits_for_a_write_that_is_on_its_way(house):
    """The record of a write must not change between what was sent and what is read back."""
    with events.chained(house.store) as session:
        events.step(session, session.get_one(ApprovalRequest, "R2"), "claim", actor=events.SYSTEM, now=NOW)
    with pytest.raises(VimError) as caught:
        house.erase()
    assert caught.value.code == "VIM-E191" and "Quandt" not in str(caught.value)


@pytest.mark.parametrize("step", ["store", "warehouse", "published", "duckdb", "files", "vacuum"])
def test_a_run_that_dies_is_completed_by_the_same_command(house, monkeypatch, step):
    """Each step removes the person where the next would look them up."""
    module, name = {
        "store": (erasing.store_rows, "sweep"),
        "warehouse": (erasing.warehouse_rows, "sweep"),
        "published": (erasing.files, "publish_anew"),
        "duckdb": (erasing.files, "rewrite_duckdb"),
        "files": (erasing.files, "clean_texts"),
        "vacuum": (erasing.files, "vacuum"),
    }[step]

    def dies(*_arguments: Any, **_more: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, name, dies)
        with pytest.raises(KeyboardInterrupt):
            house.erase()
    house.erase()
    assert [place for place in naming(house, ("zoë.quandt@acme.example", "con-77001", "usr-990017"))] == []
    assert events.verify_chain(house.store) == [] and len(events.erased_lines(house.store)) == 1
    with house.store.session() as session:
        assert session.scalars(select(Erasure.pending)).all() == [None]


def test_a_second_erasure_finds_nothing_and_says_so(house):
    house.erase()
    assert house.erase().was_complete
    with pytest.raises(VimError) as caught:
        house.erase("nobody@acme.example")
    assert caught.value.code == "VIM-E192"


def test_looking_changes_nothing_and_counts_what_would_be(house):
    before = look_up(house.settings, house.store, MAIL)
    assert (before.identity.contact_keys, before.identity.user_keys) == ((CONTACT,), (USER,)) and before.identity.accounts == ("ACC-1",)
    assert look_up(house.settings, house.store, USER).places == before.places, "from the user's id to the same person"
    done = house.erase()
    assert {table: number for table, number in done.counts.items() if table in before.places and table.startswith("raw.")} == {
        table: number for table, number in before.places.items() if table.startswith("raw.")
    }


def test_a_number_that_two_systems_gave_to_two_people_is_not_one_person(house):
    """Contact 51 and user 51: each system counts from one."""
    with open_warehouse(house.settings).session() as session:
        append_rows(session, "raw.contacts", [entity_row("contact", "51", account_key="ACC-1", full_name="Kim Ode", email="kim@acme.example")])
        append_rows(
            session,
            "raw.license_assignments",
            [entity_row("license_assignment", "LIC-51", account_key="ACC-2", user_key="51", product="suite", user_email="leo@other.example")],
        )
    with pytest.raises(VimError) as caught:
        house.erase("51")
    assert caught.value.code == "VIM-E192"
    house.erase("kim@acme.example")
    with open_warehouse(house.settings).session(read_only=True) as session:
        kept = session.rows("select user_key, user_email from raw.license_assignments where assignment_key = 'LIC-51'")
    assert kept == [{"user_key": "51", "user_email": "leo@other.example"}]
    suppression = read_suppression(house.store, house.settings)
    assert suppression.has_key("51", "contact") and not suppression.has_key("51", "user")


def test_the_note_of_an_erasure_may_not_name_the_person(house):
    with pytest.raises(VimError) as caught:
        house.erase(note=f"asked by {NAME}")
    assert caught.value.code == "VIM-E193"


def test_a_colleague_keeps_their_decisions_under_a_pseudonym(house):
    """Who approved must stay one and the same person, whoever that was."""
    done = house.erase("mona@vendor.example")
    assert done.counts["store.approval_events"] == 2 and events.verify_chain(house.store) == []
    with house.store.session() as session:
        actors = set(session.scalars(select(ApprovalEvent.actor).where(ApprovalEvent.action.in_(("approve", "reject")))))
        assert actors == set(session.scalars(select(ApprovalRequest.decided_by).where(ApprovalRequest.decided_by.is_not(None))))
        assert len(actors) == 1 and actors.pop().startswith(TOKEN)
        assert [row.is_active for row in session.scalars(select(Person))] == [False]
    assert find_person(house.store, "email", "mona@vendor.example") is None
    assert naming(house, ("mona@vendor.example", "mona reviewer")) == []


def test_the_next_reading_leaves_the_person_out_and_adds_no_version_of_what_was_cleaned(house):
    """Otherwise each erasure would add a version of every row that it touched, every night."""
    house.erase()
    suppression = read_suppression(house.store, house.settings)
    with open_warehouse(house.settings).session(read_only=True) as session:
        in_raw = session.scalar("select content_hash from raw.documents")
    rows = [as_read("contact", CONTACT_ROW), as_read("contact", NAMESAKE)]
    rejected = [Rejected(CONTACT, "type_error", "x", f'{{"email": "{MAIL}"}}'), Rejected("CON-3", "type_error", f"seen with {MAIL}", '{"title": "b"}')]
    contacts, touched = without_erased(suppression, ENTITIES["contact"], Extracted("contact", rows, rejected, 4, fields={}))
    assert [row.key for row in contacts.rows] == ["CON-88002"] and contacts.rows[0].values["full_name"] == NAME
    assert touched == 3 and [item.row_key for item in contacts.rejected] == ["CON-3"] and MAIL not in contacts.rejected[0].detail
    documents, touched = without_erased(suppression, ENTITIES["document"], Extracted("document", [as_read("document", DOCUMENT_ROW)], [], 1, fields={}))
    assert touched == 1 and documents.rows[0].content_hash == in_raw


def as_read(name: str, row: dict[str, Any]) -> Row:
    entity = ENTITIES[name]
    values = {column.name: row[column.name] for column in entity.columns}
    return Row(row[entity.key], values, NOW, False, sha256_json(values))


def test_telemetry_of_an_erased_person_is_dropped(house):
    house.erase()
    suppression = read_suppression(house.store, house.settings)
    event = {"product": "suite", "occurred_at": NOW, "recorded_at": NOW, "source_name": "t", "source_file": "g", "load_number": 2}
    with open_warehouse(house.settings).session() as session:
        append_rows(session, "raw.usage_events", [event | {"event_id": "E8", "user_key": USER}, event | {"event_id": "E9", "user_key": "USR-1"}])
        assert drop_events_of_erased(session, suppression, 2) == 1
        assert session.rows("select user_key from raw.usage_events where load_number = 2") == [{"user_key": "USR-1"}]


def test_a_lost_key_stops_the_night_instead_of_bringing_everybody_back(house):
    house.erase()
    (house.settings.home / SECRET_FILE).unlink()
    with pytest.raises(VimError) as caught:
        read_suppression(house.store, house.settings)
    assert caught.value.code == "VIM-E190"


def test_nobody_was_erased_so_nothing_is_asked(tmp_path):
    settings = Settings(home=tmp_path)
    store = open_store(settings)
    assert read_suppression(store, settings) is None and not (tmp_path / SECRET_FILE).exists()
    store.engine.dispose()


def test_the_list_holds_hashes_only(house):
    house.erase()
    with house.store.session() as session:
        row = session.scalars(select(Erasure)).one()
    assert not [text for text in CALLED if text in str(replace_none(row)).casefold()]


def replace_none(row: Erasure) -> dict[str, Any]:
    return {column.name: getattr(row, column.name) for column in row.__table__.columns}
