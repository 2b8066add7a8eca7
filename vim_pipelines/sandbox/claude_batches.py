"""The Batches API of the emulated Claude: what is accepted, when a batch ends, and how its results come back.

The traps that the drafter must survive are here on purpose: parameters are judged only when the batch ends, results come in another
order than the requests, a refusal is a success, a batch has no name of ours, and the list shows only counts. Limits of October 2026:
100,000 requests or 256 MB in a batch, 24 hours to finish it, results for 29 days after its creation.
What the documentation leaves open is decided so: results of a batch that has not ended, and of an archived one, are not found.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from vim_pipelines.sandbox.claude_wire import Fault, Refused, check_headers, error_response, new_request_id, planned_error, read_json

CUSTOM_ID = re.compile(r"^[a-zA-Z0-9_-]{1,64}$")
MOST_REQUESTS = 100_000
MOST_BYTES = 256_000_000
EXPIRES_SECONDS = 24 * 3600.0
ARCHIVED_SECONDS = 29 * 24 * 3600.0
LIST_LIMIT, LIST_MOST = 20, 1000

#: (parameters of one message, kind of a content fault or None) -> the message; raises Refused for what a live call would refuse.
Answer = Callable[[dict[str, Any], str | None], dict[str, Any]]


@dataclass
class Batch:
    """One accepted batch. `results` are made when it ends, once, so that reading them twice gives the same."""

    batch_id: str
    requests: list[dict[str, Any]]
    created: float
    polls: int = 0
    cancelled: float | None = None
    ended: float | None = None
    results: list[dict[str, Any]] = field(default_factory=list)


class Batches:
    """All batches of one emulated workspace.

    A batch ends at the poll after `polls_to_end` polls (default: at the second), not before `seconds_to_end`; what has not ended after 24 hours of
    `clock` (seconds since 1970) expires. `calls` counts requests by endpoint.
    """

    def __init__(self, answer: Answer, next_fault: Callable[[str, str], Fault | None]) -> None:
        self._answer, self._next_fault = answer, next_fault
        self.clear()

    def clear(self) -> None:
        """Forget everything, also what was set."""
        self.rows: dict[str, Batch] = {}
        self.calls: Counter[str] = Counter()
        self.polls_to_end: float = 1
        self.seconds_to_end = 0.0
        self.most_requests, self.most_bytes = MOST_REQUESTS, MOST_BYTES
        self.clock: Callable[[], float] = time.time

    def routes(self) -> list[Any]:
        """The endpoints, for a Starlette application."""
        from starlette.routing import Route

        place = "/v1/messages/batches"
        return [
            Route(place, self._endpoint("create"), methods=["POST"]), Route(place, self._endpoint("list"), methods=["GET"]),
            Route(place + "/{batch_id}", self._endpoint("retrieve"), methods=["GET"]), Route(place + "/{batch_id}", self._endpoint("delete"), methods=["DELETE"]),
            Route(place + "/{batch_id}/cancel", self._endpoint("cancel"), methods=["POST"]),
            Route(place + "/{batch_id}/results", self._endpoint("results"), methods=["GET"]),
        ]  # fmt: skip

    def _endpoint(self, name: str) -> Any:
        from starlette.requests import Request
        from starlette.responses import JSONResponse, Response, StreamingResponse

        async def serve(request: Request) -> Response:
            request_id, raw = new_request_id(), await request.body()
            self.calls[name] += 1
            fault = self._next_fault(raw.decode("utf-8", "replace"), name)
            try:
                check_headers(request.headers)
                if fault is not None and fault.seconds:
                    await asyncio.sleep(fault.seconds)
                if fault is not None and fault.kind == "status":
                    raise planned_error(fault)
                base, batch_id = str(request.base_url), request.path_params.get("batch_id", "")
                body: Any
                if name == "create":
                    body = self.shown(self.create(raw), base)
                elif name == "list":
                    body = self.page(request.query_params, base)
                elif name == "results":
                    lines = self.lines(batch_id)
                    length = {"content-length": "1000000000"} if fault is not None and fault.kind == "drop" else {}
                    if length:  # fewer bytes than announced: half of the lines arrive, then the connection closes
                        text = "".join(lines)
                        return Response(text[: len(text) // 2], headers={"request-id": request_id, **length}, media_type="application/x-jsonl")
                    return StreamingResponse(lines, headers={"request-id": request_id}, media_type="application/x-jsonl")
                elif name == "delete":
                    body = self.delete(batch_id)
                else:
                    body = self.shown(self.cancel(batch_id) if name == "cancel" else self.poll(batch_id), base)
                if fault is not None and fault.kind == "drop":
                    return Response(json.dumps(body)[:20], headers={"content-length": "100000", "request-id": request_id}, media_type="application/json")
                return JSONResponse(body, headers={"request-id": request_id})
            except Refused as refused:
                return error_response(refused, request_id)

        return serve

    def create(self, raw: bytes) -> Batch:
        """Accept a batch, or raise `Refused`; its items are judged when it ends, as the real API does."""
        if len(raw) > self.most_bytes:
            raise Refused(413, "request_too_large", "Request exceeds the maximum size")
        body = read_json(raw)
        check_batch(body, self.most_requests)
        batch = Batch("msgbatch_" + uuid.uuid4().hex[:24], body["requests"], self.clock())
        self.rows[batch.batch_id] = batch
        return batch

    def find(self, batch_id: str) -> Batch:
        """The batch of that id as it stands now, or `Refused` with 404."""
        batch = self.rows.get(batch_id)
        if batch is None:
            raise Refused(404, "not_found_error", f"No message batch with id '{batch_id}' was found")
        if batch.ended is None and self.clock() >= batch.created + EXPIRES_SECONDS:
            self._end(batch, "expired")
        return batch

    def poll(self, batch_id: str) -> Batch:
        """One look at a batch: it may end by it."""
        batch = self.find(batch_id)
        batch.polls += 1
        if batch.ended is None and batch.cancelled is not None:
            self._end(batch, "canceled")
        if batch.ended is None and batch.polls > self.polls_to_end and self.clock() >= batch.created + self.seconds_to_end:
            self._end(batch, None)
        return batch

    def cancel(self, batch_id: str) -> Batch:
        """Ask a batch to stop; it is `canceling` until the next look."""
        batch = self.find(batch_id)
        if batch.ended is None and batch.cancelled is None:
            batch.cancelled = self.clock()
        return batch

    def delete(self, batch_id: str) -> dict[str, str]:
        """Forget an ended batch."""
        if self.find(batch_id).ended is None:
            raise Refused(400, "invalid_request_error", "A batch can only be deleted once it has finished processing")
        del self.rows[batch_id]
        return {"id": batch_id, "type": "message_batch_deleted"}

    def page(self, query: Any, base_url: str) -> dict[str, Any]:
        """A page of the list, newest first."""
        try:
            limit = int(query.get("limit", LIST_LIMIT))
        except ValueError:
            limit = 0
        if not 1 <= limit <= LIST_MOST:
            raise Refused(400, "invalid_request_error", f"limit: Input should be between 1 and {LIST_MOST}")
        newest = sorted(reversed(self.rows.values()), key=lambda batch: -batch.created)
        ids = [batch.batch_id for batch in newest]
        start, end = 0, limit
        after, before = query.get("after_id"), query.get("before_id")
        for cursor in (after, before):
            if cursor and cursor not in ids:
                raise Refused(400, "invalid_request_error", f"'{cursor}' is not a batch of this workspace")
        if after:
            start = ids.index(after) + 1
            end = start + limit
        elif before:
            end = ids.index(before)
            start = max(0, end - limit)
        shown = [self.shown(self.find(batch.batch_id), base_url) for batch in newest[start:end]]
        has_more = start > 0 if before else end < len(newest)
        return {"data": shown, "has_more": has_more, "first_id": shown[0]["id"] if shown else None, "last_id": shown[-1]["id"] if shown else None}

    def lines(self, batch_id: str) -> Iterator[str]:
        """The results as lines of JSON, in an order of their own; `Refused` before the end and after 29 days."""
        batch = self.find(batch_id)
        if batch.ended is None or self.clock() >= batch.created + ARCHIVED_SECONDS:
            raise Refused(404, "not_found_error", f"The results of message batch '{batch_id}' are not available")
        return (json.dumps(result, ensure_ascii=False) + "\n" for result in batch.results)

    def shown(self, batch: Batch, base_url: str) -> dict[str, Any]:
        """A batch as the API shows it; counts stay at `processing` until the whole batch has ended."""
        counts = dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0)
        counts |= Counter(result["result"]["type"] for result in batch.results) if batch.ended is not None else {"processing": len(batch.requests)}
        archived = batch.ended is not None and self.clock() >= batch.created + ARCHIVED_SECONDS
        return {
            "id": batch.batch_id, "type": "message_batch", "request_counts": counts, "created_at": _stamp(batch.created),
            "processing_status": "ended" if batch.ended is not None else "canceling" if batch.cancelled is not None else "in_progress",
            "expires_at": _stamp(batch.created + EXPIRES_SECONDS), "ended_at": _stamp(batch.ended), "cancel_initiated_at": _stamp(batch.cancelled),
            "archived_at": _stamp(batch.created + ARCHIVED_SECONDS) if archived else None,
            "results_url": f"{base_url}v1/messages/batches/{batch.batch_id}/results" if batch.ended is not None and not archived else None,
        }  # fmt: skip

    def _end(self, batch: Batch, unfinished: str | None) -> None:
        batch.ended = self.clock()
        batch.results = [{"custom_id": item["custom_id"], "result": self._result(item, unfinished)} for item in batch.requests]
        random.Random(batch.batch_id).shuffle(batch.results)

    def _result(self, item: dict[str, Any], unfinished: str | None) -> dict[str, Any]:
        """How one item ended. A refusal is a success; an error says whether the request or the service was at fault."""
        if unfinished is not None:
            return {"type": unfinished}
        fault = self._next_fault(json.dumps(item), "")
        try:
            if fault is not None and fault.kind in ("expired", "canceled"):
                return {"type": fault.kind}
            if fault is not None and fault.kind == "status":
                raise planned_error(fault)
            message = self._answer(item["params"], fault.kind if fault else None)
        except Refused as refused:
            return {"type": "errored", "error": refused.body(None)}
        message["usage"]["service_tier"] = "batch"
        return {"type": "succeeded", "message": message}


def check_batch(body: dict[str, Any], most_requests: int = MOST_REQUESTS) -> None:
    """Raise `Refused` for a batch that is not accepted at all."""
    bad = "invalid_request_error"
    requests = body.get("requests")
    if not isinstance(requests, list) or not requests:
        raise Refused(400, bad, "requests: List should have at least 1 item")
    if len(requests) > most_requests:
        raise Refused(400, bad, f"requests: List should have at most {most_requests} items")
    seen: set[str] = set()
    for number, item in enumerate(requests):
        identity = str(item.get("custom_id", ""))
        if not CUSTOM_ID.match(identity):
            raise Refused(400, bad, f"requests.{number}.custom_id: String should match pattern '{CUSTOM_ID.pattern}'")
        if identity in seen:
            raise Refused(400, bad, f"requests.{number}.custom_id: duplicate")
        if not isinstance(item.get("params"), dict):
            raise Refused(400, bad, f"requests.{number}.params: Field required")
        seen.add(identity)


def _stamp(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
