"""Attacks on the inbox, each of which has to fail. Every test does what an attacker would do, and looks at what came of it."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import logging
import re
import stat
import time
from datetime import timedelta
from urllib.parse import unquote

import pytest
from inbox_world import NOW, PASSWORD, Browser, ask_about
from itsdangerous import URLSafeTimedSerializer

from vim_pipelines.approvals.links import sign_link
from vim_pipelines.approvals.people import add_person, deactivate
from vim_pipelines.approvals.policy import load_policy
from vim_pipelines.approvals.queue import show_request
from vim_pipelines.inbox import guard, sessions
from vim_pipelines.inbox.app import make_app
from vim_pipelines.inbox.sessions import COOKIE, local_path
from vim_pipelines.inbox.text import render
from vim_pipelines.store.models import LoginAttempt

SCRIPT = "<script>alert(1)</script>"


def state_of(store, request_id):
    return show_request(store, request_id).state


# --- forms of other sites -------------------------------------------------------------------------------------------


def test_a_form_without_the_token_of_its_session_decides_nothing(ada, dora, store):
    request_id = ask_about(store)
    path, fields = f"/requests/{request_id}/decide", {"decision": "approve", "version": "1"}
    for token in ({}, {"csrf": ""}, {"csrf": "0" * 64}, {"csrf": dora.token("/help")}):
        answer = ada.http.post(path, data=fields | token)
        assert answer.status_code == 403 and "VIM-E132" in answer.text
    assert state_of(store, request_id) == "pending"


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:81"},
    ],
    ids=lambda headers: str(headers),
)
def test_a_form_that_another_site_sends_decides_nothing_even_with_the_token(ada, store, headers):
    request_id = ask_about(store)
    answer = ada.post(f"/requests/{request_id}/decide", {"decision": "approve", "version": "1"}, headers=headers)
    assert answer.status_code == 403 and state_of(store, request_id) == "pending"


def test_no_form_is_answered_without_a_token(app, ada):
    """A route that is added later and forgets the token would be found here."""
    posts = [route.path for route in app.routes if "POST" in (getattr(route, "methods", None) or ())]
    assert len(posts) >= 5
    for path in posts:
        if not path.startswith("/slack/"):
            assert ada.http.post(re.sub(r"\{\w+\}", "req-000000000000", path), data={}).status_code == 403, path


def test_nothing_is_decided_by_a_get(ada, store):
    request_id = ask_about(store)
    assert ada.get(f"/requests/{request_id}/decide?decision=approve&version=1").status_code in (404, 405)
    assert state_of(store, request_id) == "pending"


# --- sessions -------------------------------------------------------------------------------------------------------


def test_a_session_that_an_attacker_prepared_is_not_the_one_that_logs_in(app):
    """Fixation: the attacker plants a cookie of his own in the victim's browser and waits."""
    attacker, victim = Browser(app), Browser(app)
    attacker.get("/login")
    planted = attacker.http.cookies[COOKIE]
    victim.http.cookies.update(attacker.http.cookies)
    assert victim.log_in("ada").status_code == 303
    assert victim.http.cookies[COOKIE] != planted and attacker.get("/").headers["location"] == "/login"
    first = victim.token("/help")
    victim.http.cookies.clear()
    victim.log_in("ada")  # again: the id, and so the token of the forms, is new each time
    assert victim.token("/help") != first


def test_a_cookie_that_was_copied_is_worth_nothing_after_logout(ada, app):
    copy = ada.http.cookies[COOKIE]
    assert ada.post("/logout", {}).status_code == 303
    thief = Browser(app)
    thief.http.cookies.set(COOKIE, copy)
    assert thief.get("/").headers["location"] == "/login"
    assert ada.log_in("ada").status_code == 303 and ada.get("/").status_code == 200


@pytest.mark.parametrize("change", ["password", "role", "deactivated"])
def test_a_session_ends_when_the_person_changes(ada, store, change):
    if change == "deactivated":
        deactivate(store, "ada", now=NOW)
    else:
        add_person(
            store, load_policy(), "ada", name="Ada", role="director" if change == "role" else "csm", by="test", now=NOW,
            password="eight other otters" if change == "password" else None,
        )  # fmt: skip
    assert ada.get("/").headers["location"] == "/login"


def test_a_cookie_that_was_made_up_or_changed_logs_nobody_in(app, ada):
    forged = URLSafeTimedSerializer("guess", salt="vimotion.inbox.session.1").dumps({"sid": "1", "login": "dora", "stamp": "0"})
    head, middle, tail = ada.http.cookies[COOKIE].rsplit(".", 2)
    for value in (forged, f"{head[:-2]}AA.{middle}.{tail}", "x", "", json.dumps({"login": "dora"})):
        browser = Browser(app)
        browser.http.cookies.set(COOKIE, value)
        assert browser.get("/").headers["location"] == "/login"


def test_a_session_is_over_after_eight_hours(ada, monkeypatch):
    import itsdangerous.timed

    later = time.time() + 8 * 3600 + 5
    monkeypatch.setattr(itsdangerous.timed.time, "time", lambda: later)
    assert ada.get("/").headers["location"] == "/login"


@pytest.mark.parametrize(("base", "is_secure"), [("http://localhost", False), ("http://127.0.0.1:8321", False), ("https://inbox.example", True)])
def test_the_cookie_is_for_this_site_only_and_never_for_scripts(settings, store, base, is_secure):
    app = make_app(settings.model_copy(update={"inbox_hosts": "inbox.example"}), store)
    cookie = Browser(app, base=base).get("/login").headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie and "Domain" not in cookie and ("Secure" in cookie) is is_secure


def test_the_key_of_the_sessions_is_readable_by_its_owner_only(app, settings):
    path = settings.home / "inbox_secret"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and len(path.read_text().strip()) >= 64


# --- logging in -----------------------------------------------------------------------------------------------------


def test_guessing_a_password_is_slowed_down_over_all_processes(settings, store, browser):
    """Two applications on one store: the count is in the store."""
    other = Browser(make_app(settings, store))
    for number in range(sessions.MAX_FAILURES):
        assert (browser if number % 2 else other).log_in("ada", f"guess number {number}").status_code == 401
    for door in (browser, other):
        answer = door.log_in("ada")  # the right one, too: else the answer would say when it was found
        assert answer.status_code == 429 and "VIM-E131" in answer.text
    assert other.log_in("dora").status_code == 303  # nobody else has to wait


def test_guesses_at_the_same_moment_do_not_slip_through(store, monkeypatch):
    """The attempt is on record before the password is looked at."""
    seen = []

    def slow_check(_store, _login, _password):
        with store.reading() as session:
            seen.append(session.query(LoginAttempt).count())

    monkeypatch.setattr(sessions, "check_password", slow_check)
    sessions.log_in(store, "ada", "x", NOW)
    assert seen == [1]


def test_one_person_may_log_in_at_two_doors_at_the_same_moment(store, monkeypatch):
    """The one who is right first clears the mistypes, and with them the row of the other attempt, which ended in an error page."""
    check = sessions.check_password
    attempts = [NOW, NOW]

    def slow_check(store, login, password):
        if attempts:
            attempts.pop()
            assert sessions.log_in(store, "ada", PASSWORD, NOW).login == "ada"
        return check(store, login, password)

    monkeypatch.setattr(sessions, "check_password", slow_check)
    assert sessions.log_in(store, "ada", PASSWORD, NOW).login == "ada"
    monkeypatch.setattr(sessions, "check_password", check)
    for _ in range(sessions.MAX_FAILURES):
        assert sessions.log_in(store, "ada", "wrong", NOW) is None
    assert sessions.log_in(store, "ada", PASSWORD, NOW) == sessions.FAILURE_WINDOW_MINUTES  # guesses still count after it


def test_a_login_that_does_not_exist_reads_and_counts_as_one_that_does(browser):
    def shape(login):
        answer = browser.log_in(login, "not the password")
        return answer.status_code, re.sub(r'csrf" value="\w+"', "", answer.text.replace(login, "LOGIN")), dict(answer.headers) | {"content-length": ""}

    for _ in range(sessions.MAX_FAILURES + 1):
        known, unknown = shape("ada"), shape("nobody")
        assert known == unknown


def test_a_login_that_does_not_exist_takes_as_long_as_one_that_does(store, monkeypatch):
    """Both go through scrypt once."""
    from vim_pipelines.approvals import people

    calls = []
    original = people.hashlib.scrypt
    monkeypatch.setattr(people.hashlib, "scrypt", lambda *args, **options: calls.append(options["n"]) or original(*args, **options))
    sessions.log_in(store, "ada", "wrong", NOW)
    sessions.log_in(store, "nobody", "wrong", NOW)
    assert len(calls) == 2 and calls[0] == calls[1]


@pytest.mark.parametrize(
    "target",
    ["//evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example", "javascript:alert(1)", "/%0d%0aLocation:%20https://evil.example",
     "/\r\nSet-Cookie: a=b", "/\t/evil.example", "%2f%2fevil.example", "/%2f%2fevil.example", "/%5cevil.example", "http:evil.example", " //evil.example", "///evil"],
)  # fmt: skip
def test_a_login_never_leads_to_another_site(browser, target):
    assert local_path(target) == "/"
    answer = browser.log_in("ada", target=target)
    assert answer.status_code == 303 and answer.headers["location"] == "/"


def test_a_login_leads_back_to_the_page_that_was_asked_for(browser, store):
    request_id = ask_about(store)
    location = browser.get(f"/requests/{request_id}?read=1").headers["location"]
    assert location == f"/login?next=/requests/{request_id}%3Fread%3D1"
    assert browser.log_in("ada", target=f"/requests/{request_id}?read=1").headers["location"] == f"/requests/{request_id}?read=1"


# --- whose item it is -----------------------------------------------------------------------------------------------


def test_an_item_of_another_segment_is_neither_seen_nor_decided(sam, ada, store):
    theirs, own = ask_about(store, "ACC-mid"), ask_about(store, "ACC-big", segment="enterprise")
    assert "Customer ACC-mid" not in sam.get("/").text and "Customer ACC-big" in sam.get("/").text
    missing = sam.get("/requests/req-0123456789ab")
    for path in (f"/requests/{theirs}", f"/requests/{theirs}/evidence/F12"):
        answer = sam.get(path)
        assert answer.status_code == 404 and answer.text == missing.text.replace("req-0123456789ab", theirs)
    assert sam.decide(theirs, "approve").status_code == 404
    assert sam.post("/batch/approve", {"item": [f"{theirs}:1"]}).status_code == 404
    assert "ACC-mid" not in sam.get("/queue.csv").text and "ACC-mid" not in sam.get(f"/?done={theirs}").text
    assert state_of(store, theirs) == "pending"
    assert sam.decide(own, "approve").status_code == 303


def test_a_role_that_is_too_low_reads_and_decides_nothing(ada, store):
    request_id = ask_about(store, risk_band="red")
    assert 'value="approve"' not in ada.get(f"/requests/{request_id}").text
    for decision in ("approve", "reject", "dismiss"):
        answer = ada.decide(request_id, decision, note="because")
        assert answer.status_code == 403 and "VIM-E043" in answer.text
    assert state_of(store, request_id) == "pending"


@pytest.mark.parametrize("name", ["X-Forwarded-User", "X-Remote-User", "X-Role", "X-User", "Remote-User", "X-Auth-Request-User"])
def test_a_header_makes_nobody_a_director(app, ada, store, name):
    request_id = ask_about(store, risk_band="red")
    assert Browser(app).get("/", headers={name: "dora"}).headers["location"] == "/login"
    answer = ada.post(
        f"/requests/{request_id}/decide", {"decision": "approve", "version": "1", "role": "director"}, headers={name: "dora", "X-Role": "director"}
    )
    assert answer.status_code == 403 and state_of(store, request_id) == "pending"


def test_the_header_of_a_proxy_counts_from_this_machine_only(settings, store):
    app = make_app(settings.model_copy(update={"inbox_proxy_header": "X-Forwarded-User"}), store)
    near, far = Browser(app), Browser(app, client=("203.0.113.9", 50000))
    assert near.get("/", headers={"X-Forwarded-User": "dora"}).status_code == 200
    assert far.get("/", headers={"X-Forwarded-User": "dora"}).headers["location"] == "/login"
    assert near.get("/", headers={"X-Forwarded-User": "nobody"}).headers["location"] == "/login"
    request_id = ask_about(store, risk_band="red")
    near.http.headers["X-Forwarded-User"] = "dora"
    assert near.decide(request_id, "approve").status_code == 303 and show_request(store, request_id).decided_by == "dora"


def test_an_id_cannot_be_guessed_by_its_beginning(ada, store):
    request_id = ask_about(store)
    for guess in (request_id[:10], "req-%", "req-____________", request_id.upper(), request_id + "%00", "../" + request_id):
        assert ada.get(f"/requests/{guess}").status_code == 404


def test_a_link_opens_and_never_decides(app, ada, settings, store):
    request_id = ask_about(store)
    token = sign_link(settings, "ada", request_id, 1)
    for _ in range(2):
        assert ada.get(f"/link/{token}").headers["location"] == f"/requests/{request_id}?read=1"
    assert Browser(app).get(f"/link/{token}").headers["location"].startswith("/login?next=/link/")
    assert Browser(app).http.post(f"/link/{token}").status_code in (403, 404, 405)
    assert state_of(store, request_id) == "pending"


def test_a_link_that_was_changed_is_old_or_is_somebody_elses_opens_nothing(app, dora, ada, settings, store):
    request_id = ask_about(store)
    token = sign_link(settings, "ada", request_id, 1)
    assert dora.get(f"/link/{token}").status_code == 404
    old = sign_link(type(settings)(home=settings.home), "ada", request_id, 1)
    late = make_app(_later(settings, hours=73), store)
    stranger = Browser(late)
    assert stranger.get(f"/link/{old}").status_code == 400
    for wrong in (token[:-2] + "AA", "AAAA" + token[4:], "x", token.replace(".", "", 1)):
        answer = ada.get(f"/link/{wrong}")
        assert answer.status_code == 400 and request_id not in answer.text


def _later(settings, hours):
    class Later(type(settings)):
        def now(self):
            return NOW + timedelta(hours=hours)

    return Later(home=settings.home)


# --- what people and models typed -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [SCRIPT, "<img src=x onerror=alert(1)>", "[x](javascript:alert(1))", "[x](data:text/html;base64,PHNjcmlwdD4=)", "<svg/onload=alert(1)>", "![x](http://evil.example/pixel.png)",
     "<javascript:alert(1)>", '[x](http://a" onmouseover="alert(1))', "[x]: javascript:alert(1)\n\n[x]", "`<script>`", "[x](//evil.example)", "[x](vbscript:x)", "&lt;script&gt;"],
)  # fmt: skip
def test_a_text_that_a_model_wrote_runs_nothing(text):
    html = render(text, [])
    assert not re.search(r"<(script|img|svg|iframe|object)", html, re.I) and not re.search(r"<[^>]*\son\w+\s*=", html, re.I)
    assert not re.search(r'href="(?!https?://|#F\d\d")', html)


def test_a_link_of_a_text_shows_where_it_leads():
    html = render("[our bank](https://evil.example/login)", [])
    assert 'href="https://evil.example/login"' in html and "(https://evil.example/login)" in html and "noreferrer" in html


def test_a_script_in_any_field_is_shown_as_text(app, ada, dora, store):
    request_id = ask_about(store, name=f"Acme {SCRIPT}", text=f"# {SCRIPT}\n\n150 {SCRIPT}", csm_name=f"Ada{SCRIPT}", segment=f"mid{SCRIPT}")
    ada.decide(request_id, "request_changes", note=f"Look: {SCRIPT}")
    again = ask_about(store, "ACC-2", name=f'"><img src=x onerror=alert(1)>{SCRIPT}')
    pages = [dora.get(path).text for path in ("/?state=changes_requested", "/", f"/requests/{request_id}", f"/requests/{again}", f"/?done={request_id}")]
    pages += [ada.decide(again, "reject").text, ada.post("/batch", {"item": [f"{again}:1"]}).text, Browser(app).log_in(SCRIPT, "x" * 12).text]
    for page in pages:
        assert "alert(1)" in page and "<script>" not in page and "<img" not in page and "<svg/" not in page


def test_a_page_may_load_and_send_only_from_and_to_its_own_host(ada, browser, store):
    request_id = ask_about(store)
    for answer in (
        ada.get("/"),
        ada.get(f"/requests/{request_id}"),
        browser.get("/login"),
        ada.get("/nothing"),
        ada.http.post("/logout"),
        ada.get("/static/inbox.css"),
    ):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy and "form-action 'self'" in policy and "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert ("no-store" in answer.headers["cache-control"]) is not str(answer.url).endswith(".css")
        assert not re.search(r"\sstyle=|<style|<script(?! src=\"/static)|\son\w+=\"", answer.text) or str(answer.url).endswith(".css")


def test_an_export_runs_no_formula_in_a_spreadsheet(ada, store):
    names = [
        '=HYPERLINK("http://evil.example","x")',
        "+1+1",
        "-2+3",
        "@SUM(A1)",
        "\t=1+1",
        "\r=1+1",
        " =1+1",
        "\n=cmd",
        "\ufeff=1+1",
        "\u200b=1+1",
        "\uff1d1+1",
        "\uff20SUM(A1)",
    ]
    for number, name in enumerate(names):
        ask_about(store, f"ACC-{number}", name=name)
    rows = list(csv.DictReader(io.StringIO(ada.get("/queue.csv").text, newline="")))
    assert sorted(row["Account"] for row in rows) == sorted(f"'{re.sub(chr(92) + 's', ' ', name)}" for name in names)
    assert {row["ARR"] for row in rows} == {"60000.00"}


def test_an_export_runs_no_formula_where_semicolons_separate(ada, store):
    """Quotes do not help there: a field of ours begins in the middle of one of theirs."""
    for number, name in enumerate(("Acme;=1+1", "Acme; +1", 'Acme;"=1+1', "Acme\n=1+1;x", "Acme\r\n@SUM(A1)", "Acme;;-1")):
        ask_about(store, f"ACC-{number}", name=name)
    text = ada.get("/queue.csv").text
    cells = [cell for line in re.split(r"[\r\n]+", text) for cell in line.split(";")]
    assert len(cells) > 10 and not [cell for cell in cells if cell.lstrip(' "').startswith(("=", "+", "-", "@"))] and len(text.splitlines()) == 7


@pytest.mark.parametrize("attack", ["' or 1=1 --", "'; drop table approval_requests; --", "pending' union select password_hash from people --", "%", "\\"])
def test_sql_in_a_filter_a_name_or_a_login_is_only_text(ada, app, store, attack):
    request_id = ask_about(store, name=f"Acme {attack}")
    for key in ("state", "kind", "risk", "whose", "page", "done"):
        assert ada.get("/", params={key: attack}).status_code == 200
    assert ada.get("/", params={"kind": attack}).text.count('class="open"') == 0
    assert Browser(app).log_in(attack, attack + " " * 12).status_code == 401
    assert ada.post("/batch/approve", {"item": [f"{attack}:1"]}).status_code == 404
    assert ada.get(f"/requests/{request_id}").status_code == 200 and state_of(store, request_id) == "pending"


# --- the wire -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e/%2e%2e/settings.py",
        "/static/....//app.py",
        "/static//etc/passwd",
        "/static/..\\app.py",
        "/static/",
        "/../app.py",
    ],
)
def test_no_path_leads_out_of_the_static_files(app, path):
    """Straight to the application: a client would tidy the path up first."""
    for raw in (path, unquote(path)):
        status, body = asyncio.run(straight(app, raw))
        assert status == 404 and b"vim_pipelines" not in body and b"root:" not in body


async def straight(app, path):
    """Status and body of a GET whose path is sent as it stands."""
    scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"", "headers": [(b"host", b"localhost")], "root_path": "",
             "scheme": "http", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "http_version": "1.1"}  # fmt: skip
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)


def test_a_host_name_that_is_not_ours_is_refused(settings, store):
    app = make_app(settings.model_copy(update={"inbox_hosts": "inbox.example, second.example"}), store)
    for host, status in (
        ("evil.example", 400),
        ("inbox.example", 200),
        ("second.example:443", 200),
        ("127.0.0.1:8321", 200),
        ("inbox.example.evil.example", 400),
        ("", 400),
    ):
        assert Browser(app).get("/login", headers={"host": host}).status_code == status, host


def test_a_body_that_is_too_large_is_refused_before_it_is_read(ada, store):
    request_id = ask_about(store)
    big = ada.post(f"/requests/{request_id}/decide", {"decision": "reject", "version": "1", "note": "x" * (guard.MAX_BODY_BYTES + 1)})
    assert big.status_code == 413 and "VIM-E133" in big.text

    def endless():
        for _ in range(10):
            yield b"x" * 64 * 1024

    assert ada.http.post("/login", content=endless(), headers={"content-type": "application/x-www-form-urlencoded"}).status_code == 413
    assert state_of(store, request_id) == "pending"


def test_a_body_that_comes_by_drops_holds_nobody_up():
    answers = []

    async def refuse(_scope, _receive, _send, code, status):
        answers.append((code, status))

    async def never(*_):
        raise AssertionError("the page was reached")

    async def drops():
        await asyncio.sleep(0.01)
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def send(_message):
        pass

    wall = guard.Guard(never, hosts=(), refuse=refuse, body_seconds=0.1)
    scope = {"type": "http", "method": "POST", "path": "/login", "headers": [(b"host", b"localhost")]}
    asyncio.run(wall(scope, drops, send))
    assert answers == [("VIM-E134", 408)]


def test_a_version_that_only_looks_like_a_number_is_a_stale_one(ada, store):
    """A superscript two counts as a digit, and is no number: the page failed with a reference instead of saying why."""
    request_id = ask_about(store)
    assert ada.decide(request_id, "approve", version="²").status_code == 409
    assert ada.get("/?page=²").status_code == 200


def test_a_form_with_too_many_fields_or_of_another_kind_is_refused(ada):
    many = "&".join(f"a{number}=1" for number in range(5000))
    assert ada.http.post("/login", content=many, headers={"content-type": "application/x-www-form-urlencoded"}).status_code == 403
    assert ada.http.post("/login", json={"csrf": ada.token("/help")}).status_code == 403


def test_a_failure_shows_a_reference_and_the_log_says_where_but_neither_says_what_was_in_it(ada, store, monkeypatch, caplog):
    request_id = ask_about(store)
    secret = "sk-ant-very-secret"

    def fails(*_args, **_options):
        raise RuntimeError(f"insert into people values ('{secret}')")

    monkeypatch.setattr("vim_pipelines.inbox.item_pages.show_request", fails)
    with caplog.at_level(logging.DEBUG):
        answer = ada.get(f"/requests/{request_id}?token={secret}")
    assert answer.status_code == 500 and "VIM-E099" in answer.text and "Traceback" not in answer.text and secret not in answer.text
    reference = re.search(r"reference: ([0-9a-f]{8})", answer.text)[1]
    ours = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("vim_pipelines"))
    assert reference in ours and "item_pages.py" in ours and secret not in ours


def test_neither_password_nor_cookie_nor_link_is_in_a_log(app, settings, store, caplog):
    request_id = ask_about(store)
    with caplog.at_level(logging.DEBUG):
        browser = Browser(app)
        browser.log_in("ada", "wrong-password-typed")
        browser.log_in("ada")
        token = sign_link(settings, "ada", request_id, 1)
        browser.get(f"/link/{token}x")
        browser.decide(request_id, "reject", note="a private note")
    ours = "\n".join(record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "asyncio")))
    for word in (PASSWORD, "wrong-password-typed", browser.http.cookies[COOKIE], token, "a private note"):
        assert word not in ours
    with store.reading() as session:  # people type passwords into the field for the name
        assert all(len(attempt.login) == 64 for attempt in session.query(LoginAttempt))
