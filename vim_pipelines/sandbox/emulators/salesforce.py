"""A loopback emulator of Salesforce's REST API over the sandbox's org.

Status codes and bodies follow the 'REST API Developer Guide' (Status Codes and Error Responses, Query, sObject Rows by External ID,
sObject Collections Upsert, Query Options Header, sObject Get Deleted, Limits) as collected in CONNECTORS section 1. Where the guide is
silent the choice is marked 'our reading' at the place. Login and query jobs have modules of their own. What it does not do: triggers,
sharing, relationships, bulk ingest.
"""

from __future__ import annotations

import json
import re
import secrets
import sqlite3
from array import array
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vim_pipelines.sandbox.emulators.faults import Sandboxed, partial_code
from vim_pipelines.sandbox.emulators.objects import OBJECTS, Field, SObject, record_id
from vim_pipelines.sandbox.emulators.salesforce_bulk import QueryJobs
from vim_pipelines.sandbox.emulators.salesforce_login import App
from vim_pipelines.sandbox.emulators.salesforce_schema import OrgSchema
from vim_pipelines.sandbox.emulators.salesforce_wire import Refused
from vim_pipelines.sandbox.emulators.salesforce_wire import answer as _answer
from vim_pipelines.sandbox.emulators.soql import Query, SoqlError, parse
from vim_pipelines.sandbox.emulators.state import STAMP, SandboxClock, State, stamp_text

VERSIONS = ("60.0", "61.0", "62.0", "63.0", "64.0", "65.0", "66.0", "67.0")
CREATED_IS_TOLD_SINCE = 46.0
DAILY_REQUESTS = 100_000
DEFAULT_BATCH, SMALLEST_BATCH = 2000, 200
MOST_RECORDS = 200
MOST_LOCATORS = 10
USER_ID = "005VM0000000001AAA"
DELETED_IDS_LIMIT = 600_000
DELETED_DAYS = 30
#: Published: they open nothing but this machine's sandbox.
CLIENT_ID, CLIENT_SECRET = "sandbox-salesforce-client", "sandbox-salesforce-secret"


class SalesforceEmulator:
    """The org: its state, its tokens, its query locators and its request budget. `app` is the ASGI application."""

    def __init__(
        self,
        database: Path,
        clock: SandboxClock,
        *,
        client_id: str = CLIENT_ID,
        client_secret: str = CLIENT_SECRET,
        public_key: str = "",
        username: str = "",
        daily_requests: int = DAILY_REQUESTS,
        job_looks: int = 2,
    ) -> None:
        self.state = State(database, [sobject.table for sobject in OBJECTS.values()])
        self._clock = clock
        self._client_id, self._client_secret = client_id, client_secret
        self._app = App(client_id, client_secret, public_key, username)
        self._objects = dict(OBJECTS)
        self._by_lower_name = {name.lower(): sobject for name, sobject in OBJECTS.items()}
        for change in json.loads(self.state.meta("schema") or "[]"):
            self._apply_schema(change)
        self._schema = OrgSchema(self.state, self._objects, self._by_lower_name)
        self._rules: list[dict[str, str]] = []
        self._jobs = QueryJobs(self._records, job_looks)
        self._deleted_limit, self._earliest = DELETED_IDS_LIMIT, ""
        self._tokens: set[str] = set()
        self._locators: OrderedDict[str, tuple[Query, array[int]]] = OrderedDict()
        self._used, self._allowed = 0, daily_requests
        self.app = Sandboxed(self._routes(), _fault_body, self._control)

    def credentials(self, url: str) -> dict[str, str]:
        """How a client logs in here, by the fields of `Settings`."""
        return {"salesforce_base_url": url, "salesforce_client_id": self._client_id, "salesforce_client_secret": self._client_secret}

    def close(self) -> None:
        """Close the database."""
        self.state.close()

    def _routes(self) -> Starlette:
        data = "/services/data/v{version}"
        routes = [
            ("/services/oauth2/token", self._token, ["POST"], False),
            ("/services/data", self._versions, ["GET"], False),
            (f"{data}/limits", self._limits, ["GET"], True),
            (f"{data}/query", self._query, ["GET"], True),
            (f"{data}/queryAll", self._query, ["GET"], True),
            (f"{data}/query/{{locator}}", self._more, ["GET"], True),
            (f"{data}/sobjects", self._sobjects, ["GET"], True),
            (f"{data}/sobjects/{{object}}", self._create, ["POST"], True),
            (f"{data}/sobjects/{{object}}/describe", self._describe, ["GET"], True),
            (f"{data}/sobjects/{{object}}/deleted", self._deleted, ["GET"], True),
            (f"{data}/sobjects/{{object}}/deleted/", self._deleted, ["GET"], True),
            (f"{data}/tooling/query", self._schema.query, ["GET"], True),
            (f"{data}/metadata/deployRequest", self._schema.deploy, ["POST"], True),
            (f"{data}/metadata/deployRequest/{{deployment}}", self._schema.status, ["GET"], True),
            (f"{data}/jobs/query", self._create_job, ["POST"], True),
            (f"{data}/jobs/query/{{job}}", self._one_job, ["GET", "PATCH"], True),
            (f"{data}/jobs/query/{{job}}/results", self._job_results, ["GET"], True),
            (f"{data}/sobjects/{{object}}/{{record}}", self._record, ["GET", "PATCH", "DELETE"], True),
            (f"{data}/sobjects/{{object}}/{{field}}/{{value:path}}", self._external, ["GET", "PATCH"], True),
            (f"{data}/composite/sobjects", self._update_collection, ["PATCH"], True),
            (f"{data}/composite/sobjects/{{object}}/{{field}}", self._collection, ["PATCH"], True),
        ]
        every = ["GET", "POST", "PUT", "PATCH", "DELETE"]
        app = Starlette(routes=[Route(path, self._guarded(handler, methods, locked), methods=every) for path, handler, methods, locked in routes])
        app.add_exception_handler(404, _not_found)
        app.router.redirect_slashes = False
        return app

    def _guarded(self, handler: Any, methods: list[str], needs_token: bool) -> Any:
        async def endpoint(request: Request) -> Response:
            headers = {}
            try:
                if needs_token:
                    headers = self._admit(request)
                if request.method not in methods:
                    raise Refused(405, "METHOD_NOT_ALLOWED", f"HTTP Method '{request.method}' not allowed. Allowed are {','.join(methods)}")
                self.state.advance(self._clock.now())
                response: Response = await handler(request)
            except Refused as refusal:
                response = _answer([refusal.body()], refusal.status)
            except SoqlError as error:
                response = _answer([{"message": error.message, "errorCode": error.code}], 400)
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise
                # Two processes write to one sandbox: what Salesforce says when two transactions want one row.
                locked = Refused(400, "UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record or 1 records", [])
                response = _answer([locked.body()], 400)
            response.headers.update(headers)
            return response

        return endpoint

    def _admit(self, request: Request) -> dict[str, str]:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() not in ("bearer", "oauth") or token not in self._tokens:
            raise Refused(401, "INVALID_SESSION_ID", "Session expired or invalid")
        if request.path_params["version"] not in VERSIONS:
            raise Refused(404, "NOT_FOUND", "The requested resource does not exist")
        if self._used >= self._allowed:
            raise Refused(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        self._used += 1
        return {"Sforce-Limit-Info": f"api-usage={self._used}/{self._allowed}"}

    # ---- login and versions

    async def _token(self, request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        refusal = self._app.refusal(form, str(request.base_url).rstrip("/"))
        if refusal is not None:
            return _answer(refusal, 400)
        token = "00DVM0000000001!" + secrets.token_urlsafe(48)
        self._tokens.add(token)
        instance = str(request.base_url).rstrip("/")
        issued = int(self._clock.now().replace(tzinfo=UTC).timestamp() * 1000)
        # No expires_in: Salesforce does not send one.
        return _answer(
            {
                "access_token": token,
                "signature": secrets.token_urlsafe(32),
                "scope": "api",
                "instance_url": instance,
                "id": f"{instance}/id/00DVM0000000001AAA/{USER_ID}",
                "token_type": "Bearer",
                "issued_at": str(issued),
            }
        )

    async def _versions(self, request: Request) -> Response:
        return _answer([{"label": f"API {version}", "url": f"/services/data/v{version}", "version": version} for version in VERSIONS])

    async def _limits(self, request: Request) -> Response:
        return _answer({"DailyApiRequests": {"Max": self._allowed, "Remaining": max(0, self._allowed - self._used)}})

    # ---- queries

    async def _query(self, request: Request) -> Response:
        text = request.query_params.get("q")
        if not text:
            raise Refused(400, "MALFORMED_QUERY", "A query string has to be specified")
        query = parse(text, include_deleted=request.url.path.endswith("/queryAll"), objects=self._by_lower_name)
        rows = array("q", (row[0] for row in self.state.connection.execute(query.sql, query.parameters)))
        if not query.fields:
            return _answer({"totalSize": len(rows), "done": True, "records": []})
        locator = "01g" + secrets.token_hex(8)[:12] + "AAA"
        return self._page(request, locator, query, rows, 0)

    async def _more(self, request: Request) -> Response:
        locator, _, offset = request.path_params["locator"].partition("-")
        found = self._locators.get(locator)
        if found is None or not offset.isdigit() or int(offset) >= len(found[1]):
            raise Refused(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        return self._page(request, locator, *found, int(offset))

    def _page(self, request: Request, locator: str, query: Query, rows: array[int], offset: int) -> Response:
        version = request.path_params["version"]
        end = offset + _batch_size(request.headers.get("Sforce-Query-Options", ""))
        body: dict[str, Any] = {"totalSize": len(rows), "done": end >= len(rows)}
        if end < len(rows):
            self._locators[locator] = (query, rows)
            self._locators.move_to_end(locator)
            # Salesforce keeps ten open cursors a user; the oldest is released.
            while len(self._locators) > MOST_LOCATORS:
                self._locators.popitem(last=False)
            body["nextRecordsUrl"] = f"/services/data/v{version}/query/{locator}-{end}"
        body["records"] = self._records(query, rows[offset:end], version)
        return _answer(body)

    def _records(self, query: Query, rows: array[int], version: str) -> list[dict[str, Any]]:
        name = query.sobject.name
        columns = ", ".join(f'"{STAMP if field.name == "LastModifiedDate" else field.name}"' for field in query.fields)
        found = self.state.connection.execute(
            f'select rowid, Id, {columns} from "c_{name}" where rowid in (select value from json_each(?))', (json.dumps(rows.tolist()),)
        )
        names = [field.name for field in query.fields]
        flags = [place for place, field in enumerate(query.fields) if field.type == "boolean"]
        changed = [place for place, field in enumerate(query.fields) if field.template]
        prefix = f"/services/data/v{version}/sobjects/{name}/"
        by_row = {}
        for rowid, identity, *values in found:
            for place in flags:
                values[place] = bool(values[place])
            for place in changed:
                values[place] = query.fields[place].shown(values[place])
            by_row[rowid] = {"attributes": {"type": name, "url": prefix + identity}, **dict(zip(names, values, strict=True))}
        return [by_row[row] for row in rows if row in by_row]

    # ---- objects

    async def _sobjects(self, request: Request) -> Response:
        version = request.path_params["version"]
        return _answer({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": [_object_summary(sobject, version) for sobject in self._objects.values()]})

    async def _describe(self, request: Request) -> Response:
        sobject = self._object(request)
        return _answer({**_object_summary(sobject, request.path_params["version"]), "fields": [_field_summary(field) for field in sobject.fields.values()]})

    async def _deleted(self, request: Request) -> Response:
        """'sObject Get Deleted': ids deleted in a window of at most thirty days."""
        sobject, now = self._object(request), self._clock.now()
        try:
            start, end = (datetime.fromisoformat(request.query_params[name].replace(" ", "+")) for name in ("start", "end"))
        except (KeyError, ValueError):
            raise Refused(400, "INVALID_REPLICATION_DATE", "start and end have to be datetimes") from None
        start, end = (moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment for moment in (start, end))
        earliest = max(now - timedelta(days=DELETED_DAYS), datetime.fromisoformat(self._earliest) if self._earliest else datetime.min)
        if end - start <= timedelta(minutes=1):
            raise Refused(400, "INVALID_REPLICATION_DATE", "startDate must precede endDate by more than one minute")
        if start < now - timedelta(days=DELETED_DAYS):
            raise Refused(400, "INVALID_REPLICATION_DATE", "startDate before org replication enabled date")
        found = self.state.deleted(sobject.name, stamp_text(max(start, earliest)), stamp_text(end))
        if len(found) > self._deleted_limit:
            raise Refused(400, "EXCEEDED_ID_LIMIT", "The number of IDs exceeds the limit; choose start and end dates that are closer together")
        return _answer(
            {
                "deletedRecords": [{"id": identity, "deletedDate": stamp} for identity, stamp in found],
                "earliestDateAvailable": stamp_text(earliest),
                "latestDateCovered": stamp_text(min(end, now)),
            }
        )

    # ---- query jobs

    async def _create_job(self, request: Request) -> Response:
        body = _object_body(await request.body())
        operation, text = body.get("operation"), body.get("query")
        if operation not in ("query", "queryAll") or not isinstance(text, str):
            raise Refused(400, "INVALIDJOB", "operation has to be query or queryAll, with a query")
        query = parse(text, include_deleted=operation == "queryAll", objects=self._by_lower_name)
        if not query.fields:
            raise Refused(400, "INVALIDJOB", "Aggregate Relationships not supported in Bulk Query")
        rows = array("q", (row[0] for row in self.state.connection.execute(query.sql, query.parameters)))
        return _answer(self._jobs.create(text, operation, query, rows, stamp_text(self._clock.now()), request.path_params["version"]))

    async def _one_job(self, request: Request) -> Response:
        if request.method == "GET":
            return _answer(self._jobs.look(request.path_params["job"]))
        if _object_body(await request.body()).get("state") != "Aborted":
            raise Refused(400, "INVALIDJOBSTATE", "A query job can only be aborted")
        return _answer(self._jobs.abort(request.path_params["job"]))

    async def _job_results(self, request: Request) -> Response:
        query = request.query_params
        text, headers = self._jobs.results(request.path_params["job"], query.get("locator"), query.get("maxRecords"))
        return Response(text, 200, {"Content-Type": "text/csv", **headers})

    async def _record(self, request: Request) -> Response:
        sobject, identity = self._object(request), request.path_params["record"]
        if request.method == "GET":
            return self._shown(request, sobject, self._one(sobject, identity))
        if request.method == "DELETE":
            with self.state.transaction():
                self._one(sobject, identity)
                self._write(sobject, identity, "deleted", {"IsDeleted": 1})
            return Response(status_code=204)
        fields = self._checked(sobject, _object_body(await request.body()), is_new=False)
        with self.state.transaction():
            self._one(sobject, identity)
            self._check_uniqueness(sobject, fields, identity)
            self._write(sobject, identity, "updated", fields)
        return Response(status_code=204)

    async def _create(self, request: Request) -> Response:
        sobject = self._object(request)
        fields = self._checked(sobject, _object_body(await request.body()), is_new=True)
        with self.state.transaction():
            self._check_uniqueness(sobject, fields, None)
            identity = self._new_record(sobject, fields)
        return self._created(request, sobject, identity, {"id": identity, "success": True, "errors": []})

    async def _external(self, request: Request) -> Response:
        sobject, value = self._object(request), request.path_params["value"]
        field = _external_field(sobject, request.path_params["field"])
        if request.method == "GET":
            found = self._matching(sobject, field, value)
            if len(found) == 1:
                return self._shown(request, sobject, found[0])
            if not found:
                raise Refused(404, "NOT_FOUND", "The requested resource does not exist")
            return self._choices(request, sobject, found)
        body = _object_body(await request.body())
        if any(name.lower() in (field.name.lower(), "id") for name in body):
            raise Refused(400, "INVALID_FIELD", f"The {field.name} field should not be specified in the sobject data.", [field.name])
        update_only = request.query_params.get("updateOnly", "false").lower() == "true"
        with self.state.transaction():
            found = self._matching(sobject, field, value)
            if len(found) > 1:
                return self._choices(request, sobject, found)
            if not found and update_only:
                raise Refused(404, "NOT_FOUND", "The requested resource does not exist")  # our reading: the guide names no code
            identity, created = self._upsert_one(sobject, field, value, body, found)
        answer = {"id": identity, "success": True, "errors": [], "created": created}
        if created:
            return self._created(request, sobject, identity, answer)
        tells = float(request.path_params["version"]) >= CREATED_IS_TOLD_SINCE
        return _answer(answer) if tells else Response(status_code=204)

    async def _collection(self, request: Request) -> Response:
        sobject = self._object(request)
        field = _external_field(sobject, request.path_params["field"])
        if field.type == "id":  # 'Only external ids are supported. Don't use record ids.'
            raise Refused(404, "NOT_FOUND", f"Provided external ID field does not exist or is not accessible: {field.name}")
        return self._answer_collection(request, await request.body(), lambda records: self._collection_results(sobject, field, records))

    async def _update_collection(self, request: Request) -> Response:
        """'sObject Collections: Update': records by Id, each naming its type."""
        return self._answer_collection(request, await request.body(), lambda records: [self._update_item(record) for record in records])

    def _answer_collection(self, request: Request, raw: bytes, write: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> Response:
        body = _object_body(raw)
        records = body.get("records")
        if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
            raise Refused(400, "JSON_PARSER_ERROR", "records has to be a list of sObjects")
        if len(records) > MOST_RECORDS:  # our reading: the guide gives the limit and no code
            raise Refused(400, "EXCEEDED_MAX_SIZE_REQUEST", f"records limit reached. cannot submit more than {MOST_RECORDS} records into this operation")
        all_or_none = bool(body.get("allOrNone", False))
        with self.state.transaction() as connection:
            connection.execute("savepoint collection")
            results = _half_failing(records, write, partial_code(request.scope))
            if all_or_none and not all(result["success"] for result in results):
                connection.execute("rollback to collection")
                results = [_rolled_back(result) if result["success"] else result for result in results]
        return _answer(results)

    def _update_item(self, record: dict[str, Any]) -> dict[str, Any]:
        identity = str(_value_of(record, "Id") or "")
        try:
            kind = str((record.get("attributes") or {}).get("type") or "")
            sobject = self._by_lower_name.get(kind.lower())
            if sobject is None:
                raise Refused(400, "INVALID_TYPE", f"sObject type '{kind}' is not supported.")
            if not identity:
                raise Refused(400, "MISSING_ARGUMENT", "Id not specified in an update call", ["Id"])
            fields = self._checked(sobject, {name: value for name, value in record.items() if name.lower() != "id"}, is_new=False)
            self._one(sobject, identity)
            self._check_uniqueness(sobject, fields, identity)
            self._write(sobject, identity, "updated", fields)
        except Refused as refusal:
            return {"success": False, "errors": [{"statusCode": refusal.code, "message": refusal.message, "fields": refusal.fields or []}]}
        return {"id": identity, "success": True, "errors": []}

    def _collection_results(self, sobject: SObject, field: Field, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        results = []
        values = [str(_value_of(record, field.name) or "").lower() for record in records]
        for record, value in zip(records, values, strict=True):
            try:
                kind = (record.get("attributes") or {}).get("type")
                if kind is None or kind.lower() != sobject.name.lower():
                    raise Refused(400, "INVALID_TYPE", f"sObject type '{kind}' does not match {sobject.name}")
                if not value:
                    raise Refused(400, "MISSING_ARGUMENT", f"{field.name} not specified", [field.name])
                if values.count(value) > 1:
                    raise Refused(400, "DUPLICATE_VALUE", f"Duplicate external id specified: {_value_of(record, field.name)}", [field.name])
                results.append(self._collection_item(sobject, field, record))
            except Refused as refusal:
                error = {"statusCode": refusal.code, "message": refusal.message, "fields": refusal.fields or []}
                results.append({"success": False, "errors": [error]})
        return results

    def _collection_item(self, sobject: SObject, field: Field, record: dict[str, Any]) -> dict[str, Any]:
        value = str(_value_of(record, field.name))
        fields = {name: given for name, given in record.items() if name != "attributes" and name.lower() != field.name.lower()}
        found = self._matching(sobject, field, value)
        if len(found) > 1:
            raise Refused(400, "DUPLICATE_EXTERNAL_ID", f"{field.name}: more than one record found for external id field: {[row['Id'] for row in found]}")
        identity, created = self._upsert_one(sobject, field, value, fields, found)
        return {"id": identity, "success": True, "errors": [], "created": created}

    # ---- rows

    def _one(self, sobject: SObject, identity: str) -> dict[str, Any]:
        rows = self.state.current(sobject.name, "Id = ?", (identity,))
        if not rows:
            raise Refused(404, "NOT_FOUND", "The requested resource does not exist")
        if rows[0]["IsDeleted"]:
            raise Refused(404, "ENTITY_IS_DELETED", "entity is deleted", [])
        return rows[0]

    def _matching(self, sobject: SObject, field: Field, value: str) -> list[dict[str, Any]]:
        collation = "" if field.type == "id" else " collate nocase"
        return self.state.current(sobject.name, f'"{field.name}" = ?{collation} and IsDeleted = 0 order by Id', (value,))

    def _upsert_one(self, sobject: SObject, field: Field, value: str, body: Mapping[str, Any], found: list[dict[str, Any]]) -> tuple[str, bool]:
        external = (field.name, value)
        if found:
            fields = self._checked(sobject, body, is_new=False)
            self._check_uniqueness(sobject, fields, found[0]["Id"])
            self._write(sobject, found[0]["Id"], "updated", fields, external)
            return found[0]["Id"], False
        if field.type == "id":
            raise Refused(404, "NOT_FOUND", "The requested resource does not exist")
        fields = self._checked(sobject, {**body, field.name: value}, is_new=True)
        self._check_uniqueness(sobject, fields, None)
        return self._new_record(sobject, fields, external), True

    def _new_record(self, sobject: SObject, fields: Mapping[str, Any], external: tuple[str, str] | None = None) -> str:
        number = int(self.state.meta("last_number") or 0) + 1
        self.state.set_meta("last_number", str(number))
        identity = record_id(sobject.key_prefix, number)
        defaults = {field.name: _stored(field.default) for field in sobject.own_fields if field.default is not None}
        defaults |= {field.name: 0 for field in sobject.own_fields if field.type == "boolean" and field.default is None}
        external = external or next(((field.name, str(fields[field.name])) for field in sobject.own_fields if field.unique and fields.get(field.name)), None)
        self._write(sobject, identity, "created", {**defaults, **fields}, external)
        return identity

    def _write(self, sobject: SObject, identity: str, effect: str, fields: Mapping[str, Any], external: tuple[str, str] | None = None) -> None:
        stamp = self.state.next_stamp(self._clock.now())
        if effect == "created":
            fields = {**fields, "CreatedDate": stamp}
        self.state.write(sobject.name, identity, effect, stamp, fields, external=external)

    # ---- checks

    def _checked(self, sobject: SObject, body: Mapping[str, Any], *, is_new: bool) -> dict[str, Any]:
        """`body` as column values, or the refusal that Salesforce would give."""
        fields: dict[str, Any] = {}
        for name, value in body.items():
            if name == "attributes":
                continue
            field = sobject.by_lower_name.get(name.lower())
            if field is None:
                raise Refused(400, "INVALID_FIELD", f"No such column '{name}' on sobject of type {sobject.name}")
            if field.read_only:
                raise Refused(
                    400,
                    "INVALID_FIELD_FOR_INSERT_UPDATE",
                    f"Unable to create/update fields: {field.name}. Please check the security settings of this field and verify that it is read/write for your "
                    "profile or permission set.",
                    [field.name],
                )
            fields[field.name] = _checked_value(field, value)
        for rule in self._rules:
            if rule["object"] == sobject.name and rule["field"] in fields and re.search(rule["pattern"], str(fields[rule["field"]] or "")):
                raise Refused(400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", rule["message"], [rule["field"]])
        missing = [field.name for field in sobject.own_fields if field.required and fields.get(field.name) is None and (is_new or field.name in fields)]
        if missing:
            raise Refused(400, "REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(missing)}]", missing)
        for name, value in fields.items():
            target = sobject.fields[name].reference_to
            if target and value is not None and not self.state.current(target, "Id = ? and IsDeleted = 0", (value,)):
                raise Refused(400, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", [name])
        return fields

    def _check_uniqueness(self, sobject: SObject, fields: Mapping[str, Any], identity: str | None) -> None:
        for field in sobject.own_fields:
            if not field.unique or fields.get(field.name) is None:
                continue
            other = next((row for row in self._matching(sobject, field, str(fields[field.name])) if row["Id"] != identity), None)
            if other is not None:
                raise Refused(400, "DUPLICATE_VALUE", f"duplicate value found: {field.name} duplicates value on record with id: {other['Id']}", [])

    # ---- answers

    def _shown(self, request: Request, sobject: SObject, row: Mapping[str, Any]) -> Response:
        wanted = request.query_params.get("fields")
        names = wanted.split(",") if wanted else list(sobject.fields)
        record: dict[str, Any] = {}
        for name in names:
            field = sobject.by_lower_name.get(name.strip().lower())
            if field is None:
                raise Refused(400, "INVALID_FIELD", f"No such column '{name}' on entity '{sobject.name}'.")
            value = row[STAMP if field.name == "LastModifiedDate" else field.name]
            record[field.name] = bool(value) if field.type == "boolean" else field.shown(value)
        url = f"/services/data/v{request.path_params['version']}/sobjects/{sobject.name}/{row['Id']}"
        return _answer({"attributes": {"type": sobject.name, "url": url}, **record, "Id": row["Id"]})

    def _created(self, request: Request, sobject: SObject, identity: str, body: dict[str, Any]) -> Response:
        location = f"/services/data/v{request.path_params['version']}/sobjects/{sobject.name}/{identity}"
        return _answer(body, 201, {"Location": location})

    def _choices(self, request: Request, sobject: SObject, found: list[dict[str, Any]]) -> Response:
        return _answer([f"/services/data/v{request.path_params['version']}/sobjects/{sobject.name}/{row['Id']}" for row in found], 300)

    def _control(self, method: str, name: str, body: Any) -> Any:
        """`/_sandbox/`: GET writes and write_counts; POST expire_tokens, limits {used, allowed, deleted_ids}, validation_rules {object, field,
        pattern, message}, purge {object, earliest} (empties the recycle bin; the delete log is gone before `earliest`), schema {object, field, change: add |
        remove | retype, type, value, template}, org {bare, hide, may_customize}."""
        if (method, name) == ("GET", "writes"):
            return self.state.writes()
        if (method, name) == ("GET", "write_counts"):
            return self._write_counts()
        if (method, name) == ("POST", "expire_tokens"):
            count = len(self._tokens)
            self._tokens.clear()
            return {"expired": count}
        if (method, name) == ("POST", "limits"):
            self._used, self._allowed = int(body.get("used", self._used)), int(body.get("allowed", self._allowed))
            self._deleted_limit = int(body.get("deleted_ids", self._deleted_limit))
            return {"used": self._used, "allowed": self._allowed}
        if (method, name) == ("POST", "validation_rules"):
            self._rules.append({key: str(body[key]) for key in ("object", "field", "pattern", "message")})
            return self._rules
        if (method, name) == ("POST", "purge"):
            self._earliest = body.get("earliest", self._earliest)
            return {"purged": self.state.purge(body["object"])}
        if (method, name) == ("POST", "org"):
            return self._schema.control(body)
        if (method, name) == ("POST", "schema"):
            self._apply_schema(body)
            self.state.set_meta("schema", json.dumps([*json.loads(self.state.meta("schema") or "[]"), body]))
            return {"fields": sorted(self._objects[body["object"]].fields)}
        raise KeyError(name)

    def _apply_schema(self, change: Mapping[str, Any]) -> None:
        """A field added with one value for all rows, removed (its values stay in the database), or of another type (`template` renders them)."""
        sobject = self._objects[change["object"]]
        fields = {field.name: field for field in sobject.own_fields}
        name = change["field"]
        if change["change"] == "add":
            fields[name] = Field(name, change.get("type", "string"))
            self.state.add_column(sobject.name, name, change.get("value"))
        elif change["change"] == "remove":
            del fields[name]
        else:
            fields[name] = replace(fields[name], type=change.get("type", "string"), template=change.get("template", "{}"))
        changed = SObject(sobject.name, sobject.key_prefix, tuple(fields.values()))
        self._objects[sobject.name] = self._by_lower_name[sobject.name.lower()] = changed

    def _object(self, request: Request) -> SObject:
        sobject = self._by_lower_name.get(request.path_params["object"].lower())
        if sobject is None:
            raise Refused(404, "NOT_FOUND", "The requested resource does not exist")
        return sobject

    def _write_counts(self) -> dict[str, dict[str, int]]:
        """Effective writes per object and record: `{"VIM_Draft__c:VIM_Key__c=abc": {"created": 1}}`; by Id where no external id was used."""
        counts: dict[str, dict[str, int]] = {}
        names: dict[tuple[str, str], str] = {}
        for write in self.state.writes():
            record = (write["object"], write["record"])
            if write["external_field"]:
                names[record] = f"{write['object']}:{write['external_field']}={write['external_value']}"
            label = names.get(record, f"{write['object']}:{write['record']}")
            effects = counts.setdefault(label, {})
            effects[write["effect"]] = effects.get(write["effect"], 0) + 1
        return counts


async def _not_found(request: Request, error: Exception) -> Response:
    return _answer([{"message": "The requested resource does not exist", "errorCode": "NOT_FOUND"}], 404)


def _fault_body(status: int, code: str) -> Any:
    defaults = {
        401: ("INVALID_SESSION_ID", "Session expired or invalid"),
        403: ("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."),
        500: ("UNKNOWN_EXCEPTION", "An unexpected error occurred."),
        503: ("SERVER_UNAVAILABLE", "Server is temporarily unavailable"),
    }
    default_code, message = defaults.get(status, ("UNKNOWN_EXCEPTION", "planned by the sandbox"))
    return [{"message": "unable to obtain exclusive access to this record" if code == "UNABLE_TO_LOCK_ROW" else message, "errorCode": code or default_code}]


def _external_field(sobject: SObject, name: str) -> Field:
    field = sobject.by_lower_name.get(name.lower())
    if field is None or not (field.external_id or field.type == "id"):
        raise Refused(404, "NOT_FOUND", f"Provided external ID field does not exist or is not accessible: {name}")
    return field


def _object_body(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise Refused(400, "JSON_PARSER_ERROR", f"The HTTP entity body is not valid JSON: {error}") from None
    if not isinstance(body, dict):
        raise Refused(400, "JSON_PARSER_ERROR", "The HTTP entity body is required to be an object")
    return body


def _value_of(record: Mapping[str, Any], name: str) -> Any:
    return next((value for given, value in record.items() if given.lower() == name.lower()), None)


def _checked_value(field: Field, value: Any) -> Any:
    """A JSON value as it is stored. Empty text is null, as in Salesforce."""
    if value is None or value == "":
        return None
    if field.type == "boolean":
        if not isinstance(value, bool):
            raise _wrong_type("boolean", value)
        return int(value)
    if field.type in ("int", "double", "currency"):
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise _wrong_type("double", value)
        try:
            return int(value) if field.type == "int" else float(value)
        except ValueError:
            raise _wrong_type("double", value) from None
    if field.type in ("date", "datetime"):
        return _checked_moment(field, value)
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        raise _wrong_type("string", value)
    text = str(value)
    if len(text) > field.length:
        label = field.name
        raise Refused(400, "STRING_TOO_LONG", f"{label}: data value too large: {text[:80]} (max length={field.length})", [field.name])
    return text


def _checked_moment(field: Field, value: Any) -> str:
    try:
        if field.type == "date":
            return date.fromisoformat(str(value)[:10]).isoformat()
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise _wrong_type(field.type, value) from None
    return stamp_text(moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None))


def _wrong_type(wanted: str, value: Any) -> Refused:
    kind = "VALUE_STRING" if isinstance(value, str) else "VALUE_TRUE" if isinstance(value, bool) else "START_OBJECT"
    return Refused(
        400, "JSON_PARSER_ERROR", f"Cannot deserialize instance of {wanted} from {kind} value {str(value)[:80]} or request may be missing a required field"
    )


def _stored(value: str | bool | None) -> Any:
    return int(value) if isinstance(value, bool) else value


def _rolled_back(result: Mapping[str, Any]) -> dict[str, Any]:
    message = "Record rolled back because not all records were valid and the request was using AllOrNone header"
    return {"success": False, "errors": [{"statusCode": "ALL_OR_NONE_OPERATION_ROLLED_BACK", "message": message, "fields": []}]}


def _half_failing(records: list[dict[str, Any]], write: Callable[[list[dict[str, Any]]], list[dict[str, Any]]], code: str | None) -> list[dict[str, Any]]:
    """The results of `write`; with a planned `code` every second record is refused and not written."""
    if code is None:
        return write(records)
    written = iter(write(records[::2]))
    error = {"statusCode": code or "UNABLE_TO_LOCK_ROW", "message": "planned by the sandbox", "fields": []}
    return [next(written) if place % 2 == 0 else {"success": False, "errors": [error]} for place in range(len(records))]


def _batch_size(header: str) -> int:
    for part in header.split(","):
        name, _, value = part.strip().partition("=")
        if name.lower() == "batchsize" and value.isdigit():
            return min(DEFAULT_BATCH, max(SMALLEST_BATCH, int(value)))
    return DEFAULT_BATCH


def _object_summary(sobject: SObject, version: str) -> dict[str, Any]:
    base = f"/services/data/v{version}/sobjects/{sobject.name}"
    return {
        "name": sobject.name,
        "label": sobject.name.removesuffix("__c").replace("_", " "),
        "keyPrefix": sobject.key_prefix,
        "custom": sobject.name.endswith("__c"),
        "createable": True,
        "updateable": True,
        "deletable": True,
        "queryable": True,
        "urls": {"sobject": base, "describe": f"{base}/describe", "rowTemplate": f"{base}/{{ID}}"},
    }


def _field_summary(field: Field) -> dict[str, Any]:
    is_number = field.type in ("double", "currency")
    return {
        "name": field.name,
        "label": field.name.removesuffix("__c").replace("_", " "),
        "type": field.type,
        "length": field.length if field.type in ("id", "string", "textarea", "email", "picklist", "reference") else 0,
        "precision": 18 if is_number else 0,
        "scale": 2 if is_number else 0,
        "digits": 8 if field.type == "int" else 0,
        "nillable": not field.required and field.type != "boolean" and not field.read_only,
        "createable": not field.read_only,
        "updateable": not field.read_only,
        "custom": field.name.endswith("__c"),
        "externalId": field.external_id,
        "idLookup": field.external_id or field.type == "id",
        "unique": field.unique,
        "defaultedOnCreate": field.default is not None or field.read_only,
        "referenceTo": [field.reference_to] if field.reference_to else [],
        "picklistValues": [{"value": value, "label": value, "active": True, "defaultValue": value == field.default} for value in field.values],
    }
