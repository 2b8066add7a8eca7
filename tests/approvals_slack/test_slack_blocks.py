"""Rendering: whatever a name, a text or a reason holds, the message fits Slack's limits and nothing in it comes to life.

The limits are checked by the emulator's rules, which were written from Slack's documents apart from the renderer.
"""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vim_pipelines.approvals.channels.base import Message
from vim_pipelines.approvals.channels.slack_blocks import (
    ACTIONS,
    TOTAL_CHARACTERS,
    Form,
    Pressed,
    button_value,
    carried,
    cut,
    delivery_metadata,
    escape,
    form_metadata,
    message_blocks,
    message_text,
    parse_form,
    parse_value,
    reason_view,
)
from vim_pipelines.sandbox.emulators.slack_rules import block_errors, live_sequences, message_error, texts, view_errors

SHA = "ab" * 32
OWN_LINKS = "<http://127.0.0.1:8321/requests/req-1|Open in the inbox>"
#: Slack's own control sequences, as a customer or a model would write them.
ATTACKS = ["<!channel>", "<!here>", "<!everyone>", "<@U0DORA>", "<#C0APPROVALS>", "<!subteam^S1>", "<https://evil.example|Approve>", "<mailto:x@y.z|you>",
           "&lt;!channel&gt;", "<script>alert(1)</script>", "*Approved by dora*", "`code`", "<!date^0^{date}|x>", "\x00\x1b[31m", "\ud800"]  # fmt: skip


def message(**changed):
    values = {
        "kind": "ask",
        "delivery_id": "msg-1",
        "request_id": "req-1",
        "alert_id": None,
        "version": 3,
        "payload_sha256": SHA,
        "title": "Success Plan for Acme",
        "summary": (("Account", "Acme (ACC-1)"), ("ARR", "$60,000"), ("Risk", "green")),
        "text": "150 of 200 seats are unused.",
        "link": "http://127.0.0.1:8321/requests/req-1",
        "buttons": ("approve", "changes", "reject"),
    }
    return Message(**values | changed)


def assert_fits(blocks):
    assert block_errors(blocks) == []
    assert message_error("x", blocks, None) is None
    assert len(json.dumps(blocks, ensure_ascii=False)) <= TOTAL_CHARACTERS
    assert set(live_sequences(blocks)) <= {OWN_LINKS}


WORDS = st.one_of(
    st.text(st.characters(codec=None), max_size=400),
    st.sampled_from(ATTACKS),
    st.builds(
        lambda part, times: part * times, st.sampled_from([*ATTACKS, "&", "<", "\n", "\\", '"', "long text ", "日本語", "🎉", "&amp;"]), st.integers(1, 4_000)
    ),
)


@settings(max_examples=120, deadline=None)
@given(
    title=WORDS, text=WORDS, pairs=st.lists(st.tuples(WORDS, WORDS), max_size=30), outcome=st.none() | WORDS, audience=st.sampled_from(["internal", "customer"]),
    kind=st.sampled_from(["ask", "reminder", "escalation", "alert", "failure", "settled"]),
    buttons=st.sampled_from([(), ("approve", "changes", "reject"), ("acknowledge",)]),
)  # fmt: skip
def test_any_words_fit_and_none_comes_to_life(title, text, pairs, outcome, audience, kind, buttons):
    shown = message(title=title, text=text, summary=tuple(pairs), outcome=outcome, audience=audience, kind=kind, buttons=buttons)
    blocks = message_blocks(shown)
    assert_fits(blocks)
    assert "<" not in message_text(shown) and len(message_text(shown)) <= 1000
    json.dumps(blocks).encode()  # no half of a surrogate pair is left
    has_buttons = any(block["type"] == "actions" for block in blocks)
    assert has_buttons == (bool(buttons) and not outcome)


@settings(max_examples=100, deadline=None)
@given(about=WORDS, remark=WORDS, decision=st.sampled_from(["reject", "request_changes", "dismiss"]))
def test_any_words_fit_into_the_form_for_a_reason(about, remark, decision):
    view = reason_view(Form(decision, Pressed("req-1", 3, SHA), "C0APPROVALS", "1.2"), about=about, remark=remark)
    assert view_errors(view) == [] and live_sequences(view["blocks"]) == []


@settings(max_examples=200, deadline=None)
@given(text=WORDS, most=st.integers(1, 300))
def test_a_cut_never_leaves_half_an_escape(text, most):
    """`&am` would be shown as it stands, and `&lt` without its semicolon comes to life in some clients."""
    import re

    shown = cut(text, most)
    assert len(shown) <= most and "<" not in shown and ">" not in shown
    assert re.sub(r"&(amp|lt|gt);", "", shown).count("&") == 0


def test_the_text_is_shown_to_the_letter():
    """Markup of a draft is not Slack's: what is approved is what is read."""
    text = "# Plan\n\n* keep *this* & <that>\n`x` _y_ ~z~ :tada: 5 > 3"
    [section] = [block for block in message_blocks(message(text=text)) if block["type"] == "section" and "text" in block]
    assert section["text"] == {"type": "plain_text", "text": escape(text), "emoji": False}


def test_a_long_text_is_shown_as_far_as_it_fits_with_a_link_to_the_whole():
    text = "\n".join(f"{number}: a line of a plan that goes on and on" for number in range(1000))
    blocks = message_blocks(message(text=text))
    assert_fits(blocks)
    shown = "\n".join(texts(blocks))
    assert "longer than Slack takes" in shown and OWN_LINKS in shown
    assert len(json.dumps(blocks, ensure_ascii=False)) > 9_000  # as much as there is room for
    [confirm] = [element["confirm"] for block in blocks if block["type"] == "actions" for element in block["elements"] if "confirm" in element]
    assert "cut off" in confirm["text"]["text"]
    pieces = [block["text"]["text"] for block in blocks if block["type"] == "section" and "text" in block]
    assert text.startswith("".join(pieces)[:-1].rstrip()[:5000].rsplit("\n", 1)[0][:200])


def test_no_line_of_a_text_that_fits_is_lost():
    text = "\n".join(f"line {number} & more" for number in range(200))
    pieces = [block["text"]["text"] for block in message_blocks(message(text=text)) if block["type"] == "section" and "text" in block]
    assert len(pieces) > 1 and "".join(pieces) == escape(text)


def test_a_customers_text_is_marked():
    assert any("customer's eyes" in text for text in texts(message_blocks(message(audience="customer"))))
    assert not any("customer's eyes" in text for text in texts(message_blocks(message())))


def test_a_button_says_what_it_answers_for_and_nothing_else():
    [actions] = [block for block in message_blocks(message()) if block["type"] == "actions"]
    assert [element["action_id"] for element in actions["elements"]] == ["vimotion_approve", "vimotion_changes", "vimotion_reject", "vimotion_dismiss"]
    assert {element["value"] for element in actions["elements"]} == {f"req-1:3:{SHA}"}
    assert set(ACTIONS) >= {element["action_id"] for element in actions["elements"]}
    assert ["confirm" in element for element in actions["elements"]] == [True, False, False, False]
    [alert] = [
        block for block in message_blocks(message(kind="alert", request_id=None, alert_id="alert-1", buttons=("acknowledge",))) if block["type"] == "actions"
    ]
    assert [(element["action_id"], element["value"]) for element in alert["elements"]] == [("vimotion_acknowledge", f"alert-1:3:{SHA}")]


def test_a_settled_message_has_the_outcome_and_no_button():
    blocks = message_blocks(message(kind="settled", buttons=(), outcome="Approved by dora (director) on 2026-06-29 06:00 UTC through the inbox"))
    assert "through the inbox" in "\n".join(texts(blocks)) and not any(block["type"] == "actions" for block in blocks)


@pytest.mark.parametrize("link", ["javascript:alert(1)", "http://x|<!channel>", "http://x y", "http://x>"])
def test_a_link_that_is_none_is_not_made_one(link):
    assert live_sequences(message_blocks(message(link=link))) == []


@pytest.mark.parametrize("value", [None, 3, "", "req-1", f"req-1:3:{SHA}x", f"req-1:x:{SHA}", f"req 1:3:{SHA}", f"req-1:3:{SHA}\n", {"a": 1}])
def test_a_value_that_is_not_ours_says_nothing(value):
    assert parse_value(value) is None


@pytest.mark.parametrize("text", [None, "", "[]", "{", '{"d": "approve", "v": "x", "c": "C", "t": "1"}', '{"d": "reject", "v": 1, "c": "C", "t": "1"}'])
def test_a_form_that_is_not_ours_says_nothing(text):
    assert parse_form(text) is None


def test_a_value_and_a_form_come_back_as_they_went():
    pressed = Pressed("req-0123456789ab", 12, SHA)
    assert parse_value(button_value(pressed.item_id, pressed.version, pressed.sha256)) == pressed
    form = Form("reject", pressed, "C0APPROVALS", "1751176800.000001")
    assert parse_form(form_metadata(form)) == form


def test_metadata_carries_ids_and_no_name():
    metadata = delivery_metadata(message())
    assert carried({"metadata": metadata}) == ("msg-1", f"ask:req-1:3:{SHA[:16]}")
    assert "Acme" not in json.dumps(metadata)
    assert carried({"metadata": {**metadata, "event_type": "other"}}) == carried({}) == carried({"metadata": 3}) == ("", "")
