"""HubSpot's CRM API, as much of it as the audit reads and the write-back writes. Dated paths (`/crm/objects/2026-09/...`), a service key.

Three traps shape this client. Search is eventually consistent and ends at 10,000 results: it is read by key, never by offset, so that no
record that changes meanwhile pushes another over the edge of a page. Batch writes answer HTTP 207 with errors inside: each input carries
a trace id of its own and gets a result of its own, 'unknown' where the answer names it nowhere. A 429 for the day is final, one for
the last ten seconds is waited for. Contract: shared design, CONNECTORS sections 0 and 2; HubSpot's public API specification, version 2026-09.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, TypeVar

import httpx

from vim_pipelines.core.dates import utc_moment
from vim_pipelines.core.net import is_loopback
from vim_pipelines.settings import Settings
from vim_pipelines.vendors.client import VendorClient, json_or_none, transport_from_settings
from vim_pipelines.vendors.http import Limiter, Safety, TransportOptions, VendorError, VendorHttp, limiter_of
from vim_pipelines.vendors.wire import moment_text, path_segment

Record = dict[str, Any]
Item = TypeVar("Item")

BASE_URL = "https://api.hubapi.com"
#: Search is indexed late; rows changed this long before the cursor are read again.
OVERLAP = timedelta(minutes=15)
LIST_LIMIT, SEARCH_LIMIT, BATCH_LIMIT, ASSOCIATION_LIMIT = 100, 200, 100, 1000
#: Inputs to a batch read that asks for the history of properties.
HISTORY_LIMIT = 50
#: A search body above 3,000 characters is refused; long lists of properties are read by id instead.
SEARCH_CHARACTERS = 2900
WINDOW_SECONDS, LOCKED_SECONDS = 10.0, 2.0
#: HubSpot's limit is 5 a second for the account, all integrations together.
SEARCHES_PER_SECOND = 4.0
#: Contacts name their modification time differently from everything else.
MODIFIED_PROPERTY = {"contacts": "lastmodifieddate", "contact": "lastmodifieddate", "0-1": "lastmodifieddate"}
#: Association types labelled 'Primary', by HubSpot's list: contact to company, deal to company.
PRIMARY_TYPES = frozenset({1, 5})

Outcome = Literal["created", "updated", "refused", "unknown"]


@dataclass(frozen=True)
class WriteError:
    """Why one record of a batch was refused: HubSpot's category, message and the context it gives."""

    category: str
    message: str
    context: str = ""


@dataclass(frozen=True)
class WriteResult:
    """One record's result in a batch, in the order sent.

    `outcome` is 'unknown' where the answer named the record neither among its results nor among its errors: read it back.
    """

    id: str | None
    outcome: Outcome
    errors: tuple[WriteError, ...] = ()

    @property
    def success(self) -> bool:
        """Whether HubSpot said that it did it."""
        return self.outcome in ("created", "updated")


@dataclass(frozen=True)
class Association:
    """One associated record. `is_primary` where HubSpot labels the association so (contacts and deals with their company)."""

    id: str
    is_primary: bool
    type_ids: tuple[int, ...]


@dataclass(frozen=True)
class ApiUsage:
    """Requests used and allowed in the account's day, by the last answer's `X-HubSpot-RateLimit-*` headers; searches carry none."""

    used: int
    allowed: int


class _Http(VendorHttp):
    """The one retry loop, with HubSpot's reading of 'busy': how long each kind lasts, and that the daily limit ends the night."""

    def _retry_after(self, response: httpx.Response) -> float | None:
        if _policy(response) == "DAILY":
            return float("inf")
        asked = super()._retry_after(response)
        if asked is not None:
            return asked
        if response.status_code == 423:
            return LOCKED_SECONDS
        if response.status_code == 429:
            return 1.0 if _policy(response) == "SECONDLY" else WINDOW_SECONDS
        return None

    def _gave_up(self, response: httpx.Response, attempts: int, wait: float | None, is_busy: bool) -> VendorError:
        if _policy(response) == "DAILY":
            return VendorError(
                "VIM-E014",
                "HubSpot's daily request limit is used up",
                why="The limit is shared by every integration of the account and renews at midnight of the account's time zone",
                fix="Run again tomorrow, or find in HubSpot (Development, Monitoring, API usage) what used it",
                status=429,
                vendor_code="DAILY",
            )
        return super()._gave_up(response, attempts, wait, is_busy)


class HubSpotClient(VendorClient):
    """One HubSpot account, by the service key in its settings (`pat-...`).

    Every method raises VendorError as `VendorHttp.send` does, and VIM-E011 (key refused, or a scope that it lacks, by name), VIM-E013 (any other
    refusal, with HubSpot's category and message; never repeated), VIM-E014 (request limit).
    """

    def __init__(
        self,
        base_url: str,
        service_key: str,
        api_version: str = "2026-09",
        *,
        allowed_hosts: Sequence[str] = (),
        requests_per_10_seconds: int = 100,
        options: TransportOptions | None = None,
    ) -> None:
        options = options or TransportOptions()
        is_here = is_loopback(httpx.URL(base_url).host)
        # In any ten seconds at most burst + 10 x rate requests pass: the account's limit. The sandbox has no other integrations to be fair to.
        burst = max(1, requests_per_10_seconds // 10)
        rate = 1000.0 if is_here else max(0.1, (requests_per_10_seconds - burst) / 10)
        http = _Http(
            "HubSpot",
            base_url,
            setting="HUBSPOT_BASE_URL",
            allowed_hosts=allowed_hosts,
            per_second=rate,
            burst=1000 if is_here else burst,
            options=options,
        )
        http.hide(service_key)
        super().__init__(http)
        self._headers = {"Authorization": f"Bearer {service_key}"}
        self._version = api_version
        self._search_limiter: Limiter = options.limiter or limiter_of(
            f"{self.http.base_url}#search", 1000.0 if is_here else SEARCHES_PER_SECOND, 1000 if is_here else 1
        )
        self.usage: ApiUsage | None = None

    def __repr__(self) -> str:
        return f"HubSpotClient({str(self.http.base_url)!r}, api_version={self._version!r})"

    # ---- reading

    def describe(self, object_type: str) -> list[Record]:
        """HubSpot's definitions of an object type's properties: `name`, `type`, `fieldType`, `options`, `hasUniqueValue` and more."""
        return _results(self._get(f"properties/{self._version}/{path_segment(object_type)}"), "name")

    def property_groups(self, object_type: str) -> list[str]:
        """Names of an object type's property groups."""
        return [str(group["name"]) for group in _results(self._get(f"properties/{self._version}/{path_segment(object_type)}/groups"), "name")]

    def create_property_group(self, object_type: str, group: Mapping[str, Any]) -> None:
        """Create a property group (`name`, `label`, `displayOrder`)."""
        self._send("POST", f"properties/{self._version}/{path_segment(object_type)}/groups", Safety.WRITE, json=dict(group))

    def create_properties(self, object_type: str, definitions: Sequence[Mapping[str, Any]]) -> list[str]:
        """Create properties in one call; the names that HubSpot says are there now. VIM-E013 if it reports errors for some."""
        inputs = [dict(definition) for definition in definitions]
        body = self._send("POST", f"properties/{self._version}/{path_segment(object_type)}/batch/create", Safety.WRITE, json={"inputs": inputs})
        self._refuse_errors(body, "properties")
        return [str(item["name"]) for item in _results(body, "name")]

    def records(self, object_type: str, properties: Sequence[str], *, archived: bool = False, associations: Sequence[str] = ()) -> Iterator[Record]:
        """Every record (or every archived one) in the order of its id, page by page. Not delayed, without the limits of search.

        `associations` names object types; each record's `associations` then holds their ids. HubSpot ignores properties that do not exist.
        """
        params = {"limit": str(LIST_LIMIT), "archived": "true" if archived else "false", "properties": ",".join(properties)}
        if associations:
            params["associations"] = ",".join(associations)
        after: str | None = None
        while True:
            body = self._get(f"objects/{self._version}/{path_segment(object_type)}", params={**params, **({"after": after} if after else {})})
            yield from _results(body, "properties")
            following = _after(body)
            if following is None:
                return
            if following == after:
                raise VendorError("VIM-E013", f"HubSpot gave the page after {after} of {object_type} twice", fix="Run again; the list was not read to its end")
            after = following

    def search(
        self,
        object_type: str,
        filters: Sequence[Mapping[str, Any]],
        properties: Sequence[str],
        *,
        sort: str | None = None,
        limit: int | None = None,
        after: str | None = None,
    ) -> Record:
        """One page of a search: `results`, `total`, `paging`. All `filters` must hold. Archived and newly changed records are not found."""
        body: Record = {"filterGroups": [{"filters": list(filters)}], "properties": list(properties), "limit": limit or SEARCH_LIMIT}
        body["sorts"] = [{"propertyName": sort, "direction": "ASCENDING"}] if sort else []
        if after:
            body["after"] = after
        self._search_limiter.acquire()
        answer = dict(self._send("POST", f"objects/{self._version}/{path_segment(object_type)}/search", Safety.READ, json=body))
        _results(answer, "properties")
        return answer

    def modified(
        self, object_type: str, properties: Sequence[str], since: datetime, until: datetime | None = None, *, overlap: timedelta = OVERLAP
    ) -> Iterator[Record]:
        """Records modified from `since` minus `overlap` to before `until` (naive UTC), each once, in the order of modification time.

        By key: each request asks for what lies at or after the last time seen, so that a record which changes while we read (and jumps to
        the end) moves no other past us, and no query comes near 10,000 results. Where a whole page has one time (an import), that
        time is read by `hs_object_id`.
        """
        stamp = MODIFIED_PROPERTY.get(object_type, "hs_lastmodifieddate")
        start = _milliseconds(since - overlap)
        upper = [_filter(stamp, "LT", _milliseconds(until))] if until else []
        asked, is_by_id = self._search_properties(object_type, properties, stamp)
        seen: set[str] = set()
        while True:
            page = self.search(object_type, [_filter(stamp, "GTE", start), *upper], asked, sort=stamp)["results"]
            yield from self._whole(object_type, [record for record in page if record["id"] not in seen], properties, is_by_id)
            if len(page) < SEARCH_LIMIT:
                return
            last = _modified_at(page[-1], stamp)
            # Only records of the last time can come again.
            here = {record["id"] for record in page if _modified_at(record, stamp) == last}
            if last > start:
                start, seen = last, here
                continue
            seen |= here
            yield from self._of_one_time(object_type, stamp, start, asked, properties, is_by_id, seen)
            start, seen = start + 1, set()

    def find(self, object_type: str, name: str, value: str, properties: Sequence[str]) -> list[Record]:
        """Records whose property equals `value`, by search (so delayed by moments). For unique properties `get` is not delayed."""
        found: list[Record] = []
        last = "0"
        while True:
            filters = [_filter(name, "EQ", value), _filter("hs_object_id", "GT", last)]
            page = self.search(object_type, filters, properties, sort="hs_object_id")["results"]
            found += page
            if len(page) < SEARCH_LIMIT:
                return found
            last = page[-1]["id"]

    def get(
        self, object_type: str, record_id: str, properties: Sequence[str], *, id_property: str | None = None, associations: Sequence[str] = ()
    ) -> Record | None:
        """One record by its id or by a unique property, or None if there is none or it was archived. Not delayed."""
        params = {"properties": ",".join(properties), **({"idProperty": id_property} if id_property else {})}
        if associations:
            params["associations"] = ",".join(associations)
        try:
            return self._get(f"objects/{self._version}/{path_segment(object_type)}/{path_segment(record_id)}", params=params)
        except VendorError as error:
            if error.status == 404:
                return None
            raise

    def get_many(
        self, object_type: str, ids: Sequence[str], properties: Sequence[str], *, id_property: str | None = None, history: Sequence[str] = ()
    ) -> list[Record]:
        """Records by their ids or a unique property, 100 to a request (50 with `history`); those that are not there are left out.

        `history` names properties whose `propertiesWithHistory` comes along: every value, the newest first, with who set it where a user did.
        """
        found: list[Record] = []
        for part in _parts(ids, HISTORY_LIMIT if history else BATCH_LIMIT):
            body: Record = {"inputs": [{"id": item} for item in part], "properties": list(properties), "propertiesWithHistory": list(history)}
            if id_property:
                body["idProperty"] = id_property
            found += _results(self._send("POST", f"objects/{self._version}/{path_segment(object_type)}/batch/read", Safety.READ, json=body), "properties")
        return found

    def associated(self, from_type: str, to_type: str, ids: Sequence[str]) -> dict[str, list[Association]]:
        """Each id's associated records of another type, by id; an id without any is missing. 1,000 ids to a request."""
        found: dict[str, list[Association]] = {}
        inputs: list[Record] = [{"id": item} for item in dict.fromkeys(ids)]
        while inputs:
            part, inputs = inputs[:ASSOCIATION_LIMIT], inputs[ASSOCIATION_LIMIT:]
            path = f"associations/{self._version}/{path_segment(from_type)}/{path_segment(to_type)}/batch/read"
            body = self._send("POST", path, Safety.READ, json={"inputs": part})
            for item in _results(body, "to"):
                for to in item["to"]:
                    types = tuple(int(kind["typeId"]) for kind in to["associationTypes"])
                    found.setdefault(str(item["from"]["id"]), []).append(Association(str(to["toObjectId"]), bool(PRIMARY_TYPES & set(types)), types))
                following = _after(item)
                if following:
                    inputs.append({"id": item["from"]["id"], "after": following})
            refused = [error for error in body.get("errors") or [] if not str(error.get("subCategory", "")).endswith("NO_ASSOCIATIONS_FOUND")]
            if refused:
                raise VendorError(
                    "VIM-E013",
                    f"HubSpot did not read all associations of {from_type} with {to_type}",
                    why=self.http.scrub(str(refused[0].get("message", ""))),
                    fix="Run again; if it stays, act on HubSpot's message",
                    status=207,
                    vendor_code=str(refused[0].get("category", "")),
                )
        return {key: sorted(items, key=lambda item: (len(item.id), item.id)) for key, items in found.items()}

    def owners(self, *, archived: bool = False) -> Iterator[Record]:
        """The account's owners (`id`, `email`, `firstName`, `lastName`), or those that left."""
        after: str | None = None
        while True:
            params = {"limit": "100", "archived": "true" if archived else "false", **({"after": after} if after else {})}
            body = self._get(f"owners/{self._version}", params=params)
            yield from _results(body, "id")
            after = _after(body)
            if after is None:
                return

    # ---- writing

    def upsert_many(self, object_type: str, id_property: str, records: Sequence[Mapping[str, Any]]) -> list[WriteResult]:
        """Create or update records by the unique property among their fields, 100 to a request; one result per record, in order.

        A record that is refused does not stop the others. If a whole request fails, the VendorError's `completed` holds the results before it.
        """
        inputs = []
        for record in records:
            fields = {name: value for name, value in record.items() if name != id_property}
            inputs.append({"id": str(record[id_property]), "idProperty": id_property, "properties": _wire(fields)})
        return self._batch(object_type, "upsert", inputs, Safety.IDEMPOTENT_WRITE)

    def update_many(self, object_type: str, records: Sequence[Mapping[str, Any]], *, id_property: str | None = None) -> list[WriteResult]:
        """Set properties of records that exist, each with its HubSpot id (or its value of the unique `id_property`) under `id`.

        Otherwise as `upsert_many`, and never creates.
        """
        named = {"idProperty": id_property} if id_property else {}
        inputs = [
            {"id": str(record["id"]), **named, "properties": _wire({name: value for name, value in record.items() if name != "id"})} for record in records
        ]
        return self._batch(object_type, "update", inputs, Safety.IDEMPOTENT_WRITE)

    def create_many(self, object_type: str, records: Sequence[tuple[Mapping[str, Any], Sequence[tuple[str, int]]]]) -> list[WriteResult]:
        """Create records (tasks, notes), each with its properties and its associations as (record id, HubSpot's association type id).

        Not repeatable: activities have no unique property. After VIM-E015, and for results that are 'unknown', look for the marker in the body first.
        """
        inputs = [
            {
                "properties": _wire(fields),
                "associations": [
                    {"to": {"id": to}, "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": kind}]} for to, kind in associations
                ],
            }
            for fields, associations in records
        ]
        return self._batch(object_type, "create", inputs, Safety.WRITE)

    def update(self, object_type: str, record_id: str, fields: Mapping[str, Any]) -> None:
        """Set properties of the record with this id; None clears one."""
        path = f"objects/{self._version}/{path_segment(object_type)}/{path_segment(record_id)}"
        self._send("PATCH", path, Safety.IDEMPOTENT_WRITE, json={"properties": _wire(fields)})

    def archive(self, object_type: str, record_id: str) -> None:
        """Move the record to the recycling bin, from which a person can restore it for 90 days (undo of a create)."""
        self._send("DELETE", f"objects/{self._version}/{path_segment(object_type)}/{path_segment(record_id)}", Safety.IDEMPOTENT_WRITE)

    def associate(self, from_type: str, from_id: str, to_type: str, to_id: str) -> None:
        """Make the default association between two records; one that is there already stays."""
        path = f"objects/{self._version}/{path_segment(from_type)}/{path_segment(from_id)}/associations/default/{path_segment(to_type)}/{path_segment(to_id)}"
        self._refuse_errors(self._send("PUT", path, Safety.IDEMPOTENT_WRITE))

    def associate_many(self, from_type: str, to_type: str, pairs: Sequence[tuple[str, str]], *, category: str = "", type_id: int | None = None) -> None:
        """Associate pairs of ids, 1,000 to a request: by the default type, or by `type_id` of `category`. VIM-E013 names the first pair that failed."""
        for part in _parts(pairs, ASSOCIATION_LIMIT):
            spec = {} if type_id is None else {"types": [{"associationCategory": category or "HUBSPOT_DEFINED", "associationTypeId": type_id}]}
            inputs = [{"from": {"id": first}, "to": {"id": second}, **spec} for first, second in part]
            verb = "associate/default" if type_id is None else "create"
            path = f"associations/{self._version}/{path_segment(from_type)}/{path_segment(to_type)}/batch/{verb}"
            self._refuse_errors(self._send("POST", path, Safety.IDEMPOTENT_WRITE, json={"inputs": inputs}))

    # ---- inside

    def _search_properties(self, object_type: str, properties: Sequence[str], stamp: str) -> tuple[list[str], bool]:
        """What to ask search for, and whether the properties must be read by id because the request would be too long."""
        is_long = len(json.dumps(list(properties))) > SEARCH_CHARACTERS - 500
        return ([stamp], True) if is_long else (list(dict.fromkeys([*properties, stamp])), False)

    def _whole(self, object_type: str, records: list[Record], properties: Sequence[str], is_by_id: bool) -> Iterator[Record]:
        """The records as found, or read again by id with all their properties; one archived in between is left to the archived listing."""
        if not is_by_id:
            yield from records
            return
        by_id = {record["id"]: record for record in self.get_many(object_type, [record["id"] for record in records], properties)}
        yield from (by_id[record["id"]] for record in records if record["id"] in by_id)

    def _of_one_time(
        self, object_type: str, stamp: str, moment: int, asked: Sequence[str], properties: Sequence[str], is_by_id: bool, seen: set[str]
    ) -> Iterator[Record]:
        last = "0"
        while True:
            filters = [_filter(stamp, "EQ", moment), _filter("hs_object_id", "GT", last)]
            page = self.search(object_type, filters, asked, sort="hs_object_id")["results"]
            yield from self._whole(object_type, [record for record in page if record["id"] not in seen], properties, is_by_id)
            if len(page) < SEARCH_LIMIT:
                return
            last = page[-1]["id"]

    def _batch(self, object_type: str, verb: str, inputs: Sequence[Record], safety: Safety) -> list[WriteResult]:
        results: list[WriteResult] = []
        for part in _parts(inputs, BATCH_LIMIT):
            # A trace id of its own for every input is what makes HubSpot answer each apart (207), and tells us which answer is whose.
            traced = [{**item, "objectWriteTraceId": f"vim-{place}"} for place, item in enumerate(part)]
            try:
                body = self._send("POST", f"objects/{self._version}/{path_segment(object_type)}/batch/{verb}", safety, json={"inputs": traced})
            except VendorError as error:
                error.completed = tuple(results)
                raise
            results += _batch_results(body, traced, is_create=verb == "create")
        return results

    def _refuse_errors(self, body: Record, what: str = "associations") -> None:
        errors = body.get("errors") or []
        if errors:
            raise VendorError(
                "VIM-E013",
                f"HubSpot refused {len(errors)} of the {what}",
                why=self.http.scrub(str(errors[0].get("message", ""))),
                fix="Correct the cause in HubSpot; it was not repeated",
                status=207,
                vendor_code=str(errors[0].get("category", "")),
                vendor_message=str(errors[0].get("message", "")),
            )

    def _get(self, path: str, params: Mapping[str, str] | None = None) -> Record:
        return dict(self._send("GET", path, Safety.READ, params=params))

    def _send(self, method: str, path: str, safety: Safety, **arguments: Any) -> Any:
        response = self.http.send(method, f"/crm/{path}", safety=safety, headers=self._headers, **arguments)
        self._note_usage(response)
        if response.status_code == 204:
            return {}
        if response.is_success:
            return self.http.body_of(response)
        raise self._refusal(response)

    def _note_usage(self, response: httpx.Response) -> None:
        daily, remaining = (response.headers.get(f"X-HubSpot-RateLimit-{name}", "") for name in ("Daily", "Daily-Remaining"))
        if daily.isdigit() and remaining.isdigit():
            self.usage = ApiUsage(int(daily) - int(remaining), int(daily))

    def _refusal(self, response: httpx.Response) -> VendorError:
        body = _json(response)
        category, message = str(body.get("category", "")), self.http.scrub(str(body.get("message") or response.text))
        facts: dict[str, Any] = {"status": response.status_code, "vendor_code": category, "vendor_message": message}
        where = f"{response.request.method} {response.request.url.path}"
        if response.status_code == 401:
            fix = "Check HUBSPOT_SERVICE_KEY against the key in HubSpot (Development, Keys, Service keys): it may have been rotated or deleted"
            return VendorError("VIM-E011", "HubSpot refused the service key", why=f"{category}: {message}", fix=fix, **facts)
        if response.status_code == 403:
            scopes = ", ".join(_missing_scopes(body)) or "not named by HubSpot"
            fix = f"Add to the service key in HubSpot (Development, Keys, Service keys): {scopes}"
            return VendorError("VIM-E011", f"The service key lacks a scope for {where}: {scopes}", why=message, fix=fix, **facts)
        return VendorError(
            "VIM-E013",
            f"HubSpot refused {where} with HTTP {response.status_code} {category}",
            why=message,
            fix="Correct the cause in HubSpot or in the portfolio file; it was not repeated",
            **facts,
        )


def client_from_settings(settings: Settings, *, options: TransportOptions | None = None) -> HubSpotClient:
    """The client of the account that the settings name; VIM-E001 if one of its settings is missing."""
    settings.require("hubspot_service_key")
    assert settings.hubspot_service_key
    return HubSpotClient(
        settings.hubspot_base_url or BASE_URL,
        settings.hubspot_service_key.get_secret_value(),
        settings.hubspot_api_version,
        allowed_hosts=settings.allowed_hosts.split(","),
        requests_per_10_seconds=settings.hubspot_requests_per_10_seconds,
        options=transport_from_settings(settings, options),
    )


def _batch_results(body: Record, inputs: Sequence[Record], *, is_create: bool) -> list[WriteResult]:
    """The answer of a batch, input by input. An input that it does not name is 'unknown', whatever the others say."""
    done = {str(item["objectWriteTraceId"]): item for item in body.get("results") or [] if item.get("objectWriteTraceId")}
    refused: dict[str, list[WriteError]] = {}
    for error in body.get("errors") or []:
        context = error.get("context") or {}
        traces = context.get("objectWriteTraceId") or error.get("id") or []
        for trace in [traces] if isinstance(traces, str) else traces:
            detail = json.dumps({name: value for name, value in context.items() if name != "objectWriteTraceId"}, sort_keys=True)
            refused.setdefault(str(trace), []).append(WriteError(str(error.get("category", "")), str(error.get("message", "")), detail))
    results = []
    for item in inputs:
        trace = item["objectWriteTraceId"]
        if trace in done:
            is_new = is_create or bool(done[trace].get("new"))
            results.append(WriteResult(str(done[trace]["id"]), "created" if is_new else "updated"))
        elif trace in refused:
            results.append(WriteResult(None, "refused", tuple(refused[trace])))
        else:
            results.append(WriteResult(None, "unknown"))
    return results


def _results(body: Any, wanted: str) -> list[Record]:
    """The `results` of an answer, each with the key `wanted`; VIM-E013 where something else came: it must not be read as 'none'."""
    results = body.get("results") if isinstance(body, Mapping) else None
    if isinstance(results, list) and all(isinstance(item, dict) and wanted in item for item in results):
        return results
    raise VendorError(
        "VIM-E013",
        f"HubSpot's answer has no results with '{wanted}'",
        why="It is the answer to another question, or an intermediary's",
        fix="Run again; if it stays, check that no proxy answers in HubSpot's place",
    )


def _filter(name: str, operator: str, value: int | str) -> Record:
    return {"propertyName": name, "operator": operator, "value": str(value)}


def _modified_at(record: Record, stamp: str) -> int:
    return _milliseconds(utc_moment(record["properties"].get(stamp) or record["updatedAt"]))


def _milliseconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1)) // timedelta(milliseconds=1)


def _parts(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _after(body: Mapping[str, Any]) -> str | None:
    after = ((body.get("paging") or {}).get("next") or {}).get("after")
    return None if after in (None, "") else str(after)


def _wire(fields: Mapping[str, Any]) -> dict[str, str]:
    """Property values as HubSpot's JSON wants them: all text; an empty text clears a property."""
    return {name: _wire_value(value) for name, value in fields.items()}


def _wire_value(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date):
        return moment_text(value)
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    return str(value)


def _json(response: httpx.Response) -> Record:
    body = json_or_none(response)
    return body if isinstance(body, dict) else {}


def _policy(response: httpx.Response) -> str:
    return str(_json(response).get("policyName", "")) if response.status_code == 429 else ""


def _missing_scopes(body: Mapping[str, Any]) -> list[str]:
    found: list[str] = []
    for error in body.get("errors") or []:
        context = error.get("context") or {}
        for name in ("requiredGranularScopes", "requiredScopes", "missingScopes"):
            found += [str(scope) for scope in context.get(name) or [] if str(scope) not in found]
    return found
