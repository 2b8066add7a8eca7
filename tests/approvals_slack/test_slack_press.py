"""Pressing in Slack, through both doors: asked, pressed, decided, and the message brought up to date."""

import json
from contextlib import contextmanager, suppress
from datetime import timedelta

import httpx
import pytest
from approval_drafts import NOW
from slack_house import CHANNEL, SECRETS, buttons_of, eventually, value_of, words_of

from vim_pipelines.approvals.channels.slack_blocks import REASON_BLOCK, REASON_INPUT
from vim_pipelines.approvals.channels.slack_http import slack_routes
from vim_pipelines.approvals.channels.slack_socket import SlackSocket
from vim_pipelines.approvals.deciding import decide
from vim_pipelines.approvals.events import verify_chain
from vim_pipelines.approvals.policy import Actor
from vim_pipelines.approvals.queue import show_request
from vim_pipelines.sandbox.emulators.run import Server

REASON = {REASON_BLOCK: {REASON_INPUT: "The owner left: name a new one & keep the dates."}}


@contextmanager
def served_with_lifespan(app):
    """As `vimotion inbox serve` serves it, on a free port; the emulators' own server has no lifespan."""
    import threading

    import uvicorn

    from vim_pipelines.inbox.serve import listening

    listener = listening("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False, lifespan="on", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    eventually(lambda: server.started, 30)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=15)


@contextmanager
def over_http(house):
    from starlette.applications import Starlette

    server = Server(Starlette(routes=slack_routes(house.settings, house.store, client=house.client)))
    house.slack.interactivity_url = f"{server.url}/slack/interactions"
    try:
        yield
    finally:
        server.stop()


@contextmanager
def over_socket(house):
    with SlackSocket(house.settings, house.store, client=house.client, ping_seconds=0.5):
        eventually(lambda: house.slack.sockets == 1)
        yield


@pytest.fixture(params=["http", pytest.param("socket", marks=pytest.mark.slow)])  # the SDK's threads take three seconds to end; `socket_door` is quick enough
def each_door(request, house, monkeypatch):
    """The house with one of the two doors open; its clock stands at NOW. Both hand over to the same function, so most tests take one."""
    monkeypatch.setattr(type(house.settings), "now", lambda self: NOW)
    with {"socket": over_socket, "http": over_http}[request.param](house):
        yield house


@pytest.fixture
def door(http_door):
    return http_door


@pytest.fixture
def http_door(house, monkeypatch):
    monkeypatch.setattr(type(house.settings), "now", lambda self: NOW)
    with over_http(house):
        yield house


@pytest.fixture
def socket_door(house, monkeypatch):
    monkeypatch.setattr(type(house.settings), "now", lambda self: NOW)
    with over_socket(house):
        yield house


def press(house, reference, action, user="U0DORA", **more):
    return house.slack.press(user, reference["channel"], reference["ts"], f"vimotion_{action}", **more)


def whispered(house):
    return eventually(lambda: [whisper["text"] for whisper in house.slack.whispers])


def post_signed(house, payload, **options):
    body, headers = house.slack.signed(payload, **options)
    return httpx.post(house.slack.interactivity_url, content=body, headers=headers, trust_env=False)


def a_press(house, reference, action="approve", user="U0DORA"):
    """The payload of a press, to be sent by hand."""
    message = house.shown(reference)
    [block] = [block for block in message["blocks"] if block["type"] == "actions"]
    button = next(element for element in block["elements"] if element["action_id"] == f"vimotion_{action}")
    return house.slack.press_payload(user, reference["channel"], message, block, button)


# --- deciding ------------------------------------------------------------------------------------------------------------


def test_asked_pressed_decided_and_the_message_says_so(each_door):
    request_id = each_door.ask()
    reference = each_door.post(request_id)
    assert buttons_of(each_door.shown(reference))[0] == "vimotion_approve"
    assert press(each_door, reference, "approve").acknowledged
    eventually(lambda: not buttons_of(each_door.shown(reference)))
    assert each_door.state(request_id)[:3] == ("approved", "dora", "slack")
    assert "Approved by dora (director)" in words_of(each_door.shown(reference)) and "through Slack" in words_of(each_door.shown(reference))
    assert verify_chain(each_door.store) == []


def test_slack_asks_before_it_sends_an_approval(door):
    """A finger on a phone is not a decision."""
    request_id = door.ask()
    assert press(door, door.post(request_id), "approve", confirmed=False) is None
    assert door.state(request_id)[0] == "pending"


@pytest.mark.parametrize(("action", "state"), [("reject", "rejected"), ("changes", "changes_requested"), ("dismiss", "dismissed")])
def test_a_reason_is_asked_for_in_a_form_and_kept(each_door, action, state):
    request_id = each_door.ask()
    reference = each_door.post(request_id)
    press(each_door, reference, action)
    [view_id] = eventually(lambda: list(each_door.slack.views))
    assert each_door.state(request_id)[0] == "pending"  # the form alone decides nothing
    delivered = each_door.slack.submit("U0DORA", view_id, REASON)
    assert (delivered.acknowledged, delivered.body) == (True, {"response_action": "clear"})
    assert each_door.state(request_id) == (state, "dora", "slack", REASON[REASON_BLOCK][REASON_INPUT])
    eventually(lambda: not buttons_of(each_door.shown(reference)))
    assert "name a new one &amp; keep" in words_of(each_door.shown(reference))


def test_an_empty_reason_keeps_the_form_open_and_decides_nothing(door):
    request_id = door.ask()
    press(door, door.post(request_id), "reject")
    [view_id] = eventually(lambda: list(door.slack.views))
    delivered = door.slack.submit("U0DORA", view_id, {REASON_BLOCK: {REASON_INPUT: "  \n "}})
    assert delivered.body["response_action"] == "errors" and "VIM-E045" in delivered.body["errors"][REASON_BLOCK]
    assert view_id in door.slack.views and door.state(request_id)[0] == "pending"


def test_a_stranger_is_refused_and_only_he_is_told(each_door):
    request_id = each_door.ask()
    reference = each_door.post(request_id, shared=CHANNEL)
    for action in ("approve", "reject"):
        press(each_door, reference, action, user="U0STRANGER")
    texts = eventually(lambda: len(each_door.slack.whispers) == 2 and each_door.slack.whispers)
    assert {whisper["user"] for whisper in texts} == {"U0STRANGER"} and "Nothing was recorded" in texts[0]["text"]
    assert each_door.state(request_id)[0] == "pending" and each_door.slack.views == {} and buttons_of(each_door.shown(reference))


def test_a_person_without_the_right_is_told_why(door):
    """carl is a CSM, the request needs a director."""
    request_id = door.ask(arr=600_000)
    reference = door.post(request_id, shared=CHANNEL)
    press(door, reference, "approve", user="U0CARL")
    [said] = whispered(door)
    assert "carl (csm) may not decide" in said and "VIM-E043" in said and door.state(request_id)[0] == "pending"


def test_somebody_who_left_is_a_stranger(door):
    from vim_pipelines.approvals.people import deactivate

    request_id = door.ask()
    reference = door.post(request_id)
    deactivate(door.store, "dora", now=NOW)
    press(door, reference, "approve")
    assert "Nothing was recorded" in whispered(door)[0] and door.state(request_id)[0] == "pending"


def test_two_people_are_needed_and_the_first_is_told_so(door):
    request_id = door.ask(arr=600_000)
    reference = door.post(request_id, shared=CHANNEL)
    press(door, reference, "approve")
    assert "A second person must approve" in whispered(door)[0]
    assert door.state(request_id)[0] == "pending" and show_request(door.store, request_id).endorsed_by == ("dora",)
    eventually(lambda: "1 given by dora" in words_of(door.shown(reference)))
    press(door, reference, "approve")  # the same person again
    eventually(lambda: len(door.slack.whispers) == 2)
    assert "two different people" in door.slack.whispers[1]["text"] and door.state(request_id)[0] == "pending"
    press(door, reference, "approve", user="U0ELIF")
    eventually(lambda: door.state(request_id)[0] == "approved")
    assert door.state(request_id)[1] == "elif"


def test_of_two_who_press_at_once_one_decides(door):
    from concurrent.futures import ThreadPoolExecutor

    request_id = door.ask()
    reference = door.post(request_id, shared=CHANNEL)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda user: press(door, reference, "approve", user=user), ["U0DORA", "U0ELIF"]))
    eventually(lambda: len(door.slack.whispers) == 2)
    events = [event.action for event in show_request(door.store, request_id).events]
    assert events.count("approve") == 1 and verify_chain(door.store) == []


def test_what_was_decided_elsewhere_is_said_and_shown(door):
    """The message still shows its buttons until the sweep comes by; a press in between must not look as if it had counted."""
    request_id = door.ask()
    reference = door.post(request_id)
    decide(door.store, request_id, "reject", person=Actor("elif", "director", "inbox"), version=1, note="not now", now=NOW, policy=door.policy)
    press(door, reference, "approve")
    assert "is rejected by elif" in whispered(door)[0] and door.state(request_id)[:2] == ("rejected", "elif")
    eventually(lambda: not buttons_of(door.shown(reference)))
    assert "Rejected by elif (director)" in words_of(door.shown(reference)) and "through the inbox" in words_of(door.shown(reference))


def test_a_form_that_was_overtaken_says_so(each_door):
    request_id = each_door.ask()
    press(each_door, each_door.post(request_id), "reject")
    [view_id] = eventually(lambda: list(each_door.slack.views))
    decide(each_door.store, request_id, "approve", person=Actor("elif", "director", "inbox"), version=1, note=None, now=NOW, policy=each_door.policy)
    delivered = each_door.slack.submit("U0DORA", view_id, REASON)
    assert "is approved by elif" in delivered.body["errors"][REASON_BLOCK] and each_door.state(request_id)[:2] == ("approved", "elif")


def test_a_stale_version_is_refused(door):
    first = door.ask()
    reference = door.post(first)
    door.ask(version=2, text="140 of 200 seats are unused.")
    press(door, reference, "approve")
    assert "VIM-E041" in whispered(door)[0] and "newer draft" in whispered(door)[0]
    eventually(lambda: not buttons_of(door.shown(reference)))
    assert "newer version" in words_of(door.shown(reference)) and door.state(first)[0] == "superseded"


def test_a_text_that_is_not_the_one_shown_is_refused(door):
    """The same version with another hash: an edit between showing and pressing."""
    request_id = door.ask()
    reference = door.post(request_id)
    value = value_of(door.shown(reference))
    press(door, reference, "approve", value=value[:-4] + "0000")
    assert "VIM-E041" in whispered(door)[0] and door.state(request_id)[0] == "pending"


@pytest.mark.parametrize("value", ["nonsense", "req-000000000000:1:" + "0" * 64, "req-:1:" + "0" * 64, "req-_%:1:" + "0" * 64])
def test_a_value_that_nobody_was_shown_decides_nothing(door, value):
    request_id = door.ask()
    press(door, door.post(request_id), "approve", value=value)
    assert whispered(door) and door.state(request_id)[0] == "pending"


def test_an_expired_question_is_not_answered(door):
    request_id = door.ask()
    reference = door.post(request_id)
    door.expire(request_id)
    press(door, reference, "approve")
    assert "Silence is never consent" in whispered(door)[0] and door.state(request_id)[0] == "expired"


def test_the_message_is_changed_weeks_later(door):
    """A `response_url` lives for half an hour; channel and ts do not end."""
    request_id = door.ask()
    reference = door.post(request_id)
    now = NOW + timedelta(days=21)
    decide(door.store, request_id, "approve", person=Actor("elif", "director", "inbox"), version=1, note=None, now=now, policy=door.policy)
    door.channel().settle(door.message(request_id, "settled"), door.person(), reference)
    assert "Approved by elif (director) on 2026-07-20" in words_of(door.shown(reference)) and not buttons_of(door.shown(reference))


@pytest.mark.parametrize("mode", ["http", "socket"])
def test_the_inbox_opens_both_doors(house, mode, monkeypatch):
    """`vimotion inbox serve` is all that has to run: its route needs no login, and Socket Mode runs beside it."""
    from vim_pipelines.inbox.app import make_app

    monkeypatch.setattr(type(house.settings), "now", lambda self: NOW)
    unused = {"http": "slack_app_token", "socket": "slack_signing_secret"}[mode]
    settings = house.settings.model_copy(update={unused: None})
    request_id = house.ask()
    reference = house.post(request_id)
    with served_with_lifespan(make_app(settings, house.store)) as url:
        if mode == "http":
            house.slack.interactivity_url = f"{url}/slack/interactions"
        else:
            eventually(lambda: house.slack.sockets == 1)
        assert press(house, reference, "approve").acknowledged
        eventually(lambda: not buttons_of(house.shown(reference)))
    assert house.state(request_id)[:3] == ("approved", "dora", "slack")


def test_an_inbox_starts_while_slack_is_away_and_stops_at_once(house, caplog):
    import time

    from vim_pipelines.approvals.channels.slack_socket import listening

    away = house.settings.model_copy(update={"slack_base_url": "http://127.0.0.1:9/api/"})
    began = time.monotonic()
    with listening(away, house.store):
        eventually(lambda: "VIM-E010" in caplog.text, 30)
    assert time.monotonic() - began < 30 and "xapp" not in caplog.text
    with listening(house.settings.model_copy(update={"slack_app_token": None}), house.store):
        assert house.slack.sockets == 0


# --- Socket Mode ---------------------------------------------------------------------------------------------------------


def test_a_dropped_socket_connects_anew_and_decides(socket_door):
    request_id = socket_door.ask()
    reference = socket_door.post(request_id)
    assert socket_door.slack.drop_sockets() == 1
    eventually(lambda: socket_door.slack.sockets == 1)
    assert press(socket_door, reference, "approve").acknowledged
    eventually(lambda: socket_door.state(request_id)[0] == "approved")


def test_a_connection_that_slack_renews_is_replaced(socket_door):
    request_id = socket_door.ask()
    reference = socket_door.post(request_id)
    socket_door.slack.renew_sockets()
    eventually(lambda: socket_door.slack.connections == 2 and socket_door.slack.sockets == 1)
    assert press(socket_door, reference, "approve").acknowledged
    eventually(lambda: socket_door.state(request_id)[0] == "approved")


def test_a_wrong_app_token_is_named_by_its_setting(house):
    from pydantic import SecretStr

    from vim_pipelines.core.errors import VimError

    wrong = house.settings.model_copy(update={"slack_app_token": SecretStr("xapp-wrong")})
    with pytest.raises(VimError, match="VIM-E011.*SLACK_APP_TOKEN") as caught:
        SlackSocket(wrong, house.store, client=house.client).start()
    assert "xapp" not in str(caught.value)


# --- signed HTTP ---------------------------------------------------------------------------------------------------------


def test_a_forged_signature_is_refused_and_not_read(http_door):
    request_id = http_door.ask()
    payload = a_press(http_door, http_door.post(request_id))
    assert post_signed(http_door, payload, secret="guessed").status_code == 401
    body, headers = http_door.slack.signed(payload)
    changed = body.replace(b"approve", b"dismiss")
    assert changed != body and httpx.post(http_door.slack.interactivity_url, content=changed, headers=headers, trust_env=False).status_code == 401
    for missing in ("X-Slack-Signature", "X-Slack-Request-Timestamp"):
        less = {name: value for name, value in headers.items() if name != missing}
        assert httpx.post(http_door.slack.interactivity_url, content=body, headers=less, trust_env=False).status_code == 401
    assert http_door.state(request_id)[0] == "pending"


@pytest.mark.parametrize("seconds", [-301, -86_400, 301])
def test_an_old_stamp_is_refused_though_it_is_signed(http_door, seconds):
    import time

    request_id = http_door.ask()
    payload = a_press(http_door, http_door.post(request_id))
    assert post_signed(http_door, payload, timestamp=str(int(time.time()) + seconds)).status_code == 401
    assert http_door.state(request_id)[0] == "pending"


@pytest.mark.parametrize("stamp", ["", "now", "-1", "1e9", "٣", "9" * 400])
def test_a_stamp_that_is_no_number_is_refused(stamp):
    from vim_pipelines.approvals.channels.slack_http import signature, verify
    from vim_pipelines.core.errors import VimError

    with pytest.raises(VimError, match="VIM-E143"):
        verify("secret", stamp, signature("secret", stamp, b"x"), b"x", 0.0)


def test_the_signature_is_the_one_of_slacks_documents():
    """The example of docs.slack.dev, "Verifying requests from Slack"."""
    from vim_pipelines.approvals.channels.slack_http import verify

    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA"
        b"&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554"
        b"%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    signed = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    verify("8f742231b10e8888abcd99yyyzzz85a5", "1531420618", signed, body, 1531420618.0)


def test_the_same_request_twice_decides_once(http_door):
    """Caught on the wire and sent again within the five minutes, or sent twice by Slack because our answer was late."""
    request_id = http_door.ask()
    reference = http_door.post(request_id)
    body, headers = http_door.slack.signed(a_press(http_door, reference))
    for number in range(3):
        again = {"X-Slack-Retry-Num": str(number), "X-Slack-Retry-Reason": "http_timeout"} if number else {}
        assert httpx.post(http_door.slack.interactivity_url, content=body, headers=headers | again, trust_env=False).status_code == 200
    eventually(lambda: len(http_door.slack.whispers) == 3)
    assert [event.action for event in show_request(http_door.store, request_id).events] == ["request", "approve"]
    assert all("Approved" in whisper["text"] and "VIM-E" not in whisper["text"] for whisper in http_door.slack.whispers)


def test_an_oversized_body_is_refused_before_it_is_read(http_door):
    url = http_door.slack.interactivity_url
    assert httpx.post(url, content=b"x" * (256 * 1024 + 1), trust_env=False).status_code == 413

    def endless():
        for _ in range(400):
            yield b"x" * 1024

    with suppress(httpx.HTTPError):  # the server may hang up while we are still sending: then it did not take it
        assert httpx.post(url, content=endless(), trust_env=False).status_code == 413
    assert httpx.post(url, content=b"x" * 1000, trust_env=False).status_code == 401


@pytest.mark.parametrize("body", [b"", b"payload", b"payload=%7B", b"payload=3", b"payload=[]", b"other=1", b"\xff\xfe", b"payload=" + b"%5B" * 50_000])
def test_a_signed_body_without_a_payload_is_refused(http_door, body):
    import time

    from vim_pipelines.approvals.channels.slack_http import signature

    stamp = str(int(time.time()))
    secret = http_door.settings.slack_signing_secret.get_secret_value()
    headers = {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": signature(secret, stamp, body)}
    assert httpx.post(http_door.slack.interactivity_url, content=body, headers=headers, trust_env=False).status_code == 400


@pytest.mark.parametrize(
    "payload",
    [{}, {"type": "block_actions"}, {"type": "block_actions", "actions": [None, {"action_id": "other"}]}, {"type": "view_submission"}, {"type": "shortcut"},
     {"type": "block_actions", "actions": [{"action_id": "vimotion_approve", "value": {"a": 1}}], "user": "U0DORA", "container": []},
     {"type": "view_submission", "view": {"callback_id": "vimotion_reason", "private_metadata": "{}", "state": []}, "user": {"id": "U0DORA"}}],
)  # fmt: skip
def test_a_payload_of_another_shape_is_acknowledged_and_decides_nothing(http_door, payload):
    request_id = http_door.ask()
    assert post_signed(http_door, payload).status_code == 200
    assert http_door.state(request_id)[0] == "pending"


def test_a_press_is_acknowledged_before_it_is_handled(http_door, monkeypatch):
    """Slack waits three seconds. With the store busy for longer, the press still is acknowledged, once, and decides."""
    import threading

    from vim_pipelines.approvals.channels import slack_interactions

    request_id = http_door.ask()
    reference, free = http_door.post(request_id), threading.Event()
    real = slack_interactions.decide
    monkeypatch.setattr(slack_interactions, "decide", lambda *args, **more: (free.wait(20), real(*args, **more))[1])
    delivered = press(http_door, reference, "approve")
    assert (delivered.acknowledged, delivered.tries, http_door.state(request_id)[0]) == (True, 1, "pending")
    free.set()
    eventually(lambda: http_door.state(request_id)[0] == "approved")


def test_there_is_no_http_door_without_its_secret(house):
    assert slack_routes(house.settings.model_copy(update={"slack_signing_secret": None}), house.store) == []
    assert slack_routes(house.settings.model_copy(update={"slack_bot_token": None}), house.store) == []


def test_no_secret_is_in_a_log(http_door, caplog):
    import logging

    request_id = http_door.ask(name="Acme", text="a customer's words")
    with caplog.at_level(logging.DEBUG):
        reference = http_door.post(request_id)
        post_signed(http_door, a_press(http_door, reference), secret="guessed")
        press(http_door, reference, "approve")
        eventually(lambda: not buttons_of(http_door.shown(reference)))
    ours = [record for record in caplog.records if record.name.startswith(("vim_pipelines", "slack"))]
    said = "\n".join(record.getMessage() + str(record.exc_info or "") for record in ours)
    assert "VIM-E143" in said and not any(secret in said for secret in SECRETS) and "customer's words" not in said


def test_an_attack_in_a_name_and_in_a_text_stays_words(door):
    """A customer called <!channel> would ring every phone; a model that writes a link would have it pressed."""
    from vim_pipelines.sandbox.emulators.slack_rules import live_sequences

    request_id = door.ask(name="<!channel> & <script>alert(1)</script>", text="<https://evil.example|Approve here> <@U0ELIF> <!here>")
    reference = door.post(request_id)
    press(door, reference, "reject")
    [view_id] = eventually(lambda: list(door.slack.views))
    door.slack.submit("U0DORA", view_id, {REASON_BLOCK: {REASON_INPUT: "<!everyone> look"}})
    eventually(lambda: not buttons_of(door.shown(reference)))
    message = door.shown(reference)
    assert [found for found in live_sequences(message["blocks"]) if "Open in the inbox" not in found] == []
    assert "&lt;!channel&gt;" in words_of(message) and "&lt;!everyone&gt; look" in words_of(message) and "<!" not in json.dumps(message["text"])
