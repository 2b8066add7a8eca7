"""A loopback emulator of Planhat's API and analytics host over the sandbox's customers.

Follows planhat.com/developers/api as stored in 2026: 'Authentication & Limits' (Bearer or Basic `token:`; 200 calls a minute; 5,000 items
a bulk call; 32 MB a post to the analytics host, which asks for the tenant's id alone), 'Bulk Upsert' (matched by `_id`, `sourceId`,
`externalId`), 'HTTP Response Codes' (200, 206 in part, 400 with `createdErrors`/`updatedErrors`, 403 with `permissionErrors`), and one page
per model (required fields; a phase that is no phase is kept as text; an unknown conversation type becomes `note`; archived end users are not
listed; `name` composed of first and last name). From clients in use: the answer's keys, `limit` up to 2,000 (companies 5,000), `offset`,
`sort`, `select` (`_id` and `name` without it), `companyId`, `/leancompanies`, `/dimensiondata` in days, `extid-` and `srcid-`.

The documents are silent on: the default `limit` (100 here), the body of an error outside bulk calls, the shape of the items of the error
lists (here the record's keys and a `message`), whether bulk answers with errors come as 200 or by the page above (both can be had: POST
`/_sandbox/bulk {"status": "always_200"}`), whether `custom` is merged (here it is; POST `/_sandbox/custom {"merged": false}` for the other),
the order of a listing without `sort`, and whether a second value of one dimension and day replaces the first (here it does). The limit of 200 a minute is off unless asked for (POST
`/_sandbox/limits`) and counts real time.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vim_pipelines.sandbox.emulators.faults import Sandboxed, partial_code
from vim_pipelines.sandbox.emulators.state import STAMP, SandboxClock, State, Table, stamp_text, stamp_time

MOST_ROWS, MOST_COMPANIES, MOST_BULK, DEFAULT_LIMIT = 2000, 5000, 5000, 100
MOST_ANALYTICS_BYTES = 32 * 1024 * 1024
WINDOW_SECONDS = 60.0
#: Published: they open nothing but this machine's sandbox.
TOKEN, TENANT_UUID = "sandbox-planhat-token", "5a9d0b0e-5a9d-4b0e-8000-76696d6f7469"
PHASES = ("Onboarding", "Adoption", "Value", "Renewal", "Churning")
CONVERSATION_TYPES = ("note", "email", "chat", "ticket", "call", "meeting", "document", "survey", "training", "ebr", "campaign", "reference")
RESERVED_TYPES = ("email", "chat", "ticket", "call")
#: In this column are custom fields that no custom field was made for: Planhat keeps what it is sent.
OTHER = "custom"


@dataclass(frozen=True)
class Model:
    """One model: its path, its name in `parent` of a custom field, own fields and custom fields (name to Planhat's type word)."""

    path: str
    name: str
    fields: Mapping[str, str]
    custom: Mapping[str, str]
    required: tuple[str, ...] = ()

    @cached_property
    def kinds(self) -> dict[str, str]:
        """Column to type word, custom fields as `custom.NAME`."""
        return {**self.fields, **{f"custom.{name}": kind for name, kind in self.custom.items()}}

    @property
    def table(self) -> Table:
        """Where its rows are kept; `updatedAt` is the stamp."""
        return Table(self.path, "_id", (*self.kinds, "createdAt", OTHER), found_by=("sourceId", "externalId"))


_IDS = {"externalId": "string", "sourceId": "string"}
_CHILD = {**_IDS, "companyId": "objectId"}

MODELS = {
    model.path: model
    for model in (
        Model(
            "companies",
            "Company",
            {**_IDS, "name": "string", "owner": "objectId", "coOwner": "objectId", "phase": "string", "status": "string", "domains": "array", "arr": "number",
             "customerFrom": "date"},
            {"Segment": "list", "Tier": "list", "Parent Account": "text", "Account Executive": "text", "Account Executive Email": "email", "Director Email": "email",
             "Currency": "text", "Notice Received": "day", "VIM Phase": "text", "VIM Risk Band": "list", "VIM Risk Score": "number", "VIM Muda Waste": "number",
             "VIM Assessed At": "date"},
            ("name",),
        ),
        Model("endusers", "EndUser",
              {**_CHILD, "email": "email", "firstName": "string", "lastName": "string", "name": "string", "position": "string", "archived": "boolean"},
              {"Role": "list", "Is Active": "checkbox", "Left On": "day", "Last Contacted": "day", "Relationship Strength": "number"}, ("email", "companyId")),
        Model("licenses", "License",
              {**_CHILD, "product": "string", "_currency": "string", "fromDate": "date", "toDate": "date", "fixedPeriod": "boolean", "mrr": "number",
               "value": "number", "noticePeriod": "number", "noticeUnit": "string", "autoRenews": "boolean"},
              {"Seats": "number", "List Price": "number", "Net Price": "number", "Contract Status": "list", "Notice Served": "day",
               "Term Months": "number", "Billing Frequency": "list", "SLA Tier": "list", "Discount Expires": "day"},
              ("_currency", "companyId", "fromDate")),
        Model("opportunities", "Opportunity",
              {**_CHILD, "title": "string", "salesStage": "string", "status": "string", "closeDate": "date", "_currency": "string", "ownerId": "objectId",
               "arr": "number"},
              {"Type": "list"}, ("companyId",)),
        Model("conversations", "Conversation",
              {**_CHILD, "subject": "string", "description": "rich text", "date": "date", "type": "string", "archived": "boolean"},
              {"Kind": "list", "Status": "list", "Author Email": "email", "Held On": "day", "Score": "number", "Contact": "text", "User": "text", "Course": "text",
               "Sponsor Attended": "checkbox", "Started": "day", "Ended": "day", "Users Targeted": "number", "Users Responded": "number", "Consented": "day",
               "Expires": "day", "Given": "day"},
              ("companyId",)),
        Model("tasks", "Task",
              {**_CHILD, "mainType": "string", "action": "string", "description": "rich text", "status": "string", "startTime": "date", "ownerId": "objectId",
               "isArchived": "boolean"},
              {"Priority": "list", "Kind": "list", "Completed": "day", "Meeting": "text"}, ("mainType", "companyId")),
        Model("objectives", "Objective", {**_CHILD, "name": "string"},
              {"Kind": "list", "Baseline": "number", "Target": "number", "Measured": "number", "Due": "day", "Reached": "day",
               "Measured On": "day", "Owner Email": "email"}, ("companyId",)),
        Model("users", "User", {**_IDS, "email": "email", "nickName": "string", "firstName": "string", "lastName": "string"}, {},
              ("email", "nickName", "firstName", "lastName")),
        Model("customfields", "CustomField", {**_IDS, "name": "string", "type": "string", "parent": "string", "isHidden": "boolean"}, {}, ("name", "type", "parent")),
    )
}  # fmt: skip
METRICS = Table("dimensiondata", "_id", ("dimensionId", "parentId", "companyId", "model", "day", "value"), ordered_by=("day",))
TABLES = (*(model.table for model in MODELS.values()), METRICS)


class Refused(Exception):
    """An error answer: HTTP status and message."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, headers or {}


class PlanhatEmulator:
    """One tenant: its state, its one service account and its limits. `app` is the ASGI application; API and analytics share its address."""

    def __init__(
        self,
        database: Path,
        clock: SandboxClock,
        *,
        token: str = TOKEN,
        tenant_uuid: str = TENANT_UUID,
        requests_per_minute: int | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.state = State(database, TABLES)
        self._clock, self._monotonic = clock, monotonic
        self._token, self._tenant = token, tenant_uuid
        self._per_minute = requests_per_minute
        self._calls: deque[float] = deque()
        self._read_only: set[str] = set()
        self._bulk_status, self._fail_every = "documented", 0
        self._merges_custom = True
        self._make_custom_fields()
        #: Custom fields that were added with one value for all records, or whose values read otherwise since: model to field to change.
        self._changes: dict[str, dict[str, Mapping[str, Any]]] = {}
        for change in json.loads(self.state.meta("schema") or "[]"):
            self._changes.setdefault(change["object"], {})[change["field"]] = change
        self.app = Sandboxed(self._routes(), _fault_body, self._control)

    def credentials(self, url: str) -> dict[str, str]:
        """How a client logs in here, by the fields of `Settings`."""
        return {
            "planhat_base_url": url,
            "planhat_api_token": self._token,
            "planhat_analytics_url": url,
            "planhat_tenant_uuid": self._tenant,
            "planhat_phases": ",".join(PHASES),
        }

    def close(self) -> None:
        """Close the database."""
        self.state.close()

    def _make_custom_fields(self) -> None:
        """The tenant's own fields, from the beginning of time."""
        if self.state.connection.execute('select 1 from "v_customfields" limit 1').fetchone():
            return
        rows = [(model.name, name, kind) for model in MODELS.values() for name, kind in model.custom.items()]
        with self.state.transaction():
            if not self.state.connection.execute('select 1 from "v_customfields" limit 1').fetchone():
                stamp = stamp_text(datetime(2020, 1, 1))
                self.state.seed(
                    "customfields",
                    {
                        "_id": [object_id(stamp, f"{parent}.{name}") for parent, name, _ in rows],
                        STAMP: [stamp] * len(rows),
                        "IsDeleted": [0] * len(rows),
                        "createdAt": [stamp] * len(rows),
                        "name": [name for _, name, _ in rows],
                        "type": [kind for _, _, kind in rows],
                        "parent": [parent for parent, _, _ in rows],
                        "isHidden": [0] * len(rows),
                    },
                )
                self.state.connection.execute("delete from meta where name = 'now'")  # what was seeded after a clock step must be revealed, too

    def _routes(self) -> Starlette:
        app = Starlette(
            routes=[
                Route("/leancompanies", self._guarded(self._lean)),
                Route("/dimensiondata", self._guarded(self._metrics)),
                Route("/dimensiondata/{tenant}", self._guarded(self._push_metrics, needs_token=False), methods=["POST"]),
                Route("/{model}", self._guarded(self._list)),
                Route("/{model}", self._guarded(self._bulk), methods=["PUT"]),
                Route("/{model}", self._guarded(self._create), methods=["POST"]),
                Route("/{model}/{key}", self._guarded(self._get)),
                Route("/{model}/{key}", self._guarded(self._update), methods=["PUT"]),
                Route("/{model}/{key}", self._guarded(self._delete), methods=["DELETE"]),
            ]
        )
        app.router.redirect_slashes = False
        return app

    def _guarded(self, handler: Any, *, needs_token: bool = True) -> Any:
        async def endpoint(request: Request) -> Response:
            try:
                headers: dict[str, str] = {}
                if needs_token:
                    self._admit(request)
                    headers = self._count_call()
                self.state.advance(self._clock.now())
                response: Response = await handler(request)
                response.headers.update(headers)
                return response
            except Refused as refusal:
                return _answer({"statusCode": refusal.status, "message": refusal.message}, refusal.status, refusal.headers)

        return endpoint

    def _admit(self, request: Request) -> None:
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        token = value if scheme.lower() == "bearer" else ""
        if scheme.lower() == "basic":
            try:
                token = base64.b64decode(value).decode().removesuffix(":")
            except ValueError:
                token = ""
        if not secrets.compare_digest(token.encode(), self._token.encode()):
            raise Refused(401, "Unauthorized")

    def _count_call(self) -> dict[str, str]:
        if self._per_minute is None:
            return {}
        now = self._monotonic()
        while self._calls and self._calls[0] <= now - WINDOW_SECONDS:
            self._calls.popleft()
        if len(self._calls) >= self._per_minute:
            raise Refused(429, "Too Many Requests", {"Retry-After": str(math.ceil(self._calls[0] + WINDOW_SECONDS - now)), "X-Rate-Limit-Remaining": "0"})
        self._calls.append(now)
        return {"X-Rate-Limit-Remaining": str(self._per_minute - len(self._calls))}

    # ---- reading

    def _model(self, request: Request) -> Model:
        model = MODELS.get(request.path_params["model"])
        if model is None:
            raise Refused(404, "Not Found")
        return model

    async def _list(self, request: Request) -> Response:
        model, query = self._model(request), request.query_params
        most = MOST_COMPANIES if model.path == "companies" else MOST_ROWS
        limit = min(most, _whole(query.get("limit", str(DEFAULT_LIMIT)), "limit"))
        where = '"IsDeleted" = 0'
        values: list[Any] = []
        for flag in ("archived", "isArchived"):
            if flag in model.kinds:
                where += f' and coalesce("{flag}", 0) = 0'
        if query.get("companyId"):
            ids = query["companyId"].split(",")
            where, values = f'{where} and "companyId" in ({", ".join("?" * len(ids))})', list(ids)
        order = self._order(model, query.get("sort", ""))
        rows = self.state.current(model.path, f"{where} order by {order} limit ? offset ?", (*values, limit, _whole(query.get("offset", "0"), "offset")))
        return _answer(self._shown(model, rows, [name for name in query.get("select", "name").split(",") if name]))

    def _order(self, model: Model, sort: str) -> str:
        if not sort:
            return "rowid"
        name, direction = sort.removeprefix("-"), "desc" if sort.startswith("-") else "asc"
        column = {"updatedAt": STAMP, "_id": "_id", "createdAt": "createdAt"}.get(name, name)
        if column not in model.table.all_columns:
            return "rowid"
        return f'"{column}" {direction}, "_id" {direction}'

    async def _lean(self, request: Request) -> Response:
        where = '"IsDeleted" = 0'
        values: list[Any] = []
        for name in ("externalId", "sourceId", "status"):
            if request.query_params.get(name):
                where, values = f'{where} and "{name}" = ?', [*values, request.query_params[name]]
        rows = self.state.current("companies", f"{where} order by rowid", values)
        return _answer(self._shown(MODELS["companies"], rows, ["name", "externalId", "sourceId"]))

    async def _get(self, request: Request) -> Response:
        model = self._model(request)
        return _answer(self._shown(model, [self._found(model, request.path_params["key"])], None)[0])

    def _found(self, model: Model, key: str) -> dict[str, Any]:
        column = "_id"
        for prefix, name in (("extid-", "externalId"), ("srcid-", "sourceId")):
            if key.startswith(prefix):
                column, key = name, key.removeprefix(prefix)
        rows = self.state.current(model.path, f'"{column}" = ? and "IsDeleted" = 0 limit 1', (key,))
        if not rows:
            raise Refused(404, f"{model.name} not found")
        return rows[0]

    def _shown(self, model: Model, rows: list[dict[str, Any]], select: list[str] | None) -> list[dict[str, Any]]:
        """Rows as JSON; only what has a value is there. `select` None: everything."""
        wants_company = "companyId" in model.fields and (select is None or "companyName" in select)
        names = self._company_names() if wants_company else {}
        known = [(row["IsDeleted"], f"custom.{row['name']}") for row in self.state.current("customfields", '"parent" = ?', (model.name,))]
        gone = {name for is_gone, name in known if is_gone} - {name for is_gone, name in known if not is_gone}  # made anew: its values show again
        return [self._record(model, {**row, **dict.fromkeys(gone)}, names, select) for row in rows]

    def _record(self, model: Model, row: Mapping[str, Any], company_names: Mapping[str, str], select: list[str] | None) -> dict[str, Any]:
        whole: dict[str, Any] = {"_id": row["_id"]}
        custom: dict[str, Any] = json.loads(row[OTHER]) if row[OTHER] else {}
        for name, kind in model.kinds.items():
            value = row[name]
            if value is None:
                continue
            if kind in ("boolean", "checkbox"):
                value = bool(value)
            elif kind == "array":
                value = json.loads(value)
            if name.startswith("custom."):
                custom[name.removeprefix("custom.")] = value
            else:
                whole[name] = value
        if row.get("companyId") in company_names:
            whole["companyName"] = company_names[row["companyId"]]
        for name, change in self._changes.get(model.path, {}).items():
            _change(change, custom if name.startswith("custom.") else whole, name.removeprefix("custom."))
        whole |= {"createdAt": _time(row["createdAt"]), "updatedAt": _time(row[STAMP])} | ({"custom": custom} if custom else {})
        if select is None:
            return whole
        tops = {name.split(".")[0] for name in select}
        shown = {name: value for name, value in whole.items() if name == "_id" or name in tops}
        parts = {name.removeprefix("custom.") for name in select if name.startswith("custom.")}
        if "custom" in shown and "custom" not in select:
            shown["custom"] = {name: value for name, value in shown["custom"].items() if name in parts}
        return shown

    def _company_names(self) -> dict[str, str]:
        return dict(self.state.connection.execute('select "_id", "name" from "c_companies"').fetchall())

    # ---- writing

    async def _bulk(self, request: Request) -> Response:
        model, items = self._model(request), _json(await request.body())
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise Refused(400, "Expected an array of objects")
        if len(items) > MOST_BULK:
            raise Refused(400, f"A bulk upsert takes at most {MOST_BULK} items")
        created: list[dict[str, str]] = []
        updated: list[dict[str, str]] = []
        errors: dict[str, list[dict[str, Any]]] = {"createdErrors": [], "updatedErrors": [], "permissionErrors": []}
        unchanged = 0
        planned = partial_code(request.scope)
        every = self._fail_every if planned is None else 2
        with self.state.transaction():
            for number, item in enumerate(items, 1):
                before = self._matched(model, item)
                kind = "updatedErrors" if before else "createdErrors"
                if model.path in self._read_only:
                    errors["permissionErrors"].append({**_keys(item), "message": f"No permission to write {model.name}"})
                    continue
                wrong = self._wrong(model, item, before)
                if every and number % every == 0:
                    wrong = planned or "planned by the sandbox"
                if wrong:
                    errors[kind].append({**_keys(item), "message": wrong})
                    continue
                record, changed = self._put(model, item, before)
                if before is None:
                    created.append({"_id": record, **_keys(item)})
                elif changed:
                    updated.append({"_id": record, **_keys(item)})
                else:
                    unchanged += 1
        body = {
            "created": len(created),
            "createdErrors": errors["createdErrors"],
            "insertsKeys": created,
            "updated": len(updated),
            "updatedErrors": errors["updatedErrors"],
            "updatesKeys": updated,
            "nonupdates": unchanged,
            "modified": [item["_id"] for item in updated],
            "upsertedIds": [item["_id"] for item in created],
            "permissionErrors": errors["permissionErrors"],
        }
        return _answer(body, self._status_of(len(items), errors))

    def _status_of(self, count: int, errors: Mapping[str, list[Any]]) -> int:
        failed = sum(len(items) for items in errors.values())
        if not failed or self._bulk_status == "always_200":
            return 200
        if errors["permissionErrors"]:
            return 403
        return 400 if failed == count else 206

    def _matched(self, model: Model, item: Mapping[str, Any]) -> dict[str, Any] | None:
        for name in ("_id", "sourceId", "externalId"):
            if item.get(name):
                rows = self.state.current(model.path, f'"{name}" = ? and "IsDeleted" = 0 limit 1', (item[name],))
                if rows:
                    return rows[0]
        return None

    def _wrong(self, model: Model, item: Mapping[str, Any], before: Mapping[str, Any] | None) -> str:
        if before is None:
            missing = [name for name in model.required if item.get(name) in (None, "")]
            if missing:
                return f"{model.name} validation failed: {', '.join(missing)} required"
        if item.get("companyId") and not self.state.current("companies", '"_id" = ? and "IsDeleted" = 0 limit 1', (item["companyId"],)):
            return f"companyId {item['companyId']} does not exist"
        if model.path == "conversations" and before is None and item.get("type") in RESERVED_TYPES:
            return f"type {item['type']} is reserved"
        return ""

    def _put(self, model: Model, item: Mapping[str, Any], before: dict[str, Any] | None) -> tuple[str, bool]:
        """Write the known fields of `item`; its `_id` and whether anything changed. Call inside a transaction."""
        fields: dict[str, Any] = {}
        given = {**{name: value for name, value in item.items() if name != "custom"}, **{f"custom.{n}": v for n, v in (item.get("custom") or {}).items()}}
        other = json.loads(before[OTHER]) if before and before[OTHER] else {}
        if "custom" in item and not self._merges_custom:
            fields, other = {name: None for name in model.kinds if name.startswith("custom.")}, {}
        for name, value in given.items():
            if name in model.kinds:
                fields[name] = json.dumps(value) if isinstance(value, list | dict) else int(value) if isinstance(value, bool) else value
            elif name.startswith("custom."):
                other[name.removeprefix("custom.")] = value
        if other or (before and before[OTHER]):
            fields[OTHER] = json.dumps(other, sort_keys=True)
        if model.path == "conversations" and fields.get("type", "note") not in CONVERSATION_TYPES:
            fields["type"] = "note"
        if model.path == "endusers" and ("firstName" in fields or "lastName" in fields):
            old = before or {}
            fields["name"] = " ".join(part for part in (fields.get("firstName", old.get("firstName")), fields.get("lastName", old.get("lastName"))) if part)
        if before is not None and all(before.get(name) == value for name, value in fields.items()):
            return str(before["_id"]), False
        stamp = self.state.next_stamp(self._clock.now())
        record = str(before["_id"]) if before else object_id(stamp, secrets.token_hex(8))
        if before is None:
            fields["createdAt"] = stamp
        self.state.write(model.path, record, "updated" if before else "created", stamp, fields)
        return record, True

    async def _create(self, request: Request) -> Response:
        return await self._one(request, None)

    async def _update(self, request: Request) -> Response:
        return await self._one(request, request.path_params["key"])

    async def _one(self, request: Request, key: str | None) -> Response:
        model, item = self._model(request), _json(await request.body())
        if not isinstance(item, dict):
            raise Refused(400, "Expected an object")
        if model.path in self._read_only:
            raise Refused(403, f"No permission to write {model.name}")
        before = self._found(model, key) if key is not None else None
        wrong = self._wrong(model, item, before)
        if wrong:
            raise Refused(400, wrong)
        with self.state.transaction():
            record, _ = self._put(model, item, before)
        return _answer(self._shown(model, [self._found(model, record)], None)[0])

    async def _delete(self, request: Request) -> Response:
        model = self._model(request)
        if model.path in self._read_only:
            raise Refused(403, f"No permission to delete {model.name}")
        row = self._found(model, request.path_params["key"])
        with self.state.transaction():
            self.state.write(model.path, row["_id"], "deleted", self.state.next_stamp(self._clock.now()), {"IsDeleted": 1})
        return _answer({"n": 1, "ok": 1, "deletedCount": 1})

    # ---- dimension data

    async def _metrics(self, request: Request) -> Response:
        query = request.query_params
        where = '"IsDeleted" = 0'
        values: list[Any] = []
        for name, column, sign in (("cId", "companyId", "="), ("dimid", "dimensionId", "="), ("from", "day", ">="), ("to", "day", "<=")):
            if query.get(name):
                where = f'{where} and "{column}" {sign} ?'
                values.append(_whole(query[name], name) if column == "day" else query[name])
        limit = min(MOST_ROWS, _whole(query.get("limit", str(DEFAULT_LIMIT)), "limit"))
        rows = self.state.current(
            "dimensiondata", f'{where} order by "day", "_id" limit ? offset ?', (*values, limit, _whole(query.get("offset", "0"), "offset"))
        )
        names = self._company_names()
        return _answer(
            [
                {
                    "_id": row["_id"],
                    "dimensionId": row["dimensionId"],
                    "time": f"{date(1970, 1, 1) + timedelta(days=row['day'])}T00:00:00.000Z",
                    "value": row["value"],
                    "model": row["model"],
                    "parentId": row["parentId"],
                    "companyId": row["companyId"],
                    "companyName": names.get(row["companyId"]),
                }
                for row in rows
            ]
        )

    async def _push_metrics(self, request: Request) -> Response:
        raw = await request.body()
        if len(raw) > MOST_ANALYTICS_BYTES:
            raise Refused(413, "Payload Too Large")
        if not secrets.compare_digest(request.path_params["tenant"].encode(), self._tenant.encode()):
            raise Refused(400, "Unknown tenant")
        items = _json(raw)
        items = items if isinstance(items, list) else [items]
        processed, errors = 0, []
        with self.state.transaction():
            for item in items:
                wrong = self._store_metric(item)
                if wrong:
                    errors.append({"item": item, "message": wrong})
                else:
                    processed += 1
        return _answer({"processed": processed, "errors": errors})

    def _store_metric(self, item: Mapping[str, Any]) -> str:
        missing = [name for name in ("dimensionId", "value", "externalId") if item.get(name) is None]
        if missing:
            return f"{', '.join(missing)} required"
        path = {"company": "companies", "enduser": "endusers"}.get(str(item.get("model") or "Company").lower())
        rows = self.state.current(path, '"externalId" = ? and "IsDeleted" = 0 limit 1', (item["externalId"],)) if path else []
        if not rows:
            return f"externalId {item['externalId']} is not known"
        moment = datetime.fromisoformat(str(item["date"])) if item.get("date") else self._clock.now()
        day = (moment.date() - date(1970, 1, 1)).days
        key = object_id(stamp_text(datetime(1970, 1, 1) + timedelta(days=day)), f"{item['dimensionId']}|{rows[0]['_id']}")
        company = rows[0].get("companyId") or rows[0]["_id"]
        fields = {"dimensionId": item["dimensionId"], "parentId": rows[0]["_id"], "companyId": company, "model": item.get("model") or "Company", "day": day}
        self.state.write("dimensiondata", key, "created", self.state.next_stamp(self._clock.now()), {**fields, "value": item["value"]})
        return ""

    def _change_schema(self, change: Mapping[str, Any]) -> Any:
        model, name = MODELS[change["object"]], str(change["field"])
        self.state.advance(self._clock.now())  # before the first request, the tenant's own fields are not there yet
        self._changes.setdefault(model.path, {})[name] = change
        self.state.set_meta("schema", json.dumps([*json.loads(self.state.meta("schema") or "[]"), dict(change)]))
        if name.startswith("custom.") and change["change"] in ("add", "remove"):
            short = name.removeprefix("custom.")
            known = self.state.current("customfields", '"parent" = ? and "name" = ? order by "IsDeleted"', (model.name, short))
            stamp = self.state.next_stamp(self._clock.now())
            key = known[0]["_id"] if known else object_id(stamp, f"{model.name}.{short}")
            fields = {"name": short, "type": change.get("type", "text"), "parent": model.name, "IsDeleted": int(change["change"] == "remove")}
            with self.state.transaction():
                self.state.write("customfields", key, "updated" if known else "created", stamp, fields if known else {**fields, "createdAt": stamp})
        return {"object": model.path, "field": name}

    def _control(self, method: str, name: str, body: Any) -> Any:
        """`/_sandbox/`: GET writes; POST limits {requests_per_minute}; POST bulk {status, fail_every}; POST read_only [models]; GET phases;
        POST custom {merged}: whether a write of `custom` leaves the fields that it does not name;
        POST schema {object, field, change: add | remove | retype, type, value, template}: a field of a model (a custom one as `custom.NAME`) is there from
        now on with one value, is gone, or reads as `template` renders it."""
        if (method, name) == ("GET", "writes"):
            return self.state.writes()
        if (method, name) == ("POST", "schema"):
            return self._change_schema(body)
        if (method, name) == ("GET", "phases"):
            return list(PHASES)
        if (method, name) == ("POST", "limits"):
            limit = body["requests_per_minute"]
            self._per_minute = None if limit is None else int(limit)
            self._calls.clear()
            return {"requests_per_minute": self._per_minute}
        if (method, name) == ("POST", "bulk"):
            self._bulk_status, self._fail_every = str(body.get("status", "documented")), int(body.get("fail_every", 0))
            return {"status": self._bulk_status, "fail_every": self._fail_every}
        if (method, name) == ("POST", "custom"):
            self._merges_custom = bool(body["merged"])
            return {"merged": self._merges_custom}
        if (method, name) == ("POST", "read_only"):
            self._read_only = set(body)
            return sorted(self._read_only)
        raise KeyError(name)


def object_id(stamp: str, text: str) -> str:
    """A MongoDB ObjectId: four bytes of seconds, so that ids sort by creation, and eight that are made from `text`."""
    seconds = int(stamp_time(stamp).replace(tzinfo=UTC).timestamp())
    return f"{seconds & 0xFFFFFFFF:08x}{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _change(change: Mapping[str, Any], fields: dict[str, Any], name: str) -> None:
    """What a change of the schema does to one record's JSON."""
    if change["change"] == "add":
        fields.setdefault(name, change.get("value"))
    elif change["change"] == "remove":
        fields.pop(name, None)
    elif name in fields:
        fields[name] = str(change.get("template", "{}")).format(fields[name])


def _keys(item: Mapping[str, Any]) -> dict[str, str]:
    return {name: item[name] for name in ("_id", "sourceId", "externalId") if item.get(name)}


def _time(stamp: str | None) -> str | None:
    return None if stamp is None else stamp[:23] + "Z"


def _whole(text: str, name: str) -> int:
    try:
        number = int(text)
    except ValueError:
        raise Refused(400, f"{name} must be an integer") from None
    if number < 0:
        raise Refused(400, f"{name} must not be negative")
    return number


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        raise Refused(400, "Unexpected token in JSON") from None


def _answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(json.dumps(value), status, {"Content-Type": "application/json; charset=utf-8", **(headers or {})})


def _fault_body(status: int, code: str) -> Any:
    return {"statusCode": status, "message": code or "planned by the sandbox"}
