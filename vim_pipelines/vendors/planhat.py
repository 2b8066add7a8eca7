"""Planhat's REST API: complete listings that neither lose nor double a row, and a bulk upsert whose answer is read item by item.

Two traps shape this module. Planhat pages by offset and has no filter by time, so a row that is deleted while we page shifts all
later ones by one: without the overlap below, the row at the seam would be missing, and a missing row means a deleted account.
And a bulk upsert answers HTTP 200 (or 206) with the errors inside: whoever looks at the status alone believes writes that never were.
Contract: shared design, CONNECTORS section 3; planhat.com/developers/api ('Authentication & Limits', 'Bulk Upsert', 'HTTP Response
Codes', one page per model). What those pages do not say is marked 'undocumented'.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum
from typing import Any
from urllib.parse import quote

import httpx

from vim_pipelines.settings import Settings
from vim_pipelines.vendors.client import VendorClient, json_or_none, transport_from_settings
from vim_pipelines.vendors.http import Safety, TransportOptions, VendorError, VendorHttp
from vim_pipelines.vendors.wire import json_value, path_segment

Record = dict[str, Any]

API_URL, ANALYTICS_URL = "https://api.planhat.com", "https://analytics.planhat.com"
PAGE_SIZE, COMPANY_PAGE_SIZE = 2000, 5000
BULK_LIMIT = 5000
#: 'A hard limit of 32MB on the body of each post'; the smaller reading of a megabyte.
ANALYTICS_BODY_BYTES = 32_000_000
#: 200 calls in any 60 seconds: 60 at once (a night of a small tenant) and 140 a minute after them.
PER_SECOND, BURST = 140 / 60, 60
#: How many answers in a row may be of no use before we say that a listing does not hold still.
READ_AGAIN = 12
KEYS = ("_id", "sourceId", "externalId")
PREFIXES = {"_id": "", "sourceId": "srcid-", "externalId": "extid-"}
EPOCH = date(1970, 1, 1)

#: Documented fields by model, with Planhat's word for the type. A tenant's own fields come from /customfields.
_COMMON = {"_id": "objectId", "externalId": "string", "sourceId": "string", "createdAt": "date", "updatedAt": "date"}
_OF_COMPANY = {**_COMMON, "companyId": "objectId", "companyName": "string"}
MODELS: dict[str, tuple[str, dict[str, str]]] = {
    "companies": (
        "Company",
        {
            **_COMMON, "name": "string", "owner": "objectId", "coOwner": "objectId", "phase": "string", "status": "string", "domains": "array",
            "h": "integer", "mrr": "number", "arr": "number", "renewalDate": "date", "customerFrom": "date", "customerTo": "date", "tags": "array",
        },
    ),
    "endusers": (
        "EndUser",
        {
            **_OF_COMPANY, "email": "email", "firstName": "string", "lastName": "string", "name": "string", "position": "string", "phone": "phone",
            "tags": "array", "featured": "boolean", "primary": "boolean", "archived": "boolean",
        },
    ),
    "licenses": (
        "License",
        {
            **_OF_COMPANY, "product": "string", "_currency": "string", "fromDate": "date", "toDate": "date", "fixedPeriod": "boolean", "mrr": "number",
            "value": "number", "status": "string", "renewalStatus": "string", "renewalDate": "date", "renewalPeriod": "number", "renewalUnit": "string",
            "noticePeriod": "number", "noticeUnit": "string", "autoRenews": "boolean",
        },
    ),
    "opportunities": (
        "Opportunity",
        {
            **_OF_COMPANY, "title": "string", "salesStage": "string", "status": "string", "dealDate": "date", "landingDate": "date", "closeDate": "date",
            "_currency": "string", "ownerId": "objectId", "mrr": "number", "arr": "number", "nrr": "number", "contractLength": "integer",
        },
    ),
    "conversations": (
        "Conversation",
        {
            **_OF_COMPANY, "subject": "string", "description": "rich text", "snippet": "string", "date": "date", "outDate": "date", "createDate": "date",
            "type": "string", "starred": "boolean", "pinned": "boolean", "archived": "boolean", "isOpen": "boolean", "tags": "array",
        },
    ),
    "tasks": (
        "Task",
        {
            **_OF_COMPANY, "mainType": "string", "action": "string", "description": "rich text", "snippet": "string", "status": "string",
            "startTime": "date", "endTime": "date", "ownerId": "objectId", "isArchived": "boolean", "noSpecificTime": "boolean",
        },
    ),
    "objectives": ("Objective", {**_OF_COMPANY, "name": "string"}),
    "tickets": ("Ticket", {**_OF_COMPANY, "subject": "string", "description": "rich text", "type": "string", "status": "string", "priority": "string"}),
    "assets": ("Asset", {**_OF_COMPANY, "name": "string"}),
    "projects": ("Project", {**_OF_COMPANY, "name": "string", "startDate": "date", "mrr": "number"}),
    "invoices": ("Invoice", {**_OF_COMPANY}),
    "churn": ("Churn", {**_OF_COMPANY}),
}  # fmt: skip


class _NoTenant(logging.Filter):
    """httpx logs every address at INFO, and that of the analytics host ends with the tenant's id, which is all it asks for."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record may be logged."""
        return "/dimensiondata/" not in record.getMessage()


logging.getLogger("httpx").addFilter(_NoTenant())


class Outcome(Enum):
    """What became of one record of a bulk upsert."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    FAILED = "failed"
    #: The answer does not say. Read the record back before writing it again.
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class UpsertResult:
    """One record's result, in the order sent. `id` is Planhat's `_id` where the answer gives it, `message` the reason of a failure."""

    outcome: Outcome
    id: str | None = None
    message: str = ""


@dataclass(frozen=True)
class Metric:
    """One value of one dimension of one company (or other model) on one day."""

    dimension_id: str
    external_id: str
    day: date
    value: float
    model: str = "Company"


class PlanhatClient(VendorClient):
    """One tenant, by the API access token of a service account.

    `phases` are the names of the tenant's lifecycle phases; empty: the names that its companies carry. `tenant_uuid` is only needed to push
    dimension data. Every method raises VendorError as `VendorHttp.send` does, and VIM-E011 (token), VIM-E013 (any other refusal).
    """

    def __init__(
        self,
        token: str,
        base_url: str = API_URL,
        analytics_url: str = ANALYTICS_URL,
        tenant_uuid: str = "",
        *,
        phases: Collection[str] = (),
        allowed_hosts: Sequence[str] = (),
        page_size: int | None = None,
        options: TransportOptions | None = None,
    ) -> None:
        options = options or TransportOptions()
        super().__init__(
            VendorHttp("Planhat", base_url, setting="PLANHAT_BASE_URL", allowed_hosts=allowed_hosts, per_second=PER_SECOND, burst=BURST, options=options)
        )
        # 'The endpoints at analytics.planhat.com are not affected by these limits'; the hard limit of 150 a second is kept all the same.
        self._analytics = VendorHttp(
            "Planhat analytics", analytics_url, setting="PLANHAT_ANALYTICS_URL", allowed_hosts=allowed_hosts, per_second=100, burst=50, options=options
        )
        self._token, self._tenant = token, tenant_uuid
        for http in (self.http, self._analytics):
            http.hide(token)
            http.hide(tenant_uuid)
        self._phases = frozenset(phases)
        if page_size is not None and page_size < 2:
            raise ValueError("a page of one row cannot overlap the next")
        self._page_size = page_size
        self._bulk_lock = threading.Lock()
        self._custom_fields: list[Record] | None = None
        #: `X-Rate-Limit-Remaining` of the last answer, where Planhat still sends it (older documentation).
        self.requests_left: int | None = None

    @property
    def request_count(self) -> int:
        """Requests sent by this client so far to both hosts, repeated ones included."""
        return self.http.request_count + self._analytics.request_count

    def close(self) -> None:
        """Close the connections."""
        super().close()
        self._analytics.close()

    # ---- reading

    def records(self, model: str, select: Sequence[str] = (), company_ids: Sequence[str] = ()) -> Iterator[Record]:
        """All records of a model in the order of `_id`, each once, with `_id` and the fields of `select` (custom fields: `custom`).

        A record that exists from beginning to end of the reading is given exactly once, whatever is created or deleted meanwhile: each
        page must begin at or before the last row of the page before, or we step back until one does; and the listing ends only where a page
        that begins with a known row has no other (a page that is merely short may be Planhat's own lower limit). VIM-E013 if that cannot be had: a part of a listing is not a listing.
        `select` must have a field that every record has: rows that show none of it are refused, too.
        """
        size = self._page_size or (COMPANY_PAGE_SIZE if model == "companies" else PAGE_SIZE)
        params: dict[str, Any] = {"sort": "_id", "select": ",".join(dict.fromkeys(("_id", *select)))}
        if company_ids:
            params["companyId"] = ",".join(company_ids)
        last, offset, step, fruitless = "", 0, size, 0
        while True:
            page = self._page(model, {**params, "limit": size, "offset": offset})
            ids = [str(record.get("_id", "")) for record in page]
            if "" in ids or any(later <= earlier for earlier, later in zip(ids, ids[1:], strict=False)):
                if last or not self._is_whole(model, params, ids, size):
                    raise self._unsteady(model, "its rows do not come in the order of _id that was asked for, so a lost row could not be noticed")
                yield from page
                return
            if select and page and all(set(record) <= {"_id"} for record in page):
                # An answer to another question, as a cache in between may give: its rows would come in without their fields.
                fruitless += 1
                if fruitless > READ_AGAIN:
                    raise self._unsteady(model, "its rows come without any of the fields that were asked for")
                continue
            is_joined = offset == 0 or (bool(ids) and ids[0] <= last)
            fresh = [record for record, key in zip(page, ids, strict=True) if key > last] if is_joined else []
            if is_joined and not fresh and len(page) <= 1:
                return
            fruitless = 0 if fresh else fruitless + 1
            if fruitless > READ_AGAIN:
                raise self._unsteady(model, f"{fruitless} answers in a row brought nothing that could be used")
            if is_joined:
                yield from fresh
                last, offset, step = max(last, ids[-1]), offset + len(page) - 1, size
            else:
                offset, step = max(0, offset - step), step * 2

    def lean_companies(self, **having: str) -> list[Record]:
        """`_id`, name and outside ids of all companies in one answer (there is no limit here), or of those `having` an externalId, sourceId or status."""
        return self._page("leancompanies", having)

    def get(self, model: str, key: str, by: str = "_id") -> Record | None:
        """The whole record whose `by` (`_id`, `externalId` or `sourceId`) is `key`, or None. The read-back of a write whose answer was lost."""
        response = self._call("GET", f"{path_segment(model)}/{PREFIXES[by]}{path_segment(key)}", missing_is_none=True)
        return None if response is None else dict(self._object(response))

    def users(self) -> list[Record]:
        """The tenant's own team: `_id`, names and e-mail."""
        return list(self.records("users", ("email", "nickName", "firstName", "lastName")))

    def custom_fields(self, model: str) -> dict[str, str]:
        """Custom fields of a model: `custom.NAME` to Planhat's word for the type."""
        if self._custom_fields is None:
            self._custom_fields = list(self.records("customfields", ("name", "type", "parent")))
        parent = MODELS[model][0].casefold()
        return {f"custom.{field['name']}": str(field.get("type", "")) for field in self._custom_fields if str(field.get("parent", "")).casefold() == parent}

    def describe(self, model: str) -> dict[str, str]:
        """Every field of a model to its type: the documented ones, the tenant's own, and whatever else one whole record shows (type '').

        VIM-E013 with vendor_code UNKNOWN_MODEL for a model that this client does not know.
        """
        if model not in MODELS:
            raise VendorError("VIM-E013", f"Planhat has no model '{model}' here", fix=f"It is one of {', '.join(MODELS)}", vendor_code="UNKNOWN_MODEL")
        fields = {**MODELS[model][1], **self.custom_fields(model)}
        first = self._page(model, {"limit": 1, "offset": 0, "select": "_id"})
        whole = self.get(model, str(first[0]["_id"])) if first else None
        return {**dict.fromkeys(flatten(whole or {}), ""), **fields}

    def phases(self) -> frozenset[str]:
        """The phase names that may be written: those given, else those that companies carry (Planhat has no resource for them)."""
        if not self._phases:
            self._phases = frozenset(str(record["phase"]) for record in self.records("companies", ("name", "phase")) if record.get("phase"))
        return self._phases

    def dimension_data(self, first: date, last: date, *, company_id: str = "", dimension_id: str = "") -> list[Record]:
        """Values of `first` to `last`, both included, as `_id, dimensionId, time, value, model, parentId, companyId, companyName`.

        The order is undocumented, so a page must begin with the last row of the page before; if it does not, all is read again.
        """
        params: dict[str, Any] = {"from": days_since_epoch(first), "to": days_since_epoch(last)}
        params |= {name: value for name, value in (("cId", company_id), ("dimid", dimension_id)) if value}
        size = self._page_size or PAGE_SIZE
        for _ in range(READ_AGAIN):
            rows: dict[str, Record] = {}
            position, anchor = 0, ""
            while True:
                page = self._page("dimensiondata", {**params, "limit": size, "offset": position})
                if anchor and (not page or str(page[0]["_id"]) != anchor):
                    break
                rows |= {str(row["_id"]): row for row in page}
                if len(page) < size:
                    return list(rows.values())
                anchor, position = str(page[-1]["_id"]), position + len(page) - 1
        raise self._unsteady("dimensiondata", f"its rows moved during {READ_AGAIN} readings")

    # ---- writing

    def upsert_many(self, model: str, records: Sequence[Mapping[str, Any]]) -> list[UpsertResult]:
        """Create or update records by `_id`, `sourceId` or `externalId` (matched in that order), 5,000 to a request; one result per record, in order.

        Custom fields are given as `custom.NAME`. A record without any key, with the key of another one of this call, or with a phase that is
        no phase is FAILED here and not sent: Planhat would create a duplicate, refuse the whole call, or keep the stray name. Calls follow
        one another (Planhat asks for it). If a whole request fails, the VendorError's `completed` holds the results of the requests before it.
        """
        results: list[UpsertResult | None] = [None] * len(records)
        refused = self._refused(model, records)
        for place, message in refused.items():
            results[place] = UpsertResult(Outcome.FAILED, message=message)
        places = [place for place in range(len(records)) if place not in refused]
        with self._bulk_lock:
            for start in range(0, len(places), BULK_LIMIT):
                chunk = places[start : start + BULK_LIMIT]
                sent = [_wire(records[place]) for place in chunk]
                try:
                    response = self._call("PUT", path_segment(model), safety=Safety.IDEMPOTENT_WRITE, json=sent, speaks_bulk=True)
                    assert response is not None
                    answers = read_upsert(sent, self._object(response))
                except VendorError as error:
                    error.completed = tuple(result for result in results if result is not None)
                    raise
                for place, answer in zip(chunk, answers, strict=True):
                    results[place] = UpsertResult(answer.outcome, answer.id, self.http.scrub(answer.message))
        return [result for result in results if result is not None]

    def delete(self, model: str, key: str, by: str = "_id") -> bool:
        """Delete a record (undo of a create); False if there was none."""
        response = self._call("DELETE", f"{path_segment(model)}/{PREFIXES[by]}{path_segment(key)}", safety=Safety.WRITE, missing_is_none=True)
        return response is not None and self._object(response).get("deletedCount", 1) > 0

    def create_custom_field(self, definition: Mapping[str, Any]) -> str:
        """Create a custom field (`name`, `type`, `parent`, `isHidden`; `listValues` of a list); its `_id`. Planhat does not say that names are unique."""
        response = self._call("POST", "customfields", safety=Safety.WRITE, json=dict(definition))
        assert response is not None
        self._custom_fields = None
        return str(self._object(response).get("_id", ""))

    def push_dimension_data(self, metrics: Sequence[Metric]) -> int:
        """Send values to the analytics host, at most 32 MB a request; the number that Planhat processed.

        Whether a second value of a day replaces the first is undocumented, so a lost answer is VIM-E015 and nothing is sent again.
        VIM-E013 if Planhat reports errors for some of them.
        """
        if not self._tenant:
            raise VendorError("VIM-E001", "The setting PLANHAT_TENANT_UUID is missing", fix="Set it to the tenant UUID of Planhat's Developer module")
        processed = 0
        for items in bodies(metrics):
            try:
                response = self._analytics.send("POST", f"/dimensiondata/{quote(self._tenant, safe='')}", safety=Safety.WRITE, json=items)
            except VendorError as error:  # the path names the tenant, and the tenant's id is all that this resource asks for
                raise VendorError(
                    error.code, self._analytics.scrub(error.what), why=error.why, fix=error.fix, status=error.status, completed=(processed,)
                ) from None
            if not response.is_success:
                raise self._refusal(response)
            answer = self._object(response)
            errors = answer.get("errors") or []
            processed += int(answer.get("processed") or 0)
            if errors:
                raise VendorError(
                    "VIM-E013",
                    f"Planhat refused {len(errors)} of {len(items)} values of dimension data",
                    why=self.http.scrub(_said(errors[0])),
                    fix="Check that the external ids and dimension names exist in Planhat",
                    status=response.status_code,
                    completed=(processed,),
                )
        return processed

    # ---- inside

    def _refused(self, model: str, records: Sequence[Mapping[str, Any]]) -> dict[int, str]:
        """Places of records that must not be sent, with the reason."""
        refused: dict[int, str] = {}
        owners: dict[tuple[str, str], int] = {}
        for place, record in enumerate(records):
            keys = _keys(record)
            if not keys:
                refused[place] = f"it has none of {', '.join(KEYS)}"
            for key in keys:
                other = owners.setdefault(key, place)
                if other != place:
                    for twin in (other, place):
                        refused[twin] = f"{key[0]} {key[1]} stands twice in one call"
            phase = record.get("phase")
            if model == "companies" and phase is not None and phase not in self.phases():
                refused[place] = f"'{phase}' is not a phase of this tenant ({', '.join(sorted(self.phases())) or 'none is known: set PLANHAT_PHASES'})"
        return refused

    def _is_whole(self, model: str, params: Mapping[str, Any], ids: Sequence[str], size: int) -> bool:
        """Whether a first page without order holds the whole listing: then its order does not matter."""
        if "" in ids or len(set(ids)) < len(ids) or len(ids) >= size:
            return False
        return not self._page(model, {**params, "limit": size, "offset": len(ids)})

    def _page(self, path: str, params: Mapping[str, Any]) -> list[Record]:
        response = self._call("GET", path_segment(path), params=params)
        assert response is not None
        body = self.http.body_of(response)
        if not isinstance(body, list) or not all(isinstance(item, dict) for item in body):
            raise VendorError(
                "VIM-E013",
                f"Planhat answered GET /{path} with something that is not a list of records",
                why=self.http.scrub(response.text),
                fix="Check that PLANHAT_BASE_URL is the address of the API",
                status=response.status_code,
            )
        return body

    def _object(self, response: httpx.Response) -> Record:
        body = self.http.body_of(response)
        if isinstance(body, list) and len(body) == 1:
            body = body[0]
        if not isinstance(body, dict):
            raise VendorError(
                "VIM-E013", f"Planhat answered {response.request.method} with something that is not an object", why=self.http.scrub(response.text)
            )
        return body

    def _call(
        self, method: str, path: str, *, safety: Safety = Safety.READ, missing_is_none: bool = False, speaks_bulk: bool = False, **arguments: Any
    ) -> httpx.Response | None:
        response = self.http.send(method, f"/{path}", safety=safety, headers={"Authorization": f"Bearer {self._token}"}, **arguments)
        left = response.headers.get("X-Rate-Limit-Remaining", "")
        self.requests_left = int(left) if left.isdigit() else self.requests_left
        if response.is_success or (missing_is_none and response.status_code == 404):
            return response if response.is_success else None
        # 'Bulk upserts can respond with 200, 206, 400, 403 and 500': with 400 and 403, too, the items' errors are in the body.
        if speaks_bulk and response.status_code in (400, 403) and _is_bulk_answer(json_or_none(response)):
            return response
        raise self._refusal(response)

    def _refusal(self, response: httpx.Response) -> VendorError:
        body = json_or_none(response)
        message = self.http.scrub(_said(body) if isinstance(body, dict) else response.text)
        where = self.http.scrub(f"{response.request.method} {response.request.url.path}")
        if response.status_code == 401:
            return VendorError(
                "VIM-E011",
                "Planhat refused our access token",
                why=message,
                fix="Check PLANHAT_API_TOKEN, and that its service account is neither disabled nor paused",
                status=401,
            )
        fix = "Correct the request's cause in Planhat or the portfolio file; it was not repeated"
        if response.status_code == 403:
            fix = "Give the service account the permission for this object in Planhat"
        return VendorError(
            "VIM-E013",
            f"Planhat refused {where} with HTTP {response.status_code}",
            why=message,
            fix=fix,
            status=response.status_code,
            vendor_message=message,
        )

    def _unsteady(self, model: str, why: str) -> VendorError:
        return VendorError(
            "VIM-E013",
            f"Planhat's listing of {model} could not be read as a whole",
            why=why,
            fix="Run again when less is being changed in Planhat; nothing was taken over",
        )


def client_from_settings(settings: Settings, *, options: TransportOptions | None = None) -> PlanhatClient:
    """The client of the tenant that the settings name; VIM-E001 if one of its settings is missing."""
    settings.require("planhat_base_url", "planhat_api_token")
    assert settings.planhat_base_url and settings.planhat_api_token
    return PlanhatClient(
        settings.planhat_api_token.get_secret_value(),
        settings.planhat_base_url,
        settings.planhat_analytics_url,
        settings.planhat_tenant_uuid.get_secret_value() if settings.planhat_tenant_uuid else "",
        phases=[name.strip() for name in settings.planhat_phases.split(",") if name.strip()],
        allowed_hosts=settings.allowed_hosts.split(","),
        options=transport_from_settings(settings, options),
    )


def flatten(record: Mapping[str, Any]) -> Record:
    """A record with its custom fields beside the others, as `custom.NAME`."""
    flat = {name: value for name, value in record.items() if name != "custom"}
    custom = record.get("custom")
    return flat | {f"custom.{name}": value for name, value in (custom.items() if isinstance(custom, dict) else ())}


def days_since_epoch(day: date) -> int:
    """Planhat's 'days format': whole days since 1970-01-01."""
    return (day - EPOCH).days


def day_of(days: int) -> date:
    """The day of Planhat's 'days format'."""
    return EPOCH + timedelta(days=days)


def bodies(metrics: Sequence[Metric], limit: int = ANALYTICS_BODY_BYTES) -> Iterator[list[Record]]:
    """The values as request bodies whose JSON is at most `limit` bytes each, in order."""
    part: list[Record] = []
    size = 2
    for metric in metrics:
        item: Record = {
            "dimensionId": metric.dimension_id,
            "value": metric.value,
            "externalId": metric.external_id,
            "model": metric.model,
            "date": metric.day.isoformat(),
        }
        length = len(json.dumps(item).encode()) + 2  # more than httpx's own, closer JSON
        if part and size + length > limit:
            yield part
            part, size = [], 2
        part.append(item)
        size += length
    if part:
        yield part


_ERROR_LISTS = ("createdErrors", "updatedErrors", "permissionErrors")


def read_upsert(records: Sequence[Mapping[str, Any]], body: Mapping[str, Any]) -> list[UpsertResult]:
    """What a bulk upsert's answer says of each record sent.

    Keys and errors name records by `_id`, `sourceId` or `externalId`; the shape of an error is undocumented, so the keys are looked for at
    any depth. `nonupdates` is only a number: records that nothing names are UNCHANGED exactly if there are as many of them, and UNKNOWN otherwise.
    """
    places: dict[tuple[str, str], int] = {key: place for place, record in enumerate(records) for key in _keys(record)}
    results: dict[int, UpsertResult] = {}
    for name, outcome in (("updatesKeys", Outcome.UPDATED), ("insertsKeys", Outcome.CREATED)):
        for keys in body.get(name) or ():
            for place in _named(keys, places):
                results[place] = UpsertResult(outcome, str(keys["_id"]) if isinstance(keys, dict) and keys.get("_id") else None)
    nameless: list[str] = []
    for name in _ERROR_LISTS:
        for error in body.get(name) or ():
            named = _named(error, places)
            for place in named:
                results[place] = UpsertResult(Outcome.FAILED, message=_said(error) or name)
            if not named:
                nameless.append(_said(error) or name)
    rest = [place for place in range(len(records)) if place not in results]
    unchanged = int(body.get("nonupdates") or 0)
    if rest and not nameless and len(rest) == unchanged:
        results |= {place: UpsertResult(Outcome.UNCHANGED, _text(records[place].get("_id"))) for place in rest}
    elif rest and nameless and not unchanged and len(rest) == len(nameless):
        results |= {place: UpsertResult(Outcome.FAILED, message="; ".join(dict.fromkeys(nameless))) for place in rest}
    else:
        said = "; ".join(dict.fromkeys(nameless)) or "Planhat's answer does not name this record"
        results |= {place: UpsertResult(Outcome.UNKNOWN, message=said) for place in rest}
    return [results[place] for place in range(len(records))]


def _keys(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(name, str(record[name])) for name in KEYS if record.get(name) not in (None, "")]


def _named(value: Any, places: Mapping[tuple[str, str], int]) -> set[int]:
    """The places of the records whose keys stand somewhere in `value`."""
    if isinstance(value, dict):
        own = {places[key] for key in _keys({name: item for name, item in value.items() if not isinstance(item, dict | list)}) if key in places}
        return own or set().union(*(_named(item, places) for item in value.values()))
    if isinstance(value, list):
        return set().union(*(_named(item, places) for item in value))
    return set()


def _said(error: Any) -> str:
    """The words of an error of undocumented shape."""
    if isinstance(error, dict):
        for name in ("message", "error", "errmsg", "reason"):
            if error.get(name):
                return _said(error[name])
        return json.dumps(error, default=str)
    return str(error)


def _is_bulk_answer(body: Any) -> bool:
    return isinstance(body, dict) and any(isinstance(body.get(name), list) for name in _ERROR_LISTS)


def _text(value: Any) -> str | None:
    return None if value in (None, "") else str(value)


def _wire(record: Mapping[str, Any]) -> Record:
    """A record as Planhat's JSON wants it: custom fields in `custom`, ISO dates (naive moments are UTC), numbers."""
    plain = {name: json_value(value) for name, value in record.items() if not name.startswith("custom.")}
    custom = {name.removeprefix("custom."): json_value(value) for name, value in record.items() if name.startswith("custom.")}
    return plain | ({"custom": {**(plain.get("custom") or {}), **custom}} if custom else {})
