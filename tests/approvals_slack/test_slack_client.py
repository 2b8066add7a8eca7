"""The real slack_sdk against the emulator: what is sent again, what a lost answer means, and what an error says."""

import logging

import pytest
from slack_house import SECRETS

from vim_pipelines.core.errors import VimError
from vim_pipelines.vendors.http import RetryPolicy, VendorError
from vim_pipelines.vendors.slack import SCOPES, Posted, SlackClient, check_slack, checked_address, is_transient

BLOCKS = [{"type": "section", "text": {"type": "plain_text", "text": "hello"}}]
METADATA = {"event_type": "vimotion_delivery", "event_payload": {"delivery_id": "msg-1"}}


def post(house, channel="U0DORA", blocks=BLOCKS):
    return house.client.post(channel, "hello", blocks, metadata=METADATA)


def asked(house, method):
    return [entry for entry in house.slack.app.journal.entries if entry["path"] == f"/api/{method}"]


def test_a_message_is_posted_found_by_its_metadata_and_changed(house):
    posted = post(house)
    assert posted.channel == "D0DORA"
    [found] = list(house.client.history(posted.channel))
    assert (found["ts"], found["metadata"]) == (posted.ts, METADATA)
    house.client.update(posted, "changed", BLOCKS)
    [message] = house.slack.messages("D0DORA")
    assert (message["text"], message["metadata"]) == ("changed", METADATA)


def test_a_post_whose_answer_was_lost_is_not_sent_again(house, plan):
    """The SDK of its own accord sends a request again after a dropped connection: the message stood there twice."""
    plan("chat.postMessage", drop="after", times=1)
    with pytest.raises(VendorError, match="VIM-E015"):
        post(house)
    assert len(asked(house, "chat.postMessage")) == 1 and len(house.slack.messages()) == 1


def test_a_post_that_slack_failed_on_is_not_sent_again(house, plan):
    plan("chat.postMessage", status=503)
    with pytest.raises(VendorError) as caught:
        post(house)
    assert (caught.value.code, is_transient(caught.value)) == ("VIM-E015", False)
    assert len(asked(house, "chat.postMessage")) == 1


def test_a_read_and_an_update_are_sent_again_after_a_drop_or_a_failure(house, plan):
    posted = post(house)
    plan("conversations.history", drop="before", times=1)
    plan("conversations.history", status=500, times=1)
    assert len(list(house.client.history(posted.channel))) == 1
    plan("chat.update", drop="after", times=1)
    house.client.update(posted, "changed", BLOCKS)
    assert [len(asked(house, name)) for name in ("conversations.history", "chat.update")] == [3, 2]


def test_a_limited_post_waits_as_long_as_slack_says(house, plan):
    waited = []
    client = SlackClient(SECRETS[0], base_url=house.settings.slack_base_url, retry=RetryPolicy(attempts=3, base_seconds=0.0), sleep=waited.append)
    plan("chat.postMessage", status=429, retry_after="7", times=2)
    client.post("U0DORA", "hello", BLOCKS, metadata=METADATA)
    assert waited == [7.0, 7.0] and len(house.slack.messages()) == 1


def test_a_wait_that_is_too_long_is_left_to_the_next_sweep(house, plan):
    waited = []
    client = SlackClient(SECRETS[0], base_url=house.settings.slack_base_url, sleep=waited.append)
    plan("chat.postMessage", status=429, retry_after="3600")
    with pytest.raises(VendorError, match="VIM-E014.*3600") as caught:
        client.post("U0DORA", "hello", BLOCKS, metadata=METADATA)
    assert is_transient(caught.value) and waited == [] and house.slack.messages() == []


def test_the_emulators_own_rate_limit_names_its_wait(house):
    house.slack._per_second = 0.001
    post(house)
    with pytest.raises(VendorError, match="VIM-E014"):
        post(house)


@pytest.mark.parametrize(
    ("channel", "code", "says"),
    [("C0NOWHERE", "VIM-E141", "channel_not_found"), ("C0SHUT", "VIM-E141", "is_archived"), ("C0OUT", "VIM-E141", "not_in_channel")],
)
def test_a_place_that_cannot_be_reached_is_permanent(house, channel, code, says):
    from vim_pipelines.sandbox.emulators.slack import Conversation

    house.slack.conversations |= {
        "C0SHUT": Conversation("C0SHUT", "shut", set(), is_archived=True),
        "C0OUT": Conversation("C0OUT", "out", set(), has_bot=False),
    }
    with pytest.raises(VendorError, match=says) as caught:
        post(house, channel)
    assert (caught.value.code, is_transient(caught.value)) == (code, False)


def test_a_missing_scope_is_named(house):
    house.slack.scopes.remove("im:write")
    with pytest.raises(VendorError, match="VIM-E140.*im:write for conversations.open") as caught:
        house.client.open_dm("U0DORA")
    assert not is_transient(caught.value)


def test_a_refused_token_is_named_by_its_setting(house):
    wrong = SlackClient("xoxb-not-this-one", base_url=house.settings.slack_base_url, sleep=lambda _: None)
    with pytest.raises(VendorError, match="VIM-E011.*SLACK_BOT_TOKEN") as caught:
        wrong.identity()
    assert "xoxb" not in str(caught.value)


def test_nobody_by_that_address_is_none_and_not_an_error(house):
    assert house.client.user_by_email("DORA@vendor.example") == "U0DORA"
    assert house.client.user_by_email("nobody@vendor.example") is None


@pytest.mark.parametrize(
    ("blocks", "says"),
    [
        ([BLOCKS[0]] * 51, "invalid_blocks"),
        ([{"type": "section", "text": {"type": "plain_text", "text": "x" * 3001}}], "less than 3001"),
        ([{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}], "less than 151"),
        ([{"type": "section", "text": {"type": "plain_text", "text": "x" * 2900}}] * 4, "msg_blocks_too_long"),
        ([{"type": "section", "text": {"type": "plain_text", "text": ""}}], "more than 0"),
        ([{"type": "input", "label": {"type": "plain_text", "text": "x"}, "element": {"type": "plain_text_input"}}], "unsupported type: input"),
    ],
)
def test_what_slack_refuses_is_said_in_slacks_words(house, blocks, says):
    with pytest.raises(VendorError, match=says) as caught:
        post(house, blocks=blocks)
    assert caught.value.code == "VIM-E142" and house.slack.messages() == []


def test_nothing_at_the_address_is_transient_and_says_so():
    client = SlackClient("xoxb-x", base_url="http://127.0.0.1:9/api/", retry=RetryPolicy(attempts=2, base_seconds=0.0), sleep=lambda _: None)
    with pytest.raises(VendorError, match="VIM-E010.*ConnectionRefusedError") as caught:
        client.post("U0DORA", "hello", BLOCKS, metadata=METADATA)
    assert is_transient(caught.value)


@pytest.mark.parametrize("address", ["http://slack.example/api/", "ftp://slack.com/", "https://user@slack.com/api/", "nonsense"])
def test_a_token_goes_over_https_only(address):
    with pytest.raises(VimError, match="VIM-E0(02|16).*SLACK_BASE_URL"):
        checked_address(address)


def test_no_secret_and_no_text_of_a_message_is_in_a_log_or_an_error(house, plan, caplog):
    """The SDK writes whole requests, texts and all, to a logger whose own level is DEBUG or not set."""
    with caplog.at_level(logging.DEBUG):
        posted = post(house)
        plan("chat.postMessage", drop="after")
        with pytest.raises(VendorError) as lost:
            post(house)
        plan("chat.postMessage", status=500)
        with pytest.raises(VendorError) as failed:
            post(house)
        house.client.update(Posted(posted.channel, posted.ts), "a customer's words", BLOCKS)
    # uvicorn and asyncio log the emulator's own side; ours is what a run of the house writes.
    said = "\n".join(record.getMessage() + str(record.exc_info or "") for record in caplog.records) + str(lost.value) + repr(lost.value) + str(failed.value)
    assert not any(secret in said for secret in SECRETS) and "a customer's words" not in said
    assert SECRETS[0] not in repr(house.client) + repr(house.settings)


def test_doctor_names_the_scopes_that_are_missing(house):
    assert check_slack(house.settings).status == "ok"
    house.slack.scopes.remove("groups:history")
    check = check_slack(house.settings)
    assert check.status == "warn" and "groups:history" in check.text
    house.slack.scopes.remove("chat:write")
    check = check_slack(house.settings)
    assert (check.status, "chat:write (post and change messages)" in check.text, bool(check.fix)) == ("fail", True, True)


def test_doctor_says_when_messages_go_out_and_presses_do_not_come_in(house):
    check = check_slack(house.settings.model_copy(update={"slack_app_token": None, "slack_signing_secret": None}))
    assert check.status == "warn" and "presses do not come in" in check.text
    assert check_slack(house.settings.model_copy(update={"slack_bot_token": None})) is None


def test_doctor_fails_on_a_wrong_token_and_an_unreachable_slack(house):
    from pydantic import SecretStr

    assert check_slack(house.settings.model_copy(update={"slack_bot_token": SecretStr("xoxb-wrong")})).status == "fail"
    assert "VIM-E010" in check_slack(house.settings.model_copy(update={"slack_base_url": "http://127.0.0.1:9/api/"})).text


def test_every_scope_has_a_reason():
    assert all(SCOPES.values())
