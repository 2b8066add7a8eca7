"""What both halves of the emulated Claude API share: how it says no, and what is planned to go wrong."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from starlette.responses import JSONResponse

ERROR_TYPES = {
    400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error", 413: "request_too_large", 429: "rate_limit_error",
    500: "api_error", 504: "timeout_error", 529: "overloaded_error",
}  # fmt: skip


class Refused(Exception):
    """An answer with an error status."""

    def __init__(self, status: int, kind: str, message: str, *, headers: dict[str, str] | None = None, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status, self.kind, self.message, self.headers, self.details = status, kind, message, headers or {}, details

    def body(self, request_id: str | None) -> dict[str, Any]:
        """The error as JSON, as the API shapes it."""
        error: dict[str, Any] = {"type": self.kind, "message": self.message}
        if self.details:
            error["details"] = self.details
        return {"type": "error", "error": error, "request_id": request_id}


@dataclass
class Fault:
    """A planned fault for the next `times` requests whose body contains `match`.

    `kind`: `status` (with `status`, `retry_after`, `error_code`), `refusal`, `max_tokens`, `bad_json`, `wrong_schema`, `text`, `delay` (seconds before the answer),
    `drop` (the connection breaks within the answer); for an item of a batch also `expired` and `canceled`, and `status` makes it errored.
    `at` is the endpoint: empty for messages and for the items of a batch, else `create`, `retrieve`, `list`, `cancel` or `results` of the Batches API; a
    `drop` at `create` comes after the batch was accepted, one at `results` in the middle of the lines.
    """

    kind: str
    times: int = 1
    match: str = ""
    status: int = 500
    retry_after: str | None = None
    error_code: str | None = None
    seconds: float = 0.0
    at: str = ""


def planned_error(fault: Fault) -> Refused:
    """The error answer of a planned fault; a spend cap has no Retry-After."""
    headers = {"retry-after": fault.retry_after} if fault.retry_after else {}
    details = {"error_code": fault.error_code} if fault.error_code else None
    return Refused(fault.status, ERROR_TYPES.get(fault.status, "api_error"), "planned fault", headers=headers, details=details)


def error_response(refused: Refused, request_id: str) -> JSONResponse:
    """The response for a refusal."""
    from starlette.responses import JSONResponse

    return JSONResponse(refused.body(request_id), refused.status, headers={"request-id": request_id, **refused.headers})


def read_json(raw: bytes) -> Any:
    """The body, or `Refused`."""
    try:
        return json.loads(raw)
    except ValueError:
        raise Refused(400, "invalid_request_error", "the body is not JSON") from None


def check_headers(headers: Any) -> None:
    """Raise `Refused` without a key or a version."""
    key = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")  # SDK 2.12 sends the key as a bearer token
    if not key:
        raise Refused(401, "authentication_error", "x-api-key header is required")
    if key == "revoked":
        raise Refused(401, "authentication_error", "invalid x-api-key")
    if not headers.get("anthropic-version"):
        raise Refused(400, "invalid_request_error", "anthropic-version: header is required")


def new_request_id() -> str:
    """A request id as the API makes them."""
    return "req_" + uuid.uuid4().hex[:24]
