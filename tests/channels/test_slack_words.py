"""An approved word inside the house: posted once, found again, taken back, and never where outsiders read along."""

from __future__ import annotations

from datetime import timedelta

import pytest
from approval_drafts import AS_OF, NOW, make_draft
from pydantic import SecretStr
from stores import settings_for
from test_gmail_drafts import MemoryCrm

from vim_pipelines.approvals.connected import connected_actions
from vim_pipelines.approvals.deciding import decide, retry
from vim_pipelines.approvals.policy import Actor, load_policy, policy_of
from vim_pipelines.approvals.queue import request_approvals, show_request
from vim_pipelines.approvals.text import request_lines
from vim_pipelines.core.errors import VimError
from vim_pipelines.sandbox.emulators.faults import Fault
from vim_pipelines.sandbox.emulators.slack import BOT_TOKEN, Conversation, Member, SlackEmulator, serve_slack
from vim_pipelines.sandbox.emulators.slack_rules import texts
from vim_pipelines.store.models import Draft, OutboxEntry
from vim_pipelines.vendors.http import RetryPolicy, VendorError
from vim_pipelines.vendors.slack import SlackClient
from vim_pipelines.writeback.apply import reconcile, undo, write_back
from vim_pipelines.writeback.deliverables import WithDeliverables, with_deliverables
from vim_pipelines.writeback.deliverables.slack import SlackWords

CHANNEL, DORA = "C0HOUSE", Actor("dora", "director", "cli")
TEXT = "The whole brief, with what the customer said in confidence."
STEPS = ("Call the champion by 2026-07-03.", "Ask support for the open tickets.")


@pytest.fixture(scope="module")
def workspace():
    with serve_slack(SlackEmulator(members=[Member("U0DORA", "dora", "dora@vendor.example")])) as served:
        yield served


@pytest.fixture
def slack(workspace):
    """The workspace with one empty channel and no faults."""
    workspace.members = {"U0DORA": workspace.members["U0DORA"]}
    workspace.conversations = {CHANNEL: Conversation(CHANNEL, "house", {"U0DORA"})}
    workspace.app.faults.clear()
    workspace.app.journal.entries.clear()
    return workspace


@pytest.fixture
def settings(slack, tmp_path):
    known = {"slack_base_url": f"{slack.url}/api/", "slack_bot_token": SecretStr(BOT_TOKEN), "slack_channel": CHANNEL}
    return settings_for(f"sqlite:///{tmp_path / 'operations.db'}", tmp_path, write_mode="live", **known)


@pytest.fixture
def crm(settings):
    client = SlackClient(
        BOT_TOKEN, base_url=settings.slack_base_url, timeout_seconds=3, retry=RetryPolicy(attempts=2, base_seconds=0.001), sleep=lambda _: None
    )
    return WithDeliverables(MemoryCrm(), {"slack_internal": SlackWords(settings, client)})


def asked(store, policy, *, account="ACC-1", name="Northwind", steps=STEPS):
    draft_id = make_draft(store, account=account, document="escalation_brief", text=TEXT, facts=f"facts-{account}")
    with store.session() as session:
        draft = session.get_one(Draft, draft_id)
        rendered = [{"number": place, "action": step, "owner": "Ada", "due": "3 July", "due_on": "2026-07-03"} for place, step in enumerate(steps, 1)]
        draft.account_name, draft.structured = name, {"rendered_steps": rendered}
    signals = {account: {"arr_amount": 60000, "currency": "USD", "risk_band": "red", "csm_email": "ada@vendor.example"}}
    (request_id,) = request_approvals(store, policy, AS_OF, NOW, approval_hours=72, draft_ids=[draft_id], signals=signals).requested
    return request_id


def approved(store, settings, **more):
    policy = policy_of(settings)
    request_id = asked(store, policy, **more)
    decide(store, request_id, "approve", person=DORA, version=show_request(store, request_id).version, note=None, now=NOW, policy=policy)
    return request_id


def entry(store, request_id):
    with store.session() as session:
        return next(row for row in session.query(OutboxEntry).filter_by(request_id=request_id) if row.action == "slack_internal")


def test_the_word_stands_in_the_channel_once_with_what_the_playbook_names(store, settings, crm, slack):
    request_id = approved(store, settings)
    shown = "\n".join(request_lines(show_request(store, request_id), load_policy(), with_facts=False))
    assert f"post into the Slack channel {CHANNEL}: " in shown and "slack is not connected" not in shown
    assert write_back(store, crm, request_id, settings=settings, now=NOW).state == "verified"
    (message,) = slack.messages(CHANNEL)
    words = "\n".join(texts(message["blocks"]))
    assert all(step in words for step in STEPS) and f"VIM-{request_id}" in words and "Northwind" in message["text"]
    assert TEXT not in str(message)
    assert message["metadata"]["event_payload"]["delivery_id"] == f"VIM-{request_id}"
    row = entry(store, request_id)
    assert (row.target, row.state, row.after["state"], row.record_id) == ("slack", "verified", "posted", message["ts"])
    assert write_back(store, crm, request_id, settings=settings, now=NOW).state == "verified"
    assert len(slack.messages()) == 1


@pytest.mark.parametrize("missing", ["slack_bot_token", "slack_channel"])
def test_without_slack_or_a_channel_it_is_left_to_the_approver(store, settings, slack, missing):
    policy = policy_of(settings.model_copy(update={missing: None}))
    request = show_request(store, asked(store, policy))
    assert "slack_internal" not in [action["action"] for action in request.actions]
    assert "post inside the house (slack is not connected)" in "\n".join(request_lines(request, load_policy(), with_facts=False))
    assert policy.version == load_policy().version


def test_a_sandbox_posts_no_invented_news_into_a_real_workspace(settings):
    real = settings.model_copy(update={"slack_base_url": "https://slack.com/api/"})
    assert "slack_internal" in connected_actions(settings) and "slack_internal" not in connected_actions(real)
    assert isinstance(with_deliverables(real, MemoryCrm()), MemoryCrm)
    assert with_deliverables(settings, MemoryCrm()).carries("slack_internal")


@pytest.mark.parametrize("fault", [{"drop": "before"}, {"drop": "after"}, {"status": 500}])
def test_a_lost_answer_posts_nothing_twice(store, settings, crm, slack, fault):
    request_id = approved(store, settings)
    slack.app.faults.append(Fault.parse({"path": "/api/chat.postMessage$", **fault}))
    assert write_back(store, crm, request_id, settings=settings, now=NOW).state == "verified"
    assert len(slack.messages()) == 1
    assert entry(store, request_id).attempts == (1 if fault.get("drop") == "after" else 2)


class Killed(BaseException):
    """The process ended here."""


STEPS_OF_A_RUN = ["claimed", "planned", *(f"{step}:slack_internal" for step in ("read", "sending", "answered", "sent")), "applied", "verified:slack_internal"]


@pytest.mark.parametrize("step", STEPS_OF_A_RUN)
def test_a_process_that_dies_anywhere_leaves_one_message_after_the_next_run(store, settings, crm, slack, step):
    request_id = approved(store, settings)

    def die(at):
        if at == step:
            raise Killed

    with pytest.raises(Killed):
        write_back(store, crm, request_id, settings=settings, now=NOW, checkpoint=die)
    reconcile(store, crm, settings=settings, now=NOW + timedelta(minutes=5))
    write_back(store, crm, request_id, settings=settings, now=NOW + timedelta(minutes=5))
    assert show_request(store, request_id).state == "verified"
    assert len(slack.messages()) == 1


def test_another_apps_message_with_our_key_is_not_taken_for_ours(store, settings, crm, slack):
    request_id = approved(store, settings)
    payload = {"delivery_id": f"VIM-{request_id}", "subject": ""}
    slack.conversations[CHANNEL].messages.append(
        {"ts": "1.000001", "bot_id": "B0OTHER", "text": "x", "blocks": [], "metadata": {"event_type": "vimotion_delivery", "event_payload": payload}}
    )
    write_back(store, crm, request_id, settings=settings, now=NOW)
    assert len(slack.messages()) == 2


def test_undo_deletes_it_also_after_a_crash_in_the_middle(store, settings, crm, slack):
    request_id = approved(store, settings)
    write_back(store, crm, request_id, settings=settings, now=NOW)

    def die(at):
        if at == "put_back:slack_internal":
            raise Killed

    with pytest.raises(Killed):
        undo(store, crm, request_id, settings=settings, now=NOW, note="wrong", checkpoint=die)
    assert slack.messages() == []
    assert undo(store, crm, request_id, settings=settings, now=NOW, note="wrong").state == "undone"
    assert entry(store, request_id).state == "undone"


@pytest.mark.parametrize("change", ["edited", "deleted"])
def test_undo_leaves_alone_what_somebody_changed(store, settings, crm, slack, change):
    request_id = approved(store, settings)
    write_back(store, crm, request_id, settings=settings, now=NOW)
    (message,) = slack.conversations[CHANNEL].messages
    if change == "edited":
        message["edited"] = {"user": "U0SANDBOX", "ts": "2.0"}
    else:
        slack.conversations[CHANNEL].messages.clear()
    with pytest.raises(VimError, match="VIM-E051"):
        undo(store, crm, request_id, settings=settings, now=NOW, note="wrong")


@pytest.mark.parametrize("name", ["<!channel> Ltd", "<@U0DORA>", "<https://evil.example|Northwind>", "A & B <script>"])
def test_no_mention_and_no_link_of_others_comes_to_life(store, settings, crm, slack, name):
    request_id = approved(store, settings, name=name, steps=(f"Tell {name}",))
    write_back(store, crm, request_id, settings=settings, now=NOW)
    (message,) = slack.messages(CHANNEL)
    assert "<" not in message["text"] and "<" not in "".join(texts(message["blocks"]))
    kinds = {block.get("text", {}).get("type", "plain_text") for block in message["blocks"]}
    kinds |= {element["type"] for block in message["blocks"] for element in block.get("elements", ())}
    assert kinds == {"plain_text"}


@pytest.mark.parametrize("who", ["guest", "shared"])
def test_nothing_is_posted_where_outsiders_read_along(store, settings, crm, slack, who):
    request_id = approved(store, settings)
    if who == "guest":
        slack.members["U0GUEST"] = Member("U0GUEST", "gus", "gus@customer.example", is_guest=True)
        slack.conversations[CHANNEL].members.add("U0GUEST")
    else:
        slack.conversations[CHANNEL].is_shared_outside = True
    with pytest.raises(VendorError, match="VIM-E141"):
        write_back(store, crm, request_id, settings=settings, now=NOW)
    assert show_request(store, request_id).state == "failed" and slack.messages() == []
    slack.conversations[CHANNEL].is_shared_outside = False
    slack.conversations[CHANNEL].members.discard("U0GUEST")
    retry(store, request_id, person=DORA, note="they have left", now=NOW, policy=policy_of(settings))
    assert write_back(store, crm, request_id, settings=settings, now=NOW).state == "verified"
    assert len(slack.messages()) == 1


def test_a_channel_too_large_to_look_through_counts_as_one_with_outsiders(settings, slack):
    client = SlackClient(BOT_TOKEN, base_url=settings.slack_base_url)
    assert client.outsiders(CHANNEL) is None
    assert "more than 1 members" in str(client.outsiders(CHANNEL, most=1))


def test_what_does_not_fit_is_not_cut(store, settings, crm, slack):
    request_id = approved(store, settings, steps=("word " * 4000,))
    with pytest.raises(VimError, match="VIM-E112"):
        write_back(store, crm, request_id, settings=settings, now=NOW)
    assert slack.messages() == [] and crm.crm.records == {}
