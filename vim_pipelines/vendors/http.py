"""The one way in which this house talks HTTP to a vendor: limiter, retry, allow-list, and what a lost answer means.

Each vendor client used to carry its own retry loop; one of them sent a write twice after a time-out. Here a request says what it
is (`Safety`), and only what cannot do harm is sent again. Secrets never reach an error: bodies are scrubbed before they are quoted
and the httpx exceptions, which hold the request with its headers, are not chained.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Any

import httpx

from vim_pipelines.core.errors import VimError
from vim_pipelines.core.net import is_loopback

#: 423 and 477 are HubSpot's 'locked' and 'migrating'; the others mean the same everywhere.
BUSY_STATUSES = frozenset({423, 429, 477})
QUOTED_CHARACTERS = 500


class Safety(Enum):
    """What sending a request twice would do."""

    READ = "read"
    #: A write whose repetition leaves the same state (upsert by external id): sent again on 503, never after a lost answer.
    IDEMPOTENT_WRITE = "idempotent_write"
    WRITE = "write"


class VendorError(VimError):
    """A failure of a vendor's side. `status` is the HTTP status (None: no answer), `vendor_code` the vendor's own error code.

    `completed` holds the results of earlier parts of a batch when a later part failed, so that nothing known is thrown away.
    """

    def __init__(
        self,
        code: str,
        what: str,
        *,
        why: str = "",
        fix: str = "",
        status: int | None = None,
        vendor_code: str = "",
        vendor_message: str = "",
        completed: tuple[Any, ...] = (),
    ) -> None:
        super().__init__(code, what, why=why, fix=fix)
        self.status, self.vendor_code, self.vendor_message, self.completed = status, vendor_code, vendor_message, completed

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (self.code, self.what, self.why, self.fix, self.status, self.vendor_code, self.vendor_message, self.completed))


def _rebuild(code: str, what: str, why: str, fix: str, status: int | None, vendor_code: str, vendor_message: str, completed: tuple[Any, ...]) -> VendorError:
    return VendorError(code, what, why=why, fix=fix, status=status, vendor_code=vendor_code, vendor_message=vendor_message, completed=completed)


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how long to wait. Waits are full jitter: uniform between 0 and the exponential step (AWS, 'Exponential backoff and jitter').

    A Retry-After above `retry_after_limit_seconds` is not waited for: a night must not hang on a vendor that asks for an hour.
    """

    attempts: int = 5
    base_seconds: float = 0.5
    step_limit_seconds: float = 30.0
    retry_after_limit_seconds: float = 120.0

    def wait_seconds(self, attempt: int, retry_after: float | None, rng: random.Random) -> float:
        """Seconds to wait after the `attempt`-th failure (from 1)."""
        if retry_after is not None:
            return retry_after + rng.uniform(0, self.base_seconds)
        return rng.uniform(0, min(self.step_limit_seconds, self.base_seconds * 2 ** (attempt - 1)))


class Limiter:
    """A token bucket: at most `per_second` requests on average, `burst` at once. Shared by all clients of one tenant, any thread."""

    def __init__(self, per_second: float, burst: int, *, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep) -> None:
        self._per_second, self._burst = per_second, burst
        self._clock, self._sleep = clock, sleep
        self._tokens, self._at = float(burst), clock()
        self._lock = threading.Lock()

    def acquire(self) -> float:
        """Take one request's permission, waiting for it if need be; returns the seconds waited."""
        with self._lock:
            now = self._clock()
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_second)
            self._at = now
            self._tokens -= 1
            wait = max(0.0, -self._tokens / self._per_second)
        if wait:
            self._sleep(wait)
        return wait


_LIMITERS: dict[str, Limiter] = {}
_LIMITERS_LOCK = threading.Lock()


def limiter_of(tenant: str, per_second: float, burst: int) -> Limiter:
    """The process's one limiter of a tenant (an origin), made on first use."""
    with _LIMITERS_LOCK:
        return _LIMITERS.setdefault(tenant, Limiter(per_second, burst))


@dataclass(frozen=True)
class TransportOptions:
    """The injectable edges of a client. The defaults are for production; tests pass their own clock, sleep and random source."""

    timeout_seconds: float = 60.0
    connect_timeout_seconds: float = 10.0
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    limiter: Limiter | None = None
    #: Most requests that one client may send in its life, repeated ones included; None: any number.
    request_budget: int | None = None
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    rng: random.Random = field(default_factory=random.Random)
    transport: httpx.BaseTransport | None = None


class VendorHttp:
    """HTTP to one tenant of one vendor. `request_count` counts every request sent, failed and repeated ones included."""

    def __init__(
        self,
        vendor: str,
        base_url: str,
        *,
        setting: str,
        allowed_hosts: Iterable[str] = (),
        per_second: float,
        burst: int,
        options: TransportOptions | None = None,
    ) -> None:
        self.vendor, self.setting = vendor, setting
        self._options = options or TransportOptions()
        self.base_url = _checked_base(base_url, vendor, setting)
        self._allowed = frozenset(host.strip().lower() for host in allowed_hosts if host.strip())
        self._limiter = self._options.limiter or limiter_of(_origin(self.base_url), per_second, burst)
        self._secrets: list[str] = []
        self._count_lock = threading.Lock()
        self.request_count = 0
        #: The `Date` header of the newest answer, as it came: what `vimotion doctor` compares our clock with.
        self.answered_date: str | None = None
        self._client = httpx.Client(
            timeout=httpx.Timeout(self._options.timeout_seconds, connect=self._options.connect_timeout_seconds),
            follow_redirects=False,
            transport=self._options.transport,
            # A corporate proxy from the environment is wanted for a vendor, and never for an emulator on this machine.
            trust_env=not is_loopback(self.base_url.host),
            headers={"Accept": "application/json", "User-Agent": "value-in-motion"},
        )

    def __repr__(self) -> str:
        return f"VendorHttp({self.vendor!r}, {str(self.base_url)!r})"

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def hide(self, secret: str) -> None:
        """From now on `secret` is replaced wherever an answer is quoted."""
        if secret and secret not in self._secrets:
            self._secrets.append(secret)

    def scrub(self, text: str) -> str:
        """`text` cut to a quotable length, without any secret we know of."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text if len(text) <= QUOTED_CHARACTERS else text[:QUOTED_CHARACTERS] + " ..."

    def resolve(self, target: str) -> httpx.URL:
        """`target` (a path or a whole address, as vendors send for the next page) as an address we may call, or VIM-E016."""
        url = self.base_url.join(target)
        host, origin = url.host.lower(), _origin(url)
        is_known = origin == _origin(self.base_url) or (url.scheme == "https" and (host in self._allowed or f"{host}:{url.port or 443}" in self._allowed))
        is_known = is_known or (url.scheme == "http" and is_loopback(host) and f"{host}:{url.port or 80}" in self._allowed)
        if not is_known or url.userinfo:
            raise VendorError(
                "VIM-E016",
                f"{self.vendor} pointed to {origin}, which is not on the allow-list",
                why="Only the configured base address and VIMOTION_ALLOWED_HOSTS may be called",
                fix=f"If the host is yours, add it to VIMOTION_ALLOWED_HOSTS; otherwise check {self.setting}",
            )
        return url

    def send(
        self,
        method: str,
        target: str,
        *,
        safety: Safety = Safety.READ,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        data: Mapping[str, str] | None = None,
        files: Sequence[tuple[str, tuple[str | None, bytes, str]]] | None = None,
        is_locked: Callable[[httpx.Response], bool] = lambda response: False,
    ) -> httpx.Response:
        """The answer to one request, after the retries that `safety` allows. Any status but 3xx, 429 and 5xx is returned for the vendor's client to read.

        `is_locked` recognises a vendor's answer that says the row was locked and nothing was done; such a request is sent again.

        Raises VendorError: VIM-E010 no connection, VIM-E013 still failing after all attempts, VIM-E014 still over the limit, asked to wait
        too long or our own request budget spent, VIM-E015 a write whose effect is not known, VIM-E016 a redirect or a host that is not allowed.
        """
        url = self.resolve(target)
        retry = self._options.retry
        for attempt in range(1, retry.attempts + 1):
            is_last = attempt == retry.attempts
            self._count_request()
            self._limiter.acquire()
            try:
                response = self._client.request(method, url, headers=headers, params=params, json=json, data=data, files=files)
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol) as error:
                # Nothing was sent, so even a write may try again.
                if is_last:
                    raise self._unreachable(error) from None
            except httpx.RequestError as error:
                if safety is not Safety.READ:
                    raise self._unknown(method, url, f"the connection failed ({type(error).__name__}) after the request was sent") from None
                if is_last:
                    raise self._unreachable(error) from None
            else:
                self.answered_date = response.headers.get("Date", self.answered_date)
                if 300 < response.status_code < 400:
                    raise self._redirect(response)
                is_busy = response.status_code in BUSY_STATUSES or is_locked(response)
                is_failing = response.status_code >= 500
                if not is_busy and not is_failing:
                    return response
                if is_failing and not is_busy and safety is not Safety.READ and (is_last or not self._may_repeat(safety, response.status_code)):
                    raise self._unknown(method, url, f"{self.vendor} answered HTTP {response.status_code} to a write")
                wait = self._retry_after(response)
                if is_last or (wait is not None and wait > retry.retry_after_limit_seconds):
                    raise self._gave_up(response, attempt, wait, is_busy)
                self._options.sleep(retry.wait_seconds(attempt, wait, self._options.rng))
                continue
            self._options.sleep(retry.wait_seconds(attempt, None, self._options.rng))
        raise AssertionError("unreachable")

    def body_of(self, response: httpx.Response) -> Any:
        """The JSON of an answer, or VIM-E013 where something else came: a proxy's or a login page instead of the vendor."""
        try:
            return response.json()
        except ValueError:
            raise VendorError(
                "VIM-E013",
                f"{self.vendor} answered HTTP {response.status_code} with something that is not JSON",
                why=self.scrub(response.text),
                fix=f"Check that {self.setting} is the address of the API and that no proxy answers in its place",
                status=response.status_code,
            ) from None

    def object_of(self, response: httpx.Response, *names: str) -> dict[str, Any]:
        """The JSON object of an answer, or VIM-E013 where it is none or lacks one of `names`: the answer to another question, as proxies and caches give."""
        body = self.body_of(response)
        missing = [name for name in names if not isinstance(body, dict) or name not in body]
        if missing or not isinstance(body, dict):
            raise VendorError(
                "VIM-E013",
                f"{self.vendor} answered {response.request.method} {response.request.url.path} with something else than was asked for",
                why=f"There is no {' and no '.join(missing)} in it" if missing else "It is not a JSON object",
                fix=f"Run again; if it stays, check that no proxy or cache stands between here and {self.setting}",
                status=response.status_code,
                vendor_code="BROKEN_PAGES",
            )
        return body

    def _count_request(self) -> None:
        """Count a request that is about to be sent, or VIM-E014: a vendor that always has one more page must not keep us all night."""
        budget = self._options.request_budget
        with self._count_lock:
            if budget is None or self.request_count < budget:
                self.request_count += 1
                return
        raise VendorError(
            "VIM-E014",
            f"Our own budget of {budget} requests to {self.vendor} in one run is used up",
            why="Either the portfolio is larger than the budget allows for, or the vendor's answers lead in a circle",
            fix="Look at the request log of the vendor; if the number is right, raise VIMOTION_VENDOR_REQUEST_BUDGET",
            vendor_code="REQUEST_BUDGET",
        )

    @staticmethod
    def _may_repeat(safety: Safety, status: int) -> bool:
        return safety is Safety.READ or (safety is Safety.IDEMPOTENT_WRITE and status == 503)

    def _retry_after(self, response: httpx.Response) -> float | None:
        text = response.headers.get("Retry-After", "").strip()
        if not text:
            return None
        try:
            return max(0.0, float(text))
        except ValueError:
            pass
        try:
            until = parsedate_to_datetime(text)
        except (TypeError, ValueError):
            return None
        until = until if until.tzinfo else until.replace(tzinfo=UTC)
        return float(max(0.0, (until - self._options.now()).total_seconds()))

    def _unreachable(self, error: Exception) -> VendorError:
        return VendorError(
            "VIM-E010",
            f"{self.vendor} at {_origin(self.base_url)} cannot be reached",
            why=self.scrub(f"{type(error).__name__}: {error}"),
            fix=f"Check {self.setting}, the network, and whether the service is up",
        )

    def _unknown(self, method: str, url: httpx.URL, why: str) -> VendorError:
        return VendorError(
            "VIM-E015",
            f"Whether {self.vendor} did the {method} on {url.path} is unknown",
            why=self.scrub(why),
            fix="Read the record back before trying again; the request was not repeated",
        )

    def _redirect(self, response: httpx.Response) -> VendorError:
        # The query of a Location can carry a session: name the origin only.
        location = response.headers.get("Location", "")
        target = _origin(response.request.url.join(location)) if location else "nowhere"
        return VendorError(
            "VIM-E016",
            f"{self.vendor} answered HTTP {response.status_code} with a redirect to {target}",
            why="Redirects are not followed: they would carry the access token to another host",
            fix=f"Set {self.setting} to the final address",
            status=response.status_code,
        )

    def _gave_up(self, response: httpx.Response, attempts: int, wait: float | None, is_busy: bool) -> VendorError:
        if response.status_code == 429:
            asked = f"It asked to wait {wait:.0f} s" if wait is not None else "It did not say how long to wait"
            return VendorError(
                "VIM-E014",
                f"{self.vendor} is over its request limit after {attempts} attempts",
                why=asked,
                fix="Run later, or ask for a higher limit",
                status=429,
            )
        code = "LOCKED" if is_busy else ""
        return VendorError(
            "VIM-E013",
            f"{self.vendor} still answered HTTP {response.status_code} after {attempts} attempts",
            why=self.scrub(response.text),
            fix="Run again later; if it stays, ask the vendor's status page",
            status=response.status_code,
            vendor_code=code,
        )


def _checked_base(base_url: str, vendor: str, setting: str) -> httpx.URL:
    try:
        url = httpx.URL(base_url.rstrip("/") + "/")
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.query:
        raise VimError("VIM-E002", f"{setting} is not an address", fix=f"Set {setting} to the {vendor} address, for example https://NAME.example.com")
    if url.scheme == "http" and not is_loopback(url.host):
        raise VimError(
            "VIM-E016", f"{setting} uses http to {url.host}", why="Access tokens go only over https, except to this machine", fix=f"Use https in {setting}"
        )
    return url


def _origin(url: httpx.URL) -> str:
    port = url.port or (443 if url.scheme == "https" else 80)
    return f"{url.scheme}://{url.host.lower()}:{port}"
