"""Slack in the frame of all channels: each message once, found again after a lost answer, and brought up to date when it ended elsewhere."""

from dataclasses import replace
from datetime import timedelta

import pytest
from approval_drafts import AS_OF, NOW
from slack_house import CHANNEL, buttons_of, eventually, value_of, words_of
from sqlalchemy import select

from vim_pipelines.approvals.alerts import show_alert
from vim_pipelines.approvals.channels.base import Item, Undeliverable
from vim_pipelines.approvals.channels.slack import connect
from vim_pipelines.approvals.channels.slack_blocks import message_blocks
from vim_pipelines.approvals.channels.slack_interactions import handle_interaction
from vim_pipelines.approvals.deciding import decide
from vim_pipelines.approvals.deliveries import channels_of, deliver, plan
from vim_pipelines.approvals.messages import alert_message
from vim_pipelines.approvals.policy import Actor
from vim_pipelines.sandbox.emulators.slack_rules import live_sequences, message_error
from vim_pipelines.store.models import Alert, Delivery
from vim_pipelines.vendors.http import VendorError

LATER = NOW + timedelta(hours=1)


def swept(house, channel, now=NOW):
    plan(house.store, [channel], policy=house.policy, now=now)
    return deliver(house.store, [channel], settings=house.settings, now=now)


def rows(house):
    with house.store.reading() as session:
        return {row.recipient: (row.state, row.reference) for row in session.scalars(select(Delivery))}


def an_alert(house, alert_id="alert-0123456789ab"):
    with house.store.session() as session:
        session.add(
            Alert(
                alert_id=alert_id, account_key="ACC-1", account_name="Customer <!channel>", kind="notice_served", episode="2026-06", as_of_date=AS_OF, segment="smb",
                facts=[{"label": "Notice served on", "shown": "2026-06-27"}], text="# Customer <!channel> served notice\n\nOn 2026-06-27.", text_sha256="cd" * 32,
                created_at=NOW,
            )
        )  # fmt: skip
    return alert_id


def test_a_question_goes_to_each_person_who_may_decide_it_once(house):
    request_id = house.ask(arr=600_000)
    assert swept(house, house.channel()).sent == 2  # dora and elif; carl is no director
    assert swept(house, house.channel(), LATER).sent == 0
    assert {message["channel"] for message in house.slack.messages()} == {"D0DORA", "D0ELIF"} and len(house.slack.messages()) == 2
    assert value_of(house.slack.messages("D0DORA")[0]).startswith(f"{request_id}:1:")


def test_a_full_first_night_is_one_message_with_a_button_for_each_request(house):
    ids = [house.ask(arr=600_000, account=f"ACC-{number}", name=f"Customer <!channel> {number}") for number in range(8)]
    report = swept(house, house.channel())
    assert (report.sent, report.listed) == (2, 16) and len(house.slack.messages()) == 2
    [message] = house.slack.messages("D0DORA")
    opened = [block["accessory"]["url"] for block in message["blocks"] if "accessory" in block]
    assert sorted(opened) == sorted(f"{house.settings.inbox_url}/requests/{one}" for one in ids)
    assert [found for found in live_sequences(message["blocks"]) if "Open the inbox" not in found] == [] and buttons_of(message) == []
    decide(house.store, ids[0], "reject", person=Actor("elif", "director", "inbox"), version=1, note="not now", now=NOW, policy=house.policy)
    assert swept(house, house.channel(), LATER).settled == 2
    [message] = house.slack.messages("D0DORA")
    assert sum("accessory" in block for block in message["blocks"]) == 7 and "Rejected by elif" in words_of(message)


def test_a_lost_list_is_found_and_not_posted_again(house, plan):
    for number in range(6):
        house.ask(arr=600_000, account=f"ACC-{number}")
    plan("chat.postMessage", drop="after", times=1)
    assert swept(house, house.channel()).unknown == 1
    assert swept(house, house.channel(), LATER).sent == 1 and len(house.slack.messages()) == 2


def test_a_list_of_hundreds_stays_within_what_slack_takes(house):
    items = tuple(Item(f"req-{one}", 1, "0" * 64, "Save plan for " + "<&>" * 200, "red", f"https://x.example/requests/{one}") for one in range(300))
    message = replace(house.message(house.ask()), request_id=None, items=items, text="", buttons=())
    blocks = message_blocks(message)
    shown = sum("accessory" in block for block in blocks)
    assert message_error("x", blocks, None) is None and f"{300 - shown} more are in the inbox" in words_of({"blocks": blocks}) and shown >= 5


def test_a_lost_answer_is_found_by_its_delivery_and_nothing_is_doubled(house, plan):
    house.ask(arr=600_000)
    plan("chat.postMessage", drop="after", times=1)
    first = swept(house, house.channel())
    assert (first.sent, first.unknown) == (1, 1) and len(house.slack.messages()) == 2
    second = swept(house, house.channel(), LATER)
    assert second.sent == 1 and len(house.slack.messages()) == 2
    posts = [entry for entry in house.slack.app.journal.entries if entry["path"] == "/api/chat.postMessage"]
    assert len(posts) == 2
    for state, reference in rows(house).values():
        assert state == "sent" and house.shown(reference) is not None


def test_a_post_that_never_arrived_is_sent_after_it_was_looked_for(house, plan):
    house.ask(arr=600_000)
    plan("chat.postMessage", drop="before", times=1)
    assert swept(house, house.channel()).unknown == 1 and len(house.slack.messages()) == 1
    assert swept(house, house.channel(), LATER).sent == 1 and len(house.slack.messages()) == 2


def test_another_apps_metadata_is_not_believed(house):
    """Anybody's app may write our delivery's id into its message, and the question would never be asked."""
    message = house.message(house.ask())
    direct = house.client.open_dm("U0DORA")
    house.channel().send(message, house.person())
    [posted] = house.slack.conversations[direct].messages
    posted["bot_id"] = "B0OTHER"
    assert house.channel().find(message, house.person()) is None
    posted["bot_id"] = "B0SANDBOX"
    assert house.channel().find(message, house.person()) == {"channel": direct, "ts": posted["ts"]}


def test_a_lost_message_is_found_behind_many_others(house):
    message = house.message(house.ask())
    reference = house.channel().send(message, house.person())
    for number in range(450):
        house.slack.conversations[reference["channel"]].messages.append(
            {"ts": f"{1_900_000_000 + number}.000001", "text": "x", "blocks": [], "bot_id": "B0SANDBOX"}
        )
    assert house.channel().find(message, house.person()) == reference


def test_in_a_shared_channel_a_question_stands_once_for_all(house):
    request_id = house.ask(arr=600_000)
    channel = house.channel(CHANNEL)
    assert swept(house, channel).sent == 2
    [message] = house.slack.messages()
    assert message["channel"] == CHANNEL
    decide(house.store, request_id, "reject", person=Actor("elif", "director", "inbox"), version=1, note="no", now=NOW, policy=house.policy)
    assert swept(house, channel, LATER).settled == 2 and not buttons_of(house.slack.messages()[0])


def test_what_was_decided_elsewhere_is_shown_by_the_next_sweep(house):
    request_id = house.ask()
    swept(house, house.channel())
    decide(house.store, request_id, "approve", person=Actor("elif", "director", "inbox"), version=1, note=None, now=NOW, policy=house.policy)
    before = len(house.slack.messages())
    assert swept(house, house.channel(), LATER).settled == before
    for message in house.slack.messages():
        assert not buttons_of(message) and "Approved by elif (director)" in words_of(message) and "through the inbox" in words_of(message)


def test_a_message_that_somebody_deleted_is_settled_without_an_error(house):
    request_id = house.ask()
    reference = house.post(request_id)
    house.slack.conversations[reference["channel"]].messages.clear()
    house.channel().settle(house.message(request_id), house.person(), reference)


@pytest.mark.parametrize("change", ["token", "scope", "person", "disabled"])
def test_what_can_never_arrive_fails_at_once(house, change):
    from dataclasses import replace

    message, person = house.message(house.ask()), house.person()
    if change == "token":
        house.slack.bot_token = "xoxb-another"
    elif change == "scope":
        house.slack.scopes.remove("chat:write")
    elif change == "person":
        person = replace(person, slack_user_id="U0GONE")
    else:
        house.slack.members["U0DORA"] = replace(house.slack.members["U0DORA"], is_active=False)
    with pytest.raises(Undeliverable) as caught:
        house.channel().send(message, person)
    assert caught.value.fix and "xox" not in str(caught.value)


def test_what_may_arrive_later_is_not_given_up(house, plan):
    message = house.message(house.ask())
    plan("chat.postMessage", status=429, retry_after="3600")
    with pytest.raises(VendorError, match="VIM-E014") as caught:
        house.channel().send(message, house.person())
    assert not isinstance(caught.value, Undeliverable)


def test_a_person_without_a_slack_id_is_not_addressed(house):
    from dataclasses import replace

    assert house.channel().address(replace(house.person(), slack_user_id=None)) is None
    with pytest.raises(Undeliverable, match="no Slack user id"):
        house.channel().send(house.message(house.ask()), replace(house.person(), slack_user_id=None))


def test_the_channel_is_there_with_its_token_and_talks_to_nobody_before_it_sends(house, monkeypatch):
    import sys

    assert connect(house.settings.model_copy(update={"slack_bot_token": None})) is None
    monkeypatch.setitem(sys.modules, "slack_sdk", None)  # importing it now would fail
    assert [channel.name for channel in channels_of(house.settings)] == ["slack"]
    assert list(house.slack.app.journal.entries) == []


def test_letters_to_customers_are_not_posted(house):
    assert "settled" not in house.channel().kinds


# --- alerts --------------------------------------------------------------------------------------------------------------


def pressed(house, reference, user):
    message = house.shown(reference)
    [block] = [block for block in message["blocks"] if block["type"] == "actions"]
    return house.slack.press_payload(user, reference["channel"], message, block, block["elements"][0])


def test_an_alert_reaches_the_directors_and_is_acknowledged_by_a_button(house):
    alert_id = an_alert(house)
    assert swept(house, house.channel()).sent == 2
    reference = rows(house)["dora"][1]
    assert buttons_of(house.shown(reference)) == ["vimotion_acknowledge"] and "served notice" in words_of(house.shown(reference))
    answer = handle_interaction(pressed(house, reference, "U0DORA"), house.store, house.settings, NOW)
    alert = show_alert(house.store, alert_id)
    assert (alert.acknowledged_by, alert.acknowledged_channel, alert.acknowledged_at) == ("dora", "slack", NOW)
    assert not any(block["type"] == "actions" for block in message_blocks(answer.message)) and "Acknowledged by dora" in answer.message.outcome
    assert swept(house, house.channel(), LATER).settled == 2
    assert all(not buttons_of(message) for message in house.slack.messages())


def test_an_alert_is_acknowledged_once_and_by_those_it_is_for(house):
    alert_id = an_alert(house)
    swept(house, house.channel())
    reference = rows(house)["dora"][1]
    payload = pressed(house, reference, "U0CARL")
    refused = handle_interaction(payload, house.store, house.settings, NOW)
    assert "VIM-E043" in refused.whisper.text and show_alert(house.store, alert_id).acknowledged_by is None
    handle_interaction(pressed(house, reference, "U0ELIF"), house.store, house.settings, NOW)
    late = handle_interaction(pressed(house, reference, "U0DORA"), house.store, house.settings, LATER)
    assert "VIM-E123" in late.whisper.text and show_alert(house.store, alert_id).acknowledged_by == "elif"


def test_an_approve_button_on_an_alert_decides_nothing(house):
    """The id of one kind of thing under the button of the other."""
    alert_id = an_alert(house)
    request_id = house.ask()
    reference = house.post(request_id)
    payload = pressed(house, reference, "U0DORA")
    for value, action in ((f"{alert_id}:1:{'cd' * 32}", "vimotion_approve"), (value_of(house.shown(reference)), "vimotion_acknowledge")):
        payload["actions"][0] |= {"value": value, "action_id": action}
        answer = handle_interaction(payload, house.store, house.settings, NOW)
        assert "VIM-E" in answer.whisper.text
    assert house.state(request_id)[0] == "pending" and show_alert(house.store, alert_id).acknowledged_by is None


def test_the_emulator_is_driven_from_another_process_too(house):
    import httpx

    request_id = house.ask()
    reference = house.post(request_id)
    control = f"{house.slack.url}/_sandbox"
    [message] = httpx.get(f"{control}/messages", trust_env=False).json()
    assert (message["channel"], message["ts"]) == (reference["channel"], reference["ts"])
    assert httpx.post(f"{control}/drop_socket", trust_env=False).json() == {"begun": "drop_socket"}
    assert httpx.post(f"{control}/nothing", trust_env=False).status_code == 404


def test_a_form_is_not_opened_after_three_seconds(house):
    """And only once for one press."""
    request_id = house.ask()
    reference = house.post(request_id)
    message = house.shown(reference)
    [block] = [block for block in message["blocks"] if block["type"] == "actions"]
    moment = [100.0]
    house.slack._monotonic = lambda: moment[0]
    payload = house.slack.press_payload("U0DORA", reference["channel"], message, block, block["elements"][2])
    answer = handle_interaction(payload, house.store, house.settings, NOW)
    moment[0] += 3.5
    with pytest.raises(VendorError, match="VIM-E144.*expired_trigger_id"):
        house.client.open_view(answer.trigger_id, answer.view)
    moment[0] -= 3.5
    house.client.open_view(answer.trigger_id, answer.view)
    with pytest.raises(VendorError, match="VIM-E144.*exchanged"):
        house.client.open_view(answer.trigger_id, answer.view)


def test_who_pressed_is_told_when_the_form_could_not_be_opened(house, plan):
    from vim_pipelines.approvals.channels.slack_interactions import carry_out

    reference = house.post(house.ask())
    message = house.shown(reference)
    [block] = [block for block in message["blocks"] if block["type"] == "actions"]
    answer = handle_interaction(
        house.slack.press_payload("U0DORA", reference["channel"], message, block, block["elements"][2]), house.store, house.settings, NOW
    )
    house.slack._triggers.clear()
    carry_out(answer, house.client)
    assert "Press the button again" in eventually(lambda: house.slack.whispers)[0]["text"]
    carry_out(answer, house.client)
    assert len(house.slack.messages()) == 1  # nothing was posted in its place


def test_an_alerts_words_stay_words(house):

    shown = alert_message(show_alert(house.store, an_alert(house)), delivery_id="msg-1", inbox_url=house.settings.inbox_url)
    assert [found for found in live_sequences(message_blocks(shown)) if "Open in the inbox" not in found] == []
