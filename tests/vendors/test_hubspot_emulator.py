"""The HubSpot emulator by itself: against answers recorded from a real portal, and against what HubSpot's documents say of limits and errors.

Asked by plain HTTP and not by our client, so that a misreading shared by both cannot hide.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from vendor_sandbox import Control, control_of, make_sandbox, write_source

from vim_pipelines.sandbox.emulators.hubspot import SERVICE_KEY, HubSpotEmulator
from vim_pipelines.sandbox.emulators.hubspot_objects import TYPES
from vim_pipelines.sandbox.emulators.run import Server
from vim_pipelines.sandbox.emulators.state import SandboxClock
from vim_pipelines.sandbox.hubspot_seed import record_id, seed_hubspot

RECORDED = Path(__file__).resolve().parents[3] / "shared" / "data" / "hubspot_api_mock"
needs_recorded = pytest.mark.skipif(
    not RECORDED.is_dir(), reason="the recorded answers of a real portal are not on this machine (shared/data/hubspot_api_mock)"
)
OBJECTS, ASSOCIATIONS = "/crm/objects/2026-09", "/crm/associations/2026-09"
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z")

Ask = Callable[..., httpx.Response]


class Clock:
    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Clock]]:
    directory = make_sandbox(tmp_path_factory.mktemp("hubspot") / "sandbox")
    write_source(directory / "source", "contact", [
        {"contact_key": "CON-1", "account_key": "ACC-00001", "full_name": "Maria Johnson (Sample Contact)", "email": "emailmaria@example.com", "is_active": True,
         "modified_at": _moment("2026-06-01T10:00:00"), "title": "Buyer"},
        {"contact_key": "CON-1", "account_key": "ACC-00001", "full_name": "Maria Johnson (Sample Contact)", "email": "emailmaria@example.com", "is_active": False,
         "modified_at": _moment("2026-06-02T10:00:00.250"), "title": "Buyer"},
    ])  # fmt: skip
    seed_hubspot(directory / "source", directory / "hubspot.db")
    clock = Clock()
    emulator = HubSpotEmulator(directory / "hubspot.db", SandboxClock(directory / "clock.json"), search_lag_seconds=0, monotonic=clock)
    server = Server(emulator.app)
    yield server.url, clock
    server.stop()
    emulator.close()


def _moment(text: str) -> Any:
    from datetime import datetime

    return datetime.fromisoformat(text)


@pytest.fixture
def ask(served: tuple[str, Clock]) -> Iterator[Ask]:
    with httpx.Client(base_url=served[0], headers={"Authorization": f"Bearer {SERVICE_KEY}"}, trust_env=False) as client:
        yield lambda method, path, body=None, **params: client.request(method, path, json=body, params=params or None)


@pytest.fixture
def control(served: tuple[str, Clock]) -> Iterator[Control]:
    call = control_of(served[0])
    yield call
    nothing = {"requests_per_10_seconds": None, "daily_requests": None, "searches_per_second": None, "search_lag_seconds": 0, "most_results": 10_000}
    call("POST", "limits", nothing)
    call("POST", "scopes", {"missing": []})


def recorded(name: str) -> list[dict[str, Any]]:
    return list(json.loads((RECORDED / f"mock_{name}.json").read_text())["results"])


def shape(value: Any) -> Any:
    """The form of a value, not its content: keys, kinds, and which texts are moments."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return "moment" if isinstance(value, str) and MOMENT.fullmatch(value) else type(value).__name__


def is_error(response: httpx.Response, status: int, category: str) -> dict[str, Any]:
    """The error body of HubSpot's specification: category, correlationId and message are always there."""
    body: dict[str, Any] = response.json()
    assert (response.status_code, body["status"], body["category"]) == (status, "error", category), body
    uuid.UUID(body["correlationId"])
    assert body["message"]
    return body


# ---- against the recorded answers


@needs_recorded
@pytest.mark.parametrize(("kind", "unset"), [("companies", set()), ("contacts", set()), ("deals", {"closedate"})])
def test_a_default_list_has_the_form_of_the_recorded_one(ask: Ask, kind: str, unset: set[str]) -> None:
    (theirs, *_), ours = recorded(f"{kind}_data"), ask("GET", f"{OBJECTS}/{kind}").json()["results"][0]
    expected, found = shape(theirs), shape(ours)
    for name in unset:  # the recorded deals have no close date, ours may
        expected["properties"].pop(name)
        assert found["properties"].pop(name) in ("NoneType", "moment")
    found["properties"] = {name: "str" if value == "NoneType" else value for name, value in found["properties"].items()}
    assert found == expected
    assert ours["properties"]["hs_object_id"] == ours["id"] and theirs["properties"]["hs_object_id"] == theirs["id"]


@needs_recorded
def test_moments_have_milliseconds_only_where_there_are_any_as_recorded(ask: Ask) -> None:
    theirs = {record["properties"]["createdate"] for kind in ("tickets", "companies", "contacts") for record in recorded(f"{kind}_data")}
    assert "2023-01-15T05:00:00Z" in theirs and all(MOMENT.fullmatch(text) and not text.endswith(".000Z") for text in theirs)
    contact = ask("GET", f"{OBJECTS}/contacts/{record_id('contact', 'CON-1')}").json()
    assert (contact["createdAt"], contact["updatedAt"]) == ("2026-06-01T10:00:00Z", "2026-06-02T10:00:00.250Z")


@needs_recorded
def test_history_and_associations_have_the_recorded_form(ask: Ask) -> None:
    theirs = recorded("contacts_with_history")[1]
    ours = ask("GET", f"{OBJECTS}/contacts", propertiesWithHistory="city,email,acct_is_active,lastmodifieddate", associations="companies").json()["results"][0]
    assert set(ours) == set(theirs)
    line, mine = theirs["propertiesWithHistory"]["city"], ours["propertiesWithHistory"]["email"]
    assert shape(mine) == shape(line) and theirs["propertiesWithHistory"]["address"] == [] == ours["propertiesWithHistory"]["city"]
    assert [item["value"] for item in ours["propertiesWithHistory"]["acct_is_active"]] == ["false", "true"], "newest first, as recorded"
    newest = [item["timestamp"] for item in recorded("contacts_with_history")[0]["propertiesWithHistory"]["lastmodifieddate"]]
    assert newest == sorted(newest, reverse=True)
    link = theirs["associations"]["deals"]["results"][0]
    assert link["type"] == "contact_to_deal" and shape(ours["associations"]["companies"]["results"][0]) == shape(link)
    assert {item["type"] for item in ours["associations"]["companies"]["results"]} == {"contact_to_company", "contact_to_company_unlabeled"}


@needs_recorded
def test_hubspots_own_contact_properties_are_those_of_a_real_portal(ask: Ask) -> None:
    real = {item["name"] for item in recorded("contacts_properties")}
    ours = {item["name"] for item in ask("GET", "/crm/properties/2026-09/contacts").json()["results"] if item["hubspotDefined"]}
    # The portal was recorded in 2023, before HubSpot had this one.
    assert ours - real == {"hs_full_name_or_email"}


# ---- paths, rights, errors


def test_only_dated_paths_are_served(ask: Ask) -> None:
    assert ask("GET", "/crm/v3/objects/companies").status_code == 404
    is_error(ask("GET", "/crm/objects/2025-01/companies"), 404, "OBJECT_NOT_FOUND")
    assert ask("GET", "/crm/objects/2026-03/companies").status_code == 200


def test_a_wrong_key_and_a_missing_scope_are_told_apart(ask: Ask, served: tuple[str, Clock], control: Control) -> None:
    is_error(httpx.get(f"{served[0]}{OBJECTS}/companies", headers={"Authorization": "Bearer nothing"}, trust_env=False), 401, "INVALID_AUTHENTICATION")
    control("POST", "scopes", {"missing": ["crm.objects.companies.write"]})
    body = is_error(ask("PATCH", f"{OBJECTS}/companies/1", {"properties": {}}), 403, "MISSING_SCOPES")
    assert body["errors"][0]["context"] == {"requiredGranularScopes": ["crm.objects.companies.write"]}
    assert ask("GET", f"{OBJECTS}/companies").status_code == 200


def test_a_value_that_is_not_valid_is_told_as_the_changelog_shows_it(ask: Ask) -> None:
    properties = {"nothing": "1", "vim_risk_score": "high", "hs_object_id": "7"}
    body = is_error(ask("PATCH", f"{OBJECTS}/companies/{record_id('account', 'ACC-00001')}", {"properties": properties}), 400, "VALIDATION_ERROR")
    listed = json.loads(body["message"].removeprefix("Property values were not valid: "))
    assert {(item["name"], item["error"], item["isValid"]) for item in listed} == {
        ("nothing", "PROPERTY_DOESNT_EXIST", False), ("vim_risk_score", "INVALID_DOUBLE", False), ("hs_object_id", "READ_ONLY_VALUE", False),
    }  # fmt: skip


def test_a_unique_value_is_held_once(ask: Ask) -> None:
    first = ask("POST", f"{OBJECTS}/contacts", {"properties": {"email": "one@example.com", "firstname": "One"}, "associations": []})
    assert first.status_code == 201
    again = is_error(ask("POST", f"{OBJECTS}/contacts", {"properties": {"email": "ONE@example.com"}, "associations": []}), 409, "CONFLICT")
    assert again["message"] == f"Contact already exists. Existing ID: {first.json()['id']}"
    other = ask("POST", f"{OBJECTS}/contacts", {"properties": {"email": "two@example.com"}, "associations": []}).json()["id"]
    taken = is_error(ask("PATCH", f"{OBJECTS}/contacts/{other}", {"properties": {"email": "one@example.com"}}), 400, "VALIDATION_ERROR")
    assert taken["errors"][0]["code"] == "CONFLICTING_UNIQUE_VALUE"
    ask("DELETE", f"{OBJECTS}/contacts/{first.json()['id']}")
    assert ask("PATCH", f"{OBJECTS}/contacts/{other}", {"properties": {"email": "one@example.com"}}).status_code == 200


def test_a_batch_without_trace_ids_is_all_or_nothing_and_with_them_each_apart(ask: Ask) -> None:
    good, bad = {"properties": {"name": "Batch"}, "associations": []}, {"properties": {"nope": "1"}, "associations": []}
    is_error(ask("POST", f"{OBJECTS}/companies/batch/create", {"inputs": [good, bad]}), 400, "VALIDATION_ERROR")
    search = {"filterGroups": [{"filters": [{"propertyName": "name", "operator": "EQ", "value": "batch"}]}], "limit": 10}
    assert ask("POST", f"{OBJECTS}/companies/search", search).json()["total"] == 0
    traced = [{**good, "objectWriteTraceId": "a"}, {**bad, "objectWriteTraceId": "b"}]
    answer = ask("POST", f"{OBJECTS}/companies/batch/create", {"inputs": traced})
    body = answer.json()
    assert answer.status_code == 207 and body["status"] == "COMPLETE" and body["numErrors"] == 1
    assert [item["objectWriteTraceId"] for item in body["results"]] == ["a"] and body["errors"][0]["context"]["objectWriteTraceId"] == ["b"]
    assert ask("POST", f"{OBJECTS}/companies/search", search).json()["total"] == 1


def test_a_hundred_inputs_are_the_most(ask: Ask) -> None:
    inputs = [{"id": str(number), "properties": {}} for number in range(101)]
    is_error(ask("POST", f"{OBJECTS}/companies/batch/upsert", {"inputs": inputs}), 400, "VALIDATION_ERROR")
    is_error(ask("GET", f"{OBJECTS}/companies", limit=101), 400, "VALIDATION_ERROR")


def test_an_unassociated_record_is_named_in_a_207(ask: Ask) -> None:
    known = record_id("contact", "CON-1")
    answer = ask("POST", f"{ASSOCIATIONS}/contacts/companies/batch/read", {"inputs": [{"id": known}, {"id": "12"}]})
    body = answer.json()
    assert answer.status_code == 207 and [item["from"]["id"] for item in body["results"]] == [known]
    assert shape(body["results"][0]["to"]) == [{"toObjectId": "str", "associationTypes": [{"category": "str", "typeId": "int", "label": "str"}]}]
    assert body["errors"][0]["subCategory"] == "crm.associations.NO_ASSOCIATIONS_FOUND"


def test_an_archived_record_is_only_in_the_archived_list(ask: Ask) -> None:
    made = ask("POST", f"{OBJECTS}/notes", {"properties": {"hs_timestamp": "2026-06-29T06:00:00Z", "hs_note_body": "x"}, "associations": []}).json()["id"]
    assert ask("DELETE", f"{OBJECTS}/notes/{made}").status_code == 204
    is_error(ask("GET", f"{OBJECTS}/notes/{made}"), 404, "OBJECT_NOT_FOUND")
    assert made not in [item["id"] for item in ask("GET", f"{OBJECTS}/notes", limit=100).json()["results"]]
    (gone,) = [item for item in ask("GET", f"{OBJECTS}/notes", limit=100, archived="true").json()["results"] if item["id"] == made]
    assert gone["archived"] is True and MOMENT.fullmatch(gone["archivedAt"])
    assert ask("POST", f"{OBJECTS}/notes/search", {"filterGroups": [], "limit": 100}).json()["total"] == 0


# ---- search


@pytest.mark.parametrize(
    "body",
    [
        {"limit": 201},
        {"limit": 100, "after": "9950"},
        {"filterGroups": [{"filters": []}] * 6},
        {"filterGroups": [{"filters": [{"propertyName": "name", "operator": "HAS_PROPERTY"}] * 7}]},
        {"filterGroups": [{"filters": [{"propertyName": "nothing", "operator": "EQ", "value": "1"}]}]},
        {"filterGroups": [{"filters": [{"propertyName": "name", "operator": "LIKE", "value": "1"}]}]},
        {"sorts": [{"propertyName": "name"}, {"propertyName": "domain"}]},
        {"properties": ["a_long_name_of_a_property"] * 200},
    ],
    ids=["page", "10000", "groups", "filters", "property", "operator", "sorts", "characters"],
)
def test_search_refuses_what_its_guide_refuses(ask: Ask, body: dict[str, Any]) -> None:
    is_error(ask("POST", f"{OBJECTS}/companies/search", {"filterGroups": [], **body}), 400, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    ("operator", "value", "found"),
    [
        ("EQ", "customer 1", 1), ("NEQ", "Customer 1", 3), ("CONTAINS_TOKEN", "Customer", 3), ("CONTAINS_TOKEN", "cust*", 3), ("NOT_CONTAINS_TOKEN", "Customer", 1),
        ("HAS_PROPERTY", "", 4), ("NOT_HAS_PROPERTY", "", 0),
    ],
)  # fmt: skip
def test_search_compares_text_without_case(ask: Ask, operator: str, value: str, found: int) -> None:
    filters = [{"propertyName": "name", "operator": operator, "value": value}, {"propertyName": "crm_account_id", "operator": "HAS_PROPERTY"}]
    assert ask("POST", f"{OBJECTS}/companies/search", {"filterGroups": [{"filters": filters}], "limit": 10}).json()["total"] == found


def test_search_compares_moments_and_numbers_by_value_and_sorts(ask: Ask) -> None:
    milliseconds = "1780403415250"  # 2026-06-02T12:30:15.250Z
    filters = [
        {"propertyName": "hs_lastmodifieddate", "operator": "GTE", "value": milliseconds},
        {"propertyName": "acct_arr", "operator": "GT", "value": "9000"},
    ]
    body = {"filterGroups": [{"filters": filters}], "sorts": ["-hs_lastmodifieddate"], "properties": ["crm_account_id"], "limit": 2}
    first = ask("POST", f"{OBJECTS}/companies/search", body).json()
    assert first["total"] == 3 and [item["properties"]["crm_account_id"] for item in first["results"]] == ["ACC-00004", "ACC-00003"]
    rest = ask("POST", f"{OBJECTS}/companies/search", {**body, "after": first["paging"]["next"]["after"]}).json()
    assert [item["properties"]["crm_account_id"] for item in rest["results"]] == ["ACC-00002"] and "paging" not in rest


# ---- limits


def test_the_headers_tell_the_limits_and_are_absent_on_search(ask: Ask) -> None:
    headers = ask("GET", f"{OBJECTS}/companies").headers
    assert headers["X-HubSpot-RateLimit-Max"] == "190" and headers["X-HubSpot-RateLimit-Interval-Milliseconds"] == "10000"
    found = ask("POST", f"{OBJECTS}/companies/search", {"filterGroups": []})
    assert found.status_code == 200 and not [name for name in found.headers if "ratelimit" in name.lower()]


def test_each_limit_names_its_policy_and_renews(ask: Ask, served: tuple[str, Clock], control: Control) -> None:
    control("POST", "limits", {"requests_per_10_seconds": 2, "searches_per_second": 1})
    answers = [ask("GET", f"{OBJECTS}/companies") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429] and answers[2].json()["policyName"] == "TEN_SECONDLY_ROLLING"
    searches = [ask("POST", f"{OBJECTS}/companies/search", {"filterGroups": []}) for _ in range(2)]
    assert [answer.status_code for answer in searches] == [200, 429] and searches[1].json()["policyName"] == "SECONDLY"
    served[1].time += 10.1
    assert ask("GET", f"{OBJECTS}/companies").status_code == 200
    control("POST", "limits", {"daily_requests": 1})
    assert is_error(ask("GET", f"{OBJECTS}/companies"), 429, "RATE_LIMITS")["policyName"] == "DAILY"


def test_every_id_has_the_same_length_so_that_text_order_is_number_order(ask: Ask) -> None:
    made = ask("POST", f"{OBJECTS}/companies", {"properties": {"name": "Length"}, "associations": []}).json()["id"]
    assert len(made) == len(record_id("account", "ACC-00001")) == len(record_id("ebr", "x")) and made > record_id("account", "ACC-00001")
    ask("DELETE", f"{OBJECTS}/companies/{made}")


def test_every_object_of_the_sandbox_is_described_with_its_unique_property(ask: Ask) -> None:
    for name, kind in TYPES.items():
        described = {item["name"]: item for item in ask("GET", f"/crm/properties/2026-09/{name}").json()["results"]}
        assert set(described) == set(kind.properties)
        assert {"name", "label", "type", "fieldType", "groupName", "options", "hasUniqueValue", "modificationMetadata"} <= set(described["hs_object_id"])
    assert described["vim_key"]["hasUniqueValue"], "the last one is p_vim_drafts"
