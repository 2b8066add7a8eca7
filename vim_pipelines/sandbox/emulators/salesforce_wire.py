"""Salesforce's answers as the emulator's modules write them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response


class Refused(Exception):
    """An error answer: HTTP status and Salesforce's code, message and fields."""

    def __init__(self, status: int, code: str, message: str, fields: list[str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.fields = status, code, message, fields

    def body(self) -> dict[str, Any]:
        """The element of the error array. `fields` appears only where Salesforce names any."""
        return {"message": self.message, "errorCode": self.code, **({"fields": self.fields} if self.fields is not None else {})}


def answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """`value` as JSON."""
    return Response(json.dumps(value), status, {"Content-Type": "application/json;charset=UTF-8", **(headers or {})})
