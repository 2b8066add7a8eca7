"""Zendesk's exports: the client over real loopback HTTP, and the emulator against what developer.zendesk.com says."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from vendor_sandbox import NOW, Control, Waits, account, set_clock, ticket, write_source

from vim_pipelines.core.dates import utc_moment
from vim_pipelines.core.errors import VimError
from vim_pipelines.ingestion.readers.zendesk import ZendeskReader
from vim_pipelines.portfolio.model import EntityMap
from vim_pipelines.sandbox.emulators.run import Running, start_emulators
from vim_pipelines.sandbox.emulators.state import SandboxClock
from vim_pipelines.sandbox.emulators.zendesk import ZendeskEmulator
from vim_pipelines.sandbox.zendesk_seed import numeric_ids
from vim_pipelines.settings import Settings
from vim_pipelines.vendors.http import TransportOptions, VendorError
from vim_pipelines.vendors.zendesk import TicketPage, ZendeskClient, client_from_settings, flatten_ticket

START = datetime(2026, 1, 1)


def read(client: ZendeskClient, **arguments: Any) -> list[TicketPage]:
    return list(client.incremental_tickets(**(arguments or {"start_time": START})))


def keys(pages: list[TicketPage]) -> list[str]:
    return [item["external_id"] for page in pages for item in page.tickets]


# ---- tickets


def test_a_ticket_carries_its_account_metrics_and_requester(zendesk: ZendeskClient) -> None:
    organizations = {item["id"]: item["external_id"] for item in zendesk.organizations()}
    assert sorted(organizations.values()) == [f"ACC-{number:05d}" for number in range(1, 5)]
    (page,) = read(zendesk)
    users = {user["id"]: user["external_id"] for user in page.users}
    row = flatten_ticket(page.tickets[0], organizations, users)
    assert row == {
        "id": "1",
        "external_id": "TCK-000001",
        "organization_id": page.tickets[0]["organization_id"],
        "organization_external_id": "ACC-00001",
        "subject": "Ticket 1",
        "priority": "urgent",
        "priority_level": "P1",
        "status": "solved",
        "requester_id": page.tickets[0]["requester_id"],
        "requester_external_id": "U-000000001",
        "created_at": "2026-06-01T09:00:00Z",
        "updated_at": "2026-06-03T09:00:00Z",
        "solved_at": "2026-06-03T08:59:00Z",
        "reopens": 1,
        "is_escalated": True,
        "tags": ["escalated"],
    }
    assert utc_moment(row["created_at"]) == datetime(2026, 6, 1, 9)


def test_a_sparse_ticket_is_flattened_without_invention() -> None:
    row = flatten_ticket({"id": 9, "priority": None, "organization_id": None}, {}, {})
    assert (row["id"], row["priority_level"], row["organization_external_id"], row["solved_at"], row["reopens"], row["is_escalated"]) == (
        "9",
        None,
        None,
        None,
        None,
        False,
    )


def test_deleted_tickets_are_exported_and_the_last_minute_is_not(sandbox: Path, zendesk: ZendeskClient) -> None:
    (page,) = read(zendesk)
    assert [(item["external_id"], item["status"]) for item in page.tickets] == [("TCK-000001", "solved"), ("TCK-000002", "deleted")]
    set_clock(sandbox, NOW + timedelta(seconds=31))
    assert keys(read(zendesk, cursor=page.after_cursor)) == ["TCK-000003"]


def test_a_cursor_goes_on_where_it_stopped_and_stays_when_nothing_is_new(zendesk: ZendeskClient) -> None:
    (page,) = read(zendesk)
    assert page.end_of_stream and page.after_cursor
    (again,) = read(zendesk, cursor=page.after_cursor)
    assert (again.tickets, again.after_cursor, again.end_of_stream) == ([], page.after_cursor, True)


def test_pages_follow_the_cursor_without_repeating(tmp_path: Path, options: TransportOptions) -> None:
    """Many tickets of one second: a time-based export repeats them at every page boundary, the cursor does not."""
    write_source(tmp_path / "source", "ticket", [ticket(number, datetime(2026, 5, 1, 0, 0, number // 20)) for number in range(1, 51)])
    with (
        start_emulators(tmp_path) as running,
        ZendeskClient(
            running.url("zendesk"), running.credentials["zendesk_client_id"], running.credentials["zendesk_client_secret"], options=options
        ) as client,
    ):
        pages = read(client, start_time=START, per_page=7)
        assert [len(page.tickets) for page in pages] == [7] * 7 + [1]
        assert keys(pages) == [f"TCK-{number:06d}" for number in range(1, 51)]
        assert [page.end_of_stream for page in pages] == [False] * 7 + [True]
        assert keys(read(client, cursor=pages[2].after_cursor)) == [f"TCK-{number:06d}" for number in range(22, 51)]


def test_the_clock_brings_the_next_version_of_a_ticket(tmp_path: Path, options: TransportOptions) -> None:
    versions = [ticket(1, NOW - timedelta(days=1), status="open"), ticket(1, NOW + timedelta(hours=2), status="pending")]
    write_source(tmp_path / "source", "ticket", versions)
    set_clock(tmp_path, NOW)
    with (
        start_emulators(tmp_path) as running,
        ZendeskClient(
            running.url("zendesk"), running.credentials["zendesk_client_id"], running.credentials["zendesk_client_secret"], options=options
        ) as client,
    ):
        (page,) = read(client)
        set_clock(tmp_path, NOW + timedelta(days=1))
        (later,) = read(client, cursor=page.after_cursor)
        assert [item["status"] for item in (*page.tickets, *later.tickets)] == ["open", "pending"]


def scripted(options: TransportOptions, answers: list[dict[str, Any]], asked: list[str]) -> ZendeskClient:
    """A client of a Zendesk that gives these export answers in turn and notes what it was asked."""
    following = iter(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/oauth/tokens":
            return httpx.Response(200, json={"access_token": "t"})
        asked.append(request.url.params.get("start_time") or request.url.params.get("cursor") or "")
        return httpx.Response(200, json=next(following))

    return ZendeskClient("https://acme.zendesk.com", "id", "secret", options=replace(options, transport=httpx.MockTransport(answer)))


def test_an_export_that_does_not_move_on_is_an_error(options: TransportOptions) -> None:
    """A client that trusts end_of_stream alone asks the same page for ever."""
    asked: list[str] = []
    with scripted(options, [{"tickets": [], "after_cursor": "abc", "end_of_stream": False}] * 3, asked) as client, pytest.raises(VendorError) as caught:
        read(client, cursor="abc")
    assert (caught.value.code, asked) == ("VIM-E013", ["abc"])


def test_a_cursor_is_kept_where_zendesk_gives_none(options: TransportOptions) -> None:
    """Accounts answer an empty page with a null cursor; storing that would start the export all over."""
    with scripted(options, [{"tickets": [], "after_cursor": None, "end_of_stream": True}], []) as client:
        (page,) = read(client, cursor="abc")
    assert page.after_cursor == "abc"


def test_more_events_in_one_second_than_a_page_holds_do_not_stop_the_export(options: TransportOptions) -> None:
    """Time-based pages start where the last one ended; if that is where it began, the next second has to be asked for."""
    asked: list[str] = []
    start = int((START - datetime(1970, 1, 1)).total_seconds())
    full = {"ticket_metric_events": [{"id": 1}, {"id": 2}], "end_time": start, "end_of_stream": False, "next_page": "x"}
    last = {"ticket_metric_events": [{"id": 3}], "end_time": start + 1, "count": 1, "next_page": None}
    with scripted(options, [full, last], asked) as client:
        pages = list(client.incremental_ticket_metric_events(START))
    assert asked == [str(start), str(start + 1)]
    assert [event["id"] for page in pages for event in page.events] == [1, 2, 3]


# ---- metric events


def test_metric_events_tell_a_tickets_history(zendesk: ZendeskClient) -> None:
    (page,) = zendesk.incremental_ticket_metric_events(START)
    assert [(event["ticket_id"], event["metric"], event["type"], event["time"]) for event in page.events] == [
        (1, "resolution_time", "activate", "2026-06-01T09:00:00Z"),
        (1, "resolution_time", "fulfill", "2026-06-03T09:00:00Z"),
    ]
    assert page.end_of_stream and datetime.fromtimestamp(page.end_time) - datetime.fromtimestamp(0) == datetime(2026, 6, 3, 9) - datetime(1970, 1, 1)


def test_every_metric_event_comes_once_over_many_pages(tmp_path: Path, options: TransportOptions) -> None:
    def event(number: int) -> dict[str, Any]:
        moment = datetime(2026, 5, 1) + timedelta(seconds=number // 300)
        return {
            "ticket_event_key": str(number),
            "ticket_key": "TCK-000001",
            "metric": "reply_time",
            "event_type": "activate",
            "occurred_at": moment,
            "modified_at": moment,
        }

    write_source(tmp_path / "source", "ticket_event", [event(number) for number in range(1, 2501)])
    with (
        start_emulators(tmp_path) as running,
        ZendeskClient(
            running.url("zendesk"), running.credentials["zendesk_client_id"], running.credentials["zendesk_client_secret"], options=options
        ) as client,
    ):
        pages = list(client.incremental_ticket_metric_events(START))
        assert [event["id"] for page in pages for event in page.events] == list(range(1, 2501))
        assert len(pages) > 2 and [page.end_of_stream for page in pages] == [False] * (len(pages) - 1) + [True]


# ---- limits, login, errors


def test_the_limit_of_ten_a_minute_is_waited_for(zendesk: ZendeskClient, zendesk_control: Control, waits: Waits) -> None:
    zendesk_control("POST", "faults", {"path": "/incremental/", "status": 429, "retry_after": "41"})
    assert len(read(zendesk)) == 1
    assert len(waits.seconds) == 1 and 41 <= waits.seconds[0] <= 41.5


def test_the_emulator_counts_exports_in_a_sliding_minute(sandbox: Path, tmp_path: Path) -> None:
    """Driven by a clock of its own: 10 pass, the 11th is told how long to wait, and after that it passes."""
    from starlette.testclient import TestClient

    time = [0.0]
    emulator = ZendeskEmulator(
        tmp_path / "z.db", SandboxClock(sandbox / "clock.json"), client_id="i", client_secret="s", requests_per_minute=10, monotonic=lambda: time[0]
    )
    client = TestClient(emulator.app, client=("127.0.0.1", 1))
    token = client.post("/oauth/tokens", json={"grant_type": "client_credentials", "client_id": "i", "client_secret": "s"}).json()["access_token"]

    def export() -> httpx.Response:
        return client.get("/api/v2/incremental/tickets/cursor.json?start_time=0", headers={"Authorization": f"Bearer {token}"})

    for second in range(10):
        time[0] = float(second)
        assert export().status_code == 200
    refused = export()
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "51")
    time[0] += 51
    assert export().status_code == 200
    assert client.get("/api/v2/organizations.json", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    emulator.close()


def test_a_token_that_ended_is_replaced_once(zendesk: ZendeskClient, zendesk_control: Control) -> None:
    read(zendesk)
    zendesk_control("POST", "expire_tokens")
    assert len(read(zendesk)) == 1
    zendesk_control("POST", "faults", {"path": "/incremental/", "status": 401, "times": 5})
    with pytest.raises(VendorError) as caught:
        read(zendesk)
    assert caught.value.code == "VIM-E011"
    assert len([entry for entry in zendesk_control("GET", "requests") if entry["path"] == "/oauth/tokens"]) == 3


def test_wrong_credentials_say_so_without_the_secret(shared_running: Running, options: TransportOptions) -> None:
    with ZendeskClient(shared_running.url("zendesk"), shared_running.credentials["zendesk_client_id"], "the-wrong-secret", options=options) as client:
        with pytest.raises(VendorError) as caught:
            list(client.organizations())
        assert (caught.value.code, caught.value.vendor_code, caught.value.status) == ("VIM-E011", "invalid_client", 401)
        assert "the-wrong-secret" not in str(caught.value) and "the-wrong-secret" not in repr(client)


def test_a_start_time_of_this_minute_is_refused(zendesk: ZendeskClient) -> None:
    with pytest.raises(VendorError) as caught:
        read(zendesk, start_time=NOW)
    assert (caught.value.code, caught.value.status, caught.value.vendor_code) == ("VIM-E013", 422, "InvalidValue")
    assert "Too recent start_time" in str(caught.value)


def test_settings_make_a_client_or_name_what_is_missing(shared_running: Running) -> None:
    given = {name: value for name, value in shared_running.credentials.items() if name.startswith("zendesk")}
    with client_from_settings(Settings(**given)) as client:
        assert len(list(client.organizations())) == 4
    with pytest.raises(VimError) as caught:
        client_from_settings(Settings(**{**given, "zendesk_client_id": ""}))
    assert caught.value.code == "VIM-E001" and "ZENDESK_CLIENT_ID" in str(caught.value)


# ---- what the documents say of the wire


def test_the_bodies_on_the_wire(shared_running: Running) -> None:
    with httpx.Client(base_url=shared_running.url("zendesk"), trust_env=False) as client:
        login = {
            "grant_type": "client_credentials",
            "client_id": shared_running.credentials["zendesk_client_id"],
            "client_secret": shared_running.credentials["zendesk_client_secret"],
            "scope": "read",
        }
        token = client.post("/oauth/tokens", json=login).json()
        assert (token["token_type"], token["scope"], token["expires_in"]) == ("bearer", "read", 1800)
        refused = client.get("/api/v2/organizations.json")
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_token")
        client.headers["Authorization"] = f"Bearer {token['access_token']}"

        body = client.get("/api/v2/incremental/tickets/cursor.json", params={"start_time": 0, "per_page": 1}).json()
        assert set(body) == {"tickets", "after_url", "after_cursor", "before_url", "before_cursor", "end_of_stream"}
        assert body["after_url"] == f"{shared_running.url('zendesk')}/api/v2/incremental/tickets/cursor.json?cursor={body['after_cursor']}&per_page=1"
        assert "metric_set" not in body["tickets"][0]
        assert body["tickets"][0]["generated_timestamp"] == 1780477200
        empty = client.get("/api/v2/incremental/tickets/cursor", params={"start_time": 1782000000}).json()
        assert (empty["tickets"], empty["after_cursor"], empty["end_of_stream"]) == ([], None, True)
        assert client.get("/api/v2/incremental/tickets/cursor.json").status_code == 400
        assert client.get("/api/v2/incremental/tickets/cursor.json?cursor=nonsense").status_code == 400

        first = client.get("/api/v2/organizations.json", params={"page[size]": 3}).json()
        assert first["meta"]["has_more"] and len(first["organizations"]) == 3
        second = client.get(first["links"]["next"]).json()
        assert (second["meta"]["has_more"], second["links"]["next"], len(second["organizations"])) == (False, None, 1)

        events = client.get("/api/v2/incremental/ticket_metric_events.json", params={"start_time": 0}).json()
        assert set(events) == {"ticket_metric_events", "count", "end_time", "next_page", "end_of_stream"}
        assert events["ticket_metric_events"][0] == {
            "id": 11,
            "ticket_id": 1,
            "metric": "resolution_time",
            "instance_id": 1,
            "type": "activate",
            "time": "2026-06-01T09:00:00Z",
            "deleted": False,
        }
        missing = client.get("/api/v2/nonsense")
        assert missing.status_code == 404


# ---- ids


def test_a_tickets_number_is_the_one_in_its_key_unless_two_would_share_it() -> None:
    assert numeric_ids(["TCK-000123", "7"]) == {"TCK-000123": 123, "7": 7}
    for clash in (["A-1", "B-1"], ["A-1", "B"]):
        ids = numeric_ids(clash)
        assert len(set(ids.values())) == 2 and all(number < 2**48 for number in ids.values())


def test_events_of_a_ticket_that_is_not_there_share_the_numbering(tmp_path: Path, options: TransportOptions) -> None:
    """With two numberings the events of TCK-1 would have belonged to nobody."""
    write_source(tmp_path / "source", "account", [account(1, START)])
    write_source(tmp_path / "source", "ticket", [ticket(1, START)])
    event = {"metric": "reply_time", "event_type": "activate", "occurred_at": START, "modified_at": START}
    write_source(
        tmp_path / "source",
        "ticket_event",
        [{**event, "ticket_event_key": "1", "ticket_key": key} for key in ("TCK-000001",)] + [{**event, "ticket_event_key": "2", "ticket_key": "odd"}],
    )
    with (
        start_emulators(tmp_path) as running,
        ZendeskClient(
            running.url("zendesk"), running.credentials["zendesk_client_id"], running.credentials["zendesk_client_secret"], options=options
        ) as client,
    ):
        (page,) = read(client)
        (events,) = client.incremental_ticket_metric_events(START)
        assert page.tickets[0]["id"] in {event["ticket_id"] for event in events.events}


# ---- what was found by the random histories


def test_a_ticket_from_a_clock_that_is_ahead_comes_again(zendesk: ZendeskClient) -> None:
    """It is set aside as from the future; a cursor that had passed its page would never have brought it back."""
    mapping = EntityMap.model_validate({"source": "support", "object": "tickets", "fields": {"ticket_key": "id"}})
    both = ["TCK-000001", "TCK-000002"]
    behind = ZendeskReader(zendesk, datetime(2026, 6, 5, 8)).read("ticket", mapping, None)  # the second was changed at nine
    assert [row["external_id"] for row in behind.records] == both and behind.next_cursor() is None
    later = ZendeskReader(zendesk, datetime(2026, 6, 5, 9)).read("ticket", mapping, behind.next_cursor())
    assert [row["external_id"] for row in later.records] == both and later.next_cursor() is not None


def test_the_answer_to_another_question_is_not_taken(zendesk: ZendeskClient, zendesk_control: Control) -> None:
    zendesk_control("POST", "faults", {"path": "api/v2", "repeat": True, "skip": 1})
    list(zendesk.organizations())
    with pytest.raises(VendorError, match=r"VIM-E013 .*cursor\.json with something else than was asked for"):
        read(zendesk)
