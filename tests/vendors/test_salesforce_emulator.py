"""The emulator answers as Salesforce's documents say, byte for byte where a client looks: status codes, error arrays, bodies.

Sources: REST API Developer Guide, 'Status Codes and Error Responses', 'sObject Rows by External ID', 'Upsert Records Using sObject
Collections', 'Query', 'Query Options Header'; SOQL and SOSL Reference, 'Quoted String Escape Sequences'.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from vendor_sandbox import Control

from vim_pipelines.sandbox.emulators.objects import OBJECTS, record_id
from vim_pipelines.sandbox.emulators.run import Running
from vim_pipelines.sandbox.emulators.salesforce import SalesforceEmulator
from vim_pipelines.sandbox.emulators.state import SandboxClock

DATA = "/services/data/v66.0"
Api = Callable[..., httpx.Response]


def token_of(running: Running) -> str:
    form = {
        "grant_type": "client_credentials",
        "client_id": running.credentials["salesforce_client_id"],
        "client_secret": running.credentials["salesforce_client_secret"],
    }
    return str(httpx.post(f"{running.url('salesforce')}/services/oauth2/token", data=form, trust_env=False).json()["access_token"])


@contextmanager
def api_of(running: Running) -> Iterator[Api]:
    headers = {"Authorization": f"Bearer {token_of(running)}"}
    with httpx.Client(base_url=running.url("salesforce"), headers=headers, trust_env=False) as client:
        yield lambda method, path, **arguments: client.request(method, path if path.startswith("/services") else DATA + path, **arguments)


@pytest.fixture
def api(running: Running) -> Iterator[Api]:
    """`api("GET", "/sobjects/...")` with a valid token, under the data path unless the path names /services."""
    with api_of(running) as call:
        yield call


@pytest.fixture(scope="module")
def reading(shared_running: Running) -> Iterator[Api]:
    """As `api`, over an org that the module's tests share and none changes."""
    with api_of(shared_running) as call:
        yield call


def query(api: Api, soql: str, **arguments: Any) -> httpx.Response:
    return api("GET", "/query", params={"q": soql}, **arguments)


def ids(api: Api, where: str) -> list[str]:
    response = query(api, f"SELECT Id FROM Account WHERE {where} ORDER BY Id")
    assert response.status_code == 200, response.text
    return [record["Id"][-1] for record in response.json()["records"]]


# ---- login


def test_a_token_comes_with_the_instance_and_without_a_lifetime(shared_running: Running) -> None:
    form = {
        "grant_type": "client_credentials",
        "client_id": shared_running.credentials["salesforce_client_id"],
        "client_secret": shared_running.credentials["salesforce_client_secret"],
    }
    response = httpx.post(f"{shared_running.url('salesforce')}/services/oauth2/token", data=form, trust_env=False)
    assert response.status_code == 200
    assert response.json()["instance_url"] == shared_running.url("salesforce")
    assert response.json()["token_type"] == "Bearer" and "expires_in" not in response.json()


@pytest.mark.parametrize(
    ("change", "body"),
    [
        ({"client_id": "x"}, {"error": "invalid_client_id", "error_description": "client identifier invalid"}),
        ({"client_secret": "x"}, {"error": "invalid_client", "error_description": "invalid client credentials"}),
        ({"grant_type": "password"}, {"error": "unsupported_grant_type", "error_description": "grant type not supported"}),
    ],
)
def test_a_wrong_login_is_a_400_with_an_oauth_error(shared_running: Running, change: dict[str, str], body: dict[str, str]) -> None:
    form = {
        "grant_type": "client_credentials",
        "client_id": shared_running.credentials["salesforce_client_id"],
        "client_secret": shared_running.credentials["salesforce_client_secret"],
    } | change
    response = httpx.post(f"{shared_running.url('salesforce')}/services/oauth2/token", data=form, trust_env=False)
    assert (response.status_code, response.json()) == (400, body)


def test_without_a_valid_token_there_is_a_401(shared_running: Running) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic eDp5"}):
        response = httpx.get(f"{shared_running.url('salesforce')}{DATA}/sobjects", headers=headers, trust_env=False)
        assert (response.status_code, response.json()) == (401, [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}])


def test_what_does_not_exist_is_a_404(reading: Api) -> None:
    expected = (404, [{"message": "The requested resource does not exist", "errorCode": "NOT_FOUND"}])
    for path in ("/sobjects/Nonsense/describe", "/nonsense", "/sobjects/Account/ACC-99999", "/services/data/v12.0/sobjects"):
        response = reading("GET", path)
        assert (response.status_code, response.json()) == expected, path


def test_another_method_is_a_405(reading: Api) -> None:
    response = reading("PUT", "/sobjects/Account/ACC-00001", json={})
    assert response.status_code == 405
    assert response.json() == [{"message": "HTTP Method 'PUT' not allowed. Allowed are GET,PATCH,DELETE", "errorCode": "METHOD_NOT_ALLOWED"}]


def test_versions_need_no_token(shared_running: Running) -> None:
    versions = httpx.get(f"{shared_running.url('salesforce')}/services/data", trust_env=False).json()
    assert {"version": "66.0", "url": "/services/data/v66.0"}.items() <= versions[-2].items()


def test_each_answer_counts_against_the_daily_limit(api: Api, salesforce_control: Control) -> None:
    salesforce_control("POST", "limits", {"used": 17, "allowed": 19})
    assert api("GET", "/sobjects").headers["Sforce-Limit-Info"] == "api-usage=18/19"
    assert api("GET", "/limits").json()["DailyApiRequests"] == {"Max": 19, "Remaining": 0}
    response = api("GET", "/sobjects")
    assert (response.status_code, response.json()) == (403, [{"message": "TotalRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}])


# ---- queries


def test_a_query_answer_has_attributes_and_totals(reading: Api) -> None:
    assert query(reading, "SELECT Id, Name FROM Account WHERE Id = 'ACC-00002'").json() == {
        "totalSize": 1,
        "done": True,
        "records": [{"attributes": {"type": "Account", "url": f"{DATA}/sobjects/Account/ACC-00002"}, "Id": "ACC-00002", "Name": "Customer 2"}],
    }


def test_pages_are_of_the_batch_size_and_follow_the_next_url(api: Api) -> None:
    records = [{"attributes": {"type": "VIM_Draft__c"}, "VIM_Key__c": f"k{number:03}", "Account__c": "ACC-00001"} for number in range(410)]
    for start in (0, 200, 400):
        assert api("PATCH", "/composite/sobjects/VIM_Draft__c/VIM_Key__c", json={"records": records[start : start + 200]}).status_code == 200
    headers = {"Sforce-Query-Options": "batchSize=1"}  # the documented minimum is 200
    body = query(api, "SELECT VIM_Key__c FROM VIM_Draft__c ORDER BY VIM_Key__c", headers=headers).json()
    assert (body["totalSize"], body["done"], len(body["records"])) == (410, False, 200)
    assert re.fullmatch(rf"{DATA}/query/01g\w{{15}}-200", body["nextRecordsUrl"])
    again = [api("GET", body["nextRecordsUrl"], headers=headers).json() for _ in range(2)]
    assert again[0] == again[1], "a page that is asked for twice is the same page"
    last = api("GET", again[0]["nextRecordsUrl"], headers=headers).json()
    assert (last["done"], "nextRecordsUrl" in last, len(last["records"])) == (True, False, 10)
    keys = [record["VIM_Key__c"] for page in (body, again[0], last) for record in page["records"]]
    assert keys == [record["VIM_Key__c"] for record in records]
    response = api("GET", "/query/01gnonsense-200")
    assert (response.status_code, response.json()[0]["errorCode"]) == (400, "INVALID_QUERY_LOCATOR")


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("Name = 'customer 1'", ["1"]),
        ("Name != 'Customer 1'", ["2", "3", "4"]),
        ("Name LIKE 'customer%'", ["1", "2", "4"]),
        ("Name LIKE '%\\\\%'", ["3"]),
        ("Name LIKE 'Customer\\_1'", []),
        ("Name = 'O\\'Neil \\\\ S\\u00f6hne'", ["3"]),
        ("Id IN ('ACC-00001', 'ACC-00004')", ["1", "4"]),
        ("Id = 'acc-00001'", []),
        ("NOT (Name = 'Customer 1' OR Name = 'Customer 2')", ["3", "4"]),
        ("Name NOT IN ('Customer 1')", ["2", "3", "4"]),
        ("(Name = 'Customer 1' OR Name = 'Customer 2') AND ARR__c >= 60000.5", ["1", "2"]),
        ("ARR__c > 60000.5", []),
        ("Domain__c = null", ["1", "2", "3", "4"]),
        ("Domain__c != null", []),
        ("Domain__c != 'acme.com'", ["1", "2", "3", "4"]),
        ("IsDeleted = true", []),
        ("SystemModstamp >= 2026-06-02T12:30:15.250Z AND SystemModstamp < 2026-06-03T14:30:15.250+02:00", ["2"]),
        ("LastModifiedDate > 2026-06-03T12:30:15Z", ["3", "4"]),
        ("customer_since__c = NULL", ["1", "2", "3", "4"]),
        ("Customer_Since__c < 2026-01-01", []),
    ],
)
def test_conditions_mean_what_soql_says(reading: Api, where: str, found: list[str]) -> None:
    assert ids(reading, where) == found


@pytest.mark.parametrize(
    ("soql", "code", "message"),
    [
        ("SELECT Bogus FROM Account", "INVALID_FIELD", "No such column 'Bogus' on entity 'Account'."),
        ("SELECT Id, Id FROM Account", "INVALID_FIELD", "duplicate field selected: Id"),
        ("SELECT Id FROM Nonsense__c", "INVALID_TYPE", "sObject type 'Nonsense__c' is not supported."),
        ("SELECT Id FROM Account WHERE Name = 5", "INVALID_FIELD", "must be of type string and should be enclosed in quotes"),
        (
            "SELECT Id FROM Account WHERE SystemModstamp > '2026-01-01T00:00:00Z'",
            "INVALID_FIELD",
            "must be of type dateTime and should not be enclosed in quotes",
        ),
        ("SELECT Id FROM Account WHERE Id = 'a' OR Id = 'b' AND Id = 'c'", "MALFORMED_QUERY", "unexpected token: AND"),
        ("SELECT Id FROM Account WHERE Id IN ()", "MALFORMED_QUERY", "unexpected token: )"),
        ("SELECT Id FROM Account WHERE Name = 'a\\q'", "MALFORMED_QUERY", "Illegal string literal"),
        ("SELECT Id FROM Account WHERE Name = 'a", "MALFORMED_QUERY", "no viable alternative at character '''"),
        ("SELECT Id FROM Account; DELETE", "MALFORMED_QUERY", "no viable alternative at character ';'"),
        ("SELECT Id FROM Account LIMIT -1", "MALFORMED_QUERY", "unexpected token: -1"),
        ("DELETE FROM Account", "MALFORMED_QUERY", "unexpected token: DELETE"),
        ("SELECT FROM Account", "MALFORMED_QUERY", "unexpected token"),
    ],
)
def test_a_wrong_query_is_a_400_with_its_code(reading: Api, soql: str, code: str, message: str) -> None:
    response = query(reading, soql)
    assert response.status_code == 400
    assert response.json()[0]["errorCode"] == code
    assert message in response.json()[0]["message"]


def test_counting_and_limits(reading: Api) -> None:
    assert query(reading, "select count() from account").json() == {"totalSize": 4, "done": True, "records": []}
    rows = query(reading, "SELECT Id FROM Account ORDER BY Name DESC NULLS LAST, Id LIMIT 2 OFFSET 1").json()["records"]
    assert [row["Id"] for row in rows] == ["ACC-00004", "ACC-00002"]


# ---- single records


def test_create_answers_201_with_an_id_of_the_object(api: Api) -> None:
    response = api("POST", "/sobjects/Task", json={"Subject": "Call", "WhatId": "ACC-00001"})
    assert response.status_code == 201
    identity = response.json()["id"]
    assert response.json() == {"id": identity, "success": True, "errors": []}
    assert response.headers["Location"] == f"{DATA}/sobjects/Task/{identity}"
    assert re.fullmatch(r"00T\w{15}", identity)
    record = api("GET", f"/sobjects/Task/{identity}").json()
    assert (record["Status"], record["Priority"], record["IsDeleted"]) == ("Open", "Normal", False)
    assert record["CreatedDate"] == record["SystemModstamp"] == record["LastModifiedDate"]


def test_update_and_delete_answer_204_and_a_deleted_record_is_gone(api: Api) -> None:
    assert api("PATCH", "/sobjects/Account/ACC-00001", json={"VIM_Phase__c": "4"}).status_code == 204
    assert api("DELETE", "/sobjects/Account/ACC-00001").status_code == 204
    response = api("PATCH", "/sobjects/Account/ACC-00001", json={"VIM_Phase__c": "5"})
    assert (response.status_code, response.json()) == (404, [{"message": "entity is deleted", "errorCode": "ENTITY_IS_DELETED", "fields": []}])
    everything = api("GET", "/queryAll", params={"q": "SELECT Id FROM Account WHERE IsDeleted = TRUE"}).json()
    assert [row["Id"] for row in everything["records"]] == ["ACC-00001"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"Bogus__c": 1}, {"message": "No such column 'Bogus__c' on sobject of type VIM_Draft__c", "errorCode": "INVALID_FIELD"}),
        (
            {},
            {"message": "Required fields are missing: [VIM_Key__c, Account__c]", "errorCode": "REQUIRED_FIELD_MISSING", "fields": ["VIM_Key__c", "Account__c"]},
        ),
        (
            {"VIM_Key__c": "k", "Account__c": "ACC-99999"},
            {"message": "invalid cross reference id", "errorCode": "INVALID_CROSS_REFERENCE_KEY", "fields": ["Account__c"]},
        ),
        (
            {"Sha256__c": "x" * 65},
            {"message": f"Sha256__c: data value too large: {'x' * 65} (max length=64)", "errorCode": "STRING_TOO_LONG", "fields": ["Sha256__c"]},
        ),
    ],
)
def test_a_refused_create_names_the_field(reading: Api, body: dict[str, Any], expected: dict[str, Any]) -> None:
    response = reading("POST", "/sobjects/VIM_Draft__c", json=body)
    assert (response.status_code, response.json()) == (400, [expected])


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"SystemModstamp": "2026-01-01T00:00:00Z"}, "INVALID_FIELD_FOR_INSERT_UPDATE"),
        ({"Id": "ACC-00009"}, "INVALID_FIELD_FOR_INSERT_UPDATE"),
        ({"VIM_Risk_Score__c": "many"}, "JSON_PARSER_ERROR"),
        ({"VIM_Risk_Score__c": True}, "JSON_PARSER_ERROR"),
        ({"VIM_Assessed_At__c": "yesterday"}, "JSON_PARSER_ERROR"),
        ({"Name": {"a": 1}}, "JSON_PARSER_ERROR"),
        ({"Name": None}, "REQUIRED_FIELD_MISSING"),
        ({"Name": ""}, "REQUIRED_FIELD_MISSING"),
    ],
)
def test_a_refused_update_changes_nothing(api: Api, salesforce_control: Control, body: dict[str, Any], code: str) -> None:
    response = api("PATCH", "/sobjects/Account/ACC-00001", json={"VIM_Phase__c": "4", **body})
    assert (response.status_code, response.json()[0]["errorCode"]) == (400, code)
    assert api("GET", "/sobjects/Account/ACC-00001").json()["VIM_Phase__c"] is None
    assert salesforce_control("GET", "writes") == []


def test_a_body_that_is_not_json_is_refused(reading: Api) -> None:
    response = reading("POST", "/sobjects/Account", content=b"{not json")
    assert (response.status_code, response.json()[0]["errorCode"]) == (400, "JSON_PARSER_ERROR")


def test_a_unique_value_is_taken_once(api: Api) -> None:
    first = api("POST", "/sobjects/VIM_Draft__c", json={"VIM_Key__c": "Key", "Account__c": "ACC-00001"}).json()["id"]
    response = api("POST", "/sobjects/VIM_Draft__c", json={"VIM_Key__c": "kEY", "Account__c": "ACC-00001"})
    message = f"duplicate value found: VIM_Key__c duplicates value on record with id: {first}"
    assert (response.status_code, response.json()) == (400, [{"message": message, "errorCode": "DUPLICATE_VALUE", "fields": []}])


# ---- upserts


def test_an_upsert_answers_201_then_200(api: Api) -> None:
    created = api("PATCH", "/sobjects/VIM_Draft__c/VIM_Key__c/k1", json={"Account__c": "ACC-00001"})
    identity = created.json()["id"]
    assert (created.status_code, created.json()) == (201, {"id": identity, "success": True, "errors": [], "created": True})
    updated = api("PATCH", "/sobjects/VIM_Draft__c/VIM_Key__c/k1", json={"Title__c": "New"})
    assert (updated.status_code, updated.json()) == (200, {"id": identity, "success": True, "errors": [], "created": False})
    assert api("GET", "/sobjects/VIM_Draft__c/VIM_Key__c/k1").json()["Title__c"] == "New"


def test_an_upsert_does_not_take_its_key_in_the_body(reading: Api) -> None:
    for name in ("VIM_Key__c", "Id"):
        response = reading("PATCH", "/sobjects/VIM_Draft__c/VIM_Key__c/k1", json={"Account__c": "ACC-00001", name: "k1"})
        assert (response.status_code, response.json()[0]["errorCode"]) == (400, "INVALID_FIELD")


def test_an_upsert_by_a_field_that_is_no_external_id_is_a_404(reading: Api) -> None:
    response = reading("PATCH", "/sobjects/Account/Name/x", json={"Name": "y"})
    assert (response.status_code, response.json()[0]["errorCode"]) == (404, "NOT_FOUND")
    assert response.json()[0]["message"] == "Provided external ID field does not exist or is not accessible: Name"


def test_an_external_id_of_several_records_is_a_300_with_their_addresses(api: Api) -> None:
    for number in (1, 2):
        assert api("PATCH", f"/sobjects/Account/ACC-0000{number}", json={"Legacy_Id__c": "L1"}).status_code == 204
    response = api("PATCH", "/sobjects/Account/Legacy_Id__c/L1", json={"Domain__c": "x"})
    assert (response.status_code, response.json()) == (300, [f"{DATA}/sobjects/Account/ACC-0000{number}" for number in (1, 2)])


def test_a_collection_answers_200_even_where_items_fail(api: Api) -> None:
    records = [
        {"attributes": {"type": "VIM_Draft__c"}, "VIM_Key__c": "k1", "Account__c": "ACC-00001"},
        {"attributes": {"type": "VIM_Draft__c"}, "VIM_Key__c": "k2"},
        {"attributes": {"type": "Account"}, "VIM_Key__c": "k3"},
        {"attributes": {"type": "VIM_Draft__c"}, "VIM_Key__c": "k4", "Account__c": "ACC-00001"},
        {"attributes": {"type": "VIM_Draft__c"}, "VIM_Key__c": "K4", "Account__c": "ACC-00001"},
    ]
    response = api("PATCH", "/composite/sobjects/VIM_Draft__c/VIM_Key__c", json={"allOrNone": False, "records": records})
    assert response.status_code == 200
    first, *others = response.json()
    assert first == {"id": first["id"], "success": True, "errors": [], "created": True}
    assert others[0] == {
        "success": False,
        "errors": [{"statusCode": "REQUIRED_FIELD_MISSING", "message": "Required fields are missing: [Account__c]", "fields": ["Account__c"]}],
    }
    assert [other["errors"][0]["statusCode"] for other in others[1:]] == ["INVALID_TYPE", "DUPLICATE_VALUE", "DUPLICATE_VALUE"]


def test_all_or_none_rolls_back_what_had_succeeded(api: Api, salesforce_control: Control) -> None:
    records = [
        {"attributes": {"type": "VIM_Draft__c"}, "VIM_Key__c": "k1", "Account__c": "ACC-00001"},
        {"attributes": {"type": "VIM_Draft__c"}, "VIM_Key__c": "k2"},
    ]
    results = api("PATCH", "/composite/sobjects/VIM_Draft__c/VIM_Key__c", json={"allOrNone": True, "records": records}).json()
    assert [result["errors"][0]["statusCode"] for result in results] == ["ALL_OR_NONE_OPERATION_ROLLED_BACK", "REQUIRED_FIELD_MISSING"]
    assert query(api, "SELECT COUNT() FROM VIM_Draft__c").json()["totalSize"] == 0
    assert salesforce_control("GET", "writes") == []


def test_a_collection_takes_200_records_and_no_record_ids(reading: Api) -> None:
    records = [{"attributes": {"type": "VIM_Draft__c"}, "VIM_Key__c": f"k{number}", "Account__c": "ACC-00001"} for number in range(201)]
    assert reading("PATCH", "/composite/sobjects/VIM_Draft__c/VIM_Key__c", json={"records": records}).status_code == 400
    assert reading("PATCH", "/composite/sobjects/Account/Id", json={"records": []}).status_code == 404


def test_a_collection_updates_by_id_and_answers_each_item(api: Api) -> None:
    """sObject Collections, Update: `id` in each record, 200 with item errors, and nothing is ever created."""
    records = [
        {"attributes": {"type": "Account"}, "Id": "ACC-00001", "VIM_Phase__c": "4"},
        {"attributes": {"type": "Account"}, "Id": "ACC-99999", "VIM_Phase__c": "4"},
        {"attributes": {"type": "Account"}, "Id": "ACC-00002", "Bogus__c": "4"},
    ]
    response = api("PATCH", "/composite/sobjects", json={"allOrNone": False, "records": records})
    assert response.status_code == 200
    assert [result["success"] for result in response.json()] == [True, False, False]
    assert response.json()[0]["id"] == "ACC-00001" and response.json()[2]["errors"][0]["statusCode"] == "INVALID_FIELD"
    assert api("GET", "/sobjects/Account/ACC-00001").json()["VIM_Phase__c"] == "4"
    assert query(api, "SELECT COUNT() FROM Account").json()["totalSize"] == 4


# ---- the sandbox's own doors


def test_a_peer_that_is_not_this_machine_gets_nothing(tmp_path: Path) -> None:
    """The second fence, should a socket ever be handed over that is bound more widely."""
    from starlette.testclient import TestClient

    emulator = SalesforceEmulator(tmp_path / "s.db", SandboxClock(tmp_path / "clock.json"), client_id="i", client_secret="s")
    for path in ("/services/data", "/_sandbox/requests"):
        assert TestClient(emulator.app, client=("10.0.0.7", 1)).get(path).status_code == 403
        assert TestClient(emulator.app, client=("127.0.0.1", 1)).get(path).status_code == 200
    emulator.close()


def test_the_journal_shows_requests_and_no_secrets(api: Api, running: Running, salesforce_control: Control) -> None:
    salesforce_control("DELETE", "requests")
    token = token_of(running)
    api("PATCH", "/sobjects/Account/ACC-00001?x=1", json={"VIM_Phase__c": "4"})
    journal = salesforce_control("GET", "requests")
    assert journal[1] == {"method": "PATCH", "path": f"{DATA}/sobjects/Account/ACC-00001", "query": "x=1", "status": 204, "fault": None}
    assert token not in str(journal) and running.credentials["salesforce_client_secret"] not in str(journal)


def test_effective_writes_are_counted_per_record(api: Api, salesforce_control: Control) -> None:
    for body in ({"Account__c": "ACC-00001"}, {"Title__c": "a"}, {"Title__c": "a"}):
        api("PATCH", "/sobjects/VIM_Draft__c/VIM_Key__c/k1", json=body)
    api("PATCH", "/sobjects/Account/ACC-00001", json={"VIM_Phase__c": "4"})
    assert salesforce_control("GET", "write_counts") == {"VIM_Draft__c:VIM_Key__c=k1": {"created": 1, "updated": 2}, "Account:ACC-00001": {"updated": 1}}
    assert [write["changed"] for write in salesforce_control("GET", "writes")][1:] == [["Title__c"], [], ["VIM_Phase__c"]]


@pytest.mark.parametrize(("drop", "writes"), [("before", 0), ("after", 1)])
def test_a_dropped_connection_sends_nothing_and_the_effect_is_as_planned(api: Api, salesforce_control: Control, drop: str, writes: int) -> None:
    """Not even a 500: what the client sees has to be what a cut cable looks like."""
    salesforce_control("POST", "faults", {"method": "POST", "path": "/sobjects/Task", "drop": drop})
    with pytest.raises(httpx.TransportError):
        api("POST", "/sobjects/Task", json={"Subject": "Call"})
    assert len(salesforce_control("GET", "writes")) == writes
    assert [entry["fault"] for entry in salesforce_control("GET", "requests") if entry["method"] == "POST" and "Task" in entry["path"]] == [drop]


def test_a_fault_plan_that_makes_no_sense_is_refused(running: Running) -> None:
    for plan in ({"drop": "sideways"}, {"nonsense": 1}, {"path": "("}):
        assert httpx.post(f"{running.url('salesforce')}/_sandbox/faults", json=plan, trust_env=False).status_code == 400


def test_ids_are_18_characters_with_salesforces_check_letters() -> None:
    """The 15-to-18 rule, checked against a pair from Salesforce's own documents: 001D000000IqhSL -> 001D000000IqhSLIAZ."""
    from vim_pipelines.sandbox.emulators.objects import check_letters

    assert check_letters("001D000000IqhSL") == "IAZ"
    made = {record_id(sobject.key_prefix, number) for sobject in OBJECTS.values() for number in (1, 61, 62, 3844)}
    assert len(made) == 4 * len(OBJECTS) and all(len(identity) == 18 for identity in made)
