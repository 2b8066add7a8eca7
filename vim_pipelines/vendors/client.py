"""What every vendor's client is: one HTTP door, counted and closed in one place, and an access token that is fetched when it is needed.

Two clients carried these lines word by word, and the one that forgot to refetch an expired token was found by a night that stopped
half-way. A vendor's module holds what is the vendor's own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Self

import httpx

from vim_pipelines.settings import Settings
from vim_pipelines.vendors.http import TransportOptions, VendorHttp

#: An access token is fetched anew this long before the vendor says it ends: a request that starts in time may arrive late.
EXPIRY_MARGIN = timedelta(seconds=60)


class VendorClient:
    """One tenant of one vendor, a context manager that closes its connections. `http` is the shared policy of `vendors.http`."""

    def __init__(self, http: VendorHttp) -> None:
        self.http = http

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.http.base_url)!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self.http.close()

    @property
    def request_count(self) -> int:
        """Requests sent by this client so far, repeated ones and token requests included."""
        return self.http.request_count


@dataclass(frozen=True)
class AccessToken:
    """A bearer token. `lifetime_seconds` is None where the vendor does not say how long it lives; `base` is the address it is for, where the vendor names one."""

    value: str = field(repr=False)
    lifetime_seconds: float | None = None
    base: str = ""


class TokenKeeper:
    """The one access token of a client, fetched by `fetch` on first use, before its end, and after `forget`; any thread.

    A second thread that finds the same token refused must not throw away the one that the first has just fetched, hence
    `forget(token)` and not `forget()`.
    """

    def __init__(self, fetch: Callable[[], AccessToken], now: Callable[[], datetime]) -> None:
        self._fetch, self._now = fetch, now
        self._lock = threading.Lock()
        self._token: AccessToken | None = None
        self._until: datetime | None = None

    def get(self) -> AccessToken:
        """A token that is not known to be spent. Raises what `fetch` raises."""
        with self._lock:
            if self._token is None or (self._until is not None and self._now() >= self._until):
                self._token = self._fetch()
                lifetime = self._token.lifetime_seconds
                # A token that lives for less than the margin is used for half its life instead of being fetched for every request.
                kept = None if lifetime is None else max(timedelta(seconds=lifetime) - EXPIRY_MARGIN, timedelta(seconds=lifetime / 2))
                self._until = None if kept is None else self._now() + kept
            return self._token

    def forget(self, token: AccessToken) -> None:
        """`token` was refused: the next `get` fetches another."""
        with self._lock:
            if self._token is token:
                self._token = None


def transport_from_settings(settings: Settings, options: TransportOptions | None = None) -> TransportOptions:
    """The transport options of a client made from settings: `options` (tests give them) or the defaults, with the settings' request budget."""
    options = options or TransportOptions()
    return options if options.request_budget is not None else replace(options, request_budget=settings.vendor_request_budget)


def json_or_none(response: httpx.Response) -> Any:
    """The JSON of an answer that is read for its error; None where something else came, as from a proxy."""
    try:
        return response.json()
    except ValueError:
        return None
