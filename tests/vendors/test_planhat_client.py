"""Planhat: listings that move while they are read, bulk answers with errors inside, days since the epoch, and no token in any error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vendor_sandbox import Control, Waits, control_of, make_sandbox, set_clock

from vim_pipelines.ingestion.readers.planhat import PlanhatReader
from vim_pipelines.portfolio.model import EntityMap
from vim_pipelines.sandbox.emulators.planhat import MODELS as EMULATED
from vim_pipelines.sandbox.emulators.planhat import MOST_BULK, TENANT_UUID, TOKEN, object_id
from vim_pipelines.sandbox.emulators.run import Running, start_emulators
from vim_pipelines.sandbox.planhat_seed import DERIVED, SEEDS, seed_planhat
from vim_pipelines.vendors import planhat as planhat_module
from vim_pipelines.vendors.http import Limiter, TransportOptions, VendorError
from vim_pipelines.vendors.planhat import MODELS, Metric, Outcome, PlanhatClient, UpsertResult, bodies, day_of, days_since_epoch, read_upsert


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = make_sandbox(tmp_path_factory.mktemp("planhat") / "sandbox")
    seed_planhat(directory / "source", directory / "planhat.db")
    return directory


@pytest.fixture
def served(seeded: Path, tmp_path: Path) -> Iterator[Running]:
    import shutil

    shutil.copytree(seeded, tmp_path / "sandbox")
    with start_emulators(tmp_path / "sandbox", ("planhat",)) as started:
        yield started


@pytest.fixture
def control(served: Running) -> Control:
    return control_of(served.url("planhat"))


@pytest.fixture
def planhat(served: Running, options: TransportOptions) -> Iterator[PlanhatClient]:
    with PlanhatClient(TOKEN, served.url("planhat"), served.url("planhat"), TENANT_UUID, options=options) as client:
        yield client


# ---- a tenant that changes while it is read


class Moving:
    """A listing of ids behind Planhat's GET, changed by `plan` (number of the request to what happens before it is answered)."""

    def __init__(self, ids: list[str], plan: dict[int, list[tuple[str, str]]], *, most: int = 1000, repeat: frozenset[int] = frozenset()) -> None:
        self.ids, self.plan, self.most, self.repeat = sorted(ids), plan, most, repeat
        self.requests, self.last_answer = 0, b"[]"

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        if self.requests in self.repeat:
            return httpx.Response(200, content=self.last_answer)
        for effect, key in self.plan.get(self.requests, ()):
            if effect == "delete" and key in self.ids:
                self.ids.remove(key)
            elif effect == "insert":
                self.ids = sorted({*self.ids, key})
        query = request.url.params
        offset, limit = int(query["offset"]), min(self.most, int(query["limit"]))
        self.last_answer = json.dumps([{"_id": key} for key in self.ids[offset : offset + limit]]).encode()
        return httpx.Response(200, content=self.last_answer)

    def client(self, page_size: int) -> PlanhatClient:
        transport = TransportOptions(transport=httpx.MockTransport(self), limiter=Limiter(1e9, 1_000_000), sleep=lambda seconds: None)
        return PlanhatClient("t", page_size=page_size, options=transport)

    def read(self, page_size: int) -> list[str]:
        with self.client(page_size) as client:
            return [record["_id"] for record in client.records("companies")]


KEYS = [f"{number:024x}" for number in range(0, 400, 2)]


def test_a_row_deleted_while_paging_does_not_hide_the_row_at_the_seam() -> None:
    """Offset paging: one row fewer before the page moves its first row out of sight, and a missing row would be a deleted account."""
    moving = Moving(KEYS[:10], {2: [("delete", KEYS[0])]})
    assert set(moving.read(4)) >= set(KEYS[1:10])


@settings(max_examples=75, deadline=None)
@given(
    count=st.integers(0, 60),
    page_size=st.integers(2, 12),
    plan=st.dictionaries(
        st.integers(1, 25),
        st.lists(st.tuples(st.sampled_from(["delete", "insert"]), st.integers(0, 130)), max_size=6),
        max_size=12,
    ),
    most=st.integers(2, 15),
)
def test_what_exists_all_the_time_is_read_exactly_once(count: int, page_size: int, plan: dict[int, list[tuple[str, int]]], most: int) -> None:
    """Whatever is deleted and inserted between the pages, and should Planhat lower its own page size: nothing lost, nothing doubled."""
    before = [f"{number:024x}" for number in range(0, 2 * count, 2)]
    changes = {number: [(effect, f"{key:024x}") for effect, key in effects] for number, effects in plan.items()}
    moving = Moving(before, changes, most=most)
    read = moving.read(page_size)
    touched = {key for effects in changes.values() for _, key in effects}
    assert len(read) == len(set(read)) and read == sorted(read)
    assert set(before) - touched <= set(read) <= set(before) | touched
    assert moving.requests <= 60 + 12 * (count + 60)


def test_a_page_that_comes_twice_is_neither_doubled_nor_taken_for_the_next() -> None:
    assert Moving(KEYS[:40], {}, repeat=frozenset({2, 4})).read(10) == KEYS[:40]


def test_a_page_that_comes_for_ever_ends_with_an_error_and_few_requests() -> None:
    moving = Moving(KEYS[:40], {}, repeat=frozenset(range(2, 10_000)))
    with pytest.raises(VendorError, match="VIM-E013 .*companies could not be read as a whole"):
        moving.read(10)
    assert moving.requests < 30


def test_an_empty_page_in_the_middle_is_no_end() -> None:
    """A page that failed must never be read as 'no more accounts'."""
    moving = Moving(KEYS[:40], {})
    answer = moving.__call__

    def holed(request: httpx.Request) -> httpx.Response:
        given_ = answer(request)
        return httpx.Response(200, json=[]) if request.url.params["offset"] != "0" else given_

    with (
        PlanhatClient("t", page_size=10, options=TransportOptions(transport=httpx.MockTransport(holed), limiter=Limiter(1e9, 10**6))) as client,
        pytest.raises(VendorError, match="VIM-E013"),
    ):
        list(client.records("companies"))


def test_a_listing_without_order_is_refused_unless_it_is_one_page() -> None:
    """Without the order a lost row could not be noticed."""
    rows = [{"_id": key} for key in reversed(KEYS[:30])]

    def unordered(request: httpx.Request) -> httpx.Response:
        offset, limit = int(request.url.params["offset"]), int(request.url.params["limit"])
        return httpx.Response(200, json=rows[offset : offset + limit])

    transport = TransportOptions(transport=httpx.MockTransport(unordered), limiter=Limiter(1e9, 10**6))
    with PlanhatClient("t", page_size=10, options=transport) as client, pytest.raises(VendorError, match="order"):
        list(client.records("companies"))
    with PlanhatClient("t", page_size=100, options=transport) as client:
        assert sorted(record["_id"] for record in client.records("companies")) == KEYS[:30]


@pytest.mark.parametrize("body", [{"companies": []}, {}, None, "", [1]])
def test_an_answer_that_is_no_list_is_an_error_and_no_empty_tenant(body: Any) -> None:
    transport = TransportOptions(transport=httpx.MockTransport(lambda request: httpx.Response(200, json=body)), limiter=Limiter(1e9, 10**6))
    with PlanhatClient("t", options=transport) as client, pytest.raises(VendorError, match="VIM-E013"):
        list(client.records("companies"))


# ---- reading the emulated tenant


def test_companies_come_with_selected_and_custom_fields(planhat: PlanhatClient) -> None:
    found = {record["externalId"]: record for record in planhat.records("companies", ("name", "externalId", "arr", "custom", "updatedAt"))}
    assert len(found) == 4
    assert found["ACC-00001"]["arr"] == 60000.5 and found["ACC-00001"]["custom"] == {"Currency": "USD"}
    assert found["ACC-00003"]["name"] == "O'Neil \\ Söhne" and found["ACC-00003"]["updatedAt"] == "2026-06-03T12:30:15.250Z"


def test_pages_follow_one_another_to_the_end(served: Running, options: TransportOptions) -> None:
    with PlanhatClient(TOKEN, served.url("planhat"), page_size=2, options=options) as client:
        assert len({record["_id"] for record in client.records("companies")}) == 4


def test_a_record_is_found_by_each_of_its_keys(planhat: PlanhatClient) -> None:
    whole = planhat.get("companies", "ACC-00002", by="externalId")
    assert whole is not None and whole["name"] == "Customer 2"
    assert planhat.get("companies", whole["_id"]) == whole
    assert planhat.get("companies", "nobody", by="sourceId") is None
    assert [company["externalId"] for company in planhat.lean_companies(externalId="ACC-00002")] == ["ACC-00002"]


def test_describe_knows_documented_and_custom_fields_with_their_types(planhat: PlanhatClient) -> None:
    fields = planhat.describe("licenses")
    assert fields["noticePeriod"] == "number" and fields["custom.Seats"] == "number" and fields["companyId"] == "objectId"
    assert "custom.Segment" not in fields, "that is a field of companies"
    with pytest.raises(VendorError, match="no model 'customers'"):
        planhat.describe("customers")


def test_every_field_that_the_emulator_has_is_one_that_the_client_documents() -> None:
    """The emulator must not be kinder than the documentation."""
    for path, model in EMULATED.items():
        if path in MODELS:
            assert set(model.fields) <= set(MODELS[path][1]), path


def test_the_seed_covers_every_column_of_every_entity_it_maps() -> None:
    from vim_pipelines.portfolio.entities import ENTITIES

    for seed in SEEDS:
        covered = {*seed.fields, *seed.users, *DERIVED.get(seed.entity, ()), *([seed.created] if seed.created else []), "account_key"}
        assert {column.name for column in ENTITIES[seed.entity].columns} == covered, seed.entity


def test_a_wrong_token_is_one_message_without_the_token(served: Running, options: TransportOptions) -> None:
    with PlanhatClient("not-the-token-42", served.url("planhat"), options=options) as client:
        with pytest.raises(VendorError, match="VIM-E011 Planhat refused our access token") as caught:
            client.lean_companies()
        assert "not-the-token-42" not in str(caught.value) + repr(client)


def test_the_quota_is_waited_for(planhat: PlanhatClient, control: Control, waits: Waits) -> None:
    control("POST", "limits", {"requests_per_minute": 2})
    planhat.lean_companies()
    assert planhat.requests_left == 1
    planhat.lean_companies()
    with pytest.raises(VendorError, match="VIM-E014"):
        planhat.lean_companies()
    assert len(waits.seconds) == 3 and min(waits.seconds) > 50, "Retry-After is honoured"


def test_basic_authentication_with_the_colon_is_documented_too(served: Running) -> None:
    assert httpx.get(f"{served.url('planhat')}/leancompanies", auth=(TOKEN, ""), trust_env=False).status_code == 200
    assert httpx.get(f"{served.url('planhat')}/leancompanies", trust_env=False).status_code == 401


# ---- writing


@pytest.mark.parametrize("status", ["documented", "always_200"])
def test_errors_inside_a_good_answer_reach_their_records(planhat: PlanhatClient, control: Control, status: str) -> None:
    """The documents disagree whether a partial success is 200 or 206; a client that looks at the status believes writes that never were."""
    control("POST", "bulk", {"status": status})
    results = planhat.upsert_many(
        "companies",
        [
            {"externalId": "ACC-00001", "name": "Renamed"},
            {"externalId": "NEW-1", "name": "New", "custom.VIM Risk Score": Decimal("71.5"), "custom.Notice Received": date(2026, 6, 1)},
            {"externalId": "NEW-2"},
            {"externalId": "ACC-00002", "name": "Customer 2"},
            {"name": "no key"},
            {"externalId": "ACC-00003", "name": "a"},
            {"externalId": "ACC-00003", "name": "b"},
            {"externalId": "ACC-00004", "phase": "Adpotion"},
        ],
    )
    assert [result.outcome.value for result in results] == ["updated", "created", "failed", "unchanged", "failed", "failed", "failed", "failed"]
    assert (
        "name required" in results[2].message
        and "none of" in results[4].message
        and "twice" in results[5].message
        and "no phase" in results[7].message.replace("not a", "no")
    )
    stored = planhat.get("companies", "NEW-1", by="externalId")
    assert stored is not None and stored["_id"] == results[1].id and stored["custom"] == {"VIM Risk Score": 71.5, "Notice Received": "2026-06-01"}
    assert planhat.get("companies", "ACC-00003", by="externalId")["name"] == "O'Neil \\ Söhne"  # type: ignore[index]


def test_half_of_a_bulk_request_failing_leaves_no_record_unaccounted(planhat: PlanhatClient, control: Control) -> None:
    control("POST", "faults", {"method": "PUT", "partial": True, "code": "E11000"})
    company = planhat.lean_companies()[0]["_id"]
    results = planhat.upsert_many("tasks", [{"externalId": f"T{n}", "mainType": "task", "companyId": company, "action": "x"} for n in range(10)])
    assert [result.outcome for result in results] == [Outcome.CREATED, Outcome.FAILED] * 5
    assert results[1].message == "E11000"
    again = planhat.upsert_many("tasks", [{"externalId": f"T{n}", "mainType": "task", "companyId": company, "action": "x"} for n in range(10)])
    assert [result.outcome for result in again] == [Outcome.UNCHANGED, Outcome.CREATED] * 5


@pytest.mark.parametrize("status", ["documented", "always_200"])
def test_a_missing_permission_is_each_records_failure(planhat: PlanhatClient, control: Control, status: str) -> None:
    control("POST", "bulk", {"status": status})
    control("POST", "read_only", ["companies"])
    (result,) = planhat.upsert_many("companies", [{"externalId": "ACC-00001", "name": "x"}])
    assert result.outcome is Outcome.FAILED and "permission" in result.message.lower()


def test_a_call_never_takes_more_than_five_thousand(planhat: PlanhatClient, control: Control, monkeypatch: pytest.MonkeyPatch) -> None:
    assert planhat_module.BULK_LIMIT == MOST_BULK == 5000
    monkeypatch.setattr(planhat_module, "BULK_LIMIT", 50)
    results = planhat.upsert_many("companies", [{"externalId": f"N{number}", "name": "n"} for number in range(101)])
    assert len(results) == 101 and {result.outcome for result in results} == {Outcome.CREATED}
    assert sum(entry["method"] == "PUT" for entry in control("GET", "requests")) == 3


@pytest.mark.parametrize(("plan", "is_done"), [({"drop": "before"}, False), ({"drop": "after"}, True), ({"status": 500}, False)])
def test_a_lost_answer_is_unknown_and_never_sent_again(planhat: PlanhatClient, control: Control, plan: dict[str, Any], is_done: bool) -> None:
    control("POST", "faults", {"method": "PUT", **plan})
    with pytest.raises(VendorError, match="VIM-E015"):
        planhat.upsert_many("companies", [{"externalId": "NEW-1", "name": "New"}])
    assert sum(entry["method"] == "PUT" for entry in control("GET", "requests")) == 1
    assert (planhat.get("companies", "NEW-1", by="externalId") is not None) is is_done


def test_a_write_can_be_taken_back_and_outlives_the_next_day(planhat: PlanhatClient, control: Control, tmp_path: Path) -> None:
    planhat.upsert_many("companies", [{"externalId": "ACC-00001", "custom.VIM Phase": "4"}, {"externalId": "NEW-1", "name": "New"}])
    set_clock(tmp_path / "sandbox", datetime(2026, 6, 30, 6))
    tomorrow = {record["externalId"]: record for record in planhat.records("companies", ("name", "externalId", "custom"))}
    assert tomorrow["ACC-00001"]["name"] == "Customer 1 renamed" and tomorrow["ACC-00001"]["custom"]["VIM Phase"] == "4" and "ACC-00005" in tomorrow
    assert planhat.delete("companies", "NEW-1", by="externalId") and not planhat.delete("companies", "NEW-1", by="externalId")
    assert planhat.get("companies", "NEW-1", by="externalId") is None


ANSWER: dict[str, Any] = {
    "created": 0,
    "createdErrors": [],
    "insertsKeys": [],
    "updated": 0,
    "updatedErrors": [],
    "updatesKeys": [],
    "nonupdates": 0,
    "permissionErrors": [],
}


def test_the_recorded_answer_of_a_client_in_use_is_understood() -> None:
    """The example of an insert that other people's clients carry in their documentation."""
    body = ANSWER | {
        "created": 2,
        "insertsKeys": [{"_id": "623a1906b4c82d7a1ac76224", "externalId": "test-002"}, {"_id": "623a1906b4c82d7a1ac76225", "externalId": "test-003"}],
        "modified": [],
        "upsertedIds": ["623a1906b4c82d7a1ac76224", "623a1906b4c82d7a1ac76225"],
    }
    sent = [{"externalId": "test-003"}, {"externalId": "test-002"}]
    assert read_upsert(sent, body) == [
        UpsertResult(Outcome.CREATED, "623a1906b4c82d7a1ac76225"),
        UpsertResult(Outcome.CREATED, "623a1906b4c82d7a1ac76224"),
    ]


def test_what_the_answer_does_not_name_is_unknown_and_not_believed() -> None:
    sent = [{"externalId": "a"}, {"externalId": "b"}]
    assert {item.outcome for item in read_upsert(sent, ANSWER)} == {Outcome.UNKNOWN}
    assert {item.outcome for item in read_upsert(sent, ANSWER | {"nonupdates": 1})} == {Outcome.UNKNOWN}, "which of the two?"
    assert {item.outcome for item in read_upsert(sent, ANSWER | {"nonupdates": 2})} == {Outcome.UNCHANGED}
    nested = ANSWER | {"createdErrors": [{"error": {"message": "no"}, "item": {"externalId": "a", "name": "x"}}], "nonupdates": 1}
    assert [item.outcome for item in read_upsert(sent, nested)] == [Outcome.FAILED, Outcome.UNCHANGED]
    nameless = ANSWER | {"createdErrors": ["E11000 duplicate key"], "nonupdates": 1}
    assert {item.outcome for item in read_upsert(sent, nameless)} == {Outcome.UNKNOWN}
    assert {item.outcome for item in read_upsert(sent, ANSWER | {"updatedErrors": ["x", "y"]})} == {Outcome.FAILED}


@given(st.lists(st.sampled_from(["created", "updated", "error", "same", "silent"]), max_size=12))
def test_every_record_is_accounted_for_once(fates: list[str]) -> None:
    sent = [{"externalId": str(number)} for number in range(len(fates))]
    named = {fate: [{"_id": f"i{n}", "externalId": str(n)} for n, item in enumerate(fates) if item == fate] for fate in ("created", "updated", "error")}
    body = ANSWER | {
        "insertsKeys": named["created"],
        "updatesKeys": named["updated"],
        "updatedErrors": [{"message": "no", **item} for item in named["error"]],
        "nonupdates": fates.count("same"),
    }
    results = read_upsert(sent, body)
    assert len(results) == len(sent)
    rest = Outcome.UNKNOWN if "silent" in fates else Outcome.UNCHANGED
    expected = {"created": Outcome.CREATED, "updated": Outcome.UPDATED, "error": Outcome.FAILED, "same": rest, "silent": rest}
    assert [result.outcome for result in results] == [expected[fate] for fate in fates]


# ---- dimension data


def test_days_are_counted_from_the_epoch() -> None:
    assert days_since_epoch(date(1970, 1, 1)) == 0 and days_since_epoch(date(2024, 2, 27)) == 19780 and day_of(19780) == date(2024, 2, 27)


def test_values_pushed_come_back_by_their_day(planhat: PlanhatClient) -> None:
    metrics = [Metric("vim_active_users", "ACC-00001", date(2026, 6, day), float(day)) for day in range(1, 6)]
    assert planhat.push_dimension_data(metrics) == 5
    found = planhat.dimension_data(date(2026, 6, 2), date(2026, 6, 4), dimension_id="vim_active_users")
    assert [(item["time"][:10], item["value"]) for item in found] == [("2026-06-02", 2.0), ("2026-06-03", 3.0), ("2026-06-04", 4.0)]
    assert {item["companyName"] for item in found} == {"Customer 1"}
    assert planhat.dimension_data(date(2026, 6, 2), date(2026, 6, 4), company_id="0" * 24) == []


def test_a_long_series_is_read_over_its_pages(served: Running, options: TransportOptions) -> None:
    with PlanhatClient(TOKEN, served.url("planhat"), served.url("planhat"), TENANT_UUID, page_size=3, options=options) as client:
        client.push_dimension_data([Metric("d", "ACC-00001", date(2026, 1, day), float(day)) for day in range(1, 11)])
        assert [item["value"] for item in client.dimension_data(date(2026, 1, 1), date(2026, 12, 31))] == [float(day) for day in range(1, 11)]


def test_a_refused_value_says_so_and_how_many_were_taken(planhat: PlanhatClient) -> None:
    with pytest.raises(VendorError, match="refused 1 of 2 values") as caught:
        planhat.push_dimension_data([Metric("d", "ACC-00001", date(2026, 6, 1), 1.0), Metric("d", "nobody", date(2026, 6, 1), 1.0)])
    assert caught.value.completed == (1,)


def test_the_tenant_id_is_in_no_error(planhat: PlanhatClient, control: Control) -> None:
    """It is all that the analytics host asks for."""
    control("POST", "faults", {"path": "/dimensiondata", "status": 503, "times": 9})
    with pytest.raises(VendorError, match="VIM-E015") as caught:
        planhat.push_dimension_data([Metric("d", "ACC-00001", date(2026, 6, 1), 1.0)])
    assert TENANT_UUID not in str(caught.value) + repr(planhat)


def test_the_tenant_id_is_in_no_log(planhat: PlanhatClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"):
        planhat.push_dimension_data([Metric("d", "ACC-00001", date(2026, 6, 1), 1.0)])
        planhat.lean_companies()
    assert "/leancompanies" in caplog.text and TENANT_UUID not in caplog.text and TOKEN not in caplog.text


# ---- the reader


def _task(**fields: Any) -> EntityMap:
    return EntityMap.model_validate({"source": "crm", "object": "tasks", "known_at": "updatedAt", "fields": {"task_key": "externalId", **fields}})


def test_a_task_of_a_company_made_since_the_listing_finds_its_company(planhat: PlanhatClient) -> None:
    """Else a new customer's first records would wait in quarantine for the next night."""
    reader = PlanhatReader(planhat, datetime(2026, 6, 29, 6))
    mapping = _task(account_key="company.externalId", owner_email="owner.email", owner_name="owner.name")
    assert set(mapping.source_fields) <= set(reader.fields(mapping)) and reader.sample(mapping, 5) == []
    owner = object_id("2020-01-01T00:00:00.000+0000", "who")
    planhat.upsert_many("users", [{"externalId": "u", "email": "ann@house.example", "nickName": "Ann", "firstName": "Ann", "lastName": "Lee"}])
    (company,) = planhat.upsert_many("companies", [{"externalId": "NEW-1", "name": "New"}])
    user = planhat.get("users", "u", by="externalId")
    assert user is not None
    tasks = [{"externalId": f"T{n}", "mainType": "task", "companyId": company.id, "action": "x", "ownerId": who} for n, who in enumerate((user["_id"], owner))]
    assert {result.outcome for result in planhat.upsert_many("tasks", tasks)} == {Outcome.CREATED}
    found = {record["externalId"]: record for record in reader.read("task", mapping, None).records}
    assert {record["company.externalId"] for record in found.values()} == {"NEW-1"}
    assert (found["T0"]["owner.email"], found["T0"]["owner.name"], found["T1"]["owner.email"]) == ("ann@house.example", "Ann Lee", None)
    assert reader.read("task", mapping, None).is_complete and reader.defaults(mapping) == {"known_at": "updatedAt", "deleted": None}


def test_several_entities_of_one_model_share_one_listing(planhat: PlanhatClient, control: Control) -> None:
    reader = PlanhatReader(planhat, datetime(2026, 6, 29, 6))
    mappings = [_task(subject="action"), _task(status="status"), _task(priority="custom.Priority")]
    company = planhat.lean_companies()[0]["_id"]
    planhat.upsert_many("tasks", [{"externalId": "T", "mainType": "task", "companyId": company, "action": "x", "custom.Priority": "High"}])
    for mapping in mappings:
        reader.fields(mapping)
    control("DELETE", "requests")
    read = [next(iter(reader.read("task", mapping, None).records)) for mapping in mappings]
    assert read[0]["action"] == "x" and read[2]["custom.Priority"] == "High"
    assert [entry["path"] for entry in control("GET", "requests")] == ["/tasks", "/tasks"], "one page, and one look that nothing follows"
    reader.close()


@given(st.integers(0, 60), st.integers(150, 900))
def test_bodies_stay_under_the_limit_and_lose_nothing(count: int, limit: int) -> None:
    metrics = [Metric("d" * (number % 7 + 1), f"é{number}", date(2026, 1, 1), number / 3) for number in range(count)]
    parts = list(bodies(metrics, limit))
    assert [item["externalId"] for part in parts for item in part] == [metric.external_id for metric in metrics]
    assert all(len(httpx.Request("POST", "http://x", json=part).content) <= limit for part in parts)
