"""Salesforce's REST API, as much of it as the audit reads and the write-back writes.

Reads follow `SystemModstamp` (it moves on automated changes too; `LastModifiedDate` misses them) with an overlap, because rows
committed late carry an earlier stamp. Writes are upserts by our own external id wherever the object has one, so that a write whose
answer was lost can be found again. Contract: shared design, CONNECTORS section 1; Salesforce 'REST API Developer Guide'.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx

from vim_pipelines.core.dates import utc_moment
from vim_pipelines.settings import Settings
from vim_pipelines.vendors import soql
from vim_pipelines.vendors.client import AccessToken, TokenKeeper, VendorClient, json_or_none, transport_from_settings
from vim_pipelines.vendors.http import Safety, TransportOptions, VendorError, VendorHttp
from vim_pipelines.vendors.salesforce_bulk import FINAL_STATES, csv_records
from vim_pipelines.vendors.salesforce_login import ClientCredentials, JwtBearer, Login
from vim_pipelines.vendors.wire import json_value, path_segment

Record = dict[str, Any]

OVERLAP = timedelta(minutes=10)
UPSERT_MANY_LIMIT = 200
#: Share of the org's daily requests after which we stop reading: the pool is shared with all other integrations.
READ_BUDGET_SHARE = 0.7
#: Above this many rows a query goes by Bulk API 2.0: one page of the REST API holds so many.
BULK_ABOVE = 2000
BULK_PAGE = 50_000
BULK_SECONDS, BULK_WAIT_SECONDS = 3600.0, 10.0
#: Waits between looks at a deployment: five minutes in all; ours are a dozen fields and take seconds.
DEPLOY_POLL_SECONDS = (1.0, 2.0, 3.0, 5.0, *(10.0,) * 29)
LOCK_CODES = frozenset({"UNABLE_TO_LOCK_ROW"})
GONE_CODES = frozenset({"NOT_FOUND", "ENTITY_IS_DELETED"})


@dataclass(frozen=True)
class UpsertResult:
    """One upsert that succeeded. `created` is false where an existing record was updated."""

    id: str
    created: bool


@dataclass(frozen=True)
class ItemError:
    """Why one record of a composite request was refused."""

    code: str
    message: str
    fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class ItemResult:
    """One record's result in a composite request, in the order sent. `id` is None where it failed."""

    id: str | None
    success: bool
    created: bool
    errors: tuple[ItemError, ...] = ()

    @property
    def is_locked(self) -> bool:
        """Whether the record was only refused because its row was locked: nothing was done, it may be sent again."""
        return not self.success and any(error.code in LOCK_CODES for error in self.errors)


@dataclass(frozen=True)
class DeletedRecords:
    """Ids and the moment (naive UTC) each was deleted; from when on Salesforce still knows, and where the next window begins."""

    moments: dict[str, datetime]
    earliest_available: datetime
    latest_covered: datetime


@dataclass(frozen=True)
class ApiUsage:
    """Requests used and allowed in the org's rolling 24 hours, by the last answer's `Sforce-Limit-Info`."""

    used: int
    allowed: int

    @property
    def share(self) -> float:
        """Used share, 0 to 1; 1 where nothing is allowed."""
        return self.used / self.allowed if self.allowed else 1.0


class SalesforceClient(VendorClient):
    """One org, by an External Client App on its My Domain address: with `login`, or by client credentials without one.

    Reads of more than `bulk_above` rows go by Bulk API 2.0. `allowed_hosts` are hosts besides that of `base_url` that an `instance_url` or `nextRecordsUrl` may name.
    Every method raises VendorError as `VendorHttp.send` does, and VIM-E011 (credentials), VIM-E013 (any other refusal, with
    Salesforce's own code and message), VIM-E014 (request limit).
    """

    def __init__(
        self,
        base_url: str,
        client_id: str,
        client_secret: str = "",
        api_version: str = "66.0",
        *,
        login: Login | None = None,
        allowed_hosts: Sequence[str] = (),
        batch_size: int = 2000,
        read_budget_share: float = READ_BUDGET_SHARE,
        bulk_above: int = BULK_ABOVE,
        bulk_page: int = BULK_PAGE,
        options: TransportOptions | None = None,
    ) -> None:
        self._options = options or TransportOptions()
        super().__init__(
            VendorHttp("Salesforce", base_url, setting="SALESFORCE_BASE_URL", allowed_hosts=allowed_hosts, per_second=100, burst=100, options=self._options)
        )
        self._login = login or ClientCredentials(client_id, client_secret)
        self.http.hide(self._login.secret)
        self._bulk_above, self._bulk_page = bulk_above, bulk_page
        self._described: dict[str, Record] = {}
        self._version, self._batch_size, self._read_budget_share = api_version, batch_size, read_budget_share
        self._tokens = TokenKeeper(self._fetch_token, self._options.now)
        self.limits: ApiUsage | None = None

    def __repr__(self) -> str:
        return f"SalesforceClient({str(self.http.base_url)!r}, api_version={self._version!r})"

    # ---- reading

    def describe(self, object_name: str) -> Record:
        """Salesforce's description of an object; `fields` lists name, type, length and what may be written. Asked once in a client's life."""
        if object_name not in self._described:
            found = self.http.object_of(self._read(f"sobjects/{soql.name(object_name)}/describe"), "name", "fields")
            if str(found["name"]).lower() != object_name.lower():
                raise self._broken(f"the description of {object_name} is that of {found['name']}")
            self._described[object_name] = found
        return self._described[object_name]

    def query(self, text: str) -> Iterator[Record]:
        """Records of a SOQL query without their `attributes`, page by page; deleted ones are left out."""
        return self._pages("query", text)

    def query_all(self, text: str) -> Iterator[Record]:
        """As `query`, with deleted and archived records (select `IsDeleted` to tell them apart)."""
        return self._pages("queryAll", text)

    def query_modified(
        self,
        object_name: str,
        fields: Sequence[str],
        since: datetime | None,
        until: datetime | None = None,
        overlap: timedelta = OVERLAP,
        *,
        include_deleted: bool = True,
    ) -> Iterator[Record]:
        """Records modified from `since` minus `overlap` (None: from the beginning) to before `until`; by Bulk API 2.0 if there are many.

        In the order of SystemModstamp and Id, except by Bulk, which promises none. `Id`, `SystemModstamp` and `IsDeleted` are always selected. Naive UTC. The overlap returns records that were read before: the caller
        merges on the record and its content. Rows committed by a long transaction carry a stamp before the cursor; ten minutes cover them.
        """
        conditions = []
        if since is not None:
            conditions.append(f"SystemModstamp >= {soql.literal(since - overlap)}")
        if until is not None:
            conditions.append(f"SystemModstamp < {soql.literal(until)}")
        columns, where, resource = ["Id", *fields, "SystemModstamp", "IsDeleted"], " AND ".join(conditions), "queryAll" if include_deleted else "query"
        # An ORDER BY keeps Salesforce from splitting a job by primary key.
        bulk = (object_name, soql.select(object_name, columns, where))
        return self._pages(resource, soql.select(object_name, columns, where, "SystemModstamp, Id"), bulk)

    def bulk_query(self, object_name: str, text: str, *, include_deleted: bool = False) -> Iterator[Record]:
        """Records of a query on `object_name` by a Bulk API 2.0 job, values as the REST API gives them (types by `describe`), in no order.

        VIM-E013 if the job fails, does not end within an hour, or its pages do not hold what it says it has found.
        """
        types = {item["name"]: item["type"] for item in self.describe(object_name)["fields"]}
        job = self._finished_job({"operation": "queryAll" if include_deleted else "query", "query": text, "contentType": "CSV"})
        header: list[str] = []
        locator, locators, rows = "", set[str](), 0
        while True:
            parameters = {"maxRecords": self._bulk_page} | ({"locator": locator} if locator else {})
            response = self._read(f"jobs/query/{job['id']}/results", params=parameters, headers={"Accept": "text/csv"})
            try:
                page = list(csv_records(response.content.decode("utf-8"), header, types))
            except (ValueError, csv.Error) as error:
                raise self._broken(f"a page of bulk results for {object_name} is not what it says: {error}") from None
            if response.headers.get("Sforce-NumberOfRecords", str(len(page))) != str(len(page)):
                raise self._broken(f"a page of bulk results for {object_name} holds {len(page)} of {response.headers['Sforce-NumberOfRecords']} records")
            rows += len(page)
            yield from page
            locator = response.headers.get("Sforce-Locator", "null")
            if locator == "null":
                break
            if locator in locators:
                raise self._broken(f"the bulk results for {object_name} lead in a circle")
            locators.add(locator)
        if rows != int(job.get("numberRecordsProcessed", rows)):
            raise self._broken(f"the bulk results for {object_name} hold {rows} of {job['numberRecordsProcessed']} records")

    def deleted(self, object_name: str, start: datetime, end: datetime) -> DeletedRecords:
        """The records deleted from `start` to `end` (naive UTC, more than a minute apart), purged ones included, whose log lives for 15 to 30 days.

        A window with too many ids is read in halves. VIM-E013 with vendor_code INVALID_REPLICATION_DATE where `start` is before what Salesforce
        still knows; also look at `earliest_available`: what was deleted between `start` and it is not in the answer, and only a full read finds it.
        """
        moments = {"start": json_value(start.replace(microsecond=0)), "end": json_value(end.replace(microsecond=0))}
        try:
            answer = self._read(f"sobjects/{soql.name(object_name)}/deleted/", params=moments)
            body = self.http.object_of(answer, "deletedRecords", "earliestDateAvailable", "latestDateCovered")
        except VendorError as error:
            middle = start + (end - start) / 2
            if error.vendor_code != "EXCEEDED_ID_LIMIT" or middle - start <= timedelta(minutes=2):
                raise
            first, second = self.deleted(object_name, start, middle), self.deleted(object_name, middle, end)
            return DeletedRecords(first.moments | second.moments, max(first.earliest_available, second.earliest_available), second.latest_covered)
        found = {item["id"]: utc_moment(item["deletedDate"]) for item in body["deletedRecords"]}
        return DeletedRecords(found, utc_moment(body["earliestDateAvailable"]), utc_moment(body["latestDateCovered"]))

    def daily_requests(self) -> ApiUsage:
        """Requests used and allowed in the rolling 24 hours, by `/limits`."""
        limit = self.http.body_of(self._read("limits"))["DailyApiRequests"]
        return ApiUsage(limit["Max"] - limit["Remaining"], limit["Max"])

    def get(self, object_name: str, record_id: str, fields: Sequence[str]) -> Record | None:
        """One record by its Id, or None if there is none or it was deleted."""
        columns = ",".join(soql.name(column) for column in fields)
        try:
            response = self._read(f"sobjects/{soql.name(object_name)}/{path_segment(record_id)}", params={"fields": columns})
        except VendorError as error:
            if error.vendor_code in GONE_CODES:
                return None
            raise
        return _plain(self.http.body_of(response))

    def find(self, object_name: str, field: str, value: soql.SoqlValue, fields: Sequence[str]) -> list[Record]:
        """All records whose `field` equals `value`: the read-back of a write whose answer was lost. Salesforce compares text without case."""
        where = f"{soql.name(field)} = {soql.literal(value)}"
        return list(self.query(soql.select(object_name, ["Id", *fields], where, "Id")))

    # ---- writing

    def upsert(self, object_name: str, external_field: str, value: str, fields: Mapping[str, Any], update_only: bool = False) -> UpsertResult:
        """Create or update the one record whose `external_field` equals `value`. The external id is not repeated in `fields`.

        VIM-E013 with vendor_code MULTIPLE_CHOICES if several records carry the value, NOT_FOUND if `update_only` finds none.
        """
        path = f"sobjects/{soql.name(object_name)}/{soql.name(external_field)}/{path_segment(value)}"
        response = self._call("PATCH", path, Safety.IDEMPOTENT_WRITE, params={"updateOnly": "true"} if update_only else None, json=_wire(fields))
        if response.status_code == 204:  # API versions before 46 say nothing of the record they updated
            return UpsertResult(self.find(object_name, external_field, value, [])[0]["Id"], created=False)
        body = self.http.body_of(response)
        return UpsertResult(body["id"], bool(body.get("created", response.status_code == 201)))

    def upsert_many(self, object_name: str, external_field: str, records: Sequence[Mapping[str, Any]]) -> list[ItemResult]:
        """Upsert records of one object, each with its external id among its fields, 200 to a request; one result per record, in order.

        A record that fails does not stop the others (`allOrNone` false); one that met a locked row is sent again. If a whole
        request fails, the VendorError's `completed` holds the results of the requests before it.
        """
        return self._collection(f"composite/sobjects/{soql.name(object_name)}/{soql.name(external_field)}", object_name, records)

    def update_many(self, object_name: str, records: Sequence[Mapping[str, Any]]) -> list[ItemResult]:
        """Update records of one object, each with its `Id` among its fields, 200 to a request; otherwise as `upsert_many`, and never creates.

        For objects without an external id of ours, such as Account: 'sObject Collections: Update'.
        """
        return self._collection("composite/sobjects", object_name, records)

    def create(self, object_name: str, fields: Mapping[str, Any]) -> str:
        """Create a record and return its Id. Not repeatable: after VIM-E015 look for the record before creating it again."""
        return str(self.http.body_of(self._call("POST", f"sobjects/{soql.name(object_name)}", Safety.WRITE, json=_wire(fields)))["id"])

    def update(self, object_name: str, record_id: str, fields: Mapping[str, Any]) -> None:
        """Set `fields` of the record with this Id; None clears a field."""
        self._call("PATCH", f"sobjects/{soql.name(object_name)}/{path_segment(record_id)}", Safety.IDEMPOTENT_WRITE, json=_wire(fields))

    def delete(self, object_name: str, record_id: str) -> None:
        """Move the record to the recycle bin (undo of a create)."""
        self._call("DELETE", f"sobjects/{soql.name(object_name)}/{path_segment(record_id)}", Safety.WRITE)

    # ---- inside

    # ---- the org itself

    def tooling_query(self, text: str) -> list[Record]:
        """Rows of a query of the Tooling API, which sees definitions that field-level security hides from us. First page only: some hundred rows."""
        return [_plain(record) for record in self._read("tooling/query", params={"q": text}).json()["records"]]

    def deploy(self, package: bytes) -> Record:
        """Deploy a zip in metadata format, all of it or nothing; the finished `deployResult` with its details, successful or not.

        'Deploy Metadata with Apex Testing Using REST': multipart with the options as JSON and the zip. VIM-E013 if it does not end in time.
        """
        options = {"deployOptions": {"checkOnly": False, "ignoreWarnings": False, "rollbackOnError": True, "singlePackage": True}}
        files = [("json", (None, json.dumps(options).encode(), "application/json")), ("file", ("package.zip", package, "application/zip"))]
        deployment = self._call("POST", "metadata/deployRequest", Safety.WRITE, files=files).json()["id"]
        for seconds in DEPLOY_POLL_SECONDS:
            result: Record = self._read(f"metadata/deployRequest/{deployment}", params={"includeDetails": "true"}).json()["deployResult"]
            if result.get("done") in (True, "true") or result.get("completedDate"):
                self._described.clear()
                return result
            self._options.sleep(seconds)
        raise VendorError(
            "VIM-E013", f"The deployment {deployment} of Salesforce is still under way", fix="See Setup, Deployment Status; then run vimotion doctor again"
        )

    def _collection(self, path: str, object_name: str, records: Sequence[Mapping[str, Any]]) -> list[ItemResult]:
        results: list[ItemResult] = []
        for start in range(0, len(records), UPSERT_MANY_LIMIT):
            try:
                results += self._collection_chunk(path, object_name, records[start : start + UPSERT_MANY_LIMIT])
            except VendorError as error:
                error.completed = tuple(results)
                raise
        return results

    def _collection_chunk(self, path: str, object_name: str, records: Sequence[Mapping[str, Any]]) -> list[ItemResult]:
        results: list[ItemResult | None] = [None] * len(records)
        open_items = list(range(len(records)))
        retry = self._options.retry
        for attempt in range(1, retry.attempts + 1):
            body = {"allOrNone": False, "records": [{"attributes": {"type": object_name}, **_wire(records[item])} for item in open_items]}
            answers = self.http.body_of(self._call("PATCH", path, Safety.IDEMPOTENT_WRITE, json=body))
            if len(answers) != len(open_items):
                raise VendorError("VIM-E013", f"Salesforce answered {len(answers)} results to {len(open_items)} records of {object_name}")
            for item, answer in zip(open_items, answers, strict=True):
                results[item] = _item_result(answer)
            open_items = [item for item in open_items if results[item].is_locked]  # type: ignore[union-attr]
            if not open_items:
                break
            if attempt < retry.attempts:
                self._options.sleep(retry.wait_seconds(attempt, None, self._options.rng))
        return results  # type: ignore[return-value]

    def _pages(self, resource: str, text: str, bulk: tuple[str, str] | None = None) -> Iterator[Record]:
        response = self._read(resource, params={"q": text}, headers={"Sforce-Query-Options": f"batchSize={self._batch_size}"})
        body = self.http.object_of(response, "totalSize", "records", "done")
        if bulk is not None and body["totalSize"] > self._bulk_above:
            yield from self.bulk_query(*bulk, include_deleted=resource == "queryAll")
            return
        addresses, identities = set[str](), set[str]()
        while True:
            for record in body["records"]:
                # The result of a query is fixed when it starts: no record comes twice, unless a page did, and then another is missing.
                attributes = record.get("attributes") or {}
                if bulk is not None and attributes.get("type", bulk[0]) != bulk[0]:
                    raise self._broken(f"a query of {bulk[0]} was answered with a record of {attributes['type']}")
                identity = str(attributes.get("url") or "")
                if identity and identity in identities:
                    raise self._broken(f"a page of the query came twice (record {record.get('Id') or identity})")
                identities.add(identity)
                yield _plain(record)
            if body["done"]:
                return
            following = body["nextRecordsUrl"]
            if following in addresses:
                raise self._broken("the pages of the query lead in a circle")
            addresses.add(following)
            # A URL, not a path under the version: joining it to the data path is how dlt's verified source breaks.
            response = self._read(following, headers={"Sforce-Query-Options": f"batchSize={self._batch_size}"})
            body = self.http.object_of(response, "totalSize", "records", "done")

    def _finished_job(self, request: Record) -> Record:
        """A query job that has ended well. Making one twice does no harm, so it is sent as a read."""
        job = self.http.object_of(self._read("jobs/query", method="POST", json=request), "id", "state")
        waited, wait = 0.0, self._options.retry.base_seconds
        while job["state"] not in FINAL_STATES:
            if waited >= BULK_SECONDS:
                self._call("PATCH", f"jobs/query/{job['id']}", Safety.IDEMPOTENT_WRITE, json={"state": "Aborted"})
                raise self._broken(f"a bulk query of {job.get('object')} did not end within {BULK_SECONDS / 60:.0f} minutes")
            self._options.sleep(wait)
            waited, wait = waited + wait, min(wait * 2, BULK_WAIT_SECONDS)
            job = self.http.object_of(self._read(f"jobs/query/{job['id']}"), "id", "state")
        if job["state"] != "JobComplete":
            raise self._broken(f"a bulk query of {job.get('object')} ended as {job['state']}: {self.http.scrub(str(job.get('errorMessage', '')))}")
        return dict(job)

    @staticmethod
    def _broken(what: str) -> VendorError:
        return VendorError(
            "VIM-E013", f"Salesforce gave an incomplete answer: {what}", fix="Run again; nothing of this reading was kept", vendor_code="BROKEN_PAGES"
        )

    def _read(self, path: str, *, method: str = "GET", **arguments: Any) -> httpx.Response:
        if self.limits is not None and self.limits.share >= self._read_budget_share:
            raise VendorError(
                "VIM-E014",
                f"Salesforce's request limit is {self.limits.share:.0%} used ({self.limits.used} of {self.limits.allowed})",
                why=f"Reading stops at {self._read_budget_share:.0%}: the daily pool is shared with every other integration of the org",
                fix="Run again when the rolling 24 hours have freed requests",
                vendor_code="REQUEST_LIMIT_EXCEEDED",
            )
        return self._call(method, path, Safety.READ, **arguments)

    def _call(self, method: str, path: str, safety: Safety, *, headers: Mapping[str, str] | None = None, **arguments: Any) -> httpx.Response:
        for is_second in (False, True):
            token = self._tokens.get()
            target = path if path.startswith(("/", "http://", "https://")) else f"/services/data/v{self._version}/{path}"
            target = token.base + target if target.startswith("/") else target
            response = self.http.send(
                method, target, safety=safety, headers={"Authorization": f"Bearer {token.value}", **(headers or {})}, is_locked=_says_locked, **arguments
            )
            self._note_usage(response)
            if response.status_code != 401 or is_second or _first_error(response)[0] != "INVALID_SESSION_ID":
                break
            self._tokens.forget(token)
        if response.is_success:
            return response
        raise self._refusal(response)

    def _fetch_token(self) -> AccessToken:
        response = self.http.send("POST", "/services/oauth2/token", safety=Safety.READ, data=self._login.form(self._options.now()))
        body = json_or_none(response)
        if response.status_code != 200 or not isinstance(body, dict) or "access_token" not in body:
            detail = f"{body.get('error', '')}: {body.get('error_description', '')}" if isinstance(body, dict) else f"HTTP {response.status_code}"
            raise VendorError(
                "VIM-E011",
                f"Salesforce refused the {self._login.name}",
                why=self.http.scrub(detail),
                fix=f"Check {self._login.settings} and that SALESFORCE_BASE_URL is the My Domain address of the org",
                status=response.status_code,
                vendor_code=str(body.get("error", "")) if isinstance(body, dict) else "",
            )
        token = str(body["access_token"])
        self.http.hide(token)
        # No expires_in: Salesforce does not send one.
        return AccessToken(token, None, str(body.get("instance_url") or self.http.base_url).rstrip("/"))

    def _note_usage(self, response: httpx.Response) -> None:
        for part in response.headers.get("Sforce-Limit-Info", "").split(","):
            label, _, value = part.strip().partition("=")
            used, _, allowed = value.partition("/")
            if label == "api-usage" and used.isdigit() and allowed.isdigit():
                self.limits = ApiUsage(int(used), int(allowed))

    def _refusal(self, response: httpx.Response) -> VendorError:
        code, message, fields = _first_error(response)
        message = self.http.scrub(message)
        if response.status_code == 300:
            code, message = "MULTIPLE_CHOICES", "several records carry this external id"
        where = f"{response.request.method} {response.request.url.path}"
        facts: dict[str, Any] = {"status": response.status_code, "vendor_code": code, "vendor_message": message}
        if code == "REQUEST_LIMIT_EXCEEDED":
            return VendorError(
                "VIM-E014", "Salesforce's request limit is used up", why=message, fix="Run again when the rolling 24 hours have freed requests", **facts
            )
        if response.status_code == 401:
            return VendorError(
                "VIM-E011",
                "Salesforce refused our access token",
                why=f"{code}: {message}",
                fix="Check the External Client App's policies and its run-as user",
                **facts,
            )
        named = f" (fields {', '.join(fields)})" if fields else ""
        return VendorError(
            "VIM-E013",
            f"Salesforce refused {where} with HTTP {response.status_code} {code}",
            why=f"{message}{named}",
            fix="Correct the request's cause in the org or the portfolio file; it was not repeated",
            **facts,
        )


def client_from_settings(settings: Settings, *, options: TransportOptions | None = None) -> SalesforceClient:
    """The client of the org that the settings name, by JWT where a private key is named; VIM-E001 if one of its settings is missing."""
    settings.require("salesforce_base_url", "salesforce_client_id")
    assert settings.salesforce_base_url and settings.salesforce_client_id
    login: Login
    if settings.salesforce_private_key_path is not None:
        settings.require("salesforce_username")
        assert settings.salesforce_username
        login = JwtBearer(settings.salesforce_client_id, settings.salesforce_username, settings.salesforce_private_key_path, settings.salesforce_login_url)
    else:
        settings.require("salesforce_client_secret")
        assert settings.salesforce_client_secret
        login = ClientCredentials(settings.salesforce_client_id, settings.salesforce_client_secret.get_secret_value())
    return SalesforceClient(
        settings.salesforce_base_url,
        settings.salesforce_client_id,
        api_version=settings.salesforce_api_version,
        login=login,
        read_budget_share=settings.salesforce_read_budget_share,
        allowed_hosts=settings.allowed_hosts.split(","),
        options=transport_from_settings(settings, options),
    )


def _plain(record: Record) -> Record:
    record.pop("attributes", None)
    return record


def _wire(fields: Mapping[str, Any]) -> Record:
    """Field values as Salesforce's JSON wants them: naive datetimes are UTC, decimals are numbers."""
    return {soql.name(field): json_value(value) for field, value in fields.items()}


def _item_result(answer: Mapping[str, Any]) -> ItemResult:
    errors = tuple(
        ItemError(str(error.get("statusCode", "")), str(error.get("message", "")), tuple(error.get("fields") or ())) for error in answer.get("errors") or ()
    )
    return ItemResult(answer.get("id"), bool(answer.get("success")), bool(answer.get("created")), errors)


def _first_error(response: httpx.Response) -> tuple[str, str, tuple[str, ...]]:
    """Code, message and fields of an error body. Salesforce sends a list; single objects are met in some resources."""
    body = json_or_none(response)
    first = body[0] if isinstance(body, list) and body else body
    if not isinstance(first, dict):
        return "", response.text, ()
    return str(first.get("errorCode", "")), str(first.get("message", "")), tuple(first.get("fields") or ())


def _says_locked(response: httpx.Response) -> bool:
    return response.status_code in (400, 409, 500, 503) and _first_error(response)[0] in LOCK_CODES
