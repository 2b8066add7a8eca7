"""Claude's Message Batches through the `anthropic` SDK, reduced to what the night needs to know.

Creating a batch is the one request that must never be repeated blindly: there is no idempotency key, and a second batch is a second
bill. So whatever leaves it open whether the batch exists is `MaybeSent`, and only the list of batches can tell.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from vim_pipelines.reasoning.providers.calls import failure_of

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings

#: Uploading 40 MB over a slow line takes longer than a message.
CREATE_TIMEOUT_SECONDS = 600.0
READ_TIMEOUT_SECONDS = 120.0
READ_RETRIES = 3
#: A batch that is refused for the moment is offered again so often, if the vendor names a wait that a night has (`calls.LONGEST_WAIT_SECONDS`).
CREATE_RETRIES = 2
PAGE = 1000


class NotSent(Exception):
    """The vendor refused the batch, or was never reached: nothing was started."""


class MaybeSent(Exception):
    """The answer to the request was lost: the batch may exist."""


class Unreadable(Exception):
    """The vendor did not answer a question about a batch; to be asked again later."""


@dataclass(frozen=True)
class Look:
    """A batch as the vendor shows it. `created_at` is naive UTC; `is_readable`: its results can be fetched."""

    vendor_id: str
    created_at: datetime
    has_ended: bool
    is_readable: bool
    request_count: int
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Line:
    """One line of results. `kind` is succeeded, errored, canceled or expired; `message` is there for the first, the error for the second."""

    custom_id: str
    kind: str
    message: Any = None
    error_type: str | None = None
    error_message: str | None = None


class BatchVendor:
    """The Batches API of the account that the settings name. `sleep` is for waits that the vendor asks for."""

    def __init__(self, settings: Settings, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._settings, self._sleep = settings, sleep
        self._opened: Any = None

    def create(self, requests: Sequence[dict[str, Any]]) -> Look:
        """Start a batch of `{"custom_id", "params"}`. Raises NotSent or MaybeSent."""
        batches = self._client().with_options(max_retries=0, timeout=CREATE_TIMEOUT_SECONDS).messages.batches
        for attempt in range(CREATE_RETRIES + 1):
            try:
                return _look(batches.create(requests=requests))
            except Exception as error:  # whatever it is: either nothing was started, or nobody knows
                failure, status = failure_of(error, None), getattr(error, "status_code", None)
            if status == 429 and failure.again and failure.wait_seconds is not None and attempt < CREATE_RETRIES:
                self._sleep(failure.wait_seconds)
                continue
            # a gateway may give up on an upload that the service behind it went on to accept: 5xx says nothing
            is_refused = status < 500 and status != 408 if status is not None else failure.again
            raise NotSent(failure.reason) if is_refused else MaybeSent(failure.reason)
        raise AssertionError("unreachable")

    def look(self, vendor_id: str) -> Look | None:
        """A batch, or None if the vendor does not know it. Raises Unreadable."""
        from anthropic import AnthropicError, NotFoundError

        try:
            return _look(self._client().messages.batches.retrieve(vendor_id))
        except NotFoundError:
            return None
        except AnthropicError as error:
            raise Unreadable(f"{type(error).__name__}: {str(error)[:300]}") from None

    def since(self, earliest: datetime) -> list[Look]:
        """All batches created at or after `earliest` (naive UTC), the newest first. Raises Unreadable."""
        from anthropic import AnthropicError

        found = []
        try:
            for batch in self._client().messages.batches.list(limit=PAGE):
                look = _look(batch)
                if look.created_at < earliest:
                    break
                found.append(look)
        except AnthropicError as error:
            raise Unreadable(f"{type(error).__name__}: {str(error)[:300]}") from None
        return found

    def results(self, vendor_id: str) -> Generator[Line, None, None]:
        """The results, line by line as they arrive, in no order. Raises Unreadable, also in the middle."""
        import httpx2
        from anthropic import AnthropicError

        stream = None
        try:
            stream = self._client().messages.batches.results(vendor_id)
            for item in stream:
                yield _line(item)
        except (AnthropicError, httpx2.HTTPError, json.JSONDecodeError) as error:
            raise Unreadable(f"{type(error).__name__}: {str(error)[:300]}") from None
        finally:
            if stream is not None:
                stream.close()

    def close(self) -> None:
        """Close connections."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _client(self) -> Any:
        if self._opened is None:
            from anthropic import Anthropic

            self._settings.require("anthropic_api_key")
            assert self._settings.anthropic_api_key is not None
            self._opened = Anthropic(
                api_key=self._settings.anthropic_api_key.get_secret_value(), base_url=self._settings.anthropic_base_url or None,
                max_retries=READ_RETRIES, timeout=READ_TIMEOUT_SECONDS,
            )  # fmt: skip
        return self._opened


def _line(item: Any) -> Line:
    result = item.result
    if result.type == "succeeded":
        return Line(item.custom_id, result.type, result.message)
    error = result.error.error if result.type == "errored" else None
    return Line(item.custom_id, result.type, None, getattr(error, "type", None), getattr(error, "message", None))


def _look(batch: Any) -> Look:
    counts = batch.request_counts
    named = {name: int(getattr(counts, name)) for name in ("processing", "succeeded", "errored", "canceled", "expired")}
    created = batch.created_at.astimezone(UTC).replace(tzinfo=None)
    return Look(batch.id, created, batch.processing_status == "ended", batch.results_url is not None, sum(named.values()), named)
