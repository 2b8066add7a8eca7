"""The shared policy by itself: where it may go, how long it waits, what it quotes."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vendor_sandbox import Waits

from vim_pipelines.core.errors import VimError
from vim_pipelines.sandbox.emulators.soql import parse
from vim_pipelines.vendors import soql
from vim_pipelines.vendors.http import Limiter, RetryPolicy, Safety, TransportOptions, VendorError, VendorHttp, limiter_of
from vim_pipelines.vendors.salesforce import SalesforceClient

Handler = Callable[[httpx.Request], httpx.Response]


def http(handler: Handler, options: TransportOptions, *, base: str = "https://acme.example.com", allowed: tuple[str, ...] = ()) -> VendorHttp:
    fake = replace(options, transport=httpx.MockTransport(handler))
    return VendorHttp("Acme", base, setting="ACME_BASE_URL", allowed_hosts=allowed, per_second=1000, burst=1000, options=fake)


def never(request: httpx.Request) -> httpx.Response:
    raise AssertionError(f"{request.url} was called")


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example.com/x",
        "//evil.example.com/x",
        "http://acme.example.com/x",
        "https://acme.example.com:8443/x",
        "https://acme.example.com@evil.example.com/x",
        "https://user:pass@acme.example.com/x",
        "https://acme.example.com.evil.example.com/x",
        "file:///etc/passwd",
    ],
)
def test_no_other_host_is_called(options: TransportOptions, target: str) -> None:
    with pytest.raises(VendorError) as caught:
        http(never, options).send("GET", target)
    assert caught.value.code == "VIM-E016" and "pass" not in str(caught.value).replace("passwd", "")


def test_a_host_on_the_allow_list_is_called_over_https(options: TransportOptions) -> None:
    client = http(lambda request: httpx.Response(200, text=str(request.url)), options, allowed=("Other.example.com", "port.example.com:8443"))
    assert client.send("GET", "https://other.example.com/x").text == "https://other.example.com/x"
    assert client.send("GET", "https://port.example.com:8443/x").text == "https://port.example.com:8443/x"
    with pytest.raises(VendorError):
        client.send("GET", "http://other.example.com/x")


def test_an_instance_on_another_host_never_sees_the_token(options: TransportOptions) -> None:
    """The login answer names where to send the token next; a forged one must not be followed."""

    def login(request: httpx.Request) -> httpx.Response:
        assert request.url.host == "acme.my.salesforce.com"
        return httpx.Response(200, json={"access_token": "the-token", "instance_url": "https://evil.example.com"})

    with SalesforceClient("https://acme.my.salesforce.com", "id", "the-secret", options=replace(options, transport=httpx.MockTransport(login))) as client:
        with pytest.raises(VendorError) as caught:
            client.describe("Account")
        assert caught.value.code == "VIM-E016"
        assert "the-token" not in str(caught.value) and "the-secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("base", "code"), [("ftp://x", "VIM-E002"), ("acme", "VIM-E002"), ("https://u:p@acme.example.com", "VIM-E002"), ("http://acme.example.com", "VIM-E016")]
)
def test_a_base_address_is_https_or_this_machine(options: TransportOptions, base: str, code: str) -> None:
    with pytest.raises(VimError) as caught:
        http(never, options, base=base)
    assert caught.value.code == code
    http(never, options, base="http://127.0.0.1:8000")
    http(never, options, base="http://[::1]:8000")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_refused_even_to_the_same_host(options: TransportOptions, status: int) -> None:
    client = http(lambda request: httpx.Response(status, headers={"Location": "/elsewhere?sid=secret"}), options)
    with pytest.raises(VendorError) as caught:
        client.send("GET", "/x")
    assert (caught.value.code, client.request_count) == ("VIM-E016", 1)
    assert "sid" not in str(caught.value)


def test_every_request_is_counted_also_the_failed_ones(options: TransportOptions) -> None:
    client = http(lambda request: httpx.Response(503), options)
    with pytest.raises(VendorError):
        client.send("GET", "/x")
    assert client.request_count == 4


def test_retry_after_may_be_a_date(options: TransportOptions, waits: Waits) -> None:
    answers = iter([httpx.Response(429, headers={"Retry-After": "Mon, 29 Jun 2026 06:00:30 GMT"}), httpx.Response(200)])
    at = replace(options, now=lambda: datetime(2026, 6, 29, 6, 0, 5, tzinfo=UTC))
    assert http(lambda request: next(answers), at).send("GET", "/x").status_code == 200
    assert 25 <= waits.seconds[0] <= 25.5


def test_nonsense_in_retry_after_is_ignored(options: TransportOptions, waits: Waits) -> None:
    answers = iter([httpx.Response(429, headers={"Retry-After": "soon"}), httpx.Response(200)])
    assert http(lambda request: next(answers), options).send("GET", "/x").status_code == 200
    assert waits.seconds[0] <= 0.5


def test_a_write_is_repeated_after_429_because_it_was_not_done(options: TransportOptions) -> None:
    answers = iter([httpx.Response(429), httpx.Response(201)])
    assert http(lambda request: next(answers), options).send("POST", "/x", safety=Safety.WRITE).status_code == 201


@pytest.mark.parametrize("error", [httpx.ReadTimeout, httpx.WriteTimeout, httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError])
def test_a_write_whose_connection_fails_is_sent_once(options: TransportOptions, error: type[httpx.TransportError]) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise error("lost", request=request)

    for safety in (Safety.WRITE, Safety.IDEMPOTENT_WRITE):
        client = http(fail, options)
        with pytest.raises(VendorError) as caught:
            client.send("PATCH", "/x", safety=safety)
        assert (caught.value.code, client.request_count) == ("VIM-E015", 1)


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ConnectTimeout])
def test_a_write_that_was_never_sent_is_tried_again(options: TransportOptions, error: type[httpx.TransportError]) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise error("refused", request=request)

    client = http(fail, options)
    with pytest.raises(VendorError) as caught:
        client.send("POST", "/x", safety=Safety.WRITE)
    assert (caught.value.code, client.request_count) == ("VIM-E010", 4)


def test_a_page_that_is_not_json_is_an_error_with_a_code(options: TransportOptions) -> None:
    client = http(lambda request: httpx.Response(200, text="<html>please log in, the-secret</html>"), options)
    client.hide("the-secret")
    with pytest.raises(VendorError) as caught:
        client.body_of(client.send("GET", "/x"))
    assert caught.value.code == "VIM-E013" and "please log in, ***" in str(caught.value)


def test_a_vendor_that_echoes_a_secret_does_not_put_it_into_our_error(options: TransportOptions) -> None:
    def echo(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/token"):
            return httpx.Response(200, json={"access_token": "the-token"})
        return httpx.Response(400, json=[{"message": f"bad {request.headers['Authorization']} the-secret", "errorCode": "X"}])

    with SalesforceClient("https://acme.my.salesforce.com", "id", "the-secret", options=replace(options, transport=httpx.MockTransport(echo))) as client:
        with pytest.raises(VendorError) as caught:
            client.describe("Account")
        text = f"{caught.value} {caught.value.vendor_message} {caught.value!r}"
        assert "the-token" not in text and "the-secret" not in text and "***" in text


# ---- waiting


def test_the_limiter_lets_a_burst_through_and_then_keeps_the_rate(waits: Waits) -> None:
    limiter = Limiter(10, 3, clock=waits.monotonic, sleep=waits.sleep)
    assert [limiter.acquire() for _ in range(3)] == [0, 0, 0]
    for _ in range(20):
        limiter.acquire()
    assert waits.time - 1000.0 == pytest.approx(2.0)
    waits.time += 60
    assert [limiter.acquire() for _ in range(3)] == [0, 0, 0]
    assert limiter.acquire() == pytest.approx(0.1)


def test_clients_of_one_tenant_share_one_limiter() -> None:
    assert limiter_of("https://a.example.com:443", 10, 5) is limiter_of("https://a.example.com:443", 10, 5)
    assert limiter_of("https://b.example.com:443", 10, 5) is not limiter_of("https://a.example.com:443", 10, 5)


@given(attempt=st.integers(1, 30), seed=st.integers(0, 10_000), asked=st.one_of(st.none(), st.floats(0, 120)))
def test_waits_stay_within_their_bounds(attempt: int, seed: int, asked: float | None) -> None:
    policy = RetryPolicy()
    wait = policy.wait_seconds(attempt, asked, random.Random(seed))
    if asked is None:
        assert 0 <= wait <= min(30.0, 0.5 * 2 ** (attempt - 1))
    else:
        assert asked <= wait <= asked + 0.5


# ---- values in queries


@given(st.text())
def test_any_text_survives_its_way_into_a_query(text: str) -> None:
    """The client's quoting against a parser that was written from the reference, not from the client."""
    query = parse(f"SELECT Id FROM Account WHERE Name = {soql.literal(text)} AND Domain__c = 'x'", include_deleted=True)
    assert query.parameters == (text, "x")


@given(st.datetimes(min_value=datetime(1700, 1, 1), max_value=datetime(4000, 1, 1)))
def test_datetimes_survive_to_the_millisecond(moment: datetime) -> None:
    query = parse(f"SELECT Id FROM Account WHERE SystemModstamp >= {soql.literal(moment)}", include_deleted=True)
    assert query.parameters == (moment.isoformat(timespec="milliseconds") + "+0000",)


def test_literals_that_have_no_form_are_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        soql.literal([])
    with pytest.raises(ValueError, match="UTC"):
        soql.literal(datetime(2026, 1, 1, tzinfo=UTC))
    assert soql.literal(["a'b", None, True, 1.5]) == "('a\\'b', null, true, 1.5)"
