"""A loopback emulator of HubSpot's CRM API over the sandbox's customers.

Follows HubSpot's own specification of version 2026-09 (public-api-spec-collection: objects, properties, owners; read in November 2026)
and developers.hubspot.com: 'Search the CRM' (limits in hubspot_search), 'Error handling' (the error body; 207 where every input of a
batch has an objectWriteTraceId of its own, otherwise a batch is all or nothing), 'API usage guidelines' (429 with `policyName`, the
rate-limit headers, none of them on search), 'Associations'. The recorded answers of a real portal that the tests compare with are of 2023.

Where the documents are silent this is our reading: what a 207 puts into `context`; that a page limit above the largest is refused;
that a repeated unique value is HTTP 409 on create and a VALIDATION_ERROR with CONFLICTING_UNIQUE_VALUE on update; that an
archived record has lost its associations; that a changed record is missing from search until it is indexed, rather than found with its
old values. What it does not do: webhooks, exports, merges, pipelines, record-level permissions.

Limits are off unless asked for (constructor, or POST `/_sandbox/limits`): with them the first night of the sandbox would wait.
"""

from __future__ import annotations

import json
import re
import secrets
import sqlite3
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vim_pipelines.sandbox.emulators import hubspot_search
from vim_pipelines.sandbox.emulators.faults import Sandboxed, partial_code
from vim_pipelines.sandbox.emulators.hubspot_objects import BY_ANY_NAME, OBJECT_ID, TABLES, TYPES, ObjectType, Property, default_type, primary_type
from vim_pipelines.sandbox.emulators.hubspot_schema import AccountSchema, PropertyError
from vim_pipelines.sandbox.emulators.state import STAMP, SandboxClock, State, stamp_time

#: Published on purpose: it opens nothing but this machine's sandbox.
SERVICE_KEY = "pat-sandbox-hubspot-key"
VERSIONS = ("2026-03", "2026-09")
MOST_LISTED, MOST_IN_BATCH, MOST_ASSOCIATIONS = 100, 100, 1000
PLAN = {"interval": 190, "daily": 650_000}
#: Real seconds for which a write is not found by search.
SEARCH_LAG_SECONDS = 2.0
#: Ids of records made over the API: as long as the seeded ones, and after them.
FIRST_NEW_ID = 900_000_000_000_001
ALL_SCOPES = frozenset(
    {"crm.objects.owners.read"}
    | {f"crm.objects.{kind.scope}.{verb}" for kind in TYPES.values() if kind.scope for verb in ("read", "write")}
    | {f"crm.schemas.{kind.scope}.{verb}" for kind in TYPES.values() if kind.scope for verb in ("read", "write")}
)
STAGES_CLOSED = {"closedwon": ("true", "true"), "closedlost": ("true", "false")}


class Refused(Exception):
    """An error answer: HTTP status, HubSpot's category and message, and further keys of the body."""

    def __init__(self, status: int, category: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status, self.category, self.message, self.more = status, category, message, more

    def body(self) -> dict[str, Any]:
        """The error body as HubSpot sends it."""
        return {"status": "error", "message": self.message, "correlationId": str(uuid.uuid4()), **self.more, "category": self.category}


class HubSpotEmulator:
    """One HubSpot account: its records, its service key with scopes, its limits. `app` is the ASGI application."""

    def __init__(
        self,
        database: Path,
        clock: SandboxClock,
        *,
        service_key: str = SERVICE_KEY,
        requests_per_10_seconds: int | None = None,
        daily_requests: int | None = None,
        searches_per_second: int | None = None,
        search_lag_seconds: float = SEARCH_LAG_SECONDS,
        most_results: int = hubspot_search.MOST_RESULTS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.state = State(database, TABLES)
        self._clock, self._monotonic, self._service_key = clock, monotonic, service_key
        self._types = dict(TYPES)
        self._constants: dict[tuple[str, str], Any] = {}
        self._templates: dict[tuple[str, str], str] = {}
        for change in json.loads(self.state.meta("schema") or "[]"):
            self._apply_schema(change)
        self._schema = AccountSchema(self.state, self._types)
        self._limits: dict[str, Any] = {
            "requests_per_10_seconds": requests_per_10_seconds, "daily_requests": daily_requests, "searches_per_second": searches_per_second,
            "search_lag_seconds": search_lag_seconds, "most_results": most_results,
        }  # fmt: skip
        self._recent: deque[float] = deque()
        self._searches: deque[float] = deque()
        self._used = 0
        self._scopes = set(ALL_SCOPES)
        #: Who made a change in the app's pages, by object, record and stamp: a change that is not here came over the API.
        self._typed_by: dict[tuple[str, str, str], int] = {}
        self._rules: list[dict[str, str]] = []
        self._unindexed: dict[tuple[str, str], float] = {}
        self.app = Sandboxed(self._routes(), _fault_body, self._control)

    def credentials(self, url: str) -> dict[str, str]:
        """Address and key by the names of the fields of `Settings`."""
        return {"hubspot_base_url": url, "hubspot_service_key": self._service_key}

    def _kind(self, name: str) -> ObjectType:
        found = BY_ANY_NAME.get(name) or BY_ANY_NAME.get(name.lower())
        if found is None:
            raise Refused(400, "VALIDATION_ERROR", f"Unable to infer object type from: {name}")
        return self._types[found.name]

    def _apply_schema(self, change: Mapping[str, Any]) -> None:
        """A property added with one value for all records, removed (its values stay in the database), or of another type (`template` renders them)."""
        kind, name = self._types[change["object"]], change["field"]
        own = {item.name: item for item in kind.own}
        if change["change"] == "add":
            own[name] = Property(name, change.get("type", "string"), read_only=True)
            self._constants[kind.name, name] = change.get("value")
        elif change["change"] == "remove":
            del own[name]
        else:
            own[name] = replace(own[name], type=change.get("type", "string"), options=())
            self._templates[kind.name, name] = change.get("template", "{}")
        self._types[kind.name] = replace(kind, own=tuple(own.values()))

    def close(self) -> None:
        """Close the database."""
        self.state.close()

    def _routes(self) -> Starlette:
        objects, associations = "/crm/objects/{version}/{type}", "/crm/associations/{version}/{type}/{to}"
        routes = [
            Route(objects, self._guarded(self._list), methods=["GET"]),
            Route(objects, self._guarded(self._create, "write"), methods=["POST"]),
            Route(f"{objects}/search", self._guarded(self._search, is_search=True), methods=["POST"]),
            Route(f"{objects}/batch/read", self._guarded(self._batch_read), methods=["POST"]),
            *(Route(f"{objects}/batch/{verb}", self._guarded(self._batch(verb), "write"), methods=["POST"]) for verb in ("create", "update", "upsert")),
            Route(f"{objects}/batch/archive", self._guarded(self._batch_archive, "write"), methods=["POST"]),
            Route(f"{objects}/{{id}}", self._guarded(self._get), methods=["GET"]),
            Route(f"{objects}/{{id}}", self._guarded(self._update, "write"), methods=["PATCH"]),
            Route(f"{objects}/{{id}}", self._guarded(self._archive, "write"), methods=["DELETE"]),
            Route(f"{objects}/{{id}}/associations/default/{{to}}/{{to_id}}", self._guarded(self._associate_one, "write"), methods=["PUT"]),
            Route(f"{associations}/batch/read", self._guarded(self._read_associations), methods=["POST"]),
            Route(f"{associations}/batch/create", self._guarded(self._create_associations, "write"), methods=["POST"]),
            Route(f"{associations}/batch/associate/default", self._guarded(self._default_associations, "write"), methods=["POST"]),
            Route(f"{associations}/batch/archive", self._guarded(self._archive_associations, "write"), methods=["POST"]),
            Route("/crm/properties/{version}/{type}", self._guarded(self._properties, "schema"), methods=["GET"]),
            Route("/crm/properties/{version}/{type}/groups", self._guarded(self._groups, "schema"), methods=["GET"]),
            Route("/crm/properties/{version}/{type}/groups", self._guarded(self._create_group, "schema_write"), methods=["POST"]),
            Route("/crm/properties/{version}/{type}/batch/create", self._guarded(self._create_properties, "schema_write"), methods=["POST"]),
            Route("/crm/owners/{version}", self._guarded(self._owners, "owners"), methods=["GET"]),
        ]
        app = Starlette(routes=routes)
        app.add_exception_handler(404, _not_found)
        app.router.redirect_slashes = False
        return app

    def _guarded(self, handler: Any, right: str = "read", *, is_search: bool = False) -> Any:
        async def endpoint(request: Request) -> Response:
            headers: dict[str, str] = {}
            try:
                headers = self._admit(request, right, is_search)
                self.state.advance(self._clock.now())
                response: Response = await handler(request)
            except Refused as refusal:
                response = _answer(refusal.body(), refusal.status)
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise
                # Two processes write to one sandbox: HubSpot's answer to a record that another write holds.
                response = _answer(Refused(423, "RECORD_LOCKED", "The record is locked by another request; wait at least 2 seconds").body(), 423)
            response.headers.update(headers)
            return response

        return endpoint

    # ---- admission

    def _admit(self, request: Request, right: str, is_search: bool) -> dict[str, str]:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not secrets.compare_digest(token.encode(), self._service_key.encode()):
            raise Refused(401, "INVALID_AUTHENTICATION", "Authentication credentials not found. This API supports OAuth 2.0 authentication")
        if request.path_params["version"] not in VERSIONS:
            raise Refused(404, "OBJECT_NOT_FOUND", f"There is no version {request.path_params['version']} of this API")
        headers = self._count(is_search)
        needed = ["crm.objects.owners.read"] if right == "owners" else self._needed_scopes(request, right)
        missing = [scope for scope in needed if scope not in self._scopes]
        if missing:
            raise Refused(
                403,
                "MISSING_SCOPES",
                "This app hasn't been granted all required scopes to make this call. Read more about required scopes here: https://developers.hubspot.com/scopes.",
                errors=[{"message": "One or more of the following scopes are required.", "context": {"requiredGranularScopes": missing}}],
                links={"scopes": "https://developers.hubspot.com/scopes"},
            )
        return headers

    def _needed_scopes(self, request: Request, right: str) -> list[str]:
        kind = self._kind(request.path_params["type"])
        if not kind.scope:
            return []
        schemas = {"schema": "read", "schema_write": "write"}
        return [f"crm.schemas.{kind.scope}.{schemas[right]}"] if right in schemas else [f"crm.objects.{kind.scope}.{right}"]

    def _count(self, is_search: bool) -> dict[str, str]:
        now, limits = self._monotonic(), self._limits
        window, seconds, limit = (self._searches, 1.0, limits["searches_per_second"]) if is_search else (self._recent, 10.0, limits["requests_per_10_seconds"])
        while window and window[0] <= now - seconds:
            window.popleft()
        if limits["daily_requests"] is not None and self._used >= limits["daily_requests"]:
            raise Refused(429, "RATE_LIMITS", "You have reached your daily limit.", errorType="RATE_LIMIT", policyName="DAILY")
        if limit is not None and len(window) >= limit:
            name, word = ("SECONDLY", "secondly") if is_search else ("TEN_SECONDLY_ROLLING", "ten_secondly_rolling")
            raise Refused(429, "RATE_LIMITS", f"You have reached your {word} limit.", errorType="RATE_LIMIT", policyName=name)
        window.append(now)
        self._used += 1
        if is_search:
            return {}
        most, daily = limit or PLAN["interval"], limits["daily_requests"] or PLAN["daily"]
        return {
            "X-HubSpot-RateLimit-Daily": str(daily),
            "X-HubSpot-RateLimit-Daily-Remaining": str(max(0, daily - self._used)),
            "X-HubSpot-RateLimit-Interval-Milliseconds": "10000",
            "X-HubSpot-RateLimit-Max": str(most),
            "X-HubSpot-RateLimit-Remaining": str(max(0, most - len(window))),
        }

    # ---- reading

    async def _list(self, request: Request) -> Response:
        kind, query = self._kind(request.path_params["type"]), request.query_params
        size = _size(query.get("limit", "10"), MOST_LISTED)
        archived = _is_true(query.get("archived"))
        rows = self.state.current(kind.name, 'IsDeleted = ? and "id" > ? order by "id" limit ?', (int(archived), query.get("after", ""), size + 1))
        has_more, rows = len(rows) > size, rows[:size]
        results = [self._shown(kind, row, _names(query.get("properties"))) for row in rows]
        self._add_history(kind, rows, results, _names(query.get("propertiesWithHistory")))
        for other in _names(query.get("associations")):
            self._add_associations(kind, self._kind(other), results)
        body: dict[str, Any] = {"results": results}
        if has_more:
            after = rows[-1]["id"]
            body["paging"] = {"next": {"after": after, "link": str(request.url.include_query_params(after=after))}}
        return _answer(body)

    def _add_associations(self, kind: ObjectType, other: ObjectType, results: list[dict[str, Any]]) -> None:
        found = self._associated(kind, other, [record["id"] for record in results])
        for record in results:
            items = []
            for to_id, types in found.get(record["id"], {}).items():
                items += [
                    {"id": to_id, "type": f"{kind.singular}_to_{other.singular}" + ("" if label or not primary_type(kind, other) else "_unlabeled")}
                    for _, _, label in types
                ]
            if items:
                record.setdefault("associations", {})[other.name] = {"results": items}

    def _add_history(self, kind: ObjectType, rows: list[dict[str, Any]], results: list[dict[str, Any]], names: tuple[str, ...]) -> None:
        """`propertiesWithHistory`, newest value first: every value that a seeded version or a write brought."""
        if not names:
            return
        for row, record in zip(rows, results, strict=True):
            now = self.state.meta("now") or ""
            steps = [(item[STAMP], "IMPORT", item) for item in self._versions(kind, row["id"]) if item[STAMP] <= now]
            writes = self.state.connection.execute("select stamp, fields from writes where object = ? and record = ?", (kind.name, row["id"]))
            steps += [(stamp, "API", json.loads(fields)) for stamp, fields in writes]
            history: dict[str, list[dict[str, Any]]] = {name: [] for name in names if name in kind.properties}
            for stamp, origin, fields in sorted(steps, key=lambda step: step[0]):
                for name, line in history.items():
                    if name == kind.modified:
                        shown: str | None = _time(stamp)
                    elif name in fields:
                        shown = _wire(kind.properties[name], fields[name])
                    else:
                        continue
                    if shown != (line[0]["value"] or None if line else None):
                        user = self._typed_by.get((kind.name, row["id"], stamp))
                        source: dict[str, Any] = {"sourceType": origin, "sourceId": "sandbox"}
                        if user is not None:
                            source = {"sourceType": "CRM_UI", "sourceId": f"userId:{user}", "updatedByUserId": user}
                        line.insert(0, {"value": shown or "", "timestamp": _time(stamp), **source})
            record["propertiesWithHistory"] = history

    def _versions(self, kind: ObjectType, identity: str) -> list[dict[str, Any]]:
        columns = self.state.tables[kind.name].all_columns
        text = ", ".join(f'"{column}"' for column in columns)
        return [
            dict(zip(columns, row, strict=True)) for row in self.state.connection.execute(f'select {text} from "v_{kind.name}" where "id" = ?', (identity,))
        ]

    async def _get(self, request: Request) -> Response:
        kind, query = self._kind(request.path_params["type"]), request.query_params
        row = self._one(kind, request.path_params["id"], query.get("idProperty"), archived=_is_true(query.get("archived")))
        record = self._shown(kind, row, _names(query.get("properties")))
        for other in _names(query.get("associations")):
            self._add_associations(kind, self._kind(other), [record])
        return _answer(record)

    async def _batch_read(self, request: Request) -> Response:
        kind, body = self._kind(request.path_params["type"]), _object(await request.body())
        inputs, id_property = _inputs(body, MOST_IN_BATCH), body.get("idProperty")
        results: list[dict[str, Any]] = []
        missing: list[str] = []
        for item in inputs:
            row = self._find(kind, str(item.get("id")), id_property)
            if row is None or row["IsDeleted"]:
                missing.append(str(item.get("id")))
            elif all(row["id"] != shown["id"] for shown in results):
                results.append(self._shown(kind, row, tuple(body.get("properties") or ())))
        history = tuple(body.get("propertiesWithHistory") or ())
        self._add_history(kind, [self._one(kind, record["id"], None) for record in results], results, history)
        errors = [{"status": "error", "category": "OBJECT_NOT_FOUND", "message": "Could not get some objects.", "context": {"ids": missing}}] if missing else []
        return self._batch_answer(results, errors, 200)

    async def _search(self, request: Request) -> Response:
        kind, raw = self._kind(request.path_params["type"]), await request.body()
        try:
            search = hubspot_search.parse(kind, _object(raw), len(raw))
        except hubspot_search.BadSearch as error:
            raise Refused(400, "VALIDATION_ERROR", str(error)) from None
        if search.offset + search.limit > self._limits["most_results"]:
            raise Refused(400, "VALIDATION_ERROR", f"Paging beyond {self._limits['most_results']} results is not supported")
        now = self._monotonic()
        self._unindexed = {key: until for key, until in self._unindexed.items() if until > now}
        hidden = json.dumps([identity for name, identity in self._unindexed if name == kind.name])
        where = f"IsDeleted = 0 and ({search.where}) and id not in (select value from json_each(?))"
        parameters = (*search.parameters, hidden)
        (total,) = self.state.connection.execute(f'select count(*) from "c_{kind.name}" where {where}', parameters).fetchone()
        rows = self.state.current(kind.name, f"{where} order by {search.order} limit ? offset ?", (*parameters, search.limit, search.offset))
        body: dict[str, Any] = {"total": total, "results": [self._shown(kind, row, search.properties) for row in rows]}
        if search.offset + len(rows) < total:
            body["paging"] = {"next": {"after": str(search.offset + len(rows))}}
        return _answer(body)

    async def _properties(self, request: Request) -> Response:
        kind = self._kind(request.path_params["type"])
        return _answer({"results": [self._schema.shown(kind, _definition(kind, item)) for item in kind.properties.values()]})

    async def _groups(self, request: Request) -> Response:
        return _answer({"results": self._schema.groups(self._kind(request.path_params["type"]))})

    async def _create_group(self, request: Request) -> Response:
        try:
            return _answer(self._schema.create_group(self._kind(request.path_params["type"]), _object(await request.body())), 201)
        except PropertyError as error:
            raise Refused(error.status, error.category, str(error)) from None

    async def _create_properties(self, request: Request) -> Response:
        kind, inputs = self._kind(request.path_params["type"]), _inputs(_object(await request.body()), MOST_IN_BATCH)
        try:
            self._schema.create_properties(kind, inputs)
        except PropertyError as error:
            raise Refused(error.status, error.category, str(error)) from None
        made = self._kind(request.path_params["type"])
        names = {item["name"] for item in inputs}
        shown = [self._schema.shown(made, _definition(made, item)) for item in made.properties.values() if item.name in names]
        return self._batch_answer(shown, [], 201)

    async def _owners(self, request: Request) -> Response:
        query = request.query_params
        size = _size(query.get("limit", "100"), 500)
        where, parameters = 'IsDeleted = ? and "id" > ?', [int(_is_true(query.get("archived"))), query.get("after", "")]
        if query.get("email"):
            where, parameters = where + ' and "email" = ? collate nocase', [*parameters, query["email"]]
        rows = self.state.current("owners", f'{where} order by "id" limit ?', (*parameters, size + 1))
        has_more, rows = len(rows) > size, rows[:size]
        results = [
            {
                "id": row["id"], "email": row["email"], "type": "PERSON", "firstName": row["firstName"], "lastName": row["lastName"], "userId": row["userId"],
                "userIdIncludingInactive": row["userId"], "createdAt": _time(row["created"]), "updatedAt": _time(row[STAMP]), "archived": bool(row["IsDeleted"]),
            }
            for row in rows
        ]  # fmt: skip
        return _answer({"results": results, **({"paging": {"next": {"after": rows[-1]["id"]}}} if has_more else {})})

    # ---- writing

    async def _create(self, request: Request) -> Response:
        kind, body = self._kind(request.path_params["type"]), _object(await request.body())
        with self.state.transaction():
            record = self._made(kind, body)
        return _answer(record, 201)

    async def _update(self, request: Request) -> Response:
        kind, body = self._kind(request.path_params["type"]), _object(await request.body())
        with self.state.transaction():
            row = self._one(kind, request.path_params["id"], request.query_params.get("idProperty"))
            record = self._changed(kind, row, body)
        return _answer(record)

    async def _archive(self, request: Request) -> Response:
        kind = self._kind(request.path_params["type"])
        with self.state.transaction():
            self._put_away(kind, request.path_params["id"])
        return Response(status_code=204)

    async def _batch_archive(self, request: Request) -> Response:
        kind = self._kind(request.path_params["type"])
        with self.state.transaction():
            for item in _inputs(_object(await request.body()), MOST_IN_BATCH):
                self._put_away(kind, str(item.get("id")))
        return Response(status_code=204)

    def _put_away(self, kind: ObjectType, identity: str) -> None:
        row = self._find(kind, identity, None)
        if row is not None and not row["IsDeleted"]:
            self.state.write(kind.name, row["id"], "deleted", self.state.next_stamp(self._clock.now()), {"IsDeleted": 1})

    def _batch(self, verb: str) -> Any:
        async def handler(request: Request) -> Response:
            kind, inputs = self._kind(request.path_params["type"]), _inputs(_object(await request.body()), MOST_IN_BATCH)
            traces = [item.get("objectWriteTraceId") for item in inputs]
            failing = partial_code(request.scope)
            is_multi_status = all(traces) and len(set(traces)) == len(traces)
            if verb == "upsert" and len({str(item.get("id")) for item in inputs}) < len(inputs):
                raise Refused(400, "VALIDATION_ERROR", "Duplicate IDs found in batch input")
            results: list[dict[str, Any]] = []
            errors: list[dict[str, Any]] = []
            with self.state.transaction():
                for place, (item, trace) in enumerate(zip(inputs, traces, strict=True)):
                    try:
                        if failing is not None and place % 2:
                            raise Refused(400, failing or "VALIDATION_ERROR", "planned by the sandbox")
                        results.append({**getattr(self, f"_{verb}_item")(kind, item), **({"objectWriteTraceId": trace} if trace else {})})
                    except Refused as refusal:
                        if not is_multi_status:
                            raise
                        context = {**refusal.more.get("context", {}), "objectWriteTraceId": [trace]}
                        errors.append({"status": "error", "category": refusal.category, "message": refusal.message, "context": context})
            return self._batch_answer(results, errors, 201 if verb == "create" else 200)

        return handler

    def _create_item(self, kind: ObjectType, item: Mapping[str, Any]) -> dict[str, Any]:
        return self._made(kind, item)

    def _update_item(self, kind: ObjectType, item: Mapping[str, Any]) -> dict[str, Any]:
        return self._changed(kind, self._one(kind, str(item.get("id")), item.get("idProperty")), item)

    def _upsert_item(self, kind: ObjectType, item: Mapping[str, Any]) -> dict[str, Any]:
        name, value = item.get("idProperty"), str(item.get("id"))
        row = self._find(kind, value, name)
        if row is not None and not row["IsDeleted"]:
            return {**self._changed(kind, row, item), "new": False}
        if not name:
            raise Refused(404, "OBJECT_NOT_FOUND", f"Object not found.  objectId are usually numeric. {value}", context={"ids": [value]})
        return {**self._made(kind, {**item, "properties": {name: value, **(item.get("properties") or {})}}), "new": True}

    def _made(self, kind: ObjectType, item: Mapping[str, Any]) -> dict[str, Any]:
        fields = self._checked(kind, item.get("properties") or {})
        absent = [name for name, own in kind.properties.items() if own.required and not fields.get(name)]
        if absent:
            message = f"Error creating {kind.singular.upper()}. Some required properties were not set."
            raise Refused(400, "VALIDATION_ERROR", message, context={"properties": absent})
        identity = str(int(self.state.meta("last_id") or FIRST_NEW_ID - 1) + 1)
        self._refuse_rules(kind, fields)
        for name in self._unique_names(kind):
            holder = self._holder(kind, name, fields.get(name), None)
            if holder:
                raise Refused(409, "CONFLICT", f"{kind.singular.capitalize()} already exists. Existing ID: {holder}")
        self.state.set_meta("last_id", identity)
        stamp = self.state.next_stamp(self._clock.now())
        self.state.write(
            kind.name,
            identity,
            "created",
            stamp,
            {**dict.fromkeys(self.state.tables[kind.name].columns), "created": stamp, **_derived(kind, fields, {})} | fields,
        )
        for link in item.get("associations") or []:
            other_id = str((link.get("to") or {}).get("id"))
            for spec in link.get("types") or []:
                other, label = self._target(kind, spec)
                self._link(kind, identity, other, other_id, str(spec.get("associationCategory")), int(spec["associationTypeId"]), label, stamp)
        return self._after_write(kind, identity, fields)

    def _changed(self, kind: ObjectType, row: dict[str, Any], item: Mapping[str, Any]) -> dict[str, Any]:
        fields = self._checked(kind, item.get("properties") or {})
        self._refuse_rules(kind, {**row, **fields})
        for name in self._unique_names(kind):
            holder = self._holder(kind, name, fields.get(name), row["id"])
            if holder:
                message = f"Cannot set PropertyValueCoordinates{{propertyName={name}, value={fields[name]}}} on {row['id']}. {holder} already has that value."
                raise Refused(400, "VALIDATION_ERROR", message, errors=[{"message": message, "code": "CONFLICTING_UNIQUE_VALUE"}])
        stamp = self.state.next_stamp(self._clock.now())
        # A write that changes nothing still moves the modification time: our own mirror fields come back as modified records.
        self.state.write(kind.name, row["id"], "updated", stamp, {**fields, **_derived(kind, fields, row)})
        return self._after_write(kind, row["id"], fields)

    def _after_write(self, kind: ObjectType, identity: str, fields: Iterable[str]) -> dict[str, Any]:
        if self._limits["search_lag_seconds"]:
            self._unindexed[kind.name, identity] = self._monotonic() + self._limits["search_lag_seconds"]
        return self._shown(kind, self._one(kind, identity, None), tuple(fields))

    def _checked(self, kind: ObjectType, properties: Any) -> dict[str, Any]:
        if not isinstance(properties, Mapping):
            raise Refused(400, "VALIDATION_ERROR", "Invalid input JSON: properties is not an object")
        fields: dict[str, Any] = {}
        wrong: list[dict[str, Any]] = []
        for name, value in properties.items():
            found = kind.properties.get(name)
            if found is None:
                wrong.append(_invalid(name, "PROPERTY_DOESNT_EXIST", f'Property "{name}" does not exist'))
            elif found.read_only:
                wrong.append(_invalid(name, "READ_ONLY_VALUE", f'"{name}" is a read only property; its value cannot be set.'))
            else:
                try:
                    fields[name] = hubspot_search.stored(found, _text(value))
                except ValueError:
                    wrong.append(_invalid(name, f"INVALID_{_ERROR_WORDS[found.type]}", f"{value} was not a valid {found.type}."))
                    continue
                if found.options and fields[name] is not None and fields[name] not in found.options:
                    wrong.append(_invalid(name, "INVALID_OPTION", f"{value} was not one of the allowed options: [{', '.join(found.options)}]"))
        if wrong:
            raise _not_valid(wrong)
        return fields

    def _refuse_rules(self, kind: ObjectType, row: Mapping[str, Any]) -> None:
        """An administrator's validation rules hold for every API write, also for a property that the write does not name (2026-09)."""
        broken = [
            _invalid(rule["property"], rule.get("error", "INVALID_ALPHA"), rule.get("message", "The value breaks a validation rule"))
            for rule in self._rules
            if rule["object"] == kind.name and not re.fullmatch(rule["pattern"], row.get(rule["property"]) or "")
        ]
        if broken:
            raise _not_valid(broken)

    @staticmethod
    def _unique_names(kind: ObjectType) -> list[str]:
        return [name for name, item in kind.properties.items() if item.is_unique or (kind.name, name) == ("contacts", "email")]

    def _holder(self, kind: ObjectType, name: str, value: Any, own: str | None) -> str | None:
        if value is None:
            return None
        rows = self.state.current(kind.name, f'"{name}" = ? collate nocase and IsDeleted = 0 and "id" <> ? limit 1', (value, own or ""))
        return rows[0]["id"] if rows else None

    # ---- associations

    async def _associate_one(self, request: Request) -> Response:
        path = request.path_params
        pair = {"from": {"id": path["id"]}, "to": {"id": path["to_id"]}}
        return self._associate(self._kind(path["type"]), self._kind(path["to"]), [pair], is_default=True)

    async def _default_associations(self, request: Request) -> Response:
        inputs = _inputs(_object(await request.body()), MOST_ASSOCIATIONS)
        return self._associate(self._kind(request.path_params["type"]), self._kind(request.path_params["to"]), inputs, is_default=True)

    async def _create_associations(self, request: Request) -> Response:
        inputs = _inputs(_object(await request.body()), MOST_ASSOCIATIONS)
        return self._associate(self._kind(request.path_params["type"]), self._kind(request.path_params["to"]), inputs, is_default=False)

    def _associate(self, kind: ObjectType, other: ObjectType, inputs: list[dict[str, Any]], *, is_default: bool) -> Response:
        results: list[dict[str, Any]] = []
        errors: list[dict[str, Any]] = []
        default = default_type(kind, other)
        with self.state.transaction():
            stamp = self.state.next_stamp(self._clock.now())
            for item in inputs:
                ends = [str((item.get(end) or {}).get("id")) for end in ("from", "to")]
                gone = [identity for which, identity in zip((kind, other), ends, strict=True) if self._gone(which, identity)]
                if is_default and default is None:
                    raise Refused(400, "VALIDATION_ERROR", f"No default association type exists between {kind.singular} and {other.singular}")
                if gone:
                    message = f"Cannot create association: {', '.join(gone)} not found"
                    errors.append({"status": "error", "category": "OBJECT_NOT_FOUND", "message": message, "context": {"objectId": gone}})
                    continue
                assert default is not None or not is_default
                if default is not None and is_default:
                    specs: list[dict[str, Any]] = [{"associationCategory": default[0], "associationTypeId": default[1]}]
                else:
                    specs = list(item.get("types") or [])
                for spec in specs:
                    label = "Primary" if spec["associationTypeId"] == primary_type(kind, other) else None
                    self._link(kind, ends[0], other, ends[1], spec["associationCategory"], int(spec["associationTypeId"]), label, stamp)
                    if is_default:
                        results.append({"from": {"id": ends[0]}, "to": {"id": ends[1]}, "associationSpec": spec})
                if not is_default:
                    results.append(
                        {"fromObjectTypeId": kind.type_id, "fromObjectId": ends[0], "toObjectTypeId": other.type_id, "toObjectId": ends[1], "labels": []}
                    )
        return self._batch_answer(results, errors, 200 if is_default else 201)

    async def _archive_associations(self, request: Request) -> Response:
        kind, other = self._kind(request.path_params["type"]), self._kind(request.path_params["to"])
        with self.state.transaction():
            stamp = self.state.next_stamp(self._clock.now())
            for item in _inputs(_object(await request.body()), MOST_ASSOCIATIONS):
                for to in item.get("to") or []:
                    for row in self._links(kind, other, [str(item["from"]["id"])]):
                        if to["id"] in (row["from_id"], row["to_id"]):
                            self.state.write("associations", row["id"], "deleted", stamp, {"IsDeleted": 1})
        return Response(status_code=204)

    async def _read_associations(self, request: Request) -> Response:
        kind, other = self._kind(request.path_params["type"]), self._kind(request.path_params["to"])
        ids = [str(item.get("id")) for item in _inputs(_object(await request.body()), MOST_ASSOCIATIONS)]
        found = self._associated(kind, other, ids)
        results: list[dict[str, Any]] = []
        errors: list[dict[str, Any]] = []
        for identity in dict.fromkeys(ids):
            if identity in found:
                to = [
                    {"toObjectId": to_id, "associationTypes": [{"category": category, "typeId": number, "label": label} for category, number, label in types]}
                    for to_id, types in found[identity].items()
                ]
                results.append({"from": {"id": identity}, "to": to})
            else:
                message = f"No {other.singular} is associated with {kind.singular} {identity}."
                errors.append(
                    {
                        "status": "error",
                        "category": "OBJECT_NOT_FOUND",
                        "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
                        "message": message,
                        "context": {"fromObjectId": [identity], "fromObjectType": [kind.type_id], "toObjectType": [other.type_id]},
                    }
                )
        return self._batch_answer(results, errors, 200)

    def _target(self, kind: ObjectType, spec: Mapping[str, Any]) -> tuple[ObjectType, str | None]:
        number = spec.get("associationTypeId")
        for other in self._types.values():
            if number == primary_type(kind, other):
                return other, "Primary"
            if (found := default_type(kind, other)) and found[1] == number:
                return other, None
        raise Refused(400, "VALIDATION_ERROR", f"Association type {number} does not exist for {kind.singular}")

    def _gone(self, kind: ObjectType, identity: str) -> bool:
        row = self._find(kind, identity, None)
        return row is None or bool(row["IsDeleted"])

    def _link(self, kind: ObjectType, identity: str, other: ObjectType, other_id: str, category: str, number: int, label: str | None, stamp: str) -> None:
        if self._gone(other, other_id):
            raise Refused(404, "OBJECT_NOT_FOUND", f"{other.singular} {other_id} does not exist", context={"objectId": [other_id]})
        for numbered, word in {(number, label), *({(fallback[1], None)} if label and (fallback := default_type(kind, other)) else set())}:
            fields = {
                "from_type": kind.name,
                "from_id": identity,
                "to_type": other.name,
                "to_id": other_id,
                "label": word,
                "category": category,
                "type_id": numbered,
            }
            self.state.write("associations", f"{kind.name}:{identity}:{other.name}:{other_id}:{numbered}", "created", stamp, {**fields, "IsDeleted": 0})

    def _links(self, kind: ObjectType, other: ObjectType, ids: list[str]) -> list[dict[str, Any]]:
        wanted = json.dumps(ids)
        forward = self.state.current(
            "associations", "from_id in (select value from json_each(?)) and from_type = ? and to_type = ? and IsDeleted = 0", (wanted, kind.name, other.name)
        )
        if kind.name == other.name:
            return forward
        return forward + self.state.current(
            "associations", "from_type = ? and to_type = ? and IsDeleted = 0 and to_id in (select value from json_each(?))", (other.name, kind.name, wanted)
        )

    def _associated(self, kind: ObjectType, other: ObjectType, ids: list[str]) -> dict[str, dict[str, list[tuple[str, int, str | None]]]]:
        """Of each id its associated records with their types; archived ends are left out."""
        found: dict[str, dict[str, list[tuple[str, int, str | None]]]] = {}
        gone: dict[tuple[str, str], bool] = {}
        for row in self._links(kind, other, ids):
            is_forward = row["from_type"] == kind.name and row["from_id"] in ids
            this, that = (row["from_id"], row["to_id"]) if is_forward else (row["to_id"], row["from_id"])
            for which, identity in ((kind, this), (other, that)):
                if (which.name, identity) not in gone:
                    gone[which.name, identity] = self._gone(which, identity)
            if gone[kind.name, this] or gone[other.name, that]:
                continue
            number = row["type_id"] if is_forward else (primary_type(kind, other) if row["label"] else (default_type(kind, other) or ("", 0))[1])
            found.setdefault(this, {}).setdefault(that, []).append((row["category"], int(number or 0), row["label"]))
        return {this: {that: sorted(types, key=lambda item: item[1]) for that, types in sorted(line.items())} for this, line in found.items()}

    # ---- records

    def _find(self, kind: ObjectType, value: str, id_property: str | None) -> dict[str, Any] | None:
        if not id_property or id_property == OBJECT_ID:
            rows = self.state.current(kind.name, '"id" = ?', (value,))
        else:
            if id_property not in self._unique_names(kind):
                raise Refused(400, "VALIDATION_ERROR", f"Property '{id_property}' is not a unique property of {kind.singular}")
            rows = self.state.current(kind.name, f'"{id_property}" = ? collate nocase order by IsDeleted limit 1', (value,))
        return rows[0] if rows else None

    def _one(self, kind: ObjectType, value: str, id_property: str | None, *, archived: bool = False) -> dict[str, Any]:
        row = self._find(kind, value, id_property)
        if row is None or bool(row["IsDeleted"]) != archived:
            raise Refused(404, "OBJECT_NOT_FOUND", f"Object not found.  objectId are usually numeric. {value}", context={"ids": [value]})
        return row

    def _shown(self, kind: ObjectType, row: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
        wanted = {*(names or kind.default), kind.created, kind.modified, OBJECT_ID}
        special = {OBJECT_ID: row["id"], kind.created: _time(row["created"]), kind.modified: _time(row[STAMP])}
        values = {name: special[name] if name in special else self._value(kind, row, name) for name in sorted(wanted) if name in kind.properties}
        record = {"id": row["id"], "properties": values, "createdAt": _time(row["created"]), "updatedAt": _time(row[STAMP]), "archived": bool(row["IsDeleted"])}
        return {**record, "archivedAt": _time(row[STAMP])} if row["IsDeleted"] else record

    def _value(self, kind: ObjectType, row: Mapping[str, Any], name: str) -> str | None:
        if (kind.name, name) in self._constants:
            constant: str | None = _text(self._constants[kind.name, name])
            return constant
        value = row[name]
        if value is not None and (kind.name, name) in self._templates:
            return self._templates[kind.name, name].format(value)
        return _wire(kind.properties[name], value)

    def _batch_answer(self, results: list[dict[str, Any]], errors: list[dict[str, Any]], status: int) -> Response:
        now = self._clock.now().isoformat(timespec="milliseconds") + "Z"
        body: dict[str, Any] = {"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now}
        if errors:
            body |= {"numErrors": len(errors), "errors": errors}
        return _answer(body, 207 if errors else status)

    def edit(self, object_type: str, record_id: str, properties: Mapping[str, Any], user: int) -> None:
        """`user` (a user's id) changes properties in the app's pages; the history of each says so."""
        kind = self._kind(object_type)
        with self.state.transaction():
            self._changed(kind, self._one(kind, record_id, None), {"properties": properties})
        self._typed_by[kind.name, record_id, str(self._one(kind, record_id, None)[STAMP])] = user

    def _control(self, method: str, name: str, body: Any) -> Any:
        """`/_sandbox/`: POST limits {..}, POST scopes {missing: [..]}, POST validation_rules {object, property, pattern}, POST reindex,
        POST edit {object_type, record_id, properties, user}, POST schema {object, field, change: add | remove | retype, type, value, template}, GET writes."""
        if (method, name) == ("POST", "limits"):
            unknown = set(body) - set(self._limits)
            if unknown:
                raise ValueError(f"no limit called {sorted(unknown)}")
            self._limits |= body
            self._recent.clear()
            self._searches.clear()
            return self._limits
        if (method, name) == ("POST", "scopes"):
            self._scopes = set(ALL_SCOPES) - set(body["missing"])
            return sorted(self._scopes)
        if (method, name) == ("POST", "validation_rules"):
            re.compile(body["pattern"])
            self._rules.append({str(key): str(value) for key, value in body.items()})
            return self._rules
        if (method, name) == ("POST", "schema"):
            self._apply_schema(body)
            self.state.set_meta("schema", json.dumps([*json.loads(self.state.meta("schema") or "[]"), body]))
            return {"fields": sorted(self._types[body["object"]].properties)}
        if (method, name) == ("POST", "edit"):
            self.edit(**body)
            return {}
        if (method, name) == ("POST", "reindex"):
            self._unindexed.clear()
            return {}
        if (method, name) == ("GET", "writes"):
            return self.state.writes()
        raise KeyError(name)


_ERROR_WORDS = {"number": "DOUBLE", "bool": "BOOLEAN", "date": "DATE", "datetime": "LONG", "string": "STRING", "enumeration": "OPTION"}


def _derived(kind: ObjectType, fields: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """The values that HubSpot calculates from others."""
    if kind.name == "deals" and "dealstage" in fields:
        closed, won = STAGES_CLOSED.get(fields["dealstage"] or "", ("false", "false"))
        return {"hs_is_closed": closed, "hs_is_closed_won": won}
    if kind.name == "contacts" and fields.keys() & {"firstname", "lastname", "email"}:
        merged = {**row, **fields}
        return {"hs_full_name_or_email": " ".join(merged[name] for name in ("firstname", "lastname") if merged.get(name)) or merged.get("email")}
    return {}


def _invalid(name: str, code: str, message: str) -> dict[str, Any]:
    return {"isValid": False, "message": message, "error": code, "name": name}


def _not_valid(wrong: list[dict[str, Any]]) -> Refused:
    errors = [{"message": item["message"], "code": item["error"], "context": {"propertyName": [item["name"]]}} for item in wrong]
    return Refused(400, "VALIDATION_ERROR", f"Property values were not valid: {json.dumps(wrong, separators=(',', ':'))}", errors=errors)


def _definition(kind: ObjectType, item: Property) -> dict[str, Any]:
    return {
        "updatedAt": "2026-01-05T09:00:00Z",
        "createdAt": "2026-01-05T09:00:00Z",
        "name": item.name,
        "label": item.name.replace("_", " ").capitalize(),
        "type": item.type,
        "fieldType": item.field_type,
        "description": "",
        "groupName": f"{kind.singular}information",
        "options": [{"label": option, "value": option, "displayOrder": place, "hidden": False} for place, option in enumerate(item.options)],
        "displayOrder": -1,
        "calculated": item.name == "hs_full_name_or_email",
        "externalOptions": item.name == "hubspot_owner_id",
        "hasUniqueValue": item.is_unique,
        "hidden": False,
        "hubspotDefined": not item.is_custom,
        "archived": False,
        "modificationMetadata": {"archivable": item.is_custom, "readOnlyDefinition": not item.is_custom, "readOnlyValue": item.read_only},
        "formField": False,
    }


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


def _size(text: str, most: int) -> int:
    if not text.isdigit() or not 0 < int(text) <= most:
        raise Refused(400, "VALIDATION_ERROR", f"limit must be between 1 and {most}")
    return int(text)


def _is_true(text: str | None) -> bool:
    return (text or "").lower() == "true"


def _text(value: Any) -> Any:
    return ("true" if value else "false") if isinstance(value, bool) else value if value is None else str(value)


def _wire(item: Property, value: Any) -> str | None:
    return value if value is None or item.type != "datetime" else _time(value)


def _time(stamp: str) -> str:
    """A stamp as HubSpot writes moments: with milliseconds only where there are any."""
    moment: datetime = stamp_time(stamp)
    return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds") + "Z"


def _object(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Refused(400, "VALIDATION_ERROR", "Invalid input JSON on line 1, column 1: the body is not a JSON object")
    return body


def _inputs(body: Mapping[str, Any], most: int) -> list[dict[str, Any]]:
    inputs = body.get("inputs")
    if not isinstance(inputs, list) or not inputs or len(inputs) > most:
        raise Refused(400, "VALIDATION_ERROR", f"inputs must hold between 1 and {most} items")
    return inputs


def _answer(value: Any, status: int = 200) -> Response:
    return Response(json.dumps(value), status, {"Content-Type": "application/json;charset=utf-8"})


async def _not_found(request: Request, error: Exception) -> Response:
    return _answer(
        {"status": "error", "message": "The requested resource does not exist", "correlationId": str(uuid.uuid4()), "category": "OBJECT_NOT_FOUND"}, 404
    )


def _fault_body(status: int, code: str) -> Any:
    if status == 401:
        return Refused(401, "INVALID_AUTHENTICATION", "Authentication credentials not found. This API supports OAuth 2.0 authentication").body()
    if status == 429:
        policy = code or "TEN_SECONDLY_ROLLING"
        return Refused(429, "RATE_LIMITS", f"You have reached your {policy.lower()} limit.", errorType="RATE_LIMIT", policyName=policy).body()
    return Refused(status, code or "INTERNAL_ERROR", "planned by the sandbox").body()
